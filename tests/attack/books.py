"""Books at the edges of the kernel: each is cleared and proved, or refused by a named line.

To extend: one more maker in `KINDS`. A maker returns a book and a network from a generator; it may leave the legal ranges, and
then a refusal that names the array is the required answer.
"""

import faulthandler
import re
import time
from collections.abc import Callable

import numpy as np

from sim.kernel.book import DEAREST_CENTS, LARGEST_UNIT, LARGEST_UNIT_WATTS, Book, Network
from sim.kernel.certificate import GAP
from sim.kernel.clearing import Clearing, clear, matched
from sim.kernel.exact_optimum import ExactOptimum
from sim.kernel.flow_scale import FlowScale
from tests.attack.attack import Attack, Report

# The required refusal: the array, usually a position, and a rule.
NAMED = re.compile(
    r"^(side|node|generation|quantity|price|power|cooling|unit|unit_watts|freight|lanes)\b.*[:;=]"
)
# Every so many books a second formulation, which starts from nothing, says the same; and the same in whole units.
SECOND, WHOLE = 20, 3
# Seconds a book may take; one that takes a minute ends the attack with its stack.
MOST_SECONDS, HANGS = 5.0, 60.0
Case = tuple[Book, Network]
Maker = Callable[[np.random.Generator], Case]


def _steep(rng: np.random.Generator, low: float, high: float, n: int) -> np.ndarray:
    """Whole numbers, equally many in every decade."""
    return np.exp(rng.uniform(np.log(low), np.log(high), n)).astype(np.int64)


def _case(
    rng: np.random.Generator,
    *,
    price: Callable[[int], np.ndarray],
    n: int | None = None,
    watts: np.ndarray | None = None,
    unit: np.ndarray | None = None,
    quantity: Callable[[int], np.ndarray] | None = None,
    freight: Callable[[int], np.ndarray] | None = None,
    side: float = 0.5,
    room: float = 1.0,
) -> Case:
    """A random book on a random map; a share of the nodes and lanes is shut."""
    products = int(rng.integers(1, 5)) if watts is None else len(watts)
    nodes = int(rng.integers(1, 7))
    n = int(rng.integers(0, 20)) if n is None else n
    watts = rng.integers(1, 10**6, products) if watts is None else watts
    unit = rng.choice([1, 1, 8, 72], products) if unit is None else unit
    lanes = rng.integers(0, nodes, (int(rng.integers(0, 2 * nodes)) if nodes > 1 else 0, 2))
    cost = freight(products * len(lanes)) if freight else rng.integers(0, 5_000, products * len(lanes))
    cost = cost.reshape(products, len(lanes))
    cost[rng.random(cost.shape) < 0.2] = -1
    cents = price(n)
    amount = quantity(n) if quantity else rng.integers(0, 80, n)
    amount = np.minimum(amount, 3 * 10**18 // np.maximum(cents, 1) // 2)
    goods = rng.integers(0, products, n)
    sides = (rng.random(n) >= side).astype(np.int8)
    need = int((amount.astype(float) * sides * watts[goods] / unit[goods]).sum() / nodes) + 1
    power = (need * rng.uniform(0.0, 2.0, nodes) * room * (rng.random(nodes) < 0.85)).astype(np.int64)
    cooling = (power * rng.uniform(0.0, 1.5, nodes) * (rng.random(nodes) < 0.7)).astype(np.int64)
    network = Network(
        nodes,
        lanes.astype(np.int32),
        cost,
        unit.astype(np.int64),
        watts.astype(np.int64),
        rng.random(products) < 0.4,
    )
    node = rng.integers(0, nodes, n).astype(np.int32)
    return Book(sides, node, goods.astype(np.int32), amount, cents, power, cooling), network


def odd_watts(rng: np.random.Generator) -> Case:
    """Watts without a common measure, ordinary prices."""
    return _case(rng, price=lambda n: rng.integers(0, 10**7, n))


def prices_to_the_limit(rng: np.random.Generator) -> Case:
    """Prices and freights of all decades up to the dearest that is taken."""
    return _case(
        rng, price=lambda n: _steep(rng, 1, DEAREST_CENTS, n), freight=lambda n: _steep(rng, 1, 1e13, n)
    )


def one_absurd_reserve(rng: np.random.Generator) -> Case:
    """An ordinary book with a reserve, a freight or a bid of 10^15 cents."""
    book, network = _case(rng, price=lambda n: rng.integers(0, 10**5, n), n=int(rng.integers(1, 15)))
    price, freight = book.price.copy(), network.freight.copy()
    price[int(rng.integers(0, len(price)))] = DEAREST_CENTS - int(rng.integers(0, 2))
    if freight.size and rng.random() < 0.5:
        freight.flat[int(rng.integers(0, freight.size))] = DEAREST_CENTS
    quantity = np.minimum(book.quantity, 3_999)
    return (
        Book(book.side, book.node, book.generation, quantity, price, book.power, book.cooling),
        Network(network.n_nodes, network.lanes, freight, network.unit, network.unit_watts, network.liquid),
    )


def ties_and_zeros(rng: np.random.Generator) -> Case:
    """Few different prices, many of them 0 or next to each other at the limit."""
    few = np.array([0, 0, 1, 2, 10**4, 10**4 + 1, DEAREST_CENTS - 1, DEAREST_CENTS])
    return _case(rng, price=lambda n: rng.choice(few, n), freight=lambda n: rng.choice([0, 0, 1, 10**4], n))


def one_sided(rng: np.random.Generator) -> Case:
    """Sellers only or buyers only."""
    return _case(rng, price=lambda n: _steep(rng, 1, 10**12, n), side=float(rng.integers(0, 2)))


def huge_quantities(rng: np.random.Generator) -> Case:
    """A watt a GPU or not much more, and as many GPUs as the range holds or too many."""
    watts = rng.integers(1, 60, int(rng.integers(1, 4)))
    most = 10 ** rng.uniform(3, 17)
    return _case(
        rng,
        price=lambda n: _steep(rng, 1, 10**5, n),
        watts=watts,
        unit=np.ones(len(watts), np.int64),
        quantity=lambda n: _steep(rng, 1, most, n),
    )


def crowds(rng: np.random.Generator) -> Case:
    """Many orders at few prices."""
    return _case(rng, price=lambda n: rng.integers(1, 9, n) * 10**5 + rng.integers(0, 2, n), n=150)


def shut_sites(rng: np.random.Generator) -> Case:
    """Hardly any headroom."""
    return _case(rng, price=lambda n: _steep(rng, 1, 10**9, n), room=float(rng.choice([0.0, 0.02])))


def watts_to_the_limit(rng: np.random.Generator) -> Case:
    """Sellable units and their watts of all decades."""
    products = int(rng.integers(1, 5))
    return _case(
        rng,
        price=lambda n: _steep(rng, 1, 10**9, n),
        watts=_steep(rng, 1, LARGEST_UNIT_WATTS, products),
        unit=_steep(rng, 1, rng.choice([10, 10**3, LARGEST_UNIT]), products),
        quantity=lambda n: _steep(rng, 1, 10**4, n),
    )


def common_scale(rng: np.random.Generator) -> Case:
    """Ordinary books, which fit a common scale."""
    watts = rng.choice([4_800, 6_500, 10_200, 14_300], int(rng.integers(1, 4)))
    return _case(rng, price=lambda n: rng.integers(0, 10**5, n), watts=watts, unit=np.full(len(watts), 8))


def illegal_entries(rng: np.random.Generator) -> Case:
    """One entry outside the legal ranges, or at their edge."""
    book, network = _case(rng, price=lambda n: rng.integers(0, 10**5, n), n=int(rng.integers(1, 6)))
    columns = [
        x.copy() for x in (book.side, book.node, book.generation, book.quantity, book.price, book.power)
    ]
    column = columns[int(rng.integers(0, len(columns)))]
    edges = [-1, 2, 10**15, 10**15 + 1, 2**61, 2**63 - 1, -(2**63)]
    limits = np.iinfo(column.dtype)
    column[0] = np.clip(rng.choice(np.array(edges)), limits.min, limits.max)
    return Book(*columns, book.cooling), network


KINDS: tuple[Maker, ...] = (
    odd_watts,
    prices_to_the_limit,
    one_absurd_reserve,
    ties_and_zeros,
    one_sided,
    huge_quantities,
    crowds,
    shut_sites,
    watts_to_the_limit,
    common_scale,
    illegal_entries,
)
# Crowds take long.
SHARES = np.array([4, 4, 4, 4, 2, 4, 0.3, 2, 4, 2, 1])


def compare_with_nothing_known(book: Book, network: Network, found: Clearing) -> str:
    """Where the exact method, started without any flow, says something else; empty if nowhere."""
    active = np.unique(book.generation[book.quantity > 0]).astype(np.int32)
    if len(active) == 0:
        return ""
    scale = FlowScale.fixed_point(network.unit, network.unit_watts, active, 1, 2**53)
    nothing = (
        np.zeros(len(book.side), dtype=np.int64),
        np.zeros((len(active), len(network.lanes)), dtype=np.int64),
    )
    other = ExactOptimum(book, network, scale, *nothing)
    surplus = other.surplus() / other.scale
    gross = float(np.abs(found.filled * book.price).sum())
    if abs(surplus - found.surplus_bound) > GAP * max(surplus, 100.0) + 1e-12 * gross:
        return f"surplus {found.surplus_bound} instead of {surplus}"
    known = np.array(other.known()).reshape(len(active), network.n_nodes)
    for name, end in (("price_low", other.low), ("price_high", other.high)):
        price = np.array(end[: other.goods], dtype=object).reshape(known.shape)
        cents = (price * np.array(other.flow_per_gpu, dtype=object)[:, None] / other.scale).astype(float)
        public = getattr(found, name)[active]
        if not np.array_equal(np.isnan(public), ~known):
            return f"{name} is known elsewhere"
        off = np.abs(public - cents) > 1e-4 + 1e-12 * np.abs(cents)
        if off[known].any():
            return f"{name} {public[off & known][0]} instead of {cents[off & known][0]}"
    return ""


def _try(book: Book, network: Network, number: int) -> str:
    """What is wrong with the answer to one book; empty if nothing is."""
    found = clear(book, network, theta=(0.5, 0.0, 1.0, 0.3)[number % 4])
    if found.certificate.gap > GAP:
        return f"gap {found.certificate.gap}"
    if number % WHOLE == 0:
        units = clear(book, network, whole=True)
        if units.certificate.gap > GAP:
            return f"gap {units.certificate.gap} before rounding"
        trades = matched(units, book, network)
        sold = np.bincount(trades["sell"], trades["quantity"].astype(float), len(book.side))
        if (np.abs(sold - np.where(book.side == 0, units.filled, 0)) > 1e-9 * units.filled).any():
            return "trades do not add up to the fills"
    return compare_with_nothing_known(book, network, found) if number % SECOND == 0 else ""


def run(count: int, seed: int) -> Report:
    """Clear that many books."""
    report = Report()
    for number in range(count):
        if number % 100 == 0:
            faulthandler.dump_traceback_later(HANGS, exit=True)
        rng = np.random.default_rng([seed, number])
        maker = KINDS[int(rng.choice(len(KINDS), p=SHARES / SHARES.sum()))]
        start = time.process_time()
        try:
            wrong = _try(*maker(rng), number)
            answer = "cleared and proved"
        except ValueError as refusal:
            answer = "refused by name"
            wrong = "" if NAMED.match(str(refusal)) else f"refused without a name: {refusal}"
        except Exception as fault:
            wrong = f"{type(fault).__name__}: {fault}"
        if time.process_time() - start > MOST_SECONDS:
            wrong = wrong or f"took {time.process_time() - start:.0f} s"
        report.counts[f"{maker.__name__}: {'fault' if wrong else answer}"] += 1
        if wrong:
            report.faults.append(f"book {number} of seed {seed} ({maker.__name__}): {wrong}"[:300])
    faulthandler.cancel_dump_traceback_later()
    return report


ATTACK = Attack(
    "books of fixed-point scale and at the edges of the legal ranges: cleared and proved, or refused by name",
    full=100_000,
    small=10_000,
    run=run,
)
