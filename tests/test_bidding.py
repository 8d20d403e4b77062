"""The ladder approximates cash/price from below, to within its own step (theory.md D.2)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.bidding import cash_ladder, refine_ladder


def ints(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(100, 5_000_000),
    st.integers(1, 500),
    st.integers(0, 10**10),
    st.sampled_from([1, 8, 72]),
    st.integers(2, 40),
    st.floats(0.0, 1.1),
)
def test_demand_is_within_one_step_of_what_cash_buys(
    value: int, units: int, cash: int, unit: int, steps: int, where: float
) -> None:
    wanted = units * unit
    limit, quantity, _ = cash_ladder(ints(value), ints(wanted), ints(cash), ints(unit), ints(2), steps)
    price = max(int(value * where), 1)
    demanded = int(quantity[limit >= price].sum())
    target = min(wanted, cash // price) if price <= value else 0
    assert demanded <= target
    below = limit < price
    step = int(quantity[below][0]) if below.any() else 0
    # Between two limits the ladder waits for the lower one, and a unit is not divided.
    assert price > value or target - demanded < step + unit


def test_limits_fall_to_half_the_reserve_and_no_further() -> None:
    limit, _, _ = cash_ladder(ints(2_000_000), ints(10**6), ints(10**9), ints(1), ints(300_000), 20)
    assert limit[0] == 2_000_000
    assert limit[-1] == 150_000
    assert np.all(np.diff(limit) < 0)


def test_many_intents_at_once_equal_each_alone() -> None:
    rng = np.random.default_rng(3)
    n = 40
    unit = rng.choice([1, 8, 72], n).astype(np.int64)
    wanted = rng.integers(1, 200, n) * unit
    value, cash = rng.integers(1000, 4_000_000, n), rng.integers(0, 10**9, n)
    floor, price = rng.integers(0, 500_000, n), rng.integers(1000, 3_000_000, n)
    together = refine_ladder(value, wanted, cash, unit, floor, 12, price)
    for i in range(n):
        alone = refine_ladder(
            *(a[i : i + 1] for a in (value, wanted, cash, unit, floor)), 12, price[i : i + 1]
        )
        mine = together[2] == i
        assert np.array_equal(together[0][mine], alone[0])
        assert np.array_equal(together[1][mine], alone[1])


def test_refined_demand_at_the_price_is_exact() -> None:
    price = 1_234_567
    limit, quantity, _ = refine_ladder(
        ints(2_000_000), ints(100_000), ints(8_000_000_000), ints(8), ints(1000), 16, ints(price)
    )
    assert int(quantity[limit >= price].sum()) == 8_000_000_000 // price // 8 * 8


@pytest.mark.parametrize("cash", [0, 1, 7_999])
def test_no_cash_for_one_unit_at_the_lowest_limit_posts_nothing(cash: int) -> None:
    limit, quantity, row = cash_ladder(ints(20_000), ints(80), ints(cash), ints(8), ints(2_000), 10)
    assert (len(limit), len(quantity), len(row)) == (0, 0, 0)


def test_a_dear_retrofit_never_takes_a_miner_below_zero() -> None:
    """Where one point in twelve of a wave of history matching had stopped: dear retrofits, little cash, cheap units."""
    from agents.vocabulary import PoolKind
    from sim.model import FireSaleModel
    from sim.parameters import Parameters

    dear = {
        "site.retrofit_capex_usd_per_kw": 7_000,
        "miners.growth_share": 0.5,
        "miners.conversion_hurdle": 1.0,
    }
    rich = {
        "rent.initial_usd_per_hour.H100": 4.0,
        "rent.initial_usd_per_hour.H200": 6.0,
        "rent.initial_usd_per_hour.B200": 7.5,
        "clock.weeks": 12,
    }
    model = FireSaleModel(Parameters.from_overrides(dear | rich), rng=7)
    met = 0
    for _ in range(12):
        model.run_for(1)
        buy, view = model.intents.buy, model.view
        displaced = view.pools.kind[buy.pool] == PoolKind.DISPLACED
        watts = view.hardware.watts[buy.product[displaced] // 3]
        each = buy.value_cents[displaced] * (1 - buy.margin[displaced]) + watts * 7_000 / 1_000 * 100
        assert (buy.wanted[displaced] * each <= buy.cash_cents[displaced] * (1 + 1e-9) + 1).all()
        met += int((buy.wanted[displaced] > 0).sum())
    assert met > 0


def test_what_a_conversion_may_cost_is_not_bid_with() -> None:
    from agents.operating import spendable
    from agents.vocabulary import AgentKind
    from sim.model import FireSaleModel
    from sim.parameters import Parameters

    settings = {
        "miners.conversion_hurdle": 1.0,
        "miners.lease_margin": 0.9,
        "miners.shell_lease_usd_per_kw_month": 200,
        "miners.growth_share": 0.5,
    }
    model = FireSaleModel(Parameters.from_overrides(settings | {"clock.weeks": 12}), rng=7)
    both = 0
    for _ in range(12):
        model.run_for(1)
        view, buy, convert = model.view, model.intents.buy, model.intents.convert
        rows = model.world.rows(AgentKind.MINER)
        own = spendable(view, rows, model.parameters.miners.reserve_months)
        for party in np.intersect1d(convert.party, rows):
            works = convert.watts[convert.party == party].sum() * view.terms.retrofit_usd_per_watt * 100
            bids = buy.cash_cents[buy.party == party]
            assert works <= own[party] + 100
            assert (bids <= max(own[party] - works, 0) + 1).all()
            both += len(bids) > 0
    assert both > 0
