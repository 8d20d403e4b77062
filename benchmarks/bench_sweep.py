"""What the sweep engine costs beside the runs: processor, dispatch, resume, loading, memory.

``python benchmarks/bench_sweep.py`` prints one line per promise: what was measured, what is promised, and whether it holds.
Other work on the machine makes wall times longer and leaves processor times alone, so both are given where they differ.
"""

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import sweep_tasks

from experiments.design.plan import Plan, plan_of
from experiments.measures.outcomes import OUTCOMES
from experiments.sweep import engine
from experiments.sweep.engine import Progress, sweep
from experiments.sweep.journal import OUTCOME, parquet
from experiments.sweep.store import SweepStore, load
from experiments.sweep.tables import FIXED

WORKERS = 2
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print every measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(MEASURES), action="append", help="only this measure")
    chosen = parser.parse_args().only or list(MEASURES)
    with tempfile.TemporaryDirectory(prefix="bench-sweep-") as scratch:
        for name in chosen:
            for what, measured, limit, unit in MEASURES[name](Path(scratch) / name):
                verdict = (
                    ""
                    if limit is None
                    else f"  promised <= {limit:g} {unit}: {'holds' if measured <= limit else 'FAILS'}"
                )
                print(f"{what:<68} {measured:>9.3f} {unit}{verdict}", flush=True)


Line = tuple[str, float, float | None, str]


def toy(points: int, replications: int, **parameters: float) -> Plan:
    """A sweep of points whose parameters nobody checks."""
    listed = [{"a": float(number), "b": float(number % 7), **parameters} for number in range(points)]
    return plan_of(listed, name="toy", seed=1, replications={"count": replications})


def overhead(folder: Path) -> Iterator[Line]:
    """2,000 runs of 50 ms: waiting ones, whose number a second does not depend on other work, and busy ones."""
    before = cpu()
    waiting = sweep(
        toy(200, 10, seconds=0.05), sweep_tasks.slow, folder.with_name("waiting"), executor=WORKERS
    )
    assert waiting.manifest["counts"]["ok"] == 2000
    yield (
        "engine's processor time over the length of 2,000 runs that wait 50 ms",
        100 * (cpu() - before) / (2000 * 0.05),
        3.0,
        "%",
    )
    seen: dict[int, float] = {}
    looking = looked = 0.0

    def look(progress: Progress) -> None:
        nonlocal looking, looked
        if time.monotonic() - looked > 5.0 or progress.left < 100:
            before = cpu()
            seen.update(cpu_of_descendants())
            looked, looking = time.monotonic(), looking + cpu() - before

    idle = cpu_of_descendants()
    before, began = cpu(), time.perf_counter()
    report = sweep(toy(200, 10, seconds=0.05), sweep_tasks.busy, folder, executor=WORKERS, on_progress=look)
    wall, spent = time.perf_counter() - began, cpu() - before - looking
    assert report.manifest["counts"]["ok"] == 2000
    useful = 2000 * 0.05
    workers = sum(seconds - idle.get(process, 0.0) for process, seconds in seen.items())
    yield "the same of 2,000 runs that use 50 ms of processor", 100 * spent / useful, 3.0, "%"
    yield (
        "the same with what its workers use beside the runs and to start",
        100 * (spent + workers - useful) / useful,
        None,
        "%",
    )
    yield f"wall time of those with {WORKERS} workers (50 s on two free cores)", wall, None, "s"


def dispatch(folder: Path) -> Iterator[Line]:
    """Runs that take no time."""
    count = 10_000
    rss: list[tuple[int, float]] = []
    before, began = cpu(), time.perf_counter()
    report = sweep(
        toy(100, count // 100),
        sweep_tasks.noisy,
        folder,
        executor=WORKERS,
        on_progress=lambda progress: rss.append((progress.done, memory_mb())),
    )
    wall, spent = time.perf_counter() - began, cpu() - before
    assert report.manifest["counts"]["ok"] == count
    yield "wall time a run of nothing, from the first to the tables", 1e3 * wall / count, 1.0, "ms"
    yield "engine's processor time a run of nothing", 1e3 * spent / count, 1.0, "ms"
    kept, engine.BATCH_SECONDS = engine.BATCH_SECONDS, 0.0
    began = time.perf_counter()
    sweep(toy(100, 20), sweep_tasks.noisy, folder.with_name("single"), executor=WORKERS)
    engine.BATCH_SECONDS = kept
    yield (
        "wall time a run of nothing, each sent by itself",
        1e3 * (time.perf_counter() - began) / 2000,
        None,
        "ms",
    )


def memory(folder: Path) -> Iterator[Line]:
    """10,000 runs with a path each; memory at a fifth of the way against the end."""
    rss: list[tuple[int, float]] = []

    def look(progress: Progress) -> None:
        rss.append((progress.done, memory_mb()))

    sweep(toy(100, 100), sweep_tasks.noisy, folder, executor=WORKERS, on_progress=look)
    early = max((mb for done, mb in rss if done <= 2500), default=rss[0][1])
    late = max(mb for done, mb in rss if done > 7500)
    yield "engine's memory after 2,500 runs", early, None, "MB"
    yield "what it grows by until 10,000 runs are stored in tables", late - early, 30.0, "MB"


def resume(folder: Path) -> Iterator[Line]:
    """A finished sweep of 10,000 runs is asked for again."""
    plan = toy(100, 100)
    sweep(plan, sweep_tasks.noisy, folder, executor=0)
    began = time.perf_counter()
    assert sweep(plan, sweep_tasks.noisy, folder, executor=WORKERS).progress.stored == 10_000
    yield "resume of a finished 10,000-run sweep, in Python", time.perf_counter() - began, 2.0, "s"
    file = folder.with_name("asked.toml")
    file.write_text(
        '[vary]\n"site.vacancy" = { low = 0.005, high = 0.06 }\n'
        '[design]\nkind = "sobol"\npoints = 100\n[replications]\ncount = 100\n'
    )
    from experiments.design.planner import load as read

    place = folder.with_name("command")
    sweep(read(file)[1], pretended, place, executor=0)
    command = [sys.executable, "-m", "experiments.command.main", "sweep", str(file), "--out", str(place)]
    fastest = cheapest = float("inf")
    for _ in range(3):
        began, before = time.perf_counter(), cpu(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        fastest = min(fastest, time.perf_counter() - began)
        cheapest = min(cheapest, cpu(resource.RUSAGE_CHILDREN) - before)
        assert "0 runs computed, 10,000 were stored" in done.stdout, done.stdout
    yield "the same by the command, Python's start and all imports included", fastest, 2.0, "s"
    yield "its processor time", cheapest, 2.0, "s"


def pretended(parameters: Any, seed: int, replication: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Outcomes of the model without the model."""
    rng = np.random.default_rng([seed, replication])
    return dict(zip(OUTCOMES, rng.random(len(OUTCOMES)).tolist(), strict=True)), {}


pretended.fingerprint = "pretended"  # type: ignore[attr-defined]


def rows(folder: Path) -> Iterator[Line]:
    """1,000,000 stored runs."""
    plan = toy(10_000, 100)
    store = SweepStore(folder)
    manifest = {"fingerprint": "tasks", "complete": True}
    store.begin(plan, manifest)
    written = 0
    for points in range(0, 10_000, 1000):
        ids = [
            plan.run_id(point, r, "tasks")
            for point in plan.points[points : points + 1000]
            for r in range(100)
        ]
        data = parquet(stored_rows(plan, ids, points))
        name = f"{points:016x}-{hashlib.sha256(data).hexdigest()}.parquet"
        (folder / "journal" / name).write_bytes(data)
        written += len(ids)
    began = time.perf_counter()
    everything = {point.index: 100 for point in plan.points}
    store.compact(plan, "tasks", everything, dict.fromkeys(everything, "count"), {}, manifest)
    store.close()
    yield f"compaction of {written:,} journal rows into tables", time.perf_counter() - began, None, "s"
    fastest = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        frame = load(folder).runs
        fastest = min(fastest, time.perf_counter() - began)
    assert len(frame) == 1_000_000
    yield f"load of 1,000,000 rows of {len(frame.columns)} columns into pandas", fastest, 1.0, "s"


def stored_rows(plan: Plan, ids: list[str], first: int) -> pa.Table:
    """Rows as a journal holds them."""
    count = len(ids)
    rng = np.random.default_rng(first)
    values: dict[str, Any] = {
        "run_id": ids,
        "parameters_id": [plan.points[first + row // 100].id for row in range(count)],
        "replication": np.tile(np.arange(100), count // 100),
        "seed": np.ones(count, dtype=np.int64),
        "fingerprint": ["tasks"] * count,
        "parameters": ["{}"] * count,
        "status": ["ok"] * count,
        "error": [""] * count,
        "traceback": [""] * count,
        "seconds": rng.random(count),
        "peak_mb": rng.random(count),
        "attempts": np.ones(count, dtype=np.int32),
        "has_series": np.zeros(count, dtype=np.bool_),
    }
    columns = {name: pa.array(values[name], kind) for name, kind in FIXED.items()}
    return pa.table(
        columns | {OUTCOME + name: pa.array(rng.random(count)) for name in ("level", "spread", "depth")}
    )


def cpu(whose: int = resource.RUSAGE_SELF) -> float:
    """Processor time of this process, or of those it started that have ended."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def memory_mb() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def cpu_of_descendants() -> dict[int, float]:
    """Processor time of every process this one started, directly or not."""
    parents: dict[int, tuple[int, float]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parts = (entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = (int(parts[1]), (int(parts[11]) + int(parts[12])) / TICKS)
    ours = {os.getpid()}
    while more := {process for process, (parent, _) in parents.items() if parent in ours} - ours:
        ours |= more
    return {process: parents[process][1] for process in ours - {os.getpid()}}


MEASURES = {"overhead": overhead, "dispatch": dispatch, "memory": memory, "resume": resume, "rows": rows}

if __name__ == "__main__":
    main()
