"""The attack on user tables notices a reader that was weakened, and finds nothing in the one there is."""

from collections.abc import Callable
from typing import Any

import pytest

from sim.base import user_table
from sim.base.user_table import Label, Number
from sim.drivers import replay
from tests.attack import user_tables

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
