"""Commands that read a stored result and say what it means, and those that hold the model against data."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.analysis.metric_report import report
from experiments.command.branches_printout import printed_responses
from experiments.command.console import stop
from experiments.command.exit_codes import BAD_INPUT, STOPPED
from experiments.command.options import NoBar, Overwrite, Processes, RunFolder, Settings, SweepFolder
from experiments.command.progress_bar import progress_bar, sweep_progress
from experiments.command.reports import (
    calibration_report,
    comparison_report,
    discovery_report,
    sensitivity_report,
    validation_report,
    verification,
)
from experiments.command.rich_table import show
from experiments.command.streams import say
from experiments.design.scenario import load
from experiments.methods.branches import run_branches
from experiments.runs.folder import default_folder


def sensitivity(
    sweep_folder: SweepFolder,
    outcomes: Annotated[
        list[str] | None, typer.Option("--outcome", help="Only this outcome; may be given again.")
    ] = None,
) -> None:
    """Say what moves the outcomes of a sweep: Morris or Sobol by its design, PAWN, and the seed's own share."""
    say(sensitivity_report(sweep_folder, outcomes or []))


def discover(
    sweep_folder: SweepFolder,
    condition: Annotated[str, typer.Argument(help="Such as 'discount > 0.2'.", show_default=False)],
    coverage: Annotated[
        float, typer.Option(help="Least share of such cases to keep.", min=0.05, max=1.0)
    ] = 0.6,
    by_run: Annotated[bool, typer.Option("--by-run", help="Single runs, not averages of points.")] = False,
) -> None:
    """Find the corner of parameter space where an outcome passes a threshold (PRIM; needs EMA Workbench)."""
    say(discovery_report(sweep_folder, condition, coverage=coverage, by_run=by_run))


def compare(
    a: Annotated[Path, typer.Argument(help="Result folder of a sweep or a run.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="The other one, with the same seeds.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder for table and figure.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare two results run by run on the same shocks: differences b - a with intervals."""
    say(comparison_report(a, b, out, overwrite=overwrite))


def verify(
    sweep_folder: SweepFolder,
    sample: Annotated[int, typer.Option(min=1, help="How many runs.")] = 20,
) -> None:
    """Repeat a sample of a sweep's runs and compare every number bit for bit."""
    verdict = verification(sweep_folder, sample)
    if not verdict.passed:
        stop(str(verdict), STOPPED)
    say(str(verdict))


def validate(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds; 200 are pre-registered, twenty runs each.")] = 200,
    workers: Processes = 1,
    out: Annotated[Path, typer.Option(help="Result folder.")] = Path("results/validation"),
) -> None:
    """Score the model against what is known: passes, failures, and what cannot be scored, with intervals over seeds."""
    with progress_bar(False, "seeds") as bar:
        task = bar.add_task("validate", total=seeds)
        report = validation_report(seeds, workers, out, sweep_progress(bar, task))
    say(report)


def metrics(
    run_folder: RunFolder,
    calm: Annotated[Path | None, typer.Option(help="The same seed in calm, for convergence.")] = None,
    without: Annotated[
        Path | None, typer.Option(help="The same run with credit.defaults=false, for convergence.")
    ] = None,
) -> None:
    """Print the credit metrics of a stored run: loan to value, dates, depth, fair spreads, bridge, convergence."""
    if (calm is None) != (without is None):
        stop("convergence needs both --calm and --without", BAD_INPUT)
    say(report(run_folder, calm, without))


def branches(
    scenario: Annotated[str, typer.Argument(help="Scenario with a forced sale.")] = "ten_thousand_h100",
    replications: Annotated[int, typer.Option(min=2, help="Pairs; 7 s each.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 7,
    changes: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Result folder; results/branches-SCENARIO-seed-SEED if left out.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: NoBar = False,
) -> None:
    """Clone the forced week three ways (sold, held, no default) and say what the sale does to price, rent and others."""
    chosen = load(scenario)
    folder = out or default_folder("branches", chosen.name, seed=seed)
    with progress_bar(quiet, "replications") as bar:
        task = bar.add_task("branches", total=replications)
        effects = run_branches(
            chosen,
            folder,
            seed=seed,
            replications=replications,
            settings=changes or [],
            overwrite=overwrite,
            on_replication=lambda: bar.advance(task),
        )
    show(printed_responses(effects))
    say(f"Tables and figure: {folder}")


def calibrate(
    points: Annotated[int, typer.Option(min=2, help="Sobol points; fewer for a draft.")] = 4096,
    workers: Processes = 1,
    out: Annotated[Path, typer.Option(help="Result folder; a wave in it is continued.")] = Path(
        "results/calibration"
    ),
) -> None:
    """History matching: what the data do not rule out, and every headline's range over it. Resumes by itself."""
    with progress_bar(False, "runs") as bar:
        task = bar.add_task("calibrate", total=points)
        report = calibration_report(points, workers, out, sweep_progress(bar, task))
    say(report)
