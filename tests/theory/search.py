"""Discount of a seller that must wait for a buyer, and the price among traders that must meet (theory.md T12)."""

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Floats


def waiting_share(
    rate: ArrayLike,
    seller_weight: ArrayLike,
    discount_rate: ArrayLike,
    decay: ArrayLike,
    carry: ArrayLike,
    periods_per_year: float = np.inf,
) -> Floats:
    """Worth of going on searching over the buyer's value, ``V_s / V`` (theory.md T12, one-sided liquidation).

    Continuous: ``(lambda q - c) / (r + delta + lambda q)``. In periods of length h, with ``pi = 1 - exp(-lambda h)`` and
    ``D = exp(-(r + delta) h)``, the share w solves ``w = D [w + pi q (1 - w)] - c h``; it is the reserve of a seller
    that has met a buyer and may refuse.

    Parameters
    ----------
    rate, discount_rate, decay : per year
    seller_weight : share of the surplus that goes to the seller
    carry : cost of holding, share of value a year
    """
    q, c = np.asarray(seller_weight, float), np.asarray(carry, float)
    impatience = np.asarray(discount_rate, float) + np.asarray(decay, float)
    met = np.asarray(rate, float)
    if np.isinf(periods_per_year):
        return np.asarray((met * q - c) / (impatience + met * q))
    h = 1.0 / periods_per_year
    wins, kept = -np.expm1(-met * h) * q, np.exp(-impatience * h)
    return np.asarray((kept * wins - c * h) / (1.0 - kept + kept * wins))


def search_discount(waiting: ArrayLike, seller_weight: ArrayLike) -> Floats:
    """``(1 - q)(1 - V_s / V)``: what a met buyer pays below its value, share of value (theory.md T12).

    >>> float(search_discount(waiting_share(4, 0.5, 0.12, 0.35, 0.08), 0.5).round(3))
    0.111
    """
    return np.asarray((1.0 - np.asarray(seller_weight, float)) * (1.0 - np.asarray(waiting, float)))


def discount_since_default(at_sale: ArrayLike, rate: ArrayLike, decay: ArrayLike) -> Floats:
    """``1 - (P/V) lambda / (lambda + delta)``: expected price over value on the day of default (theory.md T12)."""
    met = np.asarray(rate, float)
    return np.asarray(1.0 - (1.0 - np.asarray(at_sale, float)) * met / (met + np.asarray(decay, float)))


def over_the_counter_masses(
    rate: float, to_high: float, to_low: float, supply: float
) -> tuple[float, float, float, float]:
    """Stationary shares of investors (high owner, high non-owner, low owner, low non-owner) (Duffie et al. 2005).

    Low owners and high non-owners meet at ``2 lambda``; the share of low owners is the positive root of
    ``2 lambda m^2 + [2 lambda (y - s) + lu + ld] m - ld s = 0`` with ``y = lu / (lu + ld)``.
    """
    high = to_high / (to_high + to_low)
    linear = 2.0 * rate * (high - supply) + to_high + to_low
    low_owner = (-linear + np.sqrt(linear**2 + 8.0 * rate * to_low * supply)) / (4.0 * rate)
    high_owner = supply - low_owner
    return high_owner, high - high_owner, float(low_owner), 1.0 - high - low_owner


def over_the_counter_price(
    discount_rate: float,
    to_high: float,
    to_low: float,
    rate: float,
    seller_weight: float,
    holding_cost: float,
    supply: float,
) -> float:
    """Price of a consol that pays 1 a year, in a market where traders must meet (theory.md T12, Duffie et al. 2005).

    ``1/r - (delta/r) [r(1-q) + ld + 2 lambda m_lo (1-q)] / [r + ld + 2 lambda m_lo (1-q) + lu + 2 lambda m_hn q]``

    >>> round(float(over_the_counter_price(0.1, 1, 0.2, 5, 0.5, 0.3, 0.6)), 5)
    9.56164
    """
    _, buyers, sellers, _ = over_the_counter_masses(rate, to_high, to_low, supply)
    q, r = seller_weight, discount_rate
    lower = 2.0 * rate * sellers * (1.0 - q)
    share = (r * (1.0 - q) + to_low + lower) / (r + to_low + lower + to_high + 2.0 * rate * buyers * q)
    return (1.0 - holding_cost * share) / r
