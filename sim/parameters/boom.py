"""How compute is contracted, halls are built and orders are paid (docs/boom.md)."""

from typing import ClassVar

from agents.schema import Needs, Section, quantity


class ContractParameters(Section):
    """What demand offers and what operators ask for it."""

    # The others are laws of the deals that stand in week 0 too, or of the world's plan.
    needs: ClassVar[Needs] = {
        "credit.building = true": (
            "demand_response latest_delivery_weeks least_hall_watts lateness_belief cancel_weeks"
        ),
        "contracts.investment_share > 0": "large_deal_usd largest_tenant_share",
    }

    growth: float = quantity(
        1.0, "log per year", 0.83, 1.22, "growth of the world's stock, January 2026", "Epoch AI", "B"
    )
    fading_years: float = quantity(
        1.8, "years", 1, 3, "in which that growth falls to 1/e", "34.3 GW of planned sites", "C"
    )
    represented_share: float = quantity(
        0.18, "share of growth", 0.14, 0.22, "the modelled segment's part of it", "sites' megawatts", "C"
    )
    watts_per_h100e: float = quantity(
        750, "IT watts", 530, 1280, "of an H100 equivalent of the newest hardware", "gpu_generations.csv", "C"
    )
    demand_response: float = quantity(
        1.5, "log per log", 0, 3, "contracts offered to a deviation of demand: they dry up before rents fall"
    )
    certainty_premium: float = quantity(
        0.15, "share of the posted rate", 0, 0.3, "most a tenant pays above it for being served"
    )
    investment_share: float = quantity(0.5, "share of volume", 0, 1, "of investment-grade tenants")
    largest_tenant_share: float = quantity(
        0.67, "share of such deals", 0, 0.9, "of the largest tenant", "filing, FY2025", "B"
    )
    large_deal_usd: float = quantity(
        2.6e9, "USD of loan", 0.5e9, 3.5e9, "mean deal of an investment-grade tenant", "19 facilities", "C"
    )
    small_deal_usd: float = quantity(
        0.8e9, "USD of loan", 0.05e9, 2e9, "mean deal of another", "19 facilities", "C"
    )
    deal_log_deviation: float = quantity(1.3, "log", 0, 2, "of the size of deals", "19 facilities", "C")
    term_years: float = quantity(4, "years", 2, 6, "most likely term", "prospectus: four years", "B")
    speculative_term_share: float = quantity(0.5, "share", 0.25, 1, "a speculative tenant's term over that")
    prepaid_investment: float = quantity(
        0.20, "share of contract value", 0, 0.25, "paid at signing, investment grade", "one deal", "A"
    )
    prepaid_other: float = quantity(0.10, "share of contract value", 0, 0.25, "paid at signing, others")
    latest_delivery_weeks: int = quantity(52, "weeks", 13, 104, "within which a hall must be promised")
    least_hall_watts: float = quantity(
        1e6, "IT watts", 0, 50e6, "room of the smallest hall that is let for a deal"
    )
    hurdle: float = quantity(
        0.15, "per year", 0.10, 0.30, "return operators ask on equity of a deal", "none found"
    )
    merchant_hurdle: float = quantity(0.22, "per year", 0.18, 0.30, "return they ask without a contract")
    lateness_belief: float = quantity(
        1.0, "share of the mean", 0, 2, "delay operators count on for a hall that is not ready"
    )
    renewal_probability: float = quantity(
        0.75, "probability", 0.4, 0.95, "a tenant that pays the market's rate stays when its contract ends"
    )
    cancel_weeks: int = quantity(
        39, "weeks", 13, 104, "after the contract date a tenant that is not served may cancel"
    )


class ConstructionParameters(Section):
    """Halls that are promised, late, and started."""

    needs: ClassVar[Needs] = {
        "construction.late_share > 0": "late_log_deviation",
        "construction.slip_weeks > 0": "slip_week",
        "credit.building = true": (
            "shell_usd_per_watt started_share build_weeks own_hall_watts project_debt_share"
        ),
        "construction.started_share > 0 or construction.own_hall_watts > 0": (
            "shell_usd_per_watt build_weeks project_debt_share"
        ),
        "equity.cash_used > 0": "own_hall_watts",
    }

    pipeline_months: int = quantity(36, "months", 24, 60, "in which planned sites are promised")
    operational_growth: float = quantity(
        1.0,
        "log per year",
        0.5,
        1.1,
        "growth of operators' megawatts before October 2026: 470 in June 2025, 1,000 in March 2026",
        "earnings reports",
        "B",
    )
    phase_watts: float = quantity(100e6, "IT watts", 10e6, 500e6, "largest phase of a site")
    late_share: float = quantity(0.5, "share of phases", 0, 1, "not energised when promised")
    late_median_weeks: float = quantity(13, "weeks", 4, 39, "median delay of a late phase")
    late_log_deviation: float = quantity(0.7, "log", 0, 1.5, "of such delays")
    slip_weeks: int = quantity(0, "weeks", 0, 104, "by which every promised date slips from `slip_week` on")
    slip_week: int = quantity(0, "week", 0, 2000, "week in which they slip")
    shell_usd_per_watt: float = quantity(
        11, "USD per IT watt", 8, 15, "cost of a powered shell", "trade press", "B"
    )
    started_share: float = quantity(0.01, "share of a zone's watts", 0, 0.1, "size of a hall that is started")
    build_weeks: int = quantity(
        78, "weeks", 52, 104, "from its start to its promised date", "18-24 months", "C"
    )
    own_hall_watts: float = quantity(
        300e6, "IT watts", 0, 2e9, "largest hall an operator builds for itself out of idle cash at a time"
    )
    project_debt_share: float = quantity(
        0.7, "share of cost", 0, 0.85, "project loan on a hall of a party", "project notes", "C"
    )


class EquityParameters(Section):
    """What operators pay for orders with beside the loan."""

    needs: ClassVar[Needs] = {
        "credit.tenants = true": "cash_used",
        "credit.building = true": "shares_a_month share_discount",
        "equity.shares_a_month > 0": "share_discount",
        "credit.building = true or credit.financing = true": "fixed_charge_cover",
    }

    notes_share: float = quantity(
        0.25, "share of cost", 0.10, 0.35, "most notes for an order", "filings", "B"
    )
    notes_coupon: float = quantity(
        0.09, "per year", 0.06, 0.12, "of such notes", "9.0-9.75 % notes, 2025-26", "B"
    )
    notes_tenor_years: float = quantity(5.5, "years", 3, 8, "of such notes", "notes due 2030-2032", "B")
    fixed_charge_cover: float = quantity(
        1.5, "ratio", 1, 3, "income over interest buyers of notes ask for, the new issue included"
    )
    cash_used: float = quantity(
        1.0, "share of idle cash", 0, 1, "repays debt after a quarter without a deal; 0 hoards it", "decisive"
    )
    shares_a_month: float = quantity(0.02, "share of net asset value", 0, 0.05, "most shares sold in a month")
    share_discount: float = quantity(0.10, "share", 0, 0.3, "at which they are sold below net asset value")
