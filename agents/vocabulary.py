"""The words agents and engine share: product classes, kinds of pool, intents.

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
DAYS_PER_JULIAN_YEAR = 365.25  # for dates that lie years apart
SATOSHI = 100_000_000  # in a bitcoin
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
    """What a party is to the engine."""

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
    OTHER = 10  # a type registered beside these


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


@dataclass(slots=True)
class SellOrders:
    """Offers: rows of (party, pool, product, quantity, reserve)."""

    party: Ints
    pool: Ints
    product: Ints
    quantity: Ints  # GPUs, whole units
    reserve_cents: Ints  # cents per GPU
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
    value_cents: Ints  # cents per GPU, net of hosting and delay, before margin
    margin: Floats  # fraction of value kept back
    wanted: Ints  # GPUs, whole units
    cash_cents: Ints  # cents set aside for this intent
    cap: Ints  # QuantityCap
    delay_cents: Ints  # cents per GPU lost to waiting

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
    bitcoin_sold_satoshi: Ints  # satoshi
    payout_cents: Ints  # cents
    orders_given_up: Ints  # 1 to cancel all orders of new units
    machines_sold_watts: Ints  # IT watts of mining machines

    @classmethod
    def empty(cls) -> "Treasury":
        """No money moves."""
        z = np.zeros(0, dtype=np.int64)
        return cls(z, z, z, z, z)


@dataclass(slots=True, kw_only=True)
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
