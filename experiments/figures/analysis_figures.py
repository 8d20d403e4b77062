"""Figures of sensitivity, discovery, comparison, validation and calibration, each drawn from its table alone."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

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
from experiments.runs.folder import put

if TYPE_CHECKING:
    Drawing = tuple[Figure, pd.DataFrame]

GREY = "#BBBBBB"
MOST_BARS = 20
ROW = 0.22  # inches a labelled row takes


def write(folder: str | Path, drawings: "Mapping[str, Drawing]") -> list[Path]:
    """Write figures as PNG and PDF, and what they show as CSV; returns the PNG files.

    Raises
    ------
    StoreError
        If the folder is somebody's, or a file of one of the names stands there that firesale did not write.
    """
    place = Path(folder)
    put(place, drawn(drawings), kind="figures", is_part=True)
    return [place / f"{name}.png" for name in drawings]


def drawn(drawings: "Mapping[str, Drawing]") -> dict[str, bytes]:
    """Figures as PNG and PDF, and what they show as CSV: name of the file -> bytes."""
    files: dict[str, bytes] = {}
    with house_style():
        for name, (figure, plotted) in drawings.items():
            for kind, metadata in NO_STAMP.items():
                picture = io.BytesIO()
                figure.savefig(picture, format=kind, metadata=metadata, bbox_inches="tight")
                files[f"{name}.{kind}"] = picture.getvalue()
            text = plotted.to_csv(index=False, lineterminator="\n", float_format="%.6g")
            files[f"{name}.csv"] = text.encode()
    return files


def sensitivity(tables: "Mapping[str, pd.DataFrame]") -> "dict[str, Drawing]":
    """One figure per table and outcome."""
    drawings: dict[str, Drawing] = {}
    with house_style():
        for name, draw in (("sobol", sobol_bars), ("morris", morris_plane), ("pawn", pawn_bars)):
            for outcome, mine in tables.get(name, pd.DataFrame({"outcome": []})).groupby(
                "outcome", sort=False
            ):
                drawings[f"{name}_{outcome}"] = draw(mine)
        if "variance" in tables:
            drawings["variance_shares"] = variance_bars(tables["variance"])
    return drawings


def sobol_bars(table: pd.DataFrame) -> "Drawing":
    """First-order and total shares of variance with bootstrap intervals, largest total on top."""
    order = table[table["index"] == "total"].sort_values("value")["parameter"].tolist()[-MOST_BARS:]
    figure = Figure(figsize=(DOUBLE_COLUMN * 0.75, 0.9 + 1.5 * ROW * len(order)))
    axes = figure.subplots()
    for index, colour, shift in (("total", BLUE, 0.18), ("first", VERMILION, -0.18)):
        mine = table[table["index"] == index].set_index("parameter").loc[order]
        axes.barh(
            np.arange(len(order)) + shift,
            mine["value"],
            0.34,
            color=colour,
            hatch="" if index == "total" else "///",
            label={"total": "total", "first": "first order"}[index],
            xerr=[mine["value"] - mine["low"], mine["high"] - mine["value"]],
            error_kw={"lw": 0.8, "capsize": 2},
        )
    axes.set_yticks(np.arange(len(order)), order)
    axes.axvline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("share of the variance that parameters make")
    axes.set_title(_title(table))
    axes.legend(loc="lower right")
    return figure, table


def morris_plane(table: pd.DataFrame) -> "Drawing":
    """Spread of elementary effects against their size; the five largest are named."""
    figure = Figure(figsize=(SINGLE_COLUMN * 1.5, 3.2))
    axes = figure.subplots()
    axes.errorbar(
        table["mu_star"],
        table["sigma"],
        xerr=[table["mu_star"] - table["low"], table["high"] - table["mu_star"]],
        fmt="o",
        ms=4,
        lw=0.7,
        color=BLUE,
    )
    for row in table.nlargest(5, "mu_star").itertuples():
        axes.annotate(
            str(row.parameter),
            (row.mu_star, row.sigma),
            xytext=(3, 4),
            textcoords="offset points",
            fontsize=6,
        )
    unit = table["outcome_unit"].iloc[0] if "outcome_unit" in table else ""
    axes.set_xlabel(f"mean absolute effect over the range ({unit})")
    axes.set_ylabel(f"deviation of effects ({unit})")
    axes.set_title(_title(table))
    axes.margins(x=0.25)
    return figure, table


def pawn_bars(table: pd.DataFrame) -> "Drawing":
    """Median distance by parameter, with the dummy's as the line of chance."""
    dummy = table["parameter"] == "(dummy)"
    mine = table[~dummy].sort_values("median").tail(MOST_BARS)
    figure = Figure(figsize=(DOUBLE_COLUMN * 0.75, 0.9 + ROW * len(mine)))
    axes = figure.subplots()
    place = np.arange(len(mine))
    axes.hlines(place, mine["minimum"], mine["maximum"], color=GREY, lw=2, label="range over slices")
    axes.plot(mine["median"], place, "o", color=BLUE, ms=4, label="median")
    axes.axvline(
        float(table.loc[dummy, "median"].iloc[0]), color=VERMILION, ls="--", lw=1, label="dummy (chance)"
    )
    axes.set_yticks(place, mine["parameter"])
    axes.set_xlim(left=0)
    axes.set_xlabel("Kolmogorov-Smirnov distance")
    axes.set_title(_title(table))
    axes.legend(loc="lower right")
    return figure, table


def variance_bars(table: pd.DataFrame) -> "Drawing":
    """Shares of the variance of single runs that parameters and the seed make, a bar per outcome."""
    outcomes = list(dict.fromkeys(table["outcome"]))
    figure = Figure(figsize=(DOUBLE_COLUMN * 0.75, 1.0 + 1.8 * ROW * len(outcomes)))
    axes = figure.subplots()
    left = np.zeros(len(outcomes))
    marks = {"parameters": (BLUE, ""), "seed": (VERMILION, "///"), "seed x parameters": (GREEN, "...")}
    marks["seed, all"] = (VERMILION, "///")
    for source, (colour, hatch) in marks.items():
        mine = table[table["source"] == source].set_index("outcome")["share"].reindex(outcomes).fillna(0.0)
        if mine.any():
            axes.barh(
                outcomes, mine, 0.7, left=left, color=colour, hatch=hatch, label=source, ec="white", lw=0.3
            )
            left = left + mine.to_numpy()
    points = table.groupby("outcome")["points"].first()
    axes.set_yticks(range(len(outcomes)), [f"{outcome}\n{points[outcome]:,} points" for outcome in outcomes])
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_xlabel("share of the variance of single runs")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return figure, table


def prim_tradeoff(trajectory: pd.DataFrame, condition: str) -> "Drawing":
    """Coverage against density along the peeling, colour by restricted parameters, the chosen box ringed."""
    with house_style():
        figure = Figure(figsize=(SINGLE_COLUMN * 1.3, 2.8))
        axes = figure.subplots()
        dots = axes.scatter(
            trajectory["coverage"], trajectory["density"], c=trajectory["restricted"], s=14, cmap="cividis"
        )
        figure.colorbar(dots, ax=axes, label="restricted parameters")
        chosen = trajectory[trajectory["chosen"]]
        axes.scatter(
            chosen["coverage"], chosen["density"], s=60, facecolor="none", edgecolor=VERMILION, lw=1.2
        )
        axes.set_xlabel("coverage (share of cases of interest in the box)")
        axes.set_ylabel("density (share of the box)")
        axes.set_title(condition)
    return figure, trajectory


def paired_differences(table: pd.DataFrame) -> "Drawing":
    """Differences of outcomes with their intervals, each in its own unit on its own panel."""
    shown = table[np.isfinite(table["low"]) & (table["high"] > table["low"])].head(MOST_BARS)
    with house_style():
        figure = Figure(figsize=(DOUBLE_COLUMN * 0.8, 0.5 + 0.45 * max(len(shown), 1)))
        panels = np.atleast_1d(figure.subplots(max(len(shown), 1), 1))
        for axes, row in zip(panels, shown.itertuples(), strict=False):
            axes.errorbar(
                [row.difference],
                [0],
                xerr=[[row.difference - row.low], [row.high - row.difference]],
                fmt="o",
                ms=4,
                color=BLUE,
                capsize=3,
            )
            axes.axvline(0, color=BLACK, lw=0.6)
            reach = 1.2 * max(abs(row.low), abs(row.high))
            axes.set_xlim(-reach, reach)
            axes.set_yticks([0], [f"{row.outcome} ({row.unit})"])
            axes.tick_params(axis="x", labelsize=5)
        panels[-1].set_xlabel("difference b - a, 95 % interval of paired runs")
        figure.set_layout_engine("constrained", hspace=0.1)
    return figure, shown


def validation(table: pd.DataFrame) -> "Drawing":
    """Scored band rows on one scale: 0 and 1 are the ends of the band; the bar is the central 90 % of seeds."""
    band = table[(table["kind"] == "band") & table["verdict"].isin(["pass", "fail"])].copy()
    for name in ("q05", "median", "q95"):
        band[f"scaled_{name}"] = (band[name] - band["low"]) / (band["high"] - band["low"])
    with house_style():
        figure = Figure(figsize=(DOUBLE_COLUMN, 1.0 + 1.2 * ROW * len(band)))
        axes = figure.subplots()
        axes.axvspan(0, 1, color=GREY, alpha=0.5, lw=0)
        shown = np.clip(band[["scaled_q05", "scaled_median", "scaled_q95"]].to_numpy(), -3, 4)
        for place, (row, marks) in enumerate(zip(band.itertuples(), shown, strict=True)):
            colour = GREEN if row.verdict == "pass" else VERMILION
            axes.hlines(place, marks[0], marks[2], color=colour, lw=2)
            # A white rim parts the mark from the bar beneath it.
            sign, size = ("o", 6) if row.verdict == "pass" else ("X", 7)
            axes.plot(marks[1], place, sign, color=colour, ms=size, mec="white", mew=0.8)
        labels = [f"{row.id}  {row.quantity}" for row in band.itertuples()]
        axes.set_yticks(np.arange(len(band)), labels, fontsize=6)
        axes.set_xlim(-3, 4)
        axes.set_ylim(len(band) - 0.4, -0.6)
        axes.set_xlabel("position in the band (shaded); bars cut at -3 and 4; circle pass, cross fail")
    return figure, band


def survivors(recovery: pd.DataFrame) -> "Drawing":
    """Share of its prior that each parameter's survivors span, narrowest first, beside that of synthetic truths."""
    mine = recovery.sort_values("width").head(MOST_BARS).iloc[::-1]
    with house_style():
        figure = Figure(figsize=(DOUBLE_COLUMN * 0.8, 0.9 + ROW * len(mine)))
        axes = figure.subplots()
        place = np.arange(len(mine))
        axes.plot(mine["width"], place, "o", color=BLUE, ms=4, label="survivors")
        if mine["synthetic_width"].notna().any():
            axes.plot(mine["synthetic_width"], place, "x", color=VERMILION, ms=4, label="synthetic truths")
            axes.legend(loc="lower left")
        axes.axvline(1, color=BLACK, lw=0.6)
        axes.axvline(0.5, color=GREY, lw=0.8, ls="--")
        axes.set_yticks(place, mine["parameter"])
        axes.set_xlim(0, 1.15)
        axes.text(0.5, len(mine) - 0.4, "half ", ha="right", va="bottom")
        axes.text(1.0, len(mine) - 0.4, "the prior ", ha="right", va="bottom")
        axes.set_xlabel("central 90 % of survivors over that of the prior")
    return figure, mine


def _title(table: pd.DataFrame) -> str:
    outcome = str(table["outcome"].iloc[0])
    unit = str(table["outcome_unit"].iloc[0]) if "outcome_unit" in table else ""
    return f"{outcome} ({unit})" if unit else outcome
