"""Commands as a shell reads them: a path is one word of it, whatever it is called."""

import shlex
from pathlib import Path


def command_line(*words: str | Path) -> str:
    """A command of these words, for a shell.

    Parameters
    ----------
    words
        Texts as they are; a path that begins with a dash is written so that no program takes it for an option.

    Examples
    --------
    >>> command_line("firesale", "sweep", Path("$HOME/a b.toml"), "--yes"), command_line("ls", Path("-l"))
    ("firesale sweep '$HOME/a b.toml' --yes", 'ls ./-l')
    """
    return shlex.join(_word(word) if isinstance(word, Path) else word for word in words)


def _word(path: Path) -> str:
    return f"./{path}" if str(path).startswith("-") else str(path)
