"""Verification notices one changed bit, and says what is different about the machine."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.analysis import verify
from experiments.analysis.errors import AnalysisError

CODE = {"model": "code1"}
ENVIRONMENT = {
    "versions": {"python": "3.12.1", "numpy": "2.5.0"},
    "platform": "linux-x86_64",
    "numpy_cpu_features": ["AVX2"],
    "compiled": {"sim.kernel._order_book": "bb"},
    "data": {"sites.csv": "aa"},
}


@pytest.fixture
def results() -> SimpleNamespace:
    runs = pd.DataFrame({"run_id": [f"id{i:02}" for i in range(30)], "status": "ok"})
    runs["y"] = np.random.default_rng(0).random(30)
    runs["z"] = np.nan
    record = json.dumps({**ENVIRONMENT, "code": CODE, "inputs": {}})
    log = pd.DataFrame({"run_id": runs["run_id"], "provenance": record})
    return SimpleNamespace(folder="DIR", runs=runs, outcomes=["y", "z"], log=log)


def _stored(results, run_id):
    row = results.runs.set_index("run_id").loc[run_id]
    return {"y": float(row["y"]), "z": float(row["z"])}


def _verify(results, repeat, now=ENVIRONMENT, code="code1", sample=20):
    return verify.verify(results, repeat, sample=sample, environment=now, code={"model": code})


def test_equal_runs_pass_and_missing_values_are_equal(results):
    found = _verify(results, lambda run_id: _stored(results, run_id))
    assert found.passed and len(found.checked) == 20 and found.outcomes == 40
    assert "equal bit for bit" in str(found)


def test_one_bit_is_noticed_and_called_a_fault_on_the_same_machine(results):
    chosen = _verify(results, lambda run_id: _stored(results, run_id)).checked[4]

    def repeat(run_id):
        stored = _stored(results, run_id)
        return stored | {"y": np.nextafter(stored["y"], 1)} if run_id == chosen else stored

    found = _verify(results, repeat)
    assert [entry.run_id for entry in found.mismatches] == [chosen]
    assert "this is a fault" in str(found)


def test_another_cpu_level_and_python_are_named(results):
    now = ENVIRONMENT | {
        "versions": {"python": "3.13.0", "numpy": "2.5.0"},
        "numpy_cpu_features": ["AVX2", "X86_V4"],
    }
    found = _verify(results, lambda run_id: {"y": 0.5, "z": np.nan}, now=now, code="code2")
    text = str(found)
    assert not found.passed
    assert "CPU level NumPy uses was AVX2, is AVX2, X86_V4" in text
    assert "Python was 3.12.1, is 3.13.0" in text and "model code was code1, is code2" in text
    assert "this is a fault" not in text


def test_a_run_that_now_raises_is_a_mismatch(results):
    def repeat(run_id):
        raise ValueError("no room")

    found = _verify(results, repeat, sample=2)
    assert [entry.outcome for entry in found.mismatches] == ["status", "status"]


def test_the_sample_is_no_larger_than_the_sweep_and_empty_sweeps_are_refused(results):
    found = _verify(results, lambda run_id: _stored(results, run_id), sample=999)
    assert len(found.checked) == 30
    results.runs["status"] = "raised"
    with pytest.raises(AnalysisError, match="none to repeat"):
        _verify(results, lambda run_id: {})


def test_a_negative_zero_is_not_zero(results):
    results.runs["y"] = 0.0
    found = _verify(results, lambda run_id: {"y": -0.0, "z": np.nan}, sample=1)
    assert not found.passed
