"""Outcomes of a run of the model: what they are without a forced sale, and against the stored tables with one."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHORT_SALE

from experiments.design.scenario import load
from experiments.measures.forced_sales import ForcedSale
from experiments.measures.outcomes import OUTCOMES, _ratio, register_outcome, unregister_outcome
from experiments.sweep import model_task
from experiments.sweep.model_task import ModelTask

CONDITIONAL = {
    "discount",
    "discount_at_normal_volume",
    "structural_gap",
    "recovery",
    "gap_to_best_use",
    "price_usd",
    "gap_usd",
    "first_lot_price_usd",
    "in_place_share",
    "moved_share",
    "scrapped_share",
    "unsold_share",
    "sale_weeks",
    "loss_given_default",
}


@pytest.fixture(scope="module")
def quiet() -> dict[str, float]:
    parameters = load("calm").parameters(settings=["clock.weeks=3"]).flat()
    return ModelTask()(parameters, 7, 0)[0]


@pytest.fixture(scope="module")
def sale() -> tuple[dict[str, float], dict[str, Any]]:
    parameters = load("ten_thousand_h100").parameters(settings=SHORT_SALE).flat()
    return ModelTask(("price_usd_H100",), 2)(parameters, 7, 0)


def test_without_a_sale_conditional_outcomes_do_not_exist_and_counts_are_zero(
    quiet: dict[str, float],
) -> None:
    assert {name for name, value in quiet.items() if math.isnan(value)} == CONDITIONAL
    for name in (
        "forced_gpus",
        "foreclosed",
        "defaults",
        "borrowers_failed",
        "loss_rate",
        "open_exposure_rate",
    ):
        assert quiet[name] == 0.0, name


def test_with_a_sale_every_price_exists_and_the_gaps_add_up(sale: tuple[dict[str, float], Any]) -> None:
    made = sale[0]
    # Nothing is liquidated in full within six weeks, so only that rate is still unknown.
    assert {name for name, value in made.items() if math.isnan(value)} <= {"loss_given_default"}
    assert made["forced_gpus"] == 2000
    assert made["gap_to_best_use"] == pytest.approx(1 - made["recovery"])
    kept = (1 - made["structural_gap"]) * (1 - made["discount"])
    assert made["recovery"] == pytest.approx(kept)
    shares = [made[name] for name in ("in_place_share", "moved_share", "scrapped_share", "unsold_share")]
    assert sum(shares) == pytest.approx(1.0)


def test_outcomes_against_the_stored_run(sale: tuple[dict[str, float], Any], stored_run: Path) -> None:
    from experiments.runs.run import finished

    (known,) = finished(stored_run).sales
    assert sale[0]["price_usd"] == pytest.approx(known.price_usd)
    assert sale[0]["discount"] == pytest.approx(known.discount_share)


def test_series_are_thinned_columns_of_the_weekly_table(
    sale: tuple[dict[str, float], dict[str, Any]], stored_run: Path
) -> None:
    from experiments.runs import store

    weeks = store.load_run(stored_run)["weeks"]
    assert sale[1]["week"].tolist() == [0, 2, 4]
    assert np.array_equal(sale[1]["price_usd_H100"], weeks["price_usd_H100"].to_numpy()[::2], equal_nan=True)


def test_a_ratio_leaves_out_classes_that_lack_either_part() -> None:
    def sold(generation: str, taken: int, price: float) -> ForcedSale:
        return ForcedSale(
            generation=generation,
            taken=taken,
            in_place=taken,
            moved=0,
            scrapped=0,
            unsold=0,
            first_week=1,
            last_week=2,
            best_use_value_usd=200.0,
            believed_value_usd=200.0,
            first_lot_price_usd=100.0,
            normal_volume_price_usd=100.0,
            price_usd=price,
            price_low_usd=price,
            price_high_usd=price,
        )

    sales = [sold("H100", 30, 80.0), sold("A100", 10, math.nan)]
    found = _ratio(sales, lambda sale: sale.fire_sale_discount_usd, lambda sale: sale.first_lot_price_usd)
    assert found == pytest.approx(0.2)
    assert math.isnan(_ratio(sales[1:], lambda sale: sale.price_usd, lambda sale: sale.first_lot_price_usd))


def test_every_outcome_says_its_unit_and_meaning_and_no_two_are_called_alike() -> None:
    said = ModelTask(("price_usd_H100",)).meanings()
    assert set(said) == {*OUTCOMES, "price_usd_H100"}
    assert all(unit and meaning for unit, meaning in said.values())


def test_a_sweep_records_what_its_outcomes_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shipped outcomes read no anatomy; one of a user's may read any table, and then all are recorded."""
    seen: list[set[str]] = []
    parameters = load("ten_thousand_h100").parameters(settings=SHORT_SALE).flat()
    inner = model_task.simulate

    def watched(*arguments: Any, **options: Any) -> Any:
        model = inner(*arguments, **options)
        seen.append(set(model.tables()))
        return model

    monkeypatch.setattr(model_task, "simulate", watched)
    ModelTask()(parameters, 7, 0)
    register_outcome("lines", "rows", "rows of the anatomy", (0, 1e9), lambda t: len(t["anatomy"]["week"]))
    try:
        outcomes, _ = ModelTask()(parameters, 7, 0)
    finally:
        unregister_outcome("lines")
    assert outcomes["lines"] > 0
    assert {"anatomy", "shapley", "pools"} <= seen[1]
    assert seen[0] == {"weeks", "trades", "events", "agents", "loans", "loss_bridge", "drivers"}
