"""A view is for reading: nothing an agent does with it changes the world, and building one changes nothing."""

import copy
import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.miner import Miner
from agents.view import View
from agents.vocabulary import Bools, Floats, Intents, Ints
from sim.market.outlook import build_view
from sim.model import FireSaleModel
from sim.parameters import Parameters

Array = np.ndarray[Any, np.dtype[Any]]


def a_model() -> FireSaleModel:
    model = FireSaleModel(Parameters.from_overrides({"clock.weeks": 6, "forced_sale.enabled": True}), rng=3)
    model.run_for(2)
    return model


def parts(view: View) -> Iterator[tuple[str, Any]]:
    """The view and everything in it that is an object of its own, by path."""
    yield "view", view
    for field in fields(view):
        value = getattr(view, field.name)
        if is_dataclass(value):
            yield f"view.{field.name}", value


def arrays(view: View) -> dict[str, Array]:
    return {
        f"{path}.{field.name}": value
        for path, part in parts(view)
        for field in fields(part)
        if isinstance(value := getattr(part, field.name), np.ndarray)
    }


@cache
def seen() -> View:
    return a_model().view


@pytest.fixture(name="view")
def the_view() -> View:
    return seen()


NAMES = sorted(
    f"view.{part.name}.{field.name}"
    for part in fields(View)
    if is_dataclass(part.type)
    for field in fields(part.type)
    if field.type in (Floats, Ints, Bools)
)


def test_every_part_of_the_view_is_looked_at(view: View) -> None:
    assert sorted(arrays(view)) == NAMES
    assert len(NAMES) > 40
    assert not [
        (path, field.name)
        for path, part in parts(view)
        for field in fields(part)
        if isinstance(getattr(part, field.name), list | dict | set)
    ]


@given(name=st.sampled_from(NAMES), at=st.integers(0, 10**9), how=st.sampled_from(["=", "+=", "fill", "out"]))
def test_a_write_into_any_array_raises(name: str, at: int, how: str) -> None:
    array = arrays(seen())[name]
    if array.size == 0:
        assert not array.flags.writeable
        return
    where = np.unravel_index(at % array.size, array.shape)
    with pytest.raises(ValueError, match="read-only"):
        if how == "=":
            array[where] = array[where]
        elif how == "+=":
            array += array
        elif how == "fill":
            array.fill(0)
        else:
            np.copyto(array, array.copy())


@given(name=st.sampled_from(NAMES))
def test_a_field_cannot_be_replaced(name: str) -> None:
    path, _, field = name.rpartition(".")
    part = dict(parts(seen()))[path]
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(part, field, None)


@given(name=st.sampled_from(NAMES))
def test_no_array_can_be_made_writable_or_leads_to_one_that_is(name: str) -> None:
    array = arrays(seen())[name]
    if array.size:
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)
    below = array.base
    while isinstance(below, np.ndarray):
        assert not below.flags.writeable
        below = below.base
    assert below is None or isinstance(below, bytes)


def test_what_was_seen_stays_what_it_was() -> None:
    model = a_model()
    before = {name: array.copy() for name, array in arrays(model.view).items()}
    seen_then = model.view
    model.run_for(4)
    for name, array in arrays(seen_then).items():
        assert np.array_equal(array, before[name], equal_nan=array.dtype.kind == "f"), name


def test_views_made_from_a_view_cannot_be_written_either(view: View) -> None:
    richer = replace(view, parties=replace(view.parties, cash_cents=np.full(len(view.parties.cash_cents), 9)))
    with pytest.raises(ValueError, match="read-only"):
        richer.parties.cash_cents[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        view.lots.none().quantity[:] = 1


class Forger(Miner):
    """Writes itself money."""

    def decide(self, view: View) -> Intents:
        view.parties.cash_cents[self.row] += 10**12
        return Intents()


class CohortForger(Miner):
    """The same by the rule of a cohort."""

    @classmethod
    def decide_all(cls, view: View, rows: Any, parameters: Any) -> Intents:
        view.market.price_usd[:] = 1e9
        return Intents()


@pytest.mark.parametrize("forger", [Forger, CohortForger])
def test_an_agent_that_writes_into_its_view_stops_the_run(forger: type[Miner]) -> None:
    model = a_model()
    honest = model.agents_by_type[Miner].to_list()[0]
    row = honest.row
    honest.remove()
    forger(model, row)
    with pytest.raises(ValueError, match="read-only"):
        model.run_for(1)


def test_building_a_view_changes_nothing() -> None:
    model = a_model()
    before = pickle.dumps(model.world)
    view = build_view(model.world, 1)
    assert pickle.dumps(model.world) == before
    again = build_view(copy.deepcopy(model.world), 1)
    for name, array in arrays(view).items():
        assert np.array_equal(array, arrays(again)[name], equal_nan=array.dtype.kind == "f"), name


def test_capacity_is_read_only_outside_its_one_method() -> None:
    capacity = a_model().world.capacity
    for name in ("power_watts", "liquid_watts", "background_watts", "mining_watts"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(capacity, name)[0] += 1
        with pytest.raises(AttributeError):
            setattr(capacity, name, None)
