"""Is a circuit enough: faithfulness against size, and the area under it for every order on every task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brodmann.circuits.enough import chosen
from brodmann.circuits.stages.faithfulness import AREAS, COLUMNS
from brodmann.figures import hover, style
from brodmann.figures.overlap import draw_square
from brodmann.figures.panels import distinct, grid, head, legend_below
from brodmann.figures.registry import Asked, Files
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of, sort_key

# Groups of orders, as the legend has them: words, colour, line.
LOOKS = {
    "own": ("the task's own order", "black", "-"),
    "same_domain": ("of other tasks of the domain", "#8E44AD", "--"),
    "other_domains": ("of tasks of other domains", "#16A085", "-."),
    "layer_matched": ("random, same layers", "#7F8C8D", ":"),
    "random": ("random", "#BDC3C7", (0, (1, 2))),
}
# What lies outside is beyond the axis: an order that hinders may go far.
LOWEST, HIGHEST = -0.5, 1.5
# So many sizes have room for their numbers side by side.
LEVEL = 6


def of_curves(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Curves of one model, of the first sign and kind."""
    areas = read_table(files["areas"], AREAS).dropna(subset=["cpr"])
    # Metrics of control models without a contrast are no shares.
    points = read_table(files["curves"], COLUMNS)
    points = points[points["task"].isin(areas["task"])]
    table = curves(points, asked["sign"], asked["kind"])
    return draw_curves(table, title=asked["title"]), table


def of_areas(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """CPR of every order that was tried on every task."""
    table = matrix(read_table(files["areas"], AREAS), asked["sign"], asked["kind"])
    return draw_areas(table, title=asked["title"]), table


def curves(table: pd.DataFrame, sign: str, kind: str) -> pd.DataFrame:
    """task, domain, group, percent, faithfulness: the mean over draws and over other tasks."""
    own = chosen(table, sign, kind)
    if own.empty:
        return pd.DataFrame(columns=["task", "domain", "group", "percent", "faithfulness"])
    means = own.groupby(["task", "group", "fraction"], sort=False)["faithfulness"].mean()
    found = means.reset_index().rename(columns={"fraction": "percent"})
    found.insert(1, "domain", [domain_of(task) for task in found["task"]])
    return found


def draw_curves(table: pd.DataFrame, *, title: str) -> Figure:
    """A panel per domain: the mean over its tasks of each kind of order, and a pale line for each task's own.

    Sizes stand side by side, evenly; means of own orders beyond the axis are printed. ``table``: ``curves``.
    """
    domains = style.ordered_domains(table["domain"])
    if not domains:
        return style.empty_figure(title, "no task has a circuit")
    percents = sorted(set(table["percent"]))
    figure, panels = grid(len(domains), per_row=2, height=1.9, around=0.9, sharex=True, sharey=True)
    for axes, domain in zip(panels, domains, strict=True):
        own = table[table["domain"] == domain]
        _draw_domain(axes, own, percents)
        head(axes, f"{style.domain_label(domain)} ({own['task'].nunique()})")
    values = table["faithfulness"]
    low, high = max(LOWEST, min(-0.05, values.min())), min(HIGHEST, max(1.1, values.max()))
    panels[0].set_ylim(low, high)  # of all panels
    for number, axes in enumerate(panels):
        axes.set_ylabel("" if number % 2 else "faithfulness")
        axes.set_xlabel("" if number < len(panels) - 2 else "units that are kept (%)")
    names = [name for name in LOOKS if name in set(table["group"])]
    handles = [_line(*LOOKS[name]) for name in names]
    style.add_title(figure, title)
    legend_below(figure, handles, 2, handlelength=3)
    return figure


def _line(label: str, colour: str, dashes: object) -> Line2D:
    return Line2D([], [], color=colour, linestyle=dashes, linewidth=1.3, label=label)  # type: ignore[arg-type]


def _draw_domain(axes: Axes, table: pd.DataFrame, percents: Sequence[float]) -> None:
    places = range(len(percents))
    for level in (0, 1):
        axes.axhline(level, color="#BBBBBB", linewidth=0.6, zorder=0)
    for task, own in table[table["group"] == "own"].groupby("task", sort=False):
        values = own.set_index("percent")["faithfulness"].reindex(percents)
        axes.plot(places, values, color=style.NEUTRAL, linewidth=0.5, alpha=0.5)
        label = style.task_label(str(task))
        texts = [f"{label}: {v:.2f} with {p:g} %" for p, v in zip(percents, values, strict=True)]
        hover.points(axes, np.array(places), values.to_numpy(), texts)
    for name, (words, colour, dashes) in LOOKS.items():
        rows = table[table["group"] == name]
        if rows.empty:
            continue
        mean = rows.groupby("percent")["faithfulness"].mean().reindex(percents)
        axes.plot(places, mean, color=colour, linestyle=dashes, linewidth=1.3)
        if name == "own":
            _say_beyond(axes, mean)
        texts = [f"{words}: {v:.2f} with {p:g} %" for p, v in zip(percents, mean, strict=True)]
        hover.points(axes, np.array(places), mean.to_numpy(), texts)
    turn = 0 if len(percents) <= LEVEL else 90
    axes.set_xticks(places, [f"{percent:g}" for percent in percents], rotation=turn)


def _say_beyond(axes: Axes, mean: pd.Series) -> None:
    """Values that the axis has no room for, in numbers at its upper end."""
    look = {"ha": "center", "va": "top", "clip_on": False, "zorder": 4}
    look |= {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6}}
    for place, value in enumerate(mean):
        if value > HIGHEST:
            axes.annotate(f"{value:.2f}", (place, HIGHEST), **look)


def matrix(table: pd.DataFrame, sign: str, kind: str) -> pd.DataFrame:
    """CPR: rows whose order, columns the task; NaN where an order was not tried."""
    own = chosen(table, sign, kind)
    own = own[~own["group"].isin(["random", "layer_matched"])]
    sources = own["order"].where(own["group"] != "own", own["task"])
    tasks = sorted(distinct([*own["task"], *sources]), key=sort_key)
    found = pd.DataFrame(np.nan, index=tasks, columns=tasks)
    for source, task, value in zip(sources, own["task"], own["cpr"], strict=True):
        found.loc[source, task] = value
    return found


def draw_areas(table: pd.DataFrame, *, title: str) -> Figure:
    """The matrix in colours; values beyond 0 and 1 have the last ones."""
    if len(table) < 2:
        return style.empty_figure(title, "fewer than two tasks are included")
    values = table.to_numpy(dtype=float)
    if not np.isfinite(values).any():
        return style.empty_figure(title, "no area is defined")
    below, above = np.nanmin(values) < 0, np.nanmax(values) > 1
    ends = {(True, True): "both", (True, False): "min", (False, True): "max"}
    return draw_square(
        values,
        list(table.index),
        limits=(0, 1),
        extend=ends.get((bool(below), bool(above)), "neither"),
        label="area under the curve of faithfulness (100 × CPR)",
        title=title,
        names=("whose order", "tested task"),
        missing="not tried",
    )
