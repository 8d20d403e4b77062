"""Where a deal could be served: halls with room now or soon, what a unit costs there, and the rate that would be asked.

Rows are halls, columns the generations sold today. Open and promised halls are let to whoever signs, an operator's own hall to
it. Operators are alike in what they ask (utilisation and hurdle of the typical one); who signs is drawn by size.
"""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import (
    HOURS_PER_MONTH,
    LIQUID_ONLY,
    MONTHS_PER_YEAR,
    PRODUCT_CONDITION,
    WEEKS_PER_YEAR,
    AgentKind,
    Bools,
    Condition,
    Floats,
    Ints,
    PoolKind,
)
from sim.construction.pipeline import expected_opening
from sim.contracts.offers import LoanTerms, Machine, offer_of
from sim.contracts.rates import Offer, posted_ratio, required_rate
from sim.lending import terms
from sim.state.world import World

# A coverage so low that income never binds.
UNSIZED = 1e-6
OPERATORS = (AgentKind.NEO_CLOUD, AgentKind.MINER)


@dataclass(frozen=True, slots=True)
class Halls:
    """Halls that could take a deal.

    Attributes
    ----------
    pool, holder : (N,)
        The hall, and the operator whose own it is; -1 for one that is let to anybody.
    ready : (N,)
        Week in which it is expected to have power.
    generation : (G',)
        Generations sold today.
    units : (N, G')
        Units of each that fit.
    """

    pool: Ints
    holder: Ints
    ready: Ints
    generation: Ints
    units: Ints

    def of(self, party: int) -> Bools:
        """Halls that are open to an operator."""
        return np.asarray((self.holder < 0) | (self.holder == party))


def operators(world: World) -> Ints:
    """Operators that may sign: active and in good standing."""
    kind = world.ledger.parties.kind
    able = np.isin(kind, OPERATORS) & world.operators.active & world.credit.may_spend()
    return np.flatnonzero(able)


def candidates(world: World, week: int) -> Halls:
    """Halls that have enough room now or are promised in time."""
    section, pools = world.parameters.contracts, world.topology
    power, liquid = world.headroom()
    forward = pools.pool_kind == PoolKind.FORWARD
    held = (pools.pool_kind == PoolKind.PRIVATE) | (forward & (world.slots.holder >= 0))
    own = held & np.isin(world.slots.holder, operators(world))
    ready = np.where(
        forward,
        expected_opening(world.slots.promised_week, week, world.parameters.construction.late_median_weeks),
        week,
    )
    able = own | (~held & (forward | (pools.pool_kind == PoolKind.OPEN)))
    able &= power >= section.least_hall_watts
    rows = np.flatnonzero(able & (ready <= week + section.latest_delivery_weeks))
    generation = np.flatnonzero(world.drivers.on_sale(week))
    room = np.where(
        LIQUID_ONLY[generation][None, :], np.minimum(liquid, power)[rows][:, None], power[rows][:, None]
    )
    units = room // world.hardware.unit_watts[generation][None, :]
    return Halls(rows, np.where(own[rows], world.slots.holder[rows], -1), ready[rows], generation, units)


def machines(world: World, week: int, halls: Halls) -> Machine:
    """A new unit of each generation in each hall, shape (N, G')."""
    parameters, pools, g = world.parameters, world.topology, halls.generation
    hall = halls.pool[:, None]
    power = world.drivers.power_usd_per_mwh[week, pools.places.zone[pools.pool_place]] / 1000.0
    energy = power * pools.pool_pue * parameters.hardware.load_factor * HOURS_PER_MONTH
    moving = world.hardware.moving_usd[PRODUCT_CONDITION == Condition.NEW]
    own = parameters.neo_clouds.shell_lease_usd_per_kw_month
    slot = np.where(pools.pool_kind == PoolKind.PRIVATE, own, pools.pool_hosting)
    step_years, step_drops = world.drivers.pending_steps(week)
    return Machine(
        cost=(world.list_price_usd(week) + moving)[g][None, :],
        kilowatts=(world.hardware.unit_watts / world.hardware.unit / 1000.0)[g][None, :],
        energy_usd_per_kw_month=energy[hall],
        slot_usd_per_kw_month=slot[hall],
        rent=world.rents.contract_usd_per_hour[g][None, :],
        utilisation=parameters.valuation.utilisation,
        overhead=parameters.valuation.overhead,
        trend=parameters.rent.trend_deflation,
        hazard=parameters.hardware.failure_hazard,
        life_years=parameters.hardware.physical_life_years,
        salvage_usd=world.drivers.salvage_usd[week][g][None, :],
        salvage_decay=parameters.hardware.salvage_decay,
        step_years=step_years[g][None],
        step_drops=step_drops[g][None],
    )


def late_months(world: World, week: int, halls: Halls) -> Floats:
    """Months of revenue operators expect to lose in halls that are not ready, (N, 1)."""
    section = world.parameters.construction
    # Mean of a lognormal with the median.
    mean = section.late_share * section.late_median_weeks * np.exp(0.5 * section.late_log_deviation**2)
    months = world.parameters.contracts.lateness_belief * mean * MONTHS_PER_YEAR / WEEKS_PER_YEAR
    dark = world.topology.pool_kind[halls.pool] == PoolKind.FORWARD
    return np.asarray(np.where(dark, months, 0.0)[:, None])


@dataclass(frozen=True, slots=True)
class Served:
    """A deal of one tier and term in every hall: the offer, the rate each requires, and the posted one; shape (N, G')."""

    offer: Offer
    required: Floats
    posted: Floats  # (1, G')

    @property
    def multiple(self) -> Floats:
        """Required over posted rate; infinite where a generation does not fit."""
        return np.asarray(self.required / self.posted)


def serve(
    world: World, week: int, halls: Halls, machine: Machine, tier: int, years: float, prepaid: float
) -> Served:
    """What a deal is to every operator in every hall."""
    section, lenders = world.parameters.contracts, world.parameters.lenders
    today, at = terms.on_offer(world), np.array([tier])
    belief = terms.common_belief(world)
    learned = terms.loss_believed(
        world,
        belief,
        np.array([float(today.advance[tier])]),
        np.ones(1),
        np.array([lenders.longest_years]),
        np.array([world.parameters.rent.trend_deflation]),
    )
    rate = float(world.drivers.sofr[week] + terms.spread(world, week, at, learned).total[0])
    months = years * MONTHS_PER_YEAR
    tail = min(today.tail_years * MONTHS_PER_YEAR, max(lenders.longest_years * MONTHS_PER_YEAR - months, 0.0))
    decay = terms.spot_decay(
        belief,
        world.parameters.rent.trend_deflation,
        terms.market_decay(world)[PRODUCT_CONDITION == Condition.CLEAN][halls.generation][None, :],
        np.array([[(months + tail / 2) / MONTHS_PER_YEAR]]),
    )
    offered = LoanTerms(
        advance=float(today.advance[tier]),
        coverage=float(today.coverage[tier]) if world.parameters.credit.income_sizing else UNSIZED,
        tail_months=today.tail_years * MONTHS_PER_YEAR,
        haircut=lenders.tail_haircut,
        longest_months=lenders.longest_years * MONTHS_PER_YEAR,
        rate=rate,
        decay=decay,
    )
    offer = offer_of(
        machine,
        offered,
        years=years,
        prepaid=prepaid,
        late_months=late_months(world, week, halls),
        hurdle=section.hurdle,
        merchant_hurdle=section.merchant_hurdle,
    )
    ratio = posted_ratio(years, world.parameters.rent.trend_deflation, section.hurdle)
    posted = world.rents.contract_usd_per_hour[halls.generation][None, :] * ratio
    required = np.where(halls.units > 0, required_rate(offer), np.inf)
    return Served(offer, required, posted)
