"""Leases and slot rent, compute contracts, estates, and the laws of the books that hold through all of them."""

from typing import Any

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.vocabulary import AgentKind, ConvertOrders, LotStatus, PoolKind
from sim.base.units import BooksDoNotClose
from sim.contracts import boom, month
from sim.lending import estates
from sim.model import FireSaleModel
from sim.operating import leases, tenancy
from sim.parameters import Parameters
from sim.state.ledger import Account, LoanKind, LoanStatus
from sim.state.standing import Standing
from sim.state.tenants import TenantState
from sim.state.world import REST_OF_WORLD, World

# -- leases and slot rent ---------------------------------------------------------------------------------


def shell(world: World) -> tuple[int, int, int]:
    """A leased converted hall: tenant, pool, host."""
    rows = np.flatnonzero(world.topology.pool_kind[world.leases.pool] == PoolKind.OPEN)
    row = int(rows[np.argmax(world.leases.watts[rows])])
    pool = int(world.leases.pool[row])
    return int(world.leases.tenant[row]), pool, int(world.slots.host[world.topology.pool_place[pool]])


def test_a_miner_with_a_leased_shell_is_the_base_case() -> None:
    world = world_of()
    tenant, pool, host = shell(world)
    assert world.ledger.parties.kind[host] == AgentKind.MINER
    assert world.ledger.parties.kind[tenant] == AgentKind.NEO_CLOUD
    used, _ = world.used()
    assert world.leases.watts[world.leases.pool == pool].sum() == used[pool]


def test_a_lease_is_owed_in_full_and_more_than_it_by_the_unit() -> None:
    world = world_of()
    tenant, pool, _ = shell(world)
    row = int(np.flatnonzero((world.leases.pool == pool) & (world.leases.tenant == tenant))[0])
    world.leases.watts[:] = 0
    world.leases.watts[row], world.leases.start[row] = 1_000_000, 0
    hours = 168 / 730
    lease = 1000 * world.parameters.miners.shell_lease_usd_per_kw_month * hours
    fee = float(world.topology.pool_hosting[pool])
    for standing, beyond in ((500.0, 0.0), (1000.0, 0.0), (1500.0, 500.0)):
        owed = leases.weekly_rent(world, 0, np.array([tenant]), np.array([pool]), np.array([standing]))
        assert owed.cents.sum() == pytest.approx((lease + beyond * fee * hours) * 100, abs=2)
    assert leases.weekly_rent(
        world, 52, np.array([tenant]), np.array([pool]), np.array([0.0])
    ).cents.sum() == pytest.approx(lease * 1.02 * 100, abs=2)


def test_rent_not_paid_stays_owed_and_is_paid_when_there_is_cash() -> None:
    world = world_of()
    tenant, pool, host = shell(world)
    n = world.ledger.parties.n
    owed = leases.weekly_rent(world, 0, np.array([tenant]), np.array([pool]), np.array([2000.0]))
    mine = owed.party == tenant
    budget = np.full(n, 10**12)
    budget[tenant] = 100
    short = leases.pay_rent(world, owed, budget)
    assert short[tenant] == owed.cents[mine].sum() - 100
    assert world.slots.arrears_cents[tenant].sum() == short[tenant]
    again = leases.weekly_rent(world, 1, np.array([tenant]), np.array([pool]), np.array([2000.0]))
    assert again.cents[again.party == tenant].sum() == short[tenant] + again.new[again.party == tenant].sum()
    before = int(world.ledger.parties.cash_cents[host])
    leases.pay_rent(world, again, np.full(n, 10**12))
    assert world.slots.arrears_cents.sum() == 0
    assert world.ledger.parties.cash_cents[host] > before
    closes(world)


def test_hosts_consent_after_arrears_are_cured() -> None:
    world = world_of(site__assignable_share=1.0)
    tenant, pool, host = shell(world)
    place = int(world.topology.pool_place[pool])
    world.slots.arrears_cents[tenant, place] = 5_000
    leases.ask_consent(world, 0, tenant, np.array([place]))
    assert not world.may_assign()[place]
    lots = np.flatnonzero((world.ledger.lots.owner == tenant) & (world.ledger.lots.pool == pool))
    before = int(world.ledger.parties.cash_cents[host])
    leases.cure_arrears(world, tenant, lots)
    assert world.slots.arrears_cents[tenant, place] == 0
    assert world.ledger.parties.cash_cents[host] - before == 5_000
    leases.ask_consent(world, 0, tenant, np.array([place]))
    assert 0 <= world.slots.consent_week[place] <= 8
    world.week = 8
    assert world.may_assign()[place]
    closes(world)


def test_a_hall_that_is_converted_pays_rent_when_the_works_are_done() -> None:
    world = world_of(site__retrofit_watts_per_week=1e6)
    halls = np.flatnonzero(world.capacity.mining_watts > 0)[:2]
    miners = world.slots.holder[halls]
    asked = np.array([3_000_000, 1_000_000])
    mining = world.capacity.mining_watts[halls].copy()
    leases.convert(world, 0, ConvertOrders(miners, halls, asked))
    done = mining - world.capacity.mining_watts[halls]
    assert done.tolist() == [750_000, 250_000]  # pro rata
    assert np.array_equal(world.capacity.background_watts[halls], done)
    before = world.ledger.parties.cash_cents.copy()
    leases.collect_outside(world, 38)
    assert np.array_equal(world.ledger.parties.cash_cents, before)
    leases.collect_outside(world, 39)
    rent = 250.0 * 120 * 168 / 730 * 100
    assert world.ledger.parties.cash_cents[miners[1]] - before[miners[1]] == pytest.approx(rent, abs=1)
    closes(world)
    for tenant in range(len(world.tenants.rating)):
        leases.tenant_gone(world, 40, tenant)
    assert world.capacity.background_watts[halls].sum() == 0
    assert leases.lost_lately(world, 41, int(miners[0]))
    closes(world)


def test_a_failed_tenant_gives_its_halls_back() -> None:
    world = world_of()
    hall = int(
        np.flatnonzero(
            (world.topology.pool_kind == PoolKind.PRIVATE)
            & np.isin(world.slots.holder, world.rows(AgentKind.NEO_CLOUD))
        )[0]
    )
    tenant, place = int(world.slots.holder[hall]), int(world.topology.pool_place[hall])
    shared = world.pool_at(place, PoolKind.OPEN)
    before = int(world.capacity.power_watts[shared])
    free = int(world.headroom()[0][hall])
    leases.end_leases(world, 3, tenant)
    assert world.capacity.power_watts[shared] == before + free
    assert not np.any(world.leases.live(3) & (world.leases.tenant == tenant))
    closes(world)


# -- compute contracts ------------------------------------------------------------------------------------


def test_take_or_pay_is_kept_and_a_fee_buys_out() -> None:
    held = world_of(tenants__termination_fee=1.0)
    held.rents.contract_usd_per_hour[:] *= 0.1
    tenancy.terminate(held, 0)
    assert not held.contracts.left.any()
    free = world_of(tenants__termination_fee=0.5)
    free.rents.contract_usd_per_hour[:] *= 0.1
    operator = int(free.contracts.operator[0])
    mine = np.flatnonzero(free.contracts.operator == operator)
    fee = 0.5 * free.contracts.to_pay_usd(mine, 0).sum() * 100
    before = int(free.ledger.parties.cash_cents[operator])
    tenancy.terminate(free, 0)
    assert free.contracts.left.all()
    assert free.ledger.parties.cash_cents[operator] - before == pytest.approx(fee, abs=len(mine))
    closes(free)


def test_customers_prepay_at_signing() -> None:
    """Every deal a month brings: its tenant pays its share of the value, 730 hours a month of the term, and it is no income."""
    world = world_of()
    first = len(world.contracts.tenant)
    boom.live_month(world, 0)
    contracts, paid = world.contracts, np.zeros(world.ledger.parties.n)
    new = np.arange(first, len(contracts.tenant))
    assert len(new) > 0
    investment = world.tenants.rating[contracts.tenant[new]] == 0
    assert contracts.prepaid[new].tolist() == np.where(investment, 0.2, 0.1).tolist()
    value = contracts.rate_usd_per_hour[new] * 730 * 12 * contracts.years[new] * contracts.gpus[new]
    np.add.at(paid, contracts.operator[new], contracts.prepaid[new] * value * 100)
    # Rounded to the cent for each GPU.
    assert np.all(np.abs(world.ledger.flows[1:, Account.PREPAYMENT] - paid[1:]) <= contracts.gpus[new].sum())
    assert not world.ledger.flows[:, Account.COMPUTE_REVENUE].any()
    closes(world)
    world.check_contracts()


def test_a_renewed_contract_is_prepaid_anew_and_one_that_is_lost_lets_its_units_go() -> None:
    world = world_of()
    contracts, lots = world.contracts, world.ledger.lots
    rows = np.flatnonzero(np.isin(np.arange(len(contracts.tenant)), lots.contract))
    contracts.end[rows] = 0
    failed = int(contracts.tenant[rows[0]])
    world.tenants.state[failed] = TenantState.DEFAULTED
    old, served = contracts.years[rows].copy(), lots.contract.copy()
    month.end_or_renew(world, 0)
    stays = contracts.end[rows] > 0
    assert 0 < stays.sum() < len(rows)
    assert not stays[contracts.tenant[rows] == failed].any()
    kept, gone = rows[stays], rows[~stays]
    # Rent falls by a quarter a year and operators' capital costs 15 %: a level rate over so many years and over one.
    years = old[stays]
    level = (1 - np.exp(-0.4 * years)) / (1 - np.exp(-0.15 * years))
    level /= (1 - np.exp(-0.4)) / (1 - np.exp(-0.15))
    expected = world.rents.contract_usd_per_hour[contracts.generation[kept]] * level
    assert contracts.rate_usd_per_hour[kept] == pytest.approx(expected)
    assert contracts.end[kept].tolist() == np.rint(52 * years).astype(int).tolist()
    prepaid = np.zeros(world.ledger.parties.n)
    value = contracts.prepaid[kept] * expected * contracts.gpus[kept] * 168 * contracts.end[kept]
    np.add.at(prepaid, contracts.operator[kept], value * 100)
    assert np.all(np.abs(world.ledger.flows[1:, Account.PREPAYMENT] - prepaid[1:]) <= len(kept))
    assert np.all(lots.contract[np.isin(served, gone)] == -1)
    assert np.array_equal(lots.contract[~np.isin(served, gone)], served[~np.isin(served, gone)])
    assert contracts.unearned_usd(kept, 0).sum() * 100 == pytest.approx(prepaid.sum())
    closes(world)


def test_a_tenant_that_is_not_served_for_nine_months_leaves_if_it_rents_cheaper_now() -> None:
    world = world_of()
    contracts, lots = world.contracts, world.ledger.lots
    dear, cheap, fresh = np.unique(lots.contract[lots.contract >= 0])[:3].tolist()
    contracts.due[[dear, cheap, fresh]] = [-39, -39, -38]
    contracts.end[[dear, cheap, fresh]] = 100
    contracts.rate_usd_per_hour[[dear, cheap, fresh]] = [50.0, 0.01, 50.0]
    lots.status[np.isin(lots.contract, (dear, cheap, fresh))] = LotStatus.IN_TRANSIT
    claims = world.operators.customer_claims_cents.copy()
    month.cancel_late(world, 0)
    assert contracts.end[[dear, cheap, fresh]].tolist() == [0, 100, 100]
    moved = world.operators.customer_claims_cents - claims
    unserved = contracts.prepaid[dear] * 50.0 * contracts.gpus[dear] * 168 * 100 * 100
    assert moved[contracts.operator[dear]] == pytest.approx(unserved, abs=1)
    assert np.count_nonzero(moved) == 1


# -- estates ----------------------------------------------------------------------------------------------


def failed(world: World) -> tuple[int, np.ndarray]:
    """A miner in liquidation with three called loans and nothing else to its name: secured short, asset-backed short, notes."""
    loans, ledger = world.ledger.loans, world.ledger
    party = int(world.rows(AgentKind.MINER)[0])
    ledger.pay(REST_OF_WORLD, party, 10**13, Account.EQUITY)
    for row in np.flatnonzero((loans.debtor == party) & loans.live()):
        if loans.pledged_satoshi[row]:
            ledger.pledge(int(row), -int(loans.pledged_satoshi[row]))
        ledger.pay(party, int(loans.creditor[row]), int(loans.balance_cents[row]), Account.PRINCIPAL)
        ledger.repay(np.array([row]), loans.balance_cents[row : row + 1].copy())
    lender = int(world.rows(AgentKind.LENDER)[0])
    rows = [
        ledger.lend(
            debtor=party,
            creditor=lender,
            principal_cents=100,
            balance_cents=100,
            kind=int(kind),
            status=int(LoanStatus.ACCELERATED),
        )
        for kind in (LoanKind.LEVEL_PAY, LoanKind.ASSET_BACKED, LoanKind.NOTES)
    ]
    ledger.pay(party, REST_OF_WORLD, int(ledger.parties.cash_cents[party]), Account.PAYOUT)
    world.credit.move(party, Standing.LIQUIDATION)
    world.operators.active[party] = False
    return party, np.array(rows)


def test_an_estate_pays_one_rank_and_no_deficiency_without_recourse() -> None:
    world = world_of()
    party, rows = failed(world)
    world.slots.arrears_cents[party, 0] = 50
    world.operators.customer_claims_cents[party] = 50
    world.ledger.pay(REST_OF_WORLD, party, 150, Account.EQUITY)  # claims of 100 + 100 + 50 + 50
    estates.close(world, 20)
    told = {e.kind: e for e in world.events if e.week == 20 and e.party == party}
    assert told["recovery"].cents == 100  # half of 100 + 100; the asset-backed notes get nothing
    assert world.ledger.written_off[rows].tolist() == [50, 100, 50]
    assert world.ledger.parties.cash_cents[party] == 0
    closes(world)


def test_an_estate_waits_for_its_last_collateral() -> None:
    world = world_of()
    party, rows = failed(world)
    lots = world.ledger.lots
    lots.owner[0], lots.lien[0] = party, rows[0]
    estates.close(world, 20)
    assert world.ledger.loans.balance_cents[rows].tolist() == [100, 100, 100]
    lots.lien[0], lots.owner[0] = -1, REST_OF_WORLD
    estates.close(world, 21)
    assert world.ledger.loans.balance_cents[rows].tolist() == [0, 0, 0]


# -- the laws ---------------------------------------------------------------------------------------------


def break_title(world: World) -> None:
    world.ledger.lots.owner[np.flatnonzero(world.ledger.lots.lien >= 0)[0]] += 1


def break_lien(world: World) -> None:
    row = int(world.ledger.lots.lien[world.ledger.lots.lien >= 0][0])
    world.ledger.loans.status[row] = LoanStatus.REPAID


def break_mandate(world: World) -> None:
    world.ledger.lots.liquidator[0] = 5


def break_order(world: World) -> None:
    world.ledger.orders.append(
        buyer=3, product=13, arrival=9, gpus=8, unpaid_cents=1, cost_cents=1, contract=-1
    )


@pytest.mark.parametrize(
    ("harm", "law"),
    [
        (break_title, "lien on another's title"),
        (break_lien, "lien of an ended loan"),
        (break_mandate, "mandate without an agent"),
        (break_order, "orders beyond what is under way"),
    ],
)
def test_the_books_notice_what_is_wrong_with_a_title(harm: Any, law: str) -> None:
    world = world_of()
    closes(world)
    harm(world)
    with pytest.raises(BooksDoNotClose, match=law):
        world.ledger.check()


HARSH = {
    "clock.weeks": 208,
    "credit.stop_week": 20,
    "credit.stop_weeks": 52,
    "credit.mark_to_market_share": 0.5,
    "rent.slump_week": 30,
    "rent.slump": -0.9,
    "site.assignable_share": 0.5,
    "tenants.hazard_mixed": 0.01,
    "tenants.termination_fee": 0.5,
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_law_holds_through_a_collapse(seed: int) -> None:
    """Four years of a stop in lending and a slump at once: the close of every week asserts every law."""
    model = FireSaleModel(Parameters.from_overrides(HARSH), rng=seed)
    model.run_for(208)
    kinds = set(model.tables()["events"]["kind"].tolist())
    assert {"default", "possession", "collateral_sale", "lease_rejected"} <= kinds
