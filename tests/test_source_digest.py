"""The digest of the source is that of the checkout wherever firesale is installed: every counted file is packaged."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from experiments.runs.source_digest import COUNTED

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="tests run outside a checkout")
def test_every_counted_file_is_packaged() -> None:
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    left = []
    for path in (
        path for room in ("agents", "sim", "experiments") for path in sorted((ROOT / room).rglob("*"))
    ):
        if path.suffix not in COUNTED or path.suffix == ".py":
            continue
        packaged = any(
            fnmatch(str(path.relative_to(ROOT / package.replace(".", "/"))), pattern)
            for package, patterns in tables.items()
            for pattern in patterns
            if path.is_relative_to(ROOT / package.replace(".", "/"))
        )
        if not packaged:
            left.append(str(path))
    assert left == []
