"""How-to pages are followed word for word: files saved, shell and Python blocks run, in order; other examples run too."""

import contextlib
import doctest
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from command_lines import ROOT, environment

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("how-to-*.md"))
SECONDS = 580

pytestmark = pytest.mark.skipif(not PAGES, reason="tests run outside a checkout")


def script(page: Path, folder: Path) -> str:
    """Shell script of a page; blocks are saved under the name the sentences before them give, or else run."""
    text = page.read_text(encoding="utf-8")
    lines, end = ["set -eu"], 0
    for number, found in enumerate(re.finditer(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)):
        language, block = found.groups()
        names = re.findall(r"[Ss]ave (?:this )?as\s+`([\w.]+)`", text[end : found.start()])
        end = found.end()
        if names:
            (folder / names[-1]).write_text(block, encoding="utf-8")
        elif language == "python":
            (folder / f"block_{number}.py").write_text(block, encoding="utf-8")
            lines.append(f"python block_{number}.py")
        else:
            assert language == "sh"
            lines.append(block)
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    text = script(page, tmp_path)
    assert text.count("firesale sweep") >= 2
    process = subprocess.Popen(
        ["bash", "-c", text],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=SECONDS)
    finally:
        # What a page leaves running, such as a cluster, ends with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output + errors
    assert "Digest of runs.parquet" in output


def test_examples_of_the_architecture_say_what_they_show() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    examples = "\n".join(re.findall(r"^```pycon\n(.*?)^```", text, re.M | re.S))
    test = doctest.DocTestParser().get_doctest(examples, {}, "architecture", "architecture.md", 0)
    result = doctest.DocTestRunner().run(test)
    assert result.attempted >= 10
    assert result.failed == 0


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_links_and_pictures_of_pages_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
