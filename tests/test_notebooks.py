"""Notebooks are executed from their source, and no notebook of the user's is replaced."""

from pathlib import Path

import pytest

from experiments.command.notebooks import NotebookError, execute_all


@pytest.mark.slow
def test_only_a_notebook_written_here_and_not_edited_since_is_replaced(tmp_path: Path) -> None:
    source, stored = tmp_path / "sum.py", tmp_path / "sum.ipynb"
    source.write_text("# %%\nprint(1 + 1)\n", encoding="utf-8")
    assert execute_all(tmp_path) == execute_all(tmp_path) == execute_all(tmp_path, check=True) == []
    own = stored.read_text(encoding="utf-8")
    for text in (own.replace("1 + 1", "1 + 2"), "{}", "my notes"):
        stored.write_text(text, encoding="utf-8")
        with pytest.raises(
            NotebookError, match=r"sum\.ipynb: edited, or not written by `firesale notebooks`"
        ):
            execute_all(tmp_path)
        assert stored.read_text(encoding="utf-8") == text
        assert execute_all(tmp_path, check=True) == ["sum.ipynb"]
