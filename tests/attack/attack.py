"""What every attack has: counts, a function that runs it, and the report it gives."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_SHOWN = 20


@dataclass
class Report:
    """What came of an attack.

    Attributes
    ----------
    counts
        Kind of try or of answer -> how many; printed as a table.
    faults
        One line for each try whose answer was not the required one, with what repeats it.
    lines
        Anything else to print, such as a table.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The report as it is printed."""
        width = max((len(name) for name in self.counts), default=0)
        rows = [f"   {name:<{width}}  {count:>9,}" for name, count in sorted(self.counts.items())]
        shown = [f"   FAULT {line}" for line in self.faults[:MOST_SHOWN]]
        more = len(self.faults) - len(shown)
        left_out = [f"   and {more:,} faults more"] if more > 0 else []
        return "\n".join([*rows, *(f"   {line}" for line in self.lines), *shown, *left_out])


@dataclass(frozen=True)
class Attack:
    """An attack on the tool.

    Attributes
    ----------
    what
        One line: what is tried, and what must come of it.
    full, small
        How many tries `make attack` and `.ci/run` take.
    run
        Count and seed -> report.
    """

    what: str
    full: int
    small: int
    run: Callable[[int, int], Report]
