"""Scenario and experiment files: each mutation is refused in one line, or means what the file meant.

Every shipped scenario and experiment is a base; a new one is attacked as it is shipped. A file is read up to the parameters of
every arm, or up to the points of the planned sweep. A new kind of mutation is one more entry of `KINDS`.
"""

import hashlib
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random

from experiments.design import experiment as experiments
from experiments.design import scenario as scenarios
from experiments.design.experiment import ExperimentError
from experiments.design.planner import load as load_experiment
from experiments.design.scenario import ScenarioError
from sim.base.faults import InputError
from tests.attack.attack import Attack, Report
from tests.attack.cell_mutations import EQUAL, REFUSED
from tests.attack.definition_mutations import BOTH, EXPERIMENT, SCENARIO, Changed, Kind, Tables
from tests.attack.experiment_mutations import OF_EXPERIMENTS
from tests.attack.scenario_mutations import OF_SCENARIOS
from tests.attack.user_tables import in_time

KINDS = (*BOTH, *OF_SCENARIOS, *OF_EXPERIMENTS)
MOST_SECONDS = 20
MOST_LETTERS = 700
FEW_POINTS = 2  # base samples of a shipped design, so that a plan is quick


@dataclass(frozen=True)
class Base:
    """A shipped file: its name, whether it is a scenario or an experiment, and its text."""

    name: str
    sort: str
    text: str

    @property
    def tables(self) -> Tables:
        """What it holds."""
        return tomllib.loads(self.text)


@cache
def bases() -> tuple[Base, ...]:
    """Every shipped scenario and experiment; sampled designs are made small."""
    folder = resources.files("experiments")
    found = [
        Base(name, sort, (folder / room / f"{name}.toml").read_text(encoding="utf-8"))
        for sort, room, names in (
            (SCENARIO, "scenarios", scenarios.shipped()),
            (EXPERIMENT, "sweeps", experiments.shipped()),
        )
        for name in names
    ]
    return tuple(
        Base(base.name, base.sort, base.text.replace("points = 64\n", f"points = {FEW_POINTS}\n"))
        for base in found
    )


def run(count: int, seed: int) -> Report:
    """Try mutations of every file in turn."""
    report = Report()
    pairs = [(base, kind) for kind in KINDS for base in bases() if kind.sort in ("", base.sort)]
    Random(seed).shuffle(pairs)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "own.toml"
        wanted: dict[Base, str] = {}
        for number in range(count):
            base, kind = pairs[number % len(pairs)]
            changed = kind.make(base.tables, base.text, Random(f"{seed} {number}"))
            if changed is None:
                report.counts["does not apply"] += 1
                continue
            if kind.answer == EQUAL and base not in wanted:
                file.write_text(base.text, encoding="utf-8")
                wanted[base] = READERS[base.sort](file)
            file.write_bytes(changed.data)
            report.counts[f"{kind.answer}: {kind.name}"] += 1
            if wrong := _wrong(base, kind, changed, file, wanted.get(base, "")):
                report.faults.append(
                    f"{base.sort} {base.name}, {kind.name}, try {number} of seed {seed}: {wrong}"
                )
    return report


def _wrong(base: Base, kind: Kind, changed: Changed, file: Path, wanted: str) -> str:
    """What is wrong with the answer to a file; empty if nothing is."""
    try:
        with in_time(MOST_SECONDS):
            got = READERS[base.sort](file)
    except (ScenarioError, ExperimentError, InputError) as error:
        said = str(error)
        shown = said.replace(str(file), file.name)[:MOST_LETTERS]
        if kind.answer == EQUAL:
            return f"refused {shown}"
        if "\n" in said or len(said) > MOST_LETTERS + len(str(file)):
            return f"more than a line: {shown!r}"
        if not said.startswith(str(file)):
            return f"without the file: {shown}"
        return "" if changed.named in said else f"without {changed.named!r}: {shown}"
    except Exception as error:
        return f"{type(error).__name__} {str(error)[:200]}"
    if kind.answer == REFUSED:
        return "silent: " + changed.data.decode("utf-8", "replace")[-200:].replace("\n", " | ")
    return "" if got == wanted else "other numbers"


def _scenario(file: Path) -> str:
    read = scenarios.load(file)
    meant = [read.title, read.description, read.beside]
    meant += [(arm, read.parameters(arm).flat()) for arm in (None, *read.arms)]
    return hashlib.sha256(repr(meant).encode()).hexdigest()


def _experiment(file: Path) -> str:
    asked, plan = load_experiment(file)
    meant = [
        asked.scenario,
        asked.arm,
        asked.seed,
        asked.design,
        asked.replications,
        asked.record,
        asked.limits,
    ]
    meant += [(sorted(point.values.items()), point.id) for point in plan.points]
    return hashlib.sha256(repr(meant).encode()).hexdigest()


READERS: dict[str, Callable[[Path], str]] = {SCENARIO: _scenario, EXPERIMENT: _experiment}
ATTACK = Attack(
    "mutated scenario and experiment files: refused in one line, or what they meant", 4_000, 400, run
)
