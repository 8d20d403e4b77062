"""The month in which a boom is made or not: funds, contracts, loans, halls, and what idle money does (docs/boom.md 1)."""

from sim.construction import halls
from sim.contracts import month
from sim.equity import idle
from sim.lending import financing
from sim.state.demand import Booked
from sim.state.world import World


def live_month(world: World, week: int) -> None:
    """Lenders open the month's funds; contracts end and are signed; halls are started; idle cash and equity are used."""
    world.booked = Booked.opening(world.ledger.parties.n)
    financing.begin_month(world, week)
    month.live_month(world, week)
    if world.parameters.credit.building:
        halls.build(world, week, month.slot_value_usd_per_watt, idle.spare)
    idle.repay(world, week)
    financing.return_capital(world, week)
