"""Where the runs of a sweep are computed: local processes, a Dask cluster, or this process.

An executor takes batches and gives back, for each, the results of its runs or the reason why they are missing. Whatever happens
to a worker (exception, segmentation fault, time-out, lack of memory) ends as a status of a run, never as
an end of the sweep.
"""

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pebble

from experiments.runs import provenance
from experiments.runs.signals import hearing
from experiments.runs.steady_numbers import steady_environment
from experiments.sweep.jobs import (
    DIED,
    OK,
    OUT_OF_MEMORY,
    RAISED,
    STATUSES,
    TIMED_OUT,
    Batch,
    Ended,
    Executor,
    ExecutorError,
    Job,
    Origin,
    Result,
    Run,
    Series,
)
from sim.base import inputs
from sim.base.inputs import Input, files_of, name_of

MOST_RESTARTS = 2
START_SECONDS = 120.0  # longest that the first worker may take to come up
MAIN_GUARD = "a script must start its sweep under `if __name__ == '__main__':`"

_environment_lock = threading.Lock()


def compute(batch: Batch) -> list[Result]:
    """Compute a batch in this process; faults of a run become its status."""
    code = getattr(batch.run, "fingerprint", batch.fingerprint)
    if code != batch.fingerprint:
        text = f"this worker has other model code ({code}) than the sweep ({batch.fingerprint}); restart it"
        raise ExecutorError(text)
    _check_environment(batch.origin)
    with _memory_limit(batch.memory_mb):
        return [_compute(batch.run, job, batch.origin) for job in batch.jobs]


def _check_environment(origin: Origin) -> None:
    """Refuse to compute with other libraries, compiled modules or CPU level than the sweep's rows name."""
    ours, asked = provenance.environment(), origin.environment
    if asked and provenance.decisive(ours) != provenance.decisive(asked):
        said = "; ".join(provenance.differences([asked], [ours], ("in the sweep", "here")))
        raise ExecutorError(f"this worker would compute other numbers: {said}")


def _compute(run: Run, job: Job, origin: Origin) -> Result:
    names = [name_of(path) for path in files_of(job.parameters).values()]
    files = {name: origin.inputs[name] for name in names if name in origin.inputs}
    inputs.check(files)
    with inputs.expecting(files), inputs.noting() as read:
        result = _computed(run, job)
    # A function of the user's reads files by itself.
    inputs.check(files)
    seen = {path: read.get(path, Input(path, sha256, None)) for path, sha256 in files.items()}
    return replace(
        result, provenance=provenance.text_of(provenance.record(origin.code, job.parameters, seen))
    )


def _computed(run: Run, job: Job) -> Result:
    began = time.perf_counter()
    status, error, trace = OK, "", ""
    outcomes: dict[str, float] = {}
    series: Series = {}
    try:
        found, paths = run(job.parameters, job.seed, job.replication)
        outcomes = {name: float(value) for name, value in found.items()}
        if job.keep_series:
            series = {name: np.asarray(values) for name, values in paths.items()}
    except (KeyboardInterrupt, inputs.InputChanged):
        raise
    except BaseException as fault:
        status = OUT_OF_MEMORY if _is_memory(fault) else RAISED
        error = f"{type(fault).__name__}: {' '.join(str(fault).split())}"
        trace = "".join(traceback.format_exception(fault))
    return Result(job.run_id, status, error, trace, time.perf_counter() - began, _peak_mb(), outcomes, series)


def _is_memory(fault: BaseException | None) -> bool:
    while fault is not None:
        if isinstance(fault, MemoryError):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024.0 if os.uname().sysname == "Linux" else peak / 1024.0**2


@contextlib.contextmanager
def _memory_limit(memory_mb: int) -> Any:
    """Address space this process may still take, so that a greedy run fails by itself instead of taking the machine along."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):  # no such limit on this system; run_seconds still holds
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + memory_mb * 1024**2
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def prepare_worker(environment: Mapping[str, str | None]) -> None:
    """First thing a worker does: leave Ctrl-C to the sweep, do not outlive it, and see its parent's `environment`."""
    _set_environment(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "SIGHUP"):  # the sweep hears it too, and ends its workers
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _search_path_handed_down() -> Iterator[Mapping[str, str | None]]:
    """Let a process that starts here look for modules where this one does.

    A fork server loads its preloads before it is told the `sys.path` of its parent. Left alone it looks in the working
    directory first: a user's folder `sim` there would be taken for ours, and every worker would inherit it.

    Yields
    ------
    Mapping
        The variables as they were, for workers to go back to: what a run starts is not to look for modules there.
    """
    handed = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "PYTHONSAFEPATH": "1"}
    with _environment_lock:
        before = {name: os.environ.get(name) for name in handed}
        _set_environment(handed)
        try:
            yield before
        finally:
            _set_environment(before)


def _set_environment(variables: Mapping[str, str | None]) -> None:
    """Set variables of this process; None takes one away."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


class Serial:
    """Runs in this process, one after the other: for debugging, and where no processes can be started."""

    workers = 1

    def __init__(self) -> None:
        self._waiting: list[Batch] = []

    def submit(self, batch: Batch) -> None:
        """Take a batch."""
        self._waiting.append(batch)

    def next(self, seconds: float) -> Ended | None:
        """Compute the next batch."""
        if not self._waiting:
            return None
        batch = self._waiting.pop(0)
        return Ended(batch, compute(batch))

    def close(self, *, abandon: bool) -> None:
        """Nothing to end."""


class LocalPool:
    """Warm processes of this machine, watched over by pebble: one that dies or hangs is replaced, and only its run is lost.

    Parameters
    ----------
    workers
        Number of processes.
    preload
        Modules loaded once, before the workers are split off, so that a replacement starts at once.
    """

    def __init__(
        self, workers: int, preload: Sequence[str] = ("experiments.measures.outcomes", "sim.model")
    ) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise ExecutorError(MAIN_GUARD)
        self.workers = workers
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(list(preload))
        self._open: dict[int, Any] = {}
        self._is_up = False  # whether a worker has begun anything
        self._restarts = 0  # of the pool, before that
        self._began = time.monotonic()
        self._pool = self._start()

    def _start(self) -> Any:
        steady_environment()
        # A terminal that closes tells every process of it: the fork server goes when its parent does.
        with _search_path_handed_down() as environment, hearing(signal.SIG_IGN):
            if self._context.get_start_method() == "forkserver":
                forkserver.ensure_running()
        return pebble.ProcessPool(
            max_workers=self.workers,
            initializer=prepare_worker,
            initargs=[environment],
            context=self._context,
        )

    def submit(self, batch: Batch) -> None:
        """Take a batch."""
        try:
            future = self._pool.schedule(compute, args=[batch], timeout=batch.seconds)
        except (RuntimeError, BrokenProcessPool):
            # A worker that died between two tasks breaks a pool of pebble; what was waiting in it comes back as lost.
            self._restarts += not self._is_up
            if self._restarts > MOST_RESTARTS:
                raise ExecutorError(f"workers end before they begin a run; {MAIN_GUARD}") from None
            self._pool = self._start()
            future = self._pool.schedule(compute, args=[batch], timeout=batch.seconds)
        self._open[batch.number] = future
        future.add_done_callback(lambda done: self._ended.put(_ended(batch, done)))

    def next(self, seconds: float) -> Ended | None:
        """A batch that ended, or nothing within `seconds`."""
        self._check_start()
        try:
            ended = self._ended.get(timeout=seconds) if seconds > 0 else self._ended.get_nowait()
        except queue.Empty:
            return None
        self._open.pop(ended.batch.number, None)
        self._is_up |= not ended.lost
        return ended

    def _check_start(self) -> None:
        """Workers that never come up are not waited for without end."""
        if not self._is_up:
            self._is_up = any(future.running() for future in self._open.values())
        if not self._is_up and self._open and time.monotonic() - self._began > START_SECONDS:
            raise ExecutorError(
                f"no worker came up within {START_SECONDS:g} s; is the machine short of memory or processes?"
            )

    def close(self, *, abandon: bool) -> None:
        """End the workers."""
        if abandon:
            self._pool.stop()
        else:
            self._pool.close()
        self._pool.join()


def _ended(batch: Batch, future: Any) -> Ended:
    """What a finished future says of its batch."""
    try:
        return Ended(batch, future.result())
    except TimeoutError:
        return Ended(batch, status=TIMED_OUT, error=f"longer than {batch.seconds:g} s")
    except pebble.ProcessExpired as fault:
        return Ended(batch, status=DIED, error=_death(fault.exitcode))
    except (BrokenProcessPool, CancelledError):
        return Ended(batch)
    except (ExecutorError, inputs.InputChanged) as fault:
        return Ended(batch, status=RAISED, error=f"{type(fault).__name__}: {fault}")
    except Exception as fault:  # the batch or its results cannot travel between processes
        return Ended(batch, status=RAISED, error=f"{type(fault).__name__}: {' '.join(str(fault).split())}")


def _death(code: int | None) -> str:
    """Why a process ended, in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            why = "; often the system's lack of memory" if name == "SIGKILL" else ""
            return f"worker ended by {name}{why}"
    return f"worker ended with exit code {code}"


__all__ = [
    "STATUSES",
    "Batch",
    "Ended",
    "Executor",
    "ExecutorError",
    "Job",
    "LocalPool",
    "Result",
    "Serial",
    "compute",
]
