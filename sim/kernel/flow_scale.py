"""Integer scales on which a book is cleared: flow units per GPU and per watt, scaled cents per flow unit."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.kernel._order_book import Scaling

Ints = NDArray[np.int64]

# Scaled potentials are sums of costs along a path; this leaves room for hundreds of the largest in int64, and the
# kernel reports when that was not enough.
LARGEST_COST = 2**53
FIXED_POINT_BITS = 60


@dataclass(frozen=True, slots=True)
class FlowScale:
    """Integer scales of a set of products: flow units per GPU and per watt, scaled cents per flow unit."""

    products: NDArray[np.int32]
    row: NDArray[np.int32]  # product -> row, -1
    flow: Ints
    watt: int
    scale: int
    multiplier: Ints  # scaled cost of one flow unit per cent per GPU
    scaling: Scaling  # all of it, as the kernel takes it
    steepest: int  # of multiplier or factor
    exact: bool

    @classmethod
    def of(
        cls, units: Ints, unit_watts: Ints, products: NDArray[np.int32], highest: int, limit: int
    ) -> "FlowScale":
        """Common integer scale; fixed point where it does not fit."""
        unit, watts = units[products], unit_watts[products]
        whole = np.gcd(watts, unit)
        watt = math.lcm(*(int(d) for d in unit // whole))
        # Units without a common multiple: a GPU then counts a little more than its watts, never less.
        watt = watt if watt <= 2**20 else 2**20
        flow = -(-watts * watt // unit)
        scale = math.lcm(*(int(f) for f in flow))
        exact = highest * (scale // int(flow.min())) < limit == LARGEST_COST
        if not exact:
            scale = 1 << max(min(FIXED_POINT_BITS, (limit * int(flow.min()) // highest).bit_length() - 1), 0)
        row = np.full(len(units), -1, dtype=np.int32)
        row[products] = np.arange(len(products))
        multiplier = scale // flow if exact else np.ones_like(flow)
        factor = scale / flow
        steepest = int(multiplier.max() if exact else factor.max())
        scaling = Scaling(row, products, flow, unit, multiplier, factor, exact, watt)
        return cls(products, row, flow, watt, scale, multiplier, scaling, steepest, exact)
