import numpy as np
from numpy.typing import NDArray

from sim._order_book import Problem

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

class Solution(Problem):
    classes: int
    moves: int
    def surplus(self) -> float: ...
    def lattice(self) -> None: ...
    def round(self, theta: float) -> None: ...
    def report(
        self,
        theta: float,
        filled: Floats,
        price: Floats,
        price_low: Floats,
        price_high: Floats,
        power_rent: Floats,
        cooling_rent: Floats,
        highest_rents: Floats,
        scale: float,
        watt: float,
        prices: bool,
    ) -> None: ...
    def whole_fills(self, filled: Ints) -> None: ...
    def moved(self, lane: Ints, product: Ints, quantity: Floats) -> int: ...
    def evidence(self) -> tuple[bytes, bytes, bytes, bytes]: ...
