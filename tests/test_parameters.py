"""The parameter schema: every field described, ranges enforced, faults named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.vocabulary import GENERATIONS, UNIT
from sim.parameters import ParameterError, Parameters

GRADES = {"A", "B", "C", "assumption", "design"}
ROWS = Parameters().describe()
RANGED = [row for row in ROWS if row["low"] != ""]


@pytest.mark.parametrize("row", ROWS, ids=[row["key"] for row in ROWS])
def test_every_parameter_is_described(row: dict[str, object]) -> None:
    assert row["meaning"], "a parameter needs a meaning"
    assert row["grade"] in GRADES
    if row["low"] != "":
        assert row["unit"], "a number needs a unit"
        assert row["source"], "a number needs a source, or to say that none was found"
        assert row["low"] <= row["value"] <= row["high"]  # type: ignore[operator]
        assert row["low"] < row["high"]  # type: ignore[operator]


def test_cited_grades_name_a_source() -> None:
    unsourced = [
        row["key"] for row in ROWS if row["grade"] in {"A", "B", "C"} and row["source"].startswith("none")
    ]
    assert unsourced == []


def test_flat_and_overrides_are_inverse() -> None:
    parameters = Parameters.from_overrides(
        {"lenders.advance.mixed": 0.8, "rent.initial_usd_per_hour.H100": 2.0}
    )
    assert Parameters.from_overrides(parameters.flat()) == parameters
    changed = {key for key, value in parameters.flat().items() if value != Parameters().flat()[key]}
    assert changed == {"lenders.advance.mixed", "rent.initial_usd_per_hour.H100"}


@given(st.data())
def test_ranges_hold_at_both_ends_and_no_further(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(RANGED))
    key, low, high = row["key"], row["low"], row["high"]
    for edge in (low, high):
        assert Parameters.from_overrides({key: edge}).flat()[key] == edge
    beyond = data.draw(st.sampled_from([low - 1 - abs(low), high + 1 + abs(high)]))
    with pytest.raises(ParameterError) as caught:
        Parameters.from_overrides({key: beyond})
    message = str(caught.value)
    assert key in message and row["unit"] in message and f"{high:,}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lender.advance.mixed", "lenders.advance.mixed"),
        ("site.vacansy", "site.vacancy"),
        ("rent.initial_usd_per_hour.H10", "rent.initial_usd_per_hour.H100"),
    ],
)
def test_a_misspelt_key_gets_the_nearest_name(key: str, meant: str) -> None:
    with pytest.raises(ParameterError, match=rf"{key}; did you mean {meant}\?"):
        Parameters.from_overrides({key: 1})


def test_a_misspelt_option_gets_the_nearest_name() -> None:
    with pytest.raises(ParameterError, match="did you mean stochastic"):
        Parameters.from_overrides({"rent.driver": "stocastic"})


def test_a_table_is_not_a_value() -> None:
    with pytest.raises(
        ParameterError, match="lenders is a table; set one of its keys, such as lenders.advance.investment"
    ):
        Parameters.from_overrides({"lenders": 3})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "many", None, [1]])
def test_values_that_are_no_numbers_are_refused(value: object) -> None:
    with pytest.raises(ParameterError, match="lenders.advance.mixed"):
        Parameters.from_overrides({"lenders.advance.mixed": value})


def test_whole_numbers_stay_whole() -> None:
    with pytest.raises(ParameterError, match="whole number"):
        Parameters.from_overrides({"clock.weeks": 2.5})


@pytest.mark.parametrize(("start", "why"), [("2026-10-06", "Tuesday"), ("soon", "not an ISO date")])
def test_a_run_starts_on_a_monday(start: str, why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        Parameters.from_overrides({"clock.start": start})


def test_parameters_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        Parameters().site.vacancy = 0.5
    with pytest.raises(ValidationError):
        Parameters.model_validate({"sites": {}})


def test_tables_by_generation_follow_the_fixed_order() -> None:
    hardware = Parameters().hardware
    watts = hardware.unit_watts.array()
    assert watts.shape == (len(GENERATIONS),)
    assert watts[GENERATIONS.index("H100")] == 10_200
    assert watts[GENERATIONS.index("VR200")] == 230_000
    # Between half a kilowatt and three and a half per GPU: what is published for these generations.
    assert np.all((watts / UNIT > 500) & (watts / UNIT < 3_500))


def test_json_schema_carries_unit_and_range() -> None:
    field = Parameters.model_json_schema()["$defs"]["Advance"]["properties"]["mixed"]
    assert (field["unit"], field["low"], field["high"]) == ("share of cost", 0.5, 0.85)
    assert (field["minimum"], field["maximum"]) == (0.5, 0.85)
