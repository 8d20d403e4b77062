"""What passes between the sweep engine and the places where runs are computed."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from experiments.design.designs import Value

Series = dict[str, np.ndarray[Any, np.dtype[Any]]]
Run = Callable[[Mapping[str, Value], int, int], tuple[Mapping[str, float], Mapping[str, Any]]]
OK, RAISED, DIED, TIMED_OUT, OUT_OF_MEMORY = "ok", "raised", "died", "timed_out", "out_of_memory"
STATUSES = (OK, RAISED, DIED, TIMED_OUT, OUT_OF_MEMORY)


class SweepError(Exception):
    """A sweep cannot begin or go on; the message is one line."""


class ExecutorError(Exception):
    """Runs cannot be computed at all; the message is one line."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run to compute: its id, full overrides, seed, replication, and whether its series are kept."""

    run_id: str
    parameters: Mapping[str, Value]
    seed: int
    replication: int
    keep_series: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """What the results of a sweep come from; a worker that has anything else refuses.

    Attributes
    ----------
    code
        What it is -> digest.
    environment
        As `experiments.runs.provenance.environment` gives it where the runs shall be computed.
    inputs
        Path -> sha256 of every file that a run reads.
    """

    code: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs a worker computes one after the other.

    Attributes
    ----------
    run
        Function of (parameters, seed, replication).
    fingerprint
        Code the results belong to; a worker with other code refuses.
    origin
        What else they come from.
    seconds
        The batch is ended after so long.
    memory_mb
        Memory it may add to its worker.
    """

    run: Run
    fingerprint: str
    jobs: tuple[Job, ...]
    seconds: float
    memory_mb: int
    number: int = field(default_factory=itertools.count().__next__)
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    run_id: str
    status: str
    error: str
    traceback: str
    seconds: float
    peak_mb: float
    outcomes: dict[str, float]
    series: Series
    provenance: str = ""  # the record of its process as text; empty if the process did not live to tell


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a batch: results, or the status its only job shall have, or neither if it was lost with its executor."""

    batch: Batch
    results: Sequence[Result] = ()
    status: str = ""
    error: str = ""

    @property
    def lost(self) -> bool:
        """The batch disappeared through no fault of its jobs and shall be computed again."""
        return not self.results and not self.status


class Executor(Protocol):
    """What the sweep engine asks of a place where runs are computed."""

    @property
    def workers(self) -> int:
        """Runs computed at the same time."""

    def submit(self, batch: Batch) -> None:
        """Take a batch; returns at once."""

    def next(self, seconds: float) -> Ended | None:
        """A batch that ended, or nothing within `seconds`."""

    def close(self, *, abandon: bool) -> None:
        """End the workers; `abandon` ends what still runs."""
