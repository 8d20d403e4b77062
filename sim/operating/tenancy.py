"""What tenants do each month: pay, ask for relief, buy themselves out, or fail.

The rates a lender counted on are the tenants' to pay. A contract out of the money is renegotiated before it is
repudiated; a tenant that fails ends all its contracts at once (economics.md section 9).
"""

import numpy as np

from agents.vocabulary import Ints
from sim.base.rounding import to_cents
from sim.operating import leases
from sim.state.ledger import Account
from sim.state.tenants import TenantState, end_contracts, monthly_hazards, seek_relief
from sim.state.world import REST_OF_WORLD, World, cash_cost


def live_month(world: World, week: int, month: int) -> None:
    """Failures, renegotiations and terminations of one month."""
    parameters, tenants, contracts = world.parameters.tenants, world.tenants, world.contracts
    fails, luck = monthly_hazards(parameters, tenants, world.randomness, month)
    for tenant in np.flatnonzero(fails):
        fail(world, week, int(tenant))
    live = contracts.live(week)
    rates = contracts.rate_usd_per_hour.copy()
    granted = seek_relief(
        parameters, tenants, contracts, luck, week, world.rents.spot_usd_per_hour, cash_cost(world)
    )
    for tenant in granted:
        rows = np.flatnonzero(live & (contracts.tenant == tenant) & (contracts.rate_usd_per_hour < rates))
        _log_contracts(world, week, "renegotiation", int(tenant), rows)
    terminate(world, week)


def fail(world: World, week: int, tenant: int) -> None:
    """A tenant fails: all its contracts end at once, and the shells it leases stand empty."""
    contracts = world.contracts
    world.tenants.state[tenant] = TenantState.DEFAULTED
    rows = np.flatnonzero(contracts.live(week) & (contracts.tenant == tenant))
    _log_contracts(world, week, "tenant_default", tenant, rows)
    end_contracts(contracts, rows, week)
    leases.tenant_gone(world, week, tenant)


def fail_largest(world: World, week: int) -> None:
    """In the week of a scenario's shock the tenant with most GPUs under contract fails."""
    contracts, tenants, parameters = world.contracts, world.tenants, world.parameters
    if not parameters.credit.tenants or week != parameters.tenants.failure_week:
        return
    held = np.zeros(len(tenants.rating), dtype=np.int64)
    live = contracts.live(week)
    np.add.at(held, contracts.tenant[live], contracts.gpus[live])
    fail(world, week, int(held.argmax()))


def terminate(world: World, week: int) -> None:
    """Tenants that can pay end a contract for its fee where renting anew saves more (contracts.md 4.8).

    With the fee at 1 the contract is take-or-pay to its end and nobody does.
    """
    contracts, tenants, fee = world.contracts, world.tenants, world.parameters.tenants.termination_fee
    paid = (1.0 - contracts.prepaid) * contracts.rate_usd_per_hour
    # Who pays nothing any more saves nothing.
    anew = world.rents.contract_usd_per_hour[contracts.generation]
    saved = 1.0 - np.divide(anew, paid, out=np.ones(len(paid)), where=paid > 0)
    able = contracts.live(week) & (tenants.state[contracts.tenant] != TenantState.DEFAULTED)
    rows = np.flatnonzero(able & (saved > fee))
    cents = to_cents(fee * contracts.to_pay_usd(rows, week))
    world.ledger.pay(REST_OF_WORLD, contracts.operator[rows], cents, Account.FEE)
    for tenant in np.unique(contracts.tenant[rows]):
        _log_contracts(world, week, "termination", int(tenant), rows[contracts.tenant[rows] == tenant])
    end_contracts(contracts, rows, week)


def _log_contracts(world: World, week: int, kind: str, tenant: int, rows: Ints) -> None:
    """One event per operator concerned, with the GPUs under the contracts."""
    contracts = world.contracts
    for operator in np.unique(contracts.operator[rows]):
        gpus = int(contracts.gpus[rows[contracts.operator[rows] == operator]].sum())
        world.log(week, kind, int(operator), quantity=gpus, detail=f"tenant {tenant + 1}")
