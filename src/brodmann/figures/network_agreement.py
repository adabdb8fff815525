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
from brodmann.figures.panels import dot, whole_numbers
from brodmann.figures.registry import Asked, Files
from brodmann.figures.style import LINE, SINGLE, add_title, empty_figure, title_height
from brodmann.localizers import localizer_name
from brodmann.store.tables import read_table

_ALL = " all"  # ends the name of all networks of a dataset together
SPACES = {"units": "units in common", "written": "written by circuits", "layers": "common depth"}
MARKS = {"units": "o", "written": "s", "layers": "^"}
ASIDE = {"units": -0.2, "written": 0.0, "layers": 0.2}  # of a row
INK = "#222222"
LEGEND = {"loc": "outside lower center", "ncols": 2, "handlelength": 2.6, "borderpad": 0}
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
    """Observed over chance for every two maps (all networks of a dataset together), in every space; below,
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
    maps = layers[_whole(layers)].drop_duplicates(["method", "map"])
    lines = -(-len(spaces) // 2) + -(-len(maps) // 2)  # of the legends
    heights = [0.4 + 0.17 * len(names), 1.6]
    size = (SINGLE, sum(heights) + 0.4 + 1.4 * LINE * lines + title_height(title, SINGLE))
    figure = plt.figure(figsize=size, layout="constrained")
    ratios, depth = figure.subplots(2, 1, height_ratios=heights)
    _ratios(ratios, compared, names)
    _depth(depth, layers)
    shown = [dot(SPACES[space], INK, MARKS[space]) for space in spaces]
    figure.legend(handles=[*shown, *depth.get_legend_handles_labels()[0]], **LEGEND)
    add_title(figure, "; ".join([title, *left_out]))
    return figure


def _whole(table: pd.DataFrame, which: str = "") -> pd.Series:
    """Rows of all networks of a dataset together, and of maps that are no networks."""
    return (table[f"{which}method"] != "network") | table[f"{which}map"].astype(str).str.endswith(
        _ALL
    )


def _called(method: str, name: str) -> str:
    if method == "localizer":
        return f"{localizer_name(name)} localizer"
    if method == "network":
        return f"ICA {name.removesuffix(_ALL)}"
    return f"{name} circuits"


def _pair(row: dict) -> str:
    one = _called(str(row["method"]), str(row["map"]))
    return f"{one} – {_called(str(row['other_method']), str(row['other_map']))}"


def _ratios(axes: Axes, table: pd.DataFrame, names: Sequence[str]) -> None:
    """A row for every two maps, a mark for every space; filled where they agree for sure."""
    for row in table.to_dict("records"):
        space = str(row["space"])
        face = INK if float(row["q"]) < _SURE else "white"
        place = float(row["ratio"]), names.index(_pair(row)) + ASIDE[space]
        axes.plot(*place, MARKS[space], color=INK, markersize=4, markerfacecolor=face)
        text = f"{place[0]:.2f} times chance, q = {row['q']:.2g}"
        hover.point(axes, *place, f"{_pair(row)}, {SPACES[space]}: {text}")
    axes.axvline(1, color="#999999", linewidth=0.7, zorder=0)
    # Marks at the edge are to be whole.
    axes.set_xlim(0, 1.08 * max(1.0, float(table["ratio"].max())))
    axes.set_xlabel("observed / chance")
    axes.grid(axis="y", color="#EEEEEE", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


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
