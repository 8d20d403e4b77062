"""Waterfall: exact sums, absolute priority, proportion within a rank."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.base.units import BooksDoNotClose
from sim.debt import waterfall
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
    # One bad claim among good ones, whichever comes first.
    for claims in ([-1, 5], [5, -1]):
        with pytest.raises(ValueError, match="a claim of -1 cents"):
            distribute(1, claims, [0, 0])
    with pytest.raises(ValueError, match="enforcement_share = -0.01 must be a share from 0 to 1"):
        sale_proceeds(100, -0.01)


def check(
    paid: list[int], residual: int, proceeds: int, *, claim: tuple[int, ...], rank: tuple[int, ...]
) -> None:
    waterfall._check_order(np.array(paid), np.array(claim), np.array(rank), residual, proceeds)


@pytest.mark.parametrize(
    ("paid", "residual"),
    [
        ([9, 0, 1], 0),  # a cent to the junior, one lacks the senior
        ([3, 5, 0], 0),  # the second class before the first is whole
        ([10, 9, 10], 0),
        ([10, 10, 9], 1),  # a cent to the owners
        ([11, 10, 10], 0),  # more than the claim
        ([10, 10, 11], 5),
        ([10, 10, -1], 0),
        ([-1, 0, 0], 0),
    ],
)
def test_a_wrong_order_of_payment_is_caught(paid: list[int], residual: int) -> None:
    """The sums are right: only who was paid is wrong."""
    with pytest.raises(BooksDoNotClose, match="paid before a senior one was whole"):
        check(paid, residual, sum(paid) + residual, claim=(10, 10, 10), rank=(0, 1, 2))


@pytest.mark.parametrize(("proceeds", "gap"), [(26, 1), (24, -1), (10_025, 10_000)])
def test_a_cent_that_went_nowhere_is_caught(proceeds: int, gap: int) -> None:
    with pytest.raises(BooksDoNotClose, match=f"an estate is out by {gap} cents"):
        check([10, 10, 5], 0, proceeds, claim=(10, 10, 10), rank=(0, 1, 2))
    with pytest.raises(BooksDoNotClose, match=f"an estate is out by {gap} cents"):
        check([10, 10], 5, proceeds, claim=(10, 10), rank=(0, 1))


def test_right_orders_of_payment_pass_the_check() -> None:
    check([10, 10, 5], 0, 25, claim=(10, 10, 10), rank=(0, 1, 2))
    check([10, 10, 10], 5, 35, claim=(10, 10, 10), rank=(0, 1, 2))
    check([4, 6, 0], 0, 10, claim=(10, 15, 10), rank=(3, 3, 4))
    check([0, 10, 9], 0, 19, claim=(10, 10, 10), rank=(2, 0, 1))


def test_every_distribution_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rounding that keeps a cent is caught where it is used."""
    monkeypatch.setattr(waterfall, "largest_remainder", lambda total, due: np.array([total - 1, 0]))
    with pytest.raises(BooksDoNotClose, match="paid before a senior"):
        distribute(10, [20, 20], [0, 0])


@pytest.mark.parametrize(
    ("due", "rounded", "share"),
    [
        ([1, 3, 5], [2, 1, 2], [1, 2, 2]),
        ([1, 3, 5], [3, 0, 2], [1, 2, 2]),
        ([1, 1, 5], [4, 0, 1], [1, 1, 3]),
        ([5, 1, 3], [1, 3, 1], [3, 1, 1]),
        ([2, 2, 2], [1, 2, 2], [1, 2, 2]),
    ],
)
def test_what_rounding_puts_above_a_claim_goes_to_the_next_with_room(
    due: list[int], rounded: list[int], share: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waterfall, "largest_remainder", lambda total, due: np.array(rounded))
    assert distribute(5, due, [0, 0, 0]).paid_cents.tolist() == share


def test_nobody_claims_and_nothing_is_there() -> None:
    assert distribute(5, [], []).residual_cents == 5
    found = distribute(0, [3, 0], [0, 1])
    assert (found.paid_cents.tolist(), found.unpaid_cents.tolist(), found.residual_cents) == (
        [0, 0],
        [3, 0],
        0,
    )


def test_a_class_that_is_just_covered_leaves_nothing() -> None:
    found = distribute(7, [3, 4, 1], [0, 0, 1])
    assert (found.paid_cents.tolist(), found.unpaid_cents.tolist(), found.residual_cents) == (
        [3, 4, 0],
        [0, 0, 1],
        0,
    )


def test_costs_of_a_sale_by_hand() -> None:
    plain = sale_proceeds(10_000, 0.0)
    assert (plain.gross_cents, plain.net_cents) == (10_000, 10_000)
    assert (plain.enforcement_cents, plain.hosting_cents, plain.freight_cents, plain.fees_cents) == (
        0,
        0,
        0,
        0,
    )
    each = sale_proceeds(10_000, 0.04, 700, 50, 3)
    assert (each.enforcement_cents, each.hosting_cents, each.freight_cents, each.fees_cents) == (
        400,
        700,
        50,
        3,
    )
    assert each.net_cents == 10_000 - 400 - 700 - 50 - 3
    # In order: enforcement, hosting, freight, fees.
    for gross, paid in (
        (4, (4, 0, 0, 0)),
        (405, (16, 389, 0, 0)),
        (750, (30, 700, 20, 0)),
        (800, (32, 700, 50, 3)),
    ):
        found = sale_proceeds(gross, 0.04 if gross > 4 else 1.0, 700, 50, 3)
        assert (found.enforcement_cents, found.hosting_cents, found.freight_cents, found.fees_cents) == paid
        assert found.net_cents == gross - sum(paid)
    assert sale_proceeds(1_000, 1.0).net_cents == 0


def test_deficiency_is_what_recourse_reaches() -> None:
    assert deficiency([1, 0, 70], [True, True, False]).tolist() == [1, 0, 0]
