"""How an operator pays for an order beside the loan, in the order found on file: notes, cash, shares (docs/boom.md 5)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Ints

# Notes are sold by the million USD.
NOTE_CENTS = 100_000_000


@dataclass(frozen=True, slots=True)
class Sources:
    """Cents from each source for an order; what is missing cannot be found."""

    notes_cents: int
    cash_cents: int
    shares_cents: int
    missing_cents: int


def sources_of(needed: int, notes: int, cash: int, shares: int, denomination: int) -> Sources:
    """Fill a need from what each source gives at most, one after the other; all in cents.

    Notes are sold in whole denominations, so that a need of a few dollars issues none.

    >>> sources_of(100, 30, 50, 40, denomination=10)
    Sources(notes_cents=30, cash_cents=50, shares_cents=20, missing_cents=0)
    >>> sources_of(200, 35, 50, 40, denomination=10)
    Sources(notes_cents=30, cash_cents=50, shares_cents=40, missing_cents=80)
    """
    from_notes = min(max(needed, 0), max(notes, 0)) // denomination * denomination
    from_cash = min(max(needed - from_notes, 0), max(cash, 0))
    from_shares = min(max(needed - from_notes - from_cash, 0), max(shares, 0))
    missing = max(needed - from_notes - from_cash - from_shares, 0)
    return Sources(from_notes, from_cash, from_shares, missing)


def most_notes(
    cost: ArrayLike, share: float, income: ArrayLike, interest: ArrayLike, coupon: float, cover: float
) -> Ints:
    """Most unsecured notes for an order of `cost`: a share of it, while income covers interest with the new coupon.

    Parameters
    ----------
    cost, income, interest
        Cents; income and interest of a year, the order's contract among the income.
    coupon
        Of the new notes, a year.
    cover
        Income over interest that buyers of notes ask for.

    Examples
    --------
    Income of 90 covers interest of 60 one and a half times, so 20 of interest leave room for notes of 444 at 9 %:

    >>> most_notes(4_000, 0.25, 90, 20, 0.09, 1.5).tolist(), most_notes(1_000, 0.25, 90, 20, 0.09, 1.5).tolist()
    (444, 250)
    """
    room = (np.asarray(income, float) / cover - np.asarray(interest, float)) / coupon
    most = np.floor(np.clip(np.minimum(share * np.asarray(cost, float), room), 0.0, None))
    return np.asarray(most, dtype=np.int64)


def most_shares(net_asset_value: ArrayLike, share: float, discount: float) -> Ints:
    """Most that shares bring in a month: so much of net asset value, sold below it; nothing if it is not positive; cents.

    >>> most_shares([1_000, -5], 0.02, 0.1).tolist()
    [18, 0]
    """
    value = np.maximum(np.asarray(net_asset_value, float), 0.0)
    return np.asarray(np.floor(value * share * (1.0 - discount)), dtype=np.int64)
