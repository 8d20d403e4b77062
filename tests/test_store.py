"""Result folders: whole or not at all, equal content is equal bytes, units survive."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from experiments.runs import provenance, store
from experiments.runs.folder import StoreError, writing

TABLES = {
    "weeks": {
        "week": np.arange(4),
        "date": np.array(["2026-10-05", "2026-10-12", "2026-10-19", "2026-10-26"], dtype="datetime64[D]"),
        "price_usd_H100": np.array([20_000.0, np.nan, 19_500.5, 19_000.25]),
    },
    "trades": {
        "quantity": np.array([8, 72]),
        "forced": np.array([True, False]),
        "channel": np.array(["moved", "é"]),
    },
}
COLUMNS = {
    "weeks": {
        "week": ("week", "week of the run"),
        "price_usd_H100": ("USD per GPU", "price, of forced lots"),
    },
    "trades": {"quantity": ("GPUs", "whole units sold")},
}


def written(folder: Path, **manifest: Any) -> dict[str, Any]:
    with writing(folder, kind="run") as scratch:
        return store.save(
            scratch, TABLES, COLUMNS, {"scenario": "toy", "timings": {"market": 0.5}, **manifest}
        )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip_keeps_values_units_and_meanings(tmp_path: Path) -> None:
    written(tmp_path / "run")
    frames = store.load_run(tmp_path / "run")
    assert frames["trades"]["channel"].tolist() == ["moved", "é"]
    assert frames["trades"]["forced"].tolist() == [True, False]
    assert frames["weeks"]["price_usd_H100"].iloc[2] == 19_500.5
    assert np.isnan(frames["weeks"]["price_usd_H100"].iloc[1])
    assert frames["weeks"].attrs["units"]["price_usd_H100"] == "USD per GPU"
    assert frames["weeks"].attrs["meanings"]["price_usd_H100"] == "price, of forced lots"
    assert '"price, of forced lots"' in (tmp_path / "run/codebook.csv").read_text()
    field = pq.read_schema(tmp_path / "run/weeks.parquet").field("price_usd_H100")
    assert field.metadata == {b"unit": b"USD per GPU", b"meaning": b"price, of forced lots"}


def test_equal_content_is_equal_bytes_and_timings_do_not_count(tmp_path: Path) -> None:
    written(tmp_path / "one")
    written(tmp_path / "two", timings={"market": 99.0})
    for name in ("weeks.parquet", "trades.parquet", "codebook.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert store.digest(tmp_path / "one") == store.digest(tmp_path / "two") == store.digest_of(TABLES)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=arrays.arrays(np.int64, st.integers(1, 20), elements=st.integers(-(2**62), 2**62)),
    place=st.integers(0, 19),
)
def test_one_changed_cent_changes_the_digest(values: np.ndarray[Any, Any], place: int) -> None:
    other = values.copy()
    other[place % len(values)] += 1
    assert store.digest_of({"t": {"cents": values}}) != store.digest_of({"t": {"cents": other}})
    assert store.digest_of({"t": {"cents": values}}) == store.digest_of({"t": {"cents": values.copy()}})


def test_text_cannot_move_between_rows_unnoticed() -> None:
    assert store.digest_of({"t": {"a": np.array(["ab", "c"])}}) != store.digest_of(
        {"t": {"a": np.array(["a", "bc"])}}
    )


def test_existing_result_is_kept_without_overwrite(tmp_path: Path) -> None:
    written(tmp_path / "run")
    before = (tmp_path / "run/manifest.json").read_bytes()
    with (
        pytest.raises(StoreError, match="exists already.*--overwrite"),
        writing(tmp_path / "run", kind="run"),
    ):
        pytest.fail("the block must not run: computing first and refusing later wastes the user's time")
    assert (tmp_path / "run/manifest.json").read_bytes() == before


def test_overwrite_replaces_a_result_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path / "run")
    with writing(tmp_path / "run", kind="run", overwrite=True) as scratch:
        store.save(scratch, TABLES, COLUMNS, {"scenario": "newer"})
    assert store.load_manifest(tmp_path / "run")["scenario"] == "newer"
    assert names(tmp_path) == ["run"]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.tex").write_text("years of work")
    with (
        pytest.raises(StoreError, match="not overwritten"),
        writing(tmp_path / "thesis", kind="run", overwrite=True),
    ):
        pass
    assert (tmp_path / "thesis/chapter.tex").read_text() == "years of work"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_interrupted_run_leaves_nothing(tmp_path: Path, interruption: type[BaseException]) -> None:
    with pytest.raises(interruption), writing(tmp_path / "run", kind="run") as scratch:
        store.save(scratch, TABLES, COLUMNS, {})
        raise interruption
    assert names(tmp_path) == []


def test_failed_overwrite_keeps_the_old_result(tmp_path: Path) -> None:
    written(tmp_path / "run")
    with pytest.raises(RuntimeError), writing(tmp_path / "run", kind="run", overwrite=True) as scratch:
        (scratch / "weeks.parquet").write_bytes(b"half")
        raise RuntimeError
    assert store.digest(tmp_path / "run") == store.digest_of(TABLES)
    assert names(tmp_path) == ["run"]


def test_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = pq.write_table, []

    def full(table: pa.Table, where: Path, **options: Any) -> None:
        calls.append(where)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(table, where, **options)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(StoreError, match="No space left on device") as caught:
        written(tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_full_disk_found_only_when_flushing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        written(tmp_path / "run")
    assert names(tmp_path) == []


def test_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"), writing(tmp_path / "file" / "run", kind="run"):
        pass
    with pytest.raises(StoreError, match="in the way"), writing(tmp_path / "file", kind="run"):
        pass


def test_folder_without_manifest_is_no_result(tmp_path: Path) -> None:
    written(tmp_path / "run")
    (tmp_path / "run/manifest.json").unlink()
    with pytest.raises(StoreError, match=r"no result of a run"):
        store.load_run(tmp_path / "run")


def test_exchanged_table_is_noticed(tmp_path: Path) -> None:
    written(tmp_path / "run")
    changed = pq.read_table(tmp_path / "run/trades.parquet").slice(0, 1)
    pq.write_table(changed, tmp_path / "run/trades.parquet")
    with pytest.raises(StoreError, match=r"trades\.parquet: not as it was written"):
        store.digest(tmp_path / "run")


def test_manifest_names_neither_user_nor_machine(tmp_path: Path) -> None:
    import getpass
    import platform

    text = json.dumps(written(tmp_path / "run", provenance=provenance.record(provenance.model_code())))
    assert str(tmp_path) not in text
    assert platform.node() not in text
    assert f'"{getpass.getuser()}"' not in text
    assert str(Path.home()) not in text
    assert "numpy" in json.loads(text)["provenance"]["versions"]
    assert json.loads(text)["provenance"]["data"]["sites.csv"]


def test_columns_of_unequal_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="differ in length"):
        store.save(tmp_path, {"t": {"a": np.zeros(2), "b": np.zeros(3)}}, {}, {})


@pytest.mark.parametrize("name", ["codebook.csv", "figures/anatomy.csv"])
def test_a_digest_is_of_a_run_of_which_every_file_is_whole(
    stored_run: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stored_run, folder)
    with writing(folder / "figures", kind="figures", is_part=True) as scratch:
        (scratch / "anatomy.csv").write_text("share\n0.5\n", encoding="utf-8")
    assert store.digest(folder) == store.digest(stored_run)
    (folder / name).write_text("share\n0.6\n", encoding="utf-8")
    with pytest.raises(StoreError, match="not as it was written"):
        store.digest(folder)
