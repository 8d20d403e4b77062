"""The credit metrics of a stored run, in text: what lenders carry, what they would get, when they find out (theory.md D.6).

Everything is read from the run's tables and manifest. Convergence needs two runs beside it with the same seed: a calm one, and
the same stress with forced sales off (`--set credit.defaults=false`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.lender import TIERS
from agents.vocabulary import GENERATIONS, UNIT, WEEKS_PER_YEAR
from experiments.measures.boom import credit_cycle
from experiments.measures.forced_sales import columns_of
from experiments.runs import store
from sim.base.reference import spread_prints, zone_prices
from sim.debt import credit_metrics as metrics
from sim.debt.credit_metrics import Convergence, LoanTerms

Columns = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
HAZARDS = (0.01, 0.02, 0.05, 0.1, 0.2)
LEAST_RETURNS = 8  # of a price series, for a correlation
HOURS = 8_760.0


def loan_terms(parameters: Mapping[str, Any]) -> LoanTerms:
    """A new equipment loan on mixed tenants, from a run's parameters."""
    return LoanTerms(
        loan_to_cost=float(parameters["lenders.advance.mixed"]),
        tenor=float(parameters["lenders.longest_years"]),
        rate=float(parameters["interest.sofr_initial"]) + float(parameters["interest.spread_initial"]),
        trend=float(parameters["rent.trend_deflation"]),
        discount_rate=float(parameters["interest.sofr_initial"]),
        cost=float(parameters["lenders.enforcement_cost"]),
    )


def yields(parameters: Mapping[str, Any], generation: str) -> tuple[float, float]:
    """Revenue after overhead and running cost a year per dollar of new hardware, at opening rents, in a colocation hall."""
    price = float(parameters[f"hardware.list_price_usd.{generation}"])
    kilowatts = float(parameters[f"hardware.unit_watts.{generation}"]) / 1e3
    kilowatts /= int(UNIT[GENERATIONS.index(generation)])
    used, kept = float(parameters["valuation.utilisation"]), 1.0 - float(parameters["valuation.overhead"])
    mwh = float(np.mean(list(zone_prices().values()))) + float(parameters["power.delivery_adder_usd_per_mwh"])
    power = kilowatts * float(parameters["site.pue_colocation"]) * float(parameters["hardware.load_factor"])
    cost = HOURS * power * mwh / 1e3
    cost += 12 * kilowatts * float(parameters["site.hosting_fee_usd_per_kw_month"])
    return float(
        parameters[f"rent.initial_usd_per_hour.{generation}"]
    ) * used * kept * HOURS / price, cost / price


def leverage_lines(collateral: Columns) -> list[str]:
    """Loan to value three ways, all loans of a week together, and how many are above one."""
    lines = []
    for week in np.unique(collateral["week"]):
        now = (collateral["week"] == week) & np.isfinite(collateral["liquidation_usd"])
        if not now.any():
            continue
        owed = collateral["balance_usd"][now]
        ratios = [
            float(owed.sum() / collateral[f"{name}_usd"][now].sum())
            for name in ("appraised", "liquidation", "systemic")
        ]
        above = [
            float((collateral[f"loan_to_value_{name}"][now] > 1).mean())
            for name in ("appraised", "liquidation", "systemic")
        ]
        lines.append(
            f"  week {week}: {' / '.join(f'{ratio:.2f}' for ratio in ratios)}; illusion {ratios[2] - ratios[0]:+.2f}; "
            f"loans above 1: {' / '.join(f'{share:.0%}' for share in above)} of {int(now.sum())}"
        )
    return ["Loan to value appraised / sold alone / sold with all that fail (ratio)", *(lines or ["  none"])]


def date_lines(collateral: Columns, parameters: Mapping[str, Any], generation: str = "H100") -> list[str]:
    """Breach of coverage and going under water: closed form for a new loan, and first weeks of the run's loans."""
    terms = loan_terms(parameters)
    revenue, cost = yields(parameters, generation)
    loan = (terms.loan_to_cost, terms.rate, terms.tenor, terms.trend)
    covenant = float(parameters["credit.dscr_covenant"])
    breach = metrics.coverage_breach_from_primitives(revenue, cost, *loan, covenant)
    under = metrics.underwater_years(*loan)
    crossing = metrics.crossing_tenor(revenue, cost, terms.loan_to_cost, terms.rate, terms.trend)
    lines = [
        f"Dates of a new {generation} loan in closed form, merchant rent on its trend: coverage below {covenant:g} "
        f"{_months(breach)}, under water {_months(under)}; beyond a tenor of {crossing:.1f} years the second is first"
    ]
    for name, found in (
        ("coverage below the covenant", metrics.coverage_breach_weeks(collateral, covenant)),
        ("under water as appraised", metrics.underwater_weeks(collateral, value="appraised_usd")),
        ("under water if sold alone (known once a year)", metrics.underwater_weeks(collateral)),
    ):
        weeks = np.array([week for week in found.values() if week >= 0])
        when = f", median first week {np.median(weeks):.0f}" if len(weeks) else ""
        lines.append(f"  in this run, {name}: {len(weeks)} of {len(found)} loans{when}")
    return lines


def _months(years: float) -> str:
    return f"after {12 * years:.0f} months" if np.isfinite(years) else "never"


def market_lines(weeks: Columns) -> list[str]:
    """Depth and spiral of every forced class: median over the weeks in which it was on offer."""
    lines = []
    for name in weeks:
        if not name.startswith("depth_usd_per_percent_"):
            continue
        generation = name.removeprefix("depth_usd_per_percent_")
        depth, spiral = weeks[name], weeks[f"spiral_multiplier_{generation}"]
        known = ~np.isnan(depth)
        if known.any():
            lines.append(
                f"  {generation}: {_per_percent(float(np.median(depth[known])))}, thinnest week "
                f"{_per_percent(float(depth[known].min()))}; spiral multiplier {np.median(spiral[known]):.2f}, "
                f"largest {spiral[known].max():.2f} ({int(known.sum())} weeks)"
            )
    return [
        "Market depth beyond normal volume, and what a fall would become if all operators kept their leverage constant",
        *(lines or ["  no class was forced beyond its normal volume"]),
    ]


def _per_percent(usd: float) -> str:
    return f"{usd / 1e6:,.1f} million USD per 1 %" if np.isfinite(usd) else "no fall"


def spread_lines(parameters: Mapping[str, Any], hazards: Sequence[float] = HAZARDS) -> list[str]:
    """For each observed spread the discounts that make it fair, by hazard: a set, never a point."""
    terms = loan_terms(parameters)
    lines = [
        f"Discount that makes an observed spread fair, by hazard a year ({terms.tenor:g}-year loan at "
        f"{terms.loan_to_cost:.0%} of cost)",
        "  tenants     date        spread  " + "".join(f"{hazard:>8.0%}" for hazard in hazards),
    ]
    for tenants, (days, points) in spread_prints().items():
        for day, spread in zip(days, points, strict=True):
            found = metrics.fair_pairs(terms, spread / 1e4, hazards)
            cells = "".join(f"{x:>8.0%}" if np.isfinite(x) else f"{'none':>8}" for x in found)
            lines.append(f"  {tenants:<11} {day}  {spread:>4.0f} bp {cells}")
    return [
        *lines,
        "  none: such defaults are too rare for the spread, or cost more than it with no discount at all",
    ]


def joint_spread(bridge: Columns, weeks: int, terms: LoanTerms, loans: int) -> float:
    """Fair spread from a run's own defaults, each with its week and its loss on best use; fraction a year.

    The discount is what quality, structural gap and fire sale took from the value that was sold (theory.md D.6, joint
    law). Loans without a default end with the tenor; a run is read as the first `weeks` weeks of each.
    """
    lost = sum(bridge[name] for name in ("quality_cents", "structural_gap_cents", "fire_sale_discount_cents"))
    sold = np.asarray(lost + bridge["gross_proceeds_cents"], float)
    known = sold > 0
    when = np.full(max(loans, int(known.sum())), np.inf)
    depth = np.zeros(len(when))
    when[: known.sum()] = bridge["default_week"][known] / WEEKS_PER_YEAR
    depth[: known.sum()] = np.asarray(lost, float)[known] / sold[known]
    seen = LoanTerms(
        terms.loan_to_cost,
        min(terms.tenor, weeks / WEEKS_PER_YEAR),
        terms.rate,
        terms.trend,
        terms.discount_rate,
        terms.cost,
    )
    return metrics.fair_spread_of_joint_law(seen, when, depth)


def bridge_lines(bridge: Columns) -> list[str]:
    """Where the money of all defaulted loans went, million USD; closes to the cent or is refused."""
    total = metrics.aggregate_bridge(bridge)
    told = ", ".join(f"{name.replace('_', ' ')} {cents / 1e8:,.1f}" for name, cents in total.items())
    return [f"Loss bridge of {len(bridge['loan'])} files, open ones too (million USD): {told}"]


def returns(weeks: Columns, generation: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Log returns of bitcoin and of the class's price between weeks in which used units were sold."""
    price = np.asarray(weeks[f"trade_price_usd_{generation}"], float)
    known = np.flatnonzero(np.isfinite(price) & (price > 0))
    return np.diff(np.log(np.asarray(weeks["btc_usd"], float)[known])), np.diff(np.log(price[known]))


def convergence(calm: Columns, stress: Columns, without: Columns, generation: str) -> Convergence | None:
    """Rise of the correlation of bitcoin and a class's price, the part of forced sales apart; None if trades are too few."""
    pairs = [returns(weeks, generation) for weeks in (calm, stress, without)]
    if min(len(pair[0]) for pair in pairs) < LEAST_RETURNS:
        return None
    return metrics.convergence_index(*pairs)


def credit_cycle_lines(tables: Mapping[str, Columns]) -> list[str]:
    """Debt and when it falls due, spreads with their parts, what lenders have seen, and what a new unit is worth."""
    weeks, year = tables["weeks"], credit_cycle(tables)[-1]

    def last(column: str) -> float:
        return float(weeks[column][-1])

    def charged(tier: str, part: str = "") -> float:
        values = np.asarray(weeks[f"spread_{part}{tier}_bps"][-WEEKS_PER_YEAR:], dtype=np.float64)
        return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else float("nan")

    lines = [
        "Operators' debt, last week (billion USD)",
        f"  on equipment {year.equipment_debt_usd / 1e9:.1f}, notes and convertibles {year.notes_usd / 1e9:.1f}, halls "
        f"{year.hall_debt_usd / 1e9:.1f}, undrawn {year.undrawn_usd / 1e9:.1f}",
        f"  due within a year {year.due_in_a_year_usd / 1e9:.1f}, within three years {year.due_in_three_years_usd / 1e9:.1f}; "
        f"hedge {year.hedge_share:.0%}, speculative {year.speculative_share:.0%}, Ponzi {year.ponzi_share:.0%}",
        "Spread charged, mean of the last 52 weeks (basis points: loss + capital + funding); defaults over loan-years seen",
    ]
    for tier in TIERS:
        parts = " + ".join(
            f"{charged(tier, part):.0f}" for part in ("expected_loss_", "capital_", "funding_")
        )
        lines.append(
            f"  {tier}: {charged(tier):.0f} = {parts}; {last(f'defaults_seen_{tier}'):.0f} over "
            f"{last(f'loan_years_seen_{tier}'):.0f}"
        )
    worth = [(name, last(f"value_over_list_{name}")) for name in GENERATIONS]
    known = ", ".join(f"{name} {ratio:.2f}" for name, ratio in worth if np.isfinite(ratio))
    return [*lines, f"Value of a new unit over its list price: {known or 'nothing is on sale'}"]


def report(folder: Path, calm: Path | None = None, without: Path | None = None) -> str:
    """Every credit metric of a stored run; with a calm run and one without forced sales also convergence."""
    tables = {name: columns_of(table) for name, table in store.load_tables(folder).items()}
    manifest = store.load_manifest(folder)
    parameters = manifest["parameters"]
    lines = [f"{manifest['title']}: {manifest['weeks']} weeks, seed {manifest['seed']}"]
    lines += credit_cycle_lines(tables)
    if "collateral" in tables:
        lines += [*leverage_lines(tables["collateral"]), *date_lines(tables["collateral"], parameters)]
    lines += market_lines(tables["weeks"])
    if "loss_bridge" in tables and len(tables["loss_bridge"]["loan"]):
        lines += bridge_lines(tables["loss_bridge"])
        loans = len(np.unique(tables["collateral"]["loan"])) if "collateral" in tables else 0
        asked = joint_spread(tables["loss_bridge"], manifest["weeks"], loan_terms(parameters), loans)
        lines.append(f"  fair spread by this run's own defaults and losses: {1e4 * asked:,.0f} bp")
    lines += spread_lines(parameters)
    if calm is not None and without is not None:
        others = [columns_of(store.load_tables(place)["weeks"]) for place in (calm, without)]
        for generation in ("H100", "A100", "H200", "B200"):
            found = convergence(others[0], tables["weeks"], others[1], generation)
            if found is not None:
                lines.append(
                    f"Convergence of bitcoin and {generation} prices: calm {found.calm:+.2f}, stress {found.stress:+.2f} "
                    f"corrected for volatility; index {found.total:+.2f}, of it forced sales {found.endogenous:+.2f}"
                )
    return "\n".join(lines)
