"""Repeats stored runs and compares every outcome bit for bit, with what is not the same as then when they differ."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from experiments.analysis.errors import AnalysisError
from experiments.runs import provenance
from experiments.runs.folder import StoreError
from experiments.runs.provenance import Record
from experiments.sweep.engine import replay
from experiments.sweep.model_task import ModelTask
from experiments.sweep.results import SweepResults

SEED = 20261124


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
        What differs between what the runs come from and what is here, one line each.
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
            return f"{runs}: {where}. Not the same inputs, code or machine: {'; '.join(self.environment)}"
        return f"{runs}: {where}. Inputs, code, versions and machine are the same, so this is a fault"


def verify(
    results: SweepResults,
    repeat: Callable[[str], Mapping[str, float]],
    *,
    sample: int = 20,
    code: Mapping[str, str] | None = None,
    environment: Record | None = None,
) -> Verdict:
    """Repeat a random sample of the good runs of a sweep.

    Parameters
    ----------
    repeat
        Outcomes of a run, given its id; `repeater` makes one for the model.
    sample
        Runs to repeat; the choice is the same at every call.
    code
        That repeats: what it is -> digest.
    environment
        Of this process; `experiments.runs.provenance.environment()` if left out.
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
        except StoreError:
            raise
        except Exception as error:
            mismatches.append(Mismatch(run_id, "status", "ok", f"{type(error).__name__}: {error}"))
            continue
        for name in results.outcomes:
            compared += 1
            before, after = float(stored[name]), float(again.get(name, float("nan")))
            if not _same_bits(before, after):
                mismatches.append(Mismatch(run_id, name, before.hex(), after.hex()))
    checked = tuple(str(good.iloc[int(row)]["run_id"]) for row in rows)
    texts = set(results.log.loc[results.log["run_id"].isin(checked), "provenance"])
    records = [provenance.read_text(str(text)) for text in sorted(texts)]
    return Verdict(checked, compared, tuple(mismatches), tuple(changes(records, code or {}, environment)))


def repeater(results: SweepResults) -> tuple[Callable[[str], Mapping[str, float]], dict[str, str]]:
    """Function that repeats a run of the model by id, and digests of its code."""
    asked = {text for text in results.log["parameters"] if '"plugin"' in text}
    task = ModelTask().prepared(json.loads(text)["plugin"] for text in sorted(asked))
    return (lambda run_id: replay(results.folder, run_id, task)[1]), task.code


def changes(
    stored: Iterable[Record], code: Mapping[str, str], environment: Record | None = None
) -> list[str]:
    """What can change a bit and is not as when some runs were stored, files that they read included; one line each."""
    known = provenance.environment() if environment is None else environment
    before = list(stored)
    now = [{**known, "code": code, "inputs": provenance.inputs_now(one)} for one in before]
    return provenance.differences(before, now)


def _same_bits(a: float, b: float) -> bool:
    """Equal bits; all NaN count as one, and 0.0 is not -0.0."""
    return (a != a and b != b) or a.hex() == b.hex()
