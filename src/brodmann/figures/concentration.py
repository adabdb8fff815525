"""How few units carry a task: the share of all attribution that the strongest units hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from brodmann.figures import hover, style
from brodmann.figures.panels import single
from brodmann.figures.registry import Asked, Files
from brodmann.store.tensors import read_tensor
from brodmann.tasks.catalogue import domain_of

# The second cue beside the colour.
DASHES = {"language": "-", "formal": "--", "physical": "-.", "social": ":"}
OTHER_DASHES = (0, (3, 1, 1, 1, 1, 1))
POINTS = 120  # of a curve, spaced evenly on the logarithmic axis


def of_attributions(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model's tasks."""
    paths = zip(asked["tasks"], files["attributions"], strict=True)
    curves = [curve(read_tensor(path, "attribution")).assign(task=task) for task, path in paths]
    columns = ["task", "domain", "rank", "percent", "share"]
    table = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)
    table["domain"] = [domain_of(task) for task in table["task"]]
    table = table[columns]
    return draw_concentration(table, asked["percent"], title=asked["title"]), table


def curve(attribution: np.ndarray) -> pd.DataFrame:
    """Columns rank, percent (of all units) and share (of the sum of absolute attributions, held by so many).

    ``attribution``: [layers, units]. No row for an excluded task (no units), or where all is zero.
    """
    sizes = np.sort(np.abs(attribution).ravel().astype(np.float64))[::-1]
    held = np.cumsum(sizes)
    if not len(held) or not held[-1] > 0:
        return pd.DataFrame(columns=["rank", "percent", "share"])
    ranks = np.unique(np.geomspace(1, len(held), POINTS).round().astype(int))
    share = held[ranks - 1] / held[-1]
    return pd.DataFrame({"rank": ranks, "percent": 100 * ranks / len(held), "share": share})


def draw_concentration(table: pd.DataFrame, percent: float, *, title: str) -> Figure:
    """A pale line per task, and each domain's mean; ``percent``: the size of circuits, marked.

    Columns: task, domain, percent, share.
    """
    if table.empty:
        return style.empty_figure(title)
    figure, axes = single(3.2)
    for task, own in table.groupby("task", sort=False):
        colour = style.domain_colour(own["domain"].iloc[0])
        axes.plot(own["percent"], own["share"], color=colour, linewidth=0.5, alpha=0.35)
        for x, y in own[["percent", "share"]].iloc[:: POINTS // 20].itertuples(index=False):
            text = f"{style.task_label(task)}: the strongest {x:.2g} % hold {100 * y:.0f} %"
            hover.point(axes, x, y, text)
    for domain in style.ordered_domains(table["domain"]):
        own = table[table["domain"] == domain]
        tasks = own["task"].nunique()
        mean = own.groupby("percent")["share"].mean()
        look = {"color": style.domain_colour(domain), "linestyle": DASHES.get(domain, OTHER_DASHES)}
        axes.plot(
            mean.index, mean, linewidth=1.8, label=f"{style.domain_label(domain)} ({tasks})", **look
        )
    grid = np.geomspace(table["percent"].min(), 100, POINTS)
    even = {"color": style.NEUTRAL, "linewidth": 0.8, "linestyle": (0, (1, 3))}
    axes.plot(grid, grid / 100, label="all units alike", **even)
    axes.axvline(percent, color="black", linewidth=0.8)
    aside = {"xytext": (2, 2), "textcoords": "offset points"}
    axes.annotate(f"circuits: {percent:g} %", (percent, 1.0), **aside)
    axes.set(xscale="log", xlim=(min(percent, table["percent"].min()), 100), ylim=(0, 1.06))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set(xlabel="strongest units (% of all units)", ylabel="share of absolute attribution")
    figure.legend(loc="outside lower center", ncols=2, handlelength=3.2)
    style.add_title(figure, title)
    return figure
