"""Which files of a folder are those of a sweep, and whether each is as it was written.

The list stands there twice, as the marker of result folders and as ``commit.json``, so that one damaged copy costs nothing.
A file counts if it has the sha256 of the list; a shard of the journal has it in its name. A file that has it not is missing
until the sweep is resumed. Whatever else stands in the folder is somebody else's.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.design.portable import INPUT
from experiments.runs.folder import MARKER, Marker, StoreError, marker_of

KIND = "sweep"
COMMIT = "commit.json"
JOURNAL = "journal"
FAILURES = "failures"
DAMAGED = "damaged"
LOCK = ".lock"
TABLES = ("runs.parquet", "log.parquet", "points.parquet", "series.parquet", "archive.parquet")
TEXTS = (
    "experiment.toml",
    "scenario.toml",
    "manifest.json",
    "codebook.csv",
    "datapackage.json",
    "ro-crate-metadata.json",
    "README.md",
)
SHARD = re.compile(r"[0-9a-f]{16}-([0-9a-f]{64})\.parquet")
PART = re.compile(
    r"\.([0-9a-f]{8}\.)?("
    + "|".join(re.escape(name) for name in (*TABLES, *TEXTS, COMMIT, MARKER))
    + "|"
    + SHARD.pattern
    + "|"
    + INPUT.pattern
    + r"|[0-9a-f]+\.txt)\.part"
)


@dataclass(frozen=True, slots=True)
class Listing:
    """Own files of a sweep: path inside the folder -> sha256.

    Attributes
    ----------
    files
        Those that count.
    gone
        Those that the last exchange replaced or removed.
    missing
        Those that were damaged or are not there; the next compaction makes them anew.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def commit(self) -> bytes:
        """Text of ``commit.json``, which holds its own sha256."""
        said = {
            "kind": KIND,
            **{name: dict(sorted(getattr(self, name).items())) for name in ("files", "gone", "missing")},
        }
        return (json.dumps(said | {"sha256": _sha256_of(said)}, indent=1) + "\n").encode()

    def marker(self) -> Marker:
        """The marker of the folder. It lists what is missing too: who has it alone finds that it is not there."""
        return Marker(KIND, {**self.files, **self.missing})


def listing(folder: Path) -> Listing | None:
    """The list of a folder; None if it is not a sweep's.

    Raises
    ------
    StoreError
        If both copies are damaged, or one is and the other is not there.
    """
    said = committed(folder)
    if said is not None:
        return said
    marker = marker_of(folder)
    if marker is not None and marker.kind == KIND:
        return Listing(marker.files)
    if marker is None and os.path.lexists(folder / COMMIT):
        if (said := committed(folder)) is not None:
            return said  # another writer wrote it since it was looked for above
        raise StoreError(f"{folder / COMMIT}: damaged, and {MARKER} beside it is not there; {_choose()}")
    return None


def committed(folder: Path) -> Listing | None:
    """What ``commit.json`` says; None if it is not there or is damaged."""
    try:
        said = json.loads((folder / COMMIT).read_text(encoding="utf-8"))
        if said["kind"] != KIND or said.pop("sha256") != _sha256_of(said):
            return None
        return Listing(said["files"], said["gone"], said["missing"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def whole(folder: Path, name: str) -> Path | None:
    """Where a listed file stands, if it is as it was written: under its name, or beside it amid an exchange.

    Returns
    -------
    Path or None
        None if the list does not have it.

    Raises
    ------
    StoreError
        If it is listed, and damaged or not there; names it and what mends it.
    """
    known = listing(folder)
    while known is not None and name in known.files:
        for path in (folder / name, part_of(folder / name)):
            if sha256_of(path) == known.files[name]:
                return path
        again = listing(folder)
        if again == known:
            raise damaged(folder / name, folder)
        known = again  # an exchange came between
    return None


def whole_bytes(folder: Path, name: str) -> bytes | None:
    """The bytes of a listed file, as `whole`."""
    known = listing(folder)
    while known is not None and name in known.files:
        for path in (folder / name, part_of(folder / name)):
            data = _bytes(path)
            if data is not None and hashlib.sha256(data).hexdigest() == known.files[name]:
                return data
        again = listing(folder)
        if again == known:
            raise damaged(folder / name, folder)
        known = again
    return None


def check_whole(folder: Path) -> Listing:
    """The list of a sweep that nothing is missing from.

    Raises
    ------
    StoreError
        If the folder is no sweep's, or something was damaged and not computed again yet.
    """
    known = listing(folder)
    if known is None:
        raise StoreError(f"{folder}: no result of a sweep (it has no {MARKER} that says so)")
    # The marker alone does not say which shards an exchange has replaced.
    unclear = [COMMIT] if committed(folder) is None else []
    for name in (*unclear, *sorted(known.missing)):
        raise damaged(folder / name, folder)
    return known


def shards(folder: Path) -> list[Path]:
    """Shards of the journal in order of their names, without those an exchange has replaced."""
    known = listing(folder) or Listing()
    place = folder / JOURNAL
    if not place.is_dir():
        return []
    found = sorted(path for path in place.iterdir() if SHARD.fullmatch(path.name))
    return [path for path in found if f"{JOURNAL}/{path.name}" not in known.gone]


def shard_bytes(path: Path) -> bytes:
    """The bytes of a shard.

    Raises
    ------
    FileNotFoundError
        If it was gathered into another since.
    StoreError
        If it is damaged.
    """
    data = _bytes(path)
    if data is None and not os.path.lexists(path):
        raise FileNotFoundError(path)
    if data is None or hashlib.sha256(data).hexdigest() != shard_sha256(path.name):
        raise damaged(path, path.parent.parent)
    return data


def shard_sha256(name: str) -> str:
    """What a shard's name says of its content."""
    found = SHARD.fullmatch(name)
    return found.group(1) if found else ""


def damaged(path: Path, folder: Path) -> StoreError:
    """What a reader is told."""
    what = "not as it was written" if os.path.lexists(path) else "missing"
    return StoreError(
        f"{path}: {what}; the command that made the sweep, `firesale sweep EXPERIMENT --out {folder}`, keeps what is whole "
        "and computes the rest again"
    )


def part_of(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f".{path.name}.part")


def sha256_of(path: Path) -> str:
    """Digest of a file; nothing of what is none, or cannot be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _sha256_of(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _choose() -> str:
    return "choose another folder with --out"
