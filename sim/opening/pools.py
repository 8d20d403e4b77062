"""Where there is power in week 0: every place cut into pools, halls that are promised, and halls that do not stand yet.

Sites' megawatts are cited for October 2026. A run that starts before finds fewer of them: operators' megawatts grew by
``construction.operational_growth``, and what is missing is energised on the way (docs/boom.md 4).
"""

import math
from datetime import date

import numpy as np

from agents.vocabulary import (
    DAYS_PER_JULIAN_YEAR,
    MONTHS_PER_YEAR,
    WEEKS_PER_YEAR,
    AgentKind,
    Ints,
    PoolKind,
)
from sim.base.randomness import Purpose
from sim.base.units import NEVER
from sim.construction.pipeline import cut, delay_weeks, opened_on_the_way
from sim.lending.forced_sale import BORROWER
from sim.opening.builder import Builder
from sim.parameters import Parameters

# Date the megawatts of sites.csv are cited for.
SITES_DATE = date(2026, 10, 1)
# Places whose watts are scaled by nothing: their holders' own load fills them.
FULL_KINDS = ("hyperscale", "miner")
# Places where the factory's and the dealers' warehouses stand: the docks nearest to these points.
FACTORY = (29.8, -95.4)
WAREHOUSES = ((32.8, -96.8), (40.0, -83.0), (33.4, -112.1), (39.0, -77.5), (41.9, -87.6))


def _share_out(parties: Ints, places: Ints) -> list[tuple[int, int, int]]:
    """Pair holders with places so that each has at least one: (party, place, holders at that place)."""
    if len(parties) == 0 or len(places) == 0:
        return []
    n = max(len(parties), len(places))
    pairs = [(int(parties[i % len(parties)]), int(places[i % len(places)])) for i in range(n)]
    crowd = np.bincount([place for _, place in pairs])
    return [(party, place, int(crowd[place])) for party, place in pairs]


def lay_out_pools(build: Builder) -> None:
    """Cut every place into pools that sum to its watts."""
    watts, liquid = standing_watts(build)
    _add_private_pools(build, watts, liquid)
    _add_shared_pools(build, watts, liquid)
    _add_later_pools(build, build.topology.places.it_watts - watts)


def weeks_to_sites_date(start: date) -> float:
    """Weeks from the start of a run to the date sites' megawatts are cited for; 0 for later starts.

    >>> weeks_to_sites_date(date(2026, 10, 5)), round(weeks_to_sites_date(date(2025, 10, 1)), 1)
    (0.0, 52.0)
    """
    return max((SITES_DATE - start).days / DAYS_PER_JULIAN_YEAR * WEEKS_PER_YEAR, 0.0)


def standing_watts(build: Builder) -> tuple[Ints, Ints]:
    """IT watts that have power in week 0 and those among them behind liquid cooling, (places,)."""
    places, growth = build.topology.places, build.parameters.construction.operational_growth
    share = math.exp(-growth * weeks_to_sites_date(build.drivers.start) / WEEKS_PER_YEAR)
    part = np.where(np.isin(places.kind, FULL_KINDS), 1.0, share)
    return (places.it_watts * part).astype(np.int64), (places.liquid_watts * part).astype(np.int64)


def _add_private_pools(build: Builder, it_watts: Ints, liquid_watts: Ints) -> None:
    """Halls of hyperscalers, neo-clouds and miners, what is displaced in mines, and who is host."""
    places, site = build.topology.places, build.parameters.site
    vacancy = site.vacancy
    by_size = np.argsort(-places.it_watts, kind="stable")
    live = by_size[places.it_watts[by_size] > 0]
    for kind, party_kind in (("hyperscale", AgentKind.HYPERSCALER), ("neocloud", AgentKind.NEO_CLOUD)):
        chosen = live[places.kind[live] == kind]
        holders = build.rows(party_kind)
        if kind == "neocloud":
            holders = holders[[build.names[h] != BORROWER for h in holders]]
        for party, place, crowd in _share_out(holders, chosen):
            watts, liquid = int(it_watts[place]) // crowd, int(liquid_watts[place]) // crowd
            pool = build.pool(place, PoolKind.PRIVATE, watts, liquid, holder=party, pue=site.pue_owned)
            if kind == "hyperscale":
                build.background[pool] = watts - int(watts * vacancy)
            build.pairs.add((party, pool))
    mines = live[places.kind[live] == "miner"]
    for party, place, crowd in _share_out(build.rows(AgentKind.MINER), mines):
        watts = int(it_watts[place]) // crowd
        idle = int(watts * vacancy)
        home = build.pool(place, PoolKind.PRIVATE, idle, 0, holder=party)
        dug = build.pool(place, PoolKind.DISPLACED, watts - idle, 0, holder=party)
        build.mining[dug] = watts - idle
        build.host[place] = party
        build.pairs.update({(party, home), (party, dug)})
    converted = live[places.kind[live] == "miner-converted"]
    for party, place, _ in _share_out(build.rows(AgentKind.MINER), converted):
        build.host[place] = party


def _add_shared_pools(build: Builder, it_watts: Ints, liquid_watts: Ints) -> None:
    """Open and in-place pools everywhere, forward pools where megawatts are due, warehouses at the docks."""
    places, site = build.topology.places, build.parameters.site
    placed = np.zeros(places.n, dtype=np.int64)
    taken = np.zeros(places.n, dtype=np.int64)
    np.add.at(placed, build.topology.pool_place, build.topology.pool_power)
    np.add.at(taken, build.topology.pool_place, build.topology.pool_liquid)
    for place in range(places.n):
        converted = places.kind[place] in ("miner-converted", "miner")
        fee = site.miner_hosting_fee_usd_per_kw_month if converted else site.hosting_fee_usd_per_kw_month
        watts = int(it_watts[place] - placed[place])
        liquid = min(int(liquid_watts[place] - taken[place]), watts)
        build.pool(place, PoolKind.OPEN, watts, max(liquid, 0), hosting=fee)
        build.pool(place, PoolKind.IN_PLACE, 0, 0, hosting=fee)
    _add_forward_pools(build)
    for number, agent in enumerate(build.rows(AgentKind.LIQUIDATOR)):
        place = build.topology.nearest(*WAREHOUSES[number % len(WAREHOUSES)])
        build.pairs.add((int(agent), build.pool(place, PoolKind.WAREHOUSE, 0, 0, holder=int(agent))))
    for maker in build.rows(AgentKind.MANUFACTURER):
        place = build.topology.nearest(*FACTORY)
        build.pairs.add((int(maker), build.pool(place, PoolKind.WAREHOUSE, 0, 0, holder=int(maker))))


def _add_forward_pools(build: Builder) -> None:
    """The segment's part of planned halls, phase by phase, and in every zone the pool in which its next hall would be built."""
    places, section = build.topology.places, build.parameters.construction
    share = build.parameters.contracts.represented_share
    site_of, watts = cut((places.planned_watts * share).astype(np.int64), int(section.phase_watts))
    number = np.arange(len(site_of))
    when = build.randomness.uniform(Purpose.ENERGISATION, 0, number)
    late = build.randomness.uniform(Purpose.LATENESS, 0, number) < section.late_share
    luck = build.randomness.normal(Purpose.PROMISE, 0, number)
    delay = delay_weeks(late, luck, section.late_median_weeks, section.late_log_deviation)
    first = weeks_to_sites_date(build.drivers.start)
    last = pipeline_weeks(build.parameters)
    for i in range(len(site_of)):
        promised = 1 + int(first + when[i] * last)
        pool = _forward_pool(build, int(site_of[i]), int(watts[i]), promised + int(delay[i]))
        build.promised[pool] = promised
    _add_own_building_pools(build)
    largest = np.argsort(-places.it_watts, kind="stable")
    for zone in range(len(places.zone_names)):
        here = largest[places.zone[largest] == zone]
        if len(here):
            build.building[zone] = _forward_pool(build, int(here[0]), 0, NEVER)


def _add_later_pools(build: Builder, missing_watts: Ints) -> None:
    """Halls that stand at the date sites are cited for and not in week 0; their days are known and kept.

    At a neo-cloud's place its holders share them, elsewhere they join the open pool.
    """
    topology, section = build.topology, build.parameters.construction
    site_of, watts = cut(missing_watts, int(section.phase_watts))
    luck = build.randomness.uniform(Purpose.ENERGISATION, 1, np.arange(len(site_of)))
    left = weeks_to_sites_date(build.drivers.start)
    opens = opened_on_the_way(luck, section.operational_growth, left)
    clouds = build.rows(AgentKind.NEO_CLOUD)
    own = (topology.pool_kind == PoolKind.PRIVATE) & np.isin(topology.pool_holder, clouds)
    place, holder_of = topology.pool_place[own], topology.pool_holder[own]
    for i in range(len(site_of)):
        holders = holder_of[place == site_of[i]]
        holder = int(holders[i % len(holders)]) if len(holders) else -1
        pool = _forward_pool(build, int(site_of[i]), int(watts[i]), int(opens[i]), holder=holder)
        build.promised[pool] = int(opens[i])


def _add_own_building_pools(build: Builder) -> None:
    """Where each neo-cloud would build for itself: at the place of its largest own hall, or beside another's."""
    topology = build.topology
    clouds = np.array([r for r in build.rows(AgentKind.NEO_CLOUD) if build.names[r] != BORROWER])
    own = (topology.pool_kind == PoolKind.PRIVATE) & np.isin(topology.pool_holder, clouds)
    if not own.any():
        return
    halls = np.flatnonzero(own)
    for number, cloud in enumerate(clouds):
        mine = halls[topology.pool_holder[halls] == cloud]
        if len(mine):
            place = int(topology.pool_place[mine[topology.pool_power[mine].argmax()]])
        else:
            place = int(topology.pool_place[halls[number % len(halls)]])
            pool = build.pool(
                place, PoolKind.PRIVATE, 0, 0, holder=int(cloud), pue=build.parameters.site.pue_owned
            )
            build.pairs.add((int(cloud), pool))
        build.own_building[int(cloud)] = _forward_pool(build, place, 0, NEVER, holder=int(cloud))


def _forward_pool(build: Builder, place: int, watts: int, opens: int, holder: int = -1) -> int:
    site, kind = build.parameters.site, build.topology.places.kind[place]
    converted = kind in ("miner-converted", "miner")
    fee = site.miner_hosting_fee_usd_per_kw_month if converted else site.hosting_fee_usd_per_kw_month
    return build.pool(place, PoolKind.FORWARD, watts, watts, hosting=fee, opens_week=opens, holder=holder)


def pipeline_weeks(parameters: Parameters) -> int:
    """Weeks over which planned halls are promised."""
    return round(parameters.construction.pipeline_months * WEEKS_PER_YEAR / MONTHS_PER_YEAR)
