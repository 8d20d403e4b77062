"""What happens outside the market: calendar, rents, power, bitcoin, interest and how they move together."""

import re
from datetime import date
from typing import ClassVar

from pydantic import field_validator

from agents.schema import Needs, Section, choice, quantity, setting
from sim.parameters.generations import InitialRent

# Nobody could own a GPU of the model before its first generation came to market (sim/data/gpu_generations.csv).
FIRST_START = date(2018, 4, 2)
LAST_START = date(2100, 12, 27)


class ClockParameters(Section):
    """When a run takes place."""

    start: str = setting("2026-10-05", "Monday of week 0, ISO date")
    weeks: int = quantity(156, "weeks", 1, 2080, "length of the run")

    @field_validator("start")
    @classmethod
    def _is_monday(cls, value: str) -> str:
        try:
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
                raise ValueError
            day = date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value} is not an ISO date such as 2026-10-05") from None
        if day.weekday() != 0:
            raise ValueError(f"{value} is a {day:%A}; weeks begin on a Monday")
        if not FIRST_START <= day <= LAST_START:
            raise ValueError(f"allowed {FIRST_START} (the first GPU has come to market) to {LAST_START}")
        return day.isoformat()


class RentParameters(Section):
    """Rents of GPU-hours (economics.md section 6)."""

    needs: ClassVar[Needs] = {
        "rent.driver = replay": "replay_file",
        "rent.driver = stochastic": "demand_volatility spot_noise",
        "rent.driver != flat": "cross_generation_share",
        "rent.slump_week >= 0": "slump",
    }

    driver: str = choice("stochastic", ("stochastic", "flat", "replay"), "how the demand factor moves")
    replay_file: str = setting("", "CSV date,series,value by generation to replay; empty for cited prints")
    initial_usd_per_hour: InitialRent = InitialRent()
    trend_deflation: float = quantity(
        0.25, "log per year", 0.0, 0.8, "decline given the supply plan", "contract prints", "C"
    )
    successor_step: float = quantity(0.0, "fraction", 0.0, 0.35, "rent lost when a successor reaches volume")
    bridge_scale: float = quantity(
        1.0,
        "ratio",
        0.7,
        1.3,
        "on the estimate of July 2023 from which rents are bridged to October 2025",
        "none found",
    )
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

    needs: ClassVar[Needs] = {
        "power.driver = replay": "replay_file",
        "power.driver = stochastic": "mean_reversion stationary_deviation",
        "power.driver != flat": "seasonal_amplitude",
    }

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

    needs: ClassVar[Needs] = {
        "bitcoin.driver = replay": "replay_file",
        "bitcoin.driver = merton or bitcoin.driver = bootstrap": "drift",
        "bitcoin.driver = merton": "diffusion jump_*",
        "bitcoin.driver = bootstrap": "block_months bridge_volatility",
    }

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
    """The base rate, and the market's spread above it, whose movements move all spreads."""

    needs: ClassVar[Needs] = {
        "interest.driver = replay or interest.spread_driver = replay": "replay_file",
    }

    driver: str = choice("flat", ("flat", "replay"), "how SOFR moves")
    spread_driver: str = choice("flat", ("flat", "replay"), "how the spread moves")
    replay_file: str = setting("", "CSV date,series,value; series sofr and spread, per year; else cited data")
    spread_initial: float = quantity(
        0.05,
        "per year",
        0.0225,
        0.13,
        "market's spread on mixed tenants in week 0",
        "DDTL 3.0 +400, 5.0 +450, 5.5 +550",
        "B",
    )
    sofr_initial: float = quantity(0.0365, "per year", 0.0, 0.1, "SOFR in week 0", "mean of August 2026", "B")


class CorrelationParameters(Section):
    """Calm and stress, and what links bitcoin and rents in each (contracts.md 2.5); neutral by default."""

    needs: ClassVar[Needs] = {
        "correlation.driver = markov": "calm_to_stress stress_to_calm",
        "correlation.driver != stress": "rho_calm",
        "correlation.driver != calm": "rho_stress stress_*",
        "rent.driver = stochastic": "rho_* stress_mean_shift",
        "bitcoin.driver = merton or bitcoin.driver = bootstrap": "rho_*",
        "interest.spread_driver = flat": "stress_spread_rise",
        (
            "correlation.rho_calm != 0 or correlation.rho_stress != 0 or "
            "correlation.stress_mean_shift != 0 or correlation.stress_volatility_scale != 1 or "
            "correlation.stress_spread_rise != 0"
        ): "driver calm_to_stress stress_to_calm",
    }

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
