"""New units on their way: a deposit with the order, the rest and the loan on delivery, or the order is lost.

Delivery takes a quarter or more, and the facility that was to pay for it may be closed by then: that is the funding cliff of a
delayed-draw loan (contracts.md 4.3). Who cannot pay, or gives up its orders in distress, loses the deposit (economics.md 9).
"""

import numpy as np

from agents.vocabulary import PRODUCT_UNIT, AgentKind, Bools, Ints, LotStatus
from sim.lending import financing
from sim.state.ledger import Account
from sim.state.world import World


def deposit(world: World, price: int) -> int:
    """Deposit on a GPU of this price, both cents per GPU."""
    return round(price * world.parameters.credit.order_deposit)


def covered(world: World, week: int, buyer: int, product: int, gpus: int, due: int) -> int:
    """GPUs of an order, in whole units, whose `due` cents per GPU the buyer's cash pays now; the rest is not ordered.

    The loan comes with the units, a quarter or more from now: deposit, freight and slot premium are due in cash. A bid is
    made within cash and loan together, so that it can promise more than the cash that is due at once.
    """
    cash, unit = max(int(world.ledger.parties.cash_cents[buyer]), 0), int(PRODUCT_UNIT[product])
    most = min(gpus, cash // max(due, 1) // unit * unit)
    if most < gpus:
        world.log(
            week,
            "order_cut",
            buyer,
            counterparty=_maker(world),
            product=product,
            quantity=gpus - most,
            cents=due * (gpus - most),
            detail="cash is short of deposit, freight and slot premium",
        )
    return most


def place(world: World, lot: int, buyer: int, price: int, cost: int) -> None:
    """Order the units of a lot: pay the deposit, owe the rest. ``price`` in cents per GPU, ``cost`` in total with freight."""
    lots, ledger = world.ledger.lots, world.ledger
    gpus = int(lots.quantity[lot])
    paid = deposit(world, price) * gpus
    ledger.pay(buyer, _maker(world), paid, Account.HARDWARE)
    ledger.orders.append(
        buyer=buyer,
        product=int(lots.product[lot]),
        arrival=int(lots.arrival[lot]),
        gpus=gpus,
        unpaid_cents=price * gpus - paid,
        cost_cents=cost,
    )


def pay_on_delivery(world: World, week: int) -> None:
    """Take delivery of what reaches its dock this week: draw the loan, pay the rest, or lose the order."""
    orders = world.ledger.orders
    lead = int(world.parameters.freight.installation_weeks)
    due = np.flatnonzero(orders.arrival - lead <= week)
    for i in due:
        buyer, cost, unpaid = int(orders.buyer[i]), int(orders.cost_cents[i]), int(orders.unpaid_cents[i])
        loan = financing.offer(world, week, buyer, cost, is_new=True)
        if not world.operators.active[buyer] or world.ledger.parties.cash_cents[buyer] + loan < unpaid:
            _lose(world, week, int(i), "not financed")
            continue
        row = financing.draw(world, week, buyer, loan, cost)
        world.ledger.pay(buyer, _maker(world), unpaid, Account.HARDWARE)
        if row >= 0:
            world.ledger.lots.lien[_lots(world, int(i))] = row
    orders.keep(~np.isin(np.arange(orders.n), due))


def cancel(world: World, week: int, party: int) -> None:
    """Give up all orders of a party; the maker keeps the deposits."""
    orders = world.ledger.orders
    mine = np.flatnonzero(orders.buyer == party)
    for i in mine:
        _lose(world, week, int(i), "given up")
    orders.keep(orders.buyer != party)


def set_aside(world: World, week: int) -> Ints:
    """Cash each buyer must keep for its deliveries, cents: what is unpaid less the loan it counts on today."""
    orders, parties = world.ledger.orders, world.ledger.parties
    unpaid, cost = np.zeros(parties.n, dtype=np.int64), np.zeros(parties.n, dtype=np.int64)
    np.add.at(unpaid, orders.buyer, orders.unpaid_cents)
    np.add.at(cost, orders.buyer, orders.cost_cents)
    advance = np.where(world.credit.line_cents > 0, financing.advance(world, week, is_new=True), 0.0)
    counted = np.minimum(np.floor(advance * cost).astype(np.int64), world.credit.line_cents)
    return np.asarray(np.maximum(unpaid - counted, 0))


def _lose(world: World, week: int, order: int, why: str) -> None:
    """Take an order's units out of the world again and write it down."""
    orders = world.ledger.orders
    for lot in np.flatnonzero(_lots(world, order)):
        world.ledger.cancel_delivery(int(lot))
    world.log(
        week,
        "order_cancelled",
        int(orders.buyer[order]),
        counterparty=_maker(world),
        product=int(orders.product[order]),
        quantity=int(orders.gpus[order]),
        cents=int(orders.unpaid_cents[order]),
        detail=why,
    )


def _lots(world: World, order: int) -> Bools:
    """Rows of the lots of an order: in transit, never in service, unpledged, due the same week."""
    lots, orders = world.ledger.lots, world.ledger.orders
    due = orders.arrival[order]
    same = (lots.owner == orders.buyer[order]) & (lots.product == orders.product[order])
    same &= (lots.arrival == due) & (lots.vintage == due) & (lots.lien < 0)
    return np.asarray(same & (lots.status == LotStatus.IN_TRANSIT) & (lots.quantity > 0))


def _maker(world: World) -> int:
    return int(world.rows(AgentKind.MANUFACTURER)[0])
