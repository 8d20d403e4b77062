"""Kinds of mutation that only experiment files have, each with its required answer."""

import copy
from random import Random
from typing import Any

from tests.attack.cell_mutations import REFUSED
from tests.attack.definition_mutations import EXPERIMENT, Changed, Kind, Make, Tables, data_of, top


def vary(*entries: tuple[str, Any], named: str | None = None) -> Make:
    """A factor under ``[vary]``."""

    def make(tables: Tables, _: str, rng: Random) -> Changed:
        key, value = rng.choice(entries)
        changed = copy.deepcopy(tables)
        changed["design"] = {"kind": "grid"}
        changed.setdefault("vary", {})[key] = value
        return Changed(data_of(changed), key if named is None else named)

    return make


def vacancy(*values: Any) -> Make:
    return vary(*(("site.vacancy", value) for value in values))


def design(varied: Tables, *designs: Tables, named: str = "") -> Make:
    def make(tables: Tables, _: str, rng: Random) -> Changed:
        changed = {**copy.deepcopy(tables), "vary": varied, "design": rng.choice(designs)}
        return Changed(data_of(changed), named)

    return make


LOW, GPUS = {"low": 0.01, "high": 0.05}, [1000, 2000, 3000]
OF_EXPERIMENTS: tuple[Kind, ...] = (
    Kind(
        "no such scenario",
        REFUSED,
        EXPERIMENT,
        top("scenario", "cal", "Calm", "none.toml", "../x.toml", "", named=""),
    ),
    Kind("no such arm", REFUSED, EXPERIMENT, top("arm", "none", "DEFAULT", "all", "")),
    Kind("an arm of another type", REFUSED, EXPERIMENT, top("arm", 1, True, ["default"])),
    Kind("a seed that is none", REFUSED, EXPERIMENT, top("seed", -1, 1.5, "7", True, 2**63, [1])),
    Kind(
        "an arm that is not there varies",
        REFUSED,
        EXPERIMENT,
        vary(
            ("scenario.arm", ["default", "none"]),
            ("scenario.arm", [1]),
            ("scenario.arm", {"low": 0, "high": 1}),
        ),
    ),
    Kind("an arm twice", REFUSED, EXPERIMENT, vary(("scenario.arm", ["default", "default"]))),
    Kind(
        "an unknown factor",
        REFUSED,
        EXPERIMENT,
        vary(
            ("site.vacanzy", [0.01]),
            ("Site.vacancy", [0.01]),
            ("vacancy", [0.01]),
            ("site", [0.01]),
            ("scenario.arms", ["default"]),
            ("seed", [1, 2]),
        ),
    ),
    Kind(
        "an old name varies",
        REFUSED,
        EXPERIMENT,
        vary(("rent.initial.H100", [1.0, 2.0]), ("valuation.other_operating_cost", LOW)),
    ),
    Kind(
        "equal values",
        REFUSED,
        EXPERIMENT,
        vary(
            ("forced_sale.gpus", [1000, 2000.0, 1e3]),
            ("site.vacancy", [0.01, 0.02, 0.01]),
            ("site.vacancy", [0.01, 1e-2]),
            ("search.enabled", [True, True]),
            ("rent.driver", ["flat", "flat"]),
        ),
    ),
    Kind("nothing to vary over", REFUSED, EXPERIMENT, vacancy([], {"values": []}, {}, 0.05, "0.05", True)),
    Kind(
        "values of another type",
        REFUSED,
        EXPERIMENT,
        vary(
            ("site.vacancy", ["0.01"]),
            ("site.vacancy", [True]),
            ("search.enabled", [0, 1]),
            ("search.enabled", ["true"]),
            ("forced_sale.gpus", [1000.5]),
            ("forced_sale.gpus", ["1000"]),
            ("site.vacancy", [[0.01]]),
            ("rent.driver", [1]),
        ),
    ),
    Kind(
        "values out of range",
        REFUSED,
        EXPERIMENT,
        vacancy(
            [0.01, 1.5],
            [-0.01],
            [float("nan")],
            [float("inf")],
            {"low": -0.1, "high": 0.05},
            {"low": 0.01, "high": 7.0},
            {"low": 0.01, "high": float("inf")},
            {"low": float("nan"), "high": 0.05},
        ),
    ),
    Kind(
        "low and high",
        REFUSED,
        EXPERIMENT,
        vacancy(
            {"low": 0.05, "high": 0.01},
            {"low": 0.05, "high": 0.05},
            {"low": 0.01},
            {"high": 0.01},
            {"low": "0.01", "high": 0.05},
            {**LOW, "values": [0.01]},
            {"low": True, "high": 2},
        ),
    ),
    Kind(
        "a log scale from nothing",
        REFUSED,
        EXPERIMENT,
        vacancy({"low": 0.0, "high": 0.05, "scale": "log"}, {"low": 0, "high": 0.05, "scale": "log"}),
    ),
    Kind(
        "a scale that is none",
        REFUSED,
        EXPERIMENT,
        vacancy(*({**LOW, "scale": scale} for scale in ("Log", "logarithmic", "", 1, True))),
    ),
    Kind(
        "levels that are none",
        REFUSED,
        EXPERIMENT,
        vacancy(*({**LOW, "levels": levels} for levels in (1, 0, -2, 2.5, "4", True, 10**6))),
    ),
    Kind(
        "an unknown key of a factor",
        REFUSED,
        EXPERIMENT,
        vacancy(
            {**LOW, "step": 0.01},
            {"lo": 0.01, "high": 0.05},
            {"min": 0.01, "max": 0.05},
            {**LOW, "Scale": "log"},
        ),
    ),
    Kind(
        "a range of what has none",
        REFUSED,
        EXPERIMENT,
        vary(
            ("rent.driver", {"low": 0, "high": 1}),
            ("search.enabled", {"low": 0, "high": 1}),
            ("forced_sale.gpus", {"low": 1000.5, "high": 2000}),
        ),
    ),
    Kind(
        "a file that is not there varies",
        REFUSED,
        EXPERIMENT,
        vary(("world.sites_file", ["", "none.csv"]), ("world.fleets_file", ["/none/x.csv"])),
    ),
    Kind(
        "a replay varies that nothing reads",
        REFUSED,
        EXPERIMENT,
        vary(("power.replay_file", ["", "none.csv"])),
    ),
    Kind(
        "a design that is none",
        REFUSED,
        EXPERIMENT,
        top("design.kind", "Grid", "random", "", 1, "lhc", "factorial", True),
    ),
    Kind(
        "points that are none",
        REFUSED,
        EXPERIMENT,
        design(
            {"site.vacancy": LOW},
            *(
                {"kind": kind, "points": points}
                for kind in ("sobol", "lhs", "morris")
                for points in (0, -4, 2.5, "8", True, 10**9)
            ),
            named="points",
        ),
    ),
    Kind(
        "more points than a sweep can have",
        REFUSED,
        EXPERIMENT,
        design(
            {"site.vacancy": LOW, "lenders.advance.mixed": {"low": 0.5, "high": 0.8}},
            {"kind": "saltelli", "points": 600_000},
            {"kind": "morris", "points": 900_000},
            named="points",
        ),
    ),
    Kind(
        "a design that does not fit",
        REFUSED,
        EXPERIMENT,
        design(
            {"site.vacancy": [0.01, 0.02], "forced_sale.gpus": GPUS},
            {"kind": "zip"},
            {"kind": "list"},
            {"kind": "grid", "list": [{"site.vacancy": 0.01}]},
            {"kind": "morris", "levels": 3},
            {"kind": "grid", "levels": 1},
        ),
    ),
    Kind(
        "nothing varies",
        REFUSED,
        EXPERIMENT,
        design(
            {},
            {"kind": "sobol"},
            {"kind": "lhs"},
            {"kind": "oat"},
            {"kind": "list"},
            {"kind": "zip"},
            named="design",
        ),
    ),
    Kind(
        "a wrong listed point",
        REFUSED,
        EXPERIMENT,
        design(
            {},
            *(
                {"kind": "list", "list": points}
                for points in (
                    [{"site.vacanzy": 0.01}],
                    [{"site.vacancy": 1.5}],
                    [{"site.vacancy": "0.01"}],
                    [{"scenario.arm": "none"}],
                    [1],
                    1,
                    [{"site.vacancy": 0.01}, {"Site.vacancy": 0.01}],
                )
            ),
            named="list",
        ),
    ),
    Kind(
        "an unknown key of the design",
        REFUSED,
        EXPERIMENT,
        design(
            {"site.vacancy": LOW},
            {"kind": "grid", "level": 3},
            {"kind": "sobol", "n": 8},
            {"kind": "grid", "Points": 8},
            named="no key is called",
        ),
    ),
    Kind(
        "replications that are none",
        REFUSED,
        EXPERIMENT,
        top(
            "replications",
            *(
                {key: value}
                for key in ("count", "min", "max", "block", "consecutive")
                for value in (0, -1, 2.5, "5", True, 10**9)
            ),
            {"counts": 5},
            {"draft": 1},
            {"common_random_numbers": "yes"},
            5,
            named="replications",
        ),
    ),
    Kind(
        "a stop that never is met",
        REFUSED,
        EXPERIMENT,
        top(
            "replications",
            *(
                {"stop": [{"outcome": "discount", "half_width": 0.01, **wrong}]}
                for wrong in (
                    {"outcome": "discounts"},
                    {"outcome": "Discount"},
                    {"half_width": 0},
                    {"half_width": -1},
                    {"half_width": "0.01"},
                    {"half_width": float("nan")},
                    {"confidence": 1.0},
                    {"confidence": 95},
                    {"width": 1},
                )
            ),
            {"stop": [{"outcome": "discount"}]},
            {"stop": "discount"},
            {"stop": [{"outcome": "discount", "half_width": 0.01}], "max": 10},
            named="replications",
        ),
    ),
    Kind(
        "an unknown outcome",
        REFUSED,
        EXPERIMENT,
        top(
            "record.outcomes",
            ["discounts"],
            ["Discount"],
            ["discount", "x"],
            "discount",
            [1],
            named="outcomes",
        ),
    ),
    Kind(
        "an unknown column",
        REFUSED,
        EXPERIMENT,
        top(
            "record.series",
            {"columns": ["price"]},
            {"columns": ["fundamental_usd_H100"]},
            {"columns": "week"},
            {"column": ["week"]},
            {"every": 0},
            {"every": 1.5},
            {"keep": -1},
            named="record.series",
        ),
    ),
    Kind(
        "limits that are none",
        REFUSED,
        EXPERIMENT,
        top(
            "limits",
            {"run_seconds": 0},
            {"run_seconds": float("inf")},
            {"run_seconds": "60"},
            {"retries": -1},
            {"retries": True},
            {"memory_mb": 1},
            {"memory": 4096},
            named="limits",
        ),
    ),
    Kind("keys of a scenario", REFUSED, EXPERIMENT, top("arms", {"tight": {}})),
)
