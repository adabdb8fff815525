"""How brodmann's figures look: colours of the domains, type, and how they are written."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from brodmann.files import atomic_path

DOMAIN_COLOURS = {
    "language": "#C0392B",
    "formal": "#2471A3",
    "physical": "#E67E22",
    "social": "#27AE60",
    "shared": "#9B59B6",
}
# For domains that a user adds.
OTHER_COLOUR = "#7F8C8D"

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
        "figure.dpi": 100,
        "savefig.dpi": 300,
    }
)


def task_label(task: str) -> str:
    """``subject verb agreement`` of ``language/subject_verb_agreement``."""
    return task.partition("/")[2].replace("_", " ")


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a figure in each path's format, atomically; the same data gives the same bytes."""
    for path in paths:
        with atomic_path(path) as temporary:
            # A date in the file would make every rerun look like a change.
            metadata = {"CreationDate": None} if str(path).endswith(".pdf") else {}
            figure.savefig(temporary, bbox_inches="tight", metadata=metadata)
    plt.close(figure)
