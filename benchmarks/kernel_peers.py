"""Other solvers on the books of `kernel_books`, one process each: their libraries do not bear one another.

``python benchmarks/kernel_peers.py SOLVER SIZE REGIME SEED`` prints one line of JSON: seconds of the solver alone with the
model already passed, seconds of the kernel's full Python call in the same process, surplus of both in dollars, and the
solver's peak memory above what stood before it was given the model.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kernel_books
import numpy as np

from sim.kernel.book import Book, Network
from sim.kernel.clearing import clear


def timed(call: Callable[[], Any], least: float = 0.2, times: int = 3) -> tuple[float, Any]:
    """Median processor seconds of repeated calls."""
    taken: list[float] = []
    while len(taken) < times or sum(taken) < least:
        start = time.process_time()
        result = call()
        taken.append(time.process_time() - start)
    return statistics.median(taken), result


def program(book: Book, net: Network) -> dict[str, Any]:
    """The node-arc linear program in natural units (GPUs, dollars, kilowatts), columns compressed."""
    nodes, products = net.n_nodes, len(net.unit)
    n, kilowatts = len(book.side), (net.unit_watts / net.unit / 1_000)[book.generation]
    buy, wet = book.side == 1, (book.side == 1) & net.liquid[book.generation]
    row = book.generation.astype(np.int64) * nodes + book.node
    g, lane = np.nonzero(net.freight >= 0)
    ends = net.lanes[lane].astype(np.int64) + (g * nodes)[:, None]
    column = np.concatenate(
        [np.arange(n), np.flatnonzero(buy), np.flatnonzero(wet), np.repeat(n + np.arange(len(g)), 2)]
    )
    index = np.concatenate(
        [row, products * nodes + book.node[buy], (products + 1) * nodes + book.node[wet], ends.ravel()]
    )
    value = np.concatenate([1.0 - 2.0 * buy, kilowatts[buy], kilowatts[wet], np.tile([-1.0, 1.0], len(g))])
    order = np.argsort(column, kind="stable")
    return {
        "cost": np.r_[np.where(buy, -book.price, book.price), net.freight[g, lane]] / 100.0,
        "upper": np.r_[book.quantity.astype(float), np.full(len(g), np.inf)],
        "row_lower": np.r_[np.zeros(products * nodes), np.full(2 * nodes, -np.inf)],
        "row_upper": np.r_[np.zeros(products * nodes), book.power / 1_000, book.cooling / 1_000],
        "start": np.r_[0, np.cumsum(np.bincount(column, minlength=n + len(g)))].astype(np.int32),
        "index": index[order].astype(np.int32),
        "value": value[order],
    }


def highs_model(book: Book, net: Network, presolve: str = "choose") -> Any:
    """HiGHS with the program passed, one thread."""
    import highspy

    table = program(book, net)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(table["cost"]), len(table["row_lower"])
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = table["cost"], np.zeros(lp.num_col_), table["upper"]
    lp.row_lower_, lp.row_upper_ = table["row_lower"], table["row_upper"]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = table["start"], table["index"]
    lp.a_matrix_.value_ = table["value"]
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    model.setOptionValue("presolve", presolve)
    model.passModel(lp)
    return model


def highs(book: Book, net: Network, presolve: str) -> tuple[float, float]:
    """Seconds of `run()` and the surplus in dollars."""
    model = highs_model(book, net, presolve)
    start = time.process_time()
    model.run()
    return time.process_time() - start, -model.getInfo().objective_function_value


def simple_min_cost_flow(book: Book, net: Network) -> tuple[float, float]:
    """OR-tools' cost scaling on the kernel's own network: watts, integer costs."""
    from ortools.graph.python import min_cost_flow

    nodes, products = net.n_nodes, len(net.unit)
    clear(book, net)
    (scale,) = net._kept().common.values()
    root, sink = products * nodes, products * nodes + 1
    power, cooling = root + 2, root + 2 + nodes
    g = book.generation.astype(np.int64)
    good, sell = g * nodes + book.node, book.side == 0
    amount = book.quantity * scale.flow[scale.row[g]]
    socket = np.where(net.liquid[g], cooling, power) + book.node
    k, lane = np.nonzero(net.freight >= 0)
    total = int(amount[sell].sum())
    room = np.minimum(book.power * scale.watt, total)
    wet = np.minimum(book.cooling * scale.watt, total)
    here = np.arange(nodes)
    tail = np.r_[
        np.where(sell, root, good), k * nodes + net.lanes[lane, 0], power + here, cooling + here, root
    ]
    head = np.r_[
        np.where(sell, good, socket), k * nodes + net.lanes[lane, 1], np.full(nodes, sink), power + here, sink
    ]
    capacity = np.r_[np.minimum(amount, total), np.full(len(k), total), room, wet, total]
    step = (scale.scale // scale.flow)[scale.row]
    price = np.where(sell, 1, -1) * book.price * step[g]
    cost = np.r_[price, net.freight[k, lane] * step[k], np.zeros(2 * nodes + 1, dtype=np.int64)]
    solver = min_cost_flow.SimpleMinCostFlow()
    arcs = solver.add_arcs_with_capacity_and_unit_cost(tail, head, capacity, cost)
    solver.set_node_supply(root, total)
    solver.set_node_supply(sink, -total)
    start = time.process_time()
    status = solver.solve()
    seconds = time.process_time() - start
    assert status == solver.OPTIMAL, status
    # The sum passes 2^63, its terms do not.
    return seconds, -float(solver.flows(arcs).astype(float) @ cost.astype(float)) / scale.scale / 100


def glop(book: Book, net: Network) -> tuple[float, float]:
    """OR-tools' simplex."""
    from ortools.linear_solver.python import model_builder_helper
    from scipy.sparse import csc_matrix

    table = program(book, net)
    shape = len(table["row_lower"]), len(table["cost"])
    matrix = csc_matrix((table["value"], table["index"], table["start"]), shape)
    helper = model_builder_helper.ModelBuilderHelper()
    helper.fill_model_from_sparse_data(
        np.zeros(shape[1]),
        table["upper"],
        table["cost"],
        table["row_lower"],
        table["row_upper"],
        matrix.tocsr(),
    )
    solver = model_builder_helper.ModelSolverHelper("GLOP")
    start = time.process_time()
    solver.solve(helper)
    return time.process_time() - start, -solver.objective_value()


def emd(book: Book, net: Network) -> tuple[float, float]:
    """POT's network simplex on all pairs of sells and buys; what does not trade goes to a dummy."""
    import ot
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra

    lengths = csr_matrix((net.freight[0] + 1e-9, net.lanes.T), shape=(net.n_nodes, net.n_nodes))
    distance = dijkstra(lengths)
    s, b = np.flatnonzero(book.side == 0), np.flatnonzero(book.side == 1)
    cost = book.price[s, None] + distance[np.ix_(book.node[s], book.node[b])] - book.price[None, b]
    cost = np.block([[cost, np.zeros((len(s), 1))], [np.zeros((1, len(b) + 1))]]) / 100.0
    offered, wanted = book.quantity[s].astype(float), book.quantity[b].astype(float)
    left, right = np.r_[offered, wanted.sum()], np.r_[wanted, offered.sum()]
    start = time.process_time()
    plan = ot.emd(left, right, cost, numItermax=10**8)
    return time.process_time() - start, -float((plan * cost).sum())


def networkx(book: Book, net: Network) -> tuple[float, float]:
    """The network simplex of networkx on the node-arc graph."""
    import networkx as nx

    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(net.n_nodes + 1), demand=0)
    root = net.n_nodes
    for side, node, quantity, price in zip(book.side, book.node, book.quantity, book.price, strict=True):
        ends = (root, int(node)) if side == 0 else (int(node), root)
        graph.add_edge(*ends, capacity=int(quantity), weight=int(price if side == 0 else -price))
    for (u, v), cost in zip(net.lanes, net.freight[0], strict=True):
        graph.add_edge(int(u), int(v), weight=int(cost))
    start = time.process_time()
    cost, _ = nx.network_simplex(graph)
    return time.process_time() - start, -cost / 100


def kernel(book: Book, net: Network) -> tuple[float, float]:
    """The kernel itself, for its memory."""
    start = time.process_time()
    surplus = clear(book, net).surplus
    return time.process_time() - start, surplus / 100


SOLVERS: dict[str, Callable[[Book, Network], tuple[float, float]]] = {
    "kernel": kernel,
    "highs_on": lambda book, net: highs(book, net, "on"),
    "highs_off": lambda book, net: highs(book, net, "off"),
    "simple_min_cost_flow": simple_min_cost_flow,
    "glop": glop,
    "emd": emd,
    "networkx": networkx,
}


def resident(field: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1_024


def forget_peak() -> float:
    """Start measuring the peak anew; returns megabytes in use."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident("VmRSS")


def main() -> None:
    """One solver on one book."""
    solver, size, regime, seed = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if regime == "one_class":
        book, net = kernel_books.one_class(int(size), seed)
    else:
        net = kernel_books.network(size, seed)
        book = kernel_books.book(size, regime, seed, net)
    if "highs" in solver:
        import highspy  # noqa: F401
    elif solver in ("simple_min_cost_flow", "glop"):
        import ortools.graph.python.min_cost_flow
        import ortools.linear_solver.python.model_builder_helper  # noqa: F401
    before = forget_peak()
    seconds, value = SOLVERS[solver](book, net)
    memory = resident("VmHWM") - before
    if len(book.side) <= 2_000:  # the first call warms the solver's library up
        seconds = min(seconds, *(SOLVERS[solver](book, net)[0] for _ in range(2)))
    mine, clearing = timed(lambda: clear(book, net))
    print(
        json.dumps(
            {
                "seconds": seconds,
                "kernel": mine,
                "value": value,
                "surplus": clearing.surplus / 100,
                "megabytes": memory,
            }
        )
    )


if __name__ == "__main__":
    main()
