"""Covenants, cures, funding, workouts, and the switches that add one mechanism at a time."""

from typing import ClassVar

from agents.schema import Needs, Section, choice, quantity, setting


class CreditParameters(Section):
    """Covenants, cures, funding, workouts, and the switches that add one mechanism at a time."""

    needs: ClassVar[Needs] = {
        "credit.covenants = true": (
            "dscr_trap dscr_turbo waiver_probability equity_cure_probability cure_weeks "
            "coverage_holiday_weeks realisation_* technical_waiver"
        ),
        "credit.mark_to_market_share > 0": "loan_to_value_covenant mark_to_market_basis",
        "credit.defaults = true": (
            "grace_weeks enforcement_weeks chapter_11_probability stay_weeks "
            "tenant_leaves_probability workouts"
        ),
        "credit.chapter_11_probability > 0": "stay_weeks",
        "credit.workouts = true": (
            "amendments extension_months redefault_probability price_impact orderly_weeks"
        ),
        "credit.amendments > 0": "extension_months redefault_probability",
        "credit.tenants = true": "building advance_used",
        # Loans on deals that stand in week 0 are past this test.
        "credit.building = true": "realisation_* technical_waiver",
        "credit.realisation_covenant > 0": "realisation_weeks technical_waiver",
        "credit.financing = true": "advance_used",
        "credit.building = true or credit.financing = true": "stop_week experience",
        "forced_sale.enabled = true": "balloon_share",
        "credit.stop_week >= 0": "stop_weeks stop_ends",
    }

    defaults: bool = setting(True, "mechanism: a missed payment leads to default; off, arrears are carried")
    tenants: bool = setting(
        True, "mechanism: contracts are offered, earn rent and may fail; off, no deal is signed or lent on"
    )
    covenants: bool = setting(True, "mechanism: coverage and collateral are tested each quarter")
    financing: bool = setting(
        True, "mechanism: purchases are financed, maturities need an offer; off, they are rolled at par"
    )
    funding: bool = setting(True, "mechanism: lenders owe their own funders and can be forced to sell")
    workouts: bool = setting(
        True, "mechanism: lenders compare amending, operating and selling; off, they sell"
    )
    building: bool = setting(
        True, "mechanism: demand offers deals, operators order for them and halls are started"
    )
    income_sizing: bool = setting(True, "mechanism: loans are sized to income; off, to cost alone")
    experience: bool = setting(
        True, "mechanism: lenders learn from defaults and losses; off, their priors stand"
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
    coverage_holiday_weeks: int = quantity(
        91,
        "weeks",
        0,
        156,
        "after the contract date before coverage is tested",
        "DDTL 3.0, 4.0: 21 months",
        "B",
    )
    realisation_weeks: int = quantity(
        30, "weeks", 0, 104, "after it before units running are tested", "DDTL 3.0, 4.0: 7 months", "B"
    )
    realisation_covenant: float = quantity(
        0.85, "share of units due", 0, 1, "units running below which a test is failed", "DDTL 3.0, 4.0", "B"
    )
    technical_waiver: float = quantity(
        0.9, "probability", 0, 1, "lenders waive a breach by lateness alone and test again a quarter later"
    )
    dscr_trap: float = quantity(
        1.20,
        "ratio",
        1.05,
        1.5,
        "coverage below which cash is kept in and no growth is paid",
        "ABS, 2026",
        "B",
    )
    dscr_turbo: float = quantity(
        1.15,
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
    service_reserve_months: int = quantity(
        2,
        "months of debt service",
        1,
        6,
        "cash a borrower keeps when it prepays to cure, or is swept by a turbo",
    )
    cure_weeks: int = quantity(4, "weeks", 2, 13, "from a breach to an event of default")
    grace_weeks: int = quantity(1, "weeks", 0, 4, "from a missed payment to an event of default")
    equity_cure_probability: float = quantity(
        0.3, "probability", 0, 0.7, "owners pay in, if assets exceed debt"
    )
    waiver_probability: float = quantity(0.5, "probability", 0, 0.9, "first breach, recovery expected")
    waiver_majority: float = quantity(
        0.5, "share of breached debt", 0.25, 0.9, "more than this must be willing before a breach is waived"
    )
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
    redefault_years: float = quantity(
        1, "years", 0.5, 3, "from an amendment to the later sale, if it fails again"
    )
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
    orderly_weeks: int = quantity(
        26, "weeks", 13, 52, "time an orderly sale takes", "180-day convention", "C"
    )
    operating_weeks: int = quantity(
        52, "weeks", 17, 156, "time a lender that operates gives itself before it looks again"
    )
    lease_cause_weeks: int = quantity(
        52,
        "weeks",
        13,
        156,
        "how long a broken shell lease is taken for the cause of its host's missed payment",
    )
    balloon_payments: int = quantity(
        2, "regular payments", 1, 6, "a last payment of more than so many is a maturity that needs a new loan"
    )
    refinance_months: int = quantity(36, "months", 12, 60, "tenor of a loan that refinances equipment")
    advance_used: float = quantity(0.5, "share of cost", 0, 0.8, "loan over cost of used units, with freight")
    order_deposit: float = quantity(
        0.2, "share of price", 0, 0.5, "lost when an order of new units is cancelled"
    )
    stop_week: int = quantity(-1, "week", -1, 2000, "start of a stop in lending; -1 never")
    stop_ends: str = choice(
        "commitments",
        ("commitments", "undrawn", "all"),
        "new commitments alone, undrawn lines too, or notes and shares too",
    )
    stop_weeks: int = quantity(
        26, "weeks", 1, 156, "length of the stop", "economics.md 7: arms 13, 26, 52", "design"
    )
