"""Why a buyer did or did not bid in a week, and what came of its bids: counted from the week's own view, bids and prices."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agents.buyer import Buyer
from agents.operating import Slots, quote
from agents.party import Party
from agents.registration import type_name
from agents.view import View
from agents.vocabulary import (
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    BuyIntents,
    Floats,
    Ints,
    product_name,
)
from sim.market.market import rent_per_gpu, select
from sim.market.week import MarketWeek


@dataclass(frozen=True, slots=True)
class Explanation:
    """What stood between an agent and a purchase; a pair is a pool it knows with a class on offer.

    Printed, it is a table; lines that are zero are left out.
    """

    who: str
    week: int
    barred: str  # why it may not spend at all, or nothing
    pools: int  # it knows
    pools_without_room: int  # not a watt free
    classes: int  # on offer
    pairs: int  # of pools with room
    without_room: int  # pairs: less free than one sellable unit takes
    without_cooling: int  # pairs
    too_large: int  # pairs: a unit takes more watts than the agent's type sets out to fill in a week
    worthless: int  # pairs: it pays no more than parts at the agent's own utilisation and cost of capital
    unaffordable: int  # pairs: one sellable unit at the last price is more than its cash
    possible: int  # pairs that are left
    not_asked: int  # possible pairs its rule made no bid for
    bids: int  # it returned
    not_met: bool  # no seller met it this week
    not_offered: int  # bids for a class that nobody offered
    short: int  # bids with less cash than a unit
    outbid: int  # bids below the price, of a class that others bought
    below_asks: int  # bids below the price, of a class that nobody bought
    rationed: int  # bids at or above the price that went without: no watts were left there, or sellers
    filled: int  # bids
    nearest: str = ""  # the lost bid nearest to its price, in money
    gpus: dict[str, int] = field(default_factory=dict)  # bought, class -> GPUs

    def __str__(self) -> str:
        return "\n".join([f"{self.who}, week {self.week}: {self.verdict}", *self._lines()])

    __repr__ = __str__

    @property
    def verdict(self) -> str:
        """The reason in one clause."""
        if self.gpus:
            return "bought " + ", ".join(f"{count:,} {name}" for name, count in self.gpus.items())
        reasons = (
            (bool(self.barred), self.barred),
            (self.bids > 0 and self.not_met, "bid, and was not met by a seller"),
            (self.bids > 0 and self.outbid > 0, "bid, and was outbid"),
            (self.bids > 0 and self.below_asks > 0, "bid, below what sellers ask"),
            (self.bids > 0 and self.not_offered == self.bids, "bid for what nobody offered"),
            (self.bids > 0 and self.short > 0, "bid, with less cash than a unit costs"),
            (self.bids > 0, "bid, and got nothing"),
            (self.pools == 0, "no bid: it knows no pool"),
            (self.classes == 0, "no bid: nothing is on offer"),
            (self.pools == self.pools_without_room, "no bid: no pool it knows has room"),
            (self.possible == 0, "no bid: " + self._main_obstacle()),
            (True, f"no bid: its rule asks for none of the {self.possible:,} pairs it could have"),
        )
        return next(text for holds, text in reasons if holds)

    def _main_obstacle(self) -> str:
        obstacles = {
            "a unit takes more watts than are free": self.without_room,
            "there is no liquid cooling where it could go": self.without_cooling,
            "a unit takes more watts than its type fills in a week": self.too_large,
            "it is worth no more than its parts where it could go": self.worthless,
            "a unit costs more than its cash": self.unaffordable,
        }
        return max(obstacles, key=lambda name: obstacles[name])

    def _lines(self) -> Iterator[str]:
        rows = (
            ("pools it knows", self.pools, True),
            ("  without room", self.pools_without_room, False),
            ("classes on offer", self.classes, True),
            ("pairs of pool and class", self.pairs, True),
            ("  without room for a unit", self.without_room, False),
            ("  without liquid cooling", self.without_cooling, False),
            ("  more than it fills in a week", self.too_large, False),
            ("  worth no more than parts", self.worthless, False),
            ("  unaffordable", self.unaffordable, False),
            ("  possible", self.possible, True),
            ("    and its rule did not ask", self.not_asked, False),
            ("bids its rule returned", self.bids, True),
            ("  not met by a seller", self.bids if self.not_met else 0, False),
            ("  for a class nobody offered", self.not_offered, False),
            ("  with less cash than a unit", self.short, False),
            ("  below the price others paid", self.outbid, False),
            ("  below what sellers ask", self.below_asks, False),
            ("  at the price, and rationed", self.rationed, False),
            ("  filled", self.filled, False),
        )
        yield from (f"{name:<31}{count:>6,}" for name, count, always in rows if always or count)
        if self.nearest:
            yield f"nearest: {self.nearest}"


def explain(week: MarketWeek, agent: Party) -> Explanation:
    """Why an agent did or did not bid, and what came of its bids, in a week that was lived; no rule is asked again.

    Parameters
    ----------
    week
        The model's `market_week`.
    agent
        Any agent; one that never buys has no pools.
    """
    view, row = week.view, agent.row
    pools = view.known.pool[view.known.party == row]
    roomy = pools[view.pools.free_watts[pools] > 0]
    slots = Slots(np.full(len(roomy), row, dtype=np.int64), roomy)
    listed = view.market.listed
    bids = select(week.bids, week.bids.party == row)
    assert isinstance(bids, BuyIntents)
    return Explanation(
        who=agent.name,
        week=view.week,
        barred=_barred(view, agent, len(pools)),
        pools=len(pools),
        pools_without_room=len(pools) - len(roomy),
        classes=len(listed),
        pairs=len(roomy) * len(listed),
        **_obstacles(view, slots, agent, bids),
        bids=len(bids.party),
        not_met=not bool(week.present[row]),
        **_fates(week, row, bids),
    )


def _barred(view: View, agent: Party, pools: int) -> str:
    if pools == 0 and not isinstance(agent, Buyer):
        return f"no bid: an agent of type {type_name(type(agent))} knows no pool and does not bid"
    if view.credit.failed[agent.row]:
        return "no bid: it is in the hands of its lenders"
    if not view.credit.may_spend[agent.row]:
        return "no bid: its lenders hold back its cash"
    return ""


def _obstacles(view: View, slots: Slots, agent: Party, bids: BuyIntents) -> dict[str, Any]:
    """Pairs by the first thing in their way, and those without one that no bid was made for."""
    listed, pool = view.market.listed, slots.pool[:, None]
    generation = PRODUCT_GENERATION[listed]
    left = np.ones((len(slots.pool), len(listed)), dtype=np.bool_)
    price = view.market.price_usd[listed[None, :], pool] * PRODUCT_UNIT[listed]
    cash = view.parties.cash_cents[slots.party][:, None] / 100.0
    weekly_watts = getattr(agent.parameters, "weekly_watts", np.inf)
    tests = {
        "without_room": view.hardware.unit_watts[generation] > view.pools.free_watts[pool],
        "without_cooling": PRODUCT_LIQUID[listed] & (view.pools.free_liquid_watts[pool] <= 0),
        "too_large": np.broadcast_to(view.hardware.unit_watts[generation] > weekly_watts, left.shape),
        "worthless": quote(view, slots, listed).net_usd <= view.hardware.salvage_usd[generation],
        "unaffordable": price > cash,
    }
    counts = {}
    for name, fails in tests.items():
        counts[name] = int((left & fails).sum())
        left &= ~fails
    asked = np.zeros_like(left)
    for place, product in zip(bids.pool, bids.product, strict=True):
        asked |= (slots.pool == place)[:, None] & (listed == product)[None, :]
    return {**counts, "possible": int(left.sum()), "not_asked": int((left & ~asked).sum())}


def _fates(week: MarketWeek, row: int, bids: BuyIntents) -> dict[str, Any]:
    """What came of the bids that reached the market."""
    result = week.result
    orders, trades, first = result.orders, result.trades, result.venue.first_node
    mine = np.flatnonzero(orders.buy.party == row)
    offered = np.isin(orders.buy.product[mine], orders.sell.product[orders.sell.quantity > 0])
    posted = np.isin(mine, orders.intent)
    quantity = np.zeros(len(orders.buy.party), dtype=np.int64)
    np.add.at(quantity, trades.buy, trades.quantity)
    filled = quantity[mine] > 0
    product, node = orders.buy.product[mine], orders.buy.pool[mine] + first
    price = (result.clearing.price + rent_per_gpu(result.clearing, result.venue.network))[product, node]
    limit = orders.buy.value_cents[mine] * (1.0 - orders.buy.margin[mine])
    lost = posted & ~filled
    below = lost & (limit < price)
    sold = np.isin(product, orders.sell.product[trades.sell])
    bought = np.unique(product[filled])
    return {
        "not_offered": int((~offered).sum()),
        "short": int((offered & ~posted).sum()),
        "outbid": int((below & sold).sum()),
        "below_asks": int((below & ~sold).sum()),
        "rationed": int((lost & ~below).sum()),
        "filled": int(filled.sum()),
        "nearest": _nearest(product, limit, price, np.flatnonzero(below & np.isfinite(price))),
        "gpus": {product_name(int(one)): int(quantity[mine][product == one].sum()) for one in bought},
    }


def _nearest(product: Ints, limit: Floats, price: Floats, lost: Ints) -> str:
    """The lost bid that was least below its price."""
    if len(lost) == 0:
        return ""
    best = lost[np.argmin(1.0 - limit[lost] / price[lost])]
    name, bid, asked = product_name(int(product[best])), limit[best] / 100, price[best] / 100
    return f"{name}, bid up to {bid:,.0f} USD per GPU where the price is {asked:,.0f}"
