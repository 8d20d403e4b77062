"""`make attack`: try to make firesale lose a result or print a wrong number, and count what came of it.

Every attack is a module of this folder with a constant `ATTACK`; a new one is one module and one line below. All are seeded:
the same count and seed give the same report.

Usage: ``PYTHONPATH=. python -m tests.attack [--small] [--only NAME ...] [--count N] [--seed SEED]``. It ends with exit code 1
if any attack found something.
"""

import argparse
import importlib
import os
import sys
import time

from tests.attack.attack import Attack, Report

MODULES = (
    "books",
    "damage",
    "definition_files",
    "folder_trees",
    "hostile_names",
    "legal_points",
    "misattribution",
    "mutants",
    "user_tables",
)


def main() -> int:
    """Run the attacks that were asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests.attack", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="the smaller counts, which .ci/run takes")
    parser.add_argument("--only", nargs="*", choices=MODULES, default=MODULES, help="these attacks alone")
    parser.add_argument("--count", type=int, help="another number of tries")
    parser.add_argument("--seed", type=int, default=12, help="another seed (default: 12)")
    asked = parser.parse_args()
    found = 0
    began = time.perf_counter()
    for name in asked.only:
        attack: Attack = importlib.import_module(f"tests.attack.{name}").ATTACK
        count = asked.count or (attack.small if asked.small else attack.full)
        start = time.perf_counter()
        report: Report = attack.run(count, asked.seed)
        print(f"== {name}: {attack.what}")
        print(report.text())
        print(f"   {time.perf_counter() - start:.0f} s", flush=True)
        found += len(report.faults)
    print(f"{found} faults; {sum(os.times()[:4]):.0f} CPU s in {time.perf_counter() - began:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
