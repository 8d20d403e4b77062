"""Figures of a credit run: who got into trouble and when, what forced units fetched, where lenders' money went.

Nothing is read but stored tables. States differ in marker and hatching as well as in colour.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.dates
import matplotlib.lines
import matplotlib.patches
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.vocabulary import GENERATIONS
from experiments.measures.credit import CreditRecord, credit_record
from experiments.measures.story import names_of

if TYPE_CHECKING:
    Frames = Mapping[str, Any]  # data frames; the stubs of pandas cannot type rows picked by a computed key
    Drawing = tuple[Figure, pd.DataFrame]

WIDTH, ROW = 6.9, 0.17  # inches
BLACK, BLUE, VERMILION, GREEN, ORANGE, GREY = "#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#BDBDBD"
# Kind of event -> marker, colour, filled, word.
MARKS: dict[str, tuple[str, str, bool, str]] = {
    "covenant_breach": ("|", BLACK, True, "test failed"),
    "missed_payment": ("_", BLACK, True, "payment missed"),
    "refinancing_refused": ("1", BLACK, True, "refinancing refused"),
    "waiver": ("^", GREEN, False, "waived"),
    "equity_cure": ("s", GREEN, False, "cured by owners"),
    "cured": ("s", GREEN, True, "cured by income"),
    "amendment": ("D", BLUE, False, "amended"),
    "default": ("X", VERMILION, True, "default"),
}
AROUND = ("amendment", "waiver")  # drawn large, because what they answer stands inside them
MOST_ROWS = 40


def timeline(frames: "Frames") -> "Drawing":
    """Every borrower in trouble over the run, and below it what stands unsold under a mandate."""
    events, weeks, names = frames.get("events"), frames["weeks"], names_of(frames)
    columns = ["date", "week", "party", "kind"]
    told = (
        events[events["kind"].isin([*MARKS, "workout", "possession", "closed"])]
        if events is not None
        else None
    )
    serious = ("covenant_breach", "default", "workout")
    cast = (
        [] if told is None else list(dict.fromkeys(told.loc[told["kind"].isin(serious), "party"]))[:MOST_ROWS]
    )
    figure = Figure(figsize=(WIDTH, 1.9 + ROW * max(len(cast), 4)))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(max(len(cast), 4) * ROW + 0.3, 1.0))
    dates = dict(zip(weeks["week"], weeks["date"], strict=True))
    end = weeks["date"].iloc[-1]
    if not cast:
        _say(upper, "no borrower failed a test or a payment in this run")
        plotted = pd.DataFrame(columns=columns)
    else:
        assert told is not None
        plotted = told[told["party"].isin(cast)].assign(date=lambda rows: rows["week"].map(dates))
        for row, party in enumerate(cast):
            _life(upper, row, plotted[plotted["party"] == party], end)
        upper.set_yticks(range(len(cast)), [names[party] for party in cast])
        upper.set_ylim(len(cast) - 0.4, -0.6)
        figure.legend(handles=_legend(set(plotted["kind"])), loc="outside upper center", ncols=5)
        plotted = plotted.assign(party=plotted["party"].map(names))[columns]
    standing = weeks["forced_standing"] / 1000
    lower.fill_between(weeks["date"], standing, color=VERMILION, alpha=0.35, linewidth=0, step="post")
    lower.step(weeks["date"], standing, color=VERMILION, linewidth=0.8, where="post")
    lower.set_ylabel("unsold under\nmandate,\nthousand GPUs")
    lower.set_ylim(bottom=0)
    lower.set_xlim(weeks["date"].iloc[0], end + pd.Timedelta(weeks=2))
    _years(lower, weeks)
    figure.align_ylabels()
    return figure, plotted


def _life(axes: Axes, row: int, mine: pd.DataFrame, end: pd.Timestamp) -> None:
    """Marks of one borrower, a hatched bar from enforcement to possession, a full one until it is wound up."""
    when = {
        kind: list(mine.loc[mine["kind"] == kind, "date"]) for kind in ("workout", "possession", "closed")
    }
    for begins in when["workout"]:
        taken = next((date for date in when["possession"] if date >= begins), end)
        axes.barh(
            row,
            taken - begins,
            0.55,
            left=begins,
            color="white",
            edgecolor=VERMILION,
            hatch="/////",
            linewidth=0.5,
        )
    for begins in when["possession"]:
        closed = next((date for date in when["closed"] if date >= begins), end)
        axes.barh(row, closed - begins, 0.55, left=begins, color=VERMILION, alpha=0.6, linewidth=0)
    for kind, (marker, colour, filled, _) in MARKS.items():
        dates = mine.loc[mine["kind"] == kind, "date"]
        axes.scatter(
            dates,
            np.full(len(dates), row),
            s=34 if kind in AROUND else 14,
            marker=marker,
            facecolor=colour if filled else "white",
            edgecolor=None if marker in "|_1" else colour,
            color=colour if marker in "|_1" else None,
            linewidth=0.9,
            zorder=3,
        )


def _legend(kinds: set[str]) -> list[Any]:
    handles: list[Any] = [
        matplotlib.lines.Line2D(
            [],
            [],
            linestyle="",
            marker=marker,
            color=colour,
            markerfacecolor=colour if filled else "white",
            label=word,
        )
        for kind, (marker, colour, filled, word) in MARKS.items()
        if kind in kinds
    ]
    if "workout" in kinds:
        handles.append(
            matplotlib.patches.Patch(
                facecolor="white", edgecolor=VERMILION, hatch="/////", label="stay, enforcement"
            )
        )
    if "possession" in kinds:
        handles.append(
            matplotlib.patches.Patch(facecolor=VERMILION, alpha=0.6, label="lenders hold and sell")
        )
    return handles


def price_paths(frames: "Frames") -> "Drawing":
    """Best use, first lot and price with [low, high] of every class that lenders offered, week by week."""
    weeks = frames["weeks"]
    offered = [name for name in GENERATIONS if (weeks[f"forced_offered_{name}"] > 0).any()]
    columns = max(min(len(offered), 4), 1)
    rows = max(-(-len(offered) // columns), 1)
    figure = Figure(figsize=(WIDTH, 0.7 + 1.55 * rows))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    parts = []
    for axes, name in zip(panels.flat, offered, strict=False):
        path = _price_path(weeks, name)
        parts.append(path)
        _draw_price_path(axes, path)
        axes.set_title(f"{name}, {int(path['sold_gpus'].sum()):,} sold")
        axes.set_ylim(bottom=0)
        _years(axes, weeks)
    for axes in list(panels.flat)[max(len(offered) - columns, 0) : len(offered)]:
        axes.tick_params(labelbottom=True)  # the lowest of its column, though a row may stand below
    for axes in list(panels.flat)[len(offered) :]:
        axes.set_axis_off()
    if not parts:
        _say(panels[0, 0], "no lender offered a unit in this run")
        return figure, pd.DataFrame(columns=["week"])
    figure.supylabel("thousand USD per GPU", fontsize=7.5)
    figure.legend(handles=_price_legend(), loc="outside upper center", ncols=4)
    return figure, pd.concat(parts, ignore_index=True)


def _draw_price_path(axes: Axes, path: pd.DataFrame) -> None:
    """One class: lines of best use and first lot, prices with their range; empty marks where none was sold.

    A single week makes no line: it gets a dash of the line's colour.
    """
    for column, colour, dashes in (
        ("best_use_value_usd", BLACK, "-"),
        ("first_lot_price_usd", BLUE, (0, (4, 1.5))),
    ):
        value = path[column] / 1000
        axes.plot(path["date"], value, color=colour, linestyle=dashes, linewidth=0.9)
        alone = value.notna() & value.shift(1).isna() & value.shift(-1).isna()
        axes.scatter(path.loc[alone, "date"], value[alone], s=14, marker="_", color=colour, linewidth=0.9)
    low, high = path["price_low_usd"] / 1000, path["price_high_usd"] / 1000
    axes.vlines(path["date"], low, high, color=VERMILION, alpha=0.45, linewidth=1.4)
    sold = path["sold_gpus"] > 0
    for chosen, face in ((sold, VERMILION), (~sold, "white")):
        axes.scatter(
            path.loc[chosen, "date"],
            path.loc[chosen, "price_usd"] / 1000,
            s=6,
            facecolor=face,
            edgecolor=VERMILION,
            linewidth=0.5,
            zorder=3,
        )


def _price_legend() -> list[matplotlib.lines.Line2D]:
    dashed, hollow = {"linestyle": (0, (4, 1.5))}, {"markerfacecolor": "white", "linestyle": ""}
    entries: list[tuple[str, dict[str, Any]]] = [
        ("best use V*", {"color": BLACK}),
        ("first lot p\N{SUBSCRIPT ZERO}", {"color": BLUE, **dashed}),
        ("price p with [low, high]", {"color": VERMILION, "marker": "o", "linewidth": 1.4, "alpha": 0.7}),
        ("quoted, none sold", {"color": VERMILION, "marker": "o", **hollow}),
    ]
    return [matplotlib.lines.Line2D([], [], label=label, **drawn) for label, drawn in entries]


def _price_path(weeks: pd.DataFrame, name: str) -> pd.DataFrame:
    columns = {
        "week": "week",
        "date": "date",
        f"clean_best_use_value_usd_{name}": "best_use_value_usd",
        f"first_lot_price_usd_{name}": "first_lot_price_usd",
        f"price_usd_{name}": "price_usd",
        f"price_low_usd_{name}": "price_low_usd",
        f"price_high_usd_{name}": "price_high_usd",
        f"forced_sold_{name}": "sold_gpus",
    }
    path = weeks.loc[weeks[f"forced_offered_{name}"] > 0, list(columns)].rename(columns=columns)
    path.insert(0, "generation", name)
    # A class is offered in spells; a line across the weeks between them would be made up.
    gap = path["week"].diff() > 1
    breaks = path[gap].assign(
        week=lambda rows: rows["week"] - 1, date=lambda rows: rows["date"] - pd.Timedelta(weeks=1)
    )
    breaks[["best_use_value_usd", "first_lot_price_usd", "price_usd", "price_low_usd", "price_high_usd"]] = (
        np.nan
    )
    return pd.concat([path, breaks.assign(sold_gpus=0)]).sort_values("week", kind="stable")


def loss_waterfall(frames: "Frames") -> "Drawing":
    """From the collateral in its best use to recovery, and what was owed: loans in default whose collateral is gone."""
    record = _record(frames)
    figure = Figure(figsize=(WIDTH, 2.9))
    axes = figure.subplots()
    if record.files == 0:
        _say(axes, "no defaulted loan was closed in this run")
        return figure, pd.DataFrame(columns=["line", "musd"])
    bars = _waterfall_bars(record)
    _draw_bars(axes, bars)
    axes.set_title(
        f"{record.files} loans in default: {record.loss_given_default:.0%} of what was owed is lost"
    )
    plotted = pd.DataFrame(
        [(bar.label.replace("\n", " "), bar.height) for bar in bars], columns=["line", "musd"]
    )
    return figure, plotted


class Bar(NamedTuple):
    """One bar of the waterfall, million USD; `sign` says whether it adds or takes."""

    label: str
    bottom: float
    height: float
    colour: str
    sign: str = ""


def _waterfall_bars(record: CreditRecord) -> list[Bar]:
    """Value at default, what was lost and gained on the way, recovery, loss and claim."""
    steps = [
        ("decay, lost\nincome", -record.decay_and_lost_income_million_usd),
        ("quality", -record.quality_million_usd),
        ("structural\ngap", -record.structural_gap_million_usd),
        ("fire-sale\ndiscount", -record.fire_sale_discount_million_usd),
        ("income\nwhile\noperated", record.operated_income_million_usd),
        ("coins,\ncash, sites,\nslots", record.slot_and_other_million_usd),
        ("costs, paid\nto others", -record.costs_and_others_million_usd),
    ]
    bars = [Bar("collateral,\nbest use", 0.0, record.value_at_default_million_usd, BLACK)]
    level = record.value_at_default_million_usd
    for label, change in steps:
        sign = "+" if change >= 0.5 else "−" if change <= -0.5 else ""
        colour = GREEN if change > 0 else VERMILION
        bars.append(Bar(label, min(level, level + change), abs(change), colour, sign))
        level += change
    return [
        *bars,
        Bar("recovery", 0.0, record.recovery_million_usd, BLACK),
        Bar("loss", record.recovery_million_usd, record.loss_million_usd, VERMILION),
        Bar("owed", 0.0, record.exposure_million_usd, GREY),
    ]


def _draw_bars(axes: Axes, bars: Sequence[Bar]) -> None:
    """Bars side by side with their amounts; what is lost or gained is hatched."""
    top = max(bar.bottom + bar.height for bar in bars)
    for x, bar in enumerate(bars):
        hatch = {VERMILION: "////", GREEN: "...."}.get(bar.colour, "")
        face = bar.colour if not hatch else "white"
        axes.bar(x, bar.height, 0.7, bottom=bar.bottom, color=face, edgecolor=bar.colour, hatch=hatch)
        text, above = f"{bar.sign}{bar.height:,.0f}", bar.bottom + bar.height + 0.015 * top
        axes.text(x, above, text, ha="center", va="bottom", fontsize=7)
    axes.set_xticks(range(len(bars)), [bar.label for bar in bars], fontsize=6)
    axes.grid(visible=False, axis="x")
    axes.axhline(0, color=BLACK, linewidth=0.6)
    axes.set_ylim(top=1.12 * top)
    axes.set_ylabel("million USD")


def _record(frames: "Frames") -> CreditRecord:
    columns = {name: {column: frame[column].to_numpy() for column in frame} for name, frame in frames.items()}
    return credit_record(columns)


def _years(axes: Axes, weeks: pd.DataFrame) -> None:
    days = float((weeks["date"].iloc[-1] - weeks["date"].iloc[0]) / np.timedelta64(1, "D"))
    if days > 500:
        axes.xaxis.set_major_locator(matplotlib.dates.YearLocator())  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%Y"))  # type: ignore[no-untyped-call]
    else:
        step = 6 if days > 250 else 3
        axes.xaxis.set_major_locator(matplotlib.dates.MonthLocator(bymonth=range(1, 13, step)))  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%b\n%Y"))  # type: ignore[no-untyped-call]


def _say(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
