"""The certificate proves what the caller was given: a change of any field is noticed and named."""

import copy
import dataclasses
import pickle

import clearing_books
import numpy as np
import pytest
from test_clearing_kernel import ZOO

from sim.kernel.clearing import Flow, clear


def cleared(whole):
    book, network = ZOO["line"]()
    return clear(book, network, whole=whole)


def changed(array, change):
    """A copy with its largest entry changed."""
    array = array.copy()
    at = np.unravel_index(np.nanargmax(array), array.shape)
    array[at] = change(array[at])
    return array


FIELDS = {
    "filled": lambda x: 10**9,
    "price": lambda x: x + 1,
    "price_low": lambda x: x - 1,
    "price_high": lambda x: x + 1,
    "power_rent": lambda x: x * 1.001,
    "cooling_rent": lambda x: x + 0.01,
}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", FIELDS)
def test_a_changed_field_is_named(name, whole):
    clearing = cleared(whole)
    assert clearing.certificate.gap == 0
    other = dataclasses.replace(clearing, **{name: changed(getattr(clearing, name), FIELDS[name])})
    with pytest.raises(AssertionError, match=f"certificate: {name}"):
        _ = other.certificate


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", ["price", "price_low", "price_high", "power_rent", "filled"])
def test_a_missing_number_is_named(name, whole):
    clearing = cleared(whole)
    array = changed(getattr(clearing, name).astype(float), lambda x: np.nan)
    with pytest.raises(AssertionError, match="certificate: "):
        _ = dataclasses.replace(clearing, **{name: array}).certificate


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", ["surplus", "surplus_bound"])
def test_a_changed_total_is_named(name, whole):
    clearing = cleared(whole)
    other = dataclasses.replace(clearing, **{name: getattr(clearing, name) * 1.001})
    with pytest.raises(AssertionError, match=f"certificate: {name}"):
        _ = other.certificate


FLOWS = {
    "quantity": lambda flow: Flow(flow.lane, flow.generation, changed(flow.quantity, lambda x: x + 8)),
    "lane": lambda flow: Flow(changed(flow.lane, lambda x: x - 1), flow.generation, flow.quantity),
    "generation": lambda flow: Flow(flow.lane, changed(flow.generation, lambda x: 0), flow.quantity),
    "one less": lambda flow: Flow(flow.lane[1:], flow.generation[1:], flow.quantity[1:]),
}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("change", FLOWS)
def test_a_changed_flow_is_named(change, whole):
    clearing = cleared(whole)
    with pytest.raises(AssertionError, match="certificate: filled and flow do not balance"):
        _ = dataclasses.replace(clearing, flow=FLOWS[change](clearing.flow)).certificate


def one_market(whole):
    """Two sellers and two buyers of units of 8, of whom the better ones trade 16."""
    rows = [[0, 0, 0, 16, 100], [0, 0, 0, 16, 500], [1, 0, 0, 16, 400], [1, 0, 0, 16, 50]]
    network = clearing_books.network(1, unit=[8], unit_watts=[8_000])
    return clear(clearing_books.book(rows, [10**6]), network, whole=whole)


@pytest.mark.parametrize(
    ("fills", "line"),
    [
        ([0, 16, 0, 16], "surplus = 4800"),
        ([12, 0, 12, 0], "not in whole units"),
        ([24, 0, 16, 8], "filled exceeds an order"),
        ([16, 0, 8, 0], "filled and flow do not balance"),
    ],
)
def test_other_whole_fills_are_refused(fills, line):
    other = dataclasses.replace(one_market(True), filled=np.array(fills))
    with pytest.raises(AssertionError, match=line):
        _ = other.certificate


def test_whole_fills_at_a_loss_are_refused_even_with_their_surplus():
    other = dataclasses.replace(one_market(True), filled=np.array([0, 16, 16, 0]), surplus=-1_600.0)
    with pytest.raises(AssertionError, match="an order is filled at a loss"):
        _ = other.certificate


def test_feasible_fills_that_are_not_the_optimum_are_refused():
    clearing = one_market(False)
    other = dataclasses.replace(clearing, filled=clearing.filled / 2, surplus=clearing.surplus / 2)
    with pytest.raises(AssertionError, match="fills and flow are worth 2400.0; the optimum is 4800.0"):
        _ = other.certificate


def test_fills_beyond_headroom_are_refused():
    rows = [[0, 0, 0, 16, 100], [1, 0, 0, 16, 400]]
    network = clearing_books.network(1, unit=[8], unit_watts=[8_000])
    for whole in (False, True):
        clearing = clear(clearing_books.book(rows, [8_000]), network, whole=whole)
        assert clearing.filled.tolist() == [8, 8]
        assert clearing.certificate.gap == 0
        other = dataclasses.replace(clearing, filled=clearing.filled * 2, surplus=clearing.surplus * 2)
        with pytest.raises(AssertionError, match="filled exceeds power headroom"):
            _ = other.certificate


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_what_a_clearing_hands_out_cannot_be_written(again):
    clearing = again(cleared(whole=True))
    flow = clearing.flow
    for array in (clearing.filled, clearing.price, clearing.price_high, clearing.power_rent, flow.quantity):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_book_without_goods_is_proved_too():
    network = clearing_books.network(2, [(0, 1)])
    for rows in ([], [[0, 0, 0, 0, 5], [1, 1, 0, 0, 7]]):
        clearing = clear(clearing_books.book(rows, [5, 0]), network)
        assert clearing.certificate.gap == 0
        with pytest.raises(AssertionError, match="certificate: price"):
            _ = dataclasses.replace(clearing, price=np.ones((1, 2))).certificate


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_proves_itself(again):
    network = clearing_books.network(1, unit=[1] * 2, unit_watts=[999_983, 999_979], liquid=[False] * 2)
    rows = [[0, 0, 0, 1, 10**14 - 7], [1, 0, 0, 1, 10**14], [0, 0, 1, 4, 90], [1, 0, 1, 4, 101]]
    for orders in (rows, []):
        assert again(clear(clearing_books.book(orders, [10**9]), network)).certificate.gap == 0
    assert again(cleared(whole=True)).certificate.gap == 0
