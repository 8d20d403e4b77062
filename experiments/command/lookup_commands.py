"""Commands that look something up: the digest of a stored result, the shipped scenarios, the parameters."""

import json
from typing import Annotated

import typer

from experiments.command.console import stop
from experiments.command.exit_codes import BAD_INPUT
from experiments.command.options import ResultFolder
from experiments.command.schema_printout import Described
from experiments.command.streams import say
from experiments.design.scenario import load, shipped
from experiments.runs import store
from experiments.sweep import store as sweep_store
from experiments.sweep.listing import listing


def digest(folder: ResultFolder) -> None:
    """Print the digest of a run or sweep, after a check of every file of it. Equal results have equal digests."""
    say(store.digest(folder) if listing(folder) is None else sweep_store.digest(folder))


def scenarios() -> None:
    """List the shipped scenarios and their arms."""
    for name in shipped():
        scenario = load(name)
        say(f"{name}: {scenario.title}\n    {' '.join(scenario.description.split())}")
        if scenario.arms:
            say(f"    arms: {', '.join(scenario.arms)}")


def schema(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin like this, such as `rent`.")] = "",
    scenario: Annotated[
        str, typer.Option(help="Values of a scenario, and which parameters change nothing in it.")
    ] = "",
    arm: Annotated[str | None, typer.Option(help="An arm of the scenario.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON schema, for editors.")] = False,
) -> None:
    """List every parameter: value, range, unit, meaning, source, grade, the rooms that read it, what it needs."""
    described = Described(scenario, arm)
    if as_json:
        say(json.dumps(described.json_schema(), indent=1))
        return
    lines = described.lines(prefix)
    if not lines:
        stop(f"no parameter begins with {prefix}; `firesale schema` lists them all", BAD_INPUT)
    say("\n".join(lines))
