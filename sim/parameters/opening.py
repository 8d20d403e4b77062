"""Who is there in week 0 and what they hold."""

from typing import ClassVar

from agents.schema import Needs, Section, quantity, setting


class WorldParameters(Section):
    """The starting world: counts, fleets, debt and cash."""

    needs: ClassVar[Needs] = {
        'world.fleets_file = ""': ("colocation_gpu_share largest_neo_cloud"),
    }

    miners: int = quantity(12, "agents", 1, 2000, "miners")
    neo_clouds: int = quantity(16, "agents", 1, 2000, "neo-clouds")
    lenders: int = quantity(6, "agents", 1, 500, "lenders")
    liquidators: int = quantity(
        5, "agents", 1, 200, "liquidators and dealers", "3 to 8 dealers", "assumption"
    )
    hyperscalers: int = quantity(5, "agents", 0, 200, "hyperscalers")
    enterprises: int = quantity(10, "agents", 0, 2000, "enterprises")
    exporters: int = quantity(3, "agents", 0, 200, "exporters")
    salvagers: int = quantity(1, "agents", 1, 10, "salvage houses")
    asset_backed_every: int = quantity(
        3,
        "neo-clouds",
        1,
        12,
        "of the smaller ones every so-manieth by size is financed by asset-backed notes, the others by level-pay loans",
    )
    colocation_gpu_share: float = quantity(
        0.3, "share of occupied watts", 0, 1, "neo-clouds' part of colocation"
    )
    largest_neo_cloud_share: float = quantity(0.4, "share", 0.1, 0.9, "largest neo-cloud's part of the fleet")
    largest_neo_cloud: bool = setting(
        True, "the largest neo-cloud takes part; off, its halls are full of load outside the model"
    )
    neo_cloud_free_cash_usd: float = quantity(50e6, "USD", 0, 1e10, "opening cash beyond that")
    miner_free_cash_usd: float = quantity(
        100e6, "USD", 0, 1e10, "opening cash of a miner of which none is cited"
    )
    miner_bitcoin_scale: float = quantity(
        1.0, "ratio", 0, 5, "opening coins of miners over those cited", "filings, 2025-26", "B"
    )
    lender_cash_usd: float = quantity(50e6, "USD", 0, 1e12, "opening cash of a lender beside its capital")
    utilisation_spread: float = quantity(0.05, "share of hours", 0, 0.2, "deviation across operators")
    discount_rate_spread: float = quantity(0.02, "per year", 0, 0.1, "deviation across operators")
    spread_limit: float = quantity(
        2, "standard deviations", 1, 4, "at which the deviations across operators are cut off"
    )
    places_per_operator: int = quantity(6, "pools", 0, 100, "open pools an operator knows beside its own")
    sites_file: str = setting("", "CSV of places instead of the shipped sites; empty for the shipped ones")
    fleets_file: str = setting("", "CSV of lots instead of the drawn fleets; empty for drawn ones")
