"""The mechanism ladder and the test of assumptions: what stands at each point, paired differences, and that they resume."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.design.experiment import Experiment
from experiments.design.planner import plan_experiment
from experiments.design.scenario import load
from experiments.measures.outcomes import OUTCOMES
from experiments.methods.ladder import (
    HEADLINE,
    MARKET,
    NAMES,
    RUNGS,
    Assumption,
    assumption_table,
    assumption_test,
    assumptions,
    compute,
    ladder,
    ladder_report,
    rung_table,
)
from experiments.runs.folder import ResultWarning
from sim.parameters import Parameters


def parameters_of(experiment: Experiment) -> list[Parameters]:
    return [Parameters.from_overrides(point.overrides) for point in plan_experiment(experiment).points]


def test_the_ladder_begins_with_the_market_and_ends_with_the_scenario() -> None:
    points = parameters_of(ladder("credit_crisis", 2))
    assert len(points) == len(NAMES) == len(RUNGS) + 2
    bottom, top, searching = points[0], points[-2], points[-1]
    assert searching.search.enabled and not top.search.enabled
    assert not (
        bottom.credit.defaults or bottom.credit.covenants or bottom.credit.financing or bottom.credit.workouts
    )
    assert not (bottom.credit.building or bottom.credit.income_sizing or bottom.credit.experience)
    assert top.credit == load("credit_crisis").parameters().credit
    for rung, below, above in zip(RUNGS, points, points[1:], strict=False):
        changed = {key for key, value in above.flat().items() if below.flat()[key] != value}
        assert changed == set(rung.without), rung.name


def test_every_unmeasured_number_is_moved_and_nothing_else() -> None:
    described = {row["key"]: row for row in Parameters().describe()}
    moved = {key for assumption in assumptions() for key in assumption.values}
    assert {described[key]["grade"] for key in moved} <= {"C", "assumption"}
    assert {"rent.trend_deflation", "site.assignable_share", "credit.waiver_probability"} <= moved
    left = {
        key
        for key, row in described.items()
        if row["grade"] in ("C", "assumption") and row["low"] != "" and key not in moved
    }
    for key in left:
        is_scale = described[key]["unit"] in ("agents", "week")
        assert is_scale or key.startswith(("clock.", "forced_sale.", "discount.", "market.")), key
    for assumption in assumptions():
        for key, value in assumption.values.items():
            assert value == described[key][assumption.end] != described[key]["value"]


def test_tables_by_generation_and_by_tier_move_as_one() -> None:
    by_name = {(a.name, a.end): a.values for a in assumptions()}
    assert len(by_name["rent.initial_usd_per_hour", "low"]) > 4
    # No cited coverage at sizing: none of the three tiers is measured.
    tiers = {f"lenders.sizing_coverage.{tier}" for tier in ("investment", "mixed", "speculative")}
    assert set(by_name["lenders.sizing_coverage", "high"]) == tiers
    # Of the advances that of investment-grade tenants is cited, and stays.
    assert set(by_name["lenders.advance", "low"]) == {"lenders.advance.mixed", "lenders.advance.speculative"}


def test_all_points_can_be_run() -> None:
    assert (
        len(plan_experiment(assumption_test("credit_crisis", 2, assumptions())).points)
        == len(assumptions()) + 1
    )


def made_up(levels: dict[int, float], seeds: int = 20) -> pd.DataFrame:
    """Runs whose outcomes are a level of the point and a shock of the seed that all points share."""
    shocks = np.random.default_rng(5).normal(0.0, 10.0, seeds)
    rows = [
        {"point": point, "replication": seed, **dict.fromkeys(OUTCOMES, level + shocks[seed])}
        for point, level in levels.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_what_a_rung_adds_is_free_of_the_shocks_all_share() -> None:
    table = rung_table(made_up({point: float(point**2) for point in range(len(NAMES))}))
    added = table[(table["outcome"] == "defaults") & (table["rung"] != MARKET)]
    np.testing.assert_allclose(added["added"], np.diff(np.arange(len(NAMES)) ** 2))
    assert (added["added_half_width"] < 1e-9).all()
    assert (table["half_width"] > 2.0).all()


def test_assumptions_are_ranked_by_how_far_they_move_the_headline() -> None:
    chosen = [
        Assumption("a", "low", {}),
        Assumption("a", "high", {}),
        Assumption("b", "high", {}),
        Assumption("c", "low", {}),
    ]
    table = assumption_table(made_up({0: 0.0, 1: -1.0, 2: 2.0, 3: 30.0, 4: 0.0}), chosen)
    assert list(dict.fromkeys(table["assumption"])) == ["b", "a", "c"]
    row = table[(table["assumption"] == "a") & (table["outcome"] == "loss_rate")].iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((-1.0, 2.0))
    assert np.isnan(table.loc[table["assumption"] == "b", "low"]).all()


def test_what_moves_a_scenario_in_which_nothing_happens_comes_first() -> None:
    runs = made_up({0: 0.0, 1: 0.0, 2: 9.0}, seeds=1)
    for outcome in HEADLINE:
        runs[outcome] = runs["point"].eq(2) * 9.0
    table = assumption_table(runs, [Assumption("idle", "high", {}), Assumption("strong", "high", {})])
    assert list(dict.fromkeys(table["assumption"])) == ["strong", "idle"]
    assert (table.groupby("assumption")["rank_by"].first() > 0).to_dict() == {"idle": False, "strong": True}


def test_a_missing_discount_is_missing_in_its_pair_only() -> None:
    runs = made_up({0: 0.0, 1: 3.0})
    runs.loc[(runs["point"] == 1) & (runs["replication"] < 5), "discount"] = np.nan
    table = assumption_table(runs, [Assumption("a", "high", {})])
    row = table[table["outcome"] == "discount"].iloc[0]
    assert (row["high"], row["high_pairs"], row["n"]) == (pytest.approx(3.0), 15, 20)


def test_a_small_ladder_is_computed_stored_and_resumed(tmp_path: Path) -> None:
    settings = {"clock.weeks": 2}
    told, failed = ladder_report("credit_crisis", 2, tmp_path, settings, workers=0)
    assert failed == 0
    assert MARKET in told and "workouts" in told and all(name in told for name in HEADLINE)
    table = pd.read_csv(tmp_path / "ladder.csv")
    assert len(table) == len(NAMES) * len(HEADLINE)
    assert set(table["n"]) <= {0, 2}
    journal = {path: path.stat().st_mtime_ns for path in (tmp_path / "mechanisms").rglob("runs.parquet")}
    assert len(compute(ladder("credit_crisis", 2, settings), tmp_path / "mechanisms", 0)) == 2 * len(NAMES)
    assert journal == {path: path.stat().st_mtime_ns for path in journal}
    (damaged,) = journal
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.warns(ResultWarning, match=r"runs\.parquet: damaged; kept as .* computed again"):
        compute(ladder("credit_crisis", 2, settings), tmp_path / "mechanisms", 0)
