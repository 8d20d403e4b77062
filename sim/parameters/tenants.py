"""Who rents compute, for how long, and how likely they are to stop."""

from typing import ClassVar

from agents.schema import Needs, Section, quantity


class TenantParameters(Section):
    """Who rents, for how long, and how likely they are to stop."""

    # Tenants stand behind the deals of week 0 even if they pay nothing afterwards.
    needs: ClassVar[Needs] = {
        "credit.tenants = true": (
            "failure_week out_of_money renegotiation_hazard extension_weeks termination_fee"
        ),
        "tenants.renegotiation_hazard > 0": "out_of_money extension_weeks",
    }

    failure_week: int = quantity(-1, "week", -1, 2000, "in which the largest tenant fails; -1 never")
    tenants: int = quantity(12, "tenants", 1, 500, "tenants of all operators together")
    investment_share: float = quantity(0.5, "share of tenants", 0, 1, "rated investment grade")
    speculative_share: float = quantity(
        0.4, "share", 0, 1, "speculative or unrated, of those below investment grade, by deals and by tenants"
    )
    hazard_investment: float = quantity(0.0002, "per month", 0, 0.01, "default of an investment-grade tenant")
    hazard_mixed: float = quantity(0.001, "per month", 0, 0.02, "default of a mixed tenant")
    hazard_speculative: float = quantity(0.004, "per month", 0, 0.05, "default of a speculative tenant")
    common_volatility: float = quantity(1.0, "log", 0, 2, "volatility of the factor common to all hazards")
    out_of_money: float = quantity(
        0.4, "share over spot", 0.2, 0.8, "contract rate over spot at which a tenant asks for relief"
    )
    renegotiation_hazard: float = quantity(
        0.02, "per month", 0, 0.2, "a speculative tenant whose contract is out of the money asks for relief"
    )
    extension_weeks: int = quantity(52, "weeks", 0, 156, "term given in return for a lower rate")
    termination_fee: float = quantity(
        1.0, "share of what is left to pay", 0.2, 1, "for which a tenant may end a contract; 1 is take-or-pay"
    )
