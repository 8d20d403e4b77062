"""The deals demand brings: drawn by their number, so that branches meet the same ones (docs/boom.md 3)."""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import Floats, Ints


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deal before anybody serves it.

    Attributes
    ----------
    rating
        Index into `sim.state.tenants.RATINGS`.
    hardware_usd
        Size, as the list price of the hardware it needs.
    years
        Term.
    """

    rating: int
    hardware_usd: float
    years: float


def lognormal_size(mean: float, log_deviation: float, most: float, luck: float) -> float:
    """A size from a lognormal law cut off at `most`, by its quantile.

    The mean is that of the law before the cut.

    Parameters
    ----------
    luck
        A standard normal.

    Examples
    --------
    >>> round(lognormal_size(2.6, 1.3, 100.0, 0.0), 3)  # the median, mean / exp(1.3^2 / 2)
    1.117
    >>> lognormal_size(2.6, 1.3, 2.0, 3.0)
    2.0
    """
    return float(min(mean * np.exp(log_deviation * luck - 0.5 * log_deviation**2), most))


def triangular(low: float, middle: float, high: float, luck: float) -> float:
    """A draw from the triangular law, by its quantile.

    >>> triangular(2.0, 4.0, 6.0, 0.5), triangular(2.0, 4.0, 6.0, 0.0), triangular(2.0, 4.0, 6.0, 1.0)
    (4.0, 2.0, 6.0)
    """
    if high == low:
        return low
    turn = (middle - low) / (high - low)
    if luck < turn:
        return float(low + np.sqrt(luck * (high - low) * (middle - low)))
    return float(high - np.sqrt((1.0 - luck) * (high - low) * (high - middle)))


def renewal_probability(base: float, investment: Ints, rate_over_market: Floats) -> Floats:
    """Chance that a tenant stays when its contract ends, ``clip(p + .15 [investment grade] - .5 (r_c / r - 1), 0, .95)``.

    Parameters
    ----------
    rate_over_market
        The contract's rate over the one a new contract of its term pays.

    Examples
    --------
    A tenant that pays market stays three times in four; one that pays twice that leaves three times in four:

    >>> renewal_probability(0.75, np.array([0, 1, 0]), np.array([1.0, 1.0, 2.0])).tolist()
    [0.75, 0.9, 0.25]
    """
    return np.asarray(np.clip(base + 0.15 * investment - 0.5 * (rate_over_market - 1.0), 0.0, 0.95))
