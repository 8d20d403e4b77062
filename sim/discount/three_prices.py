"""Three prices of a forced lot, and the gaps between them (economics.md section 2).

``best_use_value`` V* is the best admissible use; ``first_lot_price`` p0 is the clearing price in the seller's pool
when forced supply of the class is cut to one sellable unit; ``clearing_price`` p is the price. The structural gap
V* - p0 and the fire-sale discount p0 - p sum to V* - p. Every counterfactual rebuilds the orders from the
intents and clears again; nothing is deleted from a finished book.

V* takes rents at their conditional mean (economics.md section 5). Buyers may believe otherwise: no user pays more than the
best use as they believe it, ``believed_value``, and V* less that, the belief gap, is a line of its own. A first-lot price above
V* therefore means optimistic buyers, never a use that was overlooked.
"""

from dataclasses import replace

import numpy as np

from agents.operating import hold_values
from agents.view import View
from agents.vocabulary import (
    LIQUID_ONLY,
    N_CONDITIONS,
    N_GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_UNIT,
    Condition,
    Floats,
    Ints,
    PoolKind,
    SellOrders,
    product_of,
)
from sim.market.market import MarketResult, clear_intents, cut_forced_supply
from sim.market.week import ThreePrices


def best_use_values(view: View, belief: str = "consistent") -> Floats:
    """V* of a clean unit of every generation, USD, shape (G,).

    The highest conditional-mean value over all users at their own slots, free of hosting, moving, waiting and
    capacity rent; liquid-only generations need a slot that can be liquid-cooled. Export rules are not asked, for they forbid a
    journey and a reference has none. An upper bound that grows with
    the number of sites, so never the only denominator. Under another of `agents.valuation.BELIEFS`, the same bound as
    those who hold it see it.
    """
    usable = ~np.isin(view.pools.kind[view.known.pool], (PoolKind.WAREHOUSE, PoolKind.DISPLACED))
    party, pool = view.known.party[usable], view.known.pool[usable]
    with_liquid = view.pools.liquid_capacity_watts[pool] > 0
    expectation = replace(view, rents=replace(view.rents, belief=belief))
    best = np.zeros(N_GENERATIONS)
    for needs_liquid in (False, True):
        candidates = with_liquid if needs_liquid else np.ones(len(pool), dtype=np.bool_)
        users, slots = _undominated(view, *_cheapest_slot(view, party[candidates], pool[candidates]))
        if len(users) == 0:
            continue
        generation = np.flatnonzero(LIQUID_ONLY == needs_liquid)
        product = np.array([product_of(int(g), Condition.CLEAN) for g in generation])
        value = hold_values(
            expectation,
            users[:, None],
            slots[:, None],
            product[None, :],
            view.products.age_years[product][None, :],
            hosting=False,
        )
        best[generation] = value.max(axis=0)
    return np.maximum(best, view.hardware.salvage_usd)


def _cheapest_slot(view: View, party: Ints, pool: Ints) -> tuple[Ints, Ints]:
    """One pair per party: the pool with the least power cost per IT kWh (value falls in that cost alone)."""
    cost = view.pools.power_usd_per_kwh[pool] * view.pools.pue[pool]
    order = np.lexsort((pool, cost, party))
    party, pool = party[order], pool[order]
    first = np.r_[True, party[1:] != party[:-1]] if len(party) else np.zeros(0, dtype=np.bool_)
    return party[first], pool[first]


def _undominated(view: View, party: Ints, pool: Ints) -> tuple[Ints, Ints]:
    """Drop pairs beaten on utilisation, discount rate and power cost at once: they cannot be the best use.

    The first left in the order of all three is beaten by nobody; what it beats goes, and so on: as many passes as are kept.
    """
    cost = view.pools.power_usd_per_kwh[pool] * view.pools.pue[pool]
    use, rate = view.parties.utilisation[party], view.parties.discount_rate[party]
    left, kept = np.lexsort((cost, rate, -use)), []
    while len(left):
        one = left[0]
        kept.append(one)
        left = left[(rate[left] < rate[one]) | (cost[left] < cost[one])]
    return party[kept], pool[kept]


def received(price: Floats, sell: SellOrders, rows: Ints, first_node: int) -> float:
    """Mean of what the offers in `rows` fetch at a table of prices, at least their reserves, by quantity; cents per GPU."""
    here = price[sell.product[rows], sell.pool[rows] + first_node]
    return float(np.average(np.fmax(here, sell.reserve_cents[rows]), weights=sell.quantity[rows]))


def best_uses(
    view: View, best_use_value: Floats, needed: Ints, belief: str = "consistent"
) -> tuple[Floats, Floats]:
    """Best admissible use by product: of a clean unit of the same age, and of the unit as it is; USD, (N_PRODUCTS,).

    Parameters
    ----------
    best_use_value : (G,)
        `best_use_values` under the same belief, for clean units.
    needed
        Products asked for; others may be given the value of a clean unit of another age.
    """
    clean = np.repeat(best_use_value, N_CONDITIONS)
    ages = view.products.age_years.reshape(-1, N_CONDITIONS)
    for condition in (Condition.NEW, Condition.AS_IS):
        asked = needed[PRODUCT_CONDITION[needed] == condition] // N_CONDITIONS
        if np.any(ages[asked, condition] != ages[asked, Condition.CLEAN]):
            other = replace(
                view,
                products=replace(view.products, age_years=np.repeat(ages[:, condition], N_CONDITIONS)),
            )
            clean[condition::N_CONDITIONS] = best_use_values(other, belief)
    salvage = np.repeat(view.hardware.salvage_usd, N_CONDITIONS)
    return clean, np.maximum(clean * view.products.condition_factor[PRODUCT_CONDITION], salvage)


def three_prices(
    result: MarketResult, view: View, best_use_value: Floats, normal_volume: Floats
) -> tuple[ThreePrices, ...]:
    """The three prices of every forced class on offer this week.

    Parameters
    ----------
    best_use_value : (G,) USD
        `best_use_values` of the view.
    normal_volume : (N_PRODUCTS,)
        GPUs traded in a usual week.

    Notes
    -----
    A class offered in several pools is quoted at the quantity-weighted mean of its sellers' pools, the same
    weights in every re-clearing, so that differences are differences of prices and not of weights. No seller takes less than
    its reserve: where no bid reaches it the lot stays, and p and p0 count it at its reserve, as the anatomy's no-bid rows do.
    ``price_low`` and ``price_high`` are the kernel's own, 0 being no bid at all.
    """
    sell = result.orders.sell
    forced = np.unique(sell.product[sell.forced & (sell.quantity > 0)])
    if len(forced) == 0:
        return ()
    _, best = best_uses(view, best_use_value, forced)
    _, believed = best_uses(view, best_use_values(view, view.rents.belief), forced, view.rents.belief)
    return tuple(
        _quoted(result, int(product), float(best[product]), float(believed[product]), normal_volume)
        for product in forced
    )


def _quoted(
    result: MarketResult, product: int, best: float, believed: float, normal_volume: Floats
) -> ThreePrices:
    """Prices of one forced class; ``best`` and ``believed`` are its best use under the mean of rents and as buyers believe."""
    sell, clearing, first_node = result.orders.sell, result.clearing, result.venue.first_node
    rows = np.flatnonzero(sell.forced & (sell.product == product) & (sell.quantity > 0))
    unit, offered = int(PRODUCT_UNIT[product]), sell.quantity[rows]
    normal = max(unit, int(normal_volume[product] // unit) * unit)
    # The ends of the interval are the kernel's: no reserve lifts them.
    low, high = (
        float(np.dot(table[product, sell.pool[rows] + first_node], offered / offered.sum())) / 100.0
        for table in (clearing.price_low, clearing.price_high)
    )
    first_lot, usual, price = (
        received(table, sell, rows, first_node) / 100.0
        for table in (_price_of(result, product, unit), _price_of(result, product, normal), clearing.price)
    )
    return ThreePrices(
        product=product,
        offered=int(offered.sum()),
        sold=int(result.trades.quantity[np.isin(result.trades.sell, rows)].sum()),
        normal_volume=normal,
        best_use_value_usd=best,
        believed_value_usd=believed,
        first_lot_price_usd=first_lot,
        normal_volume_price_usd=usual,
        price_usd=price,
        price_low_usd=low,
        price_high_usd=high,
    )


def _price_of(result: MarketResult, product: int, quantity: int) -> Floats:
    """Prices had only `quantity` GPUs of a forced class come, cents per GPU, (products, nodes)."""
    fewer = cut_forced_supply(result.orders.sell, product, quantity)
    _, clearing = clear_intents(fewer, result.orders.buy, result.venue, whole=False)
    return np.asarray(clearing.price)
