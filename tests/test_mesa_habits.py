"""What a Mesa user does without thinking works here, or says what to do instead; the table in docs/mesa.md, row by row."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import mesa
import networkx
import numpy as np
import pytest

import firesale as fs
from experiments.runs.store import digest_of

SALE = {
    "clock.weeks": 6,
    "forced_sale.enabled": True,
    "forced_sale.week": 2,
    "forced_sale.deadline_weeks": 3,
    "forced_sale.gpus": 2000,
}


def short() -> fs.Parameters:
    return fs.Parameters().with_(SALE)


@pytest.fixture(scope="module")
def ended() -> fs.Model:
    model = fs.Model(short(), rng=7)
    while model.running:
        model.step()
    return model


def test_the_run_loop_ends_by_itself(ended: fs.Model) -> None:
    assert ended.time == 6 and not ended.running
    with pytest.raises(ValueError, match=r"clock\.weeks = 6"):
        ended.step()


def test_the_datacollector_gives_mesas_frames(ended: fs.Model) -> None:
    weeks = ended.datacollector.get_model_vars_dataframe()
    agents = ended.datacollector.get_agent_vars_dataframe()
    assert len(weeks) == 6 and weeks.attrs["units"]["price_usd_H100"] == "USD per GPU"
    assert agents.index.names == ["Step", "AgentID"]
    one = next(agent for agent in ended.agents if isinstance(agent, fs.Miner))
    assert agents.loc[(6, one.unique_id), "name"] == one.name
    assert agents.loc[(6, one.unique_id), "cash_cents"] == round(one.cash_usd * 100)
    assert ended.datacollector.get_table_dataframe("trades").attrs["units"]["price_cents"] == "cents per GPU"
    with pytest.raises(KeyError, match="did you mean trades"):
        ended.datacollector.get_table_dataframe("trade")
    with pytest.raises(TypeError, match="by itself"):
        ended.datacollector.collect(ended)


def test_frames_before_the_first_week_are_empty() -> None:
    collector = fs.Model(short()).datacollector
    assert len(collector.get_model_vars_dataframe()) == 0 and len(collector.get_agent_vars_dataframe()) == 0


# `batch_run` changes the start method of the whole process, so it has one of its own.
BATCH = """
import mesa
import firesale as fs
weeks = {"clock__weeks": 3}
rows = mesa.batch_run(fs.Model, {**weeks, "site__vacancy": [0.01, 0.05]}, rng=[7, 8], display_progress=False)
assert [row["site__vacancy"] for row in rows] == [0.01, 0.05, 0.01, 0.05]
assert all(row["week"] == 2 and row["price_usd_H100"] != 0 for row in rows)
weekly = mesa.batch_run(fs.Model, weeks, rng=[7], data_collection_period=1, display_progress=False)
assert [row["week"] for row in weekly] == [0, 1, 2]
(whole,) = mesa.batch_run(fs.Model, {**weeks, "parameters": [fs.Parameters()]}, rng=[7], display_progress=False)
assert whole["rent_usd_per_hour_H100"] == weekly[-1]["rent_usd_per_hour_H100"]
"""


def test_batch_run_takes_flat_names() -> None:
    done = subprocess.run([sys.executable, "-c", BATCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_flat_name_that_is_unknown_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        fs.ParameterError, match=r"no parameter is called site\.vacancies; did you mean site\.vacancy\?"
    ):
        fs.Model(site__vacancies=0.05)


@pytest.mark.parametrize("rng", [np.int64(7), np.uint8(7), 7])
def test_a_seed_is_any_whole_number(rng: int) -> None:
    assert fs.Model(short(), rng=rng).seed == 7


def test_a_seed_sequence_repeats_and_none_is_new() -> None:
    first, again, other = (
        fs.Model(short(), rng=np.random.SeedSequence(entropy)).seed for entropy in (5, 5, 6)
    )
    assert first == again != other
    assert fs.Model(short(), rng=None).seed != fs.Model(short(), rng=None).seed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rng": np.random.default_rng(7)}, "a numpy SeedSequence, or None"),
        ({"rng": True}, "a whole number"),
        ({"rng": 7.0}, "a whole number"),
        ({"rng": -1}, "a whole number from 0"),
        ({"seed": 7}, "pass rng=7"),
    ],
)
def test_what_is_no_seed_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        fs.Model(short(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("after", [0, 3])
def test_a_copy_goes_on_bit_for_bit(ended: fs.Model, copied: object, after: int) -> None:
    model = fs.Model(short(), rng=7)
    for _ in range(after):
        model.step()
    other = copied(model)  # type: ignore[operator]
    while other.running:
        other.step()
    assert digest_of(other.tables()) == digest_of(ended.tables())
    assert int(model.time) == after
    assert other.market_week.result.clearing.certificate.gap < 1e-9


def test_views_of_a_copy_cannot_be_written(ended: fs.Model) -> None:
    again = pickle.loads(pickle.dumps(ended))
    with pytest.raises(ValueError, match="read-only"):
        again.view.pools.free_watts[0] = 1


def test_agent_sets_answer(ended: fs.Model) -> None:
    agents = ended.agents
    miners = agents.select(agent_type=fs.Miner)
    assert len(miners) == len(ended.agents_by_type[fs.Miner]) > 0
    assert sum(agents.get("cash_usd")) == pytest.approx(agents.agg("cash_usd", sum))
    assert set(agents.groupby(type).count()) == {type(agent) for agent in agents}
    assert agents.map(lambda agent: agent.name) == agents.get("name")
    assert agents.do(lambda agent: agent.gpus) is not None
    fleets = [agent.gpus for agent in agents.sort("gpus")]
    assert fleets == sorted(fleets, reverse=True)


def test_idioms_that_cannot_work_say_what_to_do(ended: fs.Model) -> None:
    miner = ended.agents_by_type[fs.Miner].to_list()[0]
    with pytest.raises(TypeError, match=r"call model\.step\(\)"):
        ended.agents.shuffle_do("step")
    with pytest.raises(AttributeError, match=r"model\.transfer"):
        miner.cash_usd = 5e6  # type: ignore[misc]
    with pytest.raises(TypeError, match="parameters of `world`"):
        fs.Miner(ended)
    with pytest.raises(ValueError, match=r"call its remove\(\) first"):
        fs.Miner(ended, miner.row)


def test_money_moves_through_the_ledger() -> None:
    model = fs.Model(short(), rng=7)
    first, second = model.agents_by_type[fs.Miner].to_list()[:2]
    before = first.cash_usd, second.cash_usd
    model.transfer(2.5e6, payee=first)
    model.transfer(1e6, first, second)
    assert (first.cash_usd, second.cash_usd) == (before[0] + 1.5e6, before[1] + 1e6)
    with pytest.raises(ValueError, match="miner 1 has"):
        model.transfer(1e12, first, second)
    with pytest.raises(ValueError, match="0 USD or more"):
        model.transfer(-1, first, second)
    model.step()  # the books close, or it raises


def test_money_moves_only_between_agents_of_the_model() -> None:
    one, other = fs.Model(short(), rng=7), fs.Model(short(), rng=7)
    stranger = other.agents_by_type[fs.Miner].to_list()[0]
    for arguments in ({"payee": stranger}, {"payer": stranger}, {"payee": "miner 1"}):
        with pytest.raises(ValueError, match="is no agent of this model"):
            one.transfer(5e6, **arguments)
    own = one.agents_by_type[fs.Miner].to_list()[0]
    for usd in (-5.0, float("nan")):
        with pytest.raises(ValueError, match="0 USD or more"):
            one.transfer(usd, payee=own)
    with pytest.raises(ValueError, match="from a payer or to a payee"):
        one.transfer(5.0)


def test_a_subclass_is_found_under_its_parent() -> None:
    class PatientMiner(fs.Miner):
        def decide(self, view: fs.View) -> fs.Intents:
            return fs.Intents()

    model = fs.Model(short(), rng=7)
    miners = len(model.agents_by_type[fs.Miner])
    old = model.agents_by_type[fs.Miner].to_list()[0]
    old.remove()
    new = PatientMiner(model, old.row)
    assert len(model.agents_by_type[fs.Miner]) == miners and new in model.agents_by_type[fs.Miner]
    assert model.agents_by_type[PatientMiner].to_list() == [new]
    assert sum(len(cohort.agents) for cohort in model.cohorts()) == len(model.agents)
    model.step()


def test_the_space_is_the_graph_of_places(ended: fs.Model) -> None:
    assert isinstance(ended.space, networkx.DiGraph) and len(ended.space) > 50
    assert all("usd" in " ".join(lane) for _, _, lane in ended.space.edges(data=True))


@pytest.mark.slow
def test_solara_opens_the_model() -> None:
    pytest.importorskip("solara")
    program = Path(__file__).with_name("solara_page.py")
    if not (program.parents[1] / "docs").is_dir():
        pytest.skip("tests run outside a checkout")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "figures"]


def test_the_model_says_what_it_is(ended: fs.Model) -> None:
    assert repr(ended).startswith("<FireSaleModel from 2026-10-05: week 6 of 6, ")
    miner = ended.agents_by_type[fs.Miner].to_list()[0]
    assert repr(miner).startswith("<Miner 'miner 1': ") and " m$ cash" in repr(miner)
    assert isinstance(ended, mesa.Model)


def test_what_would_break_the_books_is_refused(ended: fs.Model) -> None:
    miner, cloud = (ended.agents_by_type[kind].to_list()[0] for kind in (fs.Miner, fs.NeoCloud))
    with pytest.raises(ValueError, match="read-only"):
        ended.price_usd[0, 0] = 1.0
    with pytest.raises(AttributeError, match="keeps its row"):
        miner.row = 3
    with pytest.raises(AttributeError, match="belongs to the type"):
        miner.decide = lambda view: fs.Intents()
    with pytest.raises(TypeError, match="has no row in the books"):
        mesa.Agent(ended)
    with pytest.raises(ValueError, match="rows are 0 to"):
        fs.Miner(ended, 10**6)
    with pytest.raises(TypeError, match="a neo_cloud; Miner is none"):
        fs.Miner(ended, cloud.row)
    with pytest.raises(TypeError, match="str is no Parameters"):
        fs.Model("calm")  # type: ignore[arg-type]


WITHIN_A_WEEK = {
    "a week began": lambda agent: agent.model.step(),
    "cash was moved": lambda agent: agent.model.transfer(1.0, payee=agent),
    "an agent was removed": lambda agent: agent.remove(),
    "an agent was made": lambda agent: type(agent)(agent.model, agent.row),
}


@pytest.mark.parametrize("what", WITHIN_A_WEEK)
def test_a_rule_acts_on_nothing(what: str) -> None:
    class Meddler(fs.Miner):
        """Acts where it should say what it intends."""

        def decide(self, view: fs.View) -> fs.Intents:
            WITHIN_A_WEEK[what](self)
            return fs.Intents()

    model = fs.Model(short(), rng=7)
    old = model.agents_by_type[fs.Miner].to_list()[0]
    old.remove()
    Meddler(model, old.row)
    with pytest.raises(fs.IntentError, match=f"Meddler: the rule failed at .*{what} inside a week"):
        model.step()


CONTINUED = """
import pickle, sys
from experiments.runs.store import digest_of
with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
while model.running:
    model.step()
print(digest_of(model.tables()))
"""


@pytest.mark.slow
def test_a_model_pickled_in_week_26_goes_on_in_another_process(tmp_path: Path) -> None:
    parameters = fs.scenario("credit_crisis").parameters().with_({"clock.weeks": 40})
    model = fs.Model(parameters, rng=7)
    model.run_for(26)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    done = subprocess.run(
        [sys.executable, "-c", CONTINUED, str(tmp_path / "model.pickle")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    model.run_for(14)
    undisturbed = fs.Model(parameters, rng=7)
    undisturbed.run_for(40)
    assert done.stdout.strip() == digest_of(model.tables()) == digest_of(undisturbed.tables())
