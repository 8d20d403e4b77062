"""What a network keeps between clearings, and what a clearing proves itself on, cannot be changed behind their backs."""

import copy
import dataclasses
import pickle

import clearing_books
import numpy as np
import pytest

from sim.kernel.book import Network
from sim.kernel.clearing import clear

# A seller at 50 and a buyer at 1,000 with one lane between them.
ROWS = [[0, 0, 0, 5, 50], [1, 1, 0, 5, 1_000]]
ARRAYS = ("lanes", "freight", "unit", "unit_watts", "liquid")


def freight_of(cents):
    return clearing_books.network(2, [(0, 1)], [[cents]])


def test_freight_of_a_cleared_network_cannot_be_changed():
    book, network = clearing_books.book(ROWS, [10**6] * 2), freight_of(100)
    assert clear(book, network, theta=0.0).price[0].tolist() == [50, 150]
    with pytest.raises(ValueError, match="read-only"):
        network.freight[0, 0] = 800
    dearer = dataclasses.replace(network, freight=np.array([[800]]))
    assert clear(book, dearer, theta=0.0).price[0].tolist() == [50, 850]


def test_an_array_changed_after_it_was_given_changes_nothing():
    lanes, freight = np.array([[0, 1]], np.int32), np.array([[100]])
    unit, watts, liquid = np.array([1]), np.array([1_000]), np.array([False])
    network = Network(2, lanes, freight, unit, watts, liquid)
    rows = clearing_books.book(ROWS, [10**6] * 2)
    columns = [getattr(rows, field.name).copy() for field in dataclasses.fields(rows)]
    book = type(rows)(*columns)
    want = clear(book, network)
    for array in (freight, unit, watts, *columns[3:]):
        array += 7
    found = clear(book, network)
    assert np.array_equal(want.price, found.price)
    assert want.certificate.gap == found.certificate.gap == 0


@pytest.mark.parametrize(
    "again", [lambda x: x, copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_no_array_of_a_network_or_a_book_can_be_written(again):
    network, book = again(freight_of(100)), again(clearing_books.book(ROWS, [10**6] * 2))
    for owner, names in ((network, ARRAYS), (book, [field.name for field in dataclasses.fields(book)])):
        for name in names:
            with pytest.raises(ValueError, match="read-only"):
                getattr(owner, name)[...] = 0


def test_a_view_of_an_array_that_can_be_written_is_copied():
    freight = np.array([[100]])
    view = freight.view()
    view.flags.writeable = False
    network = dataclasses.replace(freight_of(1), freight=view)
    freight[0, 0] = 800
    assert network.freight[0, 0] == 100


RANGES = [
    (lambda: freight_of(10**15 + 1), r"freight\[\(0, 0\)\] = 10{14}1; allowed -1 to 10{15}"),
    (lambda: clearing_books.network(1, unit=[10**6 + 1]), r"unit\[0\] = 1000001; allowed 1 to 1000000"),
    (lambda: clearing_books.network(1, unit_watts=[10**13]), r"unit_watts\[0\] = .*; allowed 1 to 10{12}"),
    (
        lambda: clear(clearing_books.book([[0, 0, 0, 1, 10**15 + 1]], [0]), clearing_books.network(1)),
        r"price\[0\] = 10{14}1; allowed 0 to 10{15} cents per GPU",
    ),
    (
        lambda: clear(clearing_books.book([[1, 0, 0, 10**5, 10**14]], [0]), clearing_books.network(1)),
        r"price\[0\] = 10{14}; times quantity is beyond 4e18 cents",
    ),
]


@pytest.mark.parametrize(("made", "line"), RANGES)
def test_legal_ranges_are_named(made, line):
    with pytest.raises(ValueError, match=line):
        made()
