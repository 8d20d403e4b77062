"""Runs on a Dask cluster: the same experiment, the same command, many machines.

Dask moves batches and results; it can neither end a run that hangs nor survive one that crashes its worker. So each thread of
a Dask worker keeps a warm process of its own (`LocalPool`), and time-outs, deaths and lack of memory end as the status of a
run exactly as they do on one machine. A Dask worker that is lost takes only the batches at work in it, which Dask
computes elsewhere. A scheduler that is lost ends the sweep with a message; what ended before is stored.
"""

import contextlib
import importlib.util
import logging
import multiprocessing
import multiprocessing.util
import queue
import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from experiments.sweep.executors import LocalPool
from experiments.sweep.jobs import RAISED, Batch, Ended, ExecutorError

if TYPE_CHECKING:
    from distributed import Client, Future

ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d+|inproc://\S+")
CONNECT_SECONDS = 20.0
# Workers may start after the sweep, and a nanny needs a moment to replace one that died.
PATIENCE_SECONDS = 60.0
COUNT_SECONDS = 2.0  # between two looks at how many workers there are
FETCH_SECONDS = 30.0

_of_thread = threading.local()


def compute_apart(batch: Batch) -> Ended:
    """Compute a batch in the process that belongs to this thread of a Dask worker."""
    pool: LocalPool | None = getattr(_of_thread, "pool", None)
    if pool is None:
        # A nanny starts its worker as a daemon, which may have no children; ours end before it does.
        multiprocessing.current_process().daemon = False
        pool = _of_thread.pool = LocalPool(1)
        multiprocessing.util.Finalize(None, pool.close, kwargs={"abandon": True}, exitpriority=10)
    pool.submit(batch)
    while (ended := pool.next(1.0)) is None:
        pass
    return ended


class DaskCluster:
    """Threads of the workers of a Dask cluster, each with a process for its runs.

    Parameters
    ----------
    cluster
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``, or a connected ``dask.distributed.Client``, which stays open.
    patience
        Seconds without any worker after which the sweep ends.

    Raises
    ------
    ExecutorError
        If Dask is not installed, no scheduler answers, or it has no workers.
    """

    def __init__(self, cluster: "str | Client", patience: float = PATIENCE_SECONDS) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise ExecutorError("a Dask cluster needs Dask: pip install 'firesale[dask]'")
        self._client, self._own = _connected(cluster)
        self._patience = patience
        self._name = f"firesale-{secrets.token_hex(4)}"
        self._ended: queue.SimpleQueue[tuple[Batch, Future[Any]]] = queue.SimpleQueue()
        self._open: dict[int, Future[Any]] = {}
        self._workers = 0
        self._counted = self._seen = time.monotonic()
        self._count()
        while not self._workers:
            time.sleep(0.2)
            self._count()

    @property
    def address(self) -> str:
        """Where the scheduler is, or was."""
        return str(self._client.scheduler.address if self._client.scheduler else self._client._start_arg)

    @property
    def workers(self) -> int:
        """Threads of all workers; they may come and go."""
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._count()
        return self._workers

    def submit(self, batch: Batch) -> None:
        """Take a batch."""
        self._check()
        key = f"{self._name}-{batch.number}"
        future = self._client.submit(compute_apart, batch, key=key, pure=False)
        self._open[batch.number] = future
        future.add_done_callback(lambda done: self._ended.put((batch, done)))

    def next(self, seconds: float) -> Ended | None:
        """A batch that ended, or nothing within `seconds`."""
        self._check()
        try:
            batch, future = self._ended.get(timeout=seconds) if seconds > 0 else self._ended.get_nowait()
        except queue.Empty:
            self.workers  # noqa: B018  gives up when there have been none for long
            return None
        self._check()
        self._open.pop(batch.number, None)
        return _outcome(batch, future)

    def close(self, *, abandon: bool) -> None:
        """Leave the cluster as it was; `abandon` drops what waits there, and what runs ends by its own limit."""
        with contextlib.suppress(Exception):  # the cluster may be gone, which is why we leave
            if abandon and self._client.status == "running":
                self._client.cancel(list(self._open.values()), force=True)
        self._open.clear()
        if self._own:
            with contextlib.suppress(Exception):
                self._client.close(timeout=5)

    def _check(self) -> None:
        if self._client.status != "running":
            raise ExecutorError(
                f"lost the Dask scheduler at {self.address}; every run that had ended is stored: "
                "start scheduler and workers again and repeat the same command"
            )

    def _count(self) -> None:
        """Look how many threads there are; none for too long is an error."""
        self._check()
        with contextlib.suppress(OSError):  # a scheduler going away shows in the client's status soon
            self._workers = sum(self._client.nthreads().values())
        now = self._counted = time.monotonic()
        if self._workers:
            self._seen = now
        elif now - self._seen > self._patience:
            raise ExecutorError(
                f"the Dask scheduler at {self.address} has had no workers for {self._patience:g} s; "
                f"start some with: dask worker {self.address}"
            )


def _connected(cluster: "str | Client") -> "tuple[Client, bool]":
    """A client, and whether it is ours to close."""
    if not isinstance(cluster, str):
        return cluster, False
    from distributed import Client

    # Asked to connect to something else, Dask waits for half a minute and then fails in its own words.
    if not ADDRESS.fullmatch(cluster):
        raise ExecutorError(f"{cluster!r} is no address of a Dask scheduler, such as tcp://10.0.0.5:8786")
    # What Dask would log about a lost connection is said by our own error.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        return Client(cluster, timeout=CONNECT_SECONDS, set_as_default=False, name="firesale"), True
    except (OSError, ValueError) as error:
        raise ExecutorError(f"no Dask scheduler answers at {cluster}: {_line(error)}") from None


def _outcome(batch: Batch, future: "Future[Any]") -> Ended:
    from distributed import CancelledError, KilledWorker

    try:
        ended: Ended = future.result(timeout=FETCH_SECONDS)
    except (
        CancelledError,
        KilledWorker,
        OSError,
    ):  # a time-out is an OSError: the result went with its worker
        return Ended(batch)
    except Exception as fault:  # the cluster cannot even read the batch
        text = (
            f"the Dask cluster cannot read the work: {_line(fault.__cause__ or fault)}; "
            "scheduler and workers need this version of firesale"
        )
        return Ended(batch, status=RAISED, error=f"ExecutorError: {text}")
    return Ended(batch, ended.results, ended.status, ended.error)


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


__all__ = ["DaskCluster", "compute_apart"]
