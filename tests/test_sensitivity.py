"""Sensitivity against functions whose answer is known on paper."""

import numpy as np
import pandas as pd
import pytest
from SALib.analyze import sobol as sobol_estimator
from SALib.sample import morris as morris_sample
from SALib.sample import sobol as sobol_sample
from scipy.stats import qmc

from experiments.analysis import sensitivity
from experiments.analysis.errors import AnalysisError
from experiments.analysis.sensitivity import Problem, morris, sobol
from experiments.design.designs import Design, Factor, Variation, points_of

A, B = 7.0, 0.1
# Ishigami and Homma 1990: variances of sin x1 + a sin^2 x2 + b x3^4 sin x1 on (-pi, pi)^3.
V1 = 0.5 * (1 + B * np.pi**4 / 5) ** 2
V2 = A**2 / 8
V13 = 8 * B**2 * np.pi**8 / 225
TOTAL = V1 + V2 + V13
FIRST = np.array([V1, V2, 0.0]) / TOTAL
ALL = np.array([V1 + V13, V2, V13]) / TOTAL


def _problem(count: int, low: float = 0.0, high: float = 1.0) -> Problem:
    variation = Variation(low=low, high=high)
    return Problem(tuple(Factor(f"x{i}", variation) for i in range(count)), ("",) * count)


def _points(cube: np.ndarray, problem: Problem) -> pd.DataFrame:
    return pd.DataFrame(
        {factor.key: [factor.at(u) for u in cube[:, i]] for i, factor in enumerate(problem.factors)}
    )


def _ishigami(frame: pd.DataFrame) -> pd.Series:
    return np.sin(frame["x0"]) + A * np.sin(frame["x1"]) ** 2 + B * frame["x2"] ** 4 * np.sin(frame["x0"])


@pytest.fixture(scope="module")
def ishigami() -> tuple[Problem, pd.DataFrame]:
    problem = _problem(3, -np.pi, np.pi)
    cube = sobol_sample.sample(problem.salib(), 4096, calc_second_order=False, seed=1)
    points = _points(cube, problem)
    return problem, points.assign(y=_ishigami(points))


def _once(points: pd.DataFrame) -> np.ndarray:
    return points["y"].to_numpy()[:, None]


def test_sobol_finds_the_analytic_indices_of_ishigami(ishigami):
    problem, points = ishigami
    table = sensitivity.sobol(_once(points), problem, "y")
    for index, expected in (("first", FIRST), ("total", ALL)):
        mine = table[table["index"] == index]
        assert np.allclose(mine["value"], expected, atol=0.02)
        assert ((mine["low"] - 0.005 <= expected) & (expected <= mine["high"] + 0.005)).all()


@pytest.mark.parametrize("second_order", [False, True])
def test_sobol_against_salib(second_order):
    problem = _problem(3, -np.pi, np.pi)
    cube = sobol_sample.sample(problem.salib(), 256, calc_second_order=second_order, seed=1)
    points = _points(cube, problem)
    points["y"] = _ishigami(points)
    table = sensitivity.sobol(_once(points), problem, "y", second_order=second_order)
    theirs = sobol_estimator.analyze(
        problem.salib(), points["y"].to_numpy(), calc_second_order=second_order, seed=1
    )
    # SALib centres on the mean of all points, ours on that of the two independent samples.
    assert np.allclose(table[table["index"] == "first"]["raw"], theirs["S1"], atol=3e-4)
    assert np.allclose(table[table["index"] == "total"]["raw"], theirs["ST"], rtol=1e-9)


def test_a_failed_run_takes_its_block_and_nothing_else(ishigami):
    problem, points = ishigami
    values = np.repeat(_once(points), 2, axis=1)
    values[[7, 8, 1003], 1] = np.nan
    table = sensitivity.sobol(values, problem, "y")
    assert set(table["base_samples"]) == {4096 - 2}
    assert np.allclose(table["value"], [*FIRST, *ALL], atol=0.02)


def test_replications_only_some_points_have_are_left_out(ishigami):
    problem, points = ishigami
    values = np.repeat(_once(points), 3, axis=1)
    values[: len(points) // 2, 2] = np.nan
    assert set(sensitivity.sobol(values, problem, "y")["base_samples"]) == {4096}


def test_noise_of_averages_is_not_read_as_interaction(ishigami):
    problem, points = ishigami
    noise = np.random.default_rng(5).normal(0, 4, (len(points), 4))
    table = sensitivity.sobol(_once(points) + noise, problem, "y")
    total = table[table["index"] == "total"]
    assert np.allclose(total["value"], ALL, atol=0.05)
    # Without the correction the noise appears as a total effect of every parameter.
    assert (total["raw"] - ALL > 0.05).any()


def test_common_noise_is_taken_out_too():
    problem, hits = _problem(3, -np.pi, np.pi), []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        points = _saltelli(draw, problem, 256)
        tilt = draw.normal(0, 2, 20)[None, :] * points["x2"].to_numpy()[:, None]
        table = sensitivity.sobol(_once(points) + tilt + draw.normal(0, 2, 20), problem, "y")
        hits.append(table[table["index"] == "total"][["value", "raw"]].to_numpy())
    value, raw = np.mean(hits, axis=0).T
    assert np.allclose(value, ALL, atol=0.04)
    assert raw[2] - ALL[2] > 0.035


def test_a_parameter_that_does_nothing_has_no_effect_under_common_noise(ishigami):
    problem, points = ishigami
    draw = np.random.default_rng(6)
    y = np.sin(points["x0"].to_numpy())[:, None] * (3 + draw.normal(0, 1, 5)[None, :])
    table = sensitivity.sobol(y, problem, "y").set_index(["index", "parameter"])
    for index in ("first", "total"):
        for name in ("x1", "x2"):
            row = table.loc[(index, name)]
            assert row["value"] == row["low"] == row["high"] == 0.0


def _saltelli(draw: np.random.Generator, problem: Problem, base: int) -> pd.DataFrame:
    count = len(problem.factors)
    first, second = draw.random((2, base, count))
    changed = (np.where(np.arange(count) == i, second, first) for i in range(count))
    return _sampled(np.stack([first, *changed, second], axis=1).reshape(-1, count), problem)


def _sampled(cube: np.ndarray, problem: Problem) -> pd.DataFrame:
    points = _points(cube, problem)
    return points.assign(y=_ishigami(points))


def test_intervals_cover_the_analytic_index_about_as_often_as_they_say():
    problem, hits = _problem(3, -np.pi, np.pi), 0
    for seed in range(60):
        points = _saltelli(np.random.default_rng(seed), problem, 128)
        noise = np.random.default_rng(seed + 1000).normal(0, 2, (len(points), 5))
        table = sensitivity.sobol(_once(points) + noise, problem, "y")
        total = table[(table["index"] == "total") & (table["parameter"] == "x0")].iloc[0]
        hits += total["low"] <= ALL[0] <= total["high"]
    assert 51 <= hits  # 57 less 3.5 standard deviations


def test_noise_that_drowns_everything_is_said():
    problem, raised = _problem(3), 0
    draw = np.random.default_rng(8)
    for _ in range(20):
        try:
            sensitivity.sobol(draw.normal(0, 1, (40, 2)), problem, "y")
        except AnalysisError as error:
            raised += "more replications would tell" in str(error)
    assert raised >= 5  # with nothing but noise the estimate falls below zero about every second time


@pytest.mark.parametrize("points", range(20, 140))
def test_pawn_takes_every_number_of_points(points):
    problem = _problem(1)
    frame = _points(np.random.default_rng(1).random((points, 1)), problem)
    assert np.isfinite(sensitivity.pawn(frame.assign(y=frame["x0"]), problem, "y")["median"]).all()


def test_pawn_tells_an_idle_parameter_from_a_working_one():
    problem = _problem(3)
    points = _points(qmc.Sobol(3, rng=3).random(1024), problem)
    points["y"] = (points["x0"] > 0.7) + 0.2 * points["x1"]
    table = sensitivity.pawn(points, problem, "y").set_index("parameter")
    chance = 1.5 * table.loc["(dummy)", "median"]
    assert table.loc["x0", "median"] > chance and table.loc["x1", "median"] > chance
    assert table.loc["x2", "median"] < chance


def test_morris_gives_slopes_over_the_whole_range():
    problem = Problem(
        (
            Factor("a", Variation(low=10.0, high=30.0)),
            Factor("b", Variation(low=1.0, high=100.0, scale="log")),
            Factor("c", Variation(low=0.0, high=1.0)),
        ),
        ("USD", "W", ""),
    )
    points = _points(morris_sample.sample(problem.salib(), 20, num_levels=4, seed=2), problem)
    points["y"] = 0.5 * points["a"] - 3.0 * np.log10(points["b"])
    table = sensitivity.morris(points, problem, "y").set_index("parameter")
    assert np.allclose(table.loc[["a", "b", "c"], "mu_star"], [10.0, 6.0, 0.0], atol=1e-9)
    assert np.allclose(table.loc[["a", "b"], "mu"], [10.0, -6.0], atol=1e-9)
    assert np.allclose(table["sigma"], 0.0, atol=1e-9)


def _noisy_runs(points: int, replications: int, *, common: bool) -> pd.DataFrame:
    """3 x + seed effect + noise: variances 9/12, 0.25 and 1."""
    draw = np.random.default_rng(11)
    x = qmc.Sobol(1, rng=4).random(points)[:, 0]
    seed = draw.normal(0, 0.5, (1 if common else points, replications))
    y = 3 * x[:, None] + seed + draw.normal(0, 1, (points, replications))
    index = np.indices(y.shape)
    return pd.DataFrame(
        {
            "point": index[0].ravel(),
            "replication": index[1].ravel(),
            "seed": 7 if common else index[0].ravel(),
            "status": "ok",
            "y": y.ravel(),
        }
    )


def test_the_seed_has_its_known_share_when_shocks_are_common():
    table = sensitivity.variance_shares(_noisy_runs(1024, 60, common=True), "y").set_index("source")
    whole = 0.75 + 0.25 + 1.0
    assert table.loc["parameters", "share"] == pytest.approx(0.75 / whole, abs=0.04)
    assert table.loc["seed x parameters", "share"] == pytest.approx(1.0 / whole, abs=0.04)
    assert table.loc["seed", "share"] == pytest.approx(0.25 / whole, abs=0.06)
    assert table["share"].sum() == pytest.approx(1.0)
    assert (table["low"] <= table["share"]).all() and (table["share"] <= table["high"]).all()


def test_the_seed_has_its_known_share_when_every_point_has_its_own():
    runs = _noisy_runs(1024, 8, common=False)
    runs.loc[::37, "status"] = "raised"
    table = sensitivity.variance_shares(runs, "y").set_index("source")
    assert table.loc["seed, all", "share"] == pytest.approx(1.25 / 2.0, abs=0.04)


def test_one_replication_says_nothing_about_the_seed():
    with pytest.raises(AnalysisError, match="two good replications"):
        sensitivity.variance_shares(_noisy_runs(16, 1, common=True), "y")


def test_points_that_are_no_saltelli_design_are_refused():
    problem = _problem(3)
    with pytest.raises(AnalysisError, match="whole blocks of 5"):
        sensitivity.sobol(np.ones((17, 1)), problem, "y")


def test_listed_values_have_coordinates():
    factor = Factor("driver", Variation(values=("flat", "stochastic")))
    problem = Problem((factor,), ("",))
    frame = pd.DataFrame({"driver": ["stochastic", "flat"]})
    assert problem.coordinates(frame).tolist() == [[1.0], [0.0]]


def test_pawn_sees_a_value_of_a_list_wherever_it_stands():
    problem = Problem(
        (Factor("a", Variation(values=[1, 2, 3, 4])), Factor("b", Variation(values=[0, 1]))), ("", "")
    )
    draw = np.random.default_rng(5)
    points = pd.DataFrame({"a": draw.integers(1, 5, 800), "b": (draw.random(800) < 0.1).astype(int)})
    tables = {
        value: sensitivity.pawn(points.assign(y=points["a"] == value), problem, "y").set_index("parameter")
        for value in (1, 4)
    }
    assert tables[4].loc["a", "maximum"] == pytest.approx(tables[1].loc["a", "maximum"], abs=0.05)
    # One point in ten has another value, and that decides everything.
    rare = sensitivity.pawn(points.assign(y=points["b"] * 1.0), problem, "y").set_index("parameter")
    assert rare.loc["b", "maximum"] > 0.8


def test_a_failed_point_takes_its_block_out_of_the_shares_of_variance():
    runs = _noisy_runs(256, 4, common=True)
    whole = sensitivity.variance_shares(
        runs[runs["point"] >= 4].assign(point=lambda t: t["point"] - 4), "y", block=4
    )
    runs.loc[runs["point"] == 1, "status"] = "raised"
    broken = sensitivity.variance_shares(runs, "y", block=4)
    pd.testing.assert_frame_equal(whole, broken)
    assert set(broken["points"]) == {252}


def test_points_are_resampled_one_by_one_where_hardly_a_block_is_whole():
    runs = _noisy_runs(64, 4, common=True)
    runs.loc[(runs["point"] % 4 == 0) & (runs["point"] > 0), "status"] = "raised"
    assert set(sensitivity.variance_shares(runs, "y", block=4)["points"]) == {49}


def test_listed_numbers_are_found_however_they_are_written():
    problem = Problem(
        (Factor("a", Variation(values=[0, 0.3])), Factor("b", Variation(values=["x", "y"]))), ("", "")
    )
    points = pd.DataFrame({"a": [0.0, 0.3, 0.0], "b": ["y", "x", "x"]})
    assert problem.coordinates(points).tolist() == [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]


def test_an_outcome_that_most_points_lack_is_said_to_be_missing():
    values = np.full((64, 3), np.nan)
    values[:5, 0] = 1.0
    with pytest.raises(AnalysisError, match="fewer than two blocks of 5 points"):
        sensitivity.sobol(values[:60], _problem(3), "y")


def test_a_replication_that_is_not_done_everywhere_does_not_make_common_shocks_into_noise():
    runs = _noisy_runs(256, 3, common=True)
    begun = runs[(runs["replication"] < 2) | (runs["point"] < 30)]
    whole = sensitivity.variance_shares(runs[runs["replication"] < 2], "y")
    pd.testing.assert_frame_equal(sensitivity.variance_shares(begun, "y"), whole)


STEPS = {
    "a flag": (Variation(values=(False, True)), False, lambda value: 3.0 * value),
    "an even list": (Variation(values=(0, 10, 20, 30)), False, lambda value: 0.1 * value),
    "an uneven list": (Variation(values=(1, 2, 10)), False, lambda value: value / 3.0),
    "a list of names": (Variation(values=("low", "high")), False, lambda value: 3.0 * (value == "high")),
    "whole numbers": (Variation(low=0, high=3), True, lambda value: 1.0 * value),
    "a range": (Variation(low=-1.0, high=2.0), False, lambda value: 1.0 * value),
    "a log range": (Variation(low=1.0, high=1000.0, scale="log"), False, lambda value: np.log10(value)),
}


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("levels", [2, 4, 8])
def test_effects_of_a_linear_function_are_exact_whatever_the_step(kind: str, levels: int) -> None:
    variation, whole, response = STEPS[kind]
    factors = (Factor("x", variation, whole), Factor("other", Variation(low=0.0, high=1.0)))
    points = pd.DataFrame(points_of(Design(kind="morris", points=12, levels=levels), factors, {}, 3))
    points["y"] = points["x"].map(response) + 7.0 * points["other"]
    found = morris(points, Problem(factors, ("", "")), "y").set_index("parameter")
    low, high = min(points["x"].map(response)), max(points["x"].map(response))
    ends = list(variation.values or (variation.low, variation.high))
    assert found.loc["x", "mu"] == pytest.approx(response(ends[-1]) - response(ends[0]), rel=1e-9)
    assert found.loc["x", "mu_star"] == pytest.approx(found.loc["x", "mu"], rel=1e-9)
    assert found.loc["x", "sigma"] == 0.0 and found.loc["other", "sigma"] == 0.0
    assert found.loc["other", "mu"] == pytest.approx(7.0, rel=1e-9) and high > low


def test_what_no_trajectory_moved_has_no_effect_and_no_interval() -> None:
    factors = (Factor("x", Variation(values=(5, 5.0)), False), Factor("other", Variation(low=0.0, high=1.0)))
    points = pd.DataFrame(points_of(Design(kind="morris", points=4), factors, {}, 3))
    points["y"] = points["other"]
    found = morris(points, Problem(factors, ("", "")), "y").set_index("parameter")
    assert found.loc["x", "trajectories"] == 0 and np.isnan(found.loc["x", "mu_star"])


def test_rounding_is_no_effect() -> None:
    factors = tuple(Factor(name, Variation(low=0.0, high=1.0)) for name in "ab")
    points = pd.DataFrame(points_of(Design(kind="saltelli", points=16), factors, {}, 3))
    noise = np.random.default_rng(1).normal(0, 1e-12, (len(points), 2))
    with pytest.raises(AnalysisError, match="constant but for rounding"):
        sobol(100.0 + noise, Problem(factors, ("", "")), "y")
