"""How many units the market absorbs: one forced week at each quantity, through the scenario's own machinery.

Each point is a run of the scenario up to the week of the forced sale, with that many GPUs pledged, everything offered at
once, a deadline in that week and the scrap value as reserve, so that the price is what demand pays and not what the seller
holds out for. Price p and first-lot price p0 are the model's own (`sim.discount.three_prices`), in the same week and book.
A(X) is the largest quantity with p >= X p0, interpolated in the logarithm of quantity between points.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agents.vocabulary import GENERATIONS, PRODUCT_GENERATION, PoolKind
from experiments.design.scenario import Scenario
from experiments.figures import absorption_figure
from experiments.runs import provenance, signals, store
from experiments.runs.folder import writing
from experiments.runs.run import RunError
from sim.debt.credit_metrics import market_depth
from sim.market.market import rent_per_gpu
from sim.market.week import MarketWeek
from sim.model import FireSaleModel

QUANTITIES = (1_000, 3_000, 6_000, 10_000, 20_000, 40_000, 80_000, 150_000, 300_000)
DRAFT_QUANTITIES = (1_000, 10_000, 60_000, 300_000)
SEEDS, DRAFT_SEEDS = 5, 2
RUN_QUANTITIES, RUN_SEEDS = (1_000, 5_000, 10_000, 20_000, 50_000, 300_000), 5
VACANCY: dict[str, float | None] = {"loose": 0.06, "tight": 0.005}
AS_SET: dict[str, float | None] = {"as set": None}  # vacancy of the scenario
WAYS = {"moved": False, "in place": True}
# A demand curve, not a seller's patience: all at once, due now, nothing held back above scrap.
ONE_WEEK = (
    "liquidators.release=at_once",
    "liquidators.reserve=scrap",
    "forced_sale.deadline_weeks=0",
    "discount.anatomy=false",
    "discount.shapley_weeks=0",
)
CASH_SPENT = 0.97
HEADLINE_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Point:
    """One forced week. Prices in USD per GPU, quantities in GPUs, shares of GPUs sold."""

    way: str
    slots: str
    seed: int
    quantity: int
    offered: int
    sold: int
    best_use_value_usd: float
    first_lot_price_usd: float
    price_usd: float
    price_low_usd: float
    price_high_usd: float
    slot_bound: float
    cash_bound: float
    regime: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """A(X) of one arm: median and extremes over seeds, GPUs; `runs` curves, `above` of them never fell below X p0."""

    way: str
    slots: str
    share: float
    median: float
    low: float
    high: float
    runs: int
    above: int
    below: int


COLUMNS = {
    "way": ("", "moved or in place"),
    "slots": ("", "free slots: loose 6 %, tight 0.5 %, or as the scenario sets them"),
    "seed": ("", "seed"),
    "quantity": ("GPUs", "pledged"),
    "offered": ("GPUs", "offered in the forced week"),
    "sold": ("GPUs", "sold in the forced week"),
    "best_use_value_usd": ("USD per GPU", "best admissible use V*"),
    "first_lot_price_usd": ("USD per GPU", "first-lot price p0"),
    "price_usd": ("USD per GPU", "clearing price p"),
    "price_low_usd": ("USD per GPU", "lowest clearing price"),
    "price_high_usd": ("USD per GPU", "highest clearing price"),
    "slot_bound": ("share of GPUs sold", "bought where power or cooling earns a rent"),
    "cash_bound": ("share of GPUs sold", "bought by parties that spent their cash"),
    "regime": ("", "what decides the price"),
}
CAPACITY_COLUMNS = {
    "way": COLUMNS["way"],
    "slots": COLUMNS["slots"],
    "share": ("share of p0", "X"),
    "median": ("GPUs", "A(X), median over seeds"),
    "low": ("GPUs", "smallest"),
    "high": ("GPUs", "largest"),
    "runs": ("curves", "number of seeds"),
    "above": ("curves", "that stayed above X at the largest quantity: A is at least that"),
    "below": ("curves", "below X at the smallest quantity already: A is less than that"),
}
DEPTH_COLUMNS = {
    "way": COLUMNS["way"],
    "slots": COLUMNS["slots"],
    "quantity": ("GPUs", "geometric middle of the arc"),
    "usd_per_percent": ("USD", "forced volume per 1 % fall of the mean price over seeds"),
}


def measure(
    scenario: Scenario,
    *,
    quantities: Sequence[int] = QUANTITIES,
    seeds: Sequence[int] = tuple(range(7, 7 + SEEDS)),
    slots: Mapping[str, float | None] = VACANCY,
    settings: Sequence[str] = (),
    on_point: Callable[[], None] = lambda: None,
) -> tuple[list[Point], list[str]]:
    """Every point of the absorption curves, and the points the world cannot house, one line each.

    About 0.7 s a point on a shared core: 180 points took 129 s; the 32 of a draft 15 s.
    """
    points, missing = [], []
    for way, in_place in WAYS.items():
        for name, vacancy in slots.items():
            for quantity in quantities:
                for seed in seeds:
                    chosen = [
                        *settings,
                        *ONE_WEEK,
                        f"forced_sale.gpus={quantity}",
                        f"forced_sale.in_place={str(in_place).lower()}",
                        *([] if vacancy is None else [f"site.vacancy={vacancy}"]),
                    ]
                    try:
                        points.append(_forced_week(scenario, chosen, way, name, seed, quantity))
                    except RunError as error:
                        missing.append(f"{way}, {name}, {quantity:,} GPUs, seed {seed}: {error}")
                    on_point()
    return points, missing


def _forced_week(
    scenario: Scenario, settings: Sequence[str], way: str, slots: str, seed: int, quantity: int
) -> Point:
    """Run to the forced week and read its market."""
    parameters = scenario.parameters(None, settings)
    try:
        model = FireSaleModel(parameters, rng=seed)
    except ValueError as error:
        raise RunError(f"the world cannot be built: {error}") from error
    model.run_for(parameters.forced_sale.week + 1)
    signals.check()
    generation = GENERATIONS.index(parameters.forced_sale.generation)
    quotes = [quote for quote in model.market_week.quotes if PRODUCT_GENERATION[quote.product] == generation]
    if not quotes:
        raise RunError("nothing was offered in the forced week")
    quote = max(quotes, key=lambda one: one.offered)
    slot_bound, cash_bound, regime = _binding(model.market_week, quote.product, quote.offered)
    return Point(
        way=way,
        slots=slots,
        seed=seed,
        quantity=quantity,
        offered=quote.offered,
        sold=quote.sold,
        best_use_value_usd=quote.best_use_value_usd,
        first_lot_price_usd=quote.first_lot_price_usd,
        price_usd=quote.price_usd,
        price_low_usd=quote.price_low_usd,
        price_high_usd=quote.price_high_usd,
        slot_bound=slot_bound,
        cash_bound=cash_bound,
        regime=regime,
    )


def _binding(week: MarketWeek, product: int, offered: int) -> tuple[float, float, str]:
    """Shares of the units sold where slots or cash bind, and the name of what decides the price.

    The price is decided by the buyer with the least left of its limit among those free to buy more: neither its slot nor its
    cash is used up. Where every buyer is bound, by the constraint that binds more of the units.
    """
    result = week.result
    trades, buy = result.trades, result.orders.buy
    forced = result.orders.sell.forced[trades.sell] & (trades.product == product)
    rows, quantity = trades.buy[forced], trades.quantity[forced]
    sold = int(quantity.sum())
    if sold == 0:
        return 0.0, 0.0, "scrap"
    rent = rent_per_gpu(result.clearing, result.venue.network)[product, trades.buyer_node[forced]]
    spent = np.zeros(len(buy.party))
    np.add.at(spent, trades.buy, trades.quantity * (trades.price_cents + trades.freight_cents).astype(float))
    slots = rent > 0
    cash = spent[rows] >= CASH_SPENT * buy.cash_cents[rows]
    shares = float(quantity[slots].sum() / sold), float(quantity[cash].sum() / sold)
    if sold < offered:
        return *shares, "scrap"
    free = ~slots & ~cash
    if not free.any():
        return *shares, "slots" if shares[0] >= shares[1] else "cash in the market"
    limit = buy.value_cents[rows] * (1.0 - buy.margin[rows])
    left = limit - (trades.price_cents + trades.freight_cents)[forced] - rent
    marginal = rows[free][int(np.argmin(left[free]))]
    buyer = week.world.ledger.parties.type[int(buy.party[marginal])]
    where = PoolKind(int(week.view.pools.kind[buy.pool[marginal]]))
    return *shares, f"{_words(buyer)}, {_words(where.name)}"


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


def capacity_of(quantity: Sequence[float], ratio: Sequence[float], share: float) -> float:
    """A(X) of one curve: where p/p0 first falls below `share`, interpolated in ln Q.

    Infinity if it never does, zero if it is below at the first point already.
    """
    q, r = np.asarray(quantity, float), np.asarray(ratio, float)
    short = np.flatnonzero(r < share)
    if len(short) == 0:
        return float(np.inf)
    after = int(short[0])
    if after == 0:
        return 0.0
    weight = (r[after - 1] - share) / (r[after - 1] - r[after])
    return float(np.exp(np.log(q[after - 1]) + weight * np.log(q[after] / q[after - 1])))


def capacities(points: Sequence[Point], shares: Sequence[float] = (0.9, 0.7, 0.5)) -> list[Capacity]:
    """A(X) of every arm over its seeds. Ends of the range measured stand in for what lies beyond them."""
    found = []
    for way, slots in sorted({(p.way, p.slots) for p in points}, reverse=True):
        arm = [p for p in points if (p.way, p.slots) == (way, slots)]
        for share in shares:
            values, ends = [], []
            for seed in sorted({p.seed for p in arm}):
                curve = sorted((p for p in arm if p.seed == seed), key=lambda p: p.quantity)
                quantity = [p.quantity for p in curve]
                values.append(
                    capacity_of(quantity, [p.price_usd / p.first_lot_price_usd for p in curve], share)
                )
                ends.append((quantity[0], quantity[-1]))
            shown = [min(max(v, low), high) for v, (low, high) in zip(values, ends, strict=True)]
            found.append(
                Capacity(
                    way,
                    slots,
                    share,
                    float(np.median(shown)),
                    min(shown),
                    max(shown),
                    len(shown),
                    sum(np.isinf(v) for v in values),
                    sum(v == 0 for v in values),
                )
            )
    return found


def depths(points: Sequence[Point]) -> dict[str, list[Any]]:
    """Market depth on each arc of the mean curve, `sim.debt.credit_metrics.market_depth`."""
    table: dict[str, list[Any]] = {name: [] for name in DEPTH_COLUMNS}
    for way, slots in sorted({(p.way, p.slots) for p in points}, reverse=True):
        arm = [p for p in points if (p.way, p.slots) == (way, slots)]
        quantity = np.array(sorted({p.quantity for p in arm}), dtype=float)
        if len(quantity) < 2:
            continue
        price = np.array([np.mean([p.price_usd for p in arm if p.quantity == q]) for q in quantity])
        middle = np.sqrt(quantity[1:] * quantity[:-1])
        for q, depth in zip(middle, market_depth(quantity, price), strict=True):
            for name, value in zip(DEPTH_COLUMNS, (way, slots, float(q), float(depth)), strict=True):
                table[name].append(value)
    return table


def sentence(found: Sequence[Capacity], generation: str = "H100") -> str:
    """The headline in one sentence, median and range over seeds."""
    parts = []
    for one in found:
        if one.share != HEADLINE_SHARE:
            continue
        if one.below == one.runs:
            amount = f"fewer than {one.high:,.0f}"
        else:
            floor = "at least " if one.above * 2 > one.runs else ""
            amount = (
                f"{floor}{one.median:,.0f} ({_end(one.low, one.below, '<')}–{_end(one.high, one.above, '>')})"
            )
        parts.append(f"{amount} {one.way}" + (f" with {one.slots} slots" if one.slots in VACANCY else ""))
    runs = max((one.runs for one in found), default=0)
    return (
        f"In one week, at or above {HEADLINE_SHARE:.0%} of the first-lot price, the market takes {generation}: "
        + "; ".join(parts)
        + f" (median and range over {runs} seeds)."
    )


def _end(value: float, beyond: int, sign: str) -> str:
    return f"{sign if beyond else ''}{value:,.0f}"


def save(
    folder: str | Path,
    scenario: Scenario,
    points: Sequence[Point],
    missing: Sequence[str],
    *,
    generation: str,
    seconds: float,
    overwrite: bool = False,
    is_part: bool = False,
) -> str:
    """Write tables and figure into a result folder; returns the headline."""
    found = capacities(points)
    headline = sentence(found, generation)
    manifest = {
        "scenario": scenario.name,
        "title": f"Absorption: {scenario.title}",
        "headline": headline,
        "not_run": list(missing),
        "provenance": provenance.record(provenance.model_code()),
        "timings": {"seconds": round(seconds, 1)},
    }
    tables = {
        "absorption": _columns(points, Point),
        "capacity": _columns(found, Capacity),
        "depth": {name: np.array(values) for name, values in depths(points).items()},
    }
    meanings = {"absorption": COLUMNS, "capacity": CAPACITY_COLUMNS, "depth": DEPTH_COLUMNS}
    with writing(folder, kind="absorption", overwrite=overwrite, is_part=is_part) as scratch:
        store.save(scratch, tables, meanings, manifest)
        table = pd.DataFrame(tables["absorption"])
        absorption_figure.write(table, scratch / "absorption.png", generation, HEADLINE_SHARE)
    return headline


def _columns(rows: Sequence[Any], kind: type) -> dict[str, Any]:
    records = [asdict(row) for row in rows]
    return {f.name: np.array([record[f.name] for record in records]) for f in fields(kind)}


def run_absorption(
    scenario: Scenario,
    folder: str | Path,
    *,
    draft: bool = False,
    settings: Sequence[str] = (),
    overwrite: bool = False,
) -> str:
    """Measure, store and draw; returns the headline and, if any, how many points could not be run."""
    quantities, seeds = (DRAFT_QUANTITIES, DRAFT_SEEDS) if draft else (QUANTITIES, SEEDS)
    began = time.perf_counter()
    measured = measure(scenario, quantities=quantities, seeds=tuple(range(7, 7 + seeds)), settings=settings)
    return _stored(scenario, folder, measured, began, settings, overwrite)


def answer(
    scenario: Scenario,
    folder: str | Path,
    *,
    seed: int,
    settings: Sequence[str] = (),
    on_point: Callable[[], None] = lambda: None,
) -> str:
    """How many units one week takes above 70 % of the first-lot price, moved and in place, at the scenario's own vacancy.

    Stores tables and figure in `folder` as `run_absorption` does; `POINTS` runs up to the week of the sale.
    """
    began = time.perf_counter()
    seeds = tuple(range(seed, seed + RUN_SEEDS))
    measured = measure(
        scenario, quantities=RUN_QUANTITIES, seeds=seeds, slots=AS_SET, settings=settings, on_point=on_point
    )
    return _stored(scenario, folder, measured, began, settings, overwrite=True, is_part=True)


POINTS = len(WAYS) * len(RUN_QUANTITIES) * RUN_SEEDS


def _stored(
    scenario: Scenario,
    folder: str | Path,
    measured: tuple[list[Point], list[str]],
    began: float,
    settings: Sequence[str],
    overwrite: bool,
    is_part: bool = False,
) -> str:
    points, missing = measured
    if not points:
        raise RunError(f"no point could be run; the first: {missing[0]}")
    headline = save(
        folder,
        scenario,
        points,
        missing,
        generation=scenario.parameters(None, settings).forced_sale.generation,
        seconds=time.perf_counter() - began,
        overwrite=overwrite,
        is_part=is_part,
    )
    return headline + (f" {len(missing)} points could not be run; see the manifest." if missing else "")
