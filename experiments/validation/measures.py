"""What the rows of the validation table measure of prices on one seed: functions of the tables of a run's arms."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from experiments.validation.facts import (
    AFTER,
    AIR_COOLED,
    BOOK_LIFE_YEARS,
    INSIDERS,
    SALE_WEEK,
    SLUMP_WEEK,
    WATCHED,
    YEAR,
    Facts,
    Floats,
    Table,
    mean_price,
    used_trades,
)

# A class whose value is within this share of what its parts fetch stands on a floor, and falls no further.
AT_THE_FLOOR = 0.02


def _book(facts: Facts, generation: str, age_years: Any) -> Any:
    """List price less a six-year line, USD per GPU."""
    left = np.maximum(1.0 - np.asarray(age_years) / BOOK_LIFE_YEARS, 0.0)
    return float(facts.parameters[f"hardware.list_price_usd.{generation}"]) * left


def price_over_book(arms: Mapping[str, Facts]) -> float:
    """Calm price of used H100 over the net book of the units sold, each at its age."""
    sold = used_trades(arms["calm"], "H100")
    if not sold or not sold["quantity"].sum():
        return float("nan")
    book = float(np.average(_book(arms["calm"], "H100", sold["age_years"]), weights=sold["quantity"]))
    return mean_price(sold) / book if book > 0 else float("nan")


def recovery_on_book(facts: Facts, *, moved: bool = False) -> float:
    """Price of the forced class over its net book value at the sale."""
    generation = str(facts.parameters["forced_sale.generation"])
    sold = used_trades(facts, generation, forced=True)
    if sold and moved:
        kept = sold["channel"] == "moved"
        sold = {name: values[kept] for name, values in sold.items()}
    age = float(facts.parameters["forced_sale.age_years"]) + SALE_WEEK / YEAR
    book = float(_book(facts, generation, age))
    return mean_price(sold) / book if book > 0 else float("nan")


def liquid_price_over_book(arms: Mapping[str, Facts]) -> float:
    """Price of moved, forced GB200 in a slump over net book at the sale."""
    return recovery_on_book(arms["liquid_slump"], moved=True)


def distress_and_specificity(arms: Mapping[str, Facts]) -> float:
    """What distress takes from the recovery on book of liquid-cooled racks beyond what it takes from H100; shares of book."""
    liquid, air = (
        recovery_on_book(arms[slump]) - recovery_on_book(arms[calm])
        for slump, calm in (("liquid_slump", "liquid"), ("forced_slump", "forced"))
    )
    return liquid - air


def raw_discount(arms: Mapping[str, Facts]) -> float:
    """1 less forced over unforced price, both over the believed value of the class in the same week.

    Regression of log price over value on a forced dummy with generation x week effects: a forced trade is compared with others
    of its class and its week, so that neither a falling market nor the mix of weeks is taken for a discount.
    """
    trades = arms["forced"].tables.get("trades", {})
    if not trades:
        return float("nan")
    known = (
        (trades["condition"] != "new") & (trades["price_cents"] > 0) & (trades["best_use_value_cents"] > 0)
    )
    table = {name: values[known] for name, values in trades.items()}
    _, cell = np.unique([table["generation"], table["week"].astype(str)], axis=1, return_inverse=True)
    weight = table["quantity"].astype(float)
    over_value = np.log(table["price_cents"] / table["best_use_value_cents"])
    y, x = (_within(cell, values, weight) for values in (over_value, table["forced"].astype(float)))
    spread = float((weight * x * x).sum())
    return float(1.0 - np.exp((weight * x * y).sum() / spread)) if spread > 0 else float("nan")


def _within(cell: Any, values: Any, weight: Floats) -> Floats:
    """Values less the weighted mean of their cell."""
    total = np.bincount(cell, weights=weight)
    return np.asarray(values - (np.bincount(cell, weights=weight * values) / total)[cell])


def spillover(arms: Mapping[str, Facts]) -> float:
    """Mean log quote of H100 in the four weeks after one forced lot, less that without the lot."""
    return _quote_change(arms, "one_lot", "calm", AFTER)


def _quote_change(
    arms: Mapping[str, Facts], hit: str, free: str, weeks: Sequence[int], *, of_volume: bool = False
) -> float:
    """Mean over weeks of the log of one arm's H100 quote over another's, of one unit or of a usual week's volume."""
    kind = "volume_quotes" if of_volume else "quotes"
    pairs = [
        (getattr(arms[hit], kind)[week]["H100"], getattr(arms[free], kind)[week]["H100"]) for week in weeks
    ]
    change = [np.log(a / b) for a, b in pairs if a > 0 < b]
    return float(np.mean(change)) if change else float("nan")


def closed_segment_fall(arms: Mapping[str, Facts]) -> float:
    """Fall of the price of a usual week's H100 half a year after the largest buyers have left, against the same seed."""
    change = _quote_change(arms, "segment_closed", "calm", WATCHED[-1:], of_volume=True)
    return 1.0 - float(np.exp(change))


def closed_market_fall(arms: Mapping[str, Facts]) -> float:
    """Fall of the H100 quote once nobody but breakers buys, four weeks' mean, against the same seed."""
    return 1.0 - float(np.exp(_quote_change(arms, "all_closed", "calm", AFTER)))


def outsider_ratio(arms: Mapping[str, Facts]) -> float:
    """Price paid by outsiders over that paid by insiders for forced H100, with search."""
    sold = used_trades(arms["search"], "H100", forced=True)
    if not sold:
        return float("nan")
    inside = np.isin(sold["buyer_type"], INSIDERS)
    outside, own = (
        mean_price({name: values[rows] for name, values in sold.items()}) for rows in (~inside, inside)
    )
    return outside / own


def _insider_share(trades: Table, chosen: Any) -> float:
    units = trades["quantity"][chosen].astype(float)
    inside = np.isin(trades["buyer_type"][chosen], INSIDERS)
    return float(units[inside].sum() / units.sum()) if units.sum() else float("nan")


def insider_excess(arms: Mapping[str, Facts]) -> float:
    """Insiders' share of used purchases less their share of new ones, with search, calm."""
    trades = arms["search_calm"].tables.get("trades", {})
    if not trades:
        return float("nan")
    new = trades["condition"] == "new"
    return _insider_share(trades, ~new) - _insider_share(trades, new)


def insider_retreat(arms: Mapping[str, Facts]) -> float:
    """Insiders' share of used H100 from the sale on, less the same without the sale, with search."""
    shares = []
    for name in ("search", "search_calm"):
        trades = arms[name].tables.get("trades", {})
        if not trades:
            return float("nan")
        used = (trades["generation"] == "H100") & (trades["condition"] != "new")
        shares.append(_insider_share(trades, used & (trades["week"] >= SALE_WEEK)))
    return shares[0] - shares[1]


def slump_falls(arms: Mapping[str, Facts]) -> Floats:
    """Peak-to-trough fall of value at the typical operator by air-cooled class, against the same seed without slump.

    NaN for a class that stands on the value of its parts in the slump: it cannot show how far it would fall.
    """
    window = slice(SLUMP_WEEK, SLUMP_WEEK + 26)
    falls = []
    for name in AIR_COOLED:
        column = f"typical_value_usd_{name}"
        hit, free = (arms[arm].tables["weeks"][column][window] for arm in ("slump", "calm"))
        parts = float(arms["slump"].parameters[f"hardware.salvage_usd.{name}"])
        floored = float(np.nanmin(hit)) <= parts * (1.0 + AT_THE_FLOOR)
        falls.append(np.nan if floored else 1.0 - float(np.nanmin(hit / free)))
    return np.array(falls)


def fall_spread(arms: Mapping[str, Facts]) -> float:
    """Fall of the A100 less fall of the B200."""
    falls = slump_falls(arms)
    return float(falls[AIR_COOLED.index("A100")] - falls[AIR_COOLED.index("B200")])


def fall_order(arms: Mapping[str, Facts]) -> float:
    """Rank correlation of the fall with the age of the class; 1 if every older class falls more."""
    return -_rank_correlation(np.arange(len(AIR_COOLED)), slump_falls(arms))


def _rank_correlation(a: Any, b: Any) -> float:
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 3:
        return float("nan")
    ranks = [stats.rankdata(np.asarray(x)[known]) for x in (a, b)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _by_thickness(facts: Facts, statistic: Callable[[Table, float], float]) -> float:
    names = [name for name, units in facts.installed.items() if units > 0]
    return _rank_correlation(
        np.array([facts.installed[name] for name in names]),
        np.array([statistic(used_trades(facts, name), facts.installed[name]) for name in names]),
    )


def thick_turnover(arms: Mapping[str, Facts]) -> float:
    """Rank correlation over generations of installed base with used units sold over installed base."""
    return _by_thickness(
        arms["calm"], lambda trades, units: float(trades["quantity"].sum()) / units if trades else np.nan
    )


def thick_dispersion(arms: Mapping[str, Facts]) -> float:
    """Rank correlation over generations of the number of trades with how far one trade is from the next in the same pool.

    Pairs of trades of one class in one pool in successive weeks with trades: the mean of ``|log price ratio| / sqrt(weeks
    between)``.
    """
    counts, spreads = [], []
    for name in arms["calm"].installed:
        trades = used_trades(arms["calm"], name)
        found = _successive(trades) if trades else np.zeros(0)
        counts.append(len(trades["week"]) if trades else 0)
        spreads.append(float(found.mean()) if len(found) else np.nan)
    return _rank_correlation(np.array(counts, float), np.array(spreads))


def _successive(trades: Table) -> Floats:
    """Moves of the log price between successive weeks with trades in one pool, over the root of the weeks between."""
    found = []
    for pool in np.unique(trades["seller_pool"]):
        here = trades["seller_pool"] == pool
        weeks, row = np.unique(trades["week"][here], return_index=True)
        logs = np.log(np.maximum(trades["price_cents"][here][row], 1))
        found.append(np.abs(np.diff(logs)) / np.sqrt(np.diff(weeks)))
    return np.concatenate(found) if found else np.zeros(0)


def decay(arms: Mapping[str, Facts], generation: str) -> float:
    """Fall of the price of one more unit in a year of the replay, from the first to the last week it is quoted for."""
    quoted = arms["replay"].quotes
    first, last = WATCHED[0], WATCHED[-1]
    then, now = quoted[first][generation], quoted[last][generation]
    if not then > 0 < now:
        return float("nan")
    return 1.0 - float((now / then) ** (YEAR / (last - first)))


def quote_gain(arms: Mapping[str, Facts], arm: str) -> float:
    """Log of the H100 quote of one arm over that of calm, mean of the weeks from a quarter after week 26 on."""
    return _quote_change(arms, arm, "calm", WATCHED[-2:])


def slot_price(arms: Mapping[str, Facts]) -> float:
    """Median capitalised power rent over pools and weeks where power binds in the forced arm, USD per IT kW."""
    pools = arms["forced"].tables.get("pools", {})
    rents = pools["power_rent_cents_per_watt"] if pools else np.zeros(0)
    rents = rents[rents > 0]
    return float(np.median(rents)) * 10.0 if len(rents) else float("nan")


def slot_rent(arms: Mapping[str, Facts]) -> float:
    """Calm annual rent of a slot: hosting fee and interest on the capitalised rent where used units went, USD per kW."""
    facts = arms["calm"]
    trades = facts.tables.get("trades", {})
    if not trades:
        return float("nan")
    open_pools = trades["pool_kind"] == "open"
    if not trades["quantity"][open_pools].sum():
        return float("nan")
    rent = np.average(trades["power_rent_cents_per_watt"][open_pools], weights=trades["quantity"][open_pools])
    fee = 12.0 * float(facts.parameters["site.hosting_fee_usd_per_kw_month"])
    return fee + float(rent) * 10.0 * float(facts.parameters["valuation.discount_rate"])


def depth(arms: Mapping[str, Facts]) -> float:
    """Fall of log price per unit of log quantity between 10,000 and 40,000 forced H100."""
    few, many = (
        mean_price(used_trades(arms[name], "H100", forced=True)) for name in ("forced", "forced_large")
    )
    return abs(float(np.log(many / few))) / float(np.log(4.0)) if few > 0 < many else float("nan")


def level(arms: Mapping[str, Facts], generation: str) -> float:
    """Calm mean price of used units of one generation, USD per GPU."""
    return mean_price(used_trades(arms["calm"], generation))


def ladder(arms: Mapping[str, Facts], arm: str) -> float:
    """Price of H100 sold within the deadline of one arm over the price within half a year."""
    quick, slow = (mean_price(used_trades(arms[name], "H100", forced=True)) for name in (arm, "half_year"))
    return quick / slow


def loss_of_best_use(arms: Mapping[str, Facts]) -> float:
    """1 - p / V* of the forced H100."""
    sold = used_trades(arms["forced"], "H100", forced=True)
    if not sold or not sold["quantity"].sum():
        return float("nan")
    best = float(np.average(sold["best_use_value_cents"], weights=sold["quantity"])) / 100.0
    return 1.0 - mean_price(sold) / best


def hall_megawatts(arms: Mapping[str, Facts]) -> float:
    """IT megawatts of 10,000 H100."""
    return 10_000 / 8 * float(arms["calm"].parameters["hardware.unit_watts.H100"]) / 1e6
