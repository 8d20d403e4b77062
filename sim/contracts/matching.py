"""Who gets a deal: the operator that asks least of those that can house it, in its cheapest halls (docs/boom.md 3)."""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import UNIT, Floats, Ints
from sim.contracts.halls import Halls, Served


@dataclass(frozen=True, slots=True)
class Housed:
    """A deal in the halls of one operator.

    Attributes
    ----------
    party, generation
        Operator and what it buys.
    row, units
        Rows of `Halls` and units in each.
    multiple
        Required over posted rate in the dearest of them.
    """

    party: int
    generation: int
    row: Ints
    units: Ints
    multiple: float


def house(
    halls: Halls, served: Served, cost_usd: Floats, hardware_usd: float, *, whole: bool, most: float
) -> Housed | None:
    """The best operator for a deal, or None if nobody takes it.

    Parameters
    ----------
    cost_usd : (G',)
        Delivered cost of a GPU of each generation sold.
    hardware_usd
        Size of the deal.
    whole
        Whether it must be housed whole; otherwise what fits, and at least one unit.
    most
        Multiple of the posted rate that is paid: an operator takes the deal if it requires no more.
    """
    best: Housed | None = None
    multiple = np.where(halls.units > 0, served.multiple, np.inf)
    for column, generation in enumerate(halls.generation):
        wanted = max(int(hardware_usd // (float(cost_usd[column]) * int(UNIT[generation]))), 1)
        able = np.flatnonzero(multiple[:, column] <= most)
        for party in np.unique(halls.party[able]):
            mine = able[halls.party[able] == party]
            mine = mine[np.argsort(multiple[mine, column], kind="stable")]
            room = np.cumsum(halls.units[mine, column])
            if whole and room[-1] < wanted:
                continue
            last = int(np.searchsorted(room, min(wanted, int(room[-1])), side="left"))
            asked = float(multiple[mine[last], column])
            if best is None or asked < best.multiple:
                units = halls.units[mine[: last + 1], column].copy()
                units[-1] -= max(int(room[last]) - wanted, 0)
                best = Housed(int(party), int(generation), mine[: last + 1], units, asked)
    return best


def supply(halls: Halls, served: Served, weight: Floats) -> tuple[Floats, Floats]:
    """Multiple and capacity of every hall for a standard deal, with the generation its best operator would buy.

    Parameters
    ----------
    weight : (G',)
        H100 equivalents of a GPU of each generation sold.

    Returns
    -------
    (halls,), (halls,)
        Required over posted rate, and H100 equivalents that fit, of each pool once.
    """
    multiple = np.where(halls.units > 0, served.multiple, np.inf)
    column = multiple.argmin(axis=1)
    rows = np.arange(len(halls.pool))
    lowest = multiple[rows, column]
    holds = halls.units[rows, column] * UNIT[halls.generation[column]] * weight[column]
    order = np.lexsort((rows, lowest, halls.pool))
    first = order[np.r_[True, np.diff(halls.pool[order]) > 0]] if len(order) else order
    return lowest[first], holds[first]
