"""What the market would look like with some of its frictions gone (economics.md section 2).

Nothing is deleted from a finished book. A relaxation changes what buyers see (room, cooling, cash) or are (margins,
appetite), they state their intents anew by their own rules, and the book is built and cleared again. Sellers keep
this week's offers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from agents.miner import Miner
from agents.neo_cloud import NeoCloud
from agents.party import Party
from agents.schema import Section, relaxed_fields
from agents.view import KnownPoolsView, View
from agents.vocabulary import (
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    AgentKind,
    Bools,
    BuyIntents,
    Floats,
    Intents,
    Ints,
    SellOrders,
)
from sim.discount.three_prices import received
from sim.kernel.book import Network
from sim.kernel.clearing import Clearing
from sim.market.market import clear_intents, cut_forced_supply, select
from sim.market.search import admit
from sim.market.venue import Venue
from sim.market.week import Cohort, MarketWeek

FAMILIES = (
    "transport",
    "power",
    "liquid",
    "cash",
    "search",
    "distressed_insiders",
    "margins",
    "order_limits",
)
INSIDERS: Mapping[AgentKind, type[Party]] = {AgentKind.MINER: Miner, AgentKind.NEO_CLOUD: NeoCloud}
# Cents: covers every intent of a buyer many times over, and leaves room below the kernel's largest amount.
AMPLE_CASH = 10**17
# Watts a buyer may set out to fill when its appetite is lifted; its slots then decide.
AMPLE_WATTS = 1e15
# What a family sets the fields to that the schema marks as lifted by it.
LIFTED = {"margins": 0.0, "order_limits": AMPLE_WATTS}

Relaxed = frozenset[str]
Rebuild = Callable[[Relaxed], BuyIntents]


@dataclass(frozen=True, slots=True)
class Setting:
    """One week's market, ready to be cleared with any of `FAMILIES` relaxed.

    Parameters
    ----------
    sell
        Offers; they stay as they are.
    rebuild
        Buy intents with families relaxed.
    venue
        Where it is cleared when nothing is relaxed.

    Notes
    -----
    A forced class is quoted at the quantity-weighted mean of its sellers' pools, the same weights under every relaxation. Each
    combination of families is cleared once for all forced classes, and once more for the first lot of each class asked for.
    """

    sell: SellOrders
    rebuild: Rebuild
    venue: Venue
    _networks: dict[Relaxed, Network] = field(default_factory=dict, init=False, repr=False, compare=False)
    _cleared: dict[Relaxed, Clearing] = field(default_factory=dict, init=False, repr=False, compare=False)
    _quoted: dict[tuple[Relaxed, int, bool], float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def forced(self) -> Ints:
        """Forced classes on offer."""
        return np.unique(self.sell.product[self._mandates])

    @property
    def _mandates(self) -> Bools:
        return self.sell.forced & (self.sell.quantity > 0)

    def price_cents(self, relaxed: Relaxed, product: int) -> float:
        """Price of a forced class, cents per GPU."""
        key = (relaxed, product, False)
        if key not in self._quoted:
            self._quoted[key] = self._quote(self._clearing(relaxed), product)
        return self._quoted[key]

    def first_lot_price_cents(self, relaxed: Relaxed, product: int) -> float:
        """Price of a forced class had one sellable unit of it come, cents per GPU."""
        unit = int(PRODUCT_UNIT[product])
        if self.sell.quantity[self._mandates & (self.sell.product == product)].sum() <= unit:
            return self.price_cents(relaxed, product)
        key = (relaxed, product, True)
        if key not in self._quoted:
            one = cut_forced_supply(self.sell, product, unit)
            self._quoted[key] = self._quote(self._clear(one, relaxed), product)
        return self._quoted[key]

    def _quote(self, clearing: Clearing, product: int) -> float:
        rows = np.flatnonzero(self._mandates & (self.sell.product == product))
        return received(clearing.price, self.sell, rows, self.venue.first_node)

    def _clearing(self, relaxed: Relaxed) -> Clearing:
        if relaxed not in self._cleared:
            self._cleared[relaxed] = self._clear(self.sell, relaxed)
        return self._cleared[relaxed]

    def _clear(self, sell: SellOrders, relaxed: Relaxed) -> Clearing:
        kept = self._coupled(relaxed)
        _, clearing = clear_intents(
            replace(sell, quantity=np.where(kept[sell.product], sell.quantity, 0)),
            self._bids(relaxed, kept),
            self._venue(relaxed),
            whole=False,
        )
        return clearing

    def _bids(self, relaxed: Relaxed, kept: Bools) -> BuyIntents:
        buy = self.rebuild(relaxed)
        return select(buy, kept[buy.product])  # type: ignore[return-value]

    def _venue(self, relaxed: Relaxed) -> Venue:
        network, power = self._network(relaxed), self.venue.power
        if "power" in relaxed:
            power = np.full_like(power, ample_room(self.sell, network))
        # Liquid watts are nested in watts: without limits of their own they end where the watts do.
        cooling = power if "liquid" in relaxed else self.venue.cooling
        return replace(self.venue, network=network, power=power, cooling=cooling)

    def _network(self, relaxed: Relaxed) -> Network:
        key = relaxed & {"transport", "liquid"}
        if key not in self._networks:
            self._networks[key] = relaxed_network(self.venue.network, self.venue.first_node, key)
        return self._networks[key]

    def _coupled(self, relaxed: Relaxed) -> Bools:
        """Classes that compete with a forced one for anything scarce; the others cannot move its price."""
        if "power" not in relaxed:
            return np.ones(len(PRODUCT_LIQUID), dtype=np.bool_)
        kept = np.isin(np.arange(len(PRODUCT_LIQUID)), self.forced)
        if "liquid" not in relaxed and PRODUCT_LIQUID[kept].any():
            kept |= PRODUCT_LIQUID
        return kept


def ample_room(sell: SellOrders, network: Network) -> int:
    """Watts in which everything on offer fits four times over."""
    watts = sell.quantity * network.unit_watts[sell.product] // network.unit[sell.product]
    return 4 * int(watts.sum()) + 4 * int(network.unit_watts.max())


def relaxed_network(network: Network, first_node: int, relaxed: Relaxed) -> Network:
    """The network without freight, or with liquid cooling everywhere; export rules stay.

    A lane into a pool that was barred for want of cooling opens at the dearest re-installation of the class.
    """
    if not {"transport", "liquid"} & relaxed:
        return network
    freight = network.freight.copy()
    if "liquid" in relaxed:
        entering = network.lanes[:, 1] >= first_node
        inside = freight[:, entering]
        freight[:, entering] = np.where(inside < 0, inside.max(axis=1, initial=-1)[:, None], inside)
    if "transport" in relaxed:
        freight = np.minimum(freight, 0)
    return replace(network, freight=freight)


class AgentsRebuild:
    """Buy intents of all agents by their own rules, under a relaxed view and relaxed parameters.

    Parameters
    ----------
    week
        A market that has cleared and is not yet settled. A type whose agents decide one by one is asked one by one; its
        parameters cannot be relaxed, so its margins and cash are lifted on the intents it returns. ``search`` brings buyers
        back that were not present.
    """

    def __init__(self, week: MarketWeek) -> None:
        self.week = week
        view = week.view
        # Bids do not depend on what is standing: without lots the agents' offers cost nothing to form.
        self.view = replace(view, lots=view.lots.none())
        self.ample = ample_room(week.intents.sell, week.result.venue.network)
        self._kept: dict[Relaxed, BuyIntents] = {}
        self._stated: dict[tuple[type[Party], Relaxed], Intents] = {}
        self._views: dict[Relaxed, View] = {}

    def __call__(self, relaxed: Relaxed) -> BuyIntents:
        """Intents with families relaxed; each combination is asked for once."""
        key = relaxed - {"transport"}
        if key not in self._kept:
            self._kept[key] = self._state(key) if key else self.week.intents.buy
        return self._kept[key]

    def active(self) -> list[str]:
        """Families whose relaxation can change anything this week."""
        sell, buy, venue = self.week.intents.sell, self.week.intents.buy, self.week.result.venue
        offered = np.unique(sell.product[sell.quantity > 0])
        entering = venue.network.lanes[:, 1] >= venue.first_node
        barred = PRODUCT_LIQUID[offered].any() or (venue.network.freight[np.ix_(offered, entering)] < 0).any()
        test = {
            "liquid": bool(barred),
            "search": not self.week.present.all(),
            "distressed_insiders": len(self._distressed()) > 0,
            "margins": bool((buy.margin > 0).any()),
        }
        return [name for name in FAMILIES if test.get(name, True)]

    def _state(self, relaxed: Relaxed) -> BuyIntents:
        buy = Intents.concatenate([self._asked(cohort, relaxed) for cohort in self.week.cohorts]).buy
        if "margins" in relaxed:
            buy = replace(buy, margin=np.zeros_like(buy.margin))
        if "cash" in relaxed:
            buy = replace(
                buy, cash_cents=np.maximum(buy.cash_cents, np.maximum(buy.value_cents, 0) * buy.wanted)
            )
        if "search" not in relaxed:
            buy = admit(buy, self.week.present)
        return buy

    def _asked(self, cohort: Cohort, relaxed: Relaxed) -> Intents:
        """What a cohort says with families relaxed; it is asked once for those that can matter to it."""
        section = self._section(cohort.agent_type)
        seen = relaxed & _relevant(cohort.kind, section)
        key = (cohort.agent_type, seen)
        if key not in self._stated:
            if seen not in self._views:
                self._views[seen] = self._view(seen)
            self._stated[key] = cohort.ask_what_if(self._views[seen], _lifted(section, seen))
        return self._stated[key]

    def _section(self, agent_type: type[Party]) -> Section:
        return self.week.world.parameters.section_of(agent_type)

    def _view(self, relaxed: Relaxed) -> View:
        view = self.view
        pools = len(view.pools.free_watts)
        everywhere = np.full(pools, self.ample, dtype=np.int64)
        if "power" in relaxed:
            view = replace(view, pools=replace(view.pools, free_watts=everywhere))
        if "liquid" in relaxed:
            view = replace(
                view,
                pools=replace(
                    view.pools,
                    free_liquid_watts=view.pools.free_watts,
                    liquid_capacity_watts=everywhere,
                ),
            )
        if "distressed_insiders" in relaxed:
            view = self._healed(view)
        if "cash" in relaxed:
            view = replace(
                view,
                parties=replace(
                    view.parties,
                    cash_cents=np.full(len(view.parties.cash_cents), AMPLE_CASH, dtype=np.int64),
                ),
            )
        return view

    # -- distressed insiders ------------------------------------------------------------------------------

    def _spendable(self) -> tuple[Floats, Floats]:
        """Cash above the reserve, and the reserve, of every insider; NaN for others, cents."""
        view = self.view
        keep = np.full(len(view.parties.cash_cents), np.nan)
        for kind, agent_type in INSIDERS.items():
            mine = view.parties.kind == kind
            months = float(getattr(self._section(agent_type), "reserve_months", 0.0))
            keep[mine] = view.parties.obligations_cents[mine] * months
        return view.parties.cash_cents - keep, keep

    def _healthy(self) -> Bools:
        view = self.view
        able = (
            self.week.world.operators.active
            & view.credit.may_spend
            & ~view.credit.distressed
            & ~view.credit.failed
        )
        spare, _ = self._spendable()
        return np.asarray(able & (np.nan_to_num(spare, nan=-1.0) > 0))

    def _distressed(self) -> Ints:
        """Insiders that failed, are held by their lenders or are short of their reserve, where others of their kind are not."""
        healthy = self._healthy()
        kinds = [kind for kind in INSIDERS if (healthy & (self.view.parties.kind == kind)).any()]
        return np.flatnonzero(np.isin(self.view.parties.kind, kinds) & ~healthy)

    def _healed(self, view: View) -> View:
        """Distressed insiders bid again, with the spare cash of the median healthy one of their kind."""
        world, rows, healthy = self.week.world, self._distressed(), self._healthy()
        spare, keep = self._spendable()
        cash = view.parties.cash_cents.copy()
        for kind in INSIDERS:
            sick = rows[view.parties.kind[rows] == kind]
            well = healthy & (view.parties.kind == kind)
            if len(sick):
                cash[sick] = np.rint(np.nan_to_num(keep[sick]) + np.median(spare[well])).astype(np.int64)
        gone = np.flatnonzero(~world.operators.active)
        lost = np.isin(world.known.party, gone)
        party = np.r_[view.known.party, world.known.party[lost]]
        pool = np.r_[view.known.pool, world.known.pool[lost]]
        order = np.lexsort((pool, party))
        sick = np.isin(np.arange(len(cash)), rows)
        return replace(
            view,
            parties=replace(view.parties, cash_cents=cash),
            known=KnownPoolsView(party[order], pool[order]),
            credit=replace(
                view.credit,
                may_spend=view.credit.may_spend | sick,
                distressed=view.credit.distressed & ~sick,
                failed=view.credit.failed & ~sick,
            ),
        )


def _relevant(kind: AgentKind, section: Section) -> Relaxed:
    """Families that can change what agents of a type ask for; the search layer acts on what they asked."""
    left = {"power", "liquid", "cash"}
    if kind in INSIDERS:
        left.add("distressed_insiders")
    return frozenset(left | {family for family in LIFTED if relaxed_fields(type(section), family)})


def _lifted(section: Section, relaxed: Relaxed) -> Section:
    """A section without margins and appetites, as far as they are relaxed and it has them."""
    lifted = {
        name: value
        for family, value in LIFTED.items()
        if family in relaxed
        for name in relaxed_fields(type(section), family)
    }
    return section.model_copy(update=lifted)


def names_of(mask: int, families: Iterable[str]) -> Relaxed:
    """Families whose bit is set.

    >>> sorted(names_of(0b101, ("transport", "power", "cash")))
    ['cash', 'transport']
    """
    return frozenset(name for i, name in enumerate(families) if mask >> i & 1)
