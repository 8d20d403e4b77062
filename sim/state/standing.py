"""Standing of borrowers and lenders: what they owe, what they earn against it, and the state that follows.

The record so far is waivers, amendments and cures (economics.md section 10), so a breach opens a cure period and a
default opens a workout; only a workout that chooses to sell brings hardware to market. Covenants are tested quarterly on
trailing cash flow; payments fall due monthly. Terms: contracts.md sections 4.9 and 4.10.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from agents.vocabulary import N_PRODUCTS, Bools, Floats, Ints
from sim.debt.covenants import coverage_ratio
from sim.parameters.credit import CreditParameters
from sim.state.ledger import Account

QUARTER_WEEKS = 13
QUARTERS_PER_YEAR = 4
INCOME = (
    Account.COMPUTE_REVENUE,
    Account.MINING_REVENUE,
    Account.POWER,
    Account.HOSTING,
    Account.OPERATING,
    Account.STORAGE,
)


class Standing(IntEnum):
    """Where a borrower stands with its lenders (contracts.md 4.10)."""

    PERFORMING = 0
    TRAPPED = 1
    GRACE = 2
    CURE = 3
    ENFORCEMENT = 4
    LIQUIDATION = 5
    CLOSED = 6


class Plan(IntEnum):
    """What the lenders of a failed borrower do with the collateral."""

    NONE = 0
    OPERATE = 1
    SELL_IN_PLACE = 2
    SELL_ORDERLY = 3
    SELL_FORCED = 4


@dataclass(slots=True)
class Credit:
    """Credit state of all parties, one entry each.

    ``income``, ``due`` and ``interest`` hold the last quarter by week, shape (13, parties), cents. ``appraisal`` and ``marks``
    are USD per GPU by product class; ``marks`` holds one row per past week.
    """

    standing: Ints
    until: Ints  # week in which the present standing runs out, -1 none
    breaches: Ints
    amendments: Ints
    plan: Ints
    cause: list[str]  # of the default, "" none
    line_cents: Ints  # cents a buyer may still borrow this week
    opening_net_asset_value_cents: Ints  # net asset value in week 0, cents
    run_off: Bools  # lenders whose own funding has been called
    income_cents: Ints
    due_cents: Ints
    tested_cents: Ints  # of what fell due, that of loans whose test of coverage has begun
    interest_cents: Ints
    appraisal_usd: Floats
    marks_usd: list[Floats] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # this week's events by kind

    @classmethod
    def opening(cls, parties: int) -> "Credit":
        """Everybody performs."""
        z = np.zeros(parties, dtype=np.int64)
        ring = np.zeros((QUARTER_WEEKS, parties), dtype=np.int64)
        return cls(
            standing=z.copy(),
            until=z - 1,
            breaches=z.copy(),
            amendments=z.copy(),
            plan=z.copy(),
            cause=[""] * parties,
            line_cents=z.copy(),
            opening_net_asset_value_cents=z.copy(),
            run_off=np.zeros(parties, dtype=np.bool_),
            income_cents=ring,
            due_cents=ring.copy(),
            tested_cents=ring.copy(),
            interest_cents=ring.copy(),
            appraisal_usd=np.zeros(N_PRODUCTS),
        )

    def remember(self, week: int, flows: Ints) -> None:
        """Keep this week's operating cash flow, shape (parties, accounts); what falls due is added by `owe`."""
        self.income_cents[week % QUARTER_WEEKS] = flows[:, list(INCOME)].sum(axis=1)

    def owe(self, week: int, due: Ints, interest: Ints, tested: Ints) -> None:
        """Keep the debt service that fell due this week, the interest in it and the part that is tested, cents per party."""
        self.due_cents[week % QUARTER_WEEKS] = due
        self.tested_cents[week % QUARTER_WEEKS] = tested
        self.interest_cents[week % QUARTER_WEEKS] = interest

    def coverage(self) -> Floats:
        """DSCR over the last quarter: operating cash flow over debt service due; infinite without debt service.

        Source: contracts.md 4.9, ``DSCR = CFADS / (interest + scheduled principal)``, on one quarter.
        """
        return coverage_ratio(self.income_cents.sum(axis=0), self.due_cents.sum(axis=0))

    def tested_coverage(self) -> Floats:
        """DSCR as covenants test it: loans in their first months are left out of what falls due."""
        return coverage_ratio(self.income_cents.sum(axis=0), self.tested_cents.sum(axis=0))

    def interest_coverage(self) -> Floats:
        """ICR over the last quarter: operating income over interest due (contracts.md 4.9)."""
        return coverage_ratio(self.income_cents.sum(axis=0), self.interest_cents.sum(axis=0))

    def move(self, party: int, standing: Standing, until: int = -1) -> None:
        """Change a borrower's standing."""
        self.standing[party] = standing
        self.until[party] = until

    def may_spend(self) -> Bools:
        """Borrowers free to buy hardware and pay owners."""
        return np.asarray(self.standing == Standing.PERFORMING)

    def distressed(self) -> Bools:
        """Borrowers that have missed a payment or a test and are not yet enforced against."""
        return np.asarray((self.standing == Standing.GRACE) | (self.standing == Standing.CURE))

    def failed(self) -> Bools:
        """Borrowers in enforcement or beyond."""
        return np.asarray(self.standing >= Standing.ENFORCEMENT)


def financing_tags(coverage: Floats, interest_coverage: Floats) -> list[str]:
    """Minsky's tags: income covers service (hedge), interest only (speculative), or neither (ponzi); "" without debt.

    >>> financing_tags(np.array([1.2, 0.9, 0.4, np.inf]), np.array([3.0, 1.5, 0.8, np.inf]))
    ['hedge', 'speculative', 'ponzi', '']
    """
    tags = np.where(coverage >= 1.0, "hedge", np.where(interest_coverage >= 1.0, "speculative", "ponzi"))
    return [str(tag) for tag in np.where(np.isinf(interest_coverage), "", tags)]


STOPS = ("commitments", "undrawn", "all")  # what a stop in lending ends: S1, S2, S3


def stopped(parameters: CreditParameters, week: int) -> bool:
    """Whether a stop in lending is on."""
    start = parameters.stop_week
    return start >= 0 and start <= week < start + parameters.stop_weeks


def lending_open(parameters: CreditParameters, week: int) -> bool:
    """Whether lenders make new commitments this week."""
    return not stopped(parameters, week)


def undrawn_open(parameters: CreditParameters, week: int) -> bool:
    """Whether what is signed may be drawn (S2, S3: not during a stop)."""
    return not stopped(parameters, week) or parameters.stop_ends == "commitments"


def equity_open(parameters: CreditParameters, week: int) -> bool:
    """Whether notes, convertibles and shares can be sold (S3: not during a stop)."""
    return not stopped(parameters, week) or parameters.stop_ends != "all"
