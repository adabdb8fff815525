"""The report's section on function: what breaks when a circuit is silenced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import nan

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import own_against_random, paired_p
from brodmann.report import verdicts
from brodmann.report.domains import WithoutAlike, domain_table, domain_verdicts
from brodmann.report.findings import Findings, by_model
from brodmann.report.page import Cell, Group, Section, Table
from brodmann.report.sources import Sources, printed_tables
from brodmann.report.verdicts import Verdict
from brodmann.report.wording import called_cell, points, share
from brodmann.statistics.printed import show_p
from brodmann.statistics.stages.structure_function import structure_function_table
from brodmann.statistics.structure_function import ALIKE
from brodmann.tasks.domains import label

TITLE = "What breaks when a circuit is silenced?"
MATCHED = "activation_matched"  # random units that are as active
# Of what is opened on demand.
DOMAINS = "Each domain by itself"
PREDICTED = "Does overlap predict what breaks?"


def function_section(sources: Sources, findings: Findings) -> Section:
    """What silencing circuits breaks, and whether overlap predicts it."""
    component, study, say = findings.component, sources.study, sources.say
    title = f"{TITLE}{findings.suffix}"
    lead = say("function.lead", study, bool(sources.inventory.drops))
    if not sources.inventory.drops:
        return Section(title, lead)
    drawn = sources.shown if sources.inventory.average_drops else sources.inventory.drops[0].model
    figures = sources.figures("function", drawn, component)
    main = [one for one in figures if one.path.stem.startswith("ablation.")]
    predicted = [one for one in figures if one.path.stem.startswith("structure_function")]
    lesions = [
        picture
        for name in study.measured_models
        for picture in sources.figures("lesions", name, component)
    ]
    against = [one for one in lesions if one.path.stem.startswith("controls")]
    names = [one.model for one in sources.inventory.all_drops if one.component == component]
    cells = {name: Cells.of(sources.drops(name, component)) for name in dict.fromkeys(names)}
    models = own_circuits(sources, component)
    slopes = structure_function_table(findings.tables["structure_function"], findings.drop_sel)
    overlaps = partial(sources.overlaps_of_silenced, component=component)
    drops = partial(sources.drops, component=component)
    alike = {name: without_alike(sources, findings, name) for name in cells}
    groups = [
        Group(
            DOMAINS,
            say("function.domains", ALIKE),
            tables=[domain_table(findings, overlaps, drops=drops)],
        ),
        Group(
            "Circuits against random units",
            say("function.own", models),
            against,
            [_domains_table(models)] if models else [],
        ),
        Group(
            PREDICTED,
            say("function.predicted", findings, cells, study.ablation.max_items, ALIKE),
            predicted,
            printed_tables(slopes, "ablation", component, "structure_function"),
        ),
        Group(
            "Forecasts, domains and models",
            figures=[
                one for one in (*figures, *lesions) if one not in (*main, *predicted, *against)
            ],
        ),
    ]
    return Section(
        title,
        [
            *lead,
            *say("function.within", findings, alike, ALIKE),
            *say("function.silenced", models),
        ],
        main,
        [_main_table(sources, findings, models)],
        [group for group in groups if group],
    )


def without_alike(sources: Sources, findings: Findings, model: str) -> WithoutAlike | None:
    """What a model's tasks lose, without pairs of nearly the same circuit; None where this is not known."""
    overlaps = sources.overlaps_of_silenced(model, findings.component)
    if overlaps is None:
        return None
    return WithoutAlike.of(sources.drops(model, findings.component), overlaps, directed=True)


def _main_table(sources: Sources, findings: Findings, models: Sequence[OwnCircuits]) -> Table:
    verdict = domain_verdicts(findings, drop=True)
    own = {one.model: one for one in models}
    rows: list[list[Cell]] = []
    for row in by_model(findings.rows("modularity", drop=True)):
        one = own.get(row["model"])
        random = one.controls[0] if one is not None and one.controls else ""
        stem = f"{findings.drop_sel}.{findings.kind}.accuracy_drop.csv"
        matrix = f"{row['model']}/ablation/{findings.component}/{stem}"
        rows.append(
            [
                sources.link(matrix, called_cell(row)),
                str(row["n"]),
                "–" if one is None else share(one.mean("own")),
                share(one.mean(random)) if one is not None and random else "–",
                share(row["within"]),
                share(row["cross"]),
                points(row["difference"]),
                show_p(row["p"]),
                show_p(row["q"]),
                str(verdict.get(row["model"], "–")),
            ]
        )
    heads = ("model", "tasks", "own circuit", "random units", "circuits of the domain")
    heads += ("circuits of other domains", "difference", "p", "q", "verdict")
    caption = "Accuracy that a task loses when units are silenced, mean over tasks."
    return Table(caption, heads, rows, frozenset({0, 9}), "statistics/modularity.csv")


def _domains_table(models: Sequence[OwnCircuits]) -> Table:
    kinds = ["layer_matched", "random"]
    heads: tuple[str, ...]
    heads = ("model", "domain", "tasks", "own circuit", "layer-matched units", "random units")
    if any(MATCHED in one.controls for one in models):
        kinds.append(MATCHED)
        heads += ("activation-matched units",)
    rows = [
        [one.name, label(str(domain)), str(len(own)), share(own["own"].mean())]
        + [share(own[name].mean()) for name in kinds]
        for one in models
        for domain, own in one.table.groupby("domain", sort=False)
    ]
    caption = (
        "Accuracy that tasks lose without their own circuit, and without the random units that were drawn "
        "for it (the figure has the draws for all circuits)."
    )
    return Table(caption, heads, rows, frozenset({0, 1}))


@dataclass(frozen=True)
class OwnCircuits:
    """A model's own circuits against random units. ``table``: of ``against_controls.own_against_random``,
    with the tasks' titles.

    Only where items are ``split`` are circuits tested on other items than they were found on. Elsewhere
    own circuits win by construction, so that a p would say nothing.
    """

    model: str
    name: str  # controls marked
    table: pd.DataFrame
    split: bool

    @property
    def controls(self) -> list[str]:
        """The kinds of random units that there are; the first is the one that is tested."""
        kinds = [name for name in ("layer_matched", "random", MATCHED) if name in self.table]
        return [name for name in kinds if self.table[name].notna().any()]

    def mean(self, column: str) -> float:
        """Over tasks."""
        return float(self.table[column].mean())

    @property
    def p(self) -> float:
        """Of own circuits against the first kind of random units."""
        return self.p_against(self.controls[0])

    def p_against(self, control: str) -> float:
        """Of own circuits against a kind of random units."""
        return paired_p(self.table["own"], self.table[control])

    @property
    def verdict(self) -> Verdict:
        """Whether tasks need their own circuit more than random units."""
        if not self.controls:
            return verdicts.own_circuit(nan, nan, nan, split=self.split)
        means = self.mean("own"), self.mean(self.controls[0])
        return verdicts.own_circuit(*means, self.p, split=self.split)

    @property
    def equal(self) -> list[str]:
        """Tasks whose own circuit costs no more than random units."""
        worst = self.table[self.controls].max(axis=1)
        return list(self.table[self.table["own"] <= worst]["target"])


def own_circuits(sources: Sources, component: str) -> list[OwnCircuits]:
    """Of every model whose circuits were ablated here."""
    split, found = bool(sources.study.tasks.split), []
    for name in sources.study.measured_models:
        table = own_against_random(sources.lesions(name, component))
        table["target"] = [sources.task(task) for task in table["target"]]
        found.append(OwnCircuits(name, sources.called(name), table, split))
    return found


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
