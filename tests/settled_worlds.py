"""Worlds in which single trades are settled: nobody lends, and what stands where is put there by the test."""

import copy
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from credit_worlds import world_of

from agents.vocabulary import (
    PRODUCT_GENERATION,
    PRODUCT_LIQUID,
    PRODUCT_UNIT,
    Ints,
    LotStatus,
    PoolKind,
)
from sim.market import settlement
from sim.state.ledger import Account, LoanKind, Lots
from sim.state.world import World

H100_NEW, H100, H100_AS_IS, GB200 = 6, 7, 8, 16
MINER, CLOUD, BANK, AGENT, SALVAGER, MAKER = 2, 14, 30, 36, 59, 60
WEEK = 5


@cache
def _built() -> World:
    world = world_of()
    world.credit.line_cents[:] = 0
    return world


def fresh_world() -> World:
    """A world of its own: nobody lends, and nothing is in debt that is not put there."""
    return copy.deepcopy(_built())


def watts_of(world: World, product: int, quantity: int) -> int:
    return (
        quantity // int(PRODUCT_UNIT[product]) * int(world.hardware.unit_watts[PRODUCT_GENERATION[product]])
    )


def pool_of(world: World, kind: PoolKind, *, not_at: int = -1, liquid: bool = False) -> int:
    """A pool of a kind with room for a megawatt, at another place."""
    free, wet = world.headroom()
    fits = (world.topology.pool_kind == kind) & (world.topology.pool_place != not_at)
    fits &= (wet if liquid else free) >= 1_000_000
    return int(np.flatnonzero(fits)[0])


def place_of(world: World, pool: int) -> int:
    return int(world.topology.pool_place[pool])


def give(world: World, owner: int, pool: int, quantity: int, **other: int) -> int:
    """Put units of an owner into a pool; returns the lot's row."""
    usual = {
        "product": H100, "vintage": -60, "quantity": quantity, "pool": pool, "owner": owner, "lien": -1,
        "status": int(LotStatus.IDLE), "arrival": -50, "liquidator": -1, "deadline": -1, "contract": -1,
    }  # fmt: skip
    world.ledger.deliver(Lots(**{name: np.array([value]) for name, value in (usual | other).items()}))
    return world.ledger.lots.n - 1


def owe(world: World, debtor: int, cents: int, creditor: int = BANK) -> int:
    """Lend to a party; returns the loan's row."""
    row = world.ledger.lend(
        debtor=debtor, creditor=creditor, balance_cents=cents, kind=int(LoanKind.ASSET_BACKED)
    )
    world.ledger.flows[:] = 0
    return row


def seize(world: World, lot: int, agent: int = AGENT) -> int:
    """Stand a lot under a mandate in the in-place pool of an open pool's place; returns that pool."""
    lots = world.ledger.lots
    pool = world.pool_at(place_of(world, int(lots.pool[lot])), PoolKind.IN_PLACE)
    product = int(lots.product[lot])
    watts = watts_of(world, product, int(lots.quantity[lot]))
    world.capacity.move(int(lots.pool[lot]), pool, watts, watts if PRODUCT_LIQUID[product] else 0)
    lots.pool[lot], lots.status[lot] = pool, LotStatus.FORCED
    lots.liquidator[lot], lots.deadline[lot] = agent, WEEK + 3
    return pool


def trade(seller: int, buyer: int, source: int, target: int, **other: Any) -> dict[str, Any]:
    """One arc: 16 H100 at 10,000 USD, 500 USD of freight."""
    usual = {"product": H100, "quantity": 16, "price": 1_000_000, "freight": 50_000, "forced": False}
    return {"seller": seller, "buyer": buyer, "source": source, "target": target} | usual | other


def settle(
    world: World, *arcs: dict[str, Any], rent: dict[int, float] | None = None, wet: float = 0.0
) -> Ints:
    """Carry arcs out, with rents of power in cents per watt by pool and one of cooling everywhere; GPUs sold of each."""
    first = world.topology.places.n
    power = np.zeros(first + world.topology.n_pools)
    for pool, cents in (rent or {}).items():
        power[pool + first] = cents

    def column(name: str) -> np.ndarray:
        return np.array([arc[name] for arc in arcs])

    trades = SimpleNamespace(
        n=len(arcs),
        sell=np.arange(len(arcs)),
        buy=np.arange(len(arcs))[::-1],
        quantity=column("quantity"),
        price_cents=column("price"),
        freight_cents=column("freight"),
        seller_node=column("source") + first,
        buyer_node=column("target") + first,
        product=column("product"),
    )
    result = SimpleNamespace(
        venue=SimpleNamespace(first_node=first),
        trades=trades,
        orders=SimpleNamespace(
            sell=SimpleNamespace(party=column("seller"), forced=column("forced")),
            buy=SimpleNamespace(party=column("buyer")[::-1]),
        ),
        clearing=SimpleNamespace(power_rent=power, cooling_rent=np.full(len(power), wet)),
    )
    return settlement.settle(world, WEEK, result)  # type: ignore[arg-type]


def flows(world: World) -> dict[tuple[int, str], int]:
    """Who got what this week, by purpose; cents."""
    table = world.ledger.flows
    rows, accounts = np.nonzero(table)
    return {(int(p), Account(a).name): int(table[p, a]) for p, a in zip(rows, accounts, strict=True)}


def units_of(world: World, owner: int, pool: int) -> int:
    lots = world.ledger.lots
    return int(lots.quantity[(lots.owner == owner) & (lots.pool == pool)].sum())


def title_of(world: World, lot: int) -> dict[str, int]:
    return {name: int(getattr(world.ledger.lots, name)[lot]) for name in Lots.__slots__}


def in_place(world: World, product: int = H100, quantity: int = 16) -> tuple[int, int, int, int]:
    """A seized lot of the cloud with loan 0 of the bank, in its pool: lot, pool, loan, open pool."""
    home = pool_of(world, PoolKind.OPEN, liquid=bool(PRODUCT_LIQUID[product]))
    loan = owe(world, CLOUD, 100_000_000)
    lot = give(world, CLOUD, home, quantity, lien=loan, product=product)
    return lot, seize(world, lot), loan, home
