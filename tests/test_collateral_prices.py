"""Collateral by hand: what is put on offer, what each loan's would fetch, who joins the sale, depth and spiral."""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from credit_worlds import world_of

from agents.vocabulary import N_PRODUCTS, PRODUCT_CONDITION, Condition, LotStatus, SellOrders
from sim.debt.covenants import Basis
from sim.discount import collateral
from sim.parameters import Parameters
from sim.state.ledger import LoanKind, Loans, LoanStatus, Lots
from sim.state.standing import Standing
from sim.state.world import World

A100, H100, H100_AS_IS = 4, 7, 8
KEPT = 0.9375  # of gross proceeds, after enforcement
CLOUD, BANK, MINER = 14, 30, 2


def lots_of(*rows: dict[str, int]) -> Lots:
    usual = {
        "product": H100, "vintage": -60, "quantity": 8, "pool": 0, "owner": CLOUD, "lien": -1,
        "status": int(LotStatus.RUNNING), "arrival": -50, "liquidator": -1, "deadline": -1, "contract": -1,
    }  # fmt: skip
    return Lots(**{name: np.array([(usual | row)[name] for row in rows]) for name in usual})


def loans_of(*rows: dict[str, int]) -> Loans:
    loans = Loans.empty()
    for row in rows:
        loans.append(**({"creditor": BANK, "kind": int(LoanKind.ASSET_BACKED), "start": -9} | row))
    return loans


class Prices:
    """Stands for the kernel: 1,000 USD for an H100 and 500 for an A100, a dollar less per GPU on offer, less in pool 1."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[list[int], list[int]]] = []
        monkeypatch.setattr(collateral, "price_with", self)
        monkeypatch.setattr(collateral, "demand_for_all", lambda week: "demand")

    def __call__(self, week: Any, demand: Any, extra: SellOrders, absent: Any = ()) -> np.ndarray:
        assert demand == "demand"
        self.asked.append((extra.quantity.tolist(), list(absent)))
        table = np.full((N_PRODUCTS, 4), np.nan)
        table[H100], table[A100] = 1_000.0 - extra.quantity.sum(), 500.0 - extra.quantity.sum()
        table[:, 1] -= 100.0
        table[:, 3] = np.nan
        return table


def week_of(world: World, number: int) -> Any:
    salvage = np.arange(8) * 10.0
    return SimpleNamespace(
        week=number, world=world, view=SimpleNamespace(hardware=SimpleNamespace(salvage_usd=salvage))
    )


def examined(
    monkeypatch: pytest.MonkeyPatch, breach: dict[int, bool], basis: dict[int, Basis] | None = None
) -> None:
    """Debtors and whether they fail a test, and what the loans of each creditor are measured by."""
    found = SimpleNamespace(
        debtor=np.array(list(breach), dtype=np.int64),
        breach=SimpleNamespace(any=np.array(list(breach.values()), dtype=np.bool_)),
    )
    monkeypatch.setattr(collateral, "examine_loans", lambda world, week: found if week in (13, 26) else world)
    by = basis or {}
    monkeypatch.setattr(
        collateral,
        "tested_basis",
        lambda world, creditor: np.array([by.get(int(c), Basis.COST) for c in creditor]),
    )


@pytest.fixture(scope="module")
def built() -> World:
    return world_of(credit__loan_to_value_covenant=0.75, lenders__enforcement_cost=1 - KEPT)


@pytest.fixture
def world(built: World) -> World:
    """Two borrowers with live loans on lots; loans that are unsecured, called, or on offer already."""
    found = copy.deepcopy(built)
    found.ledger.loans = loans_of(
        {"debtor": CLOUD, "balance_cents": 1_500_000, "start": -30},
        {
            "debtor": CLOUD + 1,
            "balance_cents": 1_577_000,
            "kind": int(LoanKind.LEVEL_PAY),
            "creditor": BANK + 1,
        },
        {"debtor": CLOUD + 2, "balance_cents": 100},
        {"debtor": CLOUD + 2, "balance_cents": 100, "kind": int(LoanKind.CONVERTIBLE)},
        {"debtor": CLOUD + 2, "balance_cents": 100, "status": int(LoanStatus.ACCELERATED)},
        {"debtor": CLOUD + 3, "balance_cents": 100},
    )
    found.ledger.lots = lots_of(
        {"quantity": 16, "lien": 0},
        {"quantity": 8, "lien": 0, "product": A100, "pool": 1},
        {"quantity": 24, "lien": 1, "owner": CLOUD + 1, "pool": 1},
        {"lien": 2, "owner": CLOUD + 2, "status": int(LotStatus.FORCED)},
        {"lien": 3, "owner": CLOUD + 2},
        {"lien": 4, "owner": CLOUD + 2},
        {"owner": CLOUD, "quantity": 80},
        {"lien": 0, "quantity": 24, "status": int(LotStatus.FORCED)},
    )
    found.credit.standing[:] = 0
    found.credit.appraisal_usd = np.arange(N_PRODUCTS) * 100.0
    return found


def test_dates() -> None:
    assert [week for week in range(60) if collateral.due(week)] == [13, 26, 39, 52]
    options = Parameters.from_overrides({}).discount
    assert (options.first_probe_quarter, options.probe_quarters) == (2, 4)
    assert [week for week in range(160) if collateral.probed(week, options)] == [26, 78, 130]
    options = Parameters.from_overrides(
        {"discount.first_probe_quarter": 1, "discount.probe_quarters": 1}
    ).discount
    assert [week for week in range(40) if collateral.probed(week, options)] == [13, 26, 39]
    options = Parameters.from_overrides(
        {"discount.first_probe_quarter": 3, "discount.probe_quarters": 2}
    ).discount
    assert [week for week in range(100) if collateral.probed(week, options)] == [39, 65, 91]


def test_a_quarter_without_prices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = Prices(monkeypatch)
    examined(monkeypatch, {CLOUD: True, CLOUD + 1: False})
    world.credit.due_cents[:], world.credit.income_cents[:] = 0, 0
    world.credit.due_cents[0, CLOUD], world.credit.income_cents[0, CLOUD] = 100, 150
    found = collateral.rows(week_of(world, 13))
    assert not prices.asked
    assert list(found) == list(collateral.COLLATERAL)
    for name, expected in {
        "week": [13, 13],
        "loan": [0, 1],
        "debtor": [CLOUD, CLOUD + 1],
        "creditor": [BANK, BANK + 1],
        "drawn_week": [-30, -9],
        "gpus": [24, 24],
        "balance_usd": [15_000.0, 15_770.0],
        "appraised_usd": [16 * 700.0 + 8 * 400.0, 24 * 700.0],
        "loan_to_value_appraised": [15_000 / 14_400, 15_770 / 16_800],
        "coverage": [1.5, np.inf],
        "breached": [True, False],
    }.items():
        assert found[name].tolist() == expected, name
    for name in ("liquidation", "systemic"):
        assert np.isnan(found[f"{name}_usd"]).all()
        assert np.isnan(found[f"loan_to_value_{name}"]).all()
    world.credit.standing[CLOUD + 1] = Standing.GRACE
    assert collateral.rows(week_of(world, 13))["breached"].tolist() == [True, True]
    world.credit.standing[CLOUD + 1] = Standing.GRACE - 1
    assert collateral.rows(week_of(world, 13))["breached"].tolist() == [True, False]


def test_who_marks_to_market_joins_the_sale(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second borrower alone gets 876 USD a unit; marked at that it is over the covenant and sells with the first."""
    prices = Prices(monkeypatch)
    examined(monkeypatch, {CLOUD: True, CLOUD + 1: False}, {BANK + 1: Basis.MARKET})
    found = collateral.rows(week_of(world, 26))
    own = [16 * 976 + 8 * 376, 24 * 876]
    joint = [16 * 952 + 8 * 352, 24 * 852]
    assert 15_770 > 0.75 * 24 * 876
    assert found["liquidation_usd"].tolist() == [KEPT * usd for usd in own]
    assert found["systemic_usd"].tolist() == [KEPT * usd for usd in joint]
    assert found["loan_to_value_liquidation"].tolist() == [15_000 / (KEPT * own[0]), 15_770 / (KEPT * own[1])]
    assert found["loan_to_value_systemic"].tolist() == [
        15_000 / (KEPT * joint[0]),
        15_770 / (KEPT * joint[1]),
    ]
    assert found["breached"].tolist() == [True, True]
    assert prices.asked == [
        ([16, 8], [CLOUD]),
        ([24], [CLOUD + 1]),
        ([16, 8], [CLOUD]),
        ([16, 8, 24], [CLOUD, CLOUD + 1]),
    ]


@pytest.mark.parametrize("cause", ["at the covenant", "measured by cost"])
def test_who_is_within_the_covenant_stays(world: World, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Prices(monkeypatch)
    basis = Basis.MARKET if cause == "at the covenant" else Basis.COST
    if cause == "at the covenant":
        world.ledger.loans.balance_cents[1] = 75 * 24 * 876
    examined(monkeypatch, {CLOUD: True, CLOUD + 1: False}, {BANK + 1: basis})
    found = collateral.rows(week_of(world, 26))
    assert found["breached"].tolist() == [True, False]
    # Its lots would fetch the price of the first borrower's sale, which is the lower of two equals.
    assert found["systemic_usd"].tolist() == found["liquidation_usd"].tolist()


def test_if_nobody_fails_collateral_is_sold_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = Prices(monkeypatch)
    examined(monkeypatch, {CLOUD: False, CLOUD + 1: False})
    found = collateral.rows(week_of(world, 26))
    assert found["systemic_usd"].tolist() == found["liquidation_usd"].tolist()
    assert not found["breached"].any()
    assert len(prices.asked) == 2
    # The second sells half as much alone, and so gets more.
    world.ledger.lots.quantity[2] = 12
    assert collateral.rows(week_of(world, 26))["liquidation_usd"].tolist() == [
        KEPT * (16 * 976 + 8 * 376),
        KEPT * 12 * 888,
    ]
    world.ledger.lots.quantity[2] = 24
    # A pool without a price pays the parts.
    world.ledger.lots.pool[2] = 3
    assert collateral.rows(week_of(world, 26))["liquidation_usd"][1] == KEPT * 24 * 20


def test_no_live_loan_no_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = Prices(monkeypatch)
    examined(monkeypatch, {})
    world.ledger.loans.status[:] = LoanStatus.WRITTEN_OFF
    found = collateral.rows(week_of(world, 26))
    assert all(len(column) == 0 for column in found.values())
    assert not prices.asked


def test_a_cascade_is_followed_for_five_rounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight borrowers of eight units: number k is over the covenant once the units of k borrowers are on offer."""
    Prices(monkeypatch)
    debtors = CLOUD + np.arange(8)
    over = [int(100 * 0.75 * 8 * (1_000 - 8 * k)) + 100 for k in range(8)]
    world.ledger.loans = loans_of(
        *({"debtor": int(d), "balance_cents": cents} for d, cents in zip(debtors, over, strict=True))
    )
    world.ledger.lots = lots_of(*({"owner": int(d), "lien": i} for i, d in enumerate(debtors)))
    examined(monkeypatch, dict.fromkeys(debtors.tolist(), False) | {CLOUD: True}, {BANK: Basis.MARKET})
    found = collateral.rows(week_of(world, 26))
    assert found["breached"].tolist() == [True] * 6 + [False] * 2
    assert found["systemic_usd"].tolist() == [KEPT * 8 * 960.0] * 8
    assert found["liquidation_usd"].tolist() == [KEPT * 8 * 992.0] * 8


def test_offers_at_the_price_of_parts(world: World) -> None:
    found = collateral.offers(week_of(world, 26), np.array([1, 2]))
    assert found.party.tolist() == [CLOUD, CLOUD + 1]
    assert (found.pool.tolist(), found.product.tolist(), found.quantity.tolist()) == (
        [1, 1],
        [A100, H100],
        [8, 24],
    )
    assert (found.reserve_cents.tolist(), found.forced.tolist()) == ([1_000, 2_000], [True, True])


def test_the_book_is_cleared_with_more_on_offer_and_without_the_absent() -> None:
    """The absent neither bid nor sell of their own will; a lender's sale of their units stays."""
    one = np.ones(4, dtype=np.int64)
    sell = SellOrders(
        np.array([5, 6, 6, 7]), 0 * one, H100 * one, 8 * one, one, np.array([False, False, True, False])
    )
    extra = SellOrders(*(np.array([value]) for value in (9, 1, A100, 16, 3, True)))
    parties = SimpleNamespace(ledger=SimpleNamespace(parties=SimpleNamespace(n=10)))
    week: Any = SimpleNamespace(world=parties, result=SimpleNamespace(orders=SimpleNamespace(sell=sell)))
    asked: list[tuple[SellOrders, np.ndarray]] = []

    class Demand:
        venue = SimpleNamespace(first_node=1)

        def prices(self, sell: SellOrders, absent: np.ndarray) -> np.ndarray:
            asked.append((sell, absent))
            return np.array([[100.0, 200.0, 350.0]])

    demand: Any = Demand()
    assert collateral.price_with(week, demand, extra, np.array([6])).tolist() == [[2.0, 3.5]]
    both, absent = asked[0]
    assert both.party.tolist() == [5, 6, 7, 9]
    assert both.forced.tolist() == [False, True, False, True]
    assert (both.quantity.tolist(), both.product.tolist()) == ([8, 8, 8, 16], [H100, H100, H100, A100])
    assert np.flatnonzero(absent).tolist() == [6]
    collateral.price_with(week, demand, extra)
    assert asked[1][0].party.tolist() == [5, 6, 6, 7, 9]
    assert not asked[1][1].any()


def test_bids_as_if_all_used_classes_were_on_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes on offer stay, new ones among them; those who were not met stay away."""
    monkeypatch.setattr(collateral, "replace", lambda of, **changes: SimpleNamespace(**(vars(of) | changes)))
    monkeypatch.setattr(collateral.search, "admit", lambda buy, here: (buy, here))
    views: list[Any] = []

    def ask(view: Any) -> Any:
        views.append(view)
        return SimpleNamespace(buy="bids")

    monkeypatch.setattr(collateral, "StandingDemand", lambda buy, venue: (buy, venue))
    week: Any = SimpleNamespace(
        view=SimpleNamespace(market=SimpleNamespace(listed=np.array([6, 7]))),
        ask=ask,
        present="present",
        result=SimpleNamespace(venue="venue"),
    )
    assert collateral.demand_for_all(week) == (("bids", "present"), "venue")
    used = np.flatnonzero(PRODUCT_CONDITION != Condition.NEW)
    assert views[0].market.listed.tolist() == sorted({6, *used.tolist()})


def test_a_quote_is_of_one_unit_where_most_of_a_generation_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 of 64 H100 stand in pool 1, in whatever condition; a rack is 72 GPUs; what stands nowhere has no quote."""
    asked: list[SellOrders] = []

    def price_with(week: Any, demand: Any, extra: SellOrders) -> np.ndarray:
        assert demand == "demand"
        asked.append(extra)
        return np.arange(N_PRODUCTS)[:, None] * 100.0 + np.arange(4)[None, :]

    monkeypatch.setattr(collateral, "demand_for_all", lambda week: "demand")
    monkeypatch.setattr(collateral, "price_with", price_with)
    world.ledger.lots = lots_of(
        {"quantity": 24},
        {"quantity": 16, "pool": 1},
        {"quantity": 24, "pool": 1, "product": H100_AS_IS},
        {"quantity": 72, "pool": 2, "product": 16},
        {"quantity": 1, "pool": 0, "product": 1},
    )
    found = collateral.quotes(week_of(world, 26))
    assert np.isnan(found[[1, 3, 4, 6, 7]]).all()
    assert found[[0, 2, 5]].tolist() == [100.0, 701.0, 1_602.0]
    (one,) = asked
    assert (one.product.tolist(), one.pool.tolist(), one.quantity.tolist()) == (
        [1, 7, 16],
        [0, 1, 2],
        [8, 8, 72],
    )
    assert (one.reserve_cents.tolist(), one.forced.tolist()) == ([0, 2_000, 5_000], [True] * 3)
    assert one.party.tolist() == [0, 0, 0]
    # More units than one at a time: a rack stays whole, and of a class that stands nowhere none are offered.
    collateral.quotes(week_of(world, 26), np.array([24, 500, 0, 500, 500, 100, 500, 500]))
    assert asked[1].quantity.tolist() == [24, 8, 100]


def quoted(normal: int = 100, offered: int = 400, usual: float = 20_000.0, price: float = 10_000.0) -> Any:
    quote = SimpleNamespace(
        normal_volume=normal, offered=offered, normal_volume_price_usd=usual, price_usd=price
    )
    return SimpleNamespace(quote_of=lambda generation: quote if generation == 2 else None)


def test_depth_by_hand() -> None:
    """Four times the volume halves the price: elasticity of a half at 200 units of 14,142 USD."""
    assert collateral.depth(quoted(), 2) == pytest.approx(0.01 * 200 * np.sqrt(2e8) / 0.5)
    assert collateral.depth(quoted(normal=1), 2) > 0
    assert collateral.depth(quoted(price=1.0), 2) > 0
    for week, generation in (
        (quoted(), 1),
        (quoted(offered=100), 2),
        (quoted(offered=99), 2),
        (quoted(normal=0), 2),
        (quoted(price=0.0), 2),
    ):
        assert np.isnan(collateral.depth(week, generation))
        assert np.isnan(collateral.spiral(week, generation))


def test_spiral_by_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud of leverage 3 with 100 H100 and a miner of 1.5 with 40, at 10,000 USD; the insolvent and others do not count."""
    net = np.zeros(world.ledger.parties.n, dtype=np.int64)
    net[[MINER, CLOUD, CLOUD + 1, 41]] = 10_000, 50_000, -1, 10_000
    monkeypatch.setattr(type(world), "net_asset_value_cents", lambda self: net)
    world.ledger.loans = loans_of(
        {"debtor": CLOUD, "balance_cents": 100_000},
        {"debtor": MINER, "balance_cents": 5_000},
        {"debtor": CLOUD + 1, "balance_cents": 1_000},
        {"debtor": 41, "balance_cents": 10_000},
    )
    world.ledger.lots = lots_of(
        {"quantity": 60},
        {"quantity": 40, "product": H100_AS_IS},
        {"quantity": 500, "product": A100},
        {"quantity": 40, "owner": MINER},
        {"quantity": 1_000, "owner": CLOUD + 1},
        {"quantity": 1_000, "owner": 41},
    )
    share = collateral._spiral_share(world, 2, 10_000.0, 10_000_000.0)
    assert share == pytest.approx((2.0 * 1_000_000 + 0.5 * 400_000) / 10_000_000)
    week = quoted()
    week.world = world
    per_percent = collateral.depth(week, 2)
    expected = 1 / (1 - (2.0 * 1_000_000 + 0.5 * 400_000) / (100 * per_percent))
    assert collateral.spiral(week, 2) == pytest.approx(expected)
    net[CLOUD] = 0
    assert collateral._spiral_share(world, 2, 10_000.0, 10_000_000.0) == pytest.approx(0.02)
    net[CLOUD] = 1
    assert collateral._spiral_share(world, 2, 10_000.0, 10_000_000.0) > 1


def test_bounds_of_ratios_and_dates() -> None:
    """Collateral worth nothing makes a ratio infinite, a quarter without prices leaves it out; no ratio is below zero."""
    for name, may_lack in (("appraised", False), ("liquidation", True), ("systemic", True)):
        bounds = collateral.COLLATERAL[f"loan_to_value_{name}"].bounds
        assert bounds is not None
        assert [bounds.allows(value) for value in (0.0, 0.5, np.inf, -0.001, np.nan)] == [True] * 3 + [
            False,
            may_lack,
        ]
    dates = collateral.COLLATERAL["drawn_week"].bounds
    assert dates is not None
    assert [dates.allows(week) for week in (-300, 0, 300)] == [True] * 3
