"""What is written down: declared columns; contracts by name, causes of forced sales, the loss bridge, the origin of drivers."""

from pathlib import Path

import numpy as np
import pytest
from credit_worlds import NOBODY_OWES

from experiments.measures.credit import credit_record
from experiments.runs import store
from sim.base.recorder import Recorder
from sim.lending import orders
from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.record.columns import TABLES, WEEKLY
from sim.state.ledger import LoanKind


@pytest.fixture(scope="module")
def lived() -> FireSaleModel:
    """A run that writes every table: a forced sale, past the first quarter, with all orders of relaxation taken."""
    changes = {
        "clock.weeks": 14,
        "forced_sale.enabled": True,
        "forced_sale.week": 2,
        "forced_sale.gpus": 800,
        "discount.shapley_pairs": 16,
    }
    model = FireSaleModel(Parameters.from_overrides(changes), rng=7)
    model.run_for(14)
    return model


def test_loans_carry_their_contract(stored_run: Path) -> None:
    kinds = set(store.load_run(stored_run)["loans"]["kind"])
    assert {"level_pay", "delayed_draw", "convertible", "bitcoin", "funding"} <= kinds
    assert kinds <= {kind.name.lower() for kind in LoanKind}


def test_every_forced_unit_is_a_sale_with_a_cause(stored_run: Path) -> None:
    run = store.load_run(stored_run)
    events, trades = run["events"], run["trades"]
    sales = events[events["kind"] == "collateral_sale"]
    scrapped = sales["counterparty"].isin(run["agents"].query("type == 'salvager'")["party"])
    assert sales.loc[~scrapped, "quantity"].sum() == trades.loc[trades["forced"], "quantity"].sum() > 0
    assert sales["detail"].str.contains("cause scenario").all()


def test_the_bridge_is_stored_and_agrees_with_the_sales(stored_run: Path) -> None:
    run = store.load_run(stored_run)
    bridge, events = run["loss_bridge"], run["events"]
    sales = events[events["kind"] == "collateral_sale"]
    assert bridge["gross_proceeds_cents"].sum() == (sales["quantity"] * sales["cents"]).sum() > 0
    parts = [
        "decay",
        "lost_income",
        "quality",
        "structural_gap",
        "fire_sale_discount",
        "held",
        "gross_proceeds",
    ]
    assert (bridge["value_at_default_cents"] == sum(bridge[f"{part}_cents"] for part in parts)).all()


def test_units_that_are_not_ordered_are_not_recorded_as_sold(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cash reaches a deposit of ten billion USD: every order of new units in the weekly market is cut to nothing."""
    sale = {"forced_sale.enabled": True, "forced_sale.week": 2, "forced_sale.gpus": 800}
    off = {"discount.anatomy": False, "discount.shapley_weeks": 0, "credit.building": False}
    parameters = Parameters().with_({"clock.weeks": 8, **sale, **off})

    def lived() -> tuple[int, int, int]:
        model = FireSaleModel(parameters, rng=7)
        model.run_for(8)
        tables = model.tables()
        new, sale = tables["trades"]["condition"] == "new", tables["events"]["kind"] == "sale"
        units = int(tables["trades"]["quantity"].sum())
        assert units == int(tables["events"]["quantity"][sale].sum())
        return units, int(tables["trades"]["quantity"][new].sum()), int(tables["trades"]["quantity"].min())

    assert lived()[1] > 0
    monkeypatch.setattr(orders, "deposit", lambda world, price: 10**12)
    _, new, least = lived()
    assert new == 0 and least > 0


def test_standing_units_by_class_sum_to_all(stored_run: Path) -> None:
    weeks = store.load_run(stored_run)["weeks"]
    by_class = [name for name in weeks if name.startswith("forced_standing_")]
    assert (weeks[by_class].sum(axis=1) == weeks["forced_standing"]).all()
    assert weeks["forced_standing"].max() > 0


def test_drivers_say_where_every_week_comes_from(stored_run: Path) -> None:
    drivers = store.load_run(stored_run)["drivers"]
    assert np.all(drivers.groupby("series").size() == 6)
    assert set(drivers.loc[drivers["series"] == "sofr", "origin"]) == {"assumed"}
    assert set(drivers.loc[drivers["series"] == "btc_usd", "origin"]) <= {"drawn", "assumed"}


def test_a_run_has_exactly_the_declared_weekly_columns(lived: FireSaleModel) -> None:
    declared = {column.name: (column.unit, column.meaning) for column in WEEKLY}
    assert len(declared) == len(WEEKLY)
    assert list(lived.tables()["weeks"]) == list(declared)
    assert lived.columns()["weeks"] == declared == TABLES["weeks"]


def test_every_table_of_a_run_has_exactly_the_declared_columns(lived: FireSaleModel) -> None:
    tables, meanings = lived.tables(), lived.columns()
    assert set(tables) == set(meanings) == set(TABLES)
    for table, columns in tables.items():
        assert list(columns) == list(TABLES[table]), table
        assert meanings[table] == dict(TABLES[table]), table


def test_what_is_not_declared_is_not_written() -> None:
    recorder = Recorder(1, {"weeks": {"week": ("week", "week")}, "pools": {"pool": ("pool", "pool")}})
    with pytest.raises(ValueError, match=r"pools: columns are not those declared, pool"):
        recorder.rows("pools", {"pool": np.zeros(1), "place": np.zeros(1)})
    with pytest.raises(ValueError, match="weeks"):
        recorder.week({"date": 0})


def test_a_table_without_rows_has_the_kinds_of_columns_of_one_with_rows(lived: FireSaleModel) -> None:
    """A world in which nothing is lost had a numeric column for how its losses ended."""
    model = FireSaleModel(Parameters.from_overrides(NOBODY_OWES), rng=7)
    model.run_for(2)
    full, empty = lived.tables(), model.tables()
    assert len(empty["loss_bridge"]["outcome"]) == 0 < len(full["loss_bridge"]["outcome"])
    assert not empty["loans"]["balance_cents"].any()
    other = [
        f"{table}.{name}"
        for table, columns in empty.items()
        for name, values in columns.items()
        if name in full.get(table, {}) and values.dtype.kind != full[table][name].dtype.kind
    ]
    assert other == []
    assert credit_record(empty).opening_debt_million_usd == 0.0


def test_years_left_are_unknown_when_no_unit_under_contract_is_left() -> None:
    """A lot whose units are scrapped keeps its contract; in week 718 of a long run only such lots were under one."""
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 1}), rng=7)
    model.run_for(1)
    week, lots = model.market_week, model.market_week.world.ledger.lots
    read = {column.name: column.read for column in WEEKLY}
    assert read["contract_years_left"](week) > 0.0
    lots.quantity[lots.contract >= 0] = 0
    assert np.isnan(read["contract_years_left"](week))
    assert read["contracted_share"](week) == 0.0
