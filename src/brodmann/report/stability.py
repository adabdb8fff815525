"""Evidence: is a circuit the same on other draws of its items?"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from brodmann.circuits.stages.stability import COLUMNS
from brodmann.config.attribution import STABLE
from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
from brodmann.significance.effects import Value, accuracy
from brodmann.significance.intervals import of_mean
from brodmann.statistics.printed import decimals
from brodmann.store.tables import read_table

TITLE = "Is a circuit the same on other draws of its items?"
_NUMBER = decimals(2)


@dataclass(frozen=True)
class Stability:
    """One model's circuits of one kind of unit. ``table``: of stages.stability, its tasks with a Jaccard."""

    called: str  # controls marked
    component: str
    source: str
    table: pd.DataFrame

    @property
    def share(self) -> Value:
        """Of tasks whose circuits are stable, with Wilson's interval."""
        return accuracy(self.table["stable"].to_numpy(dtype=float))

    @property
    def stable(self) -> int:
        """Tasks whose circuits are stable."""
        return int(self.table["stable"].sum())

    @property
    def items(self) -> str:
        """``20 to 32``: independent items of a task."""
        ends = dict.fromkeys([int(self.table["n_units"].min()), int(self.table["n_units"].max())])
        return " to ".join(map(str, ends))

    @property
    def interval(self) -> tuple[float, float]:
        """Of the mean Jaccard index, over resampled tasks."""
        return of_mean(self.table["jaccard"].to_numpy(dtype=float))

    def with_items(self, number: int) -> int:
        """Tasks of which so many independent items can be drawn: they have a curve."""
        return int((self.table["n_units"] >= number).sum())

    @property
    def reached(self) -> pd.Series:
        """Items from which on circuits are stable, of the tasks that get there within their curve."""
        return self.table["needed"].dropna()


def stability_part(sources: Sources) -> Section | None:
    """See above; None for a study without resampled circuits."""
    study = sources.study
    if study.attribution.resampled < 2:
        return None
    found = []
    for component in study.attribution.components:
        for name in study.run_models:
            file = f"{name}/overlap/{component}/{study.selection.main_name}.stability.csv"
            table = read_table(sources.results / file, COLUMNS).dropna(subset=["jaccard"])
            if len(table):
                found.append(Stability(sources.called(name), component, file, table))
    if not found:
        return None
    figures = [
        picture
        for component in study.attribution.components
        for name in study.run_models
        for picture in sources.figures("stability", name, component)
    ]
    lead = sources.say("stability.bootstraps", study, found, STABLE)
    return Section(TITLE, lead, figures, [_table(sources, one) for one in found])


def _table(sources: Sources, one: Stability) -> Table:
    rows: list[list[Cell]] = [
        [
            sources.task(row["task"]),
            str(int(row["n_units"])),
            str(int(row["n_circuit"])),
            _NUMBER(row["jaccard"]),
            f"{_NUMBER(row['low'])} to {_NUMBER(row['high'])}",
            str(int(row["needed"])) if row["needed"] == row["needed"] else "–",
        ]
        for row in one.table.to_dict("records")
    ]
    heads = ("task", "independent items", "circuit", "Jaccard", "95 % of pairs", "stable from")
    caption = (
        f"{one.called}, {one.component}: share of the units of either that two circuits of resampled items "
        f"have in common, mean over all pairs. Stable: {STABLE:g} or more."
    )
    return Table(caption, heads, rows, source=one.source)
