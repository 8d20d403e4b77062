"""Shapley values against all permutations, the two games by hand, and when a class is taken apart."""

from fractions import Fraction
from itertools import permutations
from math import factorial, sqrt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim.base.randomness import Purpose
from sim.discount import shapley
from sim.discount.relaxation import FAMILIES
from sim.discount.shapley import BELIEFS, NOT_ATTRIBUTED, Calendar, decompose, exact, sampled, solve

A100, H100, H100_AS_IS = 4, 7, 8
THREE = ("transport", "power", "cash")
# Worth of {}, {0}, {1}, {0, 1}, {2}, ... of three players; the empty coalition need not be worth nothing.
TABLE = dict(enumerate([5, 8, 4, 20, 5, 9, 30, 41]))


def worth(mask: int) -> Fraction:
    return Fraction(TABLE[mask])


def gains(order: tuple[int, ...]) -> dict[int, Fraction]:
    """What each player adds when players come in an order."""
    mask, found = 0, {}
    for i in order:
        found[i] = worth(mask | 1 << i) - worth(mask)
        mask |= 1 << i
    return found


def test_all_orders_of_three_players() -> None:
    """Of the game and of its negative, in which players add most when they come first."""
    every = [gains(order) for order in permutations(range(3))]
    found, other = exact(worth, 3), exact(lambda mask: -worth(mask), 3)
    for i in range(3):
        mine = [gain[i] for gain in every]
        assert found.value_cents[i] == -other.value_cents[i] == sum(mine) / 6
        assert (found.low_cents[i], found.high_cents[i]) == (min(mine), max(mine))
        assert (other.low_cents[i], other.high_cents[i]) == (-max(mine), -min(mine))
    assert found.first_in_cents == [3, -1, 0]
    assert found.last_in_cents == [41 - 30, 41 - 9, 41 - 20]
    assert (found.orders, found.error_cents) == (6, [0.0] * 3)


def test_interactions_of_three_players() -> None:
    """Of i and j the mean of the second differences without and with the third player."""

    def second(i: int, j: int, rest: int) -> Fraction:
        return worth(rest | i | j) - worth(rest | i) - worth(rest | j) + worth(rest)

    pairs = exact(worth, 3).interaction_cents
    assert pairs is not None
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        expected = (second(1 << i, 1 << j, 0) + second(1 << i, 1 << j, 1 << k)) / 2
        assert pairs[i][j] == pairs[j][i] == expected
    assert [pairs[i][i] for i in range(3)] == [0, 0, 0]


def test_interactions_of_four_players_weigh_the_rest_by_its_size() -> None:
    """Worth 1 only of all four: the pair is met by both others with weight 2! 0! / 3!."""
    pairs = exact(lambda mask: Fraction(mask == 15), 4).interaction_cents
    assert pairs is not None
    assert {pairs[i][j] for i in range(4) for j in range(i)} == {Fraction(1, 3)}
    pairs = exact(lambda mask: Fraction(mask & 3 == 3 and mask.bit_count() == 3), 4).interaction_cents
    assert pairs is not None
    # One other of two with weight 1! 1! / 3! each, both others none.
    assert pairs[0][1] == Fraction(2, 6)


def test_two_orders_and_their_reverses_by_hand() -> None:
    orders = [[0, 1, 2], [2, 0, 1]]
    found = sampled(worth, 3, orders)
    means = [
        [(gains(tuple(order))[i] + gains(tuple(order[::-1]))[i]) / 2 for i in range(3)] for order in orders
    ]
    every = [gains(tuple(way)) for order in orders for way in (order, order[::-1])]
    full = exact(worth, 3)
    for i in range(3):
        assert found.value_cents[i] == (means[0][i] + means[1][i]) / 2
        # The error of a mean of two is half their distance.
        assert found.error_cents[i] == pytest.approx(float(abs(means[0][i] - means[1][i])) / 2)
        mine = [gain[i] for gain in every] + [full.first_in_cents[i], full.last_in_cents[i]]
        assert (found.low_cents[i], found.high_cents[i]) == (min(mine), max(mine))
    assert (found.first_in_cents, found.last_in_cents) == (full.first_in_cents, full.last_in_cents)
    assert (found.orders, found.interaction_cents) == (4, None)
    one = sampled(worth, 3, orders[:1])
    assert np.isnan(one.error_cents).all()
    assert (one.orders, one.value_cents) == (2, means[0])
    for shares in (one, sampled(worth, 3, [[1, 0, 2]])):
        way = (0, 1, 2) if shares is one else (1, 0, 2)
        for i in range(3):
            mine = [gains(way)[i], gains(way[::-1])[i], full.first_in_cents[i], full.last_in_cents[i]]
            assert (shares.low_cents[i], shares.high_cents[i]) == (min(mine), max(mine))
    three = sampled(worth, 3, [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
    last = [(gains((1, 0, 2))[i] + gains((2, 0, 1))[i]) / 2 for i in range(3)]
    spread = np.std([[float(x) for x in row] for row in (*means, last)], axis=0, ddof=1) / sqrt(3)
    assert three.error_cents == pytest.approx(spread.tolist())


def test_orders_are_drawn_one_a_pair() -> None:
    drawn = shapley.draw_orders(np.random.default_rng(5), 4, 3)
    again = np.random.default_rng(5)
    assert drawn == [again.permutation(4).tolist() for _ in range(3)]


def test_all_orders_are_taken_where_a_sample_is_no_cheaper() -> None:
    """Of five players 32 coalitions; p pairs ask 2 + 10 + 4 p of them: from five pairs on nothing is saved."""

    def five(mask: int) -> Fraction:
        asked.append(mask)
        return Fraction(mask)

    for pairs, full in ((None, True), (5, True), (6, True), (4, False), (1, False)):
        asked: list[int] = []
        orders = None if pairs is None else [[0, 1, 2, 3, 4]] * pairs
        found = solve(five, 5, orders)
        assert (found.interaction_cents is not None) == full
        assert found.orders == (factorial(5) if full else 2 * (pairs or 0))
        assert len(asked) == len(set(asked))
    assert solve(worth, 3, [[0, 1, 2]]).orders == 6
    assert solve(lambda mask: Fraction(mask), 2, [[0, 1]]).orders == 2


class Prices:
    """Prices of a forced class by coalition of `THREE`, cents; one lot of it fetches so much more."""

    def __init__(self, table: list[float], more: list[float]) -> None:
        self.table, self.more = table, more

    def _mask(self, relaxed: frozenset[str]) -> int:
        return sum(1 << THREE.index(name) for name in relaxed)

    def price_cents(self, relaxed: frozenset[str], product: int) -> float:
        assert product == H100
        return self.table[self._mask(relaxed)]

    def first_lot_price_cents(self, relaxed: frozenset[str], product: int) -> float:
        return self.price_cents(relaxed, product) + self.more[self._mask(relaxed)]


LEVEL = [100.5, 103.5, 99.5, 115.5, 100.5, 104.5, 125.5, 136.75]
MORE = [40.25, 38.0, 30.0, 20.0, 40.0, 35.0, 10.0, 3.5]


def test_games_start_from_nothing() -> None:
    market: Any = Prices(LEVEL, MORE)
    level, impact = shapley.level_of(market, THREE, H100), shapley.impact_of(market, THREE, H100)
    assert [level(mask) for mask in (0, 1, 7)] == [0, 3, Fraction(145, 4)]
    assert [impact(mask) for mask in (0, 1, 7)] == [0, Fraction(9, 4), Fraction(147, 4)]


def decomposed(
    more: list[float] = MORE, orders: Any = None
) -> tuple[dict[tuple[str, str], Any], list[dict[str, Any]]]:
    rows, interactions = decompose(Prices(LEVEL, more), THREE, H100, np.array([2.0, 1.75]), orders)  # type: ignore[arg-type]
    assert [row["game"] for row in rows] == ["level"] * 10 + ["impact"] * 10
    assert [row["family"] for row in rows] == 2 * [*FAMILIES, BELIEFS, NOT_ATTRIBUTED]
    return {(row["game"], row["family"]): row for row in rows}, interactions


def test_the_level_game_runs_from_the_price_to_the_best_use() -> None:
    """From 100 cents to 200: 25 are beliefs, 39 are left when all is relaxed, 36 are shared."""
    rows, interactions = decomposed()
    level = {family: row for (game, family), row in rows.items() if game == "level"}
    assert (level[BELIEFS]["value_cents"], level[NOT_ATTRIBUTED]["value_cents"]) == (25, 39)
    assert sum(level[family]["value_cents"] for family in THREE) == 36
    assert sum(row["value_cents"] for row in level.values()) == 100
    solution = exact(lambda mask: Fraction(LEVEL[mask]) - Fraction(LEVEL[0]), 3)
    for i, family in enumerate(THREE):
        row = level[family]
        assert abs(row["value_cents"] - solution.value_cents[i]) < 1
        for name in ("low_cents", "high_cents", "first_in_cents", "last_in_cents"):
            assert row[name] == round(getattr(solution, name)[i]), name
        assert (row["orders"], row["error_cents"]) == (6, 0.0)
    for name in ("low_cents", "high_cents", "first_in_cents", "last_in_cents"):
        assert level[BELIEFS][name] == 25
    for family in set(FAMILIES) - set(THREE):
        assert [level[family][name] for name in ("value_cents", "low_cents", "high_cents")] == [0, 0, 0]
        assert level[family]["orders"] == 6
    told = {
        (row["family"], row["other"]): row["value_cents"] for row in interactions if row["game"] == "level"
    }
    pairs = solution.interaction_cents
    assert pairs is not None
    assert told == {
        ("power", "transport"): round(pairs[1][0]),
        ("cash", "transport"): round(pairs[2][0]),
        ("cash", "power"): round(pairs[2][1]),
    }


def test_the_impact_game_runs_from_the_discount_to_nothing() -> None:
    """40 cents of discount; three are left when all is relaxed, rounded down."""
    rows, interactions = decomposed()
    impact = {family: row for (game, family), row in rows.items() if game == "impact"}
    assert (impact[BELIEFS]["value_cents"], impact[NOT_ATTRIBUTED]["value_cents"]) == (0, 3)
    assert sum(row["value_cents"] for row in impact.values()) == 40
    solution = exact(lambda mask: Fraction(MORE[0]) - Fraction(MORE[mask]), 3)
    for i, family in enumerate(THREE):
        assert abs(impact[family]["value_cents"] - solution.value_cents[i]) < 1
        assert impact[family]["first_in_cents"] == round(solution.first_in_cents[i])
    assert len(interactions) == 6


@pytest.mark.parametrize(("more", "played"), [(1.0, True), (0.99, False), (0.0, False)])
def test_a_discount_below_a_cent_is_none(more: float, played: bool) -> None:
    rows, interactions = decomposed([more, *MORE[1:]])
    impact = [row for (game, _), row in rows.items() if game == "impact"]
    assert {row["orders"] for row in impact if row["family"] in FAMILIES} == {6 if played else 0}
    assert any(row["value_cents"] for row in impact) == played
    assert {row["game"] for row in interactions} == ({"level", "impact"} if played else {"level"})


def test_samples_state_their_error_and_no_interactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapley, "solve", lambda worth, players, orders: sampled(worth, players, orders))
    rows, interactions = decomposed(orders=[[0, 1, 2], [2, 0, 1]])
    assert interactions == []
    solution = sampled(lambda mask: Fraction(LEVEL[mask]) - Fraction(LEVEL[0]), 3, [[0, 1, 2], [2, 0, 1]])
    for i, family in enumerate(THREE):
        assert rows["level", family]["error_cents"] == solution.error_cents[i]
        assert rows["level", family]["orders"] == 4
    assert rows["level", "search"]["error_cents"] == 0.0


def quote(product: int, sold: int = 0) -> Any:
    return SimpleNamespace(product=product, sold=sold, best_use_value_usd=2.0, believed_value_usd=1.75)


def test_a_class_is_due_when_it_comes_sells_or_has_waited() -> None:
    calendar = Calendar()
    here = [quote(H100), quote(A100)]
    assert calendar.due(3, here, 4) == {H100, A100}
    assert calendar.due(4, here, 4) == set()
    assert calendar.due(5, [quote(H100, 8), quote(A100)], 4) == {H100}
    assert calendar.due(6, here, 4) == set()
    assert calendar.due(7, here, 4) == {A100}
    assert calendar.due(8, here, 4) == set()
    # Away for a week it is new again.
    assert calendar.due(9, [quote(H100)], 4) == {H100}
    assert calendar.due(10, here, 4) == {A100}
    assert calendar.last == {H100: 9, A100: 10}
    assert calendar.due(11, [quote(H100, 1), quote(A100)], 4) == {H100}
    assert Calendar().due(3, here, 0) == set()
    assert Calendar().due(0, [quote(H100, 1)], 0) == set()
    assert Calendar({H100: 2}).due(3, [quote(H100)], 1) == {H100}


def test_tables_of_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row per game and family of each class asked for, in the order of quotes, and interactions if there are any."""
    asked: list[tuple[Any, ...]] = []

    def decompose(
        setting: Any, families: Any, product: int, best: np.ndarray, orders: Any
    ) -> tuple[Any, Any]:
        asked.append((setting, families, product, best.tolist(), orders))
        return [{"family": "power", "value_cents": product}, {"family": "cash", "value_cents": 1}], [
            {"family": "power", "other": "cash", "value_cents": -product}
        ][: int(product == H100)]

    def generator(*told: Any) -> np.random.Generator:
        assert told == (Purpose.RELAXATION, 9)
        return np.random.default_rng(3)

    monkeypatch.setattr(shapley, "decompose", decompose)
    monkeypatch.setattr(
        shapley, "AgentsRebuild", lambda week: SimpleNamespace(active=lambda: ["power", "cash"])
    )
    monkeypatch.setattr(shapley, "setting_of", lambda week, rebuild: ("setting", rebuild.active()))
    monkeypatch.setattr(
        shapley, "SHAPLEY", dict.fromkeys(("week", "generation", "condition", "family", "value_cents"))
    )
    monkeypatch.setattr(
        shapley,
        "INTERACTIONS",
        dict.fromkeys(("week", "generation", "condition", "family", "other", "value_cents")),
    )
    week: Any = SimpleNamespace(
        week=9,
        quotes=(quote(H100_AS_IS), quote(A100), quote(H100)),
        world=SimpleNamespace(
            randomness=SimpleNamespace(generator=generator),
            parameters=SimpleNamespace(discount=SimpleNamespace(shapley_pairs=2)),
        ),
    )
    assert shapley.tables(week, set()) == {}
    found = shapley.tables(week, {H100, H100_AS_IS})
    assert [row[2] for row in asked] == [H100_AS_IS, H100]
    drawn = shapley.draw_orders(np.random.default_rng(3), 2, 2)
    assert asked[0] == (("setting", ["power", "cash"]), ["power", "cash"], H100_AS_IS, [2.0, 1.75], drawn)
    table = found["shapley"]
    assert table["week"].tolist() == [9] * 4
    assert table["generation"].tolist() == ["H100"] * 4
    assert table["condition"].tolist() == ["as_is", "as_is", "clean", "clean"]
    assert table["value_cents"].tolist() == [H100_AS_IS, 1, H100, 1]
    assert found["shapley_interactions"]["value_cents"].tolist() == [-H100]
    assert list(shapley.tables(week, {A100})) == ["shapley"]


def test_the_setting_of_a_week_is_its_offers_and_venue() -> None:
    week: Any = SimpleNamespace(intents=SimpleNamespace(sell="offers"), result=SimpleNamespace(venue="venue"))
    setting = shapley.setting_of(week, "rebuild")  # type: ignore[arg-type]
    assert (setting.sell, setting.rebuild, setting.venue) == ("offers", "rebuild", "venue")
