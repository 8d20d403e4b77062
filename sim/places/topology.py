"""The freight graph of places and the capacity pools that stand in them (design.md 6, economics.md 1).

Every place has one dock. On a continent two docks are joined by a lane each way unless a third lies between
them (the Gabriel graph: sparse, connected, short detours); gateways join the continents. Cost sits on lanes:

- pool to dock: de-install, wipe, test and the fixed part of a domestic haul; only the last out of a
  warehouse, whose goods were prepared on the way in;
- dock to dock: distance, and between continents what the fixed part exceeds the domestic one by;
- dock to pool: re-install; nothing into a warehouse; no such lane into an in-place pool.

So a journey's cost is the sum over its lanes. Export rules forbid lanes; a country that restricts some class
is never needed on the way to another one, so forbidding its lanes hides no other place.

Invariant: at every place the watts of its private, open, in-place and displaced pools sum to the energised IT
watts, liquid likewise; forward pools stay within the planned watts, warehouses hold no power.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import networkx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree

from agents.vocabulary import (
    GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    Bools,
    Condition,
    Floats,
    Ints,
    PoolKind,
)
from sim.base.graphml import write_graphml
from sim.base.rounding import to_cents
from sim.kernel.book import Network
from sim.parameters import Parameters
from sim.places.places import (
    ExportRules,
    Places,
    export_rules,
    freight_hubs,
    great_circle_km,
    load_places,
)

__all__ = ["ExportRules", "Places", "Topology", "export_rules", "load_places"]

# Larger than any journey on Earth: keeps restricted countries from lying on the way to others.
DETOUR_KM = 1e6
_COLUMNS: dict[str, Any] = {
    "pool_place": np.int64,
    "pool_kind": np.int64,
    "pool_holder": np.int64,
    "pool_power": np.int64,
    "pool_liquid": np.int64,
    "pool_hosting": np.float64,
    "pool_pue": np.float64,
    "pool_opens_week": np.int64,
}


class Topology:
    """Places, the lanes between their docks, and the pools in them.

    Parameters
    ----------
    parameters
        Costs and transit times (`freight`), watts of the sellable unit (`hardware`).
    places
        Docks; the shipped sites if omitted.
    rules
        Export rules; the shipped ones if omitted.

    Attributes
    ----------
    pool_place, pool_kind, pool_holder, pool_opens_week : (n_pools,) int64
        Place row, `PoolKind`, party row (-1 none), week from which the pool is energised.
    pool_power, pool_liquid : (n_pools,) int64
        IT watts at the outset, and those among them behind liquid cooling.
    pool_hosting, pool_pue : (n_pools,) float64
        Posted fee in USD per kW-month; facility watts per IT watt.
    dock_lanes : (D, 2) int64
        Origin and destination place of every lane between docks, both directions, sorted.
    lane_km, lane_usd : (D,) float64
        Great-circle km (at least 1), cost in USD per GPU.
    lane_weeks : (D,) int64
        Transit beyond that of a domestic haul, weeks.
    """

    pool_place: Ints
    pool_kind: Ints
    pool_holder: Ints
    pool_power: Ints
    pool_liquid: Ints
    pool_hosting: Floats
    pool_pue: Floats
    pool_opens_week: Ints

    def __init__(
        self, parameters: Parameters, places: Places | None = None, rules: ExportRules | None = None
    ) -> None:
        self.tariff = parameters.freight  # what lanes are priced with; nothing changes it later
        self.places = load_places(parameters) if places is None else places
        self.rules = export_rules() if rules is None else rules
        self.unit_watts = parameters.hardware.unit_watts.array().astype(np.int64)[PRODUCT_GENERATION]
        self._store = {name: np.zeros(64, dtype=kind) for name, kind in _COLUMNS.items()}
        self._n = 0
        self._frozen = False
        self._network: Network | None = None
        self._restricted = np.array([self.rules.restricted(code) for code in self.places.country.tolist()])
        self._lay_lanes()
        self._show()

    # -- places -------------------------------------------------------------------------------------------

    @property
    def zone_names(self) -> tuple[str, ...]:
        """Grid zones; `Places.zone` indexes them."""
        return self.places.zone_names

    def nearest(self, lat: float, lon: float) -> int:
        """The place nearest to a point; ties go to the first."""
        places = self.places
        return int(np.argmin(great_circle_km(places.lat, places.lon, np.array(lat), np.array(lon))))

    # -- lanes between docks ------------------------------------------------------------------------------

    def _lay_lanes(self) -> None:
        places, freight = self.places, self.tariff
        n = places.n
        here, there = places.lat[:, None], places.lon[:, None]
        self._km = np.maximum(great_circle_km(here, there, places.lat[None, :], places.lon[None, :]), 1.0)
        same = places.continent[:, None] == places.continent[None, :]
        apart = ~np.eye(n, dtype=np.bool_)
        gateway = self._gateways()
        candidate = apart & (same | (gateway[:, None] & gateway[None, :]))
        penalty = DETOUR_KM * (self._restricted[:, None].astype(float) + self._restricted[None, :])
        laid = same & apart
        # Only unrestricted docks may stand between two others.
        for middle in np.flatnonzero(~self._restricted):
            detour = self._km[:, middle, None] ** 2 + self._km[None, middle, :] ** 2
            blocked = detour < self._km**2
            blocked[middle, :] = blocked[:, middle] = False
            laid &= ~(blocked & (places.continent == places.continent[middle])[:, None])
        tree = minimum_spanning_tree(np.where(candidate, self._km + penalty + DETOUR_KM * ~same, 0.0)).tocoo()
        laid[tree.row, tree.col] = True
        laid |= gateway[:, None] & gateway[None, :] & ~same
        laid |= laid.T
        origin, destination = np.nonzero(laid)
        self.dock_lanes = np.stack([origin, destination], axis=1).astype(np.int64)
        self.lane_km = self._km[origin, destination]
        overseas = ~same[origin, destination]
        fixed = max(freight.intercontinental_base_usd - freight.domestic_base_usd, 0.0)
        self.lane_usd = freight.per_1000_km_usd * self.lane_km / 1000.0 + fixed * overseas
        extra = max(round(freight.intercontinental_transit_weeks) - round(freight.transit_weeks), 0)
        self.lane_weeks = np.where(overseas, extra, 0).astype(np.int64)
        self.lane_overseas = overseas
        self._allowed = self.rules.table(
            places.country[origin].tolist(), places.country[destination].tolist()
        )  # (G, D)

    def _gateways(self) -> Bools:
        """Docks nearest to the cargo airports of their continent; unrestricted countries first."""
        places = self.places
        gateway = np.zeros(places.n, dtype=np.bool_)
        for continent, lat, lon in freight_hubs():
            member = np.flatnonzero(places.continent == continent)
            if len(member) == 0:
                continue
            km = great_circle_km(places.lat[member], places.lon[member], np.array(lat), np.array(lon))
            gateway[member[np.argmin(km + DETOUR_KM * self._restricted[member])]] = True
        return gateway

    @cached_property
    def _journey_weeks(self) -> Ints:
        """Weeks of the cheapest way between all docks, (P, P)."""
        n = self.places.n
        origin, destination = self.dock_lanes.T
        weight = self.lane_usd + 1e-6 * self.lane_km + DETOUR_KM * self._restricted[destination]
        graph = coo_array((weight, (origin, destination)), shape=(n, n)).tocsr()
        reach, before = dijkstra(graph, return_predecessors=True)
        weeks = np.zeros((n, n), dtype=np.int64)
        lane = np.full((n, n), -1)
        lane[origin, destination] = np.arange(len(origin))
        rows = np.arange(n)
        # A dock is visited after its predecessor, whose weeks are then complete.
        for step in np.argsort(reach, axis=1, kind="stable").T:
            previous = before[rows, step]
            moved = rows[previous >= 0]
            last, come = step[moved], previous[moved]
            weeks[moved, last] = weeks[moved, come] + self.lane_weeks[lane[come, last]]
        weeks += round(self.tariff.transit_weeks)
        np.fill_diagonal(weeks, 0)
        return weeks

    def transit_weeks(self, origin: int, destination: int) -> int:
        """Weeks on the way between two docks: a haul, and more if it leaves the continent."""
        return int(self._journey_weeks[origin, destination])

    # -- pools --------------------------------------------------------------------------------------------

    @property
    def n_pools(self) -> int:
        """Number of pools."""
        return self._n

    def _show(self) -> None:
        for name, column in self._store.items():
            seen = column[: self._n]
            seen.flags.writeable = False
            setattr(self, name, seen)

    def add_pool(
        self,
        place: int,
        kind: PoolKind,
        *,
        holder: int = -1,
        power_watts: int = 0,
        liquid_watts: int = 0,
        hosting_usd_per_kw_month: float = 0.0,
        pue: float | None = None,
        opens_week: int = 0,
    ) -> int:
        """Append a pool and return its id.

        Raises
        ------
        ValueError
            If the place or a number is out of range.
        RuntimeError
            After `freeze`.
        """
        if self._frozen:
            raise RuntimeError("the topology is frozen: pools are laid out before the run starts")
        if not 0 <= place < self.places.n:
            raise ValueError(f"place is {place}; allowed: 0 to {self.places.n - 1}, row of the places table")
        if not 0 <= liquid_watts <= power_watts:
            raise ValueError(
                f"liquid_watts is {liquid_watts}; allowed: 0 to power_watts = {power_watts} IT watts"
            )
        if kind == PoolKind.WAREHOUSE and power_watts:
            raise ValueError(
                f"power_watts of a warehouse is {power_watts}; allowed: 0 IT watts, storage only"
            )
        if not (hosting_usd_per_kw_month >= 0.0 and opens_week >= 0):
            raise ValueError(
                "hosting_usd_per_kw_month and opens_week must be at least 0 USD per kW-month and week 0"
            )
        facility = float(self.places.pue[place]) if pue is None else pue
        if not facility >= 1.0:
            raise ValueError(f"pue is {facility}; allowed: at least 1, facility watts per IT watt")
        if self._n == len(self._store["pool_place"]):
            self._store = {
                name: np.concatenate([old, np.zeros_like(old)]) for name, old in self._store.items()
            }
        row = (place, kind, holder, power_watts, liquid_watts, hosting_usd_per_kw_month, facility, opens_week)
        for column, value in zip(self._store.values(), row, strict=True):
            column[self._n] = value
        self._n += 1
        self._network = None
        self._show()
        return self._n - 1

    def freeze(self) -> None:
        """Allow no more pools: later capacity moves between pools, it does not appear."""
        self._frozen = True

    # -- the kernel's network -----------------------------------------------------------------------------

    def network(self) -> Network:
        """Docks 0..P-1, then pools, as the clearing kernel's arrays; built once until pools are added."""
        if self._network is None:
            lanes, freight = self.lanes()
            self._network = Network(
                n_nodes=self.places.n + self._n,
                lanes=lanes,
                freight=freight,
                unit=PRODUCT_UNIT.astype(np.int64),
                unit_watts=self.unit_watts,
                liquid=PRODUCT_LIQUID.copy(),
            )
        return self._network

    def lanes(self) -> tuple[np.ndarray[Any, np.dtype[np.int32]], Ints]:
        """All one-way lanes (L, 2) int32 and freight (N_PRODUCTS, L) int64 cents per GPU, -1 forbidden.

        Order: dock to dock, pool to dock, dock to pool.
        """
        pools = np.arange(self._n)
        nodes = self.places.n + pools
        entered = np.flatnonzero(self.pool_kind != PoolKind.IN_PLACE)
        lanes = np.concatenate(
            [
                self.dock_lanes,
                np.stack([nodes, self.pool_place], axis=1),
                np.stack([self.pool_place[entered], nodes[entered]], axis=1),
            ]
        ).astype(np.int32)
        across = np.where(self._allowed[PRODUCT_GENERATION], to_cents(self.lane_usd)[None, :], -1)
        return lanes, np.concatenate([across, self._leaving(), self._entering(entered)], axis=1)

    def _leaving(self) -> Ints:
        freight = self.tariff
        lift = np.where(PRODUCT_LIQUID, freight.deinstall_liquid_usd, freight.deinstall_air_usd)
        # Sold as is means sold untested.
        test = np.where(PRODUCT_CONDITION == Condition.AS_IS, 0.0, freight.testing_usd)
        haul = freight.domestic_base_usd
        cost = to_cents(lift + freight.wipe_usd + test + haul)
        stored = self.pool_kind == PoolKind.WAREHOUSE
        return np.where(stored[None, :], to_cents(haul), cost[:, None])

    def _entering(self, pools: Ints) -> Ints:
        freight, places = self.tariff, self.places
        cost = to_cents(np.where(PRODUCT_LIQUID, freight.reinstall_liquid_usd, freight.reinstall_air_usd))
        place = self.pool_place[pools]
        stored = self.pool_kind[pools] == PoolKind.WAREHOUSE
        # Halls still to be energised may have liquid where today's have none.
        with_liquid = (places.liquid_watts[place] > 0) | (self.pool_liquid[pools] > 0)
        dense = self.unit_watts[:, None] > places.air_rack_watts[place][None, :]
        barred = (PRODUCT_LIQUID[:, None] | dense) & ~with_liquid[None, :]
        return np.where(stored[None, :], 0, np.where(barred, -1, cost[:, None]))

    # -- to look at ---------------------------------------------------------------------------------------

    def place_graph(self) -> "networkx.DiGraph[str]":
        """Docks as nodes (keyed by place id) and lanes as edges, with attributes that GraphML can hold."""
        places = self.places
        graph: networkx.DiGraph[str] = networkx.DiGraph(name="firesale places")
        for i in range(places.n):
            graph.add_node(
                str(places.id[i]),
                name=str(places.name[i]),
                country=str(places.country[i]),
                zone=self.zone_names[int(places.zone[i])],
                kind=str(places.kind[i]),
                lat=float(places.lat[i]),
                lon=float(places.lon[i]),
                it_watts=int(places.it_watts[i]),
                liquid_watts=int(places.liquid_watts[i]),
                planned_watts=int(places.planned_watts[i]),
                pue=float(places.pue[i]),
            )
        for lane, (origin, destination) in enumerate(self.dock_lanes.tolist()):
            barred = [name for g, name in enumerate(GENERATIONS) if not self._allowed[g, lane]]
            graph.add_edge(
                str(places.id[origin]),
                str(places.id[destination]),
                km=float(self.lane_km[lane]),
                usd_per_gpu=float(self.lane_usd[lane]),
                intercontinental=bool(self.lane_overseas[lane]),
                extra_weeks=int(self.lane_weeks[lane]),
                forbidden=";".join(barred),
            )
        return graph

    def write_graphml(self, path: str | Path) -> None:
        """Write `place_graph` for Gephi, yEd or networkx."""
        write_graphml(self.place_graph(), path)
