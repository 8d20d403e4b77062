"""Lenders: in this version they hold level-pay loans, receive what is due, and stand behind mandates."""

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
    run_off: bool = setting(
        False, "the lender's own funding is called: its credit bid is zero and it must sell"
    )


class Lender(Party):
    """Holds loans. Pricing, rationing and the workout ladder belong to the credit version."""

    kind = AgentKind.LENDER
