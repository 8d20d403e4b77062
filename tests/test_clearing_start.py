"""The dual method: prices, rents and surplus do not depend on where the kernel starts."""

import dataclasses

import clearing_books
import numpy as np
import pytest
from test_clearing_kernel import ZOO

from sim.kernel.clearing import clear, matched

FIELDS = ("price", "price_low", "price_high", "power_rent", "cooling_rent")


def same(one, other):
    assert one.surplus == other.surplus
    for name in FIELDS:
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


def moved(book, seed, share=0.2):
    """The book of another week: some orders and headrooms differ, some have gone."""
    rng = np.random.default_rng(seed)
    n = len(book.side)
    quantity = np.where(rng.random(n) < share, rng.integers(0, 60, n), book.quantity)
    price = np.where(rng.random(n) < share, book.price * 9 // 10, book.price)
    power = np.where(rng.random(len(book.power)) < share, book.power // 2, book.power)
    return dataclasses.replace(book, quantity=quantity, price=price, power=power)


@pytest.mark.parametrize("block", range(20))
def test_random_weeks(block):
    for seed in range(20 * block, 20 * block + 20):
        book, network = clearing_books.random_case(seed)
        first = clear(book, network)
        for week in (book, moved(book, seed)):
            cold, warm = clear(week, network), clear(week, network, hint=first)
            clearing_books.check(week, network, warm)
            same(cold, warm)
            same(cold, clear(week, network, hint=warm))


@pytest.mark.parametrize("name", ZOO)
def test_zoo(name):
    book, network = ZOO[name]()
    first = clear(moved(book, 1), network)
    cold, warm = clear(book, network), clear(book, network, hint=first)
    clearing_books.check(book, network, warm)
    same(cold, warm)


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("seed", range(3))
def test_nonsense_prices_do_no_harm(name, seed):
    book, network = ZOO[name]()
    rng = np.random.default_rng(seed)
    cold = clear(book, network)
    prices = rng.integers(0, 30_000, cold.price_low.shape).astype(float)
    prices[rng.random(prices.shape) < 0.1] = np.nan
    rents = np.cumsum(rng.random((2, network.n_nodes)) * (1 + seed), axis=0)
    warm = clear(book, network, hint=dataclasses.replace(cold, price_low=prices, _highest_rents=rents))
    clearing_books.check(book, network, warm)
    same(cold, warm)


def glut(seed):
    """Far more offered than wanted, more classes than the threshold."""
    rng = np.random.default_rng(seed)
    book, network = ZOO["line"]()
    n = 3_000
    side = (rng.random(n) > 0.9).astype(int)
    price = np.where(side, rng.integers(50, 400, n), rng.integers(0, 40, n)) * 25
    rows = np.stack(
        [side, rng.integers(0, 60, n), rng.integers(0, 3, n), 8 * rng.integers(1, 20, n), price], 1
    )
    return clearing_books.book(rows, book.power, book.cooling), network


@pytest.mark.parametrize("seed", range(4))
def test_fire_sale_starts_from_national_prices(seed):
    book, network = glut(seed)
    clearing = clear(book, network)
    assert clearing.surplus == pytest.approx(clearing_books.highs_value(book, network), rel=1e-8)
    clearing_books.check(book, network, clearing)
    whole = clear(book, network, whole=True)  # solved by the primal method
    assert whole.surplus_bound == clearing.surplus
    assert whole.pivots > clearing.pivots
    assert np.array_equal(whole.price, clearing.price)


def test_an_unchanged_book_costs_no_pivots():
    book, network = ZOO["line"]()
    first = clear(book, network)
    assert clear(book, network, hint=first).pivots <= 2 < first.pivots


def test_whole_units_do_not_depend_on_history():
    book, network = ZOO["star"]()
    hint = clear(moved(book, 3), network)
    one, other = clear(book, network, whole=True), clear(book, network, whole=True, hint=hint)
    assert np.array_equal(one.filled, other.filled)
    for name, column in matched(one, book, network).items():
        assert np.array_equal(column, matched(other, book, network)[name])


def test_a_hint_of_another_shape_is_named():
    book, network = ZOO["line"]()
    other = clear(*ZOO["star"]())
    hint = dataclasses.replace(other, price_low=other.price_low[:2])
    with pytest.raises(ValueError, match="hint: has prices of shape"):
        clear(book, network, hint=hint)


# As in test_clearing_kernel: a change here is a change of the algorithm.
WARM = {"line": 50, "star": 56, "coarse prices": 10, "tight": 27, "no limit": 26, "free freight": 40}
COLD = [220, 246, 241]


@pytest.mark.parametrize("name", WARM)
def test_pivots_after_a_fifth_of_the_book_has_changed(name):
    book, network = ZOO[name]()
    assert clear(book, network, hint=clear(moved(book, 1), network)).pivots == WARM[name]


@pytest.mark.parametrize("seed", range(3))
def test_pivots_of_a_fire_sale(seed):
    assert clear(*glut(seed)).pivots == COLD[seed]
