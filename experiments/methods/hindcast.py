"""The boom of 2025 from several seeds, to be laid beside what one large borrower is on file to have owed (docs/boom.md 7)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from agents.vocabulary import AgentKind
from experiments.design.scenario import load
from sim.model import FireSaleModel

# Prices are taken apart elsewhere; it changes none.
SHORT = ("discount.anatomy=false", "discount.shapley_weeks=0")
CENTS_PER_BILLION = 1e11


def debt_paths(seeds: Sequence[int], settings: Sequence[str] = ()) -> pd.DataFrame:
    """Neo-clouds' debt week by week, billion USD: a row per week, a column per seed.

    Parameters
    ----------
    seeds
        Seeds of the runs of `boom_2025`.
    settings
        Further settings, ``key=value`` each.
    """
    parameters = load("boom_2025").parameters(settings=[*SHORT, *settings])
    paths = {}
    for seed in seeds:
        model = FireSaleModel(parameters, rng=seed)
        clouds = model.world.rows(AgentKind.NEO_CLOUD)
        owed = []
        while model.running:
            model.step()
            loans = model.ledger.loans
            mine = loans.live() & np.isin(loans.debtor, clouds)
            owed.append(float(loans.balance_cents[mine].sum()) / CENTS_PER_BILLION)
        paths[seed] = owed
    dates = pd.to_datetime(parameters.clock.start) + pd.to_timedelta(
        7 * np.arange(parameters.clock.weeks), "D"
    )
    return pd.DataFrame(paths, index=pd.Index(dates, name="date"))
