"""Loan arithmetic in closed form: balances, coverage of one GPU and the rent at a coverage (contracts.md 4.1, 4.9)."""

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import MONTHS_PER_YEAR, Floats
from sim.debt.terms import level_payment


def balance_after(principal: ArrayLike, annual_rate: ArrayLike, months: ArrayLike, paid: ArrayLike) -> Floats:
    """Balance of a level-pay loan after `paid` payments.

    >>> float(balance_after(33600 * 0.7142, 0.105, 60, 12).round(0))
    20145.0
    """
    i = np.asarray(annual_rate, float) / MONTHS_PER_YEAR
    k = np.asarray(paid, float)
    payment = level_payment(principal, annual_rate, months)
    growth = (1.0 + i) ** k
    safe = np.where(i == 0, 1.0, i)
    annuity = np.where(i == 0, k, (growth - 1.0) / safe)
    return np.asarray(np.asarray(principal, float) * growth - payment * annuity)


def debt_service_coverage(
    rent: ArrayLike, utilisation: ArrayLike, cost_per_hour: ArrayLike, monthly_payment: ArrayLike
) -> Floats:
    """DSCR of one GPU: monthly operating margin over the monthly payment."""
    margin = np.asarray(rent, float) * np.asarray(utilisation, float) - np.asarray(cost_per_hour, float)
    return np.asarray(margin * 730.0 / np.asarray(monthly_payment, float))


def rent_at_coverage(
    coverage: ArrayLike, utilisation: ArrayLike, cost_per_hour: ArrayLike, monthly_payment: ArrayLike
) -> Floats:
    """Rent at which the DSCR equals `coverage`, USD per GPU-hour."""
    needed = np.asarray(coverage, float) * np.asarray(monthly_payment, float) / 730.0
    return np.asarray((needed + np.asarray(cost_per_hour, float)) / np.asarray(utilisation, float))
