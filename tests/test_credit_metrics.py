"""Credit metrics against the numbers of theory.md D.6 and against independent computation; each fails if 1 % off."""

import numpy as np
import pytest
from theory.coverage import coverage_breach_years

from agents.vocabulary import WEEKS_PER_YEAR
from sim.debt import credit_metrics as metrics
from sim.debt.credit_metrics import LoanTerms
from sim.debt.loss_bridge import LOSS_BRIDGE


def test_three_loan_to_values() -> None:
    found = metrics.loan_to_values(700.0, 10, 100.0, 80.0, 50.0, enforcement=20.0)
    assert float(found.appraised) == pytest.approx(0.7)
    assert float(found.liquidation) == pytest.approx(700 / 780)
    assert float(found.systemic) == pytest.approx(700 / 480)
    assert float(metrics.loan_to_values(1.0, 1, 1, 1, 1, enforcement=2.0).liquidation) == np.inf


def test_a_35_per_cent_discount_puts_a_70_per_cent_loan_under_water_on_day_one() -> None:
    assert float(metrics.loan_to_values(70.0, 1, 100.0, 65.0, 65.0).liquidation) == pytest.approx(
        1.08, abs=0.005
    )


@pytest.mark.parametrize(("headroom", "months"), [(1.3, (11.4, 7.6, 5.7)), (2.0, (28.2, 18.8, 14.1))])
def test_coverage_breach_months(headroom: float, months: tuple[float, ...]) -> None:
    found = [12 * coverage_breach_years(headroom, 0.25, trend) for trend in (0.2, 0.3, 0.4)]
    assert found == pytest.approx(months, abs=0.051)


def test_coverage_breach_against_a_simulated_path() -> None:
    for share, end in ((0.0, np.inf), (0.4, np.inf), (0.4, 1.0), (0.9, 0.4), (0.9, 3.0)):
        t = np.arange(0.0, 6.0, 1e-4)
        rent = np.where(t < end, share + (1 - share) * np.exp(-0.3 * t), np.exp(-0.3 * t))
        coverage = 1.3 * (rent - 0.25) / 0.75
        date = coverage_breach_years(1.3, 0.25, 0.3, contracted_share=share, contract_years=end)
        assert date == pytest.approx(t[coverage <= 1.0][0], rel=1e-3)
    assert coverage_breach_years(1.3, 0.25, 0.0) == np.inf
    assert coverage_breach_years(0.9, 0.25, 0.3) == 0.0


@pytest.mark.parametrize("trend", [0.0, 0.2, 0.5])
@pytest.mark.parametrize(("tenor", "covenant"), [(5.0, 1.0), (10.0, 1.25), (3.0, 3.0)])
def test_breach_from_primitives_against_its_headroom(tenor: float, covenant: float, trend: float) -> None:
    """Headroom is the opening DSCR over the covenant; the running cost is a share of opening revenue."""
    gross_yield, cost, loan_to_cost, rate = 0.6, 0.18, 0.7, 0.11
    service = loan_to_cost * rate / -np.expm1(-rate * tenor)
    headroom = (gross_yield - cost) / service / covenant
    assert metrics.coverage_breach_from_primitives(
        gross_yield, cost, loan_to_cost, rate, tenor, trend, covenant
    ) == pytest.approx(coverage_breach_years(headroom, cost / gross_yield, trend), rel=1e-12)


def test_dates_of_the_tenor_illusion() -> None:
    assert 12 * metrics.underwater_years(0.7, 0.11, 10, 0.3) == pytest.approx(18.0, abs=0.05)
    assert 12 * metrics.coverage_breach_from_primitives(0.6, 0.18, 0.7, 0.11, 10, 0.3) == pytest.approx(
        28.3, abs=0.05
    )
    assert metrics.underwater_years(0.7, 0.11, 5, 0.3) == np.inf
    assert 12 * metrics.coverage_breach_from_primitives(0.6, 0.18, 0.7, 0.11, 5, 0.3) == pytest.approx(
        20.2, abs=0.05
    )


@pytest.mark.parametrize(
    ("ltv", "tenors"),
    [(0.7, (8.85, 6.85, 5.85, 5.3)), (0.8, (7.4, 5.6, 4.8, 4.35)), (0.6, (10.8, 8.55, 7.4, 6.7))],
)
def test_crossing_tenors(ltv: float, tenors: tuple[float, ...]) -> None:
    found = [metrics.crossing_tenor(0.6, 0.18, ltv, 0.11, trend) for trend in (0.2, 0.3, 0.4, 0.5)]
    assert found == pytest.approx(tenors, abs=0.051)


def test_underwater_date_against_a_grid() -> None:
    t = np.arange(0.0, 10.0, 1e-4)
    for ltv, tenor, trend, discount in ((0.7, 10, 0.3, 0.0), (0.6, 8, 0.5, 0.1), (0.65, 7, 0.4, 0.2)):
        inside = t < tenor
        terms = LoanTerms(loan_to_cost=ltv, tenor=tenor, trend=trend)
        short = terms.balance(t) > (1 - discount) * np.exp(-trend * t)
        date = metrics.underwater_years(ltv, 0.11, tenor, trend, discount)
        assert date == pytest.approx(t[inside & short][0], rel=1e-3)


def test_dates_read_from_a_simulated_loan_table() -> None:
    week = np.arange(520)
    years = week / WEEKS_PER_YEAR
    terms = LoanTerms(loan_to_cost=0.7, tenor=10.0)
    table = {
        "loan": np.r_[np.full(520, 3), np.full(520, 8)],
        "week": np.r_[week, week],
        "balance_usd": np.r_[1e6 * terms.balance(years), np.zeros(520)],
        "liquidation_usd": np.tile(1e6 * np.exp(-0.3 * years), 2),
        "coverage": np.r_[
            (0.6 * np.exp(-0.3 * years) - 0.18) / (0.7 * 0.11 / -np.expm1(-1.1)), np.full(520, np.nan)
        ],
    }
    under = metrics.underwater_weeks(table)
    assert under[3] == int(np.ceil(52 * metrics.underwater_years(0.7, 0.11, 10, 0.3)))
    assert under[8] == -1
    breach = metrics.coverage_breach_weeks(table)
    assert breach[3] == int(
        np.ceil(52 * metrics.coverage_breach_from_primitives(0.6, 0.18, 0.7, 0.11, 10, 0.3))
    )
    assert breach[8] == -1


@pytest.mark.parametrize(
    ("leverage", "ratio", "total"), [(3.0, 0.3, 2.5), (4.0, 0.3, 10.0), (4.0, 0.34, np.inf)]
)
def test_spiral_multiplier(leverage: float, ratio: float, total: float) -> None:
    share = metrics.spiral_share([leverage, leverage], 1.0, [0.25 * ratio, 0.75 * ratio], 1.0)
    assert metrics.spiral_multiplier(share) == pytest.approx(total)
    # The same from rounds of leverage targeting: each fall makes holders sell (Lambda - 1) A per 100 %.
    if share < 1:
        fall, round_fall = 0.0, 1.0
        for _ in range(400):
            fall, round_fall = fall + round_fall, round_fall * (leverage - 1) * ratio
        assert fall == pytest.approx(total)


def test_market_depth_on_a_curve_of_known_elasticity() -> None:
    quantity = np.geomspace(1_000, 100_000, 12)
    price = 2e6 * quantity**-0.4
    depth = metrics.market_depth(quantity, price)
    middle = np.sqrt(quantity[1:] * quantity[:-1])
    assert depth == pytest.approx(0.01 * middle * 2e6 * middle**-0.4 / 0.4, rel=1e-9)
    assert metrics.market_depth([10.0, 20.0], [5.0, 5.0]).tolist() == [np.inf]


def test_forbes_rigobon_undoes_the_selection_of_volatile_weeks() -> None:
    draw = np.random.default_rng(1)
    x, noise = draw.normal(size=(2, 2_000_000))
    y = 0.5 * x + noise
    wide = np.abs(x) > 1.5
    raw = float(np.corrcoef(x[wide], y[wide])[0, 1])
    true = float(np.corrcoef(x, y)[0, 1])
    corrected = float(metrics.adjusted_correlation(raw, x[wide].var() / x.var() - 1))
    assert raw > true + 0.2
    assert corrected == pytest.approx(true, rel=0.005)


def test_convergence_of_pure_volatility_is_nothing_and_forced_sales_stand_apart() -> None:
    draw = np.random.default_rng(2)
    x, e = draw.normal(size=(2, 1_000_000))
    calm = (x, 0.4 * x + e)
    louder = (2 * x, 0.4 * 2 * x + e)
    forced = (2 * x, 0.8 * 2 * x + e)
    alone = metrics.convergence_index(calm, louder, louder)
    assert alone.total == pytest.approx(0.0, abs=0.004)
    assert alone.endogenous == 0.0
    both = metrics.convergence_index(calm, forced, louder)
    expected = 0.8 / np.sqrt(1 + 0.64) - 0.4 / np.sqrt(1 + 0.16)
    assert both.endogenous == pytest.approx(expected, rel=0.009)
    assert both.total - both.endogenous == pytest.approx(alone.total)


SPREADS = [
    (3, 0.05, (0, 0, 11, 131, 285)),
    (5, 0.02, (0, 0, 29, 79, 132)),
    (5, 0.05, (0, 0, 73, 199, 331)),
    (5, 0.10, (0, 0, 145, 399, 663)),
    (10, 0.05, (116, 154, 227, 311, 395)),
]


@pytest.mark.parametrize(("tenor", "hazard", "points"), SPREADS)
def test_fair_spreads(tenor: float, hazard: float, points: tuple[float, ...]) -> None:
    terms = LoanTerms(tenor=tenor)
    found = [1e4 * metrics.fair_spread(terms, hazard, d) for d in (0.0, 0.15, 0.35, 0.55, 0.75)]
    assert found == pytest.approx(points, abs=0.51)


def test_joint_law_equals_the_closed_law_and_knows_deep_early_defaults() -> None:
    terms = LoanTerms()
    times = -np.log1p(-(np.arange(40_000) + 0.5) / 40_000) / 0.05
    assert metrics.fair_spread_of_joint_law(terms, times, 0.35) == pytest.approx(
        metrics.fair_spread(terms, 0.05, 0.35), rel=1e-3
    )
    early = np.where(times < 2.5, 0.55, 0.15)
    mixed = np.random.default_rng(4).permutation(early[times < 5])
    shuffled = early.copy()
    shuffled[times < 5] = mixed
    joint = metrics.fair_spread_of_joint_law(terms, times, early)
    assert joint > 1.05 * metrics.fair_spread_of_joint_law(terms, times, shuffled)


def test_pairs_that_make_a_spread_fair() -> None:
    terms = LoanTerms()
    pairs = metrics.fair_pairs(terms, 0.0225, [0.001, 0.02, 0.05, 0.1, 0.3])
    assert np.isnan(pairs[:2]).all()  # 225 bp is more than such rare defaults can cost
    for hazard, discount in zip((0.05, 0.1, 0.3), pairs[2:], strict=True):
        assert metrics.fair_spread(terms, hazard, discount) == pytest.approx(0.0225, rel=1e-6)
    assert pairs[2] > pairs[3] > pairs[4]
    # A long loan loses 116 bp with no discount at all: no discount makes 100 bp fair.
    assert np.isnan(metrics.fair_pairs(LoanTerms(tenor=10), 0.01, [0.05])).all()


def test_aggregate_of_the_bridge_closes_to_the_cent() -> None:
    draw = np.random.default_rng(5)
    table = {name: draw.integers(0, 10**9, 50) for name in LOSS_BRIDGE if name.endswith("_cents")}
    gross = (
        table["value_at_default_cents"]
        - table["decay_cents"]
        - table["lost_income_cents"]
        - table["quality_cents"]
        - table["structural_gap_cents"]
        - table["fire_sale_discount_cents"]
        - table["held_cents"]
    )
    table["recovery_cents"] = (
        gross
        + table["operated_income_cents"]
        + table["slot_proceeds_cents"]
        + table["other_receipts_cents"]
        - table["costs_and_liens_cents"]
        - table["paid_to_others_cents"]
    )
    total = metrics.aggregate_bridge(table)
    assert total["recovery"] == int(table["recovery_cents"].sum())
    assert total["enforcement_decay"] == int((table["decay_cents"] + table["lost_income_cents"]).sum())
    table["recovery_cents"] = table["recovery_cents"] + np.eye(1, 50, 7, dtype=np.int64)[0]
    with pytest.raises(ValueError, match="off by -1 cents"):
        metrics.aggregate_bridge(table)
