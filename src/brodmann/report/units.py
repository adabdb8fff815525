"""The strongest units of every circuit, and what they promote."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from brodmann.circuits.stages.units import COLUMNS, NEURONS
from brodmann.networks.page import visible
from brodmann.report.page import Cell, Group, Table
from brodmann.report.sources import Sources
from brodmann.report.wording import share
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of
from brodmann.tasks.domains import label

_TOKENS = 5  # that are shown


def strongest_units(sources: Sources, component: str) -> Group:
    """A table per model whose circuits are silenced; not of controls: what they promote was not learned."""
    tables = []
    if component == NEURONS:
        for name in sources.study.measured_models:
            if name not in sources.study.controls:
                file = f"{name}/units/neurons.csv"
                table = read_table(sources.results / file, COLUMNS)
                tables.append(_table(sources, name, table, file))
    lead = sources.say("structure.units") if tables else []
    return Group("The strongest units of every circuit, and what they promote", lead, tables=tables)


def _table(sources: Sources, model: str, table: pd.DataFrame, file: str) -> Table:
    rows: list[list[Cell]] = []
    for (name, rank), own in table.groupby(["task", "rank"], sort=False):
        task = str(name)
        first: dict[str, Any] = own.iloc[0].to_dict()
        rows.append(
            [
                f"{label(domain_of(task))}: {sources.task(task)}" if rank == 1 else "",
                f"L{first['layer']} N{first['unit']}",
                share(first["score"]),
                tokens_of(own, "promotes"),
                tokens_of(own, "suppresses"),
            ]
        )
    heads = ("task", "unit", "share of the effect", "promotes", "suppresses")
    return Table(
        f"{model}: the first units of each circuit.", heads, rows, frozenset({0, 3, 4}), file
    )


def tokens_of(rows: pd.DataFrame, side: str) -> str:
    """The strongest tokens of one side, spaces seen."""
    own = rows[rows["side"] == side].sort_values("place")["token"].head(_TOKENS)
    # A line may not end between a quotation mark and the space that a token begins with.
    shown = (visible(json.loads(token)).replace(" ", "\N{NO-BREAK SPACE}") for token in own)
    return ", ".join(f"\u201c{token}\u201d" for token in shown) or "–"
