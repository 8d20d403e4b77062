"""Cited history on the weekly grid: where a value falls, what stands between two values, what is made up.

A week's value is the one known when the week closes. A print belongs to the week that holds its day, and nothing before
that week carries it; between two prints the level moves evenly in logs; before the first and after the last it is held.
Every week says which of these it is, so that nobody takes a filled week for an observation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

import numpy as np

from agents.vocabulary import Floats, Ints
from sim.base.reference import Series
from sim.base.user_table import Day, Label, Number, TableError, read_table


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
    file: str, series: Sequence[str], value: Number, start: date, n_weeks: int
) -> dict[str, tuple[list[date], list[float]]]:
    """Prints of a user's CSV with the columns ``date,series,value``, by series.

    Parameters
    ----------
    file
        Path of the file.
    series
        What it may hold.
    value
        Range and unit of its values.
    start
        Monday of week 0.
    n_weeks
        Length of the run; every series has a print in it.

    Raises
    ------
    sim.base.user_table.TableError
        Names file, line and column.
    """
    columns = (Day("date"), Label("series", labels=series), value)
    table = read_table(file, columns, unique=("date", "series"))
    found: dict[str, tuple[list[date], list[float]]] = {}
    for row in table.rows:
        days, values = found.setdefault(row.values["series"], ([], []))
        days.append(row.values["date"])
        values.append(row.values["value"])
    for name, (days, _) in found.items():
        if not any(0 <= week_of(start, day) < n_weeks for day in days):
            ends = start + timedelta(weeks=n_weeks)
            raise TableError(
                f"{file}: prints of {name}, {min(days)} to {max(days)}, all lie outside the run, {start} to {ends}"
            )
    return found
