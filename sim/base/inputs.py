"""Files that a run reads: noted by content, and held to the content they had when the run was planned.

A path is no input: the file behind it may change. So every reader of users' files says what it has read (`note`); whoever
plans runs takes the content of their files once (`content_of`) and has them read under `expecting`; whoever keeps a run keeps
what `noting` collected. It holds for every table read by `sim.base.user_table`, whichever parameter names it.

>>> from tempfile import mkdtemp
>>> file = Path(mkdtemp()) / "sites.csv"
>>> _ = file.write_text("place_id")
>>> planned = {str(file): content_of(file)}
>>> _ = file.write_text("place_id,name")
>>> try:
...     with expecting(planned):
...         note(file, content_of(file), 0)
... except InputChanged as fault:
...     str(fault).removeprefix(str(file.parent))
'/sites.csv: other content than when the run was planned (sha256 68a4feb91dbd, was 7cd9c715c8cf); repeat the command'
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.base.faults import InputError
from sim.base.user_file import check_file

FILE = "_file"  # ending of the keys of parameters that name a file
SHOWN = 12  # digits of a digest in a message


class InputChanged(InputError):
    """A file is not what it was when the run was planned, or cannot be read any more."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file as it was read: its path, the sha256 of its bytes, and its rows, None if the model did not read it."""

    path: str
    sha256: str
    rows: int | None


_expected: ContextVar[Mapping[str, str]] = ContextVar("content that files must have", default={})  # noqa: B039  never written
_read: ContextVar[dict[str, Input] | None] = ContextVar("files read by a run", default=None)


def files_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Those of some parameters that name a file: dotted key -> path.

    >>> files_of({"world.sites_file": "mine.csv", "world.fleets_file": "", "site.vacancy": 0.01})
    {'world.sites_file': 'mine.csv'}
    """
    return {
        key: value for key, value in values.items() if key.endswith(FILE) and isinstance(value, str) and value
    }


def content_of(path: str | Path) -> str:
    """sha256 of a file's bytes.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    check_file(Path(path))
    try:
        about = os.stat(path)
        return _content_at(str(path), about.st_mtime_ns, about.st_size, about.st_ino)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


@lru_cache(maxsize=256)
def _content_at(path: str, changed_ns: int, size: int, number: int) -> str:
    """Content of a file as long as the system says that it has not been written to."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@contextmanager
def expecting(contents: Mapping[str, str]) -> Iterator[None]:
    """Refuse within the block every file whose content is another; `contents` is path -> sha256, added to what is expected."""
    token = _expected.set({**_expected.get(), **{name_of(path): sha256 for path, sha256 in contents.items()}})
    try:
        yield
    finally:
        _expected.reset(token)


@contextmanager
def noting() -> Iterator[dict[str, Input]]:
    """Collect what is read within the block, by path; a file that is read twice must be the same twice."""
    found: dict[str, Input] = {}
    token = _read.set(found)
    try:
        yield found
    finally:
        _read.reset(token)
        around = _read.get()
        if around is not None:
            around.update(found)


def note(path: str | Path, sha256: str, rows: int | None) -> None:
    """A file was read.

    Raises
    ------
    InputChanged
        If it should have had another content.
    """
    name = name_of(path)
    found = _read.get()
    before = found[name].sha256 if found and name in found else sha256
    for expected in (_expected.get().get(name, sha256), before):
        if expected != sha256:
            raise InputChanged(
                f"{name}: other content than when the run was planned (sha256 {sha256[:SHOWN]}, was {expected[:SHOWN]}); "
                "repeat the command"
            )
    if found is not None:
        found[name] = Input(name, sha256, rows)


def check(contents: Mapping[str, str]) -> None:
    """Hold files against the content they should have.

    Raises
    ------
    InputChanged
        If one has another, or cannot be read.
    """
    with expecting(contents):
        for path in contents:
            try:
                found = content_of(path)
            except InputError as error:
                raise InputChanged(str(error)) from None
            note(path, found, None)


def name_of(path: str | Path) -> str:
    """A path as it is known here."""
    return str(Path(path))
