"""Change what numbers come from between two parts of a sweep: no row may stand for something that did not compute it.

Every cell of the table {what changes} x {how the sweep goes on} is one try. The first half of a small sweep is computed, then
something is changed, then the whole sweep is asked for:

- resume: by the same command, in one process;
- shard: as the second of two jobs on one folder, which a last command gathers;
- Dask: on a cluster whose processes have not changed, or which see a file that was edited after the runs were planned; a
  refusal is followed by the same command without the cluster.

Required: the rows of the first half are computed again, or the sweep is refused, for everything that changes numbers; they are
reused after the edit of a docstring. The run function also returns what its process says of itself and of the file it read, so
every row is held against its own record.
"""

import hashlib
import importlib
import random
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sim.debt
from experiments.design.plan import Plan, plan_of
from experiments.runs import provenance
from experiments.runs.source_digest import source_digest
from experiments.sweep.dask_cluster import DaskCluster
from experiments.sweep.engine import sweep
from experiments.sweep.jobs import ExecutorError, Run, SweepError
from experiments.sweep.store import load
from sim.base.inputs import InputChanged, content_of
from tests.attack.attack import Attack, Report

MODULE = "attacked_function"
TEXT = '''"""A cheap run that says what it was computed with."""

import hashlib
from pathlib import Path

from experiments.runs import provenance


def number(thing):
    """NOTE"""
    return float(int.from_bytes(hashlib.sha256(str(thing).encode()).digest()[:6], "little"))


def run(parameters, seed, replication):
    """Outcomes that name their origin."""
    known = provenance.environment()
    return {
        "numpy": number(known["versions"]["numpy"]),
        "compiled": number(sorted(known["compiled"].items())),
        "cpu": number(known["numpy_cpu_features"]),
        "file": number(hashlib.sha256(Path(parameters["data_file"]).read_bytes()).hexdigest()),
        "level": parameters["a"] * 0.1 + replication,
    }, {}
'''
POINTS = 6
RECOMPUTED, REFUSED, REUSED = "recomputed", "refused", "reused"


@dataclass
class Place:
    """A folder with a user's module and file, and what this process reports of itself at the moment."""

    folder: Path
    luck: random.Random
    known: dict[str, Any] = field(default_factory=lambda: dict(provenance.environment()))

    @property
    def file(self) -> Path:
        """The user's table."""
        return self.folder / "data.csv"

    @property
    def module(self) -> Path:
        """The user's module."""
        return self.folder / f"{MODULE}.py"

    def function(self) -> Run:
        """The run function as its file says now."""
        importlib.invalidate_caches()
        loaded = sys.modules.get(MODULE)
        found = importlib.reload(loaded) if loaded is not None else importlib.import_module(MODULE)
        function: Run = found.run
        return function

    def plan(self, points: int) -> Plan:
        """The first points of the sweep."""
        listed = [{"a": float(n), "data_file": str(self.file)} for n in range(points)]
        return plan_of(listed, name="attacked", seed=3, replications={"count": 1})


def other_numpy(place: Place) -> None:
    """Another release is installed."""
    place.known["versions"] = {**place.known["versions"], "numpy": f"1.{place.luck.randrange(1000)}.0"}


def other_compiled(place: Place) -> None:
    """A module was built anew with other flags."""
    name = place.luck.choice(sorted(place.known["compiled"]))
    built = hashlib.sha256(str(place.luck.random()).encode()).hexdigest()
    place.known["compiled"] = {**place.known["compiled"], name: built}


def other_file(place: Place) -> None:
    """One digit of the user's table."""
    text = place.file.read_text(encoding="utf-8")
    spot = place.luck.choice([n for n, mark in enumerate(text) if mark.isdigit()])
    place.file.write_text(f"{text[:spot]}{(int(text[spot]) + 1) % 10}{text[spot + 1 :]}", encoding="utf-8")


def other_level(place: Place) -> None:
    """NumPy chooses other code."""
    place.known["numpy_cpu_features"] = [
        *place.known["numpy_cpu_features"],
        f"LEVEL{place.luck.randrange(1000)}",
    ]


def other_docstring(place: Place) -> None:
    """A comment and a docstring of the user's function."""
    note = f"Edited {place.luck.random()}."
    place.module.write_text(TEXT.replace("NOTE", note) + f"\n# {note}\n", encoding="utf-8")


# What changes -> how, and whether rows that are stored still count.
CHANGES: dict[str, tuple[Callable[[Place], None], bool]] = {
    "NumPy version": (other_numpy, False),
    "compiled module": (other_compiled, False),
    "CSV content": (other_file, False),
    "CPU level": (other_level, False),
    "docstring": (other_docstring, True),
}


def resumed(place: Place, folder: Path, change: Callable[[Place], None], cluster: Any) -> str:
    """The same command again."""
    sweep(place.plan(POINTS // 2), place.function(), folder, executor=0)
    change(place)
    return _went_on(place, folder, missing=POINTS // 2)


def sharded(place: Place, folder: Path, change: Callable[[Place], None], cluster: Any) -> str:
    """The second of two jobs on one folder, then the command that gathers."""
    sweep(place.plan(POINTS), place.function(), folder, executor=0, shard=(1, 2))
    change(place)
    try:
        sweep(place.plan(POINTS), place.function(), folder, executor=0, shard=(2, 2))
    except (SweepError, ExecutorError, InputChanged):
        return REFUSED
    return _went_on(place, folder, missing=0)


def on_dask(place: Place, folder: Path, change: Callable[[Place], None], cluster: Any) -> str:
    """On a cluster that has not changed; a file is edited when the runs are planned already."""
    sweep(place.plan(POINTS // 2), place.function(), folder, executor=DaskCluster(cluster))
    planned = place.plan(POINTS)
    change(place)
    try:
        report = sweep(planned, place.function(), folder, executor=DaskCluster(cluster))
    except (SweepError, ExecutorError, InputChanged):
        _went_on(place, folder, missing=0)
        return REFUSED
    return REUSED if report.progress.stored else RECOMPUTED


WAYS = {"resume": resumed, "shard": sharded, "Dask": on_dask}


def _went_on(place: Place, folder: Path, *, missing: int) -> str:
    """What becomes of the first half when the whole is asked for, of which so many rows are not there yet."""
    done = sweep(place.plan(POINTS), place.function(), folder, executor=0).progress.done
    return {missing: REUSED, missing + POINTS // 2: RECOMPUTED}.get(done, f"{done} computed")


def misattributed(place: Place, folder: Path) -> list[str]:
    """Rows whose record is not what computed them, or is not what holds now."""
    number = sys.modules[MODULE].number
    results = load(folder)
    content = content_of(place.file)
    # Workers compute without what a processor has above AVX2, and say so.
    now = [provenance.decisive(known) for known in (place.known, provenance.steady(place.known))]
    wrong = []
    for (_, row), text in zip(results.runs.iterrows(), results.log["provenance"], strict=True):
        known = provenance.read_text(str(text))
        says = {
            "numpy": number(known["versions"]["numpy"]),
            "compiled": number(sorted(known["compiled"].items())),
            "cpu": number(known["numpy_cpu_features"]),
            "file": number(known["inputs"]["data_file"]["sha256"]),
        }
        wrong += [f"point {row['point']}: {name}" for name, value in says.items() if value != row[name]]
        if known["inputs"]["data_file"]["sha256"] != content:
            wrong.append(f"point {row['point']}: a file that is another now")
        if provenance.decisive(known) not in now:
            wrong.append(f"point {row['point']}: an environment that is another now")
    if len(results.runs) != POINTS:
        wrong.append(f"{len(results.runs)} rows, not {POINTS}")
    return wrong


@contextmanager
def _cluster() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as made,
        Client(made) as client,
    ):
        yield client


def run(count: int, seed: int) -> Report:
    """Every cell of the table `count` times."""
    report = Report()
    seen: dict[tuple[str, str], set[str]] = {}
    rows = 0
    with (
        tempfile.TemporaryDirectory() as scratch,
        patch.object(sys, "path", [scratch, *sys.path]),
        _cluster() as cluster,
    ):
        for number in range(count):
            for change, (act, counts) in CHANGES.items():
                for way, go_on in WAYS.items():
                    luck = random.Random(f"{seed} {number} {change} {way}")
                    place = Place(Path(scratch), luck)
                    place.module.write_text(TEXT, encoding="utf-8")
                    place.file.write_text(
                        f"date,value\n2026-10-05,{luck.randrange(10**6)}\n", encoding="utf-8"
                    )
                    folder = Path(scratch) / f"{number}-{len(seen)}-{way}-{change}".replace(" ", "-")
                    with patch.object(provenance, "environment", lambda place=place: place.known):
                        answer = go_on(place, folder, act, cluster)
                        wrong = misattributed(place, folder)
                    rows += POINTS
                    seen.setdefault((change, way), set()).add(answer)
                    required = {REUSED} if counts else {RECOMPUTED, REFUSED}
                    if answer not in required or wrong:
                        report.faults.append(
                            f"{change} x {way}, try {number}: {answer}; {'; '.join(wrong[:3])}"
                        )
        report.faults += _copied_module(Path(scratch))
    report.counts["cells"] = count * len(CHANGES) * len(WAYS)
    report.counts["rows held against their record"] = rows
    report.lines = _table(seen)
    return report


def _copied_module(scratch: Path) -> list[str]:
    """A docstring in a copy of a shipped package changes nothing; a digit of its code does."""
    folder = scratch / "copied"
    shutil.copytree(
        Path(str(sim.debt.__file__)).parent, folder, ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    package = types.ModuleType("sim.debt")
    package.__file__, package.__path__ = str(folder / "__init__.py"), [str(folder)]
    file = folder / "terms.py"
    text = file.read_text(encoding="utf-8")
    before = source_digest(package)
    file.write_text("# A comment.\n" + text.replace('"""', '"""Edited. ', 1), encoding="utf-8")
    faults = [] if source_digest(package) == before else ["a docstring of a shipped module counts as code"]
    file.write_text(f"{text}\nADDED = 1\n", encoding="utf-8")
    return (
        faults if source_digest(package) != before else [*faults, "a line of a shipped module does not count"]
    )


def _table(seen: dict[tuple[str, str], set[str]]) -> list[str]:
    lines = ["".join(f"{name:<18}" for name in ("", *WAYS))]
    lines += [
        "".join(f"{text:<18}" for text in (change, *(" or ".join(sorted(seen[change, way])) for way in WAYS)))
        for change in CHANGES
    ]
    return lines


ATTACK = Attack(
    "what numbers come from changes between two parts of a sweep; every row is recomputed, refused or rightly reused",
    full=4,
    small=1,
    run=run,
)
