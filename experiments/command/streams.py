"""The one way the command speaks: whatever stands in a text, whatever reads it, no word can stop what it was said about.

What a terminal would obey is spelt out. What the encoding of a stream cannot hold is written in letters it can. When nobody
reads any more (``| head``), the command goes on without a word; a full disk or a terminal that is gone is told at the end.
"""

import codecs
import errno
import io
import os
import sys
from typing import Any, TextIO

from sim.base.texts import visible

# Signs of ours in the letters of every encoding.
PLAIN = {
    "–": "-",
    "−": "-",
    "±": "+-",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "…": "...",
    "₀": "0",
    "█": "#",
    "•": "*",
    "─": "-",
}
IN_LETTERS = "firesale.letters"
_unsaid: list[str] = []


def _in_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    said = (PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode("ascii") for sign in signs)
    return "".join(said), error.end


codecs.register_error(IN_LETTERS, _in_letters)


class Lasting:
    """A stream that nothing written to it can break.

    Parameters
    ----------
    stream
        None where there is none, as in a program without a console.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream: TextIO = io.StringIO() if stream is None else stream
        if isinstance(stream, io.TextIOWrapper) and stream.errors != IN_LETTERS:
            stream.reconfigure(errors=IN_LETTERS)

    def write(self, text: str) -> int:
        """Write, or go on in silence."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._silence(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or go on in silence."""
        try:
            self._stream.flush()
        except OSError as error:
            self._silence(error)

    def _silence(self, error: OSError) -> None:
        """Send what is still said nowhere, so that Python's own last flush finds a stream in order."""
        if error.errno != errno.EPIPE:
            _unsaid.append(error.strerror or str(error))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def output() -> Lasting:
    """Standard output as it is now."""
    return Lasting(sys.stdout)


def errors() -> Lasting:
    """Standard error as it is now."""
    return Lasting(sys.stderr)


def say(text: object, *, err: bool = False, end: str = "\n") -> None:
    """Print a text as it is."""
    stream = errors() if err else output()
    stream.write(visible(str(text)) + end)
    stream.flush()


def take_unsaid() -> str:
    """Why something that was to be said could not be; empty if all was, or nobody wanted to read it."""
    why = _unsaid[0] if _unsaid else ""
    _unsaid.clear()
    return why
