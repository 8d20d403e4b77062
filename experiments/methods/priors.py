"""Priors of history matching: what is believed of every parameter that is graded C or assumed, and the sceptic's box."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.design.designs import Factor, Value, Variation
from sim.parameters import Parameters

Floats = np.ndarray[Any, np.dtype[np.float64]]
WIDENING = 3.0
GRADES = ("C", "assumption")
# Beginnings of units that are no scale: uniform between their ends.
BOUNDED = ("share", "probability", "log", "correlation", "ratio", "multiple")
WIDEST = 100.0  # ratio of the ends of a range, and upper end where the default is zero, beyond which it is no belief
# Length of the run, numerics, when a scenario strikes, and shares that have to sum to one: not beliefs about the world.
LEFT_OUT = (
    "clock.",
    "market.",
    "search.",
    "discount.",
    "forced_sale.",
    "rent.slump",
    "credit.stop",
    "hardware.unit_watts.",
    "world.miners",
    "world.neo_clouds",
    "world.lenders",
    "world.liquidators",
    "world.hyperscalers",
    "world.enterprises",
    "world.exporters",
    "world.salvagers",
    "world.places_per_operator",
)
# economics.md 14; total dealer cash of 0.1 to 5 billion USD is five dealers' own.
SCEPTICS_BOX: dict[str, tuple[float, float]] = {
    "site.vacancy": (0.005, 0.06),
    "site.assignable_share": (0.0, 1.0),
    "hyperscalers.used_discount": (0.05, 0.5),
    "liquidators.warehouse_capital_usd": (20e6, 1e9),
    "forced_sale.deadline_weeks": (4, 52),
}


@dataclass(frozen=True, slots=True)
class Prior:
    """An independent prior: uniform between two ends, of the logarithm for scales.

    Attributes
    ----------
    held
        The schema's allowed range is narrower than the widening asks for.
    """

    factor: Factor
    unit: str
    default: float
    held: bool = False

    @property
    def key(self) -> str:
        """Dotted parameter key."""
        return self.factor.key


def priors() -> list[Prior]:
    """Priors of every parameter graded C or assumed that is a belief about the world, and of the sceptic's box."""
    found = []
    for row in Parameters().describe():
        key = row["key"]
        if key in SCEPTICS_BOX:
            low, high = SCEPTICS_BOX[key]
            scale = "log" if high / max(low, 1e-12) > 20 and low > 0 else "linear"
            found.append(_prior(row, low, high, scale, held=False))
        elif row["grade"] in GRADES and not key.startswith(LEFT_OUT):
            prior = _belief(row)
            if prior is not None:
                found.append(prior)
    return found


def _belief(row: Mapping[str, Any]) -> Prior | None:
    value, low, high = row["value"], row["low"], row["high"]
    if isinstance(value, bool | str) or low is None or high is None or not low < high:
        return None
    is_scale = value > 0 and not str(row["unit"]).startswith(BOUNDED)
    if value == 0 and high > WIDEST:
        return None  # switched off, over a range that is no belief
    if not is_scale:
        return _prior(row, low, high, "linear", held=False)
    if low <= 0 or high / low > WIDEST:
        # An allowed range this wide is no belief; three times either way is.
        return _prior(row, max(low, value / WIDENING), min(high, value * WIDENING), "log", held=False)
    return _prior(row, low, high, "log", held=high / low < WIDENING)


def _prior(row: Mapping[str, Any], low: float, high: float, scale: Any, *, held: bool) -> Prior:
    whole = isinstance(row["value"], int)
    if whole:
        low, high = float(np.floor(low)), float(np.ceil(high))
        low = max(low, 1.0) if scale == "log" else low
    variation = Variation(low=float(low), high=float(high), scale=scale)
    return Prior(Factor(row["key"], variation, whole), row["unit"], float(row["value"]), held)


def overrides_at(beliefs: Sequence[Prior], coordinates: Floats) -> dict[str, Value]:
    """Parameters of a point of the cube."""
    return {
        prior.key: prior.factor.at(min(float(u), 1.0 - 1e-12))
        for prior, u in zip(beliefs, coordinates, strict=True)
    }


def box_corners() -> list[dict[str, Value]]:
    """The corners of the sceptic's box, every other parameter at its default."""
    return [dict(zip(SCEPTICS_BOX, ends, strict=True)) for ends in itertools.product(*SCEPTICS_BOX.values())]
