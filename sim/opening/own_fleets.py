"""A user's own fleets: a CSV of lots, validated row by row.

Columns: ``place_id`` (as in the sites), ``generation``, ``gpus`` (whole sellable units), ``owner`` (a party of the
model such as ``neo-cloud 1``), ``age_years`` (0 to 8) and ``financed`` (yes or no).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.vocabulary import GENERATIONS, UNIT
from sim.base.faults import nearest
from sim.parameters import ParameterError
from sim.places.topology import Places

COLUMNS = ("place_id", "generation", "gpus", "owner", "age_years", "financed")


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One validated lot; indices refer to places, generations and parties of the model."""

    place: int
    generation: int
    gpus: int
    owner: int
    age_years: float
    financed: bool
    where: str


def read_fleets(path: Path, places: Places, names: Sequence[str]) -> list[FleetRow]:
    """Read a fleets file.

    Raises
    ------
    ParameterError
        Names the file, the row, the column, what is allowed, and the nearest valid name.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ParameterError(f"world.fleets_file: cannot read {path}: {error.strerror}") from None
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise ParameterError(f"{path.name}: column {missing[0]} is missing; needed: {', '.join(COLUMNS)}")
    ids = [str(place) for place in places.id]
    result = []
    for number, row in enumerate(rows, start=2):
        where = f"{path.name}, row {number}"
        generation = _one_of(row["generation"], GENERATIONS, where, "generation")
        gpus = _number(row["gpus"], 0, 1_000_000, "GPUs", where, "gpus")
        unit = int(UNIT[generation])
        if gpus % unit:
            raise ParameterError(f"{where}, column gpus: {gpus:g}; whole units of {unit} GPUs are sold")
        financed = ("no", "yes")[_one_of(row["financed"], ("no", "yes"), where, "financed")]
        result.append(
            FleetRow(
                place=_one_of(row["place_id"], ids, where, "place_id"),
                generation=generation,
                gpus=int(gpus),
                owner=_one_of(row["owner"], names, where, "owner"),
                age_years=_number(row["age_years"], 0, 8, "years", where, "age_years"),
                financed=financed == "yes",
                where=where,
            )
        )
    return result


def _one_of(text: str, allowed: Sequence[str], where: str, column: str) -> int:
    if text in allowed:
        return list(allowed).index(text)
    hint = nearest(text, allowed, f"such as {allowed[0]}")
    raise ParameterError(f"{where}, column {column}: {text!r} is unknown{hint}")


def _number(text: str, low: float, high: float, unit: str, where: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ParameterError(f"{where}, column {column}: {text!r} is not a number") from None
    if not low <= value <= high:
        raise ParameterError(f"{where}, column {column}: {value:g}; allowed {low:g} to {high:,g} {unit}")
    return value
