"""The attacks on users' files notice a reader that was weakened, and find nothing in the one there is."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from experiments.design import scenario
from experiments.design.scenario import leaves
from sim.base import user_table
from sim.base.user_table import Label, Number
from sim.drivers import replay
from sim.parameters import ParameterError, Parameters, needs
from tests.attack import definition_files, user_tables

EVERY_KIND_ONCE = 480


def test_few_mutated_tables_are_refused_or_equal() -> None:
    report = user_tables.run(60, seed=5)
    assert report.faults == [] and sum(report.counts.values()) > 60


def _any_case(label: Label, cell: str) -> str:
    return next((one for one in label.labels if one.casefold() == cell.casefold()), cell)


def _any_number(number: Number, cell: str) -> float:
    return int(cell) if number.whole else float(cell)


WEAKENED: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "labels in any case": (Label, "value", _any_case, "a label in another case"),
    "numbers as Python reads them": (Number, "value", _any_number, "digits of other scripts"),
    "headings": (user_table, "_check_heading", lambda *_: None, "a column twice"),
    "rows that agree": (user_table, "_check_unique", lambda *_: None, "a row twice"),
    "gaps": (replay, "_check_coverage", lambda *_: None, "a gap of a year and a half"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WEAKENED)
def test_a_weakened_reader_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, weak, kind = WEAKENED[what]
    monkeypatch.setattr(owner, name, weak)
    faults = user_tables.run(EVERY_KIND_ONCE, seed=5).faults
    assert any(f", {kind}," in fault for fault in faults)


def test_few_mutated_definitions_are_refused_or_meant() -> None:
    report = definition_files.run(12, seed=5)
    assert report.faults == [] and sum(report.counts.values()) == 12


STRICT = Parameters.from_overrides.__func__  # type: ignore[attr-defined]


def _any_type(cls: type[Parameters], overrides: Mapping[str, Any], source: str = "overrides") -> Parameters:
    """What cannot be read is left out without a word."""
    try:
        return STRICT(cls, overrides, source)
    except ParameterError:
        return STRICT(cls, {}, source)


READ_LOOSELY: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "overrides that are left out": (
        Parameters,
        "from_overrides",
        classmethod(_any_type),
        "a value of another type",
    ),
    "keys that differ in their spelling": (
        scenario,
        "leaves",
        lambda table, prefix="": dict(leaves(table, prefix)).items(),
        "a key in two spellings",
    ),
    "files that nothing reads": (needs, "check_file", lambda _: None, "a file that is not there"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", READ_LOOSELY)
def test_a_loose_reader_of_definitions_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, weak, kind = READ_LOOSELY[what]
    monkeypatch.setattr(owner, name, weak)
    only = tuple(one for one in definition_files.KINDS if one.name == kind)
    assert only
    monkeypatch.setattr(definition_files, "KINDS", only)
    assert definition_files.run(40, seed=5).faults
