"""Which parameters can change anything in a scenario, and which rooms read them.

Sections declare what their parameters need (`agents.schema.Section.needs`); here it is parsed and asked of values. A need is a
list of conditions joined by ``or``: it is met if one of them holds.
"""

import json
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from agents.schema import Section
from sim.base.faults import InputError
from sim.base.user_file import check_file
from sim.parameters.schema import ParameterError, walk

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
READERS = "readers.csv"  # written by `make parameter-readers`, held by tests/test_parameter_readers.py


@dataclass(frozen=True, slots=True)
class Condition:
    """A parameter in a relation to a value."""

    key: str
    relation: str
    value: Any

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """From ``key relation value``; the value is a number, ``true``, ``false``, or a word.

        >>> Condition.parse("world.miners > 0")
        Condition(key='world.miners', relation='>', value=0)
        """
        key, relation, value = text.split()
        if relation not in RELATIONS:
            raise ValueError(f"{text}: no relation is called {relation}; there are {', '.join(RELATIONS)}")
        try:
            return cls(key, relation, json.loads(value))
        except json.JSONDecodeError:
            return cls(key, relation, value)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true of parameters by dotted key."""
        return RELATIONS[self.relation](values[self.key], self.value)

    def __str__(self) -> str:
        return f"{self.key} {self.relation} {plain(self.value)}"


Need = tuple[Condition, ...]


def parse(text: str) -> Need:
    """Conditions joined by ``or``."""
    return tuple(Condition.parse(part) for part in text.split(" or "))


def needs_of(section: Section) -> dict[str, list[Need]]:
    """Dotted key -> what it needs, for every leaf that needs anything."""
    found: dict[str, list[Need]] = {}
    for key, need in _declared(section, ""):
        found.setdefault(key, []).append(need)
    return found


def _declared(section: Section, prefix: str) -> Iterator[tuple[str, Need]]:
    """Leaf and need, a pair for each need; what a table declares reaches the tables in it."""
    for text, names in type(section).needs.items():
        for key, _, _ in walk(section):
            if any(fnmatchcase(key, name) for name in names.split()):
                yield f"{prefix}{key}", parse(text)
    for name in type(section).model_fields:
        inner = getattr(section, name)
        if isinstance(inner, Section):
            yield from _declared(inner, f"{prefix}{name}.")


def missing(
    key: str,
    values: Mapping[str, Any],
    needs: Mapping[str, list[Need]],
    asked: frozenset[str] = frozenset(),
) -> Need:
    """The need for want of which a parameter changes nothing; empty if it may change something.

    A condition that holds also fails if its own parameter changes nothing: what hangs on a mechanism that hangs on another is
    out when the other is.

    Parameters
    ----------
    values
        Every parameter by dotted key.
    needs
        What each needs, from `needs_of`.
    asked
        Keys on the way here: a need that could be met by moving one of them is not missing.
    """
    asked = asked | {key}
    for need in needs.get(key, ()):
        if asked & {part.key for part in need}:
            continue
        met = [part.key for part in need if part.holds(values)]
        if not met:
            return need
        beyond = [missing(other, values, needs, asked) for other in met]
        if all(beyond):
            return beyond[0]
    return ()


def check_files(values: Mapping[str, Any], needs: Mapping[str, list[Need]]) -> None:
    """Refuse a file that nothing would read, and one that is not there.

    Raises
    ------
    ParameterError
        Names the key, and what reads it.
    """
    for key, value in values.items():
        if not key.endswith("_file") or not value:
            continue
        if need := missing(key, values, needs):
            only = said(need, values).removeprefix("needs ")
            raise ParameterError(f"{key} = {value}: it is read only with {only}")
        try:
            check_file(Path(value))
        except InputError as error:
            raise ParameterError(f"{key}: {error}") from None


def said(need: Need, values: Mapping[str, Any]) -> str:
    """A need that is not met, in words.

    >>> said(parse("search.enabled = true"), {"search.enabled": False})
    'needs search.enabled = true (is false)'
    """
    return "needs " + " or ".join(f"{part} (is {plain(values[part.key])})" for part in need)


def plain(value: Any) -> str:
    """A value as TOML and the command line spell it, text without quotes unless it is empty."""
    return (str(value).lower() if isinstance(value, bool) else str(value)) or '""'


@cache
def readers() -> dict[str, str]:
    """Dotted key -> the rooms of the model that read it, as found by running it."""
    text = (resources.files("sim.parameters") / READERS).read_text(encoding="utf-8")
    rows = (line.split(",") for line in text.splitlines()[1:])
    return {key: rooms.replace(" ", ", ") for key, rooms in rows}
