"""A Dask cluster of real processes on this machine: a scheduler and workers, each started by Dask's own command."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60


class Cluster:
    """Scheduler and workers, ended with the block whatever happens in it."""

    def __init__(
        self, folder: Path, workers: int = 0, path: tuple[Path, ...] = (ROOT, ROOT / "tests")
    ) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.first_workers = workers
        self.address = ""

    def __enter__(self) -> Self:
        self.start_scheduler()
        for _ in range(self.first_workers):
            self.start_worker()
        return self

    def __exit__(self, *ignored: object) -> None:
        for process in reversed(self.processes):
            kill(process)

    def start_scheduler(self, port: int = 0) -> subprocess.Popen[bytes]:
        log = self.folder / f"scheduler-{len(self.processes)}.log"
        process = self._start(log, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        end = time.monotonic() + START_SECONDS
        while not (found := re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text(encoding="utf-8"))):
            assert process.poll() is None and time.monotonic() < end, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        self.address = found[1]
        return process

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """A nanny with a worker of one thread."""
        number = len(self.processes)
        place = self.folder / f"worker-{number}"
        return self._start(
            self.folder / f"worker-{number}.log",
            *("worker", self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"),
            *("--local-directory", str(place), *options),
        )

    def _start(self, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        with log.open("wb") as handle:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all of its session at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
