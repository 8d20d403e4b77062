"""The store of a sweep: nothing that was computed is lost to a crash, a kill or a full disk.

Results go first into a journal of small Parquet shards, each written under another name, flushed to the disk and renamed, so
that a shard is whole or absent. Compaction turns journal and earlier tables into new tables; the new files stand
complete under other names before one small file, the commit, is renamed into place, and from then on the exchange is
carried to its end by whoever opens the folder next. Rows are ordered by point and replication, so the content of
``runs.parquet`` does not depend on workers, order, interruptions or the number of sessions.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.design.plan import Plan
from experiments.runs.folder import StoreError
from experiments.runs.store import PARQUET, check_format, table_digest
from experiments.sweep import journal as files
from experiments.sweep import metadata
from experiments.sweep.jobs import OK
from experiments.sweep.journal import (
    JOURNAL,
    Lock,
    Record,
    SeriesReader,
    Sink,
    Sources,
    journal,
    json_bytes,
    parquet,
    read,
    read_parquet,
    record_at,
    shard,
)
from experiments.sweep.results import SweepResults
from experiments.sweep.tables import COMMIT, FIXED, log_table, long_table, points_table, runs_table, where

FAILURES = "failures"
LOCK = ".lock"
# A journal of more shards than this is gathered into one, so that long sweeps do not fill a folder with small files.
MOST_SHARDS = 64
SHARE_SECONDS = 10.0  # writers that start together are each alone for a moment
SERIES_GROUP = 256  # runs per row group of series.parquet


class SweepStore:
    """A result folder being written.

    Parameters
    ----------
    folder
        Where the sweep's results stand or shall stand.
    shared
        Several writers, each with its own part of the runs, as in an array of jobs. They only add to the journal.

    Raises
    ------
    StoreError
        If the folder is in use, is no result of a sweep, or cannot be written to.
    """

    def __init__(self, folder: str | Path, *, shared: bool = False) -> None:
        self.folder = Path(folder)
        self.shared = shared
        self._waiting: list[Record] = []
        self._shards: list[Path] = []
        with _plain_errors(self.folder):
            self._check_ours()
            (self.folder / JOURNAL).mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self.folder / LOCK)
            try:
                self._open()
            except BaseException:
                self._lock.release()
                raise

    def _open(self) -> None:
        # The first of several writers may have to finish an exchange that was interrupted; the others wait for it.
        alone = self._lock.take(exclusive=True)
        if alone:
            self._recover()
        held = self._lock.take(exclusive=False, patience=SHARE_SECONDS) if self.shared else alone
        if not held:
            raise StoreError(f"{self.folder}: another sweep is writing here; wait for it, or stop it")

    def close(self) -> None:
        """Let others write."""
        self._lock.release()

    # -- what is there --------------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """What is known about the sweep; empty for a new folder."""
        return read_manifest(self.folder, missing_ok=True)

    def has_journal(self) -> bool:
        """Rows stand in the journal that are not in the tables yet."""
        return bool(journal(self.folder))

    # -- writing --------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Rows that are not on the disk yet."""
        return len(self._waiting)

    def add(self, record: Record) -> None:
        """Take a row; `flush` puts it on the disk."""
        self._waiting.append(record)

    def flush(self) -> None:
        """Put what waits on the disk as one shard; on failure everything still waits.

        Raises
        ------
        StoreError
            If the disk is full or cannot be written to.
        """
        if not self._waiting:
            return
        with _plain_errors(self.folder):
            self._shards.append(self._write_shard(shard(self._waiting)))
            self._waiting = []
            if len(self._shards) >= MOST_SHARDS:
                self._collect()

    def begin(self, plan: Plan, manifest: Mapping[str, Any]) -> None:
        """Write what a reader needs before the first run has ended: experiment, points, manifest."""
        before = self.manifest()
        same = all(
            before.get(key) == manifest.get(key) for key in ("plan", "fingerprint", "experiment", "series")
        )
        if same:
            return
        if self.shared and before and not self._lock.take(exclusive=True):
            self._lock.take(exclusive=False)
            raise StoreError(
                f"{self.folder}: others are writing the runs of a different experiment or model here"
            )
        points = points_table(plan, None, None, {})
        written: dict[str, bytes] = {
            "experiment.toml": plan.experiment.to_toml().encode(),
            "points.parquet": parquet(points),
            "manifest.json": json_bytes({**before, **manifest, "complete": False}),
        }
        with _plain_errors(self.folder):
            if self.shared and not before:
                # Writers that start together write the same; each file by itself, so that they need not wait.
                for name, data in written.items():
                    part = self._part(f"{secrets.token_hex(4)}.{name}")
                    self._write(part, data)
                    files.disk.rename(part, self.folder / name)
                files.disk.sync_folder(self.folder)
            else:
                for name, data in written.items():
                    self._write(self._part(name), data)
                self._commit(list(written), [])
        if self.shared:
            self._lock.take(exclusive=False)

    def compact(
        self,
        plan: Plan,
        fingerprint: str,
        asked: Mapping[int, int],
        stopped_by: Mapping[int, str],
        meanings: Mapping[str, tuple[str, str]],
        manifest: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Turn journal and tables into new tables; returns the manifest.

        Parameters
        ----------
        asked
            Point -> replications that belong to the sweep; what is stored beyond them is kept in ``archive.parquet``.
        stopped_by
            Point -> why it has no more.
        meanings
            Outcome or series column -> (unit, meaning).
        """
        with _plain_errors(self.folder):
            self.flush()
            sources = read(self.folder)
            positions, points, replications = _members(plan, fingerprint, asked, sources)
            runs = runs_table(
                plan, sources.table if sources else None, positions, points, replications, meanings
            )
            log = log_table(sources.table if sources else None, positions)
            written: dict[str, bytes] = {
                "runs.parquet": parquet(runs),
                "log.parquet": parquet(log),
                "points.parquet": parquet(points_table(plan, runs, stopped_by, meanings)),
                "experiment.toml": plan.experiment.to_toml().encode(),
            }
            for name, data in written.items():
                self._write(self._part(name), data)
            optional = {
                "series.parquet": self._write_series(log, sources, positions, points, replications, meanings),
                "archive.parquet": self._write_archive(sources, positions),
            }
            described = [*written, *(name for name, there in optional.items() if there), "manifest.json"]
            gone = [str(path.relative_to(self.folder)) for path in journal(self.folder)]
            gone += [name for name, there in optional.items() if not there and (self.folder / name).exists()]
            whole = {
                **self.manifest(),
                **manifest,
                "digest": table_digest(runs),
                "counts": _counts(runs, log),
            }
            self._write(self._part("manifest.json"), json_bytes(whole))
            about = metadata.describe(self.folder, plan.experiment, whole, described, self._part)
            for name, text in about.items():
                self._write(self._part(name), text.encode())
            self._write_failures(log, points)
            self._commit([*described, *about], gone)
            self._shards = []
        return whole

    def merge(self, other: str | Path) -> int:
        """Take over every run stored in another folder; returns how many rows were read."""
        place = Path(other)
        sources = read(place)
        if sources is None:
            raise StoreError(f"{place}: no result of a sweep")
        reader = SeriesReader(sources)
        positions = sorted(sources.chosen.values())
        for start in range(0, len(positions), 500):
            for position in positions[start : start + 500]:
                self.add(record_at(sources.table, position, reader))
            self.flush()
        return len(positions)

    # -- inside ---------------------------------------------------------------------------------------------

    def _check_ours(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"{self.folder}: a file of that name is in the way")
        if self.folder.is_dir() and any(self.folder.iterdir()) and not (self.folder / JOURNAL).is_dir():
            raise StoreError(
                f"{self.folder}: is not empty and no result of a sweep; choose another with --out"
            )

    def _recover(self) -> None:
        """Carry an interrupted exchange to its end, and clear away what never got its name."""
        self._redo()
        if not self.shared:  # the part may be another writer's, where the file system has no locks
            for path in [*self.folder.glob(".*.part"), *(self.folder / JOURNAL).glob(".*.part")]:
                files.disk.remove(path)

    def _part(self, name: str) -> Path:
        return self.folder / f".{name}.part"

    def _write(self, path: Path, data: bytes) -> None:
        with path.open("wb") as handle:
            files.disk.write(handle, data)
            files.disk.sync(handle)

    def _write_shard(self, table: pa.Table) -> Path:
        folder = self.folder / JOURNAL
        name = f"{time.time_ns():016x}-{secrets.token_hex(4)}.parquet"
        part = folder / f".{name}.part"
        self._write(part, parquet(table))
        files.disk.rename(part, folder / name)
        files.disk.sync_folder(folder)
        return folder / name

    def _collect(self) -> None:
        """Several shards of this writer become one; a reader sees rows twice in between, which changes nothing."""
        tables = [read_parquet(path) for path in self._shards]
        gathered = self._write_shard(pa.concat_tables(tables, promote_options="permissive"))
        for path in self._shards:
            files.disk.remove(path)
        self._shards = []
        files.disk.sync_folder(gathered.parent)

    def _commit(self, names: Sequence[str], gone: Sequence[str]) -> None:
        text = json.dumps({"files": list(names), "gone": list(gone)})
        self._write(self._part(COMMIT), text.encode())
        files.disk.sync_folder(self.folder)
        files.disk.rename(self._part(COMMIT), self.folder / COMMIT)
        files.disk.sync_folder(self.folder)
        self._redo()

    def _redo(self) -> None:
        path = self.folder / COMMIT
        if not path.exists():
            return
        plan = json.loads(path.read_text(encoding="utf-8"))
        for name in plan["files"]:
            if self._part(name).exists():
                files.disk.rename(self._part(name), self.folder / name)
        files.disk.sync_folder(self.folder)
        for name in plan["gone"]:
            files.disk.remove(self.folder / name)
        files.disk.sync_folder(self.folder / JOURNAL)
        files.disk.remove(path)
        files.disk.sync_folder(self.folder)

    def _write_series(
        self,
        log: pa.Table,
        sources: Sources | None,
        positions: np.ndarray[Any, Any],
        points: np.ndarray[Any, Any],
        replications: np.ndarray[Any, Any],
        meanings: Mapping[str, tuple[str, str]],
    ) -> bool:
        """series.parquet, a few hundred runs at a time, so that memory does not grow with the sweep; True if there is any."""
        kept = _with_series(log)
        if sources is None or not len(kept):
            return False
        reader = SeriesReader(sources)
        positions, points, replications = positions[kept], points[kept], replications[kept]
        ids = sources.table.column("run_id")
        writer = None
        with self._part("series.parquet").open("wb") as handle:
            sink = pa.PythonFile(Sink(handle), mode="w")
            for start in range(0, len(positions), SERIES_GROUP):
                chunk = slice(start, start + SERIES_GROUP)
                paths = [reader.get(position) for position in positions[chunk]]
                names = [ids[int(position)].as_py() for position in positions[chunk]]
                table = long_table(names, points[chunk], replications[chunk], paths, meanings)
                if writer is None:
                    options = {key: value for key, value in PARQUET.items() if key != "row_group_size"}
                    writer = pq.ParquetWriter(sink, table.schema, **options)
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
            if writer is not None:
                writer.close()
            files.disk.sync(handle)
        return True

    def _write_archive(self, sources: Sources | None, members: np.ndarray[Any, Any]) -> bool:
        """Keep stored runs that the experiment no longer asks for; True if there are any."""
        if sources is None:
            return False
        inside = set(members.tolist())
        rest = [position for position in sources.chosen.values() if position not in inside]
        if not rest:
            return False
        reader = SeriesReader(sources)
        records = [record_at(sources.table, position, reader) for position in sorted(rest)]
        self._write(self._part("archive.parquet"), parquet(shard(records)))
        return True

    def _write_failures(self, log: pa.Table, points: np.ndarray[Any, Any]) -> None:
        """One readable file per failed run; the log holds the same, so these need no journal."""
        folder = self.folder / FAILURES
        folder.mkdir(exist_ok=True)
        wanted = {}
        status = log.column("status").to_pylist()
        for row, state in enumerate(status):
            if state != OK:
                entry = {name: log.column(name)[row].as_py() for name in FIXED}
                wanted[f"{entry['run_id']}.txt"] = metadata.failure_text(entry, int(points[row]))
        for path in folder.glob("*.txt"):
            if path.name not in wanted:
                files.disk.remove(path)
        for name, text in wanted.items():
            (folder / name).write_text(text, encoding="utf-8")


def load(path: str | Path) -> SweepResults:
    """The results of a sweep, finished or not, as tidy data frames with units.

    Raises
    ------
    StoreError
        If the folder holds no result of a sweep.
    """
    folder = Path(path)
    if not (folder / JOURNAL).is_dir():
        raise StoreError(f"{folder}: no result of a sweep (it has no folder {JOURNAL})")
    manifest = read_manifest(folder)
    if manifest.get("complete") and not journal(folder):
        return SweepResults(folder, manifest)
    plan = SweepResults(folder, manifest).plan()
    sources = read(folder)
    most = {point.index: plan.experiment.replications.most for point in plan.points}
    positions, points, replications = _members(plan, manifest["fingerprint"], most, sources)
    table = sources.table if sources else None
    meanings = {name: (unit, meaning) for name, (unit, meaning) in manifest.get("meanings", {}).items()}
    runs = runs_table(plan, table, positions, points, replications, meanings)
    log = log_table(table, positions)
    series = None
    kept = _with_series(log)
    if sources is not None and len(kept):
        reader = SeriesReader(sources)
        names = [log.column("run_id")[int(row)].as_py() for row in kept]
        paths = [reader.get(position) for position in positions[kept]]
        series = long_table(names, points[kept], replications[kept], paths, meanings)
    tables = {"runs": runs, "log": log, "points": points_table(plan, runs, None, meanings)}
    return SweepResults(folder, manifest, tables | ({} if series is None else {"series": series}))


def read_manifest(folder: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """The manifest of a sweep.

    Raises
    ------
    StoreError
        If it is missing or unreadable.
    """
    try:
        path = where(folder, "manifest.json")
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise StoreError(f"{folder}: no result of a sweep (it has no manifest.json)") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}/manifest.json: cannot be read: {error}") from None
    check_format(manifest, folder / "manifest.json")
    return manifest


def find(folder: str | Path, run_id: str) -> dict[str, Any]:
    """The log of one stored run, found by the beginning of its id.

    Raises
    ------
    StoreError
        If no run, or more than one, begins like that.
    """
    sources = read(Path(folder), list(FIXED))
    ids = [] if sources is None else sorted(name for name in sources.chosen if name.startswith(run_id))
    if sources is None or len(ids) != 1:
        found = f"{len(ids)} runs begin" if ids else "no run begins"
        raise StoreError(f"{folder}: {found} with {run_id!r}")
    row = sources.chosen[ids[0]]
    return {
        name: sources.table.column(name)[row].as_py() for name in FIXED if name in sources.table.column_names
    }


# -- inside a compaction ----


def _members(
    plan: Plan, fingerprint: str, asked: Mapping[int, int], sources: Sources | None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows that belong to the experiment, in order of point and replication: position, point, replication."""
    positions: list[int] = []
    points: list[int] = []
    replications: list[int] = []
    chosen = sources.chosen if sources is not None else {}
    if chosen:
        for point in plan.points:
            for replication in range(asked[point.index]):
                position = chosen.get(plan.run_id(point, replication, fingerprint))
                if position is not None:
                    positions.append(position)
                    points.append(point.index)
                    replications.append(replication)
    return (
        np.array(positions, dtype=np.int64),
        np.array(points, dtype=np.int32),
        np.array(replications, dtype=np.int32),
    )


def _with_series(log: pa.Table) -> np.ndarray[Any, Any]:
    """Rows of the log whose run kept weekly paths."""
    return np.flatnonzero(np.asarray(log.column("has_series").to_numpy(zero_copy_only=False)))


def _counts(runs: pa.Table, log: pa.Table) -> dict[str, int]:
    status = runs.column("status").to_pylist()
    counts = {state: status.count(state) for state in sorted(set(status))}
    return {
        "runs": runs.num_rows,
        **counts,
        "retried": sum(n > 1 for n in log.column("attempts").to_pylist()),
    }


@contextlib.contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror or error}") from error
    except pa.ArrowException as error:
        raise StoreError(f"{folder}: cannot be written: {error}") from error


__all__ = ["Record", "StoreError", "SweepStore", "find", "load", "read_manifest"]
