"""Standing of borrowers and lenders: what they owe, what they earn against it, and the state that follows.

The record so far is waivers, amendments and cures (economics.md section 10), so a breach opens a cure period and a
default opens a workout; only a workout that chooses to sell brings hardware to market. Covenants are tested quarterly on
trailing cash flow; payments fall due monthly. Terms: contracts.md sections 4.9 and 4.10.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from agents.schema import Section, choice, quantity, setting
from agents.vocabulary import N_PRODUCTS, Bools, Floats, Ints
from sim.covenants import coverage_ratio
from sim.ledger import Account

QUARTER_WEEKS = 13
INCOME = (
    Account.COMPUTE_REVENUE,
    Account.MINING_REVENUE,
    Account.POWER,
    Account.HOSTING,
    Account.OPERATING,
    Account.STORAGE,
)


class CreditParameters(Section):
    """Covenants, cures, funding, workouts, and the switches that add one mechanism at a time."""

    defaults: bool = setting(True, "mechanism: a missed payment leads to default; off, arrears are carried")
    tenants: bool = setting(True, "mechanism: operators earn contract rents and tenants may fail")
    covenants: bool = setting(True, "mechanism: coverage and collateral are tested each quarter")
    financing: bool = setting(
        True, "mechanism: purchases are financed, maturities need an offer; off, they are rolled at par"
    )
    funding: bool = setting(True, "mechanism: lenders owe their own funders and can be forced to sell")
    workouts: bool = setting(
        True, "mechanism: lenders compare amending, operating and selling; off, they sell"
    )
    balloon_share: float = quantity(
        0.0,
        "share of principal",
        0,
        0.6,
        "due at the end of a loan",
        "GPU facilities amortise fully over five years from each draw",
        "B",
    )
    dscr_trap: float = quantity(
        1.45,
        "ratio",
        1.2,
        1.5,
        "coverage below which cash is kept in and no growth is paid",
        "ABS, 2026",
        "B",
    )
    dscr_turbo: float = quantity(
        1.25,
        "ratio",
        1.0,
        1.45,
        "coverage below which excess cash prepays asset-backed notes",
        "ABS, 2026",
        "B",
    )
    dscr_covenant: float = quantity(
        1.05, "ratio", 0.95, 1.4, "coverage below which the covenant is breached", "filing, 2026", "B"
    )
    loan_to_value_covenant: float = quantity(
        0.65, "share of appraisal", 0.5, 1.0, "most a mark-to-market lender accepts", "2023 facility", "C"
    )
    mark_to_market_share: float = quantity(
        0.0, "share of lenders", 0, 0.5, "lenders that test against the appraisal", "economics.md 16 g"
    )
    mark_to_market_basis: str = choice(
        "appraisal", ("appraisal", "market"), "what mark-to-market lenders test against"
    )
    loan_to_cost_covenant: float = quantity(
        1.0, "share of net book", 0.6, 1.2, "most a cost-based lender accepts over straight-line book value"
    )
    interest_covenant: float = quantity(
        1.0, "ratio", 0, 3, "operating income over interest below which the covenant is breached"
    )
    book_life_years: float = quantity(
        6, "years", 2.5, 8, "straight line of the cost-based borrowing base", "DDTL 5.0 as audited", "C"
    )
    appraisal_lag_weeks: int = quantity(13, "weeks", 0, 52, "age of the prices an appraisal uses")
    appraisal_weight: float = quantity(0.6, "share", 0.1, 1, "weight of the new price in an appraisal")
    cure_weeks: int = quantity(4, "weeks", 2, 13, "from a breach to an event of default")
    grace_weeks: int = quantity(1, "weeks", 0, 4, "from a missed payment to an event of default")
    equity_cure_probability: float = quantity(
        0.3, "probability", 0, 0.7, "owners pay in, if assets exceed debt"
    )
    waiver_probability: float = quantity(0.5, "probability", 0, 0.9, "first breach, recovery expected")
    enforcement_weeks: int = quantity(
        8, "weeks", 3, 26, "from default to possession", "secured-sale notice", "C"
    )
    chapter_11_probability: float = quantity(0.6, "probability", 0, 0.9, "a stay comes first")
    stay_weeks: int = quantity(19, "weeks", 0, 52, "length of a stay", "contracts.md 4.10: 12-26", "C")
    tenant_leaves_probability: float = quantity(
        0.5, "probability", 0, 1, "a tenant ends its contract when its operator is enforced against"
    )
    amendments: int = quantity(2, "amendments", 0, 10, "most the lenders grant one borrower")
    extension_months: int = quantity(24, "months", 0, 60, "tenor added by an amendment")
    redefault_probability: float = quantity(
        0.35, "probability", 0, 0.9, "an amended loan fails again", "modified corporate loans", "C"
    )
    price_impact: float = quantity(
        0.36,
        "log price per log quantity",
        0,
        1,
        "a lender's view of its own impact",
        "economics.md 15, V24",
        "C",
    )
    commitment_share: float = quantity(
        0.3, "share of drawn debt", 0, 2, "undrawn commitment of a delayed-draw borrower in week 0"
    )
    commitment_weeks: int = quantity(78, "weeks", 0, 156, "longest draw window still open in week 0")
    orderly_weeks: int = quantity(
        26, "weeks", 13, 52, "time an orderly sale takes", "180-day convention", "C"
    )
    advance_used: float = quantity(0.5, "share of cost", 0, 0.8, "loan over cost of used units, with freight")
    order_deposit: float = quantity(
        0.2, "share of price", 0, 0.5, "lost when an order of new units is cancelled"
    )
    stop_week: int = quantity(-1, "week", -1, 2000, "start of a stop in lending; -1 never")
    stop_weeks: int = quantity(
        26, "weeks", 1, 156, "length of the stop", "economics.md 7: arms 13, 26, 52", "design"
    )
    stop_advance_cut: float = quantity(
        0.15, "share of cost", 0, 0.4, "cut of the advance rate from the stop on"
    )
    stop_spread_rise: float = quantity(0.03, "per year", 0, 0.1, "rise of spreads from the stop on")


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
    line: Ints  # cents a buyer may still borrow this week
    commitment: Ints  # undrawn delayed-draw commitment, cents
    window_end: Ints  # first week in which it can no longer be drawn
    opening_worth: Ints  # net asset value in week 0, cents
    run_off: Bools  # lenders whose own funding has been called
    income: Ints
    due: Ints
    interest: Ints
    appraisal: Floats
    marks: list[Floats] = field(default_factory=list)
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
            line=z.copy(),
            commitment=z.copy(),
            window_end=z.copy(),
            opening_worth=z.copy(),
            run_off=np.zeros(parties, dtype=np.bool_),
            income=ring,
            due=ring.copy(),
            interest=ring.copy(),
            appraisal=np.zeros(N_PRODUCTS),
        )

    def remember(self, week: int, flows: Ints) -> None:
        """Keep this week's operating cash flow, shape (parties, accounts); what falls due is added by `owe`."""
        self.income[week % QUARTER_WEEKS] = flows[:, list(INCOME)].sum(axis=1)

    def owe(self, week: int, due: Ints, interest: Ints) -> None:
        """Keep the debt service that fell due this week, and the interest in it, cents per party."""
        self.due[week % QUARTER_WEEKS] = due
        self.interest[week % QUARTER_WEEKS] = interest

    def coverage(self) -> Floats:
        """DSCR over the last quarter: operating cash flow over debt service due; infinite without debt service.

        Source: contracts.md 4.9, ``DSCR = CFADS / (interest + scheduled principal)``, on one quarter.
        """
        return coverage_ratio(self.income.sum(axis=0), self.due.sum(axis=0))

    def interest_coverage(self) -> Floats:
        """ICR over the last quarter: operating income over interest due (contracts.md 4.9)."""
        return coverage_ratio(self.income.sum(axis=0), self.interest.sum(axis=0))

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


def lending_open(parameters: CreditParameters, week: int) -> bool:
    """Whether lenders extend new credit this week."""
    start = parameters.stop_week
    return start < 0 or not start <= week < start + parameters.stop_weeks


def terms(parameters: CreditParameters, advance_rate: float, spread: float, week: int) -> tuple[float, float]:
    """Advance rate and spread on offer: from a stop on, less is lent and at a higher spread."""
    if parameters.stop_week < 0 or week < parameters.stop_week:
        return advance_rate, spread
    return max(advance_rate - parameters.stop_advance_cut, 0.0), spread + parameters.stop_spread_rise
