"""Floors, rooms and doors, read from the source, so that they hold without import-linter too."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

import agents
import experiments
import sim

FLOORS = {"agents": agents, "sim": sim, "experiments": experiments}
FORBIDDEN = {"agents": {"sim", "experiments"}, "sim": {"experiments"}}
PLOTTING = {"pandas", "matplotlib", "pyarrow"}


def modules(floor: str) -> dict[str, Path]:
    """Dotted name -> file of every module of a floor."""
    root = Path(str(FLOORS[floor].__file__)).parent
    return {
        ".".join((floor, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in sorted(root.rglob("*.py"))
    }


ALL = {name: path for floor in FLOORS for name, path in modules(floor).items()}


def imports(source: str, package: str = "") -> Iterator[tuple[str, bool]]:
    """Dotted name of every import, in functions and for types too, and whether importing the module runs it."""
    tree = ast.parse(source)
    at_once = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, node in at_once) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in ALL else node.module, node in at_once


def doors() -> "nx.DiGraph[str]":
    """Which module imports which, of our own."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, path in ALL.items():
        graph.add_node(name)
        for other, _ in imports(path.read_text(encoding="utf-8")):
            if other in ALL and other != name:
                graph.add_edge(name, other)
    return graph


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def circles(graph: "nx.DiGraph[str]") -> list[list[str]]:
    return [sorted(found) for found in nx.strongly_connected_components(graph) if len(found) > 1]


def test_the_reader_sees_imports_of_both_kinds() -> None:
    found = list(imports("import sim.model\ndef f():\n    from experiments.runs import run\n"))
    assert found == [("sim.model", True), ("experiments.runs.run", False)]


@pytest.mark.parametrize("floor", sorted(FORBIDDEN))
def test_no_floor_imports_one_above(floor: str) -> None:
    assert len(modules(floor)) > 5
    for name, path in modules(floor).items():
        above = {other.split(".")[0] for other, _ in imports(path.read_text(encoding="utf-8"))}
        assert not above & FORBIDDEN[floor], name


@pytest.mark.parametrize("floor", ["agents", "sim"])
def test_models_run_without_data_frames_or_plots(floor: str) -> None:
    for name, path in modules(floor).items():
        eager = {other.split(".")[0] for other, now in imports(path.read_text(encoding="utf-8")) if now}
        assert not eager & PLOTTING, name


def test_no_circle_between_files() -> None:
    graph = doors()
    assert graph.number_of_edges() > 500
    assert circles(graph) == []


def test_no_circle_between_rooms() -> None:
    graph = doors()
    rooms: nx.DiGraph[str] = nx.DiGraph()
    rooms.add_edges_from((room(a), room(b)) for a, b in graph.edges if room(a) != room(b))
    assert circles(rooms) == []


@pytest.mark.parametrize("floor", ["sim", "experiments"])
def test_every_room_has_its_place_on_the_ladder(floor: str) -> None:
    """The ladder is the one import-linter holds; a room that is not on it would be free to import anything."""
    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if not project.exists():
        pytest.skip("tests run outside the checkout")
    contracts = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (ladder,) = (contract["layers"] for contract in contracts if contract.get("containers") == [floor])
    assert {room(name) for name in modules(floor)} - {floor} == {f"{floor}.{name}" for name in ladder}
    height = {f"{floor}.{name}": len(ladder) - i for i, name in enumerate(ladder)}
    for a, b in doors().edges:
        if room(a) in height and room(b) in height:
            assert height[room(a)] >= height[room(b)], f"{a} imports {b}"
