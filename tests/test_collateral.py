"""Collateral priced by clearing the book again: the three loan-to-values of running loans, and nothing changed by looking."""

from dataclasses import fields, replace

import numpy as np
import pytest

from agents.vocabulary import SellOrders
from sim.debt.covenants import Basis
from sim.discount import collateral
from sim.lending import terms
from sim.market.market import clear_intents
from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.state.ledger import LoanKind


@pytest.fixture(scope="module")
def model():
    found = FireSaleModel(Parameters.from_overrides({"clock.weeks": 60}), rng=7)
    found.run_for(27)
    return found


@pytest.fixture(scope="module")
def table(model):
    return model.tables()["collateral"]


def test_rows_come_each_quarter_and_prices_once_a_year(table):
    assert np.unique(table["week"]).tolist() == [13, 26]
    assert np.isnan(table["liquidation_usd"][table["week"] == 13]).all()
    assert np.isfinite(table["liquidation_usd"][table["week"] == 26]).all()


def test_ratios_are_balance_over_each_value(table):
    now = table["week"] == 26
    for ratio, value in (
        ("appraised", "appraised"),
        ("liquidation", "liquidation"),
        ("systemic", "systemic"),
    ):
        expected = table["balance_usd"][now] / table[f"{value}_usd"][now]
        assert table[f"loan_to_value_{ratio}"][now] == pytest.approx(expected)


def test_values_are_units_at_the_price_of_their_pool(model, table):
    """Of one small borrower: its collateral on offer beside the week's own, its own bids gone, enforcement paid."""
    now = table["week"] == 26
    lots, loans = model.ledger.lots, model.ledger.loans
    debtors, gpus = np.unique(table["debtor"][now]), []
    gpus = [table["gpus"][now & (table["debtor"] == debtor)].sum() for debtor in debtors]
    debtor = debtors[int(np.argmin(gpus))]
    # A loan paid off since the month's payments keeps its lien until the next; it is no longer secured by anything.
    own = np.flatnonzero(np.isin(lots.lien, np.flatnonzero((loans.debtor == debtor) & loans.live())))
    week = model.market_week
    price = collateral.price_with(
        week, collateral.demand_for_all(week), collateral.offers(week, own), np.array([debtor])
    )[lots.product[own], lots.pool[own]]
    gross = float((lots.quantity[own] * price).sum())
    mine = now & (table["debtor"] == debtor)
    cost = model.parameters.lenders.enforcement_cost
    assert table["liquidation_usd"][mine].sum() == pytest.approx(gross * (1 - cost), rel=1e-9)


def test_looking_changes_nothing(model):
    other = model.branch()
    for _ in range(3):
        collateral.rows(other.market_week)
        collateral.quotes(other.market_week)
    a, b = model.branch(), other
    a.run_for(4)
    b.run_for(4)
    for name, column in a.tables()["weeks"].items():
        assert np.array_equal(column, b.tables()["weeks"][name], equal_nan=column.dtype.kind == "f"), name


def test_who_fails_together_gets_less(model, monkeypatch):
    monkeypatch.setattr(
        type(model.world.credit), "tested_coverage", lambda self: np.zeros(len(self.standing))
    )
    found = collateral.rows(model.market_week)
    assert found["breached"].all()
    assert (found["systemic_usd"] <= found["liquidation_usd"] * (1 + 1e-12)).all()
    assert found["systemic_usd"].sum() < 0.7 * found["liquidation_usd"].sum()


def test_lenders_that_mark_to_the_joint_price_join_the_sale(monkeypatch):
    model = FireSaleModel(
        Parameters.from_overrides({"clock.weeks": 40, "credit.mark_to_market_share": 0.5}), rng=7
    )
    model.run_for(27)
    debtors = np.unique(model.ledger.loans.debtor[model.ledger.loans.kind <= LoanKind.ASSET_BACKED])
    largest = debtors[int(np.argmax(model.ledger.debt_cents()[debtors]))]

    def one_fails(self):
        return np.where(np.arange(len(self.standing)) == largest, 0.0, 9.0)

    monkeypatch.setattr(type(model.world.credit), "tested_coverage", one_fails)
    joined = collateral.rows(model.market_week)
    marked = terms.tested_basis(model.world, joined["creditor"]) != Basis.COST
    covenant = model.parameters.credit.loan_to_value_covenant
    for debtor in np.unique(joined["debtor"][marked]):
        own = joined["debtor"] == debtor
        owed, worth = (joined[name][own & marked].sum() for name in ("balance_usd", "systemic_usd"))
        if owed > covenant * worth / (1 - model.parameters.lenders.enforcement_cost):
            assert joined["breached"][own].all()
    assert np.unique(joined["debtor"][joined["breached"]]).size > 1


def test_a_quote_is_the_price_of_one_unit_where_most_stand(model):
    quoted = collateral.quotes(model.market_week)
    assert (quoted[np.isfinite(quoted)] > 0).all()
    best = model.market_week.best_use_value_usd
    known = np.isfinite(quoted)
    assert (quoted[known] <= best[known] * (1 + 1e-9)).all()
    # A thousand times as many fetch less each, of some generation much less.
    many = collateral.quotes(model.market_week, np.full(len(quoted), 72_000))
    assert (many[known] <= quoted[known] * (1 + 1e-9)).all()
    assert (many[known] < 0.9 * quoted[known]).any()


def test_depth_and_spiral_stand_in_weeks_with_a_forced_class():
    changes = {"clock.weeks": 12, "forced_sale.enabled": True, "forced_sale.week": 4}
    model = FireSaleModel(Parameters.from_overrides(changes), rng=7)
    model.run_for(8)
    weeks = model.tables()["weeks"]
    depth, spiral = weeks["depth_usd_per_percent_H100"], weeks["spiral_multiplier_H100"]
    offered = weeks["forced_offered_H100"] > 0
    assert np.isnan(depth[~offered]).all()
    assert np.isfinite(spiral[offered]).sum() + np.isinf(spiral[offered]).sum() > 0
    assert (spiral[np.isfinite(spiral)] >= 1).all() and (depth[offered & ~np.isnan(depth)] > 0).all()


def test_standing_demand_against_a_book_built_anew(model):
    """Whatever is on offer and whoever is absent, prices are those of intents restated and ladders derived again."""
    week = model.market_week
    demand = collateral.demand_for_all(week)
    lots, venue = model.ledger.lots, replace(demand.venue, refine=False)
    random = np.random.default_rng(3)
    for size in (0, 1, 5, 40):
        extra = collateral.offers(week, random.choice(lots.n, size, replace=False))
        sell = SellOrders(
            *(np.r_[getattr(week.result.orders.sell, f.name), getattr(extra, f.name)] for f in fields(extra))
        )
        absent = np.zeros(model.ledger.parties.n, dtype=np.bool_)
        absent[random.choice(len(absent), size, replace=False)] = True
        wanted = np.where(absent[demand.buy.party], 0, demand.buy.wanted)
        _, clearing = clear_intents(sell, replace(demand.buy, wanted=wanted), venue, whole=False)
        assert np.array_equal(demand.prices(sell, absent), clearing.price, equal_nan=True)
