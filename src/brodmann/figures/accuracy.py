"""Accuracy heatmap: tasks x models, with a strip that shows the domains."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brodmann.figures import hover, style
from brodmann.figures.overlap import MISSING
from brodmann.figures.panels import (
    by_rows,
    colour_bar,
    distinct,
    domain_look,
    domain_patches,
    number_cells,
)
from brodmann.figures.registry import Asked, Files, called
from brodmann.numerals import whole
from brodmann.statistics.accuracy import accuracy_table, imported_accuracies, joined
from brodmann.store.tables import read_matrix
from brodmann.tasks.catalogue import domain_of

# Inches.
CELL_WIDTH, ROW = 0.34, 1.15 * style.LINE
STRIP, STRIP_GAP, BAR = 0.06, 0.02, 0.08
# Where a cell would be narrower the figure grows wider, up to ``style.LARGEST``.
NARROWEST = 0.12
# Characters of a line of a model's name, where few models' names stand level.
LEVEL = 12
# Values are printed where a cell is that wide.
PRINTED = 0.19


def of_models(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of all models of the study; shares with all their digits."""
    run = accuracy_table(files["baselines"], asked["models"], asked["tasks"])
    imported = dict(zip(asked["imported"], files["imported"], strict=True))
    included = {model: [] for model in asked["imported"]}
    for model, path in zip(asked["matrix_models"], files["matrices"], strict=True):
        included[model] = list(read_matrix(path).index)
    taken_over = imported_accuracies(imported, included)
    table = joined([run, taken_over], [*asked["models"], *asked["imported"]])
    figure = draw_accuracy(table, controls=asked["controls"])
    return figure, table.map(lambda value: repr(value) if isinstance(value, float) else value)


def draw_accuracy(table: pd.DataFrame, *, controls: Sequence[str] = ()) -> Figure:
    """Both-correct accuracy in per cent (colours from 50 to 100); excluded tasks are crossed out.

    Tasks are rows, with a strip that shows their domain; models are columns. ``controls``: names of the
    models that are marked as controls.
    """
    if table.empty:
        return style.empty_figure("Both-correct accuracy", "no model and task are included")
    models, tasks = distinct(table["model"]), distinct(table["task"])
    values = 100 * table["both_correct_accuracy"].to_numpy(dtype=float)
    values = values.reshape(len(models), len(tasks)).T
    included = table["included"].to_numpy(dtype=bool).reshape(values.T.shape).T
    names = [called(model, controls) for model in models]
    left = max(style.text_width(style.task_label(task)) for task in tasks) + STRIP + 0.12
    room = (style.SINGLE - left - 0.05) / len(models)
    lines = [_lines(name) for name in names]
    across = max(style.text_width(part) for parts in lines for part in parts) + 0.08
    if across <= room:
        cell, turn, shown = max(across, CELL_WIDTH), 0, ["\n".join(parts) for parts in lines]
        above = max(map(len, lines)) * style.LINE
    else:
        cell = min(CELL_WIDTH, max(room, NARROWEST), (style.LARGEST - left - 0.05) / len(models))
        above, shown, turn = max(map(style.text_width, names)), names, 90
    above += 0.1
    row = min(ROW, (style.LARGEST - 2) / len(tasks))
    heat = cell * len(models), row * len(tasks)
    handles = domain_patches(tasks)
    crossed = not included.all()
    foot = BAR + 3.2 * style.LINE, (-(-len(handles) // 4) * 1.25 + crossed) * style.LINE + 0.1
    width = max(left + heat[0] + 0.05, style.SINGLE)
    height = above + heat[1] + sum(foot)
    figure = plt.figure(figsize=(width, height))

    def place(x: float, up: float, across: float, high: float) -> tuple[float, ...]:
        return x / width, up / height, across / width, high / height

    axes = figure.add_axes(place(left, sum(foot), *heat))
    look = {"cmap": "viridis", "vmin": 50, "vmax": 100, "aspect": "auto"}
    image = axes.imshow(values, **look)
    axes.patch.set(**MISSING)
    axes.set_xticks(np.arange(1, len(models)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(tasks)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.4)
    axes.tick_params(
        which="both", length=0, pad=STRIP * 72 + 3, top=False, labeltop=True, labelbottom=False
    )
    axes.tick_params(axis="x", pad=2)
    axes.spines[:].set_visible(False)
    steps = int(np.ceil(style.LINE / cell)), int(np.ceil(0.9 * style.LINE / row))
    axes.set_xticks(range(0, len(models), steps[0]), shown[:: steps[0]], rotation=turn)
    labels = [style.task_label(task) for task in tasks]
    axes.set_yticks(range(0, len(tasks), steps[1]), labels[:: steps[1]])
    if cell >= PRINTED and steps[1] == 1:
        number_cells(axes, image, values, whole)
    _cross_out(axes, np.argwhere(~included))
    _show_domains(axes, tasks, cell)
    axes.set(xlim=(-0.5, len(models) - 0.5), ylim=(len(tasks) - 0.5, -0.5))

    def text(number: int, model: int) -> str:
        out = "" if included[number, model] else ", not included"
        return f"{labels[number]}, {names[model]}: {values[number, model]:.1f} %{out}"

    hover.cells(axes, values, text)
    bar = figure.add_axes(place(0.05, foot[1] + 2.2 * style.LINE, style.SINGLE - 0.15, BAR))
    extend = "min" if (values < 50).any() else "neither"
    label = "both problems of a pair right (%)"
    colour_bar(image, axes, label, cax=bar, orientation="horizontal", extend=extend)
    where = {"loc": "lower left", "bbox_to_anchor": (0, crossed * style.LINE * 1.1 / height)}
    figure.legend(
        handles=by_rows(handles, 4), ncols=4, borderpad=0, borderaxespad=0, columnspacing=1, **where
    )
    if crossed:
        figure.text(0, 0, "crossed out: not included", ha="left", va="bottom")
    return figure


def _lines(name: str) -> list[str]:
    """Short ones, broken at spaces and after hyphens."""
    parts = textwrap.wrap(name.replace("-", "- "), LEVEL, break_long_words=False)
    return [part.replace("- ", "-") for part in parts]


def _cross_out(axes: Axes, cells: np.ndarray) -> None:
    """A diagonal through each of these cells [row, column]."""
    for row, column in cells:
        ends = [column - 0.42, column + 0.42], [row + 0.42, row - 0.42]
        axes.plot(*ends, color="white", linewidth=0.9)


def _show_domains(axes: Axes, tasks: Sequence[str], cell: float) -> None:
    """A strip beside the tasks of each domain, a line between two; ``cell``: a model's width in inches."""
    start = -0.5
    for domain, members in groupby(tasks, key=domain_of):
        length = len(list(members))
        corner = -0.5 - (STRIP_GAP + STRIP) / cell, start
        strip = Rectangle(corner, STRIP / cell, length, clip_on=False, **domain_look(domain))
        axes.add_patch(strip)
        start += length
        if start < len(tasks) - 1:
            axes.axhline(start, color="white", linewidth=1.5)
