"""Scores the model against what is known of markets like this one, and publishes what fails beside what passes.

Rows are those of `theory.md` C as corrected by `economics.md` 15, registered in `rows.toml` before they are run: data, source,
statistic, band and discrepancy. Each replication runs every arm, so that rows which compare arms compare the same shocks.

A band row passes if the median over seeds lies within two standard deviations of the middle of its band: those of what was
observed, of the declared discrepancy, and of the mean over seeds. (That 90 % of single seeds lie in the band would ask one
history to have no variance.) A sign row passes if the median has the sign, fails if it has the other, and is undecided if a
sign test at 95 % does not tell. A share row passes if the wanted share of seeds shows the event. What the tables of a run do
not hold is not available, and is never made up. Replications are runs of the sweep engine: the same command again does what
is left, and more seeds continue.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binomtest

import experiments.validation
from agents.vocabulary import GENERATIONS, PRODUCT_GENERATION, AgentKind
from experiments.design import scenario
from experiments.design.plan import plan_of
from experiments.runs.folder import ResultWarning
from experiments.runs.run import simulate
from experiments.runs.source_digest import source_digest
from experiments.sweep import store as sweep_store
from experiments.sweep.engine import Progress, sweep
from experiments.sweep.model_task import ModelTask
from experiments.validation.arms import ARMS, LARGEST_BUYERS, Arm
from experiments.validation.facts import SALE_WEEK, WATCHED, Facts, Floats
from experiments.validation.row import Row
from experiments.validation.rows import registered
from experiments.validation.target import Target
from sim.discount.collateral import quotes
from sim.parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd

PLAUSIBLE = 2.0  # standard deviations
SEEDS = 200  # theory.md C; fewer is a draft
SEED = 20261005


def facts_of(arm: Arm, seed: int, replication: int = 0, changes: Mapping[str, Any] | None = None) -> Facts:
    """Run one arm and keep what rows look at.

    Parameters
    ----------
    changes
        Parameters changed on top of the scenario, for calibration; the arm's own settings win.
    """
    parameters = Parameters.from_overrides({**(changes or {}), **arm.parameters})
    quoted: dict[int, dict[str, float]] = {}
    of_volume: dict[int, dict[str, float]] = {}
    usual = np.zeros(len(GENERATIONS), dtype=np.int64)

    def watch(model: Any, week: int) -> None:
        if week == SALE_WEEK:
            usual[:] = usual_volume(model.tables().get("trades", {}))
            close(model, arm)
        if week in WATCHED:
            quoted[week] = dict(zip(GENERATIONS, quotes(model.market_week).tolist(), strict=True))
        if week in WATCHED and week > SALE_WEEK:
            volume = quotes(model.market_week, usual)
            of_volume[week] = dict(zip(GENERATIONS, volume.tolist(), strict=True))

    model = simulate(parameters, seed, replication=replication, watch=watch)
    lots = model.world.ledger.lots
    generation = PRODUCT_GENERATION[lots.product]
    installed = {
        name: float(lots.quantity[(generation == g) & (lots.arrival <= parameters.clock.weeks)].sum())
        for g, name in enumerate(GENERATIONS)
    }
    return Facts(model.tables(), parameters.flat(), installed, quoted, of_volume)


def usual_volume(trades: Mapping[str, Any]) -> Any:
    """Used units of each generation sold in a mean week before the sale, GPUs, (G,)."""
    if not trades:
        return np.zeros(len(GENERATIONS), dtype=np.int64)
    before = (trades["week"] < SALE_WEEK) & (trades["condition"] != "new")
    sold = [trades["quantity"][before & (trades["generation"] == name)].sum() for name in GENERATIONS]
    return np.array(sold, dtype=np.int64) // SALE_WEEK


def close(model: Any, arm: Arm) -> None:
    """Let an arm's types of buyers leave the market; of `LARGEST_BUYERS` the type that has bought most used units so far."""
    closed = list(arm.closed)
    if LARGEST_BUYERS in closed:
        closed.remove(LARGEST_BUYERS)
        trades = model.tables().get("trades", {})
        old = trades["condition"] != "new" if trades else np.zeros(0, dtype=np.bool_)
        if old.any():
            types, row = np.unique(trades["buyer_type"][old], return_inverse=True)
            closed.append(str(types[np.bincount(row, weights=trades["quantity"][old]).argmax()]))
    if closed:
        model.world.withdraw([AgentKind[name.upper()] for name in closed])


def statistics(
    seed: int, changes: Mapping[str, Any] | None = None, only: Sequence[str] = (), replication: int = 0
) -> dict[str, float]:
    """Row -> statistic of one replication.

    Parameters
    ----------
    changes
        Parameters changed in every arm.
    only
        Ids of rows; all that can be measured if left out.
    """
    chosen = [row for row in registered() if row.measure is not None and (not only or row.id in only)]
    needed = dict.fromkeys(name for row in chosen for name in row.arms)
    arms = {name: facts_of(ARMS[name], seed, replication, changes) for name in needed}
    return measured(chosen, arms)


def measured(chosen: Sequence[Row], arms: Mapping[str, Facts]) -> dict[str, float]:
    """Statistic of every row from its arms; NaN where they do not hold it."""
    with np.errstate(all="ignore"):
        return {row.id: float(row.measure(arms)) for row in chosen if row.measure is not None}


@cache
def code() -> str:
    """Digest of the model and of everything a statistic is computed with."""
    digest = hashlib.sha256(ModelTask().fingerprint.encode())
    digest.update(source_digest(experiments.validation, scenario).encode())
    for path in sorted(Path(str(resources.files("experiments") / "scenarios")).glob("*.toml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Replication:
    """All arms of one replication as a run of the sweep engine."""

    only: tuple[str, ...] = ()
    fingerprint: str = field(default_factory=code)
    series: tuple[str, ...] = ()  # no weekly paths are kept

    def __call__(
        self, parameters: Mapping[str, Any], seed: int, replication: int
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Statistics of the rows, and no series."""
        return statistics(seed, parameters, self.only, replication), {}

    def meanings(self) -> dict[str, tuple[str, str]]:
        """Unit and meaning of every statistic."""
        return {row.id: (row.unit, row.quantity) for row in registered()}


def validate(
    folder: str | Path,
    seeds: int,
    *,
    workers: int = 1,
    only: Sequence[str] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Score every row over replications, which are stored in `folder` and not repeated.

    Returns
    -------
    table, values
        One line per row as `score` gives it; and the statistics, one line per replication, one column per row.

    Warns
    -----
    ResultWarning
        If replications ended badly; they are left out.
    """
    plan = plan_of([{}], name="validation", seed=SEED, replications={"count": seeds})
    run = Replication(tuple(only))
    sweep(plan, run, folder, executor=workers, on_progress=on_progress).check()
    runs = sweep_store.load(folder).runs.set_index("replication").sort_index()
    failed = runs.index[runs["status"] != "ok"]
    if len(failed):
        listed = ", ".join(str(one) for one in failed)
        warnings.warn(
            f"{folder}: replications that ended badly are left out: {listed}", ResultWarning, stacklevel=2
        )
        runs = runs.drop(failed)
    values = runs[[row.id for row in registered() if row.id in runs]]
    return score(registered(), values), values


def score(rows: Sequence[Row], values: "pd.DataFrame") -> "pd.DataFrame":
    """Verdict of every row from its statistics over seeds.

    Returns
    -------
    DataFrame
        Columns id, quantity, verdict (pass, fail, undecided, unscored, not available), kind, unit, low and high of the band,
        median, q05, q95 (over seeds), in_band (share of seeds), seeds, data, source, statistic, discrepancy, note.
    """
    import pandas as pd

    lines = []
    for row in rows:
        sample = values[row.id].to_numpy(dtype=np.float64) if row.id in values else np.zeros(0)
        known = sample[np.isfinite(sample)]
        q05, median, q95 = np.quantile(known, (0.05, 0.5, 0.95)) if len(known) else (np.nan,) * 3
        verdict, share, note = _verdict(row, known, len(sample))
        if row.kind == "share" and len(known):
            median, (q05, q95) = float(known.mean()), wilson(float(known.mean()), len(known))
        lines.append(
            {
                "id": row.id,
                "quantity": row.quantity,
                "verdict": verdict,
                "kind": row.kind,
                "unit": row.unit,
                "low": row.low,
                "high": row.high,
                "median": float(median),
                "q05": float(q05),
                "q95": float(q95),
                "in_band": share,
                "seeds": len(known),
                "data": row.data,
                "source": row.source,
                "statistic": row.statistic,
                "discrepancy": row.discrepancy,
                "note": note,
            }
        )
    return pd.DataFrame(lines)


def _verdict(row: Row, known: Floats, asked: int) -> tuple[str, float, str]:
    """Verdict, share of seeds in the band, and a note."""
    if not row.scored and row.measure is None:
        return "unscored", float("nan"), row.why
    if len(known) == 0 or 2 * len(known) < asked:
        note = row.why or f"the tables of {asked - len(known)} of {asked} seeds do not hold it"
        return "not available", float("nan"), note
    few = f"draft: {len(known)} of {SEEDS} seeds" if len(known) < SEEDS else ""
    note = "; ".join(filter(None, (row.why, few)))
    if row.kind == "share":
        return ("pass" if known.mean() >= row.low else "fail"), float(known.mean()), note
    if row.kind == "sign":
        right = float((known > 0).mean() if row.low == 0 else (known < 0).mean())
        low, high = wilson(right, len(known), 0.95)
        return ("pass" if low > 0.5 else "fail" if high < 0.5 else "undecided"), right, note
    inside = float(((known >= row.low) & (known <= row.high)).mean()) if row.low == row.low else float("nan")
    if row.kind != "band":
        return "unscored", inside, note
    of_the_mean = float(known.var(ddof=1)) / len(known) if len(known) > 1 else 0.0
    miss = float(Target.of(row).implausibility(np.median(known), {row.id: of_the_mean}))
    return ("pass" if miss <= PLAUSIBLE else "fail"), inside, note


def wilson(share: float, n: int, level: float = 0.9) -> tuple[float, float]:
    """Interval of a share of n trials, by Wilson."""
    interval = binomtest(round(share * n), n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)
