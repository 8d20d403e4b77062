"""Three prices of a forced lot, and the gaps between them (economics.md section 2).

``reference_value`` V* is the best admissible use; ``first_lot_price`` p0 is the clearing price in the seller's pool
when forced supply of the class is cut to one sellable unit; ``clearing_price`` p is the price. The structural gap
V* - p0 and the fire-sale discount p0 - p sum to V* - p. Every counterfactual rebuilds the orders from the
intents and clears again; nothing is deleted from a finished book.

V* takes rents at their conditional mean (economics.md section 5). Buyers may believe otherwise: no user pays more than the
best use as they believe it, ``believed_value``, and V* less that, the belief gap, is a line of its own. A first-lot price above
V* therefore means optimistic buyers, never a use that was overlooked.
"""

from dataclasses import dataclass, replace

import numpy as np

from agents.operating import hold_values
from agents.vocabulary import (
    LIQUID_ONLY,
    N_CONDITIONS,
    N_GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_UNIT,
    BuyIntents,
    Condition,
    Floats,
    Ints,
    PoolKind,
    SellOrders,
    View,
    product_of,
)
from sim.kernel.book import Network
from sim.market.market import MarketResult, clear_intents, cut_forced_supply


@dataclass(frozen=True, slots=True)
class ThreePrices:
    """Prices of one forced class in one week, USD per GPU.

    ``normal_volume_price`` is the price when forced supply is cut to the class's normal weekly volume; the top of a
    demand curve is thin, so the discount is shown against both.
    """

    product: int
    offered: int
    sold: int
    normal_volume: int
    reference_value: float
    believed_value: float
    first_lot_price: float
    normal_volume_price: float
    price: float
    price_low: float
    price_high: float

    @property
    def structural_gap(self) -> float:
        """V* - p0: what one lot loses in this state, the belief gap included, USD per GPU."""
        return self.reference_value - self.first_lot_price

    @property
    def belief_gap(self) -> float:
        """V* less the best use as buyers believe it, USD per GPU: negative where they expect a high rent to stay."""
        return self.reference_value - self.believed_value

    @property
    def fire_sale_discount(self) -> float:
        """p0 - p: what the rest of the lots lose by coming together, USD per GPU."""
        return self.first_lot_price - self.price

    @property
    def discount_share(self) -> float:
        """Headline d = 1 - p/p0; NaN if the first lot has no price."""
        return 1.0 - self.price / self.first_lot_price if self.first_lot_price > 0 else float("nan")


def reference_values(view: View, belief: str = "consistent") -> Floats:
    """V* of a clean unit of every generation, USD, shape (G,).

    The highest conditional-mean value over all users at their own slots, free of hosting, moving, waiting and
    capacity rent; liquid-only generations need a slot that can be liquid-cooled. Export rules are not asked, for they forbid a
    journey and a reference has none. An upper bound that grows with
    the number of sites, so never the only denominator. Under another of `agents.valuation.BELIEFS`, the same bound as
    those who hold it see it.
    """
    usable = ~np.isin(view.pool_kind[view.pair_pool], (PoolKind.WAREHOUSE, PoolKind.DISPLACED))
    party, pool = view.pair_party[usable], view.pair_pool[usable]
    wet = view.pool_liquid_capacity[pool] > 0
    expectation = replace(view, belief=belief)
    best = np.zeros(N_GENERATIONS)
    for needs_liquid in (False, True):
        candidates = wet if needs_liquid else np.ones(len(pool), dtype=np.bool_)
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
            view.product_age[product][None, :],
            hosting=False,
        )
        best[generation] = value.max(axis=0)
    return np.maximum(best, view.salvage)


def _cheapest_slot(view: View, party: Ints, pool: Ints) -> tuple[Ints, Ints]:
    """One pair per party: the pool with the least power cost per IT kWh (value falls in that cost alone)."""
    cost = view.pool_power[pool] * view.pool_pue[pool]
    order = np.lexsort((pool, cost, party))
    party, pool = party[order], pool[order]
    first = np.r_[True, party[1:] != party[:-1]] if len(party) else np.zeros(0, dtype=np.bool_)
    return party[first], pool[first]


def _undominated(view: View, party: Ints, pool: Ints) -> tuple[Ints, Ints]:
    """Drop pairs beaten on utilisation, discount rate and power cost at once: they cannot be the best use."""
    cost = view.pool_power[pool] * view.pool_pue[pool]
    use, rate = view.utilisation[party], view.discount_rate[party]
    weakly = (use[None] >= use[:, None]) & (rate[None] <= rate[:, None]) & (cost[None] <= cost[:, None])
    strictly = (use[None] > use[:, None]) | (rate[None] < rate[:, None]) | (cost[None] < cost[:, None])
    best = ~(weakly & strictly).any(axis=1)
    return party[best], pool[best]


def received(price: Floats, sell: SellOrders, rows: Ints, first_node: int) -> float:
    """Mean of what the offers in `rows` fetch at a table of prices, at least their reserves, by quantity; cents per GPU."""
    here = price[sell.product[rows], sell.pool[rows] + first_node]
    return float(np.average(np.fmax(here, sell.reserve[rows]), weights=sell.quantity[rows]))


def best_uses(
    view: View, reference: Floats, needed: Ints, belief: str = "consistent"
) -> tuple[Floats, Floats]:
    """Best admissible use by product: of a clean unit of the same age, and of the unit as it is; USD, (N_PRODUCTS,).

    Parameters
    ----------
    reference : (G,)
        `reference_values` under the same belief, for clean units.
    needed
        Products asked for; others may be given the value of a clean unit of another age.
    """
    clean = np.repeat(reference, N_CONDITIONS)
    ages = view.product_age.reshape(-1, N_CONDITIONS)
    for condition in (Condition.NEW, Condition.AS_IS):
        asked = needed[PRODUCT_CONDITION[needed] == condition] // N_CONDITIONS
        if np.any(ages[asked, condition] != ages[asked, Condition.CLEAN]):
            other = replace(view, product_age=np.repeat(ages[:, condition], N_CONDITIONS))
            clean[condition::N_CONDITIONS] = reference_values(other, belief)
    salvage = np.repeat(view.salvage, N_CONDITIONS)
    return clean, np.maximum(clean * view.condition_factor[PRODUCT_CONDITION], salvage)


def three_prices(
    result: MarketResult,
    sell: SellOrders,
    buy: BuyIntents,
    network: Network,
    first_node: int,
    power: Ints,
    cooling: Ints,
    best: Floats,
    believed: Floats,
    normal_volume: Floats,
    *,
    theta: float,
    steps: int,
    refine: bool,
) -> list[ThreePrices]:
    """The three prices of every forced class on offer this week.

    Parameters
    ----------
    best, believed : (N_PRODUCTS,) USD
        Best admissible use of a unit as it is, under the conditional mean of rents and as buyers believe.

    Notes
    -----
    A class offered in several pools is quoted at the quantity-weighted mean of its sellers' pools, the same
    weights in every re-clearing, so that differences are differences of prices and not of weights. No seller takes less than
    its reserve: where no bid reaches it the lot stays, and p and p0 count it at its reserve, as the anatomy's no-bid rows do.
    ``price_low`` and ``price_high`` are the kernel's own, 0 being no bid at all.
    """
    prices: list[ThreePrices] = []
    for product in np.unique(sell.product[sell.forced & (sell.quantity > 0)]):
        rows = np.flatnonzero(sell.forced & (sell.product == product) & (sell.quantity > 0))
        weight = sell.quantity[rows] / sell.quantity[rows].sum()
        nodes = sell.pool[rows] + first_node
        unit = int(PRODUCT_UNIT[product])

        def quoted(
            table: Floats, product: int = int(product), nodes: Ints = nodes, weight: Floats = weight
        ) -> float:
            return float(np.dot(table[product, nodes], weight)) / 100.0

        def price_of(quantity: int, product: int = int(product)) -> Floats:
            fewer = cut_forced_supply(sell, product, quantity)
            _, clearing = clear_intents(
                fewer,
                buy,
                network,
                first_node,
                power,
                cooling,
                theta=theta,
                steps=steps,
                refine=refine,
                whole=False,
            )
            return np.asarray(clearing.price)

        normal = max(unit, int(normal_volume[product] // unit) * unit)
        clearing = result.clearing
        sold = int(result.trades.quantity[np.isin(result.trades.sell, rows)].sum())
        prices.append(
            ThreePrices(
                product=int(product),
                offered=int(sell.quantity[rows].sum()),
                sold=sold,
                normal_volume=normal,
                reference_value=float(best[product]),
                believed_value=float(believed[product]),
                first_lot_price=received(price_of(unit), sell, rows, first_node) / 100.0,
                normal_volume_price=received(price_of(normal), sell, rows, first_node) / 100.0,
                price=received(clearing.price, sell, rows, first_node) / 100.0,
                price_low=quoted(clearing.price_low),
                price_high=quoted(clearing.price_high),
            )
        )
    return prices
