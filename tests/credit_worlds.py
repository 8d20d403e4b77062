"""Worlds in which credit is tested, and the laws that hold in all of them."""

from typing import Any

from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.state.world import World

# Neo-clouds with little cash in a slump, let on demand alone, and lenders that may operate what they seize: week 14 on.
DEFAULTS = (
    "rent.slump_week=1",
    "rent.slump=-1.5",
    "world.neo_cloud_free_cash_usd=0",
    "neo_clouds.reserve_months=1",
    "credit.tenants=false",
    "credit.funding=false",
    "credit.grace_weeks=0",
    "credit.enforcement_weeks=3",
    "credit.chapter_11_probability=0",
    "credit.price_impact=1",
    "lenders.enforcement_cost=0.1",
    "liquidators.agency_fee=0.15",
    "liquidators.reserve=credit_bid",
    "site.assignable_share=1",
    "site.consent_weeks=0",
)


def world_of(**overrides: Any) -> World:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return FireSaleModel(Parameters.from_overrides({"clock.weeks": 30, **keys}), rng=3).world


def closes(world: World) -> None:
    """Every law of the books and of the watts holds."""
    world.ledger.check()
    world.bridge.check()
    world.check_capacity()


# A world without a loan of any kind: without the largest neo-cloud there is no fleet that was bought on credit.
NOBODY_OWES: dict[str, float] = {
    "clock.weeks": 2,
    "world.miners": 1,
    "world.neo_clouds": 1,
    "world.largest_neo_cloud": False,
    "world.lenders": 1,
    "miners.convertible_scale": 0.0,
    "miners.bitcoin_pledged_share": 0.0,
    "credit.financing": False,
    "credit.building": False,
}
