"""Names that become folders, files, columns and labels: one pattern for all of them."""

import re

from sim.base.faults import InputError

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._+=-]{0,98}[A-Za-z0-9_+])?")
PATTERN = rf"^{NAME.pattern}$"  # for pydantic
SAID = "letters, digits and . _ - + = between letters or digits, at most 100"


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
