"""What a run prints of borrowers and lenders: counts are the events', the bridge closes, scenarios stand side by side."""

from pathlib import Path

import numpy as np
import pytest

from experiments.command.printout import printed_tables
from experiments.command.rich_table import show
from experiments.design.scenario import load
from experiments.measures.credit import CreditRecord, credit_record
from experiments.measures.forced_sales import columns_of
from experiments.runs import store
from experiments.runs.run import BESIDE, Finished, finished, run_scenario


@pytest.fixture(scope="module")
def crisis(credit_run: Path) -> CreditRecord:
    tables = store.load_tables(credit_run)
    return credit_record({name: columns_of(table) for name, table in tables.items()})


def test_counts_are_the_events(credit_run: Path, crisis: CreditRecord) -> None:
    events = store.load_run(credit_run)["events"]
    defaults = events[events["kind"] == "default"]
    assert crisis.defaults == len(defaults) > 0
    assert sum(crisis.causes.values()) == crisis.defaults
    # A default is amended or enforced, and nothing else.
    assert crisis.defaults == crisis.amendments + crisis.enforcements
    assert crisis.failed == events.loc[events["kind"] == "workout", "party"].nunique()


def test_the_printed_bridge_closes(crisis: CreditRecord) -> None:
    lost = (
        crisis.decay_and_lost_income_million_usd
        + crisis.quality_million_usd
        + crisis.structural_gap_million_usd
        + crisis.fire_sale_discount_million_usd
    )
    gained = (
        crisis.operated_income_million_usd
        + crisis.slot_and_other_million_usd
        - crisis.costs_and_others_million_usd
    )
    assert crisis.value_at_default_million_usd - lost + gained == pytest.approx(
        crisis.recovery_million_usd, abs=1e-6
    )
    assert crisis.exposure_million_usd - crisis.recovery_million_usd == pytest.approx(
        crisis.loss_million_usd, abs=1e-6
    )
    assert crisis.files > 0 and 0 < crisis.opening_debt_million_usd


def test_opening_debt_leaves_lenders_own_funding_out(credit_run: Path, crisis: CreditRecord) -> None:
    loans = store.load_run(credit_run)["loans"]
    first = loans[loans["week"] == 0]
    owed = first.loc[first["kind"] != "funding", "balance_cents"].sum() / 1e8
    assert crisis.opening_debt_million_usd == pytest.approx(owed)
    assert first.loc[first["kind"] == "funding", "balance_cents"].sum() > 0


def test_a_scenario_is_run_beside_others_over_the_same_weeks(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runs = run_scenario(
        load("credit_crisis"), ["default"], 3, folder, settings=["clock.weeks=3"], beside=True
    )
    assert [run.label for run in runs] == ["credit_crisis", "rent_slump", "calm"]
    assert [run.manifest["weeks"] for run in runs] == [3, 3, 3]
    assert (folder / BESIDE / "rent_slump" / "manifest.json").is_file()
    # No shock has come yet, so the three have lived the same weeks.
    assert len({run.manifest["digest"] for run in runs}) == 1


def test_what_is_printed(credit_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs: list[Finished] = [finished(credit_run)]
    show(*printed_tables(runs))
    text = capsys.readouterr().out
    for word in ("defaults", "waived", "amended", "structural gap", "USD per GPU", "million USD", "recovery"):
        assert word in text
    assert "…" not in text, "no number is cut"
    assert f"{runs[0].credit.defaults}" in text


def test_standing_units_are_counted_by_class(credit_run: Path) -> None:
    weeks = store.load_run(credit_run)["weeks"]
    for sale in finished(credit_run).sales:
        assert sale.unsold == weeks[f"forced_standing_{sale.generation}"].iloc[-1]
        assert (
            np.isclose(sale.taken, sale.sold + sale.scrapped + sale.unsold)
            or len(finished(credit_run).sales) == 1
        )
