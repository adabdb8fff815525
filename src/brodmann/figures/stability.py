"""How alike circuits of resampled items are, by the number of items."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from brodmann.circuits.stages.stability import CURVE
from brodmann.config.attribution import STABLE
from brodmann.figures import hover, style
from brodmann.figures.concentration import DASHES, OTHER_DASHES
from brodmann.figures.panels import domain_dot, legend_below, single
from brodmann.figures.registry import Asked, Files
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of


def of_curves(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Of one model's tasks."""
    table = read_table(files["table"], CURVE)
    table.insert(1, "domain", table["task"].map(domain_of))
    return draw_stability(table, title=asked["title"]), table


def draw_stability(table: pd.DataFrame, *, title: str) -> Figure:
    """Jaccard against the number of items: a pale line per task, the mean of each domain.

    ``table``: columns task, domain, n_units, jaccard. A domain's mean is over its tasks that have so many.
    """
    known = table.dropna(subset=["jaccard"])
    if known.empty:
        return style.empty_figure(title, "no task has as many items")
    figure, axes = single(3.0)
    axes.axhline(STABLE, color="#BBBBBB", linewidth=0.6, zorder=0)
    for task, own in known.groupby("task", sort=False):
        colour = style.domain_colour(domain_of(str(task)))
        axes.plot(own["n_units"], own["jaccard"], color=colour, linewidth=0.5, alpha=0.35)
    domains = style.ordered_domains(known["domain"])
    for domain in domains:
        mean = known[known["domain"] == domain].groupby("n_units")["jaccard"].mean()
        look = {"color": style.domain_colour(domain), "linewidth": 1.6, "marker": "o", "ms": 3}
        axes.plot(mean.index, mean, linestyle=DASHES.get(domain, OTHER_DASHES), **look)
        for x, y in mean.items():
            words = f"{style.domain_label(domain)}, {x} items: {y:.2f}"
            hover.point(axes, float(str(x)), float(y), words)
    counts = sorted(set(known["n_units"]))
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    axes.set(xlabel="independent items", ylabel="shared units (Jaccard)")
    style.add_title(figure, title)
    legend_below(figure, [domain_dot(domain) for domain in domains], 2, handletextpad=0.2)
    return figure
