"""Credit on offer: what a buyer may borrow for hardware, and what lenders' own funders demand.

A purchase is financed by a loan on the delivered cost. Committed delayed draws go on until their window ends, whatever
happens to lending (the draw cliff of contracts.md 4.3); everything else needs a lender that lends. Lenders draw on a
warehouse line sized by their performing loans; a shortfall that cash cannot cover puts a lender into run-off.
"""

import numpy as np

from agents.vocabulary import AgentKind, Ints
from sim.credit import QUARTER_WEEKS, lending_open, terms
from sim.debt_service import level, market_rate
from sim.ledger import Account, LoanKind, LoanStatus
from sim.rounding import largest_remainder
from sim.world import World

MONTHS = 12


def committed(world: World, week: int) -> Ints:
    """Undrawn commitments whose window is still open, cents per party."""
    credit = world.credit
    return np.where(credit.window_end > week, credit.commitment, 0)


def open_lines(world: World, week: int) -> None:
    """Set what every neo-cloud may draw this week; scarce funds of a lender are shared by fleet, pro rata."""
    credit, parameters = world.credit, world.parameters.credit
    credit.line[:] = 0
    if not parameters.financing:
        return
    _end_windows(world, week)
    clouds = world.rows(AgentKind.NEO_CLOUD)
    clouds = clouds[credit.may_spend()[clouds] & world.active[clouds]]
    credit.line[clouds] = committed(world, week)[clouds]
    if not lending_open(parameters, week) or len(clouds) == 0:
        return
    funds, book, lent = lender_funds(world), lender_book(world), exposures(world)
    limit = world.parameters.lenders.single_borrower_limit
    house = house_bank(world, clouds)
    weight = world.fleet_watts()[clouds].astype(float) + 1.0
    for lender in np.unique(house):
        mine = np.flatnonzero(house == lender)
        share = largest_remainder(int(funds[lender]), weight[mine])
        room = np.maximum(int(limit * book[lender]) - lent[clouds[mine], lender], 0)
        credit.line[clouds[mine]] += np.minimum(share, room)


def _end_windows(world: World, week: int) -> None:
    credit = world.credit
    for party in np.flatnonzero((credit.window_end == week) & (credit.commitment > 0)):
        world.log(week, "draw_window_ended", int(party), cents=int(credit.commitment[party]))
        credit.commitment[party] = 0


def house_bank(world: World, parties: Ints) -> Ints:
    """The lender each party draws on: relationships are fixed by row."""
    lenders = world.rows(AgentKind.LENDER)
    return np.asarray(lenders[parties % len(lenders)])


def lender_book(world: World) -> Ints:
    """What is owed to each party, cents."""
    loans = world.ledger.loans
    book = np.zeros(world.ledger.parties.n, dtype=np.int64)
    np.add.at(book, loans.creditor, loans.balance)
    return book


def exposures(world: World) -> Ints:
    """What each party owes each other, cents, shape (parties, parties)."""
    loans, n = world.ledger.loans, world.ledger.parties.n
    owed = np.zeros((n, n), dtype=np.int64)
    np.add.at(owed, (loans.debtor, loans.creditor), loans.balance)
    return owed


def lender_funds(world: World) -> Ints:
    """New loans each lender can make out of cash and its own line, cents; none in run-off or short of capital."""
    ledger, section = world.ledger, world.parameters.lenders
    cash = np.maximum(ledger.parties.cash, 0)
    assets = cash + lender_book(world)
    equity = assets - ledger.debt()
    sound = (equity >= section.minimum_capital * assets) & ~world.credit.run_off
    funds = np.zeros_like(cash)
    lenders = world.rows(AgentKind.LENDER)
    lenders = lenders[sound[lenders]]
    advance = section.funding_advance if world.parameters.credit.funding else 0.0
    funds[lenders] = np.floor(cash[lenders] / (1.0 - advance)).astype(np.int64)
    return funds


def finance(world: World, week: int, buyer: int, cost: int, is_new: bool) -> int:
    """Draw a loan on a purchase costing `cost` cents with freight; the loan's row, or -1 if nothing is drawn."""
    credit, parameters = world.credit, world.parameters
    if credit.line[buyer] <= 0:
        return -1
    advance = parameters.lenders.advance_rate if is_new else parameters.credit.advance_used
    if credit.commitment[buyer] == 0 or week >= credit.window_end[buyer]:
        advance, _ = terms(parameters.credit, advance, 0.0, week)
    amount = min(int(np.ceil(advance * cost)), int(credit.line[buyer]))
    lender = int(house_bank(world, np.array([buyer]))[0])
    if amount <= 0 or not _fund(world, lender, amount):
        return -1
    credit.line[buyer] -= amount
    credit.commitment[buyer] -= min(amount, int(credit.commitment[buyer]))
    return _tranche(world, week, buyer, lender, amount, cost)


def _fund(world: World, lender: int, amount: int) -> bool:
    """Have the lender draw on its own line for its part; whether it then has the cash."""
    ledger, loans = world.ledger, world.ledger.loans
    line = np.flatnonzero((loans.debtor == lender) & (loans.kind == LoanKind.FUNDING) & loans.live())
    part = int(amount * world.parameters.lenders.funding_advance)
    if len(line) and world.parameters.credit.funding:
        ledger.draw(int(line[0]), part)
    return int(ledger.parties.cash[lender]) >= amount


def _tranche(world: World, week: int, buyer: int, lender: int, amount: int, cost: int) -> int:
    """Add to the buyer's tranche of this quarter, or open it; a level payment over the tenor from its last draw."""
    ledger, loans = world.ledger, world.ledger.loans
    drawing = LoanKind.DELAYED_DRAW if world.credit.commitment[buyer] > 0 else LoanKind.LEVEL_PAY
    months = round(world.parameters.lenders.tenor_years * MONTHS)
    same = (loans.debtor == buyer) & (loans.creditor == lender) & (loans.kind == drawing)
    same &= (loans.start // QUARTER_WEEKS == week // QUARTER_WEEKS) & (loans.start >= 0)
    found = np.flatnonzero(same & (loans.status == LoanStatus.PERFORMING) & (loans.balance > 0))
    if len(found):
        row = int(found[0])
        ledger.draw(row, amount)
        loans.cost[row] += cost
    else:
        row = ledger.lend(
            debtor=buyer,
            creditor=lender,
            principal=amount,
            balance=amount,
            rate=market_rate(world, week, world.parameters.lenders.spread_mixed),
            months_left=months,
            cost=cost,
            start=week,
            status=int(LoanStatus.PERFORMING),
            kind=int(drawing),
        )
        loans = ledger.loans
        world.log(week, "loan_drawn", buyer, counterparty=lender, cents=amount)
    rate = float(loans.rate[row]) / MONTHS
    loans.payment[row] = int(np.ceil(level(float(loans.balance[row]), rate, months)))
    return row


def margin_lenders(world: World, week: int) -> None:
    """Funders hold each line to its share of performing loans; who cannot pay the excess goes into run-off."""
    ledger, loans, credit = world.ledger, world.ledger.loans, world.credit
    if not world.parameters.credit.funding:
        return
    good = loans.live() & (loans.status == LoanStatus.PERFORMING) & (loans.kind != LoanKind.FUNDING)
    eligible = np.zeros(ledger.parties.n, dtype=np.int64)
    np.add.at(eligible, loans.creditor[good], loans.balance[good])
    for row in np.flatnonzero((loans.kind == LoanKind.FUNDING) & loans.live()):
        lender = int(loans.debtor[row])
        allowed = int(eligible[lender] * world.parameters.lenders.funding_advance)
        excess = max(int(loans.balance[row]) - allowed, 0)
        paid = min(excess, max(int(ledger.parties.cash[lender]), 0))
        ledger.pay(lender, int(loans.creditor[row]), paid, Account.PRINCIPAL)
        ledger.repay(np.array([row]), np.array([paid]))
        short = paid < excess
        if short != bool(credit.run_off[lender]) and loans.overdue[row] == 0:
            world.log(
                week,
                "run_off" if short else "run_off_ended",
                lender,
                cents=excess - paid,
                detail="line margined",
            )
            credit.run_off[lender] = short
