"""The debt everybody starts with: equipment loans, miners' convertibles and bitcoin loans, lenders' own funding.

Sizes follow cited ratios: equipment loans cost times advance less what has amortised since the draw, neo-clouds' notes
a share of all their debt, miners' convertibles a share of their assets, half of a miner's coins pledged at the
observed loan-to-value, and a warehouse line behind every lender's book.
"""

import numpy as np

from agents.miner import MinerParameters
from agents.vocabulary import MONTHS_PER_YEAR, SATOSHI, UNIT, WEEKS_PER_YEAR, Ints
from sim.base import reference
from sim.base.randomness import Purpose, Randomness
from sim.base.units import NEVER
from sim.debt.facilities import balloon_payment, coupon
from sim.origination.pricing import CUSHION
from sim.parameters import Parameters
from sim.state.ledger import LoanKind, Loans, LoanStatus

# A warehouse line is renewed as long as its lender lends: longer than any run.
EVERGREEN_MONTHS = 10_000


def equipment_loan(
    parameters: Parameters,
    loans: Loans,
    owner: int,
    creditor: int,
    generation: int,
    units: int,
    vintage: int,
) -> int:
    """The loan of the borrower whose units are sold by decree, drawn when they entered service; returns the loan."""
    lenders = parameters.lenders
    price = parameters.hardware.list_price_usd.array()[generation]
    cost = float(price * units * int(UNIT[generation]))
    months = round(lenders.longest_years * MONTHS_PER_YEAR)
    paid = min(max(round(-vintage * MONTHS_PER_YEAR / WEEKS_PER_YEAR), 0), months - 1)
    rate = parameters.interest.sofr_initial + parameters.interest.spread_initial
    principal = cost * lenders.advance.mixed
    payment = int(balloon_payment(round(principal * 100), rate, months, parameters.credit.balloon_share))
    growth = (1.0 + rate / MONTHS_PER_YEAR) ** paid
    annuity = (growth - 1.0) / (rate / MONTHS_PER_YEAR) if rate else float(paid)
    return loans.append(
        debtor=owner,
        creditor=creditor,
        principal_cents=round(principal * 100),
        balance_cents=round(principal * 100 * growth - payment * annuity),
        rate=rate,
        payment_cents=payment,
        months_left=months - paid,
        cost_cents=round(cost * 100),
        start=vintage,
        status=int(LoanStatus.PERFORMING),
        kind=int(LoanKind.LEVEL_PAY),
        tier=1,
        tested_from=NEVER,
    )


def sheet_of(number: int) -> reference.MinerSheet:
    """Cited balance sheet of a miner by its number; more miners than there are cited begin anew."""
    sheets = reference.miner_sheets()
    return sheets[number % len(sheets)]


def miners_debt(
    parameters: Parameters,
    randomness: Randomness,
    loans: Loans,
    miners: Ints,
    lender: int,
    bond_market: int,
    bitcoin: Ints,
) -> None:
    """Cited convertibles with a put date each, and bitcoin loans on part of the coins; takes pledged coins off `bitcoin`."""
    section = parameters.miners
    dates = randomness.uniform(Purpose.MINER_DEBT, 0, miners)
    terms = randomness.uniform(Purpose.MINER_DEBT, 1, miners)
    price = parameters.bitcoin.initial_price_usd
    for i, miner in enumerate(miners):
        cited = sheet_of(i).convertibles_usd
        face = round(np.nan_to_num(cited) * section.convertible_scale * 100)
        if face:
            loans.append(
                debtor=int(miner),
                creditor=bond_market,
                principal_cents=face,
                balance_cents=face,
                rate=section.convertible_coupon,
                payment_cents=int(coupon(face, section.convertible_coupon)),
                months_left=_months_to_put(section, float(dates[i])),
                kind=int(LoanKind.CONVERTIBLE),
                tier=2,
            )
        pledged = int(bitcoin[miner] * section.bitcoin_pledged_share)
        if pledged:
            borrowed = round(pledged / SATOSHI * price * section.bitcoin_loan_to_value * 100)
            bitcoin[miner] -= pledged
            loans.append(
                debtor=int(miner),
                creditor=lender,
                principal_cents=borrowed,
                balance_cents=borrowed,
                rate=section.bitcoin_loan_rate,
                payment_cents=int(coupon(borrowed, section.bitcoin_loan_rate)),
                months_left=1 + int(terms[i] * section.bitcoin_loan_tenor_months),
                kind=int(LoanKind.BITCOIN),
                tier=2,
                pledged_satoshi=pledged,
            )


def _months_to_put(section: MinerParameters, luck: float) -> int:
    """Months until holders of a convertible may ask for their money: put date less the age of the note."""
    youngest, oldest = section.convertible_youngest_months, section.convertible_oldest_months
    age = youngest + int(luck * max(oldest - youngest + 1, 1))
    return max(round(section.convertible_put_years * MONTHS_PER_YEAR) - age, 1)


def lenders_funding(parameters: Parameters, loans: Loans, lenders: Ints, funder: int) -> None:
    """A line behind each lender's book: what its capital does not fund."""
    capital = CUSHION * parameters.lenders.capital.array()
    rate = parameters.interest.sofr_initial + parameters.lenders.own_funding_spread
    for lender in lenders:
        mine = loans.creditor == lender
        line = int((loans.balance_cents[mine] * (1.0 - capital[loans.tier[mine]])).sum())
        loans.append(
            debtor=int(lender),
            creditor=funder,
            principal_cents=line,
            balance_cents=line,
            rate=rate,
            payment_cents=int(coupon(line, rate)),
            months_left=EVERGREEN_MONTHS,
            kind=int(LoanKind.FUNDING),
        )


def owned_power(
    power: Ints, pool_place: Ints, pool_holder: Ints, host: Ints, miners: Ints, parties: int
) -> Ints:
    """IT watts of the sites each miner owns: the pools it holds, and the open halls of places it hosts."""
    owner = np.where(pool_holder >= 0, pool_holder, host[pool_place])
    mine = np.isin(owner, miners)
    watts = np.zeros(parties, dtype=np.int64)
    np.add.at(watts, owner[mine], power[mine])
    return watts
