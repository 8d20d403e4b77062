"""What a sweep says: its cost before, how far it is on the way, what came of it at the end."""

import math
import sys
import time

from experiments.design.plan import Plan
from experiments.sweep.cost import Cost, Left
from experiments.sweep.engine import Progress, Report
from experiments.sweep.shell_words import command_line
from sim.parameters import Parameters

MOST_FAILURES = 20


def duration(seconds: float) -> str:
    """A length of time as people say it.

    >>> duration(0.42), duration(75), duration(3600 * 5.5), duration(float("nan"))
    ('0.4 s', '1 min 15 s', '5 h 30 min', 'unknown')
    """
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def planned(plan: Plan, left: Left) -> str:
    """One line on what is asked and what is left."""
    experiment = plan.experiment
    most = f" to {left.most:,}" if left.most > left.least else ""
    return (
        f"{experiment.name}: {experiment.design.kind} design, {len(plan.points):,} points; "
        f"{left.stored:,} runs stored, {left.least:,}{most} to compute"
    )


def idle_factors(plan: Plan) -> list[str]:
    """One line for each parameter that varies and changes nothing at any point."""
    idle: dict[str, str] | None = None
    for point in plan.points:
        here = Parameters.from_overrides(point.overrides).idle()
        idle = {key: here[key] for key in (plan.varied if idle is None else idle) if key in here}
        if not idle:
            break
    return [f"Warning: {key} varies and changes nothing: {why}" for key, why in (idle or {}).items()]


def repeated_points(plan: Plan) -> list[str]:
    """A line if points repeat others, as those of a random design over short lists do."""
    own = len({point.id for point in plan.points})
    if own == len(plan.points):
        return []
    repeated = f"{len(plan.points) - own:,} of {len(plan.points):,} points repeat another one"
    return [f"Warning: {repeated}; equal points share their runs, so they add no information"]


def estimated(left: Left, cost: Cost, workers: int) -> str:
    """Lines on time, memory and disk, as the pilot runs say."""
    fastest, slowest = min(cost.seconds), max(cost.seconds)
    least, most = (duration(runs * cost.mean / workers) for runs in (left.least, left.most))
    lines = [
        f"{cost.source}: {cost.mean:.3g} s each ({fastest:.3g} to {slowest:.3g} s), "
        f"{cost.peak_mb:,.0f} MB of memory in a worker",
        f"With {workers} {'worker' if workers == 1 else 'workers'}: {least}"
        f"{f' to {most}' if left.most > left.least else ''}; "
        f"about {left.most * cost.disk_mb:,.1f} MB on the disk",
    ]
    lines += [f"A pilot run failed: {failure}" for failure in cost.failures]
    return "\n".join(lines)


def line_of(progress: Progress) -> str:
    """How far a sweep is, in one line."""
    wide = f", widest half-width {progress.widest:.2g} x its target" if progress.widest else ""
    return (
        f"{progress.stored + progress.done:,} done, {progress.failed:,} failed, {progress.left:,} left, "
        f"{progress.rate:.3g} runs/s, {duration(progress.eta_seconds)} to go, "
        f"{progress.converged:,} of {progress.points:,} points complete{wide}"
    )


def ended(report: Report, shard: tuple[int, int] | None) -> str:
    """What came of a sweep that was not interrupted."""
    progress = report.progress
    lines = [
        f"{progress.done:,} runs computed, {progress.stored:,} were stored, {progress.failed:,} failed, "
        f"{progress.converged:,} of {progress.points:,} points complete, "
        f"{duration(time.monotonic() - progress.began)}"
    ]
    lines += failed(report)
    if shard is not None:
        lines.append(
            f"Part {shard[0]} of {shard[1]} is stored; the same command without --shard, after all of them,"
        )
        lines.append("puts the tables together and computes what is missing.")
    elif "digest" in report.manifest:
        if report.manifest.get("archived"):
            lines.append(
                f"{report.manifest['archived']:,} runs that were stored earlier are not asked for; they stay in archive.parquet"
            )
        lines.append(f"Digest of runs.parquet: {report.manifest['digest']}")
    lines.append(f"Results: {report.folder}")
    return "\n".join(lines)


def failed(report: Report) -> list[str]:
    """A line per failed run, and how to repeat it."""
    lines = []
    for run_id, status, error in report.failures[:MOST_FAILURES]:
        lines.append(f"{status}: {error}")
        lines.append(f"    {command_line('firesale', 'replay', report.folder, run_id)}")
    if len(report.failures) > MOST_FAILURES:
        lines.append(f"... and {len(report.failures) - MOST_FAILURES:,} more in {report.folder / 'failures'}")
    return lines


def interrupted(report: Report) -> str:
    """What is stored of an interrupted sweep, and how to go on."""
    progress = report.progress
    command = command_line("firesale", *sys.argv[1:])
    return (
        f"interrupted; {progress.stored + progress.done:,} runs are stored and none is lost, "
        f"{progress.left:,} are left: {command}"
    )
