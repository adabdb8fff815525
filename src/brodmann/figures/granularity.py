"""Circuits of small and large units: how specific their lesions are, and what they cost."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.figures import hover, style
from brodmann.figures.panels import dot, grid, legend_below, wide_scale
from brodmann.figures.registry import Asked, Files
from brodmann.sites import LEVELS
from brodmann.statistics.stages.granularity import COLUMNS
from brodmann.store.tables import read_table

SHOWN = "score_drop"
GROUPS = {
    "own": "its own circuit",
    "within": "circuits of its domain",
    "across": "circuits of other domains",
    "size_matched": "as many random units",
    "mass_matched": "random: equal attribution or all others",
}
MARKERS = dict(zip(GROUPS, "Doos^", strict=True))
CONTROLS, OPEN = ("size_matched", "mass_matched"), "across"
DARK, LINE = "#222222", "#BBBBBB"
# Characters of a line of a name; of more names than that there is no room side by side.
SHORT, UPRIGHT = 9, 7


def of_levels(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model."""
    table = read_table(files["table"], COLUMNS)
    own = table[(table["model"] == asked["model"]) & (table["measure"] == SHOWN)]
    return draw_levels(own.reset_index(drop=True), title=asked["title"]), own.reset_index(drop=True)


def draw_levels(table: pd.DataFrame, *, title: str) -> Figure:
    """Above, the ratio within / across with its interval, by level and size; below, what each group costs.

    ``table``: rows of results/statistics/granularity.csv of one model and measure.
    """
    if not np.isfinite(table["own"].to_numpy(dtype=float)).any():
        return style.empty_figure(title, "no lesion was measured")
    figure, (above, below) = grid(2, per_row=1, height=1.6, around=0.9, sharex=True)
    above.axhline(1, color=LINE, linewidth=0.6, zorder=0)
    below.axhline(0, color=LINE, linewidth=0.6, zorder=0)
    names = [name_of(row) for row in table.to_dict("records")]
    for place, (name, row) in enumerate(zip(names, table.to_dict("records"), strict=True)):
        head = name.replace("\n", ", ")
        if np.isfinite(float(str(row["ratio_low"]))):  # else it could be anything
            _point(above, place, row, "ratio", f"{head}: within / across", "D", DARK, DARK)
        for number, (group, words) in enumerate(GROUPS.items()):
            x = place + (number - (len(GROUPS) - 1) / 2) * 0.8 / len(GROUPS)
            colour = style.NEUTRAL if group in CONTROLS else DARK
            face = "white" if group == OPEN else colour
            _point(below, x, row, group, f"{head}: {words}", MARKERS[group], colour, face)
    for axes in (above, below):
        for border in range(1, len(names)):
            axes.axvline(border - 0.5, color="#DDDDDD", linewidth=0.6, zorder=0)
    ends = table[["ratio_low", "ratio_high"]].to_numpy(dtype=float)
    wide_scale(above.yaxis, ends[(ends > 0) & np.isfinite(ends)].tolist())
    below.set_xticks(range(len(names)), names, rotation=90 if len(names) > UPRIGHT else 0)
    below.tick_params(axis="x", length=0)
    below.set_xlim(-0.5, len(names) - 0.5)
    above.set_ylabel("within / across")
    below.set_ylabel("metric lost")
    style.add_title(figure, title)
    handles = [
        dot(
            *(words, style.NEUTRAL if group in CONTROLS else DARK, MARKERS[group]),
            **({"mfc": "white"} if group == OPEN else {}),
        )
        for group, words in GROUPS.items()
    ]
    legend_below(figure, handles, 2, handletextpad=0.2)
    return figure


def name_of(row: dict[str, object]) -> str:
    """``neurons``, and below it the size of circuits."""
    label = textwrap.fill(LEVELS[str(row["level"])].label, SHORT)
    return f"{label}\n{float(str(row['percent'])):g} %"


def _point(
    axes: Axes,
    x: float,
    row: dict[str, object],
    column: str,
    words: str,
    marker: str,
    colour: str,
    face: str,
) -> None:
    value, low, high = (float(str(row[f"{column}{end}"])) for end in ("", "_low", "_high"))
    if not np.isfinite(value):
        return
    ends = np.array([[value - low], [high - value]])
    error = np.maximum(ends, 0) if np.isfinite(ends).all() else None
    look = {"marker": marker, "ms": 4, "mfc": face, "mew": 0.9, "color": colour}
    axes.errorbar(x, value, error, lw=0.8, capsize=1.5, **look)
    between = f" [{low:.2f}, {high:.2f}]" if error is not None else ""
    hover.point(axes, x, value, f"{words}: {value:.2f}{between}")
