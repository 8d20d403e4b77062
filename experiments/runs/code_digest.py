"""Digest of what a user's own function computes with: its code, the modules of the user's it reaches, and what it holds.

The shipped code and installed libraries are left out; the first has a digest of its own (`experiments.runs.source_digest`).
Comments and docstrings do not count, since a run does not read them. Two things are not seen: files that the code reads, and
names it looks up as text, such as ``globals()["LIMIT"]``.
"""

import dataclasses
import enum
import functools
import hashlib
import pickle
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from agents.plugins import is_users
from experiments.runs.code_text import (
    attributes_read,
    comes_from,
    file_of,
    globals_read,
    instructions,
    stands_in,
    texts_reached,
)

DIGITS = 20
PLAIN = (bool, int, float, complex, str, bytes, type(None))
LEFT_OUT = frozenset({"_abc_impl"})  # of classes: bookkeeping of the interpreter


def code_digest(*things: object) -> str:
    """Digest of functions, classes, modules, partial functions or callable objects, 20 hexadecimal digits.

    It changes with their code, with that of the modules of the user's they stand in or reach, and with values they hold:
    defaults, closures, arguments of a partial function, attributes of an object or a class, and what stands under the
    names that they read. A module edited after it was imported counts as it was imported.

    Examples
    --------
    >>> code_digest(functools.partial(round, ndigits=1)) == code_digest(functools.partial(round, ndigits=2))
    False
    """
    return _digest(_Walk(with_code=True), things)


def held_digest(*things: object) -> str:
    """Digest of the values alone, which the same code may hold in one process and not in another.

    >>> held_digest({"a": 1, "b": {2, 1}}) == held_digest({"b": {1, 2}, "a": 1})
    True
    """
    return _digest(_Walk(with_code=False), things)


def edited_files(*things: object) -> list[Path]:
    """Files of the user's that no longer hold, as it runs, code that the things reach; another process would run other code."""
    walk = _Walk(with_code=False)
    for thing in things:
        for _ in walk.parts(thing):
            pass
    return sorted(walk.edited)


def _digest(walk: "_Walk", things: tuple[object, ...]) -> str:
    digest = hashlib.sha256()
    for thing in things:
        for part in walk.parts(thing):
            digest.update(f"{len(part)} ".encode())
            digest.update(part)
    return digest.hexdigest()[:DIGITS]


class _Walk:
    """Pieces of things and of what they are made of, in an order that does not depend on memory; each thing once."""

    def __init__(self, *, with_code: bool) -> None:
        self.with_code = with_code
        self.edited: set[Path] = set()
        # Things are kept alive: another must not be given the number of one that is gone.
        self._seen: dict[int, object] = {}
        self._files: set[Path] = set()

    def parts(self, thing: Any) -> Iterator[bytes]:
        """Pieces of one thing."""
        if isinstance(thing, enum.Enum):
            yield f"{type(thing).__qualname__}.{thing.name}".encode()
        elif isinstance(thing, PLAIN):
            yield f"{type(thing).__name__} {thing!r}".encode()
        elif id(thing) in self._seen:
            yield b"again"
        else:
            self._seen[id(thing)] = thing
            yield type(thing).__qualname__.encode()
            yield from self._whole(thing)

    def _whole(self, thing: Any) -> Iterator[bytes]:
        if isinstance(thing, np.ndarray) and not thing.dtype.hasobject:
            yield f"{thing.dtype} {thing.shape}".encode()
            yield thing.tobytes()
        elif isinstance(thing, tuple | list):
            yield from self._each(*thing)
        elif isinstance(thing, set | frozenset):
            yield from sorted(b"".join(_Walk(with_code=self.with_code).parts(one)) for one in thing)
        elif isinstance(thing, Mapping):
            for key in sorted(thing, key=repr):
                yield from self._each(key, thing[key])
        elif isinstance(thing, functools.partial):
            yield from self._each(thing.func, thing.args, dict(thing.keywords))
        elif isinstance(thing, MethodType):
            yield from self._each(thing.__func__, thing.__self__)
        elif isinstance(thing, ModuleType):
            yield thing.__name__.encode()
            yield from self._texts(thing)
        elif isinstance(thing, FunctionType):
            yield from self._function(thing)
        elif isinstance(thing, type):
            yield from self._class(thing)
        elif isinstance(inner := getattr(thing, "__wrapped__", None), FunctionType):
            yield from self.parts(inner)
        else:
            yield from self._object(thing)

    def _each(self, *things: object) -> Iterator[bytes]:
        for thing in things:
            yield from self.parts(thing)

    def _texts(self, module: ModuleType | None) -> Iterator[bytes]:
        """Code of a module of the user's, once."""
        path = file_of(module)
        if not self.with_code or module is None or path is None or path in self._files:
            return
        if _is_own(module.__name__):
            self._files.add(path)
            yield from texts_reached(module)

    def _function(self, function: FunctionType) -> Iterator[bytes]:
        """Name, code, defaults, closure, and what stands under the names it reads."""
        if not _is_own(function.__module__):
            yield f"{function.__module__}.{function.__qualname__}".encode()
            return
        yield function.__qualname__.encode()
        module = sys.modules.get(function.__module__)
        path = file_of(module)
        is_of_file = path is not None and comes_from(function, path)
        is_as_written = path is not None and is_of_file and stands_in(function, path)
        if path is not None and is_of_file and not is_as_written:
            self.edited.add(path)
        if is_as_written:
            yield from self._texts(module)
        # The name of a lambda tells it from no other in its file.
        if self.with_code and (not is_as_written or "<lambda>" in function.__qualname__):
            yield instructions(function.__code__)
        yield from self._each(function.__defaults__, function.__kwdefaults__)
        for cell in function.__closure__ or ():
            yield from self.parts(cell.cell_contents)
        for name in globals_read(function.__code__):
            value = function.__globals__.get(name)
            if value is None:
                continue
            yield name.encode()
            yield from self.parts(value)
            if isinstance(value, ModuleType) and _is_own(value.__name__):
                inner = attributes_read(function.__code__)
                yield from self._each(*(getattr(value, one, None) for one in inner))

    def _class(self, kind: type) -> Iterator[bytes]:
        """What stands in the class and in the user's classes above it."""
        if not _is_own(kind.__module__):
            yield f"{kind.__module__}.{kind.__qualname__}".encode()
            return
        yield kind.__qualname__.encode()
        for name, value in sorted(vars(kind).items()):
            inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
            hidden = name.startswith("__") and not isinstance(inner, FunctionType)
            if not hidden and name not in LEFT_OUT:
                yield name.encode()
                yield from self.parts(inner)
        if not any(isinstance(value, FunctionType) for value in vars(kind).values()):
            yield from self._texts(sys.modules.get(kind.__module__))
        yield from self._each(*kind.__bases__)

    def _object(self, thing: object) -> Iterator[bytes]:
        yield from self.parts(type(thing))
        if dataclasses.is_dataclass(thing):
            yield from self._each(*(getattr(thing, field.name) for field in dataclasses.fields(thing)))
        elif _is_own(type(thing).__module__) and hasattr(thing, "__dict__"):
            yield from self.parts(vars(thing))
        else:
            try:
                yield pickle.dumps(thing, protocol=4)
            except Exception:
                # What cannot be written down counts as another thing in every process: rather too many runs than wrong ones.
                yield repr(thing).encode()


def _is_own(module: str | None) -> bool:
    """Whether a module is the user's: a file of theirs, their script, a notebook or a prompt."""
    return module is None or module == "__main__" or module not in sys.modules or is_users(module)
