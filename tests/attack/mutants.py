"""Do the tests notice? Modules that move money, title and value are made wrong in one place, and their own tests must fail.

`MODULES` names each module and its own tests. `EQUIVALENT` lists wrongs that are none, each with its reason; they are never
drawn. Every other mutant that no test kills counts, and a module of which fewer than 95 % are killed is a fault.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.attack.attack import Attack, Report
from tests.attack.equivalent_mutants import EQUIVALENT
from tests.attack.mutation import Mutant, mutants_of
from tests.attack.mutation_session import PLAN

ROOT = Path(__file__).parents[2]
KILLED_SHARE = 0.95
MODULES = {
    "sim.state.ledger": ("test_ledger",),
    "sim.market.settlement": ("test_settlement", "test_settlement_proceeds"),
    "sim.origination.sizing": ("test_origination",),
    "sim.origination.pricing": ("test_origination",),
    "sim.origination.pool": ("test_origination",),
    "sim.debt.waterfall": ("test_waterfall",),
    "sim.debt.facilities": ("test_facilities",),
    "agents.valuation": ("test_valuation",),
    "sim.discount.anatomy": ("test_anatomy_columns",),
    "sim.discount.arcs": ("test_arcs",),
    "sim.discount.collateral": ("test_collateral_prices",),
    "sim.discount.relaxation": ("test_relaxation",),
    "sim.discount.shapley": ("test_shapley_games",),
    "sim.discount.three_prices": ("test_three_prices",),
}


def run(count: int, seed: int) -> Report:
    """Draw `count` mutants, as many of each module, and let the module's own tests judge them."""
    report = Report()
    each = -(-count // len(MODULES))
    for module in MODULES:
        judge(report, module, drawn(module, each, seed))
    return report


def file_of(module: str) -> Path:
    """Source of a module."""
    return ROOT / f"{module.replace('.', '/')}.py"


def drawn(module: str, count: int, seed: int) -> list[Mutant]:
    """Some of the mutants of a module that are not equivalent to it, the same for a seed.

    Raises
    ------
    KeyError
        A mutant is said to be equivalent that the module has no more.
    """
    same, made = EQUIVALENT.get(module, {}), mutants_of(file_of(module).read_text())
    gone = same.keys() - {mutant.name for mutant in made}
    if gone:
        raise KeyError(f"{module} has no mutant {min(gone)!r}; equivalent_mutants.py names it")
    every = [mutant for mutant in made if mutant.name not in same]
    return random.Random(f"{seed} {module}").sample(every, min(count, len(every)))


def judge(report: Report, module: str, mutants: list[Mutant]) -> None:
    """Run the module's tests against its mutants and write down what came of it."""
    start = time.perf_counter()
    answer = verdicts(module, mutants)
    if answer["failed"]:
        report.faults.append(f"{module}: with nothing wrong this fails: {', '.join(answer['failed'])}")
        return
    found: dict[str, str] = answer["verdicts"]
    survived = [mutant for mutant in mutants if found[mutant.name].startswith("survived")]
    killed = len(mutants) - len(survived)
    report.counts["made"] += len(mutants)
    report.counts["killed"] += killed
    report.lines.append(
        f"{module:<28} {killed:>4} of {len(mutants):>4} killed by {answer['tests']:>3} tests"
        f" in {time.perf_counter() - start:.0f} s; {len(EQUIVALENT.get(module, {}))} equivalent are never drawn"
    )
    for mutant in survived:
        before, after = mutant.statements()
        report.lines += [
            f"   {module}, line {mutant.lines[0]}, {mutant.name}: {found[mutant.name]}",
            f"      - {before}",
            f"      + {after}",
        ]
    if killed < KILLED_SHARE * len(mutants):
        report.faults.append(f"{module}: {killed} of {len(mutants)} killed; {KILLED_SHARE:.0%} are required")


def verdicts(module: str, mutants: list[Mutant]) -> dict:
    """What the tests of a module say of mutants, from one pytest process that forks for each."""
    with tempfile.TemporaryDirectory() as folder:
        plan, answer = Path(folder) / "plan.json", Path(folder) / "answer.json"
        names = [mutant.name for mutant in mutants]
        told = {"module": module, "file": str(file_of(module)), "names": names, "answer": str(answer)}
        plan.write_text(json.dumps(told))
        tests = [f"tests/{name}.py" for name in MODULES[module]]
        options = (
            "-q",
            "-s",
            "--assert=plain",
            "--tb=native",
            "-p",
            "no:cacheprovider",
            "-p",
            "tests.attack.mutation_session",
        )
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, "-m", "not slow", str(file_of(module)), *tests],
            cwd=ROOT,
            env=os.environ | {PLAN: str(plan), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if not answer.exists():
            raise RuntimeError(f"{module}: pytest ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return json.loads(answer.read_text())


ATTACK = Attack(
    what="modules made wrong in one place; 95 % of the wrongs are noticed by the module's own tests",
    full=40 * len(MODULES),
    small=4 * len(MODULES),
    run=run,
)
