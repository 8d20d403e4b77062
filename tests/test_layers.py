"""Three floors, one-way stairs: read from the source, so that it holds without import-linter too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import agents
import experiments
import sim

FLOORS = {"agents": agents, "sim": sim, "experiments": experiments}
FORBIDDEN = {"agents": {"sim", "experiments"}, "sim": {"experiments"}}
PLOTTING = {"pandas", "matplotlib", "pyarrow"}


def modules(floor: str) -> list[Path]:
    return sorted(Path(str(FLOORS[floor].__file__)).parent.rglob("*.py"))


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Top-level name of every import, and whether importing the module runs it."""
    tree = ast.parse(source)
    at_once = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name.split(".")[0], node in at_once) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0], node in at_once


def test_the_reader_sees_imports_of_both_kinds() -> None:
    found = list(imports("import sim.model\ndef f():\n    from experiments import run\n"))
    assert found == [("sim", True), ("experiments", False)]


@pytest.mark.parametrize("floor", sorted(FORBIDDEN))
def test_no_floor_imports_one_above(floor: str) -> None:
    assert len(modules(floor)) > 5
    for path in modules(floor):
        above = {name for name, _ in imports(path.read_text(encoding="utf-8"))} & FORBIDDEN[floor]
        assert not above, f"{path.name} imports {above}"


@pytest.mark.parametrize("floor", ["agents", "sim"])
def test_models_run_without_data_frames_or_plots(floor: str) -> None:
    for path in modules(floor):
        eager = {name for name, at_once in imports(path.read_text(encoding="utf-8")) if at_once}
        assert not eager & PLOTTING, f"{path.name} imports {eager & PLOTTING}"
