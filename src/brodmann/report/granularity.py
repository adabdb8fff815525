"""Evidence: is a circuit specific only where its units are small?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
from brodmann.sites import LEVELS
from brodmann.statistics.printed import decimals, show_p
from brodmann.statistics.stages.granularity import COLUMNS
from brodmann.store.tables import read_table

TITLE = "Is a circuit specific only where its units are small?"
SOURCE = "statistics/granularity.csv"
SHOWN = "score_drop"
_NUMBER = decimals(2)


@dataclass(frozen=True)
class Grained:
    """One model at every level and size. ``rows``: of the table, with the level's ``label``."""

    called: str  # controls marked
    rows: list[dict[str, Any]]

    @property
    def n(self) -> int:
        """Tasks."""
        return int(self.rows[0]["n"])

    @property
    def coarser(self) -> list[dict[str, Any]]:
        """All but the first, whose ratios are held against it."""
        return [row for row in self.rows if row["level"] != self.rows[0]["level"]]


def granularity_part(sources: Sources) -> Section | None:
    """See above; None for a study of one size of units."""
    study = sources.study
    if not study.granular_models:
        return None
    table = read_table(sources.results / SOURCE, COLUMNS)
    # Control models without a contrast lose no share of it.
    shown = table[(table["measure"] == SHOWN) & (table["n"] > 0)]
    models = [
        Grained(
            sources.called(name),
            [
                {**row, "label": LEVELS[row["level"]].label}
                for row in shown[shown["model"] == name].to_dict("records")
            ],
        )
        for name in study.granular_models
    ]
    models = [one for one in models if one.rows]
    if not models:
        return None
    figures = [
        picture
        for name in study.granular_models
        for picture in sources.figures("granularity", name)
    ]
    lead = sources.say("granularity.specificity", study, models)
    return Section(TITLE, lead, figures, [_table(models)])


def estimate(row: Mapping[str, Any], column: str) -> str:
    """``1.52 [1.20, 1.90]``; without an interval where there is none."""
    value, low, high = (float(row[f"{column}{end}"]) for end in ("", "_low", "_high"))
    if low != low or high != high:
        return _NUMBER(value)
    return f"{_NUMBER(value)} [{_NUMBER(low)}, {_NUMBER(high)}]"


def _table(models: list[Grained]) -> Table:
    groups = ("own", "within", "across", "size_matched", "mass_matched")
    rows: list[list[Cell]] = [
        [
            one.called,
            row["label"],
            f"{row['percent']:g} %",
            f"{row['k']:g}",
            str(int(row["n"])),
            *(estimate(row, group) for group in groups),
            estimate(row, "ratio"),
            show_p(row["p"]),
            show_p(row["q"]),
        ]
        for one in models
        for row in one.rows
    ]
    heads = ("model", "kind of unit", "size", "circuit", "tasks", "its own circuit")
    heads += (
        "circuits within",
        "circuits across",
        "as many random",
        "equal attribution, or all others",
    )
    heads += ("within / across", "p", "q")
    caption = (
        "Share of the metric that a task loses when units are silenced, mean over tasks, with 95 % intervals "
        "over resampled tasks. p: domain labels shuffled, within less across, one-sided; q: over all rows of "
        f"{SOURCE}."
    )
    return Table(caption, heads, rows, frozenset({0, 1}), SOURCE)
