"""Loanable funds and the terms that follow their use (docs/boom.md 6).

Funds are a flow of new commitments, ``F(t) = F0 e^(g t) max(1 - beta losses / book, 0)`` USD a year. With U the commitments
asked for in three months over the funds of three months, terms are levels, not increments, so none drifts to its bound:
``coverage = base + s (U - U*)``, ``advance = base - a (U - U*)``, ``tail = 1 - 2 (U - U*)`` years, each clipped to its range.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Floats

NEUTRAL_USE = 0.8  # use of the pool at which terms are those of the tables
ADVANCE_PER_USE = 0.2
TAIL_PER_USE = 2.0  # years
MOST_TAIL_YEARS = 2.0


def funds_a_year(
    opening_usd: float, growth: float, years: ArrayLike, loss_sensitivity: float, loss_share: ArrayLike
) -> Floats:
    """New commitments lenders can make a year, USD.

    Parameters
    ----------
    opening_usd, growth
        Funds at the date years are counted from, and their growth, log a year.
    loss_share
        Losses of the last twelve months over the book.

    Examples
    --------
    Losses of 4 % of the book take a fifth of the funds at a sensitivity of 5, and losses of 20 % all of them:

    >>> funds_a_year(40e9, 0.0, 0.0, 5.0, [0.0, 0.04, 0.2]).tolist()
    [40000000000.0, 32000000000.0, 0.0]
    """
    kept = np.maximum(1.0 - loss_sensitivity * np.asarray(loss_share, float), 0.0)
    return np.asarray(opening_usd * np.exp(growth * np.asarray(years, float)) * kept)


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms on offer, one entry per tier of tenant."""

    coverage: Floats  # debt service coverage loans are sized on
    advance: Floats  # share of cost
    tail_years: float  # after the contract


def terms_at(
    use: float,
    coverage: ArrayLike,
    advance: ArrayLike,
    tail_years: float,
    sensitivity: float,
    coverage_range: tuple[float, ArrayLike],
    advance_range: tuple[float, float],
) -> Terms:
    """Terms at a use of the pool.

    Examples
    --------
    A pool asked for 1.2 times over lends less, on more coverage and for less long:

    >>> tight = terms_at(1.2, [1.3, 1.45, 1.6], [0.63, 0.71, 0.6], 1.0, 0.5, (1.05, 1.75), (0.5, 0.85))
    >>> tight.coverage.round(2).tolist(), tight.advance.round(2).tolist(), round(tight.tail_years, 2)
    ([1.5, 1.65, 1.75], [0.55, 0.63, 0.52], 0.2)
    """
    beyond = use - NEUTRAL_USE
    return Terms(
        np.clip(np.asarray(coverage, float) + sensitivity * beyond, *coverage_range),
        np.clip(np.asarray(advance, float) - ADVANCE_PER_USE * beyond, *advance_range),
        float(np.clip(tail_years - TAIL_PER_USE * beyond, 0.0, MOST_TAIL_YEARS)),
    )
