"""Agent types and outcomes of a user's own: in a model, in a scenario, in sweeps; what cannot work says why."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from plugin_texts import BUYER, EXPERIMENT, SCENARIO

import firesale as fs
from agents import plugins
from agents.registration import registered, type_name
from experiments.design.planner import load as load_experiment
from experiments.measures.outcomes import outcomes_of
from experiments.runs.store import digest_of
from experiments.sweep.engine import sweep
from experiments.sweep.model_task import Added, ModelTask

# In a calm month nobody sells used hardware.
SALE = {"forced_sale.enabled": True, "forced_sale.week": 1, "discount.shapley_weeks": 0}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A user's folder with a plugin, a scenario and an experiment; the plugin is forgotten afterwards."""
    (tmp_path / "own_buyers.py").write_text(BUYER, encoding="utf-8")
    (tmp_path / "with_universities.toml").write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "demand.toml").write_text(EXPERIMENT, encoding="utf-8")
    yield tmp_path
    plugins._forget("own_buyers")
    sys.modules.pop("own_buyers", None)


@pytest.fixture
def by_hand() -> Iterator[type[fs.Buyer]]:
    """A type registered by hand, and taken back."""

    @fs.register_agent
    class RackBroker(fs.Buyer):
        """Buys whatever pays."""

    yield RackBroker
    fs.unregister_agent(RackBroker)


def test_a_type_gets_rows_cash_pools_parameters_and_bids(folder: Path) -> None:
    run = fs.run(folder / "with_universities.toml", seed=7, settings=SALE)
    model = run.model
    assert model is not None
    mine = [agent for agent in model.agents if type(agent).__name__ == "University"]
    assert [agent.name for agent in mine] == ["university 1", "university 2", "university 3"]
    assert run.parameters.universities.cash_usd == 2e7  # type: ignore[attr-defined]
    assert {type_name(type(agent)) for agent in mine} == {"university"}
    assert all((model.view.known.party == agent.row).sum() == 6 for agent in mine)
    trades = run.trades[run.trades["buyer_type"] == "university"]
    assert trades["quantity"].sum() > 0 and set(trades["condition"]) <= {"clean", "as_is"}
    assert set(run.agents.loc[run.agents["type"] == "university", "name"]) == {agent.name for agent in mine}
    assert len(model.agents_by_type[fs.Buyer]) == 3


def test_a_type_with_no_agents_changes_nothing(folder: Path) -> None:
    plain = fs.run("calm", seed=7, settings={"clock.weeks": 4})
    none = fs.run(folder / "with_universities.toml", seed=7, settings={"universities.count": 0})
    assert none.digest == plain.digest


def test_a_plugin_is_there_only_for_those_who_name_it(folder: Path) -> None:
    fs.scenario(folder / "with_universities.toml")
    assert registered("") == () and len(registered("own_buyers")) == 1
    assert "gpus_to_universities" in outcomes_of("own_buyers") and "gpus_to_universities" not in outcomes_of(
        ""
    )
    with pytest.raises(fs.ParameterError, match="no parameter is called universities.count"):
        fs.Parameters().with_({"universities.count": 1})


def test_parameters_of_a_plugin_are_parameters(folder: Path) -> None:
    parameters = fs.scenario(folder / "with_universities.toml").parameters()
    assert pickle.loads(pickle.dumps(parameters)) == parameters
    rows = {row["key"]: row for row in parameters.describe()}
    assert rows["universities.cash_usd"]["meaning"] == "cash of one university"
    assert "universities.cash_usd" in parameters.with_({"universities.count": 0}).idle()
    with pytest.raises(fs.ParameterError, match=r"universities\.count = 5000; allowed 0 to 2,000 agents"):
        parameters.with_({"universities.count": 5000})
    with pytest.raises(fs.ParameterError, match=r"did you mean universities\.cash_usd"):
        parameters.with_({"universities.cash": 1e6})


def test_a_model_with_a_plugin_can_be_pickled(folder: Path) -> None:
    parameters = fs.scenario(folder / "with_universities.toml").parameters()
    model = fs.Model(parameters, rng=7)
    model.step()
    other = pickle.loads(pickle.dumps(model))
    model.run_for(3)
    other.run_for(3)
    assert digest_of(model.tables()) == digest_of(other.tables())


def test_a_plugin_in_a_sweep(folder: Path) -> None:
    results = fs.sweep(folder / "demand.toml", folder / "out", workers=0)
    runs = results.runs.set_index("universities.count")["gpus_to_universities"]
    assert runs[0] == 0 and runs[12] > 0
    assert results.runs.attrs["units"]["gpus_to_universities"] == "GPUs"
    codebook = results.codebook.set_index(["table", "column"])
    assert codebook.loc[("runs", "universities.count"), "allowed"] == "0 to 2000"


@pytest.mark.slow
def test_two_workers_compute_what_this_process_computes(folder: Path) -> None:
    digests = {
        fs.sweep(folder / "demand.toml", folder / str(workers), workers=workers).manifest["digest"]
        for workers in (0, 2)
    }
    assert len(digests) == 1


def computed(folder: Path) -> int:
    experiment, plan = load_experiment(folder / "demand.toml")
    return sweep(plan, ModelTask.of(experiment), folder / "out", executor=0).progress.done


def test_a_changed_rule_is_computed_anew_and_a_changed_comment_is_not(folder: Path) -> None:
    assert (computed(folder), computed(folder)) == (2, 0)
    (folder / "own_buyers.py").write_text(BUYER + "\n# another comment\n", encoding="utf-8")
    assert computed(folder) == 0
    (folder / "own_buyers.py").write_text(
        BUYER.replace("cash_usd: float = fs.quantity(2e7", "cash_usd: float = fs.quantity(3e7")
    )
    assert computed(folder) == 2


def test_a_type_registered_by_hand_takes_part_until_it_is_taken_back(by_hand: type[fs.Buyer]) -> None:
    assert by_hand.section == "rack_brokers"
    settings = {"clock.weeks": 2, "rack_brokers.count": 2}
    model = fs.run("calm", settings=settings).model
    assert model is not None and len(model.agents_by_type[by_hand]) == 2
    assert len(fs.Model(fs.Parameters()).agents_by_type[by_hand]) == 5  # made before, completed by the model
    fs.unregister_agent(by_hand)
    with pytest.raises(fs.ParameterError, match="no parameter is called rack_brokers"):
        fs.run("calm", settings=settings)


class StingyMiner(fs.Miner):
    """Buys nothing."""

    def decide(self, view: fs.View) -> fs.Intents:
        """No intents."""
        return fs.Intents()


def test_a_subclass_of_a_shipped_type_takes_its_place() -> None:
    fs.register_agent(StingyMiner)
    try:
        model = fs.Model(fs.Parameters().with_({"clock.weeks": 2}), rng=7)
        assert {type(agent) for agent in model.agents_by_type[fs.Miner]} == {StingyMiner}
        model.run_for(2)
        assert not (
            model.market_week.intents.buy.party == model.agents_by_type[fs.Miner].to_list()[0].row
        ).any()

        @fs.register_agent
        class HastyMiner(fs.Miner): ...

        with pytest.raises(fs.ParameterError, match="StingyMiner and HastyMiner both stand in for Miner"):
            fs.Model(fs.Parameters())
        fs.unregister_agent(HastyMiner)
    finally:
        fs.unregister_agent(StingyMiner)


def test_what_is_no_agent_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"subclass firesale\.Buyer"):
        fs.register_agent(int)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="register a subclass"):
        fs.register_agent(fs.Miner)


class Plain(fs.Buyer):
    """Buys whatever pays."""


class NoUnit(fs.BuyerParameters):
    patience: float = 3.0


def step(self: object) -> None:
    """Never called."""


def decide_all(view: fs.View, rows: np.ndarray, parameters: fs.BuyerParameters) -> fs.Intents:
    """No class method."""
    return fs.Intents()


WRONG = {
    "subclass firesale.Buyer": (fs.Party, {}),
    "small letters": (fs.Buyer, {"section": "My Buyers"}),
    "one of home, abroad, anywhere": (fs.Buyer, {"region": "moon"}),
    "takes_over = 'no': True or False": (fs.Buyer, {"takes_over": "no"}),
    "regoin: nothing reads it; did you mean region": (fs.Buyer, {"regoin": "home"}),
    "want: nothing reads it; did you mean wanted": (fs.Buyer, {"want": classmethod(lambda cls, view: [])}),
    "step is never called": (fs.Miner, {"step": step}),
    "secton: nothing reads it; did you mean section": (fs.Buyer, {"secton": "own"}),
    "bid_margin is a parameter: state its default in parameters_type": (fs.Buyer, {"bid_margin": 0.3}),
    "wanted: only firesale.Buyer asks it": (fs.Miner, {"wanted": classmethod(lambda cls, view: [])}),
    "write @classmethod above it": (fs.Buyer, {"decide_all": decide_all}),
    "takes its parent's parameters": (fs.Miner, {"section": "own"}),
    "must be a subclass of firesale.BuyerParameters": (fs.Buyer, {"parameters_type": dict}),
    "NoUnit.patience has no unit: state it as firesale.quantity": (fs.Buyer, {"parameters_type": NoUnit}),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_type_that_would_be_ignored_or_misread_is_refused(message: str) -> None:
    parent, attributes = WRONG[message]
    with pytest.raises(TypeError, match=message):
        fs.register_agent(type("Wrong", (parent,), dict(attributes)))
    assert registered("") == ()


def test_a_name_or_a_section_that_is_taken_is_refused() -> None:
    with pytest.raises(TypeError, match="a shipped type is called so"):
        fs.register_agent(type("Miner", (fs.Buyer,), {}))
    fs.register_agent(Plain)
    with pytest.raises(TypeError, match=r"that of Plain; .* take Plain back with firesale\.unregister_agent"):
        fs.register_agent(type("Other", (fs.Buyer,), {"section": "plains"}))
    fs.unregister_agent(Plain)
    taken = fs.register_agent(type("Taken", (fs.Buyer,), {"section": "miners"}))
    with pytest.raises(
        fs.ParameterError, match=r"Taken\.section = 'miners' is taken \(a section of the model\)"
    ):
        fs.Parameters().complete()
    fs.unregister_agent(taken)


def test_an_agent_without_its_row_is_refused() -> None:
    def forgetful(self: fs.Buyer, model: fs.Model, row: int) -> None:
        """Calls nobody."""

    kind = fs.register_agent(type("Forgetful", (fs.Buyer,), {"__init__": forgetful}))
    try:
        with pytest.raises(TypeError, match=r"must take \(model, row\) and call super"):
            fs.Model()
    finally:
        fs.unregister_agent(kind)


class Patient(fs.BuyerParameters):
    """Another default keeps what is said of the parameter."""

    bid_margin: float = 0.3


def test_a_default_stated_anew_keeps_unit_and_range() -> None:
    kind = fs.register_agent(type("PatientBuyer", (fs.Buyer,), {"parameters_type": Patient}))
    try:
        rows = {row["key"]: row for row in fs.Parameters().complete().describe()}
        margin = rows["patient_buyers.bid_margin"]
        assert (margin["value"], margin["unit"], margin["high"]) == (0.3, "share of value", 0.95)
        with pytest.raises(fs.ParameterError, match=r"bid_margin = 2\.0; allowed 0 to 0\.95 share of value"):
            fs.Parameters().with_({"patient_buyers.bid_margin": 2.0})
    finally:
        fs.unregister_agent(kind)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1 / 0\n", r"broken\.py:1: ZeroDivisionError"),
        (
            "import firesale as fs\n\nfs.register_agent(int)\n",
            r"broken\.py:3: TypeError: .* is no agent type",
        ),
        ("def f(:\n", r"broken\.py:1: SyntaxError"),
        ("x = 1\n", "broken registers nothing: call firesale.register_agent"),
    ],
)
def test_a_plugin_that_fails_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "broken.py").write_text(text, encoding="utf-8")
    (tmp_path / "s.toml").write_text('plugin = "broken"\n', encoding="utf-8")
    with pytest.raises(fs.ScenarioError, match=message) as refused:
        fs.scenario(tmp_path / "s.toml")
    assert str(refused.value).count("\n") == 0
    assert "broken" not in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no_such_module_here",
            "no module is called no_such_module_here: there is no no_such_module_here.py in",
        ),
        ("../../etc", "is not the name of a module"),
        ("own_buyers.py", "name the module, without .py"),
        ("json", "json is a package; name the module in it"),
    ],
)
def test_a_plugin_that_is_not_there_is_refused(name: str, message: str) -> None:
    with pytest.raises(fs.ParameterError, match=message):
        fs.Parameters().with_({"plugin": name})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Total", "GPUs", "m", (0, 1), len), "small letters"),
        (("defaults", "GPUs", "m", (0, 1), len), "outcome defaults is shipped"),
        (("mine", "GPUs", "m", (1, 0), len), "not in order"),
        (("mine", "GPUs", "m", (0, np.nan), len), "not in order"),
        (("status", "GPUs", "m", (0, 1), len), "have a column of that name"),
        (("mine", "GPUs", "m", (0, 1), 3.0), "is no function"),
    ],
)
def test_an_outcome_that_cannot_be_kept_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        fs.register_outcome(*arguments)  # type: ignore[arg-type]


def test_an_outcome_outside_its_bounds_fails_the_run(tmp_path: Path) -> None:
    fs.register_outcome("share", "1", "a share that is none", (0, 1), lambda tables: 1.5)
    try:
        asked = fs.Experiment(name="bounds", overrides={"clock.weeks": 1}, replications={"count": 1})
        with pytest.warns(RuntimeWarning, match="1 runs failed"):
            results = fs.sweep(asked, tmp_path / "out", workers=0)
        assert results.failures["error"].tolist() == [
            "ValueError: outcome share = 1.5 1; its bounds are 0 to 1"
        ]
    finally:
        fs.unregister_outcome("share")


def test_an_outcome_sees_tables_that_are_empty(by_hand: type[fs.Buyer]) -> None:
    fs.register_outcome(
        "values", "1", "rows of Shapley values", (0, 1e9), lambda tables: len(tables["shapley"]["week"])
    )
    try:
        found, _ = ModelTask()({"clock.weeks": 1}, 7, 0)
        assert found["values"] == 0
    finally:
        fs.unregister_outcome("values")


FAILING = {
    "KeyError: 'no_table'": lambda tables: tables["no_table"],
    "it is one number of a run": lambda tables: "1.5",
    "ValueError: assignment destination is read-only": lambda tables: tables["weeks"]["week"].fill(0),
}


@pytest.mark.parametrize("message", FAILING)
def test_an_outcome_that_fails_is_named(message: str) -> None:
    fs.register_outcome("mine", "1", "a number that is none", (0, 1), FAILING[message])
    try:
        with pytest.raises(ValueError, match=f"outcome mine.*{message}"):
            ModelTask()({"clock.weeks": 1}, 7, 0)
    finally:
        fs.unregister_outcome("mine")


def test_what_one_task_brought_is_gone_with_the_next(by_hand: type[fs.Buyer]) -> None:
    task = ModelTask().prepared([])
    assert task.added is not None and task.added.types == (by_hand,)
    Added().install()  # as a worker does that is handed the runs of somebody without the type
    assert registered("") == ()
    task.added.install()
    assert registered("") == (by_hand,)


def test_a_worker_that_holds_other_values_says_so(
    by_hand: type[fs.Buyer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.sweep.model_task._compared", set())
    task = ModelTask().prepared([])
    by_hand.takes_over = False
    with pytest.raises(fs.PluginError, match="holds other values in this process"):
        task({"clock.weeks": 1}, 7, 0)


def gpus(tables: object) -> float:
    """An outcome."""
    return 1.0


def weeks(tables: object) -> float:
    """Another."""
    return 2.0


def test_an_outcome_registered_anew_is_computed_anew() -> None:
    known = []
    for arguments in (
        ("GPUs", "m", (0, 9), gpus),
        ("GPUs", "m", (0, 9), weeks),
        ("1", "m", (0, 9), weeks),
        ("1", "other", (0, 9), weeks),
        ("1", "other", (0, 1), weeks),
    ):
        fs.register_outcome("mine", *arguments)
        known.append(ModelTask().prepared([]).fingerprint)
        assert ModelTask().prepared([]).fingerprint == known[-1]
    fs.unregister_outcome("mine")
    assert len(set(known)) == 5


BY_HAND = """
import firesale as fs


@fs.register_agent
class Telco(fs.Buyer):
    pass


def bought(tables):
    return (1 + len(tables["trades"]["week"])) * FACTOR


FACTOR = 2.0
fs.register_outcome("mine", "1", "twice the trades, and two", (0, 1e9), bought)

if __name__ == "__main__":
    for workers in (0, 2):
        asked = fs.Experiment(
            name="by_hand", overrides={"clock.weeks": 2}, vary={"telcos.count": [0, 3]}, replications={"count": 1}
        )
        found = fs.sweep(asked, f"out{workers}", workers=workers)
        print(found.manifest["digest"], found.runs["mine"].min() > 0)
    FACTOR = 3.0
    print(fs.sweep(asked, "other", workers=2).failures["error"].iloc[0])
"""


@pytest.mark.slow
def test_a_script_with_a_type_and_an_outcome_sweeps_with_workers(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(BY_HAND, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    here, there, stale = done.stdout.splitlines()
    assert here == there and here.endswith("True")
    assert "holds other values in this process" in stale


def test_a_plugin_whose_types_were_taken_back_registers_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    import own_buyers  # type: ignore[import-not-found]

    fs.unregister_agent(own_buyers.University)
    fs.unregister_outcome("gpus_to_universities")
    with pytest.raises(fs.ScenarioError, match="imported before, and what it registered was taken back"):
        fs.scenario(folder / "with_universities.toml")


def test_a_plugin_edited_after_it_was_imported_by_hand_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    import own_buyers

    (folder / "own_buyers.py").write_text(BUYER.replace("return listed[", "return 1 * listed["))
    try:
        with pytest.raises(fs.PluginError, match="was edited after it was imported by hand"):
            ModelTask().prepared(["own_buyers"])
    finally:
        fs.unregister_agent(own_buyers.University)
        fs.unregister_outcome("gpus_to_universities")


IN_MAIN = """
import firesale as fs

if __name__ == "__main__":

    @fs.register_agent
    class Hidden(fs.Buyer):
        pass

    asked = fs.Experiment(name="hidden", overrides={"clock.weeks": 1}, replications={"count": 1})
    fs.sweep(asked, "out", workers=2)
"""


def test_a_type_under_the_main_guard_is_refused_before_a_worker_starts(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(IN_MAIN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "move Hidden to the top level" in last
    assert not (tmp_path / "out" / "runs.parquet").exists()
