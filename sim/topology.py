"""The map: places with docks and capacity pools, freight lanes between docks, export rules.

One networkx graph of places; arrays underneath for the kernel. A place is one dock plus pools that partition its IT
watts and liquid watts (economics.md section 1). Costs lie on directed lanes: pool to dock de-install, wipe and
test; dock to dock freight; dock to pool re-install. Gross megawatts are divided by PUE once, here.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from agents.vocabulary import (
    LIQUID_ONLY,
    N_PRODUCTS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    UNIT,
    Bools,
    Condition,
    Floats,
    Ints,
    PoolKind,
)
from sim import reference
from sim.clearing import Network
from sim.parameters import ParameterError, Parameters

KINDS = ("hyperscale", "colo", "neocloud", "miner-converted", "miner")
EARTH_RADIUS_KM = 6371.0
NEIGHBOURS = 5
# Continents by country; lanes within one are by road, lanes between gateways by air.
CONTINENT = {
    **dict.fromkeys(("US", "CA"), "north america"),
    **dict.fromkeys(("NO", "FI", "PT", "IS", "GB", "SE", "DE"), "europe"),
    **dict.fromkeys(("MY", "ID", "CN", "BT"), "asia"),
    **dict.fromkeys(("AE",), "gulf"),
    **dict.fromkeys(("AU",), "oceania"),
    **dict.fromkeys(("ET",), "africa"),
}
COLUMNS = {
    "place_id": "text",
    "name": "text",
    "country": "two letters",
    "lat": "-90 to 90 degrees",
    "lon": "-180 to 180 degrees",
    "grid_zone": "a zone of power_prices.csv",
    "operational_mw": "0 to 20,000 MW",
    "planned_mw": "0 to 20,000 MW",
    "mw_basis": "it or gross",
    "cooling": "liquid-ready, air or unknown",
    "kind": ", ".join(KINDS),
}


@dataclass(frozen=True, slots=True)
class Places:
    """Real sites, arrays of one length; watts are IT nameplate."""

    id: list[str]
    name: list[str]
    lat: Floats
    lon: Floats
    country: np.ndarray[Any, np.dtype[np.str_]]
    zone: Ints
    zone_names: tuple[str, ...]
    kind: np.ndarray[Any, np.dtype[np.str_]]
    it_watts: Ints
    liquid_watts: Ints
    planned_watts: Ints
    pue: Floats

    @property
    def n(self) -> int:
        """Number of places."""
        return len(self.id)


def _number(row: dict[str, str], column: str, low: float, high: float, where: str) -> float:
    try:
        value = float(row[column] or 0)
    except ValueError:
        raise ParameterError(f"{where}, column {column}: {row[column]!r} is not a number") from None
    if not low <= value <= high:
        raise ParameterError(f"{where}, column {column}: {value:g}; allowed {COLUMNS[column]}")
    return value


def load_places(parameters: Parameters, path: Path | None = None) -> Places:
    """Read and validate places; the shipped sites unless a file is named in `world.sites_file`.

    Raises
    ------
    ParameterError
        Names the file, the row, the column and what is allowed there.
    """
    named = path or (Path(parameters.world.sites_file) if parameters.world.sites_file else None)
    source = named or reference.path_of("sites.csv")
    try:
        with source.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ParameterError(f"world.sites_file: cannot read {source}: {error.strerror}") from None
    zones = reference.zone_prices()
    zone_names = tuple(sorted(zones))
    pue_of = {
        "hyperscale": parameters.site.pue_owned,
        "neocloud": parameters.site.pue_owned,
        "colo": parameters.site.pue_colocation,
        "miner-converted": parameters.site.pue_miner,
        "miner": parameters.site.pue_miner,
    }
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise ParameterError(f"{source.name}: column {missing[0]} is missing ({COLUMNS[missing[0]]})")
    table: dict[str, list[Any]] = {name: [] for name in ("lat", "lon", "watts", "liquid", "planned", "pue", "zone")}
    for number, row in enumerate(rows, start=2):
        where = f"{source.name}, row {number}"
        for column, allowed in (
            ("kind", KINDS),
            ("mw_basis", ("it", "gross")),
            ("cooling", ("liquid-ready", "air", "unknown")),
            ("grid_zone", zone_names),
            ("country", tuple(CONTINENT)),
        ):
            if row[column] not in allowed:
                raise ParameterError(f"{where}, column {column}: {row[column]!r}; one of {', '.join(allowed)}")
        pue = pue_of[row["kind"]]
        divisor = pue if row["mw_basis"] == "gross" else 1.0
        operational = _number(row, "operational_mw", 0, 20_000, where)
        planned = max(_number(row, "planned_mw", 0, 20_000, where) - operational, 0.0)
        watts = int(operational * 1e6 / divisor)
        table["lat"].append(_number(row, "lat", -90, 90, where))
        table["lon"].append(_number(row, "lon", -180, 180, where))
        table["watts"].append(watts)
        table["liquid"].append(watts if row["cooling"] == "liquid-ready" else 0)
        table["planned"].append(int(planned * 1e6 / divisor))
        table["pue"].append(pue)
        table["zone"].append(zone_names.index(row["grid_zone"]))
    return Places(
        id=[row["place_id"] for row in rows],
        name=[row["name"] for row in rows],
        lat=np.array(table["lat"]),
        lon=np.array(table["lon"]),
        country=np.array([row["country"] for row in rows]),
        zone=np.array(table["zone"], dtype=np.int64),
        zone_names=zone_names,
        kind=np.array([row["kind"] for row in rows]),
        it_watts=np.array(table["watts"], dtype=np.int64),
        liquid_watts=np.array(table["liquid"], dtype=np.int64),
        planned_watts=np.array(table["planned"], dtype=np.int64),
        pue=np.array(table["pue"]),
    )


def great_circle_km(lat: Floats, lon: Floats) -> Floats:
    """Distances between all places, km (haversine)."""
    phi, lam = np.radians(lat), np.radians(lon)
    half = np.sin((phi[:, None] - phi[None]) / 2) ** 2
    half += np.cos(phi)[:, None] * np.cos(phi)[None] * np.sin((lam[:, None] - lam[None]) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


class Topology:
    """Places, lanes and pools. Pools are added while the world is populated, then `freeze` fixes them."""

    def __init__(self, parameters: Parameters, places: Places) -> None:
        self.parameters = parameters
        self.places = places
        self.zone_names = places.zone_names
        self.km = great_circle_km(places.lat, places.lon)
        self.continent = np.array([CONTINENT[c] for c in places.country])
        self.freight_lanes = self._freight_lanes()
        self._columns: dict[str, list[Any]] = {
            name: [] for name in ("place", "kind", "holder", "power", "liquid", "hosting", "pue", "opens_week")
        }
        self._frozen: dict[str, Any] = {}
        self._network: Network | None = None
        self._weeks = self._transit_matrix()

    # -- lanes between docks ------------------------------------------------------------------------------

    def _freight_lanes(self) -> list[tuple[int, int]]:
        """Nearest neighbours on each continent, a spanning tree, and air lanes between gateways."""
        lanes: set[tuple[int, int]] = set()
        gateways = []
        for continent in np.unique(self.continent):
            here = np.flatnonzero(self.continent == continent)
            inner = self.km[np.ix_(here, here)]
            tree = nx.minimum_spanning_tree(nx.from_numpy_array(inner + 1e-9))
            lanes.update((int(here[a]), int(here[b])) for a, b in tree.edges)
            for row, origin in enumerate(here):
                near = np.argsort(inner[row], kind="stable")[1 : NEIGHBOURS + 1]
                lanes.update((int(origin), int(here[target])) for target in near)
            gateways.append(int(here[np.argmin(inner.sum(axis=0))]))
        lanes.update((a, b) for a in gateways for b in gateways if a < b)
        both = {(a, b) for a, b in lanes} | {(b, a) for a, b in lanes}
        return sorted(both)

    def _between_continents(self) -> Bools:
        return np.array([self.continent[a] != self.continent[b] for a, b in self.freight_lanes], dtype=np.bool_)

    def _transit_matrix(self) -> Ints:
        """Weeks in transit between docks along the fewest-week route."""
        freight = self.parameters.freight
        if not self.freight_lanes:
            return np.zeros((self.places.n, self.places.n), dtype=np.int64)
        origin, target = np.array(self.freight_lanes).T
        far = self._between_continents()
        hours = np.where(far, freight.intercontinental_transit_weeks, self.km[origin, target] / 1e6 + 1e-6)
        graph = csr_matrix((hours, (origin, target)), shape=(self.places.n, self.places.n))
        reach = dijkstra(graph)
        weeks = np.ceil(np.maximum(reach, freight.transit_weeks) - 0.5)
        return np.where(np.isfinite(reach), weeks, 52).astype(np.int64)

    def transit_weeks(self, origin: int, destination: int) -> int:
        """Weeks on the road or in the air between two places."""
        return int(self._weeks[origin, destination])

    def nearest(self, lat: float, lon: float) -> int:
        """The place nearest to a point."""
        distance = great_circle_km(np.r_[self.places.lat, lat], np.r_[self.places.lon, lon])[-1, :-1]
        return int(np.argmin(distance))

    # -- pools --------------------------------------------------------------------------------------------

    def add_pool(
        self,
        place: int,
        kind: PoolKind,
        *,
        holder: int,
        power_watts: int,
        liquid_watts: int,
        hosting_usd_per_kw_month: float,
        pue: float,
        opens_week: int = 0,
    ) -> int:
        """Add a pool and return its number."""
        if self._frozen and self._network is not None:
            raise ValueError("the pools of this topology are fixed")
        self._frozen = {}
        values = (place, int(kind), holder, power_watts, liquid_watts, hosting_usd_per_kw_month, pue, opens_week)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        return len(self._columns["place"]) - 1

    def freeze(self) -> None:
        """Fix the pools; the network is built once from them."""
        self.network()

    @property
    def n_pools(self) -> int:
        """Number of pools."""
        return len(self._columns["place"])

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("pool_"):
            raise AttributeError(name)
        column = name.removeprefix("pool_")
        columns = self.__dict__.get("_columns", {})
        if column not in columns:
            raise AttributeError(name)
        if column not in self._frozen:
            kind = np.float64 if column in ("hosting", "pue") else np.int64
            self._frozen[column] = np.array(columns[column], dtype=kind)
        return self._frozen[column]

    # -- the kernel's network -----------------------------------------------------------------------------

    def network(self) -> Network:
        """Docks (nodes 0..P-1), pools (from P on) and all lanes with their cost per product."""
        if self._network is None:
            self._network = self._build_network()
        return self._network

    def _build_network(self) -> Network:
        docks, freight = self.places.n, self.parameters.freight
        lanes: list[tuple[int, int]] = []
        costs: list[Floats] = []
        used = PRODUCT_CONDITION != Condition.NEW
        out = np.where(PRODUCT_LIQUID, freight.deinstall_liquid_usd, freight.deinstall_air_usd)
        leave = out + freight.wipe_usd + freight.testing_usd + freight.domestic_base_usd
        back = np.where(PRODUCT_LIQUID, freight.reinstall_liquid_usd, freight.reinstall_air_usd).astype(float)
        far = self._between_continents()
        for lane, (origin, target) in enumerate(self.freight_lanes):
            cost = self.km[origin, target] / 1000.0 * freight.per_1000_km_usd
            if far[lane]:
                cost = freight.intercontinental_base_usd - freight.domestic_base_usd
                cost += self.km[origin, target] / 1000.0 * freight.per_1000_km_usd * 0.25
            lanes.append((origin, target))
            costs.append(np.where(self._may_enter(target), cost, -1.0))
        for pool in range(self.n_pools):
            place, kind = int(self.pool_place[pool]), int(self.pool_kind[pool])
            node = docks + pool
            store = kind == PoolKind.WAREHOUSE
            lanes.append((node, place))
            fresh = np.where(used, freight.domestic_base_usd if store else leave, freight.domestic_base_usd)
            costs.append(fresh)
            if kind == PoolKind.IN_PLACE:
                continue
            lanes.append((place, node))
            enter = np.zeros(N_PRODUCTS) if store else np.where(self._fits(place), back, -1.0)
            costs.append(enter)
        unit_watts = self.parameters.hardware.unit_watts.array().astype(np.int64)
        cents = np.rint(np.array(costs).T * 100.0)
        return Network(
            n_nodes=docks + self.n_pools,
            lanes=np.array(lanes, dtype=np.int32),
            freight=np.where(cents < 0, -1, cents).astype(np.int64),
            unit=PRODUCT_UNIT.copy(),
            unit_watts=unit_watts[PRODUCT_GENERATION],
            liquid=PRODUCT_LIQUID.copy(),
        )

    def _may_enter(self, place: int) -> Bools:
        """Products that may be shipped to a place: export rules are enforced on every lane into a country."""
        controlled = reference.controlled_countries().get(str(self.places.country[place]), len(UNIT))
        return np.asarray(PRODUCT_GENERATION < controlled)

    def _fits(self, place: int) -> Bools:
        """Products that can be installed at a place: liquid where needed, and air racks within their limit."""
        wet = self.places.liquid_watts[place] > 0 or (
            self.places.it_watts[place] == 0 and self.places.planned_watts[place] > 0
        )
        node_kw = self.parameters.hardware.unit_watts.array() / 1000.0
        airable = ~LIQUID_ONLY & (node_kw <= self.parameters.site.air_rack_limit_kw)
        allowed = np.where(LIQUID_ONLY, wet, airable)
        return np.asarray(allowed[PRODUCT_GENERATION])

    # -- the researcher's graph ---------------------------------------------------------------------------

    def graph(self) -> "nx.DiGraph[str]":
        """The map as a networkx graph: places with attributes, freight lanes with km and weeks."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        places = self.places
        for i in range(places.n):
            graph.add_node(
                places.id[i],
                name=places.name[i],
                latitude=float(places.lat[i]),
                longitude=float(places.lon[i]),
                country=str(places.country[i]),
                zone=places.zone_names[places.zone[i]],
                kind=str(places.kind[i]),
                it_watts=int(places.it_watts[i]),
                liquid_watts=int(places.liquid_watts[i]),
                pools=int((self.pool_place == i).sum()) if self.n_pools else 0,
            )
        for origin, target in self.freight_lanes:
            graph.add_edge(
                places.id[origin],
                places.id[target],
                km=round(float(self.km[origin, target]), 1),
                weeks=self.transit_weeks(origin, target),
            )
        return graph

    def write_graphml(self, path: Path) -> None:
        """Export the map for other programs."""
        nx.write_graphml(self.graph(), path)
