"""Designs: which combinations of parameter values a sweep visits.

A design maps factors to a list of points, each a table of parameter key -> value. Sampled designs draw in the unit cube
and map every coordinate to its factor, so that one seed gives one list of points. Sobol, Halton, Saltelli and Morris
lists are nested: the first points of a longer list are the shorter list, so a sweep can grow without repeating a run.
Latin hypercubes are not, and do not pretend to be.
"""

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from agents.schema import Section, quantity, setting

Kind = Literal["grid", "list", "zip", "oat", "sobol", "halton", "lhs", "saltelli", "morris"]
Value = float | int | str | bool
# A grid is multiplied out; past this many points it is a mistake more often than a wish.
MOST_POINTS = 1_000_000


class DesignError(ValueError):
    """A design that cannot be made; the message is one line without the file's name."""


class Variation(Section):
    """How one parameter varies: between two ends, or over listed values."""

    low: float | None = setting(None, "lower end of the range")
    high: float | None = setting(None, "upper end of the range")
    scale: Literal["linear", "log"] = setting("linear", "how the range is measured: linear or log")
    levels: int | None = Field(
        default=None,
        ge=2,
        le=10_000,
        description="values a grid or a one-at-a-time design takes from the range",
        json_schema_extra={"unit": "values", "low": 2, "high": 10_000},
    )
    values: tuple[Value, ...] | None = setting(None, "the values, instead of a range")

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.values is not None:
            if self.low is not None or self.high is not None or self.levels is not None:
                raise ValueError("give either values, or low and high, not both")
            if not self.values:
                raise ValueError("values is empty")
            if len(set(map(repr, self.values))) < len(self.values):
                raise ValueError("a value is listed twice")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give both low and high, or values")
        if not self.low < self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"a log scale needs low > 0, not {self.low}")
        return self


class Design(Section):
    """Which points are visited.

    ``points`` counts points for sobol, halton and lhs, base samples N for saltelli (N x (k + 2) points, with second order
    N x (2k + 2)), trajectories for morris (N x (k + 1) points).
    """

    kind: Kind = setting("grid", "grid, list, zip, oat, sobol, halton, lhs, saltelli or morris")
    points: int = quantity(64, "points", 1, MOST_POINTS, "size of a sampled design", "design", "design")
    levels: int = quantity(4, "values", 2, 1000, "values per range where none is given", "design", "design")
    seed: int | None = setting(None, "seed of the sample, if not the seed of the experiment")
    second_order: bool = setting(False, "saltelli: points for interactions of two parameters")
    list: tuple[dict[str, Value], ...] = setting((), "the points of a list design, each a table")


@dataclass(frozen=True, slots=True)
class Factor:
    """A parameter that varies.

    Attributes
    ----------
    key
        Dotted parameter key.
    variation
        Its range or values.
    whole
        It takes whole numbers only.
    """

    key: str
    variation: Variation
    whole: bool = False

    def at(self, share: float) -> Value:
        """Value at a coordinate of the unit interval; equal parts of it for each listed value or whole number.

        >>> Factor("a", Variation(values=("x", "y"))).at(0.6)
        'y'
        >>> Factor("a", Variation(low=1.0, high=100.0, scale="log")).at(0.5)
        10.0
        """
        if self.variation.values is not None:
            values = self.variation.values
            return values[min(int(share * len(values)), len(values) - 1)]
        low, high = self._ends()
        if self.whole:
            count = int(high) - int(low) + 1
            if self.variation.scale == "linear":
                return int(low) + min(int(share * count), count - 1)
            return round(float(np.exp(np.log(low) + share * (np.log(high) - np.log(low)))))
        if self.variation.scale == "log":
            # Through base ten, so that round factors give round values.
            return min(
                max(float(10 ** (np.log10(low) + share * (np.log10(high) - np.log10(low)))), low), high
            )
        return low + share * (high - low)

    def grid(self, levels: int) -> list[Value]:
        """Its listed values, or `levels` equally spaced ones from end to end."""
        if self.variation.values is not None:
            return list(self.variation.values)
        count = self.variation.levels or levels
        low, high = self._ends()
        space = np.geomspace if self.variation.scale == "log" else np.linspace
        spaced = space(low, high, count)
        if self.whole:
            return [int(value) for value in np.unique(np.rint(spaced))]
        return [float(value) for value in spaced]

    def _ends(self) -> tuple[float, float]:
        assert self.variation.low is not None and self.variation.high is not None
        return self.variation.low, self.variation.high


def points_of(
    design: Design, factors: Sequence[Factor], base: Mapping[str, Value], seed: int
) -> list[dict[str, Value]]:
    """The points of a design in their fixed order, each parameter key -> value.

    Parameters
    ----------
    base
        Values the one-at-a-time design returns to, and a list design falls back on.
    seed
        Seed of sampled designs.

    Raises
    ------
    DesignError
        If the factors do not fit the design.

    Examples
    --------
    >>> factors = [Factor("a", Variation(values=(1, 2))), Factor("b", Variation(values=("x", "y")))]
    >>> points_of(Design(kind="zip"), factors, {}, 1)
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}]
    """
    if design.kind == "list":
        return _listed(design, factors, base)
    if design.list:
        raise DesignError(f"design.list belongs to kind = 'list', not to {design.kind!r}")
    if not factors and design.kind != "grid":
        raise DesignError(
            f"a {design.kind} design needs something to vary: a table [vary]; without one, kind = 'grid'"
        )
    if design.kind == "grid":
        return _grid(design, factors)
    if design.kind == "zip":
        return _zipped(design, factors)
    if design.kind == "oat":
        return _one_at_a_time(design, factors, base)
    return [
        {factor.key: factor.at(float(share)) for factor, share in zip(factors, row, strict=True)}
        for row in _unit_cube(design, len(factors), seed)
    ]


def _listed(design: Design, factors: Sequence[Factor], base: Mapping[str, Value]) -> list[dict[str, Value]]:
    if factors:
        raise DesignError("a list design takes its values from [[design.list]]; leave vary out")
    if not design.list:
        raise DesignError("a list design needs at least one table [[design.list]]")
    keys = list(dict.fromkeys(key for point in design.list for key in point))
    return [{key: point.get(key, base[key]) for key in keys} for point in design.list]


def _grid(design: Design, factors: Sequence[Factor]) -> list[dict[str, Value]]:
    axes = [factor.grid(design.levels) for factor in factors]
    size = int(np.prod([len(axis) for axis in axes], dtype=np.float64))
    if size > MOST_POINTS:
        raise DesignError(f"the grid has {size:,} points; at most {MOST_POINTS:,}: list fewer values")
    return [dict(zip((f.key for f in factors), row, strict=True)) for row in itertools.product(*axes)]


def _zipped(design: Design, factors: Sequence[Factor]) -> list[dict[str, Value]]:
    axes = [factor.grid(design.levels) for factor in factors]
    lengths = {factor.key: len(axis) for factor, axis in zip(factors, axes, strict=True)}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{key} has {count}" for key, count in lengths.items())
        raise DesignError(f"a zip design needs equally many values of every parameter: {counted}")
    return [dict(zip((f.key for f in factors), row, strict=True)) for row in zip(*axes, strict=True)]


def _one_at_a_time(
    design: Design, factors: Sequence[Factor], base: Mapping[str, Value]
) -> list[dict[str, Value]]:
    middle = {factor.key: base[factor.key] for factor in factors}
    points = [middle]
    for factor in factors:
        points += [
            {**middle, factor.key: value}
            for value in factor.grid(design.levels)
            if value != middle[factor.key]
        ]
    return points


def _unit_cube(design: Design, dimensions: int, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Coordinates in the unit cube, shape (points, dimensions)."""
    from scipy.stats import qmc

    chosen = seed if design.seed is None else design.seed
    size = design.points * {
        "saltelli": (1 + design.second_order) * (dimensions + 1),
        "morris": dimensions + 1,
    }.get(design.kind, 1)
    if size > MOST_POINTS:
        raise DesignError(f"design.points = {design.points:,} makes {size:,} points; at most {MOST_POINTS:,}")
    rng = np.random.default_rng(chosen)
    with warnings.catch_warnings():
        # Both libraries warn of sizes that are not powers of two; the size is the user's, and nested growth needs it.
        warnings.simplefilter("ignore")
        if design.kind == "sobol":
            return np.asarray(qmc.Sobol(dimensions, rng=rng).random(design.points))
        if design.kind == "halton":
            return np.asarray(qmc.Halton(dimensions, rng=rng).random(design.points))
        if design.kind == "lhs":
            return np.asarray(qmc.LatinHypercube(dimensions, rng=rng).random(design.points))
        problem = {
            "num_vars": dimensions,
            "names": [f"x{i}" for i in range(dimensions)],
            "bounds": [[0.0, 1.0]] * dimensions,
        }
        if design.kind == "saltelli":
            from SALib.sample import sobol

            return np.asarray(
                sobol.sample(problem, design.points, calc_second_order=design.second_order, seed=chosen)
            )
        from SALib.sample import morris

        # SALib seeds NumPy's global stream for Morris; it is put back so that nobody else notices.
        before = np.random.get_state()  # noqa: NPY002
        try:
            return np.asarray(
                morris.sample(problem, design.points, num_levels=_even(design.levels), seed=chosen)
            )
        finally:
            np.random.set_state(before)  # noqa: NPY002


def _even(levels: int) -> int:
    if levels % 2:
        raise DesignError(f"a morris design needs an even number of levels, not design.levels = {levels}")
    return levels


__all__ = ["Design", "DesignError", "Factor", "Variation", "points_of"]
