"""The week as a whole: books close, seeds repeat, branches agree, agents can be overridden."""

import numpy as np
import pytest

from agents.miner import Miner
from agents.neo_cloud import NeoCloud
from agents.vocabulary import Intents, LotStatus, PoolKind
from sim.base.units import BooksDoNotClose
from sim.base.user_table import TableError
from sim.lending import debt_service
from sim.model import FireSaleModel
from sim.opening.casting import AGENT_TYPES
from sim.operating import operations
from sim.parameters import Parameters
from sim.state.ledger import Account, LoanKind
from sim.state.world import REST_OF_WORLD

SALE = {"forced_sale.enabled": True, "forced_sale.week": 4, "forced_sale.deadline_weeks": 6}


def lived(weeks: int, **overrides: object) -> FireSaleModel:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    model = FireSaleModel(Parameters.from_overrides({**SALE, "clock.weeks": weeks, **keys}), rng=7)
    model.run_for(weeks)
    return model


def same_tables(a: FireSaleModel, b: FireSaleModel) -> bool:
    left, right = a.tables(), b.tables()
    return left.keys() == right.keys() and all(
        left[t][c].dtype == right[t][c].dtype and left[t][c].tobytes() == right[t][c].tobytes()
        for t in left
        for c in left[t]
    )


@pytest.fixture(scope="module")
def sale() -> FireSaleModel:
    return lived(14)


def test_one_seed_gives_one_result(sale: FireSaleModel) -> None:
    assert same_tables(sale, lived(14))


def test_another_seed_gives_another_result(sale: FireSaleModel) -> None:
    other = FireSaleModel(sale.parameters, rng=8)
    other.run_for(14)
    assert not same_tables(sale, other)


def test_every_forced_gpu_is_sold_or_scrapped_by_the_deadline(sale: FireSaleModel) -> None:
    lots = sale.ledger.lots
    assert not np.any(lots.status == LotStatus.FORCED)
    trades, events = sale.tables()["trades"], sale.tables()["events"]
    possessed = int(events["quantity"][events["kind"] == "possession"].sum())
    scrapped = events["quantity"][events["kind"] == "scrapped"].sum()
    assert possessed > 9_000
    assert trades["quantity"][trades["forced"]].sum() + scrapped == possessed


def test_whole_units_only(sale: FireSaleModel) -> None:
    trades = sale.tables()["trades"]
    unit = np.where(np.isin(trades["generation"], ("GB200", "GB300", "VR200")), 72, 8)
    assert np.all(trades["quantity"] % unit == 0)
    assert len(trades["quantity"]) > 50


def test_forced_prices_lie_between_reserve_floor_and_best_use_of_somebody(sale: FireSaleModel) -> None:
    weeks = sale.datacollector.get_model_vars_dataframe()
    forced = weeks[weeks["forced_offered_H100"] > 0]
    assert len(forced) > 0
    assert (forced["price_low_usd_H100"] <= forced["price_usd_H100"] + 1e-9).all()
    assert (forced["price_usd_H100"] <= forced["price_high_usd_H100"] + 1e-9).all()
    # The first of many lots never fetches less than all of them together.
    assert (forced["first_lot_price_usd_H100"] >= forced["price_usd_H100"] - 1e-6).all()


def test_debt_of_the_borrower_is_repaid_or_written_off(sale: FireSaleModel) -> None:
    names = sale.ledger.parties.name
    mine = sale.ledger.loans.debtor == names.index("borrower")
    assert mine.sum() == 1
    assert sale.ledger.loans.balance_cents[mine].sum() == 0


def test_books_refuse_money_from_nowhere() -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 2}), rng=7)
    model.run_for(1)
    model.ledger.parties.cash_cents[5] += 1
    with pytest.raises(BooksDoNotClose, match="cash is out by 1 cents"):
        model.run_for(1)


def test_flows_have_two_sides() -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 2}), rng=7)
    ledger = model.ledger
    ledger.pay(np.array([3, 4]), 5, np.array([10, 20]), Account.FEE)
    assert ledger.flows[:, Account.FEE].sum() == 0
    assert ledger.flows[5, Account.FEE] == 30
    with pytest.raises(ValueError, match="amounts must be >= 0"):
        ledger.pay(3, 4, -1, Account.FEE)


def test_a_branch_that_is_not_touched_lives_the_same_life() -> None:
    parameters = Parameters.from_overrides({**SALE, "clock.weeks": 8})
    model = FireSaleModel(parameters, rng=7)
    model.run_for(4)
    branch = model.branch()
    model.run_for(4)
    branch.run_for(4)
    assert same_tables(model, branch)
    assert branch.ledger is not model.ledger


def test_a_branch_does_not_disturb_the_trunk() -> None:
    parameters = Parameters.from_overrides({**SALE, "clock.weeks": 6})
    model = FireSaleModel(parameters, rng=7)
    model.run_for(3)
    before = model.ledger.parties.cash_cents.copy()
    branch = model.branch()
    branch.run_for(3)
    assert np.array_equal(model.ledger.parties.cash_cents, before)
    assert model.time == 3


@pytest.mark.parametrize("agent_type", AGENT_TYPES, ids=lambda t: t.__name__)
def test_one_by_one_and_cohort_intend_the_same(sale: FireSaleModel, agent_type: type) -> None:
    view = sale.view
    agents = sorted(sale.agents_by_type[agent_type], key=lambda agent: agent.row)
    rows = np.array([agent.row for agent in agents])
    together = agent_type.decide_all(view, rows, sale.parameters.section_of(agent_type))
    apart = Intents.concatenate([agent.decide(view) for agent in agents])
    for table in ("sell", "buy", "scrap", "treasury"):
        whole, pieces = getattr(together, table), getattr(apart, table)
        names = list(whole.__slots__)
        a = sorted(zip(*(getattr(whole, n).tolist() for n in names), strict=True))
        b = sorted(zip(*(getattr(pieces, n).tolist() for n in names), strict=True))
        assert a == b


class Idle(Miner):
    """A miner that never does anything."""

    def decide(self, view: object) -> Intents:
        return Intents()


def test_one_agent_can_be_overridden() -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 6}), rng=7)
    old = next(iter(model.agents_by_type[Miner]))
    old.remove()
    idle = Idle(model, old.row)
    coins = idle.bitcoin
    model.run_for(3)
    assert not np.any(model.intents.treasury.party == idle.row)
    assert np.any(np.isin(model.intents.treasury.party, model.world.rows(Miner.kind)))
    assert idle.bitcoin >= coins - 1e4


def test_agents_are_selected_as_mesa_users_expect() -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 2}), rng=7)
    model.run_for(1)
    rich = model.agents.select(lambda agent: agent.gpus > 50_000)
    assert 0 < len(rich) < len(model.agents)
    cloud = next(iter(rich))
    assert sum(cloud.fleet.values()) == cloud.gpus
    assert cloud.debt_usd >= 0
    assert isinstance(next(iter(model.agents_by_type[NeoCloud])), NeoCloud)


def test_pools_partition_the_places(sale: FireSaleModel) -> None:
    world = sale.world
    watts = np.zeros(world.topology.places.n, dtype=np.int64)
    solid = ~np.isin(world.topology.pool_kind, (PoolKind.FORWARD, PoolKind.WAREHOUSE))
    opened = world.topology.pool_kind == PoolKind.FORWARD
    np.add.at(watts, world.topology.pool_place[solid], world.capacity.power_watts[solid])
    due = np.zeros_like(watts)
    np.add.at(due, world.topology.pool_place[opened], world.capacity.power_watts[opened])
    built = np.zeros_like(watts)
    np.add.at(built, world.topology.pool_place, world.topology.pool_power)
    # Halls started in the run stand in pools that began empty; none of them has power after 14 weeks.
    pools = np.r_[world.slots.building_pool, world.slots.own_building_pool]
    pools = pools[pools >= 0]
    assert not world.topology.pool_power[pools].any()
    started = world.capacity.power_watts[pools]
    np.add.at(built, world.topology.pool_place[pools], started)
    assert np.array_equal(watts + due, built)
    events = sale.tables()["events"]
    told = events["quantity"][events["kind"] == "hall_started"]
    assert sorted(started[started > 0] // 1_000_000) == sorted(told) != []


def test_in_place_sales_need_an_assignable_contract() -> None:
    moved = lived(12, forced_sale__in_place=False).tables()["trades"]
    kept = lived(12, forced_sale__in_place=True).tables()["trades"]
    assert not np.any(moved["forced"] & (moved["channel"] == "in_place"))
    assert np.any(kept["forced"] & (kept["channel"] == "in_place"))


def test_drivers_do_not_depend_on_what_is_sold() -> None:
    a = lived(5).world.drivers
    b = lived(5, site__vacancy=0.06, forced_sale__enabled=False).world.drivers
    assert np.array_equal(a.btc_usd, b.btc_usd)
    assert np.array_equal(a.rent_exogenous, b.rent_exogenous)


def test_own_fleets_are_validated(tmp_path: object) -> None:
    path = tmp_path / "fleets.csv"  # type: ignore[operator]
    head = "place_id,generation,gpus,owner,age_years,financed\n"
    place = FireSaleModel(Parameters.from_overrides({"clock.weeks": 1}), rng=1).world.topology.places.id[14]
    for row, message in (
        (f"{place},H10,80,neo-cloud 1,1,yes", "did you mean H100"),
        (f"{place},H100,81,neo-cloud 1,1,yes", "are sold in units of 8"),
        (f"{place},H100,80,neo-cloud 1,11,yes", "allowed 0 to 8 years"),
        (f"{place},H100,80,neocloud 1,1,yes", "did you mean neo-cloud 1"),
    ):
        path.write_text(head + row + "\n")
        with pytest.raises(TableError, match=message) as caught:
            FireSaleModel(Parameters.from_overrides({"world.fleets_file": str(path)}), rng=1)
        assert "line 2, column" in str(caught.value)


def test_own_fleets_replace_drawn_ones(tmp_path: object) -> None:
    path = tmp_path / "fleets.csv"  # type: ignore[operator]
    places = FireSaleModel(Parameters.from_overrides({"clock.weeks": 1}), rng=1).world.topology.places
    here = next(
        i for i in range(places.n) if places.kind[i] == "miner-converted" and places.it_watts[i] > 5e6
    )
    path.write_text(
        "place_id,generation,gpus,owner,age_years,financed\n"
        + f"{places.id[here]},H100,800,neo-cloud 2,1,yes\n"
    )
    model = FireSaleModel(
        Parameters.from_overrides({"world.fleets_file": str(path), "clock.weeks": 3}), rng=1
    )
    assert model.ledger.lots.quantity.sum() == 800
    model.run_for(3)


def test_the_run_stops_at_its_horizon() -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 1}), rng=7)
    model.run_for(1)
    with pytest.raises(ValueError, match=r"clock\.weeks = 1"):
        model.run_for(1)


@pytest.mark.parametrize("belief", ["consistent", "extrapolative"])
def test_other_beliefs_run_and_change_prices(sale: FireSaleModel, belief: str) -> None:
    other = lived(14, valuation__expectations=belief)
    mine = sale.tables()["weeks"]["typical_value_usd_H100"]
    assert not np.allclose(other.tables()["weeks"]["typical_value_usd_H100"], mine)


def test_marks_stand_still_where_nobody_bids():
    """Buyers bid for what was on offer last week, so a class that is new on offer meets no bids and has no price."""
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 30}), rng=7)
    unmet = 0
    for _ in range(30):
        before = model.price_usd.copy()
        model.run_for(1)
        bid = np.unique(model.result.orders.buy.product[model.result.orders.intent])
        unmet += len(np.setdiff1d(model.world.market.listed, bid))
        still = np.setdiff1d(np.arange(len(before)), bid)
        assert np.array_equal(model.price_usd[still], before[still])
    assert unmet > 0


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_racks_fit_halls_that_are_ready_in_part(share: float) -> None:
    """All liquid-only generations together stay within a pool's liquid watts."""
    model = FireSaleModel(Parameters.from_overrides({"site.unknown_liquid_share": share, "clock.weeks": 2}))
    model.run_for(2)
    _, wet = model.world.used()
    assert wet.sum() > 0 and np.all(wet <= model.world.capacity.liquid_watts)


def test_free_coins_back_one_maturing_loan_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coins sold for a note that matures do not back the bitcoin loan that matures in the same month."""
    world = FireSaleModel(Parameters.from_overrides({"clock.weeks": 2}), rng=8).world
    ledger, loans, parties = world.ledger, world.ledger.loans, world.ledger.parties
    notes = loans.debtor[loans.kind == LoanKind.CONVERTIBLE]
    row = int(np.flatnonzero((loans.kind == LoanKind.BITCOIN) & np.isin(loans.debtor, notes))[0])
    miner = int(loans.debtor[row])
    note = int(np.flatnonzero((loans.debtor == miner) & (loans.kind == LoanKind.CONVERTIBLE))[0])
    loans.months_left[:] = 60
    loans.months_left[[note, row]] = 1
    pledged, free = int(loans.pledged_satoshi[row]), int(parties.bitcoin_satoshi[miner])
    coin = world.btc_usd * 100 / 1e8 * world.parameters.miners.bitcoin_loan_to_value
    # The loan stands on its own coins and on half of the free ones; no holder takes shares, no offer is made for the note.
    ledger.draw(row, int((pledged + free / 2) * coin) - int(loans.balance_cents[row]))
    ledger.pay(miner, REST_OF_WORLD, int(parties.cash_cents[miner]), Account.PAYOUT)
    world.credit.opening_net_asset_value_cents[miner] = 10**17
    world.operators.site_watts[miner] = 10**12  # solvent
    monkeypatch.setattr(debt_service, "offers", lambda world, rows, week: np.where(rows == note, 0, 10**15))
    assert loans.balance_cents[note] > free * coin
    debt_service.refinance(world, 0)
    assert parties.bitcoin_satoshi[miner] == 0
    assert loans.pledged_satoshi[row] == pledged
    assert loans.balance_cents[row] == pytest.approx(pledged * coin, rel=1e-9)
    ledger.check()


def test_hours_on_demand_earn_spot_and_values_follow_contract_rent() -> None:
    calm = {"clock.weeks": 2, "credit.tenants": False, "rent.spot_noise": 0.0}
    earned, rents = [], []
    for premium in (0.0, 0.3):
        model = FireSaleModel(Parameters.from_overrides(calm | {"rent.spot_premium": premium}), rng=3)
        model.phases[0][1](0)
        operations.operate(model.world, 0)
        earned.append(model.world.ledger.flows[:, Account.COMPUTE_REVENUE].clip(0).sum())
        rents.append(model.world.rents.contract_usd_per_hour.copy())
    assert np.array_equal(rents[0], rents[1])
    assert earned[1] / earned[0] == pytest.approx(np.exp(0.3), rel=0.02)
