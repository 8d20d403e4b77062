"""Scenario discovery: the corner of parameter space in which something happens, found by PRIM (Friedman and Fisher 1999).

The Patient Rule Induction Method of EMA Workbench peels thin slices off a box as long as the cases of interest get denser.
EMA Workbench is an extra; without it the command says how to get it.
"""

import importlib
import importlib.util
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.errors import AnalysisError
from experiments.analysis.sensitivity import averages
from experiments.sweep.results import SweepResults

if TYPE_CHECKING:
    import pandas as pd

COVERAGE = 0.6  # least share of cases of interest a reported box holds
CONDITION = re.compile(r"^\s*([A-Za-z_][\w.]*)\s*(<=|>=|<|>)\s*([-+.\deE]+)\s*$")
COMPARISONS: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class MissingExtra(AnalysisError):
    """EMA Workbench is not installed."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What makes a case one of interest, such as ``discount > 0.2``."""

    outcome: str
    comparison: str
    threshold: float

    def holds(self, values: Any) -> Any:
        """Which values meet it; NaN never does."""
        return COMPARISONS[self.comparison](values, self.threshold)

    def __str__(self) -> str:
        return f"{self.outcome} {self.comparison} {self.threshold:g}"


@dataclass(frozen=True, slots=True)
class Box:
    """A box in parameter space.

    Attributes
    ----------
    limits
        One row per restricted parameter: parameter, low, high (or values), quasi_p (largest of its ends).
    trajectory
        One row per box on the way: coverage, density, mass, restricted parameters, chosen.
    coverage
        Share of the cases of interest that lie in the box.
    density
        Share of the cases in the box that are of interest.
    mass
        Share of all cases that lie in the box.
    """

    limits: "pd.DataFrame"
    trajectory: "pd.DataFrame"
    coverage: float
    density: float
    mass: float
    cases: int
    of_interest: int


def condition_of(text: str) -> Condition:
    """Read ``outcome > number``.

    >>> str(condition_of("discount>=0.20"))
    'discount >= 0.2'
    """
    match = CONDITION.match(text)
    if match is None:
        raise AnalysisError(f"{text!r} is no condition; write one such as 'discount > 0.2'")
    try:
        return Condition(match[1], match[2], float(match[3]))
    except ValueError:
        raise AnalysisError(f"{text!r}: {match[3]} is not a number") from None


def prim(
    parameters: "pd.DataFrame",
    interesting: "np.ndarray[Any, np.dtype[np.bool_]]",
    *,
    coverage: float = COVERAGE,
    peel: float = 0.05,
    least_mass: float = 0.05,
) -> Box:
    """The densest box that still holds a given share of the cases of interest.

    Parameters
    ----------
    parameters
        One row per case, one column per parameter; text and flags are taken as categories.
    interesting
        Which cases are of interest.
    coverage
        Least share of cases of interest to keep; of boxes equally dense the largest is taken.
    peel
        Share of the box that one step may peel off.
    least_mass
        Smallest box, as a share of all cases.

    Raises
    ------
    MissingExtra
        If EMA Workbench is not installed.
    AnalysisError
        If no case, or every case, is of interest.
    """
    if importlib.util.find_spec("ema_workbench") is None:
        raise MissingExtra("discover needs EMA Workbench: pip install 'firesale[discover]'")
    count = int(interesting.sum())
    if count in (0, len(interesting)):
        what = "no case is" if count == 0 else "every case is"
        raise AnalysisError(f"{what} of interest, so there is no corner to find; move the threshold")
    found = _peeled(parameters, interesting, peel, least_mass)
    way = found.peeling_trajectory[["coverage", "density", "mass", "res_dim", "n"]].astype(float)
    enough = way[way["coverage"] >= coverage]
    chosen = int(enough.sort_values(["density", "mass"], kind="stable").index[-1])
    way = way.rename(columns={"res_dim": "restricted", "n": "cases"}).assign(chosen=way.index == chosen)
    at = way.loc[chosen]
    return Box(
        _limits(found.box_lims[chosen], found.p_values[chosen]),
        way,
        float(at["coverage"]),
        float(at["density"]),
        float(at["mass"]),
        len(parameters),
        count,
    )


def _peeled(parameters: "pd.DataFrame", interesting: Any, peel: float, least_mass: float) -> Any:
    """The box EMA Workbench finds, with all boxes on the way; text and flags are given to it as categories."""
    import pandas as pd

    with warnings.catch_warnings():
        # It warns on import of evaluators that are not installed and not used here.
        warnings.simplefilter("ignore")
        workbench = importlib.import_module("ema_workbench.analysis.prim")
        cases = parameters.reset_index(drop=True).copy()
        for name in cases:
            if not pd.api.types.is_numeric_dtype(cases[name]) or pd.api.types.is_bool_dtype(cases[name]):
                cases[name] = cases[name].astype(str).astype("category")
            else:
                cases[name] = cases[name].astype(float)
        found = workbench.Prim(
            cases, np.asarray(interesting), peel_alpha=peel, mass_min=least_mass
        ).find_box()
    assert found is not None
    return found


def _limits(ends: "pd.DataFrame", significance: Mapping[str, Sequence[float]]) -> "pd.DataFrame":
    """One row per restricted parameter, the least dispensable first."""
    import pandas as pd

    rows = []
    for name in significance:
        p = max((value for value in significance[name] if value >= 0), default=float("nan"))
        if isinstance(ends[name].iloc[0], set):
            rows.append((name, np.nan, np.nan, " | ".join(sorted(ends[name].iloc[0])), p))
        else:
            rows.append((name, float(ends[name].iloc[0]), float(ends[name].iloc[1]), "", p))
    limits = pd.DataFrame(rows, columns=["parameter", "low", "high", "values", "quasi_p"])
    return limits.sort_values("quasi_p", ignore_index=True)


def discover(
    results: SweepResults, condition: Condition, *, coverage: float = COVERAGE, by_run: bool = False
) -> Box:
    """PRIM on a stored sweep: cases are points (averages over replications) or, with `by_run`, single runs."""
    if condition.outcome not in results.outcomes:
        known = ", ".join(results.outcomes)
        raise AnalysisError(f"{results.folder}: no outcome is called {condition.outcome}; there are {known}")
    names = results.parameters
    if not names:
        raise AnalysisError(f"{results.folder}: no parameter varies between its points")
    if by_run:
        cases = results.runs[results.runs["status"] == "ok"]
        values = cases[condition.outcome]
    else:
        cases = results.points.set_index("point").sort_index()
        values = averages(results.runs, condition.outcome)["mean"].reindex(cases.index)
    known_values = values.notna().to_numpy()
    box = prim(
        cases.loc[known_values, names],
        np.asarray(condition.holds(values[known_values].to_numpy(dtype=np.float64)), dtype=np.bool_),
        coverage=coverage,
    )
    units = {name: results.units(name)[0] for name in names}
    box.limits.insert(3, "unit", box.limits["parameter"].map(units))
    return box
