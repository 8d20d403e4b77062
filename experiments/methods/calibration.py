"""History matching: which parameters the data do not rule out, and what every headline is over those that are left.

Nothing here is point-identified (economics.md 14), so nothing is fitted. A Sobol wave covers the priors of everything that
is graded C or assumed; a point survives if no scored validation row rules it out; headlines are published as ranges over
survivors, with the variance of seed and of parameters apart. A sentence is asserted only if its sign holds in 95 % of survivors
and at every corner of the sceptic's box; otherwise the frontier where it flips is given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import qmc

from experiments.analysis.errors import AnalysisError
from experiments.design.designs import Design, Value
from experiments.design.experiment import Experiment, Replications
from experiments.design.plan import Plan
from experiments.design.planner import plan_experiment
from experiments.measures.forced_sales import forced_sales
from experiments.measures.outcomes import OUTCOMES
from experiments.methods.priors import SCEPTICS_BOX, Prior
from experiments.runs.store import arrow_table
from experiments.validation.arms import ARMS, FORCED, Arm
from experiments.validation.facts import Facts
from experiments.validation.row import Row
from experiments.validation.rows import registered
from experiments.validation.score import facts_of, measured, wilson
from experiments.validation.target import Target

if TYPE_CHECKING:
    import pandas as pd

Floats = np.ndarray[Any, np.dtype[np.float64]]
CUTOFF = 3.0
LEAST_SURVIVORS = 10  # fewer have no quantiles to speak of
SEED = 20261005
HOLDS = 0.95
SOLD_WELL = 0.7  # of the first-lot price: the study threshold of economics.md 18
HEADLINES = {
    "discount": "share of p0",
    "above_threshold": "share of p0",
    "discount_at_normal_volume": "share",
    "structural_gap": "share of V*",
    "loss": "share of V*",
    "gap_less_discount": "share",
}
CLAIMS = {
    "discount": "a forced sale of 10,000 H100 depresses its own price",
    "above_threshold": "10,000 forced H100 fetch 70 % of the first-lot price or more",
    "structural_gap": "one lot already fetches less than best use",
    "gap_less_discount": "the structural gap is larger than the fire-sale discount",
}


@dataclass(frozen=True, slots=True)
class Match:
    """What history matching left.

    Attributes
    ----------
    implausibility
        Points x targets; NaN where a statistic is missing.
    survives
        Points with every known implausibility at most the cutoff, and at least one known.
    """

    implausibility: "pd.DataFrame"
    survives: "np.ndarray[Any, np.dtype[np.bool_]]"
    cutoff: float

    def volume(self) -> tuple[float, float, float]:
        """Share of the prior volume that survives, with its 90 % interval."""
        n = len(self.survives)
        share = float(self.survives.mean()) if n else float("nan")
        return (share, *wilson(share, n)) if n else (share, share, share)


def wave(beliefs: Sequence[Prior], points: int, seed: int = SEED) -> Floats:
    """Coordinates of the wave's points in the unit cube, shape (points, priors); a longer wave begins with a shorter one."""
    # What `experiments.design.designs` draws for a Sobol design with this seed; the sweep engine visits these points.
    sampler = qmc.Sobol(len(beliefs), rng=np.random.default_rng(seed))
    whole = sampler.random_base2(int(np.ceil(np.log2(max(points, 2)))))
    return np.asarray(whole[:points])


def wave_plan(beliefs: Sequence[Prior], points: int, seed: int = SEED) -> Plan:
    """The wave as an experiment: a Sobol design over the priors, one replication a point."""
    return plan_experiment(
        Experiment(
            name="wave",
            title="History matching",
            seed=seed,
            vary={prior.key: prior.factor.variation for prior in beliefs},
            design=Design(kind="sobol", points=points),
            replications=Replications(count=1),
        )
    )


def history_match(
    statistics: "pd.DataFrame",
    targets: Sequence[Target],
    seed_variance: Mapping[str, float],
    *,
    cutoff: float = CUTOFF,
) -> Match:
    """Implausibility |z - f(x)| / sqrt(data + discrepancy + seed variance) of every point, and who survives.

    Parameters
    ----------
    statistics
        One row per point, one column per target; a failed run has NaN everywhere.
    seed_variance
        Variance of each statistic over seeds (of the average, if replications were averaged).
    """
    import pandas as pd

    columns = {
        target.name: target.implausibility(statistics[target.name].to_numpy(dtype=np.float64), seed_variance)
        for target in targets
    }
    table = pd.DataFrame(columns, index=statistics.index)
    known = table.notna().any(axis=1).to_numpy()
    return Match(table, (~(table > cutoff).any(axis=1)).to_numpy() & known, cutoff)


def ruled_out(match: Match) -> "pd.DataFrame":
    """What each target rules out: share of points, share that it alone rules out, points without the statistic."""
    import pandas as pd

    above = (match.implausibility > match.cutoff).to_numpy()
    alone = above & (above.sum(axis=1) == 1)[:, None]
    return pd.DataFrame(
        {
            "target": match.implausibility.columns,
            "ruled_out": above.mean(axis=0),
            "alone": alone.mean(axis=0),
            "missing": match.implausibility.isna().mean(axis=0).to_numpy(),
            "median_implausibility": match.implausibility.median().to_numpy(),
        }
    )


def recovery(
    cube: Floats,
    statistics: "pd.DataFrame",
    targets: Sequence[Target],
    seed_variance: Mapping[str, float],
    beliefs: Sequence[Prior],
    match: Match,
    *,
    truths: int = 20,
) -> "pd.DataFrame":
    """How far survivors narrow each prior, and whether matching finds parameters that are known.

    Every one of `truths` points is taken for the truth in turn: its statistics become the data, and the others are matched to
    them. Coverage is how often the true value lies within the survivors' central 90 %.

    Returns
    -------
    DataFrame
        Per parameter: prior_low, prior_high, low, high (central 90 % of survivors, parameter units), width (share of the prior
        that they span), synthetic_width, coverage, verdict (identified below half the prior, weakly below 0.8, else not).
    """
    import pandas as pd

    widths, inside = _synthetic_matches(cube, statistics, targets, seed_variance, match.cutoff, truths)
    rows = []
    survivors = cube[match.survives]
    for i, prior in enumerate(beliefs):
        enough = len(survivors) >= LEAST_SURVIVORS
        ends = np.quantile(survivors[:, i], (0.05, 0.95)) if enough else np.array([np.nan, np.nan])
        width = float(ends[1] - ends[0]) / 0.9
        synthetic = float(np.median([entry[i] for entry in widths])) / 0.9 if widths else float("nan")
        verdict = "identified" if width < 0.5 else "weakly" if width < 0.8 else "not"
        rows.append(
            {
                "parameter": prior.key,
                "unit": prior.unit,
                "prior_low": prior.factor.variation.low,
                "prior_high": prior.factor.variation.high,
                "prior_held_by_schema": prior.held,
                "low": prior.factor.at(float(ends[0])) if enough else np.nan,
                "high": prior.factor.at(float(ends[1])) if enough else np.nan,
                "width": width,
                "synthetic_width": synthetic,
                "coverage": float(np.mean([entry[i] for entry in inside])) if inside else np.nan,
                "verdict": verdict if enough else "too few survivors",
            }
        )
    return pd.DataFrame(rows)


def _synthetic_matches(
    cube: Floats,
    statistics: "pd.DataFrame",
    targets: Sequence[Target],
    seed_variance: Mapping[str, float],
    cutoff: float,
    truths: int,
) -> tuple[list[Floats], list[Any]]:
    """Per pretended truth and prior: width of the survivors' central 90 %, and whether the true value lies in it."""
    widths, inside = [], []
    # A point that was left early has no statistics that could tell it from a pretended truth.
    whole = np.flatnonzero(statistics[[t.name for t in targets]].notna().all(axis=1).to_numpy())
    table, corner = statistics.iloc[whole], cube[whole]
    for truth in range(min(truths, len(whole))):
        pretended = [
            Target(t.name, float(table[t.name].iloc[truth]), t.data_variance, t.discrepancy_variance)
            for t in targets
        ]
        left = history_match(table, pretended, seed_variance, cutoff=cutoff).survives.copy()
        left[truth] = False
        if left.sum() < LEAST_SURVIVORS:
            continue
        ends = np.quantile(corner[left], (0.05, 0.95), axis=0)
        widths.append(ends[1] - ends[0])
        inside.append((ends[0] <= corner[truth]) & (corner[truth] <= ends[1]))
    return widths, inside


def headline_ranges(
    headlines: "pd.DataFrame", survives: "np.ndarray[Any, Any]", seed_variance: Mapping[str, float]
) -> "pd.DataFrame":
    """Range of every headline over survivors, with the deviation that parameters and the seed make apart."""
    import pandas as pd

    rows = []
    for name in headlines:
        known = headlines[name][survives].dropna().to_numpy(dtype=np.float64)
        marks = np.quantile(known, (0.0, 0.05, 0.5, 0.95, 1.0)) if len(known) else np.full(5, np.nan)
        whole = float(known.var(ddof=1)) if len(known) > 1 else float("nan")
        noise = seed_variance.get(str(name), float("nan"))
        rows.append(
            (
                name,
                HEADLINES.get(str(name), ""),
                *map(float, marks),
                float(np.sqrt(max(whole - noise, 0.0))) if whole == whole and noise == noise else np.nan,
                float(np.sqrt(noise)) if noise == noise else np.nan,
                len(known),
            )
        )
    columns = ["headline", "unit", "minimum", "q05", "median", "q95", "maximum"]
    return pd.DataFrame(rows, columns=[*columns, "parameter_deviation", "seed_deviation", "survivors"])


def assertions(
    headlines: "pd.DataFrame", survives: "np.ndarray[Any, Any]", corners: "pd.DataFrame"
) -> "pd.DataFrame":
    """Which sentences may be said: sign in 95 % of survivors and at every corner of the sceptic's box."""
    import pandas as pd

    rows = []
    for name, sentence in CLAIMS.items():
        if name not in headlines:
            continue
        known = headlines[name][survives].dropna()
        held = float((known > 0).mean()) if len(known) else float("nan")
        at = corners[name].dropna() if name in corners else pd.Series(dtype=float)
        holding = int((at > 0).sum())
        missing = len(corners) - len(at)
        asserted = held >= HOLDS and len(at) > 0 and holding == len(corners)
        rows.append((name, sentence, held, len(known), holding, len(at), missing, asserted))
    columns = ["headline", "sentence", "survivors_holding", "survivors", "corners_holding", "corners_known"]
    return pd.DataFrame(rows, columns=[*columns, "corners_missing", "asserted"])


def frontier(
    cube: Floats, values: Floats, beliefs: Sequence[Prior], keys: Iterable[str] = tuple(SCEPTICS_BOX)
) -> "pd.DataFrame":
    """Where a headline changes sign along each parameter of the box, the others in the middle of their priors.

    A plane is fitted by least squares to the box's coordinates over all points; r2 says how much of the headline it
    tells. `flips_at` is empty where the plane does not reach zero within the prior.
    """
    import pandas as pd

    wanted = [i for i, prior in enumerate(beliefs) if prior.key in set(keys)]
    known = np.isfinite(values)
    if known.sum() <= len(wanted) + 1:
        raise AnalysisError(f"a frontier needs more than {len(wanted) + 1} points, there are {known.sum()}")
    design = np.column_stack([np.ones(known.sum()), cube[known][:, wanted] - 0.5])
    fit = np.linalg.lstsq(design, values[known], rcond=None)[0]
    rest = values[known] - design @ fit
    spread = float(values[known].var())
    r2 = 1.0 - float(rest.var()) / spread if spread > 0 else float("nan")
    rows = []
    for slot, i in enumerate(wanted, start=1):
        at = 0.5 - fit[0] / fit[slot] if fit[slot] != 0 else np.nan
        inside = bool(np.isfinite(at)) and 0.0 <= at <= 1.0
        prior = beliefs[i]
        flips = float(prior.factor.at(float(at))) if inside else np.nan
        rows.append((prior.key, prior.unit, float(fit[slot]), flips, r2))
    return pd.DataFrame(rows, columns=["parameter", "unit", "change_over_range", "flips_at", "r2"])


# -- the model ----


def headlines_of(facts: Facts) -> dict[str, float]:
    """The headlines of a run with a forced sale."""
    sales = forced_sales(
        {name: arrow_table(name, facts.tables[name]) for name in ("weeks", "trades", "events", "agents")}
    )
    own = [sale for sale in sales if sale.generation == FORCED["forced_sale.generation"]]
    found = {
        name: float(OUTCOMES[name].measure(facts.tables, own))
        for name in ("discount", "discount_at_normal_volume", "structural_gap", "recovery")
    }
    loss = 1.0 - found.pop("recovery")
    # In dollars per dollar of best use, so that the two parts of the loss are measured alike.
    return found | {
        "above_threshold": 1.0 - found["discount"] - SOLD_WELL,
        "loss": loss,
        "gap_less_discount": 2.0 * found["structural_gap"] - loss,
    }


def stages(rows: Sequence[Row]) -> list[tuple[list[str], list[Row]]]:
    """Rows in the order of what they cost: the arms a stage runs for the first time, and the rows they complete."""
    left, known, found = list(rows), set[str](), []
    while left:
        cheapest = min(left, key=lambda row: len(set(row.arms) - known))
        new = [arm for arm in cheapest.arms if arm not in known]
        known |= set(new)
        found.append((new, [row for row in left if set(row.arms) <= known]))
        left = [row for row in left if not set(row.arms) <= known]
    return found


def evaluate(
    changes: Mapping[str, Value],
    seed: int,
    rows: Sequence[Row],
    replication: int = 0,
    *,
    seed_variance: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Statistics of the rows and the headlines at one point.

    Parameters
    ----------
    seed_variance
        If given, a point is left as soon as a row rules it out: it cannot survive, and its other arms are not run.

    Raises
    ------
    RunError
        The model cannot run there.
    """
    own = {key: value for key, value in changes.items() if key.startswith("forced_sale.")}
    arms: dict[str, Facts] = {}

    def run(name: str) -> None:
        arm = ARMS[name]
        kept = own if "forced_sale.enabled" in arm.overrides else {}
        arms[name] = facts_of(
            Arm({**arm.overrides, **kept}, arm.scenario, arm.closed), seed, replication, changes
        )

    found: dict[str, float] = {}
    for new, completed in stages(rows):
        for name in new:
            run(name)
        found |= measured(completed, arms)
        if seed_variance is not None and any(
            Target.of(row).implausibility(found[row.id], seed_variance) > CUTOFF for row in completed
        ):
            return found
    if "forced" not in arms:
        run("forced")
    return found | headlines_of(arms["forced"])


def matched_rows() -> list[Row]:
    """Scored rows that enter the implausibility."""
    return [row for row in registered() if row.calibrates and row.scored]
