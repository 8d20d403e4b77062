"""One week's market as one object: what was seen, intended, cleared and quoted, and who may be asked again.

The model makes it once, when forced classes are quoted, and hands it down; who takes prices apart or writes them down sees
this and not the model. Everything but the world is the week's own. The world is the living one: settlement changes it.
"""

import copy
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.party import Party
from agents.schema import Section
from agents.view import View
from agents.vocabulary import PRODUCT_GENERATION, AgentKind, Bools, BuyIntents, Floats, Intents, Ints
from sim.market.intent_rules import IntentError, check
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
class Memory:
    """What agents of a user's own type could remember as they were asked: their attributes, the model's, its generators."""

    of_agents: tuple[dict[str, Any], ...]
    of_model: dict[str, Any]
    random: Any
    rng: Any


@dataclass(frozen=True, slots=True)
class Cohort:
    """The agents of one type, by row; a type that overrides `decide` is asked one by one.

    ``memory`` is theirs before they were asked this week, from which what-if questions are answered; None of shipped types.
    """

    agent_type: type[Party]
    agents: tuple[Party, ...]
    memory: Memory | None = None

    @property
    def kind(self) -> AgentKind:
        """What they are to the market."""
        return self.agent_type.kind

    @property
    def one_by_one(self) -> bool:
        """Whether each decides by a rule of its own."""
        return self.agent_type.decide is not Party.decide

    @property
    def is_shipped(self) -> bool:
        """Whether the rule is ours; a user's own is checked and asked with care."""
        return self.agent_type.__module__.startswith("agents.")

    def ask(self, view: View, section: Section) -> Intents:
        """Their intents under a view; `section` is the parameters of a common rule, which a rule of one's own does not take.

        Raises
        ------
        IntentError
            If a user's own rule fails, or returns what cannot be carried out; names the type.
        """
        if self.is_shipped:
            return self._answers(view, section)
        try:
            return self._answers(view, section)
        except IntentError:
            raise
        except Exception as error:
            raise IntentError(
                f"{self.agent_type.__name__}: the rule failed{_place_in(self.agent_type, error)} with "
                f"{type(error).__name__}: {error}"
            ) from error

    def ask_what_if(self, view: View, section: Section) -> Intents:
        """Their intents if the view had been another when they were asked; nothing is remembered of the question."""
        if self.memory is None:
            return self.ask(view, section)
        with _as_then(self.agents, self.memory):
            return self.ask(view, section)

    def remembering(self) -> "Cohort":
        """The same with what they remember now."""
        if self.is_shipped or not self.agents:
            return self
        return replace(self, memory=_copied(_present(self.agents), self.agents))

    def _answers(self, view: View, section: Section) -> Intents:
        if self.one_by_one:
            return Intents.concatenate(
                [self._checked(agent.decide(view), view, np.array([agent.row])) for agent in self.agents]
            )
        rows = np.array([agent.row for agent in self.agents], dtype=np.int64)
        return self._checked(self.agent_type.decide_all(view, rows, section), view, rows)

    def _checked(self, intents: Intents, view: View, rows: Ints) -> Intents:
        return intents if self.is_shipped else check(self.agent_type.__name__, intents, view, rows)


def _place_in(agent_type: type[Party], error: Exception) -> str:
    """File and line of a type's module that an error came through; nothing if it has no file."""
    file = getattr(sys.modules.get(agent_type.__module__), "__file__", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" at {file}:{lines[-1]}" if lines else ""


def _present(agents: tuple[Party, ...]) -> Memory:
    """What agents could remember now, not copied."""
    model = agents[0].model
    return Memory(
        tuple(dict(vars(agent)) for agent in agents),
        model.users_attributes(),
        model.random.getstate(),
        model.rng.bit_generator.state,
    )


def _copied(memory: Memory, agents: tuple[Party, ...]) -> Memory:
    """A memory that shares nothing with another; the model and its agents are not copied with it."""
    model = agents[0].model
    shared = {id(thing): thing for thing in (model, *model.agents)}
    of_agents, of_model = copy.deepcopy((memory.of_agents, memory.of_model), shared)
    return replace(memory, of_agents=of_agents, of_model=of_model)


def _remember(agents: tuple[Party, ...], memory: Memory) -> None:
    """Put a memory in the place of the present one."""
    model = agents[0].model
    for agent, attributes in zip(agents, memory.of_agents, strict=True):
        agent.__dict__.clear()
        agent.__dict__.update(attributes)
    for name in model.users_attributes():
        del model.__dict__[name]
    model.__dict__.update(memory.of_model)
    model.random.setstate(memory.random)
    model.rng.bit_generator.state = memory.rng


@contextmanager
def _as_then(agents: tuple[Party, ...], memory: Memory) -> Iterator[None]:
    """Agents are as they were, and afterwards as they are now."""
    now = _present(agents)
    _remember(agents, _copied(memory, agents))
    try:
        yield
    finally:
        _remember(agents, now)


def cohort_of(agent_type: type[Party], agents: Iterable[Party]) -> Cohort:
    """Agents of a type in the order of their rows."""
    return Cohort(agent_type, tuple(sorted(agents, key=lambda agent: agent.row)))


def ask(cohorts: Iterable[Cohort], view: View, parameters: Parameters) -> tuple[Intents, tuple[Cohort, ...]]:
    """Intents of all agents under the view of their week, and the cohorts with what they remembered when they were asked."""
    intents, asked = [], []
    for cohort in cohorts:
        asked.append(cohort.remembering())
        intents.append(cohort.ask(view, parameters.section_of(cohort.agent_type)))
    return Intents.concatenate(intents), tuple(asked)


@dataclass(frozen=True, slots=True)
class MarketWeek:
    """One week of the secondary market, cleared and quoted.

    Parameters
    ----------
    view
        What everybody saw.
    intents
        What everybody intended, buyers that were not met left out.
    bids
        Bids as their buyers made them, those of buyers that were not met included.
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
    bids: BuyIntents
    present: Bools
    cohorts: tuple[Cohort, ...]
    result: MarketResult
    best_use_value_usd: Floats
    quotes: tuple[ThreePrices, ...]

    def ask(self, view: View) -> Intents:
        """Intents of all agents if the view were another; asking leaves no trace."""
        sections = self.world.parameters
        return Intents.concatenate(
            [cohort.ask_what_if(view, sections.section_of(cohort.agent_type)) for cohort in self.cohorts]
        )

    def quote_of(self, generation: int) -> ThreePrices | None:
        """Prices of the first forced class of a generation; None if none is on offer."""
        return next((q for q in self.quotes if PRODUCT_GENERATION[q.product] == generation), None)
