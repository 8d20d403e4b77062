"""Credit on offer: what a buyer may borrow for hardware, and what lenders' own funders demand.

A purchase is financed by a loan on the delivered cost. Committed delayed draws go on until their window ends, whatever
happens to lending (the draw cliff of contracts.md 4.3); everything else needs a lender that lends. Lenders draw on a
warehouse line sized by their performing loans; a shortfall that cash cannot cover puts a lender into run-off.
"""

import numpy as np
from numpy.typing import ArrayLike

from agents.lender import LenderKind
from agents.vocabulary import MONTHS_PER_YEAR, AgentKind, Ints
from sim.base.rounding import largest_remainder
from sim.debt.facilities import commitment_left, cost_base, draw_available, draw_cliff, undrawn_fee
from sim.debt.terms import level_payment
from sim.lending import origination
from sim.lending.debt_service import market_rate
from sim.state.ledger import Account, LoanKind, LoanStatus
from sim.state.standing import QUARTER_WEEKS, lending_open
from sim.state.world import World


def committed(world: World, week: int) -> Ints:
    """Undrawn commitments whose window is still open, cents per party."""
    credit = world.credit
    return commitment_left(credit.commitment_cents, 0, week, credit.window_end)


def open_lines(world: World, week: int) -> None:
    """Set what every neo-cloud may draw this week; scarce funds of a lender are shared by fleet, pro rata."""
    credit, parameters = world.credit, world.parameters.credit
    credit.line_cents[:] = 0
    if not parameters.financing:
        return
    _end_windows(world, week)
    clouds = world.rows(AgentKind.NEO_CLOUD)
    clouds = clouds[credit.may_spend()[clouds] & world.operators.active[clouds]]
    credit.line_cents[clouds] = committed(world, week)[clouds]
    if not lending_open(parameters, week) or len(clouds) == 0:
        return
    funds, book = lender_funds(world), lender_book(world)
    limit = world.parameters.lenders.single_borrower_limit
    house, tenants = house_bank(world, clouds), origination.main_tenant(world)
    weight = world.fleet_watts()[clouds].astype(float) + 1.0
    for lender in np.unique(house):
        mine, lent = np.flatnonzero(house == lender), owed_to(world, int(lender))
        share = largest_remainder(int(funds[lender]), weight[mine])
        room = np.maximum(int(limit * book[lender]) - lent[clouds[mine]], 0)
        behind = origination.tenant_room(world, clouds[mine], tenants, int(book[lender]), lent)
        credit.line_cents[clouds[mine]] += np.minimum(np.minimum(share, room), behind)


def charge_undrawn(world: World, week: int) -> None:
    """The month's fee on what may still be drawn, as far as cash goes (contracts.md 4.3)."""
    credit, ledger = world.credit, world.ledger
    fee = undrawn_fee(
        credit.commitment_cents, 0, world.parameters.lenders.undrawn_fee, week, credit.window_end
    )
    who = np.flatnonzero(fee)
    paid = np.minimum(fee[who], np.maximum(ledger.parties.cash_cents[who], 0))
    ledger.pay(who, house_bank(world, who), paid, Account.FEE)


def _end_windows(world: World, week: int) -> None:
    credit = world.credit
    for party in np.flatnonzero((credit.window_end == week) & (credit.commitment_cents > 0)):
        lost = int(credit.commitment_cents[party])
        waiting = int(world.ledger.orders.cost_cents[world.ledger.orders.buyer == party].sum())
        cliff = int(draw_cliff(world.parameters.lenders.advance_rate, waiting, lost, 0))
        told = f"{cliff / 1e8:.1f} million USD of it for units on order"
        world.log(week, "draw_window_ended", int(party), cents=lost, detail=told)
        credit.commitment_cents[party] = 0


def house_bank(world: World, parties: ArrayLike) -> Ints:
    """The lender each party draws on: relationships are fixed by row."""
    lenders = world.rows(AgentKind.LENDER)
    return np.asarray(lenders[np.asarray(parties) % len(lenders)])


def lender_book(world: World) -> Ints:
    """What is owed to each party, cents."""
    loans = world.ledger.loans
    book = np.zeros(world.ledger.parties.n, dtype=np.int64)
    np.add.at(book, loans.creditor, loans.balance_cents)
    return book


def owed_to(world: World, lender: int) -> Ints:
    """What each party owes one lender, cents, shape (parties,)."""
    loans = world.ledger.loans
    mine = loans.creditor == lender
    owed = np.zeros(world.ledger.parties.n, dtype=np.int64)
    np.add.at(owed, loans.debtor[mine], loans.balance_cents[mine])
    return owed


def lender_funds(world: World) -> Ints:
    """New loans each lender can make out of cash and its own line, cents; none in run-off or short of capital."""
    ledger, section = world.ledger, world.parameters.lenders
    cash = np.maximum(ledger.parties.cash_cents, 0)
    assets = cash + lender_book(world)
    equity = assets - ledger.debt_cents()
    sound = (equity >= section.minimum_capital * assets) & ~world.credit.run_off
    funds = np.zeros_like(cash)
    lenders = world.rows(AgentKind.LENDER)
    lenders = lenders[sound[lenders]]
    advance = section.funding_advance if world.parameters.credit.funding else 0.0
    funds[lenders] = np.floor(cash[lenders] / (1.0 - advance)).astype(np.int64)
    return funds


def advance(world: World, week: int, is_new: bool) -> float:
    """Share of the cost of a purchase that is lent today; a committed draw keeps the advance it was signed at."""
    return origination.advance_on_offer(
        world, week, world.parameters.lenders.advance_rate if is_new else world.parameters.credit.advance_used
    )


def offer(world: World, week: int, buyer: int, cost: int, is_new: bool) -> int:
    """Cents a buyer may draw on a purchase costing `cost` cents with freight.

    New units under a committed facility: ``min(alpha capex, M - drawn, BB - B)`` whatever happens to lending; everything else
    is at today's advance and within today's line. No bank lends more than it can fund.
    """
    credit, parameters = world.credit, world.parameters
    if credit.line_cents[buyer] <= 0:
        return 0
    fresh = min(int(np.floor(advance(world, week, is_new) * cost)), int(credit.line_cents[buyer]))
    fresh = fresh if lending_open(parameters.credit, week) else 0
    signed = parameters.lenders.advance_rate
    loans = world.ledger.loans
    rows = np.flatnonzero((loans.debtor == buyer) & loans.live() & (loans.kind == LoanKind.DELAYED_DRAW))
    base = cost_base(
        np.zeros(len(rows) + 1, dtype=np.int64),
        np.append(loans.cost_cents[rows], cost),
        np.append(week - loans.start[rows], 0),
        signed,
        parameters.credit.book_life_years,
        1,
    )[0]
    drawn = draw_available(
        signed,
        cost,
        int(credit.commitment_cents[buyer]),
        0,
        base,
        int(loans.balance_cents[rows].sum()),
        week,
        int(credit.window_end[buyer]),
    )
    return min(max(int(drawn) if is_new else 0, fresh), fundable(world, int(house_bank(world, buyer))))


def finance(world: World, week: int, buyer: int, cost: int) -> int:
    """Draw a loan on used units bought today; the loan's row, or -1 if nothing is drawn."""
    return draw(world, week, buyer, offer(world, week, buyer, cost, is_new=False), cost)


def draw(world: World, week: int, buyer: int, amount: int, cost: int) -> int:
    """Draw `amount` cents on hardware that cost `cost`; the loan's row, or -1."""
    credit, ledger = world.credit, world.ledger
    lender = int(house_bank(world, buyer))
    line, advanced = _own_line(world, lender)
    part = int(amount * advanced)
    if amount <= 0 or int(ledger.parties.cash_cents[lender]) + part < amount:
        return -1
    if line >= 0:
        ledger.draw(line, part)
    row = _tranche(world, week, buyer, lender, amount, cost)
    credit.line_cents[buyer] = max(int(credit.line_cents[buyer]) - amount, 0)
    credit.commitment_cents[buyer] -= min(amount, int(credit.commitment_cents[buyer]))
    return row


def fundable(world: World, lender: int) -> int:
    """Largest loan a lender can make now out of cash and its own line, cents: a cent below the bound for rounding."""
    _, advanced = _own_line(world, lender)
    cash = max(int(world.ledger.parties.cash_cents[lender]), 0)
    return cash if advanced == 0.0 else max(int(cash / (1.0 - advanced)) - 1, 0)


def _own_line(world: World, lender: int) -> tuple[int, float]:
    """Loan on which a lender draws for its own lending, -1 if it has none, and the share of a new loan drawn on it."""
    loans = world.ledger.loans
    line = np.flatnonzero((loans.debtor == lender) & (loans.kind == LoanKind.FUNDING) & loans.live())
    if len(line) == 0 or not world.parameters.credit.funding:
        return -1, 0.0
    return int(line[0]), world.parameters.lenders.funding_advance


def _tranche(world: World, week: int, buyer: int, lender: int, amount: int, cost: int) -> int:
    """Add to the buyer's tranche of this quarter, or open it; a level payment over the tenor from its last draw."""
    ledger, loans = world.ledger, world.ledger.loans
    drawing = LoanKind.DELAYED_DRAW if world.credit.commitment_cents[buyer] > 0 else LoanKind.LEVEL_PAY
    months = round(world.parameters.lenders.tenor_years * MONTHS_PER_YEAR)
    same = (loans.debtor == buyer) & (loans.creditor == lender) & (loans.kind == drawing)
    same &= (loans.start // QUARTER_WEEKS == week // QUARTER_WEEKS) & (loans.start >= 0)
    found = np.flatnonzero(same & (loans.status == LoanStatus.PERFORMING) & (loans.balance_cents > 0))
    if len(found):
        row = int(found[0])
        ledger.draw(row, amount)
        loans.cost_cents[row] += cost
    else:
        row = ledger.lend(
            debtor=buyer,
            creditor=lender,
            principal_cents=amount,
            balance_cents=amount,
            rate=market_rate(world, week, float(origination.tenant_spreads(world)[buyer])),
            months_left=months,
            cost_cents=cost,
            start=week,
            status=int(LoanStatus.PERFORMING),
            kind=int(drawing),
        )
        loans = ledger.loans
        world.log(week, "loan_drawn", buyer, counterparty=lender, cents=amount)
    loans.months_left[row] = months
    loans.payment_cents[row] = np.ceil(
        level_payment(float(loans.balance_cents[row]), loans.rate[row], months)
    )
    return row


def margin_lenders(world: World, week: int) -> None:
    """Funders hold each line to its share of performing loans; who cannot pay the excess goes into run-off.

    The line of a mark-to-market lender shrinks with the swing of prices as its own advances do (contracts.md 5.3 rule 4).
    """
    ledger, loans, credit = world.ledger, world.ledger.loans, world.credit
    if not world.parameters.credit.funding:
        return
    good = loans.live() & (loans.status == LoanStatus.PERFORMING) & (loans.kind != LoanKind.FUNDING)
    eligible = np.zeros(ledger.parties.n, dtype=np.int64)
    np.add.at(eligible, loans.creditor[good], loans.balance_cents[good])
    kinds, cut = origination.lender_kinds(world), origination.haircut(world)
    for row in np.flatnonzero((loans.kind == LoanKind.FUNDING) & loans.live()):
        lender = int(loans.debtor[row])
        marked = kinds[lender] == LenderKind.MARK_TO_MARKET
        advanced = world.parameters.lenders.funding_advance * (cut if marked else 1.0)
        allowed = int(eligible[lender] * advanced)
        excess = max(int(loans.balance_cents[row]) - allowed, 0)
        paid = min(excess, max(int(ledger.parties.cash_cents[lender]), 0))
        ledger.pay(lender, int(loans.creditor[row]), paid, Account.PRINCIPAL)
        ledger.repay(np.array([row]), np.array([paid]))
        short = paid < excess
        if short != bool(credit.run_off[lender]) and loans.overdue_cents[row] == 0:
            world.log(
                week,
                "run_off" if short else "run_off_ended",
                lender,
                cents=excess - paid,
                detail="line margined",
            )
            credit.run_off[lender] = short
