"""A deal is signed: the loan is sized and priced, the operator finds the rest, the order is placed, cut or refused.

The one place where money of a new deal moves: capital to the lender, notes and shares to the operator, the tenant's prepayment,
the deposit to the maker. Units are ordered for the contract date and keep their hall until then.
"""

from dataclasses import dataclass

import numpy as np

from agents.lender import SPECULATIVE
from agents.vocabulary import (
    HOURS_PER_MONTH,
    MONTHS_PER_YEAR,
    UNIT,
    WEEKS_PER_YEAR,
    Condition,
    Floats,
    LotStatus,
    PoolKind,
    product_of,
)
from sim.contracts.halls import Halls, Served
from sim.contracts.matching import Housed
from sim.contracts.offers import Machine
from sim.equity.obligations import obligations
from sim.equity.sources import NOTE_CENTS, Sources, most_notes, most_shares, sources_of
from sim.lending import financing, orders, terms
from sim.origination.pricing import Spread
from sim.origination.signed import NOTHING, SignedLoan
from sim.origination.sizing import Limit, size_loan
from sim.state.ledger import Account, LoanKind, Lots
from sim.state.standing import equity_open, lending_open
from sim.state.world import REST_OF_WORLD, World


@dataclass(frozen=True, slots=True)
class Proposal:
    """A deal an operator would take.

    Attributes
    ----------
    tenant, tier, years, prepaid
        Of the tenant and its contract.
    housed
        Where it stands.
    rate
        USD per GPU-hour.
    """

    tenant: int
    tier: int
    years: float
    prepaid: float
    housed: Housed
    rate: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a proposal: GPUs ordered, none if nobody financed them, the loan as sized and its limit."""

    gpus: int
    loan: SignedLoan
    limit: Limit


def sign(world: World, week: int, halls: Halls, machine: Machine, served: Served, deal: Proposal) -> Outcome:
    """Finance and order a deal."""
    party, column = deal.housed.party, int(np.flatnonzero(halls.generation == deal.housed.generation)[0])
    gpus = int(deal.housed.units.sum() * UNIT[deal.housed.generation])
    cost = round(
        float(np.broadcast_to(machine.cost, served.required.shape)[deal.housed.row[0], column]) * 100
    )
    loan, limit, spread = _loan(world, week, served, deal, column, gpus, cost)
    prepaid = round(deal.rate * HOURS_PER_MONTH * deal.years * MONTHS_PER_YEAR * deal.prepaid * 100)
    found = _sources(world, week, served, deal, column, gpus, cost * gpus - loan.cents - prepaid * gpus)
    # The loan comes with the units: deposit and freight are due before, out of what is there and what the tenant prepays.
    price = round(float(world.list_price_usd(week)[deal.housed.generation]) * 100)
    at_once = orders.deposit(world, price) + cost - price - prepaid
    short = _short(world, party, found, at_once * gpus)
    if found.missing_cents or short:
        each = cost - loan.cents // gpus - prepaid
        lacking = max(-(-found.missing_cents // max(each, 1)), -(-short // max(at_once, 1)))
        part = (gpus - lacking) // int(UNIT[deal.housed.generation]) * int(UNIT[deal.housed.generation])
        if deal.tier == 0 or part <= 0:
            return _refused(world, week, deal, gpus, limit, max(found.missing_cents, short))
        loan = SignedLoan(loan.lender, loan.tier, loan.cents * part // gpus, loan.rate, loan.months)
        found = _sources(world, week, served, deal, column, part, cost * part - loan.cents - prepaid * part)
        short = _short(world, party, found, at_once * part)
        if short:
            return _refused(world, week, deal, gpus, limit, short)
        gpus = part
    _raise_money(world, week, party, found)
    _order(world, week, halls, deal, gpus, price, cost, loan, prepaid)
    if spread is not None:
        world.booked.price(deal.tier, spread, loan.cents)
    return Outcome(gpus, loan, limit)


def _short(world: World, party: int, found: Sources, due: int) -> int:
    """What cash, notes and shares lack of what is due at signing, cents."""
    there = max(int(world.ledger.parties.cash_cents[party]), 0) + found.notes_cents + found.shares_cents
    return max(due - there, 0)


def _refused(world: World, week: int, deal: Proposal, gpus: int, limit: Limit, missing: int) -> Outcome:
    """An order that nobody finances, and whether lenders or owners would have had to give more."""
    why = "lending" if limit in (Limit.FUNDS, Limit.ROOM, Limit.NONE) else "equity"
    world.log(
        week,
        "order_refused",
        deal.housed.party,
        product=product_of(deal.housed.generation, Condition.NEW),
        quantity=gpus,
        cents=missing,
        detail=f"{why}: {limit.name.lower()} bound the loan",
    )
    return Outcome(0, NOTHING, limit)


def _loan(
    world: World, week: int, served: Served, deal: Proposal, column: int, gpus: int, cost: int
) -> tuple[SignedLoan, Limit, Spread | None]:
    """The loan of a deal, what bound it (cost and income as offered, room, the pool's funds), and how it is priced."""
    row, party, month = deal.housed.row[0], deal.housed.party, world.drivers.months_begun(week)
    offer = served.offer

    def here(values: object) -> float:
        return float(np.broadcast_to(np.asarray(values, float), served.required.shape)[row, column])

    whole = 100.0 * gpus
    income = here(offer.income_loan(deal.rate)) - here(offer.tail_loan)
    tenants = terms.main_tenant(world)
    tenants[party] = deal.tenant
    lender = financing.lender_for(world, party) if lending_open(world.parameters.credit, week) else -1
    asked = size_loan(
        cost * gpus, here(offer.advance), income * whole, 1.0, here(offer.tail_loan) * whole, 0.0
    )
    left = cost * gpus - here(offer.prepayment(deal.rate)) * whole
    world.pool.ask(month, int(min(float(asked.amount), max(left, 0.0))))
    sized = size_loan(
        cost * gpus,
        here(offer.advance),
        income * whole,
        1.0,
        here(offer.tail_loan) * whole,
        0.0,
        room=float(financing.room(world, tenants)[party]),
        funds=float(max(world.pool.left, 0)) if lender >= 0 else 0.0,
    )
    cents = int(min(float(sized.amount), max(left, 0.0)))
    if cents <= 0 or lender < 0 or here(offer.burden) >= 1.0:
        return NOTHING, Limit.FUNDS if lender < 0 else Limit(int(sized.limit)), None
    loss = _loss(world, lender, cents / whole, cost / 100.0, here(offer.loan_months))
    spread = terms.spread(world, week, np.array([deal.tier]), loss)
    rate = float(world.drivers.sofr[week] + spread.total[0])
    loan = SignedLoan(lender, deal.tier, cents, rate, round(here(offer.loan_months)))
    return loan, Limit(int(sized.limit)), spread


def _loss(world: World, lender: int, loan_usd: float, price_usd: float, months: float) -> Floats:
    """Loss given default the lender of a deal counts on."""
    return terms.loss_believed(
        world,
        int(terms.beliefs(world)[lender]),
        np.array([loan_usd]),
        np.array([price_usd]),
        np.array([months / MONTHS_PER_YEAR]),
        np.array([world.parameters.rent.trend_deflation]),
    )


def _sources(
    world: World, week: int, served: Served, deal: Proposal, column: int, gpus: int, needed: int
) -> Sources:
    """Where the operator's part of an order would come from."""
    party, section = deal.housed.party, world.parameters.equity
    ledger, credit = world.ledger, world.credit
    cost = (
        100
        * float(np.broadcast_to(served.offer.cost, served.required.shape)[deal.housed.row[0], column])
        * gpus
    )
    net = served.offer.net_cash(deal.rate)
    a_month = float(np.broadcast_to(net, served.required.shape)[deal.housed.row[0], column])
    contract = 100.0 * MONTHS_PER_YEAR * gpus * a_month
    income = 4.0 * float(credit.income_cents[:, party].sum()) + contract
    interest = _interest(world, party)
    notes = shares = 0
    if equity_open(world.parameters.credit, week):
        notes = int(
            most_notes(
                cost,
                section.notes_share,
                income,
                interest,
                terms.notes_rate(world, week),
                section.fixed_charge_cover,
            )
        )
        value = int(world.net_asset_value_cents()[party])
        shares = int(most_shares(value, section.shares_a_month, section.share_discount))
        shares -= int(world.booked.shares_cents[party])
    free = int(ledger.parties.cash_cents[party]) - int(orders.set_aside(world, week)[party])
    free -= round(world.parameters.neo_clouds.reserve_months * int(obligations(world)[party]))
    return sources_of(max(needed, 0), notes, free, shares, NOTE_CENTS)


def _interest(world: World, party: int) -> float:
    """Interest a year on all a party owes and has signed, cents."""
    loans, signed = world.ledger.loans, world.ledger.orders
    mine = (loans.debtor == party) & loans.live()
    undrawn = signed.buyer == party
    return float(
        (loans.balance_cents[mine] * loans.rate[mine]).sum()
        + (signed.commitment_cents[undrawn] * signed.loan_rate[undrawn]).sum()
    )


def _raise_money(world: World, week: int, party: int, found: Sources) -> None:
    """Sell the notes and shares an order needs."""
    section = world.parameters.equity
    if found.notes_cents:
        rate = terms.notes_rate(world, week)
        row = world.ledger.lend(
            debtor=party,
            creditor=REST_OF_WORLD,
            principal_cents=found.notes_cents,
            balance_cents=found.notes_cents,
            rate=rate,
            payment_cents=int(found.notes_cents * rate / MONTHS_PER_YEAR),
            months_left=terms.months_of(section.notes_tenor_years),
            start=week,
            kind=int(LoanKind.NOTES),
            tier=SPECULATIVE,
        )
        world.log(week, "notes_issued", party, cents=found.notes_cents, detail=f"loan {row}")
    if found.shares_cents:
        world.ledger.pay(REST_OF_WORLD, party, found.shares_cents, Account.EQUITY)
        world.booked.shares_cents[party] += found.shares_cents
        world.log(week, "shares_issued", party, cents=found.shares_cents)


def _order(
    world: World,
    week: int,
    halls: Halls,
    deal: Proposal,
    gpus: int,
    price: int,
    cost: int,
    loan: SignedLoan,
    prepaid: int,
) -> None:
    """Sign the contract, lease the halls, order the units for the contract date."""
    party, generation, ledger = deal.housed.party, deal.housed.generation, world.ledger
    lead = round(world.parameters.manufacturer.lead_weeks + world.parameters.freight.installation_weeks)
    ready = int(halls.ready[deal.housed.row].max())
    due = max(week + lead, ready)
    contract = world.contracts.append(
        tenant=deal.tenant,
        operator=party,
        generation=generation,
        gpus=gpus,
        rate_usd_per_hour=deal.rate,
        due=due,
        end=due + max(round(deal.years * WEEKS_PER_YEAR), 1),
        prepaid=deal.prepaid,
        years=deal.years,
    )
    ledger.pay(REST_OF_WORLD, party, prepaid * gpus, Account.PREPAYMENT)
    if loan.cents:
        financing.call_capital(world, loan)
        world.pool.commit(loan.cents)
    left = gpus
    for row, units in zip(deal.housed.row, deal.housed.units, strict=True):
        here = min(int(units * UNIT[generation]), left)
        if here:
            _deliver(world, party, generation, int(halls.pool[row]), here, due, contract)
            _lease(world, party, int(halls.pool[row]), generation, here, due)
        left -= here
    ledger.pay(party, REST_OF_WORLD, (cost - price) * gpus, Account.FREIGHT)
    orders.place(
        world,
        buyer=party,
        product=product_of(generation, Condition.CLEAN),
        arrival=due,
        gpus=gpus,
        price=price,
        cost=cost * gpus,
        contract=contract,
        loan=loan,
    )
    world.log(
        week,
        "deal_signed",
        party,
        counterparty=loan.lender,
        product=product_of(generation, Condition.NEW),
        quantity=gpus,
        cents=loan.cents,
        detail=f"tenant {deal.tenant + 1}, {deal.years:.1f} years at {deal.rate:.2f} USD",
    )


def _deliver(
    world: World, party: int, generation: int, pool: int, gpus: int, due: int, contract: int
) -> None:
    """Put units under way to a hall."""
    one = {name: np.array([-1], dtype=np.int64) for name in ("lien", "liquidator", "deadline")}
    world.ledger.deliver(
        Lots(
            product=np.array([product_of(generation, Condition.CLEAN)]),
            vintage=np.array([due]),
            quantity=np.array([gpus]),
            pool=np.array([pool]),
            owner=np.array([party]),
            status=np.array([int(LotStatus.IN_TRANSIT)]),
            arrival=np.array([due]),
            contract=np.array([contract]),
            **one,
        )
    )


def _lease(world: World, party: int, pool: int, generation: int, gpus: int, due: int) -> None:
    """Lease what the units need of a hall that is not the operator's own, from the day it has power."""
    pools = world.topology
    if pools.pool_kind[pool] == PoolKind.PRIVATE or world.slots.holder[pool] == party:
        return
    watts = gpus // int(UNIT[generation]) * int(world.hardware.unit_watts[generation])
    dark = pools.pool_kind[pool] == PoolKind.FORWARD
    start = max(due, int(world.slots.opens_week[pool])) if dark else due
    tenor = round(world.parameters.site.lease_tenor_years * WEEKS_PER_YEAR)
    world.leases.append(
        tenant=party,
        pool=pool,
        watts=watts,
        rate_usd_per_kw_month=float(pools.pool_hosting[pool]),
        escalator=world.parameters.site.lease_escalator,
        start=start,
        end=start + tenor,
        behind=-1,
    )
