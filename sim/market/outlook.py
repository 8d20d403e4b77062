"""The view agents are handed: one frozen snapshot of rents, prices, pools, parties and lots a week.

Building a view changes nothing. What the world keeps of a week, such as the value at the typical operator, is set by
the model before the view is built.
"""

import numpy as np

from agents.valuation import believed_value, running_cost_per_hour
from agents.view import (
    BitcoinView,
    CreditView,
    HardwareView,
    KnownPoolsView,
    LotsView,
    MarketView,
    PartiesView,
    PoolsView,
    ProductsView,
    RentsView,
    TermsView,
    View,
)
from agents.vocabulary import (
    MONTHS_PER_YEAR,
    N_CONDITIONS,
    N_GENERATIONS,
    N_PRODUCTS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    WEEKS_PER_YEAR,
    Bools,
    Condition,
    Floats,
    Ints,
    LotStatus,
    PoolKind,
    product_of,
)
from sim.construction.pipeline import expected_opening
from sim.equity.obligations import obligations
from sim.lending import orders
from sim.parameters import Parameters
from sim.state.world import World


def build_view(world: World, week: int) -> View:
    """What everybody can see as week `week` opens."""
    free, free_liquid = world.headroom()
    return View(
        week=week,
        rents=_rents(world, week),
        bitcoin=BitcoinView(
            price_usd=float(world.drivers.btc_usd[week]),
            hashprice_usd_per_ph_day=float(world.drivers.hashprice_usd_per_ph_day[week]),
        ),
        market=_market(world),
        products=_products(world, week),
        hardware=_hardware(world, week),
        pools=_pools(world, week, free, free_liquid),
        known=KnownPoolsView(*_known_pools(world, free)),
        parties=_parties(world, week),
        lots=_lots(world),
        terms=_terms(world.parameters),
        credit=_credit(world, week),
    )


def typical_values(world: World, week: int) -> Floats:
    """Value of each class at the typical operator, USD per GPU, shape (N_PRODUCTS,).

    Default utilisation, discount rate, PUE and hosting fee, and the median price of power.
    """
    parameters, generation = world.parameters, PRODUCT_GENERATION
    rents, hardware, products = _rents(world, week), _hardware(world, week), _products(world, week)
    cost = running_cost_per_hour(
        hardware.watts[generation] / 1000.0,
        float(np.median(_power_usd_per_kwh(world, week))),
        parameters.site.pue_default,
        hardware.load_factor,
        parameters.site.hosting_fee_usd_per_kw_month,
    )
    value = believed_value(
        rents.belief,
        rent=rents.contract_usd_per_hour[generation] * (1.0 - hardware.overhead),
        utilisation=parameters.valuation.utilisation,
        trend=rents.trend,
        discount_rate=parameters.valuation.discount_rate,
        hazard=hardware.failure_hazard,
        cost_per_hour=cost,
        salvage=hardware.salvage_usd[generation],
        salvage_decay=hardware.salvage_decay,
        remaining_life_years=np.maximum(hardware.physical_life_years - products.age_years, 0.0),
        step_years=rents.step_years[generation],
        step_drops=rents.step_drops[generation],
        demand=rents.demand[generation],
        mean_reversion=rents.mean_reversion,
        extrapolation=rents.extrapolation,
    )
    return np.asarray(value * products.condition_factor[PRODUCT_CONDITION])


# -- parts of the view ------------------------------------------------------------------------------------


def _rents(world: World, week: int) -> RentsView:
    parameters, drivers = world.parameters, world.drivers
    step_years, step_drops = drivers.pending_steps(week)
    return RentsView(
        contract_usd_per_hour=world.rents.contract_usd_per_hour,
        trend=parameters.rent.trend_deflation,
        belief=parameters.valuation.expectations,
        demand=drivers.deviation[week],
        mean_reversion=parameters.rent.demand_mean_reversion,
        step_years=step_years,
        step_drops=step_drops,
        extrapolation=parameters.valuation.extrapolation,
    )


def _market(world: World) -> MarketView:
    return MarketView(
        price_usd=world.market.price_usd,
        typical_value_usd=world.market.typical_value_usd,
        weekly_volume=world.market.weekly_volume,
        listed=_listed(world),
        list_price_usd=world.list_price_usd(world.week),
        new_allocation=_allocation(world),
    )


def _products(world: World, week: int) -> ProductsView:
    return ProductsView(
        age_years=product_ages(world, week),
        wait_weeks=product_waits(world.parameters),
        condition_factor=condition_factors(world.parameters),
        moving_usd=world.hardware.moving_usd,
    )


def _hardware(world: World, week: int) -> HardwareView:
    hardware = world.parameters.hardware
    return HardwareView(
        watts=world.hardware.unit_watts / world.hardware.unit,
        unit_watts=world.hardware.unit_watts,
        load_factor=hardware.load_factor,
        failure_hazard=hardware.failure_hazard,
        physical_life_years=hardware.physical_life_years,
        overhead=world.parameters.valuation.overhead,
        salvage_usd=world.drivers.salvage_usd[week],
        salvage_decay=hardware.salvage_decay,
    )


def _pools(world: World, week: int, free: Ints, free_liquid: Ints) -> PoolsView:
    pools = world.topology
    expected = expected_opening(
        world.slots.promised_week, week, world.parameters.construction.late_median_weeks
    )
    wait = np.where(pools.pool_kind == PoolKind.FORWARD, np.maximum(expected - week, 0), 0).astype(np.float64)
    wait[pools.pool_kind == PoolKind.DISPLACED] = float(world.parameters.site.retrofit_lead_weeks)
    return PoolsView(
        place=pools.pool_place,
        kind=pools.pool_kind,
        holder=world.slots.holder,
        free_watts=free,
        free_liquid_watts=free_liquid,
        liquid_capacity_watts=world.capacity.liquid_watts,
        mining_watts=world.capacity.mining_watts.copy(),
        hosting_usd_per_kw_month=pools.pool_hosting,
        power_usd_per_kwh=_power_usd_per_kwh(world, week),
        pue=pools.pool_pue,
        wait_weeks=wait,
        foreign=pools.places.country[pools.pool_place] != "US",
    )


def _power_usd_per_kwh(world: World, week: int) -> Floats:
    """Delivered power at each pool."""
    pools = world.topology
    return np.asarray(world.drivers.power_usd_per_mwh[week, pools.places.zone[pools.pool_place]] / 1000.0)


def _parties(world: World, week: int) -> PartiesView:
    parties = world.ledger.parties
    return PartiesView(
        kind=parties.kind,
        # Treasuries act before the market clears: who is asked again must see what was seen the first time.
        cash_cents=np.maximum(parties.cash_cents - orders.set_aside(world, week), 0),
        bitcoin_satoshi=parties.bitcoin_satoshi.copy(),
        obligations_cents=obligations(world),
        fleet_watts=world.fleet_watts(),
        utilisation=parties.utilisation,
        discount_rate=parties.discount_rate,
    )


def _lots(world: World) -> LotsView:
    lots = world.ledger.lots
    return LotsView(
        product=lots.product,
        vintage=lots.vintage,
        quantity=lots.quantity,
        pool=lots.pool,
        owner=lots.owner,
        lien=lots.lien,
        status=lots.status,
        arrival=lots.arrival,
        liquidator=lots.liquidator,
        deadline=lots.deadline,
        lien_rate=_lien_rate(world),
        run_off=_run_off(world),
    )


def _terms(parameters: Parameters) -> TermsView:
    return TermsView(
        shell_lease_years=parameters.site.lease_tenor_years,
        retrofit_usd_per_watt=parameters.site.retrofit_capex_usd_per_kw / 1000.0,
        storage_usd_per_week=parameters.freight.storage_usd_per_month * MONTHS_PER_YEAR / WEEKS_PER_YEAR,
        operating_fee=parameters.lenders.operating_fee,
        in_place_weeks=parameters.freight.in_place_weeks,
        merchant_hurdle=parameters.contracts.merchant_hurdle,
        least_gain_share=parameters.valuation.least_gain_share,
    )


def _credit(world: World, week: int) -> CreditView:
    return CreditView(
        base_rate=float(world.drivers.sofr[week]),
        line_cents=world.credit.line_cents,
        # The lowest advance a purchase may get this week: that on used units.
        advance=np.where(world.credit.line_cents > 0, world.parameters.credit.advance_used, 0.0),
        may_spend=world.credit.may_spend(),
        distressed=world.credit.distressed(),
        gain_cents=np.maximum(world.net_asset_value_cents() - world.credit.opening_net_asset_value_cents, 0),
        failed=world.credit.failed(),
    )


def _allocation(world: World) -> Ints:
    """New units of each generation brought to this market this week: of those still sold."""
    made = np.floor(world.parameters.manufacturer.weekly_allocation.array())
    return np.where(world.drivers.on_sale(world.week), made, 0.0).astype(np.int64)


def _listed(world: World) -> Ints:
    """Classes on offer as the week opens: last week's list, standing mandates, the manufacturer's catalogue."""
    lots = world.ledger.lots
    made = np.flatnonzero(_allocation(world) >= world.hardware.unit)
    standing = lots.product[(lots.status == LotStatus.FORCED) | (lots.status == LotStatus.INVENTORY)]
    return np.unique(np.r_[world.market.listed, standing, product_of(made, Condition.NEW)])


def _known_pools(world: World, free: Ints) -> tuple[Ints, Ints]:
    """Known (party, pool) pairs plus every operator at each in-place pool that has room."""
    kind = world.topology.pool_kind
    offered = np.flatnonzero((kind == PoolKind.IN_PLACE) & (free > 0))
    alive = world.operators.active[world.known.party]
    takers = np.flatnonzero(world.operators.takes_over & world.operators.active)
    party = np.r_[world.known.party[alive], np.repeat(takers, len(offered))]
    pool = np.r_[world.known.pool[alive], np.tile(offered, len(takers))]
    order = np.lexsort((pool, party))
    return party[order], pool[order]


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
