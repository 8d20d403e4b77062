"""The deals demand brings: drawn by their number, so that branches meet the same ones (docs/boom.md 3)."""

import numpy as np

from agents.lender import INVESTMENT, MIXED, SPECULATIVE
from agents.vocabulary import Floats, Ints
from sim.parameters.boom import ContractParameters
from sim.state.tenants import Tenants


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


def tier_of(luck: float, investment: float, speculative: float) -> int:
    """Tier of a deal: investment grade with its probability, of the others the speculative share.

    >>> [tier_of(luck, 0.5, 0.4) for luck in (0.1, 0.6, 0.9)]
    [0, 1, 2]
    """
    if luck < investment:
        return INVESTMENT
    return SPECULATIVE if luck >= 1.0 - (1.0 - investment) * speculative else MIXED


def tenant_of(tenants: Tenants, tier: int, largest_share: float, luck: float) -> int:
    """A tenant of a tier; the first investment-grade one has its share of deals, others are alike."""
    rated = np.flatnonzero(tenants.rating == tier)
    if len(rated) == 0:
        rated = np.arange(len(tenants.rating))
    if tier == INVESTMENT:
        if luck < largest_share or len(rated) == 1:
            return int(rated[0])
        luck, rated = (luck - largest_share) / (1.0 - largest_share), rated[1:]
    return int(rated[min(int(luck * len(rated)), len(rated) - 1)])


def term_of(years: float, speculative_share: float, tier: int, luck: float) -> float:
    """Term of a contract, years: half to one and a half of the usual one, shorter for speculative tenants.

    >>> term_of(4.0, 0.5, 0, 0.5), term_of(4.0, 0.5, 2, 0.5)
    (4.0, 2.0)
    """
    usual = years * (speculative_share if tier == SPECULATIVE else 1.0)
    return triangular(0.5 * usual, usual, 1.5 * usual, luck)


def prepaid_of(section: ContractParameters, tier: Ints) -> Floats:
    """Share of contract value a tenant pays at signing."""
    return np.asarray(np.where(tier == INVESTMENT, section.prepaid_investment, section.prepaid_other))
