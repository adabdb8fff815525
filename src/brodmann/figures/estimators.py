"""How estimators compare: agreement with true patching, and how far their circuits can be found again."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.circuits.trials import COLUMNS, SUMMARY, label
from brodmann.figures import hover, style
from brodmann.figures.panels import domain_dot, head, legend_below
from brodmann.figures.registry import Asked, Files
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of

# Columns of the table -> what a panel is called; one of which nothing is known is left out.
PANELS = {
    "rank_correlation": "rank correlation\nwith patching",
    "reliability": "reliability",
    "cpr": "area under\nfaithfulness (CPR)",
}


def of_trials(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model."""
    table = read_table(files["table"], COLUMNS)
    summary = read_table(files["summary"], SUMMARY)
    return draw_trials(table, summary, title=asked["title"]), table


def draw_trials(table: pd.DataFrame, summary: pd.DataFrame, *, title: str) -> Figure:
    """A line per estimator and positions, in the table's order: a dot per task, and the mean with its
    interval."""
    if summary.empty:
        return style.empty_figure(title)
    size = style.DOUBLE, 1.0 + 0.24 * len(summary)
    shown = {name: head for name, head in PANELS.items() if table[name].notna().any()}
    figure, panels = plt.subplots(1, len(shown), sharey=True, figsize=size, layout="constrained")
    lines = [(row["estimator"], row["positions"]) for _, row in summary.iterrows()]
    for axes, (measure, name) in zip(panels, shown.items(), strict=True):
        head(axes, name)
        for place, (line, (_, row)) in enumerate(zip(lines, summary.iterrows(), strict=True)):
            own = table[(table["estimator"] == line[0]) & (table["positions"] == line[1])]
            _dots(axes, place, own, measure)
            _mean(axes, place, row, measure)
        axes.axvline(0, color="#BBBBBB", linewidth=0.6, zorder=0)
        axes.grid(axis="y", color="#EEEEEE", linewidth=0.6)
        axes.set_axisbelow(True)
    panels[0].set_yticks(range(len(lines)), [label(*line) for line in lines])
    panels[0].set_ylim(-0.6, len(lines) - 0.4)
    panels[0].invert_yaxis()
    style.add_title(figure, title)
    domains = style.ordered_domains(table["task"].map(domain_of))
    legend_below(figure, [domain_dot(domain) for domain in domains], 4)
    return figure


def _dots(axes: Axes, place: int, own: pd.DataFrame, measure: str) -> None:
    """Tasks stand side by side, so that none hides another."""
    known = own.dropna(subset=[measure])
    heights = place + np.linspace(-0.28, 0.28, len(known)) if len(known) > 1 else [place]
    for height, (_, row) in zip(heights, known.iterrows(), strict=False):
        domain = domain_of(row["task"])
        look = {"color": style.domain_colour(domain), "marker": style.domain_marker(domain)}
        axes.plot(row[measure], height, ms=2.2, alpha=0.6, linestyle="none", **look)
        hover.point(
            axes, row[measure], height, f"{style.task_label(row['task'])}: {row[measure]:.2f}"
        )


def _mean(axes: Axes, place: int, row: Mapping[str, float], measure: str) -> None:
    mean, ends = row[measure], (row[f"{measure}_low"], row[f"{measure}_high"])
    if not np.isfinite(mean):
        return
    if np.isfinite(ends).all():
        axes.plot(ends, [place, place], color="black", linewidth=1.2)
    axes.plot(mean, place, marker="|", ms=8, color="black")
    hover.point(axes, mean, place, f"mean {mean:.2f} ({ends[0]:.2f} to {ends[1]:.2f})")
