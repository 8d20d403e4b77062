"""The story of a party: dated lines in order, from the first trouble to recovery, with the cause of every sale."""

import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from experiments.command.main import app
from experiments.measures.story import TROUBLE, StoryError, cast, find_party, story
from experiments.runs import store


@pytest.fixture(scope="module")
def frames(credit_run: Path) -> dict[str, pd.DataFrame]:
    return store.load_run(credit_run)


@pytest.fixture(scope="module")
def failed(frames: dict[str, pd.DataFrame]) -> int:
    """A party whose hardware was sold by its lenders."""
    events = frames["events"]
    return int(events.loc[events["kind"] == "collateral_sale", "party"].value_counts().index[0])


def told_weeks(text: str) -> list[int]:
    return [int(week) for week in re.findall(r"^\d{4}-\d\d-\d\d  week +(\d+)  ", text, re.M)]


def test_lines_are_in_order_and_begin_with_the_first_trouble(
    frames: dict[str, pd.DataFrame], failed: int
) -> None:
    weeks = told_weeks(story(frames, failed))
    events = frames["events"]
    mine = events[(events["party"] == failed) & events["kind"].isin(TROUBLE)]
    assert weeks == sorted(weeks)
    assert weeks[0] == mine["week"].iloc[0]


def test_default_possession_and_every_forced_sale_are_told(
    frames: dict[str, pd.DataFrame], failed: int
) -> None:
    text = story(frames, failed)
    events = frames["events"]
    mine = events[events["party"] == failed]
    assert text.count("DEFAULT on") == (mine["kind"] == "default").sum() > 0
    assert text.count("POSSESSION") == (mine["kind"] == "possession").sum() > 0
    assert "lenders decide:" in text
    sold = [line for line in text.splitlines() if "lenders sell (" in line]
    assert all("cause " in line for line in sold)
    units = sum(int(n.replace(",", "")) for line in sold for n in re.findall(r"([\d,]+) [A-Z]+\d+ to", line))
    assert units == mine.loc[mine["kind"] == "collateral_sale", "quantity"].sum()


def test_an_event_without_a_sentence_is_told_all_the_same(
    frames: dict[str, pd.DataFrame], failed: int
) -> None:
    events = frames["events"]
    last = events[events["party"] == failed].iloc[-1:].assign(kind="struck_by_lightning", detail="twice")
    text = story({**frames, "events": pd.concat([events, last], ignore_index=True)}, failed)
    assert "struck by lightning: twice" in text


def test_the_cast_names_who_defaulted(frames: dict[str, pd.DataFrame]) -> None:
    listed = cast(frames)
    events = frames["events"]
    assert listed["defaults"].sum() == (events["kind"] == "default").sum()
    assert listed["GPUs seized"].sum() == events.loc[events["kind"] == "possession", "quantity"].sum()


def test_names_are_found_however_they_are_typed(frames: dict[str, pd.DataFrame]) -> None:
    row = find_party(frames, "neo-cloud 3")
    assert find_party(frames, "Neo Cloud 3") == find_party(frames, str(row)) == row
    with pytest.raises(StoryError, match="did you mean neo-cloud 3"):
        find_party(frames, "neocloudd 3")


def test_a_quiet_party_and_a_lender_have_stories_too(frames: dict[str, pd.DataFrame]) -> None:
    assert "Nothing befell it" in story(frames, find_party(frames, "salvage house 1"))
    events = frames["events"]
    missed = events[events["kind"] == "missed_payment"]
    lenders = [
        n
        for n in frames["agents"].query("type == 'lender'")["party"].unique()
        if n in set(missed["counterparty"])
    ]
    for lender in lenders:
        assert "misses" in story(frames, int(lender))


def test_the_command(credit_run: Path) -> None:
    run = CliRunner().invoke
    listed = run(app, ["trace", str(credit_run)])
    assert listed.exit_code == 0 and "first trouble" in listed.stdout
    name = re.findall(r"(?:neo-cloud|miner) \d+", listed.stdout)[0]
    told = run(app, ["trace", name, str(credit_run)])
    assert told.exit_code == 0 and name in told.stdout
    wrong = run(app, ["trace", "neo-clowd 3", str(credit_run)])
    assert wrong.exit_code == 2 and "did you mean neo-cloud 3" in wrong.stderr
