"""What `firesale schema --scenario` says changes nothing, changes nothing; what it does not say so of changes something."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from credit_worlds import DEFAULTS
from parameter_readers import DEAR_CONTRACTS, LATE_HALLS, POOR_BORROWERS
from pydantic.fields import FieldInfo

from agents.schema import Section
from experiments.design.scenario import load
from sim.model import FireSaleModel
from sim.parameters import Parameters, walk
from sim.parameters.needs import Condition, missing, needs_of, parse, said
from sim.places.places import load_places

Tables = dict[str, dict[str, Any]]
FIELDS = {key: field for key, _, field in walk(Parameters())}
# Worlds in which something is switched off: scenario, weeks, settings.
IDLE_WORLDS = {
    "calm": ("calm", 30, ()),
    "funding stop": ("credit_crisis", 60, ("discount.shapley_weeks=0",)),
    "no outside buyers": (
        "ten_thousand_h100",
        34,
        ("world.hyperscalers=0", "world.enterprises=0", "world.exporters=0", "liquidators.release=at_once"),
    ),
    "bare credit": (
        "rent_slump",
        60,
        (
            "credit.covenants=false",
            "credit.financing=false",
            "credit.tenants=false",
            "credit.workouts=false",
            "credit.stop_week=20",
        ),
    ),
    "no defaults": ("rent_slump", 60, ("credit.defaults=false", "credit.mark_to_market_share=0.5")),
    "no building": ("credit_crisis", 60, ("credit.building=false", "credit.experience=false")),
    "no new loans": ("credit_crisis", 60, ("credit.building=false", "credit.financing=false")),
    "nothing at all": (
        "rent_slump",
        60,
        (
            "miners.convertible_scale=0",
            "miners.bitcoin_pledged_share=0",
            "world.miner_bitcoin_scale=0",
            "contracts.investment_share=0",
            "construction.late_share=0",
            "construction.started_share=0",
            "equity.cash_used=0",
            "equity.shares_a_month=0",
            "tenants.renegotiation_hazard=0",
            "credit.realisation_covenant=0",
            "credit.chapter_11_probability=0",
            "credit.amendments=0",
            "liquidators.release=held",
        ),
    ),
    "flat": (
        "correlation_convergence",
        20,
        ("rent.driver=flat", "power.driver=flat", "bitcoin.driver=flat", "correlation.driver=calm"),
    ),
    "bootstrap": ("correlation_convergence", 20, ("bitcoin.driver=bootstrap", "correlation.driver=stress")),
    "replay": ("rebound_2026", 20, ("power.driver=replay",)),
}


def parameters_of(scenario: str, weeks: int, settings: tuple[str, ...]) -> Parameters:
    return load(scenario).parameters(None, (*settings, f"clock.weeks={weeks}"))


def other_ends(value: Any, field: FieldInfo) -> list[Any]:
    """Values at the other ends of a parameter's range, the furthest first."""
    about = field.json_schema_extra
    assert isinstance(about, dict)
    if isinstance(value, bool):
        return [not value]
    if "options" in about:
        return [option for option in about["options"] if option != value]  # type: ignore[union-attr]
    if "low" in about:
        ends = {about["low"], about["high"]} - {value}
        return sorted(ends, key=lambda end: -abs(end - value))  # type: ignore[operator, arg-type]
    return ["nowhere.csv"]  # a file that would not be found


def tables_of(parameters: Parameters, marks: list[int]) -> Iterator[Tables]:
    """Everything recorded by the ends of some weeks."""
    model = FireSaleModel(parameters, rng=7)
    for lived, week in zip([0, *marks], marks, strict=False):
        model.run_for(week - lived)
        yield model.tables()


def differences(one: Tables, other: Tables) -> list[str]:
    """Columns that differ in any bit."""
    names = {f"{table}.{column}" for tables in (one, other) for table in tables for column in tables[table]}

    def raw(tables: Tables, name: str) -> Any:
        table, _, column = name.partition(".")
        values = np.asarray(tables.get(table, {}).get(column))
        return values.tolist() if values.dtype.kind == "O" else (values.dtype, values.shape, values.tobytes())

    return sorted(name for name in names if raw(one, name) != raw(other, name))


# -- the declarations ---------------------------------------------------------------------------------------


def sections(section: Section) -> Iterator[Section]:
    yield section
    for name in type(section).model_fields:
        inner = getattr(section, name)
        if isinstance(inner, Section):
            yield from sections(inner)


@pytest.mark.parametrize("section", list(sections(Parameters())), ids=lambda section: type(section).__name__)
def test_declarations_name_what_there_is(section: Section) -> None:
    names = [key for key, _, _ in walk(section)]
    for text, patterns in type(section).needs.items():
        for pattern in patterns.split():
            assert any(fnmatchcase(name, pattern) for name in names), f"{pattern} names no parameter"
        for condition in parse(text):
            Parameters.from_overrides({condition.key: condition.value})
            assert not all(condition.holds({condition.key: value}) for value in allowed(condition.key)), text


def allowed(key: str) -> list[Any]:
    default = Parameters().flat()[key]
    return [default, *other_ends(default, FIELDS[key])]


def test_a_condition_is_read_with_the_type_of_its_parameter() -> None:
    assert Condition.parse('world.fleets_file = ""').value == ""
    assert Condition.parse("rent.driver != flat").holds({"rent.driver": "replay"})
    with pytest.raises(ValueError, match="no relation is called <; there are =, !=, >, >="):
        Condition.parse("world.miners < 3")


def test_what_hangs_on_an_idle_mechanism_is_idle_too() -> None:
    values = Parameters.from_overrides({"credit.defaults": False}).flat()
    needs = needs_of(Parameters())
    assert said(missing("credit.price_impact", values, needs), values) == (
        "needs credit.defaults = true (is false)"
    )
    # Each of these needs the regime to do something, and is what makes it do something.
    assert not missing("correlation.rho_stress", values, needs)
    assert missing("correlation.calm_to_stress", values, needs)
    moved = Parameters.from_overrides({"correlation.rho_stress": 0.5}).flat()
    assert not missing("correlation.calm_to_stress", moved, needs)
    assert not missing("correlation.driver", moved, needs)


# -- what is said to change nothing -------------------------------------------------------------------------


def moved_idle(parameters: Parameters) -> dict[str, Any]:
    """The idle parameters of a scenario, each at the other end of its range; a file that nothing would read is refused."""
    values = parameters.flat()
    idle = (key for key in parameters.idle() if not key.endswith(".replay_file"))
    return {key: other_ends(values[key], FIELDS[key])[0] for key in idle}


def test_idle_parameters_of_a_short_calm_change_nothing() -> None:
    check_idle("calm", 5, ())


@pytest.mark.slow
@pytest.mark.parametrize("world", IDLE_WORLDS)
def test_idle_parameters_change_nothing(world: str) -> None:
    check_idle(*IDLE_WORLDS[world])


def check_idle(scenario: str, weeks: int, settings: tuple[str, ...]) -> None:
    """Idle parameters moved leave every table bit for bit as it was: all at once, but one by one those that others need."""
    parameters = parameters_of(scenario, weeks, settings)
    idle, needs = moved_idle(parameters), needs_of(parameters)
    assert idle
    (before,) = tables_of(parameters, [weeks])

    def changed(overrides: dict[str, Any]) -> list[str]:
        (after,) = tables_of(Parameters.from_overrides({**parameters.flat(), **overrides}), [weeks])
        return differences(before, after)

    # Two that need each other change nothing alone, and may together.
    needed = {condition.key for key in idle for need in needs[key] for condition in need} & set(idle)
    together = {key: value for key, value in idle.items() if key not in needed}
    alone = idle if changed(together) else needed
    wrong = {key: found[:3] for key in alone if (found := changed({key: idle[key]}))}
    assert not wrong, f"said to change nothing: {wrong}"
    assert alone is needed, "each alone changes nothing, together they do"


def test_idle_parameters_beside_own_fleets_change_nothing(tmp_path: Path) -> None:
    places, fleets = load_places(Parameters()), tmp_path / "fleets.csv"
    here = places.id[np.flatnonzero((places.kind == "miner-converted") & (places.it_watts > 5e6))[0]]
    head = "place_id,generation,gpus,owner,age_years,financed"
    fleets.write_text(f"{head}\n{here},H100,800,neo-cloud 2,1,yes\n", encoding="utf-8")
    own = f"world.fleets_file={fleets}"
    assert "world.colocation_gpu_share" in parameters_of("calm", 5, (own,)).idle()
    check_idle("calm", 5, (own,))


def test_every_declared_need_is_put_to_the_test() -> None:
    own = {"world.fleets_file": "fleets.csv"}
    idle = {key for world in IDLE_WORLDS.values() for key in parameters_of(*world).idle()}
    assert idle | set(Parameters.from_overrides(own).idle()) == set(needs_of(Parameters()))


# -- what is not said to change nothing ---------------------------------------------------------------------

# Worlds tried one after the other: scenario, weeks of the paths drawn, settings, and the weeks by which a change is looked for.
LiveWorld = tuple[str, int, tuple[str, ...], list[int]]
QUICK = "discount.shapley_weeks=0"
# Every tenant of the best rating, often failing; interest the covenant that binds.
SAFE_TENANTS = (
    "tenants.tenants=60",
    "tenants.investment_share=1",
    "tenants.hazard_investment=0.005",
    "equity.notes_share=0.35",
    "equity.notes_coupon=0.12",
    "credit.mark_to_market_share=0.5",
    "credit.dscr_covenant=0.95",
)
# Notes and convertibles due within a run, shells let at little, lenders without cash.
EARLY_MATURITIES = (
    "world.miners=60",
    "world.lender_cash_usd=0",
    "miners.shell_lease_usd_per_kw_month=70",
    "miners.convertible_put_years=1.5",
    "miners.convertible_scale=2",
    "equity.notes_tenor_years=3",
)
# Tenants that ask for relief once their contracts are dear.
RENEGOTIATING_TENANTS = (
    "rent.slump_week=2",
    "rent.slump=-0.5",
    "tenants.renegotiation_hazard=0.2",
    "tenants.speculative_share=1",
    "tenants.investment_share=0",
)
# Loans that fail and are closed within the run, so that lenders' funds shrink.
LOSING_LENDERS = (
    "rent.slump_week=2",
    "rent.slump=-1.5",
    "world.neo_cloud_free_cash_usd=0",
    "neo_clouds.reserve_months=1",
    "credit.chapter_11_probability=0",
    "credit.grace_weeks=0",
    "credit.enforcement_weeks=3",
    "credit.price_impact=1",
    "lenders.enforcement_cost=0.1",
)
# Miners that owe little and hold coins that rise: some convertibles end worth more than par.
RISING_SHARES = (
    "miners.convertible_scale=0.2",
    "bitcoin.drift=0.3",
    "bitcoin.jump_rate=0",
    "world.miners=30",
)
# The last payment of a loan sold by decree later is a maturity that is rolled at par; idle cash would repay it before.
BALLOONS = (
    "credit.financing=false",
    "equity.cash_used=0",
    "forced_sale.enabled=true",
    "forced_sale.week=200",
    "forced_sale.age_years=4.5",
    "credit.balloon_share=0.05",
)
# The clock frames every run; what a plugin changes is its own (test_plugins.py); how long a broken lease is named as a cause,
# and when an amended loan fails again, have tests of their own (test_parameter_effects.py).
LEFT_OUT = ("clock.", "credit.lease_cause_weeks", "credit.redefault_years", "plugin")
LIVE_WORLDS: tuple[LiveWorld, ...] = (
    ("calm", 16, (QUICK,), [1, 3, 8, 16]),
    ("rebound_2026", 4, (QUICK, "power.driver=replay"), [1]),
    ("correlation_convergence", 250, (QUICK, "bitcoin.driver=bootstrap", "rent.slump_week=150"), [1]),
    (
        "ten_thousand_h100",
        3,
        ("discount.shapley_pairs=1", "forced_sale.week=2", "forced_sale.gpus=2000"),
        [3],
    ),
    (
        "ten_thousand_h100",
        16,
        (QUICK, "forced_sale.week=2", "forced_sale.gpus=40000", "search.enabled=true"),
        [1, 4, 16],
    ),
    ("calm", 40, (QUICK, *POOR_BORROWERS, "credit.mark_to_market_share=0.5"), [27, 40]),
    ("rent_slump", 70, (QUICK, "rent.slump=-1.5", "credit.stop_week=20"), [45, 70]),
    ("calm", 60, (QUICK, *SAFE_TENANTS), [30, 60]),
    ("calm", 60, (QUICK, *EARLY_MATURITIES), [30, 60]),
    ("calm", 2, (QUICK, "valuation.expectations=extrapolative"), [2]),
    ("calm", 30, (QUICK, *BALLOONS), [10, 30]),
    ("rent_slump", 20, (QUICK, *DEFAULTS), [20]),
    ("late_power", 70, (QUICK, *LATE_HALLS), [35, 70]),
    ("rent_slump", 60, (QUICK, *DEAR_CONTRACTS), [30, 60]),
    ("rent_slump", 60, (QUICK, *RENEGOTIATING_TENANTS), [40, 60]),
    ("rent_slump", 70, (QUICK, *LOSING_LENDERS), [70]),
    ("calm", 100, (QUICK, *RISING_SHARES), [60, 100]),
    # Classes that are not made any more are on sale in the past.
    ("boom_2025", 16, (QUICK,), [16]),
    ("calm", 16, (QUICK, "clock.start=2021-06-07"), [16]),
    ("calm", 16, (QUICK, "clock.start=2018-09-03"), [16]),
)


def has_effect(key: str, parameters: Parameters, marks: list[int], before: list[Tables]) -> bool:
    """Whether a parameter at an end of its range changes anything recorded by one of the marks."""
    for end in other_ends(parameters.flat()[key], FIELDS[key]):
        moved = Parameters.from_overrides({**parameters.flat(), key: end})
        try:
            if any(
                differences(one, other) for one, other in zip(before, tables_of(moved, marks), strict=True)
            ):
                return True
        except (ValueError, OSError):  # a world that cannot be built is changed
            return True
    return False


def without_effect(keys: list[str], worlds: tuple[LiveWorld, ...]) -> list[str]:
    """Keys that change nothing in any of the worlds in which they are not idle."""
    for scenario, weeks, settings, marks in worlds:
        parameters = parameters_of(scenario, weeks, settings)
        before, idle = list(tables_of(parameters, marks)), parameters.idle()
        keys = [key for key in keys if key in idle or not has_effect(key, parameters, marks, before)]
    return keys


def test_a_sample_of_the_others_changes_something() -> None:
    sample = [
        "site.vacancy",
        "world.hyperscalers",
        "miners.convertible_scale",
        "rent.driver",
        "power.mean_reversion",
    ]
    world = ("calm", 3, (), [1, 3])
    assert without_effect(sample, (world,)) == []
    assert without_effect(["forced_sale.gpus"], (world,)) == ["forced_sale.gpus"]


@pytest.mark.slow
def test_every_parameter_changes_something_somewhere() -> None:
    keys = [key for key in FIELDS if not key.startswith(LEFT_OUT)]
    assert without_effect(keys, LIVE_WORLDS) == []
