"""Whose money it is: cures that cost what they heal, loans a bank can fund, interest on what was owed."""

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.vocabulary import AgentKind
from sim.debt.facilities import coupon
from sim.lending import debt_service, financing, monitoring
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
    world.credit.due_cents[:, party], world.credit.interest_cents[:, party] = 0, 0
    world.credit.income_cents[:, party] = 0
    world.credit.due_cents[0, party], world.credit.income_cents[0, party] = 1_000_000, 900_000
    before, owed = int(world.ledger.parties.cash_cents[party]), loans.balance_cents.copy()
    monitoring.cure(world, 13, party, np.array([row]))
    lacking = round(1_000_000 * world.parameters.credit.dscr_covenant) - 900_000
    assert world.ledger.parties.cash_cents[party] - before == lacking
    assert np.array_equal(loans.balance_cents, owed)
    closes(world)


def poor_bank(world: World, cents: int) -> tuple[int, int]:
    """A neo-cloud with a commitment, and its bank with little cash."""
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    bank = int(financing.house_bank(world, buyer))
    world.credit.commitment_cents[buyer] = world.credit.line_cents[buyer] = 10**12
    world.credit.window_end[buyer] = 100
    world.ledger.pay(bank, REST_OF_WORLD, int(world.ledger.parties.cash_cents[bank]) - cents, Account.PAYOUT)
    return buyer, bank


@pytest.mark.parametrize("cents", [0, 1, 99, 10**6])
def test_no_bank_offers_more_than_it_can_fund(cents: int) -> None:
    world = world_of()
    buyer, bank = poor_bank(world, cents)
    offered = financing.offer(world, 0, buyer, 10**10, is_new=True)
    assert offered == financing.fundable(world, bank)
    row = financing.draw(world, 0, buyer, offered, 10**10)
    assert (row >= 0) == (offered > 0)
    assert world.ledger.parties.cash_cents[bank] >= 0
    closes(world)


def test_a_loan_that_is_not_made_draws_on_nobody() -> None:
    world = world_of()
    buyer, bank = poor_bank(world, 1_000)
    line = world.ledger.loans.balance_cents[world.ledger.loans.debtor == bank].copy()
    assert financing.draw(world, 0, buyer, 10**8, 10**8) == -1
    assert np.array_equal(world.ledger.loans.balance_cents[world.ledger.loans.debtor == bank], line)
    closes(world)


def test_a_further_draw_runs_over_the_whole_tenor_and_leaves_no_balloon() -> None:
    world = world_of()
    buyer = int(world.rows(AgentKind.NEO_CLOUD)[0])
    bank = int(financing.house_bank(world, buyer))
    world.ledger.pay(REST_OF_WORLD, bank, 10**12, Account.EQUITY)
    world.credit.line_cents[buyer] = 10**12
    row = financing.draw(world, 0, buyer, 10**9, 10**9)
    loans, months = world.ledger.loans, int(world.ledger.loans.months_left[row])
    loans.months_left[row] -= 2
    assert financing.draw(world, 9, buyer, 10**9, 10**9) == row
    loans = world.ledger.loans
    assert loans.months_left[row] == months
    balance = int(loans.balance_cents[row])
    for _ in range(months - 1):
        balance += int(coupon(balance, loans.rate[row])) - int(loans.payment_cents[row])
    assert 0 < balance <= loans.payment_cents[row]


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
