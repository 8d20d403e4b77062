"""Components of the price of every traded arc, each from its own source: intents, ladder, lanes, duals.

None is the remainder of the others, so that they sum to V* - p is a test of the kernel's optimality on every arc. It is
asserted in rationals on the kernel's own scale, then rounded to cents. `sim.discount.anatomy` says what each means.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from agents.miner import MinerParameters, mining_value_per_watt
from agents.operating import hold_values
from agents.view import View
from agents.vocabulary import (
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    BuyIntents,
    Ints,
    PoolKind,
    QuantityCap,
)
from sim.kernel.price_scale import Scale
from sim.market.market import MarketResult
from sim.market.week import MarketWeek

COMPONENTS = (
    "misallocation",
    "hosting",
    "delay",
    "margin",
    "cash",
    "search",
    "transport",
    "power",
    "cooling",
    "order_limit",
    "no_bid",
)
OWNED = (PoolKind.PRIVATE, PoolKind.DISPLACED)


class IdentityBroken(AssertionError):
    """The components of a price do not sum to it: an arc is not optimal or a component is computed wrongly."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What units are worth to their buyers, cents per GPU, one entry per row.

    ``free_slot`` is the worth in a slot that costs nothing, from the posted intent: value plus delay, displacement and hosting.
    ``belief_gap`` is what the conditional mean of rents would add to it.
    """

    free_slot_cents: Ints
    hosting_cents: Ints
    displacement_cents: Ints
    belief_gap_cents: Ints


def worth(view: View, result: MarketResult, rows: Ints, miners: MinerParameters) -> Worth:
    """Worth to the buyers of the intents in `rows`, and what their slots cost, from the view.

    Dealers do not run units: theirs is the expected resale price, and storage is part of their delay.
    """
    buy = result.orders.buy
    party, pool, product = buy.party[rows], buy.pool[rows], buy.product[rows]
    age = view.products.age_years[product]
    runs = view.pools.kind[pool] != PoolKind.WAREHOUSE
    free = hold_values(view, party, pool, product, age, hosting=False)
    hosted = hold_values(view, party, pool, product, age)
    hosting = np.rint(np.where(runs, free - hosted, 0.0) * 100).astype(np.int64)
    displaced = view.pools.kind[pool] == PoolKind.DISPLACED
    displacement = np.zeros(len(rows), dtype=np.int64)
    if displaced.any():
        given_up = mining_value_per_watt(view, pool, party, miners) + view.terms.retrofit_usd_per_watt
        usd = given_up * miners.conversion_hurdle * view.hardware.watts[PRODUCT_GENERATION[product]]
        displacement = np.where(displaced, np.rint(usd * 100), 0).astype(np.int64)
    gap = np.zeros(len(rows), dtype=np.int64)
    if view.rents.belief != "consistent" and len(rows):
        mean = hold_values(
            replace(view, rents=replace(view.rents, belief="consistent")),
            party,
            pool,
            product,
            age,
            hosting=False,
        )
        gap = np.rint(np.where(runs, mean - free, 0.0) * 100).astype(np.int64)
    return Worth(
        buy.value_cents[rows] + buy.delay_cents[rows] + displacement + hosting, hosting, displacement, gap
    )


@dataclass(frozen=True, slots=True)
class Paid:
    """What the two ends of an arc get and give, exact, cents per GPU."""

    received: Fraction
    delivered: Fraction
    power: Fraction
    cooling: Fraction

    @property
    def capacity(self) -> Fraction:
        """Rent of the slot: power and cooling."""
        return self.power + self.cooling

    @property
    def gross(self) -> Fraction:
        """All the buyer gives: the unit delivered and its slot."""
        return self.delivered + self.capacity


@dataclass(frozen=True, slots=True)
class Arcs:
    """The traded arcs of a week taken apart, one entry per arc.

    ``parts`` are cents in the order of `COMPONENTS`; ``marginal_buyer`` is the party that sets the price of the arc's lot;
    ``regime`` says whose slot it is.
    """

    parts: Ints
    marginal_buyer: Ints
    regime: np.ndarray[Any, np.dtype[np.str_]]
    worth: Worth


def arcs_of(week: MarketWeek, value: Ints) -> Arcs:
    """Take the traded arcs of a week apart.

    Parameters
    ----------
    value : (N_PRODUCTS,)
        V*: best admissible use of a unit as it is, cents.

    Raises
    ------
    IdentityBroken
        The components of an arc do not sum to V* - p on the kernel's scale.
    """
    view, result = week.view, week.result
    trades, buy = result.trades, result.orders.buy
    about = worth(view, result, trades.buy, week.world.parameters.miners)
    limit = np.floor(buy.value_cents * (1.0 - buy.margin)).astype(np.int64)
    scale, regime = _scale(result), _regimes(view.pools.kind[buy.pool[trades.buy]])
    parts = np.zeros((trades.n, len(COMPONENTS)), dtype=np.int64)
    surplus = []
    for i in range(trades.n):
        row, best = int(trades.buy[i]), int(value[trades.product[i]])
        paid = _paid(result, scale, i)
        searched = week.world.parameters.search.enabled
        bargained = _bargained(result, i, int(limit[row]) - paid.gross) if searched else Fraction(0)
        top = int(limit[row]) - bargained
        exact = dict.fromkeys(COMPONENTS, Fraction(0)) | {
            "misallocation": Fraction(best - int(about.free_slot_cents[i])),
            "hosting": Fraction(int(about.hosting_cents[i])),
            "delay": Fraction(int(buy.delay_cents[row])),
            "margin": Fraction(int(buy.value_cents[row] - limit[row])),
            "search": bargained,
            "transport": Fraction(int(trades.freight_cents[i])),
            "power": paid.power + int(about.displacement_cents[i]),
            "cooling": paid.cooling,
        }
        notional = paid.capacity if regime[i] == "owned" else Fraction(0)
        room = int(result.orders.book.power[trades.buyer_node[i]])
        exact[_cause(view, buy, row, top, paid.gross, notional, room)] += top - paid.gross
        _check(result, i, sum(exact.values(), Fraction(0)), best - paid.received)
        parts[i] = whole_cents(list(exact.values()), best - int(trades.price_cents[i]))
        surplus.append((paid.capacity, top - paid.gross))
    return Arcs(parts, _marginal_buyers(trades.sell, surplus, buy.party[trades.buy]), regime, about)


def _check(result: MarketResult, arc: int, found: Fraction, expected: Fraction) -> None:
    """The components of an arc sum to V* - p exactly."""
    trades = result.trades
    if found != expected:
        raise IdentityBroken(
            f"arc {arc}, product {int(trades.product[arc])}, node {int(trades.seller_node[arc])} to"
            f" {int(trades.buyer_node[arc])}: components sum to {float(found):.9f} cents, V* - p is {float(expected):.9f}"
        )


def _scale(result: MarketResult) -> Scale:
    """The scale the kernel cleared this book on."""
    book, network = result.orders.book, result.venue.network
    return Scale.of(
        network,
        np.unique(book.generation[book.quantity > 0]).astype(np.int64),
        float(max(book.price.max(initial=0), network.freight.max(initial=0))),
        result.venue.theta,
    )


def _paid(result: MarketResult, scale: Scale, arc: int) -> Paid:
    """Prices and rents of an arc from the duals; the lanes used must be tight."""
    trades, clearing = result.trades, result.clearing
    product, seller, node = (int(a[arc]) for a in (trades.product, trades.seller_node, trades.buyer_node))
    received = scale.price(product, float(clearing.price[product, seller]))
    delivered = scale.price(product, float(clearing.price[product, node]))
    freight = int(trades.freight_cents[arc])
    if not scale.exact:
        if abs(received + freight - delivered) > max(delivered, Fraction(1)) / 10**6:
            raise IdentityBroken(f"arc {arc}: lanes used are not tight")
        delivered = received + freight
    liquid = bool(PRODUCT_LIQUID[product])
    return Paid(
        received,
        delivered,
        scale.rent(product, float(clearing.power_rent[node])),
        scale.rent(product, float(clearing.cooling_rent[node])) if liquid else Fraction(0),
    )


def _bargained(result: MarketResult, arc: int, left: Fraction) -> Fraction:
    """What the buyer wins within the interval of clearing prices: at most what is `left` of its limit."""
    clearing, product, seller = result.clearing, result.trades.product[arc], result.trades.seller_node[arc]
    interval = clearing.price_high[product, seller] - clearing.price_low[product, seller]
    return min(Fraction((1.0 - result.venue.theta) * interval), max(left, Fraction(0)))


def _regimes(kinds: Ints) -> np.ndarray[Any, np.dtype[np.str_]]:
    """Whose slot a pool of a kind is: the buyer's own, leased, or none where units are stored."""
    return np.where(np.isin(kinds, OWNED), "owned", np.where(kinds == PoolKind.WAREHOUSE, "none", "leased"))


def _marginal_buyers(sell: Ints, surplus: list[tuple[Fraction, Fraction]], buyer: Ints) -> Ints:
    """Buyer of each arc's lot with the least slot rent and then the least surplus; the first of equals.

    The rent comes first, for a full slot sets its own rent and not the price of the lot.
    """
    least: dict[int, int] = {}
    for i, lot in enumerate(sell.tolist()):
        if lot not in least or surplus[i] < surplus[least[lot]]:
            least[lot] = i
    return np.array([buyer[least[lot]] for lot in sell.tolist()], dtype=np.int64)


def _cause(
    view: View, buy: BuyIntents, row: int, top: Fraction, gross: Fraction, notional: Fraction, room: int
) -> str:
    """Which component the buyer's surplus ``top - gross`` belongs to: what stops it from taking more.

    Cash, if at the gross price it could not pay for one unit more than it wants; else what set the quantity it wants.
    The rent of its own slot is `notional`: a buyer that could pay the rest for all its watts is stopped by them.
    """
    product = int(buy.product[row])
    unit, money, most = int(PRODUCT_UNIT[product]), int(buy.cash_cents[row]), int(buy.wanted[row])
    rack_watts = int(view.hardware.unit_watts[PRODUCT_GENERATION[product]])
    if money < top * most and money < gross * (most + unit):
        fits = min(most, room // rack_watts * unit)
        return "power" if notional and money >= (gross - notional) * (fits + unit) else "cash"
    reason = int(buy.cap[row])
    if reason == QuantityCap.WAREHOUSE:
        return "cash"  # a dealer wants what its capital covers
    if (
        PRODUCT_LIQUID[product]
        and int(view.pools.free_liquid_watts[buy.pool[row]]) // rack_watts * unit <= most
    ):
        return "cooling"
    return "power" if reason == QuantityCap.POWER else "order_limit"


def whole_cents(parts: list[Fraction], total: int) -> Ints:
    """Round components to cents by largest remainder so that they sum to `total`, their sum rounded up.

    Up, because a price is rounded down to whole cents. Negative parts rule out `sim.base.rounding.largest_remainder`.

    >>> whole_cents([Fraction(1, 3), Fraction(2, 3), Fraction(-1, 2)], 1).tolist()
    [0, 1, 0]
    """
    cents = [math.floor(part) for part in parts]
    order = sorted(range(len(parts)), key=lambda j: (cents[j] - parts[j], j))
    for j in order[: total - sum(cents)]:
        cents[j] += 1
    return np.array(cents, dtype=np.int64)
