"""The sweep engine beside Mesa, EMA Workbench, joblib and Dask on the same runs: throughput, what is lost, what resumes.

Every trial is a process group of its own and is ended after a limit, because some of them never end by themselves.

    python benchmarks/bench_sweep_peers.py --markdown docs/how-to-sweep.md
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sweep_peers import PEERS, WORKERS

ROOT = Path(__file__).resolve().parents[1]
RUNS, SHORT_SECONDS = 40, 0.05
MANY, BRIEF_SECONDS = 400, 0.02
ROUNDS = 3
BEGIN, END = "<!-- peers: written by benchmarks/bench_sweep_peers.py -->", "<!-- end of peers -->"
PACKAGES = {"mesa": "mesa", "ema_workbench": "ema-workbench", "joblib": "joblib", "dask": "distributed"}


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one process: results it returned, its error, its time, whether it had to be ended, runs computed."""

    kept: int
    error: str
    seconds: float
    ended: bool
    computed: int


def trial(
    peer: str,
    runs: int,
    folder: Path,
    limit: float,
    *,
    busy: float = 0.0,
    wait: float = 0.0,
    trouble: str = "",
    kill_at: int = 0,
) -> Trial:
    """Run a peer; with `kill_at`, kill the whole of it when so many runs have begun."""
    log = folder / "log"
    before = _lines(log)
    environment = {
        **os.environ,
        "PEER_LOG": str(log),
        "PEER_SECONDS": str(busy),
        "PEER_WAIT": str(wait),
        "PEER_TROUBLE": trouble,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")]),
    }
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks/sweep_peers.py"), peer, str(runs), str(folder)],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    began, killed = time.monotonic(), False
    while process.poll() is None:
        time.sleep(0.02)
        if (kill_at and _lines(log) - before >= kill_at) or time.monotonic() - began > limit:
            killed = True
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    text = process.communicate()[0]
    done = json.loads(text.splitlines()[-1]) if text.strip() and not killed else {}
    return Trial(
        done.get("kept", 0),
        done.get("error", ""),
        done.get("seconds", float("nan")),
        not killed,
        _lines(log) - before,
    )


def _lines(path: Path) -> int:
    return path.read_text(encoding="ascii").count("\n") if path.exists() else 0


def _fresh() -> Path:
    return Path(tempfile.mkdtemp(prefix="peers-"))


def throughput(peers: list[str], limit: float) -> dict[str, float]:
    """Shortest of the rounds, seconds for all of many brief runs; peers take turns, so that a busy machine is fair."""
    best = dict.fromkeys(peers, float("inf"))
    for _ in range(ROUNDS):
        for peer in peers:
            done = trial(peer, MANY, _fresh(), limit, busy=BRIEF_SECONDS)
            if done.kept == MANY:
                best[peer] = min(best[peer], done.seconds)
    return best


def loss(peer: str, trouble: str, limit: float) -> str:
    """Results that come back of forty runs of which one makes trouble."""
    done = trial(peer, RUNS, _fresh(), limit, wait=SHORT_SECONDS, trouble=trouble)
    if not done.ended:
        return f"never ended (stopped at {limit:.0f} s), 0 of {RUNS}"
    return f"{done.kept} of {RUNS}" + (f" ({done.error.split(':')[0]})" if done.error else "")


def resume(peer: str, limit: float) -> str:
    """Runs computed a second time after everything was killed half-way and started again."""
    folder = _fresh()
    slow = 1.0  # about what a run of the model takes
    first = trial(peer, RUNS, folder, limit, wait=slow, kill_at=RUNS // 2)
    second = trial(peer, RUNS, folder, limit, wait=slow)
    if second.kept != RUNS:
        return "did not end"
    return f"{first.computed + second.computed - RUNS} of {first.computed} begun"


def main() -> None:
    """Measure all peers, print the table, and put it into a page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--markdown", type=Path, help="page to write the table into, between its marks")
    options.add_argument("--peers", nargs="+", default=list(PEERS), choices=list(PEERS))
    options.add_argument("--limit", type=float, default=240.0, help="seconds after which a trial is ended")
    options.add_argument(
        "--losses-only", action="store_true", help="no throughput, which a machine with other work falsifies"
    )
    asked = options.parse_args()
    quickest = {} if asked.losses_only else throughput(asked.peers, asked.limit)
    load = os.getloadavg()[0]
    ideal = MANY * BRIEF_SECONDS / WORKERS
    rows = []
    for peer in asked.peers:
        cells = [*(loss(peer, trouble, asked.limit) for trouble in ("raises", "dies", "hangs"))]
        rows.append([_name(peer), *cells, resume(peer, asked.limit), _seconds(quickest.get(peer))])
        print(" | ".join(rows[-1]), flush=True)
    head = [
        "",
        "one raises",
        "a worker is killed",
        "one hangs",
        "killed half-way: computed again",
        f"{MANY} runs",
    ]
    about = (
        f"{WORKERS} workers. First three columns: results that come back of {RUNS} runs of {SHORT_SECONDS * 1000:.0f} ms. "
        f"Fourth: runs of 1 s, all killed at the {RUNS // 2}th and started again."
    )
    if quickest:
        about += (
            f" Last: runs of {BRIEF_SECONDS * 1000:.0f} ms of processor time, {ideal:.0f} s at best, start of workers "
            f"included; shortest of rounds: {ROUNDS}, load average {load:.1f} on {os.cpu_count()} cores."
        )
    else:
        head.pop()
        rows = [row[:-1] for row in rows]
    lines = [
        BEGIN,
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        about,
        END,
    ]
    text = "\n".join(lines)
    if asked.markdown:
        page = asked.markdown.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        asked.markdown.write_text(before + text + rest.split(END)[1], encoding="utf-8")
    print(text)


def _seconds(value: float | None) -> str:
    return "did not end" if value is None or value == float("inf") else f"{value:.1f} s"


def _name(peer: str) -> str:
    try:
        return f"{PEERS[peer][0]} {version(PACKAGES[peer])}"
    except (KeyError, PackageNotFoundError):
        return PEERS[peer][0]


if __name__ == "__main__":
    main()
