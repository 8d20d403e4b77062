"""A finished run as a user reads it: tables with units, figures, the story of a party."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from agents.vocabulary import GENERATIONS
from experiments.figures.run_figures import FIGURES
from experiments.figures.style import house_style
from experiments.measures.story import find_party, story
from experiments.runs import store
from experiments.runs.folder import writing
from experiments.runs.run import DEFAULT_ARM, described
from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.record.columns import TABLES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


class Run:
    """One run: its tables, its figures and what happened to whom.

    Tables are pandas DataFrames; ``attrs["units"]`` and ``attrs["meanings"]`` of a frame say what its columns are.

    Attributes
    ----------
    manifest : dict
        Scenario, arm, seed, parameters, versions, and of a stored run its timings and digests.
    model : FireSaleModel or None
        The model as it stands after the last week; None of a stored run.

    Examples
    --------
    >>> model = FireSaleModel(Parameters().with_({"clock.weeks": 2}))
    >>> model.run_for(2)
    >>> run = run_of(model)
    >>> run.weeks.attrs["units"]["price_usd_H100"]
    'USD per GPU'
    """

    def __init__(
        self, manifest: Mapping[str, Any], tables: Mapping[str, pa.Table], model: FireSaleModel | None = None
    ) -> None:
        self.manifest = dict(manifest)
        self.model = model
        self._tables = dict(tables)
        self._frames: dict[str, pd.DataFrame] = {}

    @property
    def weeks(self) -> pd.DataFrame:
        """One row per week: drivers, prices, volumes, counts."""
        return self.table("weeks")

    @property
    def trades(self) -> pd.DataFrame:
        """Executed trades."""
        return self.table("trades")

    @property
    def agents(self) -> pd.DataFrame:
        """Every agent's balance, every fourth week and in the last."""
        return self.table("agents")

    @property
    def loans(self) -> pd.DataFrame:
        """Every loan, in the weeks of `agents`."""
        return self.table("loans")

    @property
    def events(self) -> pd.DataFrame:
        """Breaches, waivers, defaults, seizures, sales of forced units and more, in order."""
        return self.table("events")

    @property
    def tables(self) -> list[str]:
        """Names of the tables that hold anything; `table` gives each."""
        return list(self._tables)

    def table(self, name: str) -> pd.DataFrame:
        """A table by name, as a data frame with units; without rows if nothing was written to it.

        Raises
        ------
        KeyError
            If there is no table of the name; says which there are.
        """
        if name not in self._frames:
            if name not in self._tables and name not in TABLES:
                raise KeyError(f"no table is called {name}; there are {', '.join(TABLES)}")
            table = self._tables.get(name)
            written = table is not None and table.column_names
            self._frames[name] = store.frame_of(table if written else store.empty_table(TABLES[name]))
        return self._frames[name]

    @cached_property
    def parameters(self) -> Parameters:
        """Parameters of the run."""
        return Parameters.from_overrides(self.manifest["parameters"], "manifest")

    @cached_property
    def digest(self) -> str:
        """Digest of the tables: equal runs have equal digests."""
        return store.digest_of_tables(self._tables)

    def figures(self) -> "dict[str, Figure]":
        """Every figure of the run by name, as matplotlib figures."""
        frames = {name: self.table(name) for name in self._tables}
        with house_style():
            return {name: draw(frames)[0] for name, draw in FIGURES.items()}

    def trace(self, party: str) -> str:
        """What happened to a party, in order and with causes.

        Parameters
        ----------
        party
            Its name, such as ``miner 3``.

        Raises
        ------
        experiments.measures.story.StoryError
            If nobody is called so.
        """
        frames = {
            name: self.table(name) for name in ("weeks", "events", "agents", "loans", "trades", "loss_bridge")
        }
        return story(frames, find_party(frames, party))

    def to_xarray(self) -> "xr.Dataset":
        """The weekly table with dimensions ``week`` and ``generation``; units are attributes. Needs xarray.

        A total beside columns of its generations, such as ``forced_standing``, is called ``forced_standing_all``.
        """
        try:
            import xarray as xr
        except ImportError:
            raise ImportError("to_xarray needs xarray: pip install 'firesale[xarray]'") from None
        frame = self.weeks
        data: dict[str, Any] = {}
        for name, columns in _by_generation(frame.columns).items():
            about = {
                "units": frame.attrs["units"][columns[0]],
                "long_name": frame.attrs["meanings"][columns[0]],
            }
            values = frame.reindex(columns=columns).to_numpy()
            if len(columns) == 1:
                data[name] = (("week",), values[:, 0], about)
            else:
                data[name] = (("week", "generation"), values, about)
        found = xr.Dataset(data, coords={"week": frame["week"].to_numpy(), "generation": list(GENERATIONS)})
        found.attrs.update(
            scenario=self.manifest["scenario"], arm=self.manifest["arm"], seed=self.manifest["seed"]
        )
        return found

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Store tables, codebook and manifest in a folder, as `firesale run` does; `firesale.open` reads it.

        Raises
        ------
        experiments.runs.StoreError
            If something stands there, or it cannot be written.
        """
        with writing(folder, kind="run", overwrite=overwrite) as scratch:
            store.save_tables(scratch, self._tables, self.manifest)
        return Path(folder)

    def __repr__(self) -> str:
        known = self.manifest
        trades = self._tables["trades"].num_rows if "trades" in self._tables else 0
        return (
            f"<Run of {known['scenario']}, arm {known['arm']}, seed {known['seed']}: {known['weeks']} weeks, "
            f"{trades:,} trades, digest {self.digest[:12]}>"
        )


def _by_generation(columns: Iterable[str]) -> dict[str, list[str]]:
    """Variable -> its columns: one, or one for each generation, in their order."""
    found: dict[str, list[str]] = {}
    for column in columns:
        stem, _, last = column.rpartition("_")
        if last in GENERATIONS:
            found[stem] = [f"{stem}_{generation}" for generation in GENERATIONS]
    for column in columns:
        if column != "week" and column.rpartition("_")[2] not in GENERATIONS:
            found[f"{column}_all" if column in found else column] = [column]
    return found


def run_of(
    model: FireSaleModel,
    scenario: str = "parameters",
    title: str = "",
    arm: str = DEFAULT_ARM,
    replication: int = 0,
) -> Run:
    """What a model recorded so far, as a run."""
    columns = model.columns()
    tables = {
        name: store.arrow_table(name, table, columns.get(name, {})) for name, table in model.tables().items()
    }
    return Run(described(model, scenario, title, arm, replication), tables, model)


def stored_run(folder: str | Path) -> Run:
    """A run from its folder.

    Raises
    ------
    experiments.runs.StoreError
        If the folder holds no whole result.
    """
    return Run(store.load_manifest(folder), store.load_tables(folder))
