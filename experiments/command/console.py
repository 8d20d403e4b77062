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
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from experiments.runs.steady_numbers import steady_environment

if TYPE_CHECKING:
    from rich.progress import Progress

STOPPED, BAD_INPUT, STORE_FAILED, BROKEN, RUNS_FAILED, INTERRUPTED = 1, 2, 3, 4, 5, 130
TRACEBACK = "FIRESALE_TRACEBACK"


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
    from experiments.analysis.errors import AnalysisError
    from experiments.design.experiment import ExperimentError
    from experiments.design.scenario import ScenarioError
    from experiments.runs.run import RunError
    from experiments.runs.store import StoreError
    from experiments.sweep.engine import SweepError
    from experiments.sweep.jobs import ExecutorError
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
    """Make results a function of the input alone; to be called before anything imports NumPy."""
    if "numpy" not in sys.modules:
        steady_environment()
