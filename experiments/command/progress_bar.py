"""A bar that shows on a terminal how far a command is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from experiments.sweep.engine import Progress


@contextmanager
def progress_bar(quiet: bool, unit: str = "weeks") -> Iterator[Bar]:
    """A bar on stderr, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with Bar(*columns, TimeRemainingColumn(), console=console, disable=hidden) as bar:
        yield bar


def sweep_progress(bar: Bar, task: TaskID) -> Callable[[Progress], None]:
    """Shows a sweep's progress on a bar."""
    return lambda sweep: bar.update(task, completed=sweep.asked - sweep.left, total=sweep.asked)
