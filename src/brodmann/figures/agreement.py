"""Estimated against true effects of single units."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.circuits.estimators import ESTIMATORS
from brodmann.circuits.stages import agreement
from brodmann.figures.panels import dot
from brodmann.figures.registry import Asked, Files
from brodmann.figures.style import DOMAIN_COLOURS, OTHER_COLOUR
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
    figure, panels = plt.subplots(
        1, len(estimators), figsize=(2.6 * len(estimators), 2.7), sharey=True
    )
    for axes, one in zip(panels, estimators, strict=True):
        _scatter(axes, units, one.name)
        own = summary[summary["estimator"] == one.name]
        text = ""
        if len(own):
            text = f"mean rank correlation {own['rank_correlation'].mean():.2f}\n"
            text += f"sign agreement {own['sign_agreement'].mean():.2f}"
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=7)
        axes.set_xlabel(f"{one.label} (log-probability)")
    panels[0].set_ylabel("effect of patching the unit")
    figure.suptitle(title, x=0.02, ha="left", fontsize=9)
    domains = sorted({domain_of(task) for task in units["task"]}, key=list(DOMAIN_COLOURS).index)
    handles = [
        dot(domain, DOMAIN_COLOURS[domain]) for domain in domains if domain in DOMAIN_COLOURS
    ]
    if handles:
        figure.legend(handles=handles, loc="outside right center")
        figure.subplots_adjust(right=0.82)
    return figure


def _scatter(axes: Axes, units: pd.DataFrame, estimator: str) -> None:
    """Both axes are symmetrically logarithmic: effects span orders of magnitude and both signs."""
    values = np.abs(units[[estimator, "exact"]].to_numpy(dtype=float))
    positive = values[values > 0]
    limit = float(positive.max()) * 1.5 if positive.size else 1.0
    threshold = max(limit * 1e-4, float(np.quantile(positive, 0.1)) if positive.size else limit)
    for task, own in units.groupby("task", sort=False):
        colour = DOMAIN_COLOURS.get(domain_of(str(task)), OTHER_COLOUR)
        for inside, marker in ((0, {"facecolors": "none"}), (1, {"facecolors": colour})):
            some = own[own["in_mask"] == inside]
            axes.scatter(
                some[estimator], some["exact"], s=9, linewidths=0.6, edgecolors=colour, **marker
            )
    axes.plot([-limit, limit], [-limit, limit], color="#999999", linewidth=0.6, zorder=0)
    for scale in (axes.set_xscale, axes.set_yscale):
        scale("symlog", linthresh=threshold)
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    ticks = [-_round_down(limit), 0, _round_down(limit)]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)


def _round_down(value: float) -> float:
    """The power of ten below."""
    return float(10.0 ** np.floor(np.log10(value)))
