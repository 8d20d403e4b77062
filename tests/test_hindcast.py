"""The hindcast's debt is that of the books, and its figure shows what is on file beside it."""

import numpy as np
import pandas as pd
import pytest

from agents.vocabulary import AgentKind
from experiments.design.scenario import load
from experiments.figures import hindcast_figure
from experiments.methods.hindcast import debt_paths
from sim.base.reference import debt_prints
from sim.model import FireSaleModel


def test_paths_are_what_neo_clouds_owe_week_by_week() -> None:
    paths = debt_paths([3, 4], ["clock.weeks=3"])
    assert paths.columns.tolist() == [3, 4]
    assert paths.index[0] == pd.Timestamp("2025-01-06")
    parameters = load("boom_2025").parameters(settings=["clock.weeks=3"])
    model = FireSaleModel(parameters, rng=4)
    while model.running:
        model.step()
    loans, clouds = model.ledger.loans, set(model.world.rows(AgentKind.NEO_CLOUD).tolist())
    owed = sum(
        int(cents)
        for cents, debtor in zip(loans.balance_cents, loans.debtor, strict=True)
        if int(debtor) in clouds
    )
    assert paths[4].iloc[-1] == pytest.approx(owed / 1e11)


def test_the_figure_shows_every_point_on_file() -> None:
    dates = pd.date_range("2025-01-06", periods=40, freq="14D")
    paths = pd.DataFrame({1: np.linspace(4.0, 16.0, 40), 2: np.linspace(4.0, 8.0, 40)}, index=dates)
    figure, _ = hindcast_figure.hindcast(paths)
    (axes,) = figure.axes
    model, filed = axes.lines
    assert model.get_ydata()[-1] == pytest.approx(3.0)  # median of a fourfold and a twofold rise
    assert filed.get_ydata() == pytest.approx(np.array(debt_prints()[1]) / debt_prints()[1][0])
    assert len(filed.get_xdata()) == 5
