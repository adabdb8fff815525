"""Accuracy heatmap: models x tasks, with a strip that shows the domains."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from brodmann.analysis.accuracy import AccuracyTable
from brodmann.figures.style import DOMAIN_COLOURS, OTHER_COLOUR, task_label
from brodmann.tasks.catalogue import domain_of

CELL_WIDTH, CELL_HEIGHT = 0.30, 0.24  # inches
# Below these the labels and the colour bar have no room.
MIN_WIDTH, MIN_HEIGHT = 3.2, 0.9


def draw_accuracy(table: AccuracyTable, *, controls: Sequence[str] = ()) -> Figure:
    """Both-correct accuracy in per cent (colours from 50 to 100); excluded tasks are crossed out."""
    values = np.array(
        [
            [_percent(table.cells[model, task].both_correct_accuracy) for task in table.tasks]
            for model in table.models
        ]
    )
    width = max(MIN_WIDTH, CELL_WIDTH * len(table.tasks))
    height = max(MIN_HEIGHT, CELL_HEIGHT * len(table.models))
    strip_height = 0.10
    figure, (strip, axes) = plt.subplots(
        2,
        1,
        figsize=(width, height + strip_height),
        height_ratios=[strip_height, height],
        gridspec_kw={"hspace": 0.04},
        sharex=True,
    )
    text = np.vectorize(lambda value: "–" if np.isnan(value) else f"{value:.0f}")(values)
    sns.heatmap(
        np.where(np.isnan(values), 0, values),
        mask=np.isnan(values),
        annot=text,
        fmt="",
        annot_kws={"size": 6},
        vmin=50,
        vmax=100,
        cmap="viridis",
        linewidths=0.4,
        linecolor="white",
        cbar=False,
        ax=axes,
    )
    axes.set_facecolor("#EEEEEE")
    _cross_out_excluded(axes, table)
    _label_axes(axes, table, controls)
    _draw_domains(strip, table.tasks)
    bar = figure.colorbar(
        axes.collections[0], ax=[strip, axes], fraction=0.25 / width, pad=0.12 / width, aspect=12
    )
    bar.set_label("both-correct accuracy (%)")
    bar.outline.set_visible(False)
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


def _label_axes(axes: Axes, table: AccuracyTable, controls: Sequence[str]) -> None:
    axes.set_xticks(np.arange(len(table.tasks)) + 0.5)
    axes.set_xticklabels([task_label(task) for task in table.tasks], rotation=60, ha="right")
    axes.set_yticks(np.arange(len(table.models)) + 0.5)
    names = [f"{model} (control)" if model in controls else model for model in table.models]
    axes.set_yticklabels(names, rotation=0)
    axes.tick_params(length=0, pad=2)
    axes.set_xlabel("")
    axes.set_ylabel("")


def _draw_domains(strip: Axes, tasks: Sequence[str]) -> None:
    """A coloured bar over the tasks of each domain, named above."""
    strip.set_ylim(0, 1)
    strip.axis("off")
    domains = [domain_of(task) for task in tasks]
    for domain in dict.fromkeys(domains):
        columns = [number for number, found in enumerate(domains) if found == domain]
        start, stop = columns[0], columns[-1] + 1
        colour = DOMAIN_COLOURS.get(domain, OTHER_COLOUR)
        strip.add_patch(
            Rectangle((start + 0.03, 0), stop - start - 0.06, 1, color=colour, linewidth=0)
        )
        strip.text(
            (start + stop) / 2,
            1.4,
            domain,
            ha="center",
            va="bottom",
            color=colour,
            fontweight="bold",
        )
