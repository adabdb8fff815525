"""Figures that show one table, and what figures of the study show of the long tables of statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd
from matplotlib.figure import Figure

from brodmann.figures.registry import Asked, Files
from brodmann.statistics.study_tables import read_statistics
from brodmann.store.tables import read_table


def of_table(
    name: str, columns: Iterable[str], draw: Callable[..., Figure], title: str
) -> Callable[[Files, Asked], tuple[Figure, pd.DataFrame]]:
    """A figure of the file ``name``, which has these columns; the settings fill the places of its title."""

    def drawn(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
        table = read_table(files[name], columns)
        return draw(table, title=title.format(**asked)), table

    return drawn


def long_table(files: Files, asked: Asked, name: str) -> pd.DataFrame:
    """The rows of one kind of unit."""
    table = read_statistics(files[name])
    return table[table["component"] == asked["component"]]


def at_size(table: pd.DataFrame, asked: Asked, *, drop: bool) -> pd.DataFrame:
    """The rows of the overlap (containment), or of the ablation (``drop``), that figures show."""
    if drop:
        chosen = (
            (table["measure"] == "accuracy_drop")
            & (table["sel"] == asked["drop_sel"])
            & (table["kind"] == asked["kind"])
        )
    else:
        chosen = (table["measure"] == "containment") & (table["sel"] == asked["overlap_sel"])
    return table[chosen]
