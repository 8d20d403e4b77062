"""The printed anatomy and its figures, from the stored tables of a run."""

from pathlib import Path

import numpy as np
import pytest

from experiments.command.anatomy_printout import printed_anatomy
from experiments.command.rich_table import show
from experiments.design.scenario import load
from experiments.figures.anatomy_figures import anatomy, shapley
from experiments.figures.run_figures import draw_all, side_by_side
from experiments.measures.anatomy import PARTS, ROWS, breakdowns, frictions, main_class
from experiments.measures.forced_sales import all_columns
from experiments.runs import store
from experiments.runs.run import BESIDE, run_scenario


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A short sale of H100 in calm, and the same of GB200 beside it."""
    place = tmp_path_factory.mktemp("anatomy") / "run"
    settings = [
        "clock.weeks=6",
        "forced_sale.week=2",
        "forced_sale.deadline_weeks=2",
        "discount.shapley_pairs=2",
    ]
    run_scenario(load("ten_thousand_h100"), ["default"], 7, place, settings=settings)
    run_scenario(load("ten_thousand_h100"), ["gb200"], 7, place / BESIDE / "gb200", settings=settings)
    return place


@pytest.fixture(scope="module")
def runs(folder):
    return side_by_side(folder)


def test_runs_stand_side_by_side(runs):
    assert list(runs) == ["ten_thousand_h100", "gb200"]
    assert [main_class(breakdowns(label, tables)).generation for label, tables in runs.items()] == [
        "H100",
        "GB200",
    ]


def test_parts_sum_to_the_whole_and_agree_with_the_trades(runs):
    for label, tables in runs.items():
        each = main_class(breakdowns(label, tables))
        assert sum(each.parts_usd.values()) == pytest.approx(
            each.best_use_value_usd - each.price_usd, abs=1e-6
        )
        assert set(each.parts_usd) == set(PARTS)
        assert each.contamination_usd + each.staleness_usd == pytest.approx(
            each.appraisal_usd - each.clean_best_use_value_usd, abs=0.02
        )
        trades = tables["trades"]
        mine = trades["forced"] & (trades["generation"] == each.generation)
        assert each.sold == trades["quantity"][mine].sum()
        price = np.average(trades["price_cents"][mine], weights=trades["quantity"][mine]) / 100
        assert each.price_usd == pytest.approx(price)
        assert 0 <= each.no_bid_share < 1


def test_shapley_means_sum_to_what_they_explain(runs):
    """Weighted by units sold, the level game explains V* - p and the impact game p0 - p of the class most sold."""
    for label, tables in runs.items():
        each = main_class(breakdowns(label, tables))
        (mine,) = (f for f in frictions(label, tables) if f.generation == each.generation)
        weeks = tables["weeks"]
        sold = weeks[f"forced_sold_{each.generation}"]
        quoted = {
            name: np.average(weeks[f"{name}_usd_{each.generation}"][sold > 0], weights=sold[sold > 0])
            for name in ("best_use_value", "first_lot_price", "price")
        }
        level = sum(share.value_usd for share in mine.shares["level"].values())
        impact = sum(share.value_usd for share in mine.shares["impact"].values())
        assert list(mine.shares["level"]) == list(ROWS)
        assert level == pytest.approx(quoted["best_use_value"] - quoted["price"], abs=0.03)
        assert impact == pytest.approx(quoted["first_lot_price"] - quoted["price"], abs=0.03)
        for share in mine.shares["level"].values():
            assert share.low_usd <= share.value_usd + 0.01 and share.value_usd <= share.high_usd + 0.01


def test_what_is_printed(runs, capsys):
    show(*printed_anatomy(list(runs.items())))
    text = capsys.readouterr().out
    for word in (
        "misallocation",
        "beliefs",
        "H100",
        "GB200",
        "Shapley",
        "not attributed",
        "of the price",
        "order limits",
    ):
        assert word in text
    assert "…" not in text, "no number is cut"


@pytest.mark.slow
def test_figures_show_every_run_and_their_numbers(folder, runs):
    _, bars = anatomy(runs)
    wide = bars.pivot(index="run", columns="part", values="usd_per_gpu")
    assert set(wide.index) == set(runs)
    assert wide[list(PARTS)].sum(axis=1).to_numpy() == pytest.approx(wide["best_use_value"] - wide["price"])
    _, values = shapley(runs)
    assert set(values["family"]) == set(ROWS)
    assert set(values["generation"]) == {"H100", "GB200"}
    names = draw_all(folder)
    assert {"anatomy.png", "anatomy.pdf", "anatomy.csv", "shapley.png"} <= set(names)


def test_a_run_without_forced_units_says_so(tmp_path):
    run_scenario(load("calm"), ["default"], 7, tmp_path / "calm", settings=["clock.weeks=2"])
    tables = {"calm": all_columns(store.load_tables(tmp_path / "calm"))}
    assert printed_anatomy(list(tables.items())) == []
    for draw in (anatomy, shapley):
        figure, plotted = draw(tables)
        assert plotted.empty
        assert "no " in figure.axes[0].texts[0].get_text()
