"""The store of a sweep: killed at every step, short of disk at every step, and whole again afterwards."""

import json
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sweep_tasks

from experiments.design.plan import Plan, plan_of
from experiments.runs.folder import StoreError
from experiments.sweep import engine, exchange, listing
from experiments.sweep import journal as sweep_journal
from experiments.sweep import store as sweep_store
from experiments.sweep.store import SweepStore, load


def small_plan(replications: int = 4, points: int = 3) -> Plan:
    varied = [{"a": float(a), "b": b} for a, b in zip(range(points), (0.5, 1.5, 2.5, 3.5), strict=False)]
    return plan_of(varied, name="small", seed=5, replications={"count": replications})


def small_sweep(folder: Path, plan: Plan | None = None) -> engine.Report:
    return engine.sweep(plan or small_plan(), sweep_tasks.noisy, folder, executor=0)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush after every batch and gather after every third shard, so that a small sweep passes through everything."""
    monkeypatch.setattr(engine, "FLUSH_SECONDS", -1.0)
    monkeypatch.setattr(sweep_store, "MOST_SHARDS", 3)
    # The disk of the tests is a model of one; waiting for the real one would prove nothing.
    monkeypatch.setattr(sweep_journal.os, "fsync", lambda handle: None)


class Killed(BaseException):
    """The process is gone."""


class FailingDisk(sweep_journal.Disk):
    """A disk on which step `fatal` goes wrong.

    kind
        ``kill``: the process ends before the step. ``tear``: half of what is being written arrives first. ``power``: besides,
        what was not forced to the disk is lost: contents without `sync`, names and removals without `sync_folder`.
        ``full``: the step fails with an error of the system, once.
    """

    def __init__(self, fatal: int = -1, kind: str = "kill") -> None:
        self.fatal, self.kind = fatal, kind
        self.steps: list[str] = []
        self.dead = False
        self.unsynced: dict[Path, int] = {}
        self.undo: list[tuple[Path, Any]] = []

    def step(self, name: str) -> bool:
        """Count a step; True if a torn write shall happen before the end."""
        if self.dead:
            raise Killed
        self.steps.append(name)
        if len(self.steps) - 1 != self.fatal:
            return False
        if self.kind == "full":
            raise OSError(28, "No space left on device")
        self.dead = True
        if self.kind == "tear" and name == "write":
            return True
        self.die()
        return False

    def die(self) -> None:
        self.dead = True
        if self.kind == "power":
            for path, kept in self.unsynced.items():
                if path.exists():
                    path.write_bytes(path.read_bytes()[:kept])
            for _, back in reversed(self.undo):
                back()
        raise Killed

    def write(self, handle: Any, data: bytes) -> None:
        path = Path(handle.name)
        self.unsynced.setdefault(path, 0)
        if self.step("write"):
            super().write(handle, data[: len(data) // 2])
            handle.flush()
            self.die()
        super().write(handle, data)

    def sync(self, handle: Any) -> None:
        handle.flush()
        self.step("sync")
        super().sync(handle)
        self.unsynced.pop(Path(handle.name), None)

    def rename(self, source: Path, target: Path) -> None:
        self.step("rename")
        old, content = target.read_bytes() if target.exists() else None, source.read_bytes()
        super().rename(source, target)

        def back() -> None:
            source.write_bytes(content)
            target.unlink() if old is None else target.write_bytes(old)

        self.undo.append((target.parent, back))

    def remove(self, path: Path) -> None:
        self.step("remove")
        if path.exists():
            content = path.read_bytes()
            self.undo.append((path.parent, lambda: path.write_bytes(content)))
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        self.step("sync_folder")
        super().sync_folder(folder)
        self.undo = [entry for entry in self.undo if entry[0] != folder]


def content(folder: Path) -> dict[str, Any]:
    """What a result says, without times."""
    results = load(folder)
    assert results.manifest["complete"]
    return {
        "digest": results.manifest["digest"],
        "counts": results.manifest["counts"],
        "runs": (folder / "runs.parquet").read_bytes(),
        "points": (folder / "points.parquet").read_bytes(),
        "series": (folder / "series.parquet").read_bytes(),
        "experiment": (folder / "experiment.toml").read_bytes(),
        "codebook": (folder / "codebook.csv").read_bytes(),
        "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*")),
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed") / "sweep"
    small_sweep(folder)
    return content(folder)


def begin(folder: Path, start: str) -> None:
    """Where the disturbed session starts: nowhere, or on a finished smaller sweep it grows from."""
    if start == "grown":
        small_sweep(folder, small_plan(replications=2, points=2))


def steps_of(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    begin(tmp_path / "count", start)
    disk = FailingDisk()
    with monkeypatch.context() as patch:
        patch.setattr(sweep_journal, "disk", disk)
        small_sweep(tmp_path / "count")
    assert {"write", "sync", "rename", "remove", "sync_folder"} == set(disk.steps)
    return len(disk.steps)


@pytest.mark.parametrize("start", ["new", "grown"])
@pytest.mark.parametrize("kind", ["kill", "tear", "power", "full"])
@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_step_fails_the_next_session_ends_with_the_same_bytes(
    stride: int,
    kind: str,
    start: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, Any],
) -> None:
    """Every write, sync, rename, removal and sync of a folder; the fast suite takes every ninth."""
    count = steps_of(start, tmp_path, monkeypatch)
    assert count > 60
    for fatal in range(0, count, stride):
        folder = tmp_path / f"{kind}-{fatal}"
        begin(folder, start)
        with monkeypatch.context() as patch:
            patch.setattr(sweep_journal, "disk", FailingDisk(fatal, kind))
            expected: tuple[type[BaseException], ...] = (StoreError,) if kind == "full" else (Killed,)
            with pytest.raises(expected):
                small_sweep(folder)
        # In between the folder can be read, and says nothing that is not so.
        if (folder / "commit.json").exists():
            runs = load(folder).runs
            assert not runs.duplicated(["point", "replication"]).any()
        small_sweep(folder)
        assert content(folder) == undisturbed, f"{kind} at step {fatal}"


def test_a_session_killed_twice_in_a_row_recovers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    """The recovery itself is interrupted at each of its steps."""
    count = steps_of("new", tmp_path, monkeypatch)
    for fatal in range(count - 40, count, 5):
        for second in range(0, 6, 2):
            folder = tmp_path / f"{fatal}-{second}"
            for step in (fatal, second):
                with monkeypatch.context() as patch:
                    patch.setattr(sweep_journal, "disk", FailingDisk(step, "power"))
                    try:
                        small_sweep(folder)
                    except Killed:
                        continue
            small_sweep(folder)
            assert content(folder) == undisturbed, f"at steps {fatal} and {second}"


def test_nothing_stored_is_computed_again_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sweep"
    made: list[int] = []

    def counting(parameters: Any, seed: int, replication: int) -> Any:
        made.append(replication)
        if len(made) == 9:
            raise KeyboardInterrupt  # in this process, so it ends the session
        return sweep_tasks.noisy(parameters, seed, replication)

    counting.fingerprint = "tasks"  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "BATCH_SECONDS", 0.0)  # a flush after every run
    with pytest.raises(KeyboardInterrupt):
        engine.sweep(small_plan(), counting, folder, executor=0)
    assert len(sweep_journal.finished(folder)) == 8
    report = small_sweep(folder)
    assert (report.progress.stored, report.progress.done) == (8, 4)


def test_a_shard_is_whole_or_absent_and_leftovers_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    small_sweep(folder)
    expected = load(folder).runs
    (folder / "journal" / f".{1:016x}-{0:064x}.parquet.part").write_bytes(b"half a shard")
    (folder / "mine.part").write_bytes(b"somebody's")
    (folder / ".runs.parquet.part").write_bytes(b"half a table")
    assert load(folder).runs.equals(expected)
    small_sweep(folder, small_plan(replications=5))
    assert list(folder.rglob("*.part")) == [folder / "mine.part"]


def test_a_damaged_shard_is_named_and_then_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    small_sweep(folder)
    name = f"{1:016x}-{0:064x}.parquet"
    (folder / "journal" / name).write_bytes(b"not Parquet")
    with pytest.raises(
        StoreError, match=r"journal/0.*\.parquet: not as it was written; the command that made"
    ):
        load(folder)
    assert [line.partition(";")[0] for line in small_sweep(folder).mended] == [
        f"{folder}/journal/{name}: damaged"
    ]
    assert (folder / "damaged" / name).read_bytes() == b"not Parquet"
    assert len(load(folder).runs) == 12


def test_two_sweeps_cannot_write_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_store, "SHARE_SECONDS", 0.2)
    store = SweepStore(tmp_path / "sweep")
    with pytest.raises(StoreError, match="another sweep is writing here"):
        SweepStore(tmp_path / "sweep")
    with pytest.raises(StoreError, match="another sweep is writing here"):
        SweepStore(tmp_path / "sweep", shared=True)
    store.close()
    first, second = SweepStore(tmp_path / "sweep", shared=True), SweepStore(tmp_path / "sweep", shared=True)
    with pytest.raises(StoreError, match="another sweep is writing here"):
        SweepStore(tmp_path / "sweep")
    first.close(), second.close()
    SweepStore(tmp_path / "sweep").close()


@pytest.mark.parametrize("looks", [(exchange, "listing"), (listing, "committed")], ids=["list", "copy"])
def test_a_sweep_that_begins_while_one_looks_is_not_taken_for_a_strangers(
    looks: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another writer writes between two looks at the folder is its own, and no file of somebody else."""
    small_sweep(tmp_path / "other")
    if looks[1] == "committed":
        (tmp_path / "other/.firesale.json").unlink()
    look, seen = getattr(*looks), []

    def first_nothing(folder: Path) -> Any:
        seen.append(folder)
        if len(seen) == 1:
            shutil.copytree(tmp_path / "other", tmp_path / "sweep", dirs_exist_ok=True)
            return None
        return look(folder)

    (tmp_path / "sweep").mkdir()
    monkeypatch.setattr(*looks, first_nothing)
    SweepStore(tmp_path / "sweep").close()
    assert len(seen) > 1 and not (tmp_path / "sweep/damaged").exists()


def test_writers_that_begin_together_write_the_beginning_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits until all that a reader needs stands there, and finds it whole."""
    share, shared = exchange.Exchange.share, []

    def slow(self: exchange.Exchange, texts: Mapping[str, bytes]) -> None:
        shared.append(dict(texts))
        for number, name in enumerate(texts, 1):
            share(self, {one: data for one, data in texts.items() if list(texts).index(one) < number})
            time.sleep(0.05)
            assert (tmp_path / "sweep" / name).exists()

    monkeypatch.setattr(exchange.Exchange, "share", slow)
    plan = small_plan()
    about = {"format": 2, "plan": plan.digest(), "fingerprint": "f", "experiment": {}, "series": None}
    stores = [SweepStore(tmp_path / "sweep", shared=True) for _ in range(3)]
    failed: list[BaseException] = []

    def begin(store: SweepStore) -> None:
        try:
            store.begin(plan, about)
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=begin, args=(store,)) for store in stores]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for store in stores:
        store.close()
    assert not failed and len(shared) == 1
    assert load(tmp_path / "sweep").manifest["fingerprint"] == "f"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty and no result of a sweep"):
        SweepStore(tmp_path)
    with pytest.raises(StoreError, match="a file of that name is in the way"):
        SweepStore(tmp_path / "thesis.txt")
    with pytest.raises(StoreError, match="no result of a sweep"):
        load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.txt"]


def test_many_flushes_leave_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_store, "MOST_SHARDS", 8)
    monkeypatch.setattr(engine, "BATCH_SECONDS", 0.0)
    seen: list[int] = []

    def look(progress: engine.Progress) -> None:
        seen.append(len(list((tmp_path / "sweep" / "journal").glob("*.parquet"))))

    plan = plan_of([{"a": 1.0}], name="many", replications={"count": 60})
    monkeypatch.setattr(engine.time, "sleep", lambda seconds: None)
    engine.sweep(plan, sweep_tasks.noisy, tmp_path / "sweep", executor=0, on_progress=look)
    assert max(seen, default=0) <= 8 + 60 // 8
    assert not list((tmp_path / "sweep" / "journal").iterdir())


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored") / "sweep"
    small_sweep(folder)
    return folder


def test_tables_are_ordered_by_point_and_replication(stored: Path) -> None:
    runs = load(stored).runs
    assert list(runs["point"]) == sorted(runs["point"])
    assert list(runs["replication"]) == [0, 1, 2, 3] * 3
    assert list(runs.columns[:5]) == ["run_id", "point", "replication", "seed", "status"]


def test_stored_values_against_the_function_itself(stored: Path) -> None:
    results = load(stored)
    series = results.series.set_index(["point", "replication"])
    for row in results.runs.itertuples():
        outcomes, paths = sweep_tasks.noisy({"a": row.a, "b": row.b}, 5, row.replication)
        assert (row.level, row.spread) == (outcomes["level"], outcomes["spread"])
        mine = series.loc[(row.point, row.replication)]
        assert np.array_equal(mine["price"], paths["price"]) and np.array_equal(mine["week"], paths["week"])


def test_points_against_pandas(stored: Path) -> None:
    results = load(stored)
    grouped = results.runs.groupby("point")["level"]
    points = results.points.set_index("point")
    assert np.allclose(points["level"], grouped.mean())
    assert np.allclose(points["level_sd"], grouped.std())
    assert np.allclose(points["level_half_width"], 3.182446 * grouped.sem())
    assert list(points["n"]) == [4, 4, 4] and set(points["stopped_by"]) == {"count"}


def test_codebook_says_unit_meaning_and_role_of_every_column(stored: Path) -> None:
    results = load(stored)
    codebook = results.codebook.set_index(["table", "column"])
    for name in ("runs", "points", "series", "log"):
        assert list(codebook.loc[name].index) == list(getattr(results, name).columns)
    assert codebook.loc[("log", "seconds"), "unit"] == "s"
    assert codebook.loc[("runs", "a"), "role"] == "parameter"
    assert codebook.loc[("runs", "level"), "role"] == "outcome"
    written = (stored / "codebook.csv").read_text().splitlines()
    assert written[0] == "table,column,type,unit,meaning,allowed,role"
    assert len(written) == 1 + len(codebook)


def test_units_survive_the_file_and_reach_the_frame(tmp_path: Path) -> None:
    def measured(parameters: Any, seed: int, replication: int) -> Any:
        return {"price": 3.0}, {}

    measured.meanings = lambda: {"price": ("USD per GPU", "what it fetches")}  # type: ignore[attr-defined]
    engine.sweep(small_plan(), measured, tmp_path / "sweep", executor=0)
    results = load(tmp_path / "sweep")
    assert results.units("price") == ("USD per GPU", "what it fetches")
    assert results.runs.attrs["units"]["price"] == "USD per GPU"
    assert (
        pq.read_schema(tmp_path / "sweep" / "runs.parquet").field("price").metadata[b"unit"] == b"USD per GPU"
    )


def test_manifest_says_where_numbers_come_from_and_not_who_made_them(stored: Path) -> None:
    text = (stored / "manifest.json").read_text()
    manifest = json.loads(text)
    for key in (
        "digest",
        "counts",
        "fingerprint",
        "seed",
        "streams",
        "sessions",
        "experiment",
    ):
        assert manifest[key], key
    for key in ("versions", "platform", "numpy_cpu_features", "compiled", "code", "data"):
        assert manifest["provenance"][key], key
    assert manifest["counts"] == {"runs": 12, "ok": 12, "retried": 0}
    (session,) = manifest["sessions"]
    assert session["runs"] == 12 and session["seconds"] >= 0
    for private in (str(Path.home()), str(stored), __import__("socket").gethostname()):
        assert private not in text


def test_an_unfinished_sweep_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    engine.sweep(small_plan(), sweep_tasks.noisy, folder, executor=0, shard=(1, 3))
    results = load(folder)
    assert len(results.runs) == 4 and set(results.runs["point"]) == {0}
    assert len(results.series) == 16
    assert list(results.points["n"]) == [4, 0, 0]
    assert not results.manifest["complete"]


def test_merge_takes_over_every_run_of_another_folder(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    for number in (1, 2, 3):
        place = tmp_path / str(number)
        engine.sweep(small_plan(), sweep_tasks.noisy, place, executor=0, shard=(number, 3))
    store = SweepStore(tmp_path / "whole")
    assert [store.merge(tmp_path / str(number)) for number in (3, 1, 2)] == [4, 4, 4]
    store.close()
    report = small_sweep(tmp_path / "whole")
    assert report.progress.done == 0
    assert content(tmp_path / "whole") == undisturbed


def test_a_run_is_found_by_the_beginning_of_its_id(stored: Path) -> None:
    run_id = load(stored).runs["run_id"][3]
    assert sweep_store.find(stored, run_id[:12])["run_id"] == run_id
    with pytest.raises(StoreError, match="no run begins with 'zz'"):
        sweep_store.find(stored, "zz")
    with pytest.raises(StoreError, match="12 runs begin with ''"):
        sweep_store.find(stored, "")


def test_large_integers_and_text_parameters_keep_their_type(tmp_path: Path) -> None:
    plan = plan_of(
        [{"n": 2**40, "s": "é", "f": True}, {"n": 1, "s": "x", "f": False}], replications={"count": 1}
    )
    small_sweep(tmp_path / "sweep", plan)
    schema = pq.read_schema(tmp_path / "sweep" / "runs.parquet")
    assert [schema.field(name).type for name in "nsf"] == [pa.int64(), pa.string(), pa.bool_()]
    assert list(load(tmp_path / "sweep").runs["n"]) == [2**40, 1]
