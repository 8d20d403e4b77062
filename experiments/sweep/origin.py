"""What the rows of a sweep come from, and whether rows that are stored come from the same."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.design.plan import Plan
from experiments.design.portable import stored_name
from experiments.runs import provenance
from experiments.sweep.dask_cluster import DaskCluster
from experiments.sweep.executors import LocalPool
from experiments.sweep.jobs import Executor, Origin, Run
from experiments.sweep.listing import whole
from experiments.sweep.model_task import code_of, fingerprint_of
from sim.base.inputs import files_of, name_of


def origin_of(plan: Plan, run: Run, executor: Executor | int | str) -> Origin:
    """What the runs of a plan will come from, if they are computed there."""
    known = provenance.environment()
    # Workers of a pool or cluster start with a steady environment; this process may have imported NumPy without.
    apart = (
        bool(executor) if isinstance(executor, int | str) else isinstance(executor, LocalPool | DaskCluster)
    )
    return Origin(code_of(run), provenance.steady(known) if apart else known, plan.inputs)


def code_that_counts(
    manifest: Mapping[str, Any], run: Run, origin: Origin, *, allow: bool
) -> tuple[str, str]:
    """Name of the code and environment whose stored runs count as done, and what to tell the user if it is another now."""
    now = provenance.fingerprint(fingerprint_of(run, origin.code), origin.environment)
    known = str(manifest.get("fingerprint", now))
    if known == now:
        return now, ""
    changed = provenance.differences(
        [manifest.get("provenance", {})], [provenance.record(origin.code, known=origin.environment)]
    )
    said = "; ".join(changed) or "the code of the model, or what was added to it, has changed"
    if allow:
        return known, f"{said}; runs of {known} are reused because you allowed it"
    return (
        now,
        f"{said} since runs of {known} were stored here; they are kept in archive.parquet and not reused "
        "(--allow-code-change reuses them)",
    )


def manifest_record(origin: Origin, before: Mapping[str, Any]) -> dict[str, Any]:
    """Record of what the rows that count come from; that of `before` if its rows are reused."""
    found: dict[str, Any] = before.get("provenance") or provenance.record(
        origin.code, known=origin.environment
    )
    return found


def manifest_inputs(plan: Plan, rows: Mapping[str, int | None]) -> dict[str, list[dict[str, Any]]]:
    """Files of all points: dotted key -> path, sha256 and rows of each; `rows` holds those that a run has read, by sha256."""
    paths: dict[str, set[str]] = {}
    for point in plan.points:
        for key, path in files_of(point.overrides).items():
            paths.setdefault(key, set()).add(name_of(path))
    return {
        key: [
            {"path": path, "sha256": plan.inputs.get(path), "rows": rows.get(plan.inputs.get(path, ""))}
            for path in sorted(paths[key])
        ]
        for key in sorted(paths)
    }


def rows_read(inputs: Iterable[Mapping[str, Any]]) -> dict[str, int | None]:
    """sha256 -> rows of files that were read."""
    return {str(one["sha256"]): one["rows"] for one in inputs}


def as_stored(folder: Path, entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters of a stored run, with the copies that its folder holds of its files, and the content that each must have.

    Raises
    ------
    StoreError
        If a copy is damaged.
    """
    parameters: dict[str, Any] = json.loads(entry["parameters"])
    contents = {}
    for key, one in provenance.read_text(entry.get("provenance") or "").get("inputs", {}).items():
        copy = whole(folder, stored_name(one["path"], one["sha256"]))
        if copy is not None:
            parameters[key] = str(copy)
        contents[parameters[key]] = one["sha256"]
    return parameters, contents
