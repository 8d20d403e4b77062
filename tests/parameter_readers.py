"""Which rooms of the model read each parameter, found by running it: ``python tests/parameter_readers.py`` writes the table.

A handful of short runs, with mechanisms on and off, in which every reading of a leaf of `Parameters` is traced to the module
that reads it. What the parameters read of themselves (their properties, validators, `flat`) is traced to who asked.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from agents.schema import Section
from experiments.design.scenario import load
from sim.model import FireSaleModel
from sim.parameters import Parameters, walk

TABLE = Path(__file__).resolve().parents[1] / "sim" / "parameters" / "readers.csv"
# Breaches that cash does not cure and no lender waives, so that owners are asked.
POOR_BORROWERS = (
    "credit.loan_to_cost_covenant=0.6",
    "credit.waiver_probability=0",
    "world.neo_cloud_free_cash_usd=0",
)
# Halls so late that units stand dark when lenders look.
LATE_HALLS = (
    "construction.slip_week=3",
    "construction.slip_weeks=104",
    "credit.realisation_weeks=0",
    "credit.realisation_covenant=1",
)
# Many tenants, of whom some ask for relief when rents have fallen, and a large one fails.
DEAR_CONTRACTS = (
    "rent.slump_week=4",
    "rent.slump=-1.5",
    "tenants.tenants=60",
    "tenants.renegotiation_hazard=0.2",
    "tenants.out_of_money=0.2",
    "tenants.failure_week=20",
)
# Scenario and settings: together they reach every branch that reads a parameter.
RUNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("calm", ("clock.weeks=14", "search.enabled=true", "valuation.expectations=consistent")),
    ("ten_thousand_h100", ("clock.weeks=30", "discount.shapley_pairs=1")),
    ("credit_crisis", ("clock.weeks=110", "credit.mark_to_market_share=0.5")),
    ("calm", ("clock.weeks=30", *POOR_BORROWERS)),
    ("correlation_convergence", ("clock.weeks=14", "bitcoin.driver=bootstrap")),
    ("rent_slump", ("clock.weeks=4", "power.driver=replay")),
    ("rebound_2026", ("clock.weeks=4",)),
    ("late_power", ("clock.weeks=70", *LATE_HALLS)),
    ("rent_slump", ("clock.weeks=60", *DEAR_CONTRACTS)),
)
# Who asks through these is the reader.
TRANSPARENT = ("sim.parameters", "agents.schema", __name__)


def readers() -> dict[str, set[str]]:
    """Dotted key -> rooms (`agents`, `sim.market`, `sim.model`, ...) whose code read it in one of the runs."""
    found: dict[str, set[str]] = {key: set() for key in Parameters().flat()}
    keys = _keys()
    for name, settings in RUNS:
        parameters = load(name).parameters(None, settings)
        with _traced() as seen:
            FireSaleModel(parameters, rng=7).run_for(parameters.clock.weeks)
        for table, field, module in seen:
            if (table, field) in keys and module.startswith(("agents.", "sim.")):
                found[keys[table, field]].add(room(module))
    return found


def read_by_living_models() -> set[str]:
    """Dotted keys that are read after a model has been made, in one of the runs."""
    found = set()
    for name, settings in RUNS:
        parameters = load(name).parameters(None, settings)
        model = FireSaleModel(parameters, rng=7)
        with _traced() as seen:
            model.run_for(parameters.clock.weeks)
        found |= {(table, field) for table, field, module in seen if module.startswith(("agents.", "sim."))}
    return {key for place, key in _keys().items() if place in found}


def _keys() -> dict[tuple[type, str], str]:
    """Section and field -> dotted key, of every leaf."""
    return {(type(table), name): key for table, name, key in _leaves(Parameters(), "")}


def room(module: str) -> str:
    """The room a module stands in.

    >>> room("sim.market.search"), room("agents.miner"), room("sim.model")
    ('sim.market', 'agents', 'sim.model')
    """
    return "agents" if module.startswith("agents.") else ".".join(module.split(".")[:2])


@contextmanager
def _traced() -> Iterator[set[tuple[type, str, str]]]:
    """Section, attribute and reading module of every attribute of a section that is read meanwhile."""
    seen: set[tuple[type, str, str]] = set()

    def read(self: Section, name: str) -> Any:
        if not name.startswith("_"):
            seen.add((type(self), name, _reader(sys._getframe(1))))
        return object.__getattribute__(self, name)

    Section.__getattribute__ = read  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        del Section.__getattribute__


def _reader(frame: FrameType | None) -> str:
    """Module of the innermost frame that does not belong to the parameters."""
    while frame is not None and (
        frame.f_globals["__name__"].startswith(TRANSPARENT) or isinstance(frame.f_locals.get("self"), Section)
    ):
        frame = frame.f_back
    return str(frame.f_globals["__name__"]) if frame is not None else ""


def _leaves(section: Section, prefix: str) -> Iterator[tuple[Section, str, str]]:
    """Section, field and dotted key of every leaf; each type of section stands in one place."""
    for name in type(section).model_fields:
        inner = getattr(section, name)
        if isinstance(inner, Section):
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield section, name, f"{prefix}{name}"


def table(found: dict[str, set[str]]) -> str:
    """The table as stored: a row per parameter in declared order, rooms sorted."""
    rows = [f"{key},{' '.join(sorted(found[key]))}\n" for key, _, _ in walk(Parameters())]
    return "parameter,rooms\n" + "".join(rows)


if __name__ == "__main__":
    TABLE.write_text(table(readers()), encoding="utf-8")
