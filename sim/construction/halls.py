"""Halls come to have power, and new ones are started where slots are dear (docs/boom.md 4).

A zone starts one hall at a time, an operator with idle cash one of its own. Halls of parties of the model carry a project loan,
repaid level until a lease from the promised day would end; others are paid by owners outside the model.
"""

from collections.abc import Callable

import numpy as np

from agents.lender import MIXED
from agents.vocabulary import MONTHS_PER_YEAR, WEEKS_PER_YEAR, AgentKind, Floats, Ints, PoolKind
from sim.base.randomness import Purpose
from sim.base.units import NEVER
from sim.construction.pipeline import delay_weeks
from sim.debt.terms import level_payment
from sim.lending import terms
from sim.state.ledger import Account, LoanKind
from sim.state.world import REST_OF_WORLD, World


def energise(world: World, week: int) -> None:
    """Halls whose day has come have power: their watts, their units and their leases join the open pool of the place."""
    _slip(world, week)
    pools, lots, leases = world.topology, world.ledger.lots, world.leases
    due = (pools.pool_kind == PoolKind.FORWARD) & (world.slots.opens_week == week)
    for pool in np.flatnonzero(due & (world.capacity.power_watts > 0)):
        place, holder = int(pools.pool_place[pool]), int(world.slots.holder[pool])
        own = holder >= 0 and world.ledger.parties.kind[holder] == AgentKind.NEO_CLOUD
        target = (
            world.pool_at(place, PoolKind.PRIVATE, holder) if own else world.pool_at(place, PoolKind.OPEN)
        )
        watts, liquid = int(world.capacity.power_watts[pool]), int(world.capacity.liquid_watts[pool])
        world.capacity.move(int(pool), target, watts, liquid)
        lots.pool[lots.pool == pool] = target
        leases.pool[leases.pool == pool] = target
        world.slots.opens_week[pool] = world.slots.promised_week[pool] = NEVER
        host = int(world.slots.host[pools.pool_place[pool]])
        world.log(week, "energised", host, quantity=watts // 1_000_000, detail="MW")


def _slip(world: World, week: int) -> None:
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


SlotValue = Callable[[World, int], Floats]


def build(world: World, week: int, slot_value: SlotValue, spare: Callable[[World, int], Ints]) -> None:
    """Start halls where slots are worth more than a shell: outside owners one a zone, operators their own out of idle cash.

    Parameters
    ----------
    slot_value
        What a powered slot in each zone is worth to its best user beyond the posted fee, USD per IT watt, (zones,).
    spare
        Cash each party has no other use for, cents, (parties,).
    """
    worth = slot_value(world, week) + world.fee_worth_usd_per_watt()
    _start(world, week, worth)
    _build_own(world, week, worth, spare(world, week))


def _start(world: World, week: int, worth: Floats) -> None:
    """Start a hall in every zone whose slots are worth more than a shell costs and where none is being built."""
    section, pools = world.parameters.construction, world.topology
    idle = world.slots.building_pool
    free = np.array(
        [world.slots.opens_week[pool] >= NEVER and world.capacity.power_watts[pool] == 0 for pool in idle]
    )
    if not free.any() or section.started_share == 0:
        return
    zone = pools.places.zone[pools.pool_place]
    watts = np.bincount(zone, weights=world.capacity.power_watts, minlength=len(worth))
    for z in np.flatnonzero(free & (worth > section.shell_usd_per_watt)):
        built = int(watts[z] * section.started_share)
        if built > 0:
            _begin(world, week, int(idle[z]), built, int(world.slots.host[pools.pool_place[idle[z]]]))


def _build_own(world: World, week: int, worth: Floats, spare: Ints) -> None:
    """Operators with idle cash build halls of their own where slots are worth more than a shell."""
    section, pools = world.parameters.construction, world.topology
    pools_of = world.slots.own_building_pool
    for party in np.flatnonzero((pools_of >= 0) & (spare > 0) & world.operators.active):
        pool = int(pools_of[party])
        dear = worth[pools.places.zone[pools.pool_place[pool]]] > section.shell_usd_per_watt
        if not dear or world.capacity.power_watts[pool] > 0:
            continue
        each = section.shell_usd_per_watt * 100 * (1.0 - section.project_debt_share)
        watts = min(int(int(spare[party]) / each), int(section.own_hall_watts))
        if watts > 0 and watts >= world.parameters.contracts.least_hall_watts:
            _begin(world, week, pool, watts, int(party))


def _begin(world: World, week: int, pool: int, watts: int, owner: int) -> None:
    """Start a hall: a date is promised, and whether it will be kept is drawn."""
    section = world.parameters.construction
    luck = world.randomness.uniform(Purpose.LATENESS, week + 1, np.array([pool]))
    size = world.randomness.normal(Purpose.PROMISE, week + 1, np.array([pool]))
    late = delay_weeks(luck < section.late_share, size, section.late_median_weeks, section.late_log_deviation)
    world.capacity.build(pool, watts, watts)
    world.slots.promised_week[pool] = week + section.build_weeks
    world.slots.opens_week[pool] = week + section.build_weeks + int(late[0])
    world.log(week, "hall_started", owner, quantity=watts // 1_000_000, detail="MW")
    if world.ledger.parties.kind[owner] in (AgentKind.MINER, AgentKind.NEO_CLOUD):
        _pay_for(world, week, owner, watts)


def _pay_for(world: World, week: int, owner: int, watts: int) -> None:
    """A project loan, and for a miner its owners' money, for an operator its own."""
    section, ledger = world.parameters.construction, world.ledger
    cost = round(watts * section.shell_usd_per_watt * 100)
    lent = int(cost * section.project_debt_share)
    build = round(section.build_weeks * MONTHS_PER_YEAR / WEEKS_PER_YEAR)
    months = build + terms.months_of(world.parameters.site.lease_tenor_years)
    rate = terms.market_rate(world, week, MIXED)
    ledger.lend(
        debtor=owner,
        creditor=REST_OF_WORLD,
        principal_cents=lent,
        balance_cents=lent,
        rate=rate,
        payment_cents=int(np.ceil(level_payment(float(lent), rate, months))),
        months_left=months,
        cost_cents=cost,
        start=week,
        kind=int(LoanKind.PROJECT),
        tier=MIXED,
        tested_from=NEVER,
    )
    if ledger.parties.kind[owner] == AgentKind.MINER:
        ledger.pay(REST_OF_WORLD, owner, cost - lent, Account.EQUITY)
    ledger.pay(owner, REST_OF_WORLD, cost, Account.CONSTRUCTION)
    world.operators.hall_watts[owner] += watts


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
