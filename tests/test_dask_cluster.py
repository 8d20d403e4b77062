"""A sweep on a Dask cluster of real processes: the digest of one machine, whatever happens to workers and scheduler."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest
import sweep_tasks
from dask_processes import ROOT, Cluster, kill
from plugin_texts import BUYER, EXPERIMENT, SCENARIO

from experiments.design.plan import Plan, plan_of
from experiments.sweep import dask_cluster
from experiments.sweep.dask_cluster import DaskCluster
from experiments.sweep.engine import Progress, Report, SweepError, sweep
from experiments.sweep.jobs import ExecutorError
from experiments.sweep.store import load


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), workers=2) as running:
        yield running


def _plan(points: int = 6, count: int = 10, **more: object) -> Plan:
    return plan_of([{"a": float(a), **more} for a in range(points)], replications={"count": count}, seed=5)


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("local") / "results"
    return str(sweep(_plan(), sweep_tasks.noisy, folder, executor=2).manifest["digest"])


class _At:
    """Does something once, when so many runs are done."""

    def __init__(self, done: int, act: object) -> None:
        self.done, self.act, self.acted = done, act, False

    def __call__(self, progress: Progress) -> None:
        if progress.done >= self.done and not self.acted:
            self.acted = True
            self.act()  # type: ignore[operator]


@pytest.mark.slow
def test_digest_is_that_of_one_machine_with_two_and_four_workers(
    cluster: Cluster, tmp_path: Path, digest: str
) -> None:
    two = sweep(_plan(), sweep_tasks.noisy, tmp_path / "two", executor=cluster.address)
    with Cluster(tmp_path, workers=4) as wider:
        executor = DaskCluster(wider.address)
        executor._client.wait_for_workers(4, timeout=60)
        four = sweep(_plan(), sweep_tasks.noisy, tmp_path / "four", executor=executor)
    assert two.complete and four.complete
    assert two.manifest["digest"] == four.manifest["digest"] == digest


SMALL = """
scenario = "ten_thousand_h100"
[overrides]
clock.weeks = 6
forced_sale.week = 2
forced_sale.deadline_weeks = 2
[vary]
"forced_sale.gpus" = [1000, 5000]
"site.vacancy" = [0.01, 0.04]
[replications]
count = 2
"""


@pytest.mark.slow
def test_command_computes_the_model_on_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    digests = set()
    for place in (("--dask", cluster.address), ("--workers", "1"), ("--workers", "2")):
        out = tmp_path / "-".join(place).replace("/", "")
        command = ("sweep", "small.toml", "--out", str(out), *place)
        done = _firesale(tmp_path, *command)
        assert done.returncode == 0, done.stderr
        digests.add(load(out).manifest["digest"])
    assert len(digests) == 1


@pytest.mark.slow
def test_a_buyer_of_a_users_own_trades_there_too(cluster: Cluster, tmp_path: Path) -> None:
    """The plugin's file is on no worker's path: its text travels."""
    for name, text in (
        ("own_buyers.py", BUYER),
        ("with_universities.toml", SCENARIO),
        ("demand.toml", EXPERIMENT),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    results = []
    for place in (("--dask", cluster.address), ("--workers", "2")):
        out = tmp_path / place[0].strip("-")
        done = _firesale(tmp_path, "sweep", "demand.toml", "--out", str(out), *place)
        assert done.returncode == 0, done.stderr
        results.append(load(out))
    far, near = results
    assert far.manifest["digest"] == near.manifest["digest"]
    assert far.runs["gpus_to_universities"].max() > 0


@pytest.mark.slow
def test_command_says_in_one_line_that_no_scheduler_answers(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    done = _firesale(tmp_path, "sweep", "small.toml", "--dask", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("firesale: no Dask scheduler answers at tcp://127.0.0.1:9: ")
    assert done.stderr.count("\n") == 1


def _firesale(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "experiments.command.main", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_a_client_from_python_stays_open(cluster: Cluster, tmp_path: Path, digest: str) -> None:
    with distributed.Client(cluster.address, set_as_default=False) as client:
        report = sweep(_plan(), sweep_tasks.noisy, tmp_path / "results", executor=DaskCluster(client))
        assert client.submit(sum, [1, 2]).result() == 3
    assert report.manifest["digest"] == digest


@pytest.mark.slow
def test_wicked_runs_are_named_and_no_worker_is_lost_to_them(cluster: Cluster, tmp_path: Path) -> None:
    points: list[dict[str, object]] = [{"a": float(a)} for a in range(40)]
    wicked = {3: "raise", 11: "segfault", 19: "hang", 27: "memory"}
    for index, trouble in wicked.items():
        points[index]["trouble"] = trouble
    limits = {"run_seconds": 5.0, "retries": 1, "memory_mb": 1024}
    plan = plan_of(points, replications={"count": 2}, limits=limits)  # type: ignore[arg-type]
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        before = set(client.nthreads())
        report = sweep(plan, sweep_tasks.wicked, tmp_path / "results", executor=DaskCluster(client))
        assert set(client.nthreads()) == before
    runs = load(tmp_path / "results").runs
    failed = runs[runs["status"] != "ok"]
    assert report.complete and len(runs) == 80
    assert {(row.point, row.status) for row in failed.itertuples()} == {
        (3, "raised"),
        (11, "died"),
        (19, "timed_out"),
        (27, "out_of_memory"),
    }
    assert len(failed) == 8


@pytest.mark.slow
def test_a_node_lost_on_the_way_costs_only_what_was_at_work_there(tmp_path: Path) -> None:
    file = tmp_path / "computed"
    plan = _plan(file=str(file), seconds=0.05)
    local = sweep(plan, sweep_tasks.logged, tmp_path / "local", executor=2)
    file.unlink()
    with Cluster(tmp_path, workers=2) as cluster:
        node = cluster.processes[-1]
        executor = DaskCluster(cluster.address)
        executor._client.wait_for_workers(2, timeout=60)
        act = _At(12, lambda: kill(node))
        report = sweep(plan, sweep_tasks.logged, tmp_path / "results", executor=executor, on_progress=act)
    assert act.acted and report.complete and not report.failures
    assert report.manifest["digest"] == local.manifest["digest"]
    computed = file.read_text(encoding="ascii").split("\n")[:-1]
    # At most two batches of half a second were with the node.
    assert 60 <= len(computed) <= 60 + 2 * 10
    assert len(set(computed)) == 60


@pytest.mark.slow
def test_a_scheduler_lost_on_the_way_is_said_and_the_same_call_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "computed"
    plan = _plan(file=str(file), seconds=0.1)
    local = sweep(plan, sweep_tasks.logged, tmp_path / "local", executor=2)
    file.unlink()
    with Cluster(tmp_path, workers=2) as cluster:
        scheduler, address = cluster.processes[0], cluster.address

        def call(on_progress: object = lambda progress: None) -> Report:
            return sweep(
                plan,
                sweep_tasks.logged,
                tmp_path / "results",
                executor=address,
                on_progress=on_progress,  # type: ignore[arg-type]
            )

        with pytest.raises(ExecutorError, match=r"lost the Dask scheduler at .* repeat the same command"):
            call(_At(15, lambda: kill(scheduler)))
        stored = len(load(tmp_path / "results").runs)
        assert 15 <= stored < 60
        cluster.start_scheduler(port=int(address.rsplit(":", 1)[1]))
        assert cluster.address == address
        cluster.start_worker()
        report = call()
    assert report.complete and report.progress.stored == stored
    assert report.manifest["digest"] == local.manifest["digest"]


@pytest.mark.slow
def test_workers_with_other_model_code_refuse(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    text = (ROOT / "tests/sweep_tasks.py").read_text(encoding="utf-8")
    (other / "sweep_tasks.py").write_text(text.replace('fingerprint = "tasks"', 'fingerprint = "newer"'))
    with (
        Cluster(tmp_path, workers=1, path=(ROOT, other)) as cluster,
        pytest.raises(SweepError, match=r"other model code \(newer\) than the sweep \(tasks\); restart it"),
    ):
        sweep(_plan(), sweep_tasks.noisy, tmp_path / "results", executor=cluster.address)
    assert load(tmp_path / "results").runs.empty


@pytest.mark.slow
def test_workers_without_the_code_are_said_so(tmp_path: Path) -> None:
    with (
        Cluster(tmp_path, workers=1, path=(ROOT,)) as cluster,
        pytest.raises(
            SweepError, match=r"cannot read the work: ModuleNotFoundError: No module.*need this version"
        ),
    ):
        sweep(_plan(), sweep_tasks.noisy, tmp_path / "results", executor=cluster.address)


@pytest.mark.slow
def test_a_scheduler_without_workers_is_said_so(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster, pytest.raises(ExecutorError, match="no workers for 1 s"):
        DaskCluster(cluster.address, patience=1.0)


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ExecutorError, match=r"^no Dask scheduler answers at tcp://127.0.0.1:9: "):
        DaskCluster("tcp://127.0.0.1:9")


def test_without_dask_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExecutorError, match=r"pip install 'firesale\[dask\]'"):
        DaskCluster("tcp://127.0.0.1:9")
