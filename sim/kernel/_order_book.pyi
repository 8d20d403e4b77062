import builtins

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
        self,
        n_nodes: int,
        lanes: Small,
        freight: Ints,
        liquid: NDArray[np.uint8],
        given: Small,
        named: Ints,
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
    ) -> tuple[int, int, int, builtins.bytes]: ...

class Scaling:
    def __init__(
        self,
        row: Small,
        product_of: Small,
        flow_per_gpu: Ints,
        unit: Ints,
        multiplier: Ints,
        factor: Floats,
        exact: bool,
        watt: int,
    ) -> None: ...

class Problem:
    pivots: int
    overflow: int
    def __init__(self, w: Workspace, scaling: Scaling) -> None: ...
    def solve(self) -> bool: ...
    def solve_nationally(self) -> bool: ...
    def glut(self) -> bool: ...
