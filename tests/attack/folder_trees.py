"""Random folder trees under everything that writes results: no file, link or folder of others is lost or changed.

Required of every writer: each file that firesale did not list as its own, each link and each folder without a marker is there
afterwards, with the same content. It ends well or refuses in one line.

Computation is left out where it would take seconds: what is tried is where a command writes. A writer is one more entry of
`WRITERS`, a thing that may stand in its way one more of `THINGS`.
"""

import contextlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import pandas as pd
from matplotlib.figure import Figure

from experiments.command import reports
from experiments.design.plan import plan_of
from experiments.design.scenario import load as load_scenario
from experiments.figures import analysis_figures, run_figures
from experiments.runs import run as runs
from experiments.runs.folder import MARKER, StoreError, marker_of, put, writing
from experiments.runs.store import put_tables
from experiments.sweep import engine, journal
from experiments.sweep.journal import Lock
from experiments.sweep.listing import COMMIT, LOCK, PART
from sim.model import FireSaleModel
from sim.parameters import Parameters
from tests.attack.attack import Attack, Report
from tests.attack.damage import QuickDisk
from tests.sweep_tasks import noisy

NAMES = (
    *(
        "paper.tex",
        "manifest.json",
        MARKER,
        COMMIT,
        LOCK,
        ".hidden",
        "figures",
        "journal",
        "failures",
        "damaged",
    ),
    *(
        "beside",
        "weeks.parquet",
        "runs.parquet",
        "series.parquet",
        "experiment.toml",
        "README.md",
        "a.csv",
        "a.png",
    ),
    *(
        "ladder.csv",
        ".runs.parquet.part",
        ".notes.part",
        "0001.parquet",
        "spaced name",
        "ü.csv",
        "-x",
        "seed",
    ),
    *("sensitivity", "table.parquet", "figures.json", "archive.parquet"),
)
PLAN = plan_of([{"a": 1.0}], name="trees", seed=5, replications={"count": 1})
KINDS = ("run", "sweep", "branches", "absorption", "calibration", "validation", "ladder", "comparison")
LATER = 0.4  # share of trees that grow on a result of the writer itself

# -- what writes ----


@cache
def _model() -> FireSaleModel:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 1}), rng=7)
    model.run_for(1)
    return model


def _run(place: Path) -> None:
    with mock.patch.object(runs, "simulate", return_value=_model()):
        runs.run_scenario(load_scenario("calm"), ["default"], 7, place, overwrite=True)


def _sweep(place: Path) -> None:
    engine.sweep(PLAN, noisy, place, executor=0)


def _figures(place: Path) -> None:
    nothing = mock.patch.multiple(
        run_figures, FIGURES={}, COMPARISONS={}, export_graphs=lambda *_: None, side_by_side=lambda _: {}
    )
    with nothing:
        run_figures.draw_all(place)


def _replaced(kind: str) -> Callable[[Path], None]:
    """As `branches`, `absorption` and `compare` write: a whole folder."""

    def write(place: Path) -> None:
        with writing(place, kind=kind, overwrite=True) as scratch:
            (scratch / "table.parquet").write_bytes(b"new")

    return write


def _added(kind: str, *, sweep: str) -> Callable[[Path], None]:
    """As `calibrate`, `validate` and `ladder` write: files beside the sweep they come from."""

    def write(place: Path) -> None:
        put(place, {}, kind=kind)
        engine.sweep(PLAN, noisy, place / sweep, executor=0)
        put_tables(place, {"a": pd.DataFrame({"x": [1]}), "ladder": pd.DataFrame({"x": [2]})}, kind=kind)
        drawing = Figure(figsize=(0.2, 0.2)), pd.DataFrame({"x": [1]})
        with mock.patch.object(analysis_figures, "NO_STAMP", {"png": {}}):
            analysis_figures.write(place / "figures", {"a": drawing})
        reports._manifest(place, {}, kind)

    return write


def _sensitivity(place: Path) -> None:
    if not (place / COMMIT).is_file():
        raise StoreError("no sweep to analyse")
    with writing(place / "sensitivity", kind="sensitivity", overwrite=True, is_part=True) as scratch:
        reports._write(scratch, {"a": pd.DataFrame({"x": [1]})}, {}, {"outcomes": []})


WRITERS: dict[str, Callable[[Path], None]] = {
    "run": _run,
    "sweep": _sweep,
    "figures": _figures,
    "branches": _replaced("branches"),
    "absorption": _replaced("absorption"),
    "calibrate": _added("calibration", sweep="seed"),
    "validate": _added("validation", sweep="runs"),
    "ladder": _added("ladder", sweep="mechanisms"),
    "compare": _replaced("comparison"),
    "sensitivity": _sensitivity,
}
# What must stand there before a writer that adds to a result.
FIRST = {"figures": _run, "sensitivity": _sweep}

# -- what stands in the way ----


def _result(path: Path, luck: random.Random) -> None:
    with writing(path, kind=luck.choice(KINDS)) as scratch:
        (scratch / luck.choice(("weeks.parquet", "a.csv"))).write_text("theirs")


def _part(path: Path, luck: random.Random) -> None:
    put(path, {"a.png": b"theirs"}, kind="figures", is_part=luck.random() < 0.5)


def _link(path: Path, luck: random.Random) -> None:
    path.symlink_to(luck.choice(("/etc/hostname", "/etc", "nowhere", ".")))


def _file(path: Path, luck: random.Random) -> None:
    texts = (
        "mine",
        "",
        "{}",
        '{"kind": "sweep", "is_part": false, "files": {}}',
        '{"files": {"a.csv": "0"}}',
    )
    path.write_text(luck.choice(texts))


THINGS = (_result, _part, _link, _file, _file, _file)


def grow(place: Path, luck: random.Random, depth: int = 0) -> None:
    """Put things into a folder that do not stand there yet."""
    for _ in range(luck.randrange(1, 4)):
        path = place / luck.choice(NAMES)
        if os.path.lexists(path):
            if path.is_dir() and not path.is_symlink() and depth < 3:
                grow(path, luck, depth + 1)
            continue
        if depth < 3 and luck.random() < 0.2:
            path.mkdir()
            grow(path, luck, depth + 1)
        else:
            luck.choice(THINGS)(path, luck)


# -- what is counted ----


def things(place: Path) -> dict[str, str | bytes]:
    """Every link, file and folder with what it holds."""
    found: dict[str, str | bytes] = {}
    for folder, names, files in os.walk(place):
        for name in (*names, *files):
            path = Path(folder) / name
            known = path.relative_to(place).as_posix()
            if path.is_symlink():
                found[known] = f"link to {path.readlink()}"
            else:
                found[known] = path.read_bytes() if path.is_file() else "folder"
    return found


def parts(place: Path) -> set[str]:
    """What belongs to parts of results, such as figures, and goes with them: their folders, markers and listed files."""
    found: set[str] = set()
    for path in place.rglob(MARKER):
        with contextlib.suppress(StoreError):
            marker = marker_of(path.parent)
            if marker is not None and marker.is_part and not path.parent.is_symlink():
                folder = path.parent.relative_to(place)
                found |= {(folder / name).as_posix() for name in (".", MARKER, *marker.files)}
    return found


def attack(count: int, seed: int) -> Report:
    """Let every writer write into trees."""
    luck, report = random.Random(seed), Report()
    names = list(WRITERS)
    with _quick(), tempfile.TemporaryDirectory() as top:
        for number in range(count):
            name = names[number % len(names)]
            target = Path(top) / str(number) / "target"
            target.parent.mkdir()
            _try(name, target, luck, f"{name}, try {number}", report)
            shutil.rmtree(target.parent)
    return report


def _try(name: str, target: Path, luck: random.Random, what: str, report: Report) -> None:
    if name in FIRST or luck.random() < LATER:
        FIRST.get(name, WRITERS[name])(target)
    own = things(target) if target.is_dir() else {}
    target.mkdir(exist_ok=True)
    with contextlib.suppress(StoreError):  # a thing that another made impossible
        grow(target, luck)
    before = {known: held for known, held in things(target).items() if own.get(known) != held}
    for known in parts(target):
        before.pop(known, None)
    lock = Lock(target / LOCK) if own and name == "sweep" and luck.random() < 0.2 else None
    held = lock is not None and lock.take(exclusive=True)
    try:
        WRITERS[name](target)
        report.counts["written"] += 1
        if held:
            report.faults.append(f"{what}: wrote where the lock was held")
    except StoreError as error:
        report.counts["refused in one line"] += "\n" not in str(error)
        if "\n" in str(error):
            report.faults.append(f"{what}: more than one line: {error}")
    except Exception as error:
        report.faults.append(f"{what}: {type(error).__name__}: {error}")
    finally:
        if lock is not None:
            lock.release()
    after = things(target) if target.is_dir() else {}
    report.counts[f"tries: {name}"] += 1
    report.counts["things of others"] += len(before)
    for known, content in before.items():
        if after.get(known) != content and not _is_unfinished(known):
            report.counts["lost or changed"] += 1
            report.faults.append(f"{what}: {known} is lost or changed")


def _is_unfinished(known: str) -> bool:
    """A file under a name that only a sweep's own unfinished files have."""
    return PART.fullmatch(Path(known).name) is not None


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    with (
        mock.patch.object(journal, "disk", QuickDisk()),
        mock.patch("experiments.runs.folder.os.fsync", return_value=None),
    ):
        yield


ATTACK = Attack(
    "random folder trees under everything that writes results: nothing of others is lost or changed",
    full=1_000,
    small=100,
    run=attack,
)
