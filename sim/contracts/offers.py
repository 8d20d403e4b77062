"""What a deal is worth to an operator in a hall: costs, the lender's terms and the unit's value at spot, as one `Offer`.

The same function serves the running world and the quarters before it; the caller says what rents, prices and terms were.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.valuation import unit_value
from agents.vocabulary import HOURS_PER_MONTH, MONTHS_PER_YEAR, Floats
from sim.contracts.rates import Offer
from sim.origination.sizing import tail_value


@dataclass(frozen=True, slots=True)
class Machine:
    """A unit in a hall, everything per GPU; fields broadcast.

    Attributes
    ----------
    cost
        Delivered, USD.
    kilowatts
        IT nameplate.
    energy_usd_per_kw_month
        Power through the hall for a kW of nameplate.
    slot_usd_per_kw_month
        Rent of the slot.
    rent
        Spot today, USD per hour, and ``utilisation``, the share of hours sold at it.
    overhead
        Share of revenue spent on everything but power and slot.
    trend, hazard
        Fall of rents, log a year, and units that fail for good, a year.
    life_years, salvage_usd, salvage_decay
        Physical life, USD for parts today, and their decline a year.
    step_years, step_drops
        Release steps still to come, trailing axis, or None.
    """

    cost: ArrayLike
    kilowatts: ArrayLike
    energy_usd_per_kw_month: ArrayLike
    slot_usd_per_kw_month: ArrayLike
    rent: ArrayLike
    utilisation: ArrayLike
    overhead: float
    trend: ArrayLike
    hazard: float
    life_years: float
    salvage_usd: ArrayLike
    salvage_decay: float
    step_years: ArrayLike | None = None
    step_drops: ArrayLike | None = None

    @property
    def running_cost_usd(self) -> Floats:
        """Power and slot, USD a month."""
        kilowatts = np.asarray(self.kilowatts, float)
        return np.asarray(
            kilowatts * (np.asarray(self.energy_usd_per_kw_month) + np.asarray(self.slot_usd_per_kw_month))
        )

    @property
    def spot_revenue(self) -> Floats:
        """Of a month at spot, after overhead, USD."""
        hours = HOURS_PER_MONTH * np.asarray(self.utilisation, float)
        return np.asarray(np.asarray(self.rent, float) * hours * (1.0 - self.overhead))

    def spot_value(self, discount_rate: ArrayLike, years: ArrayLike | None = None) -> Floats:
        """Value at spot over so many years, its whole life if left out, parts at the end included, USD."""
        return unit_value(
            rent=np.asarray(self.rent, float) * (1.0 - self.overhead),
            utilisation=self.utilisation,
            trend=self.trend,
            discount_rate=discount_rate,
            hazard=self.hazard,
            cost_per_hour=self.running_cost_usd / HOURS_PER_MONTH,
            salvage=self.salvage_usd,
            salvage_decay=self.salvage_decay,
            remaining_life_years=self.life_years if years is None else years,
            step_years=self.step_years,
            step_drops=self.step_drops,
        )

    def spot_value_after(self, discount_rate: ArrayLike, years: ArrayLike) -> Floats:
        """Value of what is left after so many years, discounted to today, at least zero, USD."""
        t = np.asarray(years, float)
        parts = np.asarray(self.salvage_usd, float) * np.exp(
            -(np.asarray(discount_rate, float) + self.hazard + self.salvage_decay) * t
        )
        before = self.spot_value(discount_rate, np.minimum(t, self.life_years)) - parts
        return np.asarray(np.maximum(self.spot_value(discount_rate) - before, 0.0))


@dataclass(frozen=True, slots=True)
class LoanTerms:
    """What a lender offers on a tier of tenants; fields broadcast.

    Attributes
    ----------
    advance, coverage
        Share of cost, and coverage of contracted cash.
    tail_months, haircut
        Months beyond the contract that count, and the share of their net cash that does not.
    longest_months
        Longest loan.
    rate
        Yearly rate.
    decay
        Fall of spot the lender believes in, log a year.
    """

    advance: ArrayLike
    coverage: ArrayLike
    tail_months: ArrayLike
    haircut: float
    longest_months: float
    rate: ArrayLike
    decay: ArrayLike

    def months(self, contract: ArrayLike) -> Floats:
        """Life of a loan on a contract of so many months."""
        term = np.asarray(contract, float) + np.asarray(self.tail_months, float)
        return np.asarray(np.minimum(term, self.longest_months))


def offer_of(
    machine: Machine,
    terms: LoanTerms,
    *,
    years: ArrayLike,
    prepaid: ArrayLike,
    late_months: ArrayLike,
    hurdle: float,
    merchant_hurdle: float,
) -> Offer:
    """A deal of a term as the operator of a machine sees it.

    Parameters
    ----------
    late_months
        Of revenue it expects to lose.
    hurdle, merchant_hurdle
        Returns asked on equity with and without a contract; what the slot is worth without one is the alternative.
    """
    months = np.asarray(years, float) * MONTHS_PER_YEAR
    lasting = terms.months(months)
    tail = (1.0 - terms.haircut) * tail_value(
        machine.spot_revenue,
        machine.running_cost_usd,
        terms.decay,
        terms.rate,
        np.minimum(months, lasting),
        np.maximum(lasting - months, 0.0),
    )
    merchant = machine.spot_value(merchant_hurdle) - np.asarray(machine.cost, float)
    return Offer(
        cost=machine.cost,
        running_cost_usd=machine.running_cost_usd,
        months=months,
        loan_months=lasting,
        prepaid=prepaid,
        overhead=machine.overhead,
        late_months=late_months,
        hazard=machine.hazard,
        hurdle=hurdle,
        residual=machine.spot_value_after(hurdle, years),
        alternative=np.maximum(merchant, 0.0),
        advance=terms.advance,
        coverage=terms.coverage,
        tail_loan=tail,
        loan_rate=terms.rate,
    )
