"""PRIM finds a box that was put there."""

import importlib.util

import numpy as np
import pandas as pd
import pytest

from experiments.analysis import discovery
from experiments.analysis.discovery import AnalysisError, MissingExtra, condition_of

needs_ema = pytest.mark.skipif(
    importlib.util.find_spec("ema_workbench") is None, reason="EMA Workbench is an extra"
)


@pytest.fixture
def cases() -> pd.DataFrame:
    draw = np.random.default_rng(8)
    frame = pd.DataFrame(draw.random((3000, 3)), columns=["site.vacancy", "cash", "idle"])
    return frame.assign(driver=draw.choice(["flat", "stochastic"], 3000))


@needs_ema
@pytest.mark.slow
def test_the_box_that_was_put_there_is_found(cases):
    inside = (cases["site.vacancy"] < 0.4) & (cases["cash"] > 0.5) & (cases["driver"] == "flat")
    box = discovery.prim(cases, inside.to_numpy(), coverage=0.9)
    limits = box.limits.set_index("parameter")
    assert limits.loc["site.vacancy", "high"] == pytest.approx(0.4, abs=0.03)
    assert limits.loc["cash", "low"] == pytest.approx(0.5, abs=0.03)
    assert limits.loc["driver", "values"] == "flat"
    assert box.coverage >= 0.9 and box.density > 0.95
    assert box.mass == pytest.approx(0.4 * 0.5 * 0.5, abs=0.02)
    assert box.trajectory["chosen"].sum() == 1
    assert (limits.loc[["site.vacancy", "cash", "driver"], "quasi_p"] < 1e-6).all()


@needs_ema
def test_counts_of_the_box_are_those_of_its_limits(cases):
    inside = (cases["site.vacancy"] < 0.3).to_numpy()
    box = discovery.prim(cases[["site.vacancy", "cash"]], inside)
    within = np.ones(len(cases), bool)
    for row in box.limits.itertuples():
        within &= cases[row.parameter].between(row.low, row.high).to_numpy()
    assert box.density == pytest.approx((inside & within).sum() / within.sum())
    assert box.coverage == pytest.approx((inside & within).sum() / inside.sum())


@needs_ema
@pytest.mark.parametrize("share", [False, True])
def test_nothing_to_find_is_said(cases, share):
    with pytest.raises(AnalysisError, match="move the threshold"):
        discovery.prim(cases, np.full(len(cases), share))


def test_without_the_extra_the_message_says_how_to_get_it(cases, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install"):
        discovery.prim(cases, (cases["cash"] > 0.5).to_numpy())


@pytest.mark.parametrize("text", ["discount", "discount = 3", "> 3", "discount > --3"])
def test_a_condition_that_is_none_is_refused(text):
    with pytest.raises(AnalysisError):
        condition_of(text)


def test_a_condition_never_holds_for_a_missing_value():
    assert not condition_of("discount <= 5").holds(np.array([np.nan]))[0]
