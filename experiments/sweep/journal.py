"""Where the rows of a sweep stand on the disk: shards of the journal, tables, archive, and how each is read and written."""

import functools
import hashlib
import io
import json
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.runs.folder import StoreError, flush_folder
from experiments.runs.store import PARQUET
from experiments.sweep.jobs import OK, Result
from experiments.sweep.listing import Listing, listing, shard_bytes, shards, whole, whole_bytes
from experiments.sweep.tables import FIXED, OUTCOME, SERIES

SERIES_TABLE, ARCHIVE = "series.parquet", "archive.parquet"
MOST_LISTS = 5  # times shards are looked for while a writer gathers them
HELD_PIECES = 32  # pieces of series files kept in memory while series are gathered


class Disk:
    """Every way this module touches the disk, in one place, so that tests can fail each of them in turn."""

    def write(self, handle: io.BufferedWriter, data: bytes) -> None:
        """Append to an open file."""
        handle.write(data)

    def sync(self, handle: io.BufferedWriter) -> None:
        """Force a file's content to the disk."""
        handle.flush()
        os.fsync(handle.fileno())

    def rename(self, source: Path, target: Path) -> None:
        """Give a file its name in one step."""
        os.replace(source, target)

    def remove(self, path: Path) -> None:
        """Delete a file, if it is there."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Force names in a folder to the disk."""
        flush_folder(folder)


disk = Disk()


@dataclass(frozen=True, slots=True)
class Record:
    """A run and what came of it, as it goes into the journal."""

    parameters_id: str
    parameters: str
    replication: int
    seed: int
    fingerprint: str
    attempts: int
    result: Result


@dataclass(slots=True)
class Sources:
    """Every stored row without its series, and where each came from."""

    table: pa.Table
    file: np.ndarray[Any, np.dtype[np.int64]]
    row: np.ndarray[Any, np.dtype[np.int64]]
    paths: list[Path]
    chosen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = self.table.column("run_id").to_pylist()
        good = np.asarray(self.table.column("status").to_numpy(zero_copy_only=False) == OK)
        paths = np.asarray(self.table.column("has_series").to_numpy(zero_copy_only=False), dtype=np.bool_)
        rank = good * 2 + paths
        for position, run_id in enumerate(ids):
            known = self.chosen.get(run_id)
            # Of several rows of one run the best counts; among good ones the first, so that order of files decides nothing,
            # and of failures the last, which says what is wrong now.
            if known is None or rank[position] > rank[known] or not (good[position] or good[known]):
                self.chosen[run_id] = position


def parquet_file(data: bytes, path: Path) -> pq.ParquetFile:
    """Bytes that are as they were written as a Parquet file; StoreError names one that cannot be understood."""
    try:
        return pq.ParquetFile(pa.BufferReader(data))
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None


def read_parquet(data: bytes, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or those of the columns it has."""
    file = parquet_file(data, path)
    names = file.schema_arrow.names
    chosen = None if columns is None else [name for name in columns if name in names]
    try:
        return file.read(columns=chosen, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None


def read(folder: Path, columns: Sequence[str] | None = None) -> Sources | None:
    """Rows of tables, archive and journal, without series; None where nothing is stored.

    Raises
    ------
    StoreError
        If one of the files is not as it was written.
    """
    for _ in range(MOST_LISTS):
        try:
            return _read(folder, columns)
        except FileNotFoundError:  # a writer gathered shards in between
            continue
    return _read(folder, columns)


def _read(folder: Path, columns: Sequence[str] | None) -> Sources | None:
    tables: list[pa.Table] = []
    paths: list[Path] = []
    runs, log = whole_bytes(folder, "runs.parquet"), whole_bytes(folder, "log.parquet")
    if runs is not None and log is not None:
        tables.append(_read_tables(folder, runs, log, columns))
        paths.append(folder / SERIES_TABLE)
    archive = whole_bytes(folder, ARCHIVE)
    others = [] if archive is None else [(folder / ARCHIVE, archive)]
    others += [(path, shard_bytes(path)) for path in shards(folder)]
    for path, data in others:
        names = columns
        if names is None:
            schema = parquet_file(data, path).schema_arrow
            names = [name for name in schema.names if not name.startswith(SERIES)]
        tables.append(read_parquet(data, path, names))
        paths.append(path)
    if not tables:
        return None
    lengths = [table.num_rows for table in tables]
    table = pa.concat_tables(tables, promote_options="permissive")
    file = np.repeat(np.arange(len(tables)), lengths)
    row = np.concatenate([np.arange(length) for length in lengths])
    return Sources(table, file, row, paths)


def finished(folder: Path) -> dict[str, tuple[str, bool]]:
    """Stored runs: id -> (status, whether its series are stored)."""
    sources = read(folder, ["run_id", "status", "has_series"])
    if sources is None:
        return {}
    status = sources.table.column("status").to_pylist()
    series = sources.table.column("has_series").to_pylist()
    return {run_id: (status[row], bool(series[row])) for run_id, row in sources.chosen.items()}


def outcomes_of(folder: Path, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Outcomes of the stored runs that ended well: id -> name -> value, NaN where there is none."""
    sources = read(folder, ["run_id", "status", "has_series", *(OUTCOME + name for name in names)])
    if sources is None:
        return {}
    status = sources.table.column("status").to_pylist()
    missing = [float("nan")] * len(status)
    held = {
        name: sources.table.column(OUTCOME + name).to_pylist()
        if OUTCOME + name in sources.table.column_names
        else missing
        for name in names
    }
    return {
        run_id: {name: float("nan") if values[row] is None else values[row] for name, values in held.items()}
        for run_id, row in sources.chosen.items()
        if status[row] == OK
    }


def _read_tables(folder: Path, runs: bytes, log: bytes, columns: Sequence[str] | None) -> pa.Table:
    """runs.parquet and log.parquet side by side, in the shape of a shard."""
    path = folder / "runs.parquet"
    schema = parquet_file(runs, path).schema_arrow
    outcomes = [f.name for f in schema if (f.metadata or {}).get(b"role") == b"outcome"]
    wanted = outcomes if columns is None else [name for name in outcomes if OUTCOME + name in columns]
    fixed = None if columns is None else [name for name in columns if name in FIXED]
    table = read_parquet(log, folder / "log.parquet", fixed)
    if wanted:
        measured = read_parquet(runs, path, wanted)
        if measured.num_rows != table.num_rows:
            raise StoreError(f"{path}: changed while it was read; read it again")
        for name in wanted:
            table = table.append_column(pa.field(OUTCOME + name, pa.float64()), measured.column(name))
    if "has_series" in table.column_names and SERIES_TABLE not in (listing(folder) or Listing()).files:
        # The runs are known, their paths were damaged: those that are asked for are computed again.
        place = table.column_names.index("has_series")
        nothing = pa.array(np.zeros(table.num_rows, dtype=np.bool_))
        table = table.set_column(place, table.schema.field(place), nothing)
    return table.replace_schema_metadata(None).cast(
        pa.schema([pa.field(f.name, f.type) for f in table.schema])
    )


class SeriesReader:
    """Series of single runs out of shards and of series.parquet; holds a few pieces of files at a time."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._held: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._places: dict[str, tuple[int, int, int]] | None = None
        self._table: pq.ParquetFile | None = None

    def get(self, position: int) -> dict[str, np.ndarray[Any, Any]]:
        """Columns of one run; empty if it has none."""
        file = int(self._sources.file[position])
        path = self._sources.paths[file]
        if path.name == SERIES_TABLE:
            return self._of_table(file, path, self._sources.table.column("run_id")[int(position)].as_py())
        columns = self._piece(file, 0, lambda: _lists(path))
        row = int(self._sources.row[position])
        return {name: values[offsets[row] : offsets[row + 1]] for name, (offsets, values) in columns.items()}

    def _of_table(self, file: int, path: Path, run_id: str) -> dict[str, np.ndarray[Any, Any]]:
        if self._places is None:
            # It is the one file that may not fit into memory, so it is held against its list and then read in pieces.
            place = whole(path.parent, path.name)
            self._table = pq.ParquetFile(place) if place is not None else None
            self._places = _places(self._table) if self._table is not None else {}
        if self._table is None or run_id not in self._places:
            return {}
        group, start, stop = self._places[run_id]
        read_group = functools.partial(self._table.read_row_group, group, use_threads=False)
        table = self._piece(file, group, read_group)
        names = [name for name in table.column_names if name not in ("run_id", "point", "replication")]
        return {name: table.column(name).slice(start, stop - start).to_numpy() for name in names}

    def _piece(self, file: int, group: int, read: Callable[[], Any]) -> Any:
        key = (file, group)
        if key not in self._held:
            self._held[key] = read()
            if len(self._held) > HELD_PIECES:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]


def _lists(path: Path) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Series columns of a shard or of the archive: name -> (offsets, values)."""
    data = whole_bytes(path.parent, ARCHIVE) if path.name == ARCHIVE else shard_bytes(path)
    if data is None:
        raise StoreError(f"{path}: changed while it was read; read it again")
    names = [name for name in parquet_file(data, path).schema_arrow.names if name.startswith(SERIES)]
    table = read_parquet(data, path, names)
    columns = {}
    for name in names:
        array = table.column(name).combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        columns[name.removeprefix(SERIES)] = (array.offsets.to_numpy(), array.values.to_numpy())
    return columns


def _places(file: pq.ParquetFile) -> dict[str, tuple[int, int, int]]:
    """Where each run stands in series.parquet: id -> (row group, first row, row after the last)."""
    places = {}
    for group in range(file.num_row_groups):
        ids = file.read_row_group(group, columns=["run_id"], use_threads=False).column("run_id").to_pylist()
        start = 0
        for row in range(1, len(ids) + 1):
            if row == len(ids) or ids[row] != ids[start]:
                places[ids[start]] = (group, start, row)
                start = row
    return places


def record_at(table: pa.Table, position: int, reader: SeriesReader) -> Record:
    """A stored row as it was when it went into the journal."""
    row = {name: table.column(name)[int(position)].as_py() for name in table.column_names}
    outcomes = {
        name.removeprefix(OUTCOME): value
        for name, value in row.items()
        if name.startswith(OUTCOME) and value is not None
    }
    series = reader.get(position) if row["has_series"] else {}
    result = Result(
        row["run_id"],
        row["status"],
        row["error"],
        row["traceback"],
        row["seconds"],
        row["peak_mb"],
        outcomes,
        series,
        row["provenance"],
    )
    return Record(
        row["parameters_id"],
        row["parameters"],
        row["replication"],
        row["seed"],
        row["fingerprint"],
        row["attempts"],
        result,
    )


def shard(records: Sequence[Record]) -> pa.Table:
    """Rows as a shard: fixed columns, outcomes, and series as lists."""
    columns: dict[str, Any] = {
        "run_id": [record.result.run_id for record in records],
        "parameters_id": [record.parameters_id for record in records],
        "replication": [record.replication for record in records],
        "seed": [record.seed for record in records],
        "fingerprint": [record.fingerprint for record in records],
        "parameters": [record.parameters for record in records],
        "status": [record.result.status for record in records],
        "error": [record.result.error for record in records],
        "traceback": [record.result.traceback for record in records],
        "seconds": [record.result.seconds for record in records],
        "peak_mb": [record.result.peak_mb for record in records],
        "attempts": [record.attempts for record in records],
        "has_series": [bool(record.result.series) for record in records],
        "provenance": [record.result.provenance for record in records],
    }
    arrays = [pa.array(columns[name], kind) for name, kind in FIXED.items()]
    names = list(FIXED)
    for name in sorted({name for record in records for name in record.result.outcomes}):
        names.append(OUTCOME + name)
        arrays.append(pa.array([record.result.outcomes.get(name) for record in records], pa.float64()))
    for name in sorted({name for record in records for name in record.result.series}):
        names.append(SERIES + name)
        lists = [record.result.series.get(name) for record in records]
        arrays.append(
            pa.array([None if v is None else np.asarray(v, float) for v in lists], pa.list_(pa.float64()))
        )
    return pa.Table.from_arrays(arrays, names=names)


def parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **PARQUET)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def json_bytes(value: Any) -> bytes:
    """JSON for people to read too."""
    return (json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n").encode()


class Sink(io.RawIOBase):
    """A file for pyarrow whose writes go through `disk`."""

    def __init__(self, handle: io.BufferedWriter) -> None:
        super().__init__()
        self._handle = handle
        self._content = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of everything that was written."""
        return self._content.hexdigest()

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def write(self, data: Any) -> int:
        """Append; returns how many bytes."""
        piece = bytes(data)
        self._content.update(piece)
        disk.write(self._handle, piece)
        return len(piece)

    def tell(self) -> int:
        """Position in the file."""
        return self._handle.tell()

    def flush(self) -> None:
        """Hand on what is buffered; Python does so once more when the file is gone."""
        if not self._handle.closed:
            self._handle.flush()


class Lock:
    """Advisory lock of a folder; where the system has none, writers must keep apart by themselves."""

    def __init__(self, path: Path) -> None:
        self._handle = path.open("a")

    def take(self, *, exclusive: bool, patience: float = 0.0) -> bool:
        """Take or change the lock; False if others hold one that forbids it for more than `patience` seconds."""
        try:
            import fcntl
        except ImportError:  # Windows
            return True
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self._handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    return False
                time.sleep(0.02)
            except OSError:  # a file system without locks
                return True
            else:
                return True

    def release(self) -> None:
        """Let others take it."""
        self._handle.close()
