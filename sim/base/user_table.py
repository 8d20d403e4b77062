r"""One strict reader for every table that a user hands in: a file is understood whole, or refused with its line.

A file is a CSV in UTF-8 (a byte order mark is allowed) with commas between cells. Its first line names the columns: each once,
none unknown, none missing that is needed. Every other line has as many cells, or no text at all. Numbers are plain decimals
inside their range, labels are written as they are known, days as 2026-10-05. Rows that must differ do. Spaces and tabs around
a cell do not count; any other character does.

What is refused, and how it is said:

>>> from tempfile import mkdtemp
>>> file = Path(mkdtemp()) / "rents.csv"
>>> rent = Number("value", low=0.01, high=100, unit="USD per GPU-hour")
>>> columns = (Day("date"), Label("series", labels=("H100", "H200")), rent)
>>> def told(row):
...     _ = file.write_text(f"date,series,value\n{row}\n")
...     try:
...         return read_table(file, columns, unique=("date", "series")).rows[0].values
...     except TableError as error:
...         return str(error).removeprefix(str(file.parent) + "/")
>>> told("2026-10-05,h100,2.2")
"rents.csv, line 2, column series: 'h100' is unknown; did you mean H100?"
>>> told("2026-10-05,H100,80,000")
'rents.csv, line 2: 4 cells where the heading has 3 (a number with a thousands mark? write 80000, not 80,000)'
>>> told("2026-10-05,H100,2.2")
{'date': datetime.date(2026, 10, 5), 'series': 'H100', 'value': 2.2}
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from sim.base import inputs
from sim.base.faults import InputError, nearest
from sim.base.names import NAME, SAID
from sim.base.texts import spelt
from sim.base.user_file import bytes_of

DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
MOST_SHOWN = 60  # characters of a cell
BLANK = " \t"
# First word of what `csv` says -> what is wrong.
FAULTS_OF_QUOTING = {
    "unexpected": "a quotation mark is not closed",
    "field": "a cell without end; is a quotation mark not closed?",
    "','": "text after a closing quotation mark",
}
END_OF_LINE = re.compile(r"\r\n|\r|\n")


class TableError(InputError):
    """A user's table cannot be understood; the message names file, line and column, and what is allowed."""


def shown(cell: str) -> str:
    """A cell as a message shows it.

    >>> shown("H100"), shown("8" * 1000)[-10:]
    ("'H100'", "888888...'")
    """
    return repr(cell if len(cell) <= MOST_SHOWN else cell[:MOST_SHOWN] + "...")


@dataclass(frozen=True, slots=True)
class Column:
    """A column by name.

    A column that `may_miss` need not be there, and an empty cell of one that `may_be_empty` is taken; both are `absent` then.
    """

    name: str
    may_miss: bool = False
    may_be_empty: bool = False
    absent: Any = None

    def value(self, cell: str) -> Any:
        """The value of a cell; ValueError says what is allowed."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Text(Column):
    """Text of one line that prints, without quotation marks."""

    most: int = 1_000  # characters

    def value(self, cell: str) -> str:
        """The text."""
        if len(cell) > self.most:
            raise ValueError(f"{len(cell):,} characters; allowed are {self.most:,}")
        if not cell.isprintable():
            sign = next(one for one in cell if not one.isprintable())
            raise ValueError(f"{cell!r} holds {spelt(sign)}, which is no letter, digit, sign or plain space")
        if '"' in cell:
            raise ValueError(f"{cell!r} holds a quotation mark")
        return cell


@dataclass(frozen=True, slots=True)
class Name(Column):
    """A name that may become a folder, a file or a column."""

    def value(self, cell: str) -> str:
        """The name."""
        if not NAME.fullmatch(cell):
            raise ValueError(f"{shown(cell)}; allowed are {SAID}")
        return cell


@dataclass(frozen=True, slots=True)
class Label(Column):
    """One of several labels, written as they are known."""

    labels: Sequence[str] = ()

    def value(self, cell: str) -> str:
        """The label."""
        if cell not in self.labels:
            few = len(self.labels) <= 12
            near = nearest(cell[:MOST_SHOWN], self.labels, None if few else f"such as {self.labels[0]}")
            raise ValueError(f"{shown(cell)} is unknown{near}")
        return cell


@dataclass(frozen=True, slots=True)
class Number(Column):
    """A plain decimal in a range, ends included."""

    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    whole: bool = False

    @property
    def allowed(self) -> str:
        """Its range, for messages."""
        return f"allowed {self.low:,.12g} to {self.high:,.12g} {self.unit}".rstrip()

    def value(self, cell: str) -> float | int:
        """The number."""
        if not (WHOLE if self.whole else DECIMAL).fullmatch(cell):
            kind = "a whole number" if self.whole else "a number such as 2.5"
            raise ValueError(f"{shown(cell)} is not {kind}, without marks or units; {self.allowed}")
        number = int(cell) if self.whole else float(cell)
        if not self.low <= number <= self.high:
            raise ValueError(f"{cell[:MOST_SHOWN]}; {self.allowed}")
        return number


@dataclass(frozen=True, slots=True)
class Day(Column):
    """A day as 2026-10-05."""

    def value(self, cell: str) -> date:
        """The day."""
        try:
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
                raise ValueError
            return date.fromisoformat(cell)
        except ValueError:
            raise ValueError(f"{shown(cell)} is no day; write it as 2026-10-05") from None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on, and column -> value."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class UserTable:
    """A user's table as it was read.

    Attributes
    ----------
    path
        Its file.
    rows
        In the order of the file; lines without text are left out.
    sha256
        Of the file's bytes, so that a result can say what it was computed from.
    """

    path: Path
    rows: tuple[Row, ...]
    sha256: str

    def column(self, name: str) -> list[Any]:
        """Values of a column, row by row."""
        return [row.values[name] for row in self.rows]

    def refuse(self, line: int, column: str, what: str) -> NoReturn:
        """Refuse the table for what only its reader can judge.

        Raises
        ------
        TableError
            Always.
        """
        raise TableError(f"{self.path}, line {line}, column {column}: {what}")

    @cached_property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name


def read_table(path: str | Path, columns: Sequence[Column], *, unique: Sequence[str] = ()) -> UserTable:
    """Read a user's table.

    Parameters
    ----------
    columns
        Those it may have.
    unique
        Columns that together name a row: no two rows agree in all of them.

    Raises
    ------
    TableError
        Names file, line and column, what is allowed and the nearest valid name.
    """
    file = Path(path)
    data = _bytes_of(file)
    lines = _lines(file, _text_of(file, data))
    _, heading = next(lines, (1, []))
    _check_heading(file, heading, columns)
    known = {column.name: column for column in columns}
    rows = tuple(Row(line, _values(file, line, heading, cells, known)) for line, cells in lines if any(cells))
    if not rows:
        raise TableError(f"{file}: it holds no rows below its heading")
    _check_unique(file, rows, unique)
    table = UserTable(file, rows, hashlib.sha256(data).hexdigest())
    inputs.note(file, table.sha256, len(rows))
    return table


def _bytes_of(file: Path) -> bytes:
    try:
        return bytes_of(file)
    except InputError as error:
        raise TableError(str(error)) from None


def _text_of(file: Path, data: bytes) -> str:
    """The text of a file in UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TableError(f"{file}, line 1: UTF-16; save it as CSV UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_at(data[: error.start].decode("latin-1"))
        raise TableError(
            f"{file}, line {line}: byte 0x{data[error.start]:02X} is no UTF-8; save it as CSV UTF-8"
        ) from None
    if "\0" in text:
        raise TableError(f"{file}, line {_line_at(text.partition(chr(0))[0])}: a zero byte")
    return text


def _line_at(before: str) -> int:
    """Line on which the text after `before` begins."""
    return len(END_OF_LINE.findall(before)) + 1


def _lines(file: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Cells of every record with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        for cells in reader:
            yield begins, [cell.strip(BLANK) for cell in cells]
            begins = reader.line_num + 1
    except csv.Error as error:
        said = FAULTS_OF_QUOTING.get(str(error).partition(" ")[0], str(error))
        raise TableError(f"{file}, line {begins}: {said}") from None


def _check_heading(file: Path, heading: list[str], columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    if len(heading) == 1:
        for mark, word in OTHER_SEPARATORS.items():
            if mark in heading[0]:
                raise TableError(f"{file}, line 1: cells are separated by {word}; save it with commas")
    for name in heading:
        if name not in names:
            said = f"{shown(name)} is no column of this table" if name else "a column without a name"
            raise TableError(f"{file}, line 1: {said}{nearest(name[:MOST_SHOWN], names)}")
        if heading.count(name) > 1:
            raise TableError(f"{file}, line 1: column {name} stands there twice")
    for column in columns:
        if column.name not in heading and not column.may_miss:
            needed = ", ".join(one.name for one in columns if not one.may_miss)
            raise TableError(f"{file}, line 1: column {column.name} is missing; needed are {needed}")


def _values(
    file: Path, line: int, heading: list[str], cells: list[str], known: dict[str, Column]
) -> dict[str, Any]:
    if len(cells) != len(heading):
        mark = (
            " (a number with a thousands mark? write 80000, not 80,000)" if len(cells) > len(heading) else ""
        )
        many = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        raise TableError(f"{file}, line {line}: {many} where the heading has {len(heading)}{mark}")
    values = {name: column.absent for name, column in known.items()}
    for name, cell in zip(heading, cells, strict=True):
        column = known[name]
        if not cell:
            if column.may_be_empty:
                continue
            raise TableError(f"{file}, line {line}, column {name}: empty")
        try:
            values[name] = column.value(cell)
        except ValueError as error:
            raise TableError(f"{file}, line {line}, column {name}: {error}") from None
    return values


def _check_unique(file: Path, rows: Sequence[Row], unique: Sequence[str]) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows if unique else ():
        key = tuple(row.values[name] for name in unique)
        first = seen.setdefault(key, row.line)
        if first != row.line:
            said = ", ".join(f"{name} {value}" for name, value in zip(unique, key, strict=True))
            raise TableError(f"{file}, line {row.line}: {said} stands in line {first} already")
