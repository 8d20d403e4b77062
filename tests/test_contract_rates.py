"""What a contract must pay, by hand and by property; the month's multiple; and a deal in an operator's halls."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.vocabulary import GENERATIONS, UNIT
from sim.contracts.auction import market_multiple
from sim.contracts.deals import lognormal_size, renewal_probability, term_of, tier_of, triangular
from sim.contracts.halls import Halls, Served
from sim.contracts.matching import house, supply
from sim.contracts.offers import LoanTerms, Machine, offer_of
from sim.contracts.rates import Offer, posted_ratio, required_rate
from sim.origination.sizing import annuity

PLAIN = Offer(
    cost=40_000.0,
    running_cost_usd=200.0,
    months=48,
    loan_months=60,
    prepaid=0.2,
    overhead=0.18,
    late_months=0.0,
    hazard=0.0,
    hurdle=0.15,
    residual=5_000.0,
    alternative=0.0,
    advance=0.63,
    coverage=1.3,
    tail_loan=2_000.0,
    loan_rate=0.06,
)


def test_a_required_rate_by_hand() -> None:
    """Each month brings 730 r (1 - .2 - .18) - 200; at the required rate equity is worth nothing."""
    rate = float(required_rate(PLAIN))
    month = 730 * rate * 0.62 - 200
    paid = sum(month / 1.0125**k for k in range(1, 49))
    borrowed = min(0.63 * 40_000, sum(month / 1.005**k for k in range(1, 49)) / 1.3 + 2_000)
    service = borrowed / sum(1 / 1.005**k for k in range(1, 61))
    owed = sum(service / 1.0125**k for k in range(1, 61))
    prepaid = 0.2 * rate * 730 * 48
    assert -40_000 + borrowed + prepaid + paid - owed + 5_000 == pytest.approx(0.0, abs=1e-6)


def test_without_debt_the_rate_is_that_of_equity_alone() -> None:
    """A loan that costs more than the hurdle is not taken: r = (cost - residual + k a) / (730 (.2 n + .62 a))."""
    dear = replace(PLAIN, loan_rate=0.2)
    a = float(annuity(0.15, 48))
    assert float(required_rate(dear)) == pytest.approx((35_000 + 200 * a) / (730 * (0.2 * 48 + 0.62 * a)))


USD = st.floats(1_000, 120_000)


@settings(max_examples=300)
@given(
    st.builds(
        Offer,
        cost=USD,
        running_cost_usd=st.floats(0, 900),
        months=st.integers(6, 84),
        loan_months=st.integers(6, 60),
        prepaid=st.floats(0, 0.25),
        overhead=st.floats(0.1, 0.25),
        late_months=st.floats(0, 5),
        hazard=st.floats(0, 0.09),
        hurdle=st.floats(0.1, 0.3),
        residual=st.floats(0, 40_000),
        alternative=st.floats(0, 40_000),
        advance=st.floats(0.3, 0.85),
        coverage=st.floats(1.05, 1.75),
        tail_loan=st.floats(0, 30_000),
        loan_rate=st.floats(0.02, 0.25),
    )
)
def test_at_the_required_rate_equity_is_worth_nothing_and_below_it_less(offer: Offer) -> None:
    rate = float(required_rate(offer))
    scale = float(offer.cost)
    if rate > 0:
        assert float(offer.value_of_equity(rate)) == pytest.approx(0.0, abs=1e-6 * scale)
        assert float(offer.value_of_equity(0.9 * rate)) < 1e-6 * scale
    assert float(offer.value_of_equity(1.1 * rate + 0.1)) > -1e-6 * scale
    loan = float(offer.loan(rate))
    assert 0 <= loan <= float(offer.advance) * scale + 1e-9
    assert loan <= max(scale - float(offer.prepayment(rate)), 0.0) + 1e-9


def test_lateness_and_a_better_use_of_the_slot_raise_what_is_asked() -> None:
    plain = float(required_rate(PLAIN))
    assert float(required_rate(replace(PLAIN, late_months=2.0))) > plain
    assert float(required_rate(replace(PLAIN, alternative=3_000.0))) > plain
    assert float(required_rate(replace(PLAIN, residual=6_000.0))) < plain


def test_a_posted_rate_is_worth_a_falling_rent() -> None:
    """Level for four years against a rent that falls by a quarter a year, both discounted at 15 %."""
    years = np.linspace(0, 4, 400_001)
    one = np.linspace(0, 1, 400_001)
    falling = np.trapezoid(np.exp(-0.4 * years), years) / np.trapezoid(np.exp(-0.15 * years), years)
    first = np.trapezoid(np.exp(-0.4 * one), one) / np.trapezoid(np.exp(-0.15 * one), one)
    assert float(posted_ratio(4.0, 0.25, 0.15)) == pytest.approx(falling / first, rel=1e-6)


# -- the month ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0.3, 2.0), st.floats(0.1, 1e3)), min_size=1, max_size=20),
    st.floats(0.01, 1e5),
    st.floats(0.8, 3.0),
)
def test_the_multiple_is_the_smallest_at_which_halls_hold_demand(
    halls: list[tuple[float, float]], demand: float, elasticity: float
) -> None:
    required, capacity = (np.array(column) for column in zip(*halls, strict=True))
    found = market_multiple(required, capacity, demand, elasticity, 1.15)

    def enough(multiple: float) -> bool:
        return float(capacity[required <= multiple + 1e-12].sum()) >= demand * multiple**-elasticity * (
            1 - 1e-9
        )

    assert found <= 1.15
    assert found == 1.15 or enough(found)
    assert not enough(0.999 * found) or found == pytest.approx(required.min())


def halls_of(*units: tuple[int, int, int]) -> Halls:
    """Halls of a B200 and a GB300 column: holder, nodes and racks that fit."""
    table = np.array(units)
    chosen = np.array([GENERATIONS.index("B200"), GENERATIONS.index("GB300")])
    return Halls(
        np.arange(len(table)), table[:, 0], np.zeros(len(table), dtype=np.int64), chosen, table[:, 1:]
    )


def served_at(required: list[list[float]]) -> Served:
    return Served(PLAIN, np.array(required), np.array([[1.0, 1.0]]))


def test_a_deal_takes_the_cheapest_halls_that_are_open_to_its_operator() -> None:
    """Of 20 nodes: ten in the cheap open hall, the rest in the operator's own; another's hall is not open to it."""
    halls = halls_of((-1, 10, 0), (7, 30, 0), (8, 50, 0))
    served = served_at([[0.8, 9.0], [0.9, 9.0], [0.7, 9.0]])
    usd = 20 * 8 * 1_000.0
    found = house(halls, served, np.array([1_000.0, 1_000.0]), usd, 7, whole=True, most=1.0)
    assert found is not None
    assert (found.row.tolist(), found.units.tolist(), found.multiple) == ([0, 1], [10, 10], 0.9)
    assert house(halls, served, np.array([1_000.0, 1_000.0]), usd, 7, whole=True, most=0.85) is None
    part = house(halls, served, np.array([1_000.0, 1_000.0]), usd, 7, whole=False, most=0.85)
    assert part is not None and part.units.tolist() == [10]


def test_the_generation_with_the_lower_multiple_is_bought() -> None:
    halls = halls_of((-1, 10, 10))
    found = house(
        halls, served_at([[0.8, 0.6]]), np.array([1_000.0, 1_000.0]), 72_000.0, 7, whole=True, most=1.0
    )
    assert found is not None
    assert (GENERATIONS[found.generation], found.units.tolist()) == ("GB300", [1])


def test_supply_counts_each_hall_once_with_its_best_generation() -> None:
    halls = halls_of((-1, 10, 10), (-1, 0, 5))
    multiple, holds = supply(halls, served_at([[0.8, 0.6], [0.7, 0.9]]), np.array([2.27, 2.53]))
    assert multiple.tolist() == [0.6, 0.9]
    assert holds.tolist() == [10 * int(UNIT[6]) * 2.53, 5 * int(UNIT[6]) * 2.53]


def test_tiers_terms_and_sizes_of_deals() -> None:
    assert [tier_of(luck, 0.0, 0.4) for luck in (0.0, 0.59, 0.61)] == [1, 1, 2]
    assert term_of(4.0, 0.5, 1, 0.0) == 2.0 and term_of(4.0, 0.5, 2, 1.0) == 3.0
    draws = np.array([triangular(2, 4, 6, luck) for luck in np.linspace(0, 1, 20_001)])
    assert draws.mean() == pytest.approx(4.0, abs=1e-3) and draws.std() == pytest.approx(
        np.sqrt(2 / 3), abs=1e-3
    )
    sizes = np.array(
        [lognormal_size(2.6, 1.3, np.inf, z) for z in np.random.default_rng(1).standard_normal(400_000)]
    )
    assert sizes.mean() == pytest.approx(2.6, rel=0.02)
    assert renewal_probability(0.75, np.array([1]), np.array([0.5])).tolist() == [0.95]


# -- a unit in a hall -----------------------------------------------------------------------------------------


def test_value_at_spot_splits_at_the_end_of_a_contract() -> None:
    """The first T years and what is left after them make the whole; parts at T belong to what is left."""
    machine = Machine(
        cost=50_000.0, kilowatts=1.7, energy_usd_per_kw_month=45.0, slot_usd_per_kw_month=120.0, rent=4.5, utilisation=0.8,
        overhead=0.18, trend=0.25, hazard=0.03, life_years=8.0, salvage_usd=1_500.0, salvage_decay=0.2,
    )  # fmt: skip
    whole = float(machine.spot_value(0.15))
    for years in (0.5, 2.0, 4.0):
        parts = 1_500.0 * np.exp(-0.38 * years)
        first = float(machine.spot_value(0.15, years)) - parts
        assert first + float(machine.spot_value_after(0.15, years)) == pytest.approx(whole)


def test_a_tail_adds_to_the_loan_what_a_lender_believes_of_spot() -> None:
    machine = Machine(
        cost=50_000.0, kilowatts=1.7, energy_usd_per_kw_month=45.0, slot_usd_per_kw_month=120.0, rent=4.5, utilisation=0.8,
        overhead=0.18, trend=0.25, hazard=0.03, life_years=8.0, salvage_usd=1_500.0, salvage_decay=0.2,
    )  # fmt: skip
    terms = LoanTerms(0.71, 1.45, 12, 0.3, 60, 0.08, 0.25)
    deal = {"years": 3.0, "prepaid": 0.1, "late_months": 0.0, "hurdle": 0.15, "merchant_hurdle": 0.22}
    with_tail, without = (offer_of(machine, t, **deal) for t in (terms, replace(terms, tail_months=0)))
    assert float(without.tail_loan) == 0.0 and float(without.loan_months) == 36
    assert float(with_tail.tail_loan) > 0 and float(with_tail.loan_months) == 48
    assert float(with_tail.income_loan(2.5)) - float(without.income_loan(2.5)) == pytest.approx(
        float(with_tail.tail_loan)
    )
    optimist = offer_of(machine, replace(terms, decay=0.1), **deal)
    assert float(optimist.tail_loan) > float(with_tail.tail_loan)
