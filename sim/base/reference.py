"""The cited data shipped with the model, typed and cached. Provenance and licences: `sim/data/SOURCES.md`."""

import csv
import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from agents.vocabulary import GENERATIONS, Floats


def path_of(name: str) -> Path:
    """Location of a shipped file."""
    return Path(str(resources.files("sim") / "data" / name))


@cache
def rows_of(name: str) -> tuple[dict[str, str], ...]:
    """Rows of a shipped CSV file as text."""
    with path_of(name).open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def files() -> tuple[str, ...]:
    """Names of the shipped CSV files, sorted."""
    folder = resources.files("sim") / "data"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".csv")))


@cache
def digests() -> dict[str, str]:
    """sha256 of every shipped file, for the manifest."""
    return {name: hashlib.sha256(path_of(name).read_bytes()).hexdigest() for name in files()}


@dataclass(frozen=True, slots=True)
class Series:
    """A monthly series: first days of months, values, and the last day each value knows of."""

    months: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]
    values: Floats
    last_days: tuple[date, ...]


@cache
def monthly(name: str) -> Series:
    """A series of `macro_monthly.csv`; KeyError names the ones there are."""
    rows = [row for row in rows_of("macro_monthly.csv") if row["series"] == name]
    if not rows:
        there = sorted({row["series"] for row in rows_of("macro_monthly.csv")})
        raise KeyError(f"macro_monthly.csv has no series {name}; it has {', '.join(there)}")
    rows.sort(key=lambda row: row["month"])
    months = np.array([row["month"] for row in rows], dtype="datetime64[D]")
    last_days = tuple(date.fromisoformat(row["as_of"]) for row in rows)
    return Series(months, np.array([float(row["value"]) for row in rows]), last_days)


Prints = dict[str, tuple[list[date], list[float]]]


def _prints(rows: list[dict[str, str]], series: str, value: str) -> Prints:
    """Dated prints by series; a file's order is kept."""
    found: Prints = {}
    for row in rows:
        days, values = found.setdefault(row[series], ([], []))
        days.append(date.fromisoformat(row["date"]))
        values.append(float(row[value]))
    return found


def rent_prints() -> Prints:
    """Dated one-year contract rents by generation, USD per GPU-hour."""
    rows = [row for row in rows_of("rental_price_points.csv") if row["kind"] == "contract_1yr"]
    return _prints(rows, "generation", "usd_per_gpu_hour")


def spread_prints() -> Prints:
    """Dated spreads of GPU loans over SOFR by the standing of the tenants, basis points."""
    return _prints(list(rows_of("spread_points.csv")), "tenants", "spread_bps")


def debt_prints() -> tuple[list[date], list[float]]:
    """Dates, and principal one large borrower owed then, million USD."""
    rows = rows_of("debt_points.csv")
    return [date.fromisoformat(row["date"]) for row in rows], [float(row["debt_usd_million"]) for row in rows]


@cache
def zone_prices() -> dict[str, float]:
    """Mean power price by grid zone, USD per MWh."""
    return {row["zone"]: float(row["usd_per_mwh"]) for row in rows_of("power_prices.csv")}


@cache
def peak_months() -> dict[str, int | None]:
    """Month in which a grid zone's power is dearest, 1 to 12; None for a zone without a season."""
    return {
        row["zone"]: int(row["peak_month"]) if row["peak_month"] else None
        for row in rows_of("power_prices.csv")
    }


@cache
def available_from() -> tuple[date, ...]:
    """Date of volume availability of every generation."""
    table = {
        row["generation"]: date.fromisoformat(row["available_from"]) for row in rows_of("gpu_generations.csv")
    }
    return tuple(table[name] for name in GENERATIONS)


@cache
def compute_weights() -> Floats:
    """H100 equivalents per GPU, shape (G,)."""
    table = {row["generation"]: float(row["h100_equivalents"]) for row in rows_of("gpu_generations.csv")}
    return np.array([table[name] for name in GENERATIONS])


@cache
def releases() -> tuple[tuple[str, date], ...]:
    """Successors and the dates they reach volume."""
    return tuple(
        (row["successor"], date.fromisoformat(row["volume_date"])) for row in rows_of("releases.csv")
    )


@dataclass(frozen=True, slots=True)
class MinerSheet:
    """What is cited of a miner's balance sheet; NaN where nothing is."""

    bitcoin: float
    cash_usd: float
    convertibles_usd: float
    notes_usd: float


# Metrics of `archetypes.csv` that say what a miner owes on paper, in the order in which they are believed.
CONVERTIBLES = (
    "convertible_notes_principal",
    "convertible_notes_carrying",
    "total_debt_principal",
    "long_term_debt",
    "total_debt",
)
NOTES = ("senior_secured_notes",)


@cache
def miner_sheets() -> tuple[MinerSheet, ...]:
    """Balance sheets of the miners of `archetypes.csv`, in the order of their numbers; the latest figure of each metric.

    >>> sheets = miner_sheets()
    >>> len(sheets), sheets[3].bitcoin, sheets[4].notes_usd
    (12, 53822.0, 3200000000.0)
    """
    found: dict[int, dict[str, tuple[str, float]]] = {}
    for row in rows_of("archetypes.csv"):
        if row["type"] == "miner":
            seen = found.setdefault(int(row["archetype"].split()[1]), {})
            seen[row["metric"]] = max(seen.get(row["metric"], ("", 0.0)), (row["as_of"], float(row["value"])))

    def value(seen: dict[str, tuple[str, float]], names: tuple[str, ...], scale: float) -> float:
        return next((seen[name][1] * scale for name in names if name in seen), float("nan"))

    return tuple(
        MinerSheet(
            value(found[number], ("btc_holdings",), 1.0),
            value(found[number], ("cash",), 1e6),
            value(found[number], CONVERTIBLES, 1e6),
            value(found[number], NOTES, 1e6),
        )
        for number in sorted(found)
    )
