"""Rents of GPU-hours by generation: trend, demand factor, own shocks, release steps, slump, and spot against contract.

``ln r_g = ln r0_g - delta t + D_g(t) - steps``; the feedback of running supply is added week by week in `sim.drivers.drivers`.
`D_g` is what reverts to zero and what valuations are told: a shared part of the demand factor, a shock of the
generation's own, and the level that stress or a slump gives demand, which hits every generation in full.
Laws: contracts.md section 2.2, economics.md sections 5 and 6.
"""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import GENERATIONS, N_GENERATIONS, WEEKS_PER_YEAR, Floats, Ints
from sim.base import reference
from sim.base.randomness import Purpose, Randomness
from sim.base.user_table import Number
from sim.drivers.history import bridged_prints
from sim.drivers.regime import Regime, linked, weekly_normals
from sim.drivers.replay import Origin, interpolated, prints_of, week_of
from sim.parameters.outside import RentParameters

DT = 1.0 / WEEKS_PER_YEAR
H100 = GENERATIONS.index("H100")
# Rents in cents, or by the month, lie outside.
MOST_TIMES_INITIAL = 20


class Releases:
    """Successors on their way to volume, and what they take from the rents of older generations."""

    def __init__(self, parameters: RentParameters, start: date) -> None:
        self.step_ramp_weeks = parameters.step_ramp_weeks
        self.step = -np.log1p(-parameters.successor_step)
        self.weeks = np.array([(day - start).days / 7 for _, day in reference.releases()])
        names = [name for name, _ in reference.releases()]
        # A successor leaves itself and later generations alone.
        self.hits = np.ones((N_GENERATIONS, len(names)))
        for k, name in enumerate(names):
            if name in GENERATIONS:
                self.hits[GENERATIONS.index(name) :, k] = 0.0

    def felt(self, week: ArrayLike) -> Floats:
        """Share of each release step that rents show by `week`, whenever it began, trailing axis = releases."""
        passed = np.asarray(week, float)[..., None] - self.weeks
        return np.asarray(np.clip(passed / self.step_ramp_weeks, 0.0, 1.0))

    def pending(self, week: int) -> tuple[Floats, Floats]:
        """Years until half of what is left of each step is felt, and the part of rent it will take, both (G, K)."""
        left = (1.0 - self.felt(week)) * self.hits
        drops = -np.expm1(-self.step * left)
        middle = (np.maximum(self.weeks, week) + self.weeks + self.step_ramp_weeks) / 2
        years = np.maximum(middle - week, 0.0) * DT
        return np.broadcast_to(years, drops.shape).copy(), drops


@dataclass(frozen=True, slots=True)
class RentPath:
    """Rents over the run before feedback.

    Attributes
    ----------
    demand : (T,) demand factor, with the level that stress or a slump gives it, log;
    shocks : (T, G) generations' own parts, log;
    deviation : (T, G) what reverts to zero, log;
    exogenous : (T, G) contract rent, USD per GPU-hour;
    spot_factor : (T, G) spot over contract rent;
    origin : generation -> `sim.drivers.replay.Origin` by week.
    """

    demand: Floats
    shocks: Floats
    deviation: Floats
    exogenous: Floats
    spot_factor: Floats
    origin: dict[str, Ints] = field(default_factory=dict)


def rent_path(
    parameters: RentParameters,
    randomness: Randomness,
    regime: Regime,
    bitcoin_score: Floats,
    releases: Releases,
    start: date,
    n_weeks: int,
) -> RentPath:
    """The path ``rent.driver`` asks for, with a slump on top if there is one.

    Parameters
    ----------
    bitcoin_score : (T,) bitcoin's shocks as standard normals, NaN where bitcoin is not drawn and nothing can be linked.
    """
    level = _slump(parameters, n_weeks)
    factor, own = np.zeros(n_weeks), np.zeros((n_weeks, N_GENERATIONS))
    share, assumed = 1.0, Origin.ASSUMED
    if parameters.driver == "stochastic":
        factor, own = _factor(parameters, randomness, regime, bitcoin_score)
        level = level + _stress_level(parameters, regime)
        share, assumed = parameters.cross_generation_share, Origin.DRAWN
    origin = {name: np.full(n_weeks, int(assumed)) for name in GENERATIONS}
    deviation = np.asarray(share * factor[:, None] + own)
    if parameters.driver == "replay":
        deviation, origin = _replayed(parameters, releases, start, n_weeks)
        factor = deviation[:, H100]
    deviation = deviation + level[:, None]
    return RentPath(
        demand=factor + level,
        shocks=own,
        deviation=deviation,
        exogenous=_rents(parameters, releases, deviation),
        spot_factor=_spot(parameters, randomness, n_weeks),
        origin=origin,
    )


def _factor(
    parameters: RentParameters, randomness: Randomness, regime: Regime, bitcoin_score: Floats
) -> tuple[Floats, Floats]:
    """Ornstein-Uhlenbeck deviations, exact discretisation: one common, one of each generation."""
    n_weeks = len(regime.rho)
    keep = np.exp(-parameters.demand_mean_reversion * DT)
    spread = parameters.demand_volatility * np.sqrt((1 - keep**2) / (2 * parameters.demand_mean_reversion))
    common = weekly_normals(randomness, Purpose.DEMAND, n_weeks, 1)[:, 0]
    drawn = np.isfinite(bitcoin_score)
    common = np.where(drawn, linked(common, np.where(drawn, bitcoin_score, 0.0), regime.rho), common)
    own = weekly_normals(randomness, Purpose.IDIOSYNCRATIC_RENT, n_weeks, N_GENERATIONS)
    own_share = np.sqrt(1.0 - parameters.cross_generation_share**2)
    factor, shocks = np.zeros(n_weeks), np.zeros((n_weeks, N_GENERATIONS))
    for week in range(1, n_weeks):
        wide = spread * regime.volatility[week]
        factor[week] = keep * factor[week - 1] + wide * common[week]
        shocks[week] = keep * shocks[week - 1] + own_share * wide * own[week]
    return factor, shocks


def _stress_level(parameters: RentParameters, regime: Regime) -> Floats:
    """Where demand stands because its mean is lower in stress: it is approached, and left, at the rate of reversion."""
    keep = np.exp(-parameters.demand_mean_reversion * DT)
    level = np.zeros(len(regime.shift))
    for week in range(1, len(level)):
        level[week] = keep * level[week - 1] + (1.0 - keep) * regime.shift[week]
    return level


def _slump(parameters: RentParameters, n_weeks: int) -> Floats:
    """A fall of demand in one week that then reverts like any other deviation."""
    after = np.arange(n_weeks) - parameters.slump_week
    if parameters.slump_week < 0:
        return np.zeros(n_weeks)
    fading = parameters.slump * np.exp(-parameters.demand_mean_reversion * np.maximum(after, 0) * DT)
    return np.where(after >= 0, fading, 0.0)


def _rents(parameters: RentParameters, releases: Releases, deviation: Floats) -> Floats:
    weeks = np.arange(len(deviation))
    years = weeks * DT
    log_rent = (
        np.log(parameters.initial_usd_per_hour.array())[None, :] - parameters.trend_deflation * years[:, None]
    )
    log_rent = log_rent + deviation
    # The initial rents already hold what was felt before week 0.
    since_start = releases.felt(weeks) - releases.felt(0)
    log_rent -= releases.step * (since_start @ releases.hits.T)
    return np.asarray(np.exp(log_rent))


def _replayed(
    parameters: RentParameters, releases: Releases, start: date, n_weeks: int
) -> tuple[Floats, dict[str, Ints]]:
    """Deviations that bring rents onto the cited prints, and for other generations what those prints imply.

    A generation without prints moves by the regression of its deviation on the H100's under the stochastic law, whose
    correlation is ``cross_generation_share ** 2``. The last print is held.
    """
    file = parameters.replay_file
    prints = prints_of(file, _ranges(parameters), start, n_weeks) if file else bridged_prints()
    weeks = np.arange(n_weeks)
    deviation = np.zeros((n_weeks, N_GENERATIONS))
    origin = {name: np.full(n_weeks, int(Origin.FILLED)) for name in GENERATIONS}
    trend = parameters.trend_deflation * weeks * DT
    for name in [name for name in prints if name in GENERATIONS]:
        days, values = prints[name]
        cited = interpolated(start, days, values, n_weeks)
        g = GENERATIONS.index(name)
        # Prints already show the steps felt until they were made; later ones are still to come.
        last = max(week_of(start, day) for day in days)
        shown = releases.felt(np.minimum(weeks, max(last, 0))) - releases.felt(0)
        deviation[:, g] = np.log(cited.values / parameters.initial_usd_per_hour.array()[g]) + trend
        deviation[:, g] += releases.step * (shown @ releases.hits[g])
        origin[name] = cited.origin
    share = parameters.cross_generation_share**2
    moved = deviation[:, H100] - deviation[0, H100]
    for g, name in enumerate(GENERATIONS):
        if name not in prints:
            deviation[:, g] = share * moved
    return deviation, origin


def _ranges(parameters: RentParameters) -> dict[str, Number]:
    """What a user's file may give as rent of each generation: the initial rent, or so many times more or less."""
    initial = parameters.initial_usd_per_hour.array()
    return {
        name: Number(
            "value", low=rent / MOST_TIMES_INITIAL, high=rent * MOST_TIMES_INITIAL, unit="USD per GPU-hour"
        )
        for name, rent in zip(GENERATIONS, initial.tolist(), strict=True)
    }


def _spot(parameters: RentParameters, randomness: Randomness, n_weeks: int) -> Floats:
    """Spot over contract rent: a premium, and weekly noise of each generation's own where rents are drawn at all."""
    if parameters.driver != "stochastic":
        return np.full((n_weeks, N_GENERATIONS), np.exp(parameters.spot_premium))
    noise = weekly_normals(randomness, Purpose.SPOT, n_weeks, N_GENERATIONS)
    return np.asarray(np.exp(parameters.spot_premium + parameters.spot_noise * noise))
