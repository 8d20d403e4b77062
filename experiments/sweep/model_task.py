"""One run of the model as a sweep computes it, and the digest of the code that decides what it computes."""

import contextlib
import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from agents.party import Party
from agents.plugins import Plugin, PluginError, install, load
from agents.registration import keep_types, registered
from experiments.design.designs import Value
from experiments.design.experiment import Experiment
from experiments.design.plan import Plan
from experiments.measures.forced_sales import forced_sales
from experiments.measures.outcomes import OUTCOMES, Outcome, keep_outcomes, measured, outcomes_of
from experiments.runs import provenance, run
from experiments.runs.code_digest import code_digest, edited_files, held_digest
from experiments.runs.provenance import MODEL_CODE, additions
from experiments.runs.run import RunError, built, check_bounds, simulate
from experiments.runs.source_digest import source_digest
from experiments.runs.store import arrow_table
from experiments.sweep.jobs import Run
from sim.base.declared import Declared
from sim.base.inputs import expecting, files_of, name_of
from sim.parameters import ParameterError, Parameters
from sim.record.columns import TABLES

HELD = (
    "an agent type or outcome holds other values in this process than where the sweep was started: a worker imports your "
    "module anew, so state values in the module, or compute with 0 workers"
)
_compared: set[str] = set()  # digests that were found equal in this process


@dataclass(frozen=True, slots=True)
class Added:
    """What users added to the model, as it travels to the workers.

    Attributes
    ----------
    plugins
        Modules with the text they are run from.
    types, outcomes
        What was registered by hand; it travels by name, so a worker must be able to import it.
    digest
        Of the code of it all; empty if nothing was added.
    held
        Digest of the values it holds, which a worker compares with its own.
    """

    plugins: tuple[Plugin, ...] = ()
    types: tuple[type[Party], ...] = ()
    outcomes: tuple[tuple[str, Outcome], ...] = ()
    digest: str = ""
    held: str = ""

    def install(self) -> None:
        """Make it, and nothing else, what users added in this process.

        Raises
        ------
        PluginError
            If the code holds other values here than where the sweep was started.
        """
        for plugin in self.plugins:
            install(plugin)
        names = [plugin.name for plugin in self.plugins]
        by_hand = [one for one in registered("") if one.__module__ in names]
        keep_types({one.__name__: one for one in (*by_hand, *self.types)})
        keep_outcomes(dict(self.outcomes))
        if self.held and self.held not in _compared:
            if held_digest(*additions(names)) != self.held:
                raise PluginError(HELD)
            _compared.add(self.held)


@dataclass(frozen=True, slots=True)
class ModelTask:
    """One run of the model as a function of parameters, seed and replication; travels to the workers.

    Attributes
    ----------
    series
        Columns of the weekly table to keep.
    every
        Weeks between kept rows.
    added
        Agent types and outcomes of the user's, which `prepared` finds; None takes what is registered in this process.
    """

    series: tuple[str, ...] = ()
    every: int = 1
    added: Added | None = None

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """The run an experiment asks for."""
        return cls(experiment.record.series.columns, experiment.record.series.every)

    def prepared(self, plugins: Iterable[str]) -> Self:
        """The same run with everything that it needs of the user's: the named plugins, and what was registered by hand.

        Raises
        ------
        PluginError
            If a plugin cannot be loaded, or what is in memory of it is not what its file says.
        """
        names = sorted({*plugins} - {""})
        found = tuple(load(name) for name in names)
        edited = edited_files(*additions(names))
        for plugin in found:
            if Path(plugin.path) in edited:
                raise PluginError(
                    f"{plugin.path} was edited after it was imported by hand; import it anew (importlib.reload, or start "
                    "Python again)"
                )
        types = tuple(one for one in registered("") if one.__module__ not in names)
        by_hand = {name: outcome for name, outcome in outcomes_of("").items() if name not in OUTCOMES}
        code = provenance.model_code(names).get("plugin", "")
        if not code:
            return replace(self, added=Added())
        held = held_digest(*additions(names))
        return replace(self, added=Added(found, types, tuple(by_hand.items()), code, held))

    def check_tables(self, plan: Plan) -> None:
        """Have the model read the users' tables of a plan, each combination once, before the first run.

        Raises
        ------
        sim.base.user_table.TableError
            If one is not understood; a sweep of runs that all fail would say it only at its end.
        """
        seen = set()
        for point in plan.points:
            files = files_of(point.overrides)
            read = (*sorted(files.items()), *(point.overrides.get(key) for key in READ_WITH))
            if not files or read in seen:
                continue
            seen.add(read)
            if self.added is not None:
                self.added.install()
            with (
                # What else is wrong with a point is a row of the result.
                contextlib.suppress(RunError, ParameterError),
                expecting({name_of(path): plan.inputs[name_of(path)] for path in files.values()}),
            ):
                built(Parameters.from_overrides(point.overrides), plan.experiment.seed)
            if len(seen) == MOST_READ:
                break

    def __call__(
        self, parameters: Mapping[str, Value], seed: int, replication: int
    ) -> tuple[dict[str, float], dict[str, np.ndarray[Any, np.dtype[Any]]]]:
        """Outcomes (name -> number) and series (column -> values, equal lengths, ``week`` first)."""
        if self.added is not None:
            self.added.install()
        asked = Parameters.from_overrides(parameters)
        known = outcomes_of(asked.plugin)
        read = {table for outcome in known.values() for table in outcome.tables}
        model = simulate(asked, seed, replication=replication, tables=read)
        tables = model.tables()
        check_bounds(tables)
        sales = forced_sales(
            {name: arrow_table(name, table) for name, table in tables.items() if name in READ}
        )
        outcomes = measured(known, tables, sales)
        if not self.series:
            return outcomes, {}
        rows = slice(None, None, self.every)
        weeks = tables["weeks"]
        return outcomes, {name: np.asarray(weeks[name])[rows] for name in ("week", *self.series)}

    @property
    def code(self) -> dict[str, str]:
        """Digests of the source of everything a run computes with, the user's own code included."""
        added = self.added.digest if self.added is not None else ""
        return {"model": MODEL_CODE, "run function": RUN_CODE, **({"plugin": added} if added else {})}

    @property
    def fingerprint(self) -> str:
        """One name for the code."""
        return _joined(self.code)

    def meanings(self) -> dict[str, tuple[str, str]]:
        """Unit and meaning of every outcome and kept weekly column."""
        known = outcomes_of("")
        if self.added is not None:
            self.added.install()
            for plugin in self.added.plugins:
                known |= outcomes_of(plugin.name)
        said: dict[str, tuple[str, str]] = {
            name: Declared(outcome.unit, outcome.meaning, outcome.bounds) for name, outcome in known.items()
        }
        return said | {name: TABLES["weeks"][name] for name in self.series}


READ = ("weeks", "trades", "events", "agents")
READ_WITH = ("clock.start", "clock.weeks")  # parameters that decide what a table has to cover
MOST_READ = 64  # combinations of tables that are read before a sweep begins


# Taken when the code is loaded: a file edited during a sweep does not change what its workers compute.
RUN_CODE = source_digest(run, sys.modules[__name__])


def code_of(run: Run) -> dict[str, str]:
    """Code a run function computes with; of the user's own function together with the model, which it may run."""
    if isinstance(run, ModelTask):
        return run.code
    said = getattr(run, "fingerprint", None)
    return {"run function": str(said)} if said else {"model": MODEL_CODE, "run function": code_digest(run)}


def fingerprint_of(run: Run, code: Mapping[str, str]) -> str:
    """Name of the code a run function computes with, which `code_of` has found."""
    said = getattr(run, "fingerprint", None)
    return str(said) if said else _joined(code)


def _joined(code: Mapping[str, str]) -> str:
    return hashlib.sha256(" ".join(f"{name} {code[name]}" for name in sorted(code)).encode()).hexdigest()[:20]
