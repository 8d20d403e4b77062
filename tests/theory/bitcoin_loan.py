"""Price at which a loan against bitcoin is called (contracts.md 4.6)."""

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Floats
from sim.debt.bitcoin_loan import BitcoinTerms


def call_price(opening_price: ArrayLike, terms: BitcoinTerms) -> Floats:
    """Price below which a loan opened at `opening_price` is called.

    >>> [round(float(call_price(1.0, BitcoinTerms(opening=x))), 3) for x in (0.57, 0.70, 0.50)]
    [0.76, 0.933, 0.667]
    """
    return np.asarray(
        np.asarray(opening_price, float) * np.asarray(terms.opening, float) / np.asarray(terms.call, float)
    )
