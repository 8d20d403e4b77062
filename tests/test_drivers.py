"""Exogenous paths: what is pending is what comes, draws are stable, replay shows data (contracts.md 2)."""

from datetime import timedelta

import numpy as np
import pytest

from agents.vocabulary import GENERATIONS
from sim.base import reference
from sim.base.randomness import Randomness
from sim.drivers.drivers import Drivers, hashprice
from sim.drivers.replay import Origin
from sim.parameters import Parameters

H100, VR200 = GENERATIONS.index("H100"), GENERATIONS.index("VR200")


def paths(
    n: int = 156, seed: int = 5, zones: tuple[str, ...] = ("ERCOT", "PJM"), **overrides: object
) -> Drivers:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return Drivers(Parameters.from_overrides({**keys, "clock.weeks": n}), Randomness(seed), zones, n)


@pytest.mark.parametrize("start", ["2025-10-06", "2026-10-05", "2026-12-28", "2027-06-07"])
@pytest.mark.parametrize("week", [0, 13, 26, 40, 70, 150])
def test_pending_steps_are_exactly_what_rents_still_lose(start: str, week: int) -> None:
    """Also for runs that start during or after a ramp: what was felt before week 0 is not pending."""
    flat = paths(
        260, clock__start=start, rent__driver="flat", rent__trend_deflation=0.0, rent__successor_step=0.15
    )
    years, drops = flat.pending_steps(week)
    assert years.shape == drops.shape == (8, 3)
    expected = flat.rent_exogenous[-1] / flat.rent_exogenous[week]
    assert np.prod(1.0 - drops, axis=1) == pytest.approx(expected, rel=1e-12)
    assert np.all(drops[VR200, 0] == 0.0)


def test_a_pending_step_stands_in_the_middle_of_what_is_left_of_its_ramp() -> None:
    flat = paths(156, rent__driver="flat", rent__trend_deflation=0.0, rent__successor_step=0.15)
    for week in (0, 5, 20):
        years, drops = flat.pending_steps(week)
        future = np.log(flat.rent_exogenous[week, H100] / flat.rent_exogenous[week:52, H100])
        half = -np.log1p(-drops[H100, 0]) / 2
        assert years[H100, 0] * 52 == pytest.approx(np.interp(half, future, np.arange(len(future))), abs=0.01)


def test_rent_deviates_by_what_reverts() -> None:
    """economics.md 5 needs D of each generation: its shared part and its own, not the common factor alone."""
    run = paths(156)
    calm = paths(156, rent__driver="flat")
    assert np.log(run.rent_exogenous / calm.rent_exogenous) == pytest.approx(run.deviation, abs=1e-12)
    own = run.deviation - 0.7 * run.demand[:, None]
    assert np.all(own[100] != 0.0)
    assert np.all(calm.deviation == 0.0)


def test_deviation_keeps_the_spread_of_the_factor_in_every_generation() -> None:
    late = np.concatenate([paths(300, seed).deviation[200:] for seed in range(60)])
    assert late.std(axis=0) == pytest.approx(np.full(8, 0.3 / np.sqrt(1.6)), rel=0.2)
    assert np.corrcoef(late[:, H100], late[:, 4])[0, 1] == pytest.approx(0.49, abs=0.2)


def test_power_keeps_the_cited_mean_from_the_first_week() -> None:
    prices = reference.zone_prices()
    mean = np.mean([paths(3, s, power__seasonal_amplitude=0.0).power_usd_per_mwh for s in range(300)], axis=0)
    cited = [prices["ERCOT"] + 10, prices["PJM"] + 10]
    assert mean[0] == pytest.approx(cited)
    assert mean[2] == pytest.approx(cited, rel=0.05)


def test_a_zone_has_the_same_prices_whatever_other_zones_there_are() -> None:
    few, many = paths(30, zones=("PJM",)), paths(30, zones=("MISO", "ERCOT", "PJM"))
    assert np.array_equal(few.power_usd_per_mwh[:, 0], many.power_usd_per_mwh[:, 2])
    assert not np.array_equal(many.power_usd_per_mwh[:, 0] / 45, many.power_usd_per_mwh[:, 1] / 48)


def test_draws_do_not_depend_on_parameters() -> None:
    """Twice the volatility is twice the deviation: the same shocks underneath."""
    one, two = paths(80), paths(80, rent__demand_volatility=0.6)
    assert two.deviation == pytest.approx(2 * one.deviation)
    other = paths(80, bitcoin__drift=0.1)
    growth = np.log(other.btc_usd / one.btc_usd)
    assert np.diff(growth) == pytest.approx(np.full(79, 0.1 / 52))
    assert np.array_equal(other.rent_exogenous, one.rent_exogenous)
    assert np.array_equal(other.power_usd_per_mwh, one.power_usd_per_mwh)


def test_salvage_declines_as_every_valuation_expects() -> None:
    run = paths(105, hardware__salvage_decay=0.3)
    assert run.salvage_usd[104] / run.salvage_usd[0] == pytest.approx(np.full(8, np.exp(-0.6)))


def test_list_prices_are_those_cited_until_october_2026_and_fall_from_then() -> None:
    """By the trend of rents, or by a rate of their own; 52 weeks are 364 of 365.25 days."""
    cited = Parameters().hardware.list_price_usd.array()
    late = paths(60, clock__start="2026-10-05", rent__trend_deflation=0.2)
    assert late.list_price_usd(0).tolist() == cited.tolist()
    assert late.list_price_usd(52) == pytest.approx(cited * np.exp(-0.2 * 364 / 365.25))
    own = paths(60, clock__start="2026-10-05", manufacturer__list_price_decay=0.3)
    assert own.list_price_usd(52) == pytest.approx(cited * np.exp(-0.3 * 364 / 365.25))
    held = paths(60, clock__start="2026-10-05", manufacturer__list_price_decay=0.0)
    assert held.list_price_usd(52).tolist() == cited.tolist()
    early = paths(60, clock__start="2025-10-06", rent__trend_deflation=0.2)
    assert early.list_price_usd(52).tolist() == cited.tolist()
    assert early.list_price_usd(53) == pytest.approx(cited * np.exp(-0.2 * 7 / 365.25))


@pytest.mark.parametrize("name", ["H100", "VR200"])
def test_a_generation_is_sold_for_three_years_from_its_release_and_the_last_for_ever(name: str) -> None:
    """Both are released in the middle of a week: 156 weeks on sale begin with the Monday after and end with that week."""
    generation = GENERATIONS.index(name)
    release = reference.available_from()[generation]
    assert release.weekday() > 0
    run = paths(3, clock__start=(release - timedelta(days=release.weekday())).isoformat())
    sold = [bool(run.on_sale(week)[generation]) for week in (0, 1, 156, 157, 1_000)]
    assert sold == [False, True, True, name == "VR200", name == "VR200"]


def test_halving_halves_hashprice() -> None:
    run = paths(100, bitcoin__driver="flat")
    after = run.dates >= np.datetime64("2028-04-15")
    assert run.hashprice_usd_per_ph_day[~after] == pytest.approx(36.9, abs=0.05)
    assert run.hashprice_usd_per_ph_day[after] == pytest.approx(18.45, abs=0.025)
    assert after.sum() == 100 - 80


def test_replay_shows_observed_hashprice_and_says_where_it_ends() -> None:
    run = paths(60, clock__start="2025-10-06", bitcoin__driver="replay", interest__driver="replay")
    series = reference.monthly("hashprice_subsidy_only")
    known = run.origin["hashprice_usd_per_ph_day"] == Origin.OBSERVED
    june = int(np.flatnonzero(run.dates == np.datetime64("2026-06-08"))[0])
    assert known[june]
    assert not known[june + 4]
    observed = series.values[series.months == np.datetime64("2026-06-01")][0]
    assert run.hashprice_usd_per_ph_day[june] == pytest.approx(observed * 1.01)
    assert run.hashprice_usd_per_ph_day[june + 4] == pytest.approx(
        float(hashprice(run.btc_usd[june + 4], 3.125, 0.01, 1e6))
    )
    assert np.all((run.sofr > 0.03) & (run.sofr < 0.05))


def test_flat_drivers_do_not_move() -> None:
    run = paths(20, bitcoin__driver="flat", power__driver="flat", rent__driver="flat")
    assert np.ptp(run.btc_usd) == 0
    assert np.array_equal(run.btc_usd, run.btc_low_usd)
    assert np.ptp(run.power_usd_per_mwh, axis=0).max() == 0
    assert np.ptp(run.sofr) == 0
