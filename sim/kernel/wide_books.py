"""Books whose prices and watts no common scale of 64-bit integers holds: clipped, solved in fixed point, finished exactly.

What can never trade is clipped first, so that one absurd reserve does not coarsen every other price. If a rounding bound then
proves the fixed-point optimum as good as promised, it stands; otherwise `ExactOptimum` finishes it.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sim.kernel._shadow_prices import Solution
from sim.kernel.book import Book, Floats, Ints, Network
from sim.kernel.certificate import Duals, Evidence
from sim.kernel.exact_optimum import ExactOptimum
from sim.kernel.flow_scale import FlowScale

# What a fixed-point optimum may be off by: share of the value traded (or of a dollar), and cents per GPU in a price.
GAP = 1e-9
PRICE_ERROR_CENTS = 1e-4
# Scaled units by which a price and a freight are rounded at most, doubles included.
PRICE_ROUNDING, FREIGHT_ROUNDING = 2.0, 6.0


def within_reach(book: Book, network: Network) -> tuple[Book, Network]:
    """The book and network with reserves, freights and barred bids clipped just above the best bid of their product.

    No trade pays more than that bid, so none of them takes part; the optimal flow is the same. Where nothing is clipped the
    book and the network are those given.
    """
    buys = (book.side == 1) & (book.quantity > 0)
    room = (book.power > 0) & (~network.liquid[:, None] | (book.cooling > 0))
    able = buys & room[book.generation, book.node]
    ceiling = np.zeros(len(network.unit), dtype=np.int64)
    np.maximum.at(ceiling, book.generation[able], book.price[able])
    ceiling += 1
    price = np.where(able, book.price, np.minimum(book.price, ceiling[book.generation]))
    freight = np.minimum(network.freight, ceiling[:, None])
    if not np.array_equal(price, book.price):
        book = replace(book, price=price)
    if not np.array_equal(freight, network.freight):
        network = replace(network, freight=freight)
    return book, network


def rounding_is_harmless(book: Book, network: Network, problem: Solution, scale: FlowScale) -> bool:
    """Whether a bound proves a fixed-point optimum to be within `GAP` and its prices within `PRICE_ERROR_CENTS`."""
    row = scale.row[book.generation]
    watts = np.where(row >= 0, scale.flow[row], 0).astype(float)
    carried = np.frombuffer(problem.evidence()[2], dtype=np.int64).sum(dtype=float)
    lost = PRICE_ROUNDING * float(watts @ book.quantity) + FREIGHT_ROUNDING * float(carried)
    path = FREIGHT_ROUNDING * (network.n_nodes + 2) * float(scale.flow.max())
    surplus = problem.surplus() / scale.scale
    return lost <= GAP * scale.scale * max(surplus, 100.0) and path <= PRICE_ERROR_CENTS * scale.scale


@dataclass(frozen=True, slots=True)
class Finished:
    """The fields of a clearing, found in integers of any size."""

    filled: Floats | Ints
    table: Floats  # rows: price, lowest and highest of every product, power rent, cooling rent
    lane: Ints
    product: Ints
    quantity: Floats
    surplus: float
    surplus_bound: float
    evidence: Evidence


def finish(
    book: Book,
    network: Network,
    given: NDArray[np.int32],
    problem: Solution,
    scale: FlowScale,
    theta: float,
    whole: bool,
) -> Finished:
    """Take the solver's flow to the exact optimum and read prices there.

    Parameters
    ----------
    given
        Lane of the network -> number in the kernel.
    """
    members, class_flows, lane_flows = problem.evidence()[:3]
    member = np.frombuffer(members, dtype=np.int32)
    flow, first = _by_order(member, np.frombuffer(class_flows, dtype=np.int64))
    lanes = np.frombuffer(lane_flows, dtype=np.int64).reshape(len(scale.products), len(given))[:, given]
    optimum = ExactOptimum(book, network, scale, flow, lanes)
    bound = optimum.surplus() / optimum.scale
    if whole:
        fills = np.array([optimum.classes[optimum.member[i]].fill for i in first], dtype=np.int64)
        problem.judge(fills, _gains(optimum, first, book, theta), _carries(optimum, given, theta))
        problem.round(theta)
        units = np.empty(len(book.side), dtype=np.int64)
        problem.whole_fills(units)
        used = problem.moves
        lane, product, quantity = np.empty(used, np.int64), np.empty(used, np.int64), np.empty(used)
        problem.moved(lane, product, quantity)
        surplus = float(value_of(book, network, units, lane, product, quantity))
    else:
        carried = [(k, lane, amount) for (k, lane), amount in sorted(optimum.lane_flow.items()) if amount]
        share = [it.fill / it.capacity for it in optimum.classes]
        filled = book.quantity * np.where(optimum.member < 0, 0.0, np.array([*share, 0.0])[optimum.member])
        lane = np.array([lane for _, lane, _ in carried], dtype=np.int64)
        product = np.array([scale.products[k] for k, _, _ in carried], dtype=np.int64)
        quantity = np.array([amount / optimum.flow_per_gpu[k] for k, _, amount in carried])
        surplus = bound
    return Finished(
        units if whole else filled, _table(optimum, network, scale, theta), lane, product, quantity, surplus, bound,
        _evidence(optimum, scale, network),
    )  # fmt: skip


def value_of(
    book: Book, network: Network, filled: Ints, lane: Ints, product: Ints, quantity: Floats
) -> Fraction:
    """Surplus of fills and flows at the prices of the book, cents."""
    traded = np.flatnonzero(filled)
    sign = np.where(book.side[traded] == 1, 1, -1)
    each = zip(sign.tolist(), filled[traded].tolist(), book.price[traded].tolist(), strict=True)
    worth = sum((Fraction(side * units * price) for side, units, price in each), Fraction(0))
    cents = network.freight[product, lane].tolist()
    return worth - sum((c * Fraction(q) for c, q in zip(cents, quantity.tolist(), strict=True)), Fraction(0))


def _by_order(member: NDArray[np.int32], class_flow: Ints) -> tuple[Ints, Ints]:
    """The fill of every class at its first order; and that order."""
    mine = np.flatnonzero(member >= 0)
    first = np.zeros(len(class_flow), dtype=np.int64)
    first[member[mine][::-1]] = mine[::-1]
    flow = np.zeros(len(member), dtype=np.int64)
    flow[first] = class_flow
    return flow, first


def _gains(optimum: ExactOptimum, first: Ints, book: Book, theta: float) -> NDArray[np.uint8]:
    """Classes of the solver whose orders lose nothing at the prices of theta."""
    share = Fraction(theta)
    gains = np.zeros(len(first), dtype=np.uint8)
    row = {int(p): k for k, p in enumerate(optimum.products)}
    for c, i in enumerate(first):
        good = row[int(book.generation[i])] * optimum.nodes + int(book.node[i])
        price = optimum.classes[optimum.member[i]].price
        ends = [
            price - end[good] + end[optimum.socket(good)] if book.side[i] else end[good] - price
            for end in (optimum.low, optimum.high)
        ]
        gains[c] = ends[0] + share * (ends[1] - ends[0]) >= 0
    return gains


def _carries(optimum: ExactOptimum, given: NDArray[np.int32], theta: float) -> NDArray[np.uint8]:
    """Lanes of the solver along which the price difference of theta is freight."""
    carries = np.zeros(optimum.rows * len(given), dtype=np.uint8)
    for k, lane, origin, target, cost in optimum.lanes:
        slack = [cost + end[origin] - end[target] for end in (optimum.low, optimum.high)]
        tight = (slack[0] == 0 or theta == 1.0) and (slack[1] == 0 or theta == 0.0)
        carries[k * len(given) + given[lane]] = tight
    return carries


def _table(optimum: ExactOptimum, network: Network, scale: FlowScale, theta: float) -> Floats:
    products, nodes, goods = len(network.unit), network.n_nodes, optimum.goods
    table = np.full((3 * products + 2, nodes), np.nan)
    known = optimum.known()
    for k, product in enumerate(scale.products):
        flow = optimum.flow_per_gpu[k]
        for node in range(nodes):
            good = k * nodes + node
            if known[good]:
                low = optimum.low[good] * flow / optimum.scale
                high = optimum.high[good] * flow / optimum.scale
                table[product, node] = low + theta * (high - low)
                table[products + product, node], table[2 * products + product, node] = low, high
    share = Fraction(theta)
    for node in range(nodes):
        power, both = (
            -(optimum.low[at] + share * (optimum.high[at] - optimum.low[at])) * scale.watt / optimum.scale
            for at in (goods + node, goods + nodes + node)
        )
        table[3 * products, node] = float(power)
        table[3 * products + 1, node] = float(max(both - power, Fraction(0)))
    return table


def _evidence(optimum: ExactOptimum, scale: FlowScale, network: Network) -> Evidence:
    lanes = np.zeros((optimum.rows, len(network.lanes)), dtype=object)
    for (k, lane), amount in optimum.lane_flow.items():
        lanes[k, lane] = amount
    return Evidence(
        products=scale.products.astype(np.int64),
        flow_per_gpu=scale.flow,
        watt=scale.watt,
        scale=optimum.scale,
        exact=True,
        member=optimum.member,
        class_flow=np.array([it.fill for it in optimum.classes], dtype=object),
        lane_flow=lanes,
        low=Duals.of(np.array(optimum.low, dtype=object), optimum.rows, optimum.nodes),
        high=Duals.of(np.array(optimum.high, dtype=object), optimum.rows, optimum.nodes),
    )
