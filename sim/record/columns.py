"""Every column a run can write down, declared as data: its unit, its meaning and, for the weekly table, how it is read.

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
from sim.debt.loss_bridge import LOSS_BRIDGE
from sim.discount.anatomy import ANATOMY
from sim.discount.collateral import COLLATERAL, depth, spiral
from sim.discount.shapley import INTERACTIONS, SHAPLEY
from sim.drivers.drivers import DRIVERS
from sim.market.week import MarketWeek

TRADES = {
    "week": ("week", "week of the trade"),
    "generation": ("", "GPU generation"),
    "condition": ("", "condition when sold"),
    "seller": ("party", "row of the seller or of the liquidator acting for it"),
    "buyer": ("party", "row of the buyer"),
    "buyer_type": ("", "type of the buyer"),
    "origin_place": ("place", "where the units stood"),
    "destination_place": ("place", "where they go"),
    "seller_pool": ("pool", "pool they leave"),
    "buyer_pool": ("pool", "pool they are bought for"),
    "pool_kind": ("", "kind of the buyer's pool"),
    "quantity": ("GPUs", "whole units sold"),
    "price_cents": ("cents per GPU", "received by the seller at its pool"),
    "freight_cents": ("cents per GPU", "de-install, freight and re-install"),
    "slot_premium_cents": ("cents per GPU", "scarcity rent paid for the slot"),
    "power_rent_cents_per_watt": ("cents per watt", "shadow rent of power at the buyer's pool"),
    "cooling_rent_cents_per_watt": ("cents per watt", "shadow rent of cooling at the buyer's pool"),
    "forced": ("", "sold under a lender's mandate"),
    "channel": ("", "in_place, moved or new"),
    "best_use_value_cents": ("cents per GPU", "best admissible use"),
    "first_lot_price_cents": ("cents per GPU", "price of one lot; 0 where the class is not forced"),
}
AGENTS = {
    "week": ("week", "week of the row"),
    "party": ("party", "row of the party"),
    "name": ("", "name of the party"),
    "type": ("", "agent type"),
    "cash_cents": ("cents", "cash"),
    "debt_cents": ("cents", "debt owed"),
    "bitcoin_satoshi": ("satoshi", "bitcoin held"),
    "gpus": ("GPUs", "GPUs owned"),
    "idle_gpus": ("GPUs", "GPUs owned that do not run"),
    "net_asset_value_cents": ("cents", "cash and GPUs at last prices less debt"),
    "standing": ("", "where it stands with its lenders"),
    "financing": ("", "hedge, speculative or ponzi by last quarter's income; empty without debt service"),
    "coverage": ("ratio", "income over debt service, last quarter"),
    "interest_coverage": ("ratio", "income over interest, last quarter"),
    "slot_arrears_cents": ("cents", "slot rent due and not paid"),
    "on_order_cents": ("cents", "due on delivery of new units"),
}
LOANS = {
    "week": ("week", "week of the row"),
    "loan": ("loan", "row of the loan"),
    "debtor": ("party", "who owes"),
    "creditor": ("party", "who is owed"),
    "kind": ("", "contract"),
    "balance_cents": ("cents", "balance"),
    "overdue_cents": ("cents", "payments due and not made"),
    "months_left": ("months", "to the last payment"),
    "rate": ("per year", "rate"),
    "status": ("", "state"),
}
EVENTS = {
    "week": ("week", "when"),
    "kind": ("", "what happened"),
    "party": ("party", "to whom"),
    "counterparty": ("party", "with whom, -1 nobody"),
    "generation": ("", "hardware concerned"),
    "quantity": ("GPUs", "how many"),
    "cents": ("cents", "amount, per GPU for sales"),
    "detail": ("", "more"),
}
POOLS = {
    "week": ("week", "when"),
    "pool": ("pool", "pool"),
    "place": ("place", "place of the pool"),
    "kind": ("", "kind of pool"),
    "headroom_watts": ("IT watts", "room before the clearing"),
    "power_rent_cents_per_watt": ("cents per watt", "shadow rent of power"),
    "cooling_rent_cents_per_watt": ("cents per watt", "shadow rent of cooling"),
}
PLACES = {
    "place": ("place", "row of the place"),
    "name": ("", "locality"),
    "latitude": ("degrees", "latitude"),
    "longitude": ("degrees", "longitude"),
    "country": ("", "country"),
    "kind": ("", "kind of site"),
    "it_watts": ("IT watts", "operational"),
    "liquid_watts": ("IT watts", "of these liquid-ready"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the weekly table, read when the week is settled."""

    name: str
    unit: str
    meaning: str
    read: Callable[[MarketWeek], Any]


@dataclass(frozen=True, slots=True)
class PerGeneration:
    """A template: one column for each GPU generation, its name and meaning ending in the generation's."""

    name: str
    unit: str
    meaning: str
    read: Callable[[MarketWeek, int], float]

    def of(self, generation: int) -> Column:
        """The column of one generation."""
        called = GENERATIONS[generation]
        return Column(
            f"{self.name}_{called}",
            self.unit,
            f"{self.meaning}, {called}",
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
    Column("week", "week", "week of the run", lambda week: week.week),
    Column(
        "date", "date", "its Monday", lambda week: week.world.drivers.dates[week.week].astype("datetime64[D]")
    ),
    Column("btc_usd", "USD", "bitcoin", lambda week: float(week.world.drivers.btc_usd[week.week])),
    Column(
        "hashprice_usd_per_ph_day",
        "USD per PH/s and day",
        "hashprice",
        lambda week: float(week.world.drivers.hashprice_usd_per_ph_day[week.week]),
    ),
    Column("sofr", "per year", "base rate", lambda week: float(week.world.drivers.sofr[week.week])),
    Column(
        "demand",
        "log",
        "deviation of rent demand",
        lambda week: float(week.world.drivers.demand[week.week]),
    ),
    Column(
        "running_h100e",
        "H100 equivalents",
        "running compute",
        lambda week: week.world.running_h100_equivalents(),
    ),
    Column("forced_standing", "GPUs", "forced lots still unsold", _standing),
    Column("surplus_usd", "USD", "gains from trade", lambda week: week.result.clearing.surplus / 100.0),
    Column("pivots", "1", "work of the kernel", lambda week: week.result.clearing.pivots),
)
PER_GENERATION = (
    PerGeneration(
        "rent_usd_per_hour",
        "USD per GPU-hour",
        "contract rent",
        lambda week, g: float(week.world.rents.contract_usd_per_hour[g]),
    ),
    PerGeneration(
        "clean_best_use_value_usd",
        "USD per GPU",
        "best admissible use of a clean unit",
        lambda week, g: float(week.best_use_value_usd[g]),
    ),
    PerGeneration(
        "typical_value_usd",
        "USD per GPU",
        "value at the typical operator",
        lambda week, g: float(week.view.market.typical_value_usd[product_of(g, Condition.CLEAN)]),
    ),
    PerGeneration("trade_price_usd", "USD per GPU", "mean price of used units sold", _trade_price),
    PerGeneration("offered", "GPUs", "offered", _offered),
    PerGeneration("sold", "GPUs", "sold", _sold),
    PerGeneration("forced_offered", "GPUs", "offered under mandate", _forced_offered),
    PerGeneration("forced_sold", "GPUs", "sold under mandate", _forced_sold),
    PerGeneration("forced_standing", "GPUs", "under mandate and still unsold", _standing_of),
    *(
        PerGeneration(f"{price}_usd", "USD per GPU", meaning, _quoted(price))
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
        "USD",
        "forced volume per 1 % fall between normal volume and this week's offer",
        depth,
    ),
    PerGeneration(
        "spiral_multiplier",
        "ratio",
        "total over first fall if all operators kept their leverage constant",
        spiral,
    ),
)
WEEKLY: tuple[Column, ...] = (
    *WHOLE,
    *(column.of(g) for g in range(len(GENERATIONS)) for column in PER_GENERATION),
    *(column.of(g) for g in range(len(GENERATIONS)) for column in DEPTH_PER_GENERATION),
)
# Table -> column -> unit and meaning: all a run can hold.
TABLES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "weeks": {column.name: (column.unit, column.meaning) for column in WEEKLY},
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
