"""Worlds in which credit is tested, and the laws that hold in all of them."""

from typing import Any

from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.state.world import World


def world_of(**overrides: Any) -> World:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return FireSaleModel(Parameters.from_overrides({"clock.weeks": 30, **keys}), rng=3).world


def closes(world: World) -> None:
    """Every law of the books and of the watts holds."""
    world.ledger.check()
    world.bridge.check()
    world.check_capacity()
