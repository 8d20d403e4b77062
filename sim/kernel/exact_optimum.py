"""The optimum of a book that 64-bit integers do not hold: flows improved and prices read in integers of any size.

The solver counts costs in 64-bit integers. Where no common scale of the book fits them, its flow is optimal only for rounded
costs. Here the flow is taken as it is, every residual cycle that still gains is used up, and both ends of the lattice of
prices are shortest paths in what is left. That takes Python time, and is exact. Notation as in docs/kernel.md.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.kernel.book import Book, Ints, Network
from sim.kernel.flow_scale import FlowScale

Bools = NDArray[np.bool_]
# An arc of the residual graph: from, to, length, room, and what carries it: a class, or a lane of a product.
Arc = tuple[int, int, int, int, tuple[int, int] | None]
ASK, BID, LANE = 0, 1, 2
# Improvements after which the solver's flow was no start at all.
MOST_IMPROVEMENTS = 10_000


@dataclass(slots=True)
class OrderClass:
    """Orders equal in side, node, product and price; capacity and fill in flow units, price in the common scale."""

    price: int
    capacity: int
    fill: int


class ExactOptimum:
    """Flow and prices of one book in exact integers.

    Parameters
    ----------
    flow : (n,) int64
        Fill of every order by the solver, flow units; what orders of one class share may be split among them in any way.
    lane_flow : (K, L) int64
        Flow units.

    Attributes
    ----------
    scale : int
        Scaled cents per cent; prices are scaled cents per flow unit.
    low, high : list of int
        Ends of the lattice: a price for every product row and node, then the power rents of all nodes and the rents of
        power and cooling together, both negative.
    """

    def __init__(
        self, book: Book, network: Network, scale: FlowScale, flow: Ints, lane_flow: NDArray[np.int64]
    ) -> None:
        self.network = network
        self.nodes, self.rows = network.n_nodes, len(scale.products)
        self.goods = self.rows * self.nodes
        self.root = self.goods + 2 * self.nodes
        self.scale = math.lcm(*(int(f) for f in scale.flow))
        self.products = scale.products.tolist()
        self.flow_per_gpu = [int(f) for f in scale.flow]
        self.step = [self.scale // f for f in self.flow_per_gpu]
        self.liquid = [bool(network.liquid[p]) for p in scale.products]
        self.power = [int(x) * scale.watt for x in book.power]
        self.cooling = [int(x) * scale.watt for x in book.cooling]
        self.lanes: list[tuple[int, int, int, int, int]] = []
        for k, product in enumerate(scale.products):
            for lane, cents in enumerate(network.freight[product].tolist()):
                origin, target = (int(x) for x in network.lanes[lane])
                if cents >= 0 and origin != target:
                    first = k * self.nodes
                    self.lanes.append((k, lane, first + origin, first + target, cents * self.step[k]))
        self.lane_flow = {(int(k), int(lane)): int(lane_flow[k, lane]) for k, lane in np.argwhere(lane_flow)}
        self._sort_orders(book, scale, flow)
        for _ in range(MOST_IMPROVEMENTS):
            if not self._improve():
                break
        else:
            raise ValueError(
                "price: this book spans a range of prices and watts per GPU in which the solver finds no start; "
                "clear products with far dearer or far smaller units in a book of their own"
            )
        self._read_prices()

    # -- orders -----------------------------------------------------------------------------------------------

    def _sort_orders(self, book: Book, scale: FlowScale, flow: Ints) -> None:
        """Classes of every good and side, best price first; the fill of a good's side goes to the best of them."""
        row = scale.row[book.generation].astype(np.int64)
        live = np.flatnonzero((row >= 0) & (book.quantity > 0))
        post = 2 * (row[live] * self.nodes + book.node[live]) + book.side[live]
        better = np.where(book.side[live] == 1, -book.price[live], book.price[live])
        order = np.lexsort((better, post))
        self.curves: dict[int, list[int]] = {}
        self.classes: list[OrderClass] = []
        self.member = np.full(len(book.side), -1, dtype=np.int32)
        self.barred: list[tuple[int, int]] = []
        left: dict[int, int] = {}
        last: tuple[int, int] | None = None
        quantity, cents = book.quantity.tolist(), book.price.tolist()
        for at in order.tolist():
            i, here = int(live[at]), int(post[at])
            k = here // 2 // self.nodes
            price = cents[i] * self.step[k]
            left[here] = left.get(here, 0) + int(flow[i])
            if here & 1 and not self._open(k, here // 2 % self.nodes):
                self.barred.append((here // 2, price))
            if (here, price) != last:
                last = here, price
                self.curves.setdefault(here, []).append(len(self.classes))
                self.classes.append(OrderClass(price, 0, 0))
            self.member[i] = len(self.classes) - 1
            self.classes[-1].capacity += quantity[i] * self.flow_per_gpu[k]
        for here, curve in self.curves.items():
            for c in curve:
                self.classes[c].fill = min(self.classes[c].capacity, left[here])
                left[here] -= self.classes[c].fill
        self.use_power, self.use_cooling = [0] * self.nodes, [0] * self.nodes
        for here, curve in self.curves.items():
            if here & 1:
                self._use(here // 2, sum(self.classes[c].fill for c in curve))

    def _open(self, k: int, node: int) -> bool:
        """A buyer can install here."""
        return self.power[node] > 0 and (not self.liquid[k] or self.cooling[node] > 0)

    def _use(self, good: int, amount: int) -> None:
        k, node = divmod(good, self.nodes)
        self.use_power[node] += amount
        if self.liquid[k]:
            self.use_cooling[node] += amount

    def socket(self, good: int) -> int:
        """Node of the graph at which a purchase of a good counts."""
        k, node = divmod(good, self.nodes)
        return self.goods + (self.nodes if self.liquid[k] else 0) + node

    # -- the residual graph ---------------------------------------------------------------------------------------

    def _arcs(self) -> Iterator[Arc]:
        """Every way in which the flow can change, with what a unit of it costs."""
        for here, curve in self.curves.items():
            good = here // 2
            if here & 1 and not self._open(good // self.nodes, good % self.nodes):
                continue
            kind, origin, target, sign = (
                (BID, good, self.socket(good), -1) if here & 1 else (ASK, self.root, good, 1)
            )
            # Classes fill in order of price: only the one at the turn from full to empty, or its neighbour, can change.
            turn = next(
                (j for j, c in enumerate(curve) if self.classes[c].fill < self.classes[c].capacity), None
            )
            if turn is not None:
                it = self.classes[curve[turn]]
                yield origin, target, sign * it.price, it.capacity - it.fill, (kind, curve[turn])
                if it.fill == 0:
                    turn -= 1
            else:
                turn = len(curve) - 1
            if turn >= 0:
                it = self.classes[curve[turn]]
                yield target, origin, -sign * it.price, it.fill, (kind, curve[turn])
        for i, (k, lane, origin, target, cost) in enumerate(self.lanes):
            yield origin, target, cost, 1 << 200, (LANE, i)
            carried = self.lane_flow.get((k, lane), 0)
            if carried:
                yield target, origin, -cost, carried, (LANE, i)
        for node in range(self.nodes):
            power, cooling = self.goods + node, self.goods + self.nodes + node
            yield self.root, power, 0, self.use_power[node], None
            yield power, cooling, 0, self.use_cooling[node], None
            # Where there is no headroom at all the rent is read from the bids kept out (see `_close_rents`).
            left = self.power[node] - self.use_power[node]
            if left > 0 or self.power[node] == 0:
                yield power, self.root, 0, left, None
            left = self.cooling[node] - self.use_cooling[node]
            if left > 0 or self.cooling[node] == 0:
                yield cooling, power, 0, left, None

    def _improve(self) -> bool:
        """Use up one residual cycle that gains; False if there is none."""
        leaving: list[list[Arc]] = [[] for _ in range(self.root + 1)]
        for arc in self._arcs():
            if arc[3] > 0:
                leaving[arc[0]].append(arc)
        cycle = gaining_cycle(leaving)
        amount = min((arc[3] for arc in cycle), default=0)
        for origin, target, _, _, what in cycle:
            if what is None:
                continue
            kind, i = what
            if kind == LANE:
                k, lane, start = self.lanes[i][:3]
                more = amount if origin == start else -amount
                self.lane_flow[k, lane] = self.lane_flow.get((k, lane), 0) + more
            elif kind == ASK:
                self.classes[i].fill += amount if origin == self.root else -amount
            else:
                bought = origin < self.goods
                self.classes[i].fill += amount if bought else -amount
                self._use(origin if bought else target, amount if bought else -amount)
        return bool(cycle)

    # -- prices ---------------------------------------------------------------------------------------------------

    def _read_prices(self) -> None:
        forwards: list[list[tuple[int, int]]] = [[] for _ in range(self.root + 1)]
        backwards: list[list[tuple[int, int]]] = [[] for _ in range(self.root + 1)]
        for origin, target, length, _, _ in self._arcs():
            forwards[origin].append((target, length))
            backwards[target].append((origin, length))
        for good in range(self.goods):
            # No price is negative.
            forwards[good].append((self.root, 0))
            backwards[self.root].append((good, 0))
        self.low = [-x for x in _nearest(backwards, self.root)]  # type: ignore[operator]
        found = _nearest(forwards, self.root)
        self.reached = [x is not None for x in found[: self.goods]]
        self.high = [0 if x is None else x for x in found]
        bids = [self._best_bid(good) for good in range(self.goods)]
        self.best_bid = self._carried_back(bids, [True] * self.goods)
        # Where no ask can be brought, the highest price is what a unit standing there would fetch.
        for good in range(self.goods):
            if not self.reached[good] and bids[good] > 0:
                self.high[good] = max(0, bids[good] + self.high[self.socket(good)])
        self.high[: self.goods] = self._carried_back(self.high[: self.goods], [not x for x in self.reached])
        for end in (self.low, self.high):
            self._close_rents(end)
        del self.low[self.root :], self.high[self.root :]

    def surplus(self) -> int:
        """What the flow is worth, scaled."""
        worth = 0
        for post, curve in self.curves.items():
            traded = sum(self.classes[c].price * self.classes[c].fill for c in curve)
            worth += traded if post & 1 else -traded
        return worth - sum(cost * self.lane_flow.get((k, lane), 0) for k, lane, _, _, cost in self.lanes)

    def known(self) -> list[bool]:
        """Whether a good has a price: an order stands there, or a bid or an ask can be reached."""
        here = {post // 2 for post in self.curves}
        return [self.reached[g] or self.best_bid[g] > 0 or g in here for g in range(self.goods)]

    def _best_bid(self, good: int) -> int:
        """Dearest bid of a buyer who can install here; 0 if there is none."""
        curve = self.curves.get(2 * good + 1)
        return self.classes[curve[0]].price if curve and self._open(*divmod(good, self.nodes)) else 0

    def _carried_back(self, price: list[int], may_rise: list[bool]) -> list[int]:
        """Prices raised to what goods would fetch at the end of a lane, less freight."""
        price = list(price)
        entering: list[list[tuple[int, int]]] = [[] for _ in range(self.goods)]
        for _, _, origin, target, cost in self.lanes:
            if may_rise[origin]:
                entering[target].append((origin, cost))
        waiting = deque(range(self.goods))
        while waiting:
            good = waiting.popleft()
            for origin, cost in entering[good]:
                if price[good] - cost > price[origin]:
                    price[origin] = price[good] - cost
                    waiting.append(origin)
        return price

    def _close_rents(self, end: list[int]) -> None:
        """Rent of a site without headroom: the largest surplus per watt that it keeps out."""
        for node in range(self.nodes):
            if self.power[node] == 0:
                end[self.goods + node] = 0
        for good, price in self.barred:
            node = good % self.nodes
            if self.power[node] == 0:
                end[self.goods + node] = min(end[self.goods + node], end[good] - price)
        for node in range(self.nodes):
            if self.power[node] == 0:
                end[self.goods + self.nodes + node] = end[self.goods + node]
        for good, price in self.barred:
            node = good % self.nodes
            if self.power[node] > 0:
                both = self.goods + self.nodes + node
                end[both] = min(end[both], end[good] - price)


def gaining_cycle(leaving: list[list[Arc]]) -> list[Arc]:
    """A cycle of negative length, by labels corrected from zero; empty if there is none (Bellman and Ford, Tarjan's check)."""
    n = len(leaving)
    label = [0] * n
    entry: list[Arc | None] = [None] * n
    queue, waits = deque(range(n)), [True] * n
    corrected = 0
    while queue:
        v = queue.popleft()
        waits[v] = False
        here = label[v]
        for arc in leaving[v]:
            target = arc[1]
            if here + arc[2] < label[target]:
                label[target] = here + arc[2]
                entry[target] = arc
                corrected += 1
                if not waits[target]:
                    waits[target] = True
                    queue.append(target)
                if corrected % n == 0 and (cycle := _cycle_of(entry)):
                    return cycle
    return []


def _cycle_of(entry: list[Arc | None]) -> list[Arc]:
    """A cycle among the arcs by which nodes were last corrected."""
    seen = [0] * len(entry)
    for start in range(len(entry)):
        v = start
        while seen[v] == 0 and entry[v] is not None:
            seen[v] = start + 1
            v = entry[v][0]  # type: ignore[index]
        if seen[v] == start + 1 and entry[v] is not None:
            cycle: list[Arc] = []
            u = v
            while True:
                arc = entry[u]
                assert arc is not None
                cycle.append(arc)
                u = arc[0]
                if u == v:
                    return cycle
    return []


def _nearest(leaving: list[list[tuple[int, int]]], start: int) -> list[int | None]:
    """Distances from a node where no cycle is negative; None where no path leads."""
    label: list[int | None] = [None] * len(leaving)
    label[start] = 0
    queue, waits = deque([start]), [False] * len(leaving)
    while queue:
        v = queue.popleft()
        waits[v] = False
        here = label[v]
        for target, length in leaving[v]:
            old = label[target]
            if old is None or here + length < old:  # type: ignore[operator]
                label[target] = here + length  # type: ignore[operator]
                if not waits[target]:
                    waits[target] = True
                    queue.append(target)
    return label
