"""Who meets whom, and the discount of a seller that must wait for a buyer (theory.md T12)."""

import clearing_books
import numpy as np
import pytest
from theory.search import (
    discount_since_default,
    over_the_counter_masses,
    over_the_counter_price,
    search_discount,
    waiting_share,
)

from agents.vocabulary import BuyIntents
from experiments.design.scenario import load
from sim.base.randomness import Purpose, Randomness
from sim.kernel.clearing import clear
from sim.market import search
from sim.market.market import clear_intents
from sim.market.venue import venue_of
from sim.model import FireSaleModel
from sim.parameters.market import SearchParameters

RATE, WEIGHT, INTEREST, DECAY, CARRY = 4.0, 0.5, 0.12, 0.35, 0.08


def test_closed_form_of_the_one_sided_liquidation() -> None:
    share = waiting_share(RATE, WEIGHT, INTEREST, DECAY, CARRY)
    sale = search_discount(share, WEIGHT)
    assert float(sale) == pytest.approx(0.111, abs=0.0005)
    assert float(discount_since_default(sale, RATE, DECAY)) == pytest.approx(0.183, abs=0.0005)
    other = search_discount(waiting_share(np.array([1.0, 2.0, 12.0]), WEIGHT, INTEREST, DECAY, CARRY), WEIGHT)
    assert other == pytest.approx([0.28, 0.19, 0.04], abs=0.005)


def test_periods_become_the_continuous_form_and_solve_their_own_recursion() -> None:
    fine = waiting_share(RATE, WEIGHT, INTEREST, DECAY, CARRY, 52 * 10_000)
    assert float(fine) == pytest.approx(float(waiting_share(RATE, WEIGHT, INTEREST, DECAY, CARRY)), abs=1e-5)
    share, chance = 0.0, 1 - np.exp(-RATE / 52)
    for _ in range(5_000):
        ahead = chance * (share + WEIGHT * (1 - share)) + (1 - chance) * share
        share = np.exp(-(INTEREST + DECAY) / 52) * ahead - CARRY / 52
    assert share == pytest.approx(float(waiting_share(RATE, WEIGHT, INTEREST, DECAY, CARRY, 52)), rel=1e-9)


def test_one_asset_sold_through_the_kernel_by_those_present() -> None:
    """One unit, one class of buyers met by the product's own draws, price by the product's own kernel with theta = q."""
    network = clearing_books.network(1, unit_watts=[1_000])
    share = float(waiting_share(RATE, WEIGHT, INTEREST, DECAY, CARRY, 52))
    sellers, horizon = 20_000, 260
    sold_at = np.full(sellers, -1)
    for week in range(horizon):
        here = search.present(Randomness(5), week, sellers, RATE)
        sold_at = np.where((sold_at < 0) & here, week, sold_at)
    assert np.all(sold_at >= 0)
    start = 10_000_000.0
    price = np.zeros(horizon)
    for week in np.unique(sold_at):
        worth = start * np.exp(-DECAY * week / 52)
        orders = [[0, 0, 0, 1, round(share * worth)], [1, 0, 0, 1, round(worth)]]
        price[week] = clear(clearing_books.book(orders, [10**9]), network, theta=WEIGHT).price[0, 0] / worth
    at_sale = 1 - price[sold_at].mean()
    assert at_sale == pytest.approx(float(search_discount(share, WEIGHT)), abs=1e-6)
    # A refusal costs a whole week of impatience and carry, of which the buyer gets its share.
    assert at_sale == pytest.approx(0.111, abs=(1 - WEIGHT) * (INTEREST + DECAY + CARRY) / 52 + 0.0005)
    since = 1 - np.mean(price[sold_at] * np.exp(-DECAY * sold_at / 52))
    error = np.std(price[sold_at] * np.exp(-DECAY * sold_at / 52)) / np.sqrt(sellers)
    # Half a week earlier on average than in continuous time, worth delta / 104 of the price.
    exact = float(discount_since_default(at_sale, RATE, DECAY))
    assert since == pytest.approx(exact, abs=4 * error + DECAY / 104)


def test_price_among_traders_that_must_meet_solves_the_bellman_system() -> None:
    r, up, down, rate, q, cost, supply = 0.1, 1.0, 0.2, 5.0, 0.5, 0.3, 0.6
    ho, hn, lo, ln = over_the_counter_masses(rate, up, down, supply)
    assert (lo, hn) == pytest.approx((0.03121, 0.26454), abs=5e-6)
    assert ho + hn + lo + ln == pytest.approx(1.0)
    # Flows into low owners: switching high owners; out: switching back and selling.
    assert down * ho == pytest.approx(up * lo + 2 * rate * lo * hn)
    # Unknowns V_ho, V_hn, V_lo, V_ln, P.
    a, b = np.zeros((5, 5)), np.zeros(5)
    a[0] = [r + down, 0, -down, 0, 0]
    b[0] = 1.0
    a[1] = [-2 * rate * lo, r + down + 2 * rate * lo, 0, -down, 2 * rate * lo]
    a[2] = [-up, 0, r + up + 2 * rate * hn, -2 * rate * hn, -2 * rate * hn]
    b[2] = 1.0 - cost
    a[3] = [0, -up, 0, r + up, 0]
    a[4] = [-q, q, -(1 - q), 1 - q, 1.0]
    assert np.linalg.solve(a, b)[4] == pytest.approx(
        over_the_counter_price(r, up, down, rate, q, cost, supply), rel=1e-12
    )


def test_presence_has_its_probability_and_grows_with_the_rate() -> None:
    n = 400_000
    few, many = (search.present(Randomness(3), 9, n, rate) for rate in (4.0, 20.0))
    assert few.mean() == pytest.approx(1 - np.exp(-4 / 52), abs=0.002)
    assert many.mean() == pytest.approx(1 - np.exp(-20 / 52), abs=0.004)
    assert not np.any(few & ~many)
    assert search.present(Randomness(3), 9, 50, np.inf).all()
    assert SearchParameters().rate == np.inf
    assert SearchParameters(enabled=True).rate == 12.0
    assert Purpose.CONTACT == 40


@pytest.fixture(scope="module")
def forced_week() -> FireSaleModel:
    model = FireSaleModel(load("ten_thousand_h100").parameters(settings=["forced_sale.week=2"]), rng=7)
    model.run_for(3)
    assert model.intents.sell.forced.any()
    return model


def cleared(model: FireSaleModel, buy: BuyIntents) -> np.ndarray:
    """Filled units of every buyer in this week's book with other intents."""
    orders, clearing = clear_intents(model.intents.sell, buy, venue_of(model.world), whole=True)
    bought = np.zeros(len(model.view.parties.cash_cents), dtype=np.int64)
    np.add.at(bought, buy.party[orders.intent], clearing.filled[len(orders.sell.party) :])
    return bought


def test_only_those_present_buy_and_everybody_is_the_benchmark(forced_week: FireSaleModel) -> None:
    buy = forced_week.intents.buy
    n = len(forced_week.view.parties.cash_cents)
    everybody = search.admit(buy, search.present(Randomness(7), 2, n, np.inf))
    assert np.array_equal(cleared(forced_week, everybody), cleared(forced_week, buy))
    here = search.present(Randomness(7), 2, n, 20.0)
    thin = search.admit(buy, here)
    assert 0 < len(thin.party) < len(buy.party)
    bought = cleared(forced_week, thin)
    assert bought[np.flatnonzero(~here)].sum() == 0
