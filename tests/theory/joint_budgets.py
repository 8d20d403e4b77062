"""One budget a party, whatever class and pool it is spent in: the fixed point around the kernel.

Cash binds across orders, which no network program can say. But a buyer who owns a budget pays the same share of value,
its pace, wherever it buys (theory.md D.3); so the budget is split among the party's intents, each part is posted as a
cash-covered demand curve, and the split follows what the parts obtain until it stays. In leased capacity the result is the
optimum of the Eisenberg-Gale program. docs/kernel.md, "Budgets".
"""

from dataclasses import dataclass, replace

import numpy as np

from agents.vocabulary import N_PRODUCTS, PRODUCT_UNIT, BuyIntents, Floats, Ints, SellOrders
from sim.kernel.book import Book
from sim.kernel.clearing import Clearing, clear
from sim.market.market import Orders, rent_per_gpu
from sim.market.venue import Venue

# Limits around a price already found: a price off by one step is found three times closer the next time.
NEAR = np.array([3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5])
NEAR = np.r_[1.0 + NEAR, 1.0, 1.0 - NEAR[::-1]]


@dataclass(frozen=True, slots=True)
class JointClearing:
    """The last book of the fixed point, its divisible clearing, rounds taken and the share of a budget that still moved."""

    orders: Orders
    clearing: Clearing
    rounds: int
    moved: float


def clear_joint(
    sell: SellOrders,
    buy: BuyIntents,
    venue: Venue,
    *,
    rounds: int = 60,
    tolerance: float = 1e-4,
) -> JointClearing:
    """Clear with budgets pooled by party: the sum of the cash of all its intents.

    Parameters
    ----------
    venue
        Its steps are those of a demand curve besides the ones around the price.
    rounds
        Clearings at most.
    tolerance
        Share of a budget that may still move between two rounds at the end.

    Returns
    -------
    JointClearing
    """
    split, around = buy, None
    for count in range(1, rounds + 1):
        orders = _orders(sell, split, venue, around)
        clearing = clear(orders.book, venue.network, theta=venue.theta)
        gross = (clearing.price + rent_per_gpu(clearing, venue.network))[
            split.product, split.pool + venue.first_node
        ]
        cash, moved = resplit(orders, clearing, gross)
        settled = around is not None and np.allclose(gross, around, rtol=tolerance, atol=0.0, equal_nan=True)
        if (moved <= tolerance and settled) or count == rounds:
            break
        split, around = replace(split, cash_cents=cash), gross
    return JointClearing(orders, clearing, count, moved)


def resplit(orders: Orders, clearing: Clearing, gross: Floats) -> tuple[Ints, float]:
    """Split every party's cash by the value its intents obtained; and the largest share of a budget that moved.

    Proportional response (Wu and Zhang 2007), which is mirror descent on the Eisenberg-Gale program. Alone it never comes
    back to an intent that obtained nothing; one whose all-in price is a smaller share of value than the party pays
    elsewhere is given an equal part to start from.

    Parameters
    ----------
    gross : (intents,) float64
        All-in price in the intent's pool, cents per GPU.
    """
    buy, n_sell = orders.buy, len(orders.sell.party)
    value = buy.value_cents * (1.0 - buy.margin)
    filled = np.bincount(orders.intent, clearing.filled[n_sell:], len(buy.party))
    _, party = np.unique(buy.party, return_inverse=True)
    budget = np.bincount(party, buy.cash_cents)[party]
    obtained = value * filled
    total = np.bincount(party, obtained)[party]
    paid = np.bincount(party, np.where(filled > 0, gross, 0.0) * filled)[party]
    pace = np.where(total > 0, paid / np.maximum(total, 1.0), 1.0)
    live = (value > 0) & (buy.wanted > 0) & np.isfinite(gross)
    back = live & (filled == 0) & (gross < (1.0 - 1e-3) * pace * value)
    share = np.where(total > 0, obtained / np.maximum(total, 1.0), 0.0)
    share = np.where(back, 1.0 / np.maximum(np.bincount(party, live)[party], 1.0), share)
    mass = np.bincount(party, share)[party]
    before = buy.cash_cents / np.maximum(budget, 1.0)
    share = np.where(mass > 0, share / np.maximum(mass, 1e-9), before)
    moved = float(np.abs(share - before).max(initial=0.0))
    return np.floor(share * budget).astype(np.int64), moved


def _orders(sell: SellOrders, buy: BuyIntents, venue: Venue, around: Floats | None) -> Orders:
    """Cash-covered demand curves of whole units, geometric and fine around a price."""
    floor = np.full(N_PRODUCTS, np.iinfo(np.int64).max)
    np.minimum.at(floor, sell.product, sell.reserve_cents)
    value = np.floor(buy.value_cents * (1.0 - buy.margin)).astype(np.int64)
    offered = np.bincount(sell.product, sell.quantity, N_PRODUCTS) > 0
    live = np.flatnonzero(offered[buy.product] & (buy.wanted > 0) & (value > 0) & (buy.cash_cents > 0))
    top, unit = value[live, None], PRODUCT_UNIT[buy.product[live], None]
    low = np.clip(floor[buy.product[live], None] // 2, 1, top)
    limit = top * (low / top) ** np.linspace(0.0, 1.0, venue.steps)
    if around is not None:
        price = np.nan_to_num(around[live, None], nan=1.0)
        limit = np.concatenate([limit, np.clip(np.rint(price) * NEAR, low, top)], axis=1)
    limit = np.sort(np.rint(limit).astype(np.int64), axis=1)[:, ::-1]
    reach = np.minimum(buy.cash_cents[live, None] // limit // unit * unit, buy.wanted[live, None])
    quantity = np.diff(np.maximum.accumulate(reach, axis=1), axis=1, prepend=0)
    row, step = np.nonzero(quantity > 0)
    intent = live[row]
    book = Book(
        side=np.r_[np.zeros(len(sell.party), dtype=np.int8), np.ones(len(intent), dtype=np.int8)],
        node=np.r_[sell.pool, buy.pool[intent]].astype(np.int32) + np.int32(venue.first_node),
        generation=np.r_[sell.product, buy.product[intent]].astype(np.int32),
        quantity=np.r_[sell.quantity, quantity[row, step]],
        price=np.r_[sell.reserve_cents, limit[row, step]],
        power=venue.power,
        cooling=venue.cooling,
    )
    return Orders(sell, buy, intent, book)
