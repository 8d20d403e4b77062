"""Scenarios: named sets of parameter changes in TOML, with arms that are compared with each other.

A scenario file holds ``title``, ``description``, an optional ``base`` (another scenario whose changes come first), an
optional list ``beside`` of shipped scenarios or arms of theirs (``NAME/ARM``) it is printed with, an optional ``plugin`` (a
module with agent types and outcomes of your own, found beside the file, in the working directory or among installed
modules), a table ``[overrides]`` whose keys are those of `sim.parameters.Parameters`, and tables ``[arms.<name>]`` of further
changes. Later layers win: base, overrides, arm, ``--set``. Each layer is validated by itself, so that a fault is reported with
the file or option that holds it.
"""

import datetime
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from agents.plugins import PluginError
from agents.plugins import load as load_plugin
from sim.base.faults import InputError, nearest
from sim.base.names import check_line, check_name, check_title
from sim.base.user_file import bytes_of
from sim.parameters import ParameterError, Parameters

RESERVED = {"default": "the scenario without any arm", "all": "every arm", "beside": "runs to compare with"}
ALLOWED = ("name", "title", "description", "base", "beside", "plugin", "overrides", "arms")
DEEPEST_BASE = 16
MOST_DOTS = 200  # the parser takes a time that grows with the square of the dots in a key
DEEPEST_TABLE = 16  # deeper ones are no parameters


class ScenarioError(ValueError):
    """A scenario that cannot be used; the message is one line and names the file and the key."""


@dataclass(frozen=True, slots=True, repr=False)
class Scenario:
    """One question put to the model.

    Attributes
    ----------
    name, title, description
        What it is called and what it asks.
    source
        File it came from, as the user wrote it.
    overrides
        Dotted parameter key -> value, bases included.
    arms
        Arm name -> dotted parameter key -> value, applied on top of `overrides`.
    beside
        Names of shipped scenarios it is compared with when it is run without an arm.
    """

    name: str
    title: str
    description: str
    source: str
    overrides: dict[str, Any]
    arms: dict[str, dict[str, Any]]
    beside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what becomes a folder, a row or a heading, whoever makes the scenario."""
        _check_name("name", self.name, self.source)
        for arm in self.arms:
            _check_arm(arm, self.source)
        _checked(check_line, "title", self.title, self.source)

    def __repr__(self) -> str:
        return f"<Scenario {self.name}: {self.title}; arms: {', '.join(self.arms) or 'none'}>"

    def parameters(self, arm: str | None = None, settings: Iterable[str] = ()) -> Parameters:
        """Parameters of one arm (without one, of the scenario itself), with ``key=value`` settings on top.

        Raises
        ------
        ScenarioError
            If the arm or a key is unknown, or a value is outside its range.
        """
        layers = [self.overrides]
        if arm is not None:
            if arm not in self.arms:
                raise ScenarioError(f"{self.source}: no arm is called {arm}{nearest(arm, self.arms)}")
            layers.append(self.arms[arm])
        named = [layer["plugin"] for layer in layers if "plugin" in layer]
        layers.append(settings_of(settings, named[-1] if named else ""))
        whole = Parameters.from_overrides({key: value for layer in layers for key, value in layer.items()})
        try:
            return whole.check_files()
        except ParameterError as error:
            raise ScenarioError(f"{self.source}: {error}") from None


def shipped() -> list[str]:
    """Names of the scenarios that come with the package, sorted.

    >>> "calm" in shipped()
    True
    """
    folder = resources.files("experiments") / "scenarios"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def load(name: str | Path) -> Scenario:
    """Read and validate a scenario: the name of a shipped one, or the path of a ``.toml`` file.

    Raises
    ------
    ScenarioError
        For an unknown name, an unreadable or malformed file, an unknown key, or a value out of range.

    Examples
    --------
    >>> load("calm").parameters().forced_sale.enabled
    False
    """
    return _load(str(name), Path(), ())


def settings_of(settings: Iterable[str], plugin: str = "") -> dict[str, Any]:
    """Validated overrides from ``key=value`` strings; a value is read as TOML, or else as plain text.

    `plugin` is the module whose keys are known too.

    >>> settings_of(["site.vacancy=0.06", "rent.driver=flat"])
    {'site.vacancy': 0.06, 'rent.driver': 'flat'}
    """
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip() or not text.strip():
            raise ScenarioError(f"--set {setting}: expected key=value, such as lenders.advance.mixed=0.8")
        overrides[key.strip()] = _value(text.strip())
    _validate(overrides, "--set", plugin)
    return overrides


def _load(name: str, folder: Path, loading: tuple[str, ...]) -> Scenario:
    try:
        source, text = _read(name, folder)
    except ScenarioError as error:
        raise ScenarioError(f"{loading[-1]}: base: {error}" if loading else str(error)) from None
    if source in loading:
        raise ScenarioError(
            f"{source}: base: the scenario is its own base ({' -> '.join((*loading, source))})"
        )
    if len(loading) >= DEEPEST_BASE:
        raise ScenarioError(f"{source}: base: more than {DEEPEST_BASE} scenarios deep")
    table = toml(text, source)
    for key in table:
        if key not in ALLOWED:
            under = "parameters stand under [overrides]"
            ending = nearest(key, ALLOWED, under if isinstance(table[key], Mapping) else None)
            if key in Parameters.model_fields:
                ending = f"; {under}"
            raise ScenarioError(f"{source}: no scenario key is called {key}{ending}")
    overrides: dict[str, Any] = {}
    arms: dict[str, dict[str, Any]] = {}
    base = _text(table, "base", source, "")
    if base:
        parent = _load(base, Path(source).parent if _is_path(source) else Path(), (*loading, source))
        overrides.update(parent.overrides)
        arms.update(parent.arms)
    near = Path(source).parent if _is_path(source) else None
    own = from_folder(near, flattened(_table(table, "overrides", source), f"{source} [overrides]"))
    if plugin := _text(table, "plugin", source, ""):
        own.setdefault("plugin", plugin)
    known = str(own.get("plugin", overrides.get("plugin", "")))
    _load_plugin(known, near, source)
    _validate(own, source, known)
    overrides.update(own)
    for arm, changes in _table(table, "arms", source).items():
        if not isinstance(changes, Mapping):
            raise ScenarioError(f"{source}: arms.{arm}: expected a table of parameters, got {changes!r}")
        where = f"{source} [arms.{arm}]"
        _check_arm(arm, source)
        arms[arm] = from_folder(near, flattened(changes, where))
        _load_plugin(str(arms[arm].get("plugin", "")), near, where)
        _validate(arms[arm], where, known)
    stem = Path(source).stem
    _checked(check_title, "title", _text(table, "title", source, ""), source)
    called = _text(table, "name", source, stem)
    _check_name("name" if "name" in table else "the file gives the name", called, source)
    return Scenario(
        name=called,
        title=_text(table, "title", source, called),
        description=_text(table, "description", source, ""),
        source=source,
        overrides=overrides,
        arms=arms,
        beside=_beside(table, source),
    )


def _is_path(name: str) -> bool:
    return name.endswith(".toml") or "/" in name or "\\" in name


def _read(name: str, folder: Path) -> tuple[str, str]:
    """Label and text of a scenario; paths are relative to `folder`, the place of the file that names them."""
    if not _is_path(name):
        if name not in shipped():
            raise ScenarioError(
                f"no scenario is called {name}{nearest(name, shipped())}; a file's name ends in .toml"
            )
        file = resources.files("experiments") / "scenarios" / f"{name}.toml"
        return name, file.read_text(encoding="utf-8")
    path = folder / name
    return str(path), read_text(path)


def read_text(path: Path) -> str:
    """Text of a file that a person wrote.

    Raises
    ------
    ScenarioError
        If there is none or it is not in UTF-8; names the file.
    """
    try:
        data = bytes_of(path)
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScenarioError(f"{path}, line {line}: not a text file in UTF-8 (byte {error.start})") from None
    except InputError as error:
        raise ScenarioError(str(error)) from None


def toml(text: str, source: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises
    ------
    ScenarioError
        Names the file and the line.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if re.split("[=,#]", line, maxsplit=1)[0].count(".") > MOST_DOTS:
            raise ScenarioError(
                f"{source}: line {number}: a key of more than {MOST_DOTS} dots: nested too deeply"
            )
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not valid TOML: {error}") from None
    except RecursionError:
        raise ScenarioError(f"{source}: nested too deeply") from None
    level: list[Any] = [tables]
    for _ in range(DEEPEST_TABLE):
        level = [inner for one in level for inner in _inside(one)]
    if level:
        raise ScenarioError(f"{source}: nested too deeply; nothing here has more than {DEEPEST_TABLE} levels")
    return tables


def _inside(value: Any) -> list[Any]:
    """What a table or a list holds."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def from_folder(folder: Path | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides whose relative paths of files start in a folder, the place of the file that names them."""
    if folder is None:
        return dict(overrides)
    return {
        key: str(folder / value) if key.endswith("_file") and isinstance(value, str) and value else value
        for key, value in overrides.items()
    }


def _text(table: Mapping[str, Any], key: str, source: str, default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise ScenarioError(f"{source}: {key}: expected text, got {value!r}")
    return value


def _beside(table: Mapping[str, Any], source: str) -> tuple[str, ...]:
    names = table.get("beside", [])
    if not isinstance(names, list):
        raise ScenarioError(f"{source}: beside: expected a list of scenarios, got {names!r}")
    for name in names:
        called, _, arm = str(name).partition("/")
        if called not in shipped():
            raise ScenarioError(
                f"{source}: beside: no scenario is called {called}{nearest(called, shipped())}"
            )
        if arm and arm not in (arms := _arms_of(called)):
            raise ScenarioError(f"{source}: beside: {called} has no arm {arm!r}{nearest(arm, arms)}")
    return tuple(names)


@cache
def _arms_of(name: str) -> tuple[str, ...]:
    """Arms of a shipped scenario; it is not loaded, since two may stand beside each other."""
    table = toml(_read(name, Path())[1], name)
    return (*(_arms_of(table["base"]) if "base" in table else ()), *table.get("arms", ()))


def _table(table: Mapping[str, Any], key: str, source: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise ScenarioError(f"{source}: {key}: expected a table, got {value!r}")
    return value


def _check_arm(arm: str, source: str) -> None:
    _check_name("arm", arm, source)
    if arm in RESERVED:
        raise ScenarioError(f"{source} [arms.{arm}]: {arm} means {RESERVED[arm]}; give the arm another name")


def _check_name(what: str, name: str, source: str) -> None:
    _checked(check_name, what, name, source)


def _checked(check: Callable[[str, str], str], what: str, text: str, source: str) -> None:
    try:
        check(what, text)
    except InputError as error:
        raise ScenarioError(f"{source}: {error}") from None


def flattened(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Nested tables as dotted keys.

    Raises
    ------
    ScenarioError
        If a key is spelt in two ways, such as ``"site.vacancy"`` beside ``site.vacancy``.
    """
    found: dict[str, Any] = {}
    for key, value in leaves(table):
        if key in found:
            raise ScenarioError(f"{where}: {key} is given twice, once in quotation marks")
        found[key] = value
    return found


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested tables as dotted keys; one that is spelt in two ways comes twice."""
    for key, value in table.items():
        if isinstance(value, Mapping) and prefix.count(".") < DEEPEST_TABLE:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _plain(value)


def _plain(value: Any) -> Any:
    """TOML has dates of its own; the parameters hold them as ISO text."""
    return value.isoformat() if isinstance(value, datetime.date) else value


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    if list(parsed) == ["value"]:
        return _plain(parsed["value"])
    # Numbers as people type them (.8, 1.) that TOML does not know.
    try:
        return float(text)
    except ValueError:
        return text


def _load_plugin(name: str, folder: Path | None, source: str) -> None:
    """Load a plugin that a file names, from beside the file if it is there."""
    if not name:
        return
    try:
        load_plugin(name, folder)
    except PluginError as error:
        raise ScenarioError(f"{source}: plugin = {name!r}: {error}") from error


def _validate(overrides: Mapping[str, Any], source: str, plugin: str) -> None:
    try:
        Parameters.from_overrides({"plugin": plugin, **overrides}, source)
    except ParameterError as error:
        raise ScenarioError(str(error)) from None
