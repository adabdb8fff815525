"""Localized networks: where they are, how selective, how far they overlap, and what their lesions do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.figures import style
from brodmann.figures.panels import (
    bare,
    colour_bar,
    distinct,
    grid,
    head,
    legend_below,
    number_cells,
    size_axis,
    wide_scale,
)

NETWORK_NAMES = {
    "language": "language",
    "theory_of_mind": "theory of mind",
    "multiple_demand": "multiple demand",
}
NETWORK_COLOURS = {
    "language": "#C0392B",
    "theory_of_mind": "#27AE60",
    "multiple_demand": "#2471A3",
}
NETWORK_MARKERS = {"language": "o", "theory_of_mind": "D", "multiple_demand": "s"}
RANDOM = "#7F7F7F"
PANELS_PER_ROW = 3
# So many columns have room for their labels side by side.
FEW = 3


def draw_depth(shares: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Where the selected units are: a column per entry (model and network), a row per layer.

    ``shares``: label -> selected units per layer in per cent of the layer's units [layers]; models of
    different depth are drawn on a common scale from first to last layer.
    """
    if not shares:
        return style.empty_figure(title, "no network is localized")
    width = max(style.SINGLE, min(style.DOUBLE, 1.0 + 0.55 * len(shares)))
    shape = {"height": 3.0, "around": 0, "width": width, "sharey": True}
    figure, panels = grid(len(shares), per_row=len(shares), **shape)
    top = max((float(np.nanmax(values)) for values in shares.values() if len(values)), default=1)
    image = None
    for axes, (label, values) in zip(panels, shares.items(), strict=True):
        look = {"cmap": "magma_r", "vmin": 0, "vmax": max(top, 1e-9), "interpolation": "nearest"}
        column = np.asarray(values, dtype=float)[:, None]
        image = axes.imshow(column, aspect="auto", extent=(0, 1, 1, 0), **look)
        few = len(shares) <= FEW
        angle = {} if few else {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks([0.5], [label.replace(": ", ":\n") if few else label], fontsize=7, **angle)
        bare(axes)
    panels[0].set_yticks([0, 0.5, 1], ["first", "", "last"])
    panels[0].set_ylabel("layer")
    where = {"fraction": 0.06, "pad": 0.03}
    colour_bar(image, panels, "selected units (% of the layer)", **where)
    style.add_title(figure, title)
    return figure


def draw_selectivity(values: Mapping[str, tuple[str, np.ndarray, float]], *, title: str) -> Figure:
    """How selective units are: a histogram of t per entry.

    ``values``: heading -> (network, t of all units, t of the least selective unit that is selected; NaN for
    none).
    """
    if not values:
        return style.empty_figure(title, "no network is localized")
    figure, panels = grid(len(values), per_row=PANELS_PER_ROW, height=1.9)
    for axes, (name, (network, t, threshold)) in zip(panels, values.items(), strict=True):
        finite = np.asarray(t, dtype=float).reshape(-1)
        finite = finite[np.isfinite(finite)]
        head(axes, name, 7.5)
        if not len(finite):
            style.state_empty(axes)
            continue
        axes.hist(finite, bins=80, color=NETWORK_COLOURS.get(network, RANDOM), log=True)
        if np.isfinite(threshold):
            axes.axvline(threshold, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("t")
    panels[0].set_ylabel("units")
    style.add_title(figure, title)
    return figure


def draw_network_overlap(tables: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """Shared units of the networks (Jaccard index), one square per model, values printed."""
    tables = {label: table for label, table in tables.items() if len(table)}
    if not tables:
        return style.empty_figure(title, "no network is localized")
    figure, panels = grid(len(tables), per_row=PANELS_PER_ROW, height=2.1, sharey=True)
    for axes, (label, table) in zip(panels, tables.items(), strict=True):
        values = table.to_numpy(dtype=float)
        image = axes.imshow(values, cmap="viridis", vmin=0, vmax=1)
        names = [NETWORK_NAMES.get(name, name) for name in table.index]
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        bare(axes)
        head(axes, label)
        number_cells(axes, image, values, 7)
    style.add_title(figure, title)
    return figure


def draw_dose(table: pd.DataFrame, *, title: str) -> Figure:
    """Dose and response: perplexity and accuracy against how many units are silenced.

    Columns: panel (its heading: model, network and measure), measure (perplexity | accuracy), condition
    (intact | lesion | random), percentage (NaN for intact), network, value, low, high. Random lesions of
    several seeds are drawn as points and their mean as a line; a band is the 95 % interval.
    """
    if table.empty:
        return style.empty_figure(title, "no lesion was measured")
    names = distinct(table["panel"])
    figure, panels = grid(len(names), per_row=PANELS_PER_ROW, height=2.2)
    for axes, name in zip(panels, names, strict=True):
        own = table[table["panel"] == name]
        _dose_panel(axes, own)
        head(axes, name, 7.5)
    legend_below(figure, panels[0].get_legend_handles_labels()[0], 3)
    style.add_title(figure, title)
    return figure


def _dose_panel(axes: Axes, table: pd.DataFrame) -> None:
    measure = str(table["measure"].iloc[0])
    intact = table.loc[table["condition"] == "intact", "value"]
    if len(intact):
        axes.axhline(intact.iloc[0], color="black", linewidth=0.8, linestyle=":", label="intact")
    network = str(table["network"].iloc[0])
    colour = NETWORK_COLOURS.get(network, "#8E44AD")
    lesion = table[table["condition"] == "lesion"].sort_values("percentage")
    x = lesion["percentage"].to_numpy(dtype=float)
    look = {"color": colour, "marker": NETWORK_MARKERS.get(network, "o"), "ms": 4, "lw": 1.2}
    axes.plot(x, lesion["value"], label="network silenced", **look)
    low, high = lesion["low"].to_numpy(dtype=float), lesion["high"].to_numpy(dtype=float)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    random = table[table["condition"] == "random"]
    look = {"ls": "", "marker": "o", "ms": 3.5, "mfc": "white", "mec": RANDOM, "mew": 0.8}
    axes.plot(random["percentage"], random["value"], zorder=3, label="a random draw", **look)
    means = random.groupby("percentage")["value"].mean()
    look = {"color": RANDOM, "lw": 1, "ls": "--"}
    axes.plot(means.index, means.values, label="random units, mean", **look)
    axes.set(xlabel="silenced units (%)", ylabel=measure)
    size_axis(axes, sorted(set(table["percentage"].dropna())))
    if measure == "perplexity":
        wide_scale(axes.yaxis, table["value"].dropna())


def draw_written(table: pd.DataFrame, *, title: str) -> Figure:
    """How much of what circuits write lands on localized units, against chance.

    Columns: panel (its heading), task, domain, ratio (written share over that of random neurons of the same
    layers), q. A dot per task, by domain; filled where q < 0.05.
    """
    names = distinct(table["panel"])
    if not names or not np.isfinite(table["ratio"].to_numpy(dtype=float)).any():
        return style.empty_figure(title, "no circuit or no network to compare")
    figure, panels = grid(len(names), per_row=PANELS_PER_ROW, height=2.1, sharey=True)
    domains = style.ordered_domains(table["domain"])
    for axes, name in zip(panels, names, strict=True):
        own = table[table["panel"] == name]
        for place, domain in enumerate(domains):
            some = own[own["domain"] == domain].dropna(subset=["ratio"])
            spread = np.linspace(-0.25, 0.25, len(some)) if len(some) > 1 else np.zeros(len(some))
            colour = style.domain_colour(domain)
            sure = some["q"].to_numpy(dtype=float) < 0.05
            for chosen, face in ((sure, colour), (~sure, "none")):
                look = {"s": 16, "facecolors": face, "edgecolors": colour, "linewidths": 0.8}
                ratios = some["ratio"].to_numpy(dtype=float)[chosen]
                marker = style.domain_marker(domain)
                axes.scatter(place + spread[chosen], ratios, marker=marker, **look)
        axes.axhline(1, color="#999999", linewidth=0.7, zorder=0)
        axes.set_xticks(range(len(domains)), domains, rotation=30, ha="right")
        axes.set_xlim(-0.6, len(domains) - 0.4)
        head(axes, name, 7.5)
    panels[0].set_ylabel("written onto the network / chance")
    style.add_title(figure, title)
    return figure
