"""One run, one scenario with all its arms, or one beside others: simulate and store.

The tables are stored before anything is drawn from them, and figures and the printed tables are made from what was stored,
so nothing that was computed is lost to a fault in a figure.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.design.scenario import Scenario, load
from experiments.measures.credit import CreditRecord, credit_record
from experiments.measures.forced_sales import ForcedSale, all_columns, forced_sales
from experiments.runs import provenance, signals, store
from experiments.runs.folder import inside, writing
from sim.base.declared import outside
from sim.base.faults import InputError
from sim.base.inputs import content_of, expecting, files_of
from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.record.columns import TABLES

DEFAULT_ARM = "default"  # the scenario itself, without the changes of an arm
OUT_OF_BOUNDS = "out_of_bounds"  # of a manifest: columns of the run that hold a number they may not
BESIDE = "beside"  # folder of the scenarios a run is to be read beside


class RunError(Exception):
    """The model stopped; the message is one line and names the week."""


class OutOfBounds(RunError):
    """A run is complete, but holds a number outside its declared bounds; the message is one line and says which.

    Nothing is lost by it: what computes the run stores it first, or hands it on as ``run``.
    """

    def __init__(self, message: str, run: Any = None) -> None:
        super().__init__(message)
        self.run = run


@dataclass(frozen=True, slots=True)
class Finished:
    """A stored run: its arm, folder and manifest, what came of its forced sales, and of its borrowers."""

    arm: str
    folder: Path
    manifest: dict[str, Any]
    sales: list[ForcedSale]
    credit: CreditRecord

    @property
    def label(self) -> str:
        """What it is called in a table: its arm, or the scenario itself."""
        return str(self.manifest["scenario"]) if self.arm == DEFAULT_ARM else self.arm


def built(parameters: Parameters, seed: int, replication: int = 0) -> FireSaleModel:
    """The model before its first week.

    Raises
    ------
    InputError
        If a parameter or a file that one names cannot be used.
    RunError
        If the world cannot be built.
    """
    try:
        return FireSaleModel(parameters, rng=seed, replication=replication)
    except InputError:
        raise
    except (ValueError, KeyError, OSError) as error:
        raise RunError(f"the world cannot be built: {_line(error)}") from error


def simulate(
    parameters: Parameters,
    seed: int,
    *,
    replication: int = 0,
    tables: Iterable[str] = TABLES,
    on_week: Callable[[int], None] = lambda week: None,
    watch: Callable[[FireSaleModel, int], None] = lambda model, week: None,
) -> FireSaleModel:
    """Run the model over `parameters.clock.weeks` weeks.

    Parameters
    ----------
    tables
        What is recorded beside the weekly table; the rest is not computed.
    on_week
        Called after every week with the number of weeks lived.
    watch
        Called after every week with the model and the week's index; it may look, and change what it looks at.

    Raises
    ------
    RunError
        If the world cannot be built or a week cannot be completed.
    """
    model = built(parameters, seed, replication)
    model.recorder.keep_only(tables)
    for week in range(parameters.clock.weeks):
        try:
            model.run_for(1)
            watch(model, week)
        except Exception as error:
            raise RunError(f"stopped in week {week} with {type(error).__name__}: {_line(error)}") from error
        finally:
            signals.check()  # first: an interruption that was dropped may be what broke the week
        on_week(week + 1)
    return model


def run_arm(
    scenario: Scenario,
    arm: str,
    parameters: Parameters,
    seed: int,
    folder: Path,
    *,
    replication: int = 0,
    on_week: Callable[[int], None] = lambda week: None,
) -> dict[str, Any]:
    """Simulate one arm and save it into `folder`, a place given by `experiments.runs.writing`; returns the manifest."""
    began = time.perf_counter()
    model = simulate(parameters, seed, replication=replication, on_week=on_week)
    tables = model.tables()
    faults = outside(tables, TABLES)
    manifest = {
        **described(model, scenario.name, scenario.title, arm, replication),
        **({OUT_OF_BOUNDS: faults} if faults else {}),
        "timings": {
            "seconds": round(time.perf_counter() - began, 3),
            "phases": {name: round(seconds, 4) for name, seconds in model.timings.items()},
        },
    }
    return store.save(folder, tables, model.columns(), manifest)


def check_bounds(tables: Mapping[str, store.Table], run: Any = None, where: str = "") -> None:
    """Refuse a run that holds a number outside its declared bounds; the first such column is named.

    Parameters
    ----------
    tables
        Table -> column -> values.
    run, where
        What was computed, and where it is stored, for whoever looks into it.

    Raises
    ------
    OutOfBounds
        Names the column, the week, the value and the bounds.
    """
    if faults := outside(tables, TABLES):
        raise OutOfBounds(_said_of(faults, where), run)


def _said_of(faults: Sequence[str], where: str) -> str:
    more = f" (and {len(faults) - 1} columns more)" if len(faults) > 1 else ""
    return f"{faults[0]}{more}{f'; the run is stored in {where}' if where else ''}"


def described(model: FireSaleModel, scenario: str, title: str, arm: str, replication: int) -> dict[str, Any]:
    """What a manifest says of a run beside its tables and timings."""
    return {
        "scenario": scenario,
        "title": title,
        "arm": arm,
        "seed": model.seed,
        "replication": replication,
        "weeks": int(model.time),
        "parameters": model.parameters.flat(),
        "provenance": provenance.record(
            provenance.model_code([model.parameters.plugin]), model.parameters.flat(), model.inputs
        ),
    }


def run_scenario(
    scenario: Scenario,
    arms: Sequence[str],
    seed: int,
    folder: Path,
    *,
    settings: Iterable[str] = (),
    overwrite: bool = False,
    beside: bool = False,
    on_arm: Callable[[str, int], Callable[[int], None]] = lambda arm, weeks: lambda week: None,
) -> list[Finished]:
    """Run arms of a scenario with one seed, and store them as one folder (one arm) or one folder with a folder per arm.

    Parameters
    ----------
    arms
        Names of arms; ``"default"`` is the scenario without any.
    beside
        Also run the scenarios and arms it is to be read beside, over as many weeks; each is stored in ``beside/NAME``.
    on_arm
        Called before each run with its name and length; returns the callback for its weeks.

    Raises
    ------
    OutOfBounds
        If a run holds a number outside its declared bounds, when all are stored; its manifest lists them.
    """
    # Bad input is found before the first week of the first run is paid for.
    settings = list(settings)
    planned = [
        (scenario, arm, scenario.parameters(None if arm == DEFAULT_ARM else arm, settings)) for arm in arms
    ]
    places = [Path() if len(arms) == 1 else Path(arm) for arm in arms]
    if beside:
        weeks = f"clock.weeks={planned[0][2].clock.weeks}"
        for name in scenario.beside:
            called, _, arm = name.partition("/")
            other = load(called)
            planned.append((other, arm or DEFAULT_ARM, other.parameters(arm or None, [*settings, weeks])))
            places.append(Path(BESIDE) / (arm or called))
    files = sorted({path for _, _, parameters in planned for path in files_of(parameters.flat()).values()})
    contents = {path: content_of(path) for path in files}
    faults = {}
    with writing(folder, kind="run", overwrite=overwrite) as scratch, expecting(contents):
        for (asked, arm, parameters), place in zip(planned, places, strict=True):
            name = asked.name if arm == DEFAULT_ARM else arm
            manifest = run_arm(
                asked,
                arm,
                parameters,
                seed,
                inside(scratch, place),
                on_week=on_arm(name, parameters.clock.weeks),
            )
            faults[folder / place] = manifest.get(OUT_OF_BOUNDS, [])
    for place, found in faults.items():
        if found:
            raise OutOfBounds(_said_of(found, str(place)))
    return [finished(folder / place) for place in places]


def finished(folder: Path) -> Finished:
    """A stored run, what came of its forced sales, and of its borrowers."""
    manifest, stored = store.load_manifest(folder), store.load_tables(folder)
    credit = credit_record(all_columns(stored))
    return Finished(manifest["arm"], folder, manifest, forced_sales(stored), credit)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
