"""Designs: which points they visit, in which order, and which of them can grow."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.design.designs import Design, DesignError, Factor, Variation, points_of

A = Factor("a", Variation(low=0.0, high=1.0))
B = Factor("b", Variation(low=1.0, high=100.0, scale="log"))
C = Factor("c", Variation(low=1.0, high=9.0), whole=True)
D = Factor("d", Variation(values=("x", "y", "z")))
FACTORS = [A, B, C, D]
BASE: dict[str, Any] = {"a": 0.5, "b": 10.0, "c": 4, "d": "y"}


def points(kind: Any, count: int = 8, seed: int = 3, factors: list[Factor] = FACTORS, **settings: Any):
    return points_of(Design(kind=kind, points=count, **settings), factors, BASE, seed)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("sobol", 8), ("halton", 8), ("lhs", 8), ("saltelli", 8 * 6), ("morris", 8 * 5)],
)
def test_sampled_designs_have_the_size_and_the_range_they_say(kind: str, count: int) -> None:
    made = points(kind)
    assert len(made) == count
    for point in made:
        assert list(point) == ["a", "b", "c", "d"]
        assert 0.0 <= point["a"] <= 1.0
        assert 1.0 <= point["b"] <= 100.0
        assert isinstance(point["c"], int) and 1 <= point["c"] <= 9
        assert point["d"] in ("x", "y", "z")
    assert made == points(kind)
    assert made != points(kind, seed=4)
    own_seed = Design(kind=kind, points=8, seed=3)
    assert made == points_of(own_seed, FACTORS, BASE, 99)


@pytest.mark.parametrize("kind", ["sobol", "halton", "saltelli", "morris"])
@pytest.mark.parametrize(("small", "large"), [(4, 8), (8, 32), (5, 7), (6, 64)])
def test_nested_designs_grow_without_moving_a_point(kind: str, small: int, large: int) -> None:
    fewer, more = points(kind, small), points(kind, large)
    assert more[: len(fewer)] == fewer


def test_a_latin_hypercube_of_another_size_is_another_sample() -> None:
    fewer, more = points("lhs", 8), points("lhs", 16)
    assert not [point for point in fewer if point in more]


def test_a_latin_hypercube_fills_every_row_once() -> None:
    made = points("lhs", 32, factors=[A, B])
    assert sorted(int(point["a"] * 32) for point in made) == list(range(32))
    assert sorted(int(np.log10(point["b"]) / 2 * 32) for point in made) == list(range(32))


def test_saltelli_has_room_for_interactions() -> None:
    assert len(points("saltelli", 8, second_order=True)) == 8 * 10


def test_saltelli_changes_one_coordinate_at_a_time() -> None:
    made = points("saltelli", 4, factors=[A, B, Factor("e", Variation(low=0.0, high=1.0))])
    for start in range(0, len(made), 5):
        first, *single, last = made[start : start + 5]
        for key, mixed in zip(("a", "b", "e"), single, strict=True):
            assert mixed == {**first, key: last[key]}


def test_morris_steps_change_one_parameter_and_leave_the_global_stream_alone() -> None:
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    made = points("morris", 6, factors=[A, B])
    assert np.array_equal(np.random.random(3), expected)  # noqa: NPY002
    for start in range(0, len(made), 3):
        for before, after in itertools.pairwise(made[start : start + 3]):
            assert sum(before[key] != after[key] for key in before) == 1


def test_morris_needs_an_even_number_of_levels() -> None:
    with pytest.raises(DesignError, match=r"even number of levels, not design\.levels = 5"):
        points("morris", levels=5)


def test_a_grid_multiplies_everything_out_last_parameter_fastest() -> None:
    made = points("grid", factors=[A, D], levels=3)
    assert made == [{"a": a, "d": d} for a in (0.0, 0.5, 1.0) for d in ("x", "y", "z")]


def test_levels_of_a_range_follow_its_scale_and_whole_numbers_stay_whole() -> None:
    assert [point["b"] for point in points("grid", factors=[B], levels=3)] == pytest.approx([1, 10, 100])
    own = Factor("c", Variation(low=1.0, high=3.0, levels=9), whole=True)
    assert points("grid", factors=[own]) == [{"c": 1}, {"c": 2}, {"c": 3}]


def test_a_grid_too_large_is_refused_before_it_is_made() -> None:
    wide = [Factor(str(n), Variation(low=0.0, high=1.0)) for n in range(9)]
    with pytest.raises(DesignError, match="387,420,489 points; at most 1,000,000"):
        points("grid", factors=[*wide], levels=9)


def test_zip_goes_along_and_counts_when_it_cannot() -> None:
    e = Factor("e", Variation(values=(1, 2, 3)))
    assert points("zip", factors=[D, e]) == [{"d": d, "e": n} for d, n in zip("xyz", (1, 2, 3), strict=True)]
    with pytest.raises(DesignError, match="d has 3, a has 4"):
        points("zip", factors=[D, A])


def test_one_at_a_time_starts_at_the_base_and_returns_to_it() -> None:
    made = points("oat", factors=[A, D], levels=3)
    middle = {"a": 0.5, "d": "y"}
    assert made == [
        middle,
        {"a": 0.0, "d": "y"},
        {"a": 1.0, "d": "y"},
        {"a": 0.5, "d": "x"},
        {"a": 0.5, "d": "z"},
    ]


def test_listed_points_fall_back_on_the_base() -> None:
    listed = ({"a": 0.1}, {"d": "z", "a": 0.2})
    made = points_of(Design(kind="list", list=listed), [], BASE, 1)
    assert made == [{"a": 0.1, "d": "y"}, {"a": 0.2, "d": "z"}]
    with pytest.raises(DesignError, match="leave vary out"):
        points_of(Design(kind="list", list=listed), [A], BASE, 1)
    with pytest.raises(DesignError, match="at least one table"):
        points_of(Design(kind="list"), [], BASE, 1)
    with pytest.raises(DesignError, match=r"design\.list belongs to kind = 'list', not to 'grid'"):
        points_of(Design(kind="grid", list=listed), [A], BASE, 1)
    with pytest.raises(DesignError, match=r"design\.list belongs to kind = 'list', not to 'grid'"):
        points_of(Design(kind="grid", list=listed), [], BASE, 1)


@pytest.mark.parametrize("kind", ["zip", "oat", "sobol", "saltelli", "morris"])
def test_only_a_grid_may_vary_nothing(kind: str) -> None:
    assert points_of(Design(kind="grid"), [], BASE, 1) == [{}]
    with pytest.raises(DesignError, match=f"a {kind} design needs something to vary"):
        points_of(Design(kind=kind, points=8), [], BASE, 1)


@given(
    share=st.floats(0, 1, exclude_max=True),
    low=st.floats(1e-3, 1e3),
    width=st.floats(1e-3, 1e3),
    scale=st.sampled_from(["linear", "log"]),
    whole=st.booleans(),
)
def test_a_coordinate_never_leaves_the_range(
    share: float, low: float, width: float, scale: Any, whole: bool
) -> None:
    if whole:
        low, width = float(round(low) + 1), float(round(width) + 1)
    factor = Factor("a", Variation(low=low, high=low + width, scale=scale), whole)
    value = factor.at(share)
    assert low <= value <= low + width
    assert isinstance(value, int) == whole
    assert factor.at(0.0) <= value <= factor.at(np.nextafter(1.0, 0.0))


def test_whole_numbers_come_up_equally_often() -> None:
    drawn = [C.at(share) for share in (np.arange(9000) + 0.5) / 9000]
    assert np.bincount(drawn)[1:].tolist() == [1000] * 9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"low": 1.0}, "both low and high"),
        ({"low": 2.0, "high": 1.0}, "low = 2.0 is not below high = 1.0"),
        ({"low": 0.0, "high": 1.0, "scale": "log"}, "a log scale needs low > 0"),
        ({"values": ()}, "values is empty"),
        ({"values": (1, 2, 1)}, "listed twice"),
        ({"values": (1, 2), "low": 0.0}, "not both"),
    ],
)
def test_a_variation_that_says_too_much_or_too_little(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Variation(**settings)
