"""Whole amounts at the door of a module: cents, satoshi, GPUs and rows are integers or are refused."""

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Ints


def whole(amount: ArrayLike, name: str = "amount") -> Ints:
    """The amounts as int64.

    Raises
    ------
    TypeError
        They are floats: a cast would drop fractions of a cent in silence; round with `sim.base.rounding.to_cents`.

    >>> whole([1, 2]).tolist()
    [1, 2]
    >>> whole(0.5, "fee")
    Traceback (most recent call last):
    TypeError: fee must be whole numbers, not float64
    """
    given = np.asarray(amount)
    if given.size and given.dtype.kind not in "iub":
        raise TypeError(f"{name} must be whole numbers, not {given.dtype}")
    return np.asarray(given, dtype=np.int64)
