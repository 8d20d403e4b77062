"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ScenarioName = Annotated[str, typer.Argument(help="Name of a shipped scenario, or path of a .toml file.")]
RunFolder = Annotated[Path, typer.Argument(help="Result folder of a run.", show_default=False)]
ResultFolder = Annotated[Path, typer.Argument(help="Result folder of a run or a sweep.", show_default=False)]
SweepFolder = Annotated[Path, typer.Argument(help="Result folder of a sweep.", show_default=False)]
ExperimentFile = Annotated[Path, typer.Argument(help="Experiment file (TOML), or the name of a shipped one.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a result that stands there.")]
NoBar = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
NoProgress = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Processes = Annotated[int, typer.Option(min=1, help="Processes.")]
