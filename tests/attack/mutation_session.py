"""A pytest plugin that collects tests once and then runs them in a fork for each mutant, the likeliest to notice first.

The fork has the mutant in the place of the module: the code of every function is exchanged in the function itself, so all who
have imported it run the mutant. Files are never changed. A first fork without a mutant says which tests run which lines.
"""

import ast
import contextlib
import json
import os
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.doctest import DoctestItem
from hypothesis import Phase, settings

from tests.attack.mutation import Mutant, mutants_of

PLAN = "FIRESALE_MUTATION_PLAN"
MEMORY_BYTES = 8 << 30
# CPU seconds: a mutant that takes this many times the tests' own time, and some seconds, hangs.
SLOWER, AT_LEAST = 5, 10
# A mutant that waits for ever uses no CPU; on a busy machine others take so many times their CPU time.
WAITING = 20
TOOL = sys.monitoring.PROFILER_ID


@dataclass
class Measured:
    """What the tests did with nothing wrong: those that failed, lines run, and seconds."""

    failed: list[str] = field(default_factory=list)
    lines: dict[int, list[int]] = field(default_factory=dict)  # line -> tests
    setup: dict[str, float] = field(default_factory=dict)  # file -> seconds
    call: list[float] = field(default_factory=list)


def pytest_sessionstart() -> None:
    """Once an example fails the test has noticed: a smaller example is not looked for."""
    settings.register_profile(
        "noticing", settings.get_profile("repeatable"), phases=(Phase.explicit, Phase.generate)
    )
    settings.load_profile("noticing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the module itself the examples are run; a function of it that is called `test...` is no test."""
    items[:] = [item for item in items if isinstance(item, DoctestItem) or item.path.name.startswith("test_")]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Measure, then run the tests for each mutant of the plan; verdicts go to the plan's answer file."""
    plan = json.loads(Path(os.environ[PLAN]).read_text())
    source = Path(plan["file"])
    module = sys.modules[plan["module"]]
    measured = _measure(session, module)
    answer: dict[str, Any] = {"failed": measured.failed, "tests": len(session.items), "verdicts": {}}
    if not measured.failed:
        wanted = set(plan["names"])
        mutants = [mutant for mutant in mutants_of(source.read_text()) if mutant.name in wanted]
        seconds = AT_LEAST + SLOWER * (sum(measured.setup.values()) + sum(measured.call))
        judge = _Judge(session, module, measured, int(seconds))
        if judge.dies(ast.parse(source.read_text())):
            answer["failed"] = ["every test, or some, once the module is put in its own place"]
        answer["verdicts"] = judge.verdicts(mutants)
    Path(plan["answer"]).write_text(json.dumps(answer))
    return True


@dataclass(frozen=True)
class _Judge:
    """Runs the tests against what is put in the place of the module, for so many CPU seconds at most."""

    session: pytest.Session
    module: ModuleType
    measured: Measured
    seconds: int

    def dies(self, tree: ast.Module) -> bool:
        """Whether any test fails; it must not for the module itself, or every mutant would be killed."""
        _, status = os.waitpid(self._start(tree, "", list(range(len(self.session.items)))), 0)
        return status != 0

    def verdicts(self, mutants: list[Mutant]) -> dict[str, str]:
        """Name of each mutant -> what the tests say of it."""
        at_once = min(2, len(os.sched_getaffinity(0)))
        found: dict[str, str] = {}
        running: dict[int, str] = {}

        def wait() -> None:
            pid, status = os.wait()
            code = os.waitstatus_to_exitcode(status)
            found[running.pop(pid)] = {0: "survived", 1: "killed"}.get(code, "killed: died or hung")

        for mutant in mutants:
            tests = _order(self.session, mutant, self.measured)
            if not tests:
                found[mutant.name] = "survived: no test runs it"
                continue
            while len(running) >= at_once:
                wait()
            running[self._start(mutant.tree(), mutant.constant, tests)] = mutant.name
        while running:
            wait()
        return found

    def _start(self, tree: ast.Module, constant: str, tests: list[int]) -> int:
        def body() -> int:
            resource.setrlimit(resource.RLIMIT_CPU, (self.seconds, self.seconds))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            signal.alarm(self.seconds * WAITING)
            exchange(self.module, tree, constant)
            return int(_run(self.session, tests))

        return _fork(body)


def _fork(body: Callable[[], int]) -> int:
    """Run a function in a fork that says nothing; returns its process."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    with contextlib.suppress(BaseException):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        code = body()
    os._exit(code)


def _run(session: pytest.Session, tests: list[int]) -> bool:
    """Run tests until one fails; returns whether one did."""
    items = [session.items[i] for i in tests]
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return True
    return False


def _order(session: pytest.Session, mutant: Mutant, measured: Measured) -> list[int]:
    """Tests to run: of each file in which the mutant's lines are run, those that run them first; cheap files first."""
    every = range(len(session.items))
    first, last = mutant.lines
    direct = {i for line in range(first, last + 1) for i in measured.lines.get(line, ())}
    if mutant.constant or not mutant.name.split(":")[0]:
        direct = set(every)
    files = {str(session.items[i].path) for i in direct}

    def cost(i: int) -> tuple[float, str, bool, float]:
        file = str(session.items[i].path)
        return measured.setup[file], file, i not in direct, measured.call[i]

    return sorted((i for i in every if str(session.items[i].path) in files), key=cost)


# -- what the tests run ------------------------------------------------------------------------------------------


def _measure(session: pytest.Session, module: ModuleType) -> Measured:
    read, write = os.pipe()

    def body() -> int:
        found = _traced(session, module)
        with os.fdopen(write, "w") as out:
            json.dump(vars(found), out)
        return 0

    pid = _fork(body)
    os.close(write)
    with os.fdopen(read) as told:
        text = told.read()
    os.waitpid(pid, 0)
    if not text:
        return Measured(["the process that ran them died"])
    found = Measured(**json.loads(text))
    found.lines = {int(line): tests for line, tests in found.lines.items()}
    return found


def _traced(session: pytest.Session, module: ModuleType) -> Measured:
    """Run every test once and note the lines of the module that it runs."""
    lines: dict[int, set[int]] = defaultdict(set)
    now = 0

    def ran(code: CodeType, line: int) -> object:
        lines[line].add(now)
        return sys.monitoring.DISABLE

    sys.monitoring.use_tool_id(TOOL, "mutants")
    sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, ran)
    for function in _functions(vars(module), module.__name__).values():
        for code in _codes(function.__code__):
            sys.monitoring.set_local_events(TOOL, code, sys.monitoring.events.LINE)
    setup: dict[str, float] = defaultdict(float)
    call = []
    items = session.items
    watch = _Stopwatch()
    session.config.pluginmanager.register(watch)
    for now, item in enumerate(items):
        sys.monitoring.restart_events()
        watch.spent.clear()
        item.config.hook.pytest_runtest_protocol(
            item=item, nextitem=items[now + 1] if now + 1 < len(items) else None
        )
        setup[str(item.path)] += watch.spent["setup"]
        call.append(watch.spent["call"])
    sys.monitoring.free_tool_id(TOOL)
    tests = {line: sorted(run) for line, run in lines.items()}
    return Measured(watch.failed, tests, dict(setup), call)


class _Stopwatch:
    """Seconds of the phases of a test, and tests that failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.spent: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.spent[report.when] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)


# -- the mutant in the place of the module -------------------------------------------------------------------------


def exchange(module: ModuleType, tree: ast.Module, constant: str = "") -> None:
    """Give the functions of a loaded module the code of another, and all who use a constant of it the other's value."""
    other: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(tree, str(module.__file__), "exec"), other)
    theirs = _functions(other, module.__name__)
    for name, function in _functions(vars(module), module.__name__).items():
        function.__code__ = theirs[name].__code__
        function.__defaults__, function.__kwdefaults__ = (
            theirs[name].__defaults__,
            theirs[name].__kwdefaults__,
        )
    if constant:
        old = getattr(module, constant)
        for user in list(sys.modules.values()):
            if vars(user).get(constant) is old:
                setattr(user, constant, other[constant])


def _functions(names: dict[str, Any], module: str) -> dict[str, FunctionType]:
    """Every function that a module defines, those in its classes with their class's name."""
    return dict(_found(names, module, ""))


def _found(names: Any, module: str, inside: str) -> Iterator[tuple[str, FunctionType]]:
    for name, value in list(names.items()):
        plain = getattr(value, "__func__", getattr(value, "fget", getattr(value, "__wrapped__", value)))
        if (
            isinstance(plain, FunctionType)
            and plain.__module__ == module
            and "<" not in plain.__code__.co_filename
        ):
            yield f"{inside}{name}", plain
        elif isinstance(value, type) and value.__module__ == module:
            yield from _found(vars(value), module, f"{name}.")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
