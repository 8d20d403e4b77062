"""Places: the cited sites, what they can power and cool, and where hardware may be exported to.

A place is a public locality; operators and tenants are not recorded. Gross megawatts are divided by the PUE
of the kind of hall here and nowhere else, so every later watt is IT nameplate. A site whose cooling is
unknown counts as air-cooled. A user's own table goes through the same checks as the shipped one.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from agents.vocabulary import GENERATIONS, N_GENERATIONS, Bools, Floats, Ints
from sim.base import reference
from sim.base.faults import closest
from sim.parameters import ParameterError, Parameters

Names = np.ndarray[tuple[int, ...], np.dtype[np.str_]]

KINDS = ("hyperscale", "colo", "neocloud", "miner-converted", "miner")
COOLING = ("liquid", "air", "unknown")
OUTCOMES = ("free", "licence", "denied")
EARTH_RADIUS_KM = 6371.0
# column: (lowest, highest, unit, whether it may be left empty)
NUMBERS = {
    "lat": (-90.0, 90.0, "degrees north", False),
    "lon": (-180.0, 180.0, "degrees east", False),
    "operational_mw": (0.0, 20_000.0, "MW", True),
    "planned_mw": (0.0, 20_000.0, "MW when built", True),
}
TEXTS = ("place_id", "name", "country", "grid_zone", "mw_basis", "cooling", "kind")
REMARKS = ("state", "coord_precision", "cooling_basis", "source_url", "as_of", "grade", "note")


class PlaceError(ParameterError):
    """A table of places, countries or export rules breaks its format; names file, row and column."""


@dataclass(frozen=True, slots=True)
class Places:
    """Docks of the freight graph, one row each.

    Attributes
    ----------
    id, name, country, kind : (P,) str
        Stable id, public locality, ISO country code, one of `KINDS`.
    lat, lon : (P,) float64
        Degrees north and east.
    zone : (P,) int64
        Index into `zone_names`.
    it_watts, liquid_watts : (P,) int64
        Energised IT watts, and those among them behind direct liquid cooling; ``0 <= liquid <= it``.
    planned_watts : (P,) int64
        IT watts announced beyond the energised ones.
    pue : (P,) float64
        Facility watts per IT watt.
    air_rack_watts : (P,) int64
        Densest rack air can cool, watts.
    """

    id: Names
    name: Names
    lat: Floats
    lon: Floats
    country: Names
    continent: Names
    zone: Ints
    zone_names: tuple[str, ...]
    kind: Names
    it_watts: Ints
    liquid_watts: Ints
    planned_watts: Ints
    pue: Floats
    air_rack_watts: Ints

    @property
    def n(self) -> int:
        """Number of places."""
        return len(self.id)


@dataclass(frozen=True, slots=True)
class ExportRules:
    """Which generation may move from one country into another; the first rule that matches decides.

    A licence is taken as granted unless `licences_granted` is false: the exporter's own delay and margin
    price it. Legal readings are graded in ``export_rules.csv`` and are no legal advice.
    """

    rules: tuple[tuple[frozenset[str], frozenset[str], frozenset[str], str], ...]
    licences_granted: bool = True

    def outcome(self, generation: str, origin: str, destination: str) -> str:
        """``free``, ``licence`` or ``denied``.

        >>> export_rules().outcome("B200", "US", "CN")
        'denied'
        >>> export_rules().outcome("H100", "US", "CN")
        'licence'
        """
        for generations, origins, destinations, verdict in self.rules:
            if (
                generation in generations
                and ("*" in origins or origin in origins)
                and ("*" in destinations or destination in destinations)
            ):
                return verdict
        return "denied"

    def allowed(self, generation: str, origin: str, destination: str) -> bool:
        """Whether goods may cross: free, or under a licence if licences are granted."""
        verdict = self.outcome(generation, origin, destination)
        return verdict == "free" or (verdict == "licence" and self.licences_granted)

    def table(self, origins: list[str], destinations: list[str]) -> Bools:
        """`allowed` for every generation and every pair of the two lists, shape (G, pairs)."""
        known: dict[tuple[str, str], list[bool]] = {}
        out = np.zeros((N_GENERATIONS, len(origins)), dtype=np.bool_)
        for i, pair in enumerate(zip(origins, destinations, strict=True)):
            if pair not in known:
                known[pair] = [self.allowed(generation, *pair) for generation in GENERATIONS]
            out[:, i] = known[pair]
        return out

    def restricted(self, country: str) -> bool:
        """Whether some generation needs leave to enter the country from somewhere else."""
        return any(self.outcome(generation, "*", country) != "free" for generation in GENERATIONS)


def great_circle_km(lat: Floats, lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
    """Great-circle distance on a sphere, km, broadcasting over the four arrays of degrees.

    >>> zero = np.array([0.0])
    >>> float(great_circle_km(zero, zero, zero, np.array([180.0])).round()[0])
    20015.0
    """
    a, b, c, d = np.radians(lat), np.radians(lon), np.radians(to_lat), np.radians(to_lon)
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))))


def pue_of_kind(parameters: Parameters) -> dict[str, float]:
    """Facility watts per IT watt of each kind of hall."""
    site = parameters.site
    return {
        "hyperscale": site.pue_owned,
        "colo": site.pue_colocation,
        "neocloud": site.pue_owned,
        "miner-converted": site.pue_miner,
        "miner": site.pue_miner,
    }


def load_places(parameters: Parameters, path: str | Path | None = None) -> Places:
    """Read and check a table of sites.

    Parameters
    ----------
    parameters
        Supplies the PUE by kind, the air limit, ``site.unknown_liquid_share`` for sites whose source does not say
        how they are cooled and, unless `path` is given, ``world.sites_file``.
    path
        CSV with the columns of ``sim/data/sites.csv``; the shipped table if neither is given.

    Raises
    ------
    PlaceError
        Names file, row (the heading is row 1), column, and the allowed range with its unit.
    """
    chosen = path or parameters.world.sites_file or None
    if chosen is None:
        return _build(parameters, list(_shipped("sites.csv")), "sites.csv")
    with _opened(Path(chosen)) as handle:
        rows = list(_read(handle, Path(chosen).name, (*TEXTS, *NUMBERS), REMARKS))
    return _build(parameters, rows, Path(chosen).name)


@cache
def export_rules(licences_granted: bool = True) -> ExportRules:
    """The shipped rules, ``sim/data/export_rules.csv``."""
    rules = []
    for number, row in _shipped("export_rules.csv"):
        generations = frozenset(row["generations"].split(";"))
        for name in sorted(generations - set(GENERATIONS)):
            raise _fault("export_rules.csv", number, "generations", f"{name!r} is unknown", name, GENERATIONS)
        if row["outcome"] not in OUTCOMES:
            raise _fault(
                "export_rules.csv", number, "outcome", f"{row['outcome']!r}", row["outcome"], OUTCOMES
            )
        origins, destinations = (frozenset(row[key].split(";")) for key in ("origins", "destinations"))
        rules.append((generations, origins, destinations, row["outcome"]))
    return ExportRules(tuple(rules), licences_granted)


@cache
def continents() -> dict[str, str]:
    """Continent of each country code."""
    return {row["country"]: row["continent"] for _, row in _shipped("countries.csv")}


@cache
def freight_hubs() -> tuple[tuple[str, float, float], ...]:
    """(continent, lat, lon) of the cargo airports whose nearest docks are gateways."""
    return tuple(
        (row["continent"], float(row["lat"]), float(row["lon"])) for _, row in _shipped("freight_hubs.csv")
    )


# -- reading ----------------------------------------------------------------------------------------------

Row = tuple[int, dict[str, str]]


@cache
def _shipped(name: str) -> tuple[Row, ...]:
    columns = {
        "sites.csv": (*TEXTS, *NUMBERS),
        "export_rules.csv": ("generations", "origins", "destinations", "outcome"),
        "countries.csv": ("country", "continent"),
        "freight_hubs.csv": ("continent", "name", "lat", "lon"),
    }[name]
    text = (files("sim") / "data" / name).read_text(encoding="utf-8")
    return tuple(_read(StringIO(text), name, columns, REMARKS))


def _opened(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise PlaceError(f"{path.name}: cannot be read ({error.strerror})") from error


def _read(handle: Any, file: str, required: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[Row]:
    """Rows of a CSV with their line numbers, after checking the heading and the number of cells."""
    try:
        reader = csv.reader(handle, strict=True)
        heading = next(reader, [])
        known = (*required, *optional)
        for column in heading:
            if column not in known:
                raise _fault(file, 1, column, "is no column of this table", column, known)
        for column in required:
            if column not in heading:
                raise PlaceError(
                    f"{file}, row 1: column {column!r} is missing; columns are {', '.join(known)}"
                )
        for column in heading:
            if heading.count(column) > 1:
                raise PlaceError(f"{file}, row 1: column {column!r} appears twice")
        number = reader.line_num
        for cells in reader:
            # A quoted cell may span lines: a row is named by the line on which it starts.
            number, start = reader.line_num, number + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(heading):
                raise PlaceError(
                    f"{file}, row {start}: {len(cells)} cells where the heading has {len(heading)}"
                )
            yield start, {column: cell.strip() for column, cell in zip(heading, cells, strict=True)}
    except (csv.Error, UnicodeDecodeError) as error:
        raise PlaceError(f"{file}: not a CSV in UTF-8 ({error})") from error


def _fault(file: str, row: int, column: str, what: str, given: str, options: tuple[str, ...]) -> PlaceError:
    near = closest(given, options)
    hint = f"; did you mean {near!r}?" if near else ""
    return PlaceError(f"{file}, row {row}, column {column!r}: {what}; allowed: {', '.join(options)}{hint}")


def _number(file: str, row: int, cells: dict[str, str], column: str) -> float:
    low, high, unit, optional = NUMBERS[column]
    text = cells[column]
    if not text and optional:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise PlaceError(
            f"{file}, row {row}, column {column!r}: {text!r}; allowed: {low:g} to {high:g} {unit}"
        )
    return value


def _build(parameters: Parameters, rows: list[Row], file: str) -> Places:
    if not rows:
        raise PlaceError(f"{file}: no places")
    countries, pues = continents(), pue_of_kind(parameters)
    choices = {"kind": KINDS, "cooling": COOLING, "mw_basis": ("it", "gross"), "country": tuple(countries)}
    choices["grid_zone"] = tuple(reference.zone_prices())
    share = {"liquid": 1.0, "air": 0.0, "unknown": parameters.site.unknown_liquid_share}
    seen: dict[str, dict[str, int]] = {"place_id": {}, "name": {}}
    lat, lon, watts, liquid, planned, pue = [], [], [], [], [], []
    for number, cells in rows:
        for column in TEXTS:
            if not cells[column]:
                raise PlaceError(f"{file}, row {number}, column {column!r}: empty; allowed: any text")
        for column, options in choices.items():
            if cells[column] not in options:
                raise _fault(file, number, column, f"{cells[column]!r}", cells[column], options)
        for column, earlier in seen.items():
            first = earlier.setdefault(cells[column], number)
            if first != number:
                where = f"{file}, row {number}, column {column!r}"
                raise PlaceError(f"{where}: {cells[column]!r} stands in row {first} already")
        place_pue = pues[cells["kind"]]
        scale = 1e6 / (place_pue if cells["mw_basis"] == "gross" else 1.0)
        operational = round(_number(file, number, cells, "operational_mw") * scale)
        built = round(_number(file, number, cells, "planned_mw") * scale)
        lat.append(_number(file, number, cells, "lat"))
        lon.append(_number(file, number, cells, "lon"))
        watts.append(operational)
        liquid.append(round(operational * share[cells["cooling"]]))
        planned.append(max(built - operational, 0))
        pue.append(place_pue)
    text = {column: np.array([cells[column] for _, cells in rows]) for column in TEXTS}
    zone_names = tuple(sorted(set(text["grid_zone"].tolist())))
    return Places(
        id=text["place_id"],
        name=text["name"],
        lat=np.array(lat),
        lon=np.array(lon),
        country=text["country"],
        continent=np.array([countries[code] for code in text["country"].tolist()]),
        zone=np.searchsorted(np.array(zone_names), text["grid_zone"]).astype(np.int64),
        zone_names=zone_names,
        kind=text["kind"],
        it_watts=np.array(watts, dtype=np.int64),
        liquid_watts=np.array(liquid, dtype=np.int64),
        planned_watts=np.array(planned, dtype=np.int64),
        pue=np.array(pue),
        air_rack_watts=np.full(len(rows), round(parameters.site.air_rack_limit_kw * 1000), dtype=np.int64),
    )
