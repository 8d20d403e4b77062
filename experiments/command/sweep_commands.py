"""Commands that compute sweeps, and repeat single runs of them."""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from experiments.command.console import stop
from experiments.command.exit_codes import BAD_INPUT, HUNG_UP, INTERRUPTED, RUNS_FAILED, STOPPED
from experiments.command.options import ExperimentFile, NoProgress, Overwrite, SweepFolder
from experiments.command.progress_bar import following
from experiments.command.streams import say
from experiments.design.plan import Plan
from experiments.design.planner import load
from experiments.runs.run import RunError
from experiments.sweep import report as sweep_report
from experiments.sweep.cost import left_of, pilot, stored_cost
from experiments.sweep.engine import sweep as compute
from experiments.sweep.model_task import ModelTask
from experiments.sweep.origin import code_that_counts, origin_of
from experiments.sweep.replayed_run import outcomes_beside, store_run
from experiments.sweep.slurm import array_script
from experiments.sweep.store import mended
from experiments.sweep.stored import folder_of, read_manifest

ASK_ABOVE_SECONDS = 3600.0


def sweep(
    file: ExperimentFile,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Result folder; results/sweep-NAME[-ARM]-seed-SEED if left out. One that is begun is continued."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes; 0 computes in this one, and one per core if left out."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only part I of N, as one job of an array.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Compute on a Dask cluster, such as tcp://host:8786."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost, compute nothing else.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before more than an hour.")] = False,
    allow_code_change: Annotated[
        bool, typer.Option("--allow-code-change", help="Reuse runs stored by other model code.")
    ] = False,
    quiet: NoProgress = False,
) -> None:
    """Compute every run of an experiment that is not stored yet. The same command resumes, after whatever happened.

    Exit codes: 0 done; 2 bad input, or a file edited since the sweep was planned; 3 the store cannot be written;
    5 at the end, but some runs failed; 129 its terminal was closed; 130 interrupted.
    """
    experiment, plan = load(file)
    task = ModelTask.of(experiment).prepared(plan.plugins)
    folder = folder_of(plan, out)
    part = _part(shard)
    processes = _cores() if workers is None else workers
    if not dry_run and folder.is_dir():
        for line in mended(folder, shared=part is not None):
            say(line)
    _tell_cost(plan, task, folder, processes, part, allow_code_change, dry_run, ask=not (yes or dask))
    if dry_run:
        return
    with following(quiet) as on_progress:
        report = compute(
            plan,
            task,
            folder,
            executor=dask or processes,
            shard=part,
            allow_code_change=allow_code_change,
            on_progress=on_progress,
        )
    if report.interrupted:
        stop(sweep_report.interrupted(report), HUNG_UP if report.hung_up else INTERRUPTED)
    say(sweep_report.ended(report, part))
    if report.progress.failed:
        raise typer.Exit(RUNS_FAILED)


def slurm(
    file: ExperimentFile,
    out: Annotated[
        Path | None, typer.Option(help="Result folder; results/sweep-NAME[-ARM]-seed-SEED if left out.")
    ] = None,
    shards: Annotated[int, typer.Option(min=1, help="Tasks of the array.")] = 40,
    workers: Annotated[int, typer.Option(min=1, help="Cores of a task.")] = 4,
    hours: Annotated[float, typer.Option(min=0.02, help="Longest a task may take.")] = 4.0,
) -> None:
    """Print a batch script that computes a sweep as an array of SLURM jobs."""
    experiment, plan = load(file)
    folder = folder_of(plan, out)
    tasks = min(shards, len(plan.points))
    text = array_script(experiment, file, folder, shards=tasks, workers=workers, hours=hours)
    say(text, end="")


def replay(
    sweep_folder: SweepFolder,
    run_id: Annotated[str, typer.Argument(help="Id of a run, or its beginning.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Store all tables of the run there.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Repeat one run of a sweep in this process: its outcomes beside the stored ones, or its error with all of its origin."""
    try:
        if out is None:
            say(outcomes_beside(sweep_folder, run_id))
        else:
            say(store_run(sweep_folder, run_id, out, overwrite=overwrite))
    except RunError as error:
        say("".join(traceback.format_exception(error)), err=True)
        stop(f"run {run_id}: {error}", STOPPED)


def _tell_cost(
    plan: Plan,
    task: ModelTask,
    folder: Path,
    workers: int,
    part: tuple[int, int] | None,
    allow_code_change: bool,
    dry_run: bool,
    *,
    ask: bool,
) -> None:
    """Print what is left and, where it matters, what it costs; ends the command if that is too much."""
    if dry_run:
        task.check_tables(plan)  # what computes does it by itself
    manifest = read_manifest(folder, missing_ok=True)
    origin = origin_of(plan, task, workers)
    code, note = code_that_counts(manifest, task, origin, allow=allow_code_change)
    left = left_of(plan, folder, code, manifest, part)
    say(sweep_report.planned(plan, left))
    for warning in [*sweep_report.idle_factors(plan), *sweep_report.repeated_points(plan)]:
        say(warning)
    if note:
        say(f"Note: {note}")
    processes = max(workers, 1)
    longest = left.most * plan.experiment.limits.run_seconds / processes
    if not left.most or not (dry_run or (ask and longest > ASK_ABOVE_SECONDS)):
        return
    cost = stored_cost(folder) or pilot(plan, task, processes, task.fingerprint)
    say(sweep_report.estimated(left, cost, processes))
    seconds = left.most * cost.mean / processes
    if dry_run or not ask or seconds <= ASK_ABOVE_SECONDS:
        return
    if not sys.stdin.isatty():
        stop(f"that is up to {sweep_report.duration(seconds)}; --yes begins without asking", BAD_INPUT)
    typer.confirm(f"Up to {sweep_report.duration(seconds)}. Begin?", abort=True)


def _part(shard: str | None) -> tuple[int, int] | None:
    """``3/40`` as (3, 40)."""
    if shard is None:
        return None
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        stop(f"--shard {shard}: expected I/N with I from 1 to N, such as 3/40", BAD_INPUT)
    return int(number), int(count)


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
