"""Parts that figures share: panels in rows, legends, colour bars, numbers in cells, axes of domains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from brodmann.figures import style
from brodmann.numerals import minus, power_of_ten
from brodmann.tasks.catalogue import domain_of


def single(height: float, width: float = style.SINGLE) -> tuple[Figure, Axes]:
    """One panel, in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")


def grid(
    number: int, *, per_row: int, height: float, around: float = 0.5, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """``number`` panels as wide as a printed column, at most ``per_row`` in a row, each ``height`` inches,
    and ``around`` them all."""
    columns = min(per_row, number)
    rows = -(-number // columns)
    shared |= {"figsize": (style.SINGLE, around + height * rows), "layout": "constrained"}
    figure, axes = plt.subplots(rows, columns, squeeze=False, **shared)
    for empty in list(axes.flat)[number:]:
        empty.set_visible(False)
    return figure, list(axes.flat)[:number]


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order."""
    return list(dict.fromkeys(values))


def whole_numbers(axis: Axis) -> None:
    """Ticks at integers only: there is no layer 0.5."""
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def bare(axes: Axes) -> None:
    """Without any lines and ticks, for matrices of colours."""
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def head(axes: Axes, text: str) -> None:
    """The panel's heading, at its left."""
    axes.set_title(text, loc="left")


def legend_below(figure: Figure, handles: Sequence[Any], columns: int, **more: Any) -> None:
    """Under all panels, without a frame."""
    place = {"loc": "outside lower center", "ncols": columns}
    figure.legend(handles=handles, **place, **more)


def by_rows(handles: Sequence[Any], columns: int) -> list[Any]:
    """Entries of a legend of so many columns so that its rows, not its columns, have them in order."""
    return [one for column in range(columns) for one in handles[column::columns]]


def per_cent(axis: Axis) -> None:
    """Shares, with ticks in per cent: the axis' label says so."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{100 * value:.4g}")))


def colour_bar(image: ScalarMappable, axes: Axes | list[Axes], label: str, **more: Any) -> Colorbar:
    """What the colours of ``image`` mean, below ``axes``, or in ``cax``."""
    first = axes[0] if isinstance(axes, list) else axes
    place = {} if "cax" in more else {"location": "bottom", "aspect": 40, "pad": 0.02}
    bar = first.figure.colorbar(image, **({} if "cax" in more else {"ax": axes}), **place, **more)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def domain_patches(tasks: Iterable[str]) -> list[Patch]:
    """The domains of these tasks in their colours, for a legend."""
    domains = style.ordered_domains(domain_of(task) for task in tasks)
    return [Patch(label=style.domain_label(domain), **domain_look(domain)) for domain in domains]


def domain_look(domain: str) -> dict[str, Any]:
    """The domain's colour, and its hatch for those who do not see it."""
    hatch = style.DOMAIN_HATCHES.get(domain, style.OTHER_HATCH)
    colour = style.domain_colour(domain)
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}


def number_cells(
    axes: Axes,
    image: AxesImage,
    values: np.ndarray,
    text: Callable[[float], str] = "{:.2f}".format,
    faces: np.ndarray | None = None,
) -> None:
    """Each finite value in its cell of ``image``, black or white as the cell's colour wants.

    ``faces``: what gives cells their colours, if not the values.
    """
    for place, value in np.ndenumerate(values):
        if np.isfinite(value):
            face = image.cmap(image.norm(value if faces is None else faces[place]))[:3]
            colour = style.text_colour(face)
            axes.text(*place[::-1], minus(text(value)), ha="center", va="center", color=colour)


def dot(label: str, colour: str, marker: str = "o", **look: Any) -> Line2D:
    """A mark for a legend."""
    return Line2D(
        [], [], **{"ls": "", "ms": 4, "color": colour, **look}, marker=marker, label=label
    )


def domain_dot(domain: str, **look: Any) -> Line2D:
    """The domain's colour and marker, for a legend."""
    return dot(
        style.domain_label(domain), style.domain_colour(domain), style.domain_marker(domain), **look
    )


def domain_axis(
    axes: Axes, domains: Sequence[str], colour: Callable[[str], str] = style.domain_colour
) -> None:
    """A place on the x axis for each domain, its name in its colour."""
    axes.set_xticks(range(len(domains)), list(map(style.domain_label, domains)))
    axes.tick_params(axis="x", length=0)
    for tick, domain in zip(axes.get_xticklabels(), domains, strict=True):
        tick.set_color(style.readable(colour(domain)))
    axes.set_xlim(-0.5, len(domains) - 0.5)


def square_of(table: pd.DataFrame, rows: str, columns: str, value: str) -> pd.DataFrame:
    """A column of a long table as a matrix, both axes in the table's order."""
    wide = table.pivot(index=rows, columns=columns, values=value)
    return wide.loc[distinct(table[rows]), distinct(table[columns])]


def size_axis(axes: Axes, percents: Sequence[float]) -> None:
    """A logarithmic x axis with ticks at the sizes that were computed."""
    axes.set_xscale("log")
    axes.set_xticks(percents, [f"{percent:g}" for percent in percents])
    axes.xaxis.set_minor_locator(NullLocator())


def wide_scale(axis: Axis, values: Sequence[float]) -> None:
    """A logarithmic axis where the values need one: within a power of ten it has no labels to show.

    Ticks are numbers with commas, or powers of ten where the axis reaches a million.
    """
    log = bool(len(values)) and 0 < 10 * min(values) < max(values)
    if log:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_minor_formatter(NullFormatter())

    def shown(value: float, _: int) -> str:
        large = axis.get_view_interval()[1] >= 1e6
        if large and log:
            return power_of_ten(round(math.log10(value)))
        return f"{value:,.0f}" if large else f"{value:,.6g}"

    axis.set_major_formatter(FuncFormatter(shown))
