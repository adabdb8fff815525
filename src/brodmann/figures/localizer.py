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
PANELS_PER_ROW, DOSES_PER_ROW = 2, 3
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
    shape = {"per_row": PANELS_PER_ROW, "height": 1.6, "sharex": True, "sharey": True}
    figure, panels = grid(len(values), **shape)
    every = np.concatenate([np.ravel(t) for _, t, _ in values.values()]).astype(float)
    # Of all panels: heights are compared.
    bins = np.histogram_bin_edges(every[np.isfinite(every)], bins=60)
    for axes, (name, (network, t, threshold)) in zip(panels, values.items(), strict=True):
        finite = np.asarray(t, dtype=float).reshape(-1)
        finite = finite[np.isfinite(finite)]
        head(axes, name.replace(": ", ":\n"))
        if not len(finite):
            style.state_empty(axes)
            continue
        look = {"color": NETWORK_COLOURS.get(network, RANDOM), "log": True}
        counts, edges, bars = axes.hist(finite, bins=bins, **look)
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

    Every model's network begins a row, in which each measure has a column: what stands below each other has
    one axis. Columns: label (of the model), network, what (is measured: perplexity, or of which tasks),
    measure (perplexity | accuracy), condition (intact | lesion | random), percentage (NaN for intact), value,
    low, high. Random lesions of several seeds are drawn as points and their mean as a line; a band is the
    95 % interval.
    """
    if table.empty:
        return style.empty_figure(title, "no lesion was measured")
    localized = distinct(zip(table["label"], table["network"], strict=True))
    measures = table.sort_values("measure", kind="stable", ascending=False)
    measures = measures.drop_duplicates("what").set_index("what")["measure"]
    columns = min(DOSES_PER_ROW, len(measures))
    lines = -(-len(measures) // columns)  # of each network
    shape = lines * len(localized), columns
    size = style.SINGLE, 0.8 + 1.3 * shape[0]
    figure, places = plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False)
    perplexities = table.loc[table["measure"] == "perplexity", ["value", "low", "high"]]
    legend = {}
    for first, (label, network) in enumerate(localized):
        own = table[(table["label"] == label) & (table["network"] == network)]
        panels = list(places[lines * first : lines * (first + 1)].flat)
        _head_row(panels[0], f"{label}: {localizer_name(network)} localizer", measures.index[0])
        for axes, what in zip(panels[1:], measures.index[1:], strict=False):
            head(axes, what)
        for axes in panels[len(measures) :]:
            axes.set_visible(False)
        for number, (axes, what) in enumerate(zip(panels, measures.index, strict=False)):
            rows = own[own["what"] == what]
            if rows.empty:
                style.state_empty(axes)
                continue
            _dose_panel(axes, rows, perplexities)
            legend |= {one.get_label(): one for one in axes.get_legend_handles_labels()[0]}
            # Beside an axis of the same quantity it is not said again.
            if number % columns and measures.iloc[number] == measures.iloc[number - 1]:
                axes.set_ylabel("")
    for axes in panels[columns * (lines - 1) : len(measures)]:
        axes.set_xlabel("silenced units (%)")
    legend_below(figure, list(legend.values()), 2)
    style.add_title(figure, title)
    return figure


def _head_row(axes: Axes, row: str, text: str) -> None:
    """The panel's heading, and above it its row's, which may reach over the next panels: it takes no room
    from them."""
    head(axes, f" \n{text}")
    place = {"xycoords": "axes fraction", "textcoords": "offset points"}
    place["xytext"] = (0, plt.rcParams["axes.titlepad"])
    axes.annotate(f"{row}\n ", (0, 1), **place).set_in_layout(False)


def _dose_panel(axes: Axes, table: pd.DataFrame, perplexities: pd.DataFrame) -> None:
    """``perplexities``: values with their intervals of all panels, which have one scale."""
    intact = table.loc[table["condition"] == "intact", "value"]
    if len(intact):
        axes.axhline(intact.iloc[0], color="black", linewidth=0.8, linestyle=":", label="intact")
    network = str(table["network"].iloc[0])
    colour = NETWORK_COLOURS.get(network, "#8E44AD")
    lesion = table[table["condition"] == "lesion"].sort_values("percentage")
    x = lesion["percentage"].to_numpy(dtype=float)
    look = {"color": colour, "marker": NETWORK_MARKERS.get(network, "o"), "ms": 4, "lw": 1.2}
    axes.plot(x, lesion["value"], label="localized units silenced", **look)
    low, high = lesion["low"].to_numpy(dtype=float), lesion["high"].to_numpy(dtype=float)
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    random = table[table["condition"] == "random"]
    look = {"ls": "", "marker": "o", "ms": 3.5, "mfc": "white", "mec": RANDOM, "mew": 0.8}
    axes.plot(random["percentage"], random["value"], zorder=3, label="a random draw", **look)
    means = random.groupby("percentage")["value"].mean()
    look = {"color": RANDOM, "lw": 1, "ls": "--"}
    axes.plot(means.index, means.values, label="random units, mean", **look)
    size_axis(axes, sorted(set(table["percentage"].dropna())))
    axes.margins(x=0.12)
    for own, what in ((lesion, "localized units silenced"), (random, "random units silenced")):
        rows = own[["percentage", "value"]].dropna().itertuples(index=False)
        texts = [f"{what}, {percent:g} %: {value:.3g}" for percent, value in rows]
        shown = own.dropna(subset=["percentage", "value"])
        hover.points(axes, shown["percentage"], shown["value"], texts)
    if table["measure"].iloc[0] == "perplexity":
        _perplexity_axis(axes, perplexities)
        return
    axes.set(ylim=(-0.05, 1.05), yticks=[0, 0.5, 1], ylabel="accuracy")
    look = {"color": "#BBBBBB", "linewidth": 0.8, "zorder": 0}
    axes.axhline(0.5, label="guessing (accuracy 0.5)", **look)


def _perplexity_axis(axes: Axes, perplexities: pd.DataFrame) -> None:
    every = perplexities.to_numpy(dtype=float).ravel()
    every = every[np.isfinite(every)]
    if not len(every):
        return
    wide_scale(axes.yaxis, every)
    bottom, top = every.min(), every.max()
    logarithmic = axes.get_yscale() == "log"
    margin = (top / bottom) ** 0.05 if logarithmic else 0.05 * (top - bottom) or 0.05 * abs(top)
    axes.set_ylim(
        (bottom / margin, top * margin) if logarithmic else (bottom - margin, top + margin)
    )
    axes.set_ylabel("perplexity (log scale)" if logarithmic else "perplexity")


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
        axes.set_ylabel("written share / chance")
    style.add_title(figure, title)
    return figure
