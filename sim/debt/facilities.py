"""Arithmetic of debt facilities: draws, bases, triggers, puts and refinancing offers.

Pure functions of arrays, one entry a loan (or an asset where named so); money is int64 cents, dates are weeks, rates and shares
are a year or plain fractions. Nothing here decides: a breach is reported, what follows from it is the workout's
business (economics.md section 10). Terms: contracts.md sections 4.1, 4.3-4.5. Marks and covenants: sim/debt/covenants.py.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import MONTHS_PER_YEAR, WEEKS_PER_YEAR, Floats, Ints
from sim.base.amounts import whole
from sim.base.rounding import to_cents
from sim.debt.terms import borrowing_base, level_payment


def _cents(amount: ArrayLike) -> Ints:
    """Nearest whole cent of an amount already in cents."""
    return to_cents(np.asarray(amount, float) / 100.0)


# -- level payments with a balloon --------------------------------------------------------------------------


def balloon_payment(
    principal: ArrayLike, annual_rate: ArrayLike, months: ArrayLike, balloon_share: ArrayLike
) -> Ints:
    """Monthly payment of a loan of which a share stays due at the end.

    ``pay = (A - bA (1+i)^-n) i / (1 - (1+i)^-n)`` (contracts.md 4.1), that is the level payment of what is retired plus
    interest on the balloon.

    Returns
    -------
    int64 cents. With ``balloon_share`` 1 it is the interest alone, with 0 the level payment.

    >>> int(balloon_payment(2_399_712, 0.105, 60, 0.0))
    51579
    >>> int(balloon_payment(1_000_000, 0.12, 60, 1.0))
    10000
    """
    owed, share = np.asarray(principal, float), np.asarray(balloon_share, float)
    interest_only = owed * share * np.asarray(annual_rate, float) / MONTHS_PER_YEAR
    return _cents(level_payment(owed * (1.0 - share), annual_rate, months) + interest_only)


# -- delayed-draw term loan ---------------------------------------------------------------------------------


def cost_base(
    loan: ArrayLike,
    cost: ArrayLike,
    age_weeks: ArrayLike,
    advance_rate: ArrayLike,
    book_life_years: ArrayLike,
    loans: int,
) -> Ints:
    """Borrowing base of each loan: advance rate times cost less straight-line depreciation, summed over its assets.

    Parameters
    ----------
    loan, cost, age_weeks
        (assets,) loan row, cost in cents and weeks since delivery; what is paid for and not delivered has a
        negative age and counts at cost. Rows with ``loan < 0`` secure nothing and are left out.
    advance_rate, book_life_years
        Per asset or one for all.
    loans
        Number of loans.

    Returns
    -------
    (loans,) int64 cents. Market prices do not enter: that is the collateral illusion (contracts.md section 3).

    >>> cost_base([0, 0], [3_360_000, 3_360_000], [52, 104], 0.7142, 6.0, 1).tolist()
    [3599568]
    """
    row = whole(loan)
    years = np.maximum(np.asarray(age_weeks, float), 0.0) / WEEKS_PER_YEAR
    base = _cents(np.broadcast_to(borrowing_base(advance_rate, cost, years, book_life_years), row.shape))
    total = np.zeros(loans, dtype=np.int64)
    backed = row >= 0
    np.add.at(total, row[backed], base[backed])
    return total


def undrawn_fee(undrawn: ArrayLike, annual_fee: ArrayLike) -> Ints:
    """One month's fee on what is signed and may still be drawn, cents.

    >>> int(undrawn_fee(600_000_000, 0.005))
    250000
    """
    return _cents(np.asarray(undrawn, float) * np.asarray(annual_fee, float) / MONTHS_PER_YEAR)


def mandatory_prepayment(balance: ArrayLike, base: ArrayLike) -> Ints:
    """Principal due at once because the balance stands above the base: ``max(0, B - BB)``.

    >>> mandatory_prepayment([100, 100], [90, 120]).tolist()
    [10, 0]
    """
    return np.asarray(np.maximum(whole(balance) - whole(base), 0))


# -- asset-backed notes: trap and turbo ---------------------------------------------------------------------


class Trigger(IntEnum):
    """What the coverage of asset-backed notes makes of the surplus."""

    RELEASE = 0
    TRAP = 1
    TURBO = 2


@dataclass(frozen=True, slots=True)
class Surplus:
    """Where the surplus of a period went, int64 cents; ``prepayment + reserve + released = surplus + reserve before``."""

    trigger: Ints  # Trigger
    prepayment_cents: Ints  # principal of the senior notes
    reserve_cents: Ints  # cash kept in the trap after this period
    released_cents: Ints  # to the borrower


def trigger_state(coverage: ArrayLike, trap: ArrayLike, turbo: ArrayLike) -> Ints:
    """Trigger by trailing DSCR: at or above `trap` release, below it trap, below `turbo` full turbo.

    >>> trigger_state([1.45, 1.44, 1.25, 1.24], 1.45, 1.25).tolist()
    [0, 1, 1, 2]
    """
    cover = np.asarray(coverage, float)
    state = np.where(cover < np.asarray(trap, float), Trigger.TRAP, Trigger.RELEASE)
    return np.asarray(np.where(cover < np.asarray(turbo, float), Trigger.TURBO, state), dtype=np.int64)


def apply_triggers(
    surplus: ArrayLike,
    reserve: ArrayLike,
    balance: ArrayLike,
    coverage: ArrayLike,
    trap: ArrayLike = 1.45,
    turbo: ArrayLike = 1.25,
) -> Surplus:
    """Split cash left after debt service among prepayment, trap and borrower.

    Parameters
    ----------
    surplus, reserve, balance
        Cash after scheduled debt service, cash already trapped, senior balance; cents, not negative.
    coverage
        Trailing DSCR.
    trap, turbo
        Trigger levels; the defaults are those of a 2026 data-centre issue (contracts.md 4.4, grade B).

    Notes
    -----
    In turbo the trapped cash prepays too, as it was held for the noteholders; what exceeds the balance is released, for
    notes that are repaid trap nothing.
    """
    state = trigger_state(coverage, trap, turbo)
    cash = whole(surplus) + whole(reserve)
    owed = whole(balance)
    prepayment = np.where(state == Trigger.TURBO, np.minimum(cash, owed), 0)
    trapped = (state == Trigger.TRAP) & (owed > 0)
    kept = np.where(trapped, cash, 0)
    released = cash - prepayment - kept
    return Surplus(state, np.asarray(prepayment), np.asarray(kept), np.asarray(released))


# -- convertible notes --------------------------------------------------------------------------------------


class PutOutcome(IntEnum):
    """What holders of a convertible do this week."""

    WAIT = 0
    CONVERT = 1
    DEMAND_PAR = 2


def coupon(principal: ArrayLike, annual_rate: ArrayLike, payments_a_year: int = MONTHS_PER_YEAR) -> Ints:
    """Interest of one period on a bullet note, cents.

    >>> int(coupon(100_000_000, 0.01, 2))
    500000
    """
    return _cents(np.asarray(principal, float) * np.asarray(annual_rate, float) / payments_a_year)


def share_price(net_asset_value: ArrayLike, shares: ArrayLike) -> Floats:
    """Proxy ``S = max(0, NAV) / shares``, in the unit of the net asset value."""
    return np.asarray(np.maximum(np.asarray(net_asset_value, float), 0.0) / np.asarray(shares, float))


def conversion_price(share_at_issue: ArrayLike, premium: ArrayLike) -> Floats:
    """``K = S0 (1 + cp)``.

    >>> float(conversion_price(100.0, 0.3))
    130.0
    """
    return np.asarray(np.asarray(share_at_issue, float) * (1.0 + np.asarray(premium, float)))


def put_outcome(week: int, put_week: ArrayLike, share: ArrayLike, strike: ArrayLike) -> Ints:
    """At the put date holders convert if the share is above the strike and demand par otherwise (contracts.md 4.5).

    >>> [int(put_outcome(w, 156, s, 130.0)) for w, s in ((155, 200.0), (156, 200.0), (156, 130.0))]
    [0, 1, 2]
    """
    choice = np.where(
        np.asarray(share, float) > np.asarray(strike, float), PutOutcome.CONVERT, PutOutcome.DEMAND_PAR
    )
    return np.asarray(np.where(whole(put_week) == week, choice, PutOutcome.WAIT), dtype=np.int64)


# -- refinancing --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RefinancingOffer:
    """What a lender would lend today, int64 cents; ``amount = min(by_value, by_income)``, never negative."""

    amount_cents: Ints
    by_value_cents: Ints  # advance rate times market value
    by_income_cents: Ints  # what cash flow services at the required coverage
    payment_cents: Ints  # a month, on `amount`


def refinancing_offer(
    market_value: ArrayLike,
    advance_rate: ArrayLike,
    annual_cash_flow: ArrayLike,
    coverage: ArrayLike,
    annual_rate: ArrayLike,
    months: ArrayLike,
    balloon_share: ArrayLike = 0.0,
) -> RefinancingOffer:
    """Offer at current advance rate and spread: the smaller of what value and what income support.

    Parameters
    ----------
    market_value, annual_cash_flow
        Cents; a negative cash flow supports nothing.
    advance_rate, coverage
        Share of market value lent; DSCR required of the new loan.
    annual_rate
        Base rate plus the spread asked today.
    months, balloon_share
        Tenor and balloon of the new loan.

    >>> offer = refinancing_offer(1_242_100, 0.7142, 816_000, 1.45, 0.105, 36)
    >>> int(offer.by_value_cents), int(offer.amount_cents) == int(offer.by_value_cents)
    (887108, True)
    """
    value = _cents(np.maximum(np.asarray(market_value, float) * np.asarray(advance_rate, float), 0.0))
    monthly = (
        np.maximum(np.asarray(annual_cash_flow, float), 0.0) / MONTHS_PER_YEAR / np.asarray(coverage, float)
    )
    share = np.asarray(balloon_share, float)
    per_cent = (
        level_payment(1.0 - share, annual_rate, months)
        + share * np.asarray(annual_rate, float) / MONTHS_PER_YEAR
    )
    income = np.where(per_cent > 0, _cents(monthly / np.where(per_cent > 0, per_cent, 1.0)), value)
    value, income = np.broadcast_arrays(value, income)
    amount = np.minimum(value, income)
    return RefinancingOffer(
        amount, value, income, balloon_payment(amount, annual_rate, months, balloon_share)
    )
