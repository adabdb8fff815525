"""How brodmann's figures look: colours of the domains, type, and how they are written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from brodmann.files import atomic_path
from brodmann.tasks.domains import PUBLISHED, known, label, rank

# Widths of a printed column and of a page, in inches (88 mm, 180 mm).
SINGLE, DOUBLE = 88 / 25.4, 180 / 25.4
# No figure is taller or wider than that, in inches, however many models a study has, and no picture has more
# pixels a side.
LARGEST = 12.0
MOST_PIXELS = 4000
TITLE_SIZE = 9
MARGIN = 0.02  # around a saved figure

# As each says itself in data/*/domain.yaml.
DOMAIN_COLOURS = {**{name: own.colour for name, own in known().items()}, "shared": "#9B59B6"}
# For domains of another study.
OTHER_COLOUR = "#7F8C8D"
# Those that users add, which take turns at the other cues.
_OWN = [name for name in known() if name not in PUBLISHED]
# Second cues: to those who do not see red or green, formal and shared look the same, language and social
# alike.
DOMAIN_MARKERS = {"language": "o", "formal": "s", "physical": "^", "social": "D"}
DOMAIN_MARKERS |= dict(zip(_OWN, cycle("Xv*ph<>"), strict=False))
OTHER_MARKER = "P"
DOMAIN_HATCHES = {
    "language": "",
    "formal": "//////",
    "physical": "......",
    "social": "\\\\\\\\\\\\",
    "shared": "xxxxxx",
}
DOMAIN_HATCHES |= dict(zip(_OWN, cycle(("++++++", "||||||", "oooooo", "******")), strict=False))
OTHER_HATCH = "------"
NEUTRAL = "#8C8C8C"

plt.rcParams.update(
    {
        "font.family": "sans-serif",
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 7,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        # Text stays text: editable in a vector editor, searchable in a PDF.
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "hatch.linewidth": 0.4,
        "figure.dpi": 100,
        "savefig.dpi": 300,
    }
)


def task_label(task: str) -> str:
    """``subject verb agreement`` of ``language/subject_verb_agreement``."""
    return task.partition("/")[2].replace("_", " ")


def domain_colour(domain: str) -> str:
    """The domain's colour; grey for one that this workflow does not have."""
    return DOMAIN_COLOURS.get(domain, OTHER_COLOUR)


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
    """Where there is nothing to draw: says so."""
    figure, axes = plt.subplots(figsize=(SINGLE, 1.0))
    axes.set_axis_off()
    add_title(figure, title)
    state(axes, statement, va="center")
    return figure


def text_width(text: str, size: float) -> float:
    """Inches, in the figures' font."""
    path = TextPath((0, 0), text, size=size, prop=FontProperties(family=["sans-serif"]))
    return float(path.get_extents().width) / 72


def add_title(figure: Figure, title: str) -> None:
    """Above the whole figure at its left edge, in as many lines as its width needs."""
    text = wrap_title(title, figure.get_figwidth())
    # A layout engine makes room for the title itself, if its height is left to it.
    place = {} if figure.get_layout_engine() else {"y": 1.0, "va": "top"}
    figure.suptitle(text, x=0.0, ha="left", fontsize=TITLE_SIZE, **place)


def wrap_title(title: str, width: float) -> str:
    """The title in lines of at most ``width`` inches."""
    return textwrap.fill(title, max(10, int(width * 72 / (TITLE_SIZE * 0.56))))


def title_height(title: str, width: float) -> float:
    """Inches that ``add_title`` takes on a figure of this width."""
    return (wrap_title(title, width).count("\n") + 1) * TITLE_SIZE * 1.25 / 72


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
    dots = _dots_per_inch(figure)
    for path in paths:
        with atomic_path(path) as temporary:
            # A date in the file would make every rerun look like a change.
            metadata = {"CreationDate": None} if str(path).endswith(".pdf") else {}
            # The margin is given here because pyCirclize, once imported, changes its default.
            figure.savefig(
                temporary, bbox_inches="tight", pad_inches=MARGIN, metadata=metadata, dpi=dots
            )
    plt.close(figure)


def _dots_per_inch(figure: Figure) -> float:
    """The usual ones, or as many as keep the picture within ``MOST_PIXELS`` a side."""
    usual = float(plt.rcParams["savefig.dpi"])
    if max(figure.get_size_inches()) * usual <= MOST_PIXELS / 1.5:
        return usual  # labels that reach beyond the figure add less than half
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    side = max(box.width, box.height, *figure.get_size_inches()) + 2 * MARGIN
    return min(usual, (MOST_PIXELS - 1) / side)
