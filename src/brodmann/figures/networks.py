"""Functional networks: how consistent templates are, how large, in which layers, and how far they overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.figures import hover
from brodmann.figures.panels import (
    bare,
    colour_bar,
    distinct,
    grid,
    head,
    legend_below,
    number_cells,
    single,
    whole_numbers,
)
from brodmann.figures.style import DOUBLE, SINGLE, add_title, empty_figure, state_empty
from brodmann.figures.tables import of_table
from brodmann.networks.consistency import CONSISTENCY, LAYERS, SIZES, TEMPLATE_IOU

_NOTHING = "no networks were found"
_GROUP, _SINGLE = "#C0392B", "#7F8C8D"
# So many networks' values are printed in their cells, and their numbers on the axis.
_PRINTED, _LABELLED = 14, 24
_PANELS = 1


def draw_consistency(table: pd.DataFrame, *, title: str) -> Figure:
    """Templates x datasets: in how many networks of single texts a template is found.

    Columns: dataset, template, count, denominator. The number is the count, the colour its share of the
    dataset's networks, from none to all: a template that hardly comes back is pale.
    """
    if table.empty:
        return empty_figure(title, _NOTHING)
    counts = _square(table, "count")
    totals = table.groupby("dataset", sort=False)["denominator"].first()
    shares = 100 * counts / totals.reindex(counts.columns).where(lambda n: n > 0)
    rows, columns = counts.shape
    width = min(max(SINGLE, 0.8 + 0.55 * columns), DOUBLE)
    figure, axes = single(1.3 + 0.16 * min(rows, 40), width)
    values = shares.to_numpy(dtype=float)
    image = axes.imshow(values, cmap="magma_r", vmin=0, vmax=100, aspect="auto")
    if rows <= 2 * _PRINTED:
        faces = np.nan_to_num(values)
        number_cells(axes, image, counts.to_numpy(dtype=float), "{:.0f}".format, faces)
    told = [f"of {name}, template" for name in counts.columns]
    hover.cells(axes, values, lambda a, b: f"{told[b]} {a}: in {values[a, b]:.1f} % of networks")
    names = [f"{name}\n(of {totals[name]:.0f})" for name in counts.columns]
    axes.set_xticks(range(columns), names)
    _number(axes, rows, "y")
    axes.set_ylabel("template")
    bare(axes)
    colour_bar(image, axes, "share of networks (%)")
    add_title(figure, title)
    return figure


def draw_layers(table: pd.DataFrame, *, title: str) -> Figure:
    """Where networks lie, a panel per dataset: rows templates and all single texts' networks, columns layers.

    Columns: dataset, level, template, layer, n_units, percent (of the network's units).
    """
    names = distinct(table["dataset"])
    if not names:
        return empty_figure(title, _NOTHING)
    rows = table.groupby("dataset")["template"].nunique().max() + 1
    figure, panels = _panels(len(names), 0.65 + 0.13 * min(rows, 30))
    squares = {name: _layer_square(table[table["dataset"] == name]) for name in names}
    finite = [np.nanmax(s.to_numpy()) for s in squares.values() if s.notna().any(axis=None)]
    image = None
    for axes, (name, square) in zip(panels, squares.items(), strict=True):
        head(axes, name)
        look = {"cmap": "magma_r", "vmin": 0, "vmax": max([*finite, 1e-9]), "aspect": "auto"}
        image = axes.imshow(square.to_numpy(dtype=float), interpolation="nearest", **look)
        _tell_layers(axes, name, square)
        templates = len(square) - 1
        axes.axhline(templates - 0.5, color="black", linewidth=0.6)
        _number(axes, templates, "y", more="single texts")
        axes.set_xlabel("layer")
        whole_numbers(axes.xaxis)
        bare(axes)
    for axes in panels[::_PANELS]:
        axes.set_ylabel("template")
    colour_bar(image, panels, "units of the network (%)")
    add_title(figure, title)
    return figure


def _tell_layers(axes: Axes, dataset: str, square: pd.DataFrame) -> None:
    values, templates = square.to_numpy(dtype=float), list(square.index)

    def text(row: int, layer: int) -> str:
        kind = "template " if row < len(templates) - 1 else ""
        return f"{dataset}, {kind}{templates[row]}, layer {layer}: {values[row, layer]:.1f} %"

    hover.cells(axes, values, text)


def draw_sizes(table: pd.DataFrame, *, title: str) -> Figure:
    """How large networks are, a panel per dataset: single texts' as a histogram, templates as marks above it.

    Columns: dataset, level, n_units.
    """
    names = distinct(table["dataset"])
    if not names:
        return empty_figure(title, _NOTHING)
    figure, panels = _panels(len(names), 1.3)
    largest = max(1, int(table["n_units"].max()))
    edges = np.linspace(0, largest, 41)
    for axes, name in zip(panels, names, strict=True):
        own = table[table["dataset"] == name]
        single, group = (
            own.loc[own["level"] == level, "n_units"].to_numpy(dtype=float)
            for level in ("individual", "group")
        )
        head(axes, name)
        if len(single):
            look = {"color": _SINGLE, "label": "networks of single texts"}
            counts, _, bars = axes.hist(single, bins=edges, **look)
            for number, bar in zip(counts, bars, strict=True):
                if number:
                    low, high = bar.get_x(), bar.get_x() + bar.get_width()
                    hover.shape(bar, f"{low:.0f} to {high:.0f} units, networks: {number:.0f}")
        elif not len(group):
            state_empty(axes)
            continue
        # Marks on the panel's upper edge: the heights of the histogram say nothing about templates.
        look = {"ls": "", "marker": "v", "ms": 4, "color": _GROUP, "alpha": 0.8}
        look |= {"transform": axes.get_xaxis_transform(), "label": "templates"}
        axes.plot(group, np.full(len(group), 0.95), **look)
        axes.set_xlim(0, 1.02 * largest)
        axes.set_ylim(0, 1.12 * max(1, axes.get_ylim()[1]))
        axes.set_xlabel("units in a network")
    for axes in panels[::_PANELS]:
        axes.set_ylabel("networks")
    if handles := panels[0].get_legend_handles_labels()[0]:
        legend_below(figure, handles, 2)
    add_title(figure, title)
    return figure


def draw_template_iou(table: pd.DataFrame, *, title: str) -> Figure:
    """IoU of all templates with all, datasets side by side, their own with themselves on the diagonal blocks.

    Columns: dataset_a, template_a, dataset_b, template_b, iou.
    """
    if table.empty:
        return empty_figure(title, "fewer than two templates")
    square = iou_square(table)
    size = len(square)
    figure, axes = single(1.1 * SINGLE)
    values = square.to_numpy(dtype=float, copy=True)
    np.fill_diagonal(values, np.nan)
    top = np.nanmax(values) if size > 1 else 1.0
    image = axes.imshow(values, cmap="magma_r", vmin=0, vmax=max(top, 1e-9))
    axes.set_facecolor("#E5E5E5")
    names = [name for name, _ in square.index]
    starts = [0, *[n for n in range(1, size) if names[n] != names[n - 1]]]
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=1)
        axes.axvline(start - 0.5, color="white", linewidth=1)
    middles = [(a + b - 1) / 2 for a, b in zip(starts, [*starts[1:], size], strict=True)]
    labels = [names[start] for start in starts]
    axes.set_xticks(middles, labels, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(middles, labels)
    bare(axes)
    shown = [f"{name} {template}" for name, template in square.index]
    hover.cells(axes, values, lambda a, b: f"{shown[a]}, {shown[b]}: {values[a, b]:.2f}")
    colour_bar(image, axes, "shared units of two templates (IoU)")
    add_title(figure, title)
    return figure


def iou_square(table: pd.DataFrame) -> pd.DataFrame:
    """The pairs as a symmetric matrix, labels (dataset, template), diagonal 1."""
    first = list(zip(table["dataset_a"], table["template_a"], strict=True))
    second = list(zip(table["dataset_b"], table["template_b"], strict=True))
    names = list(dict.fromkeys([first[0], *second]))
    place = {name: n for n, name in enumerate(names)}
    values = np.eye(len(names))
    for a, b, value in zip(first, second, table["iou"], strict=True):
        values[place[a], place[b]] = values[place[b], place[a]] = value
    index = pd.MultiIndex.from_tuples(names, names=["dataset", "template"])
    return pd.DataFrame(values, index=index, columns=index)


def _square(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Templates x datasets, datasets in their order."""
    wide = table.pivot(index="template", columns="dataset", values=value)
    return wide[distinct(table["dataset"])]


def _layer_square(own: pd.DataFrame) -> pd.DataFrame:
    """Templates x layers, and last the single texts' networks."""
    group = own[own["level"] == "group"]
    wide = group.pivot(index="template", columns="layer", values="percent").sort_index()
    single = own[own["level"] == "individual"].set_index("layer")["percent"]
    wide.loc["single texts"] = single.reindex(wide.columns)
    return wide.astype(float)


def _panels(number: int, height: float) -> tuple[Figure, list[Axes]]:
    return grid(number, per_row=_PANELS, height=height, around=0.6)


def _number(axes: Axes, count: int, axis: str, more: str = "") -> None:
    """Numbers of templates, thinned where they are many, and one label more."""
    step = max(1, -(-count // _LABELLED))
    places, labels = list(range(0, count, step)), [str(n) for n in range(0, count, step)]
    if more:
        places, labels = [*places, count], [*labels, more]
    getattr(axes, f"set_{axis}ticks")(places, labels)


of_consistency = of_table(
    *("consistency", CONSISTENCY, draw_consistency),
    "{label}: networks of single texts that are like each template",
)
of_layers = of_table("layers", LAYERS, draw_layers, "{label}: where its networks lie")
of_sizes = of_table("sizes", SIZES, draw_sizes, "{label}: how large its networks are")
of_template_iou = of_table(
    "template_iou", TEMPLATE_IOU, draw_template_iou, "{label}: templates that share units"
)
