"""Cents and shares: one rule, exact sums, no nonsense posted in silence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.base.rounding import largest_remainder, to_cents


def test_ties_go_to_even() -> None:
    assert to_cents([0.125, 0.375, -0.125, 0.0]).tolist() == [12, 38, -12, 0]


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf"), 1e17])
def test_what_is_not_money_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="cannot be posted as cents"):
        to_cents([1.0, amount])


@given(
    st.integers(0, 9 * 10**18),
    st.lists(st.floats(0, 1e308, allow_nan=False, allow_infinity=False), min_size=1, max_size=30),
)
def test_shares_of_any_int64_sum_to_it(total: int, weights: list[float]) -> None:
    share = largest_remainder(total, weights)
    assert sum(share.tolist()) == total
    assert share.min() >= 0


@given(st.integers(0, 10**6), st.lists(st.integers(1, 1000), min_size=1, max_size=12))
def test_no_share_is_a_whole_unit_off(total: int, weights: list[int]) -> None:
    share = largest_remainder(total, weights)
    exact = total * np.array(weights) / sum(weights)
    assert np.all(np.abs(share - exact) < 1.0 + 1e-9)


@pytest.mark.parametrize("weights", [[np.nan, 1.0], [-1.0, 3.0], [np.inf, 1.0]])
def test_weights_must_be_weights(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        largest_remainder(10, weights)


def test_nobody_shares_nothing_and_only_that() -> None:
    assert largest_remainder(0, []).tolist() == []
    with pytest.raises(ValueError, match="nobody"):
        largest_remainder(1, [])
