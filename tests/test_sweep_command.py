"""The commands sweep and replay: cost before, progress on the way, failures named, exit codes."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from experiments.command import progress_bar, sweep_commands
from experiments.command.exit_codes import BAD_INPUT, HUNG_UP, INTERRUPTED, RUNS_FAILED, STOPPED, STORE_FAILED
from experiments.command.main import app
from experiments.design.experiment import Experiment
from experiments.design.planner import plan_experiment
from experiments.sweep import report as sweep_report
from experiments.sweep.cost import Left
from experiments.sweep.engine import Progress
from experiments.sweep.store import load

COMMAND = [sys.executable, "-m", "experiments.command.main"]
SHORT = """
scenario = "ten_thousand_h100"
[overrides]
clock.weeks = 4
forced_sale.week = 2
forced_sale.deadline_weeks = 2
forced_sale.gpus = 2000
[vary]
"site.vacancy" = [0.01, 0.05]
[replications]
count = 2
"""


def firesale(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    asked = tmp_path / "short.toml"
    asked.write_text(SHORT)
    return asked


def test_a_factor_that_changes_nothing_is_warned_of() -> None:
    idle = {"forced_sale.gpus": (1000, 5000), "site.vacancy": (0.01, 0.06)}
    plan = plan_experiment(Experiment(name="idle", scenario="calm", vary=idle))
    (warning,) = sweep_report.idle_factors(plan)
    assert warning == (
        "Warning: forced_sale.gpus varies and changes nothing: needs forced_sale.enabled = true (is false)"
    )
    switched = {**idle, "forced_sale.enabled": (False, True)}
    assert (
        sweep_report.idle_factors(plan_experiment(Experiment(name="on", scenario="calm", vary=switched)))
        == []
    )


def test_a_dry_run_says_what_it_would_cost_and_stores_nothing(file: Path, tmp_path: Path) -> None:
    result = firesale("sweep", file, "--out", tmp_path / "s", "--workers", 1, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "short: grid design, 2 points; 0 runs stored, 4 to compute" in result.stdout
    assert "2 pilot runs: " in result.stdout and "MB of memory in a worker" in result.stdout
    assert "With 1 worker: " in result.stdout and "MB on the disk" in result.stdout
    assert not (tmp_path / "s").exists()


def test_the_same_command_computes_resumes_grows_and_replays(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    first = firesale("sweep", file, "--out", folder, "--workers", 0, "--yes")
    assert first.exit_code == 0, first.output
    assert "4 runs computed, 0 were stored, 0 failed, 2 of 2 points complete" in first.stdout
    again = firesale("sweep", file, "--out", folder, "--workers", 0)
    assert "4 runs stored, 0 to compute" in again.stdout
    assert "0 runs computed, 4 were stored" in again.stdout
    digest = load(folder).manifest["digest"]
    assert f"Digest of runs.parquet: {digest}" in first.stdout and f"{digest}" in again.stdout
    file.write_text(SHORT.replace("count = 2", "count = 3"))
    grown = firesale("sweep", file, "--out", folder, "--workers", 0, "--yes")
    assert "2 runs computed, 4 were stored" in grown.stdout
    # The costs of what is stored are known without a pilot.
    dry = firesale("sweep", file, "--out", folder, "--dry-run")
    assert "6 runs stored, 0 to compute" in dry.stdout and "pilot" not in dry.stdout
    run_id = load(folder).runs["run_id"][1]
    replayed = firesale("replay", folder, run_id[:10])
    assert replayed.exit_code == 0, replayed.output
    assert "All outcomes are equal." in replayed.stdout
    stored = firesale("replay", folder, run_id, "--out", tmp_path / "one")
    assert stored.exit_code == 0, stored.output
    assert (tmp_path / "one" / "trades.parquet").exists()


def test_failed_runs_are_named_with_their_replay_and_the_exit_code_says_so(tmp_path: Path) -> None:
    asked = tmp_path / "late.toml"
    asked.write_text(
        'scenario = "rebound_2026"\n[overrides]\nclock.weeks = 1\n[vary]\n"clock.start" = ["2025-10-06", "2031-01-06"]\n'
        "[replications]\ncount = 1\n"
    )
    result = firesale("sweep", asked, "--out", tmp_path / "s", "--workers", 1, "--yes")
    assert result.exit_code == RUNS_FAILED == 5, result.output
    assert "1 runs computed, 0 were stored, 1 failed" in result.stdout
    (failure,) = load(tmp_path / "s").failures.itertuples()
    assert f"firesale replay {tmp_path / 's'} {failure.run_id}" in result.stdout
    assert "no cited value" in failure.error
    replayed = firesale("replay", tmp_path / "s", failure.run_id)
    assert replayed.exit_code in (STOPPED, BAD_INPUT), replayed.output
    assert "no cited value" in replayed.stderr


def test_more_than_an_hour_is_not_begun_unasked(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_commands, "ASK_ABOVE_SECONDS", 0.001)
    result = firesale("sweep", file, "--out", tmp_path / "s", "--workers", 1)
    assert result.exit_code == BAD_INPUT
    assert "--yes begins without asking" in result.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing.toml"], BAD_INPUT, "missing.toml: cannot be read"),
        (["vacancy_and_sise"], BAD_INPUT, "did you mean vacancy_and_size"),
        (["vacancy_and_size", "--shard", "4/3"], BAD_INPUT, "--shard 4/3: expected I/N"),
        (["vacancy_and_size", "--shard", "x"], BAD_INPUT, "such as 3/40"),
        (["vacancy_and_size", "--out", "thesis", "--yes"], STORE_FAILED, "no result of a sweep"),
        (["vacancy_and_size", "--dask", "nonsense", "--yes"], STOPPED, "such as tcp://"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    result = firesale("sweep", *arguments)
    assert result.exit_code == code, result.output
    assert len(result.stderr.strip().splitlines()) == 1 and words in result.stderr


def test_an_unknown_run_is_named(tmp_path: Path, file: Path) -> None:
    firesale("sweep", file, "--out", tmp_path / "s", "--workers", 0, "--yes", "--shard", "1/2")
    result = firesale("replay", tmp_path / "s", "zzz")
    assert result.exit_code == STORE_FAILED and "no run begins with 'zzz'" in result.stderr


def test_shards_are_put_together_by_the_same_command(file: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        part = firesale(
            "sweep", file, "--out", tmp_path / "s", "--workers", 0, "--yes", "--shard", f"{number}/2"
        )
        assert part.exit_code == 0, part.output
        assert f"Part {number} of 2 is stored" in part.stdout
    whole = firesale("sweep", file, "--out", tmp_path / "s", "--workers", 0)
    assert "0 runs computed, 4 were stored" in whole.stdout and "Digest of runs.parquet" in whole.stdout


@pytest.mark.slow
def test_workers_do_not_take_the_users_folders_for_ours(file: Path, tmp_path: Path) -> None:
    where = tmp_path / "where"
    for name in ("sim", "experiments", "agents"):
        (where / name).mkdir(parents=True)
        (where / name / "__init__.py").write_text("")
    # A console script looks for modules in its own folder, not in the working directory.
    script = tmp_path / "bin" / "firesale.py"
    script.parent.mkdir()
    script.write_text("from experiments.command.main import app\nif __name__ == '__main__':\n    app()\n")
    arguments = ["sweep", str(file), "--out", str(tmp_path / "s"), "--workers", "1", "--yes"]
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and "4 runs computed" in done.stdout, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, INTERRUPTED), pytest.param(signal.SIGHUP, HUNG_UP, marks=pytest.mark.slow)],
)
@pytest.mark.slow
def test_a_stop_prints_the_command_that_goes_on(
    number: signal.Signals, code: int, file: Path, tmp_path: Path
) -> None:
    file.write_text(SHORT.replace("count = 2", "count = 2000"))
    arguments = ["sweep", str(file), "--out", str(tmp_path / "s"), "--workers", "1", "--yes"]
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "s" / "journal").glob("*.parquet")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    if number == signal.SIGHUP:
        os.killpg(process.pid, number)  # a terminal that closes tells workers too
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("firesale: interrupted; ") and last.endswith("firesale " + " ".join(arguments))
    stored = len(load(tmp_path / "s").runs)
    assert 0 < stored < 4000 and f"{stored:,} runs are stored and none is lost" in last


def test_progress_on_a_terminal_and_beside_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Progress(points=4, asked=40, stored=10, done=8, failed=2, converged=1, widest=1.84)
    progress.began -= 5.0
    line = sweep_report.line_of(progress)
    assert line.startswith(
        "18 done, 2 failed, 20 left, 2 runs/s, 10 s to go, 1 of 4 points complete, widest half-width 1.8 x"
    )
    monkeypatch.setattr(progress_bar, "LINE_SECONDS", 0.0)
    with progress_bar.following(quiet=False) as tell:
        tell(progress)
    assert capsys.readouterr().err.startswith("18 done, 2 failed, 20 left")
    with progress_bar.following(quiet=True) as tell:
        tell(progress)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_terminal_shows_a_bar(file: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    arguments = ["sweep", str(file), "--out", str(tmp_path / "s"), "--workers", "1", "--yes"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    assert process.wait(timeout=120) == 0
    os.close(master)
    assert process.stdout is not None
    process.stdout.close()
    assert "━".encode() in shown and b"runs/s" in shown and b"4 done, 0 failed, 0 left" in shown


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (Left(3, 7, 7), "3 runs stored, 7 to compute"),
        (Left(0, 100, 800), "0 runs stored, 100 to 800 to compute"),
    ],
)
def test_what_is_left_of_a_stop_rule_is_a_range(left: Left, said: str) -> None:
    from experiments.design.plan import plan_of

    assert sweep_report.planned(plan_of([{"a": 1}]), left).endswith(said)


@pytest.mark.slow
def test_a_sobol_design_of_the_model_goes_through_to_its_sensitivity(tmp_path: Path) -> None:
    asked = tmp_path / "sobol.toml"
    asked.write_text(
        SHORT.replace(
            '"site.vacancy" = [0.01, 0.05]',
            '"site.vacancy" = { low = 0.005, high = 0.06 }\n'
            '"forced_sale.gpus" = { low = 500, high = 20000, scale = "log" }\n[design]\nkind = "saltelli"\npoints = 8',
        )
    )
    made = firesale("sweep", asked, "--out", tmp_path / "s", "--workers", 2, "--yes")
    assert "64 runs computed, 0 were stored, 0 failed, 32 of 32 points complete" in made.stdout, made.output
    said = firesale("sensitivity", tmp_path / "s", "--outcome", "discount", "--outcome", "in_place_share")
    assert said.exit_code == 0, said.output
    assert "sobol" in said.stdout and "forced_sale.gpus" in said.stdout
    table = pd.read_csv(tmp_path / "s" / "sensitivity" / "sobol.csv")
    total = table[(table["index"] == "total") & (table["outcome"] == "discount")].set_index("parameter")[
        "value"
    ]
    assert set(total.index) == {"site.vacancy", "forced_sale.gpus"}
    assert total["forced_sale.gpus"] > 0.1


def test_commands_for_one_run_say_that_a_sweep_is_none(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "s"
    firesale("sweep", file, "--out", place, "--workers", 0, "--yes")
    assert firesale("digest", place).stdout.strip() == load(place).manifest["digest"]
    for command in ("figures", "metrics"):
        said = firesale(command, place)
        assert said.exit_code == STORE_FAILED, said.output
        assert "a sweep, not one run" in said.stderr and len(said.stderr.strip().splitlines()) == 1
    runs = place / "runs.parquet"
    runs.write_bytes(runs.read_bytes()[:100])
    for arguments in (["sensitivity", place], ["compare", place, place]):
        said = firesale(*arguments)
        assert said.exit_code == STORE_FAILED, said.output
        assert "runs.parquet: not as it was written" in said.stderr


@pytest.mark.slow
def test_listed_points_are_analysed_like_any_other(tmp_path: Path) -> None:
    asked = tmp_path / "listed.toml"
    asked.write_text(
        SHORT.replace('"site.vacancy" = [0.01, 0.05]', "").replace("[vary]", '[design]\nkind = "list"')
        + '[[design.list]]\n"site.vacancy" = 0.01\n[[design.list]]\n"site.vacancy" = 0.05\n'
    )
    firesale("sweep", asked, "--out", tmp_path / "s", "--workers", 0, "--yes")
    said = firesale("sensitivity", tmp_path / "s", "--outcome", "discount")
    assert said.exit_code == 0, said.output
    assert "variance of single runs: parameters" in said.stdout
    assert "PAWN needs 20 points with a value, there are 2" in said.stdout


def test_convergence_needs_both_runs_it_is_of(tmp_path: Path) -> None:
    said = firesale("metrics", tmp_path, "--calm", tmp_path)
    assert said.exit_code == BAD_INPUT and "both --calm and --without" in said.stderr
