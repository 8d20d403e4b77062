"""What describes a sweep's folder to people and machines: codebook, data package, research object, page of text.

Both JSON files are written by hand, because what they say is short; tests hold them against the libraries of their formats.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.design.experiment import Experiment
from experiments.sweep.jobs import STATUSES
from experiments.sweep.tables import OUTCOME, SERIES
from sim.base.texts import markdown
from sim.parameters import ParameterError, Parameters, walk

ABOUT = {
    "runs.parquet": "One row per point and replication: varied parameters and outcomes",
    "points.parquet": "One row per design point: parameters, number of runs, mean, deviation, half-width",
    "series.parquet": "Paths: one row per run and week",
    "log.parquet": "How each run went: errors, time, memory, model code; row by row beside runs.parquet",
    "archive.parquet": "Stored runs that the experiment no longer asks for",
    "experiment.toml": "The experiment, as it was run",
    "scenario.toml": "The scenario it names, with its bases",
    "manifest.json": "Provenance: code, versions, seeds, sessions, counts, digest",
    "codebook.csv": "Unit, meaning and allowed values of every column",
}
CODEBOOK_COLUMNS = ("table", "column", "type", "unit", "meaning", "allowed", "role")
UNIT_OF_TYPE = {"string": "text", "bool": "true or false"}
ALLOWED = {"status": ", ".join(STATUSES), "stopped_by": "count, half-width, max, open"}
TABLE = {"type": "table", "profile": "tabular-data-resource"}
TABLE_TYPES = {
    "string": "string",
    "double": "number",
    "bool": "boolean",
    "int32": "integer",
    "int64": "integer",
}


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
    columns = codebook_rows(
        {
            name.removesuffix(".parquet"): pq.read_schema(part(name))
            for name in files
            if name.endswith(".parquet")
        },
        manifest.get("plugins", ()),
    )
    text = {"codebook.csv": codebook(columns)}
    facts = {name: _facts(part(name).read_bytes()) for name in files}
    facts |= {name: _facts(content.encode()) for name, content in text.items()}
    text["datapackage.json"] = _json(datapackage(experiment, manifest, columns, facts))
    text["ro-crate-metadata.json"] = _json(research_object(experiment, manifest, facts))
    text["README.md"] = readme(experiment, manifest, list(facts))
    return text


def codebook_rows(schemas: Mapping[str, pa.Schema], plugins: Iterable[str] = ()) -> list[dict[str, str]]:
    """One row per column of every table: table, column, type, unit, meaning, allowed values, role; no unit is empty.

    `plugins` are those whose parameters may vary.
    """
    said = {field.name: field.metadata for schema in schemas.values() for field in schema if field.metadata}
    ranges = {key: allowed for plugin in ("", *plugins) for key, allowed in _ranges(plugin).items()}
    rows = []
    for name, schema in schemas.items():
        for field in schema:
            # Columns of the archive are those of the journal: the same names with their kind before them.
            plain = field.name.removeprefix(OUTCOME).removeprefix(SERIES)
            metadata = field.metadata or said.get(plain, {})
            known = {key.decode(): text.decode() for key, text in metadata.items()}
            kind = str(field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
            rows.append(
                {
                    "table": name,
                    "column": field.name,
                    "type": kind,
                    "unit": known.get("unit") or UNIT_OF_TYPE.get(kind, "1"),
                    "meaning": known.get("meaning", ""),
                    "allowed": ALLOWED.get(plain, ranges.get(plain, known.get("bounds", ""))),
                    "role": known.get("role", ""),
                }
            )
    return rows


def codebook(rows: Sequence[Mapping[str, str]]) -> str:
    """The rows as CSV."""
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, CODEBOOK_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sheet.getvalue()


def _ranges(plugin: str) -> dict[str, str]:
    """Allowed range of every parameter that has one; none of a plugin that is not here."""
    found: dict[str, str] = {}
    try:
        parameters = Parameters.from_overrides({"plugin": plugin})
    except ParameterError:
        return found
    for key, _, field in walk(parameters):
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("low") is not None:
            found[key] = f"{extra['low']} to {extra['high']}"
    return found


def datapackage(
    experiment: Experiment,
    manifest: Mapping[str, Any],
    columns: Sequence[Mapping[str, str]],
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
        }
        if suffix == "parquet":
            # Size and hash stand in the research object: Frictionless compares them for text only.
            fields = [_table_field(row) for row in columns if row["table"] == Path(name).stem]
            resource |= TABLE | {"schema": {"fields": fields}}
        elif name == "codebook.csv":
            fields = [{"name": column, "type": "string"} for column in CODEBOOK_COLUMNS]
            resource |= {**known, **TABLE, "encoding": "utf-8", "schema": {"fields": fields}}
        else:
            resource |= {**known, "type": "file"}
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
    versions = manifest.get("provenance", {}).get("versions", {})
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
    versions = ", ".join(
        f"{name} {version}" for name, version in manifest.get("provenance", {}).get("versions", {}).items()
    )
    rows = "\n".join(f"| `{name}` | {ABOUT.get(name, '')} |" for name in files)
    said = "\n".join(f"- {state}: {count:,}" for state, count in counts.items())
    return (
        f"# {markdown(experiment.title or experiment.name)}\n\n"
        f"{markdown(experiment.description) or 'Results of a sweep of the firesale model.'}\n\n"
        f"Made by `firesale sweep` from `experiment.toml`, seed {experiment.seed}; model code "
        f"{manifest.get('fingerprint', '')}; digest of the runs {manifest.get('digest', '')!s}.\n\n"
        f"{said}\n\n| file | content |\n|---|---|\n{rows}\n\n"
        "Read it:\n\n"
        '```python\nfrom experiments.sweep.store import load\n\nresults = load(".")\nresults.runs\n```\n\n'
        "or with SQL (`pip install duckdb`; an outcome that has no value in a run is NaN, which SQL does not skip):\n\n"
        "```python\nimport duckdb\n\n"
        "duckdb.sql(\"select point, status, count(*) as runs from 'runs.parquet' group by all order by all\").show()\n"
        "```\n\n"
        "Repeat it: `firesale sweep experiment.toml --out FOLDER`. Equal code, seed and versions give an equal digest.\n\n"
        f"Versions: {versions}.\n"
    )


def _table_field(row: Mapping[str, str]) -> dict[str, str]:
    about = {name: row[name] for name in ("unit", "role") if row[name]}
    return {
        "name": row["column"],
        "type": TABLE_TYPES.get(row["type"], "any"),
        "description": row["meaning"],
        **about,
    }


def _facts(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "hash": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def _slug(name: str) -> str:
    return "".join(mark if mark.isalnum() or mark in "._-" else "-" for mark in name.lower())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def failure_text(entry: Mapping[str, Any], point: int) -> str:
    """What is known about a failed run, for people."""
    return (
        f"run {entry['run_id']}: {entry['status']}\n{entry['error']}\n\n"
        f"point {point}, replication {entry['replication']}, seed {entry['seed']}, "
        f"attempts {entry['attempts']}, {entry['seconds']:.2f} s\nparameters {entry['parameters']}\n\n"
        f"{entry['traceback']}"
    )


__all__ = [
    "codebook",
    "codebook_rows",
    "datapackage",
    "describe",
    "failure_text",
    "readme",
    "research_object",
]
