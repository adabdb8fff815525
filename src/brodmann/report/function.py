"""The report's section on function: what breaks when a circuit is silenced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import own_against_random, paired_p
from brodmann.report.findings import Findings
from brodmann.report.page import Group, Section
from brodmann.report.sources import Sources, contrasts

# Figures of more models than that are folded.
UNFOLDED = 4


def function_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """What silencing circuits breaks, and whether overlap predicts it."""
    component, study, say = findings.component, sources.study, sources.say
    title = f"What breaks when a circuit is silenced?{suffix}"
    lead = say("function.lead", study, bool(sources.inventory.drops))
    if not sources.inventory.drops:
        return Section(title, lead)
    drawn = sources.shown if sources.inventory.average_drops else sources.inventory.drops[0].model
    figures = sources.figures("function", drawn, component)
    own = [
        picture
        for name in study.measured_models
        for picture in sources.figures("lesions", name, component)
    ]
    names = [one.model for one in sources.inventory.all_drops if one.component == component]
    cells = {name: Cells.of(sources.drops(name, component)) for name in dict.fromkeys(names)}
    # Of many models, what is each one's own is opened on demand.
    folded = len(study.measured_models) > UNFOLDED
    return Section(
        title,
        lead,
        [
            *say("function.own", own_circuits(sources, component)),
            *say("function.within", findings),
            *say("function.predicted", findings, cells, study.ablation.max_items),
        ],
        figures if folded else [*figures, *own],
        contrasts(findings, "ablation"),
        [Group("Random lesions and forecasts of every model", figures=own)] if folded else [],
    )


@dataclass(frozen=True)
class OwnCircuits:
    """A model's own circuits against random units. ``table``: of ``against_controls.own_against_random``.

    Only where items are ``split`` are circuits tested on other items than they were found on. Elsewhere
    own circuits win by construction, so that a p would say nothing.
    """

    name: str
    table: pd.DataFrame
    split: bool

    @property
    def controls(self) -> list[str]:
        """The kinds of random units that there are; the first is the one that is tested."""
        return [name for name in ("layer_matched", "random") if self.table[name].notna().any()]

    def mean(self, column: str) -> float:
        """Over tasks."""
        return float(self.table[column].mean())

    @property
    def p(self) -> float:
        """Of own circuits against the first kind of random units."""
        return paired_p(self.table["own"], self.table[self.controls[0]])

    @property
    def equal(self) -> list[str]:
        """Tasks whose own circuit costs no more than random units."""
        worst = self.table[self.controls].max(axis=1)
        return list(self.table[self.table["own"] <= worst]["target"])


def own_circuits(sources: Sources, component: str) -> list[OwnCircuits]:
    """Of every model whose circuits were ablated here."""
    split = bool(sources.study.tasks.split)
    return [
        OwnCircuits(
            sources.called(name), own_against_random(sources.lesions(name, component)), split
        )
        for name in sources.study.measured_models
    ]


@dataclass(frozen=True)
class Cells:
    """Off-diagonal cells of a drop matrix: how many there are, and how many are not 0."""

    measured: int
    not_zero: int

    @classmethod
    def of(cls, drops: pd.DataFrame) -> Cells:
        """Count them."""
        values = drops.to_numpy(dtype=float)
        cells = values[~np.eye(len(values), dtype=bool)]
        cells = cells[np.isfinite(cells)]
        return cls(len(cells), int((cells != 0).sum()))
