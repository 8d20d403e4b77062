"""Figure of the hindcast: the model's debt from its start on beside what one large borrower is on file to have owed."""

from pathlib import Path

import pandas as pd
from matplotlib.dates import DateFormatter, MonthLocator
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from experiments.figures.style import BLACK, BLUE, NO_STAMP, SINGLE_COLUMN, house_style
from sim.base.reference import debt_prints

TICKS = (1, 2, 3, 4, 5)


def write(paths: pd.DataFrame, path: Path) -> None:
    """Draw `hindcast` in the house style and write it as PNG and PDF."""
    with house_style():
        figure = hindcast(paths)
        for ending, stamp in NO_STAMP.items():
            figure.savefig(path.with_suffix(f".{ending}"), metadata=stamp, dpi=200)


def hindcast(paths: pd.DataFrame) -> Figure:
    """Debt over its level at the start, on a logarithmic axis: median and range over seeds, and the points on file.

    Parameters
    ----------
    paths
        Billion USD, a row per week and a column per seed (`experiments.methods.hindcast.debt_paths`).
    """
    figure = Figure(figsize=(SINGLE_COLUMN, 2.6))
    axes = figure.subplots()
    multiple = paths / paths.iloc[0]
    axes.fill_between(
        paths.index, multiple.min(axis=1), multiple.max(axis=1), color=BLUE, alpha=0.2, linewidth=0
    )
    seeds = f"model, median and range of {paths.shape[1]} seeds"
    axes.plot(paths.index, multiple.median(axis=1), color=BLUE, label=seeds)
    dates, owed = debt_prints()
    axes.plot(
        pd.to_datetime(dates),
        [one / owed[0] for one in owed],
        color=BLACK,
        marker="o",
        markersize=3.5,
        linestyle="none",
        label="one borrower, filings",
    )
    axes.set_yscale("log")
    axes.set_yticks(TICKS, [f"{tick}" for tick in TICKS])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MonthLocator(bymonth=(1, 7)))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%b %Y"))  # type: ignore[no-untyped-call]
    axes.set_ylabel("debt over its level at the start")
    axes.legend(loc="upper left")
    return figure
