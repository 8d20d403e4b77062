"""What firesale depends on: every licence is listed, none that is required is under the GPL, every file has its hash."""

import re
import tomllib

import pytest
from command_lines import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("tests run outside a checkout", allow_module_level=True)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = re.findall(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ; [^\\\n]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})*)$", LOCK, re.M
)


def needs() -> dict[str, tuple[str, list[str]]]:
    """Package -> versions, and what it is needed for: required, to build, or extras."""
    project = PROJECT["project"]
    asked = [(line, "required") for line in project["dependencies"]]
    asked += [(line, "to build") for line in PROJECT["build-system"]["requires"]]
    asked += [(line, extra) for extra, lines in project["optional-dependencies"].items() for line in lines]
    found: dict[str, tuple[str, list[str]]] = {}
    for line, wanted in asked:
        package = Requirement(line)
        if package.name != "firesale":
            found.setdefault(package.name, (str(package.specifier) or "any", []))[1].append(wanted)
    return found


def listed() -> dict[str, tuple[str, str, list[str]]]:
    """Package -> versions, licence, and what it is needed for, as the page says."""
    page = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    return {name: (versions, licence, wanted.split(", ")) for name, versions, licence, wanted in rows[1:]}


def test_every_dependency_is_listed_as_it_is_asked_for() -> None:
    assert {name: (versions, wanted) for name, (versions, _, wanted) in listed().items()} == needs()
    assert [name for name, (_, licence, _) in listed().items() if not licence] == []


def test_the_gpl_stands_behind_an_extra_that_says_so() -> None:
    under_gpl = {
        name: wanted for name, (_, licence, wanted) in listed().items() if re.search(r"(?<!L)GPL", licence)
    }
    assert under_gpl == {"ema-workbench": ["discover"]}
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r"^discover = .*GPL", text, re.M)


def test_every_version_in_the_lock_has_hashes_and_no_index_is_named() -> None:
    assert len(PINNED) > 150
    assert [name for name, _, hashes in PINNED if not hashes] == []
    # Nothing stands there but comments, versions and hashes.
    assert [
        line for line in LOCK.splitlines() if not re.match(r"#|[A-Za-z0-9._-]+==|    --hash=sha256:", line)
    ] == []
    assert "://" not in LOCK


def test_the_lock_holds_every_dependency_in_its_range() -> None:
    pinned: dict[str, list[str]] = {}
    for name, version, _ in PINNED:
        pinned.setdefault(canonicalize_name(name), []).append(version)
    asked = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    asked += [line for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines]
    for line in asked:
        package = Requirement(line)
        if package.name != "firesale":
            assert any(version in package.specifier for version in pinned[canonicalize_name(package.name)]), (
                line
            )
