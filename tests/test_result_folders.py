"""Result folders: only own files are ever replaced, and whatever stops a write leaves the old result or the new one."""

import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.runs import folder as folders
from experiments.runs.folder import (
    MARKER,
    ResultWarning,
    StoreError,
    foreign_paths,
    marker_of,
    put,
    verified,
    writing,
)


def result(place: Path, text: str = "old", *, kind: str = "run", overwrite: bool = False) -> None:
    with writing(place, kind=kind, overwrite=overwrite) as scratch:
        (scratch / "arm").mkdir()
        (scratch / "weeks.parquet").write_text(text)
        (scratch / "arm" / "weeks.parquet").write_text(text)


def everything(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_result_is_replaced_whole(tmp_path: Path) -> None:
    result(tmp_path / "a")
    result(tmp_path / "a", "new", overwrite=True)
    assert (tmp_path / "a/arm/weeks.parquet").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("edited", ["weeks.parquet", "arm/weeks.parquet", "figures/a.png"])
def test_a_result_that_was_edited_is_kept_beside_the_new_one(tmp_path: Path, edited: str) -> None:
    place = tmp_path / "a"
    result(place)
    put(place / "figures", {"a.png": b"x"}, kind="figures", is_part=True)
    (place / edited).write_text("edited")
    before = everything(place)
    for number, text in enumerate(("new", "newer"), start=1):
        with pytest.warns(
            ResultWarning, match=f"{edited} had been edited or damaged.* kept in .*a.changed-{number}"
        ):
            result(place, text, overwrite=True)
        assert everything(tmp_path / f"a.changed-{number}") == before
        assert (place / "weeks.parquet").read_text() == text
        (place / edited).parent.mkdir(exist_ok=True)
        (place / edited).write_text("edited")
        before = everything(place)
        if edited.startswith("figures"):
            break


def test_a_part_below_an_arm_is_checked_and_kept_too(tmp_path: Path) -> None:
    place = tmp_path / "a"
    result(place)
    put(place / "arm" / "figures", {"a.csv": b"x"}, kind="figures", is_part=True)
    folders.check_files(place)
    (place / "arm" / "figures" / "a.csv").write_text("mine")
    with pytest.raises(StoreError, match="not as it was written"):
        folders.check_files(place)
    with pytest.warns(ResultWarning, match=r"arm/figures/a\.csv had been edited"):
        result(place, "new", overwrite=True)
    assert (tmp_path / "a.changed-1" / "arm" / "figures" / "a.csv").read_text() == "mine"


def test_a_part_that_was_edited_becomes_the_user_s(tmp_path: Path) -> None:
    place = tmp_path / "a"
    result(place)
    for text in ("x", "y"):
        if text == "y":
            (place / "figures" / "a.csv").write_text("mine")
        warned = pytest.warns(ResultWarning) if text == "y" else contextlib.nullcontext()
        with warned, writing(place / "figures", kind="figures", overwrite=True, is_part=True) as scratch:
            (scratch / "a.csv").write_text(text)
    folders.check_files(place)
    assert (place / "figures.changed-1" / "a.csv").read_text() == "mine"
    assert foreign_paths(place) == ["figures.changed-1"]


def test_a_single_file_that_was_edited_is_kept_when_it_is_written_again(tmp_path: Path) -> None:
    place = tmp_path / "a"
    put(place, {"a.csv": b"x"}, kind="ladder")
    put(place, {"a.csv": b"y"}, kind="ladder")
    (place / "a.csv").write_text("mine")
    with pytest.warns(
        ResultWarning, match=r"a\.csv: had been edited or damaged; kept as .*a\.csv\.changed-1"
    ):
        put(place, {"a.csv": b"z"}, kind="ladder")
    assert (place / "a.csv").read_text() == "z" and (place / "a.csv.changed-1").read_text() == "mine"
    folders.check_files(place)


INTRUDERS: dict[str, Callable[[Path], object]] = {
    "a paper": lambda place: (place / "paper.tex").write_text("years of work"),
    "a paper in an arm": lambda place: (place / "arm" / "paper.tex").write_text("years of work"),
    "a hidden file": lambda place: (place / ".notes").write_text("x"),
    "an empty folder": lambda place: (place / "plans").mkdir(),
    "a link": lambda place: (place / "link").symlink_to("/"),
    "a link in place of a file": lambda place: (
        [
            (place / "weeks.parquet").unlink(),
            (place / "weeks.parquet").symlink_to(__file__),
        ]
    ),
    "another result": lambda place: result(place / "nested"),
    "a sweep": lambda place: put(place / "sweep", {"runs.parquet": b"x"}, kind="sweep"),
    "a part with a paper": lambda place: (
        [
            put(place / "figures", {"a.png": b"x"}, kind="figures", is_part=True),
            (place / "figures" / "paper.tex").write_text("years of work"),
        ]
    ),
    "a folder without a marker": lambda place: (
        [(place / "mine").mkdir(), (place / "mine" / "a").write_text("x")]
    ),
    "a damaged marker": lambda place: (place / MARKER).write_text("{"),
}


@pytest.mark.parametrize("what", INTRUDERS)
def test_what_is_somebody_elses_refuses(tmp_path: Path, what: str) -> None:
    place = tmp_path / "a"
    result(place)
    INTRUDERS[what](place)
    before = everything(place)
    with pytest.raises(StoreError) as refused, writing(place, kind="run", overwrite=True):
        pytest.fail("the block must not run")
    assert "\n" not in str(refused.value) and everything(place) == before


def test_parts_go_with_their_result(tmp_path: Path) -> None:
    result(tmp_path / "a")
    put(tmp_path / "a" / "figures", {"a.png": b"x"}, kind="figures", is_part=True)
    result(tmp_path / "a", "new", overwrite=True)
    assert sorted(everything(tmp_path / "a")) == [MARKER, "arm/weeks.parquet", "weeks.parquet"]


@pytest.mark.parametrize("kind", ["sweep", "absorption"])
def test_another_kind_is_not_replaced(tmp_path: Path, kind: str) -> None:
    result(tmp_path / "a", kind=kind)
    with pytest.raises(StoreError, match=f"is a {kind}; a run does not overwrite it"):
        result(tmp_path / "a", overwrite=True)


def test_a_file_that_comes_in_between_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a"
    result(place)
    take = folders._take_name

    def late(scratch: Path, target: Path) -> None:
        (target / "paper.tex").write_text("years of work")
        take(scratch, target)

    monkeypatch.setattr(folders, "_take_name", late)
    with pytest.raises(StoreError, match=r"paper\.tex came in between and is kept in") as said:
        result(place, "new", overwrite=True)
    assert (Path(str(said.value).rpartition(" ")[2]) / "paper.tex").read_text() == "years of work"


def test_a_changed_missing_or_unlisted_file_is_noticed(tmp_path: Path) -> None:
    place = tmp_path / "a"
    result(place)
    assert verified(place, "weeks.parquet") == verified(place / "arm", "weeks.parquet") == b"old"
    (place / "arm" / "weeks.parquet").write_text("odd")
    with pytest.raises(StoreError, match="not as it was written"):
        verified(place / "arm", "weeks.parquet")
    (place / "weeks.parquet").unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        verified(place, "weeks.parquet")
    (place / "other").write_text("x")
    with pytest.raises(StoreError, match="no file of the result"):
        verified(place, "other")
    with pytest.raises(StoreError, match="no result of this firesale"):
        verified(tmp_path, "a.csv")


def test_single_files_are_put_into_their_own_folder_alone(tmp_path: Path) -> None:
    place = tmp_path / "report"
    put(place, {"a.csv": b"1"}, kind="report")
    put(place, {"a.csv": b"2", "b.csv": b"3"}, kind="report")
    assert verified(place, "a.csv") == b"2" and foreign_paths(place) == []
    (place / "c.csv").write_text("mine")
    with pytest.raises(StoreError, match=r"c\.csv: firesale did not write it"):
        put(place, {"c.csv": b"4"}, kind="report")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.csv").write_text("mine")
    with pytest.raises(StoreError, match="is no result of this firesale"):
        put(tmp_path / "thesis", {"a.csv": b"4"}, kind="report")
    assert marker_of(tmp_path / "thesis") is None


CRASH = """
import os, sys
from pathlib import Path
from experiments.runs import folder as folders
from experiments.runs.folder import writing

left = int(sys.argv[2])
native = sys.argv[3] == "native"
if not native:
    folders._exchanged = lambda one, other: False

def counted(name, real):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*args, **kwargs)
    return call

for name in ("rename", "replace", "mkdir", "fsync", "open", "unlink", "rmdir"):
    setattr(os, name, counted(name, getattr(os, name)))
if native:
    folders._exchanged = counted("exchange", folders._exchanged)
with writing(Path(sys.argv[1]), kind="run", overwrite=True) as scratch:
    (scratch / "weeks.parquet").write_text("new")
"""


@pytest.mark.parametrize("exchange", ["native", "in two steps"])
def test_a_crash_at_any_call_leaves_the_old_or_the_new_result(tmp_path: Path, exchange: str) -> None:
    place, calls, ended = tmp_path / "a", 0, 9
    while ended == 9:
        if not place.exists():
            with pytest.raises((KeyError, StoreError)), writing(place, kind="run"):  # the next start
                raise KeyError
        if place.exists():
            assert verified(place, "weeks.parquet") in (b"old", b"new")
        else:
            assert calls == 0
        for path in tmp_path.iterdir():
            if path != place:
                subprocess.run(["rm", "-rf", str(path)], check=True)
        if not place.exists() or verified(place, "weeks.parquet") == b"new":
            subprocess.run(["rm", "-rf", str(place)], check=True)
            with writing(place, kind="run") as scratch:
                (scratch / "weeks.parquet").write_text("old")
        ended = subprocess.run(
            [sys.executable, "-c", CRASH, str(place), str(calls), exchange], check=False
        ).returncode
        calls += 1
    assert ended == 0 and calls > 5
    assert verified(place, "weeks.parquet") == b"new"


def random_tree(place: Path, luck: random.Random, depth: int = 0) -> None:
    """Folders of results, parts, papers, links and odd names."""
    place.mkdir(exist_ok=True)
    for number in range(luck.randrange(4)):
        child = place / luck.choice(
            [f"x{number}", "manifest.json", "figures", MARKER, ".hidden", "weeks.parquet", "journal"]
        )
        if os.path.lexists(child):
            continue
        kind = luck.randrange(6)
        if kind == 0 and depth < 3:
            random_tree(child, luck, depth + 1)
        elif kind == 1 and depth < 3:
            result(child, kind=luck.choice(["run", "sweep"]))
        elif kind == 2:
            put(child, {"a.png": b"x"}, kind="figures", is_part=luck.random() < 0.5)
        elif kind == 3:
            child.symlink_to(luck.choice(["/etc/hostname", "nowhere"]))
        else:
            child.write_text(
                luck.choice(["mine", "{}", json.dumps({"kind": "run", "is_part": False, "files": {}})])
            )


def lost(seed: int, place: Path) -> list[str]:
    """Files of others that an overwrite of a random tree took."""
    luck = random.Random(seed)
    if luck.random() < 0.7:
        result(place / "target")
    random_tree(place / "target", luck)
    mine = {
        name: data
        for name, data in everything(place / "target").items()
        if data not in (b"old", b"x") and not name.endswith(MARKER)
    }
    links = [path for path in (place / "target").rglob("*") if path.is_symlink()]
    with contextlib.suppress(StoreError):
        result(place / "target", "new", overwrite=True)
    there = everything(place / "target")
    return [name for name, data in mine.items() if there.get(name) != data] + [
        str(path) for path in links if not path.is_symlink()
    ]


def test_no_file_of_others_is_lost_in_random_trees(tmp_path: Path) -> None:
    for seed in range(100):
        place = tmp_path / str(seed)
        place.mkdir()
        assert lost(seed, place) == []
