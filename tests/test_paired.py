"""Paired differences of a sweep's points: by hand, against SciPy, and as they are drawn."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.figures.paired_figure import paired
from experiments.sweep.paired import paired_differences

UNITS = {"defaults": "events", "discount": "share"}


def runs() -> pd.DataFrame:
    """Three points and four replications; one run failed, and one has no discount."""
    rng = np.random.default_rng(5)
    shock = rng.normal(size=4)
    rows = []
    for point, shift in enumerate((0.0, 2.0, -1.0)):
        for replication in range(4):
            own = 0.1 * rng.normal()
            failed = (point, replication) == (2, 3)
            rows.append(
                {
                    "point": point,
                    "replication": replication,
                    "seed": 100 + replication,
                    "status": "error" if failed else "ok",
                    "defaults": np.nan if failed else 5.0 + shock[replication] + shift + own,
                    "discount": np.nan if replication == 0 and point == 1 else 0.1 * shock[replication],
                }
            )
    return pd.DataFrame(rows)


def test_differences_are_those_of_a_paired_t_test() -> None:
    table = paired_differences(runs(), UNITS, outcomes=["defaults"]).set_index("point")
    wide = runs().pivot_table(index="replication", columns="point", values="defaults")
    for point in (1, 2):
        both = wide[[0, point]].dropna()
        expected = stats.ttest_rel(both[point], both[0]).confidence_interval(0.95)
        row = table.loc[point]
        assert row["pairs"] == len(both)
        assert row["difference"] - row["difference_half_width"] == pytest.approx(expected.low)
        assert row["difference"] + row["difference_half_width"] == pytest.approx(expected.high)
    assert table.index.tolist() == [1, 2] and table.loc[2, "n"] == 3


def test_a_point_without_a_good_run_has_no_difference() -> None:
    failed = runs()
    failed.loc[failed["point"] == 2, "status"] = "error"
    table = paired_differences(failed, UNITS, outcomes=["defaults"]).set_index("point")
    assert table.loc[2, "pairs"] == 0 and np.isnan(table.loc[2, "difference"])
    assert table.loc[1, "pairs"] == 4


def test_a_single_point_has_nobody_to_differ_from() -> None:
    alone = paired_differences(runs()[lambda all_: all_["point"] == 0], UNITS)
    assert alone.empty and "difference" in alone


def test_what_does_not_exist_is_left_out_of_its_pairs() -> None:
    table = paired_differences(runs(), UNITS, outcomes=["discount"]).set_index("point")
    assert table["pairs"].tolist() == [3, 3]  # one has no discount, one failed
    assert table.loc[1, "difference"] == pytest.approx(0.0)
    alone = paired_differences(runs()[lambda all_: all_["replication"] == 0], UNITS)
    assert alone["difference_half_width"].isna().all()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"against": 7}, r"against=7: no such point; there are \[0, 1, 2\]"),
        ({"outcomes": ["losses"]}, "losses: no outcome of this sweep; those are defaults, discount"),
    ],
)
def test_what_is_not_there_is_named(asked: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        paired_differences(runs(), UNITS, **asked)  # type: ignore[arg-type]


def test_points_with_shocks_of_their_own_are_no_pairs() -> None:
    apart = runs().assign(seed=range(12))
    with pytest.raises(ValueError, match="points do not share their shocks"):
        paired_differences(apart, UNITS)


def test_every_point_is_a_line_and_hollow_where_nothing_is_told() -> None:
    table = paired_differences(runs(), UNITS)
    outcomes = {"defaults": ("defaults", 1.0), "discount": ("%", 100.0)}
    figure, shown = paired(table, {2: "less", 1: "more"}, outcomes)
    assert len(shown) == 4
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["less", "more"]
    filled = [line for line in left.lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() == "white" for line in filled] == [False, True]
    assert filled[0].get_ydata().tolist() == [1, 0] and len(filled[1].get_xdata()) == 0
    assert filled[0].get_xdata().tolist() == pytest.approx(
        table[table["outcome"] == "defaults"].set_index("point")["difference"].loc[[2, 1]].tolist()
    )
    assert len([line for line in right.lines if line.get_marker() == "o"][1].get_xdata()) == 2
