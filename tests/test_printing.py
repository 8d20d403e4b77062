"""Texts of users are printed, drawn and written as they stand; no digit is left out; who stops reading stops no command."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import networkx
import pandas as pd
import pytest
from command_lines import ROOT
from typer.testing import CliRunner

from experiments.command.main import app
from experiments.command.printout import print_runs
from experiments.command.rich_table import heading, new_table, show
from experiments.command.streams import Lasting, say, take_unsaid
from experiments.design.experiment import Experiment
from experiments.figures.analysis_figures import prim_tradeoff
from experiments.figures.style import house_style
from experiments.runs.run import finished
from experiments.sweep.metadata import readme
from experiments.sweep.slurm import array_script
from sim.base.faults import InputError
from sim.base.graphml import write_graphml
from sim.base.texts import markdown, visible

HOSTILE = (
    "Sale [/H100] in Texas",
    "[red]x[/red]",
    "a $1^_$ b",
    ":smile:",
    "$HOME `id` $(id)",
    "\\textbf{x}",
    "a | b <b>",
)
DIGITS = [f"{1234567 * 7**power:,}" for power in range(12)]
COMMAND = [sys.executable, "-m", "experiments.command.main"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_printed_as_it_stands(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table(text, [text], first=text)
    table.add_row(text, text)
    show(heading(text), table)
    say(text)
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == printed.splitlines()[-1] == text
    assert printed.replace("\n", " ").count(text) >= 5, printed


@pytest.mark.parametrize("columns", ["20", "40", "80", "500"])
def test_no_digit_is_left_out_in_a_pipe(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    table = new_table("Numbers", [f"n{i}" for i in range(len(DIGITS))])
    table.add_row("a run", *DIGITS)
    show(table)
    printed = capsys.readouterr().out
    assert "…" not in printed
    line = next(line for line in printed.splitlines() if "a run" in line)
    assert re.findall(r"[\d,]+", line) == DIGITS


def test_a_stored_run_is_printed_whatever_its_title(
    stored_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    done = finished(stored_run)
    done.manifest["title"] = "Sale [/H100] at $2 :smile: \x1b[31m"
    print_runs([done])
    printed = capsys.readouterr().out
    assert printed.startswith("Sale [/H100] at $2 :smile: \\x1b[31m: 6 weeks, seed 7")
    assert "…" not in printed and "\x1b" not in printed
    assert f"{done.sales[0].taken:,}" in printed


def test_signs_that_a_terminal_obeys_are_spelt_out(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b]0;title\x07b\u202egnp.exe\rc\x00")
    assert capsys.readouterr().out == "a\\x1b]0;title\\x07b\\u202egnp.exe\\x0dc\\x00\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "utf-8"])
def test_an_encoding_that_lacks_a_sign_gets_it_in_letters(encoding: str) -> None:
    raw = io.BytesIO()
    stream = Lasting(io.TextIOWrapper(raw, encoding=encoding, newline="\n"))
    stream.write("5 – 7 ± 1 × Zürich 東京 \udc80\n")
    stream.flush()
    said = raw.getvalue().decode(encoding)
    assert "\\u6771" in said or "東京" in said
    if encoding == "ascii":
        assert said == "5 - 7 +- 1 x Z\\xfcrich \\u6771\\u4eac \\udc80\n"


def test_who_stops_reading_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        lasting = Lasting(stream)
        lasting.write("x" * 100_000)
        lasting.flush()
        lasting.write("more")
        lasting.flush()
    assert take_unsaid() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    with open("/dev/full", "w", encoding="utf-8") as stream:
        lasting = Lasting(stream)
        lasting.write("x")
        lasting.flush()
    assert take_unsaid() == "No space left on device"
    assert take_unsaid() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("locale", "line"),
    [
        ({"LC_ALL": "C"}, "firesale schema 2>&1 | head -1"),
        ({"PYTHONIOENCODING": "ascii"}, "firesale scenarios"),
        ({"PYTHONIOENCODING": "cp1252"}, "firesale scenarios"),
        ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "firesale schema"),
        ({"LANG": "de_DE.UTF-8"}, "firesale --help | head -1"),
        ({}, "firesale schema >&-"),
    ],
)
def test_every_locale_and_a_closed_pipe_work(locale: dict[str, str], line: str) -> None:
    line = line.replace("firesale", " ".join(COMMAND))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        env={**os.environ, "PYTHONPATH": str(ROOT), **locale},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


@pytest.mark.parametrize("text", HOSTILE)
def test_a_figure_shows_a_text_as_it_stands(text: str) -> None:
    trajectory = pd.DataFrame(
        {"coverage": [1.0, 0.5], "density": [0.2, 0.9], "restricted": [0, 2], "chosen": [False, True]}
    )
    figure, _ = prim_tradeoff(trajectory, text)
    with house_style():
        figure.axes[0].set_yticks([0.5], [text])
        figure.savefig(io.BytesIO(), format="svg")
        written = io.BytesIO()
        figure.savefig(written, format="pdf")
    assert figure.axes[0].get_title() == text or figure.axes[0].get_title("left") == text
    assert written.getvalue().startswith(b"%PDF")


def test_the_lines_of_a_batch_script_hold_the_paths_and_nothing_else(tmp_path: Path) -> None:
    experiment = Experiment(name="array")
    for file, out in (
        ("$HOME/a b.toml", "re'sults"),
        ("-x.toml", "--yes"),
        ("`id`;id&&id", "$(id)\\"),
        ('"', "#"),
    ):
        script = array_script(experiment, Path(file), Path(out), shards=2, workers=1, hours=1)
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
        together = re.search(r"^# Put together: +(.*)$", script, re.M)
        assert together
        say_words = (
            'srun() { "$@"; }; firesale() { printf "%s\\n" "$@"; }; sbatch() { eval "${2#--wrap=}"; }\n'
        )
        say_words += 'exec() { "$@"; }\n'
        ran = subprocess.run(
            [
                "bash",
                "-c",
                f"{say_words}SLURM_ARRAY_TASK_ID=1 SLURM_CPUS_PER_TASK=1 job=1\n{script}{together[1]}",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        words = ran.stdout.splitlines()
        path = f"./{file}" if file.startswith("-") else file
        folder = f"./{out}" if out.startswith("-") else out
        assert words[:5] == ["sweep", path, "--out", folder, "--yes"]
        assert words[-5:] == ["sweep", path, "--out", folder, "--yes"]
    with pytest.raises(InputError, match="experiment file 'a\\\\nid': one line"):
        array_script(experiment, Path("a\nid"), Path("x"), shards=2, workers=1, hours=1)


def test_graphs_can_be_read_back_whatever_stands_in_them(tmp_path: Path) -> None:
    graph: networkx.DiGraph[str] = networkx.DiGraph(name="a\x00b")
    graph.add_node("x\x0b", name="<b>&\"' \x1b\ud800\uffff]]>")
    graph.add_edge("x\x0b", "y", kind="\x07")
    write_graphml(graph, tmp_path / "g.graphml")
    read = networkx.read_graphml(tmp_path / "g.graphml")
    assert read.nodes["x\\x0b"]["name"] == "<b>&\"' \\x1b\\ud800\\uffff]]>"
    assert read.edges["x\\x0b", "y"]["kind"] == "\\x07"


def test_markdown_shows_a_text_as_it_stands() -> None:
    assert markdown("# a | b\n<script>") == "\\# a \\| b \\<script\\>"
    page = readme(Experiment(name="x", title="A | <b> $x$ [y](z)", description="1\n# 2"), {}, ["a.parquet"])
    assert page.splitlines()[0] == "# A \\| \\<b\\> \\$x\\$ \\[y\\](z)"
    assert "\n# 2" not in page


def test_a_title_of_two_lines_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    file.write_text('title = "a\\u001b[2J"\nbase = "calm"\n', encoding="utf-8")
    result = CliRunner().invoke(app, ["run", str(file), "--out", str(tmp_path / "x")])
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"firesale: {file}: title 'a\\x1b[2J': one line of text without control characters; it holds \\x1b\n"
    )
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["plain", "Zürich – 東京", *HOSTILE])
def test_what_shows_is_not_changed(text: str) -> None:
    assert visible(text) == text
