"""Repeats stored runs and compares every outcome bit for bit, with a word on the machine when they differ."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.analysis.errors import AnalysisError
from experiments.runs.store import provenance
from experiments.sweep.engine import replay
from experiments.sweep.model_task import ModelTask
from experiments.sweep.results import SweepResults

SEED = 20261124
# What can change a bit of a result, and how it is called in a manifest.
ENVIRONMENT = {
    "python": "Python",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "platform": "platform",
    "numpy_cpu_features": "CPU feature level NumPy uses",
    "data": "shipped data",
    "fingerprint": "model code",
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One outcome that came out differently, or a run that ended differently (outcome ``status``)."""

    run_id: str
    outcome: str
    stored: str
    now: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found.

    Attributes
    ----------
    checked
        Ids of the runs repeated.
    outcomes
        Numbers compared.
    mismatches
        Those that are not equal bit for bit.
    environment
        What differs between the machine of the sweep and this one, one line each.
    """

    checked: tuple[str, ...]
    outcomes: int
    mismatches: tuple[Mismatch, ...]
    environment: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Nothing differs."""
        return not self.mismatches

    def __str__(self) -> str:
        runs = f"{len(self.checked)} runs repeated, {self.outcomes} numbers compared"
        if self.passed:
            said = f"{runs}: equal bit for bit"
            return said if not self.environment else f"{said}, although {'; '.join(self.environment)}"
        wrong = len({entry.run_id for entry in self.mismatches})
        first = self.mismatches[0]
        where = (
            f"{wrong} runs differ, first {first.run_id[:12]} {first.outcome}: {first.stored}, now {first.now}"
        )
        if self.environment:
            return f"{runs}: {where}. Not the same machine or code: {'; '.join(self.environment)}"
        return f"{runs}: {where}. Machine, versions and code are the same, so this is a fault"


def verify(
    results: SweepResults,
    repeat: Callable[[str], Mapping[str, float]],
    *,
    sample: int = 20,
    now: Mapping[str, Any] | None = None,
    fingerprint: str = "",
) -> Verdict:
    """Repeat a random sample of the good runs of a sweep.

    Parameters
    ----------
    repeat
        Outcomes of a run, given its id; `repeater` makes one for the model.
    sample
        Runs to repeat; the choice is the same at every call.
    now
        Provenance of this machine; `experiments.runs.store.provenance()` if left out.
    fingerprint
        Of the code that repeats.
    """
    good = results.runs[results.runs["status"] == "ok"]
    if good.empty:
        raise AnalysisError(f"{results.folder}: no run ended well, so there is none to repeat")
    count = min(sample, len(good))
    rows = np.sort(np.random.default_rng(SEED).choice(len(good), count, replace=False))
    mismatches: list[Mismatch] = []
    compared = 0
    for row in rows:
        stored = good.iloc[int(row)]
        run_id = str(stored["run_id"])
        try:
            again = repeat(run_id)
        except Exception as error:
            mismatches.append(Mismatch(run_id, "status", "ok", f"{type(error).__name__}: {error}"))
            continue
        for name in results.outcomes:
            compared += 1
            before, after = float(stored[name]), float(again.get(name, float("nan")))
            if not _same_bits(before, after):
                mismatches.append(Mismatch(run_id, name, before.hex(), after.hex()))
    return Verdict(
        tuple(str(good.iloc[int(row)]["run_id"]) for row in rows),
        compared,
        tuple(mismatches),
        tuple(environment_changes(results.manifest, now, fingerprint)),
    )


def repeater(results: SweepResults) -> tuple[Callable[[str], Mapping[str, float]], str]:
    """Function that repeats a run of the model by id, and the fingerprint of its code."""
    asked = {text for text in results.log["parameters"] if '"plugin"' in text}
    task = ModelTask().prepared(json.loads(text)["plugin"] for text in sorted(asked))
    return (lambda run_id: replay(results.folder, run_id, task)[1]), task.fingerprint


def environment_changes(
    manifest: Mapping[str, Any], now: Mapping[str, Any] | None = None, fingerprint: str = ""
) -> list[str]:
    """What can change a bit and is not the same as when a sweep was made, one line each."""
    if now is None:
        now = provenance()
    before = {**manifest.get("versions", {}), **manifest}
    after = {**now.get("versions", {}), **now, **({"fingerprint": fingerprint} if fingerprint else {})}
    lines = []
    for key, name in ENVIRONMENT.items():
        if key not in before or key not in after or before[key] == after[key]:
            continue
        if key in ("data", "fingerprint"):
            lines.append(f"{name} has changed")
        else:
            lines.append(f"{name} was {_said(before[key])}, is {_said(after[key])}")
    return lines


def _same_bits(a: float, b: float) -> bool:
    """Equal bits; all NaN count as one, and 0.0 is not -0.0."""
    return (a != a and b != b) or a.hex() == b.hex()


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) or "baseline" if isinstance(value, list | tuple) else str(value)
