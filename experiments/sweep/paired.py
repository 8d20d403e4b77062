"""Differences between points of a sweep, run by run on the same shocks, with Student intervals over replications."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.sweep.stopping import half_width

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = [
    "point",
    "outcome",
    "unit",
    "mean",
    "half_width",
    "n",
    "difference",
    "difference_half_width",
    "pairs",
]


def paired_differences(
    runs: "pd.DataFrame", units: Mapping[str, str], against: int = 0, outcomes: Sequence[str] = ()
) -> "pd.DataFrame":
    """Every other point less one, averaged over the replications that ended well at both.

    Parameters
    ----------
    runs
        One row per point and replication: point, replication, seed, status, outcomes.
    units
        Outcome -> unit.
    against
        The point that is taken off.
    outcomes
        Those of the table; all of `units` if left out.

    Returns
    -------
    DataFrame
        A row per point and outcome: point, outcome, unit; mean, half_width and n of the point itself; difference,
        difference_half_width and pairs. Half-widths are of 95 % Student intervals, NaN below two values. ``n`` and ``pairs``
        count replications in which the outcome exists: without a forced sale there is no discount.

    Raises
    ------
    ValueError
        If there is no such point or outcome, or replications of two points did not meet the same shocks.
    """
    import pandas as pd

    if against not in set(runs["point"]):
        raise ValueError(f"against={against}: no such point; there are {sorted(set(runs['point'].tolist()))}")
    unknown = [name for name in outcomes if name not in units]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no outcome of this sweep; those are {', '.join(units)}")
    good = runs[runs["status"] == "ok"]
    if (good.groupby("replication")["seed"].nunique() > 1).any():
        raise ValueError(
            "points do not share their shocks: sweep with replications.common_random_numbers = true"
        )
    points = [point for point in sorted(set(runs["point"].tolist())) if point != against]
    rows = []
    for outcome in outcomes or units:
        # One look at the table an outcome: a sweep may have thousands of points.
        wide = good.pivot(index="replication", columns="point", values=outcome).astype(float)
        wide = wide.reindex(columns=[against, *points])
        rows += [
            {
                "point": point,
                "outcome": outcome,
                "unit": units[outcome],
                **interval(wide[point], "mean", "half_width", "n"),
                **interval(wide[point] - wide[against], "difference", "difference_half_width", "pairs"),
            }
            for point in points
        ]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("point", kind="stable", ignore_index=True)


def interval(values: "pd.Series[float]", mean: str, half: str, count: str) -> dict[str, float]:
    """Mean, half-width of its 95 % Student interval (NaN below two values) and number of finite values, under these names."""
    known = values.dropna()
    width = half_width(known.tolist())
    return {
        mean: float(known.mean()) if len(known) else float("nan"),
        half: width if np.isfinite(width) else float("nan"),
        count: len(known),
    }
