"""Commands about credit: the story of one party, and what each mechanism and each assumption adds to a scenario."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.command.exit_codes import RUNS_FAILED
from experiments.command.options import NoProgress, ScenarioName, Settings
from experiments.command.progress_bar import following
from experiments.command.streams import say
from experiments.design.scenario import load, settings_of
from experiments.measures.story import cast, find_party, story
from experiments.methods import ladder as rungs
from experiments.runs import store
from experiments.runs.folder import default_folder

LAST_CRISIS = default_folder("credit_crisis", seed=7)  # where `firesale run` puts it


def trace(
    party: Annotated[
        str | None,
        typer.Argument(
            help="Such as 'neo-cloud 3'; left out, or a run instead, the parties with a story are listed."
        ),
    ] = None,
    run_folder: Annotated[Path, typer.Argument(help="Result folder of a run.")] = LAST_CRISIS,
) -> None:
    """Tell why a party failed: from its first failed test to what its lenders recovered, and the cause of every sale."""
    if party is not None and (Path(party) / store.MANIFEST).is_file():
        run_folder, party = Path(party), None
    frames = store.load_run(run_folder)
    if party is None:
        listed = cast(frames)
        say(
            listed.to_string(index=False, float_format="{:,.1f}".format)
            if len(listed)
            else "Nobody failed a test."
        )
        return
    say(story(frames, find_party(frames, party)))


def ladder(
    scenario: ScenarioName = "credit_crisis",
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of every point, the same for all.")] = 50,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 computes in this one.")] = 1,
    assumptions: Annotated[
        bool,
        typer.Option(
            "--assumptions", help="Which assumptions move the headline most, instead of the mechanisms."
        ),
    ] = False,
    screen: Annotated[int, typer.Option(min=1, help="Seeds of the screening of all assumptions.")] = 3,
    top: Annotated[int, typer.Option(min=1, help="Assumptions that are run again with all seeds.")] = 10,
    out: Annotated[
        Path | None, typer.Option(help="Folder; results/ladder-SCENARIO if left out. Resumes.")
    ] = None,
    changes: Settings = None,
    quiet: NoProgress = False,
) -> None:
    """Add a scenario's mechanisms, or move its assumptions, one at a time: means and paired differences over seeds."""
    name = load(scenario).name
    folder = out or Path("results") / f"ladder-{name}"
    settings = settings_of(changes or [])
    with following(quiet) as on_progress:
        if assumptions:
            report = rungs.assumption_report(
                scenario, seeds, screen, top, folder, settings, workers, on_progress
            )
        else:
            report = rungs.ladder_report(scenario, seeds, folder, settings, workers, on_progress)
    say(report.text)
    say(f"Runs and tables: {folder}")
    if report.failed:
        raise typer.Exit(RUNS_FAILED)
