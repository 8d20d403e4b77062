"""Numbers that were computed by hand, or by others, before the model was written (contracts.md 3, theory.md A)."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.loans import balance_after, debt_service_coverage, rent_at_coverage

from agents.bidding import cash_ladder, refine_ladder
from agents.valuation import (
    believed_value,
    conditional_mean_value,
    economic_life,
    running_cost_per_hour,
    unit_value,
)
from sim.base import reference
from sim.base.randomness import Purpose, Randomness
from sim.base.rounding import largest_remainder
from sim.debt.terms import level_payment
from sim.drivers.drivers import Drivers, hashprice
from sim.drivers.replay import Origin, week_of
from sim.kernel.book import Book, Network
from sim.kernel.clearing import clear
from sim.parameters import Parameters

# site: power USD/kWh, PUE, hosting USD/kW-month -> value at rents 2.65, 2.35, 1.70, 1.00
VALUE_TABLE = {
    "default": ((0.05, 1.25, 120.0), (26_041, 21_721, 12_421, 3_778)),
    "owned site": ((0.03, 1.15, 0.0), (32_971, 28_651, 19_291, 9_212)),
    "miner-converted": ((0.045, 1.25, 80.0), (28_254, 23_935, 14_575, 5_139)),
    "retail colocation": ((0.09, 1.40, 184.0), (20_826, 16_614, 8_195, 1_816)),
}
RENTS = (2.65, 2.35, 1.70, 1.00)


def h100(rent: float, cost: float, **other: float) -> dict[str, float]:
    base = {
        "rent": rent,
        "utilisation": 0.8,
        "trend": 0.25,
        "discount_rate": 0.15,
        "hazard": 0.03,
        "cost_per_hour": cost,
        "salvage": 1500.0,
        "salvage_decay": 0.2,
        "remaining_life_years": 5.0,
    }
    return base | other


@pytest.mark.parametrize("site", VALUE_TABLE)
def test_value_table(site: str) -> None:
    (power, pue, hosting), expected = VALUE_TABLE[site]
    cost = float(running_cost_per_hour(1.275, power, pue, 0.85, hosting)) + 0.15
    values = [float(unit_value(**h100(rent, cost))) for rent in RENTS]
    assert values == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize("site", VALUE_TABLE)
@pytest.mark.parametrize("rent", RENTS)
def test_conditional_mean_equals_closed_form_without_deviation(site: str, rent: float) -> None:
    (power, pue, hosting), _ = VALUE_TABLE[site]
    cost = float(running_cost_per_hour(1.275, power, pue, 0.85, hosting)) + 0.15
    steps = {"step_years": np.array([0.7, 2.0]), "step_drops": np.array([0.15, 0.1])}
    for extra in ({}, steps):
        closed = float(unit_value(**h100(rent, cost), **extra))
        mean = float(conditional_mean_value(demand=0.0, mean_reversion=0.8, **h100(rent, cost), **extra))
        assert mean == pytest.approx(closed, abs=0.01)


def test_closed_form_against_brute_force_integration() -> None:
    cost, years = 0.43, np.array([0.5, 1.75])
    drops = np.array([0.2, 0.1])
    when = np.linspace(0.0, 5.0, 2_000_001)
    level = np.prod(np.where(when[:, None] >= years, 1 - drops, 1.0), axis=1)
    margin = 2.0 * 0.8 * np.exp(-0.25 * when) * level - cost
    life = when[margin > 0][-1]
    inside = when <= life
    value = 8760 * np.trapezoid(margin[inside] * np.exp(-0.18 * when[inside]), when[inside])
    value += 1500 * np.exp(-0.38 * life)
    closed = float(unit_value(**h100(2.0, cost), step_years=years, step_drops=drops))
    assert closed == pytest.approx(value, rel=1e-5)


def test_economic_life() -> None:
    assert float(economic_life(1.70, 0.8, 0.25, 0.4273)) == pytest.approx(4.6, abs=0.05)
    assert float(economic_life(1.00, 0.8, 0.25, 0.4273)) == pytest.approx(2.5, abs=0.05)
    assert float(economic_life(0.50, 0.8, 0.25, 0.4273)) == 0.0


def test_a_rent_above_its_mean_is_worth_less_when_it_is_expected_back() -> None:
    deviation = {"demand": 0.25, "mean_reversion": 0.8, "extrapolation": 0.5}
    myopic, consistent, more = (
        float(believed_value(b, **deviation, **h100(2.35, 0.43)))
        for b in ("myopic", "consistent", "extrapolative")
    )
    assert consistent < myopic < more
    with pytest.raises(ValueError, match="one of myopic, consistent, extrapolative"):
        believed_value("rosy", **deviation, **h100(2.35, 0.43))


def test_loan_check() -> None:
    advance = 33_600 * 0.7142
    payment = float(level_payment(advance, 0.105, 60))
    assert payment == pytest.approx(515.79, abs=0.005)
    assert float(balance_after(advance, 0.105, 60, 12)) == pytest.approx(20_145, abs=1)
    assert float(balance_after(advance, 0.105, 60, 24)) == pytest.approx(15_869, abs=1)
    assert float(balance_after(advance, 0.105, 60, 60)) == pytest.approx(0, abs=1e-6)
    coverage = debt_service_coverage(np.array(RENTS), 0.8, 0.42733, payment)
    assert coverage == pytest.approx((2.40, 2.06, 1.32, 0.53), abs=0.006)
    thresholds = rent_at_coverage(np.array([1.0, 1.25, 1.45]), 0.8, 0.42733, payment)
    assert thresholds == pytest.approx((1.417, 1.638, 1.815), abs=0.001)


def test_collateral_illusion() -> None:
    """A current loan, inside its cost base, on collateral worth less than the debt."""
    balance = float(balance_after(33_600 * 0.7142, 0.105, 60, 24))
    worth = float(unit_value(**h100(1.70, 0.42733)))
    assert balance / worth == pytest.approx(1.28, abs=0.005)
    assert balance / float(unit_value(**h100(1.00, 0.42733))) == pytest.approx(4.2, abs=0.01)


def test_hashprice() -> None:
    assert float(hashprice(86_000, 3.125, 0.01, 1.02e6)) == pytest.approx(38.3, abs=0.05)
    assert float(hashprice(81_143, 3.125, 0.01, 1.0e6)) == pytest.approx(36.9, abs=0.05)


# -- theory fixtures on the product's own kernel and bidding -------------------------------------------------


def one_node_price(reserve: int, supply: int, buyers: list[tuple[int, int]], steps: int = 400) -> float:
    """Clearing price with cash-covered demand curves of (value, cash) in one place, theta = 0."""
    value, cash = (np.array(c, dtype=np.int64) for c in zip(*buyers, strict=True))
    n = len(value)
    wanted = np.full(n, supply * 4, dtype=np.int64)
    one = np.ones(n, dtype=np.int64)
    limit, quantity, _ = cash_ladder(value, wanted, cash, one, reserve * one, steps)
    book = Book(
        np.r_[0, np.ones(len(limit))].astype(np.int8),
        np.zeros(1 + len(limit), np.int32),
        np.zeros(1 + len(limit), np.int32),
        np.r_[supply, quantity],
        np.r_[reserve, limit],
        np.array([10**12]),
        np.array([0]),
    )
    none = np.zeros((1, 0), np.int64)
    network = Network(1, np.zeros((0, 2), np.int32), none, one[:1], 1000 * one[:1], np.array([False]))
    return float(clear(book, network, theta=0.0).price[0, 0])


@pytest.mark.parametrize(
    ("supply", "price"), [(200, 20_000), (400, 20_000), (600, 13_333), (1000, 8_000), (2000, 4_000)]
)
def test_t1_cash_in_the_market(supply: int, price: float) -> None:
    """Allen and Gale: p = max(r, min(V, C/Q)) with V = 20,000 and C = 8 million (theory.md T1), 1 % for the ladder."""
    assert one_node_price(100, supply, [(20_000, 8_000_000)]) == pytest.approx(price, rel=0.01)


@pytest.mark.parametrize(("share", "price"), [(0.2, 20.0), (0.3, 16.333), (0.5, 7.0), (0.6, 6.0)])
def test_t2_industry_distress(share: float, price: float) -> None:
    """Shleifer and Vishny: p = max(V_O, min(V_I, (1-phi) c / phi)), V_I = 20, V_O = 6, c = 7 (theory.md T2)."""
    units, cents = 1000, 1000
    supply = round(share * units)
    insiders = ((20 * cents), round((1 - share) * units * 7 * cents))
    outsiders = (6 * cents, 10**9)
    assert one_node_price(1, supply, [insiders, outsiders]) / cents == pytest.approx(price, rel=0.01)


intents = st.lists(
    st.tuples(
        st.integers(1, 50_000), st.integers(0, 500), st.integers(0, 10**7), st.sampled_from([1, 8, 72])
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(intents, st.integers(1, 60_000), st.integers(2, 30))
def test_a_ladder_never_promises_more_cash_than_there_is(
    rows: list[tuple[int, int, int, int]], price: int, steps: int
) -> None:
    value, wanted, cash, unit = (np.array(c, dtype=np.int64) for c in zip(*rows, strict=True))
    wanted = wanted // unit * unit
    floor = np.ones_like(value)
    for limit, quantity, row in (
        cash_ladder(value, wanted, cash, unit, floor, steps),
        refine_ladder(value, wanted, cash, unit, floor, steps, np.full_like(value, price)),
    ):
        for i in range(len(value)):
            mine = row == i
            bought = int(quantity[mine & (limit >= price)].sum())
            assert bought * price <= cash[i]
            assert bought <= wanted[i]
            assert np.all(quantity[mine] % unit[i] == 0)
            assert np.all(limit[mine] <= value[i])


def test_refining_brings_demand_within_a_fraction_of_a_percent() -> None:
    value, wanted, cash = (np.array([x], dtype=np.int64) for x in (2_000_000, 100_000, 8_000_000_000))
    unit, floor = np.array([1]), np.array([1000])
    price = 1_234_567
    exact = int(cash[0]) // price
    for ladder, tolerance in ((cash_ladder, 0.2), (refine_ladder, 0.002)):
        extra = (np.array([price]),) if ladder is refine_ladder else ()
        limit, quantity, _ = ladder(value, wanted, cash, unit, floor, 16, *extra)
        assert int(quantity[limit >= price].sum()) == pytest.approx(exact, rel=tolerance)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**12), st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_largest_remainder_sums_exactly(total: int, weights: list[float]) -> None:
    share = largest_remainder(total, weights)
    assert int(share.sum()) == total
    assert share.min() >= 0


# -- randomness and drivers ----------------------------------------------------------------------------------


def test_draws_depend_on_the_entity_alone() -> None:
    random = Randomness(11, 3)
    few = random.uniform(Purpose.FAILURE, 9, np.array([4, 2]))
    many = random.uniform(Purpose.FAILURE, 9, np.arange(100))
    assert few.tolist() == [many[4], many[2]]
    assert random.uniform(Purpose.FAILURE, 10, np.array([4]))[0] != few[0]
    assert random.uniform(Purpose.TENANCY, 9, np.array([4]))[0] != few[0]
    assert Randomness(11, 4).uniform(Purpose.FAILURE, 9, np.array([4]))[0] != few[0]


def paths(n: int = 520, seed: int = 5, **overrides: object) -> Drivers:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    parameters = Parameters.from_overrides({**keys, "clock.weeks": n})
    return Drivers(parameters, Randomness(seed), ("ERCOT", "PJM"), n)


def test_longer_paths_begin_like_shorter_ones() -> None:
    short, long = paths(20), paths(60)
    assert np.array_equal(short.btc_usd, long.btc_usd[:20])
    assert np.array_equal(short.rent_exogenous, long.rent_exogenous[:20])


def test_demand_has_its_stationary_deviation() -> None:
    values = np.concatenate([paths(520, seed).demand[200:] for seed in range(30)])
    assert values.std() == pytest.approx(0.3 / np.sqrt(2 * 0.8), rel=0.12)


def test_bitcoin_keeps_its_mean_and_its_low_is_low() -> None:
    runs = [paths(104, seed) for seed in range(200)]
    ends = np.array([run.btc_usd[-1] for run in runs]) / 81_143
    error = ends.std() / np.sqrt(len(ends))
    assert abs(ends.mean() - 1.0) < 4 * error
    assert all(np.all(run.btc_low_usd <= run.btc_usd + 1e-9) for run in runs)


def test_power_keeps_the_cited_mean() -> None:
    mean = np.mean([paths(520, seed).power_usd_per_mwh.mean(axis=0) for seed in range(20)], axis=0)
    assert mean == pytest.approx([48.0, 61.0], rel=0.04)


def test_replay_of_the_contradicting_episode() -> None:
    """October 2025 to March 2026: bitcoin down 39 %, H100 contract rent up 38 %."""
    run = paths(
        40,
        clock__start="2025-09-29",
        rent__driver="replay",
        bitcoin__driver="replay",
        rent__initial_usd_per_hour__H100=1.70,
    )
    closes = [week_of(run.start, date(2025, 10, 31)), week_of(run.start, date(2026, 3, 31))]
    prints = [week_of(run.start, day) for day in reference.rent_prints()["H100"][0][:2]]
    bitcoin, rent = run.btc_usd[closes], run.rent_exogenous[prints, 2]
    assert bitcoin[1] / bitcoin[0] - 1 == pytest.approx(-0.39, abs=0.005)
    assert rent[1] / rent[0] - 1 == pytest.approx(0.38, abs=0.005)
    assert np.all(run.origin["btc_usd"][closes] == Origin.OBSERVED)
    assert np.all(run.origin["rent_usd_per_hour_H100"][prints] == Origin.OBSERVED)


def test_a_successor_lowers_older_rents_once_and_spares_itself() -> None:
    flat = paths(
        60,
        rent__driver="flat",
        rent__trend_deflation=0.0,
        rent__successor_step=0.15,
        clock__start="2026-09-28",
    )
    assert flat.rent_exogenous[26, 2] / flat.rent_exogenous[0, 2] == pytest.approx(0.85, abs=0.01)
    assert flat.rent_exogenous[26, 7] == pytest.approx(flat.rent_exogenous[0, 7])
    years, drops = flat.pending_steps(0)
    assert drops[2, 0] == pytest.approx(0.15, abs=0.01)
    assert drops[7, 0] == 0.0
    assert np.all(years >= 0)


def test_supply_feedback_acts_on_deviations() -> None:
    run = paths(2)
    assert run.rent(1, 1.0) == pytest.approx(run.rent_exogenous[1])
    assert run.rent(1, 1.01) == pytest.approx(run.rent_exogenous[1] * 1.01 ** (-1 / 1.5))


def test_months_are_found() -> None:
    run = paths(60)
    assert sum(run.starts_month(week) for week in range(52)) == 12
