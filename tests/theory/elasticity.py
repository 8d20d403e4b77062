"""Operating leverage of a GPU's value (contracts.md 3)."""

import numpy as np
from numpy.typing import ArrayLike

from agents.valuation import unit_value
from agents.vocabulary import Floats


def rent_elasticity(**valuation: ArrayLike | None) -> Floats:
    """Per cent by which `unit_value` moves per per cent of rent: operating leverage and a shortening life.

    Central difference in logs over 0.1 per cent of rent, keyword arguments as `unit_value`.
    """
    step = 1e-3
    rent = np.asarray(valuation.pop("rent"), float)
    up, down = (unit_value(rent=rent * np.exp(sign * step), **valuation) for sign in (1.0, -1.0))  # type: ignore[arg-type]
    return np.asarray(np.log(up / down) / (2.0 * step))
