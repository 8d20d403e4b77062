"""Ranges of observations that are read from the shipped data, for rows of the validation table that name them."""

import re
from collections.abc import Callable

from sim.base.reference import rows_of, spread_prints


def used_prices(generation: str) -> tuple[float, float]:
    """Lowest and highest cited price of used or street units, ranges in the note included; USD per GPU, or NaN.

    >>> used_prices("A100")
    (4000.0, 18000.0)
    """
    prices: list[float] = []
    for row in rows_of("used_price_points.csv"):
        # Boards without a server and sales of new units are no price of a used system unit.
        if row["generation"] != generation or "PCIe" in row["kind"] or row["kind"].endswith("new"):
            continue
        prices.append(float(row["usd_per_gpu"]))
        for low, high in re.findall(r"(\d[\d,]{3,})-(\d[\d,]{3,})", row["kind"]):
            prices += [float(low.replace(",", "")), float(high.replace(",", ""))]
    return (min(prices), max(prices)) if prices else (float("nan"), float("nan"))


def loan_spreads(rating: str) -> tuple[float, float]:
    """Lowest and highest dated spread over SOFR of GPU loans on tenants of a rating; basis points, or NaN.

    >>> low, high = loan_spreads("mixed")
    >>> low < high
    True
    """
    _, spreads = spread_prints().get(rating, ([], []))
    return (min(spreads), max(spreads)) if spreads else (float("nan"), float("nan"))


RANGES: dict[str, Callable[..., tuple[float, float]]] = {
    "used_prices": used_prices,
    "loan_spreads": loan_spreads,
}
