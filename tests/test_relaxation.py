"""Each friction taken away by hand: rooms, lanes, money, margins, and insiders that bid again."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.miner import Miner
from agents.neo_cloud import NeoCloud
from agents.view import KnownPoolsView
from agents.vocabulary import (
    N_PRODUCTS,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    AgentKind,
    BuyIntents,
    Intents,
    QuantityCap,
    SellOrders,
)
from sim.discount import relaxation
from sim.discount.relaxation import FAMILIES, AgentsRebuild, Setting
from sim.kernel.book import Network
from sim.market.venue import Venue
from sim.model import FireSaleModel
from sim.parameters import Parameters

V100, A100, H100, GB200 = 1, 4, 7, 16
NONE = frozenset[str]()


def relaxed(*families: str) -> frozenset[str]:
    assert set(families) <= set(FAMILIES)
    return frozenset(families)


# -- the market of a week under a relaxation ----------------------------------------------------------------------


def network_of(freight: list[list[int]]) -> Network:
    """Nodes 0 (a dock), 1 and 2 (pools); lanes 0 to 1, 0 to 2 and 1 to 0; H100 of 1.3 kW, racks of 120 kW."""
    unit_watts = np.full(N_PRODUCTS, 8_000)
    unit_watts[H100], unit_watts[GB200] = 10_400, 120_000
    lanes = np.array([[0, 1], [0, 2], [1, 0]], dtype=np.int32)
    table = np.tile(np.array([[5, 6, 7]]), (N_PRODUCTS, 1))
    table[[H100, GB200]] = freight
    table[V100] = 0, 6, 7
    return Network(3, lanes, table, PRODUCT_UNIT.copy(), unit_watts, PRODUCT_LIQUID.copy())


def offers(*rows: tuple[int, int, bool]) -> SellOrders:
    """Offers of a product and quantity, forced or not, in pools 0, 1 and so on in turn, at reserves of 10, 20, ..."""
    n = len(rows)
    return SellOrders(
        party=np.arange(n),
        pool=np.arange(n) % 2,
        product=np.array([row[0] for row in rows]),
        quantity=np.array([row[1] for row in rows]),
        reserve_cents=10 * np.arange(1, n + 1),
        forced=np.array([row[2] for row in rows]),
    )


def wishes(*products: int) -> BuyIntents:
    n = len(products)
    each = np.ones(n, dtype=np.int64)
    return BuyIntents(
        party=np.arange(n), pool=0 * each, product=np.array(products), value_cents=1_000 * each,
        margin=np.full(n, 0.1), wanted=8 * each, cash_cents=500 * each,
        cap=int(QuantityCap.APPETITE) * each, delay_cents=0 * each,
    )  # fmt: skip


class Cleared:
    """Stands for the kernel: remembers what it was asked; a unit less on offer is a cent more, a class later 10,000."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[SimpleNamespace] = []
        monkeypatch.setattr(relaxation, "clear_intents", self)

    def __call__(self, sell: SellOrders, buy: BuyIntents, venue: Venue, *, whole: bool) -> tuple[None, Any]:
        self.asked.append(SimpleNamespace(sell=sell, buy=buy, venue=venue, whole=whole))
        price = np.full((N_PRODUCTS, 3), 1_000.0 - sell.quantity.sum())
        price[:, 2] += 100
        price += 10_000 * np.arange(N_PRODUCTS)[:, None]
        return None, SimpleNamespace(price=price)


def setting(sell: SellOrders, asked: list[frozenset[str]] | None = None) -> Setting:
    def rebuild(families: frozenset[str]) -> BuyIntents:
        if asked is not None:
            asked.append(families)
        return wishes(H100, A100, GB200)

    venue = Venue(
        network=network_of([[5, 6, 7], [-1, 9, 7]]),
        first_node=1,
        power=np.array([0, 500, 600]),
        cooling=np.array([0, 50, 60]),
        theta=0.5,
        steps=4,
        refine=True,
    )
    return Setting(sell, rebuild, venue)


def test_each_combination_is_cleared_once_and_quoted_from_its_sellers_pools(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleared, asked = Cleared(monkeypatch), list[frozenset[str]]()
    market = setting(offers((H100, 16, True), (H100, 48, True), (A100, 8, False), (GB200, 0, True)), asked)
    assert market.forced.tolist() == [H100]
    # 1,000 less 72 on offer at pool 0, 100 more at pool 1, weighed 16 to 48.
    for _ in range(2):
        assert market.price_cents(NONE, H100) == 70_928 + 75
        assert market.price_cents(relaxed("cash"), H100) == 70_928 + 75
    assert (len(cleared.asked), asked) == (2, [NONE, relaxed("cash")])
    # One unit of eight, the rest as it was.
    for _ in range(2):
        assert market.first_lot_price_cents(NONE, H100) == 70_984 + 75
    assert len(cleared.asked) == 3
    assert cleared.asked[2].sell.quantity.tolist() == [8, 0, 8, 0]
    assert not any(call.whole for call in cleared.asked)
    assert cleared.asked[0].venue.power.tolist() == [0, 500, 600]
    assert cleared.asked[0].venue.cooling.tolist() == [0, 50, 60]
    assert cleared.asked[0].buy.product.tolist() == [H100, A100, GB200]


def test_one_unit_on_offer_is_its_own_first_lot(monkeypatch: pytest.MonkeyPatch) -> None:
    cleared = Cleared(monkeypatch)
    market = setting(offers((H100, 8, True), (H100, 40, False), (A100, 16, True)))
    assert market.first_lot_price_cents(NONE, H100) == market.price_cents(NONE, H100)
    assert len(cleared.asked) == 1
    assert market.first_lot_price_cents(NONE, A100) == market.price_cents(NONE, A100) + 8
    assert market.forced.tolist() == [A100, H100]
    assert (market.price_cents(NONE, H100), market.price_cents(NONE, A100)) == (70_936, 40_936)
    assert setting(offers((H100, 1, True))).forced.tolist() == [H100]


def test_power_and_cooling_without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for all four times over; cooling without limits ends where the watts do."""
    cleared = Cleared(monkeypatch)
    market = setting(offers((H100, 16, True), (GB200, 72, True), (A100, 8, False)))
    ample = 4 * (2 * 10_400 + 120_000 + 8_000) + 4 * 120_000
    for families in (("power",), ("liquid",), ("power", "liquid")):
        market.price_cents(relaxed(*families), H100)
    power, liquid, both = cleared.asked
    assert (power.venue.power.tolist(), power.venue.cooling.tolist()) == ([ample] * 3, [0, 50, 60])
    assert (liquid.venue.power.tolist(), liquid.venue.cooling.tolist()) == ([0, 500, 600], [0, 500, 600])
    assert (both.venue.power.tolist(), both.venue.cooling.tolist()) == ([ample] * 3, [ample] * 3)
    assert (power.venue.theta, power.venue.first_node) == (0.5, 1)


@pytest.mark.parametrize(
    ("forced", "families", "kept"),
    [
        (H100, ("power",), [H100]),
        (H100, ("power", "liquid"), [H100]),
        (GB200, ("power", "liquid"), [GB200]),
        (GB200, ("power",), [GB200, GB200 + 3]),
        (H100, ("liquid",), [H100, A100, GB200, GB200 + 3]),
    ],
)
def test_without_limits_of_power_only_rivals_for_what_is_scarce_are_cleared(
    forced: int, families: tuple[str, ...], kept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared = Cleared(monkeypatch)
    classes = (H100, A100, GB200, GB200 + 3)
    market = setting(offers(*((product, 144, product == forced) for product in classes)))
    object.__setattr__(market, "rebuild", lambda families: wishes(*classes))
    market.price_cents(relaxed(*families), forced)
    (call,) = cleared.asked
    assert call.sell.product[call.sell.quantity > 0].tolist() == sorted(kept, key=classes.index)
    assert call.buy.product.tolist() == sorted(kept, key=classes.index)


def test_racks_compete_with_a_rack_that_is_forced_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    cleared = Cleared(monkeypatch)
    market = setting(offers((H100, 8, True), (GB200, 72, True), (GB200 + 3, 72, False), (A100, 8, False)))
    market.price_cents(relaxed("power"), H100)
    assert cleared.asked[0].sell.quantity.tolist() == [8, 72, 72, 0]


def test_lanes_without_freight_and_with_cooling_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane barred for want of cooling opens at the dearest re-installation of its class; one out of a pool stays barred."""
    network = network_of([[-1, 9, -1], [-1, -1, 4]])
    changed = relaxation.relaxed_network
    assert changed(network, 1, relaxed("power", "cash")) is network
    wet = changed(network, 1, relaxed("liquid"))
    assert wet.freight[[H100, GB200, A100]].tolist() == [[9, 9, -1], [-1, -1, 4], [5, 6, 7]]
    assert wet.freight[V100].tolist() == [0, 6, 7]
    free = changed(network, 1, relaxed("transport"))
    assert free.freight[[H100, GB200, A100]].tolist() == [[-1, 0, -1], [-1, -1, 0], [0, 0, 0]]
    both = changed(network, 1, relaxed("transport", "liquid"))
    assert both.freight[[H100, GB200]].tolist() == [[0, 0, -1], [-1, -1, 0]]
    assert network.freight[H100].tolist() == [-1, 9, -1]
    # What is made for one relaxation is not used for another.
    cleared = Cleared(monkeypatch)
    market = setting(offers((H100, 16, True)))
    for families in (("transport",), ("liquid", "cash"), ("liquid",), ("transport", "power")):
        market.price_cents(relaxed(*families), H100)
    lanes = [call.venue.network.freight[GB200].tolist() for call in cleared.asked]
    assert lanes == [[-1, 0, 0], [9, 9, 7], [9, 9, 7], [-1, 0, 0]]
    assert cleared.asked[1].venue.network is cleared.asked[2].venue.network


# -- what agents say under it ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> FireSaleModel:
    found = FireSaleModel(Parameters.from_overrides({"clock.weeks": 3, "miners.reserve_months": 3.0}), rng=3)
    found.run_for(1)
    return found


class Asked:
    """Stands for a cohort of a type: remembers the views and sections it was asked under, and wants two things."""

    def __init__(self, agent_type: Any, party: int) -> None:
        self.agent_type, self.kind, self.party = agent_type, agent_type.kind, party
        self.questions: list[tuple[Any, Any]] = []

    def ask_what_if(self, view: Any, section: Any) -> Intents:
        self.questions.append((view, section))
        buy = replace(wishes(H100, GB200), party=np.full(2, self.party), cash_cents=np.array([500, 3]))
        return Intents(buy=replace(buy, value_cents=np.array([1_000, -5])))


def week_of(model: FireSaleModel, *cohorts: Asked, **changes: Any) -> Any:
    week = replace(model.market_week, cohorts=cohorts)
    return replace(week, **changes)


def test_a_question_is_asked_once_of_those_to_whom_it_matters(model: FireSaleModel) -> None:
    """Miners hear of the health of insiders, neo-clouds too; nobody of lanes, search or what they ask for alone."""
    miner, cloud = Asked(Miner, 2), Asked(NeoCloud, 14)
    week = week_of(model, miner, cloud)
    rebuild = AgentsRebuild(week)
    assert rebuild(NONE) is week.intents.buy
    assert rebuild(relaxed("transport")) is week.intents.buy
    assert not miner.questions
    first = rebuild(relaxed("search"))
    assert first.party.tolist() == [2, 2, 14, 14]
    assert rebuild(relaxed("search", "transport")) is first
    assert [len(cohort.questions) for cohort in (miner, cloud)] == [1, 1]
    rebuild(relaxed("cash"))
    rebuild(relaxed("cash", "search"))
    assert [len(cohort.questions) for cohort in (miner, cloud)] == [2, 2]
    rebuild(relaxed("distressed_insiders"))
    assert [len(cohort.questions) for cohort in (miner, cloud)] == [3, 3]
    assert miner.questions[0][0].lots.quantity.size == 0
    plain = miner.questions[0][1]
    assert plain == model.parameters.section_of(Miner)


def test_margins_and_cash_are_lifted_on_what_was_said_too(model: FireSaleModel) -> None:
    """Cash covers the value of all that is wanted, where it did not; a bid below nothing needs none."""
    cohort = Asked(NeoCloud, 14)
    rebuild = AgentsRebuild(week_of(model, cohort))
    assert rebuild(relaxed("cash")).cash_cents.tolist() == [8_000, 3]
    assert rebuild(relaxed("cash")).margin.tolist() == [0.1, 0.1]
    assert rebuild(relaxed("margins")).margin.tolist() == [0.0, 0.0]
    assert rebuild(relaxed("margins")).cash_cents.tolist() == [500, 3]
    section = model.parameters.section_of(NeoCloud)
    (margin,) = relaxation.relaxed_fields(type(section), "margins")
    assert getattr(section, margin) > 0 == getattr(cohort.questions[1][1], margin)
    # What a neo-cloud sets out to buy has no limit but its rooms and its money, so nothing is asked anew.
    assert relaxation.relaxed_fields(type(section), "order_limits") == ()
    rebuild(relaxed("search"))
    asked = len(cohort.questions)
    rebuild(relaxed("order_limits"))
    assert len(cohort.questions) == asked


def test_margins_and_appetites_are_lifted_each_alone_where_a_type_has_both(model: FireSaleModel) -> None:
    cohort = Asked(Miner, 2)
    rebuild = AgentsRebuild(week_of(model, cohort))
    fields = relaxation.relaxed_fields
    section = model.parameters.section_of(Miner)
    margins, appetites = fields(type(section), "margins"), fields(type(section), "order_limits")
    assert margins and appetites
    rebuild(relaxed("margins"))
    lifted = cohort.questions[-1][1]
    assert [getattr(lifted, name) for name in margins] == [0.0] * len(margins)
    assert [getattr(lifted, name) for name in appetites] == [getattr(section, name) for name in appetites]
    rebuild(relaxed("order_limits"))
    lifted = cohort.questions[-1][1]
    assert [getattr(lifted, name) for name in appetites] == [1e15] * len(appetites)
    assert [getattr(lifted, name) for name in margins] == [getattr(section, name) for name in margins]


def test_who_was_not_met_stays_away_until_search_is_relaxed(model: FireSaleModel) -> None:
    here = np.ones(len(model.market_week.present), dtype=np.bool_)
    here[2] = False
    rebuild = AgentsRebuild(week_of(model, Asked(Miner, 2), Asked(NeoCloud, 14), present=here))
    assert rebuild(relaxed("cash")).party.tolist() == [14, 14]
    assert rebuild(relaxed("cash", "search")).party.tolist() == [2, 2, 14, 14]


def test_views_under_a_relaxation(model: FireSaleModel) -> None:
    cohort = Asked(NeoCloud, 14)
    week = week_of(model, cohort)
    rebuild = AgentsRebuild(week)
    pools = week.view.pools
    ample = relaxation.ample_room(week.intents.sell, week.result.venue.network)
    combinations = (("search",), ("power",), ("liquid",), ("power", "liquid"), ("cash",))
    for families in combinations:
        rebuild(relaxed(*families))
    plain, power, liquid, both, cash = (view for view, _ in cohort.questions)
    for seen, free, wet, capacity in (
        (plain, pools.free_watts, pools.free_liquid_watts, pools.liquid_capacity_watts),
        (power, ample, pools.free_liquid_watts, pools.liquid_capacity_watts),
        (liquid, pools.free_watts, pools.free_watts, ample),
        (both, ample, ample, ample),
        (cash, pools.free_watts, pools.free_liquid_watts, pools.liquid_capacity_watts),
    ):
        assert (seen.pools.free_watts == free).all()
        assert (seen.pools.free_liquid_watts == wet).all()
        assert (seen.pools.liquid_capacity_watts == capacity).all()
    assert (cash.parties.cash_cents == 10**17).all()
    assert np.array_equal(plain.parties.cash_cents, week.view.parties.cash_cents)
    assert np.array_equal(power.parties.cash_cents, week.view.parties.cash_cents)


# -- distressed insiders ------------------------------------------------------------------------------------------


def ward(model: FireSaleModel) -> tuple[AgentsRebuild, Any]:
    """All miners rich but three: 2 has failed and sold its halls, 3 is held by its lenders, 4 is short of its reserve.

    The next has a cent above a reserve of 50 USD, the others 500, 600, ... USD; neo-clouds are all sick, so none is healed.
    """
    world = model.world
    kind = world.ledger.parties.kind
    miners = np.flatnonzero(kind == AgentKind.MINER)
    clouds = np.flatnonzero(kind == AgentKind.NEO_CLOUD)
    cash, obligations = np.full(len(kind), 10**9), np.zeros(len(kind), dtype=np.int64)
    months = model.parameters.section_of(Miner).reserve_months
    obligations[miners] = round(5_000 / months)
    reserve = np.rint(obligations * months).astype(np.int64)
    cash[miners] = reserve[miners] + 10_000 * np.arange(1, len(miners) + 1)
    cash[[4, 5]] = reserve[4], reserve[5] + 1
    may, distressed, failed = (
        np.ones(len(kind), dtype=bool),
        np.zeros(len(kind), bool),
        np.zeros(len(kind), bool),
    )
    failed[2], distressed[3] = True, True
    may[clouds] = False
    view = model.market_week.view
    gone = view.known.party == 2
    known = KnownPoolsView(view.known.party[~gone], view.known.pool[~gone])
    view = replace(
        view,
        known=known,
        parties=replace(view.parties, cash_cents=cash, obligations_cents=obligations),
        credit=replace(view.credit, may_spend=may, distressed=distressed, failed=failed),
    )
    active = np.ones(len(kind), dtype=np.bool_)
    active[2] = False
    other = replace(world, operators=replace(world.operators, active=active))
    return AgentsRebuild(replace(model.market_week, view=view, world=other)), view


def test_who_is_distressed(model: FireSaleModel) -> None:
    rebuild, _ = ward(model)
    assert rebuild._distressed().tolist() == [2, 3, 4]
    assert "distressed_insiders" in rebuild.active()
    miners = model.world.rows(AgentKind.MINER)
    healthy = np.flatnonzero(rebuild._healthy())
    assert healthy.tolist() == sorted(set(miners.tolist()) - {2, 3, 4})
    spare, keep = rebuild._spendable()
    assert np.isnan(spare[[0, 30, 41]]).all()
    assert (spare[5], spare[6], keep[6]) == (1, 50_000, 5_001)


def test_where_all_are_well_nobody_is_healed(model: FireSaleModel) -> None:
    _, view = ward(model)
    n = len(view.parties.cash_cents)
    credit = replace(
        view.credit, may_spend=np.ones(n, bool), distressed=np.zeros(n, bool), failed=np.zeros(n, bool)
    )
    well = replace(view, credit=credit, parties=replace(view.parties, cash_cents=np.full(n, 10**15)))
    rebuild = AgentsRebuild(replace(model.market_week, view=well))
    assert len(rebuild._distressed()) == 0
    assert "distressed_insiders" not in rebuild.active()
    failed = np.zeros(n, bool)
    failed[7] = True
    one = replace(well, credit=replace(credit, failed=failed))
    assert "distressed_insiders" in AgentsRebuild(replace(model.market_week, view=one)).active()


def test_the_healed_bid_with_the_median_of_the_healthy(model: FireSaleModel) -> None:
    rebuild, view = ward(model)
    healed = rebuild._view(relaxed("distressed_insiders"))
    miners = model.world.rows(AgentKind.MINER)
    spare = [1, *(10_000 * np.arange(5, len(miners) + 1))]
    expected = view.parties.cash_cents.copy()
    months = model.parameters.section_of(Miner).reserve_months
    for row in (2, 3, 4):
        expected[row] = np.rint(view.parties.obligations_cents[row] * months + np.median(spare))
    assert np.array_equal(healed.parties.cash_cents, expected)
    for name, well in (("may_spend", True), ("distressed", False), ("failed", False)):
        seen = getattr(healed.credit, name)
        assert (seen[[2, 3, 4]] == well).all()
        others = np.setdiff1d(np.arange(len(seen)), [2, 3, 4])
        assert np.array_equal(seen[others], getattr(view.credit, name)[others])
    # Halls of who is gone are known again, in the order of parties and pools.
    known = model.world.known
    theirs = known.pool[known.party == 2]
    assert len(theirs)
    assert np.array_equal(healed.known.pool[healed.known.party == 2], np.sort(theirs))
    pairs = list(zip(healed.known.party.tolist(), healed.known.pool.tolist(), strict=True))
    assert pairs == sorted(pairs)
    assert len(pairs) == len(view.known.party) + len(theirs)


def test_families_at_work(model: FireSaleModel) -> None:
    """Those that can change anything: cooling where racks are on offer or lanes are barred, and so on."""
    week = model.market_week
    sell, venue = offers((H100, 8, False), (GB200, 0, True)), setting(offers((H100, 8, True))).venue
    buy = replace(wishes(H100), margin=np.zeros(1))

    def active(**changes: Any) -> list[str]:
        lanes = changes.pop("lanes", [[5, 6, 7], [-1, 9, 7]])
        here = replace(venue, network=network_of(lanes))
        intents = Intents(sell=changes.pop("sell", sell), buy=changes.pop("buy", buy))
        result = replace(week.result, venue=here)
        rebuild = AgentsRebuild(replace(week, intents=intents, result=result, **changes))
        return [name for name in rebuild.active() if name != "distressed_insiders"]

    always = ["transport", "power", "cash", "order_limits"]
    assert active() == always
    for racks in (((GB200, 72, False),), ((GB200, 1, False),), ((H100, 8, False), (GB200, 72, False))):
        assert set(active(sell=offers(*racks))) == {*always, "liquid"}
    assert set(active(lanes=[[-1, 6, 7], [5, 6, 7]])) == {*always, "liquid"}
    assert set(active(lanes=[[0, 6, -1], [5, 6, 7]])) == set(always)
    two = replace(wishes(H100, H100), margin=np.array([0.0, 0.01]))
    assert set(active(buy=two)) == {*always, "margins"}
    away = np.ones_like(week.present)
    away[3] = False
    assert set(active(present=away)) == {*always, "search"}
