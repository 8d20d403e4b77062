"""Credit graph: sums, sides, GraphML there and back, and the drawing before and after."""

from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from credit_worlds import NOBODY_OWES
from hypothesis import given
from hypothesis import strategies as st

import firesale as fs
from experiments.figures.credit_figure import credit_network, export_graphs, graph_at, loans_at
from sim.base.graphml import write_graphml
from sim.debt.credit_graph import STATUS_ORDER, Layer, credit_graph, exposures

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


def stored(borrowers: int = 2) -> dict[str, pd.DataFrame]:
    """Tables of a run of eight weeks: one loan repaid, one written off, one drawn late."""
    columns = ["week", "loan", "debtor", "creditor", "kind", "balance_cents", "rate", "status"]
    rows = [
        (0, 0, 2, 1, "funding", 90_000, 0.06, "performing"),
        (0, 1, 3, 2, "level_pay", 50_000, 0.1, "performing"),
        (0, 2, 4, 2, "level_pay", 40_000, 0.1, "performing"),
        (0, 3, 4, 1, "bitcoin", 30_000, 0.08, "performing"),
        (4, 0, 2, 1, "funding", 80_000, 0.06, "performing"),
        (4, 1, 3, 2, "level_pay", 45_000, 0.1, "accelerated"),
        (4, 2, 4, 2, "level_pay", 20_000, 0.1, "performing"),
        (4, 3, 4, 1, "bitcoin", 30_000, 0.08, "arrears"),
        (7, 0, 2, 1, "funding", 70_000, 0.06, "performing"),
        (7, 1, 3, 2, "level_pay", 0, 0.1, "written_off"),
        (7, 2, 4, 2, "level_pay", 0, 0.1, "repaid"),
        (7, 3, 4, 1, "bitcoin", 30_000, 0.08, "arrears"),
        (7, 4, 4, 2, "delayed_draw", 10_000, 0.1, "performing"),
    ]
    for extra in range(borrowers - 2):
        rows += [(w, 5 + extra, 5 + extra, 2, "level_pay", 1000 + extra, 0.1, "performing") for w in (0, 7)]
    names = ["bank", "cloud", "miner"] + [f"cloud {i}" for i in range(borrowers - 2)]
    agents = pd.DataFrame({"week": 0, "party": np.arange(2, 3 + borrowers), "name": names, "type": "x"})
    return {"loans": pd.DataFrame(rows, columns=columns), "agents": agents}


def test_written_off_loans_show_their_last_balance_and_repaid_ones_leave() -> None:
    frames = stored()
    assert loans_at(frames, 7)["balance_cents"].tolist() == [70_000, 45_000, 0, 30_000, 10_000]
    graph = graph_at(frames, 7)
    assert sorted(key for _, _, key in graph.edges(keys=True)) == [0, 1, 3, 4]
    assert graph.nodes[1]["name"] == "outside"
    with pytest.raises(ValueError, match=r"no loans recorded in week 5; weeks with loans: \[0, 4, 7\]"):
        loans_at(frames, 5)


@pytest.mark.parametrize("borrowers", [2, 300])
def test_credit_is_drawn_before_and_after(tmp_path: Path, borrowers: int) -> None:
    figure, table = credit_network(stored(borrowers))
    assert figure.get_figheight() < 6
    before, after = table[table["week"] == 0], table[table["week"] == 7]
    assert before["balance_usd"].sum() == 2100 + sum(1000 + i for i in range(borrowers - 2)) / 100
    worst = after.set_index(["creditor", "debtor"])["status"].to_dict()
    assert worst[("bank", "cloud")] == "written_off"
    # The fund lends to the bank and to the miner: it stands twice.
    assert worst[("outside, direct", "miner")] == "arrears"
    assert worst[("outside", "bank")] == "performing"
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert [t.split(":")[0] for t in titles] == ["Before, week 0", "After, week 7"]
    figure.savefig(tmp_path / "credit.png")
    assert (tmp_path / "credit.png").stat().st_size > 5000
    for path in export_graphs(stored(borrowers), tmp_path):
        assert nx.read_graphml(path).number_of_edges() >= 4


@pytest.mark.parametrize("lines", [True, False])
def test_a_run_in_which_nobody_owes_is_drawn_too(tmp_path: Path, lines: bool) -> None:
    """With the lenders' lines on which nothing is drawn, and without any loan at all."""
    run = fs.run("calm", settings=NOBODY_OWES)
    assert len(run.loans) and not run.loans["balance_cents"].any()
    frames = {"loans": run.loans if lines else run.loans.iloc[:0], "agents": run.agents}
    figure, plotted = credit_network(frames)
    assert plotted.empty and len(figure.axes) == 2
    assert [path.name for path in export_graphs(frames, tmp_path)] == [
        "credit_before.graphml",
        "credit_after.graphml",
    ]
