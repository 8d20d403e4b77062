"""What every agent may look at in a week: the view, grouped by subject.

A view is a snapshot for reading. Its arrays are copies in immutable memory: a write raises, and nothing leads from them to
the engine's own. What an agent wants changed it returns as `agents.vocabulary.Intents`.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from agents.vocabulary import Bools, Floats, Ints

Array = np.ndarray[Any, np.dtype[Any]]


def frozen(array: Array) -> Array:
    """A copy that stands in immutable memory: it cannot be written, nor made writable.

    >>> seen = frozen(np.arange(3))
    >>> seen.flags.writeable = True
    Traceback (most recent call last):
    ValueError: cannot set WRITEABLE flag to True of this array
    """
    if isinstance(array.base, bytes):
        return array
    if array.size == 0:
        empty = array.copy()
        empty.flags.writeable = False
        return empty
    return np.frombuffer(array.tobytes(), dtype=array.dtype).reshape(array.shape)


class Part:
    """Base of the parts of a view: its arrays are copies that cannot be written, so that what was seen stays what it was."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every part is a dataclass
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, frozen(value))


@dataclass(frozen=True, slots=True)
class RentsView(Part):
    """Contract rents and what is believed of their future."""

    contract_usd_per_hour: Floats  # (G,) USD per GPU-hour
    trend: float  # expected log decline a year
    belief: str  # how agents expect the demand deviation to persist
    demand: Floats  # (G,) log deviation of rent from its trend, which reverts to zero
    mean_reversion: float  # of that deviation, per year
    step_years: Floats  # (G, K) time until pending release steps
    step_drops: Floats  # (G, K) fraction of rent lost at each
    extrapolation: float  # share by which an extrapolating agent expects a deviation of demand to grow


@dataclass(frozen=True, slots=True)
class BitcoinView(Part):
    """What mining earns."""

    price_usd: float
    hashprice_usd_per_ph_day: float


@dataclass(frozen=True, slots=True)
class MarketView(Part):
    """Prices, volumes and what is on offer."""

    price_usd: Floats  # (N_PRODUCTS, pools) last clearing price at each pool, USD per GPU
    typical_value_usd: Floats  # (N_PRODUCTS,) value at the typical operator's site, USD per GPU
    weekly_volume: Floats  # (N_PRODUCTS,) trailing mean of GPUs traded a week
    listed: Ints  # product classes on offer as the week opens
    list_price_usd: Floats  # (G,) manufacturer's list price, USD per GPU
    new_allocation: Ints  # (G,) GPUs the manufacturer brings this week


@dataclass(frozen=True, slots=True)
class ProductsView(Part):
    """Product classes: age, wait, condition, and what moving one costs."""

    age_years: Floats  # (N_PRODUCTS,) mean of the stock
    wait_weeks: Floats  # (N_PRODUCTS,) from purchase to first service when moved
    condition_factor: Floats  # (conditions,) value relative to a clean unit
    moving_usd: Floats  # (N_PRODUCTS,) typical de-install, freight and re-install, USD per GPU


@dataclass(frozen=True, slots=True)
class HardwareView(Part):
    """Generations as machines: power, life, upkeep and parts."""

    watts: Floats  # (G,) IT watts per GPU
    unit_watts: Ints  # (G,) IT watts of the sellable unit
    load_factor: float
    failure_hazard: float  # per year
    physical_life_years: float
    other_operating_usd_per_hour: float  # upkeep beside power and space, USD per GPU-hour
    salvage_usd: Floats  # (G,) USD per GPU
    salvage_decay: float  # per year


@dataclass(frozen=True, slots=True)
class PoolsView(Part):
    """Pools of power and cooling, one row each."""

    place: Ints
    kind: Ints
    holder: Ints  # party whose hall it is, -1 nobody's
    free_watts: Ints  # IT watts
    free_liquid_watts: Ints
    liquid_capacity_watts: Ints  # IT watts that can ever be liquid-cooled there
    mining_watts: Ints  # IT watts of mining machines
    hosting_usd_per_kw_month: Floats
    power_usd_per_kwh: Floats  # delivered
    pue: Floats
    wait_weeks: Floats  # until the pool is energised
    foreign: Bools


@dataclass(frozen=True, slots=True)
class KnownPoolsView(Part):
    """Who knows which pool: pairs, sorted by party."""

    party: Ints
    pool: Ints


@dataclass(frozen=True, slots=True)
class PartiesView(Part):
    """Parties, one row each."""

    kind: Ints
    cash_cents: Ints  # less what deliveries on their way will cost
    bitcoin_satoshi: Ints
    obligations_cents: Ints  # a month: power, hosting, debt service
    fleet_watts: Ints
    utilisation: Floats
    discount_rate: Floats  # per year


@dataclass(frozen=True, slots=True)
class LotsView(Part):
    """Lots of hardware, one row each."""

    product: Ints
    vintage: Ints  # week the unit entered service
    quantity: Ints  # GPUs
    pool: Ints
    owner: Ints
    lien: Ints  # loan row, -1 free
    status: Ints  # `LotStatus`
    arrival: Ints  # week from which it can run or be resold
    liquidator: Ints  # who holds the mandate, -1 none
    deadline: Ints  # week by which a forced lot must be sold
    lien_rate: Floats  # rate of the loan secured on the lot, NaN if none
    run_off: Bools  # the lot's lender must sell

    def none(self) -> "LotsView":
        """The same table without rows."""
        return LotsView(*(getattr(self, field.name)[:0] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class TermsView(Part):
    """Terms on which hardware is leased, stored, converted, operated and bid for."""

    shell_lease_years: float  # tenor of a powered-shell lease
    retrofit_usd_per_watt: float
    storage_usd_per_week: float  # per GPU
    operating_fee: float  # share of revenue of a hired operator
    in_place_weeks: int  # from purchase to first service of units that stay where they stand
    least_gain_share: float  # share of a limit that counts as gain where the last price leaves less


@dataclass(frozen=True, slots=True)
class CreditView(Part):
    """What lenders allow each party; one row each but the base rate."""

    base_rate: float  # per year
    line_cents: Ints  # what a party may borrow for hardware this week
    advance: Floats  # share of delivered cost a purchase of used units is lent
    may_spend: Bools  # free to buy and to pay owners
    distressed: Bools  # missed a payment or a test
    gain_cents: Ints  # net asset value above its opening level; what owners may be paid from
    failed: Bools  # in the hands of its lenders


@dataclass(frozen=True, slots=True)
class View(Part):
    """What every agent may look at this week."""

    week: int
    rents: RentsView
    bitcoin: BitcoinView
    market: MarketView
    products: ProductsView
    hardware: HardwareView
    pools: PoolsView
    known: KnownPoolsView
    parties: PartiesView
    lots: LotsView
    terms: TermsView
    credit: CreditView
