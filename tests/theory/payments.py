"""The payment vector of a matrix of liabilities, as the literature writes it (theory.md T11)."""

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Ints
from sim.base.amounts import whole
from sim.debt.payments import clear_claims


def clear_payments(
    liabilities: ArrayLike, cash: ArrayLike, outside_recovery: float = 1.0, inside_recovery: float = 1.0
) -> Ints:
    """Payment vector of a matrix of liabilities.

    Parameters
    ----------
    liabilities
        (N, N) cents row owes column; the diagonal must be empty.
    cash
        (N,) cents.

    Returns
    -------
    (N,) total paid by each party. Who gets which cent is in `clear_claims`; splitting the totals by another rule can leave a
    party that passes on what it gets a cent short.

    >>> owed = [[0, 60, 30, 10], [0, 0, 40, 20], [20, 0, 0, 30], [0, 0, 0, 0]]
    >>> clear_payments(owed, [50, 20, 15, 0]).tolist()
    [70, 60, 50, 0]
    """
    table = whole(liabilities, "liabilities")
    if table.ndim != 2 or table.shape != (len(np.asarray(cash)),) * 2:
        raise ValueError(f"liabilities of shape {table.shape} for {len(np.asarray(cash))} parties")
    debtor, creditor = np.nonzero(table)
    return clear_claims(
        debtor, creditor, table[debtor, creditor], cash, outside_recovery, inside_recovery
    ).total_cents
