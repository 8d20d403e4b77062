"""What comes from outside: rents, power, bitcoin, interest, salvage and the release schedule.

Whole paths are drawn when a model is made, so every branch of a run sees the same world; only the feedback of
running supply on rents is added week by week. Laws: contracts.md section 2 and economics.md section 6.
"""

from datetime import date, timedelta

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import GENERATIONS, N_GENERATIONS, WEEKS_PER_YEAR, Floats
from sim import reference
from sim.parameters import ParameterError, Parameters
from sim.randomness import Purpose, Randomness

HALVING = date(2028, 4, 15)
SUBSIDY_BTC = (3.125, 1.5625)
BLOCKS_PER_DAY = 144.0
DT = 1.0 / WEEKS_PER_YEAR


def hashprice(
    bitcoin_usd: float | Floats, subsidy_btc: float | Floats, fee_share: float, hashrate_ph_per_s: float
) -> Floats:
    """Miners' income per PH/s and day, USD: ``144 (subsidy + fees) P / H``.

    >>> float(hashprice(86_000, 3.125, 0.01, 1.02e6).round(1))
    38.3
    """
    income = BLOCKS_PER_DAY * np.asarray(subsidy_btc) * (1.0 + fee_share) * np.asarray(bitcoin_usd)
    return np.asarray(income / hashrate_ph_per_s)


class Drivers:
    """Exogenous paths of a run, arrays over weeks.

    Parameters
    ----------
    zone_names
        Grid zones in the order of the places' zone index.
    n_weeks
        Length of the paths.

    Attributes
    ----------
    demand : (T,) log deviation of rent demand common to all generations;
    deviation : (T, G) the whole log deviation of each generation's rent, which is what reverts to zero;
    rent_exogenous : (T, G) USD per GPU-hour before feedback;
    power_usd_per_mwh : (T, zones); btc_usd, btc_low_usd, sofr, hashprice_usd_per_ph_day : (T,);
    salvage_usd : (T, G); dates : (T,) Mondays; observed : series -> weeks that are data rather than drawn.
    """

    def __init__(
        self, parameters: Parameters, randomness: Randomness, zone_names: tuple[str, ...], n_weeks: int
    ) -> None:
        self.parameters = parameters
        self.randomness = randomness
        self.n_weeks = n_weeks
        try:
            self.start = date.fromisoformat(parameters.clock.start)
        except ValueError:
            raise ParameterError(
                f"clock.start = {parameters.clock.start!r}; an ISO date such as 2026-10-05"
            ) from None
        self.dates = np.datetime64(self.start) + 7 * np.arange(n_weeks)
        self.observed: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]] = {}
        self.compute_weight = reference.compute_weights()
        self.weeks_since_release = np.array(
            [(self.start - day).days // 7 for day in reference.available_from()], dtype=np.int64
        )
        self.demand, self.shocks = self._demand()
        self.deviation = self._deviation()
        self.release_weeks = np.array([(day - self.start).days / 7 for _, day in reference.releases()])
        self.rent_exogenous = self._rents()
        self.power_usd_per_mwh = self._power(zone_names)
        self.btc_usd, self.btc_low_usd = self._bitcoin()
        self.sofr = self._sofr()
        self.subsidy_btc = np.where(self.dates < np.datetime64(HALVING), *SUBSIDY_BTC)
        self.hashprice_usd_per_ph_day = self._hashprice()
        # The decline that every valuation expects (contracts.md 3, phi) is the one that happens.
        decline = np.exp(-parameters.hardware.salvage_decay * np.arange(n_weeks) * DT)
        self.salvage_usd = decline[:, None] * parameters.hardware.salvage_usd.array()

    # -- calendar -----------------------------------------------------------------------------------------

    def starts_month(self, week: int) -> bool:
        """Whether the week holds the first of a month."""
        monday = self.start + timedelta(weeks=week)
        return any((monday + timedelta(days=d)).day == 1 for d in range(7))

    # -- rents --------------------------------------------------------------------------------------------

    def _normal(self, purpose: Purpose, n: int) -> Floats:
        entities = np.arange(n)
        return np.array([self.randomness.normal(purpose, week, entities) for week in range(self.n_weeks)])

    def _demand(self) -> tuple[Floats, Floats]:
        """Ornstein-Uhlenbeck log deviation, exact discretisation, plus idiosyncratic ones by generation."""
        rent = self.parameters.rent
        kappa, sigma = rent.demand_mean_reversion, rent.demand_volatility
        keep = np.exp(-kappa * DT)
        spread = sigma * np.sqrt((1 - keep**2) / (2 * kappa))
        common = self._normal(Purpose.DEMAND, 1)[:, 0]
        own = self._normal(Purpose.IDIOSYNCRATIC_RENT, N_GENERATIONS)
        demand, idiosyncratic = np.zeros(self.n_weeks), np.zeros((self.n_weeks, N_GENERATIONS))
        if rent.driver == "flat":
            return demand, idiosyncratic
        if rent.driver == "replay":
            return self._replayed_demand(), idiosyncratic
        own_share = np.sqrt(1.0 - rent.cross_generation_share**2)
        for week in range(1, self.n_weeks):
            demand[week] = keep * demand[week - 1] + spread * common[week]
            idiosyncratic[week] = keep * idiosyncratic[week - 1] + own_share * spread * own[week]
        return demand, idiosyncratic

    def _replayed_demand(self) -> Floats:
        """Deviation implied by the observed H100 contract prints, interpolated in logs, last print held."""
        rows = [
            row
            for row in reference.rows_of("rental_price_points.csv")
            if row["generation"] == "H100" and row["kind"] == "contract_1yr"
        ]
        days = np.array([row["date"] for row in rows], dtype="datetime64[D]").astype(np.int64).astype(float)
        prints = np.log([float(row["usd_per_gpu_hour"]) for row in rows])
        when = self.dates.astype("datetime64[D]").astype(np.int64).astype(float)
        level = np.interp(when, days, prints)
        self.observed["rent"] = (when >= days[0]) & (when <= days[-1])
        trend = self.parameters.rent.trend_deflation * np.arange(self.n_weeks) * DT
        return np.asarray(level - level[0] + trend)

    def _felt(self, week: ArrayLike) -> Floats:
        """Share of each release step that rents show by `week`, whenever it began, trailing axis = releases."""
        passed = np.asarray(week, float)[..., None] - self.release_weeks
        return np.asarray(np.clip(passed / self.parameters.rent.step_ramp_weeks, 0.0, 1.0))

    def _hit(self) -> Floats:
        """Which releases hit which generations, (G, releases): a successor leaves itself and later ones alone."""
        names = [name for name, _ in reference.releases()]
        hits = np.ones((N_GENERATIONS, len(names)))
        for k, name in enumerate(names):
            if name in GENERATIONS:
                hits[GENERATIONS.index(name) :, k] = 0.0
        return hits

    def _deviation(self) -> Floats:
        rent = self.parameters.rent
        share = 1.0 if rent.driver != "stochastic" else rent.cross_generation_share
        return np.asarray(share * self.demand[:, None] + self.shocks)

    def _rents(self) -> Floats:
        rent = self.parameters.rent
        years = np.arange(self.n_weeks) * DT
        log_rent = np.log(rent.initial.array())[None, :] - rent.trend_deflation * years[:, None]
        log_rent = log_rent + self.deviation
        step = -np.log1p(-rent.successor_step)
        # The initial rents already hold what was felt before week 0.
        since_start = self._felt(np.arange(self.n_weeks)) - self._felt(0)
        log_rent -= step * (since_start @ self._hit().T)
        return np.asarray(np.exp(log_rent))

    def rent(self, week: int, supply_ratio: float) -> Floats:
        """Contract rent by generation given running over planned supply, USD per GPU-hour, shape (G,)."""
        feedback = supply_ratio ** (-1.0 / self.parameters.rent.demand_elasticity)
        return np.asarray(self.rent_exogenous[week] * feedback)

    def pending_steps(self, week: int) -> tuple[Floats, Floats]:
        """Years until half of what is left of each release step is felt, and the part of rent it will take, (G, K)."""
        rent = self.parameters.rent
        left = (1.0 - self._felt(week)) * self._hit()
        drops = -np.expm1(np.log1p(-rent.successor_step) * left)
        middle = (np.maximum(self.release_weeks, week) + self.release_weeks + rent.step_ramp_weeks) / 2
        years = np.maximum(middle - week, 0.0) * DT
        return np.broadcast_to(years, drops.shape).copy(), drops

    # -- power, bitcoin, interest -------------------------------------------------------------------------

    def _power(self, zone_names: tuple[str, ...]) -> Floats:
        power = self.parameters.power
        prices = reference.zone_prices()
        mean = np.array([prices[name] for name in zone_names])
        mean = mean + power.delivery_adder_usd_per_mwh
        if power.driver == "flat":
            return np.tile(mean, (self.n_weeks, 1))
        day = (self.dates - self.dates.astype("datetime64[Y]")).astype("timedelta64[D]").astype(int)
        season = power.seasonal_amplitude * np.cos(2 * np.pi * (day / 365.25 - 15 / 365.25))
        keep = np.exp(-power.mean_reversion * DT)
        spread = power.stationary_deviation * np.sqrt(1 - keep**2)
        # A zone's row in the cited table is its entity id, so other sites do not change its weather.
        identity = [list(prices).index(name) for name in zone_names]
        shocks = self._normal(Purpose.POWER, len(prices))[:, identity]
        state = np.zeros((self.n_weeks, len(zone_names)))
        for week in range(1, self.n_weeks):
            state[week] = keep * state[week - 1] + spread * shocks[week]
        # The mean of a lognormal is kept at the cited mean; its variance grows from zero in week 0.
        variance = power.stationary_deviation**2 * (1.0 - keep ** (2 * np.arange(self.n_weeks)))
        level = state - 0.5 * variance[:, None]
        return np.asarray(mean[None, :] * np.exp(level + season[:, None]))

    def _bitcoin(self) -> tuple[Floats, Floats]:
        bitcoin = self.parameters.bitcoin
        if bitcoin.driver == "flat":
            path = np.full(self.n_weeks, bitcoin.initial_price_usd)
            return path, path.copy()
        if bitcoin.driver == "replay":
            path = self._replayed("btc_usd_close", bitcoin.initial_price_usd)
            return path, path.copy()
        luck = self._normal(Purpose.BITCOIN, 1)[:, 0]
        jumps = self._normal(Purpose.BITCOIN_JUMP, 1)[:, 0]
        arrival = np.array(
            [self.randomness.uniform(Purpose.BITCOIN_LOW, week, np.arange(2)) for week in range(self.n_weeks)]
        )
        jump = (arrival[:, 0] < bitcoin.jump_rate * DT) * (bitcoin.jump_mean + bitcoin.jump_deviation * jumps)
        compensator = bitcoin.jump_rate * np.expm1(bitcoin.jump_mean + bitcoin.jump_deviation**2 / 2)
        step = (bitcoin.drift - 0.5 * bitcoin.diffusion**2 - compensator) * DT
        step = step + bitcoin.diffusion * np.sqrt(DT) * luck + jump
        step[0] = 0.0
        path = bitcoin.initial_price_usd * np.exp(np.cumsum(step))
        # Lowest point of a Brownian bridge between two closes, by inversion of its distribution.
        gap = np.abs(step)
        variance = bitcoin.diffusion**2 * DT
        depth = 0.5 * (np.sqrt(gap**2 - 2 * variance * np.log(1.0 - arrival[:, 1])) - gap)
        start = np.r_[path[0], path[:-1]]
        return path, np.minimum(start, path) * np.exp(-depth)

    def _hashprice(self) -> Floats:
        """Observed where a replay has data (fees added to the cited subsidy-only series), else the identity."""
        bitcoin = self.parameters.bitcoin
        network = bitcoin.network_hashrate_eh_per_s * 1000.0
        path = hashprice(self.btc_usd, self.subsidy_btc, bitcoin.fee_share, network)
        if bitcoin.driver != "replay":
            return path
        seen = self._replayed("hashprice_subsidy_only", 0.0) * (1.0 + bitcoin.fee_share)
        return np.asarray(np.where(self.observed["hashprice_subsidy_only"], seen, path))

    def _sofr(self) -> Floats:
        interest = self.parameters.interest
        if interest.driver == "flat":
            return np.full(self.n_weeks, interest.sofr_initial)
        return self._replayed("sofr_avg", interest.sofr_initial * 100.0) / 100.0

    def _replayed(self, name: str, after: float) -> Floats:
        """A monthly series held within the month; where the data ends the last value is kept and marked filled."""
        series = reference.monthly(name)
        month = self.dates.astype("datetime64[M]").astype("datetime64[D]")
        place = np.searchsorted(series.months, month, side="right") - 1
        known = (place >= 0) & (month <= series.months[-1])
        self.observed[name] = known
        if not known.any():
            return np.full(self.n_weeks, after)
        return np.asarray(series.values[np.clip(place, 0, len(series.values) - 1)])
