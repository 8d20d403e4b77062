"""The deals behind what stands in week 0: who rented it, at what rate, and what was lent on it (docs/boom.md 7).

An operator's purchases, in the order of their weeks, are cut into deals whose sizes, terms and tenants follow the laws of the
running world; rates and loans are those the same functions give at that week's rents, prices and base rate, with the pool of
loanable funds at neutral use.
"""

from dataclasses import dataclass

import numpy as np

from agents.vocabulary import MONTHS_PER_YEAR, Floats, Ints
from sim.base.randomness import Purpose, Randomness
from sim.contracts.deals import lognormal_size, prepaid_of, tenant_of, term_of, tier_of
from sim.contracts.halls import UNSIZED
from sim.contracts.offers import LoanTerms, Machine, offer_of
from sim.contracts.rates import posted_ratio, required_rate
from sim.origination.pricing import price_loan
from sim.parameters import Parameters
from sim.state.tenants import Tenants

DRAWS = 4  # numbers a deal takes: its tier, size, term and tenant
# Halls are ready when their first units come: nobody waits in a finished history.
IN_TIME = 0.0


@dataclass(slots=True)
class Deals:
    """One row per deal of the past."""

    owner: Ints
    tier: Ints  # index into TIERS
    tenant: Ints
    years: Floats
    week: Ints  # of the contract date, at most 0


def group(
    parameters: Parameters,
    randomness: Randomness,
    tenants: Tenants,
    owner: Ints,
    week: Ints,
    cost_usd: Floats,
) -> tuple[Deals, Ints]:
    """Cut purchases into deals; returns the deals, and the deal of each purchase.

    Parameters
    ----------
    owner, week, cost_usd : (N,)
        Purchases; owners in any order.

    Notes
    -----
    Investment-grade tenants want everything in one hand: an operator whose whole fleet is worth less than the median deal of
    such a tenant has none. Purchases are not cut, so that a deal may be a little larger than drawn.
    """
    section, advance = parameters.contracts, parameters.lenders.advance.array()
    means = np.array([section.large_deal_usd, section.small_deal_usd, section.small_deal_usd]) / advance
    spread = section.deal_log_deviation
    found: list[tuple[int, int, int, float, int]] = []
    deal = np.full(len(owner), -1)
    for party in np.unique(owner):
        mine = np.flatnonzero(owner == party)
        mine = mine[np.argsort(week[mine], kind="stable")]
        total = float(cost_usd[mine].sum())
        grade = section.investment_share if total >= means[0] * np.exp(-0.5 * spread**2) else 0.0
        luck = randomness.uniform(Purpose.PAST_DEAL, int(party), np.arange(DRAWS * len(mine)))
        sizes = randomness.normal(Purpose.PAST_DEAL_SIZE, int(party), np.arange(len(mine)))
        at = number = 0
        while at < len(mine):
            tier_luck, _, term_luck, tenant_luck = luck[DRAWS * number : DRAWS * (number + 1)]
            tier = tier_of(float(tier_luck), grade, parameters.tenants.speculative_share)
            size = lognormal_size(float(means[tier]), spread, total, float(sizes[number]))
            reach = np.cumsum(cost_usd[mine[at:]])
            taken = mine[at : at + int(np.searchsorted(reach, size, side="left")) + 1]
            deal[taken] = len(found)
            tenant = tenant_of(tenants, tier, section.largest_tenant_share, float(tenant_luck))
            years = term_of(section.term_years, section.speculative_term_share, tier, float(term_luck))
            when = int(np.average(week[taken], weights=cost_usd[taken]))
            found.append((int(party), tier, tenant, years, when))
            at, number = at + len(taken), number + 1
    table = list(zip(*found, strict=True)) if found else [()] * 5
    whole = [np.array(table[i], dtype=np.int64) for i in (0, 1, 2, 4)]
    return Deals(whole[0], whole[1], whole[2], np.array(table[3], dtype=np.float64), whole[3]), deal


@dataclass(frozen=True, slots=True)
class Signed:
    """What was agreed on each purchase, USD per GPU or per GPU-hour."""

    rate: Floats
    loan: Floats
    notes_room: Floats  # what loan and prepayment leave to pay
    loan_rate: Floats  # a year
    loan_months: Floats


def sign(parameters: Parameters, machine: Machine, base_rate: Floats, tier: Ints, years: Floats) -> Signed:
    """Rates and loans of purchases at the rents, prices and base rates of their weeks."""
    section, lenders = parameters.contracts, parameters.lenders
    spread = price_loan(
        lenders.prior_default_rate.array()[tier],
        lenders.prior_loss,
        lenders.capital.array()[tier],
        lenders.return_on_equity,
        base_rate,
        lenders.own_funding_spread,
    ).total
    terms = LoanTerms(
        advance=lenders.advance.array()[tier],
        coverage=lenders.sizing_coverage.array()[tier] if parameters.credit.income_sizing else UNSIZED,
        tail_months=lenders.tail_years * MONTHS_PER_YEAR,
        haircut=lenders.tail_haircut,
        longest_months=lenders.longest_years * MONTHS_PER_YEAR,
        rate=base_rate + spread,
        decay=machine.trend,
    )
    offer = offer_of(
        machine,
        terms,
        years=years,
        prepaid=prepaid_of(parameters.contracts, tier),
        late_months=IN_TIME,
        hurdle=section.hurdle,
        merchant_hurdle=section.merchant_hurdle,
    )
    posted = np.asarray(machine.rent, float) * posted_ratio(years, machine.trend, section.hurdle)
    rate = np.minimum(required_rate(offer), (1.0 + section.certainty_premium) * posted)
    loan = offer.loan(rate)
    left = np.maximum(np.asarray(machine.cost, float) - loan - offer.prepayment(rate), 0.0)
    return Signed(rate, loan, left, np.asarray(terms.rate), terms.months(offer.months))
