# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A sweep: how many units does the market take?
#
# Four sizes of a forced sale, slots hardly free or free, five seeds each: an experiment of the sweep engine, described in
# Python as it would be in a file. Runs are stored as they end, a folder that exists is gone on with, a run that fails is a row.

# %%
import tempfile
from pathlib import Path

from experiments.sweep import Experiment, ModelTask, plan_experiment, sweep

experiment = Experiment(
    name="size_and_slots",
    scenario="ten_thousand_h100",
    overrides={
        "clock.weeks": 22,
        "forced_sale.week": 8,
        "forced_sale.deadline_weeks": 13,
        "discount.anatomy": False,
        "discount.shapley_weeks": 0,
    },
    vary={"forced_sale.gpus": (1_000, 5_000, 20_000, 40_000), "site.vacancy": (0.005, 0.06)},
    replications={"count": 5},
)
folder = Path(tempfile.mkdtemp()) / "size_and_slots"
report = sweep(plan_experiment(experiment), ModelTask.of(experiment), folder, executor=2)
print(f"{report.progress.done} runs, {report.progress.failed} failed")

# %% [markdown]
# Results are tidy frames with units. All points of a replication have the same shocks, so differences are paired.

# %%
from experiments.sweep.store import load

results = load(folder)
runs = results.runs
print(results.units("discount"))
results.points[
    ["forced_sale.gpus", "site.vacancy", "n", "discount", "discount_half_width", "gap_to_best_use"]
].round(3)

# %% [markdown]
# Price of a forced unit as a share of what a single lot would fetch, by size: every run is a point, lines are means over seeds.

# %%
# %matplotlib inline
import matplotlib.style
from matplotlib.figure import Figure

from experiments.figures.style import style

matplotlib.style.use(style())
figure = Figure(figsize=(3.6, 2.6))
axes = figure.subplots()
for (vacancy, mine), (colour, marker, dodge) in zip(
    runs.groupby("site.vacancy"), (("#D55E00", "o", 0.95), ("#0072B2", "s", 1.05)), strict=True
):
    size, share = dodge * mine["forced_sale.gpus"], 100 * (1 - mine["discount"])
    axes.plot(size, share, marker, color=colour, alpha=0.4)
    mean = share.groupby(size).mean()
    axes.plot(mean.index, mean, marker=marker, color=colour, label=f"{100 * vacancy:g} % of watts free")
axes.legend(loc="lower left")
axes.set_xscale("log")
axes.set_xlabel("H100 that must be sold in 13 weeks")
axes.set_ylabel("price, % of the first lot's")
figure

# %% [markdown]
# What do free slots change? Pairs of the same size and seed, so that the shocks cancel.

# %%
paired = runs.pivot(index=["forced_sale.gpus", "replication"], columns="site.vacancy", values="recovery")
difference = (paired[0.06] - paired[0.005]).groupby("forced_sale.gpus")
difference.agg(["mean", "std", "count"]).round(3)

# %% [markdown]
# To publish it: the folder holds Parquet tables, a codebook with units, `manifest.json` with seeds, versions and digest, a
# Frictionless `datapackage.json` and an RO-Crate. `firesale verify FOLDER` runs a sample again and compares it bit for bit.

# %%
print("\n".join(sorted(path.name for path in folder.iterdir())))
