"""Leases of powered shells and the rent that is owed for slots, paid or not.

A shell is leased whole and for years, and its rent is owed whether anything runs there (contracts.md 4.8); units that stand
outside a lease pay the posted fee. The landlord of a place is its host: a miner that leases its shell is the base case of a
miner, and what its tenant does is what happens to it. Rent that is not paid stays owed to the host, who has a lien on what
stands there and must be made whole before the slots are assigned (economics.md section 1).
"""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import (
    HOURS_PER_MONTH,
    HOURS_PER_WEEK,
    WEEKS_PER_YEAR,
    ConvertOrders,
    Floats,
    Ints,
    PoolKind,
)
from sim.base.randomness import Purpose
from sim.base.rounding import largest_remainder, to_cents
from sim.base.units import NEVER
from sim.state.capacity import Load
from sim.state.ledger import Account
from sim.state.tenants import TenantState
from sim.state.world import REST_OF_WORLD, World


@dataclass(slots=True)
class Owed:
    """Slot rent of a week: who owes what at which place, int64 cents; one row a bill."""

    party: Ints
    place: Ints
    cents: Ints
    new: Ints  # of these, this week's rent; the rest is arrears


def weekly_rent(world: World, week: int, payer: Ints, pool: Ints, kilowatts: Floats) -> Owed:
    """Slot rent due this week: leases in full, standing units beyond them at the posted fee, arrears.

    Parameters
    ----------
    payer, pool, kilowatts
        One row per lot that stands in a pool with a fee, or in a leased hall.
    """
    leases, pools = world.leases, world.topology
    live = np.flatnonzero(leases.live(week))
    own = live[leases.tenant[live] != REST_OF_WORLD]
    width = len(pools.pool_place)
    key, place_of = np.unique(leases.tenant[own] * width + leases.pool[own], return_inverse=True)
    leased = np.bincount(place_of, weights=leases.watts[own] / 1000.0, minlength=len(key))
    asked = payer * width + pool
    at = np.searchsorted(key, asked).clip(0, max(len(key) - 1, 0))
    known = key[at] == asked if len(key) else np.zeros(len(asked), dtype=np.bool_)
    standing = np.bincount(at[known], weights=kilowatts[known], minlength=len(key))
    beyond = np.where(standing > 0, np.maximum(1.0 - leased / np.maximum(standing, 1e-12), 0.0), 0.0)
    share = np.ones(len(payer))
    share[known] = beyond[at[known]]
    hours = HOURS_PER_WEEK / HOURS_PER_MONTH
    years = (week - leases.start[own]) // WEEKS_PER_YEAR
    rent = (
        leases.watts[own]
        / 1000.0
        * leases.rate_usd_per_kw_month[own]
        * (1.0 + leases.escalator[own]) ** years
        * hours
    )
    party = np.r_[payer, leases.tenant[own]]
    place = np.r_[pools.pool_place[pool], pools.pool_place[leases.pool[own]]]
    due = np.zeros((world.ledger.parties.n, pools.places.n), dtype=np.int64)
    np.add.at(
        due, (party, place), to_cents(np.r_[pools.pool_hosting[pool] * kilowatts * share * hours, rent])
    )
    total = due + world.slots.arrears_cents
    who, where = np.nonzero(total)
    return Owed(who, where, total[who, where], due[who, where])


def pay_rent(world: World, owed: Owed, budget: Ints) -> Ints:
    """Pay slot rent out of `budget` (per party), hosts pro rata; what is short stays as arrears; returns it, per party."""
    due = np.zeros(len(budget), dtype=np.int64)
    np.add.at(due, owed.party, owed.cents)
    paid = owed.cents.copy()
    for party in np.flatnonzero(budget < due):
        mine = np.flatnonzero(owed.party == party)
        paid[mine] = largest_remainder(int(budget[party]), owed.cents[mine].astype(np.float64))
    world.ledger.pay(owed.party, world.slots.host[owed.place], paid, Account.HOSTING)
    world.slots.arrears_cents[:] = 0
    world.slots.arrears_cents[owed.party, owed.place] = owed.cents - paid
    short = np.zeros(len(budget), dtype=np.int64)
    np.add.at(short, owed.party, np.minimum(owed.cents - paid, owed.new))
    return short


def collect_outside(world: World, week: int) -> None:
    """Outside tenants pay the week's rent of the shells they lease."""
    leases = world.leases
    rows = np.flatnonzero(leases.live(week) & (leases.tenant == REST_OF_WORLD))
    years = (week - leases.start[rows]) // WEEKS_PER_YEAR
    hours = HOURS_PER_WEEK / HOURS_PER_MONTH
    rent = (
        leases.watts[rows]
        / 1000.0
        * leases.rate_usd_per_kw_month[rows]
        * (1.0 + leases.escalator[rows]) ** years
        * hours
    )
    world.ledger.pay(REST_OF_WORLD, landlord(world, leases.pool[rows]), to_cents(rent), Account.HOSTING)


def landlord(world: World, pool: Ints) -> Ints:
    """Who lets a pool: the miner whose converted hall it is, else the host of the place."""
    mined = world.topology.pool_kind[pool] == PoolKind.DISPLACED
    return np.asarray(
        np.where(mined, world.slots.holder[pool], world.slots.host[world.topology.pool_place[pool]])
    )


# -- ends of leases ---------------------------------------------------------------------------------------


def end_leases(world: World, week: int, party: int) -> None:
    """A failed tenant's leases are rejected: its halls fall to the host, who posts what is free in them."""
    leases, pools = world.leases, world.topology
    rows = np.flatnonzero(leases.live(week) & (leases.tenant == party))
    leases.end[rows] = week
    leases.broken[rows] = 1
    used, used_liquid = world.used()
    for pool in np.flatnonzero((world.slots.holder == party) & (pools.pool_kind == PoolKind.PRIVATE)):
        free = int(world.capacity.power_watts[pool] - used[pool] - world.capacity.background_watts[pool])
        liquid = min(max(int(world.capacity.liquid_watts[pool] - used_liquid[pool]), 0), free)
        home = world.pool_at(int(pools.pool_place[pool]), PoolKind.OPEN)
        world.capacity.move(int(pool), home, free, liquid)
    for host in np.unique(world.slots.host[pools.pool_place[leases.pool[rows]]]):
        watts = int(leases.watts[rows][world.slots.host[pools.pool_place[leases.pool[rows]]] == host].sum())
        world.log(week, "lease_rejected", int(host), counterparty=party, detail=f"{watts / 1e6:.1f} MW")


def tenant_gone(world: World, week: int, tenant: int) -> None:
    """An outside tenant that fails leaves its shells; the host posts them."""
    leases, pools = world.leases, world.topology
    rows = np.flatnonzero((leases.end > week) & (leases.behind == tenant))
    leases.end[rows], leases.broken[rows] = week, 1
    for pool in np.unique(leases.pool[rows]):
        watts = int(leases.watts[rows[leases.pool[rows] == pool]].sum())
        place = int(pools.pool_place[pool])
        world.capacity.move(int(pool), world.pool_at(place, PoolKind.OPEN), watts, load=Load.BACKGROUND)
        told = f"{watts / 1e6:.1f} MW, tenant failed"
        world.log(week, "lease_rejected", int(landlord(world, np.array([pool]))[0]), detail=told)


def lost_lately(world: World, week: int, host: int) -> bool:
    """Whether a lease of this host was broken within `lease_cause_weeks`."""
    leases, since = world.leases, week - world.parameters.credit.lease_cause_weeks
    mine = landlord(world, leases.pool) == host
    return bool(np.any(mine & (leases.broken == 1) & (leases.end > since)))


# -- assignment -------------------------------------------------------------------------------------------


def ask_consent(world: World, week: int, party: int, places: Ints) -> None:
    """Hosts of assignable slots take 0 to 8 weeks to consent to another operator (economics.md section 1).

    A host whose arrears are not cured does not consent.
    """
    wait = int(world.parameters.site.consent_weeks)
    luck = world.randomness.uniform(Purpose.CONSENT, week, places)
    agreed = week + np.floor(luck * (wait + 1)).astype(np.int64)
    world.slots.consent_week[places] = np.where(world.slots.arrears_cents[party, places] > 0, NEVER, agreed)


def cure_arrears(world: World, party: int, lots: Ints) -> None:
    """Lenders bring the slot rent of assignable places up to date, in proportion to what stands there for them.

    What they pay is a cost of the recovery; hosts of other places keep a lien on the proceeds (contracts.md 4.11).
    """
    ledger, pools = world.ledger, world.topology
    where = pools.pool_place[ledger.lots.pool[lots]]
    watts = world.lot_watts()[lots].astype(np.float64)
    for place in np.unique(where[world.slots.assignable[where]]):
        owed = int(world.slots.arrears_cents[party, place])
        here = lots[where == place]
        if owed == 0:
            continue
        lien, slot = np.unique(ledger.lots.lien[here], return_inverse=True)
        share = largest_remainder(owed, np.bincount(slot, weights=watts[where == place]))
        creditor = np.where(lien >= 0, ledger.loans.creditor[lien], party)
        paid = np.minimum(share, np.maximum(ledger.parties.cash_cents[creditor], 0) // max(len(lien), 1))
        ledger.pay(creditor, int(world.slots.host[place]), paid, Account.HOSTING)
        filed = (lien >= 0) & world.bridge.is_open(lien)
        world.bridge.spend(lien[filed], paid[filed])
        world.slots.arrears_cents[party, place] -= int(paid.sum())


# -- conversion of mining halls ---------------------------------------------------------------------------


def convert(world: World, week: int, orders: ConvertOrders) -> None:
    """Turn mining watts into leased shells: machines off and capital spent now, rent from the end of the works.

    The trades that can do it are scarce: what miners ask for together beyond `site.retrofit_watts_per_week` is rationed pro
    rata. Whole kilowatts, none without the cash.
    """
    section, ledger = world.parameters.site, world.ledger
    capex = section.retrofit_capex_usd_per_kw / 1000.0 * 100.0
    asked = orders.watts // 1000
    total = min(int(asked.sum()), int(section.retrofit_watts_per_week) // 1000)
    granted = largest_remainder(total, asked.astype(np.float64)) if total else np.zeros_like(asked)
    lead = int(section.retrofit_lead_weeks)
    tenants = np.flatnonzero(world.tenants.state != TenantState.DEFAULTED)
    if len(tenants) == 0:
        return
    for i in np.flatnonzero(granted):
        party, pool = int(orders.party[i]), int(orders.pool[i])
        affordable = int(max(int(ledger.parties.cash_cents[party]), 0) / capex) // 1000 * 1000
        watts = min(int(granted[i]) * 1000, int(world.capacity.mining_watts[pool]), affordable)
        if watts <= 0:
            continue
        cents = round(watts * capex)
        ledger.pay(party, REST_OF_WORLD, min(cents, int(ledger.parties.cash_cents[party])), Account.RETROFIT)
        world.capacity.move(pool, pool, watts, load=Load.MINING, into=Load.BACKGROUND)
        luck = float(world.randomness.uniform(Purpose.LEASE_TENANT, week, np.array([pool]))[0])
        world.leases.append(
            tenant=REST_OF_WORLD,
            pool=pool,
            watts=watts,
            rate_usd_per_kw_month=world.parameters.miners.shell_lease_usd_per_kw_month,
            escalator=section.lease_escalator,
            start=week + lead,
            end=week + lead + round(section.lease_tenor_years * WEEKS_PER_YEAR),
            behind=int(tenants[int(luck * len(tenants))]),
        )
        world.log(week, "shell_leased", party, cents=cents, detail=f"{watts / 1e6:.2f} MW in {lead} weeks")
