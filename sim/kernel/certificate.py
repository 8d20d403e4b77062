"""Proof that a clearing is optimal, from the original book and exact Python integers only.

Weak duality: any prices that respect freight, with any rents >= 0, bound the surplus from above. A feasible set of fills
and flows is worth what it is worth. When both meet, both are optimal. Nothing of the solver's state is used.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernel.book import Book, Network

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Primal and dual value in cents times ``scale``, exact integers; equal when the optimum is proved.

    ``exact`` says that a common integer scale fitted; otherwise costs were rounded in fixed point and `gap` is the
    certified relative distance to the optimum, at the original prices.
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
class Evidence:
    """What a clearing claims: class fills, flows and lowest prices in scaled integers."""

    products: Ints  # (K,) products of the rows below
    flow_per_gpu: Ints  # (K,) flow units
    watt: int  # flow units per watt
    scale: int  # scaled cents per cent
    exact: bool
    member: NDArray[np.int32]  # (n,) class of each order, -1 for none
    class_flow: Ints  # flow units
    lane_flow: Ints  # (K, L)
    price: Ints  # (K, S) scaled cents per flow unit
    power_rent: Ints  # (S,)
    power_and_cooling_rent: Ints  # (S,)


def _fail(message: str) -> None:
    raise AssertionError(f"certificate: {message}")


def prove(book: Book, network: Network, claim: Evidence) -> Certificate:
    """Check feasibility of both sides and return their values; raises `AssertionError` naming what fails."""
    big: Any = object
    row = np.full(len(network.unit), 0)
    row[claim.products] = np.arange(len(claim.products))
    sell = np.asarray(book.side == 0)
    k = row[book.generation]
    per_gpu = claim.flow_per_gpu.astype(big)
    common = claim.scale if claim.exact else claim.scale * int(np.lcm.reduce(claim.flow_per_gpu.astype(big)))

    primal = _primal(book, network, claim, sell, k, common)

    price = claim.price.astype(big)
    if (claim.price < 0).any() or (claim.power_rent < 0).any():
        _fail("a price or power rent is negative")
    cooling = claim.power_and_cooling_rent - claim.power_rent
    if (cooling < 0).any():
        _fail("a cooling rent is negative")
    at, lane = np.nonzero(network.freight[claim.products] >= 0)
    ends = network.lanes[lane]
    rise = (price[at, ends[:, 1]] - price[at, ends[:, 0]]) * per_gpu[at]
    if np.any(rise > network.freight[claim.products[at], lane].astype(big) * claim.scale):
        _fail("a price difference exceeds freight")
    rent = claim.power_rent.astype(big)[book.node]
    liquid = np.asarray(network.liquid, dtype=bool)[book.generation]
    rent = np.where(liquid, claim.power_and_cooling_rent.astype(big)[book.node], rent)
    here = price[k, book.node]
    stated = book.price.astype(big) * claim.scale
    profit = np.where(sell, here * per_gpu[k] - stated, stated - (here + rent) * per_gpu[k])
    dual = int(np.sum(book.quantity.astype(big) * np.maximum(profit, 0), initial=0))
    dual += claim.watt * int(np.sum(book.power.astype(big) * claim.power_rent.astype(big), initial=0))
    dual += claim.watt * int(np.sum(book.cooling.astype(big) * cooling.astype(big), initial=0))
    return Certificate(primal, dual * (common // claim.scale), common, claim.exact)


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
