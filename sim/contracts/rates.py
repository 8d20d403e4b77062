"""What a contract pays: the posted rate of a term, and the rate at which an operator would build for it (docs/boom.md 3).

Rates are USD per GPU-hour, level over the term; money is USD per GPU; rents fall at `trend`, log a year. Everything
broadcasts, and nothing here touches a running model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import HOURS_PER_MONTH, Floats
from sim.origination.sizing import annuity


def posted_ratio(term_years: ArrayLike, trend: ArrayLike, capital_cost: ArrayLike) -> Floats:
    """Level rate of a term over the one-year rate, ``f(T) / f(1)``, at which both are worth the same.

    ``f(T) = (1 - e^(-(d + y) T)) / (d + y) * y / (1 - e^(-y T))``: the level of a falling rent with the same present value.

    >>> posted_ratio([1.0, 3.0, 4.0], 0.25, 0.15).round(2).tolist()
    [1.0, 0.81, 0.75]
    """
    trend, capital_cost = np.asarray(trend, float), np.asarray(capital_cost, float)

    def level(years: ArrayLike) -> Floats:
        t = np.asarray(years, float)
        falling = trend + capital_cost
        paid = np.where(falling == 0, t, -np.expm1(-falling * t) / np.where(falling == 0, 1.0, falling))
        owed = np.where(
            capital_cost == 0,
            t,
            -np.expm1(-capital_cost * t) / np.where(capital_cost == 0, 1.0, capital_cost),
        )
        return np.asarray(paid / owed)

    return np.asarray(level(term_years) / level(1.0))


@dataclass(frozen=True, slots=True)
class Offer:
    """A deal as an operator would serve it in a hall; all fields broadcast.

    Attributes
    ----------
    cost
        Delivered cost, USD per GPU.
    running_cost_usd
        Power and slot, USD per GPU and month.
    months, loan_months
        Term of the contract; months over which the loan is repaid.
    prepaid, overhead
        Shares of revenue paid at signing, and spent on everything but power and slot.
    late_months
        Months of revenue the operator expects to lose because the hall is late.
    hazard
        Units that fail for good, a year.
    hurdle
        Return on equity, a year.
    residual
        Value of the unit at spot after the term, discounted to today, USD per GPU.
    alternative
        What the slot is worth to a merchant, USD per GPU, at least zero.
    advance, coverage, tail_loan, loan_rate
        The lender's terms: share of cost, coverage of contracted cash, what it lends on the tail (after its haircut, USD per
        GPU), and its yearly rate.
    """

    cost: ArrayLike
    running_cost_usd: ArrayLike
    months: ArrayLike
    loan_months: ArrayLike
    prepaid: ArrayLike
    overhead: ArrayLike
    late_months: ArrayLike
    hazard: ArrayLike
    hurdle: ArrayLike
    residual: ArrayLike
    alternative: ArrayLike
    advance: ArrayLike
    coverage: ArrayLike
    tail_loan: ArrayLike
    loan_rate: ArrayLike

    def prepayment(self, rate: ArrayLike) -> Floats:
        """Paid by the tenant at signing, USD per GPU."""
        hours = HOURS_PER_MONTH * np.asarray(self.months, float)
        return np.asarray(np.asarray(rate, float) * hours * np.asarray(self.prepaid, float))

    def net_cash(self, rate: ArrayLike) -> Floats:
        """Cash of a contracted month, USD per GPU: what is not prepaid, less overhead and running cost."""
        kept = 1.0 - np.asarray(self.prepaid, float) - np.asarray(self.overhead, float)
        return np.asarray(
            np.asarray(rate, float) * HOURS_PER_MONTH * kept - np.asarray(self.running_cost_usd, float)
        )

    def income_loan(self, rate: ArrayLike) -> Floats:
        """What contracted cash and the tail support, USD per GPU."""
        supported = (
            self.net_cash(rate) * annuity(self.loan_rate, self.months) / np.asarray(self.coverage, float)
        )
        return np.asarray(supported + np.asarray(self.tail_loan, float))

    def loan(self, rate: ArrayLike) -> Floats:
        """The loan before room and funds, USD per GPU: by cost, by income, and no more than the tenant leaves to pay."""
        cost = np.asarray(self.cost, float)
        least = np.minimum(np.asarray(self.advance, float) * cost, self.income_loan(rate))
        return np.asarray(np.maximum(np.minimum(least, cost - self.prepayment(rate)), 0.0))

    @property
    def burden(self) -> Floats:
        """Present value at the hurdle of the service of a dollar of debt; debt below one is worth taking."""
        return np.asarray(annuity(self.hurdle, self.loan_months) / annuity(self.loan_rate, self.loan_months))

    def value_of_equity(self, rate: ArrayLike, *, levered: bool = True) -> Floats:
        """Present value of the operator's cash flows beyond the slot's alternative use, USD per GPU."""
        loan = self.loan(rate) * np.maximum(1.0 - self.burden, 0.0) if levered else 0.0
        return np.asarray(
            loan
            - np.asarray(self.cost, float)
            + self.prepayment(rate)
            + self.net_cash(rate) * self._months_worth
            + np.asarray(self.residual, float)
            - np.asarray(self.alternative, float)
        )

    @property
    def _months_worth(self) -> Floats:
        """Present value of a dollar a month while the contract pays, failures and lateness taken off."""
        discount = np.asarray(self.hurdle, float) + np.asarray(self.hazard, float)
        return np.asarray(annuity(discount, self.months) - annuity(discount, self.late_months))


def required_rate(offer: Offer) -> Floats:
    """Lowest rate at which an operator would build for a deal, USD per GPU-hour.

    The loan is the lowest of lines in the rate (nothing, cost, income, what is left to pay) that are worth taking, so that the
    value of equity is the lowest of increasing lines: the rate is the largest of their roots. Where debt costs more than the
    hurdle nothing is borrowed.

    Examples
    --------
    A GB300 at 5.80 USD an hour, four years, an investment-grade tenant:

    >>> offer = Offer(cost=56_956, running_cost_usd=280.0, months=48, loan_months=60, prepaid=0.2, overhead=0.18,
    ...     late_months=0.0, hazard=0.03, hurdle=0.15, residual=6_000.0, alternative=0.0, advance=0.63, coverage=1.3,
    ...     tail_loan=4_000.0, loan_rate=0.06)
    >>> rate = required_rate(offer)
    >>> float(rate.round(2)), float(offer.value_of_equity(rate).round(6))
    (2.44, 0.0)
    """
    worth = np.maximum(1.0 - offer.burden, 0.0)
    cost = np.asarray(offer.cost, float)
    at_zero = offer.value_of_equity(0.0, levered=False)
    slope = offer.value_of_equity(1.0, levered=False) - at_zero
    # Each possible loan as a line in the rate: at zero, and its slope.
    by_income = offer.income_loan(0.0), offer.income_loan(1.0) - offer.income_loan(0.0)
    lines = (
        (np.asarray(offer.advance, float) * cost, 0.0),
        by_income,
        (cost, -offer.prepayment(1.0)),
    )
    roots = [-(at_zero + worth * start) / (slope + worth * rise) for start, rise in lines]
    highest = np.max(np.stack(np.broadcast_arrays(*roots)), axis=0)
    # A negative loan is none.
    lent = np.min(np.stack(np.broadcast_arrays(*(start + rise * highest for start, rise in lines))), axis=0)
    return np.asarray(np.maximum(np.where(lent < 0, -at_zero / slope, highest), 0.0))
