"""The books: every posting by hand, and every law broken once."""

from collections.abc import Callable

import numpy as np
import pytest

from agents.vocabulary import AgentKind, LotStatus
from sim.base.units import BooksDoNotClose
from sim.state.ledger import Account, Ledger, Loans, LoanStatus, Lots, Parties

WORLD, MINER, CLOUD, BANK = range(4)
A100, H100, H100_AS_IS = 4, 7, 8  # clean, clean, as is


def lots_of(*rows: dict[str, int]) -> Lots:
    """Lots, one a row; columns left out are those of an idle unit that nobody has a claim on."""
    usual = {
        "product": H100, "vintage": -52, "quantity": 8, "pool": 0, "owner": CLOUD, "lien": -1,
        "status": int(LotStatus.IDLE), "arrival": -50, "liquidator": -1, "deadline": -1, "contract": -1,
    }  # fmt: skip
    return Lots(**{name: np.array([(usual | row)[name] for row in rows]) for name in usual})


def books() -> Ledger:
    """Four parties; the cloud owes loan 0 on its first lot, the miner loan 1 on 50 of its coins."""
    kinds = (AgentKind.INSTITUTION, AgentKind.MINER, AgentKind.NEO_CLOUD, AgentKind.LENDER)
    parties = Parties(
        kind=np.array(kinds, dtype=np.int64),
        cash_cents=np.array([-500, 1_000, 2_000, 3_000]),
        bitcoin_satoshi=np.array([0, 70, 0, 0]),
        utilisation=np.zeros(4),
        discount_rate=np.zeros(4),
        name=["world", "miner", "cloud", "bank"],
        type=["institution", "miner", "neo-cloud", "lender"],
    )
    loans = Loans.empty()
    shared = {"creditor": BANK, "rate": 0.1, "months_left": 12}
    loans.append(debtor=CLOUD, principal_cents=900, balance_cents=600, **shared)
    loans.append(debtor=MINER, principal_cents=400, balance_cents=400, pledged_satoshi=50, **shared)
    lots = lots_of(
        {"lien": 0, "quantity": 16},
        {"product": A100, "owner": MINER, "pool": 1, "quantity": 24},
        {"owner": CLOUD, "status": LotStatus.FORCED, "liquidator": BANK, "deadline": 9},
        {"owner": CLOUD, "status": LotStatus.IN_TRANSIT, "vintage": 30, "arrival": 30, "quantity": 40},
    )
    ledger = Ledger(parties, lots, loans)
    ledger.orders.append(
        buyer=CLOUD, product=H100, arrival=30, gpus=40, unpaid_cents=70, cost_cents=90, contract=-1
    )
    ledger.check()
    return ledger


# -- laws: each is broken once ---------------------------------------------------------------------------------


def change(table: str, column: str, row: int, by: int) -> Callable[[Ledger], None]:
    """A wrong write into one cell."""

    def corrupt(ledger: Ledger) -> None:
        getattr(getattr(ledger, table), column)[row] += by

    return corrupt


def both(*wrongs: Callable[[Ledger], None]) -> Callable[[Ledger], None]:
    """Wrong writes that hide each other from a law that only adds up."""

    def corrupt(ledger: Ledger) -> None:
        for wrong in wrongs:
            wrong(ledger)

    return corrupt


def end(row: int, status: LoanStatus = LoanStatus.REPAID) -> Callable[[Ledger], None]:
    return change("loans", "status", row, int(status))


def flow(party: int, account: Account, cents: int) -> Callable[[Ledger], None]:
    def corrupt(ledger: Ledger) -> None:
        ledger.flows[party, account] += cents

    return corrupt


def emptied(row: int) -> Callable[[Ledger], None]:
    """A loan without debt or coins, as if all were paid: only its status and liens are left to look at."""

    def corrupt(ledger: Ledger) -> None:
        ledger.repay(np.array([row]), ledger.loans.balance_cents[[row]])
        ledger.pledge(row, -int(ledger.loans.pledged_satoshi[row]))

    return corrupt


LAWS = [
    ("cash is out by 1 cents", change("parties", "cash_cents", WORLD, 1)),
    ("cash is out by -1 cents", change("parties", "cash_cents", BANK, -1)),
    ("flows is out by 1 cents", flow(WORLD, Account.FEE, 1)),
    ("flows is out by 2 cents", both(flow(MINER, Account.FEE, 1), flow(CLOUD, Account.POWER, -1))),
    ("hardware is out by 1 GPUs", change("lots", "quantity", 1, 1)),
    ("hardware is out by 16 GPUs", change("lots", "product", 2, A100 - H100)),
    ("bitcoin is out by 1 satoshi", change("parties", "bitcoin_satoshi", MINER, 1)),
    ("bitcoin is out by -3 satoshi", change("loans", "pledged_satoshi", 1, -3)),
    ("debt is out by 1 cents", change("loans", "balance_cents", 0, 1)),
    (
        "cash below zero is out by -7 cents",
        both(change("parties", "cash_cents", CLOUD, -2_007), change("parties", "cash_cents", WORLD, 2_007)),
    ),
    (
        "bitcoin below zero is out by -1 satoshi",
        both(change("parties", "bitcoin_satoshi", WORLD, -1), change("parties", "bitcoin_satoshi", MINER, 1)),
    ),
    (
        "pledge below zero is out by -1 satoshi",
        both(change("loans", "pledged_satoshi", 0, -1), change("loans", "pledged_satoshi", 1, 1)),
    ),
    (
        "balance below zero is out by -1 cents",
        both(change("loans", "balance_cents", 0, -601), change("loans", "balance_cents", 1, 601)),
    ),
    (
        "lot below zero is out by -1 GPUs",
        both(change("lots", "quantity", 2, -9), change("lots", "quantity", 0, 9)),
    ),
    ("lien on an unknown loan is out by 1 lots", change("lots", "lien", 0, 2)),
    ("lien on another's title is out by 1 lots", change("lots", "owner", 0, MINER - CLOUD)),
    ("lien on another's title is out by 1 lots", change("lots", "lien", 1, 1)),
    ("lien on another's title is out by 2 lots", both(*(change("lots", "lien", row, 2) for row in (2, 3)))),
    ("lien of an ended loan is out by 1 lots", both(emptied(0), end(0))),
    ("lien of an ended loan is out by 1 lots", both(emptied(0), end(0, LoanStatus.WRITTEN_OFF))),
    ("balance of an ended loan is out by 400 cents", end(1)),
    (
        "coins of an ended loan is out by 50 satoshi",
        both(end(1), change("loans", "balance_cents", 1, -400), change("loans", "balance_cents", 0, 400)),
    ),
    ("mandate without an agent is out by 1 lots", change("lots", "liquidator", 2, -1 - BANK)),
    ("mandate without an agent is out by 1 lots", change("lots", "liquidator", 1, 1)),
    ("mandate without an agent is out by 1 lots", change("lots", "status", 1, 2)),
    ("orders beyond what is under way is out by 1 GPUs", change("orders", "gpus", 0, 1)),
    ("orders beyond what is under way is out by 40 GPUs", change("lots", "lien", 3, 1)),
    ("orders beyond what is under way is out by 40 GPUs", change("lots", "owner", 3, MINER - CLOUD)),
    ("orders beyond what is under way is out by 40 GPUs", change("lots", "arrival", 3, 1)),
    ("orders beyond what is under way is out by 40 GPUs", change("lots", "status", 3, -1)),
    ("order below zero is out by -1 cents", change("orders", "unpaid_cents", 0, -71)),
]


@pytest.mark.parametrize(("message", "corrupt"), LAWS, ids=[f"{i} {law}" for i, (law, _) in enumerate(LAWS)])
def test_a_broken_law_is_named_with_its_gap(message: str, corrupt: Callable[[Ledger], None]) -> None:
    ledger = books()
    corrupt(ledger)
    with pytest.raises(BooksDoNotClose) as caught:
        ledger.check()
    assert str(caught.value) == message


def test_gaps_of_two_generations_do_not_hide_each_other() -> None:
    ledger = books()
    ledger.lots.quantity[:2] += (8, -8)
    with pytest.raises(BooksDoNotClose, match="hardware is out by 16 GPUs"):
        ledger.check()


def test_what_the_laws_allow() -> None:
    """Institutions may owe cash, empty lots have no title, more may be under way than is ordered, called loans go on."""
    ledger = books()
    ledger.pay(WORLD, BANK, 10**6, Account.EQUITY)
    ledger.loans.status[:] = LoanStatus.ACCELERATED
    ledger.orders.gpus[0] -= 1
    ledger.orders.unpaid_cents[0] = 0
    nobodys = lots_of(
        {"quantity": 0, "lien": 0, "owner": MINER},
        {"quantity": 0, "lien": 5},
        {"quantity": 0, "liquidator": 1},
    )
    ledger.lots.append(nobodys)
    ledger.check()


def test_one_unit_has_a_title_too() -> None:
    ledger = books()
    ledger.lots.append(ledger.lots.take(np.array([0])))
    ledger.lots.quantity[[0, -1]] = 15, 1
    ledger.check()
    ledger.lots.owner[-1] = MINER
    with pytest.raises(BooksDoNotClose, match="lien on another's title is out by 1 lots"):
        ledger.check()


# -- postings ------------------------------------------------------------------------------------------------------


def test_cash_moves_from_payer_to_payee_and_says_what_for() -> None:
    ledger = books()
    ledger.pay(np.array([MINER, CLOUD]), BANK, np.array([10, 20]), Account.INTEREST)
    ledger.pay(BANK, np.array([MINER, MINER]), np.array([3, 4]), Account.FEE)
    assert ledger.parties.cash_cents.tolist() == [-500, 997, 1_980, 3_023]
    assert ledger.flows[:, Account.INTEREST].tolist() == [0, -10, -20, 30]
    assert ledger.flows[:, Account.FEE].tolist() == [0, 7, 0, -7]
    assert np.abs(ledger.flows).sum() == 74
    ledger.pay(np.zeros(0, dtype=np.int64), BANK, np.zeros(0, dtype=np.int64), Account.FEE)
    ledger.pay(MINER, BANK, 0, Account.FEE)
    assert ledger.parties.cash_cents.tolist() == [-500, 997, 1_980, 3_023]
    for cents in (-1, np.array([5, -1])):
        with pytest.raises(ValueError, match="FEE: a payment of -1 cents; amounts must be >= 0"):
            ledger.pay(MINER, np.array([BANK, CLOUD]), cents, Account.FEE)
    ledger.check()


def test_coins_are_mined_and_sold_at_the_price_of_the_week() -> None:
    ledger = books()
    ledger.mine(np.array([MINER, MINER]), np.array([5 * 10**8, 10**8]))
    assert ledger.parties.bitcoin_satoshi.tolist() == [0, 70 + 6 * 10**8, 0, 0]
    assert ledger.bitcoin_mined == 6 * 10**8
    # Two bitcoin and a half at 80,000 USD.
    ledger.sell_bitcoin(np.array([MINER]), np.array([250_000_000]), 80_000.0, WORLD)
    assert ledger.parties.bitcoin_satoshi[MINER] == 70 + 350_000_000
    assert ledger.bitcoin_sold == 250_000_000
    assert ledger.parties.cash_cents[[WORLD, MINER]].tolist() == [-500 - 20_000_000, 1_000 + 20_000_000]
    assert ledger.flows[MINER, Account.MINING_REVENUE] == 20_000_000
    ledger.sell_bitcoin(np.array([MINER]), np.array([50_000_000]), 0.0, WORLD)
    assert (ledger.bitcoin_sold, ledger.parties.cash_cents[MINER]) == (300_000_000, 1_000 + 20_000_000)
    ledger.mine(np.array([MINER]), np.array([30]))
    assert ledger.bitcoin_mined == 6 * 10**8 + 30
    ledger.check()


def test_a_lot_is_split_without_a_unit_lost() -> None:
    ledger = books()
    assert ledger.split(1, 24) == 1
    assert ledger.lots.n == 4
    assert ledger.split(1, 1) == 4
    assert ledger.lots.quantity.tolist() == [16, 23, 8, 40, 1]
    for column, of in zip(ledger.lots.columns(), ledger.lots.take(np.array([1])).columns(), strict=True):
        if column is not ledger.lots.quantity:
            assert column[4] == of[0]
    for quantity in (0, 24, -1):
        with pytest.raises(ValueError, match=f"lot 1 holds 23 GPUs; {quantity} asked"):
            ledger.split(1, quantity)
    ledger.check()


def test_units_enter_and_leave_the_world_by_generation() -> None:
    ledger = books()
    ledger.deliver(
        lots_of({"product": A100, "quantity": 8, "vintage": 5, "arrival": 5}, {"product": H100_AS_IS})
    )
    ledger.fail(np.array([1, 4]), np.array([2, 3]))
    ledger.scrap(np.array([0, 5]), np.array([16, 1]))
    assert ledger.delivered.tolist() == [0, 8, 8, 0, 0, 0, 0, 0]
    assert ledger.failed.tolist() == [0, 5, 0, 0, 0, 0, 0, 0]
    assert ledger.scrapped.tolist() == [0, 0, 17, 0, 0, 0, 0, 0]
    assert ledger.lots.quantity.tolist() == [0, 22, 8, 40, 5, 7]
    assert ledger.gpus_by_generation().tolist() == [0, 27, 55, 0, 0, 0, 0, 0]
    ledger.check()
    ledger.cancel_delivery(4)
    assert ledger.delivered.tolist() == [0, 3, 8, 0, 0, 0, 0, 0]
    assert ledger.lots.quantity[4] == 0
    ledger.check()


def test_loans_are_made_drawn_and_repaid() -> None:
    ledger = books()
    row = ledger.lend(debtor=MINER, creditor=BANK, principal_cents=250, balance_cents=200, rate=0.2)
    assert (row, ledger.loans.n, ledger.loans.rate[2], len(ledger.written_off)) == (2, 3, 0.2, 3)
    assert ledger.written_off[2] == 0
    assert (ledger.loans.contract[2], ledger.loans.tier[2], ledger.loans.tested_from[2]) == (-1, 0, 0)
    ledger.draw(row, 50)
    assert (ledger.drawn, ledger.loans.balance_cents[2], ledger.loans.principal_cents[2]) == (250, 250, 300)
    assert ledger.parties.cash_cents.tolist() == [-500, 1_250, 2_000, 2_750]
    assert ledger.flows[:, Account.LENDING].tolist() == [0, 250, 0, -250]
    assert ledger.debt_cents().tolist() == [0, 650, 600, 0]
    ledger.repay(np.array([1, 2, 2]), np.array([10, 20, 30]))
    assert ledger.loans.balance_cents.tolist() == [600, 390, 200]
    ledger.repay(np.array([0]), np.array([5]))
    assert ledger.repaid == 65
    ledger.capitalise(np.array([0, 0]), np.array([3, 4]))
    ledger.capitalise(np.array([1]), np.array([1]))
    assert (ledger.loans.balance_cents.tolist(), ledger.loans.arrears_cents.tolist()) == (
        [602, 391, 200],
        [7, 1, 0],
    )
    assert ledger.capitalised == 8
    ledger.lend(debtor=CLOUD, creditor=BANK, balance_cents=7, contract=4, tier=2, tested_from=30)
    assert ledger.drawn == 257
    assert (ledger.loans.contract[3], ledger.loans.tier[3], ledger.loans.tested_from[3]) == (4, 2, 30)
    ledger.check()


def test_loans_end_by_conversion_or_loss() -> None:
    ledger = books()
    ledger.lend(debtor=MINER, creditor=BANK, balance_cents=200)
    ledger.lend(debtor=MINER, creditor=BANK, balance_cents=70)
    assert ledger.convert(2) == 200
    assert ledger.convert(3) == 70
    assert ledger.repaid == 270
    assert ledger.loans.status[2] == LoanStatus.REPAID
    ledger.pledge(1, -50)
    ledger.lots.lien[0] = -1
    assert ledger.write_off(0) == 600
    assert ledger.write_off(1) == 400
    assert ledger.losses == 1_000
    assert ledger.written_off.tolist() == [600, 400, 0, 0]
    assert ledger.loans.status[0] == LoanStatus.WRITTEN_OFF
    assert ledger.loans.balance_cents.tolist() == [0, 0, 0, 0]
    ledger.loans.balance_cents[0], ledger.losses = 5, 995
    assert ledger.write_off(0) == 5
    assert ledger.written_off[0] == 605
    ledger.check()
    ledger.lend(debtor=MINER, creditor=BANK, balance_cents=1)
    assert ledger.written_off.tolist() == [605, 400, 0, 0, 0]


def test_coins_are_pledged_released_and_sold_by_the_creditor() -> None:
    ledger = books()
    ledger.pledge(1, 30)
    assert (ledger.parties.bitcoin_satoshi[MINER], ledger.loans.pledged_satoshi[1]) == (40, 80)
    ledger.pledge(1, -10)
    assert (ledger.parties.bitcoin_satoshi[MINER], ledger.loans.pledged_satoshi[1]) == (50, 70)
    ledger.sell_pledged(1, 20, 300, WORLD)
    assert (ledger.loans.pledged_satoshi[1], ledger.loans.balance_cents[1]) == (50, 100)
    assert ledger.parties.cash_cents.tolist() == [-800, 1_000, 2_000, 3_300]
    ledger.sell_pledged(1, 50, 130, WORLD)
    assert (ledger.bitcoin_sold, ledger.loans.balance_cents[1], ledger.repaid) == (70, 0, 400)
    assert ledger.parties.cash_cents.tolist() == [-930, 1_030, 2_000, 3_400]
    assert ledger.flows[:, Account.PROCEEDS].tolist() == [-430, 30, 0, 400]
    ledger.check()


# -- tables ------------------------------------------------------------------------------------------------------------


def test_closing_merges_equal_lots_and_drops_empty_ones() -> None:
    ledger = books()
    ledger.lots = lots_of(
        {"pool": 2, "quantity": 5},
        {"product": A100, "owner": MINER, "quantity": 1},
        {"pool": 2, "quantity": 7},
        {"quantity": 0},
        {"pool": 2, "quantity": 11, "deadline": 3},
        {"product": A100, "owner": MINER, "quantity": 2},
        {"pool": 2, "quantity": 13, "vintage": -60},
    )
    ledger.flows[:] = 4
    ledger.close_week()
    assert not ledger.flows.any()
    lots = ledger.lots
    # In the order of the columns: product, vintage, pool and so on.
    assert lots.product.tolist() == [A100, H100, H100, H100]
    assert lots.vintage.tolist() == [-52, -60, -52, -52]
    assert lots.quantity.tolist() == [3, 13, 12, 11]
    assert lots.owner.tolist() == [MINER, CLOUD, CLOUD, CLOUD]
    assert lots.deadline.tolist() == [-1, -1, -1, 3]
    # Equal but for the product; sorted by it first, whatever the last column says.
    ledger.lots = lots_of({"deadline": 1}, {"product": A100, "deadline": 1}, {"product": A100, "deadline": 2})
    ledger.close_week()
    assert (ledger.lots.product.tolist(), ledger.lots.deadline.tolist()) == ([A100, A100, H100], [1, 2, 1])
    ledger.lots = lots_of({}, {"product": A100})
    ledger.close_week()
    assert (ledger.lots.product.tolist(), ledger.lots.quantity.tolist()) == ([A100, H100], [8, 8])
    # Units of two contracts, and of none, stay apart.
    ledger.lots = lots_of({"contract": 1}, {}, {"contract": 0}, {"contract": 1, "quantity": 16})
    ledger.close_week()
    assert (ledger.lots.contract.tolist(), ledger.lots.quantity.tolist()) == ([-1, 0, 1], [8, 8, 24])
    ledger.lots = lots_of({"quantity": 0}, {"quantity": 1, "pool": 3})
    ledger.close_week()
    assert (ledger.lots.n, ledger.lots.pool.tolist(), ledger.lots.quantity.tolist()) == (1, [3], [1])
    ledger.lots = lots_of({"quantity": 0})
    ledger.close_week()
    assert ledger.lots.n == 0
    assert all(len(column) == 0 for column in ledger.lots.columns())
    assert [column.dtype for column in ledger.lots.columns()] == [np.int64] * 11


def test_empty_tables_have_no_rows() -> None:
    assert (Lots.empty().n, Loans.empty().n) == (0, 0)
    assert all(len(getattr(Loans.empty(), name)) == 0 for name in Loans.__slots__)
    assert books().parties.n == 4
    fresh = Ledger(books().parties, Lots.empty(), Loans.empty())
    assert (fresh.orders.n, fresh.drawn, fresh.repaid, fresh.losses, fresh.capitalised) == (0, 0, 0, 0, 0)
    assert (fresh.bitcoin_mined, fresh.bitcoin_sold, len(fresh.written_off)) == (0, 0, 0)
    assert fresh.flows.shape == (4, len(Account))
    fresh.check()


def test_live_loans_are_neither_called_nor_ended_nor_empty() -> None:
    loans = books().loans
    for status in list(LoanStatus)[1:]:
        loans.append(status=int(status), balance_cents=1)
    loans.append(balance_cents=0)
    assert loans.live().tolist() == [True, True, True, False, False, False, False]


def test_orders_of_one_class_and_week_are_one_order() -> None:
    orders = books().orders
    assert orders.n == 1
    same = {
        "buyer": CLOUD, "product": H100, "arrival": 30, "gpus": 8, "unpaid_cents": 5, "cost_cents": 6,
        "commitment_cents": 2, "contract": -1,
    }  # fmt: skip
    orders.append(**same)
    assert (orders.n, orders.gpus[0], orders.unpaid_cents[0], orders.cost_cents[0]) == (1, 48, 75, 96)
    assert orders.commitment_cents.tolist() == [2]
    for other in ({"buyer": MINER}, {"product": A100}, {"arrival": 31}):
        orders.append(**(same | other))
    orders.append(**(same | {"arrival": 31}))
    assert orders.gpus.tolist() == [48, 8, 8, 16]
    assert orders.buyer.tolist() == [CLOUD, MINER, CLOUD, CLOUD]
    assert orders.arrival.tolist() == [30, 30, 30, 31]
    orders.keep(orders.buyer == MINER)
    assert (orders.n, orders.buyer.tolist(), orders.gpus.tolist()) == (1, [MINER], [8])


def test_an_order_for_a_contract_stands_alone() -> None:
    """Its loan was signed for its units alone: it joins no order, nothing joins it, and its terms are kept."""
    orders = books().orders
    same = {"buyer": CLOUD, "product": H100, "arrival": 30, "gpus": 8, "unpaid_cents": 5, "cost_cents": 6}
    free = same | {"contract": -1, "commitment_cents": 0}
    signed = {
        "contract": 0,
        "commitment_cents": 4,
        "lender": BANK,
        "tier": 1,
        "loan_rate": 0.11,
        "loan_months": 48,
    }
    orders.append(**same, **signed)
    orders.append(**same, **signed)
    assert orders.gpus.tolist() == [40, 8, 8]
    assert orders.contract.tolist() == [-1, 0, 0]
    orders.append(**free)
    assert orders.gpus.tolist() == [48, 8, 8]
    orders.keep(orders.contract >= 0)
    orders.append(**free)
    assert (orders.gpus.tolist(), orders.contract.tolist()) == ([8, 8, 8], [0, 0, -1])
    assert {name: getattr(orders, name)[0] for name in signed} == signed
    assert orders.loan_rate.tolist() == [0.11, 0.11, 0.0]
