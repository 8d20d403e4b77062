"""Loans against bitcoin: tested on the weekly low, called, cured with coins or cash, or sold out (contracts.md 4.6).

Amounts are int64: cents of debt, satoshi of collateral, cents per whole bitcoin. A margin call and its cure take a day or
two, so both lie inside one week and the price is the week's low. One tick: at or below the call ratio nothing happens;
above it the borrower restores the opening ratio with free coins, then cash; what it cannot restore, or
everything at once above the liquidation ratio, the lender does by selling coins at the low less slippage.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import SATOSHI, Floats, Ints
from sim.base.amounts import whole
from sim.base.rounding import to_cents


class CallState(IntEnum):
    """What the week did to a loan."""

    QUIET = 0
    CURED = 1  # called, and the borrower restored the opening ratio
    SOLD = 2  # called, and the lender sold coins for what the borrower did not restore
    LIQUIDATED = 3  # beyond the liquidation ratio: sold without a chance to cure


@dataclass(frozen=True, slots=True)
class BitcoinTerms:
    """Loan-to-value ratios, per loan or one for all, and the share of the price lost in a lender's sale."""

    opening: ArrayLike = 0.57
    call: ArrayLike = 0.75
    liquidation: ArrayLike = 0.85
    slippage: ArrayLike = 0.01

    def __post_init__(self) -> None:
        ratios = [np.asarray(x, float) for x in (self.opening, self.call, self.liquidation)]
        if not np.all((ratios[0] > 0) & (ratios[0] <= ratios[1]) & (ratios[1] <= ratios[2])):
            raise ValueError(
                f"bitcoin loan: opening {self.opening} <= call {self.call} <= liquidation {self.liquidation} "
                "must hold, all above 0"
            )
        lost = np.asarray(self.slippage, float)
        if not np.all((lost >= 0) & (lost < 1)):
            raise ValueError(f"bitcoin loan: slippage {self.slippage} must lie in 0 to 1")


@dataclass(frozen=True, slots=True)
class MarginCalls:
    """What each loan of a week posts; all (loans,) int64."""

    state: Ints  # CallState
    posted_satoshi: Ints  # satoshi, borrower to collateral
    paid_cents: Ints  # cents, borrower to lender, principal
    sold_satoshi: Ints  # satoshi sold by the lender
    proceeds_cents: Ints  # cents; applied + returned
    applied_cents: Ints  # cents off the balance
    returned_cents: Ints  # cents to the borrower
    uncovered_cents: Ints  # cents of balance left when the last coin is gone


def price_cents(usd: ArrayLike) -> Ints:
    """Cents per whole bitcoin."""
    return to_cents(usd)


def worth(satoshi: ArrayLike, cents_per_bitcoin: ArrayLike) -> Ints:
    """Worth of coins in whole cents, rounded down, exact for every amount that can exist.

    >>> int(worth(2_100_000_000_000_000, 8_114_300)), int(worth(1, 8_114_300))
    (170400300000000, 0)
    """
    coins, price = whole(satoshi, "satoshi"), whole(cents_per_bitcoin, "price")
    # Whole bitcoin and the rest apart: the product of both could pass 2^63.
    return np.asarray(coins // SATOSHI * price + coins % SATOSHI * price // SATOSHI)


def bitcoin_ratio(balance: ArrayLike, pledged: ArrayLike, cents_per_bitcoin: ArrayLike) -> Floats:
    """Balance over the worth of the coins; infinite without coins, 0 without debt."""
    owed = np.asarray(whole(balance, "balance"), float)
    held = np.asarray(worth(pledged, cents_per_bitcoin), float)
    bare = np.where(owed > 0, np.inf, 0.0)
    return np.asarray(np.where(held > 0, owed / np.where(held > 0, held, 1.0), bare))


def coins_needed(balance: ArrayLike, cents_per_bitcoin: ArrayLike, ratio: ArrayLike) -> Ints:
    """Fewest satoshi that carry a balance at a loan-to-value ratio.

    >>> int(coins_needed(57_000_000, 10_000_000, 0.57))
    1000000000
    """
    owed, price = whole(balance, "balance"), whole(cents_per_bitcoin, "price")
    exact = owed * (SATOSHI / (np.asarray(ratio, float) * price))
    # A relative error of 1e-15 must not round a whole number up.
    return np.asarray(np.ceil(exact * (1.0 - 4e-16) - 1e-6).astype(np.int64))


def largest_loan(pledged: ArrayLike, cents_per_bitcoin: ArrayLike, ratio: ArrayLike) -> Ints:
    """Largest balance coins carry at a ratio, cents."""
    return np.asarray(
        np.floor(np.asarray(ratio, float) * worth(pledged, cents_per_bitcoin) + 1e-6).astype(np.int64)
    )


def margin_calls(
    debtor: ArrayLike,
    balance: ArrayLike,
    pledged: ArrayLike,
    low_usd: float,
    free_bitcoin: ArrayLike,
    free_cash: ArrayLike,
    terms: BitcoinTerms,
) -> MarginCalls:
    """Test every loan at the week's low and settle what follows.

    Parameters
    ----------
    debtor, balance, pledged
        (loans,) party row, cents owed, satoshi held as collateral.
    low_usd
        Low of the week, USD per bitcoin.
    free_bitcoin, free_cash
        (parties,) satoshi and cents the borrowers may use; loans of one borrower draw on them in row order.
    terms
        Ratios and slippage.

    Returns
    -------
    MarginCalls
        The caller posts it: collateral ``+ posted - sold``, balance ``- paid - applied``. Afterwards a called loan
        stands at the opening ratio to within two cents, or its last coin is sold.

    Notes
    -----
    Sale: ``x = (B - LTV0 q P) / (P (1 - slip - LTV0))`` bitcoin, all of them where that has no positive answer.
    """
    who, owed, held = whole(debtor, "debtor"), whole(balance, "balance"), whole(pledged, "pledged")
    price = int(price_cents(low_usd))
    if price <= 0:
        raise ValueError(f"bitcoin low of {low_usd} USD: the price must be positive")
    opening = np.broadcast_to(np.asarray(terms.opening, float), owed.shape)
    ratio = bitcoin_ratio(owed, held, price)
    called = (owed > 0) & (ratio > np.asarray(terms.call, float))
    at_once = called & (ratio > np.asarray(terms.liquidation, float))
    curing = called & ~at_once

    missing = np.where(curing, np.maximum(coins_needed(owed, price, opening) - held, 0), 0)
    posted = first_come(who, missing, free_bitcoin)
    gap = np.where(curing, np.maximum(owed - largest_loan(held + posted, price, opening), 0), 0)
    # Coins that restore the ratio leave a gap of rounding only; it is not asked for in cash.
    gap = np.where(posted == missing, 0, gap)
    paid = first_come(who, gap, free_cash)
    short = at_once | (curing & (posted < missing) & (paid < gap))
    state = np.where(curing, CallState.CURED, CallState.QUIET)
    state = np.where(short, np.where(at_once, CallState.LIQUIDATED, CallState.SOLD), state)
    return _sell_out(state, posted, paid, owed - paid, held + posted, price, opening, terms)


def _sell_out(
    state: Ints,
    posted: Ints,
    paid: Ints,
    owed: Ints,
    held: Ints,
    price: int,
    opening: Floats,
    terms: BitcoinTerms,
) -> MarginCalls:
    """The lender sells coins of every loan its borrower did not cure; `owed` and `held` are after posting and paying."""
    selling = state >= CallState.SOLD
    net_price = np.asarray(np.floor(price * (1.0 - np.asarray(terms.slippage, float)) + 1e-6), dtype=np.int64)
    sold = np.where(selling, _coins_to_sell(owed, held, price, net_price, opening), 0)
    proceeds = worth(sold, net_price)
    applied = np.minimum(proceeds, owed)
    return MarginCalls(
        state=np.asarray(state, dtype=np.int64),
        posted_satoshi=posted,
        paid_cents=paid,
        sold_satoshi=np.asarray(sold),
        proceeds_cents=proceeds,
        applied_cents=np.asarray(applied),
        returned_cents=np.asarray(proceeds - applied),
        uncovered_cents=np.asarray(np.where(selling & (sold == held), owed - applied, 0)),
    )


def _coins_to_sell(owed: Ints, held: Ints, price: int, net_price: Ints, opening: Floats) -> Ints:
    """Satoshi whose sale brings the balance back to the opening ratio, at most all of them."""
    excess = owed - opening * worth(held, price)
    per_bitcoin = net_price - opening * price
    can = per_bitcoin > 0
    wanted = np.ceil(np.maximum(excess, 0.0) * (SATOSHI / np.where(can, per_bitcoin, 1.0)))
    wanted = np.where(can, np.minimum(wanted, held), held)
    return np.asarray(wanted, dtype=np.int64)


def first_come(party: ArrayLike, need: ArrayLike, free: ArrayLike) -> Ints:
    """Serve needs out of what each party has free, in row order.

    >>> first_come([1, 1, 0], [5, 5, 5], [9, 7]).tolist()
    [5, 2, 5]
    """
    who, asked = whole(party, "party"), whole(need, "need")
    available = np.maximum(whole(free, "free"), 0)
    order = np.argsort(who, kind="stable")
    running = np.cumsum(asked[order])
    ranked = who[order]
    exclusive = running - asked[order]
    # What other parties' rows came to before a party's first row.
    before = exclusive - exclusive[np.searchsorted(ranked, ranked, side="left")]
    served = np.empty_like(asked)
    served[order] = np.clip(available[ranked] - before, 0, asked[order])
    return served
