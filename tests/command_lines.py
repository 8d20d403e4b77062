"""Command lines as a reader types them: `firesale` and `dask` are ours, `sbatch` and `srun` stand-ins of bash."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def environment(folder: Path) -> dict[str, str]:
    """Environment in which the commands of this checkout are found, wherever it is installed."""
    commands = folder / ".commands"
    commands.mkdir(exist_ok=True)
    for name, module in (("firesale", "-m experiments.command.main"), ("dask", "-m dask"), ("python", "")):
        file = commands / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    path = os.pathsep.join([str(commands), str(ROOT / "tests/slurm"), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
