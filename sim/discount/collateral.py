"""What pledged hardware would fetch if it were sold now, loan by loan, and what that makes of loan to value.

Once a quarter every secured equipment loan is written down with the value its lender carries and its debtor's coverage. In
the middle of each year the week's own book is cleared again with more on offer: the collateral of one borrower alone, then
that of all borrowers who fail a test at once (theory.md D.6). Everything moves and nothing is held back above scrap. The
clearing is the coarse one, without the refinement around its price: within 2 % of it, at half the time.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.vocabulary import (
    GENERATIONS,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    PRODUCT_UNIT,
    AgentKind,
    Bools,
    BuyIntents,
    Condition,
    Floats,
    Ints,
    LotStatus,
    SellOrders,
    product_of,
)
from sim.debt.covenants import Basis
from sim.debt.credit_metrics import loan_to_values, market_depth, spiral_multiplier, spiral_share
from sim.lending.monitoring import examine_loans
from sim.lending.origination import tested_basis
from sim.market import search
from sim.market.market import clear_intents
from sim.state.ledger import LoanKind
from sim.state.standing import QUARTER_WEEKS, Standing
from sim.state.world import REST_OF_WORLD

if TYPE_CHECKING:
    from sim.model import FireSaleModel

PROBE_WEEKS, FIRST_PROBE = 52, 26
ROUNDS = 5  # of lenders that mark to the joint price and so join the sale
COLLATERAL = {
    "week": ("week", "week of the row"),
    "loan": ("loan", "row of the loan"),
    "debtor": ("party", "who owes"),
    "creditor": ("party", "who is owed"),
    "drawn_week": ("week", "when it was drawn; negative before the run"),
    "gpus": ("GPUs", "pledged and not yet on offer by a lender"),
    "balance_usd": ("USD", "balance"),
    "appraised_usd": ("USD", "collateral at the last appraisal"),
    "liquidation_usd": (
        "USD",
        "net of enforcement, if its debtor's collateral alone is sold; empty if not probed",
    ),
    "systemic_usd": ("USD", "the same if all that fail a test are sold with it; empty if not probed"),
    "loan_to_value_appraised": ("ratio", "balance over appraised value"),
    "loan_to_value_liquidation": ("ratio", "balance over liquidation value"),
    "loan_to_value_systemic": ("ratio", "balance over systemic value"),
    "coverage": ("ratio", "debtor's income over debt service, last quarter; infinite if nothing fell due"),
    "breached": ("", "the debtor fails a test or has failed"),
}


def due(week: int) -> bool:
    """Whether collateral is written down this week."""
    return week > 0 and week % QUARTER_WEEKS == 0


def probed(week: int) -> bool:
    """Whether it is also priced by clearing the book again."""
    return week % PROBE_WEEKS == FIRST_PROBE


def bids_for_all(model: "FireSaleModel") -> BuyIntents:
    """What the buyers present would bid this week if every class of used hardware were on offer; they bid for nothing else."""
    used = np.flatnonzero(PRODUCT_CONDITION != Condition.NEW)
    view = replace(model.view, listed=np.union1d(model.view.listed, used))
    return search.admit(model.gather(view).buy, model.present)


def price_with(
    model: "FireSaleModel", buy: BuyIntents, extra: SellOrders, absent: Sequence[int] | Ints = ()
) -> Floats:
    """Prices of the week's book with more on offer, USD per GPU, (products, pools); NaN where a class has no price.

    Parameters
    ----------
    buy
        Bids of the week, see `bids_for_all`.
    extra
        Offers added to the week's own.
    absent
        Parties that neither buy nor sell of their own will.
    """
    assert model.result is not None
    orders, options = model.result.orders, model.parameters.market
    first = model.world.topology.places.n
    sell = orders.sell
    stays = sell.forced | ~np.isin(sell.party, absent)
    both = SellOrders(
        *(np.r_[getattr(sell, f.name)[stays], getattr(extra, f.name)] for f in fields(SellOrders))
    )
    wanted = np.where(np.isin(buy.party, absent), 0, buy.wanted)
    _, clearing = clear_intents(
        both,
        replace(buy, wanted=wanted),
        model.world.topology.network(),
        first,
        orders.book.power,
        orders.book.cooling,
        theta=options.theta,
        steps=options.ladder_steps,
        refine=False,
        whole=False,
    )
    return np.asarray(clearing.price[:, first:] / 100.0)


def offers(model: "FireSaleModel", lots: Ints) -> SellOrders:
    """Sell orders of lots at scrap reserve: whatever the market pays above it is taken."""
    table = model.ledger.lots
    product = table.product[lots]
    salvage = model.view.salvage[PRODUCT_GENERATION[product]]
    return SellOrders(
        party=table.owner[lots],
        pool=table.pool[lots],
        product=product,
        quantity=table.quantity[lots],
        reserve=np.rint(salvage * 100).astype(np.int64),
        forced=np.ones(len(lots), dtype=np.bool_),
    )


def rows(model: "FireSaleModel", week: int) -> dict[str, np.ndarray[Any, Any]]:
    """Columns of `COLLATERAL` for this week; empty if no secured loan is live."""
    world = model.world
    loans, lots, credit = world.ledger.loans, world.ledger.lots, world.credit
    live = np.flatnonzero(loans.live() & (loans.kind <= LoanKind.ASSET_BACKED))
    pledged = np.flatnonzero(np.isin(lots.lien, live) & (lots.status != LotStatus.FORCED))
    # Loans whose collateral a lender offers already are priced by the sale itself.
    live = live[np.isin(live, lots.lien[pledged])]
    tests = examine_loans(world, week)
    failing = credit.standing >= Standing.GRACE
    failing[tests.debtor[tests.breach.any]] = True

    def by_loan(price: Floats) -> Floats:
        """USD of each live loan's collateral at a price per pledged lot."""
        total = np.zeros(loans.n)
        np.add.at(total, lots.lien[pledged], lots.quantity[pledged] * price)
        return np.asarray(total[live])

    gpus = by_loan(np.ones(len(pledged)))
    appraised = by_loan(credit.appraisal[lots.product[pledged]])
    nothing = np.full(len(live), np.nan)
    own, joint = nothing, nothing
    if probed(week) and len(live):
        kept = 1.0 - world.parameters.lenders.enforcement_cost
        alone, together, failing = _prices(model, live, pledged, failing)
        own, joint = kept * by_loan(alone), kept * by_loan(np.minimum(alone, together))
    balance = loans.balance[live] / 100.0
    with np.errstate(invalid="ignore"):
        ratios = loan_to_values(balance, 1, appraised, own, joint)
    known = np.isfinite(own)
    return {
        "week": np.full(len(live), week),
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


def _prices(
    model: "FireSaleModel", live: Ints, pledged: Ints, failing: Bools
) -> tuple[Floats, Floats, Bools]:
    """Price of each pledged lot if its debtor alone is sold out, if all that fail are, and who fails in the end.

    Lenders that mark to market look at the joint price: whom it puts over the covenant joins the sale, until nobody does.
    """
    world = model.world
    loans, lots = world.ledger.loans, world.ledger.lots
    debtor = loans.debtor[lots.lien[pledged]]

    buy = bids_for_all(model)

    def sold_out(parties: Ints) -> Floats:
        chosen = pledged[np.isin(debtor, parties)]
        table = price_with(model, buy, offers(model, chosen), parties)
        found = table[lots.product[pledged], lots.pool[pledged]]
        scrap = model.view.salvage[PRODUCT_GENERATION[lots.product[pledged]]]
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
        np.add.at(owed, loans.debtor[tested], loans.balance[tested] / 100.0)
        joins = (owed > world.parameters.credit.loan_to_value_covenant * worth) & ~failing
        if not joins.any():
            break
        failing = failing | joins
        sold = np.unique(debtor[failing[debtor]])
    return alone, together, failing


def quotes(model: "FireSaleModel") -> Floats:
    """Price of one more unit of each generation where most of it stands, USD per GPU, (G,); NaN without units or buyers."""
    lots, n = model.ledger.lots, len(GENERATIONS)
    generation = PRODUCT_GENERATION[lots.product]
    standing = np.zeros((n, model.world.topology.n_pools), dtype=np.int64)
    np.add.at(standing, (generation, lots.pool), lots.quantity)
    known = np.flatnonzero(standing.any(axis=1))
    product = np.array([product_of(int(g), Condition.CLEAN) for g in known], dtype=np.int64)
    one = SellOrders(
        party=np.full(len(known), REST_OF_WORLD),
        pool=standing[known].argmax(axis=1),
        product=product,
        quantity=PRODUCT_UNIT[product],
        reserve=np.rint(model.view.salvage[known] * 100).astype(np.int64),
        forced=np.ones(len(known), dtype=np.bool_),
    )
    found = np.full(n, np.nan)
    found[known] = price_with(model, bids_for_all(model), one)[product, one.pool]
    return found


def weekly(model: "FireSaleModel") -> dict[str, tuple[float, str, str]]:
    """Columns of the weekly table: of a forced class the depth of its market and the spiral it could start.

    Depth is the arc from the class's normal weekly volume to what is offered this week. The spiral counts every solvent
    operator as if it kept its leverage constant by selling this class; as few lenders mark to market, it is an upper bound.
    """
    row = {}
    for g, name in enumerate(GENERATIONS):
        quote = next((q for q in model.quotes if PRODUCT_GENERATION[q.product] == g), None)
        depth = spiral = float("nan")
        if quote is not None and 0 < quote.normal_volume < quote.offered and quote.price > 0:
            ends = (quote.normal_volume, quote.offered), (quote.normal_volume_price, quote.price)
            depth = float(market_depth(*ends)[0])
            spiral = spiral_multiplier(_spiral_share(model, g, quote.price, 100.0 * depth))
        row[f"depth_usd_per_percent_{name}"] = (
            depth,
            "USD",
            f"forced volume per 1 % fall between normal volume and this week's offer, {name}",
        )
        row[f"spiral_multiplier_{name}"] = (
            spiral,
            "ratio",
            f"total over first fall if all operators kept their leverage constant, {name}",
        )
    return row


def _spiral_share(model: "FireSaleModel", generation: int, price: float, depth: float) -> float:
    """`sim.debt.credit_metrics.spiral_share` of solvent operators; their holdings of a class at a price, USD."""
    world, parties = model.world, model.ledger.parties
    equity = world.net_asset_value() / 100.0
    solvent = np.isin(parties.kind, (AgentKind.MINER, AgentKind.NEO_CLOUD)) & (equity > 0)
    lots, held = model.ledger.lots, np.zeros(parties.n)
    mine = PRODUCT_GENERATION[lots.product] == generation
    np.add.at(held, lots.owner[mine], lots.quantity[mine] * price)
    leverage = 1.0 + model.ledger.debt()[solvent] / 100.0 / equity[solvent]
    return spiral_share(leverage, 1.0, held[solvent], depth)
