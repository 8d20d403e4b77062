"""The dual accounting: exact identity on every arc, published fixtures, and each component from its own source."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.operating import hold_values
from agents.valuation import BELIEFS
from agents.vocabulary import (
    N_PRODUCTS,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    BuyIntents,
    PoolKind,
    QuantityCap,
    SellOrders,
)
from sim.discount import anatomy
from sim.discount.anatomy import ANATOMY
from sim.discount.arcs import COMPONENTS, IdentityBroken, whole_cents
from sim.kernel.book import Network
from sim.market.market import run_market
from sim.market.venue import Venue
from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.state.best_use_marks import BestUseMarks

H = 7  # H100 clean, sold in eights
NAMED = [
    *("week", "generation", "seller", "buyer", "seller_pool", "buyer_pool", "pool_kind", "quantity"),
    *("appraisal_cents", "clean_best_use_value_cents", "best_use_value_cents", "first_lot_price_cents"),
    *("clearing_price_cents", "price_low_cents", "price_high_cents"),
    *(
        "misallocation_cents",
        "hosting_cents",
        "delay_cents",
        "margin_cents",
        "cash_cents",
        "search_cents",
        "transport_cents",
        "power_cents",
        "cooling_cents",
    ),
    *("order_limit_cents", "no_bid_cents", "forced", "capacity_regime", "marginal_buyer"),
]


def sale(weeks, **changes):
    """A model that has just cleared a week with forced lots, before settlement."""
    values = {
        "enabled": True,
        "gpus": 4000,
        "week": weeks - 1,
        "deadline_weeks": 1,
        **changes.pop("forced_sale", {}),
    }
    model = FireSaleModel(Parameters.model_validate({"forced_sale": values, **changes}), rng=7)
    model.run_for(weeks - 1)
    stop = [name for name, _ in model.phases].index("settlement")  # after the anatomy
    model.phases = model.phases[:stop]
    model.run_for(1)
    return model


@pytest.fixture(scope="module")
def model():
    return sale(5)


@pytest.fixture(scope="module")
def columns(model):
    return columns_of(model)


def columns_of(model):
    return anatomy.columns(model.market_week)


def total(columns):
    return sum(columns[f"{name}_cents"] for name in COMPONENTS)


# -- the published fixture -----------------------------------------------------------------------------------


def fixture_f1b(model, *, kind=PoolKind.OPEN, offered=1_000):
    """F1b of economics.md 2 as a week's market, at 22,000 USD in best use: pools 0 (lots), 1, 2, 3 (A, B, C)."""
    pools = 4
    view = model.view
    view = replace(
        view,
        pools=replace(
            view.pools,
            kind=np.array([PoolKind.IN_PLACE, kind, kind, kind]),
            hosting_usd_per_kw_month=np.zeros(pools),
            power_usd_per_kwh=view.pools.power_usd_per_kwh[:pools],
            pue=view.pools.pue[:pools],
            free_liquid_watts=np.zeros(pools, dtype=np.int64),
        ),
        rents=replace(view.rents, belief="consistent"),
    )
    unit_watts = np.full(N_PRODUCTS, 100_000)
    unit_watts[H] = 10_400  # 1.3 kW per GPU
    freight = np.tile(np.array([[50_000, 50_000, 60_000]]), (N_PRODUCTS, 1))
    lanes = np.array([[0, 1], [0, 2], [0, 3]], dtype=np.int32)
    network = Network(4, lanes, freight, PRODUCT_UNIT.copy(), unit_watts, PRODUCT_LIQUID.copy())
    whole = np.ones(3, dtype=np.int64)
    buy = BuyIntents(
        party=np.arange(3),
        pool=np.arange(1, 4),
        product=H * whole,
        value_cents=np.array([2_200_000, 2_000_000, 1_200_000]),
        margin=np.zeros(3),
        wanted=1_000 * whole,
        cash_cents=np.array([900_000_000, 1_200_000_000, 250_000_000]),
        cap=QuantityCap.APPETITE * whole,
        delay_cents=0 * whole,
    )
    one = np.ones(1, dtype=np.int64)
    sell = SellOrders(9 * one, 0 * one, H * one, offered * one, 300_000 * one, np.array([True]))
    power = np.array([0, 600_000, 650_000, 5_000_000])
    result = run_market(sell, buy, Venue(network, 0, power, 0 * power, theta=0.5, steps=400, refine=True))
    return cleared(model, view, result)


def cleared(model, view, result):
    """The week of a model with another market."""
    return replace(
        model.market_week,
        week=0,
        view=view,
        result=result,
        best_use_value_usd=np.full(8, 22_000.0),
        quotes=(),
    )


def f1b_rows(model, kind, offered=1_000):
    columns = anatomy.columns(fixture_f1b(model, kind=kind, offered=offered))
    return {int(b): i for i, b in enumerate(columns["buyer"])}, columns


def test_f1b_leased(model):
    """theory.md D.3: A pays 19,500 gross (cash 9 m$ over 461.54 units), B its limit, C is the marginal outsider."""
    row, columns = f1b_rows(model, PoolKind.OPEN)
    assert columns["clearing_price_cents"][row[0]] == 1_140_000
    expected = {
        0: {"misallocation": 0, "cash": 2_500, "transport": 500, "power": 7_600},
        1: {"misallocation": 2_000, "cash": 0, "transport": 500, "power": 8_100},
        2: {"misallocation": 10_000, "cash": 0, "transport": 600, "power": 0},
    }
    for buyer, parts in expected.items():
        for name, usd in parts.items():
            # The ladder's step moves A's gross price by up to 0.7 %, between cash and power.
            loose = 0.007 * 19_500 if buyer == 0 else 0.01
            assert columns[f"{name}_cents"][row[buyer]] / 100 == pytest.approx(usd, abs=loose), (buyer, name)
    assert columns["cash_cents"][row[0]] + columns["power_cents"][row[0]] == 1_010_000
    assert (total(columns) == columns["best_use_value_cents"] - columns["clearing_price_cents"]).all()
    assert set(columns["capacity_regime"][columns["buyer"] >= 0]) == {"leased"}
    assert (columns["marginal_buyer"][columns["buyer"] >= 0] == 2).sum() >= 1


def test_f1b_owned(model):
    """theory.md D.3, owned regime: alpha is 1, the whole wedge of A is power (1.3 x 7,769.23 = 10,100 dollars)."""
    row, columns = f1b_rows(model, PoolKind.PRIVATE)
    assert columns["cash_cents"][row[0]] == 0
    assert columns["power_cents"][row[0]] / 100 == pytest.approx(10_100, abs=1)
    assert columns["capacity_regime"][row[0]] == "owned"
    assert (total(columns) == columns["best_use_value_cents"] - columns["clearing_price_cents"]).all()


def test_no_bid_lots_stand_alone(model):
    row, columns = f1b_rows(model, PoolKind.OPEN, offered=4_000)
    left = row[-1]
    assert columns["quantity"].sum() == 4_000
    assert columns["no_bid_cents"][left] == 2_200_000 - 300_000
    assert total(columns)[left] == columns["no_bid_cents"][left]
    assert (columns["no_bid_cents"][columns["buyer"] >= 0] == 0).all()


def test_a_price_off_the_optimum_is_caught(model):
    week = fixture_f1b(model)
    price = week.result.clearing.price.copy()
    price[H, 1] += 1.0  # A cent more delivered than paid at the seller plus freight
    week = replace(week, result=replace(week.result, clearing=replace(week.result.clearing, price=price)))
    with pytest.raises(IdentityBroken, match="sum to"):
        anatomy.columns(week)


# -- the model's own weeks -----------------------------------------------------------------------------------


def test_columns_are_those_of_the_issue(columns):
    assert list(columns)[: len(NAMED)] == NAMED
    assert list(columns) == list(ANATOMY)
    assert len({len(c) for c in columns.values()}) == 1


def test_identity_in_cents(columns):
    assert (columns["forced"] & (columns["buyer"] >= 0)).any()
    for name in COMPONENTS:
        assert columns[f"{name}_cents"].dtype == np.int64
    assert (total(columns) == columns["best_use_value_cents"] - columns["clearing_price_cents"]).all()


def test_every_unit_offered_has_a_row(model, columns):
    assert columns["quantity"].sum() == model.result.orders.sell.quantity.sum()


@pytest.mark.parametrize("generation", ["GB200", "A100"])
@pytest.mark.parametrize("in_place", [False, True])
def test_identity_holds_for_racks_and_in_place(generation, in_place):
    forced = {"generation": generation, "gpus": 7_200, "in_place": in_place, "age_years": 1.0}
    columns = columns_of(sale(4, forced_sale=forced))
    assert (columns["generation"][columns["forced"]] == generation).all()
    assert (total(columns) == columns["best_use_value_cents"] - columns["clearing_price_cents"]).all()


@pytest.mark.parametrize("theta", [0.0, 0.3, 1.0])
def test_identity_holds_at_every_selection_of_the_price(theta):
    columns = columns_of(sale(4, market={"theta": theta}))
    assert (total(columns) == columns["best_use_value_cents"] - columns["clearing_price_cents"]).all()


def test_worth_in_a_free_slot_is_the_models_own_value(model, columns):
    """V* less misallocation is what hold_values says without hosting; the posted intent was the source."""
    arcs = (columns["buyer"] >= 0) & (columns["pool_kind"] != "warehouse")
    buy, rows = model.result.orders.buy, model.result.trades.buy[arcs[: model.result.trades.n]]
    value = hold_values(
        model.view, buy.party[rows], buy.pool[rows], buy.product[rows], model.view.products.age_years[buy.product[rows]],
        hosting=False,
    )  # fmt: skip
    free = (columns["best_use_value_cents"] - columns["misallocation_cents"])[arcs]
    assert np.abs(free - value * 100).max() <= 3  # posted in whole cents three times


def test_beliefs_are_a_line_of_their_own(model, columns):
    """With consistent beliefs nobody values a unit above V*, so misallocation less the belief gap is not negative."""
    arcs = columns["buyer"] >= 0
    arcs &= columns["pool_kind"] != "warehouse"
    assert ((columns["misallocation_cents"] - columns["belief_gap_cents"])[arcs] >= -3).all()


def test_an_appraisal_is_passed_through(model):
    marks = np.arange(N_PRODUCTS) * 1_000.0
    world = model.world
    appraised = replace(world, credit=replace(world.credit, appraisal_usd=marks))
    columns = anatomy.columns(replace(model.market_week, world=appraised))
    assert (columns["appraisal_cents"][columns["forced"]] == 700_000).all()


def test_rows_are_recorded_with_units(model):
    table = model.tables()["anatomy"]
    assert (table["week"] == model.week).sum() == len(columns_of(model)["week"])
    assert model.columns()["anatomy"]["power_cents"][0] == "cents per GPU"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.fractions(-(10**7), 10**7, max_denominator=10**12), min_size=1, max_size=12),
)
def test_rounding_keeps_the_sum_and_stays_near(parts):
    whole = -(-sum(parts) // 1)  # V* in cents less a price rounded down
    rounded = whole_cents(parts, int(whole))
    assert rounded.sum() == whole
    assert all(abs(int(r) - p) < 1 + Fraction(1, 10**6) for r, p in zip(rounded, parts, strict=True))
    assert all(int(r) == p for r, p in zip(rounded, parts, strict=True) if p.denominator == 1)


@pytest.mark.parametrize("belief", BELIEFS)
def test_no_user_pays_more_than_the_best_use_as_it_believes_it(belief):
    """p0 may stand above V* by optimism alone: every bid of a user is within the bound under its own belief."""
    model = sale(4, valuation={"expectations": belief})
    (quote,) = model.market_week.quotes
    buy = model.intents.buy
    users = (buy.product == quote.product) & (model.view.pools.kind[buy.pool] != PoolKind.WAREHOUSE)
    assert users.any()
    assert buy.value_cents[users].max() <= quote.believed_value_usd * 100 + 1
    assert quote.first_lot_price_usd <= quote.believed_value_usd
    if belief == "consistent":
        assert quote.believed_value_usd == quote.best_use_value_usd
    assert quote.best_use_value_usd - quote.price_usd == pytest.approx(
        quote.structural_gap_usd + quote.fire_sale_discount_usd
    )


def test_the_mark_splits_into_past_prices_and_staleness(model, columns):
    """F on best uses is the appraisers' filter: quarterly, lagged and weighted as theirs (economics.md 13)."""
    marks = BestUseMarks()
    path = np.random.default_rng(2).uniform(10_000, 30_000, (60, 8))
    credit = model.parameters.credit
    for week, best in enumerate(path):
        marks.mark(best)
        if week % 13 == 0:
            marks.appraise(credit)
    lag, weight = int(credit.appraisal_lag_weeks), credit.appraisal_weight
    assert (lag, weight) == (13, 0.6)
    # Appraisals of weeks 0 (its own mark), 13, 26, 39 and 52, each with the mark of a quarter before.
    expected = path[0]
    for quarter in (0, 13, 26, 39):
        expected = 0.6 * path[quarter] + 0.4 * expected
    assert marks.filtered_usd[::3] == pytest.approx(expected)
    gap = columns["contamination_cents"] + columns["staleness_cents"]
    assert np.abs(gap - (columns["appraisal_cents"] - columns["clean_best_use_value_cents"])).max() <= 1
    recorded = model.tables()["anatomy"]
    credit_marks = np.rint(model.world.credit.appraisal_usd * 100)
    last = recorded["week"] == model.week
    assert np.isin(recorded["appraisal_cents"][last], credit_marks).all()


@pytest.mark.parametrize("theta", [0.25, 0.5, 1.0])
def test_bargaining_is_search_where_buyers_must_be_met(model, theta):
    """One seller, one buyer (T12): the price lies theta of the way from the reserve to the limit, the rest is the buyer's."""
    view, network = (week := fixture_f1b(model)).view, week.result.venue.network
    one, eight = np.ones(1, dtype=np.int64), np.full(1, 8)
    sell = SellOrders(9 * one, 0 * one, H * one, eight, 300_000 * one, np.array([True]))
    buy = BuyIntents(
        0 * one, one, H * one, 2_200_000 * one, np.zeros(1), eight, 10**12 * one,
        QuantityCap.APPETITE * one, 0 * one,
    )  # fmt: skip
    power = np.array([0, 600_000, 0, 0])
    result = run_market(sell, buy, Venue(network, 0, power, 0 * power, theta=theta, steps=16, refine=True))
    week = cleared(model, view, result)
    plain, met = (
        anatomy.columns(replace(week, world=searched(model.world, searching))) for searching in (False, True)
    )
    interval = 2_200_000 - 50_000 - 300_000
    assert met["clearing_price_cents"][0] == 300_000 + theta * interval
    assert met["search_cents"][0] == (1 - theta) * interval
    assert met["order_limit_cents"][0] == met["cash_cents"][0] == 0
    assert plain["search_cents"][0] == 0
    assert plain["order_limit_cents"][0] == (1 - theta) * interval
    for columns in (plain, met):
        assert (total(columns) == columns["best_use_value_cents"] - columns["clearing_price_cents"]).all()


def searched(world, enabled):
    """A world in which buyers must be met, or need not be."""
    parameters = Parameters.from_overrides(world.parameters.flat() | {"search.enabled": enabled})
    return replace(world, parameters=parameters)


def test_search_thins_the_market_of_a_run():
    thin = sale(5, search={"enabled": True, "contacts_per_year": 12})
    assert 0 < thin.present.mean() < 0.6
    columns = columns_of(thin)
    assert (total(columns) == columns["best_use_value_cents"] - columns["clearing_price_cents"]).all()
    assert thin.present[columns["buyer"][columns["buyer"] >= 0]].all()
