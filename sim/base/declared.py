"""What is declared of a number that is written down: unit, meaning, and the bounds outside which it is a fault.

A number is finite unless its bounds say that it may be infinite, and there unless they say that it may be absent (NaN).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

Values = np.ndarray[Any, np.dtype[Any]]
NUMBERS = "iuf"  # kinds of dtype that have bounds; words, flags and dates have none


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lowest and highest value, inclusive; an infinite end is no limit, and does not allow infinity itself.

    Attributes
    ----------
    absent
        NaN is allowed: the number does not exist there.
    infinite
        Infinity is allowed where the ends do not forbid it.

    Examples
    --------
    >>> str(Bounds(0, 1)), str(Bounds(0, absent=True)), str(Bounds(1, infinite=True)), str(Bounds())
    ('0 to 1', 'at least 0, or absent', 'at least 1, or infinite', 'any finite number')
    """

    low: float = -math.inf
    high: float = math.inf
    absent: bool = False
    infinite: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"bounds {self.low:g} to {self.high:g} are not in order")

    @property
    def ends(self) -> str:
        """The two ends in words."""
        return {
            (False, False): f"{self.low:g} to {self.high:g}",
            (False, True): f"at least {self.low:g}",
            (True, False): f"at most {self.high:g}",
            (True, True): "any finite number",
        }[math.isinf(self.low), math.isinf(self.high)]

    def __str__(self) -> str:
        return f"{self.ends}{', or infinite' * self.infinite}{', or absent' * self.absent}"

    def allows(self, value: float) -> bool:
        """Whether one number is within.

        >>> Bounds(0).allows(math.inf), Bounds(0, infinite=True).allows(math.inf), Bounds(0).allows(math.nan)
        (False, True, False)
        """
        if math.isnan(value):
            return self.absent
        return self.low <= value <= self.high and (self.infinite or not math.isinf(value))

    def first_outside(self, values: Values) -> int | None:
        """Index of the first of many numbers that is not allowed; None if all are."""
        if len(values) == 0:
            return None
        # Two passes settle almost every column: what may not be absent shows in ends that NaN takes over.
        least, most = (np.fmin, np.fmax) if self.absent else (np.minimum, np.maximum)
        if self.allows(float(least.reduce(values))) and self.allows(float(most.reduce(values))):
            return None
        wrong = (values < self.low) | (values > self.high)
        if values.dtype.kind == "f":
            wrong |= ~np.isfinite(values) & ~(
                (np.isnan(values) & self.absent) | (np.isinf(values) & self.infinite)
            )
        return int(np.argmax(wrong)) if wrong.any() else None


class Declared(tuple[str, str]):
    """Unit and meaning of a column, a pair; its bounds stand beside them, None for words, flags and dates."""

    bounds: Bounds | None

    def __new__(cls, unit: str, meaning: str, bounds: Bounds | None = None) -> Self:
        """Unit, meaning, bounds."""
        pair = super().__new__(cls, (unit, meaning))
        pair.bounds = bounds
        return pair

    def __getnewargs__(self) -> tuple[str, str, Bounds | None]:
        return (*self, self.bounds)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # nothing in it changes


def bounds_of(said: tuple[str, str]) -> Bounds | None:
    """Bounds of a column, if any are declared beside its unit and meaning."""
    return getattr(said, "bounds", None)


def outside(
    tables: Mapping[str, Mapping[str, Values]], declared: Mapping[str, Mapping[str, tuple[str, str]]]
) -> list[str]:
    """One line for every column that holds a number outside its bounds, or numbers without any: the first of them.

    Parameters
    ----------
    tables
        Table -> column -> values.
    declared
        Table -> column -> what is declared of it.

    Examples
    --------
    >>> said = {"trades": {"week": Declared("week", "when", Bounds(0)), "sold": Declared("GPUs", "units", Bounds(0))}}
    >>> outside({"trades": {"week": np.array([4, 5]), "sold": np.array([8, -8])}}, said)
    ['trades.sold = -8 GPUs in week 5; its bounds: at least 0']
    """
    lines = []
    for table, columns in tables.items():
        for name, values in columns.items():
            if values.dtype.kind not in NUMBERS:
                continue
            unit, bounds = declared[table][name][0], bounds_of(declared[table][name])
            if bounds is None:
                lines.append(f"{table}.{name} holds numbers and has no bounds")
            elif (row := bounds.first_outside(values)) is not None:
                when = f" in week {columns['week'][row]}" if "week" in columns else f" in row {row}"
                lines.append(f"{table}.{name} = {values[row]:.12g} {unit}{when}; its bounds: {bounds}")
    return lines


# -- bounds that many columns share ---------------------------------------------------------------------------

LONGEST_RUN = 2_080
# More money than there is (10 ** 15 USD): beyond it sums of a run are no longer safe in 64 bits.
MOST_CENTS = 1e17
MOST_UNITS = 1e12

ANY = Bounds()
POSITIVE = Bounds(0)
SHARE = Bounds(0, 1)
WEEK = Bounds(0, LONGEST_RUN)
ROW = Bounds(0, MOST_UNITS)
ROW_OR_NOBODY = Bounds(-1, MOST_UNITS)
COUNT = Bounds(0, MOST_UNITS)
COUNT_OF_SATOSHI = Bounds(0, 21e14)  # all bitcoin there will ever be
AMOUNT = Bounds(0, MOST_CENTS)
SIGNED_AMOUNT = Bounds(-MOST_CENTS, MOST_CENTS)
PRICE = Bounds(0, absent=True)
COVERAGE = Bounds(infinite=True)  # infinite where nothing fell due
