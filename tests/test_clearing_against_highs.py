"""The kernel against HiGHS, brute force and its own certificate on random and degenerate books."""

import itertools

import clearing_books
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.kernel.clearing import clear, matched


def compare(book, network):
    clearing = clear(book, network)
    want = clearing_books.highs_value(book, network)
    assert clearing.surplus == pytest.approx(want, rel=1e-7, abs=1e-4)
    assert clearing.surplus == pytest.approx(clearing.certificate.primal / clearing.certificate.scale)
    clearing_books.check(book, network, clearing)
    return clearing


@pytest.mark.parametrize("block", range(20))
def test_random_books(block):
    for seed in range(20 * block, 20 * block + 20):
        book, network = clearing_books.random_case(seed)
        compare(book, network)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(40))
def test_many_random_books(block):
    for seed in range(10_000 + 100 * block, 10_100 + 100 * block):
        book, network = clearing_books.random_case(seed)
        compare(book, network)
        clearing_books.whole_check(book, network, clear(book, network, whole=True))


@pytest.mark.parametrize("block", range(10))
def test_whole_units_and_trades(block):
    for seed in range(1_000 + 20 * block, 1_020 + 20 * block):
        book, network = clearing_books.random_case(seed)
        clearing = clear(book, network, whole=True)
        clearing_books.whole_check(book, network, clearing)
        trades = matched(clearing, book, network)
        sold, bought = np.zeros(len(book.side), np.int64), np.zeros(len(book.side), np.int64)
        np.add.at(sold, trades["sell"], trades["quantity"])
        np.add.at(bought, trades["buy"], trades["quantity"])
        assert np.array_equal(sold, np.where(book.side == 0, clearing.filled, 0))
        assert np.array_equal(bought, np.where(book.side == 1, clearing.filled, 0))
        carried = clearing.flow.quantity * network.freight[clearing.flow.generation, clearing.flow.lane]
        assert int((trades["quantity"] * trades["freight"]).sum()) == round(float(carried.sum()))


def brute_force(book, network):
    """Best surplus over whole-GPU fills of a book on one node, one product."""
    watts = int(network.unit_watts[0] // network.unit[0])
    best = 0
    for fill in itertools.product(*(range(int(q) + 1) for q in book.quantity)):
        amount = np.array(fill)
        sold, bought = amount[book.side == 0].sum(), amount[book.side == 1].sum()
        if sold == bought and bought * watts <= book.power[0]:
            best = max(best, int((np.where(book.side == 1, book.price, -book.price) * amount).sum()))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_brute_force(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    rows = np.stack(
        [
            rng.integers(0, 2, n),
            np.zeros(n, int),
            np.zeros(n, int),
            rng.integers(0, 5, n),
            rng.integers(0, 6, n),
        ],
        axis=1,
    )
    book = clearing_books.book(rows, [int(rng.integers(0, 10)) * 1_000])
    network = clearing_books.network(1)
    assert clear(book, network).surplus == brute_force(book, network)


orders = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(0, 3), st.integers(0, 1), st.integers(0, 20), st.integers(0, 12)
    ),
    max_size=14,
)


books = (
    orders,
    st.lists(st.integers(0, 30), min_size=4, max_size=4),
    st.lists(st.integers(0, 30), min_size=4, max_size=4),
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 3), st.integers(-1, 3)), max_size=8
    ),
    st.booleans(),
)
patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def any_small_book(rows, power, cooling, lanes, liquid):
    network = clearing_books.network(
        4,
        [lane[:2] for lane in lanes],
        np.array([lane[2:] for lane in lanes], dtype=np.int64).reshape(-1, 2).T,
        [1, 1],
        [2, 3],
        [False, liquid],
    )
    book = clearing_books.book(rows, power, cooling)
    compare(book, network)
    clearing_books.whole_check(book, network, clear(book, network, whole=True))


test_any_small_book = settings(max_examples=150, **patient)(given(*books)(any_small_book))
test_a_hundred_times_as_many_small_books = pytest.mark.slow(
    settings(max_examples=15_000, **patient)(given(*books)(any_small_book))
)


@pytest.mark.parametrize("seed", range(30))
def test_order_of_the_book_does_not_matter(seed):
    book, network = clearing_books.random_case(seed)
    shuffle = np.random.default_rng(seed).permutation(len(book.side))
    other = type(book)(
        *(getattr(book, name)[shuffle] for name in ("side", "node", "generation", "quantity", "price")),
        book.power,
        book.cooling,
    )
    one, two = clear(book, network), clear(other, network)
    assert np.array_equal(one.filled[shuffle], two.filled)
    for name in ("price_low", "price_high", "power_rent", "cooling_rent"):
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True)
