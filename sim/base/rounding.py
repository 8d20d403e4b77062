"""The one place where floats become cents, GPUs or watts."""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Floats, Ints

_LARGEST_CENTS = 2.0**63
# Above this, total times number of shares, rounding of floats could misplace a whole unit.
_EXACT_FROM = 2**50


def to_cents(usd: ArrayLike) -> Ints:
    """USD to int64 cents, ties to even.

    Raises
    ------
    ValueError
        An amount is not a number or does not fit int64: a cast would post nonsense in silence.

    >>> to_cents([1.005, 2.5]).tolist()
    [100, 250]
    """
    cents = np.rint(np.asarray(usd, float) * 100.0)
    if not np.all(np.abs(cents) < _LARGEST_CENTS):
        wrong = np.asarray(usd, float)[~(np.abs(cents) < _LARGEST_CENTS)].ravel()[0]
        raise ValueError(f"{wrong} USD cannot be posted as cents")
    return np.asarray(cents, dtype=np.int64)


def largest_remainder(total: int, weights: ArrayLike) -> Ints:
    """Split a whole total in proportion to weights so that the shares sum to it exactly.

    Ties of remainders go to the first; all-zero weights give everything to the first share.

    >>> largest_remainder(10, [1, 1, 1]).tolist()
    [4, 3, 3]
    """
    weight = np.asarray(weights, float)
    if len(weight) == 0:
        if total:
            raise ValueError(f"{total} to split among nobody")
        return np.zeros(0, dtype=np.int64)
    if not np.all(np.isfinite(weight) & (weight >= 0)):
        raise ValueError("weights must be finite and not negative")
    if weight.max() <= 0:
        weight = np.zeros(len(weight))
        weight[0] = 1.0
    if abs(total) * len(weight) > _EXACT_FROM or weight.max() > 1e300:
        return _exact_shares(total, weight)
    exact = total * (weight / weight.sum())
    share = np.floor(exact).astype(np.int64)
    left = total - int(share.sum())
    order = np.lexsort((np.arange(len(weight)), share - exact))
    share[order[:left]] += 1
    return np.asarray(share)


def _exact_shares(total: int, weight: Floats) -> Ints:
    """Largest remainder in rationals, for totals beyond what floats resolve."""
    parts = [Fraction(w) for w in weight.tolist()]
    whole = sum(parts)
    exact = [total * part / whole for part in parts]
    share = [x.numerator // x.denominator for x in exact]
    order = sorted(range(len(parts)), key=lambda i: (share[i] - exact[i], i))
    for i in order[: total - sum(share)]:
        share[i] += 1
    return np.array(share, dtype=np.int64)
