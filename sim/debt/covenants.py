"""Marks, ratios and covenants: what collateral is said to be worth, and which tests a loan fails.

Pure functions of arrays. Appraisals pass through a lag-and-smoothing filter F, the same for market marks and for
best uses (economics.md section 13); a loan is tested on cost, on appraisal or on market value, as its contract says
(contracts.md section 4.9). Equality with a covenant passes.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Bools, Floats, Ints
from sim.base.amounts import whole
from sim.base.rounding import to_cents
from sim.debt.terms import loan_to_value


def appraise(lagged_marks: ArrayLike, previous: ArrayLike, weight: ArrayLike) -> Floats:
    """One step of the filter F: ``w P(t - lag) + (1 - w) A(t - 13)`` (contracts.md 4.9).

    Marks that are not numbers (no trade seen) leave the appraisal as it was.

    >>> appraise([10_000.0, np.nan], [20_000.0, 5_000.0], 0.4).tolist()
    [16000.0, 5000.0]
    """
    mark, before, w = np.broadcast_arrays(
        np.asarray(lagged_marks, float), np.asarray(previous, float), np.asarray(weight, float)
    )
    return np.asarray(np.where(np.isnan(mark), before, w * mark + (1.0 - w) * before))


@dataclass(frozen=True, slots=True)
class MarkGap:
    """Appraisal less best use value (V*), told apart: ``contamination + staleness = appraisal - V*``."""

    contamination_usd: Floats  # fire-sale prices inside the appraisal
    staleness_usd: Floats  # lag and smoothing alone


def mark_gap(appraisal: ArrayLike, filtered_best_use: ArrayLike, best_use: ArrayLike) -> MarkGap:
    """``A - V* = [A - F(V*)] + [F(V*) - V*]``, F the appraisers' filter (economics.md section 13)."""
    appraised, filtered = np.asarray(appraisal, float), np.asarray(filtered_best_use, float)
    return MarkGap(appraised - filtered, filtered - np.asarray(best_use, float))


def collateral_value(loan: ArrayLike, gpus: ArrayLike, usd_per_gpu: ArrayLike, loans: int) -> Ints:
    """Worth of each loan's collateral, cents: (assets,) rows in, (loans,) out; rows with ``loan < 0`` left out.

    >>> collateral_value([0, 0, -1], [8, 8, 8], [12_421.0, 10_000.0, 1.0], 1).tolist()
    [17936800]
    """
    row = whole(loan)
    worth = np.broadcast_to(whole(gpus) * to_cents(usd_per_gpu), row.shape)
    total = np.zeros(loans, dtype=np.int64)
    backed = row >= 0
    np.add.at(total, row[backed], worth[backed])
    return total


# -- ratios and covenants -----------------------------------------------------------------------------------


class Basis(IntEnum):
    """What a lender measures collateral by."""

    COST = 0
    APPRAISAL = 1
    MARKET = 2


@dataclass(frozen=True, slots=True)
class Leverage:
    """Loan to value three ways; infinite on worthless collateral, 0 without debt."""

    cost: Floats
    appraisal: Floats
    market: Floats

    def tested(self, basis: ArrayLike) -> Floats:
        """The ratio each loan's covenant looks at.

        >>> three = Leverage(np.array([0.8]), np.array([0.9]), np.array([1.3]))
        >>> three.tested([Basis.COST]).tolist(), three.tested([Basis.MARKET]).tolist()
        ([0.8], [1.3])
        """
        return np.asarray(np.choose(whole(basis), (self.cost, self.appraisal, self.market)))


def leverage(balance: ArrayLike, net_book: ArrayLike, appraised: ArrayLike, market: ArrayLike) -> Leverage:
    """Loan to net book value, to appraisal and to market; all in cents."""
    return Leverage(
        loan_to_value(balance, net_book), loan_to_value(balance, appraised), loan_to_value(balance, market)
    )


def coverage_ratio(cash_flow: ArrayLike, service: ArrayLike) -> Floats:
    """DSCR (cash flow over interest and principal) or ICR (over interest); infinite where nothing falls due.

    >>> coverage_ratio([150, 150, -10], [100, 0, 100]).tolist()
    [1.5, inf, -0.1]
    """
    flow, due = np.broadcast_arrays(np.asarray(cash_flow, float), np.asarray(service, float))
    return np.asarray(np.where(due > 0, flow / np.where(due > 0, due, 1.0), np.inf))


@dataclass(frozen=True, slots=True)
class Covenants:
    """Levels a loan must hold, per loan or one for all; ``-inf`` (or ``inf`` for LTV) means not tested."""

    coverage: ArrayLike = -np.inf  # smallest DSCR
    interest_coverage: ArrayLike = -np.inf  # smallest ICR
    loan_to_value: ArrayLike = np.inf  # largest LTV on the loan's own basis
    basis: ArrayLike = Basis.COST


@dataclass(frozen=True, slots=True)
class Breaches:
    """Which tests failed, (loans,) each. Equality with the level passes."""

    coverage: Bools
    interest_coverage: Bools
    loan_to_value: Bools

    @property
    def any(self) -> Bools:
        """At least one test failed."""
        return np.asarray(self.coverage | self.interest_coverage | self.loan_to_value)


def covenant_breaches(
    covenants: Covenants, coverage: ArrayLike, interest_coverage: ArrayLike, leverage: Leverage
) -> Breaches:
    """Compare ratios with covenants.

    >>> now = Leverage(np.array([0.9]), np.array([1.0]), np.array([1.28]))
    >>> covenant_breaches(Covenants(1.05, basis=Basis.COST, loan_to_value=1.0), 1.32, 3.0, now).any.tolist()
    [False]
    >>> covenant_breaches(Covenants(basis=Basis.MARKET, loan_to_value=0.85), 1.32, 3.0, now).any.tolist()
    [True]
    """
    ratio = leverage.tested(np.broadcast_to(whole(covenants.basis), leverage.cost.shape))
    shape = ratio.shape
    dscr = np.broadcast_to(np.asarray(coverage, float) < np.asarray(covenants.coverage, float), shape)
    icr = np.broadcast_to(
        np.asarray(interest_coverage, float) < np.asarray(covenants.interest_coverage, float), shape
    )
    return Breaches(dscr, icr, np.asarray(ratio > np.asarray(covenants.loan_to_value, float)))
