"""What the rows of the validation table measure on one seed: functions of the tables of a run's arms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from sim.debt.credit_metrics import LoanTerms, fair_spread

Floats = np.ndarray[Any, np.dtype[np.float64]]
Table = Mapping[str, np.ndarray[Any, Any]]
YEAR = 52
QUARTER = 13
BOOK_LIFE_YEARS = 6.0
SALE_WEEK = 26
SLUMP_WEEK = 20
AFTER = tuple(range(SALE_WEEK + 1, SALE_WEEK + 5))  # four weeks after the sale
WATCHED = (*AFTER, SALE_WEEK + 13, YEAR - 1)  # weeks in which quotes are taken
INSIDERS = ("neo_cloud", "miner", "hyperscaler")  # buyers that run hardware of this kind for others
AIR_COOLED = ("V100", "A100", "H100", "H200", "B200")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row may look at: tables of a run (table -> column -> values), parameters, and hardware at the end.

    Attributes
    ----------
    installed
        GPUs by generation at the end of the run.
    age_years
        Mean age of them, weighted by GPUs.
    quotes
        Week -> generation -> price of one more unit, USD (`sim.discount.collateral.quotes`).
    """

    tables: Mapping[str, Table]
    parameters: Mapping[str, Any]
    installed: Mapping[str, float]
    age_years: Mapping[str, float]
    quotes: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


Measure = Callable[[Mapping[str, Facts]], float]


def _used(facts: Facts, generation: str, *, forced: bool | None = False) -> Table:
    trades = facts.tables.get("trades", {})
    if not trades:
        return {}
    chosen = (trades["generation"] == generation) & (trades["condition"] != "new")
    if forced is not None:
        chosen &= trades["forced"] == forced
    return {name: values[chosen] for name, values in trades.items()}


def _price(trades: Table) -> float:
    """Mean price, USD per GPU, weighted by GPUs."""
    if not trades or trades["quantity"].sum() == 0:
        return float("nan")
    return float(np.average(trades["price_cents"], weights=trades["quantity"])) / 100.0


def _book(facts: Facts, generation: str, age_years: float) -> float:
    left = max(1.0 - age_years / BOOK_LIFE_YEARS, 0.0)
    return float(facts.parameters[f"hardware.list_price_usd.{generation}"]) * left


def price_over_book(arms: Mapping[str, Facts]) -> float:
    """Calm price of used H100 over net book at the mean age in the middle of the run."""
    calm = arms["calm"]
    book = _book(calm, "H100", calm.age_years.get("H100", np.nan) - 0.5)
    return _price(_used(calm, "H100")) / book if book > 0 else float("nan")


def recovery_on_book(facts: Facts, *, moved: bool = False) -> float:
    """Price of the forced class over its net book value at the sale."""
    generation = str(facts.parameters["forced_sale.generation"])
    sold = _used(facts, generation, forced=True)
    if sold and moved:
        kept = sold["channel"] == "moved"
        sold = {name: values[kept] for name, values in sold.items()}
    age = float(facts.parameters["forced_sale.age_years"]) + SALE_WEEK / YEAR
    book = _book(facts, generation, age)
    return _price(sold) / book if book > 0 else float("nan")


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
    """1 less forced over unforced price: regression of log price on a forced dummy with generation x quarter effects."""
    trades = arms["forced"].tables.get("trades", {})
    if not trades:
        return float("nan")
    used = (trades["condition"] != "new") & (trades["price_cents"] > 0)
    table = {name: values[used] for name, values in trades.items()}
    quarter = table["week"] // QUARTER  # the sale begins one: SALE_WEEK is a multiple of it
    _, cell = np.unique([table["generation"], quarter.astype(str)], axis=1, return_inverse=True)
    weight = table["quantity"].astype(float)
    y, x = (
        _within(cell, values, weight)
        for values in (np.log(table["price_cents"]), table["forced"].astype(float))
    )
    spread = float((weight * x * x).sum())
    return float(1.0 - np.exp((weight * x * y).sum() / spread)) if spread > 0 else float("nan")


def _within(cell: Any, values: Any, weight: Floats) -> Floats:
    """Values less the weighted mean of their cell."""
    total = np.bincount(cell, weights=weight)
    return np.asarray(values - (np.bincount(cell, weights=weight * values) / total)[cell])


def spillover(arms: Mapping[str, Facts]) -> float:
    """Mean log quote of H100 in the four weeks after one forced lot, less that without the lot."""
    return _quote_change(arms, "one_lot", "calm", AFTER)


def _quote_change(arms: Mapping[str, Facts], hit: str, free: str, weeks: Sequence[int]) -> float:
    """Mean over weeks of the log of one arm's H100 quote over another's."""
    pairs = [(arms[hit].quotes[week]["H100"], arms[free].quotes[week]["H100"]) for week in weeks]
    change = [np.log(a / b) for a, b in pairs if a > 0 < b]
    return float(np.mean(change)) if change else float("nan")


def closed_segment_fall(arms: Mapping[str, Facts]) -> float:
    """Fall of the H100 quote half a year after a segment of buyers has closed, against the same seed with it open."""
    return 1.0 - float(np.exp(_quote_change(arms, "segment_closed", "calm", WATCHED[-1:])))


def closed_market_fall(arms: Mapping[str, Facts]) -> float:
    """Fall of the H100 quote once nobody but breakers buys, four weeks' mean, against the same seed."""
    return 1.0 - float(np.exp(_quote_change(arms, "all_closed", "calm", AFTER)))


def outsider_ratio(arms: Mapping[str, Facts]) -> float:
    """Price paid by outsiders over that paid by insiders for forced H100, with search."""
    sold = _used(arms["search"], "H100", forced=True)
    if not sold:
        return float("nan")
    inside = np.isin(sold["buyer_type"], INSIDERS)
    outside, own = (
        _price({name: values[rows] for name, values in sold.items()}) for rows in (~inside, inside)
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


def _terms(facts: Facts) -> LoanTerms:
    p = facts.parameters
    return LoanTerms(
        loan_to_cost=float(p["lenders.advance.mixed"]),
        tenor=float(p["lenders.longest_years"]),
        rate=float(p["interest.sofr_initial"]) + float(p["interest.spread_initial"]),
        trend=float(p["rent.trend_deflation"]),
        discount_rate=float(p["interest.sofr_initial"]),
        cost=float(p["lenders.enforcement_cost"]),
    )


def collateral_channel(arms: Mapping[str, Facts]) -> float:
    """Rise of the fair spread after a peer's H100 are sold: of H100 loans, less that of GB200 loans; basis points.

    Hazard 5 % a year; the discount is what the week's quotes say it is against best use.
    """

    def required(arm: str, generation: str) -> float:
        facts, found = arms[arm], []
        for week in AFTER:
            best = float(facts.tables["weeks"][f"clean_best_use_value_usd_{generation}"][week])
            discount = 1.0 - facts.quotes[week][generation] / best
            found.append(1e4 * fair_spread(_terms(facts), 0.05, discount))
        return float(np.mean(found))

    same, other = (
        required("forced", generation) - required("calm", generation) for generation in ("H100", "GB200")
    )
    return same - other


def expected_loss_spread(arms: Mapping[str, Facts], rating: str) -> float:
    """Spread that pays for the expected loss of a loan on tenants of one rating, basis points.

    Hazard of such tenants, discount 1 - p / V* of the forced H100 of the same seed.
    """
    loss = loss_of_best_use(arms)
    hazard = 12.0 * float(arms["forced"].parameters[f"tenants.hazard_{rating}"])
    return 1e4 * fair_spread(_terms(arms["forced"]), hazard, loss) if loss == loss else float("nan")


def slump_falls(arms: Mapping[str, Facts]) -> Floats:
    """Peak-to-trough fall of value at the typical operator by air-cooled class, against the same seed without slump."""
    window = slice(SLUMP_WEEK, SLUMP_WEEK + 26)
    falls = []
    for name in AIR_COOLED:
        column = f"typical_value_usd_{name}"
        hit, free = (arms[arm].tables["weeks"][column][window] for arm in ("slump", "calm"))
        falls.append(1.0 - float(np.nanmin(hit / free)))
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
        np.array([statistic(_used(facts, name), facts.installed[name]) for name in names]),
    )


def thick_turnover(arms: Mapping[str, Facts]) -> float:
    """Rank correlation over generations of installed base with used units sold over installed base."""
    return _by_thickness(
        arms["calm"], lambda trades, units: float(trades["quantity"].sum()) / units if trades else np.nan
    )


def thick_dispersion(arms: Mapping[str, Facts]) -> float:
    """Rank correlation over generations of installed base with the spread of log prices within weeks."""

    def dispersion(trades: Table, units: float) -> float:
        if not trades or len(trades["week"]) < 10:
            return float("nan")
        logs, weeks = np.log(np.maximum(trades["price_cents"], 1)), trades["week"]
        inside = [logs[weeks == week].std() for week in np.unique(weeks) if (weeks == week).sum() >= 2]
        return float(np.mean(inside)) if inside else float("nan")

    return _by_thickness(arms["calm"], dispersion)


def no_foreclosure(arms: Mapping[str, Facts]) -> float:
    """1 if no GPUs are taken or sold by a lender in the replay of October 2025 to September 2026, else 0."""
    events, trades = arms["replay"].tables.get("events", {}), arms["replay"].tables.get("trades", {})
    if not events:
        return float("nan")
    taken = np.isin(events["kind"], ("possession", "foreclosure_sale")) & (events["quantity"] > 0)
    return 0.0 if taken.any() or (bool(trades) and trades["forced"].any()) else 1.0


def some_waiver(arms: Mapping[str, Facts]) -> float:
    """1 if the replay has a waiver or an amendment, else 0; only where the tables tell of credit at all."""
    kinds = arms["replay"].tables.get("events", {}).get("kind", np.array([], dtype=object))
    if not np.isin(kinds, ("loan_drawn", "refinanced", "covenant_breach", "default", "prepayment")).any():
        return float("nan")
    return float(np.isin(kinds, ("waiver", "amendment")).any())


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
    few, many = (_price(_used(arms[name], "H100", forced=True)) for name in ("forced", "forced_large"))
    return abs(float(np.log(many / few))) / float(np.log(4.0)) if few > 0 < many else float("nan")


def level(arms: Mapping[str, Facts], generation: str) -> float:
    """Calm mean price of used units of one generation, USD per GPU."""
    return _price(_used(arms["calm"], generation))


def ladder(arms: Mapping[str, Facts], arm: str) -> float:
    """Price of H100 sold within the deadline of one arm over the price within half a year."""
    quick, slow = (_price(_used(arms[name], "H100", forced=True)) for name in (arm, "half_year"))
    return quick / slow


def loss_of_best_use(arms: Mapping[str, Facts]) -> float:
    """1 - p / V* of the forced H100."""
    sold = _used(arms["forced"], "H100", forced=True)
    if not sold or not sold["quantity"].sum():
        return float("nan")
    best = float(np.average(sold["best_use_value_cents"], weights=sold["quantity"])) / 100.0
    return 1.0 - _price(sold) / best


def hall_megawatts(arms: Mapping[str, Facts]) -> float:
    """IT megawatts of 10,000 H100."""
    return 10_000 / 8 * float(arms["calm"].parameters["hardware.unit_watts.H100"]) / 1e6
