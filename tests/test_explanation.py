"""`fs.explain`: each thing that can stand between a buyer and a purchase is named, in a world where it does."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import firesale as fs
from experiments.runs.store import digest_of

SALE: dict[str, int | bool] = {
    "clock.weeks": 3,
    "forced_sale.enabled": True,
    "forced_sale.week": 1,
    "forced_sale.deadline_weeks": 2,
    "forced_sale.gpus": 2000,
}


class Lab(fs.Buyer):
    """Buys what pays."""


class Idle(fs.Buyer):
    """Wants nothing."""

    @classmethod
    def wanted(cls, view: fs.View) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return view.market.listed[:0]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    fs.register_agent(Lab)
    fs.register_agent(Idle)
    yield
    fs.unregister_agent(Lab)
    fs.unregister_agent(Idle)


def explained(kind: type[fs.Buyer], settings: dict[str, object], weeks: int = 2) -> fs.Explanation:
    model = fs.Model(fs.Parameters().with_({**SALE, **settings}), rng=7)
    model.run_for(weeks)
    return fs.explain(model, model.agents_by_type[kind].to_list()[0])


EAGER = {"labs.utilisation": 0.95, "labs.discount_rate": 0.03, "labs.bid_margin": 0.0, "labs.cash_usd": 1e9}
OBSTACLES = {
    "worth no more than parts": ({"labs.utilisation": 0.05, "labs.discount_rate": 0.5}, "worthless"),
    "unaffordable": ({**EAGER, "labs.cash_usd": 1000}, "unaffordable"),
    "without room for a unit": ({"site.vacancy": 0.0}, "without_room"),
    "without liquid cooling": ({"world.places_per_operator": 60}, "without_cooling"),
    "with less cash than a unit": ({**EAGER, "labs.cash_usd": 1000}, "short"),
    # Weeks after the sale: what was left of it last week is wanted, and gone.
    "for a class nobody offered": ({**EAGER, "clock.weeks": 7}, "not_offered"),
}
LIVED = {"for a class nobody offered": 7}


@pytest.mark.parametrize("line", OBSTACLES)
def test_an_obstacle_is_counted_where_it_stands(line: str) -> None:
    settings, count = OBSTACLES[line]
    found = explained(Lab, settings, LIVED.get(line, 2))
    assert getattr(found, count) > 0
    assert f"  {line}" in str(found)


def test_a_bid_without_the_cash_for_a_unit_is_named() -> None:
    assert (
        explained(Lab, {**EAGER, "labs.cash_usd": 10_000}).verdict == "bid, with less cash than a unit costs"
    )


def test_a_buyer_without_pools_is_told_so() -> None:
    found = explained(Lab, {"world.places_per_operator": 0, "site.assignable_share": 0.0})
    assert (found.pools, found.pairs, found.bids) == (0, 0, 0)
    assert found.verdict == "no bid: it knows no pool"


def test_the_largest_obstacle_is_the_reason() -> None:
    none = replace(
        explained(Idle, {}),
        possible=0,
        too_large=1,
        without_room=1,
        without_cooling=2,
        worthless=9,
        unaffordable=3,
    )
    assert none.verdict == "no bid: it is worth no more than its parts where it could go"
    assert replace(none, unaffordable=10).verdict == "no bid: a unit costs more than its cash"
    assert replace(none, classes=0).verdict == "no bid: nothing is on offer"
    assert replace(none, pools_without_room=none.pools).verdict == "no bid: no pool it knows has room"
    assert replace(none, barred="no bid: it is in the hands of its lenders").verdict.endswith("its lenders")


def test_a_rule_that_asks_for_nothing_is_named() -> None:
    found = explained(Idle, {})
    assert found.possible > 0 and found.bids == 0
    assert found.verdict == f"no bid: its rule asks for none of the {found.possible:,} pairs it could have"
    assert found.not_asked == found.possible and "and its rule did not ask" in str(found)


def test_a_buyer_that_no_seller_meets() -> None:
    found = explained(Lab, {**EAGER, "search.enabled": True, "search.contacts_per_year": 0.5})
    assert found.bids > 0 and found.not_met and "was not met" in found.verdict


def test_a_bid_below_the_price() -> None:
    found = explained(Lab, {**EAGER, "labs.bid_margin": 0.9})
    assert found.bids > 0 and found.filled == 0 and found.outbid > 0 and "outbid" in found.verdict
    assert " USD per GPU where the price is " in str(found)


def test_a_bid_below_what_sellers_ask_is_not_called_outbid() -> None:
    found = explained(Lab, {**EAGER, "labs.bid_margin": 0.9})
    assert found.below_asks > 0 and "below what sellers ask" in str(found)
    assert replace(found, outbid=0).verdict == "bid, below what sellers ask"


def test_an_appetite_below_one_unit_is_named() -> None:
    found = explained(Lab, {**EAGER, "labs.weekly_watts": 100.0})
    assert found.bids == 0 and found.too_large > 0
    assert found.verdict == "no bid: a unit takes more watts than its type fills in a week"


def test_an_agent_is_found_by_name_and_only_in_its_own_model() -> None:
    one, other = (fs.Model(fs.Parameters().with_(SALE), rng=7) for _ in range(2))
    one.step()
    assert str(fs.explain(one, "lab 1")) == str(fs.explain(one, one.agents_by_type[Lab].to_list()[0]))
    with pytest.raises(ValueError, match="no agent is called 'lab 99'; did you mean lab"):
        fs.explain(one, "lab 99")
    with pytest.raises(ValueError, match="belongs to another model"):
        fs.explain(one, other.agents_by_type[Lab].to_list()[0])
    assert (
        "knows no pool and does not bid"
        in fs.explain(one, one.agents_by_type[fs.Lender].to_list()[0]).verdict
    )


def test_explaining_asks_no_rule_and_changes_no_run() -> None:
    asked = []

    class Moody(fs.Buyer):
        """Bids as chance will have it, and counts how often it was asked."""

        def decide(self, view: fs.View) -> fs.Intents:
            self.asked = getattr(self, "asked", 0) + 1
            asked.append(self.asked)
            margin = self.random.random() / 2
            listed, row = view.market.listed, np.array([self.row])
            return fs.Intents(buy=fs.bids(view, row, listed, margin=margin, weekly_watts=1e6))

    fs.register_agent(Moody)
    try:
        digests = []
        for explains in (False, True):
            model = fs.Model(fs.Parameters().with_({**SALE, "moodys.count": 2}), rng=7)
            while model.running:
                model.step()
                if explains:
                    before = len(asked)
                    found = fs.explain(model, "moody 1")
                    assert len(asked) == before
                    assert (
                        found.bids
                        == (
                            model.market_week.bids.party == model.agents_by_type[Moody].to_list()[0].row
                        ).sum()
                    )
            digests.append(digest_of(model.tables()))
            assert {agent.asked for agent in model.agents_by_type[Moody]} == {model.week + 1}
        assert digests[0] == digests[1]
        assert len(asked) > 2 * 2 * SALE["clock.weeks"]  # what-if questions came between, answered by copies
    finally:
        fs.unregister_agent(Moody)


def test_what_was_bought_is_said_and_adds_up() -> None:
    model = fs.Model(fs.Parameters().with_({**SALE, **EAGER}), rng=7)
    while model.running:
        model.step()
        trades = model.datacollector.get_table_dataframe("trades")
        for lab in model.agents_by_type[Lab]:
            found = fs.explain(model, lab)
            mine = trades[(trades["buyer"] == lab.row) & (trades["week"] == model.week)]
            assert sum(found.gpus.values()) == mine["quantity"].sum()
            assert (
                found.possible
                + found.without_room
                + found.without_cooling
                + found.too_large
                + found.worthless
                + found.unaffordable
                == found.pairs
            )
            if not found.not_met:
                lost = found.outbid + found.below_asks + found.rationed
                fates = found.not_offered + found.short + lost + found.filled
                assert fates == found.bids
    assert len(trades[trades["buyer_type"] == "lab"])


def test_an_explanation_is_a_table() -> None:
    found = explained(Idle, {})
    first, *lines = str(found).splitlines()
    assert first.startswith("idle 1, week 1: no bid: ") and repr(found) == str(found)
    assert lines[0] == f"pools it knows{found.pools:>23,}"
    assert not any(line.endswith(" 0") for line in lines[:-1])  # but for the bids it did not make


def test_a_model_that_has_not_lived_is_refused() -> None:
    model = fs.Model(fs.Parameters().with_(SALE))
    with pytest.raises(ValueError, match="no week was lived yet"):
        fs.explain(model, model.agents_by_type[Lab].to_list()[0])


def alternating(remembered: str) -> type[fs.Buyer]:
    """Buys every other week, by the week's number or by what it remembers on itself, on the model, or draws."""

    def decide(self: fs.Buyer, view: fs.View) -> fs.Intents:
        where = {"self": self, "model": self.model}.get(remembered)
        if where is not None:
            where.turns = {**getattr(where, "turns", {})}
            where.turns[self.row] = where.turns.get(self.row, -1) + 1
            turn = where.turns[self.row]
        else:
            turn = view.week
        if turn % 2:
            return fs.Intents()
        row = np.array([self.row])
        return fs.Intents(buy=fs.bids(view, row, view.market.listed, margin=0.05, weekly_watts=1e6))

    return type("Alternating", (fs.Buyer,), {"decide": decide})


@pytest.mark.slow
def test_what_if_questions_find_agents_as_the_market_found_them() -> None:
    digests = {}
    for remembered in ("nothing", "self", "model"):
        kind = fs.register_agent(alternating(remembered))
        try:
            own = {f"alternatings.{key.partition('.')[2]}": value for key, value in EAGER.items()}
            settings = {**SALE, **own, "clock.weeks": 5, "forced_sale.week": 2, "alternatings.count": 6}
            run = fs.run("ten_thousand_h100", seed=7, settings=settings)
            assert len(run.table("shapley")) and len(run.trades[run.trades["buyer_type"] == "alternating"])
            digests[remembered] = run.digest
        finally:
            fs.unregister_agent(kind)
    assert len(set(digests.values())) == 1
