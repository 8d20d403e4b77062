"""The size of a loan on the income of a deal (docs/boom.md 6).

``L = min(advance x cost, PV(contracted net cash) / DSCR + (1 - h) PV(believed spot net cash over the tail), room, funds)``,
repaid level over contract and tail. Money is USD per GPU or in total, as the caller likes; a month is a twelfth of a year and
falls due at its end. Everything broadcasts, and nothing here touches a running model.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import MONTHS_PER_YEAR, Floats, Ints


class Limit(IntEnum):
    """What bound the size of a loan."""

    NONE = 0  # nothing was lent
    ADVANCE = 1
    INCOME = 2
    ROOM = 3
    FUNDS = 4


def annuity(rate: ArrayLike, months: ArrayLike) -> Floats:
    """Present value of a dollar at the end of each month, ``(1 - v^n) / i`` with i a twelfth of the yearly rate.

    >>> float(annuity(0.12, 48).round(4))
    37.974
    >>> float(annuity(0.0, 48))
    48.0
    """
    i = np.asarray(rate, float) / MONTHS_PER_YEAR
    n = np.asarray(months, float)
    safe = np.where(i == 0, 1.0, i)
    return np.asarray(np.where(i == 0, n, -np.expm1(-n * np.log1p(safe)) / safe))


def tail_value(
    revenue: ArrayLike, cost: ArrayLike, decay: ArrayLike, rate: ArrayLike, months: ArrayLike, tail: ArrayLike
) -> Floats:
    """Present value of net spot cash in the months after a contract, at least zero.

    ``sum over k = n+1 .. n+m of (s e^(-decay k/12) - c) v^k``.

    Parameters
    ----------
    revenue, cost
        USD a month at today's spot rent, and of running the unit.
    decay
        Fall of the rent, log a year.
    months, tail
        n of the contract and m after it.

    Examples
    --------
    >>> float(tail_value(100.0, 40.0, 0.0, 0.0, 48, 12))
    720.0
    >>> float(tail_value(100.0, 400.0, 0.25, 0.1, 48, 12))
    0.0
    """
    i = np.asarray(rate, float) / MONTHS_PER_YEAR
    n, m = np.asarray(months, float), np.asarray(tail, float)
    fall = np.asarray(decay, float) / MONTHS_PER_YEAR
    later = np.exp(-n * np.log1p(i))
    # The rent's fall is one more discount.
    falling = annuity(MONTHS_PER_YEAR * np.expm1(np.log1p(i) + fall), m) * np.exp(-fall * n)
    worth = np.asarray(revenue, float) * falling - np.asarray(cost, float) * annuity(rate, m)
    return np.asarray(np.maximum(later * worth, 0.0))


@dataclass(frozen=True, slots=True)
class Sized:
    """Loans as sized, in the unit of the cost, and the `Limit` that bound each."""

    amount: Floats
    limit: Ints


def size_loan(
    cost: ArrayLike,
    advance: ArrayLike,
    contracted: ArrayLike,
    coverage: ArrayLike,
    tail: ArrayLike,
    haircut: ArrayLike,
    room: ArrayLike = np.inf,
    funds: ArrayLike = np.inf,
) -> Sized:
    """The smallest of four limits, and which it was.

    Parameters
    ----------
    contracted, tail
        Present values at the loan's own rate: of contracted net cash, and of spot cash after it (`tail_value`).
    coverage
        Debt service coverage the lender sizes on.
    haircut
        Share of the tail that does not count.

    Examples
    --------
    Contracted cash of 20,000 USD supports 13,793 at a coverage of 1.45, and a tail of 3,000 another 2,100:

    >>> sized = size_loan(40_000, [0.63, 0.35], 20_000, 1.45, 3_000, 0.3)
    >>> sized.amount.round().tolist(), [Limit(one).name for one in sized.limit]
    ([15893.0, 14000.0], ['INCOME', 'ADVANCE'])
    """
    income = np.maximum(
        np.maximum(np.asarray(contracted, float), 0.0) / np.asarray(coverage, float)
        + (1.0 - np.asarray(haircut, float)) * np.asarray(tail, float),
        0.0,
    )
    limits = np.stack(
        np.broadcast_arrays(
            np.asarray(advance, float) * np.asarray(cost, float),
            income,
            np.maximum(np.asarray(room, float), 0.0),
            np.maximum(np.asarray(funds, float), 0.0),
        )
    )
    amount = limits.min(axis=0)
    limit = np.where(amount > 0, limits.argmin(axis=0) + int(Limit.ADVANCE), int(Limit.NONE))
    return Sized(amount, limit.astype(np.int64))
