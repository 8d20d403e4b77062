"""What every section of the parameters shares: how it is walked and how a wrong key is refused."""

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from agents.schema import Section


class ParameterError(ValueError):
    """A parameter is unknown or out of range; the message says what is allowed."""


def walk(section: Section, prefix: str = "") -> Iterator[tuple[str, Any, FieldInfo]]:
    """Every leaf of a section: dotted key, value, field."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from walk(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field
