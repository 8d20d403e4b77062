"""Who is paid out of an estate, in which order: whole cents by rank, pro rata within a rank (contracts.md 4.11).

No rank is paid before the one above it is whole; within a rank shares are proportional to claims and odd cents go by largest
remainder. What is left when every claim is whole belongs to the owners.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Bools, Ints
from sim.base.amounts import whole
from sim.base.rounding import largest_remainder, to_cents
from sim.base.units import BooksDoNotClose


class Rank(IntEnum):
    """Order of payment; a smaller number is paid first. Owners have no rank: theirs is the rest."""

    ENFORCEMENT = 0
    HOSTING_LIEN = 1
    FREIGHT = 2
    FEES = 3
    RESCUE = 4  # super-priority lending to the estate
    SENIOR = 5
    JUNIOR = 6
    UNSECURED = 7  # deficiencies and trade


# Ranks that are costs of turning the collateral into cash, not recoveries.
COSTS = (Rank.ENFORCEMENT, Rank.HOSTING_LIEN, Rank.FREIGHT, Rank.FEES)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Payments out of an estate, int64 cents; paid and residual add up to the proceeds."""

    paid_cents: Ints  # (claims,)
    unpaid_cents: Ints  # (claims,)
    residual_cents: int  # to the owners


def distribute(proceeds: int, claim: ArrayLike, rank: ArrayLike) -> Distribution:
    """Distribute the proceeds of one estate.

    Parameters
    ----------
    proceeds
        Cents to hand out, not negative.
    claim, rank
        (claims,) cents claimed and rank of each; any whole numbers order as ranks.

    Raises
    ------
    ValueError
        Proceeds or a claim is negative.
    BooksDoNotClose
        A class was paid before one above it was whole; checked at every distribution of every run.

    >>> found = distribute(1000, [40, 700, 300, 500], [Rank.ENFORCEMENT, Rank.SENIOR, Rank.SENIOR, Rank.JUNIOR])
    >>> found.paid_cents.tolist(), found.residual_cents
    ([40, 672, 288, 0], 0)
    """
    left = int(whole(proceeds, "proceeds"))
    amount = np.atleast_1d(whole(claim, "claim"))
    order = np.broadcast_to(whole(rank, "rank"), amount.shape)
    if left < 0:
        raise ValueError(f"proceeds of {left} cents cannot be distributed")
    if len(amount) and amount.min() < 0:
        raise ValueError(f"a claim of {int(amount.min())} cents; claims must be >= 0")
    paid = np.zeros_like(amount)
    for level in np.unique(order):
        rows = np.flatnonzero(order == level)
        due = amount[rows]
        total = int(due.sum())
        paid[rows] = due if left >= total else _pro_rata(left, due)
        left -= int(paid[rows].sum())
    _check_order(paid, amount, order, left, int(proceeds))
    return Distribution(paid, amount - paid, left)


def _check_order(paid: Ints, claim: Ints, rank: Ints, residual: int, proceeds: int) -> None:
    """No class is paid before a senior one is whole, nobody more than the claim, and every cent goes somewhere."""
    short = rank[paid < claim]
    jumped = len(short) > 0 and (residual > 0 or bool(np.any(paid[rank > short.min()] > 0)))
    if jumped or np.any(paid > claim) or np.any(paid < 0):
        raise BooksDoNotClose("a class of claims was paid before a senior one was whole")
    if int(paid.sum()) + residual != proceeds:
        raise BooksDoNotClose(f"an estate is out by {proceeds - residual - int(paid.sum())} cents")


def _pro_rata(total: int, due: Ints) -> Ints:
    """Largest-remainder shares of less than everything due; none above its claim."""
    share = largest_remainder(total, due)
    over = int(np.maximum(share - due, 0).sum())
    if over:
        # Floats misplaced a cent of a claim that is all but whole: the next with room takes it.
        share = np.minimum(share, due)
        room = np.cumsum(due - share)
        share += np.diff(np.minimum(room, over), prepend=0)
    return share


def deficiency(unpaid: ArrayLike, recourse: ArrayLike) -> Ints:
    """What secured creditors may still claim from the debtor itself: unpaid balances with recourse, cents.

    >>> deficiency([100, 100], [True, False]).tolist()
    [100, 0]
    """
    has: Bools = np.asarray(recourse, dtype=np.bool_)
    return np.asarray(np.where(has, whole(unpaid, "unpaid"), 0))


@dataclass(frozen=True, slots=True)
class SaleProceeds:
    """One sale of collateral, int64 cents. ``gross = enforcement + hosting + freight + fees + net``."""

    gross_cents: int
    enforcement_cents: int
    hosting_cents: int
    freight_cents: int
    fees_cents: int

    @property
    def net_cents(self) -> int:
        """What reaches creditors and owners."""
        return (
            self.gross_cents
            - self.enforcement_cents
            - self.hosting_cents
            - self.freight_cents
            - self.fees_cents
        )


def sale_proceeds(
    gross: int, enforcement_share: float, hosting_arrears: int = 0, freight: int = 0, fees: int = 0
) -> SaleProceeds:
    """Take the costs of a sale out of its gross proceeds, in order, each as far as the money goes.

    Parameters
    ----------
    gross, hosting_arrears, freight, fees
        Cents.
    enforcement_share
        Share of gross (4 % by default of `contracts.md` 4.11).

    >>> found = sale_proceeds(1_000_00, 0.04, hosting_arrears=900_00, freight=100_00)
    >>> found.enforcement_cents, found.hosting_cents, found.freight_cents, found.net_cents
    (4000, 90000, 6000, 0)
    """
    if not 0.0 <= enforcement_share <= 1.0:
        raise ValueError(f"enforcement_share = {enforcement_share} must be a share from 0 to 1")
    claims = [int(to_cents(gross / 100.0 * enforcement_share)), hosting_arrears, freight, fees]
    paid = distribute(gross, claims, COSTS).paid_cents.tolist()
    return SaleProceeds(gross, *paid)
