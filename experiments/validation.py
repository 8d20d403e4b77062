"""Scores the model against what is known of markets like this one, and publishes what fails beside what passes.

Rows are those of `theory.md` C as corrected by `economics.md` 15, registered here before they are run: data, source,
statistic, band and discrepancy. Each seed runs every arm, so that rows which compare arms compare the same shocks. A band
row passes if the central 90 % of seeds lies in its band, a sign row if 95 % of seeds have the sign, a share row if the
wanted share of seeds shows the event. What the tables of a run do not hold is not available, and is never made up.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Floats = np.ndarray[Any, np.dtype[np.float64]]
Table = Mapping[str, np.ndarray[Any, Any]]
SEEDS = 200  # theory.md C; fewer is a draft
YEAR = 52
BOOK_LIFE_YEARS = 6.0
SALE_WEEK = 26
AIR_COOLED = ("V100", "A100", "H100", "H200", "B200")
CLOCK: dict[str, Any] = {"clock.weeks": YEAR}
FORCED: dict[str, Any] = {
    **CLOCK,
    "forced_sale.enabled": True,
    "forced_sale.generation": "H100",
    "forced_sale.gpus": 10_000,
    "forced_sale.week": SALE_WEEK,
}
ARMS: dict[str, dict[str, Any]] = {
    "calm": CLOCK,
    "forced": FORCED,
    "forced_large": FORCED | {"forced_sale.gpus": 40_000},
    "one_lot": FORCED | {"forced_sale.gpus": 256},
    "slump": CLOCK | {"rent.slump_week": 20, "rent.slump": float(np.log(0.4))},
    "liquid_slump": FORCED
    | {
        "forced_sale.generation": "GB200",
        "forced_sale.gpus": 7_200,
        "forced_sale.age_years": 0.5,
        "rent.slump_week": 20,
        "rent.slump": -0.5,
    },
    "replay": CLOCK
    | {
        "clock.start": "2025-10-06",
        "rent.driver": "replay",
        "bitcoin.driver": "replay",
        "interest.driver": "replay",
    },
    "seven_days": FORCED | {"forced_sale.deadline_weeks": 1},
    "thirty_days": FORCED | {"forced_sale.deadline_weeks": 4},
    "half_year": FORCED | {"forced_sale.deadline_weeks": 26},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row may look at: tables of a run (table -> column -> values), parameters, and hardware at the end.

    Attributes
    ----------
    installed
        GPUs by generation at the end of the run.
    age_years
        Mean age of them, weighted by GPUs.
    """

    tables: Mapping[str, Table]
    parameters: Mapping[str, Any]
    installed: Mapping[str, float]
    age_years: Mapping[str, float]


Measure = Callable[[Mapping[str, Facts]], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the validation table.

    Attributes
    ----------
    kind
        band, sign, share (a share of seeds), comparison or reported (both unscored), verification (a matter of unit tests).
    low, high
        Band in `unit`; of a sign row one of them is 0; of a share row the share that is wanted.
    discrepancy
        Standard deviation by which the model may miss the data although it is right about the mechanism, in `unit`.
    measure
        Statistic of one seed from its arms, or None where the tables do not hold it; `why` then says what is missing.
    calibrates
        It enters the implausibility of history matching.
    """

    id: str
    quantity: str
    kind: str
    unit: str
    low: float
    high: float
    data: str
    source: str
    statistic: str
    discrepancy: float
    arms: tuple[str, ...] = ()
    measure: Measure | None = None
    why: str = ""
    calibrates: bool = False

    @property
    def scored(self) -> bool:
        """It counts as passed or failed."""
        return self.kind in ("band", "sign", "share")


# -- statistics of one seed ----


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


def liquid_price_over_book(arms: Mapping[str, Facts]) -> float:
    """Price of moved, forced GB200 in a slump over net book at the sale."""
    facts = arms["liquid_slump"]
    moved = _used(facts, "GB200", forced=True)
    if moved:
        kept = moved["channel"] == "moved"
        moved = {name: values[kept] for name, values in moved.items()}
    age = float(facts.parameters["forced_sale.age_years"]) + SALE_WEEK / YEAR
    book = _book(facts, "GB200", age)
    return _price(moved) / book if book > 0 else float("nan")


def raw_discount(arms: Mapping[str, Facts]) -> float:
    """1 less forced over unforced price of H100, geometric mean over weeks in which both were sold."""
    facts = arms["forced"]
    forced, free = _used(facts, "H100", forced=True), _used(facts, "H100")
    if not forced or not free:
        return float("nan")
    logs, weights = [], []
    for week in np.intersect1d(forced["week"], free["week"]):
        pair = [
            _price({name: values[table["week"] == week] for name, values in table.items()})
            for table in (forced, free)
        ]
        logs.append(np.log(pair[0] / pair[1]))
        weights.append(float(forced["quantity"][forced["week"] == week].sum()))
    return float(1.0 - np.exp(np.average(logs, weights=weights))) if logs else float("nan")


def spillover(arms: Mapping[str, Facts]) -> float:
    """Mean log price of unforced used H100 in the four weeks after one forced lot, less that without the lot."""
    column = "trade_price_usd_H100"
    with_lot, without = (arms[name].tables["weeks"] for name in ("one_lot", "calm"))
    window = slice(SALE_WEEK + 1, SALE_WEEK + 5)
    change = np.log(with_lot[column][window] / without[column][window])
    return float(np.nanmean(change)) if np.isfinite(change).any() else float("nan")


def slump_falls(arms: Mapping[str, Facts]) -> Floats:
    """Peak-to-trough fall of value at the typical operator by air-cooled class, against the same seed without slump."""
    window = slice(20, 46)
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
    ranks = [np.argsort(np.argsort(np.asarray(x)[known], kind="stable")).astype(float) for x in (a, b)]
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


def level(generation: str) -> Measure:
    """Calm mean price of used units of one generation, USD per GPU."""
    return lambda arms: _price(_used(arms["calm"], generation))


def ladder(arm: str) -> Measure:
    """Price of H100 sold within one horizon over the price within half a year."""

    def measure(arms: Mapping[str, Facts]) -> float:
        quick, slow = (_price(_used(arms[name], "H100", forced=True)) for name in (arm, "half_year"))
        return quick / slow

    return measure


def loss_of_best_use(arms: Mapping[str, Facts]) -> float:
    """1 - p / V* of the forced H100."""
    sold = _used(arms["forced"], "H100", forced=True)
    if not sold or not sold["quantity"].sum():
        return float("nan")
    best = float(np.average(sold["reference_value_cents"], weights=sold["quantity"])) / 100.0
    return 1.0 - _price(sold) / best


def hall_megawatts(arms: Mapping[str, Facts]) -> float:
    """IT megawatts of 10,000 H100."""
    return 10_000 / 8 * float(arms["calm"].parameters["hardware.unit_watts.H100"]) / 1e6


def observed_range(generation: str) -> tuple[float, float]:
    """Lowest and highest cited price of used or street units, ranges in the note included; USD per GPU, or NaN."""
    from sim.reference import rows_of

    prices: list[float] = []
    for row in rows_of("used_price_points.csv"):
        # Boards without a server and sales of new units are no price of a used system unit.
        if row["generation"] != generation or "PCIe" in row["kind"] or row["kind"].endswith("new"):
            continue
        prices.append(float(row["usd_per_gpu"]))
        for low, high in re.findall(r"(\d[\d,]{3,})-(\d[\d,]{3,})", row["kind"]):
            prices += [float(low.replace(",", "")), float(high.replace(",", ""))]
    return (min(prices), max(prices)) if prices else (float("nan"), float("nan"))


# -- the registered rows ----


def rows() -> list[Row]:
    """Every row in order, scored or not."""
    from experiments.validation_rows import registered

    return registered()


# -- running and scoring ----


def facts_of(overrides: Mapping[str, Any], seed: int, replication: int = 0) -> Facts:
    """Run the model once and keep what rows look at."""
    from agents.vocabulary import GENERATIONS, PRODUCT_GENERATION
    from experiments.run import simulate
    from sim.parameters import Parameters

    parameters = Parameters.from_overrides(overrides)
    model = simulate(parameters, seed, replication=replication)
    lots = model.world.ledger.lots
    generation = PRODUCT_GENERATION[lots.product]
    installed, age = {}, {}
    for g, name in enumerate(GENERATIONS):
        mine = (generation == g) & (lots.arrival <= parameters.clock.weeks)
        units = lots.quantity[mine]
        installed[name] = float(units.sum())
        years = (parameters.clock.weeks - lots.vintage[mine]) / YEAR
        age[name] = float(np.average(years, weights=units)) if units.sum() else float("nan")
    return Facts(model.tables(), parameters.flat(), installed, age)


def statistics(
    seed: int, changes: Mapping[str, Any] | None = None, only: Sequence[str] = (), replication: int = 0
) -> dict[str, float]:
    """Row -> statistic of one seed; a row whose arm cannot be run has NaN.

    Parameters
    ----------
    changes
        Parameters changed in every arm, for calibration; an arm's own settings win.
    only
        Ids of rows; all that can be measured if left out.
    """
    chosen = [row for row in rows() if row.measure is not None and (not only or row.id in only)]
    needed = dict.fromkeys(name for row in chosen for name in row.arms)
    arms = {name: facts_of({**(changes or {}), **ARMS[name]}, seed, replication) for name in needed}
    found = {}
    for row in chosen:
        assert row.measure is not None
        with np.errstate(all="ignore"):
            found[row.id] = float(row.measure(arms))
    return found


def validate(
    seeds: Sequence[int], *, workers: int = 1, on_seed: Callable[[int], None] = lambda done: None
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Score every row over seeds.

    Returns
    -------
    table, values
        One line per row as `score` gives it; and the statistics, one line per seed, one column per row.
    """
    import pandas as pd

    found = []
    if workers > 1:
        from multiprocessing import get_context

        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for done, entry in enumerate(pool.map(statistics, seeds), start=1):
                found.append(entry)
                on_seed(done)
    else:
        for done, seed in enumerate(seeds, start=1):
            found.append(statistics(seed))
            on_seed(done)
    values = pd.DataFrame(found, index=pd.Index(seeds, name="seed"))
    return score(rows(), values), values


def score(registered: Sequence[Row], values: "pd.DataFrame") -> "pd.DataFrame":
    """Verdict of every row from its statistics over seeds.

    Returns
    -------
    DataFrame
        Columns id, quantity, verdict (pass, fail, unscored, not available), kind, unit, low and high of the band, median, q05,
        q95 (over seeds), in_band (share of seeds), seeds, data, source, statistic, discrepancy, note.
    """
    import pandas as pd

    lines = []
    for row in registered:
        sample = values[row.id].to_numpy(dtype=np.float64) if row.id in values else np.zeros(0)
        known = sample[np.isfinite(sample)]
        q05, median, q95 = np.quantile(known, (0.05, 0.5, 0.95)) if len(known) else (np.nan,) * 3
        verdict, share, note = _verdict(row, known, len(sample))
        if row.kind == "share" and len(known):
            median, (q05, q95) = float(known.mean()), _wilson(float(known.mean()), len(known))
        lines.append(
            {
                "id": row.id,
                "quantity": row.quantity,
                "verdict": verdict,
                "kind": row.kind,
                "unit": row.unit,
                "low": row.low,
                "high": row.high,
                "median": float(median),
                "q05": float(q05),
                "q95": float(q95),
                "in_band": share,
                "seeds": len(known),
                "data": row.data,
                "source": row.source,
                "statistic": row.statistic,
                "discrepancy": row.discrepancy,
                "note": note,
            }
        )
    return pd.DataFrame(lines)


def _verdict(row: Row, known: Floats, asked: int) -> tuple[str, float, str]:
    """Verdict, share of seeds in the band, and a note."""
    if not row.scored and row.measure is None:
        return "unscored", float("nan"), row.why
    if len(known) == 0 or 2 * len(known) < asked:
        note = row.why or f"the tables of {asked - len(known)} of {asked} seeds do not hold it"
        return "not available", float("nan"), note
    note = row.why if len(known) >= SEEDS else " ".join(filter(None, (row.why, "draft: few seeds")))
    if row.kind == "share":
        return ("pass" if known.mean() >= row.low else "fail"), float(known.mean()), note
    if row.kind == "sign":
        right = float((known > 0).mean() if row.low == 0 else (known < 0).mean())
        return ("pass" if right >= 0.95 else "fail"), right, note
    inside = float(((known >= row.low) & (known <= row.high)).mean()) if row.low == row.low else float("nan")
    if row.kind != "band":
        return "unscored", inside, note
    q05, q95 = np.quantile(known, (0.05, 0.95))
    return ("pass" if row.low <= q05 and q95 <= row.high else "fail"), inside, note


def _wilson(share: float, n: int, z: float = 1.6449) -> tuple[float, float]:
    """90 % interval of a share of n trials."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return middle - half, middle + half
