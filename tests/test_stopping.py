"""The stopping rule: looks in blocks, decides in order of replication, and covers the truth on skewed outcomes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.design.experiment import Replications
from experiments.sweep.stopping import FIXED, MET, MOST, OPEN, PointProgress, half_width


def rule(half: float = 0.1, **more: object) -> Replications:
    return Replications.model_validate({"stop": [{"outcome": "y", "half_width": half}], **more})


def live(progress: PointProgress, value_of: object, order: np.random.Generator | None = None) -> list[float]:
    """Let replications end, in order or shuffled, until no more are asked for; returns their values in order."""
    waiting = list(range(progress.asked))
    values: dict[int, float] = {}
    while waiting:
        if order is not None:
            order.shuffle(waiting)
        replication = waiting.pop(0)
        values[replication] = value_of(replication)  # type: ignore[operator]
        waiting += progress.end(replication, {"y": values[replication]})
    return [values[replication] for replication in sorted(values)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.sampled_from([0.8, 0.95, 0.99]))
def test_half_width_against_scipy(values: list[float], confidence: float) -> None:
    mean, error = np.mean(values), stats.sem(values)
    if error == 0.0:
        return
    _, high = stats.t.interval(confidence, len(values) - 1, mean, error)
    assert half_width(values, confidence) == pytest.approx(high - mean, rel=1e-6, abs=1e-9)


def test_half_width_of_too_few_values_is_infinite_and_missing_ones_do_not_count() -> None:
    assert half_width([]) == half_width([1.0]) == half_width([1.0, math.nan]) == math.inf
    assert half_width([1.0, math.nan, 2.0, 3.0]) == half_width([1.0, 2.0, 3.0])


def test_defaults_look_first_after_50_then_every_25_and_ask_for_two_passes() -> None:
    calm = PointProgress(rule())
    assert calm.asked == 50
    assert len(live(calm, lambda replication: 1.0)) == 75
    assert calm.stopped_by == MET and calm.complete


def test_one_pass_followed_by_a_failure_starts_again() -> None:
    # Equal values until replication 60: the look at 50 passes, that at 75 does not, 100 and 125 are wide too.
    loud = PointProgress(rule(half=0.5, max=150))
    values = live(loud, lambda replication: 0.0 if replication < 60 else 10.0 * (-1) ** replication)
    assert len(values) == 150 and loud.stopped_by == MOST


def test_a_draft_looks_after_30_and_every_10() -> None:
    draft = PointProgress(rule(draft=True))
    assert len(live(draft, lambda replication: 1.0)) == 40


def test_the_maximum_ends_a_point_that_never_passes() -> None:
    wild = PointProgress(rule(max=110))
    assert len(live(wild, lambda replication: float(replication % 7))) == 110
    assert wild.stopped_by == MOST and wild.complete


def test_without_targets_the_count_is_made_and_nothing_is_looked_at() -> None:
    fixed = PointProgress(Replications(count=3))
    assert fixed.stopped_by == FIXED and fixed.asked == 3
    assert list(fixed.end(1, None)) == list(fixed.end(0, {})) == []
    assert not fixed.complete
    fixed.end(2, {})
    assert fixed.complete


def test_failed_replications_count_as_ended_and_not_as_values() -> None:
    progress = PointProgress(rule())
    more = [list(progress.end(replication, None)) for replication in range(50)][-1]
    assert progress.stopped_by == OPEN and progress.widest == math.inf
    assert more == list(range(50, 75))


def test_every_target_must_be_met() -> None:
    both = Replications.model_validate(
        {"max": 100, "stop": [{"outcome": "y", "half_width": 1.0}, {"outcome": "z", "half_width": 0.01}]}
    )
    progress = PointProgress(both)
    waiting = list(range(progress.asked))
    while waiting:
        replication = waiting.pop(0)
        waiting += progress.end(replication, {"y": 1.0, "z": float(replication % 2)})
    assert progress.stopped_by == MOST


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_the_runs_made_do_not_depend_on_the_order_they_end_in(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(0.0, 0.6, 400)
    in_order = live(PointProgress(rule()), lambda replication: values[replication])
    shuffled = live(
        PointProgress(rule()), lambda replication: values[replication], np.random.default_rng(seed + 1)
    )
    assert in_order == shuffled


def coverage(trials: int, half: float, **more: object) -> tuple[float, float]:
    """Share of points whose mean +- target, and mean +- own interval, holds the mean of a lognormal outcome."""
    truth, target_covers, own_covers = math.exp(0.5), 0, 0
    for trial in range(trials):
        draw = np.random.default_rng([20261005, trial]).lognormal(0.0, 1.0, 20_000)
        values = live(PointProgress(rule(half, max=20_000, **more)), draw.__getitem__)
        error = abs(float(np.mean(values)) - truth)
        target_covers += error <= half
        own_covers += error <= half_width(values)
    return target_covers / trials, own_covers / trials


@pytest.mark.slow
@pytest.mark.parametrize(("half", "least"), [(0.4, 0.95), (0.2, 0.91)])
def test_mean_and_target_cover_the_truth_of_a_skewed_outcome(half: float, least: float) -> None:
    # Measured 0.9645 and 0.927 with a standard error of 0.005; the mean of both is above 0.93.
    target, own = coverage(2000, half)
    assert target >= least
    assert own >= 0.88


@pytest.mark.slow
def test_the_naive_rule_covers_too_seldom() -> None:
    """Why the rule is as it is: looking after every run from the fifth on stops at lucky moments."""
    target, own = coverage(1000, 0.4, min=5, block=1, consecutive=1)
    assert target < 0.8 and own < 0.8
