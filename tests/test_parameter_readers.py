"""`firesale schema` says which rooms read a parameter: the shipped table is what running the model shows."""

import pytest
from parameter_readers import TABLE, readers, room, table

from agents.schema import ByGeneration, relaxed_fields
from sim.opening.casting import AGENT_TYPES
from sim.parameters import Parameters
from sim.parameters import needs as shipped


def test_every_parameter_has_a_reader() -> None:
    rooms = shipped.readers()
    again = "; `make parameter-readers` writes the table anew"
    assert list(rooms) == list(Parameters().flat()), again
    assert not [key for key, read_by in rooms.items() if not read_by], f"nobody reads them{again}"
    assert {row["key"]: row["read_by"] for row in Parameters().describe()} == rooms


def test_rooms_are_those_of_the_model() -> None:
    rooms = {name for read_by in shipped.readers().values() for name in read_by.split(", ")}
    assert {name for name in rooms if name != "agents" and not name.startswith("sim.")} == set()
    assert "sim.parameters" not in rooms
    assert room("sim.lending.workout") == "sim.lending"


@pytest.mark.slow
def test_the_table_is_what_runs_show() -> None:
    found = readers()
    unread = [key for key, rooms in found.items() if not rooms]
    assert not unread, f"no run reads {unread}: parameters that do nothing, or a run is missing"
    stored = TABLE.read_text(encoding="utf-8").splitlines()
    fresh = table(found).splitlines()
    assert stored == fresh, f"`make parameter-readers` writes the table anew: {set(stored) ^ set(fresh)}"


def test_margins_and_order_limits_are_marked_where_agents_bid() -> None:
    sections = {kind.section: type(Parameters().section_of(kind)) for kind in AGENT_TYPES}
    marked = {
        name: (relaxed_fields(section, "margins"), relaxed_fields(section, "order_limits"))
        for name, section in sections.items()
    }
    assert marked == {
        "miners": (("bid_margin",), ("growth_share",)),
        "neo_clouds": (("bid_margin",), ()),
        "lenders": ((), ()),
        "liquidators": (("target_margin",), ()),
        "hyperscalers": (("used_discount",), ("weekly_watts",)),
        "enterprises": (("bid_margin",), ("absorption",)),
        "exporters": (("bid_margin",), ("weekly_watts",)),
        "salvagers": ((), ()),
        "manufacturer": ((), ()),
    }
    assert len(AGENT_TYPES) == len(marked)
    assert relaxed_fields(ByGeneration, "margins") == ()
