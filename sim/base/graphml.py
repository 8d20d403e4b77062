"""Graphs as GraphML, for Gephi, yEd or networkx: whatever a text in them holds, the file can be read back."""

from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx

from sim.base.texts import visible

if TYPE_CHECKING:
    from typing import Any

    Graph = nx.Graph[Any]


def write_graphml(graph: "Graph", path: str | Path) -> None:
    """Write a graph; the same graph gives the same bytes."""
    nx.write_graphml(legible(graph), path, encoding="utf-8", prettyprint=True, named_key_ids=True)


def legible(graph: "Graph") -> "Graph":
    r"""The graph with what XML forbids in texts spelt out.

    >>> legible(nx.DiGraph(name="a\x00b")).graph["name"]
    'a\\x00b'
    """
    found = nx.relabel_nodes(graph, lambda node: visible(node) if isinstance(node, str) else node)
    nodes = [about for _, about in found.nodes(data=True)]
    edges = [about for *_, about in found.edges(data=True)]
    for about in [found.graph, *nodes, *edges]:
        about.update({key: visible(value) for key, value in about.items() if isinstance(value, str)})
    return found
