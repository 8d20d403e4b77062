"""Random numbers as a function of (seed, replication, purpose, week, entity).

One Philox stream per purpose and week; entity i reads the i-th number of the stream. A draw therefore never depends
on parameters, on the order of calls or on what happened before, so branches and policy arms share their
shocks. Purposes have fixed numbers: never renumber, only append.
"""

from enum import IntEnum
from typing import Any

import numpy as np

from agents.vocabulary import Floats, Ints


class Purpose(IntEnum):
    """What a draw is for."""

    BITCOIN = 1
    DEMAND = 2
    IDIOSYNCRATIC_RENT = 3
    POWER = 4
    FAILURE = 5
    ENERGISATION = 6
    TENANCY = 7
    VINTAGE = 8
    FINANCING = 9
    ACQUAINTANCE = 10
    UTILISATION = 11
    DISCOUNT_RATE = 12
    ASSIGNABILITY = 13
    BITCOIN_JUMP = 14
    BITCOIN_LOW = 15
    PRESENCE = 16
    SPOT = 17
    TENANT_RATING = 18
    TENANT_CHOICE = 19
    CONTRACT_AGE = 20
    TENANT_COMMON = 21
    TENANT_DEFAULT = 22
    RENEGOTIATION = 23
    EQUITY_CURE = 24
    WAIVER = 25
    ENFORCEMENT = 26
    MINER_DEBT = 27
    CREDITOR = 28
    REGIME = 29
    CONSENT = 30
    LEASE_TENANT = 31
    PAST_DEAL = 32
    PAST_DEAL_SIZE = 33
    DEAL = 34
    DEAL_SIZE = 35
    DEAL_ORDER = 36
    RENEWAL = 37
    LATENESS = 38
    PROMISE = 39
    CONTACT = 40
    RELAXATION = 41


Seed = int | np.integer[Any] | np.random.SeedSequence | None


def seed_of(rng: Seed) -> int:
    """The seed as a whole number.

    Parameters
    ----------
    rng
        A whole number from 0, a `numpy.random.SeedSequence`, or None for a new seed from the system.

    Raises
    ------
    TypeError
        For anything else. A Generator has no seed: what it gives depends on what was drawn from it before.

    Examples
    --------
    >>> seed_of(np.int64(7)), seed_of(np.random.SeedSequence(7)) == seed_of(np.random.SeedSequence(7))
    (7, True)
    """
    if rng is None:
        rng = np.random.SeedSequence()
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0] >> np.uint64(1))
    if isinstance(rng, bool | np.bool_) or not isinstance(rng, int | np.integer):
        raise TypeError(
            f"rng = {rng!r}: a whole number, a numpy SeedSequence, or None for a new seed from the system"
        )
    if rng < 0:
        raise ValueError(f"rng = {rng}: a seed is a whole number from 0")
    return int(rng)


class Randomness:
    """Streams of one run.

    >>> a, b = Randomness(7), Randomness(7)
    >>> bool(a.uniform(Purpose.FAILURE, 3, np.array([5]))[0] == b.uniform(Purpose.FAILURE, 3, np.array([2, 5]))[1])
    True
    """

    def __init__(self, seed: int, replication: int = 0) -> None:
        self.seed = int(seed)
        self.replication = int(replication)

    def generator(self, purpose: Purpose, week: int) -> np.random.Generator:
        """The stream of one purpose and week, from its beginning."""
        key = np.random.SeedSequence([self.seed, self.replication, int(purpose), int(week)])
        return np.random.Generator(np.random.Philox(key))

    def _reach(self, entities: Ints) -> int:
        """Length of stream that serves these entities."""
        # A negative id would wrap to the end of whatever happens to be drawn: a draw that depends on who asks.
        if entities.min() < 0:
            raise ValueError(f"entity id {int(entities.min())} is negative")
        return int(entities.max()) + 1

    def uniform(self, purpose: Purpose, week: int, entities: Ints) -> Floats:
        """Uniform numbers in [0, 1) for the given entity ids."""
        if len(entities) == 0:
            return np.zeros(0)
        return np.asarray(self.generator(purpose, week).random(self._reach(entities))[entities])

    def normal(self, purpose: Purpose, week: int, entities: Ints) -> Floats:
        """Standard normal numbers for the given entity ids."""
        if len(entities) == 0:
            return np.zeros(0)
        return np.asarray(self.generator(purpose, week).standard_normal(self._reach(entities))[entities])
