"""New units on their way: a deposit with the order, the rest and the signed loan on delivery, or the order is lost.

Delivery takes a quarter or more. A loan is signed with the order and drawn on delivery whatever happens to lending meanwhile,
unless undrawn lines are ended too (docs/boom.md 6). Who cannot pay, or gives up its orders in distress, loses the deposit.
"""

import numpy as np

from agents.vocabulary import PRODUCT_UNIT, AgentKind, Bools, Ints, LotStatus
from sim.lending import financing
from sim.origination.signed import NOTHING, SignedLoan
from sim.state.ledger import Account
from sim.state.standing import undrawn_open
from sim.state.tenants import end_contracts
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


def place(
    world: World,
    *,
    buyer: int,
    product: int,
    arrival: int,
    gpus: int,
    price: int,
    cost: int,
    contract: int = -1,
    loan: SignedLoan = NOTHING,
) -> None:
    """Order units that are under way: pay the deposit, owe the rest.

    Parameters
    ----------
    product
        What they are once they have come.
    price, cost
        Cents per GPU; cents in total with freight.
    contract
        Compute contract they are bought for, -1 none.
    loan
        Signed for them; without one the buyer takes what is on offer when they come.
    """
    paid = deposit(world, price) * gpus
    world.ledger.pay(buyer, _maker(world), paid, Account.HARDWARE)
    world.ledger.orders.append(
        buyer=buyer,
        product=product,
        arrival=arrival,
        gpus=gpus,
        unpaid_cents=price * gpus - paid,
        cost_cents=cost,
        contract=contract,
        commitment_cents=loan.cents,
        lender=loan.lender,
        tier=loan.tier,
        loan_rate=loan.rate,
        loan_months=loan.months,
    )


def pay_on_delivery(world: World, week: int) -> None:
    """Take delivery of what reaches its dock this week: draw the loan, pay the rest, or lose the order."""
    if not undrawn_open(world.parameters.credit, week):
        _end_undrawn(world, week)
    orders = world.ledger.orders
    lead = int(world.parameters.freight.installation_weeks)
    due = np.flatnonzero(orders.arrival - lead <= week)
    for i in due:
        buyer, unpaid = int(orders.buyer[i]), int(orders.unpaid_cents[i])
        loan = financing.for_order(world, week, int(i))
        if not world.operators.active[buyer] or world.ledger.parties.cash_cents[buyer] + loan.cents < unpaid:
            _lose(world, week, int(i), "not financed")
            continue
        row = financing.draw(world, week, buyer, loan, int(orders.cost_cents[i]), int(orders.contract[i]))
        world.ledger.pay(buyer, _maker(world), unpaid, Account.HARDWARE)
        if row >= 0:
            world.ledger.lots.lien[_lots(world, int(i))] = row
    orders.keep(~np.isin(np.arange(orders.n), due))


def cancel(world: World, week: int, party: int) -> None:
    """Give up all orders of a party; the maker keeps the deposits."""
    orders = world.ledger.orders
    for i in np.flatnonzero(orders.buyer == party):
        _lose(world, week, int(i), "given up")
    orders.keep(orders.buyer != party)


def set_aside(world: World, week: int) -> Ints:
    """Cash each buyer must keep for its deliveries, cents: what is unpaid less the loan it counts on."""
    orders, parties = world.ledger.orders, world.ledger.parties
    kept = np.zeros(parties.n, dtype=np.int64)
    counted = np.where(orders.lender >= 0, orders.commitment_cents, 0)
    np.add.at(kept, orders.buyer, np.maximum(orders.unpaid_cents - counted, 0))
    return kept


def _end_undrawn(world: World, week: int) -> None:
    """Lenders end what is signed and not drawn; the orders stay, to be paid in cash or lost."""
    orders = world.ledger.orders
    for party in np.unique(orders.buyer[orders.commitment_cents > 0]):
        cents = int(orders.commitment_cents[orders.buyer == party].sum())
        world.log(week, "commitment_ended", int(party), cents=cents, detail="undrawn lines are ended")
    orders.commitment_cents[:] = 0


def _lose(world: World, week: int, order: int, why: str) -> None:
    """Take an order's units out of the world again, end its contract, and write it down."""
    orders, contract = world.ledger.orders, int(world.ledger.orders.contract[order])
    for lot in np.flatnonzero(_lots(world, order)):
        world.ledger.cancel_delivery(int(lot))
    if contract >= 0:
        row = np.array([contract])
        world.operators.customer_claims_cents[int(orders.buyer[order])] += round(
            float(world.contracts.unearned_usd(row, week)[0]) * 100
        )
        end_contracts(world.contracts, row, week)
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
    """Rows of the lots of an order: in transit, never in service, unpledged, due the same week for the same contract."""
    lots, orders = world.ledger.lots, world.ledger.orders
    due = orders.arrival[order]
    same = (lots.owner == orders.buyer[order]) & (lots.product == orders.product[order])
    same &= (lots.arrival == due) & (lots.vintage == due) & (lots.lien < 0)
    same &= lots.contract == orders.contract[order]
    return np.asarray(same & (lots.status == LotStatus.IN_TRANSIT) & (lots.quantity > 0))


def _maker(world: World) -> int:
    return int(world.rows(AgentKind.MANUFACTURER)[0])
