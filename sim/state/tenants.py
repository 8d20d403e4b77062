"""Tenants and their compute contracts: who pays the rent a lender counted on.

A tenant is a row, not an agent: a rating, and one state common to all its contracts (economics.md section 9). Rates
were fixed when contracts were signed; a contract far above spot is renegotiated first and repudiated only when
the tenant fails. Hazards share one common factor a month.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from agents.vocabulary import (
    HOURS_PER_WEEK,
    HOURS_PER_YEAR,
    UNIT,
    WEEKS_PER_YEAR,
    Bools,
    Floats,
    Ints,
)
from sim.base.randomness import Purpose, Randomness
from sim.base.rows import append_row
from sim.parameters.tenants import TenantParameters

# Contracts are for whole nodes.
NODE_GPUS = int(UNIT.min())
PAST_MONTHS = 10_000


class TenantState(IntEnum):
    """What a tenant does about all its contracts."""

    PAYS = 0
    RENEGOTIATED = 1
    DEFAULTED = 2


@dataclass(slots=True)
class Tenants:
    """One row per tenant."""

    rating: Ints  # index into TIERS
    state: Ints  # TenantState


@dataclass(slots=True)
class ComputeContracts:
    """One row per contract; rates in USD per GPU-hour, billed whether used or not."""

    tenant: Ints
    operator: Ints
    generation: Ints
    gpus: Ints
    rate_usd_per_hour: Floats
    due: Ints  # contract date: first week of the term
    end: Ints  # first week without it
    left: Ints  # 1 if the tenant walked away before the end
    prepaid: Floats  # share of the rate paid at signing
    years: Floats  # term

    @classmethod
    def empty(cls) -> "ComputeContracts":
        """No contracts."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z, z, np.zeros(0), z, z, z, np.zeros(0), np.zeros(0))

    def append(self, **row: float) -> int:
        """Add one contract and return its row."""
        append_row(self, **row)
        return len(self.tenant) - 1

    def live(self, week: int) -> Bools:
        """Contracts that have not ended; their date may be still to come."""
        return np.asarray(self.end > week)

    def running(self, week: int) -> Bools:
        """Contracts whose term it is."""
        return np.asarray((self.due <= week) & (self.end > week))

    def to_pay_usd(self, rows: Ints, week: int) -> Floats:
        """What tenants still have to pay on contracts until their end, USD, without what they prepaid."""
        hours = HOURS_PER_WEEK * np.maximum(self.end[rows] - np.maximum(self.due[rows], week), 0)
        return np.asarray((1.0 - self.prepaid[rows]) * self.rate_usd_per_hour[rows] * self.gpus[rows] * hours)

    def unearned_usd(self, rows: Ints, week: int) -> Floats:
        """Prepayments for hours not yet served, USD."""
        hours = HOURS_PER_WEEK * np.maximum(self.end[rows] - np.maximum(self.due[rows], week), 0)
        return np.asarray(self.prepaid[rows] * self.rate_usd_per_hour[rows] * self.gpus[rows] * hours)


@dataclass(slots=True)
class Leases:
    """Leases of powered shells, one row each; the landlord is the host of the place (contracts.md 4.8)."""

    tenant: Ints  # party that leases; the rest of the world for tenants outside the model
    pool: Ints
    watts: Ints  # IT watts leased
    rate_usd_per_kw_month: Floats  # USD per kW-month in the first year
    escalator: Floats  # rise of the rate a year
    start: Ints  # week from which rent is owed
    end: Ints  # first week without it
    broken: Ints  # 1 if it ended before its time
    behind: Ints  # row of the outside tenant that owes the rent, -1 for a party

    @classmethod
    def empty(cls) -> "Leases":
        """No leases."""
        z, f = np.zeros(0, dtype=np.int64), np.zeros(0)
        return cls(z, z, z, f, f, z, z, z, z)

    def append(self, **row: float) -> None:
        """Add one lease."""
        append_row(self, **row)

    def live(self, week: int) -> Bools:
        """Leases on which rent is owed."""
        return np.asarray((self.start <= week) & (self.end > week))


def draw_tenants(parameters: TenantParameters, randomness: Randomness) -> Tenants:
    """Ratings by stated shares; the first tenants are the best rated so that shares hold exactly."""
    n = parameters.tenants
    investment = round(n * parameters.investment_share)
    speculative = round((n - investment) * parameters.speculative_share)
    rating = np.ones(n, dtype=np.int64)
    rating[:investment] = 0
    rating[max(n - speculative, 0) :] = 2
    luck = randomness.uniform(Purpose.TENANT_RATING, 0, np.arange(n))
    return Tenants(rating[np.argsort(luck, kind="stable")], np.zeros(n, dtype=np.int64))


def earned_rent(
    contracts: ComputeContracts, week: int, contract: Ints, free: Floats, overhead: float
) -> tuple[Floats, Floats]:
    """What each lot is paid for a GPU-hour in cash, and what of it goes into overhead.

    Parameters
    ----------
    contract : (lots,)
        Contract each lot serves, -1 none.
    free : (lots,)
        Earned by an hour on demand.
    overhead
        Share of revenue; what was prepaid is revenue too.

    Returns
    -------
    (lots,), (lots,) USD per GPU-hour. A contract is take-or-pay: each hour of its term is paid, less what was prepaid.
    """
    bound = np.zeros(len(contract), dtype=np.bool_)
    known = contract >= 0
    bound[known] = contracts.running(week)[contract[known]]
    row = np.where(bound, contract, 0)
    rate = np.where(bound, contracts.rate_usd_per_hour[row], free) if len(contracts.tenant) else free
    prepaid = np.where(bound, contracts.prepaid[row], 0.0) if len(contracts.tenant) else 0.0
    return np.asarray(rate * (1.0 - prepaid)), np.asarray(rate * overhead)


def contract_premium(
    contracts: ComputeContracts,
    week: int,
    parties: int,
    rent: Floats,
    utilisation: Floats,
    discount_rate: float,
    trend: float,
) -> Floats:
    """Present value of live contracts over selling the same hours on demand, USD per party; negative if let too cheaply.

    ``8760 n [ r_c (1 - e^(-rho T)) / rho - u r (1 - e^(-(rho+delta) T)) / (rho + delta) ]``, rents declining at the trend.
    """
    live = contracts.live(week)
    years = (contracts.end[live] - week) / WEEKS_PER_YEAR
    operator, generation = contracts.operator[live], contracts.generation[live]
    fixed = (
        contracts.rate_usd_per_hour[live]
        * (1.0 - contracts.prepaid[live])
        * -np.expm1(-discount_rate * years)
        / discount_rate
    )
    speed = discount_rate + trend
    spot = utilisation[operator] * rent[generation] * -np.expm1(-speed * years) / speed
    worth = np.zeros(parties)
    np.add.at(worth, operator, HOURS_PER_YEAR * contracts.gpus[live] * (fixed - spot))
    return worth


def monthly_hazards(
    parameters: TenantParameters, tenants: Tenants, randomness: Randomness, month: int
) -> tuple[Bools, Floats]:
    """Tenants that fail this month, and the uniform draw each used (shared by renegotiation)."""
    base = np.array([parameters.hazard_investment, parameters.hazard_mixed, parameters.hazard_speculative])[
        tenants.rating
    ]
    common = float(randomness.normal(Purpose.TENANT_COMMON, month, np.zeros(1, dtype=np.int64))[0])
    scale = np.exp(parameters.common_volatility * common - 0.5 * parameters.common_volatility**2)
    luck = randomness.uniform(Purpose.TENANT_DEFAULT, month, np.arange(len(tenants.rating)))
    fails = (luck < np.minimum(base * scale, 1.0)) & (tenants.state != TenantState.DEFAULTED)
    return np.asarray(fails), randomness.uniform(Purpose.RENEGOTIATION, month, np.arange(len(tenants.rating)))


def tenants_failing(
    parameters: TenantParameters, tenants: Tenants, randomness: Randomness, first_month: int
) -> Ints:
    """Month in which each tenant fails before week 0, counted back from it; 1 for those that have not, (tenants,)."""
    found = np.ones(len(tenants.rating), dtype=np.int64)
    for month in range(first_month, 0):
        # Months of the past are numbered from far above those of a run.
        fails, _ = monthly_hazards(parameters, tenants, randomness, PAST_MONTHS - month)
        found[fails & (found > 0)] = month
    return found


def seek_relief(
    parameters: TenantParameters,
    tenants: Tenants,
    contracts: ComputeContracts,
    luck: Floats,
    week: int,
    spot: Floats,
    cash_cost: Floats,
) -> Ints:
    """Renegotiate contracts that are out of the money; returns the tenants that got relief.

    The rate falls to the higher of spot and the operator's cash cost and the term grows (economics.md section 9). Only
    speculative tenants ask; the state is common to all contracts of the tenant.
    """
    asks = (tenants.rating == 2) & (tenants.state == TenantState.PAYS)
    asks &= luck < parameters.renegotiation_hazard
    live = contracts.live(week)
    dear = contracts.rate_usd_per_hour > (1.0 + parameters.out_of_money) * spot[contracts.generation]
    rows = np.flatnonzero(live & dear & asks[contracts.tenant])
    if len(rows) == 0:
        return np.zeros(0, dtype=np.int64)
    granted = np.unique(contracts.tenant[rows])
    rows = np.flatnonzero(live & np.isin(contracts.tenant, granted))
    floor = np.maximum(spot[contracts.generation[rows]], cash_cost[contracts.generation[rows]])
    contracts.rate_usd_per_hour[rows] = np.minimum(contracts.rate_usd_per_hour[rows], floor)
    contracts.end[rows] += parameters.extension_weeks
    tenants.state[granted] = TenantState.RENEGOTIATED
    return np.asarray(granted)


def end_contracts(contracts: ComputeContracts, rows: Ints, week: int) -> None:
    """Terminate contracts as of this week; the tenant has walked away."""
    contracts.left[rows] = 1
    contracts.end[rows] = np.minimum(contracts.end[rows], week)
