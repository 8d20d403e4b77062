"""The printed credit metrics are those of the run's own tables; convergence needs runs whose answer is known."""

import numpy as np
import pytest

from experiments.analysis import metric_report
from experiments.measures.forced_sales import columns_of
from experiments.runs import store
from sim.debt import credit_metrics
from sim.debt.loss_bridge import LOSS_BRIDGE
from sim.parameters import Parameters


def test_report_of_a_stored_run(credit_run):
    text = metric_report.report(credit_run)
    table = columns_of(store.load_tables(credit_run)["collateral"])
    now = table["week"] == 78
    ratio = table["balance_usd"][now].sum() / table["liquidation_usd"][now].sum()
    line = next(line for line in text.splitlines() if line.startswith("  week 78"))
    assert f" / {ratio:.2f} / " in line
    for heading in ("Loan to value", "Dates of a new H100 loan", "Market depth", "Discount that makes"):
        assert heading in text
    assert "Convergence" not in text


def test_yields_are_revenue_and_cost_per_dollar():
    parameters = Parameters().flat()
    revenue, cost = metric_report.yields(parameters, "H100")
    # Overhead is a share of revenue and comes off it; power and slot are the cost.
    hours = 8_760 * parameters["valuation.utilisation"] * (1 - parameters["valuation.overhead"])
    assert revenue == pytest.approx(
        parameters["rent.initial_usd_per_hour.H100"] * hours / parameters["hardware.list_price_usd.H100"]
    )
    assert 0 < cost < revenue


def test_pairs_of_observed_spreads_are_fair():
    parameters = Parameters().flat()
    terms = metric_report.loan_terms(parameters)
    lines = metric_report.spread_lines(parameters, hazards=(0.1,))
    shown = [line for line in lines if line.startswith("  investment")]
    discount = credit_metrics.fair_pairs(terms, 0.0225, [0.1])[0]
    assert shown[0].endswith(f"{discount:.0%}")
    assert credit_metrics.fair_spread(terms, 0.1, discount) == pytest.approx(0.0225, rel=1e-6)


def test_convergence_is_read_between_weeks_with_sales():
    draw = np.random.default_rng(5)
    weeks = 20_000

    def run(slope):
        btc, own = draw.normal(0, 0.05, (2, weeks))
        price = np.exp(np.cumsum(slope * btc + own)) * 1e4
        price[1::3] = np.nan  # weeks without a sale
        return {"btc_usd": 7e4 * np.exp(np.cumsum(btc)), "trade_price_usd_H100": price}

    found = metric_report.convergence(run(0.0), run(1.0), run(0.0), "H100")
    assert found is not None
    assert found.endogenous == pytest.approx(1 / np.sqrt(2), abs=0.02)
    short = {name: values[:5] for name, values in run(0.0).items()}
    assert metric_report.convergence(short, short, short, "H100") is None


def test_spread_of_a_runs_own_defaults_equals_the_closed_law():
    terms = metric_report.LoanTerms()
    n = 4_000
    weeks = -np.log1p(-(np.arange(n) + 0.5) / n) / 0.05 * 52
    inside = weeks < 52 * terms.tenor
    bridge = {name: np.zeros(int(inside.sum()), dtype=np.int64) for name in LOSS_BRIDGE}
    bridge["default_week"] = weeks[inside]
    bridge["fire_sale_discount_cents"] += 35
    bridge["gross_proceeds_cents"] += 65
    found = metric_report.joint_spread(bridge, 52 * 10, terms, n)
    assert found == pytest.approx(credit_metrics.fair_spread(terms, 0.05, 0.35), rel=0.01)
