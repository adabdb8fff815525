"""Parts that figures share: panels in rows, legends, colour bars, numbers in cells, axes of domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from brodmann.figures import style


def grid(
    number: int, *, per_row: int, height: float, around: float = 0.5, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """``number`` panels, at most ``per_row`` in a row, each ``height`` inches, and ``around`` them all."""
    columns = min(per_row, number)
    rows = -(-number // columns)
    size = (style.SINGLE if columns == 1 else style.DOUBLE, around + height * rows)
    shared = {"sharey": sharey, "layout": "constrained", "squeeze": False}
    figure, axes = plt.subplots(rows, columns, figsize=size, **shared)
    for empty in list(axes.flat)[number:]:
        empty.set_axis_off()
    return figure, list(axes.flat)[:number]


def open_frame(axes: Axes) -> None:
    """Without the lines above and at the right."""
    axes.spines[["top", "right"]].set_visible(False)


def whole_numbers(axis: Axis) -> None:
    """Ticks at integers only: there is no layer 0.5."""
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def bare(axes: Axes) -> None:
    """Without any lines and ticks, for matrices of colours."""
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def head(axes: Axes, text: str, size: float = 8) -> None:
    """The panel's heading, at its left."""
    axes.set_title(text, loc="left", fontsize=size)


def legend_below(figure: Figure, handles: Sequence[Any], columns: int, **more: Any) -> None:
    """Under all panels, without a frame."""
    place = {"loc": "outside lower center", "ncols": columns}
    figure.legend(handles=handles, **place, frameon=False, fontsize=7, **more)


def colour_bar(
    image: AxesImage, axes: Axes | list[Axes], label: str, size: float | None = None, **place: Any
) -> Colorbar:
    """What the colours of ``image`` mean, beside ``axes``."""
    first = axes[0] if isinstance(axes, list) else axes
    bar = first.figure.colorbar(image, ax=axes, **place)
    bar.set_label(label, fontsize=size)
    bar.outline.set_visible(False)
    return bar


def number_cells(
    axes: Axes,
    image: AxesImage,
    values: np.ndarray,
    size: float,
    text: Callable[[float], str] = "{:.2f}".format,
) -> None:
    """Each finite value in its cell of ``image``, black or white as its colour wants."""
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            look = {"color": style.text_colour(image.cmap(image.norm(value))[:3]), "fontsize": size}
            axes.text(column, row, text(value), ha="center", va="center", **look)


def dot(label: str, colour: str, marker: str = "o", **look: Any) -> Line2D:
    """A mark for a legend."""
    return Line2D(
        [], [], **{"ls": "", "ms": 4, "color": colour, **look}, marker=marker, label=label
    )


def domain_dot(domain: str, **look: Any) -> Line2D:
    """The domain's colour and marker, for a legend."""
    return dot(domain, style.domain_colour(domain), style.domain_marker(domain), **look)


def domain_axis(
    axes: Axes, domains: Sequence[str], colour: Callable[[str], str] = style.domain_colour
) -> None:
    """A place on the x axis for each domain, its name in its colour."""
    axes.set_xticks(range(len(domains)), domains)
    axes.tick_params(axis="x", length=0)
    for tick, domain in zip(axes.get_xticklabels(), domains, strict=True):
        tick.set_color(style.readable(colour(domain)))
    axes.set_xlim(-0.5, len(domains) - 0.5)


def plain_numbers(short: Callable[[str], str] = str) -> FuncFormatter:
    """Ticks as numbers with commas, from a million on by their power of ten."""
    return FuncFormatter(lambda value, _: f"{value:,.0f}" if value < 1e6 else short(f"{value:.0e}"))
