"""Each component of a price by hand, from stubs of what it is read from; and what stops a buyer."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.vocabulary import N_PRODUCTS, PoolKind, QuantityCap
from sim.discount import arcs
from sim.discount.arcs import COMPONENTS, IdentityBroken, Paid, Worth

H100, GB200 = 7, 16


# -- worth in a free slot ---------------------------------------------------------------------------------------------


def seen(belief: str = "myopic") -> Any:
    return SimpleNamespace(
        pools=SimpleNamespace(
            kind=np.array([PoolKind.OPEN, PoolKind.WAREHOUSE, PoolKind.DISPLACED, PoolKind.PRIVATE]),
            free_liquid_watts=np.zeros(4, dtype=np.int64),
        ),
        products=SimpleNamespace(age_years=np.arange(N_PRODUCTS) / 10),
        rents=SimpleNamespace(belief=belief),
        terms=SimpleNamespace(retrofit_usd_per_watt=0.5),
        hardware=SimpleNamespace(
            watts=np.arange(8) * 100.0, unit_watts=np.array([0, 0, 10_400, 0, 0, 120_000, 0, 0])
        ),
    )


MINERS: Any = SimpleNamespace(conversion_hurdle=2.0)


def bought(product: int = H100) -> Any:
    """Intents of four buyers, one in each pool of `seen`."""
    four = np.arange(4)
    buy = SimpleNamespace(
        party=10 + four,
        pool=four,
        product=np.full(4, product),
        value_cents=1_000_000 + 1_000 * four,
        delay_cents=100 * (1 + four),
    )
    return SimpleNamespace(orders=SimpleNamespace(buy=buy))


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A unit is worth 12,000 USD and 100 more a pool, 30 and ten a pool less if it pays hosting, 700 more to the consistent."""
    asked: list[tuple[Any, ...]] = []

    def hold_values(
        view: Any, party: Any, pool: Any, product: Any, age: Any, *, hosting: bool = True
    ) -> np.ndarray:
        asked.append(
            (view.rents.belief, party.tolist(), pool.tolist(), product.tolist(), age.tolist(), hosting)
        )
        worth = 12_000.0 + 100.0 * pool - hosting * (30.0 + 10.0 * pool)
        return worth + (700.0 if view.rents.belief == "consistent" else 0.0)

    def mining(view: Any, pool: np.ndarray, party: np.ndarray, miners: Any) -> np.ndarray:
        assert miners is MINERS
        assert party.tolist() == (10 + pool).tolist()
        return 1.0 + 0.0 * pool

    monkeypatch.setattr(arcs, "hold_values", hold_values)
    monkeypatch.setattr(arcs, "mining_value_per_watt", mining)
    monkeypatch.setattr(arcs, "replace", lambda of, **changes: SimpleNamespace(**(vars(of) | changes)))
    return asked


def test_worth_by_hand(values: list[tuple[Any, ...]]) -> None:
    """Hosting is what a free slot adds, not in a store; displaced watts cost mining and retrofit, times the hurdle."""
    found = arcs.worth(seen(), bought(), np.array([3, 2, 1, 0]), MINERS)
    assert found.hosting_cents.tolist() == [6_000, 5_000, 0, 3_000]
    assert found.displacement_cents.tolist() == [0, 200 * 3 * 100, 0, 0]
    assert found.free_slot_cents.tolist() == [
        1_003_000 + 400 + 6_000,
        1_002_000 + 300 + 5_000 + 60_000,
        1_001_000 + 200,
        1_000_000 + 100 + 3_000,
    ]
    assert found.belief_gap_cents.tolist() == [70_000, 70_000, 0, 70_000]
    row = ([13, 12, 11, 10], [3, 2, 1, 0], [H100] * 4, [0.7] * 4)
    assert values == [("myopic", *row, False), ("myopic", *row, True), ("consistent", *row, False)]


def test_the_consistent_have_no_gap_of_beliefs(values: list[tuple[Any, ...]]) -> None:
    found = arcs.worth(seen("consistent"), bought(), np.array([0, 1]), MINERS)
    assert found.belief_gap_cents.tolist() == [0, 0]
    assert found.displacement_cents.tolist() == [0, 0]
    assert len(values) == 2
    none = arcs.worth(seen(), bought(), np.zeros(0, dtype=np.int64), MINERS)
    assert len(none.free_slot_cents) == len(none.belief_gap_cents) == 0
    assert len(values) == 4


# -- what is paid -----------------------------------------------------------------------------------------------------


class AsItIs:
    """A scale that takes prices as they are; a rent of a watt is that of a hundred."""

    def __init__(self, exact: bool) -> None:
        self.exact = exact

    def price(self, product: int, cents: float) -> Fraction:
        assert product in (H100, GB200)
        return Fraction(cents)

    def rent(self, product: int, cents_per_watt: float) -> Fraction:
        return 100 * Fraction(cents_per_watt)


def cleared(delivered: float = 1_010.0, product: int = H100) -> Any:
    """Two arcs: the second from node 1 to node 2, 1,000 cents there, `delivered` here, freight of 10."""
    price = np.full((N_PRODUCTS, 4), 7.0)
    price[product, [1, 2]] = 1_000.0, delivered
    return SimpleNamespace(
        trades=SimpleNamespace(
            product=np.array([0, product]),
            seller_node=np.array([0, 1]),
            buyer_node=np.array([0, 2]),
            freight_cents=np.array([99, 10]),
            n=2,
        ),
        clearing=SimpleNamespace(
            price=price,
            price_low=np.tile([0.0, 900.0, 0.0, 0.0], (N_PRODUCTS, 1)),
            price_high=np.tile([5.0, 1_100.0, 5.0, 5.0], (N_PRODUCTS, 1)),
            power_rent=np.array([9.0, 9.0, 0.5, 9.0]),
            cooling_rent=np.array([9.0, 9.0, 0.25, 9.0]),
        ),
        venue=SimpleNamespace(theta=0.75, network=SimpleNamespace(freight=np.array([[70, 2_000]]))),
    )


@pytest.mark.parametrize(("product", "cooling"), [(H100, 0), (GB200, 25)])
def test_what_the_ends_of_an_arc_give(product: int, cooling: int) -> None:
    paid = arcs._paid(cleared(product=product), AsItIs(exact=True), 1)  # type: ignore[arg-type]
    assert paid == Paid(Fraction(1_000), Fraction(1_010), Fraction(50), Fraction(cooling))
    assert (paid.capacity, paid.gross) == (50 + cooling, 1_060 + cooling)


def test_lanes_that_are_not_tight_are_caught_on_floats() -> None:
    """Within a millionth of the price the buyer pays the seller's price and freight; beyond it the lane was not used."""
    for delivered in (1_010.0 + 2**-10, 1_010.0 - 2**-10):
        exact = arcs._paid(cleared(delivered), AsItIs(exact=True), 1)  # type: ignore[arg-type]
        assert exact.delivered == Fraction(delivered)
        near = arcs._paid(cleared(delivered), AsItIs(exact=False), 1)  # type: ignore[arg-type]
        assert (near.received, near.delivered) == (1_000, 1_010)
    for delivered in (1_010.002, 1_009.998, 990.0, 1_000.0):
        with pytest.raises(IdentityBroken, match="arc 1: lanes used are not tight"):
            arcs._paid(cleared(delivered), AsItIs(exact=False), 1)  # type: ignore[arg-type]
    million = cleared(1_000_000.0)
    million.clearing.price[H100, 1] = 999_989.0
    assert arcs._paid(million, AsItIs(exact=False), 1).delivered == 999_999  # type: ignore[arg-type]
    # Of prices below a cent, a millionth of a cent.
    free = cleared(2.0**-21)
    free.clearing.price[H100, 1], free.trades.freight_cents[1] = 0.0, 0
    assert arcs._paid(free, AsItIs(exact=False), 1).delivered == 0  # type: ignore[arg-type]
    free.clearing.price[H100, 2] = 2.0**-19
    with pytest.raises(IdentityBroken, match="not tight"):
        arcs._paid(free, AsItIs(exact=False), 1)  # type: ignore[arg-type]


def test_the_scale_is_that_of_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of classes with a quantity, up to the highest limit or freight; of an empty book, up to nothing."""
    asked: list[Any] = []
    monkeypatch.setattr(arcs, "Scale", SimpleNamespace(of=lambda *told: asked.append(told)))
    result = cleared()
    book = SimpleNamespace(
        generation=np.array([7, 4, 7, 1]), quantity=np.array([8, 1, 8, 0]), price=np.array([5, 3_000, 7, 1])
    )
    result.orders = SimpleNamespace(book=book)
    arcs._scale(result)
    book.price = np.array([5, 6, 7, 1])
    arcs._scale(result)
    book.generation, book.quantity, book.price = (np.zeros(0, dtype=np.int64) for _ in range(3))
    result.venue.network.freight = np.zeros((1, 0), dtype=np.int64)
    arcs._scale(result)
    assert [(told[1].tolist(), told[2], told[3]) for told in asked] == [
        ([4, 7], 3_000.0, 0.75),
        ([4, 7], 2_000.0, 0.75),
        ([], 0.0, 0.75),
    ]
    assert all(told[0] is result.venue.network for told in asked)


def test_bargaining_wins_a_part_of_the_interval_and_no_more_than_is_left() -> None:
    """A quarter of 200 cents."""
    for left, won in (
        (Fraction(500), 50),
        (Fraction(50), 50),
        (Fraction(49), 49),
        (Fraction(0), 0),
        (Fraction(-3), 0),
    ):
        assert arcs._bargained(cleared(), 1, left) == won


# -- what stops a buyer -----------------------------------------------------------------------------------------------


def cause(
    *,
    money: int,
    top: int = 100,
    gross: int = 50,
    most: int = 8,
    notional: int = 0,
    room: int = 10_400,
    cap: QuantityCap = QuantityCap.APPETITE,
    product: int = H100,
    liquid: int = 0,
) -> str:
    view = seen()
    view.pools.free_liquid_watts[3] = liquid
    buy: Any = SimpleNamespace(
        product=np.array([0, product]),
        cash_cents=np.array([0, money]),
        wanted=np.array([0, most]),
        cap=np.array([0, int(cap)]),
        pool=np.array([0, 3]),
    )
    return arcs._cause(view, buy, 1, Fraction(top), Fraction(gross), Fraction(notional), room)


def test_cash_stops_who_could_not_pay_for_one_unit_more() -> None:
    """Eight wanted at a limit of 100 and a price of 50: 799 neither cover the wish nor a second unit."""
    assert cause(money=799) == "cash"
    assert cause(money=800) == cause(money=800, gross=51) == "order_limit"
    assert cause(money=799, gross=49) == "order_limit"
    assert cause(money=800, top=101) == "order_limit"
    assert cause(money=799, top=101) == "cash"
    assert cause(money=0) == "cash"


def test_the_rent_of_its_own_slot_stops_nobody_who_could_pay_the_rest() -> None:
    """Of a price of 50 ten are notional: with 640 a second unit could be paid, so watts are what stops it."""
    assert cause(money=640, notional=10) == "power"
    assert cause(money=639, notional=10) == "cash"
    # 16 are wanted and eight fit.
    assert cause(money=640, notional=10, most=16, room=20_799) == "power"
    assert cause(money=640, notional=10, most=16, room=20_800) == "cash"
    assert cause(money=320, notional=10, room=10_399) == "power"
    assert cause(money=319, notional=10, room=10_399) == "cash"


def test_else_it_is_what_set_the_quantity() -> None:
    rich = 10**9
    assert cause(money=rich, cap=QuantityCap.WAREHOUSE) == "cash"
    assert cause(money=rich, cap=QuantityCap.POWER) == "power"
    assert cause(money=rich, cap=QuantityCap.APPETITE) == "order_limit"
    racks = {"money": rich, "product": GB200, "most": 72, "cap": QuantityCap.POWER}
    assert cause(**racks, liquid=120_000) == "cooling"  # type: ignore[arg-type]
    assert cause(**racks, liquid=239_999) == "cooling"  # type: ignore[arg-type]
    assert cause(**racks, liquid=240_000) == "power"  # type: ignore[arg-type]
    assert cause(**(racks | {"most": 144}), liquid=240_000) == "cooling"  # type: ignore[arg-type]


def test_whose_slot_it_is() -> None:
    kinds = np.array(list(PoolKind))
    assert dict(zip([kind.name for kind in PoolKind], arcs._regimes(kinds).tolist(), strict=True)) == {
        "PRIVATE": "owned",
        "OPEN": "leased",
        "IN_PLACE": "leased",
        "DISPLACED": "owned",
        "FORWARD": "leased",
        "WAREHOUSE": "none",
    }


def test_the_marginal_buyer_has_the_least_rent_and_then_the_least_surplus() -> None:
    surplus = [(Fraction(r), Fraction(s)) for r, s in ((1, 5), (0, 9), (3, 3), (0, 9), (3, 2), (0, 10))]
    sell, buyer = np.array([0, 0, 1, 0, 1, 0]), np.array([10, 11, 12, 13, 14, 15])
    assert arcs._marginal_buyers(sell, surplus, buyer).tolist() == [11, 11, 14, 11, 14, 11]


# -- the whole arc ----------------------------------------------------------------------------------------------------


def week(monkeypatch: pytest.MonkeyPatch, *, searching: bool = False, free_slot: int = 1_900_000) -> Any:
    """Two arcs. One pays 1,500,000 for what is worth 2,000,000 at best: see `test_every_component_by_hand`."""
    buy = SimpleNamespace(
        value_cents=np.array([15, 0, 1_800_000]),
        margin=np.array([0.5, 0.0, 0.1]),
        delay_cents=np.array([0, 0, 20_000]),
        pool=np.array([1, 0, 3]),
        party=np.array([20, 21, 22]),
        product=np.full(3, H100),
        cash_cents=np.full(3, 10**12),
        wanted=np.full(3, 8),
        cap=np.full(3, int(QuantityCap.APPETITE)),
    )
    trades = SimpleNamespace(
        n=2,
        buy=np.array([2, 0]),
        sell=np.array([0, 1]),
        product=np.array([H100, GB200]),
        seller_node=np.array([1, 1]),
        buyer_node=np.array([2, 2]),
        freight_cents=np.array([5_000, 1]),
        price_cents=np.array([1_500_000, 4]),
    )
    result = cleared()
    result.trades = trades
    result.orders = SimpleNamespace(buy=buy, book=SimpleNamespace(power=np.array([0, 0, 8, 0])))
    result.clearing.price_low[:, 1], result.clearing.price_high[:, 1] = 1_400_000.0, 1_480_000.0
    paid = [
        Paid(Fraction(1_500_000), Fraction(1_505_000), Fraction(40_000), Fraction(7_000)),
        Paid(Fraction(9, 2), Fraction(11, 2), Fraction(0), Fraction(0)),
    ]
    about = Worth(*(np.array(column) for column in ((free_slot, 15), (50_000, 0), (30_000, 0), (0, 0))))
    monkeypatch.setattr(
        arcs, "worth", lambda view, result, rows, miners: about if result.trades.buy is rows else None
    )
    monkeypatch.setattr(arcs, "_scale", lambda result: "scale")
    monkeypatch.setattr(arcs, "_paid", lambda result, scale, i: paid[i] if scale == "scale" else None)
    parameters = SimpleNamespace(miners=MINERS, search=SimpleNamespace(enabled=searching))
    return SimpleNamespace(view=seen(), result=result, world=SimpleNamespace(parameters=parameters))


BEST = np.full(N_PRODUCTS, 20)
BEST[H100] = 2_000_000


@pytest.mark.parametrize(("price", "rent", "marginal"), [(1_500_000, 47_000, 20), (1_615_000, 0, 22)])
def test_of_two_arcs_of_a_lot_one_is_marginal(
    price: int, rent: int, marginal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second pays no rent and keeps a cent and a half; at its limit and without rent the first keeps nothing."""
    found = week(monkeypatch)
    found.result.trades.sell[:] = 0
    found.result.trades.price_cents[0] = price
    second = arcs._paid(found.result, "scale", 1)  # type: ignore[arg-type]
    first = Paid(Fraction(price), Fraction(price + 5_000), Fraction(rent), Fraction(0))
    monkeypatch.setattr(arcs, "_paid", lambda result, scale, i: second if i else first)
    assert arcs.arcs_of(found, BEST).marginal_buyer.tolist() == [marginal, marginal]


@pytest.mark.parametrize("searching", [False, True])
def test_every_component_by_hand(searching: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What bargaining wins, a quarter of 80,000, comes off what else the limit leaves: the sum is the same."""
    found = arcs.arcs_of(week(monkeypatch, searching=searching), BEST)
    won = 20_000 if searching else 0
    assert dict(zip(COMPONENTS, found.parts[0].tolist(), strict=True)) == {
        "misallocation": 100_000,
        "hosting": 50_000,
        "delay": 20_000,
        "margin": 180_000,
        "cash": 0,
        "search": won,
        "transport": 5_000,
        "power": 70_000,
        "cooling": 7_000,
        "order_limit": 1_620_000 - 1_552_000 - won,
        "no_bid": 0,
    }
    # 15 less half is a limit of 7; it pays 5.5 gross, the seller gets 4.5 and in whole cents 4.
    second = dict(zip(COMPONENTS, found.parts[1].tolist(), strict=True))
    left = "search" if searching else "order_limit"
    assert {name: cents for name, cents in second.items() if cents} == {
        "misallocation": 5, "margin": 8, "transport": 1, left: 2,
    }  # fmt: skip
    assert found.parts.sum(axis=1).tolist() == [500_000, 16]
    assert found.regime.tolist() == ["owned", "none"]
    assert found.marginal_buyer.tolist() == [22, 20]


def test_components_that_do_not_sum_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IdentityBroken) as caught:
        arcs.arcs_of(week(monkeypatch, free_slot=1_900_001), BEST)
    assert str(caught.value) == (
        f"arc 0, product {H100}, node 1 to 2: components sum to 499999.000000000 cents, V* - p is 500000.000000000"
    )


def test_rent_is_notional_in_a_hall_of_ones_own_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []

    def cause(*about: Any) -> str:
        told.append(about[2:])
        return "cash"

    monkeypatch.setattr(arcs, "_cause", cause)
    found = arcs.arcs_of(week(monkeypatch), BEST)
    assert told == [(2, 1_620_000, 1_552_000, 47_000, 8), (0, 7, Fraction(11, 2), 0, 8)]
    assert found.parts[:, COMPONENTS.index("cash")].tolist() == [68_000, 2]


@pytest.mark.parametrize(
    ("parts", "total", "cents"),
    [
        ([Fraction(1, 3), Fraction(2, 3), Fraction(-1, 2)], 1, [0, 1, 0]),
        ([Fraction(1, 2), Fraction(1, 2)], 1, [1, 0]),
        ([Fraction(-3, 4), Fraction(11, 4)], 2, [-1, 3]),
        ([Fraction(5), Fraction(-2)], 3, [5, -2]),
        ([Fraction(1, 4), Fraction(1, 4), Fraction(3, 4)], 2, [1, 0, 1]),
    ],
)
def test_cents_go_by_largest_remainder(parts: list[Fraction], total: int, cents: list[int]) -> None:
    assert arcs.whole_cents(parts, total).tolist() == cents
