"""Branches of the forced week: shared shocks, the question that changes nothing, paired intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.design.scenario import load
from experiments.methods import branches
from experiments.methods.branches import (
    BRANCHES,
    EFFECTS,
    HORIZONS,
    OUTCOMES,
    Question,
    responses,
    site_of,
)
from experiments.runs import store
from experiments.runs.run import RunError
from sim.model import FireSaleModel
from sim.parameters import Parameters

SHORT = ["forced_sale.week=2", "forced_sale.deadline_weeks=1"]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Two replications over three horizons, stored and drawn."""
    patch = pytest.MonkeyPatch()
    patch.setattr(branches, "HORIZONS", (0, 1, 4))
    folder = tmp_path_factory.mktemp("branches") / "run"
    effects = branches.run_branches(load("ten_thousand_h100"), folder, replications=2, settings=SHORT)
    patch.undo()
    return folder, effects


def test_horizons_are_those_of_the_question():
    assert HORIZONS == (0, 4, 13, 26, 52)
    assert list(BRANCHES) == ["sold", "held", "no_default"]


def test_selling_lowers_the_price_of_one_more_unit(short):
    folder, _ = short
    paths = store.load_run(folder)["branches"]
    assert len(paths) == 2 * 3 * 3
    wide = paths.pivot(index=["replication", "horizon"], columns="branch", values="price_usd")
    assert (wide["sold"] < wide["no_default"]).all()
    first = (
        wide.index.get_level_values("horizon") == 0
    )  # later on held units have tied up slots and cash differently
    assert (wide["sold"] < wide["held"])[first].all()
    alone = paths[paths["branch"] == "no_default"]
    assert (alone["discount"] == 0).all()
    sold = paths[paths["branch"] == "sold"].set_index(["replication", "horizon"])
    assert sold["discount"].to_numpy() == pytest.approx(1 - (wide["sold"] / wide["no_default"]).to_numpy())
    # Rents share their shocks: what differs is running supply, a sliver of the world's.
    rents = paths.pivot(index=["replication", "horizon"], columns="branch", values="rent_usd_per_hour")
    assert (rents["sold"] / rents["no_default"]).to_numpy() == pytest.approx(1, abs=1e-3)
    assert rents.loc[(0, 0), "sold"] == rents.loc[(0, 0), "no_default"]


def test_what_is_stored_and_drawn(short):
    folder, effects = short
    stored = store.load_run(folder)["responses"]
    assert len(stored) == len(effects) == len(OUTCOMES) * len(EFFECTS) * 3
    assert (folder / "responses.png").is_file() and (folder / "responses.pdf").is_file()
    assert store.load_manifest(folder)["replications"] == 2


def test_paired_intervals_are_students():
    rng = np.random.default_rng(1)
    common = rng.normal(0, 100, 12)
    effect = rng.normal(-5, 1, 12)
    rows = [
        {"replication": r, "branch": b, "horizon": 0, **dict.fromkeys(OUTCOMES, common[r] + (b == "sold") * effect[r])}
        for r in range(12)
        for b in BRANCHES
    ]  # fmt: skip
    found = (
        responses(pd.DataFrame(rows)).set_index(["outcome", "effect"]).loc[("price_usd", "sold - no_default")]
    )
    low, high = stats.ttest_1samp(effect, 0).confidence_interval(0.95)
    assert (found["low"], found["mean"], found["high"]) == pytest.approx((low, effect.mean(), high))


def test_asking_changes_nothing():
    parameters = Parameters.from_overrides({"forced_sale.enabled": True, "forced_sale.week": 2})
    asked, quiet = (FireSaleModel(parameters, rng=3) for _ in range(2))
    question = Question(asked, site_of(asked), [1, 2, 3])
    for model in (asked, quiet):
        model.run_for(4)
    assert np.isfinite(question.price_usd) and question.price_usd > 0
    assert np.array_equal(asked.world.market.price_usd, quiet.world.market.price_usd)
    assert np.array_equal(asked.ledger.parties.cash_cents, quiet.ledger.parties.cash_cents)


def test_held_units_earn_for_the_lender_and_are_not_offered():
    """A lender that can pay its funder for a loan that no longer performs has the units run; another is called itself."""
    sale = {"forced_sale.enabled": True, "forced_sale.week": 1} | BRANCHES["held"]
    for cash, runs in ((1e9, True), (0.0, False)):
        model = FireSaleModel(Parameters.from_overrides(sale | {"world.lender_cash_usd": cash}), rng=3)
        model.run_for(8)
        weeks, events = model.tables()["weeks"], model.tables()["events"]
        assert weeks["forced_offered_H100"].sum() == 0
        assert weeks["forced_standing"][-1] > 9_000
        assert model.world.operated().any() == runs
        assert ("run_off" in events["kind"]) != runs


def test_a_scenario_without_a_forced_sale_is_refused():
    with pytest.raises(RunError, match=r"forced_sale\.enabled"):
        branches.run_replication(load("calm"), 7, 0)
