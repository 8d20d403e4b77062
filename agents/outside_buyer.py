"""Outside buyers: hyperscalers, enterprises, exporters and the salvage house (contracts.md 5.5)."""

from typing import ClassVar

from agents.operating import bids
from agents.party import Party
from agents.schema import Needs, Section, quantity
from agents.view import View
from agents.vocabulary import (
    LIQUID_ONLY,
    PRODUCT_CONDITION,
    PRODUCT_GENERATION,
    AgentKind,
    Condition,
    Intents,
    Ints,
    PoolKind,
    QuantityCap,
)


class HyperscalerParameters(Section):
    """What describes a hyperscaler as a buyer of used racks."""

    needs: ClassVar[Needs] = {"world.hyperscalers > 0": "*"}

    used_discount: float = quantity(
        0.25, "share of own value", 0.05, 0.5, "discount asked for used gear", relaxed_by="margins"
    )
    utilisation: float = quantity(0.8, "share of hours", 0.5, 0.95, "billable or useful hours")
    discount_rate: float = quantity(0.10, "per year", 0.06, 0.2, "cost of capital")
    cash_usd: float = quantity(5e9, "USD", 0, 1e11, "cash one hyperscaler would spend here")
    weekly_watts: float = quantity(
        2e6, "IT watts a week", 0, 1e8, "most it sets out to fill in a week", relaxed_by="order_limits"
    )
    delay_weeks: float = quantity(8, "weeks", 0, 26, "approval and integration before first service")


class EnterpriseParameters(Section):
    """What describes enterprise buyers together."""

    needs: ClassVar[Needs] = {"world.enterprises > 0": "*"}

    absorption: float = quantity(
        800, "GPUs a week", 100, 5000, "what all enterprises take together", relaxed_by="order_limits"
    )
    utilisation: float = quantity(0.5, "share of hours", 0.2, 0.9, "use of own GPUs", "contracts.md 5.5", "C")
    bid_margin: float = quantity(0.10, "share of value", 0, 0.5, "value kept back", relaxed_by="margins")
    cash_usd: float = quantity(1e9, "USD", 0, 1e11, "cash one enterprise would spend here")


class ExporterParameters(Section):
    """What describes exporters."""

    needs: ClassVar[Needs] = {"world.exporters > 0": "*"}

    delay_weeks: float = quantity(26, "weeks", 8, 52, "licence time where one is needed")
    bid_margin: float = quantity(0.12, "share of value", 0, 0.5, "value kept back", relaxed_by="margins")
    cash_usd: float = quantity(100e6, "USD", 0, 1e10, "cash of one exporter")
    weekly_watts: float = quantity(
        1e6, "IT watts a week", 0, 1e8, "most it sets out to fill in a week", relaxed_by="order_limits"
    )


class SalvagerParameters(Section):
    """What describes the salvage house."""

    cash_usd: float = quantity(1e11, "USD", 0, 1e12, "deep enough to be the floor under every price")


class Hyperscaler(Party):
    """Takes whole liquid-cooled racks of the current or last generation into its own halls."""

    kind = AgentKind.HYPERSCALER
    section = "hyperscalers"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: HyperscalerParameters) -> Intents:  # type: ignore[override]
        """Bids for used racks only; new ones it buys outside this market."""
        racks = LIQUID_ONLY[PRODUCT_GENERATION[view.market.listed]]
        used = PRODUCT_CONDITION[view.market.listed] != Condition.NEW
        products = view.market.listed[racks & used]
        return Intents(
            buy=bids(
                view,
                rows,
                products,
                (PoolKind.PRIVATE, PoolKind.IN_PLACE),
                margin=parameters.used_discount,
                weekly_watts=parameters.weekly_watts,
                delay_weeks=parameters.delay_weeks,
            )
        )


class Enterprise(Party):
    """Takes small lots into retail colocation."""

    kind = AgentKind.ENTERPRISE
    section = "enterprises"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: EnterpriseParameters) -> Intents:  # type: ignore[override]
        """Bids for air-cooled nodes up to this agent's share of the absorption."""
        products = view.market.listed[~LIQUID_ONLY[PRODUCT_GENERATION[view.market.listed]]]
        crowd = max(int((view.parties.kind == AgentKind.ENTERPRISE).sum()), 1)
        return Intents(
            buy=bids(
                view,
                rows,
                products,
                (PoolKind.OPEN, PoolKind.IN_PLACE),
                margin=parameters.bid_margin,
                weekly_watts=parameters.absorption / crowd * float(view.hardware.watts[~LIQUID_ONLY].max()),
                cap=QuantityCap.ABSORPTION,
            )
        )


class Exporter(Party):
    """Takes hardware to open slots abroad, where the export rules let it go."""

    kind = AgentKind.EXPORTER
    section = "exporters"

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: ExporterParameters) -> Intents:  # type: ignore[override]
        """Bids for slots abroad, discounted for the licence."""
        return Intents(
            buy=bids(
                view,
                rows,
                view.market.listed,
                (PoolKind.OPEN, PoolKind.FORWARD),
                margin=parameters.bid_margin,
                weekly_watts=parameters.weekly_watts,
                delay_weeks=parameters.delay_weeks,
            )
        )


class Salvager(Party):
    """Buys for parts at the salvage price whatever is given up; it bids for nothing else."""

    kind = AgentKind.SALVAGER
    section = "salvagers"
