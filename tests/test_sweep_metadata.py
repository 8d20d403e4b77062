"""What describes a stored sweep is read and found right by the libraries of its formats; its exports hold its numbers."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import frictionless
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rocrate.rocrate import ROCrate

from experiments.design.planner import plan_experiment
from experiments.runs.folder import StoreError
from experiments.sweep.results import SweepResults
from experiments.sweep.store import load
from sim.parameters import Parameters, walk

TABLES = ("runs", "log", "points", "series")


@pytest.fixture
def copy(stored_sweep: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stored_sweep, tmp_path / "copy")


def _faults(folder: Path) -> list[str]:
    report = frictionless.validate(str(folder / "datapackage.json"))
    assert report.valid or report.errors or any(task.errors for task in report.tasks)
    return [error.type for error in report.errors] + [e.type for task in report.tasks for e in task.errors]


def test_frictionless_finds_the_data_package_valid(stored_sweep: Path) -> None:
    assert _faults(stored_sweep) == []
    resources = json.loads((stored_sweep / "datapackage.json").read_text(encoding="utf-8"))["resources"]
    assert {f"{name}.parquet" for name in TABLES} <= {resource["path"] for resource in resources}
    for resource in resources:
        if resource["path"].endswith(".parquet"):
            fields = [field["name"] for field in resource["schema"]["fields"]]
            assert fields == pq.read_schema(stored_sweep / resource["path"]).names
            assert all(field["unit"] and field["description"] for field in resource["schema"]["fields"])


def test_frictionless_notices_a_column_that_is_not_described(copy: Path) -> None:
    table = pq.read_table(copy / "runs.parquet")
    pq.write_table(table.append_column("more", pa.array(range(len(table)))), copy / "runs.parquet")
    assert "extra-label" in _faults(copy)


def test_frictionless_notices_text_where_numbers_should_be(copy: Path) -> None:
    table = pq.read_table(copy / "runs.parquet")
    place = table.column_names.index("discount")
    words = pa.array(["much"] * len(table))
    pq.write_table(table.set_column(place, "discount", words), copy / "runs.parquet")
    assert "type-error" in _faults(copy)


def test_frictionless_notices_a_file_that_was_changed(copy: Path) -> None:
    (copy / "experiment.toml").write_text("name = 'other'\n", encoding="utf-8")
    assert "hash-count" in _faults(copy) or "byte-count" in _faults(copy)


def test_rocrate_reads_the_research_object(stored_sweep: Path) -> None:
    crate = ROCrate(stored_sweep)
    assert crate.name == "Two sizes, two vacancies, two arms"
    assert crate.metadata.version == "1.1"
    files = {entity.id: entity for entity in crate.data_entities}
    assert {f"{name}.parquet" for name in TABLES} <= set(files)
    for name, entity in files.items():
        content = (stored_sweep / name).read_bytes()
        assert int(entity["contentSize"]) == len(content)
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
    (made,) = [entity for entity in crate.contextual_entities if entity.type == "CreateAction"]
    assert made["instrument"]["name"] == "firesale"
    assert {entity.id for entity in made["result"]} == {f"{name}.parquet" for name in TABLES}


def test_rocrate_writes_the_same_files_again(stored_sweep: Path, tmp_path: Path) -> None:
    ROCrate(stored_sweep).write(tmp_path / "again")
    for name in TABLES:
        first = (stored_sweep / f"{name}.parquet").read_bytes()
        assert (tmp_path / "again" / f"{name}.parquet").read_bytes() == first


def test_codebook_says_unit_and_meaning_of_every_column_there_is(stored_sweep: Path) -> None:
    with (stored_sweep / "codebook.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    said = {(row["table"], row["column"]) for row in rows}
    there = {
        (path.stem, name) for path in stored_sweep.glob("*.parquet") for name in pq.read_schema(path).names
    }
    assert said == there and len(said) == len(rows)
    assert all(row["unit"] and row["meaning"] for row in rows)
    allowed = {row["column"]: row["allowed"] for row in rows if row["table"] == "runs"}
    extra = {key: field.json_schema_extra for key, _, field in walk(Parameters())}["site.vacancy"]
    assert isinstance(extra, dict)
    assert allowed["site.vacancy"] == f"{extra['low']} to {extra['high']}"
    in_memory = load(stored_sweep).codebook
    assert set(zip(in_memory["table"], in_memory["column"], strict=True)) == said


def test_archived_columns_have_units_too(copy: Path) -> None:
    from experiments.design.experiment import parse
    from experiments.sweep.engine import sweep
    from experiments.sweep.model_task import ModelTask

    text = (copy / "experiment.toml").read_text(encoding="utf-8")
    fewer = parse(text.replace("count = 2", "count = 1"), "experiment.toml")
    sweep(plan_experiment(fewer), ModelTask.of(fewer), copy, executor=0)
    with (copy / "codebook.csv").open(encoding="utf-8") as handle:
        archived = [row for row in csv.DictReader(handle) if row["table"] == "archive"]
    assert len(pq.read_table(copy / "archive.parquet")) == 8
    assert [row["unit"] for row in archived if row["column"] == "outcome.price_usd"] == ["USD per GPU"]
    assert all(row["unit"] and row["meaning"] for row in archived)
    assert _faults(copy) == []


def test_page_of_the_folder_can_be_followed(stored_sweep: Path) -> None:
    page = (stored_sweep / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) == 2
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=stored_sweep, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert re.search(r"│ +ok +│ +2 │", done.stdout)


def test_xarray_holds_every_number_with_its_unit(stored_sweep: Path) -> None:
    results = load(stored_sweep)
    data = results.to_xarray()
    assert dict(data.sizes) == {"point": 8, "replication": 2, "week": 6}
    for row in results.runs.itertuples():
        here = data.sel(point=row.point, replication=row.replication)
        assert float(here["discount"]) == row.discount
        assert str(here["status"].item()) == "ok"
    kept = data["price_usd_H100"].to_series().dropna().sort_index()
    stored = (
        results.series.set_index(["point", "replication", "week"])["price_usd_H100"].dropna().sort_index()
    )
    assert kept.index.equals(stored.index) and np.array_equal(kept.to_numpy(), stored.to_numpy())
    assert data["price_usd"].attrs["units"] == "USD per GPU"
    assert data["site.vacancy"].sel(point=0).item() == results.points["site.vacancy"][0]
    assert data.attrs["digest"] == results.manifest["digest"]


def test_xarray_goes_back_to_the_table(stored_sweep: Path) -> None:
    results = load(stored_sweep)
    frame = results.to_xarray()[results.outcomes].to_dataframe().reset_index()
    again = frame.sort_values(["point", "replication"])[results.outcomes].to_numpy()
    assert np.array_equal(again, results.runs[results.outcomes].to_numpy(), equal_nan=True)


def test_missing_runs_are_gaps_in_xarray(copy: Path) -> None:
    table = pq.read_table(copy / "runs.parquet")
    data = SweepResults(copy, load(copy).manifest, {"runs": table.slice(1)}).to_xarray()
    assert str(data["status"].sel(point=0, replication=0).item()) == "missing"
    assert np.isnan(data["discount"].sel(point=0, replication=0).item())


def test_without_xarray_the_message_says_how_to_get_it(
    stored_sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(StoreError, match=r"pip install 'firesale\[xarray\]'"):
        load(stored_sweep).to_xarray()


def test_sql_gives_what_pandas_gives(stored_sweep: Path) -> None:
    query = f"""
        select "site.vacancy" as vacancy, avg(discount) filter (where not isnan(discount)) as discount
        from '{stored_sweep}/runs.parquet' where status = 'ok' group by all order by all
    """
    found = duckdb.sql(query).df().set_index("vacancy")["discount"]
    expected = load(stored_sweep).runs.groupby("site.vacancy")["discount"].mean()
    assert np.allclose(found, expected, rtol=1e-12)
