"""The price of a loan: expected loss, a charge for capital, and what the lender's own funding costs (docs/boom.md 6).

``spread = PD x LGD + 1.1 k (ROE - base rate) + own funding spread``. PD and LGD are learned: a prior that weighs so many
loan-years, and what lenders have seen in the last three years. All rates are a year; everything broadcasts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Floats

# Equity held over a regulatory or rated minimum.
CUSHION = 1.1


def learned(prior: ArrayLike, weight: ArrayLike, seen: ArrayLike, exposure: ArrayLike) -> Floats:
    """A rate from a prior and experience, ``(n0 r0 + events) / (n0 + exposure)``.

    Four defaults in 600 loan-years move a prior of 1.2 % that weighs 200 loan-years to 0.8 %; a plain average would have gone
    to 10 % at the first default in ten loan-years, which here gives 1.6 %:

    >>> float(learned(0.012, 200, 4, 600)), float(learned(0.012, 200, 1, 10).round(4))
    (0.008, 0.0162)
    """
    n, x = np.asarray(weight, float), np.asarray(exposure, float)
    return np.asarray((n * np.asarray(prior, float) + np.asarray(seen, float)) / (n + x))


@dataclass(frozen=True, slots=True)
class Spread:
    """A spread over the base rate and its parts, a year."""

    expected_loss: Floats
    capital: Floats
    funding: Floats

    @property
    def total(self) -> Floats:
        """What the borrower pays over the base rate."""
        return np.asarray(self.expected_loss + self.capital + self.funding)


def price_loan(
    default_rate: ArrayLike,
    loss_given_default: ArrayLike,
    capital: ArrayLike,
    return_on_equity: ArrayLike,
    base_rate: ArrayLike,
    funding_spread: ArrayLike,
) -> Spread:
    """Spread of a loan and its parts.

    Parameters
    ----------
    capital
        Equity a lender holds, share of the loan, before the cushion.

    Examples
    --------
    Mixed tenants: 1.2 % x 29 % expected loss, 10.5 % capital asking 13 % over a base rate of 3.65 %, funding at 1 %:

    >>> spread = price_loan(0.012, 0.29, 0.105, 0.13, 0.0365, 0.01)
    >>> [float((1e4 * part).round()) for part in (spread.expected_loss, spread.capital, spread.funding, spread.total)]
    [35.0, 108.0, 100.0, 243.0]
    """
    charge = (
        CUSHION
        * np.asarray(capital, float)
        * (np.asarray(return_on_equity, float) - np.asarray(base_rate, float))
    )
    loss = np.asarray(default_rate, float) * np.asarray(loss_given_default, float)
    loss, charge, funding = np.broadcast_arrays(
        loss, np.maximum(charge, 0.0), np.asarray(funding_spread, float)
    )
    return Spread(loss, charge, funding)
