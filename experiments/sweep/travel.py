"""Whether a run function can go to other processes: they import by name what it is made of."""

import ast
import io
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from experiments.runs.code_digest import edited_files
from experiments.sweep.jobs import Run, SweepError

ADVICE = "put it at the top level of a module (a plugin names one), or compute in this process with 0 workers"


def check_travels(run: Run, *, far: bool) -> None:
    """Refuse a run function that workers cannot import; those `far` do not have your script.

    Raises
    ------
    SweepError
        Before a worker is started; says what stands in the way.
    """
    pickler = _Scribe(io.BytesIO())
    try:
        pickler.dump(run)
    except Exception as error:
        raise SweepError(f"the run function cannot travel to workers: {error}; {ADVICE}") from error
    if edited := edited_files(run):
        raise SweepError(
            f"{edited[0]} was edited after it was imported, and workers would run it as it stands now; import it anew "
            "(importlib.reload, or start Python again), or compute in this process with 0 workers"
        )
    if not pickler.of_script:
        return
    script = getattr(sys.modules["__main__"], "__file__", None)
    if far or script is None or not Path(script).is_file():
        raise SweepError(
            f"workers cannot import what stands in your script, in a notebook or at a prompt; {ADVICE}"
        )
    there = set(_bound(ast.parse(Path(script).read_text(encoding="utf-8")).body))
    for name in sorted(pickler.of_script):
        if name.partition(".")[0] not in there:
            raise SweepError(
                f'workers import {script} without what stands under `if __name__ == "__main__":` or in a function; '
                f"move {name} to the top level, or compute in this process with 0 workers"
            )


class _Scribe(pickle.Pickler):
    """Notes what would be looked for in the user's script."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.of_script: set[str] = set()

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, type | FunctionType) and thing.__module__ == "__main__":
            self.of_script.add(thing.__qualname__)
        return NotImplemented


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Names bound by statements that run when a module is imported."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.If):
            if "__main__" not in ast.unparse(statement.test):
                yield from _bound(statement.body)
            yield from _bound(statement.orelse)
        elif isinstance(statement, ast.Try | ast.With | ast.For):
            yield from _bound(statement.body)
        else:
            yield from (
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
