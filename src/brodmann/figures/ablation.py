"""Ablation heatmap, and forecast against measured effects."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import spearmanr

from brodmann.figures import hover, style
from brodmann.figures.overlap import draw_square
from brodmann.figures.panels import domain_dot, dot, head, legend_below, single
from brodmann.figures.registry import Asked, Files
from brodmann.numerals import minus
from brodmann.store.tables import read_matrix
from brodmann.tasks.catalogue import domain_of


def of_matrix(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Accuracy lost, of one model or of the average."""
    table = read_matrix(files["drops"])
    return draw_ablation(table, title=asked["title"]), table


def of_forecast(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Forecast against measured effects of one model."""
    table = pairs(*[read_matrix(files[name]) for name in ("forecast", "scores", "drops")])
    return draw_forecast(table, title=asked["title"]), table


def draw_ablation(drops: pd.DataFrame, *, title: str) -> Figure:
    """Accuracy lost: rows the silenced circuit, columns the task it is tested on; gains look like 0."""
    tasks = list(drops.index)
    if len(tasks) < 2:
        return style.empty_figure(title, "fewer than two tasks are included")
    values = drops.to_numpy(dtype=float)
    if not np.isfinite(values).any():
        return style.empty_figure(title, "no lesion was measured")
    return draw_square(
        values,
        tasks,
        limits=(0, 1),
        extend="min" if np.nanmin(values) < 0 else "neither",
        label="accuracy lost (% of the items)",
        title=title,
        names=("silenced circuit", "tested task"),
    )


def pairs(forecast: pd.DataFrame, scores: pd.DataFrame, drops: pd.DataFrame) -> pd.DataFrame:
    """source, target, forecast, measured (drop of the score), accuracy_drop: one row per cell."""
    columns = ["source", "target", "forecast", "measured", "accuracy_drop"]
    matrices = (forecast, 1 - scores, drops)
    cells = product(scores.index, scores.columns)
    rows = [(*cell, *(matrix.loc[cell] for matrix in matrices)) for cell in cells]
    return pd.DataFrame(rows, columns=columns)


def draw_forecast(table: pd.DataFrame, *, title: str) -> Figure:
    """A dot per source and target, in the target's domain colour; filled on a circuit's own task.

    ``table``: the columns of ``pairs``.
    """
    finite = table[np.isfinite(table[["forecast", "measured"]].to_numpy(dtype=float)).all(axis=1)]
    if finite.empty:
        return style.empty_figure(title, "no lesion was measured")
    figure, axes = single(3.2)
    domains = finite["target"].map(domain_of)
    own = finite["source"] == finite["target"]
    for chosen, filled in ((~own, False), (own, True)):
        for domain in style.ordered_domains(domains[chosen]):
            dots = finite[chosen & (domains == domain)]
            colour = style.domain_colour(domain)
            look = {"s": 14, "edgecolors": "black", "facecolors": colour}
            look = look if filled else {"s": 10, "edgecolors": colour, "facecolors": "none"}
            look |= {"marker": style.domain_marker(domain), "linewidths": 0.5}
            axes.scatter(dots["forecast"], dots["measured"], **look)
            hover.points(axes, dots["forecast"], dots["measured"], _told(dots))
    axes.axhline(0, color="#BBBBBB", linewidth=0.6, zorder=0)
    axes.axvline(0, color="#BBBBBB", linewidth=0.6, zorder=0)
    axes.set(xlabel="forecast (sum of attributions)", ylabel="measured drop of the metric")
    head(axes, _correlations(finite, own))
    style.add_title(figure, title)
    handles = _handles(style.ordered_domains(domains), bool(own.any()))
    legend_below(figure, handles, 3, handletextpad=0.1)
    return figure


def _told(dots: pd.DataFrame) -> list[str]:
    rows = zip(*(dots[name] for name in ("source", "target", "forecast", "measured")), strict=True)
    return [
        f"circuit of {style.task_label(a)}, tested on {style.task_label(b)}: "
        f"forecast {forecast:.3g}, measured {measured:.3g}"
        for a, b, forecast, measured in rows
    ]


def _correlations(table: pd.DataFrame, own: pd.Series) -> str:
    """Of all lesions, and of those of other tasks' circuits; nothing for constants and few dots."""
    found = []
    for name, rows in (("rank correlation", table), ("of other tasks' circuits", table[~own])):
        x, y = rows["forecast"], rows["measured"]
        if len(rows) > 2 and x.nunique() > 1 and y.nunique() > 1:
            found.append(minus(f"{name} {spearmanr(x, y)[0]:.2f} ({len(rows)} lesions)"))
    return "\n".join(found)


def _handles(domains: list[str], own: bool) -> list[Line2D]:
    handles = [domain_dot(domain, mfc="none") for domain in domains]
    return handles + [dot("filled: own circuit", "black", mfc="#BBBBBB")] * own
