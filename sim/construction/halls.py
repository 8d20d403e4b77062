"""Halls come to have power, and new ones are started where slots are dear (docs/boom.md 4).

A zone starts one hall at a time. It is paid by owners outside the model; the hall of a miner carries a project loan, repaid level
over a lease from the day it is promised for.
"""

from collections.abc import Callable

import numpy as np

from agents.vocabulary import MONTHS_PER_YEAR, AgentKind, Floats, Ints, PoolKind
from sim.base.randomness import Purpose
from sim.construction.pipeline import delay_weeks
from sim.debt.terms import level_payment
from sim.lending import terms
from sim.origination.sizing import annuity
from sim.state.ledger import Account, LoanKind
from sim.state.world import REST_OF_WORLD, World

NEVER = 1 << 40


def energise(world: World, week: int) -> None:
    """Halls whose day has come have power: their watts, their units and their leases join the open pool of the place."""
    pools, lots, leases = world.topology, world.ledger.lots, world.leases
    due = (pools.pool_kind == PoolKind.FORWARD) & (world.slots.opens_week == week)
    for pool in np.flatnonzero(due & (world.capacity.power_watts > 0)):
        target = world.pool_at(int(pools.pool_place[pool]), PoolKind.OPEN)
        watts, liquid = int(world.capacity.power_watts[pool]), int(world.capacity.liquid_watts[pool])
        world.capacity.move(int(pool), target, watts, liquid)
        lots.pool[lots.pool == pool] = target
        leases.pool[leases.pool == pool] = target
        world.slots.opens_week[pool] = world.slots.promised_week[pool] = NEVER
        host = int(world.slots.host[pools.pool_place[pool]])
        world.log(week, "energised", host, quantity=watts // 1_000_000, detail="MW")


def slip(world: World, week: int) -> None:
    """In the week of a scenario's shock all promised dates move."""
    section = world.parameters.construction
    if section.slip_weeks and week == section.slip_week:
        waiting = world.slots.opens_week > week
        waiting &= world.slots.opens_week < NEVER
        world.slots.opens_week[waiting] += section.slip_weeks
        later = np.isin(world.leases.pool, np.flatnonzero(waiting))
        world.leases.start[later] += section.slip_weeks
        world.leases.end[later] += section.slip_weeks
        world.log(
            week,
            "pipeline_slips",
            REST_OF_WORLD,
            quantity=int(waiting.sum()),
            detail=f"{section.slip_weeks} weeks",
        )


def start(world: World, week: int, slot_value: Callable[[World, int], Floats]) -> None:
    """Start a hall in every zone whose slots are worth more than a shell costs and where none is being built.

    Parameters
    ----------
    slot_value
        What a powered slot in each zone is worth to its best user beyond the posted fee, USD per IT watt, (zones,).
    """
    section, site, pools = world.parameters.construction, world.parameters.site, world.topology
    idle = world.slots.building_pool
    free = np.array(
        [world.slots.opens_week[pool] >= NEVER and world.capacity.power_watts[pool] == 0 for pool in idle]
    )
    if not free.any() or section.started_share == 0:
        return
    fee = site.hosting_fee_usd_per_kw_month / 1000.0
    months = site.lease_tenor_years * MONTHS_PER_YEAR
    posted = fee * float(annuity(world.parameters.contracts.hurdle, months))
    worth = slot_value(world, week)
    zone = pools.places.zone[pools.pool_place]
    watts = np.bincount(zone, weights=world.capacity.power_watts, minlength=len(worth))
    luck = world.randomness.uniform(Purpose.LATENESS, week + 1, np.arange(len(worth)))
    size = world.randomness.normal(Purpose.PROMISE, week + 1, np.arange(len(worth)))
    late = delay_weeks(luck < section.late_share, size, section.late_median_weeks, section.late_log_deviation)
    for z in np.flatnonzero(free & (worth + posted > section.shell_usd_per_watt)):
        pool, built = int(idle[z]), int(watts[z] * section.started_share)
        if built <= 0:
            continue
        world.capacity.build(pool, built, built)
        world.slots.promised_week[pool] = week + section.build_weeks
        world.slots.opens_week[pool] = week + section.build_weeks + int(late[z])
        host = int(world.slots.host[pools.pool_place[pool]])
        world.log(week, "hall_started", host, quantity=built // 1_000_000, detail="MW")
        _borrow(world, week, host, built)


def _borrow(world: World, week: int, host: int, watts: int) -> None:
    """The project loan on a miner's hall; its owners pay the rest of the shell."""
    section, ledger = world.parameters.construction, world.ledger
    if ledger.parties.kind[host] != AgentKind.MINER:
        return
    cost = round(watts * section.shell_usd_per_watt * 100)
    lent = int(cost * section.miner_debt_share)
    months = section.build_weeks * MONTHS_PER_YEAR // 52 + terms.months_of(
        world.parameters.site.lease_tenor_years
    )
    rate = terms.market_rate(world, week, 1)
    ledger.lend(
        debtor=host,
        creditor=REST_OF_WORLD,
        principal_cents=lent,
        balance_cents=lent,
        rate=rate,
        payment_cents=int(np.ceil(level_payment(float(lent), rate, months))),
        months_left=months,
        cost_cents=cost,
        start=week,
        kind=int(LoanKind.PROJECT),
        tier=1,
    )
    ledger.pay(REST_OF_WORLD, host, cost - lent, Account.EQUITY)
    ledger.pay(host, REST_OF_WORLD, cost, Account.RETROFIT)


def typical_halls(world: World) -> Ints:
    """The largest open pool of every zone, -1 where there is none, (zones,)."""
    pools = world.topology
    zone = pools.places.zone[pools.pool_place]
    watts = np.where(pools.pool_kind == PoolKind.OPEN, world.capacity.power_watts, -1)
    found = np.full(len(pools.places.zone_names), -1, dtype=np.int64)
    for z in range(len(found)):
        here = np.flatnonzero((zone == z) & (watts >= 0))
        if len(here):
            found[z] = here[watts[here].argmax()]
    return found
