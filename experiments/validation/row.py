"""One row of the validation table."""

from dataclasses import dataclass

from experiments.validation.facts import Measure


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
