"""What every section of the parameters shares: how it is walked and how a wrong key is refused."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from agents.schema import Section
from sim.base.faults import InputError


class ParameterError(InputError):
    """A parameter is unknown or out of range; the message says what is allowed."""


def walk(section: Section, prefix: str = "") -> Iterator[tuple[str, Any, FieldInfo]]:
    """Every leaf of a section: dotted key, value, field."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from walk(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field


def dotted(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by flat name, as Python's keyword arguments and `mesa.batch_run` need them, by dotted key.

    Raises
    ------
    ParameterError
        For the names Mesa gave seeds before version 3.5.

    Examples
    --------
    >>> dotted({"site__vacancy": 0.05, "rent__initial_usd_per_hour__H100": 2})
    {'site.vacancy': 0.05, 'rent.initial_usd_per_hour.H100': 2}
    """
    if "seed" in flat:
        raise ParameterError("seed is not a parameter: pass rng=7")
    return {name.replace("__", "."): value for name, value in flat.items()}
