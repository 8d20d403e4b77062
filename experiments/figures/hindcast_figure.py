"""Figure of the hindcast: the model's debt from its start on beside what one large borrower is on file to have owed."""

import pandas as pd
from matplotlib.dates import DateFormatter, MonthLocator
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from experiments.figures.style import BLACK, BLUE, SINGLE_COLUMN, house_style
from sim.base.reference import debt_prints

TICKS = (1, 2, 3, 4, 5)


def hindcast(paths: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Debt over its level at the start, on a logarithmic axis: median and range over seeds, and the points on file.

    Parameters
    ----------
    paths
        Billion USD, a row per week and a column per seed (`experiments.methods.hindcast.debt_paths`).

    Returns
    -------
    Figure, DataFrame
        The figure and the multiples it shows, a column per seed, as `experiments.figures.analysis_figures.write` takes them.
    """
    multiple = paths / paths.iloc[0]
    with house_style():
        return _drawn(multiple), multiple.reset_index()


def _drawn(multiple: pd.DataFrame) -> Figure:
    """`hindcast` in the style that stands."""
    figure = Figure(figsize=(SINGLE_COLUMN, 2.6))
    axes = figure.subplots()
    axes.fill_between(
        multiple.index, multiple.min(axis=1), multiple.max(axis=1), color=BLUE, alpha=0.2, linewidth=0
    )
    seeds = f"model, median and range of {multiple.shape[1]} seeds"
    axes.plot(multiple.index, multiple.median(axis=1), color=BLUE, label=seeds)
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
