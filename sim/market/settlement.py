"""Settlement: cash against title, liens, slots and shipping, for every trade of the week.

The buyer pays the price at the seller's pool, the freight to the carrier, and, where the slot is not its own, the
scarcity rent of the slot to whoever holds it (economics.md section 8). Title moves lot by lot; a lien is
released by the payment. Proceeds of forced lots go through the lender: fee, enforcement cost, balance, surplus.
"""

import numpy as np

from agents.vocabulary import (
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    AgentKind,
    Condition,
    Ints,
    LotStatus,
    PoolKind,
    ScrapOrders,
    product_of,
)
from sim.base.rounding import to_cents
from sim.debt.waterfall import sale_proceeds
from sim.lending import orders
from sim.lending.financing import finance
from sim.market.market import MarketResult
from sim.state import recoveries
from sim.state.capacity import Load
from sim.state.ledger import Account, Lots
from sim.state.standing import Plan
from sim.state.world import REST_OF_WORLD, World


def settle(world: World, week: int, result: MarketResult) -> Ints:
    """Execute the trades; returns the GPUs of each that were sold, (trades,).

    An order of new units that its buyer's cash does not reach waits until all else is settled, for sales bring cash in; then
    no more is ordered than cash pays for.
    """
    trades, sold = result.trades, result.trades.quantity.copy()
    world.market.sold_age_weeks = np.full(trades.n, np.nan)
    premiums = slot_premiums(world, result)
    new = PRODUCT_CONDITION[trades.product] == Condition.NEW
    late: list[tuple[int, int, int]] = []
    for i in range(trades.n):
        gpus = int(trades.quantity[i])
        if new[i]:
            buyer = int(result.orders.buy.party[trades.buy[i]])
            due = orders.deposit(world, int(trades.price_cents[i]))
            due += int(trades.freight_cents[i] + premiums[i])
            if due * gpus > world.ledger.parties.cash_cents[buyer]:
                late.append((i, buyer, due))
                continue
        _execute(world, week, result, i, gpus, int(premiums[i]))
    for i, buyer, due in late:
        sold[i] = orders.covered(world, week, buyer, int(trades.product[i]), int(trades.quantity[i]), due)
        if sold[i]:
            _execute(world, week, result, i, int(sold[i]), int(premiums[i]))
    world.market.sold_age_weeks = world.market.sold_age_weeks[sold > 0]
    return sold


def _execute(world: World, week: int, result: MarketResult, trade: int, quantity: int, rent: int) -> None:
    """Execute one trade for so many GPUs, ``rent`` cents each for the slot."""
    trades, first = result.trades, world.topology.places.n
    sell_row, buy_row = int(trades.sell[trade]), int(trades.buy[trade])
    seller, buyer = int(result.orders.sell.party[sell_row]), int(result.orders.buy.party[buy_row])
    source, target = int(trades.seller_node[trade]) - first, int(trades.buyer_node[trade]) - first
    product, price, freight = (
        int(column[trade]) for column in (trades.product, trades.price_cents, trades.freight_cents)
    )
    is_forced = bool(result.orders.sell.forced[sell_row])
    is_new = bool(PRODUCT_CONDITION[product] == Condition.NEW)
    weeks = _delivery_weeks(world, source, target, product)
    pool = _take_slot(world, week, buyer, source, target, product, quantity)
    cost = (price + freight + rent) * quantity
    loan = -1 if is_new else finance(world, week, buyer, cost)
    in_place = is_forced and source == target
    slot = rent if in_place else 0
    picked = _pick(world, seller, source, product, quantity, is_forced, week)
    lots = world.ledger.lots
    # Units on their way have not begun to age.
    age = np.maximum(week - lots.vintage[picked], 0)
    world.market.sold_age_weeks[trade] = np.average(age, weights=lots.quantity[picked])
    for lot in picked:
        _transfer(world, week, lot, seller, buyer, pool, week + weeks, price, is_forced, slot)
        world.ledger.lots.lien[lot] = loan
        amount = int(world.ledger.lots.quantity[lot])
        if is_new:
            lots = world.ledger.lots
            orders.place(
                world,
                buyer=buyer,
                product=int(lots.product[lot]),
                arrival=int(lots.arrival[lot]),
                gpus=amount,
                price=price,
                cost=cost * amount // quantity,
            )
        world.ledger.pay(buyer, REST_OF_WORLD, freight * amount, Account.FREIGHT)
    if rent and not in_place:
        host = int(world.slots.host[world.topology.pool_place[target]])
        world.ledger.pay(buyer, host, rent * quantity, Account.SLOT_PREMIUM)
    world.log_sale(week, "sale", seller, buyer, product, quantity, price)


def slot_premiums(world: World, result: MarketResult) -> Ints:
    """Scarcity rent a buyer actually pays for the slot, cents per GPU of each trade: nothing in its own halls."""
    trades, clearing = result.trades, result.clearing
    kind = world.topology.pool_kind[trades.buyer_node - result.venue.first_node]
    leased = np.isin(kind, (PoolKind.OPEN, PoolKind.IN_PLACE, PoolKind.FORWARD))
    cooling = np.where(PRODUCT_LIQUID[trades.product], clearing.cooling_rent[trades.buyer_node], 0.0)
    per_watt = clearing.power_rent[trades.buyer_node] + cooling
    watts = world.hardware.unit_watts[PRODUCT_GENERATION[trades.product]]
    per_gpu = per_watt * watts / PRODUCT_UNIT[trades.product]
    return np.where(leased, per_gpu, 0.0).astype(np.int64)


def _delivery_weeks(world: World, source: int, target: int, product: int) -> int:
    """Weeks from sale to first service: transit and re-installation, or `in_place_weeks` where it stands."""
    freight = world.parameters.freight
    if source == target:
        return freight.in_place_weeks
    places = world.topology.pool_place
    transit = int(world.topology.transit_weeks(int(places[source]), int(places[target])))
    weeks = transit + int(freight.installation_weeks)
    kind = world.topology.pool_kind[target]
    if kind == PoolKind.WAREHOUSE:
        weeks = transit
    elif kind == PoolKind.DISPLACED:
        weeks += int(world.parameters.site.retrofit_lead_weeks)
    if PRODUCT_CONDITION[product] == Condition.NEW:
        weeks += int(world.parameters.manufacturer.lead_weeks)
    return weeks


def _take_slot(
    world: World, week: int, buyer: int, source: int, target: int, product: int, quantity: int
) -> int:
    """Move the capacity the trade needs and return the pool in which the units will stand."""
    place = int(world.topology.pool_place[target])
    watts = (
        quantity // int(PRODUCT_UNIT[product]) * int(world.hardware.unit_watts[PRODUCT_GENERATION[product]])
    )
    liquid = watts if PRODUCT_LIQUID[product] else 0
    if source != target and world.topology.pool_kind[source] == PoolKind.IN_PLACE:
        vacate(world, source, watts, liquid)
    kind = world.topology.pool_kind[target]
    if kind == PoolKind.IN_PLACE:
        vacate(world, target, watts, liquid)
        return world.pool_at(place, PoolKind.OPEN)
    if kind == PoolKind.DISPLACED:
        home = world.pool_at(place, PoolKind.PRIVATE, buyer)
        world.capacity.move(target, home, watts, liquid, load=Load.MINING)
        cost = round(float(world.parameters.site.retrofit_capex_usd_per_kw) * watts / 1000 * 100)
        world.ledger.pay(buyer, REST_OF_WORLD, cost, Account.RETROFIT)
        world.log(week, "retrofit", buyer, quantity=quantity, cents=cost)
        return home
    return target


def vacate(world: World, pool: int, watts: int, liquid: int) -> None:
    """Hand slots that a forced lot leaves back to the host's open pool."""
    place = int(world.topology.pool_place[pool])
    world.capacity.move(pool, world.pool_at(place, PoolKind.OPEN), watts, liquid)


def _pick(
    world: World, seller: int, pool: int, product: int, quantity: int, is_forced: bool, week: int
) -> list[int]:
    """Rows of the lots the seller delivers, cut so that they add up to `quantity`."""
    ledger, lots = world.ledger, world.ledger.lots
    if world.ledger.parties.kind[seller] == AgentKind.MANUFACTURER:
        fresh = {
            name: np.array([-1], dtype=np.int64) for name in ("lien", "liquidator", "deadline", "contract")
        }
        ledger.deliver(
            Lots(
                product=np.array([product]),
                vintage=np.array([week]),
                quantity=np.array([quantity]),
                pool=np.array([pool]),
                owner=np.array([seller]),
                status=np.array([int(LotStatus.INVENTORY)]),
                arrival=np.array([week]),
                **fresh,
            )
        )
        return [world.ledger.lots.n - 1]
    here = (lots.pool == pool) & (lots.product == product)
    if is_forced:
        rows = np.flatnonzero(here & (lots.liquidator == seller) & (lots.status == LotStatus.FORCED))
    else:
        idle = (lots.status != LotStatus.FORCED) & (lots.status != LotStatus.IN_TRANSIT)
        rows = np.flatnonzero(here & (lots.owner == seller) & (lots.lien < 0) & idle)
    picked: list[int] = []
    for row in rows:
        part = min(quantity, int(lots.quantity[row]))
        if part:
            picked.append(ledger.split(int(row), part))
            quantity -= part
    if quantity:
        raise ValueError(f"party {seller} sold {quantity} more GPUs of product {product} than it holds")
    return picked


def _transfer(
    world: World,
    week: int,
    lot: int,
    seller: int,
    buyer: int,
    pool: int,
    arrival: int,
    price: int,
    is_forced: bool,
    slot: int,
) -> None:
    """Cash against title for one lot; the rent of a slot sold with it belongs to the estate."""
    ledger, lots = world.ledger, world.ledger.lots
    product = int(lots.product[lot])
    if is_forced:
        distribute_proceeds(world, week, lot, buyer, price, slot)
    elif PRODUCT_CONDITION[product] != Condition.NEW:
        ledger.pay(buyer, seller, price * int(lots.quantity[lot]), Account.HARDWARE)
    if PRODUCT_CONDITION[product] == Condition.NEW:
        lots.product[lot] = product_of(int(PRODUCT_GENERATION[product]), Condition.CLEAN)
        lots.vintage[lot] = arrival
    stored = world.topology.pool_kind[pool] == PoolKind.WAREHOUSE
    lots.owner[lot], lots.pool[lot] = buyer, pool
    lots.liquidator[lot], lots.deadline[lot], lots.contract[lot] = -1, -1, -1
    lots.arrival[lot] = arrival
    lots.status[lot] = LotStatus.INVENTORY if stored else LotStatus.IN_TRANSIT


def distribute_proceeds(world: World, week: int, lot: int, buyer: int, price: int, slot: int) -> None:
    """Waterfall of one forced sale: enforcement, the agent's fee, the secured balance, then the debtor.

    No class is paid before the one above it is whole. Fee and enforcement cost are shares of the hardware's gross proceeds
    (model_defaults: 4 % enforcement; broker and auction fees of `logistics.csv`); ``price`` and ``slot`` are cents per GPU.
    """
    ledger, lots, loans = world.ledger, world.ledger.lots, world.ledger.loans
    gpus, product = int(lots.quantity[lot]), int(lots.product[lot])
    lien, agent, debtor = int(lots.lien[lot]), int(lots.liquidator[lot]), int(lots.owner[lot])
    creditor = int(loans.creditor[lien]) if lien >= 0 else debtor
    plan, cause = Plan(world.credit.plan[debtor]), world.credit.cause[debtor]
    world.log(
        week,
        "collateral_sale",
        debtor,
        counterparty=buyer,
        product=product,
        quantity=gpus,
        cents=price,
        detail=f"{plan.name.lower() if plan else 'by decree'}, cause {cause or 'unknown'}",
    )
    ledger.pay(buyer, creditor, price * gpus, Account.PROCEEDS)
    ledger.pay(buyer, creditor, slot * gpus, Account.SLOT_PREMIUM)
    fee = int(to_cents(price * gpus / 100.0 * world.parameters.liquidators.agency_fee))
    # Slot rent in arrears is a lien on what stands there, ahead of the agent and the lender.
    place = int(world.topology.pool_place[lots.pool[lot]])
    arrears = int(world.slots.arrears_cents[debtor, place])
    costs = sale_proceeds(price * gpus, world.parameters.lenders.enforcement_cost, arrears, fees=fee)
    ledger.pay(creditor, int(world.slots.host[place]), costs.hosting_cents, Account.HOSTING)
    world.slots.arrears_cents[debtor, place] -= costs.hosting_cents
    ledger.pay(creditor, agent, costs.fees_cents, Account.FEE)
    ledger.pay(creditor, REST_OF_WORLD, costs.enforcement_cents, Account.ENFORCEMENT)
    if lien < 0:
        return
    net = costs.net_cents + slot * gpus
    applied = min(net, int(loans.balance_cents[lien]))
    ledger.repay(np.array([lien]), np.array([applied]))
    ledger.pay(creditor, debtor, net - applied, Account.PROCEEDS)
    if world.bridge.is_open([lien])[0]:
        spent = costs.fees_cents + costs.enforcement_cents + costs.hosting_cents
        recoveries.sold(world, lien, product, gpus, price, spent, slot * gpus, applied, net - applied)


def scrap(world: World, week: int, orders: ScrapOrders, salvager: int) -> None:
    """Break units up for parts: the salvage house pays, the units leave the world, slots fall free."""
    ledger, lots = world.ledger, world.ledger.lots
    for i in range(len(orders.party)):
        party, pool, product = int(orders.party[i]), int(orders.pool[i]), int(orders.product[i])
        cents = round(float(world.drivers.salvage_usd[week, PRODUCT_GENERATION[product]]) * 100)
        mandated = bool(world.ledger.parties.kind[party] == AgentKind.LIQUIDATOR) and bool(
            np.any((lots.liquidator == party) & (lots.pool == pool) & (lots.status == LotStatus.FORCED))
        )
        for lot in _pick(world, party, pool, product, int(orders.quantity[i]), mandated, week):
            amount = int(lots.quantity[lot])
            price = min(cents, int(ledger.parties.cash_cents[salvager]) // max(amount, 1))
            if mandated:
                distribute_proceeds(world, week, lot, salvager, price, 0)
                watts = (
                    amount
                    // int(PRODUCT_UNIT[product])
                    * int(world.hardware.unit_watts[PRODUCT_GENERATION[product]])
                )
                if world.topology.pool_kind[pool] == PoolKind.IN_PLACE:
                    vacate(world, pool, watts, watts if PRODUCT_LIQUID[product] else 0)
            else:
                ledger.pay(salvager, party, price * amount, Account.SALVAGE)
            ledger.scrap(np.array([lot]), np.array([amount]))
            world.log_sale(week, "scrapped", party, salvager, product, amount, price)
