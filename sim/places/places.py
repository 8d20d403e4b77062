"""Places: the cited sites, what they can power and cool, and where hardware may be exported to.

A place is a public locality; operators and tenants are not recorded. Gross megawatts are divided by the PUE
of the kind of hall here and nowhere else, so every later watt is IT nameplate. A site whose cooling is
unknown counts as air-cooled. A user's own table goes through the same checks as the shipped one.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from agents.vocabulary import GENERATIONS, N_GENERATIONS, Bools, Floats, Ints
from sim.base import reference
from sim.base.user_table import Column, Label, Name, Number, Row, Text, UserTable, read_table
from sim.parameters import Parameters

Names = np.ndarray[tuple[int, ...], np.dtype[np.str_]]

KINDS = ("hyperscale", "colo", "neocloud", "miner-converted", "miner")
COOLING = ("liquid", "air", "unknown")
OUTCOMES = ("free", "licence", "denied")
EARTH_RADIUS_KM = 6371.0
# Degrees between which a continent's countries lie: (south, north), (west, east).
BOXES = {
    "africa": ((-36, 38), (-26, 64)),
    "asia": ((-12, 56), (25, 155)),
    "europe": ((27, 82), (-32, 180)),
    "north_america": ((5, 84), (-180, -50)),
    "oceania": ((-56, 21), (110, 180)),
    "south_america": ((-57, 14), (-93, -34)),
}
TEXTS = ("place_id", "name", "country", "grid_zone", "mw_basis", "cooling", "kind")


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
    sim.base.user_table.TableError
        Names file, line, column, and the allowed range with its unit.
    """
    chosen = path or parameters.world.sites_file or None
    table = _shipped_sites() if chosen is None else _read_sites(Path(chosen))
    return _build(parameters, table)


def _read_sites(path: Path) -> UserTable:
    table = read_table(path, _site_columns(), unique=("place_id",))
    names: dict[str, int] = {}
    ids: dict[str, int] = {}
    for row in table.rows:
        same = ids.setdefault(row.values["place_id"].casefold(), row.line)
        if same != row.line:
            table.refuse(
                row.line, "place_id", f"{row.values['place_id']} differs from line {same} in case alone"
            )
        first = names.setdefault(row.values["name"], row.line)
        if first != row.line:
            table.refuse(row.line, "name", f"{row.values['name']} stands in line {first} already")
        _check_site(table, row)
    return table


def _check_site(table: UserTable, row: Row) -> None:
    """What only several cells together show: degrees that were swapped or lost their sign, megawatts that were swapped."""
    cells = row.values
    continent = continents()[cells["country"]]
    for column, (low, high) in zip(("lat", "lon"), BOXES[continent], strict=True):
        if not low <= cells[column] <= high:
            where = continent.replace("_", " ")
            table.refuse(
                row.line,
                column,
                f"{cells[column]:g}; {cells['country']} lies in {where}: allowed {low} to {high} degrees",
            )
    if 0 < cells["planned_mw"] < cells["operational_mw"]:
        table.refuse(
            row.line,
            "planned_mw",
            f"{cells['planned_mw']:g}, the whole site when built, is less than operational_mw {cells['operational_mw']:g}",
        )


def _site_columns() -> tuple[Column, ...]:
    remarks = ("state", "coord_precision", "cooling_basis", "source_url", "as_of", "grade", "note")
    return (
        Name("place_id"),
        Text("name"),
        Label("country", labels=tuple(continents())),
        Label("grid_zone", labels=tuple(reference.zone_prices())),
        Label("mw_basis", labels=("it", "gross")),
        Label("cooling", labels=COOLING),
        Label("kind", labels=KINDS),
        Number("lat", low=-90, high=90, unit="degrees north"),
        Number("lon", low=-180, high=180, unit="degrees east"),
        Number("operational_mw", low=0, high=20_000, unit="MW", may_be_empty=True, absent=0.0),
        Number("planned_mw", low=0, high=20_000, unit="MW when built", may_be_empty=True, absent=0.0),
        *(Text(name, may_miss=True, may_be_empty=True, absent="") for name in remarks),
    )


@cache
def _shipped_sites() -> UserTable:
    return _read_sites(reference.path_of("sites.csv"))


@cache
def export_rules(licences_granted: bool = True) -> ExportRules:
    """The shipped rules, ``sim/data/export_rules.csv``."""
    rules = []
    for row in reference.rows_of("export_rules.csv"):
        generations = frozenset(row["generations"].split(";"))
        assert generations <= set(GENERATIONS), row
        assert row["outcome"] in OUTCOMES, row
        origins, destinations = (frozenset(row[key].split(";")) for key in ("origins", "destinations"))
        rules.append((generations, origins, destinations, row["outcome"]))
    return ExportRules(tuple(rules), licences_granted)


@cache
def continents() -> dict[str, str]:
    """Continent of each country code."""
    return {row["country"]: row["continent"] for row in reference.rows_of("countries.csv")}


@cache
def freight_hubs() -> tuple[tuple[str, float, float], ...]:
    """(continent, lat, lon) of the cargo airports whose nearest docks are gateways."""
    return tuple(
        (row["continent"], float(row["lat"]), float(row["lon"]))
        for row in reference.rows_of("freight_hubs.csv")
    )


def _build(parameters: Parameters, table: UserTable) -> Places:
    countries, pues = continents(), pue_of_kind(parameters)
    share = {"liquid": 1.0, "air": 0.0, "unknown": parameters.site.unknown_liquid_share}
    lat, lon, watts, liquid, planned, pue = [], [], [], [], [], []
    for row in table.rows:
        cells = row.values
        place_pue = pues[cells["kind"]]
        scale = 1e6 / (place_pue if cells["mw_basis"] == "gross" else 1.0)
        operational = round(cells["operational_mw"] * scale)
        lat.append(cells["lat"])
        lon.append(cells["lon"])
        watts.append(operational)
        liquid.append(round(operational * share[cells["cooling"]]))
        planned.append(max(round(cells["planned_mw"] * scale) - operational, 0))
        pue.append(place_pue)
    text = {column: np.array(table.column(column)) for column in TEXTS}
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
        air_rack_watts=np.full(
            len(table.rows), round(parameters.site.air_rack_limit_kw * 1000), dtype=np.int64
        ),
    )
