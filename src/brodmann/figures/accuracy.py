"""Accuracy heatmap: models x tasks, with a strip that shows the domains."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brodmann.figures import style
from brodmann.figures.registry import Asked, Files, called
from brodmann.statistics.accuracy import AccuracyTable, accuracy_table, imported_accuracies
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


def of_models(files: Files, asked: Asked) -> tuple[Figure, AccuracyTable]:
    """Of all models of the study."""
    table = accuracy_table("results", asked["models"], asked["tasks"])
    imported = dict(zip(asked["imported"], files["imported"], strict=True))
    included = {model: [] for model in asked["imported"]}
    for model, path in zip(asked["matrix_models"], files["matrices"], strict=True):
        included[model] = list(read_matrix(path).index)
    table = table.joined(imported_accuracies(imported, included))
    return draw_accuracy(table, controls=asked["controls"]), table


def draw_accuracy(table: AccuracyTable, *, controls: Sequence[str] = ()) -> Figure:
    """Both-correct accuracy in per cent (colours from 50 to 100); excluded tasks are crossed out.

    Models are rows, tasks columns; the figure is no wider than a page. ``controls``: names of the models
    that are marked as controls.
    """
    if not table.models or not table.tasks:
        return style.empty_figure("Both-correct accuracy", "no model and task are included")
    values = np.array(
        [
            [_percent(table.cells[model, task].both_correct_accuracy) for task in table.tasks]
            for model in table.models
        ]
    )
    names = [called(model, controls) for model in table.models]
    left = max(style.text_width(name, 7) for name in names) + 0.08
    right = BAR_GAP + BAR_WIDTH + BAR_LABELS
    cell = min(CELL_WIDTH, (style.DOUBLE - left - right) / len(table.tasks))
    narrow = cell < NARROW
    label_size = 5.5 if narrow else 7
    labels = max(style.text_width(style.task_label(task), label_size) for task in table.tasks) + 0.1
    if not narrow:
        # Slanted labels reach half their length to the left.
        left = max(left, labels / 2)
        cell = min(CELL_WIDTH, (style.DOUBLE - left - right) / len(table.tasks))
    around = labels + FOOT + STRIP_GAP + STRIP + DOMAIN_NAMES
    row = min(CELL_HEIGHT, (style.LARGEST - around) / len(table.models))
    heat = cell * len(table.tasks), row * len(table.models)
    bar_length = max(heat[1], MIN_BAR)
    bottom = max(labels + FOOT, bar_length - heat[1])
    top = STRIP_GAP + STRIP + DOMAIN_NAMES
    width, height = left + heat[0] + right, bottom + heat[1] + top
    figure = plt.figure(figsize=(width, height))

    def place(x: float, y: float, across: float, up: float) -> Axes:
        return figure.add_axes((x / width, y / height, across / width, up / height))

    strip = place(left, bottom + heat[1] + STRIP_GAP, heat[0], STRIP)
    axes = place(left, bottom, *heat)
    text = np.vectorize(lambda value: "" if np.isnan(value) else f"{value:.0f}")(values)
    sns.heatmap(
        np.where(np.isnan(values), 0, values),
        mask=np.isnan(values),
        annot=text,
        fmt="",
        annot_kws={"size": 5, "rotation": 90} if narrow else {"size": 6},
        vmin=50,
        vmax=100,
        cmap="viridis",
        linewidths=0.4,
        linecolor="white",
        cbar=False,
        ax=axes,
    )
    axes.set_facecolor("#E4E4E4")
    _cross_out_excluded(axes, table)
    _label_axes(axes, table.tasks, names, label_size, upright=narrow)
    _draw_domains(strip, table.tasks, cell)
    bar_axes = place(left + heat[0] + BAR_GAP, bottom + heat[1] - bar_length, BAR_WIDTH, bar_length)
    below = bool((values < 50).any())
    bar = figure.colorbar(axes.collections[0], cax=bar_axes, extend="min" if below else "neither")
    bar.set_label("both-correct accuracy (%)", fontsize=7)
    bar.ax.tick_params(labelsize=6)
    bar.outline.set_visible(False)
    if not all(cell.included for cell in table.cells.values()):
        figure.text(0, 0, "crossed out: not included", fontsize=6, ha="left", va="bottom")
    return figure


def _percent(share: float | None) -> float:
    return np.nan if share is None else 100 * share


def _cross_out_excluded(axes: Axes, table: AccuracyTable) -> None:
    """A diagonal through each cell whose task is not included for that model."""
    for row, model in enumerate(table.models):
        for column, task in enumerate(table.tasks):
            if not table.cells[model, task].included:
                axes.plot(
                    [column + 0.08, column + 0.92],
                    [row + 0.92, row + 0.08],
                    color="white",
                    linewidth=0.6,
                    alpha=0.55,
                    zorder=1.5,  # below the numbers
                )


def _label_axes(
    axes: Axes, tasks: Sequence[str], names: Sequence[str], size: float, *, upright: bool
) -> None:
    axes.set_xticks(np.arange(len(tasks)) + 0.5)
    turn = (
        {"rotation": 90} if upright else {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    )
    axes.set_xticklabels([style.task_label(task) for task in tasks], fontsize=size, **turn)
    axes.set_yticks(np.arange(len(names)) + 0.5)
    axes.set_yticklabels(names, rotation=0)
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
        fits = style.text_width(domain, 7) * 1.2 < (stop - start) * cell or (
            start == 0 and stop == len(tasks)
        )
        strip.annotate(
            domain,
            ((start + stop) / 2, 1),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center" if fits else "left",
            va="bottom",
            rotation=0 if fits else 35,
            rotation_mode="anchor",
            color=style.readable(colour),
            fontweight="bold",
            fontsize=7,
        )
        start = stop
