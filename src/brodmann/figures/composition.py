"""Layer-wise composition: whose units lie at which depth, as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from brodmann.config.statistics import COUNTS
from brodmann.figures import hover, style
from brodmann.figures.panels import domain_look, head
from brodmann.figures.registry import Asked, Files, called
from brodmann.statistics.composition import binned, composition
from brodmann.store.tensors import metadata_of, read_tensor

EMPTY_BIN = "#F0F0F0"
PANEL_HEIGHT = 1.5  # inches
# What is stacked: the column of the table, and what the axis says.
FORMS = {
    "counts": ("per_layer", "units per layer"),
    "published": ("log", "sum of log10(units + 1)"),
}
# The axis is broken where the highest bars are so many times as high as the next, and few.
BREAK, FEW = 4, 3
# Heights of the two parts of a broken axis.
PARTS = (1, 2)


def of_models(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Models that are no controls are pooled; each control has a panel of its own."""
    files_of = iter(files["attributions"])
    tables = {}
    for model in asked["models"]:
        own = {task: next(files_of) for task in asked["tasks"]}
        tensors = {task: read_tensor(path, "attribution") for task, path in own.items()}
        # An excluded task has an empty tensor.
        found = {task: values for task, values in tensors.items() if values.size}
        if found:
            n_units = metadata_of(own[next(iter(found))]).get("units")
            tables[model] = composition(found, asked["percent"], n_units)
    own = [name for name in tables if name not in asked["controls"]]
    panels = {}
    if own:
        label = own[0] if len(own) == 1 else f"average of {len(own)} models"
        panels[label] = binned([tables[name] for name in own])
    for name in tables:
        if name in asked["controls"]:
            panels[called(name, asked["controls"])] = binned([tables[name]])
    rows = [table.assign(panel=panel) for panel, table in panels.items()]
    data = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["panel"])
    return draw_composition(panels, title=asked["title"], form=asked["form"]), data


def draw_composition(
    panels: Mapping[str, pd.DataFrame], *, title: str, form: str = COUNTS
) -> Figure:
    """One panel of stacked bars per entry: name -> table of ``statistics.composition.binned``.

    Columns read: bin, owner, and what ``form`` stacks (``FORMS``). The depth of a bin is its share of all
    bins, the first layer at 0 and the last at 1. All panels have one scale, broken where it must be.
    """
    owners = style.ordered_domains(owner for table in panels.values() for owner in table["owner"])
    if not owners:
        return style.empty_figure(title, "no attribution is included")
    column, label = FORMS[form]
    stacks = {name: _heights(table, owners, column) for name, table in panels.items()}
    ends = _ends([stack.sum(axis=1) for stack in stacks.values()])
    parts = len(ends)
    size = style.SINGLE, 0.9 + PANEL_HEIGHT * len(panels)
    figure = plt.figure(figsize=size, layout="constrained")
    rows = figure.subfigures(len(panels), 1, squeeze=False)[:, 0]
    for row, (name, table) in zip(rows, panels.items(), strict=True):
        ratios = {"height_ratios": PARTS[-parts:], "hspace": 0.04}
        places = row.subplots(parts, 1, squeeze=False, sharex=True, gridspec_kw=ratios)[:, 0]
        head(places[0], name)
        for axes, limits in zip(places, ends, strict=True):
            axes.set_ylim(*limits)
            _stack(axes, stacks[name], owners)
        broken = "\n(axis broken)" if parts > 1 else ""
        places[-1].set(ylabel=f"{label}{broken}", xlabel="depth (0: first layer, 1: last)")
        if parts > 1:
            _break(*places)
        if not np.isfinite(table[column].to_numpy(dtype=float)).any():
            style.state_empty(places[-1], "no layer")
    style.add_title(figure, title)
    # The order of the legend is that of the stack, from the top.
    handles = [
        Patch(label=style.domain_label(owner), **domain_look(owner)) for owner in reversed(owners)
    ]
    if any(stack.isna().any(axis=None) for stack in stacks.values()):
        handles.append(Patch(facecolor=EMPTY_BIN, label="(no layer)"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _heights(table: pd.DataFrame, owners: Sequence[str], column: str) -> pd.DataFrame:
    """Bins x owners; NaN where no layer falls in the bin."""
    values = table.pivot_table(index="bin", columns="owner", values=column, dropna=False)
    count = int(table["bin"].max()) + 1 if len(table) else 0
    values = values.reindex(index=range(count), columns=owners).astype(float)
    there = values.notna().any(axis=1)
    return values.where(~there, values.fillna(0.0), axis=0)


def _ends(totals: Sequence[pd.Series]) -> list[tuple[float, float]]:
    """Lower and upper end of the axis, from its top: two parts if few bars would hide all others."""
    every = sorted((float(v) for one in totals for v in one.fillna(0)), reverse=True) or [0.0]
    top = 1.06 * every[0] or 1.0
    tall = max(
        (k for k in range(1, min(FEW * len(totals), len(every) - 1) + 1) if every[k] > 0),
        key=lambda k: every[k - 1] / every[k],
        default=0,
    )
    if not tall or every[tall - 1] < BREAK * every[tall]:
        return [(0.0, top)]
    return [(0.85 * every[tall - 1], top), (0.0, 1.12 * every[tall])]


def _break(upper: Axes, lower: Axes) -> None:
    """Slanted strokes where the axis leaves something out."""
    upper.spines["bottom"].set_visible(False)
    upper.tick_params(axis="x", length=0)
    upper.locator_params(axis="y", nbins=2)
    look = {"marker": [(-1, -0.6), (1, 0.6)], "ms": 5, "ls": "", "color": "black", "clip_on": False}
    for axes, y in ((upper, 0), (lower, 1)):
        axes.plot([0], [y], transform=axes.transAxes, mew=0.8, **look)


def _stack(axes: Axes, values: pd.DataFrame, owners: Sequence[str]) -> None:
    """Segments in the order of the domains, shared ones on top."""
    count = len(values)
    base, middles = np.zeros(count), (np.arange(count) + 0.5) / max(count, 1)
    low, high = axes.get_ylim()
    for owner in owners:
        heights = values[owner].fillna(0.0).to_numpy()
        bars = axes.bar(
            middles, heights, bottom=base, width=0.92 / max(count, 1), **domain_look(owner)
        )
        for bar, middle, height in zip(bars, middles, heights, strict=True):
            if height and bar.get_y() < high and bar.get_y() + height > low:
                hover.shape(bar, f"{style.domain_label(owner)}, depth {middle:.2f}: {height:.3g}")
        base = base + heights
    for number in np.flatnonzero(values.isna().all(axis=1)):
        axes.axvspan(number / count, (number + 1) / count, color=EMPTY_BIN, linewidth=0, zorder=0)
    axes.set_ylim(low, high)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
