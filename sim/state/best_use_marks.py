"""What appraisals would say had every mark been the best use (economics.md section 13)."""

from dataclasses import dataclass, field

import numpy as np

from agents.vocabulary import N_CONDITIONS, N_PRODUCTS, Floats
from sim.debt.covenants import appraise
from sim.parameters.credit import CreditParameters


@dataclass(slots=True)
class BestUseMarks:
    """The appraisers' filter F on best uses: marks of every week, and what the filter made of them, USD per GPU."""

    marks_usd: list[Floats] = field(default_factory=list)
    filtered_usd: Floats = field(default_factory=lambda: np.zeros(N_PRODUCTS))

    def mark(self, best_use_value: Floats) -> None:
        """Keep the best use of every generation as the week opens, (G,) USD."""
        self.marks_usd.append(np.repeat(best_use_value, N_CONDITIONS))

    def appraise(self, credit: CreditParameters) -> None:
        """One quarter of the filter, with the appraisers' own lag and weight."""
        lagged = self.marks_usd[max(len(self.marks_usd) - 1 - int(credit.appraisal_lag_weeks), 0)]
        weight = credit.appraisal_weight if self.filtered_usd.any() else 1.0
        self.filtered_usd = appraise(lagged, self.filtered_usd, weight)
