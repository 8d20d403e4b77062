"""History matching on toy models whose answer is known on paper."""

import numpy as np
import pandas as pd
import pytest

from experiments.design.designs import Factor, Variation
from experiments.methods import calibration, priors
from experiments.methods.calibration import CUTOFF
from experiments.methods.priors import SCEPTICS_BOX, Prior
from experiments.validation.target import Target
from sim.parameters import Parameters


def _beliefs(count: int) -> list[Prior]:
    return [Prior(Factor(f"x{i}", Variation(low=0.0, high=1.0)), "1", 0.5) for i in range(count)]


@pytest.fixture(scope="module")
def toy():
    """f = 10 x0 with data 4 +- 0.3 (deviation, from three equal parts): survivors have |10 x0 - 4| <= 3 s."""
    beliefs = _beliefs(3)
    cube = calibration.wave(beliefs, 4096)
    statistics = pd.DataFrame({"f": 10 * cube[:, 0]})
    part = 0.3**2 / 3
    target = Target("f", 4.0, part, part)
    return beliefs, cube, statistics, [target], {"f": part}


def test_survivors_fill_the_volume_known_on_paper(toy):
    _, cube, statistics, targets, noise = toy
    match = calibration.history_match(statistics, targets, noise)
    half = CUTOFF * 0.3 / 10
    share, low, high = match.volume()
    assert share == pytest.approx(2 * half, abs=0.002)
    assert low < 2 * half < high
    assert np.array_equal(match.survives, np.abs(cube[:, 0] - 0.4) <= half)


def test_only_the_parameter_that_matters_is_identified(toy):
    beliefs, cube, statistics, targets, noise = toy
    match = calibration.history_match(statistics, targets, noise)
    table = calibration.recovery(cube, statistics, targets, noise, beliefs, match).set_index("parameter")
    assert table["verdict"].tolist() == ["identified", "not", "not"]
    assert table.loc["x0", "low"] == pytest.approx(0.4 - 0.9 * 0.09, abs=0.01)
    assert table.loc["x0", "high"] == pytest.approx(0.4 + 0.9 * 0.09, abs=0.01)
    assert table.loc["x0", "width"] == pytest.approx(0.18, abs=0.01)
    assert table.loc["x0", "synthetic_width"] < 0.25
    # The truth is where survivors are centred, so it is found; idle parameters are found at the rate of chance.
    assert table.loc["x0", "coverage"] >= 0.9
    assert table.loc["x1", "coverage"] == pytest.approx(0.9, abs=0.2)


def test_each_target_is_told_what_it_rules_out(toy):
    _, cube, statistics, targets, noise = toy
    both = statistics.assign(g=cube[:, 1])
    match = calibration.history_match(both, [*targets, Target("g", 0.0, 0.01, 0.0)], noise)
    table = calibration.ruled_out(match).set_index("target")
    assert table.loc["g", "ruled_out"] == pytest.approx(0.7, abs=0.01)
    assert table.loc["g", "alone"] == pytest.approx(0.18 * 0.7, abs=0.01)


def test_failed_points_do_not_survive_and_missing_statistics_do_not_rule_out(toy):
    _, _, _, targets, noise = toy
    statistics = pd.DataFrame({"f": [4.0, np.nan, np.nan], "g": [0.0, 0.0, np.nan]})
    match = calibration.history_match(statistics, [*targets, Target("g", 0.0, 1.0, 0.0)], noise)
    assert match.survives.tolist() == [True, True, False]


def test_ranges_hold_seed_and_parameters_apart():
    draw = np.random.default_rng(2)
    values = pd.DataFrame({"discount": draw.normal(0.2, 0.05, 4000) + draw.normal(0, 0.03, 4000)})
    table = calibration.headline_ranges(values, np.ones(4000, bool), {"discount": 0.03**2})
    row = table.iloc[0]
    assert row["parameter_deviation"] == pytest.approx(0.05, abs=0.003)
    assert row["seed_deviation"] == pytest.approx(0.03)
    assert row["minimum"] < row["q05"] < row["median"] < row["q95"] < row["maximum"]


@pytest.mark.parametrize(
    ("held", "corner", "asserted"),
    [(0.96, 0.1, True), (0.94, 0.1, False), (0.96, -0.1, False), (0.96, np.nan, False)],
)
def test_a_sentence_needs_survivors_and_every_corner(held, corner, asserted):
    values = pd.DataFrame({"discount": np.where(np.arange(1000) < held * 1000, 1.0, -1.0)})
    corners = pd.DataFrame({"discount": [0.2, corner]})
    table = calibration.assertions(values, np.ones(1000, bool), corners)
    assert table.loc[0, "asserted"] == asserted


def test_the_frontier_is_where_a_plane_crosses_zero():
    beliefs = [
        Prior(Factor("a", Variation(low=0.0, high=10.0)), "USD", 5.0),
        Prior(Factor("b", Variation(low=1.0, high=100.0, scale="log")), "W", 10.0),
    ]
    cube = calibration.wave(beliefs, 256)
    values = 2.0 * (cube[:, 0] - 0.25) + 0.1 * (cube[:, 1] - 0.5)
    table = calibration.frontier(cube, values, beliefs, ("a", "b")).set_index("parameter")
    assert table.loc["a", "flips_at"] == pytest.approx(2.5)
    assert np.isnan(table.loc["b", "flips_at"])
    assert table.loc["a", "r2"] == pytest.approx(1.0)


def test_priors_lie_within_what_the_model_allows_and_the_box_is_among_them():
    beliefs = priors.priors()
    keys = [prior.key for prior in beliefs]
    assert len(set(keys)) == len(keys) and set(SCEPTICS_BOX) <= set(keys)
    for ends in (0.0, 0.5, 1.0):
        Parameters.from_overrides(priors.overrides_at(beliefs, np.full(len(beliefs), ends)))


def test_the_box_has_every_corner_once():
    corners = priors.box_corners()
    assert len({tuple(corner.items()) for corner in corners}) == 32
    for corner in corners:
        Parameters.from_overrides(corner)


def test_a_longer_wave_begins_with_the_shorter_one():
    beliefs = _beliefs(5)
    assert np.array_equal(calibration.wave(beliefs, 100), calibration.wave(beliefs, 300)[:100])


def test_the_engine_visits_the_points_of_the_wave():
    beliefs = priors.priors()
    plan = calibration.wave_plan(beliefs, 20)
    cube = calibration.wave(beliefs, 20)
    assert [point.values for point in plan.points] == [priors.overrides_at(beliefs, line) for line in cube]


def test_mechanisms_that_are_switched_off_are_no_beliefs():
    keys = {prior.key for prior in priors.priors()}
    assert not {key for key in keys if key.startswith("manufacturer.weekly_allocation.A100")}
    for prior in priors.priors():
        low, high = prior.factor.variation.low, prior.factor.variation.high
        assert low < high
        if prior.factor.variation.scale == "log" and prior.key not in SCEPTICS_BOX:
            assert high / low <= 100
            assert prior.held == (high / low < priors.WIDENING)


def _matched(*ids):
    return [row for row in calibration.matched_rows() if row.id in ids]


def test_rows_come_in_the_order_of_what_they_cost():
    rows = _matched("V3", "V4", "V8", "V24", "V25-A100")
    found = calibration.stages(rows)
    assert [arms for arms, _ in found] == [["calm"], ["forced"], ["one_lot"], ["forced_large"]]
    assert [[row.id for row in done] for _, done in found] == [["V3", "V25-A100"], ["V4"], ["V8"], ["V24"]]


def test_a_point_is_left_as_soon_as_a_row_rules_it_out(monkeypatch):
    rows = _matched("V3", "V24")
    ran, value = [], {"V3": 1.6, "V24": 0.18}
    monkeypatch.setattr(calibration, "facts_of", lambda arm, *rest: ran.append(arm))
    monkeypatch.setattr(calibration, "measured", lambda done, arms: {row.id: value[row.id] for row in done})
    monkeypatch.setattr(calibration, "headlines_of", lambda facts: {"discount": 0.1})
    whole = calibration.evaluate({}, 7, rows, seed_variance={})
    assert whole == {"V3": 1.6, "V24": 0.18, "discount": 0.1} and len(ran) == 3
    value["V3"] = 99.0
    ran.clear()
    assert calibration.evaluate({}, 7, rows, seed_variance={}) == {"V3": 99.0} and len(ran) == 1
    # Corners and repeated defaults are measured whole, whatever comes out.
    ran.clear()
    assert set(calibration.evaluate({}, 7, rows)) == {"V3", "V24", "discount"} and len(ran) == 3


def test_a_deadline_of_the_box_beats_that_of_the_arm(monkeypatch):
    seen = {}
    monkeypatch.setattr(calibration, "facts_of", lambda arm, *rest: seen.update(arm.parameters))
    monkeypatch.setattr(calibration, "measured", lambda done, arms: {})
    monkeypatch.setattr(calibration, "headlines_of", lambda facts: {})
    calibration.evaluate({"forced_sale.deadline_weeks": 52}, 7, [])
    assert seen["forced_sale.deadline_weeks"] == 52 and seen["forced_sale.gpus"] == 10_000


@pytest.mark.slow
def test_a_point_of_the_model_has_statistics_and_headlines():
    found = calibration.evaluate({}, 7, _matched("V3", "V4"))
    assert set(found) == {*calibration.HEADLINES, "V3", "V4"}
    assert 0 < found["loss"] < 1
    assert found["above_threshold"] == pytest.approx(0.3 - found["discount"])


def _engine(run):
    run.series = ()  # the engine takes it that no paths are missing
    return run


def _toy_task(rows, noise):
    def run(parameters, seed, replication):
        draw = np.random.default_rng([seed, replication]).normal(0, 0.01)
        free = float(parameters.get("site.vacancy", 0.016))
        found = {"discount": free - 0.03 + draw, "loss": 0.4}
        return found | {row.id: 20 * free + draw for row in rows}, {}

    return _engine(run)


def _toy_wave(folder, points, **options):
    from experiments.methods.calibration_run import run_wave

    box = [prior for prior in priors.priors() if prior.key in SCEPTICS_BOX]
    return run_wave(
        folder, points, workers=0, beliefs=box, matched=_matched("V24"), task=_toy_task, **options
    )


def test_a_wave_is_continued_and_grown_without_repeating(tmp_path):
    whole = _toy_wave(tmp_path / "whole", 64)
    _toy_wave(tmp_path / "part", 16)
    seen = []
    grown = _toy_wave(tmp_path / "part", 64, on_progress=lambda progress: seen.append(progress))
    assert seen[-1].done == 48 and seen[-1].stored == 16
    for name, table in whole.items():
        pd.testing.assert_frame_equal(grown[name], table)
    summary = grown["summary"].set_index("what")["value"]
    assert summary["points"] == 64 and 0 < summary["surviving volume"] <= 1
    # The toy's discount is below zero where few slots are free, so nothing may be asserted and the frontier
    # is at 0.03 less the shock that all points share.
    claim = grown["assertions"].set_index("headline").loc["discount"]
    assert not claim["asserted"] and claim["corners_holding"] == 16
    front = grown["frontier"].query("headline == 'discount' and parameter == 'site.vacancy'")
    shock = np.random.default_rng([calibration.SEED, 0]).normal(0, 0.01)
    assert front["flips_at"].item() == pytest.approx(0.03 - shock, abs=1e-6)


def test_points_of_other_code_rows_or_noise_are_other_runs():
    from experiments.methods.calibration_run import WavePoint

    rows = _matched("V3", "V24")
    base = WavePoint.of(rows, {"V3": 0.1})
    assert WavePoint.of(rows, {"V3": 0.1}).fingerprint == base.fingerprint
    others = (WavePoint.of(rows[:1], {"V3": 0.1}), WavePoint.of(rows, {"V3": 0.2}), WavePoint.of(rows, None))
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_a_point_that_cannot_be_run_is_a_row_without_numbers(tmp_path):
    from experiments.methods.calibration_run import run_wave

    def task(rows, noise):
        def run(parameters, seed, replication):
            if parameters.get("site.vacancy", 0) > 0.03:
                raise ValueError("no such world")
            return {"discount": 0.1} | {row.id: 0.2 for row in rows}, {}

        return _engine(run)

    box = [prior for prior in priors.priors() if prior.key in SCEPTICS_BOX]
    tables = run_wave(tmp_path, 32, workers=0, beliefs=box, matched=_matched("V24"), task=task)
    summary = tables["summary"].set_index("what")["value"]
    assert summary["points without a result"] > 5
    assert summary["survivors"] == 32 - summary["points without a result"]
