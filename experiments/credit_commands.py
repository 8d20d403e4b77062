"""Commands about credit: the story of one party, and what each mechanism and each assumption adds to a scenario."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.console import BAD_INPUT, one_line_errors, steady_numbers, stop

app = typer.Typer()


@app.command()
def trace(
    party: Annotated[
        str | None,
        typer.Argument(
            help="Such as 'neo-cloud 3'; left out, or a run instead, the parties with a story are listed."
        ),
    ] = None,
    run_folder: Annotated[Path, typer.Argument(help="Result folder of a run.")] = Path(
        "results/credit_crisis"
    ),
) -> None:
    """Tell why a party failed: from its first failed test to what its lenders recovered, and the cause of every sale."""
    steady_numbers()
    with one_line_errors():
        from experiments import store
        from experiments.story import StoryError, cast, find_party, story

        if party is not None and (Path(party) / store.MANIFEST).is_file():
            run_folder, party = Path(party), None
        frames = store.load_run(run_folder)
        if party is None:
            listed = cast(frames)
            typer.echo(
                listed.to_string(index=False, float_format="{:,.1f}".format)
                if len(listed)
                else "Nobody failed a test."
            )
            return
        try:
            typer.echo(story(frames, find_party(frames, party)))
        except StoryError as error:
            stop(str(error), BAD_INPUT)
