"""Proof that a clearing is what it says, from the original book, the fields handed out, and exact integers.

Weak duality: any prices that respect freight, with any rents >= 0, bound the surplus from above. A feasible set of fills
and flows is worth what it is worth. When both meet, both are optimal. The solver claims both in scaled integers; they are
checked on the book as it was given. The public fields are floats (or whole units): they are checked against the book and
against what was proved.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernel.book import Book, Floats, Ints, Network

# Bounds within which public fields are what was proved. A float is one rounded sum of a few rounded products.
RELATIVE = 1e-12
# Cents, or cents per watt, that cannot be told from nothing.
ABSOLUTE = 1e-9
# Share of the goods through a node, and of a headroom, that divisible fills in floats may be off by.
BALANCE = 1e-9
# Share of the value traded, or of a dollar, that is no gap.
GAP = 1e-9


@dataclass(frozen=True, slots=True)
class Certificate:
    """Primal and dual value in cents times ``scale``, exact integers; equal when the optimum is proved.

    ``exact`` says that a common integer scale was used; otherwise costs were rounded in fixed point and `gap` is the
    certified relative distance to the optimum, at the original prices. The dual value is that of the end of the price
    interval which proves less.
    """

    primal: int
    dual: int
    scale: int
    exact: bool = True

    @property
    def gap(self) -> float:
        """Gap relative to the value traded, or to a dollar if less is traded; 0 when the scale is exact."""
        if self.primal == self.dual:
            return 0.0
        return abs(self.dual - self.primal) / max(abs(self.primal), 100 * self.scale)


@dataclass(frozen=True, slots=True)
class Duals:
    """Prices and rents of one end of the lattice, scaled cents per flow unit."""

    price: Ints  # (K, S)
    power_rent: Ints  # (S,)
    power_and_cooling_rent: Ints  # (S,)

    @classmethod
    def of(cls, values: NDArray[Any], rows: int, nodes: int) -> "Duals":
        """From the potentials of goods, power sockets and cooling sockets, one after the other."""
        goods = rows * nodes
        return cls(
            values[:goods].reshape(rows, nodes), -values[goods : goods + nodes], -values[goods + nodes :]
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a clearing claims: class fills, flows and both ends of the prices in scaled integers."""

    products: Ints  # (K,) products of the rows below
    flow_per_gpu: Ints  # (K,) flow units
    watt: int  # flow units per watt
    scale: int  # scaled cents per cent
    exact: bool
    member: NDArray[np.int32]  # (n,) class of each order, -1 for none
    class_flow: Ints  # flow units
    lane_flow: Ints  # (K, L)
    low: Duals
    high: Duals


@dataclass(frozen=True, slots=True)
class Flow:
    """Goods moved: parallel arrays of lane, product and quantity (float GPUs, whole when asked)."""

    lane: Ints
    generation: Ints
    quantity: Floats


@dataclass(frozen=True)
class Fields:
    """What the caller of a clearing is given, and a certificate proves; `Clearing` says what each field means."""

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


def _fail(message: str) -> None:
    raise AssertionError(f"certificate: {message}")


def prove(
    book: Book, network: Network, claim: Evidence, result: Fields, theta: float, whole: bool
) -> Certificate:
    """Check feasibility of both sides and the public fields, and return the values; `AssertionError` names what fails."""
    big: Any = object
    row = np.full(len(network.unit), 0)
    row[claim.products] = np.arange(len(claim.products))
    sell = np.asarray(book.side == 0)
    k = row[book.generation]
    common = claim.scale if claim.exact else claim.scale * int(np.lcm.reduce(claim.flow_per_gpu.astype(big)))
    primal = _primal(book, network, claim, sell, k, common)
    ends = [
        _dual(book, network, claim, end, sell, k) * (common // claim.scale) for end in (claim.low, claim.high)
    ]
    dual = max(ends, key=lambda value: abs(value - primal))
    proved = Certificate(primal, dual, common, claim.exact)
    if proved.gap > (0.0 if claim.exact else GAP):
        _fail(f"the optimum is not proved: a gap of {proved.gap:.3g}")
    _check_prices(book, network, claim, result, theta)
    _check_fills(book, network, result, whole)
    _check_worth(book, network, result, primal / common, whole, RELATIVE if claim.exact else GAP)
    return proved


def _dual(book: Book, network: Network, claim: Evidence, end: Duals, sell: NDArray[np.bool_], k: Ints) -> int:
    """The bound on surplus that prices and rents give, scaled by the claim, after checking them on the original book."""
    big: Any = object
    per_gpu = claim.flow_per_gpu.astype(big)
    price = end.price.astype(big)
    if (end.price < 0).any() or (end.power_rent < 0).any():
        _fail("a price or power rent is negative")
    cooling = end.power_and_cooling_rent - end.power_rent
    if (cooling < 0).any():
        _fail("a cooling rent is negative")
    at, lane = np.nonzero(network.freight[claim.products] >= 0)
    ends = network.lanes[lane]
    rise = (price[at, ends[:, 1]] - price[at, ends[:, 0]]) * per_gpu[at]
    if np.any(rise > network.freight[claim.products[at], lane].astype(big) * claim.scale):
        _fail("a price difference exceeds freight")
    rent = end.power_rent.astype(big)[book.node]
    liquid = np.asarray(network.liquid, dtype=bool)[book.generation]
    rent = np.where(liquid, end.power_and_cooling_rent.astype(big)[book.node], rent)
    here = price[k, book.node]
    stated = book.price.astype(big) * claim.scale
    profit = np.where(sell, here * per_gpu[k] - stated, stated - (here + rent) * per_gpu[k])
    dual = int(np.sum(book.quantity.astype(big) * np.maximum(profit, 0), initial=0))
    dual += claim.watt * int(np.sum(book.power.astype(big) * end.power_rent.astype(big), initial=0))
    dual += claim.watt * int(np.sum(book.cooling.astype(big) * cooling.astype(big), initial=0))
    return dual


def _primal(
    book: Book, network: Network, claim: Evidence, sell: NDArray[np.bool_], k: Ints, common: int
) -> int:
    """Value of the claimed trades, after checking limits, balance and headroom on the original book."""
    big: Any = object
    n = len(claim.class_flow)
    mine = np.flatnonzero(claim.member >= 0)
    of = claim.member[mine]
    limit = np.zeros(n, dtype=big)
    np.add.at(limit, of, (book.quantity[mine].astype(big)) * claim.flow_per_gpu.astype(big)[k[mine]])
    first = np.zeros(n, dtype=np.int64)
    first[of] = mine
    for name in ("side", "node", "generation", "price"):
        array = getattr(book, name)
        if (array[mine] != array[first[of]]).any():
            _fail(f"orders of one class differ in {name}")
    flow = claim.class_flow.astype(big)
    if np.any(flow < 0) or np.any(flow > limit) or (claim.lane_flow < 0).any():
        _fail("a fill exceeds its order or a flow is negative")
    balance = np.zeros((len(claim.products), network.n_nodes), dtype=big)
    row = k[first]
    np.add.at(balance, (row, book.node[first]), np.where(sell[first], flow, -flow))
    at, lane = np.nonzero(claim.lane_flow)
    moved = claim.lane_flow[at, lane].astype(big)
    if (network.freight[claim.products[at], lane] < 0).any():
        _fail("goods move along a forbidden lane")
    np.subtract.at(balance, (at, network.lanes[lane, 0]), moved)
    np.add.at(balance, (at, network.lanes[lane, 1]), moved)
    if np.any(balance != 0):
        _fail("goods do not balance")
    drawn = np.where(sell[first], 0, flow)
    drawn_liquid = np.where(np.asarray(network.liquid, dtype=bool)[book.generation[first]], drawn, 0)
    for name, headroom, use in (("power", book.power, drawn), ("cooling", book.cooling, drawn_liquid)):
        used = np.zeros(network.n_nodes, dtype=big)
        np.add.at(used, book.node[first], use)
        if np.any(used > headroom.astype(big) * claim.watt):
            _fail(f"{name} headroom is exceeded")
    step = common // claim.flow_per_gpu.astype(big)
    worth = np.where(sell[first], -flow, flow) * book.price[first].astype(big) * step[row]
    freight = moved * network.freight[claim.products[at], lane].astype(big) * step[at]
    return int(np.sum(worth, initial=0)) - int(np.sum(freight, initial=0))


# -- the public fields ------------------------------------------------------------------------------------------------


def _check_prices(book: Book, network: Network, claim: Evidence, result: Fields, theta: float) -> None:
    """Prices and rents are those that were proved, each within the rounding of a float."""
    stands = book.quantity > 0
    for name, public, want in _stated_prices(network, claim, theta):
        given = getattr(result, name)
        if given.shape != want.shape:
            _fail(f"{name} has shape {given.shape}; {want.shape} needed")
        missing = np.isnan(given)
        if name.startswith("price"):
            if missing[book.generation[stands], book.node[stands]].any():
                _fail(f"{name} is missing where an order stands")
            if not np.array_equal(missing, np.isnan(result.price_low)) or (~missing & np.isnan(want)).any():
                _fail(
                    f"{name} is missing in other places than price_low, or stands where no order can say it"
                )
        elif missing.any():
            _fail(f"{name} is missing")
        off = ~missing & ~(np.abs(given - want) <= RELATIVE * public + ABSOLUTE)
        if off.any():
            at = tuple(int(i[0]) for i in np.nonzero(off))
            _fail(f"{name}[{at}] = {given[at]}; proved is {want[at]}")


def _stated_prices(
    network: Network, claim: Evidence, theta: float
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Name of every field of prices, the largest number that was added up for it, and what was proved."""
    big: Any = object
    shape = len(network.unit), network.n_nodes
    ends = []
    for end in (claim.low, claim.high):
        cents = np.full(shape, np.nan)
        exact = end.price.astype(big) * claim.flow_per_gpu.astype(big)[:, None] / claim.scale
        cents[claim.products] = exact.astype(float)
        ends.append(cents)
    low, high = ends
    largest = np.maximum(np.abs(low), np.abs(high))
    yield "price_low", largest, low
    yield "price_high", largest, high
    yield "price", largest, low + theta * (high - low)
    power, both = (
        tuple(
            (getattr(end, name).astype(big) * claim.watt / claim.scale).astype(float)
            for end in (claim.low, claim.high)
        )
        for name in ("power_rent", "power_and_cooling_rent")
    )
    largest = np.maximum(both[0], both[1])
    rent = power[0] + theta * (power[1] - power[0])
    yield "power_rent", largest, rent
    yield "cooling_rent", largest, np.maximum(both[0] + theta * (both[1] - both[0]) - rent, 0.0)


def _check_fills(book: Book, network: Network, result: Fields, whole: bool) -> None:
    """Fills lie within their orders, goods balance with the flow, headroom is kept; without a rest where units are whole."""
    filled, flow = np.asarray(result.filled), result.flow
    if filled.shape != book.side.shape or filled.dtype != (np.int64 if whole else np.float64):
        _fail("filled is no array of the book's length in its type")
    if not ((filled >= 0) & (filled <= book.quantity * (1.0 if whole else 1 + RELATIVE))).all():
        _fail("filled exceeds an order")
    quantity = np.asarray(flow.quantity)
    if not (quantity > 0).all() or (network.freight[flow.generation, flow.lane] < 0).any():
        _fail("flow is negative, or uses a forbidden lane")
    if whole and (
        np.mod(filled, network.unit[book.generation]).any() or (quantity != np.rint(quantity)).any()
    ):
        _fail("filled or flow is not in whole units")
    kind: Any = object if whole else np.float64
    amount = filled.astype(kind)
    moved = np.array([int(x) for x in quantity], dtype=object) if whole else quantity
    shape = len(network.unit), network.n_nodes
    balance, through = np.zeros(shape, dtype=kind), np.zeros(shape)
    np.add.at(balance, (book.generation, book.node), np.where(book.side == 0, amount, -amount))
    np.add.at(through, (book.generation, book.node), filled.astype(float))
    for end, sign in ((0, -1), (1, 1)):
        at = flow.generation, network.lanes[flow.lane, end]
        np.add.at(balance, at, sign * moved)
        np.add.at(through, at, quantity)
    if (np.abs(balance).astype(float) > (0.0 if whole else BALANCE * through + ABSOLUTE)).any():
        _fail("filled and flow do not balance")
    watts = np.where(book.side == 0, 0, amount) * network.unit_watts.astype(kind)[book.generation]
    watts = watts // network.unit[book.generation] if whole else watts / network.unit[book.generation]
    liquid = np.asarray(network.liquid, dtype=bool)[book.generation]
    for name, headroom, use in (
        ("power", book.power, watts),
        ("cooling", book.cooling, np.where(liquid, watts, 0)),
    ):
        used = np.zeros(network.n_nodes, dtype=kind)
        np.add.at(used, book.node, use)
        if (used > (headroom.astype(kind) if whole else headroom * (1 + BALANCE) + ABSOLUTE)).any():
            _fail(f"filled exceeds {name} headroom")


def _check_worth(
    book: Book, network: Network, result: Fields, proved: float, whole: bool, off: float
) -> None:
    """What fills and flow are worth is what is stated, and what was proved; in whole units nobody loses by them.

    The stated bound may be `off` by that share: it is a sum at prices of fixed point where no common scale was used.
    """
    filled, flow = np.asarray(result.filled), result.flow
    worth = np.where(book.side == 0, -1.0, 1.0) * book.price * filled
    freight = network.freight[flow.generation, flow.lane] * flow.quantity
    gross = float(np.abs(worth).sum() + freight.sum())
    near = BALANCE * gross + ABSOLUTE
    value = float(worth.sum() - freight.sum())
    if not abs(result.surplus - value) <= near:
        _fail(f"surplus = {result.surplus}; fills and flow are worth {value}")
    near_bound = near + off * abs(proved)
    if not abs(result.surplus_bound - proved) <= near_bound:
        _fail(f"surplus_bound = {result.surplus_bound}; proved is {proved}")
    if not whole:
        if not abs(value - proved) <= near:
            _fail(f"fills and flow are worth {value}; the optimum is {proved}")
        return
    if value > proved + near_bound:
        _fail("whole units are worth more than the optimum")
    here = result.price[book.generation, book.node]
    liquid = np.asarray(network.liquid, dtype=bool)[book.generation]
    rent = result.power_rent[book.node] + np.where(liquid, result.cooling_rent[book.node], 0.0)
    paid = here + (network.unit_watts / network.unit)[book.generation] * rent
    loss = np.where(book.side == 0, book.price - here, paid - book.price)
    if (loss[filled > 0] > BALANCE * np.maximum(paid, book.price)[filled > 0] + 1e-6).any():
        _fail("an order is filled at a loss")
