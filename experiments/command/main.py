"""The command ``firesale``. Nothing heavy is imported before a command needs it, so that ``--help`` answers at once.

What it says, how it fails and its exit codes are in `experiments.command.console`.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.command import analysis_commands, credit_commands, sweep_commands
from experiments.command.console import (
    BAD_INPUT,
    BROKEN,
    STOPPED,
    one_line_errors,
    progress_bar,
    steady_numbers,
    stop,
)

if TYPE_CHECKING:
    from experiments.runs.run import Finished

app = typer.Typer(
    name="firesale",
    help="What is a GPU worth when it has to be sold? A laboratory of the secondary market for AI hardware.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(sweep_commands.app)
app.add_typer(analysis_commands.app)
app.add_typer(credit_commands.app)

ScenarioName = Annotated[str, typer.Argument(help="Name of a shipped scenario, or path of a .toml file.")]
RunFolder = Annotated[Path, typer.Argument(help="Result folder of a run.", show_default=False)]


def main() -> None:
    """Entry point of the command."""
    _refuse_shadowed_packages()
    app()


@app.command()
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
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Result folder; results/SCENARIO[-ARM] if left out.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a result that stands there.")
    ] = False,
    draw: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw the figures too.")] = True,
    absorbed: Annotated[
        bool,
        typer.Option(
            "--absorption/--no-absorption",
            help="With a forced sale set and no --arm: also how many units one week takes, by 60 short runs.",
        ),
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Run a scenario: print who failed, what forced units fetch and what lenders lose; store tables and figures.

    Without --arm a scenario is run beside those it is to be compared with; they are stored in its folder `beside`.
    """
    steady_numbers()
    with one_line_errors():
        import sim.model  # noqa: F401  an interruption amid imports would be lost or end with another code
        from experiments.design.scenario import load
        from experiments.runs.run import DEFAULT_ARM, run_scenario

        chosen = load(scenario)
        arms = [DEFAULT_ARM, *chosen.arms] if arm == "all" else [arm or DEFAULT_ARM]
        settings = [*(changes or []), *([f"clock.weeks={weeks}"] if weeks is not None else [])]
        folder = out or Path("results") / (chosen.name if arm is None else f"{chosen.name}-{arm}")
        with progress_bar(quiet) as progress:

            def on_arm(name: str, length: int):  # type: ignore[no-untyped-def]
                task = progress.add_task(name, total=length)
                return lambda week: progress.update(task, completed=week)

            runs = run_scenario(
                chosen,
                arms,
                seed,
                folder,
                settings=settings,
                overwrite=overwrite,
                beside=arm is None,
                on_arm=on_arm,
            )
        _print_runs(runs)
        sale = chosen.parameters(None, settings).forced_sale
        if absorbed and arm is None and runs[0].sales and sale.enabled:
            from experiments.methods.absorption import POINTS, answer

            with progress_bar(quiet, "points") as progress:
                task = progress.add_task("absorption", total=POINTS)
                said = answer(
                    chosen,
                    folder / "absorption",
                    seed=seed,
                    settings=settings,
                    on_point=lambda: progress.advance(task),
                )
            typer.echo(f"{said}\n")
        typer.echo(f"Tables: {folder}")
        if draw:
            _draw([folder] if arm is None else [done.folder for done in runs])


@app.command()
def absorption(
    scenario: ScenarioName = "ten_thousand_h100",
    draft: Annotated[
        bool, typer.Option("--draft", help="Four quantities and two seeds: 15 seconds.")
    ] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Result folder; results/absorption-SCENARIO if left out.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a result that stands there.")
    ] = False,
) -> None:
    """Measure how many units one week absorbs, moved and in place, slots loose and tight: two minutes."""
    steady_numbers()
    with one_line_errors():
        from experiments.design.scenario import load
        from experiments.methods.absorption import run_absorption

        chosen = load(scenario)
        folder = out or Path("results") / f"absorption-{chosen.name}"
        typer.echo(run_absorption(chosen, folder, draft=draft, settings=changes or [], overwrite=overwrite))
        typer.echo(f"Tables and figure: {folder}")


@app.command()
def figures(run_folder: RunFolder) -> None:
    """Draw the figures of a stored run again: PNG, PDF, and the plotted numbers as CSV."""
    steady_numbers()
    with one_line_errors():
        _draw([run_folder])


@app.command()
def digest(run_folder: RunFolder) -> None:
    """Print the digest of a stored run's tables, checked against its manifest. Equal runs have equal digests."""
    with one_line_errors():
        from experiments.runs import store

        typer.echo(store.digest(run_folder))


@app.command()
def scenarios() -> None:
    """List the shipped scenarios and their arms."""
    with one_line_errors():
        from experiments.design.scenario import load, shipped

        for name in shipped():
            scenario = load(name)
            typer.echo(f"{name}: {scenario.title}\n    {' '.join(scenario.description.split())}")
            if scenario.arms:
                typer.echo(f"    arms: {', '.join(scenario.arms)}")


@app.command()
def schema(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin like this, such as `rent`.")] = "",
    scenario: Annotated[
        str, typer.Option(help="Values of a scenario, and which parameters change nothing in it.")
    ] = "",
    arm: Annotated[str | None, typer.Option(help="An arm of the scenario.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON schema, for editors.")] = False,
) -> None:
    """List every parameter: value, allowed range, unit, meaning, source and grade; which rooms read it and what it needs."""
    with one_line_errors():
        from experiments.command.schema_printout import Described

        described = Described(scenario, arm)
        if as_json:
            import json

            typer.echo(json.dumps(described.json_schema(), indent=1))
            return
        lines = described.lines(prefix)
        if not lines:
            stop(f"no parameter begins with {prefix}; `firesale schema` lists them all", BAD_INPUT)
        typer.echo("\n".join(lines))


@app.command()
def notebooks(
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the stored notebooks, change nothing.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the notebooks are.")] = Path("notebooks"),
) -> None:
    """Execute the notebooks (py:percent) and write the executed .ipynb beside them."""
    steady_numbers()
    with one_line_errors():
        try:
            from experiments.command.notebooks import NotebookError, execute_all
        except ModuleNotFoundError as error:
            stop(f"{error.name} is missing; install with `pip install 'firesale[notebooks]'`", BROKEN)
        try:
            stale = execute_all(folder, check=check)
        except NotebookError as error:
            stop(str(error), STOPPED)
        if stale:
            stop(f"notebooks differ from what they produce: {', '.join(stale)}", STOPPED)


@app.command()
def bench() -> None:
    """Time a week, a scenario, and the command's start, and weigh the memory models leave behind."""
    steady_numbers()
    with one_line_errors():
        from experiments.command.bench import report

        report(typer.echo)


@app.command()
def doctor() -> None:
    """Say what is installed, which code NumPy chooses on this machine, and whether the model runs here."""
    steady_numbers()
    with one_line_errors():
        import time

        from experiments.runs import store
        from experiments.runs.run import simulate
        from sim.parameters import Parameters

        known = store.provenance()
        for name, version in known["versions"].items():
            typer.echo(f"{name:<10} {version}")
        typer.echo(f"platform   {known['platform']}, {os.cpu_count()} cores")
        typer.echo(f"NumPy uses {', '.join(known['numpy_cpu_features']) or 'its baseline only'}")
        typer.echo(f"data       {len(known['data'])} files")
        began = time.perf_counter()
        model = simulate(Parameters.from_overrides({"clock.weeks": 4}), 7)
        seconds = time.perf_counter() - began
        typer.echo(f"four weeks {seconds:.2f} s, digest {store.digest_of(model.tables())[:16]}")


def _draw(folders: list[Path]) -> None:
    from experiments.figures.run_figures import draw_all

    for folder in folders:
        draw_all(folder)
        typer.echo(f"Figures: {folder / 'figures'}")


def _print_runs(runs: "list[Finished]") -> None:
    from rich.console import Console

    from experiments.command.printout import printed_tables
    from experiments.command.rich_table import WIDE

    # Numbers are never cut to fit a narrow terminal.
    console = Console(width=max(Console().width, WIDE) if sys.stdout.isatty() else WIDE)
    first = runs[0].manifest
    console.print(
        f"{first['title']}: {first['weeks']} weeks, seed {first['seed']}", style="bold", highlight=False
    )
    for table in printed_tables(runs):
        console.print(table)
    if not any(done.sales for done in runs):
        sale = first["parameters"]
        late = sale["forced_sale.enabled"] and sale["forced_sale.week"] >= first["weeks"]
        why = (
            f"the sale is set for week {sale['forced_sale.week']}, after the last week"
            if late
            else "no lender sold"
        )
        console.print(f"No forced sale: {why}.", highlight=False)


def _refuse_shadowed_packages() -> None:
    """Stop if another distribution's `agents` or `sim` would be imported instead of ours."""
    ours = Path(__file__).resolve().parents[2]
    for name in ("agents", "sim"):
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve().parents[1] if found and found.origin else None
        if origin != ours:
            where = f"the one in {origin}" if origin else "a folder of that name" if found else "none"
            typer.echo(
                f"firesale: its package `{name}` is hidden: Python finds {where}. "
                "Another distribution or PYTHONPATH shadows it; install firesale in an environment of its own.",
                err=True,
            )
            sys.exit(BROKEN)


if __name__ == "__main__":
    main()
