"""The starting world: who exists, what they own and owe, and where it stands.

Places come from the cited sites; how full they are, who runs what and how it is financed is the `world` section of
the parameters, every entry sourced or marked an assumption. Populations are archetypes: sizes fall off so that the
largest neo-cloud holds the observed share. Draws are indexed by party or place, so adding one agent type
leaves the others as they were.
"""

import numpy as np

from agents.registration import type_name
from agents.vocabulary import (
    DAYS_PER_JULIAN_YEAR,
    N_GENERATIONS,
    N_PRODUCTS,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    SATOSHI,
    UNIT,
    WEEKS_PER_YEAR,
    AgentKind,
    Bools,
    Floats,
    Ints,
    PoolKind,
)
from sim.base.randomness import Purpose, Randomness
from sim.base.units import NEVER
from sim.construction.pipeline import cut
from sim.debt.loss_bridge import LossBridge
from sim.drivers.drivers import Drivers
from sim.drivers.plan import Plan, planned, promised_a_year
from sim.lending.forced_sale import BORROWER
from sim.opening.builder import Builder
from sim.opening.debt import lenders_funding, miners_debt, owned_power, sheet_of
from sim.opening.fleets import STOCK_DATE, fill_fleets
from sim.opening.past import Opening, live_past
from sim.opening.pools import lay_out_pools, pipeline_weeks, weeks_to_sites_date
from sim.parameters import Parameters
from sim.places.freight_cost import moving_costs
from sim.places.topology import Topology
from sim.state.capacity import Capacity
from sim.state.demand import Booked, Demand
from sim.state.ledger import Ledger, Loans, Lots, Parties
from sim.state.lending import Pool
from sim.state.standing import Credit
from sim.state.tenants import (
    Leases,
    Tenants,
    draw_tenants,
)
from sim.state.world import (
    LANDLORD,
    REST_OF_WORLD,
    Hardware,
    KnownPools,
    Market,
    Operators,
    Rents,
    Slots,
    World,
)

KIND_NAMES = {
    AgentKind.MINER: "miner",
    AgentKind.NEO_CLOUD: "neo-cloud",
    AgentKind.LENDER: "lender",
    AgentKind.LIQUIDATOR: "liquidator",
    AgentKind.HYPERSCALER: "hyperscaler",
    AgentKind.ENTERPRISE: "enterprise",
    AgentKind.EXPORTER: "exporter",
    AgentKind.SALVAGER: "salvage house",
    AgentKind.MANUFACTURER: "manufacturer",
}
# Operators that may take over hardware where it stands (economics.md section 1: "any operator").
TAKEOVER_KINDS = (AgentKind.MINER, AgentKind.NEO_CLOUD, AgentKind.HYPERSCALER, AgentKind.ENTERPRISE)

# Guards of the deviations across operators: nobody stands still or gives money away.
LEAST_UTILISATION = 0.05
LEAST_DISCOUNT_RATE = 0.01


def counts_of(parameters: Parameters) -> dict[AgentKind, int]:
    """Agents of each kind."""
    world = parameters.world
    return {
        AgentKind.MINER: world.miners,
        AgentKind.NEO_CLOUD: world.neo_clouds,
        AgentKind.LENDER: world.lenders,
        AgentKind.LIQUIDATOR: world.liquidators,
        AgentKind.HYPERSCALER: world.hyperscalers,
        AgentKind.ENTERPRISE: world.enterprises,
        AgentKind.EXPORTER: world.exporters,
        AgentKind.SALVAGER: world.salvagers,
        AgentKind.MANUFACTURER: 1,
    }


def build_world(
    parameters: Parameters, randomness: Randomness, drivers: Drivers, topology: Topology
) -> World:
    """Populate the places and open the books."""
    build = parties_and_pools(parameters, randomness, drivers, topology)
    loans = fill_fleets(build)
    tenants = draw_tenants(parameters.tenants, randomness)
    opening = live_past(build, loans, tenants, REST_OF_WORLD)
    _introduce(build)
    return _open_books(build, loans, tenants, opening)


def parties_and_pools(
    parameters: Parameters, randomness: Randomness, drivers: Drivers, topology: Topology
) -> Builder:
    """Who takes part and where there is power, before any hardware stands."""
    kinds, names, types = _cast(parameters)
    build = Builder(
        parameters=parameters,
        randomness=randomness,
        drivers=drivers,
        topology=topology,
        kinds=np.array(kinds),
        names=names,
        types=types,
        lots=[],
        background=[],
        mining=[],
        pairs=set(),
        host=np.full(topology.places.n, LANDLORD, dtype=np.int64),
        ranks={},
        purchases=[],
        promised={},
        own_building={},
        building=np.full(len(topology.places.zone_names), -1, dtype=np.int64),
    )
    lay_out_pools(build)
    return build


def _cast(parameters: Parameters) -> tuple[list[int], list[str], list[str]]:
    """Kind, name and type of every party; registered types come last and leave the draws of others as they were."""
    rows = [(AgentKind.INSTITUTION, name, "institution") for name in ("rest of world", "landlords")]
    for kind, count in counts_of(parameters).items():
        rows += [(kind, f"{KIND_NAMES[kind]} {i + 1}", kind.name.lower()) for i in range(count)]
    if parameters.forced_sale.enabled:
        rows.append((AgentKind.NEO_CLOUD, BORROWER, AgentKind.NEO_CLOUD.name.lower()))
    for buyer, section in parameters.buyers().items():
        called = type_name(buyer)
        rows += [
            (AgentKind.OTHER, f"{called.replace('_', ' ')} {i + 1}", called) for i in range(section.count)
        ]
    return [int(kind) for kind, _, _ in rows], [name for _, name, _ in rows], [kind for _, _, kind in rows]


# -- who knows whom, and the books ------------------------------------------------------------------------


def _introduce(build: Builder) -> None:
    """Give every buyer the pools it can bid in: its own, and a few open ones drawn by chance."""
    topology = build.topology
    number = int(build.parameters.world.places_per_operator)
    open_pools = np.flatnonzero(np.isin(topology.pool_kind, (PoolKind.OPEN, PoolKind.FORWARD)))
    open_pools = open_pools[topology.pool_power[open_pools] > 0]
    foreign = topology.places.country[topology.pool_place[open_pools]] != "US"
    regions = {"home": open_pools[~foreign], "abroad": open_pools[foreign], "anywhere": open_pools}
    for parties, choice in (
        (build.rows(AgentKind.NEO_CLOUD), regions["anywhere"]),
        (build.rows(AgentKind.MINER), regions["home"]),
        (build.rows(AgentKind.ENTERPRISE), regions["home"]),
        (build.rows(AgentKind.EXPORTER), regions["abroad"]),
        *((build.rows_of(buyer), regions[buyer.region]) for buyer in build.parameters.buyers()),
    ):
        for party in parties:
            if len(choice) == 0 or build.names[party] == BORROWER:
                continue
            luck = build.randomness.uniform(Purpose.ACQUAINTANCE, int(party), choice)
            for pool in choice[np.argsort(luck, kind="stable")[:number]]:
                build.pairs.add((int(party), int(pool)))


def _open_books(build: Builder, loans: Loans, tenants: Tenants, opening: Opening) -> World:
    """Everybody's cash, coins, debts and lots, and the world they open."""
    topology = build.topology
    bitcoin = _opening_bitcoin(build)
    sites = owned_power(
        topology.pool_power,
        topology.pool_place,
        topology.pool_holder,
        build.host,
        build.rows(AgentKind.MINER),
        len(build.kinds),
    )
    _borrow_beside_equipment(build, loans, bitcoin)
    utilisation, rate = _usage_and_patience(build)
    parties = Parties(
        kind=build.kinds.astype(np.int64),
        cash_cents=_opening_cash(build) + opening.cash_cents,
        bitcoin_satoshi=bitcoin,
        utilisation=utilisation,
        discount_rate=rate,
        name=build.names,
        type=build.types,
    )
    lots = Lots.of(build.lots)
    lots.close()
    topology.freeze()
    world = _open_world(build, Ledger(parties, lots, loans), sites, tenants, opening)
    world.rents.planned_h100e = world.running_h100_equivalents()
    return world


def _usage_and_patience(build: Builder) -> tuple[Floats, Floats]:
    """Utilisation and discount rate of each party: of its type, with a deviation of its own."""
    parameters, n = build.parameters, len(build.kinds)
    rows, limit = np.arange(n), parameters.world.spread_limit
    spread = build.randomness.normal(Purpose.UTILISATION, 0, rows).clip(-limit, limit)
    patience = build.randomness.normal(Purpose.DISCOUNT_RATE, 0, rows).clip(-limit, limit)
    utilisation = np.full(n, parameters.valuation.utilisation)
    rate = np.full(n, parameters.valuation.discount_rate)
    hyper, firm = build.kinds == AgentKind.HYPERSCALER, build.kinds == AgentKind.ENTERPRISE
    utilisation[firm] = parameters.enterprises.utilisation
    utilisation[hyper] = parameters.hyperscalers.utilisation
    rate[hyper] = parameters.hyperscalers.discount_rate
    rate[build.kinds == AgentKind.LIQUIDATOR] = parameters.liquidators.capital_cost
    for buyer, section in parameters.buyers().items():
        mine = build.rows_of(buyer)
        utilisation[mine], rate[mine] = section.utilisation, section.discount_rate
    utilisation = np.clip(utilisation + parameters.world.utilisation_spread * spread, LEAST_UTILISATION, 1.0)
    rate = np.maximum(rate + parameters.world.discount_rate_spread * patience, LEAST_DISCOUNT_RATE)
    return utilisation, rate


def _borrow_beside_equipment(build: Builder, loans: Loans, bitcoin: Ints) -> None:
    """Miners' notes and bitcoin loans, neo-clouds' notes, lenders' lines; pledged coins come off `bitcoin`."""
    parameters = build.parameters
    lenders = build.rows(AgentKind.LENDER)
    miners_debt(
        parameters,
        build.randomness,
        loans,
        build.rows(AgentKind.MINER),
        int(lenders[-1]),
        REST_OF_WORLD,
        bitcoin,
    )
    lenders_funding(parameters, loans, lenders, REST_OF_WORLD)


def _open_world(build: Builder, ledger: Ledger, sites: Ints, tenants: Tenants, opening: Opening) -> World:
    """The world of week 0, with no history of prices and volumes."""
    parameters, topology, n = build.parameters, build.topology, len(build.kinds)
    pairs = np.array(sorted(build.pairs), dtype=np.int64).reshape(-1, 2)
    unit_watts = parameters.hardware.unit_watts.array().astype(np.int64)
    return World(
        parameters=parameters,
        randomness=build.randomness,
        drivers=build.drivers,
        topology=topology,
        ledger=ledger,
        week=0,
        btc_usd=float(build.drivers.btc_usd[0]),
        hardware=Hardware(UNIT, unit_watts, build.drivers.compute_weight, moving_costs(parameters)),
        rents=Rents(
            contract_usd_per_hour=build.drivers.rent(0, 1.0),
            spot_usd_per_hour=build.drivers.rent(0, 1.0) * build.drivers.spot_factor[0],
        ),
        operators=Operators(
            active=np.ones(n, dtype=np.bool_),
            takes_over=_may_take_over(build),
            bills_cents=np.zeros(n, dtype=np.int64),
            customer_claims_cents=np.zeros(n, dtype=np.int64),
            site_watts=sites,
            hall_watts=np.zeros(n, dtype=np.int64),
        ),
        capacity=Capacity(
            place=topology.pool_place,
            power_watts=topology.pool_power.astype(np.int64),
            liquid_watts=topology.pool_liquid.astype(np.int64),
            background_watts=np.array(build.background, dtype=np.int64),
            mining_watts=np.array(build.mining, dtype=np.int64),
        ),
        slots=_slots(build, n),
        known=KnownPools(pairs[:, 0].copy(), pairs[:, 1].copy()),
        market=Market(
            price_usd=np.zeros((N_PRODUCTS, topology.n_pools)),
            weekly_volume=np.zeros(N_PRODUCTS),
            listed=np.zeros(0, dtype=np.int64),
            best_use_value_usd=np.zeros(N_GENERATIONS),
            typical_value_usd=np.zeros(N_PRODUCTS),
            first_lot_price_cents=np.full(N_PRODUCTS, -1, dtype=np.int64),
            sold_age_weeks=np.zeros(0),
        ),
        credit=Credit.opening(n),
        tenants=tenants,
        contracts=opening.contracts,
        leases=_leases(build, ledger.lots),
        bridge=LossBridge.empty(),
        plan=_plan(build),
        pool=Pool.opening(),
        experience=opening.experience,
        demand=Demand.opening(n),
        booked=Booked.opening(n),
    )


def _may_take_over(build: Builder) -> Bools:
    """Parties that may take hardware over where it stands."""
    able = np.isin(build.kinds, TAKEOVER_KINDS)
    for buyer in build.parameters.buyers():
        able[build.rows_of(buyer)] = buyer.takes_over
    return able


def _slots(build: Builder, parties: int) -> Slots:
    """Who hosts and holds what; contracts are assignable by chance, nobody owes yet."""
    places = build.topology.places.n
    luck = build.randomness.uniform(Purpose.ASSIGNABILITY, 0, np.arange(places))
    return Slots(
        assignable=luck < build.parameters.site.assignable_share,
        host=build.host,
        holder=build.topology.pool_holder.copy(),
        consent_week=np.zeros(places, dtype=np.int64),
        arrears_cents=np.zeros((parties, places), dtype=np.int64),
        promised_week=_promised(build),
        opens_week=np.where(
            build.topology.pool_kind == PoolKind.FORWARD, build.topology.pool_opens_week, NEVER
        ),
        building_pool=build.building,
        own_building_pool=_own_building(build, parties),
    )


def _own_building(build: Builder, parties: int) -> Ints:
    found = np.full(parties, -1, dtype=np.int64)
    for party, pool in build.own_building.items():
        found[party] = pool
    return found


def _promised(build: Builder) -> Ints:
    """Week each pool is promised for; far away for pools that have power."""
    promised = np.full(build.topology.n_pools, NEVER, dtype=np.int64)
    for pool, week in build.promised.items():
        promised[pool] = week
    return promised


def _plan(build: Builder) -> Plan:
    """Planned stock over the run, no faster than the watts that sites have promised."""
    section, site = build.parameters.contracts, build.parameters.construction
    start, weeks = build.drivers.start, build.drivers.n_weeks
    planned_watts = build.topology.places.planned_watts
    site_of, watts = cut(planned_watts, int(site.phase_watts))
    first, last = weeks_to_sites_date(start), pipeline_weeks(build.parameters)
    luck = build.randomness.uniform(Purpose.PROMISE, 0, np.arange(len(site_of)))
    return planned(
        build.parameters.rent.world_stock_h100e,
        (start - STOCK_DATE).days / DAYS_PER_JULIAN_YEAR,
        section.growth,
        section.fading_years,
        promised_a_year(watts.astype(np.float64), first + luck * last, weeks, first, first + last),
        section.watts_per_h100e,
    )


def _leases(build: Builder, lots: Lots) -> Leases:
    """Shells leased in week 0: neo-clouds' own halls, and the converted halls of miners that a neo-cloud fills.

    A miner whose converted hall is leased whole is the base case (contracts.md 4.8); `miners.leased_shell_share` of what stands
    there is, the rest pays the posted fee by the unit.
    """
    parameters, topology, leases = build.parameters, build.topology, Leases.empty()
    section = parameters.site
    tenor = round(section.lease_tenor_years * WEEKS_PER_YEAR)
    ages = build.randomness.uniform(Purpose.LEASE_TENANT, 0, np.arange(topology.n_pools))
    unit_watts = parameters.hardware.unit_watts.array().astype(np.int64)
    watts = lots.quantity // PRODUCT_UNIT[lots.product] * unit_watts[PRODUCT_GENERATION[lots.product]]
    miners, clouds = build.rows(AgentKind.MINER), build.rows(AgentKind.NEO_CLOUD)
    for pool in range(topology.n_pools):
        holder, kind = int(topology.pool_holder[pool]), topology.pool_kind[pool]
        terms = {"pool": pool, "escalator": section.lease_escalator, "behind": -1}
        terms["start"] = -int(ages[pool] * section.oldest_lease_years * WEEKS_PER_YEAR)
        terms["end"] = terms["start"] + tenor
        if kind == PoolKind.PRIVATE and np.isin(holder, clouds):
            rate = parameters.neo_clouds.shell_lease_usd_per_kw_month
            leases.append(
                tenant=holder, watts=int(topology.pool_power[pool]), rate_usd_per_kw_month=rate, **terms
            )
        elif kind == PoolKind.OPEN and np.isin(build.host[topology.pool_place[pool]], miners):
            here = lots.pool == pool
            for tenant in np.intersect1d(lots.owner[here], clouds):
                if build.names[tenant] == BORROWER:
                    continue
                let = int(watts[here & (lots.owner == tenant)].sum() * parameters.miners.leased_shell_share)
                rate = parameters.miners.shell_lease_usd_per_kw_month
                leases.append(tenant=int(tenant), watts=let, rate_usd_per_kw_month=rate, **terms)
    return leases


def _opening_cash(build: Builder) -> Ints:
    """Stated funds of everybody, cents; what operators earned in the past comes on top."""
    parameters = build.parameters
    cash = np.zeros(len(build.kinds), dtype=np.int64)
    funds = {
        AgentKind.NEO_CLOUD: parameters.world.neo_cloud_free_cash_usd,
        AgentKind.MINER: parameters.world.miner_free_cash_usd,
        AgentKind.LENDER: parameters.world.lender_cash_usd,
        AgentKind.LIQUIDATOR: parameters.liquidators.warehouse_capital_usd,
        AgentKind.HYPERSCALER: parameters.hyperscalers.cash_usd,
        AgentKind.ENTERPRISE: parameters.enterprises.cash_usd,
        AgentKind.EXPORTER: parameters.exporters.cash_usd,
        AgentKind.SALVAGER: parameters.salvagers.cash_usd,
    }
    for kind, usd in funds.items():
        cash[build.rows(kind)] += round(usd * 100)
    for number, miner in enumerate(build.rows(AgentKind.MINER)):
        cited = sheet_of(number).cash_usd
        if cited == cited:  # a figure is cited
            cash[miner] = round(cited * 100)
    for buyer, section in parameters.buyers().items():
        cash[build.rows_of(buyer)] += round(section.cash_usd * 100)
    return cash


def _opening_bitcoin(build: Builder) -> Ints:
    satoshi = np.zeros(len(build.kinds), dtype=np.int64)
    scale = build.parameters.world.miner_bitcoin_scale
    for number, miner in enumerate(build.rows(AgentKind.MINER)):
        satoshi[miner] = round(float(np.nan_to_num(sheet_of(number).bitcoin)) * scale * SATOSHI)
    return satoshi
