"""Halls that operators build: what they are worth, and who is paid when one is sold; and notes refinanced out of income."""

import numpy as np
import pytest
from credit_worlds import closes, world_of

from agents.vocabulary import AgentKind
from sim.lending import debt_service, estates
from sim.state.ledger import LoanKind, LoanStatus
from sim.state.world import REST_OF_WORLD, World

MEGAWATT = 1_000_000


def with_hall(**settings: float) -> tuple[World, int]:
    """A world in which the first neo-cloud has a hall of 10 MW."""
    world = world_of(**settings)
    party = int(world.rows(AgentKind.NEO_CLOUD)[0])
    world.operators.hall_watts[party], world.operators.site_watts[party] = 10 * MEGAWATT, 0
    return world, party


def lent(world: World, party: int, cents: int, kind: LoanKind) -> int:
    """A called loan of outside capital."""
    row = world.ledger.lend(
        debtor=party, creditor=REST_OF_WORLD, principal_cents=cents, balance_cents=cents, kind=int(kind)
    )
    world.ledger.loans.status[row] = int(LoanStatus.ACCELERATED)
    world.ledger.flows[:] = 0
    return row


def test_a_hall_is_worth_its_fees_over_a_lease_by_hand() -> None:
    """120 USD a kW and month for twelve years at 15 % a year: 120 (1 - 1.0125^-144) / 0.0125 = 7,995 USD a kW."""
    world, party = with_hall()
    worth = 120 * (1 - 1.0125**-144) / 0.0125 * 10_000
    assert world.hall_value_usd()[party] == pytest.approx(worth)
    assert not world.hall_value_usd()[: party - 1].any()


def test_nobody_pays_more_for_a_hall_than_a_new_shell_costs() -> None:
    world, party = with_hall(site__hosting_fee_usd_per_kw_month=217.0)
    assert world.hall_value_usd()[party] == pytest.approx(11.0 * 10 * MEGAWATT)


def test_net_asset_value_holds_a_hall_until_it_is_sold() -> None:
    world, party = with_hall()
    value, before = world.hall_value_usd()[party], world.net_asset_value_cents()[party]
    world.operators.hall_watts[party] = 0
    assert before - world.net_asset_value_cents()[party] == pytest.approx(value * 100, abs=1)


@pytest.mark.parametrize("share", [0.5, 1.5])
def test_project_lenders_come_first_and_the_estate_keeps_the_rest(share: float) -> None:
    world, party = with_hall()
    value = round(float(world.hall_value_usd()[party]) * 100)
    owed = round(share * value)
    loans = [lent(world, party, part, LoanKind.PROJECT) for part in (owed // 4, owed - owed // 4)]
    notes = lent(world, party, 1_000, LoanKind.NOTES)
    cash = int(world.ledger.parties.cash_cents[party])
    estates.collect(world, 5, party)
    left = world.ledger.loans.balance_cents
    paid = min(owed, value)
    assert owed - int(left[loans].sum()) == paid
    assert int(left[loans[0]]) == pytest.approx((owed - paid) / 4, abs=1)  # pro rata
    assert left[notes] == 1_000
    assert int(world.ledger.parties.cash_cents[party]) - cash == value - paid
    assert world.operators.hall_watts[party] == 0
    closes(world)


@pytest.mark.parametrize(("income_usd", "renewed"), [(30.0e6, True), (25.0e6, False)])
def test_notes_without_net_assets_are_renewed_out_of_income_alone(income_usd: float, renewed: bool) -> None:
    """200 million USD at today's 9 % cost 18 a year: buyers of notes ask for one and a half times that, 27 million."""
    world = world_of()
    party = int(world.rows(AgentKind.MINER)[0])
    loans, credit = world.ledger.loans, world.credit
    loans.status[loans.debtor == party] = int(LoanStatus.REPAID)
    loans.balance_cents[loans.debtor == party] = 0
    row = world.ledger.lend(
        debtor=party,
        creditor=REST_OF_WORLD,
        principal_cents=20_000_000_000,
        balance_cents=20_000_000_000,
        rate=0.09,
        kind=int(LoanKind.NOTES),
    )
    world.ledger.parties.cash_cents[party] = -(10**15)  # nothing is left of everything
    credit.income_cents[:, party] = 0
    credit.income_cents[0, party] = round(income_usd * 100 / 4)
    credit.interest_cents[:, party] = 0
    credit.interest_cents[0, party] = 18_000_000 * 100 // 4
    assert world.net_asset_value_cents()[party] < 0
    offer = int(debt_service.offers(world, np.array([row]), 1)[0])
    assert (offer == 20_000_000_000) == renewed
