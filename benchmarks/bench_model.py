"""What a week costs, as ratios against a named peer in the same process. Printed, never asserted.

Peer: Mesa's own ``shuffle_do`` over the same agents doing nothing. Run with ``make bench``.
"""

import gc
import resource
import statistics
import subprocess
import sys
import time

from sim.model import FireSaleModel
from sim.parameters import Parameters

THOUSAND = {
    "world.miners": 200,
    "world.neo_clouds": 280,
    "world.lenders": 60,
    "world.liquidators": 50,
    "world.hyperscalers": 50,
    "world.enterprises": 308,
    "world.exporters": 50,
}
WEEKS = 12


def seconds(work: object, repeat: int) -> float:
    """Median wall time of calls, after one to warm up."""
    work()  # type: ignore[operator]
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def resident_mib() -> float:
    """Peak resident memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def week_at_a_thousand_agents() -> None:
    """A week of 1,000 agents against an empty shuffle_do over the same agents, split by phase."""
    model = FireSaleModel(Parameters.from_overrides({**THOUSAND, "clock.weeks": WEEKS + 1}), rng=7)
    for agent in model.agents:
        type(agent).rest = lambda self: None
    peer = seconds(lambda: model.agents.shuffle_do("rest"), 25)
    model.run_for(1)
    model.timings.clear()
    began = time.perf_counter()
    model.run_for(WEEKS)
    week = (time.perf_counter() - began) / WEEKS
    print(f"{len(model.agents)} agents, {len(model.result.orders.book.side)} orders in the last week")
    print(f"an empty shuffle_do: {peer * 1000:.2f} ms; a week: {week * 1000:.1f} ms = {week / peer:.0f}x")
    for name, spent in model.timings.items():
        print(f"  {name:<13} {spent / WEEKS / peer:6.1f}x")


def a_whole_scenario() -> None:
    """156 weeks of the shipped sale at the default population."""
    parameters = Parameters.from_overrides({"forced_sale.enabled": True})
    began = time.perf_counter()
    model = FireSaleModel(parameters, rng=7)
    model.run_for(156)
    print(f"156 weeks, {len(model.agents)} agents: {time.perf_counter() - began:.2f} s")


def memory_of_many_models() -> None:
    """Growth of peak memory over 100 models after the first 20."""
    parameters = Parameters.from_overrides({"clock.weeks": 2})

    def one() -> None:
        FireSaleModel(parameters, rng=7).run_for(2)
        gc.collect()

    for _ in range(20):
        one()
    before = resident_mib()
    for _ in range(100):
        one()
    print(f"memory growth over 100 models: {resident_mib() - before:.2f} MiB")


def help_of_the_command() -> None:
    """`firesale --help`, a fresh process each time."""
    call = [
        sys.executable,
        "-c",
        "import sys; sys.argv = ['firesale', '--help']; from experiments.command_line import main; main()",
    ]
    took = seconds(lambda: subprocess.run(call, check=True, capture_output=True), 5)
    bare = seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 5)
    print(f"firesale --help: {took:.2f} s, of which a bare interpreter takes {bare:.2f} s")


if __name__ == "__main__":
    memory_of_many_models()
    week_at_a_thousand_agents()
    a_whole_scenario()
    help_of_the_command()
