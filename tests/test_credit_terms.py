"""Opening debt by its sources, terms by lender and tenant, orders of new units, leases, estates: each rule in the books."""

from typing import Any

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.lender import LenderKind
from agents.vocabulary import AgentKind, Condition, ConvertOrders, LotStatus, PoolKind, product_of
from sim.base.units import BooksDoNotClose
from sim.debt.covenants import Basis
from sim.lending import estates, financing, monitoring, orders, origination, workout
from sim.model import FireSaleModel
from sim.operating import leases, tenancy
from sim.parameters import Parameters
from sim.state.ledger import Account, LoanKind, LoanStatus, Lots
from sim.state.standing import Standing
from sim.state.tenants import TenantState
from sim.state.world import REST_OF_WORLD, World

# -- opening debt -----------------------------------------------------------------------------------------


def test_nothing_unsecured_is_due_before_the_first_maturity_on_record() -> None:
    loans = world_of().ledger.loans
    notes = loans.kind == LoanKind.NOTES
    assert loans.months_left[notes].min() >= 44
    assert loans.months_left[notes].max() <= 72
    clouds = np.unique(loans.debtor[notes])
    owed = loans.balance[np.isin(loans.debtor, clouds)].sum()
    assert loans.balance[notes].sum() / owed == pytest.approx(0.42, abs=1e-3)


def test_puts_of_convertibles_follow_their_age() -> None:
    """Issued 10 to 23 months ago with a put after 36: due in 13 to 26 months."""
    loans = world_of().ledger.loans
    left = loans.months_left[loans.kind == LoanKind.CONVERTIBLE]
    assert left.min() >= 13
    assert left.max() <= 26


def test_equipment_loans_amortise_to_the_last_cent() -> None:
    loans = world_of().ledger.loans
    for row in np.flatnonzero(loans.kind <= LoanKind.ASSET_BACKED)[:40]:
        balance, rate = float(loans.balance[row]), float(loans.rate[row]) / 12
        left = int(loans.months_left[row])
        for _ in range(left):
            balance = balance * (1 + rate) - loans.payment[row]
        assert abs(balance) < left + 100  # cents, of payments rounded to a cent


# -- who lends on what terms ------------------------------------------------------------------------------


def test_lenders_come_in_three_kinds_by_share() -> None:
    world = world_of(credit__mark_to_market_share=0.5, lenders__private_credit_share=0.34)
    kinds = origination.lender_kinds(world)[world.rows(AgentKind.LENDER)]
    assert (
        kinds.tolist()
        == [LenderKind.MARK_TO_MARKET] * 3 + [LenderKind.PRIVATE_CREDIT] + [LenderKind.BANK] * 2
    )
    assert np.all(origination.lender_kinds(world)[world.rows(AgentKind.MINER)] == -1)


def test_the_spread_is_that_of_the_tenant() -> None:
    world = world_of()
    section = world.parameters.lenders
    operator = int(world.contracts.operator[0])
    world.tenants.rating[:] = 0
    held = world.ledger.lots.quantity[world.ledger.lots.owner == operator].sum()
    let = world.contracts.gpus[world.contracts.operator == operator].sum() / held
    expected = let * section.spread_investment + (1 - let) * section.spread_speculative
    assert origination.tenant_spreads(world)[operator] == pytest.approx(expected)
    world.tenants.state[:] = TenantState.DEFAULTED
    assert np.all(origination.tenant_spreads(world) == section.spread_speculative)


def test_lenders_ration_when_prices_swing() -> None:
    world = world_of(credit__stop_week=5)
    assert origination.advance_on_offer(world, 0, 0.7142) == pytest.approx(0.7142)
    assert origination.advance_on_offer(world, 6, 0.7142) == pytest.approx(0.5642)
    calm = world.credit.appraisal + 10_000.0
    world.credit.marks = [calm * (1.12 if week % 2 else 1.0) for week in range(14)]
    swings = origination.price_volatility(world)
    cut = 1 - 2.33 * (swings - 0.5) / 2
    assert swings == pytest.approx(np.log(1.12) * np.sqrt(52) * np.std([1, -1] * 6 + [1]))
    assert 0.4 < cut * 0.7142 < 0.7142
    assert origination.advance_on_offer(world, 0, 0.7142) == pytest.approx(0.7142 * cut)
    world.credit.marks = [calm * (1.4 if week % 2 else 1.0) for week in range(14)]
    assert origination.advance_on_offer(world, 0, 0.7142) == 0.0


def test_only_marked_lenders_are_margined_when_prices_swing() -> None:
    world = world_of(credit__mark_to_market_share=0.5)
    loans, lenders = world.ledger.loans, world.rows(AgentKind.LENDER)
    lines = np.array(
        [
            int(np.flatnonzero((loans.debtor == lender) & (loans.kind == LoanKind.FUNDING))[0])
            for lender in lenders
        ]
    )
    before = loans.balance[lines].copy()
    financing.margin_lenders(world, 0)
    assert np.array_equal(loans.balance[lines], before)
    world.credit.marks = [
        world.credit.appraisal + 10_000.0 * (1.2 if week % 2 else 1.0) for week in range(14)
    ]
    financing.margin_lenders(world, 0)
    marked = origination.lender_kinds(world)[lenders] == LenderKind.MARK_TO_MARKET
    assert np.array_equal(loans.balance[lines] < before, marked)
    closes(world)


def test_one_tenant_may_not_stand_behind_too_much_of_a_book() -> None:
    world = world_of()
    clouds = np.unique(world.contracts.operator)[:3]
    world.contracts.tenant[:] = 0
    lent = np.zeros(world.ledger.parties.n, dtype=np.int64)
    lent[clouds] = 30
    assert origination.tenant_room(world, clouds, 0, 100, lent).tolist() == [0, 0, 0]
    lent[clouds] = 20
    assert origination.tenant_room(world, clouds, 0, 100, lent).tolist() == [15, 15, 15]


# -- covenants by the lender's kind -----------------------------------------------------------------------


def test_a_fall_of_prices_breaches_marks_and_never_cost() -> None:
    world = world_of(credit__mark_to_market_share=0.5, credit__mark_to_market_basis="market")
    monitoring.mark(world)
    monitoring.appraise_fleet(world)
    before = monitoring.examine_loans(world, 0)
    world.price[:] *= 0.2
    after = monitoring.examine_loans(world, 0)
    marked = after.basis == Basis.MARKET
    assert 0 < marked.sum() < len(marked)
    assert after.breach.loan_to_value[marked].all()
    assert np.array_equal(after.leverage.cost, before.leverage.cost)
    assert not after.breach.loan_to_value[~marked].any()
    assert np.array_equal(after.leverage.appraisal, before.leverage.appraisal)


def breached(world: World, income: float) -> tuple[int, np.ndarray]:
    """A cloud whose quarter covers `income` of its service, and its equipment loans."""
    loans = world.ledger.loans
    party = int(loans.debtor[np.flatnonzero(loans.kind == LoanKind.DELAYED_DRAW)[0]])
    world.credit.due[0, party] = 1_000_000
    world.credit.interest[0, party] = 100_000
    world.credit.income[0, party] = round(1_000_000 * income)
    return party, np.flatnonzero((loans.debtor == party) & (loans.kind <= LoanKind.ASSET_BACKED))


def test_a_breach_is_cured_out_of_cash() -> None:
    world = world_of()
    party, rows = breached(world, 0.84)
    world.ledger.pay(REST_OF_WORLD, party, 10**13, Account.EQUITY)
    owed = world.ledger.loans.balance[rows].sum()
    monitoring.breach(world, 13, party, rows, "coverage 0.840")
    assert world.credit.standing[party] == Standing.TRAPPED
    assert world.ledger.loans.balance[rows].sum() / owed == pytest.approx(
        1 - 0.2, abs=1e-6
    )  # 1 - 0.84 / 1.05
    closes(world)


@pytest.mark.parametrize("active", [0.0, 1.0])
def test_lenders_that_act_never_waive(active: float) -> None:
    world = world_of(
        lenders__private_credit_share=active,
        credit__waiver_probability=0.9,
        credit__equity_cure_probability=0,
    )
    found = set()
    for week in range(13, 25):
        party, rows = breached(world, 1.02)
        world.ledger.pay(party, REST_OF_WORLD, int(world.ledger.parties.cash[party]), Account.PAYOUT)
        world.credit.breaches[party] = 0
        monitoring.breach(world, week, party, rows, "coverage 1.020")
        found.add(Standing(world.credit.standing[party]))
    assert found == ({Standing.CURE} if active else {Standing.TRAPPED, Standing.CURE})


# -- orders -----------------------------------------------------------------------------------------------


def ordered(world: World, buyer: int, gpus: int = 80, price: int = 4_000_000) -> None:
    product = product_of(4, Condition.CLEAN)
    room = np.where(world.topology.pool_kind == PoolKind.OPEN, world.headroom()[0], 0)
    pool = int(room.argmax())
    arrival = 17
    columns = {name: np.array([-1]) for name in ("lien", "agent", "deadline")}
    columns |= {"product": np.array([product]), "vintage": np.array([arrival]), "quantity": np.array([gpus])}
    columns |= {"pool": np.array([pool]), "owner": np.array([buyer]), "arrival": np.array([arrival])}
    world.ledger.deliver(Lots(status=np.array([int(LotStatus.IN_TRANSIT)]), **columns))
    orders.place(world, world.ledger.lots.n - 1, buyer, price, price * gpus)


def test_an_order_takes_a_deposit_and_the_rest_on_delivery() -> None:
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    maker = int(world.rows(AgentKind.MANUFACTURER)[0])
    before = int(world.ledger.parties.cash[maker])
    ordered(world, buyer)
    assert world.ledger.parties.cash[maker] - before == 64_000_000  # a fifth of 3.2 million USD
    closes(world)
    financing.open_lines(world, 0)
    orders.pay_on_delivery(world, 13)
    assert world.ledger.orders.n == 1  # not at the dock yet
    world.ledger.pay(REST_OF_WORLD, buyer, 10**10, Account.EQUITY)
    orders.pay_on_delivery(world, 14)
    assert world.ledger.orders.n == 0
    assert world.ledger.parties.cash[maker] - before == 320_000_000
    lien = world.ledger.lots.lien[-1]
    assert world.ledger.loans.debtor[lien] == buyer
    closes(world)


def test_an_order_nobody_finances_is_lost_with_its_deposit() -> None:
    world = world_of(credit__stop_week=5)
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[6])
    ordered(world, buyer)
    world.ledger.pay(buyer, REST_OF_WORLD, int(world.ledger.parties.cash[buyer]), Account.PAYOUT)
    world.credit.line[:] = 0
    gpus = int(world.ledger.gpus_by_generation()[4])
    orders.pay_on_delivery(world, 14)
    assert world.ledger.gpus_by_generation()[4] == gpus - 80
    assert world.events[-1].kind == "order_cancelled"
    closes(world)


def test_a_committed_draw_ignores_the_stop_until_its_window_ends() -> None:
    world = world_of(credit__stop_week=1, credit__stop_weeks=26)
    cloud = int(world.rows(AgentKind.NEO_CLOUD)[0])
    world.credit.commitment[cloud], world.credit.window_end[cloud] = 10**10, 10
    world.ledger.pay(REST_OF_WORLD, cloud, 10**13, Account.EQUITY)
    monitoring.prepay_base(world, 5, cloud)
    for week, expected in ((5, 714_200_000), (10, 0)):
        financing.open_lines(world, week)
        assert financing.offer(world, week, cloud, 1_000_000_000, is_new=True) == expected
    assert world.credit.commitment[cloud] == 0  # the undrawn part dies with the window


def test_undrawn_commitments_cost_fifty_basis_points() -> None:
    world = world_of()
    cloud = int(world.rows(AgentKind.NEO_CLOUD)[0])
    world.credit.commitment[:] = 0
    world.credit.commitment[cloud], world.credit.window_end[cloud] = 12_000_000_00, 10
    before = world.ledger.parties.cash.copy()
    financing.charge_undrawn(world, 5)
    assert before[cloud] - world.ledger.parties.cash[cloud] == 500_000  # 12 million x 0.5 % / 12
    assert world.ledger.parties.cash.sum() == before.sum()


# -- leases and slot rent ---------------------------------------------------------------------------------


def shell(world: World) -> tuple[int, int, int]:
    """A leased converted hall: tenant, pool, host."""
    rows = np.flatnonzero(world.topology.pool_kind[world.leases.pool] == PoolKind.OPEN)
    row = int(rows[np.argmax(world.leases.watts[rows])])
    pool = int(world.leases.pool[row])
    return int(world.leases.tenant[row]), pool, int(world.host[world.topology.pool_place[pool]])


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
    assert world.slot_arrears[tenant].sum() == short[tenant]
    again = leases.weekly_rent(world, 1, np.array([tenant]), np.array([pool]), np.array([2000.0]))
    assert again.cents[again.party == tenant].sum() == short[tenant] + again.new[again.party == tenant].sum()
    before = int(world.ledger.parties.cash[host])
    leases.pay_rent(world, again, np.full(n, 10**12))
    assert world.slot_arrears.sum() == 0
    assert world.ledger.parties.cash[host] > before
    closes(world)


def test_hosts_consent_after_arrears_are_cured() -> None:
    world = world_of(site__assignable_share=1.0)
    tenant, pool, host = shell(world)
    place = int(world.topology.pool_place[pool])
    world.slot_arrears[tenant, place] = 5_000
    leases.ask_consent(world, 0, tenant, np.array([place]))
    assert not world.may_assign()[place]
    lots = np.flatnonzero((world.ledger.lots.owner == tenant) & (world.ledger.lots.pool == pool))
    before = int(world.ledger.parties.cash[host])
    leases.cure_arrears(world, tenant, lots)
    assert world.slot_arrears[tenant, place] == 0
    assert world.ledger.parties.cash[host] - before == 5_000
    leases.ask_consent(world, 0, tenant, np.array([place]))
    assert 0 <= world.consent[place] <= 8
    world.week = 8
    assert world.may_assign()[place]
    closes(world)


def test_a_hall_that_is_converted_pays_rent_when_the_works_are_done() -> None:
    world = world_of(site__retrofit_watts_per_week=1e6)
    halls = np.flatnonzero(world.mining > 0)[:2]
    miners = world.pool_holder[halls]
    asked = np.array([3_000_000, 1_000_000])
    mining = world.mining[halls].copy()
    leases.convert(world, 0, ConvertOrders(miners, halls, asked))
    done = mining - world.mining[halls]
    assert done.tolist() == [750_000, 250_000]  # pro rata
    assert np.array_equal(world.background[halls], done)
    before = world.ledger.parties.cash.copy()
    leases.collect_outside(world, 38)
    assert np.array_equal(world.ledger.parties.cash, before)
    leases.collect_outside(world, 39)
    rent = 250.0 * 120 * 168 / 730 * 100
    assert world.ledger.parties.cash[miners[1]] - before[miners[1]] == pytest.approx(rent, abs=1)
    closes(world)
    for tenant in range(len(world.tenants.rating)):
        leases.tenant_gone(world, 40, tenant)
    assert world.background[halls].sum() == 0
    assert leases.lost_lately(world, 41, int(miners[0]))
    closes(world)


def test_a_failed_tenant_gives_its_halls_back() -> None:
    world = world_of()
    hall = int(
        np.flatnonzero(
            (world.topology.pool_kind == PoolKind.PRIVATE)
            & np.isin(world.pool_holder, world.rows(AgentKind.NEO_CLOUD))
        )[0]
    )
    tenant, place = int(world.pool_holder[hall]), int(world.topology.pool_place[hall])
    shared = world.pool_at(place, PoolKind.OPEN)
    before = int(world.power[shared])
    free = int(world.headroom()[0][hall])
    leases.end_leases(world, 3, tenant)
    assert world.power[shared] == before + free
    assert not np.any(world.leases.live(3) & (world.leases.tenant == tenant))
    closes(world)


# -- compute contracts ------------------------------------------------------------------------------------


def test_take_or_pay_is_kept_and_a_fee_buys_out() -> None:
    held = world_of(tenants__termination_fee=1.0)
    held.rent[:] *= 0.1
    tenancy.terminate(held, 0)
    assert not held.contracts.left.any()
    free = world_of(tenants__termination_fee=0.5)
    free.rent[:] *= 0.1
    operator = int(free.contracts.operator[0])
    mine = np.flatnonzero(free.contracts.operator == operator)
    fee = 0.5 * free.contracts.to_pay(mine, 0).sum() * 100
    before = int(free.ledger.parties.cash[operator])
    tenancy.terminate(free, 0)
    assert free.contracts.left.all()
    assert free.ledger.parties.cash[operator] - before == pytest.approx(fee, abs=len(mine))
    closes(free)


def test_customers_prepay_at_signing() -> None:
    world = world_of()
    operator = int(world.contracts.operator[0])
    row = 0
    world.contracts.end[row] = 0
    before = int(world.ledger.parties.cash[operator])
    tenancy.let_again(world, 0)
    value = world.rent[world.contracts.generation[row]] * world.contracts.gpus[row] * 168 * 208
    assert world.ledger.parties.cash[operator] - before == pytest.approx(0.15 * value * 100, abs=1)
    assert world.contracts.unearned(np.array([row]), 104)[0] == pytest.approx(0.075 * value)
    assert world.ledger.flows[operator, Account.COMPUTE_REVENUE] == 0  # not income


# -- estates ----------------------------------------------------------------------------------------------


def failed(world: World) -> tuple[int, np.ndarray]:
    """A miner in liquidation with three called loans and nothing else to its name: secured short, asset-backed short, notes."""
    loans, ledger = world.ledger.loans, world.ledger
    party = int(world.rows(AgentKind.MINER)[0])
    ledger.pay(REST_OF_WORLD, party, 10**13, Account.EQUITY)
    for row in np.flatnonzero((loans.debtor == party) & loans.live()):
        if loans.pledged[row]:
            ledger.pledge(int(row), -int(loans.pledged[row]))
        ledger.pay(party, int(loans.creditor[row]), int(loans.balance[row]), Account.PRINCIPAL)
        ledger.repay(np.array([row]), loans.balance[row : row + 1].copy())
    lender = int(world.rows(AgentKind.LENDER)[0])
    rows = [
        ledger.lend(
            debtor=party,
            creditor=lender,
            principal=100,
            balance=100,
            kind=int(kind),
            status=int(LoanStatus.ACCELERATED),
        )
        for kind in (LoanKind.LEVEL_PAY, LoanKind.ASSET_BACKED, LoanKind.NOTES)
    ]
    ledger.pay(party, REST_OF_WORLD, int(ledger.parties.cash[party]), Account.PAYOUT)
    world.credit.move(party, Standing.LIQUIDATION)
    world.active[party] = False
    return party, np.array(rows)


def test_an_estate_pays_one_rank_and_no_deficiency_without_recourse() -> None:
    world = world_of()
    party, rows = failed(world)
    world.slot_arrears[party, 0] = 50
    world.customer_claims[party] = 50
    world.ledger.pay(REST_OF_WORLD, party, 150, Account.EQUITY)  # claims of 100 + 100 + 50 + 50
    estates.close(world, 20)
    told = {e.kind: e for e in world.events if e.week == 20 and e.party == party}
    assert told["recovery"].cents == 100  # half of 100 + 100; the asset-backed notes get nothing
    assert world.ledger.written_off[rows].tolist() == [50, 100, 50]
    assert world.ledger.parties.cash[party] == 0
    closes(world)


def test_an_estate_waits_for_its_last_collateral() -> None:
    world = world_of()
    party, rows = failed(world)
    lots = world.ledger.lots
    lots.owner[0], lots.lien[0] = party, rows[0]
    estates.close(world, 20)
    assert world.ledger.loans.balance[rows].tolist() == [100, 100, 100]
    lots.lien[0], lots.owner[0] = -1, REST_OF_WORLD
    estates.close(world, 21)
    assert world.ledger.loans.balance[rows].tolist() == [0, 0, 0]


# -- workouts ---------------------------------------------------------------------------------------------


def test_hardware_is_for_those_it_is_pledged_to_to_decide() -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 4}), rng=3)
    model.run_for(1)
    world, loans = model.world, model.world.ledger.loans
    party = int(loans.debtor[np.flatnonzero(loans.kind == LoanKind.DELAYED_DRAW)[0]])
    rows = np.flatnonzero((loans.debtor == party) & loans.live())
    with_notes = workout.choose(world, 1, party, rows, model.view)
    alone = workout.choose(world, 1, party, rows[loans.kind[rows] != LoanKind.NOTES], model.view)
    assert with_notes == alone


def test_a_lender_with_a_cushion_does_not_foreclose_on_a_borrower_that_pays() -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 4}), rng=3)
    model.run_for(1)
    world, loans = model.world, model.world.ledger.loans
    party = int(loans.debtor[np.flatnonzero(loans.kind == LoanKind.DELAYED_DRAW)[0]])
    rows = np.flatnonzero((loans.debtor == party) & (loans.kind == LoanKind.DELAYED_DRAW))
    owed = float(loans.balance[rows].sum())
    world.credit.income[0, party] = 10**13
    rate = 0.1
    assert workout.amendment_value(world, party, rows, rate, 3 * owed) == pytest.approx(owed)
    assert workout.amendment_value(world, party, rows, rate, 0.5 * owed) < owed


# -- the laws ---------------------------------------------------------------------------------------------


def break_title(world: World) -> None:
    world.ledger.lots.owner[np.flatnonzero(world.ledger.lots.lien >= 0)[0]] += 1


def break_lien(world: World) -> None:
    row = int(world.ledger.lots.lien[world.ledger.lots.lien >= 0][0])
    world.ledger.loans.status[row] = LoanStatus.REPAID


def break_mandate(world: World) -> None:
    world.ledger.lots.agent[0] = 5


def break_order(world: World) -> None:
    world.ledger.orders.append(buyer=3, product=13, arrival=9, gpus=8, unpaid=1, cost=1)


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
    "neo_clouds.restricted_payments": False,
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
