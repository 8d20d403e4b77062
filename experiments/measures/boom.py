"""What became of building and of the loans that paid for it in one run, read from its stored tables (docs/boom.md)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Columns = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
Tables = Mapping[str, Columns]
WEEKS_A_YEAR = 52
CENTS = 100


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
    np.add.at(lost, np.searchsorted(weeks, bridge["close_week"][closed]), bridge["loss_cents"][closed] / CENTS)
    total = np.r_[0.0, np.cumsum(lost)]
    end = np.minimum(np.arange(len(weeks)) + WEEKS_A_YEAR, len(weeks))
    owed = _operators_debt(tables)
    rate = np.divide(total[end] - total[:-1], owed, out=np.zeros(len(weeks)), where=owed > 0)
    return float(max(rate.max(), 0.0))


def _operators_debt(tables: Tables) -> np.ndarray[Any, np.dtype[np.float64]]:
    weeks = tables["weeks"]
    return np.asarray(weeks["secured_debt_usd"] + weeks["unsecured_debt_usd"], dtype=np.float64)
