"""What the market would look like with some of its frictions gone (economics.md section 2).

Nothing is deleted from a finished book. A relaxation changes what buyers see (room, cooling, cash) or are (margins,
appetite), they state their intents anew by their own rules, and the book is built and cleared again. Sellers keep
this week's offers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from agents.party import Party
from agents.schema import relaxed_fields
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
    View,
)
from sim.discount.three_prices import received
from sim.kernel.book import Network
from sim.kernel.clearing import Clearing
from sim.market.market import clear_intents, cut_forced_supply, select

if TYPE_CHECKING:
    from sim.model import FireSaleModel

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
INSIDERS = (AgentKind.MINER, AgentKind.NEO_CLOUD)
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
    power, cooling : (nodes,) int64
        Headroom before the clearing, IT watts.

    Notes
    -----
    A forced class is quoted at the quantity-weighted mean of its sellers' pools, the same weights under every relaxation. Each
    combination of families is cleared once for all forced classes, and once more for the first lot of each class asked for.
    """

    sell: SellOrders
    rebuild: Rebuild
    network: Network
    first_node: int
    power: Ints
    cooling: Ints
    theta: float
    steps: int
    refine: bool
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

    def price(self, relaxed: Relaxed, product: int) -> float:
        """Price of a forced class, cents per GPU."""
        key = (relaxed, product, False)
        if key not in self._quoted:
            self._quoted[key] = self._quote(self._clearing(relaxed), product)
        return self._quoted[key]

    def first_lot_price(self, relaxed: Relaxed, product: int) -> float:
        """Price of a forced class had one sellable unit of it come, cents per GPU."""
        unit = int(PRODUCT_UNIT[product])
        if self.sell.quantity[self._mandates & (self.sell.product == product)].sum() <= unit:
            return self.price(relaxed, product)
        key = (relaxed, product, True)
        if key not in self._quoted:
            one = cut_forced_supply(self.sell, product, unit)
            hint = self._clearing(relaxed)
            self._quoted[key] = self._quote(self._clear(one, relaxed, hint), product)
        return self._quoted[key]

    def _quote(self, clearing: Clearing, product: int) -> float:
        rows = np.flatnonzero(self._mandates & (self.sell.product == product))
        return received(clearing.price, self.sell, rows, self.first_node)

    def _clearing(self, relaxed: Relaxed) -> Clearing:
        if relaxed not in self._cleared:
            self._cleared[relaxed] = self._clear(self.sell, relaxed, None)
        return self._cleared[relaxed]

    def _clear(self, sell: SellOrders, relaxed: Relaxed, hint: Clearing | None) -> Clearing:
        buy, network = self.rebuild(relaxed), self._network(relaxed)
        power = np.full_like(self.power, ample_room(self.sell, network)) if "power" in relaxed else self.power
        # Liquid watts are nested in watts: without limits of their own they end where the watts do.
        cooling = power if "liquid" in relaxed else self.cooling
        kept = self._coupled(relaxed)
        _, clearing = clear_intents(
            replace(sell, quantity=np.where(kept[sell.product], sell.quantity, 0)),
            select(buy, kept[buy.product]),  # type: ignore[arg-type]
            network,
            self.first_node,
            power,
            cooling,
            theta=self.theta,
            steps=self.steps,
            refine=self.refine,
            whole=False,
            hint=hint,
        )
        return clearing

    def _network(self, relaxed: Relaxed) -> Network:
        key = relaxed & {"transport", "liquid"}
        if key not in self._networks:
            self._networks[key] = relaxed_network(self.network, self.first_node, key)
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
    model
        A model that has decided and not yet settled this week. A type whose agents decide one by one is asked one by
        one; its parameters cannot be relaxed, so its margins and cash are lifted on the intents it returns.
    present : (parties,) bool, optional
        Buyers the search layer let into this week's market; all if omitted. ``search`` brings the others back.
    """

    def __init__(self, model: "FireSaleModel", present: Bools | None = None) -> None:
        self.model = model
        self.present = np.ones(len(model.view.cash), dtype=np.bool_) if present is None else present
        view = model.view
        # Bids do not depend on what is standing: without lots the agents' offers cost nothing to form.
        empty = {f.name: getattr(view, f.name)[:0] for f in fields(View) if f.name.startswith("lot_")}
        self.view = replace(view, **empty)
        self.ample = ample_room(model.intents.sell, model.world.topology.network())
        self._kept: dict[Relaxed, BuyIntents] = {}
        self._stated: dict[tuple[type[Party], Relaxed], list[Intents]] = {}
        self._views: dict[Relaxed, View] = {}

    def __call__(self, relaxed: Relaxed) -> BuyIntents:
        """Intents with families relaxed; each combination is asked for once."""
        key = relaxed - {"transport"}
        if key not in self._kept:
            self._kept[key] = self._state(key) if key else self.model.intents.buy
        return self._kept[key]

    def active(self) -> list[str]:
        """Families whose relaxation can change anything this week."""
        sell, buy = self.model.intents.sell, self.model.intents.buy
        offered = np.unique(sell.product[sell.quantity > 0])
        network = self.model.world.topology.network()
        entering = network.lanes[:, 1] >= self.model.world.topology.places.n
        wet = PRODUCT_LIQUID[offered].any() or (network.freight[np.ix_(offered, entering)] < 0).any()
        test = {
            "liquid": bool(wet),
            "search": not self.present.all(),
            "distressed_insiders": len(self._distressed()) > 0,
            "margins": bool((buy.margin > 0).any()),
        }
        return [name for name in FAMILIES if test.get(name, True)]

    def _state(self, relaxed: Relaxed) -> BuyIntents:
        parts: list[Intents] = []
        for agent_type, agents in self.model.agents_by_type.items():
            seen = relaxed & self._relevant(agent_type)
            if (agent_type, seen) not in self._stated:
                self._stated[agent_type, seen] = self._ask(agent_type, list(agents), seen)
            parts += self._stated[agent_type, seen]
        buy = Intents.concatenate(parts).buy
        if "margins" in relaxed:
            buy = replace(buy, margin=np.zeros_like(buy.margin))
        if "cash" in relaxed:
            buy = replace(buy, cash=np.maximum(buy.cash, np.maximum(buy.value, 0) * buy.wanted))
        if "search" not in relaxed:
            buy = select(buy, self.present[buy.party])  # type: ignore[assignment]
        return buy

    def _relevant(self, agent_type: type[Party]) -> Relaxed:
        """Families that can change what agents of a type ask for; the search layer acts on what they asked."""
        section = type(self.model.section_of(agent_type.kind))
        left = {"power", "liquid", "cash"}
        if agent_type.kind in INSIDERS:
            left.add("distressed_insiders")
        return frozenset(left | {family for family in LIFTED if relaxed_fields(section, family)})

    def _ask(self, agent_type: type[Party], agents: list[Party], relaxed: Relaxed) -> list[Intents]:
        """Intents of one type under a relaxed view and section."""
        if relaxed not in self._views:
            self._views[relaxed] = self._view(relaxed)
        view, section = self._views[relaxed], self.model.section_of(agent_type.kind)
        if agent_type.decide is not Party.decide:
            return [agent.decide(view) for agent in sorted(agents, key=lambda agent: agent.row)]
        lifted = {
            name: value
            for family, value in LIFTED.items()
            if family in relaxed
            for name in relaxed_fields(type(section), family)
        }
        rows = np.sort(np.array([agent.row for agent in agents], dtype=np.int64))
        return [agent_type.decide_all(view, rows, section.model_copy(update=lifted))]

    def _view(self, relaxed: Relaxed) -> View:
        view = self.view
        pools = len(view.pool_free)
        everywhere = np.full(pools, self.ample, dtype=np.int64)
        if "power" in relaxed:
            view = replace(view, pool_free=everywhere)
        if "liquid" in relaxed:
            view = replace(view, pool_free_liquid=view.pool_free, pool_liquid_capacity=everywhere)
        if "distressed_insiders" in relaxed:
            view = self._healed(view)
        if "cash" in relaxed:
            view = replace(view, cash=np.full(len(view.cash), AMPLE_CASH, dtype=np.int64))
        return view

    # -- distressed insiders ------------------------------------------------------------------------------

    def _spendable(self) -> tuple[Floats, Floats]:
        """Cash above the reserve, and the reserve, of every insider; NaN for others, cents."""
        view = self.view
        keep = np.full(len(view.cash), np.nan)
        for kind in INSIDERS:
            mine = view.party_kind == kind
            months = float(getattr(self.model.section_of(kind), "reserve_months", 0.0))
            keep[mine] = view.obligations[mine] * months
        return view.cash - keep, keep

    def _healthy(self) -> Bools:
        view = self.view
        able = self.model.world.active & view.may_spend & ~view.distressed & ~view.frozen
        spare, _ = self._spendable()
        return np.asarray(able & (np.nan_to_num(spare, nan=-1.0) > 0))

    def _distressed(self) -> Ints:
        """Insiders that failed, are held by their lenders or are short of their reserve, where others of their kind are not."""
        healthy = self._healthy()
        kinds = [kind for kind in INSIDERS if (healthy & (self.view.party_kind == kind)).any()]
        return np.flatnonzero(np.isin(self.view.party_kind, kinds) & ~healthy)

    def _healed(self, view: View) -> View:
        """Distressed insiders bid again, with the spare cash of the median healthy one of their kind."""
        world, rows, healthy = self.model.world, self._distressed(), self._healthy()
        spare, keep = self._spendable()
        cash = view.cash.copy()
        for kind in INSIDERS:
            sick = rows[view.party_kind[rows] == kind]
            well = healthy & (view.party_kind == kind)
            if len(sick):
                cash[sick] = np.rint(np.nan_to_num(keep[sick]) + np.median(spare[well])).astype(np.int64)
        gone = np.flatnonzero(~world.active)
        lost = np.isin(world.pair_party, gone)
        party = np.r_[view.pair_party, world.pair_party[lost]]
        pool = np.r_[view.pair_pool, world.pair_pool[lost]]
        order = np.lexsort((pool, party))
        sick = np.isin(np.arange(len(cash)), rows)
        return replace(
            view,
            cash=cash,
            pair_party=party[order],
            pair_pool=pool[order],
            may_spend=view.may_spend | sick,
            distressed=view.distressed & ~sick,
            frozen=view.frozen & ~sick,
        )


def names_of(mask: int, families: Iterable[str]) -> Relaxed:
    """Families whose bit is set.

    >>> sorted(names_of(0b101, ("transport", "power", "cash")))
    ['cash', 'transport']
    """
    return frozenset(name for i, name in enumerate(families) if mask >> i & 1)
