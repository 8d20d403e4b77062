"""Validation: statistics on made-up tables whose answer is known, verdicts, and nothing scored that is not there."""

import numpy as np
import pandas as pd
import pytest

from experiments import validation
from experiments.validation import ARMS, Facts, Row, score
from sim.parameters import Parameters


def _facts(**tables) -> Facts:
    return Facts(tables, Parameters().flat(), {"H100": 1000.0, "A100": 500.0, "V100": 10.0}, {"H100": 2.5})


def _trades(rows) -> dict:
    names = ["week", "generation", "condition", "forced", "quantity", "price_cents", "channel"]
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _row(kind: str, low: float, high: float) -> Row:
    return Row(
        "X", "x", kind, "1", low, high, "data", "source", "statistic", 0.1, ("calm",), lambda arms: 0.0
    )


def _verdict(row: Row, values) -> str:
    return score([row], pd.DataFrame({"X": values})).loc[0, "verdict"]


def test_every_arm_is_a_valid_set_of_parameters():
    for overrides in ARMS.values():
        Parameters.from_overrides(overrides)


def test_rows_are_unique_and_state_data_source_statistic_and_discrepancy():
    registered = validation.rows()
    assert len({row.id for row in registered}) == len(registered)
    for row in registered:
        assert row.data and row.source and row.statistic
        assert set(row.arms) <= set(ARMS)
        if row.measure is None:
            assert row.why
        if row.calibrates:
            assert row.discrepancy > 0 and row.measure is not None
    # Numbers of theory.md C that must appear, scored or not.
    assert {f"V{i}" for i in (1, 2, *range(11, 17), 19, 24, 26, 27)} <= {row.id for row in registered}


def test_price_over_book_is_price_over_what_six_years_leave():
    trades = _trades([(1, "H100", "clean", False, 8, 1_500_000, "moved")])
    book = Parameters().flat()["hardware.list_price_usd.H100"] * (1 - 2.0 / 6)
    assert validation.price_over_book({"calm": _facts(trades=trades)}) == pytest.approx(15_000 / book)


def test_raw_discount_compares_within_weeks():
    trades = _trades(
        [
            (1, "H100", "clean", False, 10, 2_000_000, "moved"),
            (2, "H100", "clean", False, 10, 1_000_000, "moved"),
            (1, "H100", "clean", True, 10, 1_600_000, "moved"),
            (2, "H100", "clean", True, 30, 800_000, "moved"),
            (2, "A100", "clean", True, 30, 1, "moved"),
            (3, "H100", "new", True, 30, 1, "moved"),
        ]
    )
    assert validation.raw_discount({"forced": _facts(trades=trades)}) == pytest.approx(0.2)


def test_depth_is_an_elasticity():
    few = _trades([(1, "H100", "clean", True, 10, 2_000_000, "moved")])
    many = _trades([(1, "H100", "clean", True, 10, 1_000_000, "moved")])
    arms = {"forced": _facts(trades=few), "forced_large": _facts(trades=many)}
    assert validation.depth(arms) == pytest.approx(0.5)


def test_silence_and_waivers_are_read_from_the_events():
    quiet = {"kind": np.array(["refinanced", "amendment"]), "quantity": np.array([0, 0])}
    loud = {"kind": np.array(["default", "possession"]), "quantity": np.array([0, 72])}
    sold = _trades([(1, "H100", "clean", True, 8, 1, "moved")])
    none = _trades([(1, "H100", "clean", False, 8, 1, "moved")])
    assert validation.no_foreclosure({"replay": _facts(events=quiet, trades=none)}) == 1.0
    assert validation.no_foreclosure({"replay": _facts(events=loud, trades=none)}) == 0.0
    assert validation.no_foreclosure({"replay": _facts(events=quiet, trades=sold)}) == 0.0
    assert validation.some_waiver({"replay": _facts(events=quiet)}) == 1.0
    assert validation.some_waiver({"replay": _facts(events=loud)}) == 0.0


def test_tables_that_do_not_tell_of_credit_give_no_value():
    only_sales = {"kind": np.array(["sale"]), "quantity": np.array([8])}
    assert np.isnan(validation.some_waiver({"replay": _facts(events=only_sales)}))
    assert np.isnan(validation.no_foreclosure({"replay": _facts()}))


def test_a_band_row_passes_only_if_ninety_per_cent_of_seeds_are_in():
    row = _row("band", 0.0, 1.0)
    assert _verdict(row, np.linspace(0.01, 0.99, 200)) == "pass"
    assert _verdict(row, np.linspace(0.01, 1.2, 200)) == "fail"


def test_a_sign_row_needs_ninety_five_per_cent():
    assert _verdict(_row("sign", 0.0, np.nan), [1.0] * 96 + [-1.0] * 4) == "pass"
    assert _verdict(_row("sign", 0.0, np.nan), [1.0] * 94 + [-1.0] * 6) == "fail"
    assert _verdict(_row("sign", np.nan, 0.0), [-1.0] * 100) == "pass"


def test_a_share_row_counts_seeds_and_has_an_interval():
    row = _row("share", 0.8, 1.0)
    assert _verdict(row, [1.0] * 80 + [0.0] * 20) == "pass"
    assert _verdict(row, [1.0] * 79 + [0.0] * 21) == "fail"
    line = score([row], pd.DataFrame({"X": [1.0] * 80 + [0.0] * 20})).loc[0]
    assert line["q05"] < 0.8 < line["q95"]


def test_missing_statistics_are_not_available_and_never_scored():
    assert _verdict(_row("band", 0.0, 1.0), [np.nan] * 6 + [0.5] * 4) == "not available"
    assert (
        score([_row("band", 0.0, 1.0)], pd.DataFrame({"other": [1.0]})).loc[0, "verdict"] == "not available"
    )


def test_reported_rows_have_values_but_no_score():
    line = score([_row("reported", 0.0, 1.0)], pd.DataFrame({"X": [5.0, 6.0]})).loc[0]
    assert line["verdict"] == "unscored" and line["median"] == 5.5


def test_few_seeds_are_called_a_draft():
    assert "draft" in score([_row("band", 0.0, 1.0)], pd.DataFrame({"X": [0.5]})).loc[0, "note"]


def test_ranges_of_cited_prices_are_read_from_the_data():
    low, high = validation.observed_range("A100")
    assert low == 4000 and high == 18000
    assert np.isnan(validation.observed_range("V100")[0])


@pytest.mark.slow
def test_rows_of_one_arm_are_measured_on_the_model():
    found = validation.statistics(7, only=("V20", "V22-rent"))
    assert found["V20"] == pytest.approx(12.75)
    assert found["V22-rent"] > 0
