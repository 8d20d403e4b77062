"""Loss bridge: a story by hand, and exact sums on random workouts (economics.md section 13)."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.base.units import BooksDoNotClose
from sim.debt.loss_bridge import LOSS_BRIDGE, LossBridge, Outcome


def test_a_foreclosure_by_hand() -> None:
    """1,000 H100 worth 21,721 USD at default against 15 million owed; half sold, half scrapped, one lost."""
    bridge = LossBridge.empty()
    bridge.default(10, [4], [1_500_000_000], [2_172_100_000], [1000])
    for _ in range(8):
        held = int(bridge.held_cents[0])
        bridge.mark([4], [held - 20_000_000], [12_000_000])
    bridge.operate([4], [30_000_000], [30_000_000])
    bridge.spend([4], [5_000_000])
    bridge.check()
    assert (bridge.decay_cents[0], bridge.lost_income_cents[0]) == (64_000_000, 96_000_000)
    # 500 units: 20,121 clean, 18,000 as is, first lot 15,000, sold at 11,400; 4 % and 5 % of gross are costs.
    gross = 500 * 1_140_000
    bridge.sell(
        [4], [500], 2_012_100, 1_800_000, 1_500_000, 1_140_000, gross * 9 // 100, 0, gross * 91 // 100, 0
    )
    bridge.lose([4], [1])
    bridge.mark([4], [499 * 2_012_100])
    scrapped = 499 * 150_000
    bridge.sell([4], [499], 2_012_100, 1_800_000, 150_000, 150_000, applied=scrapped)
    owed = 1_500_000_000 - 30_000_000 - gross * 91 // 100 - scrapped
    bridge.close(30, [4], written_off=[owed])
    bridge.check()
    row = {name: column[0] for name, column in bridge.table().items()}
    assert row["decay_cents"] == 64_000_000 + 2_012_100
    assert row["quality_cents"] == 999 * 212_100
    assert row["structural_gap_cents"] == 500 * 300_000 + 499 * 1_650_000
    assert row["fire_sale_discount_cents"] == 500 * 360_000
    assert row["held_cents"] == 0
    assert row["recovery_cents"] == gross * 91 // 100 + scrapped + 30_000_000 - 5_000_000
    # The books wrote off what the balance lost; the lender also bore the five million beside them.
    assert row["loss_cents"] == row["written_off_cents"] + 5_000_000
    assert row["outcome"] == "liquidated"
    assert row["loss_given_default"] == pytest.approx(row["loss_cents"] / 1_500_000_000)


@st.composite
def workouts(draw: st.DrawFn) -> LossBridge:
    """A few loans through random weeks."""
    bridge = LossBridge.empty()
    n = draw(st.integers(1, 3))
    loans = draw(st.permutations([2, 5, 9]))[:n]
    for week, loan in enumerate(loans):
        bridge.default(
            week,
            [loan],
            [draw(st.integers(0, 10**12))],
            [draw(st.integers(0, 10**12))],
            [draw(st.integers(0, 5000))],
        )
    money = st.integers(0, 10**10)
    for _ in range(draw(st.integers(0, 8))):
        loan = draw(st.sampled_from(loans))
        at = int(np.flatnonzero(bridge.loan == loan)[0])
        act = draw(st.sampled_from(["mark", "operate", "spend", "receive", "sell", "lose"]))
        left = int(bridge.gpus_held[at])
        if act == "mark":
            bridge.mark([loan], [draw(money)], [draw(st.integers(-(10**9), 10**9))])
        elif act == "operate":
            income = draw(money)
            bridge.operate([loan], [income], [draw(st.integers(0, income))])
        elif act == "spend":
            bridge.spend([loan, loan], [draw(money), draw(money)])
        elif act == "receive":
            bridge.receive([loan], [draw(money)])
        elif act == "lose":
            bridge.lose([loan], [draw(st.integers(0, left))])
        else:
            units = draw(st.integers(0, left))
            values = [draw(st.integers(0, 10**7)) for _ in range(4)]
            slot = draw(money)
            total = units * values[3] + slot
            cost = draw(st.integers(0, total))
            applied = draw(st.integers(0, total - cost))
            bridge.sell([loan], [units], *values, cost, slot, applied, total - cost - applied)
    return bridge


@given(workouts(), st.sampled_from(list(Outcome)[1:]))
def test_every_bridge_sums_exactly(bridge: LossBridge, outcome: Outcome) -> None:
    bridge.check()
    for loan in bridge.loan.copy():
        at = np.flatnonzero(bridge.loan == loan)
        owed = bridge.exposure_cents[at] - bridge.applied_cents[at]
        if outcome == Outcome.LIQUIDATED and owed[0] < 0:
            continue
        bridge.close(99, [loan], outcome, owed if outcome == Outcome.LIQUIDATED else 0)
    bridge.check()
    t = bridge.table()
    assert list(t) == list(LOSS_BRIDGE)
    sold = (
        t["value_at_default_cents"]
        - t["decay_cents"]
        - t["lost_income_cents"]
        - t["quality_cents"]
        - t["structural_gap_cents"]
        - t["fire_sale_discount_cents"]
        - t["held_cents"]
    )
    assert np.array_equal(sold, t["gross_proceeds_cents"])
    received = sold + t["operated_income_cents"] + t["slot_proceeds_cents"] + t["other_receipts_cents"]
    recovery = received - t["costs_and_liens_cents"] - t["paid_to_others_cents"]
    assert np.array_equal(recovery, t["recovery_cents"])
    assert np.array_equal(t["exposure_cents"] - recovery, t["loss_cents"])
    closed = t["close_week"] >= 0
    assert not np.any(t["held_cents"][closed & (t["gpus_held"] == 0)])


def test_a_loan_may_be_cured_and_fail_again() -> None:
    bridge = LossBridge.empty()
    bridge.default(1, [7], [100], [200], [8])
    with pytest.raises(ValueError, match="loan 7 is in default already"):
        bridge.default(2, [7], [100], [200], [8])
    bridge.close(5, [7], Outcome.CURED)
    assert not bridge.is_open([7])[0]
    with pytest.raises(ValueError, match="no open record"):
        bridge.mark([7], [100])
    bridge.default(9, [7], [90], [150], [8])
    bridge.mark([7], [140])
    assert bridge.table()["held_cents"].tolist() == [200, 140]
    assert bridge.table()["outcome"].tolist() == ["cured", "open"]


def test_one_call_serves_many_loans_in_any_order() -> None:
    bridge = LossBridge.empty()
    bridge.default(1, [7, 3], [100, 300], [1000, 3000], [8, 16])
    bridge.mark([3, 7], [2900, 980], [10, 5])
    assert bridge.decay_cents.tolist() == [15, 90]
    bridge.sell([3, 7, 3], [8, 8, 8], 100, 90, 80, [70, 60, 50], applied=[560, 480, 400])
    assert bridge.gross_proceeds_cents.tolist() == [480, 960]
    assert bridge.gpus_held.tolist() == [0, 0]


def test_missing_cents_and_missing_units_are_refused() -> None:
    bridge = LossBridge.empty()
    bridge.default(1, [0], [10_000], [20_000], [8])
    before = copy.deepcopy(bridge)
    with pytest.raises(ValueError, match="1 cents are unaccounted for"):
        bridge.sell([0], [8], 1000, 1000, 1000, 900, applied=7199)
    with pytest.raises(ValueError, match="must be >= 0"):
        bridge.spend([0], [-1])
    assert all(
        np.array_equal(a, b) for a, b in zip(bridge.table().values(), before.table().values(), strict=True)
    )
    with pytest.raises(BooksDoNotClose, match="loan 0 is out by 10000 cents"):
        bridge.close(2, [0], written_off=0)
    with pytest.raises(ValueError, match="more GPUs sold or lost"):
        bridge.lose([0], [9])
    with pytest.raises(ValueError, match="more GPUs sold or lost"):
        bridge.sell([0, 0], [5, 4], 1000, 1000, 1000, 100, applied=[500, 400])
    with pytest.raises(ValueError, match="marked twice"):
        bridge.mark([0, 0], [1, 1])
    after = bridge.table()
    assert all(np.array_equal(column, before.table()[name]) for name, column in after.items())


def test_a_broken_column_is_caught() -> None:
    bridge = LossBridge.empty()
    bridge.default(1, [3], [10_000], [20_000], [8])
    bridge.decay_cents[0] += 1
    with pytest.raises(BooksDoNotClose, match="loan 3 is out by -1 cents"):
        bridge.check()


def test_no_defaults_make_an_empty_table() -> None:
    table = LossBridge.empty().table()
    assert list(table) == list(LOSS_BRIDGE)
    assert all(len(column) == 0 for column in table.values())
