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
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.miner import MinerParameters, mining_value_per_watt
from agents.operating import hold_values
from agents.vocabulary import (
    CONDITIONS,
    GENERATIONS,
    N_CONDITIONS,
    N_PRODUCTS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    BuyIntents,
    Floats,
    Ints,
    PoolKind,
    QuantityCap,
    View,
)
from sim.debt.covenants import appraise, mark_gap
from sim.discount.three_prices import ThreePrices, best_uses
from sim.kernel.book import Network
from sim.kernel.price_scale import Scale
from sim.market.market import MarketResult
from sim.parameters.credit import CreditParameters

if TYPE_CHECKING:
    from sim.model import FireSaleModel

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
CENTS = "cents per GPU"
ANATOMY = {
    "week": ("week", "week of the trade or offer"),
    "generation": ("", "GPU generation"),
    "seller": ("party", "row of the seller or of the liquidator acting for it"),
    "buyer": ("party", "row of the buyer, -1 none"),
    "seller_pool": ("pool", "pool the units stand in"),
    "buyer_pool": ("pool", "pool they are bought for, -1 none"),
    "pool_kind": ("", "kind of the buyer's pool"),
    "quantity": ("GPUs", "units sold on the arc, or offered and not sold"),
    "appraisal": (CENTS, "mark the lender uses; best use where no appraisal is supplied"),
    "fundamental": (CENTS, "best admissible use of a clean unit of this age"),
    "reference_value": (CENTS, "V*: best admissible use of the unit as it is"),
    "first_lot_price": (CENTS, "p0: price had one lot come; 0 where the class is not forced"),
    "clearing_price": (CENTS, "p: received by the seller; the reserve where nothing was sold"),
    "price_low": (CENTS, "lowest optimal price at the seller's pool, 0 where none can be told"),
    "price_high": (CENTS, "highest optimal price at the seller's pool, 0 where none can be told"),
    "misallocation": (CENTS, "best use less worth to this buyer in a free slot, its beliefs included"),
    "hosting": (CENTS, "present value of the posted rent of the slot"),
    "delay": (CENTS, "worth given up until the unit runs or is resold"),
    "margin": (CENTS, "share of value the buyer keeps back"),
    "cash": (CENTS, "limit less gross price, where the buyer's cash binds"),
    "search": (CENTS, "won by the buyer in bargaining within the price interval, where buyers must be met"),
    "transport": (CENTS, "freight over the lanes used, de-install to re-install"),
    "power": (CENTS, "rent of power, and mining given up for displaced watts"),
    "cooling": (CENTS, "rent of liquid cooling"),
    "order_limit": (CENTS, "limit less gross price, where the quantity wanted binds"),
    "no_bid": (CENTS, "best use less reserve, where nobody bought"),
    "forced": ("", "sold under a lender's mandate"),
    "capacity_regime": (
        "",
        "leased: the slot's rent is paid; owned: it is notional; none: storage or no buyer",
    ),
    "marginal_buyer": ("party", "buyer of this lot with the least rent and then the least surplus, -1 none"),
    "condition": ("", "condition when sold"),
    "belief_gap": (
        CENTS,
        "part of misallocation: worth under the conditional mean less worth as the buyer believes",
    ),
    "contamination": (CENTS, "appraisal less the same filter on best uses: past sale prices in the mark"),
    "staleness": (CENTS, "the filter on best uses less best use now: lag and smoothing"),
    "displacement": (CENTS, "part of power: mining margin and retrofit given up for the slot"),
}
OWNED = (PoolKind.PRIVATE, PoolKind.DISPLACED)


@dataclass(slots=True)
class BestUseMarks:
    """The appraisers' filter F on best uses: what appraisals would say had every mark been the best use (economics.md 13)."""

    marks: list[Floats] = field(default_factory=list)
    filtered: Floats = field(default_factory=lambda: np.zeros(N_PRODUCTS))

    def mark(self, reference: Floats) -> None:
        """Keep the best use of every generation as the week opens, (G,) USD."""
        self.marks.append(np.repeat(reference, N_CONDITIONS))

    def appraise(self, credit: CreditParameters) -> None:
        """One quarter of the filter, with the appraisers' own lag and weight."""
        lagged = self.marks[max(len(self.marks) - 1 - int(credit.appraisal_lag_weeks), 0)]
        weight = credit.appraisal_weight if self.filtered.any() else 1.0
        self.filtered = appraise(lagged, self.filtered, weight)


class IdentityBroken(AssertionError):
    """The components of a price do not sum to it: an arc is not optimal or a component is computed wrongly."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What units are worth to their buyers, cents per GPU, one entry per row.

    ``free_slot`` is the worth in a slot that costs nothing, from the posted intent: value plus delay, displacement and hosting.
    ``belief_gap`` is what the conditional mean of rents would add to it.
    """

    free_slot: Ints
    hosting: Ints
    displacement: Ints
    belief_gap: Ints


def worth(view: View, result: MarketResult, rows: Ints, miners: MinerParameters) -> Worth:
    """Worth to the buyers of the intents in `rows`, and what their slots cost, from the view.

    Dealers do not run units: theirs is the expected resale price, and storage is part of their delay.
    """
    buy = result.orders.buy
    party, pool, product = buy.party[rows], buy.pool[rows], buy.product[rows]
    age = view.product_age[product]
    runs = view.pool_kind[pool] != PoolKind.WAREHOUSE
    free = hold_values(view, party, pool, product, age, hosting=False)
    hosted = hold_values(view, party, pool, product, age)
    hosting = np.rint(np.where(runs, free - hosted, 0.0) * 100).astype(np.int64)
    displaced = view.pool_kind[pool] == PoolKind.DISPLACED
    displacement = np.zeros(len(rows), dtype=np.int64)
    if displaced.any():
        given_up = mining_value_per_watt(view, pool, party, miners) + view.retrofit_usd_per_watt
        usd = given_up * miners.conversion_hurdle * view.watts[PRODUCT_GENERATION[product]]
        displacement = np.where(displaced, np.rint(usd * 100), 0).astype(np.int64)
    gap = np.zeros(len(rows), dtype=np.int64)
    if view.belief != "consistent" and len(rows):
        mean = hold_values(replace(view, belief="consistent"), party, pool, product, age, hosting=False)
        gap = np.rint(np.where(runs, mean - free, 0.0) * 100).astype(np.int64)
    return Worth(buy.value[rows] + buy.delay[rows] + displacement + hosting, hosting, displacement, gap)


def dissect(
    week: int,
    result: MarketResult,
    view: View,
    network: Network,
    first_node: int,
    reference: Floats,
    quotes: list[ThreePrices],
    *,
    theta: float,
    miners: MinerParameters,
    appraisal: Floats | None = None,
    filtered: Floats | None = None,
    searching: bool = False,
) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Take every price of a week apart.

    Parameters
    ----------
    reference : (G,) USD
        Best admissible use of a clean unit.
    appraisal, filtered : (N_PRODUCTS,) USD, optional
        Marks of the lenders, and what the same filter makes of best uses; best use of a clean unit where left out.
    searching
        Buyers must be met: what the buyer's bargaining wins within the interval of clearing prices is search, not the
        constraint that stops it. Buyers who were not met have no row; what their absence costs is in `sim.discount.shapley`.

    Returns
    -------
    dict
        Columns of `ANATOMY`, a row per traded arc and then a row per offer with units left. For every row
        ``reference_value - clearing_price`` is the sum of `COMPONENTS`.

    Raises
    ------
    IdentityBroken
        The sum is not exact on the kernel's scale.
    """
    trades, sell = result.trades, result.orders.sell
    sold = np.bincount(trades.sell, weights=trades.quantity, minlength=len(sell.party)).astype(np.int64)
    left = np.flatnonzero(sell.quantity > sold)
    source = np.r_[trades.sell, left]
    product, seller_pool = sell.product[source], sell.pool[source]
    arcs = trades.n
    clean, best = best_uses(view, reference, product)
    value = np.rint(best * 100).astype(np.int64)
    parts, margins, regime, about = _arcs(
        result, view, network, value, theta=theta, miners=miners, searching=searching
    )
    table = np.zeros((len(source), len(COMPONENTS)), dtype=np.int64)
    table[:arcs] = parts
    price = np.r_[trades.price, sell.reserve[left]]
    table[arcs:, COMPONENTS.index("no_bid")] = value[product[arcs:]] - price[arcs:]
    broken = np.flatnonzero(table.sum(axis=1) != value[product] - price)
    if len(broken):
        raise IdentityBroken(f"week {week}, row {int(broken[0])}: cents do not sum")
    first_lot = np.zeros(N_PRODUCTS, dtype=np.int64)
    for quote in quotes:
        if math.isfinite(quote.first_lot_price):
            first_lot[quote.product] = round(quote.first_lot_price * 100)
    mark = clean if appraisal is None else appraisal
    apart = mark_gap(mark, clean if filtered is None else filtered, clean)
    nothing = np.full(len(left), -1, dtype=np.int64)
    buyer_pool = np.r_[trades.buyer_node - first_node, nothing]
    node = seller_pool + first_node
    columns: dict[str, np.ndarray[Any, np.dtype[Any]]] = {
        "week": np.full(len(source), week),
        "generation": np.array(GENERATIONS)[PRODUCT_GENERATION[product]],
        "seller": sell.party[source],
        "buyer": np.r_[result.orders.buy.party[trades.buy], nothing],
        "seller_pool": seller_pool,
        "buyer_pool": buyer_pool,
        "pool_kind": np.array(
            [PoolKind(view.pool_kind[p]).name.lower() if p >= 0 else "none" for p in buyer_pool]
        ),
        "quantity": np.r_[trades.quantity, (sell.quantity - sold)[left]],
        "appraisal": np.rint(mark[product] * 100).astype(np.int64),
        "fundamental": np.rint(clean[product] * 100).astype(np.int64),
        "reference_value": value[product],
        "first_lot_price": np.where(sell.forced[source], first_lot[product], 0),
        "clearing_price": price,
        "price_low": _whole_cents(result.clearing.price_low[product, node]),
        "price_high": _whole_cents(result.clearing.price_high[product, node]),
        **{name: table[:, j] for j, name in enumerate(COMPONENTS)},
        "forced": sell.forced[source],
        "capacity_regime": np.r_[regime, np.full(len(left), "none")],
        "marginal_buyer": np.r_[margins, nothing],
        "condition": np.array(CONDITIONS)[PRODUCT_CONDITION[product]],
        "belief_gap": np.r_[about.belief_gap, np.zeros(len(left), dtype=np.int64)],
        "contamination": np.rint(apart.contamination[product] * 100).astype(np.int64),
        "staleness": np.rint(apart.staleness[product] * 100).astype(np.int64),
        "displacement": np.r_[about.displacement, np.zeros(len(left), dtype=np.int64)],
    }
    return columns


def _arcs(
    result: MarketResult,
    view: View,
    network: Network,
    value: Ints,
    *,
    theta: float,
    miners: MinerParameters,
    searching: bool,
) -> tuple[Ints, Ints, np.ndarray[Any, np.dtype[Any]], Worth]:
    """Components of the traded arcs in cents, the marginal buyer of each, its regime, and the buyers' worth."""
    trades, orders, clearing = result.trades, result.orders, result.clearing
    buy = orders.buy
    about = worth(view, result, trades.buy, miners)
    limit = np.floor(buy.value * (1.0 - buy.margin)).astype(np.int64)
    scale = Scale.of(
        network,
        np.unique(orders.book.generation[orders.book.quantity > 0]).astype(np.int64),
        float(max(orders.book.price.max(initial=0), network.freight.max(initial=0))),
        theta,
    )
    parts = np.zeros((trades.n, len(COMPONENTS)), dtype=np.int64)
    least: dict[int, tuple[tuple[Fraction, Fraction], int]] = {}
    regime = np.full(trades.n, "leased", dtype="<U6")
    for i in range(trades.n):
        row, product, seller, node = (
            int(a[i]) for a in (trades.buy, trades.product, trades.seller_node, trades.buyer_node)
        )
        received = scale.price(product, float(clearing.price[product, seller]))
        power = scale.rent(product, float(clearing.power_rent[node]))
        cooling = (
            scale.rent(product, float(clearing.cooling_rent[node]))
            if PRODUCT_LIQUID[product]
            else Fraction(0)
        )
        delivered = scale.price(product, float(clearing.price[product, node]))
        if not scale.exact:
            if abs(received + int(trades.freight[i]) - delivered) > max(delivered, Fraction(1)) / 10**6:
                raise IdentityBroken(f"arc {i}: lanes used are not tight")
            delivered = received + int(trades.freight[i])
        gross = delivered + power + cooling
        bargained = Fraction(0)
        if searching:
            interval = clearing.price_high[product, seller] - clearing.price_low[product, seller]
            bargained = min(Fraction((1.0 - theta) * interval), max(int(limit[row]) - gross, Fraction(0)))
        top = int(limit[row]) - bargained
        wedge = top - gross
        kind = int(view.pool_kind[buy.pool[row]])
        regime[i] = "owned" if kind in OWNED else "none" if kind == PoolKind.WAREHOUSE else "leased"
        notional = power + cooling if regime[i] == "owned" else Fraction(0)
        cause = _cause(view, buy, row, top, gross, notional, int(orders.book.power[node]))
        exact = dict.fromkeys(COMPONENTS, Fraction(0))
        exact["misallocation"] = Fraction(int(value[product]) - int(about.free_slot[i]))
        exact["hosting"] = Fraction(int(about.hosting[i]))
        exact["delay"] = Fraction(int(buy.delay[row]))
        exact["margin"] = Fraction(int(buy.value[row] - limit[row]))
        exact["search"] = bargained
        exact["transport"] = Fraction(int(trades.freight[i]))
        exact["power"] = power + int(about.displacement[i])
        exact["cooling"] = cooling
        exact[cause] += wedge
        if sum(exact.values()) != int(value[product]) - received:
            raise IdentityBroken(
                f"arc {i}, product {product}, node {seller} to {node}: components sum to"
                f" {float(sum(exact.values())):.9f} cents, V* - p is {float(int(value[product]) - received):.9f}"
            )
        parts[i] = whole_cents(list(exact.values()), int(value[product]) - int(trades.price[i]))
        key = int(trades.sell[i])
        surplus = (power + cooling, wedge)  # a full slot sets its own rent, not the price of the lot
        if key not in least or surplus < least[key][0]:
            least[key] = (surplus, int(buy.party[row]))
    margins = np.array([least[int(s)][1] for s in trades.sell], dtype=np.int64)
    return parts, margins, regime, about


def _cause(
    view: View, buy: BuyIntents, row: int, top: Fraction, gross: Fraction, notional: Fraction, room: int
) -> str:
    """Which component the buyer's surplus ``top - gross`` belongs to: what stops it from taking more.

    Cash, if at the gross price it could not pay for one unit more than it wants; else what set the quantity it wants.
    The rent of its own slot is `notional`: a buyer that could pay the rest for all its watts is stopped by them.
    """
    product = int(buy.product[row])
    unit, money, most = int(PRODUCT_UNIT[product]), int(buy.cash[row]), int(buy.wanted[row])
    rack_watts = int(view.unit_watts[PRODUCT_GENERATION[product]])
    if money < top * most and money < gross * (most + unit):
        fits = min(most, room // rack_watts * unit)
        return "power" if notional and money >= (gross - notional) * (fits + unit) else "cash"
    reason = int(buy.cap[row])
    if reason == QuantityCap.WAREHOUSE:
        return "cash"  # a dealer wants what its capital covers
    if PRODUCT_LIQUID[product] and int(view.pool_free_liquid[buy.pool[row]]) // rack_watts * unit <= most:
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


def _whole_cents(price: Floats) -> Ints:
    return np.where(np.isfinite(price), np.floor(np.nan_to_num(price) + 1e-6), 0).astype(np.int64)


def record_anatomy(model: "FireSaleModel", week: int) -> None:
    """Write the week's rows of `anatomy`.

    To be called when the three prices are known, and before settlement changes the world the view looks at.
    """
    assert model.result is not None
    if model.result.trades.n == 0 and not (model.result.orders.sell.quantity > 0).any():
        return
    world = model.world
    columns = dissect(
        week,
        model.result,
        model.view,
        world.topology.network(),
        world.topology.places.n,
        model.reference,
        model.quotes,
        theta=model.parameters.market.theta,
        miners=model.parameters.miners,
        appraisal=model.world.credit.appraisal,
        filtered=model.best_marks.filtered,
        searching=model.parameters.search.enabled,
    )
    model.recorder.rows("anatomy", columns, ANATOMY)
