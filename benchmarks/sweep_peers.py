"""The same runs through the sweep engines of others, each used as its documentation shows."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORKERS = 2
BAD = 13  # number of the run that makes trouble, where trouble is asked for


def compute(number: int) -> float:
    """Wait, use the processor, and leave a line; the environment says how long, where, and what goes wrong."""
    with Path(os.environ["PEER_LOG"]).open("a", encoding="ascii") as log:
        log.write(f"{number}\n")
    time.sleep(float(os.environ["PEER_WAIT"]))
    end = time.process_time() + float(os.environ["PEER_SECONDS"])
    while time.process_time() < end:
        pass
    trouble = os.environ["PEER_TROUBLE"] if number == BAD else ""
    if trouble == "raises":
        raise ValueError("the model stopped")
    if trouble == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "hangs":
        time.sleep(3600)
    return number * 0.5


def firesale_run(parameters: dict[str, float], seed: int, replication: int) -> tuple[dict[str, float], dict]:
    """The run as the engine of firesale calls it."""
    return {"result": compute(int(parameters["number"]))}, {}


firesale_run.fingerprint = "peers"  # type: ignore[attr-defined]


def firesale(runs: int, folder: Path, executor: object = WORKERS) -> int:
    """Our engine; where a run hangs it is given up after five seconds."""
    from experiments.design.plan import plan_of
    from experiments.sweep.engine import sweep

    plan = plan_of(
        [{"number": number} for number in range(runs)],
        replications={"count": 1},
        limits={"run_seconds": 5.0 if os.environ["PEER_TROUBLE"] == "hangs" else 60.0},
    )
    report = sweep(plan, firesale_run, folder / "sweep", executor=executor)  # type: ignore[arg-type]
    return int(report.manifest["counts"].get("ok", 0))


def firesale_dask(runs: int, folder: Path) -> int:
    """Our engine on a Dask cluster."""
    from dask.distributed import Client, LocalCluster

    from experiments.sweep.dask_cluster import DaskCluster

    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster:
        client = Client(cluster)
        client.wait_for_workers(WORKERS)
        return firesale(runs, folder, DaskCluster(client))


def mesa_batch_run(runs: int, folder: Path) -> int:
    """Mesa's batch_run, of 3.5."""
    import mesa

    found = mesa.batch_run(
        MesaModel,
        {"number": list(range(runs))},
        number_processes=WORKERS,
        max_steps=1,
        display_progress=False,
    )
    return len(found)


def ema_workbench(runs: int, folder: Path) -> int:
    """EMA Workbench with its multiprocessing evaluator."""
    import logging

    from ema_workbench import IntegerParameter, Model, MultiprocessingEvaluator, Sample, ScalarOutcome

    logging.disable(logging.CRITICAL)
    model = Model("peers", function=_ema_run)
    model.uncertainties = [IntegerParameter("number", 0, runs)]
    model.outcomes = [ScalarOutcome("result")]
    samples = [Sample(str(number), number=number) for number in range(runs)]
    with MultiprocessingEvaluator(model, n_processes=WORKERS) as evaluator:
        experiments, _ = evaluator.perform_experiments(scenarios=samples)
    return len(experiments)


def _ema_run(number: int) -> dict[str, float]:
    return {"result": compute(int(number))}


def joblib_parallel(runs: int, folder: Path) -> int:
    """Parallel of joblib with its default processes."""
    from joblib import Parallel, delayed

    return len(Parallel(n_jobs=WORKERS)(delayed(compute)(number) for number in range(runs)))


def dask_alone(runs: int, folder: Path) -> int:
    """Dask futures, gathered so that failed ones are skipped."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(WORKERS)
        return len(client.gather(client.map(compute, range(runs)), errors="skip"))


try:
    import mesa

    class MesaModel(mesa.Model):
        """One run as a model of one step."""

        def __init__(self, number: int, rng: object = None) -> None:
            super().__init__()
            self.number = number
            self.datacollector = mesa.DataCollector(model_reporters={"result": "result"})
            self.result = 0.0

        def step(self) -> None:
            """Compute, and end."""
            self.result = compute(self.number)
            self.datacollector.collect(self)
            self.running = False
except ImportError:
    pass

PEERS: dict[str, tuple[str, Callable[[int, Path], int]]] = {
    "firesale": ("firesale", firesale),
    "firesale_dask": ("firesale --dask", firesale_dask),
    "mesa": ("Mesa batch_run", mesa_batch_run),
    "ema_workbench": ("EMA Workbench", ema_workbench),
    "joblib": ("joblib", joblib_parallel),
    "dask": ("Dask alone", dask_alone),
}


def main() -> None:
    """Run one peer in this process and print what came of it as JSON."""
    name, runs, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    began = time.perf_counter()
    try:
        kept, error = PEERS[name][1](runs, folder), ""
    except Exception as fault:
        kept, error = 0, f"{type(fault).__name__}: {' '.join(str(fault).split())[:80]}"
    print(json.dumps({"kept": kept, "error": error, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    # Workers find the functions of a module by its name, not those of a script.
    from sweep_peers import main as run_by_name

    run_by_name()
