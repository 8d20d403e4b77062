"""Validation: statistics on made-up tables whose answer is known, verdicts, and nothing scored that is not there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.runs.folder import ResultWarning
from experiments.validation import credit_measures, measures, rows
from experiments.validation import score as validation
from experiments.validation.arms import ALL_BUYERS, ARMS, LARGEST_BUYERS, Arm
from experiments.validation.facts import SALE_WEEK, WATCHED, Facts
from experiments.validation.ranges import used_prices
from experiments.validation.row import Row
from experiments.validation.score import score
from sim.parameters import Parameters


def _facts(quotes=None, **tables) -> Facts:
    installed = {"H100": 1000.0, "A100": 500.0, "V100": 10.0}
    return Facts(tables, Parameters().flat(), installed, quotes or {}, quotes or {})


def _quotes(price: float, other: float = 1.0) -> dict:
    return {week: {"H100": price, "GB200": other} for week in WATCHED}


def _trades(rows) -> dict:
    names = ["week", "generation", "condition", "forced", "quantity", "price_cents", "channel"]
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _row(kind: str, low: float, high: float) -> Row:
    return Row(
        "X", "x", kind, "1", low, high, "data", "source", "statistic", 0.1, ("calm",), lambda arms: 0.0
    )


def _verdict(row: Row, values) -> str:
    return score([row], pd.DataFrame({"X": values})).loc[0, "verdict"]


def test_every_arm_is_a_valid_set_of_parameters():
    for arm in ARMS.values():
        Parameters.from_overrides(arm.parameters)


def test_rows_are_unique_and_state_data_source_statistic_and_discrepancy():
    registered = rows.registered()
    assert len({row.id for row in registered}) == len(registered)
    for row in registered:
        assert row.data and row.source and row.statistic
        assert set(row.arms) <= set(ARMS)
        if row.measure is None:
            assert row.why
        if row.calibrates:
            assert row.discrepancy > 0 and row.measure is not None
    # Numbers of theory.md C that must appear, scored or not.
    assert {f"V{i}" for i in range(1, 31) if i != 23} == {row.id.split("-")[0] for row in registered}


def test_price_over_book_is_price_over_what_six_years_leave_of_the_units_sold():
    trades = _trades(
        [
            (1, "H100", "clean", False, 8, 1_500_000, "moved"),
            (2, "H100", "clean", False, 24, 1_100_000, "moved"),
        ]
    )
    trades["age_years"] = np.array([2.0, 4.0])
    list_price = Parameters().flat()["hardware.list_price_usd.H100"]
    book = list_price * (1 / 4 * (1 - 2 / 6) + 3 / 4 * (1 - 4 / 6))
    assert measures.price_over_book({"calm": _facts(trades=trades)}) == pytest.approx(12_000 / book)


def test_raw_discount_compares_within_weeks_and_classes_and_over_value():
    """Both weeks' forced units fetch 0.8 of what unforced ones fetch over value, whatever values do in between."""
    trades = _trades(
        [
            (26, "H100", "clean", False, 10, 2_000_000, "moved"),
            (26, "H100", "clean", True, 10, 1_600_000, "moved"),
            (27, "H100", "clean", False, 10, 1_000_000, "moved"),
            (27, "H100", "clean", True, 30, 400_000, "moved"),
            (28, "H100", "clean", True, 30, 9, "moved"),  # nothing to compare it with
            (27, "A100", "clean", True, 30, 1, "moved"),
            (26, "H100", "new", True, 30, 1, "moved"),
        ]
    )
    trades["best_use_value_cents"] = np.array([100, 100, 100, 50, 100, 100, 100]) * 30_000
    assert measures.raw_discount({"forced": _facts(trades=trades)}) == pytest.approx(0.2)
    only = {name: values[[0, 2]] for name, values in trades.items()}
    assert np.isnan(measures.raw_discount({"forced": _facts(trades=only)}))


def test_spillover_and_closures_are_read_from_quotes():
    arms = {
        "one_lot": _facts(_quotes(9_900.0)),
        "calm": _facts(_quotes(10_000.0)),
        "segment_closed": _facts(_quotes(5_000.0)),
        "all_closed": _facts(_quotes(1_000.0)),
    }
    assert measures.spillover(arms) == pytest.approx(np.log(0.99))
    assert measures.closed_segment_fall(arms) == pytest.approx(0.5)
    assert measures.closed_market_fall(arms) == pytest.approx(0.9)


def test_insiders_and_outsiders_are_told_by_the_type_of_the_buyer():
    def bought(*rows):
        table = _trades([(w, g, c, f, q, p, "moved") for w, g, c, f, q, p, _ in rows])
        return table | {"buyer_type": np.array([row[-1] for row in rows])}

    forced = bought(
        (26, "H100", "clean", True, 8, 1_000_000, "neo_cloud"),
        (27, "H100", "clean", True, 8, 800_000, "enterprise"),
        (28, "H100", "clean", True, 24, 700_000, "exporter"),
    )
    calm = bought(
        (27, "H100", "clean", False, 30, 1_000_000, "miner"),
        (27, "H100", "clean", False, 10, 1_000_000, "liquidator"),
        (27, "H200", "new", False, 10, 1_000_000, "enterprise"),
        (27, "H200", "new", False, 10, 1_000_000, "hyperscaler"),
    )
    arms = {"search": _facts(trades=forced), "search_calm": _facts(trades=calm)}
    assert measures.outsider_ratio(arms) == pytest.approx((8 * 0.8 + 24 * 0.7) / 32)
    assert measures.insider_excess(arms) == pytest.approx(0.75 - 0.5)
    assert measures.insider_retreat(arms) == pytest.approx(0.2 - 0.75)


def _spreads(investment, mixed=np.nan, speculative=np.nan) -> dict:
    values = {"investment": investment, "mixed": mixed, "speculative": speculative}
    weeks = {f"spread_{tier}_bps": np.resize(value, 52).astype(float) for tier, value in values.items()}
    for part, share in (("expected_loss", 0.5), ("capital", 0.3), ("funding", 0.2)):
        weeks |= {f"spread_{part}_{tier}_bps": share * weeks[f"spread_{tier}_bps"] for tier in values}
    return weeks


def test_spread_after_a_sale_pairs_tiers_and_weeks():
    sold, calm = _spreads(230.0, 420.0), _spreads(200.0, 400.0)
    for table in (sold, calm):
        table["spread_mixed_bps"][30:] = np.nan
    arms = {"forced": _facts(weeks=sold), "calm": _facts(weeks=calm)}
    after = np.r_[np.full(25, 30.0), np.full(3, 20.0)]
    assert credit_measures.spread_after_sale(arms) == pytest.approx(after.mean())


def test_a_fair_spread_is_simulated_loss_and_premium():
    weeks = _spreads(200.0, 400.0) | {
        "loan_years_seen_mixed": np.array([0.0, 200.0]),
        "defaults_seen_mixed": np.array([0.0, 4.0]),
        "exposure_seen_usd": np.array([0.0, 10e9]),
        "loss_seen_usd": np.array([0.0, 3e9]),
    }
    arms = {"three_years": _facts(weeks=weeks), "hindcast": _facts(weeks=weeks)}
    assert credit_measures.simulated_loss(arms, "mixed") == pytest.approx(1e4 * 0.02 * 0.3)
    assert credit_measures.premium(arms, "mixed") == pytest.approx(200.0)
    assert credit_measures.fair_spread(arms, "mixed") == pytest.approx(260.0)
    assert credit_measures.charged_spread(arms, "mixed") == pytest.approx(400.0)
    assert credit_measures.spread_gap(arms, "mixed", "investment") == pytest.approx(200.0)


def test_debt_of_the_hindcast_is_that_of_neo_clouds():
    agents = {"party": np.array([1, 2]), "type": np.array(["neo_cloud", "miner"])}
    loans = {
        "week": np.array([0, 24, 24, 24, 76]),
        "debtor": np.array([1, 1, 1, 2, 1]),
        "kind": np.array(["level_pay", "delayed_draw", "notes", "convertible", "notes"]),
        "balance_cents": np.array([100, 300, 100, 9_000, 500]) * 10**9,
    }
    weeks = {"neo_cloud_watts": np.full(91, 160_000_000)}
    arms = {"hindcast": _facts(agents=agents, loans=loans, weeks=weeks)}
    assert credit_measures.debt_per_megawatt(arms) == pytest.approx(4_000 / 160)
    assert credit_measures.unsecured_share(arms) == 1.0
    assert credit_measures.debt_growth(arms) == 5.0


def test_decay_is_a_yearly_rate_of_the_quoted_price():
    quotes = _quotes(1.0)
    first, last = WATCHED[0], WATCHED[-1]
    quotes[first], quotes[last] = {"H100": 100.0}, {"H100": 100.0 * 0.7 ** ((last - first) / 52)}
    assert measures.decay({"replay": _facts(quotes)}, "H100") == pytest.approx(0.3)
    assert np.isnan(measures.decay({"replay": _facts(quotes | {first: {"H100": np.nan}})}, "H100"))


def test_a_class_on_the_value_of_its_parts_tells_no_order():
    parts = Parameters().flat()["hardware.salvage_usd.V100"]
    free = {f"typical_value_usd_{name}": np.full(52, 10_000.0) for name in measures.AIR_COOLED}
    hit = {column: values * 0.5 for column, values in free.items()}
    hit["typical_value_usd_V100"] = np.full(52, parts)
    arms = {"slump": _facts(weeks=hit), "calm": _facts(weeks=free)}
    falls = measures.slump_falls(arms)
    assert np.isnan(falls[0]) and falls[1:] == pytest.approx(0.5)


def test_dispersion_is_taken_within_a_pool():
    trades = _trades(
        [
            (1, "H100", "clean", False, 8, 1_000_000, "moved"),
            (1, "H100", "clean", False, 8, 9_000_000, "moved"),
            (5, "H100", "clean", False, 8, 2_000_000, "moved"),
        ]
    ) | {"seller_pool": np.array([1, 2, 1])}
    assert measures._successive(trades) == pytest.approx([np.log(2.0) / 2.0])


def test_distress_and_specificity_is_the_difference_of_differences(monkeypatch):
    recovery = {"liquid_slump": 0.2, "liquid": 0.5, "forced_slump": 0.5, "forced": 0.6}
    monkeypatch.setattr(measures, "recovery_on_book", lambda facts, **rest: recovery[facts])
    assert measures.distress_and_specificity({name: name for name in recovery}) == pytest.approx(-0.2)


def test_depth_is_an_elasticity():
    few = _trades([(1, "H100", "clean", True, 10, 2_000_000, "moved")])
    many = _trades([(1, "H100", "clean", True, 10, 1_000_000, "moved")])
    arms = {"forced": _facts(trades=few), "forced_large": _facts(trades=many)}
    assert measures.depth(arms) == pytest.approx(0.5)


def test_silence_and_waivers_are_read_from_the_events():
    def happened(*rows):
        return {
            name: np.array(column)
            for name, column in zip(("kind", "quantity", "detail"), zip(*rows, strict=True), strict=True)
        }

    quiet = happened(("refinanced", 0, ""), ("waiver", 0, "units running 0.40 of those due"))
    loud = happened(("default", 0, ""), ("possession", 72, ""), ("waiver", 0, "loan_to_value 0.9 by mark"))
    sold = _trades([(1, "H100", "clean", True, 8, 1, "moved")])
    none = _trades([(1, "H100", "clean", False, 8, 1, "moved")])
    assert credit_measures.no_foreclosure({"replay": _facts(events=quiet, trades=none)}) == 1.0
    assert credit_measures.no_foreclosure({"replay": _facts(events=loud, trades=none)}) == 0.0
    assert credit_measures.no_foreclosure({"replay": _facts(events=quiet, trades=sold)}) == 0.0
    assert credit_measures.some_waiver({"replay": _facts(events=quiet)}) == 1.0
    assert credit_measures.some_waiver({"replay": _facts(events=loud)}) == 0.0


def test_tables_without_events_give_no_value():
    assert np.isnan(credit_measures.some_waiver({"replay": _facts()}))
    assert np.isnan(credit_measures.no_foreclosure({"replay": _facts()}))


def test_a_band_row_passes_if_the_median_is_within_two_deviations_of_the_middle():
    """Band 0 to 1 alone: deviation 1/3.29, so the median may be 0.608 from the middle."""
    row = replace(_row("band", 0.0, 1.0), discrepancy=0.0)
    assert _verdict(row, [1.107]) == "pass"
    assert _verdict(row, [1.109]) == "fail"


def test_discrepancy_and_the_variance_of_the_mean_widen_what_a_band_allows():
    """Two seeds 0.4 apart: the mean has variance 0.04; sqrt(1/3.29^2 + 0.04) = 0.3638."""
    exact, spread = replace(_row("band", 0.0, 1.0), discrepancy=0.0), [0.2, -0.2]
    for centre, verdict in ((0.5 + 0.727, "pass"), (0.5 + 0.729, "fail")):
        assert _verdict(exact, [centre + part for part in spread]) == verdict
    wide = replace(exact, discrepancy=0.3)  # sqrt(1/3.29^2 + 0.09) = 0.4272
    assert (_verdict(wide, [1.353]), _verdict(wide, [1.356])) == ("pass", "fail")


def test_single_seeds_may_leave_the_band():
    assert _verdict(_row("band", 0.0, 1.0), np.linspace(-3.0, 4.0, 200)) == "pass"


def test_a_sign_row_is_undecided_until_a_sign_test_tells():
    up, down = _row("sign", 0.0, np.nan), _row("sign", np.nan, 0.0)
    assert _verdict(up, [1.0] * 61 + [-1.0] * 39) == "pass"
    assert _verdict(up, [1.0] * 59 + [-1.0] * 41) == "undecided"
    assert _verdict(up, [1.0] * 39 + [-1.0] * 61) == "fail"
    assert _verdict(down, [-1.0] * 100) == "pass"
    assert _verdict(down, [-1.0]) == "undecided"


def test_a_share_row_counts_seeds_and_has_an_interval():
    row = _row("share", 0.8, 1.0)
    assert _verdict(row, [1.0] * 80 + [0.0] * 20) == "pass"
    assert _verdict(row, [1.0] * 79 + [0.0] * 21) == "fail"
    line = score([row], pd.DataFrame({"X": [1.0] * 80 + [0.0] * 20})).loc[0]
    assert line["q05"] < 0.8 < line["q95"]


def test_missing_statistics_are_not_available_and_never_scored():
    assert _verdict(_row("band", 0.0, 1.0), [np.nan] * 6 + [0.5] * 4) == "not available"
    assert (
        score([_row("band", 0.0, 1.0)], pd.DataFrame({"other": [1.0]})).loc[0, "verdict"] == "not available"
    )


def test_reported_rows_have_values_but_no_score():
    line = score([_row("reported", 0.0, 1.0)], pd.DataFrame({"X": [5.0, 6.0]})).loc[0]
    assert line["verdict"] == "unscored" and line["median"] == 5.5


def test_few_seeds_are_called_a_draft():
    assert "draft" in score([_row("band", 0.0, 1.0)], pd.DataFrame({"X": [0.5]})).loc[0, "note"]


def test_ranges_of_cited_prices_are_read_from_the_data():
    low, high = used_prices("A100")
    assert low == 4000 and high == 18000
    assert np.isnan(used_prices("V100")[0])


@pytest.mark.slow
def test_rows_of_one_arm_are_measured_on_the_model():
    found = validation.statistics(7, only=("V20", "V22-rent"))
    assert found["V20"] == pytest.approx(12.75)
    assert found["V22-rent"] > 0


@pytest.mark.slow
def test_closed_buyers_stay_away_from_the_week_of_the_sale_on():
    short = {"clock.weeks": SALE_WEEK + 5}
    free = validation.facts_of(Arm(short), 7)
    shut = validation.facts_of(Arm(short, closed=ALL_BUYERS), 7)
    bought = shut.tables["trades"]
    assert (bought["week"] <= SALE_WEEK).all() and len(bought["week"]) > 0
    assert shut.quotes[SALE_WEEK + 1]["H100"] < 0.5 * free.quotes[SALE_WEEK + 1]["H100"]


def test_the_largest_buyers_are_those_that_bought_most_used_units():
    class World:
        gone: tuple = ()

        def withdraw(self, kinds):
            self.gone = tuple(kind.name.lower() for kind in kinds)

    class Model:
        world = World()

        def tables(self):
            trades = _trades(
                [
                    (1, "H100", "clean", False, 8, 1, "moved"),
                    (1, "H100", "clean", False, 24, 1, "moved"),
                    (1, "H100", "new", False, 900, 1, "moved"),
                ]
            )
            return {"trades": trades | {"buyer_type": np.array(["miner", "enterprise", "neo_cloud"])}}

    model = Model()
    validation.close(model, Arm({}, closed=(LARGEST_BUYERS,)))
    assert model.world.gone == ("enterprise",)
    assert validation.usual_volume(model.tables()["trades"])[2] == 32 // SALE_WEEK


def test_a_seed_in_which_nothing_is_sold_before_the_sale_is_scored(monkeypatch):
    """A table without rows is not there; such a seed has usual volumes of zero."""

    class World:
        gone: tuple = ()

        def withdraw(self, kinds):
            self.gone = tuple(kinds)

    class Model:
        world = World()

        def tables(self):
            return {}

    model = Model()
    validation.close(model, Arm({}, closed=(LARGEST_BUYERS,)))
    assert model.world.gone == ()

    def simulated(parameters, seed, *, replication, watch):
        watch(model, SALE_WEEK)
        raise StopIteration

    monkeypatch.setattr(validation, "quotes", lambda week, volume=None: np.zeros(1))
    monkeypatch.setattr(validation, "simulate", simulated)
    monkeypatch.setattr(validation, "WATCHED", ())
    with pytest.raises(StopIteration):
        validation.facts_of(Arm({}), 1)


def test_replications_that_ended_badly_are_named_and_left_out(tmp_path, monkeypatch):
    def some(seed, changes, only, replication):
        if replication == 1:
            raise KeyError("trades")
        return {"V20": 12.75}

    monkeypatch.setattr(validation, "statistics", some)
    with pytest.warns(ResultWarning, match="replications that ended badly are left out: 1"):
        table, values = validation.validate(tmp_path, 3, workers=0, only=("V20",))
    assert values.index.tolist() == [0, 2]
    assert table.set_index("id").loc["V20", "seeds"] == 2


@pytest.mark.slow
def test_replications_are_runs_of_the_engine_and_are_not_repeated(tmp_path):
    table, values = validation.validate(tmp_path, 2, workers=0, only=("V20",))
    assert values["V20"].tolist() == pytest.approx([12.75, 12.75])
    assert table.set_index("id").loc["V20", "seeds"] == 2
    seen = []
    validation.validate(tmp_path, 3, workers=0, only=("V20",), on_progress=seen.append)
    assert (seen[-1].stored, seen[-1].done) == (2, 1)


def test_an_interval_of_a_share_is_a_share():
    for n in (1, 3, 20, 200):
        assert validation.wilson(0.0, n)[0] == 0.0 and validation.wilson(1.0, n)[1] == 1.0
    # Both ends p solve (share - p)^2 = z^2 p (1 - p) / n, with 5 % beyond z on either side.
    z = 1.6448536269514722
    for end in validation.wilson(17 / 60, 60):
        assert (17 / 60 - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / 60, rel=1e-10)


def test_ties_share_their_rank():
    from scipy import stats

    a, b = np.array([1.0, 2, 3, 4, 5]), np.array([0.0, 0, 0, 1, 2])
    assert measures._rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert measures._rank_correlation(a[::-1], b[::-1]) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert np.isnan(measures._rank_correlation(a, np.zeros(5)))
