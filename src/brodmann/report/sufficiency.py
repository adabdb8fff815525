"""Evidence: is a circuit enough? Own orders of units against random ones and those of other tasks."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from brodmann.circuits.enough import LENT, Beside, by_group, chosen, lent
from brodmann.circuits.stages.faithfulness import AREAS
from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
from brodmann.significance.intervals import of_mean
from brodmann.statistics.printed import between, decimals, show_p
from brodmann.store.tables import read_table

TITLE = "Is a circuit enough?"
WORDS = {
    "own": "own",
    "same_domain": "other tasks of the domain",
    "other_domains": "tasks of other domains",
    "layer_matched": "random, same layers",
    "random": "random",
}


@dataclass(frozen=True)
class Sufficiency:
    """One model's circuits of one kind of unit: the first sign and kind. ``rows``: of the table of areas, of
    tasks that have a contrast; ``split``: whether orders come from other items than those they are tested on.
    """

    name: str
    called: str  # controls marked
    component: str
    source: str  # the table, below results
    rows: pd.DataFrame
    split: bool

    def beside(self, area: str = "cpr") -> dict[str, Beside]:
        """Group of orders -> own orders beside it (by ``cpr`` or ``cmd``), for the groups that were tried."""
        tasks = by_group(self.rows, area)
        lenders = {group: lent(self.rows, group, area) for group in LENT}
        return {
            group: Beside.of(tasks, group, lenders.get(group))
            for group in WORDS
            if tasks[group].notna().any()
        }

    @property
    def own(self) -> pd.DataFrame:
        """Rows of the tasks' own orders."""
        return self.rows[self.rows["group"] == "own"]

    def reached(self, group: str = "own") -> pd.DataFrame:
        """Orders of a group that reach the faithfulness that is called enough before all units are kept."""
        rows = self.rows[self.rows["group"] == group]
        return rows[rows["enough_percent"] < 100]

    @property
    def idle(self) -> int:
        """Tasks that reach it without any of the units."""
        return int((self.reached()["enough_percent"] == 0).sum())

    @property
    def at_random(self) -> dict[str, tuple[int, int]]:
        """Group of random orders -> how many of them reach it, and how many there are."""
        sizes = self.rows["group"].value_counts()
        return {
            group: (len(self.reached(group)), int(sizes[group]))
            for group in ("layer_matched", "random")
            if group in sizes
        }

    def interval(self, area: str = "cpr") -> tuple[float, float]:
        """Of the mean area of own orders, over resampled tasks."""
        return of_mean(by_group(self.rows, area)["own"].dropna().to_numpy())

    @property
    def floor(self) -> float:
        """Mean faithfulness of the smallest circuits."""
        return float(self.own["floor"].mean())

    def mean(self, group: str, column: str) -> float:
        """Over tasks."""
        return float(by_group(self.rows, column)[group].mean())


def sufficiency_part(sources: Sources) -> Section | None:
    """See above; None for a study that tests no circuit so."""
    study = sources.study
    found = [
        one
        for component in study.attribution.components
        for name in study.faithfulness_models
        if len((one := _read(sources, name, component)).rows)
    ]
    if not found:
        return None
    figures = [
        picture
        for one in found
        for picture in sources.figures("sufficiency", one.name, one.component)
    ]
    lead = sources.say("evidence.sufficiency", study, found)
    return Section(TITLE, lead, figures, [_table(one) for one in found])


def _read(sources: Sources, model: str, component: str) -> Sufficiency:
    asked = sources.study.faithfulness
    stem = f"{model}/faithfulness/{component}.{sources.study.attribution.estimator}.areas.csv"
    table = read_table(sources.results / stem, AREAS)
    # Tasks of control models without a contrast have no areas.
    rows = chosen(table, asked.signs[0], asked.kinds[0]).dropna(subset=["cpr"])
    split = bool(sources.study.tasks.split)
    return Sufficiency(model, sources.called(model), component, stem, rows, split)


def _table(one: Sufficiency) -> Table:
    number, bracket = decimals(2), between(2)
    rows: list[list[Cell]] = [
        [
            WORDS[group],
            str(beside.n),
            number(beside.other),
            number(one.mean(group, "cmd")),
            "–" if group == "own" else number(beside.difference),
            "–" if group == "own" else bracket(beside.low, beside.high),
            # On the items that chose it, a task's own order is ahead by construction.
            show_p(beside.p) if one.split else "–",
        ]
        for group, beside in one.beside().items()
    ]
    heads = ("order of the units", "tasks", "CPR", "CMD", "own more by", "95 % interval", "p")
    caption = (
        f"{one.called}, {one.component}: areas of faithfulness over all sizes of circuits, mean over tasks. "
        "CPR: under the curve; CMD: between the curve and 1. Intervals are over resampled tasks, those that "
        "lend their orders among them. p: Wilcoxon's signed ranks over tasks, two-sided, uncorrected; none "
        "where orders are tested on the items that they were found on."
    )
    return Table(caption, heads, rows, source=one.source)
