"""Reads the rows of the validation table from `rows.toml`, where they are declared, and says what is wrong with one.

Bands are given by their ends, by a target and half a width, or by a function of `ranges` that reads the shipped data;
statistics by a function of `measures` or `credit_measures`, with its arguments by name.
"""

import functools
import inspect
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from agents.lender import TIERS
from agents.schema import Section
from agents.vocabulary import GENERATIONS
from experiments.validation import credit_measures, measures
from experiments.validation.arms import ARMS
from experiments.validation.ranges import RANGES
from experiments.validation.row import Row
from sim.base.faults import explained, nearest

FILE = "rows.toml"
# A function as a row names it: by its name alone, or as a table of its name and its arguments.
Named = str | dict[str, str]
# What the arguments of measures and ranges may be.
ARGUMENTS: dict[str, Iterable[str]] = {
    "arm": ARMS,
    "generation": GENERATIONS,
    "rating": TIERS,
    "dear": TIERS,
    "cheap": TIERS,
}


class RowError(ValueError):
    """A row that cannot be used; the message is one line and names the file, the row, the key and the nearest valid name."""


class RowTable(Section):
    """A table ``[[row]]`` of the file, as it is written there."""

    id: str = Field(min_length=1, description="name of the row in every table")
    quantity: str = Field(min_length=1, description="what is measured, in words")
    kind: Literal["band", "sign", "share", "comparison", "reported", "verification"] = Field(
        description="how it is scored"
    )
    unit: str = Field(description="of the band and of the statistic")
    low: float | None = Field(None, description="lower end of the band")
    high: float | None = Field(None, description="upper end of the band")
    target: float | None = Field(None, description="middle of the band")
    within: float | None = Field(None, gt=0, description="half the width of the band around the target")
    range: Named | None = Field(None, description="what reads the band from the shipped data")
    data: str = Field(min_length=1, description="what was observed")
    source: str = Field(min_length=1, description="where it was observed")
    statistic: str = Field(min_length=1, description="what the model is asked for")
    arms: tuple[str, ...] = Field((), description="runs the statistic is taken from")
    measure: Named | None = Field(None, description="the function that takes it")
    discrepancy: float | None = Field(None, ge=0, description="standard deviation of the model's own miss")
    discrepancy_share: float | None = Field(None, gt=0, description="the same over the middle of the band")
    calibrates: bool = Field(False, description="it enters the implausibility of history matching")
    why: str = Field("", description="a note")

    @model_validator(mode="after")
    def _one_band_and_one_discrepancy(self) -> Self:
        ends = self.low is not None or self.high is not None
        if ends + (self.target is not None) + (self.range is not None) > 1:
            raise ValueError("a band is given by low and high, or by target and within, or by range")
        if (self.target is None) != (self.within is None):
            raise ValueError("target and within go together")
        if (self.discrepancy is not None) and (self.discrepancy_share is not None):
            raise ValueError("either discrepancy or discrepancy_share")
        if self.measure is None and not self.why:
            raise ValueError("without a measure, `why` says what is missing")
        if self.measure is not None and not self.arms:
            raise ValueError("a measure is taken from arms, and none is named")
        return self


@cache
def registered() -> tuple[Row, ...]:
    """Every row in the order of the table.

    >>> row = registered()[2]
    >>> row.id, row.low, row.high
    ('V3', 1.2, 2.0)
    """
    file = resources.files("experiments.validation") / FILE
    return rows_of(file.read_text(encoding="utf-8"), FILE)


def rows_of(text: str, source: str) -> tuple[Row, ...]:
    """Rows from the text of a file; `source` is named in errors.

    Raises
    ------
    RowError
        For the first fault found: the file, the row, the key, what is allowed and the nearest valid name.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RowError(f"{source}: not valid TOML: {error}") from None
    for key in tables:
        if key != "row":
            raise RowError(f"{source}: no key is called {key}{nearest(key, ['row'])}")
    found: dict[str, Row] = {}
    for number, table in enumerate(tables.get("row", []), 1):
        place = f"{source}: row {table.get('id', f'number {number}')}"
        row = _row(table, place)
        if row.id in found:
            raise RowError(f"{place}: id: there is another row of that id")
        found[row.id] = row
    return tuple(found.values())


def _row(table: Mapping[str, Any], place: str) -> Row:
    try:
        line = RowTable.model_validate(table)
    except ValidationError as error:
        raise RowError(f"{place}: {explained(error, RowTable)}") from None
    for arm in line.arms:
        if arm not in ARMS:
            raise RowError(f"{place}: arms: no arm is called {arm}{nearest(arm, ARMS)}")
    low, high = _band(line, place)
    discrepancy = line.discrepancy
    if line.discrepancy_share is not None:
        discrepancy = line.discrepancy_share * (low + high) / 2
    if discrepancy is None and line.measure is not None:
        raise RowError(f"{place}: discrepancy is missing: the standard deviation of the model's own miss")
    return Row(
        line.id,
        line.quantity,
        line.kind,
        line.unit,
        low,
        high,
        line.data,
        line.source,
        line.statistic,
        math.nan if discrepancy is None else discrepancy,
        line.arms,
        None if line.measure is None else _function(line.measure, _measures(), f"{place}: measure", given=1),
        line.why,
        line.calibrates,
    )


def _band(line: RowTable, place: str) -> tuple[float, float]:
    """Ends of the band; NaN where there is none."""
    low, high = (math.nan if end is None else end for end in (line.low, line.high))
    if line.target is not None and line.within is not None:
        low, high = line.target - line.within, line.target + line.within
    if line.range is not None:
        low, high = _function(line.range, RANGES, f"{place}: range")()
        if math.isnan(low):
            raise RowError(
                f"{place}: range: the shipped data hold none; leave range and measure out and say why"
            )
    if low > high:
        raise RowError(f"{place}: low = {low:g} is above high = {high:g}")
    if line.kind == "sign" and sorted(end for end in (low, high) if end == end) != [0.0]:
        raise RowError(f"{place}: a sign row has low = 0 or high = 0, and no other end")
    if line.measure is not None and line.kind in ("band", "share", "comparison") and math.isnan(low + high):
        raise RowError(f"{place}: low and high are missing: a row of kind {line.kind} needs both")
    return low, high


def _measures() -> dict[str, Callable[..., Any]]:
    """Functions of `measures` and `credit_measures` that take a number from the tables of arms."""
    found: dict[str, Callable[..., Any]] = {}
    modules = (measures, credit_measures)
    for name, function in (
        pair for module in modules for pair in inspect.getmembers(module, inspect.isfunction)
    ):
        signature = inspect.signature(function)
        takes_arms = next(iter(signature.parameters), "") == "arms"
        if takes_arms and signature.return_annotation is float and not name.startswith("_"):
            found[name] = function
    return found


def _function(
    entry: Named, known: Mapping[str, Callable[..., Any]], place: str, given: int = 0
) -> Callable[..., Any]:
    """The function a row names, with its arguments filled in but for the first `given`."""
    arguments = {"name": entry} if isinstance(entry, str) else dict(entry)
    name = arguments.pop("name", None)
    if name is None:
        raise RowError(f"{place}: name is missing: which function?")
    if name not in known:
        raise RowError(f"{place}: no function is called {name}{nearest(name, known)}")
    wanted = list(inspect.signature(known[name]).parameters)[given:]
    for key, value in arguments.items():
        if key not in wanted:
            raise RowError(f"{place}: {name} has no argument {key}{nearest(key, wanted)}")
        if value not in ARGUMENTS[key]:
            raise RowError(f"{place}: no {key} is called {value}{nearest(value, ARGUMENTS[key])}")
    for key in wanted:
        if key not in arguments:
            raise RowError(f"{place}: {name} needs {key}; there are {', '.join(ARGUMENTS[key])}")
    return functools.partial(known[name], **arguments) if arguments else known[name]
