"""What is cleared: the network of nodes and lanes, the book of orders, and the checks both must pass."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernel._order_book import Workspace
from sim.kernel.flow_scale import FlowScale

# Legal ranges. Nothing real comes near them; within them every sum the kernel forms is in range.
DEAREST_CENTS = 10**15
LARGEST_UNIT = 10**6
LARGEST_UNIT_WATTS = 10**12

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# What the kernel answers to arrays that are not of the types and lengths it takes.
OTHER_TYPES = 9
RULES = {
    1: ("side", "allowed 0 (sell) or 1 (buy)"),
    2: ("node", "allowed 0 to {nodes}"),
    3: ("generation", "allowed 0 to {products}"),
    4: ("quantity", "allowed >= 0 GPUs"),
    5: ("price", f"allowed 0 to {DEAREST_CENTS} cents per GPU"),
    6: ("power", "allowed >= 0 watts"),
    7: ("cooling", "allowed >= 0 watts"),
    8: ("price", "times quantity is beyond 4e18 cents"),
    10: ("quantity", "all quantities so far are beyond 4e18 GPUs"),
}


@dataclass(frozen=True)
class Network:
    """Nodes, one-way lanes and products (the kernel's ``generation`` axis).

    What the kernel derives from the arrays is kept, so they are copied and cannot be written; another network is made by
    `dataclasses.replace`.

    Parameters
    ----------
    n_nodes : int
        S nodes: docks and pools.
    lanes : (L, 2) int32
        From node, to node.
    freight : (G, L) int64
        Cents per GPU along the lane, at most 10^15; -1 forbids it.
    unit : (G,) int64
        GPUs in the sellable unit, 1 to 10^6.
    unit_watts : (G,) int64
        IT watts of that unit, 1 to 10^12.
    liquid : (G,) bool
        Needs liquid cooling.
    """

    n_nodes: int
    lanes: NDArray[np.int32]
    freight: Ints
    unit: Ints
    unit_watts: Ints
    liquid: NDArray[np.bool_]
    # One workspace per thread: memory that is kept from one clearing to the next.
    _local: threading.local = field(
        default_factory=threading.local, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        lanes, freight = self.lanes, self.freight
        require(lanes.ndim == 2 and lanes.shape[1] == 2, "lanes", "must have shape (L, 2)")
        bounded("lanes", lanes, 0, self.n_nodes - 1)
        require(
            freight.ndim == 2 and freight.shape[1] == len(lanes), "freight", "must have shape (G, L), L lanes"
        )
        for name, array in (("unit", self.unit), ("unit_watts", self.unit_watts), ("liquid", self.liquid)):
            require(len(array) == len(freight), name, f"must have length G = {len(freight)}")
        for name, array in (("freight", freight), ("unit", self.unit), ("unit_watts", self.unit_watts)):
            require(array.dtype == np.int64, name, f"must be int64, is {array.dtype}")
        bounded("freight", freight, -1, DEAREST_CENTS)
        bounded("unit", self.unit, 1, LARGEST_UNIT)
        bounded("unit_watts", self.unit_watts, 1, LARGEST_UNIT_WATTS)
        keep_as_given(self, ("lanes", "freight", "unit", "unit_watts", "liquid"))

    def __reduce__(self) -> tuple[Any, ...]:
        return Network, (self.n_nodes, self.lanes, self.freight, self.unit, self.unit_watts, self.liquid)

    def _kept(self) -> "KeptMemory":
        """Memory and tables of the calling thread."""
        try:
            kept: KeptMemory = self._local.kept
        except AttributeError:
            # The kernel numbers lanes by their origin, so that those of a node lie side by side.
            lane = np.argsort(self.lanes[:, 0], kind="stable").astype(np.int64)
            given = np.empty(len(lane), dtype=np.int32)
            given[lane] = np.arange(len(lane))
            workspace = Workspace(
                self.n_nodes,
                np.ascontiguousarray(self.lanes[lane], dtype=np.int32),
                np.ascontiguousarray(self.freight[:, lane]),
                np.ascontiguousarray(self.liquid).astype(np.uint8),
                given,
                lane,
            )
            kept = self._local.kept = KeptMemory(workspace, given)
        return kept


@dataclass(frozen=True, slots=True)
class Book:
    """Orders and headroom of one clearing.

    A clearing proves itself on the book it was given, so arrays that can be written are copied, and cannot be written here.

    Parameters
    ----------
    side : (n,) int8
        0 sell, 1 buy.
    node, generation : (n,) int32
    quantity : (n,) int64
        GPUs, >= 0.
    price : (n,) int64
        Cents per GPU, reserve or limit, 0 to 10^15; times quantity below 4 x 10^18.
    power, cooling : (S,) int64
        IT watts of headroom for buyers at the node, >= 0.
    """

    side: NDArray[np.int8]
    node: NDArray[np.int32]
    generation: NDArray[np.int32]
    quantity: Ints
    price: Ints
    power: Ints
    cooling: Ints

    def __post_init__(self) -> None:
        keep_as_given(self, ("side", "node", "generation", "quantity", "price", "power", "cooling"))

    def __reduce__(self) -> tuple[Any, ...]:
        columns = self.side, self.node, self.generation, self.quantity, self.price, self.power, self.cooling
        return Book, columns


def keep_as_given(owner: object, names: tuple[str, ...]) -> None:
    """Replace arrays that someone could still write by copies that nobody can."""
    for name in names:
        array = getattr(owner, name)
        if isinstance(array, np.ndarray) and (array.flags.writeable or array.base is not None):
            array = array.copy()
            array.flags.writeable = False
            object.__setattr__(owner, name, array)


def require(rule: bool, name: str, message: str) -> None:
    """Raise a ValueError that names the field, unless the rule holds."""
    if not rule:
        raise ValueError(f"{name}: {message}")


def bounded(name: str, array: NDArray[Any], low: int, high: int | None) -> None:
    """Raise a ValueError naming the first entry outside [low, high]."""
    bad = array < low
    if high is not None:
        bad |= array > high
    if bad.any():
        where = tuple(int(i[0]) for i in np.nonzero(bad))
        at = where[0] if len(where) == 1 else where
        allowed = f">= {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}[{at}] = {array[where]}; allowed {allowed}")


def typed(name: str, array: NDArray[Any], dtype: type, length: int) -> NDArray[Any]:
    """The array in the kernel's type, or a ValueError naming it."""
    if not isinstance(array, np.ndarray) or array.ndim != 1:
        raise ValueError(f"{name}: must be a one-dimensional array")
    if len(array) != length:
        raise ValueError(f"{name}: has {len(array)} entries; {length} needed")
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name}: must hold integers, is {array.dtype}")
    limits = np.iinfo(dtype)
    bounded(name, array, int(limits.min), int(limits.max))
    return np.ascontiguousarray(array, dtype=dtype)


def typed_orders(book: Book, network: Network) -> tuple[NDArray[Any], ...]:
    """The arrays of a book in the kernel's types."""
    n, nodes = len(book.side), network.n_nodes
    return (
        typed("side", book.side, np.int8, n),
        typed("node", book.node, np.int32, n),
        typed("generation", book.generation, np.int32, n),
        typed("quantity", book.quantity, np.int64, n),
        typed("price", book.price, np.int64, n),
        typed("power", book.power, np.int64, nodes),
        typed("cooling", book.cooling, np.int64, nodes),
    )


@dataclass(frozen=True, slots=True)
class KeptMemory:
    """What one thread keeps of a network between clearings."""

    workspace: Workspace
    given: NDArray[np.int32]  # lane of the network -> number in the kernel
    # Of sets of products: dearest freight, and scales.
    dearest: dict[bytes, int] = field(default_factory=dict)
    common: dict[bytes, FlowScale | None] = field(default_factory=dict)
    fixed: dict[tuple[bytes, int, int], FlowScale] = field(default_factory=dict)
