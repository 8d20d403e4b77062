"""Map of the frontier: how often lenders lose together, by what they size loans on, who signs, and how fast rents fall."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.figures.style import DOUBLE_COLUMN, house_style
from sim.parameters import Parameters

COVERAGE = "lenders.sizing_coverage.mixed"
INVESTMENT = "contracts.investment_share"
TREND, STEP = "rent.trend_deflation", "rent.successor_step"
LOSS = "worst_year_loss_rate"
LARGE_LOSS = 0.05


def frontier_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs of the sweep `frontier` -> a row per point: runs, runs in which lenders lost more than 5 % in a year, mean loss.

    Parameters
    ----------
    runs
        `SweepResults.runs`, with the columns that vary and ``worst_year_loss_rate``.
    """
    grouped = runs.assign(large=runs[LOSS] > LARGE_LOSS).groupby([COVERAGE, INVESTMENT, TREND, STEP])
    table = grouped.agg(runs=(LOSS, "size"), large=("large", "sum"), mean_loss=(LOSS, "mean"))
    return table.reset_index()


def frontier_map(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """One panel per variant of deflation; a cell says how many of its runs lost more than 5 %.

    Returns
    -------
    Figure, DataFrame
        The figure and the table it shows, as `experiments.figures.analysis_figures.write` takes them.
    """
    with house_style():
        return _drawn(table), table


def _drawn(table: pd.DataFrame) -> Figure:
    """`frontier_map` in the style that stands."""
    default = Parameters().flat()
    variants = list(table.groupby([TREND, STEP]))
    coverages, shares = (np.sort(table[column].unique()) for column in (COVERAGE, INVESTMENT))
    figure = Figure(figsize=(DOUBLE_COLUMN, 2.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(variants), sharey=True))
    image = None
    for axes, ((trend, step), part) in zip(panels, variants, strict=True):
        share = part["large"] / part["runs"]
        cells = part.assign(share=share).pivot_table(index=COVERAGE, columns=INVESTMENT, values="share")
        cells = cells.reindex(index=coverages, columns=shares)
        image = axes.imshow(cells.to_numpy(), cmap="Blues", vmin=0, vmax=1, origin="lower", aspect="auto")
        for _, row in part.iterrows():
            at = int(np.searchsorted(shares, row[INVESTMENT])), int(np.searchsorted(coverages, row[COVERAGE]))
            dark = row["large"] / row["runs"] > 0.5
            text = f"{row['large']:.0f}/{row['runs']:.0f}"
            axes.annotate(text, at, ha="center", va="center", fontsize=7, color="white" if dark else "black")
        named = " (default)" if (trend, step) == (default[TREND], default[STEP]) else ""
        axes.set_title(f"trend {trend:.2f}, step {step:.2f}{named}", fontsize=7)
        axes.grid(visible=False)
        axes.set_xticks(range(len(shares)), [f"{share:.0%}" for share in shares])
        axes.set_yticks(range(len(coverages)), [f"{coverage:.2f}" for coverage in coverages])
        axes.set_xlabel("investment-grade deals")
    panels[0].set_ylabel("coverage loans are sized on")
    if image is not None:
        figure.colorbar(image, ax=list(panels), label="share of runs that lose over 5 %")
    return figure
