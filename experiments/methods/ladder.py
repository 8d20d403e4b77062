"""What makes a scenario's headline: its mechanisms added one at a time, and its assumptions moved one at a time.

Both are experiments like any other (`experiments.sweep.engine`): every run is stored when it ends, the same call resumes, and
all points of a replication share their shocks, so that what a mechanism or an assumption adds is a paired difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiments.design.designs import Value
from experiments.design.experiment import Experiment
from experiments.design.planner import plan_experiment
from experiments.measures.outcomes import OUTCOMES
from experiments.runs.folder import put
from experiments.runs.store import put_tables
from experiments.sweep import store as sweep_store
from experiments.sweep.engine import Progress, sweep
from experiments.sweep.model_task import ModelTask
from experiments.sweep.paired import interval
from sim.parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd

LADDER = "ladder"
HEADLINE = ("defaults", "foreclosed_gpus", "discount", "gap_usd", "loss_rate")
# Grades of parameters that nobody has measured.
UNMEASURED = ("C", "assumption", "prior")
# Numbers of agents and the scenario's own dates and length are no assumptions about the world.
NOT_ASSUMED = ("agents", "week")
NOT_ASSUMED_KEYS = (
    "clock.",
    "forced_sale.gpus",
    "forced_sale.age_years",
    "forced_sale.largest_share_of_a_pool",
)


@dataclass(frozen=True, slots=True)
class Rung:
    """A mechanism, and the parameters that take it out of the model."""

    name: str
    without: Mapping[str, Value]


# In the order in which they are added; each needs those before it to make sense.
RUNGS = (
    Rung("defaults", {"credit.defaults": False}),
    Rung("bitcoin loans", {"miners.bitcoin_pledged_share": 0.0}),
    Rung("covenants", {"credit.covenants": False}),
    Rung("tenants", {"credit.tenants": False}),
    Rung("refinancing", {"credit.financing": False}),
    Rung("lenders' funding", {"credit.funding": False}),
    Rung("workouts", {"credit.workouts": False}),
    Rung("building", {"credit.building": False}),
    Rung("loans sized to income", {"credit.income_sizing": False}),
    Rung("pricing by experience", {"credit.experience": False}),
)
# Off in every scenario: results hold with it, without it, or not at all (economics.md 12).
SEARCH: dict[str, Value] = {"search.enabled": True}
MARKET = "market alone"
NAMES = (MARKET, *(f"+ {rung.name}" for rung in RUNGS), "+ search")
# Taking prices apart changes none of them, and costs half of a run.
PRICES_ONLY: dict[str, Value] = {"discount.anatomy": False, "discount.shapley_weeks": 0}


@dataclass(frozen=True, slots=True)
class Assumption:
    """A parameter, or a table of them by generation, at one end of its range; `values` are what is changed."""

    name: str
    end: str
    values: Mapping[str, Value]


def ladder(scenario: str, seeds: int, settings: Mapping[str, Value] | None = None) -> Experiment:
    """The scenario with no credit mechanism, then one more at every point up to the scenario itself, then search on top."""
    points: list[dict[str, Value]] = [
        {key: value for rung in RUNGS[height:] for key, value in rung.without.items()}
        for height in range(len(RUNGS) + 1)
    ]
    points.append(SEARCH)
    return _listed(f"ladder-{Path(scenario).stem}", scenario, points, seeds, settings)


def assumptions() -> list[Assumption]:
    """Every unmeasured number at both ends of its allowed range; tables by generation move as one."""
    tables: dict[tuple[str, str], dict[str, Value]] = {}
    for row in Parameters().describe():
        key = str(row["key"])
        if row["grade"] not in UNMEASURED or row["low"] in ("", None):
            continue
        if row["unit"] in NOT_ASSUMED or key.startswith(NOT_ASSUMED_KEYS):
            continue
        table = key.rsplit(".", 1)[0]
        name = table if "." in table else key
        for end in ("low", "high"):
            if row[end] != row["value"]:
                tables.setdefault((name, end), {})[key] = type(row["value"])(row[end])
    return [Assumption(name, end, values) for (name, end), values in tables.items()]


def assumption_test(
    scenario: str, seeds: int, chosen: Sequence[Assumption], settings: Mapping[str, Value] | None = None
) -> Experiment:
    """The scenario, and then each assumption at one end with all others as they are."""
    points: list[dict[str, Value]] = [{}, *(dict(assumption.values) for assumption in chosen)]
    return _listed(f"assumptions-{Path(scenario).stem}", scenario, points, seeds, settings)


def compute(
    experiment: Experiment,
    folder: Path,
    workers: int = 1,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> "pd.DataFrame":
    """Run what is not stored yet in `folder`; returns one row per run that ended well: point, replication, outcomes.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted; what was computed is stored, and the same call goes on.
    """
    sweep(
        plan_experiment(experiment),
        ModelTask.of(experiment),
        folder,
        executor=workers,
        on_progress=on_progress,
    ).check()
    runs: pd.DataFrame = sweep_store.load(folder).runs
    return runs[runs["status"] == "ok"].reindex(columns=["point", "replication", *OUTCOMES])


def rung_table(runs: "pd.DataFrame", outcomes: Sequence[str] = HEADLINE) -> "pd.DataFrame":
    """One row per rung and outcome: mean over seeds, and what the rung added, with 95 % intervals.

    Returns
    -------
    DataFrame
        Columns rung, outcome, unit, mean, half_width, n, added, added_half_width, pairs. ``n`` counts seeds in which the
        outcome exists: without a forced sale there is no discount.
    """
    import pandas as pd

    rows = []
    for point, name in enumerate(NAMES):
        for outcome in outcomes:
            level = _by_seed(runs, point, outcome)
            added = level - _by_seed(runs, point - 1, outcome) if point else level * np.nan
            rows.append(
                {
                    "rung": name,
                    "outcome": outcome,
                    "unit": OUTCOMES[outcome].unit,
                    **interval(level, "mean", "half_width", "n"),
                    **interval(added, "added", "added_half_width", "pairs"),
                }
            )
    return pd.DataFrame(rows)


def assumption_table(
    runs: "pd.DataFrame", chosen: Sequence[Assumption], outcomes: Sequence[str] = HEADLINE
) -> "pd.DataFrame":
    """One row per assumption and outcome: paired differences to the scenario at either end, and how much that is.

    ``swing`` is the larger of the two mean differences over the standard deviation of the outcome over all runs of the table,
    for the scenario alone may show none: where nobody is ever sold up, what moves that is what is looked for. ``rank_by`` is
    its mean over outcomes, the same in all rows of an assumption. Rows are sorted by it.
    """
    import pandas as pd

    rows = []
    for name in dict.fromkeys(assumption.name for assumption in chosen):
        at = {a.end: i for i, a in enumerate(chosen, 1) if a.name == name}
        for outcome in outcomes:
            base = _by_seed(runs, 0, outcome)
            row: dict[str, Any] = {"assumption": name, "outcome": outcome, "unit": OUTCOMES[outcome].unit}
            row |= interval(base, "base", "base_half_width", "n")
            for end in ("low", "high"):
                moved = _by_seed(runs, at[end], outcome) - base if end in at else base * np.nan
                row |= interval(moved, end, f"{end}_half_width", f"{end}_pairs")
            spread = float(runs[outcome].std(ddof=1))
            ends = [abs(row[end]) for end in ("low", "high") if np.isfinite(row[end])]
            row["swing"] = max(ends, default=0.0) / spread if spread > 0 else 0.0
            rows.append(row)
    table = pd.DataFrame(rows)
    table["rank_by"] = table.groupby("assumption")["swing"].transform("mean")
    return table.sort_values("rank_by", ascending=False, kind="stable", ignore_index=True)


class Report(NamedTuple):
    """What is printed, and how many runs failed and are left out of it."""

    text: str
    failed: int


def _report(
    text: str, folder: Path, experiments: Sequence[Experiment], runs: Sequence["pd.DataFrame"]
) -> Report:
    wanted = sum(
        len(plan_experiment(experiment).points) * experiment.replications.count for experiment in experiments
    )
    failed = wanted - sum(len(each) for each in runs)
    note = (
        f"\n\n{failed} of {wanted:,} runs failed and are left out; why is in failures/ under {folder}"
        if failed
        else ""
    )
    return Report(text + note, failed)


def ladder_report(
    scenario: str,
    seeds: int,
    folder: Path,
    settings: Mapping[str, Value],
    workers: int = 1,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Run the ladder, store ``ladder.csv`` beside the runs, and say what it shows."""
    rungs = ladder(scenario, seeds, settings)
    put(folder, {}, kind=LADDER)  # somebody's folder is refused before the first run
    runs = compute(rungs, folder / "mechanisms", workers, on_progress)
    table = rung_table(runs)
    put_tables(folder, {"ladder": table}, kind=LADDER, digits="%.6g")
    text = (
        f"{scenario}: mean over {seeds} seeds with 95 % intervals, mechanisms added one at a time\n"
        f"{said(table, 'rung', 'mean', 'half_width')}\n\n"
        f"What each added: paired differences on the same shocks\n"
        f"{said(table[table['rung'] != MARKET], 'rung', 'added', 'added_half_width')}"
    )
    return _report(text, folder, [rungs], [runs])


def assumption_report(
    scenario: str,
    seeds: int,
    screening_seeds: int,
    top: int,
    folder: Path,
    settings: Mapping[str, Value],
    workers: int = 1,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Screen all assumptions with few seeds, run the first `top` again with all, store both tables, and say the second."""
    every = assumptions()
    put(folder, {}, kind=LADDER)
    screening = assumption_test(scenario, screening_seeds, every, settings)
    first_runs = compute(screening, folder / "screening", workers, on_progress)
    screened = assumption_table(first_runs, every)
    put_tables(folder, {"screening": screened}, kind=LADDER, digits="%.6g")
    first = list(dict.fromkeys(screened["assumption"]))[:top]
    chosen = [assumption for name in first for assumption in every if assumption.name == name]
    test = assumption_test(scenario, seeds, chosen, settings)
    runs = compute(test, folder / "assumptions", workers, on_progress)
    table = assumption_table(runs, chosen)
    put_tables(folder, {"assumptions": table}, kind=LADDER, digits="%.6g")
    names = len({assumption.name for assumption in every})
    text = (
        f"{scenario}: {names} assumptions at both ends of their ranges, {screening_seeds} seeds; the first {len(first)} "
        f"again with {seeds} seeds\n\nDifference to the scenario at the low end, paired, 95 % intervals\n"
        f"{said(table, 'assumption', 'low', 'low_half_width')}\n\nAt the high end\n"
        f"{said(table, 'assumption', 'high', 'high_half_width')}"
    )
    return _report(text, folder, [screening, test], [first_runs, runs])


def said(table: "pd.DataFrame", rows: str, mean: str, half: str) -> str:
    """A long table as text: one line per rung or assumption, one column per outcome, ``mean ± half-width``."""
    import pandas as pd

    def cell(row: Any) -> str:
        if not np.isfinite(row[mean]):
            return "none"
        wide = f" ± {row[half]:,.3g}" if np.isfinite(row[half]) else ""
        return f"{row[mean]:,.4g}{wide}"

    wide = pd.DataFrame({rows: table[rows], "outcome": table["outcome"], "text": table.apply(cell, axis=1)})
    order = list(dict.fromkeys(table[rows]))
    units = table.drop_duplicates("outcome").set_index("outcome")["unit"]
    shown = wide.pivot_table(index=rows, columns="outcome", values="text", aggfunc="first").loc[
        order, list(units.index)
    ]
    shown.columns = pd.Index([f"{name} ({units[name]})" for name in shown.columns])
    return str(shown.rename_axis(None).to_string())


def _listed(
    name: str,
    scenario: str,
    points: Sequence[Mapping[str, Value]],
    seeds: int,
    settings: Mapping[str, Value] | None,
) -> Experiment:
    return Experiment.model_validate(
        {
            "name": name,
            "scenario": scenario,
            "overrides": {**PRICES_ONLY, **(settings or {})},
            "design": {"kind": "list", "list": [dict(point) for point in points]},
            "replications": {"count": seeds},
        }
    )


def _by_seed(runs: "pd.DataFrame", point: int, outcome: str) -> "pd.Series[float]":
    """An outcome at a point, indexed by replication."""
    mine = runs[runs["point"] == point]
    return mine.set_index("replication")[outcome].astype(float)
