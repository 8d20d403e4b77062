"""What every command shares: exit codes, failures in one line, progress, and numbers that do not depend on the machine.

=====  ==========================================================
code   meaning
=====  ==========================================================
0      done
1      the model stopped, or a check failed
2      bad input
3      a result cannot be written or read
4      the installation is broken
5      a sweep went to its end, and some of its runs failed
130    interrupted; the same command goes on where it stopped
=====  ==========================================================

Every failure is one line on stderr.
"""

import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

STOPPED, BAD_INPUT, STORE_FAILED, BROKEN, RUNS_FAILED, INTERRUPTED = 1, 2, 3, 4, 5, 130
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
DISABLED_FEATURES = "NPY_DISABLE_CPU_FEATURES"
TRACEBACK = "FIRESALE_TRACEBACK"
ASK_NUMPY = "from numpy._core import _multiarray_umath as core; print(*core.__cpu_dispatch__)"
# Dispatch targets above AVX2, whatever a NumPy release calls them.
ABOVE_AVX2 = ("AVX512", "X86_V4", "AVX10")


@contextmanager
def progress_bar(quiet: bool, unit: str = "weeks") -> "Iterator[Progress]":
    """A bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as progress:
        yield progress


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn every expected failure into one line on stderr and its exit code."""
    # A stop asked for by a scheduler ends like Ctrl-C: cleanly, with nothing half-written.
    before = (
        signal.signal(signal.SIGTERM, _interrupt)
        if threading.current_thread() is threading.main_thread()
        else None
    )
    try:
        yield
    except KeyboardInterrupt:
        stop("interrupted; nothing of the unfinished run was kept", INTERRUPTED)
    except typer.Exit:
        raise
    except ImportError as error:
        stop(
            f"the installation is not complete: {error}; try `pip install` again, then `firesale doctor`",
            BROKEN,
        )
    except Exception as error:
        code = code_of(error)
        if code is None:
            if os.environ.get(TRACEBACK):
                raise
            stop(
                f"fault in firesale itself: {type(error).__name__}: {error}; {TRACEBACK}=1 shows where",
                STOPPED,
            )
        stop(" ".join(str(error).split()), code)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def code_of(error: Exception) -> int | None:
    """Exit code of an expected failure; nothing for a fault of firesale itself."""
    from experiments.executors import ExecutorError
    from experiments.experiment import ExperimentError
    from experiments.run import RunError
    from experiments.scenario import ScenarioError
    from experiments.sensitivity import AnalysisError
    from experiments.store import StoreError
    from experiments.sweep import SweepError
    from sim.parameters import ParameterError

    codes: dict[type[Exception], int] = {
        ScenarioError: BAD_INPUT,
        ExperimentError: BAD_INPUT,
        ParameterError: BAD_INPUT,
        AnalysisError: BAD_INPUT,
        StoreError: STORE_FAILED,
        RunError: STOPPED,
        SweepError: STOPPED,
        ExecutorError: STOPPED,
    }
    return next((code for kind, code in codes.items() if isinstance(error, kind)), None)


def stop(message: str, code: int) -> NoReturn:
    """End the command with one line on stderr."""
    typer.echo(f"firesale: {message}", err=True)
    raise typer.Exit(code)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def steady_numbers() -> None:
    """Make results a function of the input alone: no threads in linear algebra, no code above AVX2 in NumPy.

    NumPy's exp, log and power differ in the last bit between AVX2 and AVX-512. Its level can only be chosen before it is
    imported, and naming a feature a build does not choose between is a warning, so another process is asked for the names.
    """
    if "numpy" in sys.modules:
        return
    for name in THREAD_LIMITS:
        os.environ[name] = "1"
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return
    asked = subprocess.run([sys.executable, "-c", ASK_NUMPY], capture_output=True, text=True, check=False)
    above = [name for name in asked.stdout.split() if name.startswith(ABOVE_AVX2)]
    already = os.environ.get(DISABLED_FEATURES, "").replace(",", " ").split()
    if above:
        os.environ[DISABLED_FEATURES] = " ".join(dict.fromkeys([*already, *above]))
