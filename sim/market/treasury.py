"""What agents asked for beside trade, carried out: coins, payouts, orders given up, machines sold, halls converted."""

import numpy as np

from agents.vocabulary import DAYS_PER_YEAR, Intents, PoolKind, Treasury
from sim.lending import orders
from sim.operating import leases
from sim.state.capacity import Load
from sim.state.ledger import Account
from sim.state.world import REST_OF_WORLD, World


def carry_out(world: World, week: int, intents: Intents) -> None:
    """Apply this week's treasuries and conversions, each as far as the party can."""
    treasury, ledger = intents.treasury, world.ledger
    ledger.sell_bitcoin(treasury.party, treasury.bitcoin_sold_satoshi, world.btc_usd, REST_OF_WORLD)
    ledger.pay(treasury.party, REST_OF_WORLD, treasury.payout_cents, Account.PAYOUT)
    for party in treasury.party[treasury.orders_given_up > 0]:
        orders.cancel(world, week, int(party))
    _sell_machines(world, week, treasury)
    leases.convert(world, week, intents.convert)


def _sell_machines(world: World, week: int, treasury: Treasury) -> None:
    """Mining machines leave for the price of some years' revenue; the watts they leave are the miner's to fill."""
    miners = world.parameters.miners
    usd_per_watt = (
        float(world.drivers.hashprice_usd_per_ph_day[week])
        * DAYS_PER_YEAR
        * miners.asic_years_of_revenue
        / (miners.fleet_efficiency_j_per_th * 1000.0)
    )
    for i in np.flatnonzero(treasury.machines_sold_watts > 0):
        party, left = int(treasury.party[i]), int(treasury.machines_sold_watts[i])
        sold = 0
        for pool in np.flatnonzero((world.slots.holder == party) & (world.capacity.mining_watts > 0)):
            watts = min(left - sold, int(world.capacity.mining_watts[pool]))
            home = world.pool_at(int(world.topology.pool_place[pool]), PoolKind.PRIVATE, party)
            world.capacity.move(int(pool), home, watts, load=Load.MINING)
            sold += watts
        cents = round(sold * usd_per_watt * 100)
        world.ledger.pay(REST_OF_WORLD, party, cents, Account.MACHINES)
        if sold:
            world.log(week, "machines_sold", party, cents=cents, detail=f"{sold / 1e6:.2f} MW")
