"""How far a sweep is, what came of it, and how it is asked to stop."""

import contextlib
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.runs.folder import ResultWarning
from experiments.runs.signals import HungUp, hearing, is_hang_up


@dataclass(slots=True)
class Progress:
    """How far a sweep is. Counts are runs of this session's share.

    Attributes
    ----------
    stored
        Runs that stood in the store already.
    widest
        Largest half-width of an open point, as a multiple of its target; 0 without a stop rule.
    """

    points: int
    asked: int = 0
    stored: int = 0
    done: int = 0
    failed: int = 0
    converged: int = 0
    widest: float = 0.0
    run_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        """Runs that are asked for and not done; the stopping rule can ask for more."""
        return max(self.asked - self.stored - self.done - self.failed, 0)

    @property
    def rate(self) -> float:
        """Runs per second of this session."""
        elapsed = time.monotonic() - self.began
        return (self.done + self.failed) / elapsed if elapsed > 0 else 0.0

    @property
    def eta_seconds(self) -> float:
        """Time to the end at this rate; NaN before the first run has ended."""
        return self.left / self.rate if self.rate > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a session.

    Attributes
    ----------
    complete
        Every run of the experiment is stored, whoever computed it.
    failures
        Failed runs of this session: id, status, one line.
    mended
        A line for each stored file that was damaged, and is set aside now, or was not there.
    hung_up
        It was interrupted because its terminal was closed.
    """

    folder: Path
    progress: Progress
    complete: bool
    interrupted: bool
    failures: list[tuple[str, str, str]]
    manifest: dict[str, Any]
    note: str = ""
    mended: list[str] = field(default_factory=list)
    hung_up: bool = False

    def check(self) -> None:
        """Raise if the session was interrupted, else warn of stored files that were damaged.

        Raises
        ------
        KeyboardInterrupt
            If it was; what was computed is stored, and the same call goes on.

        Warns
        -----
        ResultWarning
            For each line of `mended`.
        """
        if self.interrupted:
            kind = HungUp if self.hung_up else KeyboardInterrupt
            raise kind(f"{self.folder}: interrupted; the same call goes on where it stopped")
        for line in self.mended:
            warnings.warn(line, ResultWarning, stacklevel=3)


class Stop:
    """What the user or the scheduler asked: finish running tasks (Ctrl-C), or drop them (second Ctrl-C, SIGTERM, SIGHUP)."""

    def __init__(self) -> None:
        self.asked = False
        self.at_once = False
        self.hung_up = False

    def __call__(self, number: int, frame: object) -> None:
        """Note a signal."""
        self.at_once = self.asked or number != signal.SIGINT
        self.hung_up = self.hung_up or is_hang_up(number)
        self.asked = True

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Receive them inside a block; threads other than the main one cannot."""
        with hearing(self, signal.SIGINT, signal.SIGTERM):
            yield
