"""Bitcoin loans: call prices, cure by coins and by cash, sales that restore the opening ratio (contracts.md 4.6)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.bitcoin_loan import call_price

from sim.debt.bitcoin_loan import (
    BitcoinTerms,
    CallState,
    bitcoin_ratio,
    coins_needed,
    first_come,
    largest_loan,
    margin_calls,
    price_cents,
    worth,
)

BITCOIN = 100_000_000
TERMS = BitcoinTerms()
PRICE = 100_000.0
# 1,000 bitcoin at 100,000 USD carry 57 million USD at the opening ratio.
PLEDGED, BALANCE = 1_000 * BITCOIN, 5_700_000_000


def one(low: float, free_bitcoin: int = 0, free_cash: int = 0, terms: BitcoinTerms = TERMS):  # type: ignore[no-untyped-def]
    return margin_calls([0], [BALANCE], [PLEDGED], low, [free_bitcoin], [free_cash], terms)


@pytest.mark.parametrize(("opening", "share"), [(0.57, 0.76), (0.70, 0.933), (0.50, 0.667)])
def test_golden_call_prices(opening: float, share: float) -> None:
    terms = BitcoinTerms(opening=opening)
    assert round(float(call_price(1.0, terms)), 3) == share
    balance = int(largest_loan(PLEDGED, 10_000_000, opening))
    at = float(call_price(PRICE, terms))
    quiet = margin_calls([0], [balance], [PLEDGED], at + 1.0, [0], [0], terms)
    called = margin_calls([0], [balance], [PLEDGED], at - 1.0, [0], [0], terms)
    assert (quiet.state[0], called.state[0]) == (CallState.QUIET, CallState.SOLD)


def test_the_call_price_itself_calls_nothing() -> None:
    assert one(76_000.0).state.tolist() == [CallState.QUIET]
    assert one(75_999.0, free_cash=10**12).state.tolist() == [CallState.CURED]


def test_cured_with_coins_alone() -> None:
    """At 75,000 the balance needs 57e6 / (0.57 x 75,000) = 1,333.33 bitcoin."""
    found = one(75_000.0, free_bitcoin=1_000 * BITCOIN, free_cash=10**12)
    assert found.state.tolist() == [CallState.CURED]
    assert found.posted_satoshi.tolist() == [33_333_333_334]
    assert (found.paid_cents[0], found.sold_satoshi[0]) == (0, 0)
    ratio = bitcoin_ratio(BALANCE, PLEDGED + found.posted_satoshi, 7_500_000)
    assert float(ratio[0]) == pytest.approx(0.57, abs=1e-9)


def test_cured_with_cash_alone() -> None:
    """Or 57e6 - 0.57 x 75e6 = 14.25 million USD of cash."""
    found = one(75_000.0, free_cash=10**12)
    assert found.state.tolist() == [CallState.CURED]
    assert (found.posted_satoshi[0], found.paid_cents[0]) == (0, 1_425_000_000)


def test_sold_where_neither_is_there() -> None:
    """x = 14.25e6 / (75,000 x (0.99 - 0.57)) = 452.38 bitcoin, sold at 74,250."""
    found = one(75_000.0)
    assert found.state.tolist() == [CallState.SOLD]
    assert found.sold_satoshi.tolist() == [45_238_095_239]
    assert found.proceeds_cents.tolist() == [worth(45_238_095_239, 7_425_000)]
    left = BALANCE - int(found.applied_cents[0])
    assert float(bitcoin_ratio(left, PLEDGED - found.sold_satoshi, 7_500_000)[0]) == pytest.approx(
        0.57, abs=1e-9
    )


def test_coins_first_cash_second_sale_for_the_rest() -> None:
    found = one(75_000.0, free_bitcoin=100 * BITCOIN, free_cash=500_000_000)
    assert found.state.tolist() == [CallState.SOLD]
    assert (found.posted_satoshi[0], found.paid_cents[0]) == (100 * BITCOIN, 500_000_000)
    without = one(75_000.0)
    assert 0 < found.sold_satoshi[0] < without.sold_satoshi[0]


def test_beyond_the_liquidation_ratio_there_is_no_cure() -> None:
    """57e6 / (1,000 x 67,000) = 0.851."""
    found = one(67_000.0, free_bitcoin=10**14, free_cash=10**14)
    assert found.state.tolist() == [CallState.LIQUIDATED]
    assert (found.posted_satoshi[0], found.paid_cents[0]) == (0, 0)
    assert found.sold_satoshi[0] > 0
    assert one(67_100.0, free_bitcoin=10**14).state.tolist() == [CallState.CURED]


def test_a_crash_through_the_collateral_leaves_a_claim() -> None:
    found = one(50_000.0)
    assert found.sold_satoshi.tolist() == [PLEDGED]
    assert found.applied_cents.tolist() == [4_950_000_000]
    assert found.uncovered_cents.tolist() == [750_000_000]
    assert found.returned_cents.tolist() == [0]


def test_two_loans_of_one_borrower_share_its_coins() -> None:
    found = margin_calls(
        [1, 0, 1],
        [BALANCE] * 3,
        [PLEDGED] * 3,
        75_000.0,
        [10**12, 40_000_000_000],
        [0, 0],
        TERMS,
    )
    assert found.state.tolist() == [CallState.CURED, CallState.CURED, CallState.SOLD]
    assert found.posted_satoshi.tolist() == [33_333_333_334, 33_333_333_334, 40_000_000_000 - 33_333_333_334]


balances = st.integers(0, 10**14)
coins = st.integers(0, 10**15)
prices = st.floats(100.0, 5_000_000.0)


@given(st.data())
def test_books_of_a_call_close(data: st.DataObject) -> None:
    loans = data.draw(st.integers(1, 5))
    parties = data.draw(st.integers(1, 3))
    debtor = np.array(data.draw(st.lists(st.integers(0, parties - 1), min_size=loans, max_size=loans)))
    pledged = np.array(data.draw(st.lists(st.integers(1, 10**14), min_size=loans, max_size=loans)))
    opening = data.draw(st.sampled_from([0.4, 0.5, 0.57, 0.7]))
    balance = largest_loan(pledged, price_cents(PRICE), opening)
    free_bitcoin = np.array(data.draw(st.lists(st.integers(0, 10**14), min_size=parties, max_size=parties)))
    free_cash = np.array(data.draw(st.lists(st.integers(0, 10**14), min_size=parties, max_size=parties)))
    low = data.draw(st.floats(0.05, 1.2)) * PRICE
    terms = BitcoinTerms(opening=opening, slippage=data.draw(st.sampled_from([0.0, 0.01, 0.1])))
    found = margin_calls(debtor, balance, pledged, low, free_bitcoin, free_cash, terms)

    for column in (
        found.posted_satoshi,
        found.paid_cents,
        found.sold_satoshi,
        found.applied_cents,
        found.returned_cents,
        found.uncovered_cents,
    ):
        assert column.dtype == np.int64
        assert np.all(column >= 0)
    spent = np.bincount(debtor, weights=found.posted_satoshi, minlength=parties)
    assert np.all(spent <= free_bitcoin)
    assert np.all(np.bincount(debtor, weights=found.paid_cents, minlength=parties) <= free_cash)
    assert np.array_equal(found.proceeds_cents, found.applied_cents + found.returned_cents)
    held, owed = (
        pledged + found.posted_satoshi - found.sold_satoshi,
        balance - found.paid_cents - found.applied_cents,
    )
    assert np.all(held >= 0)
    assert np.all(owed >= 0)
    price = int(price_cents(low))
    called = found.state != CallState.QUIET
    assert np.array_equal(called, (balance > 0) & (bitcoin_ratio(balance, pledged, price) > terms.call))
    # A called loan is back at its opening ratio, or nothing is left to sell.
    restored = owed <= largest_loan(held, price, opening) + 2
    assert np.all(restored[called] | (held[called] == 0))
    assert np.all(found.uncovered_cents[found.uncovered_cents > 0] == owed[found.uncovered_cents > 0])
    quiet = ~called
    assert not np.any(found.posted_satoshi[quiet] | found.paid_cents[quiet] | found.sold_satoshi[quiet])


@given(balances, prices, st.floats(0.3, 0.9))
def test_fewest_coins_that_carry_a_balance(balance: int, usd: float, ratio: float) -> None:
    price = int(price_cents(usd))
    needed = int(coins_needed(balance, price, ratio))
    carried = needed * price * ratio / BITCOIN
    assert carried >= balance * (1 - 1e-14) - 1
    assert (needed - 2) * price * ratio / BITCOIN <= balance * (1 + 1e-14)


@given(coins, prices)
def test_worth_is_exact(satoshi: int, usd: float) -> None:
    price = int(price_cents(usd))
    assert int(worth(satoshi, price)) == satoshi * price // BITCOIN


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), max_size=12), st.data())
def test_first_come_is_a_loop(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    free = data.draw(st.lists(st.integers(0, 200), min_size=4, max_size=4))
    left, expected = list(free), []
    for who, need in rows:
        expected.append(min(need, left[who]))
        left[who] -= expected[-1]
    who = np.array([r[0] for r in rows], dtype=np.int64)
    need = np.array([r[1] for r in rows], dtype=np.int64)
    assert first_come(who, need, free).tolist() == expected


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"opening 0\.9 <= call"):
        BitcoinTerms(opening=0.9)
    with pytest.raises(ValueError, match="slippage"):
        BitcoinTerms(slippage=1.0)
    with pytest.raises(ValueError, match="price must be positive"):
        one(0.0)
