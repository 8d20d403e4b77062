"""How new files of a sweep take the place of old ones, all at once, and how what was damaged is set aside.

New files stand complete under other names before one small file, the commit, is renamed into place. It says which files count
from then on; whoever opens the folder next carries the exchange to its end. A file that is not as the commit says is moved into
the folder ``damaged`` and is missing until it was made anew.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from experiments.runs.folder import MARKER, StoreError, marker_of, marker_text
from experiments.sweep import journal as files
from experiments.sweep.listing import (
    COMMIT,
    DAMAGED,
    FAILURES,
    JOURNAL,
    LOCK,
    PART,
    SHARD,
    TABLES,
    TEXTS,
    Listing,
    committed,
    listing,
    part_of,
    sha256_of,
    shard_sha256,
)


def check_own(folder: Path) -> None:
    """Refuse a folder that is not a sweep's, and files in it that stand where a sweep's own go.

    Raises
    ------
    StoreError
        Names what is in the way.
    """
    known = listing(folder)
    while True:
        try:
            _check_own(folder, known)
            return
        except StoreError:
            again = listing(folder)
            if again == known:
                raise
            known = again  # another writer began the sweep in between


def _check_own(folder: Path, known: Listing | None) -> None:
    """`check_own` against one list of own files."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise StoreError(f"{folder}: a file of that name is in the way")
    for name in (JOURNAL, FAILURES, DAMAGED, LOCK):
        path = folder / name
        if path.is_symlink() or (path.exists() and path.is_dir() != (name != LOCK)):
            raise StoreError(f"{path}: firesale did not make it, and a sweep needs the name; move it away")
    if known is None and folder.is_dir():
        marker = marker_of(folder)
        if marker is not None:
            raise StoreError(f"{folder}: is a {marker.kind}, not a sweep; choose another with --out")
        if any(not _is_begun(path) for path in folder.iterdir()):
            raise StoreError(
                f"{folder}: is not empty and no result of a sweep (neither {MARKER} nor {COMMIT} says so); "
                "choose another with --out"
            )
    own = {**known.files, **known.missing, **known.gone} if known is not None else {}
    check_free(folder, [name for name in (*TABLES, *TEXTS) if name not in own])
    for name in (*own, COMMIT, MARKER):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            raise StoreError(f"{folder / name}: a folder is where a file of the sweep belongs; move it away")


def check_free(folder: Path, names: Iterable[str]) -> None:
    """Refuse files that firesale did not write under names that it is about to use."""
    for name in names:
        if os.path.lexists(folder / name):
            raise StoreError(f"{folder / name}: firesale did not write it; not overwritten, move it away")


def _is_begun(path: Path) -> bool:
    """Whether a sweep that wrote no list yet may have left this."""
    if path.name == JOURNAL:
        return all(SHARD.fullmatch(one.name) or PART.fullmatch(one.name) for one in path.iterdir())
    return path.name == LOCK or PART.fullmatch(path.name) is not None


class Exchange:
    """New files of a sweep's folder, staged until `commit`.

    Parameters
    ----------
    folder
        The sweep's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staged: dict[str, str] = {}

    @property
    def known(self) -> Listing:
        """The list as it stands."""
        return listing(self.folder) or Listing()

    def stage(self, name: str, data: bytes) -> None:
        """Write a new file beside its name."""
        place = self.folder / name
        place.parent.mkdir(exist_ok=True)
        write(part_of(place), data)
        self.staged[name] = hashlib.sha256(data).hexdigest()

    def commit(self, gone: Iterable[str], *, heals: bool) -> None:
        """Let the staged files count, and no more those that are `gone`; `heals` says that nothing is missing then."""
        known, leaving = self.known, set(gone)
        check_free(self.folder, self.staged.keys() - known.files.keys() - known.missing.keys())
        kept = {name: sha for name, sha in known.files.items() if name not in leaving}
        counting = kept | self.staged
        left = {name: sha for name, sha in known.files.items() if counting.get(name) != sha}
        left |= {name: shard_sha256(Path(name).name) for name in leaving if name.startswith(f"{JOURNAL}/")}
        missing = {} if heals else {n: sha for n, sha in known.missing.items() if n not in self.staged}
        self._sync({*self.staged, COMMIT})
        self._declare(Listing(counting, left, missing))
        self.staged = {}
        self.finish()

    def share(self, texts: Mapping[str, bytes]) -> None:
        """Write files while others write the same ones with the same content; each takes its name by itself."""
        known = self.known
        listed = {name: hashlib.sha256(data).hexdigest() for name, data in texts.items()}
        missing = {name: sha for name, sha in known.missing.items() if name not in texts}
        shared = Listing({**known.files, **listed}, known.gone, missing)
        for name, data in ((COMMIT, shared.commit()), (MARKER, marker_text(shared.marker())), *texts.items()):
            self._replace(name, data)
        self._sync({COMMIT})

    def finish(self) -> None:
        """Carry an exchange to its end: the marker, then new names, then what is gone."""
        known = self.known
        # A marker that lists new files before they have their names cannot be older than they.
        self._mark(known)
        renamed = set()
        for name, sha in known.files.items():
            path = self.folder / name
            if sha256_of(part_of(path)) != sha:
                continue
            if os.path.lexists(path) and sha256_of(path) not in (sha, known.gone.get(name)):
                self._set_aside(name)
            files.disk.rename(part_of(path), path)
            renamed.add(name)
        self._sync(renamed)
        removed = set()
        for name, sha in known.gone.items():
            path = self.folder / name
            if name not in known.files and os.path.lexists(path) and sha256_of(path) == sha:
                files.disk.remove(path)
                removed.add(name)
        self._sync(removed)

    def mend_lists(self) -> list[str]:
        """Set aside a damaged copy of the list, and write what is missing of the two; returns a line for each."""
        said: list[str] = []
        there = os.path.lexists(self.folder / COMMIT)
        if there and committed(self.folder) is None:
            said.append(self._line(COMMIT))
        known = self.known
        if not (known.files or known.missing):
            return said
        # An older marker is left by an exchange that was interrupted.
        if not self._has_marker():
            said.append(self._line(MARKER))
        if committed(self.folder) is None:
            said += [] if there else [self._line(COMMIT)]
            self._declare(known)
        self._mark(known)
        return said

    def mend(self) -> list[str]:
        """Set aside what is not as it was written; returns a line for each.

        What is left is whole: readers refuse until a compaction has made anew what is missing, and a session computes it.
        """
        known = self.known
        lost = {n: sha for n, sha in known.files.items() if sha256_of(self.folder / n) != sha}
        said = [*(self._line(name) for name in lost), *self.mend_shards()]
        if lost:
            kept = {name: sha for name, sha in known.files.items() if name not in lost}
            known = Listing(kept, known.gone, {**known.missing, **lost})
            self._declare(known)
            self._mark(known)
        return said

    def mend_shards(self) -> list[str]:
        """`mend` for one of several writers: shards of the journal alone, which nobody lists."""
        return [
            self._line(f"{JOURNAL}/{path.name}")
            for path in sorted((self.folder / JOURNAL).iterdir())
            if SHARD.fullmatch(path.name) and path.is_file() and sha256_of(path) != shard_sha256(path.name)
        ]

    def clear(self) -> None:
        """Remove own files that never got their names."""
        for place in (self.folder, self.folder / JOURNAL, self.folder / FAILURES):
            for path in sorted(place.iterdir()) if place.is_dir() else ():
                if PART.fullmatch(path.name) and not path.is_dir():
                    files.disk.remove(path)

    # -- inside ---------------------------------------------------------------------------------------------

    def _line(self, name: str) -> str:
        """Set a file aside if it is there; says so."""
        if not os.path.lexists(self.folder / name):
            return f"{self.folder / name}: missing; what was in it is computed again"
        aside = self._set_aside(name)
        return f"{self.folder / name}: damaged; kept as {aside}, what was in it is computed again"

    def _set_aside(self, name: str) -> Path:
        place = self.folder / DAMAGED
        place.mkdir(exist_ok=True)
        plain = Path(name).name.removeprefix(".")
        aside = next(
            path
            for number in range(1, 1_000_000)
            if not os.path.lexists(path := place / (plain if number == 1 else f"{plain}.{number}"))
        )
        files.disk.rename(self.folder / name, aside)
        self._sync({name, DAMAGED, f"{DAMAGED}/{plain}"})
        return aside

    def _has_marker(self) -> bool:
        try:
            return marker_of(self.folder) is not None
        except StoreError:
            return False

    def _is_marked(self, known: Listing) -> bool:
        return sha256_of(self.folder / MARKER) == hashlib.sha256(marker_text(known.marker())).hexdigest()

    def _mark(self, known: Listing) -> None:
        if (known.files or known.missing) and not self._is_marked(known):
            self._replace(MARKER, marker_text(known.marker()))

    def _declare(self, known: Listing) -> None:
        write(part_of(self.folder / COMMIT), known.commit())
        self._sync({COMMIT})
        files.disk.rename(part_of(self.folder / COMMIT), self.folder / COMMIT)
        self._sync({COMMIT})

    def _replace(self, name: str, data: bytes) -> None:
        part = part_of(self.folder / f"{secrets.token_hex(4)}.{name}")
        write(part, data)
        files.disk.rename(part, self.folder / name)

    def _sync(self, names: Iterable[str]) -> None:
        """Force the names in the folders of these files to the disk."""
        for place in sorted({(self.folder / name).parent for name in names}):
            files.disk.sync_folder(place)


def write(path: Path, data: bytes) -> None:
    """Write a file and force it to the disk."""
    with path.open("wb") as handle:
        files.disk.write(handle, data)
        files.disk.sync(handle)
