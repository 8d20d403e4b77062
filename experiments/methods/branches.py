"""What a fire sale does to the market: one state, cloned in the forced week, gone on with in three ways (economics.md 3).

In the week in which the scenario's borrower defaults the state is cloned with `FireSaleModel.branch`:

    sold        the lots come to market by the mandate
    held        the default happens; the lots are operated for the lender where they stand and are not offered
    no_default  the borrower lives on

All branches share their shocks, so what differs is the effect: paired differences after 0, 4, 13, 26 and 52 weeks, with
intervals over replications. Sold less held is what selling does; held less no_default is what the default does without it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from agents.vocabulary import PRODUCT_GENERATION, PRODUCT_UNIT, SellOrders
from experiments.design.scenario import Scenario
from experiments.figures.style import NO_STAMP, house_style
from experiments.runs import provenance, signals, store
from experiments.runs.folder import writing
from experiments.runs.run import RunError
from sim.discount import collateral
from sim.lending.forced_sale import BORROWER
from sim.model import FireSaleModel

HORIZONS = (0, 4, 13, 26, 52)
# Changes of parameters that make a branch; the hosting contract passes to the lender where it is to operate.
BRANCHES: dict[str, dict[str, Any]] = {
    "sold": {},
    "held": {"liquidators.release": "held", "forced_sale.in_place": True},
    "no_default": {"forced_sale.enabled": False},
}
OUTCOMES = {
    "price_usd": ("USD per GPU", "price of one more unit of the class at the borrower's site, to be moved"),
    "rent_usd_per_hour": ("USD per GPU-hour", "contract rent of the class"),
    "defaults": ("1", "defaults since the forced week, the borrower's own left out"),
    "discount": ("share", "1 - price over price without the default"),
}
TITLES = {
    "price_usd": "price of one more {}",
    "rent_usd_per_hour": "rent of the {}",
    "defaults": "defaults of others",
    "discount": "discount of the {}",
}
PATHS = {
    "replication": ("", "number of the replication"),
    "branch": ("", "sold, held or no_default"),
    "horizon": ("weeks", "weeks after the forced week"),
    **OUTCOMES,
}
RESPONSES = {
    "outcome": ("", "what is affected"),
    "effect": ("", "branches compared, the first less the second"),
    "horizon": ("weeks", "weeks after the forced week"),
    "mean": ("unit of the outcome", "mean of the paired differences"),
    "low": ("unit of the outcome", "lower end of the 95 % interval of the mean"),
    "high": ("unit of the outcome", "upper end of the 95 % interval of the mean"),
    "replications": ("1", "replications"),
}
EFFECTS = (("sold", "no_default"), ("held", "no_default"), ("sold", "held"))


@dataclass(frozen=True, slots=True)
class Site:
    """One more unit of what the borrower had, where most of it stands: what the price is asked for."""

    product: int
    pool: int


class Question:
    """A phase of the week: what one more unit would fetch, asked after the clearing in some weeks, changing nothing."""

    def __init__(self, model: FireSaleModel, site: Site, weeks: Sequence[int]) -> None:
        self.model, self.site, self.weeks = model, site, weeks
        self.price_usd = float("nan")
        place = [name for name, _ in model.phases].index("settlement")
        phases: Any = (*model.phases[:place], ("question", self), *model.phases[place:])
        model.phases = phases

    def __call__(self, week: int) -> None:
        """Ask, if it is time."""
        if week not in self.weeks:
            return
        product, pool = (np.array([number]) for number in (self.site.product, self.site.pool))
        one = np.ones(1, dtype=np.int64)
        unit = SellOrders(-one, pool, product, PRODUCT_UNIT[product], 0 * one, np.array([False]))
        market = self.model.market_week
        prices = collateral.price_with(market, collateral.demand_for_all(market), unit)
        self.price_usd = float(prices[self.site.product, self.site.pool])


def run_replication(
    scenario: Scenario, seed: int, replication: int, settings: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Rows of `PATHS` of one replication."""
    plain = ["discount.anatomy=false", "discount.shapley_weeks=0"]
    parameters = scenario.parameters(None, [*settings, *plain])
    sale = parameters.forced_sale
    if not sale.enabled:
        raise RunError(
            f"{scenario.source}: forced_sale.enabled = false; branches begin where a borrower defaults"
        )
    weeks = [sale.week + horizon for horizon in HORIZONS]
    clock = parameters.clock.model_copy(update={"weeks": weeks[-1] + 1})
    parameters = parameters.model_copy(update={"clock": clock})
    model = FireSaleModel(parameters, rng=seed, replication=replication)
    model.run_for(sale.week)
    site = site_of(model)
    rows: list[dict[str, Any]] = []
    for name, changes in BRANCHES.items():
        branch = model.branch(changes)
        question = Question(branch, site, weeks)
        for horizon, week in zip(HORIZONS, weeks, strict=True):
            branch.run_for(week + 1 - branch.time)
            signals.check()
            rows.append(
                {
                    "replication": replication,
                    "branch": name,
                    "horizon": horizon,
                    "price_usd": question.price_usd,
                    "rent_usd_per_hour": float(
                        branch.world.rents.contract_usd_per_hour[PRODUCT_GENERATION[site.product]]
                    ),
                    "defaults": _defaults(branch, sale.week),
                }
            )
    alone = {row["horizon"]: row["price_usd"] for row in rows if row["branch"] == "no_default"}
    return [row | {"discount": 1.0 - row["price_usd"] / alone[row["horizon"]]} for row in rows]


def site_of(model: FireSaleModel) -> Site:
    """What the borrower has most of, and the pool in which most of it stands: bids in place do not reach it there."""
    lots = model.ledger.lots
    own = np.flatnonzero((lots.owner == model.ledger.parties.name.index(BORROWER)) & (lots.lien >= 0))
    row = own[np.argmax(lots.quantity[own])]
    return Site(int(lots.product[row]), int(lots.pool[row]))


def _defaults(model: FireSaleModel, week: int) -> int:
    """Defaults from a week on, but for the borrower's own."""
    events = model.tables()["events"]
    chosen = (events["kind"] == "default") & (events["week"] >= week)
    return int((chosen & (events["detail"] != "scenario")).sum())


def responses(paths: pd.DataFrame) -> pd.DataFrame:
    """Means of paired differences between branches, with 95 % intervals (Student's t over replications)."""
    rows = []
    for outcome in OUTCOMES:
        wide = paths.pivot(index=["horizon", "replication"], columns="branch", values=outcome)
        for one, other in EFFECTS:
            for horizon, difference in (wide[one] - wide[other]).groupby("horizon"):
                n, mean = len(difference), float(difference.mean())
                error = float(difference.std(ddof=1)) / np.sqrt(n) if n > 1 else float("nan")
                half = float(stats.t.ppf(0.975, n - 1)) * error if n > 1 else float("nan")
                rows.append(
                    {
                        "outcome": outcome,
                        "effect": f"{one} - {other}",
                        "horizon": horizon,
                        "mean": mean,
                        "low": mean - half,
                        "high": mean + half,
                        "replications": n,
                    }
                )
    return pd.DataFrame(rows)


def run_branches(
    scenario: Scenario,
    folder: str | Path,
    *,
    seed: int = 7,
    replications: int = 12,
    settings: Sequence[str] = (),
    overwrite: bool = False,
    on_replication: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Run all replications, store tables and figure in `folder`, and return the responses."""
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    with writing(folder, kind="branches", overwrite=overwrite) as scratch:
        for replication in range(replications):
            rows += run_replication(scenario, seed, replication, settings)
            on_replication()
        paths = pd.DataFrame(rows)
        effects = responses(paths)
        tables = {
            "branches": {name: paths[name].to_numpy() for name in PATHS},
            "responses": {name: effects[name].to_numpy() for name in RESPONSES},
        }
        parameters = scenario.parameters(None, settings)
        manifest = {
            "scenario": scenario.name,
            "title": f"{scenario.title}: branches",
            "arm": "branches",
            "seed": seed,
            "replications": replications,
            "parameters": parameters.flat(),
            "provenance": provenance.record(provenance.model_code([parameters.plugin]), parameters.flat()),
            "timings": {"seconds": round(time.perf_counter() - began, 3)},
        }
        store.save(scratch, tables, {"branches": PATHS, "responses": RESPONSES}, manifest)
        with house_style():
            shown = store.frame_of(store.arrow_table("responses", tables["responses"], RESPONSES))
            drawn = draw(shown, parameters.forced_sale.generation)
            for kind, stamp in NO_STAMP.items():
                drawn.savefig(scratch / f"responses.{kind}", metadata=stamp)
    return effects


def draw(effects: pd.DataFrame, generation: str) -> Figure:
    """A panel per outcome: effect over the horizon with its interval, three comparisons of branches."""
    figure = Figure(figsize=(6.9, 4.2))
    panels = figure.subplots(2, 2, sharex=True)
    looks = (("o", "-", "#D55E00"), ("s", (0, (4, 1.5)), "#0072B2"), ("^", (0, (1, 1)), "#000000"))
    for axes, (outcome, (unit, _)) in zip(panels.flat, OUTCOMES.items(), strict=True):
        for number, ((one, other), (marker, line, colour)) in enumerate(zip(EFFECTS, looks, strict=True)):
            mine = effects[(effects["outcome"] == outcome) & (effects["effect"] == f"{one} - {other}")]
            at = mine["horizon"] + 0.6 * (number - 1)
            span = np.abs(mine[["low", "high"]].to_numpy().T - mine["mean"].to_numpy())
            axes.errorbar(
                at,
                mine["mean"],
                yerr=np.nan_to_num(span),
                marker=marker,
                linestyle=line,
                color=colour,
                linewidth=1.0,
                elinewidth=0.8,
                label=f"{one} less {other}".replace("_", " "),
            )
        axes.axhline(0, color="#000000", linewidth=0.6)
        axes.set_title(TITLES[outcome].format(generation))
        axes.set_ylabel(unit if unit != "1" else "borrowers")
        axes.set_xticks(HORIZONS)
    for axes in panels[1]:
        axes.set_xlabel("weeks after the forced week")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
