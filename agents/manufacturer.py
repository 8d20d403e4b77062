"""The manufacturer: new units in the same book, from its own dock."""

import numpy as np

from agents.party import Party
from agents.schema import ByGeneration, Section, quantity
from agents.view import View
from agents.vocabulary import (
    N_GENERATIONS,
    PRODUCT_UNIT,
    AgentKind,
    Condition,
    Intents,
    Ints,
    PoolKind,
    SellOrders,
    product_of,
)

UNITS = "GPUs a week"


class WeeklyAllocation(ByGeneration):
    """New units brought to this market each week."""

    V100: float = quantity(0, UNITS, 0, 1e6, "new units brought to this market, V100")
    A100: float = quantity(0, UNITS, 0, 1e6, "new units brought to this market, A100")
    H100: float = quantity(0, UNITS, 0, 1e6, "new units brought to this market, H100")
    H200: float = quantity(400, UNITS, 0, 1e6, "new units brought to this market, H200")
    B200: float = quantity(800, UNITS, 0, 1e6, "new units brought to this market, B200")
    GB200: float = quantity(0, UNITS, 0, 1e6, "new units brought to this market, GB200")
    GB300: float = quantity(1440, UNITS, 0, 1e6, "new units brought to this market, GB300")
    VR200: float = quantity(720, UNITS, 0, 1e6, "new units brought to this market, VR200")


class ManufacturerParameters(Section):
    """What describes the manufacturer."""

    weekly_allocation: WeeklyAllocation = WeeklyAllocation()
    lead_weeks: float = quantity(
        13, "weeks", 1, 52, "order to delivery", "contracts.md 5.2: 13-26 weeks", "C"
    )
    list_price_decay: float = quantity(
        -1,
        "log per year",
        -1,
        0.36,
        "fall of list prices; -1 is that of rents, so that a new unit stays what it was",
        "Epoch AI",
        "B",
    )
    price_cut: float = quantity(0.0, "share of list price", 0, 0.6, "policy arm: cut of all list prices")


class Manufacturer(Party):
    """Offers its weekly allocation at list price."""

    kind = AgentKind.MANUFACTURER
    section = "manufacturer"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: ManufacturerParameters) -> Intents:  # type: ignore[override]
        """One sell order per generation with an allocation, in whole units."""
        known = np.isin(view.known.party, rows) & (view.pools.kind[view.known.pool] == PoolKind.WAREHOUSE)
        party, pool = view.known.party[known], view.known.pool[known]
        new = product_of(np.arange(N_GENERATIONS), Condition.NEW)
        amount = view.market.new_allocation // PRODUCT_UNIT[new] * PRODUCT_UNIT[new]
        made = np.flatnonzero(amount > 0)
        n = len(party)
        return Intents(
            sell=SellOrders(
                party=np.repeat(party, len(made)),
                pool=np.repeat(pool, len(made)),
                product=np.tile(new[made], n),
                quantity=np.tile(amount[made], n),
                reserve_cents=np.tile(np.ceil(view.market.list_price_usd[made] * 100.0).astype(np.int64), n),
                forced=np.zeros(n * len(made), dtype=np.bool_),
            )
        )
