"""Run a scenario, sweep an experiment, open what is stored: one call each."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.party import Party
from experiments.design.experiment import Experiment
from experiments.design.plan import Plan
from experiments.design.planner import load as load_experiment
from experiments.design.planner import plan_experiment
from experiments.design.scenario import Scenario, load
from experiments.face.run import Run, run_of, stored_run
from experiments.runs.run import DEFAULT_ARM, check_bounds, simulate
from experiments.sweep.engine import sweep as compute
from experiments.sweep.listing import listing
from experiments.sweep.model_task import ModelTask
from experiments.sweep.results import SweepResults
from experiments.sweep.store import load as load_sweep
from experiments.sweep.stored import folder_of
from sim.base.faults import nearest
from sim.market.explanation import Explanation
from sim.market.explanation import explain as explanation
from sim.model import FireSaleModel
from sim.parameters import Parameters


def scenario(name: str | Path) -> Scenario:
    """A scenario: the name of a shipped one, such as ``calm``, or the path of a ``.toml`` file.

    Raises
    ------
    experiments.design.scenario.ScenarioError
        For an unknown name, or a file that cannot be used; says what is wrong where.

    Examples
    --------
    >>> scenario("rebound_2026").name
    'rebound_2026'
    """
    return load(name)


def run(
    scenario: str | Path | Scenario | Parameters = "calm",
    *,
    arm: str | None = None,
    seed: int = 7,
    settings: Mapping[str, Any] | None = None,
    replication: int = 0,
) -> Run:
    """Run one scenario to its end.

    Parameters
    ----------
    scenario
        Name, path or `Scenario`; or `Parameters` alone.
    arm
        An arm of the scenario; None is the scenario itself.
    seed, replication
        Runs with equal ones share their shocks, whatever their parameters.
    settings
        Dotted key -> value on top, such as ``{"clock.weeks": 52}``.

    Raises
    ------
    experiments.design.scenario.ScenarioError, sim.parameters.ParameterError
        For bad input, before the first week.
    experiments.runs.run.RunError
        If the model stops; names the week.
    experiments.runs.run.OutOfBounds
        If the finished run holds a number outside its declared bounds; ``run`` of the error is the run.

    Examples
    --------
    >>> run("calm", settings={"clock.weeks": 2}).weeks["week"].tolist()
    [0, 1]
    """
    if isinstance(scenario, Parameters):
        parameters, name, title = scenario.complete().with_(settings or {}), "parameters", "parameters"
    else:
        chosen = scenario if isinstance(scenario, Scenario) else load(scenario)
        parameters, name, title = chosen.parameters(arm).with_(settings or {}), chosen.name, chosen.title
    model = simulate(parameters, seed, replication=replication)
    found = run_of(model, name, title, arm or DEFAULT_ARM, replication)
    check_bounds(model.tables(), found)
    return found


def sweep(
    experiment: str | Path | Experiment,
    folder: str | Path | None = None,
    *,
    workers: int = 1,
    dask: str | None = None,
) -> SweepResults:
    """Compute every run of an experiment that is not stored yet; called again, it goes on where it stopped.

    Parameters
    ----------
    experiment
        Name of a shipped one, path of a ``.toml`` file, or an `Experiment`.
    folder
        Result folder; ``results/sweep-NAME[-ARM]-seed-SEED`` if left out.
    workers
        Local processes; 0 computes in this process. A script must call this under ``if __name__ == "__main__":``.
    dask
        Address of a Dask scheduler to compute on instead, such as ``tcp://10.0.0.5:8786``.

    Returns
    -------
    SweepResults
        Tables of runs and points. Failed runs are rows of it, with a warning; ``failures`` says why. A stored file that was
        damaged is set aside and computed again, with a warning too.

    Raises
    ------
    experiments.design.experiment.ExperimentError
        For bad input, before the first run.
    experiments.sweep.SweepError, experiments.runs.StoreError
        If the sweep cannot go on, or a result cannot be written.
    KeyboardInterrupt
        If it was interrupted; what had ended is stored.
    """
    plan = _planned(experiment)
    place = folder_of(plan, folder)
    report = compute(plan, ModelTask.of(plan.experiment), place, executor=dask or workers)
    report.check()
    if report.progress.failed:
        text = f"{place}: {report.progress.failed:,} runs failed; `failures` of the result says why"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    return load_sweep(place)


def open_result(folder: str | Path) -> Run | SweepResults:
    """A stored result: a `Run`, or the `SweepResults` of a sweep.

    Raises
    ------
    experiments.runs.StoreError
        If the folder holds neither.
    """
    return stored_run(folder) if listing(Path(folder)) is None else load_sweep(folder)


def explain(model: FireSaleModel, agent: Party | str) -> Explanation:
    """Why an agent did or did not bid in the week lived last, and what came of its bids.

    Parameters
    ----------
    model
        A model that has lived a week.
    agent
        One of its agents, or the name of one, such as ``university 1``.

    Raises
    ------
    TypeError
        If the model or the agent is none.
    ValueError
        If no week was lived, or the model has no such agent.

    Examples
    --------
    >>> from agents.outside_buyer import Salvager
    >>> model = FireSaleModel()
    >>> model.step()
    >>> print(explain(model, model.agents_by_type[Salvager].to_list()[0]))
    salvage house 1, week 0: no bid: an agent of type salvager knows no pool and does not bid
    pools it knows                      0
    classes on offer                    4
    pairs of pool and class             0
      possible                          0
    bids its rule returned              0
    """
    if not isinstance(model, FireSaleModel):
        raise TypeError(
            f"explain(model, agent): {model!r} is no model; a Run just computed has it as run.model"
        )
    if not isinstance(agent, Party | str):
        raise TypeError(f"explain(model, agent): {agent!r} is no agent and no name of one")
    if model.time < 1:
        raise ValueError("no week was lived yet: call model.step() first")
    if isinstance(agent, Party) and agent.model is not model:
        raise ValueError(f"{agent!r} belongs to another model")
    return explanation(model.market_week, agent if isinstance(agent, Party) else _called(model, agent))


def _called(model: FireSaleModel, name: str) -> Party:
    found: dict[str, Party] = {agent.name: agent for agent in model.agents}
    if name not in found:
        raise ValueError(f"no agent is called {name!r}{nearest(name, found)}")
    return found[name]


def _planned(experiment: str | Path | Experiment) -> Plan:
    if isinstance(experiment, Experiment):
        return plan_experiment(experiment)
    return load_experiment(experiment)[1]
