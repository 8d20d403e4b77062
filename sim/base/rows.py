"""Tables in memory: a dataclass whose fields are columns, arrays of one length."""

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def append_row(table: "DataclassInstance", **row: float) -> None:
    """Add one row at the end; columns left out are zero.

    Raises
    ------
    TypeError
        The table has no such column.
    """
    unknown = row.keys() - {field.name for field in fields(table)}
    if unknown:
        raise TypeError(f"{type(table).__name__} has no column {', '.join(sorted(unknown))}")
    for field in fields(table):
        column = getattr(table, field.name)
        value = np.array([row.get(field.name, 0)], dtype=column.dtype)
        setattr(table, field.name, np.concatenate([column, value]))
