"""Reports name their question, and replace neither what a user edited nor another question's answer by accident."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import sweep_tasks

from experiments.analysis.verify import repeater, verify
from experiments.command.reports import comparison_report, discovery_report, sensitivity_report
from experiments.design import planner
from experiments.design.plan import Plan, plan_of
from experiments.runs.folder import ResultWarning, StoreError
from experiments.sweep import report as sweep_report
from experiments.sweep.engine import replay, sweep
from experiments.sweep.jobs import SweepError
from experiments.sweep.model_task import ModelTask
from experiments.sweep.replayed_run import store_run
from experiments.sweep.store import digest, load
from sim.base.user_table import TableError

USER_FILES = Path(__file__).parent / "data" / "user_files"


def made(folder: Path, points: int = 24, **settings: object) -> Path:
    plan = plan_of([{"a": n} for n in range(points)], replications={"count": 2}, **settings)
    sweep(plan, sweep_tasks.noisy, folder, executor=0)
    return folder


@pytest.mark.parametrize("report", ["sensitivity", "discovery"])
def test_an_edited_answer_inside_a_sweep_is_kept_and_the_new_one_names_its_question(
    stored_sweep: Path, tmp_path: Path, report: str
) -> None:
    folder = shutil.copytree(stored_sweep, tmp_path / "sweep")
    calls = {
        "sensitivity": [
            lambda: sensitivity_report(folder),
            lambda: sensitivity_report(folder, ["forced_gpus"]),
        ],
        "discovery": [
            lambda: discovery_report(folder, "forced_gpus > 3000", coverage=0.6, by_run=True),
            lambda: discovery_report(folder, "forced_gpus < 3000", coverage=0.6, by_run=True),
        ],
    }
    if report == "discovery":
        pytest.importorskip("ema_workbench")
    first, second = calls[report]
    first()
    one = json.loads((folder / report / "asked.json").read_text(encoding="utf-8"))
    before = digest(folder)
    edited = next((folder / report).glob("*.csv"))
    edited.write_text("mine", encoding="utf-8")
    with pytest.raises(StoreError, match="not as it was written"):
        digest(folder)
    with pytest.warns(
        ResultWarning, match=rf"{edited.name} had been edited or damaged.* kept in .*{report}\.changed-1"
    ):
        second()
    assert (folder / f"{report}.changed-1" / edited.name).read_text(encoding="utf-8") == "mine"
    two = json.loads((folder / report / "asked.json").read_text(encoding="utf-8"))
    assert one != two and one["of"] == two["of"] == before == digest(folder)


def test_a_comparison_is_replaced_only_if_that_is_asked_for_and_names_its_sides(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a"), made(tmp_path / "b")
    comparison_report(a, b, tmp_path / "out")
    asked = json.loads((tmp_path / "out" / "asked.json").read_text(encoding="utf-8"))
    assert asked == {"a": {"folder": str(a), "of": digest(a)}, "b": {"folder": str(b), "of": digest(b)}}
    with pytest.raises(StoreError, match="exists already"):
        comparison_report(b, a, tmp_path / "out")
    comparison_report(b, a, tmp_path / "out", overwrite=True)
    assert json.loads((tmp_path / "out" / "asked.json").read_text(encoding="utf-8"))["a"]["folder"] == str(b)


def test_a_folder_holds_one_experiment_and_says_what_it_no_longer_asks_for(tmp_path: Path) -> None:
    folder = made(tmp_path / "sweep", 3, name="first")
    before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
    with pytest.raises(SweepError, match="holds the experiment first, not second; choose another folder"):
        made(folder, 2, name="second")
    assert before == {path.name: path.read_bytes() for path in folder.glob("*.*")}
    plan = plan_of([{"a": 0}], replications={"count": 2}, name="first")
    said = sweep_report.ended(sweep(plan, sweep_tasks.noisy, folder, executor=0), None)
    assert "4 runs that were stored earlier are not asked for; they stay in archive.parquet" in said


def test_points_that_repeat_are_said() -> None:
    plan = plan_of([{"a": 1}, {"a": 1}, {"a": 2}], replications={"count": 1})
    assert sweep_report.repeated_points(plan)[0].startswith("Warning: 1 of 3 points repeat another one")
    assert sweep_report.repeated_points(plan_of([{"a": 1}, {"a": 2}], replications={"count": 1})) == []


def fleet_sweep(home: Path, file: Path, weeks: int = 1) -> tuple[Plan, ModelTask]:
    asked = home / "asked.toml"
    asked.write_text(
        f'name = "asked"\nscenario = "calm"\n[overrides]\nclock.weeks = {weeks}\n"world.fleets_file" = "{file}"\n'
        '[vary]\n"site.vacancy" = [0.01, 0.03]\n[replications]\ncount = 1\n',
        encoding="utf-8",
    )
    experiment, plan = planner.load(asked)
    return plan, ModelTask.of(experiment)


def test_copies_of_a_file_that_was_edited_stay_for_archived_rows(tmp_path: Path) -> None:
    file, folder = tmp_path / "fleet.csv", tmp_path / "sweep"
    shutil.copy(USER_FILES / "fleet_ok.csv", file)
    sweep(*fleet_sweep(tmp_path, file), folder, executor=0)
    old = load(folder).runs["run_id"][0]
    (copy,) = folder.glob("input-*")
    file.write_text(file.read_text(encoding="utf-8").replace("8000", "8008"), encoding="utf-8")
    sweep(*fleet_sweep(tmp_path, file), folder, executor=0)
    assert len(list(folder.glob("input-*"))) == 2 and copy.is_file()
    assert old not in set(load(folder).runs["run_id"])
    assert replay(folder, old, ModelTask().prepared([]))[1]
    store_run(folder, old, tmp_path / "run")
    with pytest.raises(StoreError, match="exists already"):
        store_run(folder, old, tmp_path / "run")
    store_run(folder, old, tmp_path / "run", overwrite=True)


def test_a_damaged_copy_is_no_fault_of_the_program(tmp_path: Path) -> None:
    file, folder = tmp_path / "fleet.csv", tmp_path / "sweep"
    shutil.copy(USER_FILES / "fleet_ok.csv", file)
    sweep(*fleet_sweep(tmp_path, file), folder, executor=0)
    (copy,) = folder.glob("input-*")
    results = load(folder)
    assert verify(results, repeater(results)[0], sample=1).passed
    copy.write_bytes(copy.read_bytes() + b"\n")
    with pytest.raises(StoreError, match=rf"{copy.name}: not as it was written"):
        verify(results, repeater(results)[0], sample=1)


def test_a_table_that_is_not_understood_stops_a_sweep_before_its_first_run(tmp_path: Path) -> None:
    file, folder = tmp_path / "fleet.csv", tmp_path / "sweep"
    file.write_text(
        (USER_FILES / "fleet_ok.csv").read_text(encoding="utf-8").replace("H100", "h100"), encoding="utf-8"
    )
    with pytest.raises(
        TableError, match=r"fleet\.csv, line 2, column generation: 'h100' is unknown; did you mean H100\?"
    ):
        sweep(*fleet_sweep(tmp_path, file), folder, executor=0)
    assert not list(folder.glob("*.parquet")) and not list(folder.glob("journal/*"))


def test_equal_content_under_two_names_is_no_difference_and_other_content_is(tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{name}.csv" for name in ("one", "two", "three"))
    shutil.copy(USER_FILES / "fleet_ok.csv", one)
    shutil.copy(one, two)
    three.write_text(one.read_text(encoding="utf-8").replace("8000", "8008"), encoding="utf-8")
    for file in (one, two, three):
        sweep(*fleet_sweep(tmp_path, file), tmp_path / file.stem, executor=0)
    assert "No parameter differs." in comparison_report(tmp_path / "one", tmp_path / "two")
    said = comparison_report(tmp_path / "one", tmp_path / "three", tmp_path / "out")
    assert "No parameter differs." not in said
    listed = pd.read_csv(tmp_path / "out" / "parameters.csv")
    assert listed["parameter"].tolist() == ["world.fleets_file"]
    assert listed["a"][0].startswith("sha256 ") and listed["a"][0] != listed["b"][0]
