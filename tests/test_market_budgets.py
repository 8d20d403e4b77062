"""Joint budgets: demand curves, proportional response and the kernel against the Eisenberg-Gale program."""

import numpy as np
import pytest
from scipy.optimize import minimize
from theory.joint_budgets import clear_joint

from agents.vocabulary import N_PRODUCTS, BuyIntents, SellOrders
from sim.kernel.book import Network
from sim.market.venue import Venue

H, G = 6, 15
# Whole units of 8 and 72 make steps; the market is enlarged until they do not matter.
MANY = 7_200


def eisenberg_gale(supply, reserve, freight, value, budget, power, cooling, watts, wet):
    """Prices, rents and the share of value paid, from the dual of the program (theory.md D.3), dollars per GPU and kW.

    One site a buyer. min supply p + power rho + cooling eta + sum budget u with u >= ln(value / all-in price), u >= 0.
    """
    buyers, products = value.shape
    unit = 1e4

    def parts(z):
        return np.split(z, np.cumsum([products, buyers, buyers]))

    def gross(z):
        p, rho, eta, _ = parts(z)
        return p[None] + freight / unit + watts * rho[:, None] + watts * wet * eta[:, None]

    def objective(z):
        p, rho, eta, u = parts(z)
        return (supply @ p + power @ rho + cooling @ eta + budget / unit @ u) / supply.sum()

    wanted = value > 0
    with np.errstate(divide="ignore"):
        best = minimize(
            objective,
            np.r_[np.maximum(reserve / unit, 1.0), np.full(2 * buyers, 0.1), np.full(buyers, 1.0)],
            method="SLSQP",
            bounds=[(r / unit, None) for r in reserve] + [(0, None)] * (3 * buyers),
            constraints={
                "type": "ineq",
                "fun": lambda z: (parts(z)[3][:, None] + np.log(gross(z) * unit / np.maximum(value, 1.0)))[
                    wanted
                ],
            },
            options={"maxiter": 2_000, "ftol": 1e-15},
        )
    p, rho, eta, u = parts(best.x)
    return p * unit, rho * unit, eta * unit, np.exp(-u)


def cleared(supply, reserve, freight, value, budget, power, cooling, watts, wet, **options):
    """The same market through the kernel: node 0 is where the lots stand, one node a buyer."""
    buyers = len(budget)
    products = np.array([H, G])
    lanes = np.array([(0, 1 + b) for b in range(buyers)], dtype=np.int32)
    table = np.full((N_PRODUCTS, buyers), -1, dtype=np.int64)
    table[products] = np.rint(freight.T * 100)
    unit, unit_watts = np.full(N_PRODUCTS, 8, dtype=np.int64), np.full(N_PRODUCTS, 8_000, dtype=np.int64)
    unit[G] = 72
    unit_watts[products] = np.rint(watts * 1_000 * unit[products])
    liquid = np.zeros(N_PRODUCTS, dtype=np.bool_)
    liquid[products] = wet > 0
    network = Network(1 + buyers, lanes, table, unit, unit_watts, liquid)
    zero = np.zeros(2, dtype=np.int64)
    sell = SellOrders(
        zero, zero, products, (supply * MANY).astype(np.int64), np.rint(reserve * 100).astype(np.int64),
        np.zeros(2, dtype=np.bool_),
    )  # fmt: skip
    row, k = np.nonzero(value > 0)
    n = len(row)
    part = budget[row] / np.bincount(row)[row]
    buy = BuyIntents(
        party=row + 1, pool=row + 1, product=products[k], value_cents=np.rint(value[row, k] * 100).astype(np.int64),
        margin=np.zeros(n), wanted=np.full(n, 10**9 // 72 * 72), cash_cents=np.rint(part * 100 * MANY).astype(np.int64),
        cap=np.zeros(n, dtype=np.int64), delay_cents=np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    headroom = [np.r_[0, np.rint(kw * 1_000 * MANY)].astype(np.int64) for kw in (power, cooling)]
    joint = clear_joint(sell, buy, Venue(network, 0, *headroom, theta=0.5, steps=40, refine=False), **options)
    orders, clearing = joint.orders, joint.clearing
    price = clearing.price[products, 0] / 100
    rho, eta = clearing.power_rent[1:] * 10, clearing.cooling_rent[1:] * 10
    gross = price[None] + freight + watts * rho[:, None] + watts * wet * eta[:, None]
    alpha = np.minimum((gross / np.where(value > 0, value, 1e-9)).min(axis=1), 1.0)
    filled = np.zeros((buyers, 2))
    np.add.at(filled, (row[orders.intent], k[orders.intent]), clearing.filled[2:] / MANY)
    return price, rho, eta, alpha, filled, gross


F1 = {
    "supply": np.array([1_000.0, 200.0]),
    "reserve": np.array([3_000.0, 8_000.0]),
    "freight": np.array([[500.0, 500.0], [800.0, 800.0], [600.0, 600.0]]),
    "value": np.array([[22_000.0, 0.0], [20_000.0, 48_000.0], [12_000.0, 0.0]]),
    "budget": np.array([9e6, 12e6, 2.5e6]),
    "power": np.array([600.0, 900.0, 5_000.0]),
    "cooling": np.array([0.0, 250.0, 0.0]),
    "watts": np.array([1.3, 1.9]),
    "wet": np.array([0.0, 1.0]),
}


def test_f1_with_one_budget_for_both_generations():
    price, rho, eta, alpha, filled, _ = cleared(**F1)
    assert price.tolist() == [11_400.0, 8_000.0]
    assert rho == pytest.approx([5_846.15, 1_930.52, 0.0], rel=0.005)
    assert eta[1] == pytest.approx(12_018.55, rel=0.005)
    assert alpha == pytest.approx([0.886364, 0.735484, 1.0], rel=0.005)
    assert filled == pytest.approx(np.array([[461.54, 0], [500, 131.58], [38.46, 0]]), abs=0.1)


def test_the_oracle_knows_f1():
    price, rho, eta, alpha = eisenberg_gale(**F1)
    assert price == pytest.approx([11_400, 8_000], rel=1e-3)
    assert rho[:2] == pytest.approx([5_846.15, 1_930.52], rel=2e-3)
    assert eta[1] == pytest.approx(12_018.55, rel=2e-3)
    assert alpha == pytest.approx([0.886364, 0.735484, 1.0], rel=1e-3)


def market(seed):
    rng = np.random.default_rng(seed)
    buyers = 4
    return {
        "supply": rng.uniform(400, 1_200, 2),
        "reserve": np.array([1_000.0, 2_000.0]),
        "freight": rng.integers(2, 9, (buyers, 2)) * 100.0,
        "value": np.stack([rng.uniform(10_000, 22_000, buyers), rng.uniform(25_000, 50_000, buyers)], 1),
        "budget": rng.uniform(1e6, 8e6, buyers),
        "power": rng.uniform(200, 900, buyers),
        "cooling": rng.uniform(100, 500, buyers),
        "watts": np.array([1.3, 1.9]),
        "wet": np.array([0.0, 1.0]),
    }


@pytest.mark.parametrize("seed", range(12))
def test_random_markets_pay_one_share_of_value_everywhere(seed):
    case = market(seed)
    price, rho, eta, alpha, filled, gross = cleared(**case)
    want = eisenberg_gale(**case)
    assert price == pytest.approx(want[0], rel=0.005)
    assert rho == pytest.approx(want[1], rel=0.005, abs=20)
    assert eta == pytest.approx(want[2], rel=0.005, abs=20)
    assert alpha == pytest.approx(want[3], rel=0.005)
    # Nobody spends more than it has, and who pays less than full value spends it all.
    spent = (filled * gross).sum(axis=1)
    assert np.all(spent <= case["budget"] * (1 + 1e-6))
    assert np.all(spent[alpha < 0.99] >= 0.998 * case["budget"][alpha < 0.99])


@pytest.mark.parametrize(("sellers", "buyers"), [(0, 0), (2, 0), (0, 2)])
def test_nobody_on_one_side(sellers, buyers):
    network = Network(
        1, np.zeros((0, 2), np.int32), np.zeros((N_PRODUCTS, 0), np.int64), np.full(N_PRODUCTS, 8),
        np.full(N_PRODUCTS, 8_000), np.zeros(N_PRODUCTS, np.bool_),
    )  # fmt: skip
    row, some = np.zeros(2, dtype=np.int64), np.full(2, 80)
    sell = SellOrders(*(x[:sellers] for x in (row, row, row + H, some, 100 * some, row > 0)))
    columns = (row, row, row + H, 900 * some, row * 0.0, some, 10_000 * some, row, row)
    buy = BuyIntents(*(x[:buyers] for x in columns))
    room = np.array([10**9])
    joint = clear_joint(sell, buy, Venue(network, 0, room, room, theta=0.5, steps=10, refine=False))
    assert joint.clearing.surplus == 0
    assert len(joint.orders.book.side) == sellers
