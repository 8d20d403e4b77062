"""What pools and journeys come to, worked out apart from the topology (design.md 6)."""

from itertools import pairwise

import networkx
import numpy as np

from agents.vocabulary import Ints, PoolKind
from sim.places.topology import Topology

# Pools that share the energised watts of their place.
OPERATING = (PoolKind.PRIVATE, PoolKind.OPEN, PoolKind.IN_PLACE, PoolKind.DISPLACED)


def watts_by_place(topology: Topology) -> tuple[Ints, Ints]:
    """IT watts and liquid watts of the operating pools of every place, each (P,) int64."""
    operating = np.isin(topology.pool_kind, OPERATING)
    total = np.zeros((2, topology.places.n), dtype=np.int64)
    np.add.at(total[0], topology.pool_place[operating], topology.pool_power[operating])
    np.add.at(total[1], topology.pool_place[operating], topology.pool_liquid[operating])
    return total[0], total[1]


def pools_sum_to_places(topology: Topology) -> None:
    """Check that pools partition the watts of their places.

    Raises
    ------
    ValueError
        Names the first place that is out, and by how much.
    """
    places = topology.places
    ahead = np.zeros(places.n, dtype=np.int64)
    forward = topology.pool_kind == PoolKind.FORWARD
    np.add.at(ahead, topology.pool_place[forward], topology.pool_power[forward])
    power, liquid = watts_by_place(topology)
    for have, want, what in (
        (power, places.it_watts, "IT watts"),
        (liquid, places.liquid_watts, "liquid watts"),
        (np.maximum(ahead, places.planned_watts), places.planned_watts, "planned watts"),
    ):
        out = np.flatnonzero(have != want)
        if len(out):
            worst = int(out[0])
            raise ValueError(
                f"{places.name[worst]}: pools hold {have[worst]} {what}, the place has {want[worst]}"
            )


def journey(topology: Topology, origin: int, destination: int) -> tuple[float, float, int]:
    """Km, USD per GPU and weeks above a haul's of the cheapest way between two docks, by networkx on the graph of places.

    The way leads through no country whose imports are restricted, unless it ends there.
    """
    graph = topology.place_graph()
    ends = {str(topology.places.id[origin]), str(topology.places.id[destination])}
    restricted = [
        place
        for place in graph
        if place not in ends and any(lane["forbidden"] for _, _, lane in graph.in_edges(place, data=True))
    ]
    graph.remove_nodes_from(restricted)
    path = networkx.shortest_path(
        graph,
        str(topology.places.id[origin]),
        str(topology.places.id[destination]),
        weight=lambda _, __, lane: lane["usd_per_gpu"] + 1e-6 * lane["km"],
    )
    lanes = [graph.edges[step] for step in pairwise(path)]
    return (
        sum(lane["km"] for lane in lanes),
        sum(lane["usd_per_gpu"] for lane in lanes),
        sum(lane["extra_weeks"] for lane in lanes),
    )
