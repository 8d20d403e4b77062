"""One week's market as one object: what was seen, intended, cleared and quoted, and who may be asked again.

The model makes it once, when forced classes are quoted, and hands it down; who takes prices apart or writes them down sees
this and not the model. Everything but the world is the week's own. The world is the living one: settlement changes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agents.party import Party
from agents.schema import Section
from agents.view import View
from agents.vocabulary import PRODUCT_GENERATION, AgentKind, Bools, Floats, Intents
from sim.market.market import MarketResult
from sim.parameters import Parameters
from sim.state.world import World


class PriceGaps:
    """The two gaps between three prices of forced units, USD per GPU, and the headline discount."""

    __slots__ = ()

    best_use_value_usd: float
    first_lot_price_usd: float
    price_usd: float

    @property
    def structural_gap_usd(self) -> float:
        """V* - p0: what one lot loses in this state of the world, the belief gap included."""
        return self.best_use_value_usd - self.first_lot_price_usd

    @property
    def fire_sale_discount_usd(self) -> float:
        """p0 - p: what is lost because the lots come together."""
        return self.first_lot_price_usd - self.price_usd

    @property
    def discount_share(self) -> float:
        """Headline d: the fire-sale discount as a share of the first-lot price; NaN if the first lot has no price."""
        whole = self.first_lot_price_usd
        return self.fire_sale_discount_usd / whole if whole > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class ThreePrices(PriceGaps):
    """Prices of one forced class in one week, USD per GPU; `sim.discount.three_prices` finds them.

    ``normal_volume_price`` is the price when forced supply is cut to the class's normal weekly volume; the top of a
    demand curve is thin, so the discount is shown against both.
    """

    product: int
    offered: int
    sold: int
    normal_volume: int
    best_use_value_usd: float
    believed_value_usd: float
    first_lot_price_usd: float
    normal_volume_price_usd: float
    price_usd: float
    price_low_usd: float
    price_high_usd: float


@dataclass(frozen=True, slots=True)
class Cohort:
    """The agents of one type, by row; a type that overrides `decide` is asked one by one."""

    agent_type: type[Party]
    agents: tuple[Party, ...]

    @property
    def kind(self) -> AgentKind:
        """What they are to the market."""
        return self.agent_type.kind

    @property
    def one_by_one(self) -> bool:
        """Whether each decides by a rule of its own."""
        return self.agent_type.decide is not Party.decide

    def ask(self, view: View, section: Section) -> Intents:
        """Their intents under a view; `section` is the parameters of a common rule, which a rule of one's own does not take."""
        if self.one_by_one:
            return Intents.concatenate([agent.decide(view) for agent in self.agents])
        rows = np.array([agent.row for agent in self.agents], dtype=np.int64)
        return self.agent_type.decide_all(view, rows, section)


def cohort_of(agent_type: type[Party], agents: Iterable[Party]) -> Cohort:
    """Agents of a type in the order of their rows."""
    return Cohort(agent_type, tuple(sorted(agents, key=lambda agent: agent.row)))


def ask(cohorts: Iterable[Cohort], view: View, parameters: Parameters) -> Intents:
    """Intents of all agents under a view."""
    return Intents.concatenate([cohort.ask(view, parameters.section_of(cohort.kind)) for cohort in cohorts])


@dataclass(frozen=True, slots=True)
class MarketWeek:
    """One week of the secondary market, cleared and quoted.

    Parameters
    ----------
    view
        What everybody saw.
    intents
        What everybody intended, buyers that were not met left out.
    present : (parties,) bool
        Buyers the search layer let into the market.
    cohorts
        Who can be asked what it would intend under another view.
    best_use_value_usd : (G,) USD per GPU
        Best admissible use of a clean unit.
    quotes
        Prices of every forced class on offer.
    """

    week: int
    world: World
    view: View
    intents: Intents
    present: Bools
    cohorts: tuple[Cohort, ...]
    result: MarketResult
    best_use_value_usd: Floats
    quotes: tuple[ThreePrices, ...]

    def ask(self, view: View) -> Intents:
        """Intents of all agents under another view."""
        return ask(self.cohorts, view, self.world.parameters)

    def quote_of(self, generation: int) -> ThreePrices | None:
        """Prices of the first forced class of a generation; None if none is on offer."""
        return next((q for q in self.quotes if PRODUCT_GENERATION[q.product] == generation), None)
