"""What the rows of the validation table measure of credit on one seed: functions of the tables of a run's arms."""

from collections.abc import Mapping

import numpy as np

from agents.lender import TIERS
from experiments.measures.boom import month_ends
from experiments.validation.facts import SALE_WEEK, Facts, Floats, Table

# Quarter's end at which one borrower's debt and active power are both cited, in weeks of the hindcast.
JUNE_2025 = 24
QUARTERS = 4
WEEKS_A_MONTH = 52 / 12


def spread_after_sale(arms: Mapping[str, Facts]) -> float:
    """Spread on loans signed after a peer's units are sold, less that of the same seed without the sale, basis points.

    Mean over tiers and weeks in which both runs have lent.
    """
    change = [_charged(arms["forced"], tier) - _charged(arms["calm"], tier) for tier in TIERS]
    after = np.concatenate([values[SALE_WEEK + 1 :] for values in change])
    known = after[np.isfinite(after)]
    return float(known.mean()) if len(known) else float("nan")


def _charged(facts: Facts, tier: str, part: str = "") -> Floats:
    """Spread of the month's loans of a tier, or a part of it, by week, basis points."""
    name = f"spread_{part}_{tier}_bps" if part else f"spread_{tier}_bps"
    return np.asarray(facts.tables["weeks"][name], dtype=np.float64)


def charged_spread(arms: Mapping[str, Facts], rating: str) -> float:
    """Mean spread of a tier's loans signed in three calm years, basis points."""
    return _mean(_charged(arms["three_years"], rating))


def premium(arms: Mapping[str, Facts], rating: str) -> float:
    """What lenders ask for capital and for their own funding in three calm years, basis points."""
    return sum(_mean(_charged(arms["three_years"], rating, part)) for part in ("capital", "funding"))


def simulated_loss(arms: Mapping[str, Facts], rating: str) -> float:
    """Defaults of a tier a loan-year times loss over exposure of all tiers, seen in three calm years, basis points.

    The two are simulated together, so that losses are large where defaults come together.
    """
    weeks = arms["three_years"].tables["weeks"]
    years, defaults = (float(weeks[f"{name}_seen_{rating}"][-1]) for name in ("loan_years", "defaults"))
    exposure, loss = (float(weeks[f"{name}_seen_usd"][-1]) for name in ("exposure", "loss"))
    if years == 0.0:
        return float("nan")
    return 1e4 * defaults / years * (loss / exposure if exposure else 0.0)


def fair_spread(arms: Mapping[str, Facts], rating: str) -> float:
    """Simulated expected loss and the premium for capital and funding, basis points."""
    return simulated_loss(arms, rating) + premium(arms, rating)


def spread_gap(arms: Mapping[str, Facts], dear: str, cheap: str) -> float:
    """Mean spread of one tier less that of another in the hindcast, basis points."""
    high, low = (_mean(_charged(arms["hindcast"], tier)) for tier in (dear, cheap))
    return high - low


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def no_foreclosure(arms: Mapping[str, Facts]) -> float:
    """1 if no GPUs are taken or sold by a lender in the replay of October 2025 to September 2026, else 0."""
    events, trades = arms["replay"].tables.get("events", {}), arms["replay"].tables.get("trades", {})
    if not events:
        return float("nan")
    taken = np.isin(events["kind"], ("possession", "foreclosure_sale")) & (events["quantity"] > 0)
    return 0.0 if taken.any() or (bool(trades) and trades["forced"].any()) else 1.0


def some_waiver(arms: Mapping[str, Facts]) -> float:
    """1 if the replay has an amendment, or a waiver of a test that late delivery or coverage failed, else 0.

    A waiver of a test of collateral is none: what was filed came from late halls and technical breaches, not from marks.
    """
    events = arms["replay"].tables.get("events", {})
    if not events:
        return float("nan")
    by_mark = np.char.startswith(np.asarray(events["detail"], dtype=str), "loan_to_value")
    return float(((events["kind"] == "amendment") | ((events["kind"] == "waiver") & ~by_mark)).any())


def debt_per_megawatt(arms: Mapping[str, Facts]) -> float:
    """Neo-clouds' debt over the IT power of their running units, end of June 2025, million USD per MW."""
    debt = _debt(arms["hindcast"], JUNE_2025)
    watts = float(arms["hindcast"].tables["weeks"]["neo_cloud_watts"][JUNE_2025])
    return float(debt["balance_cents"].sum()) / 1e8 / (watts / 1e6) if watts else float("nan")


def unsecured_share(arms: Mapping[str, Facts]) -> float:
    """Notes and convertibles in neo-clouds' debt in the last recorded week of the hindcast."""
    debt = _debt(arms["hindcast"], int(arms["hindcast"].tables["loans"]["week"].max()))
    owed = debt["balance_cents"].astype(np.float64)
    unsecured = np.isin(debt["kind"], ("notes", "convertible"))
    return float(owed[unsecured].sum() / owed.sum()) if owed.sum() else float("nan")


def debt_growth(arms: Mapping[str, Facts]) -> float:
    """Neo-clouds' debt at the end of June 2026 over that at the start of the hindcast."""
    loans = arms["hindcast"].tables["loans"]
    first, last = (float(_debt(arms["hindcast"], week)["balance_cents"].sum()) for week in (0, 76))
    return last / first if first and len(loans["week"]) else float("nan")


def commitments_a_quarter(arms: Mapping[str, Facts]) -> float:
    """Loans signed a quarter in the last year of the hindcast, billion USD."""
    weeks = arms["hindcast"].tables["weeks"]
    return float(weeks["loans_signed_usd"][month_ends(weeks["date"])][-12:].sum()) / QUARTERS / 1e9


def _debt(facts: Facts, week: int) -> Table:
    """Loans of neo-clouds in one recorded week."""
    loans, agents = facts.tables["loans"], facts.tables["agents"]
    clouds = np.unique(agents["party"][agents["type"] == "neo_cloud"])
    mine = (loans["week"] == week) & np.isin(loans["debtor"], clouds)
    return {name: values[mine] for name, values in loans.items()}
