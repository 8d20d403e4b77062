"""The attacks on stored results find nothing in a small sample, and notice what they are made to notice."""

import pytest

from experiments.sweep.exchange import Exchange
from tests.attack import damage, folder_trees


def test_no_damage_is_silent_and_all_is_mended() -> None:
    report = damage.attack(6, seed=3)
    assert report.faults == [] and report.counts["resume: reference digest"] == 5


def test_the_attack_notices_damage_that_is_not_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exchange, "mend", lambda self: [])
    assert damage.attack(6, seed=3).counts["FAULT not mended"]


def test_nothing_of_others_is_lost() -> None:
    report = folder_trees.attack(20, seed=3)
    assert report.faults == [] and report.counts["things of others"] > 40
