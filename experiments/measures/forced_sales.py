"""What came of a forced sale, read from the stored tables of a run: quantities by channel, three prices, two gaps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sim.market.week import PriceGaps

Columns = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


@dataclass(frozen=True, slots=True)
class ForcedSale(PriceGaps):
    """One forced class of hardware in one run. Quantities are GPUs, prices USD per GPU.

    Prices are means over the weeks in which forced units were sold, weighted by what was sold; if nothing was sold, over the
    weeks in which they were offered, and `sold` is 0. The two gaps sum to `best_use_value` - `price` exactly as printed
    prices do, because all of them are weighted alike.

    Attributes
    ----------
    taken
        GPUs that came under a mandate.
    in_place, moved, scrapped, unsold
        What became of them; `moved` includes moves within a place.
    best_use_value
        V*, value in the best admissible use under the conditional mean of rents.
    believed_value
        The same as buyers believe: where it is higher, p0 may stand above V* (the belief gap, no fire-sale effect).
    first_lot_price
        p0, price if only one lot had come.
    normal_volume_price
        Price if only the class's normal weekly volume had come.
    price, price_low, price_high
        Price and the ends of the interval of prices that clear the market equally well.
    """

    generation: str
    taken: int
    in_place: int
    moved: int
    scrapped: int
    unsold: int
    first_week: int
    last_week: int
    best_use_value_usd: float
    believed_value_usd: float
    first_lot_price_usd: float
    normal_volume_price_usd: float
    price_usd: float
    price_low_usd: float
    price_high_usd: float

    @property
    def sold(self) -> int:
        """GPUs sold to somebody who uses or holds them."""
        return self.in_place + self.moved

    @property
    def discount_share_at_normal_volume(self) -> float:
        """The same against the price at the class's normal weekly volume: the top of a demand curve is thin."""
        if not self.normal_volume_price_usd > 0:
            return float("nan")
        return 1.0 - self.price_usd / self.normal_volume_price_usd


def all_columns(tables: Mapping[str, pa.Table]) -> dict[str, Columns]:
    """Stored tables as arrays: table -> column -> values."""
    return {name: columns_of(table) for name, table in tables.items()}


def columns_of(table: pa.Table) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Columns of a stored table as arrays."""
    return {name: table.column(name).to_numpy() for name in table.column_names}


def forced_sales(tables: Mapping[str, pa.Table]) -> list[ForcedSale]:
    """Every class of hardware that was offered under a mandate, in order of generation.

    Parameters
    ----------
    tables
        What `experiments.runs.store.load_tables` returns.
    """
    weeks = columns_of(tables["weeks"])
    suffix = "forced_offered_"
    classes = [name.removeprefix(suffix) for name in weeks if name.startswith(suffix) and weeks[name].any()]
    taken = _quantity(tables, "events", kind="possession")
    return [_sale(weeks, tables, name, taken if len(classes) == 1 else None) for name in classes]


def _sale(weeks: Columns, tables: Mapping[str, pa.Table], name: str, taken: int | None) -> ForcedSale:
    offered, sold = weeks[f"forced_offered_{name}"], weeks[f"forced_sold_{name}"]
    weight = sold if sold.any() else offered
    active = np.flatnonzero(offered > 0)
    in_place = _quantity(tables, "trades", generation=name, forced=True, channel="in_place")
    total = _quantity(tables, "trades", generation=name, forced=True)
    scrapped = _scrapped(tables, name)
    unsold = int(weeks[f"forced_standing_{name}"][-1])

    def mean(column: str) -> float:
        values = weeks[f"{column}_usd_{name}"]
        known = (weight > 0) & np.isfinite(values)
        return float(np.average(values[known], weights=weight[known])) if known.any() else float("nan")

    return ForcedSale(
        generation=name,
        taken=taken if taken is not None else total + scrapped + unsold,
        in_place=in_place,
        moved=total - in_place,
        scrapped=scrapped,
        unsold=unsold,
        first_week=int(weeks["week"][active[0]]),
        last_week=int(weeks["week"][active[-1]]),
        best_use_value_usd=mean("best_use_value"),
        believed_value_usd=mean("believed_value"),
        first_lot_price_usd=mean("first_lot_price"),
        normal_volume_price_usd=mean("normal_volume_price"),
        price_usd=mean("price"),
        price_low_usd=mean("price_low"),
        price_high_usd=mean("price_high"),
    )


def _scrapped(tables: Mapping[str, pa.Table], name: str) -> int:
    """GPUs broken up by liquidators; operators scrap old units of their own too."""
    if "events" not in tables:
        return 0
    events, agents = columns_of(tables["events"]), columns_of(tables["agents"])
    liquidators = np.unique(agents["party"][agents["type"] == "liquidator"])
    chosen = (
        (events["kind"] == "scrapped")
        & (events["generation"] == name)
        & np.isin(events["party"], liquidators)
    )
    return int(events["quantity"][chosen].sum())


def _quantity(tables: Mapping[str, pa.Table], table: str, **equal: str | bool) -> int:
    """GPUs in the rows of a table whose columns equal the given values."""
    if table not in tables:
        return 0
    columns = columns_of(tables[table])
    chosen = np.ones(tables[table].num_rows, dtype=np.bool_)
    for name, value in equal.items():
        chosen &= columns[name] == value
    return int(columns["quantity"][chosen].sum())
