"""Lenders: what they lend against, at what price, and who funds them. The engine applies it (sim/lending/financing.py)."""

from enum import IntEnum
from typing import ClassVar

import numpy as np

from agents.party import Party
from agents.schema import Needs, Section, quantity, setting
from agents.vocabulary import AgentKind, Floats

TIERS = ("investment", "mixed", "speculative")
INVESTMENT, MIXED, SPECULATIVE = range(len(TIERS))
COST, YEAR = "share of cost", "per year"


class Belief(IntEnum):
    """What a lender takes collateral for (docs/boom.md 6)."""

    EXPERIENCE = 0
    INFRASTRUCTURE = 1
    MARKET = 2


class LenderKind(IntEnum):
    """By what a lender measures its collateral, and how it takes a breach (contracts.md 5.3)."""

    BANK = 0  # book cost; holds, and may waive a first breach
    PRIVATE_CREDIT = 1  # book cost; acts on the first breach
    MARK_TO_MARKET = 2  # appraisal or market price


class ByTier(Section):
    """A number per tier of tenant: the columns of every table of terms."""

    def array(self) -> Floats:
        """Values in the order of the tiers: investment grade, mixed, speculative, shape (3,)."""
        return np.array([getattr(self, name) for name in TIERS], dtype=np.float64)


class Advance(ByTier):
    """Loan over cost of new units at signing, at neutral use of the pool."""

    investment: float = quantity(0.63, COST, 0.5, 0.85, "loan over cost, investment grade", "two deals", "B")
    mixed: float = quantity(
        0.71, COST, 0.5, 0.85, "loan over cost, mixed tenants", "DDTL 5.0 as audited", "C"
    )
    speculative: float = quantity(0.60, COST, 0.5, 0.85, "loan over cost, speculative tenants or none")


class SizingCoverage(ByTier):
    """Debt service coverage loans are sized on, at neutral use of the pool."""

    investment: float = quantity(
        1.30, "ratio", 1.05, 2.5, "coverage at sizing, investment grade", "covenants are floors"
    )
    mixed: float = quantity(
        1.45, "ratio", 1.05, 2.5, "coverage at sizing, mixed tenants", "covenants are floors"
    )
    speculative: float = quantity(
        1.60, "ratio", 1.05, 2.5, "coverage at sizing, speculative", "covenants are floors"
    )


class PriorDefaultRate(ByTier):
    """What lenders believe before they have seen anything."""

    investment: float = quantity(
        0.0024, YEAR, 0.0008, 0.0072, "prior default rate, investment grade", "tenant hazards"
    )
    mixed: float = quantity(0.012, YEAR, 0.004, 0.036, "prior default rate, mixed tenants", "tenant hazards")
    speculative: float = quantity(
        0.048, YEAR, 0.016, 0.144, "prior default rate, speculative", "tenant hazards"
    )


class Capital(ByTier):
    """Equity held against a loan, before a cushion."""

    investment: float = quantity(0.08, "share of loan", 0.06, 0.16, "capital, investment grade")
    mixed: float = quantity(0.105, "share of loan", 0.06, 0.16, "capital, mixed tenants")
    speculative: float = quantity(0.137, "share of loan", 0.06, 0.16, "capital, speculative")


class LenderParameters(Section):
    """What describes a lender."""

    needs: ClassVar[Needs] = {
        "credit.covenants = true": "private_credit_share",
        # The month of contracts opens the pool; loans on deals and on other units draw on it.
        "credit.tenants = true": (
            "single_*_limit pool_* coverage_response merchant_years infrastructure_share market_share"
        ),
        "credit.building = true or credit.financing = true": (
            "single_*_limit pool_usd_a_year pool_growth infrastructure_share market_share"
        ),
        "credit.building = true": "undrawn_fee",
        "credit.financing = true": "merchant_years",
        "credit.experience = true": "prior_weight",
    }

    advance: Advance = Advance()
    sizing_coverage: SizingCoverage = SizingCoverage()
    prior_default_rate: PriorDefaultRate = PriorDefaultRate()
    capital: Capital = Capital()
    coverage_response: float = quantity(
        0.5, "ratio per use of the pool", 0, 1.5, "by which sizing coverage rises with use of the pool"
    )
    tail_years: float = quantity(
        1.0, "years", 0, 2, "loan beyond the contract", "DDTL 5.5: five on three", "B"
    )
    tail_haircut: float = quantity(
        0.30, "share", 0.15, 0.60, "of spot income beyond the contract that does not count"
    )
    merchant_years: float = quantity(3, "years", 1, 5, "longest loan without a contract")
    longest_years: float = quantity(5, "years", 3, 7, "longest loan", "DDTL 3.0 to 5.0", "B")
    prior_weight: float = quantity(200, "loan-years", 50, 1000, "weight of the priors against experience")
    prior_loss: float = quantity(
        0.29, "share", 0.18, 0.39, "prior loss given default", "leases of computers", "B"
    )
    return_on_equity: float = quantity(0.13, YEAR, 0.10, 0.18, "lenders ask on capital")
    own_funding_spread: float = quantity(0.010, YEAR, 0.005, 0.020, "lenders pay over the base rate")
    pool_usd_a_year: float = quantity(
        40e9, "USD a year", 20e9, 160e9, "new commitments, January 2026", "facilities", "C"
    )
    pool_growth: float = quantity(0.3, "log per year", 0, 1, "its growth")
    pool_loss_response: float = quantity(5, "1", 0, 10, "share of the pool gone per share of the book lost")
    infrastructure_share: float = quantity(
        0, "share of lenders", 0, 1, "believe in a six-year straight line of cost, whatever prices do"
    )
    market_share: float = quantity(
        0, "share of lenders", 0, 1, "believe today's price and last year's decay; others in experience"
    )
    private_credit_share: float = quantity(
        0.5,
        "share of lenders",
        0,
        1,
        "cost-based lenders that act on a first breach; the others may waive it",
    )
    undrawn_fee: float = quantity(0.005, "per year", 0, 0.01, "fee on undrawn commitments", "DDTL 5.0", "B")
    single_tenant_limit: float = quantity(
        0.75, "share of the book", 0.1, 1, "most of a lender's book that stands on one tenant"
    )
    enforcement_cost: float = quantity(0.04, "share of gross proceeds", 0, 0.1, "counsel, receiver, agent")
    operating_fee: float = quantity(
        0.15,
        "share of revenue",
        0.08,
        0.20,
        "fee of a hired operator, for the credit bid",
        "economics.md 4",
        "C",
    )
    single_borrower_limit: float = quantity(
        0.4, "share of the book", 0.05, 1, "most of a lender's book lent to one borrower"
    )
    run_off: bool = setting(
        False, "all lenders' own funding is called: credit bids are zero and they must sell"
    )


class Lender(Party):
    """Holds loans; terms, rationing and workouts are rules of the loan book, not of the hardware market."""

    kind = AgentKind.LENDER
    section = "lenders"
