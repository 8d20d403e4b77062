"""What an operator owes in a month: the measure of the cash it keeps back."""

import numpy as np

from agents.vocabulary import MONTHS_PER_YEAR, WEEKS_PER_YEAR, Ints
from sim.state.world import World


def obligations(world: World) -> Ints:
    """A month of bills and debt service of each party, cents, (parties,)."""
    loans = world.ledger.loans
    monthly = np.rint(world.operators.bills_cents * WEEKS_PER_YEAR / MONTHS_PER_YEAR).astype(np.int64)
    live = loans.live()
    np.add.at(monthly, loans.debtor[live], np.minimum(loans.payment_cents[live], loans.balance_cents[live]))
    return monthly
