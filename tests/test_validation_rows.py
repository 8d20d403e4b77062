"""Rows of the validation table: read from their file, and a fault in it is named with its place and the nearest name."""

import functools
import math
import shutil
import types
from pathlib import Path

import pytest

import experiments.validation
from experiments.runs.source_digest import source_digest
from experiments.validation import measures
from experiments.validation.ranges import loan_spreads, used_prices
from experiments.validation.rows import FILE, RowError, registered, rows_of

ROW = """
[[row]]
id = "V3"
quantity = "price over book"
kind = "band"
unit = "ratio"
low = 1.2
high = 2.0
data = "prices"
source = "somewhere"
statistic = "mean"
arms = ["calm"]
measure = "price_over_book"
discrepancy = 0.2
"""


def changed(old: str, new: str) -> str:
    assert old in ROW
    return ROW.replace(old, new)


def test_a_row_says_what_its_table_says() -> None:
    (row,) = rows_of(ROW, "mine.toml")
    assert (row.id, row.kind, row.low, row.high, row.discrepancy) == ("V3", "band", 1.2, 2.0, 0.2)
    assert row.arms == ("calm",) and row.measure is measures.price_over_book
    assert not row.calibrates and row.why == ""


def test_a_target_is_a_band_around_it() -> None:
    (row,) = rows_of(changed("low = 1.2\nhigh = 2.0", "target = 0.5\nwithin = 0.125"), "mine.toml")
    assert (row.low, row.high) == (0.375, 0.625)


def test_a_range_is_read_from_the_shipped_data_and_the_discrepancy_may_follow_it() -> None:
    text = changed("low = 1.2\nhigh = 2.0", 'range = { name = "used_prices", generation = "A100" }')
    text = text.replace("discrepancy = 0.2", "discrepancy_share = 0.25")
    text = text.replace('"price_over_book"', '{ name = "level", generation = "A100" }')
    (row,) = rows_of(text, "mine.toml")
    assert (row.low, row.high) == used_prices("A100")
    assert row.discrepancy == 0.25 * (row.low + row.high) / 2
    assert isinstance(row.measure, functools.partial)
    assert row.measure.func is measures.level and row.measure.keywords == {"generation": "A100"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("discrepancy =", "discrepency =", "no key is called discrepency; did you mean discrepancy?"),
        ('kind = "band"', 'kind = "bend"', "kind = 'bend'; one of band, sign, .*; did you mean band?"),
        ('["calm"]', '["clam"]', "arms: no arm is called clam; did you mean calm?"),
        ('"price_over_book"', '"price_over_bok"', "measure: no function is called price_over_bok; did you mean price_over_b"),
        ('"price_over_book"', '"slump_falls"', "measure: no function is called slump_falls; "),
        ('"price_over_book"', '"level"', "measure: level needs generation; there are V100, A100"),
        ('"price_over_book"', '{ name = "level", generatoin = "A100" }', "no argument generatoin; did you mean generation?"),
        ('"price_over_book"', '{ name = "level", generation = "A10" }', "no generation is called A10; did you mean A100?"),
        ("low = 1.2\nhigh = 2.0", 'range = "used_prices"', "range: used_prices needs generation"),
        ("low = 1.2\nhigh = 2.0", 'range = { name = "used_prices", generation = "V100" }', "the shipped data hold none"),
        ("low = 1.2", "low = 3.0", "low = 3 is above high = 2"),
        ("low = 1.2", 'range = "used_prices"', "a band is given by low and high, or by target and within, or by range"),
        ("high = 2.0", "", "low and high are missing: a row of kind band needs both"),
        ('unit = "ratio"', "", "unit is missing: of the band and of the statistic"),
        ("discrepancy = 0.2", "", "discrepancy is missing"),
        ("discrepancy = 0.2", "discrepancy = -1", "discrepancy = -1"),
        ('measure = "price_over_book"', "", "without a measure, `why` says what is missing"),
        ('kind = "band"', 'kind = "sign"', "a sign row has low = 0 or high = 0, and no other end"),
    ],
)  # fmt: skip
def test_a_fault_names_file_row_key_and_what_was_meant(old: str, new: str, said: str) -> None:
    with pytest.raises(RowError, match=r"^mine\.toml: row V3: .*" + said.replace("?", r"\?")):
        rows_of(changed(old, new), "mine.toml")


def test_a_fault_of_the_file_names_it() -> None:
    with pytest.raises(RowError, match=r"^mine\.toml: not valid TOML: .* line 2"):
        rows_of("[[row]]\nid = \n", "mine.toml")
    with pytest.raises(RowError, match=r"^mine\.toml: no key is called rows; did you mean row\?"):
        rows_of("[[rows]]\nid = 'V1'\n", "mine.toml")
    with pytest.raises(RowError, match=r"^mine\.toml: row number 1: id is missing"):
        rows_of(changed('id = "V3"\n', ""), "mine.toml")
    with pytest.raises(RowError, match=r"^mine\.toml: row V3: id: there is another row"):
        rows_of(ROW + ROW, "mine.toml")


def test_classes_without_cited_prices_have_no_range_and_rows_of_spreads_follow_the_prints() -> None:
    row = {row.id: row for row in registered()}
    assert math.isnan(used_prices("V100")[0]) and math.isnan(row["V25-V100"].low)
    for rating in ("investment", "mixed"):
        assert (row[f"V26-{rating}"].low, row[f"V26-{rating}"].high) == loan_spreads(rating)
    assert math.isnan(loan_spreads("speculative")[0])


def test_the_file_is_shipped_and_a_changed_row_is_other_code(tmp_path: Path) -> None:
    folder = Path(str(experiments.validation.__file__)).parent
    assert (folder / FILE).is_file()
    copy = types.ModuleType(experiments.validation.__name__)
    copy.__file__, copy.__path__ = str(tmp_path / "__init__.py"), [str(tmp_path)]
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    assert source_digest(copy) == source_digest(experiments.validation)
    file = tmp_path / FILE
    file.write_text(file.read_text(encoding="utf-8").replace("low = 1.2", "low = 1.3"), encoding="utf-8")
    assert source_digest(copy) != source_digest(experiments.validation)
