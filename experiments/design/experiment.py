"""Experiment files: what a sweep asks, as TOML or as the same object in Python.

.. code-block:: toml

    name = "vacancy-and-size"
    scenario = "ten_thousand_h100"
    seed = 20261005

    [overrides]
    clock.weeks = 52

    [vary]
    "site.vacancy" = { low = 0.005, high = 0.06 }
    "forced_sale.gpus" = [1000, 10000, 50000]
    "scenario.arm" = ["default", "in_place-tight"]

    [design]
    kind = "grid"

    [replications]
    count = 20

Keys of ``[overrides]`` and ``[vary]`` are those of `sim.parameters.Parameters`; the key ``scenario.arm`` varies the arms of
the scenario. Later layers win: scenario, arm, overrides, point of the design. Every value is checked against the
parameter's allowed range before the first run.
"""

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from agents.schema import Section, quantity, setting
from experiments.design import scenario as scenarios
from experiments.design.designs import Design, Value, Variation
from sim.base.faults import explained
from sim.base.names import PATTERN, SAID, check_title

ARM = "scenario.arm"
DEFAULT_ARM = "default"  # the scenario itself
VARIATION_KEYS = frozenset(Variation.model_fields)


class ExperimentError(ValueError):
    """An experiment that cannot be used; the message is one line and names the file and the key."""


class Target(Section):
    """How well an outcome's mean must be known before a point stops."""

    outcome: str = setting(..., "name of the outcome")
    half_width: float = Field(gt=0, description="half-width of its confidence interval, in its own unit")
    confidence: float = quantity(0.95, "probability", 0.5, 0.9999, "of the interval", "design", "design")


class Replications(Section):
    """How often each point is repeated: a fixed count, or until every target is met.

    The sequential rule looks at a point after `min` runs and then after every `block` more, and stops it when all targets were
    met at `consecutive` looks in a row; a rule that looks after every run stops at lucky moments.
    """

    count: int = quantity(10, "runs", 1, 1_000_000, "runs per point without a stop rule", "design", "design")
    min: int = quantity(50, "runs", 2, 1_000_000, "runs before the first look", "design", "design")
    max: int = quantity(400, "runs", 2, 1_000_000, "most runs per point", "design", "design")
    block: int = quantity(25, "runs", 1, 100_000, "runs between looks", "design", "design")
    consecutive: int = quantity(2, "looks", 1, 20, "looks in a row that must pass", "design", "design")
    draft: bool = setting(False, "cheaper looks, 30 runs and then every 10, for drafts only")
    stop: tuple[Target, ...] = setting((), "targets; without any, `count` runs are made")
    common_random_numbers: bool = setting(True, "a replication has the same shocks at every point")

    @model_validator(mode="after")
    def _draft_and_order(self) -> Self:
        if self.stop and self.max < self.first_look:
            raise ValueError(f"max = {self.max} is below the first look at {self.first_look} runs")
        return self

    @property
    def first_look(self) -> int:
        """Runs of a point before the rule looks at it."""
        return 30 if self.draft else self.min

    @property
    def step(self) -> int:
        """Runs between looks."""
        return 10 if self.draft else self.block

    @property
    def most(self) -> int:
        """Most runs a point can have."""
        return self.max if self.stop else self.count

    @property
    def least(self) -> int:
        """Runs every point has."""
        return self.first_look if self.stop else self.count


class SeriesRecord(Section):
    """Weekly paths to keep."""

    columns: tuple[str, ...] = setting((), "columns of the weekly table; none keeps no paths")
    every: int = quantity(1, "weeks", 1, 520, "distance between kept weeks", "design", "design")
    keep: int = quantity(
        1_000_000, "replications", 0, 1_000_000, "paths of the first so many", "design", "design"
    )


class Record(Section):
    """What of a run is kept beside its status."""

    outcomes: tuple[str, ...] = setting((), "outcomes in the tables; none means all")
    series: SeriesRecord = SeriesRecord()


class Limits(Section):
    """When a run is given up."""

    run_seconds: float = quantity(600, "s", 0.01, 604_800, "longest run", "design", "design")
    retries: int = quantity(
        1, "runs", 0, 20, "second chances after a death or a time-out", "design", "design"
    )
    memory_mb: int = quantity(
        4096, "MB", 64, 4_194_304, "memory a run may add to its worker", "design", "design"
    )


class Experiment(Section):
    """One question put to many runs.

    Examples
    --------
    >>> asked = Experiment(name="vacancy", vary={"site.vacancy": (0.01, 0.05)}, replications={"count": 3})
    >>> asked.replications.count
    3
    """

    name: str = Field(
        pattern=PATTERN,
        description=f"name of the experiment and of its result folder: {SAID}",
    )
    title: str = setting("", "one line for tables and figures")
    description: str = setting("", "what is asked and why")
    scenario: str = setting("calm", "a shipped scenario, or path of a scenario file")
    plugin: str = setting("", "module with agent types and outcomes of your own; empty for the scenario's")
    arm: str = setting(DEFAULT_ARM, "arm of the scenario, where the arm does not vary")
    seed: int = quantity(20261005, "1", 0, 2**62, "seed of the sweep", "design", "design")
    overrides: dict[str, Value] = setting({}, "dotted parameter key -> value at every point")
    vary: dict[str, Variation] = setting({}, "dotted parameter key -> how it varies")
    design: Design = Design()
    replications: Replications = Replications()
    record: Record = Record()
    limits: Limits = Limits()

    @field_validator("title")
    @classmethod
    def _one_line(cls, title: str) -> str:
        return check_title("", title)

    @field_validator("vary", mode="before")
    @classmethod
    def _bare_lists(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        found: dict[str, Any] = {}
        for key, entry in _variations(value):
            if key in found:
                raise ValueError(f"{key} is given twice, once in quotation marks")
            found[key] = {"values": list(entry)} if isinstance(entry, list | tuple) else entry
        return found

    @field_validator("overrides", mode="before")
    @classmethod
    def _dotted(cls, value: Any) -> Any:
        return scenarios.flattened(value, "overrides") if isinstance(value, Mapping) else value

    @field_validator("design", mode="before")
    @classmethod
    def _dotted_points(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("list"), list | tuple):
            points = [
                scenarios.flattened(point, "design.list") if isinstance(point, Mapping) else point
                for point in value["list"]
            ]
            return {**value, "list": points}
        return value

    def to_toml(self) -> str:
        """The experiment as a file that reads back as the same experiment."""
        tables = self.model_dump(mode="json", exclude_none=True)
        return tomli_w.dumps({key: value for key, value in tables.items() if value != {}})


def shipped() -> list[str]:
    """Names of the experiments that come with the package, sorted."""
    folder = resources.files("experiments") / "sweeps"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def parse(text: str, source: str) -> Experiment:
    """An experiment from the text of its file; `source` is named in errors."""
    try:
        table = scenarios.toml(text, source)
    except scenarios.ScenarioError as error:
        raise ExperimentError(str(error)) from None
    table.setdefault("name", Path(source).stem)
    try:
        return Experiment.model_validate(table)
    except ValidationError as error:
        raise ExperimentError(f"{source}: {explained(error, Experiment)}") from None


def _variations(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Nested tables as dotted keys, down to tables that describe a variation."""
    for key, entry in table.items():
        if isinstance(entry, Mapping) and entry and not VARIATION_KEYS & set(entry):
            yield from _variations(entry, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", entry


__all__ = ["Experiment", "ExperimentError", "parse", "shipped"]
