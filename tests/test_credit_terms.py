"""Terms of credit: opening debt by its sources, who lends to whom, covenants, orders of new units, workouts."""

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.lender import LenderKind
from agents.vocabulary import AgentKind, Condition, LotStatus, PoolKind, product_of
from sim.debt.covenants import Basis
from sim.lending import financing, monitoring, orders, terms, workout
from sim.model import FireSaleModel
from sim.origination.signed import NOTHING, SignedLoan
from sim.parameters import Parameters
from sim.state.ledger import Account, LoanKind, LoanStatus, Lots
from sim.state.standing import Standing
from sim.state.tenants import TenantState
from sim.state.world import REST_OF_WORLD, World

# -- opening debt -----------------------------------------------------------------------------------------


def test_notes_are_due_five_and_a_half_years_after_the_purchase_they_paid_for() -> None:
    """No more than a quarter of the cost of what was bought then, and nothing of it is repaid before it is due."""
    loans = world_of().ledger.loans
    notes = np.flatnonzero(loans.kind == LoanKind.NOTES)
    # A purchase of week w was made in the month that holds it, at the latest in the last one.
    bought = np.minimum(np.floor(loans.start[notes] * 12 / 52), -1)
    assert np.array_equal(loans.months_left[notes], 66 + bought)
    assert np.array_equal(loans.balance_cents[notes], loans.principal_cents[notes])
    compared = 0
    for debtor, start in set(zip(loans.debtor[notes].tolist(), loans.start[notes].tolist(), strict=True)):
        same = (loans.debtor == debtor) & (loans.start == start)
        lent = same & (loans.kind <= LoanKind.ASSET_BACKED)
        mine = same & (loans.kind == LoanKind.NOTES)
        if lent.sum() == mine.sum():  # no loan of that purchase is repaid yet
            compared += 1
            assert loans.balance_cents[mine].sum() <= 0.25 * loans.cost_cents[lent].sum() + 1
    assert compared > 10


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
    kinds = terms.lender_kinds(world)[world.rows(AgentKind.LENDER)]
    assert (
        kinds.tolist()
        == [LenderKind.MARK_TO_MARKET] * 3 + [LenderKind.PRIVATE_CREDIT] + [LenderKind.BANK] * 2
    )
    assert np.all(terms.lender_kinds(world)[world.rows(AgentKind.MINER)] == -1)


def test_the_rate_is_that_of_the_tenant() -> None:
    """By hand over a base rate of 3.65 %: PD x .29, capital at 13 % less the base rate, and 1 % for the lender's funding."""
    world = world_of(credit__experience=False, interest__sofr_initial=0.0365)
    expected = [
        0.0365 + 0.0024 * 0.29 + 1.1 * 0.080 * 0.0935 + 0.01,
        0.0365 + 0.0120 * 0.29 + 1.1 * 0.105 * 0.0935 + 0.01,
        0.0365 + 0.0480 * 0.29 + 1.1 * 0.137 * 0.0935 + 0.01,
    ]
    assert [terms.market_rate(world, 0, tier) for tier in range(3)] == pytest.approx(expected, abs=1e-12)


def test_a_borrower_is_of_the_tier_of_most_of_its_units_and_without_contract_speculative() -> None:
    world = world_of()
    lots, operator = world.ledger.lots, int(world.contracts.operator[0])
    mine = np.flatnonzero((lots.owner == operator) & (lots.quantity > 0))
    lots.quantity[mine[2:]] = 0
    lots.quantity[mine[:2]] = [24, 16]
    lots.contract[mine[:2]] = [0, -1]
    world.contracts.due[0], world.contracts.end[0] = 0, 50
    tenant = int(world.contracts.tenant[0])
    for rating, tier in ((0, 0), (1, 1), (2, 2)):
        world.tenants.rating[tenant] = rating
        assert terms.borrower_tier(world)[operator] == tier
    world.tenants.rating[tenant] = 0
    lots.quantity[mine[:2]] = [16, 24]
    assert terms.borrower_tier(world)[operator] == terms.SPECULATIVE
    lots.quantity[mine[:2]] = [24, 16]
    world.tenants.state[tenant] = TenantState.DEFAULTED
    assert terms.borrower_tier(world)[operator] == terms.SPECULATIVE
    world.tenants.state[tenant], world.contracts.due[0] = TenantState.PAYS, 1
    assert terms.borrower_tier(world)[operator] == terms.SPECULATIVE


def test_lenders_ration_when_more_is_asked_of_them_than_they_have() -> None:
    """A pool asked for 1.2 times over: coverage up by .5 x .4, advance down by .2 x .4, the tail by two years x .4."""
    world = world_of()
    asked = terms.on_offer(world)
    assert asked.coverage.tolist() == [1.3, 1.45, 1.6]
    assert asked.advance.tolist() == [0.63, 0.71, 0.6]
    assert asked.tail_years == 1.0
    world.pool.funds[:], world.pool.asked[:] = 100, 120
    tight = terms.on_offer(world)
    assert tight.coverage == pytest.approx([1.5, 1.65, 1.75])
    assert tight.advance == pytest.approx([0.55, 0.63, 0.52])
    assert tight.tail_years == pytest.approx(0.2)


def test_no_line_is_open_in_a_stop_of_lending() -> None:
    world = world_of(credit__stop_week=5, credit__stop_weeks=3)
    world.pool.left = 10**12
    for week, is_open in ((4, True), (5, False), (7, False), (8, True)):
        financing.open_lines(world, week)
        assert (world.credit.line_cents.sum() > 0) == is_open


def test_a_line_is_held_to_what_loans_that_are_paid_carry() -> None:
    """Two lenders' borrowers fall into arrears: one lender pays its line down, one cannot and is in run-off until it can."""
    world = world_of()
    loans, cash = world.ledger.loans, world.ledger.parties.cash_cents
    rich, poor, third = (int(row) for row in world.rows(AgentKind.LENDER)[:3])
    lines = [financing.funding_line(world, lender) for lender in (rich, poor, third)]
    before = loans.balance_cents[lines].copy()
    financing.margin_lenders(world, 0)
    assert np.array_equal(loans.balance_cents[lines], before)
    late = np.array([int(np.flatnonzero(loans.live() & (loans.creditor == one))[0]) for one in (rich, poor)])
    loans.status[late] = LoanStatus.ARREARS
    share = 1.0 - 1.1 * world.parameters.lenders.capital.array()[loans.tier[late]]
    excess = loans.balance_cents[late] * share
    world.ledger.pay(REST_OF_WORLD, rich, 10**13, Account.EQUITY)
    world.ledger.pay(poor, REST_OF_WORLD, int(cash[poor]) - 1_000, Account.PAYOUT)
    financing.margin_lenders(world, 0)
    # The lines were drawn loan by loan, each rounded down.
    rounding = int((loans.kind <= LoanKind.ASSET_BACKED).sum())
    paid = before - loans.balance_cents[lines]
    assert paid[0] == pytest.approx(excess[0], abs=rounding)
    assert paid[1:].tolist() == [1_000, 0]
    assert world.credit.run_off[[rich, poor, third]].tolist() == [False, True, False]
    world.ledger.pay(REST_OF_WORLD, poor, 10**13, Account.EQUITY)
    financing.margin_lenders(world, 0)
    assert not world.credit.run_off[poor]
    assert [event.kind for event in world.events] == ["run_off", "run_off_ended"]
    closes(world)


def lent(world: World, clouds: np.ndarray, cents: int, other: int = 0) -> None:
    """Nothing is owed but so much by each of some clouds, and `other` by a party without a tenant."""
    world.ledger.loans.balance_cents[:] = 0
    lender = int(world.rows(AgentKind.LENDER)[0])
    miner = int(world.rows(AgentKind.MINER)[0])
    kind = int(LoanKind.DELAYED_DRAW)
    for debtor, owed in [*((int(cloud), cents) for cloud in clouds), (miner, other)]:
        world.ledger.loans.append(debtor=debtor, creditor=lender, balance_cents=owed, kind=kind)


def test_neither_borrower_nor_tenant_may_be_too_much_of_all_books() -> None:
    """At most .4 of the books for a borrower and .75 for the tenant behind some, with what is signed and a year's pool."""
    world = world_of()
    clouds = np.unique(world.contracts.operator)[:3]
    world.contracts.tenant[:] = 0
    tenant = terms.main_tenant(world)
    assert np.flatnonzero(tenant == 0).tolist() == np.unique(world.contracts.operator).tolist()
    assert set(tenant.tolist()) == {-1, 0}
    lent(world, clouds, 30)
    assert financing.room(world, tenant)[clouds].tolist() == [0, 0, 0]  # 67 of 90, and 90 are lent
    assert financing.room(world, np.full_like(tenant, -1))[clouds].tolist() == [6, 6, 6]  # 36 less 30
    lent(world, clouds, 20, other=40)
    assert financing.room(world, tenant)[clouds].tolist() == [15, 15, 15]  # 75 of 100, and 60 are lent
    # A month's pool of 10 is 120 more a year: 88 for a borrower, 165 for the tenant.
    world.pool.funds[1] = 10
    assert financing.room(world, tenant)[clouds].tolist() == [68, 68, 68]
    assert financing.room(world, np.full_like(tenant, -1))[world.rows(AgentKind.MINER)[1]] == 88
    world.pool.funds[1] = 0
    lender = int(world.rows(AgentKind.LENDER)[0])
    world.ledger.orders.append(
        buyer=int(clouds[0]), product=13, arrival=9, gpus=8, contract=-1, commitment_cents=20, lender=lender
    )
    # 20 signed: 120 in all, of which the buyer has 40 and the tenant 80.
    assert financing.room(world, tenant)[clouds].tolist() == [8, 10, 10]


def test_the_main_tenant_has_most_gpus_and_of_equals_is_the_first() -> None:
    world = world_of()
    operator = int(np.bincount(world.contracts.operator).argmax())
    mine = np.flatnonzero(world.contracts.operator == operator)
    assert len(mine) >= 3
    held = np.zeros(len(world.tenants.rating), dtype=np.int64)
    np.add.at(held, world.contracts.tenant[mine], world.contracts.gpus[mine])
    assert terms.main_tenant(world)[operator] == held.argmax()
    world.contracts.gpus[mine], world.contracts.tenant[mine] = 0, np.arange(len(mine)) % 3
    world.contracts.gpus[mine[:3]] = 8
    assert terms.main_tenant(world)[operator] == 0


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
    world.credit.due_cents[0, party] = world.credit.tested_cents[0, party] = 1_000_000
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


def ordered(world: World, buyer: int, gpus: int = 80, contract: int = -1, loan: SignedLoan = NOTHING) -> None:
    """Order units at 40,000 USD each for week 17; they reach the dock in week 14."""
    product = product_of(4, Condition.CLEAN)
    room = np.where(world.topology.pool_kind == PoolKind.OPEN, world.headroom()[0], 0)
    pool = int(room.argmax())
    arrival = 17
    columns = {name: np.array([-1]) for name in ("lien", "liquidator", "deadline")}
    columns |= {"product": np.array([product]), "vintage": np.array([arrival]), "quantity": np.array([gpus])}
    columns |= {"pool": np.array([pool]), "owner": np.array([buyer]), "arrival": np.array([arrival])}
    columns |= {"contract": np.array([contract])}
    world.ledger.deliver(Lots(status=np.array([int(LotStatus.IN_TRANSIT)]), **columns))
    orders.place(
        world,
        buyer=buyer,
        product=product,
        arrival=arrival,
        gpus=gpus,
        price=4_000_000,
        cost=4_000_000 * gpus,
        contract=contract,
        loan=loan,
    )


def test_an_order_takes_a_deposit_and_the_rest_on_delivery() -> None:
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    maker = int(world.rows(AgentKind.MANUFACTURER)[0])
    before = int(world.ledger.parties.cash_cents[maker])
    ordered(world, buyer)
    assert world.ledger.parties.cash_cents[maker] - before == 64_000_000  # a fifth of 3.2 million USD
    closes(world)
    orders.pay_on_delivery(world, 13)
    assert world.ledger.orders.n == 1  # not at the dock yet
    # A line of a million USD; spot is worth more than that over three years.
    world.credit.line_cents[buyer] = 100_000_000
    world.ledger.pay(REST_OF_WORLD, buyer, 10**10, Account.EQUITY)
    orders.pay_on_delivery(world, 14)
    assert world.ledger.orders.n == 0
    assert world.ledger.parties.cash_cents[maker] - before == 320_000_000
    lien = world.ledger.lots.lien[-1]
    loans = world.ledger.loans
    assert (loans.debtor[lien], loans.balance_cents[lien]) == (buyer, 100_000_000)
    assert (loans.cost_cents[lien], loans.months_left[lien]) == (320_000_000, 36)
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


def penniless(world: World, buyer: int) -> None:
    world.ledger.pay(buyer, REST_OF_WORLD, int(world.ledger.parties.cash_cents[buyer]), Account.PAYOUT)


def test_an_order_nobody_finances_is_lost_with_its_deposit() -> None:
    world = world_of(credit__stop_week=5)
    buyer, maker = int(world.rows(AgentKind.NEO_CLOUD)[6]), int(world.rows(AgentKind.MANUFACTURER)[0])
    gpus = int(world.ledger.gpus_by_generation()[4])
    before = int(world.ledger.parties.cash_cents[maker])
    ordered(world, buyer)
    penniless(world, buyer)
    world.pool.left = 10**12
    financing.open_lines(world, 14)
    orders.pay_on_delivery(world, 14)
    assert world.ledger.gpus_by_generation()[4] == gpus
    assert world.events[-1].kind == "order_cancelled"
    assert world.ledger.parties.cash_cents[maker] - before == 64_000_000
    closes(world)


def signed(world: World, loan_cents: int) -> tuple[int, int]:
    """An order for a contract with a loan signed for it; the buyer and the contract."""
    buyer, lender = int(world.rows(AgentKind.NEO_CLOUD)[0]), int(world.rows(AgentKind.LENDER)[1])
    contract = world.contracts.append(
        tenant=0,
        operator=buyer,
        generation=4,
        gpus=80,
        rate_usd_per_hour=2.0,
        due=17,
        end=17 + 208,
        prepaid=0.2,
        years=4.0,
    )
    loan = SignedLoan(lender=lender, tier=1, cents=loan_cents, rate=0.09, months=60)
    ordered(world, buyer, contract=contract, loan=loan)
    penniless(world, buyer)
    return buyer, contract


@pytest.mark.parametrize("week", [-1, 1])
def test_a_signed_loan_is_drawn_whatever_has_become_of_lending(week: int) -> None:
    """A buyer without cash takes delivery on the loan it signed, which is for all that is unpaid; its payments wait."""
    world = world_of(credit__stop_week=week, credit__stop_weeks=26)
    buyer, contract = signed(world, 256_000_000)
    orders.pay_on_delivery(world, 14)
    loans, lien = world.ledger.loans, int(world.ledger.lots.lien[-1])
    assert world.ledger.orders.n == 0
    assert (loans.debtor[lien], loans.balance_cents[lien], loans.rate[lien]) == (buyer, 256_000_000, 0.09)
    assert (loans.kind[lien], loans.contract[lien]) == (LoanKind.DELAYED_DRAW, contract)
    assert loans.tested_from[lien] == 17 + 30  # seven months after the contract date
    assert world.ledger.parties.cash_cents[buyer] == 0
    closes(world)


def test_where_undrawn_lines_are_ended_a_signed_loan_is_gone_and_the_deal_with_it() -> None:
    """What the tenant prepaid, a fifth of 80 GPUs' rent for 208 weeks, is a claim on the operator."""
    world = world_of(credit__stop_week=1, credit__stop_weeks=26, credit__stop_ends="undrawn")
    buyer, contract = signed(world, 256_000_000)
    claims = int(world.operators.customer_claims_cents[buyer])
    orders.pay_on_delivery(world, 14)
    assert world.ledger.orders.n == 0
    assert [event.kind for event in world.events] == ["commitment_ended", "order_cancelled"]
    assert world.operators.customer_claims_cents[buyer] - claims == round(0.2 * 2.0 * 80 * 168 * 208 * 100)
    assert (world.contracts.left[contract], world.contracts.end[contract]) == (1, 14)
    closes(world)


def test_undrawn_commitments_cost_fifty_basis_points() -> None:
    world = world_of()
    buyer, lender = int(world.rows(AgentKind.NEO_CLOUD)[0]), int(world.rows(AgentKind.LENDER)[1])
    ordered(world, buyer, loan=SignedLoan(lender=lender, tier=1, cents=12_000_000_00, rate=0.09, months=60))
    before = world.ledger.parties.cash_cents.copy()
    financing.charge_undrawn(world, 5)
    moved = world.ledger.parties.cash_cents - before
    assert (moved[buyer], moved[lender]) == (-500_000, 500_000)  # 12 million x 0.5 % / 12
    assert np.count_nonzero(moved) == 2


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
