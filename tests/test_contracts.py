"""Loan arithmetic: identities that hold for every loan, and the cost-based base (contracts.md 4.1, 4.3, 4.9)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.loans import balance_after

from sim.debt.terms import borrowing_base, level_payment, loan_to_value

rates = st.one_of(st.just(0.0), st.floats(0.001, 0.5))


@given(st.floats(1.0, 1e9), rates, st.integers(1, 360))
def test_level_payments_retire_the_loan(principal: float, rate: float, months: int) -> None:
    payment = float(level_payment(principal, rate, months))
    balance = principal
    for month in range(1, months + 1):
        balance = balance * (1 + rate / 12) - payment
        if month in (1, months // 2, months):
            assert float(balance_after(principal, rate, months, month)) == pytest.approx(
                balance, abs=1e-6 * principal
            )
    assert balance == pytest.approx(0.0, abs=1e-6 * principal)


def test_published_borrowing_base_follows_the_balance_within_one_per_cent() -> None:
    """Six-year line, 71.42 % of 33,600; the five-year balance is 20,145 and 15,869 on the same dates."""
    base = borrowing_base(0.7142, 33_600, np.array([1.0, 2.0]), 6.0)
    assert base == pytest.approx([19_998, 15_998], abs=1)
    assert float(borrowing_base(0.7142, 33_600, 7.0, 6.0)) == 0.0


def test_loan_to_value() -> None:
    assert loan_to_value([50.0, 10.0, 0.0], [100.0, 0.0, 0.0]).tolist() == [0.5, np.inf, 0.0]
