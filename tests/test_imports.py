"""Every module says at its top what it needs: a hidden import hides a circle, and what a room leans on."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import experiments

ROOT = Path(str(experiments.__file__)).parents[1]
OURS = ("agents", "sim", "experiments")
MODULES = sorted(str(path.relative_to(ROOT)) for room in OURS for path in (ROOT / room).rglob("*.py"))
# What may be imported inside a function, and why.
ALLOWED = {
    "SALib": "slow, and only some designs and analyses need it",
    "pandas": "slow, and only tables need it",
    "scipy.stats": "slow, and only sampled designs need it",
    "distributed": "of the extra `dask`",
    "jupytext": "of the extra `notebooks`",
    "nbclient": "of the extra `notebooks`",
    "nbformat": "of the extra `notebooks`",
    "xarray": "of the extra `xarray`",
    "fcntl": "not on Windows",
    "resource": "not on Windows",
    "numpy._core": "private to NumPy, which may move it",
}


Found = Iterator[tuple[int, str]]


def imports(tree: ast.AST) -> Found:
    """Line and name of every imported module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def in_functions(source: str) -> Found:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(node)


def for_types_alone(source: str) -> Found:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports(node)


def within(name: str, packages: Iterable[str]) -> bool:
    """Whether a module is one of these packages, or in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def hidden(source: str) -> list[str]:
    """Imports in functions that are not allowed, and imports of our own modules for a type checker alone."""
    found = {
        f"line {line}: {name} in a function"
        for line, name in in_functions(source)
        if not within(name, ALLOWED)
    }
    found |= {
        f"line {line}: {name} for types alone" for line, name in for_types_alone(source) if within(name, OURS)
    }
    return sorted(found)


@pytest.mark.parametrize("module", MODULES)
def test_no_import_is_hidden(module: str) -> None:
    assert hidden((ROOT / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import sim.model\nfrom json import dumps", []),
        ("def f():\n    import pandas as pd\n    from scipy.stats import qmc", []),
        ("def f():\n    import json", ["line 2: json in a function"]),
        ("def f():\n    import pandasql", ["line 2: pandasql in a function"]),
        ("def f():\n    from numpy import linalg", ["line 2: numpy in a function"]),
        ("class A:\n    async def f(self):\n        from . import b", ["line 3: . in a function"]),
        ("if TYPE_CHECKING:\n    import pandas as pd", []),
        ("if typing.TYPE_CHECKING:\n    from sim import model", ["line 2: sim for types alone"]),
    ],
)
def test_what_counts_as_hidden(source: str, found: list[str]) -> None:
    assert hidden(source) == found


def test_nothing_is_allowed_that_nobody_uses() -> None:
    """An entry of the list that no function needs any more goes."""
    used = {
        name for module in MODULES for _, name in in_functions((ROOT / module).read_text(encoding="utf-8"))
    }
    assert [package for package in ALLOWED if not any(within(name, [package]) for name in used)] == []
