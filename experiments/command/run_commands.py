"""Commands that run a scenario, measure what its market absorbs, and draw a stored run."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from experiments.command.options import NoBar, Overwrite, RunFolder, ScenarioName, Settings
from experiments.command.printout import print_runs
from experiments.command.progress_bar import progress_bar
from experiments.command.streams import say
from experiments.design.scenario import Scenario, load
from experiments.figures.run_figures import draw_all
from experiments.methods.absorption import POINTS, answer, run_absorption
from experiments.runs.folder import default_folder
from experiments.runs.run import DEFAULT_ARM, Finished, run_scenario


def run(
    scenario: ScenarioName = "credit_crisis",
    arm: Annotated[
        str | None,
        typer.Option(
            help="An arm of the scenario, `all` to compare them, or `default` for the scenario alone."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed; runs with one seed share their shocks.")] = 7,
    weeks: Annotated[int | None, typer.Option(help="Length of the run, instead of clock.weeks.")] = None,
    changes: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Result folder; results/SCENARIO[-ARM]-seed-SEED if left out.")
    ] = None,
    overwrite: Overwrite = False,
    draw: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures too.")] = True,
    absorbed: Annotated[
        bool,
        typer.Option(
            "--absorption/--no-absorption",
            help="With a forced sale set and no --arm: also how many units one week takes, by 60 short runs.",
        ),
    ] = True,
    quiet: NoBar = False,
) -> None:
    """Run a scenario: print who failed, what forced units fetch and what lenders lose; store tables and figures.

    Without --arm a scenario is run beside those it is to be compared with; they are stored in its folder `beside`.
    """
    chosen = load(scenario)
    settings = [*(changes or []), *([f"clock.weeks={weeks}"] if weeks is not None else [])]
    folder = out or default_folder(chosen.name, *([] if arm is None else [arm]), seed=seed)
    runs = _runs(chosen, arm, seed, folder, settings, overwrite, quiet)
    print_runs(runs)
    sale = chosen.parameters(None, settings).forced_sale
    if absorbed and arm is None and runs[0].sales and sale.enabled:
        say(f"{_absorbed(chosen, seed, folder, settings, quiet)}\n")
    say(f"Tables: {folder}")
    if draw:
        _draw([folder] if arm is None else [done.folder for done in runs])


def absorption(
    scenario: ScenarioName = "ten_thousand_h100",
    draft: Annotated[
        bool, typer.Option("--draft", help="Four quantities and two seeds: 15 seconds.")
    ] = False,
    changes: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Result folder; results/absorption-SCENARIO if left out.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how many units one week absorbs, moved and in place, slots loose and tight: two minutes."""
    chosen = load(scenario)
    folder = out or Path("results") / f"absorption-{chosen.name}"
    say(run_absorption(chosen, folder, draft=draft, settings=changes or [], overwrite=overwrite))
    say(f"Tables and figure: {folder}")


def figures(run_folder: RunFolder) -> None:
    """Draw the figures of a stored run again: PNG, PDF, and the plotted numbers as CSV."""
    _draw([run_folder])


def _runs(
    chosen: Scenario,
    arm: str | None,
    seed: int,
    folder: Path,
    settings: list[str],
    overwrite: bool,
    quiet: bool,
) -> list[Finished]:
    """One arm, all of them, or the scenario with those it is to be compared with, under a bar for each."""
    arms = [DEFAULT_ARM, *chosen.arms] if arm == "all" else [arm or DEFAULT_ARM]
    with progress_bar(quiet) as bar:

        def on_arm(name: str, length: int) -> Callable[[int], None]:
            task = bar.add_task(name, total=length)
            return lambda week: bar.update(task, completed=week)

        return run_scenario(
            chosen,
            arms,
            seed,
            folder,
            settings=settings,
            overwrite=overwrite,
            beside=arm is None,
            on_arm=on_arm,
        )


def _absorbed(chosen: Scenario, seed: int, folder: Path, settings: list[str], quiet: bool) -> str:
    """How many units one week takes, in a sentence."""
    with progress_bar(quiet, "points") as bar:
        task = bar.add_task("absorption", total=POINTS)
        return answer(
            chosen,
            folder / "absorption",
            seed=seed,
            settings=settings,
            on_point=lambda: bar.advance(task),
        )


def _draw(folders: list[Path]) -> None:
    for folder in folders:
        draw_all(folder)
        say(f"Figures: {folder / 'figures'}")
