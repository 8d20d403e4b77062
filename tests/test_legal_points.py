"""Legal parameters that once broke the model: each runs with its books closed, or is refused by name."""

from typing import Any

import numpy as np
import pytest

from experiments.design.scenario import load
from sim.lending.terms import market_rate
from sim.model import FireSaleModel
from sim.parameters import ParameterError, Parameters
from sim.state.ledger import Lots


def lived(weeks: int, changes: dict[str, Any], scenario: str = "calm") -> FireSaleModel:
    parameters = load(scenario).parameters().with_({**changes, "clock.weeks": weeks})
    model = FireSaleModel(parameters, rng=7)
    model.run_for(weeks)
    return model


def test_a_market_spread_below_that_of_calm_takes_no_rate_below_the_base_rate() -> None:
    """The market's spread may fall below where it began by more than lenders pay for their own funding."""
    changes = {"interest.spread_initial": 0.122, "credit.experience": False}
    model = FireSaleModel(load("rebound_2026").parameters().with_(changes), rng=7)
    section = model.world.parameters.lenders
    for week in (0, 29, 51):
        base = model.world.drivers.sofr[week]
        assert model.world.drivers.spread[week] < 0.122 - section.own_funding_spread
        for tier in range(3):
            # What is left when funding costs nothing: expected loss, and the charge for capital.
            loss = section.prior_default_rate.array()[tier] * section.prior_loss
            charge = 1.1 * section.capital.array()[tier] * (section.return_on_equity - base)
            least = base + loss + charge
            assert market_rate(model.world, week, tier) == pytest.approx(least)
            assert market_rate(model.world, week, tier) >= least > base


def test_a_world_without_fleets_lives() -> None:
    alone = {"world.neo_clouds": 1, "world.largest_neo_cloud": False}
    assert lived(3, {**alone, "world.miners": 1, "world.lenders": 1}).ledger.lots.n >= 0
    assert FireSaleModel(Parameters().with_({**alone, "clock.start": "2018-04-02"})).ledger.lots.n == 0


def test_lots_of_no_rows_have_all_their_columns() -> None:
    assert [len(column) for column in Lots.of(()).columns()] == [0] * 11
    assert Lots.of([tuple(range(11)), tuple(range(11, 22))]).quantity.tolist() == [2, 13]


@pytest.mark.parametrize("start", ["2015-01-05", "2018-03-26", "2101-01-03", "0001-01-01", "9999-12-27"])
def test_a_start_that_the_data_do_not_cover_is_refused_with_the_range(start: str) -> None:
    with pytest.raises(ParameterError, match=f"clock.start = '{start}': allowed 2018-04-02 .* to 2100-12-27"):
        Parameters().with_({"clock.start": start})


@pytest.mark.parametrize(
    ("key", "start"),
    [
        ("bitcoin.driver", "2027-01-04"),
        ("rent.driver", "2030-01-07"),
        ("interest.driver", "2018-04-02"),
        ("interest.spread_driver", "2019-01-07"),
    ],
)
def test_a_replay_of_cited_data_without_any_in_the_run_is_refused(key: str, start: str) -> None:
    with pytest.raises(ParameterError, match=f"{key} = replay: no cited value .* into the run, {start} to"):
        FireSaleModel(Parameters().with_({key: "replay", "clock.start": start, "clock.weeks": 4}))


def test_the_subsidy_halves_on_the_days_it_did() -> None:
    model = FireSaleModel(Parameters().with_({"clock.start": "2020-05-04", "clock.weeks": 3}))
    assert model.world.drivers.subsidy_btc.tolist() == [12.5, 6.25, 6.25]
    assert np.isfinite(model.world.drivers.hashprice_usd_per_ph_day).all()


def test_a_sale_larger_than_the_halls_is_refused_with_what_they_hold() -> None:
    sale = {"forced_sale.enabled": True, "forced_sale.gpus": 400_000, "forced_sale.generation": "VR200"}
    with pytest.raises(
        ParameterError, match=r"forced_sale.gpus = 400,000; the open pools can house [\d,]+ VR200"
    ):
        FireSaleModel(Parameters().with_(sale))


DECREE = {
    "forced_sale.enabled": True,
    "forced_sale.week": 1,
    "forced_sale.gpus": 400,
    "discount.shapley_weeks": 0,
}


@pytest.mark.parametrize(("arm", "in_place"), [("in_place-loose", True), ("moved-tight", False)])
def test_an_arm_does_in_a_sale_by_decree_what_its_name_says(arm: str, in_place: bool) -> None:
    model = FireSaleModel(load("calm").parameters(arm).with_({**DECREE, "clock.weeks": 4}), rng=7)
    model.run_for(2)
    sold = np.unique(
        model.world.topology.pool_place[model.ledger.lots.pool[model.ledger.lots.liquidator >= 0]]
    )
    assert len(sold) and (model.world.slots.assignable[sold] == in_place).all()
    assert (model.world.slots.assignable == in_place).all()


@pytest.mark.parametrize(("share", "in_place"), [(1.0, False), (0.0, True)])
def test_a_decree_against_what_is_said_of_every_contract_is_refused(share: float, in_place: bool) -> None:
    said = f"forced_sale.in_place = {str(in_place).lower()}, but site.assignable_share = {share:g}"
    with pytest.raises(ParameterError, match=said):
        FireSaleModel(
            Parameters().with_({**DECREE, "site.assignable_share": share, "forced_sale.in_place": in_place})
        )
