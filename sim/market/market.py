"""One week of the secondary market: intents become a book, the kernel clears it, the ledger settles it.

A buy intent carries value, margin, wanted quantity and cash; the limit orders are derived here, so that a
counterfactual can change the intent and rebuild the book (economics.md section 2). One book holds every class.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from agents.bidding import cash_ladder, refine_ladder
from agents.vocabulary import (
    N_PRODUCTS,
    PRODUCT_UNIT,
    Bools,
    BuyIntents,
    Floats,
    Ints,
    SellOrders,
)
from sim.kernel.book import Book, Network
from sim.kernel.clearing import Clearing, clear, matched
from sim.market.venue import Venue


@dataclass(frozen=True, slots=True)
class Orders:
    """A book together with the intents it was derived from.

    ``intent`` maps each buy order to its row in `buy`; sell orders keep the order of `sell`. The book lists
    the sell orders first.
    """

    sell: SellOrders
    buy: BuyIntents
    intent: Ints
    book: Book


@dataclass(frozen=True, slots=True)
class Trades:
    """Executed seller-to-buyer arcs, one row each; money in cents per GPU."""

    sell: Ints  # row of the sell intents
    buy: Ints  # row of the buy intents
    quantity: Ints
    price_cents: Ints  # received by the seller
    freight_cents: Ints
    seller_node: Ints
    buyer_node: Ints
    product: Ints

    @property
    def n(self) -> int:
        """Number of arcs."""
        return len(self.sell)


@dataclass(frozen=True, slots=True)
class MarketResult:
    """What one clearing produced, and the venue it took place at."""

    venue: Venue
    orders: Orders
    clearing: Clearing
    trades: Trades

    def settled(self, sold: Ints) -> "MarketResult":
        """The same with so many GPUs of each trade, (trades,); trades of which nothing was sold are left out."""
        kept, trades = sold > 0, replace(self.trades, quantity=sold)
        columns = {column.name: getattr(trades, column.name)[kept] for column in fields(trades)}
        return replace(self, trades=Trades(**columns))

    def met(self) -> Bools:
        """Products with offers and bids. Without bids a price is half the reserve and tells nothing of value."""
        offered, wanted = np.zeros((2, N_PRODUCTS), dtype=np.bool_)
        offered[self.orders.sell.product[self.orders.sell.quantity > 0]] = True
        wanted[self.orders.buy.product[self.orders.intent]] = True
        return np.asarray(offered & wanted)

    def free_volume(self) -> Floats:
        """GPUs of each product sold by owners who need not sell, (N_PRODUCTS,)."""
        free = ~self.orders.sell.forced[self.trades.sell]
        sold = self.trades.quantity[free]
        return np.bincount(self.trades.product[free], weights=sold, minlength=N_PRODUCTS)


def select(table: SellOrders | BuyIntents, rows: Ints | Bools) -> SellOrders | BuyIntents:
    """Rows of a table of intents."""
    return type(table)(*(getattr(table, name)[rows] for name in table.__slots__))


def build_orders(
    sell: SellOrders,
    buy: BuyIntents,
    venue: Venue,
    *,
    around: Floats | None = None,
) -> Orders:
    """Derive limit orders from intents.

    Parameters
    ----------
    around
        Clearing prices (N_PRODUCTS, nodes) in cents to refine the demand curves at, or None.
    """
    offered, floor = asked(sell)
    rows = np.flatnonzero(offered[buy.product] & (buy.wanted > 0))
    limit, quantity, intent = demand_curves(buy, rows, floor, venue, around=around)
    return Orders(sell, buy, intent, book_of(sell, buy, limit, quantity, intent, venue))


def asked(sell: SellOrders) -> tuple[Bools, Ints]:
    """Which products are on offer, and the lowest reserve of each, cents per GPU."""
    offered = np.zeros(N_PRODUCTS, dtype=np.bool_)
    offered[sell.product[sell.quantity > 0]] = True
    floor = np.full(N_PRODUCTS, np.iinfo(np.int64).max)
    np.minimum.at(floor, sell.product, sell.reserve_cents)
    return offered, floor


def demand_curves(
    buy: BuyIntents, rows: Ints, floor: Ints, venue: Venue, *, around: Floats | None = None
) -> tuple[Ints, Ints, Ints]:
    """Limit orders of the bids in `rows`: limits in cents per GPU, quantities, and the row each belongs to."""
    value = np.floor(buy.value_cents[rows] * (1.0 - buy.margin[rows])).astype(np.int64)
    product = buy.product[rows]
    arguments = (
        value,
        buy.wanted[rows],
        buy.cash_cents[rows],
        PRODUCT_UNIT[product],
        floor[product],
        venue.steps,
    )
    if around is None:
        limit, quantity, row = cash_ladder(*arguments)
    else:
        price = around[product, buy.pool[rows] + venue.first_node]
        price = np.where(np.isfinite(price), price, 0.0)
        limit, quantity, row = refine_ladder(*arguments, np.ceil(price).astype(np.int64))
    return limit, quantity, rows[row]


def book_of(
    sell: SellOrders, buy: BuyIntents, limit: Ints, quantity: Ints, intent: Ints, venue: Venue
) -> Book:
    """Offers first, then the limit orders of the bids they belong to."""
    n_sell = len(sell.party)
    return Book(
        side=np.r_[np.zeros(n_sell, dtype=np.int8), np.ones(len(limit), dtype=np.int8)],
        node=np.r_[sell.pool, buy.pool[intent]].astype(np.int32) + np.int32(venue.first_node),
        generation=np.r_[sell.product, buy.product[intent]].astype(np.int32),
        quantity=np.r_[sell.quantity, quantity].astype(np.int64),
        price=np.r_[sell.reserve_cents, limit].astype(np.int64),
        power=venue.power,
        cooling=venue.cooling,
    )


class StandingDemand:
    """One set of bids, to be cleared against many offers: the demand curve of a class is derived once per lowest reserve.

    Curves are not refined around a price: within 2 % of it, at half the time.

    Parameters
    ----------
    buy
        The bids.
    venue
        Where they meet the offers.
    """

    def __init__(self, buy: BuyIntents, venue: Venue) -> None:
        self.buy, self.venue = buy, venue
        wanted = np.flatnonzero(buy.wanted > 0)
        self._rows = {int(p): wanted[buy.product[wanted] == p] for p in np.unique(buy.product[wanted])}
        self._curves: dict[tuple[int, int], tuple[Ints, Ints, Ints]] = {}

    def prices(self, sell: SellOrders, absent: Bools) -> Floats:
        """Divisible prices against these offers, cents per GPU, (products, nodes); those marked in `absent` do not buy."""
        offered, floor = asked(sell)
        parts = [self._curve(p, floor) for p in self._rows if offered[p]]
        nobody = (np.zeros(0, dtype=np.int64),) * 3
        limit, quantity, intent = (np.concatenate(column) for column in zip(nobody, *parts, strict=True))
        stays = ~absent[self.buy.party[intent]]
        book = book_of(sell, self.buy, limit[stays], quantity[stays], intent[stays], self.venue)
        return np.asarray(clear(book, self.venue.network, theta=self.venue.theta).price)

    def _curve(self, product: int, floor: Ints) -> tuple[Ints, Ints, Ints]:
        key = product, int(floor[product])
        if key not in self._curves:
            self._curves[key] = demand_curves(self.buy, self._rows[product], floor, self.venue)
        return self._curves[key]


def clear_intents(
    sell: SellOrders,
    buy: BuyIntents,
    venue: Venue,
    *,
    whole: bool,
) -> tuple[Orders, Clearing]:
    """Clear once on the coarse demand curves and, if asked, once more refined around the price found."""
    network, theta = venue.network, venue.theta
    orders = build_orders(sell, buy, venue)
    pinched = venue.refine and bool(
        np.any(buy.cash_cents < buy.wanted * np.floor(buy.value_cents * (1 - buy.margin)))
    )
    clearing = clear(orders.book, network, theta=theta, whole=whole and not pinched)
    if pinched:
        gross = clearing.price + rent_per_gpu(clearing, network)
        orders = build_orders(sell, buy, venue, around=gross)
        clearing = clear(orders.book, network, theta=theta, whole=whole)
    return orders, clearing


def rent_per_gpu(clearing: Clearing, network: Network) -> Floats:
    """Capacity rent a buyer at each node pays on top of the price, cents per GPU, shape (products, nodes)."""
    watts = (network.unit_watts / network.unit)[:, None]
    rent = clearing.power_rent[None, :] + np.where(
        network.liquid[:, None], clearing.cooling_rent[None, :], 0.0
    )
    return np.asarray(watts * rent)


def run_market(sell: SellOrders, buy: BuyIntents, venue: Venue) -> MarketResult:
    """Clear whole units and say who bought from whom."""
    orders, clearing = clear_intents(sell, buy, venue, whole=True)
    arcs = matched(clearing, orders.book, venue.network)
    n_sell = len(sell.party)
    seller_node = orders.book.node[arcs["sell"]].astype(np.int64)
    buyer_node = orders.book.node[arcs["buy"]].astype(np.int64)
    product = orders.book.generation[arcs["sell"]].astype(np.int64)
    # Rounded down once, at the seller: still at or above an integer reserve, and with integer freight
    # still at or below every integer limit, so the cents close exactly.
    price = np.floor(clearing.price[product, seller_node] + 1e-6).astype(np.int64)
    trades = Trades(
        sell=arcs["sell"].astype(np.int64),
        buy=orders.intent[arcs["buy"] - n_sell],
        quantity=arcs["quantity"].astype(np.int64),
        price_cents=price,
        freight_cents=arcs["freight"].astype(np.int64),
        seller_node=seller_node,
        buyer_node=buyer_node,
        product=product,
    )
    return MarketResult(venue, orders, clearing, trades)


def cut_forced_supply(sell: SellOrders, product: int, quantity: int) -> SellOrders:
    """The same offers with forced supply of one class cut to `quantity` GPUs, taken from the first sellers."""
    chosen = np.flatnonzero(sell.forced & (sell.product == product))
    before = np.cumsum(sell.quantity[chosen]) - sell.quantity[chosen]
    amount = sell.quantity.copy()
    amount[chosen] = np.clip(quantity - before, 0, sell.quantity[chosen])
    return replace(sell, quantity=amount)
