"""What became of building and of the loans that paid for it in one run, read from its stored tables (docs/boom.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Columns = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
Tables = Mapping[str, Columns]
WEEKS_A_YEAR = 52
CENTS = 100


@dataclass(frozen=True, slots=True)
class Year:
    """The credit cycle over 52 weeks of a run, or what is left of them: sums over the year, all else in its last week.

    Spreads are means over the months in which loans were signed, and NaN in a year without any.
    """

    ends: str  # date
    equipment_debt_usd: float
    notes_usd: float
    hall_debt_usd: float
    undrawn_usd: float
    signed_usd: float  # sum
    ordered_gpus: float  # sum; with a contract or without
    energised_mw: float  # sum
    contracted_share: float
    contract_years_left: float
    sizing_coverage: float  # of mixed tenants, as are the next five
    advance: float
    spread_bps: float
    expected_loss_bps: float
    capital_bps: float
    funding_bps: float
    due_in_a_year_usd: float
    due_in_three_years_usd: float
    hedge_share: float
    speculative_share: float
    ponzi_share: float


def credit_cycle(tables: Tables) -> list[Year]:
    """Year after year of a run."""
    weeks = tables["weeks"]
    n = len(weeks["week"])
    return [_year(tables, slice(start, min(start + WEEKS_A_YEAR, n))) for start in range(0, n, WEEKS_A_YEAR)]


def month_ends(dates: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Weeks that are the last of their month or of the run, where columns that count since the first of it are whole."""
    month = np.asarray(dates).astype("datetime64[M]")
    return np.asarray(np.r_[month[1:] != month[:-1], True])


def _year(tables: Tables, span: slice) -> Year:
    weeks, events, trades = tables["weeks"], tables.get("events"), tables.get("trades")
    first, last = int(weeks["week"][span][0]), int(weeks["week"][span][-1])
    whole = month_ends(weeks["date"])[span]

    def level(column: str) -> float:
        return float(weeks[column][span][-1])

    def mean(column: str) -> float:
        known = weeks[column][span][np.isfinite(weeks[column][span])]
        return float(known.mean()) if len(known) else float("nan")

    def counted(table: Columns | None, column: str, kind: str) -> float:
        if table is None:
            return 0.0
        within = (table["week"] >= first) & (table["week"] <= last) & (table[column] == kind)
        return float(table["quantity"][within].sum())

    return Year(
        ends=str(np.asarray(weeks["date"])[span][-1].astype("datetime64[D]")),
        equipment_debt_usd=level("secured_debt_usd"),
        notes_usd=level("unsecured_debt_usd"),
        hall_debt_usd=level("project_debt_usd"),
        undrawn_usd=level("undrawn_usd"),
        signed_usd=float(weeks["loans_signed_usd"][span][whole].sum()),
        ordered_gpus=counted(events, "kind", "deal_signed") + counted(trades, "channel", "new"),
        energised_mw=counted(events, "kind", "energised"),
        contracted_share=level("contracted_share"),
        contract_years_left=level("contract_years_left"),
        sizing_coverage=level("sizing_coverage_mixed"),
        advance=level("advance_mixed"),
        spread_bps=mean("spread_mixed_bps"),
        expected_loss_bps=mean("spread_expected_loss_mixed_bps"),
        capital_bps=mean("spread_capital_mixed_bps"),
        funding_bps=mean("spread_funding_mixed_bps"),
        due_in_a_year_usd=level("due_in_a_year_usd"),
        due_in_three_years_usd=level("due_in_three_years_usd"),
        hedge_share=level("hedge_share"),
        speculative_share=level("speculative_share"),
        ponzi_share=level("ponzi_share"),
    )


def gpus_in_events(tables: Tables, kind: str) -> float:
    """GPUs of all events of a kind."""
    events = tables.get("events")
    return 0.0 if events is None else float(events["quantity"][events["kind"] == kind].sum())


def failed_neo_clouds(tables: Tables) -> float:
    """Neo-clouds that lenders enforced against."""
    events, agents = tables.get("events"), tables["agents"]
    if events is None:
        return 0.0
    clouds = np.unique(agents["party"][agents["type"] == "neo_cloud"])
    return float(len(np.intersect1d(events["party"][events["kind"] == "workout"], clouds)))


def debt_growth(tables: Tables) -> float:
    """Operators' debt in the last week over that in the first; NaN if they owed nothing then."""
    owed = _operators_debt(tables)
    return float(owed[-1] / owed[0]) if owed[0] > 0 else float("nan")


def loss_by_age(tables: Tables, *, opening: bool) -> float:
    """Lenders' losses on loans that stood in the first recorded week, or on all later ones, USD."""
    loans, bridge = tables["loans"], tables["loss_bridge"]
    first = loans["loan"][loans["week"] == loans["week"].min()] if len(loans["week"]) else loans["loan"]
    chosen = (bridge["outcome"] == "liquidated") & (np.isin(bridge["loan"], first) == opening)
    return float(bridge["loss_cents"][chosen].sum()) / CENTS


def worst_year_loss_rate(tables: Tables) -> float:
    """Most that lenders lost within 52 weeks, over what operators owed as those weeks began.

    A loss counts in the week its file closed.
    """
    weeks, bridge = tables["weeks"]["week"], tables["loss_bridge"]
    closed = bridge["outcome"] == "liquidated"
    lost = np.zeros(len(weeks))
    np.add.at(
        lost, np.searchsorted(weeks, bridge["close_week"][closed]), bridge["loss_cents"][closed] / CENTS
    )
    total = np.r_[0.0, np.cumsum(lost)]
    end = np.minimum(np.arange(len(weeks)) + WEEKS_A_YEAR, len(weeks))
    owed = _operators_debt(tables)
    rate = np.divide(total[end] - total[:-1], owed, out=np.zeros(len(weeks)), where=owed > 0)
    return float(max(rate.max(), 0.0))


def _operators_debt(tables: Tables) -> np.ndarray[Any, np.dtype[np.float64]]:
    weeks = tables["weeks"]
    return np.asarray(weeks["secured_debt_usd"] + weeks["unsecured_debt_usd"], dtype=np.float64)
