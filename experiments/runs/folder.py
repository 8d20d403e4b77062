"""Result folders: a marker says what kind of result a folder is and lists every file of it; nothing else is ever replaced.

Rules
-----
1. A result is written into a hidden sibling of its folder, flushed to the disk, and takes its name in one step. Whatever stops
   it, the old result or the new one stands there, whole.
2. A folder that stands there already is replaced only if that is asked for, and only if it is a result of the same kind. A file
   its marker does not list, another result inside it, a link or an empty folder refuses: they are somebody's. A listed file
   that was edited since it was written, or damaged, makes the old result stay, as ``NAME.changed-1`` beside the new one.
3. Parts that firesale adds to a result later, such as figures, are folders with a marker of their own that says so; they go
   with it.
4. Every file has its sha256 in the marker; who reads a file checks it.

Example: ``results/calm/.firesale.json`` holds ``{"kind": "run", "files": {"weeks.parquet": "5f1c...", ...}}``. A ``paper.tex``
beside it keeps `writing(..., overwrite=True)` from touching the folder.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MARKER = ".firesale.json"
AT_FDCWD, RENAME_EXCHANGE = -100, 2
UNFINISHED, SET_ASIDE = "unfinished", "set-aside"


class ResultWarning(RuntimeWarning):
    """Something of a stored result was edited or damaged; says what is kept, and where."""


class StoreError(Exception):
    """A result cannot be written or read; the message is one line and names the folder."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What a result folder says of itself.

    Attributes
    ----------
    kind
        Such as ``run`` or ``sweep``.
    files
        Path inside the folder -> sha256 of the file.
    is_part
        Whether it belongs to the result it stands in, and goes with it.
    """

    kind: str
    files: dict[str, str]
    is_part: bool = False


@contextmanager
def writing(
    folder: str | Path, *, kind: str, overwrite: bool = False, is_part: bool = False
) -> Iterator[Path]:
    """A place to write a result folder into, that takes its name only when everything in it is on the disk.

    Parameters
    ----------
    folder
        Where the result shall stand.
    kind
        What it is.
    overwrite
        Replace a result of the kind that stands there, and nothing else.
    is_part
        It belongs to the result it stands in.

    Yields
    ------
    Path
        A hidden sibling of `folder`. It is removed if the block raises, Ctrl-C included.

    Raises
    ------
    StoreError
        If something stands there that must not be replaced, or the disk is full or cannot be written to.

    Warns
    -----
    ResultWarning
        If the result that was replaced had been edited or damaged, so that it is kept.
    """
    target = Path(folder)
    _recover(target)
    _check_free(target, kind, overwrite=overwrite)
    scratch = _scratch(target)
    removable = True
    try:
        yield scratch
        _mark(scratch, kind, is_part)
        _flush(scratch)
        # mkdtemp makes folders only their owner can read.
        scratch.chmod(0o777 & ~_umask())
        _check_free(target, kind, overwrite=overwrite)
        _take_name(scratch, target)
        # What was replaced stands there now, and may hold what is not ours.
        removable = False
        came_between, changed = _came_between(scratch), _changed_files(scratch)
        removable = not came_between and not changed
    except OSError as error:
        raise StoreError(f"{target}: not written, nothing is left there: {error.strerror or error}") from None
    finally:
        if removable:
            shutil.rmtree(scratch, ignore_errors=True)
    if came_between:
        raise StoreError(f"{target}: written; {came_between[0]} came in between and is kept in {scratch}")
    if changed:
        _keep(scratch, target, changed)


def _scratch(target: Path) -> Path:
    """A hidden sibling of a folder."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{target.name}.{UNFINISHED}-", dir=target.parent))
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror}") from None


def inside(folder: str | Path, name: str | Path) -> Path:
    """A path inside a folder, for a file or a folder of this name.

    Raises
    ------
    StoreError
        If the name leads out of the folder.
    """
    above = Path(folder)
    path = above / name
    if not path.resolve().is_relative_to(above.resolve()):
        raise StoreError(f"{above}: {str(name)!r} leads out of it")
    return path


def marker_of(folder: str | Path) -> Marker | None:
    """What a folder says of itself; None if it is no result.

    Raises
    ------
    StoreError
        If its marker cannot be understood.
    """
    path = Path(folder) / MARKER
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Marker(
            str(said["kind"]), {str(k): str(v) for k, v in said["files"].items()}, bool(said["is_part"])
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path}: damaged; it says which files are firesale's") from None


def put(folder: str | Path, files: Mapping[str, bytes], *, kind: str, is_part: bool = False) -> None:
    """Write single files into a result folder of a kind, or make one; what stands there and is not its own is refused.

    Raises
    ------
    StoreError
        If the folder is another's, holds a file of one of the names that firesale did not write, or cannot be written to.

    Warns
    -----
    ResultWarning
        If a file that is replaced had been edited or damaged: it is kept as ``NAME.changed-1``.
    """
    place = Path(folder)
    marker = marker_of(place)
    if marker is None:
        if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
            raise StoreError(
                f"{place}: stands there already and is no result of this firesale; choose another folder"
            )
        marker = Marker(kind, {}, is_part)
    if marker.kind != kind:
        raise StoreError(f"{place}: is a {marker.kind}, not a {kind}; choose another folder")
    for name in files:
        path = inside(place, name)
        if name not in marker.files and os.path.lexists(path):
            raise StoreError(f"{path}: firesale did not write it; not overwritten")
    listed = marker.files | {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, sha256 in marker.files.items():
            path = place / name
            if name in files and _is_changed(path, sha256) and _is_changed(path, listed[name]):
                kept = path.rename(_beside(path))
                warnings.warn(
                    f"{path}: had been edited or damaged; kept as {kept}", ResultWarning, stacklevel=3
                )
        # First what is ours and then the files: a stop in between must not leave files that nobody wrote.
        _replace(place / MARKER, marker_text(Marker(kind, listed, marker.is_part)))
        for name, data in files.items():
            _replace(place / name, data)
    except OSError as error:
        raise StoreError(f"{place}: cannot be written: {error.strerror or error}") from None


def default_folder(*words: str, seed: int) -> Path:
    """Where a result goes if nobody says where.

    >>> default_folder("sweep", "rebound_2026", seed=7).as_posix()
    'results/sweep-rebound_2026-seed-7'
    """
    return Path("results") / "-".join([*words, f"seed-{seed}"])


def verified(folder: str | Path, name: str) -> bytes:
    """The bytes of a file of a result, or of a part of one, if they are those that were written.

    Raises
    ------
    StoreError
        If the file is of no result, missing or damaged.
    """
    path = Path(folder) / name
    for above in path.parents:
        marker = marker_of(above)
        listed = marker.files.get(path.relative_to(above).as_posix()) if marker is not None else None
        if listed is not None:
            break
        if marker is not None and not marker.is_part:
            raise StoreError(f"{path}: no file of the result in {above}")
    else:
        raise StoreError(f"{folder}: no result of this firesale (it has no {MARKER})")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != listed:
        raise StoreError(f"{path}: not as it was written: it is damaged or was changed")
    return data


def check_files(folder: str | Path) -> None:
    """Hold every file of a result, or of a folder in one, against its list, those of its parts included.

    Raises
    ------
    StoreError
        If one is missing or damaged.
    """
    place = Path(folder)
    for above in (place, *place.parents):
        marker = marker_of(above)
        if marker is not None:
            break
    else:
        raise StoreError(f"{folder}: no result of this firesale (it has no {MARKER})")
    for name in marker.files:
        if (above / name).is_relative_to(place):
            verified(above, name)
    check_parts(place)


def check_parts(folder: Path) -> None:
    """Hold every file of the parts in a folder against their lists.

    Raises
    ------
    StoreError
        If one is missing or damaged.
    """
    for part in _parts(folder):
        marker = marker_of(part)
        for name in marker.files if marker is not None else ():
            verified(part, name)


def foreign_paths(folder: Path) -> list[str]:
    """What stands in a result folder and is not of the result, as paths inside it.

    Raises
    ------
    StoreError
        If a marker in it is damaged.
    """
    marker = marker_of(folder)
    listed = set(marker.files) if marker is not None else set()
    above = {parent.as_posix() for name in listed for parent in Path(name).parents}
    found = []
    for path in sorted(folder.iterdir() if marker is not None else ()):
        found += _foreign(folder, path, listed, above)
    return found


def _foreign(folder: Path, path: Path, listed: set[str], above: set[str]) -> list[str]:
    name = path.relative_to(folder).as_posix()
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return [name]
    if path.is_file():
        return [] if name in listed or name == MARKER else [name]
    inner = marker_of(path)
    if inner is not None:
        return [f"{name}/{one}" for one in foreign_paths(path)] if inner.is_part else [name]
    if name not in above:
        return [name]
    return [one for child in sorted(path.iterdir()) for one in _foreign(folder, child, listed, above)]


def _check_free(target: Path, kind: str, *, overwrite: bool) -> None:
    if not target.name:
        raise StoreError(f"{target}: not the name of a folder")
    if not os.path.lexists(target):
        return
    if target.is_symlink():
        raise StoreError(f"{target}: a link of that name is in the way")
    if not target.is_dir():
        raise StoreError(f"{target}: a file of that name is in the way")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise StoreError(f"{target}: exists already; choose another folder with --out, or add --overwrite")
    marker = marker_of(target)
    if marker is None:
        raise StoreError(f"{target}: is no result of this firesale, so it is not overwritten")
    if marker.kind != kind:
        raise StoreError(f"{target}: is a {marker.kind}; a {kind} does not overwrite it")
    foreign = foreign_paths(target)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise StoreError(f"{target}: holds {foreign[0]}{more}, which firesale did not write; not overwritten")


def _mark(folder: Path, kind: str, is_part: bool) -> None:
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / MARKER).write_bytes(marker_text(Marker(kind, files, is_part)))


def marker_text(marker: Marker) -> bytes:
    """A marker as it stands on the disk."""
    said = {"kind": marker.kind, "is_part": marker.is_part, "files": dict(sorted(marker.files.items()))}
    return (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()


def _replace(path: Path, data: bytes) -> None:
    """A file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _take_name(scratch: Path, target: Path) -> None:
    """Exchange two folders in one step, or in two with a name from which the next start recovers."""
    if not target.is_dir():
        scratch.rename(target)
    elif not _exchanged(scratch, target):
        aside = _aside(target)
        target.rename(aside)
        try:
            scratch.rename(target)
        except OSError:
            aside.rename(target)
            raise
        aside.rename(scratch)
    flush_folder(target.parent)


def _came_between(scratch: Path) -> list[str]:
    """Files of others in a result that was replaced, which were not there when it was looked at."""
    return foreign_paths(scratch) if (scratch / MARKER).is_file() else []


def _keep(old: Path, target: Path, changed: list[str]) -> None:
    """Give a result that was replaced, and had been edited, a name beside the new one, and say so."""
    kept = _beside(target)
    try:
        marker = marker_of(old)
        if marker is not None and marker.is_part:  # of no result any more: it is the user's
            (old / MARKER).unlink()
        old.rename(kept)
        flush_folder(kept.parent)
    except OSError:
        kept = old
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    said = f"{changed[0]}{more} had been edited or damaged, so the old result is kept in {kept}"
    warnings.warn(f"{target}: replaced; {said}", ResultWarning, stacklevel=4)


def _beside(path: Path) -> Path:
    """A free name for what stood under a name until now."""
    names = (path.with_name(f"{path.name}.changed-{number}") for number in range(1, 1_000_000))
    return next(name for name in names if not os.path.lexists(name))


def _changed_files(folder: Path) -> list[str]:
    """Files of a result that are not as they were written, those of its parts included, as paths inside the folder."""
    if not (folder / MARKER).is_file():
        return []
    found = []
    for place in (folder, *_parts(folder)):
        marker = marker_of(place)
        for name, sha256 in marker.files.items() if marker is not None else ():
            if _is_changed(place / name, sha256):
                found.append((place / name).relative_to(folder).as_posix())
    return list(dict.fromkeys(found))


def _parts(folder: Path) -> Iterator[Path]:
    """Folders inside a result that belong to it and have a marker of their own, at any depth."""
    for child in sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()):
        inner = marker_of(child)
        if inner is None or inner.is_part:
            yield from () if inner is None else (child,)
            yield from _parts(child)


def _is_changed(path: Path, sha256: str) -> bool:
    """Whether a file is there and is another than it was, or cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() != sha256
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the system could exchange two names at once."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    ended: int = rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    return ended == 0


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{SET_ASIDE}")


def _recover(target: Path) -> None:
    """A result that an interrupted exchange had set aside gets its name back."""
    if not target.name or os.path.lexists(target):
        return
    aside = _aside(target)
    with contextlib.suppress(OSError):
        if (aside / MARKER).is_file():
            aside.rename(target)


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            flush_folder(path)
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
