"""What the rows of the validation table look at on one seed, and how it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Table = Mapping[str, np.ndarray[Any, Any]]
YEAR = 52
QUARTER = 13
BOOK_LIFE_YEARS = 6.0
SALE_WEEK = 26
SLUMP_WEEK = 20
AFTER = tuple(range(SALE_WEEK + 1, SALE_WEEK + 5))  # four weeks after the sale
WATCHED = (1, *AFTER, SALE_WEEK + 13, YEAR - 1)  # weeks in which quotes are taken
INSIDERS = ("neo_cloud", "miner", "hyperscaler")  # buyers that run hardware of this kind for others
AIR_COOLED = ("V100", "A100", "H100", "H200", "B200")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row may look at: tables of a run (table -> column -> values), parameters, and hardware at the end.

    Attributes
    ----------
    installed
        GPUs by generation at the end of the run.
    quotes
        Week -> generation -> price of one more unit, USD (`sim.discount.collateral.quotes`).
    volume_quotes
        The same for as many units as are usual in a week, counted before the week of a sale.
    """

    tables: Mapping[str, Table]
    parameters: Mapping[str, Any]
    installed: Mapping[str, float]
    quotes: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    volume_quotes: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


Measure = Callable[[Mapping[str, Facts]], float]


def used_trades(facts: Facts, generation: str, *, forced: bool | None = False) -> Table:
    """Trades of used units of one generation; `forced` None is of any seller."""
    trades = facts.tables.get("trades", {})
    if not trades:
        return {}
    chosen = (trades["generation"] == generation) & (trades["condition"] != "new")
    if forced is not None:
        chosen &= trades["forced"] == forced
    return {name: values[chosen] for name, values in trades.items()}


def mean_price(trades: Table) -> float:
    """Mean price, USD per GPU, weighted by GPUs."""
    if not trades or trades["quantity"].sum() == 0:
        return float("nan")
    return float(np.average(trades["price_cents"], weights=trades["quantity"])) / 100.0
