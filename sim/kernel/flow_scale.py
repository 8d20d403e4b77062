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
# No delivered price passes it.
LARGEST_PATH = 2**59
# Beyond these, sums of watts are out of range.
LARGEST_FLOW = 10**18
LARGEST_WATT = 2**56
FIXED_POINT_BITS = 60


@dataclass(frozen=True, slots=True)
class FlowScale:
    """Integer scales of a set of products: flow units per GPU and per watt, scaled cents per flow unit."""

    products: NDArray[np.int32]
    row: NDArray[np.int32]  # product -> row, -1
    flow: Ints
    watt: int
    scale: int
    scaling: Scaling  # all of it, as the kernel takes it
    exact: bool
    steepest: int  # scaled cost of one flow unit per cent per GPU, at most

    @classmethod
    def common(cls, units: Ints, unit_watts: Ints, products: NDArray[np.int32]) -> "FlowScale | None":
        """The scale on which all costs are whole; None where costs of a few cents pass 64 bits already."""
        watt, flow = _flow(units, unit_watts, products)
        scale = math.lcm(*flow)
        if scale // min(flow) >= LARGEST_COST:
            return None
        multiplier = np.array([scale // f for f in flow])
        return cls._of(units, products, watt, flow, scale, multiplier, float(scale), True)

    @classmethod
    def fixed_point(
        cls, units: Ints, unit_watts: Ints, products: NDArray[np.int32], highest: int, limit: int
    ) -> "FlowScale":
        """The finest scale on which no cost reaches `limit`; costs are rounded to it."""
        watt, flow = _flow(units, unit_watts, products)
        bits = FIXED_POINT_BITS
        while bits > 0 and (highest << bits) >= limit * min(flow):
            bits -= 1
        coarse = 0
        while (highest >> coarse) >= limit * min(flow):
            coarse += 1
        factor = math.ldexp(1.0, bits - coarse)
        return cls._of(units, products, watt, flow, 1 << bits, np.ones(len(flow), np.int64), factor, False)

    @classmethod
    def _of(
        cls,
        units: Ints,
        products: NDArray[np.int32],
        watt: int,
        flow: list[int],
        scale: int,
        multiplier: Ints,
        finest: float,
        exact: bool,
    ) -> "FlowScale":
        row = np.full(len(units), -1, dtype=np.int32)
        row[products] = np.arange(len(products))
        per_gpu = np.array(flow, dtype=np.int64)
        factor = np.array([finest / f for f in flow])
        scaling = Scaling(row, products, per_gpu, units[products], multiplier, factor, exact, watt)
        return cls(products, row, per_gpu, watt, scale, scaling, exact, scale // min(flow))


def _flow(units: Ints, unit_watts: Ints, products: NDArray[np.int32]) -> tuple[int, list[int]]:
    """Flow units per watt and per GPU of every product: the fewest that make all of them whole."""
    pairs = [(int(units[p]), int(unit_watts[p])) for p in products]
    watt = math.lcm(*(unit // math.gcd(unit, watts) for unit, watts in pairs))
    flow = [watts * watt // unit for unit, watts in pairs]
    if watt > LARGEST_WATT or max(flow) > LARGEST_FLOW:
        sizes = ", ".join(str(unit) for unit, _ in pairs)
        raise ValueError(
            f"unit: sellable units of {sizes} GPUs with these unit_watts have no common measure within 10^18; "
            "choose sizes or watts with more factors in common"
        )
    return watt, flow
