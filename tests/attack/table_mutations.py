"""Kinds of mutation of a user's table, each with its required answer.

A kind is one line in `KINDS`: name, required answer, and a function from sheet and random numbers to the bytes of a file, with
the line and the column that the refusal must name. It returns None where it does not apply to the sheet. What changes a digit
inside its range, or leaves out whole rows at the end, makes another good table and is no mutation.
"""

from collections.abc import Callable
from random import Random

from tests.attack.cell_mutations import (
    CONTROLS,
    EQUAL,
    NO_DAYS,
    NO_NUMBERS,
    OTHER_DAYS,
    REFUSED,
    SPACES,
    Kind,
    Make,
    Mutant,
    around,
    days,
    decimal_comma,
    decimals,
    every,
    filled,
    in_cells,
    labels,
    look_alike,
    magnitude,
    marked,
    misspelt,
    numbers,
    one_of,
    other_case,
    other_digits,
    put_in,
    raw_cell,
    unsigned,
    wholes,
)
from tests.attack.sheets import Sheet, quoted

# -- lines ------------------------------------------------------------------------------------------------


def line_cut(sheet: Sheet, rng: Random) -> Mutant:
    """A row without its last cells, or without one in the middle."""
    changed, row = sheet.copied(), rng.randrange(len(sheet.rows))
    if rng.random() < 0.5:
        del changed.rows[row][rng.randrange(1, len(sheet.heading)) :]
    else:
        del changed.rows[row][rng.randrange(len(sheet.heading))]
    return Mutant(changed.text().encode(), row + 2)


def line_longer(sheet: Sheet, rng: Random) -> Mutant:
    """A row with one cell more, which may be empty."""
    changed, row = sheet.copied(), rng.randrange(len(sheet.rows))
    changed.rows[row].insert(rng.randrange(len(sheet.heading) + 1), rng.choice(["", "0", "x"]))
    return Mutant(changed.text().encode(), row + 2)


def line_between(*lines: str) -> Make:
    """A foreign line before, between or after the rows."""

    def make(sheet: Sheet, rng: Random) -> Mutant:
        text, place = sheet.text().splitlines(keepends=True), rng.randrange(1, len(sheet.rows) + 2)
        line = rng.choice(lines).format(
            heading=",".join(sheet.heading), blanks="," * (len(sheet.heading) - 1)
        )
        return Mutant("".join([*text[:place], line + "\n", *text[place:]]).encode(), place + 1)

    return make


def line_first(*lines: str) -> Make:
    return lambda sheet, rng: Mutant((rng.choice(lines) + "\n" + sheet.text()).encode(), 1)


def twice(sheet: Sheet, rng: Random) -> Mutant:
    """A row twice, somewhere below itself."""
    changed, row = sheet.copied(), rng.randrange(len(sheet.rows))
    place = rng.randrange(row + 1, len(sheet.rows) + 1)
    changed.rows.insert(place, list(sheet.rows[row]))
    return Mutant(changed.text().encode(), place + 2)


def same_key(sheet: Sheet, rng: Random) -> Mutant | None:
    """A row with the key of another."""
    if not sheet.key or len(sheet.rows) < 2:
        return None
    changed = sheet.copied()
    first, second = sorted(rng.sample(range(len(sheet.rows)), 2))
    for name in sheet.key:
        changed.rows[second][sheet.at(name)] = sheet.rows[first][sheet.at(name)]
    return Mutant(changed.text().encode(), second + 2)


def blank_lines(sheet: Sheet, rng: Random) -> Mutant:
    text = sheet.text().splitlines(keepends=True)
    for _ in range(rng.randrange(1, 4)):
        blank = rng.choice(["\n", "  \n", ",\n", "," * (len(sheet.heading) - 1) + "\n", "\t\n"])
        text.insert(rng.randrange(1, len(text) + 1), blank)
    return Mutant("".join(text).encode())


# -- headings ---------------------------------------------------------------------------------------------


def heading_repeated(sheet: Sheet, rng: Random) -> Mutant:
    changed, name = sheet.copied(), rng.choice(sheet.heading)
    place = rng.randrange(len(sheet.heading) + 1)
    changed.heading.insert(place, name)
    for row, cells in zip(changed.rows, sheet.rows, strict=True):
        row.insert(place, cells[sheet.at(name)])
    return Mutant(changed.text().encode(), 1)


def heading_without(sheet: Sheet, rng: Random) -> Mutant:
    changed = sheet.copied()
    at = sheet.at(rng.choice([name for name in sheet.heading if name not in sheet.optional]))
    for row in [changed.heading, *changed.rows]:
        del row[at]
    return Mutant(changed.text().encode(), 1)


def heading_with(*names: str) -> Make:
    def make(sheet: Sheet, rng: Random) -> Mutant:
        changed, place = sheet.copied(), rng.randrange(len(sheet.heading) + 1)
        changed.heading.insert(place, rng.choice(names))
        for row in changed.rows:
            row.insert(place, "1")
        return Mutant(changed.text().encode(), 1)

    return make


def heading_changed(change: Callable[[str, Random], str | None]) -> Make:
    def make(sheet: Sheet, rng: Random) -> Mutant | None:
        changed, place = sheet.copied(), rng.randrange(len(sheet.heading))
        new = change(sheet.heading[place], rng)
        if new is None or new in sheet.heading:
            return None
        changed.heading[place] = new
        return Mutant(changed.text().encode(), 1)

    return make


def columns_in_other_order(sheet: Sheet, rng: Random) -> Mutant:
    order = rng.sample(range(len(sheet.heading)), len(sheet.heading))
    changed = sheet.copied()
    changed.heading = [sheet.heading[place] for place in order]
    changed.rows = [[row[place] for place in order] for row in sheet.rows]
    return Mutant(changed.text().encode())


def without_optional(sheet: Sheet, rng: Random) -> Mutant | None:
    if not sheet.optional:
        return None
    changed = sheet.copied()
    at = sheet.at(rng.choice(sheet.optional))
    for row in [changed.heading, *changed.rows]:
        del row[at]
    return Mutant(changed.text().encode())


def rows_in_other_order(sheet: Sheet, rng: Random) -> Mutant | None:
    if not sheet.any_order:
        return None
    changed = sheet.copied()
    rng.shuffle(changed.rows)
    return Mutant(changed.text().encode())


# -- files ------------------------------------------------------------------------------------------------


def other_separator(sheet: Sheet, rng: Random) -> Mutant:
    return Mutant(sheet.text(rng.choice(";\t|")).encode(), 1)


def other_encoding(sheet: Sheet, rng: Random) -> Mutant:
    return Mutant(
        sheet.text().encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"]))
    )


def mixed_ends(sheet: Sheet, rng: Random) -> Mutant:
    ends = rng.choice([("\r\n",), ("\r",), ("\r\n", "\n"), ("\r", "\n", "\r\n")])
    return Mutant("".join(line + rng.choice(ends) for line in sheet.text().splitlines()).encode())


def all_quoted(sheet: Sheet, rng: Random) -> Mutant:
    rows = [[quoted(cell, always=rng.random() < 0.8) for cell in row] for row in [sheet.heading, *sheet.rows]]
    return Mutant("".join(",".join(row) + "\n" for row in rows).encode())


def cut_off(sheet: Sheet, rng: Random) -> Mutant:
    """The file ends inside a row, before its last cell."""
    lines = sheet.text().splitlines(keepends=True)
    row = rng.randrange(1, len(lines))
    cells = sheet.rows[row - 1][: rng.randrange(1, len(sheet.heading))]
    return Mutant(("".join(lines[:row]) + ",".join(map(quoted, cells))).encode(), row + 1)


def opened_quote(sheet: Sheet, rng: Random) -> Mutant:
    lines = sheet.text().splitlines(keepends=True)
    row = rng.randrange(len(lines))
    return Mutant(
        "".join([*lines[:row], '"' + lines[row].replace('"', ""), *lines[row + 1 :]]).encode(), row + 1
    )


def whole_file(*data: bytes) -> Make:
    return lambda _, rng: Mutant(rng.choice(data))


def heading_alone(sheet: Sheet, rng: Random) -> Mutant:
    return Mutant((sheet.text().splitlines()[0] + rng.choice(["", "\n", "\n\n,,\n", "\r\n"])).encode())


def endless_cell(cell: str, rng: Random) -> bytes:
    return rng.choice([b'"' + b"x" * 200_000 + b'"', b"9" * 200_000, cell.encode() * 20_000])


KINDS: tuple[Kind, ...] = (
    Kind("byte order mark", EQUAL, lambda sheet, _: Mutant(b"\xef\xbb\xbf" + sheet.text().encode())),
    Kind("other ends of lines", EQUAL, mixed_ends),
    Kind("no end of the last line", EQUAL, lambda sheet, _: Mutant(sheet.text().rstrip().encode())),
    Kind("lines without text", EQUAL, blank_lines),
    Kind("cells in quotation marks", EQUAL, all_quoted),
    Kind("columns in another order", EQUAL, columns_in_other_order),
    Kind("rows in another order", EQUAL, rows_in_other_order),
    Kind("a remark left out", EQUAL, without_optional),
    Kind("spaces and tabs around cells", EQUAL, in_cells(every, around(" ", "   ", "\t", " \t"))),
    Kind("a plus sign", EQUAL, in_cells(unsigned, lambda cell, _: f"+{cell}")),
    Kind("zeros before a number", EQUAL, in_cells(unsigned, lambda cell, _: f"00{cell}")),
    Kind(
        "zeros after a number",
        EQUAL,
        in_cells(decimals, lambda cell, _: cell + ("00" if "." in cell else ".00")),
    ),
    Kind("a number with an exponent", EQUAL, in_cells(decimals, lambda cell, _: f"{cell}e0")),
    Kind("a row cut", REFUSED, line_cut),
    Kind("a row with more cells", REFUSED, line_longer),
    Kind("a row twice", REFUSED, twice),
    Kind("two rows of one key", REFUSED, same_key),
    Kind("the heading again", REFUSED, line_between("{heading}")),
    Kind(
        "a line of remarks",
        REFUSED,
        line_between("# source: desk", "units,,", "total", "---", "USD,,", "\x1a", "..."),
    ),
    Kind("a line of totals", REFUSED, line_between("total{blanks}1", "Sum{blanks}100", "average{blanks}2.5")),
    Kind(
        "a line above the heading",
        REFUSED,
        line_first("# mine", "Prices 2026", "sep=,", "sep=;", "", "date", "export,,", "\ufeff"),
    ),
    Kind("a column twice", REFUSED, heading_repeated),
    Kind("a column missing", REFUSED, heading_without),
    Kind(
        "a column unknown",
        REFUSED,
        heading_with("comment", "Unnamed: 0", "index", "", "currency", "volume", "0", "#"),
    ),
    Kind("a heading misspelt", REFUSED, heading_changed(misspelt)),
    Kind("a heading in another case", REFUSED, heading_changed(other_case)),
    Kind(
        "a heading with a mark",
        REFUSED,
        heading_changed(around("*", ":", "\u00a0", "\u200b", " (USD)", "\x01", "'")),
    ),
    Kind(
        "no heading",
        REFUSED,
        lambda sheet, _: Mutant("".join(sheet.text().splitlines(keepends=True)[1:]).encode(), 1),
    ),
    Kind("a label misspelt", REFUSED, in_cells(labels, misspelt)),
    Kind("a label in another case", REFUSED, in_cells(labels, other_case)),
    Kind("a label that looks alike", REFUSED, in_cells(labels, look_alike)),
    Kind(
        "another label",
        REFUSED,
        in_cells(labels, one_of("ethereum", "H100 SXM", "RTX 4090", "SOFR", "somewhere", "0", "yes please")),
    ),
    Kind("a label of another column", REFUSED, lambda sheet, rng: _foreign_label(sheet, rng)),
    Kind("another magnitude", REFUSED, magnitude),
    Kind(
        "a thousands mark",
        REFUSED,
        raw_cell(numbers, lambda cell, rng: (marked(",")(cell, rng) or "").encode()),
    ),
    Kind("a thousands mark in quotes", REFUSED, in_cells(numbers, marked(","))),
    Kind(
        "another thousands mark",
        REFUSED,
        in_cells(
            numbers,
            lambda cell, rng: marked(rng.choice(["'", " ", "\u00a0", "\u202f", "_", "."]))(cell + ".0", rng),
        ),
    ),
    Kind("a decimal comma", REFUSED, raw_cell(numbers, lambda cell, rng: decimal_comma(cell, rng).encode())),
    Kind("a decimal comma in quotes", REFUSED, in_cells(numbers, decimal_comma)),
    Kind("another separator", REFUSED, other_separator),
    Kind("a day of another form", REFUSED, in_cells(days, one_of(*OTHER_DAYS))),
    Kind("no such day", REFUSED, in_cells(days, one_of(*NO_DAYS))),
    Kind(
        "a negative number", REFUSED, in_cells(unsigned, lambda cell, _: f"-{cell}" if float(cell) else None)
    ),
    Kind("no number", REFUSED, in_cells(numbers, one_of(*NO_NUMBERS))),
    Kind(
        "too large or too small for a float",
        REFUSED,
        in_cells(numbers, one_of("1e400", "-1e400", "9e999", "9" * 400)),
    ),
    Kind("part of a unit", REFUSED, in_cells(wholes, one_of("8.5", "8.0", "8e3", "1/2", "7", "9", "1e1"))),
    Kind(
        "a unit or a sign beside a number",
        REFUSED,
        in_cells(numbers, around("$", "€", "%", " USD", "k", "*", "'", "~", " MW", "\u2212")),
    ),
    Kind(
        "digits of other scripts",
        REFUSED,
        in_cells(lambda sheet: [*sheet.numbers, *sheet.days], other_digits),
    ),
    Kind("an empty cell", REFUSED, in_cells(filled, one_of("", " ", "\t"))),
    Kind("spaces that are none", REFUSED, in_cells(every, around(*SPACES))),
    Kind(
        "a control character",
        REFUSED,
        in_cells(lambda sheet: [*every(sheet), *sheet.texts], put_in(*CONTROLS)),
    ),
    Kind(
        "a control character around",
        REFUSED,
        in_cells(lambda sheet: [*every(sheet), *sheet.texts], around(*CONTROLS)),
    ),
    Kind(
        "a line in a cell",
        REFUSED,
        in_cells(lambda sheet: [*every(sheet), *sheet.texts], put_in("\n", "\r\n", "\r")),
    ),
    Kind(
        "a stray quotation mark",
        REFUSED,
        raw_cell(every, lambda cell, rng: (put_in('"')(cell, rng) or "").encode()),
    ),
    Kind("text after a quotation mark", REFUSED, raw_cell(every, lambda cell, _: f'"{cell}"x'.encode())),
    Kind("a quotation mark that is not closed", REFUSED, opened_quote),
    Kind("a zero byte", REFUSED, raw_cell(every, lambda cell, _: cell.encode() + b"\0")),
    Kind(
        "a byte that is no UTF-8",
        REFUSED,
        raw_cell(
            every,
            lambda cell, rng: (
                cell.encode()
                + rng.choice([b"\xe9", b"\xff", b"\x80", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\x96"])
            ),
        ),
    ),
    Kind("another encoding", REFUSED, other_encoding),
    Kind("a cell without end", REFUSED, raw_cell(every, endless_cell)),
    Kind("cut off in a row", REFUSED, cut_off),
    Kind("an empty file", REFUSED, whole_file(b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b" ", b"\0" * 512)),
    Kind(
        "another kind of file",
        REFUSED,
        whole_file(
            b"PK\x03\x04\x14\x00\x06\x00",
            b"\x1f\x8b\x08\x00\x00",
            b"\x89PNG\r\n\x1a\n",
            b"PAR1\x15\x04",
            b'{"date": "2026-10-05"}',
            b"<html><body></body></html>",
            b"%PDF-1.7\n%\xe2\xe3",
            b"title = 'x'\n[overrides]\n",
        ),
    ),
    Kind("a heading alone", REFUSED, heading_alone),
)


def _foreign_label(sheet: Sheet, rng: Random) -> Mutant | None:
    return (
        in_cells(lambda _: [name], one_of(sheet.labels[name]))(sheet, rng)
        if (name := rng.choice([*sheet.labels, ""]))
        else None
    )
