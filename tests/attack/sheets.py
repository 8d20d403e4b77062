"""Sheets: canonical user tables as cells, which mutations change and write as bytes."""

import copy
import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sim.base.reference import path_of

MONTHS = [f"{year}-{month:02d}-05" for year in (2026, 2027, 2028) for month in range(1, 13)][9:36]


@dataclass(frozen=True)
class Numbers:
    """What is known of a column of numbers.

    Attributes
    ----------
    factors
        By so much each of its canonical numbers is multiplied out of its range.
    whole, signed, may_be_empty
        Whole numbers alone, negative ones too, and empty cells.
    """

    factors: tuple[float, ...] = ()
    whole: bool = False
    signed: bool = False
    may_be_empty: bool = False


@dataclass
class Sheet:
    """A table as cells.

    Attributes
    ----------
    numbers, labels, days, texts
        Its columns by what they hold; `labels` with a label each that is unknown there.
    optional
        Columns that may be left out without any change.
    any_order
        Rows may stand in any order.
    key
        Columns of which two rows may not agree.
    """

    heading: list[str]
    rows: list[list[str]]
    numbers: dict[str, Numbers] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    days: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    any_order: bool = False
    key: tuple[str, ...] = ()

    def copied(self) -> "Sheet":
        """A sheet to change."""
        return copy.deepcopy(self)

    def at(self, column: str) -> int:
        """Place of a column."""
        return self.heading.index(column)

    def text(self, separator: str = ",", end: str = "\n") -> str:
        """The sheet as a file."""
        return "".join(
            separator.join(quoted(cell, separator) for cell in row) + end
            for row in [self.heading, *self.rows]
        )


def quoted(cell: str, separator: str = ",", *, always: bool = False) -> str:
    """A cell as CSV writes it."""
    needs = always or any(mark in cell for mark in (separator, '"', "\n", "\r"))
    return '"' + cell.replace('"', '""') + '"' if needs else cell


def sheet_of(text: str, **about: object) -> Sheet:
    """A sheet from plain text without quotes."""
    heading, *rows = [line.split(",") for line in text.strip().splitlines()]
    return Sheet(heading, rows, **about)  # type: ignore[arg-type]


def series_sheet(series: dict[str, Sequence[float]], days: Sequence[str], **about: object) -> Sheet:
    """Replay series, day by day."""
    rows = [
        [day, name, f"{values[number]:.10g}"]
        for number, day in enumerate(days)
        for name, values in series.items()
    ]
    return Sheet(
        ["date", "series", "value"],
        rows,
        days=("date",),
        any_order=True,
        key=("date", "series"),
        **about,  # type: ignore[arg-type]
    )


# -- canonical tables -------------------------------------------------------------------------------------


def _waves(level: float, swing: float) -> list[float]:
    return [round(level * (1 + swing * ((7 * month) % 11 - 5) / 5), 6) for month in range(len(MONTHS))]


def bitcoin_sheet() -> Sheet:
    """Canonical bitcoin."""
    about = {"value": Numbers(factors=(100, 1000, 0.01, 0.001))}
    return series_sheet(
        {"bitcoin": _waves(70_000, 0.3)}, MONTHS, numbers=about, labels={"series": "ethereum"}
    )


def rent_sheet() -> Sheet:
    """Canonical rent."""
    series = {"H100": _waves(2.4, 0.2), "A100": _waves(1.1, 0.1), "GB200": _waves(4.5, 0.1)}
    about = {"value": Numbers(factors=(100, 1000, 0.001, 730))}
    return series_sheet(series, MONTHS, numbers=about, labels={"series": "H100 SXM"})


def power_sheet() -> Sheet:
    """Canonical power."""
    series = {"ERCOT": _waves(38, 0.4), "PJM": _waves(51, 0.2), "NORDIC_NO2": _waves(45, 0.5)}
    about = {"value": Numbers(factors=(100, 1000, 0.001, 0.01))}
    return series_sheet(series, MONTHS, numbers=about, labels={"series": "CAISO"})


def interest_sheet() -> Sheet:
    """Canonical interest."""
    series = {"sofr": _waves(0.0365, 0.2), "spread": _waves(0.0425, 0.3)}
    about = {"value": Numbers(factors=(100, 1000, 10_000, 0.001))}
    return series_sheet(series, MONTHS, numbers=about, labels={"series": "SOFR30A"})


def fleets_sheet() -> Sheet:
    """Canonical fleets."""
    text = """
place_id,generation,gpus,owner,age_years,financed
p012,H100,80000,neo-cloud 1,1.5,yes
p012,A100,8000,neo-cloud 2,4.25,no
p015,GB200,7200,neo-cloud 3,1.25,yes
p016,H200,16000,miner 1,0.5,yes
p026,B200,24000,miner 2,1.25,no
p034,GB300,1440,neo-cloud 1,0.75,yes
p084,V100,8000,neo-cloud 4,6.5,no
"""
    return sheet_of(
        text,
        numbers={
            "gpus": Numbers(factors=(100, 1000), whole=True),
            "age_years": Numbers(factors=(12, 100, 365, 1000)),
        },
        labels={"place_id": "p999", "generation": "H300", "owner": "lender 1", "financed": "true"},
    )


def sites_sheet() -> Sheet:
    """Canonical sites."""
    lines = path_of("sites.csv").read_text(encoding="utf-8").splitlines()
    cells = list(csv.reader(lines[:13]))
    about = Numbers(factors=(100, 1000), may_be_empty=True)
    return Sheet(
        cells[0],
        cells[1:],
        numbers={
            "lat": Numbers(factors=(100, 1000), signed=True),
            "lon": Numbers(factors=(100, 1000), signed=True),
            "operational_mw": about,
            "planned_mw": replace(about, factors=(100, 1000, 0.001)),
        },
        labels={
            "country": "USA",
            "grid_zone": "CAISO",
            "mw_basis": "net",
            "cooling": "immersion",
            "kind": "datacentre",
        },
        texts=("place_id", "name"),
        optional=("state", "coord_precision", "cooling_basis", "source_url", "as_of", "grade", "note"),
        key=("place_id",),
    )
