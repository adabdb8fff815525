"""Accuracy heatmap: models x tasks, with a strip that shows the domains."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brodmann.figures import style
from brodmann.figures.panels import distinct, side_bar
from brodmann.figures.registry import Asked, Files, called
from brodmann.statistics.accuracy import accuracy_table, imported_accuracies, joined
from brodmann.store.tables import read_matrix
from brodmann.tasks.catalogue import domain_of

# Inches.
CELL_WIDTH, CELL_HEIGHT = 0.30, 0.24
# In narrower cells numbers and labels stand upright.
NARROW = 0.2
STRIP, STRIP_GAP, DOMAIN_NAMES, FOOT = 0.07, 0.03, 0.22, 0.16
BAR_GAP, BAR_WIDTH, BAR_LABELS = 0.1, 0.09, 0.5
# Below this the colour bar's label has no room.
MIN_BAR = 1.5


def of_models(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of all models of the study; shares with all their digits."""
    run = accuracy_table("results", asked["models"], asked["tasks"])
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

    Models are rows, tasks columns; the figure is no wider than a page. ``controls``: names of the models
    that are marked as controls.
    """
    if table.empty:
        return style.empty_figure("Both-correct accuracy", "no model and task are included")
    models, tasks = distinct(table["model"]), distinct(table["task"])
    values = 100 * table["both_correct_accuracy"].to_numpy(dtype=float)
    values = values.reshape(len(models), len(tasks))
    included = table["included"].to_numpy(dtype=bool).reshape(values.shape)
    names = [called(model, controls) for model in models]
    left = max(style.text_width(name, 7) for name in names) + 0.08
    right = BAR_GAP + BAR_WIDTH + BAR_LABELS
    cell = min(CELL_WIDTH, (style.DOUBLE - left - right) / len(tasks))
    narrow = cell < NARROW
    label_size = 5.5 if narrow else 7
    labels = max(style.text_width(style.task_label(task), label_size) for task in tasks) + 0.1
    if not narrow:
        # Slanted labels reach half their length to the left.
        left = max(left, labels / 2)
        cell = min(CELL_WIDTH, (style.DOUBLE - left - right) / len(tasks))
    around = labels + FOOT + STRIP_GAP + STRIP + DOMAIN_NAMES
    row = min(CELL_HEIGHT, (style.LARGEST - around) / len(models))
    heat = cell * len(tasks), row * len(models)
    bar_length = max(heat[1], MIN_BAR)
    bottom = max(labels + FOOT, bar_length - heat[1])
    top = STRIP_GAP + STRIP + DOMAIN_NAMES
    width, height = left + heat[0] + right, bottom + heat[1] + top
    figure = plt.figure(figsize=(width, height))

    def place(x: float, y: float, across: float, up: float) -> tuple[float, ...]:
        return x / width, y / height, across / width, up / height

    strip = figure.add_axes(place(left, bottom + heat[1] + STRIP_GAP, heat[0], STRIP))
    axes = figure.add_axes(place(left, bottom, *heat))
    text = np.vectorize(lambda value: "" if np.isnan(value) else f"{value:.0f}")(values)
    numbers = {"size": 5, "rotation": 90} if narrow else {"size": 6}
    numbers = {"annot": text, "fmt": "", "annot_kws": numbers, "mask": np.isnan(values)}
    look = {"cmap": "viridis", "vmin": 50, "vmax": 100, "linewidths": 0.4, "linecolor": "white"}
    sns.heatmap(np.nan_to_num(values), cbar=False, ax=axes, **numbers, **look)
    axes.set_facecolor("#E4E4E4")
    _cross_out(axes, np.argwhere(~included))
    _label_axes(axes, tasks, names, label_size, upright=narrow)
    _draw_domains(strip, tasks, cell)
    beside = place(left + heat[0] + BAR_GAP, bottom + heat[1] - bar_length, BAR_WIDTH, bar_length)
    extend = "min" if (values < 50).any() else "neither"
    side_bar(figure, axes.collections[0], beside, "both-correct accuracy (%)", 7, extend)
    if not included.all():
        figure.text(0, 0, "crossed out: not included", fontsize=6, ha="left", va="bottom")
    return figure


def _cross_out(axes: Axes, cells: np.ndarray) -> None:
    """A diagonal through each of these cells [row, column], below the numbers."""
    look = {"color": "white", "linewidth": 0.6, "alpha": 0.55, "zorder": 1.5}
    for row, column in cells:
        axes.plot([column + 0.08, column + 0.92], [row + 0.92, row + 0.08], **look)


def _label_axes(
    axes: Axes, tasks: Sequence[str], names: Sequence[str], size: float, *, upright: bool
) -> None:
    slanted = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    turn = {"rotation": 90} if upright else slanted
    labels = [style.task_label(task) for task in tasks]
    axes.set_xticks(np.arange(len(tasks)) + 0.5, labels, fontsize=size, **turn)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
    axes.tick_params(length=0, pad=2)
    axes.set(xlabel="", ylabel="")


def _draw_domains(strip: Axes, tasks: Sequence[str], cell: float) -> None:
    """A coloured bar over the tasks of each domain, named above; ``cell``: a task's width in inches."""
    strip.set_xlim(0, len(tasks))
    strip.set_ylim(0, 1)
    strip.axis("off")
    start = 0
    for domain, members in groupby(tasks, key=domain_of):
        stop = start + len(list(members))
        colour = style.domain_colour(domain)
        strip.add_patch(Rectangle((start, 0), stop - start - 0.06, 1, color=colour, linewidth=0))
        # A name that is wider than its bar is turned, so that it does not run into the next one.
        alone = start == 0 and stop == len(tasks)
        name = style.domain_label(domain)
        fits = alone or style.text_width(name, 7) * 1.2 < (stop - start) * cell
        turn = {"rotation": 0 if fits else 35, "ha": "center" if fits else "left", "va": "bottom"}
        turn |= {"rotation_mode": "anchor", "xytext": (0, 2), "textcoords": "offset points"}
        look = {"color": style.readable(colour), "fontweight": "bold", "fontsize": 7}
        strip.annotate(name, ((start + stop) / 2, 1), **turn, **look)
        start = stop
