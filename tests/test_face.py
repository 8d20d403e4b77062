"""`import firesale as fs`: one module for scripts and notebooks."""

import ast
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import firesale as fs

SALE = {
    "clock.weeks": 6,
    "forced_sale.week": 2,
    "forced_sale.deadline_weeks": 2,
    "forced_sale.gpus": 2000,
    "discount.shapley_pairs": 1,
}


@pytest.fixture(scope="module")
def run() -> fs.Run:
    return fs.run("ten_thousand_h100", seed=7, settings=SALE)


# Everything of the face once, in forty lines.
SCRIPT = """
import firesale as fs

if __name__ == "__main__":
    asked = fs.scenario("ten_thousand_h100")
    print(asked)
    parameters = asked.parameters().with_({"clock.weeks": 8, "forced_sale.week": 3, "forced_sale.deadline_weeks": 3})
    print(parameters)
    run = fs.run(parameters, seed=7)
    print(run)
    weeks = run.weeks[["forced_offered_H100", "clean_best_use_value_usd_H100", "price_usd_H100"]]
    print(weeks.tail(4).round(0).to_string())
    print("unit of a price:", run.weeks.attrs["units"]["price_usd_H100"])
    print("trades", len(run.trades), "agents", len(run.agents), "loans", len(run.loans), "events", len(run.events))
    array = run.to_xarray()
    print(dict(array.sizes), array["price_usd"].attrs["units"])
    print(sorted(run.figures()))
    print(run.trace("borrower").splitlines()[0])
    run.save("results/one")
    print(fs.open("results/one").digest == run.digest)

    model = fs.Model(parameters, rng=7)
    while model.running:
        model.step()
    print(model)
    miner = max(model.agents_by_type[fs.Miner], key=lambda one: one.cash_usd)
    print(miner)
    print(fs.explain(model, miner))

    experiment = fs.Experiment(
        name="vacancy",
        scenario="ten_thousand_h100",
        overrides={"clock.weeks": 8, "forced_sale.week": 3, "forced_sale.deadline_weeks": 3},
        vary={"site.vacancy": (0.01, 0.05)},
        replications={"count": 2},
    )
    results = fs.sweep(experiment, "results/vacancy", workers=2)
    print(results.points[["site.vacancy", "n", "price_usd", "discount"]].round(3).to_string())
    print(results.runs.attrs["units"]["price_usd"], fs.open("results/vacancy").manifest["complete"], fs.__version__)
"""


@pytest.mark.slow
def test_the_script_of_the_face_runs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert len(SCRIPT.strip().splitlines()) <= 40
    assert "<Scenario ten_thousand_h100: " in said and "unit of a price: USD per GPU" in said
    assert "{'week': 8, 'generation': 8} USD per GPU" in said and "\nTrue\n" in said
    assert said.strip().splitlines()[-1] == f"USD per GPU True {fs.__version__}"


def test_what_is_public_is_there_and_nothing_else() -> None:
    assert all(hasattr(fs, name) for name in fs.__all__)
    public = {name for name in vars(fs) if name.isidentifier() and not name.startswith("_")} - {
        "experiments",
        "agents",
        "sim",
    }
    assert public == set(fs.__all__) - {"__version__"}
    assert fs.__doc__


def test_nobody_inside_imports_the_face() -> None:
    root = Path(fs.__file__).parent
    for path in (path for room in ("agents", "sim", "experiments") for path in (root / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        ]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert "firesale" not in names, path


def test_a_run_has_its_tables_with_units(run: fs.Run) -> None:
    for name in ("weeks", "trades", "agents", "loans", "events"):
        frame = getattr(run, name)
        assert isinstance(frame, pd.DataFrame) and len(frame)
        assert set(frame.attrs["units"]) == set(frame.attrs["meanings"]) == set(frame.columns)
    assert run.weeks.attrs["units"]["rent_usd_per_hour_H100"] == "USD per GPU-hour"
    assert run.table("collateral") is run.table("collateral")
    with pytest.raises(KeyError, match="there are weeks, trades"):
        run.table("week")


def test_a_table_without_rows_has_its_columns() -> None:
    quiet = fs.run("calm", settings={"clock.weeks": 1})
    assert "shapley" not in quiet.tables
    assert len(quiet.table("shapley")) == 0 and "week" in quiet.table("shapley").columns


def test_weekly_columns_of_generations_become_a_dimension(run: fs.Run) -> None:
    data = run.to_xarray()
    assert data["price_usd"].dims == ("week", "generation") and data["btc_usd"].dims == ("week",)
    h100 = data["price_usd"].sel(generation="H100").to_numpy()
    pd.testing.assert_series_equal(pd.Series(h100, name="price_usd_H100"), run.weeks["price_usd_H100"])
    columns = {str(name) for name in run.weeks.columns} - {"week"}
    held = {str(name) for name in data.data_vars if data[name].dims == ("week",)}
    for name in {str(name) for name in data.data_vars} - held:
        held |= {f"{name}_{generation}" for generation in fs.GENERATIONS}
    assert columns - held == {"forced_standing"} and "forced_standing_all" in held
    assert data.attrs["seed"] == 7


def test_figures_are_figures(run: fs.Run) -> None:
    drawn = run.figures()
    assert {"discount_path", "loss_waterfall", "credit_network"} <= set(drawn)
    assert all(isinstance(figure, Figure) and figure.axes for figure in drawn.values())


def test_a_party_has_a_story(run: fs.Run) -> None:
    assert "borrower" in run.trace("Borrower")
    with pytest.raises(ValueError, match="no party of this run is called nobody") as refused:
        run.trace("nobody")
    assert type(refused.value).__name__ == "StoryError"


def test_a_saved_run_is_the_run(run: fs.Run, tmp_path: Path) -> None:
    opened = fs.open(run.save(tmp_path / "one"))
    assert isinstance(opened, fs.Run) and opened.digest == run.digest and opened.model is None
    assert opened.parameters == run.parameters and repr(opened) == repr(run)
    pd.testing.assert_frame_equal(opened.events, run.events)
    with pytest.raises(fs.StoreError, match="exists|stands"):
        run.save(tmp_path / "one")


def test_it_is_the_run_of_the_command(run: fs.Run, stored_run: Path) -> None:
    assert fs.open(stored_run).manifest["digest"] == run.digest


def test_a_sweep_opens_as_a_sweep(stored_sweep: Path) -> None:
    results = fs.open(stored_sweep)
    assert isinstance(results, fs.SweepResults) and len(results.runs) == 16
    assert results.points.attrs["meanings"]["price_usd"].startswith("mean")


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fs.StoreError, match="no result"):
        fs.open(tmp_path)


def test_settings_and_arms_are_checked_before_the_first_week() -> None:
    with pytest.raises(fs.ParameterError, match="did you mean site.vacancy"):
        fs.run("calm", settings={"site.vacansy": 0.05})
    with pytest.raises(fs.ScenarioError, match="no arm is called tight"):
        fs.run("ten_thousand_h100", arm="tight")
    with pytest.raises(fs.ScenarioError, match="did you mean calm"):
        fs.scenario("calmm")


def test_parameters_are_changed_by_dotted_key() -> None:
    parameters = fs.Parameters().with_({"site.vacancy": 0.05})
    assert parameters.site.vacancy == 0.05
    assert repr(parameters).startswith("Parameters(site.vacancy=0.05; ")
    with pytest.raises(fs.ParameterError, match=r"site\.vacancy = 5; allowed 0\.0 to 0\.1 share"):
        parameters.with_({"site.vacancy": 5})
    with pytest.raises(fs.ParameterError, match=r"use with_\(\{'site\.vacancy': \.\.\.\}\)"):
        parameters.model_copy(update={"site.vacancy": 0.01})


def test_failed_runs_of_a_sweep_are_warned_of(tmp_path: Path) -> None:
    asked = fs.Experiment(
        name="hasty",
        scenario="calm",
        overrides={"clock.weeks": 2},
        vary={"site.vacancy": (0.01,)},
        replications={"count": 1},
        limits={"run_seconds": 0.01, "retries": 0},
    )
    with pytest.warns(RuntimeWarning, match="1 runs failed"):
        results = fs.sweep(asked, tmp_path / "hasty", workers=1)
    assert results.failures["status"].tolist() == ["timed_out"]


IMPORTED = """
import sys, time
import mesa, networkx, numpy, pandas
began = time.process_time()
import firesale
print(time.process_time() - began)
assert "solara" not in sys.modules and "SALib" not in sys.modules and "distributed" not in sys.modules
"""


def test_the_face_imports_nothing_that_only_extras_need() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(f"import firesale beyond mesa: {float(done.stdout):.2f} s of processor time")
