"""Parameters that have done their work when a model is made: changed in a living one they would do nothing, or half of it."""

from collections.abc import Collection, Mapping

# What is fixed in week 0 -> the sections and keys that fixed it.
AT_CONSTRUCTION: Mapping[str, tuple[str, ...]] = {
    "the calendar is set": ("clock",),
    "agent types are cast": ("plugin",),
    "the paths of rents, power, bitcoin, interest and salvage are drawn": (
        "rent",
        "power",
        "bitcoin",
        "interest",
        "correlation",
        "hardware.salvage_usd",
        "hardware.salvage_decay",
        "hardware.list_price_usd",
        "manufacturer.list_price_decay",
    ),
    "growth is planned and halls are promised": (
        "contracts.growth",
        "contracts.fading_years",
        "contracts.watts_per_h100e",
        "construction.pipeline_months",
        "construction.operational_growth",
        "construction.phase_watts",
    ),
    "sites and pools are laid out": (
        "hardware.unit_watts",
        "site.vacancy",
        "site.unknown_liquid_share",
        "site.pue_owned",
        "site.pue_miner",
        "site.pue_colocation",
        "site.miner_hosting_fee_usd_per_kw_month",
        "site.air_rack_limit_kw",
        "site.assignable_share",
    ),
    "lanes are laid and priced": (
        "freight.deinstall_air_usd",
        "freight.deinstall_liquid_usd",
        "freight.wipe_usd",
        "freight.testing_usd",
        "freight.domestic_base_usd",
        "freight.intercontinental_base_usd",
        "freight.per_1000_km_usd",
        "freight.reinstall_air_usd",
        "freight.reinstall_liquid_usd",
        "freight.transit_weeks",
        "freight.intercontinental_transit_weeks",
        "freight.typical_haul_km",
    ),
    "the parties, their fleets and their cash are drawn": (
        "world",
        "liquidators.warehouse_capital_usd",
        "liquidators.capital_cost",
        "hyperscalers.utilisation",
        "hyperscalers.discount_rate",
        "hyperscalers.cash_usd",
        "enterprises.utilisation",
        "enterprises.cash_usd",
        "exporters.cash_usd",
        "salvagers.cash_usd",
        "forced_sale.generation",
        "forced_sale.gpus",
        "forced_sale.age_years",
        "forced_sale.largest_share_of_a_pool",
    ),
    "the opening debt is drawn": (
        "credit.balloon_share",
        "miners.convertible_scale",
        "miners.convertible_coupon",
        "miners.convertible_youngest_months",
        "miners.convertible_oldest_months",
        "miners.bitcoin_pledged_share",
        "miners.bitcoin_loan_rate",
    ),
    "tenants and the opening leases are drawn": (
        "tenants.tenants",
        "tenants.investment_share",
        "tenants.speculative_share",
        "miners.leased_shell_share",
        "site.oldest_lease_years",
    ),
}


# Of every registered type of buyers.
OF_BUYERS = ("count", "cash_usd", "utilisation", "discount_rate")


def fixed_at_construction(key: str, buyers: Collection[str] = ()) -> str | None:
    """What the key fixed when the model was made; None if it acts later.

    `buyers` names the sections of registered types.

    >>> fixed_at_construction("rent.initial_usd_per_hour.H100")
    'the paths of rents, power, bitcoin, interest and salvage are drawn'
    >>> fixed_at_construction("lenders.tail_years")
    """
    section, _, last = key.partition(".")
    if section in buyers:
        return "the parties, their fleets and their cash are drawn" if last in OF_BUYERS else None
    for fixed, names in AT_CONSTRUCTION.items():
        if any(key == name or key.startswith(f"{name}.") for name in names):
            return fixed
    return None
