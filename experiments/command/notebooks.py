"""Execute notebooks: py:percent is the source, the executed .ipynb stands beside it, and its bytes can be checked.

Cell ids are counted, timings and the name of the interpreter are left out, so that two executions are one file. Each file
holds the sha256 of the rest of it: one that was edited since, or written by somebody else, is never replaced.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from experiments.runs.folder import StoreError

SECONDS_PER_CELL = 300
CELL = re.compile(r"^# %%", re.MULTILINE)


class NotebookError(Exception):
    """A notebook cannot be executed; the message is one line and names the notebook and the cell."""


def execute_all(folder: str | Path, *, check: bool = False) -> list[str]:
    """Execute every ``.py`` notebook of a folder.

    Parameters
    ----------
    check
        Write nothing; only compare with the ``.ipynb`` that stands beside each.

    Returns
    -------
    list of str
        Names of notebooks whose stored execution differs; empty unless `check`.

    Raises
    ------
    NotebookError
        If the folder holds no notebook, or a cell fails.
    StoreError
        If a file that was edited, or not written here, would be replaced.
    """
    sources = [
        path for path in sorted(Path(folder).glob("*.py")) if CELL.search(path.read_text(encoding="utf-8"))
    ]
    if not sources:
        raise NotebookError(f"{folder}: holds no notebook (a .py with cells that begin with `# %%`)")
    for source in () if check else sources:
        _check_own(source.with_suffix(".ipynb"))
    stale = []
    for source in sources:
        text = execute(source)
        stored = source.with_suffix(".ipynb")
        if not check:
            _check_own(stored)  # it may have been saved meanwhile
            stored.write_text(text, encoding="utf-8")
        elif not stored.is_file() or stored.read_text(encoding="utf-8") != text:
            stale.append(stored.name)
    return stale


def execute(source: str | Path) -> str:
    """Text of the executed notebook, the same on every execution with the same versions.

    Raises
    ------
    NotebookError
        If a cell fails.
    """
    import jupytext
    import nbclient
    import nbformat

    path = Path(source)
    notebook = jupytext.read(path)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel})  # type: ignore[no-untyped-call]
    client = nbclient.NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        # The kernel's own remarks on its connection are not part of the result.
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent.resolve())}},
    )
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        raise NotebookError(f"{path}: a cell failed with {error.ename}: {error.evalue}") from None
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell["outputs"] = [_settled(output) for output in cell["outputs"] if not _is_noise(output)]
    notebook.metadata.pop("language_info", None)
    content: dict[str, Any] = {
        "cells": notebook.cells,
        "metadata": dict(notebook.metadata),
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    content["metadata"]["firesale"] = {"sha256": _sha256_of(content)}
    nbformat.validate(content)
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _check_own(stored: Path) -> None:
    if os.path.lexists(stored) and not _is_own(stored):
        raise StoreError(
            f"{stored}: edited, or not written by `firesale notebooks`; not overwritten, move it away"
        )


def _is_own(stored: Path) -> bool:
    """Whether a file is a notebook that was written here and not edited since."""
    try:
        content = json.loads(stored.read_text(encoding="utf-8"))
        known = content["metadata"].pop("firesale")["sha256"]
        return bool(known == _sha256_of(content)) and not stored.is_symlink()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sha256_of(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _settled(output: Any) -> Any:
    """An output without what changes from one execution to the next."""
    output.pop("metadata", None)
    if output["output_type"] in ("display_data", "execute_result"):
        output["metadata"] = {}
    return output


def _is_noise(output: Any) -> bool:
    return bool(output["output_type"] == "stream" and output.get("name") == "stderr")
