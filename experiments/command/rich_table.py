"""Tables in the style of the command, and the one place where they are printed."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.command.streams import output
from sim.base.texts import visible

WIDEST = 100_000  # more than any table takes


def new_table(title: str, headers: Sequence[str], first: str = "run") -> Table:
    """An empty table in the style of the command; the first column names the rows."""
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        title_style="bold",
        caption_justify="left",
        caption_style="dim",
        show_edge=False,
        padding=0,
    )
    for number, header in enumerate([first, *headers]):
        left = number == 0 or header == "class"
        table.add_column(header, justify="left" if left else "right", no_wrap=True, overflow="fold")
    return table


def show(*shown: Table | Text) -> None:
    """Print tables and texts as wide as they are, whatever the terminal: no digit is ever left out.

    Square brackets, and names of emoji between colons, are what they are.
    """
    file = output()
    for one in shown:
        console = Console(file=file, markup=False, emoji=False, highlight=False)  # type: ignore[arg-type]
        needed = console.measure(one, options=console.options.update(width=WIDEST)).maximum
        console.width = max(needed, console.width if console.is_terminal else 1)
        console.print(one)


def heading(text: str) -> Text:
    """A text of a user or of ours as a heading."""
    return Text(visible(text), style="bold")
