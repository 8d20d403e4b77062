"""Who stands on which row: the types of agents a model is made of, and what an agent must be to take a row."""

import mesa

from agents.lender import Lender
from agents.liquidator import Liquidator
from agents.manufacturer import Manufacturer
from agents.miner import Miner
from agents.neo_cloud import NeoCloud
from agents.outside_buyer import Enterprise, Exporter, Hyperscaler, Salvager
from agents.party import Party
from agents.registration import registered, type_name
from agents.vocabulary import Ints
from sim.parameters import ParameterError
from sim.state.ledger import Parties
from sim.state.world import World

AGENT_TYPES: tuple[type[Party], ...] = (
    Miner,
    NeoCloud,
    Lender,
    Liquidator,
    Hyperscaler,
    Enterprise,
    Exporter,
    Salvager,
    Manufacturer,
)


def cast(world: World) -> list[tuple[type[Party], Ints]]:
    """Types of agents with their rows: the shipped ones or what stands in for them, then those registered beside.

    Raises
    ------
    ParameterError
        If two registered types stand in for one.
    """
    added = registered(world.parameters.plugin)
    found = []
    for agent_type in AGENT_TYPES:
        heirs = [heir for heir in added if issubclass(heir, agent_type)]
        if len(heirs) > 1:
            names = " and ".join(heir.__name__ for heir in heirs)
            raise ParameterError(
                f"{names} both stand in for {agent_type.__name__}; take one back with firesale.unregister_agent"
            )
        found.append(((heirs or [agent_type])[0], world.rows(agent_type.kind)))
    return found + [(buyer, world.rows_of(type_name(buyer))) for buyer in world.parameters.buyers()]


def check_row(parties: Parties, agent: mesa.Agent) -> None:
    """An agent stands on a row of its own type.

    Raises
    ------
    TypeError
        If it is no agent of the market, or its row is another type's.
    ValueError
        If there is no such row.
    """
    if not isinstance(agent, Party):
        raise TypeError(
            f"{type(agent).__name__} has no row in the books: subclass firesale.Buyer and register it, "
            "or a shipped type such as firesale.Miner"
        )
    if not 0 <= agent.row < parties.n:
        raise ValueError(f"row {agent.row}: rows are 0 to {parties.n - 1}")
    lineage = {type_name(parent) for parent in type(agent).__mro__ if issubclass(parent, Party)}
    found = parties.type[agent.row]
    if found not in lineage:
        raise TypeError(
            f"row {agent.row} is {parties.name[agent.row]!r}, a {found}; {type(agent).__name__} is none"
        )
