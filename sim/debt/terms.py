"""Loan arithmetic: level payments, balances, coverage and loan-to-value (contracts.md sections 4.1, 4.3, 4.9)."""

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import MONTHS_PER_YEAR, Floats


def level_payment(principal: ArrayLike, annual_rate: ArrayLike, months: ArrayLike) -> Floats:
    """Monthly level payment ``A i / (1 - (1+i)^-n)``.

    >>> float(level_payment(33600 * 0.7142, 0.105, 60).round(2))
    515.79
    """
    i = np.asarray(annual_rate, float) / MONTHS_PER_YEAR
    n = np.asarray(months, float)
    safe = np.where(i == 0, 1.0, i)
    factor = np.where(i == 0, 1.0 / n, safe / -np.expm1(-n * np.log1p(safe)))
    return np.asarray(np.asarray(principal, float) * factor)


def borrowing_base(
    advance_rate: ArrayLike, cost: ArrayLike, age_years: ArrayLike, book_life_years: ArrayLike
) -> Floats:
    """Cost-based borrowing base ``alpha C max(0, 1 - a/N)`` of a delayed-draw loan."""
    left = np.maximum(0.0, 1.0 - np.asarray(age_years, float) / np.asarray(book_life_years, float))
    return np.asarray(np.asarray(advance_rate, float) * np.asarray(cost, float) * left)


def loan_to_value(balance: ArrayLike, collateral: ArrayLike) -> Floats:
    """Balance over the collateral's worth, book or market alike (contracts.md 4.9); infinite on worthless collateral.

    >>> loan_to_value([15869.0, 10.0, 0.0], [12421.0, 0.0, 0.0]).round(2).tolist()
    [1.28, inf, 0.0]
    """
    owed, worth = np.broadcast_arrays(np.asarray(balance, float), np.asarray(collateral, float))
    bare = np.where(owed > 0, np.inf, 0.0)
    return np.asarray(np.where(worth > 0, owed / np.where(worth > 0, worth, 1.0), bare))
