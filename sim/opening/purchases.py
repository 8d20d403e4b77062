"""What stands in an operator's halls in week 0, as purchases of the past: when each was made and of which generation.

The fleet is as old as the world's: a quarter's purchases are in proportion to the planned growth of the world's stock in it
(docs/boom.md 7), shared equally, in compute, by the generations sold then. A hall holds what it can cool.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from agents.vocabulary import LIQUID_ONLY, UNIT, WEEKS_PER_YEAR, Floats, Ints
from sim.base import reference
from sim.drivers.catalogue import sold_in
from sim.drivers.plan import log_growth
from sim.state.standing import QUARTER_WEEKS

# Before 2020 the world held too little of what is modelled.
FIRST = date(2020, 1, 6)
# What one purchase fills of a hall; small enough that no lot is above 2 % of its class.
STEP_WATTS = 2_000_000


@dataclass(frozen=True, slots=True)
class Purchases:
    """Purchases that stand in one hall, one row each."""

    generation: Ints
    units: Ints  # nodes or racks
    week: Ints  # of first service, at most 0


@dataclass(frozen=True, slots=True)
class Mix:
    """Weights of quarters and generations in the fleets of week 0.

    Attributes
    ----------
    week : (Q,)
        Middle week of each quarter, negative.
    watts : (Q, G)
        IT watts bought, up to a factor.
    """

    week: Ints
    watts: Floats


def mix_of(
    start: date, years_since_known: float, growth: float, fading_years: float, unit_watts: Ints
) -> Mix:
    """The mix that planned growth makes.

    Parameters
    ----------
    years_since_known, growth, fading_years
        Of the world's stock, see `sim.drivers.plan`.
    unit_watts : (G,)
        IT watts of a sellable unit.
    """
    quarters = np.arange(-((start - FIRST).days // 7 // QUARTER_WEEKS) * QUARTER_WEEKS, 0, QUARTER_WEEKS)
    edges = np.r_[quarters, 0] / WEEKS_PER_YEAR + years_since_known
    added = np.diff(np.exp(log_growth(edges, growth, fading_years)))
    middle = quarters + QUARTER_WEEKS // 2
    sold = sold_in(middle, start)
    share = sold / np.maximum(sold.sum(axis=1, keepdims=True), 1)
    watts_each = unit_watts / UNIT / reference.compute_weights()
    return Mix(middle, added[:, None] * share * watts_each)


def fill(mix: Mix, watts: int, liquid_watts: int, unit_watts: Ints, luck: float) -> Purchases:
    """Fill a hall by systematic sampling of the mix: equal steps of watts, the first one by luck.

    Parameters
    ----------
    watts, liquid_watts
        To be filled, and those among them behind liquid cooling.
    luck
        Uniform in [0, 1).

    Returns
    -------
    Purchases
        In the order of weeks; together at most `watts`, liquid-only generations at most `liquid_watts`.
    """
    # Nothing was sold before the first quarter: then there is nothing to fill with.
    liquid_share = mix.watts[:, LIQUID_ONLY].sum() / max(mix.watts.sum(), np.finfo(np.float64).tiny)
    liquid = min(liquid_watts, round(watts * liquid_share))
    rows = [
        _sampled(mix, budget, unit_watts, kind, luck)
        for budget, kind in ((watts - liquid, ~LIQUID_ONLY), (liquid, LIQUID_ONLY))
    ]
    table = np.concatenate(rows)
    table = table[np.argsort(table[:, 2], kind="stable")]
    return Purchases(table[:, 0], table[:, 1], table[:, 2])


def _sampled(
    mix: Mix, budget: int, unit_watts: Ints, kind: np.ndarray[tuple[int], np.dtype[np.bool_]], luck: float
) -> Ints:
    """Generation, units and week of samples that fill a budget of watts with generations of a kind."""
    weight = np.where(kind[None, :], mix.watts, 0.0)
    if budget <= 0 or weight.sum() <= 0:
        return np.zeros((0, 3), dtype=np.int64)
    n = max(-(-budget // STEP_WATTS), 1)
    quarter, generation = np.nonzero(weight)
    total = np.cumsum(weight[quarter, generation])
    point = (np.arange(n) + luck) / n * total[-1]
    row = np.minimum(np.searchsorted(total, point, side="right"), len(total) - 1)
    units = budget // n // unit_watts[generation[row]]
    found = np.stack([generation[row], units, mix.week[quarter[row]]], axis=1)
    return np.asarray(found[units > 0], dtype=np.int64)
