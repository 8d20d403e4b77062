"""The command ``firesale``: the list of its commands, each imported when it is called, so that ``--help`` answers at once.

What it says, how it fails and its exit codes are in `experiments.command.console` and `experiments.command.exit_codes`.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from experiments.command.command_table import COMMANDS, MODULES
from experiments.command.exit_codes import BROKEN


class LazyCommands(TyperGroup):
    """A group that lists its commands by name and help, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that `args` name, with the module it stands in."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed if name is None else imported_command(name), rest


def _listed() -> typer.Typer:
    """The list of commands, with nothing in it that a command needs."""
    listed = typer.Typer(
        name="firesale",
        cls=LazyCommands,
        help="What is a GPU worth when it has to be sold? A laboratory of the secondary market for AI hardware.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for helps in COMMANDS.values():
        for name, first_line in helps.items():
            listed.command(name, help=first_line)(_not_imported)
    return listed


def _not_imported() -> None:
    """Stands in the list for a command."""


app = _listed()


def main() -> None:
    """Entry point of the command."""
    _refuse_shadowed_packages()
    # What typer prints by itself finds standard output and error ready for every letter.
    streams = _module("streams")
    streams.output()
    streams.errors()
    app()


def imported_command(name: str) -> Any:
    """The command of this name, ready to parse its arguments; its failures, and those of its import, are one line."""
    console = _module("console")
    console.steady_numbers()
    # An interruption amid imports that nobody guards would be lost, or end with another code.
    with console.one_line_errors():
        module = _module(MODULES[name])
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name)(console.one_line_errors()(getattr(module, name)))
    return typer.main.get_command(alone)


def _module(name: str) -> Any:
    """A module of the command, imported when no other distribution can stand in the way of what it imports."""
    return importlib.import_module(f"experiments.command.{name}")


def _refuse_shadowed_packages() -> None:
    """Stop if another distribution's `agents` or `sim` would be imported instead of ours."""
    ours = Path(__file__).resolve().parents[2]
    for name in ("agents", "sim"):
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve().parents[1] if found and found.origin else None
        if origin != ours:
            where = f"the one in {origin}" if origin else "a folder of that name" if found else "none"
            typer.echo(
                f"firesale: its package `{name}` is hidden: Python finds {where}. "
                "Another distribution or PYTHONPATH shadows it; install firesale in an environment of its own.",
                err=True,
            )
            sys.exit(BROKEN)


if __name__ == "__main__":
    main()
