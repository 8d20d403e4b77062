"""What every command shares: failures in one line on stderr, and numbers that do not depend on the machine."""

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

import typer

from experiments.command.exit_codes import BAD_INPUT, BROKEN, HUNG_UP, INTERRUPTED, STOPPED, STORE_FAILED
from experiments.command.streams import say, take_unsaid
from experiments.runs.folder import ResultWarning
from experiments.runs.signals import HungUp, hearing, interrupt
from experiments.runs.steady_numbers import steady_environment

TRACEBACK = "FIRESALE_TRACEBACK"
# Expected failures by the name of their class: imported here, they would bring the model to every `--help`.
CODES = {
    "AnalysisError": BAD_INPUT,
    "ExperimentError": BAD_INPUT,
    "InputChanged": BAD_INPUT,
    "InputError": BAD_INPUT,
    "IntentError": BAD_INPUT,
    "ParameterError": BAD_INPUT,
    "PluginError": BAD_INPUT,
    "ScenarioError": BAD_INPUT,
    "StoryError": BAD_INPUT,
    "TableError": BAD_INPUT,
    "StoreError": STORE_FAILED,
    "ExecutorError": STOPPED,
    "NotebookError": STOPPED,
    "RunError": STOPPED,
    "SweepError": STOPPED,
}
OURS = ("agents", "sim", "experiments")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn every expected failure into one line on stderr and its exit code."""
    # A stop asked for by a scheduler ends like Ctrl-C: cleanly, with nothing half-written.
    try:
        with hearing(interrupt, signal.SIGINT, signal.SIGTERM), warnings.catch_warnings():
            warnings.showwarning = _one_line_warning
            yield
        if unsaid := take_unsaid():
            stop(
                f"done, and what is stored is whole; standard output could not be written: {unsaid}",
                STORE_FAILED,
            )
    except HungUp:
        stop("its terminal was closed; nothing of the unfinished run was kept", HUNG_UP)
    except KeyboardInterrupt:
        stop("interrupted; nothing of the unfinished run was kept", INTERRUPTED)
    except (typer.Exit, typer.Abort):
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
            if isinstance(error, OSError) and error.filename is not None:
                # The system's word on a path, such as a name that is too long: no fault of ours.
                path = " ".join(os.fsdecode(error.filename).split())
                stop(f"{path}: {error.strerror}", STORE_FAILED)
            stop(
                f"fault in firesale itself: {type(error).__name__}: {error}; {TRACEBACK}=1 shows where",
                STOPPED,
            )
        stop(" ".join(str(error).split()), code)


def code_of(error: Exception) -> int | None:
    """Exit code of an expected failure; nothing for a fault of firesale itself."""
    ours = (kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in OURS)
    return next((CODES[name] for name in ours if name in CODES), None)


def stop(message: str, code: int) -> NoReturn:
    """End the command with one line on stderr."""
    say(f"firesale: {message}", err=True)
    raise typer.Exit(code)


def _one_line_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say what a user should know in a line; what libraries remark on keeps its usual look."""
    if issubclass(category, ResultWarning):
        say(f"firesale: {message}", err=True)
    else:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


def steady_numbers() -> None:
    """Make results a function of the input alone; to be called before anything imports NumPy."""
    if "numpy" not in sys.modules:
        steady_environment()
