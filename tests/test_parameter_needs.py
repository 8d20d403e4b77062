"""What `firesale schema --scenario` says changes nothing, changes nothing; what it does not say so of changes something."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic.fields import FieldInfo

from experiments.design.scenario import load
from sim.model import FireSaleModel
from sim.parameters import Parameters, walk
from sim.parameters.needs import Condition, missing, needs_of, parse, said

Tables = dict[str, dict[str, Any]]
FIELDS = {key: field for key, _, field in walk(Parameters())}
# Worlds in which something is switched off: scenario, weeks, settings.
IDLE_WORLDS = {
    "calm": ("calm", 30, ()),
    "funding stop": ("credit_crisis", 60, ("discount.shapley_weeks=0",)),
    "no outside buyers": (
        "ten_thousand_h100",
        34,
        ("world.hyperscalers=0", "world.enterprises=0", "world.exporters=0", "liquidators.release=at_once"),
    ),
    "bare credit": (
        "rent_slump",
        60,
        (
            "credit.covenants=false",
            "credit.financing=false",
            "credit.tenants=false",
            "credit.workouts=false",
            "credit.stop_week=20",
        ),
    ),
    "no defaults": ("rent_slump", 60, ("credit.defaults=false", "credit.mark_to_market_share=0.5")),
    "no debt": (
        "rent_slump",
        60,
        (
            "miners.convertible_share=0",
            "miners.bitcoin_pledged_share=0",
            "neo_clouds.notes_share=0",
            "neo_clouds.payout_share=0",
            "lenders.funding_advance=0",
            "lenders.haircut_sensitivity=0",
            "credit.commitment_share=0",
            "credit.chapter_11_probability=0",
            "credit.amendments=0",
            "liquidators.release=held",
        ),
    ),
    "flat": (
        "correlation_convergence",
        20,
        ("rent.driver=flat", "power.driver=flat", "bitcoin.driver=flat", "correlation.driver=calm"),
    ),
    "bootstrap": ("correlation_convergence", 20, ("bitcoin.driver=bootstrap", "correlation.driver=stress")),
    "replay": ("rebound_2026", 20, ("power.driver=replay",)),
}


def parameters_of(scenario: str, weeks: int, settings: tuple[str, ...]) -> Parameters:
    return load(scenario).parameters(None, (*settings, f"clock.weeks={weeks}"))


def other_ends(value: Any, field: FieldInfo) -> list[Any]:
    """Values at the other ends of a parameter's range, the furthest first."""
    about = field.json_schema_extra
    assert isinstance(about, dict)
    if isinstance(value, bool):
        return [not value]
    if "options" in about:
        return [option for option in about["options"] if option != value]  # type: ignore[union-attr]
    if "low" in about:
        ends = {about["low"], about["high"]} - {value}
        return sorted(ends, key=lambda end: -abs(end - value))  # type: ignore[operator, arg-type]
    return ["nowhere.csv"]  # a file that would not be found


def tables_of(parameters: Parameters, marks: list[int]) -> Iterator[Tables]:
    """Everything recorded by the ends of some weeks."""
    model = FireSaleModel(parameters, rng=7)
    for lived, week in zip([0, *marks], marks, strict=False):
        model.run_for(week - lived)
        yield model.tables()


def differences(one: Tables, other: Tables) -> list[str]:
    """Columns that differ in any bit."""
    names = {f"{table}.{column}" for tables in (one, other) for table in tables for column in tables[table]}

    def raw(tables: Tables, name: str) -> Any:
        table, _, column = name.partition(".")
        values = np.asarray(tables.get(table, {}).get(column))
        return values.tolist() if values.dtype.kind == "O" else (values.dtype, values.shape, values.tobytes())

    return sorted(name for name in names if raw(one, name) != raw(other, name))


# -- the declarations ---------------------------------------------------------------------------------------


def sections(section: Any) -> Iterator[Any]:
    yield section
    for name in type(section).model_fields:
        if hasattr(getattr(section, name), "needs"):
            yield from sections(getattr(section, name))


def test_declarations_name_what_there_is() -> None:
    for section in sections(Parameters()):
        names = [key for key, _, _ in walk(section)]
        for text, patterns in type(section).needs.items():
            declared = type("Declared", (type(section),), {"needs": {text: pattern} for pattern in ()})
            assert declared is not None
            for pattern in patterns.split():
                one = type(section).model_construct()
                assert names, one
                from fnmatch import fnmatchcase

                assert any(fnmatchcase(name, pattern) for name in names), f"{type(section)}: {pattern}"
            for condition in parse(text):
                field = FIELDS[condition.key]
                assert Parameters.from_overrides({condition.key: condition.value}), field
