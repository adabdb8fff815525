"""Evidence: do modules live in experts? Of mixtures of experts alone."""

from __future__ import annotations

from typing import Any

from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
from brodmann.statistics.experts import CONCENTRATION, SIMILARITY
from brodmann.statistics.printed import decimals, show_p
from brodmann.statistics.stages.experts import COLUMNS
from brodmann.store.tables import read_table

TITLE = "Do modules live in experts?"
SOURCE = "statistics/experts.csv"
_NUMBER = decimals(2)


def experts_part(sources: Sources) -> Section | None:
    """See above; None where no model that was looked at has experts."""
    study = sources.study
    if not study.profiled_models:
        return None
    table = read_table(sources.results / SOURCE, COLUMNS)
    rows = [{**row, "called": sources.called(row["model"])} for row in table.to_dict("records")]
    if not rows:
        return None
    shown = [row for row in rows if row["sel"] == study.selection.main_name]
    return Section(TITLE, sources.say("experts.profiles", study, shown), [], [_table(rows)])


def _table(rows: list[dict[str, Any]]) -> Table:
    words = {
        SIMILARITY: "same experts: within less across domains",
        CONCENTRATION: "one expert: two neurons of a circuit and layer",
    }
    cells: list[list[Cell]] = [
        [
            row["called"],
            row["sel"],
            words[row["measure"]],
            str(int(row["n"])),
            *(_NUMBER(row[name]) for name in ("value", "null", "within", "across")),
            show_p(row["p"]),
            show_p(row["q"]),
        ]
        for row in rows
    ]
    heads = ("model", "circuits", "statistic", "tasks", "found", "experts dealt anew")
    caption = (
        "Where circuits lie among experts. Similarity: cosine of two tasks' numbers of neurons in each "
        "expert. p: neurons of each layer dealt out to its experts anew, one-sided."
    )
    more = ("within", "across", "p", "q")
    return Table(caption, (*heads, *more), cells, frozenset({0, 1, 2}), SOURCE)
