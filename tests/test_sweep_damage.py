"""Files of a sweep that are damaged are made anew by the next resume; files of others are never touched."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sweep_tasks

from experiments.design.plan import Plan, plan_of
from experiments.runs.folder import StoreError, writing
from experiments.sweep import engine, journal
from experiments.sweep.store import digest

# What says when it was made.
DATED = (
    "manifest.json",
    "datapackage.json",
    "ro-crate-metadata.json",
    "log.parquet",
    "commit.json",
    ".firesale.json",
)


def small_plan(replications: int = 4) -> Plan:
    return plan_of([{"a": 0.0}, {"a": 1.0}], name="small", seed=5, replications={"count": replications})


def small_sweep(folder: Path, plan: Plan | None = None) -> engine.Report:
    return engine.sweep(plan or small_plan(), sweep_tasks.noisy, folder, executor=0)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal.os, "fsync", lambda handle: None)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored") / "sweep"
    small_sweep(folder)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file, but without what says when it was made."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): b"" if path.name in DATED else path.read_bytes()
        for path in files
    }


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("runs.parquet", flip),
        ("log.parquet", cut),
        ("series.parquet", Path.unlink),
        ("points.parquet", flip),
        ("manifest.json", flip),
        ("experiment.toml", Path.unlink),
        ("README.md", cut),
        (".firesale.json", cut),
        ("commit.json", Path.unlink),
    ],
)
def test_a_resume_mends_any_file(
    name: str, harm: Callable[[Path], object], tmp_path: Path, stored: Path
) -> None:
    folder, undisturbed = tmp_path / "sweep", content(stored)
    shutil.copytree(stored, folder)
    harm(folder / name)
    if name not in (".firesale.json", "commit.json"):  # either is enough
        with pytest.raises(StoreError, match=rf"{name}: .*firesale sweep EXPERIMENT --out") as said:
            digest(folder)
        assert "\n" not in str(said.value)
    (line,) = small_sweep(folder).mended
    assert line.startswith(f"{folder / name}: ")
    kept = folder / "damaged" / name.removeprefix(".")
    assert kept.exists() == (harm is not Path.unlink)
    shutil.rmtree(folder / "damaged", ignore_errors=True)
    assert content(folder) == undisturbed
    assert digest(folder) == digest(stored)


def test_the_digest_of_a_sweep_that_is_not_at_its_end_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    engine.sweep(small_plan(), sweep_tasks.noisy, folder, executor=0, shard=(1, 2))
    with pytest.raises(StoreError, match="not at its end"):
        digest(folder)


@pytest.mark.parametrize("name", ["series.parquet", "archive.parquet", "journal"])
def test_a_file_of_others_where_a_sweep_needs_the_name_refuses(name: str, tmp_path: Path) -> None:
    engine.sweep(small_plan(), sweep_tasks.pathless, tmp_path / "sweep", executor=0)
    place = tmp_path / "sweep" / name
    if place.is_dir():
        place.rmdir()
    place.write_text("years of work")
    with pytest.raises(StoreError, match=f"{name}: firesale did not"):
        small_sweep(tmp_path / "sweep", small_plan(replications=5))
    assert place.read_text() == "years of work"


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    small_sweep(folder)
    others = [folder / "paper.tex", folder / ".notes.part", folder / "failures.txt"]
    for path in others:
        path.write_text("years of work")
    small_sweep(folder, small_plan(replications=5))
    assert [path.read_text() for path in others] == ["years of work"] * 3


def test_a_sweep_and_a_run_never_replace_each_other(tmp_path: Path) -> None:
    small_sweep(tmp_path / "sweep")
    with (
        pytest.raises(StoreError, match="is a sweep; a run does not overwrite it"),
        writing(tmp_path / "sweep", kind="run", overwrite=True),
    ):
        pytest.fail("the block must not run")
    with writing(tmp_path / "run", kind="run") as scratch:
        (scratch / "weeks.parquet").write_text("a run")
    with pytest.raises(StoreError, match="is a run, not a sweep"):
        small_sweep(tmp_path / "run")
