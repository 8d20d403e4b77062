"""Lenders: what they lend against, at what price, and who funds them. The engine applies it (sim/lending/financing.py)."""

from enum import IntEnum
from typing import ClassVar

from agents.party import Party
from agents.schema import Needs, Section, quantity, setting
from agents.vocabulary import AgentKind


class LenderKind(IntEnum):
    """By what a lender measures its collateral, and how it takes a breach (contracts.md 5.3)."""

    BANK = 0  # book cost; holds, and may waive a first breach
    PRIVATE_CREDIT = 1  # book cost; acts on the first breach
    MARK_TO_MARKET = 2  # appraisal or market price


class LenderParameters(Section):
    """What describes a lender."""

    needs: ClassVar[Needs] = {
        "credit.covenants = true": "private_credit_share",
        "credit.financing = true": (
            "minimum_advance minimum_capital single_borrower_limit single_tenant_limit "
            "spread_investment spread_speculative"
        ),
        "credit.tenants = true": "single_tenant_limit spread_investment spread_speculative",
        "credit.financing = true or credit.mark_to_market_share > 0": "haircut_sensitivity",
        "lenders.haircut_sensitivity > 0": "calm_volatility",
        "credit.commitment_share > 0": "undrawn_fee",
        "lenders.funding_advance > 0": "funding_spread",
    }

    advance_rate: float = quantity(
        0.7142, "share of cost", 0.5, 0.85, "loan over purchase cost at the draw", "DDTL 5.0 as audited", "C"
    )
    tenor_years: float = quantity(5, "years", 2, 10, "level-pay tenor from each draw", "DDTL 3.0 to 5.0", "B")
    spread_mixed: float = quantity(
        0.05,
        "per year",
        0.0225,
        0.13,
        "spread over SOFR, mixed tenants",
        "DDTL 3.0 +400, 5.0 +450, 5.5 +550",
        "B",
    )
    spread_investment: float = quantity(
        0.0225, "per year", 0.0225, 0.03, "spread over SOFR, investment-grade tenants", "DDTL 4.0 +225", "B"
    )
    spread_speculative: float = quantity(
        0.095,
        "per year",
        0.06,
        0.13,
        "spread over SOFR, unrated tenants or none",
        "DDTL 2.0 +600 to +1,300",
        "B",
    )
    private_credit_share: float = quantity(
        0.5,
        "share of lenders",
        0,
        1,
        "cost-based lenders that act on a first breach; the others may waive it",
    )
    undrawn_fee: float = quantity(0.005, "per year", 0, 0.01, "fee on undrawn commitments", "DDTL 5.0", "B")
    minimum_advance: float = quantity(
        0.4,
        "share of cost",
        0.2,
        0.6,
        "least advance on new units a lender offers; below it there is no offer",
    )
    haircut_sensitivity: float = quantity(
        2.33, "standard deviations", 0, 3, "cut of the advance per deviation of price beyond calm"
    )
    calm_volatility: float = quantity(
        0.5,
        "per sqrt year",
        0.1,
        2,
        "price volatility at which the advance is not cut",
        "rent volatility 0.3 times elasticity of value 1.6",
        "assumption",
    )
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
    funding_advance: float = quantity(
        0.75, "share of the book", 0, 0.95, "a lender's own warehouse line over its performing loans"
    )
    funding_spread: float = quantity(0.0175, "per year", 0.005, 0.05, "spread of that line over SOFR")
    minimum_capital: float = quantity(
        0.08, "share of assets", 0, 0.3, "equity below which a lender stops lending", "contracts.md 5.3", "C"
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
