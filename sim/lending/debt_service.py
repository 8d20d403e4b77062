"""Debt service: what falls due each month, how it is refinanced, paid jointly, or missed.

Level payments, coupons, puts and maturities fall due in the week that holds the first of a month. Everybody pays at
once: a lender pays its funders out of what its borrowers pay it (Eisenberg and Noe 2001). A payment that
is missed opens a grace period (contracts.md 4.10).
"""

import numpy as np

from agents.vocabulary import MONTHS_PER_YEAR, SATOSHI, AgentKind, Bools, Ints
from sim.debt.bitcoin_loan import coins_needed, largest_loan, price_cents, worth
from sim.debt.facilities import (
    PutOutcome,
    conversion_price,
    coupon,
    put_outcome,
    refinancing_offer,
    share_price,
)
from sim.debt.payments import clear_claims
from sim.debt.terms import level_payment
from sim.lending import terms
from sim.state.ledger import BULLET, Account, LoanKind, LoanStatus
from sim.state.standing import QUARTERS_PER_YEAR, Standing, equity_open, lending_open
from sim.state.world import REST_OF_WORLD, World


def service_debt(world: World, week: int) -> None:
    """Refinance what matures, pay what is due, and record what is missed.

    Interest is of the month that ends, so on what was owed before anything is refinanced, rounded to the cent once; the last
    payment clears the balance exactly. A debtor that cannot pay everything pays its creditors in proportion to what it owes
    them, interest before principal.
    """
    ledger, loans, credit = world.ledger, world.ledger.loans, world.credit
    accrued_now = coupon(loans.balance_cents, loans.rate)
    refinance(world, week)
    live = np.flatnonzero(loans.live() & ~credit.failed()[loans.debtor])
    interest = accrued_now[live]
    early = before_term(world, live, week)
    due = np.where(early, interest, dues(world, live, interest))
    debtor, creditor = loans.debtor[live], loans.creditor[live]
    scheduled = np.zeros(ledger.parties.n, dtype=np.int64)
    # A balloon or put is a maturity, not a month's service: coverage counts a level payment or interest of it.
    np.add.at(
        scheduled, debtor, np.where(loans.months_left[live] <= 1, np.minimum(due, regular(world, live)), due)
    )
    accrued, tested = np.zeros_like(scheduled), np.zeros_like(scheduled)
    np.add.at(accrued, debtor, interest)
    past = ~in_holiday(world, live, week)
    np.add.at(
        tested,
        debtor[past],
        np.where(loans.months_left[live] <= 1, np.minimum(due, regular(world, live)), due)[past],
    )
    credit.owe(week, scheduled, accrued, tested)
    cash = np.maximum(ledger.parties.cash_cents, 0)
    cash[REST_OF_WORLD] = 0
    paid = clear_claims(debtor, creditor, due, cash).paid_cents
    to_interest = np.minimum(interest, paid)
    to_principal = paid - to_interest
    ledger.pay(debtor, creditor, to_interest, Account.INTEREST)
    ledger.pay(debtor, creditor, to_principal, Account.PRINCIPAL)
    ledger.repay(live, to_principal)
    loans.months_left[live] = np.maximum(loans.months_left[live] - ~early, 0)
    short = paid < due
    ledger.capitalise(live[short], (interest - to_interest)[short])
    loans.overdue_cents[live] += due - paid
    loans.status[live] = np.where(loans.overdue_cents[live] > 0, LoanStatus.ARREARS, LoanStatus.PERFORMING)
    for i in np.flatnonzero(short):
        world.log(
            week,
            "missed_payment",
            int(debtor[i]),
            counterparty=int(creditor[i]),
            cents=int(due[i] - paid[i]),
            detail=LoanKind(loans.kind[live[i]]).name.lower(),
        )
    _open_grace(world, week, np.unique(debtor[short]))
    close_repaid(world, week)


def before_term(world: World, live: Ints, week: int) -> Bools:
    """Loans whose contract has not begun: they pay interest alone."""
    loans, contracts = world.ledger.loans, world.contracts
    row = loans.contract[live]
    found = row >= 0
    found[found] = contracts.due[row[found]] > week
    return np.asarray(found)


def in_holiday(world: World, live: Ints, week: int) -> Bools:
    """Loans whose coverage is not tested yet: so many weeks from the date of their contract."""
    loans, contracts = world.ledger.loans, world.contracts
    row = loans.contract[live]
    found = (row >= 0) & (loans.start[live] >= 0)
    found[found] = contracts.due[row[found]] + world.parameters.credit.coverage_holiday_weeks > week
    return np.asarray(found)


def regular(world: World, live: Ints) -> Ints:
    """A month's ordinary service of each loan: its level payment or coupon, cents."""
    return np.asarray(world.ledger.loans.payment_cents[live])


def dues(world: World, live: Ints, interest: Ints) -> Ints:
    """What falls due this month on each loan, cents: all of it in the last month."""
    loans = world.ledger.loans
    owed = loans.balance_cents[live] + interest
    bullet = np.isin(loans.kind[live], BULLET)
    monthly = np.where(bullet, interest, np.minimum(np.maximum(loans.payment_cents[live], interest), owed))
    return np.asarray(np.where(loans.months_left[live] <= 1, owed, monthly))


def _open_grace(world: World, week: int, debtors: Ints) -> None:
    """Give a debtor that missed a payment its grace period; lenders that miss one are called by their funders."""
    credit, parameters = world.credit, world.parameters.credit
    if not parameters.defaults:
        return
    for party in debtors:
        if world.ledger.parties.kind[party] == AgentKind.LENDER:
            if not credit.run_off[party]:
                world.log(week, "run_off", int(party), detail="own funding unpaid")
            credit.run_off[party] = True
        elif credit.standing[party] < Standing.GRACE:
            credit.move(int(party), Standing.GRACE, week + int(parameters.grace_weeks))


def close_repaid(world: World, week: int) -> None:
    """Release the liens and coins of loans that are paid off."""
    ledger, loans = world.ledger, world.ledger.loans
    done = (loans.balance_cents == 0) & (loans.status <= LoanStatus.ARREARS)
    # A lender's line stays open while nothing is drawn on it.
    done = np.flatnonzero(done & (loans.kind != LoanKind.FUNDING))
    if len(done) == 0:
        return
    loans.status[done] = LoanStatus.REPAID
    loans.overdue_cents[done] = 0
    ledger.lots.lien[np.isin(ledger.lots.lien, done)] = -1
    for row in done:
        if loans.pledged_satoshi[row]:
            ledger.pledge(int(row), -int(loans.pledged_satoshi[row]))
        world.log(week, "loan_repaid", int(loans.debtor[row]), counterparty=int(loans.creditor[row]))


def pay_overdue(world: World, party: int) -> bool:
    """Pay everything overdue out of cash if the cash covers it; whether it did."""
    ledger, loans = world.ledger, world.ledger.loans
    rows = np.flatnonzero((loans.debtor == party) & loans.live() & (loans.overdue_cents > 0))
    overdue = np.minimum(loans.overdue_cents[rows], loans.balance_cents[rows])
    if int(overdue.sum()) > ledger.parties.cash_cents[party]:
        return False
    ledger.pay(party, loans.creditor[rows], overdue, Account.PRINCIPAL)
    ledger.repay(rows, overdue)
    loans.overdue_cents[rows] = 0
    loans.status[rows] = LoanStatus.PERFORMING
    return True


# -- maturities -------------------------------------------------------------------------------------------


def refinance(world: World, week: int) -> None:
    """Maturities and puts need an offer at today's terms (economics.md section 10).

    The offer needs open lending, a solvent borrower in good standing, and a creditor that still lends. What the offer does not
    cover falls due. With ``credit.financing`` off every maturity is rolled at par.
    """
    loans, credit, parameters = world.ledger.loans, world.credit, world.parameters
    ends = (loans.months_left <= 1) & loans.live() & ~credit.failed()[loans.debtor]
    ends &= loans.balance_cents > np.where(
        np.isin(loans.kind, BULLET), 0, parameters.credit.balloon_payments * loans.payment_cents
    )
    rows = np.flatnonzero(ends & (loans.kind != LoanKind.FUNDING))
    if len(rows) == 0:
        return
    if not parameters.credit.financing:
        loans.months_left[rows] = new_months(world, rows)
        return
    rows = convert(world, week, rows)
    equity = world.net_asset_value_cents()
    unsecured = np.isin(loans.kind[rows], (LoanKind.NOTES, LoanKind.CONVERTIBLE))
    is_open = np.where(unsecured, equity_open(parameters.credit, week), lending_open(parameters.credit, week))
    offer = offers(world, rows, week)
    # Who shows no collateral is judged by income, or by what is left of everything (`offers`), not by a balance sheet.
    good = is_open & (unsecured | (equity[loans.debtor[rows]] > 0))
    good &= credit.standing[loans.debtor[rows]] <= Standing.TRAPPED
    good &= ~credit.run_off[loans.creditor[rows]]
    months = new_months(world, rows)
    for i, row in enumerate(rows):
        debtor, creditor, balance = (
            int(loans.debtor[row]),
            int(loans.creditor[row]),
            int(loans.balance_cents[row]),
        )
        amount = min(int(offer[i]), balance) if good[i] else 0
        if loans.kind[row] == LoanKind.BITCOIN:
            amount = min(amount, int(bitcoin_offer(world, np.array([row]))[0]))
            top_up(world, int(row), amount)
        pay_down = balance - amount
        raise_cash(world, debtor, pay_down)
        if loans.pledged_satoshi[row] and pay_down > world.ledger.parties.cash_cents[debtor]:
            repay_in_coins(world, int(row), week)
            continue
        if amount == 0 or pay_down > world.ledger.parties.cash_cents[debtor]:
            why = "no offer covers it" if is_open[i] else "lending is closed"
            world.log(week, "refinancing_refused", debtor, counterparty=creditor, cents=pay_down, detail=why)
            continue
        world.ledger.pay(debtor, creditor, pay_down, Account.PRINCIPAL)
        world.ledger.repay(np.array([row]), np.array([pay_down]))
        reset(world, int(row), week, int(months[i]))
        world.log(week, "refinanced", debtor, counterparty=creditor, cents=amount)


def convert(world: World, week: int, rows: Ints) -> Ints:
    """Holders of convertibles take shares at the put if those are worth more (contracts.md 4.5); returns the others.

    The share price is net asset value over its opening level, the conversion price that level plus the premium.
    """
    loans, credit = world.ledger.loans, world.credit
    notes = rows[loans.kind[rows] == LoanKind.CONVERTIBLE]
    debtor = loans.debtor[notes]
    share = share_price(
        world.net_asset_value_cents()[debtor], np.maximum(credit.opening_net_asset_value_cents[debtor], 1)
    )
    strike = conversion_price(1.0, world.parameters.miners.convertible_premium)
    taken = notes[put_outcome(week, np.full(len(notes), week), share, strike) == PutOutcome.CONVERT]
    for row in taken:
        cents = world.ledger.convert(int(row))
        world.log(
            week, "converted", int(loans.debtor[row]), counterparty=int(loans.creditor[row]), cents=cents
        )
    return rows[~np.isin(rows, taken)]


def raise_cash(world: World, party: int, cents: int) -> None:
    """Sell free coins for what cash does not cover (contracts.md 5.1: coins are posted first and sold second)."""
    ledger = world.ledger
    missing = cents - int(ledger.parties.cash_cents[party])
    if missing <= 0 or ledger.parties.bitcoin_satoshi[party] == 0:
        return
    coins = coins_needed(np.array([missing]), price_cents(world.btc_usd), 1.0)
    who = np.array([party])
    ledger.sell_bitcoin(
        who, np.minimum(coins, ledger.parties.bitcoin_satoshi[who]), world.btc_usd, REST_OF_WORLD
    )


def bitcoin_offer(world: World, rows: Ints) -> Ints:
    """Largest bitcoin loan on the coins pledged and those the borrower has free now, cents.

    Free coins serve every loan that matures in the month, one after the other, so the offer is asked for again when its
    turn comes.
    """
    loans = world.ledger.loans
    own = loans.pledged_satoshi[rows] + world.ledger.parties.bitcoin_satoshi[loans.debtor[rows]]
    return largest_loan(own, price_cents(world.btc_usd), world.parameters.miners.bitcoin_loan_to_value)


def top_up(world: World, row: int, cents: int) -> None:
    """Pledge the coins that a renewed bitcoin loan of `cents` needs at the opening loan-to-value, as far as they go."""
    loans = world.ledger.loans
    price, opening = price_cents(world.btc_usd), world.parameters.miners.bitcoin_loan_to_value
    missing = int(coins_needed(cents, price, opening)) - int(loans.pledged_satoshi[row])
    world.ledger.pledge(
        row, int(np.clip(missing, 0, world.ledger.parties.bitcoin_satoshi[loans.debtor[row]]))
    )


def repay_in_coins(world: World, row: int, week: int) -> None:
    """A bitcoin loan that is not renewed is repaid with the month's interest out of its own collateral, as far as that goes."""
    ledger, loans = world.ledger, world.ledger.loans
    price = price_cents(world.btc_usd * (1.0 - world.parameters.miners.bitcoin_loan_slip))
    balance, interest = int(loans.balance_cents[row]), int(coupon(loans.balance_cents[row], loans.rate[row]))
    coins = min(int(coins_needed(balance + interest, price, 1.0)), int(loans.pledged_satoshi[row]))
    proceeds = int(worth(coins, price))
    ledger.sell_pledged(row, coins, proceeds, REST_OF_WORLD)
    if proceeds >= balance:
        paid = min(proceeds - balance, interest)
        ledger.pay(int(loans.debtor[row]), int(loans.creditor[row]), paid, Account.INTEREST)
    world.log(
        week,
        "repaid_in_coins",
        int(loans.debtor[row]),
        counterparty=int(loans.creditor[row]),
        cents=proceeds,
        detail=f"{coins / SATOSHI:,.1f} BTC",
    )


def new_months(world: World, rows: Ints) -> Ints:
    """Tenor of a new loan of each kind, months."""
    parameters, kind = world.parameters, world.ledger.loans.kind[rows]
    months = np.full(len(rows), parameters.credit.refinance_months, dtype=np.int64)
    months[kind == LoanKind.CONVERTIBLE] = round(parameters.miners.convertible_put_years * MONTHS_PER_YEAR)
    months[kind == LoanKind.BITCOIN] = parameters.miners.bitcoin_loan_tenor_months
    months[kind == LoanKind.NOTES] = terms.months_of(parameters.equity.notes_tenor_years)
    return months


def offers(world: World, rows: Ints, week: int) -> Ints:
    """Largest new loan a lender would put in place of each maturing one, cents.

    Every offer is at today's advance rate and spread (economics.md section 10). Equipment: what the collateral at market
    and the income beside other debts support. Bitcoin: the opening loan-to-value on the debtor's coins. Notes and
    convertibles, which have no collateral: the advance on everything the debtor owns as a going concern less the debt
    that stays, or par where income covers interest at the new rate as often as buyers of notes ask.
    """
    loans, lots, parameters = world.ledger.loans, world.ledger.lots, world.parameters
    credit = parameters.credit
    debtor, balance, kind = loans.debtor[rows], loans.balance_cents[rows], loans.kind[rows]
    tier = terms.borrower_tier(world)[debtor]
    advance = terms.on_offer(world).advance[tier]
    rate = np.array([terms.market_rate(world, week, int(one)) for one in tier])
    collateral = np.zeros(loans.n)
    pledged = lots.lien >= 0
    value = lots.quantity[pledged] * world.market.price_usd[lots.product[pledged], lots.pool[pledged]]
    np.add.at(collateral, lots.lien[pledged], value)
    income = world.credit.income_cents.sum(axis=0) * QUARTERS_PER_YEAR
    due = world.credit.due_cents.sum(axis=0) * QUARTERS_PER_YEAR
    interest = world.credit.interest_cents.sum(axis=0) * QUARTERS_PER_YEAR
    # A loan may claim its part of income in the proportion of its own service to all service.
    service = np.divide(
        loans.payment_cents[rows] * MONTHS_PER_YEAR,
        due[debtor],
        out=np.ones(len(rows)),
        where=due[debtor] > 0,
    )
    equipment = refinancing_offer(
        np.floor(collateral[rows] * 100.0),
        advance,
        np.floor(income[debtor] * np.minimum(service, 1.0)),
        credit.dscr_covenant,
        rate,
        new_months(world, rows),
    ).amount_cents
    owed = world.ledger.debt_cents()[debtor]
    assets = world.net_asset_value_cents()[debtor] + owed
    room = np.floor(advance * np.maximum(assets, 0)).astype(np.int64) - (owed - balance)
    repriced = balance * (terms.notes_rate(world, week) - loans.rate[rows])
    # A buyer of notes looks at income, or at what would be left of everything if it were sold.
    paid = income[debtor] >= parameters.equity.fixed_charge_cover * (interest[debtor] + repriced)
    par = np.where(paid, balance, np.clip(room, 0, balance))
    offer = np.where(np.isin(kind, (LoanKind.NOTES, LoanKind.CONVERTIBLE)), par, equipment)
    return np.asarray(np.where(kind == LoanKind.BITCOIN, bitcoin_offer(world, rows), offer))


def reset(world: World, row: int, week: int, months: int) -> None:
    """Give a loan a new tenor at today's rate, amortising without a balloon unless it is a bullet."""
    loans = world.ledger.loans
    kind = LoanKind(loans.kind[row])
    if kind == LoanKind.NOTES:
        loans.rate[row] = terms.notes_rate(world, week)
    elif kind not in (LoanKind.CONVERTIBLE, LoanKind.BITCOIN):
        tier = int(terms.borrower_tier(world)[loans.debtor[row]])
        loans.rate[row], loans.tier[row] = terms.market_rate(world, week, tier), tier
    loans.months_left[row] = months + 1
    loans.overdue_cents[row] = 0
    loans.status[row] = LoanStatus.PERFORMING
    balance, rate = int(loans.balance_cents[row]), float(loans.rate[row])
    loans.payment_cents[row] = (
        coupon(balance, rate) if kind in BULLET else np.ceil(level_payment(balance, rate, months))
    )
