"""Files of defaulted loans: opened at default, marked every week, fed by sales and income, closed with the loan.

Everything posted here is posted in the ledger too; the loss bridge only says what each cent was (economics.md section 13).
"""

import numpy as np

from agents.vocabulary import (
    HOURS_PER_WEEK,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    Condition,
    Floats,
    Ints,
)
from sim.base.rounding import to_cents
from sim.debt.loss_bridge import Outcome
from sim.state.world import World, cash_cost


def open_files(world: World, week: int, loans: Ints) -> None:
    """Open a file for each loan called this week: balance, collateral, its worth in best use."""
    gpus, value = _collateral(world)
    owed = world.ledger.loans.balance_cents[loans]
    world.bridge.default(week, loans, owed, value[loans], gpus[loans])


def mark_files(world: World) -> None:
    """A week passes over every open file: units that failed, the fall of value, income the week could have earned."""
    bridge = world.bridge
    live = bridge.outcome == Outcome.OPEN
    if not live.any():
        return
    loans = bridge.loan[live]
    gpus, value = _collateral(world)
    failed = bridge.gpus_held[live] - gpus[loans]
    bridge.lose(loans, failed)
    lots = world.ledger.lots
    pledged = lots.lien >= 0
    generation = PRODUCT_GENERATION[lots.product[pledged]]
    usage = world.ledger.parties.utilisation[lots.owner[pledged]]
    hourly = np.maximum(
        (world.rents.contract_usd_per_hour[generation] * usage - cash_cost(world)[generation])
        * (1.0 - world.parameters.valuation.overhead),
        0.0,
    )
    income = np.zeros(world.ledger.loans.n)
    np.add.at(income, lots.lien[pledged], hourly * lots.quantity[pledged] * HOURS_PER_WEEK)
    bridge.mark(loans, value[loans], to_cents(income[loans]))


def _collateral(world: World) -> tuple[Ints, Ints]:
    """GPUs under each loan and their worth in best use if clean, cents; shapes (loans,)."""
    lots, n = world.ledger.lots, world.ledger.loans.n
    pledged = lots.lien >= 0
    gpus, value = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    np.add.at(gpus, lots.lien[pledged], lots.quantity[pledged])
    each = to_cents(world.market.best_use_value_usd)[PRODUCT_GENERATION[lots.product[pledged]]]
    np.add.at(value, lots.lien[pledged], lots.quantity[pledged] * each)
    return gpus, value


def sold(
    world: World,
    loan: int,
    product: int,
    gpus: int,
    price: int,
    costs: int,
    slot: int,
    applied: int,
    rest: int,
) -> None:
    """Enter one sale of collateral; cents per GPU for the price, in total for the others."""
    clean = int(to_cents(world.market.best_use_value_usd[PRODUCT_GENERATION[product]]))
    as_is = PRODUCT_CONDITION[product] == Condition.AS_IS
    factor = world.parameters.hardware.as_is_factor if as_is else 1.0
    first = int(world.market.first_lot_price_cents[product])
    world.bridge.sell(
        [loan],
        [gpus],
        [clean],
        [round(clean * factor)],
        [first if first >= 0 else price],
        [price],
        costs=[costs],
        slot_proceeds=[slot],
        applied=[applied],
        paid_to_others=[rest],
    )


def carried(world: World, lot: Ints, revenue: Ints, cost: Floats) -> None:
    """Enter a week of holding collateral: what it earned for its lender, cents, and what holding it cost, USD, per lot."""
    loans = world.ledger.lots.lien[lot]
    known = (loans >= 0) & world.bridge.is_open(loans)
    world.bridge.operate(loans[known], revenue[known])
    world.bridge.spend(loans[known], to_cents(cost[known]))
