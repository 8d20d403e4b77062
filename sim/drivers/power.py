"""Power prices by grid zone and week: cited mean, season, and a mean-reverting deviation.

The season is a property of the zone: the month in which it peaks stands beside its price in `power_prices.csv`, and a
zone on a tariff, or near the equator, has none. Weekly spikes are left out (economics.md section 17).
"""

from datetime import date

import numpy as np

from agents.vocabulary import DAYS_PER_JULIAN_YEAR, WEEKS_PER_YEAR, Floats, Ints
from sim.base import reference
from sim.base.randomness import Purpose, Randomness
from sim.base.user_table import Number, TableError
from sim.drivers.regime import weekly_normals
from sim.drivers.replay import Origin, interpolated, prints_of
from sim.parameters.outside import PowerParameters

DT = 1.0 / WEEKS_PER_YEAR
MID_MONTH = 15
PRICE = Number("value", low=1, high=1_000, unit="USD per MWh")


def peak_day(month: int) -> float:
    """Day of the year on which a season that peaks in `month` is highest: the middle of it.

    >>> peak_day(1), peak_day(8)
    (15.0, 227.0)
    """
    first = (date(2026, month, 1) - date(2026, 1, 1)).days
    return float(first + MID_MONTH)


def power_path(
    parameters: PowerParameters,
    randomness: Randomness,
    zone_names: tuple[str, ...],
    mondays: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]],
) -> tuple[Floats, dict[str, Ints]]:
    """USD per MWh delivered, shape (T, zones), and the origin of every zone's weeks."""
    n_weeks = len(mondays)
    prices = reference.zone_prices()
    mean = np.array([prices[name] for name in zone_names])
    mean = mean + parameters.delivery_adder_usd_per_mwh
    stochastic = parameters.driver == "stochastic"
    origin = {
        name: np.full(n_weeks, int(Origin.DRAWN if stochastic else Origin.ASSUMED)) for name in zone_names
    }
    if parameters.driver == "flat":
        return np.tile(mean, (n_weeks, 1)), origin
    day = (mondays - mondays.astype("datetime64[Y]")).astype("timedelta64[D]").astype(int)
    season = parameters.seasonal_amplitude * _season(zone_names, day)
    if parameters.driver == "replay":
        return _replayed(parameters, zone_names, mondays, mean[None, :] * np.exp(season))
    keep = np.exp(-parameters.mean_reversion * DT)
    spread = parameters.stationary_deviation * np.sqrt(1 - keep**2)
    # A zone's row in the cited table is its entity id, so other sites do not change its weather.
    identity = [list(prices).index(name) for name in zone_names]
    shocks = weekly_normals(randomness, Purpose.POWER, n_weeks, len(prices))[:, identity]
    state = np.zeros((n_weeks, len(zone_names)))
    for week in range(1, n_weeks):
        state[week] = keep * state[week - 1] + spread * shocks[week]
    # The mean of a lognormal is kept at the cited mean; its variance grows from zero in week 0.
    variance = parameters.stationary_deviation**2 * (1.0 - keep ** (2 * np.arange(n_weeks)))
    level = state - 0.5 * variance[:, None]
    return np.asarray(mean[None, :] * np.exp(level + season)), origin


def _season(zone_names: tuple[str, ...], day: Ints) -> Floats:
    """Cosine of the season, 1 at the zone's peak, shape (T, zones); zero where a zone has none."""
    months = reference.peak_months()
    peaks = np.array([peak_day(months[name] or 1) for name in zone_names])
    has_one = np.array([months[name] is not None for name in zone_names])
    swing = np.cos(2 * np.pi * (day[:, None] / DAYS_PER_JULIAN_YEAR - peaks / DAYS_PER_JULIAN_YEAR))
    return np.asarray(np.where(has_one, swing, 0.0))


def _replayed(
    parameters: PowerParameters,
    zone_names: tuple[str, ...],
    mondays: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]],
    typical: Floats,
) -> tuple[Floats, dict[str, Ints]]:
    """Prints of a user's file where it has the zone; the cited mean and season, marked filled, where it has not."""
    n_weeks = len(mondays)
    path = typical.copy()
    origin = {name: np.full(n_weeks, int(Origin.FILLED)) for name in zone_names}
    start = date.fromisoformat(str(mondays[0].astype("datetime64[D]")))
    file = parameters.replay_file
    prints = prints_of(file, dict.fromkeys(reference.zone_prices(), PRICE), start, n_weeks) if file else {}
    if file and not set(prints) & set(zone_names):
        raise TableError(f"{file}: no site lies in {', '.join(prints)}; sites lie in {', '.join(zone_names)}")
    for z, name in enumerate(zone_names):
        if name in prints:
            cited = interpolated(start, *prints[name], n_weeks)
            path[:, z] = cited.values + parameters.delivery_adder_usd_per_mwh
            origin[name] = cited.origin
    return path, origin
