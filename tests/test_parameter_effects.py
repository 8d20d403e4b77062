"""Parameters that were constants in the code change a run when they are moved."""

import hashlib
from functools import cache

import numpy as np
import pytest
from credit_worlds import DEFAULTS, world_of

from agents.vocabulary import ConvertOrders
from experiments.scenario import load
from sim.lending import workout
from sim.model import FireSaleModel
from sim.operating import leases
from sim.state.ledger import LoanKind

# Worlds in which a parameter matters soon: scenario, weeks, settings.
WORLDS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "calm": ("calm", 6, ()),
    "spring": ("calm", 30, ("miners.leased_shell_share=0",)),
    "extrapolating": ("calm", 2, ("valuation.expectations=extrapolative",)),
    "poor miners": (
        "calm",
        3,
        (
            "world.miner_free_cash_usd=0",
            "world.miner_bitcoin_scale=0",
            "miners.reserve_months=0",
            "bitcoin.initial_price_usd=20000",
        ),
    ),
    # The last payment of a loan sold by decree later is a maturity that is rolled at par.
    "balloons": (
        "calm",
        30,
        (
            "credit.financing=false",
            # Idle cash would repay it before.
            "equity.cash_used=0",
            "forced_sale.enabled=true",
            "forced_sale.week=200",
            "forced_sale.age_years=4.5",
            "credit.balloon_share=0.05",
        ),
    ),
    "poor clouds": (
        "rent_slump",
        60,
        (
            "rent.slump_week=2",
            "rent.slump=-1.5",
            "credit.loan_to_cost_covenant=0.6",
            "world.neo_cloud_free_cash_usd=0",
        ),
    ),
    "breaches": (
        "rent_slump",
        60,
        (
            "rent.slump_week=2",
            "rent.slump=-1.5",
            "credit.waiver_probability=0.9",
            "credit.loan_to_cost_covenant=0.6",
            "credit.dscr_covenant=1.4",
        ),
    ),
    "slump": ("rent_slump", 60, ("rent.slump_week=2", "rent.slump=-1.5")),
    "defaults": ("rent_slump", 30, DEFAULTS),
}
MOVED = [
    ("calm", "miners.coin_sale_weeks", 26),
    ("calm", "miners.deal_weeks", 5),
    ("calm", "miners.machine_life_years", 8),
    ("calm", "miners.bitcoin_loan_tenor_months", 6),
    ("calm", "valuation.least_gain_share", 0.1),
    ("calm", "market.volume_memory_weeks", 8),
    ("calm", "site.oldest_lease_years", 9),
    ("calm", "freight.typical_haul_km", 4500),
    ("calm", "world.asset_backed_every", 1),
    ("calm", "world.spread_limit", 1),
    ("spring", "miners.review_weeks", 8),
    ("poor clouds", "miners.review_share", 0.5),
    ("breaches", "credit.waiver_majority", 0.25),
    ("extrapolating", "valuation.extrapolation", 1.2),
    ("poor miners", "miners.pressed_months", 3),
    ("balloons", "credit.balloon_payments", 6),
    ("balloons", "credit.refinance_months", 12),
    ("slump", "credit.service_reserve_months", 1),
    ("defaults", "freight.in_place_weeks", 4),
    ("defaults", "credit.operating_weeks", 17),
    ("defaults", "liquidators.unpledged_rate_per_year", 0.05),
]


@cache
def state_after(world: str, setting: str = "") -> str:
    """Digest of what everybody holds, owes and asks for at the end of a short run."""
    scenario, weeks, settings = WORLDS[world]
    short = (f"clock.weeks={weeks}", "discount.anatomy=false", "discount.shapley_weeks=0", *settings)
    model = FireSaleModel(load(scenario).parameters(None, [*short, *filter(None, [setting])]), rng=7)
    model.run_for(weeks)
    parties, loans, lots = model.ledger.parties, model.ledger.loans, model.ledger.lots
    held = (
        parties.cash_cents,
        parties.bitcoin_satoshi,
        lots.product,
        lots.quantity,
        lots.owner,
        lots.arrival,
        lots.deadline,
    )
    owed = (loans.kind, loans.balance_cents, loans.months_left)
    asked = (model.intents.buy.cash_cents, model.intents.sell.reserve_cents)
    digest = hashlib.sha256()
    for array in (*held, *owed, *asked, model.world.market.price_usd, model.world.market.weekly_volume):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(("world", "key", "value"), MOVED, ids=[key for _, key, _ in MOVED])
def test_what_was_a_constant_changes_a_run(world: str, key: str, value: float) -> None:
    assert state_after(world, f"{key}={value}") != state_after(world)


def test_a_broken_lease_is_a_cause_for_as_long_as_the_parameter_says() -> None:
    seen = {}
    for weeks in (13, 52):
        world = world_of(credit__lease_cause_weeks=weeks)
        hall = np.flatnonzero(world.capacity.mining_watts > 0)[:1]
        miner = int(world.slots.holder[hall[0]])
        leases.convert(world, 0, ConvertOrders(np.array([miner]), hall, np.array([1_000_000])))
        for tenant in range(len(world.tenants.rating)):
            leases.tenant_gone(world, 2, tenant)
        seen[weeks] = [leases.lost_lately(world, week, miner) for week in (3, 14, 15, 53, 54)]
    assert seen == {13: [True, True, False, False, False], 52: [True, True, True, True, False]}


def test_a_later_second_default_is_discounted_by_hand() -> None:
    """What an amended loan brings if it fails again, a year later at 10 % and a trend of 0.25: exp(-0.35) of a sale today."""
    worth = {}
    for years in (1.0, 3.0):
        world = world_of(credit__redefault_years=years, credit__redefault_probability=0.5)
        debtor = int(
            np.unique(world.ledger.loans.debtor[world.ledger.loans.kind == LoanKind.DELAYED_DRAW])[0]
        )
        rows = np.flatnonzero((world.ledger.loans.debtor == debtor) & world.ledger.loans.live())
        with_sale, without = (workout.amendment_value(world, debtor, rows, 0.1, sale) for sale in (1e6, 0.0))
        worth[years] = with_sale - without
    assert worth[1.0] == pytest.approx(0.5e6 * np.exp(-0.35), rel=1e-6)
    assert worth[3.0] == pytest.approx(0.5e6 * np.exp(-3 * 0.35), rel=1e-6)
