"""The sweep engine: every run of an experiment, once, whatever happens on the way.

The engine hands batches of runs to an executor, puts what comes back into the store, asks the stopping rule whether a point
needs more, and says how far it is. It is a function of the experiment and the store: started again, it does what is left.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.design.plan import Plan
from experiments.runs import provenance
from experiments.runs.folder import StoreError
from experiments.runs.store import FORMAT
from experiments.sweep.dask_cluster import DaskCluster
from experiments.sweep.executors import LocalPool, Serial
from experiments.sweep.jobs import OK, RAISED, Batch, Ended, Executor, Job, Origin, Result, Run, SweepError
from experiments.sweep.journal import SERIES_TABLE, Record, finished, outcomes_of
from experiments.sweep.model_task import ModelTask, fingerprint_of
from experiments.sweep.origin import (
    as_stored,
    code_that_counts,
    manifest_inputs,
    manifest_record,
    origin_of,
    rows_read,
)
from experiments.sweep.progress import Progress, Report, Stop
from experiments.sweep.stopping import OPEN, PointProgress
from experiments.sweep.store import SweepStore, find
from experiments.sweep.travel import check_travels
from sim.base.inputs import InputChanged, expecting

BATCH_SECONDS = 0.5  # work sent to a worker at once, so that short runs do not wait for the post
MOST_JOBS = 64
# Several runs sent at once are short ones. A batch that takes this long has one that hangs, or one that is long after all:
# it is ended, and each of its runs is tried by itself with its full time.
PATIENCE_SECONDS = 10.0
FLUSH_SECONDS = 2.0  # most that a kill -9 can lose
FLUSH_ROWS = 1024
QUEUED = 2  # batches per worker: one at work, one at hand
MOST_LOSSES = 20  # times a batch may be lost with its executor before the sweep gives up


def sweep(
    plan: Plan,
    run: Run,
    folder: str | Path,
    *,
    executor: Executor | int | str = 1,
    shard: tuple[int, int] | None = None,
    allow_code_change: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Compute and store every run of an experiment that is not stored yet.

    Parameters
    ----------
    plan
        The experiment with its points.
    run
        Function of (parameters, seed, replication) that returns (outcomes, series); it must be importable by name. Runs stored
        by other code are not reused: of the function, of modules of yours that it reaches, or of the model. An attribute
        ``fingerprint`` names the code instead.
    folder
        Result folder; made if it is not there.
    executor
        Where runs are computed, or a number of local processes; 0 computes in this process, whose NumPy may differ from that of
        workers in the last bit unless it was imported after `experiments.runs.steady_numbers.steady_environment`.
    shard
        (i, n): only points i-1, i-1+n, i-1+2n, ... and no compaction, as one of n independent jobs on one folder.
    allow_code_change
        Reuse runs of the code named in the manifest although the code is another now.
    on_progress
        Called now and then.

    Returns
    -------
    Report
        What was done. Failed runs are rows of the result, not exceptions.

    Raises
    ------
    StoreError
        If results cannot be written.
    SweepError
        If the design cannot grow, or the executor loses every batch.
    """
    prepared = run.prepared(plan.plugins) if isinstance(run, ModelTask) else run
    if isinstance(prepared, ModelTask):
        prepared.check_tables(plan)
    store = SweepStore(folder, shared=shard is not None)
    try:
        origin = origin_of(plan, prepared, executor)
        session = _Session(plan, prepared, origin, store, shard, allow_code_change, on_progress)
        return session.live(executor)
    finally:
        store.close()


class _Session:
    """One call of `sweep`."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        origin: Origin,
        store: SweepStore,
        shard: tuple[int, int] | None,
        allow_code_change: bool,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.plan, self.store, self.shard = plan, store, shard
        self.run = run
        self.origin = origin
        self.on_progress = on_progress
        self.code = fingerprint_of(run, origin.code)
        self.now = provenance.fingerprint(self.code, origin.environment)
        self.before = store.manifest()
        self.fingerprint, self.note = code_that_counts(self.before, run, origin, allow=allow_code_change)
        self._check_name()
        self._check_growth()
        self.limits = plan.experiment.limits
        self.keep = plan.experiment.record.series.keep if getattr(self.run, "series", True) else 0
        own = plan.points if shard is None else plan.points[shard[0] - 1 :: shard[1]]
        self.points = {point.index: point for point in own}
        self.rules = {index: PointProgress(plan.experiment.replications) for index in self.points}
        self.progress = Progress(points=len(own))
        self.failures: list[tuple[str, str, str]] = []
        self.more: deque[tuple[int, int]] = deque()
        self.waiting: deque[tuple[int, int, str]] = deque()
        self.again: deque[tuple[Job, ...]] = deque()
        self.attempts: dict[str, int] = {}
        self.losses: dict[str, int] = {}
        self.places: dict[str, list[tuple[int, int]]] = {}
        self.rows_read = rows_read(one for listed in self.before.get("inputs", {}).values() for one in listed)
        self.in_flight: dict[int, Batch] = {}
        self.mean_seconds = 0.0
        self.flushed = time.monotonic()
        self.stop = Stop()

    # -- what is left ---------------------------------------------------------------------------------------

    def _check_name(self) -> None:
        """A folder holds one experiment; another one in it would put the first one's tables away."""
        name = self.before.get("experiment", {}).get("name", self.plan.experiment.name)
        if name != self.plan.experiment.name:
            raise SweepError(
                f"{self.store.folder}: holds the experiment {name}, not {self.plan.experiment.name}; "
                "choose another folder with --out"
            )

    def _check_growth(self) -> None:
        """A Latin hypercube of another size is another sample: no stored run would be part of it."""
        design = self.plan.experiment.design
        kind, count = self.before.get("design", ""), self.before.get("points", 0)
        if (
            design.kind == kind == "lhs"
            and count != len(self.plan.points)
            and self.before.get("plan") != self.plan.digest()
        ):
            raise SweepError(
                f"{self.store.folder}: a Latin hypercube of {count} points cannot grow to {len(self.plan.points)}: "
                "its points would all move; use sobol or halton, which are nested, or another --out"
            )

    def _needs_series(self, replication: int) -> bool:
        return replication < self.keep

    def _gives_paths(self) -> bool:
        """A function that does not say so (attribute ``series``) may give no paths; then none of what is stored has any."""
        asked = self.before.get("experiment", {}).get("record", {}).get("series", {}).get("keep", 0)
        stored = [has_series for status, has_series in self.finished.values() if status == OK]
        unknown = SERIES_TABLE in self.store.missing
        return hasattr(self.run, "series") or not asked or not stored or any(stored) or unknown

    def _plan_runs(self) -> None:
        """Note what is stored, and queue the rest: first replication of every point, then the second, and so on."""
        rule = self.plan.experiment.replications
        stops = [target.outcome for target in rule.stop]
        self.finished = finished(self.store.folder)
        self.known = outcomes_of(self.store.folder, stops) if stops and self.finished else {}
        if not self._gives_paths():
            self.keep = 0
        for replication in range(min(rule.least, rule.most)):
            for index in self.points:
                self._ask(index, replication)
        self._ask_more()

    def _ask(self, index: int, replication: int) -> None:
        """A run is wanted: take it from the store, or queue it."""
        self.progress.asked += 1
        run_id = self.plan.run_id(self.points[index], replication, self.fingerprint)
        status, has_series = self.finished.get(run_id, ("", False))
        if status == OK and (has_series or not self._needs_series(replication)):
            self.progress.stored += 1
            self._count(index, replication, self.known.get(run_id, {}))
        elif run_id in self.places:
            # Points with equal parameters share one run.
            self.places[run_id].append((index, replication))
        else:
            self.places[run_id] = [(index, replication)]
            self.waiting.append((index, replication, run_id))

    def _count(self, index: int, replication: int, outcomes: Mapping[str, float] | None) -> None:
        """A run of a point ended; what its rule asks for next is noted, and asked for by `_ask_more`."""
        rule = self.rules[index]
        self.more.extend((index, extra) for extra in rule.end(replication, outcomes))
        if rule.complete:
            self.progress.converged += 1

    def _ask_more(self) -> None:
        while self.more:
            self._ask(*self.more.popleft())

    # -- the loop -------------------------------------------------------------------------------------------

    def live(self, executor: Executor | int | str) -> Report:
        self._plan_runs()
        began = time.time()
        if self.waiting:
            self.store.begin(self.plan, self._about(began))
            with self.stop.listening():
                place = _executor(executor, self.run)
                try:
                    self._loop(place)
                finally:
                    # A full disk must not leave workers behind.
                    try:
                        self._flush(last=True)
                    finally:
                        place.close(abandon=bool(self.in_flight))
        return self._finish(began)

    def _loop(self, place: Executor) -> None:
        told = 0.0
        while True:
            if not self.stop.asked:
                self._fill(place)
            if not self.in_flight or self.stop.at_once:
                return
            ended = place.next(0.2)
            while ended is not None:
                self._take(ended)
                ended = place.next(0.0)
            self._flush()
            if time.monotonic() - told > 0.2:
                self.on_progress(self._measured())
                told = time.monotonic()

    def _fill(self, place: Executor) -> None:
        while len(self.in_flight) < QUEUED * place.workers and (self.again or self.waiting):
            jobs = self.again.popleft() if self.again else self._next_jobs(place.workers)
            batch = Batch(
                self.run,
                self.code,
                jobs,
                self.limits.run_seconds
                if len(jobs) == 1
                else min(self.limits.run_seconds, PATIENCE_SECONDS) + BATCH_SECONDS,
                self.limits.memory_mb,
                origin=self.origin,
            )
            self.in_flight[batch.number] = batch
            place.submit(batch)

    def _next_jobs(self, workers: int) -> tuple[Job, ...]:
        size = 1
        if self.mean_seconds > 0:
            size = int(min(max(BATCH_SECONDS / self.mean_seconds, 1), MOST_JOBS))
            # Towards the end everybody should have something to do.
            size = max(min(size, len(self.waiting) // (QUEUED * workers)), 1)
        jobs: list[Job] = []
        while self.waiting and len(jobs) < size:
            index, replication, run_id = self.waiting.popleft()
            point = self.points[index]
            jobs.append(
                Job(
                    run_id,
                    point.overrides,
                    self.plan.seed_of(point),
                    replication,
                    self._needs_series(replication),
                )
            )
        return tuple(jobs)

    def _take(self, ended: Ended) -> None:
        batch = self.in_flight.pop(ended.batch.number)
        if ended.results:
            for job, result in zip(batch.jobs, ended.results, strict=True):
                self._result(job, result)
        elif ended.lost:
            self._lost(batch)
        elif len(batch.jobs) > 1:
            # One of them did it; each is tried by itself.
            self.again.extend((job,) for job in batch.jobs)
        else:
            job = batch.jobs[0]
            seconds = batch.seconds if ended.status == "timed_out" else float("nan")
            self._result(
                job, Result(job.run_id, ended.status, ended.error, "", seconds, float("nan"), {}, {})
            )

    def _lost(self, batch: Batch) -> None:
        for job in batch.jobs:
            self.losses[job.run_id] = self.losses.get(job.run_id, 0) + 1
            if self.losses[job.run_id] > MOST_LOSSES:
                raise SweepError(
                    f"run {job.run_id} was lost {MOST_LOSSES} times with its workers; is the cluster well? "
                    "A script must start its sweep under `if __name__ == '__main__':`"
                )
        self.again.append(batch.jobs)

    def _result(self, job: Job, result: Result) -> None:
        tries = self.attempts[job.run_id] = self.attempts.get(job.run_id, 0) + 1
        if result.error.startswith("ExecutorError"):
            raise SweepError(result.error.removeprefix("ExecutorError: "))
        if result.error.startswith("InputChanged"):
            raise InputChanged(result.error.removeprefix("InputChanged: "))
        # An exception is a function of the input and would come again; a death or a time-out may not.
        if result.status not in (OK, RAISED) and tries <= self.limits.retries:
            self.again.append((job,))
            return
        index, replication = self.places[job.run_id][0]
        point = self.points[index]
        self.store.add(
            Record(
                point.id,
                json.dumps(dict(point.overrides), sort_keys=True),
                replication,
                job.seed,
                self.now,
                tries,
                result,
            )
        )
        self.rows_read |= rows_read(provenance.read_text(result.provenance).get("inputs", {}).values())
        good = result.status == OK
        if good:
            self.mean_seconds = (
                0.8 * self.mean_seconds + 0.2 * result.seconds if self.mean_seconds else result.seconds
            )
        else:
            self.failures.append((job.run_id, result.status, result.error))
        del self.attempts[job.run_id]
        for place_index, place_replication in self.places.pop(job.run_id):
            self.progress.done += good
            self.progress.failed += not good
            self._count(place_index, place_replication, result.outcomes if good else None)
        self._ask_more()

    def _flush(self, *, last: bool = False) -> None:
        due = time.monotonic() - self.flushed > FLUSH_SECONDS or self.store.waiting >= FLUSH_ROWS
        if self.store.waiting and (due or last):
            self.store.flush()
            self.flushed = time.monotonic()

    def _measured(self) -> Progress:
        if self.plan.experiment.replications.stop:
            self.progress.widest = max(
                (rule.widest for rule in self.rules.values() if rule.stopped_by == OPEN), default=0.0
            )
        self.progress.run_seconds = self.mean_seconds
        return self.progress

    # -- the end --------------------------------------------------------------------------------------------

    def _about(self, began: float) -> dict[str, Any]:
        experiment = self.plan.experiment
        task_series = list(getattr(self.run, "series", ()))
        return {
            "format": FORMAT,
            "name": experiment.name,
            "title": experiment.title,
            "fingerprint": self.fingerprint,
            "provenance": manifest_record(self.origin, self.before if self.fingerprint != self.now else {}),
            "inputs": manifest_inputs(self.plan, self.rows_read),
            "plan": self.plan.digest(),
            "plugins": self.plan.plugins,
            "experiment": experiment.model_dump(mode="json"),
            "design": experiment.design.kind,
            "points": len(self.plan.points),
            "seed": experiment.seed,
            "streams": "Philox of (seed, replication, purpose, week); equal replications share their shocks"
            if experiment.replications.common_random_numbers
            else "Philox of (seed of the point, replication, purpose, week)",
            "series": {"columns": task_series, "every": getattr(self.run, "every", 1)},
            "meanings": {name: list(pair) for name, pair in self._meanings().items()},
        }

    def _meanings(self) -> dict[str, tuple[str, str]]:
        """Unit and meaning of outcomes: as the code says now, then what is known of others from earlier code."""
        now: dict[str, tuple[str, str]] = self.run.meanings() if hasattr(self.run, "meanings") else {}
        before = {name: (pair[0], pair[1]) for name, pair in self.before.get("meanings", {}).items()}
        return now | {name: pair for name, pair in before.items() if name not in now}

    def _finish(self, began: float) -> Report:
        nothing_left = not (self.waiting or self.again or self.in_flight)
        interrupted = self.stop.asked and not nothing_left
        complete = nothing_left and self.shard is None
        manifest = dict(self.before)
        if self.shard is None and (self._changed() or not self.before.get("complete")):
            self._finish_rules()
            about = self._about(began)
            about["complete"] = complete
            if self.fingerprint != self.now:
                about["code_used"] = sorted({*self.before.get("code_used", [self.fingerprint]), self.now})
            about["sessions"] = [*self.before.get("sessions", []), self._session(began)]
            asked = {index: rule.asked for index, rule in self.rules.items()}
            reasons = {index: rule.stopped_by for index, rule in self.rules.items()}
            manifest = self.store.compact(
                self.plan, self.fingerprint, asked, reasons, self._meanings(), about
            )
        self.on_progress(self._measured())
        return Report(
            self.store.folder,
            self.progress,
            complete,
            interrupted,
            self.failures,
            manifest,
            self.note,
            self.store.mended,
            self.stop.hung_up,
        )

    def _changed(self) -> bool:
        return (
            self.progress.done + self.progress.failed > 0
            or self.before.get("plan") != self.plan.digest()
            or self.before.get("fingerprint") != self.fingerprint
            or self.before.get("experiment") != self.plan.experiment.model_dump(mode="json")
            or self.store.has_journal()
            or bool(self.store.missing)
        )

    def _finish_rules(self) -> None:
        """Points that are still open keep everything they have, up to what may be asked for."""
        for rule in self.rules.values():
            if rule.stopped_by == OPEN:
                rule.asked = self.plan.experiment.replications.most

    def _session(self, began: float) -> dict[str, Any]:
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "began": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - began, 1),
            "runs": self.progress.done,
            "failed": self.progress.failed,
            "reused": self.progress.stored,
            "cpu_seconds_of_the_engine": round(usage.ru_utime + usage.ru_stime, 2),
        }


def _executor(executor: Executor | int | str, run: Run) -> Executor:
    if not isinstance(executor, int | str):
        return executor
    if not executor:
        return Serial()
    check_travels(run, far=isinstance(executor, str))
    return DaskCluster(executor) if isinstance(executor, str) else LocalPool(executor)


def replay(folder: str | Path, run_id: str, run: Run) -> tuple[dict[str, Any], Mapping[str, float]]:
    """Repeat one stored run in this process, by the beginning of its id; an exception is raised as it was.

    Returns
    -------
    log, outcomes
        What was stored of it, and what came of it now.
    """
    entry = find(folder, run_id)
    parameters, contents = as_stored(Path(folder), entry)
    with expecting(contents):
        outcomes, _ = run(parameters, entry["seed"], entry["replication"])
    return entry, outcomes


__all__ = ["Progress", "Report", "StoreError", "SweepError", "replay", "sweep"]
