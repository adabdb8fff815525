"""Localized networks: where they are, how selective, how far they overlap, and what their lesions do."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.figures import hover, style
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
from brodmann.localizers import localizer_name

NETWORK_COLOURS = {
    "language": "#C0392B",
    "theory_of_mind": "#27AE60",
    "multiple_demand": "#2471A3",
}
NETWORK_MARKERS = {"language": "o", "theory_of_mind": "D", "multiple_demand": "s"}
RANDOM = "#7F7F7F"
PANELS_PER_ROW = 2
# So many columns have room for their labels side by side.
FEW = 3


def draw_depth(shares: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Where the selected units are: a column per entry (model and network), a row per layer.

    ``shares``: label -> selected units per layer in per cent of the layer's units [layers]; models of
    different depth are drawn on a common scale from first to last layer.
    """
    if not shares:
        return style.empty_figure(title, "no network is localized")
    # A picture of narrow columns is wider than a printed one.
    width = min(max(style.SINGLE, 0.8 + 0.2 * len(shares)), style.LARGEST)
    figure, panels = plt.subplots(
        1, len(shares), figsize=(width, 2.6), layout="constrained", sharey=True, squeeze=False
    )
    panels = list(panels[0])
    top = max((float(np.nanmax(values)) for values in shares.values() if len(values)), default=1)
    image = None
    for axes, (label, values) in zip(panels, shares.items(), strict=True):
        look = {"cmap": "magma_r", "vmin": 0, "vmax": max(top, 1e-9), "interpolation": "nearest"}
        column = np.asarray(values, dtype=float)[:, None]
        image = axes.imshow(column, aspect="auto", extent=(0, 1, 1, 0), **look)
        few = len(shares) <= FEW
        angle = {} if few else {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks([0.5], [label.replace(": ", ":\n") if few else label], **angle)
        bare(axes)
        for layer, value in enumerate(values):
            box = 0, layer / len(values), 1, (layer + 1) / len(values)
            hover.box(axes, box, f"{label}, layer {layer}: {value:.2f} %")
    panels[0].set_yticks([0, 0.5, 1], ["first", "", "last"])
    panels[0].set_ylabel("layer")
    colour_bar(image, panels, "selected units (% of the layer)")
    style.add_title(figure, title)
    return figure


def draw_selectivity(values: Mapping[str, tuple[str, np.ndarray, float]], *, title: str) -> Figure:
    """How selective units are: a histogram of t per entry.

    ``values``: heading -> (network, t of all units, t of the least selective unit that is selected; NaN for
    none).
    """
    if not values:
        return style.empty_figure(title, "no network is localized")
    figure, panels = grid(len(values), per_row=PANELS_PER_ROW, height=1.6, sharex=True)
    for axes, (name, (network, t, threshold)) in zip(panels, values.items(), strict=True):
        finite = np.asarray(t, dtype=float).reshape(-1)
        finite = finite[np.isfinite(finite)]
        head(axes, name.replace(": ", ":\n"))
        if not len(finite):
            style.state_empty(axes)
            continue
        look = {"color": NETWORK_COLOURS.get(network, RANDOM), "log": True}
        counts, edges, bars = axes.hist(finite, bins=40, **look)
        for number, low, high, bar in zip(counts, edges, edges[1:], bars, strict=False):
            if number:
                hover.shape(bar, f"t from {low:.1f} to {high:.1f}: {number:,.0f} units")
        if np.isfinite(threshold):
            axes.axvline(threshold, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("t")
        axes.yaxis.set_major_formatter("{x:,.0f}")
    for axes in panels[::PANELS_PER_ROW]:
        axes.set_ylabel("units")
    style.add_title(figure, title)
    return figure


def draw_network_overlap(tables: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """Shared units of the networks (Jaccard index), one square per model, values printed."""
    tables = {label: table for label, table in tables.items() if len(table) > 1}
    if not tables:
        return style.empty_figure(title, "fewer than two networks are localized")
    figure, panels = grid(len(tables), per_row=PANELS_PER_ROW, height=1.9, sharey=True)
    for axes, (label, table) in zip(panels, tables.items(), strict=True):
        values = table.to_numpy(dtype=float)
        image = axes.imshow(values, cmap="viridis", vmin=0, vmax=1)
        names = [localizer_name(name) for name in table.index]
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        bare(axes)
        head(axes, label)
        number_cells(axes, image, values)
        _tell_cells(axes, values, names)
    style.add_title(figure, title)
    return figure


def _tell_cells(axes: Axes, values: np.ndarray, names: list[str]) -> None:
    hover.cells(axes, values, lambda a, b: f"{names[a]}, {names[b]}: {values[a, b]:.3f}")


def draw_dose(table: pd.DataFrame, *, title: str) -> Figure:
    """Dose and response: perplexity and accuracy against how many units are silenced.

    Columns: panel (its heading: model, network and measure), measure (perplexity | accuracy), condition
    (intact | lesion | random), percentage (NaN for intact), network, value, low, high. Random lesions of
    several seeds are drawn as points and their mean as a line; a band is the 95 % interval.
    """
    if table.empty:
        return style.empty_figure(title, "no lesion was measured")
    names = distinct(table["panel"])
    figure, panels = grid(len(names), per_row=PANELS_PER_ROW, height=1.75)
    for axes, name in zip(panels, names, strict=True):
        own = table[table["panel"] == name]
        _dose_panel(axes, own)
        head(axes, name)
    legend_below(figure, panels[0].get_legend_handles_labels()[0], 2)
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
    for own, what in ((lesion, "network silenced"), (random, "random units silenced")):
        rows = own[["percentage", "value"]].dropna().itertuples(index=False)
        texts = [f"{what}, {percent:g} %: {value:.3g}" for percent, value in rows]
        shown = own.dropna(subset=["percentage", "value"])
        hover.points(axes, shown["percentage"], shown["value"], texts)
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
    figure, panels = grid(len(names), per_row=PANELS_PER_ROW, height=1.7, sharey=True)
    domains = style.ordered_domains(table["domain"])
    labels = list(map(style.domain_label, domains))
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
                named = some[chosen][["task", "ratio", "q"]].itertuples(index=False)
                texts = [
                    f"{style.task_label(t)}: {r:.2f} times chance, q = {q:.2g}" for t, r, q in named
                ]
                hover.points(axes, place + spread[chosen], ratios, texts)
        axes.axhline(1, color="#999999", linewidth=0.7, zorder=0)
        axes.set_xticks(range(len(domains)), labels, rotation=30, ha="right")
        axes.set_xlim(-0.6, len(domains) - 0.4)
        head(axes, name.replace(": ", ":\n"))
    for axes in panels[::PANELS_PER_ROW]:
        axes.set_ylabel("written on it / chance")
    style.add_title(figure, title)
    return figure
