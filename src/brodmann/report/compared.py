"""Evidence: are the maps of a model those of another one, quantised or fine-tuned?"""

from __future__ import annotations

import pandas as pd

from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
from brodmann.statistics.printed import between, decimals
from brodmann.statistics.stages.compared import ACCURACY, COLUMNS, RANKS, SELECTIVITY, SHARED
from brodmann.store.tables import read_table

TITLE = "Pairs of models"
_CALLED = {
    RANKS: "rank correlation of attribution scores",
    SHARED: "shared units of circuits (Jaccard)",
    ACCURACY: "difference of accuracy",
    SELECTIVITY: "correlation of selectivity",
}
_HEADS = ("models", "measure", "of", "mean", "n")


def compared_part(sources: Sources) -> Section | None:
    """See above; None for a study that compares none."""
    if not sources.study.compare.pairs:
        return None
    source = "statistics/compared.csv"
    found = read_table(sources.results / source, COLUMNS)
    rows: list[list[Cell]] = [
        [
            f"{sources.called(row['one'])}, {sources.called(row['other'])}",
            _CALLED[row["measure"]],
            row["component"] or "all answers",
            _interval(row),
            f"{row['n']} {row['unit']}",
        ]
        for row in found.fillna({"component": ""}).to_dict("records")
    ]
    caption = (
        "Pairs of models: means with 95 % intervals over resampled tasks. A difference is of the second "
        "model less the first."
    )
    return Section(TITLE, [], tables=[Table(caption, _HEADS, rows, source=source)])


def _interval(row: dict[str, float]) -> str:
    value = decimals(3)(row["value"])
    return value if pd.isna(row["low"]) else f"{value} {between(3)(row['low'], row['high'])}"
