"""Digest of the source code that decides what a run computes."""

import hashlib
from pathlib import Path
from types import ModuleType

# Data files are among the sources: a changed price or row is another run.
COUNTED = (".py", ".pyx", ".pxd", ".csv", ".toml")


def source_digest(*parts: ModuleType) -> str:
    """Digest of modules and of whole packages with their data, 20 hexadecimal digits.

    Comments count: telling them apart safely would cost more than the runs that a changed comment repeats.

    Parameters
    ----------
    parts
        Modules count by their file, packages by all files below them. As modules and not as names of files, so that a
        part that is moved is still counted, or fails to import.
    """
    digest = hashlib.sha256()
    for part in parts:
        for path in _files(part):
            text = path.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{part.__name__} {path.name} {len(text)}\n".encode())
            digest.update(text)
    return digest.hexdigest()[:20]


def _files(part: ModuleType) -> list[Path]:
    assert part.__file__ is not None
    file = Path(part.__file__)
    if not hasattr(part, "__path__"):
        return [file]
    return [path for path in sorted(file.parent.rglob("*")) if path.suffix in COUNTED and path.is_file()]
