"""What the intents of a user's own rule must satisfy before they reach the market; shipped rules are not checked.

A rule is code from outside: it is checked as a file would be, so that a wrong one ends the run and says why.
"""

from dataclasses import fields

import numpy as np

from agents.view import View
from agents.vocabulary import (
    N_PRODUCTS,
    PRODUCT_UNIT,
    AgentKind,
    BuyIntents,
    Intents,
    Ints,
    QuantityCap,
    ScrapOrders,
    SellOrders,
    product_name,
)

INTEGERS, FLOATS, FLAGS = "iu", "f", "b"
KINDS = {"margin": FLOATS, "forced": FLAGS}
WORDS = {INTEGERS: "whole numbers", FLOATS: "numbers with decimals", FLAGS: "true or false"}


class IntentError(ValueError):
    """What a rule returned cannot be carried out; the message is one line and names the type and the field."""


def check(who: str, intents: object, view: View, rows: Ints) -> Intents:
    """The intents, if they can be carried out.

    Parameters
    ----------
    who
        Type of the agents, for the message.
    view
        What the rule was shown.
    rows : int64 array
        Agents it was asked for.

    Raises
    ------
    IntentError
        For anything but `Intents`, arrays of other types or lengths, orders of others, pools that are not known, numbers out of
        range, or more promised than there is.
    """
    if not isinstance(intents, Intents):
        raise IntentError(
            f"{who}: the rule returned {type(intents).__name__}; return firesale.Intents(buy=...)"
        )
    for table in fields(Intents):
        _check_table(f"{who}: {table.name}", getattr(intents, table.name), rows)
    _check_bids(f"{who}: buy", intents.buy, view)
    _check_owned(f"{who}: sell", intents.sell, view)
    _check_owned(f"{who}: scrap", intents.scrap, view)
    for name in ("treasury", "convert"):
        table = getattr(intents, name)
        for column in fields(table):
            values = getattr(table, column.name)
            _require(f"{who}: {name}.{column.name}", values >= 0, values, "0 or more")
    return intents


def _check_table(where: str, table: object, rows: Ints) -> None:
    """Columns are arrays of one length and their declared type, and orders are the agents' own."""
    lengths = {}
    for column in fields(table):  # type: ignore[arg-type]  # every table of intents is a dataclass
        values, kind = getattr(table, column.name), KINDS.get(column.name, INTEGERS)
        if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in kind:
            found = (
                f"{values.dtype} of shape {values.shape}"
                if isinstance(values, np.ndarray)
                else type(values).__name__
            )
            raise IntentError(f"{where}.{column.name}: a flat array of {WORDS[kind]} is needed, got {found}")
        lengths[column.name] = len(values)
    if len(set(lengths.values())) > 1:
        raise IntentError(f"{where}: columns differ in length: {lengths}")
    strangers = np.setdiff1d(table.party, rows)  # type: ignore[attr-defined]
    if len(strangers):
        raise IntentError(f"{where}.party: row {int(strangers[0])} is not one of the agents that were asked")


def _require(
    where: str, rule: np.ndarray[tuple[int], np.dtype[np.bool_]], values: object, allowed: str
) -> None:
    """Every entry satisfies a rule."""
    if not rule.all():
        first = int(np.flatnonzero(~rule)[0])
        raise IntentError(f"{where}[{first}] = {values[first]}; {allowed}")  # type: ignore[index]


def _check_bids(where: str, buy: BuyIntents, view: View) -> None:
    """Bids are for known pools and whole units, at sane values, with no more cash than there is."""
    pools = len(view.pools.kind)
    known = set(zip(view.known.party.tolist(), view.known.pool.tolist(), strict=True))
    pairs = zip(buy.party.tolist(), buy.pool.tolist(), strict=True)
    _require(f"{where}.pool", (buy.pool >= 0) & (buy.pool < pools), buy.pool, f"pools are 0 to {pools - 1}")
    mine = np.array([pair in known for pair in pairs], dtype=np.bool_)
    _require(
        f"{where}.pool", mine, buy.pool, "the agent does not know this pool; view.known says which it does"
    )
    _check_products(where, buy.product, buy.wanted, "wanted")
    _require(f"{where}.value_cents", buy.value_cents >= 0, buy.value_cents, "cents per GPU, 0 or more")
    _require(f"{where}.margin", (buy.margin >= 0) & (buy.margin < 1), buy.margin, "a share, 0 to below 1")
    _require(f"{where}.cash_cents", buy.cash_cents >= 0, buy.cash_cents, "cents, 0 or more")
    _require(f"{where}.delay_cents", buy.delay_cents >= 0, buy.delay_cents, "cents per GPU, 0 or more")
    _require(f"{where}.cap", np.isin(buy.cap, list(QuantityCap)), buy.cap, "one of firesale.QuantityCap")
    promised = np.zeros(len(view.parties.cash_cents), dtype=np.float64)
    np.add.at(promised, buy.party, buy.cash_cents)
    limit = view.parties.cash_cents.astype(np.float64) + view.credit.line_cents
    # Shares of a sum are floats, which for the largest sums are good to some cents.
    over = np.flatnonzero(promised > limit * (1.0 + 1e-12))
    if len(over):
        row = int(over[0])
        raise IntentError(
            f"{where}.cash_cents: row {row} promises {promised[row] / 100:,.2f} USD and has {limit[row] / 100:,.2f}; "
            "firesale.bids shares cash out between bids"
        )


def _check_products(where: str, product: Ints, quantity: Ints, name: str) -> None:
    """Products there are, in whole sellable units."""
    rule = (product >= 0) & (product < N_PRODUCTS)
    _require(f"{where}.product", rule, product, f"product classes are 0 to {N_PRODUCTS - 1}")
    whole = (quantity >= 0) & (quantity % PRODUCT_UNIT[product] == 0)
    _require(f"{where}.{name}", whole, quantity, "GPUs in whole units (nodes of 8, racks of 72), 0 or more")


def _check_owned(where: str, orders: SellOrders | ScrapOrders, view: View) -> None:
    """No more is given away than the agent has there; mandates are checked by the engine, a manufacturer makes its own."""
    own = view.parties.kind[orders.party] != AgentKind.MANUFACTURER
    if isinstance(orders, SellOrders):
        own &= ~orders.forced
    party, pool, product = orders.party[own], orders.pool[own], orders.product[own]
    rule = (orders.product >= 0) & (orders.product < N_PRODUCTS)
    _require(f"{where}.product", rule, orders.product, f"product classes are 0 to {N_PRODUCTS - 1}")
    _require(f"{where}.quantity", orders.quantity >= 0, orders.quantity, "GPUs, 0 or more")
    if isinstance(orders, SellOrders):
        _require(
            f"{where}.reserve_cents",
            orders.reserve_cents >= 0,
            orders.reserve_cents,
            "cents per GPU, 0 or more",
        )
    lots = view.lots
    for row, place, item in set(zip(party.tolist(), pool.tolist(), product.tolist(), strict=True)):
        here = (party == row) & (pool == place) & (product == item)
        there = (lots.owner == row) & (lots.pool == place) & (lots.product == item)
        offered, has = int(orders.quantity[own][here].sum()), int(lots.quantity[there].sum())
        if offered > has:
            what = f"{offered:,} {product_name(item)} in pool {place}"
            raise IntentError(f"{where}.quantity: row {row} gives {what} and has {has:,}")
