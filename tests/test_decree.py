"""A sale by decree sells what it names: its borrower does not repay the loan before."""

import numpy as np
import pytest

from experiments.scenario import load
from sim.model import FireSaleModel


@pytest.mark.parametrize("gpus", [256, 3_000])
def test_a_small_sale_in_half_a_year_is_of_all_its_units(gpus: int) -> None:
    settings = [
        "clock.weeks=28",
        f"forced_sale.gpus={gpus}",
        "discount.anatomy=false",
        "discount.shapley_weeks=0",
    ]
    model = FireSaleModel(load("ten_thousand_h100").parameters(settings=settings), rng=7)
    model.run_for(28)
    events = model.tables()["events"]
    decreed = (events["kind"] == "possession") & (events["week"] == 26)
    # Some units fail for good in half a year, at a hazard of 3 % a year.
    assert 0.96 * gpus <= events["quantity"][decreed].sum() <= gpus
    borrower = model.ledger.parties.name.index("borrower")
    early = (events["kind"] == "prepayment") & (events["party"] == borrower)
    assert not np.any(early)
