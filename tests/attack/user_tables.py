"""User tables: each mutation is refused with its line, or gives what the canonical table gives.

A new table is one entry in `tables`; a new kind of mutation is one line in `table_mutations`, or in `own_mutations` where few
tables have it. Tables are read by the functions the model reads them with, up to the paths, places and lots that come of them.
"""

import hashlib
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from sim.base.randomness import Randomness
from sim.base.user_table import TableError
from sim.drivers.bitcoin import bitcoin_path
from sim.drivers.drivers import Drivers
from sim.drivers.interest import sofr_path, spread_path
from sim.drivers.power import power_path
from sim.drivers.rent import rent_path
from sim.opening.fleets import bring_fleets
from sim.opening.population import parties_and_pools
from sim.parameters import Parameters
from sim.places.topology import Topology, load_places
from tests.attack.attack import Attack, Report
from tests.attack.cell_mutations import EQUAL, REFUSED, Kind, Mutant
from tests.attack.own_mutations import FLEETS, REPLAYS, SITES
from tests.attack.sheets import (
    Sheet,
    bitcoin_sheet,
    fleets_sheet,
    interest_sheet,
    power_sheet,
    rent_sheet,
    sites_sheet,
)
from tests.attack.table_mutations import KINDS

MOST_SECONDS = 10
WEEKS = 130
REPLAYED = ("bitcoin", "rent", "power", "interest")


@dataclass(frozen=True)
class Table:
    """A user table.

    Attributes
    ----------
    name
        What it is called in the report.
    sheet
        Its canonical cells.
    read
        Reads the file as the model does, and digests what came of it.
    own
        Kinds of mutation that only this table has.
    """

    name: str
    sheet: Sheet
    read: Callable[[], str]
    own: tuple[Kind, ...] = ()


def run(count: int, seed: int) -> Report:
    """Try mutations of every table in turn."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.csv"
        found = tables(file)
        wanted = {table.name: _canonical(table, file) for table in found}
        for table in found:
            for what, make in PATHS.items():
                _put(file, make)
                _judge(report, table, f"path: {what}", REFUSED, file, "", Mutant(b""), what)
        pairs = [(table, kind) for kind in KINDS for table in found]
        pairs += [(table, kind) for table in found for kind in table.own]
        for number in range(count):
            table, kind = pairs[number % len(pairs)]
            mutant = kind.make(table.sheet, Random(f"{seed} {number}"))
            if mutant is None:
                report.counts["does not apply"] += 1
                continue
            _put(file, lambda path, data=mutant.data: path.write_bytes(data))
            told = f"try {number} of seed {seed}"
            _judge(report, table, kind.name, kind.answer, file, wanted[table.name], mutant, told)
    return report


def _canonical(table: Table, file: Path) -> str:
    _put(file, lambda path: path.write_bytes(table.sheet.text().encode()))
    return table.read()


def _put(file: Path, make: Callable[[Path], Any]) -> None:
    """Something new at the place of the file."""
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)
    make(file)


def _judge(
    report: Report, table: Table, kind: str, answer: str, file: Path, wanted: str, mutant: Mutant, told: str
) -> None:
    """Count a try, and what is wrong with the answer to it."""
    report.counts[f"{answer}: {kind}"] += 1
    try:
        with in_time():
            got = table.read()
    except TableError as error:
        wrong = "refused" if answer == EQUAL else _wrong_line(str(error), file, mutant)
        said = str(error).replace(str(file), file.name)
    except Exception as error:
        wrong, said = type(error).__name__, str(error)[:200]
    else:
        wrong = "silent" if answer == REFUSED else "other numbers" if got != wanted else ""
        said = ""
    if wrong:
        report.faults.append(f"{table.name}, {kind}, {told}: {wrong} {said}")


def _wrong_line(said: str, file: Path, mutant: Mutant) -> str:
    """What the message of a refusal lacks."""
    if "\n" in said or not said.isprintable():
        return "more than a line:"
    if not said.startswith(str(file)):
        return "without the file:"
    if len(said) > len(str(file)) + 600:
        return "long:"
    if mutant.line and not re.search(rf"\bline {mutant.line}\b", said):
        return f"without line {mutant.line}:"
    if mutant.column and f"column {mutant.column}" not in said:
        return f"without column {mutant.column}:"
    return ""


@contextmanager
def in_time(seconds: float = MOST_SECONDS) -> Iterator[None]:
    """A try that hangs ends."""

    def late(*_: object) -> None:
        raise TimeoutError(f"no answer in {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3_000_000_000)


# What stands where the file should be, all to be refused.
PATHS: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda _: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path),
    "a huge file": _huge,
}


# -- the tables -------------------------------------------------------------------------------------------


def tables(file: Path) -> list[Table]:
    """Every user table, read from one place."""
    asked = _asked(str(file))
    plain = Parameters.from_overrides({"clock.weeks": WEEKS})
    randomness = Randomness(7, 0)
    topology = Topology(plain, load_places(plain))
    drivers = Drivers(plain, randomness, topology.zone_names, WEEKS)
    start, regime, dates = drivers.start, drivers.regime, drivers.dates
    unlinked = np.full(WEEKS, np.nan)

    def bitcoin() -> str:
        path = bitcoin_path(asked.bitcoin, randomness, regime, start, WEEKS)
        return digest(path.usd, path.low_usd, path.origin)

    def rent() -> str:
        path = rent_path(asked.rent, randomness, regime, unlinked, drivers.releases, start, WEEKS)
        return digest(path.exogenous, *path.origin.values())

    def power() -> str:
        prices, origin = power_path(asked.power, randomness, topology.zone_names, dates)
        return digest(prices, *origin.values())

    def interest() -> str:
        paths = sofr_path(asked.interest, dates), spread_path(asked.interest, 0.03, unlinked, dates)
        return digest(*(part for path in paths for part in (path.values, path.origin)))

    def sites() -> str:
        places = load_places(asked)
        return digest(*(np.asarray(getattr(places, name)) for name in places.__slots__))

    base = replace(parties_and_pools(plain, randomness, drivers, topology), parameters=asked)

    def fleets() -> str:
        build = replace(base, lots=[], purchases=[], pairs=set(base.pairs))
        bring_fleets(build)
        return digest(np.array(build.lots), np.array(build.purchases))

    return [
        Table("sites", sites_sheet(), sites, SITES),
        Table("fleets", fleets_sheet(), fleets, FLEETS),
        Table("bitcoin", bitcoin_sheet(), bitcoin, REPLAYS),
        Table("rent", rent_sheet(), rent, REPLAYS),
        Table("power", power_sheet(), power, REPLAYS),
        Table("interest", interest_sheet(), interest, REPLAYS),
    ]


def _asked(own: str) -> Parameters:
    """Parameters that name one file for every table."""
    files = ("world.sites_file", "world.fleets_file", *(f"{name}.replay_file" for name in REPLAYED))
    drivers = ("interest.spread_driver", *(f"{name}.driver" for name in REPLAYED))
    return Parameters.from_overrides(
        {"clock.weeks": WEEKS, **dict.fromkeys(files, own), **dict.fromkeys(drivers, "replay")}
    )


def digest(*arrays: Any) -> str:
    """Of arrays, values and types."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


ATTACK = Attack(
    "mutated user tables: refused with file and line, or equal to the canonical table", 10_000, 100, run
)
