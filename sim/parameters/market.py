"""How hardware is valued, how the market clears, and how its price is taken apart."""

from typing import ClassVar

import numpy as np

from agents.schema import Needs, Section, choice, quantity, setting
from agents.valuation import BELIEFS
from agents.vocabulary import GENERATIONS


class ValuationParameters(Section):
    """How a GPU is valued."""

    needs: ClassVar[Needs] = {"valuation.expectations = extrapolative": "extrapolation"}

    expectations: str = choice("myopic", BELIEFS, "belief about the persistence of demand deviations")
    extrapolation: float = quantity(
        0.5,
        "share of the deviation",
        0.1,
        1.5,
        "by which an extrapolating agent expects today's deviation of demand to grow before it stays",
    )
    least_gain_share: float = quantity(
        0.02,
        "share of the limit",
        0.005,
        0.1,
        "gain a buyer counts on where the last price leaves less; it splits its cash by expected gain",
    )
    discount_rate: float = quantity(0.15, "per year", 0.05, 0.3, "between loan cost and dealer cost")
    utilisation: float = quantity(0.8, "share of hours", 0.5, 0.95, "billable hours over hours")
    overhead: float = quantity(
        0.18, "share of revenue", 0.10, 0.25, "staff, network, spares, software", "margins on file", "C"
    )


class MarketParameters(Section):
    """The weekly clearing."""

    theta: float = quantity(
        0.5, "share", 0, 1, "price within the optimal interval, 0 = lowest", "economics.md 4", "design"
    )
    ladder_steps: int = quantity(16, "orders", 2, 400, "steps of a cash-bound demand curve")
    volume_memory_weeks: int = quantity(
        26,
        "weeks",
        8,
        104,
        "memory of normal traded volume; the newest week has this one's inverse as weight",
    )
    refine: bool = setting(True, "refine cash-bound demand once around the price found")


class DiscountParameters(Section):
    """How far prices are taken apart; nothing here changes a price."""

    needs: ClassVar[Needs] = {"discount.shapley_weeks > 0": "shapley_pairs"}

    anatomy: bool = setting(True, "dual accounting of every lot sold or offered, every week")
    shapley_weeks: int = quantity(
        52,
        "weeks",
        0,
        52,
        "Shapley values of a forced class when it comes to market, when units are sold, and so often while none is; 0 never",
    )
    shapley_pairs: int = quantity(
        2,
        "pairs of orders",
        1,
        16,
        "orders sampled, each with its reverse; with 14 or more for seven frictions all orders are as cheap, and are taken",
        "docs/discount.md",
        "design",
    )
    probe_quarters: int = quantity(
        4, "quarters", 1, 20, "between the quarters in which collateral is priced by clearing the book again"
    )
    first_probe_quarter: int = quantity(2, "quarter", 1, 20, "first quarter in which it is")


class ForcedSaleParameters(Section):
    """A borrower whose collateral comes to market in a chosen week."""

    needs: ClassVar[Needs] = {
        "forced_sale.enabled = true": "generation gpus week age_years in_place largest_share_of_a_pool",
    }

    enabled: bool = setting(False, "whether it happens")
    generation: str = choice("H100", GENERATIONS, "what is pledged")
    gpus: int = quantity(10_000, "GPUs", 8, 400_000, "how many")
    week: int = quantity(26, "week", 1, 2000, "when")
    age_years: float = quantity(2.0, "years", 0, 4.5, "age of the collateral in week 0")
    in_place: bool = setting(
        False,
        "the hosting contracts of this sale can be assigned: its units may be sold where they stand; others are drawn by "
        "site.assignable_share",
    )
    deadline_weeks: int = quantity(
        13, "weeks", 0, 52, "by when the lender must have sold", "economics.md 14: 4-52", "assumption"
    )
    largest_share_of_a_pool: float = quantity(0.5, "share", 0.05, 1, "most of one hall the borrower rents")


class SearchParameters(Section):
    """How easily buyer and seller meet. Sellers' bargaining weight is `market.theta`."""

    needs: ClassVar[Needs] = {"search.enabled = true": "contacts_per_year"}

    enabled: bool = setting(False, "whether buyers must be met; if not, contacts are infinitely frequent")
    contacts_per_year: float = quantity(
        12.0, "per year", 0.5, 520.0, "rate at which a buyer is in the market", "theory.md T12: 1 to 12"
    )

    @property
    def rate(self) -> float:
        """Contact rate lambda per year; infinity while the layer is off."""
        return self.contacts_per_year if self.enabled else float(np.inf)
