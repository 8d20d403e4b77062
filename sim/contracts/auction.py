"""What tenants pay in a month: the multiple of posted rates at which a year's halls meet a year's demand (docs/boom.md 3).

A hall has a multiple of its own: the rate its operator requires over the posted one. Halls in the order of their multiples are
supply; demand falls with the multiple. Tenants pay no more than a premium over posted rates; there, deals are rationed.
"""

import numpy as np

from agents.vocabulary import Floats


def market_multiple(
    required: Floats, capacity: Floats, demand: float, elasticity: float, most: float
) -> float:
    """Smallest multiple at which halls hold what is asked for, ``X(x) >= Q x^(-e)``; `most` if none does.

    Parameters
    ----------
    required : (halls,)
        Required over posted rate; NaN or infinite for a hall nobody can fill.
    capacity : (halls,)
        H100 equivalents each can hold.
    demand
        H100 equivalents asked for at posted rates, over the time in which the halls come free.

    Examples
    --------
    Two halls of 100 at 0.6 and 0.9. Demand of 50 at posted rates is 108 at 0.6 (elasticity 1.5), more than the first hall; it
    is 100 at 0.63, where the scarcity of the first hall sets the multiple. Demand of 150 would be 100 at 1.31 only, so that the
    second hall is needed:

    >>> halls = np.array([0.6, 0.9]), np.array([100.0, 100.0])
    >>> round(market_multiple(*halls, 50, 1.5, 1.15), 3), round(market_multiple(*halls, 150, 1.5, 1.15), 3)
    (0.63, 0.9)
    >>> market_multiple(*halls, 1e6, 1.5, 1.15)
    1.15
    """
    known = np.isfinite(required) & (capacity > 0)
    order = np.argsort(required[known], kind="stable")
    step, size = required[known][order], np.cumsum(capacity[known][order])
    if demand <= 0:
        return float(min(step[0], most)) if len(step) else most
    # Between two halls supply is flat: the multiple is where demand has fallen to it, if that is before the next hall.
    for i in range(len(step)):
        scarce = float((demand / size[i]) ** (1.0 / elasticity))
        end = float(step[i + 1]) if i + 1 < len(step) else np.inf
        if scarce <= end:
            return float(min(max(step[i], scarce), most))
    return most
