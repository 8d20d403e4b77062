"""Experiment files: the same object from TOML and from Python, and errors that teach."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from experiments.design import experiment as experiments
from experiments.design.experiment import Experiment, ExperimentError, parse
from experiments.design.plan import plan_of
from experiments.design.planner import load, plan_experiment

TEXT = """
name = "both"
scenario = "ten_thousand_h100"
seed = 11

[overrides]
clock.weeks = 30
"rent.driver" = "flat"

[vary]
"site.vacancy" = { low = 0.005, high = 0.06 }
forced_sale.gpus = { low = 1_000, high = 50_000, scale = "log" }
"scenario.arm" = ["default", "in_place-tight"]

[design]
kind = "sobol"
points = 8

[replications]
min = 50
max = 400
stop = [{ outcome = "discount", half_width = 0.005 }]

[record]
outcomes = ["discount", "recovery"]
series = { columns = ["price_usd_H100"], every = 2, keep = 20 }

[limits]
run_seconds = 60
"""


def same_in_python() -> Experiment:
    return Experiment.model_validate(
        {
            "name": "both",
            "scenario": "ten_thousand_h100",
            "seed": 11,
            "overrides": {"clock.weeks": 30, "rent.driver": "flat"},
            "vary": {
                "site.vacancy": {"low": 0.005, "high": 0.06},
                "forced_sale.gpus": {"low": 1000, "high": 50_000, "scale": "log"},
                "scenario.arm": ("default", "in_place-tight"),
            },
            "design": {"kind": "sobol", "points": 8},
            "replications": {"stop": [{"outcome": "discount", "half_width": 0.005}]},
            "record": {
                "outcomes": ["discount", "recovery"],
                "series": {"columns": ["price_usd_H100"], "every": 2, "keep": 20},
            },
            "limits": {"run_seconds": 60},
        }
    )


def test_toml_and_python_make_the_same_experiment_and_the_same_points(tmp_path: Path) -> None:
    file = tmp_path / "both.toml"
    file.write_text(TEXT)
    read, plan = load(file)
    made = same_in_python()
    assert read == made
    assert plan == plan_experiment(made)
    assert [point.id for point in plan.points] == [point.id for point in plan_experiment(made).points]


def test_the_canonical_file_reads_back_as_the_same_experiment() -> None:
    made = same_in_python()
    again = parse(made.to_toml(), "canonical")
    assert again == made
    assert again.to_toml() == made.to_toml()


def test_a_list_design_reads_back_too() -> None:
    made = Experiment.model_validate(
        {
            "name": "listed",
            "design": {"kind": "list", "list": [{"site": {"vacancy": 0.02}}, {"site.vacancy": 0.03}]},
        }
    )
    again = parse(made.to_toml(), "canonical")
    assert again == made
    assert [point.values for point in plan_experiment(again).points] == [
        {"site.vacancy": 0.02},
        {"site.vacancy": 0.03},
    ]


def test_the_name_is_that_of_the_file_unless_it_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "my-question.toml"
    file.write_text("")
    assert load(file)[0].name == "my-question"


@pytest.mark.parametrize("name", experiments.shipped())
def test_shipped_experiments_can_be_planned(name: str) -> None:
    experiment, plan = load(name)
    assert experiment.name == name
    assert experiment.title and experiment.description
    assert len({point.id for point in plan.points}) == len(plan.points)


def test_later_layers_win() -> None:
    plan = plan_experiment(
        Experiment.model_validate(
            {
                "name": "layers",
                "scenario": "ten_thousand_h100",
                "arm": "moved-tight",
                "overrides": {"forced_sale.gpus": 500},
                "vary": {"site.vacancy": [0.01, 0.02]},
            }
        )
    )
    first = plan.points[0].overrides
    assert first["forced_sale.gpus"] == 500  # of the experiment, over the scenario's 10,000
    assert first["site.vacancy"] == 0.01  # of the point, over the arm's 0.005
    assert first["forced_sale.in_place"] is False
    assert plan.base == {"site.vacancy": 0.005}


def test_a_varied_arm_brings_its_changes_and_explicit_values_stay_above_it() -> None:
    plan = plan_experiment(
        Experiment.model_validate(
            {
                "name": "arms",
                "scenario": "ten_thousand_h100",
                "vary": {"scenario.arm": ["default", "in_place-tight"], "forced_sale.gpus": [100, 200]},
            }
        )
    )
    assert [(p.values["scenario.arm"], p.overrides["forced_sale.in_place"]) for p in plan.points] == [
        ("default", False),
        ("default", False),
        ("in_place-tight", True),
        ("in_place-tight", True),
    ]


def test_equal_parameters_have_one_id_whatever_they_are_called() -> None:
    by_arm = plan_experiment(
        Experiment.model_validate(
            {"name": "a", "scenario": "ten_thousand_h100", "vary": {"scenario.arm": ["moved-tight"]}}
        )
    )
    by_value = plan_experiment(
        Experiment.model_validate(
            {"name": "b", "scenario": "ten_thousand_h100", "vary": {"site.vacancy": [0.005]}}
        )
    )
    assert by_arm.points[0].id == by_value.points[0].id
    whole = plan_experiment(
        Experiment.model_validate({"name": "c", "overrides": {"lenders.advance.mixed": 0.8}})
    )
    assert whole.points[0].id != by_value.points[0].id


def test_a_run_is_named_by_parameters_seed_replication_and_code() -> None:
    plan = plan_experiment(same_in_python())
    other = plan_experiment(same_in_python().model_copy(update={"seed": 12}))
    ids = {
        plan.run_id(plan.points[0], 0, "code"),
        plan.run_id(plan.points[0], 1, "code"),
        plan.run_id(plan.points[1], 0, "code"),
        plan.run_id(plan.points[0], 0, "other code"),
        other.run_id(plan.points[0], 0, "code"),
    }
    assert len(ids) == 5


def test_the_content_of_a_file_is_part_of_a_runs_name(tmp_path: Path) -> None:
    shipped = Path(str(__import__("sim").__path__[0])) / "data" / "sites.csv"
    mine, same = tmp_path / "mine.csv", tmp_path / "same.csv"
    mine.write_bytes(shipped.read_bytes())
    same.write_bytes(shipped.read_bytes())

    def point_id(file: Path) -> str:
        asked = {"name": "files", "overrides": {"world.sites_file": str(file)}}
        return plan_experiment(Experiment.model_validate(asked)).points[0].id

    before = point_id(mine)
    assert point_id(same) == before
    mine.write_bytes(shipped.read_bytes() + b"\\n")
    assert point_id(mine) != before
    mine.unlink()
    with pytest.raises(ExperimentError, match="mine.csv.*cannot be read"):
        point_id(mine)


def test_common_random_numbers_can_be_switched_off() -> None:
    vary = {"site.vacancy": [0.01, 0.02]}
    common = plan_experiment(Experiment(name="crn", vary=vary, seed=3))  # type: ignore[arg-type]
    assert {common.seed_of(point) for point in common.points} == {3}
    own = plan_experiment(
        Experiment.model_validate(
            {"name": "own", "vary": vary, "seed": 3, "replications": {"common_random_numbers": False}}
        )
    )
    seeds = [own.seed_of(point) for point in own.points]
    assert len({3, *seeds}) == 3
    assert all(0 <= seed < 2**62 for seed in seeds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[vary\n", ["not valid TOML", "line 1"]),
        ("scenari = 'calm'", ["scenari", "did you mean scenario"]),
        ("[replications]\ncont = 3", ["replications.cont", "did you mean count"]),
        ("[replications]\ncount = 0", ["replications.count = 0", "allowed 1 to 1,000,000 runs"]),
        ("[limits]\nrun_seconds = 0", ["limits.run_seconds = 0", "0.01 to 604,800 s"]),
        (
            "[replications]\nmax = 20\nstop = [{outcome='discount', half_width=0.1}]",
            ["max = 20", "first look at 50"],
        ),
        ("[[replications.stop]]\noutcome = 'discount'", ["half_width is missing"]),
        (
            "[[replications.stop]]\noutcome = 'discont'\nhalf_width = 0.1",
            ["discont", "did you mean discount"],
        ),
        ("[record]\noutcomes = ['recvery']", ["record.outcomes", "recvery", "did you mean recovery"]),
        (
            "[record.series]\ncolumns = ['prise_usd_H100']",
            ["record.series.columns", "did you mean price_usd_H100"],
        ),
        ("[design]\nkind = 'sobl'", ["design.kind = 'sobl'", "did you mean sobol"]),
        ("scenario = 'clam'", ["clam", "did you mean calm"]),
        ("arm = 'fast'", ["calm has no arm 'fast'"]),
        ("[overrides]\nsite.vacanc = 0.1", ["site.vacanc", "did you mean site.vacancy"]),
        ("[overrides]\nsite.vacancy = 7", ["site.vacancy = 7", "share"]),
        ("[vary]\n'site.vacanc' = [0.1]", ["vary", "site.vacanc", "did you mean site.vacancy"]),
        ("[vary]\n'site.vacancy' = { low = 0.1, high = 7 }", ["vary.site.vacancy", "7", "share"]),
        (
            "[vary]\n'site.vacancy' = { low = 0.2, high = 0.1 }",
            ["vary.site.vacancy", "low = 0.2 is not below"],
        ),
        (
            "[vary]\n'site.vacancy' = { low = 0.1, hihg = 0.2 }",
            ["vary.site.vacancy.hihg", "did you mean high"],
        ),
        (
            "[vary]\n'forced_sale.gpus' = { low = 10.5, high = 20 }",
            ["forced_sale.gpus", "10.5 is not a whole number"],
        ),
        ("[vary]\n'rent.driver' = { low = 1, high = 2 }", ["rent.driver"]),
        ("[vary]\n'rent.driver' = ['flat', 'flatt']", ["rent.driver", "did you mean flat"]),
        ("[design]\nkind = 'list'", ["needs at least one table [[design.list]]"]),
        ("name = 'a/b'", ["name = 'a/b'"]),
    ],
)
def test_errors_name_file_key_range_unit_and_nearest_name(
    text: str, words: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "asked.toml"
    file.write_text(text + "\n")
    with pytest.raises(ExperimentError) as caught:
        load(file)
    message = str(caught.value)
    assert message.startswith(str(file)), message
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"missing\.toml: cannot be read"):
        load(tmp_path / "missing.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ExperimentError, match=r"bytes\.toml, line 1: not a text file"):
        load(tmp_path / "bytes.toml")
    with pytest.raises(
        ExperimentError, match="no experiment is called vacancy_and_sise; did you mean vacancy_and_size"
    ):
        load("vacancy_and_sise")


def test_a_scenario_file_is_found_beside_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('title = "Mine"\nbase = "calm"\n[overrides]\nsite.vacancy = 0.033\n')
    (tmp_path / "asked.toml").write_text('scenario = "mine.toml"\n')
    _, plan = load(tmp_path / "asked.toml")
    assert plan.points[0].overrides["site.vacancy"] == 0.033


def test_any_function_can_be_planned() -> None:
    points: list[dict[str, Any]] = [{"a": 1}, {"a": 2, "b": "x"}]
    plan = plan_of(points, name="free", replications={"count": 2})
    assert [dict(point.values) for point in plan.points] == points
    assert plan.varied == ["a", "b"]
    assert dataclasses.replace(plan).digest() == plan.digest()
    assert plan.points[0].id != plan.points[1].id
