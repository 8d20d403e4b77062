"""Damage to stored bytes: one bit, one cut, one file less; nobody may read another number, and a resume mends it.

Required of a sweep, whatever one file is damaged: each reader gives what it gave before, or one line (of a sweep that is not at
its end it may give fewer rows, because a shard that is gone was never counted); the next resume ends well with the reference
digest. Required of a run: the same of readers; writing it again gives the reference digest, or, where the list of its own files
is damaged, one line.

A new state of a folder is one more entry of `SWEEPS`; a new reader one more of `READERS`.
"""

import contextlib
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.design.plan import Plan, plan_of
from experiments.face.run import Run, run_of
from experiments.runs import store
from experiments.runs.folder import MARKER, ResultWarning, StoreError
from experiments.runs.run import simulate
from experiments.sweep import engine, journal
from experiments.sweep.listing import TABLES, TEXTS
from experiments.sweep.store import digest, find, load
from sim.parameters import Parameters
from tests.attack.attack import Attack, Report
from tests.sweep_tasks import wicked

MOST_RENAMED = 8
# Where no run ended well there are no outcomes.
COLUMNS = ["run_id", "point", "replication", "seed", "status", "a", "trouble", "level", "spread"]
KINDS = ("bit flipped", "cut", "deleted")
Rows = dict[Any, Any]


class QuickDisk(journal.Disk):
    """The disk without waiting for it: the process does not end here."""

    def sync(self, handle: Any) -> None:
        """Hand on what is buffered."""
        handle.flush()

    def sync_folder(self, folder: Path) -> None:
        """Nothing."""


class Stopped(BaseException):
    """The process ends here."""


class StoppingDisk(QuickDisk):
    """Stops when `MOST_RENAMED` tables and texts of a sweep got their names: three at its begin, the others at its end."""

    def __init__(self) -> None:
        self.renamed = 0

    def rename(self, source: Path, target: Path) -> None:
        """Give a file its name, or stop."""
        self.renamed += target.name in (*TABLES, *TEXTS)
        if self.renamed > MOST_RENAMED:
            raise Stopped
        super().rename(source, target)


def plan(replications: int = 3, points: int = 3) -> Plan:
    """Quick runs with paths, of which one point always fails."""
    varied = [{"a": float(a), "trouble": "raise" if a == 1 else ""} for a in range(points)]
    return plan_of(varied, name="damaged", seed=5, replications={"count": replications})


def resume(folder: Path) -> str:
    """The sweep's own command; returns the digest it prints."""
    report = engine.sweep(plan(), wicked, folder, executor=0)
    assert report.complete
    return str(report.manifest["digest"])


def _finished(folder: Path) -> None:
    resume(folder)


def _with_archive(folder: Path) -> None:
    engine.sweep(plan(replications=4), wicked, folder, executor=0)
    resume(folder)


def _killed(folder: Path) -> None:
    engine.sweep(plan(), wicked, folder, executor=0, shard=(1, 2))
    engine.sweep(plan(), wicked, folder, executor=0, shard=(2, 3))


def _grown_and_killed(folder: Path) -> None:
    engine.sweep(plan(replications=2, points=2), wicked, folder, executor=0)
    _killed(folder)


def _amid_an_exchange(folder: Path) -> None:
    """The commit stands, and half of the files have their names."""
    engine.sweep(plan(replications=2), wicked, folder, executor=0)
    disk, journal.disk = journal.disk, StoppingDisk()
    try:
        resume(folder)
    except Stopped:
        pass
    finally:
        journal.disk = disk


# Name -> (how the folder comes about, whether the sweep is at its end).
SWEEPS: dict[str, tuple[Callable[[Path], None], bool]] = {
    "finished sweep": (_finished, True),
    "sweep with an archive": (_with_archive, True),
    "killed sweep": (_killed, False),
    "grown and killed sweep": (_grown_and_killed, False),
    "sweep amid an exchange": (_amid_an_exchange, False),
}


def _runs(folder: Path) -> Rows:
    table = load(folder).runs.reindex(columns=COLUMNS).astype(str)
    return {(row.point, row.replication): tuple(row) for row in table.itertuples(index=False)}


def _log(folder: Path) -> Rows:
    table = load(folder).log
    # A failed run is tried again by every session; of two such rows another took another time.
    table.loc[table["status"] != "ok", ["seconds", "peak_mb"]] = 0.0
    return {row.run_id: tuple(row) for row in table.astype(str).itertuples(index=False)}


def _series(folder: Path) -> Rows:
    table = load(folder).series.astype(str)
    return {(row.run_id, row.week): tuple(row) for row in table.itertuples(index=False)}


def _points(folder: Path) -> Rows:
    results = load(folder)
    if not results.manifest["complete"]:
        return {}
    return {row.point: tuple(row) for row in results.points.astype(str).itertuples(index=False)}


def _found(folder: Path) -> Rows:
    """What `replay` finds of every run."""
    known = {run_id: find(folder, run_id) for run_id in load(folder).runs["run_id"]}
    changing = ("seconds", "peak_mb")  # of a failed run, as in `_log`
    return {
        run_id: {
            name: str(value)
            for name, value in entry.items()
            if entry["status"] == "ok" or name not in changing
        }
        for run_id, entry in known.items()
    }


READERS: dict[str, Callable[[Path], Rows]] = {
    "digest": lambda folder: {"digest": digest(folder)},
    "runs": _runs,
    "log": _log,
    "series": _series,
    "points": _points,
    "find": _found,
}


@dataclass
class Tally:
    """Counts answers and notes wrong ones."""

    report: Report
    what: str = ""

    def fault(self, kind: str, text: str) -> None:
        """An answer that is not the required one."""
        self.report.counts[f"FAULT {kind}"] += 1
        self.report.faults.append(f"{kind}: {self.what}: {text}")

    def asked(self, kind: str, ask: Callable[[], Any]) -> Any:
        """What a reader or writer answers; None where it refuses in one line."""
        try:
            return ask()
        except StoreError as error:
            if "\n" in str(error):
                self.fault("traceback", f"{kind}: {error!r}")
            self.report.counts[f"{kind}: refused in one line"] += 1
        except Exception as error:
            self.fault("traceback", f"{kind}: {type(error).__name__}: {error}")
        return None


def damage(path: Path, kind: str, luck: random.Random) -> str:
    """Damage a file; says how."""
    data = path.read_bytes()
    if kind == "deleted" or not data:
        path.unlink()
        return "deleted"
    if kind == "cut":
        length = luck.randrange(len(data))
        path.write_bytes(data[:length])
        return f"cut to {length} of {len(data)} bytes"
    place, bit = luck.randrange(len(data)), luck.randrange(8)
    path.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
    return f"bit {bit} of byte {place} flipped"


def attack(count: int, seed: int) -> Report:
    """Damage copies of reference folders, one file each."""
    luck, report = random.Random(seed), Report()
    with _quick(), tempfile.TemporaryDirectory() as place:
        known = _references(Path(place))
        run = run_of(simulate(Parameters.from_overrides({"clock.weeks": 2}), 7), "calm", "Calm")
        run.save(Path(place) / "a run")
        names = [*SWEEPS, "a run"]
        for number in range(count):
            name = names[number % len(names)]
            folder = Path(place) / "copy"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(Path(place) / name, folder)
            file = luck.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
            done = damage(file, KINDS[number // len(names) % len(KINDS)], luck)
            tally = Tally(report, f"{name}, try {number}: {file.relative_to(folder)} {done}")
            report.counts[f"tries: {name}"] += 1
            if name == "a run":
                _try_run(folder, run, file.name, tally)
            else:
                _try_sweep(folder, known[name], known["reference"]["digest"]["digest"], tally)
    return report


def _references(place: Path) -> dict[str, Any]:
    """Make every folder; what readers give of it, and the reference digest."""
    known: dict[str, Any] = {}
    for name, (make, _) in SWEEPS.items():
        make(place / name)
        known[name] = {}
        for reader, read in READERS.items():
            with contextlib.suppress(StoreError):
                known[name][reader] = read(place / name)
    known["reference"] = known["finished sweep"]
    return known


def _try_sweep(folder: Path, known: Mapping[str, Rows], reference: str, tally: Tally) -> None:
    ended = SWEEPS[tally.what.partition(",")[0]][1]
    for reader, read in READERS.items():
        found = tally.asked(reader, lambda read=read: read(folder))  # type: ignore[misc]
        if found is None:
            continue
        before = known.get(reader, {})
        fewer = not ended and all(before.get(key) == value for key, value in found.items())
        if found != before and not fewer:
            tally.fault("silent", f"{reader} gives other rows")
    answer = tally.asked("resume", lambda: resume(folder))
    again = tally.asked("digest after resume", lambda: digest(folder))
    if answer is None or again is None:
        tally.fault("not mended", "resume refuses")
    elif {answer, again} != {reference}:
        tally.fault("silent", "resume ends with another digest")
    else:
        tally.report.counts["resume: reference digest"] += 1


def _try_run(folder: Path, run: Run, file: str, tally: Tally) -> None:
    found = tally.asked("digest of a run", lambda: store.digest(folder))
    if found not in (None, run.digest):
        tally.fault("silent", "the digest of a run is another")
    frames = tally.asked("tables of a run", lambda: store.load_tables(folder))
    if frames is not None and store.digest_of_tables(frames) != run.digest:
        tally.fault("silent", "the tables of a run are others")
    damaged = (folder / file).read_bytes() if (folder / file).is_file() else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResultWarning)
        written = tally.asked("run again", lambda: run.save(folder, overwrite=True))
    kept = list(folder.parent.glob(f"{folder.name}.changed-*"))
    if written is not None and [(old / file).read_bytes() for old in kept] != [damaged] * (
        damaged is not None
    ):
        tally.fault("lost", "the old result, which may have been edited by a user, is not kept")
    for old in kept:
        shutil.rmtree(old)
    again = tally.asked("digest of the run again", lambda: store.digest(folder))
    if written is None and file != MARKER:
        tally.fault("not mended", "a run is not written again")
    elif written is not None and again != run.digest:
        tally.fault("silent", "a run written again has another digest")


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    disk = journal.disk
    journal.disk = QuickDisk()
    try:
        yield
    finally:
        journal.disk = disk


ATTACK = Attack(
    "one file of a stored result is damaged: no reader gives another number, a resume brings the reference digest back",
    full=10_000,
    small=100,
    run=attack,
)
