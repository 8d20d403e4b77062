"""Outcomes of building and the yearly credit cycle, by hand on small made-up tables."""

from typing import Any

import numpy as np
import pytest

from experiments.command.boom_printout import credit_cycles
from experiments.measures import boom
from sim.record.columns import TABLES


def tables(n_weeks: int = 60) -> dict[str, dict[str, Any]]:
    """Sixty weeks from 4 January 2027; a column of the weekly table that is not set counts 1 every week."""
    week = np.arange(n_weeks)
    weeks: dict[str, Any] = {name: np.ones(n_weeks) for name in TABLES["weeks"]}
    weeks |= {"week": week, "date": np.datetime64("2027-01-04") + 7 * week}
    weeks["secured_debt_usd"] = np.linspace(60.0, 119.0, n_weeks)
    weeks["unsecured_debt_usd"] = np.full(n_weeks, 40.0)
    weeks["spread_mixed_bps"] = np.where(week == 3, 200.0, np.where(week == 9, 300.0, np.nan))
    event = [
        (1, "deal_signed", 7, 80),
        (2, "order_refused", 7, 16),
        (55, "order_cancelled", 8, 24),
        (55, "deal_signed", 8, 8),
    ]
    event += [(4, "workout", 7, 0), (5, "workout", 7, 0), (6, "workout", 2, 0), (7, "energised", 9, 30)]
    events = {
        name: np.array([row[i] for row in event])
        for i, name in enumerate(("week", "kind", "party", "quantity"))
    }
    trades = {
        "week": np.array([1, 55]),
        "channel": np.array(["new", "moved"]),
        "quantity": np.array([4, 100]),
    }
    agents = {
        "week": np.array([0, 0, 0]),
        "party": np.array([7, 8, 2]),
        "type": np.array(["neo_cloud", "neo_cloud", "miner"]),
    }
    loans = {"week": np.array([0, 0, 4]), "loan": np.array([1, 2, 3])}
    bridge = {
        "loan": np.array([1, 2, 3, 3]),
        "outcome": np.array(["liquidated", "open", "liquidated", "liquidated"]),
        "close_week": np.array([5, -1, 50, 58]),
        "loss_cents": np.array([700, 9_900, 200, 600]),
    }  # fmt: skip
    return {
        "weeks": weeks,
        "events": events,
        "trades": trades,
        "agents": agents,
        "loans": loans,
        "loss_bridge": bridge,
    }


def test_outcomes_of_orders_and_failures_by_hand() -> None:
    found = tables()
    assert [
        boom.gpus_in_events(found, kind) for kind in ("deal_signed", "order_refused", "order_cancelled")
    ] == [88, 16, 24]
    assert boom.failed_neo_clouds(found) == 1.0  # twice the same, and a miner is none
    assert boom.debt_growth(found) == pytest.approx(159 / 100)


def test_losses_are_told_apart_by_the_age_of_the_loan() -> None:
    found = tables()
    assert boom.loss_by_age(found, opening=True) == 7.0  # the open file is no loss yet
    assert boom.loss_by_age(found, opening=False) == 8.0


def test_the_worst_year_is_the_worst_of_all_starts() -> None:
    """Weeks 5 to 56 hold 7 and 2 USD on 105 owed; weeks 7 to 58 hold 2 and 6 on 107, weeks 0 to 51 hold 9 on 100."""
    assert boom.worst_year_loss_rate(tables()) == pytest.approx(9 / 100)
    late = tables()
    late["loss_bridge"]["loss_cents"][0] = 0
    assert boom.worst_year_loss_rate(late) == pytest.approx(8 / 107)


def test_a_year_sums_flows_and_reads_levels_at_its_end() -> None:
    first, rest = boom.credit_cycle(tables())
    assert (first.ends, rest.ends) == ("2027-12-27", "2028-02-21")
    assert (first.ordered_gpus, rest.ordered_gpus) == (84.0, 8.0)
    assert (first.energised_mw, rest.energised_mw) == (30.0, 0.0)
    assert (first.equipment_debt_usd, rest.equipment_debt_usd) == pytest.approx((111.0, 119.0))
    # The column counts since the first of a month, so it is read in the last week of each: twelve months, then two.
    assert (first.signed_usd, rest.signed_usd) == (12.0, 2.0)
    assert first.spread_bps == 250.0
    assert np.isnan(rest.spread_bps)


def test_the_printed_cycle_has_a_row_for_every_run_and_year() -> None:
    table = credit_cycles([("calm", tables()), ("stop", tables(52))])
    assert list(table.columns[0].cells) == ["calm", "calm", "stop"]
    assert list(table.columns[9].cells) == ["84", "8", "84"]
    assert "none" in list(table.columns[15].cells)
