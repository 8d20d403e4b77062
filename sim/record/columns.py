"""Every column a run can write down, declared as data: unit, meaning, bounds and, for the weekly table, how it is read.

The recorder writes what is declared here and an experiment asks for it by name, so no run is needed to learn what there is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.vocabulary import (
    GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    Bools,
    Condition,
    LotStatus,
    product_of,
)
from sim.base.declared import (
    AMOUNT,
    ANY,
    COUNT,
    COUNT_OF_SATOSHI,
    COVERAGE,
    POSITIVE,
    PRICE,
    ROW,
    ROW_OR_NOBODY,
    SIGNED_AMOUNT,
    WEEK,
    Bounds,
    Declared,
)
from sim.debt.loss_bridge import LOSS_BRIDGE
from sim.discount.anatomy import ANATOMY
from sim.discount.collateral import COLLATERAL, depth, spiral
from sim.discount.shapley import INTERACTIONS, SHAPLEY
from sim.drivers.drivers import DRIVERS
from sim.market.week import MarketWeek
from sim.record.credit_cycle import CYCLE, value_over_list

RATE = Bounds(0, 1)
# A price that does not move has infinite depth; a spiral that tips has no end.
DEPTH = Bounds(0, infinite=True, absent=True)
SPIRAL = Bounds(1, infinite=True, absent=True)
TRADES = {
    "week": Declared("week", "week of the trade", WEEK),
    "generation": Declared("", "GPU generation"),
    "condition": Declared("", "condition when sold"),
    "seller": Declared("party", "row of the seller or of the liquidator acting for it", ROW),
    "buyer": Declared("party", "row of the buyer", ROW),
    "buyer_type": Declared("", "type of the buyer"),
    "origin_place": Declared("place", "where the units stood", ROW),
    "destination_place": Declared("place", "where they go", ROW),
    "seller_pool": Declared("pool", "pool they leave", ROW),
    "buyer_pool": Declared("pool", "pool they are bought for", ROW),
    "pool_kind": Declared("", "kind of the buyer's pool"),
    "quantity": Declared("GPUs", "whole units sold", COUNT),
    "age_years": Declared("years", "mean age of what was delivered; 0 for new units", Bounds(0, absent=True)),
    "price_cents": Declared("cents per GPU", "received by the seller at its pool", AMOUNT),
    "freight_cents": Declared("cents per GPU", "de-install, freight and re-install", AMOUNT),
    "slot_premium_cents": Declared("cents per GPU", "scarcity rent paid for the slot", AMOUNT),
    "power_rent_cents_per_watt": Declared(
        "cents per watt", "shadow rent of power at the buyer's pool", AMOUNT
    ),
    "cooling_rent_cents_per_watt": Declared(
        "cents per watt", "shadow rent of cooling at the buyer's pool", AMOUNT
    ),
    "forced": Declared("", "sold under a lender's mandate"),
    "channel": Declared("", "in_place, moved or new"),
    "best_use_value_cents": Declared(
        "cents per GPU", "best admissible use of a clean unit; of the unit as it is in anatomy", AMOUNT
    ),
    "first_lot_price_cents": Declared(
        "cents per GPU", "price of one lot; 0 where the class is not forced", AMOUNT
    ),
}
AGENTS = {
    "week": Declared("week", "week of the row", WEEK),
    "party": Declared("party", "row of the party", ROW),
    "name": Declared("", "name of the party"),
    "type": Declared("", "agent type"),
    "cash_cents": Declared("cents", "cash", AMOUNT),
    "debt_cents": Declared("cents", "debt owed", AMOUNT),
    "bitcoin_satoshi": Declared("satoshi", "bitcoin held", COUNT_OF_SATOSHI),
    "gpus": Declared("GPUs", "GPUs owned", COUNT),
    "idle_gpus": Declared("GPUs", "GPUs owned that do not run", COUNT),
    "net_asset_value_cents": Declared("cents", "cash and GPUs at last prices less debt", SIGNED_AMOUNT),
    "standing": Declared("", "where it stands with its lenders"),
    "financing": Declared(
        "", "hedge, speculative or ponzi by last quarter's income; empty without debt service"
    ),
    "coverage": Declared(
        "ratio", "income over debt service, last quarter; infinite if nothing fell due", COVERAGE
    ),
    "interest_coverage": Declared(
        "ratio", "income over interest, last quarter; infinite if nothing fell due", COVERAGE
    ),
    "slot_arrears_cents": Declared("cents", "slot rent due and not paid", AMOUNT),
    "on_order_cents": Declared("cents", "due on delivery of new units", AMOUNT),
}
LOANS = {
    "week": Declared("week", "week of the row", WEEK),
    "loan": Declared("loan", "row of the loan", ROW),
    "debtor": Declared("party", "who owes", ROW),
    "creditor": Declared("party", "who is owed", ROW),
    "kind": Declared("", "contract"),
    "balance_cents": Declared("cents", "balance", AMOUNT),
    "overdue_cents": Declared("cents", "payments due and not made", AMOUNT),
    "months_left": Declared("months", "to the last payment", COUNT),
    "rate": Declared("per year", "rate", RATE),
    "status": Declared("", "state"),
}
EVENTS = {
    "week": Declared("week", "when", WEEK),
    "kind": Declared("", "what happened"),
    "party": Declared("party", "to whom", ROW),
    "counterparty": Declared("party", "with whom, -1 nobody", ROW_OR_NOBODY),
    "generation": Declared("", "hardware concerned"),
    "quantity": Declared("GPUs", "how many", COUNT),
    "cents": Declared("cents", "amount, per GPU for sales", SIGNED_AMOUNT),
    "detail": Declared("", "more"),
}
POOLS = {
    "week": Declared("week", "when", WEEK),
    "pool": Declared("pool", "pool", ROW),
    "place": Declared("place", "place of the pool", ROW),
    "kind": Declared("", "kind of pool"),
    "headroom_watts": Declared("IT watts", "room before the clearing", COUNT),
    "power_rent_cents_per_watt": Declared("cents per watt", "shadow rent of power", AMOUNT),
    "cooling_rent_cents_per_watt": Declared("cents per watt", "shadow rent of cooling", AMOUNT),
}
PLACES = {
    "place": Declared("place", "row of the place", ROW),
    "name": Declared("", "locality"),
    "latitude": Declared("degrees", "latitude", Bounds(-90, 90)),
    "longitude": Declared("degrees", "longitude", Bounds(-180, 180)),
    "country": Declared("", "country"),
    "kind": Declared("", "kind of site"),
    "it_watts": Declared("IT watts", "operational", COUNT),
    "liquid_watts": Declared("IT watts", "of these liquid-ready", COUNT),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the weekly table, read when the week is settled."""

    name: str
    said: Declared
    read: Callable[[MarketWeek], Any]

    @property
    def unit(self) -> str:
        """Unit of its values."""
        return self.said[0]

    @property
    def meaning(self) -> str:
        """What it says, in a line."""
        return self.said[1]


@dataclass(frozen=True, slots=True)
class PerGeneration:
    """A template: one column for each GPU generation, its name and meaning ending in the generation's."""

    name: str
    said: Declared
    read: Callable[[MarketWeek, int], float]

    def of(self, generation: int) -> Column:
        """The column of one generation."""
        called, (unit, meaning) = GENERATIONS[generation], self.said
        return Column(
            f"{self.name}_{called}",
            Declared(unit, f"{meaning}, {called}", self.said.bounds),
            lambda week: self.read(week, generation),
        )


def _quoted(price: str) -> Callable[[MarketWeek, int], float]:
    """A price of the forced class of a generation; NaN where none is on offer."""

    def read(week: MarketWeek, generation: int) -> float:
        quote = week.quote_of(generation)
        return float("nan") if quote is None else float(getattr(quote, f"{price}_usd"))

    return read


def _offered(week: MarketWeek, generation: int) -> int:
    sell = week.result.orders.sell
    return int(sell.quantity[PRODUCT_GENERATION[sell.product] == generation].sum())


def _forced_offered(week: MarketWeek, generation: int) -> int:
    sell = week.result.orders.sell
    return int(sell.quantity[(PRODUCT_GENERATION[sell.product] == generation) & sell.forced].sum())


def _sold_rows(week: MarketWeek, generation: int) -> Bools:
    return np.asarray(PRODUCT_GENERATION[week.result.trades.product] == generation)


def _sold(week: MarketWeek, generation: int) -> int:
    return int(week.result.trades.quantity[_sold_rows(week, generation)].sum())


def _forced_sold(week: MarketWeek, generation: int) -> int:
    trades = week.result.trades
    forced = week.result.orders.sell.forced[trades.sell]
    return int(trades.quantity[_sold_rows(week, generation) & forced].sum())


def _trade_price(week: MarketWeek, generation: int) -> float:
    trades = week.result.trades
    used = _sold_rows(week, generation) & (PRODUCT_CONDITION[trades.product] != Condition.NEW)
    sold = int(trades.quantity[used].sum())
    return (
        float((trades.price_cents[used] * trades.quantity[used]).sum()) / sold / 100.0
        if sold
        else float("nan")
    )


def _standing(week: MarketWeek) -> int:
    lots = week.world.ledger.lots
    return int(lots.quantity[lots.status == LotStatus.FORCED].sum())


def _standing_of(week: MarketWeek, generation: int) -> int:
    lots = week.world.ledger.lots
    here = (lots.status == LotStatus.FORCED) & (PRODUCT_GENERATION[lots.product] == generation)
    return int(lots.quantity[here].sum())


WHOLE = (
    Column("week", Declared("week", "week of the run", WEEK), lambda week: week.week),
    Column(
        "date",
        Declared("date", "its Monday"),
        lambda week: week.world.drivers.dates[week.week].astype("datetime64[D]"),
    ),
    Column(
        "btc_usd",
        Declared("USD", "bitcoin", POSITIVE),
        lambda week: float(week.world.drivers.btc_usd[week.week]),
    ),
    Column(
        "hashprice_usd_per_ph_day",
        Declared("USD per PH/s and day", "hashprice", POSITIVE),
        lambda week: float(week.world.drivers.hashprice_usd_per_ph_day[week.week]),
    ),
    Column(
        "sofr",
        Declared("per year", "base rate", RATE),
        lambda week: float(week.world.drivers.sofr[week.week]),
    ),
    Column(
        "demand",
        Declared("log", "deviation of rent demand", ANY),
        lambda week: float(week.world.drivers.demand[week.week]),
    ),
    Column(
        "running_h100e",
        Declared("H100 equivalents", "running compute", POSITIVE),
        lambda week: week.world.running_h100_equivalents(),
    ),
    Column("forced_standing", Declared("GPUs", "forced lots still unsold", COUNT), _standing),
    Column(
        "surplus_usd",
        Declared("USD", "gains from trade", POSITIVE),
        lambda week: week.result.clearing.surplus / 100.0,
    ),
    Column("pivots", Declared("1", "work of the kernel", COUNT), lambda week: week.result.clearing.pivots),
)
PER_GENERATION = (
    PerGeneration(
        "rent_usd_per_hour",
        Declared("USD per GPU-hour", "contract rent", POSITIVE),
        lambda week, g: float(week.world.rents.contract_usd_per_hour[g]),
    ),
    PerGeneration(
        "clean_best_use_value_usd",
        Declared("USD per GPU", "best admissible use of a clean unit", POSITIVE),
        lambda week, g: float(week.best_use_value_usd[g]),
    ),
    PerGeneration(
        "typical_value_usd",
        Declared("USD per GPU", "value at the typical operator", POSITIVE),
        lambda week, g: float(week.view.market.typical_value_usd[product_of(g, Condition.CLEAN)]),
    ),
    PerGeneration(
        "trade_price_usd", Declared("USD per GPU", "mean price of used units sold", PRICE), _trade_price
    ),
    PerGeneration("offered", Declared("GPUs", "offered", COUNT), _offered),
    PerGeneration("sold", Declared("GPUs", "sold", COUNT), _sold),
    PerGeneration("forced_offered", Declared("GPUs", "offered under mandate", COUNT), _forced_offered),
    PerGeneration("forced_sold", Declared("GPUs", "sold under mandate", COUNT), _forced_sold),
    PerGeneration("forced_standing", Declared("GPUs", "under mandate and still unsold", COUNT), _standing_of),
    *(
        PerGeneration(f"{price}_usd", Declared("USD per GPU", meaning, PRICE), _quoted(price))
        for price, meaning in (
            ("best_use_value", "best admissible use of a forced unit as it is"),
            ("believed_value", "the same as buyers believe"),
            ("first_lot_price", "price of the first forced lot"),
            ("normal_volume_price", "price at normal weekly volume"),
            ("price", "clearing price of forced lots"),
            ("price_low", "lowest optimal price"),
            ("price_high", "highest optimal price"),
        )
    ),
)
# What the discount could start, after everything else of every generation.
DEPTH_PER_GENERATION = (
    PerGeneration(
        "depth_usd_per_percent",
        Declared("USD", "forced volume per 1 % fall between normal volume and this week's offer", DEPTH),
        depth,
    ),
    PerGeneration(
        "spiral_multiplier",
        Declared("ratio", "total over first fall if all operators kept their leverage constant", SPIRAL),
        spiral,
    ),
)
# What a new unit is worth over its price; NaN where a generation is not sold.
VALUE_OVER_LIST = PerGeneration(
    "value_over_list",
    Declared("ratio", "value of a new unit at the typical operator over its list price", PRICE),
    value_over_list,
)
WEEKLY: tuple[Column, ...] = (
    *WHOLE,
    *(Column(name, said, read) for name, said, read in CYCLE),
    *(column.of(g) for g in range(len(GENERATIONS)) for column in PER_GENERATION),
    *(column.of(g) for g in range(len(GENERATIONS)) for column in DEPTH_PER_GENERATION),
    *(VALUE_OVER_LIST.of(g) for g in range(len(GENERATIONS))),
)
# Table -> column -> unit, meaning and bounds: all a run can hold.
TABLES: Mapping[str, Mapping[str, Declared]] = {
    "weeks": {column.name: column.said for column in WEEKLY},
    "trades": TRADES,
    "pools": POOLS,
    "events": EVENTS,
    "agents": AGENTS,
    "loans": LOANS,
    "places": PLACES,
    "collateral": COLLATERAL,
    "anatomy": ANATOMY,
    "shapley": SHAPLEY,
    "shapley_interactions": INTERACTIONS,
    "loss_bridge": LOSS_BRIDGE,
    "drivers": DRIVERS,
}
