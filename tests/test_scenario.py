"""Scenarios: shipped ones load, layers win in order, and every fault is one line naming file and key."""

from pathlib import Path

import numpy as np
import pytest

from agents.vocabulary import GENERATIONS
from experiments.design.scenario import ScenarioError, load, settings_of, shipped
from sim.parameters import Parameters


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_load_with_every_arm(name: str) -> None:
    scenario = load(name)
    assert scenario.name == name and scenario.title and scenario.description
    for arm in (None, *scenario.arms):
        scenario.parameters(arm)


def test_calm_is_the_default_but_for_its_length() -> None:
    """Loans of five years are made in it and run off: its stressed scenarios are read beside it week by week."""
    assert load("calm").parameters() == Parameters().with_({"clock.weeks": 260})


def test_ten_thousand_h100_and_its_arms() -> None:
    scenario = load("ten_thousand_h100")
    base = scenario.parameters()
    assert (base.forced_sale.enabled, base.forced_sale.gpus, base.forced_sale.week) == (True, 10_000, 26)
    assert base.forced_sale.generation == "H100" and base.site.vacancy == 0.016
    arms = {arm: scenario.parameters(arm) for arm in scenario.arms}
    crossed = {arm: p for arm, p in arms.items() if p.site.vacancy != base.site.vacancy}
    assert {arm: (p.forced_sale.in_place, p.site.vacancy) for arm, p in crossed.items()} == {
        "moved-loose": (False, 0.06),
        "moved-tight": (False, 0.005),
        "in_place-loose": (True, 0.06),
        "in_place-tight": (True, 0.005),
    }
    # The same sale in two kinds of stress, and of racks: what the scenario is printed beside.
    assert {f"ten_thousand_h100/{arm}" for arm in arms if arm not in crossed} == set(scenario.beside)
    assert arms["funding_stop"].credit.stop_week == 20 and arms["funding_stop"].rent == base.rent
    assert arms["rent_slump"].rent.slump_week == 20 and arms["rent_slump"].credit == base.credit
    assert {p.forced_sale.generation for arm, p in arms.items() if arm.startswith("gb200")} == {"GB200"}
    assert arms["gb200"].forced_sale.gpus % 72 == 0


def test_credit_and_technology_are_never_mixed() -> None:
    """economics.md 7: a funding shock leaves rents alone, a rent slump leaves credit open, and neither correlates anything.

    Late power and the failure of the largest tenant leave both alone.
    """
    calm = load("calm").parameters().flat()
    changed = {
        name: {key: value for key, value in load(name).parameters().flat().items() if value != calm[key]}
        for name in (
            "credit_crisis",
            "rent_slump",
            "correlation_convergence",
            "late_power",
            "tenant_failure",
        )
    }
    crisis = load("credit_crisis")
    assert changed["credit_crisis"] == {"credit.stop_week": 26}
    credit = crisis.parameters().credit
    assert (credit.stop_weeks, credit.stop_ends) == (26, "commitments")
    assert {arm: crisis.parameters(arm).credit.stop_weeks for arm in ("stop-13", "stop-52")} == {
        "stop-13": 13,
        "stop-52": 52,
    }
    ends = {arm: crisis.parameters(arm).credit.stop_ends for arm in ("stop-undrawn", "stop-all")}
    assert ends == {"stop-undrawn": "undrawn", "stop-all": "all"}
    assert changed["rent_slump"] == {"rent.slump_week": 26}
    assert load("rent_slump").parameters().rent.slump == -0.5
    assert changed["correlation_convergence"] == {
        "correlation.rho_stress": 0.6,
        "correlation.stress_mean_shift": -0.25,
    }
    assert changed["late_power"] == {"construction.slip_week": 26, "construction.slip_weeks": 52}
    assert changed["tenant_failure"] == {"tenants.failure_week": 26}


def test_every_stressed_scenario_has_the_sceptics_arms() -> None:
    asked = set(load("calm").arms)
    assert {"in_place-tight", "in_place-loose", "half_marked", "without_largest", "reserve-scrap"} <= asked
    stressed = ("credit_crisis", "rent_slump", "correlation_convergence", "rebound_2026")
    for name in (*stressed, "late_power", "tenant_failure"):
        assert asked <= set(load(name).arms), name


def test_the_rebound_replays_everything_that_is_cited() -> None:
    from sim.base import reference
    from sim.base.randomness import Randomness
    from sim.drivers.drivers import Drivers
    from sim.drivers.replay import Origin

    parameters = load("rebound_2026").parameters()
    drivers = Drivers(
        parameters, Randomness(7, 0), tuple(reference.zone_prices())[:1], parameters.clock.weeks
    )
    replayed = ("btc_usd", "hashprice_usd_per_ph_day", "sofr", "spread", "rent_usd_per_hour_H100")
    for name in replayed:
        assert np.any(drivers.origin[name] == Origin.OBSERVED), name
        assert not np.any(np.isin(drivers.origin[name], (Origin.DRAWN, Origin.ASSUMED))), name
    assert np.all(drivers.origin["rent_usd_per_hour_A100"] == Origin.FILLED)
    assert drivers.btc_usd[drivers.origin["btc_usd"] == Origin.OBSERVED][0] == 109_580.94
    h100 = drivers.rent_exogenous[:, GENERATIONS.index("H100")]
    assert h100[0] == pytest.approx(1.70, abs=0.03) and h100[-1] == pytest.approx(2.65)
    # The levels of the others were set so that the replay ends where the default world begins.
    ends = drivers.rent_exogenous[-1] / Parameters().rent.initial_usd_per_hour.array()
    assert np.all(np.abs(np.log(ends)) < 0.05), ends


def test_layers_win_in_order(tmp_path: Path) -> None:
    write(tmp_path, "[overrides.site]\nvacancy = 0.02\nassignable_share = 0.1\n", "below.toml")
    path = write(
        tmp_path,
        'base = "below.toml"\n[overrides.site]\nvacancy = 0.03\n'
        '[arms.a.site]\nvacancy = 0.04\n[arms.b]\nrent.driver = "flat"\n',
    )
    scenario = load(path)
    assert scenario.parameters().site.vacancy == 0.03
    assert scenario.parameters().site.assignable_share == 0.1
    assert scenario.parameters("a").site.vacancy == 0.04
    assert scenario.parameters("b").rent.driver == "flat"
    assert scenario.parameters("a", ["site.vacancy=0.05"]).site.vacancy == 0.05


def test_a_file_can_build_on_a_shipped_scenario(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, 'base = "ten_thousand_h100"\n[overrides]\nforced_sale.gpus = 80\n'))
    assert scenario.parameters("moved-tight").forced_sale.gpus == 80


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[overrides]\nlenders.advance.mixd = 0.8\n", ["mine.toml", "did you mean lenders.advance.mixed?"]),
        (
            "[overrides]\nlenders.advance.mixed = 8\n",
            ["mine.toml", "lenders.advance.mixed", "0.5 to 0.85 share of cost"],
        ),
        (
            "[arms.x]\nsite.vacancy = 2\n",
            ["mine.toml", "arms.x", "site.vacancy", "share of energised IT power"],
        ),
        ("overides = 3\n", ["mine.toml", "did you mean overrides?"]),
        ("overrides = 3\n", ["mine.toml", "overrides: expected a table"]),
        ("[arms]\nx = 3\n", ["mine.toml", "arms.x: expected a table"]),
        ("title = 3\n", ["mine.toml", "title: expected text"]),
        ('beside = "calm"\n', ["mine.toml", "beside: expected a list"]),
        ('beside = ["calmm"]\n', ["mine.toml", "beside", "did you mean calm?"]),
        ("title = \n", ["mine.toml", "not valid TOML", "line 1"]),
        ('base = "calmm"\n', ["did you mean calm?"]),
        ('base = "mine.toml"\n', ["mine.toml", "its own base"]),
        ('base = "gone.toml"\n', ["gone.toml", "cannot be read"]),
        ("[overrides]\nclock.start = 2026-10-06\n", ["mine.toml", "clock.start", "Tuesday"]),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(write(tmp_path, text))
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="UTF-8"):
        load(path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(f"{tmp_path}/")


def test_unknown_scenario_and_arm_get_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="did you mean ten_thousand_h100"):
        load("ten_thousand_h10")
    with pytest.raises(ScenarioError, match="did you mean moved-tight"):
        load("ten_thousand_h100").parameters("moved-tigth")
    with pytest.raises(ScenarioError, match="there are none"):
        load(write(tmp_path, "title = 'bare'\n")).parameters("moved")


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("site.vacancy=0.06", "site.vacancy", 0.06),
        (" site.vacancy = .06 ", "site.vacancy", 0.06),
        ("rent.driver=flat", "rent.driver", "flat"),
        ('rent.driver="flat"', "rent.driver", "flat"),
        ("forced_sale.enabled=true", "forced_sale.enabled", True),
        ("forced_sale.gpus=20_000", "forced_sale.gpus", 20_000),
        ("clock.start=2026-10-12", "clock.start", "2026-10-12"),
        ("world.sites_file=my places/a=b.csv", "world.sites_file", "my places/a=b.csv"),
    ],
)
def test_settings_are_read_as_toml_or_text(setting: str, key: str, value: object) -> None:
    assert settings_of([setting]) == {key: value}


@pytest.mark.parametrize(
    "setting", ["", "=", "site.vacancy", "site.vacancy=", "=0.5", "site.vacancy=0.06\nx=1"]
)
def test_malformed_settings_are_refused(setting: str) -> None:
    with pytest.raises(ScenarioError, match="--set"):
        settings_of([setting])


def test_the_last_setting_wins() -> None:
    assert load("calm").parameters(None, ["site.vacancy=0.02", "site.vacancy=0.03"]).site.vacancy == 0.03
