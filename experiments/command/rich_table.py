"""Tables in the style of the command."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

WIDE = 140  # columns of text that the widest table takes


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
    table.add_column(first, no_wrap=True)
    for header in headers:
        table.add_column(header, justify="left" if header == "class" else "right", no_wrap=True)
    return table
