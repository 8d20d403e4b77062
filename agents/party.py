"""What every agent has in common: a row in the ledger, and a rule that turns a view into intents.

State lives in the ledger's arrays; an agent only knows its row. `cash_usd`, `fleet`, `debt_usd` and `loan_to_value` look
into those arrays, so ``model.agents.select(...)``, ``groupby`` and notebooks work as Mesa users expect.
"""

from typing import Any, ClassVar, NoReturn

import mesa
import numpy as np

from agents.schema import Section
from agents.view import View
from agents.vocabulary import GENERATIONS, PRODUCT_GENERATION, SATOSHI, AgentKind, Intents, Ints

RULES = ("decide", "decide_all", "step", "advance")
READINGS = ("cash_usd", "bitcoin", "debt_usd", "fleet", "gpus", "fleet_value_usd", "loan_to_value", "name")


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
    section: ClassVar[str]  # the parameters' section that describes the type

    def __init__(self, model: Any, row: int | None = None) -> None:
        if row is None:
            raise TypeError(
                f"{type(self).__name__} needs a row: who is there is laid down when a model is made, by the parameters "
                "of `world` and of registered types; an agent may take over the row of one that was removed"
            )
        self.row = row
        super().__init__(model)

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: Section) -> Intents:
        """Intents of the agents in `rows`; the base rule wants nothing."""
        return Intents()

    def decide(self, view: View) -> Intents:
        """Intents of this one agent; by default the cohort rule on its row."""
        return type(self).decide_all(view, np.array([self.row]), self.parameters)

    def step(self) -> NoReturn:
        """Agents do not step by themselves: the model asks all of them under one view.

        Raises
        ------
        TypeError
            Always; says what to call instead.
        """
        raise TypeError(
            f"{type(self).__name__}.step: agents do not step by themselves, the market clears them together; "
            "call model.step(), or model.run_for(weeks), and put a rule of your own into decide(view)"
        )

    advance = step

    def __setattr__(self, name: str, value: Any) -> None:
        if name in READINGS:
            raise AttributeError(
                f"{name} is read from the books and cannot be set; "
                "model.transfer(usd, payer, payee) moves cash, and the books still close"
            )
        if name == "row" and "row" in vars(self):
            raise AttributeError("an agent keeps its row; remove() it and make another on the other row")
        if name in RULES:
            raise AttributeError(
                f"{name} belongs to the type: subclass {type(self).__name__}, remove() this agent and make one of the "
                "subclass on its row"
            )
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        gpus = ", ".join(f"{count:,} {name}" for name, count in self.fleet.items()) or "no GPUs"
        cash, debt = self.cash_usd / 1e6, self.debt_usd / 1e6
        return f"<{type(self).__name__} {self.name!r}: {cash:,.1f} m$ cash, {debt:,.1f} m$ debt, {gpus}>"

    @property
    def parameters(self) -> Section:
        """The parameter section that describes this type."""
        section: Section = self.model.parameters.section_of(type(self))
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
