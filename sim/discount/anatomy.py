"""Why the price is below value: the dual accounting of every lot sold or offered (economics.md 2, theory.md D.3).

On an arc from seller s to buyer b at pool i the best admissible use V* and the price p differ by

    V* - p =  misallocation  V* - v            v: worth to this buyer in a slot that costs nothing
            + hosting        present value of the posted rent of the slot
            + delay          worth given up until the unit runs
            + margin         value the buyer keeps back
            + search         (1 - theta)(highest - lowest price) where buyers must be met: bargaining within the interval
            + cash           limit less gross price, where the buyer's cash is what stops it
            + order_limit    limit less gross price, where the quantity it wants is
            + transport      freight over the lanes used
            + power          watts x shadow rent of power, and what freeing displaced watts costs
            + cooling        watts x shadow rent of cooling
            + no_bid         V* - reserve of units that found no buyer, alone on their row

Each is read from its own source: intents, ladder, lanes, duals. None is the remainder of the others, so the identity
is a test of the kernel's optimality on every arc. It is asserted in rationals on the kernel's own scale, then rounded to cents.
"""

import math
from typing import Any

import numpy as np

from agents.vocabulary import (
    CONDITIONS,
    GENERATIONS,
    N_PRODUCTS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    Floats,
    Ints,
    PoolKind,
)
from sim.base.declared import AMOUNT, COUNT, ROW, ROW_OR_NOBODY, SIGNED_AMOUNT, WEEK, Declared
from sim.debt.covenants import mark_gap
from sim.discount.arcs import COMPONENTS, Arcs, IdentityBroken, arcs_of
from sim.discount.three_prices import best_uses
from sim.market.week import MarketWeek

CENTS = "cents per GPU"
ANATOMY = {
    "week": Declared("week", "week of the trade or offer", WEEK),
    "generation": Declared("", "GPU generation"),
    "seller": Declared("party", "row of the seller or of the liquidator acting for it", ROW),
    "buyer": Declared("party", "row of the buyer, -1 none", ROW_OR_NOBODY),
    "seller_pool": Declared("pool", "pool the units stand in", ROW),
    "buyer_pool": Declared("pool", "pool they are bought for, -1 none", ROW_OR_NOBODY),
    "pool_kind": Declared("", "kind of the buyer's pool"),
    "quantity": Declared("GPUs", "units sold on the arc, or offered and not sold", COUNT),
    "appraisal_cents": Declared(
        CENTS, "mark the lender uses; best use where no appraisal is supplied", AMOUNT
    ),
    "clean_best_use_value_cents": Declared(CENTS, "best admissible use of a clean unit of this age", AMOUNT),
    "best_use_value_cents": Declared(CENTS, "V*: best admissible use of the unit as it is", AMOUNT),
    "first_lot_price_cents": Declared(
        CENTS, "p0: price had one lot come; 0 where the class is not forced", AMOUNT
    ),
    "clearing_price_cents": Declared(
        CENTS, "p: received by the seller; the reserve where nothing was sold", AMOUNT
    ),
    "price_low_cents": Declared(
        CENTS, "lowest optimal price at the seller's pool, 0 where none can be told", AMOUNT
    ),
    "price_high_cents": Declared(
        CENTS, "highest optimal price at the seller's pool, 0 where none can be told", AMOUNT
    ),
    "misallocation_cents": Declared(
        CENTS, "best use less worth to this buyer in a free slot, its beliefs included", SIGNED_AMOUNT
    ),
    "hosting_cents": Declared(CENTS, "present value of the posted rent of the slot", AMOUNT),
    "delay_cents": Declared(CENTS, "worth given up until the unit runs or is resold", AMOUNT),
    "margin_cents": Declared(CENTS, "share of value the buyer keeps back", AMOUNT),
    "cash_cents": Declared(CENTS, "limit less gross price, where the buyer's cash binds", AMOUNT),
    "search_cents": Declared(
        CENTS,
        "won by the buyer in bargaining within the price interval, where buyers must be met",
        AMOUNT,
    ),
    "transport_cents": Declared(CENTS, "freight over the lanes used, de-install to re-install", AMOUNT),
    "power_cents": Declared(CENTS, "rent of power, and mining given up for displaced watts", AMOUNT),
    "cooling_cents": Declared(CENTS, "rent of liquid cooling", AMOUNT),
    "order_limit_cents": Declared(CENTS, "limit less gross price, where the quantity wanted binds", AMOUNT),
    "no_bid_cents": Declared(CENTS, "best use less reserve, where nobody bought", SIGNED_AMOUNT),
    "forced": Declared("", "sold under a lender's mandate"),
    "capacity_regime": Declared(
        "", "leased: the slot's rent is paid; owned: it is notional; none: storage or no buyer"
    ),
    "marginal_buyer": Declared(
        "party", "buyer of this lot with the least rent and then the least surplus, -1 none", ROW_OR_NOBODY
    ),
    "condition": Declared("", "condition when sold"),
    "belief_gap_cents": Declared(
        CENTS,
        "part of misallocation: worth under the conditional mean less worth as the buyer believes",
        SIGNED_AMOUNT,
    ),
    "contamination_cents": Declared(
        CENTS, "appraisal less the same filter on best uses: past sale prices in the mark", SIGNED_AMOUNT
    ),
    "staleness_cents": Declared(
        CENTS, "the filter on best uses less best use now: lag and smoothing", SIGNED_AMOUNT
    ),
    "displacement_cents": Declared(
        CENTS, "part of power: mining margin and retrofit given up for the slot", AMOUNT
    ),
}
Column = np.ndarray[Any, np.dtype[Any]]


def columns(week: MarketWeek) -> dict[str, Column]:
    """Take every price of a week apart, before settlement changes the world the view looks at.

    Where buyers must be met, what the buyer's bargaining wins within the interval of clearing prices is search, not the
    constraint that stops it. Buyers who were not met have no row; what their absence costs is in `sim.discount.shapley`.

    Returns
    -------
    dict
        Columns of `ANATOMY`, a row per traded arc and then a row per offer with units left. For every row
        ``best_use_value_cents - clearing_price_cents`` is the sum of `COMPONENTS`.

    Raises
    ------
    IdentityBroken
        The sum is not exact on the kernel's scale.
    """
    trades, sell = week.result.trades, week.result.orders.sell
    sold = np.bincount(trades.sell, weights=trades.quantity, minlength=len(sell.party)).astype(np.int64)
    left = np.flatnonzero(sell.quantity > sold)
    source = np.r_[trades.sell, left]
    product = sell.product[source]
    clean, best = best_uses(week.view, week.best_use_value_usd, product)
    value = np.rint(best * 100).astype(np.int64)
    arcs = arcs_of(week, value)
    price = np.r_[trades.price_cents, sell.reserve_cents[left]]
    table: dict[str, Column] = {
        "week": np.full(len(source), week.week),
        "generation": np.array(GENERATIONS)[PRODUCT_GENERATION[product]],
        "condition": np.array(CONDITIONS)[PRODUCT_CONDITION[product]],
        "seller": sell.party[source],
        "seller_pool": sell.pool[source],
        "forced": sell.forced[source],
        "quantity": np.r_[trades.quantity, (sell.quantity - sold)[left]],
        "best_use_value_cents": value[product],
        "clearing_price_cents": price,
    }
    table |= _buyers(week, arcs, len(left))
    table |= _components(week, arcs, value[product] - price)
    table |= _quoted(week, source)
    table |= _marks(week, product, clean)
    return {name: table[name] for name in ANATOMY}


def _buyers(week: MarketWeek, arcs: Arcs, left: int) -> dict[str, Column]:
    """Who bought and for which slot; nobody, of the last `left` rows."""
    trades, view = week.result.trades, week.view
    nobody, nothing = np.full(left, -1, dtype=np.int64), np.zeros(left, dtype=np.int64)
    pool = np.r_[trades.buyer_node - week.result.venue.first_node, nobody]
    return {
        "buyer": np.r_[week.result.orders.buy.party[trades.buy], nobody],
        "buyer_pool": pool,
        "pool_kind": np.array(
            [PoolKind(view.pools.kind[p]).name.lower() if p >= 0 else "none" for p in pool]
        ),
        "capacity_regime": np.r_[arcs.regime, np.full(left, "none")],
        "marginal_buyer": np.r_[arcs.marginal_buyer, nobody],
        "belief_gap_cents": np.r_[arcs.worth.belief_gap_cents, nothing],
        "displacement_cents": np.r_[arcs.worth.displacement_cents, nothing],
    }


def _components(week: MarketWeek, arcs: Arcs, gap: Ints) -> dict[str, Column]:
    """Components of ``gap`` = V* - p, cents: those of the arcs, and no bid where nothing was sold."""
    sold = len(arcs.parts)
    table = np.zeros((len(gap), len(COMPONENTS)), dtype=np.int64)
    table[:sold] = arcs.parts
    table[sold:, COMPONENTS.index("no_bid")] = gap[sold:]
    broken = np.flatnonzero(table.sum(axis=1) != gap)
    if len(broken):
        raise IdentityBroken(f"week {week.week}, row {int(broken[0])}: cents do not sum")
    return {f"{name}_cents": table[:, j] for j, name in enumerate(COMPONENTS)}


def _quoted(week: MarketWeek, source: Ints) -> dict[str, Column]:
    """Prices at the seller's pool beside the clearing price: of the first lot, lowest and highest optimal."""
    sell, clearing = week.result.orders.sell, week.result.clearing
    product, node = sell.product[source], sell.pool[source] + week.result.venue.first_node
    first_lot = np.zeros(N_PRODUCTS, dtype=np.int64)
    for quote in week.quotes:
        if math.isfinite(quote.first_lot_price_usd):
            first_lot[quote.product] = round(quote.first_lot_price_usd * 100)
    return {
        "first_lot_price_cents": np.where(sell.forced[source], first_lot[product], 0),
        "price_low_cents": _floor_cents(clearing.price_low[product, node]),
        "price_high_cents": _floor_cents(clearing.price_high[product, node]),
    }


def _marks(week: MarketWeek, product: Ints, clean: Floats) -> dict[str, Column]:
    """The lenders' mark beside the best use of a clean unit, and what stands between them."""
    mark = week.world.credit.appraisal_usd
    apart = mark_gap(mark, week.world.best_use_marks.filtered_usd, clean)
    usd = {
        "appraisal": mark,
        "clean_best_use_value": clean,
        "contamination": apart.contamination_usd,
        "staleness": apart.staleness_usd,
    }
    return {f"{name}_cents": np.rint(values[product] * 100).astype(np.int64) for name, values in usd.items()}


def _floor_cents(price: Floats) -> Ints:
    return np.where(np.isfinite(price), np.floor(np.nan_to_num(price) + 1e-6), 0).astype(np.int64)
