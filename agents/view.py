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
    if isinstance(array.base, bytes) and not array.flags.writeable:
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

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew, so that the arrays of a copy cannot be written either.
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class RentsView(Part):
    """Contract rents and what is believed of their future.

    Attributes
    ----------
    contract_usd_per_hour : (G,) floats
        USD per GPU-hour.
    trend : float
        Expected log decline a year.
    belief : str
        How agents expect the demand deviation to persist.
    demand : (G,) floats
        Log deviation of rent from its trend, which reverts to zero.
    mean_reversion : float
        Of that deviation, per year.
    step_years : (G, K) floats
        Time until pending release steps.
    step_drops : (G, K) floats
        Fraction of rent lost at each.
    extrapolation : float
        Share by which an extrapolating agent expects a deviation of demand to grow.
    """

    contract_usd_per_hour: Floats
    trend: float
    belief: str
    demand: Floats
    mean_reversion: float
    step_years: Floats
    step_drops: Floats
    extrapolation: float


@dataclass(frozen=True, slots=True)
class BitcoinView(Part):
    """What mining earns.

    Attributes
    ----------
    price_usd : float
        USD per bitcoin.
    hashprice_usd_per_ph_day : float
        USD a day earned by a petahash per second.
    """

    price_usd: float
    hashprice_usd_per_ph_day: float


@dataclass(frozen=True, slots=True)
class MarketView(Part):
    """Prices, volumes and what is on offer.

    Attributes
    ----------
    price_usd : (N_PRODUCTS, pools) floats
        Last clearing price at each pool, USD per GPU.
    typical_value_usd : (N_PRODUCTS,) floats
        Value at the typical operator's site, USD per GPU.
    weekly_volume : (N_PRODUCTS,) floats
        Trailing mean of GPUs traded a week.
    listed : int64
        Product classes on offer as the week opens.
    list_price_usd : (G,) floats
        Manufacturer's list price, USD per GPU.
    new_allocation : (G,) int64
        GPUs the manufacturer brings this week.
    """

    price_usd: Floats
    typical_value_usd: Floats
    weekly_volume: Floats
    listed: Ints
    list_price_usd: Floats
    new_allocation: Ints


@dataclass(frozen=True, slots=True)
class ProductsView(Part):
    """Product classes: age, wait, condition, and what moving one costs.

    Attributes
    ----------
    age_years : (N_PRODUCTS,) floats
        Mean of the stock.
    wait_weeks : (N_PRODUCTS,) floats
        From purchase to first service when moved.
    condition_factor : (conditions,) floats
        Value relative to a clean unit.
    moving_usd : (N_PRODUCTS,) floats
        Typical de-install, freight and re-install, USD per GPU.
    """

    age_years: Floats
    wait_weeks: Floats
    condition_factor: Floats
    moving_usd: Floats


@dataclass(frozen=True, slots=True)
class HardwareView(Part):
    """Generations as machines: power, life, upkeep and parts.

    Attributes
    ----------
    watts : (G,) floats
        IT watts per GPU.
    unit_watts : (G,) int64
        IT watts of the sellable unit.
    load_factor : float
        Share of rated watts drawn under load.
    failure_hazard : float
        Per year.
    physical_life_years : float
        Years after which a unit is worn out.
    overhead : float
        Share of revenue spent on everything but power and space.
    salvage_usd : (G,) floats
        USD per GPU.
    salvage_decay : float
        Per year.
    """

    watts: Floats
    unit_watts: Ints
    load_factor: float
    failure_hazard: float
    physical_life_years: float
    overhead: float
    salvage_usd: Floats
    salvage_decay: float


@dataclass(frozen=True, slots=True)
class PoolsView(Part):
    """Pools of power and cooling, one row each.

    Attributes
    ----------
    place : (pools,) int64
        Row of the place it is at.
    kind : (pools,) int64
        `PoolKind`.
    holder : int64
        Party whose hall it is, -1 nobody's.
    free_watts : int64
        IT watts.
    free_liquid_watts : int64
        IT watts of free room that can be liquid-cooled now.
    liquid_capacity_watts : int64
        IT watts that can ever be liquid-cooled there.
    mining_watts : int64
        IT watts of mining machines.
    hosting_usd_per_kw_month : floats
        Fee for hosted watts, USD per kW and month.
    power_usd_per_kwh : floats
        Delivered.
    pue : floats
        Watts drawn per IT watt.
    wait_weeks : floats
        Until the pool is energised.
    foreign : bool
        Outside the United States.
    """

    place: Ints
    kind: Ints
    holder: Ints
    free_watts: Ints
    free_liquid_watts: Ints
    liquid_capacity_watts: Ints
    mining_watts: Ints
    hosting_usd_per_kw_month: Floats
    power_usd_per_kwh: Floats
    pue: Floats
    wait_weeks: Floats
    foreign: Bools


@dataclass(frozen=True, slots=True)
class KnownPoolsView(Part):
    """Who knows which pool: pairs, sorted by party.

    Attributes
    ----------
    party : int64
        Row of the party.
    pool : int64
        Row of the pool.
    """

    party: Ints
    pool: Ints


@dataclass(frozen=True, slots=True)
class PartiesView(Part):
    """Parties, one row each.

    Attributes
    ----------
    kind : int64
        `AgentKind`.
    cash_cents : int64
        Less what deliveries on their way will cost.
    bitcoin_satoshi : int64
        Satoshi held.
    obligations_cents : int64
        A month: power, hosting, debt service.
    fleet_watts : int64
        IT watts of its hardware.
    utilisation : floats
        Share of hours sold or used.
    discount_rate : floats
        Per year.
    """

    kind: Ints
    cash_cents: Ints
    bitcoin_satoshi: Ints
    obligations_cents: Ints
    fleet_watts: Ints
    utilisation: Floats
    discount_rate: Floats


@dataclass(frozen=True, slots=True)
class LotsView(Part):
    """Lots of hardware, one row each.

    Attributes
    ----------
    product : int64
        Product class.
    vintage : int64
        Week the unit entered service.
    quantity : int64
        GPUs.
    pool : int64
        Row of the pool it stands in.
    owner : int64
        Row of the owner.
    lien : int64
        Loan row, -1 free.
    status : int64
        `LotStatus`.
    arrival : int64
        Week from which it can run or be resold.
    liquidator : int64
        Who holds the mandate, -1 none.
    deadline : int64
        Week by which a forced lot must be sold.
    lien_rate : floats
        Rate of the loan secured on the lot, NaN if none.
    run_off : bool
        The lot's lender must sell.
    """

    product: Ints
    vintage: Ints
    quantity: Ints
    pool: Ints
    owner: Ints
    lien: Ints
    status: Ints
    arrival: Ints
    liquidator: Ints
    deadline: Ints
    lien_rate: Floats
    run_off: Bools

    def none(self) -> "LotsView":
        """The same table without rows."""
        return LotsView(*(getattr(self, field.name)[:0] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class TermsView(Part):
    """Terms on which hardware is leased, stored, converted, operated and bid for.

    Attributes
    ----------
    shell_lease_years : float
        Tenor of a powered-shell lease.
    retrofit_usd_per_watt : float
        Cost of making a mining hall fit for GPUs, USD per IT watt.
    storage_usd_per_week : float
        Per GPU.
    operating_fee : float
        Share of revenue of a hired operator.
    in_place_weeks : int
        From purchase to first service of units that stay where they stand.
    merchant_hurdle : float
        Return asked on a new unit without a contract, per year.
    least_gain_share : float
        Share of a limit that counts as gain where the last price leaves less.
    """

    shell_lease_years: float
    retrofit_usd_per_watt: float
    storage_usd_per_week: float
    operating_fee: float
    in_place_weeks: int
    merchant_hurdle: float
    least_gain_share: float


@dataclass(frozen=True, slots=True)
class CreditView(Part):
    """What lenders allow each party; one row each but the base rate.

    Attributes
    ----------
    base_rate : float
        Per year.
    line_cents : int64
        What a party may borrow for hardware this week.
    advance : floats
        Share of delivered cost a purchase of used units is lent.
    may_spend : bool
        Free to buy and to pay owners.
    distressed : bool
        Missed a payment or a test.
    gain_cents : int64
        Net asset value above its opening level; what owners may be paid from.
    failed : bool
        In the hands of its lenders.
    """

    base_rate: float
    line_cents: Ints
    advance: Floats
    may_spend: Bools
    distressed: Bools
    gain_cents: Ints
    failed: Bools


@dataclass(frozen=True, slots=True)
class View(Part):
    """What every agent may look at this week: parts by subject, each of which says what its arrays hold.

    Attributes
    ----------
    week : int
        Week being lived; the first is 0.
    rents, bitcoin, market, products, hardware, pools, known, parties, lots, terms, credit
        `RentsView`, `BitcoinView`, `MarketView`, `ProductsView`, `HardwareView`, `PoolsView`, `KnownPoolsView`, `PartiesView`,
        `LotsView`, `TermsView` and `CreditView`.

    Notes
    -----
    Arrays are indexed by product class (`firesale.product_name` gives its name, ``PRODUCT_GENERATION`` its generation), by
    generation (``firesale.GENERATIONS``), by pool or by party. An agent's party is its ``row``; the pools it may bid in are
    ``view.known.pool[view.known.party == row]``.

    Examples
    --------
    Dearest H100 last week, over all pools, USD per GPU::

        h100 = firesale.product_of(firesale.GENERATIONS.index("H100"), firesale.Condition.CLEAN)
        view.market.price_usd[h100].max()
    """

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
