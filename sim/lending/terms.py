"""Terms of new debt: what each tier of tenants is offered today, at what price, and what its lender believes.

Lenders price the tenant, not the chip. Coverage, advance and tail follow the use of the pool of loanable funds; the price is
what lenders have learned of defaults and losses, a charge for capital, and their own funding (docs/boom.md 6).
"""

import numpy as np

from agents.lender import SPECULATIVE, TIERS, Belief, LenderKind
from agents.vocabulary import MONTHS_PER_YEAR, WEEKS_PER_YEAR, AgentKind, Floats, Ints
from sim.debt.covenants import Basis
from sim.origination.pool import NEUTRAL_USE, Terms, terms_at
from sim.origination.pricing import Spread, price_loan
from sim.state.tenants import TenantState
from sim.state.world import World

# A believer in infrastructure writes hardware off in so many years.
INFRASTRUCTURE_YEARS = 6.0
# Use of the pool moves terms no further than this; a sizing coverage that starts above it stays where it starts.
COVERAGE_RANGE, ADVANCE_RANGE = (1.05, 1.75), (0.5, 0.85)
# Of a level loan, about so much is owed half-way.
HALF_WAY_BALANCE = 0.55


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


def beliefs(world: World) -> Ints:
    """`Belief` of every lender by party row, -1 for those that do not lend; shares of lenders in row order."""
    section, lenders = world.parameters.lenders, world.rows(AgentKind.LENDER)
    found = np.full(world.ledger.parties.n, -1, dtype=np.int64)
    infrastructure = round(len(lenders) * section.infrastructure_share)
    market = min(round(len(lenders) * section.market_share), len(lenders) - infrastructure)
    found[lenders] = Belief.EXPERIENCE
    found[lenders[:infrastructure]] = Belief.INFRASTRUCTURE
    found[lenders[infrastructure : infrastructure + market]] = Belief.MARKET
    return found


def on_offer(world: World) -> Terms:
    """Coverage, advance and tail of today, by tier."""
    section = world.parameters.lenders
    least, most = COVERAGE_RANGE
    coverage = section.sizing_coverage.array()
    return terms_at(
        world.pool.use(NEUTRAL_USE),
        coverage,
        section.advance.array(),
        section.tail_years,
        section.coverage_response,
        (least, np.maximum(most, coverage)),
        ADVANCE_RANGE,
    )


def loss_believed(
    world: World, belief: int, loan: Floats, price: Floats, years: Floats, decay: Floats
) -> Floats:
    """Loss given default a lender counts on, share of the loan.

    Parameters
    ----------
    loan, price
        USD per GPU: the loan, and what the unit fetches today.
    years, decay
        Life of the loan; fall of prices over the last year, log.
    """
    section = world.parameters.lenders
    if belief == Belief.EXPERIENCE:
        return np.full(np.shape(loan), loss_learned(world))
    if belief == Belief.INFRASTRUCTURE:
        return np.zeros(np.shape(loan))
    kept = (1.0 - section.enforcement_cost) * price * np.exp(-decay * years / 2)
    return np.asarray(np.clip(1.0 - kept / np.maximum(HALF_WAY_BALANCE * loan, 1e-9), 0.0, 1.0))


def loss_learned(world: World) -> float:
    """Loss given default that experience says, share of exposure; the prior's where lenders do not learn."""
    section = world.parameters.lenders
    if not world.parameters.credit.experience:
        return section.prior_loss
    return world.experience.loss_given_default(section.prior_loss, section.prior_weight)


def spot_decay(belief: int, trend: float, market_decay: Floats, years: Floats) -> Floats:
    """Fall of spot a lender believes in until the middle of the tail, log a year.

    >>> spot_decay(Belief.INFRASTRUCTURE, 0.25, np.zeros(1), np.array([4.5])).round(3).tolist()
    [0.308]
    """
    if belief == Belief.EXPERIENCE:
        return np.full(np.shape(years), trend)
    if belief == Belief.MARKET:
        return np.asarray(market_decay + 0.0 * years)
    left = np.maximum(1.0 - years / INFRASTRUCTURE_YEARS, 0.01)
    return np.asarray(-np.log(left) / np.maximum(years, 1e-9))


def market_decay(world: World) -> Floats:
    """Fall of the mark of each product class over the last year, log, between 0 and 1; the trend before there is a year."""
    marks = world.credit.marks_usd
    trend = world.parameters.rent.trend_deflation
    if len(marks) <= WEEKS_PER_YEAR:
        return np.full(len(world.market.weekly_volume), trend)
    now, then = marks[-1], marks[-1 - WEEKS_PER_YEAR]
    known = (now > 0) & (then > 0)
    fall = np.log(np.where(known, then, 1.0) / np.where(known, now, 1.0))
    return np.asarray(np.where(known, np.clip(fall, 0.0, 1.0), trend))


def spread(world: World, week: int, tier: Ints, loss: Floats) -> Spread:
    """Spread over the base rate by tier, and its parts; the market's own movement is in its funding part."""
    section = world.parameters.lenders
    rates = section.prior_default_rate.array()
    if world.parameters.credit.experience:
        rates = world.experience.default_rate(rates, section.prior_weight)
    return price_loan(
        rates[tier],
        loss,
        section.capital.array()[tier],
        section.return_on_equity,
        float(world.drivers.sofr[week]),
        section.own_funding_spread + market_shift(world, week),
    )


def market_shift(world: World, week: int) -> float:
    """How far the market's spread stands from where it began, a year; no loan is cheaper than the lender's funding for it."""
    moved = float(world.drivers.spread[week]) - world.parameters.interest.spread_initial
    return max(moved, -world.parameters.lenders.own_funding_spread)


def borrower_tier(world: World) -> Ints:
    """Tier of each party as a whole: that of most of its GPUs; those under no contract count as speculative, (parties,)."""
    contracts, tenants, lots = world.contracts, world.tenants, world.ledger.lots
    good = contracts.running(world.week) & (tenants.state[contracts.tenant] != TenantState.DEFAULTED)
    held = np.zeros((world.ledger.parties.n, len(TIERS)))
    bound = lots.contract >= 0
    bound[bound] = good[lots.contract[bound]]
    tier = np.full(lots.n, SPECULATIVE)
    tier[bound] = tenants.rating[contracts.tenant[lots.contract[bound]]]
    np.add.at(held, (lots.owner, tier), lots.quantity)
    return np.asarray(np.where(held.any(axis=1), held.argmax(axis=1), SPECULATIVE))


def market_rate(world: World, week: int, tier: int) -> float:
    """Rate of new secured debt of a tier at what experience says of losses, a year."""
    total = spread(world, week, np.array([tier]), np.array([loss_learned(world)])).total
    return float(world.drivers.sofr[week] + total[0])


def notes_rate(world: World, week: int) -> float:
    """Coupon of new unsecured notes: the one on file, moved as the base rate and the market's spread have."""
    interest = world.parameters.interest
    moved = float(world.drivers.sofr[week]) - interest.sofr_initial + market_shift(world, week)
    return max(world.parameters.equity.notes_coupon + moved, 0.0)


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


def months_of(years: float) -> int:
    """Whole months of a term."""
    return round(years * MONTHS_PER_YEAR)


def common_belief(world: World) -> int:
    """The belief most lenders hold, the first of equals: what operators count on when they ask what they could borrow."""
    held = beliefs(world)[world.rows(AgentKind.LENDER)]
    return int(np.bincount(held, minlength=len(Belief)).argmax())
