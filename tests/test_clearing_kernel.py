"""The kernel's workings: degenerate zoo at scale, thresholds, threads, memory, pinned work."""

import copy
import pickle
import threading

import clearing_books
import numpy as np
import pytest

from sim.kernel.clearing import clear, matched


def path(nodes):
    return [(i, i + 1) for i in range(nodes - 1)] + [(i + 1, i) for i in range(nodes - 1)]


def star(nodes):
    return [(0, i) for i in range(1, nodes)] + [(i, 0) for i in range(1, nodes)]


def crowd(seed, lanes, nodes, n=600, products=3, price=None, freight=None, power=40_000):
    """A seeded book on a given map; sellable units of 8 and 72."""
    rng = np.random.default_rng(seed)
    side = rng.integers(0, 2, n)
    cost = rng.integers(1, 40, (products, len(lanes))) * 50 if freight is None else freight
    value = rng.integers(50, 150, n) * 100 + 2_000 * side if price is None else price(rng, n)
    rows = np.stack(
        [side, rng.integers(0, nodes, n), rng.integers(0, products, n), 8 * rng.integers(1, 20, n), value], 1
    )
    network = clearing_books.network(
        nodes,
        lanes,
        cost,
        [8, 8, 72][:products],
        [10_200, 14_300, 120_000][:products],
        [False, False, True][:products],
    )
    headroom = rng.integers(0, 2 * power + 1, nodes)
    return clearing_books.book(rows, headroom, headroom // 2), network


ZOO = {
    "line": lambda: crowd(1, path(60), 60),
    "star": lambda: crowd(2, star(60), 60),
    "one node": lambda: crowd(3, [], 1, power=10**7),
    "disconnected": lambda: crowd(4, [], 40),
    "free freight": lambda: crowd(5, path(30), 30, freight=np.zeros((3, 58), np.int64)),
    "one price": lambda: crowd(6, path(30), 30, price=lambda rng, n: np.full(n, 5_000)),
    "one price, free freight": lambda: crowd(
        7, star(30), 30, price=lambda rng, n: np.full(n, 5_000), freight=np.zeros((3, 58), np.int64)
    ),
    "coarse prices": lambda: crowd(8, path(30), 30, price=lambda rng, n: rng.integers(0, 4, n) * 5_000),
    "no headroom": lambda: crowd(9, path(30), 30, power=0),
    "no limit": lambda: crowd(10, path(30), 30, power=10**12),
    "tight": lambda: crowd(11, star(30), 30, power=5_000),
    "forbidden": lambda: crowd(12, path(30), 30, freight=np.full((3, 58), -1)),
    "parallel lanes": lambda: crowd(13, path(20) * 3, 20),
    "loops": lambda: crowd(14, [(i, i) for i in range(20)], 20),
}


@pytest.mark.parametrize("name", ZOO)
def test_zoo(name):
    book, network = ZOO[name]()
    clearing = clear(book, network)
    assert clearing.surplus == pytest.approx(clearing_books.highs_value(book, network), rel=1e-8, abs=1e-3)
    assert clearing.certificate.gap == 0
    clearing_books.check(book, network, clearing)
    whole = clear(book, network, whole=True)
    clearing_books.whole_check(book, network, whole)
    assert matched(whole, book, network)["quantity"].sum() == whole.filled[book.side == 1].sum()


@pytest.mark.parametrize("n", [1, 23, 24, 25, 26, 63, 64, 65, 300])
def test_sizes_around_the_sorting_threshold(n):
    rng = np.random.default_rng(n)
    rows = [[0, 0, 0, 8, int(p)] for p in rng.integers(0, 40, n) * 100]
    rows += [[1, 0, 0, 8, int(p)] for p in rng.integers(0, 60, n) * 100]
    book, network = (
        clearing_books.book(rows, [10**7]),
        clearing_books.network(1, unit=[8], unit_watts=[10_200]),
    )
    clearing = clear(book, network)
    assert clearing.surplus == pytest.approx(clearing_books.highs_value(book, network))
    assert clearing.certificate.gap == 0


@pytest.mark.parametrize("theta", [0.0, 0.25, 1.0])
def test_every_point_of_the_lattice_supports_the_optimum(theta):
    for seed in range(60):
        book, network = clearing_books.random_case(seed)
        clearing_books.check(book, network, clear(book, network, theta=theta))
        clearing_books.whole_check(book, network, clear(book, network, theta=theta, whole=True))


def test_ends_are_one_sided_derivatives_of_surplus():
    """One GPU more offered for nothing at a node gains the lowest price; one less to be had costs the highest."""
    rows = [[0, 0, 0, 5, 100], [1, 0, 0, 5, 900], [1, 0, 0, 4, 300], [0, 0, 0, 6, 700]]
    network = clearing_books.network(1)
    clearing = clear(clearing_books.book(rows, [10**6]), network)
    more = clear(clearing_books.book([*rows, [0, 0, 0, 1, 0]], [10**6]), network)
    less = clear(clearing_books.book([*rows, [1, 0, 0, 1, 10**6]], [10**6]), network)
    assert more.surplus - clearing.surplus == clearing.price_low[0, 0] == 300
    assert clearing.surplus + 10**6 - less.surplus == clearing.price_high[0, 0] == 700


def test_unequal_orders_are_untouched_by_other_products():
    """Products without orders cost nothing and show no price."""
    book = clearing_books.book([[0, 0, 1, 5, 100], [1, 0, 1, 5, 900]], [10**6])
    network = clearing_books.network(1, unit=[8, 1, 72], unit_watts=[8, 3, 999], liquid=[False] * 3)
    clearing = clear(book, network)
    assert np.isnan(clearing.price[[0, 2]]).all()
    assert clearing.price[1, 0] == 500


def test_two_threads_clear_two_books_at_once():
    cases = [clearing_books.random_case(seed) for seed in range(40)] + [ZOO["line"]()]
    network = ZOO["line"]()[1]
    shared = [(ZOO["line"]()[0], network)] * 5
    want = [clear(*case).filled.tobytes() for case in cases + shared]
    found = [[], []]

    def work(i):
        found[i] = [clear(*case).filled.tobytes() for case in cases + shared]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [want, want]


def test_a_clearing_outlives_the_next_one():
    """The certificate of an old clearing does not read memory that a later one has overwritten."""
    book, network = ZOO["line"]()
    first = clear(book, network)
    for _ in range(3):
        clear(clearing_books.book([[0, 0, 0, 8, 5], [1, 0, 0, 8, 9]], np.full(60, 10**6)), network)
    assert first.certificate.gap == 0
    assert first.certificate.primal == clear(book, network).certificate.primal


def test_memory_is_kept_not_grown():
    book, network = ZOO["star"]()
    for _ in range(3):
        clear(book, network, whole=True)
    kept = network._kept().workspace.bytes
    for _ in range(20):
        clear(book, network, whole=True)
    assert network._kept().workspace.bytes == kept


def test_networks_can_be_copied_and_pickled():
    book, network = ZOO["line"]()
    want = clear(book, network).surplus
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert clear(book, other).surplus == want


# Work done is deterministic: a change here is a change of the algorithm.
PIVOTS = {"line": 281, "star": 339, "coarse prices": 152, "tight": 143, "no limit": 497}


@pytest.mark.parametrize("name", PIVOTS)
def test_pivots_are_pinned(name):
    assert clear(*ZOO[name]()).pivots == PIVOTS[name]
