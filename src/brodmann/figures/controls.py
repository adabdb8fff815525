"""Ablation against controls: accuracy lost to circuits, and to as many units chosen otherwise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brodmann.circuits.against_controls import control_summary
from brodmann.circuits.stages.ablation import COLUMNS
from brodmann.figures import hover, style
from brodmann.figures.panels import domain_axis, dot, legend_below, per_cent, single
from brodmann.figures.registry import Asked, Files
from brodmann.store.tables import read_table

GROUPS = {
    "own": "its own circuit",
    "same_domain": "circuits of its domain",
    "other_domains": "circuits of other domains",
    "layer_matched": "random units, same layers",
    "activation_matched": "random units as active",
    "random": "random units, any layer",
}
MARKERS = dict(zip(GROUPS, "Doosv^", strict=True))
CONTROLS = ("layer_matched", "activation_matched", "random")
OPEN = "other_domains"


def of_lesions(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model."""
    lesions = zip(asked["tasks"], files["lesions"], strict=True)
    summary = control_summary({task: read_table(path, COLUMNS) for task, path in lesions})
    return draw_controls(summary, title=asked["title"]), summary


def draw_controls(summary: pd.DataFrame, *, title: str) -> Figure:
    """A point with its s.e.m. for every domain (in brackets: tasks) and group, in per cent; circuits in the
    domain's colour, controls grey.

    ``summary``: the columns domain, group, n, mean, sem of ``circuits.against_controls.control_summary``.
    """
    if not np.isfinite(summary["mean"].to_numpy(dtype=float)).any():
        return style.empty_figure(title, "no ablation is included")
    domains = style.ordered_domains(summary["domain"])
    groups = [group for group in GROUPS if group in set(summary["group"])]
    figure, axes = single(3.0)
    axes.axhline(0, color="#BBBBBB", linewidth=0.6, zorder=0)
    cells = summary.set_index(["domain", "group"])
    for place, domain in enumerate(domains):
        for number, group in enumerate(groups):
            if (domain, group) in cells.index:
                x = place + (number - (len(groups) - 1) / 2) * 0.8 / max(5, len(groups))
                _point(axes, x, cells.loc[(domain, group)], domain, group)
    for border in range(1, len(domains)):
        axes.axvline(border - 0.5, color="#DDDDDD", linewidth=0.6, zorder=0)
    domain_axis(axes, domains, _colour)
    tasks = cells["n"].xs("own", level="group") if "own" in groups else {}
    labels = [
        f"{style.domain_label(one)} ({tasks[one]})" if one in tasks else style.domain_label(one)
        for one in domains
    ]
    axes.set_xticklabels(labels)
    axes.set(xlabel="domain of the tested task (tasks)", ylabel="accuracy lost (%, mean ± s.e.m.)")
    per_cent(axes.yaxis)
    style.add_title(figure, title)
    legend_below(figure, [_handle(group) for group in groups], 2, handletextpad=0.2)
    return figure


def _colour(domain: str) -> str:
    return "#222222" if domain == "all" else style.domain_colour(domain)


def _point(axes: Axes, x: float, cell: pd.Series, domain: str, group: str) -> None:
    mean, sem = float(cell["mean"]), float(cell["sem"])
    if not np.isfinite(mean):
        return
    colour = style.NEUTRAL if group in CONTROLS else _colour(domain)
    face = "white" if group == OPEN else colour
    look = {"marker": MARKERS[group], "ms": 4, "mfc": face, "mew": 0.9, "color": colour}
    axes.errorbar(x, mean, sem if np.isfinite(sem) else None, lw=0.8, capsize=1.5, **look)
    error = f" (s.e.m. {100 * sem:.1f})" if np.isfinite(sem) else ""
    hover.point(
        axes, x, mean, f"{style.domain_label(domain)}, {GROUPS[group]}: {100 * mean:.1f} %{error}"
    )


def _handle(group: str) -> Line2D:
    colour = style.NEUTRAL if group in CONTROLS else "#222222"
    face = "white" if group == OPEN else colour
    return dot(GROUPS[group], colour, MARKERS[group], mfc=face)
