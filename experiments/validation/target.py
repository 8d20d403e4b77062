"""How far a statistic is from what was observed, in standard deviations of everything that may excuse a miss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.validation.row import Row

# Standard deviations from the middle of a band to its ends, which hold 90 % of what may be observed.
HALF_OF_90_PERCENT = 1.6449


@dataclass(frozen=True, slots=True)
class Target:
    """What a statistic is matched to: a value and the variances that make a miss plausible, in the row's unit."""

    name: str
    value: float
    data_variance: float
    discrepancy_variance: float

    @classmethod
    def of(cls, row: Row) -> "Target":
        """The middle of a row's band, its 90 % interval, and the declared discrepancy."""
        deviation = (row.high - row.low) / (2 * HALF_OF_90_PERCENT)
        return cls(row.id, (row.low + row.high) / 2, deviation**2, row.discrepancy**2)

    def implausibility(self, statistic: Any, seed_variance: Mapping[str, float]) -> Any:
        """``|z - f| / sqrt(data + discrepancy + seed variance)`` of a number or an array; NaN where f is."""
        whole = self.data_variance + self.discrepancy_variance + seed_variance.get(self.name, 0.0)
        return np.abs(np.asarray(statistic, float) - self.value) / np.sqrt(whole)
