"""Resolves an experiment against its scenario and the parameters' schema, before the first run is paid for."""

from collections import Counter
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from agents.plugins import PluginError
from agents.plugins import load as load_plugin
from experiments.design import scenario as scenarios
from experiments.design.designs import DesignError, Factor, Value, Variation, points_of
from experiments.design.experiment import ARM, DEFAULT_ARM, Experiment, ExperimentError, parse, shipped
from experiments.design.plan import Contents, Plan, Point, parameter_line, parameters_id
from experiments.design.portable import portable, stored_name
from experiments.measures.outcomes import outcomes_of
from sim.base.faults import nearest
from sim.base.inputs import FILE, files_of, name_of
from sim.base.renamed import since_when
from sim.parameters import ParameterError, Parameters, walk
from sim.parameters.needs import check_files, needs_of
from sim.record.columns import TABLES


class Planner:
    """Resolves an experiment against its scenario and the parameters' schema."""

    def __init__(self, experiment: Experiment, label: str, folder: Path) -> None:
        self.experiment = experiment
        self.label = label
        self.contents = Contents()
        self.folder = folder
        name = experiment.scenario
        self.scenario = scenarios.load(folder / name if name.endswith(".toml") else name)
        self.arms = [DEFAULT_ARM, *self.scenario.arms]
        self._check_arm("arm", experiment.arm)
        self.plugin = self._plugin(folder)
        known = Parameters.from_overrides({"plugin": self.plugin}, label)
        self.fields = {key: field for key, _, field in walk(known)}
        self.needs = needs_of(known)

    def plan(self) -> Plan:
        """Every point with its full parameters."""
        experiment = self.experiment
        resolved = Parameters.from_overrides(self._layers(experiment.arm), self.label).flat()
        base: dict[str, Value] = {**resolved, ARM: experiment.arm}
        factors = [self._factor(key, variation) for key, variation in experiment.vary.items()]
        listed = [
            {key: self._checked(f"design.list[{number}]", key, value) for key, value in point.items()}
            for number, point in enumerate(experiment.design.list)
        ]
        design = experiment.design.model_copy(update={"list": tuple(listed)})
        values = points_of(design, factors, base, experiment.seed)
        varied = list(values[0])
        arms = {str(point.get(ARM, experiment.arm)) for point in values}
        whole = {arm: Parameters.from_overrides(self._layers(arm), self.label).flat() for arm in arms}
        files = [key for key in next(iter(whole.values()), {}) if key.endswith(FILE)]
        for point in values:
            flat = whole[str(point.get(ARM, experiment.arm))]
            if any(point.get(key, flat[key]) for key in files):
                check_files({**flat, **point}, self.needs)
        flats = {
            arm: {key: parameter_line(key, flat[key], self.contents) for key in sorted(flat)}
            for arm, flat in whole.items()
        }
        points = []
        for index, point in enumerate(values):
            arm = str(point.get(ARM, experiment.arm))
            own = {key: value for key, value in point.items() if key != ARM}
            overrides = {**self._layers(arm), **own}
            ident = parameters_id(flats[arm], own, self.contents)
            points.append(Point(index, self._shown(point), overrides, ident))
        self._check_record()
        meanings = {key: self._meaning(key) for key in varied}
        inputs = self.contents.of(point.overrides for point in points)
        stored = portable(experiment, self.scenario, arms, self.folder, inputs)
        return Plan(experiment, points, varied, meanings, {key: base[key] for key in varied}, inputs, stored)

    def _shown(self, point: dict[str, Value]) -> dict[str, Value]:
        """A point as tables show it: a file by its content and name, wherever it stands."""
        names = {
            key: stored_name(path, self.contents[name_of(path)]) for key, path in files_of(point).items()
        }
        return {**point, **names}

    def _check_record(self) -> None:
        """What shall be kept, and what the stop rule looks at, must exist."""
        asked = self.experiment
        for where, names in (
            ("record.outcomes", asked.record.outcomes),
            ("replications.stop.outcome", [target.outcome for target in asked.replications.stop]),
        ):
            self._check_names(where, names, outcomes_of(self.plugin), "outcome")
        if columns := asked.record.series.columns:
            self._check_names("record.series.columns", columns, TABLES["weeks"], "weekly column")

    def _check_names(self, where: str, names: Iterable[str], known: Iterable[str], what: str) -> None:
        for name in names:
            if name not in known:
                ending = since_when("column", name, "weeks") or nearest(name, known)
                raise ExperimentError(f"{self.label}: {where}: no {what} is called {name}{ending}")

    def _layers(self, arm: str) -> dict[str, Any]:
        own = {} if arm == DEFAULT_ARM else self.scenario.arms[arm]
        plugin = {"plugin": self.experiment.plugin} if self.experiment.plugin else {}
        asked = scenarios.from_folder(self.folder, self.experiment.overrides)
        return {**self.scenario.overrides, **own, **plugin, **asked}

    def _plugin(self, folder: Path) -> str:
        """The plugin of the experiment, loaded from beside its file if it is there."""
        name = str(self._layers(self.experiment.arm).get("plugin", ""))
        if name:
            try:
                load_plugin(name, folder)
            except PluginError as error:
                raise ExperimentError(f"{self.label}: plugin = {name!r}: {error}") from error
        return name

    def _factor(self, key: str, variation: Variation) -> Factor:
        """The factor, with every value it can take checked."""
        where = f"vary.{key}"
        is_number = key in self.fields and self.fields[key].annotation in (int, float)
        if variation.values is None and not is_number:
            self._checked(where, key, "" if key == ARM else variation.low)
            raise ExperimentError(f"{self.label}: {where}: not a number; list its values instead")
        whole = key in self.fields and self.fields[key].annotation is int
        if variation.values is not None:
            checked = tuple(self._checked(where, key, value) for value in variation.values)
            twice = next((value for value, times in Counter(checked).items() if times > 1), None)
            if twice is not None:
                raise ExperimentError(f"{self.label}: {where}: {twice} is listed twice")
            return Factor(key, variation.model_copy(update={"values": checked}), whole)
        for end in (variation.low, variation.high):
            assert end is not None
            if whole and end != int(end):
                raise ExperimentError(f"{self.label}: {where}: {end} is not a whole number")
            self._checked(where, key, int(end) if whole else end)
        return Factor(key, variation, whole)

    def _checked(self, where: str, key: str, value: Any) -> Value:
        """The value as the parameter's own type, or an error that teaches."""
        if key == ARM:
            self._check_arm(where, value)
            return str(value)
        label = f"{self.label}: {where}"
        asked = scenarios.from_folder(self.folder, {key: value})
        parameters = Parameters.from_overrides({"plugin": self.plugin, **asked}, label)
        found = parameters
        for part in key.split("."):
            found = getattr(found, part)
        return found  # type: ignore[return-value]

    def _check_arm(self, where: str, arm: Any) -> None:
        if arm not in self.arms:
            hint = nearest(str(arm), self.arms)
            raise ExperimentError(f"{self.label}: {where}: {self.scenario.name} has no arm {arm!r}{hint}")

    def _meaning(self, key: str) -> tuple[str, str]:
        if key == ARM:
            return "", f"arm of the scenario {self.scenario.name}"
        extra = self.fields[key].json_schema_extra
        unit = extra.get("unit", "") if isinstance(extra, dict) else ""
        return str(unit), self.fields[key].description or ""


def load(path: str | Path) -> tuple[Experiment, Plan]:
    """Read an experiment and its points: the name of a shipped one, or the path of a ``.toml`` file.

    Raises
    ------
    ExperimentError
        For an unreadable or malformed file, an unknown key, or a value out of range.
    """
    file = Path(path)
    if not file.suffix and file.name == str(path):
        if file.name not in shipped():
            raise ExperimentError(
                f"no experiment is called {file}{nearest(file.name, shipped())}; a file's name ends in .toml"
            )
        file = Path(str(resources.files("experiments") / "sweeps" / f"{file.name}.toml"))
    try:
        text = scenarios.read_text(file)
    except scenarios.ScenarioError as error:
        raise ExperimentError(str(error)) from None
    experiment = parse(text, str(file))
    return experiment, plan_experiment(experiment, str(file), file.parent)


def plan_experiment(experiment: Experiment, source: str = "", folder: Path = Path()) -> Plan:
    """Every point of an experiment with its full parameters, checked against the allowed ranges.

    Parameters
    ----------
    source
        File to name in errors.
    folder
        Where a relative path of a scenario starts.

    Raises
    ------
    ExperimentError
        Names the file, the key, the allowed range with its unit, and the nearest valid name.

    Examples
    --------
    >>> asked = Experiment(name="size", vary={"site.vacancy": (0.01, 0.06)})
    >>> [point.values for point in plan_experiment(asked).points]
    [{'site.vacancy': 0.01}, {'site.vacancy': 0.06}]
    """
    label = source or f"experiment {experiment.name}"
    try:
        return Planner(experiment, label, folder).plan()
    except (ExperimentError, scenarios.ScenarioError, ParameterError, DesignError) as error:
        text = str(error)
        raise ExperimentError(text if text.startswith(label) else f"{label}: {text}") from None
