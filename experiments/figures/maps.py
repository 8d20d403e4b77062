"""Maps of a stored run: where units went, and where slots were scarce.

Plain longitude and latitude. The only line drawn is an outline of the contiguous United States, set down by hand to about half
a degree for orientation; it is no data.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import MultipleLocator

if TYPE_CHECKING:
    Frames = Mapping[str, Any]  # data frames; the stubs of pandas cannot type rows picked by a computed key
    Drawing = tuple[Figure, pd.DataFrame]

WIDTH = 6.9  # inches, double column
NEAR = (-127.0, -66.0, 23.5, 50.5)  # west, east, south, north
MARGIN = 9.0  # degrees around what the other map shows
# Size of the two panels. The near map is true to shape at 38 degrees north; the other is stretched to fill its panel.
NEAR_INCHES, OTHER_INCHES, PANEL_HEIGHT = 3.75, 2.1, 2.1
VERMILION, BLUE, GREY = "#D55E00", "#0072B2", "#9A9A9A"
LABELLED = 6
USD_PER_KW = 10.0  # one cent per watt

OUTLINE = np.fromstring(
    """
    -124.7 48.4 -122.8 49.0 -95.2 49.0 -94.6 48.7 -93.0 48.6 -91.5 48.1 -89.6 48.0 -90.8 47.3 -92.1 46.8 -90.8 46.9
    -87.8 47.4 -87.5 46.5 -85.0 46.7 -84.4 46.5 -84.0 46.0 -86.5 45.9 -87.6 45.1 -87.9 43.0 -87.6 41.7 -86.8 41.8
    -86.2 43.0 -86.5 44.0 -85.5 45.0 -84.8 45.7 -83.4 45.2 -83.4 44.2 -83.9 43.7 -82.6 44.0 -82.4 43.0 -83.1 42.1
    -83.4 41.7 -81.7 41.5 -79.8 42.3 -78.9 42.9 -79.05 43.27 -76.5 43.5 -76.2 44.1 -74.9 45.0 -71.5 45.0 -70.3 46.2
    -69.2 47.45 -67.8 47.1 -67.8 45.7 -67.0 44.8 -68.8 44.3 -70.2 43.6 -70.7 42.7 -71.0 42.3 -70.0 41.8 -71.5 41.4
    -73.7 40.9 -72.0 41.0 -74.0 40.6 -74.1 39.7 -74.9 38.95 -75.5 39.5 -75.1 38.6 -75.9 37.2 -76.3 37.0 -75.5 35.2
    -76.5 34.6 -77.9 33.9 -79.2 33.2 -80.9 32.0 -81.4 30.7 -80.6 28.4 -80.05 26.8 -80.3 25.3 -81.1 25.1 -81.8 26.1
    -82.7 27.7 -82.8 29.0 -84.0 30.1 -85.3 29.7 -86.5 30.4 -88.0 30.3 -89.4 30.3 -89.2 29.1 -90.5 29.2 -91.8 29.6
    -93.8 29.7 -95.0 29.2 -97.1 27.8 -97.2 25.95 -99.1 26.4 -99.5 27.5 -100.3 28.3 -101.4 29.77 -102.3 29.9
    -103.1 28.98 -104.5 29.6 -106.5 31.75 -108.2 31.78 -108.2 31.33 -111.07 31.33 -114.8 32.5 -117.1 32.53
    -118.4 33.8 -120.6 34.55 -121.9 36.6 -122.5 37.7 -123.8 39.3 -124.4 40.4 -124.1 41.9 -124.5 42.8 -124.0 45.0
    -123.9 46.2 -124.7 48.4
    """,
    sep=" ",
).reshape(-1, 2)


def flow_map(frames: "Frames") -> "Drawing":
    """Where forced units went; in a run without forced sales, where used units went.

    Returns
    -------
    Figure, DataFrame
        The drawing, and origin, destination and GPUs of every arc.
    """
    places = frames["places"].set_index("place")
    flows, forced = _flows(frames)
    figure = Figure(figsize=(WIDTH, 2.75))
    near, other = figure.subplots(1, 2, width_ratios=(NEAR_INCHES, OTHER_INCHES))
    _background(near, places, NEAR)
    _background(other, places, _elsewhere(places), tick=30)
    near.set_title(f"{'Forced' if forced else 'Used'} units: from where to where")
    other.set_title("Elsewhere")
    largest = float(flows["gpus"].max()) if len(flows) else 1.0
    received = flows.groupby("destination")["gpus"].sum().sort_values(ascending=False, kind="stable")
    labels = [(place, f"{places.loc[place, 'name']}\n{gpus:,}") for place, gpus in received.items()]
    origins = places.loc[flows["origin"].unique()]
    for axes, inches in ((near, NEAR_INCHES), (other, OTHER_INCHES)):
        for row in flows.itertuples():
            _arc(axes, places, int(row.origin), int(row.destination), float(row.gpus), largest)
        axes.scatter(
            origins["longitude"],
            origins["latitude"],
            s=26,
            marker="s",
            facecolor="white",
            edgecolor="black",
            zorder=6,
        )
        _label(axes, places, labels, inches)
    if len(flows) == 0:
        near.text(0.5, 0.5, "no used unit was sold in this run", ha="center", transform=near.transAxes)
    figure.supxlabel(
        "Square: origin. Triangle: destination, with GPUs received; line width by GPUs. Ring: stayed at the place. "
        "Dots: sites, area by IT power.",
        fontsize=6,
        x=0.01,
        ha="left",
    )
    named = flows.assign(
        origin_name=places["name"].reindex(flows["origin"]).to_numpy(),
        destination_name=places["name"].reindex(flows["destination"]).to_numpy(),
    )
    return figure, named


def rent_map(frames: "Frames") -> "Drawing":
    """Highest weekly shadow rent of power and of liquid cooling at every place, USD per kW of IT power.

    A rent is what one more kilowatt of room at the place would have added to the gains from trade of that week.
    """
    places = frames["places"].set_index("place")
    rents = _rents(frames)
    figure = Figure(figsize=(WIDTH, 4.9))
    panels = figure.subplots(2, 2, width_ratios=(NEAR_INCHES, OTHER_INCHES))
    for (near, other), column, title in zip(
        panels,
        ("power_usd_per_kw", "liquid_usd_per_kw"),
        ("Rent of power, highest week", "Rent of liquid cooling, highest week"),
        strict=True,
    ):
        _background(near, places, NEAR)
        _background(other, places, _elsewhere(places), tick=30)
        near.set_title(title)
        other.set_title("Elsewhere")
        positive = rents[rents[column] > 0].sort_values(column, ascending=False, kind="stable")
        if positive.empty:
            near.text(0.5, 0.03, "none in this run", ha="center", transform=near.transAxes, style="italic")
            continue
        spots = places.loc[positive["place"]]
        top = float(positive[column].max())
        labels = [
            (row.place, f"{places.loc[row.place, 'name']}\n{getattr(row, column):,.0f}")
            for row in positive.itertuples()
        ]
        for axes, inches in ((near, NEAR_INCHES), (other, OTHER_INCHES)):
            drawn = axes.scatter(
                spots["longitude"],
                spots["latitude"],
                s=18 + 110 * positive[column] / top,
                c=positive[column],
                cmap="cividis_r",
                vmin=0,
                vmax=top,
                edgecolor="black",
                linewidth=0.5,
                zorder=4,
            )
            _label(axes, places, labels, inches)
        figure.colorbar(drawn, ax=other, label="USD per kW of IT power", pad=0.03)
    return figure, rents


def _flows(frames: "Frames") -> tuple[Any, bool]:
    """GPUs per origin and destination, and whether they are of forced sales."""
    columns = {"origin_place": "origin", "destination_place": "destination", "quantity": "gpus"}
    if "trades" not in frames:
        return pd.DataFrame({name: pd.Series(dtype=np.int64) for name in columns.values()}), False
    trades = frames["trades"]
    forced = bool(trades["forced"].any())
    chosen = trades[trades["forced"]] if forced else trades[trades["condition"] != "new"]
    grouped = chosen.groupby(["origin_place", "destination_place"], as_index=False)["quantity"].sum()
    return grouped.rename(columns=columns).sort_values("gpus", kind="stable", ignore_index=True), forced


def _rents(frames: "Frames") -> Any:
    """Highest weekly rent per place, USD per kW; the scarcest pool of a place speaks for it."""
    names = {
        "power_rent_cents_per_watt": "power_usd_per_kw",
        "cooling_rent_cents_per_watt": "liquid_usd_per_kw",
    }
    if "pools" not in frames:
        return pd.DataFrame(
            {"place": pd.Series(dtype=np.int64), **{n: pd.Series(dtype=float) for n in names.values()}}
        )
    highest = frames["pools"].groupby("place")[list(names)].max() * USD_PER_KW
    return highest.rename(columns=names).reset_index()


def _elsewhere(places: Any) -> tuple[float, float, float, float]:
    """Extent of the sites outside the near map that have power."""
    far = places[
        (places["it_watts"] > 0)
        & ~np.array([_inside(row, NEAR) for _, row in places.iterrows()], dtype=np.bool_)
    ]
    if far.empty:
        return (-30.0, 120.0, -10.0, 75.0)
    east, west = far["longitude"].max() + MARGIN, far["longitude"].min() - MARGIN
    return (
        float(west),
        float(east),
        float(far["latitude"].min() - MARGIN),
        float(far["latitude"].max() + MARGIN),
    )


def _background(axes: Axes, places: Any, extent: tuple[float, float, float, float], tick: float = 10) -> None:
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.plot(
        OUTLINE[:, 0], OUTLINE[:, 1], color="#BBBBBB", linewidth=0.7, zorder=1, scalex=False, scaley=False
    )
    axes.xaxis.set_major_locator(_every(tick))
    axes.yaxis.set_major_locator(_every(tick))
    axes.xaxis.set_major_formatter(
        lambda degrees, _: f"{abs(degrees):.0f}°{'W' if degrees < 0 else 'E' if degrees else ''}"
    )
    axes.yaxis.set_major_formatter(
        lambda degrees, _: f"{abs(degrees):.0f}°{'S' if degrees < 0 else 'N' if degrees else ''}"
    )
    axes.spines[["top", "right"]].set_visible(True)
    running = places[places["it_watts"] > 0]
    axes.scatter(
        running["longitude"],
        running["latitude"],
        s=(running["it_watts"] / 1e6) * 0.05 + 1.0,
        color=GREY,
        alpha=0.55,
        linewidth=0,
        zorder=2,
    )
    for names, longitude, latitude in _countries(running[running["country"] != "US"]):
        axes.annotate(
            names,
            (longitude, latitude),
            xytext=(0, -8),
            textcoords="offset points",
            ha="center",
            color="#777777",
            fontsize=5.5,
            annotation_clip=True,
        )


def _countries(places: Any) -> list[tuple[str, float, float]]:
    """Codes of countries at the mean of their sites; neighbours that would overprint each other share a label."""
    groups: list[tuple[list[str], float, float]] = []
    for country, group in places.groupby("country"):
        longitude, latitude = float(group["longitude"].mean()), float(group["latitude"].mean())
        for names, x, y in groups:
            if abs(x - longitude) < 8 and abs(y - latitude) < 5:
                names.append(str(country))
                break
        else:
            groups.append(([str(country)], longitude, latitude))
    return [(", ".join(names), longitude, latitude) for names, longitude, latitude in groups]


def _every(degrees: float) -> Any:
    return MultipleLocator(degrees)


def _arc(axes: Axes, places: Any, origin: int, destination: int, gpus: float, largest: float) -> None:
    """A line as wide as the quantity is large; a ring where units stay at their place."""
    start, end = places.loc[origin], places.loc[destination]
    share = gpus / largest
    here = (float(start["longitude"]), float(start["latitude"]))
    there = (float(end["longitude"]), float(end["latitude"]))
    if origin == destination:
        axes.scatter(
            *here,
            s=60 + 120 * share,
            facecolor="none",
            edgecolor=VERMILION,
            linewidth=0.6 + 2.4 * share,
            zorder=5,
        )
        return
    arrow = FancyArrowPatch(
        here,
        there,
        connectionstyle="arc3,rad=0.18",
        arrowstyle="-",
        linewidth=0.4 + 2.6 * share,
        color=VERMILION,
        alpha=0.75,
        zorder=3,
        shrinkA=0,
        shrinkB=0,
    )
    axes.add_patch(arrow)
    axes.scatter(*there, s=9 + 16 * share, marker="v", color=BLUE, edgecolor="white", linewidth=0.4, zorder=5)


def _inside(place: Any, extent: tuple[float, float, float, float]) -> bool:
    west, east, south, north = extent
    return bool(west <= place["longitude"] <= east and south <= place["latitude"] <= north)


def _label(axes: Axes, places: Any, labels: list[tuple[Any, str]], inches: float) -> None:
    """Names beside the first few points inside the map, each where it covers least of what is labelled already.

    Parameters
    ----------
    labels
        (place, text of two lines), most important first.
    inches
        Width of the panel, to know how large the text is in degrees.
    """
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    extent = (west, east, south, north)
    shown = [(place, text) for place, text in labels if _inside(places.loc[place], extent)][:LABELLED]
    degree, upright = (east - west) / inches, (north - south) / PANEL_HEIGHT
    height = 0.2 * upright
    marked = places.loc[[place for place, _ in labels]]
    points = zip(marked["longitude"].tolist(), marked["latitude"].tolist(), strict=True)
    dot, tall = 0.06 * degree, 0.06 * upright
    taken = [(x - dot, x + dot, y - tall, y + tall) for x, y in points]
    spots = [
        (float(places.loc[place, "longitude"]), float(places.loc[place, "latitude"])) for place, _ in shown
    ]
    for (x, y), (_, text) in zip(spots, shown, strict=True):
        width = max(len(line) for line in text.split("\n")) * 0.048 * degree
        best: tuple[float, float, float, tuple[float, float, float, float]] | None = None
        for side in (1, -1):
            for reach in (0.1, 0.35):
                for rise in (0.0, 1.0, -1.0, 1.8, -1.8, 2.7, -2.7, 3.6, -3.6):
                    edge, level = x + side * reach * degree, y + rise * height
                    left = edge if side > 0 else edge - width
                    box = (left, left + width, level - height / 2, level + height / 2)
                    outside = max(0.0, west - box[0], box[1] - east, south - box[2], box[3] - north)
                    cost = 40 * outside / degree + 0.2 * abs(rise) + 2 * reach
                    cost += 60 * sum(_overlap(box, other) for other in taken) / (degree * upright)
                    if best is None or cost < best[0]:
                        best = (cost, edge, level, box)
        assert best is not None
        _, edge, level, box = best
        taken.append(box)
        axes.annotate(
            text,
            (x, y),
            xytext=(edge, level),
            ha="left" if edge > x else "right",
            va="center",
            fontsize=6,
            linespacing=0.95,
            zorder=8,
            bbox={"boxstyle": "round,pad=0.08", "facecolor": "white", "edgecolor": "none", "alpha": 0.65},
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "#555555", "shrinkA": 0, "shrinkB": 2},
        )


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Shared area of two boxes (left, right, bottom, top)."""
    across = min(one[1], other[1]) - max(one[0], other[0])
    up = min(one[3], other[3]) - max(one[2], other[2])
    return max(across, 0.0) * max(up, 0.0)
