"""The clearing kernel against linear-programming solvers on seeded books.

One process, one thread, the kernel timed as the full Python call of `sim.clearing.clear`, HiGHS as `run()` alone with the
model already passed, and the better of presolve on and off. Usage::

    python benchmarks/bench_kernel.py [--sizes small medium large] [--seeds 3] [--weeks 10] [--markdown FILE]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import highspy
import numpy as np
from scipy.spatial import Delaunay

from sim.clearing import Book, Clearing, Network, clear

SIZES = {
    "small": (6, 20, 200),
    "medium": (8, 100, 2_000),
    "large": (10, 500, 20_000),
    "huge": (12, 1_000, 200_000),
}
REGIMES = ("normal", "fire", "balanced")
# Sellable units of the shipped table, two conditions of some generations where a size asks for more classes.
UNIT = np.array([8, 8, 8, 8, 72, 72, 72, 8, 8, 8, 8, 72])
UNIT_WATTS = np.array(
    [4_800, 6_500, 10_200, 14_300, 120_000, 120_000, 230_000, 10_200, 6_500, 10_200, 14_300, 120_000]
)


def network(size: str, seed: int) -> Network:
    """Sites on a 4,500 by 2,800 km map, thinned Delaunay lanes in both directions."""
    products, nodes, _ = SIZES[size]
    rng = np.random.default_rng([seed, 1])
    where = rng.uniform((0, 0), (4_500, 2_800), (nodes, 2))
    triangles = Delaunay(where).simplices
    pairs = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]])), axis=0
    )
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    km = np.hypot(*(where[pairs[:, 0]] - where[pairs[:, 1]]).T)
    joined = np.arange(nodes)
    keep = rng.random(len(pairs)) > 0.15
    for e in np.argsort(km):  # Kruskal: the shortest spanning tree always stays
        a, b = joined[pairs[e, 0]], joined[pairs[e, 1]]
        if a != b:
            joined[joined == a] = b
            keep[e] = True
    pairs, km = pairs[keep], km[keep]
    lanes = np.concatenate([pairs, pairs[:, ::-1]]).astype(np.int32)
    weight = np.linspace(1.0, 2.2, products)
    freight = np.rint(weight[:, None] * np.tile(400 + 2 * km, 2)[None, :] * 100 / 100).astype(np.int64)
    unit = UNIT[:products].astype(np.int64)
    return Network(nodes, lanes, freight, unit, UNIT_WATTS[:products].astype(np.int64), unit == 72)


def orders(size: str, regime: str, rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """Side, node, product, quantity and price of n orders."""
    products, nodes, _ = SIZES[size]
    base = np.linspace(300_000, 4_500_000, products)
    share = np.random.default_rng([nodes, 7]).pareto(1.5, nodes) + 1
    node = rng.choice(nodes, n, p=share / share.sum()).astype(np.int32)
    product = rng.integers(0, products, n).astype(np.int32)
    unit = UNIT[product]
    # Whole units, so that what rounding loses is the rounding's own doing.
    quantity = (unit * np.ceil(np.minimum(8 * rng.lognormal(1.5, 1.2, n), 2_048) / unit)).astype(np.int64)
    if regime == "fire":
        side = (rng.random(n) > 0.85).astype(np.int8)
        ask = np.where(rng.random(n) < 0.5, 0.0, rng.uniform(0, 0.1, n))
        level = np.where(side == 0, ask, np.exp(rng.normal(-1.0, 0.5, n)))
    else:
        side = (rng.random(n) > 0.5).astype(np.int8)
        shift, width = (0.10, 0.06) if regime == "normal" else (-0.02, 0.15)
        level = np.exp(np.where(side == 0, 1, -1) * shift + rng.normal(0, width, n))
    grid = 2_500 if rng.random() < 0.5 else 100
    price = (np.rint(base[product] * level / grid) * grid).astype(np.int64)
    return side, node, product, quantity, price


def book(size: str, regime: str, seed: int, net: Network) -> Book:
    """A seeded book with headroom in proportion to the demand at each site."""
    rng = np.random.default_rng([seed, 2, REGIMES.index(regime)])
    side, node, product, quantity, price = orders(size, regime, rng, SIZES[size][2])
    watts = (net.unit_watts / net.unit)[product] * quantity * side
    demand = np.bincount(node, watts, net.n_nodes)
    wet = np.bincount(node, watts * net.liquid[product], net.n_nodes)
    factor = {"normal": 1.0, "fire": 0.4, "balanced": 0.25}[regime]
    power = demand * factor * rng.uniform(0.5, 1.5, net.n_nodes) * (rng.random(net.n_nodes) > 0.15)
    cooling = wet * factor * rng.uniform(0.5, 1.5, net.n_nodes) * (rng.random(net.n_nodes) > 0.4)
    return Book(side, node, product, quantity, price, power.astype(np.int64), cooling.astype(np.int64))


def next_week(size: str, regime: str, week: int, old: Book, share: float) -> tuple[Book, np.ndarray]:
    """The book with a share of orders replaced and of headrooms moved; and which orders changed."""
    rng = np.random.default_rng([week, 3])
    n, nodes = len(old.side), len(old.power)
    changed = rng.choice(n, max(1, int(share * n)), replace=False)
    fresh = orders(size, regime, rng, len(changed))
    columns = [old.side.copy(), old.node.copy(), old.generation.copy(), old.quantity.copy(), old.price.copy()]
    for column, new in zip(columns, fresh, strict=True):
        column[changed] = new
    moved = rng.random(nodes) < share
    power = np.where(moved, old.power * rng.uniform(0.8, 1.2, nodes), old.power).astype(np.int64)
    return Book(*columns, power, old.cooling), changed


def program(book: Book, net: Network) -> highspy.HighsLp:
    """The node-arc linear program in natural units (GPUs, dollars, kilowatts)."""
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
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n + len(g), (products + 2) * nodes
    lp.col_cost_ = np.r_[np.where(buy, -book.price, book.price), net.freight[g, lane]] / 100.0
    lp.col_lower_ = np.zeros(n + len(g))
    lp.col_upper_ = np.r_[book.quantity.astype(float), np.full(len(g), highspy.kHighsInf)]
    lp.row_lower_ = np.r_[np.zeros(products * nodes), np.full(2 * nodes, -highspy.kHighsInf)]
    lp.row_upper_ = np.r_[np.zeros(products * nodes), book.power / 1_000, book.cooling / 1_000]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.r_[0, np.cumsum(np.bincount(column, minlength=n + len(g)))].astype(np.int32)
    lp.a_matrix_.index_ = index[order].astype(np.int32)
    lp.a_matrix_.value_ = value[order]
    return lp


def highs(book: Book, net: Network, presolve: str) -> tuple[float, float]:
    """Seconds of `run()` and the surplus in cents."""
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    model.setOptionValue("presolve", presolve)
    model.passModel(program(book, net))
    start = time.perf_counter()
    model.run()
    return time.perf_counter() - start, -100.0 * model.getInfo().objective_function_value


def timed(call: Callable[[], Any], least: float = 0.2) -> tuple[float, Any]:
    """Median seconds of repeated calls, at least three."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < least:
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def cold(size: str, regime: str, seeds: int) -> dict[str, float]:
    """Medians over seeds."""
    rows: list[dict[str, float]] = []
    for seed in range(seeds):
        net = network(size, seed)
        case = book(size, regime, seed, net)
        seconds, clearing = timed(lambda case=case, net=net: clear(case, net))
        on, value = highs(case, net, "on")
        off, _ = highs(case, net, "off")
        if size in ("small", "medium"):
            on = min(on, *(highs(case, net, "on")[0] for _ in range(2)))
            off = min(off, *(highs(case, net, "off")[0] for _ in range(2)))
        assert abs(clearing.surplus - value) <= 1e-6 * abs(value), (clearing.surplus, value)
        assert clearing.certificate.gap == 0
        whole_seconds, whole = timed(lambda case=case, net=net: clear(case, net, whole=True))
        rows.append(
            {
                "kernel ms": 1e3 * seconds,
                "HiGHS on ms": 1e3 * on,
                "HiGHS off ms": 1e3 * off,
                "ratio": min(on, off) / seconds,
                "pivots": clearing.pivots,
                "whole ms": 1e3 * whole_seconds,
                "whole loss %": 100 * (1 - whole.surplus / whole.surplus_bound),
                "workspace MB": net._kept().workspace.bytes / 1e6,
            }
        )
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def warm(size: str, regime: str, weeks: int, share: float) -> dict[str, float]:
    """Medians over weeks, the kernel started from last week's clearing."""
    net = network(size, 0)
    case = book(size, regime, 0, net)
    hint: Clearing = clear(case, net)
    kernel, again, pivots = [], [], []
    for week in range(weeks):
        case, _ = next_week(size, regime, week, case, share)
        seconds, after = timed(lambda case=case, hint=hint: clear(case, net, hint=hint), 0.0)
        kernel.append(1e3 * seconds)
        again.append(1e3 * timed(lambda case=case: clear(case, net), 0.0)[0])
        pivots.append(after.pivots)
        hint = after
        assert hint.certificate.gap == 0
    return {
        "warm ms": statistics.median(kernel),
        "cold ms": statistics.median(again),
        "pivots": statistics.median(pivots),
    }


def table(title: str, rows: dict[tuple[str, str], dict[str, float]]) -> str:
    """A Markdown table."""
    names = list(next(iter(rows.values())))
    lines = [
        f"**{title}**",
        "",
        "| size | regime | " + " | ".join(names) + " |",
        "|---" * (len(names) + 2) + "|",
    ]
    for (size, regime), row in rows.items():
        lines.append(f"| {size} | {regime} | " + " | ".join(f"{row[name]:.3g}" for name in names) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "medium", "large"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--markdown")
    arguments = parser.parse_args()
    cases = [(size, regime) for size in arguments.sizes for regime in REGIMES]
    text = table(
        "Cold, ratio to the better HiGHS setting",
        {(s, r): cold(s, r, 1 if s == "huge" else arguments.seeds) for s, r in cases},
    )
    print(text, flush=True)
    if arguments.weeks:
        weekly = table(
            "One per cent of the orders change", {(s, r): warm(s, r, arguments.weeks, 0.01) for s, r in cases}
        )
        print(weekly, flush=True)
        text += "\n" + weekly
    if arguments.markdown:
        with open(arguments.markdown, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
