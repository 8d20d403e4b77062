"""The credit network of a stored run, before and after: who lent to whom, and what became of it.

Drawn from ``loans.parquet`` and ``agents.parquet`` alone. Lenders stand left, borrowers right; funders of lenders, where the
run has them, further left. A funder that also lends to borrowers stands twice. Line width is the root of the balance, colour
and dash the worst status between the two parties.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.lines
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.base.graphml import write_graphml
from sim.debt.credit_graph import STATUS_ORDER, Layer, credit_graph, exposures

if TYPE_CHECKING:
    import networkx as nx

    Frames = Mapping[str, Any]  # data frames; the stubs of pandas cannot type rows picked by a computed key
    Drawing = tuple[Figure, pd.DataFrame]

WIDTH, ROW, LEAST_HEIGHT = 6.9, 0.118, 2.6  # inches
LABELLED = 40
CENTS_PER_BILLION = 1e11
# Colour, dash and word of a status; repaid loans are not drawn.
LOOK: dict[str, tuple[str, Any, str]] = {
    "performing": ("#0072B2", "solid", "performing"),
    "arrears": ("#E69F00", (0, (4, 1.2)), "in arrears"),
    "accelerated": ("#D55E00", (0, (1.4, 0.9)), "called"),
    "written_off": ("#000000", (0, (0.8, 1.6)), "written off (last balance)"),
}
X = {Layer.FUNDER: 0.0, Layer.LENDER: 1.0, Layer.BORROWER: 2.0}


def loans_at(frames: "Frames", week: int) -> Any:
    """Loans as recorded in a week; what is written off carries its last positive balance.

    Raises
    ------
    ValueError
        No loans were recorded in that week of a run that has some.
    """
    loans = frames["loans"]
    now = loans[loans["week"] == week].set_index("loan")
    if now.empty and len(loans):
        known = sorted(int(w) for w in loans["week"].unique())
        raise ValueError(f"no loans recorded in week {week}; weeks with loans: {known}")
    past = loans[(loans["week"] < week) & (loans["balance_cents"] > 0)].sort_values("week", kind="stable")
    last = past.groupby("loan")["balance_cents"].last()
    lost = now["status"] == "written_off"
    given_up = last.reindex(now.index).fillna(0).astype(np.int64)
    return now.assign(balance_cents=now["balance_cents"].where(~lost, given_up)).reset_index()


def graph_at(frames: "Frames", week: int) -> "nx.MultiDiGraph[Any]":
    """Credit graph of a stored run in a recorded week, without repaid loans."""
    loans = loans_at(frames, week)
    loans = loans[(loans["status"] != "repaid") & (loans["balance_cents"] > 0)]
    agents = frames["agents"].drop_duplicates("party").set_index("party")
    parties = 1 + int(max([*loans["debtor"], *loans["creditor"], *agents.index]))
    # Institutions outside the model have no row among the agents.
    names = agents["name"].astype(str).reindex(range(parties)).fillna("outside").tolist()
    types = agents["type"].astype(str).reindex(range(parties)).fillna("institution").tolist()
    return credit_graph(
        loans["debtor"].to_numpy(np.int64),
        loans["creditor"].to_numpy(np.int64),
        loans["balance_cents"].to_numpy(np.int64),
        loans["kind"].astype(str).tolist(),
        loans["status"].astype(str).tolist(),
        names,
        types,
        loans["rate"].to_numpy(float),
        loans["loan"].to_numpy(np.int64),
    )


def export_graphs(frames: "Frames", folder: str | Path) -> list[Path]:
    """Write the graphs of the first and last recorded week as GraphML; returns the paths."""
    paths = []
    for name, week in zip(("before", "after"), _ends(frames), strict=True):
        path = Path(folder) / f"credit_{name}.graphml"
        write_graphml(graph_at(frames, week), path)
        paths.append(path)
    return paths


def credit_network(frames: "Frames") -> "Drawing":
    """Credit before and after, side by side.

    Returns
    -------
    Figure, DataFrame
        The drawing, and balance and status of every pair in both weeks.
    """
    weeks = _ends(frames)
    graphs = [_apart(exposures(graph_at(frames, week))) for week in weeks]
    places = _places(graphs)
    rows = max((sum(1 for x, _ in places.values() if x == column) for column in X.values()), default=1)
    figure = Figure(figsize=(WIDTH, max(LEAST_HEIGHT, 0.75 + ROW * min(rows, LABELLED))))
    panels = figure.subplots(1, 2, sharey=True)
    widest = max((edge["weight"] for graph in graphs for _, _, edge in graph.edges(data=True)), default=1)
    names = {p: data["name"] for graph in graphs for p, data in graph.nodes(data=True)}
    parts = []
    for axes, graph, week, word in zip(panels, graphs, weeks, ("Before", "After"), strict=True):
        _panel(axes, graph, places, names, float(widest))
        live = sum(
            edge["weight"]
            for _, debtor, edge in graph.edges(data=True)
            if edge["status"] != "written_off" and graph.nodes[debtor]["layer"] == Layer.BORROWER
        )
        axes.set_title(f"{word}, week {week}: {live / CENTS_PER_BILLION:,.1f} billion USD")
        parts.append(_pairs(graph, week))
    handles = [
        matplotlib.lines.Line2D([], [], color=colour, linestyle=dash, linewidth=1.6, label=word)
        for colour, dash, word in LOOK.values()
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        title="Figures: billion USD lent (squares) or owed (dots); titles: owed by borrowers. Empty dots: no debt then.",
        title_fontsize=6,
    )
    return figure, pd.concat(parts, ignore_index=True)


def _ends(frames: "Frames") -> tuple[int, int]:
    """First and last week that were recorded of parties, and of their loans if they have any."""
    weeks = frames["loans"]["week"] if len(frames["loans"]) else frames["agents"]["week"]
    return int(weeks.min()), int(weeks.max())


def _apart(graph: "nx.DiGraph[Any]") -> "nx.DiGraph[Any]":
    """Give a funder that also lends to borrowers a second place, among the lenders; its row is the negative one."""
    apart = graph.copy()
    for party, data in graph.nodes(data=True):
        direct = [b for b in graph.successors(party) if graph.nodes[b]["layer"] == Layer.BORROWER]
        if data["layer"] != Layer.FUNDER or not direct or len(direct) == graph.out_degree(party):
            continue
        double = -1 - party
        lent = sum(graph.edges[party, b]["weight"] for b in direct)
        apart.add_node(
            double,
            **(data | {"name": f"{data['name']}, direct", "layer": int(Layer.LENDER), "lent_cents": lent}),
        )
        apart.nodes[party]["lent_cents"] -= lent
        for b in direct:
            apart.add_edge(double, b, **graph.edges[party, b])
            apart.remove_edge(party, b)
    return apart


def _places(graphs: "list[nx.DiGraph[Any]]") -> dict[int, tuple[float, float]]:
    """One place for each party in both panels: largest debtors on top, creditors by the mean height of theirs."""
    layer: dict[int, int] = {}
    size: dict[int, int] = {}
    debtors: dict[int, dict[int, int]] = {}
    for graph in graphs:
        for party, data in graph.nodes(data=True):
            # A lender whose funding is repaid later is still a lender.
            standing = data["layer"] if party not in layer else {data["layer"], layer[party]}
            if isinstance(standing, set):
                standing = Layer.LENDER if len(standing) > 1 else standing.pop()
            layer[party] = standing
            size[party] = max(size.get(party, 0), data["owed_cents"])
        for creditor, debtor, edge in graph.edges(data=True):
            held = debtors.setdefault(creditor, {})
            held[debtor] = max(held.get(debtor, 0), edge["weight"])
    if Layer.LENDER not in layer.values():
        layer = {p: Layer.LENDER if kind == Layer.FUNDER else kind for p, kind in layer.items()}
    heights: dict[int, float] = {}
    for kind in (Layer.BORROWER, Layer.LENDER, Layer.FUNDER):
        members = [p for p in sorted(layer) if layer[p] == kind]
        if kind == Layer.BORROWER:
            members.sort(key=lambda p: (-size[p], p))
        else:
            members.sort(key=lambda p: (-_mean_height(debtors.get(p, {}), heights), p))
        for i, party in enumerate(members):
            heights[party] = 1.0 - (i + 0.5) / len(members)
    return {party: (X[Layer(layer[party])], heights[party]) for party in sorted(layer)}


def _mean_height(held: dict[int, int], heights: dict[int, float]) -> float:
    known = [(heights[p], w) for p, w in sorted(held.items()) if p in heights]
    total = sum(w for _, w in known)
    return sum(h * w for h, w in known) / total if total else 0.0


def _panel(
    axes: Axes,
    graph: "nx.DiGraph[Any]",
    places: dict[int, tuple[float, float]],
    names: dict[int, str],
    widest: float,
) -> None:
    ordered = sorted(graph.edges(data=True), key=lambda e: (-STATUS_ORDER.index(e[2]["status"]), e[0], e[1]))
    for creditor, debtor, edge in ordered:
        colour, dash, _ = LOOK[edge["status"]]
        (x0, y0), (x1, y1) = places[creditor], places[debtor]
        axes.plot(
            (x0, x1),
            (y0, y1),
            color=colour,
            linestyle=dash,
            linewidth=0.3 + 3.2 * np.sqrt(edge["weight"] / widest),
            alpha=0.4 if edge["status"] == "performing" else 0.9,
            solid_capstyle="butt",
            dash_capstyle="butt",
            zorder=2 if edge["status"] == "performing" else 3,
        )
    worst: dict[int, str] = {}
    for _, debtor, edge in graph.edges(data=True):
        worst[debtor] = min(worst.get(debtor, "repaid"), edge["status"], key=STATUS_ORDER.index)
    named = _named(places)
    for party, (x, y) in places.items():
        lends = x < X[Layer.BORROWER]
        shown = party in named
        if party not in graph:
            axes.scatter(
                x, y, s=7, marker="o", facecolor="white", edgecolor="#B4B4B4", linewidth=0.5, zorder=4
            )
            if shown:
                _name(axes, names[party], x, y, lends, colour="#8C8C8C")
            continue
        data = graph.nodes[party]
        cents = data["lent_cents"] if lends else data["owed_cents"]
        axes.scatter(
            x,
            y,
            s=6 + 60 * cents / (widest * 4),
            marker="s" if lends else "o",
            facecolor="white" if lends else LOOK[worst[party]][0],
            edgecolor="black",
            linewidth=0.5,
            zorder=5,
        )
        if shown:
            _name(axes, f"{data['name']}  {cents / CENTS_PER_BILLION:,.2f}", x, y, lends)
    left = min((x for x, _ in places.values()), default=1.0)
    axes.set_xlim(left - 0.55, X[Layer.BORROWER] + 0.62)
    axes.set_ylim(-0.02, 1.02)
    axes.set_axis_off()


def _named(places: dict[int, tuple[float, float]]) -> set[int]:
    """Parties whose names fit: from the top of each column, no two closer than a line of text."""
    chosen: set[int] = set()
    for column in X.values():
        free = np.inf
        for party in sorted((p for p in places if places[p][0] == column), key=lambda p: -places[p][1]):
            if places[party][1] <= free + 1e-9:
                chosen.add(party)
                free = places[party][1] - 1.0 / LABELLED
    return chosen


def _name(axes: Axes, text: str, x: float, y: float, lends: bool, colour: str = "black") -> None:
    axes.annotate(
        text,
        (x, y),
        (-5 if lends else 5, 0),
        textcoords="offset points",
        ha="right" if lends else "left",
        va="center",
        fontsize=5.2,
        color=colour,
        zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6} if lends else None,
    )


def _pairs(graph: "nx.DiGraph[Any]", week: int) -> pd.DataFrame:
    rows = [
        (
            week,
            graph.nodes[a]["name"],
            graph.nodes[b]["name"],
            edge["loans"],
            edge["weight"] / 100.0,
            edge["status"],
        )
        for a, b, edge in sorted(graph.edges(data=True), key=lambda e: (e[0], e[1]))
    ]
    return pd.DataFrame(rows, columns=["week", "creditor", "debtor", "loans", "balance_usd", "status"])
