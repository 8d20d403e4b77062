"""Texts of users (titles, file names, messages of errors) in places that would read some of their signs as orders.

A text may hold anything; what prints it or writes it down makes it literal, each kind of place by one function. Names and
titles are held by `sim.base.names`. Figures need no function: `experiments.figures.style` draws without formulas.
"""

import re

# Signs that a terminal obeys or XML forbids: control characters but tab and line feed, marks that turn the direction of
# reading, separators of lines, half characters and no characters.
ORDERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&])")


def visible(text: str) -> str:
    r"""The text, with signs that a terminal would obey or XML forbids spelt out.

    Examples
    --------
    >>> visible("a\x1b[31mb\u202e")
    'a\\x1b[31mb\\u202e'
    """
    return ORDERS.sub(lambda sign: spelt(sign[0]), text)


def markdown(text: str) -> str:
    r"""The text as one line of Markdown, or a cell of a table, that shows it and nothing else.

    Examples
    --------
    >>> print(markdown("a | <b>"))
    a \| \<b\>
    """
    return MARKDOWN.sub(r"\\\1", visible(" ".join(text.split())))


def spelt(sign: str) -> str:
    """A sign by its number."""
    number = ord(sign)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
