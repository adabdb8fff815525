"""Overlap heatmaps: circuits against circuits, reliability on the diagonal, domains apart."""

from __future__ import annotations

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
from brodmann.figures import hover, style
from brodmann.figures.panels import (
    by_rows,
    colour_bar,
    domain_look,
    domain_patches,
    number_cells,
    per_cent,
)
from brodmann.figures.registry import Asked, Files
from brodmann.numerals import whole
from brodmann.store.tables import read_matrix, read_table
from brodmann.tasks.catalogue import domain_of

# Inches.
LARGEST_CELL = 0.3
STRIP, STRIP_GAP = 0.06, 0.02
LABEL_GAP, NUMBER = 0.06, 0.16
# Values are printed where a cell has that room, labels where lines have this distance.
PRINTED, PITCH = 0.18, style.TYPE * 1.02 / 72
BAR = 0.08
# From this many tasks on a figure is as wide as a page.
MANY = 17
# Cells without a value; hatched, for in grey their colour is that of small values.
MISSING = {"facecolor": "#E4E4E4", "edgecolor": "white", "hatch": "xxxxx", "linewidth": 0}

TITLES = {
    "containment": "shared units (% of a circuit)",
    "jaccard": "shared units (% of the units of either)",
    "doubly_stochastic": "overlap, rows and columns scaled to 100 %",
    "noise_corrected": "overlap (% of its noise ceiling)",
}


def of_matrix(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """One measure of one model, or of the average; of models that were run with reliabilities."""
    measure = asked["measure"]
    table, rates = read_matrix(files[measure]), None
    if "reliability" in files and measure != "doubly_stochastic":
        rates = read_table(files["reliability"], RELIABILITY).set_index("task")["ceiling"].to_dict()
    same = map(read_matrix, files["every"]) if measure == "containment" else ()
    top = max(map(largest, same), default=None)
    return draw_overlap(table, measure, reliability=rates, title=asked["title"], top=top), table


def largest(table: pd.DataFrame) -> float:
    """The largest value off the diagonal; 0 where there is none."""
    values = table.to_numpy(dtype=float)[~np.eye(len(table), dtype=bool)]
    return float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def draw_overlap(
    table: pd.DataFrame,
    measure: str,
    *,
    reliability: Mapping[str, float] | None,
    title: str,
    top: float | None = None,
) -> Figure:
    """A square matrix. ``reliability`` replaces the diagonal; None leaves the diagonal blank.

    The colour scale ends at ``top``, the largest off-diagonal value of all that are compared (None: of this
    one), so that reliable tasks do not wash out the rest; values beyond it have the last colour.
    Noise-corrected overlaps: from 0 to 1, cells with a ceiling below ``LOW_CEILING`` grey.
    """
    tasks = list(table.index)
    if len(tasks) < 2:
        return style.empty_figure(title, "fewer than two tasks are included")
    values = table.to_numpy(dtype=float).copy()
    diagonal = [np.nan if reliability is None else reliability.get(task, np.nan) for task in tasks]
    np.fill_diagonal(values, diagonal)
    if not np.isfinite(values).any():
        return style.empty_figure(title, "no two tasks have a value")
    corrected = measure == "noise_corrected"
    if corrected and reliability is not None:
        low = pair_ceilings(tasks, reliability) < LOW_CEILING
        values[low & ~np.eye(len(tasks), dtype=bool)] = np.nan
    # As alike as their noise allows is 1; what lies above is noise.
    top = 1.0 if corrected else (largest(table) if top is None else top) or 1.0
    beyond = np.nanmax(values) > top
    diagonal_label = "; diagonal: reliability" if reliability is not None else ""
    return draw_square(
        values,
        tasks,
        limits=(0, max(top, 1e-6)),
        extend="max" if beyond else "neither",
        label=TITLES.get(measure, measure) + diagonal_label,
        title=title,
        missing=f"no value, or ceiling < {100 * LOW_CEILING:g} %" if corrected else "no value",
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
    """Tasks x tasks in colours: rows are named, columns have the rows' numbers; strips show the domains.

    ``values``, ``limits``: shares, which are shown in per cent; ``names``: of the rows and of the columns;
    ``extend`` as in matplotlib's colour bars; ``missing``: what cells without a value are.
    """
    count = len(tasks)
    labels = max(style.text_width(style.task_label(task)) for task in tasks) + LABEL_GAP + NUMBER
    width = style.SINGLE if count < MANY else style.DOUBLE
    cell = min(LARGEST_CELL, (width - labels - STRIP_GAP - STRIP - 0.05) / count)
    side = cell * count
    handles = _handles(tasks, missing if np.isnan(values).any() else "")
    columns = 4 if width == style.SINGLE else 6  # of the legend
    head = style.title_height(title, width) + STRIP_GAP + STRIP + 0.08
    lines = 1 + any(names)  # the columns' numbers, and what rows and columns are
    foot = (
        (lines + 1) * style.LINE,
        BAR + 3.6 * style.LINE,
        -(-len(handles) // columns) * 1.25 * style.LINE,
    )
    height = head + side + sum(foot)
    figure = plt.figure(figsize=(width, height))

    def place(x: float, up: float, across: float, high: float) -> tuple[float, ...]:
        return x / width, up / height, across / width, high / height

    axes = figure.add_axes(place(labels, sum(foot), side, side))
    image = axes.imshow(values, cmap="magma_r", vmin=limits[0], vmax=limits[1], aspect="auto")
    axes.patch.set(**MISSING)
    label_tasks(axes, tasks, cell)
    separate_domains(axes, tasks, cell)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    if any(names):
        axes.set_xlabel("rows: {}; columns: {}".format(*names), x=1, ha="right")
    if cell >= PRINTED:
        number_cells(axes, image, values, lambda value: whole(100 * value))
    _tell(axes, values, tasks, *names)
    bar = figure.add_axes(place(0.05, foot[2] + 2.8 * style.LINE, width - 0.15, BAR))
    found = colour_bar(image, axes, label, cax=bar, orientation="horizontal", extend=extend)
    per_cent(found.ax.xaxis)
    place_below = {"loc": "lower left", "bbox_to_anchor": (0, 0), "borderpad": 0, "ncols": columns}
    figure.legend(
        handles=by_rows(handles, columns), borderaxespad=0, columnspacing=1, **place_below
    )
    style.add_title(figure, title)
    return figure


def _tell(axes: Axes, values: np.ndarray, tasks: Sequence[str], row: str, column: str) -> None:
    """Every cell in words."""
    labels = [style.task_label(task) for task in tasks]
    rows, columns = (f"{name} " if name else "" for name in (row, column))

    def text(a: int, b: int) -> str:
        return f"{rows}{labels[a]}, {columns}{labels[b]}: {100 * values[a, b]:.1f} %"

    hover.cells(axes, values, text)


def _handles(tasks: Sequence[str], missing: str) -> list[Patch]:
    """The domains in the order of the rows, and ``missing``: what grey cells are."""
    handles = domain_patches(tasks)
    return [*handles, Patch(label=missing, **MISSING)] if missing else handles


def label_tasks(axes: Axes, tasks: Sequence[str], cell: float) -> None:
    """Names and numbers of the rows, numbers of the columns: as many as have room; ``cell`` in inches."""
    names = [f"{style.task_label(task)}  {number}" for number, task in enumerate(tasks, 1)]
    rows, columns = (int(np.ceil(room / cell)) for room in (PITCH, NUMBER))
    axes.set_yticks(range(0, len(tasks), rows), names[::rows])
    numbers = range(0, len(tasks), columns)
    axes.set_xticks(numbers, [str(number + 1) for number in numbers])
    axes.tick_params(length=0, pad=2)


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
            look = domain_look(domain)
            axes.add_patch(Rectangle(corner, width, height, clip_on=False, **look))
        start += length
    axes.spines[:].set_visible(False)
