"""What lenders as a group remember: commitments against the pool of loanable funds, and how tiers of tenants have paid.

Months are those of the run; rings hold the last three (commitments) and the last thirty-six (experience).
"""

from dataclasses import dataclass

import numpy as np

from agents.lender import TIERS
from agents.vocabulary import Floats, Ints
from sim.origination.pricing import learned

POOL_MONTHS = 3
EXPERIENCE_MONTHS = 36


@dataclass(slots=True)
class Pool:
    """Loanable funds and what was asked of them, cents.

    Attributes
    ----------
    left
        What may still be committed; a twelfth of a year's funds is added each month, up to three of them.
    asked : (3,)
        Loans asked for by month, before room and funds.
    funds : (3,)
        Funds by month.
    """

    left: int
    asked: Ints
    funds: Ints

    @classmethod
    def opening(cls) -> "Pool":
        """Nothing asked for."""
        return cls(0, np.zeros(POOL_MONTHS, dtype=np.int64), np.zeros(POOL_MONTHS, dtype=np.int64))

    def begin(self, month: int, funds: int) -> None:
        """Open a month with its funds; what was left of more than two earlier ones is lost."""
        slot = month % POOL_MONTHS
        self.asked[slot], self.funds[slot] = 0, funds
        self.left = min(self.left + funds, int(self.funds.sum()))

    def ask(self, month: int, cents: int) -> None:
        """Count a loan that was asked for."""
        self.asked[month % POOL_MONTHS] += cents

    def commit(self, cents: int) -> None:
        """Take a commitment out of what is left."""
        self.left -= cents

    def use(self, neutral: float) -> float:
        """Loans asked for over funds, three months; `neutral` before there were any funds."""
        funds = int(self.funds.sum())
        return float(self.asked.sum() / funds) if funds else neutral


@dataclass(slots=True)
class Experience:
    """What was seen of each tier, shape (36, tiers): loan-months, defaults, and USD of exposure at default and of loss."""

    loan_months: Floats
    defaults: Floats
    exposure_usd: Floats
    loss_usd: Floats

    @classmethod
    def opening(cls) -> "Experience":
        """Nothing seen."""
        return cls(*(np.zeros((EXPERIENCE_MONTHS, len(TIERS))) for _ in range(4)))

    def count(self, month: int, tier: Ints) -> None:
        """Count the loans alive in a month."""
        self.loan_months[month % EXPERIENCE_MONTHS] += np.bincount(tier, minlength=len(TIERS))

    def default(self, month: int, tier: Ints, cents: Ints) -> None:
        """Count a borrower's default once in each tier of its loans, and what it owed there."""
        owed = np.bincount(tier, weights=cents, minlength=len(TIERS)) / 100.0
        self.defaults[month % EXPERIENCE_MONTHS] += owed > 0
        self.exposure_usd[month % EXPERIENCE_MONTHS] += owed

    def lose(self, month: int, tier: int, cents: int) -> None:
        """Count what is written off a loan."""
        self.loss_usd[month % EXPERIENCE_MONTHS, tier] += cents / 100.0

    def recent_losses_usd(self, month: int) -> float:
        """Losses of the last twelve months."""
        return float(self.loss_usd[[(month - back) % EXPERIENCE_MONTHS for back in range(12)]].sum())

    def begin(self, month: int) -> None:
        """Forget what is three years old."""
        for table in (self.loan_months, self.defaults, self.exposure_usd, self.loss_usd):
            table[month % EXPERIENCE_MONTHS] = 0.0

    def default_rate(self, prior: Floats, weight: float) -> Floats:
        """Defaults a year by tier, (tiers,)."""
        return learned(prior, weight, self.defaults.sum(axis=0), self.loan_months.sum(axis=0) / 12.0)

    def loss_given_default(self, prior: float, weight: float) -> float:
        """Loss over exposure of all tiers; the prior weighs as many defaults as it would have seen.

        Exposures are counted in mean exposures, so that one large default is not a hundred.
        """
        count = float(self.defaults.sum())
        exposure = float(self.exposure_usd.sum())
        seen = count * float(self.loss_usd.sum()) / exposure if exposure > 0 else 0.0
        return float(learned(prior, weight, seen, count))
