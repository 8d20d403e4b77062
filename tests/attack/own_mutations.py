"""Kinds of mutation that only some tables have, each with its required answer."""

from collections.abc import Callable
from random import Random

from sim.places.places import BOXES, continents
from tests.attack.cell_mutations import REFUSED, Kind, Make, Mutant, in_cells
from tests.attack.sheets import Sheet


def only(*names: str) -> Callable[[Sheet], list[str]]:
    """These columns."""
    return lambda _: list(names)


def row_with(column: str = "", line_of: bool = True, **cells: str | Callable[[str], str]) -> Make:
    """A row with other cells, which is refused for `column`."""

    def make(sheet: Sheet, rng: Random) -> Mutant | None:
        changed, row = sheet.copied(), rng.randrange(len(sheet.rows))
        for name, cell in cells.items():
            old = changed.rows[row][sheet.at(name)]
            changed.rows[row][sheet.at(name)] = cell if isinstance(cell, str) else cell(old)
        if changed.rows == sheet.rows:
            return None
        return Mutant(changed.text().encode(), row + 2 if line_of else 0, column)

    return make


def any_of(*makes: Make) -> Make:
    """One of several."""
    return lambda sheet, rng: rng.choice(makes)(sheet, rng)


def of_the_other_half(sheet: Sheet, rng: Random) -> Mutant | None:
    """A site mirrored at the equator; where its continent lies on both sides of it, that is a place of its own."""
    changed, row = sheet.copied(), rng.randrange(len(sheet.rows))
    cells, at = changed.rows[row], sheet.at("lat")
    low, high = BOXES[continents()[cells[sheet.at("country")]]][0]
    mirrored = -float(cells[at])
    if low <= mirrored <= high:
        return None
    cells[at] = f"{mirrored}"
    return Mutant(changed.text().encode(), row + 2, "lat")


# -- replays ----------------------------------------------------------------------------------------------


def moved(years: int) -> Make:
    """All days so many years later."""

    def make(sheet: Sheet, _: Random) -> Mutant:
        changed = sheet.copied()
        for row in changed.rows:
            row[0] = f"{int(row[0][:4]) + years}{row[0][4:]}"
        return Mutant(changed.text().encode())

    return make


def gap(sheet: Sheet, rng: Random) -> Mutant:
    """A year and a half without a print: at the beginning, in the middle or at the end."""
    changed, days = sheet.copied(), sorted({row[0] for row in sheet.rows})
    first = rng.randrange(len(days) - 19)
    lost = set(days[first : first + 19])
    if first == 0 and rng.random() < 0.5:
        lost = set(days[13:])
    changed.rows = [row for row in sheet.rows if row[0] not in lost]
    return Mutant(changed.text().encode())


def wrong_century(sheet: Sheet, rng: Random) -> Mutant:
    """The first day of a series a hundred years too early, the last a hundred too late."""
    changed, row = sheet.copied(), rng.choice([0, len(sheet.rows) - 1])
    years = -100 if row == 0 else 100
    changed.rows[row][0] = f"{int(sheet.rows[row][0][:4]) + years}{sheet.rows[row][0][4:]}"
    return Mutant(changed.text().encode())


def another_table(sheet: Sheet, _: Random) -> Mutant:
    """A wide table: a column for every series."""
    return Mutant(b"date,bitcoin,H100\n2026-10-05,80000,2.5\n", 1)


REPLAYS = (
    Kind("prints of other years", REFUSED, any_of(*(moved(years) for years in (-20, -4, 4, 20, 100)))),
    Kind("a gap of a year and a half", REFUSED, gap),
    Kind("a day in the wrong century", REFUSED, wrong_century),
    Kind("a column for every series", REFUSED, another_table),
)

# -- fleets -----------------------------------------------------------------------------------------------

NO_OWNERS = (
    "lender 1",
    "landlords",
    "rest of world",
    "hyperscaler 1",
    "liquidator 1",
    "salvage house 1",
    "neo-cloud 0",
    "neo-cloud 99",
    "miner",
)

FLEETS = (
    Kind("an owner that cannot own", REFUSED, any_of(*(row_with("owner", owner=name) for name in NO_OWNERS))),
    Kind(
        "older than its release",
        REFUSED,
        any_of(
            row_with("age_years", generation="H100", age_years="7.9"),
            row_with("age_years", generation="B200", gpus="80", age_years="2.5"),
            row_with("age_years", generation="VR200", place_id="p015", gpus="72", age_years="0.5"),
            row_with("age_years", generation="GB300", place_id="p015", gpus="72", age_years="1.5"),
            row_with("age_years", age_years="8.01"),
        ),
    ),
    Kind(
        "liquid cooling in an air hall",
        REFUSED,
        any_of(
            *(
                row_with(
                    "generation",
                    place_id=place,
                    generation=name,
                    gpus="7200",
                    age_years="0",
                    owner="neo-cloud 9",
                )
                for place in ("p039", "p040", "p084")
                for name in ("GB200", "GB300", "VR200")
            )
        ),
    ),
    Kind(
        "more watts than a site has",
        REFUSED,
        any_of(
            row_with("gpus", gpus="1000000"),
            row_with(
                "gpus", place_id="p041", gpus="80000", generation="H100", age_years="1", owner="neo-cloud 9"
            ),
            row_with(
                "gpus", place_id="p026", gpus="720000", generation="GB200", age_years="1", owner="neo-cloud 9"
            ),
        ),
    ),
    Kind(
        "no or negative GPUs",
        REFUSED,
        any_of(*(row_with("gpus", gpus=text) for text in ("0", "-8", "-8000", "000", "-0"))),
    ),
    Kind(
        "a part of a unit of a generation",
        REFUSED,
        any_of(
            row_with("gpus", generation="GB200", place_id="p015", gpus="80", age_years="1"),
            row_with("gpus", generation="H100", gpus="36", age_years="1"),
            row_with("gpus", gpus="8001"),
        ),
    ),
    Kind(
        "a place without a hall for the owner",
        REFUSED,
        row_with("place_id", place_id="p001", owner="neo-cloud 9"),
    ),
    Kind(
        "a word for yes",
        REFUSED,
        any_of(
            *(
                row_with("financed", financed=text)
                for text in ("Yes", "YES", "true", "1", "y", "nein", "FALSE")
            )
        ),
    ),
)

# -- sites ------------------------------------------------------------------------------------------------


def swapped(first: str, second: str, column: str) -> Make:
    """Two columns under each other's heading, in one row."""

    def make(sheet: Sheet, rng: Random) -> Mutant | None:
        changed, row = sheet.copied(), rng.randrange(len(sheet.rows))
        cells, (a, b) = changed.rows[row], (sheet.at(first), sheet.at(second))
        if not cells[a] or not cells[b] or cells[a] == cells[b]:
            return None
        cells[a], cells[b] = cells[b], cells[a]
        return Mutant(changed.text().encode(), row + 2, column)

    return make


def same_name(sheet: Sheet, rng: Random) -> Mutant:
    """A name of a site twice."""
    changed, (first, second) = sheet.copied(), sorted(rng.sample(range(len(sheet.rows)), 2))
    changed.rows[second][sheet.at("name")] = sheet.rows[first][sheet.at("name")]
    return Mutant(changed.text().encode(), second + 2, "name")


SITES = (
    Kind("degrees swapped", REFUSED, swapped("lat", "lon", "lat")),
    Kind("degrees without their sign", REFUSED, row_with("lon", lon=lambda cell: cell.lstrip("-"))),
    Kind("degrees of another half of the earth", REFUSED, of_the_other_half),
    Kind("degrees and minutes", REFUSED, in_cells(only("lat", "lon"), lambda cell, _: f"{cell}\u00b0")),
    Kind("megawatts swapped", REFUSED, swapped("operational_mw", "planned_mw", "planned_mw")),
    Kind(
        "a country by its name",
        REFUSED,
        any_of(
            *(
                row_with("country", country=text)
                for text in ("USA", "U.S.", "United States", "us", "UK", "XX")
            )
        ),
    ),
    Kind("one name for two sites", REFUSED, same_name),
    Kind("no name", REFUSED, any_of(row_with("name", name=""), row_with("place_id", place_id=" "))),
    Kind("a name without end", REFUSED, row_with("name", name="x" * 50_000)),
)
