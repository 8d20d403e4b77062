"""Where far more is offered than wanted the dual method starts from national prices; the optimum is the same."""

import clearing_books
import numpy as np
import pytest
from test_clearing_kernel import ZOO

from sim.kernel.clearing import clear


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


# As in test_clearing_kernel: a change here is a change of the algorithm.
PIVOTS = [220, 246, 241]


@pytest.mark.parametrize("seed", range(3))
def test_pivots_of_a_fire_sale(seed):
    assert clear(*glut(seed)).pivots == PIVOTS[seed]


def test_a_clearing_takes_no_earlier_one_to_start_from():
    book, network = ZOO["one node"]()
    with pytest.raises(TypeError, match="hint"):
        clear(book, network, hint=clear(book, network))
