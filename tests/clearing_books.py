"""Books, a linear-programming oracle and an independent check, shared by the tests of the clearing kernel."""

import highspy
import numpy as np

from sim.kernel.book import Book, Network
from sim.kernel.clearing import Clearing


def network(n_nodes=1, lanes=(), freight=None, unit=(1,), unit_watts=(1_000,), liquid=(False,)) -> Network:
    """A network from plain lists; `freight` is (G, L), zero when left out."""
    lanes = np.array(lanes, dtype=np.int32).reshape(-1, 2)
    if freight is None:
        freight = np.zeros((len(unit), len(lanes)), dtype=np.int64)
    return Network(
        n_nodes,
        lanes,
        np.array(freight, dtype=np.int64).reshape(len(unit), len(lanes)),
        np.array(unit, dtype=np.int64),
        np.array(unit_watts, dtype=np.int64),
        np.array(liquid, dtype=np.bool_),
    )


def book(orders, power, cooling=None) -> Book:
    """A book from rows (side, node, product, quantity, price in cents)."""
    rows = np.array(orders, dtype=np.int64).reshape(-1, 5)
    power = np.array(power, dtype=np.int64)
    return Book(
        rows[:, 0].astype(np.int8),
        rows[:, 1].astype(np.int32),
        rows[:, 2].astype(np.int32),
        rows[:, 3].copy(),
        rows[:, 4].copy(),
        power,
        np.zeros_like(power) if cooling is None else np.array(cooling, dtype=np.int64),
    )


WATTS = np.array([4_800, 6_500, 10_200, 14_300, 120_000, 230_000])
UNITS = np.array([8, 8, 8, 8, 72, 72])


def random_case(seed: int, *, kind: str = "any") -> tuple[Book, Network]:
    """Seeded small book on a random one-way network, degenerate in a way drawn from the seed."""
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(1, 9))
    products = int(rng.integers(1, 5))
    pick = np.sort(rng.choice(6, products, replace=False))
    n_lanes = int(rng.integers(0, 3 * nodes)) if nodes > 1 else 0
    lanes = rng.integers(0, nodes, (n_lanes, 2))
    freight = rng.integers(0, 60, (products, n_lanes)) * 100
    freight[rng.random(freight.shape) < rng.choice([0.0, 0.3])] = -1
    n = int(rng.integers(0, 30))
    side = rng.integers(0, 2, n)
    price = rng.integers(0, 300, n) * 100 + rng.integers(0, 100, n)
    quantity = rng.integers(0, 50, n)
    style = int(rng.integers(0, 8))
    if style == 0:
        price = price // 10_000 * 10_000
    elif style == 1:
        price[:] = 5_000
        freight = np.minimum(freight, 0)
    elif style == 2:
        quantity[:] = 8
    elif style == 3:
        price[side == 0] = 0
    power = rng.integers(0, 120_000, nodes) * (rng.random(nodes) < 0.8)
    power *= int(rng.choice([1, 10, 100]))
    cooling = rng.integers(0, 1 + power.max(), nodes) * (rng.random(nodes) < 0.6)
    if style == 4:
        power[:] = 0
    elif style == 5:
        power[:] = 10**12
        cooling[:] = 10**12
    unit = UNITS[pick] if rng.random() < 0.5 else np.ones(products, dtype=np.int64)
    watts = WATTS[pick] // (1 if unit[0] > 1 or products > 1 else 8)
    if style == 6:
        watts = rng.integers(1, 10**6, products)
    rows = np.stack([side, rng.integers(0, nodes, n), rng.integers(0, products, n), quantity, price], axis=1)
    net = network(nodes, lanes, freight, unit, watts, pick >= 4)
    return book(rows, power, cooling), net


def highs_value(book: Book, network: Network, presolve: bool = True) -> float:
    """Optimal surplus in cents by HiGHS on the node-arc program in natural units (GPUs, dollars per GPU)."""
    if len(book.side) == 0:
        return 0.0
    model = highs_model(book, network)
    model.setOptionValue("presolve", "on" if presolve else "off")
    model.run()
    assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return 0.0 - model.getInfo().objective_function_value


def highs_model(book: Book, network: Network) -> highspy.Highs:
    """The node-arc program: rows are balance of (product, node), power and cooling of the node."""
    nodes, products = network.n_nodes, len(network.unit)
    kilowatts = network.unit_watts / network.unit / 1_000.0
    sell = book.side == 0
    balance = book.generation.astype(np.int64) * nodes + book.node
    n = len(sell)
    product, lane = np.nonzero(network.freight >= 0)
    starts, rows, values = [0], [], []
    first_power, first_cooling = products * nodes, (products + 1) * nodes
    for i in range(n):
        rows.append(int(balance[i]))
        values.append(1.0 if sell[i] else -1.0)
        if not sell[i]:
            g = int(book.generation[i])
            rows.append(first_power + int(book.node[i]))
            values.append(kilowatts[g])
            if network.liquid[g]:
                rows.append(first_cooling + int(book.node[i]))
                values.append(kilowatts[g])
        starts.append(len(rows))
    loops = []
    for g, a in zip(product.tolist(), lane.tolist(), strict=True):
        origin, target = (int(x) for x in network.lanes[a])
        loops.append(origin == target)
        if origin != target:
            rows.extend([g * nodes + origin, g * nodes + target])
            values.extend([-1.0, 1.0])
        starts.append(len(rows))
    cost = np.r_[np.where(sell, book.price, -book.price), network.freight[product, lane]].astype(float)
    upper = np.r_[book.quantity.astype(float), np.full(len(lane), float(book.quantity.sum()))]
    upper[n:][np.array(loops, dtype=bool)] = 0.0
    program = highspy.HighsLp()
    program.num_col_ = n + len(lane)
    program.num_row_ = (products + 2) * nodes
    program.col_cost_ = cost
    program.col_lower_ = np.zeros(n + len(lane))
    program.col_upper_ = upper
    program.row_lower_ = np.r_[np.zeros(products * nodes), np.full(2 * nodes, -highspy.kHighsInf)]
    program.row_upper_ = np.r_[np.zeros(products * nodes), book.power / 1_000.0, book.cooling / 1_000.0]
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = np.array(starts, dtype=np.int32)
    program.a_matrix_.index_ = np.array(rows, dtype=np.int32)
    program.a_matrix_.value_ = np.array(values)
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    model.passModel(program)
    return model


def check(book: Book, network: Network, clearing: Clearing, tolerance: float = 1e-9) -> None:
    """Feasibility and optimality of a divisible clearing from its public fields alone, in natural units."""
    filled = np.asarray(clearing.filled, dtype=float)
    assert np.all(filled >= 0)
    assert np.all(filled <= book.quantity * (1 + tolerance))
    check_goods(book, network, clearing, tolerance)
    certificate = clearing.certificate
    assert certificate.gap <= (0.0 if certificate.exact else 1e-9)
    assert np.all(np.nan_to_num(clearing.price_low) <= np.nan_to_num(clearing.price_high) + 1e-6)
    sell = book.side == 0
    for price in (clearing.price_low, clearing.price, clearing.price_high):
        check_lanes(network, price)
    here = clearing.price[book.generation, book.node]
    traded = book.quantity > 0
    assert not np.isnan(here[traded]).any()
    watts = (network.unit_watts / network.unit)[book.generation]
    rent = clearing.power_rent[book.node] + network.liquid[book.generation] * clearing.cooling_rent[book.node]
    profit = np.where(sell, here - book.price, book.price - here - watts * rent)
    slack = 1e-6 * np.maximum(1.0, book.price)
    assert np.all(filled[profit < -slack] <= 1e-6)
    assert np.allclose(filled[profit > slack], book.quantity[profit > slack])


def check_goods(book: Book, network: Network, clearing: Clearing, tolerance: float = 1e-9) -> None:
    """Goods balance at every node and product, headroom is respected."""
    sell = book.side == 0
    filled = np.asarray(clearing.filled, dtype=float)
    balance = np.zeros((len(network.unit), network.n_nodes))
    np.add.at(balance, (book.generation, book.node), np.where(sell, filled, -filled))
    flow = clearing.flow
    ends = network.lanes[flow.lane]
    assert np.all(network.freight[flow.generation, flow.lane] >= 0)
    np.subtract.at(balance, (flow.generation, ends[:, 0]), flow.quantity)
    np.add.at(balance, (flow.generation, ends[:, 1]), flow.quantity)
    assert np.abs(balance).max(initial=0) <= 1e-6 * max(1.0, filled.max(initial=0))
    watts = (network.unit_watts / network.unit)[book.generation] * filled * ~sell
    power, cooling = np.zeros(network.n_nodes), np.zeros(network.n_nodes)
    np.add.at(power, book.node, watts)
    np.add.at(cooling, book.node, watts * network.liquid[book.generation])
    assert np.all(power <= book.power * (1 + tolerance) + 1e-6)
    assert np.all(cooling <= book.cooling * (1 + tolerance) + 1e-6)


def check_lanes(network: Network, price: np.ndarray) -> None:
    """No price difference exceeds freight."""
    product, lane = np.nonzero(network.freight >= 0)
    ends = network.lanes[lane]
    difference = price[product, ends[:, 1]] - price[product, ends[:, 0]]
    freight = network.freight[product, lane]
    known = ~np.isnan(difference)
    tolerance = 1e-6 * (1 + np.abs(price).max(where=~np.isnan(price), initial=0))
    assert np.all(difference[known] <= freight[known] + tolerance)


def whole_check(book: Book, network: Network, clearing: Clearing) -> None:
    """Whole-unit fills are feasible and nobody trades at a loss at the divisible prices."""
    filled = clearing.filled
    assert filled.dtype == np.int64
    assert np.all((filled >= 0) & (filled <= book.quantity))
    assert np.all(filled % network.unit[book.generation] == 0)
    check_goods(book, network, clearing)
    here = clearing.price[book.generation, book.node]
    rent = clearing.power_rent[book.node] + network.liquid[book.generation] * clearing.cooling_rent[book.node]
    watts = (network.unit_watts / network.unit)[book.generation]
    sold, bought = (book.side == 0) & (filled > 0), (book.side == 1) & (filled > 0)
    assert np.all(here[sold] >= book.price[sold] - 1e-6 * (1 + book.price[sold]))
    assert np.all((here + watts * rent)[bought] <= book.price[bought] + 1e-6 * (1 + book.price[bought]))
    assert clearing.surplus <= clearing.surplus_bound + 1e-6 * (1 + abs(clearing.surplus_bound))
