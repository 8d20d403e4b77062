"""Estates of failed borrowers: what is not pledged becomes cash, and waits until the last lien is realised.

Secured lenders are paid from their own collateral first; only what that leaves open, with recourse, claims on the rest of the
estate beside notes, hosts and customers, all in one rank (contracts.md 4.11). So nothing is paid out before the collateral is
sold: until then nobody knows how much a secured lender still has to claim. Owners get what is left when everybody is whole.
"""

import numpy as np

from agents.vocabulary import Bools, Ints
from sim.debt.bitcoin_loan import price_cents, worth
from sim.debt.waterfall import Rank, deficiency, distribute
from sim.state.ledger import Account, LoanKind, LoanStatus
from sim.state.standing import Standing
from sim.state.world import REST_OF_WORLD, World


def collect(world: World, week: int, party: int) -> None:
    """Sell pledged coins and halls for their lenders, free coins and sites for the estate."""
    ledger, loans = world.ledger, world.ledger.loans
    called = np.flatnonzero((loans.debtor == party) & (loans.status == LoanStatus.ACCELERATED))
    for row in called[loans.pledged_satoshi[called] > 0]:
        owed, coins = int(loans.balance_cents[row]), int(loans.pledged_satoshi[row])
        ledger.sell_pledged(int(row), coins, int(worth(coins, price_cents(world.btc_usd))), REST_OF_WORLD)
        applied = owed - int(loans.balance_cents[row])
        world.bridge.receive([row], [applied], [applied])
    own = np.array([party])
    ledger.sell_bitcoin(own, ledger.parties.bitcoin_satoshi[own].copy(), world.btc_usd, REST_OF_WORLD)
    if world.operators.site_watts[party]:
        world.log(week, "sites_sold", party, cents=world.sell_sites(party))
    if world.operators.hall_watts[party]:
        _sell_halls(world, week, party, called)


def _sell_halls(world: World, week: int, party: int, called: Ints) -> None:
    """Outside capital buys the halls; project lenders are paid first, by what they are owed, and the rest is the estate's."""
    ledger, loans = world.ledger, world.ledger.loans
    cents = round(float(world.hall_value_usd()[party]) * 100)
    ledger.pay(REST_OF_WORLD, party, cents, Account.PROCEEDS)
    world.operators.hall_watts[party] = 0
    rows = called[loans.kind[called] == LoanKind.PROJECT]
    paid = distribute(cents, loans.balance_cents[rows], np.full(len(rows), Rank.SENIOR)).paid_cents
    ledger.pay(party, loans.creditor[rows], paid, Account.PROCEEDS)
    ledger.repay(rows, paid)
    filed = world.bridge.is_open(rows)
    world.bridge.receive(rows[filed], paid[filed], paid[filed])
    world.log(week, "halls_sold", party, cents=cents)


def with_recourse(kind: Ints) -> Bools:
    """Loans whose lenders may claim a deficiency: all but asset-backed notes, which look to their assets alone."""
    return np.asarray(kind != LoanKind.ASSET_BACKED)


def close(world: World, week: int) -> None:
    """Pay out and close every estate whose last collateral is gone; what stays unpaid is written off."""
    loans, lots = world.ledger.loans, world.ledger.lots
    called = (loans.status == LoanStatus.ACCELERATED) & (
        world.credit.standing[loans.debtor] != Standing.ENFORCEMENT
    )
    for party in np.unique(loans.debtor[called]):
        rows = np.flatnonzero(called & (loans.debtor == party))
        standing = (np.isin(lots.lien, rows) | (lots.owner == party)) & (lots.quantity > 0)
        if not standing.any():
            _pay_out(world, week, int(party), rows)
            _write_off(world, week, int(party), rows)


def _pay_out(world: World, week: int, party: int, rows: Ints) -> None:
    """Cash of the estate to deficiencies, notes, hosts and customers, pro rata."""
    ledger, loans = world.ledger, world.ledger.loans
    open_claims = deficiency(loans.balance_cents[rows], with_recourse(loans.kind[rows]))
    places = np.flatnonzero(world.slots.arrears_cents[party])
    claims = np.r_[
        open_claims, world.slots.arrears_cents[party, places], world.operators.customer_claims_cents[party]
    ]
    cash = max(int(ledger.parties.cash_cents[party]), 0)
    paid = distribute(cash, claims, np.full(len(claims), Rank.UNSECURED)).paid_cents
    to_loans, to_hosts, to_customers = np.split(paid, [len(rows), len(rows) + len(places)])
    ledger.pay(party, loans.creditor[rows], to_loans, Account.PROCEEDS)
    ledger.repay(rows, to_loans)
    ledger.pay(party, world.slots.host[places], to_hosts, Account.HOSTING)
    ledger.pay(party, REST_OF_WORLD, to_customers, Account.PREPAYMENT)
    world.slots.arrears_cents[party], world.operators.customer_claims_cents[party] = 0, 0
    filed = world.bridge.is_open(rows)
    world.bridge.receive(rows[filed], to_loans[filed], to_loans[filed])
    world.log(
        week, "recovery", party, cents=int(to_loans.sum()), detail="cash, coins, sites and free hardware"
    )


def _write_off(world: World, week: int, party: int, rows: Ints) -> None:
    """End the called loans of an estate: repaid, or given up for what is left of them."""
    loans = world.ledger.loans
    for row in rows:
        loss = world.ledger.write_off(int(row)) if loans.balance_cents[row] else 0
        if world.bridge.is_open([row])[0]:
            world.bridge.close(week, [row], written_off=[loss])
        if loss == 0:
            loans.status[row] = LoanStatus.REPAID
        elif loans.kind[row] <= LoanKind.ASSET_BACKED:
            world.experience.lose(world.drivers.months_begun(week), int(loans.tier[row]), loss)
        kind = "deficiency" if loss else "loan_repaid"
        world.log(week, kind, party, counterparty=int(loans.creditor[row]), cents=loss)
