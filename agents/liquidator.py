"""Liquidators: they sell for lenders on mandate, and deal in hardware with their own cash."""

from typing import ClassVar

import numpy as np

from agents.operating import hold_values
from agents.party import Party
from agents.schema import Needs, Section, choice, quantity
from agents.view import View
from agents.vocabulary import (
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    WEEKS_PER_YEAR,
    AgentKind,
    BuyIntents,
    Condition,
    Floats,
    Intents,
    Ints,
    LotStatus,
    PoolKind,
    QuantityCap,
    ScrapOrders,
    SellOrders,
)

RESERVES = ("continuation", "credit_bid", "scrap")


class LiquidatorParameters(Section):
    """What describes a liquidator."""

    needs: ClassVar[Needs] = {
        "liquidators.release = staggered": "participation_cap",
        "liquidators.release != held": "reserve",
    }

    warehouse_capital_usd: float = quantity(150e6, "USD", 20e6, 1e9, "own cash of one dealer")
    target_margin: float = quantity(
        0.12,
        "share of expected price",
        0.05,
        0.25,
        "margin of a principal bid",
        "refurbishment premium",
        "C",
        relaxed_by="margins",
    )
    participation_cap: float = quantity(
        0.2, "share of normal weekly volume", 0.05, 1, "most a mandate releases before urgency sets in"
    )
    capital_cost: float = quantity(0.18, "per year", 0.1, 0.32, "cost of warehouse capital")
    turnaround_weeks: float = quantity(
        5, "weeks", 2, 13, "purchase to resale", "dealer and auction pages", "C"
    )
    unpledged_rate_per_year: float = quantity(
        0.15, "per year", 0.05, 0.3, "rate at which units under a mandate but no lien are valued in place"
    )
    agency_fee: float = quantity(0.08, "share of gross proceeds", 0.03, 0.15, "fee of an agency mandate")
    expectation_speed: float = quantity(
        0.0, "per year", 0, 4, "speed at which dealers expect price to return to own value"
    )
    reserve: str = choice("continuation", RESERVES, "rule for the reserve of a forced seller")
    release: str = choice(
        "staggered",
        ("staggered", "at_once", "held"),
        "how a mandate comes to market; held: not at all, lenders operate what they can where it stands",
    )


class Liquidator(Party):
    """Agency: releases mandates up to the deadline. Principal: buys below expected resale, sells inventory."""

    kind = AgentKind.LIQUIDATOR
    section = "liquidators"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: LiquidatorParameters) -> Intents:  # type: ignore[override]
        """Mandates, inventory and principal bids (contracts.md 5.4, economics.md 4)."""
        mandate, scrap = cls._mandates(view, rows, parameters)
        inventory = cls._inventory(view, rows, parameters)
        return Intents(
            sell=_join(mandate, inventory),
            buy=cls._principal_bids(view, rows, parameters),
            scrap=scrap,
        )

    @classmethod
    def _mandates(
        cls, view: View, rows: Ints, parameters: LiquidatorParameters
    ) -> tuple[SellOrders, ScrapOrders]:
        """Release part of every mandate; what is left after the deadline is broken up."""
        if parameters.release == "held":
            return SellOrders.empty(), ScrapOrders.empty()
        standing = (view.lots.status == LotStatus.FORCED) & (view.lots.quantity > 0)
        lot = np.flatnonzero(standing & np.isin(view.lots.liquidator, rows))
        late = view.lots.deadline[lot] < view.week
        # After the deadline a lender that can operate the units keeps them; the rest is broken up.
        kept = (credit_bid(view, lot, parameters) > 0) & ~view.lots.run_off[lot]
        late &= ~kept
        gone = lot[late]
        scrap = ScrapOrders(
            view.lots.liquidator[gone],
            view.lots.pool[gone],
            view.lots.product[gone],
            view.lots.quantity[gone],
        )
        lot = lot[~late]
        if len(lot) == 0:
            return SellOrders.empty(), scrap
        product, pool, agent = view.lots.product[lot], view.lots.pool[lot], view.lots.liquidator[lot]
        unit = PRODUCT_UNIT[product]
        quantity_here = view.lots.quantity[lot]
        # Urgency and the participation cap are for the whole mandate of an agent in a class.
        key = agent * len(PRODUCT_UNIT) + product
        _, group = np.unique(key, return_inverse=True)
        total = np.bincount(group, weights=quantity_here)[group]
        weeks_left = np.maximum(view.lots.deadline[lot] - view.week + 1, 1)
        pace = np.maximum(
            parameters.participation_cap * view.market.weekly_volume[product], total / weeks_left
        )
        if parameters.release == "at_once":
            pace = total
        share = np.minimum(pace / total, 1.0)
        quantity_offered = np.minimum(
            np.ceil(quantity_here * share / unit).astype(np.int64) * unit, quantity_here
        )
        reserve = cls.reserve(view, lot, parameters)
        return (
            SellOrders(
                party=agent,
                pool=pool,
                product=product,
                quantity=quantity_offered,
                reserve_cents=np.ceil(reserve * 100.0).astype(np.int64),
                forced=np.ones(len(lot), dtype=np.bool_),
            ),
            scrap,
        )

    @classmethod
    def reserve(cls, view: View, lot: Ints, parameters: LiquidatorParameters) -> Floats:
        """What not selling this week is worth to a forced seller, USD per GPU (economics.md section 4).

        ``max(salvage, credit bid, E[p next week] exp(-(r_d + delta)/52) - storage)``. At the deadline waiting is no
        longer an option; the credit bid still is, unless the lender is in run-off and must sell.
        """
        product, pool, agent = view.lots.product[lot], view.lots.pool[lot], view.lots.liquidator[lot]
        salvage = view.hardware.salvage_usd[PRODUCT_GENERATION[product]]
        if parameters.reserve == "scrap":
            return np.asarray(salvage)
        credit = np.where(view.lots.run_off[lot], 0.0, credit_bid(view, lot, parameters))
        reserve = np.maximum(salvage, credit)
        if parameters.reserve == "continuation":
            expected = expected_price(view, product, pool, 1.0, parameters)
            decay = np.exp(-(view.parties.discount_rate[agent] + view.rents.trend) / WEEKS_PER_YEAR)
            reserve = np.maximum(reserve, expected * decay - view.terms.storage_usd_per_week)
        due = view.lots.deadline[lot] <= view.week
        return np.asarray(np.where(due, np.maximum(salvage, credit), reserve))

    @classmethod
    def _inventory(cls, view: View, rows: Ints, parameters: LiquidatorParameters) -> SellOrders:
        """Offer inventory that has been turned around, at no less than waiting another week is worth."""
        lot = np.flatnonzero(
            (view.lots.status == LotStatus.INVENTORY)
            & np.isin(view.lots.owner, rows)
            & (view.lots.arrival <= view.week)
        )
        product, pool, owner = view.lots.product[lot], view.lots.pool[lot], view.lots.owner[lot]
        expected = expected_price(view, product, pool, 1.0, parameters)
        decay = np.exp(-(view.parties.discount_rate[owner] + view.rents.trend) / WEEKS_PER_YEAR)
        floor = view.hardware.salvage_usd[PRODUCT_GENERATION[product]]
        reserve = np.maximum(expected * decay - view.terms.storage_usd_per_week, floor)
        return SellOrders(
            party=owner,
            pool=pool,
            product=product,
            quantity=view.lots.quantity[lot],
            reserve_cents=np.ceil(reserve * 100.0).astype(np.int64),
            forced=np.zeros(len(lot), dtype=np.bool_),
        )

    @classmethod
    def _principal_bids(cls, view: View, rows: Ints, parameters: LiquidatorParameters) -> BuyIntents:
        """Bids into the own warehouse: expected resale price less margin, carry and storage."""
        used = view.market.listed[PRODUCT_CONDITION[view.market.listed] != Condition.NEW]
        known = np.isin(view.known.party, rows) & (view.pools.kind[view.known.pool] == PoolKind.WAREHOUSE)
        party = np.repeat(view.known.party[known], len(used))
        pool = np.repeat(view.known.pool[known], len(used))
        product = np.tile(used, int(known.sum()))
        if len(party) == 0:
            return BuyIntents.empty()
        weeks = parameters.turnaround_weeks
        resale = expected_price(view, product, pool, weeks, parameters)
        patience = np.exp(-(view.parties.discount_rate[party] + view.rents.trend) * weeks / WEEKS_PER_YEAR)
        value = resale * patience - view.terms.storage_usd_per_week * weeks
        budget = view.parties.cash_cents[party] // len(used)
        unit = PRODUCT_UNIT[product]
        limit = np.maximum(value * (1.0 - parameters.target_margin), 0.01)
        wanted = np.floor(budget / (limit * 100.0) / unit).astype(np.int64) * unit
        keep = (value > 0) & (wanted > 0)
        zeros = np.zeros(int(keep.sum()), dtype=np.int64)
        return BuyIntents(
            party=party[keep],
            pool=pool[keep],
            product=product[keep],
            value_cents=np.floor(value[keep] * 100.0).astype(np.int64),
            margin=np.full(int(keep.sum()), parameters.target_margin),
            wanted=wanted[keep],
            cash_cents=budget[keep],
            cap=zeros + QuantityCap.WAREHOUSE,
            delay_cents=np.rint((resale - value)[keep] * 100.0).astype(np.int64),
        )


def expected_price(
    view: View, product: Ints, pool: Ints, weeks: float, parameters: LiquidatorParameters
) -> Floats:
    """``E[P(t+L)] = P + (1 - exp(-kappa L)) (V_own - P)`` in USD (economics.md section 5)."""
    now = view.market.price_usd[product, pool]
    pull = -np.expm1(-parameters.expectation_speed * weeks / WEEKS_PER_YEAR)
    return np.asarray(now + pull * (view.market.typical_value_usd[product] - now))


def credit_bid(view: View, lot: Ints, parameters: LiquidatorParameters) -> Floats:
    """In-place value under a hired operator at the lender's rate; zero where the slot cannot be kept, USD.

    The operator's fee comes off utilisation, so it scales with revenue.
    """
    product, pool = view.lots.product[lot], view.lots.pool[lot]
    operator = view.lots.owner[lot]
    age = (view.week - view.lots.vintage[lot]) / WEEKS_PER_YEAR
    value = hold_values(
        view,
        operator,
        pool,
        product,
        age,
        utilisation=view.parties.utilisation[operator] * (1.0 - view.terms.operating_fee),
        discount_rate=np.nan_to_num(view.lots.lien_rate[lot], nan=parameters.unpledged_rate_per_year),
    )
    kept = (view.pools.kind[pool] == PoolKind.IN_PLACE) & (view.pools.free_watts[pool] > 0)
    return np.asarray(np.where(kept, value, 0.0))


def _join(first: SellOrders, second: SellOrders) -> SellOrders:
    return SellOrders(
        *(np.concatenate([getattr(first, name), getattr(second, name)]) for name in SellOrders.__slots__)
    )
