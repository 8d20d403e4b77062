"""Figures of a boom: the credit cycle on one time axis, and the wall of maturities before and after (docs/boom.md 11)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib.dates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.figures.style import BLACK, BLUE, DOUBLE_COLUMN, GREEN, VERMILION

if TYPE_CHECKING:
    Frames = Mapping[str, Any]
    Drawing = tuple[Figure, pd.DataFrame]

BILLION = 1e9
GREY, ORANGE, PURPLE = "#BDBDBD", "#E69F00", "#CC79A7"
MONTH_WEEKS = 52 / 12
FURTHEST_MONTHS = 24  # a lead is looked for up to so far to either side
WALL_YEARS = 8
# Kinds of debt on the wall, in the order in which they stand.
WALL = {
    "equipment": (("level_pay", "delayed_draw", "asset_backed"), BLUE, ""),
    "halls": (("project",), GREY, "//"),
    "notes": (("notes",), ORANGE, ".."),
    "convertibles": (("convertible",), GREEN, "xx"),
    "bitcoin loans": (("bitcoin",), PURPLE, "\\\\"),
}
BULLETS = ("notes", "convertible", "bitcoin")


def lead_of(credit: "pd.Series[float]", rents: "pd.Series[float]") -> tuple[int, float]:
    """Months by which credit leads rents, and the correlation of their yearly changes there; negative if it lags.

    Parameters
    ----------
    credit, rents
        Monthly values, positive where known.

    Examples
    --------
    >>> x = np.sin(np.arange(120) / 9.0) + 3
    >>> lead_of(pd.Series(x[4:]), pd.Series(x[:-4]))[0]
    4
    """
    changes = [pd.Series(np.log(series.where(series > 0))).diff(12) for series in (credit, rents)]
    found = []
    for shift in range(-FURTHEST_MONTHS, FURTHEST_MONTHS + 1):
        both = pd.concat([changes[0].shift(shift), changes[1]], axis=1).dropna()
        if len(both) >= FURTHEST_MONTHS and both.std().min() > 0:
            found.append((float(both.corr().to_numpy()[0, 1]), shift))
    if not found:
        return 0, float("nan")
    most, shift = max(found)
    return shift, most


def monthly(weeks: "pd.DataFrame") -> "pd.DataFrame":
    """The last week of every calendar month."""
    month = pd.to_datetime(weeks["date"]).dt.to_period("M")
    return weeks.groupby(month, sort=True).tail(1).set_index("date")


def credit_cycle(frames: "Frames") -> "Drawing":
    """Loans signed and debt, terms of loans, what tenants pay and rents, and losses, on one time axis."""
    months = monthly(frames["weeks"])
    dates = pd.to_datetime(months.index)
    signed = months["loans_signed_usd"].rolling(3, min_periods=1).mean() * 12 / BILLION
    lost = _losses(frames, months)
    shift, strength = lead_of(
        pd.Series(signed.to_numpy()), pd.Series(months["rent_usd_per_hour_H100"].to_numpy())
    )
    figure = Figure(figsize=(DOUBLE_COLUMN, 6.2))
    loans, terms, prices, losses = figure.subplots(4, 1, sharex=True)
    loans.bar(dates, signed, width=25, color=GREY, label="loans signed, yearly rate of three months")
    debt = (months["secured_debt_usd"] + months["unsecured_debt_usd"] + months["project_debt_usd"]) / BILLION
    loans.plot(dates, debt, color=BLACK, label="operators' debt")
    loans.plot(dates, months["secured_debt_usd"] / BILLION, color=BLUE, ls="--", label="of it on equipment")
    loans.set_ylabel("bn USD")
    terms.plot(
        dates, months["sizing_coverage_mixed"], color=BLUE, label="coverage loans are sized on, mixed tenants"
    )
    terms.plot(dates, months["advance_mixed"], color=VERMILION, ls="--", label="advance over cost")
    terms.plot(dates, months["contracted_share"], color=GREEN, ls=":", label="share of GPUs under contract")
    terms.set_ylabel("ratio")
    prices.plot(dates, months["rent_usd_per_hour_H100"], color=BLACK, label="rent of an H100, USD an hour")
    prices.plot(
        dates, months["contract_multiple"], color=ORANGE, ls="--", label="contracts over posted rates"
    )
    if np.isfinite(strength):
        side = "leads" if shift > 0 else "lags" if shift < 0 else "moves with"
        away = f" by {abs(shift)} months" if shift else ""
        prices.set_title(
            f"credit {side} rents{away} (correlation of yearly changes {strength:.2f}, one seed)", fontsize=7
        )
    losses.bar(dates, lost, width=25, color=VERMILION, label="written off by creditors in the month")
    losses.plot(
        dates, months["hedge_share"], color=BLACK, ls=":", label="share of debt whose service income covers"
    )
    losses.set_ylabel("bn USD; share")
    for axes in (loans, terms, prices, losses):
        axes.legend(loc="upper left", fontsize=6, ncols=3)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0), high + 0.35 * (high - min(low, 0)))
    losses.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%Y"))  # type: ignore[no-untyped-call]
    losses.xaxis.set_major_locator(matplotlib.dates.YearLocator())  # type: ignore[no-untyped-call]
    plotted = pd.DataFrame(
        {
            "date": dates,
            "signed_bn_usd_a_year": signed.to_numpy(),
            "debt_bn_usd": debt.to_numpy(),
            "lost_bn_usd": lost,
        }
    )
    return figure, plotted


def _losses(frames: "Frames", months: "pd.DataFrame") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Written off in each month, billion USD."""
    events = frames.get("events")
    if events is None or not len(events):
        return np.zeros(len(months))
    told = events[events["kind"] == "deficiency"]
    weeks = months["week"].to_numpy()
    month = np.searchsorted(weeks, told["week"].to_numpy())
    inside = month < len(weeks)
    return np.bincount(
        month[inside], weights=told["cents"].to_numpy()[inside] / 100 / BILLION, minlength=len(weeks)
    )


def maturity_wall(frames: "Frames") -> "Drawing":
    """Principal of operators' debt by the year in which it falls due, in the first and in the last recorded week."""
    loans, agents = frames["loans"], frames["agents"]
    operators = agents.loc[agents["type"].isin(["miner", "neo_cloud"]), "party"].unique()
    weeks = loans["week"].unique()
    figure = Figure(figsize=(DOUBLE_COLUMN, 2.6))
    panels = figure.subplots(1, 2, sharey=True)
    dates = dict(zip(frames["weeks"]["week"], pd.to_datetime(frames["weeks"]["date"]), strict=True))
    lines = []
    for axes, week in zip(panels, (weeks.min(), weeks.max()), strict=True):
        mine = loans[(loans["week"] == week) & loans["debtor"].isin(operators) & (loans["balance_cents"] > 0)]
        bottom = np.zeros(WALL_YEARS)
        for name, (kinds, colour, hatch) in WALL.items():
            due = _by_year(mine[mine["kind"].isin(kinds)]) / 100 / BILLION
            axes.bar(
                np.arange(1, WALL_YEARS + 1),
                due,
                bottom=bottom,
                color=colour,
                hatch=hatch,
                ec=BLACK,
                lw=0.4,
                label=name,
            )
            bottom += due
            lines += [
                {"date": dates[week], "kind": name, "year_ahead": year + 1, "bn_usd": due[year]}
                for year in range(WALL_YEARS)
            ]
        axes.set_xlabel(f"year ahead, from {dates[week]:%B %Y}")
        axes.set_xticks(np.arange(1, WALL_YEARS + 1))
    panels[0].set_ylim(0, 1.08 * panels[0].dataLim.y1)
    panels[0].set_ylabel("principal due, bn USD")
    panels[0].legend(fontsize=6)
    return figure, pd.DataFrame(lines)


def _by_year(loans: "pd.DataFrame") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Principal due in each of the next years, cents: bullets in their last month, level payments as they amortise."""
    due = np.zeros(WALL_YEARS)
    columns = (loans[name].tolist() for name in ("kind", "balance_cents", "rate", "months_left"))
    for kind, balance, rate, months_left in zip(*columns, strict=True):
        months = max(int(months_left), 1)
        if kind in BULLETS:
            parts = np.zeros(months)
            parts[-1] = balance
        else:
            # A level payment repays more each month, by the factor 1 + i.
            share = (1 + rate / 12) ** np.arange(months)
            parts = balance * share / share.sum()
        year = np.arange(months) // 12
        due += np.bincount(year[year < WALL_YEARS], weights=parts[year < WALL_YEARS], minlength=WALL_YEARS)
    return due
