"""What comes from outside: rents, power, bitcoin, interest, salvage and the release schedule.

Whole paths are drawn when a model is made, so every branch of a run sees the same world; only the feedback of
running supply on rents is added week by week. Laws: contracts.md section 2 and economics.md section 6; one module for
each of `bitcoin`, `rent`, `power`, `interest`, and `regime` for what links them.
"""

from datetime import date, timedelta
from typing import Any

import numpy as np

from agents.vocabulary import DAYS_PER_JULIAN_YEAR, GENERATIONS, WEEKS_PER_YEAR, Bools, Floats, Ints
from sim.base import reference
from sim.base.declared import POSITIVE, WEEK, Declared
from sim.base.randomness import Randomness
from sim.drivers.bitcoin import bitcoin_path, hashprice, subsidy_btc
from sim.drivers.catalogue import sold_in
from sim.drivers.interest import sofr_path, spread_path
from sim.drivers.power import power_path
from sim.drivers.regime import regime_path
from sim.drivers.rent import Releases, rent_path
from sim.drivers.replay import Origin, month_means
from sim.parameters import ParameterError, Parameters
from sim.parameters.outside import BitcoinParameters, RentParameters

DT = 1.0 / WEEKS_PER_YEAR
# List prices are cited for this date (sim/data/gpu_generations.csv).
PRICED = date(2026, 10, 5)

DRIVERS = {
    "week": Declared("week", "week of the run", WEEK),
    "date": Declared("date", "its Monday"),
    "series": Declared("", "what moves"),
    "value": Declared(
        "see unit", "value when the week closes, before the feedback of supply on rents", POSITIVE
    ),
    "unit": Declared("", "unit of the value"),
    "origin": Declared(
        "", "assumed, drawn, filled, interpolated between cited values, or observed in this week"
    ),
}


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
    stress : (T,) whether the week is one of stress;
    demand : (T,) log deviation of rent demand common to all generations;
    deviation : (T, G) the whole log deviation of each generation's rent, which is what reverts to zero;
    rent_exogenous : (T, G) contract rent, USD per GPU-hour before feedback; spot_factor : (T, G) spot over contract;
    power_usd_per_mwh : (T, zones); btc_usd, btc_low_usd, hashprice_usd_per_ph_day : (T,);
    sofr, spread : (T,) base rate and what lenders ask above it for mixed tenants, per year;
    salvage_usd : (T, G); dates : (T,) Mondays; origin : series -> `sim.drivers.replay.Origin` of every week.
    """

    def __init__(
        self, parameters: Parameters, randomness: Randomness, zone_names: tuple[str, ...], n_weeks: int
    ) -> None:
        self.demand_elasticity = parameters.rent.demand_elasticity
        self.randomness = randomness
        self.n_weeks = n_weeks
        self.zone_names = zone_names
        try:
            self.start = date.fromisoformat(parameters.clock.start)
        except ValueError:
            raise ParameterError(
                f"clock.start = {parameters.clock.start!r}; an ISO date such as 2026-10-05"
            ) from None
        self.dates = np.datetime64(self.start) + 7 * np.arange(n_weeks)
        self.origin: dict[str, Ints] = {}
        self.compute_weight = reference.compute_weights()
        self.weeks_since_release = np.array(
            [(self.start - day).days // 7 for day in reference.available_from()], dtype=np.int64
        )
        self.regime = regime_path(parameters.correlation, randomness, n_weeks)
        self.stress = self.regime.stress
        self._draw_bitcoin(parameters.bitcoin)
        self._draw_rents(parameters.rent)
        self.power_usd_per_mwh, by_zone = power_path(parameters.power, randomness, zone_names, self.dates)
        self.origin |= {f"power_usd_per_mwh_{name}": origin for name, origin in by_zone.items()}
        self._draw_interest(parameters)
        self._check_cover(parameters)
        self._list_price_usd = parameters.hardware.list_price_usd.array()
        decay = parameters.manufacturer.list_price_decay
        self._list_price_decay = decay if decay >= 0 else parameters.rent.trend_deflation
        # The decline that every valuation expects (contracts.md 3, phi) is the one that happens.
        decline = np.exp(-parameters.hardware.salvage_decay * np.arange(n_weeks) * DT)
        self.salvage_usd = decline[:, None] * parameters.hardware.salvage_usd.array()

    def _draw_bitcoin(self, bitcoin: BitcoinParameters) -> None:
        drawn = bitcoin_path(bitcoin, self.randomness, self.regime, self.start, self.n_weeks)
        self.bitcoin_score = drawn.score
        self.btc_usd, self.btc_low_usd = drawn.usd, drawn.low_usd
        self.origin["btc_usd"] = drawn.origin
        self.subsidy_btc = subsidy_btc(self.dates)
        network = bitcoin.network_hashrate_eh_per_s * 1000.0
        path = hashprice(self.btc_usd, self.subsidy_btc, bitcoin.fee_share, network)
        origin = np.where(drawn.origin >= Origin.INTERPOLATED, Origin.FILLED, drawn.origin)
        if bitcoin.driver == "replay" and not bitcoin.replay_file:
            # The cited series leaves fees out.
            seen = month_means(reference.monthly("hashprice_subsidy_only"), self.dates)
            known = seen.origin == Origin.OBSERVED
            path = np.where(known, seen.values * (1.0 + bitcoin.fee_share), path)
            origin = np.where(known, seen.origin, origin)
        self.hashprice_usd_per_ph_day = np.asarray(path)
        self.origin["hashprice_usd_per_ph_day"] = origin

    def _draw_rents(self, rent: RentParameters) -> None:
        self.releases = Releases(rent, self.start)
        drawn = rent_path(
            rent, self.randomness, self.regime, self.bitcoin_score, self.releases, self.start, self.n_weeks
        )
        self.demand, self.shocks, self.deviation = drawn.demand, drawn.shocks, drawn.deviation
        self.rent_exogenous, self.spot_factor = drawn.exogenous, drawn.spot_factor
        self.origin |= {f"rent_usd_per_hour_{name}": origin for name, origin in drawn.origin.items()}

    def _draw_interest(self, parameters: Parameters) -> None:
        interest = parameters.interest
        sofr = sofr_path(interest, self.dates)
        self.sofr, self.origin["sofr"] = sofr.values, sofr.origin
        spread = spread_path(
            interest,
            interest.spread_initial,
            np.where(self.stress, parameters.correlation.stress_spread_rise, 0.0),
            self.dates,
        )
        self.spread, self.origin["spread"] = spread.values, spread.origin

    def _check_cover(self, parameters: Parameters) -> None:
        """A replay of cited data that has none in the run's weeks would be a constant; it is refused."""
        replays = {
            "rent.driver": "rent_usd_per_hour",
            "bitcoin.driver": "btc_usd",
            "interest.driver": "sofr",
            "interest.spread_driver": "spread",
        }
        for key, series in replays.items():
            section, _, name = key.partition(".")
            found = [origin for path, origin in self.origin.items() if path.startswith(series)]
            is_cited = any((origin >= Origin.INTERPOLATED).any() for origin in found)
            if getattr(getattr(parameters, section), name) == "replay" and not is_cited:
                ends = self.start + timedelta(weeks=self.n_weeks)
                raise ParameterError(
                    f"{key} = replay: no cited value of {series} falls into the run, {self.start} to {ends}; change "
                    f"clock.start or name {section}.replay_file"
                )

    # -- calendar -----------------------------------------------------------------------------------------

    def starts_month(self, week: int) -> bool:
        """Whether the week holds the first of a month."""
        monday = self.start + timedelta(weeks=week)
        return any((monday + timedelta(days=d)).day == 1 for d in range(7))

    def months_begun(self, week: int) -> int:
        """How many firsts of a month the run has seen when the week is over."""
        before, last = self.start - timedelta(days=1), self.start + timedelta(weeks=week, days=6)
        return 12 * (last.year - before.year) + last.month - before.month

    # -- what is sold -------------------------------------------------------------------------------------

    def on_sale(self, week: int) -> Bools:
        """Generations sold new in a week: for three years from their release, the last one for ever, (G,)."""
        return np.asarray(sold_in(np.array([week]), self.start)[0])

    def list_price_usd(self, week: int) -> Floats:
        """List price of a new unit of each generation, USD: as cited until October 2026, then falling, (G,)."""
        years = max((self.start - PRICED).days + 7 * week, 0) / DAYS_PER_JULIAN_YEAR
        return np.asarray(self._list_price_usd * np.exp(-self._list_price_decay * years))

    # -- rents --------------------------------------------------------------------------------------------

    def rent(self, week: int, supply_ratio: float) -> Floats:
        """Contract rent by generation given running over planned supply, USD per GPU-hour, shape (G,)."""
        feedback = supply_ratio ** (-1.0 / self.demand_elasticity)
        return np.asarray(self.rent_exogenous[week] * feedback)

    def pending_steps(self, week: int) -> tuple[Floats, Floats]:
        """Years until half of what is left of each release step is felt, and the part of rent it will take, (G, K)."""
        return self.releases.pending(week)

    # -- record -------------------------------------------------------------------------------------------

    def series(self) -> dict[str, tuple[Floats, str]]:
        """Every recorded path and its unit, named as in `origin`."""
        paths: dict[str, tuple[Floats, str]] = {
            "btc_usd": (self.btc_usd, "USD"),
            "hashprice_usd_per_ph_day": (self.hashprice_usd_per_ph_day, "USD per PH/s and day"),
            "sofr": (self.sofr, "per year"),
            "spread": (self.spread, "per year"),
        }
        for g, name in enumerate(GENERATIONS):
            paths[f"rent_usd_per_hour_{name}"] = (self.rent_exogenous[:, g], "USD per GPU-hour")
        for z, name in enumerate(self.zone_names):
            paths[f"power_usd_per_mwh_{name}"] = (self.power_usd_per_mwh[:, z], "USD per MWh")
        return paths

    def table(self) -> tuple[dict[str, np.ndarray[Any, np.dtype[Any]]], dict[str, Declared]]:
        """One row per week and series with its origin, for the run's `drivers` table, and what is declared of its columns."""
        paths, weeks = self.series(), np.arange(self.n_weeks)
        names = np.array([origin.name.lower() for origin in Origin])
        columns = {
            "week": np.tile(weeks, len(paths)),
            "date": np.tile(self.dates.astype("datetime64[D]"), len(paths)),
            "series": np.repeat(list(paths), self.n_weeks),
            "value": np.concatenate([values for values, _ in paths.values()]),
            "unit": np.repeat([unit for _, unit in paths.values()], self.n_weeks),
            "origin": names[np.concatenate([self.origin[name] for name in paths])],
        }
        return columns, DRIVERS

    def provenance(self) -> dict[str, dict[str, int]]:
        """Series -> origin -> number of weeks, for the manifest; origins that do not occur are left out."""
        return {
            name: {
                kind.name.lower(): int((origin == kind).sum()) for kind in Origin if (origin == kind).any()
            }
            for name, origin in self.origin.items()
        }


__all__ = ["Drivers", "hashprice"]
