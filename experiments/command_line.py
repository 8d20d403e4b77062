"""The command ``firesale``. Nothing heavy is imported before a command needs it, so that ``--help`` answers at once.

Exit codes: 0 done; 1 the model stopped or a check failed; 2 bad input; 3 a result cannot be written or read; 4 the
installation is broken; 130 interrupted. Every failure is one line on stderr.
"""

import importlib.util
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from experiments.run import Finished

STOPPED, BAD_INPUT, STORE_FAILED, BROKEN, INTERRUPTED = 1, 2, 3, 4, 130
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
DISABLED_FEATURES = "NPY_DISABLE_CPU_FEATURES"
TRACEBACK = "FIRESALE_TRACEBACK"
ASK_NUMPY = "from numpy._core import _multiarray_umath as core; print(*core.__cpu_dispatch__)"
# Dispatch targets above AVX2, whatever a NumPy release calls them.
ABOVE_AVX2 = ("AVX512", "X86_V4", "AVX10")

app = typer.Typer(
    name="firesale",
    help="What is a GPU worth when it has to be sold? A laboratory of the secondary market for AI hardware.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ScenarioName = Annotated[str, typer.Argument(help="Name of a shipped scenario, or path of a .toml file.")]
RunFolder = Annotated[Path, typer.Argument(help="Result folder of a run.", show_default=False)]
SweepFolder = Annotated[Path, typer.Argument(help="Result folder of a sweep.", show_default=False)]


def main() -> None:
    """Entry point of the command."""
    _refuse_shadowed_packages()
    app()


@app.command()
def run(
    scenario: ScenarioName = "ten_thousand_h100",
    arm: Annotated[str | None, typer.Option(help="An arm of the scenario, or `all` to compare them.")] = None,
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
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Run a scenario: print what forced units fetch, and store tables, manifest and figures."""
    _steady_numbers()
    with _one_line():
        from experiments.run import DEFAULT_ARM, run_scenario
        from experiments.scenario import load

        chosen = load(scenario)
        arms = [DEFAULT_ARM, *chosen.arms] if arm == "all" else [arm or DEFAULT_ARM]
        settings = [*(changes or []), *([f"clock.weeks={weeks}"] if weeks is not None else [])]
        folder = out or Path("results") / (chosen.name if arm is None else f"{chosen.name}-{arm}")
        with _progress(quiet) as progress:

            def on_arm(name: str, length: int):  # type: ignore[no-untyped-def]
                task = progress.add_task(name, total=length)
                return lambda week: progress.update(task, completed=week)

            runs = run_scenario(
                chosen, arms, seed, folder, settings=settings, overwrite=overwrite, on_arm=on_arm
            )
        _print_runs(runs)
        typer.echo(f"Tables: {folder}")
        if draw:
            _draw([done.folder for done in runs])


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
    _steady_numbers()
    with _one_line():
        from experiments.absorption import run_absorption
        from experiments.scenario import load

        chosen = load(scenario)
        folder = out or Path("results") / f"absorption-{chosen.name}"
        typer.echo(run_absorption(chosen, folder, draft=draft, settings=changes or [], overwrite=overwrite))
        typer.echo(f"Tables and figure: {folder}")


@app.command()
def figures(run_folder: RunFolder) -> None:
    """Draw the figures of a stored run again: PNG, PDF, and the plotted numbers as CSV."""
    _steady_numbers()
    with _one_line():
        _draw([run_folder])


@app.command()
def digest(run_folder: RunFolder) -> None:
    """Print the digest of a stored run's tables, checked against its manifest. Equal runs have equal digests."""
    with _one_line():
        from experiments import store

        typer.echo(store.digest(run_folder))


@app.command()
def scenarios() -> None:
    """List the shipped scenarios and their arms."""
    with _one_line():
        from experiments.scenario import load, shipped

        for name in shipped():
            scenario = load(name)
            typer.echo(f"{name}: {scenario.title}\n    {' '.join(scenario.description.split())}")
            if scenario.arms:
                typer.echo(f"    arms: {', '.join(scenario.arms)}")


@app.command()
def schema(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin like this, such as `rent`.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON schema, for editors.")] = False,
) -> None:
    """List every parameter: value, allowed range, unit, meaning, source and grade."""
    with _one_line():
        from sim.parameters import Parameters

        if as_json:
            import json

            typer.echo(json.dumps(Parameters.model_json_schema(), indent=1))
            return
        rows = [row for row in Parameters().describe() if row["key"].startswith(prefix)]
        if not rows:
            _stop(f"no parameter begins with {prefix}; `firesale schema` lists them all", BAD_INPUT)
        width = max(len(row["key"]) for row in rows)
        for row in rows:
            has_range = row["low"] not in ("", None)
            allowed = f" ({row['low']:,} to {row['high']:,} {row['unit']})" if has_range else ""
            graded = f" [{row['grade']}: {row['source']}]" if row["grade"] else ""
            typer.echo(f"{row['key']:<{width}} = {row['value']}{allowed}  {row['meaning']}{graded}")


@app.command()
def notebooks(
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the stored notebooks, change nothing.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the notebooks are.")] = Path("notebooks"),
) -> None:
    """Execute the notebooks (py:percent) and write the executed .ipynb beside them."""
    _steady_numbers()
    with _one_line():
        try:
            from experiments.notebooks import NotebookError, execute_all
        except ModuleNotFoundError as error:
            _stop(f"{error.name} is missing; install with `pip install 'firesale[notebooks]'`", BROKEN)
        try:
            stale = execute_all(folder, check=check)
        except NotebookError as error:
            _stop(str(error), STOPPED)
        if stale:
            _stop(f"notebooks differ from what they produce: {', '.join(stale)}", STOPPED)


@app.command()
def sensitivity(
    sweep_folder: SweepFolder,
    outcomes: Annotated[
        list[str] | None, typer.Option("--outcome", help="Only this outcome; may be given again.")
    ] = None,
) -> None:
    """Say what moves the outcomes of a sweep: Morris or Sobol by its design, PAWN, and the seed's own share."""
    _steady_numbers()
    with _one_line():
        from experiments.analysis import sensitivity_report

        typer.echo(sensitivity_report(sweep_folder, outcomes or []))


@app.command()
def discover(
    sweep_folder: SweepFolder,
    condition: Annotated[str, typer.Argument(help="Such as 'discount > 0.2'.", show_default=False)],
    coverage: Annotated[
        float, typer.Option(help="Least share of such cases to keep.", min=0.05, max=1.0)
    ] = 0.6,
    by_run: Annotated[bool, typer.Option("--by-run", help="Single runs, not averages of points.")] = False,
) -> None:
    """Find the corner of parameter space where an outcome passes a threshold (PRIM; needs EMA Workbench)."""
    _steady_numbers()
    with _one_line():
        from experiments.analysis import discovery_report

        typer.echo(discovery_report(sweep_folder, condition, coverage=coverage, by_run=by_run))


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="Result folder of a sweep or a run.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="The other one, with the same seeds.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder for table and figure.")] = None,
) -> None:
    """Compare two results run by run on the same shocks: differences b - a with intervals."""
    _steady_numbers()
    with _one_line():
        from experiments.analysis import comparison_report

        typer.echo(comparison_report(a, b, out))


@app.command()
def verify(
    sweep_folder: SweepFolder,
    sample: Annotated[int, typer.Option(min=1, help="How many runs.")] = 20,
) -> None:
    """Repeat a sample of a sweep's runs and compare every number bit for bit."""
    _steady_numbers()
    with _one_line():
        from experiments.analysis import verification

        verdict = verification(sweep_folder, sample)
        if not verdict.passed:
            _stop(str(verdict), STOPPED)
        typer.echo(str(verdict))


@app.command()
def validate(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds; 200 are pre-registered, 11 s each.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Annotated[Path, typer.Option(help="Result folder.")] = Path("results/validation"),
) -> None:
    """Score the model against what is known: passes, failures, and what cannot be scored, with intervals over seeds."""
    _steady_numbers()
    with _one_line():
        from experiments.analysis import validation_report

        with _progress(False, "seeds") as progress:
            task = progress.add_task("validate", total=seeds)
            report = validation_report(
                seeds, workers, out, lambda done: progress.update(task, completed=done)
            )
        typer.echo(report)


@app.command()
def calibrate(
    points: Annotated[int, typer.Option(min=2, help="Sobol points; fewer for a draft.")] = 4096,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Annotated[Path, typer.Option(help="Result folder; a wave in it is continued.")] = Path(
        "results/calibration"
    ),
) -> None:
    """History matching: what the data do not rule out, and every headline's range over it. Resumes by itself."""
    _steady_numbers()
    with _one_line():
        from experiments.analysis import calibration_report

        with _progress(False, "runs") as progress:
            task = progress.add_task("calibrate", total=points)
            report = calibration_report(
                points, workers, out, lambda done, whole: progress.update(task, completed=done, total=whole)
            )
        typer.echo(report)


@app.command()
def bench() -> None:
    """Time a week, a scenario, and the command's start, and weigh the memory models leave behind."""
    _steady_numbers()
    with _one_line():
        from experiments.bench import report

        report(typer.echo)


@app.command()
def doctor() -> None:
    """Say what is installed, which code NumPy chooses on this machine, and whether the model runs here."""
    _steady_numbers()
    with _one_line():
        import time

        from experiments import store
        from experiments.run import simulate
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
    from experiments.figures import draw_all

    for folder in folders:
        draw_all(folder)
        typer.echo(f"Figures: {folder / 'figures'}")


def _print_runs(runs: "list[Finished]") -> None:
    from rich.console import Console

    from experiments.run import printed_tables

    # Piped into a file there is no terminal to fit.
    console = Console() if sys.stdout.isatty() else Console(width=110)
    first = runs[0].manifest
    console.print(
        f"{first['title']}: {first['weeks']} weeks, seed {first['seed']}", style="bold", highlight=False
    )
    if not any(done.sales for done in runs):
        sale = first["parameters"]
        late = sale["forced_sale.enabled"] and sale["forced_sale.week"] >= first["weeks"]
        why = (
            f"the sale is set for week {sale['forced_sale.week']}, after the last week"
            if late
            else "none was set"
        )
        console.print(f"No forced sale: {why}.", highlight=False)
        return
    for table in printed_tables(runs):
        console.print(table)


@contextmanager
def _progress(quiet: bool, unit: str = "weeks") -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as progress:
        yield progress


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn every expected failure into one line on stderr and its exit code."""
    # A stop asked for by a scheduler ends like Ctrl-C: cleanly, with nothing half-written.
    before = signal.signal(signal.SIGTERM, _interrupt) if _in_main_thread() else None
    try:
        yield
    except KeyboardInterrupt:
        _stop("interrupted; nothing of the unfinished run was kept", INTERRUPTED)
    except typer.Exit:
        raise
    except ImportError as error:
        _stop(
            f"the installation is not complete: {error}; try `pip install` again, then `firesale doctor`",
            BROKEN,
        )
    except Exception as error:
        code = _code_of(error)
        if code is None:
            if os.environ.get(TRACEBACK):
                raise
            _stop(
                f"fault in firesale itself: {type(error).__name__}: {error}; {TRACEBACK}=1 shows where",
                STOPPED,
            )
        _stop(" ".join(str(error).split()), code)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _code_of(error: Exception) -> int | None:
    from experiments.run import RunError
    from experiments.scenario import ScenarioError
    from experiments.sensitivity import AnalysisError
    from experiments.store import StoreError
    from sim.parameters import ParameterError

    codes: dict[type[Exception], int] = {
        ScenarioError: BAD_INPUT,
        ParameterError: BAD_INPUT,
        AnalysisError: BAD_INPUT,
        StoreError: STORE_FAILED,
        RunError: STOPPED,
    }
    return next((code for kind, code in codes.items() if isinstance(error, kind)), None)


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(f"firesale: {message}", err=True)
    raise typer.Exit(code)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()


def _steady_numbers() -> None:
    """Make results a function of the input alone: no threads in linear algebra, no code above AVX2 in NumPy.

    NumPy's exp, log and power differ in the last bit between AVX2 and AVX-512. Its level can only be chosen before it is
    imported, and naming a feature a build does not choose between is a warning, so another process is asked for the names.
    """
    if "numpy" in sys.modules:
        return
    for name in THREAD_LIMITS:
        os.environ[name] = "1"
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return
    asked = subprocess.run([sys.executable, "-c", ASK_NUMPY], capture_output=True, text=True, check=False)
    above = [name for name in asked.stdout.split() if name.startswith(ABOVE_AVX2)]
    already = os.environ.get(DISABLED_FEATURES, "").replace(",", " ").split()
    if above:
        os.environ[DISABLED_FEATURES] = " ".join(dict.fromkeys([*already, *above]))


def _refuse_shadowed_packages() -> None:
    """Stop if another distribution's `agents` or `sim` would be imported instead of ours."""
    ours = Path(__file__).resolve().parents[1]
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
