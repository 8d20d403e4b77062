"""Lenders: what they lend against, at what price, and who funds them. The engine applies it (sim/financing.py)."""

from agents.party import Party
from agents.schema import Section, quantity, setting
from agents.vocabulary import AgentKind


class LenderParameters(Section):
    """What describes a lender."""

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
