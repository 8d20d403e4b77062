"""Running the fleet for a week: arrivals, failures, revenue, bills, mining, and debt service once a month."""

import numpy as np

from agents.valuation import running_cost_per_hour
from agents.vocabulary import (
    HOURS_PER_WEEK,
    N_GENERATIONS,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    WEEKS_PER_YEAR,
    Ints,
    LotStatus,
    PoolKind,
)
from sim.ledger import SATOSHI, Account, LoanStatus
from sim.randomness import Purpose
from sim.rounding import largest_remainder
from sim.world import REST_OF_WORLD, World

DAYS_PER_WEEK = 7.0
HOURS_PER_MONTH = 730.0
# What a company must pay first when cash runs short: without power nothing earns.
BILL_ORDER = (Account.POWER, Account.OPERATING, Account.HOSTING, Account.STORAGE)


def arrive(world: World, week: int) -> None:
    """Energise pools that are due and start the units that have been installed."""
    pools = world.topology
    for pool in np.flatnonzero((pools.pool_kind == PoolKind.FORWARD) & (pools.pool_opens_week == week)):
        target = world.pool_at(int(pools.pool_place[pool]), PoolKind.OPEN)
        watts, liquid = int(world.power[pool]), int(world.liquid[pool])
        world.power[pool] -= watts
        world.liquid[pool] -= liquid
        world.power[target] += watts
        world.liquid[target] += liquid
        world.ledger.lots.pool[world.ledger.lots.pool == pool] = target
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
    watts = world.unit_watts[generation] / PRODUCT_UNIT[lots.product]
    power_usd = world.drivers.power_usd_per_mwh[week, pools.places.zone[pools.pool_place]] / 1000.0
    cost = running_cost_per_hour(
        watts / 1000.0,
        power_usd[lots.pool],
        pools.pool_pue[lots.pool],
        parameters.hardware.load_factor,
        0.0,
        parameters.valuation.other_operating_cost,
    )
    earning = world.rent[generation] * ledger.parties.utilisation[lots.owner]
    present = (lots.status == LotStatus.RUNNING) | (lots.status == LotStatus.IDLE)
    lots.status[present & (earning <= cost)] = LotStatus.IDLE
    lots.status[present & (earning > cost)] = LotStatus.RUNNING
    on = lots.status == LotStatus.RUNNING

    revenue = np.rint(earning[on] * lots.quantity[on] * HOURS_PER_WEEK * 100).astype(np.int64)
    ledger.pay(REST_OF_WORLD, lots.owner[on], revenue, Account.COMPUTE_REVENUE)
    _mine(world, week, power_usd)

    bills = np.zeros((ledger.parties.n, len(Account)), dtype=np.int64)
    upkeep = parameters.valuation.other_operating_cost
    _charge(bills, Account.POWER, lots.owner[on], (cost[on] - upkeep) * lots.quantity[on] * HOURS_PER_WEEK)
    _charge(bills, Account.OPERATING, lots.owner[on], upkeep * lots.quantity[on] * HOURS_PER_WEEK)
    standing = (present | (lots.status == LotStatus.IN_TRANSIT)) & (pools.pool_hosting[lots.pool] > 0)
    kilowatts = watts[standing] * lots.quantity[standing] / 1000.0
    fee = pools.pool_hosting[lots.pool[standing]] * kilowatts * HOURS_PER_WEEK / HOURS_PER_MONTH
    _charge(bills, Account.HOSTING, lots.owner[standing], fee)
    stored = (lots.status == LotStatus.INVENTORY) | (lots.status == LotStatus.FORCED)
    monthly = parameters.freight.storage_usd_per_month * lots.quantity[stored]
    _charge(bills, Account.STORAGE, _keeper(world, stored), monthly * 12 / WEEKS_PER_YEAR)
    _pay_bills(world, week, bills, lots.owner[standing], pools.pool_place[lots.pool[standing]], fee)
    world.weekly_bills = bills.sum(axis=1)


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


def _pay_bills(
    world: World,
    week: int,
    bills: Ints,
    hosted: Ints,
    place: Ints,
    fee: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> None:
    """Pay in `BILL_ORDER` out of cash at hand; what cannot be paid is logged and stays unpaid."""
    ledger = world.ledger
    cash = np.maximum(ledger.parties.cash, 0)
    short = np.zeros_like(cash)
    for account in BILL_ORDER:
        due = bills[:, account]
        paid = np.minimum(due, cash)
        cash -= paid
        short += due - paid
        payer = np.flatnonzero(paid)
        if account != Account.HOSTING:
            ledger.pay(payer, REST_OF_WORLD, paid[payer], account)
            continue
        # A place's host is paid in proportion to the fees due to it, to the cent.
        for party in payer:
            mine = hosted == party
            hosts, slot = np.unique(world.host[place[mine]], return_inverse=True)
            weight = np.bincount(slot, weights=fee[mine])
            share = largest_remainder(int(paid[party]), weight)
            ledger.pay(int(party), hosts, share, account)
    for party in np.flatnonzero(short):
        world.log(week, "unpaid_bills", int(party), cents=int(short[party]))


def _mine(world: World, week: int, power_usd: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Mine where hashprice covers power: bitcoin in, power bill out of the proceeds of selling part of it."""
    ledger, pools = world.ledger, world.topology
    miners = world.parameters.miners
    pool = np.flatnonzero(world.mining > 0)
    if len(pool) == 0:
        return
    hash_rate = world.mining[pool] / miners.fleet_efficiency_j_per_th / 1000.0
    income = hash_rate * world.drivers.hashprice_usd_per_ph_day[week] * DAYS_PER_WEEK
    drawn = world.mining[pool] / 1000.0 * power_usd[pool] * HOURS_PER_WEEK * pools.pool_pue[pool]
    on = income > drawn
    if not on.any():
        return
    party = pools.pool_holder[pool[on]]
    btc = world.drivers.btc_usd[week]
    satoshi = np.floor(income[on] / btc * SATOSHI).astype(np.int64)
    ledger.mine(party, satoshi)
    # Power is paid from coins sold the same week; the rest is the treasury's decision.
    needed = np.zeros(ledger.parties.n)
    np.add.at(needed, party, drawn[on])
    who = np.flatnonzero(needed)
    coins = np.minimum(np.ceil(needed[who] / btc * SATOSHI), ledger.parties.bitcoin[who]).astype(np.int64)
    ledger.sell_bitcoin(who, coins, btc, REST_OF_WORLD)
    bill = np.minimum(np.rint(needed[who] * 100).astype(np.int64), np.maximum(ledger.parties.cash[who], 0))
    ledger.pay(who, REST_OF_WORLD, bill, Account.POWER)


def service_debt(world: World, week: int) -> None:
    """Monthly level payments; interest that cannot be paid is added to the balance.

    Interest is rounded to the cent once; the last payment clears the balance exactly. A debtor that cannot pay
    everything pays its loans in order, interest before principal.
    """
    ledger, loans = world.ledger, world.ledger.loans
    live = np.flatnonzero((loans.status <= LoanStatus.ARREARS) & (loans.balance > 0))
    interest = np.rint(loans.balance[live] * loans.rate[live] / 12).astype(np.int64)
    owed = loans.balance[live] + interest
    due = np.where(loans.months_left[live] <= 1, owed, np.minimum(loans.payment[live], owed))
    debtor, creditor = loans.debtor[live], loans.creditor[live]
    paid = _in_order(due, debtor, np.maximum(ledger.parties.cash, 0))
    to_interest = np.minimum(interest, paid)
    to_principal = np.minimum(paid - to_interest, np.maximum(due - interest, 0))
    ledger.pay(debtor, creditor, to_interest, Account.INTEREST)
    ledger.pay(debtor, creditor, to_principal, Account.PRINCIPAL)
    ledger.repay(live, to_principal)
    loans.months_left[live] = np.maximum(loans.months_left[live] - 1, 0)
    short = to_interest + to_principal < due
    ledger.capitalise(live[short], (interest - to_interest)[short])
    loans.status[live] = np.where(short, LoanStatus.ARREARS, LoanStatus.PERFORMING)
    for i in np.flatnonzero(short):
        missing = int(due[i] - to_interest[i] - to_principal[i])
        world.log(week, "missed_payment", int(debtor[i]), counterparty=int(creditor[i]), cents=missing)
    done = live[loans.balance[live] == 0]
    loans.status[done] = LoanStatus.REPAID
    ledger.lots.lien[np.isin(ledger.lots.lien, done)] = -1
    for row in done:
        world.log(week, "loan_repaid", int(loans.debtor[row]), counterparty=int(loans.creditor[row]))


def _in_order(due: Ints, debtor: Ints, cash: Ints) -> Ints:
    """What each payment gets when every debtor pays its own in row order until its cash is gone."""
    order = np.argsort(debtor, kind="stable")
    amount, who = due[order], debtor[order]
    before = np.cumsum(amount) - amount
    first = np.r_[True, who[1:] != who[:-1]] if len(who) else np.zeros(0, dtype=np.bool_)
    before -= np.repeat(before[first], np.diff(np.r_[np.flatnonzero(first), len(who)]))
    paid = np.zeros_like(due)
    paid[order] = np.clip(cash[who] - before, 0, amount)
    return paid
