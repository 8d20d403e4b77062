"""What users add to the model: registered by hand for a process, or by a plugin for those who name it.

A plugin is a module. What it registers while it is loaded belongs to it, and is there only for parameters whose key ``plugin``
names it: one scenario's plugin changes nothing in another's run. What is registered by hand, in a script or a notebook, is
there for everything made in the process from then on.

A plugin is run from its text, and the text travels to the workers of a sweep: what is recorded of a run is what was run, and a
file that has changed is loaded anew.
"""

import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

BY_HAND = ""  # owner of what no plugin registered
SHIPPED = ("agents", "sim", "experiments", "firesale")
INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
LIBRARIES = frozenset({"site-packages", "dist-packages"})
MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
LONGEST_NAME = 100

_loading: ContextVar[str] = ContextVar("plugin being loaded", default=BY_HAND)


class PluginError(ValueError):
    """A plugin cannot be used; the message is one line and names it."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A module by name, with the text it is run from."""

    name: str
    text: str
    path: str = field(compare=False)


class Registry[T]:
    """Things under names, each owned by a plugin or registered by hand."""

    def __init__(self) -> None:
        self._owned: dict[str, dict[str, T]] = {}
        _registries.append(self)

    def add(self, name: str, thing: T) -> None:
        """Register, in place of what the same owner had registered under the name."""
        self._owned.setdefault(_loading.get(), {})[name] = thing

    def of(self, plugin: str) -> dict[str, T]:
        """What is there for those who name a plugin: what was registered by hand, and the plugin's own."""
        return {**self._owned.get(BY_HAND, {}), **self._owned.get(plugin, {})}

    def owned(self) -> dict[str, T]:
        """What the plugin being loaded has registered, or what was registered by hand."""
        return self._owned.get(_loading.get(), {})

    def holds(self, plugin: str) -> bool:
        """Whether a plugin registered anything."""
        return bool(self._owned.get(plugin))

    def keep(self, things: Mapping[str, T]) -> None:
        """Make these all that is registered by hand."""
        self._owned[BY_HAND] = dict(things)

    def discard(self, name: str) -> None:
        """Take back what was registered by hand under a name."""
        self._owned.get(BY_HAND, {}).pop(name, None)

    def forget(self, plugin: str) -> None:
        """Drop what a plugin registered."""
        self._owned.pop(plugin, None)


_registries: list[Registry[Any]] = []
_loaded: dict[str, Plugin] = {}
# Plugin -> modules of the user's that it was the first to import -> their text.
_brought: dict[str, dict[str, str]] = {}


def load(name: str, folder: Path | None = None) -> Plugin:
    """Load a plugin, or load it anew if its file has changed.

    Parameters
    ----------
    name
        Module, such as ``universities`` for a file ``universities.py``. It is looked for in `folder`, then where it was found
        before, then in the working directory, then where Python looks for modules.

    Raises
    ------
    PluginError
        If there is no such module, or it fails while it runs.
    """
    if name.endswith(".py"):
        raise PluginError(f"{name!r}: name the module, without .py")
    if not MODULE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise PluginError(f"{name!r} is not the name of a module, such as universities for universities.py")
    path = _find(name, folder).resolve()
    known = _loaded.get(name)
    if known is not None and Path(known.path) != path and Path(known.path).is_file():
        raise PluginError(
            f"{name} was loaded from {known.path}; a process holds one module of a name, so rename {path}"
        )
    plugin = Plugin(name, _text(path), str(path))
    if any(_text_of(module) != text for module, text in _brought.get(name, {}).items()):
        _forget(name)
    install(plugin)
    return plugin


def install(plugin: Plugin) -> None:
    """Run a plugin's text, unless the same text has been run; what it registers is its own.

    Raises
    ------
    PluginError
        If it fails; nothing of it is registered then.
    """
    if _loaded.get(plugin.name) == plugin:
        return
    module = sys.modules.get(plugin.name)
    if module is not None and plugin.name not in _loaded:
        # Imported by hand before: what it registered is there for everybody, and is not run twice.
        _check_registered(
            plugin.name, BY_HAND, "it was imported before, and what it registered was taken back"
        )
        _loaded[plugin.name] = plugin
        return
    _forget(plugin.name)
    fresh = ModuleType(plugin.name)
    fresh.__file__, fresh.__package__ = plugin.path, plugin.name.rpartition(".")[0]
    folder = str(Path(plugin.path).parent)
    if folder not in sys.path:
        sys.path.append(folder)  # its own imports, at once or later
    before = set(sys.modules)
    token = _loading.set(plugin.name)
    sys.modules[plugin.name] = fresh
    try:
        exec(compile(plugin.text, plugin.path, "exec"), fresh.__dict__)
        _check_registered(plugin.name, plugin.name, "call firesale.register_agent or register_outcome in it")
    except PluginError:
        _forget(plugin.name)
        sys.modules.pop(plugin.name, None)
        raise
    except Exception as error:
        _forget(plugin.name)
        sys.modules.pop(plugin.name, None)
        raise PluginError(f"{_line_of(error, plugin.path)}: {type(error).__name__}: {error}") from error
    finally:
        _loading.reset(token)
        _brought[plugin.name] = {name: _text_of(name) for name in set(sys.modules) - before if is_users(name)}
    _loaded[plugin.name] = plugin


def _check_registered(name: str, owner: str, advice: str) -> None:
    """A plugin that adds nothing is a mistake: a class imported from another plugin is registered by that one alone."""
    if not any(registry.holds(owner) for registry in _registries):
        raise PluginError(f"{name} registers nothing: {advice}")


def _forget(name: str) -> None:
    """Unload a plugin, and the modules that came with it."""
    if name in _loaded or name in _brought:
        for module in (name, *_brought.pop(name, {})):
            sys.modules.pop(module, None)
    _loaded.pop(name, None)
    for registry in _registries:
        registry.forget(name)


def is_users(name: str) -> bool:
    """Whether a loaded module is the user's: neither shipped nor installed."""
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return file.endswith(".py") and name.partition(".")[0] not in SHIPPED and not is_installed(file)


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python or to a library, be it of another environment that is looked through too."""
    return file.startswith(INSTALLED) or not LIBRARIES.isdisjoint(Path(file).parts)


def _text_of(name: str) -> str:
    """Text of a module's file as it stands; empty if it is gone."""
    path = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginError(f"{path}: cannot be read: {error}") from None


def _find(name: str, folder: Path | None) -> Path:
    near = [*([folder] if folder else []), Path()]
    known = _loaded.get(name)
    candidates = [place / f"{name}.py" for place in near]
    if known is not None:
        candidates.insert(len(candidates) - 1, Path(known.path))
    for path in candidates:
        if path.is_file():
            return path
    token = _loading.set(name)  # a package that it stands in is imported on the way
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    finally:
        _loading.reset(token)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        where = " or ".join(str(place.absolute()) for place in near)
        raise PluginError(
            f"no module is called {name}: there is no {name}.py in {where}, and none is installed"
        )
    if spec.submodule_search_locations is not None:
        raise PluginError(f"{name} is a package; name the module in it, such as {name}.buyers")
    return Path(spec.origin)


def _line_of(error: BaseException, path: str) -> str:
    """File and last line of the plugin that an error came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines.append(error.lineno)
    return f"{path}:{lines[-1]}" if lines else path
