"""Facilities: golden values of the loan check, and identities that hold for every contract (contracts.md 3, 4)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.loans import balance_after

from sim.debt.covenants import (
    Basis,
    Covenants,
    appraise,
    collateral_value,
    covenant_breaches,
    coverage_ratio,
    leverage,
    mark_gap,
)
from sim.debt.facilities import (
    PutOutcome,
    Trigger,
    apply_triggers,
    balloon_payment,
    conversion_price,
    cost_base,
    coupon,
    mandatory_prepayment,
    put_outcome,
    refinancing_offer,
    share_price,
    trigger_state,
    undrawn_fee,
)

cents = st.integers(0, 10**13)
# Of the loan check: an H100 at 33,600 USD, 71.42 % advanced, five years at 10.5 %.
COST, ADVANCE, RATE = 3_360_000, 0.7142, 0.105
HOURS = 8760
COST_PER_HOUR = 0.4273


def test_golden_loan_stays_inside_its_base_while_the_market_falls_away() -> None:
    """Year two at a rent of 1.70: current, inside the base within 1 %, loan to market 1.28 (contracts.md 3)."""
    debt = np.rint(balance_after(COST * ADVANCE, RATE, 60, [12, 24])).astype(np.int64)
    assert (debt // 100).tolist() == [20_145, 15_869]
    base = np.array([cost_base([0], [COST], [52 * year], ADVANCE, 6.0, 1)[0] for year in (1, 2)])
    assert np.rint(base / 100).tolist() == [19_998, 15_998]
    assert mandatory_prepayment(debt, base).tolist() == [int(debt[0] - base[0]), 0]
    market = collateral_value([0], [1], [12_421.0], 1)
    now = leverage(debt[1:], base[1:] / ADVANCE, market, market)
    assert round(float(now.market[0]), 2) == 1.28
    assert float(now.cost[0]) < ADVANCE
    by_cost = Covenants(coverage=1.05, loan_to_value=0.85, basis=Basis.COST)
    by_market = Covenants(coverage=1.05, loan_to_value=0.85, basis=Basis.MARKET)
    service = 12 * balloon_payment(COST * ADVANCE, RATE, 60, 0.0)
    flow = np.rint((1.70 * 0.80 - COST_PER_HOUR) * HOURS * 100)
    cover = coverage_ratio(flow, service)
    assert round(float(cover), 2) == 1.32
    assert covenant_breaches(by_cost, cover, np.inf, now).any.tolist() == [False]
    assert covenant_breaches(by_market, cover, np.inf, now).any.tolist() == [True]


def test_ratios_fail_one_by_one() -> None:
    now = leverage([100, 100, 100, 100], [200] * 4, [150] * 4, [100, 100, 100, 99])
    levels = Covenants(coverage=1.05, interest_coverage=1.5, loan_to_value=1.0, basis=Basis.MARKET)
    found = covenant_breaches(levels, [1.05, 1.04, 2.0, 2.0], [1.5, 1.5, 1.49, 1.5], now)
    assert found.coverage.tolist() == [False, True, False, False]
    assert found.interest_coverage.tolist() == [False, False, True, False]
    assert found.loan_to_value.tolist() == [False, False, False, True]
    assert found.any.tolist() == [False, True, True, True]


def test_untested_covenants_never_fail() -> None:
    now = leverage([100], [0], [0], [0])
    assert not covenant_breaches(Covenants(), -np.inf, -np.inf, now).any[0]


@given(cents, st.floats(0.0, 0.4), st.integers(1, 360), st.floats(0.0, 1.0))
def test_balloon_payments_leave_the_balloon(debt: int, rate: float, months: int, share: float) -> None:
    payment = int(balloon_payment(debt, rate, months, share))
    i = rate / 12
    # (1 + i)^n - 1 loses every digit at a small rate; expm1 keeps them.
    growth = math.expm1(months * math.log1p(i))
    annuity = growth / i if i else months
    # Half a cent of rounding each month, grown to the end.
    slack = (0.5 + 1e-9 * debt) * annuity + 1
    assert debt * (1 + growth) - payment * annuity == pytest.approx(debt * share, abs=slack)


def test_base_counts_assets_of_each_loan_and_nothing_else() -> None:
    base = cost_base([1, -1, 1, 0], [100, 100, 100, 100], [-8, 0, 26, 10_000], 0.5, 1.0, 3)
    assert base.tolist() == [0, 75, 0]


@given(surplus=cents, reserve=cents, balance=cents, coverage=st.floats(-2.0, 4.0))
def test_trapped_cash_is_never_lost(surplus: int, reserve: int, balance: int, coverage: float) -> None:
    split = apply_triggers(surplus, reserve, balance, coverage)
    parts = (int(split.prepayment_cents), int(split.reserve_cents), int(split.released_cents))
    assert min(parts) >= 0
    assert sum(parts) == surplus + reserve
    assert split.prepayment_cents <= balance
    if coverage >= 1.45:
        assert parts == (0, 0, surplus + reserve)
    elif balance and coverage >= 1.25:
        assert parts == (0, surplus + reserve, 0)
    elif coverage < 1.25:
        # Turbo: nothing leaves before the notes are whole.
        assert parts[2] == 0 or parts[0] == balance
        assert parts[1] == 0
        assert split.trigger == Trigger.TURBO


def test_convertible_is_put_when_the_share_is_below_the_strike() -> None:
    strike = conversion_price([10.0, 10.0, 10.0], 0.3)
    share = share_price([2600, 1300, -500], 100)
    assert share.tolist() == [26.0, 13.0, 0.0]
    assert put_outcome(156, [156, 156, 156], share, strike).tolist() == [
        PutOutcome.CONVERT,
        PutOutcome.DEMAND_PAR,
        PutOutcome.DEMAND_PAR,
    ]
    assert put_outcome(155, [156, 156, 156], share, strike).tolist() == [PutOutcome.WAIT] * 3
    assert int(coupon(10**11, 0.045)) == 375_000_000


def appraisal_path(marks: np.ndarray, opening: float, lag: int, weight: float) -> np.ndarray:
    """The filter step by step: an appraisal a quarter of the mark so many weeks ago."""
    path, current = np.empty_like(marks), opening
    for week in range(len(marks)):
        if week % 13 == 0:
            current = float(appraise(marks[week - lag] if week >= lag else opening, current, weight))
        path[week] = current
    return path


def test_appraisals_lag_and_smooth() -> None:
    """A fall from 100 to 50 in week 20, seen 13 weeks later, enters at 0.4 a quarter: 100, 100, 100, 80, 68."""
    marks = np.where(np.arange(60) < 20, 100.0, 50.0)
    path = appraisal_path(marks, 100.0, 13, 0.4)
    assert path[[0, 13, 26, 38, 39, 52]].tolist() == [100.0, 100.0, 100.0, 100.0, 80.0, 68.0]
    assert appraise(np.nan, 7.0, 0.4) == 7.0


@given(
    st.lists(st.floats(1.0, 1e5), min_size=30, max_size=60),
    st.floats(0.05, 1.0),
    st.integers(0, 26),
    st.data(),
)
def test_marks_split_into_contamination_and_staleness(
    marks: list[float], weight: float, lag: int, data: st.DataObject
) -> None:
    fundamental = np.array(marks)
    sold = fundamental * data.draw(st.floats(0.2, 1.0))
    appraisal = appraisal_path(sold, fundamental[0], lag, weight)
    clean = appraisal_path(fundamental, fundamental[0], lag, weight)
    gap = mark_gap(appraisal, clean, fundamental)
    assert gap.contamination_usd + gap.staleness_usd == pytest.approx(appraisal - fundamental)
    assert np.all(gap.contamination_usd <= 1e-6)
    assert np.all((appraisal >= sold.min() - 1e-6) & (appraisal <= fundamental.max() + 1e-6))


@given(
    value=cents,
    flow=st.integers(-(10**12), 10**12),
    advance=st.floats(0.0, 0.9),
    coverage=st.floats(1.0, 2.0),
    rate=st.floats(0.0, 0.3),
    months=st.integers(1, 120),
    balloon=st.floats(0.0, 0.6),
)
def test_offer_is_carried_by_value_and_by_income(
    value: int, flow: int, advance: float, coverage: float, rate: float, months: int, balloon: float
) -> None:
    offer = refinancing_offer(value, advance, flow, coverage, rate, months, balloon)
    assert int(offer.amount_cents) == min(int(offer.by_value_cents), int(offer.by_income_cents)) >= 0
    assert int(offer.amount_cents) <= advance * value + 1
    assert 12 * coverage * int(offer.payment_cents) <= max(flow, 0) + 12 * coverage * 2


def test_funding_shock_shrinks_an_offer_that_rents_never_touched() -> None:
    """Advance 15 points down, spread 300 bp up (economics.md 7): the balloon that could be rolled no longer can."""
    flow = round((2.35 * 0.80 - COST_PER_HOUR) * HOURS * 100)
    calm = refinancing_offer(2_172_100, 0.70, flow, 1.25, 0.0865, 36)
    shut = refinancing_offer(2_172_100, 0.55, flow, 1.25, 0.1165, 36)
    due = 1_500_000
    assert int(calm.amount_cents) >= due
    assert int(shut.amount_cents) == round(2_172_100 * 0.55) < due
    slump = refinancing_offer(2_172_100, 0.70, flow // 3, 1.25, 0.0865, 36)
    assert int(slump.amount_cents) == int(slump.by_income_cents) < int(shut.amount_cents)
    assert int(refinancing_offer(10**6, 0.7, 10**9, 1.25, 0.0, 12, 1.0).by_income_cents) == 700_000


def test_fractions_of_a_cent_are_refused() -> None:
    with pytest.raises(TypeError, match="whole numbers"):
        mandatory_prepayment([10.5], [3])


# -- by hand, at every edge --------------------------------------------------------------------------------------


def test_a_fee_on_what_is_signed_by_hand() -> None:
    """A tenth a year of 1,200 is 10 a month; a cent is rounded, not lost."""
    assert undrawn_fee([1_200, 0, 70], 0.1).tolist() == [10, 0, 1]


def test_triggers_by_hand() -> None:
    """Trap below 1.45, turbo below 1.25, to the cent of a balance of one."""
    split = apply_triggers([7] * 6, [2] * 6, [1, 100, 1, 0, 1, 0], [1.45, 1.24, 1.24, 1.24, 1.44, 1.44])
    assert split.trigger.tolist() == [Trigger.RELEASE, *[Trigger.TURBO] * 3, *[Trigger.TRAP] * 2]
    assert split.prepayment_cents.tolist() == [0, 9, 1, 0, 0, 0]
    assert split.reserve_cents.tolist() == [0, 0, 0, 0, 9, 0]
    assert split.released_cents.tolist() == [9, 0, 8, 9, 0, 9]
    assert apply_triggers(7, 0, 5, 1.25).trigger == Trigger.TRAP


def test_an_offer_by_hand() -> None:
    """Value carries 600 of 1,000; 240 a year at coverage 2 and 12 % interest alone carries 1,000, and half of it 500."""
    rich = refinancing_offer(1_000, 0.6, 240, 2.0, 0.12, 60, 1.0)
    found = (rich.amount_cents, rich.by_value_cents, rich.by_income_cents, rich.payment_cents)
    assert [int(x) for x in found] == [600, 600, 1_000, 6]
    poor = refinancing_offer(1_000, 0.6, 120, 2.0, 0.12, 60, 1.0)
    found = (poor.amount_cents, poor.by_value_cents, poor.by_income_cents, poor.payment_cents)
    assert [int(x) for x in found] == [500, 600, 500, 5]
    # Without interest a loan of ten months pays a tenth a month; half as balloon, a twentieth.
    for balloon, income in ((0.0, 100), (0.5, 200)):
        plain = refinancing_offer(10**6, 0.6, 120, 1.0, 0.0, 10, balloon)
        assert (int(plain.by_income_cents), int(plain.payment_cents)) == (income, 10)
    assert int(refinancing_offer(10**6, 0.6, 120, 1.0, 0.0, 10).by_income_cents) == 100
    none = refinancing_offer([-1_000, 1_000], 0.6, [240, -240], 2.0, 0.12, 60, 1.0)
    assert none.by_value_cents.tolist() == [0, 600]
    assert none.by_income_cents.tolist() == [1_000, 0]
    assert none.amount_cents.tolist() == none.payment_cents.tolist() == [0, 0]


def test_payments_with_a_balloon_by_hand() -> None:
    """A quarter stays due: 25 of interest on it, and twelve instalments of the rest without interest."""
    assert int(balloon_payment(10_000, 0.12, 1, 0.25)) == 7_500 + 75 + 25
    assert int(balloon_payment(12_000, 0.0, 12, 0.25)) == 750
    assert int(coupon(1_200, 0.1, 1)) == 120
    assert int(coupon(1_200, 0.1)) == 10


def test_a_base_by_hand() -> None:
    """Half the cost of 1,040, less a fifth of it a year; what is not delivered counts whole; loan 0 is a loan."""
    assert cost_base([0, 0, 1], [1_040, 1_040, 1_040], [52, -10, 130], 0.5, 5.0, 2).tolist() == [
        416 + 520,
        260,
    ]
    assert cost_base([0], [1_040], [1], [0.5], [5.0], 1).tolist() == [518]


def test_shares_and_strikes_by_hand() -> None:
    assert share_price([1.0, 0.0, -1.0], [4.0, 4.0, 4.0]).tolist() == [0.25, 0.0, 0.0]
    assert conversion_price(8.0, 0.25) == 10.0
    assert put_outcome(3, [3, 3, 4, 2], [10.01, 10.0, 20.0, 20.0], 10.0).tolist() == [1, 2, 0, 0]
    assert trigger_state([1.0, 2.0, 3.0], [3.0, 2.0, 3.0], [1.0, 2.0, 3.0]).tolist() == [1, 0, 0]
