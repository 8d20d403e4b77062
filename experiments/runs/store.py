"""The result store: one folder per run, Parquet tables with units, a manifest, and a digest of the content.

A folder is made whole or not at all. Everything is written into a hidden sibling folder, flushed to the disk, and renamed
in one step; the manifest is the last file, and a folder without one is not a result. The bytes of the tables are a
function of their content alone (fixed compression, no time stamps), so equal runs are equal files.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.runs.folder import StoreError, check_files, put, verified
from sim.base.declared import bounds_of

if TYPE_CHECKING:
    import pandas as pd

Table = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
Meanings = Mapping[str, Mapping[str, tuple[str, str]]]

FORMAT = 2
# Version of firesale that read and wrote each earlier format, and why it ended.
EARLIER = {1: ("0.1", "columns and parameters were renamed in 0.2 (CHANGELOG.md lists them)")}
MANIFEST = "manifest.json"
# Fixed, so that equal content is equal bytes whatever the defaults of the library become.
PARQUET = {
    "compression": "zstd",
    "compression_level": 3,
    "version": "2.6",
    "data_page_version": "1.0",
    "use_dictionary": True,
    "write_statistics": True,
    "store_schema": True,
    "row_group_size": 1 << 20,
}


def save(
    folder: str | Path,
    tables: Mapping[str, Table],
    columns: Meanings,
    manifest: Mapping[str, Any],
) -> dict[str, Any]:
    """Write tables, codebook and manifest into a folder made by `writing`; returns the full manifest.

    Parameters
    ----------
    tables
        Table -> column -> values, equal lengths within a table.
    columns
        Table -> column -> (unit, meaning); kept in the Arrow field metadata, the codebook and the manifest.
    manifest
        What else is known about the run: scenario, parameters, seed, versions, timings.

    Raises
    ------
    StoreError
        If the disk is full or cannot be written to.
    ValueError
        If columns of a table differ in length.
    """
    arrow = {name: arrow_table(name, table, columns.get(name, {})) for name, table in tables.items()}
    return save_tables(folder, arrow, manifest)


def save_tables(
    folder: str | Path, tables: Mapping[str, pa.Table], manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """`save` for tables that are Arrow's already, each column with its unit and meaning."""
    place = Path(folder)
    described: dict[str, Any] = {}
    codebook = ["table,column,type,unit,meaning,bounds"]
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name in sorted(tables):
            table = tables[name]
            pq.write_table(table, place / f"{name}.parquet", **PARQUET)
            described[name] = {"rows": table.num_rows, "digest": table_digest(table)}
            for field in table.schema:
                unit, meaning = units(field)
                bounds = (field.metadata or {}).get(b"bounds", b"").decode()
                said = (_quoted(text) for text in (unit, meaning, bounds))
                codebook.append(",".join([name, field.name, str(field.type), *said]))
        (place / "codebook.csv").write_text("\n".join(codebook) + "\n", encoding="utf-8")
        whole = {
            "format": FORMAT,
            **manifest,
            "tables": described,
            "digest": _combined({name: entry["digest"] for name, entry in described.items()}),
        }
        text = json.dumps(whole, indent=1, ensure_ascii=False, default=_plain)
        (place / MANIFEST).write_text(text + "\n", encoding="utf-8")
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot be written: {getattr(error, 'strerror', None) or error}") from None
    return whole


def load_manifest(folder: str | Path) -> dict[str, Any]:
    """What is known about a stored run.

    Raises
    ------
    StoreError
        If the folder holds no whole result.
    """
    place = Path(folder)
    path = place / MANIFEST
    if not path.is_file():
        raise StoreError(f"{folder}: no result of a run (it has no {MANIFEST}){_arms_hint(place)}")
    refuse_earlier(path)
    try:
        manifest: dict[str, Any] = json.loads(verified(place, MANIFEST))
    except ValueError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None
    check_format(manifest, path)
    if "tables" not in manifest:
        raise StoreError(f"{folder}: a sweep, not one run; `firesale replay` stores one run of a sweep")
    return manifest


def refuse_earlier(path: Path) -> None:
    """Say of a manifest of an earlier version that it is one, whatever else is to be said of it.

    Raises
    ------
    StoreError
        It is.
    """
    with contextlib.suppress(OSError, ValueError):
        said = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(said, dict) and said.get("format") in EARLIER:
            check_format(said, path)


def put_tables(
    folder: str | Path,
    tables: "Mapping[str, pd.DataFrame]",
    *,
    kind: str,
    digits: str | None = None,
) -> None:
    """Write data frames as CSV files into a result folder of a kind, as `put` does; `digits` is a format such as ``%.6g``.

    Raises
    ------
    StoreError
        If a file of one of the names stands there that firesale did not write.
    """
    put(folder, csv_files(tables, digits), kind=kind)


def csv_files(tables: "Mapping[str, pd.DataFrame]", digits: str | None = None) -> dict[str, bytes]:
    """Data frames as CSV files: name of the file -> bytes."""
    return {
        f"{name}.csv": table.to_csv(index=False, lineterminator="\n", float_format=digits).encode()
        for name, table in tables.items()
    }


def check_format(manifest: Mapping[str, Any], path: Path) -> None:
    """Refuse a result of another format; of an earlier one with the version that reads it.

    Raises
    ------
    StoreError
        The manifest was written in another format.
    """
    found = manifest.get("format")
    if found == FORMAT:
        return
    if found in EARLIER:
        version, why = EARLIER[found]
        raise StoreError(f"{path}: written by firesale {version}, which also reads it; {why}")
    raise StoreError(f"{path}: format {found!r} is not the format {FORMAT} this version reads")


def load_tables(folder: str | Path) -> dict[str, pa.Table]:
    """Arrow tables of a stored run, with unit and meaning in the field metadata."""
    place = Path(folder)
    tables = {}
    for name in load_manifest(place)["tables"]:
        path = place / f"{name}.parquet"
        try:
            # One thread, no guessing of partitions from folder names.
            tables[name] = pq.ParquetFile(pa.BufferReader(verified(place, path.name))).read(use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from None
    return tables


def load_run(folder: str | Path) -> "dict[str, pd.DataFrame]":
    """Tables of a stored run as data frames, as `frame_of` gives them.

    Raises
    ------
    StoreError
        If the folder holds no whole result.
    """
    return {name: frame_of(table) for name, table in load_tables(folder).items()}


def frame_of(table: pa.Table) -> "pd.DataFrame":
    """A table as a data frame; ``attrs["units"]`` and ``attrs["meanings"]`` say of each column what pandas would drop."""
    frame: pd.DataFrame = table.to_pandas()
    frame.attrs["units"] = {field.name: units(field)[0] for field in table.schema}
    frame.attrs["meanings"] = {field.name: units(field)[1] for field in table.schema}
    return frame


def empty_table(columns: Mapping[str, tuple[str, str]]) -> pa.Table:
    """A table to which nothing was written; column -> (unit, meaning)."""
    return arrow_table("empty", dict.fromkeys(columns, np.zeros(0)), columns)


def field_metadata(said: tuple[str, str]) -> dict[str, str]:
    """What is declared of a column, as its stored field says it: unit, meaning, and its bounds where it has any."""
    (unit, meaning), bounds = said, bounds_of(said)
    return {"unit": unit, "meaning": meaning} | ({} if bounds is None else {"bounds": str(bounds)})


def units(field: pa.Field) -> tuple[str, str]:
    """Unit and meaning of a stored column."""
    metadata = field.metadata or {}
    return metadata.get(b"unit", b"").decode(), metadata.get(b"meaning", b"").decode()


def digest(folder: str | Path) -> str:
    """Digest of the tables of a stored run, computed from what stands on the disk; timings and versions are left out.

    Raises
    ------
    StoreError
        If a file of the run is damaged or missing, or a table is not the one the manifest was written for.
    """
    manifest = load_manifest(folder)
    check_files(folder)
    found = {name: table_digest(table) for name, table in load_tables(folder).items()}
    for name, entry in manifest["tables"].items():
        if found[name] != entry["digest"]:
            raise StoreError(f"{folder}: {name}.parquet is not the table the manifest was written for")
    return _combined(found)


def digest_of(tables: Mapping[str, Table]) -> str:
    """The digest a run would have if it were stored."""
    return digest_of_tables({name: arrow_table(name, table) for name, table in tables.items()})


def digest_of_tables(tables: Mapping[str, pa.Table]) -> str:
    """The same of tables that are Arrow's already."""
    return _combined({name: table_digest(table) for name, table in tables.items()})


def _arms(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))


def _arms_hint(folder: Path) -> str:
    arms = _arms(folder)
    return f"; its arms are {', '.join(arms)}" if arms else ""


def arrow_table(name: str, table: Table, meanings: Mapping[str, tuple[str, str]] | None = None) -> pa.Table:
    """A table as pyarrow holds it, text as strings; each column with its unit and meaning where they are known."""
    fields, arrays = [], []
    lengths = {column: len(values) for column, values in table.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of table {name} differ in length: {lengths}")
    for column, values in table.items():
        array = pa.array(values.tolist(), pa.string()) if values.dtype.kind in "UO" else pa.array(values)
        arrays.append(array)
        fields.append(
            pa.field(column, array.type, metadata=field_metadata((meanings or {}).get(column, ("", ""))))
        )
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def table_digest(table: pa.Table) -> str:
    """sha256 over names, types and values of the columns in order, independent of how they are stored."""
    content = hashlib.sha256()
    for field in table.schema:
        content.update(f"{field.name}:{field.type};{table.num_rows};".encode())
        column = table.column(field.name)
        if pa.types.is_string(field.type):
            for text in column.to_pylist():
                data = (text or "").encode()
                content.update(len(data).to_bytes(4, "little"))
                content.update(data)
        else:
            values = column.to_numpy()
            # Results are compared between machines, so the byte order is said.
            content.update(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes())
    return content.hexdigest()


def _combined(digests: Mapping[str, str]) -> str:
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
