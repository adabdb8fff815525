"""Overlap heatmaps: circuits against circuits, reliability on the diagonal, domains apart."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from brodmann.circuits.overlap import LOW_CEILING, pair_ceilings
from brodmann.circuits.stages.overlap import RELIABILITY
from brodmann.figures import style
from brodmann.figures.panels import domain_patches, side_bar
from brodmann.figures.registry import Asked, Files
from brodmann.store.tables import read_matrix, read_table
from brodmann.tasks.catalogue import domain_of

# Inches.
CELL = 0.16
LABEL_GAP = 0.06
STRIP, STRIP_GAP = 0.06, 0.02
BAR_GAP, BAR_WIDTH, BAR_LABELS = 0.12, 0.09, 0.5
AXIS_NAME = 0.16
# Room for the legend below the rows' labels, left of the columns' ones.
MIN_LABELS = 0.8
# From this many tasks on labels are set smaller.
MANY = 30
MISSING = "#E4E4E4"

TITLES = {
    "containment": "shared units / circuit size",
    "jaccard": "Jaccard index",
    "doubly_stochastic": "overlap, doubly stochastic",
    "noise_corrected": "overlap / noise ceiling",
}


def of_matrix(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """One measure of one model, or of the average; of models that were run with reliabilities."""
    measure = asked["measure"]
    table, rates = read_matrix(files[measure]), None
    if "reliability" in files and measure != "doubly_stochastic":
        rates = read_table(files["reliability"], RELIABILITY).set_index("task")["ceiling"].to_dict()
    return draw_overlap(table, measure, reliability=rates, title=asked["title"]), table


def draw_overlap(
    table: pd.DataFrame, measure: str, *, reliability: Mapping[str, float] | None, title: str
) -> Figure:
    """A square matrix. ``reliability`` replaces the diagonal; None leaves the diagonal blank.

    The colour scale ends at the largest off-diagonal value, so that reliable tasks do not wash out
    the rest; values beyond it have the last colour. Noise-corrected overlaps: from 0 to 1, cells with a
    ceiling below ``LOW_CEILING`` grey.
    """
    tasks = list(table.index)
    if not tasks:
        return style.empty_figure(title)
    values = table.to_numpy(dtype=float).copy()
    diagonal = [np.nan if reliability is None else reliability.get(task, np.nan) for task in tasks]
    np.fill_diagonal(values, diagonal)
    if not np.isfinite(values).any():
        return style.empty_figure(title, "no two tasks have a value")
    corrected = measure == "noise_corrected"
    if corrected and reliability is not None:
        low = pair_ceilings(tasks, reliability) < LOW_CEILING
        values[low & ~np.eye(len(tasks), dtype=bool)] = np.nan
    off = values[~np.eye(len(tasks), dtype=bool)]
    top = np.nanmax(off) if np.isfinite(off).any() else 1.0
    # As alike as their noise allows is 1; what lies above is noise.
    top = 1.0 if corrected else top
    beyond = np.nanmax(values) > top
    diagonal_label = " (diagonal: reliability)" if reliability is not None else ""
    return draw_square(
        values,
        tasks,
        limits=(0, max(top, 1e-6)),
        extend="max" if beyond else "neither",
        label=TITLES.get(measure, measure) + diagonal_label,
        title=title,
        missing=f"no value, or ceiling < {LOW_CEILING:g}" if corrected else "no value",
    )


def draw_square(
    values: np.ndarray,
    tasks: Sequence[str],
    *,
    limits: tuple[float, float],
    extend: str,
    label: str,
    title: str,
    names: tuple[str, str] = ("", ""),
    missing: str = "no value",
) -> Figure:
    """Tasks x tasks in colours, no wider than a page: labels, domain strips and legend, colour bar.

    ``names``: of the rows and of the columns; ``extend`` as in matplotlib's colour bars; ``missing``: what
    cells without a value are.
    """
    count, size = len(tasks), 5.5 if len(tasks) >= MANY else 6.5
    labels = max(style.text_width(style.task_label(task), size) for task in tasks) + LABEL_GAP
    labels = max(labels, MIN_LABELS)
    near = labels + (AXIS_NAME if any(names) else 0)
    far = STRIP_GAP + STRIP + BAR_GAP + BAR_WIDTH + BAR_LABELS
    cell = min(CELL, (style.DOUBLE - near - far) / count)
    side = cell * count
    # The title and the colour bar's label need some room even beside a single cell.
    width = max(near + side + far, style.SINGLE * 0.8)
    head = style.title_height(title, width) + STRIP_GAP + STRIP + 0.08
    height = max(near + side, 1.7) + head
    figure = plt.figure(figsize=(width, height))
    bottom = height - head - side
    axes = figure.add_axes((near / width, bottom / height, side / width, side / height))
    image = axes.imshow(values, cmap="magma_r", vmin=limits[0], vmax=limits[1], aspect="auto")
    axes.set_facecolor(MISSING)
    label_tasks(axes, tasks, size)
    separate_domains(axes, tasks, cell)
    for number, name in enumerate(names):
        if name:
            _name_axis(figure, axes, name, rows=number == 0, distance=labels + 0.04)
    _legend(figure, tasks, missing if np.isnan(values).any() else "")
    left = near + side + STRIP_GAP + STRIP + BAR_GAP
    length = max(side, 1.2)
    place = (left / width, (height - head - length) / height, BAR_WIDTH / width, length / height)
    label = label if length > 2.2 else label.replace(" (", "\n(")
    side_bar(figure, image, place, label, 6.5, extend)
    style.add_title(figure, title)
    return figure


def _name_axis(figure: Figure, axes: Axes, name: str, *, rows: bool, distance: float) -> None:
    """The name of rows or columns beyond their labels; ``distance`` in inches from the matrix."""
    box = axes.get_position()
    width, height = figure.get_size_inches()
    if rows:
        # Beside a small matrix the name begins at its upper edge, so as not to run into the title.
        small = box.height * height < 1.1
        place = box.x0 - distance / width, box.y1 if small else (box.y0 + box.y1) / 2
        va = "top" if small else "center"
        figure.text(*place, name, rotation=90, ha="right", va=va, fontsize=8)
    else:
        place = (box.x0 + box.x1) / 2, box.y0 - distance / height
        figure.text(*place, name, ha="center", va="top", fontsize=8)


def _legend(figure: Figure, tasks: Sequence[str], missing: str) -> None:
    """The domains in the order of the rows' strips, in the corner that labels leave free; ``missing``: what
    grey cells are."""
    handles = domain_patches(tasks)
    if missing:
        handles.append(Patch(color=MISSING, label=textwrap.fill(missing, 14)))
    place = {"loc": "lower left", "bbox_to_anchor": (0, 0), "borderpad": 0, "borderaxespad": 0}
    look = {"fontsize": 6, "handlelength": 1, "handleheight": 0.8, "labelspacing": 0.25}
    figure.legend(handles=handles, **place, **look)


def label_tasks(axes: Axes, tasks: Sequence[str], size: float) -> None:
    """Task names on both axes, in their domain's colour."""
    names = [style.task_label(task) for task in tasks]
    axes.set_xticks(range(len(tasks)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(tasks)), names, fontsize=size)
    axes.tick_params(length=0, pad=2)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for tick, task in zip(ticks, tasks, strict=True):
            tick.set_color(style.readable(style.domain_colour(domain_of(task))))


def separate_domains(axes: Axes, tasks: Sequence[str], cell: float) -> None:
    """White lines between domains, and a strip in each domain's colour along both axes.

    ``cell``: a task's width in inches.
    """
    domains = [domain_of(task) for task in tasks]
    for number, (a, b) in enumerate(pairwise(domains)):
        if a != b:
            axes.axhline(number + 0.5, color="white", linewidth=1.2)
            axes.axvline(number + 0.5, color="white", linewidth=1.2)
    gap, thickness = STRIP_GAP / cell, STRIP / cell
    start = -0.5
    for domain, members in groupby(domains):
        length = len(list(members))
        for corner, width, height in (
            ((start, -0.5 - gap - thickness), length, thickness),
            ((len(tasks) - 0.5 + gap, start), thickness, length),
        ):
            colour = style.domain_colour(domain)
            axes.add_patch(Rectangle(corner, width, height, fc=colour, lw=0, clip_on=False))
        start += length
    axes.spines[:].set_visible(False)
