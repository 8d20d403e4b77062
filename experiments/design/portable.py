"""An experiment as it stands in a result folder: with scenario and files beside it, so that it can be repeated from there.

A scenario file of the user's goes into ``scenario.toml``, its bases included; a file that a parameter names becomes
``input-SHA256-NAME``. Shipped scenarios stay names, and plugins are imported as ever.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from experiments.design.experiment import DEFAULT_ARM, Experiment
from experiments.design.scenario import Scenario, from_folder
from sim.base.inputs import InputChanged, check, files_of, name_of

EXPERIMENT, SCENARIO = "experiment.toml", "scenario.toml"
DIGITS = 12
INPUT = re.compile(rf"input-([0-9a-f]{{{DIGITS}}})-[A-Za-z0-9._-]+")
LONGEST = 80


@dataclass(frozen=True, slots=True)
class Portable:
    """What has to stand in a folder for a plan to be made anew.

    Attributes
    ----------
    texts
        Name -> text of experiment and scenario.
    inputs
        Name -> path and sha256 of a file that is copied.
    """

    texts: dict[str, str]
    inputs: dict[str, tuple[str, str]] = field(default_factory=dict)

    def files(self, folder: Path) -> dict[str, bytes]:
        """All of it, by name; a file that stands in the folder already is taken from there.

        Raises
        ------
        InputChanged
            If a file has another content than when the plan was made.
        """
        found = {name: text.encode() for name, text in self.texts.items()}
        for name, (path, sha256) in self.inputs.items():
            there = folder / name
            try:
                check({str(there): sha256})
            except InputChanged:
                there = Path(path)
                check({path: sha256})
            found[name] = there.read_bytes()
        return found


def stored_name(path: str, sha256: str) -> str:
    """Name of a copy: the same for equal content under equal names, wherever it stood.

    >>> stored_name("my tables/rents.csv", 64 * "a"), stored_name("there/input-aaaaaaaaaaaa-rents.csv", 64 * "a")
    ('input-aaaaaaaaaaaa-rents.csv', 'input-aaaaaaaaaaaa-rents.csv')
    """
    name = Path(path).name
    known = INPUT.fullmatch(name)
    if known is not None and sha256.startswith(known[1]):
        return name
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[-LONGEST:]
    return f"input-{sha256[:DIGITS]}-{plain}"


def portable(
    experiment: Experiment, scenario: Scenario, arms: set[str], folder: Path, inputs: Mapping[str, str]
) -> Portable:
    """What to store of an experiment.

    Parameters
    ----------
    arms
        Those that its points name; the others are left out.
    folder
        Where its relative paths start.
    inputs
        Path -> sha256 of the files that its points name.
    """

    def moved(values: Mapping[str, Any], start: Path | None) -> dict[str, Any]:
        placed = from_folder(start, values)
        files = files_of(placed)
        names = {key: inputs.get(name_of(path)) for key, path in files.items()}
        # A file that no point reads is replaced in all of them.
        kept = {key: value for key, value in placed.items() if key not in files or names[key]}
        return {**kept, **{key: stored_name(files[key], sha256) for key, sha256 in names.items() if sha256}}

    vary = {
        key: one.model_copy(
            update={"values": tuple(moved({key: value}, folder).get(key, value) for value in one.values)}
        )
        if one.values is not None
        else one
        for key, one in experiment.vary.items()
    }
    points = tuple(moved(point, folder) for point in experiment.design.list)
    changes: dict[str, Any] = {
        "overrides": moved(experiment.overrides, folder),
        "vary": vary,
        "design": experiment.design.model_copy(update={"list": points}),
    }
    texts = {}
    if experiment.scenario.endswith(".toml"):
        changes["scenario"] = SCENARIO
        told = {
            "name": scenario.name,
            "title": scenario.title,
            "description": scenario.description,
            "overrides": moved(scenario.overrides, None),
            "arms": {arm: moved(scenario.arms[arm], None) for arm in sorted(arms - {DEFAULT_ARM})},
        }
        texts[SCENARIO] = tomli_w.dumps(told)
    texts[EXPERIMENT] = experiment.model_copy(update=changes).to_toml()
    copies = {stored_name(path, sha256): (path, sha256) for path, sha256 in inputs.items()}
    return Portable(texts, copies)
