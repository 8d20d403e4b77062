"""The arms that rows of the validation table are measured on: twenty runs of each replication."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.design import scenario
from experiments.validation.facts import SALE_WEEK, SLUMP_WEEK, YEAR

CLOCK: dict[str, Any] = {"clock.weeks": YEAR}
# No row looks at the anatomy of prices, and it changes none of them.
PLAIN: dict[str, Any] = {"discount.anatomy": False, "discount.shapley_weeks": 0}
FORCED: dict[str, Any] = {
    **CLOCK,
    "forced_sale.enabled": True,
    "forced_sale.generation": "H100",
    "forced_sale.gpus": 10_000,
    "forced_sale.week": SALE_WEEK,
}
LIQUID = FORCED | {
    "forced_sale.generation": "GB200",
    "forced_sale.gpus": 7_200,
    "forced_sale.age_years": 2.0,  # as the H100 of the other arms: recoveries are compared at one age
}
SLUMP = {"rent.slump_week": SLUMP_WEEK, "rent.slump": -0.5}


@dataclass(frozen=True, slots=True)
class Arm:
    """One run of a replication.

    Attributes
    ----------
    overrides
        Parameters, on top of those of the scenario.
    scenario
        Shipped scenario it starts from.
    closed
        Types of buyers that leave the market for good in the week of the sale; `LARGEST_BUYERS` is the type that has bought
        most used units until then.
    """

    overrides: Mapping[str, Any]
    scenario: str = "calm"
    closed: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """Dotted key -> value of all that differs from the model's defaults."""
        return {**scenario.load(self.scenario).overrides, **self.overrides, **PLAIN}


LARGEST_BUYERS = "largest"
ALL_BUYERS = ("miner", "neo_cloud", "liquidator", "hyperscaler", "enterprise", "exporter")
ARMS: dict[str, Arm] = {
    "calm": Arm(CLOCK),
    "forced": Arm(FORCED),
    "forced_large": Arm(FORCED | {"forced_sale.gpus": 40_000}),
    "one_lot": Arm(FORCED | {"forced_sale.gpus": 256}),
    "search": Arm(FORCED | {"search.enabled": True}),
    "search_calm": Arm(CLOCK | {"search.enabled": True}),
    "segment_closed": Arm(CLOCK, closed=(LARGEST_BUYERS,)),
    "all_closed": Arm(CLOCK, closed=ALL_BUYERS),
    "slump": Arm(CLOCK | {"rent.slump_week": SLUMP_WEEK, "rent.slump": float(np.log(0.4))}),
    "liquid_slump": Arm(LIQUID | SLUMP),
    "liquid": Arm(LIQUID),
    "forced_slump": Arm(FORCED | SLUMP),
    "replay": Arm({}, scenario="rebound_2026"),
    "hindcast": Arm({}, scenario="boom_2025"),
    "three_years": Arm({"clock.weeks": 3 * YEAR}),
    "more_lending": Arm(CLOCK | {"lenders.pool_usd_a_year": 80e9}),  # twice the default
    "longer_loans": Arm(CLOCK | {"lenders.tail_years": 2.0, "lenders.longest_years": 6.0}),  # a year more
    "seven_days": Arm(FORCED | {"forced_sale.deadline_weeks": 1}),
    "thirty_days": Arm(FORCED | {"forced_sale.deadline_weeks": 4}),
    "half_year": Arm(FORCED | {"forced_sale.deadline_weeks": 26}),
}
