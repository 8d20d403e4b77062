"""The tables of a sweep: runs, points, log and series, with units, in an order that depends on the experiment alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.design.plan import Plan
from experiments.runs.store import field_metadata
from experiments.sweep.jobs import OK
from experiments.sweep.stopping import half_width

OUTCOME, SERIES = "outcome.", "series."  # beginnings of column names in shards
CONFIDENCE = 0.95  # of the half-widths in points.parquet
# Columns every shard has; in this order they are log.parquet.
FIXED = {
    "run_id": pa.string(),
    "parameters_id": pa.string(),
    "replication": pa.int32(),
    "seed": pa.int64(),
    "fingerprint": pa.string(),
    "parameters": pa.string(),
    "status": pa.string(),
    "error": pa.string(),
    "traceback": pa.string(),
    "seconds": pa.float64(),
    "peak_mb": pa.float64(),
    "attempts": pa.int32(),
    "has_series": pa.bool_(),
    "provenance": pa.dictionary(pa.int32(), pa.string()),
}
MEANINGS: dict[str, dict[str, tuple[str, str]]] = {
    "runs": {
        "run_id": ("", "digest of parameters, inputs, seed, replication, code and versions"),
        "point": ("point", "number of the design point"),
        "replication": ("replication", "number of the replication; equal numbers share their shocks"),
        "seed": ("1", "seed of the run"),
        "status": ("", "ok, raised, died, timed_out or out_of_memory"),
    },
    "points": {
        "point": ("point", "number of the design point"),
        "parameters_id": ("", "digest of the full parameters"),
        "n": ("runs", "runs that ended well"),
        "failed": ("runs", "runs that did not"),
        "stopped_by": ("", "why there are no more: count, half-width, max, or open"),
    },
    "log": {
        "run_id": ("", "digest of parameters, inputs, seed, replication, code and versions"),
        "parameters_id": ("", "digest of the full parameters"),
        "replication": ("replication", "number of the replication"),
        "seed": ("1", "seed of the run"),
        "fingerprint": ("", "digest of code, compiled modules, versions and CPU level"),
        "parameters": ("JSON", "what differs from the model's defaults"),
        "status": ("", "ok, raised, died, timed_out or out_of_memory"),
        "error": ("", "one line"),
        "traceback": ("", "where it was raised"),
        "seconds": ("s", "wall time in the worker"),
        "peak_mb": ("MB", "largest memory of the worker so far"),
        "attempts": ("runs", "times it was tried"),
        "has_series": ("", "its paths are in series.parquet"),
        "provenance": ("JSON", "record of the process that computed it; empty if it did not live to tell"),
    },
    "series": {
        "run_id": ("", "digest of parameters, inputs, seed, replication, code and versions"),
        "point": ("point", "number of the design point"),
        "replication": ("replication", "number of the replication"),
        "week": ("week", "week of the run"),
    },
}
ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def runs_table(
    plan: Plan,
    rows: pa.Table | None,
    positions: np.ndarray[Any, Any],
    points: np.ndarray[Any, Any],
    replications: np.ndarray[Any, Any],
    meanings: Mapping[str, tuple[str, str]],
) -> pa.Table:
    """One row per point and replication: keys, varied parameters, outcomes (missing where the run failed).

    Points with equal parameters share their runs, so a run id can stand in more than one row.
    """
    taken = rows.take(positions) if rows is not None else None
    columns: list[tuple[str, pa.Array, str]] = []

    def key(name: str, kind: pa.DataType) -> Any:
        return taken.column(name) if taken is not None else pa.array([], kind)

    columns.append(("run_id", key("run_id", pa.string()), "key"))
    columns.append(("point", pa.array(points, pa.int32()), "key"))
    columns.append(("replication", pa.array(replications, pa.int32()), "key"))
    columns.append(("seed", key("seed", pa.int64()), "key"))
    columns.append(("status", key("status", pa.string()), "key"))
    for name in plan.varied:
        values, kind = _varied(plan, name)
        columns.append((name, pa.array(values, kind).take(pa.array(points, pa.int32())), "parameter"))
    if taken is not None:
        columns.extend(
            (name, taken.column(OUTCOME + name), "outcome") for name in _outcome_names(taken, meanings)
        )
    return _described("runs", columns, {**plan.meanings, **meanings})


def _outcome_names(taken: pa.Table, meanings: Mapping[str, tuple[str, str]]) -> list[str]:
    """Outcomes that occur in these runs (not in archived ones), declared ones first and in their order."""
    found = [
        name.removeprefix(OUTCOME)
        for name in taken.column_names
        if name.startswith(OUTCOME) and taken.column(name).null_count < taken.num_rows
    ]
    declared = [name for name in meanings if name in found]
    return [*declared, *sorted(set(found) - set(declared))]


def _varied(plan: Plan, name: str) -> tuple[list[Any], pa.DataType]:
    """Values of a varied parameter, one per point, and their type."""
    values = [point.values.get(name, plan.base.get(name)) for point in plan.points]
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values], pa.float64()
    if len(kinds) > 1:
        return [None if value is None else str(value) for value in values], pa.string()
    return values, ARROW[kinds.pop()] if kinds else pa.string()


def log_table(rows: pa.Table | None, positions: np.ndarray[Any, Any]) -> pa.Table:
    """How each run went: error, traceback, seconds, memory, attempts, code; row by row beside the runs."""
    columns = [
        (name, rows.column(name).take(pa.array(positions)) if rows is not None else pa.array([], kind), "key")
        for name, kind in FIXED.items()
    ]
    return _described("log", columns, {})


def points_table(
    plan: Plan,
    runs: pa.Table | None,
    stopped_by: Mapping[int, str] | None,
    meanings: Mapping[str, tuple[str, str]],
) -> pa.Table:
    """One row per point: parameters, number of runs, and mean, deviation and half-width of every outcome."""
    count = len(plan.points)
    order = {point.index: row for row, point in enumerate(plan.points)}
    columns: list[tuple[str, Any, str]] = [
        ("point", pa.array([point.index for point in plan.points], pa.int32()), "key"),
        ("parameters_id", pa.array([point.id for point in plan.points], pa.string()), "key"),
    ]
    columns.extend((name, pa.array(*_varied(plan, name)), "parameter") for name in plan.varied)
    good, failed = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    rows = np.zeros(0, dtype=np.int64)
    status = np.zeros(0, dtype=np.bool_)
    if runs is not None and runs.num_rows:
        rows = np.array([order[point] for point in runs.column("point").to_pylist()], dtype=np.int64)
        status = np.array([state == OK for state in runs.column("status").to_pylist()])
        good = np.bincount(rows[status], minlength=count)
        failed = np.bincount(rows[~status], minlength=count)
    reasons = [(stopped_by or {}).get(point.index, "open") for point in plan.points]
    columns.append(("n", pa.array(good), "key"))
    columns.append(("failed", pa.array(failed), "key"))
    columns.append(("stopped_by", pa.array(reasons, pa.string()), "key"))
    known = {**plan.meanings, **meanings}
    wanted = plan.experiment.record.outcomes
    starts = np.searchsorted(rows, np.arange(count + 1))
    for field, column in zip(runs.schema, runs.columns, strict=True) if runs is not None else ():
        if (field.metadata or {}).get(b"role") != b"outcome" or (wanted and field.name not in wanted):
            continue
        values = column.to_numpy().astype(np.float64)
        unit, meaning = known.get(field.name, ("", ""))
        for suffix, moment in _moments(values, starts).items():
            columns.append((field.name + suffix, pa.array(moment), "outcome"))
            known[field.name + suffix] = (
                unit,
                f"{MOMENTS[suffix]}: {meaning}" if meaning else MOMENTS[suffix],
            )
    return _described("points", columns, known)


MOMENTS = {
    "": "mean",
    "_sd": "standard deviation",
    "_half_width": "half-width of the 95 % interval of the mean",
}


def _moments(values: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    moments = {suffix: np.full(len(starts) - 1, np.nan) for suffix in MOMENTS}
    for point in range(len(starts) - 1):
        here = values[starts[point] : starts[point + 1]]
        finite = here[np.isfinite(here)]
        if len(finite):
            moments[""][point] = finite.mean()
        if len(finite) > 1:
            moments["_sd"][point] = finite.std(ddof=1)
            moments["_half_width"][point] = half_width(finite.tolist(), CONFIDENCE)
    return moments


def long_table(
    names: Sequence[str],
    points: np.ndarray[Any, Any],
    replications: np.ndarray[Any, Any],
    paths: Sequence[Mapping[str, np.ndarray[Any, Any]]],
    meanings: Mapping[str, tuple[str, str]],
) -> pa.Table:
    """Paths of several runs one below the other: run_id, point, replication, week, columns."""
    columns = sorted({name for path in paths for name in path} - {"week"})
    lengths = [max((len(values) for values in path.values()), default=0) for path in paths]
    blocks = {}
    for name in ("week", *columns):
        parts = [
            np.asarray(path.get(name, np.arange(length) if name == "week" else np.full(length, np.nan)))
            for path, length in zip(paths, lengths, strict=True)
        ]
        blocks[name] = np.concatenate(parts) if parts else np.zeros(0)
    table = [
        ("run_id", pa.array(np.repeat(np.array(names, dtype=object), lengths), pa.string()), "key"),
        ("point", pa.array(np.repeat(points, lengths), pa.int32()), "key"),
        ("replication", pa.array(np.repeat(replications, lengths), pa.int32()), "key"),
        ("week", pa.array(blocks["week"].astype(np.int32)), "key"),
        *((name, pa.array(blocks[name].astype(np.float64)), "series") for name in columns),
    ]
    return _described("series", table, meanings)


def _described(
    table: str, columns: Sequence[tuple[str, Any, str]], meanings: Mapping[str, tuple[str, str]]
) -> pa.Table:
    """A table whose fields say unit, meaning and role (key, parameter, outcome, series)."""
    known = {**meanings, **MEANINGS[table]}
    fields = []
    for name, values, role in columns:
        metadata = field_metadata(known.get(name, ("", ""))) | {"role": role}
        fields.append(pa.field(name, values.type, metadata=metadata))
    return pa.Table.from_arrays([values for _, values, _ in columns], schema=pa.schema(fields))
