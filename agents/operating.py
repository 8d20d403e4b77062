"""What a slot is worth to an operator, and how operators bid for and part with hardware.

Miners and neo-clouds (and, with their own limits, enterprises, exporters and hyperscalers) ask the same three
questions: what would this GPU earn in that pool, how many can I place there, and how much cash may I spend.
"""

from dataclasses import dataclass

import numpy as np

from agents.valuation import believed_value, running_cost_per_hour
from agents.view import View
from agents.vocabulary import (
    MONTHS_PER_YEAR,
    N_PRODUCTS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    WEEKS_PER_YEAR,
    Bools,
    BuyIntents,
    Condition,
    Floats,
    Ints,
    LotStatus,
    PoolKind,
    QuantityCap,
    ScrapOrders,
    SellOrders,
)

MONTHS_PER_WEEK = MONTHS_PER_YEAR / WEEKS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Slots:
    """Candidate (party, pool) pairs: where a buyer could put hardware."""

    party: Ints
    pool: Ints


def slots_of(view: View, rows: Ints, kinds: tuple[PoolKind, ...]) -> Slots:
    """Pairs of the given parties whose pool is one of `kinds` and has room."""
    known = np.isin(view.known.party, rows)
    party, pool = view.known.party[known], view.known.pool[known]
    roomy = np.isin(view.pools.kind[pool], kinds) & (view.pools.free_watts[pool] > 0)
    return Slots(party[roomy], pool[roomy])


def hold_values(
    view: View,
    party: Ints,
    pool: Ints,
    product: Ints,
    age: Floats,
    *,
    hosting: bool = True,
    utilisation: Floats | None = None,
    discount_rate: Floats | None = None,
) -> Floats:
    """Value in USD of a GPU of `product` and `age` run by `party` in `pool`; arguments broadcast.

    With ``hosting=False`` the slot is taken to be free, which is the reference for the hosting component
    (economics.md section 2). Utilisation and discount rate default to the party's own.
    """
    generation = PRODUCT_GENERATION[product]
    fee = view.pools.hosting_usd_per_kw_month[pool] if hosting else 0.0
    cost = running_cost_per_hour(
        view.hardware.watts[generation] / 1000.0,
        view.pools.power_usd_per_kwh[pool],
        view.pools.pue[pool],
        view.hardware.load_factor,
        fee,
    )
    value = believed_value(
        view.rents.belief,
        rent=view.rents.contract_usd_per_hour[generation] * (1.0 - view.hardware.overhead),
        utilisation=view.parties.utilisation[party] if utilisation is None else utilisation,
        trend=view.rents.trend,
        discount_rate=view.parties.discount_rate[party] if discount_rate is None else discount_rate,
        hazard=view.hardware.failure_hazard,
        cost_per_hour=cost,
        salvage=view.hardware.salvage_usd[generation],
        salvage_decay=view.hardware.salvage_decay,
        remaining_life_years=np.maximum(view.hardware.physical_life_years - age, 0.0),
        step_years=view.rents.step_years[generation],
        step_drops=view.rents.step_drops[generation],
        demand=view.rents.demand[generation],
        mean_reversion=view.rents.mean_reversion,
        extrapolation=view.rents.extrapolation,
    )
    return np.asarray(value * view.products.condition_factor[PRODUCT_CONDITION[product]])


@dataclass(frozen=True, slots=True)
class Quotes:
    """Values of products in slots: all arrays have shape (slots, products)."""

    net_usd: Floats  # USD, after hosting and waiting
    delay_usd: Floats
    allowed: Bools


def quote(
    view: View,
    slots: Slots,
    products: Ints,
    extra_wait_weeks: float = 0.0,
    *,
    discount_rate: float | None = None,
) -> Quotes:
    """What each product would be worth in each slot, net of hosting and of the wait until it runs.

    The discount rate is the party's own unless one is given.
    """
    party, pool = slots.party[:, None], slots.pool[:, None]
    item = products[None, :]
    age = view.products.age_years[item]
    asked = None if discount_rate is None else np.full((1, 1), discount_rate)
    hosted = hold_values(view, party, pool, item, age, discount_rate=asked)
    in_place = view.pools.kind[pool] == PoolKind.IN_PLACE
    wait = (
        np.where(in_place, float(view.terms.in_place_weeks), view.products.wait_weeks[item])
        + view.pools.wait_weeks[pool]
        + extra_wait_weeks
    )
    rate = view.parties.discount_rate[party] if asked is None else asked
    patience = np.exp(-(rate + view.rents.trend) * wait / WEEKS_PER_YEAR)
    net = hosted * patience
    liquid = PRODUCT_LIQUID[item] & (view.pools.free_liquid_watts[pool] <= 0)
    fits = view.hardware.unit_watts[PRODUCT_GENERATION[item]] <= view.pools.free_watts[pool]
    return Quotes(net, hosted - net, ~liquid & fits & (net > 0))


def merchant_quote(view: View, slots: Slots, products: Ints) -> Quotes:
    """The same for an operator that signs contracts: a new unit without one must earn the merchant's hurdle."""
    plain = quote(view, slots, products)
    new = PRODUCT_CONDITION[products] == Condition.NEW
    if not new.any() or len(slots.party) == 0:
        return plain
    asked = quote(view, slots, products[new], discount_rate=view.terms.merchant_hurdle)
    net, delay, allowed = plain.net_usd.copy(), plain.delay_usd.copy(), plain.allowed.copy()
    net[:, new], delay[:, new], allowed[:, new] = asked.net_usd, asked.delay_usd, asked.allowed
    return Quotes(net, delay, allowed)


def bids(
    view: View,
    rows: Ints,
    products: Ints,
    kinds: tuple[PoolKind, ...] = (PoolKind.PRIVATE, PoolKind.OPEN, PoolKind.IN_PLACE, PoolKind.FORWARD),
    *,
    margin: float,
    weekly_watts: float,
    delay_weeks: float = 0.0,
    cap: QuantityCap = QuantityCap.APPETITE,
) -> BuyIntents:
    """Bids of buyers that pay in cash for what they can place.

    Parameters
    ----------
    view
        This week's view.
    rows : int64 array
        Rows of the buyers.
    products : int64 array
        Product classes they want, such as ``view.market.listed``.
    kinds
        Kinds of pool they buy for; only pools they know and that have room take part.
    margin
        Share of value a buyer keeps back, 0 to 1.
    weekly_watts
        IT watts each sets out to fill this week, over all pools and classes.
    delay_weeks
        Weeks between delivery and first service, beside those every buyer waits.
    cap
        What is said to limit a bid that power does not.

    Returns
    -------
    BuyIntents
        One row for each buyer, pool and class that has value, room and cash behind it; together the bids of a buyer never
        promise more than its cash.

    Raises
    ------
    TypeError
        If the classes are no whole numbers.
    ValueError
        If a class is unknown or named twice, or margin or watts are out of range.
    """
    products = _classes(products)
    _check_terms(margin, weekly_watts)
    slots = slots_of(view, rows, kinds)
    return place_bids(
        view,
        slots,
        products,
        quote(view, slots, products, delay_weeks),
        margin=margin,
        watts_wanted=np.full(len(view.parties.cash_cents), weekly_watts),
        cash=view.parties.cash_cents,
        cap=cap,
    )


def _check_terms(margin: float, weekly_watts: float) -> None:
    """Terms that hold for every bid of a rule."""
    if not (np.ndim(margin) == 0 and 0 <= margin < 1):
        raise ValueError(f"margin = {margin}; a share of value, 0 to below 1, the same for all")
    if not (np.ndim(weekly_watts) == 0 and weekly_watts >= 0):
        raise ValueError(f"weekly_watts = {weekly_watts}; IT watts, 0 or more, the same for all")


def _classes(products: Ints) -> Ints:
    """Product classes as a rule named them, each once."""
    products = np.asarray(products)
    if products.dtype.kind != "i" or products.ndim != 1:
        raise TypeError(
            f"products is an array of {products.dtype} of shape {products.shape}; product classes are a flat array of whole "
            "numbers, such as view.market.listed[mask] for a mask"
        )
    if len(products) and not 0 <= products.min() <= products.max() < N_PRODUCTS:
        raise ValueError(f"products holds {products.tolist()}; product classes are 0 to {N_PRODUCTS - 1}")
    if len(np.unique(products)) < len(products):
        raise ValueError(
            "products names a class twice, which would promise the same cash twice; give class numbers, no mask"
        )
    return products


def place_bids(
    view: View,
    slots: Slots,
    products: Ints,
    quotes: Quotes,
    *,
    margin: float,
    watts_wanted: Floats,
    cash: Ints,
    cap: QuantityCap,
) -> BuyIntents:
    """Turn quotes into intents: room goes to the best slots first, cash to where the gain is.

    Parameters
    ----------
    margin
        Fraction of value the buyer keeps back.
    watts_wanted
        Per party (all rows), IT watts it wants to fill this week over all pools and classes.
    cash
        Per party (all rows), cents it may spend this week.

    Notes
    -----
    The room of a slot is offered to every class (the kernel shares the watts), but cash is split between the
    intents of one buyer in proportion to expected gain, so that together they never promise it twice.
    """
    if len(slots.party) == 0 or len(products) == 0:
        return BuyIntents.empty()
    taken = _watts_by_slot(view, slots, products, quotes, watts_wanted)
    unit = PRODUCT_UNIT[products]
    unit_watts = view.hardware.unit_watts[PRODUCT_GENERATION[products]]
    units = np.floor(taken[:, None] / unit_watts).astype(np.int64)
    coolable = view.pools.free_liquid_watts[slots.pool][:, None] // unit_watts
    units = np.where(PRODUCT_LIQUID[products], np.minimum(units, coolable), units)
    wanted = units * unit
    limit = quotes.net_usd * (1.0 - margin)
    gain = limit - view.market.price_usd[products[None, :], slots.pool[:, None]]
    # A bid needs cash behind it even where the last price leaves no gain: this week's may be lower.
    gain = np.maximum(gain, view.terms.least_gain_share * limit)
    weight = np.where(quotes.allowed & (wanted > 0), gain * wanted, 0.0)
    total = np.bincount(slots.party, weights=weight.sum(axis=1), minlength=len(cash))
    share = weight / np.maximum(total[slots.party][:, None], 1e-300)
    budget = np.floor(share * cash[slots.party][:, None]).astype(np.int64)
    slot, item = np.nonzero((weight > 0) & (budget > 0))
    cents = 100.0
    limiting = np.where(taken[slot] < view.pools.free_watts[slots.pool[slot]], cap, QuantityCap.POWER)
    return BuyIntents(
        party=slots.party[slot],
        pool=slots.pool[slot],
        product=products[item],
        value_cents=np.floor(quotes.net_usd[slot, item] * cents).astype(np.int64),
        margin=np.full(len(slot), margin),
        wanted=wanted[slot, item],
        cash_cents=budget[slot, item],
        cap=limiting.astype(np.int64),
        delay_cents=np.rint(quotes.delay_usd[slot, item] * cents).astype(np.int64),
    )


def _watts_by_slot(view: View, slots: Slots, products: Ints, quotes: Quotes, watts_wanted: Floats) -> Floats:
    """IT watts each party sets out to fill in each of its slots: the most valuable per watt first."""
    best = np.where(
        quotes.allowed, quotes.net_usd / view.hardware.watts[PRODUCT_GENERATION[products]], 0.0
    ).max(axis=1)
    order = np.lexsort((slots.pool, -best, slots.party))
    party = slots.party[order]
    room = np.minimum(view.pools.free_watts[slots.pool[order]], watts_wanted[party]).astype(np.float64)
    before = np.cumsum(room) - room
    first = np.r_[True, party[1:] != party[:-1]]
    before -= np.repeat(before[first], np.diff(np.r_[np.flatnonzero(first), len(party)]))
    taken = np.empty_like(room)
    taken[order] = np.clip(watts_wanted[party] - before, 0.0, room)
    return taken


def refresh_offers(
    view: View, rows: Ints, *, interval_weeks: int, share: float, pressed: Bools | None = None
) -> SellOrders:
    """Unpledged units an operator would part with, at their hold value less what the slot could earn instead.

    A distressed operator, or one `pressed` for cash, offers all it has unpledged, every week, at no more than the last
    price (contracts.md 5.1 rule 6); one in the hands of its lenders offers nothing. Every other reviews its fleet once per
    `interval_weeks`, operators taking turns by row. A power-limited site compares surplus per watt of a new unit with the
    old one (contracts.md 5.2 rule 3): the reserve is the hold value less that opportunity, never below salvage.
    """
    needy = view.credit.distressed if pressed is None else view.credit.distressed | pressed
    turn = (rows + view.week) % interval_weeks == 0
    turn = (turn | needy[rows]) & ~view.credit.failed[rows]
    worn = view.week - view.lots.vintage >= view.hardware.physical_life_years * WEEKS_PER_YEAR
    lot = np.flatnonzero(
        np.isin(view.lots.owner, rows[turn])
        & (view.lots.lien < 0)
        & ~worn  # those are broken up
        & ((view.lots.status == LotStatus.RUNNING) | (view.lots.status == LotStatus.IDLE))
    )
    if len(lot) == 0:
        return SellOrders.empty()
    product, pool, owner = view.lots.product[lot], view.lots.pool[lot], view.lots.owner[lot]
    generation = PRODUCT_GENERATION[product]
    age = (view.week - view.lots.vintage[lot]) / WEEKS_PER_YEAR
    hold = hold_values(view, owner, pool, product, age)
    opportunity = new_unit_surplus_per_watt(view, owner, pool) * view.hardware.watts[generation]
    urgent = needy[owner]
    asked = np.where(urgent, np.minimum(hold, view.market.price_usd[product, pool]), hold - opportunity)
    reserve = np.maximum(asked, view.hardware.salvage_usd[generation])
    unit = PRODUCT_UNIT[product]
    part = np.where(urgent, 1.0, share)
    quantity = np.ceil(view.lots.quantity[lot] * part / unit).astype(np.int64) * unit
    return SellOrders(
        party=owner,
        pool=pool,
        product=product,
        quantity=np.minimum(quantity, view.lots.quantity[lot]),
        reserve_cents=np.ceil(reserve * 100.0).astype(np.int64),
        forced=np.zeros(len(lot), dtype=np.bool_),
    )


def new_unit_surplus_per_watt(view: View, party: Ints, pool: Ints) -> Floats:
    """Best surplus in USD per IT watt of a new unit over its list price, in each (party, pool); at least zero."""
    new = np.flatnonzero(
        (PRODUCT_CONDITION == Condition.NEW) & (view.market.new_allocation[PRODUCT_GENERATION] > 0)
    )
    if len(new) == 0:
        return np.zeros(len(party))
    item = new[None, :]
    generation = PRODUCT_GENERATION[item]
    value = hold_values(view, party[:, None], pool[:, None], item, np.zeros((1, 1)))
    surplus = value - view.market.list_price_usd[generation] - view.products.moving_usd[item]
    coolable = ~PRODUCT_LIQUID[item] | (view.pools.liquid_capacity_watts[pool][:, None] > 0)
    per_watt = np.where(coolable, surplus / view.hardware.watts[generation], 0.0)
    return np.asarray(np.maximum(per_watt.max(axis=1), 0.0))


def worn_out(view: View, rows: Ints) -> ScrapOrders:
    """Unpledged units past their physical life, given up for parts."""
    age = (view.week - view.lots.vintage) / WEEKS_PER_YEAR
    lot = np.flatnonzero(
        np.isin(view.lots.owner, rows[~view.credit.failed[rows]])
        & (view.lots.lien < 0)
        & (age >= view.hardware.physical_life_years)
        & (view.lots.status <= LotStatus.IDLE)
    )
    return ScrapOrders(
        view.lots.owner[lot], view.lots.pool[lot], view.lots.product[lot], view.lots.quantity[lot]
    )


def spendable(view: View, rows: Ints, reserve_months: float) -> Ints:
    """Cash above a reserve of so many months of obligations, per party (zero for others), cents.

    Zero for a borrower whose cash its lenders hold back.
    """
    free = np.zeros(len(view.parties.cash_cents), dtype=np.int64)
    keep = np.ceil(view.parties.obligations_cents[rows] * reserve_months).astype(np.int64)
    free[rows] = np.where(view.credit.may_spend[rows], np.maximum(view.parties.cash_cents[rows] - keep, 0), 0)
    return free


def with_credit(view: View, cash: Ints) -> Ints:
    """What own cash buys with the loan on offer: ``min(cash / (1 - advance), cash + line)``, cents per party."""
    levered = np.floor(cash / (1.0 - view.credit.advance)).astype(np.int64)
    return np.asarray(np.minimum(levered, cash + view.credit.line_cents))
