"""Credit on offer: the pool of loanable funds, what one borrower may have of it, and how a loan is drawn and funded.

A loan for a deal is signed with the order (`sim.contracts.signing`) and drawn on delivery; used units and new ones without a
contract are financed within the month's line. Lenders hold capital against what they lend and have signed, call it from their
owners as they sign, return what they no longer need, and borrow the rest (docs/boom.md 6).
"""

from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from agents.lender import SPECULATIVE
from agents.vocabulary import (
    DAYS_PER_JULIAN_YEAR,
    HOURS_PER_MONTH,
    MONTHS_PER_YEAR,
    PRODUCT_GENERATION,
    AgentKind,
    Floats,
    Ints,
)
from sim.base.rounding import largest_remainder
from sim.base.units import NEVER
from sim.debt.facilities import undrawn_fee
from sim.debt.terms import level_payment
from sim.lending import terms
from sim.origination.pool import funds_a_year
from sim.origination.pricing import CUSHION
from sim.origination.signed import NOTHING, SignedLoan
from sim.origination.sizing import tail_value
from sim.state.ledger import Account, LoanKind, LoanStatus
from sim.state.standing import QUARTER_WEEKS, lending_open
from sim.state.world import REST_OF_WORLD, World

# The date the pool of loanable funds is known for (agents/lender.py).
POOL_DATE = date(2026, 1, 1)


# -- the pool ---------------------------------------------------------------------------------------------


def begin_month(world: World, week: int) -> None:
    """Open the month's funds, and count what lenders see of loans that are alive."""
    month, section = world.drivers.months_begun(week), world.parameters.lenders
    years = ((world.drivers.start - POOL_DATE).days + 7 * week) / DAYS_PER_JULIAN_YEAR
    experience = world.experience
    book = float(lender_book(world)[world.rows(AgentKind.LENDER)].sum())
    lost = float(experience.recent_losses_usd(month)) * 100.0
    usd = funds_a_year(
        section.pool_usd_a_year,
        section.pool_growth,
        years,
        section.pool_loss_response,
        lost / book if book > 0 else 0.0,
    )
    world.pool.begin(month, round(float(usd) * 100 / MONTHS_PER_YEAR))
    experience.begin(month)
    loans = world.ledger.loans
    alive = loans.live() & (loans.kind <= LoanKind.ASSET_BACKED)
    experience.count(month, loans.tier[alive])


def lender_book(world: World) -> Ints:
    """What is owed to each party, cents."""
    loans = world.ledger.loans
    book = np.zeros(world.ledger.parties.n, dtype=np.int64)
    np.add.at(book, loans.creditor, loans.balance_cents)
    return book


def undrawn(world: World) -> Ints:
    """Loans signed and not drawn, cents per lender, (parties,)."""
    orders = world.ledger.orders
    signed = orders.lender >= 0
    total = np.zeros(world.ledger.parties.n, dtype=np.int64)
    np.add.at(total, orders.lender[signed], orders.commitment_cents[signed])
    return total


def room(world: World, tenant: Ints) -> Ints:
    """Cents each party may still borrow before it, or its main tenant, is too much of all books together, (parties,).

    Books count with what is signed and with a year's pool, so that a first loan can be made.

    Parameters
    ----------
    tenant : (parties,)
        Tenant behind each, -1 none.
    """
    section, ledger = world.parameters.lenders, world.ledger
    lenders, orders, loans = world.rows(AgentKind.LENDER), world.ledger.orders, world.ledger.loans
    equipment = loans.live() & (loans.kind <= LoanKind.ASSET_BACKED)
    owed = np.zeros(ledger.parties.n, dtype=np.int64)
    np.add.at(owed, loans.debtor[equipment], loans.balance_cents[equipment])
    np.add.at(owed, orders.buyer, orders.commitment_cents)
    a_year = int(world.pool.funds.max()) * MONTHS_PER_YEAR
    whole = int(lender_book(world)[lenders].sum() + undrawn(world).sum()) + a_year
    own = int(section.single_borrower_limit * whole) - owed
    if not world.parameters.credit.tenants:
        return np.asarray(np.maximum(own, 0))
    behind = np.zeros(len(world.tenants.rating), dtype=np.int64)
    np.add.at(behind, tenant[tenant >= 0], owed[tenant >= 0])
    left = int(section.single_tenant_limit * whole) - behind
    theirs = np.where(tenant >= 0, left[np.maximum(tenant, 0)], np.iinfo(np.int64).max)
    return np.asarray(np.maximum(np.minimum(own, theirs), 0))


def open_lines(world: World, week: int) -> None:
    """Set what every neo-cloud may draw this week on units without a contract; the pool's funds are shared by fleet."""
    credit, parameters = world.credit, world.parameters.credit
    credit.line_cents[:] = 0
    if not parameters.financing or not lending_open(parameters, week):
        return
    clouds = world.rows(AgentKind.NEO_CLOUD)
    clouds = clouds[credit.may_spend()[clouds] & world.operators.active[clouds]]
    if len(clouds) == 0 or not willing(world).any():
        return
    weight = world.fleet_watts()[clouds].astype(float) + 1.0
    share = largest_remainder(max(world.pool.left, 0), weight)
    credit.line_cents[clouds] = np.minimum(share, room(world, terms.main_tenant(world))[clouds])


def willing(world: World) -> Ints:
    """Lenders that make new loans: those whose own funding has not been called."""
    lenders = world.rows(AgentKind.LENDER)
    return np.asarray(lenders[~world.credit.run_off[lenders]])


def lender_for(world: World, borrower: int) -> int:
    """The willing lender that holds least of a borrower and, of equals, has lent and signed least; -1 if none is."""
    lenders = willing(world)
    if len(lenders) == 0:
        return -1
    loans, orders = world.ledger.loans, world.ledger.orders
    theirs = np.zeros(world.ledger.parties.n, dtype=np.int64)
    mine = loans.debtor == borrower
    np.add.at(theirs, loans.creditor[mine], loans.balance_cents[mine])
    signed = (orders.buyer == borrower) & (orders.lender >= 0)
    np.add.at(theirs, orders.lender[signed], orders.commitment_cents[signed])
    whole = lender_book(world) + undrawn(world)
    return int(lenders[np.lexsort((lenders, whole[lenders], theirs[lenders]))[0]])


# -- loans ------------------------------------------------------------------------------------------------


def for_order(world: World, week: int, order: int) -> SignedLoan:
    """The loan on an order that is delivered: as signed, or as offered now for units without a contract."""
    orders = world.ledger.orders
    if orders.lender[order] >= 0:
        return SignedLoan(
            int(orders.lender[order]),
            int(orders.tier[order]),
            int(orders.commitment_cents[order]),
            float(orders.loan_rate[order]),
            int(orders.loan_months[order]),
        )
    return merchant_loan(
        world,
        week,
        int(orders.buyer[order]),
        int(orders.product[order]),
        int(orders.gpus[order]),
        int(orders.cost_cents[order]),
    )


def merchant_loan(world: World, week: int, buyer: int, product: int, gpus: int, cost: int) -> SignedLoan:
    """Loan on new units without a contract: by cost, and by what lenders believe spot will pay over three years."""
    section, line = world.parameters.lenders, int(world.credit.line_cents[buyer])
    lender = lender_for(world, buyer) if line > 0 else -1
    if lender < 0:
        return NOTHING
    months = terms.months_of(section.merchant_years)
    rate = terms.market_rate(world, week, SPECULATIVE)
    decay = terms.spot_decay(
        int(terms.beliefs(world)[lender]),
        world.parameters.rent.trend_deflation,
        terms.market_decay(world)[[product]],
        np.array([section.merchant_years / 2]),
    )
    generation = int(PRODUCT_GENERATION[product])
    hours = HOURS_PER_MONTH * float(world.ledger.parties.utilisation[buyer])
    kept = 1.0 - world.parameters.valuation.overhead
    net = tail_value(
        world.rents.spot_usd_per_hour[generation] * hours * kept,
        running_cost_a_month(world, generation),
        decay,
        rate,
        0,
        months,
    )
    most = float(terms.on_offer(world).advance[SPECULATIVE]) * cost
    income = (1.0 - section.tail_haircut) * float(net[0]) * gpus * 100.0
    return SignedLoan(lender, SPECULATIVE, int(min(most, income, line)), rate, months)


def running_cost_a_month(world: World, generation: int) -> float:
    """Power and slot of a unit in the typical hall, USD a month."""
    site, hardware = world.parameters.site, world.parameters.hardware
    kilowatts = float(world.hardware.unit_watts[generation] / world.hardware.unit[generation]) / 1000.0
    power = float(np.median(world.drivers.power_usd_per_mwh[world.week])) / 1000.0
    energy = power * site.pue_default * hardware.load_factor * HOURS_PER_MONTH
    return kilowatts * (energy + site.hosting_fee_usd_per_kw_month)


def finance(world: World, week: int, buyer: int, cost: int) -> int:
    """Draw a loan on used units bought today; the loan's row, or -1 if nothing is drawn."""
    line = int(world.credit.line_cents[buyer])
    lender = lender_for(world, buyer) if line > 0 else -1
    if lender < 0:
        return -1
    amount = min(int(np.floor(world.parameters.credit.advance_used * cost)), line)
    rate = terms.market_rate(world, week, SPECULATIVE)
    loan = SignedLoan(lender, SPECULATIVE, amount, rate, world.parameters.credit.refinance_months)
    return draw(world, week, buyer, loan, cost, -1)


def draw(world: World, week: int, buyer: int, loan: SignedLoan, cost: int, contract: int) -> int:
    """Draw a loan on hardware that cost `cost`; the loan's row, or -1 if there is nothing to draw.

    Parameters
    ----------
    contract
        Row of the compute contract it is repaid from, -1 none; payments begin with that contract's term.
    """
    if loan.cents <= 0 or loan.lender < 0:
        return -1
    fund(world, loan)
    ledger, months = world.ledger, loan.months
    joined = _tranche(world, week, buyer, loan) if contract < 0 else -1
    if joined >= 0:
        ledger.draw(joined, loan.cents)
        ledger.loans.cost_cents[joined] += cost
        row = joined
    else:
        row = ledger.lend(
            debtor=buyer,
            creditor=loan.lender,
            principal_cents=loan.cents,
            balance_cents=loan.cents,
            rate=loan.rate,
            months_left=months,
            cost_cents=cost,
            start=week,
            status=int(LoanStatus.PERFORMING),
            kind=int(LoanKind.LEVEL_PAY if contract < 0 else LoanKind.DELAYED_DRAW),
            tier=loan.tier,
            contract=contract,
            tested_from=_tested_from(world, week, contract),
        )
        world.log(week, "loan_drawn", buyer, counterparty=loan.lender, cents=loan.cents)
    loans = ledger.loans
    loans.months_left[row] = months
    loans.payment_cents[row] = np.ceil(
        level_payment(float(loans.balance_cents[row]), loans.rate[row], months)
    )
    if contract < 0:
        world.pool.commit(loan.cents)
        world.credit.line_cents[buyer] = max(int(world.credit.line_cents[buyer]) - loan.cents, 0)
    return row


def _tested_from(world: World, week: int, contract: int) -> int:
    """Week from which units running are tested: so long after the contract date, never without a contract."""
    if contract < 0:
        return NEVER
    return int(world.contracts.due[contract]) + world.parameters.credit.realisation_weeks


def _tranche(world: World, week: int, buyer: int, loan: SignedLoan) -> int:
    """The buyer's loan without a contract from the same lender in the same quarter; -1 if there is none."""
    loans = world.ledger.loans
    same = (loans.debtor == buyer) & (loans.creditor == loan.lender) & (loans.kind == LoanKind.LEVEL_PAY)
    same &= (
        (loans.start // QUARTER_WEEKS == week // QUARTER_WEEKS) & (loans.start >= 0) & (loans.contract < 0)
    )
    same &= loans.months_left >= loan.months
    found = np.flatnonzero(same & (loans.status == LoanStatus.PERFORMING) & (loans.balance_cents > 0))
    return int(found[0]) if len(found) else -1


# -- lenders' own money -----------------------------------------------------------------------------------


def capital_share(world: World, tier: ArrayLike) -> Floats:
    """Equity a lender holds against a loan of a tier, share of it."""
    return np.asarray(CUSHION * world.parameters.lenders.capital.array()[np.asarray(tier)])


def capital_needed(world: World) -> Ints:
    """Equity each lender must hold against what it has lent and signed, cents, (parties,)."""
    loans, orders = world.ledger.loans, world.ledger.orders
    needed = np.zeros(world.ledger.parties.n)
    lent = loans.live() & (loans.kind != LoanKind.FUNDING)
    np.add.at(
        needed, loans.creditor[lent], loans.balance_cents[lent] * capital_share(world, loans.tier[lent])
    )
    signed = orders.lender >= 0
    part = orders.commitment_cents[signed] * capital_share(world, orders.tier[signed])
    np.add.at(needed, orders.lender[signed], part)
    return np.ceil(needed).astype(np.int64)


def call_capital(world: World, loan: SignedLoan) -> None:
    """A lender's owners pay in the capital of a loan it signs."""
    cents = int(np.ceil(loan.cents * float(capital_share(world, loan.tier))))
    world.ledger.pay(REST_OF_WORLD, loan.lender, cents, Account.EQUITY)


def fund(world: World, loan: SignedLoan) -> None:
    """Have a lender hold the cash of a loan: its capital, its own line, and its owners for what is still short."""
    ledger, lender = world.ledger, loan.lender
    borrowed = int(loan.cents * (1.0 - float(capital_share(world, loan.tier))))
    line = funding_line(world, lender)
    if line >= 0 and world.parameters.credit.funding:
        ledger.draw(line, borrowed)
    short = loan.cents - max(int(ledger.parties.cash_cents[lender]), 0)
    if short > 0:
        ledger.pay(REST_OF_WORLD, lender, short, Account.EQUITY)


def funding_line(world: World, lender: int) -> int:
    """Row of the line on which a lender draws for its own lending, -1 if it has none."""
    loans = world.ledger.loans
    rows = np.flatnonzero(
        (loans.debtor == lender) & (loans.kind == LoanKind.FUNDING) & (loans.status <= LoanStatus.ARREARS)
    )
    return int(rows[0]) if len(rows) else -1


def return_capital(world: World, week: int) -> None:
    """Lenders pay out equity beyond what their books and signatures need, as far as cash goes, and repay their lines first."""
    ledger, loans = world.ledger, world.ledger.loans
    lenders = world.rows(AgentKind.LENDER)
    needed, book, debt = capital_needed(world), lender_book(world), ledger.debt_cents()
    cash = np.maximum(ledger.parties.cash_cents, 0)
    for lender in lenders:
        own = int(needed[lender])
        wanted_line = max(int(book[lender]) - own, 0)
        line = funding_line(world, int(lender))
        if line >= 0 and world.parameters.credit.funding:
            excess = min(max(int(loans.balance_cents[line]) - wanted_line, 0), int(cash[lender]))
            ledger.pay(int(lender), int(loans.creditor[line]), excess, Account.PRINCIPAL)
            ledger.repay(np.array([line]), np.array([excess]))
            cash[lender] -= excess
            debt[lender] -= excess
        surplus = int(cash[lender] + book[lender] - debt[lender]) - own
        ledger.pay(int(lender), REST_OF_WORLD, int(np.clip(surplus, 0, cash[lender])), Account.PAYOUT)


def charge_undrawn(world: World, week: int) -> None:
    """The month's fee on what is signed and not drawn, as far as cash goes (contracts.md 4.3)."""
    orders, ledger = world.ledger.orders, world.ledger
    fee = undrawn_fee(orders.commitment_cents, world.parameters.lenders.undrawn_fee)
    for i in np.flatnonzero((fee > 0) & (orders.lender >= 0)):
        buyer = int(orders.buyer[i])
        paid = min(int(fee[i]), max(int(ledger.parties.cash_cents[buyer]), 0))
        ledger.pay(buyer, int(orders.lender[i]), paid, Account.FEE)


def margin_lenders(world: World, week: int) -> None:
    """Funders hold each line to what their lender's performing loans carry; who cannot pay the excess goes into run-off."""
    ledger, loans, credit = world.ledger, world.ledger.loans, world.credit
    if not world.parameters.credit.funding:
        return
    good = loans.live() & (loans.status == LoanStatus.PERFORMING) & (loans.kind != LoanKind.FUNDING)
    carried = np.zeros(ledger.parties.n)
    np.add.at(
        carried,
        loans.creditor[good],
        loans.balance_cents[good] * (1.0 - capital_share(world, loans.tier[good])),
    )
    for row in np.flatnonzero((loans.kind == LoanKind.FUNDING) & loans.live()):
        lender = int(loans.debtor[row])
        # Rounded up: the line was drawn loan by loan, each rounded down.
        excess = max(int(loans.balance_cents[row]) - int(np.ceil(carried[lender])), 0)
        paid = min(excess, max(int(ledger.parties.cash_cents[lender]), 0))
        ledger.pay(lender, int(loans.creditor[row]), paid, Account.PRINCIPAL)
        ledger.repay(np.array([row]), np.array([paid]))
        short = paid < excess
        if short != bool(credit.run_off[lender]) and loans.overdue_cents[row] == 0:
            kind = "run_off" if short else "run_off_ended"
            world.log(week, kind, lender, cents=excess - paid, detail="line margined")
            credit.run_off[lender] = short
