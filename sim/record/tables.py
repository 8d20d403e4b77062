"""What is written down every week, with the unit and meaning of every column."""

from typing import TYPE_CHECKING, Any

import numpy as np

from agents.vocabulary import (
    CONDITIONS,
    GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    AgentKind,
    Condition,
    LotStatus,
    PoolKind,
    product_of,
)
from sim.discount import collateral
from sim.state.ledger import LoanKind, LoanStatus
from sim.state.standing import Standing, financing_tags

if TYPE_CHECKING:
    from sim.model import FireSaleModel

AGENT_INTERVAL = 4  # weeks between rows of agents and loans

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
    "reference_value_cents": ("cents per GPU", "best admissible use"),
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


def record_run(model: "FireSaleModel") -> None:
    """Write what does not change: the places."""
    places = model.world.topology.places
    columns = {
        "place": np.arange(places.n),
        "name": np.array(places.name),
        "latitude": places.lat,
        "longitude": places.lon,
        "country": places.country,
        "kind": places.kind,
        "it_watts": places.it_watts,
        "liquid_watts": places.liquid_watts,
    }
    model.recorder.rows("places", columns, PLACES)


def record_week(model: "FireSaleModel", week: int) -> None:
    """Write the week: one wide row, and rows of trades, events, pools, and now and then agents and loans."""
    model.recorder.week(_weekly(model, week) | collateral.weekly(model))
    _trades(model, week)
    _pools(model, week)
    _events(model)
    if collateral.due(week):
        model.recorder.rows("collateral", collateral.rows(model, week), collateral.COLLATERAL)
    if week % AGENT_INTERVAL == 0 or week == model.n_weeks - 1:
        _agents(model, week)
        _loans(model, week)


def _weekly(model: "FireSaleModel", week: int) -> dict[str, tuple[Any, str, str]]:
    world, lots, result = model.world, model.world.ledger.lots, model.result
    assert result is not None
    drivers = world.drivers
    standing = lots.status == LotStatus.FORCED
    row: dict[str, tuple[Any, str, str]] = {
        "week": (week, "week", "week of the run"),
        "date": (drivers.dates[week].astype("datetime64[D]"), "date", "its Monday"),
        "btc_usd": (float(drivers.btc_usd[week]), "USD", "bitcoin"),
        "hashprice_usd_per_ph_day": (
            float(drivers.hashprice_usd_per_ph_day[week]),
            "USD per PH/s and day",
            "hashprice",
        ),
        "sofr": (float(drivers.sofr[week]), "per year", "base rate"),
        "demand": (float(drivers.demand[week]), "log", "deviation of rent demand"),
        "running_h100e": (world.running_h100_equivalents(), "H100 equivalents", "running compute"),
        "forced_standing": (
            int(lots.quantity[standing].sum()),
            "GPUs",
            "forced lots still unsold",
        ),
        "surplus_usd": (result.clearing.surplus / 100.0, "USD", "gains from trade"),
        "pivots": (result.clearing.pivots, "1", "work of the kernel"),
    }
    sell, trades = result.orders.sell, result.trades
    forced = sell.forced[trades.sell]
    for g, name in enumerate(GENERATIONS):
        quote = next((q for q in model.quotes if PRODUCT_GENERATION[q.product] == g), None)
        offered = PRODUCT_GENERATION[sell.product] == g
        sold = PRODUCT_GENERATION[trades.product] == g
        product = product_of(g, Condition.CLEAN)
        used = sold & (PRODUCT_CONDITION[trades.product] != Condition.NEW)
        traded = int(trades.quantity[used].sum())
        mean = (
            float((trades.price[used] * trades.quantity[used]).sum()) / traded / 100.0 if traded else np.nan
        )
        row |= {
            f"rent_usd_per_hour_{name}": (float(world.rent[g]), "USD per GPU-hour", f"contract rent, {name}"),
            f"fundamental_usd_{name}": (
                float(model.reference[g]),
                "USD per GPU",
                f"best admissible use, {name}",
            ),
            f"typical_value_usd_{name}": (
                float(model.view.reference_value[product]),
                "USD per GPU",
                f"value at the typical operator, {name}",
            ),
            f"trade_price_usd_{name}": (mean, "USD per GPU", f"mean price of used units sold, {name}"),
            f"offered_{name}": (int(sell.quantity[offered].sum()), "GPUs", f"offered, {name}"),
            f"sold_{name}": (int(trades.quantity[sold].sum()), "GPUs", f"sold, {name}"),
            f"forced_offered_{name}": (
                int(sell.quantity[offered & sell.forced].sum()),
                "GPUs",
                f"offered under mandate, {name}",
            ),
            f"forced_sold_{name}": (
                int(trades.quantity[sold & forced].sum()),
                "GPUs",
                f"sold under mandate, {name}",
            ),
            f"forced_standing_{name}": (
                int(lots.quantity[standing & (PRODUCT_GENERATION[lots.product] == g)].sum()),
                "GPUs",
                f"under mandate and still unsold, {name}",
            ),
        }
        for column, meaning in (
            ("reference_value", "best admissible use of a forced unit as it is"),
            ("believed_value", "the same as buyers believe"),
            ("first_lot_price", "price of the first forced lot"),
            ("normal_volume_price", "price at normal weekly volume"),
            ("price", "clearing price of forced lots"),
            ("price_low", "lowest optimal price"),
            ("price_high", "highest optimal price"),
        ):
            value = getattr(quote, column) if quote is not None else np.nan
            row[f"{column}_usd_{name}"] = (float(value), "USD per GPU", f"{meaning}, {name}")
    return row


def _trades(model: "FireSaleModel", week: int) -> None:
    result, world = model.result, model.world
    assert result is not None
    trades, n = result.trades, result.trades.n
    if n == 0:
        return
    first, pools = world.topology.places.n, world.topology
    source, target = trades.seller_node - first, trades.buyer_node - first
    generation = PRODUCT_GENERATION[trades.product]
    first_lot = np.maximum(world.first_lot_price, 0)
    seller, buyer = result.orders.sell.party[trades.sell], result.orders.buy.party[trades.buy]
    new = PRODUCT_CONDITION[trades.product] == Condition.NEW
    columns = {
        "week": np.full(n, week),
        "generation": np.array(GENERATIONS)[generation],
        "condition": np.array(CONDITIONS)[PRODUCT_CONDITION[trades.product]],
        "seller": seller,
        "buyer": buyer,
        "buyer_type": np.array([AgentKind(k).name.lower() for k in world.ledger.parties.kind[buyer]]),
        "origin_place": pools.pool_place[source],
        "destination_place": pools.pool_place[target],
        "seller_pool": source,
        "buyer_pool": target,
        "pool_kind": np.array([PoolKind(k).name.lower() for k in pools.pool_kind[target]]),
        "quantity": trades.quantity,
        "price_cents": trades.price,
        "freight_cents": trades.freight,
        "slot_premium_cents": model.slot_rents,
        "power_rent_cents_per_watt": result.clearing.power_rent[trades.buyer_node],
        "cooling_rent_cents_per_watt": result.clearing.cooling_rent[trades.buyer_node],
        "forced": result.orders.sell.forced[trades.sell],
        "channel": np.where(new, "new", np.where(source == target, "in_place", "moved")),
        "reference_value_cents": np.rint(model.reference[generation] * 100).astype(np.int64),
        "first_lot_price_cents": first_lot[trades.product],
    }
    model.recorder.rows("trades", columns, TRADES)


def _pools(model: "FireSaleModel", week: int) -> None:
    result, world = model.result, model.world
    assert result is not None
    first = world.topology.places.n
    power, cooling = result.clearing.power_rent[first:], result.clearing.cooling_rent[first:]
    room = result.orders.book.power[first:]
    rows = np.flatnonzero(((power > 0) | (cooling > 0)) & (room > 0))
    if len(rows) == 0:
        return
    columns = {
        "week": np.full(len(rows), week),
        "pool": rows,
        "place": world.topology.pool_place[rows],
        "kind": np.array([PoolKind(k).name.lower() for k in world.topology.pool_kind[rows]]),
        "headroom_watts": room[rows],
        "power_rent_cents_per_watt": power[rows],
        "cooling_rent_cents_per_watt": cooling[rows],
    }
    model.recorder.rows("pools", columns, POOLS)


def _events(model: "FireSaleModel") -> None:
    events = model.world.events
    if not events:
        return
    columns = {
        "week": np.array([e.week for e in events]),
        "kind": np.array([e.kind for e in events]),
        "party": np.array([e.party for e in events]),
        "counterparty": np.array([e.counterparty for e in events]),
        "generation": np.array(
            [GENERATIONS[PRODUCT_GENERATION[e.product]] if e.product >= 0 else "" for e in events]
        ),
        "quantity": np.array([e.quantity for e in events]),
        "cents": np.array([e.cents for e in events]),
        "detail": np.array([e.detail for e in events]),
    }
    model.recorder.rows("events", columns, EVENTS)
    events.clear()


def _agents(model: "FireSaleModel", week: int) -> None:
    world, parties, lots = model.world, model.world.ledger.parties, model.world.ledger.lots
    rows = np.flatnonzero(parties.kind != AgentKind.INSTITUTION)
    owned, idle = np.zeros(parties.n, dtype=np.int64), np.zeros(parties.n, dtype=np.int64)
    value = np.zeros(parties.n)
    np.add.at(owned, lots.owner, lots.quantity)
    still = lots.status != LotStatus.RUNNING
    np.add.at(idle, lots.owner[still], lots.quantity[still])
    np.add.at(value, lots.owner, lots.quantity * world.price[lots.product, lots.pool])
    debt = world.ledger.debt()
    cover, interest = world.credit.coverage(), world.credit.interest_coverage()
    ordered = np.zeros(parties.n, dtype=np.int64)
    np.add.at(ordered, world.ledger.orders.buyer, world.ledger.orders.unpaid)
    worth = parties.cash - debt + np.rint(value * 100).astype(np.int64)
    columns = {
        "week": np.full(len(rows), week),
        "party": rows,
        "name": np.array([parties.name[r] for r in rows]),
        "type": np.array([AgentKind(k).name.lower() for k in parties.kind[rows]]),
        "cash_cents": parties.cash[rows],
        "debt_cents": debt[rows],
        "bitcoin_satoshi": parties.bitcoin[rows],
        "gpus": owned[rows],
        "idle_gpus": idle[rows],
        "net_asset_value_cents": worth[rows],
        "standing": np.array([Standing(s).name.lower() for s in world.credit.standing[rows]]),
        "financing": np.array(financing_tags(cover, interest))[rows],
        "coverage": cover[rows],
        "interest_coverage": interest[rows],
        "slot_arrears_cents": world.slot_arrears[rows].sum(axis=1),
        "on_order_cents": ordered[rows],
    }
    model.recorder.rows("agents", columns, AGENTS)


def _loans(model: "FireSaleModel", week: int) -> None:
    loans = model.world.ledger.loans
    columns = {
        "week": np.full(loans.n, week),
        "loan": np.arange(loans.n),
        "debtor": loans.debtor,
        "creditor": loans.creditor,
        "kind": np.array([LoanKind(k).name.lower() for k in loans.kind]),
        "balance_cents": loans.balance,
        "overdue_cents": loans.overdue,
        "months_left": loans.months_left,
        "rate": loans.rate,
        "status": np.array([LoanStatus(s).name.lower() for s in loans.status]),
    }
    model.recorder.rows("loans", columns, LOANS)
