"""What is written down of credit: contracts by name, the cause of forced sales, the loss bridge, the origin of drivers."""

from pathlib import Path

import numpy as np

from experiments.runs import store
from sim.state.ledger import LoanKind


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
