"""Where a number comes from: one record, of the same shape for a stored run and for every row of a sweep.

Beside the parameters a record holds the code, the compiled modules, versions, platform, CPU level, the content of every input,
and the checkout. It is made by the process that computed the run. Some of it decides whether a stored row still counts:

- decides: model code (without comments and docstrings), a plugin's or run function's code, compiled modules, inputs, versions
  of the libraries that compute (`COMPUTES`), Python's minor version, platform, and the CPU level NumPy uses;
- is only recorded: other versions, digests of shipped data (they are part of the code), commit and dirty flag of a checkout.

`environment` alone reports what belongs to a process. It is taken once.
"""

import hashlib
import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import agents
import experiments.measures
import sim
from agents.registration import registered
from experiments.measures.outcomes import OUTCOMES, outcomes_of
from experiments.runs.code_digest import code_digest
from experiments.runs.source_digest import source_digest
from experiments.runs.steady_numbers import ABOVE_AVX2
from sim.base import reference
from sim.base.faults import InputError
from sim.base.inputs import SHOWN, Input, content_of, files_of, name_of

Record = Mapping[str, Any]

COMPUTES = ("mesa", "networkx", "numpy", "scipy")
RECORDED = ("firesale", "pandas", "pyarrow", "pydantic")
CALLED = {"mesa": "Mesa", "networkx": "NetworkX", "numpy": "NumPy", "scipy": "SciPy"}
GIT_SECONDS = 5.0


def additions(plugins: Iterable[str]) -> list[object]:
    """Agent types and outcomes that some plugins and the user's own hand have registered, by name."""
    types: dict[str, object] = {}
    measures: dict[str, object] = {}
    for plugin in ("", *plugins):
        types |= {one.__name__: one for one in registered(plugin)}
        measures |= {name: outcome for name, outcome in outcomes_of(plugin).items() if name not in OUTCOMES}
    return [table[name] for table in (types, measures) for name in sorted(table)]


def model_code(plugins: Iterable[str] = ()) -> dict[str, str]:
    """Code that a run of the model computes with: what it is -> digest."""
    names = sorted({*plugins} - {""})
    added = [*(sys.modules[name] for name in names), *additions(names)]
    return {"model": MODEL_CODE, **({"plugin": code_digest(*added)} if added else {})}


def _compiled() -> dict[str, str]:
    """sha256 of the compiled modules as they were loaded: module -> digest."""
    root = Path(str(sim.__file__)).parent
    names = sorted(
        ".".join(("sim", *path.relative_to(root).with_suffix("").parts)) for path in root.rglob("*.pyx")
    )
    files = {name: Path(str(importlib.import_module(name).__file__)) for name in names}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


# Taken when the code is loaded: a file that is edited or built anew later does not change what this process computes.
MODEL_CODE = source_digest(agents, sim, experiments.measures)
COMPILED = _compiled()


@cache
def environment() -> dict[str, Any]:
    """What this process computes with; nothing in it names a user or a machine."""
    return {
        "compiled": COMPILED,
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in COMPUTES + RECORDED},
        },
        "platform": f"{sys.platform}-{platform.machine()}",
        "numpy_cpu_features": cpu_features(),
        "data": dict(reference.digests()),
        "git": _checkout(),
    }


def steady(known: Record) -> dict[str, Any]:
    """The environment of a worker, whose NumPy was told to leave out what is above AVX2."""
    features = [name for name in known["numpy_cpu_features"] if not name.startswith(ABOVE_AVX2)]
    return {**known, "numpy_cpu_features": features}


def decisive(known: Record) -> dict[str, Any]:
    """The part of an environment that decides whether stored numbers still count."""
    versions = known["versions"]
    return {
        "compiled": known["compiled"],
        "python": ".".join(str(versions["python"]).split(".")[:2]),
        **{name: versions[name] for name in COMPUTES},
        "platform": known["platform"],
        "numpy_cpu_features": list(known["numpy_cpu_features"]),
    }


def fingerprint(code: str, known: Record) -> str:
    """Name of a code in an environment; runs of another name are not reused. 20 hexadecimal digits."""
    text = json.dumps([code, decisive(known)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def record(
    code: Mapping[str, str],
    parameters: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Input] | None = None,
    known: Record | None = None,
) -> dict[str, Any]:
    """The record of a run.

    Parameters
    ----------
    code
        What it was -> digest, such as ``{"model": ..., "run": ...}``.
    parameters
        Dotted key -> value; those that name a file say which inputs count.
    inputs
        Files that were read, by path.
    known
        The environment; that of this process if left out.
    """
    read = inputs or {}
    found: dict[str, Any] = {}
    for key, path in sorted(files_of(parameters or {}).items()):
        one = read.get(name_of(path))
        found[key] = {
            "path": path,
            "sha256": one.sha256 if one is not None else "not read",
            "rows": one.rows if one is not None else None,
        }
    return {"code": dict(code), "inputs": found, **(environment() if known is None else known)}


def inputs_now(found: Record) -> dict[str, dict[str, Any]]:
    """Inputs of a record with the content that stands at their paths now; ``not there`` if it cannot be read."""
    now = {}
    for key, one in found.get("inputs", {}).items():
        try:
            sha256 = content_of(one["path"])
        except InputError:
            sha256 = "not there"
        now[key] = {**one, "sha256": sha256}
    return now


def text_of(found: Record) -> str:
    """A record as text; equal records are equal texts."""
    return json.dumps(found, sort_keys=True, ensure_ascii=False)


@lru_cache(maxsize=1024)
def read_text(text: str) -> dict[str, Any]:
    """A record from its text; empty if there is none."""
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def facts(found: Record) -> dict[str, str]:
    """What can change a number, in words: what it is -> how it stands."""
    said = {f"{name} code": str(digest)[:SHOWN] for name, digest in found.get("code", {}).items()}
    for key, one in found.get("inputs", {}).items():
        said[f"{key}: content of {one['path']}"] = f"sha256 {one['sha256'][:SHOWN]}"
    compiled = found.get("compiled", {})
    said |= {f"compiled module {name}": str(digest)[:SHOWN] for name, digest in compiled.items()}
    versions = found.get("versions", {})
    said |= {CALLED[name]: str(versions[name]) for name in COMPUTES if name in versions}
    if "python" in versions:
        said["Python"] = str(versions["python"])
    if "platform" in found:
        said["platform"] = str(found["platform"])
    if "numpy_cpu_features" in found:
        said["CPU level NumPy uses"] = ", ".join(found["numpy_cpu_features"]) or "its baseline"
    said |= {f"shipped data {name}": str(digest)[:SHOWN] for name, digest in found.get("data", {}).items()}
    return said


def differences(
    before: Iterable[Record], now: Iterable[Record], words: Sequence[str] = ("was", "is")
) -> list[str]:
    """What is not the same in two sets of records, one line each.

    Examples
    --------
    >>> old, new = {"versions": {"numpy": "2.1.0"}}, {"versions": {"numpy": "2.3.0"}}
    >>> differences([old], [new])
    ['NumPy was 2.1.0, is 2.3.0']
    """
    a, b = _gathered(before), _gathered(now)
    lines = []
    for name in dict.fromkeys([*a, *b]):
        if name not in a or name not in b or a[name] == b[name]:
            continue
        one, other = (" or ".join(sorted(side[name])) for side in (a, b))
        if ": content of " in name:
            key, path = name.split(": content of ", 1)
            name = f"{key}: other content at the same path {path},"
        lines.append(f"{name} {words[0]} {one}, {words[1]} {other}")
    return lines


def _gathered(records: Iterable[Record]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in records:
        for name, text in facts(one).items():
            found.setdefault(name, set()).add(text)
    return found


def cpu_features() -> list[str]:
    """CPU features beyond its baseline for which NumPy chooses other code; results can differ between two levels."""
    try:
        from numpy._core import _multiarray_umath as core  # type: ignore[attr-defined]
    except ImportError:
        return ["unknown"]
    features: dict[str, bool] = core.__cpu_features__
    dispatched: list[str] = core.__cpu_dispatch__
    return [name for name in dispatched if features.get(name)]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _checkout() -> dict[str, Any] | None:
    """Commit of the checkout that the code runs from, and whether it holds changes; None where there is none."""
    root = Path(str(sim.__file__)).parent.parent
    if not (root / ".git").exists():
        return None
    command = [
        "git",
        "-C",
        str(root),
        "status",
        "--porcelain=v2",
        "--branch",
        "--",
        "agents",
        "sim",
        "experiments",
    ]
    try:
        said = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_SECONDS,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    commits = [line.split()[-1] for line in said if line.startswith("# branch.oid")]
    return {"commit": commits[0] if commits else "", "dirty": any(not line.startswith("#") for line in said)}
