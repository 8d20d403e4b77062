"""The base rate and the spread lenders ask above it: held, or replayed; stress adds to the spread."""

from datetime import date

import numpy as np

from agents.vocabulary import Floats
from sim.base import reference
from sim.base.user_table import Number, TableError
from sim.drivers.replay import Origin, WeeklyPath, interpolated, month_means, prints_of
from sim.parameters.outside import InterestParameters

PER_CENT = 100.0
BASIS_POINTS = 10_000.0
RATE = Number("value", low=0.0001, high=0.5, unit="per year (4 % is 0.04)")
RANGES = {"sofr": RATE, "spread": RATE}


def sofr_path(
    parameters: InterestParameters, mondays: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]
) -> WeeklyPath:
    """SOFR by week, per year."""
    if parameters.driver == "flat":
        return _held(parameters.sofr_initial, len(mondays))
    if parameters.replay_file:
        prints = _prints(parameters, mondays)
        if "sofr" in prints:
            return interpolated(_start(mondays), *prints["sofr"], len(mondays))
    path = month_means(reference.monthly("sofr_avg"), mondays)
    return WeeklyPath(path.values / PER_CENT, path.origin)


def spread_path(
    parameters: InterestParameters,
    base: float,
    stress: Floats,
    mondays: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]],
) -> WeeklyPath:
    """Spread over SOFR asked of borrowers with mixed tenants, per year.

    Parameters
    ----------
    base
        ``lenders.spread_mixed``, the spread in calm.
    stress : (T,) what the regime adds; a replayed spread holds its own stress and takes none.
    """
    if parameters.spread_driver == "flat":
        held = _held(base, len(mondays))
        return WeeklyPath(held.values + stress, held.origin)
    if parameters.replay_file:
        prints = _prints(parameters, mondays)
        if "spread" in prints:
            return interpolated(_start(mondays), *prints["spread"], len(mondays))
    days, values = reference.spread_prints()["mixed"]
    path = interpolated(_start(mondays), days, values, len(mondays))
    return WeeklyPath(path.values / BASIS_POINTS, path.origin)


def _prints(
    parameters: InterestParameters, mondays: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]
) -> dict[str, tuple[list[date], list[float]]]:
    """Prints of the user's file; a file of which nothing is read is a mistake."""
    prints = prints_of(parameters.replay_file, RANGES, _start(mondays), len(mondays))
    drivers = {"sofr": parameters.driver, "spread": parameters.spread_driver}
    if not any(drivers[name] == "replay" for name in prints):
        held = " and ".join(prints)
        raise TableError(
            f"{parameters.replay_file}: it holds {held} alone, which is not read with interest.driver = "
            f"{parameters.driver}, interest.spread_driver = {parameters.spread_driver}"
        )
    return prints


def _held(value: float, n_weeks: int) -> WeeklyPath:
    return WeeklyPath(np.full(n_weeks, value), np.full(n_weeks, int(Origin.ASSUMED)))


def _start(mondays: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]) -> date:
    return date.fromisoformat(str(mondays[0].astype("datetime64[D]")))
