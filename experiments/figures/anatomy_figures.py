"""Figures of the anatomy: what stands between best use and price, and which friction costs what, runs side by side.

Both take stored tables of a run and of those it is read beside: label -> table -> column -> values.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.patches
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.measures.anatomy import (
    PARTS,
    ROWS,
    Breakdown,
    Frictions,
    breakdowns,
    frictions,
    main_class,
    part_name,
)
from experiments.measures.forced_sales import Columns
from sim.discount.shapley import GAMES

if TYPE_CHECKING:
    Runs = Mapping[str, Mapping[str, Columns]]
    Drawing = tuple[Figure, pd.DataFrame]

WIDTH = 6.9  # inches, double column
BLACK = "#000000"
PRICE = "#F0F0F0"
# Colours that differ in hue for most eyes and, with the hatching, in grey.
LOOK: dict[str, tuple[str, str]] = {
    "misallocation": ("#0072B2", ""),
    "hosting": ("#56B4E9", "...."),
    "delay": ("#FFFFFF", "\\\\\\\\"),
    "margin": ("#E69F00", ""),
    "cash": ("#009E73", "////"),
    "search": ("#F0E442", "||||"),
    "transport": ("#999999", ""),
    "power": ("#D55E00", ""),
    "cooling": ("#CC79A7", "xxxx"),
    "order_limit": ("#555555", ""),
    "beliefs": ("#FFFFFF", "oo"),
}
MARKS = (("o", "#000000"), ("s", "#0072B2"), ("^", "#D55E00"), ("D", "#009E73"), ("v", "#CC79A7"))
NAMED_FROM = 0.055  # share of the axis from which a part carries its value


def anatomy(runs: "Runs") -> "Drawing":
    """A bar from price to best use per run, the class most sold under mandate, a panel per class.

    Parts that take from value stack up from the price; those below zero (buyers that believe in more than the conditional mean)
    lead back from the end of the stack to V*.
    """
    found = [main for label, tables in runs.items() if (main := main_class(breakdowns(label, tables)))]
    if not found:
        return _nothing("no forced unit was sold in these runs")
    classes = list(dict.fromkeys(each.generation for each in found))
    groups = [[each for each in found if each.generation == name] for name in classes]
    figure = Figure(figsize=(WIDTH, 1.1 + 0.42 * len(found) + 0.35 * len(groups)))
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[len(group) for group in groups])
    for axes, group in zip(panels[:, 0], groups, strict=True):
        _bars(axes, group)
    panels[-1, 0].set_xlabel("thousand USD per GPU")
    used = [part for part in PARTS if any(abs(each.parts_usd[part]) >= 0.5 for each in found)]
    handles = [matplotlib.patches.Patch(facecolor=PRICE, edgecolor=BLACK, linewidth=0.5, label="price p")]
    for part in [*(part for part in used if part != "beliefs"), *(["beliefs"] if "beliefs" in used else [])]:
        colour, hatch = LOOK[part]
        handles.append(
            matplotlib.patches.Patch(
                facecolor=colour, hatch=hatch, edgecolor=BLACK, linewidth=0.5, label=part_name(part)
            )
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=6)
    rows = [
        {
            "run": each.label,
            "generation": each.generation,
            "sold": each.sold,
            "part": part,
            "usd_per_gpu": usd,
        }
        for each in found
        for part, usd in {
            "best_use_value": each.best_use_value_usd,
            **each.parts_usd,
            "price": each.price_usd,
            "first_lot_price": each.first_lot_price_usd,
        }.items()
    ]
    return figure, pd.DataFrame(rows)


def _bars(axes: Axes, group: list[Breakdown]) -> None:
    widest = (
        max(each.price_usd + sum(max(usd, 0.0) for usd in each.parts_usd.values()) for each in group) / 1000
    )
    for row, each in enumerate(group):
        axes.barh(row, each.price_usd / 1000, height=0.62, color=PRICE, edgecolor=BLACK, linewidth=0.5)
        axes.text(
            each.price_usd / 2000, row, f"{each.price_usd / 1000:.1f}", ha="center", va="center", fontsize=6.5
        )
        end = each.price_usd / 1000
        order = sorted(PARTS, key=lambda part: part == "beliefs")
        up = [part for part in order if each.parts_usd[part] > 0]
        down = [part for part in order if each.parts_usd[part] < 0]
        for part in up:
            end = _segment(axes, row, end, each.parts_usd[part] / 1000, part, widest)
        for part in down:
            end = _segment(axes, row, end, each.parts_usd[part] / 1000, part, widest)
        best, first = each.best_use_value_usd / 1000, each.first_lot_price_usd / 1000
        axes.plot([best, best], [row - 0.42, row + 0.42], color=BLACK, linewidth=1.8)
        axes.plot([first, first], [row - 0.42, row + 0.42], color=BLACK, linewidth=1.0, linestyle=(0, (2, 1)))
        if row == 0:
            # Names stand on the outer sides, so that they can be read where the two nearly meet.
            for name, at, other in (("V*", best, first), ("p₀", first, best)):
                side = "left" if at >= other else "right"
                axes.text(at, row - 0.44, name, ha=side, va="bottom", fontsize=7)
    axes.set_yticks(range(len(group)), [each.label for each in group])
    axes.set_ylim(len(group) - 0.45, -0.85)
    axes.set_xlim(0, 1.02 * widest)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    units = " / ".join(f"{each.sold:,}" for each in group)
    axes.set_title(f"{group[0].generation}, {units} units sold under a mandate")


def _segment(axes: Axes, row: int, start: float, length: float, part: str, widest: float) -> float:
    """Draw one part and return where it ends; parts below zero are drawn as outlines over what they take back."""
    colour, hatch = LOOK[part]
    back = length < 0
    axes.barh(
        row if not back else row + 0.19,
        length,
        left=start,
        height=0.62 if not back else 0.24,
        color=colour,
        hatch=hatch,
        edgecolor=BLACK,
        linewidth=0.5,
    )
    if abs(length) > NAMED_FROM * widest and not back:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
        axes.text(start + length / 2, row, f"{length:.1f}", ha="center", va="center", fontsize=6.5, bbox=box)
    return start + length


def shapley(runs: "Runs") -> "Drawing":
    """Shapley values of each friction with the range over orders: a row of panels per class, a column per game."""
    found: list[Frictions] = []
    for label, tables in runs.items():
        main = main_class(breakdowns(label, tables))
        found += [
            each
            for each in frictions(label, tables)
            if main is not None and each.generation == main.generation
        ]
    found = [each for each in found if each.shares]
    if not found:
        return _nothing("no frictions were taken apart in these runs")
    classes = list(dict.fromkeys(each.generation for each in found))
    figure = Figure(figsize=(WIDTH, 0.7 + 2.6 * len(classes)))
    panels = figure.subplots(len(classes), len(GAMES), squeeze=False, sharey="row")
    titles = {"level": "level: what relaxing adds to p", "impact": "impact: what it takes off p₀ − p"}
    for row, name in zip(panels, classes, strict=True):
        group = [each for each in found if each.generation == name]
        for axes, game in zip(row, GAMES, strict=True):
            _ranges(axes, game, [each for each in group if game in each.shares], [g.label for g in group])
            axes.set_title(f"{name}, {titles[game]}")
            axes.legend(loc="lower right") if game == "impact" else None
    for axes in panels[-1]:
        axes.set_xlabel("thousand USD per GPU")
    return figure, pd.DataFrame(
        [
            {
                "run": each.label,
                "generation": each.generation,
                "game": game,
                "family": family,
                "value_usd": share.value_usd,
                "low_usd": share.low_usd,
                "high_usd": share.high_usd,
                "first_in_usd": share.first_in_usd,
                "last_in_usd": share.last_in_usd,
                "error_usd": share.error_usd,
            }
            for each in found
            for game, shares in each.shares.items()
            for family, share in shares.items()
        ]
    )


def _ranges(axes: Axes, game: str, group: list[Frictions], labels: list[str]) -> None:
    for each in group:
        number = labels.index(each.label)
        marker, colour = MARKS[number % len(MARKS)]
        shift = 0.24 * (number - (len(labels) - 1) / 2)
        for row, family in enumerate(ROWS):
            share = each.shares[game][family]
            axes.plot(
                [share.low_usd / 1000, share.high_usd / 1000], [row + shift] * 2, color=colour, linewidth=0.8
            )
            axes.plot(
                share.value_usd / 1000,
                row + shift,
                marker,
                color=colour,
                markersize=3.5,
                label=each.label if row == 0 else None,
            )
    axes.axvline(0, color=BLACK, linewidth=0.6)
    axes.set_yticks(range(len(ROWS)), [part_name(family) for family in ROWS])
    axes.set_ylim(len(ROWS) - 0.4, -0.6)


def _nothing(text: str) -> "Drawing":
    figure = Figure(figsize=(WIDTH, 1.0))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    return figure, pd.DataFrame()


COMPARISONS = {"anatomy": anatomy, "shapley": shapley}
