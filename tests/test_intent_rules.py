"""What a user's own rule returns is checked before it reaches the market: a wrong rule ends the run and says why."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import firesale as fs
from agents.operating import worn_out
from agents.vocabulary import Treasury
from sim.market.intent_rules import check

ONE = np.ones(1, dtype=np.int64)


@pytest.fixture(scope="module")
def model() -> fs.Model:
    """The first week in which neo-clouds both bid and offer: they offer only when a review finds units worth more elsewhere."""
    model = fs.Model(fs.Parameters().with_({"clock.weeks": 40}), rng=7)
    model.run_for(2)
    for _ in range(37):
        intents, _, _ = offer(model)
        if len(intents.buy.party) and len(intents.sell.party):
            return model
        model.run_for(1)
    raise AssertionError("no week with bids and offers of neo-clouds")


def offer(model: fs.Model) -> tuple[fs.Intents, np.ndarray, fs.View]:
    """Sound intents: a bid and an offer of neo-clouds; their rows; the view."""
    rows = model.world.rows(fs.NeoCloud.kind)
    view = model.view
    return fs.NeoCloud.decide_all(view, rows, model.parameters.neo_clouds), rows, view


def test_every_shipped_rule_would_pass(model: fs.Model) -> None:
    for cohort in model.cohorts():
        rows = np.array([agent.row for agent in cohort.agents], dtype=np.int64)
        section = model.parameters.section_of(cohort.agent_type)
        intents = cohort.agent_type.decide_all(model.view, rows, section)
        assert check(cohort.agent_type.__name__, intents, model.view, rows) is intents
    assert len(worn_out(model.view, model.world.rows(fs.NeoCloud.kind)).party) >= 0


def changed(table: str, **columns: Callable[[np.ndarray], object]) -> Callable[[fs.Intents], fs.Intents]:
    def change(intents: fs.Intents) -> fs.Intents:
        old = getattr(intents, table)
        new = {name: how(np.array(getattr(old, name))) for name, how in columns.items()}
        return replace(intents, **{table: replace(old, **new)})

    return change


def first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def put(values: np.ndarray) -> np.ndarray:
        values[0] = value
        return values

    return put


WRONG = {
    r"returned dict; return firesale\.Intents": lambda intents: {"buy": intents.buy},
    r"returned NoneType": lambda intents: None,
    r"buy\.wanted: a flat array of whole numbers is needed, got float64": changed(
        "buy", wanted=lambda v: v * 1.0
    ),
    r"buy\.wanted: a flat array of whole numbers is needed, got list": changed(
        "buy", wanted=lambda v: v.tolist()
    ),
    r"buy\.margin: a flat array of numbers with decimals is needed, got int64": changed(
        "buy", margin=lambda v: v.astype(int)
    ),
    r"buy: columns differ in length": changed("buy", wanted=lambda v: v[1:]),
    r"buy\.party: row 2 is not one of the agents": changed("buy", party=first(2)),
    r"buy\.pool\[0\] = 999999; pools are 0 to": changed("buy", pool=first(999999)),
    r"buy\.pool\[0\] = \d+; the agent does not know this pool": changed("buy", pool=first(1)),
    r"buy\.product\[0\] = 24; product classes are 0 to 23": changed("buy", product=first(24)),
    r"buy\.wanted\[0\] = -8; GPUs in whole units": changed("buy", wanted=first(-8)),
    r"buy\.wanted\[0\] = 7; GPUs in whole units": changed("buy", wanted=first(7)),
    r"buy\.value_cents\[0\] = -1; cents per GPU, 0 or more": changed("buy", value_cents=first(-1)),
    r"buy\.margin\[0\] = nan; a share, 0 to below 1": changed("buy", margin=first(np.nan)),
    r"buy\.margin\[0\] = 1\.0; a share": changed("buy", margin=first(1.0)),
    r"buy\.cap\[0\] = 9; one of": changed("buy", cap=first(9)),
    r"buy\.cash_cents\[0\] = -5; cents, 0 or more": changed("buy", cash_cents=first(-5)),
    r"buy\.cash_cents: row \d+ promises .* USD and has": changed("buy", cash_cents=first(10**15)),
    r"buy\.delay_cents\[0\] = -1": changed("buy", delay_cents=first(-1)),
    r"sell\.quantity: row \d+ gives .* and has": changed("sell", quantity=first(8_000_000)),
    r"sell\.quantity\[0\] = -8; GPUs, 0 or more": changed("sell", quantity=first(-8)),
    r"sell\.reserve_cents\[0\] = -1; cents per GPU": changed("sell", reserve_cents=first(-1)),
    r"sell\.product\[0\] = 77; product classes": changed("sell", product=first(77)),
    r"treasury\.payout_cents\[0\] = -1; 0 or more": changed(
        "treasury",
        payout_cents=lambda v: -ONE,
        **{
            name: (lambda v: 0 * ONE)
            for name in ("bitcoin_sold_satoshi", "orders_given_up", "machines_sold_watts")
        },
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_rule_is_named_with_its_field(model: fs.Model, message: str) -> None:
    intents, rows, view = offer(model)
    assert len(intents.buy.party) and len(intents.sell.party)
    if message.startswith("treasury"):
        zero = 0 * ONE
        intents = replace(intents, treasury=Treasury(rows[:1], zero, zero, zero, zero))
    wrong = WRONG[message](intents)  # type: ignore[no-untyped-call]
    with pytest.raises(fs.IntentError, match=f"Own: .*{message}" if "returned" not in message else message):
        check("Own", wrong, view, rows)


def test_a_wrong_rule_ends_the_run() -> None:
    class Careless(fs.Buyer):
        @classmethod
        def decide_all(cls, view: fs.View, rows: np.ndarray, parameters: fs.BuyerParameters) -> fs.Intents:  # type: ignore[override]
            buy = fs.bids(view, rows, view.market.listed, margin=0.1, weekly_watts=1e6)
            return fs.Intents(buy=replace(buy, cash_cents=buy.cash_cents * 1000))

    fs.register_agent(Careless)
    try:
        with pytest.raises(fs.RunError, match="stopped in week 0 with IntentError: Careless: buy.cash_cents"):
            fs.run("calm", settings={"clock.weeks": 1})
    finally:
        fs.unregister_agent(Careless)


FAILING = {
    "ZeroDivisionError: integer division": lambda view: 1 // 0,
    "products is an array of bool": lambda view: view.market.listed >= 0,
    "products names a class twice": lambda view: np.r_[view.market.listed, view.market.listed],
    "products is an array of object": lambda view: None,
    "of shape .2, 2.": lambda view: np.zeros((2, 2), dtype=int),
    r"products holds \[99\]; product classes are 0 to 23": lambda view: np.array([99]),
}


@pytest.mark.parametrize("message", FAILING)
def test_a_rule_that_fails_is_named_with_its_line(message: str) -> None:
    class Clumsy(fs.Buyer):
        @classmethod
        def wanted(cls, view: fs.View) -> np.ndarray:
            return FAILING[message](view)  # type: ignore[no-any-return]

    fs.register_agent(Clumsy)
    try:
        model = fs.Model(fs.Parameters().with_({"clock.weeks": 1}))
        with pytest.raises(fs.IntentError, match=f"Clumsy: the rule failed.*{message}") as refused:
            model.step()
        assert "\n" not in str(refused.value)
        if message.startswith("Zero"):
            assert "test_intent_rules.py:" in str(refused.value)
    finally:
        fs.unregister_agent(Clumsy)


def test_the_plainest_buyer_lives_through_a_sale_without_limits_of_cash() -> None:
    class Anyone(fs.Buyer):
        region = "anywhere"

    fs.register_agent(Anyone)
    try:
        sale = {
            "clock.weeks": 6,
            "forced_sale.week": 2,
            "forced_sale.deadline_weeks": 2,
            "forced_sale.gpus": 5000,
        }
        run = fs.run("ten_thousand_h100", settings=sale)
        assert len(run.table("shapley")) > 0
    finally:
        fs.unregister_agent(Anyone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 10.0, "weekly_watts": 1e6}, "a share of value, 0 to below 1"),
        ({"margin": float("nan"), "weekly_watts": 1e6}, "a share of value, 0 to below 1"),
        (
            {"margin": np.full(3, 0.1), "weekly_watts": 1e6},
            "a share of value, 0 to below 1, the same for all",
        ),
        ({"margin": 0.1, "weekly_watts": -1.0}, "IT watts, 0 or more"),
    ],
)
def test_terms_of_a_bid_are_checked(model: fs.Model, arguments: dict[str, float], message: str) -> None:
    rows = model.world.rows(fs.NeoCloud.kind)
    with pytest.raises(ValueError, match=message):
        fs.bids(model.view, rows, model.view.market.listed, **arguments)
