"""A sweep as an array of SLURM jobs: the script that computes its shards, and the line that puts them together."""

import shlex
from pathlib import Path

from experiments.design.experiment import Experiment
from experiments.sweep.shell_words import command_line
from sim.base.names import check_line

# What a worker holds before its run adds anything: interpreter, NumPy, pyarrow, model.
WORKER_MB = 512


def array_script(
    experiment: Experiment, file: Path, out: Path, *, shards: int, workers: int, hours: float
) -> str:
    """Text of a batch script with one array task per shard.

    Parameters
    ----------
    file, out
        Experiment file and result folder as the jobs see them: relative to where the script is submitted, or absolute.
    shards
        Array tasks; each takes every `shards`-th point of the design.
    workers
        Processes, and so cores, of a task.
    hours
        Longest a task may take; it is told a minute before, stores what has ended, and the next submission goes on.

    Raises
    ------
    InputError
        If a path holds a control character, which no comment of a script can hold.
    """
    name = experiment.name
    for what, path in (("experiment file", file), ("result folder", out)):
        check_line(what, str(path))  # a line feed would end the comment that holds the command
    command = command_line("firesale", "sweep", file, "--out", out, "--yes")
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={name}",
        f"#SBATCH --array=1-{shards}",
        "#SBATCH --ntasks=1",
        f"#SBATCH --cpus-per-task={workers}",
        f"#SBATCH --mem-per-cpu={experiment.limits.memory_mb + WORKER_MB}M",
        f"#SBATCH --time={_clock(hours)}",
        "#SBATCH --signal=TERM@60",
        f"#SBATCH --output={name}-%A_%a.log",
        "#SBATCH --open-mode=append",
        "#SBATCH --requeue",
        "#",
        f"# Submit:        job=$(sbatch --parsable {name}.sbatch)",
        f"# Put together:  sbatch --dependency=afterany:$job --wrap={shlex.quote(command)}",
        "# Both lines again, after whatever happened, compute only what is not stored.",
        "set -eu",
        f'exec srun {command} --shard "$SLURM_ARRAY_TASK_ID/{shards}" --workers "$SLURM_CPUS_PER_TASK"',
    ]
    return "\n".join(lines) + "\n"


def _clock(hours: float) -> str:
    """Hours as SLURM writes a time.

    >>> _clock(25.5)
    '1-01:30:00'
    """
    minutes = max(round(hours * 60), 1)
    days, rest = divmod(minutes, 24 * 60)
    return f"{days}-{rest // 60:02}:{rest % 60:02}:00"


__all__ = ["array_script"]
