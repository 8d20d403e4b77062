"""Paired differences of two sweeps, or of two runs: what changed, by how much, and what common random numbers gained.

Runs are paired by replication, seed and by the values of the parameters that vary in both. Two runs of one pair have met the
same shocks, so their difference holds the effect and little else.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from experiments.analysis.errors import CONFIDENCE, AnalysisError
from experiments.measures.forced_sales import columns_of, forced_sales
from experiments.measures.outcomes import OUTCOMES
from experiments.runs import provenance, store
from experiments.runs.folder import StoreError
from experiments.sweep import store as sweep_store
from sim.base.inputs import SHOWN
from sim.parameters import ParameterError, Parameters

if TYPE_CHECKING:
    import pandas as pd

FEW = 30  # pairs below which an interval of a skewed outcome is not to be trusted


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two results compared.

    Attributes
    ----------
    runs
        One row per run: point, replication, seed, status, varied parameters, outcomes.
    parameters
        Columns of `runs` that vary.
    fixed
        Every other parameter: dotted key -> value.
    units
        Outcome -> unit.
    records
        What its runs come from, each record once.
    """

    name: str
    runs: "pd.DataFrame"
    parameters: tuple[str, ...]
    fixed: Mapping[str, Any]
    units: Mapping[str, str]
    records: tuple[provenance.Record, ...] = ()

    @property
    def outcomes(self) -> list[str]:
        """Columns of `runs` that are outcomes."""
        return list(self.units)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    differences
        One row per outcome: a, b, difference (b - a) with low and high, pairs, variance_ratio.
    parameters
        One row per parameter that is not the same on both sides: parameter, a, b.
    unpaired_a, unpaired_b
        Good runs without a partner.
    notes
        What a reader has to know, one line each.
    """

    differences: "pd.DataFrame"
    parameters: "pd.DataFrame"
    unpaired_a: int
    unpaired_b: int
    notes: tuple[str, ...]


def read_side(folder: str | Path) -> Side:
    """A stored sweep or a stored run as one side of a comparison."""
    place = Path(folder)
    try:
        return _sweep_side(place)
    except StoreError as error:
        try:
            return _run_side(place)
        except StoreError:
            raise error from None


def compare(a: Side, b: Side, outcomes: Sequence[str] = ()) -> Comparison:
    """Differences b - a of paired runs, averaged over points, with Student intervals over replications.

    Raises
    ------
    AnalysisError
        If no run of one side has a partner, or an outcome is not on both sides.
    """
    import pandas as pd

    shared = [name for name in a.outcomes if name in b.outcomes]
    missing = [name for name in outcomes if name not in shared]
    if missing:
        raise AnalysisError(
            f"{', '.join(missing)}: not an outcome of both sides; those are {', '.join(shared)}"
        )
    keys = ["replication", "seed", *(name for name in a.parameters if name in b.parameters)]
    chosen = list(outcomes or shared)
    left, right = (_good(side, keys, chosen) for side in (a, b))
    pairs = left.merge(right, on=keys, how="inner", suffixes=("_a", "_b"), validate="one_to_one")
    if pairs.empty:
        raise AnalysisError(
            f"no run of {a.name} has a partner in {b.name} with the same {', '.join(keys)}: "
            "sweep both with one seed and common random numbers"
        )
    rows = [_difference(pairs, name, a.units[name]) for name in chosen]
    notes = provenance.differences(a.records, b.records, ("in a", "in b"))
    if len(pairs) < FEW:
        notes.append(f"{len(pairs)} pairs are few: intervals of skewed outcomes need {FEW} or more")
    return Comparison(
        pd.DataFrame(rows),
        _changed(a, b),
        len(left) - len(pairs),
        len(right) - len(pairs),
        tuple(notes),
    )


def _good(side: Side, keys: Sequence[str], outcomes: Sequence[str]) -> "pd.DataFrame":
    good = side.runs[side.runs["status"] == "ok"][[*keys, *outcomes]]
    doubled = good.duplicated(list(keys)).sum()
    if doubled:
        own = ", ".join(name for name in side.parameters if name not in keys)
        raise AnalysisError(
            f"{side.name}: {doubled} runs share replication, seed and common parameters; "
            f"it varies {own or 'nothing else'}, which the other side does not"
        )
    return good


def _difference(pairs: "pd.DataFrame", outcome: str, unit: str) -> dict[str, Any]:
    both = pairs[["replication", f"{outcome}_a", f"{outcome}_b"]].dropna()
    difference = (both[f"{outcome}_b"] - both[f"{outcome}_a"]).to_numpy(dtype=np.float64)
    # Points share the shocks of a replication, so replications are the independent units.
    by_seed = both.assign(difference=difference).groupby("replication")["difference"].mean()
    units = by_seed.to_numpy(dtype=np.float64)
    n = len(units)
    mean = float(units.mean()) if n else float("nan")
    half = float("nan")
    if n >= 2:
        quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
        half = quantile * float(units.std(ddof=1)) / float(np.sqrt(n))
    # In each replication the mean over points, as the interval uses it.
    means = both.groupby("replication")[[f"{outcome}_a", f"{outcome}_b"]].mean()
    apart = float(means.var(ddof=1).sum()) if n >= 2 else float("nan")
    together = float(units.var(ddof=1)) if n >= 2 else float("nan")
    return {
        "outcome": outcome,
        "unit": unit,
        "a": float(means[f"{outcome}_a"].mean()),
        "b": float(means[f"{outcome}_b"].mean()),
        "difference": mean,
        "low": mean - half,
        "high": mean + half,
        "pairs": len(both),
        "replications": int(by_seed.size),
        "variance_ratio": apart / together if together > 0 else float("nan"),
    }


def _changed(a: Side, b: Side) -> "pd.DataFrame":
    """Parameters whose value or range is not the same on both sides."""
    import pandas as pd

    def said(side: Side, key: str) -> str:
        if key not in side.parameters:
            value = side.fixed.get(key, "not there")
            contents = sorted(
                {one["inputs"][key]["sha256"] for one in side.records if key in one.get("inputs", {})}
            )
            # A file is what stands in it, under whatever name.
            return f"sha256 {' or '.join(one[:SHOWN] for one in contents)}" if contents else str(value)
        values = sorted(set(side.runs[key].tolist()), key=str)
        listed = f"{len(values)} values from {min(values)} to {max(values)}"
        return f"varies: {', '.join(map(str, values))}" if len(values) <= 6 else f"varies: {listed}"

    keys = sorted({*a.fixed, *b.fixed, *a.parameters, *b.parameters})
    rows = [(key, said(a, key), said(b, key)) for key in keys]
    return pd.DataFrame([row for row in rows if row[1] != row[2]], columns=["parameter", "a", "b"])


def _sweep_side(folder: Path) -> Side:
    results = sweep_store.load(folder)
    first = json.loads(results.log["parameters"].iloc[0]) if len(results.log) else {}
    return Side(
        str(folder),
        results.runs,
        tuple(results.parameters),
        {key: value for key, value in _full(first).items() if key not in results.parameters},
        {name: results.units(name)[0] for name in results.outcomes},
        tuple(provenance.read_text(str(text)) for text in sorted(results.log["provenance"].unique())),
    )


def _full(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a run from what it changes; those of a foreign model as they are."""
    try:
        return dict(Parameters.from_overrides(overrides).flat())
    except ParameterError:
        return dict(overrides)


def _run_side(folder: Path) -> Side:
    import pandas as pd

    manifest = store.load_manifest(folder)
    arrow = store.load_tables(folder)
    columns, sales = {name: columns_of(table) for name, table in arrow.items()}, forced_sales(arrow)
    row: dict[str, Any] = {
        "point": 0,
        "replication": manifest["replication"],
        "seed": manifest["seed"],
        "status": "ok",
    }
    row |= {name: outcome.measure(columns, sales) for name, outcome in OUTCOMES.items()}
    units = {name: outcome.unit for name, outcome in OUTCOMES.items()}
    return Side(
        str(folder), pd.DataFrame([row]), (), manifest["parameters"], units, (manifest["provenance"],)
    )
