"""Why forced units fetched less than their best use, read from the stored tables of a run and printed.

A breakdown is a mean over the units of one class sold under a mandate in one run; its parts sum to V* - p. Shapley values
are means over the same units; if none was sold, over those on offer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.vocabulary import GENERATIONS
from experiments.measures.forced_sales import Columns
from sim.discount.arcs import COMPONENTS
from sim.discount.relaxation import FAMILIES
from sim.discount.shapley import BELIEFS, GAMES, NOT_ATTRIBUTED

# Beliefs are taken out of misallocation: they are a line of their own, and nobody's misuse of a unit.
PARTS = ("beliefs", *(name for name in COMPONENTS if name != "no_bid"))
ROWS = (*FAMILIES, BELIEFS, NOT_ATTRIBUTED)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One forced class in one run, means over units sold under a mandate, USD per GPU.

    Attributes
    ----------
    first_lot_price
        p0 of the weeks of sale.
    parts
        `PARTS`, summing to `best_use_value` - `price`.
    contamination, staleness
        What the lender's mark exceeds the best use of a clean unit by: past sale prices, and lag.
    no_bid_share
        Of the units offered, week by week, the share that no bid reached.
    """

    label: str
    generation: str
    sold: int
    appraisal_usd: float
    clean_best_use_value_usd: float
    best_use_value_usd: float
    first_lot_price_usd: float
    price_usd: float
    parts_usd: dict[str, float]
    contamination_usd: float
    staleness_usd: float
    no_bid_share: float


@dataclass(frozen=True, slots=True)
class Share:
    """Shapley value of one family and its range over orders, means over weeks, USD per GPU."""

    value_usd: float
    low_usd: float
    high_usd: float
    first_in_usd: float
    last_in_usd: float
    error_usd: float


@dataclass(frozen=True, slots=True)
class Frictions:
    """Both games of one forced class in one run: game -> row of `ROWS` -> share; a game nobody played is left out."""

    label: str
    generation: str
    weeks: int
    shares: dict[str, dict[str, Share]]


def breakdowns(label: str, tables: Mapping[str, Columns]) -> list[Breakdown]:
    """Every class sold under a mandate, in order of generation."""
    if "anatomy" not in tables:
        return []
    anatomy = tables["anatomy"]
    found = []
    for generation in GENERATIONS:
        offered = anatomy["forced"] & (anatomy["generation"] == generation)
        rows = np.flatnonzero(offered & (anatomy["buyer"] >= 0))
        if len(rows):
            left = anatomy["quantity"][offered & (anatomy["buyer"] < 0)].sum()
            found.append(_breakdown(label, generation, anatomy, rows, int(left)))
    return found


def _breakdown(label: str, generation: str, anatomy: Columns, rows: Any, left: int) -> Breakdown:
    quantity = anatomy["quantity"][rows]

    def mean(column: str) -> float:
        return float(np.average(anatomy[f"{column}_cents"][rows], weights=quantity)) / 100.0

    parts = {name: mean(name) for name in PARTS if name != "beliefs"}
    parts = {"beliefs": mean("belief_gap")} | parts
    parts["misallocation"] -= parts["beliefs"]
    sold = int(quantity.sum())
    return Breakdown(
        label=label,
        generation=generation,
        sold=sold,
        appraisal_usd=mean("appraisal"),
        clean_best_use_value_usd=mean("clean_best_use_value"),
        best_use_value_usd=mean("best_use_value"),
        first_lot_price_usd=mean("first_lot_price"),
        price_usd=mean("clearing_price"),
        parts_usd=parts,
        contamination_usd=mean("contamination"),
        staleness_usd=mean("staleness"),
        no_bid_share=left / (left + sold),
    )


def frictions(label: str, tables: Mapping[str, Columns]) -> list[Frictions]:
    """Every class whose frictions were taken apart, in order of generation."""
    if "shapley" not in tables:
        return []
    shapley, anatomy = tables["shapley"], tables["anatomy"]
    found = []
    for generation in GENERATIONS:
        mine = shapley["generation"] == generation
        if not mine.any():
            continue
        forced = anatomy["forced"] & (anatomy["generation"] == generation)
        sold = forced & (anatomy["buyer"] >= 0)
        counted = sold if sold.any() else forced
        last = int(shapley["week"].max()) + 1
        units = np.bincount(anatomy["week"][counted], weights=anatomy["quantity"][counted], minlength=last)
        shares = {}
        for game in GAMES:
            rows = {
                family: np.flatnonzero(mine & (shapley["game"] == game) & (shapley["family"] == family))
                for family in ROWS
            }
            if (shapley["orders"][rows[NOT_ATTRIBUTED]] > 0).any():
                shares[game] = {family: _share(shapley, rows[family], units) for family in ROWS}
        found.append(Frictions(label, generation, len(np.unique(shapley["week"][mine])), shares))
    return found


def _share(shapley: Columns, rows: Any, units: Any) -> Share:
    weight = units[shapley["week"][rows]]
    weight = weight / weight.sum()

    def mean(column: str) -> float:
        return float(shapley[f"{column}_cents"][rows] @ weight) / 100.0

    # Orders are drawn anew each week, so errors add in squares.
    error = float(np.sqrt(((np.nan_to_num(shapley["error_cents"][rows]) * weight) ** 2).sum())) / 100.0
    return Share(mean("value"), mean("low"), mean("high"), mean("first_in"), mean("last_in"), error)


def main_class(found: Sequence[Breakdown]) -> Breakdown | None:
    """The class of which most units were sold."""
    return max(found, key=lambda each: each.sold, default=None)


# -- printed ----------------------------------------------------------------------------------------------------


def part_name(part: str) -> str:
    """Name of a part or a friction, for people."""
    return {"transport": "freight", "order_limit": "order limit"}.get(part, part.replace("_", " "))
