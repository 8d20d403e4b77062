"""Notebooks are executed from their source, and no notebook of the user's is replaced."""

from pathlib import Path

import pytest

from experiments.command.notebooks import execute_all
from experiments.runs.folder import StoreError


@pytest.mark.slow
def test_only_a_notebook_written_here_and_not_edited_since_is_replaced(tmp_path: Path) -> None:
    source, stored = tmp_path / "sum.py", tmp_path / "sum.ipynb"
    source.write_text("# %%\nprint(1 + 1)\n", encoding="utf-8")
    assert execute_all(tmp_path) == execute_all(tmp_path) == execute_all(tmp_path, check=True) == []
    own = stored.read_text(encoding="utf-8")
    titled = own.replace('"language": "python"', '"language": "python", "title": "mine"')
    for text in (own.replace("1 + 1", "1 + 2"), titled, "{}", "my notes"):
        stored.write_text(text, encoding="utf-8")
        with pytest.raises(StoreError, match=r"sum\.ipynb: edited, or not written by `firesale notebooks`"):
            execute_all(tmp_path)
        assert stored.read_text(encoding="utf-8") == text
        assert execute_all(tmp_path, check=True) == ["sum.ipynb"]


@pytest.mark.slow
def test_a_notebook_saved_while_it_is_executed_is_kept_and_a_plain_script_is_none(tmp_path: Path) -> None:
    stored = tmp_path / "sum.ipynb"
    (tmp_path / "script.py").write_text("raise SystemExit\n", encoding="utf-8")
    saving = f"from pathlib import Path\nPath({str(stored)!r}).write_text('my notes')\n"
    (tmp_path / "sum.py").write_text(f"# %%\n{saving}", encoding="utf-8")
    with pytest.raises(StoreError, match="edited, or not written"):
        execute_all(tmp_path)
    assert stored.read_text(encoding="utf-8") == "my notes"
    assert not (tmp_path / "script.ipynb").exists()
