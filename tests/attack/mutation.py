"""Mutants of a module: its syntax tree with one small wrong, such as `<` for `<=` or a statement that is gone.

Words, types, decorators, declarations of enumerations and what an error says are left alone: no law hangs on them. A mutant is
named by its function and by what was changed, so that the name stays when other lines move.
"""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
OPPOSITES = {
    "min": "max",
    "minimum": "maximum",
    "fmin": "fmax",
    "floor": "ceil",
    "any": "all",
    "argmin": "argmax",
    "max": "min",
    "maximum": "minimum",
    "fmax": "fmin",
    "ceil": "floor",
    "all": "any",
    "argmax": "argmin",
}
SYMMETRIC = frozenset(OPPOSITES) | {"union1d", "array_equal", "dot", "clip"}
# Calls of words: the unit and the meaning of a column. Numbers in them, its bounds, are made wrong as all others.
WORDED = {"Declared"}
# Keywords that guard the program or choose a type, and state no law of the model.
LEFT_ALONE = frozenset({"dtype", "strict", "slots", "frozen", "init", "repr", "compare", "copy"})
LARGER = 10_000

Change = Callable[[ast.AST], ast.AST]
Place = tuple[int, str, int | None]  # position of the parent in the walk, field, and index in a list


@dataclass(frozen=True)
class Site:
    """Where something can be wrong, and what: the node, its place in the tree, its statement, and the change."""

    node: ast.AST
    place: Place
    change: Change
    function: str
    statement: ast.stmt


@dataclass(frozen=True)
class Mutant:
    """One wrong in one place.

    Attributes
    ----------
    name
        Function and change; unique in its module.
    source
        The module without the wrong.
    site
        Where it is.
    """

    name: str
    source: str
    site: Site

    @property
    def lines(self) -> tuple[int, int]:
        """First and last line of the statement; of a function the whole, for any line tells that it ran."""
        statement = self.site.statement
        last = statement.end_lineno or statement.lineno
        body = getattr(statement, "body", None)
        if body and not isinstance(statement, ast.FunctionDef):
            last = max(body[0].lineno - 1, statement.lineno)
        return statement.lineno, last

    @property
    def constant(self) -> str:
        """Name of the constant of the module that it changes, empty within functions."""
        statement = self.site.statement
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        return names[0] if names and not self.site.function else ""

    def tree(self) -> ast.Module:
        """The module's syntax tree with the wrong in it."""
        tree = ast.parse(self.source)
        parent, field, index = self.site.place
        node = list(ast.walk(tree))[parent]
        if index is None:
            setattr(node, field, self.site.change(getattr(node, field)))
        else:
            getattr(node, field)[index] = self.site.change(getattr(node, field)[index])
        return ast.fix_missing_locations(tree)

    def statements(self) -> tuple[str, str]:
        """The statement without and with the wrong, in one line each."""
        line, column = self.site.statement.lineno, self.site.statement.col_offset
        there = (node for node in ast.walk(self.tree()) if isinstance(node, ast.stmt))
        after = next(node for node in there if (node.lineno, node.col_offset) == (line, column))
        return _header(self.site.statement), _header(after)


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for site in _sites(ast.parse(source)):
        name = f"{site.function}: {_header(site.node)[:110]} => {_header(site.change(copy.deepcopy(site.node)))[:110]}"
        seen[name] += 1
        found.append(Mutant(name if seen[name] == 1 else f"{name} #{seen[name]}", source, site))
    return sorted(found, key=lambda mutant: mutant.lines)


def _header(node: ast.AST) -> str:
    """A node in one line, a compound statement without what is in it."""
    return ast.unparse(node).replace("\n", " ")[:200] if not hasattr(node, "body") else _head(node)


def _head(node: ast.AST) -> str:
    if isinstance(node, ast.FunctionDef):
        body = [n for n in node.body if not _is_text(n)]
        return f"def {node.name}: {ast.unparse(body[0]).splitlines()[0] if body else ''}"
    return ast.unparse(node).splitlines()[0]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


# -- where something can be wrong ------------------------------------------------------------------------------


def _sites(tree: ast.Module) -> Iterator[Site]:
    position = {id(node): i for i, node in enumerate(ast.walk(tree))}

    def visit(node: ast.AST, function: str, statement: ast.stmt) -> Iterator[Site]:
        for field, value in ast.iter_fields(node):
            if _left_alone(node, field):
                continue
            children = value if isinstance(value, list) else [value]
            for index, child in enumerate(children):
                if not isinstance(child, ast.AST):
                    continue
                inside, here = function, statement
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    inside = f"{function}.{child.name}".lstrip(".")
                if isinstance(child, ast.stmt):
                    here = child
                place = (position[id(node)], field, index if isinstance(value, list) else None)
                for change in _changes(child, function):
                    yield Site(child, place, change, inside, here)
                if not _skipped(child):
                    yield from visit(child, inside, here)

    yield from visit(tree, "", tree.body[0])


def _left_alone(node: ast.AST, field: str) -> bool:
    return field in ("annotation", "returns", "decorator_list", "bases", "type_params", "format_spec", "ctx")


def _skipped(node: ast.AST) -> bool:
    """What is not looked into."""
    if isinstance(node, ast.Raise | ast.JoinedStr) or _is_text(node):
        return True
    if isinstance(node, ast.keyword):
        return node.arg in LEFT_ALONE
    if isinstance(node, ast.ClassDef):
        return any(ast.unparse(base).endswith("Enum") for base in node.bases)
    # Declared fields and aliases of types.
    return isinstance(node, ast.AnnAssign) and "Callable" in ast.unparse(node.annotation)


def _changes(node: ast.AST, function: str) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        yield from _compared(node)
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        yield from _computed(node)
    elif isinstance(node, ast.Constant):
        yield from _numbers(node)
    elif isinstance(node, ast.BoolOp):
        yield _setting(op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp):
        yield lambda old: old.operand  # type: ignore[attr-defined]
    elif isinstance(node, ast.If | ast.IfExp):
        yield _setting(test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.For | ast.comprehension):
        rest = ast.Subscript(
            ast.Call(ast.Name("list", ast.Load()), [node.iter], []),
            ast.Slice(lower=ast.Constant(1)),
            ast.Load(),
        )
        yield _setting(iter=rest)
    elif isinstance(node, ast.Call):
        yield from _called(node)
    elif isinstance(node, ast.FunctionDef):
        text = [line for line in node.body[:1] if _is_text(line)]
        yield _setting(body=[*text, ast.Return()])
    if function and _can_go(node):
        yield lambda old: ast.copy_location(ast.Pass(), old)  # type: ignore[type-var]


def _setting(**fields: object) -> Change:
    """The same node with other fields."""

    def change(old: ast.AST) -> ast.AST:
        for name, value in fields.items():
            setattr(old, name, copy.deepcopy(value))
        return old

    return change


def _can_go(node: ast.AST) -> bool:
    """Statements that may be forgotten: calls for their effect, writes into what is there, raises, exits of a loop."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break)


def _compared(node: ast.Compare) -> Iterator[Change]:
    for i, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield _setting(ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])


def _computed(node: ast.BinOp | ast.AugAssign) -> Iterator[Change]:
    other = ARITHMETIC.get(type(node.op))
    if other is not None:
        yield _setting(op=other())


def _numbers(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield _setting(value=not node.value)
    elif isinstance(node.value, int | float):
        yield _setting(value=node.value + 1)
        if node.value:
            yield _setting(value=node.value * LARGER)


def _called(node: ast.Call) -> Iterator[Change]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in OPPOSITES:
        other = copy.deepcopy(node.func)
        setattr(other, "attr" if isinstance(other, ast.Attribute) else "id", OPPOSITES[name])
        yield _setting(func=other)
    if name in SYMMETRIC | WORDED or any(isinstance(a, ast.Starred) for a in node.args) or len(node.args) < 2:
        return
    # Of a choice the two that are chosen from, of anything else the first two.
    first = 1 if name == "where" else 0
    if len({ast.unparse(argument) for argument in node.args[first : first + 2]}) < 2:
        return
    swapped = [*node.args]
    swapped[first : first + 2] = swapped[first : first + 2][::-1]
    yield _setting(args=swapped)
