"""Estimated against true effects of single units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.circuits.estimators import ESTIMATORS
from brodmann.circuits.stages import agreement
from brodmann.figures import style
from brodmann.figures.panels import domain_dot, grid, head, legend_below
from brodmann.figures.registry import Asked, Files
from brodmann.numerals import minus
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
    sizes = np.abs(units[[*(one.name for one in estimators), "exact"]].to_numpy(dtype=float))
    scale = _Scale.of(sizes[sizes > 0])
    for axes, one in zip(panels, estimators, strict=True):
        _scatter(axes, units, one.name, scale)
        own = summary[summary["estimator"] == one.name]
        text = ""
        if len(own):
            text = minus(f"rank correlation {own['rank_correlation'].mean():.2f}\n")
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


@dataclass(frozen=True)
class _Scale:
    """Of both axes of all panels: logarithmic on both sides of 0, linear nearer to it than ``least``."""

    least: float
    most: float

    @classmethod
    def of(cls, sizes: np.ndarray) -> _Scale:
        """Of absolute effects above 0."""
        most = 1.5 * float(sizes.max()) if sizes.size else 1.0
        tenth = float(np.quantile(sizes, 0.1)) if sizes.size else most
        return cls(max(most * 1e-4, tenth), most)

    def set(self, axes: Axes) -> None:
        """Ticks at the largest powers of ten; on the y axis also half as many decades below."""
        top = math.floor(math.log10(self.most))
        middle = round((top + math.log10(self.least)) / 2)
        ends = -self.most, self.most
        for axis, powers in (("x", {top}), ("y", {top, min(middle, top)})):
            sizes = [10.0**n for n in sorted(powers)]
            ticks = [*(-one for one in reversed(sizes)), 0, *sizes]
            getattr(axes, f"set_{axis}scale")("symlog", linthresh=self.least)
            getattr(axes, f"set_{axis}ticks")(ticks, [minus(f"{tick:g}") for tick in ticks])
            axes.set(**{f"{axis}lim": ends})


def _scatter(axes: Axes, units: pd.DataFrame, estimator: str, scale: _Scale) -> None:
    for task, own in units.groupby("task", sort=False):
        colour = style.domain_colour(domain_of(str(task)))
        for inside, face in enumerate(("none", colour)):
            some = own[own["in_mask"] == inside]
            look = {"s": 9, "linewidths": 0.6, "edgecolors": colour, "facecolors": face}
            look |= {"marker": style.domain_marker(domain_of(str(task)))}
            look["rasterized"] = len(units) > style.MOST_MARKS
            axes.scatter(some[estimator], some["exact"], **look)
    ends = [-scale.most, scale.most]
    axes.plot(ends, ends, color="#999999", linewidth=0.6, zorder=0)
    scale.set(axes)
