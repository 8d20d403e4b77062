"""Files as users have handed them in (`data/user_files`): what each must give, or how it is refused."""

import csv
import os
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from agents.vocabulary import GENERATIONS
from experiments.design.experiment import ExperimentError, parse
from experiments.design.planner import load as load_experiment
from experiments.design.scenario import ScenarioError, load
from sim.base import reference
from sim.base.user_table import TableError, read_table
from sim.model import FireSaleModel
from sim.parameters import ParameterError, Parameters
from sim.places.topology import load_places

FILES = Path(__file__).parent / "data" / "user_files"
BITCOIN, RENT, POWER = ({"bitcoin.driver": "replay"}, {"rent.driver": "replay"}, {"power.driver": "replay"})
SOFR = {"interest.driver": "replay"}


def model_of(
    key: str, file: str, settings: dict[str, object] | None = None, weeks: int = 12
) -> FireSaleModel:
    asked = {"clock.weeks": weeks, key: str(FILES / file), **(settings or {})}
    return FireSaleModel(Parameters.from_overrides(asked), rng=7)


# file -> key that names it, settings, what is said.
REFUSED = {
    "btc_dup_col.csv": ("bitcoin.replay_file", BITCOIN, "line 1: column value stands there twice"),
    "btc_dup_lower_last.csv": (
        "bitcoin.replay_file",
        BITCOIN,
        "line 4: date 2026-11-02, series bitcoin stands in line 3 already",
    ),
    "btc_extra_thousands_unquoted.csv": (
        "bitcoin.replay_file",
        BITCOIN,
        "line 2: 4 cells where the heading has 3 (a number with a thousands mark? write 80000, not 80,000)",
    ),
    "btc_two_series.csv": (
        "bitcoin.replay_file",
        BITCOIN,
        "line 2, column series: 'ethereum' is unknown; there are bitcoin",
    ),
    "rent_one_misspelt.csv": (
        "rent.replay_file",
        RENT,
        "line 4, column series: 'H-200' is unknown; did you mean H200?",
    ),
    "rent_vast_names.csv": (
        "rent.replay_file",
        RENT,
        "line 2, column series: 'H100 SXM' is unknown; did you mean H100?",
    ),
    "power_negative.csv": (
        "power.replay_file",
        POWER,
        "line 2, column value: -12.5; allowed 1 to 1,000 USD per MWh",
    ),
    "sofr_percent.csv": (
        "interest.replay_file",
        SOFR,
        "line 2, column value: 3.65; allowed 0.0001 to 0.5 per year (4 % is 0.04)",
    ),
    "fleet_bad_late_quote.csv": ("world.fleets_file", {}, "line 3: a quotation mark is not closed"),
    "fleet_case_generation.csv": (
        "world.fleets_file",
        {},
        "line 2, column generation: 'h100' is unknown; did you mean H100?",
    ),
    "fleet_latin1.csv": ("world.fleets_file", {}, "line 2: byte 0xE9 is no UTF-8; save it as CSV UTF-8"),
    "fleet_lender_owner.csv": (
        "world.fleets_file",
        {},
        "line 2, column owner: 'lender 1' is unknown; did you mean miner 1?",
    ),
    "fleet_liquid_in_air.csv": (
        "world.fleets_file",
        {},
        "line 2, column generation: GB200 need 12,000,000 W of liquid cooling; 0 W are left",
    ),
    "fleet_short_row.csv": ("world.fleets_file", {}, "line 2: 5 cells where the heading has 6"),
    "fleet_too_old.csv": ("world.fleets_file", {}, "line 2, column age_years: 7.9; H100 are at most"),
    "fleet_zero.csv": ("world.fleets_file", {}, "line 2, column gpus: 0; allowed 1 to 1,000,000 GPUs"),
    "sites_control_char.csv": ("world.sites_file", {}, "line 2, column name: 'Memphis A"),
}


@pytest.mark.parametrize("file", REFUSED)
def test_a_table_is_refused_with_its_line(file: str) -> None:
    key, settings, said = REFUSED[file]
    with pytest.raises(TableError, match=re.escape(f"{FILES / file}, {said}")) as refused:
        model_of(key, file, settings)
    assert "\n" not in str(refused.value)


def test_a_byte_order_mark_changes_nothing() -> None:
    plain, marked = (model_of("world.fleets_file", f"fleet_{name}.csv") for name in ("ok", "bom"))
    assert (plain.ledger.lots.quantity == marked.ledger.lots.quantity).all()
    assert plain.ledger.lots.quantity.sum() == 8000
    drivers = model_of("bitcoin.replay_file", "btc_bom.csv", BITCOIN).world.drivers
    assert drivers.btc_usd[0] == 80_000 and drivers.btc_usd[4] == 60_000


def test_a_good_table_is_read_to_the_number() -> None:
    drivers = model_of("bitcoin.replay_file", "btc_ok.csv", BITCOIN).world.drivers
    assert [drivers.btc_usd[week] for week in (0, 4, 9)] == [80_000, 60_000, 90_000]
    rents = model_of("rent.replay_file", "rent_ok.csv", RENT).world.drivers.rent_exogenous
    assert rents[[0, 9], GENERATIONS.index("H100")] == pytest.approx([2.20, 1.10])


def test_a_file_that_nothing_reads_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"it is read only with bitcoin\.driver = replay \(is merton\)"):
        model_of("bitcoin.replay_file", "btc_ok.csv")


def test_prints_outside_the_run_are_refused() -> None:
    with pytest.raises(
        TableError,
        match="line 2: prints of bitcoin, 2026-10-05 to 2026-12-07, all lie outside the run, 2028-",
    ):
        model_of("bitcoin.replay_file", "btc_ok.csv", {**BITCOIN, "clock.start": "2028-01-03"})


def replayed(
    folder: Path, key: str, rows: str, settings: dict[str, object], weeks: int = 12
) -> FireSaleModel:
    """A model with a replay of these rows, such as ``2026-10-05,bitcoin,80000``."""
    file = folder / "prices.csv"
    file.write_text("date,series,value\n" + rows.replace(" ", "\n") + "\n", encoding="utf-8")
    return model_of(key, str(file), settings, weeks)


def test_a_year_of_the_run_without_a_print_is_refused(tmp_path: Path) -> None:
    for rows, weeks, said in (
        (
            "2026-10-05,bitcoin,80000 2026-12-07,bitcoin,90000",
            80,
            "line 3, column date: no print of bitcoin from 2026-12-07 to 2028-",
        ),
        (
            "2028-01-03,bitcoin,80000",
            80,
            "line 2, column date: no print of bitcoin from 2026-10-05 to 2028-01-03, 65 weeks",
        ),
        (
            "1926-10-05,bitcoin,80000 2026-11-02,bitcoin,90000",
            12,
            "line 3, column date: no print of bitcoin from 1926-10-05",
        ),
        (
            "2026-11-02,bitcoin,80000 2062-10-05,bitcoin,90000",
            12,
            "line 3, column date: no print of bitcoin from 2026-11-02",
        ),
    ):
        with pytest.raises(TableError, match=re.escape(said)):
            replayed(tmp_path, "bitcoin.replay_file", rows, BITCOIN, weeks)
    yearly = "2026-10-05,bitcoin,80000 2027-10-11,bitcoin,90000"
    assert replayed(tmp_path, "bitcoin.replay_file", yearly, BITCOIN, 60).world.drivers.btc_usd[53] == 90_000


@pytest.mark.parametrize(
    ("key", "row", "settings", "said"),
    [
        ("bitcoin.replay_file", "bitcoin,8000000", BITCOIN, "8000000; allowed 1,000 to 2,000,000 USD"),
        ("rent.replay_file", "V100,20", RENT, "20 for V100; allowed 0.015 to 6 USD per GPU-hour"),
        ("power.replay_file", "ERCOT,3800", POWER, "3800; allowed 1 to 1,000 USD per MWh"),
    ],
)
def test_cents_are_no_dollars(
    tmp_path: Path, key: str, row: str, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(TableError, match=re.escape(f"line 2, column value: {said}")):
        replayed(tmp_path, key, f"2026-10-05,{row}", settings)


def test_a_table_of_which_nothing_is_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match="it holds spread alone, which is not read with interest.driver = replay"
    ):
        replayed(tmp_path, "interest.replay_file", "2026-10-05,spread,0.04", SOFR)
    sites = (Path(reference.path_of("sites.csv"))).read_text(encoding="utf-8").splitlines()[:2]
    own = tmp_path / "sites.csv"
    own.write_text("\n".join(sites), encoding="utf-8")
    with pytest.raises(TableError, match="no site lies in ERCOT; sites lie in TVA"):
        replayed(
            tmp_path, "power.replay_file", "2026-10-05,ERCOT,40", {**POWER, "world.sites_file": str(own)}
        )


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, said in (
        (pipe, "no ordinary file"),
        (Path("/dev/zero"), "no ordinary file"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(ParameterError, match=re.escape(f"replay_file: {path}: cannot be read: {said}")):
            model_of("bitcoin.replay_file", str(path), BITCOIN)
        with pytest.raises(TableError, match=re.escape(f"{path}: cannot be read: {said}")):
            read_table(path, ())
    with pytest.raises(TableError, match="write the whole path instead of ~"):
        read_table("~/prices.csv", ())


def test_two_equal_lots_are_one_too_many(tmp_path: Path) -> None:
    text = (FILES / "fleet_ok.csv").read_text(encoding="utf-8")
    file = tmp_path / "fleets.csv"
    file.write_text(text + text.splitlines()[1] + "\n", encoding="utf-8")
    with pytest.raises(TableError, match="line 3: place_id p012, .* stands in line 2 already"):
        model_of("world.fleets_file", str(file))


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("lon", "90.03472", "90.0347; US lies in north america: allowed -180 to -50 degrees"),
        ("place_id", "../../evil", "'../../evil'; allowed are letters, digits"),
        ("planned_mw", "500", "500, the whole site when built, is less than operational_mw 946"),
        ("name", "a" * 2000, "2,000 characters; allowed are 1,000"),
        ("name", 'the "old" mill', "holds a quotation mark"),
        ("name", "Memphis\u00a0", r"holds \xa0, which is no letter"),
    ],
)
def test_a_site_that_cannot_be_is_refused(tmp_path: Path, column: str, cell: str, said: str) -> None:
    with reference.path_of("sites.csv").open(newline="", encoding="utf-8") as shipped:
        row = next(csv.DictReader(shipped))
    file = tmp_path / "sites.csv"
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(row))
        writer.writeheader()
        writer.writerow({**row, column: cell})
    with pytest.raises(TableError, match=re.escape(said)) as refused:
        load_places(Parameters(), file)
    assert str(refused.value).startswith(f"{file}, line 2, column {column}: ")


TABLES = {
    "nothing": ("", "line 1: column date is missing"),
    "no rows": ("date,series,value\n", "it holds no rows below its heading"),
    "semicolons": ("date;series;value\n", "line 1: cells are separated by semicolons; save it with commas"),
    "an unknown column": ("date,series,value,note\n", "line 1: 'note' is no column of this table"),
    "a nameless column": ("date,series,value,\n", "line 1: a column without a name"),
    "another day": (
        "date,series,value\n05.10.2026,bitcoin,80000\n",
        "line 2, column date: '05.10.2026' is no day",
    ),
    "no such day": (
        "date,series,value\n2026-02-30,bitcoin,80000\n",
        "line 2, column date: '2026-02-30' is no day",
    ),
    "a quoted thousands mark": (
        'date,series,value\n2026-10-05,bitcoin,"80,000"\n',
        "'80,000' is not a number such as 2.5",
    ),
    "a currency": ("date,series,value\n2026-10-05,bitcoin,$80000\n", "'$80000' is not a number"),
    "no number": ("date,series,value\n2026-10-05,bitcoin,nan\n", "'nan' is not a number"),
    "infinite": ("date,series,value\n2026-10-05,bitcoin,1e999\n", "1e999; allowed 1,000 to 2,000,000 USD"),
    "digits of another script": ("date,series,value\n2026-10-05,bitcoin,٨٠٠٠٠\n", "is not a number"),
    "an empty cell": ("date,series,value\n2026-10-05,,80000\n", "line 2, column series: empty"),
    "a stray quotation mark": ('date,series,value\n2026-10-05,bit"coin,80000\n', "line 2"),
    "a zero byte": ("date,series,value\n2026-10-05,bitcoin,8\0\n", "line 2: a zero byte"),
}


@pytest.mark.parametrize("name", TABLES)
def test_whatever_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    text, said = TABLES[name]
    file = tmp_path / "prices.csv"
    file.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(TableError, match=re.escape(said)) as refused:
        model_of("bitcoin.replay_file", str(file), BITCOIN)
    assert str(refused.value).startswith(str(file)) and "\n" not in str(refused.value)


def test_lines_without_text_and_other_ends_of_line_change_nothing(tmp_path: Path) -> None:
    plain = (FILES / "btc_ok.csv").read_text(encoding="utf-8")
    for text in (plain.replace("\n", "\r\n"), plain + "\n\n,,\n", plain.replace(",", " , "), plain.rstrip()):
        file = tmp_path / "prices.csv"
        file.write_text(text, encoding="utf-8", newline="")
        drivers = model_of("bitcoin.replay_file", str(file), BITCOIN).world.drivers
        assert np.array_equal(
            drivers.btc_usd, model_of("bitcoin.replay_file", "btc_ok.csv", BITCOIN).world.drivers.btc_usd
        )


def test_the_run_starts_when_the_files_say() -> None:
    assert model_of("bitcoin.replay_file", "btc_ok.csv", BITCOIN).world.drivers.start == date(2026, 10, 5)


SCENARIOS = {
    "arm_all.toml": r"arm_all\.toml \[arms\.all\]: all means every arm; give the arm another name",
    "arm_dotdot.toml": r"arm_dotdot\.toml: arm '\.\./\.\./pwn': letters, digits",
    "arm_markup.toml": r"arm_markup\.toml: arm '\[/bold\]': letters, digits",
    "name_math.toml": r"name_math\.toml: name 'rent \$1\^_\$ a': letters, digits",
    "rent_$2_to_$1.toml": r"the file gives the name 'rent_\$2_to_\$1': letters, digits",
    "twice.toml": r"twice\.toml \[overrides\]: site\.vacancy is given twice, once in quotation marks",
}


@pytest.mark.parametrize("file", SCENARIOS)
def test_a_scenario_is_refused_before_anything_is_written(file: str) -> None:
    with pytest.raises(ScenarioError, match=SCENARIOS[file]):
        load(FILES / file)


def test_a_scenario_may_begin_with_a_byte_order_mark() -> None:
    assert load(FILES / "bom.toml").parameters().clock.weeks == 6
    assert len(load_experiment(FILES / "sw_bom.toml")[1].points) == 1


def test_equal_values_are_one_point() -> None:
    with pytest.raises(ExperimentError, match=r"vary\.forced_sale\.gpus: 1000 is listed twice"):
        load_experiment(FILES / "sw_int_float.toml")


@pytest.mark.parametrize("table", ["vary", "overrides"])
def test_an_experiment_spells_a_key_in_one_way(table: str) -> None:
    text = f'[{table}]\n"site.vacancy" = [0.01]\nsite.vacancy = [0.02]\n'
    with pytest.raises(ExperimentError, match=r"site\.vacancy is given twice"):
        parse(text, "twice.toml")


WRONG_TYPES = {
    "site.vacancy": '"0.05"',
    "forced_sale.enabled": "1",
    "search.enabled": '"yes"',
    "world.miners": "true",
    "clock.start": '"20261005"',
}


@pytest.mark.parametrize("key", WRONG_TYPES)
def test_a_value_of_another_type_is_refused(tmp_path: Path, key: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[overrides]\n{key} = {WRONG_TYPES[key]}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=re.escape(f"{file}: {key} = ")):
        load(file)


def test_paths_start_in_the_folder_of_the_file_that_names_them(tmp_path: Path) -> None:
    prices = (FILES / "btc_ok.csv").read_text(encoding="utf-8")
    (tmp_path / "prices.csv").write_text(prices, encoding="utf-8")
    text = '[overrides]\nclock.weeks = 4\nbitcoin.driver = "replay"\nbitcoin.replay_file = "prices.csv"\n'
    (tmp_path / "mine.toml").write_text('base = "calm"\n' + text, encoding="utf-8")
    assert load(tmp_path / "mine.toml").parameters().bitcoin.replay_file == str(tmp_path / "prices.csv")
    (tmp_path / "sweep.toml").write_text(
        text + '[vary]\n"bitcoin.replay_file" = ["prices.csv"]\n', encoding="utf-8"
    )
    point = load_experiment(tmp_path / "sweep.toml")[1].points[0]
    assert point.overrides["bitcoin.replay_file"] == str(tmp_path / "prices.csv")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('world.sites_file = "none.csv"', "world.sites_file: "),
        ('world.sites_file = "."', "cannot be read: a folder"),
        ('world.sites_file = "~/sites.csv"', "write the whole path instead of ~"),
        ('power.replay_file = "none.csv"', "it is read only with power.driver = replay (is stochastic)"),
    ],
)
def test_a_file_that_is_not_there_is_refused_before_the_first_run(
    tmp_path: Path, lines: str, said: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[overrides]\n{lines}\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=re.escape(said)):
        load(file).parameters()
    with pytest.raises(ExperimentError, match=re.escape(said)):
        load_experiment(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('beside = ["calm/none"]', "beside: calm has no arm 'none'"),
        ("beside = [1]", "beside: no scenario is called 1"),
        ('base = "cal"', "base: no scenario is called cal; did you mean calm?"),
        ('base = "none.toml"', "none.toml: cannot be read: No such file or directory"),
        ("z = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("overrides." + ".".join(["site"] * 500) + " = 1", "line 1: a key of more than 200 dots"),
        ("overrides." + ".".join(["site"] * 50) + " = 1", "nested too deeply; nothing here has more than 16"),
    ],
)
def test_a_scenario_that_names_what_is_not_there_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=re.escape(said)) as refused:
        load(file)
    assert str(refused.value).startswith(f"{file}: ") and len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[vary]\n"site.vacancy" = {}\n', "vary.site.vacancy: give both low and high, or values"),
        ('[vary]\n"search.enabled" = [0, 1]\n', "search.enabled = 0: true or false"),
        ('[vary]\n"site.vacancy" = ["0.01"]\n', "site.vacancy = '0.01'; allowed 0.0 to 0.1"),
        (
            '[vary]\n"site.vacancy" = { low = 0.01, high = 0.05 }\n[design]\nkind = "saltelli"\npoints = 600000\n',
            "design.points = 600,000 makes 1,200,000 points; at most 1,000,000",
        ),
        ('[design]\npoints = "8"\n', "design.points = '8'; allowed 1 to 1,000,000 points"),
    ],
)
def test_an_experiment_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ExperimentError, match=re.escape(said)):
        load_experiment(file)
