"""A module is one idea and a function one thing: no module over 500 lines, no function over 60, docstrings included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("agents", "sim", "experiments", "tests", "benchmarks", "notebooks")
MOST_MODULE_LINES, MOST_FUNCTION_LINES = 500, 60
# Compiled modules (.pyx) are exempt: one call of the kernel is one function.
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def too_long(source: str) -> Iterator[str]:
    """What of a module is over its limit."""
    lines = len(source.splitlines())
    if lines > MOST_MODULE_LINES:
        yield f"the module has {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                yield f"line {node.lineno}: {node.name} has {length} lines"


def test_lines_are_counted_from_the_def_to_the_last_and_methods_count_too() -> None:
    body = "    x = 1\n" * 59
    assert not list(too_long(f"def f():\n{body}"))
    assert list(too_long(f"\ndef f():\n{body}    x = 2\n")) == ["line 2: f has 61 lines"]
    inside = "".join(f"    {line}\n" for line in f"async def f():\n{body}    x = 2\n".splitlines())
    assert list(too_long(f"class C:\n{inside}")) == ["line 2: f has 61 lines"]
    assert not list(too_long("\n" * 500))
    assert list(too_long("\n" * 501)) == ["the module has 501 lines"]


def test_every_floor_is_looked_at() -> None:
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("tests run outside a checkout")
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(FOLDERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_and_no_function_is_too_long(path: Path) -> None:
    assert not list(too_long(path.read_text(encoding="utf-8")))
