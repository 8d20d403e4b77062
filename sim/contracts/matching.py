"""How an operator houses a deal: in its cheapest halls, with the generation that is best there (docs/boom.md 3)."""

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
    halls: Halls,
    served: Served,
    cost_usd: Floats,
    hardware_usd: float,
    party: int,
    *,
    whole: bool,
    most: float,
) -> Housed | None:
    """An operator's cheapest halls for a deal, or None if it does not take it.

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
    multiple = np.where((halls.units > 0) & halls.of(party)[:, None], served.multiple, np.inf)
    for column, generation in enumerate(halls.generation):
        wanted = max(int(hardware_usd // (float(cost_usd[column]) * int(UNIT[generation]))), 1)
        mine = np.flatnonzero(multiple[:, column] <= most)
        if len(mine) == 0:
            continue
        mine = mine[np.argsort(multiple[mine, column], kind="stable")]
        room = np.cumsum(halls.units[mine, column])
        if whole and room[-1] < wanted:
            continue
        last = int(np.searchsorted(room, min(wanted, int(room[-1])), side="left"))
        asked = float(multiple[mine[last], column])
        if best is None or asked < best.multiple:
            units = halls.units[mine[: last + 1], column].copy()
            units[-1] -= max(int(room[last]) - wanted, 0)
            best = Housed(party, int(generation), mine[: last + 1], units, asked)
    return best


def supply(halls: Halls, served: Served, weight: Floats) -> tuple[Floats, Floats]:
    """Multiple and capacity of every hall for a standard deal, with the generation that is best there.

    Parameters
    ----------
    weight : (G',)
        H100 equivalents of a GPU of each generation sold.

    Returns
    -------
    (halls,), (halls,)
        Required over posted rate, and H100 equivalents that fit.
    """
    multiple = np.where(halls.units > 0, served.multiple, np.inf)
    column = multiple.argmin(axis=1)
    rows = np.arange(len(halls.pool))
    lowest = multiple[rows, column]
    holds = halls.units[rows, column] * UNIT[halls.generation[column]] * weight[column]
    return lowest, holds
