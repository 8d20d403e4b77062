"""Figures: made from stored tables alone, the same bytes every time, complete with the numbers plotted."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.figures.run_figures import COMPARISONS, FIGURES, draw_all
from experiments.figures.style import style
from experiments.runs import store
from experiments.runs.folder import MARKER, StoreError


@pytest.fixture(scope="module")
def drawn(stored_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "run"
    shutil.copytree(stored_run, folder)
    draw_all(folder)
    return folder


def test_every_figure_as_png_pdf_and_numbers(drawn: Path) -> None:
    expected = {f"{name}.{kind}" for name in FIGURES | COMPARISONS for kind in ("png", "pdf", "csv")}
    expected |= {"credit_before.graphml", "credit_after.graphml"}
    assert {path.name for path in (drawn / "figures").iterdir()} == expected | {"figures.json", MARKER}
    assert set(json.loads((drawn / "figures/figures.json").read_text())) == expected


@pytest.mark.slow
def test_drawn_twice_is_the_same_bytes(drawn: Path) -> None:
    first = json.loads((drawn / "figures/figures.json").read_text())
    assert draw_all(drawn) == first


def test_nothing_in_a_file_tells_when_or_with_what_it_was_made(drawn: Path) -> None:
    for path in (drawn / "figures").glob("*.p*"):
        content = path.read_bytes()
        for stamp in (b"CreationDate", b"Matplotlib", b"matplotlib", b"tIME"):
            assert stamp not in content, f"{path.name} holds {stamp.decode()}"


def test_text_stays_text_in_pdf(drawn: Path) -> None:
    assert b"/Type3" not in (drawn / "figures/discount_path.pdf").read_bytes()


def test_plotted_numbers_are_the_stored_ones(drawn: Path) -> None:
    weeks = store.load_run(drawn)["weeks"].set_index("week")
    path = pd.read_csv(drawn / "figures/discount_path.csv").set_index("week")
    assert len(path) > 0
    stored = weeks.loc[path.index]
    np.testing.assert_allclose(path["price_usd"], stored["price_usd_H100"], rtol=1e-5)
    gaps = path["structural_gap_usd"] + path["fire_sale_discount_usd"]
    np.testing.assert_allclose(
        gaps, stored["clean_best_use_value_usd_H100"] - stored["price_usd_H100"], atol=0.2
    )
    flows = pd.read_csv(drawn / "figures/flow_map.csv")
    trades = store.load_run(drawn)["trades"]
    assert flows["gpus"].sum() == trades.loc[trades["forced"], "quantity"].sum()


def test_axes_carry_units(stored_run: Path) -> None:
    import matplotlib.style

    frames = store.load_run(stored_run)
    with matplotlib.style.context(style()):
        prices, _ = FIGURES["price_against_best_use"](frames)
        discount, _ = FIGURES["discount_path"](frames)
    assert prices._supylabel.get_text() == "thousand USD per GPU"
    labels = [axes.get_ylabel() for axes in discount.axes]
    assert labels == ["thousand USD\nper GPU", "thousand USD\nper GPU", "thousand\nGPUs"]
    assert discount.axes[-1].get_xlabel() == "week of the run"
    assert discount.get_figwidth() == pytest.approx(3.3)
    assert prices.get_figwidth() == pytest.approx(6.9)


def test_run_without_trades_or_forced_sales_can_be_drawn(stored_run: Path) -> None:
    frames = dict(store.load_run(stored_run))
    del frames["trades"]
    frames.pop("pools", None)
    weeks = frames["weeks"].copy()
    weeks[[name for name in weeks if name.startswith("forced_offered_")]] = 0
    frames["weeks"] = weeks
    for name, draw in FIGURES.items():
        figure, plotted = draw(frames)
        assert figure.axes
        if name in ("discount_path", "flow_map", "rent_map", "price_paths"):
            assert plotted.empty, name


def test_figures_of_a_credit_run_show_what_is_stored(credit_run: Path) -> None:
    import matplotlib.style

    from experiments.runs.run import finished

    frames, record = store.load_run(credit_run), finished(credit_run).credit
    with matplotlib.style.context(style()):
        drawn = {name: FIGURES[name](frames) for name in ("credit_timeline", "price_paths", "loss_waterfall")}
    marks = drawn["credit_timeline"][1]
    assert (marks["kind"] == "default").sum() == record.defaults
    assert marks["party"].str.contains("miner|neo-cloud").all()
    lines = drawn["loss_waterfall"][1].set_index("line")["musd"]
    assert lines["owed"] == pytest.approx(lines["recovery"] + lines["loss"])
    assert lines["recovery"] == pytest.approx(record.recovery_million_usd)
    assert drawn["loss_waterfall"][0].axes[0].get_ylabel() == "million USD"
    prices = drawn["price_paths"][1].dropna()
    assert (prices["price_low_usd"] <= prices["price_usd"] + 0.01).all()
    stored = frames["weeks"].set_index("week")
    for _, row in prices.iterrows():
        assert row["price_usd"] == stored.loc[row["week"], f"price_usd_{row['generation']}"]


def test_figures_of_no_result_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no result of a run"):
        draw_all(tmp_path)
    assert list(tmp_path.iterdir()) == []
