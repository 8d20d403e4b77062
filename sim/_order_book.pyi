import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Small = NDArray[np.int32]

class Workspace:
    S: int
    G: int
    L: int
    bytes: int
    def __init__(
        self, n_nodes: int, lanes: Small, freight: Ints, liquid: NDArray[np.uint8], given: Small
    ) -> None: ...
    def gauge(
        self,
        side: NDArray[np.int8],
        node: Small,
        product: Small,
        quantity: Ints,
        price: Ints,
        power: Ints,
        cooling: Ints,
        active: NDArray[np.uint8],
    ) -> tuple[int, int, int]: ...

class Problem:
    pivots: int
    overflow: int
    classes: int
    def __init__(
        self,
        w: Workspace,
        side: NDArray[np.int8],
        node: Small,
        product: Small,
        quantity: Ints,
        price: Ints,
        power: Ints,
        cooling: Ints,
        row: Small,
        product_of: Small,
        flow_per_gpu: Ints,
        unit: Ints,
        multiplier: Ints,
        factor: Floats,
        exact: bool,
        watt: int,
    ) -> None: ...
    def solve(self) -> bool: ...
    def solve_from(self, price: Floats | None, rent: Floats | None, scale: float, watt: float) -> bool: ...
    def glut(self) -> bool: ...
    def surplus(self) -> float: ...
    def lattice(self, side: NDArray[np.int8]) -> None: ...
    def round(self, theta: float) -> None: ...
    def report(
        self,
        theta: float,
        quantity: Ints,
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
    def whole_fills(self, quantity: Ints, filled: Ints) -> None: ...
    moves: int
    def moved(self, lane: Ints, product: Ints, quantity: Floats) -> int: ...
    def evidence(self) -> tuple[bytes, bytes, bytes, bytes]: ...
