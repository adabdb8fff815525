"""Estimated against true effects of single units."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.circuits.estimators import ESTIMATORS
from brodmann.circuits.stages import agreement
from brodmann.figures import style
from brodmann.figures.panels import domain_dot, grid, head, legend_below
from brodmann.figures.registry import Asked, Files
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of


def of_units(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model."""
    table = read_table(files["units"], agreement.UNIT_COLUMNS)
    found = read_table(files["table"], agreement.COLUMNS)
    return draw_agreement(table, found, title=asked["title"]), table


def draw_agreement(units: pd.DataFrame, summary: pd.DataFrame, *, title: str) -> Figure:
    """One panel per estimator: a dot per unit and task, filled if the unit is in the main mask."""
    estimators = [
        ESTIMATORS[name] for name in units if name in ESTIMATORS and not ESTIMATORS[name].measures
    ]
    figure, panels = grid(len(estimators), per_row=2, height=2.2, sharey=True)
    for axes, one in zip(panels, estimators, strict=True):
        _scatter(axes, units, one.name)
        own = summary[summary["estimator"] == one.name]
        text = ""
        if len(own):
            text = f"rank correlation {own['rank_correlation'].mean():.2f}\n"
            text += f"same sign {own['sign_agreement'].mean():.2f}"
        head(axes, text)
        axes.set_xlabel(one.label)
    panels[0].set_ylabel("effect of patching the unit\n(log-probability)")
    style.add_title(figure, title)
    domains = style.ordered_domains(units["task"].map(domain_of))
    handles = [domain_dot(domain) for domain in domains]
    if handles:
        legend_below(figure, handles, 4)
    return figure


def _scatter(axes: Axes, units: pd.DataFrame, estimator: str) -> None:
    """Both axes are symmetrically logarithmic: effects span orders of magnitude and both signs."""
    values = np.abs(units[[estimator, "exact"]].to_numpy(dtype=float))
    positive = values[values > 0]
    limit = float(positive.max()) * 1.5 if positive.size else 1.0
    threshold = max(limit * 1e-4, float(np.quantile(positive, 0.1)) if positive.size else limit)
    for task, own in units.groupby("task", sort=False):
        colour = style.domain_colour(domain_of(str(task)))
        for inside, face in enumerate(("none", colour)):
            some = own[own["in_mask"] == inside]
            look = {"s": 9, "linewidths": 0.6, "edgecolors": colour, "facecolors": face}
            look |= {"marker": style.domain_marker(domain_of(str(task)))}
            look["rasterized"] = len(units) > style.MOST_MARKS
            axes.scatter(some[estimator], some["exact"], **look)
    axes.plot([-limit, limit], [-limit, limit], color="#999999", linewidth=0.6, zorder=0)
    for scale in (axes.set_xscale, axes.set_yscale):
        scale("symlog", linthresh=threshold)
    below = float(10.0 ** np.floor(np.log10(limit)))  # the power of ten
    ticks, ends = [-below, 0, below], (-limit, limit)
    labels = [f"{tick:g}".replace("-", "−") for tick in ticks]
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.set(xlim=ends, ylim=ends)
