"""Ablation heatmap, and forecast against measured effects."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from brodmann.figures.overlap import CELL, MIN_SIDE, empty_figure, label_tasks, separate_domains
from brodmann.figures.style import DOMAIN_COLOURS, OTHER_COLOUR
from brodmann.tasks.catalogue import domain_of


def draw_ablation(drops: pd.DataFrame, *, title: str) -> Figure:
    """Accuracy lost: rows the silenced circuit, columns the task it is tested on."""
    tasks = list(drops.index)
    if not tasks:
        return empty_figure(title)
    side = max(MIN_SIDE, CELL * len(tasks))
    figure, axes = plt.subplots(figsize=(side, side))
    image = axes.imshow(drops.to_numpy(dtype=float), cmap="magma_r", vmin=0, vmax=1)
    axes.set_facecolor("#EEEEEE")
    label_tasks(axes, tasks)
    separate_domains(axes, tasks)
    axes.set_title(title, loc="left", pad=10)
    axes.set_ylabel("silenced circuit")
    axes.set_xlabel("task")
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.03)
    bar.set_label("accuracy lost")
    bar.outline.set_visible(False)
    return figure


def pairs(forecast: pd.DataFrame, scores: pd.DataFrame, drops: pd.DataFrame) -> pd.DataFrame:
    """source, target, forecast, measured (drop of the score), accuracy_drop: one row per cell."""
    return pd.DataFrame(
        [
            {
                "source": source,
                "target": target,
                "forecast": forecast.loc[source, target],
                "measured": 1 - scores.loc[source, target],
                "accuracy_drop": drops.loc[source, target],
            }
            for source in scores.index
            for target in scores.columns
        ],
        columns=["source", "target", "forecast", "measured", "accuracy_drop"],
    )


def draw_forecast(table: pd.DataFrame, *, title: str) -> Figure:
    """A dot per source and target, in the target's domain colour; filled on a circuit's own task."""
    if table.empty:
        return empty_figure(title)
    figure, axes = plt.subplots(figsize=(3.3, 3.0))
    own = table["source"] == table["target"]
    colours = [DOMAIN_COLOURS.get(domain_of(task), OTHER_COLOUR) for task in table["target"]]
    colours = np.array(colours, dtype=object)
    for chosen, marker in ((~own, {"facecolors": "none"}), (own, {})):
        fill = marker or {"facecolors": list(colours[chosen])}
        axes.scatter(
            table.loc[chosen, "forecast"],
            table.loc[chosen, "measured"],
            s=10,
            linewidths=0.6,
            edgecolors=list(colours[chosen]),
            **fill,
        )
    finite = table[["forecast", "measured"]].dropna()
    if len(finite) > 2:
        across = table[~own].dropna()
        text = f"rank correlation {spearmanr(finite['forecast'], finite['measured'])[0]:.2f}"
        if len(across) > 2:
            text += f"\nother tasks only {spearmanr(across['forecast'], across['measured'])[0]:.2f}"
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=7)
    axes.axhline(0, color="#BBBBBB", linewidth=0.6, zorder=0)
    axes.axvline(0, color="#BBBBBB", linewidth=0.6, zorder=0)
    axes.set_xlabel("forecast (sum of attributions)")
    axes.set_ylabel("measured drop of the metric")
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
