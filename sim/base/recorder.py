"""What a run remembers: preallocated weekly columns and growing tables of trades, agents, loans, events and pools.

Each column carries a unit, a meaning and its bounds, written into the Parquet schema and the figures' axes. Nothing is
computed here that the model needs; a recorder can be dropped without changing a run.
"""

from collections.abc import Iterable, Mapping
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
    declared
        Table -> column -> unit and meaning, of all that may be written; ``weeks`` is the weekly one.
    """

    def __init__(self, n_weeks: int, declared: Mapping[str, Mapping[str, Meaning]]) -> None:
        self._capacity = max(n_weeks, 1)
        self._declared = declared
        self._weeks = 0
        self._weekly: dict[str, Column] = {}
        self._blocks: dict[str, list[dict[str, Column]]] = {}
        self._kept = frozenset(declared)

    def keep_only(self, tables: Iterable[str]) -> None:
        """Remember these tables and the weekly one; what is not remembered is not computed either.

        >>> recorder = Recorder(1, {"weeks": {}, "trades": {"price": ("USD", "paid")}})
        >>> recorder.keep_only(["weeks"])
        >>> recorder.keeps("trades")
        False
        """
        self._kept = frozenset({*tables, "weeks"})
        self._blocks = {name: blocks for name, blocks in self._blocks.items() if name in self._kept}

    def keeps(self, table: str) -> bool:
        """Whether rows of a table are remembered."""
        return table in self._kept

    def week(self, values: Mapping[str, float | int | np.datetime64]) -> None:
        """Record one week: column -> value. The first week fixes the columns' types."""
        self._require("weeks", values)
        if self._weeks == 0:
            for name, value in values.items():
                self._weekly[name] = np.zeros(self._capacity, dtype=np.asarray(value).dtype)
        if self._weeks == self._capacity:
            self._weekly = {n: np.concatenate([c, np.zeros_like(c)]) for n, c in self._weekly.items()}
            self._capacity *= 2
        for name, value in values.items():
            self._weekly[name][self._weeks] = value
        self._weeks += 1

    def rows(self, table: str, columns: Mapping[str, Column]) -> None:
        """Append rows to a table, if it is kept."""
        self._require(table, columns)
        if table not in self._kept:
            return
        self._blocks.setdefault(table, []).append({name: np.array(c) for name, c in columns.items()})

    def _require(self, table: str, columns: Iterable[str]) -> None:
        """What is written has the declared columns in the declared order."""
        if list(columns) != list(self._declared[table]):
            raise ValueError(f"{table}: columns are not those declared, {', '.join(self._declared[table])}")

    def table(self, name: str) -> dict[str, Column]:
        """What was recorded of one table so far: column -> values."""
        if name == "weeks":
            return {column: values[: self._weeks].copy() for column, values in self._weekly.items()}
        blocks = self._blocks.get(name, [])
        return {column: np.concatenate([block[column] for block in blocks]) for column in (blocks or [{}])[0]}

    def tables(self) -> dict[str, dict[str, Column]]:
        """Everything recorded so far: table -> column -> values."""
        return {name: self.table(name) for name in ("weeks", *self._blocks)}

    @property
    def declared(self) -> Mapping[str, Mapping[str, Meaning]]:
        """Unit and meaning of every column that may be written: table -> column -> (unit, meaning)."""
        return self._declared

    def columns(self) -> dict[str, dict[str, Meaning]]:
        """Unit and meaning of every column written: table -> column -> (unit, meaning)."""
        return {table: dict(self._declared[table]) for table in ("weeks", *self._blocks)}
