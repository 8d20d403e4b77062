"""Where a sweep's results stand, and what the folder says of itself and of single runs: manifest, digest, the log of a run."""

import json
from pathlib import Path
from typing import Any

from experiments.design.experiment import DEFAULT_ARM
from experiments.design.plan import Plan
from experiments.runs.folder import StoreError, check_parts, default_folder
from experiments.runs.store import check_format, refuse_earlier, table_digest
from experiments.sweep.journal import read, read_parquet
from experiments.sweep.listing import check_whole, shards, whole, whole_bytes
from experiments.sweep.tables import FIXED


def folder_of(plan: Plan, out: str | Path | None = None) -> Path:
    """Where a sweep's results go; by its name, arm and seed if nobody says where."""
    asked = plan.experiment
    arm = [] if asked.arm == DEFAULT_ARM else [asked.arm]
    return default_folder("sweep", asked.name, *arm, seed=asked.seed) if out is None else Path(out)


def read_manifest(folder: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """The manifest of a sweep.

    Raises
    ------
    StoreError
        If it is missing or unreadable.
    """
    refuse_earlier(folder / "manifest.json")
    data = whole_bytes(folder, "manifest.json")
    if data is None and missing_ok:
        return {}
    if data is None:
        raise StoreError(f"{folder}: no result of a sweep (it has no manifest.json)")
    try:
        manifest: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise StoreError(f"{folder}/manifest.json: cannot be read: {error}") from None
    check_format(manifest, folder / "manifest.json")
    return manifest


def digest(folder: str | Path) -> str:
    """Digest of the runs of a finished sweep, computed from what stands on the disk after every file was checked.

    Raises
    ------
    StoreError
        If a file is damaged or missing, or the sweep is not at its end.
    """
    place = Path(folder)
    for name in check_whole(place).files:
        whole(place, name)
    check_parts(place)
    manifest, data = read_manifest(place), whole_bytes(place, "runs.parquet")
    if not manifest.get("complete") or data is None or shards(place):
        raise StoreError(f"{place}: the sweep is not at its end; the same `firesale sweep` command goes on")
    found = table_digest(read_parquet(data, place / "runs.parquet"))
    if found != manifest["digest"]:
        raise StoreError(f"{place}: runs.parquet is not the table the manifest was written for")
    return found


def find(folder: str | Path, run_id: str) -> dict[str, Any]:
    """The log of one stored run, found by the beginning of its id.

    Raises
    ------
    StoreError
        If no run, or more than one, begins like that.
    """
    check_whole(Path(folder))
    sources = read(Path(folder), list(FIXED))
    ids = [] if sources is None else sorted(name for name in sources.chosen if name.startswith(run_id))
    if sources is None or len(ids) != 1:
        found = f"{len(ids)} runs begin" if ids else "no run begins"
        raise StoreError(f"{folder}: {found} with {run_id!r}")
    row = sources.chosen[ids[0]]
    return {
        name: sources.table.column(name)[row].as_py() for name in FIXED if name in sources.table.column_names
    }
