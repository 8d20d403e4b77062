"""Settlement by hand: one trade into each kind of pool, and what cannot be sold."""

import copy

import numpy as np
import pytest
from credit_worlds import closes
from settled_worlds import (
    AGENT,
    BANK,
    CLOUD,
    GB200,
    H100,
    H100_AS_IS,
    H100_NEW,
    MAKER,
    MINER,
    WEEK,
    flows,
    fresh_world,
    give,
    in_place,
    owe,
    place_of,
    pool_of,
    seize,
    settle,
    title_of,
    trade,
    units_of,
    watts_of,
)

from agents.vocabulary import (
    PRODUCT_LIQUID,
    LotStatus,
    PoolKind,
)
from sim.state.ledger import Account
from sim.state.world import REST_OF_WORLD, World


@pytest.fixture
def world() -> World:
    return fresh_world()


# -- by kind of pool -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "leased", "weeks"),
    [
        (PoolKind.PRIVATE, False, 3),
        (PoolKind.OPEN, True, 3),
        (PoolKind.FORWARD, True, 3),
        (PoolKind.WAREHOUSE, False, 0),
    ],
)
def test_a_sale_into_each_kind_of_pool(world: World, kind: PoolKind, leased: bool, weeks: int) -> None:
    """Price to the seller, freight to the carrier, the rent of a leased slot to its host; transit and re-installation.

    Units that are sold leave the contract they served.
    """
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, kind, not_at=place_of(world, source))
    lot = give(world, MINER, source, 16, contract=0)
    power = world.capacity.power_watts.copy()
    # 0.9 cents per watt: 1,147.5 cents per GPU of 1,275 W, rounded down.
    settle(world, trade(MINER, CLOUD, source, target), rent={target: 0.9, source: 7.0}, wet=50.0)
    host = int(world.slots.host[place_of(world, target)])
    expected = {
        (MINER, "HARDWARE"): 16_000_000,
        (CLOUD, "HARDWARE"): -16_000_000,
        (CLOUD, "FREIGHT"): -800_000,
        (REST_OF_WORLD, "FREIGHT"): 800_000,
    }
    if leased:
        expected |= {(CLOUD, "SLOT_PREMIUM"): -16 * 1_147, (host, "SLOT_PREMIUM"): 16 * 1_147}
    assert flows(world) == expected
    transit = world.topology.transit_weeks(place_of(world, source), place_of(world, target))
    stored = kind == PoolKind.WAREHOUSE
    assert title_of(world, lot) == {
        "product": H100, "vintage": -60, "quantity": 16, "pool": target, "owner": CLOUD, "lien": -1,
        "status": LotStatus.INVENTORY if stored else LotStatus.IN_TRANSIT, "arrival": WEEK + transit + weeks,
        "liquidator": -1, "deadline": -1, "contract": -1,
    }  # fmt: skip
    assert np.array_equal(world.capacity.power_watts, power)
    event = world.events[-1]
    assert (event.week, event.kind, event.party, event.counterparty) == (WEEK, "sale", MINER, CLOUD)
    assert (event.product, event.quantity, event.cents) == (H100, 16, 1_000_000)
    closes(world)


def test_a_rack_pays_the_rent_of_its_cooling_too(world: World) -> None:
    """72 GPUs of 120 kW: 1,666.67 W each at 0.9 and 0.3 cents."""
    source = pool_of(world, PoolKind.PRIVATE, liquid=True)
    target = pool_of(world, PoolKind.OPEN, not_at=place_of(world, source), liquid=True)
    give(world, MINER, source, 72, product=GB200)
    settle(
        world, trade(MINER, CLOUD, source, target, product=GB200, quantity=72), rent={target: 0.9}, wet=0.3
    )
    assert flows(world)[CLOUD, "SLOT_PREMIUM"] == -72 * 2_000
    closes(world)


def test_a_miner_switches_machines_off_for_a_rack(world: World) -> None:
    """Displaced watts: 2,000 USD of retrofit a kW, 39 weeks more, and the watts go to the miner's own hall."""
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.DISPLACED, not_at=place_of(world, source))
    place, free = place_of(world, target), world.headroom()[0][target]
    miner = int(world.slots.holder[target])
    home = world.pool_at(place, PoolKind.PRIVATE, miner)
    lot = give(world, CLOUD, source, 16)
    before = [column.copy() for column in (world.capacity.power_watts, world.capacity.mining_watts)]
    settle(world, trade(CLOUD, miner, source, target), rent={target: 0.9})
    watts = 20_400
    assert flows(world) == {
        (CLOUD, "HARDWARE"): 16_000_000,
        (miner, "HARDWARE"): -16_000_000,
        (miner, "FREIGHT"): -800_000,
        (miner, "RETROFIT"): -4_080_000,
        (REST_OF_WORLD, "FREIGHT"): 800_000,
        (REST_OF_WORLD, "RETROFIT"): 4_080_000,
    }
    transit = world.topology.transit_weeks(place_of(world, source), place)
    assert (title_of(world, lot)["pool"], title_of(world, lot)["arrival"]) == (home, WEEK + transit + 3 + 39)
    moved = np.zeros(world.topology.n_pools, dtype=np.int64)
    moved[[target, home]] = -watts, watts
    assert np.array_equal(world.capacity.power_watts - before[0], moved)
    assert np.array_equal(world.capacity.mining_watts - before[1], np.minimum(moved, 0))
    assert world.headroom()[0][target] == free - watts
    retrofit = next(event for event in world.events if event.kind == "retrofit")
    assert (retrofit.week, retrofit.party, retrofit.quantity, retrofit.cents) == (WEEK, miner, 16, 4_080_000)
    closes(world)


@pytest.mark.parametrize(("product", "quantity", "wet"), [(H100, 16, 0), (GB200, 72, 120_000)])
def test_a_sale_where_the_lot_stands(world: World, product: int, quantity: int, wet: int) -> None:
    """No journey, one week; the slot goes with the lot and its rent to the estate, that is to the lender.

    The contract it served does not go with it.
    """
    lot, pool, loan, home = in_place(world, product, quantity)
    world.ledger.lots.contract[lot] = 0
    watts = watts_of(world, product, quantity)
    power, liquid = world.capacity.power_watts.copy(), world.capacity.liquid_watts.copy()
    arc = trade(AGENT, MINER, pool, pool, product=product, quantity=quantity, freight=0, forced=True)
    settle(world, arc, rent={pool: 0.9})
    rent = int(0.9 * watts / quantity)
    gross = 1_000_000 * quantity
    fee, enforcement = gross * 8 // 100, gross * 4 // 100
    assert flows(world) == {
        (MINER, "PROCEEDS"): -gross,
        (BANK, "PROCEEDS"): gross,
        (MINER, "SLOT_PREMIUM"): -rent * quantity,
        (BANK, "SLOT_PREMIUM"): rent * quantity,
        (BANK, "FEE"): -fee,
        (AGENT, "FEE"): fee,
        (BANK, "ENFORCEMENT"): -enforcement,
        (REST_OF_WORLD, "ENFORCEMENT"): enforcement,
    }
    applied = gross - fee - enforcement + rent * quantity
    assert world.ledger.loans.balance_cents[loan] == 100_000_000 - applied
    assert world.ledger.repaid == applied
    found = title_of(world, lot)
    assert (found["owner"], found["pool"], found["lien"], found["liquidator"]) == (MINER, home, -1, -1)
    assert (found["deadline"], found["arrival"], found["status"]) == (-1, WEEK + 1, LotStatus.IN_TRANSIT)
    assert found["contract"] == -1
    gone = np.zeros(world.topology.n_pools, dtype=np.int64)
    gone[[pool, home]] = -watts, watts
    assert np.array_equal(world.capacity.power_watts - power, gone)
    assert world.capacity.liquid_watts[home] - liquid[home] >= wet
    closes(world)


@pytest.mark.parametrize(("product", "quantity"), [(H100, 16), (GB200, 72)])
def test_a_seized_lot_that_moves_leaves_its_slot_to_the_host(
    world: World, product: int, quantity: int
) -> None:
    """The rent of the new slot goes to its host and not to the estate."""
    lot, pool, _, home = in_place(world, product, quantity)
    liquid = bool(PRODUCT_LIQUID[product])
    target = pool_of(world, PoolKind.OPEN, not_at=place_of(world, pool), liquid=liquid)
    watts, power = watts_of(world, product, quantity), world.capacity.power_watts.copy()
    settle(
        world,
        trade(AGENT, MINER, pool, target, product=product, quantity=quantity, forced=True),
        rent={target: 0.9},
    )
    host = int(world.slots.host[place_of(world, target)])
    rent = int(0.9 * watts / quantity) * quantity
    found = flows(world)
    assert (found[MINER, "SLOT_PREMIUM"], found[host, "SLOT_PREMIUM"]) == (-rent, rent)
    assert (BANK, "SLOT_PREMIUM") not in found
    assert title_of(world, lot)["pool"] == target
    gone = np.zeros(world.topology.n_pools, dtype=np.int64)
    gone[[pool, home]] = -watts, watts
    assert np.array_equal(world.capacity.power_watts - power, gone)
    if liquid:
        assert world.capacity.liquid_watts[pool] == 0
    closes(world)


def test_an_idle_lot_leaves_its_own_hall_as_it_is(world: World) -> None:
    """Only slots of seized lots fall to the host; a lot sold where it stands by its owner pays the rent to the host."""
    pool = pool_of(world, PoolKind.OPEN)
    give(world, MINER, pool, 16)
    power = world.capacity.power_watts.copy()
    settle(world, trade(MINER, CLOUD, pool, pool, freight=0), rent={pool: 0.9})
    host = int(world.slots.host[place_of(world, pool)])
    assert flows(world)[host, "SLOT_PREMIUM"] == 16 * 1_147
    assert np.array_equal(world.capacity.power_watts, power)
    assert world.ledger.lots.arrival[-1] == WEEK + 1
    closes(world)


def test_new_units_are_ordered_and_not_paid(world: World) -> None:
    """A fifth down to the maker, freight in full, 13 weeks more; they are clean when they come."""
    dock = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.OPEN, not_at=place_of(world, dock))
    settle(world, trade(MAKER, CLOUD, dock, target, product=H100_NEW), rent={target: 0.9})
    host = int(world.slots.host[place_of(world, target)])
    assert flows(world) == {
        (CLOUD, "HARDWARE"): -3_200_000,
        (MAKER, "HARDWARE"): 3_200_000,
        (CLOUD, "FREIGHT"): -800_000,
        (REST_OF_WORLD, "FREIGHT"): 800_000,
        (CLOUD, "SLOT_PREMIUM"): -16 * 1_147,
        (host, "SLOT_PREMIUM"): 16 * 1_147,
    }
    due = WEEK + world.topology.transit_weeks(place_of(world, dock), place_of(world, target)) + 3 + 13
    assert title_of(world, world.ledger.lots.n - 1) == {
        "product": H100, "vintage": due, "quantity": 16, "pool": target, "owner": CLOUD, "lien": -1,
        "status": LotStatus.IN_TRANSIT, "arrival": due, "liquidator": -1, "deadline": -1, "contract": -1,
    }  # fmt: skip
    orders = world.ledger.orders
    assert (orders.n, orders.buyer[0], orders.product[0], orders.arrival[0], orders.gpus[0]) == (
        1,
        CLOUD,
        H100,
        due,
        16,
    )
    assert (orders.unpaid_cents[0], orders.cost_cents[0]) == (12_800_000, (1_000_000 + 50_000 + 1_147) * 16)
    # Nobody has signed a loan for them, and no tenant waits for them.
    assert (orders.contract[0], orders.lender[0], orders.commitment_cents[0]) == (-1, -1, 0)
    closes(world)


# Deposit, freight and slot premium of 16 H100, due with the order.
DUE = 16 * (200_000 + 50_000 + 1_147)


def ordering(world: World, cash: int, *, sells: bool) -> list[tuple[str, int, int]]:
    """Order 16 H100 with so much cash, in a week in which the buyer may sell 8 afterwards; what happened to whom, in order."""
    dock = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.OPEN, not_at=place_of(world, dock))
    world.ledger.pay(CLOUD, REST_OF_WORLD, int(world.ledger.parties.cash_cents[CLOUD]) - cash, Account.PAYOUT)
    give(world, CLOUD, dock, 8)
    arcs = [trade(MAKER, CLOUD, dock, target, product=H100_NEW)]
    if sells:
        store = pool_of(world, PoolKind.WAREHOUSE, not_at=place_of(world, dock))
        arcs.append(trade(CLOUD, MINER, dock, store, quantity=8))
    sold = settle(world, *arcs, rent={target: 0.9})
    closes(world)
    happened = [(event.kind, event.party, event.quantity) for event in world.events]
    assert sold.sum() == sum(gpus for kind, _, gpus in happened if kind == "sale")
    return happened


def test_an_order_its_buyer_can_pay_for_is_settled_in_its_turn(world: World) -> None:
    assert ordering(world, DUE, sells=True) == [("sale", MAKER, 16), ("sale", CLOUD, 8)]


def test_an_order_waits_for_the_sales_of_its_week(world: World) -> None:
    assert ordering(world, DUE - 1, sells=True) == [("sale", CLOUD, 8), ("sale", MAKER, 16)]
    # Ages stand in the order of the trades: new units first, then those in service since week -60.
    assert world.market.sold_age_weeks.tolist() == [0.0, WEEK + 60.0]
    assert world.ledger.orders.gpus.tolist() == [16]


def test_what_cash_does_not_cover_is_not_ordered(world: World) -> None:
    """A cent is missing: one node of two is ordered."""
    assert ordering(world, DUE - 1, sells=False) == [("order_cut", CLOUD, 8), ("sale", MAKER, 8)]
    assert world.ledger.orders.gpus.tolist() == [8]
    assert world.ledger.parties.cash_cents[CLOUD] == DUE - 1 - DUE // 2


def test_an_order_without_cash_moves_nothing(world: World) -> None:
    assert ordering(world, 0, sells=False) == [("order_cut", CLOUD, 16)]
    assert len(world.market.sold_age_weeks) == 0
    assert world.ledger.orders.n == 0
    assert world.ledger.parties.cash_cents[CLOUD] == 0


def test_a_purchase_is_financed_on_what_it_costs_delivered(world: World) -> None:
    """A used unit is lent half of price, freight and slot premium."""
    assert world.parameters.credit.advance_used == 0.5
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.OPEN, not_at=place_of(world, source))
    lots = [give(world, MINER, source, 8), give(world, MINER, source, 8, vintage=-70)]
    world.credit.line_cents[CLOUD] = 10**9
    settle(world, trade(MINER, CLOUD, source, target), rent={target: 0.9})
    loan = world.ledger.loans.n - 1
    assert world.ledger.loans.debtor[loan] == CLOUD
    assert world.ledger.loans.cost_cents[loan] == (1_000_000 + 50_000 + 1_147) * 16
    assert world.ledger.loans.balance_cents[loan] == (1_000_000 + 50_000 + 1_147) * 8
    assert world.ledger.loans.start[loan] == WEEK
    assert world.ledger.lots.lien[lots].tolist() == [loan, loan]
    closes(world)


def test_many_trades_are_each_settled(world: World) -> None:
    """Two lots make up one trade, one lot is cut for another, and the rest stays with the seller."""
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.OPEN, not_at=place_of(world, source))
    for vintage in (-90, -80, -70):
        give(world, MINER, source, 16, vintage=vintage)
    before = [units_of(world, who, target) for who in (CLOUD, CLOUD + 1)]
    settle(
        world,
        trade(MINER, CLOUD, source, target, quantity=24, price=100),
        trade(MINER, CLOUD + 1, source, target, quantity=16, price=10, freight=1),
        rent={target: 0.9},
    )
    found, host = flows(world), int(world.slots.host[place_of(world, target)])
    assert (found[CLOUD, "HARDWARE"], found[CLOUD + 1, "HARDWARE"]) == (-2_400, -160)
    assert found[MINER, "HARDWARE"] == 2_560
    assert (found[CLOUD, "FREIGHT"], found[CLOUD + 1, "FREIGHT"]) == (-24 * 50_000, -16)
    assert found[host, "SLOT_PREMIUM"] == 40 * 1_147
    after = [units_of(world, who, target) for who in (CLOUD, CLOUD + 1)]
    assert np.subtract(after, before).tolist() == [24, 16]
    mine = (world.ledger.lots.owner == MINER) & (world.ledger.lots.pool == source)
    assert world.ledger.lots.quantity[mine & (world.ledger.lots.vintage == -70)].tolist() == [8]
    assert [event.quantity for event in world.events if event.kind == "sale"] == [24, 16]
    # 16 units of week -90 and 8 of week -80; then the other 8 of week -80 and 8 of week -70.
    ages = [(16 * 95 + 8 * 85) / 24, (8 * 85 + 8 * 75) / 16]
    assert world.market.sold_age_weeks == pytest.approx(ages)
    closes(world)


# -- what cannot be sold --------------------------------------------------------------------------------------------


def test_only_what_is_ones_own_and_free_is_sold(world: World) -> None:
    """Of six lots in the pool one may be sold: not another's, pledged, on its way, seized, or of another class."""
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.WAREHOUSE)
    give(world, MINER + 1, source, 8)
    give(world, MINER, source, 8, lien=owe(world, MINER, 100))
    give(world, MINER, source, 8, lien=0)
    give(world, MINER, source, 8, status=int(LotStatus.IN_TRANSIT))
    give(world, MINER, source, 8, status=int(LotStatus.FORCED), liquidator=AGENT)
    give(world, MINER, source, 8, product=H100_AS_IS)
    give(world, MINER, pool_of(world, PoolKind.PRIVATE, not_at=place_of(world, source)), 8)
    free = give(world, MINER, source, 8, status=int(LotStatus.INVENTORY))
    before = copy.deepcopy(world)
    settle(world, trade(MINER, CLOUD, source, target, quantity=8))
    assert world.ledger.lots.owner[free] == CLOUD
    assert units_of(world, CLOUD, target) == 8
    with pytest.raises(ValueError, match="party 2 sold 8 more GPUs of product 7 than it holds"):
        settle(before, trade(MINER, CLOUD, source, target, quantity=16))


def test_an_agent_sells_only_what_it_has_a_mandate_for(world: World) -> None:
    lot, pool, _, home = in_place(world)
    other = give(world, CLOUD, home, 16)
    seize(world, other, AGENT + 1)
    for changes in ({"status": int(LotStatus.IDLE)}, {"liquidator": AGENT, "status": int(LotStatus.IDLE)}):
        give(world, CLOUD, pool, 8, **changes)
    target = pool_of(world, PoolKind.WAREHOUSE)
    before = copy.deepcopy(world)
    settle(world, trade(AGENT, MINER, pool, target, forced=True))
    assert world.ledger.lots.owner[[lot, other]].tolist() == [MINER, CLOUD]
    with pytest.raises(ValueError, match="party 36 sold 8 more GPUs of product 7"):
        settle(before, trade(AGENT, MINER, pool, target, quantity=24, forced=True))


def test_a_miner_without_a_hall_there_cannot_displace(world: World) -> None:
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.DISPLACED, not_at=place_of(world, source))
    give(world, CLOUD, source, 16)
    with pytest.raises(KeyError, match="has no private pool"):
        settle(world, trade(CLOUD, CLOUD + 1, source, target))
