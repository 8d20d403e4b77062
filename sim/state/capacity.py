"""Power and liquid cooling of every pool, and the one way in which watts move.

Watts move between pools of one place only, so that the pools of a place always sum to what it was built with. Arrays are
handed out for reading; `Capacity.move` and `Capacity.build` alone change them.
"""

from enum import IntEnum

import numpy as np

from agents.vocabulary import Bools, Ints


class CapacityBreach(AssertionError):
    """More hardware stands in a pool than it has watts, or a place lost or gained watts."""


class Load(IntEnum):
    """What stands on watts that hold no modelled hardware."""

    FREE = 0
    BACKGROUND = 1  # load of others
    MINING = 2  # mining machines a miner would switch off


class Capacity:
    """IT watts per pool, int64: what it can feed, how much of that can be liquid-cooled, and what other load stands there.

    Parameters
    ----------
    place : (pools,) int64
        Place of each pool.
    power_watts, liquid_watts, background_watts, mining_watts : (pools,) int64
        What a pool can feed; how much of that can be liquid-cooled; load that is not modelled hardware; load of mining
        machines.

    Examples
    --------
    >>> here = np.zeros(2, dtype=np.int64)
    >>> none = np.zeros(2, dtype=np.int64)
    >>> capacity = Capacity(here, np.array([900, 100]), np.array([500, 0]), none, np.array([400, 0]))
    >>> capacity.move(0, 1, 300, load=Load.MINING)
    >>> capacity.power_watts.tolist(), capacity.mining_watts.tolist(), capacity.liquid_watts.tolist()
    ([600, 400], [100, 0], [500, 0])
    >>> capacity.power_watts[0] = 10
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """

    __slots__ = ("_background", "_built", "_liquid", "_mining", "_power", "place")

    def __init__(
        self, place: Ints, power_watts: Ints, liquid_watts: Ints, background_watts: Ints, mining_watts: Ints
    ) -> None:
        self.place = _read_only(place.copy())
        self._power, self._liquid = power_watts.copy(), liquid_watts.copy()
        self._background, self._mining = background_watts.copy(), mining_watts.copy()
        self._built = self._watts_by_place()

    @property
    def power_watts(self) -> Ints:
        """What each pool can feed, for reading."""
        return _read_only(self._power)

    @property
    def liquid_watts(self) -> Ints:
        """How much of it can be liquid-cooled, for reading."""
        return _read_only(self._liquid)

    @property
    def background_watts(self) -> Ints:
        """Load that is not modelled hardware, for reading."""
        return _read_only(self._background)

    @property
    def mining_watts(self) -> Ints:
        """Load of mining machines, for reading."""
        return _read_only(self._mining)

    def move(
        self,
        source: int,
        target: int,
        watts: int,
        liquid: int = 0,
        *,
        load: Load = Load.FREE,
        into: Load = Load.FREE,
    ) -> None:
        """Give watts of one pool to another of the same place, of them at least `liquid` liquid-cooled.

        Parameters
        ----------
        source, target
            Pools; the same pool twice changes the load on its watts alone.
        watts, liquid
            IT watts; more than `liquid` goes along where the source has too few watts without liquid.
        load, into
            What stood on the watts in the source and leaves them, and what will stand on them in the target.

        Raises
        ------
        ValueError
            The pools belong to different places, or the watts are negative or fewer than those with liquid.
        """
        if not 0 <= liquid <= watts:
            raise ValueError(f"{watts} watts, {liquid} of them with liquid: allowed 0 <= liquid <= watts")
        if self.place[source] != self.place[target]:
            raise ValueError(f"pools {source} and {target} belong to different places")
        air_cooled = int(self._power[source] - self._liquid[source])
        along = max(liquid, watts - air_cooled)
        self._loaded(load, source, -watts)
        self._power[source] -= watts
        self._power[target] += watts
        self._liquid[source] -= along
        self._liquid[target] += along
        self._loaded(into, target, watts)

    def build(self, pool: int, watts: int, liquid: int) -> None:
        """Add watts to a place: a hall that is being built, of them `liquid` to be liquid-cooled."""
        if not 0 <= liquid <= watts:
            raise ValueError(f"{watts} watts, {liquid} of them with liquid: allowed 0 <= liquid <= watts")
        self._power[pool] += watts
        self._liquid[pool] += liquid
        self._built[self.place[pool]] += watts

    def _loaded(self, load: Load, pool: int, watts: int) -> None:
        if load == Load.BACKGROUND:
            self._background[pool] += watts
        elif load == Load.MINING:
            self._mining[pool] += watts

    def check(self, used: Ints, used_liquid: Ints, unlimited: Bools) -> None:
        """Assert that nothing stands where there are no watts and that places keep theirs.

        Parameters
        ----------
        used, used_liquid : (pools,) int64
            IT watts of the hardware standing in each pool, and of hardware that needs liquid.
        unlimited : (pools,) bool
            Pools without a limit: warehouses.

        Raises
        ------
        CapacityBreach
            Names the pool or place and the watts by which it is out.
        """
        over = used + self._background + self._mining - self._power
        for excess, what in (
            (np.where(unlimited, 0, np.maximum(over, 0)), "IT watts"),
            (np.where(unlimited, 0, np.maximum(used_liquid - self._liquid, 0)), "liquid watts"),
            (-np.minimum(self._liquid, 0), "liquid"),
            (np.where(unlimited, 0, np.maximum(self._liquid - self._power, 0)), "watts with liquid"),
            (-np.minimum(self._background, 0), "background load"),
            (-np.minimum(self._mining, 0), "mining load"),
        ):
            if excess.any():
                worst = int(np.argmax(excess))
                raise CapacityBreach(f"pool {worst} is over its {what} by {int(excess[worst])}")
        drift = self._watts_by_place() - self._built
        if drift.any():
            worst = int(np.argmax(np.abs(drift)))
            raise CapacityBreach(f"place {worst} is out by {int(np.abs(drift).max())} watts")

    def _watts_by_place(self) -> Ints:
        total = np.zeros(int(self.place.max(initial=-1)) + 1, dtype=np.int64)
        np.add.at(total, self.place, self._power)
        return total


def _read_only(array: Ints) -> Ints:
    seen = array.view()
    seen.flags.writeable = False
    return seen
