"""Every cent of a forced sale and of scrap, and the watts that are left behind."""

from types import SimpleNamespace

import numpy as np
import pytest
from credit_worlds import closes
from settled_worlds import (
    AGENT,
    BANK,
    CLOUD,
    GB200,
    H100,
    MINER,
    SALVAGER,
    WEEK,
    flows,
    fresh_world,
    give,
    in_place,
    owe,
    place_of,
    pool_of,
    seize,
    watts_of,
)

from agents.vocabulary import (
    LotStatus,
    PoolKind,
    ScrapOrders,
)
from sim.market import settlement
from sim.state.ledger import Account
from sim.state.standing import Plan
from sim.state.world import REST_OF_WORLD, World


@pytest.fixture
def world() -> World:
    return fresh_world()


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


@pytest.mark.parametrize(("units", "paid"), [(16, 96), (1, 100)])
def test_a_poor_salvager_pays_what_it_has(world: World, units: int, paid: int) -> None:
    """100 cents for 16 units are 6 a unit, and all of them for one."""
    pool = pool_of(world, PoolKind.PRIVATE)
    give(world, MINER, pool, 16)
    world.ledger.pay(
        SALVAGER, REST_OF_WORLD, int(world.ledger.parties.cash_cents[SALVAGER]) - 100, Account.PAYOUT
    )
    world.ledger.flows[:] = 0
    scrap(world, (MINER, pool, H100, units))
    assert flows(world) == {(MINER, "SALVAGE"): paid, (SALVAGER, "SALVAGE"): -paid}
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
