"""Figures of what networks do: courses over a text, edits, connectivity."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from brodmann.figures import hover, style
from brodmann.figures.panels import (
    colour_bar,
    distinct,
    dot,
    grid,
    head,
    legend_below,
    square_of,
    wide_scale,
)
from brodmann.figures.registry import Asked, Files
from brodmann.figures.tables import of_table
from brodmann.networks.conditions import RANDOM
from brodmann.networks.page import NEGATIVE, POSITIVE, Course, visible
from brodmann.networks.pieces import Piece
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.networks.stages.following import ACROSS_COLUMNS, CONNECTIVITY_COLUMNS
from brodmann.runner.experiment import ACTIVATION_MATCHED
from brodmann.store.tables import read_table

_LINE = 0.17  # inches
FAINT = 0.25  # of the strongest value: what is nearer to zero is not underlined
PER_ROW = 2
COLOURS = {"inhibit": "#D55E00", "multiply": "#0072B2", "add": "#009E73"}
# Controls, what they are called, and their marks.
BESIDE = {RANDOM: ("random units", "."), ACTIVATION_MATCHED: ("random units as active", "x")}


def of_editing(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Perplexity (per token, as everywhere in the report) under edits of one model's networks."""
    table = read_table(files["editing"], EDITING)
    table = table[table["metric"] == "perplexity"].reset_index(drop=True)
    return draw_editing(table, title=f"{asked['model']}: perplexity with networks edited"), table


def save_example(pieces: Sequence[Piece], courses: Sequence[Course], title: str, stem: str) -> None:
    """``draw_example`` as ``stem``.png and ``stem``.svg."""
    figure = draw_example(pieces, courses, title=title)
    style.save_figure(figure, f"{stem}.png", f"{stem}.svg")


def draw_example(pieces: Sequence[Piece], courses: Sequence[Course], *, title: str) -> Figure:
    """The text once for each course, tokens highlighted; orange above zero, blue and underlined below."""
    if not pieces or not courses:
        return style.empty_figure(title, "no network to follow")
    cells = _layout(pieces, style.SINGLE)
    lines = 1 + max(line for _, line, _, _ in cells)
    block = (lines + 1.7) * _LINE
    above = style.title_height(title, style.SINGLE) + 0.1
    height = above + block * len(courses)
    figure = plt.figure(figsize=(style.SINGLE, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, style.SINGLE), ylim=(height, 0))
    for number, course in enumerate(courses):
        top = above + number * block
        axes.text(0, top + _LINE, course.heading, weight="bold", va="bottom")
        axes.text(0.75, top + _LINE, course.note, color="#555555", va="bottom")
        _text(axes, pieces, cells, course.values, top + 1.2 * _LINE)
    style.add_title(figure, title)
    return figure


def _layout(pieces: Sequence[Piece], width: float) -> list[tuple[float, int, float, str]]:
    """(left, line, width, text) of each piece, in inches."""
    cells, left, line = [], 0.0, 0
    for piece in pieces:
        shown = _drawable(visible(piece.text))
        wide = _wide(shown) + 0.012
        if left and left + wide > width:
            left, line = 0.0, line + 1
        cells.append((left, line, wide, shown))
        left += wide
        if "\n" in piece.text:
            left, line = 0.0, line + 1
    return cells


def _wide(text: str) -> float:
    """Its width in inches with the spaces around it, which ``text_width`` leaves out."""
    return style.text_width(f".{text}.") - style.text_width("..")


def _text(axes, pieces, cells, values: np.ndarray, top: float) -> None:
    strongest = float(np.abs(values).max()) or 1.0
    start = 0
    for piece, (left, line, wide, shown) in zip(pieces, cells, strict=True):
        own = values[start : start + piece.tokens]
        start += piece.tokens
        y = top + line * _LINE
        for place, value in enumerate(own):
            colour = [part / 255 for part in (POSITIVE if value >= 0 else NEGATIVE)]
            part = wide / len(own)
            box = (left + place * part, y), part, _LINE * 0.92
            alpha = 0.85 * abs(float(value)) / strongest
            axes.add_patch(plt.Rectangle(*box, facecolor=(*colour, alpha), linewidth=0))
            if value < -FAINT * strongest:
                ends = [left + place * part, left + (place + 1) * part], [y + _LINE * 0.9] * 2
                axes.plot(*ends, color="black", linewidth=0.6)
            x0, y0 = box[0]
            hover.box(axes, (x0, y0, x0 + part, y0 + _LINE), f"{piece.text.strip()}: {value:.2f}")
        faint = "#777777" if piece.special else "black"
        # Browsers drop spaces at the start of a text, so that it is set after them.
        word = shown.lstrip(" ")
        before = _wide(shown[: len(shown) - len(word)])
        axes.text(left + before + 0.006, y + 0.75 * _LINE, word, color=faint)


def _drawable(text: str) -> str:
    """Characters that the font lacks by their number; no sign is taken for mathematics."""
    have = get_font(findfont(FontProperties(family=["sans-serif"]))).get_charmap()
    shown = "".join(c if ord(c) in have else f"<U+{ord(c):04X}>" for c in text)
    return shown.replace("$", r"\$")


def draw_editing(table: pd.DataFrame, *, title: str) -> Figure:
    """Perplexity under each edit against random units; a panel per kind of edit, for networks and for sets.

    Columns: dataset, condition, control_of, how, amount, n_units, value, intact. Dots of one row: the units'
    own edit, (grey) its random controls, and (grey crosses) those that are as active. Sets of networks cost
    far more than most networks: they have panels and an axis of their own.
    """
    table = _with_lone_controls(table).fillna({"dataset": ""})
    own = table[~table["condition"].isin(("intact", *BESIDE))]
    if own.empty:
        return style.empty_figure(title, "no network was edited")
    edits = distinct(zip(own["how"], own["amount"].fillna(""), strict=True))
    columns = min(PER_ROW, len(edits))
    lines = -(-len(edits) // columns)
    single = own["condition"].str.startswith("network-")
    groups = [
        (rows, pitch) for rows, pitch in ((own[single], 0.15), (own[~single], 0.28)) if len(rows)
    ]
    sizes = [
        rows.groupby(["dataset", "condition"], sort=False)["n_units"].first() for rows, _ in groups
    ]
    heights = [
        lines * (0.75 + pitch * len(one)) for one, (_, pitch) in zip(sizes, groups, strict=True)
    ]
    size = style.SINGLE, sum(heights) + 0.4 + style.title_height(title, style.SINGLE)
    figure = plt.figure(figsize=size, layout="constrained")
    parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (rows, _), n_units in zip(parts, groups, sizes, strict=True):
        panels = part.subplots(lines, columns, squeeze=False, sharey=True)
        for axes in list(panels.flat)[len(edits) :]:
            axes.set_visible(False)
        shown = table[table["control_of"].isin(rows["condition"]) | table.index.isin(rows.index)]
        for axes, edit in zip(panels.flat, edits, strict=False):
            _edited(axes, shown, list(n_units.index), *edit)
            axes.tick_params(axis="x", labelrotation=30 * (columns > 1))
        names = [f"{_called(*row)} ({int(size):,})" for row, size in n_units.items()]
        panels[0, 0].set_yticks(range(len(names)), names)
        panels[0, 0].set_ylim(len(names) - 0.5, -0.5)
    legend = [
        dot("edited", COLOURS[edits[0][0]]),
        *(
            dot(what, style.NEUTRAL, mark)
            for control, (what, mark) in BESIDE.items()
            if control == RANDOM or (table["condition"] == control).any()
        ),
        Line2D([], [], color="black", lw=0.7, ls=":", label="intact"),
    ]
    legend_below(figure, legend, 3 if len(legend) == 3 else 2)
    style.add_title(figure, title)
    return figure


def _edited(
    axes: Axes, table: pd.DataFrame, rows: Sequence[tuple[str, str]], how: str, amount: object
) -> None:
    """One kind of edit of ``rows`` (dataset, condition), from the top."""
    here = table[(table["how"] == how) & (table["amount"].fillna("") == amount)]
    done = {"inhibit": "inhibited", "multiply": f"× {amount}", "add": f"+ {amount}"}[how]
    intact = float(table["intact"].iloc[0])
    for place, (dataset, condition) in enumerate(rows):
        same = here[here["dataset"] == dataset]
        name = _called(dataset, condition).replace("\n", " ")
        lone = condition.startswith(f"{RANDOM} ")
        controls = same["control_of"] == condition
        for chosen, colour, mark, what in (
            *(
                (controls & (same["condition"] == control), style.NEUTRAL, mark, called)
                for control, (called, mark) in BESIDE.items()
            ),
            (
                same["condition"] == condition,
                *((style.NEUTRAL, ".") if lone else (COLOURS[how], "o")),
                name,
            ),
        ):
            values = same[chosen]["value"]
            axes.plot(values, [place] * len(values), mark, color=colour, ms=4)
            texts = [f"{what} {done}: {one:.4g}" for one in values]
            hover.points(axes, values, [place] * len(values), texts)
    axes.axvline(intact, color="black", linewidth=0.7, linestyle=":")
    values = np.append(here["value"].dropna().to_numpy(dtype=float), intact)
    wide_scale(axes.xaxis, values[np.isfinite(values)])
    head(axes, done)
    scale = " (log scale)" if axes.get_xscale() == "log" else ""
    axes.set_xlabel(f"perplexity per token{scale}")
    axes.grid(axis="y", color="#EEEEEE", linewidth=0.6)
    axes.set_axisbelow(True)


def _called(dataset: str, condition: str) -> str:
    """``news network 0``; of sets, in two lines, ``encyclopedia and news: union``."""
    if not dataset or condition.startswith("network-"):
        return f"{dataset} {condition.replace('-', ' ')}".strip()
    return f"{dataset.replace('+', ' and ')}:\n{condition.replace('-', ' ')}"


def _with_lone_controls(table: pd.DataFrame) -> pd.DataFrame:
    """Random units that are no one's control are conditions of their own: ``random 15 %``."""
    share = table["control_of"].astype(str)
    lone = (table["condition"] == "random") & table["dataset"].isna() & share.str.endswith("pct")
    condition = table["condition"].copy()
    condition[lone] = [f"random {float(one.removesuffix('pct')):g} %" for one in share[lone]]
    return table.assign(condition=condition)


def draw_connectivity(table: pd.DataFrame, *, title: str) -> Figure:
    """A heatmap of Pearson's r per dataset. Columns: dataset, network, other, r."""
    squares = {}
    for dataset, own in table.groupby("dataset", sort=False):
        squares[str(dataset)] = square_of(own, "network", "other", "r")
    return _heatmaps(squares, title)


def draw_connectivity_between(table: pd.DataFrame, *, title: str) -> Figure:
    """The same of every two models. Columns: dataset, model, network, other, other_network, r."""
    squares = {}
    for (dataset, model, other), own in table.groupby(["dataset", "model", "other"], sort=False):
        square = square_of(own, "network", "other_network", "r")
        square = square.rename_axis(index=str(model), columns=str(other))
        squares[f"{dataset}: {model}, {other}"] = square
    return _heatmaps(squares, title, named=True)


def _heatmaps(squares: dict[str, pd.DataFrame], title: str, *, named: bool = False) -> Figure:
    """Pearson's r, a panel each; ``named``: axes show whose networks they are."""
    if not squares:
        return style.empty_figure(title, "no dataset")
    height = 2.9 if len(squares) == 1 else 1.7
    figure, panels = grid(len(squares), per_row=PER_ROW, height=height, around=0.6)
    image = None
    for axes, (name, square) in zip(panels, squares.items(), strict=True):
        values = square.to_numpy(dtype=float)
        image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.spines[:].set_visible(True)
        _mark_negative(axes, image, values)
        _tell(axes, square)
        for labels, place in ((square.columns, axes.set_xticks), (square.index, axes.set_yticks)):
            place(range(len(labels)), [label.removeprefix("network-") for label in labels])
        axes.set(xlabel="template", ylabel="template" if axes in panels[::PER_ROW] else "")
        if named:
            axes.set(xlabel=square.columns.name, ylabel=square.index.name)
        head(axes, name.partition(":")[0] if named else name)
    colour_bar(image, panels, "Pearson's r of mean courses (−: below −0.2)")
    style.add_title(figure, title)
    return figure


def _mark_negative(axes: Axes, image: AxesImage, values: np.ndarray) -> None:
    """A minus in what is clearly below zero: in grey both ends of the scale look alike."""
    places: dict[str, list[tuple[int, int]]] = {"black": [], "white": []}
    for row, column in np.argwhere(values < -0.2).tolist():
        face = image.cmap(image.norm(values[row, column]))[:3]
        places[style.text_colour(face)].append((column, row))
    for colour, own in places.items():
        if own:
            axes.plot(*zip(*own, strict=True), ls="", marker="_", ms=3, mew=0.8, color=colour)


def _tell(axes: Axes, square: pd.DataFrame) -> None:
    names, others = list(square.index), list(square.columns)
    values = square.to_numpy(dtype=float)
    hover.cells(axes, values, lambda a, b: f"{names[a]}, {others[b]}: {values[a, b]:.2f}")


of_connectivity = of_table(
    "connectivity",
    CONNECTIVITY_COLUMNS,
    draw_connectivity,
    "{model}: networks whose courses go together",
)
of_every_two = of_table(
    *("table", ACROSS_COLUMNS, draw_connectivity_between),
    "Networks of different models whose courses go together",
)
