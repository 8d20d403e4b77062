"""Figures of a stored run: PNG, PDF, and the plotted numbers as CSV. Nothing is read but the stored tables.

Files are byte-deterministic: no date, no software name, no state shared between figures. Series differ in line style and
label as well as in colour, so that a grey print can be read.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.dates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.vocabulary import GENERATIONS
from experiments.figures.anatomy_figures import COMPARISONS
from experiments.figures.boom_figures import credit_cycle, maturity_wall
from experiments.figures.credit_figure import credit_network, export_graphs
from experiments.figures.crisis_figures import loss_waterfall, price_paths, timeline
from experiments.figures.maps import flow_map, rent_map
from experiments.figures.style import (
    BLACK,
    BLUE,
    DOUBLE_COLUMN,
    GREEN,
    NO_STAMP,
    SINGLE_COLUMN,
    VERMILION,
    house_style,
)
from experiments.measures.forced_sales import Columns, all_columns
from experiments.runs import store
from experiments.runs.folder import writing
from experiments.runs.run import BESIDE, finished

if TYPE_CHECKING:
    Frames = Mapping[str, pd.DataFrame]
    Drawing = tuple[Figure, pd.DataFrame]

FIGURES_LIST = "figures.json"


def draw_all(folder: str | Path) -> dict[str, str]:
    """Draw every figure of a stored run into its sub-folder `figures`, with the credit graphs; replaces what is there.

    Returns
    -------
    dict
        File name -> sha256; also written to `figures/figures.json`.

    Raises
    ------
    experiments.runs.StoreError
        If the folder holds no whole result, or cannot be written to.
    """
    frames, side = store.load_run(folder), side_by_side(Path(folder))
    hashes: dict[str, str] = {}
    with (
        writing(Path(folder) / "figures", kind="figures", overwrite=True, is_part=True) as scratch,
        house_style(),
    ):
        drawings = {name: functools.partial(draw, frames) for name, draw in FIGURES.items()}
        drawings |= {name: functools.partial(compare, side) for name, compare in COMPARISONS.items()}
        for name, drawing in drawings.items():
            figure, plotted = drawing()
            for kind, metadata in NO_STAMP.items():
                figure.savefig(scratch / f"{name}.{kind}", metadata=metadata)
            plotted.to_csv(scratch / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")
        export_graphs(frames, scratch)
        for path in sorted(scratch.iterdir()):
            hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        (scratch / FIGURES_LIST).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    return hashes


def side_by_side(folder: Path) -> "dict[str, dict[str, Columns]]":
    """Tables of a run and of those stored in its folder `beside`, by label."""
    others = folder / BESIDE
    runs = [finished(place) for place in (folder, *(sorted(others.iterdir()) if others.is_dir() else ()))]
    return {run.label: all_columns(store.load_tables(run.folder)) for run in runs}


def price_against_best_use(frames: "Frames") -> "Drawing":
    """Best use, value at the typical operator and prices of used units traded, one panel per generation.

    Returns
    -------
    Figure, DataFrame
        The drawing, and the plotted numbers in long form.
    """
    weeks, trades = frames["weeks"], _used_trades(frames)
    figure = Figure(figsize=(DOUBLE_COLUMN, 3.6))
    panels = figure.subplots(2, 4, sharex=True)
    parts = []
    for axes, name in zip(panels.flat, GENERATIONS, strict=True):
        best, typical = weeks[f"clean_best_use_value_usd_{name}"], weeks[f"typical_value_usd_{name}"]
        axes.plot(weeks["date"], best / 1000, color=BLACK)
        axes.plot(weeks["date"], typical / 1000, color=BLUE, linestyle=(0, (4, 1.5)))
        mine = trades[trades["generation"] == name]
        for forced, marker, colour in ((False, "o", GREEN), (True, "^", VERMILION)):
            chosen = mine[mine["forced"] == forced]
            axes.scatter(
                chosen["date"],
                chosen["price_usd"] / 1000,
                s=9 if forced else 5,
                marker=marker,
                facecolor=colour if forced else "none",
                edgecolor=colour,
                linewidth=0.6,
                zorder=3,
            )
        axes.set_title(name)
        axes.set_ylim(bottom=0)
        parts.append(weeks[["week", "date"]].assign(generation=name, series="best use", usd_per_gpu=best))
        parts.append(
            weeks[["week", "date"]].assign(generation=name, series="typical operator", usd_per_gpu=typical)
        )
        parts.append(
            mine.assign(
                series=np.where(mine["forced"], "forced trade", "free trade"), usd_per_gpu=mine["price_usd"]
            )[["week", "date", "generation", "series", "usd_per_gpu"]]
        )
    _mark_dates(panels[-1], weeks)
    figure.supylabel("thousand USD per GPU", fontsize=7.5)
    handles = [
        matplotlib.lines.Line2D([], [], color=BLACK, label="best use V*"),
        matplotlib.lines.Line2D([], [], color=BLUE, linestyle=(0, (4, 1.5)), label="typical operator"),
        matplotlib.lines.Line2D(
            [],
            [],
            color=GREEN,
            marker="o",
            markerfacecolor="none",
            linestyle="",
            label="used units, free sale",
        ),
        matplotlib.lines.Line2D(
            [], [], color=VERMILION, marker="^", linestyle="", markersize=4, label="used units, forced sale"
        ),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure, pd.concat(parts, ignore_index=True)


def discount_path(frames: "Frames") -> "Drawing":
    """Three prices of the forced class over the weeks it is offered, and the two gaps between them.

    Where several classes are forced, the one most sold is shown, or most offered if none is sold.
    """
    figure = Figure(figsize=(SINGLE_COLUMN, 3.9))
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1.2))
    name = _class_most_forced(frames["weeks"])
    path = _weeks_offered(frames["weeks"], name)
    if path.empty:
        for axes in (middle, lower):
            axes.set_axis_off()
        _say(upper, "no unit was under a mandate in this run")
        return figure, path
    _three_prices(upper, path)
    upper.set_title(f"{name} under a lender's mandate")
    _two_gaps(middle, path)
    _offered_and_sold(lower, path)
    figure.align_ylabels()
    return figure, path


def _class_most_forced(weeks: pd.DataFrame) -> str:
    """The generation most sold under a mandate, or most offered if none is sold."""
    units = {
        name: (int(weeks[f"forced_sold_{name}"].sum()), int(weeks[f"forced_offered_{name}"].sum()))
        for name in GENERATIONS
    }
    return max(units, key=lambda each: units[each])


def _weeks_offered(weeks: pd.DataFrame, name: str) -> pd.DataFrame:
    """Prices, gaps and volumes of a generation in the weeks in which lenders offer it."""
    columns = {
        "week": "week",
        f"clean_best_use_value_usd_{name}": "best_use_value_usd",
        f"first_lot_price_usd_{name}": "first_lot_price_usd",
        f"price_usd_{name}": "price_usd",
        f"price_low_usd_{name}": "price_low_usd",
        f"price_high_usd_{name}": "price_high_usd",
        f"forced_offered_{name}": "offered_gpus",
        f"forced_sold_{name}": "sold_gpus",
    }
    path = weeks.loc[weeks[f"forced_offered_{name}"] > 0, list(columns)].rename(columns=columns)
    path.insert(0, "generation", name)
    path["structural_gap_usd"] = path["best_use_value_usd"] - path["first_lot_price_usd"]
    path["fire_sale_discount_usd"] = path["first_lot_price_usd"] - path["price_usd"]
    return path


def _three_prices(axes: Axes, path: pd.DataFrame) -> None:
    """Best use, first lot and price with its range; a line is broken over weeks in which nothing was offered."""
    week = path["week"]
    every = path.set_index("week").reindex(range(int(week.min()), int(week.max()) + 1))
    axes.fill_between(
        every.index,
        every["price_low_usd"] / 1000,
        every["price_high_usd"] / 1000,
        color=VERMILION,
        alpha=0.2,
        linewidth=0,
    )
    for column, label, colour, line in (
        ("best_use_value_usd", "best use V*", BLACK, "-"),
        ("first_lot_price_usd", "first lot p\N{SUBSCRIPT ZERO}", BLUE, (0, (4, 1.5))),
        ("price_usd", "price p [low, high]", VERMILION, "-"),
    ):
        marker: dict[str, Any] = {"marker": "o", "markersize": 2.2} if column == "price_usd" else {}
        axes.plot(every.index, every[column] / 1000, color=colour, linestyle=line, label=label, **marker)
    axes.legend(loc="best")
    axes.set_ylabel("thousand USD\nper GPU")


def _two_gaps(axes: Axes, path: pd.DataFrame) -> None:
    """Structural gap and, on top of it, fire-sale discount."""
    week, gap = path["week"], path["structural_gap_usd"] / 1000
    discount = path["fire_sale_discount_usd"] / 1000
    axes.bar(
        week, gap, width=0.8, color="#BDBDBD", edgecolor=BLACK, linewidth=0.4, label="structural gap V* − p₀"
    )
    axes.bar(
        week,
        discount,
        width=0.8,
        bottom=gap.clip(lower=0),
        color=VERMILION,
        edgecolor=BLACK,
        linewidth=0.4,
        hatch="////",
        label="fire-sale discount p₀ − p",
    )
    axes.axhline(0, color=BLACK, linewidth=0.6)
    axes.set_ylabel("thousand USD\nper GPU")
    axes.set_ylim(top=1.45 * max(float((gap + discount).max()), 0.1))
    axes.legend(loc="upper left", ncols=1, borderaxespad=0.2)


def _offered_and_sold(axes: Axes, path: pd.DataFrame) -> None:
    """GPUs offered and sold, week by week."""
    week, offered = path["week"], path["offered_gpus"] / 1000
    axes.bar(week, offered, width=0.8, color="none", edgecolor=BLACK, linewidth=0.6, label="offered")
    axes.bar(week, path["sold_gpus"] / 1000, width=0.8, color=BLUE, label="sold")
    axes.set_ylabel("thousand\nGPUs")
    axes.legend(loc="upper left", ncols=2, borderaxespad=0.2)
    axes.set_ylim(top=1.4 * float(path["offered_gpus"].max()) / 1000)
    axes.set_xlabel("week of the run")
    axes.locator_params(axis="x", integer=True)


def _used_trades(frames: "Frames") -> pd.DataFrame:
    """Mean price of used units per week, class and forced or not, with the date of the week."""
    empty = pd.DataFrame(columns=["week", "date", "generation", "forced", "price_usd"])
    if "trades" not in frames:
        return empty
    trades = frames["trades"]
    used = trades[trades["condition"] != "new"].copy()
    used["value"] = used["price_cents"] * used["quantity"] / 100
    grouped = used.groupby(["week", "generation", "forced"], as_index=False)[["value", "quantity"]].sum()
    grouped["price_usd"] = grouped["value"] / grouped["quantity"]
    return grouped.merge(frames["weeks"][["week", "date"]], on="week")


def _mark_dates(row: "np.ndarray[Any, Any]", weeks: pd.DataFrame) -> None:
    days = float((weeks["date"].iloc[-1] - weeks["date"].iloc[0]) / np.timedelta64(1, "D"))
    step = 12 if days > 500 else 6 if days > 250 else 3
    for axes in row:
        axes.xaxis.set_major_locator(matplotlib.dates.MonthLocator(bymonth=range(1, 13, step)))  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%Y" if step == 12 else "%b\n%Y"))  # type: ignore[no-untyped-call]


def _say(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


FIGURES: "dict[str, Callable[[Frames], Drawing]]" = {
    "price_against_best_use": price_against_best_use,
    "discount_path": discount_path,
    "flow_map": flow_map,
    "rent_map": rent_map,
    "credit_timeline": timeline,
    "credit_cycle": credit_cycle,
    "maturity_wall": maturity_wall,
    "price_paths": price_paths,
    "loss_waterfall": loss_waterfall,
    "credit_network": credit_network,
}
