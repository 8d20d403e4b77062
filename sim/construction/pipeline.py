"""When promised halls have power: phases of a site, promised dates, and delays nobody foresees (docs/boom.md 4)."""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import WEEKS_PER_YEAR, Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Phases:
    """Parts of sites to be energised, one row each.

    Attributes
    ----------
    place
        Row of the site.
    watts, liquid_watts
        IT watts, and those among them behind liquid cooling.
    promised
        Week it is promised for.
    opens
        Week in which it is energised.
    """

    place: Ints
    watts: Ints
    liquid_watts: Ints
    promised: Ints
    opens: Ints


def cut(planned: Ints, most: int) -> tuple[Ints, Ints]:
    """Cut planned watts into equal phases of at most `most`; returns the site and the watts of each phase.

    >>> site, watts = cut(np.array([250, 0, 90]), 100)
    >>> site.tolist(), watts.tolist()
    ([0, 0, 0, 2], [84, 83, 83, 90])
    """
    site = np.repeat(np.arange(len(planned)), -(-planned // most))
    if len(site) == 0:
        return site, np.zeros(0, dtype=np.int64)
    first = np.r_[True, site[1:] != site[:-1]]
    number = np.arange(len(site)) - np.maximum.accumulate(np.where(first, np.arange(len(site)), 0))
    parts = np.bincount(site, minlength=len(planned))[site]
    base, rest = np.divmod(planned[site], parts)
    return site, base + (number < rest)


def delay_weeks(late: Bools, luck: Floats, median: float, log_deviation: float) -> Ints:
    """Weeks between promise and power: none for halls in time, lognormal for others, at least one.

    Parameters
    ----------
    luck
        Standard normals.

    Examples
    --------
    >>> delay_weeks(np.array([False, True, True]), np.array([0.0, 0.0, 1.0]), 13.0, 0.7).tolist()
    [0, 13, 26]
    """
    weeks = np.maximum(np.rint(median * np.exp(log_deviation * luck)), 1.0)
    return np.where(late, weeks, 0.0).astype(np.int64)


def expected_opening(promised: Ints, week: int, median_delay: float) -> Ints:
    """Week in which those who only know the promise expect power: the promise, and once it is broken the usual delay from now.

    >>> expected_opening(np.array([5, 20]), 10, 13.0).tolist()
    [23, 20]
    """
    return np.asarray(np.where(promised > week, promised, week + round(median_delay)), dtype=np.int64)


def opened_on_the_way(luck: Floats, growth: float, weeks: float) -> Ints:
    """Weeks in which halls are energised between the start and the date their sites are cited for, at least 1.

    Capacity grows at a constant rate to its cited level, so a hall's week is that of its quantile on the path.

    Parameters
    ----------
    luck
        Uniform draws: the hall's place in the order of those that are missing at the start.
    growth
        Log a year.
    weeks
        From the start to the cited date.

    Examples
    --------
    Capacity grew by a factor of e in a year; of what was added, half stood after 32 weeks:

    >>> opened_on_the_way(np.array([0.0, 0.5, 1.0]), 1.0, 52.0).tolist()
    [1, 32, 52]
    """
    if growth == 0.0 or weeks <= 0.0:
        return np.ones(len(luck), dtype=np.int64)
    start = np.exp(-growth * weeks / WEEKS_PER_YEAR)
    level = start + np.asarray(luck) * (1.0 - start)
    found = weeks + np.log(level) / growth * WEEKS_PER_YEAR
    return np.asarray(np.maximum(np.floor(found), 1.0), dtype=np.int64)
