"""Clear the whole market at once, exactly, and read the shadow prices.

The problem maximises bids less reserves less freight, subject to balance of every product at every node and to
nested headroom in IT watts and liquid watts where buyers install. Counted in watts every coefficient is one, so
it is a minimum-cost circulation: `_order_book` turns orders into it, `_network_simplex` solves it in integers,
`_shadow_prices` reads the optimum. The dual variables are the price of each product at each node and the rents of power
and cooling; they form a lattice, and the price reported lies between its ends by ``theta``. Formulation and proofs:
docs/kernel.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from sim.kernel._shadow_prices import Solution
from sim.kernel.book import OTHER_TYPES, RULES, Book, Floats, Ints, KeptMemory, Network, typed_orders
from sim.kernel.certificate import Certificate, Evidence, prove
from sim.kernel.flow_scale import LARGEST_COST, FlowScale

__all__ = ["Clearing", "Flow", "clear", "matched"]


@dataclass(frozen=True, slots=True)
class Flow:
    """Goods moved: parallel arrays of lane, product and quantity (float GPUs, whole when asked)."""

    lane: Ints
    generation: Ints
    quantity: Floats


@dataclass(frozen=True)
class Clearing:
    """Result of `clear`; see design.md section 7 for the meaning of each field.

    ``price``, ``price_low`` and ``price_high`` have shape (G, S), cents per GPU. Where the product trades nowhere
    near, they run from the best bid net of freight to the cheapest ask delivered. Without a bid ``price_low`` is 0;
    where nothing on offer can be brought ``price_high`` is what a unit standing there would fetch. They are NaN where
    no order of the product stands and neither bid nor ask can be reached. Rents are cents per watt; a site
    without headroom shows the largest surplus per watt that it keeps out.
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
    _proof: Callable[[], Certificate] = field(repr=False)

    @cached_property
    def certificate(self) -> Certificate:
        """Recomputed on the original book from fills, flow and prices, in exact integers."""
        return self._proof()


def clear(book: Book, network: Network, theta: float = 0.5, whole: bool = False) -> Clearing:
    """Clear one book.

    Parameters
    ----------
    theta : float
        Place of the price within the optimal interval: 0 lowest, 1 highest.
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
    >>> network = Network(1, np.zeros((0, 2), np.int32), np.zeros((1, 0), np.int64), np.array([1]),
    ...     np.array([1000]), np.array([False]))
    >>> book = Book(np.array([0, 1], np.int8), np.zeros(2, np.int32), np.zeros(2, np.int32), np.array([5, 3]),
    ...     np.array([100, 200]), np.array([10**6]), np.array([0]))
    >>> result = clear(book, network)
    >>> result.filled.tolist(), float(result.price[0, 0]), result.certificate.gap
    ([3.0, 3.0], 100.0, 0.0)
    """
    if not 0.0 <= theta <= 1.0:
        raise ValueError(f"theta = {theta}; allowed 0 to 1")
    shape = len(network.unit), network.n_nodes
    kept = network._kept()
    highest, active = _take_in(book, network, kept)
    limit = LARGEST_COST
    while True:
        scale = _scale_for(network, kept, active, highest, limit)
        if scale is None:
            return _empty(shape, len(book.side), whole)
        problem = Solution(kept.workspace, scale.scaling)
        if problem.overflow >= 0:
            raise ValueError(
                f"quantity[{problem.overflow}] = {book.quantity[problem.overflow]}; goods offered so far times watts are"
                f" beyond the range of {10**18 // int(scale.flow.max())} GPUs"
            )
        # Whole units are cut from the optimum of the primal method, whatever the book.
        if not whole and problem.glut() and problem.solve_nationally():
            break
        if problem.solve():
            break
        limit //= 2**6
    return _report(book, network, kept, problem, scale, theta, whole)


def _take_in(book: Book, network: Network, kept: KeptMemory) -> tuple[int, bytes]:
    """Put the orders into the workspace; their highest price and which products they name. Refuses a faulty book."""
    orders = book.side, book.node, book.generation, book.quantity, book.price, book.power, book.cooling
    try:
        rule, position, highest, active = kept.workspace.gauge(*orders)
    except (TypeError, ValueError):
        rule = OTHER_TYPES
    if rule == OTHER_TYPES:
        typed = typed_orders(book, network)
        rule, position, highest, active = kept.workspace.gauge(*typed)
    if rule:
        name, allowed = RULES[rule]
        entry = getattr(book, name)[position]
        allowed = allowed.format(nodes=network.n_nodes - 1, products=len(network.unit) - 1)
        raise ValueError(f"{name}[{position}] = {entry}; {allowed}")
    return highest, active


def _scale_for(
    network: Network, kept: KeptMemory, active: bytes, highest: int, limit: int
) -> FlowScale | None:
    """Scale of the active products, kept between clearings while prices fit it."""
    if b"\1" not in active:
        return None
    dearest = kept.dearest.get(active)
    if dearest is None:
        products = np.frombuffer(active, dtype=np.bool_)
        dearest = kept.dearest[active] = int(network.freight[products].max(initial=0))
    highest = max(highest, dearest)
    # One scale serves all prices up to the next power of four, so that a calm week finds it ready.
    bits = (highest.bit_length() + 1) // 2 * 2
    key = active, bits, limit
    scale = kept.scales.get(key)
    if scale is None or highest * scale.steepest >= limit:
        scale = FlowScale.of(
            network.unit,
            network.unit_watts,
            np.flatnonzero(np.frombuffer(active, dtype=np.bool_)).astype(np.int32),
            highest,
            limit,
        )
        kept.scales.setdefault(key, scale)
    return scale


def _empty(shape: tuple[int, int], n: int, whole: bool) -> Clearing:
    nothing = np.zeros(0, dtype=np.int64)
    unknown = np.full(shape, np.nan)
    return Clearing(
        filled=np.zeros(n, dtype=np.int64) if whole else np.zeros(n, dtype=np.float64),
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


def _report(
    book: Book,
    network: Network,
    kept: KeptMemory,
    problem: Solution,
    scale: FlowScale,
    theta: float,
    whole: bool,
) -> Clearing:
    n, products, nodes = len(book.side), len(network.unit), network.n_nodes
    problem.lattice()
    bound = problem.surplus() / scale.scale
    claim = problem.evidence()
    surplus = bound
    if whole:
        problem.round(theta)
        surplus = problem.surplus() / scale.scale
    share, table = np.zeros(n), np.empty((3 * products + 2, nodes))
    problem.report(theta, share, table, float(scale.scale))
    units = np.empty(n if whole else 0, dtype=np.int64)
    if whole:
        problem.whole_fills(units)
    used = problem.moves
    flow = Flow(np.empty(used, dtype=np.int64), np.empty(used, dtype=np.int64), np.empty(used))
    problem.moved(flow.lane, flow.generation, flow.quantity)
    return Clearing(
        filled=units if whole else share,
        price=table[:products],
        price_low=table[products : 2 * products],
        price_high=table[2 * products : 3 * products],
        power_rent=table[3 * products],
        cooling_rent=table[3 * products + 1],
        surplus=surplus,
        flow=flow,
        pivots=problem.pivots,
        surplus_bound=bound,
        _proof=partial(_proven, book, network, kept.given, scale, claim),
    )


def _proven(
    book: Book,
    network: Network,
    given: NDArray[np.int32],
    scale: FlowScale,
    claim: tuple[bytes, bytes, bytes, bytes],
) -> Certificate:
    return prove(book, network, _evidence(network, given, scale, claim))


def _evidence(
    network: Network, given: NDArray[np.int32], scale: FlowScale, claim: tuple[bytes, bytes, bytes, bytes]
) -> Evidence:
    rows, nodes = len(scale.products), network.n_nodes
    values = np.frombuffer(claim[3], dtype=np.int64)
    goods = rows * nodes
    return Evidence(
        products=scale.products.astype(np.int64),
        flow_per_gpu=scale.flow,
        watt=scale.watt,
        scale=scale.scale,
        exact=scale.exact,
        member=np.frombuffer(claim[0], dtype=np.int32),
        class_flow=np.frombuffer(claim[1], dtype=np.int64),
        lane_flow=np.frombuffer(claim[2], dtype=np.int64).reshape(rows, len(network.lanes))[:, given],
        price=values[:goods].reshape(rows, nodes),
        power_rent=-values[goods : goods + nodes],
        power_and_cooling_rent=-values[goods + nodes :],
    )


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
