"""Many runs: what is computed where, what is kept, and how a sweep goes on where it stopped.

The public names of a sweep, from an experiment to its report::

    report = sweep(plan_experiment(experiment), ModelTask.of(experiment), "results/mine", executor=2)
"""

from experiments.design.experiment import Experiment
from experiments.design.plan import Plan, plan_of
from experiments.design.planner import plan_experiment
from experiments.runs.folder import StoreError
from experiments.sweep.engine import SweepError, replay, sweep
from experiments.sweep.model_task import ModelTask
from experiments.sweep.progress import Progress, Report

__all__ = [
    "Experiment",
    "ModelTask",
    "Plan",
    "Progress",
    "Report",
    "StoreError",
    "SweepError",
    "plan_experiment",
    "plan_of",
    "replay",
    "sweep",
]
