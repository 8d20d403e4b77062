"""One word, one meaning: money says its unit, old names are refused with the new one."""

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import agents
import experiments
import sim
from agents.vocabulary import GENERATIONS
from experiments.design.experiment import Experiment, ExperimentError
from experiments.design.planner import plan_experiment
from experiments.measures.outcomes import OUTCOMES
from experiments.methods import absorption, branches
from experiments.runs import store
from experiments.runs.folder import StoreError
from experiments.sweep.store import read_manifest
from sim.base.renamed import new_name, renamed
from sim.parameters import ParameterError, Parameters
from sim.record.columns import TABLES

FLOORS = {"agents": agents, "sim": sim, "experiments": experiments}
SOURCES = {
    f"{floor}/{path.relative_to(root).as_posix()}": path
    for floor, package in FLOORS.items()
    for root in [Path(str(package.__file__)).parent]
    for path in sorted(root.rglob("*.py"))
}
# Money that a name must give the unit of, as a word of the name.
MONEY = (
    "price",
    "value",
    "cash",
    "cost",
    "debt",
    "balance",
    "payment",
    "arrears",
    "proceeds",
    "fee",
    "premium",
)
MONEY += ("salvage", "reserve", "worth", "exposure", "loss", "payout", "principal", "interest", "appraisal")
# Names with such a word that are no amounts of money, and why.
NO_AMOUNT = {
    "salvage_decay": "a rate per year",
    "operating_fee": "a share of revenue",
    "interest_coverage": "a ratio",
    "loan_to_value": "a ratio",
    "loan_to_cost": "a ratio",
    "price_impact": "log price per log quantity",
    "cost": "of `LoanTerms` and `Leverage`: shares",
    "appraisal": "of `Leverage`: a ratio",
    "value": "a number of any unit: of a point, a target, a parameter",
    "values": "numbers of any unit: of a path or a design",
    "data": "any",
    "worth": "of `Arcs` and `Game`: an object, and a function of coalitions",
    "of_interest": "a number of runs",
    "cash_bound": "a share of units",
    "expected_loss": "a part of a spread: a rate per year",
    "expected_loss_bps": "the same in basis points",
}
# The kernel is a library for money of any unit; its docstrings say cents, which is what the model hands it.
UNIT_FREE = ("sim/kernel/",)
# Tables that studies write beside those of a run.
BY_METHODS = {
    "absorption": absorption.COLUMNS,
    "absorption depth": absorption.DEPTH_COLUMNS,
    "branches": branches.OUTCOMES | branches.PATHS,
}
# Words that had a second name or a second meaning.
OLD_WORDS = (
    "wet",
    "damp",
    "soaked",
    "reference_value",
    "fundamental_usd",
    "gather",
    "look",
    "let_again",
    "move_capacity",
)


def is_money(name: str) -> bool:
    return bool(re.search(r"(^|_)(usd|cents)(_|$)", name))


def fields() -> Iterator[tuple[str, str, str, str]]:
    """File, class, field and comment of every field of every dataclass."""
    for file, path in SOURCES.items():
        if file.startswith(UNIT_FREE):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ClassDef) and any(
                "dataclass" in ast.unparse(d) for d in node.decorator_list
            ):
                for field in node.body:
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                        comment = lines[field.lineno - 1].partition("#")[2]
                        yield file, node.name, field.target.id, comment


def identifiers(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return names | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("table", sorted(TABLES | BY_METHODS))
def test_columns_of_money_say_the_unit_they_hold(table: str) -> None:
    for column, (unit, _) in (TABLES | BY_METHODS)[table].items():
        if "cents" in unit:
            assert re.search(r"(^|_)cents(_|$)", column), f"{table}.{column} holds {unit}"
        elif "USD" in unit:
            assert re.search(r"(^|_)usd(_|$)", column), f"{table}.{column} holds {unit}"
        else:
            assert not is_money(column), f"{table}.{column} holds {unit or 'no unit'}"


def test_outcomes_and_parameters_of_money_say_the_unit_they_hold() -> None:
    units = {name: outcome.unit for name, outcome in OUTCOMES.items()}
    units |= {row["key"].replace(".", "_"): str(row["unit"]) for row in Parameters().describe()}
    assert [name for name, unit in units.items() if is_money(name) != ("USD" in unit)] == []


def test_fields_of_money_say_the_unit_they_hold() -> None:
    found = list(fields())
    assert len(found) > 400
    silent = [
        f"{file}: {owner}.{name}"
        for file, owner, name, comment in found
        if not is_money(name)
        and name not in NO_AMOUNT
        and (set(name.split("_")) & set(MONEY) or re.search(r"\b(cents|USD)\b", comment))
    ]
    assert silent == []


def test_no_exception_is_listed_that_nobody_needs() -> None:
    names = {name for _, _, name, _ in fields()} | {"price_impact", "data"}
    assert set(NO_AMOUNT) - names == set()


def test_words_that_were_replaced_are_gone_from_compiled_code() -> None:
    root = Path(str(sim.__file__)).parent
    for path in sorted([*root.rglob("*.pyx"), *root.rglob("*.pxd")]):
        words = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        assert words & {"wet", "damp", "soaked", "gather", "mend", "wet_demand"} == set(), path.name


@pytest.mark.parametrize("file", sorted(SOURCES))
def test_words_that_were_replaced_are_gone(file: str) -> None:
    assert identifiers(SOURCES[file]) & set(OLD_WORDS) == set()


# -- renamed.csv ----------------------------------------------------------------------------------------------


def live(what: str, table: str) -> set[str]:
    """Names that exist today; columns of every generation by the name they share."""
    if what == "parameter":
        keys = list(Parameters().flat())
        return {".".join(key.split(".")[:n]) for key in keys for n in (1, 2, 3)}
    columns = set((TABLES | BY_METHODS)[table])
    return columns | {name.removesuffix(f"_{generation}") for name in columns for generation in GENERATIONS}


@pytest.mark.parametrize("line", renamed(), ids=lambda line: f"{line.table or line.what}:{line.old}")
def test_an_old_name_is_gone_and_its_new_one_exists(line) -> None:  # type: ignore[no-untyped-def]
    names = live(line.what, line.table)
    assert line.old not in names
    assert line.new in names
    assert new_name(line.what, line.old, line.table) == line.new


def test_an_old_key_is_refused_with_its_new_name() -> None:
    new = re.escape("since 0.2.0 it is rent.initial_usd_per_hour.H100")
    with pytest.raises(ParameterError, match=new):
        Parameters.from_overrides({"rent.initial.H100": 2.0})
    # Renamed twice: what is named is what there is today, and since when.
    for old in ("valuation.other_operating_cost", "valuation.other_operating_usd_per_hour"):
        with pytest.raises(ParameterError, match=re.escape("since 0.4.0 it is valuation.overhead")):
            Parameters.from_overrides({old: 0.2})


def test_an_old_column_is_refused_with_its_new_name() -> None:
    asked = Experiment.model_validate(
        {"name": "old", "record": {"series": {"columns": ["fundamental_usd_H100"]}}}
    )
    with pytest.raises(ExperimentError, match="since 0.2.0 it is clean_best_use_value_usd_H100"):
        plan_experiment(asked)


def test_an_old_result_is_refused_with_the_version_that_reads_it(stored_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(stored_run, folder)
    manifest = json.loads((folder / store.MANIFEST).read_text(encoding="utf-8"))
    (folder / store.MANIFEST).write_text(json.dumps(manifest | {"format": 1}), encoding="utf-8")
    for read in (store.load_manifest, read_manifest):
        with pytest.raises(StoreError, match=r"written by firesale 0\.1, which also reads it"):
            read(folder)
