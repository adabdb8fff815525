"""Do models agree, and does what circuits share predict what their lesions break?"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brodmann.figures import hover, style
from brodmann.figures.panels import (
    bare,
    colour_bar,
    distinct,
    domain_dot,
    dot,
    grid,
    head,
    legend_below,
    number_cells,
    per_cent,
    single,
)
from brodmann.figures.registry import Asked, Files
from brodmann.figures.tables import at_size, long_table
from brodmann.numerals import minus
from brodmann.statistics.consistency import Consistency, Tau, tau_matrix
from brodmann.statistics.inventory import ALL, Inventory, Matrix
from brodmann.statistics.structure_function import pair_table
from brodmann.store.tables import read_matrix
from brodmann.tasks.catalogue import domain_of

# Panels in a row, for as many models at most.
PER_ROW = {2: 8, 3: 18, 6: 10**6}
CROSS = "two domains"
# Characters of a heading where there are many panels in a row.
LONGEST = 14
# Inches: of a cell, and of one whose value is printed.
CELL, PRINTED = 0.4, 0.29


def of_models(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Agreement of every two models on overlap, or on what lesions break (``drop``)."""
    drop = asked["drop"]
    tau = _tau(at_size(long_table(files, asked, "consistency"), asked, drop=drop))
    what = "what lesions break" if drop else "which circuits overlap"
    title = f"Agreement of models on {what}"
    return draw_consistency(tau, title=title, label="Kendall's tau"), tau


def of_cells(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Overlap against accuracy lost, of every model that has both."""
    statistics = long_table(files, asked, "structure_function")
    inventory = Inventory.from_params(asked["matrices"])
    places = dict(zip(inventory.files, files["matrices"], strict=True))
    shown = asked["component"], asked["drop_sel"], asked["kind"]
    cells = _cells(inventory, statistics, places, *shown)
    return draw_structure_function(cells, title=""), cells


def _tau(table: pd.DataFrame) -> pd.DataFrame:
    """Models by models, from the rows of consistency.csv."""
    pairs_only = table[table["model"] != ALL]
    columns = pairs_only[["model", "other", "tau", "n"]].itertuples(index=False)
    found = [Tau(*names, tau, np.nan, int(n)) for *names, tau, n in columns]  # the table has no p
    models = distinct([*pairs_only["model"], *pairs_only["other"]])
    return tau_matrix(models, Consistency(tuple(found), ()))


def _cells(
    inventory: Inventory,
    statistics: pd.DataFrame,
    places: Mapping[str, str],
    component: str,
    sel: str,
    kind: str,
) -> pd.DataFrame:
    """source, target, overlap and drop of every model, with its correlation as text.

    ``places``: where the matrices of the study are.
    """
    parts = []
    for one in inventory.drops:
        if one.group == (component, sel, kind) and one.overlap in inventory.overlaps:
            cells = pair_table(*(read_matrix(places[m.path()]) for m in (one.overlap, one)))
            parts.append(cells.assign(model=one.model, rho=_rho(statistics, one)))
    columns = ["model", "source", "target", "overlap", "drop", "rho"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _rho(statistics: pd.DataFrame, one: Matrix) -> str:
    """Spearman's rho of a model, as it stands in the figure."""
    cell = statistics[["model", "sel", "kind"]] == [one.model, one.sel, one.kind]
    own = statistics[cell.all(axis=1)]
    value = own["spearman"].iloc[0] if len(own) else np.nan
    return "" if pd.isna(value) else minus(f"rho = {value:.2f} ({own['n'].iloc[0]} pairs)")


def draw_consistency(tau: pd.DataFrame, *, title: str, label: str) -> Figure:
    """Kendall's tau of every two models: a symmetric matrix, values printed, the diagonal blank.

    ``tau``: models on both axes; ``label`` names the colours, e.g. ``Kendall's tau of the overlap``.
    """
    models = list(tau.index)
    values = tau.to_numpy(dtype=float).copy()
    np.fill_diagonal(values, np.nan)
    if not np.isfinite(values).any():
        return style.empty_figure(title, "fewer than two models can be compared")
    names = max(map(style.text_width, models)) + 0.2
    # Many models: smaller cells, then no numbers (the page shows them, and the CSV file) and not all names.
    cell = min(CELL, max((style.SINGLE - names) / len(models), 1.2 * style.LINE))
    cell = min(cell, (style.LARGEST - names - 1) / len(models))
    side = cell * len(models)
    figure, axes = single(side + names + 0.8, max(style.SINGLE, side + names))
    low = min(0.0, float(np.nanmin(values)))
    # Negative values need a scale with a middle.
    limits, palette = ((0.0, 1.0), "viridis") if low == 0 else ((-1.0, 1.0), "RdBu_r")
    image = axes.imshow(values, cmap=palette, vmin=limits[0], vmax=limits[1])
    if cell >= PRINTED:
        number_cells(axes, image, values, _signed)
    hover.cells(axes, values, lambda a, b: f"{models[a]}, {models[b]}: {_signed(values[a, b])}")
    step = int(np.ceil(style.LINE / cell))
    places, shown = range(0, len(models), step), models[::step]
    axes.set_xticks(places, shown, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, shown)
    bare(axes)
    style.add_title(figure, title)
    colour_bar(image, axes, label)
    return figure


def _signed(tau: float) -> str:
    return minus(f"{tau:.2f}")


def draw_structure_function(cells: pd.DataFrame, *, title: str) -> Figure:
    """One small panel per model: overlap of two circuits against the accuracy lost.

    Columns: model, source, target, overlap, drop, and where wanted ``rho`` (a text per model, printed in its
    panel). A circuit on its own task and cells with a missing value are left out. Pairs of one domain have
    its colour and marker, others are grey crosses; a mark is the larger the more pairs are at its place; the
    line is the least-squares fit.
    """
    shown = cells[cells["source"] != cells["target"]]
    shown = shown[np.isfinite(shown[["overlap", "drop"]].to_numpy(dtype=float)).all(axis=1)]
    models = distinct(cells["model"])
    if shown.empty:
        return style.empty_figure(title, "no pair of tasks has both values")
    per_row = next(number for number, most in PER_ROW.items() if len(models) <= most)
    rows = -(-len(models) // per_row)
    columns = -(-len(models) // rows)
    height = min(1.75 if columns > 1 else 2.4, (style.LARGEST - 0.75) / rows)
    shape = {"per_row": columns, "height": height, "around": 0.75, "sharex": True, "sharey": True}
    figure, panels = grid(len(models), **shape)
    for axes, model in zip(panels, models, strict=True):
        own = shown[shown["model"] == model]
        name = _name(cells[cells["model"] == model])
        head(axes, name if per_row == min(PER_ROW) else textwrap.shorten(name, LONGEST))
        if own.empty:
            style.state(axes)
            continue
        _scatter(axes, own, rasterized=len(shown) > style.MOST_MARKS)
    # Panels that share their axis show its numbers in the lowest of their column.
    for axes in panels[-columns:]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("overlap (%)")
        per_cent(axes.xaxis)
    for axes in panels[::columns]:
        axes.set_ylabel("accuracy lost (%)")
        per_cent(axes.yaxis)
    low, high = float(shown["drop"].min()), float(shown["drop"].max())
    margin = 0.05 * (high - low) or 0.05
    panels[0].set_ylim(low - margin, high + margin)
    style.add_title(figure, title)
    handles = _handles(shown)
    legend_below(figure, handles, 3, handletextpad=0.1)
    return figure


def _name(cells: pd.DataFrame) -> str:
    """A model's name, and below it its ``rho``."""
    model = str(cells["model"].iloc[0])
    known = "rho" in cells and pd.notna(cells["rho"].iloc[0])
    return f"{model}\n{cells['rho'].iloc[0]}" if known else model


def _shared_domain(cells: pd.DataFrame) -> pd.Series:
    """The domain of source and target, or ``CROSS``."""
    source, target = cells["source"].map(domain_of), cells["target"].map(domain_of)
    return source.where(source == target, CROSS)


def _scatter(axes: Axes, cells: pd.DataFrame, *, rasterized: bool) -> None:
    domains = _shared_domain(cells)
    for domain in [CROSS, *style.ordered_domains(set(domains) - {CROSS})]:
        own = cells[domains == domain].groupby(["overlap", "drop"]).size().reset_index(name="pairs")
        if own.empty:
            continue
        # Pairs that fall together are one mark.
        look = {**_look(domain), "rasterized": rasterized}
        look["s"] = look["s"] * np.sqrt(own["pairs"])
        axes.scatter(own["overlap"], own["drop"], **look)
        rows = own[["overlap", "drop", "pairs"]].itertuples(index=False)
        texts = [
            f"{style.domain_label(domain)}: overlap {100 * x:.1f} %, lost {100 * y:.1f} % ({n} pairs)"
            for x, y, n in rows
        ]
        hover.points(axes, own["overlap"], own["drop"], texts)
    axes.margins(x=0.08)
    x, y = cells["overlap"].to_numpy(dtype=float), cells["drop"].to_numpy(dtype=float)
    if len(x) > 2 and np.ptp(x) > 0:
        slope, intercept = np.polyfit(x, y, 1)
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, intercept + slope * ends, color="#333333", linewidth=0.8)


def _look(domain: str) -> dict[str, Any]:
    if domain == CROSS:
        return {"marker": "x", "s": 5, "linewidths": 0.5, "color": style.NEUTRAL, "alpha": 0.6}
    # Outlines: where domains have the same values all are seen.
    look = {"marker": style.domain_marker(domain), "edgecolors": style.domain_colour(domain)}
    return {**look, "s": 11, "linewidths": 0.8, "facecolors": "none"}


def _handles(cells: pd.DataFrame) -> list[Line2D]:
    domains = set(_shared_domain(cells))
    handles = [domain_dot(name, mfc="none") for name in style.ordered_domains(domains - {CROSS})]
    if CROSS in domains:
        handles.append(dot(CROSS, style.NEUTRAL, "x"))
    if cells.duplicated(["model", "overlap", "drop"]).any():
        handles.append(Line2D([], [], ls="", label="larger: more pairs"))
    return handles
