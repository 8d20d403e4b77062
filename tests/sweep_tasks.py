"""Runs for the tests of the sweep engine: quick, and wicked in chosen ways."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Made = tuple[dict[str, float], dict[str, Any]]


def noisy(parameters: Mapping[str, Any], seed: int, replication: int) -> Made:
    """A number that depends on everything a run may depend on, and a path of four weeks."""
    rng = np.random.default_rng([seed, replication])
    shock = rng.standard_normal(4)
    level = float(parameters.get("a", 0.0)) + 10.0 * float(parameters.get("b", 0.0))
    return {"level": level + shock[0], "spread": float(shock.std())}, {
        "week": np.arange(4),
        "price": level + shock,
    }


def pathless(
    parameters: Mapping[str, Any], seed: int, replication: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Like `noisy`, outcomes only."""
    return noisy(parameters, seed, replication)[0], {}


def wicked(parameters: Mapping[str, Any], seed: int, replication: int) -> Made:
    """Like `noisy`, except where `trouble` says otherwise."""
    trouble = parameters.get("trouble", "")
    if trouble == "raise":
        raise ValueError("the model stopped in week 3")
    if trouble == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if trouble == "hang":
        time.sleep(3600)
    if trouble == "memory":
        return {"level": float(len(bytearray(8 << 30)))}, {}
    return noisy(parameters, seed, replication)


def killed_once(parameters: Mapping[str, Any], seed: int, replication: int) -> Made:
    """Like `noisy`, but the first attempt of every fifth replication is killed as the system kills for want of memory."""
    mark = Path(parameters["marks"]) / str(replication)
    if replication % 5 == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return noisy(parameters, seed, replication)


def slow(parameters: Mapping[str, Any], seed: int, replication: int) -> Made:
    """Like `noisy`, after `seconds`."""
    time.sleep(float(parameters.get("seconds", 0.02)))
    return noisy(parameters, seed, replication)


def busy(parameters: Mapping[str, Any], seed: int, replication: int) -> Made:
    """Uses the processor for `seconds` of its time."""
    end = time.process_time() + float(parameters.get("seconds", 0.05))
    count = 0
    while time.process_time() < end:
        count += 1
    return noisy(parameters, seed, replication)


def logged(parameters: Mapping[str, Any], seed: int, replication: int) -> Made:
    """Like `slow`; every computation leaves a line in `file`."""
    with open(parameters["file"], "a", encoding="ascii") as handle:
        handle.write(f"{parameters['a']} {replication}\n")
    return slow(parameters, seed, replication)


for task in (noisy, wicked, killed_once, slow, busy, logged):
    task.fingerprint = "tasks"  # type: ignore[attr-defined]
pathless.fingerprint = "tasks"  # type: ignore[attr-defined]


def surrounded(parameters: Mapping[str, Any], seed: int, replication: int) -> Made:
    """Whether what a run starts would look for modules as what the sweep's own process starts does."""
    found = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    return {"same": float(str(found) == parameters["environment"])}, {}


def never_up(environment: object) -> None:
    """In the place of what a worker does first: it does not come to an end."""
    time.sleep(600)
