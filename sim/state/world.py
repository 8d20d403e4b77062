"""The world the phases of a week act on: ledger, capacity, prices and the log of events.

Capacity is held per pool in IT watts and moves between pools of one place only, so the pools of a place always sum
to its watts. Nothing here decides; it answers what is free, what stands where, and what was last paid.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from agents.valuation import running_cost_per_hour
from agents.vocabulary import (
    MONTHS_PER_YEAR,
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    SATOSHI,
    AgentKind,
    Bools,
    Floats,
    Ints,
    LotStatus,
    PoolKind,
    product_name,
)
from sim.base.randomness import Randomness
from sim.base.units import UNLIMITED_WATTS
from sim.debt.loss_bridge import LossBridge
from sim.debt.terms import level_payment
from sim.drivers.drivers import Drivers
from sim.drivers.plan import Plan
from sim.parameters import Parameters
from sim.places.topology import Topology
from sim.state.best_use_marks import BestUseMarks
from sim.state.capacity import Capacity
from sim.state.demand import Booked, Demand
from sim.state.ledger import Account, Ledger
from sim.state.lending import Experience, Pool
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


@dataclass(frozen=True, slots=True)
class Hardware:
    """Generations as machines, fixed for a run."""

    unit: Ints  # (G,) GPUs in the sellable unit
    unit_watts: Ints  # (G,) IT watts of that unit
    compute_weight: Floats  # (G,) H100 equivalents per GPU
    moving_usd: Floats  # (N_PRODUCTS,) typical cost of moving a GPU


@dataclass(slots=True)
class Rents:
    """What a GPU-hour earns this week, and the supply that was planned when rents were drawn."""

    contract_usd_per_hour: Floats  # (G,) USD per GPU-hour
    spot_usd_per_hour: Floats  # (G,) of hours sold on demand
    planned_h100e: float = 0.0  # H100 equivalents running in the opening plan


@dataclass(slots=True)
class Operators:
    """Parties as going concerns, one entry each."""

    active: Bools  # may still bid
    takes_over: Bools  # may take hardware over where it stands
    bills_cents: Ints  # power, hosting and upkeep of the last week
    customer_claims_cents: Ints  # prepayments of customers it no longer serves
    site_watts: Ints  # IT watts of the sites it owns
    hall_watts: Ints  # IT watts of the halls it has built or is building with project loans


@dataclass(slots=True)
class Slots:
    """Who may let or assign powered slots, and what is owed for them."""

    assignable: Bools  # (places,) a hosting contract there can be assigned
    host: Ints  # (places,) party that owns the slots
    holder: Ints  # (pools,) party whose hall it is, -1 nobody's
    consent_week: Ints  # (places,) week from which the host lets slots be assigned
    promised_week: Ints  # (pools,) week for which a hall is promised; far away for those that have power
    opens_week: Ints  # (pools,) week in which it has power
    own_building_pool: Ints  # (parties,) pool in which an operator builds for itself, -1 none
    building_pool: Ints  # (zones,) pool in which a zone's next hall is built, -1 none
    arrears_cents: Ints  # (parties, places) slot rent due and not paid


@dataclass(frozen=True, slots=True)
class KnownPools:
    """Who knows which pool: pairs, sorted by party."""

    party: Ints
    pool: Ints


@dataclass(slots=True)
class Market:
    """Prices, values and volumes as last seen."""

    price_usd: Floats  # (N_PRODUCTS, pools) last clearing price, USD per GPU
    weekly_volume: Floats  # (N_PRODUCTS,) trailing mean of GPUs traded a week
    listed: Ints  # product classes on offer
    best_use_value_usd: Floats  # (G,) value in the best admissible use, USD per GPU
    typical_value_usd: Floats  # (N_PRODUCTS,) value at the typical operator, USD per GPU
    first_lot_price_cents: Ints  # (N_PRODUCTS,) this week's price of one lot; -1 where none was found
    sold_age_weeks: Floats  # (trades settled this week,) mean age of what was delivered


@dataclass(slots=True)
class World:
    """State shared by the phases of a week, grouped by subject."""

    parameters: Parameters
    randomness: Randomness
    drivers: Drivers
    topology: Topology
    ledger: Ledger
    week: int  # the week being lived
    btc_usd: float  # this week's close
    hardware: Hardware
    rents: Rents
    operators: Operators
    capacity: Capacity
    slots: Slots
    known: KnownPools
    market: Market
    credit: Credit
    tenants: Tenants
    contracts: ComputeContracts
    leases: Leases
    bridge: LossBridge
    plan: Plan
    pool: Pool
    experience: Experience
    demand: Demand
    booked: Booked
    best_use_marks: BestUseMarks = field(default_factory=BestUseMarks)
    events: list[Event] = field(default_factory=list)

    # -- capacity -----------------------------------------------------------------------------------------

    def lot_watts(self) -> Ints:
        """IT nameplate watts of every lot."""
        lots = self.ledger.lots
        generation = PRODUCT_GENERATION[lots.product]
        return np.asarray(lots.quantity // PRODUCT_UNIT[lots.product] * self.hardware.unit_watts[generation])

    def used(self) -> tuple[Ints, Ints]:
        """Watts standing in each pool: all lots, and those that need liquid."""
        lots = self.ledger.lots
        watts = self.lot_watts()
        total, liquid = np.zeros((2, len(self.topology.pool_place)), dtype=np.int64)
        np.add.at(total, lots.pool, watts)
        needs = PRODUCT_LIQUID[lots.product]
        np.add.at(liquid, lots.pool[needs], watts[needs])
        return total, liquid

    def headroom(self) -> tuple[Ints, Ints]:
        """IT watts, and liquid watts among them, that buyers may fill in each pool this week.

        In-place pools offer the watts of the forced lots standing there if the hosting contract can be
        assigned; displaced pools what the miner would switch off; warehouses have no limit.
        """
        used, used_liquid = self.used()
        kind, capacity = self.topology.pool_kind, self.capacity
        free = capacity.power_watts - used - capacity.background_watts - capacity.mining_watts
        liquid = np.minimum(capacity.liquid_watts - used_liquid, free)
        in_place = kind == PoolKind.IN_PLACE
        open_here = in_place & self.may_assign()[self.topology.pool_place]
        free = np.where(in_place, np.where(open_here, used, 0), free)
        liquid = np.where(in_place, np.where(open_here, used_liquid, 0), liquid)
        displaced = kind == PoolKind.DISPLACED
        free = np.where(displaced, capacity.mining_watts, free)
        liquid = np.where(displaced, 0, liquid)
        store = kind == PoolKind.WAREHOUSE
        return (
            np.where(store, UNLIMITED_WATTS, free),
            np.where(store, UNLIMITED_WATTS, np.maximum(liquid, 0)),
        )

    def may_assign(self) -> Bools:
        """Places where slots may pass to another operator now: the contract allows it and the host has consented."""
        return np.asarray(self.slots.assignable & (self.slots.consent_week <= self.week))

    def pool_at(self, place: int, kind: PoolKind, holder: int | None = None) -> int:
        """The pool of a kind (and holder) at a place; KeyError if the place has none."""
        pools = self.topology
        match = (pools.pool_place == place) & (pools.pool_kind == kind)
        if holder is not None:
            match &= self.slots.holder == holder
        found = np.flatnonzero(match)
        if len(found) == 0:
            raise KeyError(f"{self.topology.places.name[place]} has no {kind.name.lower()} pool")
        return int(found[0])

    def check_capacity(self) -> None:
        """Assert that nothing stands where there are no watts and that places keep theirs."""
        used, used_liquid = self.used()
        self.capacity.check(used, used_liquid, self.topology.pool_kind == PoolKind.WAREHOUSE)

    def check_contracts(self) -> None:
        """Assert that contracts and orders hold together.

        Raises
        ------
        BooksDoNotClose
            Names the law: a contract is served by its operator's own units and by no more than it is for, an order's
            contract is its buyer's, and no loan is signed for more than an order costs.
        """
        lots, contracts, orders = self.ledger.lots, self.contracts, self.ledger.orders
        bound = np.flatnonzero((lots.contract >= 0) & (lots.quantity > 0))
        served = np.zeros(len(contracts.tenant), dtype=np.int64)
        np.add.at(served, lots.contract[bound], lots.quantity[bound])
        law = self.ledger.law
        law("contract served twice", int(np.maximum(served - contracts.gpus, 0).sum()), "GPUs")
        strange = contracts.operator[lots.contract[bound]] != lots.owner[bound]
        law("contract served by another", int(strange.sum()), "lots")
        law("contract of mandated units", int((lots.status[bound] == LotStatus.FORCED).sum()), "lots")
        mine = orders.contract >= 0
        law(
            "order for another's contract",
            int((contracts.operator[orders.contract[mine]] != orders.buyer[mine]).sum()),
            "orders",
        )
        law(
            "loan beyond an order's cost",
            int(np.maximum(orders.commitment_cents - orders.cost_cents, 0).sum()),
            "cents",
        )
        law("commitment below zero", int(np.minimum(orders.commitment_cents, 0).sum()), "cents")

    # -- readings -----------------------------------------------------------------------------------------

    def list_price_usd(self, week: int) -> Floats:
        """List price of a new unit of each generation after the policy's cut, USD, (G,)."""
        return np.asarray(self.drivers.list_price_usd(week) * (1.0 - self.parameters.manufacturer.price_cut))

    def rows(self, kind: AgentKind) -> Ints:
        """Party rows of an agent kind."""
        return np.flatnonzero(self.ledger.parties.kind == kind)

    def rows_of(self, type_name: str) -> Ints:
        """Party rows of a type, as tables name it."""
        return np.flatnonzero(np.array(self.ledger.parties.type) == type_name)

    def withdraw(self, kinds: Collection[AgentKind]) -> None:
        """Parties of some kinds bid no more, for good."""
        self.operators.active[np.isin(self.ledger.parties.kind, list(kinds))] = False

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
        return float(
            (lots.quantity[on] * self.hardware.compute_weight[PRODUCT_GENERATION[lots.product[on]]]).sum()
        )

    def site_value_usd(self) -> Floats:
        """What the powered sites of each party would fetch, USD."""
        return np.asarray(self.operators.site_watts / 1000.0 * self.parameters.site.site_value_usd_per_kw)

    def fee_worth_usd_per_watt(self) -> float:
        """The posted fee of a slot over a lease, discounted as operators discount, USD per IT watt."""
        site = self.parameters.site
        months = site.lease_tenor_years * MONTHS_PER_YEAR
        paid = float(level_payment(1.0, self.parameters.contracts.hurdle, months))
        return site.hosting_fee_usd_per_kw_month / 1000.0 / paid

    def hall_value_usd(self) -> Floats:
        """What halls of each party would fetch, USD: their fees over a lease, and no more than a new shell costs."""
        each = min(self.fee_worth_usd_per_watt(), self.parameters.construction.shell_usd_per_watt)
        return np.asarray(self.operators.hall_watts * each)

    def sell_sites(self, party: int) -> int:
        """Give a failed party's sites to the landlords at their value, paid from outside; returns the cents."""
        cents = round(float(self.site_value_usd()[party]) * 100)
        self.ledger.pay(REST_OF_WORLD, party, cents, Account.PROCEEDS)
        self.operators.site_watts[party] = 0
        self.slots.host[self.slots.host == party] = LANDLORD
        self.slots.holder[self.slots.holder == party] = LANDLORD
        return cents

    def net_asset_value_cents(self) -> Ints:
        """Cash, coins, hardware in use, contracts, own sites and halls less debt, cents per party (contracts.md 4.5).

        Hardware stands at the value of the typical operator, not at what it would fetch: a going concern.
        """
        ledger, lots = self.ledger, self.ledger.lots
        hardware = np.zeros(ledger.parties.n)
        np.add.at(hardware, lots.owner, lots.quantity * self.market.typical_value_usd[lots.product])
        coins = ledger.parties.bitcoin_satoshi.copy()
        np.add.at(coins, ledger.loans.debtor, ledger.loans.pledged_satoshi)
        usd = hardware + self.site_value_usd() + self.hall_value_usd() + coins / SATOSHI * self.btc_usd
        if self.parameters.credit.tenants:
            usd += contract_premium(
                self.contracts,
                self.week,
                ledger.parties.n,
                self.rents.contract_usd_per_hour,
                ledger.parties.utilisation,
                self.parameters.valuation.discount_rate,
                self.parameters.rent.trend_deflation,
            )
        unpaid = np.zeros(ledger.parties.n, dtype=np.int64)
        np.add.at(unpaid, ledger.orders.buyer, ledger.orders.unpaid_cents)
        owed = ledger.debt_cents() + unpaid
        return np.asarray(ledger.parties.cash_cents - owed + np.rint(usd * 100).astype(np.int64))

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
    """Rate at which an hour of each generation pays its power, slot and overhead, USD, shape (G,)."""
    parameters = world.parameters
    cost = running_cost_per_hour(
        world.hardware.unit_watts / world.hardware.unit / 1000.0,
        float(np.median(world.drivers.power_usd_per_mwh[0])) / 1000.0,
        parameters.site.pue_default,
        parameters.hardware.load_factor,
        parameters.site.hosting_fee_usd_per_kw_month,
    )
    return np.asarray(cost / (1.0 - parameters.valuation.overhead))
