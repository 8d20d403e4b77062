"""The world the phases of a week act on: ledger, capacity, prices and the log of events.

Capacity is held per pool in IT watts and moves between pools of one place only, so the pools of a place always sum
to its watts. Nothing here decides; it answers what is free, what stands where, and what was last paid.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from agents.valuation import running_cost_per_hour
from agents.vocabulary import (
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    AgentKind,
    Bools,
    Floats,
    Ints,
    LotStatus,
    PoolKind,
    product_name,
)
from sim.base.randomness import Randomness
from sim.base.units import SATOSHI, UNLIMITED_WATTS
from sim.debt.loss_bridge import LossBridge
from sim.drivers.drivers import Drivers
from sim.parameters import Parameters
from sim.places.topology import Topology
from sim.state.best_use_marks import BestUseMarks
from sim.state.ledger import Account, Ledger
from sim.state.standing import Credit
from sim.state.tenants import (
    ComputeContracts,
    Leases,
    Tenants,
    contract_premium,
)

# Institutions: the first rows of the table of parties.
REST_OF_WORLD = 0
LANDLORD = 1


class CapacityBreach(AssertionError):
    """More hardware stands in a pool than it has watts, or a place lost or gained watts."""


@dataclass(slots=True)
class Event:
    """Something that happened to a party, for `events.parquet` and `firesale trace`."""

    week: int
    kind: str
    party: int
    counterparty: int = -1
    product: int = -1
    quantity: int = 0
    cents: int = 0
    detail: str = ""


@dataclass(slots=True)
class World:
    """State shared by the phases of a week.

    ``power``, ``liquid``, ``background`` and ``mining`` are int64 IT watts per pool: what a pool can feed, how much
    of that can be liquid-cooled, load that is not modelled hardware, and load of mining machines that a miner
    would switch off. ``assignable`` tells per place whether a hosting contract there can be assigned.
    """

    parameters: Parameters
    randomness: Randomness
    drivers: Drivers
    topology: Topology
    ledger: Ledger
    unit: Ints  # (G,) GPUs in the sellable unit
    unit_watts: Ints  # (G,) IT watts of that unit
    compute_weight: Floats  # (G,) H100 equivalents per GPU
    week: int  # the week being lived
    rent: Floats  # (G,) this week's contract rent, USD per GPU-hour
    spot_rent: Floats  # (G,) this week's rent of hours sold on demand, USD per GPU-hour
    btc_usd: float  # this week's close
    weekly_bills: Ints  # per party, cents
    active: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]  # parties that may still bid
    power: Ints
    liquid: Ints
    background: Ints
    mining: Ints
    assignable: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    host: Ints  # party that owns the slots of each place
    pool_holder: Ints  # party whose hall a pool is, -1 nobody's
    pair_party: Ints
    pair_pool: Ints
    price: Floats  # (N_PRODUCTS, pools) USD, last clearing price
    volume: Floats  # (N_PRODUCTS,) trailing mean of GPUs traded a week
    listed: Ints
    planned_supply: float  # H100 equivalents running in the opening plan
    credit: Credit
    tenants: Tenants
    contracts: ComputeContracts
    leases: Leases
    slot_arrears: Ints  # (parties, places) slot rent due and not paid, cents
    customer_claims: Ints  # per party, prepayments of customers it no longer serves, cents
    consent: Ints  # (places,) week from which the host lets slots be assigned
    bridge: LossBridge
    best_use: Floats  # (G,) value in the best admissible use, last seen, USD per GPU
    first_lot_price: Ints  # (N_PRODUCTS,) this week's price of one lot, cents; -1 where none was found
    site_watts: Ints  # IT watts of the sites each party owns
    typical_value: Floats  # (N_PRODUCTS,) value at the typical operator, last seen, USD per GPU
    moving_cost: Floats  # (N_PRODUCTS,) typical cost of moving a GPU, USD
    best_use_marks: BestUseMarks = field(default_factory=BestUseMarks)
    events: list[Event] = field(default_factory=list)
    place_watts: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        self.place_watts = self._watts_by_place()

    # -- capacity -----------------------------------------------------------------------------------------

    def lot_watts(self) -> Ints:
        """IT nameplate watts of every lot."""
        lots = self.ledger.lots
        generation = PRODUCT_GENERATION[lots.product]
        return np.asarray(lots.quantity // PRODUCT_UNIT[lots.product] * self.unit_watts[generation])

    def used(self) -> tuple[Ints, Ints]:
        """Watts standing in each pool: all lots, and those that need liquid."""
        lots = self.ledger.lots
        watts = self.lot_watts()
        total = np.zeros(len(self.power), dtype=np.int64)
        wet = np.zeros(len(self.power), dtype=np.int64)
        np.add.at(total, lots.pool, watts)
        needs = PRODUCT_LIQUID[lots.product]
        np.add.at(wet, lots.pool[needs], watts[needs])
        return total, wet

    def headroom(self) -> tuple[Ints, Ints]:
        """IT watts, and liquid watts among them, that buyers may fill in each pool this week.

        In-place pools offer the watts of the forced lots standing there if the hosting contract can be
        assigned; displaced pools what the miner would switch off; warehouses have no limit.
        """
        used, wet = self.used()
        kind = self.topology.pool_kind
        free = self.power - used - self.background - self.mining
        damp = np.minimum(self.liquid - wet, free)
        in_place = kind == PoolKind.IN_PLACE
        open_here = in_place & self.may_assign()[self.topology.pool_place]
        free = np.where(in_place, np.where(open_here, used, 0), free)
        damp = np.where(in_place, np.where(open_here, wet, 0), damp)
        displaced = kind == PoolKind.DISPLACED
        free = np.where(displaced, self.mining, free)
        damp = np.where(displaced, 0, damp)
        store = kind == PoolKind.WAREHOUSE
        return np.where(store, UNLIMITED_WATTS, free), np.where(store, UNLIMITED_WATTS, np.maximum(damp, 0))

    def may_assign(self) -> Bools:
        """Places where slots may pass to another operator now: the contract allows it and the host has consented."""
        return np.asarray(self.assignable & (self.consent <= self.week))

    def move_capacity(self, source: int, target: int, watts: int, wet: int) -> None:
        """Give `watts` of capacity, of them at least `wet` liquid, from one pool to another of the same place."""
        pools = self.topology
        if pools.pool_place[source] != pools.pool_place[target]:
            raise ValueError(f"pools {source} and {target} belong to different places")
        dry_left = int(self.power[source] - self.liquid[source])
        liquid = max(wet, watts - dry_left)
        self.power[source] -= watts
        self.power[target] += watts
        self.liquid[source] -= liquid
        self.liquid[target] += liquid

    def pool_at(self, place: int, kind: PoolKind, holder: int | None = None) -> int:
        """The pool of a kind (and holder) at a place; KeyError if the place has none."""
        pools = self.topology
        match = (pools.pool_place == place) & (pools.pool_kind == kind)
        if holder is not None:
            match &= self.pool_holder == holder
        found = np.flatnonzero(match)
        if len(found) == 0:
            raise KeyError(f"{self.topology.places.name[place]} has no {kind.name.lower()} pool")
        return int(found[0])

    def check_capacity(self) -> None:
        """Assert that nothing stands where there are no watts and that places keep theirs.

        Raises
        ------
        CapacityBreach
            Names the pool or place and the watts by which it is out.
        """
        used, wet = self.used()
        store = self.topology.pool_kind == PoolKind.WAREHOUSE
        over = np.where(store, 0, np.maximum(used + self.background + self.mining - self.power, 0))
        soaked = np.where(store, 0, np.maximum(wet - self.liquid, 0))
        for excess, what in (
            (over, "IT watts"),
            (soaked, "liquid watts"),
            (-np.minimum(self.liquid, 0), "liquid"),
            (-np.minimum(self.background, 0), "background load"),
            (-np.minimum(self.mining, 0), "mining load"),
        ):
            if excess.any():
                worst = int(np.argmax(excess))
                raise CapacityBreach(f"pool {worst} is over its {what} by {int(excess[worst])}")
        drift = self._watts_by_place() - self.place_watts
        if drift.any():
            raise CapacityBreach(
                f"place {int(np.argmax(np.abs(drift)))} is out by {int(np.abs(drift).max())} watts"
            )

    def _watts_by_place(self) -> Ints:
        total = np.zeros(self.topology.places.n, dtype=np.int64)
        np.add.at(total, self.topology.pool_place, self.power)
        return total

    # -- readings -----------------------------------------------------------------------------------------

    def rows(self, kind: AgentKind) -> Ints:
        """Party rows of an agent kind."""
        return np.flatnonzero(self.ledger.parties.kind == kind)

    def withdraw(self, kinds: Collection[AgentKind]) -> None:
        """Parties of some kinds bid no more, for good."""
        self.active[np.isin(self.ledger.parties.kind, list(kinds))] = False

    def fleet_watts(self) -> Ints:
        """IT watts of the hardware each party holds and no lender has taken."""
        lots = self.ledger.lots
        total = np.zeros(self.ledger.parties.n, dtype=np.int64)
        held = lots.status != LotStatus.FORCED
        np.add.at(total, lots.owner[held], self.lot_watts()[held])
        return total

    def operated(self) -> Bools:
        """Forced lots a lender has run where they stand: the slot is assignable and nobody calls the lender."""
        lots, loans = self.ledger.lots, self.ledger.loans
        place = self.topology.pool_place[lots.pool]
        here = (lots.status == LotStatus.FORCED) & (self.topology.pool_kind[lots.pool] == PoolKind.IN_PLACE)
        here &= self.may_assign()[place] & (lots.lien >= 0)
        here[here] = ~self.credit.run_off[loans.creditor[lots.lien[here]]]
        return np.asarray(here & (not self.parameters.lenders.run_off))

    def running_h100_equivalents(self) -> float:
        """Compute of running lots in H100 equivalents."""
        lots = self.ledger.lots
        on = (lots.status == LotStatus.RUNNING) | self.operated()
        return float((lots.quantity[on] * self.compute_weight[PRODUCT_GENERATION[lots.product[on]]]).sum())

    def site_value_usd(self) -> Floats:
        """What the powered sites of each party would fetch, USD."""
        return np.asarray(self.site_watts / 1000.0 * self.parameters.site.site_value_usd_per_kw)

    def sell_sites(self, party: int) -> int:
        """Give a failed party's sites to the landlords at their value, paid from outside; returns the cents."""
        cents = round(float(self.site_value_usd()[party]) * 100)
        self.ledger.pay(REST_OF_WORLD, party, cents, Account.PROCEEDS)
        self.site_watts[party] = 0
        self.host[self.host == party] = LANDLORD
        self.pool_holder[self.pool_holder == party] = LANDLORD
        return cents

    def net_asset_value(self) -> Ints:
        """Cash, coins, hardware in use, contracts and own sites less debt, cents per party (contracts.md 4.5).

        Hardware stands at the value of the typical operator, not at what it would fetch: a going concern.
        """
        ledger, lots = self.ledger, self.ledger.lots
        hardware = np.zeros(ledger.parties.n)
        np.add.at(hardware, lots.owner, lots.quantity * self.typical_value[lots.product])
        coins = ledger.parties.bitcoin.copy()
        np.add.at(coins, ledger.loans.debtor, ledger.loans.pledged)
        usd = hardware + self.site_value_usd() + coins / SATOSHI * self.btc_usd
        if self.parameters.credit.tenants:
            usd += contract_premium(
                self.contracts,
                self.week,
                ledger.parties.n,
                self.rent,
                ledger.parties.utilisation,
                self.parameters.valuation.discount_rate,
                self.parameters.rent.trend_deflation,
            )
        unpaid = np.zeros(ledger.parties.n, dtype=np.int64)
        np.add.at(unpaid, ledger.orders.buyer, ledger.orders.unpaid)
        owed = ledger.debt() + unpaid
        return np.asarray(ledger.parties.cash - owed + np.rint(usd * 100).astype(np.int64))

    def log(self, week: int, kind: str, party: int, **what: int | str) -> None:
        """Append an event and count it."""
        self.credit.counts[kind] = self.credit.counts.get(kind, 0) + 1
        self.events.append(Event(week, kind, party, **what))  # type: ignore[arg-type]

    def log_sale(
        self, week: int, kind: str, party: int, buyer: int, product: int, quantity: int, cents: int
    ) -> None:
        """Append an event about hardware changing hands."""
        self.events.append(Event(week, kind, party, buyer, product, quantity, cents, product_name(product)))


def cash_cost(world: World) -> Floats:
    """What an hour of each generation costs an operator in power and upkeep, USD, shape (G,)."""
    parameters = world.parameters
    return running_cost_per_hour(
        world.unit_watts / world.unit / 1000.0,
        float(np.median(world.drivers.power_usd_per_mwh[0])) / 1000.0,
        parameters.site.pue_default,
        parameters.hardware.load_factor,
        parameters.site.hosting_fee_usd_per_kw_month,
        parameters.valuation.other_operating_cost,
    )
