"""Every credit metric has a test that notices an error of 1 %: each is scaled in turn, and its own tests must fail."""

import dataclasses
import inspect

import numpy as np
import pytest
import test_absorption as absorption_tests
import test_credit_metrics as tests

from experiments.methods import absorption
from sim.debt import credit_metrics as metrics

# Metric -> what would notice.
NOTICED_BY = {
    "loan_to_values": [tests.test_three_loan_to_values],
    "coverage_breach_from_primitives": [tests.test_dates_of_the_tenor_illusion],
    "underwater_years": [
        tests.test_dates_of_the_tenor_illusion,
        tests.test_underwater_date_against_a_grid,
    ],
    "crossing_tenor": [lambda: tests.test_crossing_tenors(0.6, (10.8, 8.55, 7.4, 6.7))],
    "first_weeks": [tests.test_dates_read_from_a_simulated_loan_table],
    "coverage_breach_weeks": [tests.test_dates_read_from_a_simulated_loan_table],
    "underwater_weeks": [tests.test_dates_read_from_a_simulated_loan_table],
    "spiral_share": [lambda: tests.test_spiral_multiplier(3.0, 0.3, 2.5)],
    "spiral_multiplier": [lambda: tests.test_spiral_multiplier(3.0, 0.3, 2.5)],
    "market_depth": [tests.test_market_depth_on_a_curve_of_known_elasticity],
    "adjusted_correlation": [tests.test_forbes_rigobon_undoes_the_selection_of_volatile_weeks],
    "convergence_index": [tests.test_convergence_of_pure_volatility_is_nothing_and_forced_sales_stand_apart],
    "fair_spread": [lambda: tests.test_fair_spreads(5, 0.10, (0, 0, 145, 399, 663))],
    "fair_spread_of_joint_law": [tests.test_joint_law_equals_the_closed_law_and_knows_deep_early_defaults],
    "fair_pairs": [tests.test_pairs_that_make_a_spread_fair],
    "aggregate_bridge": [tests.test_aggregate_of_the_bridge_closes_to_the_cent],
}
METHODS = {
    "balance": [tests.test_underwater_date_against_a_grid],
    "loss_given_default": [lambda: tests.test_fair_spreads(5, 0.10, (0, 0, 145, 399, 663))],
}


def scaled(result, factor):
    """The same result with every number multiplied."""
    if isinstance(result, dict):
        return {key: scaled(value, factor) for key, value in result.items()}
    if dataclasses.is_dataclass(result):
        numbers = {f.name: scaled(getattr(result, f.name), factor) for f in dataclasses.fields(result)}
        return type(result)(**numbers)
    if isinstance(result, int):
        return round(result * factor)
    return np.asarray(result) * factor if isinstance(result, np.ndarray) else result * factor


def mutant(function, factor):
    def wrong(*arguments, **named):
        return scaled(function(*arguments, **named), factor)

    return wrong


def fails(checks) -> bool:
    for check in checks:
        try:
            check()
        except (AssertionError, ValueError):
            return True
    return False


@pytest.mark.parametrize("factor", [1.01, 0.99])
@pytest.mark.parametrize("name", NOTICED_BY)
def test_an_error_of_one_per_cent_is_noticed(name, factor, monkeypatch):
    monkeypatch.setattr(metrics, name, mutant(getattr(metrics, name), factor))
    assert fails(NOTICED_BY[name])


@pytest.mark.parametrize("factor", [1.01, 0.99])
@pytest.mark.parametrize("name", METHODS)
def test_an_error_of_one_per_cent_in_a_loan_is_noticed(name, factor, monkeypatch):
    monkeypatch.setattr(metrics.LoanTerms, name, mutant(getattr(metrics.LoanTerms, name), factor))
    assert fails(METHODS[name])


@pytest.mark.parametrize("factor", [1.01, 0.99])
def test_an_error_of_one_per_cent_in_absorption_is_noticed(factor, monkeypatch):
    monkeypatch.setattr(absorption, "capacity_of", mutant(absorption.capacity_of, factor))
    assert fails([absorption_tests.test_f1_capacity_from_its_own_closed_form])


def test_unscaled_nothing_fails():
    every = {check for checks in (*NOTICED_BY.values(), *METHODS.values()) for check in checks}
    assert not fails(every)


def public():
    return {
        name: value
        for name, value in vars(metrics).items()
        if inspect.isfunction(value) and value.__module__ == metrics.__name__ and not name.startswith("_")
    }


def test_every_metric_is_among_them_and_states_equation_unit_and_source():
    assert set(public()) == set(NOTICED_BY)
    for name, function in public().items():
        text = function.__doc__ or ""
        assert "``" in text, f"{name} has no equation"
        assert any(source in text for source in ("theory.md", "economics.md")), f"{name} has no source"
        units = (
            "USD",
            "cents",
            "years",
            "weeks",
            "week",
            "fraction",
            "share",
            "no unit",
            "GPUs",
            "correlation",
        )
        assert any(unit in text.lower() for unit in map(str.lower, units)), f"{name} has no unit"
