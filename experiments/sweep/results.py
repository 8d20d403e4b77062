"""The results of a sweep as a user reads them: tidy data frames, units beside them, labelled arrays."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.design.experiment import Experiment, parse
from experiments.design.plan import Plan, Point
from experiments.runs.folder import StoreError
from experiments.runs.store import frame_of
from experiments.sweep.listing import check_whole, whole, whole_bytes
from experiments.sweep.metadata import CODEBOOK_COLUMNS, codebook_rows
from experiments.sweep.paired import paired_differences

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class SweepResults:
    """What `experiments.sweep.store.load` returns; every table is read when it is first asked for.

    Attributes
    ----------
    folder
        Where the results stand.
    manifest
        Provenance: code, versions, counts, digest of ``runs.parquet``.
    """

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], tables: Mapping[str, pa.Table] | None = None
    ) -> None:
        self.folder = folder
        self.manifest = dict(manifest)
        self._tables = dict(tables or {})
        self._schemas: dict[str, pa.Schema] = {}

    def __repr__(self) -> str:
        known = self.manifest
        runs, points = (self._rows(name) for name in ("runs", "points"))
        return f"<SweepResults in {self.folder}: {runs:,} runs of {points:,} points, digest {known.get('digest', '')[:12]}>"

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """One row per point and replication: run_id, point, replication, seed, status, varied parameters, outcomes."""
        return self._frame("runs")

    @cached_property
    def points(self) -> "pd.DataFrame":
        """One row per point: varied parameters, n, failed, stopped_by; of each outcome mean, `_sd`, `_half_width`."""
        return self._frame("points")

    @cached_property
    def series(self) -> "pd.DataFrame":
        """Kept paths: run_id, point, replication, week, columns; empty if none were kept."""
        return self._frame("series", missing_ok=True)

    @cached_property
    def log(self) -> "pd.DataFrame":
        """How each run went, row by row beside `runs`: error, traceback, seconds, peak_mb, attempts, fingerprint."""
        return self._frame("log")

    @cached_property
    def failures(self) -> "pd.DataFrame":
        """Runs that did not end well: run_id, point, replication, seed, status, error, traceback, seconds, attempts."""
        failed = self.log["status"] != "ok"
        frame = self.log.loc[
            failed, ["run_id", "replication", "seed", "status", "error", "traceback", "seconds"]
        ]
        frame = frame.assign(
            attempts=self.log.loc[failed, "attempts"], parameters=self.log.loc[failed, "parameters"]
        )
        frame.insert(1, "point", self.runs.loc[failed, "point"])
        return frame.reset_index(drop=True)

    @cached_property
    def codebook(self) -> "pd.DataFrame":
        """Unit, meaning, allowed values and role of every column of `runs`, `points`, `series` and `log`."""
        import pandas as pd

        schemas = {name: self._schema(name) for name in ("runs", "points", "series", "log")}
        return pd.DataFrame(
            codebook_rows(schemas, self.manifest.get("plugins", ())), columns=list(CODEBOOK_COLUMNS)
        )

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment the sweep was asked."""
        path = self.folder / "experiment.toml"
        return parse(self._bytes(path.name).decode(), str(path))

    @property
    def parameters(self) -> list[str]:
        """Columns of `runs` that are varied parameters."""
        return self._columns("parameter")

    @property
    def outcomes(self) -> list[str]:
        """Columns of `runs` that are outcomes."""
        return self._columns("outcome")

    def units(self, column: str) -> tuple[str, str]:
        """Unit and meaning of a column, for axes and headers.

        Raises
        ------
        KeyError
            If no table has such a column.
        """
        for name in ("runs", "points", "series", "log"):
            for field in self._schema(name):
                if field.name == column:
                    metadata = field.metadata or {}
                    return metadata.get(b"unit", b"").decode(), metadata.get(b"meaning", b"").decode()
        raise KeyError(f"no column is called {column}")

    def plan(self) -> Plan:
        """The experiment with its points, as stored; a scenario file is not needed for it."""
        table = self._table("points")
        varied = [f.name for f in table.schema if (f.metadata or {}).get(b"role") == b"parameter"]
        rows = table.select(["point", "parameters_id", *varied]).to_pylist()
        points = [
            Point(row["point"], {key: row[key] for key in varied}, {}, row["parameters_id"]) for row in rows
        ]
        meanings = {
            f.name: (f.metadata[b"unit"].decode(), f.metadata[b"meaning"].decode())
            for f in table.schema
            if f.name in varied
        }
        return Plan(self.experiment, points, varied, meanings)

    def paired(self, against: int = 0, outcomes: Sequence[str] = ()) -> "pd.DataFrame":
        """What every other point changes, run by run on the same shocks: `paired_differences` of the runs.

        Parameters
        ----------
        against
            The point that is taken off; the first, if left out.
        outcomes
            Those of the table; all that were recorded if left out.

        Returns
        -------
        DataFrame
            A row per point and outcome: point, the varied parameters, outcome, unit, mean, half_width, n, difference,
            difference_half_width, pairs.
        """
        units = {name: self.units(name)[0] for name in self.outcomes}
        table = paired_differences(self.runs, units, against, outcomes)
        varied = self.points[["point", *self.parameters]]
        return varied.merge(table, on="point", how="inner", validate="one_to_many")

    def to_xarray(self) -> "xr.Dataset":
        """Outcomes over (point, replication) and series over (point, replication, week); gaps are NaN.

        Varied parameters are coordinates of ``point``; units and meanings are attributes. Needs xarray.
        """
        try:
            import xarray as xr
        except ImportError:
            raise StoreError("to_xarray needs xarray: pip install 'firesale[xarray]'") from None
        keys = ["point", "replication"]
        frame = self.runs.set_index(keys)
        data = xr.Dataset.from_dataframe(frame[self.outcomes])
        status = frame["status"].unstack(fill_value="missing")
        data["status"] = (("point", "replication"), status.to_numpy().astype(str))
        if len(self.series):
            columns = [name for name in self.series.columns if name not in ("run_id", *keys, "week")]
            data = data.merge(xr.Dataset.from_dataframe(self.series.set_index([*keys, "week"])[columns]))
        points = self.points.set_index("point").loc[data["point"].to_numpy()]
        data = data.assign_coords({name: ("point", points[name].to_numpy()) for name in self.parameters})
        for name in [*data.data_vars, *self.parameters]:
            if name != "status":
                unit, meaning = self.units(str(name))
                data[name].attrs.update(units=unit, long_name=meaning)
        data.attrs.update(
            title=self.experiment.title or self.experiment.name, digest=self.manifest.get("digest", "")
        )
        return data

    def _columns(self, role: str) -> list[str]:
        return [f.name for f in self._schema("runs") if (f.metadata or {}).get(b"role") == role.encode()]

    def _schema(self, name: str) -> pa.Schema:
        if name in self._tables:
            return self._tables[name].schema
        if name not in self._schemas:
            path = whole(self.folder, f"{name}.parquet")
            self._schemas[name] = pq.read_schema(path) if path is not None else pa.schema([])
        return self._schemas[name]

    def _rows(self, name: str) -> int:
        if name in self._tables:
            return int(self._tables[name].num_rows)
        path = whole(self.folder, f"{name}.parquet")
        return int(pq.read_metadata(path).num_rows) if path is not None else 0

    def _table(self, name: str) -> pa.Table:
        if name in self._tables:
            return self._tables[name]
        return pq.ParquetFile(pa.BufferReader(self._bytes(f"{name}.parquet"))).read()

    def _bytes(self, name: str) -> bytes:
        """A file, as it was written."""
        data = whole_bytes(self.folder, name)
        if data is None:
            check_whole(self.folder)
            raise StoreError(f"{self.folder / name}: not of this sweep")
        return data

    def _frame(self, name: str, *, missing_ok: bool = False) -> "pd.DataFrame":
        import pandas as pd

        if missing_ok and name not in self._tables and whole(self.folder, f"{name}.parquet") is None:
            return pd.DataFrame(columns=["run_id", "point", "replication", "week"])
        return frame_of(self._table(name))


__all__ = ["SweepResults"]
