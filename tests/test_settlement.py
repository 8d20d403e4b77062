"""Settlement by hand: one trade into each kind of pool, every cent of a forced sale, scrap, and what is refused."""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.vocabulary import (
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    LotStatus,
    PoolKind,
    ScrapOrders,
)
from sim.market import settlement
from sim.state.ledger import Account, LoanKind, Lots
from sim.state.standing import Plan
from sim.state.world import REST_OF_WORLD, World

H100_NEW, H100, H100_AS_IS, GB200 = 6, 7, 8, 16
MINER, CLOUD, BANK, AGENT, SALVAGER, MAKER = 2, 14, 30, 36, 59, 60
WEEK = 5


@pytest.fixture(scope="module")
def built() -> World:
    world = world_of()
    world.credit.line_cents[:] = 0
    world.credit.commitment_cents[:] = 0
    return world


@pytest.fixture
def world(built: World) -> World:
    """A world of its own: nobody lends, and nothing is in debt that is not put there."""
    return copy.deepcopy(built)


def watts_of(world: World, product: int, quantity: int) -> int:
    return (
        quantity // int(PRODUCT_UNIT[product]) * int(world.hardware.unit_watts[PRODUCT_GENERATION[product]])
    )


def pool_of(world: World, kind: PoolKind, *, not_at: int = -1, liquid: bool = False) -> int:
    """A pool of a kind with room for a megawatt, at another place."""
    free, wet = world.headroom()
    fits = (world.topology.pool_kind == kind) & (world.topology.pool_place != not_at)
    fits &= (wet if liquid else free) >= 1_000_000
    return int(np.flatnonzero(fits)[0])


def place_of(world: World, pool: int) -> int:
    return int(world.topology.pool_place[pool])


def give(world: World, owner: int, pool: int, quantity: int, **other: int) -> int:
    """Put units of an owner into a pool; returns the lot's row."""
    usual = {
        "product": H100, "vintage": -60, "quantity": quantity, "pool": pool, "owner": owner, "lien": -1,
        "status": int(LotStatus.IDLE), "arrival": -50, "liquidator": -1, "deadline": -1,
    }  # fmt: skip
    world.ledger.deliver(Lots(**{name: np.array([value]) for name, value in (usual | other).items()}))
    return world.ledger.lots.n - 1


def owe(world: World, debtor: int, cents: int, creditor: int = BANK) -> int:
    """Lend to a party; returns the loan's row."""
    row = world.ledger.lend(
        debtor=debtor, creditor=creditor, balance_cents=cents, kind=int(LoanKind.ASSET_BACKED)
    )
    world.ledger.flows[:] = 0
    return row


def seize(world: World, lot: int, agent: int = AGENT) -> int:
    """Stand a lot under a mandate in the in-place pool of an open pool's place; returns that pool."""
    lots = world.ledger.lots
    pool = world.pool_at(place_of(world, int(lots.pool[lot])), PoolKind.IN_PLACE)
    product = int(lots.product[lot])
    watts = watts_of(world, product, int(lots.quantity[lot]))
    world.capacity.move(int(lots.pool[lot]), pool, watts, watts if PRODUCT_LIQUID[product] else 0)
    lots.pool[lot], lots.status[lot] = pool, LotStatus.FORCED
    lots.liquidator[lot], lots.deadline[lot] = agent, WEEK + 3
    return pool


def trade(seller: int, buyer: int, source: int, target: int, **other: Any) -> dict[str, Any]:
    """One arc: 16 H100 at 10,000 USD, 500 USD of freight."""
    usual = {"product": H100, "quantity": 16, "price": 1_000_000, "freight": 50_000, "forced": False}
    return {"seller": seller, "buyer": buyer, "source": source, "target": target} | usual | other


def settle(
    world: World, *arcs: dict[str, Any], rent: dict[int, float] | None = None, wet: float = 0.0
) -> None:
    """Carry arcs out, with rents of power in cents per watt by pool and one of cooling everywhere."""
    first = world.topology.places.n
    power = np.zeros(first + world.topology.n_pools)
    for pool, cents in (rent or {}).items():
        power[pool + first] = cents

    def column(name: str) -> np.ndarray:
        return np.array([arc[name] for arc in arcs])

    trades = SimpleNamespace(
        n=len(arcs),
        sell=np.arange(len(arcs)),
        buy=np.arange(len(arcs))[::-1],
        quantity=column("quantity"),
        price_cents=column("price"),
        freight_cents=column("freight"),
        seller_node=column("source") + first,
        buyer_node=column("target") + first,
        product=column("product"),
    )
    result = SimpleNamespace(
        venue=SimpleNamespace(first_node=first),
        trades=trades,
        orders=SimpleNamespace(
            sell=SimpleNamespace(party=column("seller"), forced=column("forced")),
            buy=SimpleNamespace(party=column("buyer")[::-1]),
        ),
        clearing=SimpleNamespace(power_rent=power, cooling_rent=np.full(len(power), wet)),
    )
    settlement.settle(world, WEEK, result)  # type: ignore[arg-type]


def flows(world: World) -> dict[tuple[int, str], int]:
    """Who got what this week, by purpose; cents."""
    table = world.ledger.flows
    rows, accounts = np.nonzero(table)
    return {(int(p), Account(a).name): int(table[p, a]) for p, a in zip(rows, accounts, strict=True)}


def units_of(world: World, owner: int, pool: int) -> int:
    lots = world.ledger.lots
    return int(lots.quantity[(lots.owner == owner) & (lots.pool == pool)].sum())


def title(world: World, lot: int) -> dict[str, int]:
    return {name: int(getattr(world.ledger.lots, name)[lot]) for name in Lots.__slots__}


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
    """Price to the seller, freight to the carrier, the rent of a leased slot to its host; transit and re-installation."""
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, kind, not_at=place_of(world, source))
    lot = give(world, MINER, source, 16)
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
    assert title(world, lot) == {
        "product": H100, "vintage": -60, "quantity": 16, "pool": target, "owner": CLOUD, "lien": -1,
        "status": LotStatus.INVENTORY if stored else LotStatus.IN_TRANSIT, "arrival": WEEK + transit + weeks,
        "liquidator": -1, "deadline": -1,
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
    assert (title(world, lot)["pool"], title(world, lot)["arrival"]) == (home, WEEK + transit + 3 + 39)
    moved = np.zeros(world.topology.n_pools, dtype=np.int64)
    moved[[target, home]] = -watts, watts
    assert np.array_equal(world.capacity.power_watts - before[0], moved)
    assert np.array_equal(world.capacity.mining_watts - before[1], np.minimum(moved, 0))
    assert world.headroom()[0][target] == free - watts
    retrofit = next(event for event in world.events if event.kind == "retrofit")
    assert (retrofit.week, retrofit.party, retrofit.quantity, retrofit.cents) == (WEEK, miner, 16, 4_080_000)
    closes(world)


def in_place(world: World, product: int = H100, quantity: int = 16) -> tuple[int, int, int, int]:
    """A seized lot of the cloud with loan 0 of the bank, in its pool: lot, pool, loan, open pool."""
    home = pool_of(world, PoolKind.OPEN, liquid=bool(PRODUCT_LIQUID[product]))
    loan = owe(world, CLOUD, 100_000_000)
    lot = give(world, CLOUD, home, quantity, lien=loan, product=product)
    return lot, seize(world, lot), loan, home


@pytest.mark.parametrize(("product", "quantity", "wet"), [(H100, 16, 0), (GB200, 72, 120_000)])
def test_a_sale_where_the_lot_stands(world: World, product: int, quantity: int, wet: int) -> None:
    """No journey, one week; the slot goes with the lot and its rent to the estate, that is to the lender."""
    lot, pool, loan, home = in_place(world, product, quantity)
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
    found = title(world, lot)
    assert (found["owner"], found["pool"], found["lien"], found["liquidator"]) == (MINER, home, -1, -1)
    assert (found["deadline"], found["arrival"], found["status"]) == (-1, WEEK + 1, LotStatus.IN_TRANSIT)
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
    assert title(world, lot)["pool"] == target
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
    assert title(world, world.ledger.lots.n - 1) == {
        "product": H100, "vintage": due, "quantity": 16, "pool": target, "owner": CLOUD, "lien": -1,
        "status": LotStatus.IN_TRANSIT, "arrival": due, "liquidator": -1, "deadline": -1,
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
    closes(world)


def test_a_purchase_is_financed_on_what_it_costs_delivered(world: World) -> None:
    source = pool_of(world, PoolKind.PRIVATE)
    target = pool_of(world, PoolKind.OPEN, not_at=place_of(world, source))
    lots = [give(world, MINER, source, 8), give(world, MINER, source, 8, vintage=-70)]
    world.credit.line_cents[CLOUD] = 10**9
    settle(world, trade(MINER, CLOUD, source, target), rent={target: 0.9})
    loan = world.ledger.loans.n - 1
    assert world.ledger.loans.debtor[loan] == CLOUD
    assert world.ledger.loans.cost_cents[loan] == (1_000_000 + 50_000 + 1_147) * 16
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


# -- the waterfall of one sale --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("balance", "loan_zero"), [(12_000_000, False), (1, False), (12_000_000, True)])
def test_what_the_loan_does_not_need_goes_back_to_the_debtor(
    world: World, balance: int, loan_zero: bool
) -> None:
    """Gross of 16 million cents: 8 % fee and 4 % enforcement, 3 million of slot rent in arrears, the balance, the rest."""
    loan = owe(world, CLOUD, balance)
    if loan_zero:
        loans = world.ledger.loans
        loans.debtor[0], loans.creditor[0] = CLOUD, BANK
        world.ledger.repay(np.array([0]), loans.balance_cents[[0]] - balance)
        lots = world.ledger.lots
        lots.lien[lots.lien == 0] = -1
        loan = 0
    home = pool_of(world, PoolKind.OPEN)
    lot = give(world, CLOUD, home, 16, lien=loan)
    pool = seize(world, lot)
    place = place_of(world, pool)
    host, repaid = int(world.slots.host[place]), world.ledger.repaid
    world.slots.arrears_cents[CLOUD, place] = 3_000_000
    settlement.distribute_proceeds(world, WEEK, lot, MINER, 1_000_000, 1_000)
    net = 16_000_000 - 1_280_000 - 640_000 - 3_000_000 + 16_000
    rest = max(net - balance, 0)
    expected = {
        (MINER, "PROCEEDS"): -16_000_000,
        (BANK, "PROCEEDS"): 16_000_000 - rest,
        (CLOUD, "PROCEEDS"): rest,
        (MINER, "SLOT_PREMIUM"): -16_000,
        (BANK, "SLOT_PREMIUM"): 16_000,
        (BANK, "HOSTING"): -3_000_000,
        (host, "HOSTING"): 3_000_000,
        (BANK, "FEE"): -1_280_000,
        (AGENT, "FEE"): 1_280_000,
        (BANK, "ENFORCEMENT"): -640_000,
        (REST_OF_WORLD, "ENFORCEMENT"): 640_000,
    }
    assert flows(world) == {key: cents for key, cents in expected.items() if cents}
    assert world.slots.arrears_cents[CLOUD, place] == 0
    assert world.ledger.loans.balance_cents[loan] == max(balance - net, 0)
    assert world.ledger.repaid - repaid == min(balance, net)
    event = world.events[-1]
    assert (event.week, event.kind, event.party, event.counterparty) == (
        WEEK,
        "collateral_sale",
        CLOUD,
        MINER,
    )
    assert (event.product, event.quantity, event.cents) == (H100, 16, 1_000_000)
    assert event.detail == "by decree, cause unknown"


def test_costs_go_as_far_as_the_money(world: World) -> None:
    """80 cents of gross: 3 of enforcement, the host gets the other 77 of its 100, the agent and the lender nothing."""
    lot, pool, loan, _ = in_place(world)
    place = place_of(world, pool)
    world.slots.arrears_cents[CLOUD, place] = 100
    world.credit.plan[CLOUD], world.credit.cause[CLOUD] = Plan.SELL_FORCED, "coverage"
    settlement.distribute_proceeds(world, WEEK, lot, MINER, 5, 0)
    found = flows(world)
    assert found[BANK, "HOSTING"] == -77
    assert found[BANK, "ENFORCEMENT"] == -3
    assert (AGENT, "FEE") not in found
    assert world.slots.arrears_cents[CLOUD, place] == 23
    assert world.ledger.loans.balance_cents[loan] == 100_000_000
    assert world.events[-1].detail == "sell_forced, cause coverage"
    closes(world)


def test_units_nobody_has_a_lien_on_are_sold_for_their_owner(world: World) -> None:
    home = pool_of(world, PoolKind.OPEN)
    lot = give(world, CLOUD, home, 16)
    seize(world, lot)
    repaid = world.ledger.repaid
    settlement.distribute_proceeds(world, WEEK, lot, MINER, 1_000_000, 0)
    assert flows(world) == {
        (MINER, "PROCEEDS"): -16_000_000,
        (CLOUD, "PROCEEDS"): 16_000_000,
        (CLOUD, "FEE"): -1_280_000,
        (AGENT, "FEE"): 1_280_000,
        (CLOUD, "ENFORCEMENT"): -640_000,
        (REST_OF_WORLD, "ENFORCEMENT"): 640_000,
    }
    assert world.ledger.repaid == repaid
    closes(world)


def test_the_file_of_a_defaulted_loan_hears_of_its_sale(world: World) -> None:
    """Gross, costs with the host's lien, slot rent, what was applied, and the surplus to the debtor."""
    loan = owe(world, CLOUD, 1_000_000)
    lot = give(world, CLOUD, pool_of(world, PoolKind.OPEN), 16, lien=loan)
    pool = seize(world, lot)
    world.slots.arrears_cents[CLOUD, place_of(world, pool)] = 50
    world.bridge.default(WEEK - 1, [loan], [1_000_000], [2_000_000], [16])
    settlement.distribute_proceeds(world, WEEK, lot, MINER, 100_000, 1_000)
    file = world.bridge
    assert file.gross_proceeds_cents.tolist() == [1_600_000]
    assert file.costs_and_liens_cents.tolist() == [128_000 + 64_000 + 50]
    assert file.slot_proceeds_cents.tolist() == [16_000]
    assert file.paid_to_others_cents.tolist() == [1_600_000 + 16_000 - 192_050 - 1_000_000]
    assert file.gpus_held.tolist() == [0]
    assert world.ledger.loans.balance_cents[loan] == 0


# -- scrap ----------------------------------------------------------------------------------------------------------


def scrap(world: World, *orders: tuple[int, int, int, int]) -> None:
    columns = (np.array(column) for column in zip(*orders, strict=True))
    settlement.scrap(world, WEEK, ScrapOrders(*columns), SALVAGER)


def test_scrap_is_paid_for_its_parts_and_leaves_the_world(world: World) -> None:
    pool = pool_of(world, PoolKind.PRIVATE)
    first, second = give(world, MINER, pool, 24), give(world, CLOUD, pool, 8, product=GB200)
    world.drivers.salvage_usd[WEEK, [2, 5]] = 12.345, 67.0
    cents = [1_234, 6_700]
    scrap(world, (MINER, pool, H100, 16), (CLOUD, pool, GB200, 8))
    assert flows(world) == {
        (MINER, "SALVAGE"): 16 * cents[0],
        (CLOUD, "SALVAGE"): 8 * cents[1],
        (SALVAGER, "SALVAGE"): -16 * cents[0] - 8 * cents[1],
    }
    assert world.ledger.lots.quantity[[first, second]].tolist() == [8, 0]
    assert world.ledger.scrapped.tolist() == [0, 0, 16, 0, 0, 8, 0, 0]
    event = world.events[-2]
    assert (event.week, event.kind, event.party, event.counterparty) == (WEEK, "scrapped", MINER, SALVAGER)
    assert (event.product, event.quantity, event.cents) == (H100, 16, cents[0])
    closes(world)


def test_a_poor_salvager_pays_what_it_has(world: World) -> None:
    """100 cents for 16 units are 6 a unit."""
    pool = pool_of(world, PoolKind.PRIVATE)
    give(world, MINER, pool, 16)
    world.ledger.pay(
        SALVAGER, REST_OF_WORLD, int(world.ledger.parties.cash_cents[SALVAGER]) - 100, Account.PAYOUT
    )
    world.ledger.flows[:] = 0
    scrap(world, (MINER, pool, H100, 16))
    assert flows(world) == {(MINER, "SALVAGE"): 96, (SALVAGER, "SALVAGE"): -96}
    closes(world)


@pytest.mark.parametrize(("product", "quantity", "generation"), [(H100, 16, 2), (GB200, 72, 5)])
def test_collateral_that_is_scrapped_pays_its_lender(
    world: World, product: int, quantity: int, generation: int
) -> None:
    lot, pool, loan, home = in_place(world, product, quantity)
    world.drivers.salvage_usd[WEEK, generation] = 67.0
    gross = 6_700 * quantity
    watts, power = watts_of(world, product, quantity), world.capacity.power_watts.copy()
    idle = give(world, CLOUD, home, 8)
    scrap(world, (AGENT, pool, product, quantity))
    found = flows(world)
    assert (found[SALVAGER, "PROCEEDS"], found[BANK, "PROCEEDS"]) == (-gross, gross)
    assert (SALVAGER, "SALVAGE") not in found
    assert (SALVAGER, "SLOT_PREMIUM") not in found
    costs = found[AGENT, "FEE"] + found[REST_OF_WORLD, "ENFORCEMENT"]
    assert world.ledger.loans.balance_cents[loan] == 100_000_000 - gross + costs
    assert world.ledger.lots.quantity[[lot, idle]].tolist() == [0, 8]
    gone = np.zeros(world.topology.n_pools, dtype=np.int64)
    gone[[pool, home]] = -watts, watts
    assert np.array_equal(world.capacity.power_watts - power, gone)
    assert world.capacity.liquid_watts[pool] == 0
    closes(world)


def test_seized_units_in_a_hall_of_their_own_leave_no_slot_behind(world: World) -> None:
    pool = pool_of(world, PoolKind.PRIVATE)
    give(world, CLOUD, pool, 16, status=int(LotStatus.FORCED), liquidator=AGENT)
    power = world.capacity.power_watts.copy()
    scrap(world, (AGENT, pool, H100, 16))
    assert (CLOUD, "PROCEEDS") in flows(world)
    assert np.array_equal(world.capacity.power_watts, power)
    closes(world)


def test_dealers_and_agents_scrap_their_own_without_a_mandate(world: World) -> None:
    """A liquidator's own stock is its own: the mandate is looked for where it scraps, and among lots that are seized."""
    store = pool_of(world, PoolKind.WAREHOUSE)
    elsewhere = pool_of(world, PoolKind.PRIVATE)
    give(world, AGENT, store, 8, status=int(LotStatus.INVENTORY))
    give(world, CLOUD, elsewhere, 8, status=int(LotStatus.FORCED), liquidator=AGENT)
    give(world, CLOUD, store, 8, status=int(LotStatus.FORCED), liquidator=AGENT + 1)
    scrap(world, (AGENT, store, H100, 8))
    assert (AGENT, "SALVAGE") in flows(world)
    closes(world)


# -- watts ----------------------------------------------------------------------------------------------------------


def test_slots_left_behind_fall_to_the_open_pool_of_their_place(world: World) -> None:
    home = pool_of(world, PoolKind.OPEN, liquid=True)
    pool = world.pool_at(place_of(world, home), PoolKind.IN_PLACE)
    world.capacity.move(home, pool, 1_000, 600)
    before = world.capacity.power_watts.copy()
    settlement.vacate(world, pool, 900, 500)
    assert (world.capacity.power_watts[[pool, home]] - before[[pool, home]]).tolist() == [-900, 900]
    assert world.capacity.liquid_watts[pool] <= world.capacity.power_watts[pool] == 100


def test_premiums_by_kind_of_slot(world: World) -> None:
    """Cents per GPU: H100 1,275 W, GB200 1,666.67 W; nothing in a hall of one's own, a store, or on displaced watts."""
    pools = [
        pool_of(world, kind)
        for kind in (PoolKind.OPEN, PoolKind.FORWARD, PoolKind.PRIVATE, PoolKind.WAREHOUSE)
    ]
    pools += [
        int(np.flatnonzero(world.topology.pool_kind == kind)[0])
        for kind in (PoolKind.IN_PLACE, PoolKind.DISPLACED)
    ]
    first = world.topology.places.n
    power, cooling = np.zeros((2, first + world.topology.n_pools))
    power[np.array(pools) + first], cooling[np.array(pools) + first] = 2.0, 0.5
    for product, cents in ((H100, 2_550), (GB200, 4_166)):
        result = SimpleNamespace(
            venue=SimpleNamespace(first_node=first),
            trades=SimpleNamespace(buyer_node=np.array(pools) + first, product=np.full(len(pools), product)),
            clearing=SimpleNamespace(power_rent=power, cooling_rent=cooling),
        )
        found = settlement.slot_premiums(world, result)  # type: ignore[arg-type]
        assert found.tolist() == [cents, cents, 0, 0, cents, 0]
