"""A buyer short of cash posts its cash-covered demand curve (theory.md D.2).

At limit w it can pay for cash/w units. The curve becomes a ladder of limit orders whose steps are whole units:
at any uniform price no more cash is promised than there is, and the quantity is within one step of cash/price.
"""

import numpy as np

from agents.vocabulary import Ints


def _steps(limit: Ints, wanted: Ints, cash: Ints, unit: Ints) -> tuple[Ints, Ints, Ints]:
    """Ladder from descending limits, shape (intents, steps): cumulative whole units cash/limit, differenced."""
    affordable = cash[:, None] // np.maximum(limit, 1) // unit[:, None] * unit[:, None]
    reach = np.minimum(affordable, wanted[:, None])
    reach = np.maximum.accumulate(reach, axis=1)
    quantity = np.diff(reach, axis=1, prepend=0)
    row, step = np.nonzero(quantity > 0)
    return limit[row, step], quantity[row, step], row.astype(np.int64)


def _geometric(value: Ints, floor: Ints, cash: Ints, wanted: Ints, steps: int) -> Ints:
    """Descending limits from value to where everything wanted is covered, or half the lowest reserve."""
    covered = cash // np.maximum(wanted, 1)
    low = np.maximum(np.maximum(covered, floor // 2), 1)
    low = np.minimum(low, value)
    exponent = np.linspace(0.0, 1.0, steps)
    ratio = low / np.maximum(value, 1)
    limit = np.floor(value[:, None] * ratio[:, None] ** exponent).astype(np.int64)
    limit[:, -1] = low
    limit[:, 0] = value
    return limit


def cash_ladder(
    value: Ints, wanted: Ints, cash: Ints, unit: Ints, floor: Ints, steps: int
) -> tuple[Ints, Ints, Ints]:
    """Limit orders of intents.

    Parameters
    ----------
    value, wanted, cash, unit, floor : int64 arrays, one entry per intent
        Highest limit (cents per GPU), GPUs wanted, cents to spend, GPUs per sellable unit, lowest reserve.
    steps : int
        Steps of a demand curve that cash binds.

    Returns
    -------
    limit, quantity, row : int64 arrays
        Orders and the intent each belongs to. Intents whose cash covers everything post one order.

    Examples
    --------
    >>> one = np.ones(1, dtype=np.int64)
    >>> cash_ladder(20000 * one, 400 * one, 8_000_000 * one, one, 0 * one, 4)[1].tolist()
    [400]
    """
    if len(value) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    slack = cash >= value * wanted
    rich, poor = np.flatnonzero(slack & (value > 0)), np.flatnonzero(~slack & (value > 0))
    limit, quantity, row = _steps(
        _geometric(value[poor], floor[poor], cash[poor], wanted[poor], steps),
        wanted[poor],
        cash[poor],
        unit[poor],
    )
    limit = np.r_[value[rich], limit]
    quantity = np.r_[wanted[rich], quantity]
    row = np.r_[rich, poor[row]]
    order = np.argsort(row, kind="stable")  # limits already fall within an intent
    return limit[order], quantity[order], row[order]


def refine_ladder(
    value: Ints, wanted: Ints, cash: Ints, unit: Ints, floor: Ints, steps: int, price: Ints
) -> tuple[Ints, Ints, Ints]:
    """The same demand curve with extra steps around a price already found, one per intent.

    The extra limits lie within 2 % of the price, where the marginal step decides, down to the price itself.
    """
    if len(value) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    slack = cash >= value * wanted
    rich, poor = np.flatnonzero(slack & (value > 0)), np.flatnonzero(~slack & (value > 0))
    coarse = _geometric(value[poor], floor[poor], cash[poor], wanted[poor], steps)
    near = np.array([1.02, 1.01, 1.005, 1.002, 1.001, 1.0, 0.999, 0.998, 0.995, 0.99, 0.98])
    fine = np.floor(price[poor][:, None] * near).astype(np.int64)
    lowest = coarse[:, -1:]
    limit = np.concatenate([coarse, np.clip(fine, lowest, coarse[:, :1])], axis=1)
    limit = np.sort(limit, axis=1)[:, ::-1]
    limit, quantity, row = _steps(limit, wanted[poor], cash[poor], unit[poor])
    limit = np.r_[value[rich], limit]
    quantity = np.r_[wanted[rich], quantity]
    row = np.r_[rich, poor[row]]
    order = np.argsort(row, kind="stable")  # limits already fall within an intent
    return limit[order], quantity[order], row[order]
