"""How far a command is, on stderr: a bar on a terminal, lines elsewhere. Nothing of it can stop what it tells of."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from experiments.command.streams import errors, say
from experiments.sweep.engine import Progress
from experiments.sweep.report import line_of

LINE_SECONDS = 30.0


@contextmanager
def progress_bar(quiet: bool, unit: str = "weeks") -> Iterator[Bar]:
    """A bar, where stderr is a terminal."""
    columns = (_text("{task.description}"), BarColumn(), MofNCompleteColumn(), _text(unit))
    console = _console()
    hidden = quiet or not console.is_terminal
    with Bar(*columns, TimeRemainingColumn(), console=console, disable=hidden) as bar:
        yield bar


def sweep_progress(bar: Bar, task: TaskID) -> Callable[[Progress], None]:
    """Shows a sweep's progress on a bar."""
    return lambda sweep: bar.update(task, completed=sweep.asked - sweep.left, total=sweep.asked)


@contextmanager
def following(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function that shows a sweep's progress: a bar on a terminal, else a line every half minute."""
    console = _console()
    if quiet:
        yield lambda progress: None
    elif not console.is_terminal:
        yield _plain_lines()
    else:
        with Bar(BarColumn(), _text("{task.description}"), console=console) as bar:
            task = bar.add_task("", total=None)

            def tell(progress: Progress) -> None:
                ended = progress.stored + progress.done + progress.failed
                bar.update(task, completed=ended, total=progress.asked, description=line_of(progress))

            yield tell


def _plain_lines() -> Callable[[Progress], None]:
    told = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= LINE_SECONDS:
            told = time.monotonic()
            say(line_of(progress), err=True)

    return tell


def _console() -> Console:
    return Console(file=errors(), markup=False, emoji=False, highlight=False)  # type: ignore[arg-type]


def _text(shown: str) -> TextColumn:
    return TextColumn(shown, markup=False)
