"""Clear the whole market at once, exactly, and read the shadow prices.

The problem maximises bids less reserves less freight, subject to balance of every product at every node and to
nested headroom in IT watts and liquid watts where buyers install. Counted in watts every coefficient is one, so
it is a minimum-cost circulation; `_network_simplex` solves it in integers. The dual variables are the price of
each product at each node and the rents of power and cooling; they form a lattice, and the price reported
lies between its ends by ``theta``. Formulation and proofs: docs/kernel.md.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim._network_simplex import distances, solve
from sim.rounding import largest_remainder

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Scaled potentials are sums of at most a few thousand costs; this leaves room for them in int64.
LARGEST_COST = 2**50
LARGEST_QUANTITY = 2**60
FIXED_POINT_BITS = 40


@dataclass(frozen=True, slots=True)
class Network:
    """Nodes, one-way lanes and products (the kernel's ``generation`` axis).

    Parameters
    ----------
    n_nodes : int
        S nodes: docks and pools.
    lanes : (L, 2) int32
        From node, to node.
    freight : (G, L) int64
        Cents per GPU along the lane; -1 forbids it.
    unit : (G,) int64
        GPUs in the sellable unit.
    unit_watts : (G,) int64
        IT watts of that unit, > 0.
    liquid : (G,) bool
        Needs liquid cooling.
    """

    n_nodes: int
    lanes: NDArray[np.int32]
    freight: Ints
    unit: Ints
    unit_watts: Ints
    liquid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        lanes, freight = self.lanes, self.freight
        _require(lanes.ndim == 2 and lanes.shape[1] == 2, "lanes", "must have shape (L, 2)")
        _bounded("lanes", lanes, 0, self.n_nodes - 1)
        _require(
            freight.ndim == 2 and freight.shape[1] == len(lanes), "freight", "must have shape (G, L), L lanes"
        )
        for name, array in (("unit", self.unit), ("unit_watts", self.unit_watts), ("liquid", self.liquid)):
            _require(len(array) == len(freight), name, f"must have length G = {len(freight)}")
        for name, array in (("freight", freight), ("unit", self.unit), ("unit_watts", self.unit_watts)):
            _require(array.dtype == np.int64, name, f"must be int64, is {array.dtype}")
        _bounded("freight", freight, -1, None)
        _bounded("unit", self.unit, 1, None)
        _bounded("unit_watts", self.unit_watts, 1, None)


@dataclass(frozen=True, slots=True)
class Book:
    """Orders and headroom of one clearing.

    Parameters
    ----------
    side : (n,) int8
        0 sell, 1 buy.
    node, generation : (n,) int32
    quantity : (n,) int64
        GPUs, >= 0.
    price : (n,) int64
        Cents per GPU, reserve or limit, >= 0.
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


@dataclass(frozen=True, slots=True)
class Certificate:
    """Primal and dual value in scaled cents as exact integers; equal when the optimum is proved."""

    primal: int
    dual: int
    scale: int
    exact: bool = True

    @property
    def gap(self) -> float:
        """Relative gap; exactly 0 when the scale is exact."""
        if self.primal == self.dual:
            return 0.0
        return abs(self.dual - self.primal) / max(abs(self.primal), 1)


@dataclass(frozen=True, slots=True)
class Flow:
    """Goods moved: parallel arrays of lane, product and quantity (float GPUs, whole when asked)."""

    lane: Ints
    generation: Ints
    quantity: Floats


@dataclass(frozen=True)
class Clearing:
    """Result of `clear`; see design.md section 7 for the meaning of each field.

    ``price``, ``price_low`` and ``price_high`` have shape (G, S) in cents per GPU and are NaN for products
    without any order. Where nothing can be bought, ``price_high`` is what a unit standing there would fetch; where
    nobody bids, ``price_low`` is 0. Rents are cents per watt.
    """

    filled: Floats | Ints
    price: Floats
    price_low: Floats
    price_high: Floats
    power_rent: Floats
    cooling_rent: Floats
    surplus: float
    flow: Flow
    pivots: int
    surplus_bound: float
    _proof: Any = field(repr=False)

    @cached_property
    def certificate(self) -> Certificate:
        """Recomputed on the original book from fills, flow and prices, in exact integers."""
        certificate: Certificate = self._proof()
        return certificate


def _require(rule: bool, name: str, message: str) -> None:
    if not rule:
        raise ValueError(f"{name}: {message}")


def _bounded(name: str, array: NDArray[Any], low: int, high: int | None) -> None:
    """Raise a ValueError naming the first entry outside [low, high]."""
    bad = array < low
    if high is not None:
        bad |= array > high
    if bad.any():
        where = tuple(int(i[0]) for i in np.nonzero(bad))
        at = where[0] if len(where) == 1 else where
        allowed = f">= {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}[{at}] = {array[where]}; allowed {allowed}")


def check_book(book: Book, network: Network) -> None:
    """Raise `ValueError` naming array, position and rule if the book cannot be cleared."""
    n = len(book.side)
    for name in ("side", "node", "generation", "quantity", "price", "power", "cooling"):
        array = getattr(book, name)
        _require(isinstance(array, np.ndarray) and array.ndim == 1, name, "must be a one-dimensional array")
        _require(np.issubdtype(array.dtype, np.integer), name, f"must hold integers, is {array.dtype}")
        length = network.n_nodes if name in ("power", "cooling") else n
        _require(len(array) == length, name, f"has {len(array)} entries; {length} needed")
    _bounded("side", book.side, 0, 1)
    _bounded("node", book.node, 0, network.n_nodes - 1)
    _bounded("generation", book.generation, 0, len(network.unit) - 1)
    for name in ("quantity", "price", "power", "cooling"):
        _bounded(name, getattr(book, name), 0, None)
    if n:
        size = book.quantity.astype(np.float64) * network.unit_watts[book.generation]
        _require(float(size.max()) < 2**50, "quantity", f"[{int(size.argmax())}] times watts is beyond 2**50")
        worth = book.quantity.astype(np.float64) * book.price
        _require(
            float(worth.max()) < 2**62,
            "price",
            f"[{int(worth.argmax())}] times quantity is beyond 2**62 cents",
        )
        _require(
            int(book.price.max()) < 2**40, "price", f"[{int(book.price.argmax())}] is beyond 2**40 cents"
        )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Integer scales: watts per GPU times `quantity`, and `numerator / flow` scaled cents per flow unit."""

    flow: Ints  # (G,) flow units per GPU
    watt: int  # flow units per watt
    scale: int  # common scale of costs
    exact: bool

    def cost(self, cents: Ints, product: Ints) -> Ints:
        """Scaled cost of one flow unit of `product` at `cents` per GPU."""
        if self.exact:
            return np.asarray(cents * (self.scale // self.flow)[product])
        ratio = cents.astype(np.float64) * (self.scale / self.flow)[product]
        return np.rint(ratio).astype(np.int64)


def _scale(network: Network, products: Ints, highest: int) -> _Scale:
    """Common integer scale of the products traded; fixed point where the exact one does not fit."""
    whole = np.gcd(network.unit_watts, network.unit)
    numerator, denominator = network.unit_watts // whole, network.unit // whole
    watt = math.lcm(*(int(denominator[g]) for g in products))
    flow = np.maximum(numerator * watt // denominator, 1)
    scale = math.lcm(*(int(flow[g]) for g in products))
    per_unit = max(scale // int(flow[g]) for g in products)
    if highest * per_unit < LARGEST_COST:
        return _Scale(flow, watt, scale, True)
    smallest = min(int(flow[g]) for g in products)
    bits = FIXED_POINT_BITS
    while highest * (1 << bits) // smallest >= LARGEST_COST:
        bits -= 1
    return _Scale(flow, watt, 1 << bits, False)


@dataclass(frozen=True, slots=True)
class _Classes:
    """Orders equal in side, node, product and price, merged; `member` maps orders to classes."""

    side: Ints
    node: Ints
    product: Ints
    price: Ints
    quantity: Ints
    units: Ints  # sellable units, counted order by order
    member: Ints


def _merge(book: Book, network: Network) -> _Classes:
    order = np.lexsort((book.price, book.node, book.generation, book.side))
    keys = [np.asarray(c[order], dtype=np.int64) for c in (book.side, book.generation, book.node, book.price)]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any([k[1:] != k[:-1] for k in keys], axis=0)
    member = np.empty(len(order), dtype=np.int64)
    member[order] = np.cumsum(new) - 1
    start = np.flatnonzero(new)
    quantity = np.zeros(len(start), dtype=np.int64)
    np.add.at(quantity, member, book.quantity)
    units = np.zeros(len(start), dtype=np.int64)
    np.add.at(units, member, book.quantity // network.unit[book.generation])
    return _Classes(keys[0][start], keys[2][start], keys[1][start], keys[3][start], quantity, units, member)


class _Problem:
    """The circulation of one book: node 0 is the root, then (product, node), power and cooling nodes."""

    def __init__(self, book: Book, network: Network, classes: _Classes) -> None:
        self.network = network
        self.classes = classes
        self.products = np.unique(classes.product)
        highest = max(int(classes.price.max(initial=1)), int(network.freight[self.products].max(initial=1)))
        self.scale = _scale(network, self.products, highest)
        self.row = np.full(len(network.unit), -1, dtype=np.int64)
        self.row[self.products] = np.arange(len(self.products))
        nodes = network.n_nodes
        self.goods = 1 + self.row[:, None] * nodes + np.arange(nodes)[None, :]
        self.power0 = 1 + len(self.products) * nodes
        self.cooling0 = self.power0 + nodes
        self.n = self.cooling0 + nodes
        limit = LARGEST_QUANTITY // self.scale.watt
        self.power = np.minimum(book.power, limit) * self.scale.watt
        self.cooling = np.minimum(np.minimum(book.cooling, book.power), limit) * self.scale.watt
        self._arcs()

    def _arcs(self) -> None:
        network, classes, nodes = self.network, self.classes, self.network.n_nodes
        sell = classes.side == 0
        good = self.goods[classes.product, classes.node]
        wet = network.liquid[classes.product]
        socket = np.where(wet, self.cooling0, self.power0) + classes.node
        amount = classes.quantity * self.scale.flow[classes.product]
        price = self.scale.cost(classes.price, classes.product)
        lane_product, lane = np.nonzero(network.freight[self.products] >= 0)
        lane_product = self.products[lane_product]
        lane_cost = self.scale.cost(network.freight[lane_product, lane], lane_product)
        self.lane_product, self.lane = lane_product, lane
        self.n_orders, self.n_lanes = len(sell), len(lane)
        # One more than can ever move, so that no lane is ever full.
        total = int(min(sum(int(a) for a in amount[sell]), LARGEST_QUANTITY)) + 1
        everything = np.full(len(lane), total, dtype=np.int64)
        roots = np.arange(1, self.power0)
        tail = [
            np.where(sell, 0, good),
            self.goods[lane_product, network.lanes[lane, 0]],
            self.power0 + np.arange(nodes),
            self.cooling0 + np.arange(nodes),
            roots,
        ]
        head = [
            np.where(sell, good, socket),
            self.goods[lane_product, network.lanes[lane, 1]],
            np.zeros(nodes, dtype=np.int64),
            self.power0 + np.arange(nodes),
            np.zeros(len(roots), dtype=np.int64),
        ]
        # Sockets without headroom still need a tree arc with room, or the start would not be strongly feasible;
        # orders behind them are cut to zero instead.
        dead = (self.power <= 0)[classes.node] | (wet & (self.cooling <= 0)[classes.node])
        amount = np.where(~sell & dead, 0, amount)
        room = [
            amount,
            everything,
            np.maximum(self.power, 1),
            np.maximum(self.cooling, 1),
            roots * 0 + total,
        ]
        # Throwing goods away costs one scaled unit, so an optimum never does; it only anchors the first tree.
        cost = [np.where(sell, price, -price), lane_cost, np.zeros(2 * nodes, dtype=np.int64), roots * 0 + 1]
        self.tail = np.concatenate(tail).astype(np.int32)
        self.head = np.concatenate(head).astype(np.int32)
        self.capacity = np.concatenate(room).astype(np.int64)
        self.cost = np.concatenate(cost).astype(np.int64)
        base = self.n_orders + self.n_lanes
        self.first_arc = np.zeros(self.n, dtype=np.int32)
        self.first_arc[self.power0 : self.cooling0] = base + np.arange(nodes)
        self.first_arc[self.cooling0 :] = base + nodes + np.arange(nodes)
        self.first_arc[1 : self.power0] = base + 2 * nodes + np.arange(len(roots))

    def solve(self, capacity: Ints) -> tuple[Ints, Ints, int]:
        """Optimal flow and potentials for the given capacities, and the pivots it took."""
        m = len(self.tail)
        flow, potential = np.zeros(m, dtype=np.int64), np.zeros(self.n, dtype=np.int64)
        # A fixed shuffle keeps ties between nodes from following the numbering of the book.
        order = np.random.Generator(np.random.Philox(20261124)).permutation(m)
        back = np.empty(m, dtype=np.int64)
        back[order] = np.arange(m)
        shuffled = np.zeros(m, dtype=np.int64)
        pivots = solve(
            np.ascontiguousarray(self.tail[order]),
            np.ascontiguousarray(self.head[order]),
            np.ascontiguousarray(capacity[order]),
            np.ascontiguousarray(self.cost[order]),
            back[self.first_arc].astype(np.int32),
            shuffled,
            potential,
            np.zeros(m, dtype=np.int8),
            200 * (m + self.n) + 10_000,
        )
        if pivots < 0:
            raise RuntimeError("the clearing kernel did not finish: please report the book")
        flow[order] = shuffled
        return flow, potential, int(pivots)

    def extremes(self, flow: Ints, potential: Ints) -> tuple[Ints, Ints]:
        """Lowest and highest optimal potentials: two shortest-path passes over the residual graph.

        Prices and rents are never negative: free disposal of goods, power and cooling is part of the residual
        graph. A node to which nothing on offer can be brought takes the least price that supports the optimum.
        """
        nodes = self.network.n_nodes
        real = slice(0, self.n_orders + self.n_lanes + 2 * nodes)
        tail, head, cost = self.tail[real], self.head[real], self.cost[real]
        now, room = flow[real], self.capacity[real]
        value = potential.copy()
        value[1 : self.power0] = np.maximum(value[1 : self.power0], 0)
        power, cooling = slice(self.power0, self.cooling0), slice(self.cooling0, self.n)
        value[power] = np.minimum(value[power], 0)
        value[cooling] = np.minimum(value[cooling], value[power])
        onward, backward = now < room, now > 0
        spare_power, spare_cooling = np.arange(self.power0, self.cooling0), np.arange(self.cooling0, self.n)
        goods = np.arange(1, self.power0)
        zero = np.zeros
        origin = np.r_[tail[onward], head[backward], zero(nodes, int), spare_power, goods]
        target = np.r_[head[onward], tail[backward], spare_power, spare_cooling, zero(len(goods), int)]
        length = np.r_[cost[onward], -cost[backward], zero(2 * nodes + len(goods), int)]
        reduced = length + value[origin] - value[target]
        if len(reduced) and reduced.min() < 0:
            raise AssertionError("the optimum violates its own prices")
        high = value + self._reach(origin, target, reduced)
        low = value - self._reach(target, origin, reduced)
        high = self._close(high, value, origin, target, reduced)
        self._rent_closed(low)
        self._rent_closed(high)
        return low, high

    def _close(self, high: Ints, value: Ints, origin: Ints, target: Ints, reduced: Ints) -> Ints:
        """Where nothing can be bought, the price is what a unit standing there would fetch."""
        nowhere = high < value
        if not nowhere.any():
            return high
        known = np.flatnonzero(~nowhere)
        above = high[known] - value[known]
        top = int(above.max())
        out = nowhere[origin]
        start = np.r_[target[out], np.full(len(known), self.n)]
        end = np.r_[origin[out], known]
        length = np.r_[reduced[out], top - above]
        found = self._reach(start, end, length, self.n, self.n + 1)[: self.n]
        return np.where(nowhere, value + top - found, high)

    def _rent_closed(self, value: Ints) -> None:
        """Rent of sockets without headroom: the largest surplus per watt that they keep out."""
        classes = self.classes
        buy = np.flatnonzero((classes.side == 1) & (classes.quantity > 0))
        node = classes.node[buy]
        good = value[self.goods[classes.product[buy], node]]
        surplus = self.scale.cost(classes.price[buy], classes.product[buy]) - good
        wet = self.network.liquid[classes.product[buy]]
        shut = np.flatnonzero(self.power <= 0)
        blocked = np.zeros(self.network.n_nodes, dtype=np.int64)
        np.maximum.at(blocked, node, surplus)
        value[self.power0 + shut] = -blocked[shut]
        dry = np.flatnonzero(self.cooling <= 0)
        rent = -value[self.power0 + np.arange(self.network.n_nodes)]
        soaked = np.zeros(self.network.n_nodes, dtype=np.int64)
        np.maximum.at(soaked, node[wet], surplus[wet] - rent[node[wet]])
        value[self.cooling0 + dry] = -(rent[dry] + soaked[dry])

    def _reach(self, origin: Ints, target: Ints, length: Ints, source: int = 0, n: int | None = None) -> Ints:
        """Shortest distances from `source`; far below any potential where there is no path."""
        n = self.n if n is None else n
        order = np.argsort(origin, kind="stable")
        start = np.zeros(n + 1, dtype=np.int32)
        start[1:] = np.cumsum(np.bincount(origin, minlength=n))
        distance = np.zeros(n, dtype=np.int64)
        distances(
            start,
            np.ascontiguousarray(target[order].astype(np.int32)),
            np.ascontiguousarray(length[order].astype(np.int64)),
            source,
            distance,
        )
        return np.where(distance < 0, -(2**61), distance)


def clear(
    book: Book, network: Network, theta: float = 0.5, hint: Clearing | None = None, whole: bool = False
) -> Clearing:
    """Clear one book.

    Parameters
    ----------
    theta : float
        Place of the price within the optimal interval: 0 lowest, 1 highest.
    hint : Clearing, optional
        An earlier clearing of the same network; it never changes the result.
    whole : bool
        Trade sellable units only. Prices and rents stay those of the divisible optimum; fills are a feasible
        rounding traded at them, ``surplus_bound`` is the divisible surplus.

    Returns
    -------
    Clearing

    Raises
    ------
    ValueError
        Names the array, the position and the rule.

    Examples
    --------
    >>> import numpy as np
    >>> network = Network(1, np.zeros((0, 2), np.int32), np.zeros((1, 0), np.int64), np.array([1]),
    ...     np.array([1000]), np.array([False]))
    >>> book = Book(np.array([0, 1], np.int8), np.zeros(2, np.int32), np.zeros(2, np.int32), np.array([5, 3]),
    ...     np.array([100, 200]), np.array([10**6]), np.array([0]))
    >>> result = clear(book, network)
    >>> result.filled.tolist(), float(result.price[0, 0]), result.certificate.gap
    ([3.0, 3.0], 100.0, 0.0)
    """
    check_book(book, network)
    if not 0.0 <= theta <= 1.0:
        raise ValueError(f"theta = {theta}; allowed 0 to 1")
    shape = (len(network.unit), network.n_nodes)
    if len(book.side) == 0:
        return _empty(shape, whole)
    classes = _merge(book, network)
    problem = _Problem(book, network, classes)
    flow, potential, pivots = problem.solve(problem.capacity)
    low, high = problem.extremes(flow, potential)
    price_low, price_high = _prices(problem, low, shape), _prices(problem, high, shape)
    price = price_low + theta * (price_high - price_low)
    power_rent, cooling_rent = _rents(problem, low, high, theta)
    bound = _surplus(problem, flow)
    traded = flow
    if whole:
        traded, more = _whole_flow(problem, flow, low, high, theta)
        pivots += more
    filled = _fills(problem, book, traded, whole)
    moved = np.flatnonzero(traded[problem.n_orders : problem.n_orders + problem.n_lanes] > 0)
    amount = traded[problem.n_orders + moved] / problem.scale.flow[problem.lane_product[moved]]
    return Clearing(
        filled=filled,
        price=price,
        price_low=price_low,
        price_high=price_high,
        power_rent=power_rent,
        cooling_rent=cooling_rent,
        surplus=_surplus(problem, traded),
        flow=Flow(problem.lane[moved], problem.lane_product[moved], amount),
        pivots=pivots,
        surplus_bound=bound,
        _proof=lambda: _prove(book, network, problem, flow, low),
    )


def _empty(shape: tuple[int, int], whole: bool) -> Clearing:
    nothing = np.zeros(0, dtype=np.int64)
    unknown = np.full(shape, np.nan)
    return Clearing(
        filled=nothing if whole else nothing.astype(np.float64),
        price=unknown,
        price_low=unknown,
        price_high=unknown,
        power_rent=np.zeros(shape[1]),
        cooling_rent=np.zeros(shape[1]),
        surplus=0.0,
        flow=Flow(nothing, nothing, nothing.astype(np.float64)),
        pivots=0,
        surplus_bound=0.0,
        _proof=lambda: Certificate(0, 0, 1),
    )


def _prices(problem: _Problem, potential: Ints, shape: tuple[int, int]) -> Floats:
    price = np.full(shape, np.nan)
    per_gpu = problem.scale.flow / problem.scale.scale
    goods = potential[problem.goods[problem.products]]
    price[problem.products] = goods * per_gpu[problem.products][:, None]
    return price


def _rents(problem: _Problem, low: Ints, high: Ints, theta: float) -> tuple[Floats, Floats]:
    """Rents in cents per watt at the same point of the lattice as the prices."""
    value = low + theta * (high.astype(np.float64) - low)
    power = -value[problem.power0 : problem.cooling0]
    both = -value[problem.cooling0 :]
    per_watt = problem.scale.watt / problem.scale.scale
    return np.maximum(power, 0.0) * per_watt, np.maximum(both - power, 0.0) * per_watt


def _exact_dot(a: Ints, b: Ints) -> int:
    """Sum of products without overflow."""
    used = (a != 0) & (b != 0)
    return sum(int(x) * int(y) for x, y in zip(a[used], b[used], strict=True))


def _surplus(problem: _Problem, flow: Ints) -> float:
    real = slice(0, problem.n_orders + problem.n_lanes)
    return -float(np.dot(flow[real].astype(np.float64), problem.cost[real])) / problem.scale.scale


def _fills(problem: _Problem, book: Book, flow: Ints, whole: bool) -> Floats | Ints:
    """Fills of orders: those of one class share pro rata, whole units by largest remainder then order."""
    classes = problem.classes
    gpus = flow[: problem.n_orders] / problem.scale.flow[classes.product]
    if not whole:
        share = np.divide(gpus, classes.quantity, out=np.zeros(len(gpus)), where=classes.quantity > 0)
        return np.asarray(book.quantity * share[classes.member])
    units = np.rint(gpus).astype(np.int64) // problem.network.unit[classes.product]
    filled = np.zeros(len(book.side), dtype=np.int64)
    order = np.argsort(classes.member, kind="stable")
    first = np.searchsorted(classes.member[order], np.arange(len(units) + 1))
    for c in np.flatnonzero(units):
        rows = order[first[c] : first[c + 1]]
        unit = int(problem.network.unit[classes.product[c]])
        have = book.quantity[rows] // unit
        share = np.minimum(largest_remainder(int(units[c]), have), have)
        for i in np.flatnonzero(share < have):
            share[i] += min(int(have[i] - share[i]), int(units[c] - share.sum()))
        filled[rows] = share * unit
    return filled


def _whole_flow(problem: _Problem, flow: Ints, low: Ints, high: Ints, theta: float) -> tuple[Ints, int]:
    """A flow in sellable units, feasible at the divisible prices.

    Buys are cut to whole units of their divisible fill, sells to whole units on offer; lanes that are not tight at
    every optimal price, and orders out of the money at the chosen one, stay out. With headroom slack the products
    separate, every capacity is a multiple of one unit, and the basic optimum is whole. Room that rounding
    leaves is refilled unit by unit where it fits.
    """
    classes, network = problem.classes, problem.network
    unit = network.unit[classes.product] * problem.scale.flow[classes.product]
    capacity = problem.capacity.copy()
    n, lanes = problem.n_orders, problem.n_lanes
    sell = classes.side == 0
    whole_units = classes.units
    value = low + theta * (high.astype(np.float64) - low)
    slack = problem.cost + value[problem.tail] - value[problem.head]
    tolerance = 1e-9 * np.maximum(
        np.abs(problem.cost), problem.scale.scale // max(int(problem.scale.flow.max()), 1)
    )
    in_money = slack[:n] <= tolerance[:n]
    target = np.where(sell, whole_units, np.minimum(flow[:n] // unit, whole_units))
    capacity[:n] = np.where(in_money, target * unit, 0)
    tight = (low[problem.head] - low[problem.tail] == problem.cost) & (
        high[problem.head] - high[problem.tail] == problem.cost
    )
    across = slice(n, n + lanes)
    capacity[across] = np.where(tight[across] | (flow[across] > 0), capacity[across], 0)
    capacity[n + lanes + 2 * network.n_nodes :] = 1
    traded, pivots = _solve_whole(problem, capacity)
    # Refill: offer one more unit to every buyer it fits, once, where the headroom left over covers it.
    spare_power = problem.power.copy()
    spare_cooling = problem.cooling.copy()
    buys = np.flatnonzero(~sell)
    np.subtract.at(spare_power, classes.node[buys], traded[buys])
    wet = buys[network.liquid[classes.product[buys]]]
    np.subtract.at(spare_cooling, classes.node[wet], traded[wet])
    gain = classes.price[buys] / np.maximum(
        network.unit_watts[classes.product[buys]] / network.unit[classes.product[buys]], 1
    )
    granted = False
    for b in buys[np.lexsort((buys, -gain))]:
        if not in_money[b] or target[b] >= whole_units[b]:
            continue
        node = int(classes.node[b])
        extra = min(int(spare_power[node] // unit[b]), int(whole_units[b] - target[b]))
        if network.liquid[classes.product[b]]:
            extra = min(extra, int(spare_cooling[node] // unit[b]))
        if extra > 0:
            capacity[b] += extra * unit[b]
            spare_power[node] -= extra * unit[b]
            if network.liquid[classes.product[b]]:
                spare_cooling[node] -= extra * unit[b]
            granted = True
    if granted:
        traded, more = _solve_whole(problem, capacity)
        pivots += more
    return traded, pivots


def _solve_whole(problem: _Problem, capacity: Ints) -> tuple[Ints, int]:
    flow, _, pivots = problem.solve(capacity)
    return flow, pivots


def _prove(book: Book, network: Network, problem: _Problem, flow: Ints, value: Ints) -> Certificate:
    """Primal and dual value on the original book; raises if prices or flows are infeasible."""
    classes, scale = problem.classes, problem.scale
    n, lanes = problem.n_orders, problem.n_lanes
    signed = problem.cost[: n + lanes]
    primal = -_exact_dot(flow[: n + lanes], signed)
    balance = np.zeros(problem.n, dtype=np.int64)
    np.subtract.at(balance, problem.tail, flow)
    np.add.at(balance, problem.head, flow)
    if balance.any() or (flow < 0).any() or (flow > problem.capacity).any():
        raise AssertionError("certificate: the flow does not balance or breaks a limit")
    price = value[problem.goods[problem.products]]
    power = -value[problem.power0 : problem.cooling0]
    cooling = -value[problem.cooling0 :] - power
    if (price < 0).any() or (power < 0).any() or (cooling < 0).any():
        raise AssertionError("certificate: a price or rent is negative")
    at = price[problem.row[problem.lane_product]]
    ends = network.lanes[problem.lane]
    rows = np.arange(lanes)
    gap = (
        at[rows, ends[:, 1]]
        - at[rows, ends[:, 0]]
        - scale.cost(network.freight[problem.lane_product, problem.lane], problem.lane_product)
    )
    if lanes and gap.max() > 0:
        raise AssertionError("certificate: a price difference exceeds freight")
    here = price[problem.row[classes.product], classes.node]
    rent = power[classes.node] + np.where(network.liquid[classes.product], cooling[classes.node], 0)
    stated = scale.cost(classes.price, classes.product)
    profit = np.where(classes.side == 0, here - stated, stated - here - rent)
    amount = classes.quantity * scale.flow[classes.product]
    dual = _exact_dot(amount, np.maximum(profit, 0))
    dual += _exact_dot(problem.power, power) + _exact_dot(problem.cooling, cooling)
    return Certificate(primal, dual, scale.scale, scale.exact)


def matched(clearing: Clearing, book: Book, network: Network) -> dict[str, Ints]:
    """Who bought from whom: seller-to-buyer arcs of a whole-unit clearing.

    Returns
    -------
    dict
        Arrays ``sell`` and ``buy`` (rows of the book), ``quantity`` (GPUs) and ``freight`` (cents per GPU along
        the path). Quantities sum to the fills on both sides; freight sums to the cost of the flow.
    """
    filled = np.rint(clearing.filled).astype(np.int64)
    arcs: list[tuple[int, int, int, int]] = []
    flow = clearing.flow
    for product in np.unique(book.generation[filled > 0]):
        lanes = np.flatnonzero(flow.generation == product)
        left: dict[int, list[list[int]]] = {}
        for i in lanes:
            origin, target = (int(x) for x in network.lanes[flow.lane[i]])
            cost = int(network.freight[product, flow.lane[i]])
            left.setdefault(origin, []).append([target, round(float(flow.quantity[i])), cost])
        chosen = (book.generation == product) & (filled > 0)
        wants: dict[int, list[list[int]]] = {}
        for b in np.flatnonzero(chosen & (book.side == 1)):
            wants.setdefault(int(book.node[b]), []).append([int(b), int(filled[b])])
        for s in np.flatnonzero(chosen & (book.side == 0)):
            have = int(filled[s])
            while have > 0:
                path, cost, amount = _walk(int(book.node[s]), left, wants, have)
                buyer = wants[path[-1][0] if path else int(book.node[s])][0]
                amount = min(amount, buyer[1])
                for _, lane in path:
                    lane[1] -= amount
                buyer[1] -= amount
                if buyer[1] == 0:
                    wants[path[-1][0] if path else int(book.node[s])].pop(0)
                arcs.append((int(s), buyer[0], amount, cost))
                have -= amount
    table = np.array(arcs, dtype=np.int64).reshape(-1, 4)
    return {name: table[:, i].copy() for i, name in enumerate(("sell", "buy", "quantity", "freight"))}


def _walk(
    node: int, left: dict[int, list[list[int]]], wants: dict[int, list[list[int]]], amount: int
) -> tuple[list[tuple[int, list[int]]], int, int]:
    """Follow lanes that still carry goods from a node to one with an unfilled buyer."""
    path: list[tuple[int, list[int]]] = []
    cost = 0
    while not wants.get(node):
        lane = next((lane for lane in left.get(node, ()) if lane[1] > 0), None)
        if lane is None:
            raise AssertionError(f"goods stranded at node {node}")
        amount = min(amount, lane[1])
        cost += lane[2]
        node = lane[0]
        path.append((node, lane))
    return path, cost, amount
