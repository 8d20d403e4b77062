"""The rows of the anatomy by hand: trades first, then what found no buyer; quotes and marks beside each."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.vocabulary import N_PRODUCTS, PoolKind
from sim.discount import anatomy
from sim.discount.arcs import COMPONENTS, IdentityBroken

A100, H100, H100_AS_IS = 4, 7, 8
N = len(COMPONENTS)


def parts_of(total: int) -> list[int]:
    """A component each of 1, 2, 3 and so on, the rest in the tenth."""
    each = [*range(1, N), 0]
    each[-2] += total - sum(each)
    return each


def result() -> Any:
    """24 H100 forced in pool 1, of which 16 are sold on two arcs, 8 A100 all sold, 8 H100 as they are unsold."""
    price = np.zeros((N_PRODUCTS, 5))
    low, high = price + np.nan, price + np.nan
    low[H100, 3], high[H100, 3] = 900_000.995, 1_200_000.0 - 1e-7
    low[H100_AS_IS, 4] = 5.0
    buy = SimpleNamespace(party=np.array([40, 41, 42]))
    sell = SimpleNamespace(
        party=np.array([9, 8, 7]),
        pool=np.array([1, 0, 2]),
        product=np.array([H100, A100, H100_AS_IS]),
        quantity=np.array([24, 8, 8]),
        reserve_cents=np.array([300_000, 100, 200_000]),
        forced=np.array([True, False, True]),
    )
    trades = SimpleNamespace(
        sell=np.array([0, 1, 0]),
        buy=np.array([2, 1, 0]),
        quantity=np.array([8, 8, 8]),
        price_cents=np.array([1_140_000, 400_000, 1_140_000]),
        buyer_node=np.array([2, 3, 4]),
    )
    return SimpleNamespace(
        trades=trades,
        orders=SimpleNamespace(buy=buy, sell=sell),
        clearing=SimpleNamespace(price=price, price_low=low, price_high=high),
        venue=SimpleNamespace(first_node=2),
    )


@pytest.fixture
def week(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The market of `result`, its arcs, and the best uses and marks of its classes."""
    best = np.full(N_PRODUCTS, 1.0)
    best[[A100, H100, H100_AS_IS]] = 5_000.126, 22_000.0, 15_000.0
    clean = np.full(N_PRODUCTS, 2.0)
    clean[[A100, H100, H100_AS_IS]] = 5_500.0, 22_000.0, 21_000.0
    arcs = SimpleNamespace(
        parts=np.array([parts_of(1_060_000), parts_of(100_013), parts_of(1_060_000)]),
        marginal_buyer=np.array([40, 41, 40]),
        regime=np.array(["leased", "owned", "none"]),
        worth=SimpleNamespace(belief_gap_cents=np.array([1, 2, 3]), displacement_cents=np.array([4, 5, 6])),
    )

    def arcs_of(week: Any, value: np.ndarray) -> Any:
        assert value[[A100, H100]].tolist() == [500_013, 2_200_000]
        return arcs

    def best_uses(view: Any, value: Any, needed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert (view.name, value) == ("view", "value")
        assert needed.tolist() == [H100, A100, H100, H100, H100_AS_IS]
        return clean, best

    monkeypatch.setattr(anatomy, "arcs_of", arcs_of)
    monkeypatch.setattr(anatomy, "best_uses", best_uses)
    kinds = np.array([PoolKind.OPEN, PoolKind.PRIVATE, PoolKind.WAREHOUSE])
    mark = np.arange(N_PRODUCTS) * 1_000.0
    return SimpleNamespace(
        week=4,
        view=SimpleNamespace(name="view", pools=SimpleNamespace(kind=kinds)),
        best_use_value_usd="value",
        quotes=(
            SimpleNamespace(product=H100, first_lot_price_usd=21_500.126),
            SimpleNamespace(product=H100_AS_IS, first_lot_price_usd=float("nan")),
            SimpleNamespace(product=A100, first_lot_price_usd=1.0),
        ),
        result=result(),
        world=SimpleNamespace(
            credit=SimpleNamespace(appraisal_usd=mark),
            best_use_marks=SimpleNamespace(filtered_usd=np.repeat(np.arange(8) * 3_100.0, 3)),
        ),
    )


def test_rows_by_hand(week: Any) -> None:
    found = anatomy.columns(week)
    assert list(found) == list(anatomy.ANATOMY)
    for name, expected in {
        "week": [4] * 5,
        "generation": ["H100", "A100", "H100", "H100", "H100"],
        "condition": ["clean", "clean", "clean", "clean", "as_is"],
        "seller": [9, 8, 9, 9, 7],
        "buyer": [42, 41, 40, -1, -1],
        "seller_pool": [1, 0, 1, 1, 2],
        "buyer_pool": [0, 1, 2, -1, -1],
        "pool_kind": ["open", "private", "warehouse", "none", "none"],
        "quantity": [8, 8, 8, 8, 8],
        "forced": [True, False, True, True, True],
        "best_use_value_cents": [2_200_000, 500_013, 2_200_000, 2_200_000, 1_500_000],
        "clearing_price_cents": [1_140_000, 400_000, 1_140_000, 300_000, 200_000],
        "capacity_regime": ["leased", "owned", "none", "none", "none"],
        "marginal_buyer": [40, 41, 40, -1, -1],
        "belief_gap_cents": [1, 2, 3, 0, 0],
        "displacement_cents": [4, 5, 6, 0, 0],
        "no_bid_cents": [0, 0, 0, 1_900_000, 1_300_000],
        "misallocation_cents": [1, 1, 1, 0, 0],
        "hosting_cents": [2, 2, 2, 0, 0],
        "cooling_cents": [9, 9, 9, 0, 0],
    }.items():
        assert found[name].tolist() == expected, name


def test_quotes_beside_each_row(week: Any) -> None:
    """p0 of forced rows alone, nothing where a class has none; the ends of the interval in whole cents, rounded down."""
    found = anatomy.columns(week)
    assert found["first_lot_price_cents"].tolist() == [2_150_013, 0, 2_150_013, 2_150_013, 0]
    assert found["price_low_cents"].tolist() == [900_000, 0, 900_000, 900_000, 5]
    assert found["price_high_cents"].tolist() == [1_200_000, 0, 1_200_000, 1_200_000, 0]


def test_marks_beside_each_row(week: Any) -> None:
    """The mark less the filter on best uses, and the filter less the best use of a clean unit."""
    found = anatomy.columns(week)
    assert found["appraisal_cents"].tolist() == [700_000, 400_000, 700_000, 700_000, 800_000]
    assert found["clean_best_use_value_cents"].tolist() == [
        2_200_000,
        550_000,
        2_200_000,
        2_200_000,
        2_100_000,
    ]
    gap = found["contamination_cents"] + found["staleness_cents"]
    assert np.array_equal(gap, found["appraisal_cents"] - found["clean_best_use_value_cents"])
    filtered = np.array([620_000, 310_000, 620_000, 620_000, 620_000])
    assert np.array_equal(found["staleness_cents"], filtered - found["clean_best_use_value_cents"])


def test_a_row_that_does_not_sum_is_caught(week: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arcs = anatomy.arcs_of(
        week, np.round(anatomy.best_uses(week.view, "value", np.array([7, 4, 7, 7, 8]))[1] * 100)
    )
    arcs.parts[1, 3] += 1
    arcs.parts[2, 3] -= 1
    with pytest.raises(IdentityBroken, match="week 4, row 1: cents do not sum"):
        anatomy.columns(week)


def test_a_week_in_which_nothing_is_sold(week: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trades = week.result.trades
    for name in ("sell", "buy", "quantity", "price_cents", "buyer_node"):
        setattr(trades, name, np.zeros(0, dtype=np.int64))
    none = SimpleNamespace(
        parts=np.zeros((0, N), dtype=np.int64),
        marginal_buyer=trades.sell,
        regime=np.zeros(0, dtype="U6"),
        worth=SimpleNamespace(belief_gap_cents=trades.sell, displacement_cents=trades.sell),
    )
    monkeypatch.setattr(anatomy, "arcs_of", lambda week, value: none)
    best = np.full(N_PRODUCTS, 22_000.0)
    monkeypatch.setattr(anatomy, "best_uses", lambda view, value, needed: (best, best))
    found = anatomy.columns(week)
    assert found["quantity"].tolist() == [24, 8, 8]
    assert found["no_bid_cents"].tolist() == [1_900_000, 2_199_900, 2_000_000]
