"""What the manufacturer sells when: each generation for three years from its release, the last one for ever (assumption)."""

from datetime import date

import numpy as np

from agents.vocabulary import N_GENERATIONS, WEEKS_PER_YEAR, Ints
from sim.base import reference

SOLD_YEARS = 3.0


def sold_in(week: Ints, start: date) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Generations sold in weeks relative to `start`, shape (weeks, G).

    >>> from agents.vocabulary import GENERATIONS
    >>> sold = sold_in(np.array([-152, 0]), date(2026, 10, 5))
    >>> [[GENERATIONS[g] for g in np.flatnonzero(row)] for row in sold]
    [['A100', 'H100'], ['H200', 'B200', 'GB200', 'GB300', 'VR200']]
    """
    released = np.array([(day - start).days / 7 for day in reference.available_from()])
    age = np.asarray(week, dtype=np.float64)[:, None] - released[None, :]
    ends = np.full(N_GENERATIONS, SOLD_YEARS * WEEKS_PER_YEAR)
    ends[released.argmax()] = np.inf
    return np.asarray((age >= 0) & (age < ends[None, :]))
