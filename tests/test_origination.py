"""Loans sized and priced by hand, what lenders learn, and terms that follow the pool; no loan exceeds a cap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.debt.terms import level_payment
from sim.origination.pool import funds_a_year, terms_at
from sim.origination.pricing import learned, price_loan
from sim.origination.sizing import Limit, annuity, size_loan, tail_value
from sim.state.lending import Experience, Pool

# A deal of 48 months, 800 USD of net cash a month, a loan at 9.6 % a year (0.8 % a month), a unit that costs 40,000 USD.
MONTHS, NET, RATE, COST = 48, 800.0, 0.096, 40_000.0
BY_HAND = sum(NET / 1.008**k for k in range(1, MONTHS + 1))  # 31,781 USD


def test_a_deal_by_hand_is_bound_by_income() -> None:
    """31,781 / 1.45 = 21,918; the tail adds 70 % of twelve months of spot, 300 USD falling by a quarter a year, less 60."""
    contracted = float(NET * annuity(RATE, MONTHS))
    assert contracted == pytest.approx(BY_HAND)
    by_month = sum((300.0 * np.exp(-0.25 * k / 12) - 60.0) / 1.008**k for k in range(49, 61))
    tail = float(tail_value(300.0, 60.0, 0.25, RATE, MONTHS, 12))
    assert tail == pytest.approx(by_month)
    assert tail > 0
    # 300 USD falls to 108 at the start of the tail and to 86 at its end: at a cost of 100 it is worth nothing.
    assert float(tail_value(300.0, 100.0, 0.25, RATE, MONTHS, 12)) == 0.0
    sized = size_loan(COST, 0.71, contracted, 1.45, tail, 0.30)
    assert float(sized.amount) == pytest.approx(BY_HAND / 1.45 + 0.7 * tail)
    assert Limit(int(sized.limit)) == Limit.INCOME


def test_the_same_deal_with_less_advance_is_bound_by_cost() -> None:
    sized = size_loan(COST, 0.50, BY_HAND, 1.45, 500.0, 0.30)
    assert (float(sized.amount), Limit(int(sized.limit))) == (20_000.0, Limit.ADVANCE)


def test_a_level_loan_of_that_size_is_covered_as_it_was_sized() -> None:
    """Without a tail the payment is net cash over the coverage, month by month."""
    loan = BY_HAND / 1.45
    assert float(level_payment(loan, RATE, MONTHS)) == pytest.approx(NET / 1.45)


@pytest.mark.parametrize(
    ("room", "funds", "limit"),
    [(1_000.0, 2_000.0, Limit.ROOM), (2_000.0, 1_000.0, Limit.FUNDS), (0.0, 5.0, Limit.NONE)],
)
def test_room_and_funds_bind_too(room: float, funds: float, limit: Limit) -> None:
    sized = size_loan(COST, 0.71, BY_HAND, 1.45, 0.0, 0.3, room=room, funds=funds)
    assert (float(sized.amount), Limit(int(sized.limit))) == (min(room, funds), limit)


def test_a_deal_without_income_gets_no_loan_and_a_small_one_is_a_loan() -> None:
    none = size_loan(COST, 0.71, -5.0, 1.45, 0.0, 0.3)
    assert (float(none.amount), Limit(int(none.limit))) == (0.0, Limit.NONE)
    small = size_loan(COST, 0.71, BY_HAND, 1.45, 0.0, 0.3, funds=0.5)
    assert (float(small.amount), Limit(int(small.limit))) == (0.5, Limit.FUNDS)


NUMBER = st.floats(-1e5, 1e6)


@given(
    NUMBER, st.floats(0, 1), NUMBER, st.floats(1.05, 1.75), st.floats(0, 1e5), st.floats(0, 1), NUMBER, NUMBER
)
def test_no_loan_exceeds_a_cap(
    cost: float,
    advance: float,
    cash: float,
    coverage: float,
    tail: float,
    haircut: float,
    room: float,
    funds: float,
) -> None:
    cost = abs(cost)
    amount = float(size_loan(cost, advance, cash, coverage, tail, haircut, room, funds).amount)
    assert 0 <= amount <= advance * cost
    assert amount <= max(cash, 0) / coverage + (1 - haircut) * tail + 1e-9
    assert amount <= max(room, 0) and amount <= max(funds, 0)


def test_a_price_by_hand() -> None:
    """PD 4.8 %, LGD 29 %: 1.392 %. Capital 13.7 % with a cushion of 1.1 asks 13 - 3.65 %: 1.409 %. Funding 1 %."""
    spread = price_loan(0.048, 0.29, 0.137, 0.13, 0.0365, 0.01)
    assert float(spread.total) == pytest.approx(0.01392 + 1.1 * 0.137 * 0.0935 + 0.01)
    assert (
        float(price_loan(0.0, 0.29, 0.137, 0.02, 0.0365, 0.01).capital) == 0.0
    )  # no lender pays for holding capital


def test_experience_moves_a_prior_by_its_weight() -> None:
    """Prior 1.2 % with 200 loan-years; 3 defaults in 100: (2.4 + 3) / 300."""
    assert float(learned(0.012, 200, 3, 100)) == pytest.approx(5.4 / 300)
    experience = Experience.opening()
    experience.loan_months[3] = [0.0, 1_200.0, 0.0]
    experience.defaults[3, 1] = 3
    assert experience.default_rate(np.full(3, 0.012), 200.0)[1] == pytest.approx(5.4 / 300)
    experience.begin(3 + 36)
    assert experience.default_rate(np.full(3, 0.012), 200.0)[1] == pytest.approx(0.012)


def test_loss_given_default_is_learned_by_exposure() -> None:
    """Prior .29 with the weight of 10 defaults; 2 defaults that lost 60 of 100 together: (2.9 + 1.2) / 12."""
    experience = Experience.opening()
    experience.defaults[0, 0], experience.exposure_usd[0, 0], experience.loss_usd[0, 0] = 2, 100.0, 60.0
    assert experience.loss_given_default(0.29, 10.0) == pytest.approx(4.1 / 12)


def test_the_pool_keeps_three_months_and_counts_what_was_asked() -> None:
    pool = Pool.opening()
    assert pool.use(0.8) == 0.8
    for month in range(5):
        pool.begin(month, 100)
        pool.ask(month, 60)
    assert (pool.left, pool.use(0.8)) == (300, pytest.approx(0.6))
    pool.commit(250)
    pool.begin(5, 100)
    assert pool.left == 150


def test_funds_grow_and_shrink_with_losses_by_hand() -> None:
    """40 billion growing by 0.3 in logs for two years, less five times a loss of 4 %: 40 x 1.822 x 0.8."""
    assert float(funds_a_year(40e9, 0.3, 2.0, 5.0, 0.04)) == pytest.approx(40e9 * 1.8221188 * 0.8)


def test_terms_are_levels_and_do_not_drift() -> None:
    """The same use gives the same terms however often it is asked, and they are clipped at their ranges."""
    ends = {"coverage_range": (1.05, 1.75), "advance_range": (0.5, 0.85)}
    neutral = terms_at(0.8, [1.3, 1.45, 1.6], [0.63, 0.71, 0.6], 1.0, 0.5, **ends)
    assert (neutral.coverage.tolist(), neutral.advance.tolist(), neutral.tail_years) == (
        [1.3, 1.45, 1.6],
        [0.63, 0.71, 0.6],
        1.0,
    )
    dry = terms_at(9.0, [1.3], [0.63], 1.0, 0.5, **ends)
    assert (dry.coverage[0], dry.advance[0], dry.tail_years) == (1.75, 0.5, 0.0)
    idle = terms_at(0.0, [1.3], [0.63], 1.0, 0.5, **ends)
    assert (float(idle.coverage[0].round(2)), float(idle.advance[0].round(2)), idle.tail_years) == (
        1.05,
        0.79,
        2.0,
    )


def test_a_default_counts_once_a_tier_and_its_loss_when_it_is_known() -> None:
    experience = Experience.opening()
    experience.default(40, np.array([0, 0, 2]), np.array([5_000, 7_000, 1_000]))
    assert experience.defaults[4].tolist() == [1.0, 0.0, 1.0]
    assert experience.exposure_usd[4].tolist() == [120.0, 0.0, 10.0]
    experience.lose(45, 2, 900)
    assert experience.recent_losses_usd(50) == 9.0
    assert experience.recent_losses_usd(57) == 0.0
