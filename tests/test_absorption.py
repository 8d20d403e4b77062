"""Absorption: points are the model's own forced week; capacity and depth are read off known curves."""

import numpy as np
import pytest

from agents.vocabulary import PRODUCT_UNIT
from experiments.design.scenario import load
from experiments.methods import absorption
from experiments.methods.absorption import Point
from experiments.runs import store
from sim.model import FireSaleModel

EARLY = ("forced_sale.week=2",)


def point(seed: int, quantity: int, price: float, way: str = "moved") -> Point:
    return Point(
        way, "tight", seed, quantity, quantity, quantity, 2.0, 1.0, price, price, price, 0.0, 0.0, "x"
    )


def test_capacity_of_a_curve_of_known_elasticity() -> None:
    quantity = np.geomspace(1_000, 300_000, 9)
    straight = 1 - 0.1 * np.log(quantity / 1_000)
    assert absorption.capacity_of(quantity, straight, 0.7) == pytest.approx(1_000 * np.exp(3))
    quantity = np.geomspace(1_000, 300_000, 100)
    ratio = (quantity / 1_000) ** -0.2
    assert absorption.capacity_of(quantity, ratio, 0.7) == pytest.approx(1_000 * 0.7**-5, rel=0.01)
    assert absorption.capacity_of([10, 100], [0.9, 0.7], 0.8) == pytest.approx(np.sqrt(1_000))
    assert absorption.capacity_of([10, 100], [0.9, 0.8], 0.7) == np.inf
    assert absorption.capacity_of([10, 100], [0.6, 0.5], 0.7) == 0.0


def test_f1_capacity_from_its_own_closed_form() -> None:
    """A(0.5) = 1,177 on the curve of theory.md D.6: 961.5 + C_cash / (V*/2 + freight)."""
    quantity = np.linspace(1_000, 1_500, 51)
    price = np.where(
        quantity <= 1_000, 11_400, np.minimum(11_400, 2.5e6 / np.maximum(quantity - 961.54, 1) - 600)
    )
    assert absorption.capacity_of(quantity, price / 22_000, 0.5) == pytest.approx(1_177, rel=0.002)


def test_headline_says_median_range_and_what_lies_outside() -> None:
    points = [
        point(s, q, p)
        for s, curve in ((1, (0.9, 0.5)), (2, (0.8, 0.6)))
        for q, p in zip((100, 1_000), curve, strict=True)
    ]
    found = absorption.capacities(points)
    middle = next(one for one in found if one.share == 0.7)
    each = [100 * 10 ** ((0.9 - 0.7) / 0.4), 100 * 10 ** ((0.8 - 0.7) / 0.2)]
    assert (middle.low, middle.high) == pytest.approx((min(each), max(each)))
    assert "316 (316–316) moved with tight slots" in absorption.sentence(found)
    above = absorption.capacities([point(1, 100, 0.9), point(1, 1_000, 0.8)])
    assert "at least 1,000" in absorption.sentence(above)
    below = absorption.capacities([point(1, 100, 0.5), point(1, 1_000, 0.4)])
    assert "fewer than 100" in absorption.sentence(below)


def test_points_are_the_models_own_forced_week() -> None:
    scenario = load("ten_thousand_h100")
    points, missing = absorption.measure(scenario, quantities=(2_000, 100_000), seeds=(7,), settings=EARLY)
    assert missing == []
    assert len(points) == 8
    settings = [*EARLY, *absorption.ONE_WEEK, "forced_sale.gpus=2000", "site.vacancy=0.06"]
    model = FireSaleModel(scenario.parameters(None, [*settings, "forced_sale.in_place=false"]), rng=7)
    model.run_for(3)
    (quote,) = model.market_week.quotes
    first = next(p for p in points if (p.way, p.slots, p.quantity) == ("moved", "loose", 2_000))
    assert (first.price_usd, first.first_lot_price_usd, first.sold) == (
        quote.price_usd,
        quote.first_lot_price_usd,
        quote.sold,
    )
    for one in points:
        assert 0 <= one.sold <= one.offered <= one.quantity
        assert one.quantity - one.offered <= 0.02 * one.quantity  # failed before the sale
        assert one.offered % PRODUCT_UNIT[quote.product] == 0
        assert 0 < one.price_usd <= one.first_lot_price_usd * (1 + 1e-9)
    for way in absorption.WAYS:
        few, many = (
            next(p for p in points if (p.way, p.slots, p.quantity) == (way, "tight", q))
            for q in (2_000, 100_000)
        )
        assert many.price_usd < few.price_usd


def test_answer_measures_both_ways_at_the_scenarios_own_vacancy(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(absorption, "RUN_QUANTITIES", (2_000, 100_000))
    monkeypatch.setattr(absorption, "RUN_SEEDS", 1)
    counted = []
    said = absorption.answer(
        load("ten_thousand_h100"),
        tmp_path / "absorption",
        seed=7,
        settings=EARLY,
        on_point=lambda: counted.append(1),
    )
    assert len(counted) == 4
    assert " moved; " in said and " in place (median and range over 1 seeds)" in said
    table = store.load_tables(tmp_path / "absorption")["absorption"]
    assert set(table["slots"].to_pylist()) == {"as set"}
    settings = [*EARLY, *absorption.ONE_WEEK, "forced_sale.gpus=100000", "forced_sale.in_place=false"]
    model = FireSaleModel(load("ten_thousand_h100").parameters(None, settings), rng=7)
    model.run_for(3)
    row = next(r for r in table.to_pylist() if r["way"] == "moved" and r["quantity"] == 100_000)
    assert row["price_usd"] == model.market_week.quotes[0].price_usd
    for ending in ("png", "pdf"):
        assert (tmp_path / "absorption" / f"absorption.{ending}").stat().st_size > 5_000


def test_result_is_stored_with_units_and_figure(tmp_path) -> None:
    scenario = load("ten_thousand_h100")
    points = [
        point(s, q, p, way) for way in absorption.WAYS for s in (1, 2) for q, p in ((100, 0.9), (1_000, 0.5))
    ]
    headline = absorption.save(tmp_path / "out", scenario, points, [], generation="H100", seconds=0.0)
    tables = store.load_tables(tmp_path / "out")
    assert set(tables) == {"absorption", "capacity", "depth"}
    assert tables["absorption"].num_rows == 8
    assert store.units(tables["capacity"].schema.field("median"))[0] == "GPUs"
    assert store.load_manifest(tmp_path / "out")["headline"] == headline
    assert (tmp_path / "out" / "absorption.png").stat().st_size > 10_000
