"""Search: in a given week a seller reaches only some of the buyers (economics.md 12, theory.md D.5, T12).

A buyer is present with probability ``1 - exp(-lambda / 52)``, drawn once per buyer and week, so that every counterfactual of
the week meets the same buyers. Bargaining is the kernel's own choice within the interval of clearing prices: with one seller
and one buyer that interval runs from the seller's reserve to the buyer's limit, and ``market.theta`` is the seller's weight q
of Nash bargaining. Off by default: every buyer is present, lambda is infinite, and the batch is the efficient benchmark.
"""

import numpy as np

from agents.vocabulary import WEEKS_PER_YEAR, Bools, BuyIntents
from sim.base.randomness import Purpose, Randomness
from sim.market.market import select


def presence_probability(rate: float) -> float:
    """Chance that a buyer is present in a given week, ``1 - exp(-lambda / 52)``; rate per year.

    >>> presence_probability(float("inf"))
    1.0
    """
    return float(-np.expm1(-rate / WEEKS_PER_YEAR))


def present(randomness: Randomness, week: int, parties: int, rate: float) -> Bools:
    """Who is in the market this week, (parties,) bool.

    A function of (seed, replication, week, party) and the rate: whoever is present at a rate is present at any higher one.
    """
    drawn = randomness.uniform(Purpose.CONTACT, week, np.arange(parties, dtype=np.int64))
    return np.asarray(drawn < presence_probability(rate))


def admit(buy: BuyIntents, here: Bools) -> BuyIntents:
    """Buy intents of those present; sellers keep their offers."""
    return select(buy, here[buy.party])  # type: ignore[return-value]
