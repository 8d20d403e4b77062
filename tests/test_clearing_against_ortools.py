"""The kernel against OR-tools' cost-scaling flow solver, a different algorithm in integers.

In a process of its own: highspy, which the other tests use, and OR-tools do not bear one another.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMPARE = """
import sys
from ortools.graph.python import min_cost_flow
sys.path[:0] = ["benchmarks", "tests"]
import clearing_books, kernel_peers
from sim.clearing import clear

compared = 0
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    book, network = clearing_books.random_case(seed)
    clearing = clear(book, network)
    scales = list(network._kept().common.values())
    # Costs of odd wattages pass what that solver can scale by the number of its nodes.
    if not scales or scales[0] is None or scales[0].scale > 10**9:
        continue
    _, value = kernel_peers.simple_min_cost_flow(book, network)
    assert abs(value - clearing.surplus / 100) <= 1e-9 * (1 + abs(value)), (seed, value, clearing.surplus)
    compared += 1
print(compared)
"""


@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="tests run outside a checkout")
@pytest.mark.parametrize("block", range(2))
def test_random_books(block):
    arguments = [sys.executable, "-c", COMPARE, str(200 * block), str(200 * block + 200)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) >= 100
