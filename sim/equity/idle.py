"""What happens to cash that finds no deal: it repays the dearest debt that may be repaid, or it is hoarded (docs/boom.md 5)."""

import numpy as np

from agents.vocabulary import AgentKind
from sim.equity.obligations import obligations
from sim.lending import orders
from sim.lending.monitoring import pay_early
from sim.state.ledger import LoanKind
from sim.state.world import World

IDLE_MONTHS = 3
# Notes and convertibles may not be called.
PREPAYABLE = (LoanKind.LEVEL_PAY, LoanKind.DELAYED_DRAW, LoanKind.ASSET_BACKED)


def repay(world: World, week: int) -> None:
    """Operators without a deal for a quarter repay their dearest loans out of cash above their reserve."""
    section, ledger = world.parameters.equity, world.ledger
    if section.cash_used == 0:
        return
    clouds = world.rows(AgentKind.NEO_CLOUD)
    idle = clouds[
        (world.demand.idle_months[clouds] % IDLE_MONTHS == 0) & (world.demand.idle_months[clouds] > 0)
    ]
    idle = idle[world.credit.may_spend()[idle]]
    kept = orders.set_aside(world, week) + np.rint(
        world.parameters.neo_clouds.reserve_months * obligations(world)
    ).astype(np.int64)
    loans = ledger.loans
    for party in idle:
        spare = int((int(ledger.parties.cash_cents[party]) - int(kept[party])) * section.cash_used)
        mine = np.flatnonzero((loans.debtor == party) & loans.live() & np.isin(loans.kind, PREPAYABLE))
        if spare > 0 and len(mine):
            dearest = mine[np.argsort(-loans.rate[mine], kind="stable")]
            pay_early(world, week, int(party), dearest, spare, "idle cash")
