"""Rents and base rates before week 0, in which what stands there was contracted and financed.

Cited one-year contracts of an H100 begin in October 2025. Before them stands a declared bridge, log-linear from one estimate of
July 2023; before that the estimate is held. Other generations have no dated contracts and move as the H100 does (assumption).
"""

from datetime import date, timedelta

import numpy as np

from agents.vocabulary import Floats, Ints
from sim.base import reference
from sim.drivers.interest import PER_CENT

# The Next Platform, July 2023: 57.63 USD an hour for eight H100 on a one-year reservation (grade C).
BRIDGE_FROM = date(2023, 7, 27)
BRIDGE_USD_PER_HOUR = 7.20


def bridged_prints(bridge_scale: float = 1.0) -> dict[str, tuple[list[date], list[float]]]:
    """Cited contract rents by generation, USD per GPU-hour, the H100's with the bridge before its first print.

    >>> days, rents = bridged_prints()["H100"]
    >>> days[0].isoformat(), rents[0], rents[1]
    ('2023-07-27', 7.2, 1.7)
    """
    days, rents = reference.rent_prints()["H100"]
    bridge = [BRIDGE_FROM, *days], [BRIDGE_USD_PER_HOUR * bridge_scale, *rents]
    return {**reference.rent_prints(), "H100": bridge}


def past_rents(start: date, weeks: Ints, bridge_scale: float = 1.0) -> Floats:
    """Contract rent of an H100 in weeks before `start`, relative to `start`.

    Parameters
    ----------
    weeks
        Weeks relative to `start`, at most 0.
    bridge_scale
        Factor on the estimate of July 2023.

    Examples
    --------
    A contract of October 2025 pays 0.64 of one signed a year later, one of July 2023 2.7 times as much:

    >>> past_rents(date(2026, 10, 5), np.array([0, -53, -166])).round(2).tolist()
    [1.0, 0.64, 2.7]
    """
    days, rents = bridged_prints(bridge_scale)["H100"]
    known = np.array([day.toordinal() for day in days], dtype=np.float64)
    level = np.log(rents)
    when = start.toordinal() + 7.0 * np.asarray(weeks, dtype=np.float64)
    now = float(np.interp(start.toordinal(), known, level))
    return np.asarray(np.exp(np.interp(when, known, level) - now))


def past_base_rates(start: date, weeks: Ints, now: float) -> Floats:
    """SOFR in weeks before `start`, per year: cited monthly means, and `now` in and after the week of `start`.

    >>> past_base_rates(date(2026, 10, 5), np.array([-100, 0]), 0.0365).round(3).tolist()
    [0.046, 0.036]
    """
    series = reference.monthly("sofr_avg")
    when = np.array(
        [np.datetime64(start + timedelta(weeks=int(week))) for week in np.asarray(weeks)],
        dtype="datetime64[D]",
    )
    row = np.clip(np.searchsorted(series.months, when, side="right") - 1, 0, len(series.months) - 1)
    return np.asarray(np.where(np.asarray(weeks) >= 0, now, series.values[row] / PER_CENT))
