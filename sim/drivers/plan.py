"""The supply that everybody plans for, and what demand offers of it each month (docs/boom.md 3).

Planned stock grows by ``dS/dt = min(g e^(-t/tau) S, w(t) / kappa)``: at a rate that fades, and no faster than the watts that
sites have promised. Stock is counted in H100 equivalents, time in years from the date the world's stock is known for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import WEEKS_PER_YEAR, Floats


@dataclass(frozen=True, slots=True)
class Plan:
    """Planned stock by week of a run.

    Attributes
    ----------
    stock : (T,)
        H100 equivalents in the world.
    growth : (T,)
        Its growth, H100 equivalents a year.
    """

    stock: Floats
    growth: Floats

    def relative_supply(self, week: int, running: float | None, opening: float, share: float) -> float:
        """The world's stock over its plan, given what the modelled segment runs.

        Parameters
        ----------
        running
            H100 equivalents the segment runs, which are part of the stock; None is as planned.
        opening
            What it ran in week 0.
        share
            Of the plan's growth that the segment is planned to take; the rest of the world keeps to its plan.

        Examples
        --------
        The segment should run 10 + 0.25 * 40 = 20 and runs 16 of 140:

        >>> plan = Plan(np.array([100.0, 140.0]), np.array([40.0, 40.0]))
        >>> plan.relative_supply(1, 16.0, 10.0, 0.25), plan.relative_supply(1, None, 10.0, 0.25)
        (0.9714285714285714, 1.0)
        """
        if running is None:
            return 1.0
        segment = opening + share * float(self.stock[week] - self.stock[0])
        return 1.0 + (running - segment) / float(self.stock[week])


def planned(
    known_stock: float,
    years_since_known: float,
    rate: float,
    fading_years: float,
    promised_watts_a_year: Floats,
    watts_each: float,
) -> Plan:
    """The plan of a run.

    Parameters
    ----------
    known_stock
        Stock at the date it is known for, H100 equivalents.
    years_since_known
        From that date to week 0; negative for a run that starts before it.
    rate, fading_years
        Growth of the stock at that date, log a year, and the time in which it falls to 1/e; before the date it is constant.
    promised_watts_a_year : (T,)
        IT watts promised for the twelve months around each week; infinite where nothing is known to bind.
    watts_each
        IT watts of an H100 equivalent.

    Examples
    --------
    Unbounded, 15 million at 1.0 fading over 1.8 years are 32 million a year later:

    >>> plan = planned(15e6, 0.0, 1.0, 1.8, np.full(53, np.inf), 750.0)
    >>> float((plan.stock[52] / 1e6).round(1))
    32.3
    >>> float(planned(15e6, 0.0, 1.0, 1.8, np.full(53, 7.5e9), 750.0).stock[52].round(-3))
    25000000.0
    """
    weeks = len(promised_watts_a_year)
    years = years_since_known + np.arange(weeks) / WEEKS_PER_YEAR
    stock, growth = np.empty(weeks), np.empty(weeks)
    level = known_stock * float(np.exp(log_growth(years_since_known, rate, fading_years)))
    step = np.diff(log_growth(np.r_[years, years[-1] + 1 / WEEKS_PER_YEAR], rate, fading_years))
    for week in range(weeks):
        wanted = level * np.expm1(step[week]) * WEEKS_PER_YEAR
        stock[week], growth[week] = level, min(wanted, promised_watts_a_year[week] / watts_each)
        level += growth[week] / WEEKS_PER_YEAR
    return Plan(stock, growth)


def log_growth(years: ArrayLike, rate: float, fading_years: float) -> Floats:
    """Log of the unbounded stock over the known one, years from the date it is known for."""
    t = np.asarray(years, float)
    later = -rate * fading_years * np.expm1(-np.maximum(t, 0.0) / fading_years)
    return np.asarray(np.where(t > 0, later, rate * t))


def promised_a_year(watts: Floats, week: Floats, n_weeks: int, first: float, last: float) -> Floats:
    """IT watts promised for the twelve months around each week of a run, as a yearly rate, (n_weeks,).

    Parameters
    ----------
    watts, week
        Phases of sites and the weeks they are promised for.
    first, last
        Weeks between which the sites' promises are known; a window is cut to them, and outside nothing binds.

    Examples
    --------
    >>> promised_a_year(np.array([100.0, 100.0]), np.array([10.0, 50.0]), 3, 0.0, 156.0).tolist()
    [200.0, 192.59259259259258, 185.71428571428572]
    """
    half = WEEKS_PER_YEAR / 2
    now = np.arange(n_weeks)
    low, high = np.maximum(now - half, first), np.minimum(now + half, last)
    order = np.argsort(week, kind="stable")
    total = np.r_[0.0, np.cumsum(watts[order])]
    inside = total[np.searchsorted(week[order], high)] - total[np.searchsorted(week[order], low)]
    length = high - low
    return np.asarray(
        np.where(length > 0, inside / np.where(length > 0, length, 1.0) * WEEKS_PER_YEAR, np.inf)
    )
