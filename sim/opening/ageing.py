"""The past lived month by month: contracts are renewed or run out, tenants fail, loans are paid or not (docs/boom.md 7).

No market clears in the past. Operators pool the cash of their deals; one that runs short defaults on its weakest: the units
stay, the lender's loss is what the deal owes beyond what its units are worth at spot, and both stay in lenders' experience, for
survivors alone would say that nothing ever fails.
"""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import HOURS_PER_MONTH, MONTHS_PER_YEAR, WEEKS_PER_YEAR, Bools, Floats, Ints
from sim.base.randomness import Purpose, Randomness
from sim.contracts.deals import renewal_probability
from sim.contracts.rates import posted_ratio
from sim.origination.sizing import annuity

WEEKS_PER_MONTH = WEEKS_PER_YEAR / MONTHS_PER_YEAR
# Stands for "no contract" in the table of last months.
NO_CONTRACT = -(10**6)


@dataclass(slots=True)
class Past:
    """Deals on their way to week 0, one row each; money in USD.

    Attributes
    ----------
    month
        First month of the deal, negative; 0 is the month of week 0.
    end
        First month without a contract; `NO_CONTRACT` without one.
    payment_usd, balance_usd, months_left
        Of the loan.
    notes
        Unsecured notes sold for it.
    """

    owner: Ints
    tier: Ints
    tenant: Ints
    years: Floats
    month: Ints
    end: Ints
    gpus: Floats
    cost: Floats
    usd_per_hour: Floats  # USD per GPU-hour, mean of its units
    kept: Floats  # share of contract revenue that is neither prepaid nor spent on overhead
    running_cost_usd: Floats  # USD a month
    spot_usd_per_hour: Floats  # USD per GPU-hour in week 0, mean of its units
    spot_revenue_usd: Floats  # USD a month at the rent of week 0, after overhead
    value: Floats  # of its units at spot in week 0
    balance_usd: Floats
    payment_usd: Floats
    loan_rate: Floats
    months_left: Ints
    notes: Floats
    defaulted: Bools

    def rate_at(self, level: float) -> Floats:
        """Spot of its units at a level of rents relative to week 0, USD per GPU-hour."""
        return np.asarray(level * self.spot_usd_per_hour)


@dataclass(slots=True)
class Seen:
    """What lenders saw of a tier in the last three years: loan-years, defaults, exposure at default and losses, USD."""

    loan_years: Floats
    defaults: Floats
    exposure_usd: Floats
    losses_usd: Floats

    @classmethod
    def nothing(cls, tiers: int) -> "Seen":
        """No experience."""
        return cls(*(np.zeros(tiers) for _ in range(4)))


def live(
    past: Past,
    rent: Floats,
    tenant_fails: Ints,
    randomness: Randomness,
    *,
    renewal: float,
    trend: float,
    hurdle: float,
    reserve_months: float,
    notes_coupon: float,
    experience_months: int,
) -> tuple[Floats, Seen]:
    """Live all months before week 0; returns the cash of each party, USD, and what lenders saw.

    Parameters
    ----------
    rent : (M,)
        Rent of an H100 in months -M to -1, relative to week 0.
    tenant_fails : (tenants,)
        Month in which each tenant fails; 0 or later if it has not.
    renewal
        Probability that a tenant that pays the market stays.
    reserve_months
        Months of obligations an operator keeps; what is above goes into its next purchases.
    """
    parties = int(past.owner.max(initial=-1)) + 1
    cash, seen = np.zeros(parties), Seen.nothing(3)
    for month in range(-len(rent), 0):
        level = float(rent[month])
        begun = (past.month <= month) & ~past.defaulted
        past.end = np.where(tenant_fails[past.tenant] <= month, np.minimum(past.end, month), past.end)
        _renew(past, month, level, tenant_fails, randomness, renewal, trend, hurdle)
        income = np.where(
            past.end > month, _contracted(past), level * past.spot_revenue_usd - past.running_cost_usd
        )
        income = np.where(begun, income, 0.0)
        service = np.where(begun & (past.months_left > 0), past.payment_usd, 0.0)
        coupon = np.where(begun, past.notes * notes_coupon / MONTHS_PER_YEAR, 0.0)
        cash += np.bincount(past.owner, weights=income - service - coupon, minlength=parties)
        _fail(past, month, level, cash, income - service, seen, experience_months)
        _pay(past, begun & ~past.defaulted)
        if month >= -experience_months:
            alive = begun & ~past.defaulted & (past.balance_usd > 0)
            seen.loan_years += np.bincount(past.tier[alive], minlength=3) / MONTHS_PER_YEAR
        owed = np.bincount(past.owner, weights=service + coupon, minlength=parties)
        costs = np.bincount(
            past.owner, weights=np.where(begun, past.running_cost_usd, 0.0), minlength=parties
        )
        cash = np.clip(cash, 0.0, reserve_months * (owed + costs))
    return cash, seen


def _contracted(past: Past) -> Floats:
    """Net cash of a contracted month."""
    return np.asarray(past.usd_per_hour * HOURS_PER_MONTH * past.gpus * past.kept - past.running_cost_usd)


def _renew(
    past: Past,
    month: int,
    level: float,
    tenant_fails: Ints,
    randomness: Randomness,
    renewal: float,
    trend: float,
    hurdle: float,
) -> None:
    """Contracts that end this month are renewed at the posted rate of the day, or their units go to spot for good."""
    over = np.flatnonzero((past.end == month) & (past.month < month) & (tenant_fails[past.tenant] > month))
    if len(over) == 0:
        return
    # Rents of the day as the deal's own generations earn them: what it got at signing moved with the index.
    posted = past.rate_at(level)[over] * posted_ratio(past.years[over], trend, hurdle)
    stays = randomness.uniform(Purpose.RENEWAL, -month, over) < renewal_probability(
        renewal, (past.tier[over] == 0).astype(np.int64), past.usd_per_hour[over] / posted
    )
    again = over[stays]
    past.usd_per_hour[again] = posted[stays]
    past.end[again] = month + np.maximum(np.rint(past.years[again] * MONTHS_PER_YEAR), 1).astype(np.int64)


def _pay(past: Past, rows: Bools) -> None:
    """A month of every loan: interest, and what is left of the payment off the balance."""
    paying = rows & (past.months_left > 0)
    grown = past.balance_usd * (1.0 + past.loan_rate / MONTHS_PER_YEAR)
    past.balance_usd = np.where(paying, np.maximum(grown - past.payment_usd, 0.0), past.balance_usd)
    past.months_left = past.months_left - paying
    past.balance_usd = np.where(past.months_left == 0, 0.0, past.balance_usd)


def _fail(
    past: Past, month: int, level: float, cash: Floats, surplus: Floats, seen: Seen, experience_months: int
) -> None:
    """Operators without cash default on their weakest deals until the others pay."""
    for party in np.flatnonzero(cash < 0):
        mine = np.flatnonzero(
            (past.owner == party) & (past.balance_usd > 0) & (past.month <= month) & ~past.defaulted
        )
        for row in mine[np.argsort(surplus[mine], kind="stable")]:
            if cash[party] >= 0 or surplus[row] >= 0:
                break
            past.defaulted[row] = True
            cash[party] -= surplus[row]
            if month >= -experience_months:
                owed = float(past.balance_usd[row])
                seen.defaults[past.tier[row]] += 1
                seen.exposure_usd[past.tier[row]] += owed
                seen.losses_usd[past.tier[row]] += max(owed - level * float(past.value[row]), 0.0)
            past.balance_usd[row], past.months_left[row] = 0.0, 0


def level_payment_of(balance: Floats, rate: Floats, months: Floats) -> Floats:
    """Monthly level payment of loans, USD."""
    return np.asarray(np.where(months > 0, balance / np.maximum(annuity(rate, months), 1e-300), 0.0))
