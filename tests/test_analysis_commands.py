"""Analysis commands on real sweeps of the model, each through the command line."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from command_lines import environment

SWEEP = """
name = "NAME"
scenario = "ten_thousand_h100"
seed = 7
[overrides]
clock.weeks = 5
forced_sale.week = 2
forced_sale.deadline_weeks = 2
MORE
[vary]
"site.vacancy" = { low = 0.005, high = 0.06 }
"forced_sale.gpus" = { low = 1000, high = 20000, scale = "log" }
[design]
kind = "KIND"
points = POINTS
[replications]
count = 2
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysis")


def _firesale(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["sh", "-c", 'exec firesale "$@"', "firesale", *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def _sweep(folder: Path, name: str, kind: str, points: int, more: str = "") -> None:
    text = SWEEP.replace("NAME", name).replace("KIND", kind).replace("POINTS", str(points))
    (folder / f"{name}.toml").write_text(text.replace("MORE", more), encoding="utf-8")
    _firesale(folder, "sweep", f"{name}.toml", "--out", f"results/{name}", "--yes", "--quiet")


@pytest.mark.parametrize(("kind", "points", "table"), [("morris", 4, "morris"), ("saltelli", 8, "sobol")])
def test_sensitivity(folder: Path, kind: str, points: int, table: str) -> None:
    _sweep(folder, kind, kind, points)
    said = _firesale(folder, "sensitivity", f"results/{kind}", "--outcome", "recovery")
    assert f"  {table}\n" in said and "variance of single runs: seed " in said
    place = folder / "results" / kind / "sensitivity"
    found = pd.read_csv(place / f"{table}.csv")
    assert set(found["parameter"]) == {"site.vacancy", "forced_sale.gpus"}
    assert (found["low"] <= found["high"]).all()
    assert (place / "figures" / f"{table}_recovery.pdf").is_file()
    shares = pd.read_csv(place / "variance.csv")
    assert shares["share"].sum() == pytest.approx(1.0)


def test_discover_compare_and_verify(folder: Path) -> None:
    _sweep(folder, "space", "sobol", 20)
    _sweep(folder, "moved", "sobol", 20, "freight.reinstall_air_usd = 800")
    said = _firesale(folder, "sensitivity", "results/space", "--outcome", "recovery")
    assert "  pawn\n" in said and "(dummy)" in said
    said = _firesale(folder, "discover", "results/space", "forced_gpus > 5000")
    assert "box: coverage" in said and "forced_sale.gpus" in said
    said = _firesale(folder, "compare", "results/space", "results/moved", "--out", "compared")
    assert "Parameters that differ" in said
    table = pd.read_csv(folder / "compared/differences.csv")
    assert table["pairs"].max() == 40
    said = _firesale(folder, "verify", "results/space", "--sample", "20")
    assert said.startswith("20 runs repeated") and "equal bit for bit" in said
    manifest = json.loads((folder / "results/space/manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"]
