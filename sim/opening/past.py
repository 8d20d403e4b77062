"""From purchases to the books of week 0: deals are grouped, signed and aged, and what is left of them is written down.

The past obeys the running world's rules at that time's rents, prices and base rates, with the pool of loanable funds at neutral
use and halls in time (docs/boom.md 7). It is conditional: that the units stand is given, what they were let and financed for is
not.
"""

from dataclasses import dataclass

import numpy as np

from agents.lender import TIERS
from agents.vocabulary import (
    HOURS_PER_MONTH,
    MONTHS_PER_YEAR,
    PRODUCT_CONDITION,
    UNIT,
    WEEKS_PER_YEAR,
    AgentKind,
    Condition,
    Floats,
    Ints,
    PoolKind,
)
from sim.base.units import NEVER
from sim.contracts.deals import prepaid_of
from sim.contracts.offers import Machine
from sim.drivers.history import past_base_rates, past_rents
from sim.opening.ageing import NO_CONTRACT, Past, Seen, level_payment_of, live
from sim.opening.builder import Builder
from sim.opening.past_deals import Deals, Signed, group, sign
from sim.places.freight_cost import moving_costs
from sim.state.ledger import LoanKind, Loans, LoanStatus
from sim.state.lending import EXPERIENCE_MONTHS, Experience
from sim.state.tenants import ComputeContracts, Tenants, TenantState, tenants_failing

# The first month that is lived; nothing that stands was bought before.
FIRST_MONTH = -84


@dataclass(slots=True)
class Opening:
    """What the past leaves: contracts, cash of operators in cents, and what lenders have seen."""

    contracts: ComputeContracts
    cash_cents: Ints
    experience: Experience


def live_past(build: Builder, loans: Loans, tenants: Tenants, bond_market: int) -> Opening:
    """Write the lots, loans and notes of all purchases into `build` and `loans`.

    Parameters
    ----------
    tenants
        Those that fail on the way are marked.
    bond_market
        Who holds notes.
    """
    contracts, parties = ComputeContracts.empty(), len(build.kinds)
    cash, experience = np.zeros(parties, dtype=np.int64), Experience.opening()
    if not build.purchases:
        return Opening(contracts, cash, experience)
    owner, pool, generation, gpus, week = np.array(build.purchases, dtype=np.int64).T
    machine = _machines(build, pool, generation, week)
    deals, deal = group(
        build.parameters, build.randomness, tenants, owner, week, np.asarray(machine.cost) * gpus
    )
    base = past_base_rates(build.drivers.start, week, build.parameters.interest.sofr_initial)
    signed = sign(build.parameters, machine, base, deals.tier[deal], deals.years[deal])
    past = _past(build, deals, deal, signed, machine, generation, gpus, week)
    fails = tenants_failing(build.parameters.tenants, tenants, build.randomness, FIRST_MONTH)
    months = np.arange(FIRST_MONTH, 0)
    rents = past_rents(
        build.drivers.start,
        np.rint(months * WEEKS_PER_YEAR / MONTHS_PER_YEAR).astype(np.int64),
        build.parameters.rent.bridge_scale,
    )
    usd, seen = live(
        past,
        rents,
        fails,
        build.randomness,
        renewal=build.parameters.contracts.renewal_probability,
        trend=build.parameters.rent.trend_deflation,
        hurdle=build.parameters.contracts.hurdle,
        reserve_months=build.parameters.neo_clouds.reserve_months,
        notes_coupon=build.parameters.equity.notes_coupon,
        experience_months=EXPERIENCE_MONTHS,
    )
    tenants.state[fails < 0] = TenantState.DEFAULTED
    cash[: len(usd)] = np.floor(usd * 100).astype(np.int64)
    row = _lend(build, loans, deals, past, bond_market)
    held = _contract(contracts, past, deals, deal, generation, gpus, build)
    for i in range(len(owner)):
        key = held.get((int(deal[i]), int(generation[i])), -1)
        lien = int(row[deal[i]])
        build.lot(int(owner[i]), int(pool[i]), int(generation[i]), int(gpus[i]), int(week[i]), lien, key)
    _remember(experience, seen)
    return Opening(contracts, cash, experience)


def _machines(build: Builder, pool: Ints, generation: Ints, week: Ints) -> Machine:
    """Units as they were bought."""
    parameters, pools, drivers = build.parameters, build.topology, build.drivers
    unit_watts = parameters.hardware.unit_watts.array()
    moving = moving_costs(parameters)[PRODUCT_CONDITION == Condition.NEW]
    power = drivers.power_usd_per_mwh[0, pools.places.zone[pools.pool_place]] / 1000.0
    energy = power * pools.pool_pue * parameters.hardware.load_factor * HOURS_PER_MONTH
    slot = slot_usd_per_kw_month(build)
    level = past_rents(drivers.start, week, parameters.rent.bridge_scale)
    return Machine(
        cost=(parameters.hardware.list_price_usd.array() + moving)[generation],
        kilowatts=(unit_watts / UNIT / 1000.0)[generation],
        energy_usd_per_kw_month=energy[pool],
        slot_usd_per_kw_month=slot[pool],
        rent=drivers.rent(0, 1.0)[generation] * level,
        utilisation=parameters.valuation.utilisation,
        overhead=parameters.valuation.overhead,
        trend=parameters.rent.trend_deflation,
        hazard=parameters.hardware.failure_hazard,
        life_years=parameters.hardware.physical_life_years,
        salvage_usd=drivers.salvage_usd[0][generation],
        salvage_decay=parameters.hardware.salvage_decay,
    )


def slot_usd_per_kw_month(build: Builder) -> Floats:
    """Rent of a slot in each pool, USD per kW-month: the posted fee, or the lease of an operator's own hall."""
    pools = build.topology
    own = build.parameters.neo_clouds.shell_lease_usd_per_kw_month
    return np.asarray(np.where(pools.pool_kind == PoolKind.PRIVATE, own, pools.pool_hosting))


def _past(
    build: Builder,
    deals: Deals,
    deal: Ints,
    signed: Signed,
    machine: Machine,
    generation: Ints,
    gpus: Ints,
    week: Ints,
) -> Past:
    """Deals as rows that can be aged; money in USD."""
    parameters, n = build.parameters, len(deals.owner)

    def total(each: Floats) -> Floats:
        return np.bincount(deal, weights=np.broadcast_to(each, np.shape(gpus)) * gpus, minlength=n)

    units, loan = total(np.ones(len(gpus))), total(signed.loan)
    mean = np.maximum(loan, 1e-9)
    rate = np.bincount(deal, weights=signed.loan_rate * signed.loan * gpus, minlength=n) / mean
    months = np.rint(total(signed.loan_months) / units).astype(np.int64)
    month = np.minimum(np.floor(deals.week * MONTHS_PER_YEAR / WEEKS_PER_YEAR), -1).astype(np.int64)
    now = build.drivers.rent(0, 1.0)[generation]
    today = Machine(
        cost=machine.cost,
        kilowatts=machine.kilowatts,
        energy_usd_per_kw_month=machine.energy_usd_per_kw_month,
        slot_usd_per_kw_month=machine.slot_usd_per_kw_month,
        rent=now,
        utilisation=machine.utilisation,
        overhead=machine.overhead,
        trend=machine.trend,
        hazard=machine.hazard,
        life_years=np.maximum(machine.life_years + week / WEEKS_PER_YEAR, 0.1),  # type: ignore[arg-type]
        salvage_usd=machine.salvage_usd,
        salvage_decay=machine.salvage_decay,
    )
    equity = parameters.equity
    notes = np.minimum(equity.notes_share * np.asarray(machine.cost), signed.notes_room)
    return Past(
        owner=deals.owner,
        tier=deals.tier,
        tenant=deals.tenant,
        years=deals.years,
        month=month,
        end=month + np.maximum(np.rint(deals.years * MONTHS_PER_YEAR), 1).astype(np.int64),
        gpus=units,
        cost=total(np.asarray(machine.cost)),
        usd_per_hour=total(signed.rate) / units,
        kept=1.0 - prepaid_of(parameters.contracts, deals.tier) - parameters.valuation.overhead,
        running_cost_usd=total(machine.running_cost_usd),
        spot_usd_per_hour=total(now) / units,
        spot_revenue_usd=total(today.spot_revenue),
        value=total(today.spot_value(parameters.valuation.discount_rate)),
        balance_usd=loan.copy(),
        payment_usd=level_payment_of(loan, rate, months.astype(np.float64)),
        loan_rate=rate,
        months_left=months,
        notes=total(notes),
        defaulted=np.zeros(n, dtype=np.bool_),
    )


def _lend(build: Builder, loans: Loans, deals: Deals, past: Past, bond_market: int) -> Ints:
    """Write what is left of loans, and the notes; returns the loan of each deal, -1 if it is repaid or failed."""
    parameters = build.parameters
    creditors = _creditors(build, past)
    row = np.full(len(deals.owner), -1, dtype=np.int64)
    every = parameters.world.asset_backed_every
    for i in np.flatnonzero((past.balance_usd > 1.0) & (past.months_left > 0) & ~past.defaulted):
        rank = build.ranks.get(int(deals.owner[i]), 0)
        small = rank >= LARGE and rank % every == 0
        row[i] = loans.append(
            debtor=int(deals.owner[i]),
            creditor=int(creditors[i]),
            principal_cents=round(float(past.balance_usd[i]) * 100),
            balance_cents=round(float(past.balance_usd[i]) * 100),
            rate=float(past.loan_rate[i]),
            payment_cents=int(np.ceil(past.payment_usd[i] * 100)),
            months_left=int(past.months_left[i]),
            cost_cents=round(float(past.cost[i]) * 100),
            start=int(deals.week[i]),
            status=int(LoanStatus.PERFORMING),
            kind=int(LoanKind.ASSET_BACKED if small else LoanKind.DELAYED_DRAW),
            tier=int(deals.tier[i]),
            tested_from=NEVER,
        )
    rate, months = parameters.equity.notes_coupon, parameters.equity.notes_tenor_years * MONTHS_PER_YEAR
    for i in np.flatnonzero((past.notes >= 1.0) & ~past.defaulted):
        left = round(months + past.month[i])
        if left <= 0:
            continue
        face = round(float(past.notes[i]) * 100)
        loans.append(
            debtor=int(deals.owner[i]),
            creditor=bond_market,
            principal_cents=face,
            balance_cents=face,
            rate=rate,
            payment_cents=int(face * rate / MONTHS_PER_YEAR),
            months_left=left,
            start=int(deals.week[i]),
            kind=int(LoanKind.NOTES),
            tier=TIERS.index("speculative"),
        )
    return row


# The largest operators by fleet, which are financed by delayed draws.
LARGE = 3


def _creditors(build: Builder, past: Past) -> Ints:
    """The lender of each deal: the one with least lent so far, in the order of deals."""
    lenders = build.rows(AgentKind.LENDER)
    lent = np.zeros(len(lenders))
    found = np.zeros(len(past.owner), dtype=np.int64)
    for i in np.argsort(past.month, kind="stable"):
        least = int(lent.argmin())
        found[i] = lenders[least]
        lent[least] += past.balance_usd[i]
    return found


def _contract(
    contracts: ComputeContracts,
    past: Past,
    deals: Deals,
    deal: Ints,
    generation: Ints,
    gpus: Ints,
    build: Builder,
) -> dict[tuple[int, int], int]:
    """Write the contracts in force in week 0, one for each generation of a deal; returns their rows."""
    found: dict[tuple[int, int], int] = {}
    prepaid = prepaid_of(build.parameters.contracts, deals.tier)
    weeks = WEEKS_PER_YEAR / MONTHS_PER_YEAR
    now = build.drivers.rent(0, 1.0)
    for i in np.flatnonzero((past.end > 0) & (past.end != NO_CONTRACT)):
        for g in np.unique(generation[deal == i]):
            mine = (deal == i) & (generation == g)
            # The deal's mean rate, shared by what its generations rent for.
            rate = float(past.usd_per_hour[i] * now[g] / past.spot_usd_per_hour[i])
            end = max(round(float(past.end[i]) * weeks), 1)
            found[int(i), int(g)] = contracts.append(
                tenant=int(deals.tenant[i]),
                operator=int(deals.owner[i]),
                generation=int(g),
                gpus=int(gpus[mine].sum()),
                rate_usd_per_hour=rate,
                due=end - round(float(deals.years[i]) * WEEKS_PER_YEAR),
                end=end,
                prepaid=float(prepaid[i]),
                years=float(deals.years[i]),
            )
    return found


def _remember(experience: Experience, seen: Seen) -> None:
    """Put the past's experience where the running months will forget it last."""
    experience.loan_months[-1] = seen.loan_years * MONTHS_PER_YEAR
    experience.defaults[-1], experience.exposure_usd[-1] = seen.defaults, seen.exposure_usd
    experience.loss_usd[-1] = seen.losses_usd
