"""What the analysis commands do: read a stored result, write tables and figures into it, and say the main thing in text."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis import compare, discovery, sensitivity, verify
from experiments.analysis.errors import AnalysisError
from experiments.figures import analysis_figures
from experiments.methods.calibration_run import CALIBRATION, calibration_code, run_wave
from experiments.runs.folder import put, writing
from experiments.runs.provenance import model_code, record
from experiments.runs.store import csv_files, put_tables
from experiments.sweep.engine import Progress
from experiments.sweep.store import load
from experiments.validation import score
from sim.base.texts import markdown

MOST_LINES = 12
VALIDATION = "validation"
VERDICTS = {
    "pass": "Passed",
    "fail": "Failed",
    "undecided": "Undecided",
    "unscored": "Not scored",
    "not available": "Not available",
}


def sensitivity_report(folder: Path, outcomes: Sequence[str] = ()) -> str:
    """Write every sensitivity table and figure of a sweep into its folder `sensitivity`; returns what is printed."""
    tables, notes = sensitivity.analyse(load(folder), outcomes)
    if not tables:
        raise AnalysisError(f"{folder}: nothing to analyse: {'; '.join(notes)}")
    place = folder / "sensitivity"
    asked = {"outcomes": list(outcomes), "of": _state_of(folder)}
    with writing(place, kind="sensitivity", overwrite=True, is_part=True) as scratch:
        _write(scratch, tables, analysis_figures.sensitivity(tables), asked)
    lines = [f"{folder}: {', '.join(tables)}"]
    for outcome in dict.fromkeys(tables[next(iter(tables))]["outcome"]):
        lines.append("")
        lines.append(str(outcome))
        lines += _outcome_lines(tables, str(outcome))
    lines += ["", *(f"Left out: {note}" for note in notes), f"Tables and figures: {place}"]
    return "\n".join(lines)


def _outcome_lines(tables: dict[str, pd.DataFrame], outcome: str) -> list[str]:
    lines = []
    for name, order, columns in (
        ("sobol", "value", ["parameter", "index", "value", "low", "high"]),
        ("morris", "mu_star", ["parameter", "mu_star", "low", "high", "mu", "sigma", "outcome_unit"]),
        ("pawn", "median", ["parameter", "median", "maximum"]),
    ):
        if name in tables:
            mine = tables[name][tables[name]["outcome"] == outcome]
            if len(mine):
                lines.append(f"  {name}")
                lines += _text(mine.sort_values(order, ascending=False)[columns].head(MOST_LINES))
    if "variance" in tables:
        shares = tables["variance"][tables["variance"]["outcome"] == outcome]
        for row in shares.itertuples():
            span = f"{row.low:.1%} to {row.high:.1%}, {row.points:,} points"
            lines.append(f"  variance of single runs: {row.source} {row.share:.1%} ({span})")
    return lines


def discovery_report(folder: Path, condition: str, *, coverage: float, by_run: bool) -> str:
    """Find a box, write it into the sweep's folder `discovery`; returns what is printed."""
    asked = discovery.condition_of(condition)
    box = discovery.discover(load(folder), asked, coverage=coverage, by_run=by_run)
    place = folder / "discovery"
    found = {"limits": box.limits, "trajectory": box.trajectory}
    drawing = analysis_figures.prim_tradeoff(box.trajectory, str(asked))
    question = {"condition": str(asked), "coverage": coverage, "by_run": by_run, "of": _state_of(folder)}
    with writing(place, kind="discovery", overwrite=True, is_part=True) as scratch:
        _write(scratch, found, {"tradeoff": drawing}, question)
    lines = [
        f"{asked}: {box.of_interest} of {box.cases} cases",
        f"box: coverage {box.coverage:.1%}, density {box.density:.1%}, mass {box.mass:.1%}",
        *_text(box.limits),
        "A quasi_p above 0.05 means that the limit could be chance.",
        f"Tables and figure: {place}",
    ]
    return "\n".join(lines)


def comparison_report(a: Path, b: Path, out: Path | None = None, *, overwrite: bool = False) -> str:
    """Compare two results; with `out`, write table and figure there; returns what is printed."""
    found = compare.compare(compare.read_side(a), compare.read_side(b))
    lines = [f"a = {a}", f"b = {b}", ""]
    if len(found.parameters):
        lines += ["Parameters that differ", *_text(found.parameters)]
    else:
        lines.append("No parameter differs.")
    lines += ["", "Paired differences b - a, 95 % intervals over replications"]
    lines += _text(found.differences)
    if found.unpaired_a or found.unpaired_b:
        lines.append(f"Without a partner: {found.unpaired_a} runs of a, {found.unpaired_b} of b")
    lines += found.notes
    if out is not None:
        tables = {"differences": found.differences, "parameters": found.parameters}
        drawings = {}
        if (found.differences["high"] > found.differences["low"]).any():
            drawings = {"differences": analysis_figures.paired_differences(found.differences)}
        sides = {"a": {"folder": str(a), "of": _state_of(a)}, "b": {"folder": str(b), "of": _state_of(b)}}
        with writing(out, kind="comparison", overwrite=overwrite) as scratch:
            _write(scratch, tables, drawings, sides)
        lines.append(f"Tables and figure: {out}" if drawings else f"Tables: {out}")
    return "\n".join(lines)


def verification(folder: Path, sample: int) -> verify.Verdict:
    """Repeat a sample of a sweep's runs."""
    results = load(folder)
    repeat, code = verify.repeater(results)
    return verify.verify(results, repeat, sample=sample, code=code)


def validation_report(
    seeds: int, workers: int, out: Path, on_progress: Callable[[Progress], None] = lambda progress: None
) -> str:
    """Score every row, write table, statistics and figure; returns what is printed."""
    put(out, {}, kind=VALIDATION)  # somebody's folder is refused before the first run
    table, values = score.validate(out / "runs", seeds, workers=workers, on_progress=on_progress)
    put_tables(out, {"validation": table, "statistics": values.reset_index()}, kind=VALIDATION)
    put(out, {"validation.md": validation_page(table, len(values)).encode()}, kind=VALIDATION)
    analysis_figures.write(out / "figures", {"validation": analysis_figures.validation(table)})
    _manifest(out, {"seeds": seeds}, VALIDATION)
    counts = table["verdict"].value_counts()
    columns = ["id", "verdict", "low", "high", "median", "q05", "q95", "unit", "note"]
    lines = []
    for verdict in VERDICTS:
        lines += ["", f"{verdict}: {counts.get(verdict, 0)}"]
        lines += _text(table.loc[table["verdict"] == verdict, columns])
    return "\n".join([*lines, f"Tables and figure: {out}"])


def validation_page(table: pd.DataFrame, seeds: int) -> str:
    """The validation table as Markdown: passes, failures, unscored rows and missing ones apart."""
    lines = [f"Scored over {seeds} seeds. Median, central 90 % of seeds, and n, the seeds that hold it."]
    for verdict, title in VERDICTS.items():
        mine = table[table["verdict"] == verdict]
        lines += ["", f"### {title} ({len(mine)})", ""]
        if mine.empty:
            lines.append("None.")
            continue
        lines += [
            "| row | quantity | band | simulated | unit | data (source) | statistic | discrepancy | note |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|---|"]
        for row in mine.itertuples():
            simulated = f"{_number(row.median)} ({_number(row.q05)} to {_number(row.q95)}), n {row.seeds}"
            cells = [
                row.id,
                row.quantity,
                f"{_number(row.low)} to {_number(row.high)}",
                simulated if row.seeds else "",
                row.unit,
                f"{row.data} ({row.source})",
                row.statistic,
                _number(row.discrepancy),
                row.note,
            ]
            lines.append("| " + " | ".join(markdown(str(cell)) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def calibration_report(
    points: int, workers: int, out: Path, on_progress: Callable[[Progress], None] = lambda progress: None
) -> str:
    """Run or continue a wave, write tables and figure; returns what is printed."""
    tables = run_wave(out, points, workers=workers, on_progress=on_progress)
    measured = tables["recovery"]["width"].notna().any()
    if measured:
        analysis_figures.write(out / "figures", {"survivors": analysis_figures.survivors(tables["recovery"])})
    _manifest(out, {"points": points, "model": calibration_code()}, CALIBRATION)
    lines = _text(tables["summary"])
    for name, title in (
        ("ruled_out", "What each row rules out"),
        ("headlines", "Headlines over survivors"),
        ("assertions", "Sentences"),
        ("frontier", "Where the others flip (plane over the sceptic's box)"),
    ):
        if name in tables:
            lines += ["", title, *_text(tables[name])]
    lines += ["", "Narrowest parameters"]
    columns = ["parameter", "low", "high", "unit", "width", "synthetic_width", "coverage", "verdict"]
    lines += _text(tables["recovery"].sort_values("width")[columns].head(MOST_LINES))
    place = (
        f"Tables and figure: {out}" if measured else f"Tables: {out}; fewer than ten survivors make no figure"
    )
    return "\n".join([*lines, place])


def _write(
    scratch: Path, tables: dict[str, pd.DataFrame], drawings: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Tables, figures, and in ``asked.json`` the question that they answer."""
    figures = {f"figures/{name}": data for name, data in analysis_figures.drawn(drawings).items()}
    for name, data in {**csv_files(tables), **figures}.items():
        (scratch / name).parent.mkdir(exist_ok=True)
        (scratch / name).write_bytes(data)
    (scratch / "asked.json").write_text(f"{json.dumps(asked, indent=1)}\n", encoding="utf-8")


def _state_of(folder: Path) -> str:
    """Digest of the numbers of a sweep or a run as they are now."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return str(manifest.get("digest", ""))


def _manifest(folder: Path, more: dict[str, Any], kind: str) -> None:
    text = json.dumps({**more, "provenance": record(model_code())}, indent=1)
    put(folder, {"manifest.json": f"{text}\n".encode()}, kind=kind)


def _text(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return ["  none"]
    text: str = table.to_string(index=False, float_format=_number, na_rep="")
    return [f"  {line.rstrip()}" for line in text.split("\n")]


def _number(value: Any) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
