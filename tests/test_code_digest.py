"""Runs of a user's own function are computed anew when what it computes with has changed: six ways, and not for a comment."""

import functools
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from experiments.design.plan import plan_of
from experiments.runs.code_digest import code_digest, edited_files, held_digest
from experiments.sweep.engine import SweepError, sweep

HELPER = """
FACTOR = 2.0


def scaled(value):
    return FACTOR * value
"""
RULES = '''
"""Run functions of a user's own."""

from functools import partial

import helper_of_mine


def plain(parameters, seed, replication):
    return {"y": parameters["a"] + 1.0}, {}


def with_helper(parameters, seed, replication):
    """Uses another module."""
    return {"y": helper_of_mine.scaled(parameters["a"])}, {}


def with_default(parameters, seed, replication, step=1.0):
    return {"y": parameters["a"] + step}, {}


def closure(step):
    def run(parameters, seed, replication):
        return {"y": parameters["a"] + step}, {}

    return run


class Task:
    def __init__(self, step):
        self.step = step

    def __call__(self, parameters, seed, replication):
        return {"y": parameters["a"] + self.step}, {}


stepped = partial(with_default, step=2.0)
in_closure = closure(1.0)
task = Task(1.0)
'''
# What each function is, and a change that makes it compute something else.
CHANGES = {
    "plain": ("rules_of_mine", 'parameters["a"] + 1.0', 'parameters["a"] + 2.0'),
    "with_helper": ("helper_of_mine", "FACTOR = 2.0", "FACTOR = 3.0"),
    "with_default": ("rules_of_mine", "step=1.0", "step=4.0"),
    "stepped": ("rules_of_mine", "step=2.0", "step=5.0"),
    "in_closure": ("rules_of_mine", "closure(1.0)", "closure(6.0)"),
    "task": ("rules_of_mine", "Task(1.0)", "Task(7.0)"),
}


class Users:
    """A user's two modules, edited and loaded again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = {"rules_of_mine": RULES, "helper_of_mine": HELPER}
        self.write()

    def write(self) -> None:
        for name, text in self.text.items():
            (self.folder / f"{name}.py").write_text(text, encoding="utf-8")
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def change(self, name: str, old: str, new: str) -> None:
        assert old in self.text[name]
        self.text[name] = self.text[name].replace(old, new)
        self.write()

    @property
    def rules(self) -> ModuleType:
        return importlib.import_module("rules_of_mine")


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Users]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Users(tmp_path)
    for name in ("rules_of_mine", "helper_of_mine"):
        sys.modules.pop(name, None)


def computed(run: Callable[..., object], folder: Path) -> int:
    plan = plan_of([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}], replications={"count": 2}, seed=5)
    return sweep(plan, run, folder / "out", executor=0).progress.done  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_rule_recomputes(users: Users, tmp_path: Path, name: str) -> None:
    assert computed(getattr(users.rules, name), tmp_path) == 6
    users.write()
    assert computed(getattr(users.rules, name), tmp_path) == 0
    users.change(*CHANGES[name])
    assert computed(getattr(users.rules, name), tmp_path) == 6


@pytest.mark.parametrize("name", CHANGES)
def test_a_comment_or_a_docstring_does_not(users: Users, tmp_path: Path, name: str) -> None:
    before = code_digest(getattr(users.rules, name))
    users.change("rules_of_mine", "Uses another module.", "Says something else.")
    users.change("helper_of_mine", "FACTOR = 2.0", "FACTOR = 2.0  # a factor")
    assert code_digest(getattr(users.rules, name)) == before


def test_a_bound_method_counts_with_its_object(users: Users) -> None:
    task = users.rules.Task
    assert (
        code_digest(task(1.0).__call__) == code_digest(task(1.0).__call__) != code_digest(task(2.0).__call__)
    )


def test_code_without_a_file_counts_as_it_is_compiled() -> None:
    def typed(text: str) -> Callable[..., object]:
        scope: dict[str, object] = {"__name__": "a_notebook"}
        exec(text, scope)
        return scope["run"]  # type: ignore[return-value]

    one = "def step(a):\n    return a + {n}\ndef run(p, seed, replication):\n    return {{'y': step(p['a'])}}, {{}}\n"
    digests = {code_digest(typed(one.format(n=n))) for n in (1, 1, 2)}
    assert len(digests) == 2


def test_what_cannot_be_written_down_is_never_reused() -> None:
    one, other = (functools.partial(len, threading.Lock()) for _ in range(2))
    assert code_digest(one) == code_digest(one) != code_digest(other)


TYPED = """
LIMIT = 1.0
class Rule:
    bound = 2.0
    def __call__(self, p, seed, replication):
        return {"y": LIMIT * p["a"] + self.bound}, {}
def run(p, seed, replication):
    return {"y": LIMIT * p["a"]}, {}
def make(step):
    class Made:
        def __call__(self, p, seed, replication):
            return {"y": p["a"] + step}, {}
    return Made
"""


def typed(text: str = TYPED) -> dict[str, object]:
    scope: dict[str, object] = {"__name__": "a_notebook"}
    exec(text, scope)
    return scope


def test_values_under_names_that_are_read_count() -> None:
    one, other = typed(), typed(TYPED.replace("LIMIT = 1.0", "LIMIT = 3.0"))
    for name in ("run", "Rule"):
        assert code_digest(one[name]) == code_digest(typed()[name]) != code_digest(other[name])
    one["LIMIT"] = 3.0
    assert held_digest(one["run"]) == held_digest(other["run"]) != held_digest(typed()["run"])


def test_attributes_and_methods_of_a_class_count() -> None:
    one = typed()["Rule"]
    changed = typed()["Rule"]
    changed.bound = 3.0  # type: ignore[attr-defined]
    patched = typed()["Rule"]
    patched.__call__ = typed()["run"]  # type: ignore[attr-defined]
    assert len({code_digest(kind) for kind in (one, changed, patched)}) == 3


def test_what_a_factory_was_given_counts() -> None:
    make = typed()["make"]
    assert code_digest(make(7)) == code_digest(make(7)) != code_digest(make(1))  # type: ignore[operator]


def test_a_neighbour_of_a_neighbour_counts() -> None:
    text = "def last(a): return a + {n}\ndef next_(a): return last(a)\ndef run(p, seed, replication): return next_(p), {{}}\n"
    assert code_digest(typed(text.format(n=1))["run"]) != code_digest(typed(text.format(n=2))["run"])


def test_what_is_held_is_the_same_in_every_process() -> None:
    asked = (
        "from functools import partial\n"
        "from experiments.runs.code_digest import code_digest\n"
        "print(code_digest(partial(max, {'b', 'a', 'c'}, frozenset({'x', 'y'}), {'k': 1, 'j': (1, 2.5)})))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", asked],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


WAYS = {
    "a class above it": "class U:\n    def rate(self): return {n}\nclass run(U):\n    def __call__(self): return self.rate()\n",
    "a default of a helper": "def helper(x={n}): return x\ndef run(): return helper()\n",
    "a keyword default of a helper": "def helper(*, x={n}): return x\ndef run(): return helper()\n",
    "a method of a helper object": "class H:\n    def f(self): return {n}\nh = H()\ndef run(): return h.f()\n",
    "a cached helper": "import functools\n@functools.lru_cache\ndef helper(): return {n}\ndef run(): return helper()\n",
    "a cell of a frame": "import pandas as pd\nf = pd.DataFrame(dict(a=[1.0, {n}]))\ndef run(): return f\n",
    "a value in a comprehension": "N = {n}\ndef run(): return [N for _ in range(3)]\n",
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_typed_code_reaches_counts(way: str) -> None:
    one, again, other = (code_digest(typed(WAYS[way].format(n=n))["run"]) for n in (1, 1, 2))
    assert one == again != other


LAZY = """
def run(parameters, seed, replication):
    import helper_of_mine
    return {"y": helper_of_mine.scaled(parameters["a"])}, {}


def by_text(parameters, seed, replication):
    import importlib
    return {"y": importlib.import_module("helper_of_mine").scaled(parameters["a"])}, {}
"""


@pytest.mark.parametrize("name", ["run", "by_text"])
def test_a_module_imported_inside_a_function_counts(users: Users, name: str) -> None:
    users.text["rules_of_mine"] = LAZY
    users.write()
    before = code_digest(getattr(users.rules, name))
    users.change("helper_of_mine", "FACTOR = 2.0", "FACTOR = 3.0")
    assert code_digest(getattr(users.rules, name)) != before


def test_a_module_edited_after_its_import_counts_as_it_was_imported(users: Users) -> None:
    loaded = users.rules.plain
    path = users.folder / "rules_of_mine.py"
    path.write_text(RULES.replace("+ 1.0", "+ 2.0"), encoding="utf-8")
    stale = code_digest(loaded)
    users.change(*CHANGES["plain"])
    assert code_digest(users.rules.plain) != stale


@pytest.mark.parametrize("name", ["plain", "with_helper"])
def test_code_that_its_file_no_longer_holds_is_not_sent_to_workers(
    users: Users, tmp_path: Path, name: str
) -> None:
    module, old, new = (
        CHANGES["plain"] if name == "plain" else ("helper_of_mine", "FACTOR * value", "-FACTOR * value")
    )
    rule = getattr(users.rules, name)
    path = users.folder / f"{module}.py"
    commented = users.text[module] + "\n# a comment\n"
    path.write_text(commented, encoding="utf-8")
    assert edited_files(rule) == []
    path.write_text(commented.replace(old, new), encoding="utf-8")
    assert edited_files(rule) == [path.resolve()]
    plan = plan_of([{"a": 1.0}], replications={"count": 1})
    with pytest.raises(SweepError, match=rf"{module}\.py was edited after it was imported"):
        sweep(plan, rule, tmp_path / "out", executor=2)
    assert sweep(plan, rule, tmp_path / "out", executor=0).progress.done == 1


def test_no_number_of_a_thing_that_is_gone_is_mistaken_for_another() -> None:
    """Temporary things share addresses in memory; each counts."""
    texts = [
        f"def g(x={n}): return x\ndef h(x={n}): return x\ndef run(): return g() + h()\n" for n in range(200)
    ]
    assert len({code_digest(typed(text)["run"]) for text in texts}) == 200
