"""Benchmarks in one process: what a week costs beside Mesa's own loop, a whole scenario, memory kept, the command's start.

Seconds depend on the machine and on what else it does; the multiple of an empty `shuffle_do` over the same agents does so
much less, because both are timed side by side.
"""

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from experiments.design.scenario import load
from experiments.runs.run import simulate
from sim.model import FireSaleModel
from sim.parameters import Parameters

# About a thousand agents in the default proportions of operators to lenders and dealers.
THOUSAND_AGENTS = {
    "world.miners": 380,
    "world.neo_clouds": 500,
    "world.lenders": 40,
    "world.liquidators": 20,
    "world.hyperscalers": 10,
    "world.enterprises": 40,
    "world.exporters": 8,
    "world.salvagers": 1,
    "clock.weeks": 60,
}
WARM_WEEKS, TIMED_WEEKS = 4, 8
SMALL_WORLD = {"clock.weeks": 2}
MODELS = 100


def report(say: Callable[[str], None]) -> None:
    """Run every benchmark and say each result in one line, with its aim."""
    _week(say)
    _scenario(say)
    _credit(say)
    _scaling(say)
    _memory(say)
    _start(say)


def _week(say: Callable[[str], None]) -> None:
    model = FireSaleModel(Parameters.from_overrides(THOUSAND_AGENTS), rng=7)
    model.run_for(WARM_WEEKS)
    before = dict(model.timings)
    weeks, loops = [], []
    for _ in range(TIMED_WEEKS):
        loops.append(_seconds(lambda: model.agents.shuffle_do(_nothing)))
        weeks.append(_seconds(lambda: model.run_for(1)))
    week, loop = statistics.median(weeks), statistics.median(loops)
    say(
        f"a week of {len(model.agents)} agents: {week * 1e3:.1f} ms, {week / loop:.0f} times "
        f"an empty shuffle_do of {loop * 1e3:.2f} ms (aim 40)"
    )
    for name, seconds in model.timings.items():
        spent = (seconds - before.get(name, 0.0)) / TIMED_WEEKS
        say(f"    {name:<14} {spent * 1e3:7.2f} ms  {spent / loop:6.1f} times")


def _scenario(say: Callable[[str], None]) -> None:
    parameters = load("ten_thousand_h100").parameters()
    seconds = _seconds(lambda: simulate(parameters, 7))
    say(f"{parameters.clock.weeks} weeks of ten_thousand_h100: {seconds:.2f} s (aim about 2 s)")


def _credit(say: Callable[[str], None]) -> None:
    """Five years of a funding shock, and what the checks of every week cost of it."""
    parameters = load("credit_crisis").parameters()
    model = FireSaleModel(parameters, rng=7)
    seconds = _seconds(lambda: model.run_for(parameters.clock.weeks))
    apart = sum(model.timings.get(name, 0.0) for name in ("anatomy", "collateral"))
    say(
        f"{parameters.clock.weeks} weeks of credit_crisis: {seconds:.2f} s (aim about 4 s), "
        f"of which taking prices apart {apart:.2f} s"
    )
    say(f"    laws checked at the close: {model.timings['close'] / seconds:.2%} of the week (aim 3 %)")


def _scaling(say: Callable[[str], None]) -> None:
    """Cost per agent and week of the same proportions at a quarter of the size."""
    quarter = {
        key: max(value // 4, 1) if key.startswith("world.") else value
        for key, value in THOUSAND_AGENTS.items()
    }
    cost = []
    for size in (quarter, THOUSAND_AGENTS):
        model = FireSaleModel(Parameters.from_overrides(size), rng=7)
        model.run_for(WARM_WEEKS)
        week = statistics.median(_seconds(partial(model.run_for, 1)) for _ in range(TIMED_WEEKS))
        cost.append((len(model.agents), week / len(model.agents)))
    (few, small), (many, large) = cost
    say(
        f"per agent and week: {small * 1e6:.0f} us with {few} agents, {large * 1e6:.0f} us with {many}; ratio "
        f"{large / small:.2f} (linear: 1)"
    )


def _memory(say: Callable[[str], None]) -> None:
    parameters = Parameters.from_overrides(SMALL_WORLD)

    def batch(models: int) -> int:
        for _ in range(models):
            FireSaleModel(parameters, rng=7).run_for(1)
        gc.collect()
        return _resident()

    batch(10)
    first = batch(10)
    grown = batch(MODELS) - first
    say(f"memory kept after {MODELS} models: {grown / 2**20:+.2f} MiB (aim 1 MiB)")


def _start(say: Callable[[str], None]) -> None:
    command = [sys.executable, "-m", "experiments.command.main", "--help"]
    times = [_seconds(lambda: subprocess.run(command, capture_output=True, check=True)) for _ in range(5)]
    say(f"firesale --help: {min(times):.2f} s (aim 0.4 s)")


def _nothing(agent: object) -> None:
    """What an empty shuffle_do does to an agent."""


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _resident() -> int:
    """Memory held now, in bytes; where the system does not say, the most ever held."""
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
