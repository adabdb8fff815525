"""Layer-wise composition: whose neurons lie at which depth, as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from brodmann.figures import style
from brodmann.figures.panels import grid, head
from brodmann.figures.registry import Asked, Files, called
from brodmann.statistics.composition import binned, composition
from brodmann.store.tensors import read_tensor

PANELS_PER_ROW = 2
EMPTY_BIN = "#F0F0F0"
PANEL_HEIGHT = 1.7  # inches


def of_models(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Models that are no controls are pooled; each control has a panel of its own."""
    files_of = iter(files["attributions"])
    tables = {}
    for model in asked["models"]:
        tensors = {task: read_tensor(next(files_of), "attribution") for task in asked["tasks"]}
        # An excluded task has an empty tensor.
        found = {task: values for task, values in tensors.items() if values.size}
        if found:
            tables[model] = composition(found, asked["percent"])
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
    return draw_composition(panels, title=asked["title"]), data


def draw_composition(panels: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """One panel of stacked bars per entry: name -> table of ``statistics.composition.binned``.

    Columns read: bin, owner, log. A segment's height is its ``log``; the depth of a bin is its share of all
    bins, the first layer at 0 and the last at 1.
    """
    owners = style.ordered_domains(owner for table in panels.values() for owner in table["owner"])
    if not owners:
        return style.empty_figure(title, "no attribution is included")
    shape = {"per_row": PANELS_PER_ROW, "height": PANEL_HEIGHT, "around": 0.45}
    figure, places = grid(len(panels), **shape, sharey=True)
    for axes, (name, table) in zip(places, panels.items(), strict=True):
        head(axes, name)
        if not np.isfinite(table["log"].to_numpy(dtype=float)).any():
            style.state_empty(axes, "no layer")
            continue
        _stack(axes, table, owners)
    places[0].set_ylim(0, max(axes.get_ylim()[1] for axes in places))
    figure.supxlabel("normalised depth (layer)", fontsize=8)
    figure.supylabel("log10(count + 1)", fontsize=8)
    style.add_title(figure, title)
    # The order of the legend is that of the stack, from the top.
    handles = [Patch(label=style.domain_label(owner), **_look(owner)) for owner in reversed(owners)]
    if any(table["log"].isna().any() for table in panels.values()):
        handles.append(Patch(facecolor=EMPTY_BIN, label="(no layer)"))
    named = {"title": "neurons of", "title_fontsize": 7}
    figure.legend(handles=handles, loc="outside right upper", **named)
    return figure


def _stack(axes: Axes, table: pd.DataFrame, owners: list[str]) -> None:
    """Segments in the order of the domains, shared ones on top."""
    values = table.pivot_table(index="bin", columns="owner", values="log", dropna=False)
    count = int(table["bin"].max()) + 1
    values = values.reindex(index=range(count), columns=owners).astype(float).fillna(0.0)
    base, middles = np.zeros(count), (np.arange(count) + 0.5) / count
    for owner in owners:
        heights = values[owner].to_numpy()
        axes.bar(middles, heights, bottom=base, width=0.92 / count, **_look(owner))
        base = base + heights
    filled = set(table.loc[np.isfinite(table["log"].astype(float)), "bin"])
    for number in set(range(count)) - filled:
        axes.axvspan(number / count, (number + 1) / count, color=EMPTY_BIN, linewidth=0, zorder=0)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def _look(owner: str) -> dict[str, object]:
    hatch = style.DOMAIN_HATCHES.get(owner, style.OTHER_HATCH)
    colour = style.domain_colour(owner)
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
