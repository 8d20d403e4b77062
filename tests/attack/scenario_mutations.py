"""Kinds of mutation that only scenario files have, each with its required answer."""

from tests.attack.cell_mutations import REFUSED
from tests.attack.definition_mutations import SCENARIO, Kind, top

OF_SCENARIOS: tuple[Kind, ...] = (
    Kind(
        "no such base",
        REFUSED,
        SCENARIO,
        top("base", "cal", "Calm", "none.toml", "../calm.toml", "/none.toml", named=""),
    ),
    Kind("a base of another type", REFUSED, SCENARIO, top("base", 1, ["calm"], True)),
    Kind("its own base", REFUSED, SCENARIO, top("base", "./own.toml", "own.toml")),
    Kind(
        "nothing to stand beside",
        REFUSED,
        SCENARIO,
        top("beside", ["cal"], ["calm/none"], [1], "calm", ["calm", "x"], [["calm"]], ["CALM"]),
    ),
    Kind(
        "a reserved arm",
        REFUSED,
        SCENARIO,
        top("arms", {"all": {}}, {"default": {}}, {"beside": {}}, named="arm"),
    ),
    Kind(
        "an arm that leaves its folder",
        REFUSED,
        SCENARIO,
        top("arms", {"../x": {}}, {"a/b": {}}, {"": {}}, {"a b": {}}, {"[/x]": {}}, {"..": {}}, named="arm"),
    ),
    Kind(
        "an arm that is no table",
        REFUSED,
        SCENARIO,
        top("arms", {"tight": 1}, {"tight": ["x"]}, 1, "x", named="arms"),
    ),
    Kind(
        "a wrong key in an arm",
        REFUSED,
        SCENARIO,
        top(
            "arms",
            {"tight": {"site": {"vacanzy": 0.01}}},
            {"tight": {"Site": {"vacancy": 0.01}}},
            named="[arms.tight]",
        ),
    ),
    Kind(
        "a wrong value in an arm",
        REFUSED,
        SCENARIO,
        top(
            "arms",
            {"tight": {"site": {"vacancy": 1.5}}},
            {"tight": {"site.vacancy": "0.01"}},
            named="site.vacancy",
        ),
    ),
    Kind("keys of an experiment", REFUSED, SCENARIO, top("vary", {"site.vacancy": [0.01]})),
)
