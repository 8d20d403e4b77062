"""How a parameter is described: default, unit, range, meaning, source and grade, in one place.

Grades: A primary source, B reputable secondary, C weak or derived, ``assumption`` none found. The sources are
listed in ``sim/data/SOURCES.md`` and, row by row, in the data files.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from agents.vocabulary import GENERATIONS, Floats

Needs = Mapping[str, str]


class Section(BaseModel):
    """A table of parameters: frozen, and closed to unknown keys.

    ``needs`` says without what a parameter can change nothing: condition on dotted keys -> names in the table, or patterns of
    names. A condition is necessary: that it holds does not promise a change. `sim.parameters.needs` reads them.
    """

    needs: ClassVar[Needs] = {}

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_type(cls, value: Any, field: ValidationInfo) -> Any:
        """Pydantic takes "yes" and 1 for true, true and "1" for 1; nobody means that in a file."""
        annotation = cls.model_fields[str(field.field_name)].annotation
        kinds = get_args(annotation) or (annotation,)
        if bool in kinds and kinds[0] is bool and not isinstance(value, bool | np.bool_):
            raise ValueError("true or false, without quotation marks")
        if (
            kinds[0] in (int, float)
            and bool not in kinds
            and isinstance(value, bool | np.bool_ | str | bytes)
        ):
            raise ValueError("a number, without quotation marks")
        return value


def quantity(
    default: float,
    unit: str,
    low: float,
    high: float,
    meaning: str,
    source: str = "",
    grade: str = "assumption",
    *,
    relaxed_by: str = "",
) -> Any:
    """A number with its unit, allowed range (inclusive), meaning, source and grade.

    ``relaxed_by`` names the family of frictions of `sim.discount.relaxation` that lifts it.
    """
    about: dict[str, Any] = {
        "unit": unit,
        "low": low,
        "high": high,
        "source": source or "none found",
        "grade": grade,
    }
    if relaxed_by:
        about["relaxed_by"] = relaxed_by
    return Field(default=default, ge=low, le=high, description=meaning, json_schema_extra=about)


def choice(default: Any, options: tuple[str, ...], meaning: str) -> Any:
    """One of several named options."""
    pattern = "^(" + "|".join(options) + ")$"
    return Field(
        default=default,
        pattern=pattern,
        description=meaning,
        json_schema_extra={"unit": "choice", "options": list(options), "source": "", "grade": "design"},
    )


def setting(default: Any, meaning: str) -> Any:
    """A switch or a name; no unit, no range."""
    return Field(
        default=default,
        description=meaning,
        json_schema_extra={"unit": "", "source": "", "grade": "design"},
    )


class ByGeneration(Section):
    """A number per GPU generation, sweepable one by one (``rent.initial_usd_per_hour.H100``)."""

    def array(self) -> Floats:
        """Values in the fixed order of `GENERATIONS`, shape (G,)."""
        return np.array([getattr(self, name) for name in GENERATIONS], dtype=np.float64)


def relaxed_fields(section: type[Section], family: str) -> tuple[str, ...]:
    """Fields of a section that a family of frictions lifts, in declared order."""
    return tuple(
        name
        for name, field in section.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("relaxed_by") == family
    )
