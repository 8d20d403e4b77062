"""Runs a wave of history matching through the sweep engine, and makes its tables from what is stored.

Three sweeps in one folder: ``seed`` repeats the defaults, for the variance of the seed; ``corners`` visits the sceptic's box;
``wave`` is the Sobol design over the priors. Each resumes and grows as any sweep does.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.errors import AnalysisError
from experiments.design.designs import Value
from experiments.design.plan import Plan, plan_of
from experiments.methods import calibration, priors
from experiments.methods.calibration import HEADLINES
from experiments.methods.priors import Prior
from experiments.runs.folder import put
from experiments.runs.source_digest import source_digest
from experiments.runs.store import put_tables
from experiments.sweep.engine import Progress, sweep
from experiments.sweep.jobs import Run
from experiments.sweep.store import load
from experiments.validation.row import Row
from experiments.validation.rows import registered
from experiments.validation.score import code
from experiments.validation.target import Target

if TYPE_CHECKING:
    import pandas as pd

CALIBRATION = "calibration"
SEED_RUNS = 16
# What is run at a point, given the rows and the variance of the seed that lets it stop early (none: never).
Task = Callable[[Sequence[Row], Mapping[str, float] | None], Run]


def calibration_code() -> str:
    """Digest of the model, the validation rows and the calibration itself."""
    return f"{code()} {source_digest(calibration, priors)}"


@dataclass(frozen=True, slots=True)
class WavePoint:
    """One point as a run of the sweep engine; rows travel to the workers by their ids."""

    ids: tuple[str, ...]
    noise: tuple[tuple[str, float], ...] | None = None
    model: str = field(default_factory=calibration_code)
    series: tuple[str, ...] = ()  # no weekly paths are kept

    @classmethod
    def of(cls, matched: Sequence[Row], noise: Mapping[str, float] | None) -> "WavePoint":
        """The task for these rows; with `noise`, points are left as soon as a row rules them out."""
        return cls(tuple(row.id for row in matched), None if noise is None else tuple(sorted(noise.items())))

    @property
    def fingerprint(self) -> str:
        """Digest of the model, the rows, and what decides when a point is left."""
        return hashlib.sha256(repr((self.model, self.ids, self.noise)).encode()).hexdigest()[:20]

    def __call__(
        self, parameters: Mapping[str, Value], seed: int, replication: int
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Statistics and headlines, and no series."""
        chosen = [row for row in registered() if row.id in self.ids]
        noise = None if self.noise is None else dict(self.noise)
        return calibration.evaluate(parameters, seed, chosen, replication, seed_variance=noise), {}

    def meanings(self) -> dict[str, tuple[str, str]]:
        """Unit and meaning of every outcome."""
        said = {row.id: (row.unit, row.quantity) for row in registered() if row.id in self.ids}
        return said | {name: (unit, name.replace("_", " ")) for name, unit in HEADLINES.items()}


def run_wave(
    folder: str | Path,
    points: int,
    *,
    seed: int = calibration.SEED,
    workers: int = 1,
    matched: Sequence[Row] | None = None,
    beliefs: Sequence[Prior] | None = None,
    task: Task = WavePoint.of,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> "dict[str, pd.DataFrame]":
    """Evaluate what is not stored yet, write the tables, and return them.

    Parameters
    ----------
    folder
        Result folder; a wave that stands there is continued, or grown to more points.
    workers
        Processes; 0 computes in this one.
    matched, beliefs, task
        What is matched, over which priors, by which model; those of firesale if left out.

    Raises
    ------
    StoreError
        If the folder cannot be written to.
    """
    place = Path(folder)
    put(place, {}, kind=CALIBRATION)  # somebody's folder is refused before the first run
    chosen = list(calibration.matched_rows() if matched is None else matched)
    believed = list(priors.priors() if beliefs is None else beliefs)
    names = [*HEADLINES, *(row.id for row in chosen)]

    def swept(plan: Plan, run: Run, part: str) -> "pd.DataFrame":
        sweep(plan, run, place / part, executor=workers, on_progress=on_progress).check()
        runs = load(place / part).runs.sort_values(["point", "replication"])
        return runs.reindex(columns=names).astype(float).reset_index(drop=True)

    repeated = plan_of([{}], name="seed", seed=seed, replications={"count": SEED_RUNS})
    box = plan_of(priors.box_corners(), name="corners", seed=seed, replications={"count": 1})
    # Sentences are held against the corners by their headlines alone.
    seeds, corners = swept(repeated, task(chosen, None), "seed"), swept(box, task([], None), "corners")
    noise = {str(name): float(value) for name, value in seeds.var(ddof=1).items() if value == value}
    wave = swept(calibration.wave_plan(believed, points, seed), task(chosen, noise), "wave")
    cube = calibration.wave(believed, points, seed)
    tables = tables_of(wave, corners, noise, cube, believed, chosen)
    put_tables(place, tables, kind=CALIBRATION)
    return tables


def tables_of(
    points: "pd.DataFrame",
    corners: "pd.DataFrame",
    noise: Mapping[str, float],
    cube: Any,
    beliefs: Sequence[Prior],
    matched: Sequence[Row],
) -> "dict[str, pd.DataFrame]":
    """Everything that is published of a wave: summary, ruled_out, recovery, headlines, assertions, frontier, points."""
    import pandas as pd

    targets = [Target.of(row) for row in matched]
    match = calibration.history_match(points, targets, noise)
    volume, low, high = match.volume()
    headlines = points[list(HEADLINES)]
    summary = pd.DataFrame(
        [
            ("points", float(len(points))),
            ("points without a result", float(points.isna().all(axis=1).sum())),
            ("points with headlines", float(headlines.notna().any(axis=1).sum())),
            ("survivors", float(match.survives.sum())),
            ("surviving volume", volume),
            ("surviving volume, low", low),
            ("surviving volume, high", high),
        ],
        columns=["what", "value"],
    )
    tables = {
        "summary": summary,
        "ruled_out": calibration.ruled_out(match),
        "recovery": calibration.recovery(cube, points, targets, noise, beliefs, match),
        "headlines": calibration.headline_ranges(headlines, match.survives, noise),
        "assertions": calibration.assertions(headlines, match.survives, corners),
        "corners": pd.DataFrame(priors.box_corners()).join(corners[list(HEADLINES)]),
    }
    fronts = []
    for name, held in tables["assertions"].set_index("headline")["asserted"].items():
        if held:
            continue
        try:
            plane = calibration.frontier(cube, headlines[name].to_numpy(dtype=np.float64), beliefs)
        except AnalysisError:
            continue
        plane.insert(0, "headline", str(name))
        fronts.append(plane)
    if fronts:
        tables["frontier"] = pd.concat(fronts, ignore_index=True)
    values = [priors.overrides_at(beliefs, line) for line in cube]
    tables["points"] = pd.DataFrame(values).join(points).assign(survives=match.survives)
    return tables
