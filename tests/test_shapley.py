"""Shapley values of frictions: published fixtures, exact sums, and relaxations that rebuild the intents."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_market_budgets import F1, cleared

from agents.view import KnownPoolsView
from agents.vocabulary import (
    N_PRODUCTS,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    BuyIntents,
    QuantityCap,
    SellOrders,
)
from sim.discount.relaxation import FAMILIES, AgentsRebuild, Setting, names_of, relaxed_network
from sim.discount.shapley import (
    BELIEFS,
    NOT_ATTRIBUTED,
    SHAPLEY,
    decompose,
    draw_orders,
    exact,
    sampled,
    setting_of,
)
from sim.kernel.book import Network
from sim.market import search
from sim.market.venue import Venue
from sim.model import FireSaleModel
from sim.parameters import Parameters

H = 7  # H100 clean, sold in eights
TPC = ("transport", "power", "cash")


# -- published fixtures ------------------------------------------------------------------------------------------


def intents(value, pool, cash, wanted):
    n = len(value)
    return BuyIntents(
        party=np.arange(n),
        pool=np.array(pool),
        product=np.full(n, H),
        value_cents=np.array(value) * 100,
        margin=np.zeros(n),
        wanted=np.array(wanted),
        cash_cents=np.array(cash) * 100,
        cap=np.full(n, int(QuantityCap.APPETITE)),
        delay_cents=np.zeros(n, dtype=np.int64),
    )


def market(buy, power, quantity=1_000, steps=400):
    """Lots of F1b and F2 at pool 0, buyers at 1, 2, 3 and perhaps at 0; 1.3 kW, freight 500, 500 and 600."""
    unit_watts = np.full(N_PRODUCTS, 100_000)
    unit_watts[H] = 10_400
    freight = np.tile(np.array([[50_000, 50_000, 60_000]]), (N_PRODUCTS, 1))
    lanes = np.array([[0, 1], [0, 2], [0, 3]], dtype=np.int32)
    one = np.ones(1, dtype=np.int64)
    power = np.array(power)

    def rebuild(relaxed):
        return replace(buy, cash_cents=buy.value_cents * buy.wanted) if "cash" in relaxed else buy

    return Setting(
        sell=SellOrders(9 * one, 0 * one, H * one, quantity * one, 300_000 * one, np.array([True])),
        rebuild=rebuild,
        venue=Venue(
            network=Network(4, lanes, freight, PRODUCT_UNIT.copy(), unit_watts, PRODUCT_LIQUID.copy()),
            first_node=0,
            power=power,
            cooling=0 * power,
            theta=0.5,
            steps=steps,
            refine=True,
        ),
    )


def f1b(quantity=1_000):
    buy = intents([22_000, 20_000, 12_000], [1, 2, 3], [9_000_000, 12_000_000, 2_500_000], [5_000] * 3)
    return market(buy, [0, 600_000, 650_000, 5_000_000], quantity)


def rows_of(setting, families, reference):
    rows, interactions = decompose(setting, families, H, np.asarray(reference, float))
    return {(row["game"], row["family"]): row for row in rows}, interactions


def test_f1b_levels_and_impact():
    """economics.md 2: p = 11,400, p0 = 21,500; levels T/P/C = 550 / 9,050 / 1,000, impact 50 / 9,050 / 1,000."""
    setting = f1b()
    assert setting.price_cents(frozenset(), H) == 1_140_000
    assert setting.first_lot_price_cents(frozenset(), H) == 2_150_000
    rows, _ = rows_of(setting, TPC, [22_000, 22_000])
    published = {"level": (550, 9_050, 1_000), "impact": (50, 9_050, 1_000)}
    for game, values in published.items():
        for family, usd in zip(TPC, values, strict=True):
            assert rows[game, family]["value_cents"] == usd * 100, (game, family)
    for game, total in (("level", 10_600), ("impact", 10_100)):
        assert sum(row["value_cents"] for (g, _), row in rows.items() if g == game) == total * 100
        assert rows[game, NOT_ATTRIBUTED]["value_cents"] == 0


def test_f1b_alone_and_last():
    """Relaxing cash alone gains nothing, relaxing it last what power cannot give: value, first-in, last-in and range."""
    setting = f1b()
    rows, interactions = rows_of(setting, TPC, [22_000, 22_000])
    cash = rows["level", "cash"]
    assert cash["first_in_cents"] == setting.price_cents(frozenset({"cash"}), H) - 1_140_000 == 0
    assert cash["last_in_cents"] == 2_200_000 - setting.price_cents(frozenset({"transport", "power"}), H) > 0
    for row in rows.values():
        assert row["low_cents"] <= row["value_cents"] <= row["high_cents"]
        assert row["low_cents"] <= min(row["first_in_cents"], row["last_in_cents"])
        assert row["high_cents"] >= max(row["first_in_cents"], row["last_in_cents"])
    # Power and cash stand in for each other's relief the less, the more both are needed at once.
    both = next(r["value_cents"] for r in interactions if {r["family"], r["other"]} == {"power", "cash"})
    assert both > 0


def test_f2_slots_in_place():
    """economics.md 1: with room where the lots stand the price is 17,000; relaxing power brings the best user everywhere."""
    rich = [10**9] * 4
    buy = intents([22_000, 20_000, 12_000, 17_000], [1, 2, 3, 0], rich, [5_000, 5_000, 5_000, 700])
    power = [0, 600_000, 650_000, 5_000_000]
    shut, open_ = market(buy, power), market(buy, [1_300_000, *power[1:]])
    assert shut.price_cents(frozenset(), H) == 1_140_000
    assert open_.price_cents(frozenset(), H) == 1_700_000
    for setting in (shut, open_):
        assert setting.price_cents(frozenset({"power"}), H) == 2_150_000
        rows, _ = rows_of(setting, ("transport", "power"), [22_000, 22_000])
        assert rows["level", "power"]["value_cents"] + rows["level", "transport"][
            "value_cents"
        ] == 2_200_000 - setting.price_cents(frozenset(), H)
        assert rows["impact", "power"]["value_cents"] > 0


def f1_prices():
    """Prices of H and G for every coalition of {transport, power, liquid, cash}, one budget a party (theory.md D.4)."""
    names = ("transport", "power", "liquid", "cash")

    @cache
    def prices(mask):
        relaxed, book = names_of(mask, names), dict(F1)
        if "transport" in relaxed:
            book["freight"] = 0 * book["freight"]
        if "power" in relaxed:
            book["power"] = np.full(3, 20_000.0)
        if "liquid" in relaxed:
            book["cooling"] = book["power"]
        if "cash" in relaxed:
            book["budget"] = np.full(3, 1e8)
        return [Fraction(float(p)) for p in cleared(**book)[0]]

    return prices


@pytest.mark.parametrize(
    ("good", "value", "first_in", "ranges"),
    [
        (
            0,
            (578, 6_678, -295, 3_639),
            (600, 3_890, 0, 0),
            ((500, 670), (2_119, 10_100), (-1_771, 0), (0, 7_981)),
        ),
        (
            1,
            (325, 4_494, 29_562, 5_618),
            (0, 0, 21_828, 0),
            ((0, 800), (0, 11_692), (21_828, 40_000), (0, 13_946)),
        ),
    ],
)
def test_f1_against_the_published_decomposition(good, value, first_in, ranges):
    prices = f1_prices()
    shares = exact(lambda mask: prices(mask)[good] - prices(0)[good], 4)
    # Demand curves are ladders: prices where cash binds hold to a few dollars.
    assert [float(v) for v in shares.value_cents] == pytest.approx(value, abs=25)
    assert [float(v) for v in shares.first_in_cents] == pytest.approx(first_in, abs=25)
    for low, high, expected in zip(shares.low_cents, shares.high_cents, ranges, strict=True):
        assert (float(low), float(high)) == pytest.approx(expected, abs=25)
    assert sum(shares.value_cents) == prices(15)[good] - prices(0)[good]


# -- the solution itself -----------------------------------------------------------------------------------------


def orders_of(players, pairs, seed):
    return draw_orders(np.random.default_rng(seed), players, pairs)


def game(players, numbers):
    table = [Fraction(0), *(Fraction(n) for n in numbers)]
    return lambda mask: table[mask & ((1 << players) - 1)]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 30), st.data())
def test_every_solution_sums_to_the_whole(players, pairs, seed, data):
    size = 2**players - 1
    v = game(players, data.draw(st.lists(st.integers(-(10**6), 10**6), min_size=size, max_size=size)))
    full, part = exact(v, players), sampled(v, players, orders_of(players, pairs, seed))
    for shares in (full, part):
        assert sum(shares.value_cents) == v(2**players - 1)
        for low, value, high in zip(shares.low_cents, shares.value_cents, shares.high_cents, strict=True):
            assert low <= value <= high
    assert part.first_in_cents == full.first_in_cents and part.last_in_cents == full.last_in_cents
    for i in range(players):  # sampled ranges lie within the true ones
        assert full.low_cents[i] <= part.low_cents[i] and part.high_cents[i] <= full.high_cents[i]


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 6), st.data())
def test_dummies_get_nothing_and_adders_what_they_add(players, data):
    """A player that adds nothing gets nothing; one that always adds the same gets that, with no range and no interaction."""
    rest = players - 2
    numbers = data.draw(st.lists(st.integers(-(10**6), 10**6), min_size=2**rest - 1, max_size=2**rest - 1))
    inner = game(rest, numbers)

    def v(mask):
        return inner(mask) + 777 * (mask >> rest & 1)

    for shares in (exact(v, players), sampled(v, players, orders_of(players, 3, 1))):
        adder, dummy = rest, rest + 1
        assert shares.value_cents[adder] == shares.low_cents[adder] == shares.high_cents[adder] == 777
        assert shares.value_cents[dummy] == shares.low_cents[dummy] == shares.high_cents[dummy] == 0
    pairs = exact(v, players).interaction_cents
    assert all(pairs[rest][j] == pairs[rest + 1][j] == 0 for j in range(players))


def test_the_sample_is_within_its_stated_error():
    """Over many random games the mean square of the error stated is that of the error made."""
    rng = np.random.default_rng(4)
    made, stated = [], []
    for pairs in (2, 4):
        for seed in range(150):
            v = game(6, rng.integers(0, 1_000, 63).tolist())
            full, part = exact(v, 6), sampled(v, 6, orders_of(6, pairs, seed))
            made += [float(a - b) ** 2 for a, b in zip(full.value_cents, part.value_cents, strict=True)]
            stated += [e**2 for e in part.error_cents]
    assert np.mean(stated) == pytest.approx(np.mean(made), rel=0.1)


# -- relaxations in the model --------------------------------------------------------------------------------------


def stopped(weeks, **changes):
    """A model whose last week has been cleared and quoted, not yet taken apart or settled."""
    sale = {"enabled": True, "gpus": 4000, "week": weeks - 1, "deadline_weeks": 1}
    values = {"forced_sale": sale | changes.pop("forced_sale", {}), **changes}
    model = FireSaleModel(Parameters.model_validate(values), rng=7)
    if weeks > 1:
        model.run_for(weeks - 1)
    stop = [name for name, _ in model.phases].index("anatomy")
    model.phases = model.phases[:stop]
    model.run_for(1)
    return model


@pytest.fixture(scope="module")
def model():
    return stopped(5)


@pytest.fixture(scope="module")
def rebuild(model):
    return AgentsRebuild(model.market_week)


def same(first, second):
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in BuyIntents.__slots__)


def test_agents_asked_again_say_the_same(model, rebuild):
    """Without offers of their own to form, and with nothing relaxed that is at work, intents are those of the week."""
    assert same(rebuild(frozenset()), model.intents.buy)
    assert same(rebuild(frozenset({"search"})), model.intents.buy)
    assert "search" not in rebuild.active()


def test_nothing_relaxed_is_the_week_itself(model, rebuild):
    setting = setting_of(model.market_week, rebuild)
    (quote,) = model.market_week.quotes
    assert setting.price_cents(frozenset(), quote.product) / 100 == pytest.approx(quote.price_usd, abs=1e-6)
    assert setting.first_lot_price_cents(frozenset(), quote.product) / 100 == pytest.approx(
        quote.first_lot_price_usd, abs=1e-6
    )
    assert quote.price_usd < quote.first_lot_price_usd


def test_with_everything_relaxed_supply_does_not_matter(model, rebuild):
    setting = setting_of(model.market_week, rebuild)
    everything = frozenset(FAMILIES)
    for product in setting.forced:
        assert setting.price_cents(everything, int(product)) == setting.first_lot_price_cents(
            everything, int(product)
        )


def test_cash_margins_and_order_limits_are_gone_when_relaxed(model, rebuild):
    buy = rebuild(frozenset({"cash"}))
    assert (buy.cash_cents >= buy.value_cents * buy.wanted).all()
    assert len(buy.party) >= len(model.intents.buy.party)
    assert (rebuild(frozenset({"margins"})).margin == 0).all()
    assert (model.intents.buy.margin > 0).any()
    before, after = model.intents.buy, rebuild(frozenset({"order_limits"}))
    assert after.wanted.sum() > before.wanted.sum()
    assert not np.isin(after.cap, [QuantityCap.APPETITE, QuantityCap.ABSORPTION]).any()


def test_power_and_cooling_open_slots_that_were_full(model, rebuild):
    view = model.view
    full = np.flatnonzero(view.pools.free_watts == 0)
    assert not np.isin(model.intents.buy.pool, full).any()
    assert np.isin(rebuild(frozenset({"power", "order_limits"})).pool, full).any()
    dry = np.flatnonzero(view.pools.liquid_capacity_watts == 0)
    racks = rebuild(frozenset({"liquid"}))
    assert (PRODUCT_LIQUID[racks.product] & np.isin(racks.pool, dry)).any()
    assert not (PRODUCT_LIQUID[model.intents.buy.product] & np.isin(model.intents.buy.pool, dry)).any()


def test_freight_goes_and_export_rules_stay(model):
    network = model.world.topology.network()
    free = relaxed_network(network, model.world.topology.places.n, frozenset({"transport"}))
    assert set(np.unique(free.freight)) == {-1, 0}
    assert ((free.freight < 0) == (network.freight < 0)).all()
    wet = relaxed_network(network, model.world.topology.places.n, frozenset({"liquid"}))
    entering = network.lanes[:, 1] >= model.world.topology.places.n
    assert (wet.freight[:, entering] >= 0).all()
    assert ((wet.freight < 0) == (network.freight < 0))[:, ~entering].all()


def test_a_failed_insider_bids_again_when_healed():
    model = stopped(3)
    view, world = model.view, model.world
    insider = int(model.intents.buy.party[view.parties.kind[model.intents.buy.party] == 2][0])
    world.operators.active[insider] = False
    world.ledger.parties.cash_cents[insider] = 0
    gone = view.known.party == insider
    unpaired = replace(view, known=KnownPoolsView(view.known.party[~gone], view.known.pool[~gone]))
    rebuild = AgentsRebuild(replace(model.market_week, view=unpaired))
    assert "distressed_insiders" in rebuild.active()
    assert insider not in rebuild(frozenset({"order_limits"})).party
    healed = rebuild(frozenset({"distressed_insiders"}))
    assert insider in healed.party
    assert healed.cash_cents[healed.party == insider].sum() > 0


def test_buyers_that_were_not_met_come_back_when_search_is_relaxed():
    first = {
        "forced_sale": {"week": 1}
    }  # the week before: worlds have no history yet in which they could differ
    model = stopped(1, **first, search={"enabled": True, "contacts_per_year": 30})
    here = model.present
    assert 0.2 < here.mean() < 0.8
    assert here[model.intents.buy.party].all()
    assert np.array_equal(here, search.present(model.world.randomness, model.week, len(here), 30))
    rebuild = AgentsRebuild(model.market_week)
    assert "search" in rebuild.active()
    everybody = rebuild(frozenset({"search"}))
    assert not here[everybody.party].all()
    assert here[rebuild(frozenset({"cash"})).party].all()
    whole = stopped(1, forced_sale={"week": 1})
    assert same(everybody, whole.intents.buy)


def test_rows_of_a_week(model, rebuild):
    """Cents of the level game run from p to V*, those of the impact game from p0 - p to zero."""
    (quote,) = model.market_week.quotes
    rows, interactions = decompose(
        setting_of(model.market_week, rebuild),
        rebuild.active(),
        quote.product,
        np.array([quote.best_use_value_usd, quote.believed_value_usd]),
        orders_of(len(rebuild.active()), 2, 3),
    )
    assert not interactions
    value = {(row["game"], row["family"]): row["value_cents"] for row in rows}
    assert [row["family"] for row in rows if row["game"] == "level"] == [*FAMILIES, BELIEFS, NOT_ATTRIBUTED]
    level = sum(v for (game, _), v in value.items() if game == "level")
    assert level == round(quote.best_use_value_usd * 100) - int(quote.price_usd * 100 + 1e-6)
    assert value["level", BELIEFS] == round(quote.best_use_value_usd * 100) - round(
        quote.believed_value_usd * 100
    )
    impact = sum(v for (game, _), v in value.items() if game == "impact")
    assert impact == int(quote.fire_sale_discount_usd * 100 + 1e-6)
    assert value["impact", NOT_ATTRIBUTED] == 0


def test_no_discount_nothing_to_attribute():
    rows, _ = rows_of(f1b(8), TPC, [22_000, 22_000])
    impact = [row for (game, _), row in rows.items() if game == "impact"]
    assert all(
        row["value_cents"] == row["low_cents"] == row["high_cents"] == row["orders"] == 0 for row in impact
    )
    assert sum(row["value_cents"] for (game, _), row in rows.items() if game == "level") == 50_000


def test_shapley_values_are_recorded_when_a_class_is_first_forced():
    model = stopped(5)
    model._dissect(model.week)
    table = model.tables()["shapley"]
    assert list(table) == list(SHAPLEY)
    assert list(SHAPLEY)[:9] == [
        *(
            "week",
            "generation",
            "game",
            "family",
            "value_cents",
            "low_cents",
            "high_cents",
            "first_in_cents",
            "last_in_cents",
        )
    ]
    assert set(table["week"]) == {4}
    assert set(table["generation"]) == {"H100"}
    off = stopped(5, discount={"shapley_weeks": 0})
    off._dissect(off.week)
    assert "shapley" not in off.tables()
    assert "anatomy" in off.tables()


@pytest.mark.slow
def test_sampled_orders_against_all_of_them(model, rebuild):
    """On the model's own week: values over all 5,040 orders are within four stated errors of the sampled ones."""
    (quote,) = model.market_week.quotes
    arguments = (
        setting_of(model.market_week, rebuild),
        rebuild.active(),
        quote.product,
        np.array([1.0, 1.0]),
    )
    full, interactions = decompose(*arguments)
    part, _ = decompose(*arguments, orders_of(7, 4, 0))
    assert len(interactions) == 2 * 21
    for whole, sample in zip(full, part, strict=True):
        if sample["family"] in (BELIEFS, NOT_ATTRIBUTED):
            continue
        assert whole["first_in_cents"] == sample["first_in_cents"]
        assert whole["low_cents"] <= sample["low_cents"] and sample["high_cents"] <= whole["high_cents"]
        assert abs(whole["value_cents"] - sample["value_cents"]) <= 4 * sample["error_cents"] + 2_000
