"""A chosen borrower's collateral comes to market: acceleration, possession, mandate.

Here the default is an input (`forced_sale.week`), for questions about the market alone; defaults that arise from credit are in
`sim/lending/workout.py`. The borrower's loans are accelerated, the lender takes possession at once, and the lots go to
liquidators who must sell by the deadline.
"""

import numpy as np

from agents.vocabulary import (
    PRODUCT_LIQUID,
    AgentKind,
    LotStatus,
    PoolKind,
)
from sim.state import recoveries
from sim.state.ledger import LoanStatus
from sim.state.standing import Standing
from sim.state.world import World

BORROWER = "borrower"


def awaits_decree(world: World, party: int, week: int) -> bool:
    """Whether a party's collateral is still to be sold by decree: until then its loan stands as it was drawn."""
    sale = world.parameters.forced_sale
    return sale.enabled and week < sale.week and world.ledger.parties.name[party] == BORROWER


def accelerate(world: World, week: int) -> None:
    """In the chosen week, call the borrower's loans and hand the collateral to the liquidators."""
    sale = world.parameters.forced_sale
    if not sale.enabled or week != sale.week:
        return
    borrower = world.ledger.parties.name.index(BORROWER)
    world.operators.active[borrower] = False
    lots, loans = world.ledger.lots, world.ledger.loans
    seized = np.flatnonzero((lots.owner == borrower) & (lots.lien >= 0) & (lots.status != LotStatus.FORCED))
    world.credit.cause[borrower] = "scenario"
    world.credit.move(borrower, Standing.LIQUIDATION)
    world.log(week, "default", borrower, cents=int(world.ledger.debt_cents()[borrower]), detail="scenario")
    for loan in np.unique(lots.lien[seized]):
        loans.status[loan] = LoanStatus.ACCELERATED
        world.log(
            week,
            "acceleration",
            borrower,
            counterparty=int(loans.creditor[loan]),
            cents=int(loans.balance_cents[loan]),
        )
    called = np.unique(lots.lien[seized])
    recoveries.open_files(world, week, called[~world.bridge.is_open(called)])
    agents = world.rows(AgentKind.LIQUIDATOR)
    for number, lot in enumerate(seized):
        take_possession(world, int(lot), int(agents[number % len(agents)]), week + int(sale.deadline_weeks))
    for place in np.unique(world.topology.pool_place[lots.pool[seized]]):
        world.slots.assignable[place] = bool(sale.in_place)
    total = int(lots.quantity[seized].sum())
    world.log(
        week, "possession", borrower, quantity=total, detail="in place" if sale.in_place else "to be moved"
    )


def take_possession(world: World, lot: int, agent: int, deadline: int) -> None:
    """Put one lot under a mandate; the slots it stands in become part of the place's in-place pool."""
    lots = world.ledger.lots
    source = int(lots.pool[lot])
    target = world.pool_at(int(world.topology.pool_place[source]), PoolKind.IN_PLACE)
    watts = int(world.lot_watts()[lot])
    needs_liquid = bool(PRODUCT_LIQUID[lots.product[lot]])
    if source != target:
        world.capacity.move(source, target, watts, watts if needs_liquid else 0)
    lots.pool[lot] = target
    lots.status[lot] = LotStatus.FORCED
    lots.liquidator[lot] = agent
    lots.deadline[lot] = deadline
    lots.contract[lot] = -1
