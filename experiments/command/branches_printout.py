"""Effects of a default by branch, as the command prints them."""

import pandas as pd
from rich.table import Table

from experiments.command.rich_table import new_table
from experiments.methods.branches import EFFECTS, HORIZONS


def printed_responses(effects: pd.DataFrame) -> Table:
    """Effects by horizon, mean and 95 % interval."""
    headers = [f"{horizon} weeks" for horizon in HORIZONS]
    replications = int(effects["replications"].iloc[0])
    table = new_table(
        f"Effects of the default by branch, {replications} replications", headers, first="effect"
    )
    table.caption = (
        "Mean and 95 % interval of the paired difference; USD, for the discount % of the price without it."
    )
    shown = {"price_usd": (0, 1), "rent_usd_per_hour": (3, 1), "defaults": (1, 1), "discount": (1, 100)}
    for outcome, (digits, scale) in shown.items():
        for one, other in EFFECTS:
            mine = effects[(effects["outcome"] == outcome) & (effects["effect"] == f"{one} - {other}")]
            numbers = scale * mine.sort_values("horizon")[["mean", "low", "high"]].to_numpy()
            cells = [f"{m:,.{digits}f}\n{a:,.{digits}f} – {b:,.{digits}f}" for m, a, b in numbers]
            table.add_row(f"{outcome}, {one} less {other}".replace("_", " "), *cells)
    return table
