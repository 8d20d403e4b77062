"""The books: who owns what, who owes whom, and every posting between them.

The ledger is the only place where money, title and capacity change hands. Tables are structs of arrays; a row
of `Parties` is an agent or an institution, a row of `Lots` is a quantity of one product class, of one vintage, in
one pool, under one owner and at most one lien. Money is int64 cents, hardware whole GPUs, bitcoin satoshi.
Every movement has a payer and a payee, so the books close to exactly zero; `Ledger.check` asserts it every week.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from agents.vocabulary import (
    N_GENERATIONS,
    PRODUCT_GENERATION,
    SATOSHI,
    AgentKind,
    Bools,
    Floats,
    Ints,
    LotStatus,
)
from sim.base.rows import append_row
from sim.base.units import BooksDoNotClose


class Account(IntEnum):
    """What a cash flow was for."""

    COMPUTE_REVENUE = 0
    MINING_REVENUE = 1
    POWER = 2
    HOSTING = 3
    OPERATING = 4
    INTEREST = 5
    PRINCIPAL = 6
    LENDING = 7
    HARDWARE = 8
    FREIGHT = 9
    SLOT_PREMIUM = 10
    FEE = 11
    STORAGE = 12
    RETROFIT = 13
    SALVAGE = 14
    PAYOUT = 15
    ENFORCEMENT = 16
    PROCEEDS = 17
    EQUITY = 18
    MACHINES = 19
    PREPAYMENT = 20
    CONSTRUCTION = 21


class LoanStatus(IntEnum):
    """State of a loan."""

    PERFORMING = 0
    ARREARS = 1
    ACCELERATED = 2
    REPAID = 3
    WRITTEN_OFF = 4


class LoanKind(IntEnum):
    """Kinds of debt (contracts.md section 4)."""

    LEVEL_PAY = 0
    DELAYED_DRAW = 1
    ASSET_BACKED = 2
    CONVERTIBLE = 3
    BITCOIN = 4
    FUNDING = 5
    NOTES = 6
    PROJECT = 7


# Nothing but interest falls due before the last month.
BULLET = (LoanKind.CONVERTIBLE, LoanKind.BITCOIN, LoanKind.FUNDING, LoanKind.NOTES)


@dataclass(slots=True)
class Parties:
    """One row per agent or institution."""

    kind: Ints
    cash_cents: Ints  # cents
    bitcoin_satoshi: Ints  # satoshi
    utilisation: Floats
    discount_rate: Floats
    name: list[str]
    type: list[str]  # what tables call its type

    @property
    def n(self) -> int:
        """Number of parties."""
        return len(self.kind)


@dataclass(slots=True)
class Lots:
    """Quantities of hardware, all columns int64 of one length."""

    product: Ints
    vintage: Ints  # week of first service, may be negative
    quantity: Ints
    pool: Ints
    owner: Ints
    lien: Ints  # loan row or -1
    status: Ints
    arrival: Ints  # week from which it can run
    liquidator: Ints  # liquidator holding the mandate or -1
    deadline: Ints  # last week of the mandate or -1
    contract: Ints  # row of the compute contract its units serve or -1

    @classmethod
    def empty(cls) -> "Lots":
        """No hardware."""
        return cls.of(())

    @classmethod
    def of(cls, rows: Sequence[tuple[int, ...]]) -> "Lots":
        """Rows in the declared order of the columns; there may be none."""
        return cls(*np.array(rows, dtype=np.int64).reshape(len(rows), len(fields(cls))).T.copy())

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.product)

    def columns(self) -> list[Ints]:
        """The columns in declared order."""
        return [getattr(self, f.name) for f in fields(self)]

    def take(self, rows: Ints) -> "Lots":
        """A copy of the named rows."""
        return Lots(*(column[rows] for column in self.columns()))

    def append(self, other: "Lots") -> None:
        """Add rows at the end."""
        for f in fields(self):
            setattr(self, f.name, np.concatenate([getattr(self, f.name), getattr(other, f.name)]))

    def close(self) -> None:
        """Merge rows equal in every attribute, drop empty ones, and put rows in canonical order."""
        keep = self.quantity > 0
        columns = {f.name: getattr(self, f.name)[keep] for f in fields(self)}
        quantity = columns.pop("quantity")
        if len(quantity) == 0:
            for f in fields(self):
                setattr(self, f.name, np.zeros(0, dtype=np.int64))
            return
        keys = list(columns.values())
        order = np.lexsort(keys[::-1])
        keys = [key[order] for key in keys]
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
        starts = np.flatnonzero(first)
        for name, key in zip(columns, keys, strict=True):
            setattr(self, name, key[starts])
        self.quantity = np.add.reduceat(quantity[order], starts)


@dataclass(slots=True)
class Loans:
    """One row per loan; balances in cents, rates a year."""

    debtor: Ints
    creditor: Ints
    principal_cents: Ints
    balance_cents: Ints
    rate: Floats
    payment_cents: Ints  # level payment a month, cents
    months_left: Ints
    arrears_cents: Ints  # interest due and unpaid, already inside the balance
    cost_cents: Ints  # purchase cost of the collateral, cents
    start: Ints  # week
    status: Ints
    kind: Ints
    overdue_cents: Ints  # payments due and not made, cents
    pledged_satoshi: Ints  # bitcoin held as collateral, satoshi
    tier: Ints  # of the tenant behind it, index of `agents.lender.TIERS`
    contract: Ints  # row of the compute contract it is repaid from or -1
    tested_from: Ints  # week from which units running are held against units due

    @classmethod
    def empty(cls) -> "Loans":
        """No debt."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z, z, np.zeros(0, dtype=np.float64), z, z, z, z, z, z, z, z, z, z, z, z)

    @property
    def n(self) -> int:
        """Number of loans."""
        return len(self.debtor)

    def append(self, **row: int | float) -> int:
        """Add one loan and return its row; columns left out are zero, and there is no contract."""
        append_row(self, **({"contract": -1} | row))
        return self.n - 1

    def live(self) -> Bools:
        """Loans that are neither called, repaid nor written off."""
        return np.asarray((self.status <= LoanStatus.ARREARS) & (self.balance_cents > 0))


@dataclass(slots=True)
class Orders:
    """New units ordered and not yet delivered, one row an order; cents in total."""

    buyer: Ints
    product: Ints
    arrival: Ints  # week of first service
    gpus: Ints
    unpaid_cents: Ints  # due on delivery
    cost_cents: Ints  # with freight
    contract: Ints  # row of the compute contract they are bought for or -1
    commitment_cents: Ints  # loan signed for them, drawn on delivery
    lender: Ints  # party that signed it or -1
    tier: Ints  # of the tenant, index of `agents.lender.TIERS`
    loan_rate: Floats  # a year
    loan_months: Ints

    @classmethod
    def empty(cls) -> "Orders":
        """Nothing on its way."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z, z, z, z, z, z, z, z, np.zeros(0), z)

    @property
    def n(self) -> int:
        """Number of orders."""
        return len(self.buyer)

    def append(self, **row: float) -> None:
        """Add an order, all columns given. One without a contract joins the buyer's others of its class and week."""
        same = (self.buyer == row["buyer"]) & (self.product == row["product"]) & (self.contract < 0)
        found = np.flatnonzero(same & (self.arrival == row["arrival"]))
        if row["contract"] >= 0 or len(found) == 0:
            append_row(self, **row)
            return
        for name in ("gpus", "unpaid_cents", "cost_cents", "commitment_cents"):
            getattr(self, name)[found[0]] += int(row[name])

    def keep(self, rows: Bools) -> None:
        """Drop all other orders."""
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name)[rows])


class Ledger:
    """State of the world and the only door through which it changes.

    Parameters
    ----------
    parties, lots, loans
        Opening balances. The opening totals are the constants that `check` holds the books to.

    Notes
    -----
    ``flows`` has shape (parties, accounts): this week's net receipts in cents by purpose; every column sums to
    zero because each posting has two sides.
    """

    def __init__(self, parties: Parties, lots: Lots, loans: Loans) -> None:
        self.parties = parties
        self.lots = lots
        self.loans = loans
        self.orders = Orders.empty()
        self.flows = np.zeros((parties.n, len(Account)), dtype=np.int64)
        self.scrapped = np.zeros(N_GENERATIONS, dtype=np.int64)
        self.failed = np.zeros(N_GENERATIONS, dtype=np.int64)
        self.delivered = np.zeros(N_GENERATIONS, dtype=np.int64)
        self.bitcoin_mined = 0
        self.bitcoin_sold = 0
        self.written_off = np.zeros(loans.n, dtype=np.int64)
        self.drawn = 0
        self.repaid = 0
        self.losses = 0
        self._opening_cash = int(parties.cash_cents.sum())
        self._opening_gpus = self.gpus_by_generation()
        self._opening_bitcoin = int(parties.bitcoin_satoshi.sum() + loans.pledged_satoshi.sum())
        self._opening_debt = int(loans.balance_cents.sum())
        self.capitalised = 0

    # -- postings -----------------------------------------------------------------------------------------

    def pay(self, payer: Ints | int, payee: Ints | int, cents: Ints | int, account: Account) -> None:
        """Move cash from payer to payee; arrays broadcast; amounts must not be negative."""
        who_pays, who_gets, amount = np.broadcast_arrays(
            np.atleast_1d(payer), np.atleast_1d(payee), np.atleast_1d(cents)
        )
        if amount.size and int(amount.min()) < 0:
            raise ValueError(f"{account.name}: a payment of {int(amount.min())} cents; amounts must be >= 0")
        np.subtract.at(self.parties.cash_cents, who_pays, amount)
        np.add.at(self.parties.cash_cents, who_gets, amount)
        np.subtract.at(self.flows[:, account], who_pays, amount)
        np.add.at(self.flows[:, account], who_gets, amount)

    def mine(self, party: Ints, satoshi: Ints) -> None:
        """Credit newly mined bitcoin."""
        np.add.at(self.parties.bitcoin_satoshi, party, satoshi)
        self.bitcoin_mined += int(satoshi.sum())

    def sell_bitcoin(self, party: Ints, satoshi: Ints, usd: float, outside: int) -> None:
        """Sell bitcoin to the rest of the world at a price in USD."""
        np.subtract.at(self.parties.bitcoin_satoshi, party, satoshi)
        self.bitcoin_sold += int(satoshi.sum())
        cents = np.rint(satoshi * (usd * 100.0 / SATOSHI)).astype(np.int64)
        self.pay(outside, party, cents, Account.MINING_REVENUE)

    def split(self, row: int, quantity: int) -> int:
        """Cut `quantity` GPUs out of a lot into a new row and return that row."""
        if not 0 < quantity <= self.lots.quantity[row]:
            raise ValueError(f"lot {row} holds {self.lots.quantity[row]} GPUs; {quantity} asked")
        if quantity == self.lots.quantity[row]:
            return row
        piece = self.lots.take(np.array([row]))
        piece.quantity[0] = quantity
        self.lots.quantity[row] -= quantity
        self.lots.append(piece)
        return self.lots.n - 1

    def deliver(self, lots: Lots) -> None:
        """Bring hardware into the world from the factory."""
        np.add.at(self.delivered, PRODUCT_GENERATION[lots.product], lots.quantity)
        self.lots.append(lots)

    def fail(self, rows: Ints, quantity: Ints) -> None:
        """Take broken units out of the world."""
        self.lots.quantity[rows] -= quantity
        np.add.at(self.failed, PRODUCT_GENERATION[self.lots.product[rows]], quantity)

    def scrap(self, rows: Ints, quantity: Ints) -> None:
        """Take units out of the world for parts."""
        self.lots.quantity[rows] -= quantity
        np.add.at(self.scrapped, PRODUCT_GENERATION[self.lots.product[rows]], quantity)

    def lend(self, **loan: int | float) -> int:
        """Open a loan and pay its principal out; returns the loan's row."""
        row = self.loans.append(**loan)
        self.written_off = np.append(self.written_off, 0)
        amount = int(loan["balance_cents"])
        self.drawn += amount
        self.pay(int(loan["creditor"]), int(loan["debtor"]), amount, Account.LENDING)
        return row

    def draw(self, row: int, cents: int) -> None:
        """Draw more on an open loan."""
        self.loans.balance_cents[row] += cents
        self.loans.principal_cents[row] += cents
        self.drawn += cents
        self.pay(int(self.loans.creditor[row]), int(self.loans.debtor[row]), cents, Account.LENDING)

    def pledge(self, row: int, satoshi: int) -> None:
        """Move coins between a debtor and the collateral of its loan; a negative amount releases them."""
        self.parties.bitcoin_satoshi[self.loans.debtor[row]] -= satoshi
        self.loans.pledged_satoshi[row] += satoshi

    def sell_pledged(self, row: int, satoshi: int, cents: int, outside: int) -> None:
        """The creditor sells pledged coins outside and applies the proceeds to the balance, the rest to the debtor."""
        loans = self.loans
        loans.pledged_satoshi[row] -= satoshi
        self.bitcoin_sold += satoshi
        applied = min(cents, int(loans.balance_cents[row]))
        self.pay(outside, int(loans.creditor[row]), applied, Account.PROCEEDS)
        self.pay(outside, int(loans.debtor[row]), cents - applied, Account.PROCEEDS)
        self.repay(np.array([row]), np.array([applied]))

    def cancel_delivery(self, row: int) -> None:
        """Send a lot that has not arrived back to its maker: it leaves the world as if never delivered."""
        product, gpus = int(self.lots.product[row]), int(self.lots.quantity[row])
        self.delivered[PRODUCT_GENERATION[product]] -= gpus
        self.lots.quantity[row] = 0

    def repay(self, rows: Ints, cents: Ints) -> None:
        """Book principal paid (the cash is posted separately under PRINCIPAL)."""
        np.subtract.at(self.loans.balance_cents, rows, cents)
        self.repaid += int(cents.sum())

    def capitalise(self, rows: Ints, cents: Ints) -> None:
        """Add unpaid interest to the balance."""
        np.add.at(self.loans.balance_cents, rows, cents)
        np.add.at(self.loans.arrears_cents, rows, cents)
        self.capitalised += int(cents.sum())

    def convert(self, row: int) -> int:
        """A note becomes shares: the debt ends without cash; returns the cents."""
        amount = int(self.loans.balance_cents[row])
        self.loans.balance_cents[row] = 0
        self.loans.status[row] = LoanStatus.REPAID
        self.repaid += amount
        return amount

    def write_off(self, row: int) -> int:
        """Give up what is left of a loan and return the loss in cents."""
        loss = int(self.loans.balance_cents[row])
        self.loans.balance_cents[row] = 0
        self.loans.status[row] = LoanStatus.WRITTEN_OFF
        self.written_off[row] += loss
        self.losses += loss
        return loss

    # -- readings -----------------------------------------------------------------------------------------

    def gpus_by_generation(self) -> Ints:
        """GPUs in existence by generation, shape (G,)."""
        return np.bincount(
            PRODUCT_GENERATION[self.lots.product], weights=self.lots.quantity, minlength=N_GENERATIONS
        ).astype(np.int64)

    def debt_cents(self) -> Ints:
        """Debt owed by each party, cents."""
        owed = np.zeros(self.parties.n, dtype=np.int64)
        np.add.at(owed, self.loans.debtor, self.loans.balance_cents)
        return owed

    # -- closing ------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Assert every conservation law; called at the end of every week, always.

        Raises
        ------
        BooksDoNotClose
            Names the law and the size of the gap.
        """
        parties, lots, loans = self.parties, self.lots, self.loans
        self.law("cash", int(parties.cash_cents.sum()) - self._opening_cash, "cents")
        self.law("flows", int(np.abs(self.flows.sum(axis=0)).sum()), "cents")
        gap = self.gpus_by_generation() + self.scrapped + self.failed - self._opening_gpus - self.delivered
        self.law("hardware", int(np.abs(gap).sum()), "GPUs")
        coins = int(parties.bitcoin_satoshi.sum() + loans.pledged_satoshi.sum())
        bitcoin = coins - self._opening_bitcoin - self.bitcoin_mined + self.bitcoin_sold
        self.law("bitcoin", bitcoin, "satoshi")
        debt = int(loans.balance_cents.sum()) - self._opening_debt
        self.law("debt", debt - self.drawn - self.capitalised + self.repaid + self.losses, "cents")
        agents = parties.kind != AgentKind.INSTITUTION
        self.law("cash below zero", int(np.minimum(parties.cash_cents[agents], 0).sum()), "cents")
        self.law("bitcoin below zero", int(np.minimum(parties.bitcoin_satoshi, 0).sum()), "satoshi")
        self.law("pledge below zero", int(np.minimum(loans.pledged_satoshi, 0).sum()), "satoshi")
        self.law("balance below zero", int(np.minimum(loans.balance_cents, 0).sum()), "cents")
        self.law("lot below zero", int(np.minimum(lots.quantity, 0).sum()), "GPUs")
        self._check_title()

    def _check_title(self) -> None:
        """A lien follows its GPU until released, a mandate has an agent, an order has its units under way.

        A lot has one column for its lien, so no GPU can back two loans.
        """
        lots, loans, orders = self.lots, self.loans, self.orders
        there = lots.quantity > 0
        pledged = there & (lots.lien >= 0)
        strangers = pledged & (lots.lien >= loans.n)
        self.law("lien on an unknown loan", int(strangers.sum()), "lots")
        lien = lots.lien[pledged]
        self.law("lien on another's title", int((loans.debtor[lien] != lots.owner[pledged]).sum()), "lots")
        ended = loans.status >= LoanStatus.REPAID
        self.law("lien of an ended loan", int(ended[lien].sum()), "lots")
        self.law("balance of an ended loan", int(loans.balance_cents[ended].sum()), "cents")
        self.law("coins of an ended loan", int(loans.pledged_satoshi[ended].sum()), "satoshi")
        mandated = (lots.status == LotStatus.FORCED) != (lots.liquidator >= 0)
        self.law("mandate without an agent", int((mandated & there).sum()), "lots")
        coming = (lots.status == LotStatus.IN_TRANSIT) & (lots.lien < 0) & (lots.vintage == lots.arrival)
        under_way = int(lots.quantity[coming & np.isin(lots.owner, orders.buyer)].sum())
        self.law("orders beyond what is under way", max(int(orders.gpus.sum()) - under_way, 0), "GPUs")
        self.law("order below zero", int(np.minimum(orders.unpaid_cents, 0).sum()), "cents")

    @staticmethod
    def law(name: str, gap: int, unit: str) -> None:
        """Refuse a gap in a conservation law."""
        if gap != 0:
            raise BooksDoNotClose(f"{name} is out by {gap} {unit}")

    def close_week(self) -> None:
        """Merge equal lots and clear this week's flows."""
        self.lots.close()
        self.flows[:] = 0
