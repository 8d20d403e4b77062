"""Bitcoin loans in the books: tested every week on the low; coins posted, cash paid, or sold by the lender.

The arithmetic is `sim/debt/bitcoin_loan.py` (contracts.md 4.6); here its outcome is posted.
"""

import numpy as np

from agents.vocabulary import SATOSHI
from sim.debt.bitcoin_loan import BitcoinTerms, CallState, margin_calls
from sim.state.ledger import Account, LoanKind
from sim.state.world import REST_OF_WORLD, World


def call(world: World, week: int) -> None:
    """Test every live bitcoin loan and post what follows."""
    ledger, loans, miners = world.ledger, world.ledger.loans, world.parameters.miners
    rows = np.flatnonzero(loans.live() & (loans.kind == LoanKind.BITCOIN) & (loans.pledged_satoshi > 0))
    if len(rows) == 0:
        return
    terms = BitcoinTerms(
        opening=miners.bitcoin_loan_to_value,
        call=miners.bitcoin_loan_call,
        liquidation=miners.bitcoin_loan_liquidation,
        slippage=miners.bitcoin_loan_slip,
    )
    low = float(world.drivers.btc_low_usd[week])
    calls = margin_calls(
        loans.debtor[rows],
        loans.balance_cents[rows],
        loans.pledged_satoshi[rows],
        low,
        ledger.parties.bitcoin_satoshi,
        np.maximum(ledger.parties.cash_cents, 0),
        terms,
    )
    for i in np.flatnonzero(calls.state != CallState.QUIET):
        row = int(rows[i])
        debtor, creditor = int(loans.debtor[row]), int(loans.creditor[row])
        cents, coins = int(calls.paid_cents[i]), int(calls.posted_satoshi[i])
        world.log(
            week,
            "margin_call",
            debtor,
            counterparty=creditor,
            cents=cents,
            detail=f"low {low:,.0f} USD, {coins / SATOSHI:,.1f} BTC posted",
        )
        ledger.pledge(row, coins)
        ledger.pay(debtor, creditor, cents, Account.PRINCIPAL)
        ledger.repay(np.array([row]), np.array([cents]))
        sold = int(calls.sold_satoshi[i])
        if sold:
            ledger.sell_pledged(row, sold, int(calls.proceeds_cents[i]), REST_OF_WORLD)
            world.log(
                week,
                "collateral_sold",
                debtor,
                counterparty=creditor,
                cents=int(calls.proceeds_cents[i]),
                detail=f"{sold / SATOSHI:,.1f} BTC",
            )
