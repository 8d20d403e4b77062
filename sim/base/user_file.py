"""Bytes of a file that a user names: ordinary, readable and not endless, or refused in one line."""

import stat
from pathlib import Path

from sim.base.faults import InputError

MOST_BYTES = 100_000_000


def bytes_of(file: Path) -> bytes:
    """All bytes of a file.

    Raises
    ------
    InputError
        If there is none, it is a folder, a pipe or a device, which may never end, or larger than `MOST_BYTES`.
    """
    check_file(file)
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None


def check_file(file: Path) -> None:
    """Refuse a path at which no file stands that can be read to its end.

    Raises
    ------
    InputError
        As in `bytes_of`.
    """
    try:
        found = file.stat()
    except OSError as error:
        home = "; write the whole path instead of ~" if "~" in file.parts else ""
        raise InputError(f"{file}: cannot be read: {error.strerror}{home}") from None
    except ValueError as error:
        raise InputError(f"{str(file)!r}: cannot be read: {error}") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{file}: cannot be read: a folder")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{file}: cannot be read: no ordinary file")
    if found.st_size > MOST_BYTES:
        raise InputError(f"{file}: cannot be read: {found.st_size:,} bytes; allowed are {MOST_BYTES:,}")
