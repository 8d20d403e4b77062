"""What several test modules share: one short run with a forced sale, stored as the command stores it."""

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from experiments.runs.steady_numbers import steady_environment

# The tests compute with the numbers the command computes with: NumPy must not be imported yet.
assert "numpy" not in sys.modules
steady_environment()

from experiments.design.planner import plan_experiment  # noqa: E402

# A suite started in the background ignores Ctrl-C, and so would every command that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Figures are drawn without a screen.
os.environ["MPLBACKEND"] = "Agg"

# A busy machine is no finding: what takes long is never asserted. One checkout gives one verdict, so the examples drawn are
# the same every time; `pytest --hypothesis-profile=explore` draws new ones, and what it finds becomes a test of its own.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("repeatable")

SHORT_SALE = (
    "clock.weeks=6",
    "forced_sale.week=2",
    "forced_sale.deadline_weeks=2",
    "forced_sale.gpus=2000",
    "discount.shapley_pairs=1",
)


@pytest.fixture(scope="session")
def stored_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a six-week run in which 2,000 H100 are sold; tests read it and never change it."""
    from experiments.design.scenario import load
    from experiments.runs.run import run_scenario

    folder = tmp_path_factory.mktemp("stored") / "run"
    run_scenario(load("ten_thousand_h100"), ["default"], 7, folder, settings=SHORT_SALE)
    return folder


@pytest.fixture(scope="session")
def credit_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a long enough `credit_crisis` for borrowers to fail; tests read it and never change it."""
    from experiments.design.scenario import load
    from experiments.runs.run import run_scenario

    folder = tmp_path_factory.mktemp("credit") / "run"
    run_scenario(load("credit_crisis"), ["default"], 7, folder, settings=["clock.weeks=130"])
    return folder


SMALL_SWEEP = """
name = "small"
title = "Two sizes, two vacancies, two arms"
scenario = "ten_thousand_h100"
seed = 7
[overrides]
clock.weeks = 6
forced_sale.week = 2
forced_sale.deadline_weeks = 2
discount.shapley_weeks = 0
[vary]
"forced_sale.gpus" = [1000, 5000]
"site.vacancy" = [0.01, 0.04]
"scenario.arm" = ["default", "in_place-tight"]
[replications]
count = 2
[record]
series = { columns = ["price_usd_H100", "forced_standing"] }
"""


@pytest.fixture(scope="session")
def stored_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a sweep of sixteen six-week runs with two kept series; tests read it and never change it."""
    from experiments.design.experiment import parse
    from experiments.sweep.engine import sweep
    from experiments.sweep.model_task import ModelTask

    folder = tmp_path_factory.mktemp("stored") / "sweep"
    experiment = parse(SMALL_SWEEP, "small.toml")
    sweep(plan_experiment(experiment), ModelTask.of(experiment), folder, executor=0)
    return folder
