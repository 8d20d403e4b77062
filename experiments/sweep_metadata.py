"""What describes a sweep's folder to people and machines: codebook, data package, research object, page of text.

Both JSON files are written by hand, because what they say is short; tests hold them against the libraries of their formats.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.experiment import Experiment

ABOUT = {
    "runs.parquet": "One row per point and replication: varied parameters and outcomes",
    "points.parquet": "One row per design point: parameters, number of runs, mean, deviation, half-width",
    "series.parquet": "Paths: one row per run and week",
    "log.parquet": "How each run went: errors, time, memory, model code; row by row beside runs.parquet",
    "archive.parquet": "Stored runs that the experiment no longer asks for",
    "experiment.toml": "The experiment, as it was run",
    "manifest.json": "Provenance: code, versions, seeds, sessions, counts, digest",
    "codebook.csv": "Unit and meaning of every column",
}
CODEBOOK_COLUMNS = ("table", "column", "type", "unit", "meaning", "role")
TABLE_TYPES = {"string": "string", "double": "number", "bool": "boolean"}


def describe(
    folder: Path,
    experiment: Experiment,
    manifest: Mapping[str, Any],
    files: Sequence[str],
    part: Callable[[str], Path],
) -> dict[str, str]:
    """Text of the describing files, name -> content.

    Parameters
    ----------
    files
        Names of the data files, as they will be called.
    part
        Where a file stands until it gets its name.
    """
    schemas = {name: pq.read_schema(part(name)) for name in files if name.endswith(".parquet")}
    text = {"codebook.csv": codebook(schemas)}
    facts = {name: _facts(part(name).read_bytes()) for name in files}
    facts |= {name: _facts(content.encode()) for name, content in text.items()}
    text["datapackage.json"] = _json(datapackage(experiment, manifest, schemas, facts))
    text["ro-crate-metadata.json"] = _json(research_object(experiment, manifest, facts))
    text["README.md"] = readme(experiment, manifest, list(facts))
    return text


def codebook(schemas: Mapping[str, pa.Schema]) -> str:
    """CSV with a row per column of every table."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(CODEBOOK_COLUMNS)
    for name, schema in schemas.items():
        for field in schema:
            writer.writerow([name.removesuffix(".parquet"), field.name, str(field.type), *_said(field)])
    return sheet.getvalue()


def datapackage(
    experiment: Experiment,
    manifest: Mapping[str, Any],
    schemas: Mapping[str, pa.Schema],
    facts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Frictionless data package (specs.frictionlessdata.io, version 1)."""
    resources = []
    for name, known in facts.items():
        suffix = Path(name).suffix.removeprefix(".")
        resource: dict[str, Any] = {
            "name": _slug(name),
            "path": name,
            "title": ABOUT.get(name, name),
            "format": suffix,
            "mediatype": MEDIA.get(suffix, "application/octet-stream"),
            **known,
        }
        if name in schemas:
            resource["profile"] = "tabular-data-resource"
            resource["schema"] = {"fields": [_table_field(field) for field in schemas[name]]}
        if name == "codebook.csv":
            resource |= {"profile": "tabular-data-resource", "encoding": "utf-8"}
            resource["schema"] = {
                "fields": [{"name": column, "type": "string"} for column in CODEBOOK_COLUMNS]
            }
        resources.append(resource)
    return {
        "profile": "data-package",
        "name": _slug(experiment.name),
        "title": experiment.title or experiment.name,
        "description": experiment.description or "Results of a sweep of the firesale model.",
        "version": str(manifest.get("digest", ""))[:12],
        "created": _now(),
        "resources": resources,
    }


def research_object(
    experiment: Experiment, manifest: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """RO-Crate 1.1 metadata (w3id.org/ro/crate/1.1): the folder, its files, and the program that made them."""
    versions = manifest.get("versions", {})
    graph: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": experiment.title or experiment.name,
            "description": experiment.description or "Results of a sweep of the firesale model.",
            "datePublished": _now(),
            "license": {"@id": "https://creativecommons.org/licenses/by/4.0/"},
            "hasPart": [{"@id": name} for name in facts],
            "mentions": [{"@id": "#sweep"}],
        },
        {
            "@id": "https://creativecommons.org/licenses/by/4.0/",
            "@type": "CreativeWork",
            "name": "Creative Commons Attribution 4.0",
        },
        {
            "@id": "#firesale",
            "@type": "SoftwareApplication",
            "name": "firesale",
            "version": str(versions.get("firesale", "")),
            "softwareVersion": str(manifest.get("fingerprint", "")),
        },
        {
            "@id": "#sweep",
            "@type": "CreateAction",
            "name": f"firesale sweep {experiment.name}",
            "instrument": {"@id": "#firesale"},
            "object": [{"@id": "experiment.toml"}],
            "result": [{"@id": name} for name in facts if name.endswith(".parquet")],
        },
    ]
    for name, known in facts.items():
        suffix = Path(name).suffix.removeprefix(".")
        graph.append(
            {
                "@id": name,
                "@type": "File",
                "name": ABOUT.get(name, name),
                "encodingFormat": MEDIA.get(suffix, "application/octet-stream"),
                "contentSize": str(known["bytes"]),
                "sha256": known["hash"].removeprefix("sha256:"),
            }
        )
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


MEDIA = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv",
    "json": "application/json",
    "toml": "application/toml",
    "md": "text/markdown",
}


def readme(experiment: Experiment, manifest: Mapping[str, Any], files: Sequence[str]) -> str:
    """How the folder was made, what stands in it, how to read and repeat it."""
    counts = manifest.get("counts", {})
    versions = ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items())
    rows = "\n".join(f"| `{name}` | {ABOUT.get(name, '')} |" for name in files)
    said = "\n".join(f"- {state}: {count:,}" for state, count in counts.items())
    return (
        f"# {experiment.title or experiment.name}\n\n"
        f"{experiment.description.strip() or 'Results of a sweep of the firesale model.'}\n\n"
        f"Made by `firesale sweep` from `experiment.toml`, seed {experiment.seed}; model code "
        f"{manifest.get('fingerprint', '')}; digest of the runs {manifest.get('digest', '')!s}.\n\n"
        f"{said}\n\n| file | content |\n|---|---|\n{rows}\n\n"
        "Read it:\n\n"
        '```python\nfrom experiments.sweep_store import load\n\nresults = load(".")\nresults.runs\n```\n\n'
        "or with SQL: `duckdb -c \"select status, count(*) from 'runs.parquet' group by status\"`.\n\n"
        "Repeat it: `firesale sweep experiment.toml --out FOLDER`. Equal code, seed and versions give an equal digest.\n\n"
        f"Versions: {versions}.\n"
    )


def _said(field: pa.Field) -> list[str]:
    metadata = field.metadata or {}
    return [metadata.get(name, b"").decode() for name in (b"unit", b"meaning", b"role")]


def _table_field(field: pa.Field) -> dict[str, Any]:
    kind = TABLE_TYPES.get(str(field.type), "integer" if pa.types.is_integer(field.type) else "any")
    unit, meaning, role = _said(field)
    about = {"name": field.name, "type": kind, "description": meaning, "unit": unit, "role": role}
    return {key: value for key, value in about.items() if value}


def _facts(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "hash": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def _slug(name: str) -> str:
    return "".join(mark if mark.isalnum() or mark in "._-" else "-" for mark in name.lower())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


__all__ = ["codebook", "datapackage", "describe", "readme", "research_object"]
