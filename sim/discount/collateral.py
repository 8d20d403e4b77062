"""What pledged hardware would fetch if it were sold now, loan by loan, and what that makes of loan to value.

Once a quarter every secured equipment loan is written down with the value its lender carries and its debtor's coverage. In
some quarters (`discount.probe_quarters`) the week's own book is cleared again with more on offer: the collateral of one
borrower alone, then that of all borrowers who fail a test at once (theory.md D.6). Everything moves and nothing is held back
above scrap. The clearing is the coarse one, without the refinement around its price: within 2 % of it, at half the time.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from agents.vocabulary import (
    GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    AgentKind,
    Bools,
    Condition,
    Floats,
    Ints,
    LotStatus,
    SellOrders,
    product_of,
)
from sim.base.declared import COUNT, COVERAGE, LONGEST_RUN, POSITIVE, PRICE, ROW, WEEK, Bounds, Declared
from sim.debt.covenants import Basis
from sim.debt.credit_metrics import loan_to_values, market_depth, spiral_multiplier, spiral_share
from sim.lending.monitoring import examine_loans
from sim.lending.terms import tested_basis
from sim.market import search
from sim.market.market import StandingDemand
from sim.market.week import MarketWeek
from sim.parameters.market import DiscountParameters
from sim.state.ledger import LoanKind
from sim.state.standing import QUARTER_WEEKS, Standing
from sim.state.world import REST_OF_WORLD, World

ROUNDS = 5  # of lenders that mark to the joint price and so join the sale
COLLATERAL = {
    "week": Declared("week", "week of the row", WEEK),
    "loan": Declared("loan", "row of the loan", ROW),
    "debtor": Declared("party", "who owes", ROW),
    "creditor": Declared("party", "who is owed", ROW),
    "drawn_week": Declared(
        "week", "when it was drawn; negative before the run", Bounds(-LONGEST_RUN, LONGEST_RUN)
    ),
    "gpus": Declared("GPUs", "pledged and not yet on offer by a lender", COUNT),
    "balance_usd": Declared("USD", "balance", POSITIVE),
    "appraised_usd": Declared("USD", "collateral at the last appraisal", POSITIVE),
    "liquidation_usd": Declared(
        "USD", "net of enforcement, if its debtor's collateral alone is sold; empty if not probed", PRICE
    ),
    "systemic_usd": Declared(
        "USD", "the same if all that fail a test are sold with it; empty if not probed", PRICE
    ),
    "loan_to_value_appraised": Declared("ratio", "balance over appraised value", Bounds(0, infinite=True)),
    "loan_to_value_liquidation": Declared(
        "ratio", "balance over liquidation value", Bounds(0, infinite=True, absent=True)
    ),
    "loan_to_value_systemic": Declared(
        "ratio", "balance over systemic value", Bounds(0, infinite=True, absent=True)
    ),
    "coverage": Declared(
        "ratio", "debtor's income over debt service, last quarter; infinite if nothing fell due", COVERAGE
    ),
    "breached": Declared("", "the debtor fails a test or has failed"),
}


def due(week: int) -> bool:
    """Whether collateral is written down this week."""
    return week > 0 and week % QUARTER_WEEKS == 0


def probed(week: int, options: DiscountParameters) -> bool:
    """Whether it is also priced by clearing the book again."""
    quarter = week // QUARTER_WEEKS - options.first_probe_quarter
    return due(week) and quarter >= 0 and quarter % options.probe_quarters == 0


def demand_for_all(week: MarketWeek) -> StandingDemand:
    """What the buyers present would bid this week if every class of used hardware were on offer; they bid for nothing else."""
    used = np.flatnonzero(PRODUCT_CONDITION != Condition.NEW)
    view = replace(
        week.view, market=replace(week.view.market, listed=np.union1d(week.view.market.listed, used))
    )
    return StandingDemand(search.admit(week.ask(view).buy, week.present), week.result.venue)


def price_with(
    week: MarketWeek, demand: StandingDemand, extra: SellOrders, absent: Sequence[int] | Ints = ()
) -> Floats:
    """Prices of the week's book with more on offer, USD per GPU, (products, pools); NaN where a class has no price.

    Parameters
    ----------
    demand
        Bids of the week, see `demand_for_all`.
    extra
        Offers added to the week's own.
    absent
        Parties that neither buy nor sell of their own will.
    """
    away = np.zeros(week.world.ledger.parties.n, dtype=np.bool_)
    away[np.asarray(absent, dtype=np.int64)] = True
    sell = week.result.orders.sell
    stays = sell.forced | ~away[sell.party]
    both = SellOrders(
        *(np.r_[getattr(sell, f.name)[stays], getattr(extra, f.name)] for f in fields(SellOrders))
    )
    return demand.prices(both, away)[:, demand.venue.first_node :] / 100.0


def offers(week: MarketWeek, lots: Ints) -> SellOrders:
    """Sell orders of lots at scrap reserve: whatever the market pays above it is taken."""
    table = week.world.ledger.lots
    product = table.product[lots]
    salvage = week.view.hardware.salvage_usd[PRODUCT_GENERATION[product]]
    return SellOrders(
        party=table.owner[lots],
        pool=table.pool[lots],
        product=product,
        quantity=table.quantity[lots],
        reserve_cents=np.rint(salvage * 100).astype(np.int64),
        forced=np.ones(len(lots), dtype=np.bool_),
    )


def rows(week: MarketWeek) -> dict[str, np.ndarray[Any, Any]]:
    """Columns of `COLLATERAL` for this week; empty if no secured loan is live."""
    world = week.world
    loans, lots, credit = world.ledger.loans, world.ledger.lots, world.credit
    live = np.flatnonzero(loans.live() & (loans.kind <= LoanKind.ASSET_BACKED))
    pledged = np.flatnonzero(np.isin(lots.lien, live) & (lots.status != LotStatus.FORCED))
    # Loans whose collateral a lender offers already are priced by the sale itself.
    live = live[np.isin(live, lots.lien[pledged])]
    tests = examine_loans(world, week.week)
    failing = credit.standing >= Standing.GRACE
    failing[tests.debtor[tests.breach.any]] = True

    def by_loan(price: Floats) -> Floats:
        """USD of each live loan's collateral at a price per pledged lot."""
        total = np.zeros(loans.n)
        np.add.at(total, lots.lien[pledged], lots.quantity[pledged] * price)
        return np.asarray(total[live])

    gpus = by_loan(np.ones(len(pledged)))
    appraised = by_loan(credit.appraisal_usd[lots.product[pledged]])
    nothing = np.full(len(live), np.nan)
    own, joint = nothing, nothing
    if probed(week.week, world.parameters.discount) and len(live):
        kept = 1.0 - world.parameters.lenders.enforcement_cost
        alone, together, failing = _prices(week, live, pledged, failing)
        own, joint = kept * by_loan(alone), kept * by_loan(np.minimum(alone, together))
    balance = loans.balance_cents[live] / 100.0
    with np.errstate(invalid="ignore"):
        ratios = loan_to_values(balance, 1, appraised, own, joint)
    known = np.isfinite(own)
    return {
        "week": np.full(len(live), week.week),
        "loan": live,
        "debtor": loans.debtor[live],
        "creditor": loans.creditor[live],
        "drawn_week": loans.start[live],
        "gpus": gpus.astype(np.int64),
        "balance_usd": balance,
        "appraised_usd": appraised,
        "liquidation_usd": own,
        "systemic_usd": joint,
        "loan_to_value_appraised": ratios.appraised,
        "loan_to_value_liquidation": np.where(known, ratios.liquidation, np.nan),
        "loan_to_value_systemic": np.where(known, ratios.systemic, np.nan),
        "coverage": credit.coverage()[loans.debtor[live]],
        "breached": failing[loans.debtor[live]],
    }


def _prices(week: MarketWeek, live: Ints, pledged: Ints, failing: Bools) -> tuple[Floats, Floats, Bools]:
    """Price of each pledged lot if its debtor alone is sold out, if all that fail are, and who fails in the end.

    Lenders that mark to market look at the joint price: whom it puts over the covenant joins the sale, until nobody does.
    """
    world = week.world
    loans, lots = world.ledger.loans, world.ledger.lots
    debtor = loans.debtor[lots.lien[pledged]]

    demand = demand_for_all(week)

    def sold_out(parties: Ints) -> Floats:
        chosen = pledged[np.isin(debtor, parties)]
        table = price_with(week, demand, offers(week, chosen), parties)
        found = table[lots.product[pledged], lots.pool[pledged]]
        scrap = week.view.hardware.salvage_usd[PRODUCT_GENERATION[lots.product[pledged]]]
        return np.asarray(np.where(np.isfinite(found), found, scrap))

    alone = np.zeros(len(pledged))
    for party in np.unique(debtor):
        mine = debtor == party
        alone[mine] = sold_out(np.array([party]))[mine]
    sold = np.unique(debtor[failing[debtor]])
    together, marked = alone, tested_basis(world, loans.creditor) != Basis.COST
    tested, held = live[marked[live]], marked[lots.lien[pledged]]
    for _ in range(ROUNDS):
        together = sold_out(sold) if len(sold) else np.full(len(pledged), np.inf)
        worth, owed = np.zeros(len(failing)), np.zeros(len(failing))
        price = np.minimum(alone, together)
        np.add.at(worth, debtor[held], (lots.quantity[pledged] * price)[held])
        np.add.at(owed, loans.debtor[tested], loans.balance_cents[tested] / 100.0)
        joins = (owed > world.parameters.credit.loan_to_value_covenant * worth) & ~failing
        if not joins.any():
            break
        failing = failing | joins
        sold = np.unique(debtor[failing[debtor]])
    return alone, together, failing


def quotes(week: MarketWeek, gpus: Ints | None = None) -> Floats:
    """Price of more units of each generation where most of it stands, USD per GPU, (G,); NaN without units or buyers.

    Parameters
    ----------
    gpus : (G,)
        How many more, at least one sold unit; one if left out.
    """
    lots, n = week.world.ledger.lots, len(GENERATIONS)
    generation = PRODUCT_GENERATION[lots.product]
    standing = np.zeros((n, week.world.topology.n_pools), dtype=np.int64)
    np.add.at(standing, (generation, lots.pool), lots.quantity)
    known = np.flatnonzero(standing.any(axis=1))
    product = np.array([product_of(int(g), Condition.CLEAN) for g in known], dtype=np.int64)
    one = SellOrders(
        party=np.full(len(known), REST_OF_WORLD),
        pool=standing[known].argmax(axis=1),
        product=product,
        quantity=PRODUCT_UNIT[product] if gpus is None else np.maximum(PRODUCT_UNIT[product], gpus[known]),
        reserve_cents=np.rint(week.view.hardware.salvage_usd[known] * 100).astype(np.int64),
        forced=np.ones(len(known), dtype=np.bool_),
    )
    found = np.full(n, np.nan)
    found[known] = price_with(week, demand_for_all(week), one)[product, one.pool]
    return found


def depth(week: MarketWeek, generation: int) -> float:
    """Forced volume per 1 % fall of the price, from the class's normal weekly volume to this week's offer, USD.

    NaN where no class of the generation is forced, or no more is offered than is usual.
    """
    quote = week.quote_of(generation)
    if quote is None or not 0 < quote.normal_volume < quote.offered or quote.price_usd <= 0:
        return float("nan")
    ends = (quote.normal_volume, quote.offered), (quote.normal_volume_price_usd, quote.price_usd)
    return float(market_depth(*ends)[0])


def spiral(week: MarketWeek, generation: int) -> float:
    """Total over first fall of the price if every solvent operator kept its leverage constant by selling this class.

    As few lenders mark to market, it is an upper bound. NaN where the depth is.
    """
    quote, per_percent = week.quote_of(generation), depth(week, generation)
    if quote is None or np.isnan(per_percent):
        return float("nan")
    return spiral_multiplier(_spiral_share(week.world, generation, quote.price_usd, 100.0 * per_percent))


def _spiral_share(world: World, generation: int, price: float, depth: float) -> float:
    """`sim.debt.credit_metrics.spiral_share` of solvent operators; their holdings of a class at a price, USD."""
    ledger, parties = world.ledger, world.ledger.parties
    equity = world.net_asset_value_cents() / 100.0
    solvent = np.isin(parties.kind, (AgentKind.MINER, AgentKind.NEO_CLOUD)) & (equity > 0)
    lots, held = ledger.lots, np.zeros(parties.n)
    mine = PRODUCT_GENERATION[lots.product] == generation
    np.add.at(held, lots.owner[mine], lots.quantity[mine] * price)
    leverage = 1.0 + ledger.debt_cents()[solvent] / 100.0 / equity[solvent]
    return spiral_share(leverage, 1.0, held[solvent], depth)
