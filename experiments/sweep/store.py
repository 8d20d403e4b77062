"""The store of a sweep: nothing that was computed is lost to a crash, a kill or a full disk.

Results go first into a journal of small Parquet shards, each written under another name, flushed to the disk and renamed, so
that a shard is whole or absent. Compaction turns journal and earlier tables into new tables; the new files stand
complete under other names before one small file, the commit, is renamed into place, and from then on the exchange is
carried to its end by whoever opens the folder next. Rows are ordered by point and replication, so the content of
``runs.parquet`` does not depend on workers, order, interruptions or the number of sessions.
"""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.design.plan import Plan
from experiments.design.portable import INPUT
from experiments.runs.folder import StoreError
from experiments.runs.store import PARQUET, table_digest
from experiments.sweep import journal as files
from experiments.sweep import metadata
from experiments.sweep.exchange import Exchange, check_own, write
from experiments.sweep.jobs import OK
from experiments.sweep.journal import (
    Lock,
    Record,
    SeriesReader,
    Sink,
    Sources,
    json_bytes,
    parquet,
    read,
    read_parquet,
    record_at,
    shard,
)
from experiments.sweep.listing import (
    FAILURES,
    JOURNAL,
    LOCK,
    check_whole,
    listing,
    part_of,
    shard_bytes,
    shards,
)
from experiments.sweep.results import SweepResults
from experiments.sweep.stored import digest, find, read_manifest
from experiments.sweep.tables import FIXED, log_table, long_table, points_table, runs_table

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

    Attributes
    ----------
    mended
        A line for each file that was damaged, and is set aside now, or was not there.
    """

    def __init__(self, folder: str | Path, *, shared: bool = False) -> None:
        self.folder = Path(folder)
        self.shared = shared
        self._waiting: list[Record] = []
        self._shards: list[Path] = []
        self._exchange = Exchange(self.folder)
        self.mended: list[str] = []
        with _plain_errors(self.folder):
            check_own(self.folder)
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
        if self.shared:
            self._share()
        elif not alone:
            raise self._busy()
        if not alone:
            self.mended += self._exchange.mend_shards()

    def close(self) -> None:
        """Let others write."""
        self._lock.release()

    # -- what is there --------------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """What is known about the sweep; empty for a new folder, and where the manifest was damaged."""
        return read_manifest(self.folder, missing_ok=True)

    @property
    def missing(self) -> list[str]:
        """Files that were damaged and are to be made anew."""
        return sorted(self._exchange.known.missing)

    def has_journal(self) -> bool:
        """Rows stand in the journal that are not in the tables yet."""
        return bool(shards(self.folder))

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
        if _is_same(before, manifest) and not self.missing:
            return
        # Of writers that begin together one writes, and the others wait for it; who comes later does not wait.
        patience = 0.0 if before else SHARE_SECONDS
        if not self.shared or self._lock.take(exclusive=True, patience=patience):
            self._write_beginning(plan, manifest)
        elif before and not _is_same(before, manifest):
            self._share()
            raise StoreError(
                f"{self.folder}: others are writing the runs of a different experiment or model here"
            )
        if self.shared:
            self._share()

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
                **plan.stored(self.folder),
            }
            for name, data in written.items():
                self._exchange.stage(name, data)
            self._stage_series(log, sources, positions, points, replications, meanings)
            archived = self._stage_archive(sources, positions)
            described = [*self._exchange.staged, "manifest.json"]
            complete = {
                **self.manifest(),
                **manifest,
                "digest": table_digest(runs),
                "counts": _counts(runs, log),
                "archived": archived,
            }
            self._exchange.stage("manifest.json", json_bytes(complete))
            about = metadata.describe(self.folder, plan.experiment, complete, described, self._part)
            for name, text in about.items():
                self._exchange.stage(name, text.encode())
            self._stage_failures(log, points)
            self._exchange.commit(self._leaving(), heals=True)
            self._shards = []
        return complete

    def _leaving(self) -> list[str]:
        """Own files that count no more when the staged ones do."""
        journal = [f"{JOURNAL}/{path.name}" for path in shards(self.folder)]
        rest = [name for name in self._exchange.known.files if name not in self._exchange.staged]
        # Copies of users' files stay: rows in the archive may have been computed from them.
        return [*journal, *(name for name in rest if not INPUT.fullmatch(name))]

    def merge(self, other: str | Path) -> int:
        """Take over every run stored in another folder; returns how many rows were read."""
        place = Path(other)
        if listing(place) is not None:
            check_whole(place)
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

    def _recover(self) -> None:
        """Carry an interrupted exchange to its end, set aside what is damaged, clear away what never got its name."""
        self.mended += self._exchange.mend_lists()
        self._exchange.finish()
        self.mended += self._exchange.mend()
        if not self.shared:  # the part may be another writer's, where the file system has no locks
            self._exchange.clear()

    def _part(self, name: str) -> Path:
        return part_of(self.folder / name)

    def _share(self) -> None:
        """Hold the lock beside other writers."""
        if not self._lock.take(exclusive=False, patience=SHARE_SECONDS):
            raise self._busy()

    def _busy(self) -> StoreError:
        return StoreError(f"{self.folder}: another sweep is writing here; wait for it, or stop it")

    def _write_beginning(self, plan: Plan, manifest: Mapping[str, Any]) -> None:
        """Experiment, points and manifest, unless another writer wrote them while this one waited for the lock."""
        before = self.manifest()
        same = _is_same(before, manifest)
        if same and not self.missing:
            return
        written: dict[str, bytes] = {
            **plan.stored(self.folder),
            "points.parquet": parquet(points_table(plan, None, None, {})),
            "manifest.json": json_bytes({**before, **manifest, "complete": False}),
        }
        with _plain_errors(self.folder):
            if self.shared and (same or not before):
                # Each file takes its name by itself: where the file system has no locks, others may write the same now.
                self._exchange.share(written)
            else:
                for name, data in written.items():
                    self._exchange.stage(name, data)
                self._exchange.commit([], heals=False)

    def _write_shard(self, table: pa.Table) -> Path:
        folder = self.folder / JOURNAL
        data = parquet(table)
        path = folder / f"{time.time_ns():016x}-{hashlib.sha256(data).hexdigest()}.parquet"
        # Writers of one name write one content, but each its own part of it.
        part = part_of(folder / f"{secrets.token_hex(4)}.{path.name}")
        write(part, data)
        files.disk.rename(part, path)
        files.disk.sync_folder(folder)
        return path

    def _collect(self) -> None:
        """Several shards of this writer become one; a reader sees rows twice in between, which changes nothing."""
        tables = [read_parquet(shard_bytes(path), path) for path in self._shards]
        gathered = self._write_shard(pa.concat_tables(tables, promote_options="permissive"))
        for path in self._shards:
            files.disk.remove(path)
        self._shards = []
        files.disk.sync_folder(gathered.parent)

    def _stage_series(
        self,
        log: pa.Table,
        sources: Sources | None,
        positions: np.ndarray[Any, Any],
        points: np.ndarray[Any, Any],
        replications: np.ndarray[Any, Any],
        meanings: Mapping[str, tuple[str, str]],
    ) -> None:
        """series.parquet, a few hundred runs at a time, so that memory does not grow with the sweep."""
        kept = _with_series(log)
        if sources is None or not len(kept):
            return
        reader = SeriesReader(sources)
        positions, points, replications = positions[kept], points[kept], replications[kept]
        ids = sources.table.column("run_id")
        writer = None
        with self._part("series.parquet").open("wb") as handle:
            content = Sink(handle)
            sink = pa.PythonFile(content, mode="w")
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
        self._exchange.staged["series.parquet"] = content.sha256

    def _stage_archive(self, sources: Sources | None, members: np.ndarray[Any, Any]) -> int:
        """Keep stored runs that the experiment no longer asks for; says how many."""
        if sources is None:
            return 0
        inside = set(members.tolist())
        rest = [position for position in sources.chosen.values() if position not in inside]
        if not rest:
            return 0
        reader = SeriesReader(sources)
        records = [record_at(sources.table, position, reader) for position in sorted(rest)]
        self._exchange.stage("archive.parquet", parquet(shard(records)))
        return len(rest)

    def _stage_failures(self, log: pa.Table, points: np.ndarray[Any, Any]) -> None:
        """One readable file per failed run; the log holds the same."""
        for row, state in enumerate(log.column("status").to_pylist()):
            if state != OK:
                entry = {name: log.column(name)[row].as_py() for name in FIXED}
                text = metadata.failure_text(entry, int(points[row]))
                self._exchange.stage(f"{FAILURES}/{entry['run_id']}.txt", text.encode())


def mended(folder: Path, *, shared: bool = False) -> list[str]:
    """Set aside what is damaged in a sweep's folder, so that what is whole can be read; returns a line for each file.

    Raises
    ------
    StoreError
        If the folder is in use, is no result of a sweep, or cannot be written to.
    """
    store = SweepStore(folder, shared=shared)
    store.close()
    return store.mended


def load(path: str | Path) -> SweepResults:
    """The results of a sweep, finished or not, as tidy data frames with units.

    Raises
    ------
    StoreError
        If the folder holds no result of a sweep, or a file of it is damaged; names it and what mends it.
    """
    folder = Path(path)
    check_whole(folder)
    manifest = read_manifest(folder)
    if manifest.get("complete") and not shards(folder):
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


def _is_same(before: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Whether two manifests are of one experiment and model."""
    return all(
        before.get(key) == manifest.get(key) for key in ("plan", "fingerprint", "experiment", "series")
    )


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


__all__ = ["Record", "StoreError", "SweepStore", "digest", "find", "load", "mended", "read_manifest"]
