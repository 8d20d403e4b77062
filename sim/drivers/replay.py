"""Cited history on the weekly grid: where a value falls, what stands between two values, what is made up.

A week's value is the one known when the week closes. A print belongs to the week that holds its day, and nothing before
that week carries it; between two prints the level moves evenly in logs; before the first and after the last it is held.
Every week says which of these it is, so that nobody takes a filled week for an observation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import IntEnum
from itertools import pairwise

import numpy as np

from agents.vocabulary import Floats, Ints
from sim.base.reference import Series
from sim.base.user_table import Day, Label, Number, Row, TableError, UserTable, read_table

MOST_WEEKS_APART = 53  # a forward curve of one print a year is taken


class Origin(IntEnum):
    """Where the value of a week comes from."""

    ASSUMED = 0  # a parameter, held
    DRAWN = 1  # a random path
    FILLED = 2  # a replay outside its data, or inferred from another series
    INTERPOLATED = 3  # between two cited values
    OBSERVED = 4  # a cited value falls into this week


@dataclass(frozen=True, slots=True)
class WeeklyPath:
    """A weekly path and the `Origin` of every week, both of shape (T,)."""

    values: Floats
    origin: Ints


def week_of(start: date, day: date) -> int:
    """Index of the week that holds a day; negative before the run.

    >>> week_of(date(2025, 10, 6), date(2025, 10, 31)), week_of(date(2025, 10, 6), date(2025, 10, 5))
    (3, -1)
    """
    return (day - start).days // 7


def interpolated(start: date, days: Iterable[date], values: Iterable[float], n_weeks: int) -> WeeklyPath:
    """Prints on the weekly grid, even in logs between them, held outside.

    Parameters
    ----------
    start
        Monday of week 0.
    days, values
        Dates and positive values of the prints, in any order. Of several in one week the last counts.

    Raises
    ------
    ValueError
        If there is no print, or one is not positive.
    """
    prints = sorted(zip(days, values, strict=True))
    if not prints or prints[0][1] <= 0 or any(value <= 0 for _, value in prints):
        raise ValueError("a replay needs prints, and all of them above zero")
    by_week = {week_of(start, day): value for day, value in prints}
    knots = np.array(list(by_week), dtype=np.int64)
    levels = np.array(list(by_week.values()))
    weeks = np.arange(n_weeks)
    path = np.exp(np.interp(weeks, knots, np.log(levels)))
    inside = (weeks >= knots[0]) & (weeks <= knots[-1])
    origin = np.where(inside, Origin.INTERPOLATED, Origin.FILLED).astype(np.int64)
    here = (knots >= 0) & (knots < n_weeks)
    origin[knots[here]] = Origin.OBSERVED
    # A print is its own value, not the exponential of its logarithm.
    path[knots[here]] = levels[here]
    return WeeklyPath(path, origin)


def month_means(series: Series, mondays: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]) -> WeeklyPath:
    """Monthly means, each held through the weeks that begin in its month; the last is kept after the data end."""
    month = mondays.astype("datetime64[M]").astype("datetime64[D]")
    place = np.searchsorted(series.months, month, side="right") - 1
    known = (place >= 0) & (month <= series.months[-1])
    origin = np.where(known, Origin.OBSERVED, Origin.FILLED).astype(np.int64)
    return WeeklyPath(np.asarray(series.values[np.clip(place, 0, len(series.values) - 1)]), origin)


def prints_of(
    file: str, ranges: Mapping[str, Number], start: date, n_weeks: int
) -> dict[str, tuple[list[date], list[float]]]:
    """Prints of a user's CSV with the columns ``date,series,value``, by series.

    Parameters
    ----------
    file
        Path of the file.
    ranges
        Series it may hold -> range and unit of its values.
    start
        Monday of week 0.
    n_weeks
        Length of the run; every series has a print in it, and no more than `MOST_WEEKS_APART` weeks without one.

    Raises
    ------
    sim.base.user_table.TableError
        Names file, line and column.
    """
    one = next(iter(ranges.values()))
    low, high = min(each.low for each in ranges.values()), max(each.high for each in ranges.values())
    value = replace(one, low=low, high=high)
    columns = (Day("date"), Label("series", labels=tuple(ranges)), value)
    table = read_table(file, columns, unique=("date", "series"))
    found: dict[str, list[Row]] = {}
    for row in table.rows:
        name, number = row.values["series"], row.values["value"]
        if not ranges[name].low <= number <= ranges[name].high:
            table.refuse(row.line, "value", f"{number:g} for {name}; {ranges[name].allowed}")
        found.setdefault(name, []).append(row)
    for name, rows in found.items():
        _check_coverage(table, name, sorted(rows, key=lambda row: row.values["date"]), start, n_weeks)
    return {
        name: ([row.values["date"] for row in rows], [row.values["value"] for row in rows])
        for name, rows in found.items()
    }


def _check_coverage(table: UserTable, name: str, rows: Sequence[Row], start: date, n_weeks: int) -> None:
    """Refuse prints, in the order of their days, that say nothing about a long part of the run."""
    days = [row.values["date"] for row in rows]
    if not any(0 <= week_of(start, day) < n_weeks for day in days):
        ends = start + timedelta(weeks=n_weeks)
        raise TableError(
            f"{table.path}, line {rows[0].line}: prints of {name}, {days[0]} to {days[-1]}, all lie outside the run, "
            f"{start} to {ends}"
        )
    last = start + timedelta(weeks=n_weeks - 1)
    # The run itself begins the first stretch and ends the last.
    known = [(row.line, row.values["date"]) for row in rows]
    known = [*([(rows[0].line, start)] if days[0] > start else []), *known]
    known = [*known, *([(rows[-1].line, last)] if days[-1] < last else [])]
    for (_, before), (line, after) in pairwise(known):
        weeks = week_of(before, after)
        if weeks > MOST_WEEKS_APART and after > start and before < last:
            table.refuse(
                line,
                "date",
                f"no print of {name} from {before} to {after}, {weeks} weeks; allowed are {MOST_WEEKS_APART} weeks of the run, "
                f"{start} to {last}, without one",
            )
