"""Joint payment: golden values, laws, and three independent solvers (contracts.md 4.11, theory.md T11)."""

import heapq
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, linprog, milp
from theory.payments import clear_payments

from sim.debt.payments import Payments, clear_claims

CONTRACTS = np.array([[0, 60, 30, 10], [0, 0, 40, 20], [20, 0, 0, 30], [0, 0, 0, 0]])
CONTRACTS_CASH = np.array([50, 20, 15, 0])
THEORY = np.array([[0, 8, 0, 4], [0, 0, 9, 3], [5, 0, 0, 6], [0, 0, 0, 0]])
THEORY_CASH = np.array([6, 4, 5, 0])
UNIT = 1_000_000


def test_golden_value_of_contracts() -> None:
    """One default becomes two through default costs alone."""
    owed, cash = CONTRACTS * 100, CONTRACTS_CASH * 100
    debtor, creditor = np.nonzero(owed)
    free = clear_claims(debtor, creditor, owed[debtor, creditor], cash)
    assert free.total_cents.tolist() == [7000, 6000, 5000, 0]
    assert [d.tolist() for d in free.defaults] == [[0]]
    costly = clear_claims(debtor, creditor, owed[debtor, creditor], cash, 0.90, 0.95)
    assert costly.total_cents.tolist() == [6400, 5448, 5000, 0]
    assert [d.tolist() for d in costly.defaults] == [[0], [1]]


def test_golden_value_of_theory() -> None:
    assert (clear_payments(THEORY * UNIT, THEORY_CASH * UNIT) / UNIT).round(3).tolist() == [11, 11.333, 11, 0]
    costly = clear_payments(THEORY * UNIT, THEORY_CASH * UNIT, 0.7, 0.7) / UNIT
    assert costly.round(3).tolist() == [6.27, 5.726, 6.506, 0]


@st.composite
def systems(draw: st.DrawFn, largest: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A matrix of liabilities with an empty diagonal, and cash."""
    n = draw(st.integers(2, 6))
    cells = draw(st.lists(st.one_of(st.just(0), st.integers(0, largest)), min_size=n * n, max_size=n * n))
    owed = np.array(cells, dtype=np.int64).reshape(n, n)
    np.fill_diagonal(owed, 0)
    cash = np.array(draw(st.lists(st.integers(0, largest), min_size=n, max_size=n)), dtype=np.int64)
    return owed, cash


shares = st.sampled_from([1.0, 0.95, 0.9, 0.7, 0.5, 0.0])


def claims(
    owed: np.ndarray, cash: np.ndarray, alpha: float = 1.0, beta: float = 1.0, least: bool = False
) -> Payments:
    debtor, creditor = np.nonzero(owed)
    return clear_claims(debtor, creditor, owed[debtor, creditor], cash, alpha, beta, least=least)


def webster(due: list[int], total: int) -> list[int]:
    """Cent by cent: the next cent goes where (2 m + 1) / L is smallest."""
    paid = [0] * len(due)
    heap = [(Fraction(1, amount), k) for k, amount in enumerate(due) if amount]
    heapq.heapify(heap)
    for _ in range(min(total, sum(due))):
        _, k = heapq.heappop(heap)
        paid[k] += 1
        if paid[k] < due[k]:
            heapq.heappush(heap, (Fraction(2 * paid[k] + 1, due[k]), k))
    return paid


def reference(owed: np.ndarray, cash: np.ndarray, alpha: float, beta: float, least: bool) -> np.ndarray:
    """The same map iterated downwards from full payment or upwards from none, in plain Python."""
    a, b = Fraction(str(alpha)), Fraction(str(beta))
    n = len(cash)
    paid = np.zeros_like(owed) if least else owed.copy()
    while True:
        inflow = paid.sum(axis=0)
        fresh = owed.copy()
        for i in range(n):
            if cash[i] + inflow[i] < owed[i].sum():
                total = int(a * int(cash[i])) + int(b * int(inflow[i]))
                fresh[i] = webster([int(x) for x in owed[i]], total)
        if np.array_equal(fresh, paid):
            return paid
        paid = fresh


@settings(max_examples=150, deadline=None)
@given(systems(), shares, shares, st.booleans())
def test_payments_against_plain_iteration(
    system: tuple[np.ndarray, np.ndarray], alpha: float, beta: float, least: bool
) -> None:
    owed, cash = system
    table = np.zeros_like(owed)
    table[np.nonzero(owed)] = claims(owed, cash, alpha, beta, least).paid_cents
    assert np.array_equal(table, reference(owed, cash, alpha, beta, least))


@given(systems(10**9), shares, shares)
def test_the_least_vector_is_below_the_greatest(
    system: tuple[np.ndarray, np.ndarray], alpha: float, beta: float
) -> None:
    owed, cash = system
    low, high = claims(owed, cash, alpha, beta, least=True), claims(owed, cash, alpha, beta)
    assert np.all(low.paid_cents <= high.paid_cents)
    assert np.all((low.wave > 0) >= (high.wave > 0))


def test_a_circle_without_cash_is_paid_by_faith_alone() -> None:
    owed, cash = np.array([[0, 100], [100, 0]]), np.array([0, 0])
    assert claims(owed, cash).total_cents.tolist() == [100, 100]
    assert claims(owed, cash, least=True).total_cents.tolist() == [0, 0]


def test_least_and_greatest_differ_under_default_costs() -> None:
    """Each pays in full if the other does: with full recovery one answer, with costs two."""
    owed, cash = np.array([[0, 90, 10], [90, 0, 10], [0, 0, 0]]), np.array([15, 15, 0])
    assert (
        claims(owed, cash).total_cents.tolist()
        == claims(owed, cash, least=True).total_cents.tolist()
        == [100, 100, 0]
    )
    assert claims(owed, cash, 0.5, 0.5).total_cents.tolist() == [100, 100, 0]
    low = claims(owed, cash, 0.5, 0.5, least=True)
    assert (low.total_cents.tolist(), low.defaults[0].tolist()) == ([12, 12, 0], [0, 1])


@given(systems(10**12), shares, shares)
def test_limited_liability_priority_and_conservation(
    system: tuple[np.ndarray, np.ndarray], alpha: float, beta: float
) -> None:
    owed, cash = system
    result = claims(owed, cash, alpha, beta)
    full = owed.sum(axis=1)
    assert np.all(result.paid_cents >= 0)
    assert np.all(result.paid_cents <= owed[np.nonzero(owed)])
    assert int(result.total_cents.sum()) == int(result.received_cents.sum())
    assert np.all(cash + result.received_cents - result.total_cents >= 0)
    assert np.all(result.total_cents[result.wave == 0] == full[result.wave == 0])
    failed = result.wave > 0
    if alpha == beta == 1.0:
        assert np.array_equal(failed, result.total_cents < full)
        # Absolute priority: who fails has nothing left.
        assert np.array_equal(result.total_cents[failed], (cash + result.received_cents)[failed])
    # The first wave fails on its own books: not even full payment by everybody would save it.
    assert np.array_equal(result.wave == 1, cash + owed.sum(axis=0) < full)


@given(systems(10**9), shares, shares, st.data())
def test_more_cash_never_lowers_any_payment(
    system: tuple[np.ndarray, np.ndarray], alpha: float, beta: float, data: st.DataObject
) -> None:
    owed, cash = system
    extra = data.draw(st.lists(st.integers(0, 10**9), min_size=len(cash), max_size=len(cash)))
    before, after = claims(owed, cash, alpha, beta), claims(owed, cash + np.array(extra), alpha, beta)
    assert np.all(after.paid_cents >= before.paid_cents)


@given(systems(10**9), shares, shares)
def test_default_costs_never_help(system: tuple[np.ndarray, np.ndarray], alpha: float, beta: float) -> None:
    owed, cash = system
    assert np.all(claims(owed, cash, alpha, beta).paid_cents <= claims(owed, cash).paid_cents)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12), st.data())
def test_creditors_of_one_debtor_share_in_proportion(due: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(due)))
    creditors = np.arange(1, len(due) + 1)
    cash = np.zeros(len(due) + 1, dtype=np.int64)
    cash[0] = total
    paid = clear_claims(np.zeros(len(due), dtype=np.int64), creditors, due, cash).paid_cents
    assert int(paid.sum()) == total
    exact = np.array(due) * (total / max(sum(due), 1))
    # Half a cent of a claim's own rounding, and its part of the odd cents of all.
    assert np.all(np.abs(paid - exact) <= 0.5 + len(due) / 2 + 1e-6)
    if sum(due) < 2000:
        assert paid.tolist() == webster(due, total)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=10), st.integers(0, 300)
)
def test_no_rank_is_paid_before_the_one_above_is_whole(ranked: list[tuple[int, int]], total: int) -> None:
    rank, due = np.array([r for r, _ in ranked]), np.array([d for _, d in ranked])
    cash = np.zeros(len(due) + 1, dtype=np.int64)
    cash[0] = total
    result = clear_claims(
        np.zeros(len(due), dtype=np.int64), np.arange(1, len(due) + 1), due, cash, rank=rank
    )
    assert int(result.paid_cents.sum()) == min(total, int(due.sum()))
    for senior, junior in pairwise(sorted(set(rank.tolist()))):
        short = result.paid_cents[rank == senior].sum() < due[rank == senior].sum()
        assert not (short and result.paid_cents[rank == junior].sum() > 0)


def random_system(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sparse liabilities; everybody also owes at least a fifth of its debts to the last party, which owes nothing."""
    random = np.random.Generator(np.random.Philox(seed))
    owed = random.integers(0, 10**9, (n, n)) * (random.random((n, n)) < 0.3)
    np.fill_diagonal(owed, 0)
    owed[-1] = 0
    owed[:-1, -1] += owed[:-1, :-1].sum(axis=1) // 4 + 1
    cash = (random.random(n) * owed.sum(axis=1) * 0.6).astype(np.int64)
    return owed, cash


@pytest.mark.parametrize("seed", range(8))
def test_eisenberg_noe_against_a_linear_program(seed: int) -> None:
    """Greatest clearing vector = argmax of total payments subject to limited liability; HiGHS."""
    owed, cash = random_system(seed, 30)
    full = owed.sum(axis=1)
    passed = owed / np.maximum(full, 1)[:, None]
    solved = linprog(
        -np.ones(30),
        A_ub=np.eye(30) - passed.T,
        b_ub=cash,
        bounds=list(zip(np.zeros(30), full, strict=True)),
        method="highs",
    )
    assert solved.status == 0
    # Gains are at most 0.8, so a cent of rounding at each of 30 parties moves nothing by more than 30 * 30 / 0.2.
    ours = clear_payments(owed, cash)
    assert np.any(ours < full)
    assert ours == pytest.approx(solved.x, abs=4500)


@pytest.mark.parametrize("seed", range(8))
def test_rogers_veraart_against_a_mixed_integer_program(seed: int) -> None:
    """p <= a e + b I + pbar s, pbar s <= e + I, s in {0, 1}; HiGHS, amounts in thousands of USD."""
    n, alpha, beta = 12, 0.9, 0.8
    owed, cash = random_system(100 + seed, n)
    scale = 1e5
    full = owed.sum(axis=1) / scale
    passed = owed / np.maximum(owed.sum(axis=1), 1)[:, None]
    e = cash / scale
    left = np.block([[np.eye(n) - beta * passed.T, -np.diag(full)], [-passed.T, np.diag(full)]])
    solved = milp(
        -np.concatenate([np.ones(n), np.zeros(n)]),
        constraints=LinearConstraint(left, -np.inf, np.concatenate([alpha * e, e])),
        integrality=np.concatenate([np.zeros(n), np.ones(n)]),
        bounds=(np.zeros(2 * n), np.concatenate([full, np.ones(n)])),
        options={"mip_rel_gap": 0.0},
    )
    assert solved.status == 0
    ours = clear_payments(owed, cash, alpha, beta) / scale
    assert ours == pytest.approx(solved.x[:n], rel=1e-5, abs=0.05)


def test_a_lender_that_passes_on_what_it_gets_never_overdraws() -> None:
    """Three borrowers, two lenders without cash, their funders: totals split otherwise would leave it a cent short."""
    debtor = np.array([0, 0, 1, 2, 3, 3, 3, 4, 4])
    creditor = np.array([3, 4, 3, 4, 5, 6, 7, 5, 6])
    due = np.array([333, 667, 1001, 999, 700, 500, 333, 600, 401])
    cash = np.array([500, 700, 7, 0, 0, 0, 0, 0])
    result = clear_claims(debtor, creditor, due, cash)
    assert np.all(cash + result.received_cents - result.total_cents >= 0)
    assert [d.tolist() for d in result.defaults] == [[0, 1, 2, 3], [4]]
    assert int(result.received_cents[5:].sum()) == int(cash.sum())


def test_circles_without_an_outlet_are_refused() -> None:
    with pytest.raises(ArithmeticError, match="owe nearly everything to each other"):
        clear_claims([0, 1, 0], [1, 0, 2], [4 * 10**15, 4 * 10**15, 1], [0, 0, 0])


def test_nothing_owed_nothing_paid() -> None:
    empty = np.zeros(0, dtype=np.int64)
    result = clear_claims(empty, empty, empty, [5, 5])
    assert (result.waves, result.total_cents.tolist()) == (0, [0, 0])
    assert clear_payments(np.zeros((0, 0), dtype=np.int64), empty).tolist() == []


def test_slow_circles_end() -> None:
    """Two insolvent parties that owe each other nearly everything: the gain is 0.9999."""
    owed = np.array([[0, 9_999_000_000, 1_000_000], [9_999_000_000, 0, 1_000_000], [0, 0, 0]])
    result = claims(owed, np.array([0, 500_000, 0]))
    assert result.received_cents[2] == 500_000
    assert np.all(result.wave[:2] > 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"creditor": [0]}, "party 0 owes itself"),
        ({"due": [-1]}, "must be >= 0"),
        ({"due": [2**53]}, "2\\^53 cents"),
        ({"creditor": [7]}, "outside 0 to 1"),
        ({"outside_recovery": 1.5}, "share from 0 to 1"),
        ({"cash": [-1, 0]}, "cash of row 0"),
    ],
)
def test_nonsense_is_refused(change: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"debtor": [0], "creditor": [1], "due": [5], "cash": [1, 0]}
    with pytest.raises(ValueError, match=words):
        clear_claims(**(good | change))  # type: ignore[arg-type]
