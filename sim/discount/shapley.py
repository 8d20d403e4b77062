"""Which friction costs what: Shapley values of the price and of the fire-sale discount (economics.md 2, theory.md D.4).

Two games over the families of `sim.discount.relaxation`, both in cents per GPU of a forced class:

    level   v(S) = p(S) - p(none)              what relaxing the families in S adds to the price
    impact  v(S) = D(none) - D(S),  D = p0 - p    what it takes off the fire-sale discount

Relaxing one friction alone may gain nothing and relaxing it last a great deal, so a value never stands without its
range over orders, first-in and last-in. Values are added up as rationals and sum exactly to v(all).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import comb, factorial
from typing import Any

import numpy as np

from agents.vocabulary import CONDITIONS, GENERATIONS, PRODUCT_CONDITION, PRODUCT_GENERATION, Floats
from sim.base.declared import COUNT, PRICE, SIGNED_AMOUNT, WEEK, Declared
from sim.base.randomness import Purpose
from sim.discount.arcs import whole_cents
from sim.discount.relaxation import FAMILIES, AgentsRebuild, Setting, names_of
from sim.market.week import MarketWeek, ThreePrices

GAMES = ("level", "impact")
BELIEFS = "beliefs"
NOT_ATTRIBUTED = "not_attributed"
CENTS = "cents per GPU"
SHAPLEY = {
    "week": Declared("week", "week of the offer", WEEK),
    "generation": Declared("", "forced generation"),
    "game": Declared("", "level: of the price; impact: of the fire-sale discount"),
    "family": Declared("", "friction relaxed; beliefs and not_attributed are what is left when all are"),
    "value_cents": Declared(CENTS, "Shapley value", SIGNED_AMOUNT),
    "low_cents": Declared(CENTS, "least contribution in any order looked at", SIGNED_AMOUNT),
    "high_cents": Declared(CENTS, "largest contribution in any order looked at", SIGNED_AMOUNT),
    "first_in_cents": Declared(CENTS, "contribution when relaxed alone", SIGNED_AMOUNT),
    "last_in_cents": Declared(CENTS, "contribution when relaxed last", SIGNED_AMOUNT),
    "condition": Declared("", "condition of the forced units"),
    "error_cents": Declared(
        CENTS,
        "standard error of the value over antithetic pairs of orders; 0 where all orders were taken",
        PRICE,
    ),
    "orders": Declared("1", "orders of relaxation the value is a mean of; 0: nothing to attribute", COUNT),
}
INTERACTIONS = {
    "week": Declared("week", "week of the offer", WEEK),
    "generation": Declared("", "forced generation"),
    "game": Declared("", "level or impact"),
    "family": Declared("", "friction relaxed"),
    "other": Declared("", "friction relaxed with it"),
    "value_cents": Declared(
        CENTS,
        "Shapley interaction: gain of relaxing both beyond the sum of the gains; below 0 substitutes",
        SIGNED_AMOUNT,
    ),
    "condition": Declared("", "condition of the forced units"),
}
# Worth of a coalition; a coalition is a bit mask of players.
Worth = Callable[[int], Fraction]


@dataclass(frozen=True, slots=True)
class Shares:
    """Solution of one game: arrays of rationals over players. ``interaction`` is None unless all orders were taken."""

    value_cents: list[Fraction]
    low_cents: list[Fraction]
    high_cents: list[Fraction]
    first_in_cents: list[Fraction]
    last_in_cents: list[Fraction]
    error_cents: list[float]
    orders: int
    interaction_cents: list[list[Fraction]] | None = None


def exact(worth: Worth, players: int) -> Shares:
    """All orders: ``phi_i = sum over S of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))``.

    The interaction of i and j is Grabisch and Roubens's, ``sum of |S|! (n - |S| - 2)! / (n - 1)!`` times the second difference.
    """
    n, whole = players, (1 << players) - 1
    v = [worth(mask) for mask in range(whole + 1)]
    value, low, high = [], [], []
    for i in range(n):
        gains: dict[int, list[Fraction]] = {}
        for mask in range(whole + 1):
            if not mask >> i & 1:
                gains.setdefault(mask.bit_count(), []).append(v[mask | 1 << i] - v[mask])
        value.append(
            sum((sum(g, Fraction(0)) / (n * comb(n - 1, size)) for size, g in gains.items()), Fraction(0))
        )
        low.append(min(min(g) for g in gains.values()))
        high.append(max(max(g) for g in gains.values()))
    pairs = [[Fraction(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i):
            both = 1 << i | 1 << j
            total = Fraction(0)
            for mask in range(whole + 1):
                if not mask & both:
                    size = mask.bit_count()
                    second = v[mask | both] - v[mask | 1 << i] - v[mask | 1 << j] + v[mask]
                    total += Fraction(factorial(size) * factorial(n - size - 2), factorial(n - 1)) * second
            pairs[i][j] = pairs[j][i] = total
    first, last = _ends(v.__getitem__, n)
    return Shares(value, low, high, first, last, [0.0] * n, factorial(n), pairs)


def sampled(v: Worth, players: int, orders: Sequence[Sequence[int]]) -> Shares:
    """Each order and its reverse; the mean over both telescopes, so it too sums exactly to v(all).

    Notes
    -----
    First-in and last-in are exact. The error is the standard error of the mean over pairs: pairs are drawn independently
    (`draw_orders`), for a balanced design would state too small an error, even none where two rows reverse each other.
    """
    n = players
    whole = (1 << n) - 1
    first, last = _ends(v, n)
    low, high = (
        [min(a, b) for a, b in zip(first, last, strict=True)],
        [max(a, b) for a, b in zip(first, last, strict=True)],
    )
    means: list[list[Fraction]] = []
    for order in orders:
        total = [Fraction(0)] * n
        for way in (order, order[::-1]):
            mask = 0
            for i in way:
                gain = v(mask | 1 << i) - v(mask)
                mask |= 1 << i
                total[i] += gain
                low[i], high[i] = min(low[i], gain), max(high[i], gain)
        means.append([x / 2 for x in total])
    value = [sum((m[i] for m in means), Fraction(0)) / len(means) for i in range(n)]
    assert sum(value) == v(whole) - v(0)
    spread = np.array([[float(x) for x in m] for m in means])
    error = spread.std(axis=0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.full(n, np.nan)
    return Shares(value, low, high, first, last, error.tolist(), 2 * len(means))


def draw_orders(generator: np.random.Generator, players: int, pairs: int) -> list[list[int]]:
    """Independent orders of the players, one a pair."""
    return [generator.permutation(players).tolist() for _ in range(pairs)]


def _ends(v: Callable[[int], Fraction], n: int) -> tuple[list[Fraction], list[Fraction]]:
    whole = (1 << n) - 1
    return (
        [v(1 << i) - v(0) for i in range(n)],
        [v(whole) - v(whole & ~(1 << i)) for i in range(n)],
    )


def solve(worth: Worth, players: int, orders: Sequence[Sequence[int]] | None) -> Shares:
    """Shapley values: over all orders where none are given or the sample would be no cheaper, else over those given."""
    kept = cache(worth)
    if orders is None or 2**players <= 2 + 2 * players + 2 * len(orders) * max(players - 3, 0):
        return exact(kept, players)
    return sampled(kept, players, orders)


def level_of(setting: Setting, families: Sequence[str], product: int) -> Worth:
    """Gain in price from relaxing a coalition of families, cents per GPU."""
    start = Fraction(setting.price_cents(frozenset(), product))
    return lambda mask: Fraction(setting.price_cents(names_of(mask, families), product)) - start


def impact_of(setting: Setting, families: Sequence[str], product: int) -> Worth:
    """Fire-sale discount removed by relaxing a coalition of families, cents per GPU."""

    def discount(mask: int) -> Fraction:
        relaxed = names_of(mask, families)
        return Fraction(setting.first_lot_price_cents(relaxed, product)) - Fraction(
            setting.price_cents(relaxed, product)
        )

    start = discount(0)
    return lambda mask: start - discount(mask)


@dataclass(frozen=True, slots=True)
class Game:
    """A game over families: worth of coalitions, whole cents to share, and what relaxing all families leaves over.

    ``played`` is false where there is nothing to attribute.
    """

    worth: Worth
    total: int
    left: Mapping[str, int]
    played: bool


def decompose(
    setting: Setting,
    families: Sequence[str],
    product: int,
    best_use_value: Floats,
    orders: Sequence[Sequence[int]] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `SHAPLEY` and of `INTERACTIONS` for one forced class, without week and class.

    Parameters
    ----------
    families
        Those that are active this week; the others get rows of zeros.
    best_use_value : (2,) USD
        Best admissible use V*, and the same as buyers believe.
    orders
        Orders of `families` to sample; all of them if left out.

    Notes
    -----
    Cents of a game sum exactly to its total in whole cents. The level game runs from p to V*: what relaxing all families
    leaves is split into ``beliefs``, V* less the best use as buyers believe it, and ``not_attributed``: hosting, waiting, and
    better users that did not bid. The impact game runs from the discount p0 - p to zero; where one lot would have fetched no
    more there is nothing to attribute, the game is not played, and its rows are zero over zero orders.
    """
    rows, interactions = [], []
    for name, game in _games(setting, families, product, best_use_value).items():
        shares = solve(game.worth, len(families), orders) if game.played else None
        rows += [{"game": name} | row for row in _rows(families, shares, game.total, game.left)]
        if shares is not None and shares.interaction_cents is not None:
            interactions += [
                {
                    "game": name,
                    "family": family,
                    "other": families[j],
                    "value_cents": round(shares.interaction_cents[i][j]),
                }
                for i, family in enumerate(families)
                for j in range(i)
            ]
    return rows, interactions


def _games(
    setting: Setting, families: Sequence[str], product: int, best_use_value: Floats
) -> dict[str, Game]:
    """The level and the impact game of a forced class."""
    none, everything = frozenset[str](), frozenset(families)
    price, first_lot, freed, freed_lot = (
        Fraction(quote(relaxed, product))
        for relaxed in (none, everything)
        for quote in (setting.price_cents, setting.first_lot_price_cents)
    )
    best, believed = (round(100 * float(x)) for x in best_use_value)
    played = first_lot - price >= 1
    over = (freed_lot - freed) // 1
    return {
        "level": Game(
            level_of(setting, families, product),
            freed // 1 - price // 1,
            {BELIEFS: best - believed, NOT_ATTRIBUTED: believed - freed // 1},
            played=True,
        ),
        "impact": Game(
            impact_of(setting, families, product),
            (first_lot - price) // 1 - over,
            {BELIEFS: 0, NOT_ATTRIBUTED: over if played else 0},
            played,
        ),
    }


def _rows(
    families: Sequence[str], shares: Shares | None, total: int, left: Mapping[str, int]
) -> list[dict[str, Any]]:
    """A row per family and per thing left over; zeros for families that are not at work and games that are not played."""
    columns = ("value_cents", "low_cents", "high_cents", "first_in_cents", "last_in_cents")
    nothing = dict.fromkeys(columns, 0) | {
        "error_cents": 0.0,
        "orders": 0 if shares is None else shares.orders,
    }
    rows = [{"family": family} | nothing for family in FAMILIES]
    if shares is not None:
        cents = whole_cents(shares.value_cents, total).tolist()
        for i, family in enumerate(families):
            row = rows[FAMILIES.index(family)]
            row |= {name: round(getattr(shares, name)[i]) for name in columns}
            row |= {"value_cents": cents[i], "error_cents": shares.error_cents[i]}
    rows += [{"family": name} | nothing | dict.fromkeys(columns, int(rest)) for name, rest in left.items()]
    return rows


def setting_of(week: MarketWeek, rebuild: AgentsRebuild) -> Setting:
    """The market of a week that has cleared and is not yet settled."""
    return Setting(week.intents.sell, rebuild, week.result.venue)


@dataclass(slots=True)
class Calendar:
    """When each forced class was last taken apart: class -> week."""

    last: dict[int, int] = field(default_factory=dict)

    def due(self, week: int, quotes: Collection[ThreePrices], every: int) -> set[int]:
        """Classes to take apart this week, noted as done: new ones, those with units sold, and the overdue.

        A class that was away from the market is new to it when it comes back. None ever if `every` is 0.
        """
        sold = {quote.product: quote.sold > 0 for quote in quotes}
        self.last = {product: when for product, when in self.last.items() if product in sold}
        if not every:
            return set()
        due = {p for p, some in sold.items() if some or week - self.last.get(p, -every) >= every}
        self.last |= dict.fromkeys(due, week)
        return due


def tables(
    week: MarketWeek, products: Collection[int]
) -> dict[str, dict[str, np.ndarray[Any, np.dtype[Any]]]]:
    """Columns of `shapley` for forced classes and, where all orders were taken, of `shapley_interactions`.

    All classes of a week are asked for the same coalitions, so that one clearing serves them all: 2 + 2n + 2 pairs (n - 3) of
    them for n families at work. Agents state their intents anew for each, which is dear, so by default a class is taken
    apart in the week it comes to market and in every week in which units of it are sold, not in those in which it stands
    unsold (`discount.shapley_weeks`; 1 is every week). Measured times stand in docs/discount.md.
    """
    if not products:
        return {}
    rebuild = AgentsRebuild(week)
    families, setting = rebuild.active(), setting_of(week, rebuild)
    generator = week.world.randomness.generator(Purpose.RELAXATION, week.week)
    orders = draw_orders(generator, len(families), week.world.parameters.discount.shapley_pairs)
    found: dict[str, list[dict[str, Any]]] = {"shapley": [], "shapley_interactions": []}
    for quote in (quote for quote in week.quotes if quote.product in products):
        about = {
            "week": week.week,
            "generation": GENERATIONS[PRODUCT_GENERATION[quote.product]],
            "condition": CONDITIONS[PRODUCT_CONDITION[quote.product]],
        }
        best_use_value = np.array([quote.best_use_value_usd, quote.believed_value_usd])
        parts = decompose(setting, families, quote.product, best_use_value, orders)
        for rows, part in zip(found.values(), parts, strict=True):
            rows += [about | row for row in part]
    return {
        table: {name: np.array([row[name] for row in rows]) for name in meaning}
        for (table, rows), meaning in zip(found.items(), (SHAPLEY, INTERACTIONS), strict=True)
        if rows
    }
