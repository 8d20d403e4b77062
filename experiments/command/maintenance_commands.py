"""Commands that keep the laboratory in order: its notebooks, its speed and its installation."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from experiments.command.bench import report
from experiments.command.console import stop
from experiments.command.exit_codes import BROKEN, STOPPED
from experiments.command.notebooks import execute_all
from experiments.command.streams import say
from experiments.runs import provenance, store
from experiments.runs.run import simulate
from sim.parameters import Parameters


def notebooks(
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the stored notebooks, change nothing.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the notebooks are.")] = Path("notebooks"),
) -> None:
    """Execute the notebooks (py:percent) and write the executed .ipynb beside them."""
    try:
        stale = execute_all(folder, check=check)
    except ModuleNotFoundError as error:
        stop(f"{error.name} is missing; install with `pip install 'firesale[notebooks]'`", BROKEN)
    if stale:
        stop(f"notebooks differ from what they produce: {', '.join(stale)}", STOPPED)


def bench() -> None:
    """Time a week, a scenario, and the command's start, and weigh the memory models leave behind."""
    report(say)


def doctor() -> None:
    """Say what is installed, which code NumPy chooses on this machine, and whether the model runs here."""
    known = provenance.environment()
    for name, version in known["versions"].items():
        say(f"{name:<10} {version}")
    say(f"platform   {known['platform']}, {os.cpu_count()} cores")
    say(f"NumPy uses {', '.join(known['numpy_cpu_features']) or 'its baseline only'}")
    say(f"data       {len(known['data'])} files")
    began = time.perf_counter()
    model = simulate(Parameters.from_overrides({"clock.weeks": 4}), 7)
    seconds = time.perf_counter() - began
    say(f"four weeks {seconds:.2f} s, digest {store.digest_of(model.tables())[:16]}")
