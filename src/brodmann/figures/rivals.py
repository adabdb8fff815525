"""Rival circuits, round by round: what each keeps of the task, and what it shares with those before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brodmann.circuits.stages.rivals import COLUMNS
from brodmann.figures import hover, style
from brodmann.figures.faithfulness import HIGHEST, LOWEST
from brodmann.figures.panels import distinct, grid, legend_below
from brodmann.figures.registry import Asked, Files
from brodmann.significance.intervals import of_mean
from brodmann.store.tables import read_table

# Measures of each panel, as the legend has them: words, colour, marker, line.
KEPT = {
    "faithfulness": ("the circuit alone", "black", "o", "-"),
    "control": ("as many random units of its layers", "#7F8C8D", "s", ":"),
    "without": ("all units but the circuits so far", "#D55E00", "D", "--"),
}
SHARED = {
    "same_layers": ("in layers of the own circuit", "#0072B2", "^", "-"),
    "next_best": ("ranked right behind by the own order", "#009E73", "v", "--"),
}


def of_rivals(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model and kind of unit."""
    table = rounds(read_table(files["table"], COLUMNS))
    return draw_rivals(table, title=asked["title"]), table


def rounds(table: pd.DataFrame) -> pd.DataFrame:
    """round, measure, task, n, value, low, high: of each task (n items), then the mean over tasks (no task, n
    tasks, its interval over resampled tasks). ``table``: as the stage writes it."""
    rows: list[dict[str, Any]] = []
    for number, own in table.groupby("round"):
        for measure in (*KEPT, *SHARED):
            known = own.dropna(subset=[measure])
            line = {"round": number, "measure": measure}
            ends = {"faithfulness": ("low", "high"), "without": ("without_low", "without_high")}
            for row in known.to_dict("records"):
                low, high = (
                    (row[name] for name in ends[measure]) if measure in ends else (np.nan,) * 2
                )
                task = {"task": row["task"], "n": row["n"], "value": row[measure]}
                rows.append({**line, **task, "low": low, "high": high})
            if len(known):
                rows.append({**line, "task": "", **_mean(known[measure].to_numpy(dtype=float))})
    return pd.DataFrame(rows, columns=["round", "measure", "task", "n", "value", "low", "high"])


def _mean(values: np.ndarray) -> dict[str, float]:
    low, high = of_mean(values)
    return {"n": len(values), "value": float(values.mean()), "low": low, "high": high}


def draw_rivals(table: pd.DataFrame, *, title: str) -> Figure:
    """Above, what is kept of the task by each round; below, the share of its units that it has in common with
    what was there before. Means with intervals; pale lines: each task. ``table``: see ``rounds``."""
    if not table["measure"].isin(KEPT).any():
        return style.empty_figure(title, "no task has a circuit that could be tested")
    figure, panels = grid(2, per_row=1, height=1.6, around=1.1, sharex=True)
    numbers = sorted(set(table["round"]))
    for axes, measures in zip(panels, (KEPT, SHARED), strict=True):
        shown = table[table["measure"].isin(measures)]
        first = shown[(shown["measure"] == next(iter(measures))) & (shown["task"] != "")]
        for task, own in first.groupby("task", sort=False):
            axes.plot(own["round"], own["value"], color=style.NEUTRAL, linewidth=0.5, alpha=0.5)
            label = style.task_label(str(task))
            texts = [f"{label}: {value:.2f}" for value in own["value"]]
            hover.points(axes, own["round"].to_numpy(), own["value"].to_numpy(), texts)
        _means(axes, shown[shown["task"] == ""], measures)
        for level in (0, 1):
            axes.axhline(level, color="#BBBBBB", linewidth=0.6, zorder=0)
    above, below = panels
    values = table.loc[table["measure"].isin(KEPT), "value"]
    above.set_ylim(max(LOWEST, min(-0.05, values.min())), min(HIGHEST, max(1.1, values.max())))
    above.set_ylabel("faithfulness")
    below.set_ylim(-0.05, 1.05)
    below.set_ylabel("share of its units")
    below.set_xticks(
        numbers, [f"rival {number}" if number else "own circuit" for number in numbers]
    )
    below.set_xlim(min(numbers) - 0.4, max(numbers) + 0.4)
    style.add_title(figure, title)
    handles = [
        Line2D([], [], label=words, color=colour, marker=marker, ls=dashes, ms=4, lw=1)
        for words, colour, marker, dashes in (*KEPT.values(), *SHARED.values())
    ]
    legend_below(figure, handles, 1, handlelength=3)
    return figure


def _means(axes: Axes, means: pd.DataFrame, measures: Mapping[str, Sequence[Any]]) -> None:
    """Side by side, so that no interval hides another."""
    for place, measure in enumerate(distinct(measures)):
        words, colour, marker, dashes = measures[measure]
        own = means[means["measure"] == measure]
        x = own["round"].to_numpy(dtype=float) + (place - (len(measures) - 1) / 2) * 0.1
        y, ends = own["value"].to_numpy(), own[["low", "high"]].to_numpy(dtype=float)
        error = np.nan_to_num(np.abs(ends.T - y))
        look = {"color": colour, "marker": marker, "linestyle": dashes, "ms": 4, "lw": 1}
        axes.errorbar(x, y, error, elinewidth=0.8, capsize=1.5, **look)
        between = [f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else "" for low, high in ends]
        texts = [f"{words}: {value:.2f}{more}" for value, more in zip(y, between, strict=True)]
        hover.points(axes, x, y, texts)
