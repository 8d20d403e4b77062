"""One run of the model as a sweep computes it, and the digest of the code that decides what it computes."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

import agents
import experiments.measures
import sim
from experiments.design.designs import Value
from experiments.design.experiment import Experiment
from experiments.measures.forced_sales import forced_sales
from experiments.measures.outcomes import OUTCOMES
from experiments.runs import run
from experiments.runs.run import simulate
from experiments.runs.source_digest import source_digest
from experiments.runs.store import arrow_table
from sim.parameters import Parameters
from sim.record.columns import TABLES


@dataclass(frozen=True, slots=True)
class ModelTask:
    """One run of the model as a function of parameters, seed and replication; travels to the workers.

    Attributes
    ----------
    series
        Columns of the weekly table to keep.
    every
        Weeks between kept rows.
    """

    series: tuple[str, ...] = ()
    every: int = 1

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """The run an experiment asks for."""
        return cls(experiment.record.series.columns, experiment.record.series.every)

    def __call__(
        self, parameters: Mapping[str, Value], seed: int, replication: int
    ) -> tuple[dict[str, float], dict[str, np.ndarray[Any, np.dtype[Any]]]]:
        """Outcomes (name -> number) and series (column -> values, equal lengths, ``week`` first)."""
        model = simulate(Parameters.from_overrides(parameters), seed, replication=replication)
        tables = model.tables()
        sales = forced_sales(
            {name: arrow_table(name, table) for name, table in tables.items() if name in READ}
        )
        outcomes = {name: float(outcome.measure(tables, sales)) for name, outcome in OUTCOMES.items()}
        if not self.series:
            return outcomes, {}
        rows = slice(None, None, self.every)
        weeks = tables["weeks"]
        return outcomes, {name: np.asarray(weeks[name])[rows] for name in ("week", *self.series)}

    @property
    def fingerprint(self) -> str:
        """Digest of the source of everything a run computes with."""
        return FINGERPRINT

    def meanings(self) -> dict[str, tuple[str, str]]:
        """Unit and meaning of every outcome and kept weekly column."""
        said = {name: (outcome.unit, outcome.meaning) for name, outcome in OUTCOMES.items()}
        return said | {name: TABLES["weeks"][name] for name in self.series}


READ = ("weeks", "trades", "events", "agents")


# Taken when the code is loaded: a file edited during a sweep does not change what its workers compute.
FINGERPRINT = source_digest(agents, sim, experiments.measures, run, sys.modules[__name__])
