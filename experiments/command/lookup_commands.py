"""Commands that look something up: the digest of a stored run, the shipped scenarios, the parameters."""

import json
from typing import Annotated

import typer

from experiments.command.console import BAD_INPUT, stop
from experiments.command.options import RunFolder
from experiments.design.scenario import load, shipped
from experiments.runs import store
from sim.parameters import Parameters


def digest(run_folder: RunFolder) -> None:
    """Print the digest of a stored run's tables, checked against its manifest. Equal runs have equal digests."""
    typer.echo(store.digest(run_folder))


def scenarios() -> None:
    """List the shipped scenarios and their arms."""
    for name in shipped():
        scenario = load(name)
        typer.echo(f"{name}: {scenario.title}\n    {' '.join(scenario.description.split())}")
        if scenario.arms:
            typer.echo(f"    arms: {', '.join(scenario.arms)}")


def schema(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin like this, such as `rent`.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON schema, for editors.")] = False,
) -> None:
    """List every parameter: value, allowed range, unit, meaning, source and grade."""
    if as_json:
        typer.echo(json.dumps(Parameters.model_json_schema(), indent=1))
        return
    rows = [row for row in Parameters().describe() if row["key"].startswith(prefix)]
    if not rows:
        stop(f"no parameter begins with {prefix}; `firesale schema` lists them all", BAD_INPUT)
    width = max(len(row["key"]) for row in rows)
    for row in rows:
        has_range = row["low"] not in ("", None)
        allowed = f" ({row['low']:,} to {row['high']:,} {row['unit']})" if has_range else ""
        graded = f" [{row['grade']}: {row['source']}]" if row["grade"] else ""
        typer.echo(f"{row['key']:<{width}} = {row['value']}{allowed}  {row['meaning']}{graded}")
