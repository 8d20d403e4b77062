"""Books of odd watts and of prices far apart: clipped, rounded, finished exactly, or refused by name."""

import dataclasses

import clearing_books
import numpy as np
import pytest

from sim.kernel.book import Book, Network
from sim.kernel.clearing import clear
from sim.kernel.exact_optimum import ExactOptimum
from sim.kernel.flow_scale import FlowScale

ODD = [1_000_003, 1_000_033, 1_000_037, 1_000_039]
FIELDS = ("price", "price_low", "price_high", "power_rent", "cooling_rent")


def odd(nodes=1, lanes=(), freight=None):
    """Four products whose watts have no common measure."""
    return clearing_books.network(nodes, lanes, freight, [1] * 4, ODD, [False] * 4)


def ordinary():
    """Seven sold and seven bought of every product, with room for half of them."""
    return [[s, 0, g, 7, 10**6 + 10**5 * s + g] for g in range(4) for s in (0, 1)]


@pytest.mark.parametrize("reserve", [10**7, 10**12, 10**15])
def test_a_reserve_that_can_never_trade_costs_no_precision(reserve):
    want = clear(clearing_books.book(ordinary(), [15_000_000]), odd())
    clearing = clear(clearing_books.book([*ordinary(), [0, 0, 0, 3, reserve]], [15_000_000]), odd())
    assert clearing.certificate.gap <= 1e-9
    assert clearing.surplus == pytest.approx(want.surplus, rel=1e-12)
    assert clearing.filled[-1] == 0
    assert clearing.filled[:-1] == pytest.approx(want.filled, abs=1e-6)
    assert clearing.price == pytest.approx(want.price, abs=1e-6)


def test_an_absurd_reserve_is_the_highest_price_where_nothing_else_can_be_had():
    rows = [*ordinary(), [0, 1, 0, 3, 10**15 - 1]]
    clearing = clear(clearing_books.book(rows, [15_000_000, 0]), odd(2, [(1, 0)], [[500]] * 4))
    assert clearing.price_high[0, 1] == 10**15 - 1
    assert clearing.price_low[0, 1] == pytest.approx(clearing.price_low[0, 0] - 500)
    assert clearing.certificate.gap == 0


def test_orders_of_different_prices_share_nothing_even_where_rounding_makes_them_equal():
    """Beside a product at 10^14 cents, bids of 100 and 101 cents have one scaled price; the better one is served first."""
    rows = [
        [0, 0, 0, 1, 10**14 - 7],
        [1, 0, 0, 1, 10**14],
        [0, 0, 1, 4, 90],
        [1, 0, 1, 4, 100],
        [1, 0, 1, 4, 101],
    ]
    network = clearing_books.network(1, unit=[1] * 2, unit_watts=[999_983, 999_979], liquid=[False] * 2)
    for whole in (False, True):
        clearing = clear(clearing_books.book(rows, [10**9]), network, whole=whole)
        assert clearing.filled.tolist() == [1, 1, 4, 0, 4]
        assert (clearing.price_low[1, 0], clearing.price_high[1, 0]) == (100, 101)
        assert clearing.surplus == 7 + 4 * 11
        assert clearing.certificate.gap == 0


def test_prices_a_cent_apart_at_the_limit():
    top = 10**15
    rows = [[0, 0, 0, 1, top - 2], [0, 0, 0, 1, top - 1], [1, 0, 0, 1, top], [1, 0, 0, 1, top - 1]]
    for watts in (1, 7, 999_983):
        clearing = clear(clearing_books.book(rows, [10**9]), clearing_books.network(1, unit_watts=[watts]))
        assert clearing.filled[0] == clearing.filled[2] == 1
        assert clearing.surplus == 2
        assert (clearing.price_low[0, 0], clearing.price_high[0, 0]) == (top - 1, top - 1)
        assert clearing.certificate.gap == 0


def test_the_dearest_price_that_once_never_ended_is_refused():
    book = clearing_books.book([[1, 0, 0, 1, 24 * 10**17]], [1])
    with pytest.raises(ValueError, match=r"price\[0\] = 24.*; allowed 0 to 10{15} cents per GPU"):
        clear(book, clearing_books.network(1, unit_watts=[1]))


def test_units_without_a_common_measure_are_refused():
    network = clearing_books.network(
        1, unit=[999_979, 999_983, 999_961], unit_watts=[10**9] * 3, liquid=[False] * 3
    )
    book = clearing_books.book([[s, 0, g, 10, 5 + s] for g in range(3) for s in (0, 1)], [10**9])
    with pytest.raises(
        ValueError, match="unit: sellable units of 999979, 999983, 999961 GPUs .* no common measure"
    ):
        clear(book, network)


def test_quantities_beyond_the_range_are_refused():
    rows = [[1, 0, 0, 3 * 10**18, 1], [1, 0, 0, 3 * 10**18, 1]]
    with pytest.raises(ValueError, match=r"quantity\[1\] = 3.*; all quantities so far are beyond 4e18 GPUs"):
        clear(clearing_books.book(rows, [10**9]), clearing_books.network(1))


def test_a_huge_order_at_the_margin_leaves_no_gap():
    """An offer of 10^11 GPUs at the price of the market: any rounding of the price counts for all of them."""
    rows = [[0, 0, 0, 10**11, 1_003], [1, 0, 0, 2, 1_009], [1, 0, 1, 1, 5], [0, 0, 1, 1, 3], [0, 0, 2, 1, 2]]
    clearing = clear(clearing_books.book(rows, [10**9]), odd())
    assert clearing.price[0, 0] == 1_003
    assert clearing.certificate.gap == 0


@pytest.mark.parametrize("block", range(4))
def test_the_exact_method_agrees_with_the_kernel(block):
    """Started without any flow, it finds the same surplus, prices and rents on ordinary books."""
    for seed in range(15 * block, 15 * block + 15):
        book, network = clearing_books.random_case(seed)
        active = np.unique(book.generation[book.quantity > 0]).astype(np.int32)
        if len(active) == 0:
            continue
        clearing = clear(book, network)
        scale = FlowScale.fixed_point(network.unit, network.unit_watts, active, 1, 2**53)
        none = np.zeros(len(book.side), np.int64), np.zeros((len(active), len(network.lanes)), np.int64)
        other = ExactOptimum(book, network, scale, *none)
        assert other.surplus() / other.scale == pytest.approx(clearing.surplus, rel=1e-12, abs=1e-6)
        for end, price in ((other.low, clearing.price_low), (other.high, clearing.price_high)):
            per_gpu = np.repeat(other.flow_per_gpu, network.n_nodes)
            cents = np.array([x * int(f) / other.scale for x, f in zip(end, per_gpu, strict=False)])
            known = ~np.isnan(price[active]).ravel()
            assert known.tolist() == other.known()
            assert price[active].ravel()[known] == pytest.approx(cents[known], rel=1e-12, abs=1e-6)
        power = [-x * scale.watt / other.scale for x in other.low[other.goods :]]
        assert clear(book, network, theta=0.0).power_rent == pytest.approx(power[: network.n_nodes], abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_books_beside_an_absurd_order_clear_as_without_it(seed):
    book, network = clearing_books.random_case(seed)
    if len(book.side) == 0:
        return
    want = clear(book, network, whole=True)
    absurd = np.array([0, 0, book.generation[0], 1, 10**15])
    rows = np.c_[book.side, book.node, book.generation, book.quantity, book.price]
    wider = clearing_books.book(np.r_[rows, [absurd]], book.power, book.cooling)
    found = clear(wider, network, whole=True)
    clearing_books.whole_check(wider, network, found)
    assert found.certificate.gap == 0
    assert found.surplus_bound == pytest.approx(want.surplus_bound, rel=1e-12, abs=1e-6)
    divisible = clear(wider, network)
    clearing_books.check(wider, network, divisible)
    low, want_low = (np.nan_to_num(it.price_low) for it in (divisible, clear(book, network)))
    assert low == pytest.approx(want_low, abs=1e-6)


def test_the_scale_does_not_depend_on_what_was_cleared_before():
    book, network = clearing_books.book(ordinary(), [15_000_000]), odd()
    dearer = dataclasses.replace(book, price=book.price * 4)
    fresh = clear(book, odd())
    clear(dearer, network)
    again = clear(book, network)
    for name in FIELDS:
        assert np.array_equal(getattr(fresh, name), getattr(again, name), equal_nan=True), name


def test_fixed_point_stands_where_rounding_is_proved_harmless():
    clearing = clear(clearing_books.book(ordinary(), [15_000_000]), odd())
    assert not clearing.certificate.exact
    assert 0 <= clearing.certificate.gap <= 1e-9


def test_whole_units_of_little_worth_beside_a_dear_bid_are_added_up_exactly() -> None:
    """Prices are scaled to a bid of 247 million cents, whose power does not suffice for a whole unit; 72 cents are left."""
    book = Book(
        side=np.array([0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 0], dtype=np.int8),
        node=np.array([0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 1], dtype=np.int32),
        generation=np.array([1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1], dtype=np.int32),
        quantity=np.array([45, 1, 1727, 10, 102, 22, 4, 4813, 332, 19, 1015, 1811, 7145, 2135]),
        price=np.array(
            [
                10204,
                247413118,
                7432528,
                343065,
                30,
                70665961,
                13565937,
                5294,
                90872684,
                14,
                10,
                3835546,
                1907,
                62,
            ]
        ),
        power=np.array([119934787, 300739735]),
        cooling=np.array([85378915, 57812568]),
    )
    network = Network(
        n_nodes=2,
        lanes=np.array([[0, 1]], dtype=np.int32),
        freight=np.array([[3830], [4554]]),
        unit=np.array([3335, 6]),
        unit_watts=np.array([192015266, 743039]),
        liquid=np.array([False, False]),
    )
    found = clear(book, network, whole=True)
    worth = np.where(book.side == 1, 1, -1) * book.price * found.filled
    assert found.surplus == worth.sum() == 72
    assert found.certificate.gap <= 1e-9
