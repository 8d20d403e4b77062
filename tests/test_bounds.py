"""Bounds: every number a run writes has them, a breach is one line that says what and where, and nothing is lost by it."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import firesale as fs
from experiments.command.main import app
from experiments.measures.outcomes import OUTCOMES, measured, outcomes_of
from experiments.runs import run, store
from experiments.runs.run import OutOfBounds, run_scenario
from experiments.scenario import load
from sim.base.declared import Bounds, Declared, outside
from sim.model import FireSaleModel
from sim.record.columns import TABLES

COLUMNS = [(table, name) for table, columns in TABLES.items() for name in columns]
NARROW = {**TABLES, "weeks": {**TABLES["weeks"], "btc_usd": Declared("USD", "bitcoin", Bounds(0, 1))}}
SHORT = {"clock.weeks": 2, "discount.anatomy": False, "discount.shapley_weeks": 0}
BREACH = r"weeks\.btc_usd = [\d.]+ USD in week 0; its bounds: 0 to 1"


@pytest.fixture(name="narrow")
def narrow_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TABLES", NARROW)


def wrong_for(bounds: Bounds) -> list[float]:
    """A number beyond each end and of each kind that the bounds forbid."""
    ends = ((bounds.low, -1.0), (bounds.high, 1.0))
    wrong = [end + sign * max(1.0, abs(end) / 1000) for end, sign in ends if np.isfinite(end)]
    wrong += [] if bounds.absent else [np.nan]
    return wrong + ([] if bounds.infinite else [np.inf, -np.inf])


@pytest.mark.parametrize(("table", "name"), COLUMNS, ids=[f"{table}.{name}" for table, name in COLUMNS])
def test_each_column_of_numbers_refuses_what_it_cannot_hold(table: str, name: str) -> None:
    bounds = TABLES[table][name].bounds
    if bounds is None:
        assert TABLES[table][name][0] in ("", "date", "see unit")
        return
    inside = float(np.clip(1.0, bounds.low, bounds.high))
    assert wrong_for(bounds)
    for wrong in wrong_for(bounds):
        values = np.array([inside, inside, wrong, wrong, inside])
        assert bounds.first_outside(values) == 2
        said = outside({table: {name: values}}, TABLES)
        assert len(said) == 1 and said[0].startswith(f"{table}.{name} = ")


def test_numbers_without_bounds_are_a_breach() -> None:
    said = {"toy": {"price": ("USD", "price"), "name": ("", "name")}}
    table = {"price": np.array([1.0]), "name": np.array(["one"])}
    assert outside({"toy": table}, said) == ["toy.price holds numbers and has no bounds"]


@pytest.mark.parametrize(
    ("bounds", "values", "first"),
    [
        (Bounds(0, 1), [0.0, 1.0], None),
        (Bounds(0, 1), [], None),
        (Bounds(0, 1, absent=True), [np.nan, np.nan], None),
        (Bounds(0, 1), [0.5, np.nan], 1),
        (Bounds(0, 1, absent=True), [np.nan, 2.0], 1),
        (Bounds(0, infinite=True), [np.inf, 1.0], None),
        (Bounds(0, infinite=True), [np.inf, -np.inf], 1),
        (Bounds(0, 1, infinite=True), [0.5, np.inf], 1),
        (Bounds(), [1.0, np.inf], 1),
        (Bounds(infinite=True), [np.inf, -np.inf, np.nan], 2),
    ],
)
def test_infinity_and_absence_need_to_be_declared(
    bounds: Bounds, values: list[float], first: int | None
) -> None:
    assert bounds.first_outside(np.array(values)) == first
    assert all(bounds.allows(value) for value in values) == (first is None)


def test_whole_numbers_are_held_to_their_bounds() -> None:
    assert Bounds(0, 10).first_outside(np.array([3, 10, 11])) == 2
    assert Bounds(-1).first_outside(np.array([-1, -2], dtype=np.int64)) == 1


def test_what_is_declared_is_a_pair_that_survives_copies() -> None:
    said = TABLES["trades"]["quantity"]
    unit, meaning = said
    assert (unit, meaning) == said == ("GPUs", "whole units sold")
    for twin in (copy.deepcopy(said), pickle.loads(pickle.dumps(said))):
        assert twin == said and twin.bounds == said.bounds


def test_a_run_outside_its_bounds_is_stored_and_then_refused(narrow: None, tmp_path: Path) -> None:
    scenario = load("calm")
    settings = [f"{key}={str(value).lower()}" for key, value in SHORT.items()]
    with pytest.raises(OutOfBounds, match=BREACH) as found:
        run_scenario(scenario, ["default"], 7, tmp_path / "out", settings=settings)
    assert f"the run is stored in {tmp_path / 'out'}" in str(found.value)
    assert store.load_manifest(tmp_path / "out")["out_of_bounds"] == [
        str(found.value).partition("; the run")[0]
    ]
    assert len(store.load_run(tmp_path / "out")["weeks"]) == 2


def test_the_command_ends_with_one_line(narrow: None, tmp_path: Path) -> None:
    words = [
        "run",
        "calm",
        "--weeks",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--no-figures",
        "--arm",
        "half_marked",
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("firesale: weeks.btc_usd = ")
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_a_run_in_a_notebook_is_handed_on_with_the_error(narrow: None) -> None:
    with pytest.raises(OutOfBounds, match=BREACH) as found:
        fs.run("calm", settings=SHORT)
    assert found.value.run.weeks["week"].tolist() == [0, 1]


def test_a_row_of_a_sweep_outside_its_bounds_is_a_failed_run(narrow: None, tmp_path: Path) -> None:
    asked = fs.Experiment(name="narrow", overrides=SHORT, replications={"count": 1})
    with pytest.warns(RuntimeWarning, match="1 runs failed"):
        results = fs.sweep(asked, tmp_path / "out", workers=0)
    assert results.failures["error"].str.match(f"OutOfBounds: {BREACH}").all()


def test_an_infinite_outcome_is_a_fault_whatever_its_ends() -> None:
    fs.register_outcome("endless", "1", "no number", function=lambda tables: np.inf)
    try:
        added = {"endless": outcomes_of("")["endless"]}
        with pytest.raises(ValueError, match="outcome endless = inf 1; its bounds are any finite number"):
            measured(added, {}, [])
    finally:
        fs.unregister_outcome("endless")


def test_shares_counts_and_losses_of_outcomes_are_bounded_by_what_they_are() -> None:
    for name, outcome in OUTCOMES.items():
        assert not outcome.bounds.infinite, name
        if outcome.unit in ("GPUs", "events", "agents", "borrowers", "probability", "share of units"):
            assert outcome.bounds.low == 0, name
        if outcome.unit in ("probability", "share of units"):
            assert outcome.bounds.high == 1, name


def test_the_codebook_of_a_run_says_the_bounds(stored_run: Path) -> None:
    lines = (stored_run / "codebook.csv").read_text().splitlines()
    assert lines[0] == "table,column,type,unit,meaning,bounds"
    assert "trades,quantity,int64,GPUs,whole units sold,0 to 1e+12" in lines
    coverage = next(line for line in lines if line.startswith("agents,coverage,"))
    assert coverage.endswith('"any finite number, or infinite"')


def test_every_number_of_a_stored_run_is_within_bounds(stored_run: Path) -> None:
    frames = store.load_run(stored_run)
    tables = {name: {column: frame[column].to_numpy() for column in frame} for name, frame in frames.items()}
    assert outside(tables, TABLES) == []


def test_columns_have_bounds_where_they_hold_numbers() -> None:
    model = FireSaleModel(
        fs.Parameters().with_({**SHORT, "forced_sale.enabled": True, "forced_sale.week": 1})
    )
    model.run_for(2)
    for table, columns in model.tables().items():
        for name, values in columns.items():
            assert (TABLES[table][name].bounds is not None) == (values.dtype.kind in "iuf"), f"{table}.{name}"
