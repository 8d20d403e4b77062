"""Paired comparison: the effect that was put in, its interval, and what pairing gains."""

import numpy as np
import pandas as pd
import pytest

from experiments.analysis.compare import Side, compare, read_side
from experiments.analysis.errors import AnalysisError
from experiments.runs.folder import StoreError


def _side(name: str, effect: float, *, fixed: dict | None = None, seed: int = 7, noise: int = 1) -> Side:
    draw, own = np.random.default_rng(seed), np.random.default_rng([seed, noise])
    rows = []
    shocks = draw.normal(0, 3, 40)
    for point, vacancy in enumerate((0.01, 0.05)):
        for replication in range(40):
            y = effect + 10 * vacancy + shocks[replication] + own.normal(0, 0.3)
            rows.append((point, vacancy, replication, seed, "ok", y))
    runs = pd.DataFrame(rows, columns=["point", "site.vacancy", "replication", "seed", "status", "y"])
    return Side(name, runs, ("site.vacancy",), fixed or {}, {"y": "USD"})


def test_the_effect_lies_in_its_interval_and_pairing_narrows_it():
    found = compare(_side("a", 0.0, noise=1), _side("b", 0.5, noise=2))
    row = found.differences.iloc[0]
    assert row["low"] < 0.5 < row["high"]
    assert row["high"] - row["low"] < 0.5
    # Shocks of variance 9 are in both sides, the noise of 0.09 is halved by two points.
    assert row["variance_ratio"] > 50
    assert row["pairs"] == 80 and row["replications"] == 40 and row["unit"] == "USD"


def test_intervals_cover_the_effect_as_often_as_they_say():
    hits = 0
    for seed in range(200):
        found = compare(_side("a", 0.0, seed=seed, noise=1), _side("b", 0.5, seed=seed, noise=2))
        row = found.differences.iloc[0]
        hits += row["low"] <= 0.5 <= row["high"]
    assert 178 <= hits <= 200  # 190 +- 4 standard deviations


def test_equal_sides_differ_by_nothing():
    row = compare(_side("a", 1.0), _side("b", 1.0)).differences.iloc[0]
    assert row["difference"] == row["low"] == row["high"] == 0.0


def test_parameters_that_differ_are_named():
    a = _side("a", 0.0, fixed={"clock.weeks": 52, "lenders.advance.mixed": 0.7})
    b = _side("b", 0.0, fixed={"clock.weeks": 52, "lenders.advance.mixed": 0.8})
    table = compare(a, b).parameters
    assert table.to_dict("records") == [{"parameter": "lenders.advance.mixed", "a": "0.7", "b": "0.8"}]


def test_failed_runs_leave_their_partners_unpaired():
    a, b = _side("a", 0.0), _side("b", 0.0)
    a.runs.loc[3, "status"] = "raised"
    found = compare(a, b)
    assert (found.unpaired_a, found.unpaired_b) == (0, 1)


def test_different_seeds_have_no_pairs():
    with pytest.raises(AnalysisError, match="common random numbers"):
        compare(_side("a", 0.0, seed=7), _side("b", 0.0, seed=8))


def test_a_parameter_only_one_side_varies_is_named():
    a, b = _side("a", 0.0), _side("b", 0.0)
    other = Side("b", b.runs.drop(columns="site.vacancy")[b.runs["point"] == 0], (), {}, b.units)
    with pytest.raises(AnalysisError, match="varies site.vacancy"):
        compare(a, other)


def test_a_folder_that_holds_nothing_is_said_so(tmp_path):
    with pytest.raises(StoreError, match="no result"):
        read_side(tmp_path)


def test_the_interval_lies_around_the_difference_it_is_of():
    a, b = _side("a", 0.0), _side("b", 0.5, noise=2)
    # Two replications: one with both points, the other with one of them.
    for side in (a, b):
        keep = side.runs["replication"] < 2
        side.runs.loc[~keep, "status"] = "raised"
        side.runs.loc[(side.runs["replication"] == 1) & (side.runs["point"] == 1), "status"] = "raised"
    row = compare(a, b).differences.iloc[0]
    assert row["pairs"] == 3 and row["replications"] == 2
    assert (row["low"] + row["high"]) / 2 == pytest.approx(row["difference"])
    assert row["b"] - row["a"] == pytest.approx(row["difference"])
