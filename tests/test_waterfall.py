"""Waterfall: exact sums, absolute priority, proportion within a rank."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.debt.waterfall import Rank, deficiency, distribute, sale_proceeds

ranked = st.lists(
    st.tuples(st.one_of(st.integers(0, 30), st.integers(0, 10**13)), st.integers(0, 7)),
    min_size=1,
    max_size=12,
)
proceeds = st.one_of(st.integers(0, 100), st.integers(0, 10**14))


def test_secured_creditors_of_a_fire_sale() -> None:
    """10,000 H100 at 8,000 USD: 80 million gross against 150 million senior, 30 junior, 12 of trade."""
    gross = 8_000_000_000
    costs = sale_proceeds(
        gross, 0.04, hosting_arrears=150_000_000, freight=400_000_000, fees=round(gross * 0.05)
    )
    assert costs.net_cents == 6_730_000_000
    found = distribute(
        costs.net_cents,
        [10_000_000_000, 5_000_000_000, 3_000_000_000, 1_200_000_000],
        [Rank.SENIOR, Rank.SENIOR, Rank.JUNIOR, Rank.UNSECURED],
    )
    assert found.paid_cents.tolist() == [4_486_666_667, 2_243_333_333, 0, 0]
    assert found.residual_cents == 0
    assert deficiency(found.unpaid_cents, [True, False, True, True]).tolist() == [
        5_513_333_333,
        0,
        3_000_000_000,
        1_200_000_000,
    ]


@given(proceeds, ranked)
def test_every_cent_goes_somewhere_and_nobody_gets_more_than_its_claim(
    cents: int, rows: list[tuple[int, int]]
) -> None:
    claim, rank = [r[0] for r in rows], [r[1] for r in rows]
    found = distribute(cents, claim, rank)
    assert int(found.paid_cents.sum()) + int(found.residual_cents) == cents
    assert np.all((found.paid_cents >= 0) & (found.paid_cents <= claim))
    assert np.array_equal(found.paid_cents + found.unpaid_cents, claim)
    # Owners get nothing before every creditor is whole.
    assert found.residual_cents == 0 or not np.any(found.unpaid_cents)


@given(proceeds, ranked)
def test_no_class_is_paid_before_a_senior_one_is_whole(cents: int, rows: list[tuple[int, int]]) -> None:
    claim, rank = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = distribute(cents, claim, rank)
    for senior, junior in pairwise(sorted(set(rank.tolist()))):
        if np.any(found.unpaid_cents[rank == senior]):
            assert not np.any(found.paid_cents[rank == junior])


@given(proceeds, ranked)
def test_within_a_class_shares_are_proportional_to_the_cent(cents: int, rows: list[tuple[int, int]]) -> None:
    claim, rank = np.array([r[0] for r in rows], dtype=np.int64), np.array([r[1] for r in rows])
    found = distribute(cents, claim, rank)
    for level in set(rank.tolist()):
        here = rank == level
        total, paid = int(claim[here].sum()), int(found.paid_cents[here].sum())
        for due, got in zip(claim[here].tolist(), found.paid_cents[here].tolist(), strict=True):
            assert abs(got * total - due * paid) <= total * 1.01


@given(proceeds, st.integers(0, 10**10), ranked)
def test_more_proceeds_never_pay_a_class_less(cents: int, more: int, rows: list[tuple[int, int]]) -> None:
    claim, rank = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    small, large = distribute(cents, claim, rank), distribute(cents + more, claim, rank)
    for level in set(rank.tolist()):
        here = rank == level
        assert large.paid_cents[here].sum() >= small.paid_cents[here].sum()
    # A single claim may lose the odd cent of a largest remainder, never more.
    assert np.all(large.paid_cents >= small.paid_cents - 1)


@given(
    st.integers(0, 10**13),
    st.floats(0.0, 1.0),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
)
def test_costs_come_first_and_never_exceed_the_money(
    gross: int, share: float, hosting: int, freight: int, fees: int
) -> None:
    found = sale_proceeds(gross, share, hosting, freight, fees)
    assert found.net_cents >= 0
    assert found.hosting_cents <= hosting
    assert found.freight_cents <= freight
    assert found.fees_cents <= fees
    if found.net_cents:
        assert (found.hosting_cents, found.freight_cents, found.fees_cents) == (hosting, freight, fees)
        assert abs(found.enforcement_cents - share * gross) <= 1


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be distributed"):
        distribute(-1, [1], [0])
    with pytest.raises(ValueError, match="claims must be >= 0"):
        distribute(1, [-1], [0])
    with pytest.raises(ValueError, match="enforcement_share"):
        sale_proceeds(1, 1.2)
    with pytest.raises(TypeError, match="whole numbers"):
        distribute(1, [0.5], [0])
