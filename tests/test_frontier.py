"""The frontier map counts runs of a point, and shows each count where it belongs."""

from itertools import product

import pandas as pd
import pytest

from experiments.figures.frontier_figure import frontier_map, frontier_table


def runs() -> pd.DataFrame:
    """Two variants of deflation, two coverages, two shares, three runs each; one point loses much in two of them."""
    columns = (
        "lenders.sizing_coverage.mixed",
        "contracts.investment_share",
        "rent.trend_deflation",
        "rent.successor_step",
        "worst_year_loss_rate",
    )
    rows = [
        (coverage, share, trend, step, loss)
        for (trend, step), coverage, share in product(((0.25, 0.0), (0.10, 0.15)), (1.25, 2.5), (0.1, 0.9))
        for loss in (
            (0.06, 0.051, 0.0) if (trend, coverage, share) == (0.25, 1.25, 0.9) else (0.05, 0.0, 0.01)
        )
    ]
    return pd.DataFrame(rows, columns=columns)


def test_runs_above_the_line_are_counted_by_point() -> None:
    table = frontier_table(runs())
    assert table["runs"].tolist() == [3] * 8
    assert table["large"].sum() == 2
    worst = table.loc[table["large"].idxmax()]
    assert (worst["lenders.sizing_coverage.mixed"], worst["contracts.investment_share"]) == (1.25, 0.9)
    assert worst["mean_loss"] == pytest.approx(0.037)


def test_every_point_is_a_cell_and_the_default_is_named() -> None:
    figure, _ = frontier_map(frontier_table(runs()))
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "trend 0.10, step 0.15",
        "trend 0.25, step 0.00 (default)",
    ]
    texts = {text.get_position(): text.get_text() for text in panels[1].texts}
    assert texts == {(0, 0): "0/3", (1, 0): "2/3", (0, 1): "0/3", (1, 1): "0/3"}
