"""Shards of a sweep, and the array script that computes them, run for real with bash in the place of SLURM."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import sweep_tasks
from command_lines import environment

from experiments.design.experiment import Experiment
from experiments.design.plan import plan_of
from experiments.sweep.engine import sweep
from experiments.sweep.slurm import array_script
from experiments.sweep.store import SweepStore, load

EXPERIMENT = """
name = "array"
scenario = "ten_thousand_h100"
[overrides]
clock.weeks = 6
forced_sale.week = 2
forced_sale.deadline_weeks = 2
[vary]
"forced_sale.gpus" = [1000, 2000, 3000, 4000]
"""


def _bash(text: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env={**environment(folder), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_script_has_a_task_per_shard_and_nothing_of_a_site() -> None:
    experiment = Experiment(name="array", limits={"memory_mb": 1000})  # type: ignore[arg-type]
    text = array_script(
        experiment, Path("array.toml"), Path("results/array"), shards=40, workers=8, hours=1.5
    )
    directives = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, re.M))
    assert directives["array"] == "1-40"
    assert directives["cpus-per-task"] == "8"
    assert directives["mem-per-cpu"] == "1512M"
    assert directives["time"] == "0-01:30:00"
    assert not re.search(r"(^|\s)/(?!bin/bash)", text)
    assert not re.search(r"--(partition|account|qos|mail|nodelist)", text)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_three_shards_give_the_digest_of_the_whole(tmp_path: Path) -> None:
    plan = plan_of([{"a": float(a)} for a in range(10)], replications={"count": 4}, seed=5)  # type: ignore[arg-type]
    whole = sweep(plan, sweep_tasks.noisy, tmp_path / "whole", executor=0)
    for part in (3, 1, 2):
        report = sweep(plan, sweep_tasks.noisy, tmp_path / "beside", executor=0, shard=(part, 3))
        assert not report.complete
        sweep(plan, sweep_tasks.noisy, tmp_path / f"apart-{part}", executor=0, shard=(part, 3))
    beside = sweep(plan, sweep_tasks.noisy, tmp_path / "beside", executor=0)
    assert beside.progress.done == 0 and beside.progress.stored == 40
    store = SweepStore(tmp_path / "apart")
    for part in (2, 3, 1):
        store.merge(tmp_path / f"apart-{part}")
    store.close()
    apart = sweep(plan, sweep_tasks.noisy, tmp_path / "apart", executor=0)
    assert apart.progress.done == 0
    assert whole.manifest["digest"] == beside.manifest["digest"] == apart.manifest["digest"]


def test_shards_may_overlap_and_repeat(tmp_path: Path) -> None:
    plan = plan_of([{"a": float(a)} for a in range(6)], replications={"count": 2}, seed=5)  # type: ignore[arg-type]
    whole = sweep(plan, sweep_tasks.noisy, tmp_path / "whole", executor=0)
    for shard in ((1, 2), (1, 3), (1, 2)):
        sweep(plan, sweep_tasks.noisy, tmp_path / "parts", executor=0, shard=shard)
    rest = sweep(plan, sweep_tasks.noisy, tmp_path / "parts", executor=0)
    assert rest.progress.done == 4  # points 1 and 5 of six were in neither part
    assert rest.manifest["digest"] == whole.manifest["digest"]


@pytest.mark.slow
def test_lines_of_the_script_compute_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "array.toml").write_text(EXPERIMENT, encoding="utf-8")
    done = _bash(
        "firesale slurm array.toml --out results/array --shards 3 --workers 1 > array.sbatch", tmp_path
    )
    assert done.returncode == 0, done.stderr
    script = (tmp_path / "array.sbatch").read_text(encoding="utf-8")
    submit = re.search(r"^# Submit: +(.*)$", script, re.M)
    together = re.search(r"^# Put together: +(.*)$", script, re.M)
    assert submit and together
    done = _bash(f"{submit[1]}\n{together[1]}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert _bash("firesale sweep array.toml --out whole --workers 1", tmp_path).returncode == 0
    assert load(tmp_path / "results/array").manifest["complete"]
    assert load(tmp_path / "results/array").manifest["digest"] == load(tmp_path / "whole").manifest["digest"]
    logs = [path.read_text(encoding="utf-8") for path in tmp_path.glob("slurm-*_*.out")]
    assert len(logs) == 3 and all("is stored" in text for text in logs)


@pytest.mark.slow
def test_a_task_at_the_end_of_its_time_keeps_what_it_has(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("[overrides]", "[replications]\ncount = 30\n[overrides]")
    (tmp_path / "array.toml").write_text(text, encoding="utf-8")
    _bash("firesale slurm array.toml --out results/array --shards 2 --workers 1 > array.sbatch", tmp_path)
    task = subprocess.Popen(
        ["bash", "array.sbatch"],
        cwd=tmp_path,
        env={**environment(tmp_path), "SLURM_ARRAY_TASK_ID": "1", "SLURM_CPUS_PER_TASK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while not list((tmp_path / "results/array/journal").glob("[!.]*.parquet")) and time.monotonic() < end:
        time.sleep(0.1)
    os.kill(task.pid, signal.SIGTERM)
    _, said = task.communicate(timeout=60)
    assert task.returncode == 130, said
    assert 0 < len(load(tmp_path / "results/array").runs) < 60
