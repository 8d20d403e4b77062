"""What the weekly table says of the boom: debt, contracts, terms, prices of credit, halls, maturities (docs/boom.md)."""

from collections.abc import Callable

import numpy as np

from agents.lender import TIERS
from agents.vocabulary import (
    MONTHS_PER_YEAR,
    WEEKS_PER_YEAR,
    AgentKind,
    Bools,
    Condition,
    Floats,
    LotStatus,
    PoolKind,
    product_of,
)
from sim.base.declared import ANY, COUNT, POSITIVE, Bounds, Declared
from sim.lending import financing, terms
from sim.market.week import MarketWeek
from sim.state.ledger import LoanKind
from sim.state.standing import financing_tags

SHARE = Bounds(0, 1, absent=True)
RATE = Bounds(absent=True)
EQUIPMENT = (LoanKind.LEVEL_PAY, LoanKind.DELAYED_DRAW, LoanKind.ASSET_BACKED)
UNSECURED = (LoanKind.NOTES, LoanKind.CONVERTIBLE)
OPERATORS = (AgentKind.MINER, AgentKind.NEO_CLOUD)
CENTS = 100.0


def _owed(*kinds: LoanKind) -> Callable[[MarketWeek], float]:
    """Debt of operators of some kinds, USD."""

    def read(week: MarketWeek) -> float:
        loans, parties = week.world.ledger.loans, week.world.ledger.parties
        mine = np.isin(loans.kind, kinds) & np.isin(parties.kind[loans.debtor], OPERATORS)
        return float(loans.balance_cents[mine].sum() / CENTS)

    return read


def _undrawn(week: MarketWeek) -> float:
    return float(week.world.ledger.orders.commitment_cents.sum() / CENTS)


def _book(week: MarketWeek) -> float:
    world = week.world
    return float(financing.lender_book(world)[world.rows(AgentKind.LENDER)].sum() / CENTS)


def _lenders_equity(week: MarketWeek) -> float:
    world = week.world
    lenders = world.rows(AgentKind.LENDER)
    assets = world.ledger.parties.cash_cents[lenders] + financing.lender_book(world)[lenders]
    return float((assets - world.ledger.debt_cents()[lenders]).sum() / CENTS)


def _fleet(week: MarketWeek) -> Bools:
    """Lots of operators that no lender has taken."""
    lots, parties = week.world.ledger.lots, week.world.ledger.parties
    return np.asarray(np.isin(parties.kind[lots.owner], OPERATORS) & (lots.status != LotStatus.FORCED))


def _contracted(week: MarketWeek) -> float:
    lots, contracts = week.world.ledger.lots, week.world.contracts
    mine = _fleet(week) & (lots.status != LotStatus.IN_TRANSIT)
    bound = mine & (lots.contract >= 0)
    bound[bound] = contracts.running(week.week)[lots.contract[bound]]
    whole = lots.quantity[mine].sum()
    return float(lots.quantity[bound].sum() / whole) if whole else float("nan")


def _years_left(week: MarketWeek) -> float:
    lots, contracts = week.world.ledger.lots, week.world.contracts
    bound = _fleet(week) & (lots.contract >= 0)
    bound[bound] = contracts.running(week.week)[lots.contract[bound]]
    # A lot whose last unit is gone keeps its contract.
    if not lots.quantity[bound].any():
        return float("nan")
    left = (contracts.end[lots.contract[bound]] - week.week) / WEEKS_PER_YEAR
    return float(np.average(left, weights=lots.quantity[bound]))


def _on_order(week: MarketWeek) -> int:
    return int(week.world.ledger.orders.gpus.sum())


def _dark_watts(week: MarketWeek) -> int:
    """IT watts of units that have come to halls without power."""
    world = week.world
    lots = world.ledger.lots
    dark = (lots.status == LotStatus.IN_TRANSIT) & (lots.arrival <= week.week)
    dark &= world.topology.pool_kind[lots.pool] == PoolKind.FORWARD
    return int(world.lot_watts()[dark].sum())


def _promised_watts(week: MarketWeek) -> int:
    world = week.world
    return int(world.capacity.power_watts[world.topology.pool_kind == PoolKind.FORWARD].sum())


def _due(years: float) -> Callable[[MarketWeek], float]:
    """Principal of operators' debt that falls due within so many years as scheduled, USD."""

    def read(week: MarketWeek) -> float:
        loans, parties = week.world.ledger.loans, week.world.ledger.parties
        mine = loans.live() & np.isin(parties.kind[loans.debtor], OPERATORS)
        months = 12.0 * years
        bullet = np.isin(loans.kind, (*UNSECURED, LoanKind.BITCOIN))
        share = np.where(
            bullet, loans.months_left <= months, np.minimum(months / np.maximum(loans.months_left, 1), 1.0)
        )
        return float((loans.balance_cents * share)[mine].sum() / CENTS)

    return read


def _tagged(tag: str) -> Callable[[MarketWeek], float]:
    """Share of operators' debt owed by those of a tag."""

    def read(week: MarketWeek) -> float:
        world = week.world
        tags = np.array(financing_tags(world.credit.coverage(), world.credit.interest_coverage()))
        owed = np.where(np.isin(world.ledger.parties.kind, OPERATORS), world.ledger.debt_cents(), 0)
        known = owed[tags != ""].sum()
        return float(owed[tags == tag].sum() / known) if known else float("nan")

    return read


def _parts(part: int | None, tier: int) -> Callable[[MarketWeek], float]:
    """Spread of the month's loans of a tier, or one of its parts, basis points; NaN in months without one."""

    def read(week: MarketWeek) -> float:
        booked = week.world.booked
        lent = booked.loans_cents[tier]
        if lent <= 0:
            return float("nan")
        parts: Floats = booked.spread_parts[tier] / lent
        return float(1e4 * (parts.sum() if part is None else parts[part]))

    return read


def _term(name: str, tier: int) -> Callable[[MarketWeek], float]:
    return lambda week: float(getattr(terms.on_offer(week.world), name)[tier])


def value_over_list(week: MarketWeek, generation: int) -> float:
    """Value of a new unit at the typical operator over its list price; NaN where it is not sold."""
    if not week.world.drivers.on_sale(week.week)[generation]:
        return float("nan")
    value = week.view.market.typical_value_usd[product_of(generation, Condition.NEW)]
    return float(value / week.world.list_price_usd(week.week)[generation])


def _neo_cloud_watts(week: MarketWeek) -> int:
    world = week.world
    lots = world.ledger.lots
    on = (lots.status == LotStatus.RUNNING) & (world.ledger.parties.kind[lots.owner] == AgentKind.NEO_CLOUD)
    return int(world.lot_watts()[on].sum())


def _seen(name: str, tier: int | None = None) -> Callable[[MarketWeek], float]:
    """What lenders have seen in the last 36 months, of one tier or of all."""

    def read(week: MarketWeek) -> float:
        found = getattr(week.world.experience, name).sum(axis=0)
        return float(found.sum() if tier is None else found[tier])

    return read


USD = "USD"
# Name, what is said of it, and how it is read.
CYCLE: tuple[tuple[str, Declared, Callable[[MarketWeek], float]], ...] = (
    ("secured_debt_usd", Declared(USD, "operators' debt on equipment", POSITIVE), _owed(*EQUIPMENT)),
    ("unsecured_debt_usd", Declared(USD, "operators' notes and convertibles", POSITIVE), _owed(*UNSECURED)),
    ("project_debt_usd", Declared(USD, "debt on halls", POSITIVE), _owed(LoanKind.PROJECT)),
    ("undrawn_usd", Declared(USD, "loans signed and not drawn", POSITIVE), _undrawn),
    ("lenders_book_usd", Declared(USD, "owed to lenders", POSITIVE), _book),
    ("lenders_equity_usd", Declared(USD, "lenders' cash and book less their own debt", ANY), _lenders_equity),
    (
        "loans_signed_usd",
        Declared(USD, "loans on deals signed since the first of the month", POSITIVE),
        lambda week: float(week.world.booked.loans_cents.sum() / CENTS),
    ),
    (
        "contract_multiple",
        Declared("ratio", "what tenants pay over posted rates", POSITIVE),
        lambda week: week.world.demand.multiple,
    ),
    (
        "contracts_offered_h100e",
        Declared("H100 equivalents", "offered since the first of the month", POSITIVE),
        lambda week: week.world.booked.offered_h100e,
    ),
    (
        "contracts_signed_h100e",
        Declared("H100 equivalents", "signed since the first of the month", POSITIVE),
        lambda week: week.world.booked.signed_h100e,
    ),
    (
        "pool_use",
        Declared("ratio", "loans asked for over loanable funds, three months", POSITIVE),
        lambda week: week.world.pool.use(0.0),
    ),
    (
        "contracted_share",
        Declared("share of GPUs", "of operators' units that stand, under contract", SHARE),
        _contracted,
    ),
    (
        "contract_years_left",
        Declared("years", "mean remaining term, by GPUs", Bounds(0, absent=True)),
        _years_left,
    ),
    ("gpus_on_order", Declared("GPUs", "ordered and not delivered", COUNT), _on_order),
    ("promised_watts", Declared("IT watts", "in halls without power yet", COUNT), _promised_watts),
    ("dark_watts", Declared("IT watts", "of units that stand in halls without power", COUNT), _dark_watts),
    (
        "neo_cloud_watts",
        Declared("IT watts", "of neo-clouds' running units", COUNT),
        _neo_cloud_watts,
    ),
    ("due_in_a_year_usd", Declared(USD, "operators' principal due within a year", POSITIVE), _due(1.0)),
    ("due_in_three_years_usd", Declared(USD, "the same within three years", POSITIVE), _due(3.0)),
    *(
        (f"{tag}_share", Declared("share of debt", f"owed by {tag} borrowers", SHARE), _tagged(tag))
        for tag in ("hedge", "speculative", "ponzi")
    ),
    *(
        (
            f"sizing_coverage_{tier}",
            Declared("ratio", f"coverage loans are sized on, {tier}", POSITIVE),
            _term("coverage", i),
        )
        for i, tier in enumerate(TIERS)
    ),
    *(
        (
            f"advance_{tier}",
            Declared("share of cost", f"advance on offer, {tier}", SHARE),
            _term("advance", i),
        )
        for i, tier in enumerate(TIERS)
    ),
    *(
        (
            f"spread_{tier}_bps",
            Declared("basis points", f"spread of the month's loans, {tier}", RATE),
            _parts(None, i),
        )
        for i, tier in enumerate(TIERS)
    ),
    *(
        (
            f"spread_{part}_{tier}_bps",
            Declared("basis points", f"part of it for {part.replace('_', ' ')}, {tier}", RATE),
            _parts(p, i),
        )
        for i, tier in enumerate(TIERS)
        for p, part in enumerate(("expected_loss", "capital", "funding"))
    ),
    *(
        (
            f"loan_years_seen_{tier}",
            Declared("loan-years", f"in lenders' experience of 36 months, {tier}", POSITIVE),
            lambda week, i=i: _seen("loan_months", i)(week) / MONTHS_PER_YEAR,
        )
        for i, tier in enumerate(TIERS)
    ),
    *(
        (
            f"defaults_seen_{tier}",
            Declared("borrowers", f"that defaulted in these months, {tier}", POSITIVE),
            _seen("defaults", i),
        )
        for i, tier in enumerate(TIERS)
    ),
    (
        "exposure_seen_usd",
        Declared(USD, "owed by them at default, all tiers", POSITIVE),
        _seen("exposure_usd"),
    ),
    ("loss_seen_usd", Declared(USD, "lost of it so far, all tiers", POSITIVE), _seen("loss_usd")),
)
