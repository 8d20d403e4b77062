"""The code of a user's modules and functions as bytes that change with what it does, and not with comments or docstrings."""

import ast
import dis
import functools
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from agents.plugins import SHIPPED, is_installed, is_users

GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")


def file_of(module: ModuleType | None) -> Path | None:
    """File that a module was loaded from; None for a notebook, a prompt or compiled code."""
    name = getattr(module, "__file__", None)
    if not name or not str(name).endswith(".py") or not Path(name).is_file():
        return None
    return Path(name).resolve()


def texts_reached(module: ModuleType) -> list[bytes]:
    """Code of a module and of the user's modules that it refers to or imports, directly or through others, by name.

    Imports inside functions count, and so do modules that `importlib.import_module` is given as text.
    """
    found: dict[str, bytes] = {}
    ahead = [(module.__name__, file_of(module))]
    while ahead:
        name, path = ahead.pop()
        if name in found or path is None:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found[name] = plain(text)
        loaded = sys.modules.get(name)
        ahead.extend((other, _users_file(other)) for other in {*_imported(text, loaded), *_referred(loaded)})
    return [found[name] for name in sorted(found)]


@functools.lru_cache(maxsize=1024)
def plain(text: str) -> bytes:
    """The code of a module as Python understands it."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text.encode()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree).encode()


def instructions(code: CodeType) -> bytes:
    """Compiled code without its place in a file."""
    parts = [code.co_code, repr((code.co_names, code.co_varnames, code.co_freevars)).encode()]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            parts.append(instructions(constant))
        else:
            # The order of a set of constants is another in every process.
            parts.append(
                repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant).encode()
            )
    return b"\0".join(parts)


def globals_read(code: CodeType) -> list[str]:
    """Names of its module that compiled code reads, functions within it included; sorted."""
    return sorted(
        {one.argval for inner in _nested(code) for one in dis.get_instructions(inner) if one.opname in GLOBAL}
    )


def attributes_read(code: CodeType) -> list[str]:
    """Every name that compiled code mentions, attributes included; sorted."""
    return sorted({name for inner in _nested(code) for name in inner.co_names})


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def comes_from(function: FunctionType, path: Path) -> bool:
    """Whether a function was read from a file, rather than typed in elsewhere."""
    return Path(function.__code__.co_filename).resolve() == path


def stands_in(function: FunctionType, path: Path) -> bool:
    """Whether a file still holds a function as it runs; not after the file was edited."""
    written = _compiled(path.read_text(encoding="utf-8", errors="replace"))
    return instructions(function.__code__) in written.get(function.__code__.co_qualname, ())


@functools.lru_cache(maxsize=256)
def _compiled(text: str) -> dict[str, set[bytes]]:
    """Qualified name -> code of the functions of that name in a module."""
    found: dict[str, set[bytes]] = {}
    try:
        whole = compile(text, "module", "exec")
    except SyntaxError:
        return found
    for inner in _nested(whole):
        found.setdefault(inner.co_qualname, set()).add(instructions(inner))
    return found


def _imported(text: str, module: ModuleType | None) -> Iterator[str]:
    """Modules that a text imports, wherever in it."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    package = getattr(module, "__package__", None) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
            "import_module",
            "__import__",
        ):
            given = node.args[0] if node.args else None
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield given.value


def _referred(module: ModuleType | None) -> Iterator[str]:
    """Modules of the things that a loaded module has names for."""
    for value in vars(module).values() if module is not None else ():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str):
            yield name


def _users_file(name: str) -> Path | None:
    """File of a module of the user's, loaded or not; None of others."""
    if name in sys.modules:
        return file_of(sys.modules[name]) if is_users(name) else None
    if not name or name.partition(".")[0] in (*SHIPPED, *sys.stdlib_module_names):
        return None
    if "." in name and name.rpartition(".")[0] not in sys.modules:
        return None  # to look for it would import what it stands in
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    origin = spec.origin if spec is not None else None
    if origin is None or not origin.endswith(".py") or is_installed(origin):
        return None
    return Path(origin).resolve()
