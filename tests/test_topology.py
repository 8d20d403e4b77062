"""Places, freight lanes, export rules and pools."""

import csv
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from theory.places import journey, pools_sum_to_places, watts_by_place

from agents.vocabulary import (
    GENERATIONS,
    N_PRODUCTS,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    Condition,
    PoolKind,
    product_of,
)
from sim.base.user_table import TableError
from sim.parameters import Parameters
from sim.places.topology import Topology, export_rules, load_places

PARAMETERS = Parameters()
PLACES = load_places(PARAMETERS)
H100 = product_of(GENERATIONS.index("H100"), Condition.CLEAN)
SITES = (files("sim") / "data" / "sites.csv").read_text(encoding="utf-8")


def place(name: str) -> int:
    return int(np.flatnonzero(np.char.startswith(PLACES.name, name))[0])


def partitioned() -> Topology:
    """Each place cut into a private third, an open rest, an in-place pool and its planned watts."""
    topology = Topology(PARAMETERS, PLACES)
    for p in range(PLACES.n):
        watts, liquid = int(PLACES.it_watts[p]), int(PLACES.liquid_watts[p])
        topology.add_pool(p, PoolKind.PRIVATE, holder=1, power_watts=watts // 3, liquid_watts=liquid // 3)
        topology.add_pool(
            p, PoolKind.OPEN, power_watts=watts - watts // 3, liquid_watts=liquid - liquid // 3, pue=1.3
        )
        topology.add_pool(p, PoolKind.IN_PLACE)
        if PLACES.planned_watts[p]:
            topology.add_pool(p, PoolKind.FORWARD, power_watts=int(PLACES.planned_watts[p]), opens_week=9)
    topology.add_pool(place("Memphis"), PoolKind.WAREHOUSE, holder=2)
    return topology


def cheapest(topology: Topology, product: int, source: int) -> np.ndarray:
    """Freight in cents from a pool to every node, infinite where the product may not go."""
    lanes, freight = topology.lanes()
    n = topology.places.n + topology.n_pools
    open_lanes = freight[product] >= 0
    # Free warehouse lanes must not look like missing ones.
    weight = freight[product][open_lanes] + 1e-3
    graph = coo_array((weight, lanes[open_lanes].T), shape=(n, n)).tocsr()
    return np.asarray(dijkstra(graph, indices=topology.places.n + source))


def reaches(topology: Topology, generation: str, origin: str, destination: str) -> bool:
    product = product_of(GENERATIONS.index(generation), Condition.CLEAN)
    start = int(np.flatnonzero(topology.pool_place == place(origin))[0])
    return bool(np.isfinite(cheapest(topology, product, start)[place(destination)]))


# -- sites ------------------------------------------------------------------------------------------------


def test_shipped_sites_carry_a_citation() -> None:
    for row in csv.DictReader(SITES.splitlines()):
        assert re.match(r"https?://[^/]+/.+", row["source_url"]), row["place_id"]
        assert "browse-edgar" not in row["source_url"]
        assert row["grade"] in ("A", "B", "C")
    assert not {"operator", "tenant"} & set(SITES.splitlines()[0].split(","))


def test_gross_megawatts_are_divided_by_pue_once() -> None:
    odessa, denton = place("Odessa"), place("Denton")
    assert PLACES.it_watts[odessa] == round(207e6 / PARAMETERS.site.pue_miner)
    assert PLACES.it_watts[denton] == 262_000_000
    assert PLACES.planned_watts[denton] == 20_000_000


def test_unknown_cooling_is_air_unless_a_share_is_given() -> None:
    lincoln = place("Lincoln")
    assert PLACES.it_watts[lincoln] > 0 and PLACES.liquid_watts[lincoln] == 0
    wetter = load_places(Parameters.from_overrides({"site.unknown_liquid_share": 0.5}))
    assert wetter.liquid_watts[lincoln] == PLACES.it_watts[lincoln] // 2
    assert (PLACES.liquid_watts <= PLACES.it_watts).all()


def test_place_without_operating_megawatts_is_zero() -> None:
    assert PLACES.it_watts[place("Childress")] == 0 and PLACES.planned_watts[place("Childress")] > 0


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("lat", "133", "-90 to 90 degrees north"),
        ("lon", "west", "-180 to 180 degrees east"),
        ("operational_mw", "-1", "0 to 20,000 MW"),
        ("planned_mw", "nan", "0 to 20,000 MW"),
        ("kind", "hyperscaler", "did you mean hyperscale?"),
        ("country", "USA", "did you mean US?"),
        ("cooling", "liqid", "did you mean liquid?"),
        ("name", "", "empty"),
        ("grid_zone", "ERCOTT", "did you mean ERCOT?"),
        ("place_id", "p001", "stands in line 2 already"),
    ],
)
def test_broken_cell_is_named(tmp_path: Path, column: str, text: str, said: str) -> None:
    rows = list(csv.DictReader(SITES.splitlines()))
    rows[3][column] = text
    path = tmp_path / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(TableError) as caught:
        load_places(PARAMETERS, path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 5") and said in message and column in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: column place_id is missing"),
        (SITES.replace("grid_zone", "gridzone", 1), "did you mean grid_zone?"),
        (SITES.splitlines()[0], "no rows"),
        ("\n".join([*SITES.splitlines()[:2], "p002,x"]), "line 3: 2 cells"),
    ],
)
def test_broken_table_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=re.escape(said)):
        load_places(PARAMETERS, path)


def test_missing_table_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"nowhere\.csv: cannot be read"):
        load_places(PARAMETERS, tmp_path / "nowhere.csv")


def test_table_of_one_place(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("\n".join(SITES.splitlines()[:2]), encoding="utf-8")
    topology = Topology(PARAMETERS, load_places(PARAMETERS, path))
    pools = [topology.add_pool(0, PoolKind.OPEN) for _ in range(2)]
    assert topology.dock_lanes.shape == (0, 2) and topology.transit_weeks(0, 0) == 0
    assert np.isfinite(cheapest(topology, H100, pools[0])[1 + pools[1]])


# -- lanes ------------------------------------------------------------------------------------------------


def test_every_lane_runs_both_ways_at_one_cost() -> None:
    topology = Topology(PARAMETERS, PLACES)
    cost = {
        tuple(lane): usd for lane, usd in zip(topology.dock_lanes.tolist(), topology.lane_usd, strict=True)
    }
    assert all(cost[b, a] == usd for (a, b), usd in cost.items())
    assert all(a != b for a, b in cost)


def test_docks_are_connected_and_lanes_sparse() -> None:
    topology = Topology(PARAMETERS, PLACES)
    assert networkx.is_strongly_connected(topology.place_graph())
    assert len(topology.dock_lanes) < 12 * PLACES.n


def test_same_tables_give_the_same_lanes() -> None:
    one, two = partitioned(), partitioned()
    for left, right in zip(one.lanes(), two.lanes(), strict=True):
        assert left.tobytes() == right.tobytes()


def test_no_dock_is_hidden_behind_a_restricted_country() -> None:
    topology = Topology(PARAMETERS, PLACES)
    graph = topology.place_graph()
    for country in ("CN", "AE"):
        graph.remove_nodes_from([n for n, at in list(graph.nodes("country")) if at == country])
    assert networkx.is_strongly_connected(graph)


def test_freight_of_a_domestic_journey_is_the_sum_on_its_path() -> None:
    topology, freight = partitioned(), PARAMETERS.freight
    source = int(np.flatnonzero(topology.pool_place == place("Denton"))[0])
    target = int(np.flatnonzero(topology.pool_place == place("Barker"))[0])
    paid = cheapest(topology, H100, source)[PLACES.n + target] / 100
    usd = (
        freight.deinstall_air_usd + freight.wipe_usd + freight.testing_usd + freight.domestic_base_usd
    ) + freight.reinstall_air_usd
    km, _, _ = journey(topology, place("Denton"), place("Barker"))
    direct = float(topology._km[place("Denton"), place("Barker")])
    assert paid == pytest.approx(usd + freight.per_1000_km_usd * km / 1000, abs=0.2)
    assert direct <= km < 1.15 * direct
    assert topology.transit_weeks(place("Denton"), place("Barker")) == 1


def test_crossing_an_ocean_costs_the_difference_of_the_fixed_parts_and_weeks() -> None:
    topology, freight = Topology(PARAMETERS, PLACES), PARAMETERS.freight
    km, haul, _ = journey(topology, place("Denton"), place("Sines"))
    extra = freight.intercontinental_base_usd - freight.domestic_base_usd
    assert haul == pytest.approx(extra + freight.per_1000_km_usd * km / 1000)
    assert topology.transit_weeks(place("Denton"), place("Sines")) == freight.intercontinental_transit_weeks


def test_transit_agrees_with_networkx() -> None:
    topology = Topology(PARAMETERS, PLACES)
    haul = round(PARAMETERS.freight.transit_weeks)
    for i in range(1, PLACES.n):
        assert topology.transit_weeks(0, i) == haul + journey(topology, 0, i)[2], PLACES.name[i]


def test_warehouse_only_stores_and_in_place_is_not_entered() -> None:
    topology = partitioned()
    lanes, freight = topology.lanes()
    store = PLACES.n + int(np.flatnonzero(topology.pool_kind == PoolKind.WAREHOUSE)[0])
    assert (freight[:, lanes[:, 1] == store] == 0).all()
    assert (freight[:, lanes[:, 0] == store] == round(100 * PARAMETERS.freight.domestic_base_usd)).all()
    in_place = PLACES.n + np.flatnonzero(topology.pool_kind == PoolKind.IN_PLACE)
    assert not np.isin(lanes[:, 1], in_place).any()
    assert np.isin(in_place, lanes[:, 0]).all()


def test_units_sold_as_is_are_not_tested() -> None:
    topology = partitioned()
    lanes, freight = topology.lanes()
    leaving = int(np.flatnonzero(lanes[:, 0] == PLACES.n)[0])
    as_is = product_of(GENERATIONS.index("H100"), Condition.AS_IS)
    assert freight[H100, leaving] - freight[as_is, leaving] == round(100 * PARAMETERS.freight.testing_usd)


# -- who may have what ------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["B200", "GB200", "GB300", "VR200"])
def test_newest_generations_reach_china_by_no_route(generation: str) -> None:
    topology = partitioned()
    for origin in ("Denton", "Nusajaya", "Sines", "Gedu", "Abu Dhabi"):
        assert not reaches(topology, generation, origin, "Zhangbei")
    assert reaches(topology, generation, "Denton", "Sines")
    assert reaches(topology, generation, "Denton", "Gedu")


def test_oldest_generation_goes_everywhere() -> None:
    topology = partitioned()
    for destination in ("Zhangbei", "Abu Dhabi", "Melbourne", "Keflavik"):
        assert reaches(topology, "V100", "Denton", destination)


def test_hopper_enters_china_only_over_a_lane_from_the_united_states() -> None:
    topology = Topology(PARAMETERS, PLACES)
    china = place("Zhangbei")
    into = np.flatnonzero(topology.dock_lanes[:, 1] == china)
    for lane in into:
        origin = topology.dock_lanes[lane, 0]
        allowed = topology._allowed[GENERATIONS.index("H100"), lane]
        assert allowed == (PLACES.country[origin] == "US")


def test_licences_can_be_refused() -> None:
    strict = export_rules(licences_granted=False)
    assert export_rules().allowed("H100", "US", "AE") and not strict.allowed("H100", "US", "AE")
    assert strict.allowed("H100", "US", "NO") and strict.allowed("V100", "US", "AE")
    assert not reaches_abu_dhabi(strict)


def reaches_abu_dhabi(rules: object) -> bool:
    topology = Topology(PARAMETERS, PLACES, rules)  # type: ignore[arg-type]
    topology.add_pool(place("Denton"), PoolKind.OPEN)
    return bool(np.isfinite(cheapest(topology, H100, 0)[place("Abu Dhabi")]))


def test_liquid_products_cannot_enter_a_place_without_liquid() -> None:
    topology = partitioned()
    lanes, freight = topology.lanes()
    for node, dry in (
        (PLACES.n + int(np.flatnonzero(topology.pool_place == place(name))[0]), dry)
        for name, dry in (("Odessa", True), ("Denton", False))
    ):
        entry = int(np.flatnonzero(lanes[:, 1] == node)[0])
        assert ((freight[PRODUCT_LIQUID, entry] < 0) == dry).all()
        assert (freight[~PRODUCT_LIQUID, entry] >= 0).all()


def test_air_limit_bars_nodes_that_are_too_dense() -> None:
    # 14.3 kW nodes under a 12 kW rack limit, 10.2 kW nodes fit.
    topology = Topology(PARAMETERS, replace(PLACES, air_rack_watts=np.full(PLACES.n, 12_000)))
    pool = topology.add_pool(place("Odessa"), PoolKind.OPEN)
    lanes, freight = topology.lanes()
    entry = int(np.flatnonzero(lanes[:, 1] == PLACES.n + pool)[0])
    b200 = PRODUCT_GENERATION == GENERATIONS.index("B200")
    assert (freight[b200, entry] == -1).all() and freight[H100, entry] > 0


# -- pools ------------------------------------------------------------------------------------------------


def test_pools_partition_the_watts_of_every_place() -> None:
    topology = partitioned()
    pools_sum_to_places(topology)
    topology.add_pool(place("Denton"), PoolKind.OPEN, power_watts=1)
    with pytest.raises(
        ValueError, match="Denton, TX: pools hold 262000001 IT watts, the place has 262000000"
    ):
        pools_sum_to_places(topology)


def test_forward_pools_stay_within_the_plan() -> None:
    topology = partitioned()
    topology.add_pool(place("Denton"), PoolKind.FORWARD, power_watts=1)
    with pytest.raises(ValueError, match="planned watts"):
        pools_sum_to_places(topology)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, PLACES.n - 1),
            st.sampled_from([k for k in PoolKind if k != PoolKind.WAREHOUSE]),
            st.integers(0, 10**9),
            st.floats(0, 1),
        ),
        max_size=150,
    )
)
def test_pool_columns_keep_what_was_added(rows: list[tuple[int, PoolKind, int, float]]) -> None:
    topology = Topology(PARAMETERS, PLACES)
    for i, (where, kind, watts, wet) in enumerate(rows):
        liquid = int(watts * wet)
        assert topology.add_pool(where, kind, holder=i, power_watts=watts, liquid_watts=liquid) == i
    assert topology.n_pools == len(rows)
    assert topology.pool_place.tolist() == [row[0] for row in rows]
    assert topology.pool_power.tolist() == [row[2] for row in rows]
    assert topology.pool_holder.tolist() == list(range(len(rows)))
    operating = sum(row[2] for row in rows if row[1] != PoolKind.FORWARD)
    assert int(watts_by_place(topology)[0].sum()) == operating
    lanes, freight = topology.lanes()
    assert freight.shape == (N_PRODUCTS, len(lanes)) and freight.dtype == np.int64 and (freight >= -1).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"place": 10_000}, "place is 10000; allowed: 0 to"),
        ({"liquid_watts": 5}, "allowed: 0 to power_watts = 0"),
        ({"kind": PoolKind.WAREHOUSE, "power_watts": 5}, "storage only"),
        ({"pue": 0.9}, "at least 1"),
    ],
)
def test_bad_pool_is_refused(wrong: dict[str, object], said: str) -> None:
    topology = Topology(PARAMETERS, PLACES)
    with pytest.raises(ValueError, match=re.escape(said)):
        topology.add_pool(**{"place": 0, "kind": PoolKind.OPEN, **wrong})  # type: ignore[arg-type]


def test_frozen_topology_takes_no_pools_and_shows_read_only_columns() -> None:
    topology = partitioned()
    topology.freeze()
    with pytest.raises(RuntimeError, match="frozen"):
        topology.add_pool(0, PoolKind.OPEN)
    with pytest.raises(ValueError, match="read-only"):
        topology.pool_power[0] = 1


def test_network_is_cached_until_a_pool_is_added() -> None:
    pytest.importorskip("sim.kernel.clearing")
    topology = partitioned()
    first = topology.network()
    assert topology.network() is first and first.n_nodes == PLACES.n + topology.n_pools
    topology.add_pool(0, PoolKind.IN_PLACE)
    assert topology.network().n_nodes == first.n_nodes + 1


# -- to look at -------------------------------------------------------------------------------------------


def test_graphml_round_trip(tmp_path: Path) -> None:
    topology = Topology(PARAMETERS, PLACES)
    path = tmp_path / "places.graphml"
    topology.write_graphml(path)
    written, read = topology.place_graph(), networkx.read_graphml(path)
    assert dict(read.nodes(data=True)) == dict(written.nodes(data=True))
    assert {(a, b): d for a, b, d in read.edges(data=True)} == {
        (a, b): d for a, b, d in written.edges(data=True)
    }


def test_zones_and_nearest() -> None:
    topology = Topology(PARAMETERS, PLACES)
    assert topology.zone_names[topology.places.zone[place("Denton")]] == "ERCOT"
    assert topology.nearest(33.2, -97.1) == place("Denton")
