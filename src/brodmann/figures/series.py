"""Series of checkpoints: what changes along their axis."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brodmann.figures import hover
from brodmann.figures.panels import distinct, grid, legend_below
from brodmann.figures.registry import Asked, Files
from brodmann.figures.robustness import MARKERS, PALETTE
from brodmann.figures.style import LARGEST, LINE
from brodmann.statistics.stages.series import COLUMNS
from brodmann.store.tables import read_table

# Measures of a panel, solid and dashed, and what it is called.
PANELS = (
    (("accuracy",), "items right\nin both directions"),
    (("overlap_difference",), "overlap: within\nless across domains"),
    (("ari",), "clusters and domains\n(adj. Rand index)"),
    (("drop_difference",), "accuracy lost: within\nless across domains"),
    (("cpr_own", "cpr_random"), "area under\nfaithfulness (CPR)"),
    (("enough_percent",), "units that are\nenough (%)"),
    (("lesion", "random"), "accuracy without\nlocalized units"),
    (("identified",), "identified networks"),
)
HEIGHT = 1.1
LEVEL = 0.05
# As ``identified`` and lesions are of several datasets and localizers, the first of each is drawn.
_FIRST = ("lesion", "random", "identified")
# Nothing is where these are zero.
_FROM_ZERO = ("overlap_difference", "ari", "drop_difference")


def of_series(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Rows of the first kind of unit; accuracies of all domains together."""
    table = read_table(files["series"], COLUMNS)
    of_units = table["component"].isna() | (table["component"] == asked["component"])
    table = table[of_units & ~((table["measure"] == "accuracy") & table["domain"].notna())]
    shown = {measure for measures, _ in PANELS for measure in measures}
    table = table[table["measure"].isin(shown)].reset_index(drop=True)
    return draw_series(table), table


def draw_series(table: pd.DataFrame) -> Figure:
    """A panel for each kind of measure, against ``step``; a line for each series.

    Columns: series, axis, step, measure, domain, value, low, high, p.
    """
    there = [panel for panel in PANELS if table["measure"].isin(panel[0]).any()]
    names = distinct(table["series"])
    around = min(LARGEST - len(there) * HEIGHT, 0.4 + 1.3 * LINE * -(-len(names) // 2))
    figure, panels = grid(len(there), per_row=1, height=HEIGHT, around=around, sharex=True)
    looks = {
        name: {"color": PALETTE[n % len(PALETTE)], "marker": MARKERS[n % len(MARKERS)]}
        for n, name in enumerate(names)
    }
    for axes, (measures, label) in zip(panels, there, strict=True):
        for name, look in looks.items():
            for measure, style in zip(measures, ("-", "--"), strict=False):
                own = table[(table["series"] == name) & (table["measure"] == measure)]
                if measure in _FIRST:
                    own = own[own["domain"] == next(iter(own["domain"]), "")]
                _line(axes, own.sort_values("step"), f"{name}, {measure}", style, **look)
        axes.set(ylabel=label)
        if measures[0] in _FROM_ZERO:
            axes.axhline(0, color="#BBBBBB", linewidth=0.6, zorder=0)
    panels[-1].set_xlabel(", ".join(distinct(table["axis"])))
    handles = [Line2D([], [], label=name, lw=0.9, ms=3, **look) for name, look in looks.items()]
    legend_below(figure, handles, min(2, len(handles)))
    return figure


def _line(axes: Axes, own: pd.DataFrame, what: str, style: str, *, color: str, marker: str) -> None:
    steps, values, low, high, p = (
        own[key].to_numpy(dtype=float) for key in ("step", "value", "low", "high", "p")
    )
    axes.plot(steps, values, color=color, linestyle=style, linewidth=0.9)
    if np.isfinite(low).any():
        axes.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
    for step, value, one in zip(steps, values, p, strict=True):
        face = "white" if one >= LEVEL else color  # without a test: filled
        axes.plot(step, value, marker, color=color, markerfacecolor=face, markersize=3)
        if np.isfinite(value):
            hover.point(axes, step, value, f"{what}, {step:g}: {value:.3f}")
