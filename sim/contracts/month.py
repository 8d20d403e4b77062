"""The month in the market for contracts: what ends, what demand offers, who competes, what is signed (docs/boom.md 3)."""

from dataclasses import dataclass

import numpy as np

from agents.lender import INVESTMENT, MIXED, SPECULATIVE
from agents.vocabulary import (
    MONTHS_PER_YEAR,
    WEEKS_PER_YEAR,
    Floats,
    Ints,
    LotStatus,
)
from sim.base.randomness import Purpose
from sim.base.rounding import to_cents
from sim.construction.halls import typical_halls
from sim.contracts.auction import market_multiple
from sim.contracts.deals import (
    lognormal_size,
    prepaid_of,
    renewal_probability,
    tenant_of,
    term_of,
)
from sim.contracts.halls import Halls, Served, candidates, machines, operators, serve
from sim.contracts.matching import house, supply
from sim.contracts.offers import Machine
from sim.contracts.rates import posted_ratio
from sim.contracts.signing import Proposal, sign
from sim.state.ledger import Account
from sim.state.tenants import TenantState, end_contracts
from sim.state.world import REST_OF_WORLD, World

# Contracts offered now are served by stock that runs about half a year later.
LEAD_WEEKS = 26
STANDARD_TIER = INVESTMENT
DRAWS = 3  # of a deal: tier, term, tenant
# Deals are numbered from far above the weeks of a run.
STREAM_WEEKS = 1_000_000


def live_month(world: World, week: int) -> None:
    """Contracts end or are renewed, late ones are cancelled, new ones are offered and signed."""
    end_or_renew(world, week)
    cancel_late(world, week)
    world.demand.idle_months += 1
    if world.parameters.credit.building:
        offer_deals(world, week)


# -- what ends --------------------------------------------------------------------------------------------


def end_or_renew(world: World, week: int) -> None:
    """A tenant whose contract ends stays at the market's rate with a probability; else its units go to spot for good."""
    contracts, lots, tenants = world.contracts, world.ledger.lots, world.tenants
    over = np.flatnonzero(contracts.end <= week)
    over = over[np.isin(over, lots.contract)]
    if len(over) == 0:
        return
    section, market = world.parameters.contracts, _rate_today(world, over)
    loyal = (tenants.state[contracts.tenant[over]] != TenantState.DEFAULTED) & (contracts.left[over] == 0)
    loyal &= world.operators.active[contracts.operator[over]]
    chance = renewal_probability(
        section.renewal_probability,
        (tenants.rating[contracts.tenant[over]] == INVESTMENT).astype(np.int64),
        contracts.rate_usd_per_hour[over] / market,
    )
    stays = loyal & (world.randomness.uniform(Purpose.RENEWAL, week, over) < chance)
    gone, rows = over[~stays], over[stays]
    lots.contract[np.isin(lots.contract, gone)] = -1
    served = np.zeros(len(contracts.tenant), dtype=np.int64)
    np.add.at(served, lots.contract[lots.contract >= 0], lots.quantity[lots.contract >= 0])
    contracts.gpus[rows] = served[rows]
    contracts.rate_usd_per_hour[rows] = market[stays]
    contracts.due[rows] = week
    contracts.end[rows] = week + np.maximum(np.rint(contracts.years[rows] * WEEKS_PER_YEAR), 1).astype(
        np.int64
    )
    cents = to_cents(contracts.unearned_usd(rows, week))
    world.ledger.pay(REST_OF_WORLD, contracts.operator[rows], cents, Account.PREPAYMENT)
    for kind, which in (("contract_renewed", rows), ("contract_ended", gone)):
        for operator in np.unique(contracts.operator[which]):
            mine = which[contracts.operator[which] == operator]
            world.log(week, kind, int(operator), quantity=int(contracts.gpus[mine].sum()))


def _rate_today(world: World, rows: Ints) -> Floats:
    """What contracts would pay if they were signed anew for their old terms, USD per GPU-hour."""
    contracts, hurdle = world.contracts, world.parameters.contracts.hurdle
    rent = world.rents.contract_usd_per_hour[contracts.generation[rows]]
    ratio = posted_ratio(contracts.years[rows], world.parameters.rent.trend_deflation, hurdle)
    return np.asarray(rent * ratio * world.demand.multiple)


def cancel_late(world: World, week: int) -> None:
    """Tenants not served long after the contract date leave if they can rent for less now; what they paid is a claim."""
    contracts, lots, section = world.contracts, world.ledger.lots, world.parameters.contracts
    dark = np.unique(lots.contract[(lots.contract >= 0) & (lots.status == LotStatus.IN_TRANSIT)])
    late = dark[(contracts.due[dark] + section.cancel_weeks <= week) & (contracts.end[dark] > week)]
    if len(late) == 0:
        return
    rows = late[contracts.rate_usd_per_hour[late] > _rate_today(world, late)]
    claims = to_cents(contracts.unearned_usd(rows, week))
    np.add.at(world.operators.customer_claims_cents, contracts.operator[rows], claims)
    for row in rows:
        operator = int(contracts.operator[row])
        world.log(
            week, "contract_cancelled", operator, quantity=int(contracts.gpus[row]), detail="hall not ready"
        )
    end_contracts(contracts, rows, week)


# -- what is offered --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deal demand offers: its stream and size in H100 equivalents, and what its tenant is and wants."""

    stream: int
    number: int
    h100e: float
    tier: int
    tenant: int
    years: float
    prepaid: float


def offered_a_month(world: World, week: int) -> float:
    """Contracts offered at posted rates, H100 equivalents: the segment's part of planned growth, more or less with demand."""
    section, plan = world.parameters.contracts, world.plan
    growth = float(plan.growth[min(week + LEAD_WEEKS, len(plan.growth) - 1)])
    response = np.exp(section.demand_response * float(world.drivers.demand[week]))
    return float(section.represented_share * growth / MONTHS_PER_YEAR * response)


def offer_deals(world: World, week: int) -> None:
    """Find what tenants pay, draw the month's deals, and let operators compete for each."""
    section = world.parameters.contracts
    halls = candidates(world, week)
    volume = offered_a_month(world, week)
    machine = machines(world, week, halls)
    standard = serve(
        world, week, halls, machine, STANDARD_TIER, section.term_years, section.prepaid_investment
    )
    weight = world.hardware.compute_weight[halls.generation]
    elasticity = world.parameters.rent.demand_elasticity
    multiple = market_multiple(
        *supply(halls, standard, weight),
        MONTHS_PER_YEAR * volume,
        elasticity,
        1.0 + section.certainty_premium,
    )
    world.demand.multiple = multiple
    volume *= multiple**-elasticity
    world.booked.offered_h100e += volume
    for wanted in _drawn(world, week, volume, halls, machine, standard):
        taken = _compete(world, week, wanted, multiple)
        if taken <= 0:
            world.demand.total[wanted.stream] += wanted.h100e


def _drawn(
    world: World, week: int, volume: float, halls: Halls, machine: Machine, standard: Served
) -> list[Wanted]:
    """The deals a month's volume buys, in random order; what is left over waits, up to a year's volume."""
    section, demand, lenders = world.parameters.contracts, world.demand, world.parameters.lenders
    shares = np.array([section.investment_share, 1.0 - section.investment_share])
    demand.total = np.minimum(demand.total + volume * shares, MONTHS_PER_YEAR * volume * shares)
    usd, most = _cost_of_compute(world, halls, machine, standard)
    if not np.isfinite(usd) or most <= 0:
        return []
    means = np.array([section.large_deal_usd, section.small_deal_usd]) / lenders.advance.array()[:2]
    found: list[Wanted] = []
    for stream in range(len(shares)):
        while True:
            number = int(demand.number[stream])
            luck = world.randomness.uniform(Purpose.DEAL, stream, np.arange(DRAWS * (number + 1)))[-DRAWS:]
            size = world.randomness.normal(Purpose.DEAL_SIZE, stream, np.array([number]))
            hardware = lognormal_size(
                float(means[stream]), section.deal_log_deviation, np.inf, float(size[0])
            )
            h100e = min(hardware / usd, most, max(MONTHS_PER_YEAR * volume * float(shares[stream]), 1.0))
            if demand.total[stream] < h100e:
                break
            demand.total[stream] -= h100e
            demand.number[stream] += 1
            tier = (
                INVESTMENT
                if stream == 0
                else _tier(float(luck[0]), world.parameters.tenants.speculative_share)
            )
            found.append(
                Wanted(
                    stream,
                    number,
                    h100e,
                    tier,
                    tenant_of(world.tenants, tier, section.largest_tenant_share, float(luck[2])),
                    term_of(section.term_years, section.speculative_term_share, tier, float(luck[1])),
                    float(prepaid_of(section, np.array([tier]))[0]),
                )
            )
    order = np.argsort(
        world.randomness.uniform(Purpose.DEAL_ORDER, week, np.arange(len(found))), kind="stable"
    )
    return [found[i] for i in order]


def _tier(luck: float, speculative: float) -> int:
    return SPECULATIVE if luck < speculative else MIXED


def _cost_of_compute(world: World, halls: Halls, machine: Machine, standard: Served) -> tuple[float, float]:
    """USD of hardware per H100 equivalent where it is cheapest to serve, and the most one operator has room for."""
    if len(halls.pool) == 0 or len(halls.generation) == 0:
        return float("nan"), 0.0
    weight = world.hardware.compute_weight[halls.generation]
    cost = np.broadcast_to(machine.cost, standard.required.shape)
    multiple = np.where(halls.units > 0, standard.multiple, np.inf)
    row, column = np.unravel_index(multiple.argmin(), multiple.shape)
    if not np.isfinite(multiple[row, column]):
        return float("nan"), 0.0
    usd = float(cost[row, column] / weight[column])
    holds = (halls.units * world.hardware.unit[halls.generation] * weight).max(axis=1)
    shared = float(holds[halls.holder < 0].sum())
    own = np.bincount(halls.holder[halls.holder >= 0], weights=holds[halls.holder >= 0], minlength=1)
    return usd, shared + float(own.max())


def _compete(world: World, week: int, wanted: Wanted, multiple: float) -> int:
    """Let operators compete for a deal; returns the GPUs ordered for it."""
    halls = candidates(world, week)
    if len(halls.pool) == 0:
        return 0
    section = world.parameters.contracts
    machine = machines(world, week, halls)
    standard = serve(
        world, week, halls, machine, STANDARD_TIER, section.term_years, section.prepaid_investment
    )
    served = serve(world, week, halls, machine, wanted.tier, wanted.years, wanted.prepaid)
    most = min(multiple * _lowest(halls, served) / _lowest(halls, standard), 1.0 + section.certainty_premium)
    cost = np.broadcast_to(machine.cost, served.required.shape)[0]
    usd, _ = _cost_of_compute(world, halls, machine, standard)
    if not np.isfinite(usd) or not np.isfinite(most):
        return 0
    housed = None
    for party in _by_luck(world, week, wanted):
        housed = house(
            halls, served, cost, wanted.h100e * usd, int(party), whole=wanted.tier == INVESTMENT, most=most
        )
        if housed is not None:
            break
    if housed is None:
        return 0
    column = int(np.flatnonzero(halls.generation == housed.generation)[0])
    rate = most * float(served.posted[0, column])
    deal = Proposal(wanted.tenant, wanted.tier, wanted.years, wanted.prepaid, housed, rate)
    outcome = sign(world, week, halls, machine, served, deal)
    booked = world.booked
    booked.limits[outcome.limit] += outcome.loan.cents
    if outcome.gpus == 0:
        booked.refused += 1
        return 0
    booked.loans_cents[wanted.tier] += outcome.loan.cents
    booked.gpus += outcome.gpus
    booked.hardware_cents += round(outcome.gpus * float(cost[column]) * 100)
    booked.signed_h100e += outcome.gpus * float(world.hardware.compute_weight[housed.generation])
    world.demand.idle_months[housed.party] = 0
    return outcome.gpus


def _by_luck(world: World, week: int, wanted: Wanted) -> Ints:
    """Operators in the order in which they come to a deal: drawn by the size of their fleets, the larger the sooner."""
    able = operators(world)
    weight = world.fleet_watts()[able].astype(np.float64)
    able, weight = able[weight > 0], weight[weight > 0]
    luck = world.randomness.uniform(
        Purpose.DEAL_ORDER, STREAM_WEEKS * (wanted.stream + 1) + wanted.number, able
    )
    # The smallest of exponential waiting times falls to each in proportion to its weight.
    return able[np.argsort(-np.log1p(-luck) / weight, kind="stable")]


def _lowest(halls: Halls, served: Served) -> float:
    multiple = np.where(halls.units > 0, served.multiple, np.inf)
    return float(multiple.min()) if multiple.size else float("inf")


def slot_value_usd_per_watt(world: World, week: int) -> Floats:
    """What a powered slot in each zone is worth to an operator beyond its posted fee, USD per IT watt, (zones,).

    The value of equity of a standard deal, at what tenants paid this month, on the best generation in the largest open hall of
    the zone; zero where there is none.
    """
    section, pool = world.parameters.contracts, typical_halls(world)
    generation = np.flatnonzero(world.drivers.on_sale(week))
    worth = np.zeros(len(pool))
    zones = np.flatnonzero(pool >= 0)
    if len(generation) == 0 or len(zones) == 0:
        return worth
    one = np.ones(len(zones), dtype=np.int64)
    halls = Halls(
        pool[zones],
        -one,
        week * one,
        generation,
        np.ones((len(zones), len(generation)), dtype=np.int64),
    )
    machine = machines(world, week, halls)
    served = serve(world, week, halls, machine, STANDARD_TIER, section.term_years, section.prepaid_investment)
    value = served.offer.value_of_equity(world.demand.multiple * served.posted)
    watts = (world.hardware.unit_watts / world.hardware.unit)[generation]
    worth[zones] = np.maximum((value / watts[None, :]).max(axis=1), 0.0)
    return worth
