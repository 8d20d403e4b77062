"""The view agents are handed: one frozen snapshot of rents, prices, pools, parties and lots a week."""

import numpy as np

from agents.operating import MONTHS_PER_WEEK
from agents.valuation import believed_value, running_cost_per_hour
from agents.vocabulary import (
    MONTHS_PER_YEAR,
    N_CONDITIONS,
    N_GENERATIONS,
    N_PRODUCTS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    WEEKS_PER_YEAR,
    AgentKind,
    Bools,
    Condition,
    Floats,
    Ints,
    LotStatus,
    PoolKind,
    View,
    product_of,
)
from sim.lending import financing, orders
from sim.parameters import Parameters
from sim.state.ledger import LoanStatus
from sim.state.world import World

# Operators that may take over hardware where it stands (economics.md section 1: "any operator").
TAKEOVER_KINDS = (AgentKind.MINER, AgentKind.NEO_CLOUD, AgentKind.HYPERSCALER, AgentKind.ENTERPRISE)


def look(world: World, week: int) -> View:
    """What everybody can see as week `week` opens."""
    parameters, drivers, ledger, pools = world.parameters, world.drivers, world.ledger, world.topology
    hardware, lots = parameters.hardware, ledger.lots
    free, free_liquid = world.headroom()
    step_years, step_drops = drivers.pending_steps(week)
    power = drivers.power_usd_per_mwh[week, pools.places.zone[pools.pool_place]] / 1000.0
    pair_party, pair_pool = _pairs(world, free)
    wait = np.where(
        pools.pool_kind == PoolKind.FORWARD, np.maximum(pools.pool_opens_week - week, 0), 0
    ).astype(np.float64)
    wait[pools.pool_kind == PoolKind.DISPLACED] = float(parameters.site.retrofit_lead_weeks)
    age = product_ages(world, week)
    view = View(
        week=week,
        rent=world.rent,
        rent_trend=parameters.rent.trend_deflation,
        belief=parameters.valuation.expectations,
        demand=drivers.deviation[week],
        demand_mean_reversion=parameters.rent.demand_mean_reversion,
        step_years=step_years,
        step_drops=step_drops,
        salvage=drivers.salvage_usd[week],
        salvage_decay=hardware.salvage_decay,
        bitcoin_usd=float(drivers.btc_usd[week]),
        hashprice_usd=float(drivers.hashprice_usd_per_ph_day[week]),
        base_rate=float(drivers.sofr[week]),
        price=world.price,
        reference_value=np.zeros(N_PRODUCTS),
        weekly_volume=world.volume,
        product_age=age,
        product_wait=product_waits(parameters),
        condition_factor=condition_factors(parameters),
        listed=_listed(world, parameters),
        list_price=hardware.list_price_usd.array() * (1.0 - parameters.manufacturer.price_cut),
        new_allocation=np.floor(parameters.manufacturer.weekly_allocation.array()).astype(np.int64),
        pool_place=pools.pool_place,
        pool_kind=pools.pool_kind,
        pool_holder=world.pool_holder,
        pool_free=free,
        pool_free_liquid=free_liquid,
        pool_liquid_capacity=world.liquid,
        pool_hosting=pools.pool_hosting,
        pool_power=power,
        pool_pue=pools.pool_pue,
        pool_wait=wait,
        pool_foreign=pools.places.country[pools.pool_place] != "US",
        moving_cost=world.moving_cost,
        pair_party=pair_party,
        pair_pool=pair_pool,
        party_kind=ledger.parties.kind,
        # Treasuries act before the market clears: who is asked again must see what was seen the first time.
        cash=np.maximum(ledger.parties.cash - orders.set_aside(world, week), 0),
        bitcoin=ledger.parties.bitcoin.copy(),
        obligations=_obligations(world),
        fleet_watts=world.fleet_watts(),
        utilisation=ledger.parties.utilisation,
        discount_rate=ledger.parties.discount_rate,
        lot_product=lots.product,
        lot_vintage=lots.vintage,
        lot_quantity=lots.quantity,
        lot_pool=lots.pool,
        lot_owner=lots.owner,
        lot_lien=lots.lien,
        lot_status=lots.status,
        lot_arrival=lots.arrival,
        lot_agent=lots.agent,
        lot_deadline=lots.deadline,
        lot_rate=_lien_rate(world),
        watts=world.unit_watts / world.unit,
        unit_watts=world.unit_watts,
        load_factor=hardware.load_factor,
        failure_hazard=hardware.failure_hazard,
        physical_life=hardware.physical_life_years,
        other_operating_cost=parameters.valuation.other_operating_cost,
        mining_watts=world.mining.copy(),
        shell_lease_years=parameters.site.lease_tenor_years,
        retrofit_usd_per_watt=parameters.site.retrofit_capex_usd_per_kw / 1000.0,
        storage_usd_per_week=parameters.freight.storage_usd_per_month * MONTHS_PER_YEAR / WEEKS_PER_YEAR,
        operating_fee=parameters.lenders.operating_fee,
        lot_run_off=_run_off(world),
        credit_line=world.credit.line,
        advance=np.full(ledger.parties.n, _advance(world)),
        may_spend=world.credit.may_spend(),
        distressed=world.credit.distressed(),
        gain=np.zeros(ledger.parties.n, dtype=np.int64),
        frozen=world.credit.failed(),
        extrapolation=parameters.valuation.extrapolation,
        least_gain_share=parameters.valuation.least_gain_share,
        in_place_weeks=parameters.freight.in_place_weeks,
    )
    view.reference_value[:] = typical_values(view, parameters)
    world.typical_value = view.reference_value
    view.gain[:] = np.maximum(world.net_asset_value() - world.credit.opening_worth, 0)
    return view


def _listed(world: World, parameters: Parameters) -> Ints:
    """Classes on offer as the week opens: last week's list, standing mandates, the manufacturer's catalogue."""
    lots = world.ledger.lots
    made = np.flatnonzero(np.floor(parameters.manufacturer.weekly_allocation.array()) >= world.unit)
    standing = lots.product[(lots.status == LotStatus.FORCED) | (lots.status == LotStatus.INVENTORY)]
    return np.unique(np.r_[world.listed, standing, product_of(made, Condition.NEW)])


def _pairs(world: World, free: Ints) -> tuple[Ints, Ints]:
    """Known (party, pool) pairs plus every operator at each in-place pool that has room."""
    kind = world.topology.pool_kind
    offered = np.flatnonzero((kind == PoolKind.IN_PLACE) & (free > 0))
    alive = world.active[world.pair_party]
    takers = np.flatnonzero(np.isin(world.ledger.parties.kind, TAKEOVER_KINDS) & world.active)
    party = np.r_[world.pair_party[alive], np.repeat(takers, len(offered))]
    pool = np.r_[world.pair_pool[alive], np.tile(offered, len(takers))]
    order = np.lexsort((pool, party))
    return party[order], pool[order]


def _obligations(world: World) -> Ints:
    loans = world.ledger.loans
    monthly = np.rint(world.weekly_bills / MONTHS_PER_WEEK).astype(np.int64)
    live = loans.status <= LoanStatus.ARREARS
    np.add.at(monthly, loans.debtor[live], np.minimum(loans.payment[live], loans.balance[live]))
    return monthly


def _lien_rate(world: World) -> Floats:
    """Loan rate on each lot, NaN where there is no lien."""
    lots, loans = world.ledger.lots, world.ledger.loans
    rate = np.full(lots.n, np.nan)
    pledged = lots.lien >= 0
    rate[pledged] = loans.rate[lots.lien[pledged]]
    return rate


def _run_off(world: World) -> Bools:
    """Lots whose lender is called by its own funders and cannot wait."""
    lots, loans = world.ledger.lots, world.ledger.loans
    called = np.full(lots.n, world.parameters.lenders.run_off)
    pledged = lots.lien >= 0
    called[pledged] |= world.credit.run_off[loans.creditor[lots.lien[pledged]]]
    return called


def _advance(world: World) -> float:
    """Lowest advance rate a purchase may get this week: used units at today's terms."""
    return financing.advance(world, world.week, is_new=False)


def product_ages(world: World, week: int) -> Floats:
    """Mean age in years of the stock of each class; a class without stock takes its generation's, new is zero."""
    lots = world.ledger.lots
    generation = PRODUCT_GENERATION[lots.product]
    years = np.maximum(week - lots.vintage, 0) / WEEKS_PER_YEAR
    count = np.bincount(generation, weights=lots.quantity, minlength=N_GENERATIONS)
    total = np.bincount(generation, weights=lots.quantity * years, minlength=N_GENERATIONS)
    mean = np.divide(total, count, out=np.zeros(N_GENERATIONS), where=count > 0)
    age = mean[PRODUCT_GENERATION]
    # Forced lots are the ones being priced: their own age, not the stock's.
    forced = lots.status == LotStatus.FORCED
    if forced.any():
        held = np.bincount(lots.product[forced], weights=lots.quantity[forced], minlength=N_PRODUCTS)
        aged = np.bincount(
            lots.product[forced], weights=(lots.quantity * years)[forced], minlength=N_PRODUCTS
        )
        age = np.where(held > 0, aged / np.maximum(held, 1), age)
    return np.where(PRODUCT_CONDITION == Condition.NEW, 0.0, age)


def product_waits(parameters: Parameters) -> Floats:
    """Weeks from purchase to first service of a moved unit of each class, shape (N_PRODUCTS,)."""
    moved = parameters.freight.transit_weeks + parameters.freight.installation_weeks
    wait = np.full(N_PRODUCTS, float(moved))
    wait[PRODUCT_CONDITION == Condition.NEW] += parameters.manufacturer.lead_weeks
    return wait


def condition_factors(parameters: Parameters) -> Floats:
    """Value of each condition relative to a clean unit, shape (conditions,)."""
    factor = np.ones(N_CONDITIONS)
    factor[Condition.AS_IS] = parameters.hardware.as_is_factor
    return factor


def typical_values(view: View, parameters: Parameters) -> Floats:
    """Value of each class at the typical operator: default utilisation, rate, PUE, power and hosting fee, USD."""
    generation = PRODUCT_GENERATION
    cost = running_cost_per_hour(
        view.watts[generation] / 1000.0,
        float(np.median(view.pool_power)),
        parameters.site.pue_default,
        view.load_factor,
        parameters.site.hosting_fee_usd_per_kw_month,
        view.other_operating_cost,
    )
    value = believed_value(
        view.belief,
        rent=view.rent[generation],
        utilisation=parameters.valuation.utilisation,
        trend=view.rent_trend,
        discount_rate=parameters.valuation.discount_rate,
        hazard=view.failure_hazard,
        cost_per_hour=cost,
        salvage=view.salvage[generation],
        salvage_decay=view.salvage_decay,
        remaining_life_years=np.maximum(view.physical_life - view.product_age, 0.0),
        step_years=view.step_years[generation],
        step_drops=view.step_drops[generation],
        demand=view.demand[generation],
        mean_reversion=view.demand_mean_reversion,
        extrapolation=view.extrapolation,
    )
    return np.asarray(value * view.condition_factor[PRODUCT_CONDITION])
