"""A branch with settings: one changed set of parameters, and keys that have had their say are refused by name."""

import pytest
from parameter_readers import read_by_living_models

from sim.model import FireSaleModel
from sim.parameters import ParameterError, Parameters, walk
from sim.parameters.construction import AT_CONSTRUCTION, fixed_at_construction

KEYS = {key: field for key, _, field in walk(Parameters())}
REFUSED = [key for key in KEYS if fixed_at_construction(key)]
# These also say what parties expect of a path that is drawn, a journey that is laid or a lease that is signed, what rates and
# spreads are measured from, how tenants answer dear contracts, or whom deals come from; changed alone they would belie it.
ALSO_EXPECTED = {
    "rent.trend_deflation",
    "rent.demand_mean_reversion",
    "rent.demand_elasticity",
    "hardware.salvage_decay",
    "interest.sofr_initial",
    "interest.spread_initial",
    "tenants.speculative_share",
    "freight.transit_weeks",
}


def living(weeks: int, lived: int, **changes: object) -> FireSaleModel:
    overrides = {"clock.weeks": weeks, "forced_sale.enabled": True, "forced_sale.week": lived, **changes}
    model = FireSaleModel(Parameters.from_overrides(overrides), rng=7)
    model.run_for(lived)
    return model


@pytest.fixture(scope="module")
def trunk() -> FireSaleModel:
    return living(6, 2)


def test_a_branch_has_one_changed_set_of_parameters(trunk: FireSaleModel) -> None:
    changes = {"search.enabled": True, "search.contacts_per_year": 12.0, "lenders.advance.mixed": 0.7}
    before = trunk.parameters.flat()
    branch = trunk.branch(changes)
    assert branch.parameters is branch.world.parameters
    assert branch.parameters.flat() == before | changes
    assert trunk.parameters.flat() == before
    branch.run_for(1)
    assert 0 < branch.present.mean() < 1
    miner = next(iter(branch.agents_by_type.values()))[0]
    assert miner.parameters is branch.parameters.section_of(type(miner))


def test_settings_act_from_the_branch_on(trunk: FireSaleModel) -> None:
    sold, spared = trunk.branch(), trunk.branch({"forced_sale.enabled": False})
    for branch in (sold, spared):
        branch.run_for(2)
    events = [set(branch.tables()["events"]["detail"].tolist()) for branch in (sold, spared)]
    assert "scenario" in events[0] and "scenario" not in events[1]


@pytest.mark.parametrize(
    "key",
    ["clock.weeks", "rent.initial_usd_per_hour.H100", "world.miners", "site.vacancy", "tenants.tenants"],
)
def test_a_key_that_acts_at_construction_is_refused_by_name(trunk: FireSaleModel, key: str) -> None:
    with pytest.raises(
        ParameterError, match=f"branch: {key} acts when a model is made, not later: .* by then"
    ):
        trunk.branch({"lenders.advance.mixed": 0.7, key: Parameters().flat()[key]})


def test_other_faults_are_named_too(trunk: FireSaleModel) -> None:
    with pytest.raises(ParameterError, match=r"branch: .*did you mean lenders\.advance\.mixed"):
        trunk.branch({"lenders.advance.mixd": 0.7})
    with pytest.raises(ParameterError, match=r"branch: lenders\.advance\.mixed = 7"):
        trunk.branch({"lenders.advance.mixed": 7})
    with pytest.raises(ParameterError, match="rent is a table"):
        trunk.branch({"rent": 1})


def test_what_is_declared_exists_and_once() -> None:
    names = [name for group in AT_CONSTRUCTION.values() for name in group]
    assert len(set(names)) == len(names)
    for name in names:
        assert any(key == name or key.startswith(f"{name}.") for key in KEYS), name
    assert set(REFUSED) > ALSO_EXPECTED


def other(key: str) -> object:
    """Another value a parameter may have."""
    field = KEYS[key]
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    if "options" in extra:
        return next(option for option in extra["options"] if option != field.default)  # type: ignore[union-attr]
    if "low" in extra:
        return extra["high"] if field.default != extra["high"] else extra["low"]
    return (
        (not field.default)
        if isinstance(field.default, bool)
        else "2031-01-06"
        if key == "clock.start"
        else "no_plugin"
        if key == "plugin"
        else "x.csv"
    )


def differing(a: FireSaleModel, b: FireSaleModel) -> list[str]:
    """Columns of the tables of two runs that are not the same to the byte."""
    left, right = a.tables(), b.tables()
    assert left.keys() == right.keys()
    return [
        f"{table}.{name}"
        for table, columns in left.items()
        for name, column in columns.items()
        if column.tobytes() != right[table][name].tobytes()
    ]


@pytest.mark.slow
def test_refused_keys_would_change_nothing() -> None:
    """All at once and past the check: a year's weeks are the same to the byte, with a crisis of credit in them."""
    trunk = living(52, 6, **{"credit.mark_to_market_share": 0.5, "rent.slump_week": 8})
    changed, plain = trunk.branch(), trunk.branch()
    settings = {key: other(key) for key in REFUSED if key not in ALSO_EXPECTED and key != "plugin"}
    assert len(settings) > 120
    changed.world.parameters = Parameters.from_overrides(trunk.parameters.flat() | settings)
    for branch in (changed, plain):
        branch.run_for(46)
    assert {"default", "collateral_sale"} <= set(plain.tables()["events"]["kind"].tolist())
    assert differing(changed, plain) == []


@pytest.mark.slow
def test_the_check_would_notice_a_key_that_acts_later() -> None:
    trunk = living(20, 2)
    plain = trunk.branch()
    plain.run_for(18)
    for key in sorted(ALSO_EXPECTED):
        changed = trunk.branch()
        flat = trunk.parameters.flat()
        # One deal in twenty would be another's: few are offered in these weeks.
        factor = 2.0 if key == "tenants.speculative_share" else 1.05
        changed.world.parameters = Parameters.from_overrides(flat | {key: factor * flat[key]})
        changed.run_for(18)
        assert differing(changed, plain), key


@pytest.mark.slow
def test_every_key_that_is_accepted_is_read_by_a_living_model() -> None:
    """What nobody reads any more would be accepted and do nothing."""
    assert sorted(set(KEYS) - set(REFUSED) - read_by_living_models()) == []
