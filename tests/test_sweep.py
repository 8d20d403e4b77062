"""The sweep engine: one digest whatever happens, and exactly the bad runs are lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sweep_tasks

from experiments.design.experiment import Experiment
from experiments.design.plan import Plan, plan_of
from experiments.design.planner import plan_experiment
from experiments.sweep import executors
from experiments.sweep.engine import Progress, Report, SweepError, replay, sweep
from experiments.sweep.executors import LocalPool, Serial
from experiments.sweep.jobs import Batch, Ended, ExecutorError
from experiments.sweep.model_task import ModelTask
from experiments.sweep.store import SweepStore, load

GRID = [{"a": float(a), "b": b} for a in range(6) for b in (0.5, 1.5)]


def plan(replications: int = 8, points: Any = GRID, **settings: Any) -> Plan:
    return plan_of(points, name="toy", seed=5, replications={"count": replications}, **settings)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the toy sweep computed in this process."""
    return digest(sweep(plan(), sweep_tasks.noisy, tmp_path_factory.mktemp("alone") / "s", executor=0))


def digest(report: Report) -> str:
    assert report.complete
    return str(report.manifest["digest"])


@pytest.mark.parametrize("workers", [1, 2])
def test_one_digest_for_any_number_of_workers(workers: int, tmp_path: Path, alone: str) -> None:
    assert digest(sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=workers)) == alone


def test_what_a_run_starts_looks_for_modules_as_its_parent_does(tmp_path: Path) -> None:
    """The search path is handed to the process that splits the workers off, and not left to them."""
    own = str({name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")})
    asked = plan_of([{"environment": own}], replications={"count": 1}, seed=5)
    report = sweep(asked, sweep_tasks.surrounded, tmp_path / "s", executor=1)
    assert report.complete and load(tmp_path / "s").runs["same"].tolist() == [1.0]


@pytest.mark.parametrize("apart", [False, True])
def test_one_digest_for_three_shards(apart: bool, tmp_path: Path, alone: str) -> None:
    """Side by side in one folder, or in three that are merged."""
    for number in (2, 3, 1):
        place = tmp_path / (f"s{number}" if apart else "s")
        report = sweep(plan(), sweep_tasks.noisy, place, executor=0, shard=(number, 3))
        assert (report.progress.done, report.complete) == (32, False)
    if apart:
        store = SweepStore(tmp_path / "s")
        for number in (1, 2, 3):
            store.merge(tmp_path / f"s{number}")
        store.close()
    report = sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert (report.progress.done, report.progress.stored) == (0, 96)
    assert digest(report) == alone


@pytest.mark.slow
def test_shards_that_start_together_do_not_disturb_each_other(tmp_path: Path, alone: str) -> None:
    started = [run_apart(tmp_path / "s", f"shard=({number}, 3)") for number in (1, 2, 3)]
    assert [process.wait(timeout=300) for process in started] == [0, 0, 0]
    report = sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert report.progress.done == 0
    assert digest(report) == alone


def test_one_digest_when_workers_are_killed_and_their_runs_retried(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    points = [{"a": 1.0, "b": b, "marks": str(marks)} for b in (0.5, 1.5)]
    asked = plan(10, points, limits={"retries": 1})
    killed = sweep(asked, sweep_tasks.killed_once, tmp_path / "killed", executor=2)
    assert len(list(marks.iterdir())) == 2 and killed.progress.failed == 0
    assert killed.manifest["counts"]["ok"] == 20
    calm = sweep(asked, sweep_tasks.killed_once, tmp_path / "calm", executor=0)
    assert digest(killed) == digest(calm)


def test_growing_computes_only_what_is_new(tmp_path: Path, alone: str) -> None:
    first = sweep(plan(3, GRID[:5]), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert first.progress.done == 15
    more_points = sweep(plan(3), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert (more_points.progress.stored, more_points.progress.done) == (15, 21)
    more_replications = sweep(plan(8), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert (more_replications.progress.stored, more_replications.progress.done) == (36, 60)
    assert digest(more_replications) == alone


def test_shrinking_keeps_what_is_no_longer_asked_for(tmp_path: Path, alone: str) -> None:
    sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=0)
    small = sweep(plan(3), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert small.progress.done == 0 and small.manifest["counts"]["runs"] == 36
    again = sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert again.progress.done == 0
    assert digest(again) == alone


def test_a_sobol_sweep_of_the_model_keeps_its_points_when_it_grows(tmp_path: Path) -> None:
    def asked(points: int) -> Plan:
        return plan_experiment(
            Experiment.model_validate(
                {
                    "name": "grow",
                    "vary": {"site.vacancy": {"low": 0.005, "high": 0.06}},
                    "design": {"kind": "sobol", "points": points},
                    "replications": {"count": 1},
                }
            )
        )

    sweep(asked(4), sweep_tasks.noisy, tmp_path / "s", executor=0)
    report = sweep(asked(8), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert (report.progress.stored, report.progress.done) == (4, 4)


def test_a_latin_hypercube_refuses_to_grow_and_says_why(tmp_path: Path) -> None:
    def asked(points: int) -> Plan:
        return plan_experiment(
            Experiment.model_validate(
                {
                    "name": "grow",
                    "vary": {"site.vacancy": {"low": 0.005, "high": 0.06}},
                    "design": {"kind": "lhs", "points": points},
                    "replications": {"count": 1},
                }
            )
        )

    sweep(asked(4), sweep_tasks.noisy, tmp_path / "s", executor=0)
    with pytest.raises(
        SweepError, match="of 4 points cannot grow to 8: its points would all move; use sobol"
    ):
        sweep(asked(8), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert len(load(tmp_path / "s").runs) == 4


def test_a_stop_rule_makes_the_same_runs_with_one_worker_and_two(tmp_path: Path) -> None:
    rule = {
        "min": 10,
        "block": 5,
        "max": 200,
        "stop": [{"outcome": "level", "half_width": 0.25}],
    }
    asked = plan_of(GRID[:4], name="stop", seed=5, replications=rule)
    reports = [
        sweep(asked, sweep_tasks.noisy, tmp_path / str(workers), executor=workers) for workers in (0, 1, 2)
    ]
    assert len({digest(report) for report in reports}) == 1
    points = load(tmp_path / "2").points
    assert set(points["stopped_by"]) == {"half-width"} and (points["n"] < 200).all()
    assert (points["level_half_width"] <= 0.25).all()
    assert reports[0].progress.converged == 4
    again = sweep(asked, sweep_tasks.noisy, tmp_path / "2", executor=0)
    assert again.progress.done == 0 and digest(again) == digest(reports[0])


def test_a_long_stop_rule_is_resumed_without_deep_recursion(tmp_path: Path) -> None:
    rule = {"min": 2, "block": 1, "max": 3000, "stop": [{"outcome": "level", "half_width": 1e-9}]}
    asked = plan_of([{"a": 1.0}], name="long", seed=5, replications=rule)
    sweep(asked, sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert sweep(asked, sweep_tasks.noisy, tmp_path / "s", executor=0).progress.stored == 3000


def test_points_with_equal_parameters_share_their_runs(tmp_path: Path) -> None:
    report = sweep(plan(3, [GRID[0], GRID[0], GRID[1]]), sweep_tasks.noisy, tmp_path / "s", executor=0)
    runs = load(tmp_path / "s").runs
    assert report.manifest["counts"]["runs"] == len(runs) == 9
    assert runs["run_id"].nunique() == 6


@pytest.fixture(scope="module")
def two_hundred(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """200 runs, of which four are lost, each in its own way."""
    bad = {17: "raise", 61: "segfault", 111: "hang", 150: "memory"}
    points = [{"a": float(n), "trouble": bad.get(n, "")} for n in range(200)]
    asked = plan(1, points, limits={"run_seconds": 2.0, "retries": 0, "memory_mb": 512})
    return sweep(asked, sweep_tasks.wicked, tmp_path_factory.mktemp("bad") / "s", executor=2)


def test_exactly_the_bad_runs_are_lost_and_named(two_hundred: Report) -> None:
    assert two_hundred.complete
    results = load(two_hundred.folder)
    failures = results.failures.set_index("point")
    assert dict(failures["status"]) == {17: "raised", 61: "died", 111: "timed_out", 150: "out_of_memory"}
    assert failures.loc[17, "error"] == "ValueError: the model stopped in week 3"
    assert "sweep_tasks.py" in failures.loc[17, "traceback"]
    assert "SIGSEGV" in failures.loc[61, "error"]
    assert "longer than 2 s" in failures.loc[111, "error"]
    assert "MemoryError" in failures.loc[150, "error"]
    assert two_hundred.manifest["counts"]["ok"] == 196
    assert (results.runs.loc[results.runs["status"] == "ok", "level"].notna()).all()
    assert results.runs.loc[[17, 61, 111, 150], "level"].isna().all()
    texts = {path.stem: path.read_text() for path in (two_hundred.folder / "failures").iterdir()}
    assert set(texts) == set(failures["run_id"])
    assert "the model stopped in week 3" in texts[failures.loc[17, "run_id"]]
    assert sorted(run_id for run_id, _, _ in two_hundred.failures) == sorted(texts)


def test_a_failure_is_replayed_with_its_full_error(two_hundred: Report) -> None:
    (run_id,) = [run_id for run_id, status, _ in two_hundred.failures if status == "raised"]
    with pytest.raises(ValueError, match="the model stopped in week 3"):
        replay(two_hundred.folder, run_id[:10], sweep_tasks.wicked)


def test_a_good_run_is_replayed_bit_for_bit(two_hundred: Report) -> None:
    row = load(two_hundred.folder).runs.iloc[42]
    entry, outcomes = replay(two_hundred.folder, row["run_id"], sweep_tasks.wicked)
    assert entry["status"] == "ok" and outcomes["level"] == row["level"]


def test_failed_runs_are_tried_again_by_the_next_session_and_good_ones_are_not(two_hundred: Report) -> None:
    asked = plan(1, [{"a": float(n), "trouble": "raise" if n == 17 else ""} for n in range(200)])
    folder = two_hundred.folder.parent / "again"
    sweep(asked, sweep_tasks.wicked, folder, executor=0)
    report = sweep(asked, sweep_tasks.wicked, folder, executor=0)
    assert (report.progress.stored, report.progress.done, report.progress.failed) == (199, 0, 1)


def test_changed_code_reuses_nothing_unless_allowed(tmp_path: Path, alone: str) -> None:
    sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=0)

    def changed(parameters: Any, seed: int, replication: int) -> Any:
        return {"level": 1.0, "extra": 2.0}, {}

    changed.fingerprint = "other code"  # type: ignore[attr-defined]
    allowed = sweep(plan(), changed, tmp_path / "s", executor=0, allow_code_change=True)
    assert allowed.progress.done == 0 and "because you allowed it" in allowed.note
    assert digest(allowed) == alone
    report = sweep(plan(), changed, tmp_path / "s", executor=0)
    assert report.progress.done == 96 and "not reused" in report.note
    assert set(load(tmp_path / "s").runs["level"]) == {1.0}
    # Nor do old outcomes leave a trace in the new tables.
    fresh = sweep(plan(), changed, tmp_path / "fresh", executor=0)
    assert digest(report) == digest(fresh)
    back = sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert back.progress.done == 0, "runs of the old code were kept in the archive"
    assert digest(back) == alone


def test_a_worker_with_other_code_refuses(tmp_path: Path) -> None:
    class Elsewhere(Serial):
        def submit(self, batch: Batch) -> None:
            super().submit(
                Batch(batch.run, "older", batch.jobs, batch.seconds, batch.memory_mb, batch.number)
            )

    with pytest.raises(
        Exception, match=r"this worker has other model code \(tasks\) than the sweep \(older\)"
    ):
        sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=Elsewhere())


def test_series_are_kept_for_the_first_replications_only(tmp_path: Path) -> None:
    asked = plan(3, GRID[:2], record={"series": {"columns": ["price"], "keep": 2}})
    sweep(asked, sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert sorted(load(tmp_path / "s").series["replication"].unique()) == [0, 1]
    wider = plan(3, GRID[:2], record={"series": {"columns": ["price"], "keep": 3}})
    assert sweep(wider, sweep_tasks.noisy, tmp_path / "s", executor=0).progress.done == 2
    assert sorted(load(tmp_path / "s").series["replication"].unique()) == [0, 1, 2]


def test_progress_adds_up(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []

    def look(progress: Progress) -> None:
        seen.append((progress.done, progress.left, progress.asked))

    report = sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=0, on_progress=look)
    assert all(done + left == asked == 96 for done, left, asked in seen)
    assert seen[-1] == (96, 0, 96)
    assert report.progress.converged == 12


def test_a_batch_lost_with_its_executor_is_computed_again(tmp_path: Path, alone: str) -> None:
    class Forgetful(Serial):
        count = 0

        def next(self, seconds: float) -> Ended | None:
            ended = super().next(seconds)
            self.count += 1
            return Ended(ended.batch) if ended and self.count % 3 == 0 else ended

    assert digest(sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=Forgetful())) == alone

    class Hopeless(Serial):
        def next(self, seconds: float) -> Ended | None:
            ended = super().next(seconds)
            return Ended(ended.batch) if ended else None

    with pytest.raises(SweepError, match="was lost 20 times"):
        sweep(plan(), sweep_tasks.noisy, tmp_path / "t", executor=Hopeless())


# -- sessions that are killed from outside -------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
import sweep_tasks, test_sweep
from experiments.sweep import sweep
report = sweep(test_sweep.{asked}, sweep_tasks.{task}, {folder!r}, executor=1, {more})
sys.exit(130 if report.interrupted else 0)
"""


def long_plan() -> Plan:
    return plan(40, [{**point, "seconds": 0.02} for point in GRID])


def run_apart(
    folder: Path, more: str = "", asked: str = "plan()", task: str = "noisy", mark: str = ""
) -> "subprocess.Popen[str]":
    program = PROGRAM.format(
        tests=str(Path(__file__).parent), asked=asked, task=task, folder=str(folder), more=more
    )
    environment = {**os.environ, "FIRESALE_TEST_MARK": mark}
    return subprocess.Popen([sys.executable, "-c", program], env=environment, text=True)


def marked(mark: str) -> list[int]:
    """Processes that carry the mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if f"FIRESALE_TEST_MARK={mark}\0".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes through /proc")
def test_kill_9_at_twenty_random_moments_loses_nothing_and_leaves_nobody(tmp_path: Path) -> None:
    expected = digest(sweep(long_plan(), sweep_tasks.noisy, tmp_path / "alone", executor=0))
    chance, mark = random.Random(20261005), f"kill-9-{os.getpid()}"
    kills = 0
    for _ in range(20):
        process = run_apart(tmp_path / "s", asked="long_plan()", task="slow", mark=mark)
        try:
            process.wait(timeout=chance.uniform(0.5, 4.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills >= 10
    report = sweep(long_plan(), sweep_tasks.slow, tmp_path / "s", executor=2)
    assert digest(report) == expected
    deadline = time.monotonic() + 20
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert marked(mark) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_and_the_next_session_goes_on(number: signal.Signals, tmp_path: Path) -> None:
    process = run_apart(tmp_path / "s", asked="long_plan()", task="slow")
    deadline = time.monotonic() + 60
    while not list((tmp_path / "s" / "journal").glob("*.parquet")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    before = load(tmp_path / "s")
    assert not before.manifest["complete"]
    stored = len(before.runs)
    assert 0 < stored < 480 and (before.runs["status"] == "ok").all()
    report = sweep(long_plan(), sweep_tasks.noisy, tmp_path / "s", executor=0)
    assert (report.progress.stored, report.progress.done) == (stored, 480 - stored)


def test_workers_that_never_come_up_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(executors, "prepare_worker", sweep_tasks.never_up)
    monkeypatch.setattr(executors, "START_SECONDS", 0.5)
    with pytest.raises(ExecutorError, match="no worker came up within 0.5 s"):
        sweep(plan(), sweep_tasks.noisy, tmp_path / "s", executor=1)


def test_a_script_without_a_main_guard_is_told_so_after_few_starts() -> None:
    pool = LocalPool(1)
    pool._restarts = executors.MOST_RESTARTS
    pool._pool.stop()
    pool._pool.join()
    with pytest.raises(ExecutorError, match="workers end before they begin a run; a script must start"):
        pool.submit(Batch(sweep_tasks.noisy, "", (), 1.0, 1000))


# -- the model -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model_plan() -> Plan:
    return plan_experiment(
        Experiment.model_validate(
            {
                "name": "real",
                "scenario": "ten_thousand_h100",
                "overrides": {
                    "clock.weeks": 5,
                    "forced_sale.week": 2,
                    "forced_sale.deadline_weeks": 2,
                    "forced_sale.gpus": 2000,
                },
                "vary": {"site.vacancy": [0.01, 0.05]},
                "replications": {"count": 2},
                "record": {"series": {"columns": ["price_usd_H100"]}},
            }
        )
    )


@pytest.mark.slow
def test_a_sweep_of_the_model_gives_one_digest_and_verifies(tmp_path: Path, model_plan: Plan) -> None:
    from experiments.command.reports import verification

    task = ModelTask.of(model_plan.experiment)
    pool = sweep(model_plan, task, tmp_path / "pool", executor=2)
    for number in (1, 2):
        sweep(model_plan, task, tmp_path / "here", executor=0, shard=(number, 2))
    here = sweep(model_plan, task, tmp_path / "here", executor=0)
    assert digest(pool) == digest(here)
    results = load(tmp_path / "pool")
    assert results.units("discount")[0] == "share of p0"
    assert list(results.series.columns) == ["run_id", "point", "replication", "week", "price_usd_H100"]
    assert results.units("price_usd_H100")[0]
    # Equal shocks at both points, other shocks in another replication.
    assert results.runs["seed"].nunique() == 1
    assert verification(tmp_path / "pool", 4).passed


def test_runs_without_paths_are_reused_too(tmp_path: Path) -> None:
    first = sweep(plan(2), sweep_tasks.pathless, tmp_path / "s", executor=0)
    again = sweep(plan(2), sweep_tasks.pathless, tmp_path / "s", executor=0)
    more = sweep(plan(3), sweep_tasks.pathless, tmp_path / "s", executor=0)
    assert (first.progress.done, again.progress.done, more.progress.done) == (24, 0, 12)
    assert again.manifest["digest"] == first.manifest["digest"]
