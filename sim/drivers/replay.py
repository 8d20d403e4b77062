"""Cited history on the weekly grid: where a value falls, what stands between two values, what is made up.

A week's value is the one known when the week closes. A print belongs to the week that holds its day, and nothing before
that week carries it; between two prints the level moves evenly in logs; before the first and after the last it is held.
Every week says which of these it is, so that nobody takes a filled week for an observation.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from pathlib import Path

import numpy as np

from agents.vocabulary import Floats, Ints
from sim.base.reference import Series
from sim.parameters import ParameterError

COLUMNS = ("date", "series", "value")


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


def prints_of(file: str, key: str) -> dict[str, tuple[list[date], list[float]]]:
    """Prints of a user's CSV with the columns ``date,series,value``, by series.

    Parameters
    ----------
    file
        Path of the file.
    key
        Parameter that names it, for the message.

    Raises
    ------
    ParameterError
        Names the key, the file and the line at fault.
    """
    found: dict[str, tuple[list[date], list[float]]] = {}
    try:
        with Path(file).open(newline="", encoding="utf-8") as opened:
            reader = csv.DictReader(opened)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ParameterError(f"{key} = {file}: no column {missing[0]}; it needs {', '.join(COLUMNS)}")
            for row in reader:
                try:
                    day, value = date.fromisoformat(row["date"]), float(row["value"])
                except (TypeError, ValueError) as error:
                    raise ParameterError(f"{key} = {file}: line {reader.line_num}: {error}") from None
                if not 0 < value < float("inf"):
                    raise ParameterError(
                        f"{key} = {file}: line {reader.line_num}: value = {row['value']}; above 0"
                    )
                days, values = found.setdefault(row["series"], ([], []))
                days.append(day)
                values.append(value)
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{key} = {file}: cannot be read: {error}") from None
    if not found:
        raise ParameterError(f"{key} = {file}: it holds no rows")
    return found
