"""What lenders do each quarter: appraise, test, trap cash, call for cures.

Appraisals look back and are smoothed, so they hold past sale prices (economics.md section 13). Most lenders test coverage and
book cost; only mark-to-market lenders test the appraisal (contracts.md 0 and 4.9).
"""

import numpy as np

from agents.vocabulary import N_PRODUCTS, AgentKind, Floats, Ints, LotStatus
from sim.covenants import appraise
from sim.credit import QUARTER_WEEKS, Standing
from sim.facilities import apply_triggers, cost_base, mandatory_prepayment
from sim.ledger import Account, LoanKind, LoanStatus
from sim.randomness import Purpose
from sim.world import REST_OF_WORLD, World

RESERVE_MONTHS = 2


def mark(world: World) -> None:
    """Keep this week's mean price of each class over the lots that stand, for later appraisals."""
    lots, credit = world.ledger.lots, world.credit
    weight = np.bincount(lots.product, weights=lots.quantity, minlength=N_PRODUCTS)
    total = np.bincount(
        lots.product, weights=lots.quantity * world.price[lots.product, lots.pool], minlength=N_PRODUCTS
    )
    typical = world.price.mean(axis=1)
    credit.marks.append(np.where(weight > 0, total / np.maximum(weight, 1), typical))


def appraise_fleet(world: World) -> None:
    """Quarterly appraisal of every class from lagged marks (contracts.md 4.9)."""
    credit, parameters = world.credit, world.parameters.credit
    lagged = credit.marks[max(len(credit.marks) - 1 - int(parameters.appraisal_lag_weeks), 0)]
    weight = parameters.appraisal_weight if credit.appraisal.any() else 1.0
    credit.appraisal = appraise(lagged, credit.appraisal, weight)


def review(world: World, week: int) -> None:
    """Appraise and test every borrower with live debt; a breach is waived, cured, or runs to default."""
    credit, parameters = world.credit, world.parameters.credit
    appraise_fleet(world)
    if not parameters.covenants or week < QUARTER_WEEKS:
        return
    loans = world.ledger.loans
    cover = credit.coverage()
    operators = np.isin(world.ledger.parties.kind, (AgentKind.MINER, AgentKind.NEO_CLOUD))
    for party in np.unique(loans.debtor[loans.live() & (loans.kind <= LoanKind.ASSET_BACKED)]):
        if not operators[party] or credit.standing[party] > Standing.TRAPPED:
            continue
        _test(world, week, int(party), float(cover[party]))


def _test(world: World, week: int, party: int, cover: float) -> None:
    credit, parameters = world.credit, world.parameters.credit
    prepay_base(world, week, party)
    sweep_asset_backed(world, week, party, cover)
    if cover < parameters.dscr_covenant:
        breach(world, week, party, "coverage", round(cover, 3))
        return
    ratio = appraised_loan_to_value(world, party)
    if ratio > parameters.loan_to_value_covenant:
        breach(world, week, party, "loan_to_value", round(ratio, 3))
        return
    trapped = cover < parameters.dscr_trap
    if trapped and credit.standing[party] == Standing.PERFORMING:
        world.log(week, "cash_trap", party, detail=f"coverage {cover:.2f}")
    credit.move(party, Standing.TRAPPED if trapped else Standing.PERFORMING)


def breach(world: World, week: int, party: int, test: str, value: float) -> None:
    """Waive a first breach that is expected to heal, let owners cure, or open the cure period."""
    credit, parameters = world.credit, world.parameters.credit
    world.log(week, "covenant_breach", party, detail=f"{test} {value}")
    credit.breaches[party] += 1
    rows = np.array([party])
    luck = float(world.randomness.uniform(Purpose.WAIVER, week, rows)[0])
    if credit.breaches[party] == 1 and heals(world, party) and luck < parameters.waiver_probability:
        world.log(week, "waiver", party, detail=test)
        credit.move(party, Standing.TRAPPED)
        return
    luck = float(world.randomness.uniform(Purpose.EQUITY_CURE, week, rows)[0])
    if world.net_asset_value()[party] > 0 and luck < parameters.equity_cure_probability:
        cure(world, week, party)
        return
    credit.move(party, Standing.CURE, week + int(parameters.cure_weeks))


def heals(world: World, party: int) -> bool:
    """Whether a lender expects recovery: income still covers what is due, or rents are below their trend."""
    lots = world.ledger.lots
    own = lots.owner == party
    held = np.bincount(lots.product[own] // 3, weights=lots.quantity[own], minlength=len(world.rent))
    fleet = held.sum()
    below = float((held * world.drivers.deviation[min(world.week, world.drivers.n_weeks - 1)]).sum())
    return bool(world.credit.coverage()[party] >= 1.0 or (fleet > 0 and below < 0))


def cure(world: World, week: int, party: int) -> None:
    """Owners pay in a quarter's shortfall of service over income at the covenant's ratio."""
    credit, ledger = world.credit, world.ledger
    income, due = int(credit.income[:, party].sum()), int(credit.due[:, party].sum())
    amount = max(int(np.ceil(due * world.parameters.credit.dscr_covenant)) - income, 0)
    ledger.pay(REST_OF_WORLD, party, amount, Account.EQUITY)
    world.log(week, "equity_cure", party, cents=amount)
    credit.move(party, Standing.TRAPPED)


def prepay_base(world: World, week: int, party: int) -> None:
    """Prepay what a delayed-draw facility owes over its cost-based borrowing base, as far as cash goes.

    ``BB = alpha sum C max(0, 1 - a/N)`` over the draws of one creditor (contracts.md 4.3).
    """
    ledger, loans, parameters = world.ledger, world.ledger.loans, world.parameters
    mine = loans.live() & (loans.debtor == party) & (loans.kind == LoanKind.DELAYED_DRAW)
    for creditor in np.unique(loans.creditor[mine]):
        rows = np.flatnonzero(mine & (loans.creditor == creditor))
        base = cost_base(
            np.zeros(len(rows), dtype=np.int64),
            loans.cost[rows],
            week - loans.start[rows],
            parameters.lenders.advance_rate,
            parameters.credit.book_life_years,
            1,
        )
        excess = int(mandatory_prepayment(loans.balance[rows].sum(), base[0]))
        pay_early(world, week, party, rows, min(excess, int(ledger.parties.cash[party])), "borrowing base")


def sweep_asset_backed(world: World, week: int, party: int, cover: float) -> None:
    """Full turbo: cash beyond two months of service prepays asset-backed notes (contracts.md 4.4)."""
    loans, parameters = world.ledger.loans, world.parameters.credit
    mine = loans.live() & (loans.debtor == party)
    rows = np.flatnonzero(mine & (loans.kind == LoanKind.ASSET_BACKED))
    if len(rows) == 0:
        return
    surplus = max(int(world.ledger.parties.cash[party]) - RESERVE_MONTHS * int(loans.payment[mine].sum()), 0)
    split = apply_triggers(
        surplus, 0, loans.balance[rows].sum(), cover, parameters.dscr_trap, parameters.dscr_turbo
    )
    pay_early(world, week, party, rows, int(split.prepayment), "turbo")


def pay_early(world: World, week: int, party: int, rows: Ints, cents: int, why: str) -> None:
    """Prepay loans in row order, oldest first."""
    ledger, loans = world.ledger, world.ledger.loans
    if cents <= 0:
        return
    balance = loans.balance[rows]
    paid = np.clip(cents - (np.cumsum(balance) - balance), 0, balance)
    ledger.pay(party, loans.creditor[rows], paid, Account.PRINCIPAL)
    ledger.repay(rows, paid)
    loans.overdue[rows] = np.minimum(loans.overdue[rows], loans.balance[rows])
    world.log(week, "prepayment", party, cents=int(paid.sum()), detail=why)


def marked_lenders(world: World) -> Ints:
    """Lenders that test against the appraisal: a stated share of them, the first rows."""
    lenders = world.rows(AgentKind.LENDER)
    return lenders[: round(len(lenders) * world.parameters.credit.mark_to_market_share)]


def appraised_loan_to_value(world: World, party: int) -> float:
    """Loans of mark-to-market lenders over their collateral at the appraisal; 0 without such loans."""
    loans, lots = world.ledger.loans, world.ledger.lots
    rows = np.flatnonzero(
        loans.live() & (loans.debtor == party) & np.isin(loans.creditor, marked_lenders(world))
    )
    rows = rows[loans.kind[rows] <= LoanKind.ASSET_BACKED]
    owed = float(loans.balance[rows].sum())
    if owed == 0:
        return 0.0
    pledged = np.isin(lots.lien, rows)
    worth = float((lots.quantity[pledged] * world.credit.appraisal[lots.product[pledged]]).sum()) * 100.0
    return owed / worth if worth > 0 else float("inf")


def book_loan_to_value(world: World, week: int, values: Floats) -> float:
    """All secured equipment debt over its collateral at `values`, USD per GPU by class."""
    loans, lots = world.ledger.loans, world.ledger.lots
    rows = np.flatnonzero(
        (loans.balance > 0) & (loans.kind <= LoanKind.ASSET_BACKED) & (loans.status <= LoanStatus.ACCELERATED)
    )
    pledged = np.isin(lots.lien, rows) & (lots.status != LotStatus.INVENTORY)
    worth = float((lots.quantity[pledged] * values[lots.product[pledged]]).sum()) * 100.0
    owed = float(loans.balance[rows].sum())
    return owed / worth if worth > 0 else float("nan")
