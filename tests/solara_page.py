"""The page of docs/mesa.md, rendered without a browser; a process of its own, because Solara keeps global state."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ipywidgets import Widget

PAGE = Path(__file__).resolve().parents[1] / "docs" / "mesa.md"


def widgets(thing: object) -> Iterator[Widget]:
    """Every widget in a value, in whatever it is nested."""
    if isinstance(thing, Widget):
        yield thing
        for name in thing.keys:
            if not name.startswith("_") and name not in ("layout", "style"):
                yield from widgets(getattr(thing, name))
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from widgets(value)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from widgets(value)


def main() -> None:
    """Render the page and count its figures."""
    import solara

    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    scope: dict[str, object] = {}
    exec(block, scope)
    box, _ = solara.render(scope["page"], handle_error=False)
    print(sum(type(one).__name__ == "Image" for one in widgets(box)), "figures")


if __name__ == "__main__":
    main()
