"""What a run remembers: preallocated weekly columns and growing tables of trades, agents, loans, events and pools.

Each column carries a unit and a meaning, written into the Parquet schema and the figures' axes. Nothing is
computed here that the model needs; a recorder can be dropped without changing a run.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Column = np.ndarray[Any, np.dtype[Any]]
Meaning = tuple[str, str]


class Recorder:
    """Column store behind a DataCollector-like face.

    Parameters
    ----------
    n_weeks : int
        Length the weekly columns are made for at first; they double when a run goes on longer.
    """

    def __init__(self, n_weeks: int) -> None:
        self._capacity = max(n_weeks, 1)
        self._weeks = 0
        self._weekly: dict[str, Column] = {}
        self._meaning: dict[str, dict[str, Meaning]] = {"weeks": {}}
        self._blocks: dict[str, list[dict[str, Column]]] = {}

    def week(self, values: Mapping[str, tuple[float | int | np.datetime64, str, str]]) -> None:
        """Record one week: column -> (value, unit, meaning). The first week fixes the columns."""
        if self._weeks == 0:
            for name, (value, unit, meaning) in values.items():
                self._weekly[name] = np.zeros(self._capacity, dtype=np.asarray(value).dtype)
                self._meaning["weeks"][name] = (unit, meaning)
        if self._weeks == self._capacity:
            self._weekly = {n: np.concatenate([c, np.zeros_like(c)]) for n, c in self._weekly.items()}
            self._capacity *= 2
        for name, (value, _, _) in values.items():
            self._weekly[name][self._weeks] = value
        self._weeks += 1

    def rows(self, table: str, columns: Mapping[str, Column], meaning: Mapping[str, Meaning]) -> None:
        """Append rows to a table; every call brings the same columns."""
        self._meaning.setdefault(table, dict(meaning))
        self._blocks.setdefault(table, []).append({name: np.array(c) for name, c in columns.items()})

    def tables(self) -> dict[str, dict[str, Column]]:
        """Everything recorded so far: table -> column -> values."""
        result: dict[str, dict[str, Column]] = {
            "weeks": {name: column[: self._weeks].copy() for name, column in self._weekly.items()}
        }
        for table, blocks in self._blocks.items():
            result[table] = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
        return result

    def columns(self) -> dict[str, dict[str, Meaning]]:
        """Unit and meaning of every column: table -> column -> (unit, meaning)."""
        return {table: dict(columns) for table, columns in self._meaning.items()}
