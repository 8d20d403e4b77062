"""Hardware, the sites it stands in and the freight between them."""

from agents.schema import Section, quantity
from sim.parameters.generations import ListPrice, SalvageValue, UnitWatts


class HardwareParameters(Section):
    """Hardware by generation."""

    unit_watts: UnitWatts = UnitWatts()
    list_price_usd: ListPrice = ListPrice()
    salvage_usd: SalvageValue = SalvageValue()
    load_factor: float = quantity(0.85, "share of nameplate", 0.7, 0.95, "average draw")
    failure_hazard: float = quantity(0.03, "per year", 0.0, 0.09, "unrepaired loss of units")
    physical_life_years: float = quantity(8, "years", 4, 12, "V100 still listed after 8 years")
    salvage_decay: float = quantity(0.2, "per year", 0.1, 0.4, "decline of the parts value")
    as_is_factor: float = quantity(
        0.764, "share of clean value", 0.5, 1, "as-is over working", "grading convention 0.55 / 0.72", "C"
    )


class SiteParameters(Section):
    """Places and slots."""

    vacancy: float = quantity(
        0.016, "share of energised IT power", 0.0, 0.1, "free watts", "CBRE primary, H1 2025", "B"
    )
    unknown_liquid_share: float = quantity(
        0.0, "share of IT watts", 0.0, 1.0, "liquid-ready where a site's source does not say how it is cooled"
    )
    pue_default: float = quantity(1.25, "ratio", 1.05, 1.65, "typical hall", "hyperscale average", "C")
    pue_owned: float = quantity(1.15, "ratio", 1.05, 1.4, "operator's own hall", "economics.md 11", "C")
    pue_miner: float = quantity(1.25, "ratio", 1.05, 1.4, "converted mining hall", "economics.md 11", "C")
    pue_colocation: float = quantity(1.40, "ratio", 1.1, 1.8, "retail colocation", "economics.md 11", "C")
    site_value_usd_per_kw: float = quantity(
        500,
        "USD per IT kW",
        0,
        3000,
        "powered site in net asset value",
        "distressed site sales 360-1,480",
        "C",
    )
    hosting_fee_usd_per_kw_month: float = quantity(
        120, "USD per kW-month", 70, 217, "posted fee", "leases 114-198", "C"
    )
    miner_hosting_fee_usd_per_kw_month: float = quantity(
        80, "USD per kW-month", 40, 200, "posted fee in a converted hall", "contracts.md 3", "C"
    )
    air_rack_limit_kw: float = quantity(
        30, "kW per rack", 13, 41.3, "densest air-cooled rack", "contained aisles", "C"
    )
    assignable_share: float = quantity(
        0.5,
        "probability",
        0,
        1,
        "a hosting contract can be assigned (pi_slot); where a sale by decree stands, forced_sale.in_place says so",
    )
    consent_weeks: int = quantity(
        8, "weeks", 0, 26, "longest a host takes to consent to an assignment", "economics.md 1: 0-8", "C"
    )
    lease_tenor_years: float = quantity(12, "years", 5, 20, "lease of a powered shell", "10-20 years", "B")
    oldest_lease_years: float = quantity(
        3, "years", 1, 9, "age of the oldest shell lease in week 0, when the first AI halls were let"
    )
    lease_escalator: float = quantity(0.02, "per year", 0, 0.03, "rise of its rent", "0-3 %", "B")
    retrofit_watts_per_week: float = quantity(
        2e6, "IT watts a week", 0, 1e8, "mining halls that can be converted, all miners together"
    )
    retrofit_capex_usd_per_kw: float = quantity(
        2000, "USD per kW", 500, 7100, "powered hall to compute hall", "trade press 2026", "C"
    )
    retrofit_lead_weeks: float = quantity(39, "weeks", 17, 78, "its lead time")


class FreightParameters(Section):
    """Moving hardware, USD per GPU (sim/data/logistics.csv; all assumptions, no public unit prices)."""

    deinstall_air_usd: float = quantity(100, "USD per GPU", 40, 250, "crating, labour, cabling")
    deinstall_liquid_usd: float = quantity(250, "USD per GPU", 100, 600, "drain, 1.4 t rack")
    wipe_usd: float = quantity(40, "USD per GPU", 10, 95, "data wipe, drives of a node shared")
    testing_usd: float = quantity(400, "USD per GPU", 150, 1000, "burn-in and failed parts")
    domestic_base_usd: float = quantity(120, "USD per GPU", 50, 300, "air-ride, dedicated")
    intercontinental_base_usd: float = quantity(300, "USD per GPU", 150, 800, "air freight")
    per_1000_km_usd: float = quantity(40, "USD per GPU", 15, 100, "distance by road")
    typical_haul_km: float = quantity(
        1500, "km", 500, 4500, "haul in plans made before a destination is known"
    )
    reinstall_air_usd: float = quantity(300, "USD per GPU", 100, 800, "racking, network, commissioning")
    reinstall_liquid_usd: float = quantity(600, "USD per GPU", 250, 1500, "the same on liquid")
    storage_usd_per_month: float = quantity(8, "USD per GPU and month", 3, 20, "bonded warehouse")
    transit_weeks: float = quantity(1, "weeks", 1, 4, "on the road within a continent")
    intercontinental_transit_weeks: float = quantity(3, "weeks", 1, 8, "between continents")
    installation_weeks: float = quantity(3, "weeks", 1, 12, "from dock to service")
    in_place_weeks: int = quantity(1, "weeks", 1, 4, "from sale to service where units stay where they stand")
