"""A place where the tries of an attack on names work: one folder that is theirs, one beside it that nobody may touch."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import tomli_w
from typer.testing import CliRunner, Result

from experiments.command.main import app
from experiments.runs import run as runs
from sim.base.texts import ORDERS, visible
from sim.model import FireSaleModel
from sim.parameters import Parameters

REFUSED, TAKEN = "refused in one line", "taken literally"


class Found(Exception):
    """A place did not do what is required."""


class Place:
    """Where the tries work: a folder to work in, beside it one that nobody may touch."""

    def __init__(self, root: Path, model: FireSaleModel) -> None:
        self.work, self.beside = root / "work", root / "beside"
        self.model = model
        for folder in (self.work, self.beside, self.work / "home"):
            folder.mkdir()
        (self.beside / "paper.tex").write_text("theirs", encoding="utf-8")
        (self.work / "notes.txt").write_text("theirs", encoding="utf-8")

    def foreign(self) -> dict[str, int]:
        """Every path outside ``work/out``, with its time of change."""
        found = {}
        for above, folders, files in os.walk(self.work.parent):
            if Path(above) == self.work and "out" in folders:
                folders.remove("out")
            for name in [*folders, *files]:
                path = os.path.join(above, name)
                # Folders change when something is made in them; that is seen by what was made.
                found[path] = 0 if name in folders else os.lstat(path).st_mtime_ns
        return found

    def file(self, name: str, table: dict[str, Any]) -> Path:
        """A TOML file in ``out``."""
        path = self.work / "out" / name
        path.write_bytes(tomli_w.dumps(table).encode("utf-8", "surrogatepass"))
        return path

    def simulated(self, parameters: Parameters, seed: int, **_: Any) -> FireSaleModel:
        """In the place of a run, a model that was run before."""
        return self.model


def kept(text: str, shown: str, where: str) -> None:
    """The text stands where it was shown, and nothing that a terminal obeys."""
    if visible(text) not in shown:
        raise Found(f"{where} lacks the text: {shown[:200]!r}")
    if ORDERS.search(shown.replace("\r\n", "\n")):
        raise Found(f"{where} holds what a terminal obeys: {shown[:200]!r}")


def one_line(result: Result) -> str:
    """Whether a command was refused in one line; the command did not end in a traceback or a fault of ours."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise Found(f"traceback: {result.exception!r}")
    if "fault in firesale itself" in result.output:
        raise Found(result.output[:300])
    if ORDERS.search(result.output):
        raise Found(f"printed what a terminal obeys: {result.output[:200]!r}")
    if (
        result.exit_code
        and not result.stderr.startswith("Usage:")
        and len(result.stderr.strip().split("\n")) != 1
    ):
        raise Found(f"not one line: {result.stderr[:300]!r}")
    return REFUSED if result.exit_code else TAKEN


def command(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def run_of(place: Place, table: dict[str, Any], *more: str, name: str = "asked.toml") -> Result:
    """`firesale run` of a scenario file, with a model that was run before."""
    path = place.file(name, {"base": "calm", "overrides": {"clock": {"weeks": 1}}, **table})
    with mock.patch.object(runs, "simulate", place.simulated):
        return command("run", str(path), "--no-figures", "--no-absorption", "--quiet", *more)


@contextlib.contextmanager
def sandbox() -> Iterator[Place]:
    """A place to work in, as the working directory and the home."""
    before = Path.cwd()
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 2}), rng=7)
    model.run_for(2)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder).resolve(), model)
        os.chdir(place.work)
        try:
            with mock.patch.dict(os.environ, {"HOME": str(place.work / "home"), "COLUMNS": "40"}):
                yield place
        finally:
            os.chdir(before)
