"""Degenerate books, conventions and refused input."""

import dataclasses

import clearing_books
import numpy as np
import pytest

from sim.kernel.book import Book
from sim.kernel.clearing import clear


def test_an_empty_book_clears_to_empty():
    clearing = clear(clearing_books.book([], [0, 5]), clearing_books.network(2))
    assert clearing.filled.shape == (0,)
    assert clearing.surplus == 0
    assert clearing.certificate.gap == 0
    assert np.isnan(clearing.price).all()


def test_sellers_only_price_runs_from_nothing_to_the_reserve():
    book = clearing_books.book([[0, 0, 0, 5, 700]], [100, 100])
    clearing = clear(book, clearing_books.network(2, [(0, 1)], [[30]]))
    assert clearing.filled.tolist() == [0.0]
    assert (clearing.price_low[0, 0], clearing.price_high[0, 0]) == (0, 700)
    assert (clearing.price_low[0, 1], clearing.price_high[0, 1]) == (0, 730)


def test_buyers_only_price_is_the_best_bid():
    book = clearing_books.book([[1, 1, 0, 5, 700]], [10_000, 10_000])
    clearing = clear(book, clearing_books.network(2, [(0, 1)], [[30]]))
    assert clearing.price[0].tolist() == [670, 700]


def test_no_trade_price_lies_between_bid_and_ask():
    book = clearing_books.book([[0, 0, 0, 5, 900], [1, 0, 0, 5, 700]], [10_000])
    clearing = clear(book, clearing_books.network(1))
    assert (clearing.price_low[0, 0], clearing.price[0, 0], clearing.price_high[0, 0]) == (700, 800, 900)
    low = clear(book, clearing_books.network(1), theta=0.0)
    assert low.price[0, 0] == 700


def test_no_headroom_rent_is_the_surplus_kept_out():
    book = clearing_books.book([[0, 0, 0, 5, 100], [1, 0, 0, 5, 700]], [0])
    clearing = clear(book, clearing_books.network(1, unit_watts=[10]))
    assert clearing.filled.tolist() == [0, 0]
    assert clearing.price[0, 0] + 10 * clearing.power_rent[0] >= 700
    assert clearing.certificate.gap == 0


def test_ties_share_pro_rata_by_largest_remainder():
    book = clearing_books.book(
        [[0, 0, 0, 80, 0], [1, 0, 0, 80, 5], [1, 0, 0, 40, 5], [1, 0, 0, 40, 5]], [10**6]
    )
    network = clearing_books.network(1, unit=[8], unit_watts=[8])
    assert clear(book, network).filled.tolist() == [80, 40, 20, 20]
    assert clear(book, network, whole=True).filled.tolist() == [80, 40, 24, 16]


def test_fixed_point_where_no_common_scale_fits():
    watts = [1_000_003, 1_000_033, 1_000_037, 1_000_039]
    network = clearing_books.network(1, unit=[1] * 4, unit_watts=watts, liquid=[False] * 4)
    rows = [[s, 0, g, 7, 10**6 + 10**5 * s + g] for g in range(4) for s in (0, 1)]
    clearing = clear(clearing_books.book(rows, [15_000_000]), network)
    assert not clearing.certificate.exact
    assert clearing.certificate.gap <= 1e-9


def test_rounding_respects_headroom_and_reports_what_it_costs():
    network = clearing_books.network(1, unit=[8], unit_watts=[8_000])
    book = clearing_books.book([[0, 0, 0, 80, 0], [1, 0, 0, 80, 100]], [20_000])
    clearing = clear(book, network, whole=True)
    assert clearing.filled.tolist() == [16, 16]
    assert clearing.surplus_bound == pytest.approx(2_000)
    assert clearing.surplus == pytest.approx(1_600)


BAD = [
    ("side", 1, 2, r"side\[1\]"),
    ("node", 0, 9, r"node\[0\]"),
    ("node", 0, -1, r"node\[0\]"),
    ("generation", 1, 3, r"generation\[1\]"),
    ("quantity", 1, -4, r"quantity\[1\]"),
    ("price", 0, -1, r"price\[0\]"),
    ("power", 0, -1, r"power\[0\]"),
    ("cooling", 0, -1, r"cooling\[0\]"),
    ("price", 0, 2**61, r"price"),
    ("quantity", 1, 2**60, r"quantity"),
]


@pytest.mark.parametrize(("name", "position", "value", "message"), BAD)
def test_bad_entries_are_named(name, position, value, message):
    book = clearing_books.book([[0, 0, 0, 5, 900], [1, 0, 0, 5, 700]], [10_000])
    array = getattr(book, name).copy()
    array[position] = value
    with pytest.raises(ValueError, match=message):
        clear(dataclasses.replace(book, **{name: array}), clearing_books.network(1))


def test_bad_shapes_and_types_are_named():
    book = clearing_books.book([[0, 0, 0, 5, 900]], [10_000])
    network = clearing_books.network(1)
    with pytest.raises(ValueError, match="price"):
        clear(dataclasses.replace(book, price=np.array([1.5])), network)
    with pytest.raises(ValueError, match="power"):
        clear(dataclasses.replace(book, power=np.zeros(3, np.int64)), network)
    with pytest.raises(ValueError, match="quantity"):
        clear(dataclasses.replace(book, quantity=np.zeros((1, 1), np.int64)), network)
    with pytest.raises(ValueError, match="theta"):
        clear(book, network, theta=1.5)
    with pytest.raises(ValueError, match="unit_watts"):
        clearing_books.network(1, unit_watts=[0])
    with pytest.raises(ValueError, match="freight"):
        clearing_books.network(2, [(0, 1)], [[-2]])
    with pytest.raises(ValueError, match="lanes"):
        clearing_books.network(2, [(0, 2)], [[5]])
    assert isinstance(book, Book)


def test_arrays_of_other_integer_types_and_strides_are_taken():
    book, network = clearing_books.random_case(5)
    wide = dataclasses.replace(
        book,
        side=np.repeat(book.side, 2)[::2],
        node=book.node.astype(np.int64),
        quantity=book.quantity.astype(np.int32),
        price=book.price.astype(np.uint64),
    )
    want, found = clear(book, network), clear(wide, network)
    assert np.array_equal(want.filled, found.filled)
    assert np.array_equal(want.price, found.price, equal_nan=True)
    assert found.certificate.gap == 0


ORDERINGS = {
    "rising": lambda x: np.sort(x),
    "falling": lambda x: np.sort(x)[::-1],
    "organ pipe": lambda x: np.r_[np.sort(x[::2]), np.sort(x[1::2])[::-1]],
    "all tied": lambda x: np.full_like(x, 700),
    "two prices": lambda x: np.where(x % 2 == 0, 100, 900),
}


@pytest.mark.parametrize("name", ORDERINGS)
def test_long_curves_in_any_order(name):
    """One node: the optimum is where the sorted curves cross, whatever the order they come in."""
    rng = np.random.default_rng(3)
    asks, bids = (ORDERINGS[name](rng.integers(0, 1_000, 1_501)) for _ in range(2))
    rows = [[0, 0, 0, 1, int(p)] for p in asks] + [[1, 0, 0, 1, int(p) + 50] for p in bids]
    clearing = clear(clearing_books.book(rows, [10**9]), clearing_books.network(1))
    gains = np.sort(bids + 50)[::-1] - np.sort(asks)
    assert clearing.surplus == gains[gains > 0].sum()
    assert clearing.certificate.gap == 0


def reached_by_asks(book, network):
    """Where an ask can be brought, shape (products, nodes)."""
    reached = np.zeros((len(network.unit), network.n_nodes), dtype=bool)
    asks = (book.side == 0) & (book.quantity > 0)
    reached[book.generation[asks], book.node[asks]] = True
    for _ in range(network.n_nodes):
        for lane, (origin, target) in enumerate(network.lanes):
            reached[:, target] |= reached[:, origin] & (network.freight[:, lane] >= 0)
    return reached


@pytest.mark.parametrize("block", range(5))
def test_a_bid_where_no_ask_can_be_brought_lowers_no_highest_price(block):
    tried = 0
    for seed in range(60 * block, 60 * block + 60):
        book, network = clearing_books.random_case(seed)
        reached = reached_by_asks(book, network)
        if len(book.side) == 0 or reached.all():
            continue
        rng = np.random.default_rng(seed)
        product, node = rng.choice(np.argwhere(~reached))
        rows = np.c_[book.side, book.node, book.generation, book.quantity, book.price]
        bid = [1, node, product, rng.integers(1, 50), rng.integers(1, 40_000)]
        more = clear(clearing_books.book(np.r_[rows, [bid]], book.power, book.cooling), network)
        before = clear(book, network)
        known = ~np.isnan(before.price_high)
        assert (more.price_high >= before.price_high - 1e-6)[known].all()
        for name in ("price_low", "price_high"):
            assert getattr(more, name)[reached] == pytest.approx(getattr(before, name)[reached], abs=1e-6)
        room = book.power[node] > 0 and (not network.liquid[product] or book.cooling[node] > 0)
        rent = more.power_rent[node] + network.liquid[product] * more.cooling_rent[node]
        if room and rent == 0:
            assert more.price_high[product, node] >= bid[4] - 1e-6
        tried += 1
    assert tried > 10
