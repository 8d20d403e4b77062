"""The words agents and engine share: product classes, kinds of pool, the view of the world, intents.

A product class is a generation in a condition. The clearing kernel's "generation" axis is the product.
Nothing here holds behaviour; the rules live beside each agent type, the bookkeeping in ``sim``.
"""

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

GENERATIONS = ("V100", "A100", "H100", "H200", "B200", "GB200", "GB300", "VR200")
CONDITIONS = ("new", "clean", "as_is")
N_GENERATIONS = len(GENERATIONS)
N_CONDITIONS = len(CONDITIONS)
N_PRODUCTS = N_GENERATIONS * N_CONDITIONS

# GPUs in the smallest thing that is sold whole: an eight-GPU node or a 72-GPU rack.
UNIT = np.array([8, 8, 8, 8, 8, 72, 72, 72], dtype=np.int64)
LIQUID_ONLY = np.array([False, False, False, False, False, True, True, True])

PRODUCT_GENERATION = np.repeat(np.arange(N_GENERATIONS), N_CONDITIONS)
PRODUCT_CONDITION = np.tile(np.arange(N_CONDITIONS), N_GENERATIONS)
PRODUCT_UNIT = UNIT[PRODUCT_GENERATION]
PRODUCT_LIQUID = LIQUID_ONLY[PRODUCT_GENERATION]

WEEKS_PER_YEAR = 52
MONTHS_PER_YEAR = 12
DAYS_PER_WEEK = 7.0
DAYS_PER_YEAR = 365.0
HOURS_PER_WEEK = 168.0
HOURS_PER_MONTH = 730.0
HOURS_PER_YEAR = 8760.0


class Condition(IntEnum):
    """State of a unit when it is sold; numbers index `CONDITIONS`."""

    NEW = 0
    CLEAN = 1
    AS_IS = 2


@overload
def product_of(generation: int, condition: int) -> int: ...
@overload
def product_of(generation: Ints, condition: int | Ints) -> Ints: ...
def product_of(generation: int | Ints, condition: int | Ints) -> int | Ints:
    """Product class of a generation in a condition; arrays give arrays.

    >>> product_of(GENERATIONS.index("H100"), Condition.CLEAN)
    7
    >>> product_of(np.arange(3), Condition.AS_IS).tolist()
    [2, 5, 8]
    """
    return N_CONDITIONS * generation + condition


def product_name(product: int) -> str:
    """Readable name of a product class, for tables and errors.

    >>> product_name(7)
    'H100 clean'
    """
    return f"{GENERATIONS[PRODUCT_GENERATION[product]]} {CONDITIONS[PRODUCT_CONDITION[product]]}"


class AgentKind(IntEnum):
    """What a party is; the fixed numbers are written to result tables."""

    INSTITUTION = 0
    MINER = 1
    NEO_CLOUD = 2
    LENDER = 3
    LIQUIDATOR = 4
    HYPERSCALER = 5
    ENTERPRISE = 6
    EXPORTER = 7
    SALVAGER = 8
    MANUFACTURER = 9


class PoolKind(IntEnum):
    """Kinds of capacity pool (economics.md section 1)."""

    PRIVATE = 0
    OPEN = 1
    IN_PLACE = 2
    DISPLACED = 3
    FORWARD = 4
    WAREHOUSE = 5


class LotStatus(IntEnum):
    """What a lot is doing this week."""

    RUNNING = 0
    IDLE = 1
    IN_TRANSIT = 2
    FORCED = 3
    INVENTORY = 4


class QuantityCap(IntEnum):
    """Why a buyer does not want more; kept so that a relaxation can rebuild the intent."""

    NONE = 0
    POWER = 1
    APPETITE = 2
    ABSORPTION = 3
    WAREHOUSE = 4


@dataclass(frozen=True, slots=True)
class View:
    """What every agent may look at this week. Arrays are the engine's own: read, never write.

    Prices and values are USD per GPU (system level), rents USD per GPU-hour, power USD per kWh.
    """

    week: int
    rent: Floats  # (G,) contract rent
    rent_trend: float  # expected log decline a year
    belief: str  # how agents expect the demand deviation to persist
    demand: Floats  # (G,) log deviation of rent from its trend, which reverts to zero
    demand_mean_reversion: float  # per year
    step_years: Floats  # (G, K) time until pending release steps
    step_drops: Floats  # (G, K) fraction of rent lost at each
    salvage: Floats  # (G,) USD per GPU
    salvage_decay: float
    bitcoin_usd: float
    hashprice_usd: float  # per PH/s and day
    base_rate: float
    # market
    price: Floats  # (N_PRODUCTS, pools) last clearing price at each pool, USD per GPU
    reference_value: Floats  # (N_PRODUCTS,) value at the typical operator's site
    weekly_volume: Floats  # (N_PRODUCTS,) trailing mean of GPUs traded a week
    product_age: Floats  # (N_PRODUCTS,) years, mean of the stock
    product_wait: Floats  # (N_PRODUCTS,) weeks from purchase to first service when moved
    condition_factor: Floats  # (conditions,) value relative to a clean unit
    listed: Ints  # product classes on offer as the week opens
    list_price: Floats  # (G,) manufacturer's list price
    new_allocation: Ints  # (G,) GPUs the manufacturer brings this week
    # pools
    pool_place: Ints
    pool_kind: Ints
    pool_holder: Ints
    pool_free: Ints  # IT watts
    pool_free_liquid: Ints
    pool_hosting: Floats  # USD per kW-month
    pool_power: Floats  # USD per kWh, delivered
    pool_pue: Floats
    pool_wait: Floats  # weeks until the pool is energised
    pool_foreign: Bools
    pool_liquid_capacity: Ints  # IT watts that can ever be liquid-cooled there
    moving_cost: Floats  # (N_PRODUCTS,) typical de-install, freight and re-install, USD per GPU
    # who knows which pool: pairs, sorted by party
    pair_party: Ints
    pair_pool: Ints
    # parties, one row each
    party_kind: Ints
    cash: Ints  # cents, less what deliveries on their way will cost
    bitcoin: Ints  # satoshi
    obligations: Ints  # cents a month: power, hosting, debt service
    fleet_watts: Ints
    utilisation: Floats
    discount_rate: Floats
    # lots
    lot_product: Ints
    lot_vintage: Ints  # week the unit entered service
    lot_quantity: Ints
    lot_pool: Ints
    lot_owner: Ints
    lot_lien: Ints  # loan row, -1 free
    lot_status: Ints
    lot_arrival: Ints  # week from which it can run or be resold
    lot_agent: Ints  # liquidator holding the mandate, -1 none
    lot_deadline: Ints  # week by which a forced lot must be sold
    lot_rate: Floats  # rate of the loan secured on the lot, NaN if none
    # physical
    watts: Floats  # (G,) IT watts per GPU
    unit_watts: Ints  # (G,)
    load_factor: float
    failure_hazard: float
    physical_life: float
    other_operating_cost: float
    mining_watts: Ints  # per pool
    shell_lease_years: float  # tenor of a powered-shell lease
    retrofit_usd_per_watt: float
    storage_usd_per_week: float  # per GPU
    operating_fee: float  # share of revenue of a hired operator
    # credit
    lot_run_off: Bools  # the lot's lender must sell
    credit_line: Ints  # cents a party may borrow for hardware this week
    advance: Floats  # per party, share of delivered cost a purchase of used units is lent
    may_spend: Bools  # per party: free to buy and to pay owners
    distressed: Bools  # per party: missed a payment or a test
    gain: Ints  # cents per party, net asset value above its opening level; what owners may be paid from
    frozen: Bools  # per party: in the hands of its lenders
    # common to all who value and bid
    extrapolation: float  # share by which an extrapolating agent expects a deviation of demand to grow
    least_gain_share: float  # share of a limit that counts as gain where the last price leaves less
    in_place_weeks: int  # from purchase to first service of units that stay where they stand


@dataclass(slots=True)
class SellOrders:
    """Offers: rows of (party, pool, product, quantity, reserve)."""

    party: Ints
    pool: Ints
    product: Ints
    quantity: Ints  # GPUs, whole units
    reserve: Ints  # cents per GPU
    forced: Bools

    @classmethod
    def empty(cls) -> "SellOrders":
        """No offers."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z, z, z, np.zeros(0, dtype=np.bool_))


@dataclass(slots=True)
class BuyIntents:
    """Wishes to buy: the engine derives limit orders from them (design.md section 7).

    `value` is what a GPU is worth to the buyer in that pool before margin; `delay` is the part of the gross
    value given up to waiting, kept for the accounting.
    """

    party: Ints
    pool: Ints
    product: Ints
    value: Ints  # cents per GPU, net of hosting and delay, before margin
    margin: Floats  # fraction of value kept back
    wanted: Ints  # GPUs, whole units
    cash: Ints  # cents set aside for this intent
    cap: Ints  # QuantityCap
    delay: Ints  # cents per GPU lost to waiting

    @classmethod
    def empty(cls) -> "BuyIntents":
        """No wishes."""
        z = np.zeros(0, dtype=np.int64)
        f = np.zeros(0, dtype=np.float64)
        return cls(z, z, z, z, f, z, z, z, z)


@dataclass(slots=True)
class ScrapOrders:
    """Units given up for parts at the salvage price."""

    party: Ints
    pool: Ints
    product: Ints
    quantity: Ints

    @classmethod
    def empty(cls) -> "ScrapOrders":
        """Nothing scrapped."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z, z)


@dataclass(slots=True)
class ConvertOrders:
    """Mining watts a miner would turn into a leased shell."""

    party: Ints
    pool: Ints
    watts: Ints  # IT watts

    @classmethod
    def empty(cls) -> "ConvertOrders":
        """Nothing converted."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z)


@dataclass(slots=True)
class Treasury:
    """Moves an agent asks for beside trade: coins sold, cash paid out to its owners, orders given up, machines sold."""

    party: Ints
    bitcoin_sold: Ints  # satoshi
    payout: Ints  # cents
    orders_given_up: Ints  # 1 to cancel all orders of new units
    machines_sold: Ints  # IT watts of mining machines

    @classmethod
    def empty(cls) -> "Treasury":
        """No money moves."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z, z, z)


@dataclass(slots=True)
class Intents:
    """All an agent or a cohort asks the engine to do this week."""

    sell: SellOrders = field(default_factory=SellOrders.empty)
    buy: BuyIntents = field(default_factory=BuyIntents.empty)
    scrap: ScrapOrders = field(default_factory=ScrapOrders.empty)
    treasury: Treasury = field(default_factory=Treasury.empty)
    convert: ConvertOrders = field(default_factory=ConvertOrders.empty)

    @classmethod
    def concatenate(cls, parts: list["Intents"]) -> "Intents":
        """Stack the intents of several cohorts, in the order given."""
        joined = cls()
        for table in fields(cls):
            rows = [getattr(part, table.name) for part in parts]
            kind = type(getattr(joined, table.name))
            columns = [
                np.concatenate([getattr(row, column.name) for row in rows])
                if rows
                else getattr(kind.empty(), column.name)
                for column in fields(kind)
            ]
            setattr(joined, table.name, kind(*columns))
        return joined
