"""Prints every file of `tests/data/user_files` with the command that reads it and what is said about it, one line each.

Usage: ``PYTHONPATH=. python -m tests.user_file_table``.
"""

from pathlib import Path

from experiments.design.experiment import ExperimentError
from experiments.design.planner import load as load_experiment
from experiments.design.scenario import ScenarioError, load
from sim.base.faults import InputError
from sim.model import FireSaleModel
from sim.parameters import Parameters

FILES = Path(__file__).parent / "data" / "user_files"
WEEKS = 12
# Beginning of a file's name -> the key that names it, and what else it takes.
TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "btc": ("bitcoin.replay_file", {"bitcoin.driver": "replay"}),
    "rent": ("rent.replay_file", {"rent.driver": "replay"}),
    "power": ("power.replay_file", {"power.driver": "replay"}),
    "sofr": ("interest.replay_file", {"interest.driver": "replay"}),
    "fleet": ("world.fleets_file", {}),
    "sites": ("world.sites_file", {}),
}
SWEEPS = ("sw_", "verify_")


def answer(file: Path) -> tuple[str, str]:
    """The command that reads a file, and what it says."""
    try:
        if file.suffix == ".csv":
            return _of_table(file)
        return _of_definition(file)
    except (InputError, ScenarioError, ExperimentError) as error:
        return _command(file), f"refused: {str(error).replace(str(FILES) + '/', '')}"


def _command(file: Path) -> str:
    if file.suffix == ".toml":
        return f"firesale {'sweep' if file.name.startswith(SWEEPS) else 'run'} '{file.name}'"
    key, settings = TABLES[file.name.partition("_")[0]]
    asked = " ".join(f"--set {name}={value}" for name, value in {**settings, key: file.name}.items())
    return f"firesale run calm --weeks {WEEKS} {asked}"


def _of_table(file: Path) -> tuple[str, str]:
    key, settings = TABLES[file.name.partition("_")[0]]
    asked = Parameters.from_overrides({"clock.weeks": WEEKS, **settings, key: str(file)})
    world = FireSaleModel(asked, rng=7).world
    if "fleets" in key:
        return _command(file), f"read: {int(world.ledger.lots.quantity.sum()):,} GPUs"
    origin = {name: kinds for name, kinds in world.drivers.provenance().items() if "observed" in kinds}
    said = [f"{name} in {kinds['observed']} of {WEEKS} weeks" for name, kinds in origin.items()]
    return _command(file), f"read: {', '.join(said) or f'{world.topology.places.n} places'}"


def _of_definition(file: Path) -> tuple[str, str]:
    if file.name.startswith(SWEEPS):
        points = load_experiment(file)[1].points
        return _command(file), f"read: {len(points)} point{'s' * (len(points) > 1)}"
    scenario = load(file)
    for arm in (None, *scenario.arms):
        scenario.parameters(arm)
    return _command(file), f"read as {scenario.name}, title {scenario.title!r}"


def main() -> None:
    """Print the table."""
    print("| file | command | what is said |\n|---|---|---|")
    for file in sorted(FILES.iterdir()):
        command, said = answer(file)
        print(f"| `{file.name}` | `{command}` | {said} |")


if __name__ == "__main__":
    main()
