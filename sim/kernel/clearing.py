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
from sim.kernel.certificate import Certificate, Duals, Evidence, Fields, Flow, prove
from sim.kernel.flow_scale import LARGEST_COST, LARGEST_PATH, FlowScale
from sim.kernel.wide_books import finish, rounding_is_harmless, value_of, within_reach

# Bounds of a scaled cost: where potentials leave the range of 64 bits, the next one is tried. At the last one no path through
# a network of 2^30 nodes does.
COST_LIMITS = tuple(LARGEST_COST >> (6 * tries) for tries in range(5))

__all__ = ["Clearing", "Flow", "clear", "matched"]


@dataclass(frozen=True)
class Clearing(Fields):
    """Result of `clear`; see design.md section 7 for the meaning of each field.

    ``price``, ``price_low`` and ``price_high`` have shape (G, S), cents per GPU. Where the product trades nowhere
    near, they run from the best bid net of freight to the cheapest ask delivered. Without a bid ``price_low`` is 0.
    Where no ask can be brought nothing bounds the price from above, and ``price_high`` is what a unit standing there would
    fetch when every other price and rent is at the high end: the best of the bids there less rent, of ``price_high`` at the
    end of a lane less freight, and 0. A further bid at such a place never lowers any ``price_high``, and moves no price of a
    place to which an ask can be brought. Prices are NaN where
    no order of the product stands and neither bid nor ask can be reached. Rents are cents per watt; a site
    without headroom shows the largest surplus per watt that it keeps out. Arrays cannot be written.
    """

    _proof: Callable[["Clearing"], Certificate] = field(repr=False)

    def __post_init__(self) -> None:
        # The certificate is kept, so nothing it proves may change after it.
        flow = self.flow
        for array in (
            self.filled, self.price, self.price_low, self.price_high, self.power_rent, self.cooling_rent,
            flow.lane, flow.generation, flow.quantity,
        ):  # fmt: skip
            array.flags.writeable = False

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @cached_property
    def certificate(self) -> Certificate:
        """Proof of these very fields on the original book; `AssertionError` names the field that fails."""
        return self._proof(self)


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
    kept = network._kept()
    highest, active = _take_in(book, network, kept)
    if b"\1" not in active:
        return _empty(book, network, theta, whole)
    scale = _common_scale(network, kept, active, highest)
    if scale is not None:
        problem = _posed(book, kept, scale)
        # Whole units are cut from the optimum of the primal method, whatever the book.
        if not whole and problem.glut() and problem.solve_nationally():
            return _report(book, network, kept, problem, scale, theta, whole)
        if problem.solve():
            return _report(book, network, kept, problem, scale, theta, whole)
    return _clear_in_fixed_point(book, network, theta, whole)


def _clear_in_fixed_point(book: Book, network: Network, theta: float, whole: bool) -> Clearing:
    """Clear a book that fits no common scale, or whose potentials on it leave the range."""
    book = Book(*typed_orders(book, network))
    near, reach = within_reach(book, network)
    kept = reach._kept()
    highest, active = _take_in(near, reach, kept)
    for limit in COST_LIMITS:
        scale = _fixed_scale(reach, kept, active, highest, limit)
        problem = _posed(near, kept, scale)
        if problem.solve():
            break
    else:
        raise ValueError(
            "lanes: paths are too long for the prices of this book; use fewer nodes or lower prices"
        )
    if near is book and reach is network and rounding_is_harmless(book, network, problem, scale):
        return _report(book, network, kept, problem, scale, theta, whole)
    found = finish(book, network, kept.given, problem, scale, theta, whole)
    flow = Flow(found.lane, found.product, found.quantity)
    totals = found.surplus, found.surplus_bound, problem.pivots
    proof = partial(_proven, book, network, partial(_known, found.evidence), theta, whole)
    return _cleared(book, network, found.filled, found.table, flow, totals, proof)


def _posed(book: Book, kept: KeptMemory, scale: FlowScale) -> Solution:
    """The book in hand as a circulation; refuses goods beyond the range."""
    problem = Solution(kept.workspace, scale.scaling)
    if problem.overflow >= 0:
        raise ValueError(
            f"quantity[{problem.overflow}] = {book.quantity[problem.overflow]}; goods offered so far times watts are"
            f" beyond the range of {10**18 // int(scale.flow.max())} GPUs"
        )
    return problem


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


def _dearest(network: Network, kept: KeptMemory, active: bytes) -> int:
    """Dearest freight of the active products, cents."""
    if active not in kept.dearest:
        kept.dearest[active] = int(network.freight[_products(active)].max(initial=0))
    return kept.dearest[active]


def _common_scale(network: Network, kept: KeptMemory, active: bytes, highest: int) -> FlowScale | None:
    """The scale of the active products on which all costs are whole; None if the costs of this book pass its range."""
    if active not in kept.common:
        kept.common[active] = FlowScale.common(network.unit, network.unit_watts, _products(active))
    scale, dearest = kept.common[active], _dearest(network, kept, active)
    if scale is None or max(highest, dearest) * scale.steepest >= LARGEST_COST:
        return None
    return scale if (highest + network.n_nodes * dearest) * scale.steepest < LARGEST_PATH else None


def _fixed_scale(network: Network, kept: KeptMemory, active: bytes, highest: int, limit: int) -> FlowScale:
    """The finest fixed-point scale for costs up to the next power of four, so that a calm week finds it ready."""
    bits = (max(highest, _dearest(network, kept, active)).bit_length() + 1) // 2 * 2
    key = active, bits, limit
    if key not in kept.fixed:
        kept.fixed[key] = FlowScale.fixed_point(
            network.unit, network.unit_watts, _products(active), 1 << bits, limit
        )
    return kept.fixed[key]


def _products(active: bytes) -> NDArray[np.int32]:
    return np.flatnonzero(np.frombuffer(active, dtype=np.bool_)).astype(np.int32)


def _empty(book: Book, network: Network, theta: float, whole: bool) -> Clearing:
    """Nothing stands, so nothing is known."""
    products, nodes, n = len(network.unit), network.n_nodes, len(book.side)
    nothing = np.zeros(0, dtype=np.int64)
    free = Duals.of(np.zeros((products + 2) * nodes, dtype=np.int64), products, nodes)
    claim = Evidence(
        products=np.arange(products),
        flow_per_gpu=np.ones(products, dtype=np.int64),
        watt=1,
        scale=1,
        exact=True,
        member=np.full(n, -1, dtype=np.int32),
        class_flow=nothing,
        lane_flow=np.zeros((products, len(network.lanes)), dtype=np.int64),
        low=free,
        high=free,
    )
    table = np.full((3 * products + 2, nodes), np.nan)
    table[3 * products :] = 0.0
    filled: Floats | Ints = np.zeros(n, dtype=np.int64) if whole else np.zeros(n)
    flow = Flow(nothing, nothing.copy(), np.zeros(0))
    return _cleared(
        book,
        network,
        filled,
        table,
        flow,
        (0.0, 0.0, 0),
        partial(_proven, book, network, partial(_known, claim), theta, whole),
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
    """Prices, fills and flows of a solved book, as the kernel finds them."""
    n, products = len(book.side), len(network.unit)
    problem.lattice()
    bound = problem.surplus() / scale.scale
    claim = partial(_evidence, network, kept.given, scale, problem.evidence())
    surplus = bound
    if whole:
        problem.round(theta)
        surplus = problem.surplus() / scale.scale
    share, table = np.zeros(n), np.empty((3 * products + 2, network.n_nodes))
    problem.report(theta, share, table, float(scale.scale))
    units = np.empty(n if whole else 0, dtype=np.int64)
    if whole:
        problem.whole_fills(units)
    used = problem.moves
    flow = Flow(np.empty(used, dtype=np.int64), np.empty(used, dtype=np.int64), np.empty(used))
    problem.moved(flow.lane, flow.generation, flow.quantity)
    if whole and not scale.exact:
        # Rounding at prices of fixed point can leave trades that are worth little beside what prices were scaled to.
        surplus = float(value_of(book, network, units, flow.lane, flow.generation, flow.quantity))
    proof = partial(_proven, book, network, claim, theta, whole)
    return _cleared(
        book, network, units if whole else share, table, flow, (surplus, bound, problem.pivots), proof
    )


def _cleared(
    book: Book,
    network: Network,
    filled: Floats | Ints,
    table: Floats,
    flow: Flow,
    totals: tuple[float, float, int],
    proof: Callable[[Clearing], Certificate],
) -> Clearing:
    """A clearing from its table of prices and rents, and from surplus, bound of surplus and pivots."""
    products = len(network.unit)
    return Clearing(
        filled=filled,
        price=table[:products],
        price_low=table[products : 2 * products],
        price_high=table[2 * products : 3 * products],
        power_rent=table[3 * products],
        cooling_rent=table[3 * products + 1],
        surplus=totals[0],
        flow=flow,
        pivots=totals[2],
        surplus_bound=totals[1],
        _proof=proof,
    )


def _known(claim: Evidence) -> Evidence:
    return claim


def _proven(
    book: Book,
    network: Network,
    claim: Callable[[], Evidence],
    theta: float,
    whole: bool,
    result: Clearing,
) -> Certificate:
    return prove(book, network, claim(), result, theta, whole)


def _evidence(
    network: Network,
    given: NDArray[np.int32],
    scale: FlowScale,
    claim: tuple[bytes, bytes, bytes, bytes, bytes],
) -> Evidence:
    rows, nodes = len(scale.products), network.n_nodes
    low, high = (Duals.of(np.frombuffer(end, dtype=np.int64), rows, nodes) for end in claim[3:])
    return Evidence(
        products=scale.products.astype(np.int64),
        flow_per_gpu=scale.flow,
        watt=scale.watt,
        scale=scale.scale,
        exact=scale.exact,
        member=np.frombuffer(claim[0], dtype=np.int32),
        class_flow=np.frombuffer(claim[1], dtype=np.int64),
        lane_flow=np.frombuffer(claim[2], dtype=np.int64).reshape(rows, len(network.lanes))[:, given],
        low=low,
        high=high,
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
