"""Do the findings depend on how large circuits are? Overlap, its ratio and clustering against size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brodmann.figures import hover
from brodmann.figures.panels import distinct, grid, legend_below, per_cent, size_axis
from brodmann.figures.registry import Asked, Files, called
from brodmann.figures.style import LARGEST, LINE, NEUTRAL, add_title, empty_figure
from brodmann.figures.tables import long_table
from brodmann.statistics.printed import without_lonely_average

AVERAGE = "average"
# Without grey (controls), yellow and pale pink (too light for lines), and brown (looks like orange).
_LEFT_OUT = ("#949494", "#ece133", "#fbafe4", "#ca9161")
PALETTE = [c for c in seaborn.color_palette("colorblind").as_hex() if c not in _LEFT_OUT]
MARKERS = "osD^vPX<>*"
PANELS = (
    (("within", "cross"), "overlap (%)"),
    (("ratio",), "within / across"),
    (("ari",), "clusters and domains\n(adj. Rand index)"),
)
DASHED = "cross"
KINDS = {"within": ", within domains", "cross": ", across domains"}
HEIGHT = 1.25  # of a panel, in inches
MODELS_PER_ROW = 2


def of_sizes(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Every size of circuits of the sign that is shown."""
    table = long_table(files, asked, "threshold_robustness")
    sign = asked["overlap_sel"].partition("-")[0]
    own = table[(table["measure"] == "containment") & table["sel"].str.startswith(f"{sign}-")]
    columns = ["model", "control", "percent", "within", "cross", "ratio", "ari"]
    sizes = without_lonely_average(own)[columns].reset_index(drop=True)
    return draw_robustness(sizes, title=""), sizes


def draw_robustness(table: pd.DataFrame, *, title: str) -> Figure:
    """Three panels against the size of circuits (logarithmic): overlap, ratio, ARI; a line per model.

    Columns: model, control (bool), percent, within, cross, ratio, ari. The model named ``average`` is drawn
    bold, control models grey. Overlap within domains is solid, across dashed.
    """
    values = [name for names, _ in PANELS for name in names]
    if not np.isfinite(table[values].to_numpy(dtype=float)).any():
        return empty_figure(title, "no model is included")
    models = distinct(table.sort_values("control", kind="stable")["model"])
    percents = sorted(set(table["percent"]))
    # Last, hence on top.
    models.sort(key=lambda model: model == AVERAGE)
    controls = set(table.loc[table["control"].astype(bool), "model"])
    looks = {model: _look(model, number, controls) for number, model in enumerate(models)}
    # The legend's further rows make the figure taller, not the panels smaller.
    lines = -(-len(models) // MODELS_PER_ROW)
    around = min(LARGEST - 3 * HEIGHT, 0.4 + 1.3 * LINE * lines)
    figure, panels = grid(len(PANELS), per_row=1, height=HEIGHT, around=around, sharex=True)
    for axes, (columns, label) in zip(panels, PANELS, strict=True):
        for model in models:
            own = table[table["model"] == model].sort_values("percent")
            for column in columns:
                dashes = {"linestyle": "--"} if column == DASHED else {}
                axes.plot(own["percent"], own[column].astype(float), **{**looks[model], **dashes})
                kind = KINDS.get(column, "")
                for x, y in own[["percent", column]].dropna().itertuples(index=False):
                    text = f"{called(model, controls)}, {x:g} %{kind}: {float(y):.3f}"
                    hover.point(axes, x, float(y), text)
        axes.set(ylabel=label)
        size_axis(axes, percents)
        axes.set_xlim(percents[0] / 1.4, percents[-1] * 1.4)
    panels[-1].set_xlabel("circuit size (% of all units)")
    if np.isfinite(table["ratio"].to_numpy(dtype=float)).any():
        panels[1].axhline(1, color="#BBBBBB", linewidth=0.6, zorder=0)
    panels[0].set_ylim(bottom=0)
    per_cent(panels[0].yaxis)
    _kinds(panels[0])
    add_title(figure, title)
    handles = [
        Line2D([], [], label=called(model, controls), **looks[model])
        for model in sorted(models, key=lambda model: model != AVERAGE)
    ]
    legend_below(figure, handles, min(MODELS_PER_ROW, len(handles)))
    return figure


def _look(model: str, number: int, controls: set[str]) -> dict[str, object]:
    marker = MARKERS[number % len(MARKERS)]
    if model == AVERAGE:
        return {"color": "black", "linewidth": 2.0, "marker": "o", "markersize": 4, "zorder": 3}
    colour = NEUTRAL if model in controls else PALETTE[number % len(PALETTE)]
    return {"color": colour, "linewidth": 0.9, "marker": marker, "markersize": 3}


def _kinds(axes: Axes) -> None:
    kinds = {"within domains": "-", "across domains": "--"}
    handles = [Line2D([], [], color="#444444", lw=1, ls=ls, label=k) for k, ls in kinds.items()]
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2, "borderaxespad": 0.2}
    axes.legend(handles=handles, columnspacing=1, **place)
