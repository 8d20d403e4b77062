"""Terms of credit: opening debt by its sources, who lends to whom, covenants, orders of new units, workouts."""

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.lender import LenderKind
from agents.vocabulary import AgentKind, Condition, LotStatus, PoolKind, product_of
from sim.debt.covenants import Basis
from sim.lending import financing, monitoring, orders, origination, workout
from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.state.ledger import Account, LoanKind, Lots
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
    owed = loans.balance_cents[np.isin(loans.debtor, clouds)].sum()
    assert loans.balance_cents[notes].sum() / owed == pytest.approx(0.42, abs=1e-3)


def test_puts_of_convertibles_follow_their_age() -> None:
    """Issued 10 to 23 months ago with a put after 36: due in 13 to 26 months."""
    loans = world_of().ledger.loans
    left = loans.months_left[loans.kind == LoanKind.CONVERTIBLE]
    assert left.min() >= 13
    assert left.max() <= 26


def test_equipment_loans_amortise_to_the_last_cent() -> None:
    loans = world_of().ledger.loans
    for row in np.flatnonzero(loans.kind <= LoanKind.ASSET_BACKED)[:40]:
        balance, rate = float(loans.balance_cents[row]), float(loans.rate[row]) / 12
        left = int(loans.months_left[row])
        for _ in range(left):
            balance = balance * (1 + rate) - loans.payment_cents[row]
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
    calm = world.credit.appraisal_usd + 10_000.0
    world.credit.marks_usd = [calm * (1.12 if week % 2 else 1.0) for week in range(14)]
    swings = origination.price_volatility(world)
    cut = 1 - 2.33 * (swings - 0.5) / 2
    assert swings == pytest.approx(np.log(1.12) * np.sqrt(52) * np.std([1, -1] * 6 + [1]))
    assert 0.4 < cut * 0.7142 < 0.7142
    assert origination.advance_on_offer(world, 0, 0.7142) == pytest.approx(0.7142 * cut)
    world.credit.marks_usd = [calm * (1.4 if week % 2 else 1.0) for week in range(14)]
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
    before = loans.balance_cents[lines].copy()
    financing.margin_lenders(world, 0)
    assert np.array_equal(loans.balance_cents[lines], before)
    world.credit.marks_usd = [
        world.credit.appraisal_usd + 10_000.0 * (1.2 if week % 2 else 1.0) for week in range(14)
    ]
    financing.margin_lenders(world, 0)
    marked = origination.lender_kinds(world)[lenders] == LenderKind.MARK_TO_MARKET
    assert np.array_equal(loans.balance_cents[lines] < before, marked)
    closes(world)


def test_one_tenant_may_not_stand_behind_too_much_of_a_book() -> None:
    world = world_of()
    clouds = np.unique(world.contracts.operator)[:3]
    world.contracts.tenant[:] = 0
    lent = np.zeros(world.ledger.parties.n, dtype=np.int64)
    tenant = origination.main_tenant(world)
    assert np.flatnonzero(tenant == 0).tolist() == np.unique(world.contracts.operator).tolist()
    assert set(tenant.tolist()) == {-1, 0}
    lent[clouds] = 30
    assert origination.tenant_room(world, clouds, tenant, 100, lent).tolist() == [0, 0, 0]
    lent[clouds] = 20
    assert origination.tenant_room(world, clouds, tenant, 100, lent).tolist() == [15, 15, 15]


def test_the_main_tenant_has_most_gpus_and_of_equals_is_the_first() -> None:
    world = world_of()
    operator = int(world.contracts.operator[0])
    mine = np.flatnonzero(world.contracts.operator == operator)
    held = np.zeros(len(world.tenants.rating), dtype=np.int64)
    np.add.at(held, world.contracts.tenant[mine], world.contracts.gpus[mine])
    assert origination.main_tenant(world)[operator] == held.argmax()
    world.contracts.gpus[mine], world.contracts.tenant[mine] = 0, np.arange(len(mine)) % 3
    world.contracts.gpus[mine[:3]] = 8
    assert origination.main_tenant(world)[operator] == 0


# -- covenants by the lender's kind -----------------------------------------------------------------------


def test_a_fall_of_prices_breaches_marks_and_never_cost() -> None:
    world = world_of(credit__mark_to_market_share=0.5, credit__mark_to_market_basis="market")
    monitoring.mark(world)
    monitoring.appraise_fleet(world)
    before = monitoring.examine_loans(world, 0)
    world.market.price_usd[:] *= 0.2
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
    world.credit.due_cents[0, party] = 1_000_000
    world.credit.interest_cents[0, party] = 100_000
    world.credit.income_cents[0, party] = round(1_000_000 * income)
    return party, np.flatnonzero((loans.debtor == party) & (loans.kind <= LoanKind.ASSET_BACKED))


def test_a_breach_is_cured_out_of_cash() -> None:
    world = world_of()
    party, rows = breached(world, 0.84)
    world.ledger.pay(REST_OF_WORLD, party, 10**13, Account.EQUITY)
    owed = world.ledger.loans.balance_cents[rows].sum()
    monitoring.breach(world, 13, party, rows, "coverage 0.840")
    assert world.credit.standing[party] == Standing.TRAPPED
    assert world.ledger.loans.balance_cents[rows].sum() / owed == pytest.approx(
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
        world.ledger.pay(party, REST_OF_WORLD, int(world.ledger.parties.cash_cents[party]), Account.PAYOUT)
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
    columns = {name: np.array([-1]) for name in ("lien", "liquidator", "deadline")}
    columns |= {"product": np.array([product]), "vintage": np.array([arrival]), "quantity": np.array([gpus])}
    columns |= {"pool": np.array([pool]), "owner": np.array([buyer]), "arrival": np.array([arrival])}
    world.ledger.deliver(Lots(status=np.array([int(LotStatus.IN_TRANSIT)]), **columns))
    orders.place(world, world.ledger.lots.n - 1, buyer, price, price * gpus)


def test_an_order_takes_a_deposit_and_the_rest_on_delivery() -> None:
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    maker = int(world.rows(AgentKind.MANUFACTURER)[0])
    before = int(world.ledger.parties.cash_cents[maker])
    ordered(world, buyer)
    assert world.ledger.parties.cash_cents[maker] - before == 64_000_000  # a fifth of 3.2 million USD
    closes(world)
    financing.open_lines(world, 0)
    orders.pay_on_delivery(world, 13)
    assert world.ledger.orders.n == 1  # not at the dock yet
    world.ledger.pay(REST_OF_WORLD, buyer, 10**10, Account.EQUITY)
    orders.pay_on_delivery(world, 14)
    assert world.ledger.orders.n == 0
    assert world.ledger.parties.cash_cents[maker] - before == 320_000_000
    lien = world.ledger.lots.lien[-1]
    assert world.ledger.loans.debtor[lien] == buyer
    closes(world)


def test_an_order_is_cut_to_what_cash_pays_at_once() -> None:
    """At 2,500 USD per GPU 29,999.99 USD pay for 11: one node of 8."""
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    world.ledger.pay(
        buyer, REST_OF_WORLD, int(world.ledger.parties.cash_cents[buyer]) - 2_999_999, Account.PAYOUT
    )
    product = product_of(4, Condition.NEW)
    due = orders.deposit(world, 1_000_000) + 50_000
    assert orders.covered(world, 3, buyer, product, 80, due) == 8
    assert (world.events[-1].kind, world.events[-1].quantity) == ("order_cut", 72)
    assert orders.covered(world, 3, buyer, product, 8, due) == 8


def test_an_order_nobody_finances_is_lost_with_its_deposit() -> None:
    world = world_of(credit__stop_week=5)
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[6])
    ordered(world, buyer)
    world.ledger.pay(buyer, REST_OF_WORLD, int(world.ledger.parties.cash_cents[buyer]), Account.PAYOUT)
    world.credit.line_cents[:] = 0
    gpus = int(world.ledger.gpus_by_generation()[4])
    orders.pay_on_delivery(world, 14)
    assert world.ledger.gpus_by_generation()[4] == gpus - 80
    assert world.events[-1].kind == "order_cancelled"
    closes(world)


def test_a_committed_draw_ignores_the_stop_until_its_window_ends() -> None:
    world = world_of(credit__stop_week=1, credit__stop_weeks=26)
    cloud = int(world.rows(AgentKind.NEO_CLOUD)[0])
    world.credit.commitment_cents[cloud], world.credit.window_end[cloud] = 10**10, 10
    world.ledger.pay(REST_OF_WORLD, cloud, 10**13, Account.EQUITY)
    monitoring.prepay_base(world, 5, cloud)
    for week, expected in ((5, 714_200_000), (10, 0)):
        financing.open_lines(world, week)
        assert financing.offer(world, week, cloud, 1_000_000_000, is_new=True) == expected
    assert world.credit.commitment_cents[cloud] == 0  # the undrawn part dies with the window


def test_undrawn_commitments_cost_fifty_basis_points() -> None:
    world = world_of()
    cloud = int(world.rows(AgentKind.NEO_CLOUD)[0])
    world.credit.commitment_cents[:] = 0
    world.credit.commitment_cents[cloud], world.credit.window_end[cloud] = 12_000_000_00, 10
    before = world.ledger.parties.cash_cents.copy()
    financing.charge_undrawn(world, 5)
    assert before[cloud] - world.ledger.parties.cash_cents[cloud] == 500_000  # 12 million x 0.5 % / 12
    assert world.ledger.parties.cash_cents.sum() == before.sum()


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
    owed = float(loans.balance_cents[rows].sum())
    world.credit.income_cents[0, party] = 10**13
    rate = 0.1
    assert workout.amendment_value(world, party, rows, rate, 3 * owed) == pytest.approx(owed)
    assert workout.amendment_value(world, party, rows, rate, 0.5 * owed) < owed
