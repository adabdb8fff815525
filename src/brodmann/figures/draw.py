"""Draw a family of figures: each as PNG, PDF and SVG, with its data beside it as CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import figure as matplotlib_figure
from matplotlib import pyplot

from brodmann.figures.registry import FOLDER, Figure, Files, family_of
from brodmann.figures.style import named, save_figure
from brodmann.store.tables import write_frame, write_matrix

# The picture, and what it shows.
Drawn = tuple[matplotlib_figure.Figure, pd.DataFrame]


def draw_family(
    rule: str,
    files: Files,
    settings: Mapping[str, Any],
    *,
    model: str = "",
    component: str = "",
    folder: str | Path = FOLDER,
) -> None:
    """Every figure that ``rule`` draws, of one model and kind of unit if they are of these.

    ``settings``: those of the family, and ``names``, what tasks are called.
    """
    for one in family_of(rule).figures:
        picture, table = drawn(one, files, settings)
        name = one.name.format(model=model, shown=model, component=component)
        save(picture, f"{folder}/{name}", table)


def drawn(figure: Figure, files: Files, settings: Mapping[str, Any]) -> Drawn:
    """One figure of a family, and what it shows."""
    with named(settings.get("names", {})):
        return drawing(figure)(files, {**settings, **figure.options})


def forget(figure: matplotlib_figure.Figure) -> None:
    """Let pyplot know no more of a figure, which is shown or saved by itself."""
    pyplot.close(figure)


def drawing(figure: Figure) -> Callable[[Files, Mapping[str, Any]], Drawn]:
    """The function that draws a figure from its files."""
    module, _, name = figure.draw.partition(":")
    return getattr(import_module(f"brodmann.figures.{module}"), name)


def save(figure: matplotlib_figure.Figure, stem: str, table: pd.DataFrame) -> None:
    """``stem``.png, .pdf, .svg and .csv; a table with names on its rows is a matrix."""
    save_figure(figure, f"{stem}.png", f"{stem}.pdf", f"{stem}.svg")
    if table.index.dtype.kind in "iu":
        write_frame(f"{stem}.csv", table)
    else:
        write_matrix(f"{stem}.csv", table)
