"""Joint payment: everybody pays at once, out of cash and of what the others pay.

The payments are the greatest clearing vector of Eisenberg and Noe (2001), with the default costs of Rogers and Veraart (2013)
when recoveries are below one, in whole cents. It is found by waves of default: who fails on its own, who fails because of
those, and so on (contracts.md 4.11, theory.md T11). Bankruptcy cost is charged once: keep both recoveries at 1
wherever enforcement cost and delay are on (economics.md section 13).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Ints
from sim.base.amounts import whole
from sim.debt._payments import clear

BILLION = 1_000_000_000
# Twice this squared must fit the kernel's 128-bit products; it is 90 trillion USD.
LARGEST_CENTS = 2**53


@dataclass(frozen=True, slots=True)
class Payments:
    """A joint payment, int64 cents."""

    paid_cents: Ints  # (claims,) in the caller's order
    total_cents: Ints  # (parties,) paid by each
    received_cents: Ints  # (parties,)
    wave: Ints  # (parties,) 0 pays in full, 1 fails on its own, k > 1 because of wave k - 1
    waves: int

    @property
    def defaults(self) -> list[Ints]:
        """Parties that fail, wave by wave: the fictitious default sequence."""
        return [np.flatnonzero(self.wave == k) for k in range(1, self.waves + 1)]


def clear_claims(
    debtor: ArrayLike,
    creditor: ArrayLike,
    due: ArrayLike,
    cash: ArrayLike,
    outside_recovery: float = 1.0,
    inside_recovery: float = 1.0,
    rank: ArrayLike = 0,
    least: bool = False,
) -> Payments:
    """Pay a list of claims jointly.

    Parameters
    ----------
    debtor, creditor, due
        (claims,) party rows and cents due now; several claims between the same two parties may stand.
    cash
        (parties,) liquid means outside the system, cents. Illiquid hardware is not in it.
    outside_recovery, inside_recovery
        Shares of a failing debtor's own cash and of what it is paid that reach its creditors (alpha and beta), resolved
        to a billionth. What they leave out is destroyed or spent outside: the debtor keeps it in these books.
    rank
        (claims,) or one: lower ranks are paid in full first.
    least
        The least clearing vector instead of the greatest: everybody waits to be paid first. With default costs, or in
        circles without cash, the two differ (theory.md T11); who fails is then all of wave 1.

    Returns
    -------
    Payments
        Nobody pays more than it owes or has. With recoveries of 1 a debtor that fails pays out its last cent.
        Within a rank a creditor's share is pro rata; odd cents go by the Webster rule, under which more cash never lowers
        any payment.

    Raises
    ------
    ValueError
        A party owes itself, an amount is negative or beyond 2^53 cents, or a recovery is outside 0 to 1.
    ArithmeticError
        Insolvent parties owe each other all but a millionth of what they owe, and the cents go round for too long.

    >>> chain = clear_claims([0, 1], [1, 2], [100, 100], [40, 0, 0])
    >>> chain.paid_cents.tolist(), chain.wave.tolist()
    ([40, 40], [1, 2, 0])
    """
    who, to, amount = whole(debtor, "debtor"), whole(creditor, "creditor"), whole(due, "due")
    means = np.ascontiguousarray(whole(cash, "cash"))
    order_of = np.broadcast_to(whole(rank, "rank"), who.shape)
    parties = len(means)
    _check(who, to, amount, means)
    recoveries = (
        _billionths(outside_recovery, "outside_recovery"),
        _billionths(inside_recovery, "inside_recovery"),
    )
    paid, wave, waves = _by_waves(who, to, amount, order_of, means, recoveries, least)
    total, received = np.zeros(parties, dtype=np.int64), np.zeros(parties, dtype=np.int64)
    np.add.at(total, who, paid)
    np.add.at(received, to, paid)
    return Payments(paid, total, received, wave, waves)


def _by_waves(
    debtor: Ints, creditor: Ints, due: Ints, rank: Ints, cash: Ints, recoveries: tuple[int, int], least: bool
) -> tuple[Ints, Ints, int]:
    """What is paid on each claim, the wave in which each party fails, and how many waves there are."""
    order = np.lexsort((rank, debtor))
    start = np.zeros(len(cash) + 1, dtype=np.int64)
    np.cumsum(np.bincount(debtor, minlength=len(cash)), out=start[1:])
    sorted_paid = np.zeros(len(debtor), dtype=np.int64)
    wave = np.zeros(len(cash), dtype=np.int64)
    waves = clear(
        start,
        np.ascontiguousarray(creditor[order]),
        np.ascontiguousarray(due[order]),
        np.ascontiguousarray(rank[order]),
        cash,
        *recoveries,
        least,
        sorted_paid,
        wave,
    )
    if waves < 0:
        raise ArithmeticError(
            "the claims do not settle: insolvent parties owe nearly everything to each other"
        )
    paid = np.empty_like(sorted_paid)
    paid[order] = sorted_paid
    return paid, wave, waves


def _billionths(share: float, name: str) -> int:
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"{name} = {share} must be a share from 0 to 1")
    return round(share * BILLION)


def _check(debtor: Ints, creditor: Ints, due: Ints, cash: Ints) -> None:
    if not len(debtor) == len(creditor) == len(due):
        raise ValueError(f"{len(debtor)} debtors, {len(creditor)} creditors, {len(due)} amounts")
    if len(debtor) and not 0 <= min(debtor.min(), creditor.min()) <= max(debtor.max(), creditor.max()) < len(
        cash
    ):
        raise ValueError(f"claims name parties outside 0 to {len(cash) - 1}")
    own = np.flatnonzero(debtor == creditor)
    if len(own):
        raise ValueError(f"claim {own[0]}: party {debtor[own[0]]} owes itself")
    for name, amount in (("due", due), ("cash", cash)):
        if len(amount) and amount.min() < 0:
            raise ValueError(
                f"{name} of row {int(amount.argmin())} is {int(amount.min())} cents; must be >= 0"
            )
        if float(amount.sum(dtype=float)) >= LARGEST_CENTS:
            raise ValueError(f"{name} adds up to 2^53 cents or more")
