"""Golden values of theory.md and economics.md: T1, T2, F1, F1b, F2."""

import clearing_books
import numpy as np
import pytest

from sim.kernel.clearing import clear

H, G = 0, 1


def ladder(node, product, value, cash, floor, steps=400):
    """Cash-covered demand curve of theory.md D.2 in cents: cumulative quantity cash / limit in whole GPUs."""
    limit = np.geomspace(value, floor / 2, steps)
    reach = np.floor(cash / limit).astype(np.int64)
    quantity = np.diff(reach, prepend=0)
    return [[1, node, product, int(q), int(w * 100)] for q, w in zip(quantity, limit, strict=True) if q > 0]


def simple(node, value, quantity):
    return [[1, node, H, quantity, value * 100]]


@pytest.mark.parametrize(
    ("quantity", "price"), [(200, 20_000), (400, 20_000), (600, 13_333), (1_000, 8_000), (2_000, 4_000)]
)
def test_t1_cash_in_the_market(quantity, price):
    network = clearing_books.network(1, unit_watts=[1_000])
    orders = [[0, 0, 0, quantity, 0], *ladder(0, 0, 20_000, 8_000_000, 1_000)]
    clearing = clear(clearing_books.book(orders, [10**9]), network)
    assert clearing.certificate.gap == 0
    if quantity == 400:  # the kink: every price from the next step of the ladder up to the value clears
        assert clearing.price_high[0, 0] == pytest.approx(price * 100, rel=0.01)
    else:
        assert clearing.price[0, 0] == pytest.approx(price * 100, rel=0.01)


@pytest.mark.parametrize(("share", "price"), [(0.2, 20.0), (0.3, 16.333), (0.5, 7.0), (0.6, 6.0)])
def test_t2_industry_distress(share, price):
    n = 100_000
    network = clearing_books.network(1, unit_watts=[1_000])
    healthy = round((1 - share) * n)
    orders = [
        [0, 0, 0, n - healthy, 0],
        *ladder(0, 0, 20.0 * 100, healthy * 7.0 * 100, 200.0),
        [1, 0, 0, n, 6 * 10_000],
    ]
    clearing = clear(clearing_books.book(orders, [10**12]), network)
    assert clearing.price[0, 0] / 10_000 == pytest.approx(price, rel=0.01)


def f1_network():
    # Node 0 is where the lots stand; 1, 2, 3 are the sites of A, B and C.
    freight = [[50_000, 80_000, 60_000]] * 2
    return clearing_books.network(4, [(0, 1), (0, 2), (0, 3)], freight, [1, 1], [1_300, 1_900], [False, True])


def test_f1_prices_to_the_cent():
    orders = [
        [0, 0, H, 1_000, 300_000],
        [0, 0, G, 200, 800_000],
        *ladder(1, H, 22_000, 9e6, 3_000),
        *ladder(2, H, 20_000, 0.55 * 12e6, 3_000),
        *ladder(2, G, 48_000, 0.45 * 12e6, 8_000),
        *ladder(3, H, 12_000, 2.5e6, 3_000),
    ]
    book = clearing_books.book(orders, [0, 600_000, 900_000, 5_000_000], [0, 0, 250_000, 0])
    clearing = clear(book, f1_network())
    assert clearing.certificate.gap == 0
    assert clearing.price[H, 0] == 1_140_000
    assert clearing.price[G, 0] == 800_000
    moved = np.zeros((2, 4))
    np.add.at(moved, (book.generation, book.node), clearing.filled * book.side)
    assert moved[H, 1:] == pytest.approx([461.54, 500.0, 38.46], abs=0.7)
    assert moved[G, 2] == pytest.approx(131.58, abs=0.7)
    # Duals hold up to the grid of the ladder (theory.md: within 9 %); dollars per kW.
    assert clearing.power_rent[1] * 10 == pytest.approx(5_846.15, rel=0.05)
    assert clearing.cooling_rent[2] * 10 == pytest.approx(16_199, rel=0.09)


def f1b_book(quantity):
    orders = [
        [0, 0, 0, quantity, 300_000],
        *ladder(1, 0, 22_000, 9e6, 3_000),
        *ladder(2, 0, 20_000, 12e6, 3_000),
        *ladder(3, 0, 12_000, 2.5e6, 3_000),
    ]
    network = clearing_books.network(4, [(0, 1), (0, 2), (0, 3)], [[50_000, 50_000, 60_000]], [1], [1_300])
    return clearing_books.book(orders, [0, 600_000, 650_000, 5_000_000]), network


def test_f1b_price_and_first_lot_price():
    assert clear(*f1b_book(1_000)).price[0, 0] == 1_140_000
    assert clear(*f1b_book(1)).price[0, 0] == 2_150_000


@pytest.mark.parametrize(
    ("headroom", "wanted", "price", "filled", "rents"),
    [
        (0, 700, 11_400, [461.54, 500, 38.46, 0], [7_769.23, 6_230.77]),
        (1_300_000, 700, 17_000, [461.54, 500, 0, 38.46], [3_461.54, 1_923.08]),
        (1_300_000, 20, 11_400, [461.54, 500, 18.46, 20], [7_769.23, 6_230.77]),
    ],
)
def test_f2_in_place(headroom, wanted, price, filled, rents):
    orders = [
        [0, 0, H, 1_000, 300_000],
        *simple(1, 22_000, 1_000),
        *simple(2, 20_000, 1_000),
        *simple(3, 12_000, 1_000),
        *simple(0, 17_000, wanted),
    ]
    network = clearing_books.network(4, [(0, 1), (0, 2), (0, 3)], [[50_000, 50_000, 60_000]], [1], [1_300])
    book = clearing_books.book(orders, [headroom, 600_000, 650_000, 5_000_000])
    clearing = clear(book, network)
    assert clearing.price[0, 0] == price * 100
    assert clearing.filled[1:] == pytest.approx(filled, abs=0.01)
    # Dollars per kW from cents per watt.
    assert clearing.power_rent[1:3] * 10 == pytest.approx(rents, abs=0.01)
