"""The shipped data: sourced, graded, in range, consistent with the parameters, and without firms' names."""

import csv
import hashlib
import re
from datetime import date

import numpy as np
import pytest

from agents.vocabulary import GENERATIONS, LIQUID_ONLY, UNIT
from sim.base import reference
from sim.parameters import Parameters

GRADES = {"A", "B", "C", "assumption"}
# Lookup tables of public geography; SOURCES.md describes them, their rows state no measured figure.
GEOGRAPHY = {"countries.csv", "freight_hubs.csv"}
FIRMS = re.compile(
    r"coreweave|crusoe|nebius|iren\b|terawulf|cleanspark|core scientific|applied digital|bitdeer|bitfarms"
    r"|fluidstack"
    r"|openai|anthropic|\bxai\b|microsoft|\bmeta\b|oracle|blackstone|magnetar|\bmara\b|\briot\b|galaxy",
    re.IGNORECASE,
)
CITED = [name for name in reference.files() if name not in GEOGRAPHY]


@pytest.mark.parametrize("name", reference.files())
def test_every_row_is_complete(name: str) -> None:
    rows = reference.rows_of(name)
    assert rows, "an empty file is not shipped"
    for number, row in enumerate(rows, start=2):
        assert None not in row and None not in row.values(), f"{name} line {number}: ragged row"


@pytest.mark.parametrize("name", CITED)
def test_every_row_has_a_grade_and_a_source(name: str) -> None:
    for number, row in enumerate(reference.rows_of(name), start=2):
        where = f"{name} line {number}"
        assert row["grade"] in GRADES, where
        if row["grade"] != "assumption":
            assert row["source_url"].startswith(("https://", "http://")), where
        assert "index file id" not in row["source_url"], where


@pytest.mark.parametrize("name", reference.files())
def test_no_value_names_a_firm(name: str) -> None:
    for number, row in enumerate(reference.rows_of(name), start=2):
        for column, value in row.items():
            if not column.endswith("source_url"):
                assert not FIRMS.search(value), f"{name} line {number}, {column}: {value}"


def test_every_file_is_described_in_sources() -> None:
    text = reference.path_of("SOURCES.md").read_text(encoding="utf-8")
    assert [name for name in reference.files() if f"`{name}`" not in text] == []


def test_digests_are_those_of_the_files() -> None:
    digests = reference.digests()
    assert set(digests) == set(reference.files())
    name = "gpu_generations.csv"
    assert digests[name] == hashlib.sha256(reference.path_of(name).read_bytes()).hexdigest()


def test_generations_agree_with_the_parameters() -> None:
    rows = {row["generation"]: row for row in reference.rows_of("gpu_generations.csv")}
    assert tuple(rows) == GENERATIONS
    assert [int(row["sellable_unit_gpus"]) for row in rows.values()] == UNIT.tolist()
    assert [row["liquid_required"] == "yes" for row in rows.values()] == LIQUID_ONLY.tolist()
    watts = Parameters().hardware.unit_watts.array()
    assert [float(row["unit_watts"]) for row in rows.values()] == watts.tolist()
    # A new system costs at least the published price of what is in it.
    prices = Parameters().hardware.list_price_usd.array()
    published = np.array([float(row["launch_price_usd_per_gpu"]) for row in rows.values()])
    assert np.all(prices >= 0.95 * published)


def test_compute_weights_are_relative_to_the_h100() -> None:
    weights = reference.compute_weights()
    assert weights[GENERATIONS.index("H100")] == 1.0
    assert np.all(np.diff(weights) >= 0)
    assert weights[GENERATIONS.index("A100")] == pytest.approx(312 / 989.4, abs=1e-4)


def test_generations_became_available_in_order_of_the_chip() -> None:
    dates = dict(zip(GENERATIONS, reference.available_from(), strict=True))
    assert dates["V100"] < dates["A100"] < dates["H100"] < dates["H200"] < dates["GB300"] < dates["VR200"]
    assert dates["H100"] == date(2022, 9, 20)


def test_power_covers_every_zone_of_the_sites() -> None:
    zones = {row["grid_zone"] for row in reference.rows_of("sites.csv")}
    assert zones <= set(reference.zone_prices())
    for row in reference.rows_of("power_prices.csv"):
        assert 10 <= float(row["low"]) <= float(row["usd_per_mwh"]) <= float(row["high"]) <= 200, row["zone"]


def test_sites_lie_on_the_earth_and_name_no_tenant() -> None:
    rows = reference.rows_of("sites.csv")
    assert not {"operator", "tenant"} & set(rows[0])
    for row in rows:
        assert -90 <= float(row["lat"]) <= 90 and -180 <= float(row["lon"]) <= 180
        assert float(row["operational_mw"] or 0) >= 0
    assert len({row["place_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("name", "low", "high", "first"),
    [
        ("btc_usd_close", 3_000, 130_000, "2019-01-01"),
        ("hashprice_subsidy_only", 20, 500, "2019-01-01"),
        ("sofr_avg", 0.0, 6.0, "2019-01-01"),
    ],
)
def test_monthly_series_have_no_gap(name: str, low: float, high: float, first: str) -> None:
    series = reference.monthly(name)
    assert series.months[0] == np.datetime64(first)
    steps = np.diff(series.months.astype("datetime64[M]").astype(int))
    assert np.all(steps == 1)
    assert np.all((series.values >= low) & (series.values <= high))


def test_derived_hashprice_is_the_identity_of_price_and_difficulty() -> None:
    """USD per PH/s and day = price x subsidy x 86,400 x 1e15 / (difficulty x 2^32), fees excluded."""
    month = np.datetime64("2026-06-01")
    at = {
        name: series.values[series.months == month][0]
        for name, series in (
            (name, reference.monthly(name))
            for name in ("btc_usd_avg", "btc_difficulty_avg", "hashprice_subsidy_only")
        )
    }
    derived = at["btc_usd_avg"] * 3.125 * 86_400 * 1e15 / (at["btc_difficulty_avg"] * 1e12 * 2**32)
    assert at["hashprice_subsidy_only"] == pytest.approx(derived, rel=0.01)


def test_an_unknown_series_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="btc_usd_close"):
        reference.monthly("btc")


def test_contract_rents_are_one_series_in_time_order() -> None:
    rows = reference.rows_of("rental_price_points.csv")
    assert {(row["generation"], row["kind"]) for row in rows} == {("H100", "contract_1yr")}
    days = [row["date"] for row in rows]
    assert days == sorted(days)
    assert (
        float(rows[-1]["usd_per_gpu_hour"])
        == Parameters().rent.initial_usd_per_hour.array()[GENERATIONS.index("H100")]
    )


def test_freight_defaults_are_those_of_the_data() -> None:
    parameters = Parameters().flat()
    for row in reference.rows_of("logistics.csv"):
        if row["parameter"]:
            assert parameters[row["parameter"]] == float(row["value"]), row["parameter"]


def test_parameters_named_in_the_cooling_data_exist() -> None:
    known = Parameters().flat()
    named = {row["parameter"] for row in reference.rows_of("cooling_and_density.csv")} - {""}
    assert named and named <= set(known)
    vacancy = [r for r in reference.rows_of("cooling_and_density.csv") if r["parameter"] == "site.vacancy"]
    assert float(vacancy[0]["value"]) / 100 == known["site.vacancy"]


def test_files_are_plain_csv() -> None:
    for name in reference.files():
        raw = reference.path_of(name).read_bytes()
        assert b"\r" not in raw and not raw.startswith(b"\xef\xbb\xbf"), name
        csv.reader(raw.decode("utf-8").splitlines(), strict=True)
