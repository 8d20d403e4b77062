"""Hardware at the start: who runs what where, how old it is, and the loan it was bought with.

Sizes of neo-clouds follow a power law whose first entry is the observed share of the largest one. A user's file of fleets
replaces the draw.
"""

from datetime import date

import numpy as np

from agents.vocabulary import (
    DAYS_PER_JULIAN_YEAR,
    GENERATIONS,
    LIQUID_ONLY,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    UNIT,
    WEEKS_PER_YEAR,
    AgentKind,
    Floats,
    Ints,
    PoolKind,
)
from sim.base.randomness import Purpose
from sim.lending.forced_sale import BORROWER
from sim.opening.builder import Builder
from sim.opening.debt import equipment_loan
from sim.opening.own_fleets import read_fleets
from sim.opening.purchases import Mix, fill, mix_of
from sim.parameters import ParameterError, Parameters
from sim.state.ledger import Loans

# The date the world's stock is known for (sim/parameters/outside.py).
STOCK_DATE = date(2026, 1, 1)


def neo_cloud_sizes(count: int, largest: float) -> Floats:
    """Shares of a power law whose first entry is `largest`.

    >>> neo_cloud_sizes(1, 0.5)
    array([1.])
    >>> float(neo_cloud_sizes(16, 0.4)[0].round(3))
    0.4
    """
    rank = np.arange(1, count + 1, dtype=np.float64)
    low, high = 0.0, 20.0
    for _ in range(60):
        exponent = (low + high) / 2
        shares = rank**-exponent
        if shares[0] / shares.sum() < largest:
            low = exponent
        else:
            high = exponent
    return np.asarray(shares / shares.sum())


def owners_of_halls(watts: Ints, held: Floats, sizes: Floats, luck: Floats) -> Ints:
    """Operator of each shared hall, so that every operator ends near its size and the largest are as large in every seed.

    Halls are dealt from the largest down. A hall falls to one of the operators that it does not lift above their size, drawn
    in proportion to what they lack; where it would lift all of them, to the one that lacks most.

    Parameters
    ----------
    watts
        Of each hall, (halls,).
    held
        Watts each operator has in halls of its own, (operators,).
    sizes
        Shares of all these watts, (operators,).
    luck
        Uniform, (halls,).

    Examples
    --------
    >>> owners_of_halls(np.array([10, 60, 20]), np.zeros(2), np.array([0.7, 0.3]), np.array([0.9, 0.9, 0.9])).tolist()
    [1, 0, 1]
    """
    lacks = np.asarray(sizes, float) * float(watts.sum() + held.sum()) - held
    found = np.zeros(len(watts), dtype=np.int64)
    for hall in np.argsort(-watts, kind="stable"):
        fits = np.where(lacks >= watts[hall], np.maximum(lacks, 0.0), 0.0)
        drawn = np.searchsorted(np.cumsum(fits), luck[hall] * fits.sum(), side="right")
        found[hall] = min(int(drawn), len(sizes) - 1) if fits.any() else int(lacks.argmax())
        lacks[found[hall]] -= watts[hall]
    return found


def fill_fleets(build: Builder) -> Loans:
    """Put operators' hardware into private and open pools, keeping the vacancy free; returns the loan of a sale by decree."""
    parameters, topology = build.parameters, build.topology
    world = parameters.world
    unit_watts = parameters.hardware.unit_watts.array().astype(np.int64)
    clouds = np.array([r for r in build.rows(AgentKind.NEO_CLOUD) if build.names[r] != BORROWER])
    sizes = neo_cloud_sizes(len(clouds), world.largest_neo_cloud_share)
    build.ranks = {int(cloud): rank for rank, cloud in enumerate(clouds)}
    loans = Loans.empty()
    _place_borrower(build, loans, unit_watts)
    if world.fleets_file:
        bring_fleets(build)
    mix = mix_of(
        build.drivers.start,
        (build.drivers.start - STOCK_DATE).days / DAYS_PER_JULIAN_YEAR,
        parameters.contracts.growth,
        parameters.contracts.fading_years,
        unit_watts,
    )
    pools = np.flatnonzero(np.isin(topology.pool_kind, (PoolKind.OPEN, PoolKind.PRIVATE)))
    kinds = topology.places.kind[topology.pool_place]
    hyperscale = (kinds == "hyperscale") | ((kinds == "miner") & (topology.pool_kind == PoolKind.PRIVATE))
    pools = pools[~hyperscale[pools]]
    part = np.where(kinds[pools] == "colo", world.colocation_gpu_share, 1.0)
    shared = topology.pool_holder[pools] < 0
    held = np.bincount(
        [build.ranks.get(int(holder), len(clouds)) for holder in topology.pool_holder[pools][~shared]],
        weights=topology.pool_power[pools][~shared],
        minlength=len(clouds) + 1,
    )[: len(clouds)]
    owners = topology.pool_holder[pools].copy()
    owners[shared] = clouds[
        owners_of_halls(
            np.rint(topology.pool_power[pools] * part).astype(np.int64)[shared],
            held,
            sizes,
            build.randomness.uniform(Purpose.TENANCY, 0, pools[shared]),
        )
    ]
    age_luck = build.randomness.uniform(Purpose.VINTAGE, 0, pools)
    for pool, owner, share, age in zip(pools, owners, part, age_luck, strict=True):
        holds = int(topology.pool_power[pool])
        taken = _standing(build, int(pool), unit_watts)
        busy = max(holds - int(holds * parameters.site.vacancy) - taken, 0)
        build.pairs.add((int(owner), int(pool)))
        left_out = owner == clouds[0] and not world.largest_neo_cloud
        share = 0.0 if world.fleets_file or left_out else float(share)
        filled = _stock(build, int(owner), int(pool), int(busy * share), unit_watts, mix, float(age))
        build.background[pool] += busy - filled
    return loans


def bring_fleets(build: Builder) -> None:
    """House the lots of a user's file: in the owner's own hall at the place, else in its open pool."""
    topology = build.topology
    unit_watts = build.parameters.hardware.unit_watts.array().astype(np.int64)
    operators = (AgentKind.MINER, AgentKind.NEO_CLOUD)
    owners = [name for name, kind in zip(build.names, build.kinds, strict=True) if kind in operators]
    table, rows = read_fleets(
        build.parameters.world.fleets_file,
        topology.places,
        owners,
        build.names,
        build.drivers.weeks_since_release,
    )
    for row in rows:
        here = topology.pool_place == row.place
        own = np.flatnonzero(
            here & (topology.pool_kind == PoolKind.PRIVATE) & (topology.pool_holder == row.owner)
        )
        shared = np.flatnonzero(here & (topology.pool_kind == PoolKind.OPEN) & (topology.pool_power > 0))
        if not len(own) and not len(shared):
            table.refuse(
                row.line, "place_id", f"{topology.places.id[row.place]} has no hall open to this owner"
            )
        pool = int((own if len(own) else shared)[0])
        need = row.gpus // int(UNIT[row.generation]) * int(unit_watts[row.generation])
        room = int(topology.pool_power[pool]) - _standing(build, pool, unit_watts)
        if need > room:
            table.refuse(
                row.line, "gpus", f"{row.gpus:,} GPUs need {need:,} W; {max(room, 0):,} W are left there"
            )
        cooled = int(topology.pool_liquid[pool]) - _standing(
            build, pool, np.where(LIQUID_ONLY, unit_watts, 0)
        )
        if LIQUID_ONLY[row.generation] and need > cooled:
            name = GENERATIONS[row.generation]
            table.refuse(
                row.line,
                "generation",
                f"{name} need {need:,} W of liquid cooling; {max(cooled, 0):,} W are left there",
            )
        vintage = -round(row.age_years * WEEKS_PER_YEAR)
        if row.financed:
            build.purchases.append((row.owner, pool, row.generation, row.gpus, vintage))
        else:
            build.lot(row.owner, pool, row.generation, row.gpus, vintage, -1)
        build.pairs.add((row.owner, pool))


def _standing(build: Builder, pool: int, unit_watts: Ints) -> int:
    """Watts of lots and purchases already in a pool."""
    lots = sum(
        lot[2] // int(PRODUCT_UNIT[lot[0]]) * int(unit_watts[PRODUCT_GENERATION[lot[0]]])
        for lot in build.lots
        if lot[3] == pool
    )
    return lots + sum(
        gpus // int(UNIT[generation]) * int(unit_watts[generation])
        for _, hall, generation, gpus, _ in build.purchases
        if hall == pool
    )


def _stock(build: Builder, owner: int, pool: int, watts: int, unit_watts: Ints, mix: Mix, luck: float) -> int:
    """Fill `watts` of a hall with purchases of the past that it can cool; returns the watts they take."""
    cooled = int(build.topology.pool_liquid[pool]) - _standing(
        build, pool, np.where(LIQUID_ONLY, unit_watts, 0)
    )
    bought = fill(mix, watts, max(cooled, 0), unit_watts, luck)
    for generation, units, week in zip(bought.generation, bought.units, bought.week, strict=True):
        gpus = int(units) * int(UNIT[generation])
        build.purchases.append((owner, pool, int(generation), gpus, int(week)))
    return int((bought.units * unit_watts[bought.generation]).sum())


def _place_borrower(build: Builder, loans: Loans, unit_watts: Ints) -> None:
    """House the borrower of the forced sale: hosted, largest open pools first, one loan on all of it."""
    sale = build.parameters.forced_sale
    if not sale.enabled:
        return
    _check_decree(build.parameters)
    topology = build.topology
    owner = build.names.index(BORROWER)
    generation = GENERATIONS.index(sale.generation)
    units = -(-int(sale.gpus) // int(UNIT[generation]))
    room = np.where(topology.pool_kind == PoolKind.OPEN, topology.pool_power, 0)
    if LIQUID_ONLY[generation]:
        room = np.minimum(room, topology.pool_liquid)
    domestic = topology.places.country[topology.pool_place] == "US"
    vintage = -round(sale.age_years * WEEKS_PER_YEAR)
    creditors = build.rows(AgentKind.LENDER)
    creditor = int(creditors[(owner + generation) % len(creditors)])
    lien = equipment_loan(build.parameters, loans, owner, creditor, generation, units, vintage)
    for pool in np.argsort(-np.where(domestic, room, 0), kind="stable"):
        if units == 0:
            break
        usable = int(room[pool] * (1 - build.parameters.site.vacancy) * sale.largest_share_of_a_pool)
        here = min(units, usable // int(unit_watts[generation]))
        if here > 0:
            build.lot(owner, int(pool), generation, here * int(UNIT[generation]), vintage, lien)
            build.pairs.add((owner, int(pool)))
            units -= here
    if units:
        housed = int(sale.gpus) - units * int(UNIT[generation])
        raise ParameterError(
            f"forced_sale.gpus = {sale.gpus:,}; the open pools can house {housed:,} {sale.generation} GPUs "
            "(site.vacancy and forced_sale.largest_share_of_a_pool say how much of a pool)"
        )


def _check_decree(parameters: Parameters) -> None:
    """A sale by decree decides for its own places; where every other contract is decided too, both must say the same."""
    share, in_place = parameters.site.assignable_share, parameters.forced_sale.in_place
    if share == (0.0 if in_place else 1.0):
        none_or_every = "no" if in_place else "every"
        raise ParameterError(
            f"forced_sale.in_place = {str(in_place).lower()}, but site.assignable_share = {share:g}: {none_or_every} hosting "
            f"contract can be assigned; set forced_sale.in_place = {str(not in_place).lower()} or another share, 0 to 1"
        )
