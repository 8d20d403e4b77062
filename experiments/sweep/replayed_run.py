"""Repeats one run of a sweep of the model, by its id."""

import json
from pathlib import Path

from experiments.design.scenario import Scenario
from experiments.runs import provenance
from experiments.runs.folder import writing
from experiments.runs.run import run_arm
from experiments.sweep.engine import replay
from experiments.sweep.model_task import ModelTask
from experiments.sweep.origin import as_stored
from experiments.sweep.store import find, load
from sim.base.inputs import expecting
from sim.parameters import Parameters


def outcomes_beside(folder: Path, run_id: str) -> str:
    """Outcomes of a run as stored and as they come out now, one line each."""
    asked = json.loads(find(folder, run_id)["parameters"])
    task = ModelTask().prepared([asked.get("plugin", "")])
    entry, now = replay(folder, run_id, task)
    results = load(folder)
    row = results.runs[results.runs["run_id"] == entry["run_id"]]
    stored = row.iloc[0] if len(row) else {}
    lines = [
        f"run {entry['run_id']}, stored as {entry['status']}{f': {entry["error"]}' if entry['error'] else ''}",
        f"seed {entry['seed']}, replication {entry['replication']}, parameters {entry['parameters']}",
        "",
        f"{'outcome':<28} {'stored':>24} {'now':>24}",
    ]
    differing = 0
    for name, value in now.items():
        before = float(stored.get(name, float("nan")))
        same = before == value or (before != before and value != value)
        differing += not same
        lines.append(f"{name:<28} {before!r:>24} {value!r:>24}{'' if same else '  differs'}")
    record = provenance.read_text(entry["provenance"])
    then, now_there = record.get("inputs", {}), provenance.inputs_now(record)
    lines += [
        f"Since then: {line}."
        for line in provenance.differences([record], [provenance.record(task.code) | {"inputs": now_there}])
    ]
    if any(one["sha256"] != then[key]["sha256"] for key, one in now_there.items()):
        lines.append(f"The run was repeated with the copies of its files in {folder}.")
    lines.append(f"{differing} of {len(now)} outcomes differ." if differing else "All outcomes are equal.")
    return "\n".join(lines)


def store_run(folder: Path, run_id: str, out: Path, *, overwrite: bool = False) -> str:
    """Store everything a run leaves behind, as `firesale run` does."""
    entry = find(folder, run_id)
    experiment = load(folder).experiment
    overrides, contents = as_stored(folder, entry)
    title = f"{experiment.title or experiment.name}, run {entry['run_id']}"
    # A scenario that is a file is known by the experiment that names it.
    called = experiment.name if experiment.scenario.endswith(".toml") else experiment.scenario
    scenario = Scenario(called, title, experiment.description, str(folder), overrides, {})
    with writing(out, kind="run", overwrite=overwrite) as scratch, expecting(contents):
        run_arm(
            scenario,
            "default",
            Parameters.from_overrides(overrides),
            entry["seed"],
            scratch,
            replication=entry["replication"],
        )
    return f"Tables: {out}"
