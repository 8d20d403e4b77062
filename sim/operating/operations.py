"""Running the fleet for a week: arrivals, failures, revenue, bills and mining."""

import numpy as np

from agents.valuation import running_cost_per_hour
from agents.vocabulary import (
    DAYS_PER_WEEK,
    HOURS_PER_MONTH,
    HOURS_PER_WEEK,
    MONTHS_PER_YEAR,
    N_GENERATIONS,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    SATOSHI,
    WEEKS_PER_YEAR,
    Floats,
    Ints,
    LotStatus,
    PoolKind,
)
from sim.base.randomness import Purpose
from sim.operating import leases
from sim.state import recoveries
from sim.state.ledger import Account
from sim.state.standing import Standing
from sim.state.tenants import earned_rent
from sim.state.world import REST_OF_WORLD, World

# What a company must pay first when cash runs short: without power nothing earns.
BILL_ORDER = (Account.POWER, Account.OPERATING, Account.HOSTING, Account.STORAGE)


def arrive(world: World, week: int) -> None:
    """Start the units that have been installed in halls that have power."""
    pools = world.topology
    lots = world.ledger.lots
    due = (lots.status == LotStatus.IN_TRANSIT) & (lots.arrival <= week)
    due &= pools.pool_kind[lots.pool] != PoolKind.FORWARD
    lots.status[due] = LotStatus.RUNNING
    lots.arrival[due] = 0


def fail(world: World, week: int) -> None:
    """Retire broken nodes and racks for good, at the hazard of `hardware.failure_hazard` a year.

    Failures are drawn per owner and generation in whole sellable units (floor of the expected number plus one
    uniform), so that lots stay integral and a draw never depends on how lots are cut.
    """
    lots = world.ledger.lots
    alive = (lots.status == LotStatus.RUNNING) | (lots.status == LotStatus.IDLE)
    rows = np.flatnonzero(alive)
    if len(rows) == 0:
        return
    unit = PRODUCT_UNIT[lots.product[rows]]
    entity = lots.owner[rows] * N_GENERATIONS + PRODUCT_GENERATION[lots.product[rows]]
    owners, place = np.unique(entity, return_inverse=True)
    units = np.zeros(len(owners), dtype=np.int64)
    np.add.at(units, place, lots.quantity[rows] // unit)
    luck = world.randomness.uniform(Purpose.FAILURE, week, owners)
    hazard = world.parameters.hardware.failure_hazard / WEEKS_PER_YEAR
    broken = np.floor(units * hazard + luck).astype(np.int64)
    before = np.zeros(len(owners), dtype=np.int64)
    lost = np.zeros(len(rows), dtype=np.int64)
    for i in np.flatnonzero(broken[place] > 0):
        take = min(int(broken[place[i]] - before[place[i]]), int(lots.quantity[rows[i]] // unit[i]))
        lost[i] = take * unit[i]
        before[place[i]] += take
    world.ledger.fail(rows, lost)


def operate(world: World, week: int) -> None:
    """Earn rent, mine, and pay the week's bills; a fleet that would lose money on power is switched off."""
    ledger, lots, pools = world.ledger, world.ledger.lots, world.topology
    parameters = world.parameters
    generation = PRODUCT_GENERATION[lots.product]
    watts = world.hardware.unit_watts[generation] / PRODUCT_UNIT[lots.product]
    power_usd = world.drivers.power_usd_per_mwh[week, pools.places.zone[pools.pool_place]] / 1000.0
    cost = running_cost_per_hour(
        watts / 1000.0,
        power_usd[lots.pool],
        pools.pool_pue[lots.pool],
        parameters.hardware.load_factor,
        0.0,
    )
    present = (lots.status == LotStatus.RUNNING) | (lots.status == LotStatus.IDLE)
    operated = world.operated()
    earning, overhead = _earning(world, week, generation)
    pays = earning - overhead > cost
    lots.status[present] = np.where(pays[present], LotStatus.RUNNING, LotStatus.IDLE)
    operated &= pays
    on = (lots.status == LotStatus.RUNNING) | operated
    # What a lender has run for it earns and costs the lender.
    bearer = lots.owner.copy()
    bearer[operated] = ledger.loans.creditor[lots.lien[operated]]

    revenue = np.rint(earning[on] * lots.quantity[on] * HOURS_PER_WEEK * 100).astype(np.int64)
    ledger.pay(REST_OF_WORLD, bearer[on], revenue, Account.COMPUTE_REVENUE)
    hired = operated[on]
    wage = np.floor(revenue[hired] * parameters.lenders.operating_fee).astype(np.int64)
    ledger.pay(bearer[on][hired], lots.liquidator[on][hired], wage, Account.FEE)
    _mine(world, week, power_usd)

    bills = np.zeros((ledger.parties.n, len(Account)), dtype=np.int64)
    _charge(bills, Account.POWER, bearer[on], cost[on] * lots.quantity[on] * HOURS_PER_WEEK)
    _charge(bills, Account.OPERATING, bearer[on], overhead[on] * lots.quantity[on] * HOURS_PER_WEEK)
    standing = present | operated | (lots.status == LotStatus.IN_TRANSIT)
    standing &= (pools.pool_hosting[lots.pool] > 0) | (pools.pool_kind[lots.pool] == PoolKind.PRIVATE)
    kilowatts = watts[standing] * lots.quantity[standing] / 1000.0
    owed = leases.weekly_rent(world, week, bearer[standing], lots.pool[standing], kilowatts)
    np.add.at(bills[:, Account.HOSTING], owed.party, owed.cents)
    stored = (lots.status == LotStatus.INVENTORY) | ((lots.status == LotStatus.FORCED) & ~operated)
    monthly = parameters.freight.storage_usd_per_month * lots.quantity[stored]
    _charge(bills, Account.STORAGE, _keeper(world, stored), monthly * MONTHS_PER_YEAR / WEEKS_PER_YEAR)
    _pay_bills(world, week, bills, owed)
    leases.collect_outside(world, week)
    world.operators.bills_cents = bills.sum(axis=1)

    held = np.flatnonzero(lots.status == LotStatus.FORCED)
    earned = np.zeros(lots.n, dtype=np.int64)
    earned[operated] = revenue[hired]
    spent = np.zeros(lots.n)
    spent[stored] = monthly * MONTHS_PER_YEAR / WEEKS_PER_YEAR
    hosted = pools.pool_hosting[lots.pool] * watts / 1000.0 / HOURS_PER_MONTH
    spent[operated] = ((cost + overhead + hosted) * lots.quantity * HOURS_PER_WEEK)[operated] + wage / 100.0
    recoveries.carried(world, held, earned[held], spent[held])


def _earning(world: World, week: int, generation: Ints) -> tuple[Floats, Floats]:
    """What each lot earns per GPU-hour, and what of it goes into overhead: its contract's rate, or the hour sold on demand."""
    lots, overhead = world.ledger.lots, world.parameters.valuation.overhead
    free = world.rents.spot_usd_per_hour[generation] * world.ledger.parties.utilisation[lots.owner]
    # A lender that has units run sells their hours on demand; without tenants everybody does.
    on_demand = (lots.status == LotStatus.FORCED) | (not world.parameters.credit.tenants)
    contract = np.where(on_demand, -1, lots.contract)
    return earned_rent(world.contracts, week, contract, free, overhead)


def _keeper(world: World, stored: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Ints:
    """Who pays storage: the owner of inventory, the lender of forced lots."""
    lots, loans = world.ledger.lots, world.ledger.loans
    lien = lots.lien[stored]
    forced = (lots.status[stored] == LotStatus.FORCED) & (lien >= 0)
    keeper = lots.owner[stored].copy()
    keeper[forced] = loans.creditor[lien[forced]]
    return keeper


def _charge(
    bills: Ints, account: Account, party: Ints, usd: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> None:
    np.add.at(bills[:, account], party, np.rint(usd * 100).astype(np.int64))


def _pay_bills(world: World, week: int, bills: Ints, owed: leases.Owed) -> None:
    """Pay in `BILL_ORDER` out of cash at hand; slot rent that is short stays owed, the rest is logged and lapses."""
    ledger = world.ledger
    cash = np.maximum(ledger.parties.cash_cents, 0)
    short = np.zeros_like(cash)
    for account in BILL_ORDER:
        due = bills[:, account]
        paid = np.minimum(due, cash)
        if account == Account.HOSTING:
            # What a failed borrower owes its hosts is a claim on its estate.
            paid = np.where(world.credit.standing >= Standing.LIQUIDATION, 0, paid)
            short += leases.pay_rent(world, owed, paid)
        else:
            payer = np.flatnonzero(paid)
            ledger.pay(payer, REST_OF_WORLD, paid[payer], account)
            short += due - paid
        cash -= paid
    for party in np.flatnonzero(short):
        world.log(week, "unpaid_bills", int(party), cents=int(short[party]))


def _mine(world: World, week: int, power_usd: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Mine where hashprice covers power: bitcoin in, power bill out of the proceeds of selling part of it."""
    ledger, pools = world.ledger, world.topology
    miners = world.parameters.miners
    pool = np.flatnonzero(world.capacity.mining_watts > 0)
    if len(pool) == 0:
        return
    hash_rate = world.capacity.mining_watts[pool] / miners.fleet_efficiency_j_per_th / 1000.0
    income = hash_rate * world.drivers.hashprice_usd_per_ph_day[week] * DAYS_PER_WEEK
    drawn = (
        world.capacity.mining_watts[pool] / 1000.0 * power_usd[pool] * HOURS_PER_WEEK * pools.pool_pue[pool]
    )
    on = income > drawn
    if not on.any():
        return
    party = world.slots.holder[pool[on]]
    btc = world.drivers.btc_usd[week]
    satoshi = np.floor(income[on] / btc * SATOSHI).astype(np.int64)
    ledger.mine(party, satoshi)
    # Power is paid from coins sold the same week; the rest is the treasury's decision.
    needed = np.zeros(ledger.parties.n)
    np.add.at(needed, party, drawn[on])
    who = np.flatnonzero(needed)
    coins = np.minimum(np.ceil(needed[who] / btc * SATOSHI), ledger.parties.bitcoin_satoshi[who]).astype(
        np.int64
    )
    ledger.sell_bitcoin(who, coins, btc, REST_OF_WORLD)
    bill = np.minimum(
        np.rint(needed[who] * 100).astype(np.int64), np.maximum(ledger.parties.cash_cents[who], 0)
    )
    ledger.pay(who, REST_OF_WORLD, bill, Account.POWER)
