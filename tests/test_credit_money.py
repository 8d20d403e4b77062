"""Whose money it is: cures that cost what they heal, loans a bank can fund, interest on what was owed."""

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.lender import SPECULATIVE
from agents.vocabulary import AgentKind
from sim.debt.facilities import coupon
from sim.lending import debt_service, financing, monitoring
from sim.origination.signed import SignedLoan
from sim.state.ledger import Account, LoanKind
from sim.state.standing import Standing
from sim.state.world import REST_OF_WORLD, World

UNLIMITED = 10**15


def under_water(world: World) -> tuple[int, np.ndarray]:
    """A borrower of a lender that marks to market, after prices fell, and its loans that breach by collateral."""
    monitoring.mark(world)
    monitoring.appraise_fleet(world)
    world.market.price_usd[:] *= 0.6
    tests = monitoring.examine_loans(world, 0)
    party = int(tests.debtor[np.flatnonzero(tests.breach.loan_to_value)[0]])
    rows = tests.row[tests.breach.loan_to_value & (tests.debtor == party)]
    return party, rows


def test_owners_that_cure_a_breach_of_collateral_pay_what_it_lacks() -> None:
    world = world_of(
        credit__mark_to_market_share=0.5,
        credit__mark_to_market_basis="market",
    )
    party, rows = under_water(world)
    parties, loans = world.ledger.parties, world.ledger.loans
    # No cash to prepay with, and income that covers everything: only collateral is lacking.
    world.ledger.pay(party, REST_OF_WORLD, int(parties.cash_cents[party]), Account.PAYOUT)
    world.credit.due_cents[0, party], world.credit.income_cents[0, party] = 100, 10**9
    level = world.parameters.credit.loan_to_value_covenant
    tests = monitoring.examine_loans(world, 0)
    ratio = tests.leverage.market[np.searchsorted(tests.row, rows)]
    owed = loans.balance_cents[rows].copy()
    monitoring.cure(world, 13, party, rows)
    assert world.credit.standing[party] == Standing.TRAPPED
    assert np.array_equal(
        loans.balance_cents[rows], owed - np.ceil(owed * (1 - level / ratio)).astype(np.int64)
    )
    again = monitoring.examine_loans(world, 13)
    assert not again.breach.loan_to_value[np.searchsorted(again.row, rows)].any()
    assert parties.cash_cents[party] == 0
    closes(world)


def test_owners_that_cure_a_breach_of_coverage_leave_the_money_with_the_borrower() -> None:
    world = world_of()
    loans = world.ledger.loans
    row = int(np.flatnonzero(loans.kind == LoanKind.DELAYED_DRAW)[0])
    party = int(loans.debtor[row])
    for ring in (world.credit.tested_cents, world.credit.interest_cents, world.credit.income_cents):
        ring[:, party] = 0
    # Service of loans in their first months falls due and is not tested.
    world.credit.due_cents[0, party], world.credit.tested_cents[0, party] = 3_000_000, 1_000_000
    world.credit.income_cents[0, party] = 900_000
    before, owed = int(world.ledger.parties.cash_cents[party]), loans.balance_cents.copy()
    monitoring.cure(world, 13, party, np.array([row]))
    lacking = round(1_000_000 * world.parameters.credit.dscr_covenant) - 900_000
    assert world.ledger.parties.cash_cents[party] - before == lacking
    assert np.array_equal(loans.balance_cents, owed)
    closes(world)


# -- who funds a loan -------------------------------------------------------------------------------------


def loan_from(lender: int, cents: int, months: int = 36) -> SignedLoan:
    return SignedLoan(lender=lender, tier=SPECULATIVE, cents=cents, rate=0.1, months=months)


@pytest.mark.parametrize("left", [0, 1, 99, 10**9])
def test_no_more_is_offered_than_the_pool_has_left(left: int) -> None:
    """Lines share what is left by fleet, to the cent; what is drawn on them is gone from the pool."""
    world = world_of(lenders__single_borrower_limit=1.0, lenders__single_tenant_limit=1.0)
    world.pool.left = left
    financing.open_lines(world, 0)
    assert world.credit.line_cents.sum() == left
    buyer = int(world.credit.line_cents.argmax())
    line = int(world.credit.line_cents[buyer])
    row = financing.finance(world, 0, buyer, 10**12)
    assert (row >= 0) == (line > 0)
    assert world.pool.left == left - line
    assert world.credit.line_cents[buyer] == 0
    closes(world)


@pytest.mark.parametrize("cents", [0, 1, 99, 10**9, 4 * 10**9])
def test_a_loan_is_funded_by_the_lenders_line_its_cash_and_its_owners(cents: int) -> None:
    """Of 100 million USD to a speculative borrower 15.07 are capital, so the line gives 84.93; owners give what cash lacks."""
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    bank = financing.lender_for(world, buyer)
    parties, line = world.ledger.parties, financing.funding_line(world, bank)
    world.ledger.pay(bank, REST_OF_WORLD, int(parties.cash_cents[bank]) - cents, Account.PAYOUT)
    world.ledger.flows[:] = 0
    drawn, cash = int(world.ledger.loans.balance_cents[line]), int(parties.cash_cents[buyer])
    row = financing.draw(world, 0, buyer, loan_from(bank, 10**10), 2 * 10**10, -1)
    assert world.ledger.loans.balance_cents[row] == 10**10
    assert parties.cash_cents[buyer] - cash == 10**10
    assert world.ledger.loans.balance_cents[line] - drawn == pytest.approx(8_493_000_000, abs=1)
    owners = max(1_507_000_000 - cents, 0)
    assert world.ledger.flows[bank, Account.EQUITY] == pytest.approx(owners, abs=1)
    assert parties.cash_cents[bank] == pytest.approx(cents + owners - 1_507_000_000, abs=1)
    assert parties.cash_cents[bank] >= 0
    closes(world)


def test_a_loan_that_is_not_made_draws_on_nobody() -> None:
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    balances, cash = world.ledger.loans.balance_cents.copy(), world.ledger.parties.cash_cents.copy()
    world.pool.left = 10**12
    financing.open_lines(world, 0)
    assert financing.draw(world, 0, buyer, loan_from(-1, 10**8), 10**8, -1) == -1
    assert (
        financing.draw(world, 0, buyer, loan_from(int(world.rows(AgentKind.LENDER)[0]), 0), 10**8, -1) == -1
    )
    # No lender makes new loans while its own funding is called.
    world.credit.run_off[world.rows(AgentKind.LENDER)] = True
    assert financing.finance(world, 0, buyer, 10**8) == -1
    assert np.array_equal(world.ledger.loans.balance_cents, balances)
    assert np.array_equal(world.ledger.parties.cash_cents, cash)
    closes(world)


def test_draws_of_a_month_join_and_run_to_the_last_cent_and_a_later_one_stands_alone() -> None:
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    loan = loan_from(int(world.rows(AgentKind.LENDER)[0]), 10**9)
    row = financing.draw(world, 0, buyer, loan, 2 * 10**9, -1)
    assert financing.draw(world, 3, buyer, loan, 2 * 10**9, -1) == row
    assert world.ledger.loans.balance_cents[row] == 2 * 10**9
    assert world.ledger.loans.cost_cents[row] == 4 * 10**9
    # A payment of the first has been made: one term does not fit both.
    world.ledger.loans.months_left[row] -= 1
    later = financing.draw(world, 6, buyer, loan, 2 * 10**9, -1)
    assert later != row
    # Another quarter's draw stands alone too, whatever is left of the one before.
    world.ledger.loans.months_left[later] = 36
    assert financing.draw(world, 13, buyer, loan, 2 * 10**9, -1) not in (row, later)
    loans = world.ledger.loans
    loans.months_left[row] += 1
    for one in (row, later):
        assert loans.months_left[one] == 36
        balance = int(loans.balance_cents[one])
        for _ in range(35):
            balance += int(coupon(balance, loans.rate[one])) - int(loans.payment_cents[one])
        assert 0 < balance <= loans.payment_cents[one]
    closes(world)


def test_owners_pay_in_a_loans_capital_as_it_is_signed_and_have_back_what_is_not_needed() -> None:
    """A loan of 100 million USD to a mixed tenant takes 11.55 million of capital; with nothing lent or signed none stays."""
    world = world_of()
    bank = int(world.rows(AgentKind.LENDER)[0])
    loans, cash = world.ledger.loans, world.ledger.parties.cash_cents
    world.ledger.flows[:] = 0
    financing.call_capital(world, SignedLoan(lender=bank, tier=1, cents=10**10, rate=0.1, months=36))
    assert world.ledger.flows[bank, Account.EQUITY] == pytest.approx(1_155_000_000, abs=1)
    financing.return_capital(world, 0)
    book = loans.live() & (loans.creditor == bank)
    held = int(cash[bank] + loans.balance_cents[book].sum())
    held -= int(loans.balance_cents[loans.debtor == bank].sum())
    share = 1.1 * world.parameters.lenders.capital.array()[loans.tier[book]]
    assert held == pytest.approx(float((loans.balance_cents[book] * share).sum()), abs=int(book.sum()) + 1)
    closes(world)


def test_interest_of_a_month_is_on_what_was_owed_in_it() -> None:
    world = world_of()
    ledger, loans = world.ledger, world.ledger.loans
    row = int(np.flatnonzero((loans.kind == LoanKind.BITCOIN) & loans.live())[0])
    debtor, creditor = int(loans.debtor[row]), int(loans.creditor[row])
    # Alone in the world, matures now, may not be renewed, coins in plenty.
    loans.months_left[:] = 60
    loans.months_left[row] = 1
    ledger.parties.bitcoin_satoshi[debtor] += UNLIMITED // 10**4
    ledger.pledge(row, UNLIMITED // 10**4)
    ledger.pay(debtor, REST_OF_WORLD, int(ledger.parties.cash_cents[debtor]), Account.PAYOUT)
    balance, interest = int(loans.balance_cents[row]), int(coupon(loans.balance_cents[row], loans.rate[row]))
    before = int(ledger.parties.cash_cents[creditor])
    debt_service.repay_in_coins(world, row, 0)
    assert loans.balance_cents[row] == 0
    assert ledger.parties.cash_cents[creditor] - before == balance + interest > balance


def test_what_is_paid_down_at_a_maturity_bears_the_months_interest(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of()
    ledger, loans = world.ledger, world.ledger.loans
    row = int(np.flatnonzero((loans.kind == LoanKind.NOTES) & loans.live())[0])
    debtor = int(loans.debtor[row])
    for other in np.flatnonzero(loans.live() & (loans.debtor == debtor)):
        loans.months_left[other] = 60
    loans.months_left[row] = 1
    ledger.pay(REST_OF_WORLD, debtor, UNLIMITED, Account.EQUITY)
    mine = loans.live() & (loans.debtor == debtor)
    interest = int(coupon(loans.balance_cents[mine], loans.rate[mine]).sum())
    owed = int(loans.balance_cents[row])
    monkeypatch.setattr(debt_service, "offers", lambda world, rows, week: loans.balance_cents[rows] // 2)
    debt_service.service_debt(world, 4)
    assert loans.balance_cents[row] == owed // 2
    assert world.credit.interest_cents[:, debtor].max() == interest
