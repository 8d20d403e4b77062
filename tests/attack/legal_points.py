"""Points over the legal ranges of every parameter of every shipped scenario and arm, corners among them.

Required of each point: the run completes with its books closed and everything it wrote within the declared bounds, or it is
refused by name before its first week. The model itself stops when its books do not close; anything but an `InputError` that
names a parameter is a fault.
"""

import warnings
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np

from experiments.design.scenario import load, shipped
from experiments.measures.forced_sales import forced_sales
from experiments.measures.outcomes import OUTCOMES, measured
from experiments.runs.run import check_bounds, simulate
from experiments.runs.store import arrow_table
from sim.base.faults import InputError
from sim.parameters import Parameters
from tests.attack.attack import Attack, Report

CORNER_SHARE = 0.5  # of the changed parameters stand at an end of their range
EARLIEST, LATEST = date(2018, 4, 2), date(2046, 10, 1)  # most of a century later is like the last of these
# What most points that replay something start in, as cited data go from one to the other.
CITED = date(2025, 6, 2), date(2026, 6, 1)
FORCED_SHARE = 0.15  # of the points of scenarios without one have a sale by decree
NEVER_CHANGED = ("clock.weeks", "plugin")
# Weeks in which something happens: drawn over the whole range they would mostly come after the run.
DATES = (
    "forced_sale.week",
    "rent.slump_week",
    "credit.stop_week",
    "tenants.failure_week",
    "construction.slip_week",
)
# A world of thousands is legal and slow; one count of a point at most is drawn up to its end, and the run is short then.
LARGEST = {"agents": 40, "tenants": 60, "orders": 40, "pairs of orders": 2}
# The coalitions of a sale of so many lots take an hour, above all in a book that needs exact arithmetic.
LARGEST_SALE = 2_000_000  # GPUs times liquidators; Shapley's shares are left out beyond
SHOWN = 8  # changes of a point in the line that tells of its fault


def run(count: int, seed: int) -> Report:
    """Try points."""
    report = Report()
    for number in range(count):
        name, changes = point(np.random.default_rng([seed, number]))
        answer, fault = outcome_of(name, changes, number)
        report.counts[answer] += 1
        if fault:
            said = " ".join(f"{key}={value}" for key, value in list(changes.items())[:SHOWN])
            more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
            report.faults.append(f"point {number} of seed {seed}: {name}: {fault} [{said}{more}]")
    return report


def point(random: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """A scenario or an arm (``NAME/ARM``) and what is changed in it."""
    scenarios = [load(name) for name in shipped()]
    chosen = scenarios[random.integers(len(scenarios))]
    arm = str(random.choice(["", *chosen.arms]))
    rows = {row["key"]: row for row in Parameters().describe() if row["key"] not in NEVER_CHANGED}
    keys = [key for key in rows if not key.endswith("_file")]
    most = len(keys)
    number = int(random.choice([random.integers(1, 4), random.integers(4, 25), random.integers(25, most)]))
    weeks = int(random.choice([random.integers(4, 13), 30], p=[0.9, 0.1]))
    changes: dict[str, Any] = {"clock.weeks": weeks}
    large = random.random() < 0.1
    for key in random.permutation(keys)[:number]:
        row = rows[str(key)]
        changes[str(key)] = value_of(random, row, weeks, large)
        if large and row["unit"] in LARGEST:
            large, changes["clock.weeks"] = False, 2
    before = chosen.parameters(arm or None).flat() | changes
    if before["forced_sale.enabled"] or random.random() < FORCED_SHARE:
        changes["forced_sale.enabled"] = True
        if before["forced_sale.week"] >= changes["clock.weeks"]:
            changes["forced_sale.week"] = 1
    if (before | changes)["forced_sale.gpus"] * before["world.liquidators"] > LARGEST_SALE:
        changes["discount.shapley_weeks"] = 0
    if "replay" in changes.values() and random.random() < 0.9:
        changes["clock.start"] = monday(random, *CITED)
    return f"{chosen.name}/{arm}" if arm else chosen.name, changes


def value_of(random: np.random.Generator, row: Mapping[str, Any], weeks: int, large: bool) -> Any:
    """A legal value of a parameter: an end of its range, or one between."""
    key, default = row["key"], row["value"]
    if isinstance(default, bool):
        return bool(random.integers(2))
    if key == "clock.start":
        return monday(random, EARLIEST, LATEST)
    if isinstance(default, str):
        return str(random.choice(options_of(key)))
    low, high = row["low"], row["high"]
    if not large:
        high = min(high, LARGEST.get(row["unit"], high))
    if key in DATES and random.random() < 0.8:
        high = min(high, weeks - 1)
    if random.random() < CORNER_SHARE:
        return type(default)(random.choice([low, high]))
    if isinstance(default, int):
        return int(random.integers(low, high, endpoint=True))
    return float(random.uniform(low, high))


def monday(random: np.random.Generator, first: date, last: date) -> str:
    """A Monday from the first, itself a Monday, on."""
    return (first + timedelta(weeks=int(random.integers((last - first).days // 7 + 1)))).isoformat()


def options_of(key: str) -> list[str]:
    """What a parameter that is one of several words may be."""
    section, _, name = key.partition(".")
    field = type(getattr(Parameters(), section)).model_fields[name]
    extra: Any = field.json_schema_extra
    return list(extra["options"])


def outcome_of(name: str, changes: Mapping[str, Any], seed: int) -> tuple[str, str]:
    """What came of a point, and what is wrong with it, if anything."""
    scenario, _, arm = name.partition("/")
    parameters = load(scenario).parameters(arm or None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            parameters = parameters.with_(changes)
            tables = simulate(parameters, seed).tables()
            check_bounds(tables)
            sales = forced_sales({name: arrow_table(name, table) for name, table in tables.items()})
            measured(OUTCOMES, tables, sales)
        except InputError as error:
            named = any(key in str(error) for key in parameters.flat())
            return "refused by name", "" if named else f"refused without a parameter's name: {error}"
        except Exception as error:
            return "fault", f"{type(error).__name__}: {error}"
    return "completed", ""


ATTACK = Attack(
    what="points over the legal ranges of all parameters: a run within its bounds, or a refusal by name",
    full=2_000,
    small=120,
    run=run,
)
