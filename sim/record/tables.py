"""What is written down of a run. Only this module writes to the recorder, in the columns `sim.record.columns` declares."""

from collections.abc import Collection

import numpy as np

from agents.vocabulary import (
    CONDITIONS,
    GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    WEEKS_PER_YEAR,
    AgentKind,
    Condition,
    LotStatus,
    PoolKind,
)
from sim.base.recorder import Recorder
from sim.discount import anatomy, collateral, shapley
from sim.market.settlement import slot_premiums
from sim.market.week import MarketWeek
from sim.places.topology import Topology
from sim.record.columns import WEEKLY
from sim.state.ledger import LoanKind, LoanStatus
from sim.state.standing import Standing, financing_tags

AGENT_INTERVAL = 4  # weeks between rows of agents and loans


def record_run(recorder: Recorder, topology: Topology) -> None:
    """Write what does not change: the places."""
    places = topology.places
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
    recorder.rows("places", columns)


def record_anatomy(recorder: Recorder, week: MarketWeek) -> None:
    """Write why prices are below value, before the week is settled."""
    if recorder.keeps("anatomy") and (week.result.orders.sell.quantity > 0).any():
        recorder.rows("anatomy", anatomy.columns(week))


def record_shapley(recorder: Recorder, week: MarketWeek, products: Collection[int]) -> None:
    """Write which friction costs what of some forced classes, before the week is settled."""
    if not (recorder.keeps("shapley") or recorder.keeps("shapley_interactions")):
        return
    for table, columns in shapley.tables(week, products).items():
        recorder.rows(table, columns)


def record_week(recorder: Recorder, week: MarketWeek) -> None:
    """Write the settled week: one wide row, and rows of trades, events, pools, and now and then agents and loans."""
    recorder.week({column.name: column.read(week) for column in WEEKLY})
    due = {"trades": _trades, "pools": _pools, "events": _events}
    if collateral.due(week.week):
        due["collateral"] = _collateral
    if week.week % AGENT_INTERVAL == 0 or week.week == week.world.drivers.n_weeks - 1:
        due |= {"agents": _agents, "loans": _loans}
    for table, write in due.items():
        if recorder.keeps(table):
            write(recorder, week)
    week.world.events.clear()


def _collateral(recorder: Recorder, week: MarketWeek) -> None:
    recorder.rows("collateral", collateral.rows(week))


def _trades(recorder: Recorder, week: MarketWeek) -> None:
    result, world = week.result, week.world
    trades, n = result.trades, result.trades.n
    if n == 0:
        return
    first, pools = result.venue.first_node, world.topology
    source, target = trades.seller_node - first, trades.buyer_node - first
    generation = PRODUCT_GENERATION[trades.product]
    first_lot = np.maximum(world.market.first_lot_price_cents, 0)
    seller, buyer = result.orders.sell.party[trades.sell], result.orders.buy.party[trades.buy]
    new = PRODUCT_CONDITION[trades.product] == Condition.NEW
    columns = {
        "week": np.full(n, week.week),
        "generation": np.array(GENERATIONS)[generation],
        "condition": np.array(CONDITIONS)[PRODUCT_CONDITION[trades.product]],
        "seller": seller,
        "buyer": buyer,
        "buyer_type": np.array([world.ledger.parties.type[b] for b in buyer], dtype=str),
        "origin_place": pools.pool_place[source],
        "destination_place": pools.pool_place[target],
        "seller_pool": source,
        "buyer_pool": target,
        "pool_kind": np.array([PoolKind(k).name.lower() for k in pools.pool_kind[target]], dtype=str),
        "quantity": trades.quantity,
        "age_years": np.where(new, 0.0, world.market.sold_age_weeks / WEEKS_PER_YEAR),
        "price_cents": trades.price_cents,
        "freight_cents": trades.freight_cents,
        "slot_premium_cents": slot_premiums(world, result),
        "power_rent_cents_per_watt": result.clearing.power_rent[trades.buyer_node],
        "cooling_rent_cents_per_watt": result.clearing.cooling_rent[trades.buyer_node],
        "forced": result.orders.sell.forced[trades.sell],
        "channel": np.where(new, "new", np.where(source == target, "in_place", "moved")),
        "best_use_value_cents": np.rint(week.best_use_value_usd[generation] * 100).astype(np.int64),
        "first_lot_price_cents": first_lot[trades.product],
    }
    recorder.rows("trades", columns)


def _pools(recorder: Recorder, week: MarketWeek) -> None:
    result, world = week.result, week.world
    first = result.venue.first_node
    power, cooling = result.clearing.power_rent[first:], result.clearing.cooling_rent[first:]
    room = result.orders.book.power[first:]
    rows = np.flatnonzero(((power > 0) | (cooling > 0)) & (room > 0))
    if len(rows) == 0:
        return
    columns = {
        "week": np.full(len(rows), week.week),
        "pool": rows,
        "place": world.topology.pool_place[rows],
        "kind": np.array([PoolKind(k).name.lower() for k in world.topology.pool_kind[rows]], dtype=str),
        "headroom_watts": room[rows],
        "power_rent_cents_per_watt": power[rows],
        "cooling_rent_cents_per_watt": cooling[rows],
    }
    recorder.rows("pools", columns)


def _events(recorder: Recorder, week: MarketWeek) -> None:
    events = week.world.events
    if not events:
        return
    columns = {
        "week": np.array([e.week for e in events], dtype=np.int64),
        "kind": np.array([e.kind for e in events], dtype=str),
        "party": np.array([e.party for e in events], dtype=np.int64),
        "counterparty": np.array([e.counterparty for e in events], dtype=np.int64),
        "generation": np.array(
            [GENERATIONS[PRODUCT_GENERATION[e.product]] if e.product >= 0 else "" for e in events]
        ),
        "quantity": np.array([e.quantity for e in events], dtype=np.int64),
        "cents": np.array([e.cents for e in events], dtype=np.int64),
        "detail": np.array([e.detail for e in events], dtype=str),
    }
    recorder.rows("events", columns)


def _agents(recorder: Recorder, week: MarketWeek) -> None:
    world = week.world
    parties, lots = world.ledger.parties, world.ledger.lots
    rows = np.flatnonzero(parties.kind != AgentKind.INSTITUTION)
    owned, idle = np.zeros(parties.n, dtype=np.int64), np.zeros(parties.n, dtype=np.int64)
    value = np.zeros(parties.n)
    np.add.at(owned, lots.owner, lots.quantity)
    still = lots.status != LotStatus.RUNNING
    np.add.at(idle, lots.owner[still], lots.quantity[still])
    np.add.at(value, lots.owner, lots.quantity * world.market.price_usd[lots.product, lots.pool])
    debt = world.ledger.debt_cents()
    cover, interest = world.credit.coverage(), world.credit.interest_coverage()
    ordered = np.zeros(parties.n, dtype=np.int64)
    np.add.at(ordered, world.ledger.orders.buyer, world.ledger.orders.unpaid_cents)
    worth = parties.cash_cents - debt + np.rint(value * 100).astype(np.int64)
    columns = {
        "week": np.full(len(rows), week.week),
        "party": rows,
        "name": np.array([parties.name[r] for r in rows], dtype=str),
        "type": np.array([parties.type[r] for r in rows], dtype=str),
        "cash_cents": parties.cash_cents[rows],
        "debt_cents": debt[rows],
        "bitcoin_satoshi": parties.bitcoin_satoshi[rows],
        "gpus": owned[rows],
        "idle_gpus": idle[rows],
        "net_asset_value_cents": worth[rows],
        "standing": np.array([Standing(s).name.lower() for s in world.credit.standing[rows]], dtype=str),
        "financing": np.array(financing_tags(cover, interest))[rows],
        "coverage": cover[rows],
        "interest_coverage": interest[rows],
        "slot_arrears_cents": world.slots.arrears_cents[rows].sum(axis=1),
        "on_order_cents": ordered[rows],
    }
    recorder.rows("agents", columns)


def _loans(recorder: Recorder, week: MarketWeek) -> None:
    loans = week.world.ledger.loans
    columns = {
        "week": np.full(loans.n, week.week),
        "loan": np.arange(loans.n),
        "debtor": loans.debtor,
        "creditor": loans.creditor,
        "kind": np.array([LoanKind(k).name.lower() for k in loans.kind], dtype=str),
        "balance_cents": loans.balance_cents,
        "overdue_cents": loans.overdue_cents,
        "months_left": loans.months_left,
        "rate": loans.rate,
        "status": np.array([LoanStatus(s).name.lower() for s in loans.status], dtype=str),
    }
    recorder.rows("loans", columns)
