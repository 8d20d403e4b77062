"""Kinds of mutation of scenario and experiment files, each with its required answer.

A kind takes the tables of a good file and changes them, or its text; it returns None where it does not apply. `named` of a
mutant is what the refusal must name beside the file.
"""

import copy
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import tomli_w

from sim.base.renamed import renamed
from sim.parameters import Parameters, walk
from tests.attack.cell_mutations import EQUAL, REFUSED

Tables = dict[str, Any]
SCENARIO, EXPERIMENT = "scenario", "experiment"


@dataclass(frozen=True)
class Changed:
    """A file that was changed, and what its refusal must name."""

    data: bytes
    named: str = ""


Make = Callable[[Tables, str, Random], Changed | None]


@dataclass(frozen=True)
class Kind:
    """A kind of mutation: name, required answer, the sort of file it is for (empty: both), and how it is made."""

    name: str
    answer: str
    sort: str
    make: Make


FIELDS = {key: (field, value) for key, value, field in walk(Parameters())}
FILES = [key for key in FIELDS if key.endswith("_file")]


def _extra(key: str) -> dict[str, Any]:
    extra = FIELDS[key][0].json_schema_extra
    return extra if isinstance(extra, dict) else {}


NUMBERS = [key for key in FIELDS if FIELDS[key][0].annotation in (int, float)]
WHOLES = [key for key in FIELDS if FIELDS[key][0].annotation is int]
FLAGS = [key for key in FIELDS if FIELDS[key][0].annotation is bool]
CHOICES = [key for key in FIELDS if _extra(key).get("options")]
SECTIONS = sorted({key.split(".")[0] for key in FIELDS if "." in key})


def data_of(tables: Tables) -> bytes:
    """The tables as a file."""
    return tomli_w.dumps(tables).encode()


def put(tables: Tables, key: str, value: Any, table: str = "overrides") -> Tables:
    """A copy with one more dotted key under a table, whatever was there."""
    changed = copy.deepcopy(tables)
    inner = changed.setdefault(table, {})
    inner.pop(key, None)
    *path, last = key.split(".")
    for part in path:
        if not isinstance(inner.get(part, {}), dict):
            inner[part] = {}
        inner = inner.setdefault(part, {})
    inner[last] = value
    return changed


def override(choose: Callable[[Random], tuple[str, Any]], named: str = "") -> Make:
    """A key and a value under ``[overrides]``; the refusal names the key, or `named`."""

    def make(tables: Tables, _: str, rng: Random) -> Changed:
        key, value = choose(rng)
        return Changed(data_of(put(tables, key, value)), named or key)

    return make


def top(key: str, *values: Any, named: str | None = None) -> Make:
    """A value of a key of the file itself; dots lead into tables."""

    def make(tables: Tables, _: str, rng: Random) -> Changed:
        changed = copy.deepcopy(tables)
        *path, last = key.split(".")
        inner = changed
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = rng.choice(values)
        return Changed(data_of(changed), last if named is None else named)

    return make


def text(change: Callable[[str, Random], bytes | None], named: str = "") -> Make:
    """A change of the text of the file."""

    def make(_: Tables, source: str, rng: Random) -> Changed | None:
        data = change(source, rng)
        return None if data is None else Changed(data, named)

    return make


def misspelt(word: str, rng: Random) -> str:
    """A word with a letter lost, doubled or added."""
    place = rng.randrange(len(word))
    return rng.choice(
        [word[:place] + word[place + 1 :] + "q", word[:place] + "x" + word[place:], word + "s_"]
    )


def misspelt_key(rng: Random) -> tuple[str, Any]:
    key = rng.choice(list(FIELDS))
    *path, last = key.split(".")
    return ".".join([*path, misspelt(last, rng)]), 1


def other_case_key(rng: Random) -> tuple[str, Any]:
    key = rng.choice([key for key in FIELDS if "." in key])
    return rng.choice([key.upper(), key.title(), key.replace("_", "-") if "_" in key else key.upper()]), 1


def unknown_section(rng: Random) -> tuple[str, Any]:
    section = misspelt(rng.choice(SECTIONS), rng)
    return f"{section}.share", 1


def other_type(rng: Random) -> tuple[str, Any]:
    """Text for a number, a number for a switch, and so on."""
    kind = rng.randrange(5)
    if kind == 0:
        key = rng.choice(NUMBERS)
        return key, rng.choice(
            [str(FIELDS[key][1]), "x", "", "1e3", True, False, [FIELDS[key][1]], {"low": 1}]
        )
    if kind == 1:
        key = rng.choice(WHOLES)
        return key, FIELDS[key][1] + rng.choice([0.5, 0.01])
    if kind == 2:
        return rng.choice(FLAGS), rng.choice([0, 1, 1.0, "true", "yes", "false", "", [True]])
    if kind == 3:
        return rng.choice(CHOICES), rng.choice(
            [0, True, 1.5, "", ["flat"], "any", "Flat", "FLAT", "flat ", "flat\n"]
        )
    return rng.choice([*FILES, "clock.start"]), rng.choice([0, True, 1.5, ["a.csv"]])


def out_of_range(rng: Random) -> tuple[str, Any]:
    key = rng.choice([key for key in NUMBERS if isinstance(_extra(key).get("low"), int | float)])
    low, high = _extra(key)["low"], _extra(key)["high"]
    if key in WHOLES:
        return key, rng.choice([low - 1, high + 1, -(10**18), 10**18])
    far = max(abs(low), abs(high), 1.0)
    return key, rng.choice([low - far * 1e-6, high + far * 1e-6, -1e18, 1e18, high * 1e4 + 1])


def endless(rng: Random) -> tuple[str, Any]:
    return rng.choice(NUMBERS), rng.choice([float("inf"), float("-inf"), float("nan")])


def old_name(tables: Tables, _: str, rng: Random) -> Changed:
    """A key that was renamed; the refusal says since when, and what it is called now."""
    line = rng.choice([line for line in renamed() if line.what == "parameter"])
    key = f"{line.old}.H100" if line.old == "rent.initial" else line.old
    return Changed(data_of(put(tables, key, 1.0)), f"since {line.since} it is {line.new}")


def no_monday(rng: Random) -> tuple[str, Any]:
    days = [
        "2026-10-06",
        "2026-13-01",
        "05.10.2026",
        "10/05/2026",
        "2026",
        "today",
        "2026-02-30",
        "2026-10-05T00:00",
        "2026-W41",
        "99999-01-01",
    ]
    return "clock.start", rng.choice([*days, ""])


def new_spelling(tables: Tables, _: str, rng: Random) -> Changed:
    """A dotted key in quotation marks beside the same key in its table."""
    key = rng.choice([key for key in NUMBERS if "." in key])
    changed = put(tables, key, FIELDS[key][1])
    changed["overrides"][key] = FIELDS[key][1]
    return Changed(data_of(changed), "given twice")


def truncated(source: str, rng: Random) -> bytes | None:
    """The file ends where it is no TOML any more."""
    data = source.encode()
    for _ in range(20):
        cut = data[: rng.randrange(1, len(data))]
        try:
            tomllib.loads(cut.decode("utf-8", "ignore"))
        except tomllib.TOMLDecodeError:
            return cut
    return None


def twice(source: str, rng: Random) -> bytes | None:
    lines = [line for line in source.splitlines() if re.match(r"[\w.\"]+ *= *[^\[{\"]+$", line)]
    if not lines:
        return None
    line = rng.choice(lines)
    return source.replace(line + "\n", f"{line}\n{line}\n", 1).encode()


def deep(source: str, rng: Random) -> bytes:
    depth = rng.choice([40, 500, 5000])
    nested = rng.choice(
        [
            "z = " + "[" * depth + "]" * depth,
            "z = " + "{a = " * depth + "1" + "}" * depth,
            ".".join(["z"] * depth) + " = 1",
            "overrides." + ".".join(["site"] * depth) + " = 1",
        ]
    )
    return f"{nested}\n{source}".encode()


def dotted(tables: Tables, _: str, rng: Random) -> Changed:
    """The same overrides with dotted keys in quotation marks."""
    changed = copy.deepcopy(tables)
    changed["overrides"] = flat(changed.get("overrides", {}))
    return Changed(data_of(changed))


def flat(table: Tables, prefix: str = "") -> Tables:
    """Nested tables as dotted keys."""
    found: Tables = {}
    for key, value in table.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def shuffled(tables: Tables, _: str, rng: Random) -> Changed:
    changed = copy.deepcopy(tables)
    overrides = list(flat(changed.get("overrides", {})).items())
    rng.shuffle(overrides)
    changed["overrides"] = dict(overrides)
    return Changed(data_of(changed))


def number_of_other_form(tables: Tables, _: str, rng: Random) -> Changed | None:
    """1 for 1.0 and 1.0 for 1."""
    own = flat(tables.get("overrides", {}))
    keys = [key for key, value in own.items() if key in NUMBERS and value == int(value)]
    if not keys:
        return None
    key = rng.choice(keys)
    return Changed(data_of(put(tables, key, float(own[key]) if isinstance(own[key], int) else int(own[key]))))


def key_of_file(tables: Tables, _: str, rng: Random) -> Changed | None:
    """A key of the file itself, misspelt or in another case."""
    changed = copy.deepcopy(tables)
    key = rng.choice(list(changed))
    new = rng.choice([misspelt(key, rng), key.upper(), key.title()])
    changed = {new if name == key else name: value for name, value in changed.items()}
    return Changed(data_of(changed), new)


BOTH: tuple[Kind, ...] = (
    Kind("byte order mark", EQUAL, "", text(lambda source, _: b"\xef\xbb\xbf" + source.encode())),
    Kind("other ends of lines", EQUAL, "", text(lambda source, _: source.replace("\n", "\r\n").encode())),
    Kind("a remark", EQUAL, "", text(lambda source, _: b"# mine\n" + source.encode() + b"\n# end\n")),
    Kind("keys in quotation marks", EQUAL, "", dotted),
    Kind("keys in another order", EQUAL, "", shuffled),
    Kind("a whole number with a point", EQUAL, "", number_of_other_form),
    Kind("a key of the file misspelt", REFUSED, "", key_of_file),
    Kind("a parameter misspelt", REFUSED, "", override(misspelt_key)),
    Kind("a parameter in another case", REFUSED, "", override(other_case_key)),
    Kind("an unknown section", REFUSED, "", override(unknown_section)),
    Kind("a parameter outside [overrides]", REFUSED, "", top("site", {"vacancy": 0.05})),
    Kind("a value of another type", REFUSED, "", override(other_type)),
    Kind(
        "a value for a table",
        REFUSED,
        "",
        override(lambda rng: (rng.choice(SECTIONS), rng.choice([1, "x", True, [1]]))),
    ),
    Kind("a value out of range", REFUSED, "", override(out_of_range)),
    Kind("an endless value", REFUSED, "", override(endless)),
    Kind("an old name", REFUSED, "", old_name),
    Kind("no Monday", REFUSED, "", override(no_monday)),
    Kind(
        "a file that is not there",
        REFUSED,
        "",
        override(
            lambda rng: (
                rng.choice(["world.sites_file", "world.fleets_file"]),
                rng.choice(["none.csv", "~/none.csv", "C:\\none.csv", "/none", "."]),
            )
        ),
    ),
    Kind(
        "a replay that nothing reads",
        REFUSED,
        "",
        override(lambda rng: (f"{rng.choice(['power'])}.replay_file", "prices.csv"), "it is read only with"),
    ),
    Kind(
        "a plugin that is not there",
        REFUSED,
        "",
        top("plugin", "none_such", "../x", "a b", "os;", named="plugin"),
    ),
    Kind("overrides that are no table", REFUSED, "", top("overrides", 1, "x", ["site.vacancy"], True)),
    Kind("text of another type", REFUSED, "", top("title", 1, True, ["x"])),
    Kind(
        "a name that leaves its folder",
        REFUSED,
        "",
        top(
            "name",
            "../x",
            "a/b",
            "..",
            ".",
            "",
            " ",
            "a b",
            "/x",
            "C:\\x",
            "x" * 200,
            "a\n",
            "$HOME",
            "[red]",
            "-x",
            "ä",
        ),
    ),
    Kind("a name that is no text", REFUSED, "", top("name", 1, True, ["x"])),
    Kind("a key twice", REFUSED, "", text(twice)),
    Kind("a key in two spellings", REFUSED, "", new_spelling),
    Kind("cut off", REFUSED, "", text(truncated)),
    Kind("nested without end", REFUSED, "", text(deep)),
    Kind(
        "another encoding",
        REFUSED,
        "",
        text(lambda source, rng: source.encode(rng.choice(["utf-16", "utf-16-le", "utf-32"]))),
    ),
    Kind(
        "a byte that is no UTF-8",
        REFUSED,
        "",
        text(lambda source, rng: b"# \xe9\n" + source.encode(), "line 1"),
    ),
    Kind("a zero byte", REFUSED, "", text(lambda source, _: source.encode() + b"# \0\n")),
    Kind(
        "another kind of file",
        REFUSED,
        "",
        text(
            lambda _, rng: rng.choice(
                [b"PK\x03\x04", b"{}", b"a: 1\n", b"<x/>", b"date,series\n1,2\n", b"= 1"]
            )
        ),
    ),
)
