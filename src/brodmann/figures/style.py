"""How brodmann's figures look: colours of the domains, type, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from brodmann.files import atomic_path
from brodmann.tasks.catalogue import DOMAINS

# Widths of a printed column and of a page, in inches (88 mm, 180 mm).
SINGLE, DOUBLE = 88 / 25.4, 180 / 25.4

DOMAIN_COLOURS = {
    "language": "#C0392B",
    "formal": "#2471A3",
    "physical": "#E67E22",
    "social": "#27AE60",
    "shared": "#9B59B6",
}
# For domains that a user adds.
OTHER_COLOUR = "#7F8C8D"
# Second cues: without red and green the colours of physical and social are close.
DOMAIN_MARKERS = {"language": "o", "formal": "s", "physical": "^", "social": "D"}
OTHER_MARKER = "P"
DOMAIN_HATCHES = {
    "language": "",
    "formal": "//////",
    "physical": "......",
    "social": "\\\\\\\\\\\\",
    "shared": "xxxxxx",
}
OTHER_HATCH = "------"
NEUTRAL = "#8C8C8C"

plt.rcParams.update(
    {
        "font.family": "sans-serif",
        "font.size": 8,
        "axes.titlesize": 9,
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
    """The domain's colour; grey for a domain that a user adds."""
    return DOMAIN_COLOURS.get(domain, OTHER_COLOUR)


def domain_marker(domain: str) -> str:
    """The domain's marker in scatter plots."""
    return DOMAIN_MARKERS.get(domain, OTHER_MARKER)


def ordered_domains(domains: Iterable[str]) -> list[str]:
    """Each domain once: the four in their order, then others by name, ``shared`` and ``all`` last."""
    last = ("shared", "all")
    found = set(domains)
    others = sorted(found - set(DOMAINS) - set(last))
    return [name for name in (*DOMAINS, *others, *last) if name in found]


def text_colour(background: str | tuple[float, ...]) -> str:
    """Black or white, whichever is easier to read on ``background``."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in to_rgb(background)
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "black" if luminance > 0.18 else "white"


def empty_figure(title: str, statement: str = "no task is included") -> Figure:
    """Where there is nothing to draw: says so."""
    figure, axes = plt.subplots(figsize=(SINGLE, 1.0))
    axes.set_axis_off()
    axes.set_title(title, loc="left")
    axes.text(0.5, 0.5, statement, ha="center", va="center", color="#777777")
    return figure


def state_empty(axes: Axes, statement: str = "no data") -> None:
    """The same for one panel of several; its ticks go."""
    axes.set(xticks=[], yticks=[])
    axes.text(
        0.5, 0.5, statement, ha="center", va="center", color="#777777", transform=axes.transAxes
    )


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a figure in each path's format, atomically; the same data gives the same bytes."""
    for path in paths:
        with atomic_path(path) as temporary:
            # A date in the file would make every rerun look like a change.
            metadata = {"CreationDate": None} if str(path).endswith(".pdf") else {}
            figure.savefig(temporary, bbox_inches="tight", metadata=metadata)
    plt.close(figure)
