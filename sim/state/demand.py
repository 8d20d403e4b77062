"""What tenants have asked for and not yet got, and what the month has booked: the memory of the market for contracts."""

from dataclasses import dataclass, field

import numpy as np

from agents.lender import TIERS
from agents.vocabulary import Floats, Ints
from sim.origination.pricing import Spread
from sim.origination.sizing import Limit

STREAMS = 2  # investment grade, others


@dataclass(slots=True)
class Demand:
    """Two streams of deals.

    Attributes
    ----------
    total : (2,)
        Compute each stream has been offered and not yet spent on deals, H100 equivalents.
    number : (2,)
        Number of the next deal of each.
    multiple
        What was paid over posted rates in the last month.
    idle_months : (parties,)
        Months since each operator last signed a deal.
    """

    total: Floats
    number: Ints
    multiple: float
    idle_months: Ints

    @classmethod
    def opening(cls, parties: int) -> "Demand":
        """Nothing offered yet, at posted rates."""
        return cls(
            np.zeros(STREAMS), np.zeros(STREAMS, dtype=np.int64), 1.0, np.zeros(parties, dtype=np.int64)
        )


@dataclass(slots=True)
class Booked:
    """What was signed this month: for the record, and for limits that hold a month.

    Attributes
    ----------
    loans_cents, spread_parts
        By tier, (tiers,) and (tiers, 3): loans signed, and the parts of their spreads weighted by them.
    limits
        Cents of loans by what bound them.
    gpus, hardware_cents, offered_h100e, signed_h100e
        Ordered and offered.
    shares_cents : (parties,)
        Shares sold.
    """

    shares_cents: Ints
    loans_cents: Ints = field(default_factory=lambda: np.zeros(len(TIERS), dtype=np.int64))
    spread_parts: Floats = field(default_factory=lambda: np.zeros((len(TIERS), 3)))
    limits: Ints = field(default_factory=lambda: np.zeros(len(Limit), dtype=np.int64))
    gpus: int = 0
    hardware_cents: int = 0
    offered_h100e: float = 0.0
    signed_h100e: float = 0.0
    refused: int = 0

    @classmethod
    def opening(cls, parties: int) -> "Booked":
        """Nothing booked."""
        return cls(np.zeros(parties, dtype=np.int64))

    def price(self, tier: int, spread: Spread, cents: int) -> None:
        """Count the parts of a signed loan's spread."""
        parts = np.array([float(part[0]) for part in (spread.expected_loss, spread.capital, spread.funding)])
        self.spread_parts[tier] += parts * cents
