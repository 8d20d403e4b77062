"""Names that become folders, files, columns and labels: one pattern for all of them; and titles, one line of any text."""

import re

from sim.base.faults import InputError
from sim.base.texts import ORDERS, spelt

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._+=-]{0,98}[A-Za-z0-9_+])?")
PATTERN = rf"^{NAME.pattern}$"  # for pydantic
SAID = "letters, digits and . _ - + = between letters or digits, at most 100"
LONGEST_TITLE = 200


def check_name(what: str, name: str) -> str:
    """The name, if it may become a folder.

    Parameters
    ----------
    what
        What is named, for the message.

    Raises
    ------
    InputError
        Otherwise: a name with a slash would leave its folder, one with spaces or signs would not survive a shell or a table.

    Examples
    --------
    >>> check_name("arm", "in_place-tight")
    'in_place-tight'
    >>> check_name("arm", "../../x")
    Traceback (most recent call last):
    sim.base.faults.InputError: arm '../../x': letters, digits and . _ - + = between letters or digits, at most 100
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{what} {name!r}: {SAID}")
    return name


def check_title(what: str, title: str) -> str:
    r"""The title, if it is one line of text that is not too long.

    Raises
    ------
    InputError
        Otherwise.

    Examples
    --------
    >>> check_title("title", "Sale [/H100] at $2")
    'Sale [/H100] at $2'
    """
    if len(title) > LONGEST_TITLE:
        raise InputError(f"{what} {title[:20]!r}...: {len(title)} characters; at most {LONGEST_TITLE}")
    return check_line(what, title)


def check_line(what: str, text: str) -> str:
    r"""The text, if it is one line that holds nothing a terminal would obey.

    Parameters
    ----------
    what
        What it is, for the message.

    Raises
    ------
    InputError
        Otherwise; says which character it is.

    Examples
    --------
    >>> check_line("title", "a\nb")
    Traceback (most recent call last):
    sim.base.faults.InputError: title 'a\nb': one line of text without control characters; it holds \x0a
    """
    found = re.search(r"[\n\t]", text) or ORDERS.search(text)
    if found:
        raise InputError(
            f"{what} {text!r}: one line of text without control characters; it holds {spelt(found[0])}"
        )
    return text
