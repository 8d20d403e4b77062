"""Mutations of single cells of a user's table, and what every kind of mutation has."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from tests.attack.sheets import Sheet, quoted

REFUSED, EQUAL = "refused", "equal"


@dataclass(frozen=True)
class Mutant:
    """Bytes of a file, and the line and the column that its refusal must name; 0 and empty where none is sure."""

    data: bytes
    line: int = 0
    column: str = ""


Make = Callable[[Sheet, Random], Mutant | None]


@dataclass(frozen=True)
class Kind:
    """A kind of mutation and its required answer."""

    name: str
    answer: str
    make: Make


# -- cells ------------------------------------------------------------------------------------------------


def in_cells(columns: Callable[[Sheet], Iterable[str]], change: Callable[[str, Random], str | None]) -> Make:
    """A mutation of one cell of some columns; the file is written with quotes where they are needed."""

    def make(sheet: Sheet, rng: Random) -> Mutant | None:
        places = [
            (row, name)
            for name in columns(sheet)
            for row in range(len(sheet.rows))
            if sheet.rows[row][sheet.at(name)]
        ]
        if not places:
            return None
        row, name = rng.choice(places)
        changed = sheet.copied()
        cell = changed.rows[row][sheet.at(name)]
        new = change(cell, rng)
        if new is None or new == cell:
            return None
        changed.rows[row][sheet.at(name)] = new
        return Mutant(changed.text().encode(), row + 2, name)

    return make


def raw_cell(
    columns: Callable[[Sheet], Iterable[str]], change: Callable[[str, Random], bytes | None]
) -> Make:
    """A mutation of one cell that is written as it is, whatever it does to its line."""

    def make(sheet: Sheet, rng: Random) -> Mutant | None:
        names = list(columns(sheet))
        if not names:
            return None
        row, name = rng.randrange(len(sheet.rows)), rng.choice(names)
        cell = sheet.rows[row][sheet.at(name)]
        new = change(cell, rng) if cell else None
        if new is None:
            return None
        lines = sheet.text().encode().splitlines(keepends=True)
        cells = [quoted(each).encode() for each in sheet.rows[row]]
        cells[sheet.at(name)] = new
        lines[row + 1] = b",".join(cells) + b"\n"
        return Mutant(b"".join(lines), row + 2)

    return make


def numbers(sheet: Sheet) -> Iterable[str]:
    return sheet.numbers


def decimals(sheet: Sheet) -> Iterable[str]:
    return [name for name, about in sheet.numbers.items() if not about.whole]


def wholes(sheet: Sheet) -> Iterable[str]:
    return [name for name, about in sheet.numbers.items() if about.whole]


def unsigned(sheet: Sheet) -> Iterable[str]:
    return [name for name, about in sheet.numbers.items() if not about.signed]


def filled(sheet: Sheet) -> Iterable[str]:
    """Columns in which no cell may be empty."""
    never = [name for name, about in sheet.numbers.items() if not about.may_be_empty]
    return [*never, *sheet.labels, *sheet.days, *sheet.texts]


def labels(sheet: Sheet) -> Iterable[str]:
    return sheet.labels


def days(sheet: Sheet) -> Iterable[str]:
    return sheet.days


def texts(sheet: Sheet) -> Iterable[str]:
    return sheet.texts


def every(sheet: Sheet) -> Iterable[str]:
    return [*sheet.numbers, *sheet.labels, *sheet.days]


def one_of(*cells: str) -> Callable[[str, Random], str | None]:
    return lambda _, rng: rng.choice(cells)


def put_in(*marks: str) -> Callable[[str, Random], str | None]:
    """A mark somewhere in the cell, between its characters."""

    def change(cell: str, rng: Random) -> str:
        place = rng.randrange(1, len(cell)) if len(cell) > 1 else 1
        return cell[:place] + rng.choice(marks) + cell[place:]

    return change


def around(*marks: str) -> Callable[[str, Random], str | None]:
    def change(cell: str, rng: Random) -> str:
        mark = rng.choice(marks)
        return mark + cell if rng.random() < 0.5 else cell + mark

    return change


def misspelt(cell: str, rng: Random) -> str | None:
    place = rng.randrange(len(cell))
    letters = "abcdefghijklmnopqrstuvwxyz"
    if len(cell) > 3 and rng.random() < 0.5:
        return cell[:place] + cell[place + 1 :] + rng.choice(letters)
    return cell[:place] + rng.choice(letters) + cell[place:]


def other_case(cell: str, rng: Random) -> str | None:
    changes = [new for new in (cell.upper(), cell.lower(), cell.title(), cell.swapcase()) if new != cell]
    return rng.choice(changes) if changes else None


def look_alike(cell: str, rng: Random) -> str | None:
    alike = {
        "A": "\u0391",
        "B": "\u0392",
        "H": "\u041d",
        "a": "\u0430",
        "e": "\u0435",
        "o": "\u043e",
        "p": "\u0440",
        "0": "O",
        "1": "l",
    }
    found = [place for place, letter in enumerate(cell) if letter in alike]
    if not found:
        return None
    place = rng.choice(found)
    return cell[:place] + alike[cell[place]] + cell[place + 1 :]


def other_digits(cell: str, rng: Random) -> str | None:
    zero = rng.choice([0x0660, 0x06F0, 0x0966, 0xFF10, 0x1D7CE])
    return "".join(chr(zero + int(letter)) if letter.isdigit() else letter for letter in cell)


def marked(mark: str) -> Callable[[str, Random], str | None]:
    """Thousands marks in a number of more than three digits, else in one made of it."""

    def change(cell: str, _: Random) -> str:
        whole, dot, rest = cell.lstrip("-").partition(".")
        whole = whole if len(whole) > 3 else whole + "000"
        return whole[:-3] + mark + whole[-3:] + dot + rest

    return change


def decimal_comma(cell: str, _: Random) -> str:
    return cell.replace(".", ",") if "." in cell else cell + ",5"


def magnitude(sheet: Sheet, rng: Random) -> Mutant | None:
    """Cents for dollars, thousands, percent for a fraction: by a factor that leaves the range."""
    places = [(name, factor) for name, about in sheet.numbers.items() for factor in about.factors]
    if not places:
        return None
    name, factor = rng.choice(places)
    at = sheet.at(name)

    def change(cell: str, _: Random) -> str:
        return f"{float(cell) * factor:.12f}".rstrip("0").rstrip(".")

    rows = [row for row in sheet.rows if row[at]]
    if not rows:
        return None
    return in_cells(lambda _: [name], change)(sheet, rng)


OTHER_DAYS = """
    10/05/2026 05/10/2026 05.10.2026 2026/10/05 20261005 26-10-05 2026-10-5 2026-1-05 2026-W41-1
    2026-278 46300 46300.5 5-Oct-26 Oct-2026 2026-10 2026 2026-10-05T00:00:00 2026-10-05Z 1791158400
    today 2026-Q4 2026M10 02026-10-05 +2026-10-05 2026--10-05
""".split()  # noqa: SIM905, a long list
NO_DAYS = (
    "2026-02-29",
    "2026-13-01",
    "2026-00-10",
    "2026-11-31",
    "2026-10-00",
    "0000-01-01",
    "2026-10-32",
    "99999-01-01",
)
NO_NUMBERS = """
    nan NaN inf -inf Infinity NULL null None N/A NA n/a - . ? #N/A #REF! #DIV/0! TBD TRUE true = =A1
    =1+1 e5 1e 1e5e5 --5 1.2.3 5.. ½ ² ∞ 0x10 0b1 0o7 1_000 1d5 1f 1L (5) 5- 1:30 5/2 1j +-5 ++5 + .5 5.
    1e+ ~5 <5 >5 5.0.0 80k 80K 3bn 3% $5 5€ £5 USD5 5USD 5,
""".split()  # noqa: SIM905, a long list
CONTROLS = tuple(map(chr, (1, 7, 8, 11, 12, 14, 27, 28, 30, 31, 127, 0x85, 0x200B, 0x2028, 0x202E, 0xFEFF)))
SPACES = ("\u00a0", "\u2003", "\u202f", "\u3000", "\u2009")
