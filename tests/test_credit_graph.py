"""Credit graph: sums, sides, GraphML there and back, and the drawing before and after."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.credit_graph import STATUS_ORDER, Layer, concentration, credit_graph, exposures, write_graphml

NAMES = ["outside", "fund", "bank", "cloud", "miner"]
TYPES = ["institution", "institution", "lender", "neo_cloud", "miner"]


def small() -> "nx.MultiDiGraph[int]":
    """A fund lends to a bank and a miner, the bank twice to a cloud and once to the miner."""
    return credit_graph(
        debtor=np.array([2, 3, 3, 4, 4]),
        creditor=np.array([1, 2, 2, 2, 1]),
        balance=np.array([900, 500, 300, 200, 50]),
        kind=["funding", "level_pay", "delayed_draw", "level_pay", "bitcoin"],
        status=["performing", "accelerated", "performing", "performing", "arrears"],
        names=NAMES,
        types=TYPES,
        rate=np.array([0.06, 0.105, 0.1, 0.11, 0.0825]),
    )


def test_layers_and_sides() -> None:
    graph = small()
    assert {n: d["layer"] for n, d in graph.nodes(data=True)} == {
        1: Layer.FUNDER,
        2: Layer.LENDER,
        3: Layer.BORROWER,
        4: Layer.BORROWER,
    }
    assert graph.nodes[2] == {
        "name": "bank",
        "type": "lender",
        "layer": 1,
        "bipartite": 0,
        "owed_cents": 900,
        "lent_cents": 1000,
    }
    assert graph.edges[2, 3, 1]["status"] == "accelerated"


def test_without_funding_the_graph_is_bipartite() -> None:
    graph = small()
    graph.remove_edge(1, 2, 0)
    lenders = {n for n, d in graph.nodes(data=True) if d["bipartite"] == 0}
    assert nx.bipartite.is_bipartite_node_set(graph.to_undirected(), lenders)


def test_bundles_take_the_worst_status() -> None:
    bundle = exposures(small())
    assert bundle.edges[2, 3] == {"weight": 800, "loans": 2, "status": "accelerated"}
    assert sum(w for _, _, w in bundle.edges(data="weight")) == 1950


def test_concentration_leaves_funding_out() -> None:
    found = concentration(small())
    assert (found["lenders"], found["borrowers"], found["loans"], found["balance_cents"]) == (2, 2, 4, 1050)
    assert found["largest_borrower_share"] == pytest.approx(800 / 1050)
    assert found["herfindahl_lenders"] == pytest.approx((1000 / 1050) ** 2 + (50 / 1050) ** 2)
    empty = credit_graph([], [], [], [], [], NAMES, TYPES)
    assert set(concentration(empty).values()) == {0}


def test_graphml_there_and_back(tmp_path: Path) -> None:
    graph = small()
    write_graphml(graph, tmp_path / "a.graphml")
    write_graphml(small(), tmp_path / "b.graphml")
    assert (tmp_path / "a.graphml").read_bytes() == (tmp_path / "b.graphml").read_bytes()
    read = nx.read_graphml(tmp_path / "a.graphml", node_type=int, edge_key_type=int, force_multigraph=True)
    assert dict(read.nodes(data=True)) == dict(graph.nodes(data=True))
    for a, b, key, loan in graph.edges(keys=True, data=True):
        assert read.edges[a, b, key] == loan


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(5, 9), st.integers(0, 10**13), st.sampled_from(STATUS_ORDER)
        ),
        max_size=30,
    )
)
def test_every_cent_is_an_edge(loans: list[tuple[int, int, int, str]]) -> None:
    graph = credit_graph(
        [row[1] for row in loans],
        [row[0] for row in loans],
        [row[2] for row in loans],
        ["level_pay"] * len(loans),
        [row[3] for row in loans],
        [f"party {i}" for i in range(10)],
        ["lender"] * 5 + ["miner"] * 5,
    )
    total = sum(row[2] for row in loans)
    assert graph.size(weight="weight") == total
    assert sum(owed for _, owed in graph.nodes(data="owed_cents")) == total
    assert sum(lent for _, lent in graph.nodes(data="lent_cents")) == total
    assert exposures(graph).size(weight="weight") == total
    assert set(graph.nodes) == {p for row in loans for p in row[:2]}
