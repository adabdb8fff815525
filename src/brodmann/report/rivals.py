"""Evidence: is a task's circuit the only one? Circuits that were found again without those before them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from brodmann.circuits.enough import Beside
from brodmann.circuits.stages.rivals import COLUMNS
from brodmann.report.page import Cell, Section, Table
from brodmann.report.sources import Sources
from brodmann.report.wording import share
from brodmann.significance.intervals import of_mean
from brodmann.statistics.printed import between, decimals
from brodmann.store.tables import read_table

TITLE = "Is it the only circuit?"


@dataclass(frozen=True)
class Found:
    """One model's rivals of one kind of unit. ``rows``: of the table, of tasks that have a contrast."""

    name: str
    called: str  # controls marked
    component: str
    source: str  # the table, below results
    rows: pd.DataFrame

    @property
    def n(self) -> int:
        """Tasks."""
        return int(self.rows["task"].nunique())

    @property
    def last(self) -> int:
        """Number of the last round."""
        return int(self.rows["round"].max())

    @property
    def rounds(self) -> range:
        """Those that found a rival; round 0 is the task's own circuit."""
        return range(1, self.last + 1)

    def of(self, number: int) -> pd.DataFrame:
        """Rows of a round, by task."""
        return self.rows[self.rows["round"] == number].set_index("task")

    def mean(self, number: int, column: str) -> float:
        """Of a round, over tasks."""
        return float(self.of(number)[column].mean())

    def controlled(self, number: int) -> int:
        """Tasks that have as many random units beside a round's circuit."""
        return int(self.of(number)["control"].notna().sum())

    def interval(self, number: int, column: str) -> tuple[float, float]:
        """Of this mean, over resampled tasks."""
        return of_mean(self.of(number)[column].dropna().to_numpy(dtype=float))

    def less(self, number: int) -> Beside:
        """Faithfulness of the tasks' own circuits beside that of a round's rivals."""
        pair = {"own": self.of(0)["faithfulness"], "rival": self.of(number)["faithfulness"]}
        return Beside.of(pd.DataFrame(pair), "rival")


def rivals_part(sources: Sources) -> Section | None:
    """See above; None for a study that seeks no rivals."""
    study = sources.study
    if not study.faithfulness.rivals.rounds:
        return None
    found = [
        one
        for component in study.attribution.components
        for name in study.faithfulness_models
        if len((one := _read(sources, name, component)).rows)
    ]
    if not found:
        return None
    lead = sources.say("evidence.rivals", study, found)
    figures = [
        picture for one in found for picture in sources.figures("rivals", one.name, one.component)
    ]
    return Section(TITLE, lead, figures, [_table(one) for one in found])


def _read(sources: Sources, model: str, component: str) -> Found:
    stem = f"{model}/faithfulness/{component}.{sources.study.attribution.estimator}.rivals.csv"
    rows = read_table(sources.results / stem, COLUMNS).dropna(subset=["faithfulness"])
    return Found(model, sources.called(model), component, stem, rows)


def _table(one: Found) -> Table:
    number, bracket = decimals(2), between(2)
    rows: list[list[Cell]] = []
    for place in (0, *one.rounds):
        less = one.less(place)
        rows.append(
            [
                "own circuit" if place == 0 else f"rival {place}",
                str(one.n),
                number(one.mean(place, "faithfulness")),
                number(one.mean(place, "control")),
                "–" if place == 0 else number(less.difference),
                "–" if place == 0 else bracket(less.low, less.high),
                number(one.mean(place, "without")),
                share(one.mean(place, "next_best")),
                share(one.mean(place, "same_layers")),
            ]
        )
    heads = ("round", "tasks", "faithfulness", "random units", "own more by", "95 % interval")
    heads += ("left without", "next best", "same layers")
    caption = f"{one.called}, {one.component}: circuits that were found one after another, mean over tasks."
    return Table(caption, heads, rows, source=one.source)
