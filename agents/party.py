"""What every agent has in common: a row in the ledger, and a rule that turns a view into intents.

State lives in the ledger's arrays; an agent only knows its row. `cash_usd`, `fleet`, `debt_usd` and `loan_to_value` look
into those arrays, so ``model.agents.select(...)``, ``groupby`` and notebooks work as Mesa users expect.
"""

from typing import Any, ClassVar

import mesa
import numpy as np

from agents.schema import Section
from agents.view import View
from agents.vocabulary import GENERATIONS, PRODUCT_GENERATION, SATOSHI, AgentKind, Intents, Ints


class Party(mesa.Agent):  # type: ignore[misc]
    """An agent on array state.

    Parameters
    ----------
    model
        The `FireSaleModel` the agent lives in.
    row : int
        Its row in the ledger's table of parties.

    Notes
    -----
    A type states its behaviour once, as the cohort rule `decide_all`. `decide` applies that rule to one row; a
    subclass may override it, and then only that subclass's agents are run one by one.
    """

    kind: ClassVar[AgentKind]

    def __init__(self, model: Any, row: int) -> None:
        super().__init__(model)
        self.row = row

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: Section) -> Intents:
        """Intents of the agents in `rows`; the base rule wants nothing."""
        return Intents()

    def decide(self, view: View) -> Intents:
        """Intents of this one agent; by default the cohort rule on its row."""
        return type(self).decide_all(view, np.array([self.row]), self.parameters)

    @property
    def parameters(self) -> Section:
        """The parameter section that describes this type."""
        section: Section = self.model.parameters.section_of(self.kind)
        return section

    @property
    def name(self) -> str:
        """Name used in events and tables."""
        return str(self.model.ledger.parties.name[self.row])

    @property
    def cash_usd(self) -> float:
        """Cash in USD."""
        return float(self.model.ledger.parties.cash_cents[self.row]) / 100

    @property
    def bitcoin(self) -> float:
        """Bitcoin held."""
        return float(self.model.ledger.parties.bitcoin_satoshi[self.row]) / SATOSHI

    @property
    def debt_usd(self) -> float:
        """Debt owed in USD."""
        loans = self.model.ledger.loans
        return float(loans.balance_cents[loans.debtor == self.row].sum()) / 100

    @property
    def fleet(self) -> dict[str, int]:
        """GPUs owned, by generation."""
        lots = self.model.ledger.lots
        own = lots.owner == self.row
        counts = np.bincount(
            PRODUCT_GENERATION[lots.product[own]], weights=lots.quantity[own], minlength=len(GENERATIONS)
        )
        return {name: int(n) for name, n in zip(GENERATIONS, counts, strict=True) if n}

    @property
    def gpus(self) -> int:
        """GPUs owned, all generations."""
        lots = self.model.ledger.lots
        return int(lots.quantity[lots.owner == self.row].sum())

    @property
    def fleet_value_usd(self) -> float:
        """Fleet marked at last week's clearing prices, USD."""
        lots = self.model.ledger.lots
        own = np.flatnonzero(lots.owner == self.row)
        return float((self.model.price_usd[lots.product[own], lots.pool[own]] * lots.quantity[own]).sum())

    @property
    def loan_to_value(self) -> float:
        """Debt over the fleet at market; NaN without a fleet."""
        value = self.fleet_value_usd
        return self.debt_usd / value if value > 0 else float("nan")
