"""The common denominators of one clearing, so that its prices and rents can be added up without error.

Kernel prices are whole numbers of scaled cents per unit of flow (docs/kernel.md); what it reports is their quotient as a float.
`Scale` finds the point of the scale that a reported number stands for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from agents.vocabulary import Ints
from sim.kernel.book import Network

# The kernel reports a price as one rounded division; beyond this many units in the last place it cannot be told
# which point of the scale was meant.
TELLABLE = 8


@dataclass(frozen=True, slots=True)
class Scale:
    """The common denominators on which prices, freight and rents of one clearing are whole numbers.

    Parameters
    ----------
    denominator : int
        Prices are whole multiples of ``flow / denominator`` cents.
    flow : dict
        Product -> flow units per GPU.
    watt : int
        Flow units per watt; rents are whole multiples of ``watt / denominator`` cents per watt.
    exact : bool
        False where floats do not resolve the scale; prices are then taken as the binary fractions they are.
    """

    denominator: int
    flow: Mapping[int, int]
    watt: int
    exact: bool

    @classmethod
    def of(cls, network: Network, products: Ints, highest: float, theta: float) -> "Scale":
        """Scale of the products of a book, for prices between the ends of their interval by `theta`."""
        unit, watts = network.unit[products], network.unit_watts[products]
        watt = math.lcm(1, *(int(d) for d in unit // np.gcd(watts, unit)))
        flow = {int(p): int(w) * watt // int(u) for p, w, u in zip(products, watts, unit, strict=True)}
        share = Fraction(theta).limit_denominator(1000)
        denominator = math.lcm(1, *flow.values()) * share.denominator
        finest = min(flow.values(), default=1) / denominator
        exact = float(share) == theta and finest > TELLABLE * math.ulp(max(highest, 1.0))
        return cls(denominator, flow, watt, exact)

    def price(self, product: int, cents: float) -> Fraction:
        """The point of the scale that a reported price stands for, cents per GPU."""
        return self._point(cents, self.flow[product])

    def rent(self, product: int, cents_per_watt: float) -> Fraction:
        """Rent of the watts of one GPU, cents."""
        watts = Fraction(self.flow[product], self.watt)
        return watts * self._point(cents_per_watt, self.watt)

    def _point(self, value: float, step: int) -> Fraction:
        if not self.exact:
            return Fraction(value)
        return Fraction(round(Fraction(value) * self.denominator / step) * step, self.denominator)
