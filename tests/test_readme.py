"""Every block of the README is run as it stands; what it links to is there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.is_file(), reason="tests run outside a checkout")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


def lines(block: str) -> list[str]:
    return [line.split("#")[0].strip() for line in block.splitlines() if line.split("#")[0].strip()]


def test_links_and_pictures_are_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert len(targets) >= 6
    for target in targets:
        assert (ROOT / target).is_file(), target


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [line.split()[1] for line in lines(blocks("sh")[0])]
    assert targets == ["run", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M)


def test_plain_lines_do_what_make_does() -> None:
    """What the plain lines install and run is what the recipes of the Makefile do."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    environment, *installs, run, test = lines(blocks("sh")[1])
    assert environment == "python3 -m venv .venv"
    assert len(installs) == 2
    for install in installs:
        assert install.replace("install ", "install --quiet --disable-pip-version-check ") in makefile
    assert run in makefile
    assert test in makefile


def test_python_block_runs(tmp_path: Path) -> None:
    (block,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "price_usd_H100" in done.stdout


@pytest.mark.slow
def test_command_lines_run_in_order(tmp_path: Path) -> None:
    commands = lines(blocks("sh")[2])
    assert len(commands) >= 8
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "firesale"
        done = subprocess.run(
            [sys.executable, "-m", "experiments.command.main", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout.strip(), command
    assert (tmp_path / "results/tight/figures/flow_map.pdf").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_notebook_executes_to_the_same_bytes_twice(source: Path) -> None:
    from experiments.command.notebooks import execute

    text = execute(source)
    assert text == execute(source)
    assert '"output_type": "error"' not in text
