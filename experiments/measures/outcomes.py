"""What a sweep keeps of a run of the model: outcomes, one number each, and weekly paths.

`ModelTask` is what the workers of a sweep call. Every outcome has a unit and a meaning, which go into the schema of the
stored tables, the codebook and the axes of figures.

Counts and rates over all borrowers are numbers in every run: without a default they are 0. Prices, gaps and shares of forced
units, and loss given default, do not exist in a run without a forced sale (a default), and are NaN there, never 0. Means,
intervals and stopping rules leave such runs out: they are conditional on a sale, and say so only together with
``forced_gpus``. A point without any sale has no mean, and an analysis of variance leaves its block out.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.plugins import Registry
from experiments.measures import boom
from experiments.measures.credit import CreditRecord, credit_record
from experiments.measures.forced_sales import ForcedSale
from sim.base.declared import ANY, COUNT, LONGEST_RUN, POSITIVE, PRICE, SHARE, Bounds
from sim.base.names import check_line, check_name
from sim.record.columns import TABLES

Table = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
Measure = Callable[[Mapping[str, Table], Sequence[ForcedSale]], float]
# Columns that tables of a sweep have beside outcomes.
KEYS = frozenset(
    {"run_id", "parameters_id", "point", "replication", "seed", "status", "week", "n", "failed", "stopped_by"}
)
# Tables the shipped outcomes read; a user's may read any.
SHIPPED_READ = ("weeks", "trades", "events", "agents", "loans", "loss_bridge")
OUTCOME_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One number of a run.

    Attributes
    ----------
    measure
        Function of the run's tables (table -> column -> values) and of its forced sales.
    bounds
        What it can be; NaN, where it is allowed, says that it does not exist in a run.
    tables
        What the function reads; a sweep records no more than its outcomes read.
    """

    unit: str
    meaning: str
    measure: Measure
    bounds: Bounds
    tables: Collection[str] = SHIPPED_READ


def _mean(sales: Sequence[ForcedSale], value: Callable[[ForcedSale], float]) -> float:
    """Mean over forced classes by units sold, or by units taken if none was; classes without a value are left out."""
    is_sold = any(sale.sold for sale in sales)
    known = [
        (value(sale), sale.sold if is_sold else sale.taken) for sale in sales if np.isfinite(value(sale))
    ]
    weight = sum(units for _, units in known)
    return sum(number * units for number, units in known) / weight if weight else float("nan")


def _ratio(
    sales: Sequence[ForcedSale], part: Callable[[ForcedSale], float], whole: Callable[[ForcedSale], float]
) -> float:
    """Ratio of means over the forced classes that have both."""
    both = [sale for sale in sales if np.isfinite(part(sale)) and np.isfinite(whole(sale))]
    below = _mean(both, whole)
    return _mean(both, part) / below if below > 0 else float("nan")


def _total(sales: Sequence[ForcedSale], count: Callable[[ForcedSale], int]) -> float:
    return float(sum(count(sale) for sale in sales))


def _share(sales: Sequence[ForcedSale], count: Callable[[ForcedSale], int]) -> float:
    taken = _total(sales, lambda sale: sale.taken)
    return _total(sales, count) / taken if taken else float("nan")


def _change(tables: Mapping[str, Table], column: str) -> float:
    values = tables["weeks"][column]
    return float(np.log(values[-1] / values[0])) if values[0] > 0 < values[-1] else float("nan")


def _used_units(tables: Mapping[str, Table]) -> float:
    trades = tables.get("trades")
    if trades is None:
        return 0.0
    return float(trades["quantity"][(trades["channel"] != "new") & ~trades["forced"]].sum())


def _credit(
    read: Callable[[CreditRecord], float],
) -> Callable[[Mapping[str, Table], Sequence[ForcedSale]], float]:
    return lambda tables, sales: float(read(credit_record(tables)))


def _insolvent(tables: Mapping[str, Table], agent_type: str) -> float:
    agents = tables["agents"]
    last = agents["week"] == agents["week"][-1]
    chosen = last & (agents["type"] == agent_type) & (agents["net_asset_value_cents"] < 0)
    return float(chosen.sum())


ANY_OR_ABSENT = Bounds(absent=True)
LENGTH_OF_SALE = Bounds(1, LONGEST_RUN, absent=True)
SHARE_OF_FORCED = Bounds(0, 1, absent=True)
# A price is never below zero, so no more than all is lost; it may stand above the value it is compared with, without a limit.
LOSS_SHARE = Bounds(high=1, absent=True)
OUTCOMES: dict[str, Outcome] = {
    "discount": Outcome(
        "share of p0",
        "fire-sale discount: loss from the first-lot price because the lots come together",
        lambda tables, sales: _ratio(
            sales, lambda sale: sale.fire_sale_discount_usd, lambda sale: sale.first_lot_price_usd
        ),
        LOSS_SHARE,
    ),
    "discount_at_normal_volume": Outcome(
        "share",
        "the same against the price at the class's normal weekly volume",
        lambda tables, sales: _mean(sales, lambda sale: sale.discount_share_at_normal_volume),
        LOSS_SHARE,
    ),
    "structural_gap": Outcome(
        "share of V*",
        "structural gap: what one lot loses against the best admissible use",
        lambda tables, sales: _ratio(
            sales, lambda sale: sale.structural_gap_usd, lambda sale: sale.best_use_value_usd
        ),
        LOSS_SHARE,
    ),
    "recovery": Outcome(
        "share of V*",
        "price received over value in the best admissible use; above 1 where a buyer believes in more than the mean of rents",
        lambda tables, sales: _ratio(
            sales, lambda sale: sale.price_usd, lambda sale: sale.best_use_value_usd
        ),
        PRICE,
    ),
    "gap_to_best_use": Outcome(
        "share of V*",
        "value in the best admissible use less price received: structural gap and discount together",
        lambda tables, sales: _ratio(
            sales, lambda sale: sale.best_use_value_usd - sale.price_usd, lambda sale: sale.best_use_value_usd
        ),
        LOSS_SHARE,
    ),
    "price_usd": Outcome(
        "USD per GPU",
        "price of forced units, mean over units",
        lambda tables, sales: _mean(sales, lambda sale: sale.price_usd),
        PRICE,
    ),
    "first_lot_price_usd": Outcome(
        "USD per GPU",
        "price of the first forced lot, mean over units",
        lambda tables, sales: _mean(sales, lambda sale: sale.first_lot_price_usd),
        PRICE,
    ),
    "forced_gpus": Outcome(
        "GPUs", "taken under a mandate", lambda tables, sales: _total(sales, lambda sale: sale.taken), COUNT
    ),
    "in_place_share": Outcome(
        "share of units",
        "sold where they stand",
        lambda tables, sales: _share(sales, lambda sale: sale.in_place),
        SHARE_OF_FORCED,
    ),
    "moved_share": Outcome(
        "share of units",
        "sold and moved",
        lambda tables, sales: _share(sales, lambda sale: sale.moved),
        SHARE_OF_FORCED,
    ),
    "scrapped_share": Outcome(
        "share of units",
        "broken up",
        lambda tables, sales: _share(sales, lambda sale: sale.scrapped),
        SHARE_OF_FORCED,
    ),
    "unsold_share": Outcome(
        "share of units",
        "still standing at the end",
        lambda tables, sales: _share(sales, lambda sale: sale.unsold),
        SHARE_OF_FORCED,
    ),
    "sale_weeks": Outcome(
        "weeks",
        "from first to last week with forced units on offer",
        lambda tables, sales: _mean(sales, lambda sale: float(sale.last_week - sale.first_week + 1)),
        LENGTH_OF_SALE,
    ),
    "rent_change_h100": Outcome(
        "log",
        "rent of an H100 in the last week over the first",
        lambda t, s: _change(t, "rent_usd_per_hour_H100"),
        ANY_OR_ABSENT,
    ),
    "value_change_h100": Outcome(
        "log",
        "value of an H100 at the typical operator in the last week over the first",
        lambda tables, sales: _change(tables, "typical_value_usd_H100"),
        ANY_OR_ABSENT,
    ),
    "used_gpus_sold": Outcome(
        "GPUs", "used units sold of their owners' own will", lambda tables, sales: _used_units(tables), COUNT
    ),
    "insolvent_neo_clouds": Outcome(
        "agents",
        "neo-clouds worth less than nothing at last prices, at the end",
        lambda tables, sales: _insolvent(tables, "neo_cloud"),
        COUNT,
    ),
    "insolvent_miners": Outcome(
        "agents",
        "miners worth less than nothing at last prices, at the end",
        lambda tables, sales: _insolvent(tables, "miner"),
        COUNT,
    ),
    "gap_usd": Outcome(
        "USD per GPU",
        "best admissible use less the price received: structural gap and fire-sale discount together",
        lambda tables, sales: _mean(sales, lambda sale: sale.best_use_value_usd - sale.price_usd),
        ANY_OR_ABSENT,
    ),
    "foreclosed": Outcome(
        "probability",
        "whether a lender sold any GPU of a borrower",
        _credit(lambda record: record.foreclosed_gpus > 0),
        SHARE,
    ),
    "foreclosed_gpus": Outcome(
        "GPUs",
        "sold or broken up by lenders",
        _credit(lambda record: record.foreclosed_gpus),
        COUNT,
    ),
    "defaults": Outcome("events", "events of default", _credit(lambda record: record.defaults), COUNT),
    "borrowers_failed": Outcome(
        "borrowers", "enforced against", _credit(lambda record: record.failed), COUNT
    ),
    "breaches": Outcome("events", "covenants breached", _credit(lambda record: record.breaches), COUNT),
    "waivers": Outcome("events", "breaches waived", _credit(lambda record: record.waivers), COUNT),
    "amendments": Outcome("events", "defaults amended", _credit(lambda record: record.amendments), COUNT),
    "cures": Outcome("events", "breaches cured", _credit(lambda record: record.cures), COUNT),
    "refusals": Outcome(
        "events", "refinancing refused at a maturity", _credit(lambda record: record.refusals), COUNT
    ),
    "loss_rate": Outcome(
        "share of debt in week 0",
        "lenders' losses on loans whose collateral is gone",
        _credit(lambda record: record.loss_rate),
        ANY,
    ),
    "open_exposure_rate": Outcome(
        "share of debt in week 0",
        "owed on loans in default whose files are open at the end, so that their loss is not known",
        _credit(lambda record: record.open_exposure_rate),
        POSITIVE,
    ),
    "loss_given_default": Outcome(
        "share of exposure",
        "lenders' losses on such loans over what was owed on them; below 0 where an estate earned more than was owed, above 1 "
        "where it cost more than it brought",
        _credit(lambda record: record.loss_given_default),
        ANY_OR_ABSENT,
    ),
    "seized_gpus": Outcome(
        "GPUs", "taken possession of by lenders", _credit(lambda record: record.seized_gpus), COUNT
    ),
    "neo_clouds_failed": Outcome(
        "neo-clouds", "enforced against", lambda tables, sales: boom.failed_neo_clouds(tables), COUNT
    ),
    "ordered_gpus": Outcome(
        "GPUs",
        "ordered under contracts",
        lambda tables, sales: boom.gpus_in_events(tables, "deal_signed"),
        COUNT,
    ),
    "refused_gpus": Outcome(
        "GPUs",
        "of contracts whose order nobody would finance",
        lambda tables, sales: boom.gpus_in_events(tables, "order_refused"),
        COUNT,
    ),
    "cancelled_gpus": Outcome(
        "GPUs",
        "of orders cancelled before delivery",
        lambda tables, sales: boom.gpus_in_events(tables, "order_cancelled"),
        COUNT,
    ),
    "debt_growth": Outcome(
        "ratio",
        "operators' debt in the last week over that in the first",
        lambda tables, sales: boom.debt_growth(tables),
        Bounds(0, absent=True),
    ),
    "opening_loans_loss_usd": Outcome(
        "USD",
        "lenders' losses on loans that stood in the first recorded week, where the collateral is gone",
        lambda tables, sales: boom.loss_by_age(tables, opening=True),
        ANY,
    ),
    "later_loans_loss_usd": Outcome(
        "USD",
        "the same on loans made later",
        lambda tables, sales: boom.loss_by_age(tables, opening=False),
        ANY,
    ),
    "worst_year_loss_rate": Outcome(
        "share of debt",
        "most that lenders lost within 52 weeks over what operators owed as these began",
        lambda tables, sales: boom.worst_year_loss_rate(tables),
        POSITIVE,
    ),
}

_added: Registry[Outcome] = Registry()


@dataclass(frozen=True, slots=True)
class OfTables:
    """A user's function of a run's tables, which finds every table there is, empty if nothing was written to it.

    It cannot write into them: the next outcome reads the same arrays.
    """

    function: Callable[[Mapping[str, Table]], float]

    def __call__(self, tables: Mapping[str, Table], sales: Sequence[ForcedSale]) -> float:
        """The outcome."""
        whole = {name: dict.fromkeys(columns, np.zeros(0)) for name, columns in TABLES.items()} | dict(tables)
        return self.function(
            {
                name: {column: _for_reading(values) for column, values in table.items()}
                for name, table in whole.items()
            }
        )


def _for_reading(values: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    seen = np.asarray(values).view()
    seen.flags.writeable = False
    return seen


def register_outcome(
    name: str,
    unit: str,
    meaning: str,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    function: Callable[[Mapping[str, Table]], float] | None = None,
) -> None:
    """Keep one more number of every run of a sweep.

    In a plugin it is kept for parameters that name the plugin; registered by hand, for everything in this process.

    Parameters
    ----------
    name
        Column of the sweep's tables: small letters, digits and ``_``.
    unit
        Unit as axes show it, ``1`` for a pure number.
    meaning
        One line for the codebook.
    bounds
        Lowest and highest value it can have, infinite where there is no limit. A run whose value lies outside, or is infinite
        itself, is a failed run.
    function
        Function of the run's tables: table -> column -> values; see the codebook of a stored run. NaN says that the outcome
        does not exist in a run, such as a price where nothing was sold; means leave such runs out.

    Raises
    ------
    TypeError
        If the function cannot be called.
    ValueError
        If the name cannot be used or the bounds are not in order.

    Examples
    --------
    >>> register_outcome("trades", "trades", "executed trades", (0, np.inf), lambda tables: len(tables["trades"]["week"]))
    >>> "trades" in outcomes_of("")
    True
    >>> unregister_outcome("trades")
    """
    if not OUTCOME_NAME.fullmatch(name):
        raise ValueError(f"outcome {name!r}: small letters, digits and _, beginning with a letter")
    check_name("outcome", name)
    for what, text in (("unit", unit), ("meaning", meaning)):
        check_line(f"outcome {name}: {what}", text)
    if name in OUTCOMES:
        raise ValueError(f"outcome {name} is shipped ({OUTCOMES[name].meaning}); give yours another name")
    if name in KEYS:
        raise ValueError(
            f"outcome {name}: tables of a sweep have a column of that name; give yours another name"
        )
    if not callable(function):
        raise TypeError(f"outcome {name}: {function!r} is no function of the run's tables")
    low, high = bounds
    if not low <= high:
        raise ValueError(f"outcome {name}: bounds {low} to {high} are not in order")
    allowed = Bounds(float(low), float(high), absent=True)
    _added.add(name, Outcome(unit, meaning, OfTables(function), allowed, tuple(TABLES)))


def keep_outcomes(outcomes: Mapping[str, Outcome]) -> None:
    """Make these, which were checked before, all that is registered by hand: they came from another process."""
    _added.keep(outcomes)


def unregister_outcome(name: str) -> None:
    """Take back an outcome that was registered by hand."""
    _added.discard(name)


def outcomes_of(plugin: str) -> dict[str, Outcome]:
    """Outcomes for those who name a plugin: the shipped ones, those registered by hand, the plugin's own."""
    return {**OUTCOMES, **_added.of(plugin)}


def measured(
    outcomes: Mapping[str, Outcome], tables: Mapping[str, Table], sales: Sequence[ForcedSale]
) -> dict[str, float]:
    """Every outcome of a run.

    Raises
    ------
    ValueError
        If one cannot be computed, is no number, or lies outside its bounds; names it.
    """
    found = {name: _number(name, outcome, tables, sales) for name, outcome in outcomes.items()}
    for name, value in found.items():
        outcome = outcomes[name]
        if not outcome.bounds.allows(value):
            raise ValueError(
                f"outcome {name} = {value:g} {outcome.unit}; its bounds are {outcome.bounds.ends}"
            )
    return found


def _number(name: str, outcome: Outcome, tables: Mapping[str, Table], sales: Sequence[ForcedSale]) -> float:
    """One outcome; a user's function may fail, or return anything."""
    try:
        value = outcome.measure(tables, sales)
    except Exception as error:
        raise ValueError(f"outcome {name}: {type(error).__name__}: {error}") from error
    if isinstance(value, str | bytes) or np.ndim(value) != 0:
        raise ValueError(f"outcome {name} = {value!r}; it is one number of a run")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"outcome {name} = {value!r}; it is one number of a run") from None
