"""The manufacturer: new units in the same book, from its own dock."""

import numpy as np

from agents.party import Party
from agents.schema import Section, by_generation, quantity
from agents.vocabulary import (
    N_GENERATIONS,
    PRODUCT_UNIT,
    AgentKind,
    Condition,
    Intents,
    Ints,
    PoolKind,
    SellOrders,
    View,
    product_of,
)

WeeklyAllocation = by_generation(
    "WeeklyAllocation",
    "GPUs a week",
    "new units brought to this market",
    {
        name: (default, 0.0, 1e6, "none found", "assumption")
        for name, default in {
            "V100": 0.0,
            "A100": 0.0,
            "H100": 0.0,
            "H200": 400.0,
            "B200": 800.0,
            "GB200": 0.0,
            "GB300": 1440.0,
            "VR200": 720.0,
        }.items()
    },
)


class ManufacturerParameters(Section):
    """What describes the manufacturer."""

    weekly_allocation: WeeklyAllocation = WeeklyAllocation()  # type: ignore[valid-type]
    lead_weeks: float = quantity(13, "weeks", 1, 52, "order to delivery", "contracts.md 5.2: 13-26 weeks", "C")
    price_cut: float = quantity(0.0, "share of list price", 0, 0.6, "policy arm: cut of all list prices")


class Manufacturer(Party):
    """Offers its weekly allocation at list price."""

    kind = AgentKind.MANUFACTURER

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: ManufacturerParameters) -> Intents:  # type: ignore[override]
        """One sell order per generation with an allocation, in whole units."""
        known = np.isin(view.pair_party, rows) & (view.pool_kind[view.pair_pool] == PoolKind.WAREHOUSE)
        party, pool = view.pair_party[known], view.pair_pool[known]
        new = np.array([product_of(g, Condition.NEW) for g in range(N_GENERATIONS)])
        amount = view.new_allocation // PRODUCT_UNIT[new] * PRODUCT_UNIT[new]
        made = np.flatnonzero(amount > 0)
        n = len(party)
        return Intents(
            sell=SellOrders(
                party=np.repeat(party, len(made)),
                pool=np.repeat(pool, len(made)),
                product=np.tile(new[made], n),
                quantity=np.tile(amount[made], n),
                reserve=np.tile(np.ceil(view.list_price[made] * 100.0).astype(np.int64), n),
                forced=np.zeros(n * len(made), dtype=np.bool_),
            )
        )
