"""Digest of the source code that decides what a run computes: comments, docstrings and layout do not count.

To take all modules apart costs a second, so what came of each is kept in the user's cache folder (``XDG_CACHE_HOME``, else
``~/.cache``), by the sha256 of its text. Without a folder to write to, every process takes that second.
"""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from experiments.runs.code_text import plain

# Data files are among the sources: a changed price or row is another run.
COUNTED = (".py", ".pyx", ".pxd", ".csv", ".toml")


def source_digest(*parts: ModuleType) -> str:
    """Digest of modules and of whole packages with their data, 20 hexadecimal digits.

    Python counts by its syntax tree without docstrings, everything else byte by byte.

    Parameters
    ----------
    parts
        Modules count by their file, packages by all files below them. As modules and not as names of files, so that a
        part that is moved is still counted, or fails to import.
    """
    digest = hashlib.sha256()
    with _known() as known:
        for part in parts:
            for path in _files(part):
                text = path.read_bytes().replace(b"\r\n", b"\n")
                digest.update(f"{part.__name__} {path.name} {_content(path, text, known)}\n".encode())
    return digest.hexdigest()[:20]


def _content(path: Path, text: bytes, known: dict[str, str]) -> str:
    as_written = hashlib.sha256(text).hexdigest()
    if path.suffix != ".py":
        return as_written
    if as_written not in known:
        known[as_written] = hashlib.sha256(plain(text.decode(errors="replace"))).hexdigest()
    return known[as_written]


@contextmanager
def _known() -> Iterator[dict[str, str]]:
    """sha256 of a module's text -> of its code; kept for the next process if anything is added."""
    known: dict[str, str] = {}
    cache = _cache()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        known = {str(key): str(value) for key, value in json.loads(cache.read_text(encoding="ascii")).items()}
    before = len(known)
    yield known
    if len(known) > before:
        with contextlib.suppress(OSError):  # nobody else waits for it
            cache.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=cache.parent)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump(known, file)
            os.replace(name, cache)


def _cache() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Another Python may write the same tree as another text.
    return Path(folder) / "firesale" / f"code-{sys.implementation.cache_tag}.json"


def _files(part: ModuleType) -> list[Path]:
    assert part.__file__ is not None
    file = Path(part.__file__)
    if not hasattr(part, "__path__"):
        return [file]
    return [path for path in sorted(file.parent.rglob("*")) if path.suffix in COUNTED and path.is_file()]
