"""The one place where floats become cents, GPUs or watts."""

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Ints


def to_cents(usd: ArrayLike) -> Ints:
    """USD to int64 cents, ties to even.

    >>> to_cents([1.005, 2.5]).tolist()
    [100, 250]
    """
    return np.asarray(np.rint(np.asarray(usd, float) * 100.0), dtype=np.int64)


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
    if weight.sum() <= 0:
        weight = np.zeros(len(weight))
        weight[0] = 1.0
    exact = total * (weight / weight.sum())
    share = np.floor(exact).astype(np.int64)
    left = total - int(share.sum())
    order = np.lexsort((np.arange(len(weight)), share - exact))
    share[order[:left]] += 1
    return np.asarray(share)
