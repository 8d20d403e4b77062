"""Credit metrics of hardware collateral (theory.md D.6): what a lender sees, what it would get, and when it finds out.

Money goes in as dollars (floats) or, in the bridge, as int64 cents; times are years, rates are per year and
continuously compounded, shares are fractions. Nothing here touches a running model: every function takes arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import Floats
from sim.debt.terms import loan_to_value

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


@dataclass(frozen=True, slots=True)
class LoanToValues:
    """Loan over three values of the same collateral, fractions, one entry per loan."""

    appraised: Floats
    liquidation: Floats
    systemic: Floats


def loan_to_values(
    balance: ArrayLike,
    gpus: ArrayLike,
    appraised: ArrayLike,
    own_price: ArrayLike,
    joint_price: ArrayLike,
    enforcement: ArrayLike = 0.0,
) -> LoanToValues:
    """Loan to value appraised, liquidation and systemic (theory.md D.6).

    ``LTV_app = B / (Q V_app)``, ``LTV_liq = B / (Q p(Q_own) - E)``, ``LTV_sys = B / (Q p(Q_joint) - E)``.

    Parameters
    ----------
    balance, enforcement : USD per loan
    gpus : GPUs per loan
    appraised : USD per GPU the lender carries
    own_price : USD per GPU if this collateral alone is sold
    joint_price : USD per GPU if every borrower that breaches in the scenario is sold out at once

    Notes
    -----
    A net value of zero or less gives infinity, a loan of nothing gives zero.
    """
    amount, cost = np.asarray(gpus, float), np.asarray(enforcement, float)
    return LoanToValues(
        loan_to_value(balance, amount * np.asarray(appraised, float)),
        loan_to_value(balance, amount * np.asarray(own_price, float) - cost),
        loan_to_value(balance, amount * np.asarray(joint_price, float) - cost),
    )


def coverage_breach_from_primitives(
    gross_yield: float,
    cost: float,
    loan_to_cost: float,
    rate: float,
    tenor: float,
    trend: float,
    covenant: float = 1.0,
) -> float:
    """Years until the DSCR of a level annuity falls to `covenant` (theory.md D.6).

    ``t_D = (1/delta) ln[y / (c LTV a + o)]`` with ``a = i / (1 - exp(-i T))``; y and o are revenue and running cost a year
    per dollar of hardware. In years: zero if below from the start, infinity if rent does not fall; it may lie after the tenor.
    """
    annuity = rate / -np.expm1(-rate * tenor) if rate else 1.0 / tenor
    needed = covenant * loan_to_cost * annuity + cost
    if gross_yield <= needed:
        return 0.0
    return float(np.log(gross_yield / needed) / trend) if trend > 0 else float(np.inf)


def underwater_years(
    loan_to_cost: float, rate: float, tenor: float, trend: float, discount: float = 0.0
) -> float:
    """First time the balance of a level annuity exceeds what the collateral fetches, years (theory.md D.6).

    First t with ``LTV (1 - exp(-i(T-t))) / (1 - exp(-iT)) > (1-d) exp(-delta t)``; infinity if there is none.

    Notes
    -----
    The gap ``A - B exp(i t) - C exp(-delta t)`` is concave, so it peaks at ``ln(C delta / (B i)) / (i + delta)`` and the
    first crossing, if any, lies before that: the peak decides existence, and bisection up to it finds the date.

    >>> round(12 * underwater_years(0.7, 0.11, 10, 0.3), 1)
    18.0
    """
    if rate <= 0 or tenor <= 0:
        raise ValueError(f"rate {rate} a year and tenor {tenor} years must be above zero")

    def gap(t: float) -> float:
        owed = loan_to_cost * np.expm1(-rate * (tenor - t)) / np.expm1(-rate * tenor)
        return float(owed - (1.0 - discount) * np.exp(-trend * t))

    if gap(0.0) > 0:
        return 0.0
    if trend <= 0 or discount >= 1:
        return float(np.inf)
    slope = loan_to_cost * np.exp(-rate * tenor) / -np.expm1(-rate * tenor)
    peak = np.log((1.0 - discount) * trend / (slope * rate)) / (rate + trend)
    high = float(np.clip(peak, 0.0, tenor))
    if gap(high) <= 0:
        return float(np.inf)
    low = 0.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if gap(middle) > 0 else (middle, high)
    return high


def crossing_tenor(
    gross_yield: float, cost: float, loan_to_cost: float, rate: float, trend: float, discount: float = 0.0
) -> float:
    """Tenor beyond which a loan is under water before its DSCR falls below one, years (theory.md D.6, tenor illusion).

    ``T*`` with ``t_U(T*) = t_D(T*)``. A longer tenor lowers the instalment (t_D rises) and slows amortisation (t_U falls);
    found by bisection on 0.5 to 40 years. Infinity if the dates do not cross there.
    """

    def illusory(tenor: float) -> bool:
        return underwater_years(loan_to_cost, rate, tenor, trend, discount) < coverage_breach_from_primitives(
            gross_yield, cost, loan_to_cost, rate, tenor, trend
        )

    low, high = 0.5, 40.0
    if not illusory(high):
        return float(np.inf)
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if illusory(middle) else (middle, high)
    return high


def first_weeks(loan: ArrayLike, week: ArrayLike, breached: ArrayLike) -> dict[int, int]:
    """First week of each loan in which a test is failed, ``min {t : failed(t)}``, from a simulated table (theory.md D.6).

    Parameters
    ----------
    loan, week, breached : arrays of one length
        One row per loan and week, in any order.

    Returns
    -------
    dict
        loan -> week; -1 for a loan that never fails.
    """
    rows, weeks = np.asarray(loan, np.int64), np.asarray(week, np.int64)
    failed = np.asarray(breached, bool)
    return {
        int(one): int(weeks[(rows == one) & failed].min(initial=np.iinfo(np.int64).max))
        if failed[rows == one].any()
        else -1
        for one in np.unique(rows)
    }


def coverage_breach_weeks(table: Mapping[str, ArrayLike], covenant: float = 1.0) -> dict[int, int]:
    """First week with ``coverage < covenant`` per loan, -1 never: the simulated t_D (theory.md D.6).

    Columns loan, week, coverage, as in the run table ``collateral``; NaN counts as not tested.
    """
    return first_weeks(table["loan"], table["week"], np.asarray(table["coverage"], float) < covenant)


def underwater_weeks(
    table: Mapping[str, ArrayLike], discount: float = 0.0, value: str = "liquidation_usd"
) -> dict[int, int]:
    """First week with ``balance > (1 - d) value`` per loan, -1 never: the simulated t_U (theory.md D.6).

    Columns loan, week, balance_usd and `value`, as in the run table ``collateral``; NaN counts as not known.
    """
    worth = (1.0 - discount) * np.asarray(table[value], float)
    return first_weeks(table["loan"], table["week"], np.asarray(table["balance_usd"], float) > worth)


def spiral_share(
    leverage: ArrayLike, weight: ArrayLike, holdings: ArrayLike, price_depth: ArrayLike
) -> float:
    """``phi = sum_n (Lambda_n - 1) w_n A_n / D`` (theory.md T7, D.6); no unit, 1 - phi is the distance to tipping.

    `leverage` is assets over equity, `weight` the share in this asset, `holdings` USD, `price_depth` USD sold per 100 % fall.
    """
    parts = (np.asarray(leverage, float) - 1.0) * np.asarray(weight, float) * np.asarray(holdings, float)
    return float(np.sum(parts / np.asarray(price_depth, float)))


def spiral_multiplier(share: float) -> float:
    """``M = 1 / (1 - phi)``, total over exogenous price fall; infinite from ``phi = 1`` on (theory.md T7).

    >>> round(spiral_multiplier(spiral_share(3.0, 1.0, 0.3, 1.0)), 2)
    2.5
    """
    return 1.0 / (1.0 - share) if share < 1 else float(np.inf)


def market_depth(quantity: ArrayLike, price: ArrayLike) -> Floats:
    """USD of forced volume per 1 % price fall, on each arc of an absorption curve (theory.md D.6).

    ``D_1% = 0.01 p Q / |dlnp / dlnQ|`` at the geometric mean of the arc's ends; infinite where the price does not move.
    """
    q, p = np.asarray(quantity, float), np.asarray(price, float)
    slope = np.abs(np.diff(np.log(p)) / np.diff(np.log(q)))
    value = 0.01 * np.sqrt(p[1:] * p[:-1] * q[1:] * q[:-1])
    return np.asarray(np.where(slope > 0, value / np.where(slope > 0, slope, 1.0), np.inf))


def adjusted_correlation(correlation: ArrayLike, variance_rise: ArrayLike) -> Floats:
    """Correlation corrected for volatility, ``rho / sqrt(1 + s (1 - rho^2))`` (Forbes and Rigobon 2002; theory.md D.6).

    s is the relative rise of the conditioning series' variance; no unit.
    """
    rho = np.asarray(correlation, float)
    return np.asarray(rho / np.sqrt(1.0 + np.asarray(variance_rise, float) * (1.0 - rho**2)))


@dataclass(frozen=True, slots=True)
class Convergence:
    """Rise of a correlation from calm to stress, after the Forbes-Rigobon correction; correlations, no unit."""

    calm: float
    stress: float
    total: float
    endogenous: float


def convergence_index(
    calm: tuple[ArrayLike, ArrayLike],
    stress: tuple[ArrayLike, ArrayLike],
    stress_without_sales: tuple[ArrayLike, ArrayLike],
) -> Convergence:
    """``CCI = rho_adj(stress) - rho(calm)``, and the part that forced sales add (theory.md D.6).

    Each argument is a pair of return series (conditioning series first, log returns). The third is the stress run with forced
    sales off and the same random numbers; the endogenous part is the difference of the two indices. Correlations have no unit.
    """

    def index(pair: tuple[ArrayLike, ArrayLike]) -> tuple[float, float]:
        rise = float(np.var(np.asarray(pair[0], float)) / np.var(np.asarray(calm[0], float)) - 1.0)
        rho = float(
            adjusted_correlation(
                np.corrcoef(np.asarray(pair[0], float), np.asarray(pair[1], float))[0, 1], rise
            )
        )
        return rho, rho - before

    before = float(np.corrcoef(np.asarray(calm[0], float), np.asarray(calm[1], float))[0, 1])
    after, total = index(stress)
    _, without = index(stress_without_sales)
    return Convergence(before, after, total, total - without)


@dataclass(frozen=True, slots=True)
class LoanTerms:
    """A level annuity on declining collateral, per dollar of hardware.

    Fractions and years; `discount_rate` is the risk-free rate, `cost` the enforcement cost as a share of proceeds.
    """

    loan_to_cost: float = 0.65
    tenor: float = 5.0
    rate: float = 0.11
    trend: float = 0.3
    discount_rate: float = 0.04
    cost: float = 0.05

    def balance(self, years: ArrayLike) -> Floats:
        """Balance outstanding, share of hardware cost."""
        left = np.expm1(-self.rate * (self.tenor - np.asarray(years, float)))
        return np.asarray(self.loan_to_cost * left / np.expm1(-self.rate * self.tenor))

    def loss_given_default(self, years: ArrayLike, discount: ArrayLike) -> Floats:
        """``1 - min(1, (1-d) exp(-delta t) (1-c) / B(t))``, share of the balance."""
        worth = (1.0 - np.asarray(discount, float)) * np.exp(-self.trend * np.asarray(years, float))
        owed = self.balance(years)
        covered = worth * (1.0 - self.cost) / np.where(owed > 0, owed, 1.0)
        return np.asarray(np.where(owed > 0, 1.0 - np.minimum(1.0, covered), 0.0))


def fair_spread(terms: LoanTerms, hazard: float, discount: float, pieces: int = 40) -> float:
    """Spread that pays for expected loss, fraction a year (theory.md D.6; multiply by 10,000 for bp).

    ``s = int e^{-(r+h)t} h LGD(t) B(t) dt / int e^{-(r+h)t} B(t) dt`` over the tenor, by composite Gauss-Legendre.
    """
    edges = np.linspace(0.0, terms.tenor, pieces + 1)
    half = 0.5 * np.diff(edges)[:, None]
    t = edges[:-1, None] + half * (1.0 + _NODES)
    weight = half * _WEIGHTS * np.exp(-(terms.discount_rate + hazard) * t) * terms.balance(t)
    return float(hazard * np.sum(weight * terms.loss_given_default(t, discount)) / np.sum(weight))


def fair_spread_of_joint_law(terms: LoanTerms, default_years: ArrayLike, discount: ArrayLike) -> float:
    """Fair spread from draws of (default time, discount): wrong-way risk included (theory.md D.6), fraction a year.

    ``E[e^{-r tau} LGD(tau, d) B(tau); tau < T] / E[int_0^{min(tau, T)} e^{-rt} B dt]``; a loan that does not default has
    an infinite time. Dependence of the two enters because each draw keeps its own pair.
    """
    when, depth = np.broadcast_arrays(np.asarray(default_years, float), np.asarray(discount, float))
    fails = when < terms.tenor
    t = np.where(fails, when, 0.0)
    lost = np.exp(-terms.discount_rate * t) * terms.loss_given_default(t, depth) * terms.balance(t)
    end = np.minimum(when, terms.tenor)
    half = 0.5 * end[..., None]
    nodes = half * (1.0 + _NODES)
    paid = (half * _WEIGHTS * np.exp(-terms.discount_rate * nodes) * terms.balance(nodes)).sum(axis=-1)
    return float(np.mean(np.where(fails, lost, 0.0)) / np.mean(paid))


def fair_pairs(terms: LoanTerms, spread: float, hazards: ArrayLike) -> Floats:
    """Discount that makes an observed spread fair, ``d(h) : s(h, d) = s_observed``: a frontier, not a point (economics.md 14).

    Returns
    -------
    array
        Share in [0, 1] per hazard. NaN where no discount does: the spread exceeds the price of total loss (hazard too low)
        or is less than what is lost with no discount at all (hazard too high).
    """
    found = np.full(np.shape(hazards), np.nan)
    for index, hazard in np.ndenumerate(np.asarray(hazards, float)):
        if not fair_spread(terms, hazard, 0.0) <= spread <= fair_spread(terms, hazard, 1.0):
            continue
        # At small discounts nothing may be lost; the frontier takes the largest discount that a spread of zero allows.
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if fair_spread(terms, hazard, middle) <= spread else (low, middle)
        found[index] = low
    return found


# Line of the aggregate -> lines of the loss bridge (sim/debt/loss_bridge.py) it sums, with their signs.
AGGREGATE: dict[str, dict[str, int]] = {
    "exposure": {"exposure_cents": 1},
    "value_at_default": {"value_at_default_cents": 1},
    "enforcement_decay": {"decay_cents": 1, "lost_income_cents": 1},
    "income": {"operated_income_cents": 1},
    "quality": {"quality_cents": 1},
    "structural_gap": {"structural_gap_cents": 1},
    "fire_sale_discount": {"fire_sale_discount_cents": 1},
    "slot_proceeds": {"slot_proceeds_cents": 1},
    "costs": {
        "costs_and_liens_cents": 1,
        "paid_to_others_cents": 1,
        "other_receipts_cents": -1,
        "held_cents": 1,
    },
    "recovery": {"recovery_cents": 1},
}


def aggregate_bridge(table: Mapping[str, ArrayLike]) -> dict[str, int]:
    """Sum of the loss bridge over loans, int64 cents (economics.md 13).

    ``value_at_default - enforcement_decay + income - quality - structural_gap - fire_sale_discount + slot_proceeds - costs
    = recovery`` exactly. ``costs`` are net of receipts from elsewhere and hold what went to others or is still held, so
    that the lines close for open files too.

    Raises
    ------
    ValueError
        The lines do not close to the cent.
    """
    total: dict[str, int] = {}
    for line, parts in AGGREGATE.items():
        total[line] = sum(
            sign * int(np.sum(np.asarray(table[name], np.int64))) for name, sign in parts.items()
        )
    gained = total["value_at_default"] + total["income"] + total["slot_proceeds"]
    lost = sum(
        total[line]
        for line in ("enforcement_decay", "quality", "structural_gap", "fire_sale_discount", "costs")
    )
    if gained - lost != total["recovery"]:
        raise ValueError(f"the bridge is off by {gained - lost - total['recovery']} cents")
    return total
