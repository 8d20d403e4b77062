"""What tenants do each month: pay, ask for relief, fail; and what operators let again.

The rates a lender counted on are the tenants' to pay. A contract out of the money is renegotiated before it is
repudiated; a tenant that fails ends all its contracts at once (economics.md section 9).
"""

import numpy as np

from agents.vocabulary import WEEKS_PER_YEAR, Ints
from sim.base.rounding import to_cents
from sim.operating import leases
from sim.state.ledger import Account
from sim.state.tenants import TenantState, end_contracts, monthly_hazards, seek_relief
from sim.state.world import REST_OF_WORLD, World, cash_cost


def live_month(world: World, week: int, month: int) -> None:
    """Failures, renegotiations and new lettings of one month."""
    parameters, tenants, contracts = world.parameters.tenants, world.tenants, world.contracts
    fails, luck = monthly_hazards(parameters, tenants, world.randomness, month)
    live = contracts.live(week)
    for tenant in np.flatnonzero(fails):
        tenants.state[tenant] = TenantState.DEFAULTED
        rows = np.flatnonzero(live & (contracts.tenant == tenant))
        _log_contracts(world, week, "tenant_default", int(tenant), rows)
        end_contracts(contracts, rows, week)
        leases.tenant_gone(world, week, int(tenant))
    rates = contracts.rate_usd_per_hour.copy()
    granted = seek_relief(
        parameters, tenants, contracts, luck, week, world.rents.spot_usd_per_hour, cash_cost(world)
    )
    for tenant in granted:
        rows = np.flatnonzero(live & (contracts.tenant == tenant) & (contracts.rate_usd_per_hour < rates))
        _log_contracts(world, week, "renegotiation", int(tenant), rows)
    terminate(world, week)
    renew_contracts(world, week)


def terminate(world: World, week: int) -> None:
    """Tenants that can pay end a contract for its fee where renting anew saves more (contracts.md 4.8).

    With the fee at 1 the contract is take-or-pay to its end and nobody does.
    """
    contracts, tenants, fee = world.contracts, world.tenants, world.parameters.tenants.termination_fee
    saved = 1.0 - world.rents.contract_usd_per_hour[contracts.generation] / (
        (1.0 - contracts.prepaid) * contracts.rate_usd_per_hour
    )
    able = contracts.live(week) & (tenants.state[contracts.tenant] != TenantState.DEFAULTED)
    rows = np.flatnonzero(able & (saved > fee))
    cents = to_cents(fee * contracts.to_pay_usd(rows, week))
    world.ledger.pay(REST_OF_WORLD, contracts.operator[rows], cents, Account.FEE)
    for tenant in np.unique(contracts.tenant[rows]):
        _log_contracts(world, week, "termination", int(tenant), rows[contracts.tenant[rows] == tenant])
    end_contracts(contracts, rows, week)


def renew_contracts(world: World, week: int) -> None:
    """Renew contracts that ran out, and let those a tenant left after a void; at today's rent, part of it prepaid.

    A tenant that still pays renews. Otherwise the units are on demand for `reletting_weeks` and then go to the
    paying tenant with the fewest GPUs under contract. An operator that has failed lets nothing.
    """
    contracts, tenants, parameters = world.contracts, world.tenants, world.parameters.tenants
    over = np.flatnonzero((contracts.end <= week) & world.operators.active[contracts.operator])
    if len(over) == 0:
        return
    tenor = round(parameters.tenor_years * WEEKS_PER_YEAR)
    pays = tenants.state != TenantState.DEFAULTED
    if not pays.any():
        return
    held = np.bincount(contracts.tenant, weights=contracts.gpus, minlength=len(pays))
    smallest = int(np.where(pays, held, np.inf).argmin())
    loyal = pays[contracts.tenant[over]] & (contracts.left[over] == 0)
    void = contracts.end[over] <= week - int(parameters.reletting_weeks)
    rows = over[loyal | void]
    contracts.tenant[rows] = np.where(pays[contracts.tenant[rows]], contracts.tenant[rows], smallest)
    contracts.rate_usd_per_hour[rows] = world.rents.contract_usd_per_hour[contracts.generation[rows]]
    contracts.end[rows] = week + tenor
    contracts.left[rows] = 0
    contracts.prepaid[rows] = parameters.prepayment
    cents = to_cents(contracts.unearned_usd(rows, week))
    world.ledger.pay(REST_OF_WORLD, contracts.operator[rows], cents, Account.PREPAYMENT)


def _log_contracts(world: World, week: int, kind: str, tenant: int, rows: Ints) -> None:
    """One event per operator concerned, with the GPUs under the contracts."""
    contracts = world.contracts
    for operator in np.unique(contracts.operator[rows]):
        gpus = int(contracts.gpus[rows[contracts.operator[rows] == operator]].sum())
        world.log(week, kind, int(operator), quantity=gpus, detail=f"tenant {tenant + 1}")
