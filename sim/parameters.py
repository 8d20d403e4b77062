"""All parameters of a run: one frozen, validated object; every field has unit, range, meaning, source, grade.

Agent types own the sections that describe them; this module adds the world's own and composes the whole.
"""

import difflib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError, field_validator
from pydantic.fields import FieldInfo

from agents.lender import LenderParameters
from agents.liquidator import LiquidatorParameters
from agents.manufacturer import ManufacturerParameters
from agents.miner import MinerParameters
from agents.neo_cloud import NeoCloudParameters
from agents.outside_buyer import (
    EnterpriseParameters,
    ExporterParameters,
    HyperscalerParameters,
    SalvagerParameters,
)
from agents.schema import Section, choice, quantity, setting
from agents.valuation import BELIEFS
from agents.vocabulary import GENERATIONS
from sim.credit import CreditParameters
from sim.generation_tables import GenerationMix, InitialRent, ListPrice, SalvageValue, UnitWatts
from sim.search import SearchParameters
from sim.tenants import TenantParameters


class ClockParameters(Section):
    """When a run takes place."""

    start: str = setting("2026-10-05", "Monday of week 0, ISO date")
    weeks: int = quantity(156, "weeks", 1, 2080, "length of the run")

    @field_validator("start")
    @classmethod
    def _is_monday(cls, value: str) -> str:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value} is not an ISO date such as 2026-10-05") from None
        if day.weekday() != 0:
            raise ValueError(f"{value} is a {day:%A}; weeks begin on a Monday")
        return day.isoformat()


class RentParameters(Section):
    """Rents of GPU-hours (economics.md section 6)."""

    driver: str = choice("stochastic", ("stochastic", "flat", "replay"), "how the demand factor moves")
    replay_file: str = setting("", "CSV date,series,value by generation to replay; empty for cited prints")
    initial: InitialRent = InitialRent()
    trend_deflation: float = quantity(
        0.25, "log per year", 0.0, 0.8, "decline given the supply plan", "contract prints", "C"
    )
    successor_step: float = quantity(0.15, "fraction", 0.0, 0.35, "rent lost when a successor reaches volume")
    step_ramp_weeks: float = quantity(26, "weeks", 13, 52, "ramp of that step")
    demand_volatility: float = quantity(0.3, "per sqrt year", 0.0, 0.6, "volatility of the demand factor")
    demand_mean_reversion: float = quantity(0.8, "per year", 0.3, 2.0, "its mean reversion")
    demand_elasticity: float = quantity(1.5, "1", 0.8, 3.0, "elasticity of demand for GPU-hours")
    cross_generation_share: float = quantity(
        0.7, "share", 0.4, 1.0, "part of a demand shock shared by generations"
    )
    slump_week: int = quantity(-1, "week", -1, 2000, "week in which demand falls; -1 never")
    slump: float = quantity(
        -0.5, "log", -1.5, 0.0, "fall of demand in that week, then reverting", "economics.md 7", "design"
    )
    spot_premium: float = quantity(
        0.0, "log", -0.2, 0.5, "spot over contract rent", "asks over contract prints 0.14-0.35, 2025-26", "C"
    )
    spot_noise: float = quantity(0.1, "log", 0.0, 0.25, "weekly deviation of spot around that")
    world_stock_h100e: float = quantity(
        15e6, "H100 equivalents", 1e6, 1e8, "world stock, January 2026", "Epoch AI", "B"
    )


class PowerParameters(Section):
    """Power prices by zone."""

    driver: str = choice("stochastic", ("stochastic", "flat", "replay"), "how zone prices move")
    replay_file: str = setting(
        "", "CSV date,series,value by zone, USD per MWh; zones left out keep their mean"
    )
    mean_reversion: float = quantity(8, "per year", 2, 12, "of the log deviation", "Ember monthly means", "B")
    stationary_deviation: float = quantity(
        0.35, "log", 0.0, 0.6, "of the log deviation", "Ember monthly means", "B"
    )
    seasonal_amplitude: float = quantity(0.2, "log", 0.0, 0.3, "season", "Ember monthly means", "B")
    delivery_adder_usd_per_mwh: float = quantity(10, "USD per MWh", 5, 25, "wires, losses, taxes")


class BitcoinParameters(Section):
    """Bitcoin and hashprice."""

    driver: str = choice("merton", ("bootstrap", "merton", "replay", "flat"), "how the price moves")
    replay_file: str = setting("", "CSV date,series,value of closes to replay; empty for cited month ends")
    initial_price_usd: float = quantity(
        81143, "USD", 20000, 200000, "price in week 0", "close of September 2026", "C"
    )
    drift: float = quantity(0.0, "per year", -0.3, 0.3, "log drift")
    diffusion: float = quantity(0.58, "per sqrt year", 0.0, 0.8, "without jumps", "weekly 2018-2024 fit", "B")
    jump_rate: float = quantity(4, "per year", 0, 8, "jumps", "weekly 2018-2024 fit", "B")
    jump_mean: float = quantity(-0.17, "log", -0.4, 0.1, "mean jump", "weekly 2018-2024 fit", "B")
    jump_deviation: float = quantity(
        0.09, "log", 0.0, 0.3, "deviation of a jump", "weekly 2018-2024 fit", "B"
    )
    block_months: float = quantity(6, "months", 1, 24, "mean block of resampled history")
    bridge_volatility: float = quantity(
        0.65, "per sqrt year", 0.0, 0.8, "within resampled months", "weekly closes since 2020", "B"
    )
    fee_share: float = quantity(0.01, "share of subsidy", 0.0, 0.5, "transaction fees")
    network_hashrate_eh_per_s: float = quantity(
        1000, "EH/s", 600, 2000, "network", "difficulty, June 2026", "B"
    )


class InterestParameters(Section):
    """The base rate, and the market's spread above it (in calm, `lenders.spread_mixed`)."""

    driver: str = choice("flat", ("flat", "replay"), "how SOFR moves")
    spread_driver: str = choice("flat", ("flat", "replay"), "how the spread moves")
    replay_file: str = setting("", "CSV date,series,value; series sofr and spread, per year; else cited data")
    sofr_initial: float = quantity(0.0365, "per year", 0.0, 0.1, "SOFR in week 0", "mean of August 2026", "B")


class CorrelationParameters(Section):
    """Calm and stress, and what links bitcoin and rents in each (contracts.md 2.5); neutral by default."""

    driver: str = choice("markov", ("markov", "calm", "stress"), "how the regime moves")
    calm_to_stress: float = quantity(
        0.015, "probability per week", 0.005, 0.03, "entry into stress: every 15 months"
    )
    stress_to_calm: float = quantity(
        0.06, "probability per week", 0.03, 0.12, "its end: a mean spell of four months"
    )
    rho_calm: float = quantity(0.0, "correlation", -0.3, 0.3, "bitcoin and rent shocks in calm")
    rho_stress: float = quantity(
        0.0, "correlation", -0.5, 0.9, "bitcoin and rent shocks in stress", "economics.md 7", "design"
    )
    stress_mean_shift: float = quantity(
        0.0, "log", -0.6, 0.0, "mean of rent demand in stress", "economics.md 7", "design"
    )
    stress_volatility_scale: float = quantity(1.0, "ratio", 1.0, 2.5, "volatility in stress over calm")
    stress_spread_rise: float = quantity(0.0, "per year", 0.0, 0.1, "added to spreads in stress")


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
        0.5, "probability", 0, 1, "a hosting contract can be assigned (pi_slot)"
    )
    consent_weeks: int = quantity(
        8, "weeks", 0, 26, "longest a host takes to consent to an assignment", "economics.md 1: 0-8", "C"
    )
    lease_tenor_years: float = quantity(12, "years", 5, 20, "lease of a powered shell", "10-20 years", "B")
    lease_escalator: float = quantity(0.02, "per year", 0, 0.03, "rise of its rent", "0-3 %", "B")
    retrofit_watts_per_week: float = quantity(
        2e6, "IT watts a week", 0, 1e8, "mining halls that can be converted, all miners together"
    )
    retrofit_capex_usd_per_kw: float = quantity(
        2000, "USD per kW", 500, 7100, "powered hall to compute hall", "trade press 2026", "C"
    )
    retrofit_lead_weeks: float = quantity(39, "weeks", 17, 78, "its lead time")
    energising_share: float = quantity(0.25, "share of planned watts", 0, 1, "energised within 52 weeks")
    uncommitted_share: float = quantity(0.05, "share of energising watts", 0, 1, "not leased in advance")


class FreightParameters(Section):
    """Moving hardware, USD per GPU (sim/data/logistics.csv; all assumptions, no public unit prices)."""

    deinstall_air_usd: float = quantity(100, "USD per GPU", 40, 250, "crating, labour, cabling")
    deinstall_liquid_usd: float = quantity(250, "USD per GPU", 100, 600, "drain, 1.4 t rack")
    wipe_usd: float = quantity(40, "USD per GPU", 10, 95, "data wipe, drives of a node shared")
    testing_usd: float = quantity(400, "USD per GPU", 150, 1000, "burn-in and failed parts")
    domestic_base_usd: float = quantity(120, "USD per GPU", 50, 300, "air-ride, dedicated")
    intercontinental_base_usd: float = quantity(300, "USD per GPU", 150, 800, "air freight")
    per_1000_km_usd: float = quantity(40, "USD per GPU", 15, 100, "distance by road")
    reinstall_air_usd: float = quantity(300, "USD per GPU", 100, 800, "racking, network, commissioning")
    reinstall_liquid_usd: float = quantity(600, "USD per GPU", 250, 1500, "the same on liquid")
    storage_usd_per_month: float = quantity(8, "USD per GPU and month", 3, 20, "bonded warehouse")
    transit_weeks: float = quantity(1, "weeks", 1, 4, "on the road within a continent")
    intercontinental_transit_weeks: float = quantity(3, "weeks", 1, 8, "between continents")
    installation_weeks: float = quantity(3, "weeks", 1, 12, "from dock to service")


class ValuationParameters(Section):
    """How a GPU is valued."""

    expectations: str = choice("myopic", BELIEFS, "belief about the persistence of demand deviations")
    discount_rate: float = quantity(0.15, "per year", 0.05, 0.3, "between loan cost and dealer cost")
    utilisation: float = quantity(0.8, "share of hours", 0.5, 0.95, "billable hours over hours")
    other_operating_cost: float = quantity(
        0.15, "USD per GPU-hour", 0.05, 0.3, "staff, network, spares, software"
    )


class MarketParameters(Section):
    """The weekly clearing."""

    theta: float = quantity(
        0.5, "share", 0, 1, "price within the optimal interval, 0 = lowest", "economics.md 4", "design"
    )
    ladder_steps: int = quantity(16, "orders", 2, 400, "steps of a cash-bound demand curve")
    refine: bool = setting(True, "refine cash-bound demand once around the price found")


class DiscountParameters(Section):
    """How far prices are taken apart; nothing here changes a price."""

    anatomy: bool = setting(True, "dual accounting of every lot sold or offered, every week")
    shapley_weeks: int = quantity(
        52,
        "weeks",
        0,
        52,
        "Shapley values of a forced class when it comes to market, when units are sold, and so often while none is; 0 never",
    )
    shapley_pairs: int = quantity(
        2,
        "pairs of orders",
        1,
        16,
        "orders sampled, each with its reverse; with 14 or more for seven frictions all orders are as cheap, and are taken",
        "docs/discount.md",
        "design",
    )


class ForcedSaleParameters(Section):
    """A borrower whose collateral comes to market in a chosen week."""

    enabled: bool = setting(False, "whether it happens")
    generation: str = choice("H100", GENERATIONS, "what is pledged")
    gpus: int = quantity(10_000, "GPUs", 8, 400_000, "how many")
    week: int = quantity(26, "week", 1, 2000, "when")
    age_years: float = quantity(2.0, "years", 0, 4.5, "age of the collateral in week 0")
    in_place: bool = setting(
        False, "the hosting contract can be assigned: the units may be sold where they stand"
    )
    deadline_weeks: int = quantity(
        13, "weeks", 0, 52, "by when the lender must have sold", "economics.md 14: 4-52", "assumption"
    )
    largest_share_of_a_pool: float = quantity(0.5, "share", 0.05, 1, "most of one hall the borrower rents")


class WorldParameters(Section):
    """The starting world: counts, fleets, debt and cash."""

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
    generation_mix: GenerationMix = GenerationMix()
    colocation_gpu_share: float = quantity(
        0.3, "share of occupied watts", 0, 1, "neo-clouds' part of colocation"
    )
    largest_neo_cloud_share: float = quantity(0.4, "share", 0.1, 0.9, "largest neo-cloud's part of the fleet")
    largest_neo_cloud: bool = setting(
        True, "the largest neo-cloud takes part; off, its halls are full of load outside the model"
    )
    oldest_fleet_years: float = quantity(5, "years", 1, 8, "oldest units in fleets")
    financed_share: float = quantity(
        0.65, "share of lots", 0, 1, "bought with a loan", "50-80 % of capex", "C"
    )
    neo_cloud_cash_months: float = quantity(3, "months of debt service", 0, 24, "opening cash")
    neo_cloud_free_cash_usd: float = quantity(50e6, "USD", 0, 1e10, "opening cash beyond that")
    miner_free_cash_usd: float = quantity(100e6, "USD", 0, 1e10, "opening cash of a miner")
    miner_bitcoin: float = quantity(5000, "BTC", 0, 1e5, "opening coins of a miner")
    lender_cash_usd: float = quantity(1e9, "USD", 0, 1e12, "opening cash of a lender")
    utilisation_spread: float = quantity(0.05, "share of hours", 0, 0.2, "deviation across operators")
    discount_rate_spread: float = quantity(0.02, "per year", 0, 0.1, "deviation across operators")
    places_per_operator: int = quantity(6, "pools", 0, 100, "open pools an operator knows beside its own")
    sites_file: str = setting("", "CSV of places instead of the shipped sites; empty for the shipped ones")
    fleets_file: str = setting("", "CSV of lots instead of the drawn fleets; empty for drawn ones")


class Parameters(Section):
    """Everything that describes a run except its seed.

    Examples
    --------
    >>> Parameters.from_overrides({"lenders.advance_rate": 0.8}).lenders.advance_rate
    0.8
    """

    clock: ClockParameters = ClockParameters()
    rent: RentParameters = RentParameters()
    power: PowerParameters = PowerParameters()
    bitcoin: BitcoinParameters = BitcoinParameters()
    interest: InterestParameters = InterestParameters()
    correlation: CorrelationParameters = CorrelationParameters()
    hardware: HardwareParameters = HardwareParameters()
    site: SiteParameters = SiteParameters()
    freight: FreightParameters = FreightParameters()
    valuation: ValuationParameters = ValuationParameters()
    market: MarketParameters = MarketParameters()
    search: SearchParameters = SearchParameters()
    discount: DiscountParameters = DiscountParameters()
    forced_sale: ForcedSaleParameters = ForcedSaleParameters()
    credit: CreditParameters = CreditParameters()
    tenants: TenantParameters = TenantParameters()
    world: WorldParameters = WorldParameters()
    miners: MinerParameters = MinerParameters()
    neo_clouds: NeoCloudParameters = NeoCloudParameters()
    lenders: LenderParameters = LenderParameters()
    liquidators: LiquidatorParameters = LiquidatorParameters()
    hyperscalers: HyperscalerParameters = HyperscalerParameters()
    enterprises: EnterpriseParameters = EnterpriseParameters()
    exporters: ExporterParameters = ExporterParameters()
    salvagers: SalvagerParameters = SalvagerParameters()
    manufacturer: ManufacturerParameters = ManufacturerParameters()

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, Any], source: str = "overrides") -> "Parameters":
        """Defaults with some dotted keys replaced.

        Raises
        ------
        ParameterError
            Names the source and the key, the allowed range with its unit, and the nearest valid name.
        """
        known = {key: field for key, _, field in walk(cls())}
        nested: dict[str, Any] = {}
        for key, value in overrides.items():
            if key not in known:
                raise ParameterError(_unknown(key, list(known), source))
            *path, last = key.split(".")
            table = nested
            for part in path:
                table = table.setdefault(part, {})
            table[last] = value
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise ParameterError(_explain(error, known, source)) from None

    def flat(self) -> dict[str, Any]:
        """Dotted key -> value, in declared order."""
        return {key: value for key, value, _ in walk(self)}

    def describe(self) -> list[dict[str, Any]]:
        """One row per parameter: key, value, unit, low, high, meaning, source, grade."""
        rows = []
        for key, value, field in walk(self):
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            row: dict[str, Any] = {"key": key, "value": value, "meaning": field.description or ""}
            row.update({name: extra.get(name, "") for name in ("unit", "low", "high", "source", "grade")})
            rows.append(row)
        return rows


class ParameterError(ValueError):
    """A parameter is unknown or out of range; the message says what is allowed."""


def walk(section: Section, prefix: str = "") -> Iterator[tuple[str, Any, FieldInfo]]:
    """Every leaf of a section: dotted key, value, field."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from walk(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field


def _unknown(key: str, known: list[str], source: str) -> str:
    inside = [name for name in known if name.startswith(f"{key}.")]
    if inside:
        return f"{source}: {key} is a table; set one of its keys, such as {inside[0]}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else "; `firesale schema` lists them all"
    return f"{source}: no parameter is called {key}{hint}"


def _explain(error: ValidationError, known: Mapping[str, FieldInfo], source: str) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    field = known.get(key)
    if field is None:
        return _unknown(key, list(known), source)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    got = first["input"]
    if "options" in extra:
        options = [str(option) for option in extra["options"]]  # type: ignore[union-attr]
        near = difflib.get_close_matches(str(got), options, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{source}: {key} = {got!r}; one of {', '.join(options)}{hint}"
    if "low" in extra:
        whole = " (a whole number)" if field.annotation is int else ""
        allowed = f"{extra['low']:,} to {extra['high']:,} {extra['unit']}"
        return f"{source}: {key} = {got!r}; allowed {allowed}{whole}"
    rule = first["msg"].removeprefix("Value error, ")
    return f"{source}: {key} = {got!r}; {rule[0].lower()}{rule[1:]}"


__all__ = ["ParameterError", "Parameters", "walk"]
