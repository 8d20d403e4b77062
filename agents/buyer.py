"""Buyers of one's own: the base class of agent types that are registered beside the shipped ones.

A registered type gets rows in the ledger, a section of parameters, pools it may bid in, cash, and a turn in every week's
market. It says what it wants in `Buyer.decide_all`; the rest has defaults.
"""

from typing import ClassVar

from agents.operating import bids
from agents.party import Party
from agents.schema import Section, quantity
from agents.view import View
from agents.vocabulary import AgentKind, Intents, Ints

REGIONS = ("home", "abroad", "anywhere")


class BuyerParameters(Section):
    """What describes a registered type of buyers; a subclass states other defaults, and adds fields of its own.

    A new default keeps unit, range and meaning. A field of your own states them with `firesale.quantity`.

    Examples
    --------
    >>> class UniversityParameters(BuyerParameters):
    ...     utilisation: float = 0.9
    ...     term_weeks: int = quantity(13, "weeks", 1, 52, "between two rounds of purchases")
    """

    count: int = quantity(5, "agents", 0, 2000, "agents of the type")
    cash_usd: float = quantity(1e8, "USD", 0, 1e12, "cash of one in week 0")
    weekly_watts: float = quantity(
        1e6, "IT watts a week", 0, 1e9, "most it sets out to fill in a week", relaxed_by="order_limits"
    )
    bid_margin: float = quantity(0.1, "share of value", 0, 0.95, "value kept back", relaxed_by="margins")
    delay_weeks: float = quantity(0, "weeks", 0, 104, "between delivery and first service")
    utilisation: float = quantity(0.6, "share of hours", 0.05, 1, "billable or useful hours")
    discount_rate: float = quantity(0.12, "per year", 0.01, 0.5, "cost of capital")


class Buyer(Party):
    """A type of buyers registered beside the shipped ones.

    Attributes
    ----------
    section
        Name of its section of parameters: small letters, digits and ``_``. If left out, the name of the class in small letters
        with an ``s``.
    parameters_type
        Class of that section, `BuyerParameters` or a subclass of it.
    region
        Where the open pools it knows are drawn: ``home`` (United States), ``abroad`` or ``anywhere``. Each agent knows
        ``world.places_per_operator`` of them.
    takes_over
        Whether it may take hardware over where it stands.
    row : int
        Of an agent: its row in arrays by party, such as ``view.parties.cash_cents``.

    Notes
    -----
    A rule looks at the `View` and returns `Intents`. It is asked once a week for the market, and again for what-if questions:
    why is the price below value? Agents answer those with copies of what they held when the market asked them, and draw the
    same random numbers. Keep what an agent remembers on ``self`` and draw from ``self.random``: what a rule writes to its class
    or module outlives the run.

    Agents of the type count among possible users of hardware in the reference value V* (best use), whatever they bid for.

    Examples
    --------
    A buyer of used hardware with small halls. Register it with `firesale.register_agent`:

    >>> from agents.vocabulary import PRODUCT_LIQUID
    >>> class University(Buyer):
    ...     section = "universities"
    ...
    ...     @classmethod
    ...     def wanted(cls, view):
    ...         return view.market.listed[~PRODUCT_LIQUID[view.market.listed]]

    A rule of one agent instead of one for all, which remembers on ``self`` what it has seen:

    >>> import numpy as np
    >>> class Waiting(Buyer):
    ...     def decide(self, view):
    ...         before = getattr(self, "before", np.inf)
    ...         self.before = view.market.typical_value_usd.max()
    ...         if self.before > before:
    ...             return Intents()
    ...         row = np.array([self.row])
    ...         return Intents(buy=bids(view, row, view.market.listed, margin=0.2, weekly_watts=1e6))
    """

    kind = AgentKind.OTHER
    parameters_type: ClassVar[type[BuyerParameters]] = BuyerParameters
    region: ClassVar[str] = "home"
    takes_over: ClassVar[bool] = True

    @classmethod
    def wanted(cls, view: View) -> Ints:
        """Product classes it bids for; by default everything on offer."""
        return view.market.listed

    @classmethod
    def decide_all(cls, view: View, rows: Ints, parameters: BuyerParameters) -> Intents:  # type: ignore[override]
        """Bids for what is `wanted`, up to value less margin, in every pool known that has room."""
        buy = bids(
            view,
            rows,
            cls.wanted(view),
            margin=parameters.bid_margin,
            weekly_watts=parameters.weekly_watts,
            delay_weeks=parameters.delay_weeks,
        )
        return Intents(buy=buy)
