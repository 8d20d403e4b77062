"""House style of all figures: widths, colours, and files without a date."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.style
import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    Frames = Mapping[str, pd.DataFrame]
    Drawing = tuple[Figure, pd.DataFrame]


SINGLE_COLUMN, DOUBLE_COLUMN = 3.3, 6.9  # inches
BLACK, BLUE, VERMILION, GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
# Without these, matplotlib writes its version and the date.
NO_STAMP: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


def house_style() -> AbstractContextManager[None]:
    """A block in which figures are drawn in the house style, and a dollar sign in a name begins no formula."""
    return matplotlib.style.context([style(), {"text.parse_math": False, "text.usetex": False}])


def style() -> Path:
    """The style sheet, for `matplotlib.style.context`."""
    return Path(str(resources.files("experiments.figures") / "firesale.mplstyle"))
