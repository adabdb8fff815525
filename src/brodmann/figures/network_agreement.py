"""Figure of the three maps of one model: how far they coincide, and where in depth each lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.comparison.stages.maps import COLUMNS, SHARE_COLUMNS
from brodmann.figures import hover
from brodmann.figures.localizer import NETWORK_NAMES
from brodmann.figures.panels import head, whole_numbers
from brodmann.figures.registry import Asked, Files
from brodmann.figures.style import SINGLE, add_title, empty_figure, title_height
from brodmann.store.tables import read_table

_ALL = " all"  # ends the name of all networks of a dataset together
SPACES = {"units": "units in common", "written": "written by circuits", "layers": "common depth"}
COLOURS = {"circuit": "#C0392B", "localizer": "#0072B2", "network": "#E69F00"}
_MARKERS = {"circuit": "o", "localizer": "s", "network": "^"}
_STYLES = ("-", "--", ":", "-.")
_SURE = 0.05


def of_maps(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model."""
    table = read_table(files["agreement"], COLUMNS)
    layers = read_table(files["layers"], SHARE_COLUMNS)
    title = f"{asked['model']}: circuits, localized units and networks"
    return draw_map_agreement(table, layers, title=title), table


def draw_map_agreement(table: pd.DataFrame, layers: pd.DataFrame, *, title: str) -> Figure:
    """Observed over chance for every two maps (all networks of a dataset together), a panel per space; below,
    each map's distribution over layers.

    Columns of ``table``: space, method, map, other_method, other_map, ratio, q, note; of ``layers``: method,
    map, layer, share.
    """
    compared = table[table["space"].notna() & np.isfinite(table["ratio"].to_numpy(dtype=float))]
    compared = compared[_whole(compared) & _whole(compared, "other_")]
    left_out = [str(note) for note in table["note"].dropna() if str(note).startswith("left out")]
    if compared.empty:
        return empty_figure(title, "; ".join(left_out) or "no two maps can be compared")
    names = list(dict.fromkeys(map(_pair, compared.to_dict("records"))))
    spaces = [space for space in SPACES if space in set(compared["space"])]
    heights = [0.5 + 0.15 * len(names)] * len(spaces) + [1.6]
    size = (SINGLE, sum(heights) + 0.4 + title_height(title, SINGLE))
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    first = None
    for place, space in enumerate(spaces):
        axes = figure.add_subplot(grid[place, 0], sharey=first, sharex=first)
        _ratios(axes, compared[compared["space"] == space], names)
        head(axes, SPACES[space])
        first = first or axes
    first.set_yticks(range(len(names)), names)
    first.set_ylim(len(names) - 0.5, -0.5)
    # Marks at the edge are to be whole.
    first.set_xlim(0, 1.08 * max(1.0, float(compared["ratio"].max())))
    _depth(figure.add_subplot(grid[-1, 0]), layers)
    add_title(figure, "; ".join([title, *left_out]))
    return figure


def _whole(table: pd.DataFrame, which: str = "") -> pd.Series:
    """Rows of all networks of a dataset together, and of maps that are no networks."""
    return (table[f"{which}method"] != "network") | table[f"{which}map"].astype(str).str.endswith(
        _ALL
    )


def _called(method: str, name: str) -> str:
    if method == "localizer":
        return f"{NETWORK_NAMES.get(name, name)} localizer"
    if method == "network":
        return f"ICA {name.removesuffix(_ALL)}"
    return f"{name} circuits"


def _pair(row: dict) -> str:
    one = _called(str(row["method"]), str(row["map"]))
    return f"{one} – {_called(str(row['other_method']), str(row['other_map']))}"


def _ratios(axes: Axes, table: pd.DataFrame, names: Sequence[str]) -> None:
    for row in table.to_dict("records"):
        face = "#222222" if float(row["q"]) < _SURE else "none"
        place = float(row["ratio"]), names.index(_pair(row))
        axes.plot(*place, "o", color="#222222", markersize=4, markerfacecolor=face)
        hover.point(axes, *place, f"{_pair(row)}: {place[0]:.2f} times chance, q = {row['q']:.2g}")
    axes.axvline(1, color="#999999", linewidth=0.7, zorder=0)
    axes.set_xlabel("observed / chance")
    axes.grid(axis="y", color="#EEEEEE", linewidth=0.6)
    axes.set_axisbelow(True)


def _depth(axes: Axes, layers: pd.DataFrame) -> None:
    seen: Counter[str] = Counter()
    for (method, name), own in layers[_whole(layers)].groupby(["method", "map"], sort=False):
        look = {
            "color": COLOURS[str(method)],
            "ls": _STYLES[seen[method] % len(_STYLES)],
            "lw": 1.2,
            # In grey the colours look alike.
            "marker": _MARKERS[str(method)],
            "ms": 3,
            "markevery": 0.15,
        }
        seen[method] += 1
        label = _called(str(method), str(name))
        axes.plot(own["layer"], 100 * own["share"], label=label, **look)
        for layer, share in own[["layer", "share"]].itertuples(index=False):
            hover.point(axes, layer, 100 * share, f"{label}, layer {layer}: {100 * share:.1f} %")
    axes.set(xlabel="layer", ylabel="share of the map (%)")
    axes.set_ylim(bottom=0)
    whole_numbers(axes.xaxis)
    place = {"loc": "upper left", "bbox_to_anchor": (0, -0.3), "borderaxespad": 0, "borderpad": 0}
    axes.legend(ncols=2, handlelength=2.6, **place)
