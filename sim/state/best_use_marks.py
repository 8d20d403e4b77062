"""What appraisals would say had every mark been the best use (economics.md section 13)."""

from dataclasses import dataclass, field

import numpy as np

from agents.vocabulary import N_CONDITIONS, N_PRODUCTS, Floats
from sim.debt.covenants import appraise
from sim.parameters.credit import CreditParameters


@dataclass(slots=True)
class BestUseMarks:
    """The appraisers' filter F on best uses: marks of every week, and what the filter made of them, USD per GPU."""

    marks: list[Floats] = field(default_factory=list)
    filtered: Floats = field(default_factory=lambda: np.zeros(N_PRODUCTS))

    def mark(self, reference: Floats) -> None:
        """Keep the best use of every generation as the week opens, (G,) USD."""
        self.marks.append(np.repeat(reference, N_CONDITIONS))

    def appraise(self, credit: CreditParameters) -> None:
        """One quarter of the filter, with the appraisers' own lag and weight."""
        lagged = self.marks[max(len(self.marks) - 1 - int(credit.appraisal_lag_weeks), 0)]
        weight = credit.appraisal_weight if self.filtered.any() else 1.0
        self.filtered = appraise(lagged, self.filtered, weight)
