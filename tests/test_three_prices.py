"""V*, p0 and p by hand: the best use over every pair, which pairs need not be asked, and what a forced class is quoted at."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.operating import hold_values
from agents.view import View
from agents.vocabulary import LIQUID_ONLY, N_PRODUCTS, Condition, PoolKind, SellOrders, product_of
from sim.discount import three_prices as prices
from sim.market.market import MarketResult
from sim.model import FireSaleModel
from sim.parameters import Parameters

A100, H100, H100_AS_IS = 4, 7, 8


@pytest.fixture(scope="module")
def view() -> View:
    model = FireSaleModel(
        Parameters.from_overrides({"clock.weeks": 3, "valuation.expectations": "myopic"}), rng=3
    )
    model.run_for(1)
    return model.view


def slow_best(view: View, belief: str = "consistent") -> np.ndarray:
    """The best use over every user at every slot it knows, no pair left out."""
    party, pool = view.known.party, view.known.pool
    runs = ~np.isin(view.pools.kind[pool], (PoolKind.WAREHOUSE, PoolKind.DISPLACED))
    seen = replace(view, rents=replace(view.rents, belief=belief))
    best = view.hardware.salvage_usd.copy()
    for generation, needs_liquid in enumerate(LIQUID_ONLY):
        fits = runs & ((view.pools.liquid_capacity_watts[pool] > 0) | ~needs_liquid)
        product = np.full(int(fits.sum()), product_of(generation, Condition.CLEAN))
        age = view.products.age_years[product]
        found = hold_values(seen, party[fits], pool[fits], product, age, hosting=False)
        best[generation] = max(best[generation], found.max(initial=0.0))
    return best


@pytest.mark.parametrize("belief", ["consistent", "myopic"])
def test_the_best_use_is_that_over_every_pair(view: View, belief: str) -> None:
    assert prices.best_use_values(view, belief) == pytest.approx(slow_best(view, belief), rel=1e-12)
    if belief == "consistent":
        assert np.array_equal(prices.best_use_values(view), prices.best_use_values(view, belief))
        assert (prices.best_use_values(view) > view.hardware.salvage_usd).any()


def test_overhead_takes_its_share_of_every_rent(view: View) -> None:
    """Half of revenue for overhead is worth what half the rent is worth without any."""
    costly = replace(view, hardware=replace(view.hardware, overhead=0.5))
    half = replace(
        view,
        hardware=replace(view.hardware, overhead=0.0),
        rents=replace(view.rents, contract_usd_per_hour=view.rents.contract_usd_per_hour / 2),
    )
    found = prices.best_use_values(costly)
    assert found == pytest.approx(prices.best_use_values(half), rel=1e-12)
    assert (found < prices.best_use_values(view)).any()


def test_racks_need_liquid_and_nobody_left_is_worth_the_parts(view: View) -> None:
    """Without liquid anywhere racks are worth their parts; the best slot of air-cooled units may be a dry one."""
    dry = replace(view, pools=replace(view.pools, liquid_capacity_watts=0 * view.pools.liquid_capacity_watts))
    best = prices.best_use_values(dry)
    assert np.array_equal(best[LIQUID_ONLY], view.hardware.salvage_usd[LIQUID_ONLY])
    assert np.array_equal(best[~LIQUID_ONLY], prices.best_use_values(view)[~LIQUID_ONLY])
    wet = np.flatnonzero(view.pools.liquid_capacity_watts[view.known.pool] > 0)[:1]
    one = np.zeros_like(view.pools.liquid_capacity_watts)
    one[view.known.pool[wet]] = 1
    single = replace(view, pools=replace(view.pools, liquid_capacity_watts=one))
    assert prices.best_use_values(single) == pytest.approx(slow_best(single), rel=1e-12)


def test_stores_and_displaced_watts_are_no_use(view: View) -> None:
    """Slots of cheap power in a store or where mining must stop first are not looked at."""
    cheap = view.pools.power_usd_per_kwh.copy()
    cheap[np.isin(view.pools.kind, (PoolKind.WAREHOUSE, PoolKind.DISPLACED))] = -1.0
    other = replace(view, pools=replace(view.pools, power_usd_per_kwh=cheap))
    assert np.array_equal(prices.best_use_values(other), prices.best_use_values(view))


def pairs_view(power: list[float], pue: list[float], use: list[float], rate: list[float]) -> Any:
    return SimpleNamespace(
        pools=SimpleNamespace(power_usd_per_kwh=np.array(power), pue=np.array(pue)),
        parties=SimpleNamespace(utilisation=np.array(use), discount_rate=np.array(rate)),
    )


def test_one_slot_a_party_the_cheapest() -> None:
    """By power times PUE, and the first pool of equals."""
    view = pairs_view([0.10, 0.09, 0.10, 0.05, 0.05], [1.0, 1.2, 1.1, 1.5, 1.5], [], [])
    party, pool = np.array([3, 3, 1, 1, 1, 7]), np.array([1, 0, 4, 2, 3, 2])
    users, slots = prices._cheapest_slot(view, party, pool)
    assert (users.tolist(), slots.tolist()) == ([1, 3, 7], [3, 0, 2])
    nobody = np.zeros(0, dtype=np.int64)
    assert [len(found) for found in prices._cheapest_slot(view, nobody, nobody)] == [0, 0]


def test_pairs_beaten_in_every_respect_are_left_out() -> None:
    """One of equals stays, and so does whoever is best in one respect."""
    for use, rate, power, kept in (
        ([0.8, 0.8], [0.1, 0.1], [0.05, 0.05], [0]),
        ([0.8, 0.7], [0.1, 0.1], [0.05, 0.05], [0]),
        ([0.8, 0.8], [0.1, 0.2], [0.05, 0.05], [0]),
        ([0.8, 0.8], [0.1, 0.1], [0.05, 0.06], [0]),
        ([0.7, 0.8], [0.1, 0.1], [0.05, 0.05], [1]),
        ([0.7, 0.8], [0.1, 0.2], [0.05, 0.05], [0, 1]),
        ([0.7, 0.8], [0.1, 0.1], [0.05, 0.06], [0, 1]),
        ([0.8, 0.8], [0.1, 0.2], [0.06, 0.05], [0, 1]),
        ([0.8, 0.9, 0.7], [0.1, 0.2, 0.3], [0.05, 0.05, 0.07], [0, 1]),
    ):
        view = pairs_view(power, [1.0] * len(power), use, rate)
        users, slots = prices._undominated(view, np.arange(len(use)), np.arange(len(use)))
        assert sorted(users.tolist()) == sorted(slots.tolist()) == kept
    # The PUE counts as the price does.
    view = pairs_view([0.05, 0.05], [1.2, 1.1], [0.8, 0.8], [0.1, 0.1])
    assert prices._undominated(view, np.arange(2), np.arange(2))[0].tolist() == [1]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_left_in_are_those_of_a_comparison_of_all_with_all(seed: int) -> None:
    random = np.random.default_rng([11, seed])
    n = int(random.integers(0, 60))
    use, rate, power = random.integers(0, 6, (3, n)) / 10 + 0.1
    one = np.arange(n)
    worse = (use[:, None] <= use) & (rate[:, None] >= rate) & (power[:, None] >= power)
    equal = (use[:, None] == use) & (rate[:, None] == rate) & (power[:, None] == power)
    beaten = (worse & (~equal | (one[:, None] > one))).any(axis=1)
    users, _ = prices._undominated(pairs_view(power, np.ones(n), use, rate), one, one)
    assert sorted(users.tolist()) == np.flatnonzero(~beaten).tolist()


def test_best_uses_by_condition(view: View) -> None:
    """A unit as it is is worth its factor, at least its parts; of another age, the best use at that age."""
    needed = np.arange(N_PRODUCTS)
    value = np.linspace(10_000.0, 80_000.0, 8)
    ages = np.repeat([3.0, 4.0, 2.0, 1.0, 1.0, 1.0, 0.5, 0.0], 3)
    even = replace(view, products=replace(view.products, age_years=ages))
    clean, best = prices.best_uses(even, value, needed)
    factor = view.products.condition_factor
    assert factor[Condition.AS_IS] < 1
    assert np.array_equal(clean, np.repeat(value, 3))
    assert best == pytest.approx(
        np.maximum(clean * np.tile(factor, 8), np.repeat(view.hardware.salvage_usd, 3))
    )
    poor = prices.best_uses(even, np.full(8, 1.0), needed)[1]
    assert np.array_equal(poor, np.repeat(view.hardware.salvage_usd, 3))


@pytest.mark.parametrize("condition", [Condition.NEW, Condition.AS_IS])
@pytest.mark.parametrize("belief", ["consistent", "myopic"])
def test_units_of_another_age_are_valued_at_theirs(view: View, condition: Condition, belief: str) -> None:
    """H100 in one condition is 2.5 years older than a clean one."""
    ages = np.repeat(np.full(8, 1.0), 3)
    ages[product_of(2, condition)] = 3.5
    aged = replace(view, products=replace(view.products, age_years=ages))
    value = np.linspace(10_000.0, 80_000.0, 8)
    clean, _ = prices.best_uses(aged, value, np.array([product_of(2, condition)]), belief)
    everywhere = np.full(N_PRODUCTS, 1.0)
    everywhere[product_of(2, Condition.CLEAN)] = 3.5
    older = replace(view, products=replace(view.products, age_years=everywhere))
    assert clean[product_of(2, condition)] == pytest.approx(slow_best(older, belief)[2], rel=1e-12)
    assert clean[product_of(2, Condition.CLEAN)] == value[2]
    # Nobody asked for it: it may keep the value of a clean unit of another age.
    other = Condition.AS_IS if condition == Condition.NEW else Condition.NEW
    unasked, _ = prices.best_uses(aged, value, np.array([product_of(2, other)]), belief)
    assert np.array_equal(unasked, np.repeat(value, 3))


def test_a_price_tells_of_value_where_offers_meet_bids() -> None:
    """An empty mandate is no offer, and a bid for a class that nobody offers meets nothing."""
    result = MarketResult(
        venue=None,  # type: ignore[arg-type]
        orders=SimpleNamespace(  # type: ignore[arg-type]
            sell=offers([(0, H100, 24, 0), (1, A100, 0, 0), (1, H100_AS_IS, 8, 0)]),
            buy=SimpleNamespace(product=np.array([0, A100, H100, H100_AS_IS])),
            intent=np.array([0, 1, 2, 2]),
        ),
        clearing=None,  # type: ignore[arg-type]
        trades=None,  # type: ignore[arg-type]
    )
    assert np.flatnonzero(result.met()).tolist() == [H100]


def test_usual_volume_is_what_is_sold_of_free_will() -> None:
    """24 forced and 40 + 8 free H100, 16 free A100."""
    result = MarketResult(
        venue=None,  # type: ignore[arg-type]
        orders=SimpleNamespace(  # type: ignore[arg-type]
            sell=offers([(0, H100, 24, 0), (1, H100, 48, 0), (1, A100, 16, 0)], forced=[True, False, False]),
        ),
        clearing=None,  # type: ignore[arg-type]
        trades=SimpleNamespace(  # type: ignore[arg-type]
            sell=np.array([1, 0, 2, 1]),
            quantity=np.array([40, 24, 16, 8]),
            product=np.array([H100, H100, A100, H100]),
        ),
    )
    volume = result.free_volume()
    assert volume.shape == (N_PRODUCTS,)
    assert (volume[H100], volume[A100], volume.sum()) == (48, 16, 64)


def test_what_offers_fetch_is_a_mean_by_quantity() -> None:
    """At a price of 100 and 50; a reserve of 80 lifts the second, and one without a price counts at its reserve."""
    table = np.full((N_PRODUCTS, 5), 7.0)
    table[H100, [2, 3, 4]] = 100.0, 50.0, np.nan
    sell = offers([(0, H100, 30, 10), (1, H100, 10, 80), (2, H100, 20, 60), (0, A100, 99, 0)])
    assert prices.received(table, sell, np.array([0]), 2) == 100.0
    assert prices.received(table, sell, np.array([0, 1]), 2) == (30 * 100 + 10 * 80) / 40
    assert prices.received(table, sell, np.array([0, 1, 2]), 2) == pytest.approx((3_000 + 800 + 1_200) / 60)


def offers(rows: list[tuple[int, int, int, int]], forced: list[bool] | None = None) -> SellOrders:
    pool, product, quantity, reserve = (np.array(column) for column in zip(*rows, strict=True))
    mandates = np.array(forced if forced is not None else [True] * len(rows))
    return SellOrders(9 + 0 * pool, pool, product, quantity, reserve, mandates)


def market(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cleared market: 24 and 8 H100 forced in pools 0 and 1, some of their own will, an empty mandate; fewer fetch more."""
    sell = offers(
        [
            (0, H100, 24, 0),
            (1, H100, 8, 300_000),
            (0, H100, 40, 0),
            (0, H100_AS_IS, 0, 0),
            (1, A100, 1, 0),
            (2, H100, 0, 0),
        ],
        forced=[True, True, False, True, True, True],
    )
    table = np.full((N_PRODUCTS, 5), 50_000.0)
    table[H100, 2:] = 400_000, 200_000, np.nan
    asked: list[tuple[int, int]] = []

    def fewer(result: Any, product: int, quantity: int) -> np.ndarray:
        asked.append((product, quantity))
        return table + 1_000 * (100 - quantity)

    monkeypatch.setattr(prices, "_price_of", fewer)
    return SimpleNamespace(
        asked=asked,
        orders=SimpleNamespace(sell=sell),
        venue=SimpleNamespace(first_node=2),
        clearing=SimpleNamespace(price=table, price_low=table - 1_000, price_high=table + 3_000),
        trades=SimpleNamespace(sell=np.array([2, 0, 1, 0, 4]), quantity=np.array([40, 8, 8, 8, 8])),
    )


def test_a_forced_class_is_quoted_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """(24 x 4,000 + 8 x 3,000, its reserve) / 32 = 3,750 USD; at 16 units 840 USD more, at eight 920."""
    result = market(monkeypatch)
    usual = np.zeros(N_PRODUCTS)
    usual[H100] = 23.9
    quote = prices._quoted(result, H100, 22_000.0, 21_000.0, usual)
    assert (quote.product, quote.offered, quote.sold, quote.normal_volume) == (H100, 32, 24, 16)
    assert (quote.best_use_value_usd, quote.believed_value_usd) == (22_000.0, 21_000.0)
    assert quote.price_usd == 3_750.0
    assert sorted(result.asked) == [(H100, 8), (H100, 16)]
    assert quote.normal_volume_price_usd == (24 * 4_840 + 8 * 3_000) / 32
    assert quote.first_lot_price_usd == (24 * 4_920 + 8 * 3_000) / 32
    # The interval is the kernel's own, without reserves: 3,500 USD less 10 and more 30.
    assert (quote.price_low_usd, quote.price_high_usd) == (3_490.0, 3_530.0)
    assert prices._quoted(result, H100, 1.0, 1.0, np.zeros(N_PRODUCTS)).normal_volume == 8
    assert prices._quoted(result, H100, 1.0, 1.0, usual + 0.1).normal_volume == 24


def test_every_forced_class_is_quoted_and_no_other(monkeypatch: pytest.MonkeyPatch, view: View) -> None:
    result = market(monkeypatch)
    value = np.linspace(10_000.0, 80_000.0, 8)
    quotes = prices.three_prices(result, view, value, np.zeros(N_PRODUCTS))
    assert [quote.product for quote in quotes] == [A100, H100]
    assert [quote.best_use_value_usd for quote in quotes] == [value[1], value[2]]
    believed = slow_best(view, "myopic")
    assert [quote.believed_value_usd for quote in quotes] == pytest.approx([believed[1], believed[2]])
    result.orders.sell.forced[[0, 1]] = False
    assert [quote.product for quote in prices.three_prices(result, view, value, np.zeros(N_PRODUCTS))] == [
        A100
    ]
    result.orders.sell.forced[:] = False
    assert prices.three_prices(result, view, value, np.zeros(N_PRODUCTS)) == ()


def test_fewer_units_are_cleared_whole_and_of_the_class_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The orders handed to the kernel hold so many forced units of the class and all else as it was."""
    seen: list[Any] = []

    def clear(sell: SellOrders, buy: Any, venue: Any, *, whole: bool) -> tuple[None, Any]:
        seen.append((sell, buy, venue, whole))
        return None, SimpleNamespace(price=[[1.5]])

    monkeypatch.setattr(prices, "clear_intents", clear)
    sell = offers([(0, H100, 24, 0), (1, A100, 16, 0)])
    result: Any = SimpleNamespace(orders=SimpleNamespace(sell=sell, buy="bids"), venue="venue")
    assert prices._price_of(result, H100, 8).tolist() == [[1.5]]
    ((cut, buy, venue, whole),) = seen
    assert (cut.quantity.tolist(), buy, venue, whole) == ([8, 16], "bids", "venue", False)
