"""What happens to cash that finds no deal: it repays the dearest debt that may be repaid, or it is hoarded (docs/boom.md 5)."""

import numpy as np

from agents.vocabulary import AgentKind, Ints
from sim.equity.obligations import obligations
from sim.lending import orders
from sim.lending.forced_sale import awaits_decree
from sim.lending.monitoring import pay_early
from sim.state.ledger import LoanKind
from sim.state.world import World

IDLE_MONTHS = 3
# Notes and convertibles may not be called.
PREPAYABLE = (LoanKind.LEVEL_PAY, LoanKind.DELAYED_DRAW, LoanKind.ASSET_BACKED, LoanKind.PROJECT)


def spare(world: World, week: int) -> Ints:
    """Cash of each neo-cloud above its reserve and what its orders need, as far as it is used at all, cents, (parties,)."""
    section, ledger = world.parameters.equity, world.ledger
    clouds = world.rows(AgentKind.NEO_CLOUD)
    clouds = clouds[world.credit.may_spend()[clouds]]
    months = world.parameters.neo_clouds.reserve_months
    kept = orders.set_aside(world, week) + np.rint(months * obligations(world)).astype(np.int64)
    free = np.zeros(ledger.parties.n, dtype=np.int64)
    above = np.maximum(ledger.parties.cash_cents[clouds] - kept[clouds], 0)
    free[clouds] = np.floor(above * section.cash_used).astype(np.int64)
    return free


def repay(world: World, week: int) -> None:
    """Operators without a deal for a quarter repay their dearest loans out of cash above their reserve."""
    loans, free = world.ledger.loans, spare(world, week)
    idle = (world.demand.idle_months % IDLE_MONTHS == 0) & (world.demand.idle_months > 0)
    for party in np.flatnonzero(idle & (free > 0)):
        if awaits_decree(world, int(party), week):
            continue
        mine = np.flatnonzero((loans.debtor == party) & loans.live() & np.isin(loans.kind, PREPAYABLE))
        if len(mine):
            dearest = mine[np.argsort(-loans.rate[mine], kind="stable")]
            pay_early(world, week, int(party), dearest, int(free[party]), "idle cash")
