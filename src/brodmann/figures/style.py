"""How brodmann's figures look: colours of the domains, names of tasks, type, and how they are written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from brodmann.figures.hover import svg_text
from brodmann.figures.registry import NOTHING
from brodmann.files import atomic_path, write_text
from brodmann.tasks.catalogue import task_title
from brodmann.tasks.domains import PUBLISHED, colour, known, label, rank

# Widths of a printed column and of a page, in inches (88 mm, 180 mm).
SINGLE, DOUBLE = 88 / 25.4, 180 / 25.4
# No figure is taller or wider than that, in inches, however many models a study has, and no picture has more
# pixels a side.
LARGEST = 12.0
MOST_PIXELS = 4000
# All type is of this size, in points: readable where a column is 420 pixels wide, and in print.
TYPE = 7.0
LINE = TYPE * 1.25 / 72  # height of a line of text in inches
MARGIN = 0.06  # around a saved figure; browsers set text a little wider than it was measured

# Those that users add, which take turns at the other cues.
_OWN = [name for name in known() if name not in PUBLISHED]
# Second cues: to those who do not see red or green, formal and shared look the same, language and social
# alike.
DOMAIN_MARKERS = {"language": "o", "formal": "s", "physical": "^", "social": "D"}
DOMAIN_MARKERS |= dict(zip(_OWN, cycle("Xv*ph<>"), strict=False))
OTHER_MARKER = "P"
# Of lines only: an SVG of dots is many times as large.
DOMAIN_HATCHES = {
    "language": "",
    "formal": "/////",
    "physical": "|||||",
    "social": "\\\\\\\\\\",
    "shared": "xxxx",
}
DOMAIN_HATCHES |= dict(zip(_OWN, cycle(("+++++", "-////", "|\\\\\\\\")), strict=False))
OTHER_HATCH = "-----"
# More marks than that are a picture in an SVG, whose text stays text.
MOST_MARKS = 2000
NEUTRAL = "#8C8C8C"

LOOK: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": TYPE,
    "axes.titlesize": TYPE,
    "axes.labelsize": TYPE,
    "figure.titlesize": TYPE,
    "figure.titleweight": "bold",
    "legend.fontsize": TYPE,
    "legend.title_fontsize": TYPE,
    "xtick.labelsize": TYPE,
    "ytick.labelsize": TYPE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    # Text stays text: editable in a vector editor, searchable in a PDF.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "hatch.linewidth": 0.4,
    # The points of an SVG, so that what is placed for one lies right in all.
    "figure.dpi": 72,
    "savefig.dpi": 300,
}
plt.rcParams.update(LOOK)

_NAMES: ContextVar[Mapping[str, str]] = ContextVar("names of tasks")


@contextmanager
def named(names: Mapping[str, str]) -> Iterator[None]:
    """Within it tasks are called so: ``domain/task`` -> the title of its file."""
    token = _NAMES.set(names)
    try:
        yield
    finally:
        _NAMES.reset(token)


def task_label(task: str) -> str:
    """What a task is called within ``named``, else its name in words."""
    return _NAMES.get({}).get(task) or task_title(task)


def domain_colour(domain: str) -> str:
    """The domain's colour; grey for one that this workflow does not have."""
    return colour(domain)


def domain_label(domain: str) -> str:
    """What figures call it, as it says itself."""
    return label(domain)


def domain_marker(domain: str) -> str:
    """The domain's marker in scatter plots."""
    return DOMAIN_MARKERS.get(domain, OTHER_MARKER)


def ordered_domains(domains: Iterable[str]) -> list[str]:
    """Each domain once: the published ones in their order, others by name, ``shared`` and ``all`` last."""
    last = ("shared", "all")
    found = set(domains)
    own = sorted(found.difference(last), key=rank)
    return [*own, *(name for name in last if name in found)]


def text_colour(background: str | tuple[float, ...]) -> str:
    """Black or white, whichever is easier to read on ``background``."""
    return "black" if _luminance(background) > 0.18 else "white"


def readable(colour: str) -> str:
    """The colour for text on white: darkened until its contrast is 4.5."""
    rgb = to_rgb(colour)
    while 1.05 / (_luminance(rgb) + 0.05) < 4.5:
        rgb = tuple(0.96 * value for value in rgb)
    return to_hex(rgb)


def _luminance(colour: str | tuple[float, ...]) -> float:
    """Relative luminance of sRGB, 0 to 1."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def empty_figure(title: str, statement: str = "no task is included") -> Figure:
    """Where there is nothing to draw: says so, and the report leaves it out."""
    figure, axes = plt.subplots(figsize=(SINGLE, 1.0))
    figure.set_gid(NOTHING)
    axes.set_axis_off()
    add_title(figure, title)
    state(axes, statement, va="center")
    return figure


def text_width(text: str) -> float:
    """Inches, in the figures' type."""
    path = TextPath((0, 0), text, size=TYPE, prop=FontProperties(family=["sans-serif"]))
    return float(path.get_extents().width) / 72


def add_title(figure: Figure, title: str) -> None:
    """Above the whole figure at its left edge, in as many lines as its width needs."""
    text = wrap_title(title, figure.get_figwidth())
    # A layout engine makes room for the title itself, if its height is left to it.
    place = {} if figure.get_layout_engine() else {"y": 1.0, "va": "top"}
    figure.suptitle(text, x=0.0, ha="left", **place)


def wrap_title(title: str, width: float) -> str:
    """The title in lines of at most ``width`` inches."""
    return textwrap.fill(title, max(10, int(width * 72 / (TYPE * 0.62))))


def title_height(title: str, width: float) -> float:
    """Inches that ``add_title`` takes on a figure of this width."""
    return (wrap_title(title, width).count("\n") + 1) * LINE


def state_empty(axes: Axes, statement: str = "no data") -> None:
    """The same for one panel of several; its ticks go."""
    axes.set(xticks=[], yticks=[])
    state(axes, statement, va="center")


def state(axes: Axes, statement: str = "no data", **place: str) -> None:
    """The same in a panel that shares its ticks with others."""
    look = {"ha": "center", "color": "#777777", "transform": axes.transAxes}
    axes.text(0.5, 0.5, statement, **look, **place)


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a figure in each path's format, atomically; the same data gives the same bytes."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox(figure.canvas.get_renderer()).padded(MARGIN)
    # The usual dots, or as many as keep the picture within ``MOST_PIXELS`` a side.
    dots = min(float(plt.rcParams["savefig.dpi"]), (MOST_PIXELS - 1) / max(box.width, box.height))
    for path in map(Path, paths):
        if path.suffix == ".svg":
            write_text(path, svg_text(figure, box, path.stem))
            continue
        with atomic_path(path) as temporary:
            # A date in the file would make every rerun look like a change.
            metadata = {"CreationDate": None} if path.suffix == ".pdf" else {}
            figure.savefig(temporary, bbox_inches=box, metadata=metadata, dpi=dots)
    plt.close(figure)
