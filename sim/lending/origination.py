"""Terms of new equipment debt: who lends by what measure, at what advance and spread, and to whom not at all.

Lenders price the tenant, not the chip (contracts.md 0): the spread of a borrower is that of the tenants who pay it. They ration
when prices swing (contracts.md 5.3 rule 1): ``alpha (1 - z max(0, sigma_P - sigma_calm))``, nothing below a least advance,
nothing to a borrower whose main tenant already stands behind too much of the book.
"""

import numpy as np

from agents.lender import LenderKind
from agents.vocabulary import WEEKS_PER_YEAR, AgentKind, Floats, Ints
from sim.debt.covenants import Basis
from sim.state.standing import QUARTER_WEEKS, terms
from sim.state.tenants import TenantState
from sim.state.world import World


def lender_kinds(world: World) -> Ints:
    """`LenderKind` of every party, -1 for those that do not lend; shares of lenders in row order."""
    kinds = np.full(world.ledger.parties.n, -1, dtype=np.int64)
    lenders = world.rows(AgentKind.LENDER)
    marked = round(len(lenders) * world.parameters.credit.mark_to_market_share)
    active = round((len(lenders) - marked) * world.parameters.lenders.private_credit_share)
    kinds[lenders] = LenderKind.BANK
    kinds[lenders[:marked]] = LenderKind.MARK_TO_MARKET
    kinds[lenders[marked : marked + active]] = LenderKind.PRIVATE_CREDIT
    return kinds


def tested_basis(world: World, creditor: Ints) -> Ints:
    """What each loan's collateral is measured by: book cost, or the mark of a mark-to-market lender."""
    mark = Basis[world.parameters.credit.mark_to_market_basis.upper()]
    marked = lender_kinds(world)[creditor] == LenderKind.MARK_TO_MARKET
    return np.asarray(np.where(marked, mark, Basis.COST))


def tenant_spreads(world: World) -> Floats:
    """Spread over the base rate a lender asks of each party in calm, per year.

    The mean over its GPUs: those under contract at the spread of their tenant's rating, the others at that of an unrated
    tenant. With ``credit.tenants`` off everybody is a mixed borrower.
    """
    section, n = world.parameters.lenders, world.ledger.parties.n
    if not world.parameters.credit.tenants:
        return np.full(n, section.spread_mixed)
    by_rating = np.array([section.spread_investment, section.spread_mixed, section.spread_speculative])
    contracts, tenants, lots = world.contracts, world.tenants, world.ledger.lots
    live = contracts.live(world.week) & (tenants.state[contracts.tenant] != TenantState.DEFAULTED)
    asked = by_rating[tenants.rating[contracts.tenant[live]]] - section.spread_speculative
    below, fleet = np.zeros(n), np.zeros(n)
    np.add.at(below, contracts.operator[live], contracts.gpus[live] * asked)
    np.add.at(fleet, lots.owner, lots.quantity)
    let = np.zeros(n)
    np.add.at(let, contracts.operator[live], contracts.gpus[live])
    return np.asarray(section.spread_speculative + below / np.maximum(np.maximum(fleet, let), 1.0))


def price_volatility(world: World) -> float:
    """Annual volatility of the fleet's mark over the last quarter; 0 before there is one."""
    marks = world.credit.marks_usd[-QUARTER_WEEKS - 1 :]
    if len(marks) <= QUARTER_WEEKS:
        return 0.0
    lots = world.ledger.lots
    held = np.bincount(lots.product, weights=lots.quantity, minlength=len(marks[0]))
    worth = np.array([float(held @ mark) for mark in marks])
    if not (worth > 0).all():
        return 0.0
    return float(np.std(np.diff(np.log(worth))) * np.sqrt(WEEKS_PER_YEAR))


def haircut(world: World) -> float:
    """Factor on what is lent against hardware when prices swing: ``1 - z max(0, sigma_P - sigma_calm)`` over a quarter.

    z is in standard deviations of the price over the quarter a lender needs to react.
    """
    section = world.parameters.lenders
    excess = max(price_volatility(world) - section.calm_volatility, 0.0)
    return float(
        max(1.0 - section.haircut_sensitivity * excess * np.sqrt(QUARTER_WEEKS / WEEKS_PER_YEAR), 0.0)
    )


def advance_on_offer(world: World, week: int, advance: float) -> float:
    """Share of cost a lender advances today: less after a funding shock, less when prices swing, 0 if too little."""
    section = world.parameters.lenders
    offered, _ = terms(world.parameters.credit, advance, 0.0, week)
    offered *= haircut(world)
    least = section.minimum_advance * advance / section.advance_rate
    return offered if offered >= least else 0.0


def main_tenant(world: World) -> Ints:
    """Tenant with most GPUs under live contracts of each party, the first of equals; -1 none."""
    contracts = world.contracts
    live = contracts.live(world.week)
    pair = contracts.operator[live] * len(world.tenants.rating) + contracts.tenant[live]
    pairs, row = np.unique(pair, return_inverse=True)
    held = np.zeros(len(pairs), dtype=np.int64)
    np.add.at(held, row, contracts.gpus[live])
    party, tenant = np.divmod(pairs, len(world.tenants.rating))
    order = np.lexsort((tenant, -held, party))
    first = order[np.r_[True, np.diff(party[order]) > 0]] if len(order) else order
    first = first[held[first] > 0]
    found = np.full(world.ledger.parties.n, -1, dtype=np.int64)
    found[party[first]] = tenant[first]
    return found


def tenant_room(world: World, parties: Ints, tenant: Ints, book: int, lent: Ints) -> Ints:
    """Cents a lender may still lend to each party before one tenant stands behind too much of its book.

    Parameters
    ----------
    tenant, lent : (all parties,)
        The main tenant of each, and what each owes the lender, cents.
    """
    behind = np.zeros(len(world.tenants.rating), dtype=np.int64)
    known = tenant >= 0
    np.add.at(behind, tenant[known], lent[known])
    room = int(world.parameters.lenders.single_tenant_limit * book) - behind
    limited = np.where(tenant[parties] >= 0, np.maximum(room[tenant[parties]], 0), np.iinfo(np.int64).max)
    return np.asarray(limited if world.parameters.credit.tenants else np.full(len(parties), book))
