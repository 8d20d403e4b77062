"""Seeded books for the benchmark of the clearing kernel, small to huge, in three states of the market.

Sites on a map with Delaunay lanes, Pareto-distributed in size; lognormal quantities in whole units; prices on a grid around
a base a class. ``normal``: few bids meet offers. ``fire``: most orders are forced sales, headroom is scarce. ``balanced``:
half of the sites bind.
"""

import numpy as np
from scipy.spatial import Delaunay

from sim.kernel.book import Book, Network

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


def one_class(n: int, seed: int) -> tuple[Book, Network]:
    """Orders of one class on 100 sites (20 for few orders), headroom without limit: a plain transport problem."""
    size = "small" if n <= 200 else "medium"
    full = network(size, seed)
    net = Network(
        full.n_nodes, full.lanes, full.freight[:1], full.unit[:1], full.unit_watts[:1], full.liquid[:1]
    )
    rng = np.random.default_rng([seed, 5])
    side, node, _, quantity, price = orders(size, "balanced", rng, n)
    room = np.full(net.n_nodes, 10**12)
    price = (price % 300_000) + 200_000
    return Book(side, node, np.zeros(n, dtype=np.int32), quantity // 8 * 8, price, room, room), net
