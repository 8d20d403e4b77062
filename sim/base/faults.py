"""What the message about a wrong name or value says: the nearest valid name, the allowed range with its unit."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo


class InputError(ValueError):
    """What a user handed in cannot be used; the message is one line and says what is wrong where, and what is allowed."""


def closest(name: str, known: Iterable[str], likeness: float = 0.5) -> str | None:
    """The valid name most like `name`, if one shares that much of its letters; one that differs in case alone before all."""
    names = list(known)
    same = [one for one in names if one.casefold() == name.casefold()]
    if same:
        return same[0]
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=likeness)), None)


def nearest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Ending of a message about an unknown name: the closest valid one; `otherwise`, or all of them, if none is close.

    >>> nearest("vacanzy", ["vacancy", "freight"]), nearest("x", ["vacancy", "freight"])
    ('; did you mean vacancy?', '; there are vacancy, freight')
    >>> nearest("x", ["vacancy"], "a file's name ends in .toml"), nearest("x", ["vacancy"], "")
    ("; a file's name ends in .toml", '')
    """
    names = list(known)
    near = closest(name, names)
    if near is not None:
        return f"; did you mean {near}?"
    if otherwise is None:
        otherwise = f"there are {', '.join(names)}" if names else "there are none"
    return f"; {otherwise}" if otherwise else ""


def explained(error: ValidationError, root: type[BaseModel]) -> str:
    """First fault of a table read into `root`: key, what is allowed, nearest valid name; one line."""
    first = error.errors()[0]
    place = [part for part in first["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in place)
    section, field = _field_at(root, place)
    if first["type"] == "extra_forbidden":
        return f"no key is called {key}{nearest(str(place[-1]), section.model_fields)}"
    if field is None:
        return f"{key}: {_rule(first['msg'])}" if key else _rule(first["msg"])
    if first["type"] == "missing":
        return f"{key} is missing: {field.description or ''}"
    got = first["input"]
    given = f"{key} = {got!r}"
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    if extra.get("low") is not None:
        whole = " (a whole number)" if field.annotation is int else ""
        return f"{given}; allowed {extra['low']:,} to {extra['high']:,} {extra['unit']}{whole}"
    options = [str(option) for option in extra.get("options") or ()]  # type: ignore[union-attr]
    if first["type"] == "literal_error":
        options = [str(option) for option in get_args(field.annotation)]
    if options:
        return f"{given}; one of {', '.join(options)}{nearest(str(got), options, '')}"
    if first["type"] == "value_error":
        # A whole table is not shown: what is wrong with it is said of its keys.
        return f"{given if isinstance(got, str | int | float) else key}: {_rule(first['msg'])}"
    if first["type"] == "string_pattern_mismatch" and field.description:
        return f"{given}: {field.description}"
    meaning = f" ({field.description})" if field.description else ""
    rule = _rule(first["msg"])
    return f"{given}{meaning}: {rule[0].lower()}{rule[1:]}"


def _rule(message: str) -> str:
    return message.removeprefix("Value error, ")


def _field_at(root: type[BaseModel], place: Sequence[Any]) -> tuple[type[BaseModel], FieldInfo | None]:
    """The section that a location of an error points into, and its field where there is one."""
    section, field = root, None
    for part in place:
        # Rows of a list and keys of a table are no fields: what is wrong with them is said of the list or table.
        found = section.model_fields.get(str(part))
        if found is None:
            continue
        field = found
        section = next(_sections(found.annotation), section)
    return section, field


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Sections an annotation holds, such as those of a table or a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)
