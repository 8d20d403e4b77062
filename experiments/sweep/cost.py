"""What a sweep will cost, before it is begun: runs that are left, time and disk, from a few runs that were measured."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from experiments.design.plan import Plan
from experiments.sweep.executors import LocalPool
from experiments.sweep.jobs import OK, Batch, Job, Result, Run
from experiments.sweep.journal import Record, finished, read, shard
from experiments.sweep.listing import shards

PILOTS = 3


@dataclass(frozen=True, slots=True)
class Left:
    """Runs of a sweep that are not stored.

    Attributes
    ----------
    stored
        Runs that are asked for in any case and stored.
    least, most
        Runs to compute: at least, and if no point stops before its maximum.
    """

    stored: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What measured runs say about one run. Times are s, memory and disk MB.

    Attributes
    ----------
    source
        Where the figures come from, for people.
    seconds
        Wall time of every measured run.
    peak_mb
        Largest memory of a worker.
    disk_mb
        Room of a run in the store; of pilots before compression, so at most.
    failures
        Status and error of the pilots that failed.
    """

    source: str

    seconds: list[float]
    peak_mb: float
    disk_mb: float
    failures: list[str]

    @property
    def mean(self) -> float:
        """Mean wall time of a run, s."""
        return math.fsum(self.seconds) / len(self.seconds)


def left_of(
    plan: Plan, folder: Path, fingerprint: str, manifest: Mapping[str, Any], shard: tuple[int, int] | None
) -> Left:
    """Runs a sweep still has to compute; `fingerprint` names the code whose stored runs count."""
    stored = finished(folder) if manifest else {}
    good = {run_id for run_id, (status, _) in stored.items() if status == OK}
    rule = plan.experiment.replications
    own = plan.points if shard is None else plan.points[shard[0] - 1 :: shard[1]]
    have = sum(
        plan.run_id(point, replication, fingerprint) in good
        for point in own
        for replication in range(rule.least)
    )
    return Left(have, len(own) * rule.least - have, max(len(own) * rule.most - have, 0))


def stored_cost(folder: Path) -> Cost | None:
    """Cost of the runs that are stored; nothing if they are too few to tell."""
    sources = read(folder, ["run_id", "status", "has_series", "seconds", "peak_mb"])
    if sources is None:
        return None
    table = sources.table.take(list(sources.chosen.values()))
    seconds, peaks = _finite(table, "seconds"), _finite(table, "peak_mb")
    if len(seconds) < PILOTS:
        return None
    room = sum(path.stat().st_size for path in (*folder.glob("*.parquet"), *shards(folder)))
    return Cost(
        f"{len(seconds)} stored runs", seconds, max(peaks, default=math.nan), room / 1e6 / len(seconds), []
    )


def _finite(table: pa.Table, column: str) -> list[float]:
    return [value for value in table.column(column).to_pylist() if math.isfinite(value)]


def pilot(plan: Plan, run: Run, workers: int, fingerprint: str) -> Cost:
    """Compute the first run of a few points spread over the design, and forget the results."""
    count = min(PILOTS, len(plan.points))
    chosen = [plan.points[(len(plan.points) - 1) * number // max(count - 1, 1)] for number in range(count)]
    limits = plan.experiment.limits
    keep = plan.experiment.record.series.keep > 0
    pool = LocalPool(min(workers, count))
    results: list[Result] = []
    try:
        for point in chosen:
            job = Job(str(point.index), point.overrides, plan.seed_of(point), 0, keep)
            pool.submit(Batch(run, fingerprint, (job,), limits.run_seconds, limits.memory_mb))
        while len(results) < count:
            ended = pool.next(1.0)
            if ended is None:
                continue
            name = ended.batch.jobs[0].run_id
            lost = Result(name, ended.status, ended.error, "", limits.run_seconds, math.nan, {}, {})
            results.extend(ended.results or [lost])
    finally:
        pool.close(abandon=len(results) < count)
    records = [Record(result.run_id, "", 0, 0, fingerprint, 1, result) for result in results]
    peaks = [result.peak_mb for result in results if math.isfinite(result.peak_mb)]
    return Cost(
        f"{count} pilot runs",
        [result.seconds for result in results],
        max(peaks, default=math.nan),
        shard(records).nbytes / 1e6 / count,
        [f"{result.status}: {result.error}" for result in results if result.status != OK],
    )
