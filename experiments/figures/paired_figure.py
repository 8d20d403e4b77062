"""What every point of a sweep changes against one: a panel for each outcome, a line for each point, with intervals."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.figures.style import BLACK, BLUE, DOUBLE_COLUMN, house_style

ROW = 0.21  # inches a line takes


def paired(
    table: pd.DataFrame, points: Mapping[int, str], outcomes: Mapping[str, tuple[str, float]]
) -> tuple[Figure, pd.DataFrame]:
    """Differences with 95 % intervals; those whose interval holds zero are hollow.

    Parameters
    ----------
    table
        `experiments.sweep.results.SweepResults.paired`.
    points
        Point -> what its line is called, from top to bottom.
    outcomes
        Outcome -> title of its panel, and the factor its values are shown in: ``("seized GPUs, thousands", 1e-3)``.

    Returns
    -------
    Figure, DataFrame
        The figure and the rows it shows, as `experiments.figures.analysis_figures.write` takes them.
    """
    shown = table[table["outcome"].isin(outcomes) & table["point"].isin(points)]
    with house_style():
        return _drawn(shown, points, outcomes), shown


def _drawn(
    shown: pd.DataFrame, points: Mapping[int, str], outcomes: Mapping[str, tuple[str, float]]
) -> Figure:
    """`paired` in the style that stands."""
    height = 0.75 + ROW * len(points)
    figure = Figure(figsize=(DOUBLE_COLUMN, height), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(outcomes), sharey=True))
    lines = np.arange(len(points))[::-1]
    for axes, (outcome, (title, factor)) in zip(panels, outcomes.items(), strict=True):
        mine = shown[shown["outcome"] == outcome].set_index("point").loc[list(points)]
        middle = factor * mine["difference"].to_numpy(dtype=np.float64)
        half = factor * mine["difference_half_width"].to_numpy(dtype=np.float64)
        apart = np.abs(middle) > half
        axes.axvline(0.0, color=BLACK, linewidth=0.6)
        axes.errorbar(middle, lines, xerr=half, fmt="none", ecolor=BLUE, elinewidth=1.0, capsize=2)
        for told, fill in ((apart, BLUE), (~apart, "white")):
            axes.plot(
                middle[told],
                lines[told],
                linestyle="none",
                marker="o",
                markersize=4,
                color=BLUE,
                markerfacecolor=fill,
            )
        axes.set_title(title, fontsize=7)
        axes.grid(visible=True, axis="x")
        axes.set_ylim(-0.6, len(points) - 0.4)
    panels[0].set_yticks(lines, list(points.values()))
    return figure
