"""The clearing kernel against other solvers, as tables and a figure.

The kernel is timed as the full Python call of `sim.clearing.clear`, HiGHS in the same process as `run()` alone with the model
already passed, the better of presolve on and off; all on one thread. Other solvers run in processes of their own, paired with
the kernel (`kernel_peers`). Only ratios mean something: the machine may be busy. Usage::

    python benchmarks/bench_kernel.py [--sizes small medium large huge] [--markdown FILE] [--figure STEM]
"""

import argparse
import dataclasses
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import highspy
import kernel_books
import numpy as np
from kernel_books import REGIMES, SIZES
from kernel_peers import highs, highs_model, program, timed

from sim.kernel.book import Book, Network
from sim.kernel.clearing import clear

AIMS = {"small": (35, 15, 25), "medium": (60, 13, 25), "large": (90, 15, 40), "huge": (180, 25, 80)}
FAMILIES = ("transport", "power", "liquid", "margins", "order_limits")
PEERS = {"simple_min_cost_flow": "OR-tools flow", "glop": "GLOP"}
Row = dict[str, float | str]
BEGIN, END = "<!-- benchmark -->", "<!-- end of benchmark -->"


def better_highs(book: Book, net: Network, times: int = 1) -> tuple[float, float, float]:
    """Least seconds with presolve on, with presolve off, and the surplus in dollars."""
    on = [highs(book, net, "on") for _ in range(times)]
    off = [highs(book, net, "off")[0] for _ in range(times)]
    return min(seconds for seconds, _ in on), min(off), on[0][1]


def cold(size: str, regime: str, seeds: int) -> Row:
    """Medians over seeds."""
    rows: list[dict[str, float]] = []
    for seed in range(seeds):
        net = kernel_books.network(size, seed)
        book = kernel_books.book(size, regime, seed, net)
        seconds, clearing = timed(lambda book=book, net=net: clear(book, net))
        on, off, value = better_highs(book, net, 3 if size in ("small", "medium") else 1)
        assert abs(clearing.surplus / 100 - value) <= 1e-6 * abs(value), (clearing.surplus, value)
        assert clearing.certificate.gap == 0
        whole_seconds, whole = timed(lambda book=book, net=net: clear(book, net, whole=True))
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
    row: Row = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    row["aim"] = AIMS[size][REGIMES.index(regime)]
    return row


def paired(
    solver: str, size: str, regime: str, seed: int = 0, limit: float = 120.0
) -> dict[str, float] | None:
    """One solver in its own process; None if it is not installed or takes too long."""
    command = [
        sys.executable,
        str(Path(__file__).parent / "kernel_peers.py"),
        solver,
        size,
        regime,
        str(seed),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert abs(row["value"] - row["surplus"]) <= 1e-5 * abs(row["surplus"]), (solver, size, regime, row)
    return row


def others(size: str, regime: str) -> Row:
    """Ratios to OR-tools and peak memory above the book, every solver in its own process."""
    row: Row = {}
    memory: Row = {}
    for solver in ("kernel", "highs_on", "highs_off", *PEERS):
        found = paired(solver, size, regime)
        name = PEERS.get(solver, solver.replace("highs_", "HiGHS "))
        if solver in PEERS:
            row[f"{name} ms"] = 1e3 * found["seconds"] if found else "—"
            row[f"ratio {name}"] = found["seconds"] / found["kernel"] if found else "—"
        memory[f"{name} MB"] = found["megabytes"] if found else "—"
    return row | memory


def one_class(n: int) -> Row:
    """A plain transport problem: milliseconds of every solver that can do it, and ratios to the kernel."""
    row: Row = {}
    for solver in ("simple_min_cost_flow", "emd", "networkx", "highs_on", "highs_off"):
        found = None if solver == "emd" and n > 2_000 else paired(solver, str(n), "one_class", limit=60.0)
        row.setdefault("kernel ms", 1e3 * found["kernel"] if found else "—")
        row[solver.replace("_", " ")] = (
            f"{1e3 * found['seconds']:.3g} ms (x{found['seconds'] / found['kernel']:.0f})" if found else "—"
        )
    return row


def relaxed(book: Book, net: Network, families: tuple[str, ...]) -> tuple[Book, Network]:
    """The book with some of its frictions gone."""
    buy = book.side == 1
    power = np.full_like(book.power, 10**10) if "power" in families else book.power
    return (
        dataclasses.replace(
            book,
            power=power,
            cooling=power if "liquid" in families else book.cooling,
            price=np.where(buy & ("margins" in families), book.price * 115 // 100, book.price),
            quantity=np.where(buy & ("order_limits" in families), 4 * book.quantity, book.quantity),
        ),
        dataclasses.replace(net, freight=np.minimum(net.freight, 0)) if "transport" in families else net,
    )


def relaxations(regime: str) -> Row:
    """All 32 combinations of five frictions of a book of 2,000 orders."""
    net = kernel_books.network("medium", 0)
    book = kernel_books.book("medium", regime, 0, net)
    free = relaxed(book, net, ("transport",))[1]
    cases = [
        (relaxed(book, net, families)[0], free if "transport" in families else net)
        for families in itertools.chain(*(itertools.combinations(FAMILIES, r) for r in range(6)))
    ]
    mine, found = timed(lambda: [clear(*case) for case in cases])
    peer = 0.0
    for (case, where), clearing in zip(cases, found, strict=True):
        on, off, value = better_highs(case, where)
        assert abs(value - clearing.surplus / 100) <= 1e-6 * abs(value)
        peer += min(on, off)
    return {
        "kernel ms": 1e3 * mine,
        "HiGHS ms": 1e3 * peer,
        "ratio": peer / mine,
        "aim": 8,
        "pivots": sum(c.pivots for c in found),
    }


def model_books(weeks: int = 16) -> dict[tuple[str, str], Row]:
    """The books of a fire sale as the model itself produces them: its weekly market and its price queries."""
    import sim.market.market
    from sim.model import FireSaleModel
    from sim.parameters import Parameters

    seen: list[tuple[Book, Network, bool]] = []

    def recorded(book: Book, network: Network, *, whole: bool = False, **options: object) -> object:
        seen.append((book, network, whole))
        return clear(book, network, whole=whole, **options)  # type: ignore[arg-type]

    sim.market.market.clear = recorded  # type: ignore[assignment]
    try:
        sale = {"forced_sale.enabled": True, "forced_sale.week": 4, "forced_sale.deadline_weeks": 6}
        FireSaleModel(Parameters.from_overrides({**sale, "clock.weeks": weeks}), rng=7).run_for(weeks)
    finally:
        sim.market.market.clear = clear
    rows: dict[tuple[str, str], Row] = {}
    for name, wanted in (("week, whole units", True), ("price query", False)):
        ratios, mine, sizes, loss = [], [], [], []
        for book, network, whole in seen:
            if whole != wanted or len(book.side) == 0:
                continue
            seconds, clearing = timed(lambda b=book, n=network, w=whole: clear(b, n, whole=w), 0.01)
            on, off, _ = better_highs(book, network)
            ratios.append(min(on, off) / seconds)
            mine.append(1e3 * seconds)
            sizes.append(len(book.side))
            if whole and clearing.surplus_bound > 0:
                loss.append(100 * (1 - clearing.surplus / clearing.surplus_bound))
        rows["model", name] = {
            "books": len(sizes),
            "orders": statistics.median(sizes),
            "kernel ms": statistics.median(mine),
            "ratio": statistics.median(ratios),
            "least ratio": min(ratios),
            "whole loss %": statistics.median(loss) if loss else "—",
        }
    return rows


def best_whole(book: Book, net: Network, limit: float = 20.0) -> float:
    """Upper bound on the surplus of any whole-unit trade, dollars, by HiGHS' branch and bound."""
    table = program(book, net)
    unit = net.unit[book.generation].astype(float)
    n, columns = len(unit), len(table["cost"])
    model = highs_model(book, net)
    orders = np.arange(n, dtype=np.int32)
    # The column of an order is counted in units.
    for i in range(n):
        for e in range(table["start"][i], table["start"][i + 1]):
            model.changeCoeff(int(table["index"][e]), i, float(table["value"][e] * unit[i]))
    model.changeColsCost(n, orders, table["cost"][:n] * unit)
    model.changeColsBounds(n, orders, np.zeros(n), np.floor(book.quantity / unit))
    kinds = np.full(n, highspy.HighsVarType.kInteger)
    model.changeColsIntegrality(n, orders, kinds)
    assert columns == model.getNumCol()
    model.setOptionValue("time_limit", limit)
    model.setOptionValue("mip_rel_gap", 1e-4)
    model.run()
    return -model.getInfo().mip_dual_bound


def whole_units(size: str, regime: str, racks: bool, seed: int = 0) -> Row:
    """Surplus lost to whole units: by the kernel's rounding, and the least any rounding must lose."""
    net = kernel_books.network(size, seed)
    book = kernel_books.book(size, regime, seed, net)
    if not racks:
        net = dataclasses.replace(
            net, unit=np.full_like(net.unit, 8), unit_watts=net.unit_watts * 8 // net.unit
        )
    seconds, clearing = timed(lambda: clear(book, net, whole=True), 0.0)
    rent = clearing.power_rent[book.node] + net.liquid[book.generation] * clearing.cooling_rent[book.node]
    here = clearing.price[book.generation, book.node]
    gross = here + (net.unit_watts / net.unit)[book.generation] * rent
    gains = np.where(book.side == 0, here >= book.price - 1e-3, gross <= book.price + 1e-3)
    able = dataclasses.replace(book, quantity=np.where(gains, book.quantity, 0))

    def lost(dollars: float) -> float:
        return abs(round(100 * (1 - 100 * dollars / clearing.surplus_bound), 6))

    row: Row = {"ms": 1e3 * seconds, "loss %": lost(clearing.surplus / 100)}
    small = size in ("small", "medium")
    row["least loss % at these prices"] = lost(best_whole(able, net)) if small else "—"
    row["least loss % at any price"] = lost(best_whole(book, net)) if small else "—"
    return row


def growth(rows: dict[tuple[str, str], Row]) -> str:
    """Exponents of time in the number of orders from large to huge."""
    lines = []
    for regime in REGIMES:
        if ("huge", regime) in rows and ("large", regime) in rows:
            small, big = rows["large", regime], rows["huge", regime]
            mine = math.log10(float(big["kernel ms"]) / float(small["kernel ms"]))
            peer = math.log10(
                min(float(big["HiGHS on ms"]), float(big["HiGHS off ms"]))
                / min(float(small["HiGHS on ms"]), float(small["HiGHS off ms"]))
            )
            lines.append(f"{regime} {mine:.2f} (HiGHS {peer:.2f})")
    return "Time grows with orders, large to huge, to the power: " + ", ".join(lines) + ".\n" if lines else ""


def table(title: str, rows: dict[tuple[str, str], Row]) -> str:
    """A Markdown table."""
    names = list(next(iter(rows.values())))
    lines = [
        f"**{title}**",
        "",
        "| size | regime | " + " | ".join(names) + " |",
        "|---" * (len(names) + 2) + "|",
    ]
    for (size, regime), row in rows.items():
        cells = [row[name] if isinstance(row[name], str) else f"{row[name]:.3g}" for name in names]
        lines.append(f"| {size} | {regime} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def put(text: str, page: Path) -> None:
    """Write the tables between the marks of a page, or as the page if it has none."""
    before, mark, rest = (page.read_text(encoding="utf-8") if page.exists() else "").partition(BEGIN)
    if mark:
        text = before + mark + "\n" + text + END + rest.partition(END)[2]
    page.write_text(text, encoding="utf-8")


def figure(cold_rows: dict[tuple[str, str], Row], peer_rows: dict[tuple[str, str], Row], stem: Path) -> None:
    """Time against orders in each regime, kernel and peers, as PNG and PDF."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [size for size in SIZES if (size, "normal") in cold_rows]
    n = np.array([SIZES[size][2] for size in sizes])
    picture, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), sharey=True, constrained_layout=True)
    for axis, regime in zip(axes, REGIMES, strict=True):
        rows = [cold_rows[size, regime] for size in sizes]
        peers = [peer_rows[size, regime] for size in sizes]
        highs_ms = [min(float(r["HiGHS on ms"]), float(r["HiGHS off ms"])) for r in rows]
        lines = [
            ("kernel", [r["kernel ms"] for r in rows], "o-", "#1b6ca8"),
            ("HiGHS, better setting", highs_ms, "s-", "#c0392b"),
            ("OR-tools flow", [r["OR-tools flow ms"] for r in peers], "^--", "#7f8c8d"),
            ("OR-tools GLOP", [r["GLOP ms"] for r in peers], "v:", "#34495e"),
        ]
        for label, values, style, colour in lines:
            known = np.array([np.nan if isinstance(x, str) else x for x in values], dtype=float)
            axis.loglog(n, known, style, color=colour, label=label, markersize=4, linewidth=1.3)
        for x, row in zip(n, rows, strict=True):
            axis.annotate(
                f"×{row['ratio']:.0f}", (x, float(row["kernel ms"])), textcoords="offset points", xytext=(0, -13), ha="center",
                fontsize=8, color="#1b6ca8",
            )  # fmt: skip
        axis.set_title(regime, fontsize=10)
        axis.margins(x=0.12, y=0.1)
        axis.set_xlabel("orders")
        axis.grid(True, which="major", alpha=0.3)
    axes[0].set_ylabel("milliseconds a clearing")
    axes[0].legend(fontsize=8, frameon=False)
    for suffix in (".png", ".pdf"):
        picture.savefig(stem.with_suffix(suffix), dpi=160)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "medium", "large"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    cases = [(size, regime) for size in arguments.sizes for regime in REGIMES]
    parts: list[str] = []

    def shown(text: str) -> None:
        print(text, flush=True)
        parts.append(text)

    cold_rows = {(s, r): cold(s, r, arguments.seeds) for s, r in cases}
    shown(table("Cold, ratio to the better HiGHS setting", cold_rows))
    shown(growth(cold_rows))
    shown(
        table("32 relaxations of 2,000 orders, HiGHS cold", {("medium", r): relaxations(r) for r in REGIMES})
    )
    shown(table("Books of the model", model_books()))
    for racks, name in ((True, "units of 8 and racks of 72"), (False, "units of 8")):
        rounding = {(s, r): whole_units(s, r, racks) for s, r in cases}
        shown(table(f"Whole units, share of the divisible surplus lost, {name}", rounding))
    peer_rows = {(s, r): others(s, r) for s, r in cases}
    shown(table("Other solvers, time over the kernel's, and peak memory above the book", peer_rows))
    single = {(f"{n:,}", "one class"): one_class(n) for n in (200, 2_000, 20_000)}
    shown(table("One class without headroom limits", single))
    if arguments.markdown:
        put("\n".join(parts), arguments.markdown)
    if arguments.figure:
        figure(cold_rows, peer_rows, arguments.figure)


if __name__ == "__main__":
    main()
