"""Bitcoin loans, tested every week on the low: coins are posted, cash is paid, or the lender sells (contracts.md 4.6)."""

import numpy as np

from sim.ledger import SATOSHI, Account, LoanKind
from sim.world import REST_OF_WORLD, World


def call(world: World, week: int) -> None:
    """Call loans whose loan-to-value at the week's low is over the call level, and restore the opening one.

    The borrower posts free coins first, then pays down; what is missing the lender sells at the low less slippage.
    Ratios use the weekly low because a call runs for a day or less.
    """
    ledger, loans, miners = world.ledger, world.ledger.loans, world.parameters.miners
    low = float(world.drivers.btc_low_usd[week])
    rows = np.flatnonzero(loans.live() & (loans.kind == LoanKind.BITCOIN) & (loans.pledged > 0))
    worth = loans.pledged[rows] / SATOSHI * low * 100.0
    for row in rows[loans.balance[rows] > miners.bitcoin_loan_call * worth]:
        debtor, creditor = int(loans.debtor[row]), int(loans.creditor[row])
        world.log(week, "margin_call", debtor, counterparty=creditor, detail=f"low {low:,.0f} USD")
        target = miners.bitcoin_loan_to_value
        needed = int(np.ceil(loans.balance[row] / (target * low * 100.0) * SATOSHI)) - int(loans.pledged[row])
        posted = min(max(needed, 0), int(ledger.parties.bitcoin[debtor]))
        ledger.pledge(int(row), posted)
        excess = int(np.ceil(loans.balance[row] - target * loans.pledged[row] / SATOSHI * low * 100.0))
        paid = min(max(excess, 0), max(int(ledger.parties.cash[debtor]), 0), int(loans.balance[row]))
        ledger.pay(debtor, creditor, paid, Account.PRINCIPAL)
        ledger.repay(np.array([row]), np.array([paid]))
        if excess > paid:
            _sell(world, week, int(row), low)


def _sell(world: World, week: int, row: int, low: float) -> None:
    """The lender sells ``x = (B - LTV0 q P) / (P (1 - slip - LTV0))`` coins, which restores the opening ratio."""
    ledger, loans, miners = world.ledger, world.ledger.loans, world.parameters.miners
    target, slip = miners.bitcoin_loan_to_value, miners.bitcoin_loan_slip
    gap = loans.balance[row] / 100.0 - target * loans.pledged[row] / SATOSHI * low
    coins = min(int(np.ceil(gap / (low * (1.0 - slip - target)) * SATOSHI)), int(loans.pledged[row]))
    proceeds = int(coins / SATOSHI * low * (1.0 - slip) * 100.0)
    ledger.sell_pledged(row, coins, proceeds, REST_OF_WORLD)
    world.log(
        week,
        "collateral_sold",
        int(loans.debtor[row]),
        counterparty=int(loans.creditor[row]),
        cents=proceeds,
        detail=f"{coins / SATOSHI:,.1f} BTC",
    )
