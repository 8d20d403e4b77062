"""The plan of an experiment: its points with their full parameters, seeds and names of runs."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.design.designs import Value
from experiments.design.experiment import Experiment, ExperimentError
from experiments.design.portable import EXPERIMENT, INPUT, Portable
from sim.base.faults import InputError
from sim.base.inputs import content_of, files_of, name_of


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the design.

    Attributes
    ----------
    index
        Its number in the design.
    values
        What varies: key -> value.
    overrides
        All that differs from the model's defaults, for the run.
    id
        Digest of the full parameters: equal parameters have equal ids, whatever design they came from.
    """

    index: int
    values: dict[str, Value]
    overrides: dict[str, Value]
    id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment with its points.

    Attributes
    ----------
    varied
        Keys that vary, in the order of the file.
    meanings
        Varied key -> (unit, meaning).
    base
        Values of the varied keys where they do not vary.
    inputs
        Path -> sha256 of every file that a point names, taken when the plan was made.
    portable
        What has to stand in a folder for the plan to be made anew.
    """

    experiment: Experiment
    points: list[Point]
    varied: list[str]
    meanings: dict[str, tuple[str, str]] = field(default_factory=dict)
    base: dict[str, Value] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    portable: Portable | None = None

    def stored(self, folder: Path) -> dict[str, bytes]:
        """Files that a result folder holds of the plan, by name."""
        if self.portable is None:
            return {EXPERIMENT: self.experiment.to_toml().encode()}
        return self.portable.files(folder)

    @property
    def plugins(self) -> list[str]:
        """Plugins that the points name, sorted."""
        return sorted({str(point.overrides.get("plugin", "")) for point in self.points} - {""})

    def seed_of(self, point: Point) -> int:
        """Seed of a point's runs: that of the experiment, unless common random numbers were switched off."""
        seed = self.experiment.seed
        if self.experiment.replications.common_random_numbers:
            return seed
        own = hashlib.sha256(f"{seed} {point.id}".encode()).digest()
        return int.from_bytes(own[:8], "little") >> 2

    def run_id(self, point: Point, replication: int, fingerprint: str) -> str:
        """Name of a run: a function of what it computes and of the code that computes it."""
        text = f"{fingerprint} {point.id} {self.seed_of(point)} {replication}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def digest(self) -> str:
        """Digest of the points in their order."""
        return hashlib.sha256("".join(point.id for point in self.points).encode()).hexdigest()


def plan_of(points: Iterable[Mapping[str, Value]], *, name: str = "sweep", **settings: Any) -> Plan:
    """A plan for any function of parameters, not only for the model: nothing is checked against a schema.

    Parameters
    ----------
    points
        Parameters of every point, key -> value.
    settings
        Other fields of `Experiment`: replications, limits, record, seed.
    """
    experiment = Experiment(name=name, **settings)
    listed = [dict(point) for point in points]
    varied = list(dict.fromkeys(key for point in listed for key in point))
    contents = Contents()
    made = [
        Point(index, point, point, parameters_id(dict.fromkeys(sorted(point), ""), point, contents))
        for index, point in enumerate(listed)
    ]
    return Plan(experiment, made, varied, dict.fromkeys(varied, ("", "")), inputs=contents.of(listed))


class Contents(dict[str, str]):
    """sha256 of files by path, each taken once, so that one plan knows one content of a file."""

    def __missing__(self, path: str) -> str:
        found = content_of(path)
        known = INPUT.fullmatch(Path(path).name)
        if known is not None and not found.startswith(known[1]):
            raise InputError(
                f"{path}: damaged or changed: its sha256 begins with {found[:12]}, not as its name says"
            )
        self[path] = found
        return found

    def of(self, points: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Content of every file that some parameters name, by path."""
        names = sorted({name_of(path) for point in points for path in files_of(point).values()})
        return {name: self[name] for name in names}


def parameters_id(lines: Mapping[str, str], own: Mapping[str, Value], contents: Contents) -> str:
    """Digest of the full parameters; `lines` is sorted by key and `own` replaces some of it."""
    text = "".join(
        parameter_line(key, own[key], contents) if key in own else line for key, line in lines.items()
    )
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def parameter_line(key: str, value: Any, contents: Contents) -> str:
    """Canonical text of a parameter; a file counts by its content, so that a changed file is another run."""
    for path in files_of({key: value}).values():
        try:
            return f"{key}={contents[name_of(path)]}\n"
        except InputError as error:
            raise ExperimentError(f"{key} = {value!r}: {error}") from None
    return f"{key}={json.dumps(value, ensure_ascii=False)}\n"
