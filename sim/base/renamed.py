"""Renamed parameters and columns, in one table: an old name is refused with its new one."""

import csv
from functools import cache
from importlib import resources
from typing import NamedTuple

from agents.vocabulary import GENERATIONS


class Renamed(NamedTuple):
    """One line of ``renamed.csv``.

    ``old`` and ``new`` name a parameter or a table of parameters, or a column; a column of every generation is named without
    the generation.
    """

    what: str  # parameter or column
    table: str  # of a column
    old: str
    new: str
    since: str  # first version with the new name


@cache
def renamed() -> tuple[Renamed, ...]:
    """All lines of the table, in its order."""
    text = (resources.files("sim.base") / "renamed.csv").read_text(encoding="utf-8")
    return tuple(Renamed(**row) for row in csv.DictReader(text.splitlines()))


def new_name(what: str, name: str, table: str = "") -> str | None:
    """What an old name became; nothing if it is not one.

    >>> new_name("parameter", "rent.initial.H100")
    'rent.initial_usd_per_hour.H100'
    >>> new_name("column", "fundamental_usd_H100", "weeks")
    'clean_best_use_value_usd_H100'
    >>> new_name("column", "reference_value", "trades") is None
    True
    """
    line = _line(what, name, table)
    return None if line is None else line.new + name.removeprefix(line.old)


def since_when(what: str, name: str, table: str = "") -> str:
    """Ending of a message about an old name: what it is called now and since when; empty if it is not an old one.

    >>> since_when("parameter", "rent.initial")
    '; since 0.2.0 it is rent.initial_usd_per_hour'
    """
    line = _line(what, name, table)
    return "" if line is None else f"; since {line.since} it is {line.new + name.removeprefix(line.old)}"


def _line(what: str, name: str, table: str) -> Renamed | None:
    """The line an old name stands on: itself, a key of a renamed table, or a column of one generation."""
    for line in renamed():
        if (line.what, line.table) != (what, table) or not name.startswith(line.old):
            continue
        rest = name.removeprefix(line.old)
        if not rest or (what == "parameter" and rest[0] == ".") or rest.removeprefix("_") in GENERATIONS:
            return line
    return None
