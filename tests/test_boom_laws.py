"""Laws of contracts and loans over whole runs, counted anew each week beside the engine, and each of them broken by hand."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from credit_worlds import world_of
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.vocabulary import LotStatus
from sim.base.units import BooksDoNotClose
from sim.model import FireSaleModel
from sim.parameters import Parameters
from sim.state.world import World

SHOCKS = st.sampled_from(
    [
        {},
        {"credit.stop_week": 8, "credit.stop_ends": "undrawn"},
        {"credit.stop_week": 8, "credit.stop_ends": "all"},
        {"rent.slump_week": 8, "rent.slump": -1.5},
        {"tenants.failure_week": 8},
        {"construction.slip_week": 8, "construction.slip_weeks": 52, "contracts.cancel_weeks": 13},
    ]
)
LEVERAGE = st.sampled_from([{}, {"lenders.tail_years": 2.0}, {"lenders.sizing_coverage.mixed": 1.05}])
MOST_ADVANCE = 0.85


def served(world: World) -> dict[int, int]:
    """GPUs that stand for each contract, counted lot by lot."""
    found: dict[int, int] = defaultdict(int)
    lots = world.ledger.lots
    for contract, quantity in zip(lots.contract.tolist(), lots.quantity.tolist(), strict=True):
        if contract >= 0:
            found[contract] += quantity
    return found


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000), shock=SHOCKS, leverage=LEVERAGE)
def test_no_contract_is_served_twice_and_no_loan_exceeds_its_cap(
    seed: int, shock: dict[str, object], leverage: dict[str, float]
) -> None:
    """The advance bounds every loan on an order from above, whatever income says."""
    short = {"clock.weeks": 60, "discount.anatomy": False, "discount.shapley_weeks": 0}
    model = FireSaleModel(Parameters.from_overrides({**short, **shock, **leverage}), rng=seed)
    world, signed = model.world, 0
    while model.running:
        model.step()
        for contract, gpus in served(world).items():
            assert gpus <= world.contracts.gpus[contract]
        orders = world.ledger.orders
        signed += len(orders.contract)
        assert np.all(orders.commitment_cents <= MOST_ADVANCE * orders.cost_cents + 1)
    assert signed


def double(world: World, bound: int) -> None:
    world.ledger.lots.quantity[bound] += 10 * int(world.contracts.gpus[world.ledger.lots.contract[bound]])


def pass_on(world: World, bound: int) -> None:
    world.ledger.lots.owner[bound] += 1


def mandate(world: World, bound: int) -> None:
    world.ledger.lots.status[bound] = int(LotStatus.FORCED)


@pytest.mark.parametrize(
    ("law", "corrupt"),
    [
        ("contract served twice", double),
        ("contract served by another", pass_on),
        ("contract of mandated units", mandate),
    ],
)
def test_a_broken_law_of_contracts_stops_the_run(law: str, corrupt: Callable[[World, int], None]) -> None:
    world = world_of()
    world.check_contracts()
    corrupt(world, int(np.flatnonzero(world.ledger.lots.contract >= 0)[0]))
    with pytest.raises(BooksDoNotClose, match=law):
        world.check_contracts()


@pytest.mark.parametrize(
    ("law", "change"),
    [
        ("order for another's contract", {"buyer": 1}),
        ("loan beyond an order's cost", {"commitment_cents": 10**15}),
        ("commitment below zero", {"commitment_cents": -(10**15)}),
    ],
)
def test_a_broken_law_of_orders_stops_the_run(law: str, change: dict[str, int]) -> None:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 12}), rng=3)
    world, orders = model.world, model.world.ledger.orders
    while not (world.ledger.orders.contract >= 0).any():
        model.step()
    orders = world.ledger.orders
    row = int(np.flatnonzero(orders.contract >= 0)[0])
    for column, by in change.items():
        getattr(orders, column)[row] += by
    with pytest.raises(BooksDoNotClose, match=law):
        world.check_contracts()
