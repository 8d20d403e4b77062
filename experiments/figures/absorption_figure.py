"""Figure of absorption: what share of the first-lot price each quantity fetches, drawn from the stored table alone."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from experiments.figures.style import BLUE, DOUBLE_COLUMN, NO_STAMP, VERMILION, house_style

PANELS = ("moved", "in place")
# Free slots -> colour, line, and whether regimes are named above the curve.
LOOKS = {
    "loose": (BLUE, "solid", True),
    "tight": (VERMILION, (0, (4, 1.5)), False),
    "as set": ("black", "solid", True),
}


def write(table: pd.DataFrame, path: Path, generation: str, share: float) -> None:
    """Draw `absorption_curves` in the house style and write it as PNG and PDF."""
    with house_style():
        figure = absorption_curves(table, generation, share)
        for ending, stamp in NO_STAMP.items():
            figure.savefig(path.with_suffix(f".{ending}"), metadata=stamp, dpi=200)


def absorption_curves(table: pd.DataFrame, generation: str, share: float) -> Figure:
    """Price over first-lot price against quantity, band over seeds, regime named at each change.

    Parameters
    ----------
    table
        One row per forced week: way, slots, quantity, price, first_lot_price, regime.
    share
        Share of the first-lot price that the headline is about; drawn as a line.
    """
    figure = Figure(figsize=(DOUBLE_COLUMN, 3.4))
    panels = figure.subplots(1, 2, sharey=True)
    table = table.assign(ratio=table["price_usd"] / table["first_lot_price_usd"])
    for axes, way in zip(panels, PANELS, strict=True):
        named: set[tuple[Any, str]] = set()
        for slots in LOOKS:
            arm = table[(table["way"] == way) & (table["slots"] == slots)]
            if len(arm):
                _curve(axes, arm, slots)
                _name_regimes(axes, arm, slots, named)
        axes.axhline(share, color="0.6", linewidth=0.6)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.25)
        axes.set_title(f"{generation}, {way}")
        axes.set_xlabel("GPUs forced in one week")
    panels[0].set_ylabel("price over first-lot price")
    panels[0].annotate(
        f"{share:.0%} of the first-lot price",
        (0.98, share),
        xycoords=("axes fraction", "data"),
        ha="right",
        xytext=(0, 2),
        textcoords="offset points",
        fontsize=5.5,
        color="0.4",
    )
    if table["slots"].nunique() > 1:
        panels[1].legend(title="free slots", loc="lower left")
    return figure


def _curve(axes: Axes, arm: pd.DataFrame, slots: str) -> None:
    """Median over seeds and the band between their extremes."""
    colour, line, _ = LOOKS[slots]
    ratio = arm.groupby("quantity")["ratio"].agg(["median", "min", "max"])
    axes.plot(
        ratio.index, ratio["median"], color=colour, linestyle=line, marker="o", markersize=3, label=slots
    )
    axes.fill_between(ratio.index, ratio["min"], ratio["max"], color=colour, alpha=0.15, linewidth=0)


def _name_regimes(axes: Axes, arm: pd.DataFrame, slots: str, named: set[tuple[Any, str]]) -> None:
    """Name the most frequent regime where it changes; curves that end in the same regime say so once."""
    colour, _, above = LOOKS[slots]
    largest, before = arm["quantity"].max(), ""
    for quantity, mine in arm.groupby("quantity"):
        regimes = mine["regime"].tolist()
        regime = max(sorted(set(regimes)), key=regimes.count)
        inside = quantity < largest
        if regime != before and (quantity, regime) not in named:
            named.add((quantity, regime))
            axes.annotate(
                regime,
                (quantity, mine["ratio"].median()),
                xytext=(2, (5 if inside else 9) if above else -9),
                ha="left" if inside else "right",
                textcoords="offset points",
                fontsize=5.5,
                color=colour,
                rotation=20 if above else -20,
                va="bottom" if above else "top",
            )
        before = regime
