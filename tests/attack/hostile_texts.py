"""Texts that some program would obey: as a path, a mark of a terminal, markup, a formula, a line of a shell."""

import random
from pathlib import Path

# Kind of text -> some of it; `{out}` is a folder that is not the user's.
KINDS: dict[str, tuple[str, ...]] = {
    "path escape": (
        "../x",
        "../../x",
        "a/../../x",
        "..",
        ".",
        "a/b",
        "..\\x",
        "a\\..\\..\\x",
        "./x",
        "x/",
        "....//x",
    ),
    "absolute path": (
        "{out}/x",
        "/",
        "//{out}/x",
        "C:\\x",
        "\\\\host\\share",
        "file://{out}/x",
        "~/x",
        "~root",
    ),
    "control character": (
        *(
            "a\x00b",
            "a\nb",
            "\n",
            "a\rb",
            "\x1b[2J",
            "\x1b]0;t\x07",
            "a\x0bb",
            "a\x7fb",
            "a\x85b",
            "\t",
            "a\x1cb",
        ),
    ),
    "unicode": (
        *(
            "gрu",
            "ａ",
            "ｘ／ｙ",
            "a\u2044b",
            "é",
            "e\u0301",
            "東京",
            "🙂",
            "a\u00a0b",
            "\u0130",
            "ß",
            "a\u2028b",
        ),
        *("\ud800", "\ufeffa"),
    ),
    "direction of reading": ("a\u202egnp.exe", "\u200fa", "\u2066a\u2069", "\u061ca"),
    "long": ("x" * 101, "x" * 300, "é" * 200, "x/" * 200, "a b " * 60),
    "reserved": (
        *(
            "CON",
            "NUL",
            "COM1",
            "aux",
            "PRN.toml",
            "lpt9",
            "default",
            "all",
            "beside",
            "figures",
            "manifest.json",
        ),
        *(".firesale.json", "", " ", "None"),
    ),
    "markup": (
        *(
            "[/x]",
            "[red]a[/red]",
            "[/H100] b",
            "[link=file:///x]a",
            ":smile:",
            "[[a]]",
            "[a",
            "\\[a]",
            "<b>a</b>",
        ),
        "<script>",
    ),
    "formula": (
        *(
            "$1",
            "a $1^_$ b",
            "$$",
            "$\\frac$",
            "\\$",
            "a_b^c",
            "\\textbf{x}",
            "%s",
            "{a}",
            "{0}",
            "%(a)s",
            "=1+1",
        ),
        "@SUM(1)",
    ),
    "shell": (
        *(
            "$HOME",
            "$(touch PWNED)",
            "`touch PWNED`",
            "; touch PWNED",
            "| touch PWNED",
            "&& touch PWNED",
            "a > PWNED",
        ),
        *("'", '"', "*", "a' ; touch PWNED '", 'a" ; touch PWNED "', "!!", "#", "\\"),
    ),
    "dashes, dots, spaces": (
        *("-x", "--help", "--", "-", ".x", "x.", "...", " x", "x ", "a b", "a  b", "+x", "=x", "_x"),
    ),
    "table": ("a|b", "a,b", 'a"b', "a;b", "|---|", "# a", "a\n| b |", "```", "]]>", "<!--", "&amp;"),
    "TOML": ('a"b', "a'''b", '"""', "a\\u0041", "[x]", "a = 1", "a.b", "{", "\\"),
}


def text_of(kind: str, chance: random.Random, beside: Path) -> str:
    """A text of a kind: one of the list, or two of them in a row, or one inside a harmless word."""
    text = chance.choice(KINDS[kind]).replace("{out}", str(beside))
    how = chance.randrange(4)
    if how == 1:
        text += chance.choice(KINDS[chance.choice(list(KINDS))]).replace("{out}", str(beside))
    elif how == 2:
        text = f"run{text}"
    return text
