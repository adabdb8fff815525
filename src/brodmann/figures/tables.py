"""What figures of the study show of the long tables of statistics."""

from __future__ import annotations

import pandas as pd

from brodmann.figures.registry import Asked, Files
from brodmann.statistics.study_tables import read_statistics


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
