"""From exposure to recovery: where the money of a defaulted loan went, in whole cents (economics.md section 13).

One record per default of a loan, filled while the workout runs: `default`, then `mark` every week, `operate`, `sell`,
`spend` and `receive` when they happen, `close` at the end. Two identities hold to the cent at every moment::

    value at default - decay - lost income - quality - structural gap - fire-sale discount
        - value still held = gross proceeds
    gross proceeds + income while operated + slot proceeds + other receipts
        - costs and liens - paid to others = recovery

and loss = exposure - recovery: no interest runs on the loans of a borrower in default. Values are of the collateral in its
best admissible use; the drop of that value over a week is told apart into the income the week could have earned (lost income,
earned back if the units are operated) and decay. Quality is what as-is units are worth less than clean ones; the structural gap
is from the best use to the first-lot price; the fire-sale discount is from there to the price paid, and may be negative.
"""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Ints
from sim.base.amounts import whole
from sim.base.declared import AMOUNT, ANY, COUNT, LONGEST_RUN, ROW, SIGNED_AMOUNT, WEEK, Bounds, Declared
from sim.base.units import BooksDoNotClose

# Column of the table -> unit and meaning; in the order of the bridge.
LOSS_BRIDGE = {
    "loan": Declared("loan", "row of the loan", ROW),
    "default_week": Declared("week", "week of the default", WEEK),
    "close_week": Declared("week", "week the file was closed; -1 open", Bounds(-1, LONGEST_RUN)),
    "outcome": Declared("", "open, liquidated, cured or restructured"),
    "gpus": Declared("GPUs", "collateral at default", COUNT),
    "gpus_held": Declared("GPUs", "collateral neither sold nor lost", COUNT),
    "exposure_cents": Declared("cents", "balance at default", AMOUNT),
    "value_at_default_cents": Declared(
        "cents", "collateral in its best admissible use, clean, at default", AMOUNT
    ),
    "decay_cents": Declared(
        "cents", "fall of that value beyond the income of the weeks that passed", SIGNED_AMOUNT
    ),
    "lost_income_cents": Declared(
        "cents", "income the collateral could have earned since default", SIGNED_AMOUNT
    ),
    "quality_cents": Declared("cents", "clean less as sold", SIGNED_AMOUNT),
    "structural_gap_cents": Declared("cents", "best use less first-lot price", SIGNED_AMOUNT),
    "fire_sale_discount_cents": Declared("cents", "first-lot price less price", SIGNED_AMOUNT),
    "held_cents": Declared("cents", "value of collateral not sold", AMOUNT),
    "gross_proceeds_cents": Declared("cents", "price times units", AMOUNT),
    "operated_income_cents": Declared("cents", "income while operated for the lender", AMOUNT),
    "slot_proceeds_cents": Declared("cents", "scarcity rent paid to the estate", AMOUNT),
    "other_receipts_cents": Declared("cents", "coins, guarantees, unsecured claims", AMOUNT),
    "costs_and_liens_cents": Declared("cents", "enforcement, fees, hosting, storage, freight", AMOUNT),
    "paid_to_others_cents": Declared("cents", "other creditors and the owners", AMOUNT),
    "recovery_cents": Declared("cents", "what the lender got", SIGNED_AMOUNT),
    "loss_cents": Declared("cents", "exposure less recovery", SIGNED_AMOUNT),
    "applied_cents": Declared("cents", "taken off the balance in the books", AMOUNT),
    "written_off_cents": Declared("cents", "given up in the books", AMOUNT),
    "loss_given_default": Declared("share of exposure", "loss over exposure; 0 without exposure", ANY),
}


class Outcome(IntEnum):
    """How a file ended."""

    OPEN = 0
    LIQUIDATED = 1
    CURED = 2
    RESTRUCTURED = 3


@dataclass(slots=True)
class LossBridge:
    """Running accumulators, one entry per default; all int64, money in cents.

    Attributes are the lines of `LOSS_BRIDGE`. A loan has at most one open record; a loan that is cured and fails
    again gets a new one. Amounts handed in are never negative except where a line may fall as well as rise.
    """

    loan: Ints
    default_week: Ints
    close_week: Ints
    outcome: Ints
    gpus: Ints
    gpus_held: Ints
    exposure_cents: Ints
    value_at_default_cents: Ints
    decay_cents: Ints
    lost_income_cents: Ints
    quality_cents: Ints
    structural_gap_cents: Ints
    fire_sale_discount_cents: Ints
    held_cents: Ints
    gross_proceeds_cents: Ints
    operated_income_cents: Ints
    slot_proceeds_cents: Ints
    other_receipts_cents: Ints
    costs_and_liens_cents: Ints
    paid_to_others_cents: Ints
    applied_cents: Ints
    written_off_cents: Ints

    @classmethod
    def empty(cls) -> "LossBridge":
        """No defaults yet."""
        return cls(*(np.zeros(0, dtype=np.int64) for _ in fields(cls)))

    @property
    def n(self) -> int:
        """Number of records."""
        return len(self.loan)

    # -- what the model calls -----------------------------------------------------------------------------

    def default(
        self, week: int, loans: ArrayLike, exposure: ArrayLike, value: ArrayLike, gpus: ArrayLike
    ) -> None:
        """Open records: balance owed, value of the collateral in its best use if clean, GPUs.

        Raises
        ------
        ValueError
            A loan has an open record already, or an amount is negative.
        """
        rows = np.atleast_1d(whole(loans, "loan"))
        known = self.is_open(rows)
        if known.any():
            raise ValueError(f"loan {int(rows[known][0])} is in default already")
        if len(np.unique(rows)) != len(rows):
            raise ValueError("a loan is named twice")
        fresh = {
            "loan": rows,
            "default_week": np.full(len(rows), week),
            "close_week": np.full(len(rows), -1),
            "gpus": self._amount(gpus, "gpus", rows),
            "exposure_cents": self._amount(exposure, "exposure", rows),
            "value_at_default_cents": self._amount(value, "value", rows),
        }
        fresh |= {"gpus_held": fresh["gpus"], "held_cents": fresh["value_at_default_cents"]}
        for f in fields(self):
            added = fresh.get(f.name, np.zeros(len(rows), dtype=np.int64))
            setattr(self, f.name, np.concatenate([getattr(self, f.name), added]))

    def mark(self, loans: ArrayLike, value: ArrayLike, potential_income: ArrayLike = 0) -> None:
        """A week passes: value in best use of the collateral still held, and what it could have earned in the week.

        ``value`` is of clean units, also for as-is ones: condition is charged at the sale.
        """
        row = self._rows(loans)
        if len(np.unique(row)) != len(row):
            raise ValueError("a loan is marked twice")
        now = self._amount(value, "value", row)
        income = np.broadcast_to(whole(potential_income, "potential income"), row.shape)
        self.decay_cents[row] += self.held_cents[row] - now - income
        self.lost_income_cents[row] += income
        self.held_cents[row] = now

    def operate(self, loans: ArrayLike, income: ArrayLike, applied: ArrayLike = 0) -> None:
        """Income of collateral run for the lender, before costs (those go through `spend`).

        ``applied`` is what of it was taken off the balance in the books; the rest the lender keeps beside them.
        """
        row = self._rows(loans)
        np.add.at(self.operated_income_cents, row, self._amount(income, "income", row))
        np.add.at(self.applied_cents, row, self._amount(applied, "applied", row))

    def receive(self, loans: ArrayLike, cents: ArrayLike, applied: ArrayLike = 0) -> None:
        """Any other receipt: coins sold, a guarantee paid, a dividend on the unsecured claim."""
        row = self._rows(loans)
        np.add.at(self.other_receipts_cents, row, self._amount(cents, "receipt", row))
        np.add.at(self.applied_cents, row, self._amount(applied, "applied", row))

    def spend(self, loans: ArrayLike, cents: ArrayLike) -> None:
        """Costs and liens paid by the estate or the lender: hosting arrears, storage, counsel."""
        row = self._rows(loans)
        np.add.at(self.costs_and_liens_cents, row, self._amount(cents, "cost", row))

    def lose(self, loans: ArrayLike, gpus: ArrayLike) -> None:
        """Units that failed or left without a price; their value goes into decay at the next mark."""
        row = self._rows(loans)
        self._take(row, self._amount(gpus, "gpus", row))

    def sell(
        self,
        loans: ArrayLike,
        gpus: ArrayLike,
        clean_value: ArrayLike,
        sold_value: ArrayLike,
        first_lot_price: ArrayLike,
        price: ArrayLike,
        costs: ArrayLike = 0,
        slot_proceeds: ArrayLike = 0,
        applied: ArrayLike = 0,
        paid_to_others: ArrayLike = 0,
    ) -> None:
        """Sales of the week, one entry each; several may be of one loan.

        Parameters
        ----------
        loans, gpus
            Loan row and units sold.
        clean_value, sold_value, first_lot_price, price
            Cents per GPU: best use if clean, best use in the condition sold, price of a single lot, price paid. For
            units broken up pass the salvage price as `price`, and as `first_lot_price` too if no lot was priced.
        costs, slot_proceeds, applied, paid_to_others
            Cents in total: costs and liens out of the proceeds, scarcity rent to the estate, taken off the balance, and
            surplus to junior creditors and owners.

        Raises
        ------
        ValueError
            Proceeds and slot rent are not what was spent, applied and passed on.
        """
        row = self._rows(loans)
        units = self._amount(gpus, "gpus", row)
        clean, sold, first, paid = (
            np.broadcast_to(whole(x, "price"), row.shape)
            for x in (clean_value, sold_value, first_lot_price, price)
        )
        cost, slot, book, others = (
            self._amount(x, "cents", row) for x in (costs, slot_proceeds, applied, paid_to_others)
        )
        gap = units * paid + slot - cost - book - others
        if gap.any():
            i = int(np.flatnonzero(gap)[0])
            raise ValueError(
                f"sale of loan {int(self.loan[row[i]])}: {int(gap[i])} cents are unaccounted for"
            )
        self._take(row, units)
        for column, cents in (
            (self.held_cents, -units * clean),
            (self.quality_cents, units * (clean - sold)),
            (self.structural_gap_cents, units * (sold - first)),
            (self.fire_sale_discount_cents, units * (first - paid)),
            (self.gross_proceeds_cents, units * paid),
            (self.slot_proceeds_cents, slot),
            (self.costs_and_liens_cents, cost),
            (self.applied_cents, book),
            (self.paid_to_others_cents, others),
        ):
            np.add.at(column, row, cents)

    def close(
        self, week: int, loans: ArrayLike, outcome: Outcome = Outcome.LIQUIDATED, written_off: ArrayLike = 0
    ) -> None:
        """End files. What is left of the value goes into decay where no unit is held any more.

        Raises
        ------
        BooksDoNotClose
            A liquidated loan's exposure is not what was applied and written off.
        """
        row = self._rows(loans)
        given_up = self._amount(written_off, "written off", row)
        gap = self.exposure_cents[row] - self.applied_cents[row] - given_up
        if outcome == Outcome.LIQUIDATED and gap.any():
            i = int(np.flatnonzero(gap)[0])
            raise BooksDoNotClose(
                f"loan {int(self.loan[row[i]])} is out by {int(gap[i])} cents in the loss bridge"
            )
        self.written_off_cents[row] = given_up
        gone = row[self.gpus_held[row] == 0]
        self.decay_cents[gone] += self.held_cents[gone]
        self.held_cents[gone] = 0
        self.close_week[row] = week
        self.outcome[row] = outcome

    # -- readings -------------------------------------------------------------------------------------------

    def is_open(self, loans: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Whether each loan has an open record."""
        live = self.loan[self.outcome == Outcome.OPEN]
        return np.asarray(np.isin(whole(loans, "loan"), live))

    @property
    def recovery_cents(self) -> Ints:
        """What the lender got, net of what it spent, cents."""
        return np.asarray(
            self.gross_proceeds_cents
            + self.operated_income_cents
            + self.slot_proceeds_cents
            + self.other_receipts_cents
            - self.costs_and_liens_cents
            - self.paid_to_others_cents
        )

    @property
    def loss_cents(self) -> Ints:
        """Exposure less recovery, cents."""
        return np.asarray(self.exposure_cents - self.recovery_cents)

    def check(self) -> None:
        """Assert the identity of values; called with the ledger's own laws.

        Raises
        ------
        BooksDoNotClose
            Names the loan and the gap.
        """
        steps = (
            self.decay_cents
            + self.lost_income_cents
            + self.quality_cents
            + self.structural_gap_cents
            + self.fire_sale_discount_cents
        )
        gap = self.value_at_default_cents - steps - self.held_cents - self.gross_proceeds_cents
        if gap.any():
            i = int(np.flatnonzero(gap)[0])
            raise BooksDoNotClose(
                f"loan {int(self.loan[i])} is out by {int(gap[i])} cents in the loss bridge"
            )

    def table(self) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
        """Columns of ``loss_bridge.parquet``; units and meanings are in `LOSS_BRIDGE`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain |= {"recovery_cents": self.recovery_cents, "loss_cents": self.loss_cents}
        plain["outcome"] = np.array([Outcome(o).name.lower() for o in self.outcome], dtype="U12")
        owed = self.exposure_cents > 0
        plain["loss_given_default"] = np.where(
            owed, self.loss_cents / np.where(owed, self.exposure_cents, 1), 0.0
        )
        return {name: np.array(plain[name]) for name in LOSS_BRIDGE}

    # -- inside ---------------------------------------------------------------------------------------------

    def _rows(self, loans: ArrayLike) -> Ints:
        """Open record of each loan."""
        wanted = np.atleast_1d(whole(loans, "loan"))
        live = np.flatnonzero(self.outcome == Outcome.OPEN)
        order = live[np.argsort(self.loan[live], kind="stable")]
        at = np.searchsorted(self.loan[order], wanted)
        found = at < len(order)
        found[found] = self.loan[order[at[found]]] == wanted[found]
        if not found.all():
            raise ValueError(f"loan {int(wanted[~found][0])} has no open record in the loss bridge")
        return np.asarray(order[at])

    @staticmethod
    def _amount(value: ArrayLike, name: str, rows: Ints) -> Ints:
        amount = np.array(np.broadcast_to(whole(value, name), rows.shape))
        if amount.size and amount.min() < 0:
            raise ValueError(f"{name} of {int(amount.min())}; it must be >= 0")
        return amount

    def _take(self, rows: Ints, gpus: Ints) -> None:
        """Take units out of what records hold; nothing changes where one holds too few."""
        left = self.gpus_held.copy()
        np.subtract.at(left, rows, gpus)
        short = np.flatnonzero(left < 0)
        if len(short):
            raise ValueError(f"loan {int(self.loan[short[0]])}: more GPUs sold or lost than it held")
        self.gpus_held = left
