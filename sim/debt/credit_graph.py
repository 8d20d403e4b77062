"""Who lends to whom, as a graph: creditors on one side, debtors on the other, a loan an edge (networkx).

A node is a party, an edge runs from creditor to debtor and is keyed by the row of its loan. Lenders that borrow
themselves stand between their funders and their borrowers, so nodes carry a layer besides the side.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Ints
from sim.base.amounts import whole

if TYPE_CHECKING:
    from typing import Any

    Graph = nx.MultiDiGraph[Any]

# From worst to best: what a bundle of loans between two parties is called by.
STATUS_ORDER = ("written_off", "accelerated", "arrears", "performing", "repaid")


class Layer(IntEnum):
    """Where a party stands between money and hardware."""

    FUNDER = 0  # lends, owes nobody
    LENDER = 1  # lends and owes
    BORROWER = 2  # owes only


def credit_graph(
    debtor: ArrayLike,
    creditor: ArrayLike,
    balance: ArrayLike,
    kind: Sequence[str],
    status: Sequence[str],
    names: Sequence[str],
    types: Sequence[str],
    rate: ArrayLike | None = None,
    loan: ArrayLike | None = None,
) -> "Graph":
    """Build the graph of a set of loans.

    Parameters
    ----------
    debtor, creditor, balance
        (loans,) party rows and cents.
    kind, status
        (loans,) contract and state of each, in words.
    names, types
        (parties,) name and agent type.
    rate, loan
        (loans,) rate a year and row of the loan, if known; rows are counted from 0 otherwise.

    Returns
    -------
    networkx.MultiDiGraph
        Nodes: ``name``, ``type``, ``layer``, ``bipartite`` (0 lends, 1 owes only), ``owed_cents``, ``lent_cents``.
        Edges: ``weight`` (cents), ``kind``, ``status``, ``rate``. Only parties with a loan appear. Without
        lenders that borrow the graph is bipartite in the sense of networkx. All attributes are plain Python values.

    >>> graph = credit_graph([2, 3], [0, 0], [500, 700], ["level_pay"] * 2, ["performing"] * 2, "abcd", "LLBB")
    >>> sorted(graph.nodes), graph.nodes[0]["lent_cents"], graph.nodes[3]["bipartite"]
    ([0, 2, 3], 1200, 1)
    """
    owes, lends, cents = whole(debtor, "debtor"), whole(creditor, "creditor"), whole(balance, "balance")
    rates = np.zeros(len(owes)) if rate is None else np.asarray(rate, float)
    rows = np.arange(len(owes)) if loan is None else whole(loan, "loan")
    graph = _parties(owes, lends, cents, names, types)
    for i in range(len(owes)):
        graph.add_edge(
            int(lends[i]),
            int(owes[i]),
            key=int(rows[i]),
            weight=int(cents[i]),
            kind=str(kind[i]),
            status=str(status[i]),
            rate=float(rates[i]),
        )
    return graph


def _parties(owes: Ints, lends: Ints, cents: Ints, names: Sequence[str], types: Sequence[str]) -> "Graph":
    """A graph of the parties that have a loan, without the loans."""
    graph: Graph = nx.MultiDiGraph()
    lent, owed = np.zeros(len(names), dtype=np.int64), np.zeros(len(names), dtype=np.int64)
    np.add.at(lent, lends, cents)
    np.add.at(owed, owes, cents)
    creditors, debtors = set(lends.tolist()), set(owes.tolist())
    for party in sorted(creditors | debtors):
        layer = Layer.BORROWER
        if party in creditors:
            layer = Layer.LENDER if party in debtors else Layer.FUNDER
        graph.add_node(
            party,
            name=str(names[party]),
            type=str(types[party]),
            layer=int(layer),
            bipartite=int(layer == Layer.BORROWER),
            owed_cents=int(owed[party]),
            lent_cents=int(lent[party]),
        )
    return graph


def exposures(graph: "Graph") -> "nx.DiGraph[Any]":
    """One edge for each pair: ``weight`` summed, ``loans`` counted, ``status`` the worst of them.

    >>> graph = credit_graph([1, 1], [0, 0], [5, 7], ["a", "b"], ["arrears", "performing"], "xy", "LB")
    >>> exposures(graph).edges[0, 1]
    {'weight': 12, 'loans': 2, 'status': 'arrears'}
    """
    bundle: nx.DiGraph[Any] = nx.DiGraph()
    bundle.add_nodes_from(graph.nodes(data=True))
    for creditor, debtor, loan in graph.edges(data=True):
        if not bundle.has_edge(creditor, debtor):
            bundle.add_edge(creditor, debtor, weight=0, loans=0, status=loan["status"])
        edge = bundle.edges[creditor, debtor]
        edge["weight"] += loan["weight"]
        edge["loans"] += 1
        edge["status"] = min(edge["status"], loan["status"], key=STATUS_ORDER.index)
    return bundle
