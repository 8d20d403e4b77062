"""Published mechanisms on the product's own kernel, bidding and loan arithmetic (theory.md A).

T1 and T2 stand in test_golden_values.py and test_clearing_fixtures.py, with F1b and F2; prices and rents of F1 leased in
test_market_budgets.py; T11 in test_payments.py; T12 in test_search.py; the closed forms of T7 also in
test_credit_metrics.py. What cannot be had as published (T3, T5, T6) is in docs/replication.md and computed at the end.
"""

from pathlib import Path

import clearing_books
import leverage_market
import numpy as np
import pytest
import test_market_budgets as budgets
from theory.elasticity import rent_elasticity

from agents.bidding import cash_ladder
from agents.valuation import unit_value
from sim.debt.bitcoin_loan import BitcoinTerms, margin_calls
from sim.debt.credit_metrics import spiral_multiplier, spiral_share
from sim.debt.terms import loan_to_value
from sim.kernel.clearing import clear

CENTS = 10**9  # cents in a price of 1: the grid of prices
UNITS = 10**8  # GPUs in a quantity of 1: the grid of quantities


def demand(inverse, quantity):
    """Buy orders of a falling inverse demand curve, one step between each pair of cumulative quantities."""
    grid = np.unique(np.rint(np.asarray(quantity) * UNITS).astype(np.int64))
    limit = np.rint(inverse((grid[1:] + grid[:-1]) / 2 / UNITS) * CENTS).astype(np.int64)
    return [[1, 0, 0, int(q), int(p)] for q, p in zip(np.diff(grid), limit, strict=True)]


def price_of(supply: float, orders, theta: float = 0.5) -> float:
    """Price the kernel finds for a fixed supply."""
    network = clearing_books.network(1, unit_watts=[1])
    book = clearing_books.book([[0, 0, 0, round(supply * UNITS), 0], *orders], [10**15])
    return float(clear(book, network, theta=theta).price[0, 0]) / CENTS


def test_t4_margin_spiral() -> None:
    """Brunnermeier and Pedersen: dp/dW = 1 / (m/kappa + x m' - x0), customers (v-p)/kappa, speculators W/m(p)."""
    kappa, margin, wealth, centre = 0.5, 0.6, 2.0, 1.0
    position = wealth / margin
    # Customers take the rest of the supply at `centre`; the curve is drawn fine around it.
    supply = position + 4.0
    value = centre + kappa * (supply - position)
    near = np.linspace(3.95, 4.05, 4_001)
    customers = demand(lambda q: value - kappa * q, np.r_[0.0, near])

    def settled(money: float, slope: float, x0: float = 0.0) -> float:
        price = centre
        for _ in range(150):
            held = (money + x0 * (price - centre)) / (margin + slope * (price - centre))
            found = price_of(supply, [*customers, [1, 0, 0, round(held * UNITS), 4 * CENTS]])
            if abs(found - price) < 1e-9:
                break
            price = found
        return price

    def response(slope: float, x0: float = 0.0) -> float:
        step = 5e-4
        return (settled(wealth + step, slope, x0) - settled(wealth - step, slope, x0)) / (2 * step)

    assert response(-0.3) == pytest.approx(5.0, rel=0.02)
    assert response(0.0) == pytest.approx(1 / (margin / kappa), rel=0.02)
    # The loss spiral alone, and both together: they compound.
    assert response(0.0, 0.4) == pytest.approx(1 / (margin / kappa - 0.4), rel=0.02)
    assert response(-0.15, 0.3) == pytest.approx(1 / (margin / kappa - 0.15 * position - 0.3), rel=0.02)


@pytest.mark.parametrize(("leverage", "ratio"), [(3.0, 0.3), (4.0, 0.2), (2.0, 0.5)])
def test_t7_leverage_targeting_multiplies_a_fall(leverage: float, ratio: float) -> None:
    """Greenwood, Landier and Thesmar: holders sell (Lambda - 1) A per unit fall; total fall = f / (1 - phi)."""
    depth, shock = 1.0, 0.01
    curve = demand(lambda q: 1.0 - q / depth, np.linspace(0.0, 0.1, 5_001))
    fall = shock
    for _ in range(200):
        sold = (leverage - 1.0) * ratio * depth * fall
        after = shock + 1.0 - price_of(sold, curve)
        if abs(after - fall) < 1e-10:
            break
        fall = after
    share = spiral_share(leverage, 1.0, ratio * depth, depth)
    assert fall / shock == pytest.approx(spiral_multiplier(share), rel=0.01)


def test_t8_nothing_below_the_threshold_and_a_cure_sale_above() -> None:
    """Cont and Schaanning in loan-to-value: 60 to 70 % is breached at a fall of 14.29 %; the cure sale at 15 % is 0.225."""
    breach = 1 - 0.6 / 0.7
    assert breach == pytest.approx(0.1429, abs=5e-5)
    assert float(loan_to_value(0.6, 1 - breach)) == pytest.approx(0.7)
    owed, coins, start = 60_000_00, 10**8, 100_000.0
    terms = BitcoinTerms(opening=0.6, call=0.7, liquidation=0.7, slippage=0.0)

    def sold(price: float) -> float:
        one, none = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        calls = margin_calls(one, np.array([owed]), np.array([coins]), price, none, none, terms)
        return float(calls.sold_satoshi[0]) / coins

    assert sold(start * (1 - breach + 0.001)) == 0.0
    # In units of the original value: coins sold times the price they fetch.
    assert sold(start * 0.85) * 0.85 == pytest.approx(0.225, rel=1e-4)
    assert sold(start * (1 - breach - 0.001)) * (1 - breach) > 0.2  # no small sale: it jumps


def test_t9_capital_ratios_and_a_falling_price() -> None:
    """Cifuentes, Ferrucci and Shin: sales that restore the ratio, price from the kernel, fixed point from p = 1 down."""
    debt, cash0, ratio, alpha = np.array([1.07, 1.085, 1.095]), 0.2, 0.10, 0.05
    curve = demand(lambda q: np.exp(-alpha * q / 3), np.linspace(0.0, 3.0, 30_001))

    def settle(shock: float) -> tuple[float, np.ndarray]:
        price, sale = 1.0, np.zeros(3)
        for _ in range(200):
            equity = price + cash0 - shock - debt
            sale = np.clip(1.0 - equity / (ratio * price), 0.0, 1.0)
            found = price_of(sale.sum(), curve) if sale.sum() > 0 else 1.0
            if abs(found - price) < 1e-12:
                break
            price = found
        return price, sale

    price, sale = settle(0.01)
    assert price == pytest.approx(0.99902, abs=1e-5)
    assert sale == pytest.approx([0, 0, 0.0589], abs=5e-4)
    price, sale = settle(0.02)
    assert price == pytest.approx(0.99522, abs=1e-5)
    assert sale == pytest.approx([0, 0.0935, 0.1939], abs=5e-4)
    assert 1 - settle(0.02)[0] > 2 * (1 - settle(0.01)[0])  # convex in the shock


FANO = ((0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5))


@pytest.mark.parametrize(("leverage", "failed"), [(12.6, 1), (12.7, 7)])
def test_t10_overlapping_portfolios(leverage: float, failed: int) -> None:
    """Caccioli et al. on the Fano plane: contagion iff leverage exceeds k / (s (1 - exp(-alpha/d))) = 12.66."""
    k = d = 3
    tradable, alpha = 0.8, 1.0536
    threshold = k / (tradable * (1 - np.exp(-alpha / d)))
    assert threshold == pytest.approx(12.66, abs=0.005)
    curve = demand(lambda q: np.exp(-alpha * q), np.linspace(0.0, 1.0, 30_001))
    holds = np.zeros((7, 7), dtype=bool)
    for holder, assets in enumerate(FANO):
        holds[holder, list(assets)] = True
    gone = np.arange(7) == 0
    while True:
        dumped = (holds & gone[:, None]).sum(axis=0) / d
        price = np.array([price_of(q, curve) if q > 0 else 1.0 for q in dumped])
        loss = tradable * (holds * (1 - price)).sum(axis=1) / k
        after = gone | (loss * leverage >= 1)
        if np.array_equal(after, gone):
            break
        gone = after
    assert int(gone.sum()) == failed


def test_t13_margin_wedge() -> None:
    """Garleanu and Pedersen: a buyer short of cash pays v / (1 + mu m), mu the surplus a dollar of its own would add."""
    value, price, haircut = 20_000_00, 12_500_00, 0.4
    network = clearing_books.network(1, unit_watts=[1])

    def bought(cash: int) -> int:
        one = np.ones(1, dtype=np.int64)
        limit, quantity, _ = cash_ladder(
            value * one, 10**7 * one, round(cash / haircut) * one, one, price * one, 400
        )
        buys = [[1, 0, 0, int(q), int(w)] for w, q in zip(limit, quantity, strict=True)]
        book = clearing_books.book([[0, 0, 0, 10**8, price], *buys], [10**15])
        return int(clear(book, network).filled[1:].sum())

    cash, more = 10**12, 2 * 10**12
    dollar = (bought(more) - bought(cash)) * (value - price) / (more - cash)
    assert value / (1 + dollar * haircut) == pytest.approx(price, rel=0.005)


def test_t13_a_repo_that_halves_the_haircut_doubles_the_price_cash_can_carry() -> None:
    def price(haircut: float) -> float:
        one = np.ones(1, dtype=np.int64)
        limit, quantity, _ = cash_ladder(
            2_000_000 * one, 4_000_000 * one, round(8e11 / haircut) * one, one, 10_000 * one, 2_000
        )
        buys = [[1, 0, 0, int(q), int(w)] for w, q in zip(limit, quantity, strict=True)]
        network = clearing_books.network(1, unit_watts=[1])
        return float(
            clear(clearing_books.book([[0, 0, 0, 1_000_000, 0], *buys], [10**15]), network).price[0, 0]
        )

    assert price(1.0) == pytest.approx(800_000, rel=0.01)
    assert price(0.5) == pytest.approx(1_600_000, rel=0.01)
    assert price(0.2) == pytest.approx(2_000_000, rel=0.01)  # the value caps it


@pytest.mark.parametrize(("decay", "months", "cost"), [(0.35, 5.9, 0.156), (0.60, 4.5, 0.199)])
def test_t14_staggered_sale(decay: float, months: float, cost: float) -> None:
    """Linear impact q0 with full replenishment each month: N* = sqrt(2 q0 / (delta h)), books cleared month by month."""
    whole, h = 0.5, 1 / 12
    assert np.sqrt(2 * whole / (decay * h)) == pytest.approx(months, abs=0.06)
    assert whole / months + decay * h * (months - 1) / 2 == pytest.approx(cost, abs=0.002)
    curve = demand(lambda q: 1.0 - whole * q, np.linspace(0.0, 1.2, 6_001))

    def lost(parts: int) -> float:
        worth = np.exp(-decay * h * np.arange(parts))
        return 1 - float(np.mean(worth) * price_of(1 / parts, curve))

    found = {parts: lost(parts) for parts in range(1, 16)}
    best = min(found, key=lambda parts: found[parts])
    assert abs(best - months) <= 1
    mean_worth = np.expm1(-decay * h * best) / (best * np.expm1(-decay * h))
    assert found[best] == pytest.approx(1 - (1 - whole / best) * mean_worth, rel=1e-3)
    # The published cost adds up what compounds: the impact falls on a decayed value, and decay on what is left.
    waiting = decay * h * (best - 1) / 2
    assert 0 < cost - found[best] <= whole / best * waiting + (decay * h * best) ** 2 / 6
    assert found[1] == pytest.approx(whole, abs=1e-3)


def test_fundamental_of_an_h100_at_the_rents_of_2025_and_2026() -> None:
    """theory.md D.6: u 0.7, cost share 0.15, 184 USD per kW-month, 1.275 kW, 15 %, 4 years, in thousands of dollars."""
    expected = {2.35: (28.4, 17.9, 14.3, 11.4, 8.0), 1.70: (18.2, 10.6, 8.0, 6.2, 4.3)}
    common = {
        "utilisation": 0.7 * 0.85,
        "discount_rate": 0.15,
        "hazard": 0.0,
        "cost_per_hour": 184 * 12 * 1.275 / 8_760,
        "salvage": 0.0,
        "salvage_decay": 0.0,
        "remaining_life_years": 4.0,
    }
    for rent, values in expected.items():
        found = unit_value(rent=rent, trend=np.array([0.0, 0.2, 0.3, 0.4, 0.6]), **common) / 1_000
        assert found == pytest.approx(values, abs=0.051)
    assert 1.4 < float(rent_elasticity(rent=2.35, trend=0.3, **common)) < 1.9


def test_f1_owned_capacity_costs_no_cash() -> None:
    """F1 with owned slots: same prices and allocation, cash slack for all, the whole wedge in the slots (theory.md D.3)."""
    orders = [
        [0, 0, 0, 10_000, 300_000],
        [0, 0, 1, 2_000, 800_000],
        [1, 1, 0, 10_000, 2_200_000],
        [1, 2, 0, 10_000, 2_000_000],
        [1, 2, 1, 2_000, 4_800_000],
        [1, 3, 0, 10_000, 1_200_000],
    ]
    lanes = [(0, 1), (0, 2), (0, 3)]
    network = clearing_books.network(
        4, lanes, [[50_000, 80_000, 60_000]] * 2, [1, 1], [1_300, 1_900], [False, True]
    )
    book = clearing_books.book(orders, [0, 6_000_000, 9_000_000, 50_000_000], [0, 0, 2_500_000, 0])
    clearing = clear(book, network)
    assert (clearing.price[0, 0], clearing.price[1, 0]) == (1_140_000, 800_000)
    assert clearing.filled[2:] / 10 == pytest.approx([461.54, 500.0, 131.58, 38.46], abs=0.1)
    assert clearing.power_rent[1:] * 10 == pytest.approx([7_769.23, 6_000.00, 0.0], abs=0.01)
    assert clearing.cooling_rent[2] * 10 == pytest.approx(14_631.58, abs=0.01)
    # No budget binds at these prices, so alpha = 1 for all.
    spent = clearing.filled[2:] / 10 * np.array([11_900, 12_200, 8_800, 12_000])
    assert spent[0] < 9e6
    assert spent[1] + spent[2] < 12e6
    assert spent[3] < 2.5e6
    # Attribution, H: misallocation, transport, power over A, B and C weighted by what they took.
    taken, value, freight = (
        clearing.filled[[2, 3, 5]],
        np.array([22e3, 20e3, 12e3]),
        np.array([500, 800, 600]),
    )
    power = 1.3 * clearing.power_rent[1:] * 10
    parts = [np.average(x, weights=taken) / 10_600 for x in (22e3 - value, freight, power)]
    assert parts == pytest.approx([0.131, 0.062, 0.808], abs=0.0011)
    wet = np.array([800, 1.9 * clearing.power_rent[2] * 10, 1.9 * clearing.cooling_rent[2] * 10]) / 40_000
    assert wet == pytest.approx([0.020, 0.285, 0.695], abs=0.0006)


def test_f1_leased_attribution_of_the_discount() -> None:
    """F1 with slots paid out of the budget: shares of the discount, theory.md D.3; only B takes the racks."""
    price, rho, eta, alpha, filled, _ = budgets.cleared(**budgets.F1)
    value, freight = budgets.F1["value"], budgets.F1["freight"]
    parts = (22e3 - value[:, 0], value[:, 0] * (1 - alpha), freight[:, 0], 1.3 * rho)
    shares = [np.average(part, weights=filled[:, 0]) / (22e3 - price[0]) for part in parts]
    assert shares == pytest.approx([0.131, 0.358, 0.062, 0.449], abs=0.003)
    racks = (48e3 * (1 - alpha[1]), 800.0, 1.9 * rho[1], 1.9 * eta[1])
    assert [part / (48e3 - price[1]) for part in racks] == pytest.approx(
        [0.317, 0.020, 0.092, 0.571], abs=0.003
    )


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        (200, 21_500),
        (460, 19_200),
        (900, 15_110),
        (1_000, 11_400),
        (1_200, 9_884),
        (1_500, 4_043),
        (2_000, 3_000),
    ],
)
def test_f1_absorption_curve(quantity: float, price: float) -> None:
    """First site, second site, outsiders, cash in the market, scrap (theory.md D.6), by the product's joint budgets."""
    found = budgets.cleared(**budgets.F1 | {"supply": np.array([quantity, 200.0])})[0]
    assert found[0] == pytest.approx(price, rel=0.01)


# -- published as they stand, without the product's code (docs/replication.md) ---------------------------------

PAGE = Path(__file__).parents[1] / "docs" / "replication.md"
REPLICATION = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
beside_its_page = pytest.mark.skipif(not REPLICATION, reason="tests run outside a checkout")


def stated(row: str) -> list[float]:
    """Numbers of a row of a table on the replication page, by its first cell."""
    return [float(cell) for cell in cells(row)]


def cells(row: str) -> list[str]:
    line = next(line for line in REPLICATION.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("| ").split("|")[1:]]


@beside_its_page
def test_t3_multiplier_on_the_replication_page() -> None:
    """Kiyotaki and Moore: what one period's user cost adds to today's price if it persists, summed period by period."""
    for decay in (0.0, 0.02, 0.07, 0.15):
        discounted = ((1 - decay) / 1.01) ** np.arange(20_000)
        (shown,) = stated(f"{decay:.0%}")
        assert discounted.sum() == pytest.approx(shown, abs=0.051)
        assert 1.01 / (1.01 - 1 + decay) == pytest.approx(shown, abs=0.051)


def bisect(function, low: float, high: float) -> float:
    falling = function(low) > 0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if (function(middle) > 0) == falling else (low, middle)
    return 0.5 * (low + high)


@beside_its_page
def test_t5_leverage_cycle_on_the_replication_page() -> None:
    """Geanakoplos: optimists h own the asset that pays 1 or 0.2; without loans, with loans of 0.2, and over three periods."""
    bad = 0.2

    def worth(h: float) -> float:
        return h + (1 - h) * bad

    alone = bisect(lambda h: h * (1 + worth(h)) - 1, 0.0, 1.0)
    loans = bisect(lambda h: worth(h) * h - (1 - h) - bad, 0.0, 1.0)
    assert stated("no borrowing") == pytest.approx([alone, worth(alone)], abs=6e-4)
    assert stated("loans of 0.2 a unit") == pytest.approx([loans, worth(loans)], abs=6e-4)

    def three(after: float) -> tuple[float, float, float, float]:
        price = worth(after)
        before = after / (1 - (price - bad) / (1 + price))
        start = (1 - before + price) / before
        levered = before * (1 - price) / (start - price)
        waiting = before + (1 - before) * before / after
        return start, before, price, levered - waiting

    after = bisect(lambda h: three(h)[3], 0.55, 0.68)
    start, before, price, _ = three(after)
    assert stated("three periods, start") == pytest.approx([before, start], abs=6e-4)
    assert stated("three periods, after bad news") == pytest.approx([after, price], abs=6e-4)
    assert stated("fall of the price, share") == pytest.approx([1 - price / start], abs=6e-4)
    assert stated("leverage before and after") == pytest.approx(
        [start / (start - price), price / (price - bad)], abs=0.06
    )


def in_ranges(limit: float, found, slack: float) -> bool:
    """Whether four moments lie in the ranges the page states for a leverage limit."""
    ends = [[float(end) for end in cell.split(" to ")] for cell in cells(f"leverage {limit:g}")]
    return all(low - slack <= x <= high + slack for x, (low, high) in zip(found, ends, strict=True))


@pytest.mark.slow
@beside_its_page
def test_t6_leverage_makes_fat_tails_on_the_replication_page() -> None:
    """Thurner, Farmer and Geanakoplos: tails, clustering and failures rise with the leverage limit; near-Gaussian at 1."""
    limits = (1, 2, 5, 7.5, 10)
    paths = leverage_market.run(limits, 30_000, seed=1)
    found = [
        (kurtosis, hill, failures, memory)
        for (kurtosis, hill, memory), failures in zip(
            (leverage_market.moments(path) for path in paths.returns.T), paths.failures, strict=True
        )
    ]
    for limit, moments in zip(limits, found, strict=True):
        assert in_ranges(limit, moments, slack=0.006), (limit, moments)
    kurtosis, hill, failures, memory = np.array(found).T
    assert kurtosis[0] < 0.3 and failures[0] == 0 and memory[0] < 0.03
    assert (np.diff(kurtosis) > 0).all() and (np.diff(hill) < 0).all() and (np.diff(failures) > 0).all()
    assert (memory[2:] > memory[0] + 0.05).all()


def test_t6_market_clears_and_funds_stay_within_their_limit() -> None:
    cap = np.array([1.0, 5.0])
    cash, held = np.full((2, 10), 2.0), np.zeros((2, 10))
    price = leverage_market.clearing_price(np.array([800.0, 800.0]), cash, held, cap)
    wanted = leverage_market.demand(price, cash, cap)
    assert 800.0 / price + wanted.sum(axis=1) == pytest.approx(leverage_market.SUPPLY, rel=1e-6)
    leverage = wanted * price[:, None] / cash
    assert (leverage <= cap[:, None] + 1e-12).all() and leverage[1].max() > leverage[0].max()
    paths = leverage_market.run((1, 5), 400, seed=1)
    assert np.array_equal(paths.returns, leverage_market.run((1, 5), 400, seed=1).returns)
