# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quickstart: 10,000 H100 come to market
#
# One borrower fails, and its lender has to sell 10,000 H100. What are they worth, where do they go, and what decides the
# price? The same run as `firesale run ten_thousand_h100`, from Python.

# %%
import pandas as pd

from experiments.scenario import load
from sim.model import FireSaleModel

scenario = load("ten_thousand_h100")
parameters = scenario.parameters(settings=["clock.weeks=42"])
model = FireSaleModel(parameters, rng=7)
model.run_for(42)
weeks = model.datacollector.get_model_vars_dataframe()
weeks[["date", "rent_usd_per_hour_H100", "clean_best_use_value_usd_H100", "forced_standing"]].iloc[::6].round(
    2
)

# %% [markdown]
# Three prices of the forced units, week by week. *V\** is the value in the best admissible use, *p₀* the price if only one lot
# had come, *p* the price. V\* − p₀ is what one lot loses anyway; p₀ − p is what is lost because the lots come together.

# %%
names = {
    "forced_offered_H100": "offered",
    "forced_sold_H100": "sold",
    "best_use_value_usd_H100": "V*",
    "first_lot_price_usd_H100": "p0",
    "price_usd_H100": "p",
}
sale = weeks.loc[weeks["forced_offered_H100"] > 0, list(names)].rename(columns=names)
sale["structural gap"] = sale["V*"] - sale["p0"]
sale["fire-sale discount"] = sale["p0"] - sale["p"]
sale.round(0).astype("Int64")

# %% [markdown]
# The same as a figure, in the style of the project; every figure of `firesale run` can be drawn like this.

# %%
# %matplotlib inline
import matplotlib.style

from experiments.figures.run_figures import discount_path
from experiments.figures.style import style

matplotlib.style.use(style())
discount_path({"weeks": weeks.reset_index()})[0]

# %% [markdown]
# Why is the price below the value? The price of every arc from a seller to a buyer is taken apart, exactly: what the buyer's
# use is worth less than the best one, the rent of its slot, the wait, its margin, its cash, the way there, and the shadow rents
# of power and cooling.

# %%
from experiments.figures.anatomy_figures import anatomy

anatomy({"42 weeks, seed 7": model.tables()})[0]

# %% [markdown]
# Who bought them?

# %%
trades = pd.DataFrame(model.tables()["trades"])
forced = trades[trades["forced"]]
forced.groupby(["buyer_type", "channel"])["quantity"].sum().rename("GPUs").reset_index()

# %% [markdown]
# Agents are Mesa agents and can be selected as such; their state lives in the arrays of the ledger.

# %%
from agents.miner import Miner

miners = model.agents.select(agent_type=Miner)
pd.DataFrame(
    [{"miner": miner.row, "cash, million USD": round(miner.cash_usd / 1e6, 1)} for miner in miners]
).head()

# %% [markdown]
# The same shocks with free slots: 6 % of energised power instead of 1.6 %. Draws never depend on parameters, so both runs meet
# the same shocks.

# %%
loose = FireSaleModel(scenario.parameters("moved-loose", settings=["clock.weeks=42"]), rng=7)
loose.run_for(42)


def mean_price(run: FireSaleModel) -> float:
    """Mean price of forced units, USD per GPU."""
    rows = pd.DataFrame(run.tables()["trades"]).query("forced")
    return float((rows["price_cents"] * rows["quantity"]).sum() / rows["quantity"].sum() / 100)


print(f"price of a forced H100, default slots: {mean_price(model):,.0f} USD")
print(f"price of a forced H100, free slots:    {mean_price(loose):,.0f} USD")
