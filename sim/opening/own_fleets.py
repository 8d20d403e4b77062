"""A user's own fleets: a CSV of lots, validated row by row.

Columns: ``place_id`` (as in the sites), ``generation``, ``gpus`` (whole sellable units), ``owner`` (a miner or neo-cloud of the
model such as ``neo-cloud 1``), ``age_years`` (not older than the generation) and ``financed`` (yes or no).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.vocabulary import GENERATIONS, UNIT, WEEKS_PER_YEAR, Ints
from sim.base.user_table import Label, Number, UserTable, read_table
from sim.places.topology import Places


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One validated lot; indices refer to places, generations and parties of the model."""

    line: int
    place: int
    generation: int
    gpus: int
    owner: int
    age_years: float
    financed: bool


def read_fleets(
    path: str | Path, places: Places, owners: Sequence[str], names: Sequence[str], weeks_since_release: Ints
) -> tuple[UserTable, list[FleetRow]]:
    """Read a fleets file.

    Parameters
    ----------
    owners
        Parties that may own hardware in week 0.
    names
        All parties, in the order of their rows.
    weeks_since_release : (G,)
        Age of the oldest unit there can be.

    Raises
    ------
    sim.base.user_table.TableError
        Names the file, the line, the column, what is allowed, and the nearest valid name.
    """
    ids = [str(place) for place in places.id]
    columns = (
        Label("place_id", labels=ids),
        Label("generation", labels=GENERATIONS),
        Number("gpus", low=1, high=1_000_000, unit="GPUs", whole=True),
        Label("owner", labels=owners),
        Number("age_years", low=0, high=8, unit="years"),
        Label("financed", labels=("no", "yes")),
    )
    table = read_table(path, columns, unique=[column.name for column in columns])
    rows = []
    for row in table.rows:
        found = row.values
        generation = GENERATIONS.index(found["generation"])
        unit, oldest = int(UNIT[generation]), int(weeks_since_release[generation])
        if found["gpus"] % unit:
            table.refuse(
                row.line, "gpus", f"{found['gpus']}; {found['generation']} are sold in units of {unit}"
            )
        if round(found["age_years"] * WEEKS_PER_YEAR) > max(oldest, 0):
            years = max(oldest, 0) / WEEKS_PER_YEAR
            table.refuse(
                row.line,
                "age_years",
                f"{found['age_years']:g}; {found['generation']} are at most {years:.2f} years old when the run starts",
            )
        rows.append(
            FleetRow(
                line=row.line,
                place=ids.index(found["place_id"]),
                generation=generation,
                gpus=found["gpus"],
                owner=list(names).index(found["owner"]),
                age_years=found["age_years"],
                financed=found["financed"] == "yes",
            )
        )
    return table, rows
