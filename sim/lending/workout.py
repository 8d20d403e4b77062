"""From default to recovery: the state machine and the ladder of what lenders would rather do.

A failed borrower's lenders value every rung (economics.md section 10): amend, operate in place, sell in place, sell orderly,
sell at once. Each lender looks at its own loans, rate and funding; the plan behind which most of the debt stands is taken.
A lender that is itself called must sell. The cause of every sale is recorded with it.
"""

from dataclasses import dataclass

import numpy as np

from agents.operating import hold_values
from agents.view import View
from agents.vocabulary import MONTHS_PER_YEAR, SATOSHI, WEEKS_PER_YEAR, AgentKind, Ints, LotStatus
from sim.base.randomness import Purpose
from sim.base.rounding import to_cents
from sim.debt.facilities import coupon
from sim.debt.terms import level_payment
from sim.lending import estates, orders
from sim.lending.debt_service import pay_overdue
from sim.lending.forced_sale import take_possession
from sim.lending.monitoring import examine_loans
from sim.operating import leases
from sim.state import recoveries
from sim.state.ledger import BULLET, LoanKind, LoanStatus
from sim.state.standing import QUARTERS_PER_YEAR, Plan, Standing
from sim.state.tenants import end_contracts
from sim.state.world import World

MONTHS_PER_QUARTER = MONTHS_PER_YEAR / QUARTERS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Rung:
    """One way out and what it is worth to one lender, cents."""

    plan: Plan
    value_cents: float


def advance_standing(world: World, week: int, view: View) -> None:
    """Move every borrower whose time has run out: grace and cure to default, enforcement to possession."""
    credit = world.credit
    if not world.parameters.credit.defaults:
        return
    for party in np.flatnonzero((credit.until >= 0) & (credit.until <= week)):
        standing = Standing(credit.standing[party])
        if standing == Standing.GRACE:
            if pay_overdue(world, int(party)):
                world.log(week, "arrears_paid", int(party))
                credit.move(int(party), Standing.TRAPPED)
            else:
                default(world, week, int(party), payment_cause(world, int(party)), view)
        elif standing == Standing.CURE:
            tests = examine_loans(world, week)
            if not tests.breach.any[tests.debtor == party].any():
                world.log(week, "cured", int(party))
                credit.move(int(party), Standing.TRAPPED)
            else:
                default(world, week, int(party), "covenant", view)
        elif standing == Standing.ENFORCEMENT:
            possess(world, week, int(party))
    for party in np.flatnonzero(credit.standing == Standing.LIQUIDATION):
        loans = world.ledger.loans
        if not np.any((loans.debtor == party) & (loans.balance_cents > 0)):
            credit.move(int(party), Standing.CLOSED)
            world.slots.arrears_cents[party] = 0
            world.log(week, "closed", int(party))


def payment_cause(world: World, party: int) -> str:
    """Why a payment was missed: a maturity without an offer, a shell's or a GPU's tenant that left, or income at large."""
    loans, contracts = world.ledger.loans, world.contracts
    rows = np.flatnonzero((loans.debtor == party) & (loans.overdue_cents > 0))
    regular = world.parameters.credit.balloon_payments * loans.payment_cents[rows]
    if np.any((loans.months_left[rows] == 0) & (loans.overdue_cents[rows] > regular)):
        return "maturity"
    if leases.lost_lately(world, world.week, party):
        return "lease"
    if np.any((contracts.operator == party) & (contracts.left == 1)):
        return "tenant"
    return "income"


def default(world: World, week: int, party: int, cause: str, view: View) -> None:
    """An event of default: cross-default of all loans, then the lenders' choice."""
    credit, loans, parameters = world.credit, world.ledger.loans, world.parameters.credit
    rows = np.flatnonzero((loans.debtor == party) & loans.live())
    owed = int(loans.balance_cents[rows].sum())
    credit.cause[party] = cause
    world.log(week, "default", party, cents=owed, detail=cause)
    seen = rows[loans.kind[rows] <= LoanKind.ASSET_BACKED]
    world.experience.default(world.drivers.months_begun(week), loans.tier[seen], loans.balance_cents[seen])
    plan, why = choose(world, week, party, rows, view)
    if plan == Plan.NONE:
        amend(world, week, party, rows)
        return
    loans.status[rows] = LoanStatus.ACCELERATED
    world.operators.active[party] = False
    credit.plan[party] = plan
    weeks = int(parameters.enforcement_weeks)
    luck = float(world.randomness.uniform(Purpose.ENFORCEMENT, week, np.array([party]))[0])
    if luck < parameters.chapter_11_probability:
        weeks += int(parameters.stay_weeks)
        world.log(week, "chapter_11", party, detail=f"stay of {int(parameters.stay_weeks)} weeks")
    credit.move(party, Standing.ENFORCEMENT, week + weeks)
    world.log(week, "workout", party, detail=f"{plan.name.lower()}: {why}")
    tenants_leave(world, week, party)
    orders.cancel(world, week, party)
    recoveries.open_files(world, week, rows[loans.balance_cents[rows] > 0])


# -- the ladder -------------------------------------------------------------------------------------------


def choose(world: World, week: int, party: int, rows: Ints, view: View) -> tuple[Plan, str]:
    """Plan of the lenders with most of the debt that has a say, and their reason.

    What becomes of hardware is for those it is pledged to; without such debt everybody votes.
    """
    loans, credit = world.ledger.loans, world.credit
    if not world.parameters.credit.workouts:
        return Plan.SELL_FORCED, "no workout"
    votes: dict[Plan, int] = {}
    reasons: dict[Plan, str] = {}
    pledged = rows[loans.kind[rows] <= LoanKind.ASSET_BACKED]
    rows = pledged if len(pledged) else rows
    for creditor in np.unique(loans.creditor[rows]):
        own = rows[loans.creditor[rows] == creditor]
        forced = bool(credit.run_off[creditor]) or bool(world.parameters.lenders.run_off)
        ladder = rungs(world, week, party, own, view)
        if forced:
            ladder = [rung for rung in ladder if rung.plan == Plan.SELL_FORCED]
        best = max(ladder, key=lambda rung: (rung.value_cents, -rung.plan))
        votes[best.plan] = votes.get(best.plan, 0) + int(loans.balance_cents[own].sum())
        told = ", ".join(f"{rung.plan.name.lower()} {rung.value_cents / 1e8:.2f}" for rung in ladder)
        reasons.setdefault(best.plan, "lender's own funding" if forced else f"values in million USD: {told}")
    plan = max(votes, key=lambda name: (votes[name], -name))
    return plan, reasons[plan]


def rungs(world: World, week: int, party: int, rows: Ints, view: View) -> list[Rung]:
    """What each way out is worth to the lender of `rows`, in cents at its own rate."""
    loans, parameters = world.ledger.loans, world.parameters.credit
    owed = float(loans.balance_cents[rows].sum())
    rate = float(np.average(loans.rate[rows], weights=loans.balance_cents[rows]))
    sell = {
        weeks: sale_value(world, rows, party, int(weeks), rate)
        for weeks in (world.parameters.forced_sale.deadline_weeks, parameters.orderly_weeks)
    }
    operate = operate_value(world, rows, view)
    quick, slow = sell[world.parameters.forced_sale.deadline_weeks], sell[parameters.orderly_weeks]
    ladder = [
        Rung(Plan.SELL_FORCED, min(quick.moved_cents, owed)),
        Rung(Plan.SELL_ORDERLY, min(slow.moved_cents, owed)),
        Rung(Plan.SELL_IN_PLACE, min(quick.in_place_cents, owed)),
        Rung(Plan.OPERATE, min(operate, owed)),
    ]
    if world.credit.amendments[party] < parameters.amendments:
        best_sale = max(quick.moved_cents, slow.moved_cents, quick.in_place_cents, operate)
        ladder.append(Rung(Plan.NONE, amendment_value(world, party, rows, rate, best_sale)))
    return ladder


@dataclass(frozen=True, slots=True)
class SaleValue:
    """Expected recovery of a sale, moved and in place, cents."""

    moved_cents: float
    in_place_cents: float


def sale_value(world: World, rows: Ints, party: int, weeks: int, rate: float) -> SaleValue:
    """Net proceeds a lender expects of selling its collateral over so many weeks after enforcement, cents.

    ``P Q exp(-eta ln(1 + Q / (ADV weeks))) (1 - costs) exp(-(rate + delta) (wait + weeks/2))``: last price, the
    lender's own impact against the normal weekly volume, fee and enforcement cost, decay until the mean sale, the wait being
    enforcement and the stay that is to be expected. Unsecured lenders
    count on their share of free cash and coins.
    """
    ledger, lots, parameters = world.ledger, world.ledger.lots, world.parameters
    loans = ledger.loans
    lot = np.flatnonzero(np.isin(lots.lien, rows))
    gpus = lots.quantity[lot].astype(float)
    volume = np.maximum(world.market.weekly_volume[lots.product[lot]], 1.0)
    total = np.bincount(lots.product[lot], weights=gpus, minlength=len(world.market.weekly_volume))[
        lots.product[lot]
    ]
    impact = (1.0 + total / (volume * max(weeks, 1))) ** -parameters.credit.price_impact
    costs = parameters.liquidators.agency_fee + parameters.lenders.enforcement_cost
    wait = float(parameters.credit.enforcement_weeks)
    wait += parameters.credit.chapter_11_probability * parameters.credit.stay_weeks
    years = (wait + weeks / 2) / WEEKS_PER_YEAR
    patience = np.exp(-(rate + parameters.rent.trend_deflation) * years) * (1.0 - costs) * 100.0
    price = world.market.price_usd[lots.product[lot], lots.pool[lot]]
    saved = (
        world.hardware.moving_usd[lots.product[lot]]
        * world.slots.assignable[world.topology.pool_place[lots.pool[lot]]]
    )
    free = float(ledger.parties.cash_cents[party]) + float(world.site_value_usd()[party]) * 100.0
    free += ledger.parties.bitcoin_satoshi[party] / SATOSHI * world.btc_usd * 100.0
    debts = loans.live() & (loans.debtor == party)
    share = float(loans.balance_cents[rows].sum()) / max(float(loans.balance_cents[debts].sum()), 1.0)
    pledged = loans.pledged_satoshi[rows].sum() / SATOSHI * world.btc_usd * 100.0
    other = free * share + float(pledged)
    return SaleValue(
        moved_cents=float((gpus * price * impact).sum()) * patience + other,
        in_place_cents=float((gpus * (price + saved) * impact).sum()) * patience + other
        if saved.any()
        else 0.0,
    )


def operate_value(world: World, rows: Ints, view: View) -> float:
    """Present value of running the collateral where it stands under a hired operator, cents.

    Zero where the hosting contract cannot be assigned (economics.md section 4, credit bid); at the lender's rate.
    """
    lots = world.ledger.lots
    lot = np.flatnonzero(
        np.isin(lots.lien, rows) & world.slots.assignable[world.topology.pool_place[lots.pool]]
    )
    lot = lot[lots.status[lot] <= LotStatus.IDLE]
    if len(lot) == 0:
        return 0.0
    owner = lots.owner[lot]
    value = hold_values(
        view,
        owner,
        lots.pool[lot],
        lots.product[lot],
        np.maximum(view.week - lots.vintage[lot], 0) / WEEKS_PER_YEAR,
        utilisation=view.parties.utilisation[owner] * (1.0 - view.terms.operating_fee),
        discount_rate=world.ledger.loans.rate[lots.lien[lot]],
    )
    return float((value * lots.quantity[lot]).sum()) * 100.0


def amendment_value(world: World, party: int, rows: Ints, rate: float, sale: float) -> float:
    """``(1 - pi) PV(what income pays over the longer tenor) + pi * later sale`` (contracts.md 5.3 rule 3), cents.

    Income is the trailing quarter's, shared among lenders in proportion to balances. Rents fall meanwhile, so both
    the later sale and the income decay at the trend; ``sale`` is what the collateral would bring, more than owed or not,
    because a cushion today still covers the claim later.
    """
    loans, credit, parameters = world.ledger.loans, world.credit, world.parameters
    debts = loans.live() & (loans.debtor == party)
    owed = float(loans.balance_cents[rows].sum())
    share = owed / max(float(loans.balance_cents[debts].sum()), 1.0)
    monthly = max(float(credit.income_cents[:, party].sum()), 0.0) / MONTHS_PER_QUARTER * share
    months = int(np.average(loans.months_left[rows], weights=loans.balance_cents[rows]))
    months += int(parameters.credit.extension_months)
    needed = float(level_payment(owed, rate, max(months, 1)))
    decay = (rate + parameters.rent.trend_deflation * (monthly < needed)) / MONTHS_PER_YEAR
    paid = min(monthly, needed) * (1.0 - (1.0 + decay) ** -months) / max(decay, 1e-9)
    pi = parameters.credit.redefault_probability
    later = sale * float(
        np.exp(-(rate + parameters.rent.trend_deflation) * parameters.credit.redefault_years)
    )
    return (1.0 - pi) * min(paid, owed) + pi * min(later, owed)


def amend(world: World, week: int, party: int, rows: Ints) -> None:
    """Extend every loan, fold arrears in, keep the cash trapped."""
    loans, credit = world.ledger.loans, world.credit
    months = loans.months_left[rows] + int(world.parameters.credit.extension_months)
    loans.months_left[rows] = months
    loans.overdue_cents[rows] = 0
    loans.status[rows] = LoanStatus.PERFORMING
    for row, left in zip(rows, months, strict=True):
        balance, rate = int(loans.balance_cents[row]), float(loans.rate[row])
        bullet = int(loans.kind[row]) in BULLET
        loans.payment_cents[row] = (
            coupon(balance, rate) if bullet else np.ceil(level_payment(balance, rate, int(left)))
        )
    credit.amendments[party] += 1
    credit.move(party, Standing.TRAPPED)
    world.log(week, "amendment", party, cents=int(loans.balance_cents[rows].sum()), detail="tenor extended")


# -- enforcement ------------------------------------------------------------------------------------------


def tenants_leave(world: World, week: int, party: int) -> None:
    """Tenants of an operator under enforcement stay or go, contract by contract."""
    contracts = world.contracts
    rows = np.flatnonzero((contracts.operator == party) & contracts.live(week))
    luck = world.randomness.uniform(Purpose.ENFORCEMENT, week, world.ledger.parties.n + rows)
    gone = rows[luck < world.parameters.credit.tenant_leaves_probability]
    unearned = int(to_cents(contracts.unearned_usd(gone, week)).sum())
    world.operators.customer_claims_cents[party] += unearned
    end_contracts(contracts, gone, week)
    if len(gone):
        world.log(week, "tenants_leave", party, quantity=int(contracts.gpus[gone].sum()))


def possess(world: World, week: int, party: int) -> None:
    """Lenders take the hardware, the cash and the coins; the hardware goes where the plan says."""
    credit, lots, loans = world.credit, world.ledger.lots, world.ledger.loans
    plan = Plan(credit.plan[party])
    weeks = {
        # A lender that operates lists the units meanwhile; its credit bid is the floor.
        Plan.OPERATE: int(world.parameters.credit.operating_weeks),
        Plan.SELL_ORDERLY: int(world.parameters.credit.orderly_weeks),
    }.get(plan, int(world.parameters.forced_sale.deadline_weeks))
    agents = world.rows(AgentKind.LIQUIDATOR)
    seized = np.flatnonzero((lots.owner == party) & (lots.status <= LotStatus.IN_TRANSIT))
    for number, lot in enumerate(seized):
        take_possession(world, int(lot), int(agents[(party + number) % len(agents)]), week + weeks)
    world.log(
        week,
        "possession",
        party,
        quantity=int(lots.quantity[seized].sum()),
        detail=f"{plan.name.lower()}, cause {credit.cause[party]}",
    )
    leases.cure_arrears(world, party, seized[lots.quantity[seized] > 0])
    leases.ask_consent(world, week, party, np.unique(world.topology.pool_place[lots.pool[seized]]))
    leases.end_leases(world, week, party)
    estates.collect(world, week, party)
    credit.move(party, Standing.LIQUIDATION)
    assert not np.any(loans.live() & (loans.debtor == party))
