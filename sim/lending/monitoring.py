"""What lenders do each quarter: appraise, test, trap cash, call for cures.

Appraisals look back and are smoothed, so they hold past sale prices (economics.md section 13). Most lenders test coverage and
book cost; only mark-to-market lenders test the appraisal (contracts.md 0 and 4.9).
"""

from dataclasses import dataclass

import numpy as np

from agents.lender import LenderKind
from agents.vocabulary import (
    N_PRODUCTS,
    PRODUCT_GENERATION,
    WEEKS_PER_YEAR,
    AgentKind,
    Floats,
    Ints,
    LotStatus,
)
from sim.base.randomness import Purpose
from sim.base.rounding import to_cents
from sim.debt.covenants import (
    Basis,
    Breaches,
    Covenants,
    Leverage,
    appraise,
    collateral_value,
    covenant_breaches,
    leverage,
)
from sim.debt.facilities import apply_triggers, cost_base, mandatory_prepayment
from sim.debt.terms import borrowing_base
from sim.lending.terms import lender_kinds, tested_basis
from sim.state.ledger import Account, LoanKind
from sim.state.standing import QUARTER_WEEKS, Standing
from sim.state.world import REST_OF_WORLD, World


def mark(world: World) -> None:
    """Keep this week's mean price of each class over the lots that stand, for later appraisals."""
    lots, credit = world.ledger.lots, world.credit
    weight = np.bincount(lots.product, weights=lots.quantity, minlength=N_PRODUCTS)
    total = np.bincount(
        lots.product,
        weights=lots.quantity * world.market.price_usd[lots.product, lots.pool],
        minlength=N_PRODUCTS,
    )
    typical = world.market.price_usd.mean(axis=1)
    credit.marks_usd.append(np.where(weight > 0, total / np.maximum(weight, 1), typical))


def appraise_fleet(world: World) -> None:
    """Quarterly appraisal of every class from lagged marks (contracts.md 4.9)."""
    credit, parameters = world.credit, world.parameters.credit
    lagged = credit.marks_usd[max(len(credit.marks_usd) - 1 - int(parameters.appraisal_lag_weeks), 0)]
    weight = parameters.appraisal_weight if credit.appraisal_usd.any() else 1.0
    credit.appraisal_usd = appraise(lagged, credit.appraisal_usd, weight)


def review(world: World, week: int) -> None:
    """Appraise and test every borrower with live equipment debt; a breach is waived, cured, or runs to default."""
    credit, parameters = world.credit, world.parameters.credit
    appraise_fleet(world)
    if not parameters.covenants or week < QUARTER_WEEKS:
        return
    cover = credit.tested_coverage()
    parties = tested_borrowers(world)
    for party in parties:
        prepay_base(world, week, int(party))
        sweep_asset_backed(world, week, int(party), float(cover[party]))
    tests = examine_loans(world, week)
    for party in parties:
        _judge(world, week, int(party), tests)
    test_realisation(world, week)


def tested_borrowers(world: World) -> Ints:
    """Operators in good standing with live equipment debt."""
    loans = world.ledger.loans
    debtors = np.unique(loans.debtor[loans.live() & (loans.kind <= LoanKind.ASSET_BACKED)])
    operators = np.isin(world.ledger.parties.kind[debtors], (AgentKind.MINER, AgentKind.NEO_CLOUD))
    return np.asarray(debtors[operators & (world.credit.standing[debtors] <= Standing.TRAPPED)])


@dataclass(frozen=True, slots=True)
class Examination:
    """Covenant tests of this quarter on every live equipment loan."""

    row: Ints  # loan
    debtor: Ints
    basis: Ints  # what its lender measures collateral by
    leverage: Leverage
    breach: Breaches


def examine_loans(world: World, week: int) -> Examination:
    """Coverage of the borrower, and loan to value on the basis of each loan's lender (contracts.md 4.9)."""
    loans, lots, credit = world.ledger.loans, world.ledger.lots, world.credit
    parameters = world.parameters.credit
    row = np.flatnonzero(loans.live() & (loans.kind <= LoanKind.ASSET_BACKED))
    place = np.full(loans.n, -1)
    place[row] = np.arange(len(row))
    pledged = np.flatnonzero(lots.lien >= 0)
    asset = place[lots.lien[pledged]]
    product, gpus = lots.product[pledged], lots.quantity[pledged]
    years = (week - loans.start[row]) / WEEKS_PER_YEAR
    book = to_cents(borrowing_base(1.0, loans.cost_cents[row] / 100.0, years, parameters.book_life_years))
    ratios = leverage(
        loans.balance_cents[row],
        book,
        collateral_value(asset, gpus, credit.appraisal_usd[product], len(row)),
        collateral_value(asset, gpus, world.market.price_usd[product, lots.pool[pledged]], len(row)),
    )
    basis = tested_basis(world, loans.creditor[row])
    levels = Covenants(
        coverage=parameters.dscr_covenant,
        interest_coverage=parameters.interest_covenant,
        loan_to_value=np.where(
            basis == Basis.COST, parameters.loan_to_cost_covenant, parameters.loan_to_value_covenant
        ),
        basis=basis,
    )
    debtor = loans.debtor[row]
    failed = covenant_breaches(
        levels, credit.tested_coverage()[debtor], credit.interest_coverage()[debtor], ratios
    )
    return Examination(row, debtor, basis, ratios, failed)


def _judge(world: World, week: int, party: int, tests: Examination) -> None:
    """One borrower's quarter: a breach, a cash trap, or nothing."""
    credit, parameters = world.credit, world.parameters.credit
    own = np.flatnonzero(tests.debtor == party)
    cover = float(credit.tested_coverage()[party])
    failed = own[tests.breach.any[own]]
    if len(failed):
        rows = tests.row[failed]
        breach(
            world, week, party, rows, _told(tests, failed, cover, float(credit.interest_coverage()[party]))
        )
        return
    trapped = cover < parameters.dscr_trap
    if trapped and credit.standing[party] == Standing.PERFORMING:
        world.log(week, "cash_trap", party, detail=f"coverage {cover:.2f}")
    credit.move(party, Standing.TRAPPED if trapped else Standing.PERFORMING)


def _told(tests: Examination, failed: Ints, cover: float, interest: float) -> str:
    """Which test failed and by how much: coverage before interest before collateral."""
    if tests.breach.coverage[failed].any():
        return f"coverage {cover:.3f}"
    if tests.breach.interest_coverage[failed].any():
        return f"interest_coverage {interest:.3f}"
    worst = failed[np.argmax(tests.leverage.tested(tests.basis)[failed])]
    ratio = float(tests.leverage.tested(tests.basis)[worst])
    return f"loan_to_value {ratio:.3f} by {Basis(tests.basis[worst]).name.lower()}"


def breach(world: World, week: int, party: int, rows: Ints, told: str) -> None:
    """Waive a first breach that is expected to heal, cure it out of cash, let owners cure, or open the cure period.

    A waiver needs the lenders of more than `waiver_majority` of the breached debt; those that act on a first breach never
    give one (contracts.md 5.3).
    """
    credit, parameters, loans = world.credit, world.parameters.credit, world.ledger.loans
    world.log(week, "covenant_breach", party, detail=told)
    credit.breaches[party] += 1
    owed = loans.balance_cents[rows]
    patient = lender_kinds(world)[loans.creditor[rows]] != LenderKind.PRIVATE_CREDIT
    willing = int(owed[patient].sum()) > parameters.waiver_majority * int(owed.sum())
    who = np.array([party])
    luck = float(world.randomness.uniform(Purpose.WAIVER, week, who)[0])
    hopeful = willing and credit.breaches[party] == 1 and is_cured(world, party)
    if hopeful and luck < parameters.waiver_probability:
        world.log(week, "waiver", party, detail=told)
        credit.move(party, Standing.TRAPPED)
        return
    if prepay_cure(world, week, party, rows):
        return
    luck = float(world.randomness.uniform(Purpose.EQUITY_CURE, week, who)[0])
    if world.net_asset_value_cents()[party] > 0 and luck < parameters.equity_cure_probability:
        cure(world, week, party, rows)
        return
    credit.move(party, Standing.CURE, week + int(parameters.cure_weeks))


def test_realisation(world: World, week: int) -> None:
    """Units running against units due under the contract a loan is repaid from; late halls fail it before they fail coverage.

    A failure is technical: lenders mostly waive it and test again a quarter later. What they do not waive is a breach.
    """
    credit, loans, lots = world.parameters.credit, world.ledger.loans, world.ledger.lots
    rows = np.flatnonzero(loans.live() & (loans.contract >= 0) & (loans.start >= 0))
    rows = rows[(loans.tested_from[rows] <= week) & (world.contracts.end[loans.contract[rows]] > week)]
    rows = rows[world.credit.standing[loans.debtor[rows]] <= Standing.TRAPPED]
    running, pledged = np.zeros((2, loans.n))
    held = lots.lien >= 0
    np.add.at(pledged, lots.lien[held], lots.quantity[held])
    on = held & (lots.status == LotStatus.RUNNING)
    np.add.at(running, lots.lien[on], lots.quantity[on])
    share = np.divide(running, pledged, out=np.ones(loans.n), where=pledged > 0)
    for row in rows[share[rows] < credit.realisation_covenant]:
        party = int(loans.debtor[row])
        told = f"units running {share[row]:.2f} of those due"
        luck = float(
            world.randomness.uniform(Purpose.WAIVER, week, np.array([world.ledger.parties.n + int(row)]))[0]
        )
        if luck < credit.technical_waiver:
            loans.tested_from[row] = week + QUARTER_WEEKS
            world.log(week, "covenant_breach", party, detail=told)
            world.log(week, "waiver", party, detail=told)
        elif world.credit.standing[party] <= Standing.TRAPPED:
            breach(world, week, party, np.array([row]), told)


def is_cured(world: World, party: int) -> bool:
    """Whether a lender expects recovery: income still covers what is due, or rents are below their trend."""
    lots = world.ledger.lots
    own = lots.owner == party
    held = np.bincount(
        PRODUCT_GENERATION[lots.product[own]],
        weights=lots.quantity[own],
        minlength=len(world.rents.contract_usd_per_hour),
    )
    fleet = held.sum()
    below = float((held * world.drivers.deviation[min(world.week, world.drivers.n_weeks - 1)]).sum())
    return bool(world.credit.coverage()[party] >= 1.0 or (fleet > 0 and below < 0))


def cure(world: World, week: int, party: int, rows: Ints) -> None:
    """Owners pay in what heals the breach: the shortfall of a quarter's income, or what collateral lacks, whichever is more.

    What collateral lacks prepays the breached loans; the rest counts as income and stays with the borrower.
    """
    ledger, live = world.ledger, _loans_of(world, party)
    excess = np.zeros(len(live), dtype=np.int64)
    at = np.searchsorted(live, rows)
    excess[at] = np.ceil(ledger.loans.balance_cents[rows] * _uncovered(world, week, rows)).astype(np.int64)
    asked, income = _income_asked(world, party)
    amount = max(int(np.ceil(asked)) - income, int(excess.sum()))
    ledger.pay(REST_OF_WORLD, party, amount, Account.EQUITY)
    _prepay(world, party, live, excess)
    world.log(week, "equity_cure", party, cents=amount)
    world.credit.move(party, Standing.TRAPPED)


def prepay_cure(world: World, week: int, party: int, rows: Ints) -> bool:
    """Prepay so much of the breached loans that they pass again, if cash beyond a reserve of service allows; whether it did.

    Debt falls by the part of its service that income does not cover at the covenant's ratio, or by what stands above the
    collateral at the covenant's level, whichever is more (contracts.md 4.10: cure by prepayment).
    """
    ledger, loans = world.ledger, world.ledger.loans
    asked, income = _income_asked(world, party)
    share = float(np.clip(1.0 - income / asked, 0.0, 1.0)) if asked > 0 else 0.0
    live = _loans_of(world, party)
    part = np.full(len(live), share)
    part[np.searchsorted(live, rows)] = np.maximum(share, _uncovered(world, week, rows))
    cents = np.ceil(loans.balance_cents[live] * part).astype(np.int64)
    spare = int(ledger.parties.cash_cents[party]) - _service_reserve(world, live)
    if int(cents.sum()) > spare:
        return False
    _prepay(world, party, live, cents)
    world.log(week, "cured_by_prepayment", party, cents=int(cents.sum()))
    world.credit.move(party, Standing.TRAPPED)
    return True


def _service_reserve(world: World, live: Ints) -> int:
    """Cash a borrower keeps for the service of its live loans when it prepays, cents."""
    return world.parameters.credit.service_reserve_months * int(world.ledger.loans.payment_cents[live].sum())


def _loans_of(world: World, party: int) -> Ints:
    loans = world.ledger.loans
    return np.flatnonzero(loans.live() & (loans.debtor == party))


def _income_asked(world: World, party: int) -> tuple[float, int]:
    """A quarter's income that coverage of service and of interest ask for, and what there was, cents."""
    credit, parameters = world.credit, world.parameters.credit
    due, interest = int(credit.tested_cents[:, party].sum()), int(credit.interest_cents[:, party].sum())
    asked = max(parameters.dscr_covenant * due, parameters.interest_covenant * interest)
    return asked, int(credit.income_cents[:, party].sum())


def _uncovered(world: World, week: int, rows: Ints) -> Floats:
    """Share of each loan that stands above its collateral at the covenant's level."""
    parameters = world.parameters.credit
    tests = examine_loans(world, week)
    at = np.searchsorted(tests.row, rows)
    ratio = tests.leverage.tested(tests.basis)[at]
    level = np.where(
        tests.basis[at] == Basis.COST, parameters.loan_to_cost_covenant, parameters.loan_to_value_covenant
    )
    over = np.clip(1.0 - level / np.maximum(ratio, 1e-12), 0.0, 1.0)
    return np.asarray(np.where(np.isinf(ratio), 1.0, over))


def _prepay(world: World, party: int, rows: Ints, cents: Ints) -> None:
    """Prepay loans; their service falls with them."""
    ledger, loans = world.ledger, world.ledger.loans
    left = 1.0 - cents / np.maximum(loans.balance_cents[rows], 1)
    ledger.pay(party, loans.creditor[rows], cents, Account.PRINCIPAL)
    ledger.repay(rows, cents)
    loans.payment_cents[rows] = np.ceil(loans.payment_cents[rows] * left).astype(np.int64)
    loans.overdue_cents[rows] = np.minimum(loans.overdue_cents[rows], loans.balance_cents[rows])


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
            loans.cost_cents[rows],
            week - loans.start[rows],
            float(parameters.lenders.advance.array().max()),
            parameters.credit.book_life_years,
            1,
        )
        excess = int(mandatory_prepayment(loans.balance_cents[rows].sum(), base[0]))
        pay_early(
            world, week, party, rows, min(excess, int(ledger.parties.cash_cents[party])), "borrowing base"
        )


def sweep_asset_backed(world: World, week: int, party: int, cover: float) -> None:
    """Full turbo: cash beyond a reserve of service prepays asset-backed notes (contracts.md 4.4)."""
    loans, parameters = world.ledger.loans, world.parameters.credit
    mine = _loans_of(world, party)
    rows = mine[loans.kind[mine] == LoanKind.ASSET_BACKED]
    if len(rows) == 0:
        return
    surplus = max(int(world.ledger.parties.cash_cents[party]) - _service_reserve(world, mine), 0)
    split = apply_triggers(
        surplus, 0, loans.balance_cents[rows].sum(), cover, parameters.dscr_trap, parameters.dscr_turbo
    )
    pay_early(world, week, party, rows, int(split.prepayment_cents), "turbo")


def pay_early(world: World, week: int, party: int, rows: Ints, cents: int, why: str) -> None:
    """Prepay loans in row order, oldest first."""
    ledger, loans = world.ledger, world.ledger.loans
    if cents <= 0:
        return
    balance = loans.balance_cents[rows]
    paid = np.clip(cents - (np.cumsum(balance) - balance), 0, balance)
    ledger.pay(party, loans.creditor[rows], paid, Account.PRINCIPAL)
    ledger.repay(rows, paid)
    loans.overdue_cents[rows] = np.minimum(loans.overdue_cents[rows], loans.balance_cents[rows])
    world.log(week, "prepayment", party, cents=int(paid.sum()), detail=why)
