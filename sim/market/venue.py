"""Where one book is cleared and by which rules: the network, the room at its nodes, and how a price is chosen."""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import Ints
from sim.kernel.book import Network
from sim.state.world import World


@dataclass(frozen=True, slots=True)
class Venue:
    """What a clearing needs beside offers and intents.

    Parameters
    ----------
    network
        Lanes and freight; docks come first.
    first_node
        Node of pool 0.
    power, cooling : (nodes,) int64
        Headroom before the clearing, IT watts.
    theta
        Selection of the price within the optimal interval, 0 the lowest.
    steps
        Steps of a cash-covered demand curve.
    refine
        Whether cash-covered demand is refined once around the price found.
    """

    network: Network
    first_node: int
    power: Ints
    cooling: Ints
    theta: float
    steps: int
    refine: bool


def venue_of(world: World) -> Venue:
    """This week's venue: the world's network and headroom, of which docks have none."""
    power, cooling = world.headroom()
    docks = np.zeros(world.topology.places.n, dtype=np.int64)
    rules = world.parameters.market
    return Venue(
        network=world.topology.network(),
        first_node=world.topology.places.n,
        power=np.r_[docks, power],
        cooling=np.r_[docks, cooling],
        theta=rules.theta,
        steps=rules.ladder_steps,
        refine=rules.refine,
    )
