"""Runs a wave of history matching and keeps every finished point, so that the same command again does what is left."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import calibration
from experiments.calibration import HEADLINES, Prior, Target
from experiments.design import Value
from experiments.sensitivity import AnalysisError
from experiments.store import StoreError
from experiments.validation import Row

if TYPE_CHECKING:
    import pandas as pd

JOURNAL = "points.jsonl"
SEED_RUNS = 16  # replications at the defaults, for the variance of the seed
Evaluate = Callable[[Mapping[str, Value], int, Sequence[Row], int], dict[str, float]]
Task = tuple[str, int]


def run_wave(
    folder: str | Path,
    points: int,
    *,
    seed: int = calibration.SEED,
    workers: int = 1,
    rows: Sequence[Row] | None = None,
    beliefs: Sequence[Prior] | None = None,
    evaluate: Evaluate = calibration.evaluate,
    code: str = "",
    on_point: Callable[[int, int], None] = lambda done, whole: None,
) -> "dict[str, pd.DataFrame]":
    """Evaluate what is not stored yet, write the tables, and return them.

    Parameters
    ----------
    folder
        Result folder; a wave that stands there is continued, or grown to more points.
    rows, beliefs, evaluate
        What is matched, over which priors, by which model; those of firesale if left out.
    code
        Fingerprint of the model; points of other code are not continued.

    Raises
    ------
    StoreError
        If the folder cannot be written to, or holds a wave of other code, rows, seed or priors.
    """
    place = Path(folder)
    matched = list(calibration.matched_rows() if rows is None else rows)
    believed = list(calibration.priors() if beliefs is None else beliefs)
    cube = calibration.wave(believed, points, seed)
    header = {
        "code": code,
        "seed": seed,
        "rows": [row.id for row in matched],
        "priors": [[b.key, b.factor.variation.low, b.factor.variation.high] for b in believed],
    }
    found = _stored(place, header)
    corners = calibration.box_corners()
    asked: list[tuple[Task, Mapping[str, Value], int]] = [
        *((("seed", i), {}, i) for i in range(SEED_RUNS)),
        *((("corner", i), corner, 0) for i, corner in enumerate(corners)),
        *((("point", i), calibration.overrides_at(believed, cube[i]), 0) for i in range(points)),
    ]
    left = [entry for entry in asked if entry[0] not in found]
    done = len(asked) - len(left)
    with (place / JOURNAL).open("a", encoding="utf-8") as journal:
        for task, values in _evaluated(left, seed, matched, workers, evaluate):
            found[task] = values
            journal.write(json.dumps({"kind": task[0], "index": task[1], "values": values}) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
            done += 1
            on_point(done, len(asked))
    tables = tables_of(found, cube, believed, matched, len(corners))
    for name, table in tables.items():
        table.to_csv(place / f"{name}.csv", index=False, lineterminator="\n")
    return tables


def tables_of(
    found: Mapping[Task, Mapping[str, float]],
    cube: Any,
    beliefs: Sequence[Prior],
    rows: Sequence[Row],
    corners: int,
) -> "dict[str, pd.DataFrame]":
    """Everything that is published of a wave: summary, ruled_out, recovery, headlines, assertions, frontier, points."""
    import pandas as pd

    names = [*HEADLINES, *(row.id for row in rows)]

    def frame(kind: str, count: int) -> "pd.DataFrame":
        empty: Mapping[str, float] = {}
        lines = [found.get((kind, i), empty) for i in range(count)]
        return pd.DataFrame([{name: line.get(name, np.nan) for name in names} for line in lines])

    points, seeds, at_corners = frame("point", len(cube)), frame("seed", SEED_RUNS), frame("corner", corners)
    noise = {str(name): float(value) for name, value in seeds.var(ddof=1).items() if value == value}
    targets = [Target.of(row) for row in rows]
    match = calibration.history_match(points, targets, noise)
    volume, low, high = match.volume()
    failed = int(points.isna().all(axis=1).sum())
    summary = pd.DataFrame(
        [
            ("points", float(len(points))),
            ("points without a result", float(failed)),
            ("survivors", float(match.survives.sum())),
            ("surviving volume", volume),
            ("surviving volume, low", low),
            ("surviving volume, high", high),
        ],
        columns=["what", "value"],
    )
    headlines = points[list(HEADLINES)]
    tables = {
        "summary": summary,
        "ruled_out": calibration.ruled_out(match),
        "recovery": calibration.recovery(cube, points, targets, noise, beliefs, match),
        "headlines": calibration.headline_ranges(headlines, match.survives, noise),
        "assertions": calibration.assertions(headlines, match.survives, at_corners),
        "corners": pd.DataFrame(calibration.box_corners()).join(at_corners) if corners else at_corners,
    }
    fronts = []
    for name in calibration.CLAIMS:
        held = tables["assertions"].set_index("headline")["asserted"].get(name, False)
        if held:
            continue
        try:
            plane = calibration.frontier(cube, headlines[name].to_numpy(dtype=np.float64), beliefs)
            plane.insert(0, "headline", name)
            fronts.append(plane)
        except AnalysisError:
            continue
    if fronts:
        tables["frontier"] = pd.concat(fronts, ignore_index=True)
    values = [calibration.overrides_at(beliefs, line) for line in cube]
    tables["points"] = pd.DataFrame(values).join(points).assign(survives=match.survives)
    return tables


def _stored(place: Path, header: Mapping[str, Any]) -> dict[Task, dict[str, float]]:
    """Finished points of the same wave; a line torn by a kill is dropped."""
    path = place / JOURNAL
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(json.dumps(header) + "\n", encoding="utf-8")
            return {}
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise StoreError(f"{place}: cannot be used: {error.strerror}") from None
    try:
        before = json.loads(lines[0])
    except ValueError:
        raise StoreError(f"{path}: is not a wave of history matching") from None
    for key, value in header.items():
        if before.get(key) != json.loads(json.dumps(value)):
            raise StoreError(
                f"{path}: made with other {'model code' if key == 'code' else key}; choose another --out"
            )
    found: dict[Task, dict[str, float]] = {}
    whole = lines[0] + "\n"
    for line in lines[1:]:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found[entry["kind"], entry["index"]] = entry["values"]
        whole += line + "\n"
    # Written anew beside it and renamed: a torn last line must not swallow the next one.
    scratch = path.with_suffix(".unfinished")
    scratch.write_text(whole, encoding="utf-8")
    scratch.replace(path)
    return found


def _evaluated(
    left: Sequence[tuple[Task, Mapping[str, Value], int]],
    seed: int,
    rows: Sequence[Row],
    workers: int,
    evaluate: Evaluate,
) -> Any:
    if workers <= 1:
        for task, changes, replication in left:
            yield task, evaluate(changes, seed, rows, replication)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # Ids instead of rows: functions made on the fly do not travel.
        ids = [row.id for row in rows]
        waiting = {
            pool.submit(_by_id, changes, seed, ids, replication): task for task, changes, replication in left
        }
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def _by_id(changes: Mapping[str, Value], seed: int, ids: Sequence[str], replication: int) -> dict[str, float]:
    from experiments.validation import rows

    return calibration.evaluate(changes, seed, [row for row in rows() if row.id in ids], replication)
