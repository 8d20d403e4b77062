"""Valuation beyond the golden table: cross-checks, sensitivities, recovery, beliefs and shapes (contracts.md 3)."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.elasticity import rent_elasticity

from agents.valuation import (
    BELIEFS,
    believed_value,
    conditional_mean_value,
    economic_life,
    running_cost_per_hour,
    unit_value,
)

DEFAULT_COST = float(running_cost_per_hour(1.275, 0.05, 1.25, 0.85, 120.0)) + 0.15
BASE = {
    "rent": 2.35,
    "utilisation": 0.8,
    "trend": 0.25,
    "discount_rate": 0.15,
    "hazard": 0.03,
    "cost_per_hour": DEFAULT_COST,
    "salvage": 1500.0,
    "salvage_decay": 0.2,
    "remaining_life_years": 5.0,
}
PERSISTENCE = {"mean_reversion": 0.8, "extrapolation": 0.5}


def by_riemann(demand: float, kappa: float, **v: float) -> float:
    """Value by a fine trapezoid, sharing no code with the module."""
    when = np.linspace(0.0, v["remaining_life_years"], 1_000_001)
    path = np.exp(-v["trend"] * when - demand * (1 - np.exp(-kappa * when)))
    margin = v["rent"] * v["utilisation"] * path - v["cost_per_hour"]
    rate = v["discount_rate"] + v["hazard"]
    life = when[margin > 0][-1] if (margin > 0).any() else 0.0
    income = np.trapezoid(np.maximum(margin, 0.0) * np.exp(-rate * when), when)
    return float(8760 * income + v["salvage"] * np.exp(-(rate + v["salvage_decay"]) * life))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"trend": 0.15}, 28_200),
        ({"trend": 0.40}, 15_300),
        ({"utilisation": 0.65}, 15_400),
        ({"utilisation": 0.95}, 28_100),
        ({"discount_rate": 0.10}, 23_400),
        ({"discount_rate": 0.30}, 17_800),
    ],
)
def test_published_sensitivities(change: dict[str, float], expected: float) -> None:
    assert float(unit_value(**(BASE | change))) == pytest.approx(expected, abs=60)


@pytest.mark.parametrize(("rent", "elasticity"), [(2.65, 1.5), (2.35, 1.6), (1.70, 1.9), (1.00, 2.6)])
def test_published_elasticities(rent: float, elasticity: float) -> None:
    assert float(rent_elasticity(**(BASE | {"rent": rent}))) == pytest.approx(elasticity, abs=0.06)


@pytest.mark.parametrize(
    ("demand", "trend", "rent"),
    [
        (-0.6, 0.1, 0.5),
        (-1.0, 0.1, 0.5),
        (-0.6, 0.0, 0.5),
        (0.4, 0.1, 1.0),
        (-0.5, 0.25, 2.35),
        (0.25, 0.25, 2.35),
    ],
)
def test_conditional_mean_against_brute_force(demand: float, trend: float, rent: float) -> None:
    """Includes rents below cost that recover: idle first, then earning."""
    v = BASE | {"trend": trend, "rent": rent}
    value = float(conditional_mean_value(demand=demand, mean_reversion=0.8, **v))
    assert value == pytest.approx(by_riemann(demand, 0.8, **v), abs=0.02)


def test_a_release_step_lowers_value_and_one_after_the_end_does_not() -> None:
    plain = float(unit_value(**BASE))
    soon = float(unit_value(**BASE, step_years=np.array([0.5]), step_drops=np.array([0.15])))
    late = float(unit_value(**BASE, step_years=np.array([4.0]), step_drops=np.array([0.15])))
    never = float(unit_value(**BASE, step_years=np.array([9.0]), step_drops=np.array([0.15])))
    assert soon < late < plain
    assert never == pytest.approx(plain, rel=1e-12)


def test_order_of_steps_does_not_matter() -> None:
    one = unit_value(**BASE, step_years=np.array([0.5, 2.0]), step_drops=np.array([0.1, 0.3]))
    other = unit_value(**BASE, step_years=np.array([2.0, 0.5]), step_drops=np.array([0.3, 0.1]))
    assert float(one) == float(other)


def test_hopeless_and_worn_out_units_are_parts() -> None:
    assert float(unit_value(**(BASE | {"rent": 0.3}))) == 1500.0
    assert float(unit_value(**(BASE | {"remaining_life_years": 0.0}))) == 1500.0
    assert float(economic_life(0.3, 0.8, 0.25, 0.43)) == 0.0
    with np.errstate(all="raise"):
        assert np.isinf(float(economic_life(1.0, 0.8, 0.25, 0.0)))


def test_both_forms_broadcast_alike() -> None:
    """Scalars with a table of steps, and slots by products, give one shape for both forms."""
    steps = {"step_years": np.full((8, 2), [0.5, 1.5]), "step_drops": np.full((8, 2), [0.15, 0.1])}
    closed = unit_value(**BASE, **steps)
    mean = conditional_mean_value(demand=0.0, mean_reversion=0.8, **BASE, **steps)
    assert closed.shape == mean.shape == (8,)
    assert mean == pytest.approx(closed, abs=0.01)
    wide = BASE | {"rent": np.linspace(1, 4, 8), "cost_per_hour": np.linspace(0.3, 0.6, 5)[:, None]}
    table = unit_value(**wide, **steps)
    assert table.shape == (5, 8)
    one = BASE | {"rent": float(wide["rent"][3]), "cost_per_hour": float(wide["cost_per_hour"][2, 0])}
    assert table[2, 3] == float(
        unit_value(**one, step_years=steps["step_years"][3], step_drops=steps["step_drops"][3])
    )


def test_beliefs_agree_without_a_deviation() -> None:
    values = [float(believed_value(b, demand=0.0, **PERSISTENCE, **BASE)) for b in BELIEFS]
    assert values == pytest.approx([values[0]] * 3, abs=0.01)


def test_belief_about_persistence_moves_value_by_the_published_range() -> None:
    """economics.md 5: the choice alone moves V by 0.8 to 1.8 at D = +0.25 to -0.5."""
    for demand, low, high in ((0.25, 0.75, 0.9), (-0.5, 1.3, 1.9)):
        rent = 2.35 * np.exp(demand)
        v = BASE | {"rent": rent}
        consistent, myopic = (
            float(believed_value(b, demand=demand, **PERSISTENCE, **v)) for b in ("consistent", "myopic")
        )
        ratio = consistent / myopic
        assert low < ratio < high


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0.2, 6.0),
    st.floats(0.0, 0.8),
    st.floats(-1.0, 1.0),
    st.floats(0.05, 1.0),
    st.floats(0.01, 8.0),
)
def test_value_rises_with_rent_and_never_falls_below_nothing(
    rent: float, trend: float, demand: float, cost: float, life: float
) -> None:
    v = BASE | {"trend": trend, "cost_per_hour": cost, "remaining_life_years": life, "salvage": 0.0}
    for form in (unit_value, lambda **k: conditional_mean_value(demand=demand, mean_reversion=0.8, **k)):
        less, more = float(form(**(v | {"rent": rent}))), float(form(**(v | {"rent": rent * 1.05})))
        assert 0.0 <= less <= more * (1 + 1e-12)


@pytest.mark.parametrize(
    ("kilowatts", "rent", "left", "expected"),
    [(0.8125, 1.13, 3.0, 7_200), (1.79, 4.0, 6.0, 43_000), (1.275, 3.41, 6.0, 38_000)],
    ids=["A100 of 2021", "B200 of 2024", "H200 of 2024 at spot"],
)
def test_published_cross_checks(kilowatts: float, rent: float, left: float, expected: float) -> None:
    cost = float(running_cost_per_hour(kilowatts, 0.05, 1.25, 0.85, 120.0)) + 0.15
    value = float(unit_value(**(BASE | {"rent": rent, "cost_per_hour": cost, "remaining_life_years": left})))
    assert value == pytest.approx(expected, rel=0.01)


# -- by hand: nothing is discounted, or nothing but that ----------------------------------------------------------

FLAT = {
    "rent": 2.0, "utilisation": 0.5, "trend": 0.0, "discount_rate": 0.0, "hazard": 0.0, "cost_per_hour": 0.4,
    "salvage": 1_000.0, "salvage_decay": 0.0, "remaining_life_years": 3.0,
}  # fmt: skip
BOTH_FORMS = (unit_value, lambda **v: conditional_mean_value(demand=0.0, mean_reversion=0.8, **v))


def test_an_hour_by_hand() -> None:
    """2 kW at a load of half, PUE 1.5 and 0.10 USD; a hall at 73 USD a kW and month."""
    assert float(running_cost_per_hour(2.0, 0.10, 1.5, 0.5, 73.0)) == pytest.approx(2 * (0.075 + 0.1))
    assert float(running_cost_per_hour(2.0, 0.10, 1.5, 0.5, 0.0)) == pytest.approx(0.15)
    assert float(running_cost_per_hour(2.0, 0.0, 1.5, 0.5, 73.0)) == pytest.approx(0.2)


@pytest.mark.parametrize("form", BOTH_FORMS, ids=["closed", "mean"])
def test_values_without_time_by_hand(form: Callable[..., np.ndarray]) -> None:
    """Three years of 0.60 USD an hour, and the parts."""

    def value(**change: float) -> float:
        return float(form(**(FLAT | change)))

    hour = 8760.0
    assert value() == pytest.approx(3 * hour * 0.6 + 1_000)
    assert value(cost_per_hour=0.0) == pytest.approx(3 * hour + 1_000)
    assert value(salvage=0.0) == pytest.approx(3 * hour * 0.6)
    assert value(cost_per_hour=1.0) == value(cost_per_hour=1.0, salvage_decay=0.1) == 1_000
    assert value(remaining_life_years=0.0) == 1_000
    # Parts lose a tenth a year, and are reached the less often the more units fail.
    assert value(salvage_decay=0.1) == pytest.approx(3 * hour * 0.6 + 1_000 * np.exp(-0.3))
    for rate in ({"discount_rate": 0.1}, {"hazard": 0.1}, {"discount_rate": 0.04, "hazard": 0.06}):
        annuity = (1 - np.exp(-0.3)) / 0.1
        assert value(**rate) == pytest.approx(hour * 0.6 * annuity + 1_000 * np.exp(-0.3))
    # A rent that falls by a fifth a year has lost its margin after ln(1 / 0.4) / 0.2 = 4.58 years; the unit lasts ten.
    end = np.log(2.5) / 0.2
    assert value(trend=0.2) == pytest.approx(hour * ((1 - np.exp(-0.6)) / 0.2 - 3 * 0.4) + 1_000)
    late = value(trend=0.2, remaining_life_years=10.0, salvage_decay=0.1)
    assert late == pytest.approx(hour * (0.6 / 0.2 - end * 0.4) + 1_000 * np.exp(-0.1 * end))


@pytest.mark.parametrize("form", BOTH_FORMS, ids=["closed", "mean"])
def test_values_with_steps_by_hand(form: Callable[..., np.ndarray]) -> None:
    """A drop by a quarter after one year and by a half after two: rents of 1, 0.75 and 0.375, the last below cost."""
    years, drops = np.array([2.0, 1.0]), np.array([0.5, 0.25])
    hour = 8760.0

    def value(**change: object) -> float:
        return float(form(**(FLAT | {"step_years": years, "step_drops": drops} | change)))

    assert value(salvage=0.0) == pytest.approx(hour * (0.6 + 0.35))
    assert value(salvage_decay=0.1) == pytest.approx(hour * (0.6 + 0.35) + 1_000 * np.exp(-0.2))
    assert value(cost_per_hour=0.3, salvage_decay=0.1) == pytest.approx(
        hour * (0.7 + 0.45 + 0.075) + 1_000 * np.exp(-0.3)
    )
    assert value(remaining_life_years=1.5, salvage=0.0) == pytest.approx(hour * (0.6 + 0.35 / 2))
    assert value(step_drops=np.array([0.0, 0.0]), salvage=0.0) == pytest.approx(hour * 1.8)
    # Gone after 2.51 years, before the second drop after 2.9: the parts are sold then.
    end = np.log(0.75 / 0.4) / 0.25
    late = value(
        trend=0.25, step_years=np.array([1.0, 2.9]), step_drops=np.array([0.25, 0.5]), salvage_decay=0.1
    )
    first = (1 - np.exp(-0.25)) / 0.25 - 0.4
    second = 0.75 * (np.exp(-0.25) - np.exp(-0.25 * end)) / 0.25 - 0.4 * (end - 1.0)
    assert late == pytest.approx(hour * (first + second) + 1_000 * np.exp(-0.1 * end))
    none = np.zeros(0)
    assert value(step_years=none, step_drops=none) == pytest.approx(hour * 1.8 + 1_000)
    for lacking in ({"step_years": None}, {"step_drops": None}):
        assert value(**lacking) == pytest.approx(hour * 1.8 + 1_000)


def test_steps_of_a_table_belong_to_their_row() -> None:
    years, drops = np.array([[1.0], [5.0]]), np.array([[0.5], [0.5]])
    for form in BOTH_FORMS:
        found = form(**(FLAT | {"salvage": 0.0}), step_years=years, step_drops=drops)
        assert found == pytest.approx([8760 * (0.6 + 0.2), 8760 * 1.8])


def test_lives_by_hand() -> None:
    lives = economic_life(
        [2.0, 2.0, 2.0, 1.0, 0.9], 0.5, [0.2, 0.0, 0.2, 0.0, 0.2], [0.4, 0.4, 0.0, 0.5, 0.45]
    )
    assert lives == pytest.approx([np.log(2.5) / 0.2, np.inf, np.inf, 0.0, 0.0])
    assert economic_life(2.0, 0.5, -0.1, 0.4) == np.inf
    assert economic_life(2.0, 0.5, 0.2, 0.999) == pytest.approx(-np.log(0.999) / 0.2)
    assert economic_life(0.0, 0.5, 0.2, 0.4) == 0.0


@pytest.mark.parametrize(
    ("demand", "trend", "rent", "cost", "life"),
    [
        (-1.2, 0.05, 0.3, 0.4, 12.0),  # idle, then earning, then gone
        (-1.2, 0.0, 0.3, 0.4, 12.0),  # recovers for good
        (-0.2, 0.0, 0.45, 0.4, 12.0),  # never recovers enough
        (0.8, 0.0, 1.0, 0.4, 12.0),  # falls back below cost
        (-0.8, 0.3, 1.0, 0.2, 2.0),
        (-0.3, -0.05, 0.6, 0.4, 6.0),  # rents that rise
        (-1.0, 0.1, 0.5, 0.72, 12.0),  # earns only around the peak after 2.6 years
        (-1.0, 0.1, 0.5, 0.736, 12.0),
        (0.8, 0.0, 1.0, 0.6, 12.0),  # gone within a year
    ],
)
def test_conditional_mean_over_long_lives(
    demand: float, trend: float, rent: float, cost: float, life: float
) -> None:
    v = BASE | {"trend": trend, "rent": rent, "cost_per_hour": cost, "remaining_life_years": life}
    value = float(conditional_mean_value(demand=demand, mean_reversion=0.8, **v))
    assert value == pytest.approx(by_riemann(demand, 0.8, **v), abs=0.05)


def test_conditional_mean_of_a_quick_recovery() -> None:
    """Rents come back within months and fall by 0.6 a year: they pay around 0.54 years alone."""
    v = BASE | {"trend": 0.6, "rent": 0.5, "cost_per_hour": 0.52, "remaining_life_years": 6.0}
    value = float(conditional_mean_value(demand=-1.0, mean_reversion=3.0, **v))
    assert value == pytest.approx(by_riemann(-1.0, 3.0, **v), abs=0.05)


def by_steps(demand: float, kappa: float, years: list[float], drops: list[float], **v: float) -> float:
    """As `by_riemann`, with steps."""
    edges = [0.0, *years, v["remaining_life_years"]]
    total, life, level = 0.0, 0.0, 1.0
    for start, end, drop in zip(edges[:-1], edges[1:], [0.0, *drops], strict=True):
        level *= 1 - drop
        when = np.linspace(start, end, 400_001)
        path = level * np.exp(-v["trend"] * when - demand * (1 - np.exp(-kappa * when)))
        margin = v["rent"] * v["utilisation"] * path - v["cost_per_hour"]
        rate = v["discount_rate"] + v["hazard"]
        total += float(np.trapezoid(np.maximum(margin, 0.0) * np.exp(-rate * when), when))
        life = when[margin > 0][-1] if (margin > 0).any() else life
    return 8760 * total + v["salvage"] * float(np.exp(-(rate + v["salvage_decay"]) * life))


@pytest.mark.parametrize("demand", [-0.9, -0.3, 0.5])
def test_conditional_mean_with_steps_against_brute_force(demand: float) -> None:
    v = BASE | {"rent": 0.8, "trend": 0.05, "remaining_life_years": 7.0}
    years, drops = [0.8, 3.0], [0.1, 0.2]
    value = conditional_mean_value(
        demand=demand, mean_reversion=0.6, step_years=np.array(years), step_drops=np.array(drops), **v
    )
    assert float(value) == pytest.approx(by_steps(demand, 0.6, years, drops, **v), abs=0.05)


@pytest.mark.parametrize("form", BOTH_FORMS, ids=["closed", "mean"])
def test_one_row_of_steps_serves_all_rents(form: Callable[..., np.ndarray]) -> None:
    found = form(
        **(FLAT | {"rent": np.array([2.0, 4.0]), "salvage": 0.0}), step_years=[1.0], step_drops=[0.25]
    )
    assert found == pytest.approx([8760 * (0.6 + 2 * 0.35), 8760 * (1.6 + 2 * 1.1)])


def test_rents_that_recover_twice() -> None:
    """Below cost at first and again after a release, and both times they come back."""
    v = BASE | {"rent": 0.5, "trend": 0.02, "cost_per_hour": 0.64, "remaining_life_years": 12.0}
    value = conditional_mean_value(
        demand=-1.5, mean_reversion=0.3, step_years=np.array([2.0]), step_drops=np.array([0.3]), **v
    )
    assert float(value) == pytest.approx(by_steps(-1.5, 0.3, [2.0], [0.3], **v), abs=0.05)


def test_many_units_are_valued_as_each_alone() -> None:
    rents, gaps = np.array([0.3, 0.6, 2.0]), np.array([[-1.0], [0.0], [0.7]])
    # Some are idle at first and recover, others not.
    units = BASE | {"trend": 0.02, "remaining_life_years": 9.0}
    table = conditional_mean_value(demand=gaps, mean_reversion=0.8, **(units | {"rent": rents}))
    assert table.shape == (3, 3)
    for i, gap in enumerate(gaps[:, 0]):
        for j, rent in enumerate(rents):
            alone = conditional_mean_value(demand=gap, mean_reversion=0.8, **(units | {"rent": rent}))
            assert table[i, j] == pytest.approx(float(alone), rel=1e-12)
    none = conditional_mean_value(demand=0.1, mean_reversion=0.8, **(BASE | {"rent": np.zeros((2, 0))}))
    assert none.shape == (2, 0)


def test_beliefs_by_hand() -> None:
    """Without a trend the extrapolator takes a rent of exp(0.5 D) times today's as given for ever."""
    v = FLAT | {"salvage": 0.0}
    belief = {"demand": 0.4, "mean_reversion": 0.8, "extrapolation": 0.5}
    hour = 8760.0
    assert float(believed_value("myopic", **belief, **v)) == pytest.approx(3 * hour * 0.6)
    assert float(believed_value("extrapolative", **belief, **v)) == pytest.approx(
        3 * hour * (np.exp(0.2) - 0.4)
    )
    mean = by_riemann(0.4, 0.8, **v)
    assert float(believed_value("consistent", **belief, **v)) == pytest.approx(mean, abs=0.05)
    with pytest.raises(ValueError, match="belief 'rosy'; one of myopic, consistent, extrapolative"):
        believed_value("rosy", **belief, **v)
