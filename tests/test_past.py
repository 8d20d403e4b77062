"""The past by hand: a vintage that is paid, one that runs out, one that fails; what stands where; and dates of halls."""

from datetime import date

import numpy as np
import pytest

from agents.vocabulary import GENERATIONS, LIQUID_ONLY, UNIT
from sim.base.randomness import Randomness
from sim.construction.pipeline import cut, delay_weeks, expected_opening
from sim.drivers.catalogue import sold_in
from sim.drivers.history import past_base_rates, past_rents
from sim.drivers.plan import planned, promised_a_year
from sim.opening.ageing import Past, level_payment_of, live
from sim.opening.fleets import neo_cloud_sizes, owners_of_halls
from sim.opening.purchases import fill, mix_of
from sim.parameters import Parameters

START = date(2026, 10, 5)
UNIT_WATTS = Parameters().hardware.unit_watts.array().astype(np.int64)
FOREVER = 1


def past_of(*rows: dict[str, float]) -> Past:
    """Deals of 1,000 GPUs at 2 USD, running for 100,000 USD a month, a million borrowed over 36 months at 12 %."""
    usual = {
        "owner": 0, "tier": 1, "tenant": 0, "years": 4.0, "month": -24, "end": 24, "gpus": 1_000.0, "cost": 2e6,
        "usd_per_hour": 2.0, "kept": 0.7, "running_cost_usd": 100_000.0, "spot_usd_per_hour": 1.5,
        "spot_revenue_usd": 600_000.0, "value": 5e5,
        "balance_usd": 1e6, "loan_rate": 0.12, "months_left": 36, "notes": 0.0, "defaulted": False,
    }  # fmt: skip
    table = {name: np.array([(usual | row)[name] for row in rows]) for name in usual}
    table["payment_usd"] = level_payment_of(
        table["balance_usd"], table["loan_rate"], table["months_left"].astype(float)
    )
    return Past(**table)


def lived(past: Past, rent: float = 1.0, fails: int = FOREVER, months: int = 36):
    return live(
        past,
        np.full(months, rent),
        np.array([fails]),
        Randomness(7),
        renewal=0.0,
        trend=0.25,
        hurdle=0.15,
        reserve_months=3.0,
        notes_coupon=0.09,
        experience_months=36,
    )


def test_a_loan_is_paid_month_by_month_to_week_0() -> None:
    """After 24 of 36 level payments the balance is the present value of the last twelve."""
    past = past_of({})
    _, seen = lived(past)
    payment = 1e6 * 0.01 / (1 - 1.01**-36)
    assert past.balance_usd[0] == pytest.approx(sum(payment / 1.01**k for k in range(1, 13)))
    assert past.months_left[0] == 12
    assert seen.loan_years.tolist() == [0.0, pytest.approx(2.0), 0.0]
    assert seen.defaults.sum() == 0


def test_a_loan_that_has_run_out_is_gone_and_so_is_a_contract() -> None:
    past = past_of({"months_left": 20, "end": -6})
    lived(past)
    assert (past.balance_usd[0], past.months_left[0], past.end[0]) == (0.0, 0, -6)


def test_cash_above_three_months_goes_into_the_next_purchases() -> None:
    """A contracted month brings 730 x 1,000 x 2 x .7 - 100,000 = 922,000 USD; three of service and running cost are kept."""
    past = past_of({})
    cash, _ = lived(past)
    payment = float(past.payment_usd[0])
    assert cash[0] == pytest.approx(3 * (payment + 100_000))


def test_a_deal_that_does_not_pay_defaults_and_is_remembered() -> None:
    """From month -12 on, spot brings 20,000 a month against a service of 33,214: the units stay, the loss is lenders'.

    Twelve contracted months of 37,970 leave 57,072 after service; the fifth month short of 13,214, month -8, is not paid. Spot
    is far below the contract's rate, so nobody renews it.
    """
    past = past_of(
        {"end": -12, "spot_revenue_usd": 120_000.0, "spot_usd_per_hour": 0.1, "usd_per_hour": 0.27}
    )
    _, seen = lived(past)
    payment = 1e6 * 0.01 / (1 - 1.01**-36)
    owed = sum(payment / 1.01**k for k in range(1, 21))
    assert past.defaulted[0] and past.balance_usd[0] == 0.0
    assert seen.defaults.tolist() == [0.0, 1.0, 0.0]
    assert seen.loan_years.tolist() == [0.0, pytest.approx(16 / 12), 0.0]
    assert seen.exposure_usd[1] == pytest.approx(owed)
    assert seen.losses_usd[1] == pytest.approx(owed - 5e5)


def test_a_failing_tenant_sends_units_to_spot() -> None:
    past = past_of({})
    lived(past, fails=-10)
    assert past.end[0] == -10


def test_the_weakest_deal_of_an_operator_fails_first() -> None:
    past = past_of({"end": -20, "spot_revenue_usd": 0.0}, {"end": 24, "usd_per_hour": 0.4})
    lived(past)
    assert past.defaulted.tolist() == [True, False]


# -- what stands where ----------------------------------------------------------------------------------------


def test_a_hall_is_filled_with_what_it_can_cool_and_no_more_than_it_feeds() -> None:
    mix = mix_of(START, 0.76, 1.0, 1.8, UNIT_WATTS)
    for liquid in (0, 5_000_000, 60_000_000):
        found = fill(mix, 60_000_000, liquid, UNIT_WATTS, 0.37)
        watts = found.units * UNIT_WATTS[found.generation]
        assert 0.9 * 60e6 < watts.sum() <= 60_000_000
        assert watts[LIQUID_ONLY[found.generation]].sum() <= liquid
        assert (np.diff(found.week) >= 0).all() and found.week.max() < 0


def test_the_mix_grows_with_the_plan_and_knows_what_was_sold() -> None:
    """Quarter over quarter e^(1/4) while growth is one; H100 stand between their release and three years later."""
    mix = mix_of(START, 0.76, 1.0, 1.8, UNIT_WATTS)
    compute = (
        mix.watts
        / (UNIT_WATTS / UNIT)
        @ np.diag(np.array([0.1263, 0.3153, 1, 1.0001, 2.2741, 2.5268, 2.5268, 4]))
    )
    early = compute.sum(axis=1)[mix.week < -60]
    assert np.diff(np.log(early)) == pytest.approx(np.full(len(early) - 1, 0.25), abs=1e-3)
    weeks = mix.week[mix.watts[:, GENERATIONS.index("H100")] > 0]
    assert weeks.min() > -212 and weeks.max() < -50
    assert sold_in(np.array([400]), START)[0].tolist() == [False] * 7 + [True]


def test_the_bridge_meets_the_prints() -> None:
    """7.20 in July 2023, 1.70 in October 2025, 2.65 from June 2026 on; half-way in logs in between."""
    rents = past_rents(
        START, -np.array([(START - date(2023, 7, 27)).days, (START - date(2025, 10, 1)).days, 0]) / 7
    )
    assert rents * 2.65 == pytest.approx([7.20, 1.70, 2.65])
    middle = date(2023, 7, 27).toordinal() / 2 + date(2025, 10, 1).toordinal() / 2
    assert past_rents(START, np.array([(middle - START.toordinal()) / 7]))[0] * 2.65 == pytest.approx(
        np.sqrt(7.2 * 1.7)
    )
    # The estimate is held before its date.
    assert past_rents(START, np.array([-300.0]))[0] == pytest.approx(rents[0])


def test_base_rates_of_the_past_are_the_cited_monthly_means() -> None:
    """Week -100 of a start in October 2026 is 4 November 2024, when SOFR was 4.6437 % in the month's mean."""
    assert past_base_rates(START, np.array([-100, -1, 0, 5]), 0.04)[[0, 2, 3]].tolist() == [
        0.046437,
        0.04,
        0.04,
    ]


# -- plan and halls -------------------------------------------------------------------------------------------


def test_planned_growth_is_the_slower_of_demand_and_promises() -> None:
    free = planned(15e6, 0.0, 1.0, 1.8, np.full(105, np.inf), 750.0)
    assert free.stock[104] / 15e6 == pytest.approx(np.exp(1.8 * (1 - np.exp(-2 / 1.8))), rel=1e-3)
    bound = planned(15e6, 0.0, 1.0, 1.8, np.full(105, 3e9), 750.0)
    assert bound.growth.max() == 4e6
    # Four million a year for two years; of the eight the segment is to take 1.44, a million of which does not run.
    assert bound.stock[104] == pytest.approx(23e6)
    assert bound.relative_supply(104, 1e6 + 1.44e6, 1e6, 0.18) == pytest.approx(1.0)
    assert bound.relative_supply(104, 1.44e6, 1e6, 0.18) == pytest.approx(22 / 23)
    assert bound.relative_supply(104, None, 1e6, 0.18) == 1.0
    # Before the date it is known for, stock is what growth of one makes of it.
    assert planned(15e6, -1.0, 1.0, 1.8, np.full(2, np.inf), 750.0).stock[0] == pytest.approx(15e6 / np.e)


def test_promises_are_counted_in_the_twelve_months_around_a_week() -> None:
    watts, week = np.array([10.0, 20.0, 40.0]), np.array([0.0, 30.0, 80.0])
    found = promised_a_year(watts, week, 60, 0.0, 100.0)
    assert found[0] == pytest.approx(10.0 / 26 * 52)
    assert found[26] == pytest.approx(30.0)  # weeks 0 to 52
    assert found[55] == pytest.approx(60.0)  # weeks 29 to 81
    assert np.isinf(promised_a_year(watts, week, 200, 0.0, 100.0)[150])


def test_a_late_hall_by_hand() -> None:
    """Promised for week 20, twelve weeks late: until week 20 it is expected then, and from then on always in 13 weeks."""
    assert expected_opening(np.array([20]), 19, 13.0).tolist() == [20]
    assert expected_opening(np.array([20]), 20, 13.0).tolist() == [33]
    assert expected_opening(np.array([20]), 31, 13.0).tolist() == [44]
    late = delay_weeks(np.array([True, False]), np.array([np.log(12 / 13) / 0.7, 1.0]), 13.0, 0.7)
    assert late.tolist() == [12, 0]


def test_sites_are_cut_into_phases_that_add_up() -> None:
    planned_watts = np.array([0, 100, 101, 350])
    site, watts = cut(planned_watts, 100)
    assert np.bincount(site, weights=watts, minlength=4).tolist() == planned_watts.tolist()
    assert watts.max() <= 100
    assert np.bincount(site, minlength=4).tolist() == [0, 1, 2, 4]


def test_operators_are_as_large_in_every_seed() -> None:
    """A power law of shares is met to within the smallest halls, whatever the luck, and luck says who is where."""
    sizes = neo_cloud_sizes(5, 0.4)
    watts = np.random.default_rng(3).integers(1, 60, 200)
    held = np.array([30.0, 0.0, 0.0, 0.0, 5.0])
    seeds = [np.random.default_rng(seed).random(200) for seed in (1, 2)]
    dealt = [owners_of_halls(watts, held, sizes, luck) for luck in seeds]
    assert (dealt[0] != dealt[1]).mean() > 0.3
    for owners in dealt:
        whole = held + np.bincount(owners, weights=watts, minlength=5)
        assert whole / whole.sum() == pytest.approx(sizes, abs=2 / whole.sum())


def test_a_hall_too_large_for_all_falls_to_the_one_that_lacks_most() -> None:
    found = owners_of_halls(np.array([5, 100]), np.zeros(3), np.array([0.5, 0.3, 0.2]), np.array([0.99, 0.0]))
    assert found[1] == 0
    assert found[0] == 2  # 105 x .2 = 21 and 31.5 are lacking, drawn in proportion
