"""What the starting world is built from: rows of parties, pools and lots while they are put together."""

from dataclasses import dataclass

import numpy as np

from agents.buyer import Buyer
from agents.registration import type_name
from agents.vocabulary import AgentKind, Condition, Ints, LotStatus, PoolKind, product_of
from sim.base.randomness import Randomness
from sim.drivers.drivers import Drivers
from sim.parameters import Parameters
from sim.places.topology import Topology


@dataclass(slots=True)
class Builder:
    """Rows under construction."""

    parameters: Parameters
    randomness: Randomness
    drivers: Drivers
    topology: Topology
    kinds: Ints
    names: list[str]
    types: list[str]  # of each party, as tables name it
    lots: list[tuple[int, ...]]
    background: list[int]
    mining: list[int]
    pairs: set[tuple[int, int]]
    host: Ints
    ranks: dict[int, int]  # neo-cloud -> rank of its fleet
    purchases: list[tuple[int, int, int, int, int]]  # owner, pool, generation, GPUs, week: bought for deals
    promised: dict[int, int]  # pool -> week it is promised for
    own_building: dict[int, int]  # operator -> pool in which it builds for itself
    building: Ints  # (zones,) pool of a zone's next hall, -1 none

    def rows(self, kind: AgentKind) -> Ints:
        """Party rows of a kind."""
        return np.flatnonzero(self.kinds == kind)

    def rows_of(self, buyer: type[Buyer]) -> Ints:
        """Party rows of a registered type."""
        return np.flatnonzero(np.array(self.types) == type_name(buyer))

    def pool(
        self,
        place: int,
        kind: PoolKind,
        watts: int,
        liquid: int,
        *,
        holder: int = -1,
        hosting: float = 0.0,
        opens_week: int = 0,
        pue: float | None = None,
    ) -> int:
        """Add a pool to the topology with room for background and mining load."""
        pool = self.topology.add_pool(
            place,
            kind,
            holder=holder,
            power_watts=watts,
            liquid_watts=liquid,
            hosting_usd_per_kw_month=hosting,
            pue=float(self.topology.places.pue[place]) if pue is None else pue,
            opens_week=opens_week,
        )
        self.background.append(0)
        self.mining.append(0)
        return int(pool)

    def lot(
        self, owner: int, pool: int, generation: int, gpus: int, vintage: int, lien: int, contract: int = -1
    ) -> None:
        """Add a running lot of clean units."""
        if gpus > 0:
            product, running = product_of(generation, Condition.CLEAN), int(LotStatus.RUNNING)
            self.lots.append((product, vintage, gpus, pool, owner, lien, running, 0, -1, -1, contract))
