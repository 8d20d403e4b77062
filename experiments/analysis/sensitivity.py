"""Which parameter moves an outcome, and how much of it is the seed: Morris, Sobol, PAWN, and shares of variance.

Every function takes plain data and gives tidy frames back; SALib holds the estimators of Morris and PAWN. Replications are
averaged per point before a decomposition, and what the average leaves of the seed is taken out of the Sobol indices again,
because noise would otherwise be read as interaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.errors import CONFIDENCE, AnalysisError
from experiments.design.designs import Factor, Variation
from experiments.sweep.results import SweepResults

if TYPE_CHECKING:
    import pandas as pd

Floats = np.ndarray[Any, np.dtype[np.float64]]
RESAMPLES = 1000
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
SEED = 20261124  # of the bootstrap; tables of one sweep are equal whoever makes them
SLICES = 10
ROUNDING = 1e-10  # of the largest value: what sums of floats in another order can differ by, and less than any effect
MOST_POINTS_HAVE_IT = (
    0.9  # of a replication that Sobol indices use; adaptive sweeps repeat some points more often
)
PARAMETERS, SEED_ALONE, INTERACTION, UNSPLIT = "parameters", "seed", "seed x parameters", "seed, all"


@dataclass(frozen=True, slots=True)
class Problem:
    """What varied in a sweep.

    Attributes
    ----------
    factors
        Parameters in the order of the design.
    units
        Unit of each, or "".
    """

    factors: tuple[Factor, ...]
    units: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Dotted keys of the parameters."""
        return [factor.key for factor in self.factors]

    def salib(self) -> dict[str, Any]:
        """The problem as SALib wants it, in the unit cube."""
        return {
            "num_vars": len(self.factors),
            "names": self.names,
            "bounds": [[0.0, 1.0]] * len(self.factors),
        }

    def coordinates(self, points: "pd.DataFrame") -> Floats:
        """Values as shares of their range, shape (points, parameters); listed names by their place in the list."""
        return np.column_stack(
            [_coordinate(factor, points[factor.key].to_numpy()) for factor in self.factors]
        )


def problem_of(results: SweepResults) -> Problem:
    """The problem of a stored sweep."""
    vary = dict(results.experiment.vary)
    if results.experiment.design.kind == "list":
        columns = {key: tuple(dict.fromkeys(results.points[key])) for key in results.parameters}
        vary = {key: Variation(values=values) for key, values in columns.items() if len(values) > 1}
    keys = [key for key in results.parameters if key in vary]
    if not keys:
        raise AnalysisError(f"{results.folder}: no parameter varies between its points")
    factors = tuple(Factor(key, vary[key]) for key in keys)
    return Problem(factors, tuple(results.units(key)[0] for key in keys))


def _coordinate(factor: Factor, values: Any) -> Floats:
    variation: Variation = factor.variation
    listed = variation.values
    measured = [value for value in listed or () if isinstance(value, int | float)]
    if listed is not None and len(measured) < len(listed):
        return np.array([list(listed).index(value) / max(len(listed) - 1, 1) for value in values])
    low, high = (min(measured), max(measured)) if measured else (variation.low, variation.high)
    assert low is not None and high is not None
    numbers = np.asarray(values, dtype=np.float64)
    if variation.scale == "log":
        return np.asarray(np.log(numbers / low) / np.log(high / low))
    return np.asarray((numbers - low) / ((high - low) or 1.0))


def is_constant(values: Floats) -> bool:
    """Whether numbers differ by no more than rounding: a ten-thousand-millionth of the largest.

    >>> is_constant(np.array([0.3, 0.1 + 0.2])), is_constant(np.array([1.0, 1.001]))
    (True, False)
    """
    finite = values[np.isfinite(values)]
    return bool(len(finite) == 0 or np.ptp(finite) <= ROUNDING * np.abs(finite).max())


def averages(runs: "pd.DataFrame", outcome: str) -> "pd.DataFrame":
    """Mean, sample variance and number of good runs of one outcome at every point, in order of points.

    Returns
    -------
    DataFrame
        Index point; columns mean, variance, n. A point without a good run has mean NaN and n 0.
    """
    good = runs[outcome].where(runs["status"] == "ok") if "status" in runs else runs[outcome]
    grouped = good.groupby(runs["point"], sort=True)
    return grouped.agg(["mean", "var", "count"]).set_axis(["mean", "variance", "n"], axis=1)


def by_replication(runs: "pd.DataFrame", outcome: str) -> "pd.DataFrame":
    """One outcome of the good runs, a row per point and a column per replication; NaN where there is none."""
    good = runs[(runs["status"] == "ok") & runs[outcome].notna()]
    return good.pivot(index="point", columns="replication", values=outcome).sort_index()


def morris(points: "pd.DataFrame", problem: Problem, outcome: str) -> "pd.DataFrame":
    """Elementary effects: change of the outcome when one parameter crosses its whole range.

    Parameters
    ----------
    points
        One row per point in the order of the design; columns are the parameters and `outcome`.

    Returns
    -------
    DataFrame
        One row per parameter: mu_star with its bootstrap interval, mu, sigma (outcome units per range), and the trajectories
        in which the parameter moved. What fewer than two of them cannot tell is NaN.

    Notes
    -----
    Method of Morris (1991) with mu_star of Campolongo et al. (2007). An effect is divided by the step that was really taken:
    a coordinate of the design can fall on the same whole number, flag or listed value twice, and then nothing moved.
    """
    import pandas as pd

    kept, blocks = _whole_blocks(points, len(problem.factors) + 1, outcome)
    shape = blocks, len(problem.factors) + 1
    places = problem.coordinates(kept).reshape(*shape, -1)
    steps = np.diff(places, axis=1)
    changes = np.diff(kept[outcome].to_numpy(dtype=np.float64).reshape(shape), axis=1)
    if (np.count_nonzero(steps, axis=2) > 1).any():
        raise AnalysisError(f"{outcome}: points do not move one parameter at a time: is it a morris design?")
    draw = np.random.default_rng(SEED)
    rows = []
    for i, name in enumerate(problem.names):
        moved = steps[:, :, i] != 0
        effects = changes[moved] / steps[:, :, i][moved]
        rows.append((outcome, name, *_spread(effects, draw), len(effects)))
    columns = ["outcome", "parameter", "mu_star", "low", "high", "mu", "sigma", "trajectories"]
    return pd.DataFrame(rows, columns=columns)


def _spread(effects: Floats, draw: np.random.Generator) -> tuple[float, float, float, float, float]:
    """mu_star with its interval, mu, sigma; NaN where too few effects cannot tell."""
    nothing = float("nan")
    if len(effects) == 0:
        return nothing, nothing, nothing, nothing, nothing
    size = np.abs(effects)
    if len(effects) == 1:
        return float(size[0]), nothing, nothing, float(effects[0]), nothing
    means = size[draw.integers(0, len(size), (RESAMPLES, len(size)))].mean(axis=1)
    low, high = np.quantile(means, TAILS)
    spread = 0.0 if is_constant(effects) else float(effects.std(ddof=1))
    return float(size.mean()), float(low), float(high), float(effects.mean()), spread


def sobol(values: Floats, problem: Problem, outcome: str, *, second_order: bool = False) -> "pd.DataFrame":
    """First-order and total shares of variance with bootstrap intervals, the noise of averages taken out.

    Parameters
    ----------
    values
        Outcome, shape (points, replications): points of a saltelli design in their order, one column per replication; NaN
        where a run failed, which takes its block with it.
    second_order
        The design has the points for interactions too; they are not used.

    Returns
    -------
    DataFrame
        One row per parameter and index (first, total): value, low, high (shares of the variance that parameters
        make), raw (share of the variance of averages, noise included), base_samples.

    Notes
    -----
    Numerators of Saltelli et al. (2010) and Jansen (1999), as in SALib, are means of products of averages over
    replications. The seed adds cov(x, y) / R to the product of two averages x and y, where R is their number; its
    estimate over replications is taken out of each product. So noise that two points share (common random numbers) and
    noise that they do not are both corrected for, and a parameter that does nothing has a total effect of exactly 0.
    """
    import pandas as pd

    blocks = _replicated_blocks(values, (2 if second_order else 1) * len(problem.factors) + 2, outcome)
    clean, raw = _terms(blocks, problem, _product), _terms(blocks, problem, _product_of_averages)
    if is_constant(blocks.mean(axis=-1).ravel()):
        raise AnalysisError(f"{outcome}: constant but for rounding, so there is no variance to share out")
    if not clean["variance"].mean() > 0:
        raise AnalysisError(
            f"{outcome}: the seed's noise drowns what parameters do; more replications would tell"
        )
    resamples = np.random.default_rng(SEED).integers(0, len(blocks), (RESAMPLES, len(blocks)))
    below = clean["variance"][resamples, 0].mean(axis=1)[:, None]
    rows = []
    for index in ("first", "total"):
        value = clean[index].mean(axis=0) / clean["variance"].mean()
        found = clean[index][resamples].mean(axis=1) / np.where(below > 0, below, np.nan)
        low, high = np.nanquantile(found, TAILS, axis=0)
        noisy = raw[index].mean(axis=0) / raw["variance"].mean()
        for i, name in enumerate(problem.names):
            rows.append((outcome, name, index, value[i], low[i], high[i], noisy[i], len(blocks)))
    columns = ["outcome", "parameter", "index", "value", "low", "high", "raw", "base_samples"]
    return pd.DataFrame(rows, columns=columns)


def _terms(
    blocks: Floats, problem: Problem, product: "Callable[[Floats, Floats], Floats]"
) -> dict[str, Floats]:
    """Per block of a saltelli design: its part of the variance, and of the numerators of every parameter."""
    centred = blocks - blocks[:, [0, -1]].mean(axis=(0, 1))
    base, other = centred[:, :1], centred[:, -1:]
    changed = centred[:, 1 : len(problem.factors) + 1]
    return {
        "variance": (product(base, base) + product(other, other)) / 2,
        "first": product(other, changed - base),
        "total": product(base - changed, base - changed) / 2,
    }


def _product_of_averages(x: Floats, y: Floats) -> Floats:
    """Product of averages over replications, the last axis."""
    return np.asarray(x.mean(axis=-1) * y.mean(axis=-1))


def _product(x: Floats, y: Floats) -> Floats:
    """The same with the seed's part taken out, which takes two replications."""
    averages, replications = _product_of_averages(x, y), x.shape[-1]
    if replications < 2:
        return averages
    around = (x - x.mean(axis=-1, keepdims=True)) * (y - y.mean(axis=-1, keepdims=True))
    return np.asarray(averages - around.sum(axis=-1) / (replications - 1) / replications)


def _replicated_blocks(values: Floats, width: int, outcome: str) -> Floats:
    """Whole blocks, shape (blocks, width, replications); replications that many points lack are left out."""
    if len(values) % width:
        raise AnalysisError(
            f"{len(values)} points are not whole blocks of {width}: is it the design this method needs?"
        )
    usual = values[:, np.isfinite(values).mean(axis=0) >= MOST_POINTS_HAVE_IT]
    kept = usual.reshape(len(values) // width, width, usual.shape[1])
    whole = np.isfinite(kept).all(axis=(1, 2))
    if not usual.shape[1] or whole.sum() < 2:
        raise AnalysisError(f"{outcome}: fewer than two blocks of {width} points have a value everywhere")
    return kept[whole]


def pawn(points: "pd.DataFrame", problem: Problem, outcome: str) -> "pd.DataFrame":
    """PAWN: how far the distribution of the outcome moves when one parameter is held in a slice of its range.

    Works on the points of any design and for outcomes with thresholds, where variance says little. Slices hold equally many
    points by rank; equal values are put in random order, so that each value of a list lies in a slice.

    Returns
    -------
    DataFrame
        One row per parameter and one for a dummy that moves nothing: median, minimum, maximum of the Kolmogorov-Smirnov
        distance over slices, points used. What does not exceed the dummy cannot be told from chance.
    """
    import pandas as pd
    from SALib.analyze import pawn as estimator

    kept = points[np.isfinite(points[outcome].to_numpy(dtype=np.float64))]
    slices = min(SLICES, len(kept) // 10)
    if slices < 2:
        raise AnalysisError(f"{outcome}: PAWN needs 20 points with a value, there are {len(kept)}")
    while np.arange(0, 1 + 1 / slices, 1 / slices)[-1] > 1:
        slices -= 1  # SALib adds up quantiles like this, and some numbers of slices end above 1
    draw = np.random.default_rng(SEED)
    dummy = draw.random(len(kept))
    cube = np.column_stack([problem.coordinates(kept), dummy])
    order = np.lexsort(np.stack([np.asarray(draw.random(cube.shape)), cube]), axis=0)
    cube = (np.argsort(order, axis=0) + 0.5) / len(kept)
    names = [*problem.names, "(dummy)"]
    found = estimator.analyze(
        {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)},
        cube,
        kept[outcome].to_numpy(dtype=np.float64),
        S=slices,
        seed=SEED,
    )
    return pd.DataFrame(
        {
            "outcome": outcome,
            "parameter": names,
            "median": np.asarray(found["median"], float),
            "minimum": np.asarray(found["minimum"], float),
            "maximum": np.asarray(found["maximum"], float),
            "points": len(kept),
        }
    )


def variance_shares(runs: "pd.DataFrame", outcome: str, *, block: int = 1) -> "pd.DataFrame":
    """How the variance of single runs divides between parameters and seed.

    With common random numbers (every point has the same seeds) and complete replications, two-way analysis of variance
    splits the seed into what it does alike at every point and what it does differently; otherwise one line holds both.

    Parameters
    ----------
    block
        Points resampled together by the bootstrap: the width of a Saltelli or Morris block. Only whole blocks are used, if
        there are two.

    Returns
    -------
    DataFrame
        One row per source: variance (squared outcome units), share, low, high (95 % bootstrap over points).

    Raises
    ------
    AnalysisError
        If there are fewer than two replications or points.
    """
    import pandas as pd

    crossed = "seed" not in runs or runs["seed"].nunique() == 1
    values, block = _comparable_runs(by_replication(runs, outcome), block, crossed=crossed)
    if values.shape[0] < 2 or values.shape[1] < 2:
        raise AnalysisError(f"{outcome}: the seed's share needs two points with two good replications each")
    split = _crossed if crossed else _nested
    found = split(values)
    draw = np.random.default_rng(SEED)
    members = np.arange(values.shape[0]).reshape(-1, block)
    samples = []
    for _ in range(RESAMPLES):
        chosen = members[draw.integers(0, len(members), len(members))].ravel()
        samples.append(_shares(split(values[chosen])))
    low, high = np.nanquantile(np.array(samples), TAILS, axis=0)
    sources = [PARAMETERS, SEED_ALONE, INTERACTION] if crossed else [PARAMETERS, UNSPLIT]
    return pd.DataFrame(
        {
            "outcome": outcome,
            "source": sources,
            "variance": found,
            "share": _shares(found),
            "low": low,
            "high": high,
            "points": values.shape[0],
            "replications": values.shape[1],
        }
    )


def _comparable_runs(table: "pd.DataFrame", block: int, *, crossed: bool) -> tuple[Floats, int]:
    """Points x replications that a split of variance can use, and how many points are resampled together."""
    import pandas as pd

    if crossed:
        # Shocks common to all points are in no difference of points, so only replications that all have can be told apart.
        table = table.loc[:, table.notna().mean() >= MOST_POINTS_HAVE_IT]
    table = table[table.notna().sum(axis=1) >= (max(table.shape[1], 2) if crossed else 2)]
    mates = pd.Series(1, index=table.index).groupby(table.index // block).transform("sum")
    # A point that failed takes its block with it, unless hardly a block is whole: then points are resampled one by one.
    if (mates == block).sum() >= 2 * block:
        return table[mates == block].to_numpy(dtype=np.float64), block
    return table.to_numpy(dtype=np.float64), 1


def _crossed(values: Floats) -> Floats:
    """Variances of parameters, seed and interaction from a complete table, by moments; none below zero."""
    points, replications = values.shape
    by_point, by_seed, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = values - by_point[:, None] - by_seed[None, :] + mean
    error = float((rest**2).sum()) / ((points - 1) * (replications - 1))
    parameters = float(by_point.var(ddof=1)) - error / replications
    seed = float(by_seed.var(ddof=1)) - error / points
    return np.maximum([parameters, seed, error], 0.0)


def _nested(values: Floats) -> Floats:
    """Variances of parameters and seed when every point has seeds of its own; gaps are NaN."""
    n = np.isfinite(values).sum(axis=1)
    within = float(np.average(np.nanvar(values, axis=1, ddof=1), weights=n - 1))
    between = float(np.nanmean(values, axis=1).var(ddof=1)) - within * float(np.mean(1.0 / n))
    return np.maximum([between, within], 0.0)


def _shares(variances: Floats) -> Floats:
    total = float(variances.sum())
    return variances / total if total > 0 else np.full(len(variances), np.nan)


def _whole_blocks(points: "pd.DataFrame", width: int, outcome: str) -> "tuple[pd.DataFrame, int]":
    """Points of the blocks that are whole; a failed point takes its block with it."""
    count = len(points) // width
    if count * width != len(points):
        raise AnalysisError(
            f"{len(points)} points are not whole blocks of {width}: is it the design this method needs?"
        )
    finite = np.isfinite(points[outcome].to_numpy(dtype=np.float64)).reshape(count, width).all(axis=1)
    if finite.sum() < 2:
        raise AnalysisError(f"{outcome}: fewer than two blocks of {width} points have a value everywhere")
    return points[np.repeat(finite, width)], int(finite.sum())


def analyse(
    results: SweepResults, outcomes: Sequence[str] = ()
) -> "tuple[dict[str, pd.DataFrame], list[str]]":
    """Every table a stored sweep allows: `morris` or `sobol` by its design, `pawn`, `variance`.

    Returns
    -------
    tables, notes
        Table -> tidy frame with the unit of each outcome; notes say in one line each what was left out and why.
    """
    import pandas as pd

    problem, experiment = problem_of(results), results.experiment
    kind, design = experiment.design.kind, experiment.design
    width = {"saltelli": len(problem.factors) * (2 if design.second_order else 1) + 2}.get(kind, 1)
    width = len(problem.factors) + 1 if kind == "morris" else width
    parts: dict[str, list[pd.DataFrame]] = {}
    notes: list[str] = []
    for outcome in outcomes or results.outcomes:
        if outcome not in results.runs:
            known = ", ".join(results.outcomes)
            raise AnalysisError(f"{results.folder}: no outcome is called {outcome}; there are {known}")
        mean = averages(results.runs, outcome)["mean"]
        points = results.points.set_index("point")[problem.names].assign(**{outcome: mean}).sort_index()
        values = points[outcome].to_numpy(dtype=np.float64)
        if is_constant(values):
            notes.append(f"{outcome}: constant but for rounding, or never there")
            continue
        try:
            shares = variance_shares(results.runs, outcome, block=width)
            parts.setdefault("variance", []).append(shares)
        except AnalysisError as error:
            notes.append(str(error))
        try:
            if kind == "saltelli":
                runs = by_replication(results.runs, outcome).reindex(points.index).to_numpy(dtype=np.float64)
                found = sobol(runs, problem, outcome, second_order=design.second_order)
                parts.setdefault("sobol", []).append(found)
            elif kind == "morris":
                parts.setdefault("morris", []).append(morris(points, problem, outcome))
        except AnalysisError as error:
            notes.append(str(error))
        try:
            parts.setdefault("pawn", []).append(pawn(points, problem, outcome))
        except AnalysisError as error:
            notes.append(str(error))
    units = dict(zip(problem.names, problem.units, strict=True))
    tables = {}
    for name, frames in parts.items():
        if frames:
            table = pd.concat(frames, ignore_index=True)
            table.insert(1, "outcome_unit", [results.units(outcome)[0] for outcome in table["outcome"]])
            if "parameter" in table:
                table["parameter_unit"] = table["parameter"].map(units).fillna("")
            tables[name] = table
    return tables, notes
