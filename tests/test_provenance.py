"""What a number comes from is recorded where it is computed, decides what is reused, and is named when it differs."""

import shutil
import types
from pathlib import Path
from typing import Any

import pytest

import sim.debt
from experiments.design import planner
from experiments.design.experiment import ExperimentError
from experiments.design.plan import plan_of
from experiments.design.scenario import Scenario
from experiments.runs import provenance
from experiments.runs.run import run_arm
from experiments.runs.source_digest import source_digest
from experiments.sweep.engine import replay, sweep
from experiments.sweep.executors import compute
from experiments.sweep.jobs import Batch, ExecutorError, Job, Origin
from experiments.sweep.model_task import ModelTask
from experiments.sweep.replayed_run import outcomes_beside
from experiments.sweep.store import load
from sim.base import inputs
from sim.base.user_table import Number, read_table
from sim.parameters import Parameters

USER_FILES = Path(__file__).parent / "data" / "user_files"


def table(folder: Path, value: int) -> Path:
    file = folder / "mine.csv"
    file.write_text(f"value\n{value}\n", encoding="utf-8")
    return file


def read(file: Path) -> int:
    found: int = read_table(file, (Number("value", low=0, high=9, whole=True),)).rows[0].values["value"]
    return found


def test_a_table_is_noted_and_held_to_the_content_it_was_planned_with(tmp_path: Path) -> None:
    file = table(tmp_path, 1)
    planned = {str(file): inputs.content_of(file)}
    with inputs.noting() as noted, inputs.expecting(planned):
        assert read(file) == 1
    assert noted[str(file)] == inputs.Input(str(file), planned[str(file)], 1)
    table(tmp_path, 2)
    with (
        inputs.expecting(planned),
        pytest.raises(inputs.InputChanged, match=r"mine\.csv: other content than"),
    ):
        read(file)
    assert read(file) == 2
    with inputs.noting(), pytest.raises(inputs.InputChanged, match="other content"):
        read(file)
        table(tmp_path, 3)
        read(file)


def test_a_run_s_manifest_holds_content_and_rows_of_its_inputs(tmp_path: Path) -> None:
    fleets = USER_FILES / "fleet_ok.csv"
    parameters = Parameters.from_overrides({"clock.weeks": 1, "world.fleets_file": str(fleets)})
    scenario = Scenario("mine", "Mine", "", "", {}, {})
    record = run_arm(scenario, "default", parameters, 7, tmp_path / "run")["provenance"]
    expected = {"path": str(fleets), "sha256": inputs.content_of(fleets), "rows": 1}
    assert record["inputs"] == {"world.fleets_file": expected}
    assert record["code"]["model"] == provenance.MODEL_CODE
    assert len(record["compiled"]) == 4 and record["versions"]["numpy"]


def with_(**changes: Any) -> dict[str, Any]:
    known = provenance.environment()
    versions = {**known["versions"], **changes.pop("versions", {})}
    return {**known, "versions": versions, **changes}


@pytest.mark.parametrize(
    ("changed", "decides"),
    [
        (with_(versions={"numpy": "0.1"}), True),
        (with_(versions={"mesa": "0.1"}), True),
        (with_(versions={"python": "3.99.0"}), True),
        (with_(compiled={"sim.debt._payments": "00"}), True),
        (with_(numpy_cpu_features=["OTHER"]), True),
        (with_(platform="other-machine"), True),
        (with_(versions={"pandas": "0.1"}), False),
        (with_(git={"commit": "00", "dirty": True}), False),
    ],
)
def test_what_decides_whether_rows_count_is_named_and_the_rest_is_only_recorded(
    changed: dict[str, Any], decides: bool
) -> None:
    known = provenance.environment()
    assert (provenance.fingerprint("code", changed) != provenance.fingerprint("code", known)) == decides
    assert bool(provenance.differences([known], [changed])) == decides
    job = Job("id", {"a": 1.0}, 1, 0, False)
    batch = Batch(lambda *asked: ({}, {}), "code", (job,), 1.0, 4096, origin=Origin(environment=changed))
    if not decides:
        assert compute(batch)[0].status == "ok"
        return
    with pytest.raises(ExecutorError, match="this worker would compute other numbers: .*in the sweep"):
        compute(batch)


def test_another_content_at_the_same_path_is_named() -> None:
    one = {"inputs": {"world.sites_file": {"path": "mine.csv", "sha256": "ab12" * 16, "rows": 3}}}
    other = {"inputs": {"world.sites_file": {"path": "mine.csv", "sha256": "cd34" * 16, "rows": 3}}}
    (line,) = provenance.differences([one], [other])
    assert line.startswith("world.sites_file: other content at the same path mine.csv, was sha256 ab12")


def test_replay_says_that_a_file_has_other_content_now_and_computes_with_the_copy(tmp_path: Path) -> None:
    file = tmp_path / "fleet.csv"
    shutil.copy(USER_FILES / "fleet_ok.csv", file)
    asked = tmp_path / "asked.toml"
    asked.write_text(
        f'name = "asked"\nscenario = "calm"\n[overrides]\nclock.weeks = 1\n[vary]\n"world.fleets_file" = ["{file}"]\n'
        "[replications]\ncount = 1\n",
        encoding="utf-8",
    )
    experiment, plan = planner.load(asked)
    sweep(plan, ModelTask.of(experiment), tmp_path / "sweep", executor=0)
    run_id = load(tmp_path / "sweep").runs["run_id"][0]
    assert "Since then" not in outcomes_beside(tmp_path / "sweep", run_id)
    file.write_text(file.read_text(encoding="utf-8").replace("8000", "8008"), encoding="utf-8")
    said = outcomes_beside(tmp_path / "sweep", run_id)
    assert f"Since then: world.fleets_file: other content at the same path {file}, was sha256" in said
    assert f"repeated with the copies of its files in {tmp_path / 'sweep'}." in said
    assert said.endswith("All outcomes are equal.")


def test_workers_are_steady_whatever_numpy_chose_here() -> None:
    known = with_(numpy_cpu_features=["X86_V3", "X86_V4", "AVX512_SKX"])
    assert provenance.steady(known)["numpy_cpu_features"] == ["X86_V3"]


def test_a_docstring_of_a_shipped_module_is_no_other_code(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(
        Path(str(sim.debt.__file__)).parent,
        folder,
        ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.c"),
    )
    copy = types.ModuleType("sim.debt")
    copy.__file__, copy.__path__ = str(folder / "__init__.py"), [str(folder)]
    file = folder / "terms.py"
    text = file.read_text(encoding="utf-8")
    before = source_digest(copy)
    file.write_text("# A comment.\n" + text.replace('"""', '"""Edited. ', 1), encoding="utf-8")
    assert source_digest(copy) == before
    file.write_text(text + "\nADDED = 1\n", encoding="utf-8")
    assert source_digest(copy) != before
    (folder / "_payments.pyx").write_text("# another source of the compiled module\n", encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    assert source_digest(copy) != before


def sum_of_file(parameters: Any, seed: int, replication: int) -> Any:
    """A run that reads its file by itself."""
    return {"value": float(Path(parameters["data_file"]).read_text(encoding="utf-8").split()[1])}, {}


@pytest.mark.parametrize("executor", [0, 1])
def test_a_file_edited_after_planning_stops_the_sweep_and_its_new_content_is_another_run(
    tmp_path: Path, executor: int
) -> None:
    file = table(tmp_path, 1)

    def plan(points: int) -> Any:
        return plan_of([{"a": n, "data_file": str(file)} for n in range(points)], replications={"count": 1})

    sweep(plan(2), sum_of_file, tmp_path / "sweep", executor=0)
    planned = plan(4)
    table(tmp_path, 2)
    with pytest.raises(
        inputs.InputChanged, match=r"^\S*mine\.csv: other content than when the run was planned"
    ):
        sweep(planned, sum_of_file, tmp_path / "sweep", executor=executor)
    report = sweep(plan(4), sum_of_file, tmp_path / "sweep", executor=0)
    assert report.progress.done == 4
    results = load(tmp_path / "sweep")
    assert set(results.runs["value"]) == {2.0}
    content = inputs.content_of(file)
    records = [provenance.read_text(text) for text in results.log["provenance"]]
    assert {record["inputs"]["data_file"]["sha256"] for record in records} == {content}
    assert [one["sha256"] for one in results.manifest["inputs"]["data_file"]] == [content]


def test_a_failure_that_comes_again_says_what_is_wrong_now(tmp_path: Path) -> None:
    said = ["first", "second"]

    def failing(parameters: Any, seed: int, replication: int) -> Any:
        raise ValueError(said[0])

    failing.fingerprint = "failing"  # type: ignore[attr-defined]
    plan = plan_of([{"a": 1}], replications={"count": 1})
    for _ in range(2):
        sweep(plan, failing, tmp_path / "sweep", executor=0)
        said.reverse()
    assert load(tmp_path / "sweep").failures["error"].tolist() == ["ValueError: second"]


def test_a_sweep_repeats_itself_from_its_folder_without_the_user_s_files(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "sweep"
    (home / "tables").mkdir(parents=True)
    shutil.copy(USER_FILES / "fleet_ok.csv", home / "tables" / "my fleet.csv")
    (home / "base.toml").write_text(
        '[overrides]\nworld.fleets_file = "tables/my fleet.csv"\n', encoding="utf-8"
    )
    (home / "mine.toml").write_text(
        'title = "Mine"\nbase = "base.toml"\n[overrides]\nclock.weeks = 1\n[arms.own]\nsite.vacancy = 0.02\n',
        encoding="utf-8",
    )
    (home / "asked.toml").write_text(
        'name = "asked"\nscenario = "mine.toml"\n[vary]\n"scenario.arm" = ["default", "own"]\n'
        '"world.fleets_file" = ["tables/my fleet.csv", ""]\n[replications]\ncount = 1\n',
        encoding="utf-8",
    )

    def swept(file: Path, out: Path) -> Any:
        experiment, plan = planner.load(file)
        return sweep(plan, ModelTask.of(experiment), out, executor=0)

    first = swept(home / "asked.toml", folder)
    assert first.progress.failed == 0 and first.manifest["counts"]["ok"] == 4
    shutil.rmtree(home)
    again = swept(folder / "experiment.toml", tmp_path / "again")
    assert again.manifest["digest"] == first.manifest["digest"]
    assert swept(tmp_path / "again" / "experiment.toml", folder).progress.done == 0
    results = load(folder)
    run_id = results.runs[results.runs["world.fleets_file"] != ""]["run_id"].iloc[0]
    assert replay(folder, run_id, ModelTask().prepared([]))[1]
    (copy,) = folder.glob("input-*-my_fleet.csv")
    copy.write_text(copy.read_text(encoding="utf-8").replace("8000", "8008"), encoding="utf-8")
    with pytest.raises(ExperimentError, match="input-.*damaged or changed"):
        planner.load(folder / "experiment.toml")
