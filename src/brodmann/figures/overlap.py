"""Overlap heatmaps: circuits against circuits, reliability on the diagonal, domains apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brodmann.figures.style import DOMAIN_COLOURS, OTHER_COLOUR, task_label
from brodmann.tasks.catalogue import domain_of

CELL = 0.15  # inches
MIN_SIDE = 2.0
# From this many tasks on labels are set smaller.
MANY = 30

TITLES = {
    "containment": "shared units / circuit size",
    "jaccard": "Jaccard index",
    "doubly_stochastic": "overlap, doubly stochastic",
    "noise_corrected": "overlap / noise ceiling",
}


def draw_overlap(
    table: pd.DataFrame, measure: str, *, reliability: Mapping[str, float] | None, title: str
) -> Figure:
    """A square matrix. ``reliability`` replaces the diagonal; None leaves the diagonal blank.

    The colour scale ends at the largest off-diagonal value, so that reliable tasks do not wash out
    the rest; values beyond it have the last colour.
    """
    tasks = list(table.index)
    if not tasks:
        return empty_figure(title)
    values = table.to_numpy(dtype=float).copy()
    diagonal = [np.nan if reliability is None else reliability.get(task, np.nan) for task in tasks]
    np.fill_diagonal(values, diagonal)
    off = values[~np.eye(len(tasks), dtype=bool)]
    top = np.nanmax(off) if np.isfinite(off).any() else 1.0
    side = max(MIN_SIDE, CELL * len(tasks))
    figure, axes = plt.subplots(figsize=(side, side))
    image = axes.imshow(values, cmap="magma_r", vmin=0, vmax=max(top, 1e-6), aspect="equal")
    axes.set_facecolor("#EEEEEE")
    label_tasks(axes, tasks)
    separate_domains(axes, tasks)
    axes.set_title(title, loc="left", pad=10)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.03, extend="max")
    diagonal_label = "\n(diagonal: reliability)" if reliability is not None else ""
    bar.set_label(TITLES.get(measure, measure) + diagonal_label, fontsize=7)
    bar.outline.set_visible(False)
    return figure


def empty_figure(title: str) -> Figure:
    """Where there is nothing to draw."""
    figure, axes = plt.subplots(figsize=(MIN_SIDE, MIN_SIDE / 2))
    axes.set_axis_off()
    axes.set_title(title, loc="left")
    axes.text(0.5, 0.5, "no task is included", ha="center", va="center", color="#777777")
    return figure


def label_tasks(axes: Axes, tasks: Sequence[str]) -> None:
    """Task names on both axes, in their domain's colour."""
    size = 5 if len(tasks) >= MANY else 6.5
    names = [task_label(task) for task in tasks]
    axes.set_xticks(range(len(tasks)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(tasks)), names, fontsize=size)
    axes.tick_params(length=0, pad=4)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for tick, task in zip(ticks, tasks, strict=True):
            tick.set_color(DOMAIN_COLOURS.get(domain_of(task), OTHER_COLOUR))


def separate_domains(axes: Axes, tasks: Sequence[str]) -> None:
    """White lines between domains, and a strip in each domain's colour along both axes."""
    domains = [domain_of(task) for task in tasks]
    borders = [n + 0.5 for n, (a, b) in enumerate(pairwise(domains)) if a != b]
    for border in borders:
        axes.axhline(border, color="white", linewidth=1.2)
        axes.axvline(border, color="white", linewidth=1.2)
    edges = [-0.5, *borders, len(tasks) - 0.5]
    thickness = max(0.35, len(tasks) / 70)
    for start, end in pairwise(edges):
        colour = DOMAIN_COLOURS.get(domains[int(start + 0.5)], OTHER_COLOUR)
        for corner, width, height in (
            ((start, -0.6 - thickness), end - start, thickness),
            ((len(tasks) - 0.4, start), thickness, end - start),
        ):
            axes.add_patch(Rectangle(corner, width, height, color=colour, lw=0, clip_on=False))
    for spine in axes.spines.values():
        spine.set_visible(False)
